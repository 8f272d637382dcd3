//! Rows, some samples later.

use crate::engine::block::{Block, Line};
use crate::engine::node::{Node, Plannable};
use crate::engine::plan::Plan;
use crate::network::{Delay, DescriptionError};

#[derive(Debug)]
struct DelayNode {
    line: Line,
}

impl Plannable for Delay {
    fn node(&self, _: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let line = Line::new(self.channels, Some(self.samples), plan)?;
        Ok(Box::new(DelayNode { line }))
    }
}

impl Node for DelayNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        let line = &mut self.line;
        line.take(block, len);
        for channel in 0..line.channels() {
            let start = channel * line.stride() + line.at() - line.lookback();
            let earlier = &line.samples()[start..start + len];
            block.row_mut(channel, len).copy_from_slice(earlier);
        }
        line.advance(len);
    }

    fn reset(&mut self) {
        self.line.reset();
    }
}
