//! The gated linear unit.

use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, without_history};

/// First half of the channels times the sigmoid of the second half.
pub(crate) struct Glu;

impl Part for Glu {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        if inputs.is_multiple_of(2) {
            return Ok(inputs / 2);
        }
        let why = format!("{inputs} channels cannot be halved");
        Err(DescriptionError::invalid("gated linear unit", why))
    }

    fn cost(&self) -> Option<Cost> {
        Some(without_history(0, 0))
    }

    fn context(&self) -> Option<usize> {
        Some(0)
    }

    fn shape(&self) -> String {
        "GLU".into()
    }
}
