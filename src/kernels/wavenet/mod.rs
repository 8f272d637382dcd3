//! A whole WaveNet in one operator, forward and backward.
//!
//! An array of layers: x₀ = R·input (a 1×1 convolution), then for each layer
//! `z = conv(x) + b + M·condition`, `a = act(z)` (gated: act of the first half times the sigmoid
//! of the second), `head += a`, `x ← x + W·a + w`; at the end `H·head (+ h)`, a convolution, is
//! the head of the next array, whose input is x. The network's output is the last head times
//! `head_scale`; its input is every array's condition. All convolutions are "valid": each layer's
//! output is shorter than its input by its context, and everything is aligned at the end.
//!
//! How it is fast. An item of the batch is one task (with others where items are few). Time is cut
//! into segments short enough that what goes from layer to layer stays in the second-level cache:
//! forward, a segment goes through all layers before the next one; backward, from the last
//! segment to the first, through all layers in turn, each of which remembers as much of its
//! gradient as the segment before will ask for ([`window::Window`]). Within a segment, tiles stay
//! in the first-level cache from convolution to residual.
//!
//! What is kept. The forward pass keeps each layer's activation (the slope follows from it), for
//! these are what costs most to compute again. It does not keep the layers' inputs: the backward
//! pass has x + W·a + w from the layer behind, and takes W·a + w away again while a is near. For an
//! eighth more arithmetic there, that halves what goes to memory and comes back (the process takes
//! 237 MB for A1 standard at 16 × 8192 samples, and took 385 when inputs were kept too). Where a
//! layer's output has not begun yet, its input, one context long, is kept; and every twelfth input
//! is kept whole, which bounds the rounding: recovering x adds and takes away the same C + 1 terms,
//! each rounded once (twice where no fused multiply-add exists), so after twelve layers x is off by
//! at most 24 (C + 2) · 2⁻²⁴ of the largest partial sum (2.6e-5 for 16 channels; 1e-6 where
//! roundings are independent), and a weight's gradient likewise. Of the partial sum, not of x: a
//! layer whose W·a + w is a thousand times its x gives x back to three digits fewer.
//!
//! How it gets there. Memory is much slower than the arithmetic, but only while one waits for it:
//! activations are copied to where they are kept a line at a time beside the next tile's
//! multiply-adds, past the caches ([`CopyRows`](super::products::copies::CopyRows)), and fetched
//! ahead of the backward pass in the same way. Copying them at once cost 11 of 58 ms, beside the
//! arithmetic 4.

mod backward;
mod backward_plan;
mod batch;
mod cut;
mod forward;
mod geometry;
mod operator;
mod pass;
mod shape;
mod window;
mod work;

pub use operator::wavenet;
pub use shape::{ArrayOffsets, Layer, LayerArray, LayerOffsets, WaveNet};
