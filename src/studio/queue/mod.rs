//! The queue of trainings: what is wanted stands in a file, what is so is read off the run folders
//! and the locks that living trainings hold. Nothing else is known, so nothing is lost by a kill.

mod finished;
mod job;
mod keeper;
mod line;
mod process;
mod progress;
mod sketch;
mod weights;

pub use job::Act;
pub use line::Queue;
pub use progress::{best_so_far, log_of};
pub use weights::WEIGHTS;

use crate::error::Refusal;
use crate::folder::Folder;
use crate::program::Program;
use std::sync::Arc;

/// Opens a folder's queue and begins to work it off.
///
/// # Errors
/// Its file is there and cannot be read.
pub fn open(folder: &Folder, program: &Program) -> Result<Arc<Queue>, Refusal> {
    let queue = Arc::new(Queue::read(folder)?);
    keeper::keep(Arc::clone(&queue), program.clone());
    Ok(queue)
}
