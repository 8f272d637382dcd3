//! What a `.nam` file says about itself: who and what was captured, how loud it is.

use crate::config::{GEAR_TYPES, MetadataConfig, TONE_TYPES};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What users may say about a capture. Empty fields are left out of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metadata {
    /// When it was made.
    pub date: Option<Date>,
    /// How loud it is and how much it compresses: computed, never configured.
    #[serde(skip)]
    pub loudness: Option<Loudness>,
    /// What people call it.
    pub name: Option<String>,
    /// Who captured it.
    pub modeled_by: Option<String>,
    /// One of amp, pedal, pedal_amp, amp_cab, amp_pedal_cab, preamp, studio.
    pub gear_type: Option<String>,
    /// Maker of the gear.
    pub gear_make: Option<String>,
    /// Model of the gear.
    pub gear_model: Option<String>,
    /// One of clean, overdrive, crunch, hi_gain, fuzz.
    pub tone_type: Option<String>,
    /// The analogue level in dBu that full scale of the input stands for.
    pub input_level_dbu: Option<f64>,
    /// The analogue level in dBu that full scale of the output stands for.
    pub output_level_dbu: Option<f64>,
    /// Error-to-signal ratio on the validation span.
    pub validation_esr: Option<f64>,
    /// The delay of the wet recording that training removed.
    pub latency: Option<Latency>,
    /// Of every size of a slimmable network, smallest first: computed, never configured.
    #[serde(skip)]
    pub sizes: Vec<Loudness>,
}

/// A delay of the wet side behind the dry side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Positive: wet lags.
    pub samples: i64,
    /// Measured on the recordings, not given by the user.
    pub measured: bool,
}

impl From<MetadataConfig> for Metadata {
    fn from(config: MetadataConfig) -> Self {
        Self {
            name: config.name,
            modeled_by: config.modeled_by,
            gear_type: config.gear_type,
            gear_make: config.gear_make,
            gear_model: config.gear_model,
            tone_type: config.tone_type,
            input_level_dbu: config.input_level_dbu,
            output_level_dbu: config.output_level_dbu,
            ..Self::default()
        }
    }
}

/// A date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Date {
    pub year: i32,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
}

impl Date {
    /// In universal time, from seconds since 1970-01-01 (after Howard Hinnant, "chrono-compatible
    /// low-level date algorithms": years begin in March, so that leap days come last).
    pub fn utc(unix_seconds: u64) -> Self {
        let (days, rest) = (unix_seconds / 86_400, (unix_seconds % 86_400) as u32);
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let leap = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
        let year_of_era = (day_of_era - leap) / 365;
        let whole_years = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
        let day_of_year = day_of_era - whole_years;
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: (era * 400 + year_of_era + u64::from(month <= 2)) as i32,
            month: month as u32,
            day: (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

/// The two figures players read to match levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    /// 20 · log10 of the output's RMS for the field's loudness signal, in dB.
    pub loudness: f64,
    /// How much it compresses that signal: 0 not at all, 1 entirely.
    pub gain: f64,
}

/// RMS of what `play` makes of `signal` at input gain `input_gain`.
fn rms<E>(
    signal: &[f32],
    input_gain: f32,
    play: &impl Fn(&[f32]) -> Result<Vec<f32>, E>,
) -> Result<f64, E> {
    let scaled: Vec<f32> = signal.iter().map(|x| x * input_gain).collect();
    let output = play(&scaled)?;
    let squares: f64 = output.iter().map(|y| f64::from(*y).powi(2)).sum();
    Ok((squares / output.len().max(1) as f64).sqrt())
}

/// `metadata.loudness`: the level in dB of what `play` makes of the field's loudness signal.
///
/// `play` starts from silence (prewarmed) on every call.
///
/// # Errors
/// `play`'s.
pub fn loudness<E>(signal: &[f32], play: impl Fn(&[f32]) -> Result<Vec<f32>, E>) -> Result<f64, E> {
    Ok(20.0 * rms(signal, 1.0, &play)?.log10())
}

/// `metadata.gain`: with L(g) the linear RMS of the output at input gain g, the sum of L over
/// g = 0, 0.1 … 1 stands between half of 11·L(1) (it grows in proportion) and 11·L(1) (it is as
/// loud from the start); where it stands between them, limited to 0..1.
///
/// # Errors
/// `play`'s.
pub fn gain<E>(signal: &[f32], play: impl Fn(&[f32]) -> Result<Vec<f32>, E>) -> Result<f64, E> {
    let mut levels = [0.0; 11];
    for (i, level) in levels.iter_mut().enumerate() {
        *level = rms(signal, i as f32 / 10.0, &play)?;
    }
    let most = 11.0 * levels[10];
    let least = most / 2.0;
    let sum: f64 = levels.iter().sum();
    if most <= 0.0 {
        return Ok(0.0);
    }
    Ok(((sum - least) / (most - least)).clamp(0.0, 1.0))
}

impl Metadata {
    /// The value of a field that has a fixed vocabulary, where it is outside of it.
    pub fn unknown_word(&self) -> Option<String> {
        let wrong = |name: &str, word: &Option<String>, known: &[&str]| {
            let word = word.as_deref().filter(|w| !known.contains(w))?;
            Some(format!(
                "{name} = \"{word}\"; known are {}",
                known.join(", ")
            ))
        };
        wrong("gear_type", &self.gear_type, &GEAR_TYPES)
            .or_else(|| wrong("tone_type", &self.tone_type, &TONE_TYPES))
    }

    /// As it stands in the file.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(key.to_string(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::from);
        put("date", self.date.and_then(|d| serde_json::to_value(d).ok()));
        put("loudness", self.loudness.map(|l| l.loudness.into()));
        put("gain", self.loudness.map(|l| l.gain.into()));
        put("name", text(&self.name));
        put("modeled_by", text(&self.modeled_by));
        put("gear_type", text(&self.gear_type));
        put("gear_make", text(&self.gear_make));
        put("gear_model", text(&self.gear_model));
        put("tone_type", text(&self.tone_type));
        put("input_level_dbu", self.input_level_dbu.map(Value::from));
        put("output_level_dbu", self.output_level_dbu.map(Value::from));
        put("training", self.training());
        map
    }

    /// Where the field's trainer puts what it found: the figures that are known here, and no
    /// others.
    fn training(&self) -> Option<Value> {
        let latency = self.latency.map(|latency| {
            let Latency { samples, measured } = latency;
            match measured {
                true => json!({
                    "manual": null,
                    "calibration": { "delays": [samples], "recommended": samples },
                }),
                false => json!({ "manual": samples, "calibration": null }),
            }
        });
        let mut training = Map::new();
        if let Some(latency) = latency {
            training.insert("data".into(), json!({ "latency": latency }));
        }
        if let Some(esr) = self.validation_esr {
            training.insert("validation_esr".into(), esr.into());
        }
        (!training.is_empty()).then(|| training.into())
    }

    /// The metadata of each size of a container.
    pub(super) fn of_size(&self, index: usize) -> Option<Value> {
        let loudness = *self.sizes.get(index)?;
        let own = Self {
            date: self.date,
            loudness: Some(loudness),
            ..Self::default()
        };
        Some(own.to_map().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        // `date -u -d @N`
        for (seconds, wanted) in [
            (0, (1970, 1, 1, 0, 0, 0)),
            (951_827_696, (2000, 2, 29, 12, 34, 56)),
            (1_709_251_199, (2024, 2, 29, 23, 59, 59)),
            (4_107_542_400, (2100, 3, 1, 0, 0, 0)),
        ] {
            let d = Date::utc(seconds);
            let found = (d.year, d.month, d.day, d.hour, d.minute, d.second);
            assert_eq!(found, wanted);
        }
    }
}
