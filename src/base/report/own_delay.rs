//! By how much a model's sound is late (or early) of its own accord: a model file that was made with
//! another idea of the recording's latency than ours.
//!
//! Knows sounds, not models.

use crate::dsp::align::correlate;
use std::ops::RangeInclusive;

/// Delays considered, in samples.
const DELAYS: RangeInclusive<i64> = -64..=2048;

/// A delay is one when taking it away leaves less than this share of the error: then it is what was
/// wrong with the model. One that has learnt little fits a little better at many shifts, and is to
/// have the figure of what is heard.
const CLEARLY: f64 = 0.25;

/// Samples by which the predicted sounds lag behind the wet ones, all by the same number; 0 unless
/// taking it away makes the error clearly smaller.
pub fn own_delay(pairs: &[(&[f32], Vec<f32>)]) -> i64 {
    let mut likeness = vec![0.0; DELAYS.count()];
    for (wet, predicted) in pairs {
        let wide = |x: &[f32]| x.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let (wet, predicted) = (wide(wet), wide(predicted));
        let g = correlate(&wet, &predicted, 0..wet.len(), DELAYS);
        likeness.iter_mut().zip(g).for_each(|(l, g)| *l += g);
    }
    let best = (0..likeness.len()).max_by(|&a, &b| likeness[a].total_cmp(&likeness[b]));
    let delay = best.map_or(0, |n| DELAYS.start() + n as i64);
    if esr(pairs, delay) < CLEARLY * esr(pairs, 0) {
        delay
    } else {
        0
    }
}

/// Both sounds over what they share once `predicted` is moved to an earlier place by `delay`.
pub fn without_delay<'a>(
    wet: &'a [f32],
    predicted: &'a [f32],
    delay: i64,
) -> (&'a [f32], &'a [f32]) {
    let skip = |x: &'a [f32], by: i64| &x[usize::try_from(by).unwrap_or(0).min(x.len())..];
    let (wet, predicted) = (skip(wet, -delay), skip(predicted, delay));
    let len = wet.len().min(predicted.len());
    (&wet[..len], &predicted[..len])
}

fn esr(pairs: &[(&[f32], Vec<f32>)], delay: i64) -> f64 {
    let (mut error, mut signal) = (0.0, 0.0);
    for (wet, predicted) in pairs {
        let (wet, predicted) = without_delay(wet, predicted, delay);
        for (w, p) in wet.iter().zip(predicted) {
            error += f64::from(w - p).powi(2);
            signal += f64::from(*w).powi(2);
        }
    }
    error / signal.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<f32> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn a_lag_is_found_and_a_bad_model_has_none() {
        let wet = noise(20_000);
        for delay in [-5_i64, 0, 4, 700] {
            let predicted: Vec<f32> = (0..wet.len() as i64)
                .map(|n| usize::try_from(n - delay).ok().and_then(|n| wet.get(n)))
                .map(|v| v.copied().unwrap_or(0.0))
                .collect();
            assert_eq!(own_delay(&[(&wet, predicted.clone())]), delay);
            let (w, p) = without_delay(&wet, &predicted, delay);
            assert_eq!(w.len(), wet.len() - delay.unsigned_abs() as usize);
            assert_eq!(w, p);
        }
        assert_eq!(own_delay(&[(&wet, noise(40_000).split_off(20_000))]), 0);
        assert_eq!(own_delay(&[(&wet, vec![0.0; 20_000])]), 0);
        // A model that has learnt little fits a little better at some shift.
        let late = |n: usize| 0.5 * wet[n.saturating_sub(4)];
        let poor: Vec<f32> = (0..wet.len())
            .map(|n| late(n) + 0.5 * wet[(n + 9) % wet.len()])
            .collect();
        assert_eq!(own_delay(&[(&wet, poor)]), 0);
    }
}
