//! Fused operators that carry the load of training, behind one face for every backend.
//!
//! On flex and ndarray tensors of f32 the functions below run hand-written vector code with
//! hand-written gradients, on a graphics card kernels of our own where there are such ([`gpu`]);
//! elsewhere they are the same composition of burn's operators that [`composed`] keeps as their
//! oracle.
//!
//! One folder per operator, each with its formula on the first page: [`convolution`], [`dense`](mod@dense),
//! [`encoder_decoder`](mod@encoder_decoder), [`long_filter`](mod@long_filter),
//! [`wavenet`](mod@wavenet), [`recurrent`](mod@recurrent), [`residual`], [`scan`](mod@scan),
//! [`state_space`](mod@state_space), [`spectral`] for the distance of spectra, and `pointwise` for activations. In each, the slice
//! form knows nothing of tensors; its `operator` file leads to them. What they share:
//! `bridge` (burn's tensors to slices and back), `products` (the matrix products), `partition`
//! (how a batch is cut into tasks), `crew` (the threads of brief work), `memory`; and the losses' means
//! ([`mean_square()`]), an optimiser's [`descent`], and, which only a card takes another way, [`join()`], the
//! [`gather()`] of windows and the [`error_sums()`] of figures.
//!
//! Results are the same bit for bit from run to run on one machine, whatever the threads.

pub mod activation;
mod bridge;
pub mod composed;
pub mod convolution;
mod crew;
pub mod dense;
pub mod descent;
pub mod encoder_decoder;
mod error_sums;
mod gather;
pub mod gpu;
mod join;
pub mod long_filter;
mod mean;
pub mod memory;
mod partition;
mod pointwise;
mod products;
pub mod recurrent;
pub mod residual;
pub mod scan;
pub mod spectral;
pub mod state_space;
pub mod wavenet;

pub use bridge::{composed_on_cards, has_room_for, is_fused, uploaded};
pub use convolution::{conv_transpose1d, conv1d};
pub use dense::dense;
pub use encoder_decoder::{Filters, ScaleShift, encoder_decoder};
pub use error_sums::{error_sums, look_at};
pub use gather::gather;
pub use gpu::gather::Row;
pub use join::join;
pub use long_filter::long_filter;
pub use mean::{mean, mean_square, mean_square_difference};
pub use memory::{hold_freed as hold_freed_memory, release as release_memory};
pub use pointwise::{activate, p_relu};
pub use recurrent::{RecurrentState, RecurrentWeights, recurrent, recurrent_with_head};
pub use residual::{ResidualTensors, ResidualWeights, residual_layer, residual_layers};
pub use scan::{ScanWeights, is_scan_fused, scan};
pub use spectral::spectral_distance;
pub use state_space::{StateSpaceTensors, state_space};
pub use wavenet::wavenet;
