//! The forward pass of an encoder–decoder, block by block.

use rayon::prelude::*;

use super::shape::{EncoderDecoder, FilterSlices, Middle};
use crate::kernels::convolution::transposed::{self, TransposedConvolution};
use crate::kernels::memory::{padded, scratch};
use crate::kernels::partition::{copy_window, overlap_add, tasks};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::rows::RowsMut;
use crate::simd::{Isa, Kernel, Simd};

impl EncoderDecoder {
    /// y `[batch, 1, output_len]` of x `[batch, 1, len]`.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &FilterSlices<'_>,
        y: &mut [f32],
    ) {
        self.check(weights);
        let len = x.len() / batch;
        let out_len = self.output_len(len);
        assert_eq!(x.len(), batch * len);
        assert_eq!(y.len(), batch * out_len);
        let kernel = self.encoder_kernel_size;
        let encoder = Packed::new(self.channels, kernel, |c, k| {
            weights.encoder[c * kernel + k]
        });
        let taps: Vec<usize> = (0..kernel).collect();
        let decoder =
            TransposedConvolution::new(self.channels, self.decoder_kernel_size, 1, |c, k| {
                weights.decoder[c * self.decoder_kernel_size + k]
            });
        let rows: Vec<usize> = (0..self.channels).map(|c| c * transposed::BLOCK).collect();
        let sizes = [
            padded(transposed::BLOCK + kernel - 1),
            self.channels * transposed::BLOCK,
            decoder.scratch_len(),
        ];
        let tasks = tasks(batch, self.hidden_len(len));
        let part = |&(item, from, count): &(usize, usize, usize)| {
            let x = &x[item * len..][..len];
            let mut part = vec![0.0; count + decoder.context()];
            scratch::with(sizes.iter().sum(), |work| {
                let (input, work) = work.split_at_mut(sizes[0]);
                let (hidden, work) = work.split_at_mut(sizes[1]);
                for t in (0..count).step_by(transposed::BLOCK) {
                    let block = transposed::BLOCK.min(count - t);
                    let start = (from + t) as isize - self.left as isize;
                    copy_window(x, start, &mut input[..block + kernel - 1]);
                    let mut h = RowsMut::new(hidden, transposed::BLOCK, self.channels, block);
                    Combine {
                        weights: &encoder,
                        input,
                        taps: &taps,
                        start: Start::Bias(weights.encoder_bias),
                        output: h.reborrow(),
                    }
                    .run(isa);
                    isa.run(MiddleForward {
                        middle: self.middle,
                        weights,
                        rows: h,
                        channels: self.channels,
                    });
                    decoder.add(isa, hidden, &rows, block, &mut part[t..], work);
                }
            });
            part
        };
        let parts: Vec<Vec<f32>> = tasks.par_iter().map(part).collect();
        let crop = self.crop_left as isize;
        overlap_add(&tasks, &parts, weights.decoder_bias, crop, y, out_len);
    }
}

/// From the convolution's output to h, in place.
struct MiddleForward<'a> {
    middle: Middle,
    weights: &'a FilterSlices<'a>,
    rows: RowsMut<'a>,
    channels: usize,
}

impl Kernel for MiddleForward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let zero = s.zero();
        for c in 0..self.channels {
            let (scale, shift) = match self.middle {
                Middle::Plain => (s.splat(1.0), zero),
                _ => (
                    s.splat(self.weights.scale[c]),
                    s.splat(self.weights.shift[c]),
                ),
            };
            for part in self.rows.row(c).chunks_mut(S::LANES) {
                // SAFETY: `part` holds `part.len() ≤ LANES` floats.
                unsafe {
                    let r = s.max(zero, s.load_part(part.as_ptr(), part.len()));
                    let h = match self.middle {
                        Middle::Plain => r,
                        Middle::ScaleShift => s.fma(scale, r, shift),
                        Middle::ScaleShiftRelu => s.max(zero, s.fma(scale, r, shift)),
                    };
                    s.store_part(part.as_mut_ptr(), h, part.len());
                }
            }
        }
    }
}
