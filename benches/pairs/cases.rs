//! Pairs of recordings whose truth is known: sixty (or as many as asked for) that belong together
//! and as many that do not, from generated material and generated effects.
//!
//! Deterministic: a case is its number. Knows nothing of how a pair is judged.

use super::material::{MATERIALS, hiss, material};
use effigy_base::audio::SampleRate;
use effigy_base::effects::Effect;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

/// What is known of a pair that belongs together.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// By how many samples wet lags where it begins.
    pub latency: i64,
    /// Whether the waveform is turned upside down.
    pub inverted: bool,
    /// Parts per million by which wet lags more and more.
    pub drift_ppm: f64,
}

/// A pair with its truth; `None` for two sounds that do not belong together.
pub struct Case {
    pub name: String,
    pub rate: SampleRate,
    pub dry: Vec<f32>,
    pub wet: Vec<f32>,
    pub truth: Option<Truth>,
}

impl Case {
    /// The least and the largest lag of what both hold.
    pub fn lags(&self) -> Option<(i64, i64)> {
        let truth = self.truth?;
        let lag = |sample: f64| truth.latency as f64 + 1e-6 * truth.drift_ppm * sample;
        // What wet begins with is before dry where wet lags.
        let (first, last) = (lag(truth.latency.max(0) as f64), lag(self.wet.len() as f64));
        Some((
            first.min(last).floor() as i64,
            first.max(last).ceil() as i64,
        ))
    }
}

/// Source before and after the part that is recorded, so that wet can begin in running sound.
const MARGIN: usize = 160_000;

fn toml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).unwrap()
}

/// The effects, clean to fuzz; all answer on the sample that excites them.
pub const EFFECTS: [(&str, &str); 14] = [
    ("gain", "kind = \"gain\"\ngain_db = -3.0"),
    ("low-pass 1.2k", "kind = \"low-pass\"\ncutoff_hz = 1200.0"),
    ("low-pass 6k", "kind = \"low-pass\"\ncutoff_hz = 6000.0"),
    (
        "overdrive soft",
        "kind = \"overdrive\"\ngain = 0.3\ntone = 0.9",
    ),
    ("overdrive", "kind = \"overdrive\"\ngain = 0.6"),
    (
        "overdrive hard",
        "kind = \"overdrive\"\ngain = 0.9\ntone = 0.2",
    ),
    ("fuzz", "kind = \"fuzz\"\ngain = 0.2"),
    ("fuzz hard", "kind = \"fuzz\"\ngain = 0.6\nbias = 0.1"),
    (
        "compressor",
        "kind = \"compressor\"\nthreshold_db = -30.0\nratio = 6.0\nattack_ms = 10.0\nrelease_ms = 200.0",
    ),
    ("telephone", "kind = \"telephone\"\ndrive_db = 20.0"),
    ("echo", "kind = \"echo\"\ndelay_ms = 170.0\nfeedback = 0.4"),
    (
        "reverb",
        "kind = \"reverb\"\ndecay_seconds = 0.3\nmix = 0.4",
    ),
    (
        "fuzz, low-pass",
        "kind = \"chain\"\neffects = [{kind = \"fuzz\", gain = 0.5}, {kind = \"low-pass\", cutoff_hz = 4000.0}]",
    ),
    (
        "compressor, overdrive",
        "kind = \"chain\"\neffects = [{kind = \"compressor\", threshold_db = -25.0, ratio = 4.0, attack_ms = 5.0, release_ms = 100.0}, {kind = \"overdrive\", gain = 0.7}]",
    ),
];

/// Case `n` of those that belong together.
pub fn belonging(n: u64) -> Case {
    let mut random = ChaCha8Rng::seed_from_u64(40_000 + n);
    let (effect_name, effect) = EFFECTS[n as usize % EFFECTS.len()];
    let material_name = MATERIALS[(n / 3) as usize % MATERIALS.len()];
    let rate = SampleRate::new(if n.is_multiple_of(2) { 48_000 } else { 44_100 }).unwrap();
    let len = (f64::from(rate.hz()) * random.random_range(8.0..14.0)) as usize;
    let latency = match n % 6 {
        0 => 0,
        1 => random.random_range(-700..0),
        2 | 3 => random.random_range(1..4000),
        4 => random.random_range(4000..40_000),
        _ => random.random_range(40_000..=150_000),
    };
    // A loop fits itself at every bar: how many bars late it is, nobody can hear.
    let latency = if material_name == "loop" {
        latency % 4000
    } else {
        latency
    };
    let inverted = n % 3 == 1;
    let cut_hard = n % 4 < 2;
    let drift_ppm = match n % 7 {
        3 => random.random_range(20.0..200.0) * if n.is_multiple_of(2) { 1.0 } else { -1.0 },
        _ => 0.0,
    };
    // The hiss of the cable before the effect, and of the effect itself.
    let before = [0.0, 1e-4, 1e-3, 3e-3][random.random_range(0..4)];
    let after = [0.0, 1e-4, 1e-3, 5e-3][random.random_range(0..4)];
    let mut source = material(material_name, rate, len + 2 * MARGIN, n);
    if !cut_hard {
        source[..MARGIN].fill(0.0);
    }
    let dry = source[MARGIN..MARGIN + len].to_vec();
    let noisy: Vec<f32> = if before > 0.0 {
        let hiss = hiss(source.len(), before, n + 3_000_000);
        source.iter().zip(hiss).map(|(s, h)| s + h).collect()
    } else {
        source
    };
    let effect: Effect = toml(effect);
    let played = effect.process(&noisy, rate).unwrap();
    let start = (MARGIN as i64 - latency) as f64;
    let turn = if inverted { -1.0 } else { 1.0 };
    let mut wet: Vec<f32> = (0..len)
        .map(|t| start + t as f64 * (1.0 - 1e-6 * drift_ppm))
        .map(|place| turn * read(&played, place))
        .collect();
    let peak = wet.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    let hiss = hiss(len, after, n + 4_000_000);
    let level = if material_name == "soft" { 0.1 } else { 0.8 };
    wet.iter_mut()
        .zip(hiss)
        .for_each(|(v, h)| *v = level * *v / peak + level * h);
    let bits = if n % 5 < 2 { 15 } else { 23 };
    Case {
        name: format!(
            "{n} {material_name}, {effect_name}{}{}, hiss {before:.0e} {after:.0e}",
            if inverted { ", inverted" } else { "" },
            if cut_hard { ", cut hard" } else { "" },
        ),
        rate,
        dry: quantised(dry, bits),
        wet: quantised(wet, bits),
        truth: Some(Truth {
            latency,
            inverted,
            drift_ppm,
        }),
    }
}

/// Case `n` of those that do not belong together.
pub fn apart(n: u64) -> Case {
    let mut random = ChaCha8Rng::seed_from_u64(70_000 + n);
    let (effect_name, effect) = EFFECTS[n as usize % EFFECTS.len()];
    let rate = SampleRate::new(if n.is_multiple_of(2) { 48_000 } else { 44_100 }).unwrap();
    let len = (f64::from(rate.hz()) * random.random_range(5.0..14.0)) as usize;
    let kind = MATERIALS[(n / 2) as usize % MATERIALS.len()];
    let running = |kind: &str, seed: u64| -> Vec<f32> {
        let whole = material(kind, rate, len + MARGIN, seed);
        // Half of them cut in running sound, half from the first note on.
        if n.is_multiple_of(4) {
            whole[..len].to_vec()
        } else {
            whole[MARGIN..].to_vec()
        }
    };
    let dry = running(kind, n);
    let (what, played) = match n % 4 {
        0 | 1 => ("another take", running(kind, n + 1_000_000)),
        2 => {
            let by = [0.5, 0.94, 0.98, 0.995, 1.002, 1.01, 1.03, 1.5][(n / 4) as usize % 8];
            (
                "another speed",
                (0..len).map(|t| read(&dry, t as f64 * by)).collect(),
            )
        }
        _ => {
            let other = MATERIALS[(n as usize + 1 + n as usize / 4) % MATERIALS.len()];
            let backwards = other == kind;
            let mut sound = running(other, if backwards { n } else { n + 2_000_000 });
            if backwards {
                sound.reverse();
            }
            ("another file", sound)
        }
    };
    let effect: Effect = toml(effect);
    let mut wet = effect.process(&played, rate).unwrap();
    let peak = wet.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    let noise = hiss(len, 1e-4, n + 5_000_000);
    wet.iter_mut()
        .zip(noise)
        .for_each(|(v, h)| *v = 0.8 * *v / peak + h);
    Case {
        name: format!("{n} {what}: {kind}, {effect_name}"),
        rate,
        dry: quantised(dry, 15),
        wet: quantised(wet, 15),
        truth: None,
    }
}

fn quantised(x: Vec<f32>, bits: i32) -> Vec<f32> {
    let steps = 2f32.powi(bits);
    x.iter()
        .map(|v| (v * steps).round().clamp(-steps, steps - 1.0) / steps)
        .collect()
}

/// The sound at a place between samples, by a windowed sinc.
pub fn read(x: &[f32], place: f64) -> f32 {
    let whole = place.floor();
    let fraction = place - whole;
    let at = |k: i64| {
        usize::try_from(k)
            .ok()
            .and_then(|k| x.get(k))
            .map_or(0.0, |v| f64::from(*v))
    };
    if fraction == 0.0 {
        return at(whole as i64) as f32;
    }
    (-15_i64..=16)
        .map(|k| {
            let away = k as f64 - fraction;
            let window = 0.5 + 0.5 * (PI * away / 17.0).cos();
            at(whole as i64 + k) * (PI * away).sin() / (PI * away) * window
        })
        .sum::<f64>() as f32
}
