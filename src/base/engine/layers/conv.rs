//! A convolution over rows.

use crate::engine::block::{Block, Line};
use crate::engine::matrix::Matrix;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops;
use crate::engine::plan::Plan;
use crate::network::{Conv1d, DescriptionError};
use crate::simd::Isa;

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
        Ok(Box::new(Conv::new(self, plan)?))
    }
}
