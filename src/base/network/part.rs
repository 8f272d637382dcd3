//! What every part of a network says of itself.

use super::error::DescriptionError;

/// Totals gathered over a network, all checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Numbers learned.
    pub(crate) weights: usize,
    /// Multiply-adds per output sample.
    pub(crate) macs: usize,
    /// Past samples held, over all channels of all layers.
    pub(crate) history: usize,
    /// Layers.
    pub(crate) layers: usize,
}

impl Cost {
    /// Adds another part's totals; `None` on overflow.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            weights: self.weights.checked_add(other.weights)?,
            macs: self.macs.checked_add(other.macs)?,
            history: self.history.checked_add(other.history)?,
            layers: self.layers.checked_add(other.layers)?,
        })
    }
}

/// What every part can say of itself. Only [`Network::validate`](super::Network::validate) makes
/// it trustworthy.
pub(crate) trait Part {
    /// Checks sizes against each other and against the lists of numbers; gives output channels.
    ///
    /// `controls`: number of knobs the network has.
    fn check(&self, in_channels: usize, controls: usize) -> Result<usize, DescriptionError>;

    /// Totals; `None` where they overflow.
    fn cost(&self) -> Option<Cost>;

    /// Samples before the present one that can influence the output; `None`: all of them.
    fn context(&self) -> Option<usize>;

    /// The shape in a few words, for people.
    fn shape(&self) -> String;

    /// How deep layers nest inside it, counted to `limit ≥ 1`.
    fn depth(&self, _limit: usize) -> usize {
        0
    }
}

/// The sum of costs; `None` when one is unknown or the sum overflows.
pub(crate) fn total(costs: impl IntoIterator<Item = Option<Cost>>) -> Option<Cost> {
    costs
        .into_iter()
        .try_fold(Cost::default(), |sum, cost| sum.plus(cost?))
}

/// The cost of a layer that keeps no past.
pub(crate) fn without_history(weights: usize, macs: usize) -> Cost {
    Cost {
        weights,
        macs,
        history: 0,
        layers: 1,
    }
}
