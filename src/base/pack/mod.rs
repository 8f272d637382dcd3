//! Packs: many small trainings of one kind, each done exactly once, by any number of workers that
//! share nothing but a folder.
//!
//! What a pack is ([`description`]), which jobs that makes and how each is named ([`plan`]), who
//! does which ([`claim`], [`place`]), how it stands ([`state`]), which share is whose ([`share`]).

pub mod claim;
pub mod description;
pub mod engines;
mod error;
pub mod hash;
pub mod pattern;
pub mod place;
pub mod plan;
pub mod share;
pub mod state;
pub mod sweep;
pub mod table;

pub use description::{Description, Entry, Pack};
pub use error::PackError;
pub use plan::{Job, Plan};
