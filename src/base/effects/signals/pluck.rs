//! Phrases of plucked strings: melodies, chords, dynamics and rests, all from a seed. The
//! sound nearest to a guitar that needs no recording.
//!
//! Each note is a string after Karplus and Strong, "Digital Synthesis of Plucked-String and
//! Drum Timbres" (CMJ 7, 1983), with the tuning, decay and dynamics of Jaffe and Smith,
//! "Extensions of the Karplus-Strong Plucked-String Algorithm" (same issue).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::effects::delays::DelayLine;
use crate::effects::{ParameterError, within};

/// The scale melodies walk on (minor pentatonic), in semitones above the lowest note.
const SCALE: [i32; 5] = [0, 3, 5, 7, 10];
/// Octaves that melodies span.
const OCTAVES: i32 = 3;
/// Chords, in semitones above their root: fifth, power chord, minor, major, suspended.
const CHORDS: [&[i32]; 5] = [
    &[0, 7],
    &[0, 7, 12],
    &[0, 7, 12, 15],
    &[0, 7, 12, 16],
    &[0, 5, 7, 12],
];

/// Where strings are plucked, as a share of their length.
const PLUCKED_AT: f64 = 0.2;

/// Melodies and chords of plucked strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluckedString {
    /// 0.1 to 50: notes, chords or rests per second on average.
    #[serde(default = "four")]
    pub notes_per_second: f64,
    /// 20 Hz to 1/128 of the sample rate: the lowest note.
    #[serde(default = "low_e")]
    pub lowest_hz: f64,
    /// 0 to 1: share of events that are chords.
    #[serde(default = "fifth")]
    pub chord_share: f64,
    /// 0 to 1: share of events that are rests.
    #[serde(default = "eighth")]
    pub rest_share: f64,
    /// Peak level, −120 to 0.
    pub level_dbfs: f64,
}

fn four() -> f64 {
    4.0
}

/// The lowest open string of a guitar.
fn low_e() -> f64 {
    82.41
}

fn fifth() -> f64 {
    0.2
}

fn eighth() -> f64 {
    0.125
}

/// One pluck.
#[derive(Clone, Debug)]
struct Note {
    start: usize,
    /// Samples until the string is damped.
    held: usize,
    hz: f64,
    /// 0 to 1: how hard it is plucked.
    force: f64,
}

impl PluckedString {
    pub(super) fn check(&self, hz: f64) -> Result<(), ParameterError> {
        let check = |parameter, value, range| within("plucked-string", parameter, value, range);
        check("sample rate", hz, 4000.0..=f64::from(u32::MAX))?;
        check("notes_per_second", self.notes_per_second, 0.1..=50.0)?;
        // The highest note of a chord lies 4⅓ octaves above and needs a few samples' period.
        check("lowest_hz", self.lowest_hz, 20.0..=hz / 128.0)?;
        check("chord_share", self.chord_share, 0.0..=1.0)?;
        check("rest_share", self.rest_share, 0.0..=1.0)
    }

    pub(super) fn render(&self, hz: f64, len: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sound = vec![0f32; len];
        for note in self.compose(hz, len, &mut rng) {
            pluck(&note, hz, &mut rng, &mut sound[note.start..]);
        }
        sound
    }

    /// A random walk on the scale: small steps mostly, in notes of one, two or three units
    /// of time, louder and softer over phrases.
    fn compose(&self, hz: f64, len: usize, rng: &mut ChaCha8Rng) -> Vec<Note> {
        let unit = hz / self.notes_per_second / 1.5;
        let degrees = SCALE.len() as i32 * OCTAVES;
        let (mut degree, mut force) = (degrees / 3, 0.6);
        let mut notes = Vec::new();
        let mut at = 0.0;
        while (at as usize) < len {
            let units = *[1.0, 1.0, 1.0, 2.0, 3.0]
                .get(rng.random_range(0..5))
                .unwrap_or(&1.0);
            degree = (degree + rng.random_range(-3..=3)).clamp(0, degrees);
            force = f64::clamp(force + rng.random_range(-0.2..0.2), 0.1, 1.0);
            if rng.random::<f64>() >= self.rest_share {
                let octave = 12 * degree.div_euclid(SCALE.len() as i32);
                let semitone = octave + SCALE[degree.rem_euclid(SCALE.len() as i32) as usize];
                let chord = if rng.random::<f64>() < self.chord_share {
                    CHORDS[rng.random_range(0..CHORDS.len())]
                } else {
                    &[0]
                };
                // The hand passes the strings one after another.
                let strum = rng.random_range(0.002..0.02) * hz;
                for (string, above) in chord.iter().enumerate() {
                    let start = (at + string as f64 * strum) as usize;
                    if start < len {
                        notes.push(Note {
                            start,
                            held: (units * unit * rng.random_range(0.6..1.2)) as usize,
                            hz: self.lowest_hz * (f64::from(semitone + above) / 12.0).exp2(),
                            force,
                        });
                    }
                }
            }
            at += units * unit;
        }
        notes
    }
}

/// Adds one note to the sound, until it has faded.
fn pluck(note: &Note, hz: f64, rng: &mut ChaCha8Rng, sound: &mut [f32]) {
    let mut string = PluckString::new(note, hz, rng);
    let tail = (0.3 * hz) as usize;
    for (n, sample) in sound.iter_mut().take(note.held + tail).enumerate() {
        if n == note.held {
            string.damp(hz);
        }
        *sample += string.step() as f32;
    }
}

/// A delay line as long as the period, fed back through an average of neighbours (half a
/// sample), an all-pass filter (the period's fraction) and a loss.
struct PluckString {
    line: DelayLine,
    period: f64,
    loss: f64,
    tuning: f64,
    last_out: f64,
    last_tuned: f64,
    last_in: f64,
}

impl PluckString {
    fn new(note: &Note, hz: f64, rng: &mut ChaCha8Rng) -> Self {
        let period = hz / note.hz;
        // The all-pass is best between 0.3 and 1.3 samples.
        let len = (period - 0.5 - 0.3).floor().max(1.0);
        let fraction = period - 0.5 - len;
        let mut string = Self {
            line: DelayLine::new(len as usize),
            period,
            loss: 0.0,
            tuning: (1.0 - fraction) / (1.0 + fraction),
            last_out: 0.0,
            last_tuned: 0.0,
            last_in: 0.0,
        };
        // Low strings ring for some 4 s, high ones for 1 s.
        string.set_decay(4.0 * (82.0 / note.hz).sqrt().min(1.5), hz);
        string.excite(note.force, len as usize, rng);
        string
    }

    /// Fills the string with the shape of one plucked at a fifth of its length, a lopsided
    /// triangle (its `k`th harmonic is as strong as `sin(kπ/5) / k²`), and the harder it is
    /// plucked, the more noise.
    fn excite(&mut self, force: f64, len: usize, rng: &mut ChaCha8Rng) {
        let noisy = 0.1 + 0.3 * force;
        let shape: Vec<f64> = (0..len)
            .map(|n| {
                let place = n as f64 / len as f64;
                let triangle = (place / PLUCKED_AT).min((1.0 - place) / (1.0 - PLUCKED_AT));
                let noise: f64 = rng.random_range(-1.0..1.0);
                force * ((1.0 - noisy) * (2.0 * triangle - 1.0) + noisy * noise)
            })
            .collect();
        let mean = shape.iter().sum::<f64>() / len as f64;
        for displacement in shape {
            self.line.push(displacement - mean);
        }
    }

    /// Chooses the loss of one round for a decay by 60 dB in `seconds`.
    fn set_decay(&mut self, seconds: f64, hz: f64) {
        self.loss = 10f64.powf(-3.0 * self.period / (seconds * hz));
    }

    /// Lays a finger on the string.
    fn damp(&mut self, hz: f64) {
        self.set_decay(0.15, hz);
    }

    fn step(&mut self) -> f64 {
        let out = self.line.oldest();
        let averaged = self.loss * 0.5 * (out + self.last_out);
        let tuned = self.tuning * (averaged - self.last_tuned) + self.last_in;
        self.last_out = out;
        self.last_in = averaged;
        self.last_tuned = tuned;
        self.line.push(tuned);
        out
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const RATE: f64 = 44_100.0;

    fn string(hz: f64, seconds: f64) -> Vec<f32> {
        let len = (seconds * RATE) as usize;
        let note = Note {
            start: 0,
            held: len,
            hz,
            force: 0.8,
        };
        let mut sound = vec![0.0; len];
        pluck(&note, RATE, &mut ChaCha8Rng::seed_from_u64(1), &mut sound);
        sound
    }

    /// Phase and power of one frequency in a Hann-windowed part.
    fn component(part: &[f32], hz: f64) -> (f64, f64) {
        let len = part.len() as f64;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, x) in part.iter().enumerate() {
            let n = n as f64;
            let window = 1.0 - (TAU * n / len).cos();
            let (sin, cos) = (TAU * hz * n / RATE).sin_cos();
            re += window * f64::from(*x) * cos;
            im -= window * f64::from(*x) * sin;
        }
        (im.atan2(re), re * re + im * im)
    }

    /// The phase of the first harmonic at two times tells its frequency. A tenth of a
    /// per cent is 1.7 cents; a string one sample too long is off by 0.2 % already at 82 Hz,
    /// half a sample by 1.2 % at 1 kHz.
    #[test]
    fn strings_are_in_tune() {
        for hz in [82.41, 196.0, 440.0, 1046.5] {
            let sound = string(hz, 0.5);
            let (len, hop) = (8192, 4096.0);
            let start = component(&sound[..len], hz).0;
            let later = component(&sound[4096..4096 + len], hz).0;
            let expected = TAU * hz * hop / RATE;
            let turn = (later - start - expected).rem_euclid(TAU);
            let turn = if turn > TAU / 2.0 { turn - TAU } else { turn };
            let deviation = turn / expected;
            assert!(deviation.abs() < 1e-3, "{hz} Hz is off by {deviation:.1e}");
        }
    }

    /// By design the loss per round takes the first harmonic down 60 dB in 4 s at 82 Hz;
    /// the average of neighbours adds next to nothing there.
    #[test]
    fn a_low_string_fades_as_designed() {
        let (hz, seconds) = (82.0, 2.0);
        let sound = string(hz, seconds + 0.5);
        let len = 16_384;
        let later = (seconds * RATE) as usize;
        let early = component(&sound[..len], hz).1;
        let late = component(&sound[later..later + len], hz).1;
        let fallen_db = 10.0 * (early / late).log10();
        assert!((fallen_db - 30.0).abs() < 0.5, "{fallen_db} dB in 2 s");
    }

    #[test]
    fn phrases_have_notes_chords_rests_and_dynamics_in_the_shares_asked_for() {
        let phrase = PluckedString {
            notes_per_second: 4.0,
            lowest_hz: 82.41,
            chord_share: 0.25,
            rest_share: 0.2,
            level_dbfs: -6.0,
        };
        let len = (600.0 * RATE) as usize;
        let notes = phrase.compose(RATE, len, &mut ChaCha8Rng::seed_from_u64(3));
        // Strings of one chord start within 20 ms of each other, events 100 ms apart.
        let strum = (0.02 * RATE) as usize;
        let events = notes.chunk_by(|a, b| b.start - a.start <= strum);
        let (mut singles, mut chords) = (0f64, 0f64);
        for event in events {
            *(if event.len() > 1 {
                &mut chords
            } else {
                &mut singles
            }) += 1.0;
        }
        // Some 2250 events: five standard deviations of a share are 0.05.
        let share = chords / (chords + singles);
        assert!((share - 0.25).abs() < 0.05, "chords {share}");
        let per_second = (chords + singles) / 600.0 / 0.8;
        assert!((per_second - 3.75).abs() < 0.4, "events {per_second}");
        let forces = notes.iter().map(|n| n.force);
        let (low, high) = forces.fold((1f64, 0f64), |(l, h), f| (l.min(f), h.max(f)));
        assert!(low < 0.2 && high > 0.9, "forces {low} to {high}");
    }
}
