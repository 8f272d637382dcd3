//! What is logged of an epoch, and which epoch is the best so far.

use crate::number;
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
    #[serde(with = "number")]
    pub learning_rate: f64,
    /// Runtime of the epoch, validation included.
    #[serde(with = "number")]
    pub seconds: f64,
}

/// The epoch with the lowest validation ESR.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// From 1.
    pub epoch: usize,
    /// Its validation ESR.
    #[serde(with = "number")]
    pub esr: f64,
    /// Its validation MSE, which decides where silence leaves no ESR.
    #[serde(with = "number", default)]
    pub mse: f64,
}

impl BestEpoch {
    /// The best of a log; none where no epoch has a finite figure.
    pub fn of(history: &[EpochRow]) -> Option<Self> {
        history.iter().fold(None, |best, row| {
            if Self::is_beaten_by(best, &row.valid) {
                return Some(Self::of_row(row));
            }
            best
        })
    }

    /// This epoch as the best.
    pub fn of_row(row: &EpochRow) -> Self {
        Self {
            epoch: row.epoch,
            esr: row.valid.esr,
            mse: row.valid.mse,
        }
    }

    /// Whether an epoch with these validation figures beats `best`.
    pub fn is_beaten_by(best: Option<Self>, valid: &Metrics) -> bool {
        // NaN never wins; anything finite beats nothing.
        let found = decisive(valid.esr, valid.mse);
        best.map_or(found.is_finite(), |b| found < decisive(b.esr, b.mse))
    }
}

/// The figure by which epochs are compared: ESR, or MSE where a silent wet side leaves no ESR. All
/// epochs of a run are validated on the same samples, so it is the same figure for all.
fn decisive(esr: f64, mse: f64) -> f64 {
    if esr.is_finite() { esr } else { mse }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::metrics::metrics;

    fn row(epoch: usize, wet: f32, predicted: f32) -> EpochRow {
        let figures = metrics(&[wet; 4], &[predicted; 4]);
        EpochRow {
            epoch,
            train: figures,
            valid: figures,
            learning_rate: 0.1,
            seconds: 1.0,
        }
    }

    fn best(history: &[EpochRow]) -> Option<usize> {
        BestEpoch::of(history).map(|best| best.epoch)
    }

    #[test]
    fn the_best_epoch_is_chosen_by_a_figure_that_exists() {
        let heard = [row(1, 1.0, 0.2), row(2, 1.0, 0.9), row(3, 1.0, 0.5)];
        assert_eq!(best(&heard), Some(2));
        let silent = [row(1, 0.0, 0.2), row(2, 0.0, 0.1), row(3, 0.0, 0.3)];
        assert!(silent[0].valid.esr.is_infinite());
        assert_eq!(best(&silent), Some(2));
        assert_eq!(best(&[row(1, 1.0, f32::NAN), row(2, 1.0, 9.0)]), Some(2));
        assert_eq!(best(&[row(1, 1.0, f32::NAN), row(2, 0.0, f32::NAN)]), None);
    }

    #[test]
    fn figures_of_silence_survive_the_log() {
        let logged = row(1, 0.0, 0.25);
        let text = serde_json::to_string(&logged).unwrap();
        assert!(text.contains(r#""esr":"inf""#), "{text}");
        assert_eq!(serde_json::from_str::<EpochRow>(&text).unwrap(), logged);
        // As older versions wrote it.
        let older = text.replace("\"inf\"", "null").replace("\"-inf\"", "null");
        let read: EpochRow = serde_json::from_str(&older).unwrap();
        assert!(read.valid.esr.is_nan() && read.valid.mse == 0.0625);
        assert_eq!(best(std::slice::from_ref(&read)), Some(1));
        let kept = BestEpoch::of_row(&logged);
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<BestEpoch>(&text).unwrap(), kept);
    }
}
