//! Sound below the levels that were recorded: the quietest stretches of what is learned from, turned
//! down step by step until nothing is left, each cut off into silence. What the effect answers to
//! it was never recorded; who makes it up stands elsewhere.

use super::pair::{DryWetPair, Span};
use crate::audio::level::{amplitude, decibels};
use std::ops::Range;
use std::sync::Arc;

/// Blocks per second that levels are taken of.
const BLOCKS_PER_SECOND: usize = 20;

/// Blocks of one stretch: 0.75 s, or less where sound is scarce.
const STRETCHES: [usize; 3] = [15, 5, 1];

/// Quieter blocks are silence or hiss, not playing.
const SOUNDING_DBFS: f64 = -70.0;

/// From one turned-down stretch to the next.
const STEP_DB: f64 = 6.0;

/// Where turning down ends: 16-bit rounding's own level is −98.
const LOWEST_DBFS: f64 = -90.0;

/// Recordings that stretches are taken from.
const MOST_PAIRS: usize = 12;

/// What of one recording is turned down.
#[derive(Clone, Debug)]
pub struct QuietSound {
    source: Arc<DryWetPair>,
    dry: Vec<f32>,
}

impl QuietSound {
    /// The recording that it was made from.
    pub fn source(&self) -> &Arc<DryWetPair> {
        &self.source
    }

    /// What is to be answered.
    pub fn dry(&self) -> &[f32] {
        &self.dry
    }

    /// With an answer, as something to learn from.
    pub fn answered(self, wet: Vec<f32>) -> Span {
        let name = format!("{}, turned down", self.source.name());
        let rate = self.source.sample_rate();
        let pair = DryWetPair::aligned(name, rate, self.dry, wet, 0)
            .with_controls(self.source.controls().to_vec());
        let len = pair.len();
        Span::new(Arc::new(pair), 0..len)
    }
}

/// Quiet sound out of up to [`MOST_PAIRS`] of the recordings that `spans` are part of, evenly
/// among them; none where nothing sounds.
pub fn quiet_sounds(spans: &[Span]) -> Vec<QuietSound> {
    let recordings = recordings(spans);
    let count = recordings.len().min(MOST_PAIRS);
    let chosen = (0..count).map(|i| &recordings[i * recordings.len() / count]);
    let sounds = chosen.map(|(pair, ranges)| QuietSound {
        source: Arc::clone(pair),
        dry: turned_down(pair, ranges),
    });
    sounds.filter(|sound| !sound.dry.is_empty()).collect()
}

/// Each recording once, with its spans in the order given.
pub fn recordings(spans: &[Span]) -> Vec<(Arc<DryWetPair>, Vec<Range<usize>>)> {
    let mut all: Vec<(Arc<DryWetPair>, Vec<Range<usize>>)> = Vec::new();
    for span in spans {
        match all
            .iter_mut()
            .find(|(pair, _)| Arc::ptr_eq(pair, span.pair()))
        {
            Some((_, ranges)) => ranges.push(span.samples()),
            None => all.push((Arc::clone(span.pair()), vec![span.samples()])),
        }
    }
    all
}

/// A stretch of sound and its level.
#[derive(Clone, Debug)]
struct Stretch {
    samples: Range<usize>,
    dbfs: f64,
}

fn turned_down(pair: &DryWetPair, spans: &[Range<usize>]) -> Vec<f32> {
    let block = (pair.sample_rate().hz() as usize / BLOCKS_PER_SECOND).max(1);
    let Some((lowest, stretches)) = quietest(pair.dry(), spans, block) else {
        return Vec::new();
    };
    let below = (1..).map(|n| lowest - STEP_DB * f64::from(n));
    let levels: Vec<f64> = below.take_while(|&level| level >= LOWEST_DBFS).collect();
    if levels.is_empty() {
        return Vec::new();
    }
    let mut dry = vec![0.0; block];
    for (i, level) in levels.iter().enumerate() {
        let stretch = &stretches[i * stretches.len() / levels.len()];
        let gain = amplitude(level - stretch.dbfs) as f32;
        // Softly in, hard out: a sound that stops.
        let soft = (stretch.samples.len() / 4).min(block);
        let faded = pair.dry()[stretch.samples.clone()].iter().enumerate();
        dry.extend(faded.map(|(n, &x)| x * gain * (n as f32 / soft as f32).min(1.0)));
        dry.resize(dry.len() + 2 * block, 0.0);
    }
    dry.resize(dry.len() + BLOCKS_PER_SECOND / 2 * block, 0.0);
    dry
}

/// The level that only a twentieth of the sounding blocks is below, and the quieter half of all
/// stretches that sound throughout, in the order of time.
fn quietest(dry: &[f32], spans: &[Range<usize>], block: usize) -> Option<(f64, Vec<Stretch>)> {
    let level = |samples: Range<usize>| {
        let power: f64 = dry[samples.clone()]
            .iter()
            .map(|&x| f64::from(x).powi(2))
            .sum();
        decibels((power / samples.len() as f64).sqrt())
    };
    let starts = spans
        .iter()
        .flat_map(|s| (s.start..s.end.saturating_sub(block - 1)).step_by(block));
    let mut sounding: Vec<f64> = starts.map(|at| level(at..at + block)).collect();
    sounding.retain(|&dbfs| dbfs > SOUNDING_DBFS);
    sounding.sort_by(f64::total_cmp);
    let lowest = *sounding.get(sounding.len() / 20)?;
    let sounds = |samples: &Range<usize>| {
        let mut blocks = samples.clone().step_by(block);
        blocks.all(|at| level(at..at + block) > SOUNDING_DBFS)
    };
    let stretches = STRETCHES.iter().find_map(|&blocks| {
        let len = blocks * block;
        let starts = spans
            .iter()
            .flat_map(|s| (s.start..s.end.saturating_sub(len - 1)).step_by(len.div_ceil(2)));
        let whole = starts.map(|at| at..at + len).filter(sounds);
        let mut all: Vec<Stretch> = whole
            .map(|samples| Stretch {
                dbfs: level(samples.clone()),
                samples,
            })
            .collect();
        all.sort_by(|a, b| a.dbfs.total_cmp(&b.dbfs));
        all.truncate(all.len().div_ceil(2));
        all.sort_by_key(|stretch| stretch.samples.start);
        (!all.is_empty()).then_some(all)
    })?;
    Some((lowest, stretches))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    const RATE: usize = 8000;

    fn recording(level_dbfs: impl Fn(f64) -> f64) -> Span {
        let dry: Vec<f32> = (0..4 * RATE)
            .map(|n| {
                let seconds = n as f64 / RATE as f64;
                let sine = (seconds * 700.0).sin() * 2.0_f64.sqrt();
                (sine * amplitude(level_dbfs(seconds))) as f32
            })
            .collect();
        let wet = dry.clone();
        let rate = SampleRate::new(RATE as u32).unwrap();
        let pair = DryWetPair::aligned("note", rate, dry, wet, 0).with_controls(vec![0.3]);
        Span::new(Arc::new(pair), 0..3 * RATE)
    }

    /// A note that dies from −20 to −40 dBFS within what is learned from: its quieter half, from
    /// where it ends down to the lowest level.
    #[test]
    fn a_dying_note_goes_on_dying() {
        let sounds = quiet_sounds(&[recording(|s| -20.0 - 20.0 * s / 3.0)]);
        let [sound] = &sounds[..] else {
            panic!("{}", sounds.len())
        };
        let peaks: Vec<f64> = sound
            .dry()
            .split(|&x| x == 0.0)
            .filter(|part| part.len() > RATE / 4)
            .map(|part| part.iter().fold(0.0_f64, |m, &x| m.max(f64::from(x.abs()))))
            .map(|peak| decibels(peak) - 3.01)
            .collect();
        // −39.3 is the twentieth; from there 6 by 6 down to −90.
        assert_eq!(peaks.len(), 8, "{peaks:?}");
        // A stretch falls by 5 dB within itself.
        assert!((-45.3..-42.0).contains(&peaks[0]), "{peaks:?}");
        assert!(
            peaks.windows(2).all(|p| (p[0] - p[1] - 6.0).abs() < 0.5),
            "{peaks:?}"
        );
        assert!(*peaks.last().unwrap() > -91.0);
        assert!(
            sound.dry()[sound.dry().len() - RATE / 2..]
                .iter()
                .all(|&x| x == 0.0)
        );
    }

    #[test]
    fn every_recording_is_asked_once_and_silence_not_at_all() {
        let note = recording(|_| -30.0);
        let part = Span::new(Arc::clone(note.pair()), 3 * RATE..4 * RATE);
        let silence = recording(|_| -200.0);
        let sounds = quiet_sounds(&[note.clone(), silence, part]);
        assert_eq!(sounds.len(), 1);
        assert!(Arc::ptr_eq(sounds[0].source(), note.pair()));
        let len = sounds[0].dry().len();
        let span = sounds[0].clone().answered(vec![0.5; len]);
        assert_eq!(
            (span.samples(), span.pair().controls()),
            (0..len, &[0.3][..])
        );
    }
}
