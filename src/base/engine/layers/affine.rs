//! A scale and an offset per row.

use crate::engine::block::Block;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops;
use crate::engine::plan::Plan;
use crate::network::{Affine, DescriptionError};
use crate::simd::Isa;

#[derive(Debug)]
struct AffineNode {
    isa: Isa,
    affine: Affine,
}

impl Plannable for Affine {
    fn node(&self, _: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        Ok(Box::new(AffineNode {
            isa: plan.isa,
            affine: self.clone(),
        }))
    }
}

impl Node for AffineNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        let Affine { scale, shift } = &self.affine;
        ops::scale_shift(self.isa, scale, shift, block, len);
    }

    fn reset(&mut self) {}
}
