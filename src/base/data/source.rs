//! One pair as decoded or generated, and as aligned. Knows neither files nor splits.

use super::aligned::{self, Motion};
use super::channels;
use super::pair::DryWetPair;
use super::recordings::PairReport;
use super::sound::Sounding;
use crate::audio::{Audio, Track};
use crate::config::Latency;
use crate::dsp::shift;
use std::sync::Arc;

/// A decoded or generated pair before and after alignment.
pub(super) struct Source {
    pub(super) label: String,
    /// Before they are given up to the pairs.
    pub(super) dry_channels: usize,
    pub(super) dry: Audio,
    pub(super) wet: Audio,
    /// Channels that the config uses, from 0.
    pub(super) used: Vec<usize>,
    pub(super) latency: Latency,
    pub(super) generated: bool,
    /// A generated effect that depends on when the dry begins.
    pub(super) moves: bool,
    /// Where the knobs stood, in order of their names.
    pub(super) controls: Vec<f32>,
    /// One per channel in use.
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
            report.findings = Motion::measure(pair.dry().into(), pair.wet().into(), 0, None)
                .findings(pair.sample_rate());
        }
        report
    }

    /// Both sides of every channel in use.
    pub(super) fn tracks(&self) -> impl Iterator<Item = (Track<'_>, Track<'_>)> {
        let (dry, wet) = (self.dry.tracks(), self.wet.tracks());
        let sides = move |channel: &usize| {
            let of = |sound| channels::serving(sound, *channel);
            of(&dry).zip(of(&wet))
        };
        self.used.iter().filter_map(sides)
    }

    /// The aligned pair of a channel in use.
    pub(super) fn pair(&self, channel: usize) -> Option<&Arc<DryWetPair>> {
        let place = self.used.iter().position(|used| *used == channel)?;
        self.pairs.get(place)
    }

    /// Where any of the aligned pairs is played.
    pub(super) fn played(&self) -> Option<Sounding> {
        let each = self
            .pairs
            .iter()
            .map(|p| Sounding::played(p.dry(), p.wet()));
        each.reduce(|all, one| all.or(&one))
    }

    pub(super) fn is_to_be_measured(&self) -> bool {
        matches!(self.latency, Latency::Auto | Latency::Fractional)
    }

    /// Removes a latency of whole samples and a fraction, and the inversion if asked to. The
    /// decoded sounds go into the pairs: an hour of both is a gigabyte and is not held twice.
    pub(super) fn build_pairs(&mut self, latency: i64, fraction: f64, turn_over: bool) {
        let rate = self.dry.sample_rate();
        let (mut dry, mut wet) = (give_up(&mut self.dry), give_up(&mut self.wet));
        let mono = dry.len().max(wet.len()) == 1;
        for (place, &channel) in self.used.iter().enumerate() {
            let last = place + 1 == self.used.len();
            let sides = take(&mut dry, channel, last).zip(take(&mut wet, channel, last));
            let Some((dry, mut wet)) = sides else {
                continue;
            };
            let name = if mono {
                self.label.clone()
            } else {
                format!("{} channel {}", self.label, channel + 1)
            };
            if fraction != 0.0 {
                wet = shift::advance(&wet, fraction);
            }
            if turn_over {
                wet.iter_mut().for_each(|x| *x = -*x);
            }
            let pair = DryWetPair::aligned(name, rate, dry, wet, latency);
            self.pairs
                .push(Arc::new(pair.with_controls(self.controls.clone())));
        }
    }
}

/// A channel's samples; those of the only one are kept until the `last` channel has had them.
fn take(channels: &mut [Vec<f32>], channel: usize, last: bool) -> Option<Vec<f32>> {
    match channels {
        [only] if !last => Some(only.clone()),
        [only] => Some(std::mem::take(only)),
        several => several.get_mut(channel).map(std::mem::take),
    }
}

/// The channels of a sound that is not needed any more.
fn give_up(audio: &mut Audio) -> Vec<Vec<f32>> {
    let empty = Audio::mono(audio.sample_rate(), Vec::new());
    std::mem::replace(audio, empty).into_channels()
}
