//! From a trained network to a model file and back: what `export` lets pass plays like the
//! network, wherever it is played.

use crate::golden;
use crate::networks::{knob_networks, seed_networks};
use crate::random_networks::Dice;
use crate::support::{Place, config, noise};
use burn::prelude::Device;
use effigy::audio::{SampleFormat, decode};
use effigy::commands::export::{self, Outcome, Request};
use effigy::commands::infer;
use effigy::commands::inspect;
use effigy::config::{
    Activation, Config, MetadataConfig, ModelConfig, RecurrentConfig, WaveNetArray, WaveNetConfig,
    WaveNetPreset, WindowConfig,
};
use effigy::files::checksums::Checksums;
use effigy::formats::{self, Format, safetensors};
use effigy::models::predict::predict;
use effigy::models::{self, EffectModel};
use effigy::network::{Architecture, Network};
use effigy::playing::instrument::ENGINE;
use effigy::playing::playable::{Playable, sized};
use effigy::progress::Silent;
use effigy::training::run_dir::RunDir;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const KNOB: &str = "controls = { gain = 0.3 }\n";

/// The config of a run of `model` that learned at `hz`, from one pair with or without a knob.
fn run_config(model: &ModelConfig, hz: u32, knobs: bool) -> Config {
    let text = config("kind = \"conv\"", "");
    let text = text.replace(
        "latency = 0\n",
        &format!("latency = 7\nsample_rate = {hz}\n"),
    );
    let knob = if knobs { KNOB } else { "" };
    let text = text.replace("wet.wav\"\n", &format!("wet.wav\"\n{knob}"));
    let mut config: Config = toml::from_str(&text).unwrap();
    config.windows = WindowConfig {
        window_len: 32,
        hop: 16,
        per_epoch: None,
    };
    config.model = model.clone();
    config
}

/// A run's folder as training leaves it, with a network that was never trained.
fn run(place: &Place, name: &str, config: &Config) -> (PathBuf, EffectModel) {
    let knobs = config.data.knobs().len();
    let device = Device::flex();
    let model = models::build(&config.model, &config.windows, knobs, 5, &device);
    let path = place.path(name);
    let folder = RunDir::create(&path, config, &Checksums::default()).unwrap();
    folder.save_best(&model).unwrap();
    (path, model)
}

fn every_network() -> Vec<ModelConfig> {
    [seed_networks(), knob_networks(64, 16)].concat()
}

fn to(model: &Path, format: Format, output: PathBuf) -> Request {
    Request {
        model: model.to_path_buf(),
        format: Some(format),
        output,
        ..Request::default()
    }
}

fn exported(request: &Request) -> Result<Outcome, String> {
    export::export(request, &Silent).map_err(|e| format!("{e:#}"))
}

fn infer_with(model: &Path, device: &str, input: &Path, output: &Path) -> Vec<Vec<f32>> {
    let request = infer::Request {
        model: model.to_path_buf(),
        inputs: vec![input.to_path_buf()],
        output: output.to_path_buf(),
        format: Some(SampleFormat::Float(32)),
        block: 1000,
        device: device.into(),
        size: None,
        silence_not_finite: false,
        controls: Vec::new(),
        phase: None,
        rate: None,
        depth: None,
        second_phase: None,
    };
    infer::infer(&request, &Silent).unwrap_or_else(|e| panic!("{}: {e:#}", model.display()));
    decode::read(output).unwrap().audio.into_channels()
}

fn largest(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a
        .iter()
        .zip(b)
        .inspect(|(a, b)| assert_eq!(a.len(), b.len()));
    let samples = pairs.flat_map(|(a, b)| a.iter().zip(b));
    samples.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The formats that must carry each kind, at its right rate.
fn carriers(model: &ModelConfig, knobs: bool) -> Vec<Format> {
    let front = match model {
        ModelConfig::Lstm(r) | ModelConfig::Gru(r) => r.front.is_some(),
        _ => false,
    };
    let shortcut = match model {
        ModelConfig::Lstm(r) | ModelConfig::Gru(r) => r.skip || r.gain,
        _ => false,
    };
    let one_layer = match model {
        ModelConfig::Lstm(r) | ModelConfig::Gru(r) => {
            r.layers == 1 && r.hidden_size == 40 && !r.gain
        }
        _ => false,
    };
    let mut formats = Vec::new();
    let nam = match model {
        ModelConfig::WaveNet(_) => true,
        ModelConfig::Lstm(_) => !shortcut && !front,
        ModelConfig::Fir(_) => true,
        _ => false,
    };
    if nam && !knobs {
        formats.push(Format::Nam);
        // Of a network of two sizes it would hold one.
        if !matches!(model, ModelConfig::WaveNet(net) if net.preset == Some(WaveNetPreset::A2)) {
            formats.push(Format::Namb);
        }
    }
    let sequence = matches!(
        model,
        ModelConfig::Conv(_)
            | ModelConfig::ConvTied(_)
            | ModelConfig::ConvNoMiddle(_)
            | ModelConfig::ConvDenseMiddle(_)
            | ModelConfig::Lstm(_)
            | ModelConfig::Gru(_)
            | ModelConfig::Fir(_)
    );
    if sequence && !shortcut {
        formats.push(Format::RtNeural);
    }
    if one_layer {
        formats.extend([Format::AidaX, Format::Proteus]);
    }
    formats.push(Format::Safetensors);
    formats
}

fn forty_units(unit: fn(RecurrentConfig) -> ModelConfig, skip: bool) -> ModelConfig {
    unit(RecurrentConfig {
        hidden_size: 40,
        skip,
        warm_up: 16,
        ..RecurrentConfig::default()
    })
}

#[test]
fn every_network_and_format_plays_like_the_network_or_is_refused() {
    let recurrent = [
        forty_units(ModelConfig::Lstm, true),
        forty_units(ModelConfig::Gru, false),
    ];
    let tanh = WaveNetConfig {
        preset: Some(WaveNetPreset::A1Nano),
        ..WaveNetConfig::default()
    };
    let plain = RecurrentConfig {
        hidden_size: 5,
        layers: 2,
        skip: false,
        ..RecurrentConfig::default()
    };
    let gain = RecurrentConfig {
        hidden_size: 40,
        skip: false,
        gain: true,
        ..RecurrentConfig::default()
    };
    let more = [
        ModelConfig::WaveNet(tanh),
        ModelConfig::Lstm(plain),
        ModelConfig::Gru(gain),
    ];
    for model in [every_network(), recurrent.to_vec(), more.to_vec()].concat() {
        for knobs in [false, true] {
            if knobs && !model.takes_controls() {
                continue;
            }
            let place = Place::new();
            let wanted = carriers(&model, knobs);
            let hz = if wanted.contains(&Format::Proteus) {
                44_100
            } else {
                8000
            };
            let (folder, _) = run(&place, "r", &run_config(&model, hz, knobs));
            for format in Format::ALL {
                let output = place.path(&format!("{format}.{}", format.extensions()[0]));
                let found = exported(&to(&folder, format, output.clone()));
                let what = format!("{model:?} as {format}, knobs {knobs}: {found:?}");
                match found {
                    Ok(outcome) => {
                        assert!(wanted.contains(&format), "{what}");
                        let predicted = outcome.predicted.unwrap();
                        let allowed = 1e-5 * predicted.peak.max(1.0);
                        assert!(outcome.verified.largest_difference <= allowed, "{what}");
                        assert!(predicted.largest_difference <= allowed, "{what}");
                        assert!(predicted.peak > 1e-4, "{what}");
                    }
                    Err(error) => {
                        assert!(!wanted.contains(&format), "{what}");
                        let others: Vec<String> = wanted.iter().map(Format::to_string).collect();
                        let others = format!("formats that can: {}", others.join(", "));
                        assert!(error.ends_with(&others), "{what}");
                        assert!(!output.exists(), "{what}");
                    }
                }
            }
            // Neither scratch files nor anything else stay behind.
            let mut files = place.files();
            files.retain(|file| !file.starts_with("r/"));
            // A file and its card each.
            assert_eq!(files.len(), 2 * wanted.len(), "{files:?}");
        }
    }
}

#[test]
fn the_engine_plays_what_burn_predicts_for_every_network() {
    for model in every_network() {
        let place = Place::new();
        let (folder, _) = run(
            &place,
            "r",
            &run_config(&model, 8000, model.takes_controls()),
        );
        // Two channels, and a length that no grid divides.
        let input = place.wav("in.wav", vec![noise(9001, 3), noise(9001, 4)]);
        let burn = infer_with(&folder, "flex", &input, &place.path("burn.wav"));
        let engine = infer_with(&folder, ENGINE, &input, &place.path("engine.wav"));
        let difference = largest(&burn, &engine);
        assert!(difference <= 1e-5, "{model:?}: {difference:e}");
        assert_ne!(burn[0], burn[1], "{model:?}");
    }
}

#[test]
fn an_exported_file_is_played_inspected_and_converted_like_its_run() {
    let place = Place::new();
    let model = forty_units(ModelConfig::Lstm, false);
    let (folder, _) = run(&place, "r", &run_config(&model, 44_100, false));
    let input = place.wav_at(
        "in.wav",
        vec![noise(30_000, 3)],
        44_100,
        SampleFormat::Float(32),
    );
    let wanted = infer_with(&folder, ENGINE, &input, &place.path("run.wav"));
    let mut from = folder;
    // Each file is made from the one before: .nam stores a state, the others do not.
    for (format, name) in [
        (Format::Nam, "a.nam"),
        (Format::Namb, "a.namb"),
        (Format::AidaX, "b.aidax"),
        (Format::Safetensors, "c.safetensors"),
        (Format::Proteus, "d.json"),
        (Format::RtNeural, "e.json"),
    ] {
        let output = place.path(name);
        exported(&to(&from, format, output.clone())).unwrap();
        let found = infer_with(&output, ENGINE, &input, &place.path("file.wav"));
        let difference = largest(&wanted, &found);
        assert!(difference <= 1e-5, "{name}: {difference:e}");
        let burn = infer_with(&output, "flex", &input, &place.path("file.wav"));
        let difference = largest(&wanted, &burn);
        assert!(difference <= 1e-5, "{name} on burn: {difference:e}");
        let request = inspect::Request {
            file: output.clone(),
            no_measure: true,
            probe: false,
            parameters: false,
        };
        let facts = inspect::inspect(&request, &Silent).unwrap();
        assert_eq!(facts.format, Some(format));
        assert!(
            facts.parameters.iter().any(|p| p.name == "head.weight"),
            "{name}"
        );
        if format == Format::AidaX {
            assert_eq!(facts.self_test_difference, Some(0.0));
        }
        from = output;
    }
}

#[test]
fn inspect_knows_a_run() {
    let place = Place::new();
    let model = forty_units(ModelConfig::Gru, true);
    let (folder, built) = run(&place, "r", &run_config(&model, 44_100, true));
    let request = inspect::Request {
        file: folder,
        no_measure: true,
        probe: false,
        parameters: false,
    };
    let outcome = inspect::inspect(&request, &Silent).unwrap();
    let facts = outcome.run.unwrap();
    assert_eq!((facts.name.as_str(), facts.model.as_str()), ("t", "gru"));
    assert_eq!(outcome.format, None);
    assert_eq!(outcome.networks[0].sample_rate, 44_100);
    assert_eq!(outcome.networks[0].controls[0].name, "gain");
    let names: Vec<String> = outcome.parameters.into_iter().map(|p| p.name).collect();
    let frozen: Vec<String> = models::parameters(&built)
        .into_iter()
        .map(|p| p.path)
        .collect();
    assert_eq!(names, frozen);
}

#[test]
fn metadata_comes_from_flags_then_the_config_then_the_run() {
    let place = Place::new();
    let mut config = run_config(&forty_units(ModelConfig::Lstm, false), 48_000, false);
    config.metadata = MetadataConfig {
        modeled_by: Some("config".into()),
        gear_type: Some("pedal".into()),
        input_level_dbu: Some(12.5),
        ..MetadataConfig::default()
    };
    let (folder, _) = run(&place, "r", &config);
    let output = place.path("a.nam");
    let request = Request {
        metadata: MetadataConfig {
            modeled_by: Some("flag".into()),
            tone_type: Some("clean".into()),
            ..MetadataConfig::default()
        },
        ..to(&folder, Format::Nam, output.clone())
    };
    let outcome = exported(&request).unwrap();
    let about = formats::read(&output).unwrap().metadata;
    assert_eq!(about, outcome.metadata);
    for (key, value) in [
        ("name", Value::from("t")),
        ("modeled_by", "flag".into()),
        ("gear_type", "pedal".into()),
        ("tone_type", "clean".into()),
        ("input_level_dbu", 12.5.into()),
    ] {
        assert_eq!(about[key], value, "{key}");
    }
    assert_eq!(about["training"]["data"]["latency"]["manual"], 7);
    assert!(about["date"]["year"].as_i64().unwrap() > 2020);
    assert!(about["loudness"].is_f64() && about["gain"].is_f64());
    assert!(!about.contains_key("gear_make"));

    // In the words of AIDA-X, from the .nam file.
    let aidax = place.path("a.aidax");
    exported(&to(&output, Format::AidaX, aidax.clone())).unwrap();
    let about = formats::read(&aidax).unwrap().metadata;
    assert_eq!(
        (&about["author"], &about["style"], &about["samplerate"]),
        (&"flag".into(), &"clean".into(), &"48000".into())
    );

    let unknown = Request {
        metadata: MetadataConfig {
            gear_type: Some("spoon".into()),
            ..MetadataConfig::default()
        },
        ..request
    };
    let error = exported(&unknown).unwrap_err();
    assert!(
        error.contains("metadata.gear_type is spoon; allowed: amp, pedal"),
        "{error}"
    );
}

#[test]
fn endings_and_inputs_are_guarded() {
    let place = Place::new();
    let (folder, _) = run(
        &place,
        "r",
        &run_config(&forty_units(ModelConfig::Lstm, false), 48_000, false),
    );
    let with = |format, name: &str| {
        let mut request = to(&folder, Format::Nam, place.path(name));
        request.format = format;
        exported(&request)
    };
    let error = with(Some(Format::Nam), "a.json").unwrap_err();
    assert!(
        error.contains("players of nam files look for names that end in .nam"),
        "{error}"
    );
    let error = with(None, "a.json").unwrap_err();
    assert!(
        error.contains("add --format aidax, rtneural or proteus"),
        "{error}"
    );
    assert!(with(None, "a").unwrap_err().contains("names no format"));
    assert_eq!(with(None, "a.NAM").unwrap().format, Format::Nam);
    let error = exported(&to(&place.path("a.NAM"), Format::Nam, place.path("a.NAM"))).unwrap_err();
    assert!(error.contains("is the model itself"), "{error}");
    let error = exported(&to(&place.path("none"), Format::Nam, place.path("b.nam"))).unwrap_err();
    assert!(error.contains("no such run or model file"), "{error}");
    let error = exported(&to(&folder, Format::Proteus, place.path("b.json"))).unwrap_err();
    assert!(
        error.contains("runs at 44100 Hz, this network at 48000; formats"),
        "{error}"
    );
}

#[test]
fn the_command_exports_and_says_what_it_checked() {
    let place = Place::new();
    run(
        &place,
        "r",
        &run_config(&forty_units(ModelConfig::Lstm, false), 44_100, false),
    );
    let said = place.effigy(&[
        "export", "-m", "r", "-o", "x.nam", "--name", "A name", "--json",
    ]);
    let outcome = said.json();
    assert!(
        said.stderr.contains("players of nam files expect 48000 Hz"),
        "{}",
        said.stderr
    );
    assert_eq!(outcome["format"], "nam");
    assert_eq!(outcome["metadata"]["name"], "A name");
    assert!(outcome["predicted"]["largest_difference"].as_f64().unwrap() <= 1e-5);
    let said = place.effigy(&["inspect", "r", "--no-measure", "--parameters"]);
    assert!(said.stdout.contains("head.bias"), "{}", said.stdout);
}

/// A random network of the kinds that can be read back into training.
fn random_config(dice: &mut Dice) -> ModelConfig {
    let hidden_size = dice.size(12);
    let layers = dice.size(3);
    let recurrent = RecurrentConfig {
        hidden_size,
        layers,
        skip: dice.chance(0.5),
        ..RecurrentConfig::default()
    };
    match dice.size(3) {
        1 => ModelConfig::Lstm(recurrent),
        2 => ModelConfig::Gru(recurrent),
        _ => ModelConfig::WaveNet(random_wavenet(dice)),
    }
}

fn random_wavenet(dice: &mut Dice) -> WaveNetConfig {
    let count = dice.size(3);
    let widths: Vec<usize> = (0..count).map(|_| dice.size(9)).collect();
    let array = |index: usize, dice: &mut Dice| {
        let layers = dice.size(4);
        let gated = dice.chance(0.4);
        let mut activations = vec![
            Activation::Tanh,
            Activation::Relu,
            Activation::LeakyRelu { slope: 0.01 },
            Activation::Sigmoid,
            Activation::Silu,
            Activation::HardSwish,
            Activation::HardTanh,
            Activation::Softsign,
            Activation::Identity,
        ];
        if !gated {
            activations.push(Activation::PRelu);
        }
        WaveNetArray {
            channels: widths[index],
            kernel_size: 3,
            kernel_sizes: (0..layers).map(|_| dice.size(6)).collect(),
            dilations: (0..layers).map(|_| dice.size(40)).collect(),
            activation: dice.pick(&activations),
            gated,
            head_size: widths.get(index + 1).copied().unwrap_or(1),
            head_kernel_size: dice.size(4),
            head_bias: dice.chance(0.5),
        }
    };
    WaveNetConfig {
        preset: None,
        head_scale: Some(0.3),
        arrays: (0..count).map(|index| array(index, dice)).collect(),
        ..WaveNetConfig::default()
    }
}

#[test]
fn random_networks_survive_every_format_that_carries_them() {
    let device = Device::flex();
    let dry = noise(3000, 8);
    let (mut nam, mut rtneural) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let config = random_config(&mut dice);
        let windows = WindowConfig::default();
        let model = models::build(&config, &windows, 0, seed, &device);
        let described = model.describe(48_000, Vec::new());
        // What was described can be trained on, as the same network.
        let imported =
            models::import(&described, &device).unwrap_or_else(|e| panic!("{config:?}: {e}"));
        assert_eq!(imported.config.kind(), config.kind());
        assert_eq!(imported.model.weights(), model.weights(), "{config:?}");
        let silence = vec![0.0; 24_000];
        let wanted = predict(&model, &device, &[], &silence, &dry);
        for format in formats::carriers(&described) {
            let bytes = match format {
                Format::Nam => {
                    nam += 1;
                    let settled = formats::nam::settled(&described);
                    formats::nam::write(&settled, &Default::default())
                        .unwrap()
                        .into_bytes()
                }
                Format::Namb => {
                    let settled = formats::nam::settled(&described);
                    formats::namb::write(&settled, &Default::default()).unwrap()
                }
                Format::RtNeural => {
                    rtneural += 1;
                    formats::rtneural::write(&described).unwrap().into_bytes()
                }
                Format::Safetensors => {
                    let about = serde_json::Map::new();
                    safetensors::write(&described, &model.weights(), &about).unwrap()
                }
                // Their sizes are few; they are tried one by one elsewhere.
                Format::AidaX | Format::Proteus | Format::Ir => continue,
            };
            let read = formats::read_bytes(&bytes).unwrap().network;
            let found = played(&read, &dry);
            let agreement = formats::agree::<std::fmt::Error>(&wanted, &found, &found, 1e-5);
            agreement.unwrap_or_else(|e| panic!("seed {seed}, {format}, {config:?}: {e}"));
        }
    }
    assert!(nam > 10 && rtneural > 10, "{nam} {rtneural}");
}

fn played(network: &Network, dry: &[f32]) -> Vec<f32> {
    let mut engine = effigy::engine::Engine::new(network).unwrap();
    engine.prewarm();
    let mut output = vec![0.0; dry.len()];
    engine.process(dry, &mut output);
    output
}

#[test]
fn safetensors_hold_every_number_once_under_the_names_of_training() {
    let device = Device::flex();
    let windows = WindowConfig {
        window_len: 32,
        hop: 16,
        per_epoch: None,
    };
    for config in every_network() {
        let model = models::build(&config, &windows, 0, 3, &device);
        let network = model.describe(44_100, Vec::new());
        let bytes = safetensors::write(&network, &model.weights(), &Default::default()).unwrap();
        // As the format's own definition reads it.
        let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(len % 8, 0);
        let header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            let at = |i: usize| entry["data_offsets"][i].as_u64().unwrap();
            let shape = entry["shape"].as_array().unwrap();
            let count: u64 = shape.iter().map(|n| n.as_u64().unwrap()).product();
            assert_eq!(at(1) - at(0), 4 * count, "{name}");
            spans.push((at(0), at(1)));
        }
        spans.sort_unstable();
        assert_eq!(spans[0].0, 0);
        assert!(spans.windows(2).all(|s| s[0].1 == s[1].0), "{spans:?}");
        assert_eq!(spans.last().unwrap().1 as usize, bytes.len() - 8 - len);
        let read = formats::read_bytes(&bytes).unwrap();
        assert_eq!(read.network, network, "{config:?}");
        for weights in model.weights() {
            assert!(
                read.tensors.contains(&weights),
                "{config:?}: {}",
                weights.name
            );
        }
        let other = models::build(&config, &windows, 0, 4, &device);
        assert_ne!(other.weights(), model.weights());
        assert_eq!(
            other.with_weights(model.weights()).unwrap().weights(),
            model.weights()
        );
    }
}

#[test]
fn a_capture_in_two_sizes_becomes_one_container() {
    let place = Place::new();
    let model: ModelConfig = toml::from_str("kind = \"wavenet\"\npreset = \"a2\"").unwrap();
    let (folder, built) = run(&place, "r", &run_config(&model, 48_000, false));
    assert_eq!(built.sizes().len(), 2);
    let output = place.path("a2.nam");
    let outcome = exported(&to(&folder, Format::Nam, output.clone())).unwrap();
    assert_eq!(outcome.weights, 1_871 + 12_146);
    assert!(outcome.predicted.unwrap().largest_difference <= 1e-5);
    let file: Value = serde_json::from_slice(&std::fs::read(&output).unwrap()).unwrap();
    assert_eq!(
        (&file["version"], &file["architecture"]),
        (&"0.7.0".into(), &"SlimmableContainer".into())
    );
    let submodels = file["config"]["submodels"].as_array().unwrap();
    assert_eq!(
        (&submodels[0]["max_value"], &submodels[1]["max_value"]),
        (&0.5.into(), &1.0.into())
    );
    assert_eq!(
        submodels[1]["model"]["metadata"]["loudness"],
        file["metadata"]["loudness"]
    );
    assert!(submodels[0]["model"]["metadata"]["gain"].is_f64());
    for submodel in submodels {
        let layers = &submodel["model"]["config"]["layers"][0];
        let channels = &layers["channels"];
        assert_eq!(&layers["bottleneck"], channels);
        assert_eq!(layers["activation"].as_array().unwrap().len(), 23);
        assert_eq!(
            layers["layer1x1"],
            serde_json::json!({ "active": true, "groups": 1 })
        );
        assert_eq!(
            layers["head"],
            serde_json::json!({ "out_channels": 1, "kernel_size": 16, "bias": true })
        );
        assert!(layers["slimmable"].is_null() && submodel["model"]["config"]["head"].is_null());
    }
    let theirs = golden::json("captures/a2.nam");
    let keys = |v: &Value| -> Vec<String> { v.as_object().unwrap().keys().cloned().collect() };
    let layers =
        |v: &Value, i: usize| v["config"]["submodels"][i]["model"]["config"]["layers"][0].clone();
    for i in 0..2 {
        assert_eq!(keys(&layers(&file, i)), keys(&layers(&theirs, i)));
    }
    // Both sizes play, and can be trained again.
    let mut sizes = Vec::new();
    for size in [0.2, 1.0] {
        let network = Playable::open(&output).unwrap().network().unwrap();
        sizes.push(sized(&network, size).unwrap().weight_count());
    }
    assert_eq!(sizes, [1_871, 12_146]);
    let network = formats::read(&output).unwrap().network;
    let imported = models::import(&network, &Device::flex()).unwrap();
    assert_eq!(imported.model.weights(), built.weights());
    let ModelConfig::WaveNet(config) = imported.config else {
        panic!()
    };
    assert_eq!(config.preset, Some(WaveNetPreset::A2));
}

#[test]
fn every_capture_that_can_be_trained_is_the_same_network_in_training() {
    let device = Device::flex();
    for (file, trainable) in [
        ("captures/a1_standard.nam", true),
        ("captures/identity_wavenet.nam", true),
        ("captures/a2.nam", true),
        ("captures/lstm.nam", true),
        ("captures/linear.nam", false),
    ] {
        let network = formats::read(&golden::file(file)).unwrap().network;
        let imported = models::import(&network, &device);
        assert_eq!(imported.is_ok(), trainable, "{file}: {imported:?}");
        let Ok(imported) = imported else { continue };
        let dry = noise(8000, 3);
        let silence = vec![0.0; 24_000];
        let past: &[f32] = match network.receptive_field() {
            Some(_) => &[],
            None => &silence,
        };
        let predicted = predict(&imported.model, &device, &[], past, &dry);
        let found = played(&network, &dry);
        let agreement = formats::agree::<std::fmt::Error>(&predicted, &found, &found, 1e-5);
        agreement.unwrap_or_else(|e| panic!("{file}: {e}"));
        let described = imported.model.describe(network.sample_rate, Vec::new());
        if let Architecture::WaveNet(_) = network.architecture {
            assert_eq!(described.architecture, network.architecture, "{file}");
        }
    }
}
