//! Recurrent sequences on a card: all time steps of an item in one cube, forward and backward.
//!
//! Both cells have four blocks of sums: i, f, g, o of an LSTM; r, z, and n of x and of h apart, of a
//! GRU. A thread has a unit with its four sums and holds their weights in registers; h goes round in
//! shared memory, packed by fours, for each thread reads all of it. Backward, the sums are made
//! again from y, which holds h; only an LSTM's c is kept of every step. The gradients of the sums
//! are written out, and those of the weights are one product of them with x and h at the end: that
//! needs no step to wait for another.
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
/// The widest layer, whose weights are a thread's registers, and the most channels of x.
pub(in crate::kernels) const MOST_UNITS: usize = 64;
/// Steps of x that lie in shared memory at once.
const TILE: usize = 32;
/// Steps that a cube of the weights' gradients sums over.
const PIECE: usize = 128;

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
        // SAFETY: a cube per item and a thread per unit; every index below stays within the shapes
        // that the operator's front page has checked.
        unsafe {
            forward_pass::launch_unchecked(
                &x.client,
                CubeCount::Static(batch as u32, 1, 1),
                CubeDim::new_1d(layer.units as u32),
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
                CubeDim::new_1d(layer.units as u32),
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
        // SAFETY: a cube per item and piece, a thread per unit.
        unsafe {
            weight_products::launch_unchecked(
                &x.client,
                CubeCount::Static(batch as u32, pieces as u32, 1),
                CubeDim::new_1d(layer.units as u32),
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

/// Four numbers that are read at once.
type Four = Vector<f32, Const<4>>;

/// Whether a block's sums have a part of x, and one of h.
impl Layer {
    fn hears_x(self, block: usize) -> bool {
        self.lstm || block != 3
    }

    fn hears_h(self, block: usize) -> bool {
        self.lstm || block != 2
    }

    /// Where in U a block's rows begin.
    fn hidden_rows(self, block: usize) -> usize {
        match self.lstm || block < 2 {
            true => block * self.units,
            false => 2 * self.units,
        }
    }

    /// Fours that h fills.
    fn fours(self) -> usize {
        self.units.div_ceil(4)
    }
}

/// Of a thread's unit the rows of W, block after block.
#[cube]
fn input_weights(w: &[f32], #[comptime] layer: Layer) -> Array<f32> {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let unit = UNIT_POS as usize;
    let mut weights = Array::<f32>::new(comptime!(SUMS * ins));
    #[unroll]
    for block in 0..SUMS {
        if comptime!(layer.hears_x(block)) {
            #[unroll]
            for i in 0..ins {
                weights[block * ins + i] = w[(block * units + unit) * ins + i];
            }
        }
    }
    weights
}

/// Of a thread's unit the rows of U.
#[cube]
fn hidden_weights(u: &[f32], #[comptime] layer: Layer) -> Array<f32> {
    let units = comptime!(layer.units);
    let unit = UNIT_POS as usize;
    let mut weights = Array::<f32>::new(comptime!(SUMS * units));
    #[unroll]
    for block in 0..SUMS {
        let rows = comptime!(layer.hidden_rows(block));
        if comptime!(layer.hears_h(block)) {
            #[unroll]
            for k in 0..units {
                weights[block * units + k] = u[(rows + unit) * units + k];
            }
        }
    }
    weights
}

/// The columns of U that lead back to a thread's unit from the sums of each block.
#[cube]
fn hidden_columns(u: &[f32], #[comptime] layer: Layer) -> Array<f32> {
    let units = comptime!(layer.units);
    let unit = UNIT_POS as usize;
    let mut weights = Array::<f32>::new(comptime!(SUMS * units));
    #[unroll]
    for block in 0..SUMS {
        let rows = comptime!(layer.hidden_rows(block));
        if comptime!(layer.hears_h(block)) {
            #[unroll]
            for k in 0..units {
                weights[block * units + k] = u[(rows + k) * units + unit];
            }
        }
    }
    weights
}

#[cube]
fn biases(bias: &[f32], #[comptime] layer: Layer) -> Array<f32> {
    let units = comptime!(layer.units);
    let unit = UNIT_POS as usize;
    let mut of_sums = Array::<f32>::new(SUMS);
    #[unroll]
    for block in 0..SUMS {
        if comptime!(layer.hears_x(block)) {
            of_sums[block] = bias[block * units + unit];
        }
        if comptime!(!layer.lstm && layer.hears_h(block)) {
            let rows = comptime!(3 * units + layer.hidden_rows(block));
            of_sums[block] += bias[rows + unit];
        }
    }
    of_sums
}

/// Steps `from` … of x to shared memory, `[input][step]`, by `threads` threads.
#[cube]
fn load_input(
    x: &[f32],
    tile: &mut Shared<[f32]>,
    from: usize,
    len: usize,
    #[comptime] ins: usize,
    #[comptime] threads: usize,
) {
    let mut at = UNIT_POS as usize;
    while at < comptime!(ins * TILE) {
        let step = from + at % TILE;
        if step < len {
            tile[at] = x[(CUBE_POS_X as usize * ins + at / TILE) * len + step];
        }
        at += threads;
    }
}

/// Packs the `fours` first fours, a thread each.
#[cube]
fn pack(from: &Shared<[f32]>, to: &mut Shared<[Four]>, #[comptime] fours: usize) {
    let at = UNIT_POS as usize;
    if at < fours {
        let mut four = Four::empty();
        #[unroll]
        for j in 0..4usize {
            four.insert(j, from[at * 4 + j]);
        }
        to[at] = four;
    }
}

/// The sums of a thread's unit; h lies in `h` from `first` on.
#[cube]
#[allow(clippy::too_many_arguments)]
fn sums_of(
    weights: &Array<f32>,
    tile: &Shared<[f32]>,
    step: usize,
    hidden: &Array<f32>,
    h: &Shared<[Four]>,
    first: usize,
    bias: &Array<f32>,
    #[comptime] layer: Layer,
) -> Array<f32> {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let mut sums = Array::<f32>::new(SUMS);
    #[unroll]
    for block in 0..SUMS {
        sums[block] = bias[block];
    }
    #[unroll]
    for i in 0..ins {
        let now = tile[i * TILE + step];
        #[unroll]
        for block in 0..SUMS {
            if comptime!(layer.hears_x(block)) {
                sums[block] += weights[block * ins + i] * now;
            }
        }
    }
    #[unroll]
    for four in 0..comptime!(layer.fours()) {
        let before = h[first + four];
        #[unroll]
        for j in 0..4usize {
            let k = comptime!(four * 4 + j);
            #[unroll]
            for block in 0..SUMS {
                if comptime!(k < units && layer.hears_h(block)) {
                    sums[block] += hidden[block * units + k] * before.extract(j);
                }
            }
        }
    }
    sums
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
    let (ins, units, fours) = comptime!((layer.ins, layer.units, layer.fours()));
    let unit = UNIT_POS as usize;
    let state = CUBE_POS_X as usize * units + unit;
    let weights = input_weights(w, layer);
    let hidden = hidden_weights(u, layer);
    let bias = biases(bias, layer);
    let mut tile = Shared::<[f32]>::new_slice(comptime!(ins * TILE));
    let mut plain = Shared::<[f32]>::new_slice(comptime!(fours * 4));
    let mut packed = Shared::<[Four]>::new_slice(fours);
    let mut h = first_h[state];
    let mut c = first_c[state];
    if unit == 0 {
        #[unroll]
        for beyond in units..comptime!(fours * 4) {
            plain[beyond] = 0.0;
        }
    }
    plain[unit] = h;
    sync_cube();
    pack(&plain, &mut packed, fours);
    let mut from = 0usize;
    while from < len {
        load_input(x, &mut tile, from, len, ins, units);
        sync_cube();
        let count = min(TILE, len - from);
        for step in 0..count {
            let sums = sums_of(
                &weights, &tile, step, &hidden, &packed, 0usize, &bias, layer,
            );
            let at = state * len + from + step;
            if comptime!(layer.lstm) {
                c += sigmoid(sums[0]) * tanh(sums[2]) - sigmoid(-sums[1]) * c;
                h = sigmoid(sums[3]) * tanh(c);
                if keep {
                    cells[at] = c;
                }
            } else {
                let n = tanh(sums[2] + sigmoid(sums[0]) * sums[3]);
                h += sigmoid(-sums[1]) * (n - h);
            }
            y[at] = h;
            plain[unit] = h;
            sync_cube();
            pack(&plain, &mut packed, fours);
            sync_cube();
        }
        from += TILE;
    }
    last_h[state] = h;
    last_c[state] = c;
}

/// Writes the gradients of the sums, `[item, step, unit]` of fours.
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
    of_sums: &mut [Four],
    len: usize,
    #[comptime] layer: Layer,
) {
    let (ins, units, fours) = comptime!((layer.ins, layer.units, layer.fours()));
    let unit = UNIT_POS as usize;
    let item = CUBE_POS_X as usize;
    let state = item * units + unit;
    let weights = input_weights(w, layer);
    let hidden = hidden_weights(u, layer);
    let columns = hidden_columns(u, layer);
    let bias = biases(bias, layer);
    let mut tile = Shared::<[f32]>::new_slice(comptime!(ins * TILE));
    // Two of each: a step writes one while the step before it may still be read.
    let mut h = Shared::<[Four]>::new_slice(comptime!(2 * fours));
    let mut parts = Shared::<[Four]>::new_slice(comptime!(2 * units));
    // c after the step.
    let mut c = 0.0f32;
    if comptime!(layer.lstm) {
        c = cells[state * len + len - 1];
    }
    if unit < fours {
        h[unit] = four_before(first_h, y, item, unit, len - 1, len, units);
    }
    let mut side = 0usize;
    // The gradients of h and c after a step that come from behind it.
    let mut behind_h = 0.0f32;
    let mut dc = 0.0f32;
    let tiles = len.div_ceil(TILE);
    for tiles_behind in 0..tiles {
        let from = (tiles - 1 - tiles_behind) * TILE;
        load_input(x, &mut tile, from, len, ins, units);
        sync_cube();
        let count = min(TILE, len - from);
        for behind in 0..count {
            let step = count - 1 - behind;
            let t = from + step;
            let sums = sums_of(
                &weights,
                &tile,
                step,
                &hidden,
                &h,
                side * fours,
                &bias,
                layer,
            );
            let dh = dy[state * len + t] + behind_h;
            let mut direct = 0.0f32;
            let mut own = Four::empty();
            if comptime!(layer.lstm) {
                let i = sigmoid(sums[0]);
                let forget = sigmoid(-sums[1]);
                let g = tanh(sums[2]);
                let o = sigmoid(sums[3]);
                let tanh_c = tanh(c);
                c = before(first_c, cells, state, t, len);
                dc += dh * o * (1.0 - tanh_c * tanh_c);
                own.insert(0usize, dc * g * i * (1.0 - i));
                own.insert(1usize, dc * c * forget * (1.0 - forget));
                own.insert(2usize, dc * i * (1.0 - g * g));
                own.insert(3usize, dh * tanh_c * o * (1.0 - o));
                dc -= dc * forget;
            } else {
                let r = sigmoid(sums[0]);
                let change = sigmoid(-sums[1]);
                let n = tanh(sums[2] + r * sums[3]);
                let dn = dh * change * (1.0 - n * n);
                let old = before(first_h, y, state, t, len);
                own.insert(0usize, dn * sums[3] * r * (1.0 - r));
                own.insert(1usize, dh * (old - n) * change * (1.0 - change));
                own.insert(2usize, dn);
                own.insert(3usize, dn * r);
                direct = dh - dh * change;
            }
            of_sums[(item * len + t) * units + unit] = own;
            parts[side * units + unit] = own;
            if t > 0 && unit < fours {
                h[(1 - side) * fours + unit] =
                    four_before(first_h, y, item, unit, t - 1, len, units);
            }
            sync_cube();
            behind_h = direct;
            #[unroll]
            for k in 0..units {
                let values = parts[side * units + k];
                #[unroll]
                for block in 0..SUMS {
                    if comptime!(layer.hears_h(block)) {
                        behind_h += columns[block * units + k] * values.extract(block);
                    }
                }
            }
            side = 1 - side;
        }
    }
}

/// Four neighbouring units of h before step `t`, 0 beyond the last.
#[cube]
fn four_before(
    first_h: &[f32],
    y: &[f32],
    item: usize,
    four: usize,
    t: usize,
    len: usize,
    #[comptime] units: usize,
) -> Four {
    let mut values = Four::empty();
    #[unroll]
    for j in 0..4usize {
        let k = four * 4 + j;
        let mut value = 0.0f32;
        if k < units {
            value = before(first_h, y, item * units + k, t, len);
        }
        values.insert(j, value);
    }
    values
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
fn input_gradient(w: &[f32], sums: &[Four], dx: &mut [f32], len: usize, #[comptime] layer: Layer) {
    let (ins, units) = comptime!((layer.ins, layer.units));
    let at = ABSOLUTE_POS;
    if at < dx.len() {
        let (channel, t) = (at / len % ins, at % len);
        let item = at / (len * ins);
        let mut sum = 0.0f32;
        for unit in 0..units {
            let parts = sums[(item * len + t) * units + unit];
            #[unroll]
            for block in 0..SUMS {
                if comptime!(layer.hears_x(block)) {
                    sum += w[(block * units + unit) * ins + channel] * parts.extract(block);
                }
            }
        }
        dx[at] = sum;
    }
}

/// Of each sum the products of its gradients with h, x and 1, summed over a piece of the steps:
/// `[item, piece, column, unit]` of fours.
#[cube(launch_unchecked)]
fn weight_products(
    x: &[f32],
    first_h: &[f32],
    y: &[f32],
    sums: &[Four],
    partial: &mut [Four],
    len: usize,
    #[comptime] layer: Layer,
) {
    let (ins, units, fours) = comptime!((layer.ins, layer.units, layer.fours()));
    let columns = comptime!(units + ins + 1);
    let unit = UNIT_POS as usize;
    let item = CUBE_POS_X as usize;
    let mut tile = Shared::<[f32]>::new_slice(comptime!(ins * TILE));
    let mut h = Shared::<[Four]>::new_slice(comptime!(layer.fours() * TILE));
    let mut products = Array::<Four>::new(columns);
    #[unroll]
    for column in 0..columns {
        products[column] = Four::new(0.0f32);
    }
    let mut from = CUBE_POS_Y as usize * PIECE;
    let end = min(from + PIECE, len);
    while from < end {
        load_input(x, &mut tile, from, len, ins, units);
        let mut at = unit;
        while at < comptime!(fours * TILE) {
            let t = from + at % TILE;
            if t < end {
                h[at] = four_before(first_h, y, item, at / TILE, t, len, units);
            }
            at += units;
        }
        sync_cube();
        let count = min(TILE, end - from);
        for step in 0..count {
            let d = sums[(item * len + from + step) * units + unit];
            #[unroll]
            for four in 0..fours {
                let values = h[four * TILE + step];
                #[unroll]
                for j in 0..4usize {
                    let k = comptime!(four * 4 + j);
                    if comptime!(k < units) {
                        products[k] += d * Four::new(values.extract(j));
                    }
                }
            }
            #[unroll]
            for i in 0..ins {
                products[units + i] += d * Four::new(tile[i * TILE + step]);
            }
            products[units + ins] += d;
        }
        sync_cube();
        from += TILE;
    }
    let part = (item * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize) * columns;
    #[unroll]
    for column in 0..columns {
        partial[(part + column) * units + unit] = products[column];
    }
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
            sum += partial[((part * columns + column) * units + row % units) * SUMS + row / units];
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
