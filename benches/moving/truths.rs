//! Effects of known motion, clean and driven: what is found of them from one recording, and how near that comes to
//! sound, rate and phase that were never heard. Knows nothing of surveys.

use effigy_base::audio::SampleRate;
use effigy_base::dsp::modulation::{Modulation, Part};
use effigy_base::effects::Effect;
use effigy_base::effects::signals::{self, Signal};
use effigy_base::regress::modulation::{Fitted, Recording, Size};
use std::f64::consts::TAU;
use std::time::Instant;

/// Name, effect, its rate, and half the way of its part: seconds, powers of e, share of the mean gain.
const TRUTHS: [(&str, &str, f64, f64); 6] = [
    (
        "chorus",
        "kind = 'chorus', depth_ms = 1.5, delay_ms = 8.0",
        0.9,
        1.5e-3,
    ),
    (
        "flanger",
        "kind = 'chorus', depth_ms = 1.0, delay_ms = 2.5, feedback = 0.5",
        0.6,
        1.0e-3,
    ),
    (
        "vibrato",
        "kind = 'chorus', depth_ms = 0.6, delay_ms = 3.0, mix = 1.0",
        4.0,
        0.6e-3,
    ),
    (
        "phaser-4",
        "kind = 'phaser', low_hz = 300.0, high_hz = 2000.0",
        0.8,
        0.948_56,
    ),
    (
        "phaser-8",
        "kind = 'phaser', low_hz = 300.0, high_hz = 2000.0, stages = 8",
        0.8,
        0.948_56,
    ),
    ("tremolo", "kind = 'tremolo', depth = 0.6", 5.0, 0.6),
];

/// Seconds learned from, of the sound that is followed, and those of it that tell where the oscillator stands.
const LEARNED: f64 = 8.0;
const FOLLOWED: f64 = 6.0;
const OPENING: f64 = 2.0;

/// Phases of the two, and of a third sound, which moves faster by this factor.
const PHASES: [f64; 3] = [0.7, 2.9, 4.4];
const OTHERWISE: f64 = 1.37;

/// Steps at the recording's own rate: five epochs of three.
const STEPS: usize = 15;

fn rate() -> SampleRate {
    SampleRate::new(44_100).unwrap()
}

fn hz() -> f64 {
    f64::from(rate().hz())
}

fn strings(seconds: f64, seed: u64, driven: bool) -> Vec<f32> {
    let signal: Signal = toml::from_str("kind = 'plucked-string'\nlevel_dbfs = -6.0").unwrap();
    let clean = signals::render(&signal, rate(), seconds, seed).unwrap();
    match driven {
        true => clean.iter().map(|x| 0.4 * (6.0 * x).tanh()).collect(),
        false => clean,
    }
}

fn through(effect: &str, rate_hz: f64, phase: f64, dry: &[f32]) -> Vec<f32> {
    let text = format!("e = {{ {effect}, rate_hz = {rate_hz:?}, phase = {phase:?} }}");
    let table: toml::Table = toml::from_str(&text).unwrap();
    let effect: Effect = table["e"].clone().try_into().unwrap();
    effect.process(dry, rate()).unwrap()
}

fn depth(effect: &Modulation) -> f64 {
    let motion = &effect.motion;
    let [high, low] = motion.range();
    match motion.part {
        Part::Delay => 0.5 * motion.centre.exp() * (high.exp() - low.exp()),
        Part::AllPass { .. } => 0.5 * (high - low),
        Part::Gain => 0.5 * (high - low) / motion.centre,
    }
}

fn esr(wet: &[f32], predicted: &[f32]) -> f64 {
    let pairs = wet.iter().zip(predicted);
    let left: f64 = pairs.map(|(w, p)| f64::from(w - p).powi(2)).sum();
    left / wet.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>()
}

/// Prints a row.
fn row(name: &str, truth: &str, (rate_hz, half): (f64, f64), driven: bool) {
    let begun = Instant::now();
    let dry = strings(LEARNED, 1, driven);
    let wet = through(truth, rate_hz, PHASES[0], &dry);
    let recordings = [Recording::whole(&dry, &wet)];
    let size = Size {
        second: true,
        ..Size::default()
    };
    let fitted = Fitted::begin(&recordings, hz(), (None, size), &|| true).unwrap();
    let fitted = fitted.refine(&recordings, hz(), STEPS, &|| true).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let found = fitted.effect;
    let oscillator = &found.motion.oscillator;

    let dry = strings(FOLLOWED, 2, driven);
    let wet = through(truth, rate_hz, PHASES[1], &dry);
    let opening = (OPENING * hz()) as usize;
    let first = Recording::whole(&dry[..opening], &wet[..opening]);
    let (phase, there) = found.stood(&first, hz());
    let mut following = found.clone();
    following.motion.oscillator.rate_hz = there;
    let followed = following.answer(&dry, phase, hz());
    let unheard = esr(&wet[opening..], &followed[opening..]);
    // As the reference effects count it: the phase of a sine.
    let of_sine = oscillator.curve[0].atan2(oscillator.curve[1]);
    let missed = (phase[0] + of_sine - PHASES[1]).rem_euclid(TAU);

    let dry = strings(FOLLOWED, 3, driven);
    let wet = through(truth, OTHERWISE * rate_hz, PHASES[2], &dry);
    let mut faster = found.clone();
    faster.motion = found.motion.played(OTHERWISE, 1.0);
    let otherwise = esr(&wet, &faster.answer(&dry, [PHASES[2] - of_sine, 0.0], hz()));
    println!(
        "{name:8} {:7}  {:24} {:.5}  {:.4}  {:.4}  {unheard:11.1e}  {otherwise:19.1e}  {seconds:7.0}",
        if driven { "driven" } else { "clean" },
        format!("{:?}", found.motion.part),
        oscillator.rate_hz / rate_hz,
        depth(&found) / half,
        missed.min(TAU - missed),
    );
}

/// Prints all of them, or those whose names are given.
pub fn table(only: &[String]) {
    println!(
        "effect            what moves               rate     depth   phase   ESR unheard  rate, phase unheard  seconds"
    );
    for (name, truth, rate, half) in TRUTHS {
        if only.is_empty() || only.iter().any(|o| o == name) {
            for driven in [false, true] {
                row(name, truth, (rate, half), driven);
            }
        }
    }
}
