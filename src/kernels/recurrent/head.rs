//! The dense layer behind the last recurrent layer, heard while the units of a step are still near:
//! o = V h + a at each step. What the units' own gradients are made of never lies in memory whole.
//!
//! Knows nothing of cells.

use super::shape::{HeadGradients, HeadSlices};
use crate::kernels::memory::padded;
use crate::simd::Simd;

/// V and a as the passes read them.
pub(super) struct Head {
    /// Rows of V.
    pub outputs: usize,
    units: usize,
    width: usize,
    /// V `[output][width]`, the padding 0.
    weights: Vec<f32>,
    /// a, 0 where there is none.
    bias: Vec<f32>,
}

/// A block of steps of some items.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub items: usize,
    /// The first step and how many.
    pub from: usize,
    pub count: usize,
    /// Steps of the whole sequence.
    pub len: usize,
}

impl Head {
    /// # Panics
    /// The slices are not of `units` units.
    pub fn new(units: usize, slices: &HeadSlices<'_>) -> Head {
        let outputs = slices.weight.len() / units.max(1);
        assert_eq!(slices.weight.len(), outputs * units);
        assert!(slices.bias.is_empty() || slices.bias.len() == outputs);
        let width = padded(units);
        let mut weights = vec![0.0; outputs * width];
        for (to, from) in weights
            .chunks_exact_mut(width.max(1))
            .zip(slices.weight.chunks_exact(units.max(1)))
        {
            to[..units].copy_from_slice(from);
        }
        let mut bias = slices.bias.to_vec();
        bias.resize(outputs, 0.0);
        Head {
            outputs,
            units,
            width,
            weights,
            bias,
        }
    }

    /// Numbers of V with its padding.
    pub fn weights_len(&self) -> usize {
        self.weights.len()
    }

    /// o `[item][output][len]` of h `[step][item][width]` after each step of a block.
    #[inline(always)]
    pub fn hear<S: Simd>(&self, s: S, stretch: Stretch, h: &[f32], heard: &mut [f32]) {
        let Stretch {
            items,
            from,
            count,
            len,
        } = stretch;
        let state = items * self.width;
        assert!(count > 0 && h.len() >= count * state && from + count <= len);
        assert!(heard.len() >= items * self.outputs * len && self.bias.len() == self.outputs);
        for row in 0..items * self.outputs {
            let (item, output) = (row / self.outputs, row % self.outputs);
            let weights = self.weights[output * self.width..][..self.width].as_ptr();
            let h = h[item * self.width..].as_ptr();
            let heard = &mut heard[row * len + from..][..count];
            for (four, heard) in heard.chunks_mut(4).enumerate() {
                let mut sums = [s.zero(); 4];
                for (at, sum) in sums.iter_mut().enumerate().take(heard.len()) {
                    for u in (0..self.units).step_by(S::LANES) {
                        // SAFETY: the vectors lie within the widths, the step within the block.
                        unsafe {
                            let h = s.load_ptr(h.add((4 * four + at) * state + u));
                            *sum = s.fma(s.load_ptr(weights.add(u)), h, *sum);
                        }
                    }
                }
                for (heard, sum) in heard.iter_mut().zip(s.sum_each(sums)) {
                    *heard = self.bias[output] + sum;
                }
            }
        }
    }

    /// From the gradient of o those of h after each step of a block, `dh`, and, added to `dv`
    /// `[output][width]`, that of V.
    #[inline(always)]
    pub fn back<S: Simd>(
        &self,
        s: S,
        stretch: Stretch,
        (heard, h): (&[f32], &[f32]),
        dh: &mut [f32],
        dv: &mut [f32],
    ) {
        let Stretch {
            items,
            from,
            count,
            len,
        } = stretch;
        let state = items * self.width;
        assert!(from + count <= len);
        assert!(h.len() >= count * state && dh.len() >= count * state);
        assert!(heard.len() >= items * self.outputs * len && dv.len() >= self.weights.len());
        for item in 0..items {
            for u in (0..self.units).step_by(S::LANES) {
                for output in 0..self.outputs {
                    // SAFETY: the vectors lie within the widths, the steps within the lengths
                    // asserted.
                    unsafe {
                        let gradient = heard
                            .as_ptr()
                            .add((item * self.outputs + output) * len + from);
                        let w = s.load_ptr(self.weights.as_ptr().add(output * self.width + u));
                        let dv = dv.as_mut_ptr().add(output * self.width + u);
                        let (h, dh) = (
                            h.as_ptr().add(item * self.width + u),
                            dh.as_mut_ptr().add(item * self.width + u),
                        );
                        let mut sum = s.load_ptr(dv);
                        for t in 0..count {
                            let d = s.splat(*gradient.add(t));
                            let dh = dh.add(t * state);
                            let before = match output {
                                0 => s.zero(),
                                _ => s.load_ptr(dh),
                            };
                            s.store_ptr(dh, s.fma(d, w, before));
                            sum = s.fma(d, s.load_ptr(h.add(t * state)), sum);
                        }
                        s.store_ptr(dv, sum);
                    }
                }
            }
        }
    }

    /// The gradients of V, of `dv` `[output][width]`, and of a, of o's `[item, output, len]`.
    pub fn gradients(&self, dv: &[f32], heard: &[f32], len: usize) -> HeadGradients {
        let rows = dv.chunks_exact(self.width.max(1)).take(self.outputs);
        let mut bias = vec![0.0; self.outputs];
        for (row, values) in heard.chunks_exact(len.max(1)).enumerate() {
            bias[row % self.outputs] += values.iter().map(|&d| f64::from(d)).sum::<f64>();
        }
        HeadGradients {
            weight: rows.flat_map(|row| &row[..self.units]).copied().collect(),
            bias: bias.into_iter().map(|sum| sum as f32).collect(),
        }
    }
}
