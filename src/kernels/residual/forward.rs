//! The layer forward: blocks of time in parallel.

use rayon::prelude::*;

use super::shape::{ResidualLayer, ResidualSlices};
use crate::kernels::activation::{Activation, OnVectors, spelled_out};
use crate::kernels::memory::{Buffer, padded, scratch};
use crate::kernels::partition::tasks;
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::rows::{RowsMut, Shared, each_vector, load, store};
use crate::simd::{Isa, Kernel, Simd};

impl ResidualLayer {
    /// y `[batch, out_channels, len − context]` of x `[batch, in_channels, len]`. With `keep`, what
    /// goes into φ, shaped like y, is returned for the backward pass, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &ResidualSlices<'_>,
        y: &mut [f32],
        keep: bool,
    ) -> Buffer {
        self.check(weights);
        let (len, out_len) = self.lengths(batch, x);
        let (ins, outs) = (self.in_channels, self.out_channels);
        assert_eq!(y.len(), batch * outs * out_len);
        let mut kept = Buffer::new(if keep { y.len() } else { 0 });
        let per_row = ins * self.kernel_size;
        let conv = Packed::new(outs, per_row, |o, j| weights.conv[o * per_row + j]);
        let shortcut = Packed::new(outs, ins, |o, i| weights.shortcut[o * ins + i]);
        let taps = self.taps(ins, len);
        let newest: Vec<usize> = (0..ins).map(|i| i * len + self.context()).collect();
        let block = self.block(ins);
        let (y, z) = (Shared::new(y), Shared::new(&mut kept));
        tasks(batch, out_len)
            .into_par_iter()
            .for_each(|(item, from, count)| {
                let x = &x[item * ins * len..][..ins * len];
                scratch::with(outs * padded(block), |own| {
                    for t in (from..from + count).step_by(block) {
                        let count = block.min(from + count - t);
                        let at = item * outs * out_len + t;
                        // SAFETY: each task and block writes its own samples of its item.
                        let mut y = unsafe { y.rows(at, out_len, outs, count) };
                        let mut z = match keep {
                            // SAFETY: as above.
                            true => unsafe { z.rows(at, out_len, outs, count) },
                            false => RowsMut::new(own, padded(block), outs, count),
                        };
                        Combine {
                            weights: &conv,
                            input: &x[t..],
                            taps: &taps,
                            start: Start::Bias(weights.bias),
                            output: z.reborrow(),
                        }
                        .run(isa);
                        Combine {
                            weights: &shortcut,
                            input: &x[t..],
                            taps: &newest,
                            start: Start::Zero,
                            output: y.reborrow(),
                        }
                        .run(isa);
                        for o in 0..outs {
                            isa.run(AddCurve {
                                activation: self.function(weights, o),
                                z: z.row(o),
                                y: y.row(o),
                            });
                        }
                    }
                });
            });
        kept
    }
}

/// y += φ(z).
struct AddCurve<'a> {
    activation: Activation,
    z: &'a [f32],
    y: &'a mut [f32],
}

impl AddCurve<'_> {
    #[inline(always)]
    fn with<S: Simd>(self, s: S, activation: Activation) {
        assert_eq!(self.z.len(), self.y.len());
        let (z, y) = (self.z.as_ptr(), self.y.as_mut_ptr());
        each_vector!(S, self.z.len(), |t, part, FULL| {
            // SAFETY: `t` and `part` stay within both rows.
            unsafe {
                let a = activation.apply(s, load::<S, FULL>(s, part, z.add(t)));
                let sum = s.add(a, load::<S, FULL>(s, part, y.add(t)));
                store::<S, FULL>(s, part, y.add(t), sum);
            }
        });
    }
}

impl Kernel for AddCurve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        spelled_out!(self.activation, |one| self.with(s, one))
    }
}
