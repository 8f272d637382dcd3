//! What the sound-making verbs share: reading a recording, writing a made sound at a level that
//! fits its file, and refusing to write over what was read.

use crate::audio::decode::{self, Recording};
use crate::audio::{Audio, SampleFormat, SampleRate, encode};
use crate::progress::{Event, Observer};
use crate::resynth::check_finite;
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A sound that was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Written {
    /// The file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub file: PathBuf,
    /// Length in seconds.
    pub seconds: f64,
    /// Number of channels.
    pub channels: usize,
    /// The largest sample as written, full scale 1.
    pub peak: f32,
    /// Gain applied so that the peak fits an integer format; 0 if it fitted.
    pub gain_db: f64,
}

/// Reads a recording whose samples are all finite.
///
/// # Errors
/// The file cannot be read or decoded, or holds a sample that is not a finite number.
pub fn read(path: &Path) -> anyhow::Result<Recording> {
    let recording = decode::read(path)?;
    check_finite(recording.audio.channels()).with_context(|| path.display().to_string())?;
    Ok(recording)
}

/// The longest sound made, in seconds: six hours, 4 GB per channel at 44.1 kHz.
pub const MOST_SECONDS: f64 = 21_600.0;

/// Refuses a length that is not positive or would hardly fit into memory.
///
/// # Errors
/// Names the length.
pub fn check_length(seconds: f64) -> anyhow::Result<()> {
    ensure!(
        seconds > 0.0 && seconds <= MOST_SECONDS,
        "a result of {seconds:.1} s is out of range; it must be more than 0 and at most \
         {MOST_SECONDS} s"
    );
    Ok(())
}

/// Refuses an output that is no WAV file by its name, or is one of the inputs under whatever
/// name.
///
/// # Errors
/// Names the file.
pub fn check_output(inputs: &[&Path], output: &Path) -> anyhow::Result<()> {
    // A device takes anything.
    let is_device = output.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir());
    let ending = output.extension();
    let is_wav = ending.is_some_and(|e| e.eq_ignore_ascii_case("wav"));
    ensure!(
        is_wav || is_device,
        "{}: sounds are written as WAV; give the file the ending .wav",
        output.display()
    );
    keep_inputs(inputs, output)
}

/// Refuses a file or folder that is, or holds, one of the inputs.
///
/// # Errors
/// Names the file.
pub fn keep_inputs(inputs: &[&Path], output: &Path) -> anyhow::Result<()> {
    let Ok(target) = output.canonicalize() else {
        return Ok(());
    };
    for input in inputs {
        if input.canonicalize().is_ok_and(|i| i.starts_with(&target)) {
            bail!(
                "{}: is read from and would be written over; name another output",
                input.display()
            );
        }
    }
    Ok(())
}

/// Writes channels as a WAV file. An integer format cannot hold more than full scale: a louder
/// sound is turned down as a whole, with a warning that says by how much.
///
/// # Errors
/// The file cannot be written.
pub fn write(
    path: &Path,
    mut channels: Vec<Vec<f32>>,
    sample_rate: SampleRate,
    format: SampleFormat,
    observer: &dyn Observer,
) -> anyhow::Result<Written> {
    check_finite(&channels).with_context(|| format!("{}: the sound made", path.display()))?;
    let loudest = peak(&channels);
    let gain = match format {
        SampleFormat::Int(_) if loudest > FULL_SCALE => FULL_SCALE / loudest,
        _ => 1.0,
    };
    let gain_db = f64::from(gain.log10()) * 20.0;
    if gain < 1.0 {
        channels.iter_mut().flatten().for_each(|x| *x *= gain);
        let name = path.file_name().unwrap_or_default().display();
        observer.event(Event::Warning(&format!(
            "{name}: peak {loudest:.2} is beyond full scale; turned down by {:.1} dB",
            -gain_db
        )));
    }
    let audio = Audio::new(sample_rate, channels)?;
    encode::write(path, &audio, format)?;
    Ok(Written {
        file: path.to_path_buf(),
        seconds: audio.seconds(),
        channels: audio.channels().len(),
        peak: peak(audio.channels()),
        gain_db,
    })
}

/// The largest level written to integers: a little less than full scale, which leaves room
/// for dither.
const FULL_SCALE: f32 = 0.999;

fn peak(channels: &[Vec<f32>]) -> f32 {
    let samples = channels.iter().flatten();
    samples.fold(0.0, |peak, x| peak.max(x.abs()))
}

/// The mean of all channels.
pub fn mix(channels: &[Vec<f32>]) -> Vec<f32> {
    let count = channels.len().max(1) as f32;
    let len = channels.first().map_or(0, Vec::len);
    (0..len)
        .map(|i| channels.iter().map(|c| c[i]).sum::<f32>() / count)
        .collect()
}

/// The samples of the first channel in 16-bit steps, as the notebooks read them.
pub fn first_channel_in_steps(audio: &Audio) -> Vec<f64> {
    let first = audio.channels().first();
    let samples = first.into_iter().flatten();
    samples.map(|x| f64::from(*x) * 32768.0).collect()
}
