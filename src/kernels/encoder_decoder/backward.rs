//! The backward pass of an encoder–decoder, block by block and by groups of channels.

use rayon::prelude::*;

use super::shape::{EncoderDecoder, FilterGradients, FilterSlices, Middle};
use crate::kernels::convolution::transposed::{BLOCK as ADDED, TransposedConvolution};
use crate::kernels::memory::{Buffer, padded, scratch};
use crate::kernels::partition::{add_parts, copy_window, overlap_add, tasks};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::row_products::RowProducts;
use crate::kernels::products::rows::{Rows, RowsMut};
use crate::simd::{Isa, Kernel, Simd};

/// Samples per block of the backward pass.
const BLOCK: usize = 384;
/// Channels per group of the backward pass: what a register tile takes.
const GROUP: usize = 8;

impl EncoderDecoder {
    /// The gradients for dy `[batch, 1, output_len]`; that of x only if `want_x`.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &FilterSlices<'_>,
        dy: &[f32],
        want_x: bool,
    ) -> FilterGradients {
        self.check(weights);
        let len = x.len() / batch;
        assert_eq!(x.len(), batch * len);
        assert_eq!(dy.len(), batch * self.output_len(len));
        let pass = Backward::new(self, isa, weights, want_x);
        let tasks = tasks(batch, self.hidden_len(len));
        let out_len = self.output_len(len);
        let parts: Vec<Part> = tasks
            .par_iter()
            .map(|&(item, from, count)| {
                let x = &x[item * len..][..len];
                pass.run(x, &dy[item * out_len..][..out_len], from, count)
            })
            .collect();
        let (sums, inputs): (Vec<_>, Vec<_>) = parts.into_iter().map(|p| (p.sums, p.dx)).unzip();
        let mut total = vec![0.0; pass.sizes().iter().sum()];
        add_parts(&sums, &mut total);
        let mut rest = total.as_slice();
        let [encoder, decoder, encoder_bias, scale, shift] = pass.sizes().map(|size| {
            let (this, after) = rest.split_at(size);
            rest = after;
            this.to_vec()
        });
        FilterGradients {
            x: want_x.then(|| {
                let mut dx = Buffer::new(x.len());
                overlap_add(&tasks, &inputs, 0.0, self.left as isize, &mut dx, len);
                dx
            }),
            encoder,
            encoder_bias,
            scale,
            shift,
            decoder,
            decoder_bias: dy.iter().map(|&dy| f64::from(dy)).sum::<f64>() as f32,
        }
    }
}

/// Everything about a backward pass that its tasks share.
struct Backward<'a> {
    shape: &'a EncoderDecoder,
    isa: Isa,
    weights: &'a FilterSlices<'a>,
    /// Per group of channels: first channel, how many, encoder and decoder filters as
    /// correlations with x and dy.
    groups: Vec<(usize, usize, Packed, Packed)>,
    encoder_taps: Vec<usize>,
    decoder_taps: Vec<usize>,
    /// For dx: the encoder read backwards.
    transposed: Option<TransposedConvolution>,
}

/// What one task adds to the gradients.
struct Part {
    /// Those of the weights, one after the other as [`Backward::sizes`] says.
    sums: Vec<f32>,
    /// dx from the task's first sample − left on; empty where not asked for.
    dx: Vec<f32>,
}

impl<'a> Backward<'a> {
    fn new(
        shape: &'a EncoderDecoder,
        isa: Isa,
        weights: &'a FilterSlices<'a>,
        want_x: bool,
    ) -> Backward<'a> {
        let (enc, dec) = (shape.encoder_kernel_size, shape.decoder_kernel_size);
        let groups = (0..shape.channels)
            .step_by(GROUP)
            .map(|first| {
                let count = GROUP.min(shape.channels - first);
                (
                    first,
                    count,
                    Packed::new(count, enc, |c, k| weights.encoder[(first + c) * enc + k]),
                    Packed::new(count, dec, |c, k| weights.decoder[(first + c) * dec + k]),
                )
            })
            .collect();
        let transposed = want_x.then(|| {
            TransposedConvolution::new(shape.channels, enc, 1, |c, k| weights.encoder[c * enc + k])
        });
        Backward {
            shape,
            isa,
            weights,
            groups,
            encoder_taps: (0..enc).collect(),
            decoder_taps: (0..dec).collect(),
            transposed,
        }
    }

    /// Lengths of the gradients of encoder, decoder, encoder bias, scale, shift.
    fn sizes(&self) -> [usize; 5] {
        let channels = self.shape.channels;
        [
            channels * self.encoder_taps.len(),
            channels * self.decoder_taps.len(),
            channels,
            channels,
            channels,
        ]
    }

    /// The hidden samples from..from + count of one item.
    fn run(&self, x: &[f32], dy: &[f32], from: usize, count: usize) -> Part {
        let (enc, dec) = (self.encoder_taps.len(), self.decoder_taps.len());
        let channels = self.shape.channels;
        let sizes = self.sizes();
        let mut sums = vec![0.0; sizes.iter().sum()];
        let (products, channel_sums) = sums.split_at_mut(sizes[0] + sizes[1]);
        let mut dx = match &self.transposed {
            Some(transposed) => vec![0.0; count + transposed.context()],
            None => Vec::new(),
        };
        let work_len = [
            padded(BLOCK + enc),
            padded(BLOCK + dec),
            2 * GROUP * BLOCK,
            channels * BLOCK,
            self.transposed
                .as_ref()
                .map_or(0, TransposedConvolution::scratch_len),
        ];
        scratch::with(work_len.iter().sum(), |work| {
            let (x_block, work) = work.split_at_mut(work_len[0]);
            let (dy_block, work) = work.split_at_mut(work_len[1]);
            let (hidden, work) = work.split_at_mut(work_len[2]);
            let (gradient, transposed_work) = work.split_at_mut(work_len[3]);
            let (encoder, decoder) = products.split_at_mut(sizes[0]);
            for t in (0..count).step_by(BLOCK) {
                let block = BLOCK.min(count - t);
                let at = (from + t) as isize;
                copy_window(
                    x,
                    at - self.shape.left as isize,
                    &mut x_block[..block + enc - 1],
                );
                copy_window(
                    dy,
                    at - self.shape.crop_left as isize,
                    &mut dy_block[..block + dec - 1],
                );
                for group in &self.groups {
                    self.group(
                        group,
                        block,
                        x_block,
                        dy_block,
                        hidden,
                        gradient,
                        channel_sums,
                    );
                    let (first, rows, ..) = *group;
                    RowProducts {
                        gradient: Rows::new(&gradient[first * BLOCK..], BLOCK),
                        rows,
                        input: x_block,
                        taps: &self.encoder_taps,
                        len: block,
                        products: &mut encoder[first * enc..],
                    }
                    .run(self.isa);
                    RowProducts {
                        gradient: Rows::new(hidden, BLOCK),
                        rows,
                        input: dy_block,
                        taps: &self.decoder_taps,
                        len: block,
                        products: &mut decoder[first * dec..],
                    }
                    .run(self.isa);
                }
                if let Some(transposed) = &self.transposed {
                    for part in (0..block).step_by(ADDED) {
                        let len = ADDED.min(block - part);
                        let rows: Vec<usize> = (0..channels).map(|c| c * BLOCK + part).collect();
                        transposed.add(
                            self.isa,
                            gradient,
                            &rows,
                            len,
                            &mut dx[t + part..],
                            transposed_work,
                        );
                    }
                }
            }
        });
        Part { sums, dx }
    }

    /// One group of channels over one block: the hidden signal into `hidden`, the gradient of
    /// the convolution's output into the group's rows of `gradient`, and the channels' sums.
    #[expect(
        clippy::too_many_arguments,
        reason = "a block's slices, each of which the caller cuts from its scratch memory"
    )]
    fn group(
        &self,
        (first, rows, encoder, decoder): &(usize, usize, Packed, Packed),
        block: usize,
        x_block: &[f32],
        dy_block: &[f32],
        hidden: &mut [f32],
        gradient: &mut [f32],
        channel_sums: &mut [f32],
    ) {
        let channels = self.shape.channels;
        Combine {
            weights: encoder,
            input: x_block,
            taps: &self.encoder_taps,
            start: Start::Bias(&self.weights.encoder_bias[*first..first + rows]),
            output: RowsMut::new(hidden, BLOCK, *rows, block),
        }
        .run(self.isa);
        let gradient = &mut gradient[first * BLOCK..];
        Combine {
            weights: decoder,
            input: dy_block,
            taps: &self.decoder_taps,
            start: Start::Zero,
            output: RowsMut::new(gradient, BLOCK, *rows, block),
        }
        .run(self.isa);
        for row in 0..*rows {
            let channel = first + row;
            let plain = self.shape.middle == Middle::Plain;
            let [bias, scale, shift] = self.isa.run(MiddleBackward {
                middle: self.shape.middle,
                scale: if plain {
                    1.0
                } else {
                    self.weights.scale[channel]
                },
                shift: if plain {
                    0.0
                } else {
                    self.weights.shift[channel]
                },
                hidden: &mut hidden[row * BLOCK..][..block],
                gradient: &mut gradient[row * BLOCK..][..block],
            });
            channel_sums[channel] += bias;
            channel_sums[channels + channel] += scale;
            channel_sums[2 * channels + channel] += shift;
        }
    }
}

/// One channel's way back: `hidden` from the convolution's output to h, `gradient` from that of
/// h to that of the convolution's output. Gives the gradients of bias, scale and shift.
struct MiddleBackward<'a> {
    middle: Middle,
    scale: f32,
    shift: f32,
    hidden: &'a mut [f32],
    gradient: &'a mut [f32],
}

impl Kernel for MiddleBackward<'_> {
    type Output = [f32; 3];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; 3] {
        let zero = s.zero();
        let (scale, shift) = (s.splat(self.scale), s.splat(self.shift));
        let mut sums = [zero; 3];
        let hidden = self.hidden.chunks_mut(S::LANES);
        for (hidden, gradient) in hidden.zip(self.gradient.chunks_mut(S::LANES)) {
            let len = hidden.len().min(gradient.len());
            // SAFETY: both hold at least `len ≤ LANES` floats.
            unsafe {
                let pre = s.load_part(hidden.as_ptr(), len);
                let dh = s.load_part(gradient.as_ptr(), len);
                let r = s.max(zero, pre);
                let (h, dq) = match self.middle {
                    Middle::Plain => (r, dh),
                    Middle::ScaleShift => (s.fma(scale, r, shift), dh),
                    Middle::ScaleShiftRelu => {
                        let q = s.fma(scale, r, shift);
                        (s.max(zero, q), s.select_positive(q, dh, zero))
                    }
                };
                let dpre = s.select_positive(pre, s.mul(dq, scale), zero);
                sums[0] = s.add(sums[0], dpre);
                if self.middle != Middle::Plain {
                    sums[1] = s.fma(dq, r, sums[1]);
                    sums[2] = s.add(sums[2], dq);
                }
                s.store_part(hidden.as_mut_ptr(), h, len);
                s.store_part(gradient.as_mut_ptr(), dpre, len);
            }
        }
        sums.map(|sum| s.sum(sum))
    }
}
