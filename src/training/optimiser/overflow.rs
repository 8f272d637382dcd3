//! Whether a step's gradients were numbers that can be followed.

use burn::prelude::*;

/// Whether a step's gradients, which were to be clipped, were beyond 32 bits: then nothing moved.
#[derive(Debug)]
pub enum Overflow {
    /// It is known.
    Known(bool),
    /// A card's sums of squares tell, which it need not be waited for.
    Squares(Box<Tensor<1>>),
}

impl Overflow {
    /// Whether they were.
    pub fn happened(self) -> bool {
        match self {
            Self::Known(known) => known,
            Self::Squares(sums) => !sums.sum().into_scalar::<f32>().is_finite(),
        }
    }
}
