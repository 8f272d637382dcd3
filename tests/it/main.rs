//! Everything that is tested from outside: one target, because each one links burn.

mod align;
mod audio;
mod bad_inputs;
mod baseline;
mod effects;
mod inference;
mod kernel_tensors;
mod kernels;
mod layers;
mod networks;
mod npy;
mod regress;
mod support;
mod training;
