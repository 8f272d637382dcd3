//! One LSTM or GRU layer, step by step.
//!
//! A step is a matrix times (input, hidden state): columns of weights times one number each,
//! summed in registers, one register per gate and vector of units. Units are padded to whole
//! vectors with zero weights; a padded unit stays at zero.

use crate::engine::block::Aligned;
use crate::engine::ops::flush;
use crate::engine::plan::Plan;
use crate::network::DescriptionError;
use crate::simd::{Isa, Kernel, Simd, math};

/// A planned layer and its state.
#[derive(Debug)]
pub(super) struct Cell {
    kind: Kind,
    pub(super) inputs: usize,
    /// Distance between the time steps of its input.
    pub(super) input_width: usize,
    pub(super) units: usize,
    /// Units padded to whole vectors.
    pub(super) width: usize,
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
pub(super) enum Kind {
    Lstm,
    Gru,
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

/// `values` (or zeros), padded to `width`.
pub(super) fn padded(values: &[f32], width: usize) -> Vec<f32> {
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
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(super) fn new(
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

    /// Back to the initial state.
    pub(super) fn reset(&mut self) {
        self.hidden.copy_from_slice(&self.initial_hidden);
        self.cell.copy_from_slice(&self.initial_cell);
    }
}

/// `len` steps of one layer.
pub(super) struct Steps<'a> {
    pub(super) cell: &'a mut Cell,
    /// `[time][input_width]`
    pub(super) input: &'a [f32],
    /// `[time][width]`
    pub(super) output: &'a mut [f32],
    pub(super) len: usize,
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
