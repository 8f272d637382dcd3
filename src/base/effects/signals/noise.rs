//! Noise, white and pink.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::effects::filter::Filter;

/// Independent uniform samples, filtered for pink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// The shape of its spectrum.
    pub colour: NoiseColour,
    /// Peak level, −120 to 0.
    pub level_dbfs: f64,
}

/// How power is spread over frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseColour {
    /// Equal power for every hertz.
    White,
    /// Equal power for every octave, from 20 Hz up.
    Pink,
}

impl Noise {
    pub(super) fn render(&self, hz: f64, len: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut filters = match self.colour {
            NoiseColour::White => Vec::new(),
            NoiseColour::Pink => three_db_per_octave(hz),
        };
        (0..len)
            .map(|_| {
                let white = rng.random_range(-1.0..1.0);
                filters.iter_mut().fold(white, |x, f| f.step(x)) as f32
            })
            .collect()
    }
}

/// One low-pass step per octave, each levelling off after half an octave: a staircase of
/// half the slope of a single pole, 3 dB per octave, true within a fifth of a decibel from
/// 40 Hz to a fifth of the sample rate; above, the bilinear transform takes up to 1 dB more.
fn three_db_per_octave(hz: f64) -> Vec<Filter> {
    let octaves = std::iter::successors(Some(20.0), |pole| Some(2.0 * pole));
    octaves
        .map(|pole| (pole, pole * 2f64.sqrt()))
        .take_while(|(_, zero)| *zero < 0.49 * hz)
        .map(|(pole, zero)| Filter::shelf(pole, zero, hz))
        .collect()
}
