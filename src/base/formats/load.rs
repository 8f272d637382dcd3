//! From a model file to an engine that plays it: what a plugin calls. Knows the engine's public
//! interface and nothing of its inside; the engine knows no files.

use super::error::FormatError;
use crate::engine::{Engine, EngineError};
use crate::network::Architecture;
use std::path::Path;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read, or is not a model.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The network in it cannot be played.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Reads a model file of any known kind and plans its network (the full size of a slimmable
    /// one), knobs at their defaults, nothing heard yet.
    ///
    /// This allocates and reads a file: call it outside the audio thread, together with
    /// [`Engine::prewarm`], and hand the engine over.
    ///
    /// ```no_run
    /// use effigy_base::engine::Engine;
    /// use std::path::Path;
    ///
    /// let mut engine = Engine::load(Path::new("amp.nam"))?;
    /// assert_eq!(engine.sample_rate(), 48_000, "resample around it");
    /// engine.prewarm();
    /// // In the audio callback, with blocks of any length:
    /// let (input, mut output) = ([0.1f32; 64], [0.0f32; 64]);
    /// engine.process(&input, &mut output);
    /// # Ok::<(), effigy_base::formats::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// The file cannot be read, is of no known kind, or uses something not supported.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Self::load_size(path, f64::INFINITY)
    }

    /// As [`Engine::load`], a slimmable network at `size`: 0 is the smallest, 1 the full one.
    /// Other networks have one size.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn load_size(path: &Path, size: f64) -> Result<Self, LoadError> {
        let network = super::read(path)?.network;
        let sized = match &network.architecture {
            Architecture::Slimmable(slimmable) => slimmable.select(size).unwrap_or(&network),
            _ => &network,
        };
        Ok(Self::new(sized)?)
    }
}
