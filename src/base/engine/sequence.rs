//! Layers one after another, each changing the rows of one block in place.

use super::block::Block;
use super::node::{Node, Plannable};
use super::plan::Plan;
use crate::network::{DescriptionError, Layer, Sequential, with_layer};

/// A planned sequence of layers.
#[derive(Debug)]
pub(crate) struct Sequence {
    nodes: Vec<Box<dyn Node>>,
    widest: usize,
    outputs: usize,
}

impl Sequence {
    /// Plans validated layers that start from `inputs` rows.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(crate) fn new(
        layers: &[Layer],
        inputs: usize,
        plan: &Plan,
    ) -> Result<Self, DescriptionError> {
        let (mut nodes, mut width, mut widest) = (Vec::new(), inputs, inputs);
        let mut rest = layers;
        while let Some((layer, behind)) = rest.split_first() {
            let planned = with_layer!(layer, layer => layer.node_with(behind, width, plan));
            let (node, more) = planned?;
            let (played, left) = rest.split_at(1 + more);
            for layer in played {
                width = layer.part().check(width, plan.controls)?;
                widest = widest.max(width);
            }
            widest = widest.max(node.widest());
            nodes.push(node);
            rest = left;
        }
        Ok(Self {
            nodes,
            widest,
            outputs: width,
        })
    }

    /// Rows written.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }
}

impl Node for Sequence {
    fn process(&mut self, block: &mut Block, len: usize) {
        for node in &mut self.nodes {
            node.process(block, len);
        }
    }

    fn reset(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.reset());
    }

    fn set_controls(&mut self, controls: &[f32]) {
        for node in &mut self.nodes {
            node.set_controls(controls);
        }
    }

    fn widest(&self) -> usize {
        self.widest
    }
}

impl Plannable for Sequential {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        Ok(Box::new(Sequence::new(&self.layers, inputs, plan)?))
    }
}
