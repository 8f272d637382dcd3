//! Fits classical models of an effect on a config's training spans, tests them, and keeps them
//! as files that `infer` and `evaluate` accept.

use crate::config::{self, BaselineConfig};
use crate::data::load::{self, LatencyReport};
use crate::data::pair::Reach;
use crate::playing::Playable;
use crate::playing::fitting;
use crate::playing::playable::Source;
use crate::playing::scoring::{ModelRow, Tester};
use crate::progress::Observer;
use crate::report::metrics::PairRows;
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Fit classical models to a config's recordings and test them
///
/// Gains, filters, filters on tanh curves and Volterra series, fitted by least squares: what a
/// network must beat.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Names the recordings and the baselines; see configs/ for examples.
    #[arg(long, short)]
    pub config: PathBuf,
    /// Override a config key, such as data.latency=3; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Baselines to fit: gain, fir-128, fir-36-tanh, volterra-3-4x64, … [default: the config's].
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub model: Vec<String>,
    /// Keep every fitted baseline in this folder as NAME.json, for infer and evaluate.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub save: Option<PathBuf>,
    /// Keep the one fitted baseline in this file.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// Exit with code 1 unless the best baseline's ESR is at most this.
    #[arg(long, value_name = "ESR")]
    pub require_esr: Option<f64>,
}

/// Fitted baselines and their figures.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Wall time of the command.
    pub seconds: f64,
    /// Test samples over which every row was taken.
    pub samples: usize,
    /// Identity, then the baselines as asked for.
    pub rows: Vec<ModelRow>,
    /// The same figures, pair by pair, where there are several test pairs.
    pub by_pair: Vec<PairRows>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
}

/// Fits, tests and saves.
///
/// # Errors
/// A config or recording that is unfit; a baseline that was asked for by name and cannot be
/// fitted, or none at all; a file that cannot be written.
pub fn baseline(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    let mut config = config::load(&request.config, &request.overrides)?;
    let wanted = wanted(request, &config.baselines)?;
    let recordings = load::load(&config.data, config.seed, observer)?;
    ensure!(
        !recordings.test.is_empty(),
        "{}: names no test span; add a [[data.test]] table",
        request.config.display()
    );
    config.data.hear(recordings.dry_channels);
    let audio = config.data.audio_channels();
    let mut fitted = if request.model.is_empty() {
        fitting::fit_possible(&wanted, &recordings, audio, observer)?
    } else {
        let each = wanted.iter();
        let fitted = each.map(|config| fitting::fit(config, &recordings, audio, observer));
        fitted.collect::<Result<Vec<Playable>>>()?
    };
    if fitted.is_empty() {
        bail!("no baseline could be fitted; the warnings say why");
    }
    let reach = fitting::reach_of(&wanted);
    let mut tester =
        Tester::new(&recordings, Reach::default(), reach, observer).with_sides(!audio.is_mono());
    tester.identity()?;
    for model in &mut fitted {
        save(model, request)?;
        tester.score(model, &recordings.test)?;
    }
    Ok(Outcome {
        samples: tester.sample_count(),
        rows: tester.with_costs(&fitted.iter().collect::<Vec<_>>())?,
        by_pair: tester.by_pair(),
        seconds: started.elapsed().as_secs_f64(),
        latencies: recordings.latencies.clone(),
    })
}

/// Writes a fitted baseline to the file that was asked for, if one was.
fn save(model: &mut Playable, request: &Request) -> Result<()> {
    let named = |folder: &PathBuf| folder.join(format!("{}.json", model.name));
    let folder = request.save.as_ref();
    let file = request.output.clone().or_else(|| folder.map(named));
    if let (Source::Baseline(fitted), Some(file)) = (&model.source, &file) {
        fitted.save(file)?;
    }
    model.path = file;
    Ok(())
}

fn wanted(request: &Request, config: &config::Baselines) -> Result<Vec<BaselineConfig>> {
    let named = request.model.iter().map(|name| name.parse());
    let named = named.collect::<Result<Vec<BaselineConfig>, _>>()?;
    let wanted = if named.is_empty() {
        config.rows()
    } else {
        named
    };
    ensure!(
        request.output.is_none() || wanted.len() == 1,
        "{} baselines cannot go to the one file of --output; name one with --model, or a folder \
         with --save",
        wanted.len()
    );
    Ok(wanted)
}
