//! One LSTM or GRU layer ready to play: its weights as the steps read them, and its state.
//!
//! Units are padded to whole vectors with zero weights; a padded unit stays at zero. What a
//! sigmoid is taken of is wanted times [`SIGMOID_SCALE`], so the weights of those gates are.

use crate::engine::block::Aligned;
use crate::engine::plan::Plan;
use crate::network::DescriptionError;
use crate::simd::math::SIGMOID_SCALE;
use crate::simd::{Isa, Kernel, Simd};

/// A planned layer and its state.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    pub(super) inputs: usize,
    /// Distance between the time steps of its input.
    pub(super) input_width: usize,
    pub(super) units: usize,
    /// Units padded to whole vectors.
    pub(super) width: usize,
    /// Floats in a vector.
    lanes: usize,
    /// Columns of weights for the input and for the hidden state; padded to [`CHAINS`] where what
    /// they multiply is.
    pub(super) ahead: usize,
    pub(super) back: usize,
    /// `[input or unit][gate][width]`
    pub(super) weights: Aligned,
    /// LSTM: `[4][width]`; GRU: r, z, n of the input side, then n of the hidden side.
    pub(super) bias: Aligned,
    pub(super) hidden: Aligned,
    /// LSTM: the cell state; GRU: the hidden state once more.
    pub(super) state: Aligned,
    initial_hidden: Vec<f32>,
    initial_state: Vec<f32>,
}

/// The most columns whose sums are kept apart; no vector is shorter.
const CHAINS: usize = 4;

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

/// A `[gate · unit][columns]` matrix → `[column][gate][width]`, `padded` columns in all.
fn columns(
    (matrix, columns): (&[f32], usize),
    padded: usize,
    [gates, units, width]: [usize; 3],
) -> Vec<f32> {
    let mut packed = Vec::with_capacity(padded * gates * width);
    for column in 0..columns {
        for gate in 0..gates {
            let unit = |u: usize| matrix[(gate * units + u) * columns + column];
            packed.extend((0..units).map(unit));
            packed.extend(std::iter::repeat_n(0.0, width - units));
        }
    }
    packed.resize(padded * gates * width, 0.0);
    packed
}

/// `[gate][unit]` → `[gate][width]`.
fn gates(bias: &[f32], units: usize, width: usize) -> Vec<f32> {
    bias.chunks_exact(units)
        .flat_map(|gate| padded(gate, width))
        .collect()
}

/// `[gate][width]` in what the gates' sums are wanted in; the largest number stays a number.
fn scale(kind: Kind, list: &mut [f32], width: usize) {
    for (gate, values) in list.chunks_mut(width).enumerate() {
        for value in values {
            *value = (*value * kind.scale(gate)).clamp(f32::MIN, f32::MAX);
        }
    }
}

impl Kind {
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// What the sums of a gate (of a bias, for a GRU's fourth) are wanted in.
    fn scale(self, gate: usize) -> f32 {
        match (self, gate) {
            (Self::Lstm, 2) | (Self::Gru, 2 | 3) => 1.0,
            _ => SIGMOID_SCALE,
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
        let lanes = lanes(plan.isa);
        let width = units.next_multiple_of(lanes);
        let (ahead, back) = match input_width {
            Some(_) => (
                inputs.next_multiple_of(CHAINS),
                units.next_multiple_of(CHAINS),
            ),
            None => (inputs, units.next_multiple_of(CHAINS)),
        };
        plan.claim(4 * (ahead + back + 4), width)?;
        let initial_hidden = padded(initial[0], width);
        let initial_state = match kind {
            Kind::Lstm => padded(initial[1], width),
            Kind::Gru => initial_hidden.clone(),
        };
        let sizes = [kind.gates(), units, width];
        let mut packed = columns(weights[0], ahead, sizes);
        packed.extend(columns(weights[1], back, sizes));
        let mut bias = gates(bias, units, width);
        for column in packed.chunks_mut(kind.gates() * width) {
            scale(kind, column, width);
        }
        scale(kind, &mut bias, width);
        Ok(Self {
            kind,
            inputs,
            input_width: input_width.unwrap_or(inputs),
            units,
            width,
            lanes,
            ahead,
            back,
            weights: Aligned::copy_of(&packed),
            bias: Aligned::copy_of(&bias),
            hidden: Aligned::copy_of(&initial_hidden),
            state: Aligned::copy_of(&initial_state),
            initial_hidden,
            initial_state,
        })
    }

    /// Vectors of units.
    pub(super) fn vectors(&self) -> usize {
        self.width / self.lanes
    }

    /// Whether this layer and the next can be played one step apart: of one kind, one vector wide.
    pub(super) fn goes_with(&self, next: &Self) -> bool {
        self.kind == next.kind && self.vectors() == 1 && next.vectors() == 1
    }

    /// Back to the initial state.
    pub(super) fn reset(&mut self) {
        self.hidden.copy_from_slice(&self.initial_hidden);
        self.state.copy_from_slice(&self.initial_state);
    }
}
