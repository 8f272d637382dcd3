//! What is logged of an epoch, and which epoch is the best so far.

use crate::report::metrics::Metrics;
use serde::{Deserialize, Serialize};

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    /// Over all training windows, each as predicted when its step was taken.
    pub train: Metrics,
    /// Over the whole validation spans after the epoch.
    pub valid: Metrics,
    /// At the last step.
    pub learning_rate: f64,
    /// Runtime of the epoch, validation included.
    pub seconds: f64,
}

/// The epoch with the lowest validation ESR.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// From 1.
    pub epoch: usize,
    /// Its validation ESR.
    pub esr: f64,
}

impl BestEpoch {
    /// The best of a log; none where no epoch has a finite figure.
    pub fn of(history: &[EpochRow]) -> Option<Self> {
        history.iter().fold(None, |best, row| {
            if Self::is_beaten_by(best, row) {
                return Some(Self {
                    epoch: row.epoch,
                    esr: row.valid.esr,
                });
            }
            best
        })
    }

    /// Whether `row` beats `best`.
    pub fn is_beaten_by(best: Option<Self>, row: &EpochRow) -> bool {
        // NaN never wins; anything finite beats nothing.
        best.map_or(row.valid.esr.is_finite(), |b| row.valid.esr < b.esr)
    }
}
