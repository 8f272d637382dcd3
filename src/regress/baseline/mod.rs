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
mod store;

pub use store::SavedBaseline;

use crate::progress::Observer;
use crate::regress::RegressError;
use expansion::Expansion;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The most coefficients one baseline may have: its Gram matrix takes 2 GiB.
pub const MAX_UNKNOWNS: usize = 16_384;

/// One time span to fit on.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Input of the effect.
    pub dry: &'a [f32],
    /// Its output, as long as `dry` (not read by prediction).
    pub wet: &'a [f32],
    /// Dry samples immediately before `dry`; what lies before those is silence.
    pub context: &'a [f32],
}

impl Segment<'_> {
    /// Dry samples `from..to` counted from the segment's start: negative positions lie in the
    /// context, and before that in silence.
    fn dry_range(&self, from: isize, to: isize) -> Vec<f64> {
        (from..to)
            .map(|t| {
                let sample = if t >= 0 {
                    self.dry.get(t as usize)
                } else {
                    let back = t.unsigned_abs();
                    self.context
                        .len()
                        .checked_sub(back)
                        .and_then(|i| self.context.get(i))
                };
                sample.map_or(0.0, |&x| f64::from(x))
            })
            .collect()
    }

    /// The expansion's signals at `from..to`.
    fn derived(&self, expansion: &Expansion, from: isize, to: isize) -> Vec<Vec<f64>> {
        expansion.apply(&self.dry_range(from - expansion.reach() as isize, to))
    }
}

/// Which baseline to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BaselineConfig {
    /// The best single gain.
    Gain,
    /// A causal linear filter.
    Fir {
        /// Coefficients, at least 1.
        taps: usize,
        /// Penalty relative to the dry signal's power; 0 is plain least squares.
        #[serde(default)]
        ridge: f64,
    },
    /// A linear filter beside filters on `tanh(gain·dry)`: a Hammerstein-like model that stays
    /// linear in its unknowns.
    FirTanh {
        /// Coefficients of each filter, at least 1.
        taps: usize,
        /// Drives in front of `tanh`. Empty: [`BaselineConfig::DEFAULT_BANKS`] drives are
        /// chosen on the fitting spans.
        #[serde(default)]
        gains: Vec<f64>,
        /// Penalty relative to each filtered signal's power; 0 is plain least squares.
        #[serde(default)]
        ridge: f64,
    },
    /// A polynomial Volterra series: filters on products of up to `order` delayed samples.
    Volterra {
        /// Largest number of factors, 1 to 5.
        order: usize,
        /// Delays between the factors of one product stay below this, at least 1.
        memory: usize,
        /// Coefficients of each filter, at least 1.
        taps: usize,
        /// Penalty relative to each filtered signal's power; 0 is plain least squares.
        #[serde(default)]
        ridge: f64,
    },
}

impl BaselineConfig {
    /// Number of tanh banks when their drives are left to the fit.
    pub const DEFAULT_BANKS: usize = 2;
    /// Penalty of Volterra models unless one is given: without it the cubic terms fit rounding
    /// noise and burst on louder material (diode clipper: ESR 74 without, 0.088 with).
    pub const VOLTERRA_RIDGE: f64 = 1e-6;

    /// The baselines shown beside every network.
    pub fn usual() -> Vec<Self> {
        vec![
            Self::Gain,
            Self::Fir {
                taps: 128,
                ridge: 0.0,
            },
            Self::Fir {
                taps: 1024,
                ridge: 0.0,
            },
            Self::FirTanh {
                taps: 128,
                gains: Vec::new(),
                ridge: 0.0,
            },
            Self::Volterra {
                order: 3,
                memory: 4,
                taps: 64,
                ridge: Self::VOLTERRA_RIDGE,
            },
        ]
    }

    /// Refuses settings that cannot be fitted.
    ///
    /// # Errors
    /// [`RegressError::Parameter`] names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<(), RegressError> {
        let refuse = |name, value: String, allowed: &str| {
            Err(RegressError::Parameter {
                name,
                value,
                allowed: allowed.to_string(),
            })
        };
        let (taps, ridge, signals) = match self {
            Self::Gain => return Ok(()),
            Self::Fir { taps, ridge } => (*taps, *ridge, 1),
            Self::FirTanh { taps, gains, ridge } => {
                if let Some(bad) = gains.iter().find(|g| !g.is_finite() || **g <= 0.0) {
                    return refuse("gains", bad.to_string(), "each must be a positive number");
                }
                let banks = if gains.is_empty() {
                    Self::DEFAULT_BANKS
                } else {
                    gains.len()
                };
                (*taps, *ridge, 1 + banks)
            }
            Self::Volterra {
                order,
                memory,
                taps,
                ridge,
            } => {
                if !(1..=5).contains(order) {
                    return refuse("order", order.to_string(), "must lie between 1 and 5");
                }
                if !(1..=MAX_UNKNOWNS).contains(memory) {
                    return refuse("memory", memory.to_string(), "must be at least 1");
                }
                (*taps, *ridge, products(*order, *memory))
            }
        };
        if taps == 0 {
            return refuse("taps", "0".to_string(), "must be at least 1");
        }
        if !(ridge.is_finite() && ridge >= 0.0) {
            return refuse("ridge", ridge.to_string(), "must be 0 or a positive number");
        }
        let unknowns = taps.saturating_mul(signals);
        if unknowns > MAX_UNKNOWNS {
            return refuse(
                "taps",
                taps.to_string(),
                &format!(
                    "{self} would have {unknowns} coefficients, at most {MAX_UNKNOWNS} are \
                     allowed; use fewer taps, banks or a smaller memory"
                ),
            );
        }
        Ok(())
    }
}

impl FromStr for BaselineConfig {
    type Err = RegressError;

    /// Reads the names that [`fmt::Display`] writes: `gain`, `fir-128`, `fir-36-tanh` (or
    /// `-tanh-2`; drives chosen by the fit), `volterra-3-4x64`.
    fn from_str(name: &str) -> Result<Self, RegressError> {
        let parts: Vec<&str> = name.split('-').collect();
        let number = |text: &str| text.parse::<usize>().ok();
        let (ridge, gains) = (0.0, Vec::new());
        let parsed = match parts.as_slice() {
            ["gain"] => Some(Self::Gain),
            ["fir", taps] => number(taps).map(|taps| Self::Fir { taps, ridge }),
            ["fir", taps, "tanh"] | ["fir", taps, "tanh", "2"] => {
                number(taps).map(|taps| Self::FirTanh { taps, gains, ridge })
            }
            ["volterra", order, size] => size.split_once('x').and_then(|(memory, taps)| {
                Some(Self::Volterra {
                    order: number(order)?,
                    memory: number(memory)?,
                    taps: number(taps)?,
                    ridge: Self::VOLTERRA_RIDGE,
                })
            }),
            _ => None,
        };
        let config = parsed.ok_or_else(|| RegressError::Parameter {
            name: "baseline",
            value: name.to_string(),
            allowed: "write gain, fir-128 (taps), fir-36-tanh (taps) or volterra-3-4x64 (order, \
                      memory, taps)"
                .to_string(),
        })?;
        config.check()?;
        Ok(config)
    }
}

/// How many products of 1 to `order` samples with delays below `memory` there are, saturating:
/// `Σ_k C(memory + k − 1, k)` for `k < order`.
fn products(order: usize, memory: usize) -> usize {
    let mut of_degree: usize = 1;
    let mut sum: usize = 1;
    for k in 1..order {
        of_degree = of_degree.saturating_mul(memory + k - 1) / k;
        sum = sum.saturating_add(of_degree);
    }
    sum
}

impl fmt::Display for BaselineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gain => write!(f, "gain"),
            Self::Fir { taps, .. } => write!(f, "fir-{taps}"),
            Self::FirTanh { taps, gains, .. } => {
                let banks = if gains.is_empty() {
                    Self::DEFAULT_BANKS
                } else {
                    gains.len()
                };
                write!(f, "fir-{taps}-tanh-{banks}")
            }
            Self::Volterra {
                order,
                memory,
                taps,
                ..
            } => write!(f, "volterra-{order}-{memory}x{taps}"),
        }
    }
}

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
            normal::fit(&name, expansion, taps, ridge, segments, observer)
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

    /// The effect's output for `dry`, as long as it; `context` are the dry samples immediately
    /// before (at most [`Baseline::receptive_field`] − 1 matter), silence before those.
    pub fn predict(&self, dry: &[f32], context: &[f32]) -> Vec<f32> {
        let segment = Segment {
            dry,
            wet: &[],
            context,
        };
        match self {
            Self::Gain { gain } => dry.iter().map(|&x| (gain * f64::from(x)) as f32).collect(),
            Self::Fir { taps, .. } => {
                filter::apply(&Expansion::Linear, std::slice::from_ref(taps), &segment)
            }
            Self::FirTanh { banks, .. } | Self::Volterra { banks, .. } => {
                filter::apply(&self.expansion(), banks, &segment)
            }
        }
    }

    fn expansion(&self) -> Expansion {
        match self {
            Self::Gain { .. } | Self::Fir { .. } => Expansion::Linear,
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
            Self::Fir { ridge, .. } => BaselineConfig::Fir {
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

fn check_segments(config: &BaselineConfig, segments: &[Segment<'_>]) -> Result<(), RegressError> {
    for (s, segment) in segments.iter().enumerate() {
        if segment.dry.len() != segment.wet.len() {
            return Err(RegressError::UnequalLengths {
                what: format!("{config}: samples of dry and wet in span {s}"),
                left: segment.dry.len(),
                right: segment.wet.len(),
            });
        }
        for (role, samples) in [
            ("dry", segment.dry),
            ("wet", segment.wet),
            ("dry context", segment.context),
        ] {
            if let Some(index) = samples.iter().position(|x| !x.is_finite()) {
                return Err(RegressError::NotFinite {
                    what: format!("{role} of span {s}"),
                    value: f64::from(samples[index]),
                    index,
                });
            }
        }
    }
    let silent = segments
        .iter()
        .all(|segment| segment.dry.iter().all(|&x| x == 0.0));
    if silent {
        return Err(RegressError::Silent {
            what: "the dry recording".to_string(),
        });
    }
    Ok(())
}
