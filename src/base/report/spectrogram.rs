//! Spectrograms as images: several sounds on one scale, in steps of one decibel.
//!
//! Knows slices of samples, not what is heard in them.

use super::axis::Axis;
use super::colour::ColourMap;
use super::figure::Image;
use super::plot::frequency_axis;
use crate::audio::SampleRate;
use crate::dsp::mel::MelBank;
use crate::dsp::stft::{Stft, StftParams};

/// Decibels shown below the loudest.
pub const RANGE_DB: f64 = 80.0;

/// Widest image in pixels.
const MOST_COLUMNS: usize = 600;

/// Seconds under an analysis window.
const WINDOW_SECONDS: f64 = 0.04;

/// Levels of a sound over time and frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrogram {
    rows: usize,
    /// Power, frame after frame, lowest frequency first.
    power: Vec<f64>,
    /// The vertical axis of its image.
    pub frequencies: Axis,
    /// Length in seconds.
    pub seconds: f64,
}

impl Spectrogram {
    /// In mel bands, for sounds as they are heard.
    pub fn mel(sound: &[f32], rate: SampleRate) -> Self {
        let n_fft = n_fft(rate);
        let bank = MelBank::new(rate, n_fft, (n_fft / 20).clamp(8, 110));
        let axis = frequency_axis(bank.centres_hz());
        Self::new(sound, rate, n_fft, bank.len(), axis, |power, out| {
            out.extend(bank.apply(power));
        })
    }

    /// In equally wide bands, for lines that are reflected at half the sample rate.
    pub fn linear(sound: &[f32], rate: SampleRate) -> Self {
        let n_fft = n_fft(rate);
        let bins = n_fft / 2;
        let top = f64::from(rate.hz()) / 2000.0;
        let group = bins.div_ceil(256);
        let rows = bins / group;
        let axis = Axis::linear("frequency (kHz)", 0.0, top);
        Self::new(sound, rate, n_fft, rows, axis, |power, out| {
            let loudest = |band: &[f64]| band.iter().copied().fold(0.0, f64::max);
            out.extend(power[..rows * group].chunks(group).map(loudest));
        })
    }

    fn new(
        sound: &[f32],
        rate: SampleRate,
        n_fft: usize,
        rows: usize,
        frequencies: Axis,
        bands: impl Fn(&[f64], &mut Vec<f64>),
    ) -> Self {
        let hop = (n_fft / 4).max(sound.len().div_ceil(MOST_COLUMNS));
        let params = StftParams::new(n_fft, n_fft, hop);
        let mut power = Vec::new();
        if let Ok(params) = params {
            let stft = Stft::new(params);
            let mut work = stft.workspace();
            for frame in 0..params.frames(sound.len()) {
                let spectrum = stft.spectrum(sound, params.frame_start(frame), &mut work);
                let squared: Vec<f64> = spectrum.iter().map(|x| x.norm_sqr()).collect();
                bands(&squared, &mut power);
            }
        }
        Self {
            rows,
            power,
            frequencies,
            seconds: rate.seconds(sound.len()),
        }
    }

    /// The power of its loudest cell.
    pub fn peak(&self) -> f64 {
        self.power.iter().copied().fold(0.0, f64::max)
    }

    /// The image, `peak` being the brightest; whole decibels, so that it packs well.
    pub fn image(&self, peak: f64) -> Image {
        let frames = self.power.len() / self.rows.max(1);
        let colour = |power: f64| {
            let db = 10.0 * (power / peak).log10();
            let share = if db.is_nan() {
                0.0
            } else {
                1.0 + db.round() / RANGE_DB
            };
            ColourMap::Magma.at(share)
        };
        let rows = (0..self.rows).rev();
        let pixels = rows.flat_map(|row| {
            (0..frames).map(move |frame| colour(self.power[frame * self.rows + row]))
        });
        Image {
            width: frames,
            pixels: pixels.collect(),
        }
    }

    /// The axis of the colours.
    pub fn level_axis() -> (ColourMap, Axis) {
        let axis = Axis::linear("dB", -RANGE_DB, 0.0);
        (ColourMap::Magma, axis)
    }
}

/// The transform length next to the window's, a power of two.
fn n_fft(rate: SampleRate) -> usize {
    let len = WINDOW_SECONDS * f64::from(rate.hz());
    (len as usize).next_power_of_two().clamp(64, 16_384)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn rate() -> SampleRate {
        SampleRate::new(8000).unwrap()
    }

    fn sine(hz: f64, amplitude: f64) -> Vec<f32> {
        let sample = |n: usize| amplitude * (TAU * hz * n as f64 / 8000.0).sin();
        (0..8000).map(|n| sample(n) as f32).collect()
    }

    /// The row, from the bottom, of the brightest pixel in the middle of an image.
    fn brightest(image: &Image) -> usize {
        let height = image.pixels.len() / image.width;
        let middle = image.width / 2;
        let light = |row: &usize| {
            let pixel = image.pixels[row * image.width + middle];
            pixel.iter().map(|c| u32::from(*c)).sum::<u32>()
        };
        height - 1 - (0..height).max_by_key(light).unwrap()
    }

    #[test]
    fn a_sine_is_a_line_at_its_frequency() {
        let linear = Spectrogram::linear(&sine(1000.0, 0.5), rate());
        let image = linear.image(linear.peak());
        let height = image.pixels.len() / image.width;
        // Up to 4 kHz: a quarter of the height.
        assert!(brightest(&image).abs_diff(height / 4) <= 1);
        let mel = Spectrogram::mel(&sine(1000.0, 0.5), rate());
        let low = Spectrogram::mel(&sine(200.0, 0.5), rate());
        let (mel, low) = (mel.image(mel.peak()), low.image(low.peak()));
        assert!(brightest(&low) < brightest(&mel));
    }

    #[test]
    fn a_quieter_sound_is_darker_by_its_decibels() {
        let [loud, quiet] = [0.5, 0.05].map(|a| Spectrogram::linear(&sine(1000.0, a), rate()));
        let ratio = 10.0 * (loud.peak() / quiet.peak()).log10();
        assert!((ratio - 20.0).abs() < 1e-3);
        let brightest = |s: &Spectrogram| {
            let pixels = s.image(loud.peak()).pixels.into_iter();
            pixels
                .max_by_key(|p| p.iter().map(|c| u32::from(*c)).sum::<u32>())
                .unwrap()
        };
        assert_eq!(brightest(&loud), ColourMap::Magma.at(1.0));
        assert_eq!(brightest(&quiet), ColourMap::Magma.at(0.75));
    }

    #[test]
    fn silence_and_nothing_have_images() {
        for sound in [&[][..], &[0.0; 100][..]] {
            let image = Spectrogram::mel(sound, rate()).image(0.0);
            assert!(image.width > 0 && image.pixels.iter().all(|p| *p == ColourMap::Magma.at(0.0)));
        }
    }
}
