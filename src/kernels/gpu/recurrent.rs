//! Recurrent sequences on a card: all time steps of an item in one cube, forward and backward.
//!
//! Both cells have four blocks of sums, one thread per sum: i, f, g, o of an LSTM; r, z, and n of x
//! and of h apart, of a GRU. A thread holds its rows of W and U in registers, the units' state goes
//! round in shared memory. Backward, the sums are made again from y, which holds h; only an LSTM's
//! c is kept of every step. The gradients of the sums are written out, and those of the weights are
//! one product of them with x and h at the end: that needs no step to wait for another.
//!
//! The memory is old state plus what changes: c + (i·g − (1 − f)·c) and h + (1 − z)·(n − h), the
//! complements made as σ(−x), so that a memory near 1 keeps its last bits.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{buffer, cube, cubes};
use super::math::{sigmoid, tanh};
use crate::kernels::bridge::{CardOperator, CardPass, empty};
use crate::kernels::recurrent::{Cell, Recurrent};

/// Blocks of sums.
const SUMS: usize = 4;
/// The widest layer, whose sums are a cube's threads, and the most channels of x.
pub(in crate::kernels) const MOST_UNITS: usize = 64;
/// Steps of x that lie in shared memory at once.
const TILE: usize = 32;
/// Steps that a cube of the weights' gradients sums over.
const PIECE: usize = 256;

/// What kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Layer {
    lstm: bool,
    ins: usize,
    units: usize,
}

/// A layer on a card. Inputs x, W, U, bias, h and c (a GRU: h again) before the first step; outputs
/// y, h and c after the last, and c after every step for the backward pass.
#[derive(Debug)]
pub(in crate::kernels) struct CardRecurrent(pub Recurrent);

impl CardRecurrent {
    fn layer(&self) -> Layer {
        Layer {
            lstm: self.0.cell == Cell::Lstm,
            ins: self.0.input_size,
            units: self.0.hidden_size,
        }
    }
}

impl CardOperator for CardRecurrent {
    fn outputs(&self, inputs: &[Shape], keep: bool) -> Vec<Shape> {
        let (batch, len, units) = (inputs[0][0], inputs[0][2], self.0.hidden_size);
        let state = Shape::new([batch, units]);
        let cells = match keep && self.0.cell == Cell::Lstm {
            true => Shape::new([batch, units, len]),
            false => Shape::new([1, 1, 1]),
        };
        let y = Shape::new([batch, units, len]);
        vec![y, state.clone(), state, cells]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let [x, w, u, bias, h, c] = inputs else {
            return;
        };
        let [y, last_h, last_c, cells] = outputs else {
            return;
        };
        let layer = self.layer();
        let [batch, _, len] = x.meta.shape().dims();
        let keep = cells.meta.shape().num_elements() == batch * layer.units * len;
        // SAFETY: a cube per item and a thread per sum; every index below stays within the shapes
        // that the operator's front page has checked.
        unsafe {
            forward_pass::launch_unchecked(
                &x.client,
                CubeCount::Static(batch as u32, 1, 1),
                CubeDim::new_1d((SUMS * layer.units) as u32),
                buffer(x),
                buffer(w),
                buffer(u),
                buffer(bias),
                buffer(h),
                buffer(c),
                buffer(y),
                buffer(last_h),
                buffer(last_c),
                buffer(cells),
                len,
                layer,
                keep,
            );
        }
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let [x, w, u, bias, h, c] = pass.inputs else {
            return;
        };
        let [y, _, _, cells] = pass.outputs else {
            return;
        };
        let layer = self.layer();
        let [batch, _, len] = x.meta.shape().dims();
        let rows = SUMS * layer.units;
        let sums = empty(x, [batch, len, rows]);
        // SAFETY: as in the forward pass.
        unsafe {
            backward_pass::launch_unchecked(
                &x.client,
                CubeCount::Static(batch as u32, 1, 1),
                CubeDim::new_1d(rows as u32),
                buffer(x),
                buffer(w),
                buffer(u),
                buffer(bias),
                buffer(h),
                buffer(c),
                buffer(y),
                buffer(cells),
                buffer(pass.dy),
                buffer(&sums),
                len,
                layer,
            );
        }
        if let Some(dx) = &gradients[0] {
            let inputs = rows - if layer.lstm { 0 } else { layer.units };
            // SAFETY: a thread per number of dx, those beyond end at once.
            unsafe {
                input_gradient::launch_unchecked(
                    &x.client,
                    cubes(batch * len * layer.ins),
                    cube(),
                    buffer(w),
                    buffer(&sums),
                    buffer(dx),
                    len,
                    inputs,
                    layer,
                );
            }
        }
        if gradients[1..4].iter().all(Option::is_none) {
            return;
        }
        let pieces = len.div_ceil(PIECE);
        let parts = batch * pieces;
        let columns = layer.units + layer.ins + 1;
        let partial = empty(x, [parts, columns, rows]);
        // SAFETY: a cube per item and piece, a thread per sum.
        unsafe {
            weight_products::launch_unchecked(
                &x.client,
                CubeCount::Static(batch as u32, pieces as u32, 1),
                CubeDim::new_1d(rows as u32),
                buffer(x),
                buffer(h),
                buffer(y),
                buffer(&sums),
                buffer(&partial),
                len,
                layer,
            );
        }
        let room = |at: usize| match &gradients[at] {
            Some(gradient) => gradient.clone(),
            None => empty(x, pass.inputs[at].meta.shape().clone()),
        };
        let [dw, du, db] = [1, 2, 3].map(room);
        let gates = self.0.gates() * layer.units;
        let numbers = gates * (layer.units + layer.ins) + self.0.biases();
        // SAFETY: a thread per number of the three gradients, those beyond end at once.
        unsafe {
            weight_gradients::launch_unchecked(
                &x.client,
                cubes(numbers),
                cube(),
                buffer(&partial),
                buffer(&dw),
                buffer(&du),
                buffer(&db),
                parts,
                layer,
            );
        }
    }
}

/// A thread's rows of W and U: `None` where its sum has no part of x, or of h.
#[cube]
fn input_weights(w: &[f32], #[comptime] layer: Layer) -> Array<f32> {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let row = UNIT_POS as usize;
    let mut weights = Array::<f32>::new(ins);
    if comptime!(layer.lstm) || row < 3 * units {
        #[unroll]
        for i in 0..ins {
            weights[i] = w[row * ins + i];
        }
    }
    weights
}

#[cube]
fn hidden_weights(u: &[f32], #[comptime] layer: Layer) -> Array<f32> {
    let units = comptime!(layer.units);
    let row = UNIT_POS as usize;
    let mut weights = Array::<f32>::new(units);
    if comptime!(layer.lstm) || row < 2 * units {
        #[unroll]
        for k in 0..units {
            weights[k] = u[row * units + k];
        }
    } else if row >= 3 * units {
        #[unroll]
        for k in 0..units {
            weights[k] = u[(row - units) * units + k];
        }
    }
    weights
}

/// Of a thread's unit the column of U that leads back to it from the sums of the thread's block.
#[cube]
fn hidden_column(u: &[f32], #[comptime] layer: Layer) -> Array<f32> {
    let units = comptime!(layer.units);
    let row = UNIT_POS as usize;
    let (block, unit) = (row / units, row % units);
    let mut weights = Array::<f32>::new(units);
    if comptime!(layer.lstm) || block < 2 {
        #[unroll]
        for k in 0..units {
            weights[k] = u[(block * units + k) * units + unit];
        }
    } else if block == 3 {
        #[unroll]
        for k in 0..units {
            weights[k] = u[(2 * units + k) * units + unit];
        }
    }
    weights
}

#[cube]
fn sum_bias(bias: &[f32], #[comptime] layer: Layer) -> f32 {
    let units = comptime!(layer.units);
    let row = UNIT_POS as usize;
    if comptime!(layer.lstm) {
        bias[row]
    } else {
        let mut of_sum = 0.0f32;
        if row < 3 * units {
            of_sum += bias[row];
        }
        if row < 2 * units {
            of_sum += bias[3 * units + row];
        }
        if row >= 3 * units {
            of_sum += bias[2 * units + row];
        }
        of_sum
    }
}

/// Steps `from` … of x to shared memory, `[input][step]`.
#[cube]
fn load_input(
    x: &[f32],
    tile: &mut Shared<[f32]>,
    from: usize,
    len: usize,
    #[comptime] layer: Layer,
) {
    let (ins, rows) = comptime!((layer.ins, SUMS * layer.units));
    let mut at = UNIT_POS as usize;
    while at < comptime!(ins * TILE) {
        let step = from + at % TILE;
        if step < len {
            tile[at] = x[(CUBE_POS_X as usize * ins + at / TILE) * len + step];
        }
        at += rows;
    }
}

/// The thread's sum as the step needs it: a gate's value, of the gate that keeps the memory its
/// complement, of a GRU's n the sum itself.
#[cube]
fn gate(sum: f32, #[comptime] layer: Layer) -> f32 {
    let units = comptime!(layer.units);
    let block = UNIT_POS as usize / units;
    if block == 1 {
        sigmoid(-sum)
    } else if comptime!(layer.lstm) {
        if block == 2 { tanh(sum) } else { sigmoid(sum) }
    } else if block == 0 {
        sigmoid(sum)
    } else {
        sum
    }
}

#[cube]
fn sum_of(
    weights: &Array<f32>,
    tile: &Shared<[f32]>,
    step: usize,
    hidden: &Array<f32>,
    h: &Shared<[f32]>,
    bias: f32,
    #[comptime] layer: Layer,
) -> f32 {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let mut sum = bias;
    #[unroll]
    for i in 0..ins {
        sum += weights[i] * tile[i * TILE + step];
    }
    #[unroll]
    for k in 0..units {
        sum += hidden[k] * h[k];
    }
    sum
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn forward_pass(
    x: &[f32],
    w: &[f32],
    u: &[f32],
    bias: &[f32],
    first_h: &[f32],
    first_c: &[f32],
    y: &mut [f32],
    last_h: &mut [f32],
    last_c: &mut [f32],
    cells: &mut [f32],
    len: usize,
    #[comptime] layer: Layer,
    #[comptime] keep: bool,
) {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let row = UNIT_POS as usize;
    let state = CUBE_POS_X as usize * units + row;
    let weights = input_weights(w, layer);
    let hidden = hidden_weights(u, layer);
    let bias = sum_bias(bias, layer);
    let mut tile = Shared::<[f32]>::new_slice(comptime!(ins * TILE));
    let mut gates = Shared::<[f32]>::new_slice(comptime!(SUMS * units));
    let mut h = Shared::<[f32]>::new_slice(units);
    let mut c = 0.0f32;
    if row < units {
        h[row] = first_h[state];
        c = first_c[state];
    }
    let mut from = 0usize;
    while from < len {
        load_input(x, &mut tile, from, len, layer);
        sync_cube();
        let count = min(TILE, len - from);
        for step in 0..count {
            gates[row] = gate(
                sum_of(&weights, &tile, step, &hidden, &h, bias, layer),
                layer,
            );
            sync_cube();
            if row < units {
                let at = state * len + from + step;
                if comptime!(layer.lstm) {
                    let (i, forget) = (gates[row], gates[units + row]);
                    let (g, o) = (gates[2 * units + row], gates[3 * units + row]);
                    c += i * g - forget * c;
                    h[row] = o * tanh(c);
                    if keep {
                        cells[at] = c;
                    }
                } else {
                    let n = tanh(gates[2 * units + row] + gates[row] * gates[3 * units + row]);
                    let before = h[row];
                    h[row] = before + gates[units + row] * (n - before);
                }
                y[at] = h[row];
            }
            sync_cube();
        }
        from += TILE;
    }
    if row < units {
        last_h[state] = h[row];
        last_c[state] = c;
    }
}

/// Writes the gradients of the sums, `[item, step, sum]`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn backward_pass(
    x: &[f32],
    w: &[f32],
    u: &[f32],
    bias: &[f32],
    first_h: &[f32],
    first_c: &[f32],
    y: &[f32],
    cells: &[f32],
    dy: &[f32],
    sums: &mut [f32],
    len: usize,
    #[comptime] layer: Layer,
) {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let rows = comptime!(SUMS * units);
    let row = UNIT_POS as usize;
    let block = row / units;
    let item = CUBE_POS_X as usize;
    let state = item * units + row;
    let weights = input_weights(w, layer);
    let hidden = hidden_weights(u, layer);
    let column = hidden_column(u, layer);
    let bias = sum_bias(bias, layer);
    let mut tile = Shared::<[f32]>::new_slice(comptime!(ins * TILE));
    let mut gates = Shared::<[f32]>::new_slice(rows);
    let mut of_sums = Shared::<[f32]>::new_slice(rows);
    let mut back = Shared::<[f32]>::new_slice(rows);
    let mut h = Shared::<[f32]>::new_slice(units);
    back[row] = 0.0;
    // Of the gradient of h before a step what does not pass through the sums, and that of c.
    let mut direct = 0.0f32;
    let mut dc = 0.0f32;
    if row < units {
        h[row] = before(first_h, y, state, len - 1, len);
    }
    let tiles = len.div_ceil(TILE);
    for tiles_behind in 0..tiles {
        let from = (tiles - 1 - tiles_behind) * TILE;
        load_input(x, &mut tile, from, len, layer);
        sync_cube();
        let count = min(TILE, len - from);
        for behind in 0..count {
            let step = count - 1 - behind;
            let t = from + step;
            gates[row] = gate(
                sum_of(&weights, &tile, step, &hidden, &h, bias, layer),
                layer,
            );
            sync_cube();
            if row < units {
                let mut dh = dy[state * len + t] + direct;
                #[unroll]
                for part in 0..SUMS {
                    dh += back[part * units + row];
                }
                if comptime!(layer.lstm) {
                    let (i, forget) = (gates[row], gates[units + row]);
                    let (g, o) = (gates[2 * units + row], gates[3 * units + row]);
                    let tanh_c = tanh(cells[state * len + t]);
                    let c = before(first_c, cells, state, t, len);
                    dc += dh * o * (1.0 - tanh_c * tanh_c);
                    of_sums[row] = dc * g * i * (1.0 - i);
                    of_sums[units + row] = dc * c * forget * (1.0 - forget);
                    of_sums[2 * units + row] = dc * i * (1.0 - g * g);
                    of_sums[3 * units + row] = dh * tanh_c * o * (1.0 - o);
                    dc -= dc * forget;
                } else {
                    let (r, change) = (gates[row], gates[units + row]);
                    let of_h = gates[3 * units + row];
                    let n = tanh(gates[2 * units + row] + r * of_h);
                    let dn = dh * change * (1.0 - n * n);
                    of_sums[row] = dn * of_h * r * (1.0 - r);
                    of_sums[units + row] = dh * (h[row] - n) * change * (1.0 - change);
                    of_sums[2 * units + row] = dn;
                    of_sums[3 * units + row] = dn * r;
                    direct = dh - dh * change;
                }
                if t > 0 {
                    h[row] = before(first_h, y, state, t - 1, len);
                }
            }
            sync_cube();
            sums[(item * len + t) * rows + row] = of_sums[row];
            let mut through = 0.0f32;
            #[unroll]
            for k in 0..units {
                through += column[k] * of_sums[block * units + k];
            }
            back[row] = through;
        }
    }
}

/// A state before step `t` of what `all` holds after every step.
#[cube]
fn before(first: &[f32], all: &[f32], state: usize, t: usize, len: usize) -> f32 {
    if t > 0 {
        all[state * len + t - 1]
    } else {
        first[state]
    }
}

#[cube(launch_unchecked)]
fn input_gradient(
    w: &[f32],
    sums: &[f32],
    dx: &mut [f32],
    len: usize,
    inputs: usize,
    #[comptime] layer: Layer,
) {
    let (ins, rows) = comptime!((layer.ins, SUMS * layer.units));
    let at = ABSOLUTE_POS;
    if at < dx.len() {
        let (channel, t) = (at / len % ins, at % len);
        let item = at / (len * ins);
        let mut sum = 0.0f32;
        for row in 0..inputs {
            sum += w[row * ins + channel] * sums[(item * len + t) * rows + row];
        }
        dx[at] = sum;
    }
}

/// Of each sum the products of its gradients with h, x and 1, summed over a piece of the steps:
/// `[item, piece, column, sum]`.
#[cube(launch_unchecked)]
fn weight_products(
    x: &[f32],
    first_h: &[f32],
    y: &[f32],
    sums: &[f32],
    partial: &mut [f32],
    len: usize,
    #[comptime] layer: Layer,
) {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let rows = comptime!(SUMS * units);
    let columns = comptime!(units + ins + 1);
    let row = UNIT_POS as usize;
    let item = CUBE_POS_X as usize;
    let mut tile = Shared::<[f32]>::new_slice(comptime!(ins * TILE));
    let mut h = Shared::<[f32]>::new_slice(comptime!(units * TILE));
    let mut of_h = Array::<f32>::new(units);
    let mut of_x = Array::<f32>::new(ins);
    let mut of_bias = 0.0f32;
    let mut from = CUBE_POS_Y as usize * PIECE;
    let end = min(from + PIECE, len);
    while from < end {
        load_input(x, &mut tile, from, end, layer);
        let mut at = row;
        while at < comptime!(units * TILE) {
            let t = from + at % TILE;
            if t < end {
                h[at] = before(first_h, y, item * units + at / TILE, t, len);
            }
            at += rows;
        }
        sync_cube();
        let count = min(TILE, end - from);
        for step in 0..count {
            let d = sums[(item * len + from + step) * rows + row];
            of_bias += d;
            #[unroll]
            for k in 0..units {
                of_h[k] += d * h[k * TILE + step];
            }
            #[unroll]
            for i in 0..ins {
                of_x[i] += d * tile[i * TILE + step];
            }
        }
        sync_cube();
        from += TILE;
    }
    let part = (item * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize) * columns;
    #[unroll]
    for k in 0..units {
        partial[(part + k) * rows + row] = of_h[k];
    }
    #[unroll]
    for i in 0..ins {
        partial[(part + units + i) * rows + row] = of_x[i];
    }
    partial[(part + units + ins) * rows + row] = of_bias;
}

/// Sums the pieces, in their order, into the gradients of W, U and the biases.
#[cube(launch_unchecked)]
fn weight_gradients(
    partial: &[f32],
    dw: &mut [f32],
    du: &mut [f32],
    db: &mut [f32],
    parts: usize,
    #[comptime] layer: Layer,
) {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let rows = comptime!(SUMS * units);
    let columns = comptime!(units + ins + 1);
    let inputs = dw.len();
    let both = inputs + du.len();
    let at = ABSOLUTE_POS;
    if at < both + db.len() {
        let is_input = at < inputs;
        let is_hidden = !is_input && at < both;
        let mut row = if is_input {
            at / ins
        } else if is_hidden {
            (at - inputs) / units
        } else {
            at - both
        };
        let column = if is_input {
            units + at % ins
        } else if is_hidden {
            (at - inputs) % units
        } else {
            comptime!(units + ins).runtime()
        };
        let of_hidden_bias = comptime!(!layer.lstm) && !is_input && !is_hidden && row >= 3 * units;
        if of_hidden_bias {
            row -= 3 * units;
        }
        // A GRU's n of h is the fourth block, of x the third.
        if comptime!(!layer.lstm) && (is_hidden || of_hidden_bias) && row >= 2 * units {
            row += units;
        }
        let mut sum = 0.0f32;
        for part in 0..parts {
            sum += partial[(part * columns + column) * rows + row];
        }
        if is_input {
            dw[at] = sum;
        } else if is_hidden {
            du[at - inputs] = sum;
        } else {
            db[at - both] = sum;
        }
    }
}
