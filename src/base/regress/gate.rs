//! Noise reduction by a spectral gate: bins that stay near the noise floor are turned down.
//!
//! The floor is the mean power of each bin over the quietest tenth of the frames, so a sound
//! without quiet passages loses little. Knows nothing of files.

use super::RegressError;
use super::direct::{FRAME, HOP};
use crate::audio::level::amplitude;
use crate::dsp::stft::{Bin, Stft, StftParams};
use crate::progress::{Observer, Task};

/// Share of frames taken for noise.
const QUIET_SHARE: f64 = 0.1;
/// A bin is open from this many times the floor's power: 4 (6 dB), which noise itself exceeds
/// in 2 % of the bins (power is exponentially distributed).
const THRESHOLD: f64 = 4.0;
/// Per-frame fall of a closing bin's gain: −6 dB each 512 samples, so that tails are not cut.
const RELEASE: f64 = 0.5;
/// Bins on either side over which gains are averaged, against lone "musical" bins.
const SPREAD: usize = 2;

/// Turns noise-like bins of `samples` down by `reduction_db` (positive).
///
/// # Errors
/// [`RegressError::Parameter`] for a negative reduction, [`RegressError::Interrupted`].
pub fn reduce_noise(
    samples: &[f32],
    reduction_db: f64,
    observer: &dyn Observer,
) -> Result<Vec<f32>, RegressError> {
    if !(reduction_db.is_finite() && reduction_db >= 0.0) {
        return Err(RegressError::Parameter {
            name: "noise-reduction",
            value: reduction_db.to_string(),
            allowed: "must be 0 or a positive number of dB, such as 12".to_string(),
        });
    }
    let stft = Stft::new(StftParams::new(FRAME, FRAME, HOP)?);
    let floor = noise_floor(&stft, samples);
    let closed = amplitude(-reduction_db);
    let mut gains = vec![closed; floor.len()];
    let (mut work, mut inverse) = (stft.workspace(), stft.workspace());
    let mut sound = stft.overlap_add()?;
    let frames = stft.params().frames(samples.len());
    let name = "reducing noise";
    let task = Task::begin(observer, name, Some(frames as u64));
    for t in 0..frames {
        task.go_on().map_err(RegressError::interrupted(name))?;
        let spectrum = stft.spectrum(samples, stft.params().frame_start(t), &mut work);
        for ((gain, bin), floor) in gains.iter_mut().zip(spectrum.iter()).zip(&floor) {
            let open = bin.norm_sqr() > THRESHOLD * floor;
            *gain = if open {
                1.0
            } else {
                closed.max(*gain * RELEASE)
            };
        }
        let gated: Vec<Bin> = spectrum
            .iter()
            .enumerate()
            .map(|(k, bin)| bin * smoothed(&gains, k))
            .collect();
        sound.add(stft.invert(&gated, &mut inverse));
        task.advance(1);
    }
    Ok(sound.finish(samples.len()))
}

fn smoothed(gains: &[f64], k: usize) -> f64 {
    let around = &gains[k.saturating_sub(SPREAD)..(k + SPREAD + 1).min(gains.len())];
    around.iter().sum::<f64>() / around.len() as f64
}

/// Mean power per bin over the quietest frames; digital silence is not noise and is left out.
fn noise_floor(stft: &Stft, samples: &[f32]) -> Vec<f64> {
    let params = stft.params();
    let mut work = stft.workspace();
    let mut energies: Vec<(f64, usize)> = (0..params.frames(samples.len()))
        .map(|t| {
            let spectrum = stft.spectrum(samples, params.frame_start(t), &mut work);
            (spectrum.iter().map(|bin| bin.norm_sqr()).sum(), t)
        })
        .filter(|(energy, _)| *energy > 0.0)
        .collect();
    energies.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = ((energies.len() as f64 * QUIET_SHARE).ceil() as usize).max(1);
    energies.truncate(count);
    let mut floor = vec![0.0; params.bins()];
    for (_, t) in &energies {
        let spectrum = stft.spectrum(samples, params.frame_start(*t), &mut work);
        for (floor, bin) in floor.iter_mut().zip(spectrum.iter()) {
            *floor += bin.norm_sqr() / energies.len() as f64;
        }
    }
    floor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// Faint noise throughout, a tone in the second half.
    fn noisy_tone() -> Vec<f32> {
        let mut state = 1u32;
        (0..40_000)
            .map(|t| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (f64::from(state) / f64::from(u32::MAX) - 0.5) * 0.02;
                let tone = if t >= 20_000 {
                    (t as f64 * 0.1).sin() * 0.5
                } else {
                    0.0
                };
                (noise + tone) as f32
            })
            .collect()
    }

    fn rms(x: &[f32]) -> f64 {
        (x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
    }

    #[test]
    fn noise_falls_and_a_tone_stays() {
        let x = noisy_tone();
        let y = reduce_noise(&x, 20.0, &Silent).unwrap();
        assert_eq!(y.len(), x.len());
        let noise_db = 20.0 * (rms(&y[2000..17_000]) / rms(&x[2000..17_000])).log10();
        let tone_db = 20.0 * (rms(&y[23_000..38_000]) / rms(&x[23_000..38_000])).log10();
        // A few open bins and the frequency smoothing keep noise from the full −20 dB.
        assert!(noise_db < -10.0, "{noise_db}");
        assert!(tone_db.abs() < 0.1, "{tone_db}");
    }

    #[test]
    fn no_reduction_is_identity_and_silence_stays() {
        let x = noisy_tone();
        let y = reduce_noise(&x, 0.0, &Silent).unwrap();
        assert!(x.iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(
            reduce_noise(&[0.0; 3000], 12.0, &Silent).unwrap(),
            [0.0; 3000]
        );
        assert!(reduce_noise(&x, -1.0, &Silent).is_err());
    }
}
