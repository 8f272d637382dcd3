//! Modulation of a signal by its own recent peaks: an LSTM hears the largest magnitude of each
//! block, and what it makes of them scales and shifts the block that follows. The formula is
//! [`network::TemporalFilm`]'s. Knows no network.

use crate::kernels::recurrent::Cell;
use crate::kernels::{self, RecurrentState, RecurrentWeights};
use crate::models::init::WeightInit;
use crate::models::parts::{Conv, numbers};
use crate::models::state::State;
use crate::network;
use burn::module::Param;
use burn::prelude::*;

/// x · (1 + scale) + shift, per channel and block, from the blocks before.
#[derive(Module, Debug)]
pub(super) struct TemporalFilm {
    /// `[4 · hidden, channels]`, gates i, f, g, o.
    weight_input: Param<Tensor<2>>,
    /// `[4 · hidden, hidden]`
    weight_hidden: Param<Tensor<2>>,
    /// `[4 · hidden]`
    bias: Param<Tensor<1>>,
    /// Hidden state → scales, then shifts.
    projection: Conv,
    block_size: usize,
}

/// What the layer hands on, in this order.
struct Heard {
    /// Largest magnitude in the block under way: `[batch, channels]`
    peaks: Tensor<2>,
    /// The LSTM after the last whole block: `[batch, hidden]` each.
    lstm: RecurrentState,
    /// Samples of the block under way. Told by the width of a part of the state, which is known
    /// without asking the device.
    samples: usize,
}

/// x `[batch, channels, n]`, a whole number of blocks, by scales and shifts `[batch, 2 · channels, blocks
/// or more]`.
fn in_whole_blocks(x: Tensor<3>, values: Tensor<3>, block: usize) -> Tensor<3> {
    let [batch, channels, len] = x.dims();
    let count = len / block;
    let part = |first: usize| {
        let part = values.clone().narrow(1, first, channels);
        part.narrow(2, 0, count).unsqueeze_dim::<4>(3)
    };
    let blocks = x.reshape([batch, channels, count, block]);
    let y = blocks * (part(0) + 1.0) + part(channels);
    y.reshape([batch, channels, len])
}

/// The same where x begins `from` samples into a block: each value held over its block first.
fn held(x: Tensor<3>, values: Tensor<3>, (from, block): (usize, usize)) -> Tensor<3> {
    let [batch, channels, len] = x.dims();
    let count = values.dims()[2];
    let held = values.unsqueeze_dim::<4>(3).repeat_dim(3, block);
    let held = held.reshape([batch, 2 * channels, count * block]);
    let held = held.narrow(2, from, len);
    x * (held.clone().narrow(1, 0, channels) + 1.0) + held.narrow(1, channels, channels)
}

impl TemporalFilm {
    /// For `channels`, with `hidden` units.
    pub fn new(channels: usize, hidden: usize, block_size: usize, init: &mut WeightInit) -> Self {
        let bound = 1.0 / (hidden as f32).sqrt();
        let weight_input = init.uniform([4 * hidden, channels], bound);
        let weight_hidden = init.uniform([4 * hidden, hidden], bound);
        let mut bias = init.numbers(4 * hidden, bound);
        // The gate that keeps the memory is open at first (Jozefowicz et al. 2015).
        bias[hidden..2 * hidden].iter_mut().for_each(|b| *b += 1.0);
        Self {
            weight_input,
            weight_hidden,
            bias: init.given([4 * hidden], bias),
            projection: Conv::new([2 * channels, hidden, 1], 1, true, init),
            block_size,
        }
    }

    /// `[batch, channels, n]` → the same; takes its state from `before` (nothing heard where that
    /// is empty) and appends it to `after`.
    pub fn forward(&self, x: Tensor<3>, before: &mut State, after: &mut State) -> Tensor<3> {
        let [batch, channels, len] = x.dims();
        let heard = self.take(before, [batch, channels], &x.device());
        let (block, from) = (self.block_size, heard.samples);
        let whole = (from + len) / block;
        let sizes = self.since_block_began(x.clone().abs(), &heard);
        let hidden = heard.lstm.hidden.clone().unsqueeze_dim(2);
        let (hidden, lstm) = match whole {
            0 => (hidden, heard.lstm),
            _ => {
                let blocks = sizes.clone().narrow(2, 0, whole * block);
                let peaks = blocks.reshape([batch, channels, whole, block]).max_dim(3);
                let (later, lstm) = self.listen(peaks.squeeze_dim(3), heard.lstm);
                (Tensor::cat(vec![hidden, later], 2), lstm)
            }
        };
        let samples = (from + len) % block;
        let peaks = match samples {
            0 => Tensor::zeros([batch, channels], &x.device()),
            _ => {
                let rest = sizes.narrow(2, whole * block, samples);
                rest.max_dim(2).squeeze_dim(2)
            }
        };
        self.put(
            after,
            Heard {
                peaks,
                lstm,
                samples,
            },
        );
        let values = self.projection.forward(hidden);
        match (from, samples) {
            (0, 0) => in_whole_blocks(x, values, block),
            _ => held(x, values, (from, block)),
        }
    }

    /// Magnitudes from where the block under way began: what was heard of it stands for as many
    /// samples with its peak.
    fn since_block_began(&self, sizes: Tensor<3>, heard: &Heard) -> Tensor<3> {
        match heard.samples {
            0 => sizes,
            samples => {
                let earlier = heard.peaks.clone().unsqueeze_dim::<3>(2);
                Tensor::cat(vec![earlier.repeat_dim(2, samples), sizes], 2)
            }
        }
    }

    /// Peaks `[batch, channels, blocks]` → hidden states `[batch, hidden, blocks]`.
    fn listen(&self, peaks: Tensor<3>, state: RecurrentState) -> (Tensor<3>, RecurrentState) {
        let weights = RecurrentWeights {
            input: self.weight_input.val(),
            hidden: self.weight_hidden.val(),
            bias: self.bias.val(),
        };
        kernels::recurrent(peaks, Cell::Lstm, weights, state)
    }

    fn take(&self, before: &mut State, [batch, channels]: [usize; 2], device: &Device) -> Heard {
        let mut lstm = RecurrentState::zeros(Cell::Lstm, batch, self.hidden(), device);
        let peaks = before.take();
        for part in std::iter::once(&mut lstm.hidden).chain(&mut lstm.cell) {
            if let Some(known) = before.take() {
                *part = known;
            }
        }
        Heard {
            peaks: peaks.unwrap_or_else(|| Tensor::zeros([batch, channels], device)),
            lstm,
            samples: before.take().map_or(0, |width| width.dims()[1] - 1),
        }
    }

    fn put(&self, after: &mut State, heard: Heard) {
        let [batch, _] = heard.peaks.dims();
        let device = heard.peaks.device();
        after.push(heard.peaks);
        after.push_within_one(heard.lstm.hidden);
        heard
            .lstm
            .cell
            .into_iter()
            .for_each(|cell| after.push(cell));
        after.push(Tensor::zeros([batch, heard.samples + 1], &device));
    }

    fn hidden(&self) -> usize {
        self.weight_hidden.dims()[1]
    }

    /// Multiply-adds per sample, of the LSTM and its projection their share of a block.
    pub fn macs(&self) -> usize {
        let [gates, channels] = self.weight_input.dims();
        let step = gates * (channels + self.hidden()) + self.projection.macs();
        channels + step / self.block_size
    }

    pub fn describe(&self) -> network::TemporalFilm {
        network::TemporalFilm {
            block_size: self.block_size,
            lstm: network::Lstm {
                input_size: self.weight_input.dims()[1],
                hidden_size: self.hidden(),
                weight_input: numbers(&self.weight_input),
                weight_hidden: numbers(&self.weight_hidden),
                bias: numbers(&self.bias),
                initial_hidden: Vec::new(),
                initial_cell: Vec::new(),
            },
            projection: self.projection.describe(),
            shift: true,
        }
    }
}
