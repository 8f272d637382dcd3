//! LSTM and GRU layers in a row, streaming, with a dense layer behind them where there is one.
//!
//! One step of a layer is a matrix times (input, hidden state): columns of weights times one
//! number each, summed in registers, one register per gate and vector of units. Units are padded
//! to whole vectors with zero weights; a padded unit stays at zero. Between layers the signal is
//! `[time][unit]`.

use crate::engine::block::{Aligned, Block, CHUNK};
use crate::engine::node::{Node, Plannable};
use crate::engine::ops::flush;
use crate::engine::plan::Plan;
use crate::network::{Conv1d, DescriptionError, Gru, Layer, Lstm};
use crate::simd::{Isa, Kernel, Simd, math};

#[derive(Debug)]
struct RecurrentStack {
    isa: Isa,
    inputs: usize,
    cells: Vec<Cell>,
    head: Option<Head>,
    /// The signal before and after the layer at work, `[time][unit]`.
    before: Vec<f32>,
    after: Vec<f32>,
}

#[derive(Debug)]
struct Cell {
    kind: Kind,
    inputs: usize,
    /// Distance between the time steps of its input.
    input_width: usize,
    units: usize,
    /// Units padded to whole vectors.
    width: usize,
    /// `[input or unit][gate][width]`
    weights: Aligned,
    /// LSTM: `[4][width]`; GRU: r, z, n of the input side, then n of the hidden side.
    bias: Vec<f32>,
    hidden: Aligned,
    /// The hidden state being made.
    next: Aligned,
    /// LSTM only.
    cell: Aligned,
    initial_hidden: Vec<f32>,
    initial_cell: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lstm,
    Gru,
}

/// The dense layer after the last cell.
#[derive(Debug)]
struct Head {
    outputs: usize,
    /// `[output][width]`
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Floats per vector of `isa`.
fn lanes(isa: Isa) -> usize {
    struct Lanes;
    impl Kernel for Lanes {
        type Output = usize;
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> usize {
            S::LANES
        }
    }
    isa.run(Lanes)
}

/// A recurrent layer of the description.
trait Recurrent {
    /// Its cell; `input_width`: how far apart the time steps of its input stand, where that is
    /// more than its size.
    fn cell(&self, input_width: Option<usize>, plan: &Plan) -> Result<Cell, DescriptionError>;
}

impl<L: Recurrent> Plannable for L {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        Ok(self.node_with(&[], inputs, plan)?.0)
    }

    fn node_with(
        &self,
        behind: &[Layer],
        _: usize,
        plan: &Plan,
    ) -> Result<(Box<dyn Node>, usize), DescriptionError> {
        RecurrentStack::starting(self.cell(None, plan)?, behind, plan)
    }
}

impl RecurrentStack {
    /// Plans `first`, the recurrent layers right `behind` it, and a narrow dense layer after
    /// them; gives how many layers of `behind` that is.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    fn starting(
        first: Cell,
        behind: &[Layer],
        plan: &Plan,
    ) -> Result<(Box<dyn Node>, usize), DescriptionError> {
        let (inputs, mut width) = (first.inputs, first.width);
        let mut cells = vec![first];
        for layer in behind {
            let cell = match layer {
                Layer::Lstm(lstm) => lstm.cell(Some(width), plan)?,
                Layer::Gru(gru) => gru.cell(Some(width), plan)?,
                _ => break,
            };
            width = cell.width;
            cells.push(cell);
        }
        let more = cells.len() - 1;
        let head = match behind.get(more) {
            Some(Layer::Conv1d(conv)) => Head::new(conv, width),
            _ => None,
        };
        let widths = cells.iter().map(|c| c.width.max(c.input_width));
        let widest = widths.max().unwrap_or(1);
        plan.claim(2 * CHUNK, widest)?;
        let used = more + usize::from(head.is_some());
        let stack = Self {
            isa: plan.isa,
            inputs,
            cells,
            head,
            before: vec![0.0; CHUNK * widest],
            after: vec![0.0; CHUNK * widest],
        };
        Ok((Box::new(stack), used))
    }
}

impl Node for RecurrentStack {
    fn process(&mut self, block: &mut Block, len: usize) {
        let Some(first) = self.cells.first() else {
            return;
        };
        block.to_time_major(self.inputs, len, &mut self.before, first.input_width);
        for cell in &mut self.cells {
            self.isa.run(Steps {
                cell,
                input: &self.before,
                output: &mut self.after,
                len,
            });
            std::mem::swap(&mut self.before, &mut self.after);
        }
        let Some(last) = self.cells.last() else {
            return;
        };
        match &self.head {
            Some(head) => self.isa.run(Dense {
                head,
                width: last.width,
                hidden: &self.before,
                block,
                len,
            }),
            None => block.set_time_major(&self.before, last.width, last.units, len),
        }
    }

    fn reset(&mut self) {
        for cell in &mut self.cells {
            cell.hidden.copy_from_slice(&cell.initial_hidden);
            cell.cell.copy_from_slice(&cell.initial_cell);
        }
    }
}

/// `values` (or zeros), padded to `width`.
fn padded(values: &[f32], width: usize) -> Vec<f32> {
    let mut padded = vec![0.0; width];
    for (to, from) in padded.iter_mut().zip(values) {
        *to = *from;
    }
    padded
}

/// `[gate · unit][columns]` matrices side by side → `[column][gate][width]`.
fn columns(matrices: [(&[f32], usize); 2], gates: usize, units: usize, width: usize) -> Vec<f32> {
    let mut packed = Vec::new();
    for (matrix, columns) in matrices {
        for column in 0..columns {
            for gate in 0..gates {
                let unit = |u: usize| matrix[(gate * units + u) * columns + column];
                packed.extend((0..units).map(unit));
                packed.extend(std::iter::repeat_n(0.0, width - units));
            }
        }
    }
    packed
}

/// `[gate][unit]` → `[gate][width]`.
fn gates(bias: &[f32], units: usize, width: usize) -> Vec<f32> {
    bias.chunks_exact(units)
        .flat_map(|gate| padded(gate, width))
        .collect()
}

impl Recurrent for Lstm {
    fn cell(&self, input_width: Option<usize>, plan: &Plan) -> Result<Cell, DescriptionError> {
        let weights = [
            (&self.weight_input[..], self.input_size),
            (&self.weight_hidden[..], self.hidden_size),
        ];
        let initial = [&self.initial_hidden[..], &self.initial_cell];
        Cell::new(Kind::Lstm, weights, &self.bias, initial, input_width, plan)
    }
}

impl Recurrent for Gru {
    fn cell(&self, input_width: Option<usize>, plan: &Plan) -> Result<Cell, DescriptionError> {
        let (input, hidden) = (&self.bias_input, &self.bias_hidden);
        // r and z add both sides, so their biases are one; n needs its two apart.
        let (both, n) = (2 * self.hidden_size, 2 * self.hidden_size..);
        let bias = input.iter().zip(hidden).take(both).map(|(a, b)| a + b);
        let bias = bias.chain(input[n.clone()].iter().copied());
        let bias: Vec<f32> = bias.chain(hidden[n].iter().copied()).collect();
        let weights = [
            (&self.weight_input[..], self.input_size),
            (&self.weight_hidden[..], self.hidden_size),
        ];
        let initial = [&self.initial_hidden[..], &[]];
        Cell::new(Kind::Gru, weights, &bias, initial, input_width, plan)
    }
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

impl Cell {
    /// `weights`: those of the input and of the hidden state, and how many columns they have;
    /// `bias`: four per unit; `initial`: the hidden state and the cell state.
    fn new(
        kind: Kind,
        weights: [(&[f32], usize); 2],
        bias: &[f32],
        initial: [&[f32]; 2],
        input_width: Option<usize>,
        plan: &Plan,
    ) -> Result<Self, DescriptionError> {
        let [inputs, units] = weights.map(|(_, columns)| columns);
        let width = units.next_multiple_of(lanes(plan.isa));
        plan.claim(4 * (inputs + units + 4), width)?;
        let initial_hidden = padded(initial[0], width);
        let initial_cell = match kind {
            Kind::Lstm => padded(initial[1], width),
            Kind::Gru => Vec::new(),
        };
        Ok(Self {
            kind,
            inputs,
            input_width: input_width.unwrap_or(inputs),
            units,
            width,
            weights: Aligned::copy_of(&columns(weights, kind.gates(), units, width)),
            bias: gates(bias, units, width),
            hidden: Aligned::copy_of(&initial_hidden),
            next: Aligned::zeros(width),
            cell: Aligned::copy_of(&initial_cell),
            initial_hidden,
            initial_cell,
        })
    }
}

impl Head {
    /// A dense layer of few outputs; a wide one is better done on rows.
    fn new(conv: &Conv1d, width: usize) -> Option<Self> {
        if conv.kernel_size != 1 || conv.groups != 1 || conv.out_channels > 4 {
            return None;
        }
        let rows = conv.weight.chunks_exact(conv.in_channels);
        Some(Self {
            outputs: conv.out_channels,
            weights: rows.flat_map(|row| padded(row, width)).collect(),
            bias: padded(&conv.bias, conv.out_channels),
        })
    }
}

/// `len` steps of one layer.
struct Steps<'a> {
    cell: &'a mut Cell,
    /// `[time][input_width]`
    input: &'a [f32],
    /// `[time][width]`
    output: &'a mut [f32],
    len: usize,
}

impl Kernel for Steps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let cell = self.cell;
        let vectors = cell.width / S::LANES;
        // What the unchecked reads below rely on.
        let (gates, columns) = (cell.kind.gates(), cell.inputs + cell.units);
        assert!(
            cell.weights.len() == columns * gates * cell.width && cell.bias.len() == 4 * cell.width
        );
        assert!(cell.hidden.len() == cell.width && cell.next.len() == cell.width);
        let inputs = self.input.chunks_exact(cell.input_width).take(self.len);
        for (x, y) in inputs.zip(self.output.chunks_exact_mut(cell.width)) {
            let x = &x[..cell.inputs];
            let mut first = 0;
            // SAFETY: the asserts above; `first + V` stays within `vectors`.
            unsafe {
                while first < vectors {
                    match (cell.kind, vectors - first) {
                        (Kind::Lstm, 1) => step_lstm::<S, 1>(s, cell, x, first),
                        (Kind::Lstm, 2) => step_lstm::<S, 2>(s, cell, x, first),
                        (Kind::Lstm, _) => step_lstm::<S, 3>(s, cell, x, first),
                        (Kind::Gru, 1) => step_gru::<S, 1>(s, cell, x, first),
                        (Kind::Gru, 2) => step_gru::<S, 2>(s, cell, x, first),
                        (Kind::Gru, _) => step_gru::<S, 3>(s, cell, x, first),
                    }
                    first += 3;
                }
            }
            std::mem::swap(&mut cell.hidden, &mut cell.next);
            y.copy_from_slice(&cell.hidden);
        }
        for state in [&mut cell.hidden, &mut cell.cell] {
            for part in state.chunks_exact_mut(S::LANES) {
                let flushed = flush(s, s.load(part));
                s.store(part, flushed);
            }
        }
    }
}

/// sums[gate][v] += Σ_j weights[j][gate][first + v] · values[j]
///
/// # Safety
/// `weights` holds `values.len() · G · width` floats and `(first + V) · LANES ≤ width`.
#[inline(always)]
unsafe fn accumulate<S: Simd, const G: usize, const V: usize>(
    s: S,
    sums: &mut [[S::V; V]; G],
    weights: *const f32,
    values: &[f32],
    width: usize,
    first: usize,
) {
    // Two sets of sums where one alone would wait for its own additions.
    let mut odd = [[s.zero(); V]; G];
    let split = G * V < 8;
    for (j, value) in values.iter().enumerate() {
        let x = s.splat(*value);
        let sums = if split && j % 2 == 1 {
            &mut odd
        } else {
            &mut *sums
        };
        for (gate, row) in sums.iter_mut().enumerate() {
            for (v, sum) in row.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                let w = unsafe {
                    s.load_ptr(weights.add((j * G + gate) * width + (first + v) * S::LANES))
                };
                *sum = s.fma(w, x, *sum);
            }
        }
    }
    if split {
        for (row, odd) in sums.iter_mut().zip(odd) {
            for (sum, odd) in row.iter_mut().zip(odd) {
                *sum = s.add(*sum, odd);
            }
        }
    }
}

/// `V` vectors of units, from vector `first` on, of one LSTM step into `cell.next`.
///
/// # Safety
/// `cell`'s lists have the lengths that [`Steps`] asserts; `(first + V) · LANES ≤ width`.
#[inline(always)]
unsafe fn step_lstm<S: Simd, const V: usize>(s: S, cell: &mut Cell, x: &[f32], first: usize) {
    let width = cell.width;
    let mut sums = [[s.zero(); V]; 4];
    // SAFETY: the caller's promise.
    unsafe {
        for (gate, row) in sums.iter_mut().enumerate() {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = s.load_ptr(
                    cell.bias
                        .as_ptr()
                        .add(gate * width + (first + v) * S::LANES),
                );
            }
        }
        let hidden_weights = cell.weights.as_ptr().add(x.len() * 4 * width);
        accumulate::<S, 4, V>(s, &mut sums, cell.weights.as_ptr(), x, width, first);
        let hidden = &cell.hidden[..cell.units];
        accumulate::<S, 4, V>(s, &mut sums, hidden_weights, hidden, width, first);
        let [i, f, g, o] = sums;
        for (v, (((i, f), g), o)) in i.into_iter().zip(f).zip(g).zip(o).enumerate() {
            let at = (first + v) * S::LANES;
            let old = s.load_ptr(cell.cell.as_ptr().add(at));
            let new = s.mul(math::sigmoid(s, i), math::tanh(s, g));
            let c = s.fma(math::sigmoid(s, f), old, new);
            s.store_ptr(cell.cell.as_mut_ptr().add(at), c);
            let h = s.mul(math::sigmoid(s, o), math::tanh(s, c));
            s.store_ptr(cell.next.as_mut_ptr().add(at), h);
        }
    }
}

/// As [`step_lstm`], for a GRU.
///
/// # Safety
/// As [`step_lstm`].
#[inline(always)]
unsafe fn step_gru<S: Simd, const V: usize>(s: S, cell: &mut Cell, x: &[f32], first: usize) {
    let width = cell.width;
    let mut input = [[s.zero(); V]; 3];
    // SAFETY: the caller's promise.
    unsafe {
        let bias = |gate: usize, v: usize| {
            s.load_ptr(
                cell.bias
                    .as_ptr()
                    .add(gate * width + (first + v) * S::LANES),
            )
        };
        for (gate, row) in input.iter_mut().enumerate() {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = bias(gate, v);
            }
        }
        let mut hidden = [[s.zero(); V]; 3];
        for (v, sum) in hidden[2].iter_mut().enumerate() {
            *sum = bias(3, v);
        }
        let hidden_weights = cell.weights.as_ptr().add(x.len() * 3 * width);
        accumulate::<S, 3, V>(s, &mut input, cell.weights.as_ptr(), x, width, first);
        let h = &cell.hidden[..cell.units];
        accumulate::<S, 3, V>(s, &mut hidden, hidden_weights, h, width, first);
        for v in 0..V {
            let at = (first + v) * S::LANES;
            let reset = math::sigmoid(s, s.add(input[0][v], hidden[0][v]));
            let keep = math::sigmoid(s, s.add(input[1][v], hidden[1][v]));
            let new = math::tanh(s, s.fma(reset, hidden[2][v], input[2][v]));
            let old = s.load_ptr(cell.hidden.as_ptr().add(at));
            let h = s.fma(keep, s.sub(old, new), new);
            s.store_ptr(cell.next.as_mut_ptr().add(at), h);
        }
    }
}

/// The head on every time step, into rows.
struct Dense<'a> {
    head: &'a Head,
    width: usize,
    /// `[time][width]`
    hidden: &'a [f32],
    block: &'a mut Block,
    len: usize,
}

impl Kernel for Dense<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for output in 0..self.head.outputs {
            let weights = &self.head.weights[output * self.width..][..self.width];
            let steps = self.hidden.chunks_exact(self.width);
            for (y, h) in self.block.row_mut(output, self.len).iter_mut().zip(steps) {
                let mut sum = s.zero();
                for (w, h) in weights.chunks_exact(S::LANES).zip(h.chunks_exact(S::LANES)) {
                    sum = s.fma(s.load(w), s.load(h), sum);
                }
                *y = self.head.bias[output] + s.sum(sum);
            }
        }
    }
}
