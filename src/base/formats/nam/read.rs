//! Reading a `.nam` file: the top level and every architecture but WaveNet.

use super::DEFAULT_SAMPLE_RATE;
use super::read_wavenet::wavenet;
use crate::formats::json::{self, Object};
use crate::formats::{Format, FormatError, Model, field, unsupported};
use crate::network::{
    Activation, Affine, Architecture, Conv1d, Layer, Lstm, MAX_DEPTH, Network, Sequential,
    Slimmable, Submodel,
};
use serde_json::{Map, Value};

/// Reads the parsed text of a `.nam` file.
///
/// # Errors
/// It is not a `.nam` file, or uses something not supported.
pub(crate) fn from_value(value: &Value) -> Result<Model, FormatError> {
    model(&Object::new(value, "")?, 0)
}

/// Whether parsed JSON looks like a `.nam` file.
pub(crate) fn looks_like(value: &Value) -> bool {
    value.get("architecture").is_some() && value.get("config").is_some()
}

fn model(file: &Object, depth: usize) -> Result<Model, FormatError> {
    if depth > MAX_DEPTH {
        return Err(unsupported(format!("a model nested {depth} deep"), ""));
    }
    let version = version(file.text("version")?)?;
    let sample_rate = sample_rate(file)?;
    let metadata = match file.get("metadata") {
        Some(Value::Object(map)) => map.clone(),
        _ => full_metadata(file).unwrap_or_default(),
    };
    let network = Network::new(architecture(file, sample_rate, depth)?, sample_rate);
    Ok(Model {
        version: Some(version),
        metadata,
        ..Model::new(network, Format::Nam)
    })
}

fn full_metadata(file: &Object) -> Option<Map<String, Value>> {
    let submodels = file.get("config")?.get("submodels")?.as_array()?;
    submodels
        .last()?
        .get("model")?
        .get("metadata")?
        .as_object()
        .cloned()
}

/// The architecture in a model object, and only that: also a condition network's.
pub(super) fn architecture(
    file: &Object,
    sample_rate: u32,
    depth: usize,
) -> Result<Architecture, FormatError> {
    let config = file.object("config")?;
    let name = file.text("architecture")?;
    if name == "SlimmableContainer" {
        return container(&config, sample_rate, depth).map(Architecture::Slimmable);
    }
    let weights = file.floats("weights")?;
    let mut weights = Weights::new(&weights);
    let architecture = match name {
        "WaveNet" => Architecture::WaveNet(wavenet(&config, &mut weights, sample_rate, depth)?),
        "LSTM" => Architecture::Sequential(lstm(&config, &mut weights)?),
        "ConvNet" => Architecture::Sequential(convnet(&config, &mut weights)?),
        "Linear" => Architecture::Sequential(linear(&config, &mut weights)?),
        other => {
            let hint = "known are WaveNet, LSTM, ConvNet, Linear and SlimmableContainer";
            return Err(unsupported(format!("the architecture \"{other}\""), hint));
        }
    };
    weights.finish()?;
    Ok(architecture)
}

/// A condition network: any architecture, at the outer network's rate.
pub(super) fn nested(
    value: &Value,
    place: &str,
    sample_rate: u32,
    depth: usize,
) -> Result<Architecture, FormatError> {
    if depth >= MAX_DEPTH {
        return Err(unsupported(
            format!("a condition network nested {} deep", depth + 1),
            "",
        ));
    }
    let file = Object::new(value, place)?;
    if let Some(text) = file.get("version") {
        version(json::text(text, &file.place("version"))?)?;
    }
    if file.get("sample_rate").is_some() {
        let own = self::sample_rate(&file)?;
        if own != sample_rate {
            let why = format!("is {own} Hz, the network around it runs at {sample_rate} Hz");
            return Err(field(file.place("sample_rate"), why));
        }
    }
    architecture(&file, sample_rate, depth + 1)
}

fn version(text: &str) -> Result<String, FormatError> {
    let parts: Option<Vec<u32>> = text.split('.').map(|p| p.parse().ok()).collect();
    match parts.as_deref() {
        Some([0, 5..=7, _]) => Ok(text.to_string()),
        Some([_, _, _]) => {
            let hint = "0.5.0 to 0.7 are read; export the model again with a matching trainer";
            Err(unsupported(format!("file version {text}"), hint))
        }
        _ => Err(field(
            "version",
            format!("is \"{text}\", three numbers like 0.5.4 are needed"),
        )),
    }
}

fn sample_rate(file: &Object) -> Result<u32, FormatError> {
    let rate = file.number_or("sample_rate", f64::from(DEFAULT_SAMPLE_RATE))?;
    if rate.fract() == 0.0 && (1.0..=4e9).contains(&rate) {
        return Ok(rate as u32);
    }
    let why = format!("is {rate}; a whole number of hertz is needed");
    Err(field(file.place("sample_rate"), why))
}

/// The flat list of weights, taken piece by piece in file order.
pub(super) struct Weights<'a> {
    all: &'a [f32],
    at: usize,
}

impl<'a> Weights<'a> {
    fn new(all: &'a [f32]) -> Self {
        Self { all, at: 0 }
    }

    /// The next `product of counts` weights.
    pub(super) fn take(&mut self, counts: &[usize]) -> Result<Vec<f32>, FormatError> {
        let n = counts.iter().try_fold(1usize, |n, c| n.checked_mul(*c));
        let end = n.and_then(|n| self.at.checked_add(n));
        let Some(taken) = end.and_then(|end| self.all.get(self.at..end)) else {
            let needs = end.map_or("more than can be".into(), |end| format!("at least {end}"));
            return Err(FormatError::WeightCount {
                got: self.all.len(),
                needs,
            });
        };
        self.at += taken.len();
        Ok(taken.to_vec())
    }

    /// The next weight.
    pub(super) fn one(&mut self) -> Result<f32, FormatError> {
        self.take(&[1]).map(|w| w[0])
    }

    /// A convolution in file order: weight `[out][in / groups][k]`, then bias.
    pub(super) fn conv(&mut self, shape: ConvShape) -> Result<Conv1d, FormatError> {
        let ConvShape {
            in_channels,
            out_channels,
            kernel_size,
            dilation,
            groups,
            bias,
        } = shape;
        if groups == 0 {
            return Err(field("groups", "is 0; it must be at least 1"));
        }
        let weight = self.take(&[out_channels, in_channels / groups, kernel_size])?;
        let bias = if bias {
            self.take(&[out_channels])?
        } else {
            Vec::new()
        };
        Ok(Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            dilation,
            groups,
            weight,
            bias,
        })
    }

    fn finish(self) -> Result<(), FormatError> {
        if self.at == self.all.len() {
            return Ok(());
        }
        Err(FormatError::WeightCount {
            got: self.all.len(),
            needs: self.at.to_string(),
        })
    }
}

/// The sizes of a convolution.
#[derive(Clone, Copy)]
pub(super) struct ConvShape {
    pub(super) in_channels: usize,
    pub(super) out_channels: usize,
    pub(super) kernel_size: usize,
    pub(super) dilation: usize,
    pub(super) groups: usize,
    pub(super) bias: bool,
}

impl ConvShape {
    /// Kernel size 1, one group, with bias.
    pub(super) fn pointwise(in_channels: usize, out_channels: usize) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel_size: 1,
            dilation: 1,
            groups: 1,
            bias: true,
        }
    }

    pub(super) fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub(super) fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    pub(super) fn kernel(self, kernel_size: usize, dilation: usize) -> Self {
        Self {
            kernel_size,
            dilation,
            ..self
        }
    }
}

/// Refuses more channels in or out than the one of audio.
pub(super) fn mono(config: &Object) -> Result<(), FormatError> {
    for key in ["in_channels", "out_channels"] {
        let channels = config.size_or(key, 1)?;
        if channels != 1 {
            let feature = format!("{} = {channels}", config.place(key));
            return Err(unsupported(
                feature,
                "one channel in and one out are played",
            ));
        }
    }
    Ok(())
}

fn lstm(config: &Object, weights: &mut Weights) -> Result<Sequential, FormatError> {
    config.only(&[
        "input_size",
        "hidden_size",
        "num_layers",
        "in_channels",
        "out_channels",
    ])?;
    mono(config)?;
    let (mut inputs, hidden) = (config.size("input_size")?, config.size("hidden_size")?);
    if inputs != 1 {
        let feature = format!("{} = {inputs}", config.place("input_size"));
        return Err(unsupported(
            feature,
            "the file does not say what the further inputs are",
        ));
    }
    let count = config.size("num_layers")?;
    if count == 0 {
        return Err(field(
            config.place("num_layers"),
            "is 0; it must be at least 1",
        ));
    }
    let mut layers = Vec::new();
    for _ in 0..count {
        layers.push(Layer::Lstm(lstm_layer(weights, inputs, hidden)?));
        inputs = hidden;
    }
    layers.push(Layer::Conv1d(
        weights.conv(ConvShape::pointwise(hidden, 1))?,
    ));
    Ok(Sequential {
        input_channels: 1,
        layers,
    })
}

/// W[4H][in + H], b[4H], h0[H], c0[H].
fn lstm_layer(weights: &mut Weights, inputs: usize, hidden: usize) -> Result<Lstm, FormatError> {
    let columns = inputs.checked_add(hidden);
    let columns = columns.ok_or_else(|| field("hidden_size", "is too large"))?;
    let matrix = weights.take(&[4, hidden, columns])?;
    let mut lstm = Lstm {
        input_size: inputs,
        hidden_size: hidden,
        weight_input: Vec::with_capacity(4 * hidden * inputs),
        weight_hidden: Vec::with_capacity(4 * hidden * hidden),
        bias: weights.take(&[4, hidden])?,
        initial_hidden: weights.take(&[hidden])?,
        initial_cell: weights.take(&[hidden])?,
    };
    for row in matrix.chunks_exact(columns.max(1)) {
        lstm.weight_input.extend_from_slice(&row[..inputs]);
        lstm.weight_hidden.extend_from_slice(&row[inputs..]);
    }
    Ok(lstm)
}

fn convnet(config: &Object, weights: &mut Weights) -> Result<Sequential, FormatError> {
    let known = [
        "channels",
        "dilations",
        "batchnorm",
        "activation",
        "groups",
        "in_channels",
        "out_channels",
    ];
    config.only(&known)?;
    mono(config)?;
    let channels = config.size("channels")?;
    let dilations = json::sizes(config.list("dilations")?, &config.place("dilations"))?;
    let batchnorm = config.flag("batchnorm")?;
    let activation = activation(config.need("activation")?, &config.place("activation"))?;
    let groups = config.size_or("groups", 1)?;
    let (mut inputs, mut layers) = (1, Vec::new());
    for dilation in dilations {
        let shape = ConvShape::pointwise(inputs, channels)
            .kernel(2, dilation)
            .groups(groups);
        layers.push(Layer::Conv1d(weights.conv(shape.bias(!batchnorm))?));
        if batchnorm {
            layers.push(Layer::Affine(batch_norm(weights, channels)?));
        }
        layers.push(Layer::Activation(activation.clone()));
        inputs = channels;
    }
    layers.push(Layer::Conv1d(
        weights.conv(ConvShape::pointwise(inputs, 1))?,
    ));
    Ok(Sequential {
        input_channels: 1,
        layers,
    })
}

/// Running mean, running variance, weight, bias, epsilon → scale and shift.
fn batch_norm(weights: &mut Weights, channels: usize) -> Result<Affine, FormatError> {
    let mean = weights.take(&[channels])?;
    let variance = weights.take(&[channels])?;
    let weight = weights.take(&[channels])?;
    let bias = weights.take(&[channels])?;
    let epsilon = weights.one()?;
    Ok(folded(&mean, &variance, &weight, &bias, epsilon))
}

/// Batch normalisation after training as one scale and one shift per channel.
pub(crate) fn folded(
    mean: &[f32],
    variance: &[f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
) -> Affine {
    let scale =
        |c: usize| f64::from(weight[c]) / (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
    let shift = |c: usize| f64::from(bias[c]) - scale(c) * f64::from(mean[c]);
    Affine {
        scale: (0..mean.len()).map(|c| scale(c) as f32).collect(),
        shift: (0..mean.len()).map(|c| shift(c) as f32).collect(),
    }
}

fn linear(config: &Object, weights: &mut Weights) -> Result<Sequential, FormatError> {
    // "implementation" chooses between two ways to compute the same.
    config.only(&[
        "receptive_field",
        "bias",
        "in_channels",
        "out_channels",
        "implementation",
    ])?;
    mono(config)?;
    let taps = config.size("receptive_field")?;
    let shape = ConvShape::pointwise(1, 1)
        .kernel(taps, 1)
        .bias(config.flag("bias")?);
    let mut conv = weights.conv(shape)?;
    // The file's order is that of an impulse response, newest first.
    conv.weight.reverse();
    Ok(Sequential {
        input_channels: 1,
        layers: vec![Layer::Conv1d(conv)],
    })
}

fn container(config: &Object, sample_rate: u32, depth: usize) -> Result<Slimmable, FormatError> {
    config.only(&["submodels"])?;
    let mut submodels = Vec::new();
    for (i, entry) in config.list("submodels")?.iter().enumerate() {
        let entry = Object::new(entry, format!("{}[{i}]", config.place("submodels")))?;
        entry.only(&["max_value", "model"])?;
        let model = model(&entry.object("model")?, depth + 1)?;
        if model.network.sample_rate != sample_rate {
            let why = format!(
                "runs at {} Hz, the container at {sample_rate} Hz",
                model.network.sample_rate
            );
            return Err(field(entry.place("model.sample_rate"), why));
        }
        let (max_value, network) = (entry.number("max_value")?, Box::new(model.network));
        submodels.push(Submodel { max_value, network });
    }
    Ok(Slimmable { submodels })
}

/// An activation: a name, or an object {type, parameters}.
pub(super) fn activation(value: &Value, place: &str) -> Result<Activation, FormatError> {
    let empty = Map::new();
    let (name, map) = match value {
        Value::String(name) => (name.as_str(), &empty),
        Value::Object(map) => {
            let object = Object::new(value, place)?;
            let known = [
                "type",
                "negative_slope",
                "negative_slopes",
                "min_val",
                "max_val",
                "min_slope",
                "max_slope",
                "alpha",
            ];
            object.only(&known)?;
            (object.text("type")?, map)
        }
        _ => {
            return Err(field(
                place,
                "an activation is a name or an object with a type",
            ));
        }
    };
    let get = |key: &str, default: f32| match map.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => json::float(value, &format!("{place}.{key}")),
    };
    Ok(match name {
        "Tanh" => Activation::Tanh,
        "Fasttanh" => Activation::FastTanh,
        "Hardtanh" => Activation::HardTanh {
            min: get("min_val", -1.0)?,
            max: get("max_val", 1.0)?,
        },
        "ReLU" => Activation::Relu,
        "LeakyReLU" => Activation::LeakyRelu {
            slope: get("negative_slope", 0.01)?,
        },
        "PReLU" => Activation::PRelu {
            slopes: match map.get("negative_slopes") {
                Some(slopes) if map.get("negative_slope").is_none() => {
                    json::floats(slopes, &format!("{place}.negative_slopes"))?
                }
                _ => vec![get("negative_slope", 0.01)?],
            },
        },
        "Sigmoid" => Activation::Sigmoid,
        "SiLU" => Activation::Silu,
        "Hardswish" => Activation::HardSwish,
        "LeakyHardtanh" | "LeakyHardTanh" => Activation::LeakyHardTanh {
            min: get("min_val", -1.0)?,
            max: get("max_val", 1.0)?,
            min_slope: get("min_slope", 0.01)?,
            max_slope: get("max_slope", 0.01)?,
        },
        "Softsign" => Activation::Softsign,
        "Softsigmoid" => Activation::Softsigmoid,
        "ELU" => Activation::Elu {
            alpha: get("alpha", 1.0)?,
        },
        "Identity" => Activation::Identity,
        other => {
            return Err(unsupported(
                format!("the activation \"{other}\" ({place})"),
                "",
            ));
        }
    })
}
