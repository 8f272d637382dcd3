//! A convolution over rows.

use crate::engine::block::{Block, Line};
use crate::engine::long_filter::LongFilter;
use crate::engine::matrix::Matrix;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops;
use crate::engine::plan::Plan;
use crate::network::{Conv1d, DescriptionError};
use crate::simd::Isa;

/// Taps from which one filter is played by FFT: then that takes less than half the time.
const LONG: usize = 2048;

/// A planned convolution, which remembers the past of its input.
#[derive(Debug)]
pub(crate) struct Conv {
    isa: Isa,
    line: Line,
    matrix: Matrix,
}

impl Conv {
    /// Plans a validated convolution.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(crate) fn new(conv: &Conv1d, plan: &Plan) -> Result<Self, DescriptionError> {
        let line = Line::new(conv.in_channels, conv.lookback(), plan)?;
        let matrix = Matrix::new(conv, line.stride(), plan)?;
        Ok(Self {
            isa: plan.isa,
            line,
            matrix,
        })
    }

    /// Rows read.
    pub(crate) fn inputs(&self) -> usize {
        self.line.channels()
    }
}

impl Node for Conv {
    fn process(&mut self, block: &mut Block, len: usize) {
        self.line.take(block, len);
        let (source, target) = (self.line.source(), block.target());
        ops::multiply(self.isa, &self.matrix, source, target, len);
        self.line.advance(len);
    }

    fn reset(&mut self) {
        self.line.reset();
    }
}

impl Plannable for Conv1d {
    fn node(&self, _: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let is_one_filter = [self.in_channels, self.out_channels, self.dilation] == [1; 3];
        if is_one_filter && self.kernel_size >= LONG {
            let taps: Vec<f32> = self.weight.iter().rev().copied().collect();
            let bias = self.bias.first().copied().unwrap_or(0.0);
            return Ok(Box::new(LongFilter::new(&taps, bias, plan)?));
        }
        Ok(Box::new(Conv::new(self, plan)?))
    }
}
