//! Effects that move by themselves, learned: the oscillator as it was, sound that was never heard, a phase
//! of its own for every recording, and what a player turns.

use crate::one_number::trained;
use crate::support::Place;
use crate::training::killed_and_resumed_is_uninterrupted;
use effigy::audio::{Audio, SampleFormat, SampleRate, decode};
use effigy::commands::{evaluate, export, infer, train};
use effigy::config::Latency;
use effigy::effects::Effect;
use effigy::effects::signals::{self, Signal};
use effigy::formats;
use effigy::network::{Modulated, MovedPart};
use effigy::progress::Silent;
use effigy::report::metrics::metrics;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

const HZ: u32 = 11_025;

/// A truth: what moves, how fast, how far (half the way, in the units of [`depth`]).
struct Truth {
    name: &'static str,
    effect: &'static str,
    part: MovedPart,
    rate: f64,
    depth: f64,
}

const fn truth(
    name: &'static str,
    effect: &'static str,
    part: MovedPart,
    rate: f64,
    depth: f64,
) -> Truth {
    Truth {
        name,
        effect,
        part,
        rate,
        depth,
    }
}

const TRUTHS: [Truth; 6] = [
    truth(
        "chorus",
        "kind = 'chorus', rate_hz = 0.9, depth_ms = 1.5, delay_ms = 8.0",
        MovedPart::Delay,
        0.9,
        1.5e-3,
    ),
    truth(
        "flanger",
        "kind = 'chorus', rate_hz = 0.6, depth_ms = 1.0, delay_ms = 2.5, feedback = 0.5",
        MovedPart::Delay,
        0.6,
        1.0e-3,
    ),
    truth(
        "vibrato",
        "kind = 'chorus', rate_hz = 4.0, depth_ms = 0.6, delay_ms = 3.0, mix = 1.0",
        MovedPart::Delay,
        4.0,
        0.6e-3,
    ),
    truth(
        "phaser-4",
        "kind = 'phaser', rate_hz = 0.8, low_hz = 300.0, high_hz = 2000.0",
        MovedPart::AllPass { stages: 4 },
        0.8,
        0.948_56,
    ),
    truth(
        "phaser-8",
        "kind = 'phaser', rate_hz = 0.8, low_hz = 300.0, high_hz = 2000.0, stages = 8",
        MovedPart::AllPass { stages: 8 },
        0.8,
        0.948_56,
    ),
    truth(
        "tremolo",
        "kind = 'tremolo', rate_hz = 5.0, depth = 0.6",
        MovedPart::Gain,
        5.0,
        0.6,
    ),
];

/// Half the way of the part: seconds, octaves by e, or the share of the mean gain.
fn depth(layer: &Modulated) -> f64 {
    let motion = layer.motion().per_second(f64::from(HZ));
    let [high, low] = motion.range();
    let half = 0.5 * (high - low);
    match motion.part {
        MovedPart::Delay => 0.5 * motion.centre.exp() * (high.exp() - low.exp()),
        MovedPart::AllPass { .. } => half,
        MovedPart::Gain => half / motion.centre,
    }
}

fn sound(seconds: f64, seed: u64, driven: bool) -> Vec<f32> {
    let rate = SampleRate::new(HZ).unwrap();
    let signal: Signal = toml::from_str("kind = \"plucked-string\"\nlevel_dbfs = -6.0").unwrap();
    let clean = signals::render(&signal, rate, seconds, seed).unwrap();
    match driven {
        true => clean.iter().map(|x| 0.4 * (6.0 * x).tanh()).collect(),
        false => clean,
    }
}

fn through(effect: &str, phase: f64, dry: &[f32]) -> Vec<f32> {
    let effect: Effect = toml::from_str::<toml::Table>(&format!(
        "e = {{ {effect}, phase = {phase:?} }}"
    ))
    .unwrap()["e"]
        .clone()
        .try_into()
        .unwrap();
    effect.process(dry, SampleRate::new(HZ).unwrap()).unwrap()
}

fn pair(place: &Place, name: &str, effect: &str, phase: f64, dry: Vec<f32>) {
    let wet = through(effect, phase, &dry);
    place.wav_at(
        &format!("{name}-wet.wav"),
        vec![wet],
        HZ,
        SampleFormat::Float(32),
    );
    place.wav_at(
        &format!("{name}-dry.wav"),
        vec![dry],
        HZ,
        SampleFormat::Float(32),
    );
}

/// A run on one recording, tested on another.
fn learned(place: &Place, truth: &Truth, driven: bool) -> (PathBuf, train::Outcome) {
    pair(place, "train", truth.effect, 0.7, sound(5.0, 1, driven));
    pair(place, "valid", truth.effect, 1.8, sound(3.0, 3, driven));
    pair(place, "test", truth.effect, 2.9, sound(4.0, 2, driven));
    let part = toml::Value::try_from(truth.part).unwrap();
    let text = format!(
        "name = \"{}\"\ndevice = \"flex\"\n[data]\nlatency = 0\n\
         [[data.train]]\ndry = \"train-dry.wav\"\nwet = \"train-wet.wav\"\n\
         [[data.valid]]\ndry = \"valid-dry.wav\"\nwet = \"valid-wet.wav\"\n\
         [[data.test]]\ndry = \"test-dry.wav\"\nwet = \"test-wet.wav\"\n\
         [windows]\nwindow_len = 1024\nhop = 1024\n[baselines]\nfir_taps = 8\n\
         [training]\nepochs = 6\npatience = 1\n[model]\nkind = \"modulated\"\npart = {part}\nharmonics = 8\ntaps = 48\n",
        truth.name
    );
    trained(place, "run", &text)
}

fn exported(place: &Place, run: &Path) -> PathBuf {
    let file = place.path("moved.safetensors");
    let request = export::Request {
        model: run.to_path_buf(),
        output: file.clone(),
        ..export::Request::default()
    };
    export::export(&request, &Silent).unwrap();
    file
}

/// The phase of the curve's fundamental as the reference effects count it: that of a sine.
fn of_sine(phase: f64, layer: &Modulated) -> f64 {
    let (cosine, sine) = (f64::from(layer.curve[0]), f64::from(layer.curve[1]));
    phase + cosine.atan2(sine)
}

fn apart(a: f64, b: f64) -> f64 {
    let turn = (a - b).rem_euclid(TAU);
    turn.min(TAU - turn)
}

fn holds(truth: &Truth, driven: bool) {
    let place = Place::new();
    let (run, outcome) = learned(&place, truth, driven);
    let name = truth.name;
    let file = exported(&place, &run);
    let network = formats::read(&file).unwrap().network;
    let layer = network.modulated().unwrap();
    assert_eq!(layer.part, truth.part, "{name}");
    let motion = layer.motion().per_second(f64::from(HZ));
    let rate = motion.oscillator.rate_hz / truth.rate;
    let depth = depth(layer) / truth.depth;
    let told = &outcome.phases[0];
    let phase = apart(of_sine(told.phase, layer), 2.9);
    let esr = outcome.rows[0].metrics.esr;
    println!(
        "{name}, driven {driven}: rate {rate:.5} depth {depth:.4} phase {phase:.4} ESR {esr:.2e}"
    );
    assert!((rate - 1.0).abs() < 1e-3, "{name}: rate {rate}");
    assert!((depth - 1.0).abs() < 0.02, "{name}: depth {depth}");
    assert!(phase < 0.05, "{name}: phase {phase}");
    assert!(esr <= 0.005, "{name}: {esr}");
    // Two seconds tell the phase, two are scored.
    let close = |a: f64, b: f64| (a - b).abs() < 1e-3;
    assert!(
        close(told.read_seconds[1], 2.0) && close(told.scored_seconds[0], 2.0),
        "{told:?}"
    );
}

#[test]
fn a_chorus_is_learned() {
    holds(&TRUTHS[0], false);
}

#[test]
fn a_flanger_with_feedback_is_learned() {
    holds(&TRUTHS[1], true);
}

#[test]
fn a_vibrato_is_learned() {
    holds(&TRUTHS[2], false);
}

#[test]
fn phasers_are_learned() {
    holds(&TRUTHS[3], true);
    holds(&TRUTHS[4], false);
}

/// What else is to be true of one: its figure is that of its file and of what is played, at another rate
/// and phase it is the effect at that rate and phase, at depth 0 it stands still.
#[test]
fn a_tremolo_is_learned_and_played_otherwise() {
    let truth = &TRUTHS[5];
    holds(truth, false);
    let place = Place::new();
    let (run, outcome) = learned(&place, truth, true);
    let file = exported(&place, &run);
    for model in [&run, &file] {
        let request = evaluate::Request {
            model: model.clone(),
            dry: place.path("test-dry.wav"),
            wet: place.path("test-wet.wav"),
            latency: Latency::Samples(0),
            channel: None,
            device: "auto".to_string(),
            controls: Vec::new(),
            require_esr: None,
        };
        let again = evaluate::evaluate(&request, &Silent).unwrap();
        let figures = [&again.rows[0], &outcome.rows[0]].map(|row| row.metrics.esr);
        assert!((figures[0] / figures[1] - 1.0).abs() < 1e-4, "{figures:?}");
        assert!(apart(again.phases[0].phase, outcome.phases[0].phase) < 1e-3);
    }
    let layer = formats::read(&file).unwrap().network;
    let layer = layer.modulated().unwrap();
    let dry = sound(3.0, 5, false);
    place.wav_at("other.wav", vec![dry.clone()], HZ, SampleFormat::Float(32));
    let played = |phase: f64, rate: f32, depth: f32, block: u32| {
        let request = infer::Request {
            model: run.clone(),
            inputs: vec![place.path("other.wav")],
            output: place.path("played.wav"),
            format: None,
            block,
            silence_not_finite: false,
            device: "engine".to_string(),
            size: None,
            controls: Vec::new(),
            phase: Some(phase as f32),
            rate: Some(rate),
            depth: Some(depth),
            second_phase: None,
        };
        infer::infer(&request, &Silent).unwrap();
        let played: Audio = decode::read(&place.path("played.wav")).unwrap().audio;
        played.into_channels().remove(0)
    };
    let here = played(1.1 - of_sine(0.0, layer), 2.0, 1.0, 999);
    let wanted = through("kind = 'tremolo', rate_hz = 2.0, depth = 0.6", 1.1, &dry);
    assert!(metrics(&wanted, &here).esr < 0.01);
    assert_eq!(here, played(1.1 - of_sine(0.0, layer), 2.0, 1.0, 65_536));
    let still = metrics(&dry, &played(0.0, 2.0, 0.0, 4096));
    assert!(still.esr < 1e-3, "{still:?}");
}

/// Every epoch begins with what the last one left in 32 bits, wherever it was killed.
#[test]
fn killed_and_resumed_it_is_the_same_to_the_last_bit() {
    let place = Place::new();
    let truth = &TRUTHS[5];
    let sounds = [("train", 0.7, 4.0), ("valid", 1.8, 3.0)];
    for (seed, (name, phase, seconds)) in sounds.into_iter().enumerate() {
        let dry = sound(seconds, seed as u64 + 1, false);
        pair(&place, name, truth.effect, phase, dry);
    }
    let text = "name = \"t\"\ndevice = \"flex\"\n[data]\nlatency = 0\n\
         [[data.train]]\ndry = \"train-dry.wav\"\nwet = \"train-wet.wav\"\n\
         [[data.valid]]\ndry = \"valid-dry.wav\"\nwet = \"valid-wet.wav\"\n\
         [windows]\nwindow_len = 1024\nhop = 1024\n[training]\nepochs = 4\n\
         [model]\nkind = \"modulated\"\npart = \"gain\"\nharmonics = 3\ntaps = 8\n";
    place.write("t.toml", text);
    std::fs::copy(place.path("train-dry.wav"), place.path("dry.wav")).unwrap();
    killed_and_resumed_is_uninterrupted(&place, 80);
}
