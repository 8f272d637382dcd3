//! A section of pictures, and what several sections share. Knows no chart in particular.

use crate::dsp::probe::Measurements;
use crate::report::chart::Chart;
use crate::report::colour::Tint;
use crate::report::run::Run;

/// Charts that answer one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Where links lead to.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it is about, or why it is empty.
    pub text: String,
    /// The charts.
    pub charts: Vec<Chart>,
}

impl Section {
    pub(super) fn new(
        id: &'static str,
        title: &'static str,
        text: &str,
        charts: Vec<Chart>,
    ) -> Self {
        Self {
            id,
            title,
            text: text.to_string(),
            charts,
        }
    }
}

/// Why a section that needs the test sound is empty.
pub(super) const NO_SOUND: &str = "There is no test sound in this run's folder (test/*.wav): the run was not \
                        finished, or the files were taken away.";

/// Why a section that needs the network is empty.
pub(super) const NO_NETWORK: &str = "There are no weights in this run's folder that can be played.";

/// What a curve of a run's network is called and how it is tinted.
pub(super) fn network_key(runs: &[Run], index: usize) -> (Tint, String) {
    match runs {
        [_] => (Tint::Predicted, "network".to_string()),
        several => (Tint::Run(index), several[index].name.clone()),
    }
}

/// Four significant digits, for captions.
pub(super) fn figure(value: f64) -> String {
    crate::report::table::figure(value)
}

/// The effect itself, where it is known and the same for all runs.
pub(super) fn shared_effect(runs: &[Run]) -> Option<&Measurements> {
    let first = runs.first()?.effect.as_ref()?;
    let same = runs.iter().all(|r| r.effect.as_ref() == Some(first));
    same.then_some(first)
}
