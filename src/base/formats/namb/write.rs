//! The `.nam` form of a network as bytes.

use super::bytes;
use super::numbers::{
    ACTIVATIONS, ARCHITECTURES, CHECKSUM, FILMS, GATINGS, LEVELS, MAGIC, METADATA, MODEL, VERSION,
};
use crate::formats::nam::model as nam_model;
use crate::network::Network;
use serde_json::{Map, Value};

/// Whether a network has a form here, as its `.nam` form.
pub(crate) fn model(network: &Network) -> Result<Map<String, Value>, String> {
    let model = nam_model(network)?;
    file(&model, &Map::new())?;
    Ok(model)
}

/// Bytes to be.
#[derive(Default)]
struct Out(Vec<u8>);

/// A field that the format's own is too small for.
fn too_large(what: &str, value: u64) -> String {
    format!("its {what} is {value}, more than the format's field for it holds")
}

impl Out {
    fn u8(&mut self, what: &str, value: u64) -> Result<(), String> {
        self.0
            .push(u8::try_from(value).map_err(|_| too_large(what, value))?);
        Ok(())
    }

    fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    fn u16(&mut self, what: &str, value: u64) -> Result<(), String> {
        let number = u16::try_from(value).map_err(|_| too_large(what, value))?;
        self.0.extend(number.to_le_bytes());
        Ok(())
    }

    fn i32(&mut self, what: &str, value: u64) -> Result<(), String> {
        let number = i32::try_from(value).map_err(|_| too_large(what, value))?;
        self.0.extend(number.to_le_bytes());
        Ok(())
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn f32(&mut self, value: f32) {
        self.0.extend(value.to_le_bytes());
    }

    fn f64(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    fn zeros(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    fn set_u32(&mut self, at: usize, value: usize) -> Result<(), String> {
        let number = u32::try_from(value).map_err(|_| too_large("size", value as u64))?;
        self.0[at..at + 4].copy_from_slice(&number.to_le_bytes());
        Ok(())
    }
}

/// A whole number of a `.nam` object, or what the field's programs take where it is absent.
fn whole(object: &Value, key: &str, absent: u64) -> u64 {
    object.get(key).and_then(Value::as_u64).unwrap_or(absent)
}

fn truth(object: &Value, key: &str, absent: bool) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or(absent)
}

fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The whole file.
pub(super) fn file(
    model: &Map<String, Value>,
    said: &Map<String, Value>,
) -> Result<Vec<u8>, String> {
    let model = Value::Object(model.clone());
    let mut out = Out::default();
    out.u32(MAGIC);
    out.u16("version", VERSION.into())?;
    out.zeros(METADATA - 6);
    metadata(&mut out, &model, said)?;
    debug_assert_eq!(out.0.len(), MODEL);
    block(&mut out, &model)?;
    let block_len = out.0.len() - MODEL;
    out.zeros(out.0.len().next_multiple_of(4) - out.0.len());
    let start = out.0.len();
    let mut weights = Vec::new();
    collect(&model, &mut weights);
    for weight in &weights {
        out.f32(*weight);
    }
    let len = out.0.len();
    for (at, value) in [(8, len), (12, start), (16, weights.len()), (20, block_len)] {
        out.set_u32(at, value)?;
    }
    let sum = bytes::checksum(&out.0).to_le_bytes();
    out.0[CHECKSUM].copy_from_slice(&sum);
    Ok(out.0)
}

fn metadata(out: &mut Out, model: &Value, said: &Map<String, Value>) -> Result<(), String> {
    let version = model
        .get("version")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    for _ in 0..3 {
        out.u8("version", parts.next().unwrap_or(0))?;
    }
    let level = |key: &str| said.get(key).and_then(Value::as_f64);
    let flags = LEVELS.iter().filter(|(key, _)| level(key).is_some());
    out.u8("flags", flags.map(|(_, flag)| u64::from(*flag)).sum())?;
    out.f64(
        model
            .get("sample_rate")
            .and_then(Value::as_f64)
            .unwrap_or(-1.0),
    );
    for (key, _) in LEVELS {
        out.f64(level(key).unwrap_or(0.0));
    }
    out.zeros(12);
    Ok(())
}

/// A condition network's weights come before those of the network around it.
fn collect(model: &Value, weights: &mut Vec<f32>) {
    if let Some(condition) = model
        .get("config")
        .and_then(|config| config.get("condition_dsp"))
    {
        collect(condition, weights);
    }
    let own = list(model, "weights").iter().filter_map(Value::as_f64);
    weights.extend(own.map(|weight| weight as f32));
}

/// The architecture's number, its size, its fields.
fn block(out: &mut Out, model: &Value) -> Result<(), String> {
    let name = model
        .get("architecture")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let number = ARCHITECTURES.iter().position(|known| *known == name);
    let number = number.ok_or_else(|| match name {
        "SlimmableContainer" => "its files hold one size of a slimmable network".to_string(),
        other => format!("it has no form for {other}"),
    })?;
    out.u8("architecture", number as u64)?;
    out.zeros(3);
    let start = out.0.len();
    let config = model.get("config").unwrap_or(&Value::Null);
    match name {
        "Linear" => linear(out, config)?,
        "ConvNet" => convnet(out, config)?,
        "LSTM" => lstm(out, config)?,
        _ => wavenet(out, config)?,
    }
    let size = out.0.len() - start;
    let size = u16::try_from(size).map_err(|_| too_large("description", size as u64))?;
    out.0[start - 2..start].copy_from_slice(&size.to_le_bytes());
    Ok(())
}

fn channels(out: &mut Out, config: &Value) -> Result<(), String> {
    out.u8("in_channels", whole(config, "in_channels", 1))?;
    out.u8("out_channels", whole(config, "out_channels", 1))
}

fn linear(out: &mut Out, config: &Value) -> Result<(), String> {
    out.i32("receptive_field", whole(config, "receptive_field", 0))?;
    out.flag(truth(config, "bias", false));
    channels(out, config)?;
    out.zeros(1);
    Ok(())
}

fn lstm(out: &mut Out, config: &Value) -> Result<(), String> {
    for key in ["num_layers", "input_size", "hidden_size"] {
        out.u16(key, whole(config, key, 0))?;
    }
    channels(out, config)?;
    out.zeros(2);
    Ok(())
}

fn convnet(out: &mut Out, config: &Value) -> Result<(), String> {
    let dilations = list(config, "dilations");
    out.u16("channels", whole(config, "channels", 0))?;
    out.flag(truth(config, "batchnorm", false));
    out.u8("number of layers", dilations.len() as u64)?;
    out.u16("groups", whole(config, "groups", 1))?;
    channels(out, config)?;
    activation(out, config.get("activation").unwrap_or(&Value::Null))?;
    dilations
        .iter()
        .try_for_each(|d| out.i32("dilation", d.as_u64().unwrap_or(0)))
}

fn wavenet(out: &mut Out, config: &Value) -> Result<(), String> {
    if config.get("head").is_some_and(|head| !head.is_null()) {
        return Err("its loader has no head behind the stack".to_string());
    }
    let layers = list(config, "layers");
    let condition = config.get("condition_dsp");
    out.u8("in_channels", whole(config, "in_channels", 1))?;
    out.flag(false);
    out.u8("number of arrays", layers.len() as u64)?;
    out.flag(condition.is_some());
    if let Some(condition) = condition {
        let mut weights = Vec::new();
        collect(condition, &mut weights);
        out.u32(u32::try_from(weights.len()).map_err(|_| "it is too large".to_string())?);
        metadata(out, condition, &Map::new())?;
        block(out, condition)?;
    }
    layers.iter().try_for_each(|layer| array(out, layer))
}

/// A value for each of `count` layers: a list, or one for all.
fn each<'a>(layer: &'a Value, key: &str, count: usize) -> Vec<&'a Value> {
    match layer.get(key) {
        Some(Value::Array(list)) => list.iter().collect(),
        one => vec![one.unwrap_or(&Value::Null); count],
    }
}

fn array(out: &mut Out, layer: &Value) -> Result<(), String> {
    let width = whole(layer, "channels", 0);
    let dilations = list(layer, "dilations");
    let count = dilations.len();
    let head = layer.get("head").filter(|head| !head.is_null());
    let (head_size, head_kernel, head_bias) = match head {
        Some(head) => (
            whole(head, "out_channels", 0),
            whole(head, "kernel_size", 1),
            truth(head, "bias", false),
        ),
        None => (
            whole(layer, "head_size", 0),
            1,
            truth(layer, "head_bias", false),
        ),
    };
    if head.is_some_and(|head| whole(head, "head_dilation", 1) != 1) {
        return Err("its heads have no dilation".to_string());
    }
    out.u16("input_size", whole(layer, "input_size", 1))?;
    out.u16("condition_size", whole(layer, "condition_size", 1))?;
    out.u16("head_size", head_size)?;
    out.u16("channels", width)?;
    out.u16("bottleneck", whole(layer, "bottleneck", width))?;
    out.u16("head kernel", head_kernel)?;
    out.flag(head_bias);
    out.u8("number of layers", count as u64)?;
    out.u16("groups_input", whole(layer, "groups_input", 1))?;
    out.u16("groups_input_mixin", whole(layer, "groups_input_mixin", 1))?;
    let none = Value::Null;
    let layer1x1 = layer.get("layer1x1").unwrap_or(&none);
    out.flag(truth(layer1x1, "active", true));
    out.u16("groups", whole(layer1x1, "groups", 1))?;
    out.zeros(1);
    let head1x1 = layer.get("head1x1").unwrap_or(&none);
    out.flag(truth(head1x1, "active", false));
    out.u16("out_channels", whole(head1x1, "out_channels", width))?;
    out.u16("groups", whole(head1x1, "groups", 1))?;
    out.zeros(1);
    for key in FILMS {
        film(out, layer.get(key))?;
    }
    for dilation in dilations {
        out.i32("dilation", dilation.as_u64().unwrap_or(0))?;
    }
    let kernels = match layer.get("kernel_size") {
        Some(_) => each(layer, "kernel_size", count),
        None => each(layer, "kernel_sizes", count),
    };
    for kernel in kernels {
        out.u16("kernel size", kernel.as_u64().unwrap_or(0))?;
    }
    for function in each(layer, "activation", count) {
        activation(out, function)?;
    }
    let gatings = gatings(layer, count);
    for gating in &gatings {
        out.u8("gating", *gating)?;
    }
    let gates = each(layer, "secondary_activation", count);
    for (gating, gate) in gatings.iter().zip(gates) {
        match (gating, gate) {
            // Nobody looks at it.
            (0, _) => activation(out, &Value::String(ACTIVATIONS[0].to_string()))?,
            (_, Value::Null) => activation(out, &Value::String("Sigmoid".to_string()))?,
            (_, gate) => activation(out, gate)?,
        }
    }
    Ok(())
}

fn gatings(layer: &Value, count: usize) -> Vec<u64> {
    let number = |mode: &Value| {
        let known = GATINGS
            .iter()
            .position(|known| mode.as_str() == Some(known));
        known.unwrap_or(0) as u64
    };
    match layer.get("gating_mode") {
        Some(_) => each(layer, "gating_mode", count)
            .into_iter()
            .map(number)
            .collect(),
        None => vec![u64::from(truth(layer, "gated", false)); count],
    }
}

fn film(out: &mut Out, film: Option<&Value>) -> Result<(), String> {
    let Some(film) = film.filter(|film| film.is_object()) else {
        out.zeros(2);
        return out.u16("groups", 1);
    };
    let flags = u64::from(truth(film, "active", true)) + 2 * u64::from(truth(film, "shift", true));
    out.u8("flags", flags)?;
    out.zeros(1);
    out.u16("groups", whole(film, "groups", 1))
}

fn activation(out: &mut Out, function: &Value) -> Result<(), String> {
    let name = function
        .as_str()
        .or_else(|| function.get("type")?.as_str())
        .unwrap_or_default();
    let number = ACTIVATIONS.iter().position(|known| *known == name);
    out.u8(
        "activation",
        number.ok_or_else(|| format!("it has no form for the activation {name}"))? as u64,
    )?;
    let float = |key: &str, absent: f64| {
        let value = function.get(key).and_then(Value::as_f64);
        value.unwrap_or(absent) as f32
    };
    let parameters: Vec<f32> = match name {
        "LeakyReLU" => vec![float("negative_slope", 0.01)],
        "PReLU" => match list(function, "negative_slopes") {
            [] => vec![float("negative_slope", 0.01)],
            slopes => slopes
                .iter()
                .filter_map(Value::as_f64)
                .map(|x| x as f32)
                .collect(),
        },
        "LeakyHardtanh" => vec![
            float("min_val", -1.0),
            float("max_val", 1.0),
            float("min_slope", 0.01),
            float("max_slope", 0.01),
        ],
        _ => Vec::new(),
    };
    out.u8("number of slopes", parameters.len() as u64)?;
    parameters
        .into_iter()
        .for_each(|parameter| out.f32(parameter));
    Ok(())
}
