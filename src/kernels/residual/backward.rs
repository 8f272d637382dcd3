//! The layer backward on one item: one pass over blocks of time for the gradient of what goes into φ
//! and of all weights, and one for that of x while the first is still near.

use rayon::prelude::*;

use super::shape::{ResidualLayer, ResidualSlices};
use crate::kernels::activation::{Activation, OnVectors, spelled_out};
use crate::kernels::memory::ahead::Ahead;
use crate::kernels::memory::{Buffer, LINE, padded, scratch};
use crate::kernels::partition::{add_parts, tasks};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::row_products::RowProducts;
use crate::kernels::products::rows::{Rows, Shared, each_vector, load, store};
use crate::simd::{Isa, Kernel, Simd};

/// A layer, ready for the gradients of items.
pub(super) struct Backward<'a> {
    layer: &'a ResidualLayer,
    isa: Isa,
    weights: ResidualSlices<'a>,
    out_len: usize,
    shortcut: Packed,
    /// Of x from end to end.
    segments: Vec<Segment>,
}

/// An item's signals around a layer, two of them with the floats from row to row.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub x: (&'a [f32], usize),
    /// What went into φ, in rows of whole cache lines.
    pub z: &'a [f32],
    pub dy: (&'a [f32], usize),
}

impl<'a> Backward<'a> {
    /// For y of `out_len` samples.
    pub fn new(
        layer: &'a ResidualLayer,
        isa: Isa,
        weights: ResidualSlices<'a>,
        out_len: usize,
    ) -> Self {
        let (ins, outs) = (layer.in_channels, layer.out_channels);
        Self {
            layer,
            isa,
            weights,
            out_len,
            shortcut: Packed::new(ins, outs, |i, o| weights.shortcut[o * ins + i]),
            segments: segments(layer, &weights, out_len),
        }
    }

    /// Writes the gradients of all weights, in a list as the weights are, and, where it is wanted, that of
    /// x, with the floats from row to row.
    pub fn run(&self, item: Around<'_>, dw: &mut [f32], dx: Option<(&mut [f32], usize)>) {
        let mut dz = Buffer::new(self.layer.out_channels * padded(self.out_len));
        let parts = self.weight_gradients(item, &mut dz);
        add_parts(&parts, dw);
        if let Some(dx) = dx {
            self.input_gradient(&dz, item.dy, dx);
        }
    }

    /// The item's dz, in rows of whole cache lines, and of each stretch the gradients of all weights.
    fn weight_gradients(&self, item: Around<'_>, dz: &mut [f32]) -> Vec<Vec<f32>> {
        const BLOCK: usize = 480;
        let Around { x, z, dy } = item;
        let (ins, outs) = (self.layer.in_channels, self.layer.out_channels);
        let (taps, context) = (self.layer.taps(ins, x.1), self.layer.context());
        let newest: Vec<usize> = (0..ins).map(|i| i * x.1 + context).collect();
        let row = padded(self.out_len);
        let dz = Shared::new(dz);
        let part = |(_, from, count): (usize, usize, usize)| {
            let sizes = self.layer.sizes();
            let mut part = vec![0.0; sizes.iter().sum()];
            let (conv, rest) = part.split_at_mut(sizes[0]);
            let (shortcut, rest) = rest.split_at_mut(sizes[1]);
            let (bias, slopes) = rest.split_at_mut(sizes[2]);
            scratch::with(outs * BLOCK, |near| {
                for t in (from..from + count).step_by(BLOCK) {
                    let count = BLOCK.min(from + count - t);
                    // SAFETY: each stretch and block writes its own samples.
                    let mut dz = unsafe { dz.rows(t, row, outs, count) };
                    for (o, near) in near.chunks_exact_mut(BLOCK).enumerate() {
                        let near = &mut near[..count];
                        let [of_bias, of_slope] = self.isa.run(Uncurve {
                            activation: self.layer.function(&self.weights, o),
                            z: &z[o * row + t..][..count],
                            dy: &dy.0[o * dy.1 + t..][..count],
                            dz: near,
                        });
                        dz.row(o).copy_from_slice(near);
                        bias[o] += of_bias;
                        if let Some(slope) = slopes.get_mut(o) {
                            *slope += of_slope;
                        }
                    }
                    // What went into φ has gone to memory since, and dy may have.
                    let next = |rows: &[f32], stride| Ahead {
                        from: rows.as_ptr().wrapping_add(t + BLOCK),
                        stride,
                        rows: outs,
                        lines: BLOCK / LINE,
                    };
                    RowProducts {
                        gradient: Rows::new(near, BLOCK),
                        rows: outs,
                        input: &x.0[t..],
                        taps: &taps,
                        len: count,
                        products: &mut *conv,
                    }
                    .run_ahead(self.isa, [next(z, row), next(dy.0, dy.1)]);
                    RowProducts {
                        gradient: Rows::new(&dy.0[t..], dy.1),
                        rows: outs,
                        input: &x.0[t..],
                        taps: &newest,
                        len: count,
                        products: &mut *shortcut,
                    }
                    .run(self.isa);
                }
            });
            part
        };
        tasks(1, self.out_len).into_par_iter().map(part).collect()
    }

    /// dx of dz and dy: every tap's weights turned over on the one, and the shortcut's on the other.
    fn input_gradient(&self, dz: &[f32], dy: (&[f32], usize), (dx, row): (&mut [f32], usize)) {
        let (ins, outs) = (self.layer.in_channels, self.layer.out_channels);
        let (context, block) = (self.layer.context(), self.layer.block(outs));
        let own: Vec<usize> = (0..outs).map(|o| o * dy.1).collect();
        let shared = Shared::new(dx);
        let stretches = tasks(1, self.out_len + context);
        stretches.into_par_iter().for_each(|(_, from, count)| {
            for segment in &self.segments {
                let (first, last) = (from.max(segment.from), (from + count).min(segment.to));
                for t in (first..last).step_by(block) {
                    let count = block.min(last - t);
                    // SAFETY: each stretch and block writes its own samples.
                    let mut dx = unsafe { shared.rows(t, row, ins, count) };
                    Combine {
                        weights: &segment.weights,
                        input: &dz[t.saturating_sub(segment.reach).min(dz.len())..],
                        taps: &segment.taps,
                        start: Start::Zero,
                        output: dx.reborrow(),
                    }
                    .run(self.isa);
                    if (context..context + self.out_len).contains(&t) {
                        Combine {
                            weights: &self.shortcut,
                            input: &dy.0[t - context..],
                            taps: &own,
                            start: Start::Itself,
                            output: dx,
                        }
                        .run(self.isa);
                    }
                }
            }
        });
    }
}

/// Samples of x that the same taps read.
struct Segment {
    from: usize,
    to: usize,
    /// How far behind a sample of x the first of dz is that it was read for.
    reach: usize,
    /// Where from there each of them is, `[channel][tap]`.
    taps: Vec<usize>,
    weights: Packed,
}

/// x from end to end, cut where another tap begins or ends to read it.
fn segments(layer: &ResidualLayer, weights: &ResidualSlices<'_>, out_len: usize) -> Vec<Segment> {
    let (ins, outs, kernel) = (layer.in_channels, layer.out_channels, layer.kernel_size);
    let (dilation, row) = (layer.dilation, padded(out_len));
    let begins = (0..kernel).map(|k| k * dilation);
    let mut cuts: Vec<usize> = begins.flat_map(|begin| [begin, begin + out_len]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let segment = |cut: &[usize]| {
        let reads = |k: &usize| (k * dilation..k * dilation + out_len).contains(&cut[0]);
        // The nearest in dz first.
        let taps: Vec<usize> = (0..kernel).rev().filter(reads).collect();
        let reach = taps.first().map_or(0, |k| k * dilation);
        let each = (0..outs).flat_map(|o| taps.iter().map(move |k| (o, k)));
        Segment {
            from: cut[0],
            to: cut[1],
            reach,
            taps: each.map(|(o, k)| o * row + reach - k * dilation).collect(),
            weights: Packed::new(ins, outs * taps.len(), |i, j| {
                let (o, k) = (j / taps.len(), taps[j % taps.len()]);
                weights.conv[(o * ins + i) * kernel + k]
            }),
        }
    };
    cuts.windows(2).map(segment).collect()
}

/// dz = dy · φ′(z); gives Σ dz and, where φ has a slope left of 0, Σ dy · min(z, 0), else 0.
struct Uncurve<'a> {
    activation: Activation,
    z: &'a [f32],
    dy: &'a [f32],
    dz: &'a mut [f32],
}

impl Uncurve<'_> {
    #[inline(always)]
    fn with<S: Simd>(self, s: S, activation: Activation) -> [f32; 2] {
        let len = self.z.len();
        assert_eq!((self.dy.len(), self.dz.len()), (len, len));
        let (z, dy, dz) = (self.z.as_ptr(), self.dy.as_ptr(), self.dz.as_mut_ptr());
        let (mut of_bias, mut of_slope) = (s.zero(), s.zero());
        each_vector!(S, len, |t, part, FULL| {
            // SAFETY: `t` and `part` stay within the three rows.
            unsafe {
                let z = load::<S, FULL>(s, part, z.add(t));
                let dy = load::<S, FULL>(s, part, dy.add(t));
                // The sign of z, not that of the value: a learned slope may be negative.
                let slope = match activation {
                    Activation::LeakyRelu { .. } => activation.slope(s, z),
                    _ => activation.slope(s, activation.apply(s, z)),
                };
                let g = s.mul(dy, slope);
                store::<S, FULL>(s, part, dz.add(t), g);
                of_bias = s.add(of_bias, g);
                if let Activation::LeakyRelu { .. } = activation {
                    of_slope = s.fma(dy, s.min(z, s.zero()), of_slope);
                }
            }
        });
        [s.sum(of_bias), s.sum(of_slope)]
    }
}

impl Kernel for Uncurve<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; 2] {
        spelled_out!(self.activation, |one| self.with(s, one))
    }
}
