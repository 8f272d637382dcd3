//! The test recordings beside the prediction: where it is near, where it is far, and which
//! stretch is worth hearing.
//!
//! Knows slices of samples, not where they came from.

use crate::audio::SampleRate;
use std::ops::Range;

/// One channel of test sound: three tracks of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// What it is called.
    pub name: String,
    /// Without the effect.
    pub dry: Vec<f32>,
    /// Through the effect.
    pub wet: Vec<f32>,
    /// What the network made of `dry`.
    pub predicted: Vec<f32>,
}

impl Track {
    /// Wet minus predicted.
    pub fn residual(&self, samples: Range<usize>) -> Vec<f32> {
        let wet = &self.wet[samples.clone()];
        wet.iter()
            .zip(&self.predicted[samples])
            .map(|(w, p)| w - p)
            .collect()
    }

    fn energies(&self, samples: Range<usize>) -> [f64; 2] {
        let square = |x: f32| f64::from(x).powi(2);
        let wet = &self.wet[samples.clone()];
        let error = wet
            .iter()
            .zip(&self.predicted[samples])
            .map(|(w, p)| square(w - p));
        [error.sum(), wet.iter().map(|w| square(*w)).sum()]
    }
}

/// All test sound of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSound {
    /// Of every track.
    pub rate: SampleRate,
    /// At least one, in the order of the config.
    pub tracks: Vec<Track>,
}

/// A stretch of one track.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Index of the track.
    pub track: usize,
    /// Its samples.
    pub samples: Range<usize>,
    /// Error-to-signal ratio there.
    pub esr: f64,
}

/// One point of the error over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Its middle in seconds from the beginning of the first track, all tracks end to end.
    pub seconds: f64,
    /// Mean square of the error.
    pub error: f64,
    /// Mean square of the wet recording.
    pub wet: f64,
}

impl Moment {
    /// Error-to-signal ratio; `None` where the wet recording is silent against `loud`, its mean
    /// square over everything: a ratio to nothing says nothing.
    pub fn esr(&self, loud: f64) -> Option<f64> {
        (self.wet > SILENT * loud).then(|| self.error / self.wet)
    }
}

/// Power against the mean that counts as silence: 35 dB below, where the tail of a note is no
/// longer heard beside the next one.
const SILENT: f64 = 3e-4;

/// Seconds of a stretch that a waveform picture shows.
const PLACE_SECONDS: f64 = 0.02;

impl TestSound {
    /// Samples of all tracks together.
    pub fn len(&self) -> usize {
        self.tracks.iter().map(|t| t.wet.len()).sum()
    }

    /// Whether there is not a single sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of all tracks together.
    pub fn seconds(&self) -> f64 {
        self.rate.seconds(self.len())
    }

    /// Largest sample of any dry track.
    pub fn dry_peak(&self) -> f64 {
        let samples = self.tracks.iter().flat_map(|t| &t.dry);
        f64::from(samples.fold(0.0_f32, |most, x| most.max(x.abs())))
    }

    /// Error and level over time, in at most `most` equal pieces (and one more per track).
    pub fn over_time(&self, most: usize) -> Vec<Moment> {
        let piece = self.len().div_ceil(most.max(1)).max(1);
        let mut before = 0;
        let mut moments = Vec::new();
        for track in &self.tracks {
            for samples in pieces(track.wet.len(), piece) {
                let n = samples.len() as f64;
                let middle = before as f64 + 0.5 * (samples.start + samples.end) as f64;
                let [error, wet] = track.energies(samples);
                moments.push(Moment {
                    seconds: middle / f64::from(self.rate.hz()),
                    error: error / n,
                    wet: wet / n,
                });
            }
            before += track.wet.len();
        }
        moments
    }

    /// Mean square of all wet tracks.
    pub fn wet_power(&self) -> f64 {
        let energy: f64 = self
            .tracks
            .iter()
            .map(|t| t.energies(0..t.wet.len())[1])
            .sum();
        energy / self.len().max(1) as f64
    }

    /// Stretches of 20 ms: the one predicted best, the median one and the worst, silence left
    /// out; `None` when there is not one.
    pub fn places(&self) -> Option<[Place; 3]> {
        let len = ((PLACE_SECONDS * f64::from(self.rate.hz())) as usize).max(32);
        let loud = self.wet_power() * len as f64;
        let mut found = Vec::new();
        for (index, track) in self.tracks.iter().enumerate() {
            for samples in pieces(track.wet.len(), len).filter(|s| s.len() == len) {
                let [error, wet] = track.energies(samples.clone());
                // Quiet tails are predicted badly by anything and heard by nobody.
                if wet > 1e-2 * loud && wet > 0.0 {
                    found.push(Place {
                        track: index,
                        samples,
                        esr: error / wet,
                    });
                }
            }
        }
        found.sort_by(|a, b| a.esr.total_cmp(&b.esr));
        let middle = found.get(found.len() / 2)?.clone();
        Some([found.first()?.clone(), middle, found.last()?.clone()])
    }

    /// The stretch of at most `seconds` within one track that holds the most energy of the
    /// error; `None` without a sample.
    pub fn telling_clip(&self, seconds: f64) -> Option<Place> {
        let longest = (seconds * f64::from(self.rate.hz())) as usize;
        let mut best: Option<(f64, Place)> = None;
        for (index, track) in self.tracks.iter().enumerate() {
            let len = longest.min(track.wet.len());
            if len == 0 {
                continue;
            }
            let last = track.wet.len() - len;
            // Steps of an eighth, and the very end.
            let starts = (0..last).step_by((len / 8).max(1)).chain([last]);
            for start in starts {
                let [error, wet] = track.energies(start..start + len);
                if best.as_ref().is_none_or(|(most, _)| error > *most) {
                    let place = Place {
                        track: index,
                        samples: start..start + len,
                        esr: if error > 0.0 { error / wet } else { 0.0 },
                    };
                    best = Some((error, place));
                }
            }
        }
        best.map(|(_, place)| place)
    }

    /// Where `other` holds the same wet recording: for each of its tracks, how many samples
    /// later it begins (networks with a longer memory are tested a little later). `None` when
    /// they were tested on different sound.
    pub fn matches(&self, other: &Self) -> Option<Vec<i64>> {
        let alike = self.rate == other.rate && self.tracks.len() == other.tracks.len();
        let pairs = self.tracks.iter().zip(&other.tracks);
        alike.then(|| {
            pairs
                .map(|(a, b)| shift(&a.wet, &b.wet))
                .collect::<Option<Vec<_>>>()
        })?
    }
}

/// How many samples after `a` the same sound begins in `b`.
fn shift(a: &[f32], b: &[f32]) -> Option<i64> {
    if a.len() < b.len() {
        return shift(b, a).map(|s| -s);
    }
    let equal = |by: usize| b.iter().zip(&a[by..]).all(|(x, y)| x == y);
    let most = a.len() - b.len();
    (0..=most).find(|&by| equal(by)).map(|by| by as i64)
}

/// `0..len` in pieces of `piece`, the last one perhaps shorter.
fn pieces(len: usize, piece: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len)
        .step_by(piece)
        .map(move |start| start..(start + piece).min(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tracks at 1 kHz: wet is a wave, the error is the given share of it per 100 ms.
    fn sound(shares: &[&[f32]]) -> TestSound {
        let track = |shares: &&[f32]| {
            let wet: Vec<f32> = (0..shares.len() * 100)
                .map(|n| (n as f32 * 0.7).sin())
                .collect();
            let predicted = wet.iter().enumerate();
            let predicted = predicted
                .map(|(n, w)| w * (1.0 - shares[n / 100]))
                .collect();
            Track {
                name: "t".to_string(),
                dry: wet.clone(),
                wet,
                predicted,
            }
        };
        TestSound {
            rate: SampleRate::new(1000).unwrap(),
            tracks: shares.iter().map(track).collect(),
        }
    }

    #[test]
    fn the_error_over_time_is_where_it_was_made() {
        let sound = sound(&[&[0.1, 0.2], &[0.3]]);
        let moments = sound.over_time(3);
        assert_eq!(moments.len(), 3);
        for (moment, (share, seconds)) in
            moments.iter().zip([(0.1, 0.05), (0.2, 0.15), (0.3, 0.25)])
        {
            let esr = moment.esr(sound.wet_power()).unwrap();
            assert!((esr - share * share).abs() < 1e-6, "{moment:?}");
            assert!((moment.seconds - seconds).abs() < 1e-9);
        }
        assert_eq!(
            Moment {
                seconds: 0.0,
                error: 1.0,
                wet: 0.0
            }
            .esr(1.0),
            None
        );
    }

    #[test]
    fn best_median_and_worst_are_found() {
        let sound = sound(&[&[0.1, 0.5, 0.2], &[0.01, 0.2]]);
        let [best, median, worst] = sound.places().unwrap();
        assert_eq!((best.track, worst.track), (1, 0));
        assert!(best.samples.end <= 100 && worst.samples.start >= 100 - 32);
        assert!((median.esr - 0.04).abs() < 0.01, "{median:?}");
        assert!(sound_of_silence().places().is_none());
    }

    fn sound_of_silence() -> TestSound {
        let mut silent = sound(&[&[0.0]]);
        silent.tracks[0].wet.fill(0.0);
        silent
    }

    #[test]
    fn the_clip_holds_the_most_error() {
        let sound = sound(&[&[0.1; 5], &[0.1, 0.1, 0.9, 0.1, 0.1]]);
        let clip = sound.telling_clip(0.1).unwrap();
        assert_eq!((clip.track, clip.samples), (1, 204..304));
        let all = sound.telling_clip(9.0).unwrap();
        assert_eq!(all.samples, 0..500);
        let empty = TestSound {
            tracks: Vec::new(),
            ..sound
        };
        assert!(empty.telling_clip(1.0).is_none() && empty.places().is_none());
    }

    #[test]
    fn the_same_recording_is_recognised_however_late_it_begins() {
        let whole = sound(&[&[0.1; 4]]);
        let mut later = whole.clone();
        later.tracks[0].wet.drain(..37);
        assert_eq!(whole.matches(&later), Some(vec![37]));
        assert_eq!(later.matches(&whole), Some(vec![-37]));
        later.tracks[0].wet[5] += 1e-3;
        assert_eq!(whole.matches(&later), None);
    }
}
