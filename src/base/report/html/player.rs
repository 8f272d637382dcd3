//! Players: dry, wet, predicted and residual under one play position, switched without a gap.

use crate::audio::SampleRate;
use crate::audio::level::{amplitude, decibels};
use crate::report::colour::Tint;
use crate::report::markup::{base64, escape};
use crate::report::run::Run;
use crate::report::test_sound::{Place, TestSound};
use std::fmt::Write;
use std::ops::Range;

/// Bytes of base 64 that all sounds of a page may take.
const MOST_BYTES: f64 = 5.4e6;

/// Longest clip in seconds.
const MOST_SECONDS: f64 = 15.0;

/// The residual is stored louder by as much as fits, so that 16 bits do not hide it, and played
/// at its true level unless it is asked for otherwise. At most this, in decibels.
const MOST_RAISED_DB: f64 = 60.0;

/// One sound to listen to.
struct Source {
    name: String,
    tint: Tint,
    samples: Vec<f32>,
    /// Stored louder than it is, in decibels.
    raised_db: f64,
    /// Whether it is brought to the wet recording's level.
    matched: bool,
}

/// The player of one run.
pub(super) fn of_run(run: &Run) -> String {
    let Some((sound, clip)) = telling(run.sound.as_ref(), 4) else {
        return none();
    };
    let track = &sound.tracks[clip.track];
    let mut sources = dry_and_wet(sound, &clip);
    let predicted = track.predicted[clip.samples.clone()].to_vec();
    sources.push(source("predicted", Tint::Predicted, predicted));
    sources.push(residual(
        track.residual(clip.samples.clone()),
        &sources[1].samples,
    ));
    let lead = format!(
        "{}: the stretch with the most error, its ESR is {}. ",
        place(sound, &clip),
        super::table::number(Some(clip.esr))
    );
    deck(&lead, sound.rate, sources)
}

/// The player of several runs: dry, wet and every prediction.
pub(super) fn of_runs(runs: &[Run]) -> String {
    let count = 2 + runs.len();
    let Some((sound, clip)) = telling(runs.iter().find_map(|r| r.sound.as_ref()), count) else {
        return none();
    };
    let mut predictions = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let cut = run
            .sound
            .as_ref()
            .and_then(|other| cut(sound, &clip, other));
        let Some(samples) = cut else {
            return "<p class=\"lead\">These runs were not all tested on the same recordings, so \
                    they cannot be heard against each other.</p>\n"
                .to_string();
        };
        predictions.push(source(&run.name, Tint::Run(index), samples));
    }
    let mut sources = dry_and_wet(sound, &clip);
    sources.extend(predictions);
    let lead = format!(
        "{}: the stretch in which the first run has the most error. ",
        place(sound, &clip)
    );
    deck(&lead, sound.rate, sources)
}

fn none() -> String {
    "<p class=\"lead\">There is no test sound in the run's folder (test/*.wav), so there is nothing \
     to hear.</p>\n"
        .to_string()
}

/// The clip that is worth hearing and fits.
fn telling(sound: Option<&TestSound>, sources: usize) -> Option<(&TestSound, Place)> {
    let sound = sound?;
    let bytes_per_second = f64::from(sound.rate.hz()) * 2.0 * 4.0 / 3.0 * sources as f64;
    let seconds = (MOST_BYTES / bytes_per_second).min(MOST_SECONDS);
    Some((sound, sound.telling_clip(seconds)?))
}

/// The prediction of `other` for a clip of `sound`; silence where it was not tested.
fn cut(sound: &TestSound, clip: &Place, other: &TestSound) -> Option<Vec<f32>> {
    let later = *sound.matches(other)?.get(clip.track)?;
    let samples = &other.tracks.get(clip.track)?.predicted;
    let at = |n: usize| usize::try_from(n as i64 - later).ok();
    let sample = |n: usize| at(n).and_then(|n| samples.get(n)).copied().unwrap_or(0.0);
    Some(clip.samples.clone().map(sample).collect())
}

fn place(sound: &TestSound, clip: &Place) -> String {
    let Range { start, end } = clip.samples;
    format!(
        "{:.1} s of the test sound, {} from {:.1} s to {:.1} s",
        sound.rate.seconds(end - start),
        escape(&sound.tracks[clip.track].name),
        sound.rate.seconds(start),
        sound.rate.seconds(end)
    )
}

fn source(name: &str, tint: Tint, samples: Vec<f32>) -> Source {
    Source {
        name: name.to_string(),
        tint,
        samples,
        raised_db: 0.0,
        matched: true,
    }
}

fn dry_and_wet(sound: &TestSound, clip: &Place) -> Vec<Source> {
    let track = &sound.tracks[clip.track];
    vec![
        source("dry", Tint::Dry, track.dry[clip.samples.clone()].to_vec()),
        source("wet", Tint::Wet, track.wet[clip.samples.clone()].to_vec()),
    ]
}

fn residual(mut samples: Vec<f32>, wet: &[f32]) -> Source {
    let room = decibels(peak(wet).max(1e-9)) - decibels(peak(&samples).max(1e-9));
    let raised_db = room.clamp(0.0, MOST_RAISED_DB);
    let gain = amplitude(raised_db) as f32;
    samples.iter_mut().for_each(|x| *x *= gain);
    Source {
        raised_db,
        matched: false,
        ..source("residual", Tint::Error, samples)
    }
}

fn peak(samples: &[f32]) -> f64 {
    f64::from(samples.iter().fold(0.0_f32, |most, x| most.max(x.abs())))
}

fn rms(samples: &[f32]) -> f64 {
    let energy: f64 = samples.iter().map(|x| f64::from(*x).powi(2)).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

/// How loud the sources of a deck are stored and played.
struct Levels {
    /// RMS of the wet recording, which is the measure.
    wet: f64,
    /// One factor for all, so that none clips where it is stored.
    stored: f64,
    /// Level matching may raise a peaky sound above full scale: then all are played lower.
    headroom_db: f64,
}

impl Levels {
    /// Of a deck whose second source is the wet recording.
    fn of(sources: &[Source]) -> Self {
        let loudest = sources.iter().map(|s| peak(&s.samples)).fold(0.0, f64::max);
        let mut levels = Self {
            wet: rms(&sources[1].samples),
            stored: if loudest > 1.0 { 1.0 / loudest } else { 1.0 },
            headroom_db: 0.0,
        };
        let raised = |s: &Source| levels.stored * peak(&s.samples) * amplitude(levels.match_db(s));
        let matched = sources.iter().filter(|s| s.matched);
        levels.headroom_db = -decibels(matched.map(raised).fold(1.0, f64::max));
        levels
    }

    /// What brings a source to the level of wet.
    fn match_db(&self, source: &Source) -> f64 {
        let own = rms(&source.samples);
        if own > 1e-9 && self.wet > 1e-9 {
            decibels(self.wet / own)
        } else {
            0.0
        }
    }

    /// What is said of a source that plays at its true level unless it is raised.
    fn residual(&self, source: &Source) -> String {
        let rms = rms(&source.samples).max(1e-12);
        let below = decibels(rms / self.wet.max(1e-12)) - source.raised_db;
        format!(
            " The residual (wet minus predicted) plays at its true level, {:.1} dB below wet, \
             unless it is raised.",
            -below
        )
    }
}

/// The deck of all sources; the second is the wet recording, whose level is the measure.
fn deck(lead: &str, rate: SampleRate, sources: Vec<Source>) -> String {
    let levels = Levels::of(&sources);
    let headroom = levels.headroom_db;
    let strip = strip(&sources);
    let (mut buttons, mut players) = (String::new(), String::new());
    let mut notes: Vec<String> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        buttons += &button(index, source);
        players += &single(index, source, rate, &levels);
        if source.matched && index != 1 {
            let matched = levels.match_db(source);
            // Without the sign of a nought.
            let matched = if matched.abs() < 0.05 { 0.0 } else { matched };
            notes.push(format!("{} {matched:+.1} dB", escape(&source.name)));
        }
    }
    let (residual, raise_box) = match sources.last() {
        Some(last) if !last.matched => (
            levels.residual(last),
            "<label><input type=\"checkbox\" data-raise> raise the residual to the same level</label>\n",
        ),
        _ => (String::new(), ""),
    };
    let last_key = sources.len();
    format!(
        "<p class=\"lead\">{lead}Level-matched by RMS over the clip to wet: {}.{residual}</p>\n\
         <div class=\"deck\" data-deck data-headroom=\"{headroom:.3}\" role=\"group\" aria-label=\"Player\" hidden>\n\
         <div class=\"transport\">\n\
         <button type=\"button\" class=\"play\" data-play aria-pressed=\"false\">Play</button>\n\
         <input type=\"range\" data-seek min=\"0\" max=\"{:.3}\" step=\"0.001\" value=\"0\" aria-label=\"Position in seconds\">\n\
         <output data-clock>0.0 s</output>\n</div>\n\
         {strip}<div class=\"sources\" role=\"group\" aria-label=\"What is heard\">\n{buttons}</div>\n\
         <div class=\"options\">\n<label><input type=\"checkbox\" data-match checked> level-matched</label>\n\
         {raise_box}<label><input type=\"checkbox\" data-loop> loop</label>\n\
         <span class=\"hint\"><kbd>1</kbd>\u{2013}<kbd>{last_key}</kbd> switch, <kbd>space</kbd> plays and pauses, \
         <kbd>\u{2190}</kbd> <kbd>\u{2192}</kbd> move</span>\n</div>\n</div>\n\
         <details class=\"single\"><summary>One by one, as stored (16-bit mono WAV)</summary>\n{players}</details>\n",
        notes.join(", "),
        rate.seconds(sources[0].samples.len()),
    )
}

fn button(index: usize, source: &Source) -> String {
    let (name, tint) = (escape(&source.name), source.tint.name());
    let number = index + 1;
    format!(
        "<button type=\"button\" data-source=\"{index}\" aria-pressed=\"{}\" \
         style=\"--c:var(--{tint})\"><kbd>{number}</kbd> {name}</button>\n",
        index == 1
    )
}

/// A source by itself, as stored.
fn single(index: usize, source: &Source, rate: SampleRate, levels: &Levels) -> String {
    let name = escape(&source.name);
    let plain = -source.raised_db;
    let raise = levels.match_db(source);
    let matched = if source.matched { raise } else { plain };
    let wav = base64(&wav(&source.samples, rate, levels.stored));
    let louder = match source.raised_db {
        r if r > 0.05 => format!(" (stored {r:.1} dB louder)"),
        _ => String::new(),
    };
    format!(
        "<div><label for=\"a{index}\">{name}{louder}</label>\
         <audio id=\"a{index}\" controls preload=\"none\" data-plain=\"{plain:.3}\" \
         data-matched=\"{matched:.3}\" data-raised=\"{raise:.3}\" \
         src=\"data:audio/wav;base64,{wav}\"></audio></div>\n"
    )
}

/// Columns of the strip.
const COLUMNS: usize = 500;

/// The wet recording's outline with that of the error in it: where to listen. For the pointer;
/// the slider above serves the keyboard.
fn strip(sources: &[Source]) -> String {
    let wet = &sources[1];
    let loudest = peak(&wet.samples).max(1e-9);
    let outline = |source: &Source| {
        let gain = amplitude(-source.raised_db) / loudest;
        let piece = source.samples.len().div_ceil(COLUMNS).max(1);
        let heights = source
            .samples
            .chunks(piece)
            .map(|c| (peak(c) * gain).min(1.0));
        let heights: Vec<i64> = heights.map(|h| (50.0 * h).round() as i64).collect();
        let mut d = String::new();
        for (x, h) in heights.iter().enumerate() {
            let _ = write!(d, "M{x}.5 {}V{}", 50 - h, 50 + h);
        }
        let tint = source.tint.name();
        let width = heights.len();
        (
            width,
            format!("<path style=\"--c:var(--{tint})\" d=\"{d}\"/>"),
        )
    };
    let (width, wet) = outline(wet);
    let error = sources
        .last()
        .filter(|s| !s.matched)
        .map_or(String::new(), |s| outline(s).1);
    format!(
        "<div class=\"strip\" data-strip aria-hidden=\"true\"><svg viewBox=\"0 0 {width} 100\" \
         preserveAspectRatio=\"none\">{wet}{error}</svg><div class=\"head\"></div></div>\n"
    )
}

/// A 16-bit mono WAV file (RIFF, PCM) of samples times `gain`.
fn wav(samples: &[f32], rate: SampleRate, gain: f64) -> Vec<u8> {
    let data = (2 * samples.len()) as u32;
    let mut out = Vec::with_capacity(44 + 2 * samples.len());
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + data).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    // PCM, one channel.
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&rate.hz().to_le_bytes());
    out.extend_from_slice(&(2 * rate.hz()).to_le_bytes());
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&16u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data.to_le_bytes());
    for sample in samples {
        let value = (f64::from(*sample) * gain * 32_767.0).round();
        out.extend_from_slice(&(value.clamp(-32_768.0, 32_767.0) as i16).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_is_a_file_that_others_read() {
        let samples: Vec<f32> = (0..100).map(|n| (n as f32 * 0.3).sin() * 1.5).collect();
        let bytes = wav(&samples, SampleRate::new(48_000).unwrap(), 0.5);
        let mut reader = hound::WavReader::new(std::io::Cursor::new(bytes)).unwrap();
        let spec = reader.spec();
        assert_eq!(
            (spec.channels, spec.sample_rate, spec.bits_per_sample),
            (1, 48_000, 16)
        );
        let back: Vec<f32> = reader
            .samples::<i16>()
            .map(|s| f32::from(s.unwrap()) / 32_767.0)
            .collect();
        assert_eq!(back.len(), samples.len());
        for (back, sample) in back.iter().zip(&samples) {
            // Half a step of rounding.
            assert!((back - 0.5 * sample).abs() <= 0.5 / 32_767.0 + 1e-7);
        }
    }

    #[test]
    fn a_quiet_residual_is_stored_loud_and_told_so() {
        let wet = [0.5_f32, -0.25];
        let source = residual(vec![0.005, -0.001], &wet);
        assert!(
            (source.raised_db - 40.0).abs() < 1e-4,
            "{}",
            source.raised_db
        );
        assert!((source.samples[0] - 0.5).abs() < 1e-5);
        let silent = residual(vec![0.0; 2], &wet);
        assert_eq!(silent.raised_db, MOST_RAISED_DB);
        assert_eq!(residual(vec![0.9], &wet).raised_db, 0.0);
    }
}
