//! Pictures as files: PNG or SVG, by the file's name.
//!
//! Knows nothing of what is shown.

use super::figure::Figure;
use super::{png, svg};
use crate::files;
use std::path::{Path, PathBuf};

/// A picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The file's name says neither PNG nor SVG.
    #[error("{0}: pictures are written as .png or .svg; give the file one of these endings")]
    Ending(PathBuf),
    /// The file cannot be written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Whether a picture can be written under this name.
///
/// # Errors
/// [`FigureError::Ending`] unless it ends in `.png` or `.svg`.
pub fn check_ending(path: &Path) -> Result<(), FigureError> {
    let ending = path.extension().map(|e| e.to_ascii_lowercase());
    match ending.as_deref().and_then(|e| e.to_str()) {
        Some("png" | "svg") => Ok(()),
        _ => Err(FigureError::Ending(path.to_path_buf())),
    }
}

impl Figure {
    /// Writes the picture as its file's name says, in one atomic step.
    ///
    /// # Errors
    /// The name ends in neither `.png` nor `.svg`; the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FigureError> {
        check_ending(path)?;
        let is_svg = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("svg"));
        let drawn = if is_svg {
            svg::draw(self).map(String::into_bytes)
        } else {
            png::draw(self)
        };
        let written = drawn.and_then(|bytes| files::write(path, &bytes));
        written.map_err(|source| FigureError::Io {
            path: path.to_path_buf(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_endings_are_refused() {
        let error = Figure::new(1.0, 1.0).write(Path::new("a.jpg")).unwrap_err();
        assert!(error.to_string().contains("a.jpg"));
        assert!(check_ending(Path::new("a.PNG")).is_ok());
        assert!(check_ending(Path::new("png")).is_err());
    }
}
