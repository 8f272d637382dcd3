//! Model files of other programs: read into, and written from, the plain network description.
//!
//! Knows the description and nothing of tensors, training or the command line. A file that uses
//! something unknown is refused by name: silence about it would be wrong audio.

mod json;
pub mod nam;

use crate::models::description::DescriptionError;
use std::path::PathBuf;

/// Why a model file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any model in the field by far.
    #[error("model file of {got} bytes; at most {allowed} are read")]
    TooLong {
        /// Bytes found.
        got: u64,
        /// Bytes accepted.
        allowed: u64,
    },
    /// The text is not JSON.
    #[error("not a model file: {0}")]
    Json(#[from] serde_json::Error),
    /// A field is missing, has the wrong type or a value that is not allowed.
    #[error("{field}: {why}")]
    Field {
        /// Where it is ("config.layers[0].kernel_size").
        field: String,
        /// What is wrong and what is allowed.
        why: String,
    },
    /// The list of weights is longer or shorter than the architecture needs.
    #[error("the file holds {got} weights, its architecture needs {needs}")]
    WeightCount {
        /// Weights in the file.
        got: usize,
        /// Weights needed ("at least 12", "457").
        needs: String,
    },
    /// The file is well-formed and uses something that effigy cannot play.
    #[error("{feature} is not supported{hint}")]
    Unsupported {
        /// What.
        feature: String,
        /// What to do about it, or nothing.
        hint: String,
    },
    /// The parts do not make a network.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The network cannot be written in this format.
    #[error("{format} cannot carry this network: {why}; formats that can: {others}")]
    CannotCarry {
        /// The format asked for.
        format: &'static str,
        /// What it lacks.
        why: String,
        /// Formats that would do.
        others: String,
    },
}

pub(crate) fn field(field: impl Into<String>, why: impl Into<String>) -> FormatError {
    FormatError::Field {
        field: field.into(),
        why: why.into(),
    }
}

pub(crate) fn unsupported(feature: impl Into<String>, hint: impl Into<String>) -> FormatError {
    let hint: String = hint.into();
    let hint = if hint.is_empty() {
        hint
    } else {
        format!("; {hint}")
    };
    FormatError::Unsupported {
        feature: feature.into(),
        hint,
    }
}

/// The text of a model file, refusing what is too long to be one before reading it.
pub(crate) fn read_text(path: &std::path::Path) -> Result<String, FormatError> {
    use std::io::Read;
    let io = |source| FormatError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut text = String::new();
    let limit = json::MAX_BYTES as u64 + 1;
    file.take(limit).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}
