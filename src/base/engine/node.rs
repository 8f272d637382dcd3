//! What an engine is made of: nodes, and the parts of a description that become nodes.
//!
//! Knows no node and no layer.

use super::block::Block;
use super::plan::Plan;
use crate::network::{DescriptionError, Layer};
use std::fmt::Debug;

/// A planned part of a network: changes the rows of a block in place.
///
/// Everything it ever needs is allocated when it is planned.
pub(crate) trait Node: Debug + Send + Sync {
    /// Replaces the input in the first rows of `block` by the output, for `len ≤ CHUNK` samples.
    fn process(&mut self, block: &mut Block, len: usize);

    /// Forgets everything heard: back to the initial state where one is described, otherwise to
    /// zeros. Knobs stay where they are.
    fn reset(&mut self);

    /// Moves the knobs, in the description's order.
    fn set_controls(&mut self, _controls: &[f32]) {}

    /// Rows of the block it uses, where these are more than those of its input and its output.
    fn widest(&self) -> usize {
        0
    }
}

/// A validated part of a description, which an engine can play.
pub(crate) trait Plannable {
    /// The node that plays it, on blocks whose first `inputs` rows are its input.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError>;

    /// The node that plays it together with the first of the layers `behind` it, where that is
    /// faster than one after another, and how many of those it plays.
    ///
    /// # Errors
    /// As [`Plannable::node`].
    fn node_with(
        &self,
        _behind: &[Layer],
        inputs: usize,
        plan: &Plan,
    ) -> Result<(Box<dyn Node>, usize), DescriptionError> {
        Ok((self.node(inputs, plan)?, 0))
    }
}
