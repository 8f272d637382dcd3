//! Mutated files of a run's folder: whatever a disk or a hand made of them, reading ends in an
//! answer or an error. The readers of the base half are `tests/fuzz`, whose mutations these are.

#[path = "../fuzz/mutate.rs"]
mod mutate;

use crate::support::{Place, place};
use effigy::device::{self, DeviceChoice};
use effigy::progress::Silent;
use effigy::training::run_dir::RunDir;
use effigy::training::run_report::RunReport;
use mutate::Mutator;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn trained() -> Place {
    let place = place(
        "kind = \"conv\"\nchannels = 2\nkernel_size = 3",
        "epochs = 2",
    );
    let said = place.effigy(&["-q", "train", "-c", "t.toml", "--run", "r"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    place
}

/// Everything that reads the folder.
fn read(place: &Place) {
    let device = device::select(DeviceChoice::Flex).unwrap().device;
    let Ok(run) = RunDir::open(&place.path("r")) else {
        return;
    };
    drop(run.metrics());
    drop(RunReport::read(&run));
    drop(run.load_best(&device));
    if let Ok(config) = run.config()
        && let Ok((model, _)) = run.load_best(&device)
    {
        drop(run.load_state(model, &config, |model| model, &Silent));
    }
}

/// The files below a folder, those that are read.
fn files(place: &Place) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = place.files().into_iter().map(PathBuf::from).collect();
    let kinds = ["toml", "json", "jsonl", "bpk", "bin"];
    files.retain(|f| f.starts_with("r"));
    files.retain(|f| {
        f.extension()
            .is_some_and(|e| kinds.contains(&&*e.to_string_lossy()))
    });
    files
}

fn mutate_all(seed: u64, count: usize, end: Option<Instant>) -> usize {
    let place = trained();
    let files: Vec<PathBuf> = files(&place)
        .iter()
        .map(|f| place.path("").join(f))
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    let mut tried = 0;
    let wholes: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
    for number in 0..count {
        for (file, whole) in files.iter().zip(&wholes) {
            if end.is_some_and(|end| Instant::now() >= end) {
                return tried;
            }
            let is_text = std::str::from_utf8(whole).is_ok();
            let seed = seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
            let input = Mutator::new(vec![whole.clone()], is_text, seed).next();
            std::fs::write(file, &input).unwrap();
            let started = Instant::now();
            let read = catch_unwind(AssertUnwindSafe(|| read(&place)));
            let fine = read.is_ok() && started.elapsed() < Duration::from_secs(10);
            // Reading a state may write the log anew.
            for (file, whole) in files.iter().zip(&wholes) {
                std::fs::write(file, whole).unwrap();
            }
            if !fine {
                let kept = std::env::temp_dir().join(format!("effigy-fuzz-run-{seed}"));
                std::fs::write(&kept, input).unwrap();
                panic!(
                    "{} (seed {seed}), kept as {}",
                    file.display(),
                    kept.display()
                );
            }
            tried += 1;
        }
    }
    tried
}

#[test]
fn some_mutations_of_a_run_are_harmless() {
    assert!(mutate_all(1, 4, None) > 0);
}

/// As `for_seconds` of `tests/fuzz`.
#[test]
#[ignore = "runs for as long as it is told"]
fn mutations_of_a_run_for_seconds() {
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seconds = given("EFFIGY_FUZZ_SECONDS").unwrap_or(60);
    let end = Instant::now() + Duration::from_secs(seconds);
    let tried = mutate_all(
        given("EFFIGY_FUZZ_SEED").unwrap_or(7),
        usize::MAX,
        Some(end),
    );
    println!("{tried} mutated files of a run: no panic, no hang");
}
