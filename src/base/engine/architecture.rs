//! From a whole architecture to the node that plays it.

use super::node::{Node, Plannable};
use super::plan::Plan;
use crate::network::{Architecture, DescriptionError};

impl Plannable for Architecture {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        match self {
            Self::WaveNet(net) => net.node(inputs, plan),
            Self::Sequential(net) => net.node(inputs, plan),
            Self::Window(net) => net.node(inputs, plan),
            Self::Slimmable(net) => match net.select(f64::INFINITY) {
                Some(full) => full.architecture.node(inputs, plan),
                None => Err(DescriptionError::invalid("submodels", "is empty")),
            },
        }
    }
}
