//! Baselines across both sides of a stereo effect: a filter from each dry channel to each side. Knows
//! nothing of files or alignment.

use super::expansion::Expansion;
use super::normal;
use super::player::Player;
use super::segment::{Heard, Segment, check_segments};
use super::{Baseline, BaselineConfig, MAX_UNKNOWNS};
use crate::audio::AudioChannels;
use crate::progress::Observer;
use crate::regress::RegressError;

impl BaselineConfig {
    /// The taps of a filter on every dry channel of a stereo effect; `None` of what is of one channel.
    fn stereo_taps(&self) -> Option<(usize, f64)> {
        match self {
            Self::Gain => Some((1, 0.0)),
            Self::Fir { taps, ridge } => Some((*taps, *ridge)),
            _ => None,
        }
    }

    /// Whether it can be fitted across both sides of a stereo effect.
    pub fn takes_stereo(&self) -> bool {
        self.stereo_taps().is_some()
    }
}

impl Baseline {
    /// Fits gains or filters by least squares across both sides; `sides[s]` are the segments of a side, each
    /// with the dry channels that it hears, one or two. Deterministic.
    ///
    /// # Errors
    /// As [`Baseline::fit`]; a baseline of one channel.
    pub fn fit_stereo(
        config: &BaselineConfig,
        sides: &[Vec<Vec<Segment<'_>>>],
        observer: &dyn Observer,
    ) -> Result<Self, RegressError> {
        config.check()?;
        let name = config.to_string();
        let Some((taps, ridge)) = config.stereo_taps() else {
            return Err(RegressError::OneChannel { estimator: name });
        };
        let (mut filters, mut used) = (Vec::<Vec<Vec<f64>>>::new(), ridge);
        for side in sides {
            let heard = side.iter().filter_map(|channels: &Vec<Segment<'_>>| {
                let (segment, others) = channels.split_first()?;
                Some(Heard {
                    segment: *segment,
                    beside: others.first().copied(),
                })
            });
            let heard: Vec<Heard<'_>> = heard.collect();
            let each: Vec<Segment<'_>> = side.iter().flatten().copied().collect();
            check_segments(config, &each)?;
            let unknowns = taps * heard.first().map_or(1, Heard::channels);
            let samples: usize = heard.iter().map(Heard::len).sum();
            // As many for both sides as a file may hold: a filter a side from every dry channel.
            let most = MAX_UNKNOWNS / 2;
            if unknowns > most {
                let most = most / heard.first().map_or(1, Heard::channels);
                return Err(RegressError::TooManyTaps {
                    estimator: name,
                    most,
                });
            }
            if samples < unknowns {
                return Err(RegressError::TooFewSamples {
                    estimator: name,
                    samples,
                    needed: unknowns,
                    hint: "one per coefficient of both channels: use fewer taps or longer spans",
                });
            }
            let solved = normal::fit(&name, &Expansion::Linear, taps, ridge, &heard, observer)?;
            used = f64::max(used, solved.ridge);
            filters.push(solved.banks);
        }
        Ok(Self::Stereo {
            filters,
            ridge: used,
        })
    }

    /// Channels of sound that it hears and makes at once.
    pub fn audio_channels(&self) -> AudioChannels {
        match self {
            Self::Stereo { filters, .. } => {
                AudioChannels::stereo(filters.first().map_or(1, Vec::len))
            }
            _ => AudioChannels::MONO,
        }
    }

    /// The effect's output for all dry channels that it hears, as long as they; `context` are the dry
    /// samples immediately before, silence before those.
    pub fn predict_channels(&self, dry: &[&[f32]], context: &[&[f32]]) -> Vec<Vec<f32>> {
        let Self::Stereo { filters, ridge } = self else {
            let each = dry.iter().zip(context);
            return each
                .map(|(dry, context)| self.predict(dry, context))
                .collect();
        };
        let side = |side: &Vec<Vec<f64>>| {
            let mut sum: Vec<f32> = vec![0.0; dry.first().map_or(0, |dry| dry.len())];
            for ((taps, dry), context) in side.iter().zip(dry).zip(context) {
                let filter = one(taps, *ridge);
                let part = filter.predict(dry, context);
                sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
            sum
        };
        filters.iter().map(side).collect()
    }
}

/// A filter of one channel.
fn one(taps: &[f64], ridge: f64) -> Baseline {
    Baseline::Fir {
        taps: taps.to_vec(),
        ridge,
    }
}

/// Plays a stereo baseline over a signal of any length, block by block, in bounded memory.
#[derive(Debug)]
pub struct StereoPlayer {
    /// `[side][dry channel]`
    filters: Vec<Vec<Player>>,
}

impl StereoPlayer {
    /// Plays `baseline` after silence; of one that is of one channel, nothing.
    pub fn new(baseline: &Baseline) -> Self {
        let filters = match baseline {
            Baseline::Stereo { filters, ridge } => {
                let player = |taps: &Vec<f64>| Player::new(&one(taps, *ridge));
                let side = |side: &Vec<Vec<f64>>| side.iter().map(player).collect();
                filters.iter().map(side).collect()
            }
            _ => Vec::new(),
        };
        Self { filters }
    }

    /// Hears a block of every dry channel, of any length, and appends what is complete to both sides.
    pub fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]) {
        self.add(wet, |player, channel, part| {
            player.push(&dry[channel], part)
        });
    }

    /// Appends what is still due: as many samples have then come out as went in.
    pub fn finish(&mut self, wet: &mut [Vec<f32>]) {
        self.add(wet, |player, _, part| player.finish(part));
    }

    fn add(
        &mut self,
        wet: &mut [Vec<f32>],
        mut play: impl FnMut(&mut Player, usize, &mut Vec<f32>),
    ) {
        for (side, wet) in self.filters.iter_mut().zip(wet) {
            let from = wet.len();
            for (channel, player) in side.iter_mut().enumerate() {
                let mut part = Vec::new();
                play(player, channel, &mut part);
                // All filters are of one length, so all answer as far.
                wet.resize(from + part.len(), 0.0);
                wet[from..]
                    .iter_mut()
                    .zip(part)
                    .for_each(|(sum, x)| *sum += x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::random::Noise;

    /// Left hears both, right the other late: each filter where it belongs, and played block by block what
    /// is predicted.
    #[test]
    fn every_filter_is_found_and_played() {
        let sound = |seed| Noise::new(seed).take(4000).collect::<Vec<f32>>();
        let (left, right) = (sound(1), sound(2));
        let late = |x: &[f32], n: usize, by: usize| n.checked_sub(by).map_or(0.0, |n| x[n]);
        let wet = |n: usize| {
            [
                0.5 * left[n] - 0.25 * late(&right, n, 3),
                0.75 * late(&left, n, 2),
            ]
        };
        let wets = [0, 1].map(|side| (0..4000).map(|n| wet(n)[side]).collect::<Vec<f32>>());
        let heard = |side: usize| {
            [&left, &right].map(|dry| Segment {
                dry,
                wet: &wets[side],
                context: &[],
            })
        };
        let sides = [0, 1].map(|side| vec![heard(side).to_vec()]);
        let config = BaselineConfig::Fir {
            taps: 4,
            ridge: 0.0,
        };
        let fitted = Baseline::fit_stereo(&config, &sides, &Silent).unwrap();
        let Baseline::Stereo { filters, .. } = &fitted else {
            panic!("{fitted:?}")
        };
        let wanted = [
            [[0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, -0.25]],
            [[0.0, 0.0, 0.75, 0.0], [0.0; 4]],
        ];
        for (side, wanted) in filters.iter().zip(wanted) {
            for (filter, wanted) in side.iter().zip(wanted) {
                for (tap, wanted) in filter.iter().zip(wanted) {
                    assert!((tap - wanted).abs() < 1e-6, "{filters:?}");
                }
            }
        }
        assert_eq!(fitted.to_string(), "fir-4");
        let whole = fitted.predict_channels(&[&left, &right], &[&[], &[]]);
        let mut player = StereoPlayer::new(&fitted);
        let mut played = vec![Vec::new(); 2];
        for from in (0..4000).step_by(700) {
            let to = (from + 700).min(4000);
            let block = [left[from..to].to_vec(), right[from..to].to_vec()];
            player.push(&block, &mut played);
        }
        player.finish(&mut played);
        assert_eq!(played, whole);
        let curves: BaselineConfig = "fir-8-tanh".parse().unwrap();
        let refused = Baseline::fit_stereo(&curves, &sides, &Silent).unwrap_err();
        assert!(refused.to_string().contains("one channel"), "{refused}");
    }
}
