//! Transposed convolution of many channels to one:
//! `y[t + k·dilation − crop] += Σ_c w[c, k] · h[c, t]`.
//!
//! Read as a convolution this has one output row, so every input vector loaded (at an odd
//! address, for most taps) would serve one multiply-add. Read as a spreading it is a matrix
//! product with a row per tap, whose inputs are aligned and shared by eight taps, followed by one
//! shifted addition per tap: the additions are a `channels`-th of the work.

use rayon::prelude::*;

use crate::kernels::memory::scratch;
use crate::kernels::partition::{overlap_add, tasks};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::rows::RowsMut;
use crate::simd::{Isa, Kernel, Simd};

/// Samples of h per block: with 51 taps their rows take 26 KiB.
pub(crate) const BLOCK: usize = 96;

/// Zeros kept on both sides of each tap's row, so that a vector may straddle its ends.
const MARGIN: usize = 16;

/// The distance between two such rows.
const STRIDE: usize = BLOCK + 2 * MARGIN;

/// The operator.
pub(crate) struct TransposedConvolution {
    channels: usize,
    kernel_size: usize,
    dilation: usize,
    weights: Packed,
}

impl TransposedConvolution {
    /// Whether this beats a plain convolution with one output row.
    pub fn pays(channels: usize, kernel_size: usize, dilation: usize) -> bool {
        channels >= 4 && kernel_size >= 4 && (kernel_size - 1) * dilation <= 2 * BLOCK
    }

    /// With weight(channel, tap).
    pub fn new(
        channels: usize,
        kernel_size: usize,
        dilation: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> TransposedConvolution {
        TransposedConvolution {
            channels,
            kernel_size,
            dilation,
            weights: Packed::new(kernel_size, channels, |k, c| weight(c, k)),
        }
    }

    /// Samples by which the output of a stretch is longer than the stretch.
    pub fn context(&self) -> usize {
        (self.kernel_size - 1) * self.dilation
    }

    /// Working memory of [`TransposedConvolution::add`], in floats.
    pub fn scratch_len(&self) -> usize {
        self.kernel_size * STRIDE
    }

    /// Adds what `len ≤ BLOCK` samples of h send out: `y[t + k·dilation] += …` for t in 0..len.
    /// h's channel c starts at float `rows[c]` of `h`; y holds `len + context` samples.
    pub fn add(
        &self,
        isa: Isa,
        h: &[f32],
        rows: &[usize],
        len: usize,
        y: &mut [f32],
        work: &mut [f32],
    ) {
        assert!(len <= BLOCK);
        let work = &mut work[..self.kernel_size * STRIDE];
        for row in work.chunks_exact_mut(STRIDE) {
            row[..MARGIN].fill(0.0);
            row[MARGIN + len..].fill(0.0);
        }
        Combine {
            weights: &self.weights,
            input: h,
            taps: rows,
            start: Start::Zero,
            output: RowsMut::new(&mut work[MARGIN..], STRIDE, self.kernel_size, len),
        }
        .run(isa);
        isa.run(ShiftedAdd {
            rows: work,
            count: self.kernel_size,
            dilation: self.dilation,
            len,
            y: &mut y[..len + self.context()],
        });
    }

    /// The whole operator on h `[batch, channels, len]`: y `[batch, 1, out_len]` with y[t] =
    /// `start` + what arrives at t + crop.
    #[expect(
        clippy::too_many_arguments,
        reason = "the shape of three tensors, each argument a plain length or slice"
    )]
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        h: &[f32],
        len: usize,
        start: f32,
        crop: isize,
        y: &mut [f32],
        out_len: usize,
    ) {
        let tasks = tasks(batch, len);
        let parts: Vec<Vec<f32>> = tasks
            .par_iter()
            .map(|&(item, from, count)| {
                let h = &h[item * self.channels * len..][..self.channels * len];
                let mut part = vec![0.0; count + self.context()];
                let mut rows: Vec<usize> = Vec::with_capacity(self.channels);
                scratch::with(self.scratch_len(), |work| {
                    for t in (0..count).step_by(BLOCK) {
                        let block = BLOCK.min(count - t);
                        rows.clear();
                        rows.extend((0..self.channels).map(|c| c * len + from + t));
                        self.add(isa, h, &rows, block, &mut part[t..], work);
                    }
                });
                part
            })
            .collect();
        overlap_add(&tasks, &parts, start, crop, y, out_len);
    }
}

/// y[p] += Σ_k row k [p − k·dilation], rows being `len` long with zeros around.
struct ShiftedAdd<'a> {
    rows: &'a [f32],
    count: usize,
    dilation: usize,
    len: usize,
    y: &'a mut [f32],
}

impl Kernel for ShiftedAdd<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        assert!(S::LANES <= MARGIN && self.len <= BLOCK);
        assert!(self.rows.len() >= self.count * STRIDE);
        for p in (0..self.y.len()).step_by(S::LANES) {
            // Row k counts where −LANES < p − k·dilation < len.
            let first = (p + 1).saturating_sub(self.len).div_ceil(self.dilation);
            let last = ((p + S::LANES - 1) / self.dilation).min(self.count - 1);
            let part = S::LANES.min(self.y.len() - p);
            // SAFETY: with k in first..=last the read starts at most LANES − 1 ≤ MARGIN before
            // row k and ends at most LANES − 1 behind it; `part` samples of y are left.
            unsafe {
                let y = self.y.as_mut_ptr().add(p);
                let mut even = s.load_part(y, part);
                let mut odd = s.zero();
                let row = |k: usize| {
                    let at = (k * STRIDE + MARGIN + p) - k * self.dilation;
                    self.rows.as_ptr().add(at)
                };
                let mut k = first;
                while k < last {
                    even = s.add(even, s.load_ptr(row(k)));
                    odd = s.add(odd, s.load_ptr(row(k + 1)));
                    k += 2;
                }
                if k == last {
                    even = s.add(even, s.load_ptr(row(k)));
                }
                s.store_part(y, s.add(even, odd), part);
            }
        }
    }
}
