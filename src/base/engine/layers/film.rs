//! Scales and offsets per row that follow the knobs.

use crate::engine::block::Block;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops;
use crate::engine::plan::Plan;
use crate::engine::sequence::Sequence;
use crate::network::{DescriptionError, Film};
use crate::simd::Isa;

#[derive(Debug)]
struct FilmNode {
    isa: Isa,
    generator: Sequence,
    /// What the generator works on, one sample of it.
    values: Block,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Plannable for Film {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let generator = Sequence::new(&self.generator, plan.controls, plan)?;
        Ok(Box::new(FilmNode {
            isa: plan.isa,
            values: Block::new(generator.widest(), plan)?,
            generator,
            scale: vec![0.0; inputs],
            shift: vec![0.0; inputs],
        }))
    }
}

impl Node for FilmNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        ops::scale_shift(self.isa, &self.scale, &self.shift, block, len);
    }

    fn reset(&mut self) {}

    fn set_controls(&mut self, controls: &[f32]) {
        for (row, control) in controls.iter().enumerate() {
            self.values.row_mut(row, 1)[0] = *control;
        }
        self.generator.process(&mut self.values, 1);
        let value = |row: usize| self.values.row(row, 1)[0];
        let rows = self.scale.len();
        for row in 0..rows {
            self.scale[row] = value(row);
            if self.generator.outputs() > rows {
                self.shift[row] = value(rows + row);
            }
        }
    }
}
