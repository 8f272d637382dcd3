//! An element-wise function as a layer.

use crate::network::activation::Activation;
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, without_history};

impl Part for Activation {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        self.check(inputs).map(|()| inputs)
    }

    fn cost(&self) -> Option<Cost> {
        Some(without_history(self.weights(), 0))
    }

    fn context(&self) -> Option<usize> {
        Some(0)
    }

    fn shape(&self) -> String {
        format!("{self:?}")
    }
}
