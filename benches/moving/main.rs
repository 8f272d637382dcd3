//! The table of effects that move and of those that stand still: what a survey calls them.
//!
//! `cargo bench -p effigy-base --bench moving [FIRST] [COUNT]` prints it for so many of each: clips of 3 to
//! 30 s, plucked strings from clean to fuzz, soft and sharp, through random effects. A line per clip that is
//! called wrongly, then the table by length.

use effigy_base::audio::{Audio, SampleRate};
use effigy_base::effects::Effect;
use effigy_base::effects::signals::{self, Signal};
use effigy_base::progress::Silent;
use effigy_base::random::Noise;
use effigy_base::survey::survey;
use rayon::prelude::*;

/// Lengths in seconds, by turns.
const LENGTHS: [f64; 5] = [3.0, 4.5, 6.0, 12.0, 30.0];

/// Numbers drawn by name of a place: the same on every machine.
struct Draw(Noise);

impl Draw {
    fn new(seed: u64) -> Self {
        let mut noise = Noise::new(seed as u32 + 1);
        (0..8).for_each(|_| {
            noise.next_bits();
        });
        Self(noise)
    }

    /// Between these, evenly.
    fn number(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.0.next_bits()) / f64::from(u32::MAX)
    }

    /// Between these, evenly in octaves.
    fn scale(&mut self, low: f64, high: f64) -> f64 {
        self.number(low.ln(), high.ln()).exp()
    }

    fn choice(&mut self, count: usize) -> usize {
        self.0.next_bits() as usize % count
    }
}

struct Clip {
    words: String,
    seconds: f64,
    dry: Vec<f32>,
    wet: Vec<f32>,
    rate: SampleRate,
}

/// What a moving or a static effect is, in TOML.
fn effect(moves: bool, draw: &mut Draw) -> String {
    let rate = draw.scale(if moves { 0.6 } else { 0.1 }, 6.0);
    match (moves, draw.choice(6)) {
        (true, 0) => format!(
            "kind = 'chorus', rate_hz = {rate}, depth_ms = {}, delay_ms = {}",
            draw.scale(0.6, 3.0),
            draw.number(6.0, 18.0)
        ),
        (true, 1) => format!(
            "kind = 'chorus', rate_hz = {rate}, depth_ms = {}, delay_ms = 3.0, feedback = {}",
            draw.scale(0.6, 2.5),
            draw.number(-0.7, 0.7)
        ),
        (true, 2) => format!(
            "kind = 'chorus', rate_hz = {rate}, depth_ms = {}, delay_ms = 4.0, mix = 1.0",
            draw.scale(0.3, 2.0)
        ),
        (true, 3 | 4) => format!(
            "kind = 'phaser', rate_hz = {rate}, low_hz = {}, high_hz = {}, stages = {}",
            draw.scale(150.0, 500.0),
            draw.scale(1200.0, 4000.0),
            [4, 6, 8][draw.choice(3)]
        ),
        (true, _) => format!(
            "kind = 'tremolo', rate_hz = {rate}, depth = {}",
            draw.number(0.3, 1.0)
        ),
        (false, 0) => format!(
            "kind = 'low-pass', cutoff_hz = {}",
            draw.scale(400.0, 8000.0)
        ),
        (false, 1) => format!(
            "kind = 'overdrive', gain = {}, tone = {}",
            draw.number(0.2, 1.0),
            draw.number(0.1, 0.9)
        ),
        (false, 2) => format!("kind = 'fuzz', gain = {}", draw.number(0.3, 1.0)),
        (false, 3) => format!(
            "kind = 'echo', delay_ms = {}, feedback = {}",
            draw.scale(60.0, 500.0),
            draw.number(0.0, 0.6)
        ),
        (false, 4) => format!(
            "kind = 'compressor', threshold_db = {}, ratio = {}, attack_ms = 5.0, release_ms = {}",
            draw.number(-40.0, -20.0),
            draw.number(2.0, 8.0),
            draw.scale(50.0, 500.0)
        ),
        (false, _) => format!(
            "kind = 'chain', effects = [{{ kind = 'overdrive', gain = {}, tone = 0.5 }}, {{ kind = 'room', decay_seconds = {} }}]",
            draw.number(0.2, 0.9),
            draw.scale(0.1, 0.8)
        ),
    }
}

fn clip(moves: bool, number: u64) -> Clip {
    let mut draw = Draw::new(2 * number + u64::from(moves));
    let seconds = LENGTHS[number as usize % LENGTHS.len()];
    let rate = SampleRate::new(44_100).unwrap();
    let signal: Signal = toml::from_str("kind = \"plucked-string\"\nlevel_dbfs = -6.0").unwrap();
    let mut dry = signals::render(&signal, rate, seconds, number + 1).unwrap();
    // Clean, driven, a fuzz; a quarter as soft as a quiet recording.
    let drive = [0.0, 3.0, 12.0, 60.0][draw.choice(4)];
    if drive > 0.0 {
        dry.iter_mut().for_each(|x| *x = 0.3 * (drive * *x).tanh());
    }
    let level = if draw.choice(4) == 0 { 0.05 } else { 1.0 };
    dry.iter_mut().for_each(|x| *x *= level);
    let text = effect(moves, &mut draw);
    let table: toml::Table = toml::from_str(&format!("effect = {{ {text} }}")).unwrap();
    let effect: Effect = table["effect"]
        .clone()
        .try_into()
        .unwrap_or_else(|e| panic!("{text}: {e}"));
    let wet = effect
        .process(&dry, rate)
        .unwrap_or_else(|e| panic!("{text}: {e}"));
    Clip {
        words: format!("{text}; drive {drive}, level {level}"),
        seconds,
        dry,
        wet,
        rate,
    }
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let first = numbers.first().copied().unwrap_or(0);
    let count = numbers.get(1).copied().unwrap_or(100);
    println!("seconds  static called moving  moving found");
    let called = |moves: bool| -> Vec<(f64, bool)> {
        let all = (first..first + count).into_par_iter();
        all.map(|number| {
            let clip = clip(moves, number);
            let [dry, wet] = [&clip.dry, &clip.wet].map(|x| Audio::mono(clip.rate, x.clone()));
            let found = survey(&dry, &wet, None, Some(0), &Silent).unwrap();
            let named = found.motion_words().is_some();
            if named != moves {
                println!(
                    "{number}: {} s: {}: {:?}",
                    clip.seconds, clip.words, found.moving
                );
            }
            (clip.seconds, named)
        })
        .collect()
    };
    let [still, moving] = [false, true].map(called);
    let row = |name: &str, these: &dyn Fn(f64) -> bool| {
        let of = |all: &[(f64, bool)]| {
            let all: Vec<bool> = all
                .iter()
                .filter(|(s, _)| these(*s))
                .map(|(_, n)| *n)
                .collect();
            format!(
                "{} of {}",
                all.iter().filter(|named| **named).count(),
                all.len()
            )
        };
        println!("{name:>7}  {:>20}  {:>12}", of(&still), of(&moving));
    };
    for seconds in LENGTHS {
        row(&seconds.to_string(), &|s| s == seconds);
    }
    row("6 to 30", &|s| s >= 6.0);
    row("all", &|_| true);
}
