//! Networks and tensor losses. A network turns a batch of dry windows into predicted wet
//! windows, and says how far around an output sample it listens.
//!
//! Knows no optimiser, no file and no recording. Tensors are `[batch, channel, time]`. There
//! are no backend type parameters: the device decides, at run time.

mod dense;
mod effect_model;
mod effect_network;
mod encoder_decoder;
mod filter_bank;
mod fir;
mod import;
mod init;
pub mod loss;
mod modulated;
mod named;
mod parts;
pub mod predict;
mod recurrent;
mod s4_tf;
mod s4d;
mod slimmable;
mod state;
mod tailed;
mod tcn;
mod wavenet;
mod wiener_hammerstein;
mod work;

pub use dense::DenseNetwork;
pub use effect_model::{EffectModel, build, build_for, of_config};
pub use effect_network::{EffectNetwork, Memory, Reach};
pub use encoder_decoder::{Branch, EncoderDecoder, Middle};
pub use fir::Fir;
pub use import::{Imported, import};
pub use init::WeightInit;
pub use modulated::Modulated;
pub use named::{Parameter, parameters};
pub use recurrent::RecurrentNetwork;
pub use s4d::S4dNetwork;
pub use slimmable::SlimmableNetwork;
pub use state::State;
pub use tailed::Tailed;
pub use tcn::Tcn;
pub use wavenet::WaveNet;
pub use wiener_hammerstein::WienerHammerstein;
pub use work::Work;
