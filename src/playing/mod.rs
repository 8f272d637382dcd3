//! What plays: whatever turns dry sound into wet sound, opened by what a path holds, with its
//! knobs, its reach and its cost, and its figures on test recordings.
//!
//! Knows nothing of verbs, tables and pages.

pub mod controls;
pub mod cost;
pub mod fitting;
pub mod instrument;
pub mod playable;
pub mod player;
pub mod scoring;
pub mod spans;

pub use instrument::Instrument;
pub use playable::Playable;
pub use player::Player;
