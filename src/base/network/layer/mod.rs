//! The building blocks of sequential networks: the one list of layers, and layers in a row.
//!
//! Signals between layers are `[channel][time]`. Every layer is causal. A new layer is a file
//! here with its struct and what it says of itself ([`Part`]), a line in `layers!`, and a file
//! in the engine that plays it; without either of the two nothing compiles.

mod activation;
mod affine;
mod branches;
mod conv;
mod delay;
mod film;
mod glu;
mod modulated;
mod recurrent;
mod residual;
mod s4d;
mod temporal_film;

pub use affine::Affine;
pub use branches::{Branches, Join, Split};
pub use conv::Conv1d;
pub use delay::Delay;
pub use film::Film;
pub(crate) use glu::Glu;
pub(crate) use modulated::MAX_DELAY as MAX_MOVING_DELAY;
pub use modulated::Modulated;
pub use recurrent::{Gru, Lstm};
pub use residual::Residual;
pub use s4d::S4d;
pub use temporal_film::TemporalFilm;

use super::activation::Activation;
use super::error::DescriptionError;
use super::part::{Cost, Part, total};
use serde::{Deserialize, Serialize};

/// Makes [`Layer`] and [`with_layer!`] of the list of layers: first those that hold a struct of
/// their own name, then those that hold nothing (a file gives these no `with`), whose struct of
/// the same name stands beside the enum.
macro_rules! layers {
    (
        $($(#[$doc:meta])* $layer:ident,)*
        ; $($(#[$bare_doc:meta])* $bare:ident,)*
        ; $dollar:tt
    ) => {
        /// One layer of a [`Sequential`](super::Sequential) network.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "layer", content = "with", rename_all = "snake_case")]
        pub enum Layer {
            $($(#[$doc])* $layer($layer),)*
            $($(#[$bare_doc])* $bare,)*
        }

        /// `with_layer!(layer, it => f(it))`: the expression with `it` as a reference to the
        /// struct that `layer` holds, whichever it is.
        macro_rules! with_layer {
            ($dollar layer:expr, $dollar it:ident => $dollar body:expr) => {
                match $dollar layer {
                    $($crate::network::Layer::$layer($dollar it) => $dollar body,)*
                    $($crate::network::Layer::$bare => {
                        let $dollar it = &$crate::network::$bare;
                        $dollar body
                    })*
                }
            };
        }
    };
}

layers! {
    /// Convolution, dense layer.
    Conv1d,
    /// Element-wise function.
    Activation,
    /// Scale and shift per channel.
    Affine,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit.
    Gru,
    /// Diagonal state-space layer.
    S4d,
    /// Modulation by the knobs.
    Film,
    /// Layers with a shortcut around them.
    Residual,
    /// Paths side by side.
    Branches,
    /// The input, some samples later.
    Delay,
    /// Modulation by the signal's own peaks, a block ago.
    TemporalFilm,
    /// A part that a slow oscillator moves.
    Modulated,
    ;
    /// First half of the channels times the sigmoid of the second half.
    Glu,
    ; $
}

pub(crate) use with_layer;

impl Layer {
    /// What every layer can say of itself.
    pub(crate) fn part(&self) -> &dyn Part {
        with_layer!(self, layer => layer)
    }
}

/// Layers one after another.
impl Part for [Layer] {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        let mut width = inputs;
        for (i, layer) in self.iter().enumerate() {
            let checked = layer.part().check(width, controls);
            width = checked.map_err(|e| e.within(&format!("layer {i}")))?;
        }
        Ok(width)
    }

    fn cost(&self) -> Option<Cost> {
        total(self.iter().map(|layer| layer.part().cost()))
    }

    fn context(&self) -> Option<usize> {
        let mut contexts = self.iter().map(|layer| layer.part().context());
        contexts.try_fold(0usize, |sum, context| sum.checked_add(context?))
    }

    /// Layers by name; runs of the same are counted.
    fn shape(&self) -> String {
        let mut runs: Vec<(String, usize)> = Vec::new();
        for layer in self {
            let shape = layer.part().shape();
            match runs.last_mut() {
                Some((last, count)) if *last == shape => *count += 1,
                _ => runs.push((shape, 1)),
            }
        }
        let word = |(shape, count): (String, usize)| match count {
            1 => shape,
            count => format!("{count} × {shape}"),
        };
        runs.into_iter().map(word).collect::<Vec<_>>().join(" → ")
    }

    fn depth(&self, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let depths = self.iter().map(|layer| layer.part().depth(limit));
        depths.max().unwrap_or(0)
    }
}
