//! What a run's folder withstands: flipped bits, files that are gone, recordings that were
//! replaced, two processes at once, folders of older versions.

use crate::support::{Place, place};
use effigy::commands::train::{self, Request};
use effigy::progress::{Event, Observer};
use effigy::training::history::EpochRow;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const CONV: &str = "kind = \"conv\"\nchannels = 1\nkernel_size = 4";

/// Keeps the warnings.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Observer for Listener {
    fn event(&self, event: Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push(text.to_string());
        }
    }
}

struct Trained {
    result: Result<(), String>,
    warnings: Vec<String>,
    rows: Vec<EpochRow>,
}

/// Trains `run`, resuming it where it is there, until so many epochs are done.
fn train(place: &Place, run: &str, epochs: usize) -> Trained {
    let listener = Listener::default();
    let mut rows = Vec::new();
    let request = Request {
        config: Some(place.path("t.toml")),
        overrides: vec![format!("training.epochs={epochs}")],
        run: Some(place.path(run)),
        resume: place.path(run).exists(),
        no_report: true,
        ..Request::default()
    };
    let result = train::train(&request, &listener, |row, _| rows.push(row.clone()));
    Trained {
        result: result.map(|_| ()).map_err(|e| format!("{e:#}")),
        warnings: listener.0.into_inner().unwrap(),
        rows,
    }
}

fn quick() -> Place {
    place(CONV, "epochs = 3\nlearning_rate = 0.01")
}

/// The log without its clock, and what the network says.
fn essence(place: &Place, run: &str) -> (Vec<serde_json::Value>, Vec<u8>) {
    let text = fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap();
    let row = |line: &str| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().remove("seconds");
        row
    };
    let said = place.path(run).join("test/1-wet-predicted.wav");
    (text.lines().map(row).collect(), fs::read(said).unwrap())
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    let bit = bit % (8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_flipped_bit_is_named_and_the_epoch_before_goes_on_to_the_same_end() {
    let place = quick();
    assert_eq!(train(&place, "begun", 2).result, Ok(()));
    assert_eq!(train(&place, "whole", 3).result, Ok(()));
    let files = [
        "weights.bpk",
        "optimiser.bpk",
        "state.json",
        "checksums.txt",
    ];
    for (number, name) in files.iter().enumerate() {
        let run = format!("cut-{number}");
        copied(&place.path("begun"), &place.path(&run));
        let file = place.path(&run).join("epoch-2").join(name);
        flip(&file, 7919 * (number + 3));
        let resumed = train(&place, &run, 3);
        assert_eq!(resumed.result, Ok(()), "{name}");
        let said = resumed.warnings.join("\n");
        // A damaged list of checksums cannot say more than which file it fails.
        let named = if *name == "checksums.txt" {
            "epoch-2"
        } else {
            name
        };
        assert!(said.contains(named), "{name}: {said}");
        assert!(said.contains("checksum"), "{name}: {said}");
        assert!(said.contains("continuing after epoch 1"), "{name}: {said}");
        assert_eq!(resumed.rows.len(), 2, "{name}");
        assert!(essence(&place, &run) == essence(&place, "whole"), "{name}");
    }
    // A file that is gone, or empty, is damage too.
    for (run, spoil) in [
        ("gone", (|p| fs::remove_file(p).unwrap()) as fn(PathBuf)),
        ("empty", |p| fs::write(p, b"").unwrap()),
    ] {
        copied(&place.path("begun"), &place.path(run));
        spoil(place.path(run).join("epoch-2/optimiser.bpk"));
        let resumed = train(&place, run, 3);
        assert_eq!(resumed.result, Ok(()), "{run}");
        let said = resumed.warnings.join("\n");
        assert!(said.contains("optimiser.bpk"), "{run}: {said}");
        assert!(essence(&place, run) == essence(&place, "whole"), "{run}");
    }
    // Both epochs: nothing is left to go on from, and what to do is said.
    flip(&place.path("begun/epoch-1/weights.bpk"), 99_999);
    flip(&place.path("begun/epoch-2/weights.bpk"), 12_345);
    let error = train(&place, "begun", 3).result.unwrap_err();
    for word in [
        "epoch-2/weights.bpk",
        "no older epoch is whole",
        "--init-from",
    ] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_flipped_bit_in_the_best_weights_stops_whoever_plays_them() {
    let place = quick();
    assert_eq!(train(&place, "r", 2).result, Ok(()));
    let weights = place.path("r/best/weights.bpk");
    let sound = fs::read(&weights).unwrap();
    // 40 of 40.
    for number in 0..40 {
        flip(&weights, 7919 * number + 5);
        let told = effigy::playing::Playable::open(&place.path("r"));
        let error = format!("{:#}", told.map(|_| ()).unwrap_err());
        for word in ["best/weights.bpk", "checksum", "--resume"] {
            assert!(error.contains(word), "{error}");
        }
        fs::write(&weights, &sound).unwrap();
    }
    flip(&weights, 12_345);
    // The advice works.
    let resumed = train(&place, "r", 2);
    assert_eq!(resumed.result, Ok(()));
    assert!(
        resumed.warnings[0].contains("take the place"),
        "{:?}",
        resumed.warnings
    );
    assert!(effigy::playing::Playable::open(&place.path("r")).is_ok());
}

#[test]
fn what_an_epoch_writes_does_not_grow_with_the_log() {
    let place = quick();
    assert_eq!(train(&place, "r", 2).result, Ok(()));
    let state = fs::read_to_string(place.path("r/epoch-2/state.json")).unwrap();
    assert!(state.len() < 200, "{state}");
    // A log that was cut short, or went on before its state was there, ends where the state does.
    let log = place.path("r/metrics.jsonl");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, [&whole[..], &whole[..100]].concat()).unwrap();
    let runs = place.effigy(&["runs", "--dir", ".", "--json"]).json();
    assert_eq!(runs["runs"][0]["epochs"], 2, "{runs}");
    assert_eq!(train(&place, "r", 2).result, Ok(()));
    assert_eq!(fs::read(&log).unwrap(), whole);
    // Lines that are missing cannot be made up.
    fs::write(&log, &whole[..100]).unwrap();
    let error = train(&place, "r", 3).result.unwrap_err();
    assert!(error.contains("metrics.jsonl: ends after"), "{error}");
}

/// Until then `state.json` held all rows, and there were no checksums.
#[test]
fn runs_of_older_versions_go_on() {
    let place = quick();
    assert_eq!(train(&place, "whole", 3).result, Ok(()));
    assert_eq!(train(&place, "old", 2).result, Ok(()));
    let old = |name: &str| place.path("old").join(name);
    let log = fs::read_to_string(old("metrics.jsonl")).unwrap();
    let state = fs::read_to_string(old("epoch-2/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let rows = log.lines().collect::<Vec<_>>().join(",");
    let older = format!("{{\"history\":[{rows}],\"best\":{}}}", state["best"]);
    fs::write(old("epoch-2/state.json"), older).unwrap();
    fs::remove_dir_all(old("epoch-1")).unwrap();
    for name in [
        "epoch-2/checksums.txt",
        "best/checksums.txt",
        "recordings.txt",
    ] {
        fs::remove_file(old(name)).unwrap();
    }
    let resumed = train(&place, "old", 3);
    assert_eq!((resumed.result, resumed.warnings), (Ok(()), Vec::new()));
    assert!(essence(&place, "old") == essence(&place, "whole"));
}

#[test]
fn recordings_that_were_replaced_are_noticed() {
    let place = quick();
    assert_eq!(train(&place, "r", 1).result, Ok(()));
    let wet = fs::read(place.path("wet.wav")).unwrap();
    flip(&place.path("wet.wav"), 8 * 4000);
    let error = train(&place, "r", 2).result.unwrap_err();
    for word in ["wet.wav", "not the recording", "put the old one back"] {
        assert!(error.contains(word), "{error}");
    }
    fs::write(place.path("wet.wav"), wet).unwrap();
    assert_eq!(train(&place, "r", 2).result, Ok(()));
}

#[test]
fn two_processes_cannot_train_one_run() {
    let place = place(CONV, "epochs = 100000");
    let mut child = place
        .command()
        .args([
            "-q",
            "train",
            "-c",
            "t.toml",
            "--run",
            "r",
            "--save-every",
            "0",
        ])
        .spawn()
        .unwrap();
    while !place.path("r/epoch-2").is_dir() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    for arguments in [
        &["-q", "train", "--run", "r", "--resume"][..],
        &["-q", "train", "-c", "t.toml", "--run", "r", "--resume"],
    ] {
        let said = place.effigy(arguments);
        assert_eq!(said.code, 2);
        let line = "r: another effigy process is training this run";
        assert!(said.stderr.contains(line), "{}", said.stderr);
    }
    // Looking at it is allowed, and the one that trains does not mind.
    assert_eq!(place.effigy(&["runs", "--dir", "."]).code, 0);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock is gone with its process.
    let epochs = fs::read_to_string(place.path("r/metrics.jsonl"))
        .unwrap()
        .lines()
        .count();
    let shorter = format!("training.epochs={epochs}");
    let said = place.effigy(&["-q", "train", "--run", "r", "--resume", "--set", &shorter]);
    assert_eq!(said.code, 0, "{}", said.stderr);
}

/// A kill before `config.toml` had its name.
#[test]
fn a_folder_in_which_nothing_was_begun_can_be_begun() {
    let place = quick();
    for (name, more) in [("a", &[][..]), ("b", &["--resume"])] {
        place.write(&format!("{name}/config.toml.effigy-scratch-1-1"), "seed = ");
        place.write(&format!("{name}/recordings.txt"), "");
        let all = [&["-q", "train", "-c", "t.toml", "--run", name], more].concat();
        let said = place.effigy(&all);
        assert_eq!(said.code, 0, "{}", said.stderr);
    }
    place.write("checkpoints/t/config.toml.effigy-scratch-1-1", "");
    assert_eq!(place.effigy(&["-q", "train", "-c", "t.toml"]).code, 0);
    assert!(place.path("checkpoints/t/report.json").is_file());
    assert!(!place.files().iter().any(|f| f.contains("scratch")));
}
