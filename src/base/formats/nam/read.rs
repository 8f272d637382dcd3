//! Reading a `.nam` file: the top level and every architecture but WaveNet.
//!
//! The configs deny fields that they do not know; some they know only so as not to deny them
//! (`expect(dead_code)`).

use super::activation::Given;
use super::read_wavenet::wavenet;
use super::weights::Weights;
use crate::formats::common::{Hertz, One, folded};
use crate::formats::error::{FormatError, unsupported};
use crate::formats::format::Format;
use crate::formats::json::Place;
use crate::formats::model::Model;
use crate::network::{
    Affine, Architecture, Layer, Lstm, MAX_DEPTH, Network, Sequential, Slimmable, Submodel,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Reads the parsed text of a `.nam` file.
///
/// # Errors
/// It is not a `.nam` file, or uses something not supported.
pub(crate) fn from_value(value: &Value) -> Result<Model, FormatError> {
    model(&Place::new(value, ""), 0)
}

/// Whether parsed JSON looks like a `.nam` file.
pub(crate) fn looks_like(value: &Value) -> bool {
    value.get("architecture").is_some() && value.get("config").is_some()
}

/// What a file says beside its network; the rest of it is read as its architecture needs.
#[derive(Deserialize)]
struct About {
    version: Option<String>,
    sample_rate: Option<Hertz>,
    metadata: Option<Value>,
}

fn model(file: &Place, depth: usize) -> Result<Model, FormatError> {
    if depth > MAX_DEPTH {
        return Err(unsupported(format!("a model nested {depth} deep"), ""));
    }
    let about: About = file.read()?;
    let version = about.version;
    let version = version.ok_or_else(|| file.wrong("version", "is missing"))?;
    check_version(&version, file)?;
    let Hertz(sample_rate) = about.sample_rate.unwrap_or_default();
    let network = Network::new(architecture(file, sample_rate, depth)?, sample_rate);
    Ok(Model {
        version: Some(version),
        metadata: match about.metadata {
            Some(Value::Object(map)) => map,
            _ => full_metadata(file).unwrap_or_default(),
        },
        ..Model::new(network, Format::Nam)
    })
}

/// That of a container's full size.
fn full_metadata(file: &Place) -> Option<Map<String, Value>> {
    let full = file.get("config")?.get("submodels")?.last().ok()?;
    full.get("model")?.get("metadata")?.read().ok()
}

/// The architecture in a model object, and only that: also a condition network's.
fn architecture(file: &Place, sample_rate: u32, depth: usize) -> Result<Architecture, FormatError> {
    let config = file.need("config")?;
    let name: String = file.need("architecture")?.read()?;
    if name == "SlimmableContainer" {
        return container(&config, sample_rate, depth).map(Architecture::Slimmable);
    }
    let weights: Vec<f32> = file.need("weights")?.read()?;
    let mut weights = Weights::new(&weights);
    let architecture = match name.as_str() {
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
    file: &Place,
    sample_rate: u32,
    depth: usize,
) -> Result<Architecture, FormatError> {
    if depth >= MAX_DEPTH {
        let feature = format!("a condition network nested {} deep", depth + 1);
        return Err(unsupported(feature, ""));
    }
    let about: About = file.read()?;
    if let Some(version) = &about.version {
        check_version(version, file)?;
    }
    if let Some(Hertz(own)) = about.sample_rate.filter(|own| own.0 != sample_rate) {
        let why = format!("is {own} Hz, the network around it runs at {sample_rate} Hz");
        return Err(file.wrong("sample_rate", why));
    }
    architecture(file, sample_rate, depth + 1)
}

fn check_version(text: &str, file: &Place) -> Result<(), FormatError> {
    let parts: Option<Vec<u32>> = text.split('.').map(|p| p.parse().ok()).collect();
    match parts.as_deref() {
        Some([0, 5..=7, _]) => Ok(()),
        Some([_, _, _]) => {
            let hint = "0.5.0 to 0.7 are read; export the model again with a matching trainer";
            Err(unsupported(format!("file version {text}"), hint))
        }
        _ => {
            let why = format!("is \"{text}\", three numbers like 0.5.4 are needed");
            Err(file.wrong("version", why))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct LstmConfig {
    input_size: usize,
    hidden_size: usize,
    num_layers: usize,
    in_channels: Option<One>,
    out_channels: Option<One>,
}

fn lstm(place: &Place, weights: &mut Weights) -> Result<Sequential, FormatError> {
    let config: LstmConfig = place.read()?;
    let (mut inputs, hidden) = (config.input_size, config.hidden_size);
    if inputs != 1 {
        return Err(unsupported(
            format!("{} = {inputs}", place.name("input_size")),
            "the file does not say what the further inputs are",
        ));
    }
    // Layers without units take no weights, so the file would not bound their number.
    for (key, size) in [("hidden_size", hidden), ("num_layers", config.num_layers)] {
        if size == 0 {
            return Err(place.wrong(key, "is 0; it must be at least 1"));
        }
    }
    let mut layers = Vec::new();
    for _ in 0..config.num_layers {
        layers.push(Layer::Lstm(lstm_layer(weights, inputs, hidden)?));
        inputs = hidden;
    }
    layers.push(Layer::Conv1d(weights.conv([hidden, 1], [1, 1, 1], true)?));
    Ok(Sequential {
        input_channels: 1,
        layers,
    })
}

/// W[4H][in + H], b[4H], h0[H], c0[H].
fn lstm_layer(weights: &mut Weights, inputs: usize, hidden: usize) -> Result<Lstm, FormatError> {
    let columns = inputs.saturating_add(hidden);
    let matrix = weights.take(&[4, hidden, columns])?;
    let rows = || matrix.chunks_exact(columns);
    Ok(Lstm {
        input_size: inputs,
        hidden_size: hidden,
        weight_input: rows().flat_map(|row| &row[..inputs]).copied().collect(),
        weight_hidden: rows().flat_map(|row| &row[inputs..]).copied().collect(),
        bias: weights.take(&[4, hidden])?,
        initial_hidden: weights.take(&[hidden])?,
        initial_cell: weights.take(&[hidden])?,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct ConvNetConfig {
    channels: usize,
    dilations: Vec<usize>,
    batchnorm: bool,
    activation: Given,
    groups: Option<usize>,
    in_channels: Option<One>,
    out_channels: Option<One>,
}

fn convnet(place: &Place, weights: &mut Weights) -> Result<Sequential, FormatError> {
    let config: ConvNetConfig = place.read()?;
    let channels = config.channels;
    let (mut inputs, mut layers) = (1, Vec::new());
    for dilation in config.dilations {
        let sizes = [2, dilation, config.groups.unwrap_or(1)];
        let conv = weights.conv([inputs, channels], sizes, !config.batchnorm)?;
        layers.push(Layer::Conv1d(conv));
        if config.batchnorm {
            layers.push(Layer::Affine(batch_norm(weights, channels)?));
        }
        let activation = config.activation.of(channels, place, "activation")?;
        layers.push(Layer::Activation(activation));
        inputs = channels;
    }
    layers.push(Layer::Conv1d(weights.conv([inputs, 1], [1, 1, 1], true)?));
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct LinearConfig {
    receptive_field: usize,
    bias: bool,
    in_channels: Option<One>,
    out_channels: Option<One>,
    /// Chooses between two ways to compute the same.
    implementation: Option<IgnoredAny>,
}

fn linear(place: &Place, weights: &mut Weights) -> Result<Sequential, FormatError> {
    let config: LinearConfig = place.read()?;
    let mut conv = weights.conv([1, 1], [config.receptive_field, 1, 1], config.bias)?;
    // The file's order is that of an impulse response, newest first.
    conv.weight.reverse();
    Ok(Sequential {
        input_channels: 1,
        layers: vec![Layer::Conv1d(conv)],
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerConfig {
    submodels: Vec<SizeConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct SizeConfig {
    max_value: f64,
    model: IgnoredAny,
}

fn container(place: &Place, sample_rate: u32, depth: usize) -> Result<Slimmable, FormatError> {
    let config: ContainerConfig = place.read()?;
    let mut submodels = Vec::new();
    for (size, entry) in config
        .submodels
        .iter()
        .zip(place.need("submodels")?.items()?)
    {
        let network = Box::new(model(&entry.need("model")?, depth + 1)?.network);
        if network.sample_rate != sample_rate {
            let own = network.sample_rate;
            let why = format!("runs at {own} Hz, the container at {sample_rate} Hz");
            return Err(entry.wrong("model.sample_rate", why));
        }
        submodels.push(Submodel {
            max_value: size.max_value,
            network,
        });
    }
    Ok(Slimmable { submodels })
}
