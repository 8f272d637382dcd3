//! Plain one-dimensional convolution for few channels, stride 1, on slices `[batch, channel,
//! time]`: forward, and the gradients with respect to input, weight and bias.

use super::transposed::TransposedConvolution;
use crate::kernels::crew;
use crate::kernels::memory::{padded, scratch};
use crate::kernels::partition::{add_parts, tasks, window};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::row_products::{RowProducts, RowSums};
use crate::kernels::products::rows::{Rows, Shared};
use crate::simd::Isa;

/// The shape of a convolution
/// `y[o, t] = b[o] + Σ_i Σ_k w[o, i, k] · x[i, t − left + k·dilation]`,
/// where x is 0 outside its `len` samples and y has `len + left + right − (K − 1)·dilation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv1d {
    /// Channels of x.
    pub in_channels: usize,
    /// Channels of y.
    pub out_channels: usize,
    /// Taps per filter, at least 1. Tap 0 is the oldest.
    pub kernel_size: usize,
    /// Samples between taps, at least 1.
    pub dilation: usize,
    /// Zeros before x. `(K − 1)·dilation` makes the convolution causal.
    pub left: usize,
    /// Zeros after x.
    pub right: usize,
}

/// What a plain correlation reads: `left` zeros (or, negative, samples skipped) before the input.
struct Correlation<'a> {
    isa: Isa,
    in_channels: usize,
    kernel_size: usize,
    dilation: usize,
    left: isize,
    weights: &'a Packed,
    bias: Option<&'a [f32]>,
}

impl Conv1d {
    /// Past samples that one output needs besides the newest: `(K − 1)·dilation`.
    pub fn context(&self) -> usize {
        (self.kernel_size - 1) * self.dilation
    }

    /// Samples of y for `len` samples of x; 0 where the filter is longer than the padded input.
    pub fn output_len(&self, len: usize) -> usize {
        (len + self.left + self.right).saturating_sub(self.context())
    }

    /// Weights: `out_channels · in_channels · kernel_size`.
    pub fn weights(&self) -> usize {
        self.out_channels * self.in_channels * self.kernel_size
    }

    /// y `[batch, out_channels, output_len]` of x `[batch, in_channels, len]`, weight
    /// `[out_channels, in_channels, kernel_size]` and bias `[out_channels]`.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let len = self.len_of(batch, x);
        let out_len = self.output_len(len);
        assert_eq!(weight.len(), self.weights());
        assert_eq!(y.len(), batch * self.out_channels * out_len);
        let taps = self.in_channels * self.kernel_size;
        if self.out_channels == 1
            && TransposedConvolution::pays(self.in_channels, self.kernel_size, self.dilation)
        {
            let transposed = TransposedConvolution::new(
                self.in_channels,
                self.kernel_size,
                self.dilation,
                |c, k| weight[c * self.kernel_size + self.kernel_size - 1 - k],
            );
            let start = bias.map_or(0.0, |b| b[0]);
            let crop = self.context() as isize - self.left as isize;
            transposed.forward(isa, batch, x, len, start, crop, y, out_len);
            return;
        }
        let weights = Packed::new(self.out_channels, taps, |m, j| weight[m * taps + j]);
        Correlation {
            isa,
            in_channels: self.in_channels,
            kernel_size: self.kernel_size,
            dilation: self.dilation,
            left: self.left as isize,
            weights: &weights,
            bias,
        }
        .run(batch, x, len, y, out_len);
    }

    /// dx `[batch, in_channels, len]` of dy `[batch, out_channels, output_len(len)]`.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn input_gradient(
        &self,
        isa: Isa,
        batch: usize,
        dy: &[f32],
        weight: &[f32],
        dx: &mut [f32],
    ) {
        self.transposed(isa, batch, dy, weight, None, dx);
    }

    /// The transposed convolution: [`Conv1d::input_gradient`] with a bias `[in_channels]` added.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn transposed(
        &self,
        isa: Isa,
        batch: usize,
        dy: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        dx: &mut [f32],
    ) {
        let len = self.len_of(batch, dx);
        let out_len = self.output_len(len);
        assert_eq!(weight.len(), self.weights());
        assert_eq!(dy.len(), batch * self.out_channels * out_len);
        let (kernel, ins) = (self.kernel_size, self.in_channels);
        let left = self.context() as isize - self.left as isize;
        if ins == 1 && TransposedConvolution::pays(self.out_channels, kernel, self.dilation) {
            let transposed =
                TransposedConvolution::new(self.out_channels, kernel, self.dilation, |c, k| {
                    weight[c * kernel + k]
                });
            let start = bias.map_or(0.0, |b| b[0]);
            transposed.forward(isa, batch, dy, out_len, start, self.left as isize, dx, len);
            return;
        }
        let weights = Packed::new(ins, self.out_channels * kernel, |m, j| {
            let (o, k) = (j / kernel, kernel - 1 - j % kernel);
            weight[(o * ins + m) * kernel + k]
        });
        Correlation {
            isa,
            in_channels: self.out_channels,
            kernel_size: kernel,
            dilation: self.dilation,
            left,
            weights: &weights,
            bias,
        }
        .run(batch, dy, out_len, dx, len);
    }

    /// dw `[out_channels, in_channels, kernel_size]` and, where asked for, db `[out_channels]`;
    /// both are overwritten.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn weight_gradient(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        let len = self.len_of(batch, x);
        let out_len = self.output_len(len);
        assert_eq!(dy.len(), batch * self.out_channels * out_len);
        assert_eq!(dw.len(), self.weights());
        let (kernel, ins, outs) = (self.kernel_size, self.in_channels, self.out_channels);
        let products = Products {
            isa,
            batch,
            kernel_size: kernel,
            dilation: self.dilation,
        };
        if let Some(db) = db {
            channel_sums(isa, batch, dy, out_len, db);
        }
        if outs >= 4 || ins <= outs {
            let left = self.left as isize;
            products.run((dy, outs, out_len), (x, ins, len), left, dw);
        } else {
            // Few gradient rows would leave the register tile idle: let x be the tile's rows,
            // and read dy at the mirrored shifts.
            let left = self.context() as isize - self.left as isize;
            let mut mirrored = vec![0.0; dw.len()];
            products.run((x, ins, len), (dy, outs, out_len), left, &mut mirrored);
            for (at, value) in dw.iter_mut().enumerate() {
                let (o, i, k) = (at / (ins * kernel), at / kernel % ins, at % kernel);
                *value = mirrored[(i * outs + o) * kernel + kernel - 1 - k];
            }
        }
    }

    /// The length of x.
    fn len_of(&self, batch: usize, x: &[f32]) -> usize {
        let rows = batch * self.in_channels;
        if rows == 0 {
            return 0;
        }
        assert_eq!(x.len() % rows, 0, "{} values in {rows} rows", x.len());
        x.len() / rows
    }
}

/// Samples per block so that `bytes_per_sample`-wide data takes about half of a first-level cache.
fn block(floats_per_sample: usize) -> usize {
    const FLOATS: usize = 6 * 1024;
    (FLOATS / floats_per_sample.max(1) / 48 * 48).clamp(48, 960)
}

impl Correlation<'_> {
    fn run(&self, batch: usize, x: &[f32], len: usize, y: &mut [f32], out_len: usize) {
        let (ins, outs) = (self.in_channels, self.weights.rows());
        let context = (self.kernel_size - 1) * self.dilation;
        // Distinct floats read per output sample: the taps overlap unless they are far apart.
        let distinct = if self.dilation < 64 {
            ins
        } else {
            ins * self.kernel_size
        };
        let block = block(distinct);
        let copy_len = ins * padded(block + context);
        let y = Shared::new(y);
        let work = batch * out_len * outs * ins * self.kernel_size;
        let brief = crew::is_brief(work as u64);
        crew::each(
            brief,
            &mut tasks(batch, out_len),
            |&mut (item, from, count)| {
                let rows = &x[item * ins * len..][..ins * len];
                scratch::with(copy_len, |copy| {
                    let mut taps = Vec::with_capacity(ins * self.kernel_size);
                    for t in (from..from + count).step_by(block) {
                        let count = block.min(from + count - t);
                        let start = t as isize - self.left;
                        let (input, stride) = window(rows, ins, len, start, count + context, copy);
                        taps.clear();
                        taps.extend((0..ins).flat_map(|i| {
                            (0..self.kernel_size).map(move |k| i * stride + k * self.dilation)
                        }));
                        Combine {
                            weights: self.weights,
                            input,
                            taps: &taps,
                            start: self.bias.map_or(Start::Zero, Start::Bias),
                            // SAFETY: each task and block writes its own samples of its item.
                            output: unsafe {
                                y.rows(item * outs * out_len + t, out_len, outs, count)
                            },
                        }
                        .run(self.isa);
                    }
                });
            },
        );
    }
}

/// Rows of samples of a batch: the values `[batch, channels, len]`, channels, len.
type Batch<'a> = (&'a [f32], usize, usize);

/// p[a, b, k] = Σ over items and t of A[a, t] · B[b, t − left + k·dilation].
struct Products {
    isa: Isa,
    batch: usize,
    kernel_size: usize,
    dilation: usize,
}

impl Products {
    fn run(&self, a: Batch<'_>, b: Batch<'_>, left: isize, products: &mut [f32]) {
        const BLOCK: usize = 480;
        let (a, a_channels, a_len) = a;
        let (b, b_channels, b_len) = b;
        let context = (self.kernel_size - 1) * self.dilation;
        let taps_len = b_channels * self.kernel_size;
        let copy_len = b_channels * padded(BLOCK + context);
        let part = |&(item, from, count): &(usize, usize, usize)| {
            let a = &a[item * a_channels * a_len..][..a_channels * a_len];
            let b = &b[item * b_channels * b_len..][..b_channels * b_len];
            let mut part = vec![0.0; products.len()];
            scratch::with(copy_len, |copy| {
                let mut taps = Vec::with_capacity(taps_len);
                for t in (from..from + count).step_by(BLOCK) {
                    let count = BLOCK.min(from + count - t);
                    let start = t as isize - left;
                    let (input, stride) =
                        window(b, b_channels, b_len, start, count + context, copy);
                    taps.clear();
                    taps.extend((0..b_channels).flat_map(|i| {
                        (0..self.kernel_size).map(move |k| i * stride + k * self.dilation)
                    }));
                    RowProducts {
                        gradient: Rows::new(&a[t..], a_len),
                        rows: a_channels,
                        input,
                        taps: &taps,
                        len: count,
                        products: &mut part,
                    }
                    .run(self.isa);
                }
            });
            part
        };
        let work = self.batch * a_len * products.len();
        let parts = crew::map(crew::is_brief(work as u64), tasks(self.batch, a_len), part);
        add_parts(&parts, products);
    }
}

/// The sum of every channel of `y [batch, channels, len]` over items and time.
pub(super) fn channel_sums(isa: Isa, batch: usize, y: &[f32], len: usize, sums: &mut [f32]) {
    let channels = sums.len();
    let of_item = |&item: &usize| {
        let mut part = vec![0.0; channels];
        let rows = Rows::new(&y[item * channels * len..][..channels * len], len);
        RowSums {
            rows,
            len,
            sums: &mut part,
        }
        .run(isa);
        part
    };
    let parts = crew::map(
        crew::is_brief(y.len() as u64),
        (0..batch).collect(),
        of_item,
    );
    add_parts(&parts, sums);
}
