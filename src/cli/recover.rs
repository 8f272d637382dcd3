//! `effigy recover`.

use super::Status;
use super::ui::Ui;
use crate::commands::recover::{self, HeldOut, RecoverOutcome, RecoverRequest};
use crate::regress::recovery::Method;
use crate::report::table::{Table, figure};
use clap::ValueEnum;
use std::path::PathBuf;

/// Predict the deleted end of a clip from other clips like it
///
/// Learns from all clips of a folder but one what follows a beginning, and predicts the end of the
/// one that was held out, beside silence and the mean clip.
///
/// Examples:
///   effigy recover --dir clips --prefix 0_jackson --held-out 47 -o recovered.wav
///   effigy recover --dir clips --leave-one-out --method ridge,pca
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder of the clips.
    #[arg(long)]
    dir: PathBuf,
    /// Only clips whose names begin so, such as 0_jackson.
    #[arg(long, default_value = "")]
    prefix: String,
    /// Share of the held-out clip that is kept, between 0 and 1.
    #[arg(long, default_value_t = 0.5)]
    portion: f64,
    /// Place of the clip to recover in the sorted list, from 0.
    #[arg(long, group = "which")]
    held_out: Option<usize>,
    /// Draw the clip as NumPy's RandomState(SEED).randint(number of clips) does.
    #[arg(long, group = "which")]
    seed: Option<u32>,
    /// Recover every clip in turn.
    #[arg(long, group = "which", conflicts_with = "output")]
    leave_one_out: bool,
    /// Methods, the first of which is written.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_values = ["ols", "ridge", "pca"]
    )]
    method: Vec<MethodArg>,
    /// ols: drop directions whose singular value is below this share of the largest.
    #[arg(long, default_value_t = 1e-6)]
    rcond: f64,
    /// ridge: penalty relative to a clip's mean energy [default: chosen by leaving clips out].
    #[arg(long)]
    alpha: Option<f64>,
    /// pca: number of components [default: chosen by leaving clips out].
    #[arg(long)]
    components: Option<usize>,
    /// Where the kept beginning and the recovered end go (16-bit WAV).
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Let samples beyond 16 bits wrap around as the original program did, not saturate.
    #[arg(long)]
    wrap: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodArg {
    /// Ordinary least squares.
    Ols,
    /// Ridge regression through the origin.
    Ridge,
    /// Regression on principal components, through the origin.
    Pca,
}

/// Recovers and prints errors beside silence and the mean clip.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = recover::recover(&request(args), ui)?;
    ui.report(&outcome, text)?;
    Ok(Status::Done)
}

fn request(args: &Args) -> RecoverRequest {
    let held_out = match (args.held_out, args.seed) {
        (Some(index), _) => HeldOut::Index(index),
        (None, Some(seed)) => HeldOut::Seed(seed),
        (None, None) => HeldOut::Every,
    };
    let method = |m: &MethodArg| match m {
        MethodArg::Ols => Method::Ols { rcond: args.rcond },
        MethodArg::Ridge => Method::Ridge { alpha: args.alpha },
        MethodArg::Pca => Method::Pca {
            components: args.components,
        },
    };
    RecoverRequest {
        dir: args.dir.clone(),
        prefix: args.prefix.clone(),
        portion: args.portion,
        held_out,
        methods: args.method.iter().map(method).collect(),
        output: args.output.clone(),
        wrap: args.wrap,
    }
}

fn text(outcome: &RecoverOutcome) -> String {
    let RecoverOutcome {
        clips,
        samples,
        kept,
        ..
    } = outcome;
    let mut text = format!("{clips} clips of {samples} samples, {kept} kept\n\n");
    if outcome.summary.is_empty() {
        for clip in &outcome.recovered {
            let mut table = Table::new(["method", "setting", "MSE", "RMSE", "R² over time"]);
            for row in &clip.rows {
                table.row([
                    row.name.to_string(),
                    row.setting.map_or_else(String::new, figure),
                    format!("{:.0}", row.score.mse),
                    format!("{:.2}", row.score.rmse),
                    format!("{:.4}", row.score.r2),
                ]);
            }
            text += &format!("{} (index {})\n{table}", clip.clip.display(), clip.index);
        }
    } else {
        let mut table = Table::new([
            "method",
            "mean MSE",
            "median RMSE",
            "median R²",
            "best R²",
            "beats silence",
            "beats mean clip",
        ]);
        for row in &outcome.summary {
            table.row([
                row.name.to_string(),
                format!("{:.0}", row.mean_mse),
                format!("{:.1}", row.median_rmse),
                format!("{:.4}", row.median_r2),
                format!("{:.4}", row.best_r2),
                format!("{}/{clips}", row.better_than_silence),
                format!("{}/{clips}", row.better_than_mean_clip),
            ]);
        }
        text += &table.to_string();
    }
    if let Some(output) = &outcome.output {
        text += &format!("\nwrote {}", output.display());
        if outcome.beyond_16_bits > 0 {
            text += &format!("; {} samples were beyond 16 bits", outcome.beyond_16_bits);
        }
        text += "\n";
    }
    text + &format!("{:.2} s\n", outcome.seconds)
}
