//! Parsed JSON for serde, read as the field's programs write it: whole numbers also as 3.0, flags
//! also as 0 and 1, `null` for what is absent, a name for an object of that type. Knows no format.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// What a value is, and what it should be.
pub(super) fn needed(value: &Value, needed: &str) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("is {kind}, {needed} is needed")
}

/// What is wrong with a value; the place is added on the way out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// A field.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field of a struct that denies others.
    #[error("not a known field")]
    Unknown,
    #[error("{0}")]
    Wrong(String),
}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(why: T) -> Self {
        Self::Wrong(why.to_string())
    }

    fn missing_field(key: &'static str) -> Self {
        Self::Missing(key)
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown
    }
}

/// A value as serde asks for it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Value);

impl Reader<'_> {
    fn wrong<T>(self, what: &str) -> Result<T, Fault> {
        Err(Fault::Wrong(needed(self.0, what)))
    }

    fn number(self) -> Result<f64, Fault> {
        self.0.as_f64().map_or_else(|| self.wrong("a number"), Ok)
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.0.deserialize_any(visitor).map_err(de::Error::custom)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match (self.0.as_bool(), self.0.as_f64()) {
            (Some(flag), _) => visitor.visit_bool(flag),
            (None, Some(number)) if number == 0.0 || number == 1.0 => {
                visitor.visit_bool(number == 1.0)
            }
            _ => self.wrong("true or false"),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let whole = |n: &f64| n.fract() == 0.0 && (0.0..=9e15).contains(n);
        let float = || self.0.as_f64().filter(whole).map(|n| n as u64);
        match (self.0.as_u64().or_else(float), self.0) {
            (Some(size), _) => visitor.visit_u64(size),
            (None, Value::Number(n)) => {
                let why = format!("is {n}, a whole number of at least 0 is needed");
                Err(Fault::Wrong(why))
            }
            _ => self.wrong("a whole number"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f64(self.number()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let float = self.number()? as f32;
        if float.is_finite() {
            return visitor.visit_f32(float);
        }
        let why = format!("is {}, beyond the range of a 32-bit float", self.0);
        Err(Fault::Wrong(why))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => self.wrong("text"),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Array(list) => visitor.visit_seq(SeqDeserializer::new(list.iter().map(Reader))),
            _ => self.wrong("a list"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let map = match (self.0, fields.contains(&"type")) {
            (Value::Object(map), _) => map,
            // A name stands for an object of that type without parameters.
            (Value::String(_), true) => {
                let named = std::iter::once(("type", self));
                return visitor.visit_map(MapDeserializer::new(named));
            }
            (_, true) => return self.wrong("a name or an object"),
            (_, false) => return self.wrong("an object"),
        };
        let fields = map.iter().filter(|(key, value)| {
            let absent = value.is_null() && fields.contains(&key.as_str());
            !absent
        });
        let fields = fields.map(|(key, value)| (key.as_str(), Reader(value)));
        visitor.visit_map(MapDeserializer::new(fields))
    }

    /// The variants of an enum are kinds of value: `list`, `flag`, and `one` of any other.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let kind = match self.0 {
            Value::Array(_) if variants.contains(&"list") => "list",
            Value::Bool(_) if variants.contains(&"flag") => "flag",
            _ => "one",
        };
        let variant = MapDeserializer::new(std::iter::once((kind, self)));
        visitor.visit_enum(MapAccessDeserializer::new(variant))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 char str bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map identifier
    }
}
