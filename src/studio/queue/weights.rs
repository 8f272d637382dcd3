//! Where a run's best weights lie, and whether they are there. Knows nothing of what they are.

use std::path::Path;

/// The best weights of a run, renamed to this when they are whole.
pub const WEIGHTS: &str = "best/weights.bpk";

/// Whether a run has weights that can be played. Their folder alone says nothing: it is there a moment
/// before they are.
pub(super) fn has_weights(run: &Path) -> bool {
    run.join(WEIGHTS).is_file()
}
