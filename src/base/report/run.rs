//! A run as its page shows it: what was trained, how it went, what was tested and measured.
//!
//! Typed values only. Knows neither files nor networks, nor how any of it is drawn.

use super::metrics::{PairRows, QuietPassages, Row};
use super::race::Race;
use super::test_sound::TestSound;
use super::verdict::{self, Evidence, Verdict};
use crate::dsp::modulation::Motion;
use crate::dsp::probe::{Behaviour, Measurements};

/// One epoch of the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Training ESR.
    pub train_esr: f64,
    /// Validation ESR.
    pub valid_esr: f64,
}

/// Everything a page shows of a run. What a run does not have is empty or absent; a page is made
/// all the same.
#[derive(Clone, Debug)]
pub struct Run {
    /// The run's name: its folder's.
    pub name: String,
    /// Kind of network ("lstm").
    pub model: String,
    /// The log.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights were kept.
    pub best_epoch: Option<usize>,
    /// Whether training came to its end, test included.
    pub finished: bool,
    /// Test figures: the network first, then identity and the classical rows.
    pub rows: Vec<Row>,
    /// The same pair by pair, where there are several.
    pub by_pair: Vec<PairRows>,
    /// The test recordings and the prediction.
    pub sound: Option<TestSound>,
    /// Its gain in the softest passages of the test, beside the recording's.
    pub quiet: Option<QuietPassages>,
    /// What was tried before the network was chosen.
    pub search: Option<Race>,
    /// How the network behaves when it is left alone.
    pub behaviour: Option<Behaviour>,
    /// What its oscillator moves, in seconds and hertz, where it has one.
    pub motion: Option<Motion>,
    /// The network on the bench.
    pub network: Option<Measurements>,
    /// The effect itself on the same bench, where it was generated.
    pub effect: Option<Measurements>,
    /// What was measured or decided about the wet side's delay, one sentence each.
    pub latencies: Vec<String>,
    /// What, and its value: machine, versions, times.
    pub facts: Vec<(String, String)>,
    /// The resolved config.
    pub config: String,
    /// What could not be shown and why.
    pub missing: Vec<String>,
}

impl Run {
    /// The run judged in words; `None` before it was tested.
    pub fn verdict(&self) -> Option<Verdict> {
        let best = self
            .epochs
            .iter()
            .find(|e| Some(e.epoch) == self.best_epoch);
        verdict::verdict(&Evidence {
            rows: &self.rows,
            epochs: self.epochs.len(),
            best_epoch: self.best_epoch,
            train_esr: best.map(|e| e.train_esr),
            valid_esr: best.map(|e| e.valid_esr),
        })
    }

    /// How the network compares with not trying and with the best classical row, in sentences.
    pub fn comparisons(&self) -> Vec<String> {
        let Some((network, others)) = self.rows.split_first() else {
            return Vec::new();
        };
        let compare = |row: &Row| compared(network.metrics.esr, row);
        others.iter().filter_map(compare).collect()
    }
}

/// Less than this ratio of two error powers is no difference worth a word: 1 dB.
const ALIKE: f64 = 1.26;

fn compared(esr: f64, other: &Row) -> Option<String> {
    let theirs = other.metrics.esr;
    if !(esr.is_finite() && theirs.is_finite()) || theirs == 0.0 {
        return None;
    }
    // "fir-128" is linear, "fir-128-tanh-2" is not.
    let taps = other.name.strip_prefix("fir-");
    let linear = taps.is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
    let (what, worse) = match other.name.as_str() {
        Row::IDENTITY => (
            "doing nothing".to_string(),
            "It learned nothing worth having",
        ),
        name if linear => (
            format!("a linear filter ({name})"),
            "A filter, fitted in a moment, is the better choice here",
        ),
        name => (
            format!("{name}, a classical fit"),
            "The classical fit is the better choice here",
        ),
    };
    let ratio = theirs / esr;
    Some(if ratio.is_infinite() {
        format!("No error at all is left, against {what}.")
    } else if ratio > ALIKE {
        format!("{} nearer to the wet recording than {what}.", times(ratio))
    } else if ratio < 1.0 / ALIKE {
        format!(
            "{} further from the wet recording than {what}. {worse}.",
            times(1.0 / ratio)
        )
    } else {
        format!("No better than {what}.")
    })
}

/// "12.3 times" for a ratio of error powers.
fn times(ratio: f64) -> String {
    match ratio {
        r if r < 10.0 => format!("{r:.1} times"),
        r if r < 1e5 => format!("{r:.0} times"),
        r => format!("{r:.0e} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::metrics::metrics;

    fn row(name: &str, error: f32) -> Row {
        let wet: Vec<f32> = (0..100).map(|n| (n as f32).sin()).collect();
        let predicted: Vec<f32> = wet.iter().map(|w| w * (1.0 - error)).collect();
        Row {
            name: name.to_string(),
            metrics: metrics(&wet, &predicted),
            own_delay_samples: 0,
        }
    }

    #[test]
    fn comparisons_are_honest() {
        let said = |error: f32, other: &str| compared(0.01, &row(other, error)).unwrap();
        assert!(
            said(1.0, "identity").starts_with("100 times nearer"),
            "{}",
            said(1.0, "identity")
        );
        assert_eq!(
            said(0.1, "fir-128"),
            "No better than a linear filter (fir-128)."
        );
        let worse = said(0.05, "fir-128");
        assert!(worse.starts_with("4.0 times further") && worse.contains("better choice"));
        assert!(said(0.02, "identity").contains("learned nothing"));
        let nonlinear = said(0.05, "fir-128-tanh-2");
        assert!(nonlinear.contains("classical") && !nonlinear.contains("linear filter"));
        assert_eq!(compared(f64::NAN, &row("identity", 1.0)), None);
    }
}
