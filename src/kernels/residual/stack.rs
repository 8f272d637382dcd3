//! Layers one behind another: an item of the batch goes through all of them before the next, so that
//! what a layer gives is still near when the next layer hears it.

use std::ops::Range;

use rayon::prelude::*;

use super::backward::{Around, Backward};
use super::forward::Forward;
use super::shape::ResidualLayer;
use crate::kernels::memory::{Buffer, padded};
use crate::kernels::partition::add_parts;
use crate::simd::Isa;

/// The layers, each of which hears the channels of the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualStack(Vec<ResidualLayer>);

/// Where one item's signals of a layer lie in what is kept, in rows of whole cache lines.
struct Kept {
    /// What goes into φ.
    z: Range<usize>,
    /// What comes out; nothing of the last layer.
    y: Range<usize>,
}

impl ResidualStack {
    /// # Panics
    /// There is none, or one does not fit the one before.
    pub fn new(layers: Vec<ResidualLayer>) -> Self {
        assert!(!layers.is_empty(), "a stack without layers");
        for two in layers.windows(2) {
            assert_eq!(two[0].out_channels, two[1].in_channels);
        }
        Self(layers)
    }

    /// Samples by which y is shorter than x.
    pub fn context(&self) -> usize {
        self.0.iter().map(ResidualLayer::context).sum()
    }

    /// Channels of x and of y.
    pub fn channels(&self) -> (usize, usize) {
        let last = self.0.len() - 1;
        (self.0[0].in_channels, self.0[last].out_channels)
    }

    /// Numbers of all weights.
    pub fn weights(&self) -> usize {
        self.sizes().sum()
    }

    fn sizes(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|layer| layer.sizes().iter().sum())
    }

    /// y `[batch, out_channels, len − context]` of x `[batch, in_channels, len]` and the layers' weights one
    /// behind another: w `[out, in, kernel]`, s `[out, in]`, b `[out]` and, where there are any, slopes
    /// `[out]` of each. With `keep`, what the backward pass needs is returned, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &[f32],
        y: &mut [f32],
        keep: bool,
    ) -> Buffer {
        let lens = self.lens(batch, x);
        let of_y = self.check(batch, &lens, weights, y);
        let passes: Vec<Forward<'_>> = self
            .0
            .iter()
            .zip(self.each(weights))
            .map(|(layer, weights)| Forward::new(layer, isa, layer.slices(weights)))
            .collect();
        let (places, of_kept) = self.places(&lens);
        let of_kept = if keep { of_kept } else { 0 };
        let mut kept = Buffer::new(batch * of_kept);
        let of_x = x.len() / batch.max(1);
        let mut rest = &mut kept[..];
        let mut items = Vec::with_capacity(batch);
        for (x, y) in x
            .chunks_exact(of_x.max(1))
            .zip(y.chunks_exact_mut(of_y.max(1)))
        {
            let (own, others) = rest.split_at_mut(of_kept);
            items.push((x, own, y));
            rest = others;
        }
        items.into_par_iter().for_each(|(x, kept, y)| match keep {
            true => self.run_keeping(&passes, &lens, x, (&places, kept), y),
            false => self.run(&passes, &lens, x, y),
        });
        kept
    }

    /// An item through all layers.
    fn run(&self, passes: &[Forward<'_>], lens: &[usize], x: &[f32], y: &mut [f32]) {
        let last = passes.len() - 1;
        let mut before: Option<Buffer> = None;
        for (at, pass) in passes[..last].iter().enumerate() {
            let row = padded(lens[at + 1]);
            let mut given = Buffer::new(self.0[at].out_channels * row);
            let heard = match &before {
                Some(before) => (&before[..], padded(lens[at])),
                None => (x, lens[at]),
            };
            pass.run(heard, lens[at + 1], (&mut given[..], row), None);
            before = Some(given);
        }
        let heard = match &before {
            Some(before) => (&before[..], padded(lens[last])),
            None => (x, lens[last]),
        };
        passes[last].run(heard, lens[last + 1], (y, lens[last + 1]), None);
    }

    /// The same, every signal being kept.
    fn run_keeping(
        &self,
        passes: &[Forward<'_>],
        lens: &[usize],
        x: &[f32],
        (places, kept): (&[Kept], &mut [f32]),
        y: &mut [f32],
    ) {
        let last = passes.len() - 1;
        let (mut heard, mut rest): ((&[f32], usize), _) = ((x, lens[0]), kept);
        for (at, pass) in passes[..last].iter().enumerate() {
            let (z, others) = rest.split_at_mut(places[at].z.len());
            let (given, others) = others.split_at_mut(places[at].y.len());
            let row = padded(lens[at + 1]);
            pass.run(heard, lens[at + 1], (&mut *given, row), Some(z));
            (heard, rest) = ((&*given, row), others);
        }
        passes[last].run(heard, lens[last + 1], (y, lens[last + 1]), Some(rest));
    }

    /// The gradients for dy, shaped like y: of x, where it is wanted, and of all weights, in a list as they
    /// are. `kept` is what [`ResidualStack::forward`] gave for this x.
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
        weights: &[f32],
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> (Option<Buffer>, Vec<f32>) {
        let lens = self.lens(batch, x);
        let of_y = self.check(batch, &lens, weights, dy);
        let (places, of_kept) = self.places(&lens);
        assert_eq!(kept.len(), batch * of_kept);
        let passes: Vec<Backward<'_>> = self
            .0
            .iter()
            .zip(self.each(weights))
            .zip(&lens[1..])
            .map(|((layer, weights), &out_len)| {
                Backward::new(layer, isa, layer.slices(weights), out_len)
            })
            .collect();
        let of_x = x.len() / batch.max(1);
        let mut dx = Buffer::new(if want_x { x.len() } else { 0 });
        // Without dx every item gets an empty piece of it.
        let mut pieces: Vec<&mut [f32]> = match want_x {
            true => dx.chunks_exact_mut(of_x.max(1)).collect(),
            false => (0..batch).map(|_| Default::default()).collect(),
        };
        let of_item = |(at, dx): (usize, &mut &mut [f32])| {
            let item = Item {
                lens: &lens,
                places: &places,
                x: &x[at * of_x..][..of_x],
                kept: &kept[at * of_kept..][..of_kept],
                dy: &dy[at * of_y..][..of_y],
            };
            self.back(&passes, item, want_x.then_some(&mut **dx))
        };
        let parts: Vec<Vec<f32>> = pieces.par_iter_mut().enumerate().map(of_item).collect();
        let mut dw = vec![0.0; weights.len()];
        add_parts(&parts, &mut dw);
        (want_x.then_some(dx), dw)
    }

    /// An item's gradients of all weights; that of its x is written where it is wanted.
    fn back(
        &self,
        passes: &[Backward<'_>],
        item: Item<'_>,
        mut dx: Option<&mut [f32]>,
    ) -> Vec<f32> {
        let mut dw = vec![0.0; self.weights()];
        let mut rest = dw.as_mut_slice();
        let mut above: Option<Buffer> = None;
        for (at, pass) in passes.iter().enumerate().rev() {
            let size = self.0[at].sizes().iter().sum::<usize>();
            let (others, of_layer) = rest.split_at_mut(rest.len() - size);
            rest = others;
            let around = Around {
                x: item.heard(at),
                z: &item.kept[item.places[at].z.clone()],
                dy: match &above {
                    Some(above) => (&above[..], padded(item.lens[at + 1])),
                    None => (item.dy, item.lens[at + 1]),
                },
            };
            let row = padded(item.lens[at]);
            let mut own = (at > 0).then(|| Buffer::new(self.0[at].in_channels * row));
            let to = match &mut own {
                Some(own) => Some((&mut own[..], row)),
                None => dx.take().map(|dx| (dx, item.lens[0])),
            };
            pass.run(around, of_layer, to);
            above = own;
        }
        dw
    }

    /// Samples before the first layer, and after each.
    fn lens(&self, batch: usize, x: &[f32]) -> Vec<usize> {
        let rows = batch * self.0[0].in_channels;
        let mut len = x.len() / rows.max(1);
        assert_eq!(x.len(), rows * len);
        assert!(len >= self.context(), "{len} samples for {self:?}");
        let after = self.0.iter().map(|layer| {
            len -= layer.context();
            len
        });
        let after: Vec<usize> = after.collect();
        let first = after[0] + self.0[0].context();
        std::iter::once(first).chain(after).collect()
    }

    /// Numbers of an item of y.
    fn check(&self, batch: usize, lens: &[usize], weights: &[f32], y: &[f32]) -> usize {
        assert_eq!(weights.len(), self.weights());
        let of_y = self.channels().1 * lens[self.0.len()];
        assert_eq!(y.len(), batch * of_y);
        of_y
    }

    /// The list of weights, cut by layers.
    fn each<'a>(&self, weights: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        let mut rest = weights;
        self.sizes().map(move |size| {
            let (own, others) = rest.split_at(size);
            rest = others;
            own
        })
    }

    /// Where an item's signals are kept, and how many numbers they are in all.
    fn places(&self, lens: &[usize]) -> (Vec<Kept>, usize) {
        let mut end = 0;
        let mut next = |size: usize| {
            end += size;
            end - size..end
        };
        let last = self.0.len() - 1;
        let place = |(at, layer): (usize, &ResidualLayer)| {
            let rows = layer.out_channels * padded(lens[at + 1]);
            Kept {
                z: next(rows),
                y: next(if at < last { rows } else { 0 }),
            }
        };
        let places = self.0.iter().enumerate().map(place).collect();
        (places, end)
    }
}

/// What an item's gradients are made of.
#[derive(Clone, Copy)]
struct Item<'a> {
    lens: &'a [usize],
    places: &'a [Kept],
    x: &'a [f32],
    kept: &'a [f32],
    dy: &'a [f32],
}

impl<'a> Item<'a> {
    /// What layer `at` heard, with the floats from row to row.
    fn heard(&self, at: usize) -> (&'a [f32], usize) {
        match at {
            0 => (self.x, self.lens[0]),
            _ => (
                &self.kept[self.places[at - 1].y.clone()],
                padded(self.lens[at]),
            ),
        }
    }
}
