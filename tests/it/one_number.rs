//! One state, one number: the same weights on the same file have the same figures wherever they
//! are taken, because everything begins in the state that silence leaves.

use crate::networks::{knob_networks, seed_networks};
use crate::support::{Place, noise, through_effect};
use effigy::audio::decode;
use effigy::commands::{compare, evaluate, export, infer, inspect, train};
use effigy::config::{Latency, ModelConfig, RecurrentConfig};
use effigy::progress::Silent;
use effigy::report::metrics::{Row, metrics};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Dry sounds that begin and end in running sound, the worst case for a wrong state.
fn place() -> Place {
    let place = Place::new();
    for (name, seed) in [("train", 1), ("valid", 2), ("test", 2)] {
        let dry = noise(3000, seed);
        place.wav(&format!("{name}-wet.wav"), vec![through_effect(&dry)]);
        place.wav(&format!("{name}-dry.wav"), vec![dry]);
    }
    place
}

fn config(model: &ModelConfig, more: &str) -> String {
    let pair = |part: &str| {
        format!("[[data.{part}]]\ndry = \"{part}-dry.wav\"\nwet = \"{part}-wet.wav\"\n")
    };
    let table = toml::to_string(&BTreeMap::from([("model", model)])).unwrap();
    format!(
        "name = \"t\"\ndevice = \"flex\"\n[data]\nlatency = 0\n{}{}{}{more}\n\
         [windows]\nwindow_len = 64\nhop = 256\n[baselines]\nfir_taps = 1\n\
         [training]\nepochs = 1\nbatch_size = 8\n{table}",
        pair("train"),
        pair("valid"),
        pair("test")
    )
}

/// A run of this config, and what training it came to.
pub fn trained(place: &Place, name: &str, text: &str) -> (PathBuf, train::Outcome) {
    let run = place.path(name);
    let request = train::Request {
        configs: vec![place.write(&format!("{name}.toml"), text)],
        run: Some(run.clone()),
        no_report: true,
        ..train::Request::default()
    };
    let outcome = train::train(&request, &Silent, |_, _| {});
    (run, outcome.unwrap_or_else(|e| panic!("{e:#}\n{text}")))
}

fn evaluated(place: &Place, model: &Path) -> Row {
    evaluated_at(place, model, &[])
}

fn evaluated_at(place: &Place, model: &Path, knobs: &[(&str, f32)]) -> Row {
    let request = evaluate::Request {
        model: model.to_path_buf(),
        dry: place.path("test-dry.wav"),
        wet: place.path("test-wet.wav"),
        latency: Latency::Samples(0),
        channel: None,
        device: "auto".to_string(),
        controls: named(knobs),
        require_esr: None,
    };
    let rows = evaluate::evaluate(&request, &Silent).unwrap().rows;
    rows[0].clone()
}

fn played(place: &Place, model: &Path) -> Vec<f32> {
    played_at(place, model, &[])
}

fn played_at(place: &Place, model: &Path, knobs: &[(&str, f32)]) -> Vec<f32> {
    let request = infer::Request {
        model: model.to_path_buf(),
        inputs: vec![place.path("test-dry.wav")],
        output: place.path("played.wav"),
        format: None,
        block: 999,
        silence_not_finite: false,
        device: "engine".to_string(),
        size: None,
        controls: named(knobs),
        phase: None,
        rate: None,
        depth: None,
        second_phase: None,
    };
    infer::infer(&request, &Silent).unwrap();
    let played = decode::read(&place.path("played.wav")).unwrap().audio;
    played.into_channels().remove(0)
}

fn named(knobs: &[(&str, f32)]) -> Vec<(String, f32)> {
    let knobs = knobs.iter();
    knobs.map(|(name, at)| (name.to_string(), *at)).collect()
}

fn wet(place: &Place) -> Vec<f32> {
    let wet = decode::read(&place.path("test-wet.wav")).unwrap().audio;
    wet.into_channels().remove(0)
}

fn alike(what: &str, found: f64, wanted: f64) {
    let apart = (found / wanted - 1.0).abs();
    assert!(apart <= 1e-4, "{what}: {found} for {wanted}");
}

/// A knob from 2 to 10 with that range is one from 0 to 1, wherever a number of it is told.
#[test]
fn knobs_in_their_own_numbers_make_the_same_network() {
    let place = place();
    let network = ModelConfig::Gru(RecurrentConfig {
        hidden_size: 4,
        warm_up: 32,
        ..RecurrentConfig::default()
    });
    let run = |name: &str, numbers: [f32; 3], range: &str| {
        let mut text = config(&network, "").replace("[data]", &format!("[data]\n{range}"));
        for (part, at) in ["train", "valid", "test"].into_iter().zip(numbers) {
            let wet = format!("{part}-wet.wav\"\n");
            text = text.replace(&wet, &format!("{wet}controls = {{ gain = {at:?} }}\n"));
        }
        // Two positions to learn from.
        let other = text.find("[[data.valid]]").unwrap();
        let [_, _, one] = numbers;
        text.insert_str(
            other,
            &format!(
                "[[data.train]]\ndry = \"train-dry.wav\"\nwet = \"train-wet.wav\"\n\
                 controls = {{ gain = {one:?} }}\n"
            ),
        );
        trained(&place, name, &text)
    };
    let (plain, expected) = run("plain", [0.0, 0.25, 1.0], "");
    let range = "knob_ranges = { gain = [2, 10] }";
    let (own, found) = run("own", [2.0, 4.0, 10.0], range);
    let esr = |outcome: &train::Outcome| outcome.rows[0].metrics.esr;
    assert_eq!(esr(&found), esr(&expected));
    let file = place.path("own.safetensors");
    let request = export::Request {
        model: own.clone(),
        output: file.clone(),
        ..export::Request::default()
    };
    export::export(&request, &Silent).unwrap();
    for (knob, number) in [(0.25, 4.0), (1.0, 10.0), (0.5, 6.0)] {
        let wanted = played_at(&place, &plain, &[("gain", knob)]);
        let wanted_esr = evaluated_at(&place, &plain, &[("gain", knob)]).metrics.esr;
        for model in [&own, &file] {
            assert_eq!(played_at(&place, model, &[("gain", number)]), wanted);
            let at = evaluated_at(&place, model, &[("gain", number)]);
            assert_eq!(at.metrics.esr, wanted_esr, "{number}");
        }
    }
    // As a player's page shows it.
    let request = inspect::Request {
        file: file.clone(),
        no_measure: true,
        probe: false,
        parameters: false,
    };
    let shown = inspect::inspect(&request, &Silent).unwrap().networks;
    let knob = &shown[0].controls[0];
    assert_eq!((knob.min, knob.max, knob.default), (2.0, 10.0, 6.0));
    assert_eq!(knob.range, None);
    // Beside a run that was learned from more positions a file's knob shows the same numbers.
    let (more, _) = run("more", [0.0, 4.0, 10.0], "knob_ranges = { gain = [0, 12] }");
    let compared = compare::Request {
        model: vec![more, file.clone()],
        ..compare::Request::default()
    };
    let compared = compare::compare(&compared, &Silent, |_, _, _| {}).unwrap();
    let row = compared
        .rows
        .iter()
        .find(|r| r.model.as_deref() == Some(file.as_path()));
    let alone = evaluated_at(&place, &file, &[("gain", 10.0)]).metrics.esr;
    alike("compare", row.unwrap().row.metrics.esr, alone);
    // In the middle unless told.
    for model in [&own, &file] {
        let middle = played_at(&place, model, &[("gain", 6.0)]);
        assert_eq!(played(&place, model), middle);
        let at = evaluated_at(&place, model, &[("gain", 6.0)]).metrics.esr;
        assert_eq!(evaluated(&place, model).metrics.esr, at);
    }
    assert_ne!(
        played_at(&place, &own, &[("gain", 2.0)]),
        played_at(&place, &own, &[("gain", 10.0)])
    );
}

#[test]
fn every_network_has_one_figure_wherever_it_is_taken() {
    let place = place();
    let networks = seed_networks().into_iter().chain(knob_networks(16, 32));
    let mut seen = BTreeSet::new();
    for (index, network) in networks.enumerate() {
        let name = format!("{index}-{}", network.kind());
        let (run, outcome) = trained(&place, &name, &config(&network, ""));
        let wanted = outcome.rows[0].metrics.esr;
        let log = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let log: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        alike(
            &format!("{name}: validation"),
            log["valid"]["esr"].as_f64().unwrap(),
            wanted,
        );
        alike(
            &format!("{name}: evaluate"),
            evaluated(&place, &run).metrics.esr,
            wanted,
        );
        let outside = metrics(&wet(&place), &played(&place, &run)).esr;
        alike(&format!("{name}: infer"), outside, wanted);
        // Commands that measure more than they score: once for each kind.
        if !seen.insert(network.kind()) {
            continue;
        }
        let file = place.path(&format!("{name}.safetensors"));
        let request = export::Request {
            model: run.clone(),
            output: file.clone(),
            ..export::Request::default()
        };
        export::export(&request, &Silent).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        alike(
            &format!("{name}: exported"),
            evaluated(&place, &file).metrics.esr,
            wanted,
        );
    }
}

/// A test span inside a recording hears what was before it, as a player of the whole does.
#[test]
fn a_span_inside_a_recording_has_the_figure_of_the_whole_recording_played() {
    let place = place();
    let mut networks = knob_networks(16, 32);
    networks.retain(|network| network.has_memory());
    networks.extend(seed_networks().into_iter().take(3));
    for (index, network) in networks.into_iter().enumerate() {
        let name = format!("{index}-{}", network.kind());
        let text = config(&network, "").replace(
            "wet = \"test-wet.wav\"",
            "wet = \"test-wet.wav\"\nfrom = \"40%\"",
        );
        let (run, outcome) = trained(&place, &name, &text);
        let row = &outcome.rows[0].metrics;
        let (wet, played) = (wet(&place), played(&place, &run));
        let from = wet.len() - row.samples as usize;
        assert!(from >= 1200, "{name}: {from}");
        alike(&name, metrics(&wet[from..], &played[from..]).esr, row.esr);
    }
}

#[test]
fn comparing_scores_as_training_did() {
    let place = place();
    let mut networks = knob_networks(16, 32);
    networks.retain(|network| network.has_memory());
    let (run, outcome) = trained(&place, "compared", &config(&networks[0], ""));
    let (name, wanted) = ("compared", outcome.rows[0].metrics.esr);
    let compared = compare::Request {
        model: vec![run.clone()],
        ..compare::Request::default()
    };
    let compared = compare::compare(&compared, &Silent, |_, _, _| {}).unwrap();
    let row = compared
        .rows
        .iter()
        .find(|r| !r.row.is_identity() && r.model.is_some());
    alike(
        &format!("{name}: compare"),
        row.unwrap().row.metrics.esr,
        wanted,
    );
}
