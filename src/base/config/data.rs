//! Which recordings or generated signals a run uses, and how they are cut.

use super::error::{ConfigError, check_range};
use crate::audio::AudioChannels;
use crate::effects::{Effect, signals::Signal};
use crate::network::KnobRange;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The `[data]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Folder that relative file names start from; itself relative to the config file.
    pub root: Option<PathBuf>,
    /// Rate to train at in hertz. Absent: the first file's, or 44100 for generated data.
    /// Files of another rate are refused, for resampling both sides would hide a mistake.
    pub sample_rate: Option<u32>,
    /// Delay of the wet side; `"auto"` measures it on the training pairs together,
    /// `"fractional"` to a fraction of a sample.
    pub latency: Latency,
    /// Whether an inverted wet side is turned over before training.
    pub polarity: Polarity,
    /// How the channels of stereo recordings are learned.
    #[serde(skip_serializing_if = "Stereo::is_usual")]
    pub stereo: Stereo,
    /// Channels that a stereo effect hears, 1 or 2. Absent: as many as the dry recordings have; a
    /// mono one serves both sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_channels: Option<usize>,
    /// The numbers of each knob at which a network hears 0 and 1, by name: `{ ratio = [2, 8] }`. Absent: the
    /// pairs' numbers are heard as they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub knob_ranges: BTreeMap<String, KnobRange>,
    /// The effect behind every generated pair that names none.
    pub effect: Option<Effect>,
    /// What to learn from.
    pub train: Vec<PairConfig>,
    /// What chooses the best epoch. Empty: the last tenth of every training pair.
    pub valid: Vec<PairConfig>,
    /// What the final figures are taken on. Empty: the last tenth of every training pair,
    /// before which validation ends.
    pub test: Vec<PairConfig>,
}

/// One dry/wet pair: two files, or a signal and an effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairConfig {
    /// Recording without the effect.
    pub dry: Option<PathBuf>,
    /// The same passage through the effect.
    pub wet: Option<PathBuf>,
    /// Generated dry side.
    pub signal: Option<Signal>,
    /// Effect on the generated dry side; absent: `data.effect`.
    pub effect: Option<Effect>,
    /// Length of the generated signal.
    pub seconds: Option<f64>,
    /// Where the used span begins; absent: at the beginning.
    pub from: Option<Position>,
    /// Where the used span ends; absent: at the end.
    pub to: Option<Position>,
    /// Use this channel of the files alone, counted from 1; absent: all, as mono tracks.
    pub channel: Option<usize>,
    /// This pair's own delay, instead of `data.latency`.
    pub latency: Option<Latency>,
    /// Where the effect's knobs stood, by name: `{ gain = 0.25 }`. From 0 to 1, or with a range
    /// in `data.knob_ranges`; every pair of a run names the same knobs.
    pub controls: BTreeMap<String, f32>,
}

/// A knob of a run's effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// The lowest value that a network hears in the training pairs.
    pub min: f32,
    /// The highest.
    pub max: f32,
    /// The numbers at which it hears 0 and 1, where they are others.
    pub range: Option<KnobRange>,
}

/// Delay of the wet side behind the dry side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// Measured on the onset of the response.
    #[default]
    Auto,
    /// Measured to a fraction of a sample, where the response is a plain delay; the wet side is
    /// resampled by that fraction. Whole samples elsewhere.
    Fractional,
    /// Known, in samples; positive: wet lags.
    Samples(i64),
}

/// How the channels of stereo recordings are learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stereo {
    /// Each by itself, as a recording of one and the same effect of one channel: an amplifier, an
    /// equaliser, anything that treats both alike.
    #[default]
    Channels,
    /// Both wet channels together, from one dry channel or two: an effect that differs between the sides
    /// or acts across them, such as a ping-pong echo, a stereo chorus, a change of width, a room.
    Joint,
}

impl Stereo {
    fn is_usual(&self) -> bool {
        *self == Self::Channels
    }
}

/// What to do with a wet side of opposite sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Leave it: the network learns the inversion as part of the effect.
    #[default]
    Keep,
    /// Turn the wet side over.
    Correct,
}

/// A place in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Position {
    /// Seconds from the beginning (`from = 12.5`).
    Seconds(f64),
    /// Share of the length (`to = "80%"`), 0 to 100.
    Percent(f64),
}

impl Position {
    /// The sample this place falls on in a recording of `len` samples, at most `len`.
    pub fn sample(self, len: usize, rate_hz: u32) -> usize {
        let at = match self {
            Self::Seconds(seconds) => seconds * f64::from(rate_hz),
            Self::Percent(percent) => percent / 100.0 * len as f64,
        };
        (at.round() as usize).min(len)
    }
}

/// The `[windows]` table: training excerpts of the spans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowConfig {
    /// Output samples of one window; the network's context comes on top.
    pub window_len: usize,
    /// Samples between the starts of neighbouring windows; less than `window_len` overlaps.
    pub hop: usize,
    /// Windows of an epoch, drawn anew for each; absent: all. For epochs of a long recording that
    /// end within seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_epoch: Option<usize>,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            window_len: 8192,
            hop: 8192,
            per_epoch: None,
        }
    }
}

impl WindowConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_range("windows.window_len", self.window_len, 1, 1 << 24)?;
        check_range("windows.per_epoch", self.per_epoch.unwrap_or(1), 1, 1 << 40)?;
        check_range("windows.hop", self.hop, 1, 1 << 24)
    }
}

impl DataConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.train.is_empty() {
            return Err(ConfigError::value(
                "data.train",
                "no pair",
                "at least one [[data.train]] table with dry and wet, or with a signal",
            ));
        }
        if self
            .sample_rate
            .is_some_and(|hz| !(1000..=768_000).contains(&hz))
        {
            let hz = self.sample_rate.unwrap_or_default();
            return Err(ConfigError::value("data.sample_rate", hz, "1000 to 768000"));
        }
        self.check_stereo()?;
        self.check_ranges()?;
        for (part, pairs) in [
            ("train", &self.train),
            ("valid", &self.valid),
            ("test", &self.test),
        ] {
            for (index, pair) in pairs.iter().enumerate() {
                let key = format!("data.{part}.{index}");
                pair.check(&key, self.effect.is_some())?;
                self.check_controls(&key, pair)?;
            }
        }
        Ok(())
    }

    /// Channels of sound that a network for these recordings hears and makes at once: of a stereo effect
    /// [`DataConfig::dry_channels`], which training names, and two.
    pub fn audio_channels(&self) -> AudioChannels {
        match self.stereo {
            Stereo::Channels => AudioChannels::MONO,
            Stereo::Joint => AudioChannels::stereo(self.dry_channels.unwrap_or(1)),
        }
    }

    /// Names the channels that a stereo effect hears, where the config leaves them to the recordings.
    pub fn hear(&mut self, dry_channels: usize) {
        if self.stereo == Stereo::Joint {
            self.dry_channels.get_or_insert(dry_channels);
        }
    }

    fn check_stereo(&self) -> Result<(), ConfigError> {
        let pairs = || self.train.iter().chain(&self.valid).chain(&self.test);
        match (self.stereo, self.dry_channels) {
            (Stereo::Channels, Some(n)) => {
                let allowed = "nothing unless data.stereo = \"joint\"";
                return Err(ConfigError::value("data.dry_channels", n, allowed));
            }
            (Stereo::Joint, Some(n)) => check_range("data.dry_channels", n, 1, 2)?,
            (_, None) => {}
        }
        if self.stereo == Stereo::Joint && pairs().any(|pair| pair.channel.is_some()) {
            let allowed = "\"channels\" where a pair names one channel";
            return Err(ConfigError::value("data.stereo", "\"joint\"", allowed));
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        for (name, range) in &self.knob_ranges {
            let key = format!("data.knob_ranges.{name}");
            if !range.is_valid() {
                let value = format!("{:?}", range.ends());
                return Err(ConfigError::value(
                    key,
                    value,
                    "two finite numbers that differ",
                ));
            }
            if !self
                .train
                .iter()
                .any(|pair| pair.controls.contains_key(name))
            {
                let allowed = "a knob that the pairs' controls name";
                return Err(ConfigError::value(key, "a knob of no pair", allowed));
            }
        }
        Ok(())
    }

    fn check_controls(&self, key: &str, pair: &PairConfig) -> Result<(), ConfigError> {
        for (name, value) in &pair.controls {
            if !value.is_finite() {
                let key = format!("{key}.controls.{name}");
                return Err(ConfigError::value(key, value, "a finite number"));
            }
        }
        let names = |pair: &PairConfig| pair.controls.keys().cloned().collect::<Vec<_>>();
        let expected = self.train.first().map(names).unwrap_or_default();
        if names(pair) != expected {
            let listed = |names: &[String]| match names {
                [] => "none".to_string(),
                names => names.join(", "),
            };
            return Err(ConfigError::value(
                format!("{key}.controls"),
                listed(&names(pair)),
                format!("the same as in data.train.0: {}", listed(&expected)),
            ));
        }
        Ok(())
    }

    /// What a network hears of a pair's knobs, in the order in which it takes them.
    pub fn heard(&self, controls: &BTreeMap<String, f32>) -> Vec<f32> {
        let heard = |(name, &number): (&String, &f32)| match self.knob_ranges.get(name) {
            Some(range) => range.heard(number),
            None => number,
        };
        controls.iter().map(heard).collect()
    }

    /// The knobs that pairs name, in the order in which networks take them.
    pub fn knobs(&self) -> Vec<Knob> {
        let Some(first) = self.train.first() else {
            return Vec::new();
        };
        let knob = |name: &String| {
            let range = self.knob_ranges.get(name).copied();
            let values = self.train.iter().filter_map(|pair| pair.controls.get(name));
            let values = values.map(|&number| range.map_or(number, |range| range.heard(number)));
            let (min, max) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), v| {
                (min.min(v), max.max(v))
            });
            Knob {
                name: name.clone(),
                min,
                max,
                range,
            }
        };
        first.controls.keys().map(knob).collect()
    }

    /// Makes every path absolute: `root` starts at `base` (the config file's folder), files
    /// start at `root`. Afterwards `root` is gone, so the saved config is complete in itself.
    pub(super) fn resolve_paths(&mut self, base: &Path) {
        let root = match self.root.take() {
            Some(root) => base.join(root),
            None => base.to_path_buf(),
        };
        for pair in self
            .train
            .iter_mut()
            .chain(&mut self.valid)
            .chain(&mut self.test)
        {
            for file in [&mut pair.dry, &mut pair.wet].into_iter().flatten() {
                *file = root.join(&file);
            }
        }
    }
}

impl PairConfig {
    fn check(&self, key: &str, has_default_effect: bool) -> Result<(), ConfigError> {
        let files = (self.dry.is_some(), self.wet.is_some());
        let wrong = |value: &str, allowed: &str| Err(ConfigError::value(key, value, allowed));
        match (files, &self.signal) {
            ((true, true), None) => {
                if self.effect.is_some() || self.seconds.is_some() {
                    return wrong(
                        "files with effect or seconds",
                        "dry and wet alone; effect and seconds belong to a generated signal",
                    );
                }
            }
            ((false, false), Some(_)) => {
                if self.effect.is_none() && !has_default_effect {
                    return wrong("a signal without effect", "effect here or in [data]");
                }
                let seconds = self.seconds.unwrap_or_default();
                if !(seconds > 0.0 && seconds <= 36_000.0) {
                    return wrong(
                        &format!("seconds = {seconds}"),
                        "more than 0, at most 36000",
                    );
                }
            }
            _ => return wrong("an incomplete pair", "both dry and wet, or a signal"),
        }
        for (side, file) in [("dry", &self.dry), ("wet", &self.wet)] {
            let text = file.as_ref().map(|file| file.to_string_lossy());
            if text.is_some_and(|text| text.contains(char::is_control)) {
                return Err(ConfigError::value(
                    format!("{key}.{side}"),
                    "a path with a control character",
                    "a path in single quotes or with forward slashes: in double quotes \\t and \\n \
                     are a tab and a line break",
                ));
            }
        }
        if self.channel == Some(0) {
            return Err(ConfigError::value(
                format!("{key}.channel"),
                0,
                "1 for the first, 2 for the second, …",
            ));
        }
        for (name, position) in [("from", self.from), ("to", self.to)] {
            let fine = match position {
                None => true,
                Some(Position::Seconds(s)) => s >= 0.0 && s.is_finite(),
                Some(Position::Percent(p)) => (0.0..=100.0).contains(&p),
            };
            if !fine {
                return Err(ConfigError::value(
                    format!("{key}.{name}"),
                    format!("{position:?}"),
                    "seconds from 0, or \"0%\" to \"100%\"",
                ));
            }
        }
        Ok(())
    }

    /// How messages name this pair: by its wet file, for one dry file may have many.
    pub fn label(&self) -> String {
        match (self.wet.as_ref().or(self.dry.as_ref()), &self.signal) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(signal)) => format!("generated {}", kind(signal)),
            (None, None) => "empty pair".to_string(),
        }
    }
}

fn kind(signal: &Signal) -> &'static str {
    match signal {
        Signal::MovingWave(_) => "moving wave",
        Signal::Noise(_) => "noise",
        Signal::PluckedString(_) => "plucked string",
        Signal::SineSweep(_) => "sine sweep",
        Signal::Impulse(_) => "impulse",
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fractional => serializer.serialize_str("fractional"),
            Self::Samples(n) => serializer.serialize_i64(*n),
        }
    }
}

/// A string or a number, as TOML has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const ALLOWED: &str =
            "latency must be \"auto\", \"fractional\" or a whole number of samples";
        match Scalar::deserialize(deserializer) {
            Ok(Scalar::Integer(n)) => Ok(Self::Samples(n)),
            Ok(Scalar::Text(text)) if text == "auto" => Ok(Self::Auto),
            Ok(Scalar::Text(text)) if text == "fractional" => Ok(Self::Fractional),
            _ => Err(de::Error::custom(ALLOWED)),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Seconds(s) => serializer.serialize_f64(*s),
            Self::Percent(p) => serializer.serialize_str(&format!("{p}%")),
        }
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const ALLOWED: &str = "a position is a number of seconds or a share such as \"80%\"";
        match Scalar::deserialize(deserializer) {
            Ok(Scalar::Integer(n)) => Ok(Self::Seconds(n as f64)),
            Ok(Scalar::Float(s)) => Ok(Self::Seconds(s)),
            Ok(Scalar::Text(text)) => text
                .strip_suffix('%')
                .and_then(|digits| digits.trim().parse().ok())
                .map(Self::Percent)
                .ok_or_else(|| de::Error::custom(ALLOWED)),
            Err(_) => Err(de::Error::custom(ALLOWED)),
        }
    }
}
