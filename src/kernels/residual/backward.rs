//! The layer backward: one pass over blocks of time for the gradient of what goes into φ and of
//! all weights, one for that of x.

use rayon::prelude::*;

use super::shape::{Curve, ResidualGradients, ResidualLayer, ResidualSlices};
use crate::kernels::activation::{Activation, OnVectors, spelled_out};
use crate::kernels::memory::{Buffer, scratch};
use crate::kernels::partition::{add_parts, tasks};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::row_products::RowProducts;
use crate::kernels::products::rows::{Rows, Shared, each_vector, load, store};
use crate::simd::{Isa, Kernel, Simd};

/// What the gradients are made of, beside the weights.
#[derive(Clone, Copy)]
struct Signals<'a> {
    batch: usize,
    x: &'a [f32],
    /// What went into φ.
    z: &'a [f32],
    dy: &'a [f32],
}

impl ResidualLayer {
    /// The gradients for dy, shaped like y; that of x only if `want_x`. `kept` is what
    /// [`ResidualLayer::forward`] gave for this x.
    ///
    /// # Panics
    /// A slice's length does not fit the shape, or `kept` is not this input's.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &ResidualSlices<'_>,
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> ResidualGradients {
        self.check(weights);
        let (_, out_len) = self.lengths(batch, x);
        assert_eq!(dy.len(), batch * self.out_channels * out_len);
        assert_eq!(kept.len(), dy.len());
        let signals = Signals {
            batch,
            x,
            z: kept,
            dy,
        };
        let mut dz = Buffer::new(dy.len());
        let mut gradients = self.weight_gradients(isa, weights, signals, &mut dz);
        gradients.x = want_x.then(|| self.input_gradient(isa, weights, signals, &dz));
        gradients
    }

    /// dz, and the gradients of all weights.
    fn weight_gradients(
        &self,
        isa: Isa,
        weights: &ResidualSlices<'_>,
        signals: Signals<'_>,
        dz: &mut [f32],
    ) -> ResidualGradients {
        const BLOCK: usize = 480;
        let Signals { batch, x, z, dy } = signals;
        let (len, out_len) = self.lengths(batch, x);
        let (ins, outs) = (self.in_channels, self.out_channels);
        let sizes = [outs * ins * self.kernel_size, outs * ins, outs, outs];
        let taps = self.taps(ins, len);
        let newest: Vec<usize> = (0..ins).map(|i| i * len + self.context()).collect();
        let dz = Shared::new(dz);
        let part = |(item, from, count): (usize, usize, usize)| {
            let x = &x[item * ins * len..][..ins * len];
            let first = item * outs * out_len;
            let mut part = vec![0.0; sizes.iter().sum()];
            let (conv, rest) = part.split_at_mut(sizes[0]);
            let (shortcut, rest) = rest.split_at_mut(sizes[1]);
            let (bias, slopes) = rest.split_at_mut(sizes[2]);
            scratch::with(outs * BLOCK, |near| {
                for t in (from..from + count).step_by(BLOCK) {
                    let count = BLOCK.min(from + count - t);
                    // SAFETY: each task and block writes its own samples of its item.
                    let mut dz = unsafe { dz.rows(first + t, out_len, outs, count) };
                    for (o, near) in near.chunks_exact_mut(BLOCK).enumerate() {
                        let at = first + o * out_len + t;
                        let near = &mut near[..count];
                        let [of_bias, of_slope] = isa.run(Uncurve {
                            activation: self.function(weights, o),
                            z: &z[at..][..count],
                            dy: &dy[at..][..count],
                            dz: near,
                        });
                        dz.row(o).copy_from_slice(near);
                        bias[o] += of_bias;
                        slopes[o] += of_slope;
                    }
                    RowProducts {
                        gradient: Rows::new(near, BLOCK),
                        rows: outs,
                        input: &x[t..],
                        taps: &taps,
                        len: count,
                        products: conv,
                    }
                    .run(isa);
                    RowProducts {
                        gradient: Rows::new(&dy[first + t..], out_len),
                        rows: outs,
                        input: &x[t..],
                        taps: &newest,
                        len: count,
                        products: shortcut,
                    }
                    .run(isa);
                }
            });
            part
        };
        let parts: Vec<Vec<f32>> = tasks(batch, out_len).into_par_iter().map(part).collect();
        let mut total = vec![0.0; sizes.iter().sum()];
        add_parts(&parts, &mut total);
        let mut rest = total.as_slice();
        let [conv, shortcut, bias, mut slopes] = sizes.map(|size| {
            let (own, after) = rest.split_at(size);
            rest = after;
            own.to_vec()
        });
        if self.curve != Curve::Slopes {
            slopes.clear();
        }
        ResidualGradients {
            x: None,
            conv,
            bias,
            shortcut,
            slopes,
        }
    }

    /// dx: every tap's weights turned over on dz, and the shortcut's on dy.
    fn input_gradient(
        &self,
        isa: Isa,
        weights: &ResidualSlices<'_>,
        signals: Signals<'_>,
        dz: &[f32],
    ) -> Buffer {
        let Signals { batch, x, dy, .. } = signals;
        let (len, out_len) = self.lengths(batch, x);
        let (ins, outs) = (self.in_channels, self.out_channels);
        let shortcut = Packed::new(ins, outs, |i, o| weights.shortcut[o * ins + i]);
        let own: Vec<usize> = (0..outs).map(|o| o * out_len).collect();
        let segments = self.segments(weights, len);
        let block = self.block(outs);
        let mut dx = Buffer::new(x.len());
        let shared = Shared::new(&mut dx);
        let run = |(item, from, count): (usize, usize, usize)| {
            let rows = item * outs * out_len..(item + 1) * outs * out_len;
            let (dz, dy) = (&dz[rows.clone()], &dy[rows]);
            for segment in &segments {
                let (first, last) = (from.max(segment.from), (from + count).min(segment.to));
                for t in (first..last).step_by(block) {
                    let count = block.min(last - t);
                    let at = item * ins * len + t;
                    // SAFETY: each task and block writes its own samples of its item.
                    let mut dx = unsafe { shared.rows(at, len, ins, count) };
                    Combine {
                        weights: &segment.weights,
                        input: &dz[t.saturating_sub(segment.reach).min(dz.len())..],
                        taps: &segment.taps,
                        start: Start::Zero,
                        output: dx.reborrow(),
                    }
                    .run(isa);
                    if (self.context()..self.context() + out_len).contains(&t) {
                        Combine {
                            weights: &shortcut,
                            input: &dy[t - self.context()..],
                            taps: &own,
                            start: Start::Itself,
                            output: dx,
                        }
                        .run(isa);
                    }
                }
            }
        };
        tasks(batch, len).into_par_iter().for_each(run);
        dx
    }

    /// x from end to end, cut where another tap begins or ends to read it.
    fn segments(&self, weights: &ResidualSlices<'_>, len: usize) -> Vec<Segment> {
        let (ins, outs, kernel) = (self.in_channels, self.out_channels, self.kernel_size);
        let out_len = len - self.context();
        let begins = (0..kernel).map(|k| k * self.dilation);
        let mut cuts: Vec<usize> = begins.flat_map(|begin| [begin, begin + out_len]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let segment = |cut: &[usize]| {
            let reads =
                |k: &usize| (k * self.dilation..k * self.dilation + out_len).contains(&cut[0]);
            // The nearest in dz first.
            let taps: Vec<usize> = (0..kernel).rev().filter(reads).collect();
            let reach = taps.first().map_or(0, |k| k * self.dilation);
            let each = (0..outs).flat_map(|o| taps.iter().map(move |k| (o, k)));
            Segment {
                from: cut[0],
                to: cut[1],
                reach,
                taps: each
                    .map(|(o, k)| o * out_len + reach - k * self.dilation)
                    .collect(),
                weights: Packed::new(ins, outs * taps.len(), |i, j| {
                    let (o, k) = (j / taps.len(), taps[j % taps.len()]);
                    weights.conv[(o * ins + i) * kernel + k]
                }),
            }
        };
        cuts.windows(2).map(segment).collect()
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
