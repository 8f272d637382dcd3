//! An element-wise function on rows.

use crate::engine::activation::Function;
use crate::engine::block::Block;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops;
use crate::engine::plan::Plan;
use crate::network::{Activation, DescriptionError};
use crate::simd::Isa;

#[derive(Debug)]
struct ActivationNode {
    isa: Isa,
    function: Function,
    rows: usize,
}

impl Plannable for Activation {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        Ok(Box::new(ActivationNode {
            isa: plan.isa,
            function: Function::new(self, inputs),
            rows: inputs,
        }))
    }
}

impl Node for ActivationNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        ops::activate(self.isa, &self.function, block, self.rows, len);
    }

    fn reset(&mut self) {}
}
