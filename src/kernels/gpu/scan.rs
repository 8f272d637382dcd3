//! The diagonal state space on a card: a thread per item and channel goes through all of time with
//! its states in registers, its coefficients made of the weights by itself. Backward, the states at the
//! beginning of each block of steps are known, and those inside it are made again.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{buffer, cube};
use super::math::{cosine, sigmoid, sine, softplus};
use crate::kernels::bridge::{CardOperator, CardPass, empty};

/// States per channel that are registers of a thread.
pub(in crate::kernels) const MOST_STATES: usize = 32;
/// Steps between states that are kept.
const BLOCK: usize = 16;
/// Sequences of a cube: few, so that all of a card is busy.
const SEQUENCES: usize = 32;

/// A bank on a card. Inputs x, ln Δ, the decays, Im A, Re C, Im C, d and, where there is one, the state
/// before the first step; outputs y, the state after the last, and the states before each block.
#[derive(Debug)]
pub(in crate::kernels) struct CardScan {
    /// States per row.
    pub states: usize,
}

impl CardScan {
    fn launches(x: &CubeTensor) -> (CubeCount, CubeDim, usize) {
        let [batch, rows, len] = x.meta.shape().dims();
        let count = (batch * rows).div_ceil(SEQUENCES) as u32;
        (
            CubeCount::Static(count, 1, 1),
            CubeDim::new_1d(SEQUENCES as u32),
            len,
        )
    }
}

impl CardOperator for CardScan {
    fn outputs(&self, inputs: &[Shape], keep: bool) -> Vec<Shape> {
        let [batch, rows, len] = inputs[0].dims();
        let blocks = if keep { len.div_ceil(BLOCK) } else { 0 };
        let kept = batch * rows * blocks * 2 * self.states;
        vec![
            inputs[0].clone(),
            Shape::new([batch, rows * 2 * self.states]),
            Shape::new([kept.max(1)]),
        ]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let [
            x,
            log_step,
            decay,
            frequency,
            output_re,
            output_im,
            d,
            before @ ..,
        ] = inputs
        else {
            return;
        };
        let [y, last, kept] = outputs else {
            return;
        };
        let (count, dim, len) = CardScan::launches(x);
        let [batch, rows, _] = x.meta.shape().dims();
        let keep = kept.meta.shape()[0] > 1;
        // SAFETY: a thread per sequence, those beyond end at once; all indices lie within the
        // shapes that the operator's front page has checked.
        unsafe {
            forward_pass::launch_unchecked(
                &x.client,
                count,
                dim,
                buffer(x),
                buffer(log_step),
                buffer(decay),
                buffer(frequency),
                buffer(output_re),
                buffer(output_im),
                buffer(d),
                buffer(before.first().unwrap_or(d)),
                buffer(y),
                buffer(last),
                buffer(kept),
                batch * rows,
                rows,
                len,
                decay.meta.shape()[1],
                self.states,
                !before.is_empty(),
                keep,
            );
        }
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let [x, log_step, decay, frequency, output_re, output_im, d, ..] = pass.inputs else {
            return;
        };
        let [_, _, kept] = pass.outputs else {
            return;
        };
        let (count, dim, len) = CardScan::launches(x);
        let [batch, rows, _] = x.meta.shape().dims();
        let per_step = decay.meta.shape()[1];
        let room = |at: usize| match &gradients[at] {
            Some(gradient) => gradient.clone(),
            None => empty(x, pass.inputs[at].meta.shape().clone()),
        };
        let dx = room(0);
        let partial = empty(x, [batch, rows, 4 * self.states + 1]);
        // SAFETY: as in the forward pass.
        unsafe {
            backward_pass::launch_unchecked(
                &x.client,
                count,
                dim,
                buffer(x),
                buffer(log_step),
                buffer(decay),
                buffer(frequency),
                buffer(output_re),
                buffer(output_im),
                buffer(d),
                buffer(kept),
                buffer(pass.dy),
                buffer(&dx),
                buffer(&partial),
                batch * rows,
                rows,
                len,
                per_step,
                self.states,
            );
        }
        if gradients[1..7].iter().all(Option::is_none) {
            return;
        }
        let of = [1, 2, 3, 4, 5, 6].map(room);
        // SAFETY: a cube per row, with a thread for each of its sums at least.
        unsafe {
            weight_gradients::launch_unchecked(
                &x.client,
                CubeCount::Static(rows as u32, 1, 1),
                cube(),
                buffer(&partial),
                buffer(log_step),
                buffer(decay),
                buffer(frequency),
                buffer(output_re),
                buffer(output_im),
                buffer(&of[0]),
                buffer(&of[1]),
                buffer(&of[2]),
                buffer(&of[3]),
                buffer(&of[4]),
                buffer(&of[5]),
                batch,
                rows,
                per_step,
                self.states,
            );
        }
    }
}

/// A state: A, its step Δ, its pole a = e^(Δ·A), and what an input held for a step does to it,
/// (a − 1)/A.
#[derive(CubeType, Clone, Copy)]
struct State {
    a_re: f32,
    a_im: f32,
    step: f32,
    pole_re: f32,
    pole_im: f32,
    held_re: f32,
    held_im: f32,
}

/// State `at` of all rows'; `per_step` neighbours share a step.
#[cube]
fn state(log_step: &[f32], decay: &[f32], frequency: &[f32], at: usize, per_step: usize) -> State {
    let step = f32::exp(log_step[at / per_step]);
    let a_re = -softplus(decay[at]);
    let a_im = frequency[at];
    let size = f32::exp(a_re * step);
    let pole_re = size * cosine(a_im * step);
    let pole_im = size * sine(a_im * step);
    let square = a_re * a_re + a_im * a_im;
    State {
        a_re,
        a_im,
        step,
        pole_re,
        pole_im,
        held_re: ((pole_re - 1.0f32) * a_re + pole_im * a_im) / square,
        held_im: (pole_im * a_re - (pole_re - 1.0f32) * a_im) / square,
    }
}

/// Re a, Im a, Re c, Im c of all states of a row, of which `per_step` neighbours share a step.
#[cube]
#[allow(clippy::too_many_arguments)]
fn coefficients(
    log_step: &[f32],
    decay: &[f32],
    frequency: &[f32],
    output_re: &[f32],
    output_im: &[f32],
    row: usize,
    per_step: usize,
    #[comptime] states: usize,
) -> Array<f32> {
    let mut values = Array::<f32>::new(comptime!(4 * states));
    #[unroll]
    for n in 0..states {
        let at = row * states + n;
        let state = state(log_step, decay, frequency, at, per_step);
        values[n] = state.pole_re;
        values[states + n] = state.pole_im;
        let c_re = output_re[at] * 2.0f32;
        let c_im = output_im[at] * 2.0f32;
        values[2 * states + n] = c_re * state.held_re - c_im * state.held_im;
        values[3 * states + n] = c_re * state.held_im + c_im * state.held_re;
    }
    values
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn forward_pass(
    x: &[f32],
    log_step: &[f32],
    decay: &[f32],
    frequency: &[f32],
    output_re: &[f32],
    output_im: &[f32],
    d: &[f32],
    first: &[f32],
    y: &mut [f32],
    last: &mut [f32],
    kept: &mut [f32],
    sequences: usize,
    rows: usize,
    len: usize,
    per_step: usize,
    #[comptime] states: usize,
    #[comptime] has_first: bool,
    #[comptime] keep: bool,
) {
    let sequence = ABSOLUTE_POS;
    if sequence < sequences {
        let row = sequence % rows;
        let w = coefficients(
            log_step, decay, frequency, output_re, output_im, row, per_step, states,
        );
        let through = d[row];
        let mut re = Array::<f32>::new(states);
        let mut im = Array::<f32>::new(states);
        #[unroll]
        for n in 0..states {
            if comptime!(has_first) {
                re[n] = first[2 * sequence * states + n];
                im[n] = first[(2 * sequence + 1) * states + n];
            } else {
                re[n] = 0.0f32;
                im[n] = 0.0f32;
            }
        }
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
                let next = w[n] * re[n] - w[states + n] * im[n] + now;
                im[n] = w[n] * im[n] + w[states + n] * re[n];
                re[n] = next;
                sum += w[2 * states + n] * re[n] - w[3 * states + n] * im[n];
            }
            y[sequence * len + t] = sum;
        }
        #[unroll]
        for n in 0..states {
            last[2 * sequence * states + n] = re[n];
            last[(2 * sequence + 1) * states + n] = im[n];
        }
    }
}

/// The gradient of x, and of each item the gradients of a row's coefficients, `[item, row, Re a, Im a,
/// Re c, Im c of all states, d]`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn backward_pass(
    x: &[f32],
    log_step: &[f32],
    decay: &[f32],
    frequency: &[f32],
    output_re: &[f32],
    output_im: &[f32],
    d: &[f32],
    kept: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    partial: &mut [f32],
    sequences: usize,
    rows: usize,
    len: usize,
    per_step: usize,
    #[comptime] states: usize,
) {
    let sequence = ABSOLUTE_POS;
    if sequence < sequences {
        let row = sequence % rows;
        let w = coefficients(
            log_step, decay, frequency, output_re, output_im, row, per_step, states,
        );
        let through = d[row];
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
                    let next = w[n] * re - w[states + n] * im + x[start + step];
                    im = w[n] * im + w[states + n] * re;
                    re = next;
                }
                for back in 0..count {
                    let step = count - 1 - back;
                    let g = dy[start + step];
                    of_c_re[n] += g * re;
                    of_c_im[n] -= g * im;
                    let to_re = g * w[2 * states + n] + w[n] * of_re[n] + w[states + n] * of_im[n];
                    let to_im = w[n] * of_im[n] - w[states + n] * of_re[n] - g * w[3 * states + n];
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

/// Adds the items up, in their order, and leads the sums back to the weights. With G the gradient (Re +
/// i·Im) of a complex number, that of u in z = u·v is G·v̄.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn weight_gradients(
    partial: &[f32],
    log_step: &[f32],
    decay: &[f32],
    frequency: &[f32],
    output_re: &[f32],
    output_im: &[f32],
    of_log_step: &mut [f32],
    of_decay: &mut [f32],
    of_frequency: &mut [f32],
    of_output_re: &mut [f32],
    of_output_im: &mut [f32],
    of_d: &mut [f32],
    batch: usize,
    rows: usize,
    per_step: usize,
    #[comptime] states: usize,
) {
    let row = CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let numbers = comptime!(4 * states + 1);
    let mut sums = Shared::<[f32]>::new_slice(numbers);
    if unit < numbers {
        let mut sum = 0.0f32;
        for item in 0..batch {
            sum += partial[(item * rows + row) * numbers + unit];
        }
        sums[unit] = sum;
    }
    sync_cube();
    let mut of_steps = Shared::<[f32]>::new_slice(states);
    if unit < states {
        let at = row * states + unit;
        let state = state(log_step, decay, frequency, at, per_step);
        let (a_re, a_im, step) = (state.a_re, state.a_im, state.step);
        let (pole_re, pole_im) = (state.pole_re, state.pole_im);
        let (held_re, held_im) = (state.held_re, state.held_im);
        let square = a_re * a_re + a_im * a_im;
        // c = 2·C·held
        let g_re = sums[2 * states + unit] * 2.0f32;
        let g_im = sums[3 * states + unit] * 2.0f32;
        of_output_re[at] = g_re * held_re + g_im * held_im;
        of_output_im[at] = g_im * held_re - g_re * held_im;
        let of_held_re = g_re * output_re[at] + g_im * output_im[at];
        let of_held_im = g_im * output_re[at] - g_re * output_im[at];
        // held = (a − 1)/A, so its slope by a is 1/A, and by A −held/A.
        let over_re = (of_held_re * a_re - of_held_im * a_im) / square;
        let over_im = (of_held_re * a_im + of_held_im * a_re) / square;
        // a = e^(Δ·A)
        let of_pole_re = sums[unit] + over_re;
        let of_pole_im = sums[states + unit] + over_im;
        let of_log_re = of_pole_re * pole_re + of_pole_im * pole_im;
        let of_log_im = of_pole_im * pole_re - of_pole_re * pole_im;
        of_steps[unit] = (of_log_re * a_re + of_log_im * a_im) * step;
        let of_a_re = of_log_re * step - (over_re * held_re + over_im * held_im);
        of_decay[at] = -of_a_re * sigmoid(decay[at]);
        of_frequency[at] = of_log_im * step - (over_im * held_re - over_re * held_im);
    }
    sync_cube();
    let steps = states / per_step;
    if unit < steps {
        let mut sum = 0.0f32;
        for n in 0..per_step {
            sum += of_steps[unit * per_step + n];
        }
        of_log_step[row * steps + unit] = sum;
    }
    if unit == 0 {
        of_d[row] = sums[4 * states];
    }
}
