//! The transforms and windows of the three resolutions, planned once.

use std::sync::LazyLock;

use super::shape::{RESOLUTIONS, Stretch};
use crate::dsp::fft::{Complex32, RealFft};
use crate::dsp::window::hann;

/// One resolution.
struct Plan {
    fft: RealFft<f32>,
    window: Vec<f32>,
}

static PLANS: LazyLock<[Plan; 3]> = LazyLock::new(|| {
    RESOLUTIONS.map(|[n_fft, _, win]| Plan {
        fft: RealFft::single_precision(n_fft),
        window: hann(win).into_iter().map(|w| w as f32).collect(),
    })
});

/// What a task transforms with.
pub(super) struct Transform {
    fft: RealFft<f32>,
    window: &'static [f32],
    hop: usize,
    /// Zeros before the window, and as many behind.
    before: usize,
    spectrum: Vec<Complex32>,
}

impl Transform {
    /// That of a task.
    pub fn of(stretch: &Stretch) -> Transform {
        let [n_fft, hop, win] = RESOLUTIONS[stretch.resolution];
        let plan = &PLANS[stretch.resolution];
        let fft = plan.fft.clone();
        Transform {
            spectrum: fft.spectrum(),
            fft,
            window: &plan.window,
            hop,
            before: (n_fft - win) / 2,
        }
    }

    /// The spectrum of a frame of the task's samples.
    pub fn forward(&mut self, samples: &[f32], frame: usize) -> &[Complex32] {
        let (window, before) = (self.window, self.before);
        let under = &samples[frame * self.hop..][..window.len()];
        let fill = |time: &mut [f32]| {
            time.fill(0.0);
            for ((to, x), w) in time[before..].iter_mut().zip(under).zip(window) {
                *to = x * w;
            }
        };
        self.fft.transform(fill, &mut self.spectrum);
        &self.spectrum
    }

    /// Adds a frame's share to the gradient of the task's samples: `write` gives the slope along
    /// the real and the imaginary part of each bin.
    pub fn backward(
        &mut self,
        write: impl FnOnce(&mut [Complex32]),
        gradient: &mut [f32],
        frame: usize,
    ) {
        write(&mut self.spectrum);
        // Sample n moves bin k by exp(−2πi·k·n/n_fft). Of the bins' sum the transform back adds
        // up those between the lowest and the highest twice.
        let inner = 1..self.spectrum.len() - 1;
        for bin in &mut self.spectrum[inner] {
            *bin *= 0.5;
        }
        let time = self.fft.add_up(&mut self.spectrum);
        let to = &mut gradient[frame * self.hop..][..self.window.len()];
        for ((to, x), w) in to.iter_mut().zip(&time[self.before..]).zip(self.window) {
            *to += x * w;
        }
    }
}
