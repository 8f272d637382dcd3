//! How many multiply-adds a training window costs, counted from the shapes.
//!
//! Counted are products of weights and signals, the context that has to be computed included;
//! not counted are activations, losses, the optimiser, and what an implementation computes
//! twice.

use std::ops::Add;

/// Multiply-adds of one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Of the prediction.
    pub forward: u64,
    /// Of the gradients: as many as forward for those of the weights, and again for those of
    /// the signal, except that of the network's own input, which nobody asks for.
    pub backward: u64,
}

impl Work {
    /// Of a linear part with so many multiply-adds whose input is another part's output.
    pub(super) fn inner(macs: usize) -> Self {
        let macs = macs as u64;
        Self {
            forward: macs,
            backward: 2 * macs,
        }
    }

    /// Of a linear part that reads the network's input.
    pub(super) fn first(macs: usize) -> Self {
        let macs = macs as u64;
        Self {
            forward: macs,
            backward: macs,
        }
    }

    /// Of the `at`-th part of a sequence.
    pub(super) fn nth(at: usize, macs: usize) -> Self {
        match at {
            0 => Self::first(macs),
            _ => Self::inner(macs),
        }
    }

    /// Of `count` samples like this one.
    pub(super) fn times(self, count: usize) -> Self {
        let count = count as u64;
        Self {
            forward: self.forward * count,
            backward: self.backward * count,
        }
    }

    /// The same where no gradient flows back.
    pub(super) fn forward_only(self) -> Self {
        Self {
            backward: 0,
            ..self
        }
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            forward: self.forward + other.forward,
            backward: self.backward + other.backward,
        }
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Self::add)
    }
}
