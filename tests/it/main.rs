//! Everything that is tested from outside: one target, because each one links burn.

mod bad_inputs;
mod inference;
mod layers;
mod networks;
mod support;
mod training;
