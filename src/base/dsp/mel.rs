//! Mel filterbank (Slaney's scale and area normalisation, librosa's default) and decibels.
//!
//! Formulas: M. Slaney, Auditory Toolbox (1998): linear below 1 kHz (200/3 Hz per mel),
//! logarithmic above (27 steps per factor 6.4); triangles of area one. Knows nothing of
//! transforms, files or what the bands are used for.

use crate::audio::SampleRate;

/// Slaney's linear part: hertz per mel.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Where the logarithmic part begins, in hertz.
const LOG_START_HZ: f64 = 1000.0;
/// Natural logarithm of the frequency ratio of one mel in the logarithmic part: ln(6.4) / 27.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

/// Frequency in hertz to Slaney mels.
pub fn hz_to_mel(hz: f64) -> f64 {
    if hz < LOG_START_HZ {
        hz / HZ_PER_MEL
    } else {
        LOG_START_HZ / HZ_PER_MEL + (hz / LOG_START_HZ).ln() / log_step()
    }
}

/// Slaney mels to frequency in hertz.
pub fn mel_to_hz(mel: f64) -> f64 {
    let start = LOG_START_HZ / HZ_PER_MEL;
    if mel < start {
        mel * HZ_PER_MEL
    } else {
        LOG_START_HZ * (log_step() * (mel - start)).exp()
    }
}

/// The non-zero part of one triangular filter.
#[derive(Clone, Debug)]
struct Band {
    first_bin: usize,
    weights: Vec<f64>,
}

/// Triangular filters that turn a power spectrum of `n_fft / 2 + 1` bins into mel bands.
#[derive(Clone, Debug)]
pub struct MelBank {
    bands: Vec<Band>,
    centres_hz: Vec<f64>,
}

impl MelBank {
    /// `n_mels` filters from 0 Hz to half the sample rate.
    ///
    /// Bands narrower than a bin are all zero, as in librosa: they then carry no energy.
    pub fn new(sample_rate: SampleRate, n_fft: usize, n_mels: usize) -> Self {
        let top = hz_to_mel(f64::from(sample_rate.hz()) / 2.0);
        let corner = |i: usize| mel_to_hz(top * i as f64 / (n_mels + 1) as f64);
        let bin_hz = f64::from(sample_rate.hz()) / n_fft as f64;
        let bands = (0..n_mels)
            .map(|m| {
                triangle(
                    corner(m),
                    corner(m + 1),
                    corner(m + 2),
                    bin_hz,
                    n_fft / 2 + 1,
                )
            })
            .collect();
        Self {
            bands,
            centres_hz: (0..n_mels).map(|m| corner(m + 1)).collect(),
        }
    }

    /// Number of bands.
    pub fn len(&self) -> usize {
        self.bands.len()
    }

    /// Whether there is no band.
    pub fn is_empty(&self) -> bool {
        self.bands.is_empty()
    }

    /// The bands' centre frequencies in hertz.
    pub fn centres_hz(&self) -> &[f64] {
        &self.centres_hz
    }

    /// The weight of `bin` in `band`; zero outside the bank.
    pub fn weight(&self, band: usize, bin: usize) -> f64 {
        let Some(band) = self.bands.get(band) else {
            return 0.0;
        };
        let inside = bin.checked_sub(band.first_bin);
        inside
            .and_then(|i| band.weights.get(i))
            .copied()
            .unwrap_or(0.0)
    }

    /// The bands' energies of a power spectrum (`n_fft / 2 + 1` squared magnitudes).
    pub fn apply<'a>(&'a self, power: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.bands.iter().map(|band| {
            let bins = power.iter().skip(band.first_bin);
            band.weights.iter().zip(bins).map(|(w, p)| w * p).sum()
        })
    }
}

/// The triangle `low – centre – high` (hertz), of area one, at multiples of `bin_hz`.
fn triangle(low: f64, centre: f64, high: f64, bin_hz: f64, bins: usize) -> Band {
    let weight = |bin: usize| {
        let hz = bin as f64 * bin_hz;
        let rising = (hz - low) / (centre - low);
        let falling = (high - hz) / (high - centre);
        rising.min(falling).max(0.0) * 2.0 / (high - low)
    };
    let first_bin = (0..bins).find(|&b| weight(b) > 0.0).unwrap_or(bins);
    let weights = (first_bin..bins)
        .map(weight)
        .take_while(|&w| w > 0.0)
        .collect();
    Band { first_bin, weights }
}

/// Powers to decibels: `10 log10(max(p, 1e-10))`, nothing more than `range_db` below the
/// loudest (librosa's `power_to_db` with `ref=1`).
pub fn power_to_db(values: &mut [f64], range_db: f64) {
    to_db(values, 10.0, 1e-10, range_db);
}

/// Amplitudes to decibels: `20 log10(max(a, 1e-5))`, nothing more than `range_db` below the
/// loudest (librosa's `amplitude_to_db` with `ref=1`).
pub fn amplitude_to_db(values: &mut [f64], range_db: f64) {
    to_db(values, 20.0, 1e-5, range_db);
}

fn to_db(values: &mut [f64], factor: f64, least: f64, range_db: f64) {
    for value in values.iter_mut() {
        *value = factor * value.max(least).log10();
    }
    let loudest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for value in values.iter_mut() {
        *value = value.max(loudest - range_db);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mel_and_hertz_are_inverse_and_meet_at_1_khz() {
        for hz in [0.0, 20.0, 999.999, 1000.0, 1000.001, 8000.0, 22050.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-9, "{hz}");
        }
        // 1 kHz is 15 mels on this scale; 6.4 kHz is 27 steps above it.
        assert!((hz_to_mel(1000.0) - 15.0).abs() < 1e-12);
        assert!((hz_to_mel(6400.0) - 42.0).abs() < 1e-12);
    }

    #[test]
    fn decibels_keep_the_range_below_the_loudest() {
        let mut values = [1.0, 0.1, 1e-12];
        power_to_db(&mut values, 80.0);
        assert_eq!(values, [0.0, -10.0, -80.0]);
        let mut values = [1.0, 0.1, 0.0];
        amplitude_to_db(&mut values, 200.0);
        assert_eq!(values, [0.0, -20.0, -100.0]);
    }
}
