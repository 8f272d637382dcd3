//! Fused operators for training on the processor, behind burn's backend extension.

pub mod conv;
pub mod encoder_decoder;
pub mod reference;
mod rows;
mod scratch;
mod spread;
