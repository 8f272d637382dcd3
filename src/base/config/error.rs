//! What can be wrong with a config, and the checks of single values. Knows no table.

use std::fmt::Display;
use std::path::PathBuf;

/// What can be wrong with a config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: no config to read (name an existing one, such as configs/conv.toml)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not the TOML that is expected.
    #[error("{}{line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// `":12"`, or empty when the place is unknown.
        line: String,
        /// What is wrong, in one line.
        message: String,
    },
    /// An override cannot be applied.
    #[error("--set {given}: {reason}; the form is --set table.key=value")]
    Override {
        /// The override as typed.
        given: String,
        /// Why not.
        reason: String,
    },
    /// A value is out of range.
    #[error("config key {key} is {value}; allowed: {allowed}")]
    Value {
        /// Dotted path of the key.
        key: String,
        /// What it holds.
        value: String,
        /// What it may hold.
        allowed: String,
    },
}

impl ConfigError {
    pub(super) fn value(
        key: impl Into<String>,
        value: impl ToString,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Value {
            key: key.into(),
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }
}

/// The key's value, which may be `low..=high`.
pub(super) fn check_range<T: PartialOrd + Display + Copy>(
    key: &str,
    value: T,
    low: T,
    high: T,
) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::value(key, value, format!("{low} to {high}")))
}
