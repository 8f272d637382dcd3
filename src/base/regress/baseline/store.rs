//! A fitted baseline as a JSON file. Knows nothing of fitting.

use super::{Baseline, MAX_UNKNOWNS};
use crate::files;
use crate::limits;
use crate::regress::RegressError;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;

/// The mark by which a file is recognised.
const FORMAT: &str = "effigy-baseline";
const VERSION: u32 = 1;
/// The longest file read: several times what as many coefficients as can be fitted take.
const MAX_BYTES: usize = 4 << 20;

/// A baseline with what must be known to use it.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedBaseline {
    /// Rate of the recordings it was fitted on, in hertz; a filter only means something there.
    pub sample_rate_hz: u32,
    /// The model.
    pub baseline: Baseline,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    sample_rate_hz: u32,
    baseline: Baseline,
}

impl SavedBaseline {
    /// Writes JSON atomically. Coefficients survive bit by bit (shortest round-trip decimals).
    ///
    /// # Errors
    /// [`RegressError::Io`] names the file.
    pub fn save(&self, path: &Path) -> Result<(), RegressError> {
        let document = Document {
            format: FORMAT.to_string(),
            version: VERSION,
            sample_rate_hz: self.sample_rate_hz,
            baseline: self.baseline.clone(),
        };
        let text = serde_json::to_vec(&document).map_err(|e| refused(path, e.to_string()))?;
        files::write(path, &text).map_err(|source| RegressError::Io {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Whether the file says in its first line that it is a saved baseline, of whatever version.
    pub fn recognises(path: &Path) -> bool {
        let mut start = Vec::new();
        let file = limits::open(path).map(|file| file.take(256));
        let read = file.and_then(|mut file| file.read_to_end(&mut start));
        let mark = format!("\"{FORMAT}\"");
        read.is_ok() && String::from_utf8_lossy(&start).contains(&mark)
    }

    /// Reads what [`SavedBaseline::save`] wrote.
    ///
    /// # Errors
    /// [`RegressError::Io`], or [`RegressError::Format`] when the file is something else, of a
    /// later version, or inconsistent.
    pub fn load(path: &Path) -> Result<Self, RegressError> {
        let text = limits::read(path, MAX_BYTES).map_err(|source| RegressError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let document: Document = serde_json::from_slice(limits::without_mark(&text))
            .map_err(|e| refused(path, format!("not a saved baseline: {e}")))?;
        if document.format != FORMAT || document.version != VERSION {
            return Err(refused(
                path,
                format!(
                    "format {} version {}; this program reads {FORMAT} version {VERSION}",
                    document.format, document.version
                ),
            ));
        }
        consistent(&document.baseline).map_err(|reason| refused(path, reason))?;
        if document.sample_rate_hz == 0 {
            return Err(refused(path, "sample_rate_hz is 0".to_string()));
        }
        Ok(Self {
            sample_rate_hz: document.sample_rate_hz,
            baseline: document.baseline,
        })
    }
}

fn refused(path: &Path, reason: String) -> RegressError {
    RegressError::Format {
        path: path.to_path_buf(),
        reason,
    }
}

/// What the type alone does not say: as many filters as signals, all of one positive length.
fn consistent(baseline: &Baseline) -> Result<(), String> {
    let of_sides;
    let banks: &[Vec<f64>] = match baseline {
        Baseline::Gain { .. } => return Ok(()),
        Baseline::Fir { taps, .. } => std::slice::from_ref(taps),
        Baseline::FirTanh { banks, .. } => banks,
        Baseline::Stereo { filters, .. } => {
            let dry = filters.first().map_or(0, Vec::len);
            let even = filters.iter().all(|side| side.len() == dry);
            if filters.len() != 2 || !(1..=2).contains(&dry) || !even {
                return Err("a stereo effect has two sides of one or two filters each".to_string());
            }
            of_sides = filters.concat();
            &of_sides
        }
        Baseline::Volterra {
            order,
            memory,
            banks,
            ..
        } => {
            if !(1..=5).contains(order) || !(1..=MAX_UNKNOWNS).contains(memory) {
                return Err(format!(
                    "order {order} with memory {memory} is out of range"
                ));
            }
            banks
        }
    };
    let taps = banks.first().map_or(0, Vec::len);
    let expected = baseline.signal_count();
    if taps == 0 || banks.len() != expected || banks.iter().any(|bank| bank.len() != taps) {
        return Err(format!(
            "{} filters, {expected} are needed, all of one length of at least 1",
            banks.len()
        ));
    }
    if taps.saturating_mul(expected) > MAX_UNKNOWNS {
        return Err(format!("more than {MAX_UNKNOWNS} coefficients"));
    }
    Ok(())
}
