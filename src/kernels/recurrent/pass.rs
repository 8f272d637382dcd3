//! The weights of a recurrent layer as the products read them, and what all tasks of a pass share.

use super::cells::{Gru, Lstm, Recurrence};
use super::head::Head;
use super::shape::{Cell, HeadSlices, Recurrent, RecurrentGradients, RecurrentSlices};
use crate::kernels::crew;
use crate::kernels::memory::LINE;
use crate::kernels::products::transpose::transpose;
use crate::kernels::products::units::{BackWeights, GateWeights, ITEMS, SUMS};
use crate::simd::Simd;

/// Steps that are worked on at once where their order does not matter: a few cache lines of each row
/// of y, and little enough to stay in the second-level cache (130 kB per 16 units of an LSTM).
pub(super) const BLOCK: usize = 64;

/// Floats of factors that are kept at most: 8 MB, which the caches hold until they are read again.
const MOST_KEPT: usize = 2 << 20;

/// Which way through time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Backward {
        /// Whether down to x.
        to_input: bool,
    },
}

/// The weights as the products read them, and the lengths that follow from the shape.
pub(super) struct Pass {
    pub shape: Recurrent,
    /// What hears the units, if something does: then they themselves are given to nobody.
    pub head: Option<Head>,
    /// Whether the forward pass keeps every step's factors; else the backward pass works them out
    /// again, bit for bit the same.
    pub keeps_factors: bool,
    /// From x and h to the gates.
    pub gates: GateWeights,
    /// From the gates' gradients to h.
    pub hidden_back: BackWeights,
    /// From the gates' gradients to x.
    pub input_back: BackWeights,
}

impl Pass {
    /// For a batch of `batch` sequences of `len` steps; what a pass that `way` does not read is left
    /// out, since of a small batch ordering the weights takes a twentieth of the time.
    pub fn new(
        shape: &Recurrent,
        weights: &RecurrentSlices<'_>,
        head: Option<&HeadSlices<'_>>,
        [batch, len]: [usize; 2],
        way: Way,
    ) -> Pass {
        let (ins, units, gates) = (shape.input_size, shape.hidden_size, shape.gates());
        assert_eq!(weights.input.len(), gates * units * ins);
        assert_eq!(weights.hidden.len(), gates * units * units);
        assert_eq!(weights.bias.len(), shape.biases());
        let input =
            |gate, unit, j| weights.input[(shape.input_gate(gate) * units + unit) * ins + j];
        let hidden = |gate, unit, j| weights.hidden[(gate * units + unit) * units + j];
        let bias = |sum: usize, unit: usize| {
            let of_input = |gate: usize| weights.bias[shape.input_gate(gate) * units + unit];
            let of_hidden = |gate: usize| weights.bias[(gates + gate) * units + unit];
            match (shape.cell, sum) {
                (Cell::Lstm, _) | (Cell::Gru, 0) => of_input(sum),
                (Cell::Gru, 3) => of_hidden(2),
                (Cell::Gru, _) => of_input(sum) + of_hidden(sum - 1),
            }
        };
        let mut pass = Pass {
            shape: *shape,
            head: head.map(|slices| Head::new(units, slices)),
            keeps_factors: false,
            gates: GateWeights::new([ins, 0, gates], |_, _| 0.0, |_, _, _| 0.0),
            hidden_back: BackWeights::new([0, gates, units], hidden),
            input_back: BackWeights::new([0, gates, ins], input),
        };
        let steps = batch.next_multiple_of(ITEMS).saturating_mul(len);
        pass.keeps_factors = steps.saturating_mul(pass.record()) <= MOST_KEPT;
        if way == Way::Forward || !pass.keeps_factors {
            pass.gates = GateWeights::new(
                [ins, units, gates],
                |sum, unit| shape.scale(sum) * bias(sum, unit),
                |tap, gate, unit| match tap.checked_sub(ins) {
                    None => shape.scale(gate) * input(gate, unit, tap),
                    Some(j) => shape.scale(SUMS - gates + gate) * hidden(gate, unit, j),
                },
            );
        }
        if let Way::Backward { to_input } = way {
            pass.hidden_back = BackWeights::new([units, gates, units], hidden);
            if to_input {
                pass.input_back = BackWeights::new([units, gates, ins], input);
            }
        }
        pass
    }

    /// Lines of units.
    pub fn lines(&self) -> usize {
        self.shape.hidden_size.div_ceil(LINE)
    }

    /// Floats of h or c of an item.
    pub fn width(&self) -> usize {
        self.lines() * LINE
    }

    /// Floats of a line of a step's factors.
    pub fn pitch(&self) -> usize {
        LINE * match self.shape.cell {
            Cell::Lstm => Lstm::FACTORS,
            Cell::Gru => Gru::FACTORS,
        }
    }

    /// Floats of an item's factors at a step.
    pub fn record(&self) -> usize {
        self.lines() * self.pitch()
    }

    /// Of how many steps a task of `len` keeps h: that before the first, and, where nobody else is
    /// given them, those after each.
    pub fn states_kept(&self, len: usize) -> usize {
        match self.head {
            Some(_) => 1 + len,
            None => 1,
        }
    }

    /// Floats that a task of `len` steps keeps: h of [some steps](Pass::states_kept)
    /// `[step][item][width]`, then the factors of every step `[step][item][record]`, or else an
    /// LSTM's c before each block `[block][item][width]`.
    pub fn kept_len(&self, len: usize) -> usize {
        let state = ITEMS * self.width();
        let behind = match self.shape.cell {
            _ if self.keeps_factors => len * ITEMS * self.record(),
            Cell::Lstm => len.div_ceil(BLOCK) * state,
            Cell::Gru => 0,
        };
        self.states_kept(len) * state + behind
    }

    /// Floats of a forward task's memory: h before and after a block's steps, c, x, some rows of y.
    pub fn forward_sizes(&self) -> [usize; 4] {
        let state = ITEMS * self.width();
        [
            (BLOCK + 1) * state,
            state,
            ITEMS * BLOCK * self.shape.input_size,
            LINE * BLOCK,
        ]
    }

    /// Floats of the weights' gradients as they are summed `[line][tap][gate][LINE]`: of x′ for
    /// all sums, then of h for its gates.
    pub fn sums_len(&self) -> usize {
        self.lines() * self.sums_pitch()
    }

    /// The same, and those of the head's.
    pub fn all_sums_len(&self) -> usize {
        self.sums_len() + self.head.as_ref().map_or(0, Head::weights_len)
    }

    pub fn sums_pitch(&self) -> usize {
        let shape = &self.shape;
        LINE * (SUMS * (shape.input_size + 1) + shape.gates() * shape.hidden_size)
    }

    /// The summed gradients in the weights' own order.
    pub fn gradients(&self, sums: &[f32]) -> RecurrentGradients {
        let shape = &self.shape;
        let (ins, units, gates) = (shape.input_size, shape.hidden_size, shape.gates());
        let line = |unit: usize| unit / LINE * self.sums_pitch() + unit % LINE;
        let of_input =
            |sum: usize, unit: usize, j: usize| sums[line(unit) + (j * SUMS + sum) * LINE];
        let of_hidden = |gate: usize, unit: usize, j: usize| {
            sums[line(unit) + (SUMS * (ins + 1) + j * gates + gate) * LINE]
        };
        let mut gradients = RecurrentGradients {
            x: None,
            input: vec![0.0; gates * units * ins],
            hidden: vec![0.0; gates * units * units],
            bias: vec![0.0; shape.biases()],
        };
        for (gate, unit) in (0..gates).flat_map(|gate| (0..units).map(move |unit| (gate, unit))) {
            let row = shape.input_gate(gate) * units + unit;
            for j in 0..ins {
                gradients.input[row * ins + j] = of_input(gate, unit, j);
            }
            gradients.bias[row] = of_input(gate, unit, ins);
            let row = gate * units + unit;
            for j in 0..units {
                gradients.hidden[row * units + j] = of_hidden(gate, unit, j);
            }
            if shape.cell == Cell::Gru {
                gradients.bias[gates * units + row] = of_input(SUMS - gates + gate, unit, ins);
            }
        }
        gradients
    }

    /// Fills `block` with x `[step][item][stride]` of the steps from..from + count.
    #[inline(always)]
    pub fn gather_input<S: Simd>(
        &self,
        s: S,
        x: &[f32],
        (len, items): (usize, usize),
        (from, count): (usize, usize),
        block: &mut [f32],
        stride: usize,
    ) {
        let ins = self.shape.input_size;
        assert!(x.len() >= items * ins * len && from + count <= len && stride >= ins);
        assert!(block.len() >= count * items * stride);
        for item in 0..items {
            let from = x[item * ins * len..].as_ptr().wrapping_add(from);
            let to = block[item * stride..].as_mut_ptr();
            // SAFETY: an item's rows and its place in each step lie within the lengths asserted.
            unsafe { transpose(s, (ins, count), (from, len), (to, items * stride)) }
        }
    }
}

impl Recurrent {
    /// Whether a pass over a batch takes a millisecond or two at most.
    pub(super) fn is_brief(&self, batch: usize, len: usize) -> bool {
        crew::is_brief(self.multiply_adds(len).saturating_mul(batch as u64))
    }

    /// Which of its gates x's gate `gate` is in the order of the sums; those of h are in their own.
    fn input_gate(&self, gate: usize) -> usize {
        match self.cell {
            Cell::Lstm => gate,
            Cell::Gru => (gate + 2) % 3,
        }
    }

    /// What the weights of a sum are multiplied by: those of sigmoids are halved.
    fn scale(&self, sum: usize) -> f32 {
        match (self.cell, sum) {
            (Cell::Lstm, 2) | (Cell::Gru, 0 | 3) => 1.0,
            _ => 0.5,
        }
    }
}

/// `slice` in pieces of at most `size`, or, of an empty one, `count` empty ones.
pub(super) fn pieces<T>(slice: &mut [T], size: usize, count: usize) -> Vec<&mut [T]> {
    match slice.is_empty() {
        true => (0..count).map(|_| Default::default()).collect(),
        false => slice.chunks_mut(size.max(1)).collect(),
    }
}

/// `G` vectors, every `stride` floats.
///
/// # Safety
/// They can be read.
#[inline(always)]
pub(super) unsafe fn load_each<S: Simd, const G: usize>(
    s: S,
    from: *const f32,
    stride: usize,
) -> [S::V; G] {
    let mut values = [s.zero(); G];
    for (g, value) in values.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *value = unsafe { s.load_ptr(from.add(g * stride)) };
    }
    values
}
