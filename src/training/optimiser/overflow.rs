//! Whether a step's gradients were numbers that can be followed.

use crate::models::predict::to_host;
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
        Self::count(vec![self]) > 0
    }

    /// How often they were; the card is waited for once.
    pub fn count(steps: Vec<Self>) -> usize {
        let mut known = 0;
        let mut open = Vec::new();
        for step in steps {
            match step {
                Self::Known(happened) => known += usize::from(happened),
                Self::Squares(sums) => open.push(sums.sum().reshape([1, 1, 1])),
            }
        }
        if open.is_empty() {
            return known;
        }
        let sums = to_host(Tensor::cat(open, 0));
        known + sums.iter().filter(|sum| !sum.is_finite()).count()
    }
}
