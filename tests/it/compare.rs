//! Networks and classical models in one table: `compare`, `baseline`, and saved baselines in
//! `evaluate`.

use crate::support::{Place, config, noise, place, through_effect};
use effigy::regress::baseline::SavedBaseline;
use effigy::report::metrics::metrics;
use serde_json::Value;

const CONV: &str = "kind = \"conv\"\nchannels = 4\nkernel_size = 8";
const LSTM: &str = "kind = \"lstm\"\nhidden_size = 4\nwarm_up = 32\ntruncate = 32";

fn figure(row: &Value, name: &str) -> f64 {
    let found = row[name].as_f64();
    found.unwrap_or_else(|| panic!("no {name} in {row}"))
}

fn rows(outcome: &Value) -> &Vec<Value> {
    outcome["rows"].as_array().unwrap()
}

fn named<'a>(outcome: &'a Value, name: &str) -> &'a Value {
    let row = rows(outcome).iter().find(|row| row["name"] == name);
    row.unwrap_or_else(|| panic!("no row {name} in {outcome}"))
}

fn samples(place: &Place, name: &str) -> Vec<f32> {
    let read = effigy::audio::decode::read(&place.path(name)).unwrap();
    read.audio.into_channels().remove(0)
}

/// Two networks trained, one loaded, a saved and two fitted baselines: all over the same samples.
#[test]
fn networks_and_baselines_are_scored_over_the_same_samples() {
    let place = place(CONV, "epochs = 2\nlearning_rate = 0.01");
    let lstm = config(LSTM, "epochs = 1").replace("name = \"t\"", "name = \"lstm\"");
    place.write("lstm.toml", lstm);
    let run = |arguments: &[&str]| {
        let said = place.effigy(arguments);
        assert_eq!(said.code, 0, "{}", said.stderr);
        said
    };
    run(&["-q", "train", "-c", "t.toml", "--run", "old"]);
    run(&[
        "-q", "baseline", "-c", "t.toml", "--model", "fir-6", "-o", "fir.json",
    ]);
    let outcome = run(&[
        "compare",
        "-c",
        "t.toml",
        "lstm.toml",
        "--run",
        "old",
        "fir.json",
        "--baseline",
        "gain",
        "fir-40-tanh",
        "--json",
    ])
    .json();

    let mut names: Vec<&str> = rows(&outcome)
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    let errors: Vec<f64> = rows(&outcome).iter().map(|r| figure(r, "esr")).collect();
    assert!(errors.is_sorted(), "{errors:?}");
    names.sort_unstable();
    let expected = [
        "fir-40-tanh-2",
        "fir-6",
        "gain",
        "identity",
        "lstm",
        "old",
        "t",
    ];
    assert_eq!(names, expected);

    // The test span is the last tenth of 4,000 samples; the filter of 40 taps looks furthest
    // back. Identity by hand over exactly those samples.
    let from = 3600 + 39;
    assert_eq!(outcome["samples"], 4000 - from);
    let (dry, wet) = (samples(&place, "dry.wav"), samples(&place, "wet.wav"));
    let pairs = || dry[from..].iter().zip(&wet[from..]);
    let square = |x: f32| f64::from(x).powi(2);
    let error: f64 = pairs()
        .map(|(d, w)| (f64::from(*w) - f64::from(*d)).powi(2))
        .sum();
    let esr = error / pairs().map(|(_, w)| square(*w)).sum::<f64>();
    assert!((figure(named(&outcome, "identity"), "esr") / esr - 1.0).abs() < 1e-12);

    for row in rows(&outcome) {
        assert_eq!(row["samples"], outcome["samples"], "{row}");
        // The span is shorter than an envelope's window, so it has no envelope.
        for name in ["multi_resolution_stft", "pre_emphasised_esr"] {
            figure(row, name);
        }
        if row["name"] != "identity" {
            assert!(figure(row, "real_time_factor") > 0.0, "{row}");
            assert!(figure(row, "parameters") >= 1.0 && figure(row, "macs_per_sample") >= 1.0);
        }
    }
    // Trained alike from one seed, the loaded run and the new one are one network.
    let (old, new) = (named(&outcome, "old"), named(&outcome, "t"));
    assert_eq!(old["esr"], new["esr"]);
    assert_eq!(old["parameters"], new["parameters"]);
    assert!(figure(old, "training_seconds") > 0.0);
    assert_eq!(
        figure(named(&outcome, "fir-40-tanh-2"), "parameters"),
        120.0
    );
    let networks = ["t", "lstm", "old"].map(|name| figure(named(&outcome, name), "esr"));
    let best = networks.into_iter().fold(f64::INFINITY, f64::min);
    assert_eq!(figure(&outcome, "best_network_esr"), best);
    // Each new run is complete.
    for run in ["checkpoints/t", "checkpoints/lstm"] {
        assert!(place.path(run).join("report.json").is_file());
    }
    let hard = ["-q", "compare", "--model", "old", "--require-esr", "1e-9"];
    assert_eq!(place.effigy(&hard).code, 1);
    let prose = run(&["compare", "--model", "old"]);
    for word in [
        "× real time",
        "MR-STFT",
        "fir-4-tanh-2",
        "same in every row",
        "old: old",
    ] {
        assert!(prose.stdout.contains(word), "{}", prose.stdout);
    }
}

#[test]
fn other_test_samples_are_refused_before_anything_is_trained() {
    let place = place(CONV, "epochs = 1");
    let text = config(CONV, "epochs = 1");
    place.write("late.toml", text.replace("latency = 0", "latency = 5"));
    let dry = noise(4000, 9);
    place.wav("wet2.wav", vec![through_effect(&dry)]);
    place.wav("dry2.wav", vec![dry]);
    let other = text
        .replace("dry.wav", "dry2.wav")
        .replace("wet.wav", "wet2.wav");
    place.write("other.toml", other);
    for (config, words) in [
        ("late.toml", ["late.toml", "[5] against [0]"]),
        ("other.toml", ["other.toml", "wet2.wav"]),
    ] {
        let said = place.effigy(&["-q", "compare", "-c", "t.toml", config]);
        assert_eq!(said.code, 2);
        for word in words {
            assert!(said.stderr.contains(word), "{}", said.stderr);
        }
        assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    }
    assert!(!place.path("checkpoints").exists());
    let said = place.effigy(&["-q", "compare", "-c", "t.toml", "--baseline", "fur-12"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("fur-12"), "{}", said.stderr);
    let said = place.effigy(&["-q", "compare", "--baseline", "gain"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--config"), "{}", said.stderr);
}

/// The known effect is tanh of a filter: with its drive given, a bank of one finds it.
#[test]
fn baselines_alone_are_fitted_kept_and_scored_again() {
    let place = place(CONV, "");
    let set = "baselines.models=['gain', 'fir-4', { kind = 'volterra', order = 3, memory = 2, taps = 8 }]";
    let said = place.effigy(&[
        "baseline", "-c", "t.toml", "--set", set, "--save", "kept", "--json",
    ]);
    let outcome = said.json();
    let names: Vec<&Value> = rows(&outcome).iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["identity", "gain", "fir-4", "volterra-3-2x8"]);
    let errors: Vec<f64> = rows(&outcome).iter().map(|r| figure(r, "esr")).collect();
    assert!(
        errors.windows(2).all(|pair| pair[1] < pair[0]),
        "{errors:?}"
    );
    assert_eq!(rows(&outcome)[3]["model"], "kept/volterra-3-2x8.json");

    let tail = |name: &str| samples(&place, name)[3600..].to_vec();
    let (dry, wet) = (tail("dry.wav"), tail("wet.wav"));
    place.wav("d.wav", vec![dry.clone()]);
    place.wav("w.wav", vec![wet.clone()]);
    let evaluate = [
        "evaluate",
        "-m",
        "kept/volterra-3-2x8.json",
        "--dry",
        "d.wav",
        "--wet",
        "w.wav",
        "--latency",
        "0",
        "--json",
    ];
    let again = place.effigy(&evaluate).json();
    let kept = SavedBaseline::load(&place.path("kept/volterra-3-2x8.json")).unwrap();
    assert_eq!(kept.sample_rate_hz, 8000);
    let predicted = kept.baseline.predict(&dry, &[]);
    let expected = metrics(&wet, &predicted).esr;
    let found = figure(&rows(&again)[0], "esr");
    assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    let played = place.effigy(&[
        "-q",
        "infer",
        "-m",
        "kept/volterra-3-2x8.json",
        "d.wav",
        "-o",
        "p.wav",
    ]);
    assert_eq!(played.code, 0, "{}", played.stderr);
    assert_eq!(samples(&place, "p.wav"), predicted);
    let strict = [&evaluate[..9], &["--require-esr", "1e-9"]].concat();
    assert_eq!(place.effigy(&strict).code, 1);

    let refused = |arguments: &[&str], word: &str| {
        let said = place.effigy(&[&["-q", "baseline", "-c", "t.toml"], arguments].concat());
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains(word), "{}", said.stderr);
    };
    refused(&["-o", "x.json"], "--save");
    refused(&["--model", "fir-5000"], "fir-5000");
    refused(&["--set", "baselines.models=['fur']"], "fur");
    refused(
        &["--set", "baselines.models=[{kind='fir', tabs=3}]"],
        "tabs",
    );
    refused(
        &["--set", "baselines.models=[{kind='fir', taps=0}]"],
        "taps",
    );
    let missed = ["-q", "baseline", "-c", "t.toml", "--require-esr", "1e-9"];
    assert_eq!(place.effigy(&missed).code, 1);
}

/// A row that cannot be fitted does not cost the network its figures.
#[test]
fn training_survives_a_baseline_that_cannot_be_fitted() {
    let place = place(CONV, "epochs = 1");
    let set = "baselines.models=['gain', 'fir-3500']";
    let said = place.effigy(&[
        "train", "-c", "t.toml", "--run", "r", "--json", "--set", set,
    ]);
    let outcome = said.json();
    let names: Vec<&Value> = rows(&outcome).iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["conv", "identity", "gain"]);
    assert!(said.stderr.contains("no fir-3500 row"), "{}", said.stderr);
}

/// Two test pairs: every model's figures on each.
#[test]
fn several_test_pairs_are_also_shown_one_by_one() {
    let place = place(CONV, "epochs = 1");
    let dry = noise(2000, 5);
    place.wav("wet2.wav", vec![through_effect(&dry)]);
    place.wav("dry2.wav", vec![dry]);
    let test = |n: &str| format!("[[data.test]]\ndry = \"dry{n}.wav\"\nwet = \"wet{n}.wav\"\n");
    let valid = test("").replace("test", "valid");
    let tables = format!(
        "to = 0.3\n{valid}from = 0.3\nto = 0.4\n{}from = 0.4\n{}[windows]",
        test(""),
        test("2")
    );
    let text = config(CONV, "epochs = 1").replace("[windows]", &tables);
    place.write("two.toml", text);
    let said = place.effigy(&["-q", "train", "-c", "two.toml", "--run", "r"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("constant gain ESR"), "{}", said.stdout);
    let report = std::fs::read_to_string(place.path("r/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let pairs = report["by_pair"].as_array().unwrap();
    assert_eq!(pairs.len(), 2);
    let squares = |row: &Value| figure(row, "mse") * figure(row, "samples");
    for (index, total) in rows(&report).iter().enumerate() {
        let parts: f64 = pairs.iter().map(|pair| squares(&pair["rows"][index])).sum();
        assert!((parts / squares(total) - 1.0).abs() < 1e-9, "{total}");
    }
    let said = place.effigy(&["-q", "compare", "--model", "r"]);
    assert!(said.stdout.contains("ESR by pair"), "{}", said.stdout);
}
