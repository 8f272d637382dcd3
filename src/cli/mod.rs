//! The command line: arguments, progress bars, tables, exit codes.
//!
//! One file per verb holds its arguments and turns the command's typed outcome into text.
//! Knows nothing of how anything is computed.

pub mod ui;

/// How a command that ran to its end ended; the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Exit code 0.
    Done,
    /// Exit code 1: a criterion that the user asked for was not met.
    CriterionMissed,
}
