//! Layers with a shortcut around them.

use super::conv::Conv;
use crate::engine::block::Block;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops::{self, Combine};
use crate::engine::plan::Plan;
use crate::engine::sequence::Sequence;
use crate::network::{DescriptionError, Residual};
use crate::simd::Isa;

#[derive(Debug)]
struct ResidualNode {
    isa: Isa,
    body: Sequence,
    shortcut: Option<Conv>,
    /// What goes around the body.
    around: Block,
}

impl Plannable for Residual {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let body = Sequence::new(&self.body, inputs, plan)?;
        let shortcut = self.shortcut.as_ref();
        let outputs = shortcut.map_or(0, |conv| conv.out_channels);
        Ok(Box::new(ResidualNode {
            isa: plan.isa,
            body,
            shortcut: shortcut.map(|conv| Conv::new(conv, plan)).transpose()?,
            around: Block::new(inputs.max(outputs), plan)?,
        }))
    }
}

impl Node for ResidualNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        let outputs = self.body.outputs();
        let rows = self.shortcut.as_ref().map_or(outputs, Conv::inputs);
        self.around.copy_from(block, 0..rows, len);
        self.body.process(block, len);
        if let Some(shortcut) = &mut self.shortcut {
            shortcut.process(&mut self.around, len);
        }
        let around = [self.around.samples(), &[]];
        ops::combine(self.isa, Combine::Add, block, around, outputs, len);
    }

    fn reset(&mut self) {
        self.body.reset();
        if let Some(shortcut) = &mut self.shortcut {
            shortcut.reset();
        }
    }

    fn set_controls(&mut self, controls: &[f32]) {
        self.body.set_controls(controls);
    }

    fn widest(&self) -> usize {
        self.body.widest()
    }
}
