//! How a command ended, as an exit code. Knows no command.

/// How a command that ran to its end ended; the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Exit code 0.
    Done,
    /// Exit code 1: a criterion that the user asked for was not met.
    CriterionMissed,
    /// Exit code 2: some of several jobs failed, which has been told of.
    SomeFailed,
}

impl Status {
    /// Whether an ESR that was asked for is met; no figure misses it.
    pub(super) fn of_esr(wanted: Option<f64>, found: Option<f64>) -> Self {
        match wanted {
            Some(wanted) if !found.is_some_and(|found| found <= wanted) => Self::CriterionMissed,
            _ => Self::Done,
        }
    }
}
