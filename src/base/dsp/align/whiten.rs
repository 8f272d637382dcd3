//! Whitening by a causal filter: what is left of a sound when everything its past (and its
//! loudness) predicts is taken away.
//!
//! Knows one sound at a time, nothing of pairs or lags. The filter is the inverse of the
//! minimum-phase factor of the sound's own power spectrum (Kolmogorov's factorisation through
//! the cepstrum), so it never moves energy to an earlier sample: an event in the whitened sound
//! starts on the very sample on which it starts in the sound.

use crate::dsp::fft::RealFft;

/// Power spectrum averaged over half-overlapping Hann-windowed pieces of `len` samples.
fn power_spectrum(x: &[f64], fft: &mut RealFft) -> Vec<f64> {
    let len = fft.len();
    let step = std::f64::consts::TAU / len as f64;
    let window: Vec<f64> = (0..len)
        .map(|n| 0.5 - 0.5 * (step * n as f64).cos())
        .collect();
    let mut power = vec![0.0; len / 2 + 1];
    let mut spectrum = fft.spectrum();
    let mut start = 0;
    loop {
        let piece = &x[start..x.len().min(start + len)];
        fft.forward(piece.iter().zip(&window).map(|(a, w)| a * w), &mut spectrum);
        for (sum, bin) in power.iter_mut().zip(&spectrum) {
            *sum += bin.norm_sqr();
        }
        start += len / 2;
        if start + len > x.len() {
            return power;
        }
    }
}

/// The first `len` taps of the minimum-phase filter whose squared magnitude is
/// 1 / (power + floor·max power): exponentiate the causal half of the cepstrum.
fn inverse_minimum_phase(power: &[f64], floor: f64, fft: &mut RealFft) -> Vec<f64> {
    let strongest = power.iter().copied().fold(0.0, f64::max);
    let lift = (floor * strongest).max(f64::MIN_POSITIVE);
    let mut spectrum: Vec<_> = power
        .iter()
        .map(|&p| (-0.5 * (p + lift).ln()).into())
        .collect();
    let len = fft.len();
    let cepstrum: Vec<f64> = fft.inverse(&mut spectrum).to_vec();
    let folded = cepstrum.iter().enumerate().map(|(n, &c)| match n {
        0 => c,
        n if n == len / 2 => c,
        n if n < len / 2 => 2.0 * c,
        _ => 0.0,
    });
    fft.forward(folded, &mut spectrum);
    for bin in &mut spectrum {
        *bin = bin.exp();
    }
    fft.inverse(&mut spectrum).to_vec()
}

/// `x` convolved with the causal `taps`, cut to the length of `x` (overlap-save).
fn filter(x: &[f64], taps: &[f64]) -> Vec<f64> {
    let mut fft = RealFft::new((4 * taps.len()).next_power_of_two());
    let hop = fft.len() - taps.len() + 1;
    let mut response = fft.spectrum();
    fft.forward(taps.iter().copied(), &mut response);
    let mut block = fft.spectrum();
    let mut out = Vec::with_capacity(x.len());
    while out.len() < x.len() {
        let start = out.len();
        let lead = (taps.len() - 1).saturating_sub(start);
        let from = start.saturating_sub(taps.len() - 1);
        let piece = x[from..].iter().copied();
        fft.forward(std::iter::repeat_n(0.0, lead).chain(piece), &mut block);
        for (b, r) in block.iter_mut().zip(&response) {
            *b *= r;
        }
        let wanted = hop.min(x.len() - start);
        out.extend_from_slice(&fft.inverse(&mut block)[taps.len() - 1..][..wanted]);
    }
    out
}

/// A sound with its power spectrum, ready to be whitened.
pub struct Whitener<'a> {
    sound: &'a [f64],
    fft: RealFft,
    power: Vec<f64>,
}

impl<'a> Whitener<'a> {
    /// Measures `sound` for filters of `taps` taps: long ones also remove periodicity (the
    /// harmonics of a held note), short ones average away more noise.
    pub fn new(sound: &'a [f64], taps: usize) -> Self {
        let mut fft = RealFft::new(taps);
        let power = power_spectrum(sound, &mut fft);
        Self { sound, fft, power }
    }

    /// Removes from the sound what its own past predicts; unit variance (all zeros if silent).
    ///
    /// `floor` is the power added to every bin, as a fraction of the strongest bin's: it keeps
    /// bins that hold only quantisation noise from being lifted to full weight.
    pub fn whiten(&mut self, floor: f64) -> Vec<f64> {
        let taps = inverse_minimum_phase(&self.power, floor, &mut self.fft);
        let mut out = filter(self.sound, &taps);
        scale_to_unit_variance(&mut out);
        out
    }
}

/// Divides `x` by its own loudness (over `window` samples) and limits what still sticks out at
/// four standard deviations, so that every moment of a decaying note counts alike. The gain
/// moves no event in time.
pub fn level_loudness(x: &[f64], window: usize) -> Vec<f64> {
    let energy: Vec<f64> = x.iter().map(|v| v * v).collect();
    // Two running means make a triangle: close to a Hann window and free of its cost.
    let loudness = running_mean(&running_mean(&energy, window / 2), window / 2);
    let mean = loudness.iter().sum::<f64>() / loudness.len().max(1) as f64;
    let floor = (1e-3 * median(loudness.iter().copied())).max(1e-4 * mean);
    let mut out: Vec<f64> = x
        .iter()
        .zip(&loudness)
        .map(|(v, &l)| v / l.max(floor).max(f64::MIN_POSITIVE).sqrt())
        .collect();
    scale_to_unit_variance(&mut out);
    for v in &mut out {
        *v = v.clamp(-4.0, 4.0);
    }
    scale_to_unit_variance(&mut out);
    out
}

/// Mean of the `len` samples centred on each sample, over those that exist.
fn running_mean(x: &[f64], len: usize) -> Vec<f64> {
    let mut sums = Vec::with_capacity(x.len() + 1);
    sums.push(0.0);
    for v in x {
        sums.push(sums[sums.len() - 1] + v);
    }
    (0..x.len())
        .map(|n| {
            let from = n.saturating_sub(len / 2);
            let to = (n + len - len / 2).min(x.len());
            (sums[to] - sums[from]).max(0.0) / (to - from) as f64
        })
        .collect()
}

/// The middle value (0 for none).
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

fn scale_to_unit_variance(x: &mut [f64]) {
    let power = x.iter().map(|v| v * v).sum::<f64>() / x.len().max(1) as f64;
    if power > 0.0 {
        let gain = 1.0 / power.sqrt();
        for v in x {
            *v *= gain;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn noise(len: usize) -> Vec<f64> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        (0..len).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn block_filter_is_direct_convolution() {
        let x = noise(777);
        let taps = &noise(800)[777..];
        let fast = filter(&x, taps);
        assert_eq!(fast.len(), x.len());
        for (n, &f) in fast.iter().enumerate() {
            let slow: f64 = taps
                .iter()
                .take(n + 1)
                .enumerate()
                .map(|(k, t)| t * x[n - k])
                .sum();
            // 23 terms of size ≤ 1 through an FFT in double precision.
            assert!((f - slow).abs() < 1e-12, "sample {n}: {f} is not {slow}");
        }
    }

    /// A one-pole filter's inverse is known exactly: [1, −a, 0, 0, …].
    #[test]
    fn whitening_filter_of_a_known_spectrum_is_its_inverse() {
        let pole = 0.9;
        let mut fft = RealFft::new(1024);
        let power: Vec<f64> = (0..=512)
            .map(|k| {
                let w = std::f64::consts::PI * f64::from(k) / 512.0;
                1.0 / (1.0 - 2.0 * pole * w.cos() + pole * pole)
            })
            .collect();
        let taps = inverse_minimum_phase(&power, 0.0, &mut fft);
        // The cepstrum pole^n/n aliases from n = 512 on: 0.9^512 < 1e-23.
        assert!((taps[0] - 1.0).abs() < 1e-12);
        assert!((taps[1] + pole).abs() < 1e-12);
        assert!(taps[2..].iter().all(|t| t.abs() < 1e-12));
    }

    #[test]
    fn whitened_sound_starts_where_the_sound_starts_and_is_white() {
        let mut x = vec![0.0; 40_000];
        let excitation = noise(30_000);
        for n in 0..excitation.len() {
            x[10_000 + n] = excitation[n] + 0.95 * x[9_999 + n];
        }
        let white = Whitener::new(&x, 4096).whiten(1e-8);
        assert!(white[..10_000].iter().all(|v| v.abs() < 1e-9));
        assert!(white[10_000].abs() > 0.01 * excitation[0].abs());
        let power: f64 = white.iter().map(|v| v * v).sum();
        let next: f64 = white.windows(2).map(|w| w[0] * w[1]).sum();
        // Unwhitened, neighbours correlate at 0.95; the estimate of 0 from 30000 samples has
        // a standard deviation of 0.006.
        assert!((next / power).abs() < 0.03, "{}", next / power);
    }

    #[test]
    fn running_mean_is_the_mean_of_those_around() {
        let x = noise(50);
        for len in [1, 4, 7] {
            for (n, fast) in running_mean(&x, len).into_iter().enumerate() {
                let around: Vec<f64> = (0..x.len())
                    .filter(|k| k + len / 2 >= n && *k < n + len - len / 2)
                    .map(|k| x[k])
                    .collect();
                let slow = (around.iter().sum::<f64>() / around.len() as f64).max(0.0);
                assert!(
                    (fast - slow).abs() < 1e-12,
                    "{len}, {n}: {fast} is not {slow}"
                );
            }
        }
    }

    #[test]
    fn levelled_sound_is_as_loud_at_its_end_as_at_its_beginning() {
        let decaying: Vec<f64> = noise(60_000)
            .iter()
            .enumerate()
            .map(|(n, v)| v * (-1e-4 * n as f64).exp())
            .collect();
        let level = level_loudness(&decaying, 2048);
        let power = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        // 2048 samples tell a power to 2 % or so; before, the ratio was e^10.
        let ratio = power(&level[..10_000]) / power(&level[50_000..]);
        assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
    }
}
