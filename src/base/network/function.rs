//! The element-wise functions that networks here learn with: how configs spell them, their
//! formulas and slopes. Knows no network.

use serde::{Deserialize, Serialize};

/// A function applied to every sample between layers, `"tanh"` or
/// `{ leaky-relu = { slope = 0.01 } }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Function {
    /// x
    Identity,
    /// tanh x
    #[default]
    Tanh,
    /// x limited to ±1
    HardTanh,
    /// max(x, 0)
    Relu,
    /// x above 0, `slope`·x below
    LeakyRelu {
        /// Slope below 0, above 0 itself: a layer must be able to tell outputs apart.
        slope: f32,
    },
    /// x above 0, a learned slope per channel below, [`Function::FIRST_SLOPE`] at first
    PRelu,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// x · sigmoid x
    Silu,
    /// x · clamp(x + 3, 0, 6) / 6
    HardSwish,
    /// x / (1 + |x|)
    Softsign,
}

impl Function {
    /// The slopes of [`Function::PRelu`] before anything is learned.
    pub const FIRST_SLOPE: f32 = 0.25;

    /// Its value; of a learned slope, the first one's.
    pub fn value(self, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let leaky = |slope: f32| if x < 0.0 { f64::from(slope) * x } else { x };
        match self {
            Self::Identity => x,
            Self::Tanh => x.tanh(),
            Self::HardTanh => x.clamp(-1.0, 1.0),
            Self::Relu => x.max(0.0),
            Self::LeakyRelu { slope } => leaky(slope),
            Self::PRelu => leaky(Self::FIRST_SLOPE),
            Self::Sigmoid => sigmoid(x),
            Self::Silu => x * sigmoid(x),
            Self::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Softsign => x / (1.0 + x.abs()),
        }
    }

    /// Its slope where its value is y, of the functions that fused operators know: each grows
    /// throughout and learns nothing, so that its output alone need be kept. `None` of the others.
    pub fn slope_at(self, y: f64) -> Option<f64> {
        let step = |above: bool| f64::from(u8::from(above));
        match self {
            Self::Identity => Some(1.0),
            Self::Tanh => Some(1.0 - y * y),
            Self::HardTanh => Some(step(y.abs() < 1.0)),
            Self::Relu => Some(step(y > 0.0)),
            Self::LeakyRelu { slope } if y <= 0.0 => Some(f64::from(slope)),
            Self::LeakyRelu { .. } => Some(1.0),
            Self::Sigmoid => Some(y * (1.0 - y)),
            Self::PRelu | Self::Silu | Self::HardSwish | Self::Softsign => None,
        }
    }

    /// Whether fused operators know it.
    pub fn is_fused(self) -> bool {
        self.slope_at(0.0).is_some()
    }
}
