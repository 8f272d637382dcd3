//! The transfer function from dry to wet in the band where they go together, and the delay it
//! amounts to, to a fraction of a sample.
//!
//! Knows nothing of onsets: it is told a whole-sample latency and refines it.

use super::gains;
use crate::dsp::fft::{Complex64, RealFft};
use serde::Serialize;
use std::f64::consts::TAU;

/// Samples per transform: long beside the few samples of delay that are left to find, and long
/// enough that the window keeps a band that is full from leaking into one that is empty.
const FRAME: usize = 2048;

/// Coherence above which a bin counts as belonging to the band.
const COHERENT: f64 = 0.5;

/// Cross- and power spectra of aligned pairs, averaged over Hann-windowed frames.
pub struct Transfer {
    dry: Vec<f64>,
    wet: Vec<f64>,
    cross: Vec<Complex64>,
    latency: i64,
}

/// The delay that fits the transfer function best in the band where dry and wet go together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BandDelay {
    /// Samples by which wet lags, fractions included. For a filter or a distortion this is an
    /// average of its delays over frequency, later than the onset.
    pub samples: f64,
    /// Correlation of the response with that pure delay, within the band: 1 for a plain gain.
    pub purity: f64,
    /// The band's share of all frequencies.
    pub share: f64,
}

/// Where a response begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Samples by which it lags, fractions included.
    pub samples: f64,
    /// How far the response is that delay and a filter that answers at once: 1 when it is.
    pub purity: f64,
    /// The highest frequency known, as a share of half the rate.
    pub top: f64,
}

impl Start {
    /// Whether so little of the spectrum goes together that a sample is hard to tell.
    pub fn is_narrow(&self) -> bool {
        self.top < 0.25
    }

    /// Whether, besides, it is unlike a filter.
    pub fn is_blurred(&self) -> bool {
        self.is_narrow() && (0.85..0.97).contains(&self.purity)
    }
}

impl Transfer {
    /// Nothing measured yet of pairs in which wet lags by about `latency` samples.
    pub fn new(latency: i64) -> Self {
        let bins = FRAME / 2 + 1;
        Self {
            dry: vec![0.0; bins],
            wet: vec![0.0; bins],
            cross: vec![Complex64::default(); bins],
            latency,
        }
    }

    /// Adds one pair.
    pub fn add(&mut self, dry: &[f64], wet: &[f64]) {
        let late = self.latency.max(0) as usize;
        let early = (-self.latency).max(0) as usize;
        let (dry, wet) = (
            dry.get(early..).unwrap_or(&[]),
            wet.get(late..).unwrap_or(&[]),
        );
        let step = TAU / FRAME as f64;
        let window: Vec<f64> = (0..FRAME)
            .map(|n| 0.5 - 0.5 * (step * n as f64).cos())
            .collect();
        let mut fft = RealFft::new(FRAME);
        let (mut a, mut b) = (fft.spectrum(), fft.spectrum());
        let frames = dry.windows(FRAME).zip(wet.windows(FRAME));
        for (d, w) in frames.step_by(FRAME / 2) {
            fft.forward(d.iter().zip(&window).map(|(v, w)| v * w), &mut a);
            fft.forward(w.iter().zip(&window).map(|(v, w)| v * w), &mut b);
            for (k, (a, b)) in a.iter().zip(&b).enumerate() {
                self.dry[k] += a.norm_sqr();
                self.wet[k] += b.norm_sqr();
                self.cross[k] += a.conj() * b;
            }
        }
    }

    /// The delay that is left when a filter which answers at once (the minimum-phase one of the
    /// measured gains) is taken away, within `reach` samples of the latency; `None` when too
    /// little of the spectrum goes together.
    pub fn start(&self, reach: f64) -> Option<Start> {
        let weights: Vec<f64> = (0..self.cross.len()).map(|k| self.weight(k)).collect();
        let gains = gains::whole_band(&self.log_gains(), &weights)?;
        let phases = gains::minimum_phase(&gains);
        let turned: Vec<(f64, Complex64)> = (1..self.cross.len() - 1)
            .filter(|&k| weights[k] > 0.0)
            .map(|k| {
                let unit = self.cross[k] / self.cross[k].norm().max(f64::MIN_POSITIVE);
                let turned = unit * Complex64::from_polar(weights[k], -phases[k]);
                (TAU * k as f64 / FRAME as f64, turned)
            })
            .collect();
        let total: f64 = turned.iter().map(|(_, h)| h.norm()).sum();
        let fit = |delay: f64| {
            let sum: Complex64 = turned
                .iter()
                .map(|(w, h)| h * Complex64::from_polar(1.0, w * delay))
                .sum();
            sum.re.abs()
        };
        let (delay, top) = peak(fit, reach)?;
        Some(Start {
            samples: self.latency as f64 + delay,
            purity: top / total.max(f64::MIN_POSITIVE),
            top: self.top(&weights),
        })
    }

    /// Below which share of half the rate 98 % of the weights lie.
    fn top(&self, weights: &[f64]) -> f64 {
        let whole: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let below = weights.iter().position(|w| {
            sum += w;
            sum >= 0.98 * whole
        });
        below.unwrap_or(0) as f64 / (weights.len() - 1) as f64
    }

    /// Signal against noise of a bin, as a weight of its phase; 0 where nothing goes together.
    fn weight(&self, k: usize) -> f64 {
        let power = (self.dry[k] * self.wet[k]).max(f64::MIN_POSITIVE);
        let coherence = (self.cross[k].norm_sqr() / power).min(1.0);
        if coherence < 0.2 {
            0.0
        } else {
            (coherence / (1.02 - coherence)).min(10.0)
        }
    }

    fn log_gains(&self) -> Vec<f64> {
        let gain =
            |(c, d): (&Complex64, &f64)| (c.norm() / d.max(f64::MIN_POSITIVE)).max(1e-12).ln();
        self.cross.iter().zip(&self.dry).map(gain).collect()
    }

    /// The pure delay within `reach` samples of the latency that fits the coherent band best;
    /// `None` when no bin is coherent.
    pub fn band_delay(&self, reach: f64) -> Option<BandDelay> {
        let band: Vec<(f64, Complex64)> = (1..self.cross.len())
            .filter(|&k| self.cross[k].norm_sqr() > COHERENT * self.dry[k] * self.wet[k])
            .map(|k| (TAU * k as f64 / FRAME as f64, self.cross[k] / self.dry[k]))
            .collect();
        let size = band.iter().map(|(_, h)| h.norm_sqr()).sum::<f64>() * band.len() as f64;
        if size <= 0.0 {
            return None;
        }
        let fit = |delay: f64| {
            let sum: Complex64 = band
                .iter()
                .map(|(w, h)| h * Complex64::from_polar(1.0, w * delay))
                .sum();
            sum.re.abs() / size.sqrt()
        };
        let (delay, top) = peak(fit, reach)?;
        Some(BandDelay {
            samples: self.latency as f64 + delay,
            purity: top,
            share: band.len() as f64 / (self.cross.len() - 1) as f64,
        })
    }
}

/// Where `fit`, a sum of cosines no faster than π per sample, is largest within `reach` samples,
/// and how large: 1/32 sample is close enough to its top for a parabola.
fn peak(fit: impl Fn(f64) -> f64, reach: f64) -> Option<(f64, f64)> {
    let step = 1.0 / 32.0;
    let count = (reach / step).round() as i64;
    let at = |k: i64| fit(k as f64 * step);
    let values: Vec<f64> = (-count - 1..=count + 1).map(at).collect();
    let best = (1..values.len() - 1).max_by(|&a, &b| values[a].total_cmp(&values[b]))?;
    let (before, top, after) = (values[best - 1], values[best], values[best + 1]);
    let curvature = 2.0 * top - before - after;
    let shift = if curvature > 0.0 {
        0.5 * (after - before) / curvature
    } else {
        0.0
    };
    let place = (best as i64 - 1 - count) as f64 + shift.clamp(-1.0, 1.0);
    Some((place * step, top))
}
