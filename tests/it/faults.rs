//! Whatever happens to the disk: every operation of training, resuming, exporting, playing and
//! reporting fails once, is the last before a kill, and the last before a power loss; the same
//! command again then ends where an undisturbed one ends, and nothing stays behind.

use crate::support::{Place, config, noise, through_effect};
use effigy::commands::{export, infer, report, train};
use effigy::files::replay::{Disk, ENDS, End, Tree, write_out};
use effigy::files::watch::{Operation, Watch};
use effigy::formats::Format;
use effigy::progress::Silent;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

const CONV: &str = "kind = \"conv\"\nchannels = 1\nkernel_size = 4";

/// A place with a second of sound at most, to train on for two epochs.
fn place() -> Place {
    let place = Place::in_memory();
    let dry = noise(700, 1);
    place.wav("wet.wav", vec![through_effect(&dry)]);
    place.wav("dry.wav", vec![dry]);
    let text = config(CONV, "epochs = 2\nlearning_rate = 0.01");
    place.write("t.toml", text.replace("fir_taps = 4", "fir_taps = 1"));
    place
}

/// A full disk where something is to be written, a broken one where it is to stay.
fn fault(operation: &Operation) -> fn() -> io::Error {
    match operation {
        Operation::Sync(_) | Operation::SyncDir(_) => || io::Error::from_raw_os_error(5),
        _ => || io::ErrorKind::StorageFull.into(),
    }
}

/// A command that can be disturbed: it works in a folder, given anew each time.
struct Trial<'a> {
    name: &'a str,
    /// What the folder holds at the beginning.
    before: Tree,
    /// The command; again and again.
    run: &'a dyn Fn(&Path) -> anyhow::Result<()>,
    /// What is to be the same however it came to be.
    result: &'a dyn Fn(&Path) -> Tree,
    place: &'a Place,
}

/// How many faults were tried; all were survived, or the test has failed.
#[derive(Debug, Default)]
struct Tried {
    failed: usize,
    ended: usize,
    /// Ends that left different disks.
    resumed: usize,
}

impl Trial<'_> {
    fn folder(&self, name: &str, tree: &Tree) -> PathBuf {
        // Each folder once: a process sweeps what others left in it at its first write there.
        let folder = self.place.path(&format!("{}-{name}", self.name));
        write_out(tree, &folder).unwrap();
        folder
    }

    fn every_fault(&self) -> Tried {
        let folder = self.folder("recorded", &self.before);
        let mut disk = Disk::read(&folder).unwrap();
        let watch = Watch::recording(&folder);
        (self.run)(&folder).unwrap();
        let operations = watch.operations();
        drop(watch);
        let expected = (self.result)(&folder);
        let mut tried = Tried::default();
        let mut seen = BTreeSet::new();
        for (number, operation) in operations.iter().enumerate() {
            for end in ENDS {
                tried.ended += 1;
                let left = disk.left(end);
                if seen.insert(left.clone()) {
                    tried.resumed += 1;
                    let name = format!("{end:?}-{number}");
                    self.survives(&self.folder(&name, &left), &expected, operation);
                }
            }
            disk.apply(operation);
            tried.failed += 1;
            let folder = self.folder(&format!("fail-{number}"), &self.before);
            let watch = Watch::failing(&folder, number, fault(operation));
            let told = (self.run)(&folder);
            drop(watch);
            // What could not be removed is in nobody's way.
            let minor = matches!(
                operation,
                Operation::RemoveFile(_) | Operation::RemoveDir(_)
            );
            assert!(told.is_err() || minor, "{operation:?} failed unnoticed");
            self.survives(&folder, &expected, operation);
        }
        for end in ENDS {
            self.survives(
                &self.folder(&format!("{end:?}-end"), &disk.left(end)),
                &expected,
                &operations[0],
            );
        }
        tried
    }

    fn survives(&self, folder: &Path, expected: &Tree, operation: &Operation) {
        let place = folder.display();
        (self.run)(folder).unwrap_or_else(|e| panic!("{place} {operation:?}: {e:#}"));
        let left = (self.result)(folder);
        let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&left), names(expected), "{place} {operation:?}");
        for (path, contents) in expected {
            assert!(
                left[path] == *contents,
                "{place} {operation:?}: {}",
                path.display()
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

fn everything(folder: &Path) -> Tree {
    Disk::read(folder).unwrap().left(End::Kill)
}

/// A run's folder without what two equal runs differ in: clocks, and the random names of parameters.
fn without_clocks(folder: &Path) -> Tree {
    let mut tree = everything(folder);
    for (path, contents) in &mut tree {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(bytes) = contents else { continue };
        match name.as_str() {
            "metrics.jsonl" => *bytes = without_seconds(bytes),
            _ if name.ends_with(".wav") || name == "config.toml" || name == "recordings.txt" => {}
            _ => bytes.clear(),
        }
    }
    tree
}

fn without_seconds(log: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(log.to_vec()).unwrap();
    let row = |line: &str| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().remove("seconds");
        row.to_string()
    };
    text.lines().map(row).collect::<String>().into_bytes()
}

/// Trains in `folder/r`, going on with what is there.
fn trained(place: &Place, folder: &Path, epochs: usize) -> anyhow::Result<()> {
    let run = folder.join("r");
    let request = train::Request {
        config: Some(place.path("t.toml")),
        overrides: vec![format!("training.epochs={epochs}")],
        resume: run.exists(),
        run: Some(run),
        no_report: true,
        ..train::Request::default()
    };
    train::train(&request, &Silent, |_, _| {}).map(|_| ())
}

#[test]
fn training_survives_every_fault() {
    let place = place();
    let tried = Trial {
        name: "train",
        before: Tree::new(),
        run: &|folder| trained(&place, folder, 2),
        result: &without_clocks,
        place: &place,
    }
    .every_fault();
    println!("train: {tried:?}, all survived");
    assert!(tried.failed > 60, "{tried:?}");
}

#[test]
fn resuming_survives_every_fault() {
    let place = place();
    let begun = place.path("begun");
    trained(&place, &begun, 2).unwrap();
    let tried = Trial {
        name: "resume",
        before: everything(&begun),
        run: &|folder| trained(&place, folder, 3),
        result: &without_clocks,
        place: &place,
    }
    .every_fault();
    println!("resume: {tried:?}, all survived");
    assert!(tried.failed > 40, "{tried:?}");
}

/// A place with a finished run in `run/r`.
fn finished() -> Place {
    let place = place();
    trained(&place, &place.path("run"), 1).unwrap();
    place
}

#[test]
fn exporting_survives_every_fault() {
    let place = finished();
    let old = [(PathBuf::from("m.json"), Some(b"an older file".to_vec()))];
    for (name, before) in [("new", Tree::new()), ("replacing", Tree::from(old))] {
        let tried = Trial {
            name,
            before,
            run: &|folder| {
                let request = export::Request {
                    model: place.path("run/r"),
                    format: Some(Format::RtNeural),
                    output: folder.join("m.json"),
                    ..export::Request::default()
                };
                export::export(&request, &Silent).map(|_| ())
            },
            result: &everything,
            place: &place,
        }
        .every_fault();
        println!("export: {tried:?}, all survived");
    }
}

#[test]
fn playing_survives_every_fault() {
    let place = finished();
    let tried = Trial {
        name: "infer",
        before: Tree::new(),
        run: &|folder| {
            let request = infer::Request {
                model: place.path("run/r"),
                inputs: vec![place.path("dry.wav"), place.path("wet.wav")],
                output: folder.join("played"),
                format: None,
                block: 256,
                device: "engine".to_string(),
                size: None,
                silence_not_finite: false,
                controls: Vec::new(),
                phase: None,
                rate: None,
                depth: None,
                second_phase: None,
            };
            infer::infer(&request, &Silent).map(|_| ())
        },
        result: &everything,
        place: &place,
    }
    .every_fault();
    println!("infer: {tried:?}, all survived");
    assert!(tried.failed > 12, "{tried:?}");
}

#[test]
fn reporting_survives_every_fault() {
    let place = finished();
    let tried = Trial {
        name: "report",
        before: Tree::new(),
        run: &|folder| {
            let request = report::Request {
                runs: vec![place.path("run/r")],
                output: Some(folder.join("page.html")),
                ..report::Request::default()
            };
            report::report(&request, &Silent).map(|_| ())
        },
        result: &everything,
        place: &place,
    }
    .every_fault();
    println!("report: {tried:?}, all survived");
    assert!(tried.failed >= 5, "{tried:?}");
}
