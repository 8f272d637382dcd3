//! The STFT, mel bank and decibels against librosa 0.11 (`tests/golden/spectra.py`), and the
//! inverse against the sound it came from.
//!
//! librosa computes in single precision, whose rounding (6e-8) over a 2048-point transform is
//! what separates it from double precision.

use crate::golden;
use effigy::audio::SampleRate;
use effigy::dsp::mel::{MelBank, amplitude_to_db};
use effigy::dsp::stft::{Spectrogram, Stft, StftError, StftParams};
use effigy::dsp::window::hann;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A second of generated bells.
fn clip() -> Vec<f32> {
    let clip = golden::array("classical/clip_A.npy");
    assert_eq!(clip.shape, [44100]);
    clip.values.iter().map(|x| (x / 32768.0) as f32).collect()
}

fn stft(n_fft: usize) -> Stft {
    Stft::new(StftParams::new(n_fft, 2000, 400).unwrap())
}

fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn rate() -> SampleRate {
    SampleRate::new(44100).unwrap()
}

#[test]
fn spectra_agree_with_librosa() {
    let clip = clip();
    for (n_fft, name, every) in [
        (2048, "spectra/stft_2048.npy", 10),
        (2000, "spectra/stft_2000.npy", 30),
    ] {
        let expected = golden::array(name);
        let spectrogram = stft(n_fft).analyse(&clip);
        assert_eq!(spectrogram.frames().len(), 111);
        let columns = expected.shape[1];
        let peak = largest(expected.values.iter().copied());
        let mut worst = 0.0_f64;
        for (column, frame) in spectrogram.frames().step_by(every).enumerate() {
            for (k, bin) in frame.iter().enumerate() {
                let at = (k * columns + column) * 2;
                worst = worst.max((bin.re - expected.values[at]).abs());
                worst = worst.max((bin.im - expected.values[at + 1]).abs());
            }
        }
        assert!(worst / peak < 1e-6, "n_fft {n_fft}: {:.1e}", worst / peak);
    }
}

#[test]
fn the_mel_bank_is_slaneys() {
    let places = golden::array("spectra/melbank_places.npy");
    let weights = golden::array("spectra/melbank_weights.npy");
    let bank = MelBank::new(rate(), 2048, 128);
    let peak = largest(weights.values.iter().copied());
    let mut total = 0.0;
    for (place, expected) in places.values.chunks_exact(2).zip(&weights.values) {
        let found = bank.weight(place[0] as usize, place[1] as usize);
        // Single-precision weights: half a unit in the last place is 6e-8.
        assert!((found - expected).abs() < 1e-6 * peak, "{place:?}");
        total += found;
    }
    let all: f64 = (0..128)
        .flat_map(|m| (0..1025).map(move |k| (m, k)))
        .map(|(m, k)| bank.weight(m, k))
        .sum();
    assert!(
        (all - total).abs() < 1e-6 * total,
        "weights outside librosa's"
    );
}

#[test]
fn mel_energies_and_decibels_agree_with_librosa() {
    let clip = clip();
    let mel = golden::array("spectra/mel.npy");
    let db = golden::array("spectra/mel_db.npy");
    let bank = MelBank::new(rate(), 2048, 128);
    // One row per frame here, one row per band in the fixture.
    let mut found = Vec::new();
    for frame in stft(2048).analyse(&clip).frames() {
        let power: Vec<f64> = frame.iter().map(|b| b.norm_sqr()).collect();
        found.extend(bank.apply(&power));
    }
    let transposed = |i: usize| (i % 128) * 111 + i / 128;
    let peak = largest(mel.values.iter().copied());
    for (i, x) in found.iter().enumerate() {
        let expected = mel.values[transposed(i)];
        // Relative; energies 1e-12 of the loudest are single precision's rounding noise.
        assert!(
            (x - expected).abs() < 1e-5 * expected + 1e-12 * peak,
            "{x} {expected}"
        );
    }
    amplitude_to_db(&mut found, 80.0);
    for (i, x) in found.iter().enumerate() {
        assert!((x - db.values[transposed(i)]).abs() < 1e-3, "{i}");
    }
}

#[test]
fn the_inverse_agrees_with_librosa() {
    let clip = clip();
    let expected = golden::array("spectra/istft.npy").values;
    let stft = stft(2048);
    let spectrogram = stft.analyse(&clip);
    let len = stft.params().synthesis_len(111);
    assert_eq!(len, 44000);
    let found = stft.synthesise(&spectrogram, len).unwrap();
    let peak = largest(expected.iter().copied());
    assert_eq!(expected.len(), len.div_ceil(3));
    for (x, expected) in found.iter().step_by(3).zip(&expected) {
        assert!((f64::from(*x) - expected).abs() < 1e-5 * peak);
    }
}

/// The definition: one sum per bin.
fn slow_spectrum(samples: &[f32], n_fft: usize, win: usize, start: isize) -> Vec<[f64; 2]> {
    let window = hann(win);
    let before = (n_fft - win) / 2;
    (0..=n_fft / 2)
        .map(|k| {
            let mut sum = [0.0; 2];
            for (i, w) in window.iter().enumerate() {
                let at = start + (before + i) as isize;
                if at < 0 || at as usize >= samples.len() {
                    continue;
                }
                let angle =
                    -std::f64::consts::TAU * (k * (before + i) % n_fft) as f64 / n_fft as f64;
                let x = w * f64::from(samples[at as usize]);
                sum[0] += x * angle.cos();
                sum[1] += x * angle.sin();
            }
            sum
        })
        .collect()
}

#[test]
fn fast_spectra_are_the_definitions() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let samples: Vec<f32> = (0..300).map(|_| random.random_range(-1.0..1.0)).collect();
    // Even, odd and prime transforms; windows of either parity.
    for (n_fft, win, hop) in [
        (64, 64, 16),
        (64, 50, 13),
        (63, 50, 20),
        (61, 33, 7),
        (2, 2, 1),
    ] {
        let params = StftParams::new(n_fft, win, hop).unwrap();
        let spectrogram = Stft::new(params).analyse(&samples);
        for (t, frame) in spectrogram.frames().enumerate() {
            let slow = slow_spectrum(&samples, n_fft, win, params.frame_start(t));
            for (bin, slow) in frame.iter().zip(slow) {
                // Double-precision sums of up to 64 terms of size 1.
                assert!((bin.re - slow[0]).abs() < 1e-12 && (bin.im - slow[1]).abs() < 1e-12);
            }
        }
    }
}

/// The lowest summed squared window between frames, relative to the highest, by laying many
/// frames out.
fn laid_out(win: usize, hop: usize) -> f64 {
    let window = hann(win);
    let frames = 2 * win / hop + 3;
    let mut sum = vec![0.0; frames * hop + win];
    for t in 0..frames {
        for (i, w) in window.iter().enumerate() {
            sum[t * hop + i] += w * w;
        }
    }
    // One hop in the middle sees every frame that can reach it.
    let middle = &sum[(frames / 2) * hop + win / 2..][..hop.max(1)];
    let low = middle.iter().copied().fold(f64::INFINITY, f64::min);
    low / middle.iter().copied().fold(0.0, f64::max)
}

#[test]
fn what_overlaps_comes_back_and_the_rest_is_refused() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let samples: Vec<f32> = (0..6000).map(|_| random.random_range(-1.0..1.0)).collect();
    let (mut accepted, mut refused) = (0, 0);
    while accepted < 200 {
        let n_fft = random.random_range(2..3000);
        let win = random.random_range(2..=n_fft);
        let hop = random.random_range(1..=win + win / 3);
        if samples.len() / hop * n_fft > 3_000_000 {
            continue;
        }
        let params = StftParams::new(n_fft, win, hop).unwrap();
        let stft = Stft::new(params);
        let spectrogram = stft.analyse(&samples);
        // All samples, if the last frame's window reaches them; else up to its centre.
        let whole = if 2 * hop <= win {
            samples.len()
        } else {
            params
                .synthesis_len(spectrogram.frames().len())
                .min(samples.len())
        };
        match stft.synthesise(&spectrogram, whole) {
            Ok(back) => {
                accepted += 1;
                let worst = largest(back.iter().zip(&samples).map(|(a, b)| f64::from(a - b)));
                assert!(worst < 1e-6, "{params}: {worst:.1e}");
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(error, StftError::NoOverlap { .. }), "{error}");
                assert!(
                    laid_out(win, hop) < 1.1e-4,
                    "{params}: {}",
                    laid_out(win, hop)
                );
                assert!(error.to_string().contains("overlap"), "{error}");
            }
        }
    }
    assert!(
        refused > 20,
        "only {refused} of the random lengths did not overlap"
    );
    eprintln!("{accepted} came back within 1e-6 of peak, {refused} were refused");
}

#[test]
fn impossible_lengths_and_foreign_spectrograms_are_refused() {
    assert!(matches!(StftParams::new(1, 1, 1), Err(StftError::NFft(1))));
    assert!(StftParams::new(1 << 30, 2, 1).is_err());
    assert!(StftParams::new(512, 513, 1).is_err());
    assert_eq!(StftParams::new(512, 512, 0), Err(StftError::HopLength));
    let of_512: Spectrogram =
        Stft::new(StftParams::new(512, 512, 128).unwrap()).analyse(&[0.0; 99]);
    let for_256 = Stft::new(StftParams::new(256, 256, 64).unwrap());
    let error = for_256.synthesise(&of_512, 99).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the spectrogram has 257 bins per frame; n_fft 256 makes 129"
    );
}
