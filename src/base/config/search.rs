//! How long a search for the network may take, and for which player. Knows no network.

use super::error::ConfigError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The `[search]` table: several networks are raced, the best is trained to the end. The one that
/// `[model]` names is among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// What the whole may take: `"5m"`, `"90s"`, `"2h"`, or `"20000 steps"` of the optimiser, which is
    /// the same on every machine; `"none"` trains `[model]` without a search.
    pub budget: Budget,
    /// What will play the model; networks that it cannot play do not run.
    #[serde(default, rename = "for")]
    pub player: Player,
    /// Only networks of this name (as the table of an earlier search gives it) take part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// What the effect is, and so which networks are worth a try.
    #[serde(default)]
    pub effect: Family,
}

/// Effects that the same networks learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Anything that bends sound: amplifier, overdrive, fuzz.
    #[default]
    Distortion,
    /// A gain that follows the playing: compressor, limiter, gate.
    Compressor,
    /// A filter: equaliser, tone control, loudspeaker.
    Filter,
    /// Repeats or a long tail: echo, room.
    Echo,
    /// What moves by a clock of its own: chorus, flanger, vibrato, phaser, tremolo.
    Modulation,
}

/// What a search may take altogether.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// No search: `[model]` is trained.
    None,
    /// Wall time in seconds.
    Seconds(f64),
    /// Optimiser steps.
    Steps(u64),
}

/// Who will play a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Player {
    /// effigy itself, and whatever its exports reach.
    #[default]
    Any,
    /// Players of `.nam` files.
    Nam,
    /// AIDA-X.
    Aidax,
}

/// What a budget may look like.
const ALLOWED: &str =
    "a time such as \"5m\", \"90s\" or \"2h\" (1 s to 1000 h), \"20000 steps\", or \"none\"";

impl SearchConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let fine = match self.budget {
            Budget::Seconds(seconds) => (1.0..=3.6e6).contains(&seconds),
            Budget::Steps(steps) => (1..=1 << 40).contains(&steps),
            Budget::None => true,
        };
        match fine {
            true => Ok(()),
            false => Err(ConfigError::value("search.budget", self.budget, ALLOWED)),
        }
    }
}

impl FromStr for Player {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "nam" => Ok(Self::Nam),
            "aidax" => Ok(Self::Aidax),
            _ => Err("allowed: any, nam or aidax"),
        }
    }
}

impl fmt::Display for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Nam => "nam",
            Self::Aidax => "aidax",
        })
    }
}

impl FromStr for Budget {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self::None);
        }
        let unit = text.find(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let (number, unit) = text.split_at(unit.ok_or(ALLOWED)?);
        let number: f64 = number.parse().map_err(|_| ALLOWED)?;
        if !number.is_finite() || number < 0.0 {
            return Err(ALLOWED);
        }
        match unit.trim() {
            "s" => Ok(Self::Seconds(number)),
            "m" | "min" => Ok(Self::Seconds(60.0 * number)),
            "h" => Ok(Self::Seconds(3600.0 * number)),
            "step" | "steps" if number.fract() == 0.0 => Ok(Self::Steps(number as u64)),
            _ => Err(ALLOWED),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => f.write_str("none"),
            Self::Steps(steps) => write!(f, "{steps} steps"),
            Self::Seconds(s) if s >= 3600.0 && s % 3600.0 == 0.0 => write!(f, "{}h", s / 3600.0),
            Self::Seconds(s) if s >= 60.0 && s % 60.0 == 0.0 => write!(f, "{}m", s / 60.0),
            Self::Seconds(s) => write!(f, "{s}s"),
        }
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |allowed| de::Error::custom(format!("budget {text:?}; allowed: {allowed}"));
        text.parse().map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_times_or_steps_and_survive_the_round_trip() {
        for (text, budget) in [
            ("5m", Budget::Seconds(300.0)),
            ("90s", Budget::Seconds(90.0)),
            ("1.5h", Budget::Seconds(5400.0)),
            ("20000 steps", Budget::Steps(20_000)),
            ("none", Budget::None),
        ] {
            assert_eq!(text.parse::<Budget>(), Ok(budget));
            assert_eq!(budget.to_string().parse::<Budget>(), Ok(budget));
        }
        for wrong in [
            "",
            "5",
            "m",
            "-5m",
            "5 apples",
            "nans",
            "1.5 steps",
            "1e999s",
        ] {
            assert!(wrong.parse::<Budget>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_search_is_a_table_of_the_config() {
        let read = |text: &str| toml::from_str::<SearchConfig>(text);
        let search = read("budget = \"5m\"\nfor = \"nam\"\neffect = \"compressor\"").unwrap();
        assert_eq!(search.player, Player::Nam);
        assert_eq!(search.effect, Family::Compressor);
        assert_eq!(read(&toml::to_string(&search).unwrap()).unwrap(), search);
        assert!(read("budget = \"0s\"").unwrap().check().is_err());
        assert!(read("budget = \"5m\"\ntarget = 3").is_err());
    }
}
