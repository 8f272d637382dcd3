//! Does the effect itself change over time, as a chorus, flanger, phaser or vibrato does?
//!
//! Such an effect is driven by a low-frequency oscillator, so its transfer function returns to the
//! same shape after every period, whatever is played. For frames `s` of both sounds, the mean
//! transfer function `H(f)` of all of them and the gain `g_s` of each, what is left of a frame is
//! `D_s = Y_s / g_s − H·X_s`, and
//!
//! ```text
//! likeness(m) = Σ Re(D_s(f)·X*_s(f) · D*_{s+m}(f)·X_{s+m}(f)) / |X_s(f)·X_{s+m}(f)|
//!               divided by Σ |X_s(f)|·|X_{s+m}(f)|
//! ```
//!
//! over all frames and frequencies is nothing at any distance `m` if the effect is static and
//! linear, or a gain that follows the playing: notes and rhythms cancel exactly. Under an
//! oscillator it is larger at whole periods than at half ones. A distortion makes it uneven where
//! the music repeats itself; so a distance at which the dry spectra alone recur just as well is
//! not the effect's.
//!
//! Not seen: an envelope filter (it follows the playing, not a clock), a tremolo (its gain is
//! taken out; see `tremolo`), and an oscillator slower than four periods per recording.

use super::response::Whitened;
use super::whiten::median;
use crate::dsp::fft::{Complex64, RealFft};
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

/// The depth from which on a change is a possible reason why no static model fits. Measured over
/// 9 to 40 s: chorus on noise 0.02, on plucked strings 0.04 and more; static effects on noise up to
/// 0.002.
const SHALLOW: f64 = 0.012;

/// The share of the music's strongest rhythm that counts at every period.
const LOOPED: f64 = 0.3;

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
    /// The same of the dry sound's spectrum at this period, and at least 0.3 of that at any other:
    /// a rhythm of the music.
    pub rhythm: f64,
}

impl TimeVariation {
    /// A recording must hold as many to tell anything.
    pub const LEAST_SAMPLES: usize = LEAST_HOPS * HOP + FRAME;

    /// Whether the effect may change over time: more than static effects that a model can describe
    /// show by chance. To be asked where no static model describes the effect.
    pub fn suspected(&self) -> bool {
        self.depth > SHALLOW && self.depth > 1.5 * self.rhythm
    }

    /// Whether the effect changes over time: chorus, flanger, phaser, vibrato. A network with a
    /// fixed response cannot learn such an effect.
    pub fn detected(&self) -> bool {
        self.depth > DEEP && self.depth > 3.0 * self.rhythm
    }
}

/// Frames this far below the mean power carry no sound (−50 dB).
const SILENT: f64 = 1e-5;

/// The smallest gain of a frame, relative to the mean transfer function, that is taken out: a
/// closed gate leaves nothing to look at.
const LEAST_GAIN: f64 = 0.03;

/// Spectra of dry and wet frames, each pair scaled so that the dry one has unit power; silent
/// frames are zero.
fn frames(dry: &[f64], wet: &[f64]) -> Vec<[Vec<Complex64>; 2]> {
    let window: Vec<f64> = (0..FRAME)
        .map(|n| 0.5 - 0.5 * (TAU * n as f64 / FRAME as f64).cos())
        .collect();
    let mut fft = RealFft::new(FRAME);
    let mut spectrum = |x: &[f64]| {
        let mut spectrum = fft.spectrum();
        fft.forward(x.iter().zip(&window).map(|(v, w)| v * w), &mut spectrum);
        spectrum
    };
    let mut frames: Vec<[Vec<Complex64>; 2]> = dry
        .windows(FRAME)
        .zip(wet.windows(FRAME))
        .step_by(HOP)
        .map(|(d, w)| [spectrum(d), spectrum(w)])
        .collect();
    let power = |x: &[Complex64]| x.iter().map(Complex64::norm_sqr).sum::<f64>();
    let powers: Vec<f64> = frames.iter().map(|[x, _]| power(x)).collect();
    let least = SILENT * powers.iter().sum::<f64>() / powers.len().max(1) as f64;
    for (pair, power) in frames.iter_mut().zip(powers) {
        let scale = if power > least {
            1.0 / power.sqrt()
        } else {
            0.0
        };
        pair.iter_mut().flatten().for_each(|v| *v *= scale);
    }
    frames
}

/// `Σ Y·X* / Σ |X|²` per frequency.
fn mean_transfer(frames: &[[Vec<Complex64>; 2]]) -> Vec<Complex64> {
    let bins = frames.first().map_or(0, |[x, _]| x.len());
    let mut sums = vec![(Complex64::default(), 0.0); bins];
    for [x, y] in frames {
        for ((cross, power), (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *cross += y * x.conj();
            *power += x.norm_sqr();
        }
    }
    sums.into_iter()
        .map(|(cross, power)| cross / power.max(f64::MIN_POSITIVE))
        .collect()
}

/// Takes each frame's gain out of its wet side.
fn level(frames: &mut [[Vec<Complex64>; 2]], transfer: &[Complex64]) {
    for [x, y] in frames {
        let (mut product, mut power) = (0.0, 0.0);
        for ((x, y), h) in x.iter().zip(y.iter()).zip(transfer) {
            let expected = h * x;
            product += (y * expected.conj()).re;
            power += expected.norm_sqr();
        }
        let gain = product / power.max(f64::MIN_POSITIVE);
        let scale = if gain > LEAST_GAIN { 1.0 / gain } else { 0.0 };
        x.iter_mut().for_each(|v| {
            if scale == 0.0 {
                *v = Complex64::default();
            }
        });
        y.iter_mut().for_each(|v| *v *= scale);
    }
}

/// Per frequency, the course over the frames of `D·X*/|X|` (real part, imaginary part) and of
/// `|X|`; with them the power of the effect itself, as a share of the dry sound's.
fn courses(dry: &[f64], wet: &[f64]) -> (Vec<[Vec<f64>; 3]>, f64) {
    let mut frames = frames(dry, wet);
    let transfer = mean_transfer(&frames);
    level(&mut frames, &transfer);
    let transfer = mean_transfer(&frames);
    let mut courses = vec![[const { Vec::new() }; 3]; transfer.len()];
    let (mut effect, mut sound) = (0.0, 0.0);
    for [x, y] in &frames {
        for (course, ((x, y), h)) in courses.iter_mut().zip(x.iter().zip(y).zip(&transfer)) {
            let size = x.norm();
            let left = (y - h * x) * x.conj() / size.max(f64::MIN_POSITIVE);
            for (values, value) in course.iter_mut().zip([left.re, left.im, size]) {
                values.push(value);
            }
            effect += y.norm_sqr();
            sound += size * size;
        }
    }
    (courses, effect / sound.max(f64::MIN_POSITIVE))
}

/// The likeness of what the effect changes to itself, as a share of the effect's power, and of the
/// dry spectrum to itself, by distance in hops.
fn likeness(dry: &[f64], wet: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (courses, power) = courses(dry, wet);
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
        .map(|(e, m)| e / (power * m).max(f64::MIN_POSITIVE))
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
/// after a half and one and a half; half of it, in terms of `whole`.
fn contrast(likeness: &[f64], whole: f64) -> Vec<f64> {
    // Between two frames, the mean of both.
    let at = |halves: usize| 0.5 * (likeness[halves / 2] + likeness[halves.div_ceil(2)]);
    (SHORTEST..=likeness.len() / 4)
        .map(|p| 0.5 * (at(2 * p) + at(4 * p) - at(p) - at(3 * p)) / whole)
        .collect()
}

/// The strongest periodic change of the response of an already whitened pair;
/// `None` for recordings shorter than 160 hops of 2048 samples, and for those whose moments have
/// too few frequencies in common.
pub fn time_variation(pair: &Whitened, latency: i64) -> Option<TimeVariation> {
    let early = (-latency).max(0) as usize;
    let late = latency.max(0) as usize;
    let (dry, wet) = (pair.dry.get(early..)?, pair.wet.get(late..)?);
    if dry.len().min(wet.len()) < TimeVariation::LEAST_SAMPLES {
        return None;
    }
    let (effect, music) = likeness(dry, wet);
    let overlap = median(music.iter().copied()) / music[0];
    if overlap < LEAST_OVERLAP {
        return None;
    }
    let depths = contrast(&effect, 1.0);
    let rhythms = contrast(&music, music[0]);
    let best = (0..depths.len()).max_by(|&a, &b| depths[a].total_cmp(&depths[b]))?;
    let near = best.saturating_sub(2)..(best + 3).min(rhythms.len());
    let largest = |rhythms: &[f64]| rhythms.iter().copied().fold(0.0, f64::max);
    // In a strict loop the effect's memory of the last note returns with the notes, at periods of
    // its own.
    let rhythm = largest(&rhythms[near]).max(LOOPED * largest(&rhythms));
    Some(TimeVariation {
        period_samples: ((best + SHORTEST) * HOP) as f64,
        depth: depths[best].clamp(0.0, 1.0),
        rhythm,
    })
}
