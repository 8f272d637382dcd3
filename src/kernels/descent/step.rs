//! What a step of an optimiser is. Knows no tensors.

/// A step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descent {
    /// How far it goes.
    pub rate: f32,
    /// What gradients lead to.
    pub way: Way,
    /// All gradients are scaled so that their common norm is at most this; where it is no finite
    /// number, nothing moves.
    pub largest: Option<f32>,
}

/// What gradients lead to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    /// w ← w − rate·(g + decay·w).
    Plain,
    /// By moments (Kingma & Ba 2015).
    Adam {
        /// The steps, this one included.
        time: i32,
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Decay falls on the weights, not on their gradients (Loshchilov & Hutter 2019).
        decoupled: bool,
    },
}

/// Numbers of a step by moments: m ← keep₁·m + (1 − keep₁)·g, v ← keep₂·v + (1 − keep₂)·g²,
/// w ← w − rate·factor·m/(√v + ε).
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::kernels) struct Scales {
    pub keep_first: f32,
    pub keep_second: f32,
    pub factor: f32,
    pub epsilon: f32,
}

impl Descent {
    /// The moments begin at 0, which `factor` makes up for.
    pub(in crate::kernels) fn scales(&self) -> Scales {
        let Way::Adam { time, epsilon, .. } = self.way else {
            return Scales::default();
        };
        let (keep_first, keep_second) = (0.9f32, 0.999f32);
        let root = (1.0 - keep_second.powi(time)).sqrt();
        Scales {
            keep_first,
            keep_second,
            factor: root / (1.0 - keep_first.powi(time)),
            epsilon: epsilon * root,
        }
    }
}
