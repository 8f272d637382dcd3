//! From gains that are known in a part of the spectrum to all of them, and to the phases of the
//! filter with these gains that answers at once (the minimum-phase one).
//!
//! Knows neither sounds nor delays.

use crate::dsp::fft::RealFft;

/// Steepest fall and rise assumed beyond the known band, as powers of the frequency: four poles, and
/// one zero.
const SLOPES: (f64, f64) = (-4.0, 1.0);

/// Natural logarithms of gains at all bins: smoothed where `weights` say they are known, joined
/// between, level below, and on as they fall in the last octave above. `None` when fewer than
/// eight bins are known.
pub fn whole_band(logs: &[f64], weights: &[f64]) -> Option<Vec<f64>> {
    let sums = |values: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let mut sum = 0.0;
        std::iter::once(0.0)
            .chain((0..logs.len()).map(|k| {
                sum += values(k);
                sum
            }))
            .collect()
    };
    let weight = sums(&|k| weights[k]);
    let product = sums(&|k| weights[k] * logs[k]);
    // An eighth of an octave, five bins at least.
    let near = |k: usize| {
        let reach = 2 + k / 24;
        (k.saturating_sub(reach), (k + reach + 1).min(logs.len()))
    };
    let smooth = |k: usize| {
        let (from, to) = near(k);
        let w = weight[to] - weight[from];
        // Two good bins or many fair ones.
        (w > 1.0).then(|| (product[to] - product[from]) / w)
    };
    let known: Vec<(usize, f64)> = (1..logs.len())
        .filter_map(|k| Some((k, smooth(k)?)))
        .collect();
    let (&(first, low), &(last, high)) = (known.first()?, known.last()?);
    if known.len() < 8 {
        return None;
    }
    let slope = fall(&known, last).clamp(SLOPES.0, SLOPES.1);
    let mut out = vec![low; logs.len()];
    for pair in known.windows(2) {
        let ((a, from), (b, to)) = (pair[0], pair[1]);
        for k in a..=b {
            out[k] = from + (to - from) * (k - a) as f64 / (b - a) as f64;
        }
    }
    for (k, value) in out.iter_mut().enumerate().skip(last + 1) {
        *value = high + slope * (k as f64 / last as f64).ln();
    }
    out[..first].fill(low);
    Some(out)
}

/// The slope of the gains over the last octave of what is known: a line by least squares.
fn fall(known: &[(usize, f64)], last: usize) -> f64 {
    let octave = known.iter().filter(|(k, _)| 2 * k >= last);
    let points: Vec<(f64, f64)> = octave.map(|(k, v)| ((*k as f64).ln(), *v)).collect();
    let n = points.len() as f64;
    let (mx, my) = points
        .iter()
        .fold((0.0, 0.0), |m, p| (m.0 + p.0 / n, m.1 + p.1 / n));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |s, p| {
        (s.0 + (p.0 - mx) * (p.1 - my), s.1 + (p.0 - mx).powi(2))
    });
    if xx > 0.0 { xy / xx } else { 0.0 }
}

/// The phases in radians, one per bin, of the minimum-phase filter with these log gains.
pub fn minimum_phase(logs: &[f64]) -> Vec<f64> {
    let mut fft = RealFft::new(2 * (logs.len() - 1));
    let mut spectrum: Vec<_> = logs.iter().map(|&v| v.into()).collect();
    let len = fft.len();
    let cepstrum: Vec<f64> = fft.inverse(&mut spectrum).to_vec();
    let folded = cepstrum.iter().enumerate().map(|(n, &c)| match n {
        n if n == 0 || n == len / 2 => c,
        n if n < len / 2 => 2.0 * c,
        _ => 0.0,
    });
    fft.forward(folded, &mut spectrum);
    spectrum.iter().map(|v| v.im).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::fft::Complex64;

    /// A one-pole low-pass, known below a quarter of the band only: its phases there are found.
    #[test]
    fn phases_follow_from_gains() {
        let bins = 1025;
        let response = |k: usize| {
            let z = Complex64::from_polar(1.0, -std::f64::consts::PI * k as f64 / 1024.0);
            Complex64::from(0.2) / (Complex64::from(1.0) - 0.8 * z)
        };
        let logs: Vec<f64> = (0..bins).map(|k| response(k).norm().ln()).collect();
        let exact = minimum_phase(&logs);
        let weights: Vec<f64> = (0..bins).map(|k| if k < 256 { 1.0 } else { 0.0 }).collect();
        let partly = minimum_phase(&whole_band(&logs, &weights).unwrap());
        for k in 0..200 {
            let truth = response(k).arg();
            assert!((exact[k] - truth).abs() < 1e-9, "{k}");
            // Half a sample of delay at bin k is 0.0015 k.
            assert!(
                (partly[k] - truth).abs() < 0.02 + 0.0008 * k as f64,
                "{k}: {} {truth}",
                partly[k]
            );
        }
        assert!(whole_band(&logs, &vec![0.0; bins]).is_none());
    }
}
