//! LSTM and GRU layers in a row, streaming, with a dense layer behind them where there is one.
//! Between layers the signal is `[time][unit]`.

mod cell;
#[cfg(test)]
mod plain;
mod step;

use crate::engine::block::{Aligned, Block, CHUNK};
use crate::engine::node::{Node, Plannable};
use crate::engine::plan::Plan;
use crate::network::{Conv1d, DescriptionError, Gru, Layer, Lstm};
use crate::simd::{Isa, Kernel, Simd};
use cell::{Cell, Kind, padded};
use step::Signal;

#[derive(Debug)]
struct RecurrentStack {
    isa: Isa,
    inputs: usize,
    cells: Vec<Cell>,
    head: Option<Head>,
    /// The signal before, in the middle of and after the layers at work, `[time][unit]`.
    before: Aligned,
    between: Aligned,
    after: Aligned,
}

/// The dense layer after the last cell.
#[derive(Debug)]
struct Head {
    outputs: usize,
    /// `[output][width]`
    weights: Vec<f32>,
    bias: Vec<f32>,
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
        plan.claim(3 * CHUNK, widest)?;
        let used = more + usize::from(head.is_some());
        let stack = Self {
            isa: plan.isa,
            inputs,
            cells,
            head,
            before: Aligned::zeros(CHUNK * widest),
            between: Aligned::zeros(CHUNK * widest),
            after: Aligned::zeros(CHUNK * widest),
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
        let mut done = 0;
        while done < self.cells.len() {
            let signal = Signal {
                input: &self.before,
                between: &mut self.between,
                output: &mut self.after,
                len,
            };
            done += step::play(self.isa, &mut self.cells[done..], signal);
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
        self.cells.iter_mut().for_each(Cell::reset);
    }
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
            let bias = self.head.bias[output];
            let four = self.hidden[..self.len * self.width].chunks(4 * self.width);
            for (y, steps) in self.block.row_mut(output, self.len).chunks_mut(4).zip(four) {
                let mut sums = [s.zero(); 4];
                for (sum, h) in sums.iter_mut().zip(steps.chunks_exact(self.width)) {
                    let parts = weights.chunks_exact(S::LANES).zip(h.chunks_exact(S::LANES));
                    for (w, h) in parts {
                        *sum = s.fma(s.load(w), s.load(h), *sum);
                    }
                }
                for (y, sum) in y.iter_mut().zip(s.sum_each(sums)) {
                    *y = bias + sum;
                }
            }
        }
    }
}
