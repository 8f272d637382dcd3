//! Which classical models to put beside a network: their settings, limits and names. Knows
//! nothing of fitting.

use super::error::{ConfigError, check_range};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The most coefficients one baseline may have: its Gram matrix takes 2 GiB.
pub const MAX_UNKNOWNS: usize = 16_384;

/// A setting that no baseline can be fitted with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} = {value}: {allowed}")]
pub struct BaselineError {
    /// The setting's name as the user writes it.
    pub name: &'static str,
    /// What was given.
    pub value: String,
    /// What would be accepted, and what to do.
    pub allowed: String,
}

/// The `[baselines]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Baselines {
    /// Taps of the filters in the rows that are shown when `models` is absent.
    pub fir_taps: usize,
    /// The rows, by name (`"gain"`, `"fir-4096"`, `"fir-36-tanh"`, `"volterra-3-4x64"`) or in
    /// full (`{ kind = "fir", taps = 4096, ridge = 1e-6 }`). Absent: [`Baselines::rows`].
    pub models: Option<Vec<BaselineConfig>>,
}

impl Default for Baselines {
    fn default() -> Self {
        Self {
            fir_taps: 128,
            models: None,
        }
    }
}

impl Baselines {
    /// Longest filters of the tanh row that nobody asked for: its equations then take 19 MB and
    /// about a second.
    const MOST_TANH_TAPS: usize = 512;

    /// What is fitted: `models`, or the best gain, a filter of `fir_taps`, and the same length
    /// (at most 512) with tanh banks.
    pub fn rows(&self) -> Vec<BaselineConfig> {
        if let Some(models) = &self.models {
            return models.clone();
        }
        let taps = self.fir_taps;
        vec![
            BaselineConfig::Gain,
            BaselineConfig::Fir { taps, ridge: 0.0 },
            BaselineConfig::FirTanh {
                taps: taps.min(Self::MOST_TANH_TAPS),
                gains: Vec::new(),
                ridge: 0.0,
            },
        ]
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_range("baselines.fir_taps", self.fir_taps, 1, MAX_UNKNOWNS)?;
        for (index, model) in self.models.iter().flatten().enumerate() {
            let refused = |e: BaselineError| {
                let key = format!("baselines.models.{index}.{}", e.name);
                ConfigError::value(key, e.value, e.allowed)
            };
            model.check().map_err(refused)?;
        }
        Ok(())
    }
}

/// Which baseline to fit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BaselineConfig {
    /// The best single gain.
    Gain,
    /// A causal linear filter.
    Fir {
        /// Coefficients, at least 1.
        taps: usize,
        /// Penalty relative to the dry signal's power; 0 is plain least squares.
        ridge: f64,
    },
    /// A linear filter beside filters on `tanh(gain·dry)`: a Hammerstein-like model that stays
    /// linear in its unknowns.
    FirTanh {
        /// Coefficients of each filter, at least 1.
        taps: usize,
        /// Drives in front of `tanh`. Empty: [`BaselineConfig::DEFAULT_BANKS`] drives are
        /// chosen on the fitting spans.
        gains: Vec<f64>,
        /// Penalty relative to each filtered signal's power; 0 is plain least squares.
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

    /// How many dry samples before the present one a predicted sample depends on.
    pub fn context(&self) -> usize {
        match self {
            Self::Gain => 0,
            Self::Fir { taps, .. } | Self::FirTanh { taps, .. } => taps.saturating_sub(1),
            Self::Volterra {
                order,
                memory,
                taps,
                ..
            } => {
                let reach = if *order > 1 { memory - 1 } else { 0 };
                taps.saturating_sub(1) + reach
            }
        }
    }

    /// Refuses settings that cannot be fitted.
    ///
    /// # Errors
    /// [`BaselineError`] names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<(), BaselineError> {
        let refuse = |name, value: String, allowed: &str| {
            Err(BaselineError {
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
    type Err = BaselineError;

    /// Reads the names that [`fmt::Display`] writes: `gain`, `fir-128`, `fir-36-tanh` (or
    /// `-tanh-2`; drives chosen by the fit), `volterra-3-4x64`.
    fn from_str(name: &str) -> Result<Self, BaselineError> {
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
        let config = parsed.ok_or_else(|| BaselineError {
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

/// The table form of [`BaselineConfig`], field by field.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Table {
    Gain {},
    Fir {
        taps: usize,
        #[serde(default)]
        ridge: f64,
    },
    FirTanh {
        taps: usize,
        #[serde(default)]
        gains: Vec<f64>,
        #[serde(default)]
        ridge: f64,
    },
    Volterra {
        order: usize,
        memory: usize,
        taps: usize,
        #[serde(default = "volterra_ridge")]
        ridge: f64,
    },
}

fn volterra_ridge() -> f64 {
    BaselineConfig::VOLTERRA_RIDGE
}

impl From<Table> for BaselineConfig {
    fn from(table: Table) -> Self {
        match table {
            Table::Gain {} => Self::Gain,
            Table::Fir { taps, ridge } => Self::Fir { taps, ridge },
            Table::FirTanh { taps, gains, ridge } => Self::FirTanh { taps, gains, ridge },
            Table::Volterra {
                order,
                memory,
                taps,
                ridge,
            } => Self::Volterra {
                order,
                memory,
                taps,
                ridge,
            },
        }
    }
}

/// A name or a table; each keeps its own error message, which an untagged enum would not.
impl<'de> Deserialize<'de> for BaselineConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;
        impl<'de> Visitor<'de> for NameOrTable {
            type Value = BaselineConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "a baseline's name such as \"fir-128\", or a table with kind"
                )
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<BaselineConfig, E> {
                name.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BaselineConfig, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
            }
        }
        deserializer.deserialize_any(NameOrTable)
    }
}

/// How many products of 1 to `order` samples with delays below `memory` there are, saturating:
/// `Σ_k C(memory + k − 1, k)` for `k < order`.
pub(crate) fn products(order: usize, memory: usize) -> usize {
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
