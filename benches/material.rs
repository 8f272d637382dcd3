//! Sounds to try things on: strings soft and sharp, drums, loops, noise. Deterministic: a sound is its kind,
//! rate, length and seed.

use effigy_base::audio::SampleRate;
use effigy_base::effects::signals::{self, Signal};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

#[allow(dead_code)]
pub const MATERIALS: [&str; 6] = ["strings", "sharp", "loop", "drums", "noise", "soft"];

/// A sound of `len` samples.
pub fn material(kind: &str, rate: SampleRate, len: usize, seed: u64) -> Vec<f32> {
    let signal = |text: &str| -> Vec<f32> {
        let signal: Signal = toml::from_str(text).unwrap();
        let seconds = len as f64 / f64::from(rate.hz());
        signals::render(&signal, rate, seconds, seed).unwrap()
    };
    match kind {
        "strings" => signal("kind = \"plucked-string\"\nlevel_dbfs = -3.0"),
        "soft" => signal("kind = \"plucked-string\"\nlevel_dbfs = -30.0\nnotes_per_second = 2.0"),
        "noise" => signal("kind = \"noise\"\ncolour = \"pink\"\nlevel_dbfs = -6.0"),
        "loop" => {
            let mut bar = plucks(rate, 2 * rate.hz() as usize, seed);
            // A loop that was made with care: no click at its seam.
            let end = bar.len() / 16;
            bar.iter_mut()
                .rev()
                .take(end)
                .enumerate()
                .for_each(|(n, v)| *v *= n as f32 / end as f32);
            let hiss = hiss(len, 3e-4, seed);
            (0..len).map(|n| bar[n % bar.len()] + hiss[n]).collect()
        }
        "drums" => drums(rate, len, seed),
        _ => plucks(rate, len, seed),
    }
}

/// Decaying harmonic notes that begin within a millisecond and end on the spot, at several levels.
fn plucks(rate: SampleRate, len: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let hz = f64::from(rate.hz());
    let mut out = vec![0.0_f64; len];
    let mut at = random.random_range(0.02..0.3) * hz;
    while (at as usize) < len {
        let pitch = 82.4 * 2f64.powf(f64::from(random.random_range(0..30)) / 12.0);
        let held = (hz * random.random_range(0.15..0.6)) as usize;
        let level = [0.1, 0.25, 0.45][random.random_range(0..3)];
        let phases: Vec<f64> = (0..8).map(|_| random.random_range(0.0..TAU)).collect();
        for n in 0..held.min(len - at as usize) {
            let t = n as f64 / hz;
            let partial = |h: usize| {
                let k = h as f64 + 1.0;
                (TAU * pitch * k * t + phases[h]).sin() * (-t * (3.0 + 2.0 * k)).exp() / k
            };
            let sound: f64 = (0..8).map(partial).sum();
            out[at as usize + n] += level * sound * (t * 800.0).min(1.0);
        }
        at += hz * random.random_range(0.1..0.5);
    }
    let peak = out.iter().fold(0.9_f64, |m, v| m.max(v.abs()));
    out.iter().map(|v| (0.9 * v / peak) as f32).collect()
}

/// Bursts of noise and of falling tones with sharp edges.
fn drums(rate: SampleRate, len: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let hz = f64::from(rate.hz());
    let mut out = vec![0.0_f32; len];
    let mut at = random.random_range(0.02..0.3) * hz;
    while (at as usize) < len {
        let (snare, level) = (random.random_bool(0.5), random.random_range(0.1..0.8));
        let pitch = random.random_range(50.0..120.0);
        for n in 0..((0.25 * hz) as usize).min(len - at as usize) {
            let t = n as f64 / hz;
            let v = if snare {
                random.random_range(-1.0..1.0) * (-30.0 * t).exp()
            } else {
                (TAU * (pitch * t + 3.0 * (1.0 - (-40.0 * t).exp()))).sin() * (-14.0 * t).exp()
            };
            out[at as usize + n] += (level * v) as f32;
        }
        at += hz * random.random_range(0.12..0.4);
    }
    let peak = out.iter().fold(0.1_f32, |m, v| m.max(v.abs()));
    out.iter().map(|v| 0.8 * v / peak).collect()
}

/// Normal noise (a sum of twelve uniforms).
#[allow(dead_code)]
pub fn hiss(len: usize, level: f32, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let mut one = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
    (0..len).map(|_| level * one()).collect()
}
