//! Where runs go: the folders that a name stands for.

use super::request::Request;
use crate::config::Config;
use crate::training::run_dir::RunDir;
use std::path::{Path, PathBuf};

/// Where runs go unless told otherwise.
pub const CHECKPOINTS: &str = "checkpoints";

/// The folder that was asked for, or that the run's name stands for.
pub(super) fn wanted_folder(request: &Request, config: &Config) -> PathBuf {
    let first = Path::new(CHECKPOINTS).join(&config.name);
    request.run.clone().unwrap_or(first)
}

/// `wanted`, or the first of `wanted-2`, `wanted-3`, … in which no run was begun.
pub fn first_free(wanted: &Path) -> PathBuf {
    let mut all = numbered(wanted);
    let free = all.find(|path| RunDir::is_free(path));
    free.unwrap_or_else(|| wanted.to_path_buf())
}

/// `wanted`, `wanted-2`, `wanted-3`, …
pub(super) fn numbered(wanted: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |n: u64| {
        let mut name = wanted.as_os_str().to_owned();
        name.push(format!("-{n}"));
        PathBuf::from(name)
    };
    std::iter::once(wanted.to_path_buf()).chain((2..).map(next))
}
