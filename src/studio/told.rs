//! Progress as lines on stderr, for a program that runs this one and draws a bar of its own.

use serde::{Deserialize, Serialize};

/// The variable that asks for such lines, where it is set to [`LINES`].
pub const PROGRESS: &str = "EFFIGY_PROGRESS";

/// What [`PROGRESS`] is set to.
pub const LINES: &str = "lines";

/// What such a line begins with.
const BEGIN: &str = "progress: ";

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// What is being done, in words a user knows.
    pub task: String,
    /// How much of it is done, 0 to 1; absent where nobody can tell.
    pub share: Option<f64>,
}

impl Told {
    /// Its line, without an end.
    pub fn line(&self) -> String {
        let told = serde_json::to_string(self).unwrap_or_default();
        format!("{BEGIN}{told}")
    }

    /// What a line tells; `None` for any other line.
    pub fn read(line: &str) -> Option<Self> {
        let told = line.strip_prefix(BEGIN)?;
        serde_json::from_str(told).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_told() {
        for share in [None, Some(0.0), Some(0.25)] {
            let task = "a \"name\"\nof two lines".to_string();
            let told = Told { task, share };
            assert!(!told.line().contains('\n'));
            assert_eq!(Told::read(&told.line()), Some(told));
        }
        for other in ["", "progress: ", "progress: half", "warning: progress: {}"] {
            assert_eq!(Told::read(other), None, "{other}");
        }
    }
}
