//! A stereo effect as one: what every network that can hear and make both sides must do, and the way from
//! recordings to a model and a player.

use crate::engine::allocations;
use crate::networks::{build_for, hold_gradients, knob_networks, moving_networks};
use crate::support::{Place, noise};
use burn::prelude::Device;
use effigy::audio::{AudioChannels, SampleFormat, SampleRate, decode};
use effigy::config::{FirConfig, ModelConfig};
use effigy::effects::Effect;
use effigy::effects::signals::{self, Signal};
use effigy::engine::{Engine, OfflinePlayer};
use effigy::formats::{self, Format, safetensors};
use effigy::models::EffectModel;
use effigy::models::predict::{Predictor, predict_channels};
use effigy::network::{Control, Network};
use serde_json::Value;
use std::time::Duration;

const BOTH: [AudioChannels; 2] = [AudioChannels::stereo(1), AudioChannels::stereo(2)];

/// Every kind of network that takes stereo, small; a filter that is played by FFT, and the memoryless
/// path around a recurrent network.
fn networks(warm_up: usize, truncate: usize) -> Vec<ModelConfig> {
    let mut all = [knob_networks(warm_up, truncate), moving_networks(warm_up)].concat();
    all.push(ModelConfig::Fir(FirConfig { taps: 9 }));
    let skipping = format!("kind = \"gru\"\nhidden_size = 3\nskip = true\nwarm_up = {warm_up}");
    all.push(toml::from_str(&skipping).unwrap());
    all.push(toml::from_str("kind = \"wavenet\"\npreset = \"a2\"").unwrap());
    all.retain(|config| config.takes_stereo());
    all
}

#[test]
fn gradients_are_finite_differences_across_both_sides() {
    for audio in BOTH {
        for config in networks(0, 4096) {
            // Of several sizes all but the full one are heard by nobody here.
            if !matches!(&config, ModelConfig::WaveNet(w) if w.is_slimmable()) {
                hold_gradients(audio, &config, 0);
            }
        }
    }
    for config in networks(0, 4096).iter().filter(|c| c.takes_controls()) {
        if !matches!(config, ModelConfig::WaveNet(w) if w.is_slimmable()) {
            hold_gradients(AudioChannels::stereo(2), config, 2);
        }
    }
}

fn knobs(model: &EffectModel, controls: usize) -> Vec<Control> {
    if let Some(modulated) = model.modulated() {
        return effigy::network::Modulated::controls(modulated.has_second());
    }
    let knob = |name: &str| Control {
        range: None,
        name: name.to_string(),
        min: 0.0,
        max: 1.0,
        default: 0.5,
    };
    ["a", "b"].into_iter().take(controls).map(knob).collect()
}

/// What the engine plays in blocks of these lengths.
fn played(engine: &mut Engine, dry: &[Vec<f32>], blocks: &[usize]) -> Vec<Vec<f32>> {
    let len = dry[0].len();
    let mut wet = vec![vec![0.0; len]; engine.audio_channels().wet];
    let (mut at, mut blocks) = (0, blocks.iter().cycle());
    while at < len {
        let to = (at + blocks.next().unwrap()).min(len);
        let input: Vec<&[f32]> = dry.iter().map(|dry| &dry[at..to]).collect();
        let mut output: Vec<&mut [f32]> = wet.iter_mut().map(|wet| &mut wet[at..to]).collect();
        let before = allocations().0;
        engine.process_channels(&input, &mut output);
        assert_eq!(allocations().0, before, "the engine allocated");
        at = to;
    }
    wet
}

fn largest_difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The same in any blocks, on any number of cores, by the engine and by burn; written and read again; and
/// no side is the other.
#[test]
fn every_network_plays_both_sides_alike_wherever_it_is_played() {
    let device = Device::flex();
    // So long that it is played by FFT.
    let long = [ModelConfig::Fir(FirConfig { taps: 2100 })];
    for audio in BOTH {
        for config in networks(64, 16).iter().chain(&long) {
            let controls = if config.takes_controls() { 2 } else { 0 };
            let model = build_for(audio, config, controls, &device);
            let network = model.describe(8000, knobs(&model, controls));
            network.validate().unwrap();
            assert_eq!(network.full().audio_channels, audio, "{config:?}");
            let dry: Vec<Vec<f32>> = (0..audio.dry).map(|c| noise(6000, 5 + c as u32)).collect();
            let mut engine = Engine::new(&network).unwrap();
            engine.prewarm();
            let whole = played(&mut engine, &dry, &[6000]);
            engine.reset();
            engine.prewarm();
            assert_eq!(
                whole,
                played(&mut engine, &dry, &[1, 64, 700, 3]),
                "{config:?}"
            );
            let slices: Vec<&[f32]> = dry.iter().map(Vec::as_slice).collect();
            for threads in [1, 3] {
                let mut player = OfflinePlayer::with_threads(&network, audio.dry, threads).unwrap();
                let mut wet = vec![Vec::new(); player.outputs()];
                player.push(&slices, &mut wet);
                player.finish(&mut wet);
                assert_eq!(wet, whole, "{config:?} on {threads}");
            }
            // By burn, after the same silence.
            let silence = engine.prewarm_samples();
            let past = vec![vec![0.0; silence]; audio.dry];
            let defaults: Vec<f32> = network.full().controls.iter().map(|c| c.default).collect();
            let defaults = model.knobs_before(&defaults, silence as i64);
            let predicted = predict_channels(&model, &device, &defaults, &past, &dry);
            let apart = largest_difference(&whole, &predicted);
            assert!(apart < 2e-5, "{config:?}: {apart}");
            let mut predictor = Predictor::of_channels(&model, &device, &defaults, &past);
            let mut pieces = vec![Vec::new(); 2];
            for from in (0..6000).step_by(1250) {
                let to = (from + 1250).min(6000);
                let block: Vec<&[f32]> = slices.iter().map(|dry| &dry[from..to]).collect();
                predictor.push_channels(&block, &mut pieces);
            }
            predictor.finish_channels(&mut pieces);
            assert_eq!(pieces, predicted, "{config:?}");
            carried(&network, &model, &whole, &slices);
            // A modulated one starts with both sides as one.
            if model.modulated().is_none() {
                assert!(
                    largest_difference(&whole[..1], &whole[1..]) > 1e-3,
                    "{config:?}"
                );
            }
        }
    }
}

/// Safetensors hold it to the last bit; no other format takes it.
fn carried(network: &Network, model: &EffectModel, whole: &[Vec<f32>], dry: &[&[f32]]) {
    assert_eq!(formats::carriers(network), [Format::Safetensors]);
    let bytes = safetensors::write(network, &model.weights(), &serde_json::Map::new()).unwrap();
    let again = formats::read_bytes(&bytes).unwrap().network;
    assert_eq!(again, *network);
    assert_eq!(Engine::play_channels(&again, &[], dry).unwrap(), whole);
    if let Ok(imported) = effigy::models::import(&again, &Device::flex()) {
        assert_eq!(
            imported.model.audio_channels(),
            network.full().audio_channels
        );
    }
}

/// What one effect makes of stereo or mono sound: left is louder and bent, right hears left late.
fn through(dry: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let right = dry.last().unwrap();
    let late = |x: &[f32], n: usize, by: usize| n.checked_sub(by).map_or(0.0, |n| x[n]);
    let left = |n: usize| (1.5 * dry[0][n] - 0.4 * late(right, n, 2)).tanh();
    let other = |n: usize| 0.5 * right[n] + 0.45 * late(&dry[0], n, 3);
    let len = dry[0].len();
    vec![(0..len).map(left).collect(), (0..len).map(other).collect()]
}

fn place(dry_channels: usize, model: &str, more: &str) -> Place {
    let place = Place::new();
    let dry: Vec<Vec<f32>> = (0..dry_channels)
        .map(|c| noise(6000, 1 + c as u32))
        .collect();
    place.wav("wet.wav", through(&dry));
    place.wav("dry.wav", dry);
    place.write(
        "t.toml",
        format!(
            "name = \"t\"\ndevice = \"flex\"\n[data]\nlatency = 0\nstereo = \"joint\"\n\
             [[data.train]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\n\
             [windows]\nwindow_len = 64\nhop = 48\n[model]\n{model}\n\
             [baselines]\nfir_taps = 4\n[training]\nbatch_size = 8\nlearning_rate = 0.01\n{more}\n"
        ),
    );
    place
}

fn side(value: &Value, label: &str, row: usize) -> f64 {
    let sides = value.as_array().unwrap();
    let side = sides.iter().find(|side| side["label"] == label).unwrap();
    side["rows"][row]["esr"].as_f64().unwrap()
}

const TCN: &str = "kind = \"tcn\"\nchannels = 6\nlayers = 2\nkernel_size = 4";

/// From recordings to sound: each side is scored and played as itself, from stereo dry and from mono.
#[test]
fn left_and_right_are_learned_and_played_as_themselves() {
    for dry_channels in [1, 2] {
        let place = place(dry_channels, TCN, "epochs = 60");
        let trained = place
            .effigy(&[
                "-q",
                "train",
                "-c",
                "t.toml",
                "--run",
                "r",
                "--no-report",
                "--json",
            ])
            .json();
        let rows = trained["rows"].as_array().unwrap();
        let names: Vec<&str> = rows
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["tcn", "identity", "gain", "fir-4"], "{names:?}");
        for label in ["left", "right"] {
            let esr = side(&trained["by_pair"], label, 0);
            assert!(esr < 0.02, "{dry_channels} in, {label}: {esr}");
        }
        let config = std::fs::read_to_string(place.path("r/config.toml")).unwrap();
        assert!(
            config.contains(&format!("dry_channels = {dry_channels}")),
            "{config}"
        );
        let scored = place
            .effigy(&[
                "-q",
                "evaluate",
                "-m",
                "r",
                "--dry",
                "dry.wav",
                "--wet",
                "wet.wav",
                "--latency",
                "0",
                "--json",
            ])
            .json();
        assert!(side(&scored["by_side"], "left", 0) < 0.02, "{scored}");
        let said = place.effigy(&["-q", "infer", "-m", "r", "dry.wav", "-o", "out.wav"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let read = |name: &str| {
            decode::read(&place.path(name))
                .unwrap()
                .audio
                .into_channels()
        };
        let (out, wet) = (read("out.wav"), read("wet.wav"));
        let esr = |a: &[f32], b: &[f32]| {
            let energy = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>();
            energy(&mut a.iter().zip(b).map(|(a, b)| a - b)) / energy(&mut b.iter().copied())
        };
        assert_eq!(out.len(), 2);
        for (side, other) in [(0, 1), (1, 0)] {
            assert!(esr(&out[side], &wet[side]) < 0.02);
            assert!(esr(&out[side], &wet[other]) > 0.3);
        }
        // A file of its own, played by the engine and held to burn.
        let exported = place.effigy(&["-q", "export", "-m", "r", "-o", "r.safetensors", "--json"]);
        assert!(
            exported.json()["predicted"]["largest_difference"]
                .as_f64()
                .unwrap()
                < 1e-4
        );
        let said = place.effigy(&[
            "-q",
            "infer",
            "-m",
            "r.safetensors",
            "dry.wav",
            "-o",
            "f.wav",
        ]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        assert_eq!(read("f.wav"), out);
        for name in ["r.nam", "r.aidax", "r.onnx", "r.wav"] {
            let said = place.effigy(&["export", "-m", "r", "-o", name]);
            assert_eq!(said.code, 2, "{name}");
            assert!(said.stderr.contains("stereo effect"), "{}", said.stderr);
            assert!(said.stderr.contains(".safetensors"), "{}", said.stderr);
            assert!(!place.path(name).exists());
        }
        let compared = place
            .effigy(&["-q", "compare", "-m", "r", "--baseline", "fir-4", "--json"])
            .json();
        assert_eq!(compared["by_pair"].as_array().unwrap().len(), 2);
    }
}

/// A sound of channels that the effect does not hear is refused; mono serves both.
#[test]
fn what_cannot_be_played_or_learned_is_said_in_a_sentence() {
    let stereo = place(2, TCN, "epochs = 1");
    let said = stereo.effigy(&["-q", "train", "-c", "t.toml", "--run", "r"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    stereo.wav("mono.wav", vec![noise(500, 9)]);
    stereo.wav(
        "three.wav",
        vec![noise(500, 9), noise(500, 8), noise(500, 7)],
    );
    let said = stereo.effigy(&["-q", "infer", "-m", "r", "mono.wav", "-o", "m.wav"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let said = stereo.effigy(&["infer", "-m", "r", "three.wav", "-o", "x.wav"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("three.wav"), "{}", said.stderr);
    assert!(said.stderr.contains("3 channels"), "{}", said.stderr);
    let mono = place(1, TCN, "epochs = 1");
    let said = mono.effigy(&["-q", "train", "-c", "t.toml", "--run", "r"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let two = vec![noise(500, 9), noise(500, 8)];
    mono.wav("two.wav", two);
    let said = mono.effigy(&["infer", "-m", "r", "two.wav", "-o", "x.wav"]);
    assert!(
        said.code == 2 && said.stderr.contains("mono"),
        "{}",
        said.stderr
    );
    // Networks, tails and wets of one channel.
    let refused = |place: &Place, set: &str, word: &str| {
        let said = place.effigy(&["train", "-c", "t.toml", "--run", "n", "--set", set]);
        assert!(
            said.code == 2 && said.stderr.contains(word),
            "{set}: {}",
            said.stderr
        );
    };
    refused(&stereo, "model={kind=\"conv\"}", "data.stereo");
    refused(&stereo, "model={kind=\"linear\"}", "lstm");
    refused(&stereo, "model.tail.taps=9", "tail");
    refused(&stereo, "training.downward=true", "downward");
    refused(&stereo, "data.train.0.channel=1", "channel");
    refused(&mono, "data.train.0.wet=dry.wav", "two wet channels");
}

/// A run of a stereo effect that is killed goes on to the same bits.
#[test]
fn a_stereo_run_that_is_killed_goes_on_to_the_same_bits() {
    let lstm = "kind = \"lstm\"\nhidden_size = 3\nskip = true\nwarm_up = 16";
    let place = place(1, lstm, "epochs = 6\nschedule = { kind = \"cosine\" }");
    let train = |run: &str| {
        let mut command = place.command();
        command.args([
            "-q",
            "train",
            "-c",
            "t.toml",
            "--no-report",
            "--save-every",
            "0",
            "--run",
        ]);
        command.arg(run);
        command
    };
    assert!(train("whole").status().unwrap().success());
    for kill_after in (40..).step_by(60) {
        let mut command = train("cut");
        if place.path("cut/config.toml").is_file() {
            command.arg("--resume");
        }
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(kill_after));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let voice = |run: &str| {
        let out = format!("{run}.wav");
        let said = place.effigy(&["-q", "infer", "-m", run, "dry.wav", "-o", &out]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        std::fs::read(place.path(&out)).unwrap()
    };
    assert_eq!(voice("cut"), voice("whole"));
}

const HZ: u32 = 11_025;

fn sound(seconds: f64, seed: u64) -> Vec<f32> {
    let signal = "kind = \"plucked-string\"\nlevel_dbfs = -6.0";
    let signal: Signal = toml::from_str(signal).unwrap();
    signals::render(&signal, SampleRate::new(HZ).unwrap(), seconds, seed).unwrap()
}

/// Writes `NAME-dry.wav` and `NAME-wet.wav`.
fn write(place: &Place, name: &str, effect: &str, dry: Vec<Vec<f32>>) {
    let effect: Effect = toml::from_str(effect).unwrap();
    let wet = effect
        .process_channels(&dry, SampleRate::new(HZ).unwrap())
        .unwrap();
    let format = SampleFormat::Float(32);
    place.wav_at(&format!("{name}-wet.wav"), wet, HZ, format);
    place.wav_at(&format!("{name}-dry.wav"), dry, HZ, format);
}

const PING_PONG: &str = "kind = \"ping-pong\"\ndelay_ms = 60.0\nfeedback = 0.4";
const CHORUS: &str = "kind = \"sides\"\n\
     left = { kind = \"chorus\", rate_hz = 0.9, depth_ms = 1.5, delay_ms = 8.0, phase = 0.4 }\n\
     right = { kind = \"chorus\", rate_hz = 0.9, depth_ms = 1.5, delay_ms = 8.0, phase = 2.5 }";
const TONE: &str = "kind = \"low-pass\"\ncutoff_hz = 900.0";

/// `check` tells and `new` writes which of the two a pair needs; what it writes is trained, and both sides
/// of a sound that was never heard are right.
#[test]
fn check_tells_and_new_writes_what_a_pair_needs() {
    let place = Place::new();
    write(&place, "ping", PING_PONG, vec![sound(6.0, 1)]);
    write(&place, "unheard", PING_PONG, vec![sound(3.0, 7)]);
    let new = |name: &str| {
        let [dry, wet] = ["dry", "wet"].map(|side| format!("{name}-{side}.wav"));
        let made = place.effigy(&["-q", "new", name, "--dry", &dry, "--wet", &wet, "--json"]);
        let text = std::fs::read_to_string(place.path(&format!("{name}.toml"))).unwrap();
        (made.json()["check"]["sides"]["joint"] == true, text)
    };
    let (joint, text) = new("ping");
    assert!(joint && text.contains("stereo = \"joint\""), "{text}");
    assert!(text.contains("kind = \"fir\""), "{text}");
    let said = place.effigy(&["-q", "train", "ping.toml", "--run", "r", "--no-report"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let scored = place.effigy(&[
        "-q",
        "evaluate",
        "-m",
        "r",
        "--dry",
        "unheard-dry.wav",
        "--wet",
        "unheard-wet.wav",
        "--latency",
        "0",
        "--json",
    ]);
    let scored = scored.json();
    for label in ["left", "right"] {
        let esr = side(&scored["by_side"], label, 0);
        assert!(esr < 0.01, "{label}: {esr}");
    }
    write(&place, "amp", TONE, vec![sound(5.0, 1), sound(5.0, 2)]);
    let (joint, text) = new("amp");
    assert!(!joint && !text.contains("stereo"), "{text}");
    // Beside a pair of one effect a wet of one channel cannot be learned from.
    let mono = place.wav("mono.wav", vec![sound(3.0, 3)]);
    let mono = mono.to_str().unwrap();
    let refused = place.effigy(&[
        "-q",
        "new",
        "mixed",
        "--dry",
        "ping-dry.wav",
        "--wet",
        "ping-wet.wav",
        "--dry",
        mono,
        "--wet",
        mono,
    ]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("mono.wav has one channel"),
        "{}",
        refused.stderr
    );
    assert!(!place.path("mixed.toml").exists());
}

/// One oscillator, a phase for each side: found, scored on a sound that begins elsewhere, played and
/// carried.
#[test]
fn a_stereo_chorus_has_a_phase_for_each_side() {
    let place = Place::new();
    write(&place, "a", CHORUS, vec![sound(5.0, 1)]);
    let other = CHORUS.replace("0.4 }", "3.4 }").replace("2.5 }", "5.5 }");
    write(&place, "b", &other, vec![sound(5.0, 5)]);
    place.write(
        "t.toml",
        "name = \"t\"\n[data]\nlatency = 0\nstereo = \"joint\"\n\
         [[data.train]]\ndry = \"a-dry.wav\"\nwet = \"a-wet.wav\"\n\
         [[data.valid]]\ndry = \"b-dry.wav\"\nwet = \"b-wet.wav\"\nto = 2.5\n\
         [[data.test]]\ndry = \"b-dry.wav\"\nwet = \"b-wet.wav\"\nfrom = 2.5\n\
         [windows]\nwindow_len = 4096\nhop = 4096\n[model]\nkind = \"modulated\"\npart = \"delay\"\nharmonics = 2\ntaps = 24\n\
         [baselines]\nfir_taps = 16\n[training]\nepochs = 1\n",
    );
    let trained = place
        .effigy(&[
            "-q",
            "train",
            "t.toml",
            "--run",
            "r",
            "--no-report",
            "--json",
        ])
        .json();
    for label in ["left", "right"] {
        let esr = side(&trained["by_pair"], label, 0);
        assert!(esr < 0.01, "{label}: {esr}");
    }
    let said = place.effigy(&["-q", "export", "-m", "r", "-o", "r.safetensors", "--json"]);
    assert!(
        said.json()["verified"]["largest_difference"]
            .as_f64()
            .unwrap()
            < 1e-6
    );
    let network = formats::read(&place.path("r.safetensors")).unwrap().network;
    let text = serde_json::to_value(&network).unwrap();
    let right = &text["architecture"]["layers"][0]["with"]["branches"][1][0];
    let ahead = right["with"]["ahead"].as_f64().unwrap();
    assert!((ahead - 2.1).abs() < 0.05, "{ahead}");
}
