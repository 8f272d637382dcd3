//! Reading JSON field by field, with errors that name the place.

use super::{FormatError, field};
use serde_json::{Map, Value};

/// The longest model file read. The parsed text takes at most 16 times as much memory (a number
/// of one digit and a comma becomes 32 bytes), so this also bounds memory; it is 40 times an A1
/// capture.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// Parses text, refusing what is too long to be a model.
pub(crate) fn parse(text: &[u8]) -> Result<Value, FormatError> {
    if text.len() > MAX_BYTES {
        return Err(FormatError::TooLong { allowed: MAX_BYTES });
    }
    Ok(serde_json::from_slice(text)?)
}

/// A JSON object and where it stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
    place: String,
}

impl<'a> Object<'a> {
    /// `value` as an object.
    pub(crate) fn new(value: &'a Value, place: impl Into<String>) -> Result<Self, FormatError> {
        let place = place.into();
        match value {
            Value::Object(map) => Ok(Self { map, place }),
            other => Err(field(
                place,
                format!("is {}, an object is needed", kind(other)),
            )),
        }
    }

    /// The full name of a key of this object.
    pub(crate) fn place(&self, key: &str) -> String {
        if self.place.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.place)
        }
    }

    /// Refuses keys that are not among `known`: they may change what the network does.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), FormatError> {
        match self.map.keys().find(|k| !known.contains(&k.as_str())) {
            None => Ok(()),
            Some(key) => {
                let feature = format!("the field {}", self.place(key));
                Err(super::unsupported(
                    feature,
                    "it may change the sound, so the file is not played",
                ))
            }
        }
    }

    /// The value under `key`; `None` when absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// The value under `key`.
    pub(crate) fn need(&self, key: &str) -> Result<&'a Value, FormatError> {
        self.get(key)
            .ok_or_else(|| field(self.place(key), "is missing"))
    }

    /// The object under `key`.
    pub(crate) fn object(&self, key: &str) -> Result<Object<'a>, FormatError> {
        Object::new(self.need(key)?, self.place(key))
    }

    /// The list under `key`.
    pub(crate) fn list(&self, key: &str) -> Result<&'a [Value], FormatError> {
        list(self.need(key)?, &self.place(key))
    }

    /// The text under `key`.
    pub(crate) fn text(&self, key: &str) -> Result<&'a str, FormatError> {
        text(self.need(key)?, &self.place(key))
    }

    /// The whole number under `key`.
    pub(crate) fn size(&self, key: &str) -> Result<usize, FormatError> {
        size(self.need(key)?, &self.place(key))
    }

    /// The whole number under `key`, or `default` when absent.
    pub(crate) fn size_or(&self, key: &str, default: usize) -> Result<usize, FormatError> {
        self.get(key)
            .map_or(Ok(default), |v| size(v, &self.place(key)))
    }

    /// The number under `key`.
    pub(crate) fn number(&self, key: &str) -> Result<f64, FormatError> {
        number(self.need(key)?, &self.place(key))
    }

    /// The number under `key`, or `default` when absent.
    pub(crate) fn number_or(&self, key: &str, default: f64) -> Result<f64, FormatError> {
        self.get(key)
            .map_or(Ok(default), |v| number(v, &self.place(key)))
    }

    /// The yes or no under `key`.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, FormatError> {
        flag(self.need(key)?, &self.place(key))
    }

    /// The yes or no under `key`, or `default` when absent.
    pub(crate) fn flag_or(&self, key: &str, default: bool) -> Result<bool, FormatError> {
        self.get(key)
            .map_or(Ok(default), |v| flag(v, &self.place(key)))
    }

    /// The list of finite numbers under `key`.
    pub(crate) fn floats(&self, key: &str) -> Result<Vec<f32>, FormatError> {
        floats(self.need(key)?, &self.place(key))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn wrong(value: &Value, place: &str, needed: &str) -> FormatError {
    field(place, format!("is {}, {needed} is needed", kind(value)))
}

pub(crate) fn list<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], FormatError> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| wrong(value, place, "a list"))
}

pub(crate) fn text<'a>(value: &'a Value, place: &str) -> Result<&'a str, FormatError> {
    value.as_str().ok_or_else(|| wrong(value, place, "text"))
}

pub(crate) fn flag(value: &Value, place: &str) -> Result<bool, FormatError> {
    // Some writers keep flags as 0 and 1.
    match (value.as_bool(), value.as_f64()) {
        (Some(flag), _) => Ok(flag),
        (None, Some(0.0)) => Ok(false),
        (None, Some(1.0)) => Ok(true),
        _ => Err(wrong(value, place, "true or false")),
    }
}

pub(crate) fn number(value: &Value, place: &str) -> Result<f64, FormatError> {
    value
        .as_f64()
        .ok_or_else(|| wrong(value, place, "a number"))
}

/// A whole number of at least 0; also as 3.0, which some writers emit.
pub(crate) fn size(value: &Value, place: &str) -> Result<usize, FormatError> {
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64)
    });
    let whole = whole.and_then(|n| usize::try_from(n).ok());
    whole.ok_or_else(|| match value {
        Value::Number(n) => field(
            place,
            format!("is {n}, a whole number of at least 0 is needed"),
        ),
        other => wrong(other, place, "a whole number"),
    })
}

/// A list of whole numbers.
pub(crate) fn sizes(values: &[Value], place: &str) -> Result<Vec<usize>, FormatError> {
    let each = values.iter().enumerate();
    each.map(|(i, v)| size(v, &format!("{place}[{i}]")))
        .collect()
}

/// A number that a 32-bit float can hold.
pub(crate) fn float(value: &Value, place: &str) -> Result<f32, FormatError> {
    let float = number(value, place)? as f32;
    if float.is_finite() {
        return Ok(float);
    }
    Err(field(
        place,
        format!("is {value}, beyond the range of a 32-bit float"),
    ))
}

/// A list of numbers that 32-bit floats can hold.
pub(crate) fn floats(value: &Value, place: &str) -> Result<Vec<f32>, FormatError> {
    let values = list(value, place)?;
    let mut floats = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        // The name is made only for the rare error: files hold ten thousands of weights.
        match value.as_f64() {
            Some(n) if (n as f32).is_finite() => floats.push(n as f32),
            _ => {
                return Err(float(value, &format!("{place}[{i}]"))
                    .err()
                    .unwrap_or_else(|| field(place, "bad")));
            }
        }
    }
    Ok(floats)
}

/// A list of lists of numbers, `[rows][columns]`, flattened; both sizes are checked.
pub(crate) fn matrix(
    value: &Value,
    place: &str,
    rows: usize,
    columns: usize,
) -> Result<Vec<f32>, FormatError> {
    let lists = list(value, place)?;
    if lists.len() != rows {
        let why = format!("has {} rows, {rows} are needed", lists.len());
        return Err(field(place, why));
    }
    let mut flat = Vec::new();
    for (i, row) in lists.iter().enumerate() {
        flat.extend(vector(row, &format!("{place}[{i}]"), columns)?);
    }
    Ok(flat)
}

/// A list of `len` numbers.
pub(crate) fn vector(value: &Value, place: &str, len: usize) -> Result<Vec<f32>, FormatError> {
    let values = floats(value, place)?;
    if values.len() == len {
        return Ok(values);
    }
    Err(field(
        place,
        format!("has {} numbers, {len} are needed", values.len()),
    ))
}
