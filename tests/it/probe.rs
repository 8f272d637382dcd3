//! A finished model on the bench: what is wrong with it is named in every format, and what sounds by
//! itself is not exported.

use crate::support::{Place, shared};
use effigy::commands::{export, inspect};
use effigy::dsp::probe::{Fault, Judged};
use effigy::formats::{Format, SelfTest, aidax, nam, safetensors};
use effigy::network::{
    Architecture, Branches, Conv1d, Join, Layer, Lstm, Network, Sequential, Split,
};
use effigy::progress::Silent;
use std::path::{Path, PathBuf};

/// What is planted.
#[derive(Clone, Copy, Default)]
struct Plan {
    delay: usize,
    inverted: bool,
    constant: f32,
    /// Level of a tone at half the rate.
    sings: f32,
}

/// An LSTM that is a wire: a row of units hands each sample on, every gate wide open and nothing
/// kept. The last unit answers its own last answer turned over, three times as loud.
fn wire(plan: Plan) -> Network {
    const OPEN: f32 = 30.0;
    // The widths that AIDA-X has.
    let units = if plan.delay <= 8 { 12 } else { 64 };
    let (last, sounding) = (units - 1, plan.delay);
    let mut lstm = Lstm {
        input_size: 1,
        hidden_size: units,
        weight_input: vec![0.0; 4 * units],
        weight_hidden: vec![0.0; 4 * units * units],
        bias: vec![0.0; 4 * units],
        initial_hidden: Vec::new(),
        initial_cell: Vec::new(),
    };
    for unit in 0..units {
        // Gates in the order i, f, g, o.
        lstm.bias[unit] = OPEN;
        lstm.bias[units + unit] = -OPEN;
        lstm.bias[3 * units + unit] = OPEN;
    }
    let candidate = 2 * units;
    lstm.weight_input[candidate] = 1.0;
    for unit in 1..last {
        lstm.weight_hidden[(candidate + unit) * units + unit - 1] = 1.0;
    }
    lstm.weight_hidden[(candidate + last) * units + last] = -3.0;
    lstm.bias[candidate + last] = 0.01;
    let mut head = vec![0.0; units];
    head[sounding] = if plan.inverted { -1.0 } else { 1.0 };
    head[last] = plan.sings;
    let head = Conv1d::dense(units, 1, head, vec![plan.constant]);
    let sequential = Sequential {
        input_channels: 1,
        layers: vec![Layer::Lstm(lstm), Layer::Conv1d(head)],
    };
    Network::new(Architecture::Sequential(sequential), 48_000)
}

/// The network as a file of every format that says what it is.
fn files(place: &Place, name: &str, network: &Network) -> Vec<PathBuf> {
    let silent = SelfTest {
        input: Vec::new(),
        output: Vec::new(),
    };
    let own = safetensors::write(network, &[], &serde_json::Map::new()).unwrap();
    let mut files = vec![place.write(&format!("{name}.safetensors"), own)];
    if network.delay_samples == 0 {
        let text = nam::write(network, &nam::Metadata::default()).unwrap();
        files.push(place.write(&format!("{name}.nam"), text));
        let text = aidax::write(network, &aidax::Metadata::default(), &silent).unwrap();
        files.push(place.write(&format!("{name}.aidax"), text));
    }
    files
}

fn probed(file: &Path) -> Judged {
    let request = inspect::Request {
        file: file.to_path_buf(),
        no_measure: true,
        probe: true,
        parameters: false,
    };
    inspect::inspect(&request, &Silent).unwrap().probe.unwrap()
}

/// An LSTM that hears its last answer that many times as loud.
fn echoing(times: f32) -> Network {
    let Architecture::Sequential(mut sequential) = wire(Plan::default()).architecture else {
        unreachable!()
    };
    let Layer::Lstm(lstm) = &mut sequential.layers[0] else {
        unreachable!()
    };
    let candidate = 2 * lstm.hidden_size;
    lstm.weight_hidden[candidate * lstm.hidden_size] = times;
    Network::new(Architecture::Sequential(sequential), 48_000)
}

/// Left at rest it is silent; but what hears itself thrice as
/// loud goes on for ever once it sounds.
#[test]
fn a_memory_that_does_not_come_back_is_named() {
    let place = Place::new();
    for (times, lost) in [(0.5, 0), (3.0, 16)] {
        for file in files(&place, "echoing", &echoing(times)) {
            let found = probed(&file);
            let strays = found.strays.unwrap();
            assert_eq!(
                (strays.tried, strays.lost),
                (16, lost),
                "{times}: {found:?}"
            );
            let told = found
                .faults
                .iter()
                .any(|told| matches!(told.fault, Fault::Strays { .. }));
            assert_eq!(told, lost > 0);
            assert!(found.passes);
        }
    }
}

/// A gain is silent in silence wherever its memory is: what it says of a tone is heard. The one that hears
/// itself thrice as loud keeps the sign that it was put into.
#[test]
fn a_gains_memory_that_does_not_come_back_is_named() {
    let place = Place::new();
    for (times, expected) in [(0.5, 0..=0), (3.0, 4..=12)] {
        let Architecture::Sequential(listening) = echoing(times).architecture else {
            unreachable!()
        };
        let gain = Layer::Branches(Branches {
            split: Split::Copy,
            branches: vec![listening.layers, Vec::new()],
            join: Join::Product,
        });
        let network = Sequential {
            input_channels: 1,
            layers: vec![gain],
        };
        let network = Network::new(Architecture::Sequential(network), 48_000);
        let own = safetensors::write(&network, &[], &serde_json::Map::new()).unwrap();
        let found = probed(&place.write("gain.safetensors", own));
        let strays = found.strays.unwrap();
        assert_eq!(strays.tried, 16);
        assert!(expected.contains(&strays.lost), "{times}: {found:?}");
    }
}

#[test]
fn planted_faults_are_named_in_every_format() {
    let place = Place::new();
    let plan = Plan::default();
    let mut early = wire(plan);
    early.delay_samples = 6;
    let mut slow = wire(plan);
    slow.sample_rate = 44_100;
    let late = |delay| wire(Plan { delay, ..plan });
    let cases: [(&str, Network, Vec<Fault>); 7] = [
        ("wire", wire(plan), vec![]),
        ("late-8", late(8), vec![Fault::Late { samples: 8 }]),
        ("late-40", late(40), vec![Fault::Late { samples: 40 }]),
        ("early", early, vec![Fault::Early { samples: 6 }]),
        (
            "inverted",
            wire(Plan {
                inverted: true,
                ..plan
            }),
            vec![Fault::Inverted],
        ),
        (
            "dc",
            wire(Plan {
                constant: 0.018,
                ..plan
            }),
            vec![Fault::Dc],
        ),
        (
            "sings",
            wire(Plan { sings: 0.2, ..plan }),
            vec![Fault::Sings],
        ),
    ];
    for (name, network, wanted) in &cases {
        // A row of 64 units takes its time: its form is that of the row of 12.
        let kinds = if *name == "late-40" { 1 } else { 3 };
        for file in files(&place, name, network).iter().rev().take(kinds) {
            let found = probed(file);
            assert_eq!(
                found.faults(),
                *wanted,
                "{}: {}",
                file.display(),
                found.behaviour
            );
            assert_eq!(found.passes, *name != "sings");
        }
    }
    // Players of .nam and AIDA-X files run at 48 kHz, effigy's own files at their rate.
    let wanted = |file: &Path| match file.extension().and_then(|e| e.to_str()) {
        Some("safetensors") => vec![],
        _ => vec![Fault::Rate],
    };
    for file in files(&place, "slow", &slow) {
        assert_eq!(probed(&file).faults(), wanted(&file), "{}", file.display());
    }
    slow.sample_rate = 47_000;
    for file in files(&place, "odd", &slow) {
        assert_eq!(probed(&file).faults(), [Fault::Rate], "{}", file.display());
    }
}

#[test]
fn what_sings_is_not_exported_unless_told() {
    let place = Place::new();
    let plan = Plan {
        sings: 0.2,
        ..Plan::default()
    };
    let request = export::Request {
        model: files(&place, "sings", &wire(plan))[0].clone(),
        output: place.path("out.nam"),
        ..export::Request::default()
    };
    let refused = format!("{:#}", export::export(&request, &Silent).unwrap_err());
    assert!(
        refused.contains("sings in silence: a tone of 24000 Hz"),
        "{refused}"
    );
    assert!(refused.contains("--force") && !request.output.exists());
    let request = export::Request {
        force: true,
        ..request
    };
    let outcome = export::export(&request, &Silent).unwrap();
    assert!(outcome.probe.is_unplayable());
    // The file says so itself.
    let said = &outcome.metadata["probe"];
    assert!(
        (said["idle"]["tone"]["hz"].as_f64().unwrap() - 24_000.0).abs() < 1.0,
        "{said}"
    );
    let quiet = export::Request {
        model: files(&place, "wire", &wire(Plan::default()))[0].clone(),
        output: place.path("quiet.aidax"),
        ..export::Request::default()
    };
    let outcome = export::export(&quiet, &Silent).unwrap();
    assert_eq!(outcome.format, Format::AidaX);
    assert_eq!(outcome.metadata["probe"]["start_samples"], 0);
}

/// Models that musicians published.
#[test]
fn published_models_are_playable() {
    let mut count = 0;
    for folder in ["nam", "aidax"] {
        let Some(folder) = shared(&format!("fixtures/{folder}")) else {
            return;
        };
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let ending = file.extension().and_then(|e| e.to_str());
            if !matches!(ending, Some("nam" | "json" | "aidax")) {
                continue;
            }
            let found = probed(&file);
            assert!(found.passes, "{}: {}", file.display(), found.behaviour);
            count += 1;
        }
    }
    assert!(count >= 5, "{count}");
}
