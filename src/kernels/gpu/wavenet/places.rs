//! Where a network's signals, and their gradients, lie on a card. Knows no kernel.
//!
//! Kept are the condition, every layer's input and activation, in one buffer, and the gradients of
//! what weights put out in another. Channels lie in fours, each four's samples behind one another.

use super::convolve::Width;
use crate::kernels::wavenet::{ArrayOffsets, Layer, LayerArray, WaveNet};

/// Numbers of a four.
const FOUR: usize = 4;

/// Fours of channels by time, `len` samples each, in a buffer that holds many such.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rows {
    /// Where they begin, in fours.
    pub base: usize,
    pub fours: usize,
    pub len: usize,
}

/// Where an array's signals lie, or their gradients.
#[derive(Debug, Clone)]
pub(super) struct ArrayRows {
    /// What enters each layer, and what leaves the last.
    pub x: Vec<Rows>,
    /// Signals: each layer's activation, behind it of a gated layer both factors. Gradients: of
    /// what enters the activation.
    pub a: Vec<Rows>,
    /// What enters the head.
    pub head: Rows,
}

/// Where everything lies.
pub(super) struct Plan {
    pub batch: usize,
    /// Samples of the network's input.
    pub len: usize,
    /// Of the lists of weights.
    pub offsets: Vec<ArrayOffsets>,
    pub weights: usize,
    /// A channel of ones, and the network's input.
    pub condition: Rows,
    pub signals: Vec<ArrayRows>,
    pub signal_numbers: usize,
    pub gradients: Vec<ArrayRows>,
    /// Of the network's output before its scale.
    pub out: Rows,
    pub gradient_numbers: usize,
}

/// Bytes of the largest buffer that an item of `len` samples needs.
pub(in crate::kernels) fn kept_bytes(net: &WaveNet, len: usize) -> usize {
    let plan = Plan::new(net, 1, len);
    plan.signal_numbers.max(plan.gradient_numbers) * size_of::<f32>()
}

/// Gives rows their places, one after the other.
struct Places {
    batch: usize,
    next: usize,
}

impl Places {
    fn take(&mut self, width: Width, len: usize) -> Rows {
        let (base, fours) = (self.next, width.fours());
        self.next += self.batch * fours * len;
        Rows { base, fours, len }
    }

    /// `lens` are the samples that enter each layer and leave the last, `head_len` those of the
    /// head; an activation has `parts` parts where it is not gated, and where it is.
    fn array(
        &mut self,
        array: &LayerArray,
        lens: &[usize],
        head_len: usize,
        parts: [usize; 2],
    ) -> ArrayRows {
        let width = Width::of(array.channels);
        let x = lens.iter().map(|&len| self.take(width, len)).collect();
        let layers = array.layers.iter().zip(&lens[1..]);
        let a = layers.map(|(layer, &len)| {
            let parts = parts[usize::from(layer.gated)];
            self.take(Width { parts, ..width }, len)
        });
        ArrayRows {
            a: a.collect(),
            x,
            head: self.take(width, head_len),
        }
    }
}

impl Plan {
    pub fn new(net: &WaveNet, batch: usize, len: usize) -> Plan {
        let (offsets, weights) = net.offsets();
        let mut of_signals = Places { batch, next: 0 };
        let mut of_gradients = Places { batch, next: 0 };
        let condition = of_signals.take(Width::of(1 + net.in_channels), len);
        let (mut signals, mut gradients) = (Vec::new(), Vec::new());
        let mut need = net.output_len(len) + heads_behind(net, 0);
        let mut now = len;
        for (at, array) in net.arrays.iter().enumerate() {
            let lens = lens(array, now);
            signals.push(of_signals.array(array, &lens, need, [1, 3]));
            gradients.push(of_gradients.array(array, &lens, need, [1, 2]));
            need -= array.head_kernel_size - 1;
            now = *last(&lens);
            debug_assert_eq!(need, net.output_len(len) + heads_behind(net, at + 1));
        }
        let out = of_gradients.take(Width::of(net.out_channels()), need);
        Plan {
            batch,
            len,
            offsets,
            weights,
            condition,
            signals,
            signal_numbers: FOUR * of_signals.next,
            gradients,
            out,
            gradient_numbers: FOUR * of_gradients.next,
        }
    }

    /// The gradient of what an array's head puts out.
    pub fn head_out(&self, array: usize) -> Rows {
        match self.gradients.get(array + 1) {
            Some(next) => next.head,
            None => self.out,
        }
    }
}

/// Samples that enter each of an array's layers, and that leave the last.
fn lens(array: &LayerArray, len: usize) -> Vec<usize> {
    let mut lens = vec![len];
    let contexts = array.layers.iter().map(Layer::context);
    lens.extend(contexts.scan(len, |now, context| {
        *now -= context;
        Some(*now)
    }));
    lens
}

pub(super) fn last<T>(of: &[T]) -> &T {
    &of[of.len() - 1]
}

/// Samples that the heads from array `from` on shorten by.
fn heads_behind(net: &WaveNet, from: usize) -> usize {
    let heads = net.arrays[from..].iter();
    heads.map(|array| array.head_kernel_size - 1).sum()
}
