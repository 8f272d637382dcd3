//! The layer forward on one item: blocks of time in parallel.

use rayon::prelude::*;

use super::shape::{ResidualLayer, ResidualSlices};
use crate::kernels::activation::{Activation, OnVectors, spelled_out};
use crate::kernels::memory::{padded, scratch};
use crate::kernels::partition::tasks;
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::copies::finish_copies;
use crate::kernels::products::rows::{Rows, RowsMut, Shared, each_vector, load, store};
use crate::simd::{Isa, Kernel, Simd};

/// A layer, ready for items.
pub(super) struct Forward<'a> {
    layer: &'a ResidualLayer,
    isa: Isa,
    weights: ResidualSlices<'a>,
    conv: Packed,
    shortcut: Packed,
}

impl<'a> Forward<'a> {
    pub fn new(layer: &'a ResidualLayer, isa: Isa, weights: ResidualSlices<'a>) -> Self {
        let (ins, outs) = (layer.in_channels, layer.out_channels);
        let per_row = ins * layer.kernel_size;
        Self {
            layer,
            isa,
            weights,
            conv: Packed::new(outs, per_row, |o, j| weights.conv[o * per_row + j]),
            shortcut: Packed::new(outs, ins, |o, i| weights.shortcut[o * ins + i]),
        }
    }

    /// y, of `out_len` samples, of an item's x, each with the floats from row to row; what goes into φ is
    /// written to `kept`, if to anything, in rows of whole cache lines.
    pub fn run(
        &self,
        (x, from_row): (&[f32], usize),
        out_len: usize,
        (y, to_row): (&mut [f32], usize),
        kept: Option<&mut [f32]>,
    ) {
        let (ins, outs) = (self.layer.in_channels, self.layer.out_channels);
        let taps = self.layer.taps(ins, from_row);
        let context = self.layer.context();
        let newest: Vec<usize> = (0..ins).map(|i| i * from_row + context).collect();
        let block = self.layer.block(ins);
        let (row, kept_row) = (padded(block), padded(out_len));
        let (y, kept) = (Shared::new(y), kept.map(Shared::new));
        tasks(1, out_len).into_par_iter().for_each(|task| {
            let (_, from, count) = task;
            scratch::with(outs * row, |near| {
                for t in (from..from + count).step_by(block) {
                    let count = block.min(from + count - t);
                    Combine {
                        weights: &self.conv,
                        input: &x[t..],
                        taps: &taps,
                        start: Start::Bias(self.weights.bias),
                        output: RowsMut::new(near, row, outs, count),
                    }
                    .run(self.isa);
                    for (o, near) in near.chunks_exact_mut(row).enumerate() {
                        // SAFETY: each task and block writes its own samples.
                        let mut kept = kept
                            .as_ref()
                            .map(|kept| unsafe { kept.rows(o * kept_row + t, kept_row, 1, count) });
                        self.isa.run(Bend {
                            activation: self.layer.function(&self.weights, o),
                            values: &mut near[..count],
                            kept: kept.as_mut().map(|kept| kept.row(0)),
                        });
                    }
                    Combine {
                        weights: &self.shortcut,
                        input: &x[t..],
                        taps: &newest,
                        start: Start::Rows(Rows::new(near, row)),
                        // SAFETY: as above.
                        output: unsafe { y.rows(t, to_row, outs, count) },
                    }
                    .run(self.isa);
                }
            });
            finish_copies(self.isa);
        });
    }
}

/// φ of values, which are kept: past the cache, since nothing asks for them before all layers are done.
struct Bend<'a> {
    activation: Activation,
    values: &'a mut [f32],
    kept: Option<&'a mut [f32]>,
}

impl Bend<'_> {
    #[inline(always)]
    fn with<S: Simd>(mut self, s: S, activation: Activation) {
        let len = self.values.len();
        assert!(self.kept.as_ref().is_none_or(|kept| kept.len() == len));
        let size = S::LANES * size_of::<f32>();
        let to = self.kept.as_mut().map(|kept| kept.as_mut_ptr());
        let streams = to.is_some_and(|to| to.addr().is_multiple_of(size));
        let values = self.values.as_mut_ptr();
        each_vector!(S, len, |t, part, FULL| {
            // SAFETY: `t` and `part` stay within both rows; what is streamed is a whole register at a
            // multiple of its size.
            unsafe {
                let z = load::<S, FULL>(s, part, values.add(t));
                if let Some(to) = to {
                    match FULL && streams {
                        true => s.stream_ptr(to.add(t), z),
                        false => store::<S, FULL>(s, part, to.add(t), z),
                    }
                }
                let bent = activation.apply(s, z);
                store::<S, FULL>(s, part, values.add(t), bent);
            }
        });
    }
}

impl Kernel for Bend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        spelled_out!(self.activation, |one| self.with(s, one))
    }
}
