//! What a model takes to learn and to play; playing is timed here and now.

use super::playable::{Playable, Source};
use super::player::Player;
use crate::audio::SampleRate;
use crate::engine::timing;
use crate::network::Network;
use crate::number;
use crate::regress::baseline::{self, Baseline};
use anyhow::Result;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Samples per block at which playing is timed: what hosts commonly use.
pub const TIMED_BLOCK: usize = 512;
/// How long playing is timed.
const TIMED_FOR: Duration = Duration::from_millis(300);

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Numbers that were learned.
    pub parameters: usize,
    /// Multiply-adds per sample; of a baseline in its direct form (it is played by FFT).
    pub macs_per_sample: usize,
    /// Wall time of all epochs, or of a baseline's fit; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_seconds: Option<f64>,
    /// Seconds of audio played per second of work on one core, in blocks of [`TIMED_BLOCK`].
    #[serde(with = "number")]
    pub real_time_factor: f64,
}

impl Playable {
    /// What it costs at `rate`.
    ///
    /// # Errors
    /// A network that the engine cannot play.
    pub fn cost(&self, rate: SampleRate) -> Result<Cost> {
        let of = |network: &Network| -> Result<Cost> {
            let timed = timing::measure(network, &[TIMED_BLOCK], TIMED_FOR)?;
            Ok(Cost {
                parameters: network.weight_count(),
                macs_per_sample: network.macs_per_sample(),
                training_seconds: self.training_seconds,
                real_time_factor: timed.blocks.first().map_or(0.0, |b| b.real_time_factor),
            })
        };
        match &self.source {
            Source::Run(run) => of(&run.model.describe(rate.hz(), self.controls())),
            Source::File(model) => of(&model.network),
            Source::Baseline(saved) => Ok(Cost {
                parameters: saved.baseline.parameters(),
                macs_per_sample: saved.baseline.parameters(),
                training_seconds: self.training_seconds,
                real_time_factor: timed(&saved.baseline) / f64::from(rate.hz()),
            }),
        }
    }
}

/// Samples per second that a baseline plays, in blocks of [`TIMED_BLOCK`].
fn timed(baseline: &Baseline) -> f64 {
    let audio = baseline.audio_channels();
    let mut player: Box<dyn Player> = match audio.is_mono() {
        true => Box::new(vec![baseline::Player::new(baseline)]),
        false => Box::new(baseline::StereoPlayer::new(baseline)),
    };
    let sound: Vec<f32> = (0..TIMED_BLOCK).map(|i| 0.1 * (i as f32).sin()).collect();
    let block = vec![sound; audio.dry];
    let mut out = vec![Vec::new(); audio.wet];
    let (mut played, started) = (0, Instant::now());
    while started.elapsed() < TIMED_FOR {
        player.push(&block, &mut out);
        played += out[0].len();
        out.iter_mut().for_each(Vec::clear);
    }
    played as f64 / started.elapsed().as_secs_f64()
}
