//! Banks of filters whose poles are learned: what state-space layers are made of.
//!
//! On the processor a bank is [`kernels::scan`]. Elsewhere, since it is linear, time is cut into
//! blocks: inside a block the answer is a product with the impulse response, and between blocks
//! only the states travel. The state at the end is handed on, so a stream equals the whole.
//! Knows no network.

use super::init::WeightInit;
use super::parts::numbers;
use super::state::State;
use crate::kernels::scan::{Complex, Held, power};
use crate::kernels::{self, ScanWeights};
use crate::network;
use burn::module::Param;
use burn::prelude::*;

/// Samples of a block: the products inside grow with it, the steps between shrink.
const BLOCK: usize = 64;

/// s_n[t] = a_n·s_n[t−1] + x[t], y[t] = Re Σ_n c_n·s_n[t] + d·x[t], per channel, with
/// a = exp(Δ·A) and c = 2·C·(a − 1)/A: the continuous system A, C held over a sample of length Δ.
#[derive(Module, Debug)]
pub(super) struct FilterBank {
    /// ln Δ: `[channels]`
    log_step: Param<Tensor<1>>,
    /// Re A = −softplus of this, always decaying: `[channels, states]`
    decay: Param<Tensor<2>>,
    /// Im A: `[channels, states]`
    frequency: Param<Tensor<2>>,
    /// Re C and Im C: `[channels, states]`
    output_re: Param<Tensor<2>>,
    output_im: Param<Tensor<2>>,
    /// d: `[channels]`
    direct: Param<Tensor<1>>,
}

/// How far a nearly straight filter bends at first, as a share of its input.
const BEND: f32 = 0.01;

impl FilterBank {
    /// A_n = −1/2 + iπn (S4D-Lin), steps spread from 1/memory to 1/10, C complex normal-sized.
    pub fn new(channels: usize, states: usize, memory: usize, init: &mut WeightInit) -> Self {
        let steps = init.numbers(channels, 0.5);
        let (low, high) = (-(memory as f32).ln(), 1e-1f32.ln());
        let log_step = steps
            .iter()
            .map(|u| low + (u + 0.5) * (high - low))
            .collect();
        // softplus(x) = 1/2
        let half = (0.5f32.exp() - 1.0).ln();
        let lines =
            (0..channels).flat_map(|_| (0..states).map(|n| std::f32::consts::PI * n as f32));
        let bound = (1.5 / states as f32).sqrt();
        Self {
            log_step: init.given([channels], log_step),
            decay: init.constant([channels, states], half),
            frequency: init.given([channels, states], lines.collect()),
            output_re: init.uniform([channels, states], bound),
            output_im: init.uniform([channels, states], bound),
            direct: init.uniform([channels], 1.0),
        }
    }

    /// `count` channels of one real pole each that together do next to nothing at first: their
    /// sum is the input, bent a little. The poles stand in the middles of `count` equal steps, in
    /// octaves, from forgetting within `memory` samples to forgetting within 1.
    pub fn nearly_straight(count: usize, memory: usize, init: &mut WeightInit) -> Self {
        let spread = |n: usize| -(memory as f32).ln() * (1.0 - (n as f32 + 0.5) / count as f32);
        // softplus(x) = 1/2: with a step of 2/m the pole forgets within m samples.
        let half = (0.5f32.exp() - 1.0).ln();
        let log_step = (0..count).map(|n| spread(n) + 2f32.ln()).collect();
        Self {
            log_step: init.given([count], log_step),
            decay: init.constant([count, 1], half),
            frequency: init.constant([count, 1], 0.0),
            output_re: init.uniform([count, 1], BEND),
            output_im: init.uniform([count, 1], BEND),
            direct: init.constant([count], 1.0 / count as f32),
        }
    }

    pub fn channels(&self) -> usize {
        self.direct.dims()[0]
    }

    pub fn states(&self) -> usize {
        self.decay.dims()[1]
    }

    /// For an operator that does their work on the way.
    pub fn tensors(&self) -> ScanWeights {
        self.weights(self.direct.val())
    }

    /// With these d, one per row.
    fn weights(&self, d: Tensor<1>) -> ScanWeights {
        ScanWeights {
            log_step: self.log_step.val(),
            decay: self.decay.val(),
            frequency: self.frequency.val(),
            output_re: self.output_re.val(),
            output_im: self.output_im.val(),
            d,
        }
    }

    /// `[batch, channels, time]` → the same; the state `[batch, channels · states · 2]` is taken
    /// from `before` (zeros where it is empty) and appended to `after`.
    pub fn forward(&self, x: Tensor<3>, before: &mut State, after: &mut State) -> Tensor<3> {
        pass(self.tensors(), x, before, after)
    }

    /// The sum of what all channels make of the same sound `[batch, 1, time]`; states as of
    /// [`forward`](Self::forward), never to be mixed with its.
    pub fn forward_summed(&self, x: Tensor<3>, before: &mut State, after: &mut State) -> Tensor<3> {
        pass(self.weights(self.direct.val().sum()), x, before, after)
    }

    pub fn describe(&self) -> network::S4d {
        let held = self.tensors().held();
        let pole = held.pole();
        let list = |tensor: Tensor<2>| {
            let data = tensor.into_data().convert::<f32>();
            data.try_to_vec().unwrap_or_default()
        };
        network::S4d {
            channels: self.channels(),
            states: self.states(),
            a_re: list(pole.re),
            a_im: list(pole.im),
            c_re: list(held.output.re),
            c_im: list(held.output.im),
            d: numbers(&self.direct),
        }
    }
}

fn pass(weights: ScanWeights, x: Tensor<3>, before: &mut State, after: &mut State) -> Tensor<3> {
    let state = before.take();
    let (y, state) = match kernels::is_scan_fused(&x, weights.states()) {
        true => kernels::scan(x, weights, state),
        false => in_blocks(x, weights, state),
    };
    after.push(state);
    y
}

/// As [`kernels::scan()`], block by block, in products of matrices.
fn in_blocks(
    x: Tensor<3>,
    weights: ScanWeights,
    state: Option<Tensor<2>>,
) -> (Tensor<3>, Tensor<2>) {
    let [batch, channels, len] = x.dims();
    let states = weights.states();
    let Held { log, output } = weights.held();
    let silence = || Tensor::zeros([batch, channels * 2 * states], &x.device());
    let state = state.unwrap_or_else(silence);
    let state = state.reshape([batch, channels, 2 * states]);
    let mut state = Complex {
        re: state.clone().narrow(2, 0, states),
        im: state.narrow(2, states, states),
    };
    let mut pieces = Vec::new();
    let whole = len / BLOCK * BLOCK;
    for (from, count, block) in [(0, whole, BLOCK), (whole, len - whole, len - whole)] {
        if count > 0 {
            let piece = x.clone().narrow(2, from, count);
            let (y, end) = blocks(piece, block, &log, &output, state);
            pieces.push(y);
            state = end;
        }
    }
    let y = Tensor::cat(pieces, 2) + x * weights.d.reshape([1, -1, 1]);
    let state = Tensor::cat(vec![state.re, state.im], 2);
    (y, state.reshape([batch, channels * 2 * states]))
}

/// a^0 … a^(count − 1), each `[channels, states, count]`.
fn powers(log_pole: &Complex<2>, count: usize) -> Complex<3> {
    let device = log_pole.re.device();
    let exponents = Tensor::<1, Int>::arange(0..count as i64, &device).float();
    let exponents = exponents.reshape([1, 1, count]);
    power(
        Complex {
            re: log_pole.re.clone().unsqueeze_dim::<3>(2) * exponents.clone(),
            im: log_pole.im.clone().unsqueeze_dim::<3>(2) * exponents,
        },
        1.0,
    )
}

/// `x` `[batch, channels, blocks · block]` without the direct share, and the state afterwards.
fn blocks(
    x: Tensor<3>,
    block: usize,
    log_pole: &Complex<2>,
    output: &Complex<2>,
    state: Complex<3>,
) -> (Tensor<3>, Complex<3>) {
    let [batch, channels, len] = x.dims();
    let (count, states) = (len / block, log_pole.re.dims()[1]);
    // Channels first, for products per channel: [channels, batch · count, block].
    let rows = x.reshape([batch, channels, count, block]).swap_dims(0, 1);
    let rows = rows.reshape([channels, batch * count, block]);
    // a^0 … a^block
    let powers = powers(log_pole, block + 1);
    let part = |x: &Tensor<3>, from: usize| x.clone().narrow(2, from, block);

    // What each block adds to the state at its end: Σ_j a^(block−1−j)·x[j].
    let backwards = |x: &Tensor<3>| part(x, 0).flip([2]).swap_dims(1, 2);
    let added = |powers: &Tensor<3>| {
        let sums = rows.clone().matmul(backwards(powers));
        let sums = sums.reshape([channels, batch, count, states]);
        sums.swap_dims(0, 1)
    };
    let added = Complex {
        re: added(&powers.re),
        im: added(&powers.im),
    };
    let (before, end) = carry(added, log_pole, block, state);

    // Inside the block: the impulse response h[j] = Re Σ c·a^j as a triangular matrix.
    let output = Complex {
        re: output.re.clone().unsqueeze_dim::<3>(2),
        im: output.im.clone().unsqueeze_dim::<3>(2),
    };
    let response =
        part(&powers.re, 0) * output.re.clone() - part(&powers.im, 0) * output.im.clone();
    let inside = rows.matmul(triangular(response.sum_dim(1)));
    // From the state before it: y[j] = Re Σ c·a^(j+1)·s.
    let later = Complex {
        re: part(&powers.re, 1),
        im: part(&powers.im, 1),
    };
    let heard = output.times(later);
    let flat = |x: Tensor<4>| {
        let x = x.swap_dims(0, 1);
        x.reshape([channels, batch * count, states])
    };
    let carried = flat(before.re).matmul(heard.re) - flat(before.im).matmul(heard.im);
    let y = (inside + carried).reshape([channels, batch, count, block]);
    let y = y.swap_dims(0, 1);
    (y.reshape([batch, channels, len]), end)
}

/// The state before each block `[batch, channels, count, states]` and after the last, where
/// blocks add `added`: s ← a^block·s + added, for all blocks in log₂ count doubling steps.
fn carry(
    added: Complex<4>,
    log_pole: &Complex<2>,
    block: usize,
    first: Complex<3>,
) -> (Complex<4>, Complex<3>) {
    let [batch, channels, count, states] = added.re.dims();
    let mut sums = Complex {
        re: Tensor::cat(vec![first.re.unsqueeze_dim(2), added.re], 2),
        im: Tensor::cat(vec![first.im.unsqueeze_dim(2), added.im], 2),
    };
    let mut step = 1;
    while step <= count {
        let factor = power(log_pole.clone(), (block * step) as f32);
        let factor = Complex {
            re: factor.re.reshape([1, channels, 1, states]),
            im: factor.im.reshape([1, channels, 1, states]),
        };
        let earlier = Complex {
            re: sums.re.clone().narrow(2, 0, count + 1 - step),
            im: sums.im.clone().narrow(2, 0, count + 1 - step),
        };
        let moved = earlier.times(factor);
        let join = |old: Tensor<4>, moved: Tensor<4>| {
            let same = old.clone().narrow(2, 0, step);
            let rest = old.narrow(2, step, count + 1 - step) + moved;
            Tensor::cat(vec![same, rest], 2)
        };
        sums = Complex {
            re: join(sums.re, moved.re),
            im: join(sums.im, moved.im),
        };
        step *= 2;
    }
    let at = |x: &Tensor<4>, from: usize, len: usize| x.clone().narrow(2, from, len);
    let last = |x: &Tensor<4>| at(x, count, 1).reshape([batch, channels, states]);
    let before = Complex {
        re: at(&sums.re, 0, count),
        im: at(&sums.im, 0, count),
    };
    let end = Complex {
        re: last(&sums.re),
        im: last(&sums.im),
    };
    (before, end)
}

/// `[channels, 1, block]` → `[channels, block, block]` with h[j − i] at row i, column j ≥ i.
fn triangular(response: Tensor<3>) -> Tensor<3> {
    let [channels, _, block] = response.dims();
    let zeros = Tensor::zeros([channels, 1, block], &response.device());
    let padded = Tensor::cat(vec![zeros, response], 2);
    let rows = (0..block).map(|i| padded.clone().narrow(2, block - i, block));
    Tensor::cat(rows.collect(), 1)
}
