//! What a `.nam` file says about itself: who and what was captured, how loud it is.

use crate::calendar::Date;
use crate::config::MetadataConfig;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What a file says beside the network. What is absent is left out of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// What users say about the capture.
    pub capture: MetadataConfig,
    /// When it was made.
    pub date: Option<Date>,
    /// How loud it is and how much it compresses.
    pub loudness: Option<Loudness>,
    /// Error-to-signal ratio on the validation span.
    pub validation_esr: Option<f64>,
    /// The delay of the wet recording that training removed.
    pub latency: Option<Latency>,
    /// How the network behaves when it is left alone, as `inspect --probe` tells it.
    pub probe: Option<Value>,
    /// Of every size of a slimmable network, smallest first.
    pub sizes: Vec<Loudness>,
}

/// A delay of the wet side behind the dry side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Positive: wet lags.
    pub samples: i64,
    /// Measured on the recordings, not given by the user.
    pub measured: bool,
}

/// The two figures players read to match levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
    /// As it stands in the file.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut map = match json!(self.capture) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        map.retain(|_, value| !value.is_null());
        let mut put = |key: &str, value: Option<Value>| {
            map.extend(value.map(|value| (key.to_string(), value)));
        };
        put("date", self.date.map(|date| json!(date)));
        put("loudness", self.loudness.map(|l| l.loudness.into()));
        put("gain", self.loudness.map(|l| l.gain.into()));
        put("training", self.training());
        put("probe", self.probe.clone());
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
