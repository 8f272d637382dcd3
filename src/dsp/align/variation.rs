//! Does the effect itself change over time, as a chorus, flanger, phaser or vibrato does?
//!
//! Such an effect is driven by a low-frequency oscillator, so its transfer function `T(f)` returns
//! to the same shape after every period, whatever is played. For frames `s` of both sounds,
//!
//! ```text
//! likeness(m) = Σ Re(T_s(f)·T*_{s+m}(f))·|X_s(f)|·|X_{s+m}(f)|  /  Σ |X_s(f)|·|X_{s+m}(f)|
//! ```
//!
//! over all frames and frequencies is one number for every distance `m` if the effect is static
//! and linear: notes and rhythms cancel exactly. Under an oscillator it is larger at whole
//! periods than at half ones. A distortion makes it uneven where the music repeats itself; so a
//! distance at which the dry spectra alone recur just as well is not the effect's. A
//! compressor's changing gain is taken out by levelling the loudness beforehand.
//!
//! Not seen: an envelope filter (it follows the playing, not a clock), a tremolo (levelled away),
//! and an oscillator slower than four periods per recording.

use super::response::Whitened;
use super::whiten::median;
use crate::dsp::fft::RealFft;
use serde::Serialize;
use std::f64::consts::TAU;

/// Samples per frame: long beside a chorus's 30 ms, short beside an oscillator's period.
const FRAME: usize = 4096;

/// Samples from frame to frame.
const HOP: usize = 2048;

/// The shortest period looked for, in hops: 5.4 Hz at 44.1 kHz.
const SHORTEST: usize = 4;

/// The depth from which on a change is called one. Measured over 10 s: chorus 0.10, flanger 0.3,
/// phaser and vibrato 0.4; static effects up to 0.03, a real fuzz 0.03.
const DEEP: f64 = 0.06;

/// Hops that a recording must hold, 7.4 s at 44.1 kHz: over fewer, chance alone makes 0.06.
const LEAST_HOPS: usize = 160;

/// How much the dry spectra of any two frames must have in common on average, as a share of what
/// a frame has in common with itself: a moving sine shares nothing with itself a moment later, and
/// then nothing can be said about what the effect does in between. Music has 0.25 to 0.7, moving
/// waves have 0.08 at most.
const LEAST_OVERLAP: f64 = 0.15;

/// The strongest periodic change of the response.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TimeVariation {
    /// One or several whole periods of it in samples, rounded to hops of 2048.
    pub period_samples: f64,
    /// How much more alike the effect is to itself after whole periods than after half ones: 0
    /// (static), about 0.1 for a chorus, 0.4 for a phaser or a vibrato.
    pub depth: f64,
    /// The same of the dry sound's spectrum at this period: a rhythm of the music.
    pub rhythm: f64,
}

impl TimeVariation {
    /// Whether the effect changes over time: chorus, flanger, phaser, vibrato. A network with a
    /// fixed response cannot learn such an effect.
    pub fn detected(&self) -> bool {
        self.depth > DEEP && self.depth > 3.0 * self.rhythm
    }
}

/// Per frequency, the course over the frames of `T·|X|` (real part, imaginary part) and of `|X|`.
fn courses(dry: &[f64], wet: &[f64]) -> Vec<[Vec<f64>; 3]> {
    let window: Vec<f64> = (0..FRAME)
        .map(|n| 0.5 - 0.5 * (TAU * n as f64 / FRAME as f64).cos())
        .collect();
    let mut fft = RealFft::new(FRAME);
    let (mut x, mut y) = (fft.spectrum(), fft.spectrum());
    let mut courses = vec![[const { Vec::new() }; 3]; x.len()];
    for (d, w) in dry.windows(FRAME).zip(wet.windows(FRAME)).step_by(HOP) {
        fft.forward(d.iter().zip(&window).map(|(v, w)| v * w), &mut x);
        fft.forward(w.iter().zip(&window).map(|(v, w)| v * w), &mut y);
        for ((course, x), y) in courses.iter_mut().zip(&x).zip(&y) {
            let size = x.norm().max(f64::MIN_POSITIVE);
            let turned = y * x.conj() / size;
            for (values, value) in course.iter_mut().zip([turned.re, turned.im, size]) {
                values.push(value);
            }
        }
    }
    courses
}

/// The likeness of the effect to itself, and of the dry spectrum to itself, by distance in hops.
fn likeness(dry: &[f64], wet: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let courses = courses(dry, wet);
    let frames = courses[0][0].len();
    // Autocorrelation over the frames by Wiener and Khinchin, zero-padded against wrapping.
    let mut fft = RealFft::new(2 * frames.next_power_of_two());
    let mut spectrum = fft.spectrum();
    let (mut effect, mut music) = (fft.spectrum(), fft.spectrum());
    for course in &courses {
        for (part, values) in course.iter().enumerate() {
            fft.forward(values.iter().copied(), &mut spectrum);
            let power = if part < 2 { &mut effect } else { &mut music };
            for (p, bin) in power.iter_mut().zip(&spectrum) {
                p.re += bin.norm_sqr();
            }
        }
    }
    let effect = fft.inverse(&mut effect)[..frames].to_vec();
    let music = fft.inverse(&mut music)[..frames].to_vec();
    let ratio = effect
        .iter()
        .zip(&music)
        .map(|(e, m)| e / m.max(f64::MIN_POSITIVE))
        .collect();
    let count = |m: usize| (frames - m) as f64;
    (
        ratio,
        music
            .iter()
            .enumerate()
            .map(|(m, v)| v / count(m))
            .collect(),
    )
}

/// For every period from [`SHORTEST`] hops on: likeness after one and two periods, less that
/// after a half and one and a half; half of it, as a share of the likeness at no distance.
fn contrast(likeness: &[f64]) -> Vec<f64> {
    // Between two frames, the mean of both.
    let at = |halves: usize| 0.5 * (likeness[halves / 2] + likeness[halves.div_ceil(2)]);
    (SHORTEST..=likeness.len() / 4)
        .map(|p| 0.5 * (at(2 * p) + at(4 * p) - at(p) - at(3 * p)) / likeness[0])
        .collect()
}

/// The strongest periodic change of the response of an already whitened and levelled pair;
/// `None` for recordings shorter than 160 hops of 2048 samples, and for those whose moments have
/// too few frequencies in common.
pub fn time_variation(pair: &Whitened, latency: i64) -> Option<TimeVariation> {
    let early = (-latency).max(0) as usize;
    let late = latency.max(0) as usize;
    let (dry, wet) = (pair.dry.get(early..)?, pair.wet.get(late..)?);
    if dry.len().min(wet.len()) < LEAST_HOPS * HOP + FRAME {
        return None;
    }
    let (effect, music) = likeness(dry, wet);
    let overlap = median(music.iter().copied()) / music[0];
    if overlap < LEAST_OVERLAP {
        return None;
    }
    let depths = contrast(&effect);
    let rhythms = contrast(&music);
    let best = (0..depths.len()).max_by(|&a, &b| depths[a].total_cmp(&depths[b]))?;
    let near = best.saturating_sub(2)..(best + 3).min(rhythms.len());
    Some(TimeVariation {
        period_samples: ((best + SHORTEST) * HOP) as f64,
        depth: depths[best].clamp(0.0, 1.0),
        rhythm: rhythms[near].iter().copied().fold(0.0, f64::max),
    })
}
