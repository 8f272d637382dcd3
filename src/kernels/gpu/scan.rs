//! The diagonal state space on a card: a thread per item and channel goes through all of time with
//! its states in registers. Backward, the states at the beginning of each block of steps are known,
//! and those inside it are made again.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{buffer, cube, cubes};
use crate::kernels::bridge::{CardOperator, CardPass, empty};

/// States per channel that are registers of a thread.
pub(in crate::kernels) const MOST_STATES: usize = 32;
/// Steps between states that are kept.
const BLOCK: usize = 16;
/// Sequences of a cube: few, so that all of a card is busy.
const SEQUENCES: usize = 32;

/// A bank on a card. Inputs x, Re a, Im a, Re c, Im c, d, Re and Im of the state before the first
/// step; outputs y, Re and Im of the state after the last, and the states before each block.
#[derive(Debug)]
pub(in crate::kernels) struct CardScan {
    /// States per channel.
    pub states: usize,
}

impl CardScan {
    fn launches(x: &CubeTensor) -> (CubeCount, CubeDim, usize) {
        let [batch, channels, len] = x.meta.shape().dims();
        let count = (batch * channels).div_ceil(SEQUENCES) as u32;
        (
            CubeCount::Static(count, 1, 1),
            CubeDim::new_1d(SEQUENCES as u32),
            len,
        )
    }
}

impl CardOperator for CardScan {
    fn outputs(&self, inputs: &[Shape], keep: bool) -> Vec<Shape> {
        let [batch, channels, len] = inputs[0].dims();
        let state = Shape::new([batch, channels, self.states]);
        let blocks = if keep { len.div_ceil(BLOCK) } else { 0 };
        let kept = batch * channels * blocks * 2 * self.states;
        vec![
            inputs[0].clone(),
            state.clone(),
            state,
            Shape::new([kept.max(1)]),
        ]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let [x, a_re, a_im, c_re, c_im, d, re, im] = inputs else {
            return;
        };
        let [y, last_re, last_im, kept] = outputs else {
            return;
        };
        let (count, dim, len) = CardScan::launches(x);
        let [batch, channels, _] = x.meta.shape().dims();
        let keep = kept.meta.shape()[0] > 1;
        // SAFETY: a thread per sequence, those beyond end at once; all indices lie within the
        // shapes that the operator's front page has checked.
        unsafe {
            forward_pass::launch_unchecked(
                &x.client,
                count,
                dim,
                buffer(x),
                buffer(a_re),
                buffer(a_im),
                buffer(c_re),
                buffer(c_im),
                buffer(d),
                buffer(re),
                buffer(im),
                buffer(y),
                buffer(last_re),
                buffer(last_im),
                buffer(kept),
                batch * channels,
                channels,
                len,
                self.states,
                keep,
            );
        }
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let [x, a_re, a_im, c_re, c_im, d, ..] = pass.inputs else {
            return;
        };
        let [_, _, _, kept] = pass.outputs else {
            return;
        };
        let (count, dim, len) = CardScan::launches(x);
        let [batch, channels, _] = x.meta.shape().dims();
        let room = |at: usize| match &gradients[at] {
            Some(gradient) => gradient.clone(),
            None => empty(x, pass.inputs[at].meta.shape().clone()),
        };
        let dx = room(0);
        let numbers = 4 * self.states + 1;
        let partial = empty(x, [batch, channels, numbers]);
        // SAFETY: as in the forward pass.
        unsafe {
            backward_pass::launch_unchecked(
                &x.client,
                count,
                dim,
                buffer(x),
                buffer(a_re),
                buffer(a_im),
                buffer(c_re),
                buffer(c_im),
                buffer(d),
                buffer(kept),
                buffer(pass.dy),
                buffer(&dx),
                buffer(&partial),
                batch * channels,
                channels,
                len,
                self.states,
            );
        }
        if gradients[1..6].iter().all(Option::is_none) {
            return;
        }
        let [of_a_re, of_a_im, of_c_re, of_c_im, of_d] = [1, 2, 3, 4, 5].map(room);
        // SAFETY: a thread per number of all gradients, those beyond end at once.
        unsafe {
            weight_gradients::launch_unchecked(
                &x.client,
                cubes(channels * numbers),
                cube(),
                buffer(&partial),
                buffer(&of_a_re),
                buffer(&of_a_im),
                buffer(&of_c_re),
                buffer(&of_c_im),
                buffer(&of_d),
                batch,
                channels,
                self.states,
            );
        }
    }
}

/// A thread's row of a matrix `[channels, states]`.
#[cube]
fn row(of: &[f32], channel: usize, #[comptime] states: usize) -> Array<f32> {
    let mut values = Array::<f32>::new(states);
    #[unroll]
    for n in 0..states {
        values[n] = of[channel * states + n];
    }
    values
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn forward_pass(
    x: &[f32],
    a_re: &[f32],
    a_im: &[f32],
    c_re: &[f32],
    c_im: &[f32],
    d: &[f32],
    first_re: &[f32],
    first_im: &[f32],
    y: &mut [f32],
    last_re: &mut [f32],
    last_im: &mut [f32],
    kept: &mut [f32],
    sequences: usize,
    channels: usize,
    len: usize,
    #[comptime] states: usize,
    #[comptime] keep: bool,
) {
    let sequence = ABSOLUTE_POS;
    if sequence < sequences {
        let channel = sequence % channels;
        let (a_re, a_im) = (row(a_re, channel, states), row(a_im, channel, states));
        let (c_re, c_im) = (row(c_re, channel, states), row(c_im, channel, states));
        let through = d[channel];
        let mut re = row(first_re, sequence, states);
        let mut im = row(first_im, sequence, states);
        let blocks = len.div_ceil(BLOCK);
        for t in 0..len {
            if comptime!(keep) && t % BLOCK == 0 {
                let at = (sequence * blocks + t / BLOCK) * (2 * states);
                #[unroll]
                for n in 0..states {
                    kept[at + n] = re[n];
                    kept[at + states + n] = im[n];
                }
            }
            let now = x[sequence * len + t];
            let mut sum = through * now;
            #[unroll]
            for n in 0..states {
                let next = a_re[n] * re[n] - a_im[n] * im[n] + now;
                im[n] = a_re[n] * im[n] + a_im[n] * re[n];
                re[n] = next;
                sum += c_re[n] * re[n] - c_im[n] * im[n];
            }
            y[sequence * len + t] = sum;
        }
        #[unroll]
        for n in 0..states {
            last_re[sequence * states + n] = re[n];
            last_im[sequence * states + n] = im[n];
        }
    }
}

/// The gradient of x, and of each item the gradients of a channel's weights, `[item, channel, Re a,
/// Im a, Re c, Im c of all states, d]`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn backward_pass(
    x: &[f32],
    a_re: &[f32],
    a_im: &[f32],
    c_re: &[f32],
    c_im: &[f32],
    d: &[f32],
    kept: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    partial: &mut [f32],
    sequences: usize,
    channels: usize,
    len: usize,
    #[comptime] states: usize,
) {
    let sequence = ABSOLUTE_POS;
    if sequence < sequences {
        let channel = sequence % channels;
        let (a_re, a_im) = (row(a_re, channel, states), row(a_im, channel, states));
        let (c_re, c_im) = (row(c_re, channel, states), row(c_im, channel, states));
        let through = d[channel];
        // The gradients of the states after a step, and of the weights.
        let mut of_re = Array::<f32>::new(states);
        let mut of_im = Array::<f32>::new(states);
        let mut of_a_re = Array::<f32>::new(states);
        let mut of_a_im = Array::<f32>::new(states);
        let mut of_c_re = Array::<f32>::new(states);
        let mut of_c_im = Array::<f32>::new(states);
        let mut of_d = 0.0f32;
        // A state before each step of a block, and dx of the block.
        let mut before_re = Array::<f32>::new(BLOCK);
        let mut before_im = Array::<f32>::new(BLOCK);
        let mut of_x = Array::<f32>::new(BLOCK);
        let blocks = len.div_ceil(BLOCK);
        for behind in 0..blocks {
            let block = blocks - 1 - behind;
            let from = block * BLOCK;
            let count = min(BLOCK, len - from);
            let start = sequence * len + from;
            for step in 0..count {
                let g = dy[start + step];
                of_x[step] = through * g;
                of_d += g * x[start + step];
            }
            #[unroll]
            for n in 0..states {
                let at = (sequence * blocks + block) * (2 * states);
                let mut re = kept[at + n];
                let mut im = kept[at + states + n];
                for step in 0..count {
                    before_re[step] = re;
                    before_im[step] = im;
                    let next = a_re[n] * re - a_im[n] * im + x[start + step];
                    im = a_re[n] * im + a_im[n] * re;
                    re = next;
                }
                for back in 0..count {
                    let step = count - 1 - back;
                    let g = dy[start + step];
                    of_c_re[n] += g * re;
                    of_c_im[n] -= g * im;
                    let to_re = g * c_re[n] + a_re[n] * of_re[n] + a_im[n] * of_im[n];
                    let to_im = a_re[n] * of_im[n] - a_im[n] * of_re[n] - g * c_im[n];
                    re = before_re[step];
                    im = before_im[step];
                    of_a_re[n] += to_re * re + to_im * im;
                    of_a_im[n] += to_im * re - to_re * im;
                    of_x[step] += to_re;
                    of_re[n] = to_re;
                    of_im[n] = to_im;
                }
            }
            for step in 0..count {
                dx[start + step] = of_x[step];
            }
        }
        let to = sequence * (4 * states + 1);
        #[unroll]
        for n in 0..states {
            partial[to + n] = of_a_re[n];
            partial[to + states + n] = of_a_im[n];
            partial[to + 2 * states + n] = of_c_re[n];
            partial[to + 3 * states + n] = of_c_im[n];
        }
        partial[to + 4 * states] = of_d;
    }
}

/// Adds the items up, in their order.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn weight_gradients(
    partial: &[f32],
    a_re: &mut [f32],
    a_im: &mut [f32],
    c_re: &mut [f32],
    c_im: &mut [f32],
    d: &mut [f32],
    batch: usize,
    channels: usize,
    states: usize,
) {
    let numbers = 4 * states + 1;
    let at = ABSOLUTE_POS;
    if at < channels * numbers {
        let mut sum = 0.0f32;
        for item in 0..batch {
            sum += partial[item * channels * numbers + at];
        }
        let (channel, number) = (at / numbers, at % numbers);
        let to = channel * states + number % states;
        if number < states {
            a_re[to] = sum;
        } else if number < 2 * states {
            a_im[to] = sum;
        } else if number < 3 * states {
            c_re[to] = sum;
        } else if number < 4 * states {
            c_im[to] = sum;
        } else {
            d[channel] = sum;
        }
    }
}
