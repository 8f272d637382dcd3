//! Clips made by number: plucked strings from clean to fuzz, soft and sharp, through a random effect that
//! moves or one that stands still. Knows nothing of how they are called.

use super::material::material;
use effigy_base::audio::{Audio, SampleRate};
use effigy_base::effects::Effect;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Lengths in seconds, by turns.
pub const LENGTHS: [f64; 5] = [3.0, 4.5, 6.0, 12.0, 30.0];

/// At least so many periods are heard.
const CYCLES: f64 = 1.8;

/// A clip's own numbers.
struct Draw(ChaCha8Rng);

impl Draw {
    /// Between these, evenly.
    fn number(&mut self, low: f64, high: f64) -> f64 {
        self.0.random_range(low..high)
    }

    /// Between these, evenly in octaves.
    fn scale(&mut self, low: f64, high: f64) -> f64 {
        self.number(low.ln(), high.ln()).exp()
    }

    fn of<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.0.random_range(0..these.len())]
    }
}

/// A clip through an effect.
pub struct Clip {
    pub words: String,
    pub dry: Audio,
    pub wet: Audio,
    /// How often a second its effect moves; `None` of one that stands still.
    pub rate_hz: Option<f64>,
}

/// What a moving or a static effect is, in TOML.
fn effect(moves: bool, seconds: f64, draw: &mut Draw) -> (String, f64) {
    let rate = draw.scale((CYCLES / seconds).max(0.1), 6.0);
    let text = match (moves, draw.0.random_range(0..6)) {
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
            draw.of(&[4, 6, 8])
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
    };
    (text, rate)
}

/// The clip of that number.
pub fn made(moves: bool, number: u64) -> Clip {
    let seed = 2 * number + u64::from(moves);
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(70_000 + seed));
    let seconds = LENGTHS[number as usize % LENGTHS.len()];
    let rate = SampleRate::new(44_100).unwrap();
    let kind = draw.of(&["strings", "strings", "sharp", "soft"]);
    let len = (seconds * f64::from(rate.hz())) as usize;
    let mut dry = material(kind, rate, len, 80_000 + seed);
    // Clean, driven, a fuzz; a quarter as soft as a quiet recording.
    let drive = draw.of(&[0.0, 3.0, 12.0, 60.0]);
    if drive > 0.0 {
        dry.iter_mut().for_each(|x| *x = 0.3 * (drive * *x).tanh());
    }
    let level = draw.of(&[0.05, 1.0, 1.0, 1.0]);
    dry.iter_mut().for_each(|x| *x *= level);
    let (text, rate_hz) = effect(moves, seconds, &mut draw);
    let table: toml::Table = toml::from_str(&format!("effect = {{ {text} }}")).unwrap();
    let effect: Effect = table["effect"]
        .clone()
        .try_into()
        .unwrap_or_else(|e| panic!("{text}: {e}"));
    let wet = effect
        .process(&dry, rate)
        .unwrap_or_else(|e| panic!("{text}: {e}"));
    Clip {
        words: format!("{seconds} s of {kind}: {text}; drive {drive}, level {level}"),
        dry: Audio::mono(rate, dry),
        wet: Audio::mono(rate, wet),
        rate_hz: moves.then_some(rate_hz),
    }
}
