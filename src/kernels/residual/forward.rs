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
                    // SAFETY: each task and block writes its own samples.
                    let kept = kept
                        .as_ref()
                        .map(|kept| unsafe { kept.rows(t, kept_row, outs, count) });
                    self.isa.run(Bend {
                        layer: self.layer,
                        weights: &self.weights,
                        values: RowsMut::new(near, row, outs, count),
                        kept,
                    });
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
    layer: &'a ResidualLayer,
    weights: &'a ResidualSlices<'a>,
    /// A row for each channel.
    values: RowsMut<'a>,
    kept: Option<RowsMut<'a>>,
}

impl Kernel for Bend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for channel in 0..self.layer.out_channels {
            let activation = self.layer.function(self.weights, channel);
            let values = self.values.row(channel);
            let kept = self.kept.as_mut().map(|kept| kept.row(channel));
            spelled_out!(activation, |one| bend(s, one, values, kept));
        }
    }
}

/// A row of them.
#[inline(always)]
fn bend<S: Simd>(s: S, activation: Activation, values: &mut [f32], kept: Option<&mut [f32]>) {
    assert!(kept.as_ref().is_none_or(|kept| kept.len() == values.len()));
    let size = S::LANES * size_of::<f32>();
    let to = kept.map(<[f32]>::as_mut_ptr);
    let streams = to.is_some_and(|to| to.addr().is_multiple_of(size));
    let from = values.as_mut_ptr();
    each_vector!(S, values.len(), |t, part, FULL| {
        // SAFETY: `t` and `part` stay within both rows; what is streamed is a whole register at a
        // multiple of its size.
        unsafe {
            let z = load::<S, FULL>(s, part, from.add(t));
            if let Some(to) = to {
                match FULL && streams {
                    true => s.stream_ptr(to.add(t), z),
                    false => store::<S, FULL>(s, part, to.add(t), z),
                }
            }
            let bent = activation.apply(s, z);
            store::<S, FULL>(s, part, from.add(t), bent);
        }
    });
}
