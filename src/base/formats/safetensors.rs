//! effigy's own portable file: safetensors, which every tensor library reads.
//!
//! Tensors carry the names that `training.freeze` takes; `__metadata__.description` holds the
//! network without its numbers, each list replaced by the name of the tensor that has them
//! (`{"tensor": "arrays.0.head.weight"}`). A list that no parameter equals (a transposed matrix,
//! filters read backwards) is a further tensor under its place in the description. No number is
//! in the file twice, so nothing can contradict itself.

use super::error::{FormatError, field, unsupported};
use super::format::Format;
use super::json::{Place, parsed_size};
use super::model::Model;
use crate::limits::Budget;
use crate::network::{Network, Weights};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The longest file read: 16 million weights, a third more than the widest of the seeds'.
/// Reading takes up to 20 times as much memory for a moment, no single piece above 8 times.
pub(super) const MAX_BYTES: usize = 64 << 20;
const VERSION: &str = "1";
/// Names of tensors that are no parameter begin so.
pub const DESCRIBED: &str = "description.";

/// Whether these bytes look like a safetensors file: the length of a JSON object, then that
/// object.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    header(bytes).is_some_and(|header| header.first() == Some(&b'{'))
}

fn header(bytes: &[u8]) -> Option<&[u8]> {
    let len = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    bytes[8..].get(..usize::try_from(len).ok()?)
}

/// A safetensors file of `network`, whose numbers are found among `parameters` as far as they
/// stand there. `metadata` is what people say about the capture.
///
/// # Errors
/// A description that is not valid, or too large to be read again.
pub fn write(
    network: &Network,
    parameters: &[Weights],
    metadata: &Map<String, Value>,
) -> Result<Vec<u8>, FormatError> {
    network.validate()?;
    let mut tensors = Tensors::new(parameters);
    let mut description = serde_json::to_value(network)?;
    tensors.take_numbers(&mut description, &mut "description".to_string());
    let mut entries = Map::new();
    let mut data = Vec::new();
    for tensor in &tensors.all {
        let start = data.len();
        data.extend(tensor.values.iter().flat_map(|x| x.to_le_bytes()));
        let entry = json!({
            "dtype": "F32",
            "shape": tensor.shape,
            "data_offsets": [start, data.len()],
        });
        entries.insert(tensor.name.clone(), entry);
    }
    let about = json!({
        "format": "effigy",
        "version": VERSION,
        "description": serde_json::to_string(&description)?,
        "metadata": serde_json::to_string(metadata)?,
    });
    entries.insert("__metadata__".into(), about);
    let mut text = serde_json::to_vec(&entries)?;
    // Tensors begin at a multiple of their size.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes.extend(data);
    match bytes.len() <= MAX_BYTES {
        true => Ok(bytes),
        false => Err(FormatError::TooLong { allowed: MAX_BYTES }),
    }
}

/// The tensors of a file to be, and which of them a description already refers to.
struct Tensors {
    all: Vec<Weights>,
    /// Indices by number of values.
    unclaimed: HashMap<usize, Vec<usize>>,
}

impl Tensors {
    fn new(parameters: &[Weights]) -> Self {
        let mut unclaimed: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, tensor) in parameters.iter().enumerate() {
            let same_len = unclaimed.entry(tensor.values.len()).or_default();
            same_len.push(index);
        }
        Self {
            all: parameters.to_vec(),
            unclaimed,
        }
    }

    /// Replaces every list of numbers in `value`, which stands at `place`, by a tensor's name.
    fn take_numbers(&mut self, value: &mut Value, place: &mut String) {
        if let Some(values) = floats(value) {
            *value = json!({ "tensor": self.name_of(values, place) });
            return;
        }
        let len = place.len();
        let mut enter = |key: &str, inner: &mut Value| {
            place.push('.');
            place.push_str(key);
            self.take_numbers(inner, place);
            place.truncate(len);
        };
        match value {
            Value::Array(list) => {
                for (i, inner) in list.iter_mut().enumerate() {
                    enter(&i.to_string(), inner);
                }
            }
            Value::Object(map) => {
                for (key, inner) in map.iter_mut() {
                    enter(key, inner);
                }
            }
            _ => {}
        }
    }

    fn name_of(&mut self, values: Vec<f32>, place: &str) -> String {
        let equal = |index: &usize| {
            let own = &self.all[*index].values;
            own.iter()
                .zip(&values)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        };
        if let Some(same_len) = self.unclaimed.get_mut(&values.len())
            && let Some(at) = same_len.iter().position(equal)
        {
            return self.all[same_len.remove(at)].name.clone();
        }
        self.all.push(Weights {
            name: place.to_string(),
            shape: vec![values.len()],
            values,
        });
        place.to_string()
    }
}

/// A list that consists of fractional numbers, as weights are; sizes are whole numbers.
fn floats(value: &Value) -> Option<Vec<f32>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    let number = |v: &Value| v.is_f64().then(|| v.as_f64())?.map(|n| n as f32);
    list.iter().map(number).collect()
}

/// Reads a file that [`write`] made.
///
/// # Errors
/// It is damaged, or of another program: its tensors do not say what network they make.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Model, FormatError> {
    if bytes.len() > MAX_BYTES {
        return Err(FormatError::TooLong { allowed: MAX_BYTES });
    }
    let text = header(bytes).ok_or_else(|| field("header", "is cut off"))?;
    let data = &bytes[8 + text.len()..];
    let mut budget = Budget::default();
    budget.take(parsed_size(text))?;
    let entries: Map<String, Value> = serde_json::from_slice(text)?;
    let about = entries.get("__metadata__");
    let about = |key: &str| about.and_then(|a| a.get(key)).and_then(Value::as_str);
    let Some(description) = about("description").filter(|_| about("format") == Some("effigy"))
    else {
        let hint =
            "only files that effigy export --format safetensors wrote say what network they are";
        return Err(unsupported(
            "a safetensors file without a description",
            hint,
        ));
    };
    if about("version") != Some(VERSION) {
        let feature = format!("file version {}", about("version").unwrap_or("none"));
        return Err(unsupported(feature, format!("version {VERSION} is read")));
    }
    let mut tensors = Vec::new();
    let mut left = data.len() / 4;
    for (name, entry) in entries.iter().filter(|(name, _)| *name != "__metadata__") {
        tensors.push(tensor(name, entry, data, &mut left)?);
    }
    budget.take(parsed_size(description.as_bytes()))?;
    let mut description: Value = serde_json::from_str(description)?;
    let mut by_name: HashMap<&str, &Weights> =
        tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    fill_in(&mut description, &mut by_name)?;
    let network: Network = serde_json::from_value(description)?;
    let metadata = about("metadata").map(serde_json::from_str).transpose()?;
    let mut model = Model::new(network, Format::Safetensors);
    model.version = Some(VERSION.to_string());
    model.metadata = metadata.unwrap_or_default();
    model.tensors = tensors;
    Ok(model)
}

/// What the header says of a tensor.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: Vec<usize>,
}

/// `left`: numbers that no tensor has claimed yet.
fn tensor(
    name: &str,
    entry: &Value,
    data: &[u8],
    left: &mut usize,
) -> Result<Weights, FormatError> {
    let place = Place::new(entry, name);
    let Entry {
        dtype,
        shape,
        data_offsets: offsets,
    } = place.read()?;
    if dtype != "F32" {
        let feature = format!("{} = {dtype}", place.name("dtype"));
        return Err(unsupported(feature, "weights are F32"));
    }
    let bytes = match offsets.as_slice() {
        [start, end] => data.get(*start..*end),
        _ => None,
    };
    let count = shape.iter().try_fold(4usize, |n, len| n.checked_mul(*len));
    let Some(bytes) = bytes.filter(|bytes| Some(bytes.len()) == count) else {
        let why = format!("are {offsets:?}, which does not fit its shape or the file");
        return Err(place.wrong("data_offsets", why));
    };
    let Some(rest) = left.checked_sub(bytes.len() / 4) else {
        return Err(field("tensors", "overlap each other"));
    };
    *left = rest;
    let values = bytes.as_chunks().0.iter();
    Ok(Weights {
        name: name.to_string(),
        shape,
        values: values.map(|b| f32::from_le_bytes(*b)).collect(),
    })
}

/// Puts the numbers back; a tensor serves one list only.
fn fill_in(value: &mut Value, tensors: &mut HashMap<&str, &Weights>) -> Result<(), FormatError> {
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(|v| fill_in(v, tensors)),
        Value::Object(map) => {
            if let (1, Some(Value::String(name))) = (map.len(), map.get("tensor")) {
                let Some(tensor) = tensors.remove(name.as_str()) else {
                    let why = "the description names it, but it is not there (or named twice)";
                    return Err(field(name.as_str(), why));
                };
                *value = json!(tensor.values);
                return Ok(());
            }
            map.values_mut().try_for_each(|v| fill_in(v, tensors))
        }
        _ => Ok(()),
    }
}
