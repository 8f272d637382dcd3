//! Writing files so that neither a kill nor a power loss costs what was finished: every write
//! goes to a scratch name beside its target, reaches the disk, and is renamed; so the target is
//! the old file, the new file, or not there, and never half of one.
//!
//! Everything that effigy does to a disk passes through [`system`], where tests can watch it,
//! make it fail and replay it ([`watch`], [`replay`]). Knows nothing of what is written.

pub mod checksums;
mod folder;
mod lock;
mod names;
pub mod replay;
mod scratch;
pub mod system;
pub mod watch;

pub use folder::{remove_scratch, sweep, write_dir};
pub use lock::Lock;
pub use names::{path_text, path_text_if_any, paths_text, same};
pub use scratch::{ScratchFile, abandon_all, is_scratch, write};

#[cfg(test)]
mod tests;
