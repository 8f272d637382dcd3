//! Streaming inference: a described network plays audio block by block.
//!
//! Plain arithmetic on slices, without tensors and without gradients. What someone would embed
//! in a plugin: [`Engine::load`] (or [`Engine::new`] for a network at hand), then
//! [`Engine::prewarm`], [`Engine::process`], [`Engine::reset`], [`Engine::latency_samples`].
//! Whole recordings are faster through an [`OfflinePlayer`]. Knows nothing of files (`load`
//! stands with the formats), training or the command line.
//!
//! Everything is allocated when the engine is made; [`Engine::process`] neither allocates nor
//! locks, takes blocks of any length, and gives the same samples, bit for bit, however a signal
//! is cut into blocks.
//!
//! Denormal numbers: processors are up to a hundred times slower on them, and a decaying state
//! would stay among them for long. Rust gives no sound way to switch them off for a while, so
//! they are kept from arising instead: input below −300 dBFS counts as silence and states that
//! decay (recurrent, state space) are cut to zero at −500 dB after every pass.

mod activation;
mod architecture;
mod block;
mod error;
mod layers;
mod long_filter;
mod matrix;
mod node;
mod offline;
mod ops;
mod plan;
mod probing;
mod sequence;
mod straying;
mod streaming;
pub mod timing;
mod wavenet;
mod window;

pub use error::EngineError;
pub use offline::OfflinePlayer;
pub use probing::probe;
pub use streaming::Engine;
