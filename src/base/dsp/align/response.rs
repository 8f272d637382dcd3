//! One look at the response from dry to wet: whitened, cross-correlated, and read.
//!
//! If dry is `a ∗ e` (white `e`, minimum-phase `a`) and wet is `h ∗ dry + noise`, whitening
//! both by causal filters leaves `h ∗ a / b` with `b` the wet's own minimum-phase factor: zero
//! before the first sample of `h`, and for a minimum-phase `h` a single spike on it. Whitening by
//! a zero-phase filter (PHAT, Wiener) would smear the spike to earlier samples instead.

use super::correlate::correlate;
use super::whiten::{Whitener, level_loudness, median};
use rayon::prelude::*;
use std::ops::RangeInclusive;

/// Samples over which loudness is measured: shorter than a note, longer than its period.
const LOUDNESS_WINDOW: usize = 2048;

/// A fraction of the peak below which a swing before it counts as leakage of the whitening,
/// not as the response's beginning. Band-limited converters leak 0.22 (a sinc's first lobe).
const ONSET_FRACTION: f64 = 0.3;

/// Multiples of the floor from which on an earlier cluster, further than [`REACH`] away, is the direct
/// sound before a louder echo: copies of a held note's response do not reach them (they do 15).
const BEYOND_DOUBT: f64 = 24.0;

/// Multiples of the floor a swing must reach to be no accident: of 5000 lags of normal noise
/// none exceeds six in 10⁵ recordings; sounds are not normal, hence eight.
pub const SIGNIFICANT: f64 = 8.0;

/// How far a view's largest swing may lie from where all stretches agree.
const NEAR: usize = 96;

/// How far the parts of one response (its beginning, its largest swing) may lie apart.
const REACH: usize = 64;

/// Both sounds of a pair, whitened.
pub struct Whitened {
    /// Dry, of unit variance.
    pub dry: Vec<f64>,
    /// Wet, of unit variance.
    pub wet: Vec<f64>,
}

impl Whitened {
    /// The correlation coefficients of dry and later wet, one per lag.
    pub fn response(&self, lags: RangeInclusive<i64>) -> Vec<f64> {
        let mut g = correlate(&self.dry, &self.wet, 0..self.dry.len(), lags);
        let scale = 1.0 / self.dry.len().min(self.wet.len()).max(1) as f64;
        for v in &mut g {
            *v *= scale;
        }
        g
    }

    /// The same with every moment counting alike.
    pub fn levelled(&self) -> Self {
        Self {
            dry: level_loudness(&self.dry, LOUDNESS_WINDOW),
            wet: level_loudness(&self.wet, LOUDNESS_WINDOW),
        }
    }
}

/// Long and short whitening filters (see [`Whitener::new`]).
const TAPS: [usize; 2] = [16_384, 4096];

/// A way of looking: how both sounds are whitened, and with which loudness.
struct View {
    taps: usize,
    /// Of the whitening, see [`Whitener::whiten`].
    floor: f64,
    /// Whether to look with the loudness as it is, besides looking with every moment counting
    /// alike, which lets a decaying note be heard by its noise too.
    plain: bool,
}

/// The views every estimate takes: finer and coarser floors suit clean and noisy material,
/// longer and shorter filters periodic and changing material. The finest is of use only where
/// noise is all there is to hear; with the loudness as it is, it rings at the edge of a band. The
/// coarsest hardly whitens: for sweeps, white already, which whitening would only disperse.
const VIEWS: [View; 5] = [
    View {
        taps: TAPS[0],
        floor: 1e-10,
        plain: false,
    },
    View {
        taps: TAPS[0],
        floor: 1e-8,
        plain: true,
    },
    View {
        taps: TAPS[0],
        floor: 1e-5,
        plain: true,
    },
    View {
        taps: TAPS[1],
        floor: 1e-8,
        plain: true,
    },
    View {
        taps: TAPS[1],
        floor: 1e-2,
        plain: true,
    },
];

/// The responses of one pair in all views, always in the same order.
pub fn responses(dry: &[f64], wet: &[f64], lags: &RangeInclusive<i64>) -> Vec<Vec<f64>> {
    let whiten = |sound: &[f64], view: &View| Whitener::new(sound, view.taps).whiten(view.floor);
    let look = |view: &View| {
        let (dry, wet) = rayon::join(|| whiten(dry, view), || whiten(wet, view));
        let pair = Whitened { dry, wet };
        let plain = view.plain.then(|| pair.response(lags.clone()));
        plain
            .into_iter()
            .chain([pair.levelled().response(lags.clone())])
            .collect::<Vec<_>>()
    };
    VIEWS.par_iter().flat_map_iter(look).collect()
}

/// What one response says.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Index of the first significant sample.
    pub onset: usize,
    /// Index of the largest swing.
    pub peak: usize,
    /// Extreme of the first swing of at least half the largest: its sign is the polarity.
    pub first_swing: f64,
    /// The largest swing in multiples of the floor.
    pub significance: f64,
    /// Equivalent width of the response around its peak in samples.
    pub width: f64,
}

impl Reading {
    /// How well this response fixes a sample: significance per sample of width.
    pub fn sharpness(&self) -> f64 {
        self.significance / self.width
    }
}

/// Typical size of `g` where there is no response: as a standard deviation, from the median.
/// Before the peak if there is enough of it (after it the effect itself rings), else overall.
pub fn floor_of(g: &[f64]) -> f64 {
    floor_before(g, largest(g))
}

fn floor_before(g: &[f64], peak: usize) -> f64 {
    let quiet = if peak >= 4 * REACH {
        &g[..peak - REACH]
    } else {
        g
    };
    // For a normal distribution the median of |x| is 0.6745 standard deviations.
    (median(quiet.iter().map(|v| v.abs())) / 0.6745).max(1e-12)
}

fn largest(g: &[f64]) -> usize {
    (0..g.len()).fold(
        0,
        |best, n| if g[n].abs() > g[best].abs() { n } else { best },
    )
}

/// Reads a response whose largest swing lies near index `expected`; `None` for an empty one.
pub fn read(g: &[f64], expected: usize) -> Option<Reading> {
    let near = expected.saturating_sub(NEAR)..(expected + NEAR + 1).min(g.len());
    let peak = near.start + largest(g.get(near)?);
    if g.is_empty() {
        return None;
    }
    let floor = floor_before(g, peak);
    let height = g[peak].abs().max(f64::MIN_POSITIVE);
    let near = peak.saturating_sub(REACH)..(peak + REACH + 1).min(g.len());
    let energy: f64 = g[near].iter().map(|v| v * v).sum();
    let onset = onset_before(g, peak, floor);
    Some(Reading {
        onset,
        peak,
        first_swing: first_swing(g, onset, peak),
        significance: height / floor,
        width: energy / (height * height),
    })
}

/// The first significant sample of the response whose largest swing is at `peak`.
fn onset_before(g: &[f64], peak: usize, floor: f64) -> usize {
    let height = g[peak].abs();
    let enough = (ONSET_FRACTION * height)
        .max(SIGNIFICANT * floor)
        .min(height);
    let distant = (ONSET_FRACTION * height).max(BEYOND_DOUBT * floor);
    let distant = (0..=peak).find(|&n| g[n].abs() >= distant);
    let mut onset = distant.unwrap_or(peak);
    let mut n = onset;
    while n > 0 && onset - n < REACH {
        n -= 1;
        if g[n].abs() >= enough {
            onset = n;
        }
    }
    onset
}

/// The first swing of at least half the largest: its extreme.
fn first_swing(g: &[f64], onset: usize, peak: usize) -> f64 {
    let half = 0.5 * g[peak].abs();
    let start = (onset..peak).find(|&n| g[n].abs() >= half).unwrap_or(peak);
    let rising = |n: &usize| g[n + 1].abs() > g[*n].abs() && g[n + 1] * g[*n] > 0.0;
    let top = (start..peak)
        .take_while(rising)
        .last()
        .map_or(start, |n| n + 1);
    g[top]
}
