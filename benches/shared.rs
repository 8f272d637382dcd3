//! Where recordings for measuring lie, which are no part of the project.

use std::path::{Path, PathBuf};

/// Their folder, if they are here.
pub fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("EFFIGY_SHARED").map_or(beside, PathBuf::from);
    let data = root.join("data");
    data.is_dir().then_some(data)
}
