//! What a run is to do, as typed values: loaded from TOML, unknown keys refused, overrides
//! applied, checked, and saved back in full before the first step.
//!
//! Defaults are stated once, here. Knows nothing of tensors, and opens no audio file.

mod baseline;
mod data;
mod error;
mod import;
mod load;
mod metadata;
mod nesting;
mod networks;
mod run;
mod search;
mod training;

pub(crate) use baseline::products;
pub use baseline::{BaselineConfig, BaselineError, Baselines, MAX_UNKNOWNS};
pub use data::{DataConfig, Knob, Latency, PairConfig, Polarity, Position, Stereo, WindowConfig};
pub use error::ConfigError;
pub use load::{check_nesting, load, load_onto, of_table, parse};
pub use metadata::{GEAR_TYPES, MetadataConfig, MetadataKind, TONE_TYPES};
pub use networks::*;
pub use run::Config;
pub use search::{Budget, Family, Player, SearchConfig};
pub use training::{LossConfig, Optimiser, Schedule, TrainingConfig};
