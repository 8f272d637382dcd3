//! Model files: what is read is right, what is written plays like its network, and nothing a
//! file says can hurt.

use crate::engine::allocations;
use crate::golden;
use crate::oracle;
use crate::random_networks::{Dice, with_controls};
use effigy::calendar::Date;
use effigy::commands::inspect;
use effigy::config::MetadataConfig;
use effigy::engine::{Engine, EngineError};
use effigy::formats::{
    self, Format, FormatError, SelfTest, aidax, nam, proteus, rtneural, safetensors,
};
use effigy::network::*;
use effigy::progress::Silent;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn play(network: &Network, input: &[f32]) -> Result<Vec<f32>, EngineError> {
    let mut engine = Engine::new(network)?;
    engine.prewarm();
    let mut output = vec![0.0; input.len()];
    engine.process(input, &mut output);
    Ok(output)
}

/// From the initial state.
pub fn play_cold(network: &Network, input: &[f32]) -> Vec<f32> {
    let mut engine = Engine::new(network).unwrap();
    let mut output = vec![0.0; input.len()];
    engine.process(input, &mut output);
    output
}

pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn presets_have_the_fields_weight_counts_and_receptive_fields() {
    let files = [
        ("captures/a1_standard.nam", 13_802, 4093, 13_320),
        ("captures/a2.nam", 1_871 + 12_146, 6347, 11_776),
    ];
    for (file, weights, receptive_field, macs) in files {
        let network = formats::read(&golden::file(file)).unwrap().network;
        assert_eq!(network.weight_count(), weights, "{file}");
        assert_eq!(network.receptive_field(), Some(receptive_field), "{file}");
        assert_eq!(network.macs_per_sample(), macs, "{file}");
    }
    // LSTM: units × layers → weights in the file.
    for (units, layers, weights) in [(24, 1, 2569), (8, 2, 905), (16, 1, 1201), (12, 1, 709)] {
        let mut dice = Dice::new(0);
        let mut stack = Vec::new();
        for i in 0..layers {
            stack.push(Layer::Lstm(dice.lstm(
                if i == 0 { 1 } else { units },
                units,
                true,
            )));
        }
        stack.push(Layer::Conv1d(dice.conv(units, 1, 1, 1)));
        let network = crate::random_networks::sequential(1, stack);
        assert_eq!(network.weight_count(), weights);
    }
}

#[test]
fn a_capture_carries_its_own_check_value() {
    let signal = golden::array("captures/input.npy").singles();
    for file in [
        "captures/a1_standard.nam",
        "captures/gated.nam",
        "captures/film.nam",
        "captures/grouped.nam",
        "captures/head.nam",
        "captures/a2.nam",
    ] {
        check_value(file, &golden::json(file), &signal);
    }
}

/// Loudness and gain of each model in a file, measured on `signal`, are those it carries.
pub fn check_value(file: &str, value: &Value, signal: &[f32]) {
    for model in models(value) {
        let read = formats::read_bytes(model.to_string().as_bytes()).unwrap();
        let about = |key: &str| read.metadata[key].as_f64().unwrap();
        let found = nam::loudness(signal, |x| play(&read.network, x)).unwrap();
        let stored = about("loudness");
        assert!(
            (found - stored).abs() < 1e-4,
            "{file}: {found} dB for {stored}"
        );
        let found = nam::gain(signal, |x| play(&read.network, x)).unwrap();
        // Eleven levels, each as good as the loudness (1e-4 dB is 1.2e-5), over a range of half
        // their sum.
        let stored = about("gain");
        assert!(
            (found - stored).abs() < 1e-4,
            "{file}: gain {found} for {stored}"
        );
    }
}

/// The model in a file, or each of a container's.
fn models(file: &Value) -> Vec<&Value> {
    match file["config"]["submodels"].as_array() {
        Some(submodels) => submodels.iter().map(|s| &s["model"]).collect(),
        None => vec![file],
    }
}

/// RTNeural, AIDA-X and CoreAudioML files against their layers' definitions.
#[test]
fn layers_one_after_another_are_their_definitions() {
    let input = golden::array("sequences/input.npy").singles();
    for (name, format) in [
        ("sequences/stack", Format::RtNeural),
        ("sequences/lstm", Format::RtNeural),
        ("sequences/gru", Format::RtNeural),
        ("sequences/aidax", Format::AidaX),
        ("sequences/proteus_lstm", Format::Proteus),
        ("sequences/proteus_gru", Format::Proteus),
    ] {
        let model = formats::read(&golden::file(&format!("{name}.json"))).unwrap();
        assert_eq!(model.format, format, "{name}");
        let expected = golden::array(&format!("{name}.npy")).singles();
        let difference = largest_difference(&play_cold(&model.network, &input), &expected);
        assert!(difference <= 1e-6, "{name}: {difference:e}");
    }
    // A second input is a knob.
    let model = formats::read(&golden::file("sequences/aidax_knob.json")).unwrap();
    let mut engine = Engine::new(&model.network).unwrap();
    engine.set_controls(&[0.25]).unwrap();
    let mut output = vec![0.0; input.len()];
    engine.process(&input, &mut output);
    let expected = golden::array("sequences/aidax_knob.npy").singles();
    let difference = largest_difference(&output, &expected);
    assert!(difference <= 1e-6, "{difference:e}");
}

#[test]
fn an_aidax_file_passes_its_own_test() {
    passes_its_own_test(&golden::file("sequences/aidax.json"), "a script");
}

/// An AIDA-X file by `author` plays its test vectors; written again, it is the same network with
/// the same test.
pub fn passes_its_own_test(path: &Path, author: &str) {
    let model = formats::read(path).unwrap();
    assert_eq!(
        (model.format, model.network.sample_rate),
        (Format::AidaX, 48_000)
    );
    assert_eq!(model.metadata["author"], author);
    let test = model.self_test.unwrap();
    assert_eq!(test.input.len(), 2048);
    let plain = aidax::without_gains(&model.network).unwrap();
    let output = play_cold(&plain, &test.input);
    let difference = largest_difference(&output, &test.output);
    assert!(difference <= 1e-6, "{difference:e}");
    let test = SelfTest { output, ..test };
    let text = aidax::write(&model.network, &aidax::Metadata::default(), &test).unwrap();
    let again = formats::read_bytes(text.as_bytes()).unwrap();
    assert_eq!(again.network, model.network);
    assert_eq!(again.self_test, Some(test));
}

/// Writes, reads, and holds the read network to the written one.
fn round_trip(
    network: &Network,
    format: Format,
    write: impl Fn(&Network) -> Result<String, FormatError>,
) {
    let text = write(network).unwrap();
    let read = formats::read_bytes(text.as_bytes()).unwrap();
    assert_eq!(read.format, format);
    assert_eq!(read.network.controls.len(), network.controls.len());
    let agreement = formats::verify(network, &read.network, play).unwrap();
    assert!(
        agreement.peak > 1e-6,
        "{format}: the test signal left the network silent"
    );
    // Read again from what it writes itself, it must not change any more.
    let again = formats::read_bytes(write(&read.network).unwrap().as_bytes()).unwrap();
    assert_eq!(again.network, read.network, "{format}");
}

fn write_nam(network: &Network) -> Result<String, FormatError> {
    nam::write(network, &nam::Metadata::default())
}

fn write_aidax(network: &Network) -> Result<String, FormatError> {
    let input = Dice::new(0).audio(2048);
    let output = play_cold(&aidax::without_gains(network)?, &input);
    aidax::write(
        network,
        &aidax::Metadata::default(),
        &SelfTest { input, output },
    )
}

#[test]
fn written_files_play_like_their_networks() {
    for seed in 0..12 {
        let mut dice = Dice::new(seed);
        let networks = [
            dice.plain_wavenet(),
            dice.full_wavenet(),
            dice.stacked_lstm(),
            dice.convnet(),
            dice.linear(),
        ];
        for network in &networks {
            round_trip(network, Format::Nam, write_nam);
        }
        let sizes = [dice.plain_wavenet(), dice.full_wavenet()];
        let submodels = sizes.map(Box::new).into_iter().zip([0.5, 1.0]);
        let submodels = submodels
            .map(|(network, max_value)| Submodel { max_value, network })
            .collect();
        let container = Architecture::Slimmable(Slimmable { submodels });
        round_trip(&Network::new(container, 48_000), Format::Nam, write_nam);
        round_trip(&dice.rtneural(), Format::RtNeural, rtneural::write);
        let (units, inputs) = (dice.pick(&[8, 12, 24, 40, 80]), dice.size(3));
        let skip = dice.chance(0.5);
        round_trip(
            &dice.recurrent(units, inputs, skip),
            Format::AidaX,
            write_aidax,
        );
        let (inputs, skip) = (dice.size(2), dice.chance(0.5));
        let proteus = Network {
            sample_rate: 44_100,
            ..dice.recurrent(40, inputs, skip)
        };
        round_trip(&proteus, Format::Proteus, proteus::write);
    }
}

#[test]
fn gains_of_an_aidax_file_act_and_stay_out_of_its_test() {
    let mut dice = Dice::new(4);
    let mut network = dice.recurrent(8, 1, true);
    let Architecture::Sequential(net) = &mut network.architecture else {
        unreachable!()
    };
    net.layers.insert(
        0,
        Layer::Affine(Affine {
            scale: vec![2.0],
            shift: vec![0.0],
        }),
    );
    net.layers.push(Layer::Affine(Affine {
        scale: vec![0.25],
        shift: vec![0.0],
    }));
    let text = write_aidax(&network).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!((value["in_gain"].as_f64().unwrap() - 6.0206).abs() < 1e-3);
    let read = formats::read_bytes(text.as_bytes()).unwrap();
    formats::verify(&network, &read.network, play).unwrap();
    let test = read.self_test.unwrap();
    let plain = aidax::without_gains(&read.network).unwrap();
    assert_eq!(play_cold(&plain, &test.input), test.output);
}

#[test]
fn the_old_version_is_written_where_old_players_can_read_it() {
    let mut dice = Dice::new(2);
    let version = |network: &Network| {
        let value: Value = serde_json::from_str(&write_nam(network).unwrap()).unwrap();
        value["version"].as_str().unwrap().to_string()
    };
    assert_eq!(version(&dice.stacked_lstm()), "0.5.4");
    assert_eq!(version(&dice.full_wavenet()), "0.7.0");
    let a1 = golden::file("captures/a1_standard.nam");
    assert_eq!(version(&formats::read(&a1).unwrap().network), "0.5.4");
    let a2 = golden::file("captures/a2.nam");
    let written = write_nam(&formats::read(&a2).unwrap().network).unwrap();
    let written: Value = serde_json::from_str(&written).unwrap();
    let original = golden::json("captures/a2.nam");
    for (model, original) in models(&written).into_iter().zip(models(&original)) {
        // Players choose their fast path for A2 by comparing this text field by field.
        assert_eq!(loose(&model["config"]), loose(&original["config"]));
        assert_eq!(loose(&model["weights"]), loose(&original["weights"]));
    }
}

/// Numbers as 32-bit floats, so that 0.01 equals the float nearest to it.
fn loose(value: &Value) -> Value {
    match value {
        Value::Number(n) => Value::from(f64::from(n.as_f64().unwrap() as f32)),
        Value::Array(list) => list.iter().map(loose).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), loose(v))).collect(),
        other => other.clone(),
    }
}

#[test]
fn what_a_format_cannot_carry_is_refused_with_the_formats_that_can() {
    let mut dice = Dice::new(6);
    let tcn = dice.tcn();
    let error = write_nam(&tcn).unwrap_err().to_string();
    assert_eq!(
        error,
        "nam cannot carry this network: the format has no knobs; formats that can: safetensors"
    );
    let gru = dice.recurrent(24, 3, false);
    let error = proteus::write(&gru).unwrap_err().to_string();
    assert!(
        error
            .contains("at most 1 knob, this has 2; formats that can: rtneural, aidax, safetensors"),
        "{error}"
    );
    let wavenet = dice.plain_wavenet();
    let error = rtneural::write(&wavenet).unwrap_err().to_string();
    assert!(
        error.contains("this is WaveNet; formats that can: nam, namb, safetensors"),
        "{error}"
    );
    let odd = dice.recurrent(9, 1, false);
    let error = write_aidax(&odd).unwrap_err().to_string();
    assert!(
        error.contains("hidden sizes 8, 12, 16, 20, 24, 32, 40, 64, 80, this has 9"),
        "{error}"
    );
    let metadata = nam::Metadata {
        capture: MetadataConfig {
            gear_type: Some("spoon".into()),
            ..Default::default()
        },
        ..Default::default()
    };
    let error = nam::write(&dice.linear(), &metadata)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("gear_type = \"spoon\"; known are amp, pedal"),
        "{error}"
    );
}

#[test]
fn a_file_that_plays_differently_is_caught() {
    let mut dice = Dice::new(10);
    let network = dice.plain_wavenet();
    let mut other = network.clone();
    let Architecture::WaveNet(net) = &mut other.architecture else {
        unreachable!()
    };
    net.head_scale *= 1.001;
    let error = formats::verify(&network, &other, play)
        .unwrap_err()
        .to_string();
    assert!(error.contains("plays differently"), "{error}");
    // Not a number is a difference too.
    let broken = |n: &Network, x: &[f32]| {
        let y = play(n, x)?;
        Ok::<_, EngineError>(if *n == other {
            vec![f32::NAN; y.len()]
        } else {
            y
        })
    };
    assert!(formats::verify(&network, &other, broken).is_err());
}

#[test]
fn configured_metadata_is_strict() {
    let read = |text: &str| toml::from_str::<MetadataConfig>(text);
    assert_eq!(
        read("name = \"x\"\ninput_level_dbu = 12.5")
            .unwrap()
            .input_level_dbu,
        Some(12.5)
    );
    assert!(read("nmae = \"x\"").is_err());
    assert!(read("loudness = -18.0").is_err());
}

#[test]
fn metadata_is_written_as_players_read_it() {
    let metadata = nam::Metadata {
        capture: MetadataConfig {
            name: Some("A name with \"quotes\"".into()),
            gear_type: Some("amp".into()),
            input_level_dbu: Some(18.3),
            ..Default::default()
        },
        date: Some(Date {
            year: 2026,
            month: 11,
            day: 21,
            hour: 8,
            minute: 0,
            second: 5,
        }),
        loudness: Some(nam::Loudness {
            loudness: -20.5,
            gain: 0.25,
        }),
        validation_esr: Some(0.0123),
        ..Default::default()
    };
    let text = nam::write(&Dice::new(1).linear(), &metadata).unwrap();
    let model = formats::read_bytes(text.as_bytes()).unwrap();
    assert_eq!(model.metadata["loudness"], -20.5);
    assert_eq!(model.metadata["gain"], 0.25);
    assert_eq!(model.metadata["name"], "A name with \"quotes\"");
    assert_eq!(model.metadata["date"]["day"], 21);
    assert_eq!(model.metadata["training"]["validation_esr"], 0.0123);
    assert!(!model.metadata.contains_key("tone_type"));
}

/// A `.nam` file as JSON, changed by `change`, and what reading it says.
fn changed(network: &Network, change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(&write_nam(network).unwrap()).unwrap();
    change(&mut value);
    match formats::read_bytes(value.to_string().as_bytes()) {
        Ok(_) => "was read".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn unknown_features_and_wrong_sizes_are_named() {
    let mut dice = Dice::new(20);
    let lstm = dice.stacked_lstm();
    let wavenet = dice.full_wavenet();
    let array = |v: &mut Value, key: &str, to: Value| v["config"]["layers"][0][key] = to;
    let cases: Vec<(String, &str)> = vec![
        (
            changed(&lstm, |v| v["version"] = "0.8.0".into()),
            "file version 0.8.0 is not supported",
        ),
        (
            changed(&lstm, |v| v["version"] = "new".into()),
            "version: is \"new\", three numbers",
        ),
        (
            changed(&lstm, |v| v["architecture"] = "Transformer".into()),
            "the architecture \"Transformer\"",
        ),
        (
            changed(&lstm, |v| v["config"]["peephole"] = true.into()),
            "the field config.peephole",
        ),
        (
            changed(&lstm, |v| v["config"]["hidden_size"] = (-3).into()),
            "config.hidden_size: is -3",
        ),
        (
            changed(&lstm, |v| v["config"]["num_layers"] = 0.into()),
            "config.num_layers: is 0",
        ),
        (
            changed(&lstm, |v| {
                v["config"]["hidden_size"] = 0.into();
                v["config"]["num_layers"] = (1u64 << 40).into();
            }),
            "config.hidden_size: is 0",
        ),
        (
            changed(&lstm, |v| v["config"]["input_size"] = 2.into()),
            "config.input_size = 2",
        ),
        (
            changed(&lstm, |v| v["weights"][3] = "x".into()),
            "weights[3]: is text",
        ),
        (
            changed(&lstm, |v| v["weights"][3] = Value::from(1e300)),
            "weights[3]: is 1e+300, beyond",
        ),
        (
            changed(&lstm, |v| drop(v["weights"].as_array_mut().unwrap().pop())),
            "its architecture needs at least",
        ),
        (
            changed(&lstm, |v| {
                v["weights"].as_array_mut().unwrap().push(1.into())
            }),
            "weights, its architecture needs",
        ),
        (
            changed(&lstm, |v| v["sample_rate"] = "fast".into()),
            "sample_rate: is text",
        ),
        (
            changed(&lstm, |v| v["sample_rate"] = 0.into()),
            "sample_rate: is 0",
        ),
        (
            changed(&wavenet, |v| array(v, "kernel_size", 3.into())),
            "are both given",
        ),
        (
            changed(&wavenet, |v| array(v, "gating_mode", "half".into())),
            "gating mode \"half\"",
        ),
        (
            changed(&wavenet, |v| array(v, "activation", "Wavy".into())),
            "the activation \"Wavy\"",
        ),
        (
            changed(&wavenet, |v| {
                let slopes =
                    serde_json::json!({ "type": "PReLU", "negative_slopes": vec![0; 999] });
                array(v, "activation", slopes);
            }),
            "config.layers[0].activation: has 999 slopes",
        ),
        (
            changed(&wavenet, |v| array(v, "conv_pre_film", true.into())),
            "false or an object is needed",
        ),
        (
            changed(&wavenet, |v| array(v, "groups_input", 0.into())),
            "groups: is 0",
        ),
        (
            changed(&wavenet, |v| array(v, "warp", 2.into())),
            "the field config.layers[0].warp",
        ),
        (
            changed(&wavenet, |v| v["config"]["layers"] = Value::Array(vec![])),
            "its architecture needs",
        ),
    ];
    for (found, wanted) in cases {
        assert!(found.contains(wanted), "{found} (wanted: {wanted})");
    }
    for (bytes, wanted) in [
        (&b"RIFF\0\0"[..], "a WAV file"),
        (b"RIFX\0\0", "not JSON"),
        (b"{}", "not a model file of a known kind"),
        (b"[1, 2]", "not a model file of a known kind"),
        (b"\xff\xfe", "UTF-16"),
    ] {
        let error = formats::read_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(formats::read_bytes(deep.as_bytes()).is_err());
    assert!(formats::read_bytes(&vec![b' '; (16 << 20) + 1]).is_err());
}

/// One random change to a JSON value: a number, a key, an element, or a piece moved elsewhere.
fn mutate(value: &mut Value, dice: &mut Dice) {
    let odd = [
        Value::Null,
        Value::from(0),
        Value::from(-1),
        Value::from(1),
        Value::from(2),
        Value::from(1 << 20),
        Value::from(1u64 << 40),
        Value::from(u64::MAX),
        Value::from(1e38),
        Value::from(-1e308),
        Value::from(0.5),
        Value::from("Tanh"),
        Value::from(""),
        Value::from(true),
        Value::Array(vec![]),
        Value::Object(Default::default()),
    ];
    match value {
        Value::Array(list) if !list.is_empty() && dice.chance(0.93) => {
            let at = dice.size(list.len()) - 1;
            match dice.size(12) {
                1 => drop(list.remove(at)),
                2 => list.push(list[at].clone()),
                3 => {
                    let other = dice.size(list.len()) - 1;
                    list.swap(at, other);
                }
                _ => mutate(&mut list[at], dice),
            }
        }
        Value::Object(map) if !map.is_empty() && dice.chance(0.97) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = dice.pick(&keys);
            match dice.size(14) {
                1 => drop(map.remove(&key)),
                2 => {
                    let other = map[&dice.pick(&keys)].clone();
                    map.insert(key, other);
                }
                // Weights are most of a file; what describes them is where faults hide.
                _ if key == "weights" && dice.chance(0.7) => mutate(value, dice),
                _ => mutate(&mut map[&key], dice),
            }
        }
        other => *other = dice.pick(&odd),
    }
}

/// A safetensors file with faults in its header, its description or its data.
fn damaged_safetensors(dice: &mut Dice) -> Vec<u8> {
    let networks = [
        dice.plain_wavenet(),
        dice.tcn(),
        dice.window(),
        dice.stacked_lstm(),
    ];
    let network = dice.pick(&networks);
    let mut bytes = safetensors::write(&network, &[], &Default::default()).unwrap();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let data = bytes.split_off(8 + len);
    let mut header: Value = serde_json::from_slice(&bytes[8..]).unwrap();
    if dice.chance(0.5) {
        let text = header["__metadata__"]["description"].as_str().unwrap();
        let mut description: Value = serde_json::from_str(text).unwrap();
        mutate(&mut description, dice);
        header["__metadata__"]["description"] = description.to_string().into();
    } else {
        mutate(&mut header, dice);
    }
    let header = header.to_string().into_bytes();
    let len = match dice.size(20) {
        1 => u64::MAX,
        2 => header.len() as u64 + 1,
        _ => header.len() as u64,
    };
    [len.to_le_bytes().to_vec(), header, data].concat()
}

#[test]
fn ten_thousand_damaged_files_do_no_harm() {
    let mut dice = Dice::new(77);
    let mut files: Vec<Value> = Vec::new();
    for _ in 0..4 {
        let proteus = Network {
            sample_rate: 44_100,
            ..dice.recurrent(40, 1, true)
        };
        let sizes = [dice.plain_wavenet(), dice.plain_wavenet()]
            .map(Box::new)
            .into_iter()
            .zip([0.5, 1.0]);
        let submodels = sizes
            .map(|(network, max_value)| Submodel { max_value, network })
            .collect();
        let container = Network::new(Architecture::Slimmable(Slimmable { submodels }), 48_000);
        let texts = [
            write_nam(&dice.plain_wavenet()),
            write_nam(&dice.full_wavenet()),
            write_nam(&dice.convnet()),
            write_nam(&dice.linear()),
            write_nam(&container),
            rtneural::write(&dice.rtneural()),
            write_aidax(&dice.recurrent(8, 2, false)),
            proteus::write(&proteus),
        ];
        files.extend(texts.map(|text| serde_json::from_str(&text.unwrap()).unwrap()));
    }
    let input = dice.audio(300);
    let (mut read, mut refused) = (0, 0);
    for round in 0..10_000 {
        let mut value = files[round % files.len()].clone();
        for _ in 0..dice.size(3) {
            mutate(&mut value, &mut dice);
        }
        let mut bytes = value.to_string().into_bytes();
        if round % 9 == 8 {
            bytes = damaged_safetensors(&mut dice);
        }
        if dice.chance(0.1) {
            let at = dice.size(bytes.len()) - 1;
            bytes[at] = dice.size(255) as u8;
        }
        allocations();
        match formats::read_bytes(&bytes) {
            Err(_) => refused += 1,
            Ok(model) => {
                read += 1;
                // Long memories are legal; playing each of them for seconds is not the point.
                if model.network.architecture.input_channels() > 0 {
                    let output = play_cold(&model.network, &input);
                    assert_eq!(output.len(), input.len());
                }
            }
        }
        let (_, largest) = allocations();
        assert!(largest < 1 << 30, "round {round}: {largest} bytes at once");
    }
    // Both outcomes must occur, or the test would say nothing.
    assert!(
        read > 500 && refused > 3000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn the_trainers_meaning_is_used_where_the_player_disagrees() {
    // layer1x1_post_film on a layer that does not blend: the modulated 1x1 must be heard.
    let mut dice = Dice::new(31);
    let mut network = loop {
        let network = dice.full_wavenet();
        let Architecture::WaveNet(net) = &network.architecture else {
            continue;
        };
        if net.arrays[0].layers.len() > 1
            && net.arrays[0]
                .layers
                .iter()
                .all(|l| l.gating == Gating::None)
        {
            break network;
        }
    };
    let plain = play_cold(&network, &dice.audio(50));
    let Architecture::WaveNet(net) = &mut network.architecture else {
        unreachable!()
    };
    for layer in &mut net.arrays[0].layers {
        let conv = dice.conv(layer.mixer.in_channels, layer.width(), 1, 1);
        layer.films.layer1x1_post = Some(WaveFilm { conv, shift: false });
    }
    let input = dice.audio(50);
    let modulated = play_cold(&network, &input);
    assert_ne!(plain, modulated);
    let wanted = oracle::engine::run(&network, &input, &[], 0);
    let difference = modulated
        .iter()
        .zip(&wanted)
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(0.0, f64::max);
    assert!(difference < 1e-5, "{difference:e}");
    let error = write_nam(&network).unwrap_err().to_string();
    assert!(
        error.contains("layer1x1_post_film only to blended layers"),
        "{error}"
    );
}

#[test]
fn knobs_survive_formats_that_have_them() {
    let mut dice = Dice::new(40);
    let network = with_controls(dice.recurrent(12, 3, false), 2);
    let read = formats::read_bytes(write_aidax(&network).unwrap().as_bytes())
        .unwrap()
        .network;
    let mut engines = [&network, &read].map(|n| Engine::new(n).unwrap());
    let input = dice.audio(200);
    let outputs = engines.each_mut().map(|engine| {
        engine.set_controls(&[0.8, 0.1]).unwrap();
        let mut output = vec![0.0; input.len()];
        engine.process(&input, &mut output);
        output
    });
    assert_eq!(outputs[0], outputs[1]);
    assert_ne!(outputs[0], play_cold(&network, &input));
}

#[test]
fn inspect_tells_what_a_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(50);
    let file = folder.path().join("a.json");
    fs::write(&file, write_aidax(&dice.recurrent(8, 2, true)).unwrap()).unwrap();
    let request = inspect::Request {
        file: file.clone(),
        no_measure: true,
        probe: false,
        parameters: false,
    };
    let outcome = inspect::inspect(&request, &Silent).unwrap();
    assert_eq!(
        (outcome.format, outcome.networks.len()),
        (Some(Format::AidaX), 1)
    );
    assert_eq!(outcome.self_test_difference, Some(0.0));
    assert_eq!(outcome.writable_as, [Format::AidaX, Format::Safetensors]);
    let network = &outcome.networks[0];
    assert_eq!(
        (network.sample_rate, network.receptive_field),
        (48_000, None)
    );
    assert_eq!(network.controls[0].name, "param1");

    // A stored output that is not what plays is told, not hidden.
    let mut value: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let last = value["output_batch"][2047].as_f64().unwrap();
    value["output_batch"][2047] = (last + 0.25).into();
    fs::write(&file, value.to_string()).unwrap();
    let outcome = inspect::inspect(&request, &Silent).unwrap();
    assert!((outcome.self_test_difference.unwrap() - 0.25).abs() < 1e-6);

    let missing = inspect::Request {
        file: folder.path().join("none.nam"),
        no_measure: true,
        probe: false,
        parameters: false,
    };
    let error = inspect::inspect(&missing, &Silent).unwrap_err();
    assert!(
        format!("{error:#}").contains("none.nam: no such run or model file"),
        "{error:#}"
    );
}

#[test]
fn inspect_lists_the_sizes_of_a_container() {
    let file = golden::file("captures/a2.nam");
    let outcome = inspect::inspect(
        &inspect::Request {
            file,
            no_measure: true,
            probe: false,
            parameters: false,
        },
        &Silent,
    )
    .unwrap();
    let facts: Vec<_> = outcome
        .networks
        .iter()
        .map(|n| (n.max_size, n.weights, n.receptive_field))
        .collect();
    assert_eq!(
        facts,
        [
            (Some(0.5), 1_871, Some(6347)),
            (Some(1.0), 12_146, Some(6347))
        ]
    );
    assert_eq!(outcome.version.as_deref(), Some("0.7.0"));
    assert!(outcome.metadata.contains_key("input_level_dbu"));
}

/// Every capture that a `.namb` file can hold plays from it as it did.
#[test]
fn captures_go_through_namb_unchanged() {
    let input = crate::support::noise(6000, 3);
    let names = [
        "a1_standard",
        "a2",
        "convnet",
        "convnet_batchnorm",
        "film",
        "gated",
        "grouped",
        "head",
        "identity_linear",
        "identity_wavenet",
        "linear",
        "lstm",
        "slimmable",
    ];
    for name in names {
        let model = formats::read(&golden::file(&format!("captures/{name}.nam"))).unwrap();
        let bytes = formats::namb::write(&model.network, &Default::default());
        if ["a2", "head"].contains(&name) {
            let error = bytes.unwrap_err().to_string();
            assert!(error.contains("namb cannot carry"), "{name}: {error}");
            continue;
        }
        let read = formats::read_bytes(&bytes.unwrap()).unwrap();
        assert_eq!(read.format, Format::Namb);
        let [wanted, found] = [&model.network, &read.network].map(|n| play(n, &input).unwrap());
        assert!(wanted == found, "{name}");
    }
}
