//! Arguments and text of `effigy collage`.

use super::Status;
use super::stretch::describe;
use super::ui::Ui;
use crate::commands::collage::{self, Request, Source};
use std::path::PathBuf;

/// Cut recordings into segments and join them in another order
///
/// Examples:
///   effigy collage jumble bells.wav -o jumbled.wav --segments 50
///   effigy collage interleave bells.wav vireo.wav -o both.wav --segments 300 --crossfade 5
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// Shuffle the segments of one recording
    Jumble {
        /// The recording (WAV, FLAC, MP3 or OGG)
        input: PathBuf,
        /// Seed of the order
        #[arg(long, default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        join: Join,
    },
    /// Play the segments of two recordings in turn
    Interleave {
        /// The recording that begins
        first: PathBuf,
        /// The other recording, of the same sample rate
        second: PathBuf,
        #[command(flatten)]
        join: Join,
    },
}

#[derive(Debug, clap::Args)]
struct Join {
    /// The WAV file to write
    #[arg(short, long)]
    output: PathBuf,
    /// Segments that each recording is cut into
    #[arg(long, default_value_t = 50)]
    segments: usize,
    /// Length of the fade at each join, in milliseconds
    #[arg(long, default_value_t = 10.0)]
    crossfade: f64,
    /// Compute as the notebook did: first channels, its slews at the joins, scaled to a peak of
    /// 0.95; jumble loses its last segment and shuffles as NumPy does with this seed
    #[arg(long)]
    compat: bool,
}

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let (source, join) = match &args.kind {
        Kind::Jumble { input, seed, join } => {
            let (input, seed) = (input.clone(), *seed);
            (Source::Jumble { input, seed }, join)
        }
        Kind::Interleave {
            first,
            second,
            join,
        } => {
            let (first, second) = (first.clone(), second.clone());
            (Source::Interleave { first, second }, join)
        }
    };
    let request = Request {
        source,
        output: join.output.clone(),
        segments: join.segments,
        crossfade_ms: join.crossfade,
        compat: join.compat,
    };
    let outcome = collage::run(&request, ui)?;
    ui.report(&outcome, |o| {
        let pieces = o.segments * o.inputs.len();
        format!(
            "{}: {pieces} segments, {}",
            o.sound.file.display(),
            describe(&o.sound)
        )
    })?;
    Ok(Status::Done)
}
