//! Model files of other programs: read into, and written from, the plain network description.
//!
//! Knows the description and nothing of tensors, training or the command line; who needs a
//! network played (loudness, verification) is given a function that plays it. Only
//! [`Engine::load`](crate::engine::Engine::load) knows the engine, from outside. A file that uses
//! something unknown is refused by name: silence about it would be wrong audio.

pub mod aidax;
mod carriers;
mod common;
mod dialect;
mod error;
mod format;
mod json;
mod load;
mod model;
pub mod nam;
pub mod namb;
pub mod onnx;
mod other;
pub mod proteus;
mod recurrent_net;
pub mod rtneural;
pub mod safetensors;
mod verify;

pub use carriers::carriers;
pub use error::FormatError;
pub use format::Format;
pub use load::LoadError;
pub use model::{Model, SelfTest};
pub use verify::{
    Agreement, PREDICTION_TOLERANCE, TOLERANCE, VerifyError, agree, test_signal, verify,
};

use crate::limits;
use std::path::Path;

/// Reads a model file of any known kind.
///
/// # Errors
/// The file cannot be read, is of no known kind, or uses something not supported.
pub fn read(path: &Path) -> Result<Model, FormatError> {
    let model = contents(path).and_then(|bytes| read_bytes(&bytes));
    model.map_err(|why| FormatError::File {
        path: path.to_path_buf(),
        source: Box::new(why),
    })
}

/// The file's bytes.
fn contents(path: &Path) -> Result<Vec<u8>, FormatError> {
    Ok(limits::read(path, safetensors::MAX_BYTES)?)
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
    if namb::looks_like(bytes) {
        let model = namb::from_bytes(bytes)?;
        model.network.validate()?;
        return Ok(model);
    }
    let value = json::parse(bytes).map_err(|why| other::than(bytes).unwrap_or(why))?;
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
