//! Everything that is tested from outside: one target, because each one links burn.

mod align;
mod audio;
mod bad_inputs;
mod baseline;
mod compare;
mod convolve;
mod effects;
mod engine;
mod firsthour;
mod formats;
mod inference;
mod kernel_tensors;
mod kernels;
mod layers;
mod losses;
mod networks;
mod npy;
mod npy_resynth;
mod random_networks;
mod recover;
mod regress;
mod resynth;
mod stft;
mod support;
mod training;
