//! One pair as decoded or generated, and as aligned. Knows neither files nor splits.

use super::aligned::{self, Motion};
use super::pair::DryWetPair;
use super::recordings::PairReport;
use crate::audio::Audio;
use crate::config::Latency;
use crate::dsp::shift;
use std::sync::Arc;

/// A decoded or generated pair before and after alignment.
pub(super) struct Source {
    pub(super) label: String,
    pub(super) dry: Audio,
    pub(super) wet: Audio,
    pub(super) latency: Latency,
    pub(super) generated: bool,
    /// A generated effect that depends on when the dry begins.
    pub(super) moves: bool,
    /// Where the knobs stood, in order of their names.
    pub(super) controls: Vec<f32>,
    pub(super) pairs: Vec<Arc<DryWetPair>>,
}

impl Source {
    /// What would spoil training, and the level: of the first channel, once aligned.
    pub(super) fn survey(&self) -> PairReport {
        let mut report = PairReport {
            label: self.label.clone(),
            gain_db: None,
            findings: Vec::new(),
        };
        if let Some(pair) = self.pairs.first() {
            report.gain_db = aligned::gain_db(pair.dry(), pair.wet());
            report.findings =
                Motion::measure(pair.dry(), pair.wet(), 0).findings(pair.sample_rate());
        }
        report
    }

    pub(super) fn is_to_be_measured(&self) -> bool {
        matches!(self.latency, Latency::Auto | Latency::Fractional)
    }

    /// Removes a latency of whole samples and a fraction, and the inversion if asked to.
    pub(super) fn build_pairs(&mut self, latency: i64, fraction: f64, turn_over: bool) {
        let rate = self.dry.sample_rate();
        let dry = self.dry.channels();
        let count = self.wet.channels().len();
        for (index, wet) in self.wet.channels().iter().enumerate() {
            let name = match count {
                1 => self.label.clone(),
                _ => format!("{} channel {}", self.label, index + 1),
            };
            let mut wet = shift::advance(wet, fraction);
            if turn_over {
                wet.iter_mut().for_each(|x| *x = -*x);
            }
            let dry = dry[index.min(dry.len() - 1)].clone();
            let pair = DryWetPair::aligned(name, rate, dry, wet, latency);
            self.pairs
                .push(Arc::new(pair.with_controls(self.controls.clone())));
        }
    }
}
