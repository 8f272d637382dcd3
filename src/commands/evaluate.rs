//! A model's figures on one more dry/wet pair: a run's network, a saved baseline, or a model
//! file of another program.

use super::arguments::control;
use crate::config::{DataConfig, Latency, PairConfig, Stereo};
use crate::data::load::{self, LatencyReport};
use crate::data::pair::Reach;
use crate::playing::Playable;
use crate::playing::scoring::Tester;
use crate::progress::{Event, Observer};
use crate::report::metrics::{PairRows, Row};
use crate::training::modulation::PhaseReport;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// Score a trained network, baseline or model file on one more dry/wet pair
///
/// Prints its figures beside those of the dry sound itself (identity): what does not
/// beat it has learned nothing.
///
/// Example:
///   effigy evaluate --model checkpoints/my-pedal --dry other-dry.wav --wet other-wet.wav
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// A run (its best weights are used), a saved baseline, or a model file such as amp.nam.
    #[arg(long, short)]
    pub model: PathBuf,
    /// Recording without the effect.
    #[arg(long)]
    pub dry: PathBuf,
    /// The same passage through the effect.
    #[arg(long)]
    pub wet: PathBuf,
    /// Samples by which wet lags, or auto to measure it (the run's own, where that is within 8
    /// samples), or fractional to measure it to a fraction of a sample.
    #[arg(long, default_value = "auto", value_parser = latency, allow_hyphen_values = true)]
    pub latency: Latency,
    /// Channel of both files that is scored, from 1; a mono file serves every channel of the other
    /// [default: all].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: Option<u16>,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n].
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Where a knob stood, NAME=VALUE, once per knob [default: the middle of what was learned].
    #[arg(long = "control", value_name = "NAME=VALUE", value_parser = control)]
    pub controls: Vec<(String, f32)>,
    /// Exit with code 1 unless the model's ESR is at most this.
    #[arg(long, value_name = "ESR")]
    pub require_esr: Option<f64>,
}

fn latency(text: &str) -> Result<Latency, String> {
    match text {
        "auto" => Ok(Latency::Auto),
        "fractional" => Ok(Latency::Fractional),
        number => number
            .parse()
            .map(Latency::Samples)
            .map_err(|_| "auto, fractional or a whole number of samples".to_string()),
    }
}

/// Figures of a model on a pair.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run's folder or the model's file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub model: PathBuf,
    /// Wall time of the command.
    pub seconds: f64,
    /// The model and identity.
    pub rows: Vec<Row>,
    /// The same of each side, where the effect is one of stereo.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_side: Vec<PairRows>,
    /// Where the oscillator stood, where the network has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseReport>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
}

/// Samples within which a latency measured on one recording and that of the run's own recordings are
/// one and the same: an onset is read to so many.
const SAME: u64 = 8;

/// The latency to remove in place of one that was measured: the run's, where it is as good as the same.
fn owed(model: &Playable, asked: Latency, found: &[LatencyReport]) -> Result<Option<i64>> {
    let (Latency::Auto, [found]) = (asked, found) else {
        return Ok(None);
    };
    let own = model.latency()?;
    Ok(own.filter(|own| (1..=SAME).contains(&own.abs_diff(found.latency_samples))))
}

/// Where the knobs stood; one that moves by itself reads its own off the recording.
fn knobs(
    model: &Playable,
    request: &Request,
    observer: &dyn Observer,
) -> Result<BTreeMap<String, f32>> {
    if model.moves() {
        ensure!(
            request.controls.is_empty(),
            "{}: where its oscillator stands is read off the recording; leave --control out",
            request.model.display()
        );
        return Ok(BTreeMap::new());
    }
    let given = request.controls.iter().cloned().collect();
    for said in model.beyond(&given) {
        observer.event(Event::Warning(&said));
    }
    model.positions(&given)
}

/// Scores a model on a pair.
///
/// # Errors
/// No model there, a pair that is unfit, of another rate, or too short.
pub fn evaluate(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    let mut model = Playable::open(&request.model)?.on(request.device.parse()?)?;
    if let Some(config) = model.config() {
        // As in the run's own table.
        model.name = config.model.kind().to_string();
    }
    let audio = model.audio_channels();
    let mut data = DataConfig {
        stereo: match audio.is_mono() {
            true => Stereo::Channels,
            false => Stereo::Joint,
        },
        dry_channels: (!audio.is_mono()).then_some(audio.dry),
        latency: request.latency,
        polarity: model.polarity(),
        knob_ranges: model.knob_ranges(),
        test: vec![PairConfig {
            dry: Some(request.dry.clone()),
            wet: Some(request.wet.clone()),
            channel: request.channel.map(usize::from),
            controls: knobs(&model, request, observer)?,
            ..PairConfig::default()
        }],
        ..DataConfig::default()
    };
    // Files only: nothing is generated, so the seed decides nothing.
    let mut recordings = load::load(&data, 0, observer)?;
    if let Some(own) = owed(&model, request.latency, &recordings.latencies)? {
        let note = format!("the run removed {own} samples of latency, and so does this");
        observer.event(Event::Note(&note));
        data.latency = Latency::Samples(own);
        recordings = load::load(&data, 0, observer)?;
    }
    model
        .check_rate(recordings.sample_rate)
        .with_context(|| request.dry.display().to_string())?;
    let reach = model.reach();
    let mut tester =
        Tester::new(&recordings, reach, Reach::default(), observer).with_sides(!audio.is_mono());
    ensure!(
        tester.sample_count() > 0,
        "{}: no sample can be predicted; {} needs {} around each",
        request.dry.display(),
        model.name,
        reach.context + reach.lookahead
    );
    let phases = tester.score(&model, &recordings.test)?;
    tester.identity()?;
    Ok(Outcome {
        phases,
        model: request.model.clone(),
        seconds: started.elapsed().as_secs_f64(),
        rows: tester.rows().to_vec(),
        by_side: tester.by_pair(),
        latencies: recordings.latencies,
    })
}
