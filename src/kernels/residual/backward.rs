//! The layer backward, item by item: one pass over blocks of time for the gradient of what goes into φ
//! and of all weights, and one for that of x while the first is still near.

use rayon::prelude::*;

use super::shape::{Curve, ResidualGradients, ResidualLayer, ResidualSlices};
use crate::kernels::activation::{Activation, OnVectors, spelled_out};
use crate::kernels::memory::{Buffer, scratch};
use crate::kernels::partition::{add_parts, tasks};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::row_products::RowProducts;
use crate::kernels::products::rows::{Rows, Shared, each_vector, load, store};
use crate::simd::{Isa, Kernel, Simd};

/// What the gradients are made of, beside the weights: an item's rows.
#[derive(Clone, Copy)]
struct Item<'a> {
    x: &'a [f32],
    /// What went into φ.
    z: &'a [f32],
    dy: &'a [f32],
}

/// Item, first sample, samples.
type Stretch = (usize, usize, usize);

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
        let (len, out_len) = self.lengths(batch, x);
        let (of_x, of_y) = (self.in_channels * len, self.out_channels * out_len);
        assert_eq!(dy.len(), batch * of_y);
        assert_eq!(kept.len(), dy.len());
        let back = want_x.then(|| Back::new(self, isa, weights, len));
        let mut dx = Buffer::new(if want_x { x.len() } else { 0 });
        // Without dx every item gets an empty piece of it.
        let mut pieces: Vec<&mut [f32]> = match want_x {
            true => dx.chunks_exact_mut(of_x).collect(),
            false => (0..batch).map(|_| Default::default()).collect(),
        };
        let stretches = [tasks(batch, out_len), tasks(batch, len)];
        let of_item = |all: &[Stretch], item: usize| -> Vec<Stretch> {
            let own = all.iter().filter(|stretch| stretch.0 == item);
            own.copied().collect()
        };
        let parts: Vec<Vec<Vec<f32>>> = pieces
            .par_iter_mut()
            .enumerate()
            .map(|(at, dx)| {
                let item = Item {
                    x: &x[at * of_x..][..of_x],
                    z: &kept[at * of_y..][..of_y],
                    dy: &dy[at * of_y..][..of_y],
                };
                let mut dz = Buffer::new(of_y);
                let own = of_item(&stretches[0], at);
                let parts = self.weight_gradients(isa, weights, item, own, &mut dz);
                if let Some(back) = &back {
                    back.run((&dz, item.dy), of_item(&stretches[1], at), dx);
                }
                parts
            })
            .collect();
        let mut gradients = self.summed(&parts.concat());
        gradients.x = want_x.then_some(dx);
        gradients
    }

    /// How many numbers the gradients of w, s, b and the slopes have.
    fn sizes(&self) -> [usize; 4] {
        let (ins, outs) = (self.in_channels, self.out_channels);
        [outs * ins * self.kernel_size, outs * ins, outs, outs]
    }

    /// An item's dz, and of each stretch the gradients of all weights.
    fn weight_gradients(
        &self,
        isa: Isa,
        weights: &ResidualSlices<'_>,
        item: Item<'_>,
        stretches: Vec<Stretch>,
        dz: &mut [f32],
    ) -> Vec<Vec<f32>> {
        const BLOCK: usize = 480;
        let Item { x, z, dy } = item;
        let (ins, outs) = (self.in_channels, self.out_channels);
        let (len, out_len) = (x.len() / ins, z.len() / outs);
        let sizes = self.sizes();
        let taps = self.taps(ins, len);
        let newest: Vec<usize> = (0..ins).map(|i| i * len + self.context()).collect();
        let dz = Shared::new(dz);
        let part = |(_, from, count): Stretch| {
            let mut part = vec![0.0; sizes.iter().sum()];
            let (conv, rest) = part.split_at_mut(sizes[0]);
            let (shortcut, rest) = rest.split_at_mut(sizes[1]);
            let (bias, slopes) = rest.split_at_mut(sizes[2]);
            scratch::with(outs * BLOCK, |near| {
                for t in (from..from + count).step_by(BLOCK) {
                    let count = BLOCK.min(from + count - t);
                    // SAFETY: each stretch and block writes its own samples.
                    let mut dz = unsafe { dz.rows(t, out_len, outs, count) };
                    for (o, near) in near.chunks_exact_mut(BLOCK).enumerate() {
                        let at = o * out_len + t;
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
                        gradient: Rows::new(&dy[t..], out_len),
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
        stretches.into_par_iter().map(part).collect()
    }

    /// The gradients of all weights: the stretches' parts added in their order.
    fn summed(&self, parts: &[Vec<f32>]) -> ResidualGradients {
        let sizes = self.sizes();
        let mut total = vec![0.0; sizes.iter().sum()];
        add_parts(parts, &mut total);
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
}

/// The way back to x: every tap's weights turned over on dz, and the shortcut's on dy.
struct Back<'a> {
    layer: &'a ResidualLayer,
    isa: Isa,
    shortcut: Packed,
    segments: Vec<Segment>,
}

impl<'a> Back<'a> {
    /// For x of `len` samples.
    fn new(
        layer: &'a ResidualLayer,
        isa: Isa,
        weights: &ResidualSlices<'_>,
        len: usize,
    ) -> Back<'a> {
        let (ins, outs) = (layer.in_channels, layer.out_channels);
        Back {
            layer,
            isa,
            shortcut: Packed::new(ins, outs, |i, o| weights.shortcut[o * ins + i]),
            segments: layer.segments(weights, len),
        }
    }

    /// An item's dx of its dz and dy.
    fn run(&self, (dz, dy): (&[f32], &[f32]), stretches: Vec<Stretch>, dx: &mut [f32]) {
        let (ins, outs) = (self.layer.in_channels, self.layer.out_channels);
        let (context, block) = (self.layer.context(), self.layer.block(outs));
        let (len, out_len) = (dx.len() / ins, dy.len() / outs);
        let own: Vec<usize> = (0..outs).map(|o| o * out_len).collect();
        let shared = Shared::new(dx);
        stretches.into_par_iter().for_each(|(_, from, count)| {
            for segment in &self.segments {
                let (first, last) = (from.max(segment.from), (from + count).min(segment.to));
                for t in (first..last).step_by(block) {
                    let count = block.min(last - t);
                    // SAFETY: each stretch and block writes its own samples.
                    let mut dx = unsafe { shared.rows(t, len, ins, count) };
                    Combine {
                        weights: &segment.weights,
                        input: &dz[t.saturating_sub(segment.reach).min(dz.len())..],
                        taps: &segment.taps,
                        start: Start::Zero,
                        output: dx.reborrow(),
                    }
                    .run(self.isa);
                    if (context..context + out_len).contains(&t) {
                        Combine {
                            weights: &self.shortcut,
                            input: &dy[t - context..],
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

impl ResidualLayer {
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
