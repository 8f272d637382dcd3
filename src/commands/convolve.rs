//! Predictive convolution of two sound files, and the two plain ways to combine them.

use super::arguments::one_of;
use super::recording;
use crate::audio::decode;
use crate::audio::encode;
use crate::audio::level::amplitude;
use crate::audio::{Audio, SampleFormat, SampleRate};
use crate::dsp::resample::resample;
use crate::files;
use crate::progress::{Event, Observer, Task};
use crate::regress::direct;
use crate::regress::estimator::{Estimator, Settings};
use crate::regress::features::Features;
use crate::regress::gate;
use crate::regress::predictive::{self, Mode, TargetFit};
use anyhow::{Context, Result, ensure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Full scale left as headroom when no other peak is asked for: the notebook's 0.99.
const NOTEBOOK_PEAK: f64 = 0.99;

/// Predictive convolution: what a regression learned on A makes of B
///
/// A linear model learns to predict A's spectrum (or wave) from features of A, and predicts from
/// B's features. The result has B's rate and is a tenth longer than B: as in the notebook, a
/// straight line of a twentieth of its length leads into it and another out of it. --direct
/// combines the two without a model: a convolution is as long as A and B together (less one
/// sample), a cross-synthesis as the shorter of the two.
///
/// Examples:
///   effigy convolve bells.wav vireo.wav -o out.wav --estimator bayesian-ridge
///   effigy convolve bells.wav vireo.wav -o crossed.wav --direct=cross-synthesis
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The sound to learn from.
    pub a: PathBuf,
    /// The sound to predict from; the result has its rate.
    pub b: PathBuf,
    /// Where the result goes (32-bit float WAV).
    #[arg(long, short)]
    pub output: PathBuf,
    /// The linear model, with the notebook's parameters.
    #[arg(long, default_value = "bayesian-ridge", value_parser = estimators())]
    pub estimator: Estimator,
    /// Also predict A from B, into OUTPUT with -reverse before its extension.
    #[arg(long)]
    pub both: bool,
    /// Predict the spectrum, or the wave itself (the notebook's failed first attempt).
    #[arg(long, value_parser = one_of(MODES), default_value = "spectrum")]
    pub mode: Mode,
    /// Combine the two without any model: convolution by FFT, or A's magnitudes with B's phases.
    #[arg(
        long,
        value_name = "KIND",
        value_parser = one_of(DIRECT),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "convolution",
        conflicts_with_all = ["estimator", "mode", "rcond", "alpha", "seed", "channel"]
    )]
    pub direct: Option<Direct>,
    /// Drop directions whose singular value is below this share of the largest (ols,
    /// ols-no-intercept, ransac); scikit-learn 1.9 does with 1e-6.
    #[arg(long)]
    pub rcond: Option<f64>,
    /// Penalty of ridge [default: 1] and lasso-lars [default: 0.42].
    #[arg(long)]
    pub alpha: Option<f64>,
    /// Seed of passive-aggressive [default: 42] and ransac [default: 0].
    #[arg(long)]
    pub seed: Option<u32>,
    /// Channel of both files that is used, from 1.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: u16,
    /// Cut both ends where they stay below this level relative to the peak, in dB [-60 when
    /// given without a value].
    #[arg(
        long,
        value_name = "DB",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-60",
        allow_hyphen_values = true
    )]
    pub trim: Option<f64>,
    /// Peak level of the result in dBFS [default: -0.087, the notebook's 0.99].
    #[arg(
        long,
        value_name = "DBFS",
        require_equals = true,
        allow_hyphen_values = true
    )]
    pub normalise: Option<f64>,
    /// Turn noise-like parts of the spectrum down by this many dB [12 when given without a
    /// value].
    #[arg(
        long,
        value_name = "DB",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "12"
    )]
    pub noise_reduction: Option<f64>,
}

impl Request {
    /// Peak of the result; full scale is 1.
    fn peak(&self) -> f64 {
        self.normalise.map_or(NOTEBOOK_PEAK, amplitude)
    }
}

/// A way to combine two sounds without a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// Linear convolution by FFT.
    Convolution,
    /// The first sound's magnitudes with the second's phases.
    CrossSynthesis,
}

const DIRECT: &[(&str, &str, Direct)] = &[
    ("convolution", "", Direct::Convolution),
    ("cross-synthesis", "", Direct::CrossSynthesis),
];

const MODES: &[(&str, &str, Mode)] = &[
    ("spectrum", "", Mode::Spectrum),
    ("waveform", "", Mode::Waveform),
];

fn estimators() -> impl TypedValueParser<Value = Estimator> {
    PossibleValuesParser::new(Estimator::ALL.map(Estimator::name))
        .try_map(|name| name.parse::<Estimator>())
}

/// One result.
#[derive(Clone, Debug, Serialize)]
pub struct Rendered {
    /// The file learnt from.
    #[serde(serialize_with = "crate::files::path_text")]
    pub a: PathBuf,
    /// The file predicted from.
    #[serde(serialize_with = "crate::files::path_text")]
    pub b: PathBuf,
    /// The file written.
    #[serde(serialize_with = "crate::files::path_text")]
    pub output: PathBuf,
    /// Its rate.
    pub sample_rate_hz: u32,
    /// Its length.
    pub samples: usize,
    /// Its root mean square (full scale 1).
    pub rms: f64,
    /// The fitted models; none for the plain methods.
    pub targets: Vec<TargetFit>,
    /// Names of the coefficients.
    pub features: Vec<&'static str>,
    /// Wall time of fitting and predicting, without files and transforms.
    pub fit_seconds: f64,
}

/// All results.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Wall time of the command.
    pub seconds: f64,
    /// One per direction.
    pub results: Vec<Rendered>,
}

/// Combines the two files.
///
/// # Errors
/// Files that cannot be read or written, a channel they lack, sounds the estimator refuses.
pub fn convolve(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    let peak = request.peak();
    ensure!(
        peak.is_finite() && peak > 0.0,
        "peak = {peak}: must be a positive number"
    );
    let outputs = outputs(request)?;
    let results = match request.direct {
        None => predict(request, &outputs, observer)?,
        Some(method) => combine(request, method, &outputs, observer)?,
    };
    Ok(Outcome {
        seconds: started.elapsed().as_secs_f64(),
        results,
    })
}

/// The file of each direction; never one of the inputs.
fn outputs(request: &Request) -> Result<Vec<PathBuf>> {
    let mut outputs = vec![request.output.clone()];
    if request.both {
        let stem = request.output.file_stem().unwrap_or_default();
        let mut name = stem.to_os_string();
        name.push("-reverse");
        if let Some(extension) = request.output.extension() {
            name.push(".");
            name.push(extension);
        }
        outputs.push(request.output.with_file_name(name));
    }
    for output in &outputs {
        recording::check_output(&[], output)?;
        for input in [&request.a, &request.b] {
            ensure!(
                !files::same(output, input),
                "{}: is one of the inputs and would be overwritten; name another output",
                output.display()
            );
        }
    }
    Ok(outputs)
}

fn predict(
    request: &Request,
    outputs: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Vec<Rendered>> {
    let (mode, estimator) = (request.mode, request.estimator);
    let settings = Settings {
        rcond: request.rcond,
        alpha: request.alpha,
        seed: request.seed,
    };
    let channel = usize::from(request.channel) - 1;
    // Both sounds are read and transformed, then there is a result for each direction.
    let stages = 3 + outputs.len() as u64;
    let task = Task::begin(observer, "reading and transforming", Some(stages));
    let (a, rate_a) = one_channel(&request.a, channel, observer)?;
    let (b, rate_b) = one_channel(&request.b, channel, observer)?;
    task.advance(1);
    if rate_a != rate_b {
        observer.event(Event::Note(&format!(
            "{} has {rate_a}, {} has {rate_b}: samples are paired by number, not by time, and \
             each result has the rate of the file it is predicted from",
            request.a.display(),
            request.b.display(),
        )));
    }
    let features =
        |path: &Path, samples: &[f32]| Features::new(&path.display().to_string(), samples);
    let a = features(&request.a, &a)?;
    task.advance(1);
    let b = features(&request.b, &b)?;
    task.advance(1);
    let directions = [
        (&request.a, &request.b, &a, &b, rate_b),
        (&request.b, &request.a, &b, &a, rate_a),
    ];
    let mut results = Vec::new();
    for ((path_a, path_b, a, b, rate), output) in directions.into_iter().zip(outputs) {
        let started = Instant::now();
        let prediction = predictive::predict(a, b, mode, estimator, &settings, observer)
            .with_context(|| format!("fitting {} to {}", estimator, path_a.display()))?;
        let fit_seconds = started.elapsed().as_secs_f64();
        let wave = denoised(prediction.wave, request.noise_reduction, observer)?;
        let finished = predictive::finish(&wave, request.peak());
        drop(wave);
        let channels = trimmed(vec![finished], request.trim)?;
        results.push(Rendered {
            targets: prediction.targets,
            features: mode
                .features()
                .iter()
                .map(|&f| crate::regress::features::NAMES[f])
                .collect(),
            fit_seconds,
            ..write(output, rate, channels, path_a, path_b)?
        });
        task.advance(1);
    }
    Ok(results)
}

/// One channel of a file; says which when there are several.
fn one_channel(
    path: &Path,
    channel: usize,
    observer: &dyn Observer,
) -> Result<(Vec<f32>, SampleRate)> {
    let audio = decode::read(path)?.audio;
    let rate = audio.sample_rate();
    let mut channels = audio.into_channels();
    let count = channels.len();
    ensure!(
        channel < count,
        "{}: has {count} channel(s), channel {} was asked for; use --channel 1 to {count}",
        path.display(),
        channel + 1,
    );
    if count > 1 {
        observer.event(Event::Note(&format!(
            "{}: channel {} of {count} is used",
            path.display(),
            channel + 1,
        )));
    }
    Ok((channels.swap_remove(channel), rate))
}

/// The plain methods, channel by channel; a mono file serves every channel of the other.
fn combine(
    request: &Request,
    method: Direct,
    outputs: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Vec<Rendered>> {
    let a = decode::read(&request.a)?.audio;
    let b = decode::read(&request.b)?.audio;
    let mut results = Vec::new();
    let directions = [
        (&request.a, &request.b, &a, &b),
        (&request.b, &request.a, &b, &a),
    ];
    for ((path_a, path_b, a, b), output) in directions.into_iter().zip(outputs) {
        let started = Instant::now();
        let rate = b.sample_rate();
        let resampled = if a.sample_rate() == rate {
            None
        } else {
            observer.event(Event::Note(&format!(
                "{}: resampled from {} to {rate}",
                path_a.display(),
                a.sample_rate(),
            )));
            Some(resample(a, rate)?)
        };
        let a = resampled.as_ref().unwrap_or(a);
        let (left, right) = (a.channels(), b.channels());
        let mut channels = Vec::new();
        for c in 0..left.len().max(right.len()) {
            let (x, y) = (&left[c % left.len()], &right[c % right.len()]);
            let wave = match method {
                Direct::CrossSynthesis => direct::cross_synthesise(x, y, observer)?,
                Direct::Convolution => direct::convolve(x, y, observer)?,
            };
            channels.push(denoised(wave, request.noise_reduction, observer)?);
        }
        scale_to(&mut channels, request.peak());
        let channels = trimmed(channels, request.trim)?;
        results.push(Rendered {
            fit_seconds: started.elapsed().as_secs_f64(),
            ..write(output, rate, channels, path_a, path_b)?
        });
    }
    Ok(results)
}

fn denoised(
    wave: Vec<f64>,
    reduction_db: Option<f64>,
    observer: &dyn Observer,
) -> Result<Vec<f64>> {
    let Some(reduction) = reduction_db else {
        return Ok(wave);
    };
    let samples: Vec<f32> = wave.iter().map(|&x| x as f32).collect();
    let reduced = gate::reduce_noise(&samples, reduction, observer)?;
    Ok(reduced.into_iter().map(f64::from).collect())
}

fn peak_of(channels: &[Vec<f64>]) -> f64 {
    let samples = channels.iter().flatten();
    samples.fold(0.0, |peak, x| peak.max(x.abs()))
}

fn scale_to(channels: &mut [Vec<f64>], peak: f64) {
    let found = peak_of(channels);
    if found > 0.0 {
        let samples = channels.iter_mut().flatten();
        samples.for_each(|x| *x *= peak / found);
    }
}

/// Cuts both ends of all channels alike.
fn trimmed(mut channels: Vec<Vec<f64>>, trim_db: Option<f64>) -> Result<Vec<Vec<f64>>> {
    let Some(trim_db) = trim_db else {
        return Ok(channels);
    };
    ensure!(
        trim_db.is_finite() && trim_db < 0.0,
        "trim = {trim_db}: must be a negative number of dB relative to the peak, such as -60"
    );
    let threshold = peak_of(&channels) * amplitude(trim_db);
    let loud = |channel: &Vec<f64>| {
        let first = channel.iter().position(|x| x.abs() >= threshold)?;
        let last = channel.iter().rposition(|x| x.abs() >= threshold)?;
        Some((first, last))
    };
    let ranges: Vec<(usize, usize)> = channels.iter().filter_map(loud).collect();
    let first = ranges.iter().map(|r| r.0).min().unwrap_or(0);
    let last = ranges.iter().map(|r| r.1).max().unwrap_or(0);
    for channel in &mut channels {
        channel.truncate(last + 1);
        channel.drain(..first.min(channel.len()));
    }
    Ok(channels)
}

fn write(
    output: &Path,
    rate: SampleRate,
    channels: Vec<Vec<f64>>,
    a: &Path,
    b: &Path,
) -> Result<Rendered> {
    let count: usize = channels.iter().map(Vec::len).sum();
    let energy: f64 = channels.iter().flatten().map(|x| x * x).sum();
    let single: Vec<Vec<f32>> = channels
        .into_iter()
        .map(|channel| channel.into_iter().map(|x| x as f32).collect())
        .collect();
    let audio = Audio::new(rate, single)?;
    encode::write(output, &audio, SampleFormat::Float(32))?;
    Ok(Rendered {
        a: a.to_path_buf(),
        b: b.to_path_buf(),
        output: output.to_path_buf(),
        sample_rate_hz: rate.hz(),
        samples: audio.len(),
        rms: (energy / count.max(1) as f64).sqrt(),
        targets: Vec::new(),
        features: Vec::new(),
        fit_seconds: 0.0,
    })
}
