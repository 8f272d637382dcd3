//! Alignment against recordings of known latency: made here (exact truth) and shared ones.

use effigy::dsp::align::{AlignOptions, Alignment, TRUSTED_CONFIDENCE, estimate, estimate_joint};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

const RATE: f32 = 44_100.0;

/// Plucked strings (Karplus and Strong) at random pitches and times over a little noise.
fn music(len: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut out = vec![0.0_f32; len];
    let mut start = random.random_range(500..9000);
    while start < len {
        let period = random.random_range(50..400);
        let level = random.random_range(0.1..0.5);
        let mut string: Vec<f32> = (0..period)
            .map(|_| random.random_range(-level..level))
            .collect();
        for n in 0..(len - start).min(40_000) {
            let (here, next) = (n % period, (n + 1) % period);
            out[start + n] += string[here];
            string[here] = 0.497 * (string[here] + string[next]);
        }
        start += random.random_range(3000..14_000);
    }
    let peak = out.iter().fold(0.1_f32, |m, v| m.max(v.abs()));
    out.iter().map(|v| 0.7 * v / peak).collect()
}

/// Normal noise of the given standard deviation (sum of twelve uniforms).
fn noise(len: usize, level: f32, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..len)
        .map(|_| level * ((0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0))
        .collect()
}

fn one_pole_low_pass(x: &[f32], hz: f32) -> Vec<f32> {
    let pole = (-std::f32::consts::TAU * hz / RATE).exp();
    let mut state = 0.0;
    x.iter()
        .map(|v| {
            state = (1.0 - pole) * v + pole * state;
            state
        })
        .collect()
}

fn high_pass(x: &[f32], hz: f32) -> Vec<f32> {
    let low = one_pole_low_pass(x, hz);
    x.iter().zip(low).map(|(v, l)| v - l).collect()
}

fn compressor(x: &[f32]) -> Vec<f32> {
    let mut level = 0.0_f32;
    x.iter()
        .map(|v| {
            let time = if v.abs() > level { 0.005 } else { 0.15 };
            level += (v.abs() - level) / (time * RATE);
            v * (0.1 / level.max(0.1)).powf(0.75) * 3.0
        })
        .collect()
}

fn echo(x: &[f32], delay: usize, mix: f32, feedback: f32) -> Vec<f32> {
    let mut line = vec![0.0; delay];
    x.iter()
        .enumerate()
        .map(|(n, v)| {
            let delayed = line[n % delay];
            line[n % delay] = v + feedback * delayed;
            v + mix * delayed
        })
        .collect()
}

/// The effects of the fifty cases; each starts on the sample that excites it, upwards.
const EFFECTS: [(&str, fn(&[f32]) -> Vec<f32>); 10] = [
    ("gain", |x| x.iter().map(|v| 0.8 * v).collect()),
    ("low-pass 1.5 kHz", |x| {
        one_pole_low_pass(&one_pole_low_pass(x, 1500.0), 1500.0)
    }),
    ("low-pass 5 kHz", |x| {
        one_pole_low_pass(&one_pole_low_pass(x, 5000.0), 5000.0)
    }),
    ("high-pass 300 Hz", |x| high_pass(x, 300.0)),
    ("overdrive", |x| {
        x.iter().map(|v| (8.0 * v).tanh()).collect()
    }),
    ("fuzz", |x| {
        let pushed: Vec<f32> = x
            .iter()
            .map(|v| (40.0 * v + 0.5).clamp(-0.6, 1.0))
            .collect();
        high_pass(&pushed, 60.0)
    }),
    ("amplifier", |x| {
        let pushed: Vec<f32> = high_pass(x, 120.0)
            .iter()
            .map(|v| (15.0 * v).tanh())
            .collect();
        one_pole_low_pass(&one_pole_low_pass(&pushed, 4000.0), 4000.0)
    }),
    ("compressor", compressor),
    ("echo 120 ms", |x| echo(x, 5292, 0.6, 0.4)),
    ("slap echo 30 ms", |x| echo(x, 1323, 0.9, 0.0)),
];

struct Case {
    effect: &'static str,
    dry: Vec<f32>,
    wet: Vec<f32>,
    latency: i64,
    inverted: bool,
}

/// Case `n` of fifty: each effect five times, every third inverted, latencies −700 ..= 3000,
/// noise at −40 dBFS, every other one 6 dB into clipping, lengths that differ.
fn case(n: u64) -> Case {
    let mut random = ChaCha8Rng::seed_from_u64(1000 + n);
    let (effect, process) = EFFECTS[n as usize % EFFECTS.len()];
    let latency: i64 = match n {
        0 => -700,
        1 => 3000,
        _ => random.random_range(-700..=3000),
    };
    let inverted = n % 3 == 1;
    let dry = music(180_000, n);
    let mut wet = process(&dry);
    let peak = wet.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let drive = if n % 2 == 0 { 2.0 } else { 0.9 };
    let gain = if inverted {
        -drive / peak
    } else {
        drive / peak
    };
    wet.iter_mut()
        .for_each(|v| *v = (gain * *v).clamp(-1.0, 1.0));
    if latency < 0 {
        wet.drain(..latency.unsigned_abs() as usize);
    } else {
        wet.splice(0..0, vec![0.0; latency as usize]);
    }
    if n % 5 == 2 {
        wet.truncate(170_000);
    }
    let hiss = noise(wet.len(), 0.01, 5000 + n);
    wet.iter_mut().zip(hiss).for_each(|(v, h)| *v += h);
    Case {
        effect,
        dry,
        wet,
        latency,
        inverted,
    }
}

fn describe(name: &str, truth: &str, a: &Alignment) -> String {
    format!(
        "{name:28} truth {truth:>9}  found {:5}  {}  confidence {:.2}  repetition {:.2}",
        a.latency_samples,
        if a.inverted { "inverted" } else { "upright " },
        a.confidence,
        a.repetition
    )
}

#[test]
fn fifty_known_latencies_within_one_sample_never_late_polarity_right() {
    let mut wrong = Vec::new();
    for n in 0..50 {
        let c = case(n);
        let found = estimate(&c.dry, &c.wet, &AlignOptions::default()).unwrap();
        let late = found.latency_samples - c.latency;
        let name = format!("{n} {}", c.effect);
        let line = describe(
            &name,
            &format!("{}{}", c.latency, if c.inverted { " inv" } else { "" }),
            &found,
        );
        println!("{line}");
        if !(-1..=0).contains(&late)
            || found.inverted != c.inverted
            || found.confidence < TRUSTED_CONFIDENCE
        {
            println!("  late by {late}: {:?}", found.candidates);
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
