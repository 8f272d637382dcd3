//! What a model file holds, whatever its kind.

use super::format::Format;
use crate::network::{Network, Weights};
use serde_json::{Map, Value};

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
    pub(super) fn new(network: Network, format: Format) -> Self {
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
