//! Packs from outside: made, trained by one worker and by several, killed, changed, told of.

use crate::support::{Place, config, noise, through_effect};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const MODEL: &str = "kind = \"conv\"\nchannels = 2\nkernel_size = 4";

/// One dry and three wet recordings, a config to train them with.
fn recordings() -> Place {
    let place = Place::new();
    let dry = noise(3000, 1);
    for (gain, name) in [
        (0.5, "amp-g1.wav"),
        (1.0, "amp-g2.wav"),
        (2.0, "amp-g3.wav"),
    ] {
        let louder: Vec<f32> = dry.iter().map(|x| gain * x).collect();
        place.wav(name, vec![through_effect(&louder)]);
    }
    place.wav("dry.wav", vec![dry]);
    place.write("t.toml", config(MODEL, "epochs = 2"));
    place
}

fn new(place: &Place, more: &[&str]) -> Value {
    let wets = ["amp-g1.wav", "amp-g2.wav", "amp-g3.wav"];
    let given = [
        "--json", "pack", "new", "p", "--config", "t.toml", "--dry", "dry.wav",
    ];
    place.effigy(&[&given[..], &wets, more].concat()).json()
}

fn status(place: &Place) -> Value {
    place.effigy(&["--json", "pack", "status", "p"]).json()
}

fn count(status: &Value, state: &str) -> u64 {
    status["counts"][state].as_u64().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What two equal runs have in common: the log without its clock, the test's sounds.
fn essence(run: &Path) -> (Vec<Value>, Vec<Vec<u8>>) {
    let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().remove("seconds");
        row
    };
    let test = run.join("test");
    let sounds = names(&test)
        .into_iter()
        .map(|name| fs::read(test.join(name)).unwrap());
    (log.lines().map(row).collect(), sounds.collect())
}

#[test]
fn a_pack_is_trained_once_and_a_changed_recording_again() {
    let place = recordings();
    let made = new(&place, &["--pattern", "{gear}-g{gain}.wav"]);
    assert_eq!(
        made["jobs"],
        serde_json::json!(["amp-g1", "amp-g2", "amp-g3"])
    );
    assert_eq!(count(&status(&place), "waiting"), 3);
    let run = |more: &[&str]| {
        place
            .effigy(&[&["--json", "pack", "run", "p"], more].concat())
            .json()
    };
    assert_eq!(
        run(&["--most", "1"])["trained"].as_array().unwrap().len(),
        1
    );
    assert_eq!(run(&[])["trained"].as_array().unwrap().len(), 2);
    assert_eq!(run(&[])["trained"].as_array().unwrap().len(), 0);
    let told = status(&place);
    assert_eq!(count(&told, "done"), 3);
    assert!(told["jobs"][0]["esr"].as_f64().unwrap() < 2.0);
    // A finished job is an ordinary run, whose words lead where it lies.
    let id = told["jobs"][1]["id"].as_str().unwrap();
    let folder = place.path("p").join("runs").join(id);
    let report: Value =
        serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert!(Path::new(report["run"].as_str().unwrap()).ends_with(Path::new("p/runs").join(id)));
    for file in report["files"].as_array().unwrap() {
        assert!(Path::new(file.as_str().unwrap()).is_file(), "{file}");
    }
    let runs = place.effigy(&["--json", "runs", "--dir", "p/runs"]).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 3);
    for left in ["claims", "work", "failed"] {
        assert!(names(&place.path("p").join(left)).is_empty(), "{left}");
    }
    // Another recording under an old name is another job; the old run stays.
    let dry = noise(3000, 1);
    place.wav("amp-g2.wav", vec![dry.iter().map(|x| 0.3 * x).collect()]);
    assert_eq!(count(&status(&place), "waiting"), 1);
    assert_eq!(run(&[])["trained"][0]["name"], "amp-g2");
    assert_eq!(names(&place.path("p").join("runs")).len(), 4);
}

#[test]
fn a_killed_workers_job_goes_on_to_the_same_bits() {
    let place = recordings();
    new(&place, &["--set", "training.epochs=40"]);
    place.effigy(&["-q", "pack", "run", "p"]);
    let runs = place.path("p").join("runs");
    let calm: Vec<_> = names(&runs)
        .iter()
        .map(|id| essence(&runs.join(id)))
        .collect();
    fs::remove_dir_all(place.path("p")).unwrap();
    new(&place, &["--set", "training.epochs=40"]);
    let work = place.path("p").join("work");
    let begun = || {
        let runs = fs::read_dir(&work).into_iter().flatten().flatten();
        runs.map(|run| run.path())
            .any(|run| run.join("epoch-1").is_dir())
    };
    let mut killed = 0;
    for _ in 0..3 {
        let mut worker = place
            .command()
            .args(["-q", "pack", "run", "p"])
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !begun() && worker.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(2));
        }
        killed += usize::from(worker.try_wait().unwrap().is_none());
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    assert!(killed > 0);
    // On this machine the system says at once that they are gone.
    let told = status(&place);
    assert_eq!(
        count(&told, "running") + count(&told, "silent"),
        0,
        "{told}"
    );
    let said = place.effigy(&["-q", "pack", "run", "p"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let wild: Vec<_> = names(&runs)
        .iter()
        .map(|id| essence(&runs.join(id)))
        .collect();
    assert!(wild == calm, "a run differs from its undisturbed one");
    assert!(names(&work).is_empty() && names(&place.path("p").join("claims")).is_empty());
}

#[test]
fn shares_and_workers_divide_a_sweep() {
    let place = recordings();
    let sweep = ["--vary", "seed=1..2", "--vary", "model.channels=2,3"];
    let given = ["--json", "pack", "new", "p", "--config", "t.toml"];
    let made = place.effigy(&[&given[..], &sweep].concat());
    // The config's own pair, which names dry.wav and wet.wav.
    assert_eq!(made.code, 0, "{}", made.stderr);
    let dry = noise(3000, 2);
    place.wav("wet.wav", vec![through_effect(&dry)]);
    let one = place
        .effigy(&["--json", "pack", "run", "p", "--array", "1/4"])
        .json();
    assert_eq!(one["trained"][0]["name"], "t-seed1-channels3");
    assert_eq!(one["counts"]["done"], 1);
    let rest = place
        .effigy(&["--json", "pack", "run", "p", "--jobs", "2"])
        .json();
    assert_eq!(rest["trained"].as_array().unwrap().len(), 3, "{rest}");
    let told = status(&place);
    assert_eq!(count(&told, "done"), 4);
    assert_eq!(told["groups"].as_array().unwrap().len(), 2);
    assert_eq!(told["groups"][0]["runs"], 2);
}

#[test]
fn a_job_that_fails_says_why_and_waits_for_retry() {
    let place = recordings();
    new(&place, &[]);
    // Too short to cut a window from.
    place.wav("amp-g3.wav", vec![vec![0.1; 40]]);
    let said = place.effigy(&["--json", "pack", "run", "p"]);
    assert_eq!(said.code, 2);
    let told = status(&place);
    assert_eq!((count(&told, "done"), count(&told, "failed")), (2, 1));
    assert_eq!(told["jobs"][2]["state"], "failed");
    assert!(told["jobs"][2]["reason"].as_str().unwrap().len() > 20);
    // It is not tried again by itself.
    let again = place.effigy(&["--json", "pack", "run", "p"]).json();
    assert!(again["trained"].as_array().unwrap().is_empty());
    let retried = place.effigy(&["--json", "pack", "retry", "p"]).json();
    assert_eq!(retried["jobs"], serde_json::json!(["amp-g3"]));
    assert_eq!(count(&status(&place), "failed"), 0);
    let none = place.effigy(&["pack", "retry", "p", "amp-g1"]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("see README: Packs"), "{}", none.stderr);
}

#[test]
fn knobs_gather_recordings_in_one_job_and_scripts_are_written_without_an_engine() {
    let place = recordings();
    place.write(
        "amounts.csv",
        "dry,wet,amount,gear_make\ndry.wav,amp-g1.wav,10,Acme\ndry.wav,amp-g3.wav,30,Acme\n",
    );
    place.write(
        "t.toml",
        config(
            "kind = \"lstm\"\nhidden_size = 2\nwarm_up = 16",
            "epochs = 1",
        ),
    );
    let given = [
        "--json",
        "pack",
        "new",
        "p",
        "--config",
        "t.toml",
        "--table",
        "amounts.csv",
    ];
    let made = place
        .effigy(&[&given[..], &["--knobs", "amount"]].concat())
        .json();
    assert_eq!(made["jobs"], serde_json::json!(["Acme"]));
    let text = fs::read_to_string(place.path("p/pack.toml")).unwrap();
    assert!(
        text.contains("amount = 10.0") && text.contains("amount = 30.0"),
        "{text}"
    );
    let range = "data.knob_ranges={ amount = [10.0, 30.0] }";
    assert!(text.contains(range), "{text}");
    let measured = ["--cores", "1", "--minutes", "5", "--memory", "300"];
    let given = [
        "--json", "pack", "submit", "p", "--print", "--engine", "slurm",
    ];
    let told = place.effigy(&[&given[..], &measured].concat()).json();
    let script = fs::read_to_string(place.path("p/slurm.sh")).unwrap();
    assert_eq!(told["text"].as_str().unwrap(), script);
    assert!(script.contains("#SBATCH --mem=300M"), "{script}");
}
