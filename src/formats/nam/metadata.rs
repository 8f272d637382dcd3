//! What a `.nam` file says about itself: who and what was captured, how loud it is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
}

/// A date and time, local.
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

/// The two figures players read to match levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    /// 20 · log10 of the output's RMS for the field's loudness signal, in dB.
    pub loudness: f64,
    /// How much it compresses that signal: 0 not at all, 1 entirely.
    pub gain: f64,
}

/// The gear types players know.
pub(crate) const GEAR_TYPES: [&str; 7] = [
    "amp",
    "pedal",
    "pedal_amp",
    "amp_cab",
    "amp_pedal_cab",
    "preamp",
    "studio",
];
/// The tone types players know.
pub(crate) const TONE_TYPES: [&str; 5] = ["clean", "overdrive", "crunch", "hi_gain", "fuzz"];

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
    pub(super) fn to_map(&self) -> Map<String, Value> {
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
        let esr = self
            .validation_esr
            .map(|esr| serde_json::json!({ "validation_esr": esr }));
        put("training", esr);
        map
    }
}
