//! Choosing the drives of a tanh bank on the fitting spans. Knows nothing of the final fit.

use super::expansion::Expansion;
use super::normal::Statistics;
use super::segment::{Heard, Segment};
use crate::config::BaselineConfig;
use crate::linalg::cholesky;
use crate::progress::Observer;
use crate::regress::RegressError;

/// Filter length while searching: the choice depends on the curve, hardly on the filters.
const TAPS: usize = 16;
/// Candidate drives in units of 1/RMS of the dry signal, a factor √2 apart: from nearly
/// linear (tanh x differs from x by 0.5 % at a quarter of full drive) to nearly a sign function.
const STEPS: std::ops::RangeInclusive<i32> = -4..=10;
/// The search looks at no more samples than this: 24 s at 44.1 kHz settle the choice.
const SEARCH_SAMPLES: usize = 1 << 20;
/// In pieces of this many.
const SEARCH_PIECE: usize = 1 << 14;
/// Keeps two nearly equal drives from being told apart by rounding.
const RIDGE: f64 = 1e-9;

/// The pair of candidate drives whose short filters explain most of the wet signal.
pub(crate) fn choose(
    segments: &[Segment<'_>],
    observer: &dyn Observer,
) -> Result<Vec<f64>, RegressError> {
    let candidates: Vec<f64> = {
        let rms = rms(segments);
        STEPS.map(|k| 2f64.powf(f64::from(k) / 2.0) / rms).collect()
    };
    let expansion = Expansion::Tanh(candidates.clone());
    let pieces: Vec<Heard<'_>> = thinned(segments).into_iter().map(Heard::alone).collect();
    let statistics = Statistics::gather("tanh drives", &expansion, TAPS, &pieces, observer)?;
    let scale = statistics.scale();
    let gram = statistics.scaled_gram(&scale, RIDGE);
    let target = statistics.scaled_target(&scale);
    let mut best = (f64::NEG_INFINITY, [0, 1]);
    for low in 0..candidates.len() {
        for high in low + 1..candidates.len() {
            let energy = explained(&gram, &target, &[0, 1 + low, 1 + high]);
            if energy > best.0 {
                best = (energy, [low, high]);
            }
        }
    }
    debug_assert_eq!(best.1.len(), BaselineConfig::DEFAULT_BANKS);
    Ok(best.1.map(|k| candidates[k]).to_vec())
}

/// About [`SEARCH_SAMPLES`] samples, in pieces spread evenly over all segments.
fn thinned<'a>(segments: &[Segment<'a>]) -> Vec<Segment<'a>> {
    let total: usize = segments.iter().map(|s| s.dry.len()).sum();
    let stride = total.div_ceil(SEARCH_SAMPLES).max(1);
    let pieces = segments.iter().flat_map(|segment| {
        (0..segment.dry.len()).step_by(SEARCH_PIECE).map(|start| {
            let end = (start + SEARCH_PIECE).min(segment.dry.len());
            Segment {
                dry: &segment.dry[start..end],
                wet: &segment.wet[start..end],
                context: if start == 0 {
                    segment.context
                } else {
                    &segment.dry[..start]
                },
            }
        })
    });
    pieces.step_by(stride).collect()
}

/// `tᵀ·R⁻¹·t` over the named signals: the wet energy that their filters account for.
fn explained(gram: &[f64], target: &[f64], signals: &[usize]) -> f64 {
    let n = target.len();
    let index: Vec<usize> = signals
        .iter()
        .flat_map(|s| s * TAPS..(s + 1) * TAPS)
        .collect();
    let mut part: Vec<f64> = index
        .iter()
        .flat_map(|&column| index.iter().map(move |&row| gram[column * n + row]))
        .collect();
    let wanted: Vec<f64> = index.iter().map(|&i| target[i]).collect();
    if cholesky::factor(&mut part, index.len(), 0.0, |_| true).is_err() {
        return f64::NEG_INFINITY;
    }
    let mut solution = wanted.clone();
    cholesky::solve(&part, &mut solution);
    solution.iter().zip(&wanted).map(|(h, t)| h * t).sum()
}

fn rms(segments: &[Segment<'_>]) -> f64 {
    let samples = segments.iter().flat_map(|s| s.dry);
    let energy: f64 = samples.clone().map(|&x| f64::from(x).powi(2)).sum();
    (energy / samples.count() as f64).sqrt()
}
