//! JSON with errors that name the place. Knows no format.

use super::dialect::{Fault, Reader, needed};
use super::error::{FormatError, field, unsupported};
use crate::limits::{Budget, without_mark};
use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::Segment;

/// The longest model file read: 40 times an A1 capture.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Parses text, with or without a byte order mark, refusing what is too long to be a model or
/// would grow beyond one.
pub(super) fn parse(text: &[u8]) -> Result<Value, FormatError> {
    if text.len() > MAX_BYTES {
        return Err(FormatError::TooLong { allowed: MAX_BYTES });
    }
    let text = without_mark(text);
    Budget::default().take(parsed_size(text))?;
    Ok(serde_json::from_slice(text)?)
}

/// The most that text takes once it is parsed, by the signs that make values: a comma stands
/// before each further value (32 bytes in a list, which grows by doubling), a bracket or brace
/// before a list's or object's first allocation.
pub(super) fn parsed_size(text: &[u8]) -> usize {
    let size = |c: &u8| match c {
        b',' => 2 * size_of::<Value>(),
        b':' => 64,
        b'[' => 5 * size_of::<Value>(),
        b'{' => 720,
        _ => 1,
    };
    text.iter().map(size).sum()
}

/// `[rows][columns]` as a list of lists.
pub(super) fn matrix(values: &[f32], columns: usize) -> Value {
    let rows = values.chunks(columns.max(1));
    rows.map(Value::from).collect()
}

/// A value and where it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    value: &'a Value,
    name: String,
}

impl<'a> Place<'a> {
    /// `value`, which stands at `name`; a file itself has no name.
    pub(super) fn new(value: &'a Value, name: &str) -> Self {
        let name = name.to_string();
        Self { value, name }
    }

    /// The full name of a key of this object; of the value itself for an empty one.
    pub(super) fn name(&self, key: &str) -> String {
        join(&self.name, key)
    }

    /// The error for what stands under `key`, or here for an empty one.
    pub(super) fn wrong(&self, key: &str, why: impl Into<String>) -> FormatError {
        field(self.name(key), why)
    }

    /// What stands under `key`; `None` when absent or null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        let name = self.name(key);
        Some(Self { value, name })
    }

    /// What stands under `key`.
    pub(super) fn need(&self, key: &str) -> Result<Self, FormatError> {
        if !self.value.is_object() {
            return Err(self.wrong("", needed(self.value, "an object")));
        }
        self.get(key).ok_or_else(|| self.wrong(key, "is missing"))
    }

    fn list(&self) -> Result<&'a [Value], FormatError> {
        let list = self.value.as_array().map(Vec::as_slice);
        list.ok_or_else(|| self.wrong("", needed(self.value, "a list")))
    }

    /// The entries of a list.
    pub(super) fn items(&self) -> Result<impl ExactSizeIterator<Item = Self>, FormatError> {
        let list = self.list()?.iter().enumerate();
        Ok(list.map(|(i, value)| Self {
            value,
            name: self.name(&format!("[{i}]")),
        }))
    }

    /// Entry `i` of a list.
    pub(super) fn item(&self, i: usize) -> Result<Self, FormatError> {
        let key = format!("[{i}]");
        match self.list()?.get(i) {
            Some(value) => Ok(Self::new(value, &self.name(&key))),
            None => Err(self.wrong(&key, "is missing")),
        }
    }

    /// The last entry of a list.
    pub(super) fn last(&self) -> Result<Self, FormatError> {
        match self.list()?.len() {
            0 => Err(self.wrong("", "is empty")),
            n => self.item(n - 1),
        }
    }

    /// What it holds. A struct that denies unknown fields refuses what may change the sound.
    pub(super) fn read<T: Deserialize<'a>>(&self) -> Result<T, FormatError> {
        serde_path_to_error::deserialize(Reader(self.value)).map_err(|error| {
            let mut place = self.name.clone();
            for segment in error.path() {
                match segment {
                    Segment::Seq { index } => place = join(&place, &format!("[{index}]")),
                    Segment::Map { key } => place = join(&place, key),
                    Segment::Enum { .. } | Segment::Unknown => {}
                }
            }
            match error.into_inner() {
                Fault::Missing(key) => field(join(&place, key), "is missing"),
                Fault::Wrong(why) => field(place, why),
                Fault::Unknown => unsupported(
                    format!("the field {place}"),
                    "it may change the sound, so the file is not played",
                ),
            }
        })
    }

    /// A list of `len` numbers.
    pub(super) fn vector(&self, len: usize) -> Result<Vec<f32>, FormatError> {
        let values: Vec<f32> = self.read()?;
        match values.len() == len {
            true => Ok(values),
            false => Err(self.wrong("", not_so_many(&values, len))),
        }
    }

    /// A list of lists of numbers, `[rows][columns]`, flattened; both sizes are checked.
    pub(super) fn matrix(&self, rows: usize, columns: usize) -> Result<Vec<f32>, FormatError> {
        let lists: Vec<Vec<f32>> = self.read()?;
        if lists.len() != rows {
            let why = format!("has {} rows, {rows} are needed", lists.len());
            return Err(self.wrong("", why));
        }
        match lists.iter().position(|row| row.len() != columns) {
            None => Ok(lists.concat()),
            Some(i) => Err(self.wrong(&format!("[{i}]"), not_so_many(&lists[i], columns))),
        }
    }
}

/// "config" and "layers" are "config.layers", "layers" and "[0]" are "layers[0]".
fn join(place: &str, key: &str) -> String {
    let joined = place.is_empty() || key.is_empty() || key.starts_with('[');
    let dot = if joined { "" } else { "." };
    format!("{place}{dot}{key}")
}

fn not_so_many(values: &[f32], needed: usize) -> String {
    format!("has {} numbers, {needed} are needed", values.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Layer {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        size: usize,
        gated: Option<bool>,
        slopes: Option<Vec<f32>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct File {
        layers: Vec<Layer>,
    }

    fn read(layer: Value) -> Result<Layer, String> {
        let file = json!({ "layers": [layer] });
        let file = Place::new(&file, "config").read::<File>();
        file.map(|mut file| file.layers.remove(0))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_read_as_programs_write_them() {
        let layer = |size, gated, slopes| Layer {
            kind: "a".into(),
            size,
            gated,
            slopes,
        };
        let full = json!({ "type": "a", "size": 3.0, "gated": 1, "slopes": [1, 0.5] });
        let wanted = layer(3, Some(true), Some(vec![1.0, 0.5]));
        assert_eq!(read(full), Ok(wanted));
        let absent = json!({ "type": "a", "size": null, "gated": null });
        assert_eq!(read(absent), Ok(layer(0, None, None)));
        assert_eq!(read(json!("a")), Ok(layer(0, None, None)));
    }

    #[test]
    fn errors_name_the_place_and_what_is_needed() {
        for (layer, wanted) in [
            (json!({}), "type: is missing"),
            (json!({ "type": 1 }), "type: is a number, text is needed"),
            (
                json!({ "type": "a", "size": 0.5 }),
                "size: is 0.5, a whole number of at least 0",
            ),
            (
                json!({ "type": "a", "gated": 2 }),
                "gated: is a number, true or false is needed",
            ),
            (
                json!({ "type": "a", "slopes": 1 }),
                "slopes: is a number, a list is needed",
            ),
            (
                json!({ "type": "a", "slopes": [0, 1e39] }),
                "slopes[1]: is 1e+39, beyond the range",
            ),
        ] {
            let error = read(layer).unwrap_err();
            assert!(
                error.starts_with(&format!("config.layers[0].{wanted}")),
                "{error}"
            );
        }
        let error = read(json!({ "type": "a", "warp": null })).unwrap_err();
        assert!(
            error.starts_with("the field config.layers[0].warp is not supported"),
            "{error}"
        );
        let error = read(json!([])).unwrap_err();
        assert_eq!(
            error,
            "config.layers[0]: is a list, a name or an object is needed"
        );
    }
}
