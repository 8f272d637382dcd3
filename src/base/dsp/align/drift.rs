//! Clock drift: two devices that disagree about the length of a second.
//!
//! The response is measured piece by piece along the recording. Under drift it slides by the same
//! number of lags from piece to piece; shifting the pieces back by a trial drift and adding them
//! up gives most energy at the true one. (A line through the pieces' own peaks would do for a
//! spike, but the response of a pedal has several peaks of like height, and a piece may lack the
//! material to tell them apart.)

use super::confidence::TRUSTED_CONFIDENCE;
use super::correlate::correlate;
use super::response::Whitened;
use super::whiten::median;
use crate::dsp::fft::{Complex64, RealFft};
use rayon::prelude::*;
use serde::Serialize;

/// Samples per piece: short enough that 500 ppm slide it by no more than 16 samples.
const PIECE: usize = 32_768;

/// Largest drift looked for, in parts per million: crystals are good to 100.
const LARGEST_PPM: f64 = 500.0;

/// How far the response may spread around the latency, besides the drift itself.
const SPREAD: i64 = 64;

/// How far from a slide that is known another one may lie.
const CLOSE: i64 = 12;

/// How much longer the wet second is than the dry one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Parts per million; positive: wet lags more and more.
    pub ppm: f64,
    /// Samples that this amounts to from the first to the last of the recording.
    pub samples: f64,
    /// 0 ..= 1: how far the energy of the aligned pieces stands above that at other drifts (0
    /// at twice the typical energy or less, ½ at four times, 0.9 at twenty times).
    pub confidence: f64,
}

impl Drift {
    /// Whether there is one that matters, more than a sample, and no accident.
    pub fn is_seen(&self) -> bool {
        self.confidence > TRUSTED_CONFIDENCE && self.samples.abs() > 1.0
    }

    /// Whether it is so sure that it can be undone.
    pub fn is_sure(&self) -> bool {
        self.confidence > 0.5 && self.is_seen()
    }
}

/// The spectra of the responses of consecutive pieces.
struct Pieces {
    spectra: Vec<Vec<Complex64>>,
    length: usize,
}

impl Pieces {
    /// Energy of the sum of all pieces after undoing a slide of `slide` lags over the recording.
    fn energy(&self, slide: f64) -> f64 {
        let bins = self.spectra[0].len();
        let step = std::f64::consts::PI / (bins - 1) as f64;
        let mut sum = vec![Complex64::default(); bins];
        for (index, g) in self.spectra.iter().enumerate() {
            let centre = (index * PIECE + PIECE / 2) as f64 / self.length as f64 - 0.5;
            let turn = Complex64::from_polar(1.0, step * slide * centre);
            let mut phase = Complex64::new(1.0, 0.0);
            for (s, g) in sum.iter_mut().zip(g) {
                *s += g * phase;
                phase *= turn;
            }
        }
        sum.iter().map(|s| s.norm_sqr()).sum()
    }
}

/// Drift of an already whitened pair around a latency; `None` below four pieces (3 s), too few to
/// tell a slide from chance.
///
/// With a slide that is known to some samples, `near`, others are only looked at for how much energy
/// is typical.
pub fn drift(pair: &Whitened, latency: i64, near: Option<f64>) -> Option<Drift> {
    let length = pair.dry.len().min(pair.wet.len());
    let largest = LARGEST_PPM * 1e-6 * length as f64;
    let reach = SPREAD + largest.ceil() as i64;
    let lags = latency - reach..=latency + reach;
    // As long again in zeros, so that nothing slides around the end into the beginning.
    let mut fft = RealFft::new((4 * reach as usize).next_power_of_two());
    let spectra: Vec<Vec<Complex64>> = (0..length / PIECE)
        .map(|k| {
            let span = k * PIECE..(k + 1) * PIECE;
            let mut spectrum = fft.spectrum();
            let response = correlate(&pair.dry, &pair.wet, span, lags.clone());
            fft.forward(response, &mut spectrum);
            spectrum
        })
        .collect();
    if spectra.len() < 4 {
        return None;
    }
    let pieces = Pieces { spectra, length };
    // One lag over the recording is half a lag at its ends: no peak is missed.
    let whole = -largest as i64..=largest as i64;
    let spread = (2 * largest as usize / 64).max(1);
    let tried: Vec<i64> = match near {
        None => whole.collect(),
        Some(near) => {
            let close =
                (near as i64 - CLOSE).max(*whole.start())..=(near as i64 + CLOSE).min(*whole.end());
            whole.step_by(spread).chain(close).collect()
        }
    };
    let energy = |slide: f64| (slide, pieces.energy(slide));
    let coarse: Vec<(f64, f64)> = tried
        .into_par_iter()
        .map(|slide| energy(slide as f64))
        .collect();
    let wanted = |slide: f64| near.is_none_or(|near| (slide - near).abs() <= CLOSE as f64);
    let candidates = coarse.iter().copied().filter(|(slide, _)| wanted(*slide));
    let (rough, best) = candidates.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let fine = (-20..=20).map(|k| energy(rough + 0.05 * f64::from(k)));
    let (slide, _) = fine.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let typical = median(coarse.iter().map(|(_, energy)| *energy));
    Some(Drift {
        ppm: 1e6 * slide / length as f64,
        samples: slide,
        confidence: (1.0 - 2.0 * typical / best.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0),
    })
}
