//! What users say about a capture: written into the model files of other programs, used by
//! nothing here.

use super::error::{ConfigError, check_range};
use serde::{Deserialize, Serialize};

/// The gear types that players know.
pub const GEAR_TYPES: [&str; 7] = [
    "amp",
    "pedal",
    "pedal_amp",
    "amp_cab",
    "amp_pedal_cab",
    "preamp",
    "studio",
];
/// The tone types that players know.
pub const TONE_TYPES: [&str; 5] = ["clean", "overdrive", "crunch", "hi_gain", "fuzz"];

/// What to say about the capture; each wins over the config's [metadata] table.
// The `[metadata]` table and the flags of `effigy export` are both this, and a model file's
// metadata holds it. What is left out stays out of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct MetadataConfig {
    /// What people call it [default: the run's name].
    #[cfg_attr(feature = "clap", arg(long))]
    pub name: Option<String>,
    /// Who captured it.
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME"))]
    pub modeled_by: Option<String>,
    /// amp, pedal, pedal_amp, amp_cab, amp_pedal_cab, preamp or studio.
    #[cfg_attr(feature = "clap", arg(long, value_name = "TYPE"))]
    pub gear_type: Option<String>,
    /// Maker of the gear.
    #[cfg_attr(feature = "clap", arg(long, value_name = "MAKER"))]
    pub gear_make: Option<String>,
    /// Model of the gear.
    #[cfg_attr(feature = "clap", arg(long, value_name = "MODEL"))]
    pub gear_model: Option<String>,
    /// clean, overdrive, crunch, hi_gain or fuzz.
    #[cfg_attr(feature = "clap", arg(long, value_name = "TYPE"))]
    pub tone_type: Option<String>,
    /// Analogue level in dBu that full scale of the input stands for.
    #[cfg_attr(
        feature = "clap",
        arg(long, value_name = "DBU", allow_negative_numbers = true)
    )]
    pub input_level_dbu: Option<f64>,
    /// Analogue level in dBu that full scale of the output stands for.
    #[cfg_attr(
        feature = "clap",
        arg(long, value_name = "DBU", allow_negative_numbers = true)
    )]
    pub output_level_dbu: Option<f64>,
}

/// What a key of the `[metadata]` table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataKind {
    /// A text.
    Text,
    /// A number.
    Number,
}

impl MetadataConfig {
    /// What a key holds; `None` where there is no such key.
    pub fn kind_of(key: &str) -> Option<MetadataKind> {
        match key {
            "name" | "modeled_by" | "gear_type" | "gear_make" | "gear_model" | "tone_type" => {
                Some(MetadataKind::Text)
            }
            "input_level_dbu" | "output_level_dbu" => Some(MetadataKind::Number),
            _ => None,
        }
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is given here, and for the rest what is given in `other`.
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            modeled_by: self.modeled_by.or(other.modeled_by),
            gear_type: self.gear_type.or(other.gear_type),
            gear_make: self.gear_make.or(other.gear_make),
            gear_model: self.gear_model.or(other.gear_model),
            tone_type: self.tone_type.or(other.tone_type),
            input_level_dbu: self.input_level_dbu.or(other.input_level_dbu),
            output_level_dbu: self.output_level_dbu.or(other.output_level_dbu),
        }
    }

    /// The first word that players do not know: its key, the word, what they know.
    pub fn unknown_word(&self) -> Option<(&'static str, &str, String)> {
        let words = [
            ("gear_type", &self.gear_type, &GEAR_TYPES[..]),
            ("tone_type", &self.tone_type, &TONE_TYPES),
        ];
        words.into_iter().find_map(|(key, word, known)| {
            let word = word.as_deref().filter(|word| !known.contains(word))?;
            Some((key, word, known.join(", ")))
        })
    }

    /// Holds words to what players know and levels to what is possible.
    ///
    /// # Errors
    /// Names the first key that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some((key, word, known)) = self.unknown_word() {
            return Err(ConfigError::value(format!("metadata.{key}"), word, known));
        }
        for (key, level) in [
            ("metadata.input_level_dbu", self.input_level_dbu),
            ("metadata.output_level_dbu", self.output_level_dbu),
        ] {
            if let Some(level) = level {
                check_range(key, level, -100.0, 100.0)?;
            }
        }
        Ok(())
    }
}
