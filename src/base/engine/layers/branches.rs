//! Paths side by side.

use crate::engine::block::Block;
use crate::engine::node::{Node, Plannable};
use crate::engine::ops::{self, Combine};
use crate::engine::plan::Plan;
use crate::engine::sequence::Sequence;
use crate::network::{Branches, DescriptionError, Join, Split};
use crate::simd::Isa;

#[derive(Debug)]
struct BranchesNode {
    isa: Isa,
    paths: Vec<Path>,
    join: Join,
    /// What all paths start from.
    input: Block,
    inputs: usize,
    /// What the path at work works on.
    work: Block,
}

/// A path and the rows of the input it starts from.
#[derive(Debug)]
struct Path {
    first: usize,
    rows: usize,
    sequence: Sequence,
}

impl Plannable for Branches {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let widths = self.input_widths(inputs)?;
        let (mut paths, mut at) = (Vec::new(), 0);
        for (layers, rows) in self.branches.iter().zip(widths) {
            let sequence = Sequence::new(layers, rows, plan)?;
            let first = if self.split == Split::Copy { 0 } else { at };
            paths.push(Path {
                first,
                rows,
                sequence,
            });
            at += rows;
        }
        let widest = paths.iter().map(|p| p.sequence.widest()).max().unwrap_or(1);
        Ok(Box::new(BranchesNode {
            isa: plan.isa,
            paths,
            join: self.join,
            input: Block::new(inputs, plan)?,
            inputs,
            work: Block::new(widest, plan)?,
        }))
    }
}

impl Node for BranchesNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        self.input.copy_from(block, 0..self.inputs, len);
        let mut at = 0;
        for (i, path) in self.paths.iter_mut().enumerate() {
            let read = path.first..path.first + path.rows;
            self.work.copy_from(&self.input, read, len);
            path.sequence.process(&mut self.work, len);
            let rows = path.sequence.outputs();
            let combine = match self.join {
                Join::Concat => None,
                Join::Sum => Some(Combine::Add),
                Join::Product => Some(Combine::Multiply),
            };
            if let (Some(combine), true) = (combine, i > 0) {
                let others = [self.work.samples(), &[]];
                ops::combine(self.isa, combine, block, others, rows, len);
                continue;
            }
            for r in 0..rows {
                block
                    .row_mut(at + r, len)
                    .copy_from_slice(self.work.row(r, len));
            }
            if self.join == Join::Concat {
                at += rows;
            }
        }
    }

    fn reset(&mut self) {
        self.paths.iter_mut().for_each(|p| p.sequence.reset());
    }

    fn set_controls(&mut self, controls: &[f32]) {
        for path in &mut self.paths {
            path.sequence.set_controls(controls);
        }
    }
}
