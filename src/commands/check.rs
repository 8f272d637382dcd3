//! Looks at a dry and a wet recording as training would, and says whether they are fit for it and
//! what kind of effect lies between them.

use crate::audio::decode::Stored;
use crate::audio::range::LevelRange;
use crate::audio::{Tracks, level};
use crate::data::channels;
use crate::progress::Observer;
use crate::survey::{Survey, survey};
use anyhow::{Result, anyhow};
use serde::Serialize;
use std::ops::Deref;
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
    /// Recording without the effect (WAV, AIFF, FLAC, MP3 or OGG)
    pub dry: PathBuf,
    /// The same passage through the effect
    pub wet: PathBuf,
    /// Samples by which wet lags, if you know it [default: measured]
    #[arg(long = "latency", value_name = "SAMPLES", allow_hyphen_values = true)]
    pub latency_samples: Option<i64>,
    /// Look at this channel of both files alone, from 1; a mono file serves every channel of the
    /// other [default: all; the kind of effect is guessed on the first]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: Option<u16>,
}

/// Plain figures of one recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The file.
    #[serde(serialize_with = "crate::files::path_text")]
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
    /// The range of levels that it covers; `None` where it hardly sounds.
    pub levels: Option<LevelRange>,
}

/// All that was found out.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What the two are to each other.
    #[serde(flatten)]
    pub survey: Survey,
    /// The recording without the effect.
    pub dry: Side,
    /// The recording through it.
    pub wet: Side,
    /// The only channel that was looked at, from 1; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u16>,
    /// Wall time of the command.
    pub seconds: f64,
}

impl Deref for Outcome {
    type Target = Survey;

    fn deref(&self) -> &Survey {
        &self.survey
    }
}

/// Looks at a pair.
///
/// # Errors
/// A file that cannot be decoded, a channel that is not there, Ctrl-C. Unfit recordings are no
/// error but an outcome.
pub fn check(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    let (dry, wet) = rayon::join(|| Stored::open(&request.dry), || Stored::open(&request.wet));
    let (dry, wet) = (dry?, wet?);
    let looked = look(request, &dry.tracks(), &wet.tracks(), started, observer);
    // What could not be read is no finding.
    dry.check()?;
    wet.check()?;
    looked
}

fn look<'a>(
    request: &Request,
    dry: &Tracks<'a>,
    wet: &Tracks<'a>,
    started: Instant,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let channel = request.channel.map(|n| usize::from(n).wrapping_sub(1));
    let looked_at = |file: &Path, side: &Tracks<'a>| match channel {
        Some(channel) => channels::picked(side, &[channel])
            .map_err(|reason| anyhow!("{}: {reason}; count from 1", file.display())),
        None => Ok(side.clone()),
    };
    let sides = (looked_at(&request.dry, dry)?, looked_at(&request.wet, wet)?);
    Ok(Outcome {
        survey: survey(dry, wet, channel, request.latency_samples, observer)?,
        dry: side(&request.dry, &sides.0, dry.channels().len()),
        wet: side(&request.wet, &sides.1, wet.channels().len()),
        channel: request.channel,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Figures of `sound`, which is all that is looked at of a file of `channels` channels.
fn side(file: &Path, sound: &Tracks<'_>, channels: usize) -> Side {
    let each = sound.channels();
    let peak = each.iter().map(|x| level::peak(*x)).fold(0.0, f64::max);
    let energy: f64 = each.iter().map(|x| level::energy(*x)).sum();
    let count = (sound.len() * each.len()).max(1) as f64;
    let rms = (energy / count).sqrt();
    let dbfs = |level: f64| (level > 0.0 && level.is_finite()).then(|| 20.0 * level.log10());
    Side {
        file: file.to_path_buf(),
        sample_rate_hz: sound.sample_rate().hz(),
        channels,
        samples: sound.len(),
        seconds: sound.seconds(),
        peak_dbfs: dbfs(peak),
        rms_dbfs: dbfs(rms),
        levels: LevelRange::of(each.iter().copied()),
    }
}
