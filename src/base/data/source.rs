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

    /// Removes a latency of whole samples and a fraction, and the inversion if asked to. The
    /// decoded sounds go into the pairs: an hour of both is a gigabyte and is not held twice.
    pub(super) fn build_pairs(&mut self, latency: i64, fraction: f64, turn_over: bool) {
        let rate = self.dry.sample_rate();
        let mut dry = give_up(&mut self.dry);
        let wet = give_up(&mut self.wet);
        let count = wet.len();
        for (index, mut wet) in wet.into_iter().enumerate() {
            let name = match count {
                1 => self.label.clone(),
                _ => format!("{} channel {}", self.label, index + 1),
            };
            if fraction != 0.0 {
                wet = shift::advance(&wet, fraction);
            }
            if turn_over {
                wet.iter_mut().for_each(|x| *x = -*x);
            }
            let side = index.min(dry.len() - 1);
            let dry = match dry.len() == count || index + 1 == count {
                true => std::mem::take(&mut dry[side]),
                // One dry channel for several wet ones.
                false => dry[side].clone(),
            };
            let pair = DryWetPair::aligned(name, rate, dry, wet, latency);
            self.pairs
                .push(Arc::new(pair.with_controls(self.controls.clone())));
        }
    }
}

/// The channels of a sound that is not needed any more.
fn give_up(audio: &mut Audio) -> Vec<Vec<f32>> {
    let empty = Audio::mono(audio.sample_rate(), Vec::new());
    std::mem::replace(audio, empty).into_channels()
}
