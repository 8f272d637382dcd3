//! Looks at a dry and a wet recording as training would, and says whether they are fit for it and
//! what kind of effect lies between them.

mod judge;
mod look;

pub use look::LatencyFacts;

use crate::audio::{Audio, decode};
use crate::data::check::{self, Expectations, Finding, Severity};
use crate::dsp::align::{Drift, TimeVariation, Tremolo};
use crate::progress::Observer;
use crate::regress::diagnosis::{Diagnosis, Kind};
use anyhow::{Result, ensure};
use judge::judge;
use look::Look;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Say whether recordings are fit for training, and what kind of effect they show
///
/// In plain words and figures: rates, lengths, levels, clipping, noise, latency with polarity,
/// drift of the clocks, movement (chorus, tremolo), and the kind of effect, guessed from what
/// quick classical fits leave.
///
/// Exit code 1 when they are not fit as they are: training would refuse them or learn nothing.
///
/// Examples:
///   effigy check dry.wav wet.wav
///   effigy check dry.wav wet.wav --latency 0 --json
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Recording without the effect (WAV, FLAC, MP3 or OGG)
    pub dry: PathBuf,
    /// The same passage through the effect
    pub wet: PathBuf,
    /// Samples by which wet lags, if you know it [default: measured]
    #[arg(long = "latency", value_name = "SAMPLES", allow_hyphen_values = true)]
    pub latency_samples: Option<i64>,
    /// Channel whose kind of effect is guessed, from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: u16,
}

/// Plain figures of one recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The file.
    pub file: PathBuf,
    /// Its rate.
    pub sample_rate_hz: u32,
    /// How many channels.
    pub channels: usize,
    /// Samples per channel.
    pub samples: usize,
    /// Length.
    pub seconds: f64,
    /// Largest sample of all channels; `None` for silence.
    pub peak_dbfs: Option<f64>,
    /// Of all channels together; `None` for silence.
    pub rms_dbfs: Option<f64>,
}

/// All that was found out.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Whether training on these files makes sense as they are.
    pub fit: bool,
    /// Why not, one reason each.
    pub problems: Vec<String>,
    /// What limits the result.
    pub cautions: Vec<String>,
    /// The kind of effect; `None` where nothing could be fitted.
    pub kind: Option<Kind>,
    /// Whether wet comes later by a millisecond or more, or in repeats.
    pub delayed: bool,
    /// The recording without the effect.
    pub dry: Side,
    /// The recording through it.
    pub wet: Side,
    /// Facts about the recordings, worst first.
    pub findings: Vec<Finding>,
    /// Where wet lies against dry.
    pub latency: Option<LatencyFacts>,
    /// How much louder wet is than dry (RMS).
    pub gain_db: Option<f64>,
    /// Noise of the wet side while dry is silent, relative to the wet side's RMS.
    pub noise_db: Option<f64>,
    /// Of the two clocks.
    pub drift: Option<Drift>,
    /// Of the effect's filter over time.
    pub time_variation: Option<TimeVariation>,
    /// Of the effect's gain over time.
    pub gain_sway: Option<Tremolo>,
    /// The guess of the kind, with its figures.
    pub diagnosis: Option<Diagnosis>,
    /// Wall time of the command.
    pub seconds: f64,
}

/// Looks at a pair.
///
/// # Errors
/// A file that cannot be decoded, a channel that is not there, Ctrl-C. Unfit recordings are no
/// error but an outcome.
pub fn check(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    let dry = decode::read(&request.dry)?.audio;
    let wet = decode::read(&request.wet)?.audio;
    let channel = usize::from(request.channel).wrapping_sub(1);
    ensure!(
        channel < wet.channels().len(),
        "{}: channel {} is asked for, the file has {}; count from 1",
        request.wet.display(),
        request.channel,
        wet.channels().len()
    );
    let mut findings = check::check_pair(&dry, &wet, Expectations::default());
    let look = if findings.iter().any(|f| f.severity == Severity::Error) {
        Look::default()
    } else {
        Look::at(&dry, &wet, channel, request.latency_samples, observer)?
    };
    findings.extend(look.findings.iter().cloned());
    let (dry, wet) = (side(&request.dry, &dry), side(&request.wet, &wet));
    let (problems, cautions) = judge(&look, &findings, dry.seconds.min(wet.seconds));
    let motion = look.motion.as_ref();
    Ok(Outcome {
        fit: problems.is_empty(),
        problems,
        cautions,
        kind: look.kind(),
        delayed: look.delayed,
        dry,
        wet,
        findings,
        gain_db: look.gain_db,
        noise_db: look.noise_db,
        drift: motion.and_then(|m| m.drift),
        time_variation: motion.and_then(|m| m.variation),
        gain_sway: motion.and_then(|m| m.tremolo),
        latency: look.latency,
        diagnosis: look.diagnosis,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn side(file: &Path, audio: &Audio) -> Side {
    let samples = || audio.channels().iter().flatten().map(|v| f64::from(*v));
    let peak = samples().fold(0.0, |m, v| v.abs().max(m));
    let count = (audio.len() * audio.channels().len()).max(1) as f64;
    let rms = (samples().map(|v| v * v).sum::<f64>() / count).sqrt();
    let dbfs = |level: f64| (level > 0.0 && level.is_finite()).then(|| 20.0 * level.log10());
    Side {
        file: file.to_path_buf(),
        sample_rate_hz: audio.sample_rate().hz(),
        channels: audio.channels().len(),
        samples: audio.len(),
        seconds: audio.seconds(),
        peak_dbfs: dbfs(peak),
        rms_dbfs: dbfs(rms),
    }
}
