//! Activation functions by name and parameter.

use super::error::DescriptionError;
use super::function::Function;
use serde::{Deserialize, Serialize};

/// An element-wise function. Formulas as in the field's trainer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Activation {
    /// x
    Identity,
    /// tanh x
    Tanh,
    /// The field's rational approximation of tanh; a network trained with tanh must not use it.
    FastTanh,
    /// x limited to `min..max`
    HardTanh {
        /// Lower limit.
        min: f32,
        /// Upper limit.
        max: f32,
    },
    /// max(x, 0)
    Relu,
    /// x above 0, `slope`·x below
    LeakyRelu {
        /// Slope below 0.
        slope: f32,
    },
    /// x above 0, a slope per channel below; one slope serves all channels
    PRelu {
        /// Slopes below 0: one, or one per channel.
        slopes: Vec<f32>,
    },
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// x · sigmoid x
    Silu,
    /// x · clamp(x + 3, 0, 6) / 6
    HardSwish,
    /// x inside `min..max`, straight lines of other slopes outside
    LeakyHardTanh {
        /// Where the lower line begins.
        min: f32,
        /// Where the upper line begins.
        max: f32,
        /// Slope below `min`.
        min_slope: f32,
        /// Slope above `max`.
        max_slope: f32,
    },
    /// x / (1 + |x|)
    Softsign,
    /// (1 + x / (1 + |x|)) / 2
    Softsigmoid,
    /// x above 0, `alpha`·(e^x − 1) below
    Elu {
        /// Limit far below 0, as a positive number.
        alpha: f32,
    },
    /// e^x over the sum of e^x of all channels
    Softmax,
}

impl Activation {
    /// `function` as players know it; `slopes` are those of [`Function::PRelu`].
    pub fn new(function: Function, slopes: Vec<f32>) -> Self {
        match function {
            Function::Identity => Self::Identity,
            Function::Tanh => Self::Tanh,
            Function::HardTanh => Self::HardTanh {
                min: -1.0,
                max: 1.0,
            },
            Function::Relu => Self::Relu,
            Function::LeakyRelu { slope } => Self::LeakyRelu { slope },
            Function::PRelu => Self::PRelu { slopes },
            Function::Sigmoid => Self::Sigmoid,
            Function::Silu => Self::Silu,
            Function::HardSwish => Self::HardSwish,
            Function::Softsign => Self::Softsign,
        }
    }

    /// The function that can be trained here.
    ///
    /// # Errors
    /// There is none such, only one that can be played.
    pub fn function(&self) -> Result<Function, DescriptionError> {
        Ok(match self {
            Self::Identity => Function::Identity,
            Self::Tanh => Function::Tanh,
            Self::HardTanh { min, max } if (*min, *max) == (-1.0, 1.0) => Function::HardTanh,
            Self::Relu => Function::Relu,
            Self::LeakyRelu { slope } => Function::LeakyRelu { slope: *slope },
            Self::PRelu { .. } => Function::PRelu,
            Self::Sigmoid => Function::Sigmoid,
            Self::Silu => Function::Silu,
            Self::HardSwish => Function::HardSwish,
            Self::Softsign => Function::Softsign,
            other => {
                let why = format!("{other:?} cannot be trained here, only played");
                return Err(DescriptionError::invalid("activation", why));
            }
        })
    }

    /// Checks parameters and, for one slope per channel, the channel count.
    pub(crate) fn check(&self, channels: usize) -> Result<(), DescriptionError> {
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        let ok = match self {
            Self::HardTanh { min, max } => finite(&[*min, *max]) && min <= max,
            Self::LeakyRelu { slope } => slope.is_finite(),
            Self::PRelu { slopes } => {
                if slopes.len() != 1 && slopes.len() != channels {
                    let (got, what) = (slopes.len(), "PReLU slopes".into());
                    return Err(DescriptionError::Length {
                        what,
                        got,
                        expected: channels,
                    });
                }
                finite(slopes)
            }
            Self::LeakyHardTanh {
                min,
                max,
                min_slope,
                max_slope,
            } => finite(&[*min, *max, *min_slope, *max_slope]) && min <= max,
            Self::Elu { alpha } => alpha.is_finite(),
            _ => true,
        };
        if ok {
            return Ok(());
        }
        Err(DescriptionError::invalid(
            "activation",
            "parameters must be finite and min ≤ max",
        ))
    }

    /// Learned numbers it carries.
    pub(crate) fn weights(&self) -> usize {
        match self {
            Self::PRelu { slopes } => slopes.len(),
            _ => 0,
        }
    }
}
