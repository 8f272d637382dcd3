//! The pictures of a run or of several: charts, in sections, each with how to read it.
//!
//! Knows a run's values ([`Run`]) and what they mean to a reader; not how charts are drawn.

mod alignment;
mod learning;
mod response;
mod spectra;
mod sweeps;
mod time;
mod transfer;
mod waveforms;

use super::chart::{Chart, Tint};
use super::run::Run;
use crate::dsp::probe::Measurements;

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
    fn new(id: &'static str, title: &'static str, text: &str, charts: Vec<Chart>) -> Self {
        Self {
            id,
            title,
            text: text.to_string(),
            charts,
        }
    }
}

/// Why a section that needs the test sound is empty.
const NO_SOUND: &str = "There is no test sound in this run's folder (test/*.wav): the run was not \
                        finished, or the files were taken away.";

/// Why a section that needs the network is empty.
const NO_NETWORK: &str = "There are no weights in this run's folder that can be played.";

/// All sections of one run, in the order they are read.
pub fn of_run(run: &Run) -> Vec<Section> {
    let one = std::slice::from_ref(run);
    vec![
        learning::section(one),
        waveforms::section(run),
        time::section(one),
        spectra::section(run),
        transfer::section(one),
        response::harmonics(one),
        response::frequency(one),
        sweeps::section(one),
        alignment::section(run),
    ]
}

/// The sections in which several runs can be laid over each other.
pub fn of_runs(runs: &[Run]) -> Vec<Section> {
    vec![
        learning::section(runs),
        time::section(runs),
        transfer::section(runs),
        response::harmonics(runs),
        response::frequency(runs),
        sweeps::section(runs),
    ]
}

/// What a curve of a run's network is called and how it is tinted.
fn network_key(runs: &[Run], index: usize) -> (Tint, String) {
    match runs {
        [_] => (Tint::Predicted, "network".to_string()),
        several => (Tint::Run(index), several[index].name.clone()),
    }
}

/// Four significant digits, for captions.
fn figure(value: f64) -> String {
    super::table::figure(value)
}

/// The effect itself, where it is known and the same for all runs.
fn shared_effect(runs: &[Run]) -> Option<&Measurements> {
    let first = runs.first()?.effect.as_ref()?;
    let same = runs.iter().all(|r| r.effect.as_ref() == Some(first));
    same.then_some(first)
}
