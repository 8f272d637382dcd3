//! Model files of other programs: read into, and written from, the plain network description.
//!
//! Knows the description and nothing of tensors, training or the command line; who needs a
//! network played (loudness, verification) is given a function that plays it. Only
//! [`Engine::load`](crate::engine::Engine::load) knows the engine, from outside. A file that uses
//! something unknown is refused by name: silence about it would be wrong audio.

pub mod aidax;
mod json;
mod load;
pub mod nam;
pub mod proteus;
mod recurrent_net;
pub mod rtneural;
pub mod safetensors;
mod verify;

pub use load::LoadError;
pub use verify::{
    Agreement, PREDICTION_TOLERANCE, TOLERANCE, VerifyError, agree, test_signal, verify,
};

use crate::network::Weights;
use crate::network::{DescriptionError, Network};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};

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
    #[error("model file of more than {allowed} bytes; at most that many are read")]
    TooLong {
        /// Bytes accepted.
        allowed: usize,
    },
    /// The text is not JSON.
    #[error("not a model file, since it is not JSON: {0}")]
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

/// The kinds of model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Neural Amp Modeler, `.nam`.
    Nam,
    /// RTNeural JSON.
    RtNeural,
    /// AIDA-X, `.json` or `.aidax`.
    AidaX,
    /// CoreAudioML / Proteus JSON.
    Proteus,
    /// effigy's own: weights by name for tensor libraries, with the network's description.
    Safetensors,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Nam,
        Self::RtNeural,
        Self::AidaX,
        Self::Proteus,
        Self::Safetensors,
    ];

    /// File name endings that players of the format look for; the first is usual.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Nam => &["nam"],
            Self::RtNeural | Self::Proteus => &["json"],
            Self::AidaX => &["json", "aidax"],
            Self::Safetensors => &["safetensors"],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nam => "nam",
            Self::RtNeural => "rtneural",
            Self::AidaX => "aidax",
            Self::Proteus => "proteus",
            Self::Safetensors => "safetensors",
        })
    }
}

/// What a model file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it plays.
    pub network: Network,
    /// The kind of file.
    pub format: Format,
    /// The version of the file format it claims, where it has one.
    pub version: Option<String>,
    /// Everything under `metadata`, as it stands in the file; for a container without its own,
    /// that of its full size.
    pub metadata: Map<String, Value>,
    /// Input and output the file was written with.
    pub self_test: Option<SelfTest>,
    /// Weights by name, where the file has them so.
    pub tensors: Vec<Weights>,
}

/// A signal and what the network in the file is said to make of it, from its initial state, with
/// every knob at 0 and without the file's input and output gains.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfTest {
    /// The signal.
    pub input: Vec<f32>,
    /// What comes out.
    pub output: Vec<f32>,
}

impl Model {
    pub(crate) fn new(network: Network, format: Format) -> Self {
        let (version, metadata, self_test) = (None, Map::new(), None);
        Self {
            network,
            format,
            version,
            metadata,
            self_test,
            tensors: Vec::new(),
        }
    }
}

/// Reads a model file of any known kind.
///
/// # Errors
/// The file cannot be read, is of no known kind, or uses something not supported.
pub fn read(path: &Path) -> Result<Model, FormatError> {
    use std::io::Read;
    let io = |source| FormatError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(safetensors::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    read_bytes(&bytes)
}

/// Reads the contents of a model file of any known kind.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Model, FormatError> {
    if safetensors::looks_like(bytes) {
        let model = safetensors::from_bytes(bytes)?;
        model.network.validate()?;
        return Ok(model);
    }
    let value = json::parse(bytes)?;
    let model = if nam::looks_like(&value) {
        nam::from_value(&value)?
    } else if proteus::looks_like(&value) {
        proteus::from_value(&value)?
    } else if aidax::looks_like(&value) {
        aidax::from_value(&value)?
    } else if rtneural::looks_like(&value) {
        rtneural::from_value(&value)?
    } else {
        return Err(FormatError::UnknownKind);
    };
    model.network.validate()?;
    Ok(model)
}

/// The formats that can carry `network`.
pub fn carriers(network: &Network) -> Vec<Format> {
    let can = |format: &Format| match format {
        Format::Nam => nam::check(network).is_ok(),
        Format::RtNeural => rtneural::check(network).is_ok(),
        Format::AidaX => aidax::check(network).is_ok(),
        Format::Proteus => proteus::check(network).is_ok(),
        Format::Safetensors => true,
    };
    Format::ALL.into_iter().filter(can).collect()
}

/// The error for a network that `format` cannot carry because of `why`.
pub(crate) fn cannot_carry(format: Format, why: String, network: &Network) -> FormatError {
    FormatError::CannotCarry {
        format,
        why,
        others: carriers(network),
    }
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

/// A 32-bit float as the JSON number that is exactly it.
pub(crate) fn number(x: f32) -> Value {
    Value::from(f64::from(x))
}

/// A list of 32-bit floats as JSON numbers.
pub(crate) fn numbers(values: &[f32]) -> Value {
    values.iter().map(|x| number(*x)).collect()
}

/// `[rows][columns]` as a list of lists.
pub(crate) fn matrix(values: &[f32], columns: usize) -> Value {
    values.chunks(columns.max(1)).map(numbers).collect()
}

/// `[rows][columns]` turned into `[columns][rows]`.
pub(crate) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let columns = columns.max(1);
    (0..columns)
        .flat_map(|c| values.iter().skip(c).step_by(columns).copied())
        .collect()
}
