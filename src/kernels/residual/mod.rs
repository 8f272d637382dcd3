//! Layers of a temporal convolution network: of each a dilated convolution through an activation, and
//! a 1×1 shortcut around both,
//!
//! y[o, t] = φ(b[o] + Σ_i Σ_k w[o, i, k] · x[i, t + k·dilation]) + Σ_i s[o, i] · x[i, t + context]
//!
//! with context = (K − 1)·dilation, by which y is shorter than x: both are aligned at their ends.
//! φ is one function, or x where positive and else x times a learned slope of its channel.
//!
//! One pass over time makes both sums and adds them up while they are in cache; what goes into φ
//! is kept. Back, one pass makes the gradient of that and all weights', another that of x. As
//! operators of their own, convolutions, activation and sum would walk through memory three times
//! as often; layer by layer, a batch's signals would come from memory and go back there, and so an item
//! goes through all layers before the next.

mod backward;
mod forward;
mod operator;
mod shape;
mod stack;
mod tensors;

pub use operator::{residual_layer, residual_layers};
pub use shape::{Curve, ResidualLayer};
pub use stack::ResidualStack;
pub use tensors::{ResidualTensors, ResidualWeights};
