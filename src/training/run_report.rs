//! `report.json` of a run that was tested, as far as it is read again.

use super::provenance::Provenance;
use super::run_dir::{RunDir, RunError};
use crate::audio::range::LevelRange;
use crate::data::load::LatencyReport;
use crate::dsp::probe::Behaviour;
use crate::report::metrics::{PairRows, QuietPassages, Row};
use crate::report::race::Race;
use serde::Deserialize;
use std::fs;

/// Its name in the run's folder.
pub const FILE: &str = "report.json";

/// What it says; what older versions did not write is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// Test figures: the network, identity, then the classical rows.
    pub rows: Vec<Row>,
    /// The same, pair by pair, where there are several test pairs.
    pub by_pair: Vec<PairRows>,
    /// Wall time of the command.
    pub seconds: f64,
    /// What it ran on.
    pub device: String,
    /// Trainable weights.
    pub weights: usize,
    /// Its gain in the softest passages of the test, beside the recording's.
    pub quiet: Option<QuietPassages>,
    /// How the network behaves when it is left alone.
    pub probe: Option<Behaviour>,
    /// The levels of dry that it learned from.
    pub heard: Option<LevelRange>,
    /// What was tried before the network was chosen.
    pub search: Option<Race>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
    /// When, where and by what version it was made.
    pub provenance: Option<Provenance>,
}

impl RunReport {
    /// Reads it; `None` while the run is unfinished.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(run: &RunDir) -> Result<Option<Self>, RunError> {
        let path = run.file(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read(&path).map_err(|source| RunError::Io {
            path: path.clone(),
            source,
        })?;
        let report = serde_json::from_slice(&text);
        report.map(Some).map_err(|e| RunError::Damaged {
            path,
            reason: format!("damaged: {e}"),
        })
    }
}
