//! Classical models of an effect, fitted in closed form on dry/wet time spans: what a network
//! must beat to be worth its name.
//!
//! All are filters on fixed functions of the dry signal, so one exact least-squares solver
//! serves them all (see `normal`). Knows nothing of networks, files' layout or alignment: wet
//! and dry arrive equally long and aligned.

mod drives;
mod expansion;
mod filter;
mod normal;
mod player;
mod segment;
mod stereo;
mod store;

pub use crate::config::{BaselineConfig, MAX_UNKNOWNS};
pub use player::Player;
pub use segment::Segment;
pub use stereo::StereoPlayer;
pub use store::SavedBaseline;

use crate::config::products;
use crate::progress::Observer;
use crate::regress::RegressError;
use expansion::Expansion;
use filter::FilterBank;
use segment::{Heard, check_segments};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A fitted baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Baseline {
    /// `gain·dry`.
    Gain {
        /// The factor.
        gain: f64,
    },
    /// `taps ∗ dry`.
    Fir {
        /// Impulse response, causal.
        taps: Vec<f64>,
        /// Relative ridge penalty that was in force.
        ridge: f64,
    },
    /// `banks[0] ∗ dry + Σ banks[k] ∗ tanh(gains[k−1]·dry)`.
    FirTanh {
        /// Drives.
        gains: Vec<f64>,
        /// One impulse response for the dry signal and one per drive, equally long.
        banks: Vec<Vec<f64>>,
        /// Relative ridge penalty that was in force.
        ridge: f64,
    },
    /// A filter on every product of up to `order` samples.
    Volterra {
        /// Largest number of factors.
        order: usize,
        /// Delays between factors stay below this.
        memory: usize,
        /// One impulse response per product, equally long, in the order: no further factor,
        /// one with delay 0, 1, …, two with delays (0,0), (0,1), …
        banks: Vec<Vec<f64>>,
        /// Relative ridge penalty that was in force.
        ridge: f64,
    },
    /// Of a stereo effect: each side is `Σ_d filters[side][d] ∗ dry[d]`.
    Stereo {
        /// Impulse responses, causal, all of one length: `[side][dry channel]`.
        filters: Vec<Vec<Vec<f64>>>,
        /// The largest relative ridge penalty that was in force.
        ridge: f64,
    },
}

impl Baseline {
    /// Fits by least squares on all segments together. Deterministic.
    ///
    /// # Errors
    /// Settings out of range, segments whose dry and wet lengths differ, silent or non-finite
    /// recordings, fewer samples than coefficients, or a stop asked for by `observer`.
    pub fn fit(
        config: &BaselineConfig,
        segments: &[Segment<'_>],
        observer: &dyn Observer,
    ) -> Result<Self, RegressError> {
        config.check()?;
        check_segments(config, segments)?;
        let name = config.to_string();
        let solve = |expansion: &Expansion, taps: usize, ridge: f64| {
            let unknowns = taps * expansion.count();
            let samples = segments.iter().map(|s| s.dry.len()).sum();
            if samples < unknowns {
                return Err(RegressError::TooFewSamples {
                    estimator: name.clone(),
                    samples,
                    needed: unknowns,
                    hint: "one per coefficient: use fewer coefficients or longer spans",
                });
            }
            let heard: Vec<Heard<'_>> = segments.iter().copied().map(Heard::alone).collect();
            normal::fit(&name, expansion, taps, ridge, &heard, observer)
        };
        match config {
            BaselineConfig::Gain => {
                let one = solve(&Expansion::Linear, 1, 0.0)?;
                Ok(Self::Gain {
                    gain: one.banks[0][0],
                })
            }
            BaselineConfig::Fir { taps, ridge } => {
                let mut fitted = solve(&Expansion::Linear, *taps, *ridge)?;
                Ok(Self::Fir {
                    taps: fitted.banks.swap_remove(0),
                    ridge: fitted.ridge,
                })
            }
            BaselineConfig::FirTanh { taps, gains, ridge } => {
                let gains = if gains.is_empty() {
                    drives::choose(segments, observer)?
                } else {
                    gains.clone()
                };
                let fitted = solve(&Expansion::Tanh(gains.clone()), *taps, *ridge)?;
                Ok(Self::FirTanh {
                    gains,
                    banks: fitted.banks,
                    ridge: fitted.ridge,
                })
            }
            &BaselineConfig::Volterra {
                order,
                memory,
                taps,
                ridge,
            } => {
                let fitted = solve(&Expansion::Volterra { order, memory }, taps, ridge)?;
                Ok(Self::Volterra {
                    order,
                    memory,
                    banks: fitted.banks,
                    ridge: fitted.ridge,
                })
            }
        }
    }

    /// The effect's output for `dry`, of one channel (of a stereo effect [`Baseline::predict_channels`]),
    /// as long as it; `context` are the dry samples immediately
    /// before (at most [`Baseline::receptive_field`] − 1 matter), silence before those.
    pub fn predict(&self, dry: &[f32], context: &[f32]) -> Vec<f32> {
        let segment = Segment {
            dry,
            wet: &[],
            context,
        };
        self.filter_bank().apply(&segment)
    }

    fn filter_bank(&self) -> FilterBank {
        match self {
            Self::Gain { gain } => FilterBank::new(Expansion::Linear, &[vec![*gain]]),
            Self::Fir { taps, .. } => {
                FilterBank::new(Expansion::Linear, std::slice::from_ref(taps))
            }
            Self::FirTanh { banks, .. } | Self::Volterra { banks, .. } => {
                FilterBank::new(self.expansion(), banks)
            }
            Self::Stereo { filters, .. } => FilterBank::new(Expansion::Linear, &filters[0]),
        }
    }

    fn expansion(&self) -> Expansion {
        match self {
            Self::Gain { .. } | Self::Fir { .. } | Self::Stereo { .. } => Expansion::Linear,
            Self::FirTanh { gains, .. } => Expansion::Tanh(gains.clone()),
            Self::Volterra { order, memory, .. } => Expansion::Volterra {
                order: *order,
                memory: *memory,
            },
        }
    }

    fn tap_count(&self) -> usize {
        match self {
            Self::Gain { .. } => 1,
            Self::Fir { taps, .. } => taps.len(),
            Self::Stereo { filters, .. } => {
                let first = filters.first().and_then(|side| side.first());
                first.map_or(0, Vec::len)
            }
            Self::FirTanh { banks, .. } | Self::Volterra { banks, .. } => {
                banks.first().map_or(0, Vec::len)
            }
        }
    }

    /// How many signals are filtered, without listing them.
    fn signal_count(&self) -> usize {
        match self {
            Self::Gain { .. } | Self::Fir { .. } => 1,
            Self::FirTanh { gains, .. } => 1 + gains.len(),
            Self::Volterra { order, memory, .. } => products(*order, *memory),
            Self::Stereo { filters, .. } => filters.iter().map(Vec::len).sum(),
        }
    }

    /// How many dry samples, the present one included, one predicted sample depends on.
    pub fn receptive_field(&self) -> usize {
        self.tap_count() + self.expansion().reach()
    }

    /// How many fitted coefficients there are.
    pub fn parameters(&self) -> usize {
        self.tap_count() * self.signal_count()
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taps = self.tap_count();
        let config = match self {
            Self::Gain { .. } => BaselineConfig::Gain,
            Self::Stereo { .. } if taps == 1 => BaselineConfig::Gain,
            Self::Fir { ridge, .. } | Self::Stereo { ridge, .. } => BaselineConfig::Fir {
                taps,
                ridge: *ridge,
            },
            Self::FirTanh { gains, ridge, .. } => BaselineConfig::FirTanh {
                taps,
                gains: gains.clone(),
                ridge: *ridge,
            },
            Self::Volterra {
                order,
                memory,
                ridge,
                ..
            } => BaselineConfig::Volterra {
                order: *order,
                memory: *memory,
                taps,
                ridge: *ridge,
            },
        };
        config.fmt(f)
    }
}
