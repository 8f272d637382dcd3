//! Forward and backward passes on slices, in doubles: `Y = X·H` on transforms long enough that
//! what wraps around falls on samples that are not given. Knows no tensor.

use crate::dsp::fft::{Complex64, RealFft, quick_length};
use rayon::prelude::*;

/// Rows of so many samples, filtered by so many taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongFilter {
    /// Samples of an input row.
    pub len: usize,
    /// At most as many.
    pub taps: usize,
}

impl LongFilter {
    /// Samples of an output row.
    pub fn output_len(self) -> usize {
        self.len + 1 - self.taps
    }

    fn fft(self) -> RealFft {
        RealFft::new(quick_length(self.len))
    }

    fn transform(fft: &mut RealFft, samples: &[f32], from: usize) -> Vec<Complex64> {
        let mut spectrum = fft.spectrum();
        let silence = std::iter::repeat_n(0.0, from);
        let samples = samples.iter().map(|&x| f64::from(x));
        fft.forward(silence.chain(samples), &mut spectrum);
        spectrum
    }

    /// y, `[rows, output_len]`, of x, `[rows, len]`.
    pub fn forward(self, x: &[f32], taps: &[f32], y: &mut [f32]) {
        let response = Self::transform(&mut self.fft(), taps, 0);
        let rows = x.par_chunks_exact(self.len);
        rows.zip(y.par_chunks_exact_mut(self.output_len()))
            .for_each_init(
                || self.fft(),
                |fft, (x, y)| {
                    let mut spectrum = Self::transform(fft, x, 0);
                    spectrum
                        .iter_mut()
                        .zip(&response)
                        .for_each(|(s, h)| *s *= h);
                    let filtered = &fft.inverse(&mut spectrum)[self.taps - 1..];
                    y.iter_mut().zip(filtered).for_each(|(y, f)| *y = *f as f32);
                },
            );
    }

    /// The gradient of x.
    pub fn input_gradient(self, taps: &[f32], dy: &[f32], dx: &mut [f32]) {
        let response = Self::transform(&mut self.fft(), taps, 0);
        let rows = dy.par_chunks_exact(self.output_len());
        rows.zip(dx.par_chunks_exact_mut(self.len)).for_each_init(
            || self.fft(),
            |fft, (dy, dx)| {
                let mut spectrum = Self::transform(fft, dy, self.taps - 1);
                let response = response.iter().map(|h| h.conj());
                spectrum.iter_mut().zip(response).for_each(|(s, h)| *s *= h);
                let back = fft.inverse(&mut spectrum);
                dx.iter_mut().zip(back).for_each(|(dx, b)| *dx = *b as f32);
            },
        );
    }

    /// The gradient of the taps, rows added in their order.
    pub fn tap_gradient(self, x: &[f32], dy: &[f32], gradient: &mut [f32]) {
        let rows = x.par_chunks_exact(self.len);
        let products: Vec<Vec<Complex64>> = rows
            .zip(dy.par_chunks_exact(self.output_len()))
            .map(|(x, dy)| {
                let mut fft = self.fft();
                let heard = Self::transform(&mut fft, x, 0);
                let mut product = Self::transform(&mut fft, dy, self.taps - 1);
                let heard = heard.iter().map(|x| x.conj());
                product.iter_mut().zip(heard).for_each(|(p, x)| *p *= x);
                product
            })
            .collect();
        let mut fft = self.fft();
        let mut sum = fft.spectrum();
        for product in &products {
            sum.iter_mut().zip(product).for_each(|(s, p)| *s += p);
        }
        let lags = fft.inverse(&mut sum);
        gradient
            .iter_mut()
            .zip(lags)
            .for_each(|(g, l)| *g = *l as f32);
    }
}
