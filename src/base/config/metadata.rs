//! What users say about a capture: written into the model files of other programs, used by
//! nothing here.

use super::ConfigError;
use super::training::check_number;
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

/// The `[metadata]` table. What is left out stays out of the file; `effigy export` takes the
/// same as flags, which win.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataConfig {
    /// What people call it.
    pub name: Option<String>,
    /// Who captured it.
    pub modeled_by: Option<String>,
    /// One of [`GEAR_TYPES`].
    pub gear_type: Option<String>,
    /// Maker of the gear.
    pub gear_make: Option<String>,
    /// Model of the gear.
    pub gear_model: Option<String>,
    /// One of [`TONE_TYPES`].
    pub tone_type: Option<String>,
    /// The analogue level in dBu that full scale of the dry side stands for.
    pub input_level_dbu: Option<f64>,
    /// The analogue level in dBu that full scale of the wet side stands for.
    pub output_level_dbu: Option<f64>,
}

impl MetadataConfig {
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

    /// Holds words to what players know and levels to what is possible.
    ///
    /// # Errors
    /// Names the first key that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, word, known) in [
            ("metadata.gear_type", &self.gear_type, &GEAR_TYPES[..]),
            ("metadata.tone_type", &self.tone_type, &TONE_TYPES),
        ] {
            match word {
                Some(word) if !known.contains(&word.as_str()) => {
                    return Err(ConfigError::value(key, word, known.join(", ")));
                }
                _ => {}
            }
        }
        for (key, level) in [
            ("metadata.input_level_dbu", self.input_level_dbu),
            ("metadata.output_level_dbu", self.output_level_dbu),
        ] {
            if let Some(level) = level {
                check_number(key, level, -100.0, 100.0)?;
            }
        }
        Ok(())
    }
}
