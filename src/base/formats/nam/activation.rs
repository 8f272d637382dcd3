//! Activations as `.nam` files have them: a name, or an object of a type and its parameters.

use crate::formats::error::FormatError;
use crate::formats::json::Place;
use crate::network::Activation;
use serde::Deserialize;
use serde_json::{Value, json};

/// Every parameter may stand beside every type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(rename = "type")]
    name: String,
    negative_slope: Option<f32>,
    negative_slopes: Option<Vec<f32>>,
    min_val: Option<f32>,
    max_val: Option<f32>,
    min_slope: Option<f32>,
    max_slope: Option<f32>,
    alpha: Option<f32>,
}

/// An activation as a file gives it, in either form.
#[derive(Deserialize)]
#[serde(try_from = "Parameters")]
pub(super) struct Given(pub(super) Activation);

impl Given {
    /// The same for `channels` channels; it stands at `key` of `place`. A file may give one with
    /// many slopes for many layers, so it must not be repeated where it does not fit.
    pub(super) fn of(
        &self,
        channels: usize,
        place: &Place,
        key: &str,
    ) -> Result<Activation, FormatError> {
        match &self.0 {
            Activation::PRelu { slopes } if ![1, channels].contains(&slopes.len()) => {
                let why = format!("has {} slopes, 1 or {channels} are needed", slopes.len());
                Err(place.wrong(key, why))
            }
            activation => Ok(activation.clone()),
        }
    }
}

impl TryFrom<Parameters> for Given {
    type Error = String;

    fn try_from(given: Parameters) -> Result<Self, String> {
        let slope = given.negative_slope.unwrap_or(0.01);
        let min = given.min_val.unwrap_or(-1.0);
        let max = given.max_val.unwrap_or(1.0);
        Ok(Self(match given.name.as_str() {
            "Tanh" => Activation::Tanh,
            "Fasttanh" => Activation::FastTanh,
            "Hardtanh" => Activation::HardTanh { min, max },
            "ReLU" => Activation::Relu,
            "LeakyReLU" => Activation::LeakyRelu { slope },
            "PReLU" => Activation::PRelu {
                slopes: match (given.negative_slope, given.negative_slopes) {
                    (None, Some(slopes)) => slopes,
                    _ => vec![slope],
                },
            },
            "Sigmoid" => Activation::Sigmoid,
            "SiLU" => Activation::Silu,
            "Hardswish" => Activation::HardSwish,
            "LeakyHardtanh" | "LeakyHardTanh" => Activation::LeakyHardTanh {
                min,
                max,
                min_slope: given.min_slope.unwrap_or(0.01),
                max_slope: given.max_slope.unwrap_or(0.01),
            },
            "Softsign" => Activation::Softsign,
            "Softsigmoid" => Activation::Softsigmoid,
            "ELU" => Activation::Elu {
                alpha: given.alpha.unwrap_or(1.0),
            },
            "Identity" => Activation::Identity,
            other => return Err(format!("the activation \"{other}\" is not supported")),
        }))
    }
}

/// A name, or an object where there are parameters.
pub(super) fn name_or_object(activation: &Activation) -> Result<Value, String> {
    let clamp = |min: f32, max: f32, min_slope: f32, max_slope: f32| {
        json!({
            "type": "LeakyHardtanh",
            "min_val": min,
            "max_val": max,
            "min_slope": min_slope,
            "max_slope": max_slope,
        })
    };
    let leaky = |slope: f32| json!({ "type": "LeakyReLU", "negative_slope": slope });
    Ok(match activation {
        Activation::Tanh => "Tanh".into(),
        Activation::FastTanh => "Fasttanh".into(),
        Activation::HardTanh { min, max } if (*min, *max) == (-1.0, 1.0) => "Hardtanh".into(),
        // Players ignore the limits of Hardtanh, but not of this one.
        Activation::HardTanh { min, max } => clamp(*min, *max, 0.0, 0.0),
        Activation::LeakyHardTanh {
            min,
            max,
            min_slope,
            max_slope,
        } => clamp(*min, *max, *min_slope, *max_slope),
        Activation::Relu => "ReLU".into(),
        Activation::LeakyRelu { slope } => leaky(*slope),
        // Players know no identity by name.
        Activation::Identity => leaky(1.0),
        Activation::PRelu { slopes } => match slopes.as_slice() {
            [slope] => leaky(*slope),
            slopes => json!({ "type": "PReLU", "negative_slopes": slopes }),
        },
        Activation::Sigmoid => "Sigmoid".into(),
        Activation::Silu => "SiLU".into(),
        Activation::HardSwish => "Hardswish".into(),
        Activation::Softsign => "Softsign".into(),
        Activation::Softsigmoid => return Err("its players have no Softsigmoid".into()),
        Activation::Elu { .. } => return Err("its players have no ELU".into()),
        Activation::Softmax => return Err("its players have no softmax".into()),
    })
}

/// As an object, as 0.7.0 files have it.
pub(super) fn object(activation: &Activation) -> Result<Value, String> {
    Ok(match name_or_object(activation)? {
        Value::String(name) => json!({ "type": name }),
        object => object,
    })
}
