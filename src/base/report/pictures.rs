//! The pictures of a run or of several: charts, in sections, each with how to read it.
//!
//! Knows a run's values ([`Run`]) and what they mean to a reader; not how charts are drawn.

mod alignment;
mod learning;
mod motion;
mod response;
mod section;
mod spectra;
mod sweeps;
mod time;
mod transfer;
mod waveforms;

use super::run::Run;
pub use section::Section;

/// All sections of one run, in the order they are read.
pub fn of_run(run: &Run) -> Vec<Section> {
    let one = std::slice::from_ref(run);
    let mut sections = vec![learning::section(one)];
    sections.extend(motion::section(one));
    sections.extend([
        waveforms::section(run),
        time::section(one),
        spectra::section(run),
        transfer::section(one),
        response::harmonics(one),
        response::frequency(one),
        sweeps::section(one),
        alignment::section(run),
    ]);
    sections
}

/// The sections in which several runs can be laid over each other.
pub fn of_runs(runs: &[Run]) -> Vec<Section> {
    let mut sections = vec![learning::section(runs)];
    sections.extend(motion::section(runs));
    sections.extend([
        time::section(runs),
        transfer::section(runs),
        response::harmonics(runs),
        response::frequency(runs),
        sweeps::section(runs),
    ]);
    sections
}
