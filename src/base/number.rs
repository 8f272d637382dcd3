//! Numbers in JSON that need not be finite. JSON knows neither infinity nor NaN, and serde_json
//! writes `null` for both, which nothing reads as a number again: here they are the words
//! `"inf"`, `"-inf"` and `"nan"`.
//!
//! For fields: `#[serde(with = "number")]`, and `number::optional` where the number may be absent.

use serde::{Deserialize, Deserializer, Serializer, de};

/// A number, or the word for one that is not finite.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match *value {
        v if v.is_finite() => serializer.serialize_f64(v),
        v if v.is_nan() => serializer.serialize_str("nan"),
        v if v > 0.0 => serializer.serialize_str("inf"),
        _ => serializer.serialize_str("-inf"),
    }
}

/// The number again; NaN for the `null` of versions that wrote it for whatever was not finite.
///
/// # Errors
/// Neither a number nor one of the words.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Option::<Said>::deserialize(deserializer)? {
        Some(said) => said.number(),
        None => Ok(f64::NAN),
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Number(f64),
    Word(String),
}

impl Said {
    fn number<E: de::Error>(self) -> Result<f64, E> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Word(word) => match word.as_str() {
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                "nan" => Ok(f64::NAN),
                _ => Err(E::custom(format!(
                    "{word:?} is no number; allowed are numbers, \"inf\", \"-inf\" and \"nan\""
                ))),
            },
        }
    }
}

/// The same for a number that may be absent.
pub mod optional {
    use super::{Deserialize, Deserializer, Said, Serializer};

    /// As [`super::serialize`]; `null` for none.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// As [`super::deserialize`]; none for `null`.
    ///
    /// # Errors
    /// Neither a number nor one of the words.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        let said = Option::<Said>::deserialize(deserializer)?;
        said.map(Said::number).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Figures {
        #[serde(with = "super")]
        esr: f64,
        #[serde(with = "super::optional", default)]
        gain: Option<f64>,
    }

    #[test]
    fn every_number_survives_the_round_trip() {
        for (esr, gain, text) in [
            (0.1, None, r#"{"esr":0.1,"gain":null}"#),
            (f64::INFINITY, Some(1.0), r#"{"esr":"inf","gain":1.0}"#),
            (
                f64::NEG_INFINITY,
                Some(f64::INFINITY),
                r#"{"esr":"-inf","gain":"inf"}"#,
            ),
        ] {
            let figures = Figures { esr, gain };
            assert_eq!(serde_json::to_string(&figures).unwrap(), text);
            assert_eq!(serde_json::from_str::<Figures>(text).unwrap(), figures);
        }
        let read = |text| serde_json::from_str::<Figures>(text);
        for text in [r#"{"esr":"nan"}"#, r#"{"esr":null}"#] {
            assert!(read(text).unwrap().esr.is_nan(), "{text}");
        }
        assert_eq!(read(r#"{"esr":3}"#).unwrap().esr, 3.0);
        let error = read(r#"{"esr":"much"}"#).unwrap_err().to_string();
        assert!(error.contains("\"much\" is no number"), "{error}");
    }
}
