//! Half of the rows times the sigmoid of the other half.

use crate::engine::activation::Function;
use crate::engine::block::Block;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops::{self, Combine};
use crate::engine::plan::Plan;
use crate::network::{DescriptionError, Glu};
use crate::simd::Isa;

#[derive(Debug)]
struct GluNode {
    isa: Isa,
    rows: usize,
    gate: Block,
}

impl Plannable for Glu {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let rows = inputs / 2;
        Ok(Box::new(GluNode {
            isa: plan.isa,
            rows,
            gate: Block::new(rows, plan)?,
        }))
    }
}

impl Node for GluNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        let (isa, rows) = (self.isa, self.rows);
        self.gate.copy_from(block, rows..2 * rows, len);
        ops::activate(isa, &Function::Sigmoid, &mut self.gate, rows, len);
        let gate = [self.gate.samples(), &[]];
        ops::combine(isa, Combine::Multiply, block, gate, rows, len);
    }

    fn reset(&mut self) {}
}
