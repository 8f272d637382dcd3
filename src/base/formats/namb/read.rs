//! Bytes as the `.nam` form that they stand for.

use super::bytes::{self, Bytes, Ended};
use super::numbers::{
    ACTIVATIONS, ARCHITECTURES, CHECKSUM, FILMS, GATINGS, LEVELS, MAGIC, METADATA, MODEL, VERSION,
};
use crate::formats::error::{FormatError, field, unsupported};
use crate::formats::format::Format;
use crate::formats::json::MAX_BYTES;
use crate::formats::model::Model;
use crate::formats::nam::from_value;
use crate::limits::Budget;
use crate::network::MAX_DEPTH;
use serde_json::{Map, Value, json};

impl From<Ended> for FormatError {
    fn from(_: Ended) -> Self {
        field(
            "file",
            "ends before what it announces; it was cut short or damaged",
        )
    }
}

/// Whether bytes begin as a `.namb` file.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_le_bytes())
}

/// Reads a `.namb` file.
///
/// # Errors
/// Cut short, damaged, of another version, or of a network that is not supported.
pub(crate) fn from_bytes(file: &[u8]) -> Result<Model, FormatError> {
    if file.len() > MAX_BYTES {
        return Err(FormatError::TooLong { allowed: MAX_BYTES });
    }
    let weights = checked(file)?;
    // Each weight becomes a value of the .nam form.
    Budget::default().take(weights.len().saturating_mul(2 * size_of::<Value>()))?;
    let (version, rate, said) = metadata(&mut Bytes::new(&file[METADATA..MODEL]))?;
    let end = u32::from_le_bytes([file[12], file[13], file[14], file[15]]) as usize;
    let mut block = Bytes::new(&file[MODEL..end]);
    let mut rest = weights.as_slice();
    let mut model = architecture(&mut block, &mut rest, 0)?;
    model.insert("version".to_string(), version.into());
    model.insert("sample_rate".to_string(), rate);
    model.insert("metadata".to_string(), said.into());
    let read = from_value(&Value::Object(model))?;
    Ok(Model {
        format: Format::Namb,
        ..read
    })
}

/// The weights of a file whose header is true.
fn checked(file: &[u8]) -> Result<Vec<f32>, FormatError> {
    let mut header = Bytes::new(file.get(..MODEL).ok_or(Ended)?);
    let magic = header.u32()?;
    let version = header.u16()?;
    if magic != MAGIC || version != VERSION {
        let hint = "version 1 is read";
        return Err(unsupported(format!("version {version} of .namb"), hint));
    }
    header.skip(2)?;
    let (len, start) = (header.u32()? as usize, header.u32()? as usize);
    let (count, _) = (header.u32()? as usize, header.u32()?);
    let sum = header.u32()?;
    if len != file.len() {
        let why = format!(
            "has {} bytes of {len}; it was cut short or damaged",
            file.len()
        );
        return Err(field("file", why));
    }
    if bytes::checksum(file) != sum {
        let why = format!("differs from its checksum (bytes {CHECKSUM:?}); it is damaged");
        return Err(field("file", why));
    }
    let weights = file.get(start..).filter(|_| start >= MODEL).ok_or(Ended)?;
    if count.checked_mul(4) != Some(weights.len()) {
        return Err(FormatError::WeightCount {
            got: weights.len() / 4,
            needs: count.to_string(),
        });
    }
    let quads = weights.chunks_exact(4);
    Ok(quads
        .map(|q| f32::from_le_bytes([q[0], q[1], q[2], q[3]]))
        .collect())
}

/// The version, the rate (null where the file has none) and the levels.
fn metadata(from: &mut Bytes) -> Result<(String, Value, Map<String, Value>), FormatError> {
    let version = format!("{}.{}.{}", from.u8()?, from.u8()?, from.u8()?);
    let flags = from.u8()?;
    let rate = from.f64()?;
    let mut said = Map::new();
    for (key, flag) in LEVELS {
        let level = from.f64()?;
        if flags & flag != 0 {
            said.insert(key.to_string(), level.into());
        }
    }
    from.skip(12)?;
    let rate = match rate > 0.0 {
        true => json!(rate),
        false => Value::Null,
    };
    Ok((version, rate, said))
}

/// A model object without version and rate, which takes its weights from the front of `weights`.
fn architecture(
    from: &mut Bytes,
    weights: &mut &[f32],
    depth: usize,
) -> Result<Map<String, Value>, FormatError> {
    if depth > MAX_DEPTH {
        return Err(unsupported(format!("a model nested {depth} deep"), ""));
    }
    let number = from.u8()?;
    from.skip(3)?;
    let name = ARCHITECTURES.get(usize::from(number));
    let name = name.ok_or_else(|| unsupported(format!("architecture number {number}"), ""))?;
    let config = match *name {
        "Linear" => linear(from)?,
        "ConvNet" => convnet(from)?,
        "LSTM" => lstm(from)?,
        _ => wavenet(from, weights, depth)?,
    };
    let mut model = Map::new();
    model.insert("architecture".to_string(), (*name).into());
    model.insert("config".to_string(), config);
    // Of a condition network only its own; the caller has cut them off.
    model.insert("weights".to_string(), json!(weights));
    Ok(model)
}

fn linear(from: &mut Bytes) -> Result<Value, FormatError> {
    let config = json!({
        "receptive_field": from.i32()?,
        "bias": from.flag()?,
        "in_channels": from.u8()?,
        "out_channels": from.u8()?,
    });
    from.skip(1)?;
    Ok(config)
}

fn lstm(from: &mut Bytes) -> Result<Value, FormatError> {
    let config = json!({
        "num_layers": from.u16()?,
        "input_size": from.u16()?,
        "hidden_size": from.u16()?,
        "in_channels": from.u8()?,
        "out_channels": from.u8()?,
    });
    from.skip(2)?;
    Ok(config)
}

fn convnet(from: &mut Bytes) -> Result<Value, FormatError> {
    let channels = from.u16()?;
    let batchnorm = from.flag()?;
    let layers = from.u8()?;
    let groups = from.u16()?;
    let (inputs, outputs) = (from.u8()?, from.u8()?);
    let activation = activation(from)?;
    let dilations = (0..layers).map(|_| from.i32());
    let dilations: Vec<i32> = dilations.collect::<Result<_, _>>()?;
    Ok(json!({
        "channels": channels,
        "batchnorm": batchnorm,
        "groups": groups,
        "in_channels": inputs,
        "out_channels": outputs,
        "activation": activation,
        "dilations": dilations,
    }))
}

fn wavenet(from: &mut Bytes, weights: &mut &[f32], depth: usize) -> Result<Value, FormatError> {
    let inputs = from.u8()?;
    if from.flag()? {
        return Err(unsupported("a head behind a WaveNet's stack in .namb", ""));
    }
    let arrays = from.u8()?;
    let mut config = Map::new();
    if from.flag()? {
        let count = from.u32()? as usize;
        let (version, rate, _) = metadata(from)?;
        let (own, rest) = weights.split_at_checked(count).ok_or(Ended)?;
        let mut condition = architecture(from, &mut { own }, depth + 1)?;
        condition.insert("version".to_string(), version.into());
        condition.insert("sample_rate".to_string(), rate);
        config.insert("condition_dsp".to_string(), condition.into());
        *weights = rest;
    }
    let layers = (0..arrays).map(|_| array(from));
    let layers: Vec<Value> = layers.collect::<Result<_, _>>()?;
    config.insert("in_channels".to_string(), inputs.into());
    config.insert("layers".to_string(), layers.into());
    Ok(config.into())
}

fn array(from: &mut Bytes) -> Result<Value, FormatError> {
    let mut config = Map::new();
    let mut put = |key: &str, value: Value| drop(config.insert(key.to_string(), value));
    put("input_size", from.u16()?.into());
    put("condition_size", from.u16()?.into());
    let head_size = from.u16()?;
    put("channels", from.u16()?.into());
    put("bottleneck", from.u16()?.into());
    // Older files have a zero there.
    let head_kernel = from.u16()?.max(1);
    let head_bias = from.flag()?;
    let count = from.u8()?;
    put(
        "head",
        json!({ "out_channels": head_size, "kernel_size": head_kernel, "bias": head_bias }),
    );
    put("groups_input", from.u16()?.into());
    put("groups_input_mixin", from.u16()?.into());
    put(
        "layer1x1",
        json!({ "active": from.flag()?, "groups": from.u16()? }),
    );
    from.skip(1)?;
    put(
        "head1x1",
        json!({ "active": from.flag()?, "out_channels": from.u16()?, "groups": from.u16()? }),
    );
    from.skip(1)?;
    for key in FILMS {
        let flags = from.u8()?;
        from.skip(1)?;
        let groups = from.u16()?;
        let film = json!({ "active": flags & 1 != 0, "shift": flags & 2 != 0, "groups": groups });
        put(key, film);
    }
    let dilations = (0..count).map(|_| from.i32());
    put(
        "dilations",
        json!(dilations.collect::<Result<Vec<_>, _>>()?),
    );
    let kernels = (0..count).map(|_| from.u16());
    put(
        "kernel_sizes",
        json!(kernels.collect::<Result<Vec<_>, _>>()?),
    );
    let functions = (0..count).map(|_| activation(from));
    put(
        "activation",
        json!(functions.collect::<Result<Vec<_>, _>>()?),
    );
    let modes = (0..count).map(|_| -> Result<&str, FormatError> {
        let number = from.u8()?;
        let known = GATINGS.get(usize::from(number));
        known
            .copied()
            .ok_or_else(|| unsupported(format!("gating mode {number}"), ""))
    });
    let modes = modes.collect::<Result<Vec<_>, _>>()?;
    let mut gates = Vec::new();
    for mode in &modes {
        let gate = activation(from)?;
        gates.push(if *mode == GATINGS[0] {
            Value::Null
        } else {
            gate
        });
    }
    put("gating_mode", json!(modes));
    put("secondary_activation", gates.into());
    Ok(config.into())
}

fn activation(from: &mut Bytes) -> Result<Value, FormatError> {
    let (number, count) = (from.u8()?, from.u8()?);
    let parameters = (0..count).map(|_| from.f32());
    let parameters: Vec<f32> = parameters.collect::<Result<_, _>>()?;
    let name = ACTIVATIONS.get(usize::from(number));
    let name = name.ok_or_else(|| unsupported(format!("activation number {number}"), ""))?;
    Ok(match (*name, parameters.as_slice()) {
        ("LeakyReLU" | "PReLU", [slope]) | ("LeakyReLU", [slope, ..]) => {
            json!({ "type": name, "negative_slope": slope })
        }
        ("PReLU", [_, _, ..]) => json!({ "type": name, "negative_slopes": parameters }),
        ("LeakyHardtanh", [min, max, below, above, ..]) => json!({
            "type": name, "min_val": min, "max_val": max, "min_slope": below, "max_slope": above,
        }),
        _ => json!({ "type": name }),
    })
}
