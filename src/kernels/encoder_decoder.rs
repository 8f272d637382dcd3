//! The one-hidden-layer convolutional network in one pass: convolution 1 → C, ReLU, a per-channel
//! middle stage, transposed convolution C → 1.
//!
//! Its hidden signal is C times as large as its input and output, so computing stage after stage
//! spends more time moving the hidden signal through memory than multiplying. Here time is cut
//! into blocks whose hidden part never leaves the cache, and the backward pass computes the
//! hidden signal again rather than keep it: memory is that of input and output alone.
//!
//! Deterministic like [`super::conv`]; the slow form is [`super::reference::encoder_decoder`].

use rayon::prelude::*;

use super::conv::{add_parts, copy_window, tasks};
use super::rows::{Combine, Packed, RowProducts, Rows, RowsMut, Start};
use super::scratch;
use super::spread::{self, Spread};
use crate::simd::{Isa, Kernel, Simd};

/// What happens to the hidden signal r = relu(convolution) of channel c before the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Middle {
    /// Nothing: h = r.
    Plain,
    /// h = scale[c] · r + shift[c].
    ScaleShift,
    /// h = relu(scale[c] · r + shift[c]).
    ScaleShiftRelu,
}

/// The network's shape:
/// r[c, t] = relu(b[c] + Σ_k w[c, k] · x[t − left + k]) for t in 0..hidden_len, h as [`Middle`]
/// says, y[t] = d + Σ_c Σ_k v[c, k] · h[c, t + crop_left − k].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderDecoder {
    /// Filters, C.
    pub channels: usize,
    /// Taps of an encoder filter.
    pub encoder_kernel_size: usize,
    /// Zeros before x.
    pub left: usize,
    /// Zeros after x.
    pub right: usize,
    /// The middle stage.
    pub middle: Middle,
    /// Taps of a decoder filter.
    pub decoder_kernel_size: usize,
    /// Samples dropped at the start of the decoder's full output.
    pub crop_left: usize,
    /// Samples dropped at its end.
    pub crop_right: usize,
}

/// The weights. A tied decoder passes the encoder's filters twice.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// w `[channels, encoder_kernel_size]`.
    pub encoder: &'a [f32],
    /// b `[channels]`.
    pub encoder_bias: &'a [f32],
    /// `[channels]`; not read by [`Middle::Plain`], which takes an empty slice too.
    pub scale: &'a [f32],
    /// `[channels]`; as `scale`.
    pub shift: &'a [f32],
    /// v `[channels, decoder_kernel_size]`.
    pub decoder: &'a [f32],
    /// d.
    pub decoder_bias: f32,
}

/// The gradients, shaped like what they are gradients of.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// Of x, where asked for.
    pub x: Option<Vec<f32>>,
    /// Of w.
    pub encoder: Vec<f32>,
    /// Of b.
    pub encoder_bias: Vec<f32>,
    /// Of the scale; zeros for [`Middle::Plain`].
    pub scale: Vec<f32>,
    /// Of the shift; zeros for [`Middle::Plain`].
    pub shift: Vec<f32>,
    /// Of v.
    pub decoder: Vec<f32>,
    /// Of d.
    pub decoder_bias: f32,
}

/// Samples per block of the backward pass.
const BLOCK: usize = 384;
/// Channels per group of the backward pass: what a register tile takes.
const GROUP: usize = 8;

impl EncoderDecoder {
    /// Samples of the hidden signal for `len` samples of x.
    pub fn hidden_len(&self, len: usize) -> usize {
        (len + self.left + self.right).saturating_sub(self.encoder_kernel_size - 1)
    }

    /// Samples of y for `len` samples of x; 0 where the crop takes all.
    pub fn output_len(&self, len: usize) -> usize {
        match self.hidden_len(len) {
            0 => 0,
            hidden => (hidden + self.decoder_kernel_size - 1)
                .saturating_sub(self.crop_left + self.crop_right),
        }
    }

    fn check(&self, weights: &Weights<'_>) {
        assert_eq!(
            weights.encoder.len(),
            self.channels * self.encoder_kernel_size
        );
        assert_eq!(weights.encoder_bias.len(), self.channels);
        assert_eq!(
            weights.decoder.len(),
            self.channels * self.decoder_kernel_size
        );
        if self.middle != Middle::Plain {
            assert_eq!(weights.scale.len(), self.channels);
            assert_eq!(weights.shift.len(), self.channels);
        }
    }

    fn spread_decoder(&self, weights: &Weights<'_>) -> Spread {
        let kernel = self.decoder_kernel_size;
        Spread::new(self.channels, kernel, 1, |c, k| {
            weights.decoder[c * kernel + k]
        })
    }

    /// y `[batch, 1, output_len]` of x `[batch, 1, len]`.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn forward(&self, isa: Isa, batch: usize, x: &[f32], weights: &Weights<'_>, y: &mut [f32]) {
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
        let decoder = self.spread_decoder(weights);
        let rows: Vec<usize> = (0..self.channels).map(|c| c * spread::BLOCK).collect();
        let sizes = [
            scratch::padded(spread::BLOCK + kernel - 1),
            self.channels * spread::BLOCK,
            decoder.scratch_len(),
        ];
        let tasks = tasks(batch, self.hidden_len(len));
        let part = |&(item, from, count): &(usize, usize, usize)| {
            let x = &x[item * len..][..len];
            let mut part = vec![0.0; count + decoder.context()];
            scratch::with(sizes.iter().sum(), |work| {
                let (input, work) = work.split_at_mut(sizes[0]);
                let (hidden, work) = work.split_at_mut(sizes[1]);
                for t in (0..count).step_by(spread::BLOCK) {
                    let block = spread::BLOCK.min(count - t);
                    let start = (from + t) as isize - self.left as isize;
                    copy_window(x, start, &mut input[..block + kernel - 1]);
                    let mut h = RowsMut::new(hidden, spread::BLOCK, self.channels, block);
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
        spread::gather(&tasks, &parts, weights.decoder_bias, crop, y, out_len);
    }

    /// The gradients for dy `[batch, 1, output_len]`; that of x only if `want_x`.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &Weights<'_>,
        dy: &[f32],
        want_x: bool,
    ) -> Gradients {
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
        Gradients {
            x: want_x.then(|| {
                let mut dx = vec![0.0; x.len()];
                spread::gather(&tasks, &inputs, 0.0, self.left as isize, &mut dx, len);
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
    weights: &'a Weights<'a>,
    /// Per group of channels: first channel, how many, encoder and decoder filters as
    /// correlations with x and dy.
    groups: Vec<(usize, usize, Packed, Packed)>,
    encoder_taps: Vec<usize>,
    decoder_taps: Vec<usize>,
    /// For dx: the encoder read backwards.
    spread: Option<Spread>,
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
        weights: &'a Weights<'a>,
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
        let spread = want_x
            .then(|| Spread::new(shape.channels, enc, 1, |c, k| weights.encoder[c * enc + k]));
        Backward {
            shape,
            isa,
            weights,
            groups,
            encoder_taps: (0..enc).collect(),
            decoder_taps: (0..dec).collect(),
            spread,
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
        let mut dx = match &self.spread {
            Some(spread) => vec![0.0; count + spread.context()],
            None => Vec::new(),
        };
        let work_len = [
            scratch::padded(BLOCK + enc),
            scratch::padded(BLOCK + dec),
            2 * GROUP * BLOCK,
            channels * BLOCK,
            self.spread.as_ref().map_or(0, Spread::scratch_len),
        ];
        scratch::with(work_len.iter().sum(), |work| {
            let (x_block, work) = work.split_at_mut(work_len[0]);
            let (dy_block, work) = work.split_at_mut(work_len[1]);
            let (hidden, work) = work.split_at_mut(work_len[2]);
            let (gradient, spread_work) = work.split_at_mut(work_len[3]);
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
                if let Some(spread) = &self.spread {
                    for part in (0..block).step_by(spread::BLOCK) {
                        let len = spread::BLOCK.min(block - part);
                        let rows: Vec<usize> = (0..channels).map(|c| c * BLOCK + part).collect();
                        spread.add(
                            self.isa,
                            gradient,
                            &rows,
                            len,
                            &mut dx[t + part..],
                            spread_work,
                        );
                    }
                }
            }
        });
        Part { sums, dx }
    }

    /// One group of channels over one block: the hidden signal into `hidden`, the gradient of
    /// the convolution's output into the group's rows of `gradient`, and the channels' sums.
    #[allow(clippy::too_many_arguments)]
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

/// From the convolution's output to h, in place.
struct MiddleForward<'a> {
    middle: Middle,
    weights: &'a Weights<'a>,
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
