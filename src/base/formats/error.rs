//! What can be wrong with a model file, or with a network that is to become one.

use super::format::Format;
use crate::limits::OverBudget;
use crate::network::DescriptionError;
use std::path::PathBuf;

/// Why a model file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// What follows is wrong with this file.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<FormatError>,
    },
    /// The file cannot be opened or read.
    #[error("cannot be read")]
    Io(#[from] std::io::Error),
    /// The file is larger than any model in the field by far.
    #[error("model file of more than {allowed} bytes; at most that many are read")]
    TooLong {
        /// Bytes accepted.
        allowed: usize,
    },
    /// Reading would take more memory than any model in the field.
    #[error("not an honest model file")]
    Memory(#[from] OverBudget),
    /// It is something else that people have at hand.
    #[error("not a model file but {what}; {hint}")]
    Other {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// The text is not JSON.
    #[error("not a model file, since it is not JSON")]
    Json(#[from] serde_json::Error),
    /// The text is JSON, but of none of the known kinds.
    #[error(
        "not a model file of a known kind: .nam has architecture and config, RTNeural and AIDA-X \
         have in_shape and layers, Proteus has model_data and state_dict, safetensors is binary"
    )]
    UnknownKind,
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
    #[error("{format} cannot carry this network: {why}; {}", carriers_text(others))]
    CannotCarry {
        /// The format asked for.
        format: Format,
        /// What it lacks.
        why: String,
        /// Formats that would do.
        others: Vec<Format>,
    },
}

fn carriers_text(others: &[Format]) -> String {
    if others.is_empty() {
        return "no other format can either".into();
    }
    let names: Vec<String> = others.iter().map(Format::to_string).collect();
    format!("formats that can: {}", names.join(", "))
}

pub(super) fn field(field: impl Into<String>, why: impl Into<String>) -> FormatError {
    FormatError::Field {
        field: field.into(),
        why: why.into(),
    }
}

pub(super) fn unsupported(feature: impl Into<String>, hint: impl Into<String>) -> FormatError {
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
