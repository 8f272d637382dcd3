//! The first hour: `check`, `new`, the queue, what a terminal and a log see, completions and
//! manual pages.

use crate::support::{Place, noise, place, shared};
use effigy::audio::{Audio, SampleFormat, SampleRate, encode};
use effigy::commands::check::{Outcome, Request, check};
use effigy::config::{DataConfig, Latency, PairConfig};
use effigy::data::load::{Recordings, load};
use effigy::dsp::shift;
use effigy::effects::{Effect, signals};
use effigy::progress::{Event, Observer, Silent};
use effigy::regress::diagnosis::Kind;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Mutex;

const HZ: u32 = 44_100;

/// Plucked strings, soft and loud.
fn playing(seconds: f64, seed: u64) -> Vec<f32> {
    let signal: signals::Signal =
        toml::from_str("kind = \"plucked-string\"\nlevel_dbfs = -3.0").unwrap();
    let rate = SampleRate::new(HZ).unwrap();
    let mut dry = signals::render(&signal, rate, seconds, seed).unwrap();
    for (n, v) in dry.iter_mut().enumerate() {
        // Louder and softer over some seconds.
        *v *= 0.3 + 0.7 * (n as f32 / 90_000.0).sin().powi(2);
    }
    dry
}

fn write(folder: &Path, name: &str, samples: Vec<f32>) -> std::path::PathBuf {
    let path = folder.join(name);
    let audio = Audio::mono(SampleRate::new(HZ).unwrap(), samples);
    encode::write(&path, &audio, SampleFormat::Float(32)).unwrap();
    path
}

fn look(dry: &Path, wet: &Path, latency_samples: Option<i64>) -> Outcome {
    let request = Request {
        dry: dry.to_path_buf(),
        wet: wet.to_path_buf(),
        latency_samples,
        channel: None,
    };
    check(&request, &Silent).unwrap()
}

fn describe(name: &str, found: &Outcome) -> String {
    format!(
        "{name}: {:?}{} fit {} {:?} {:?} in {:.1} s\n  {:?}",
        found.kind,
        if found.delayed { " delayed" } else { "" },
        found.fit,
        found.latency.as_ref().map(|l| l.latency_samples),
        found.diagnosis.as_ref().map(|d| d.leaves),
        found.seconds,
        found.problems,
    )
}

/// Each reference effect of known truth, and a tremolo, is called by its kind.
#[test]
fn check_names_the_kind_of_generated_effects() {
    let cases: [(&str, &str, Kind); 9] = [
        (
            "low-pass",
            "kind = \"low-pass\"\ncutoff_hz = 1200.0",
            Kind::Linear,
        ),
        (
            "overdrive",
            "kind = \"overdrive\"\ngain = 0.5",
            Kind::StaticNonlinear,
        ),
        ("fuzz", "kind = \"fuzz\"\ngain = 0.2", Kind::StaticNonlinear),
        (
            "compressor",
            "kind = \"compressor\"\nthreshold_db = -30.0\nratio = 6.0\nattack_ms = 10.0\n\
             release_ms = 200.0",
            Kind::DynamicGain,
        ),
        (
            "echo",
            "kind = \"echo\"\ndelay_ms = 170.0\nfeedback = 0.4",
            Kind::Delayed,
        ),
        (
            "reverb",
            "kind = \"reverb\"\ndecay_seconds = 0.3",
            Kind::Delayed,
        ),
        (
            "chorus",
            "kind = \"chorus\"\nrate_hz = 0.9\ndepth_ms = 4.0",
            Kind::TimeVarying,
        ),
        (
            "phaser",
            "kind = \"phaser\"\nrate_hz = 0.7",
            Kind::TimeVarying,
        ),
        ("tremolo", "", Kind::TimeVarying),
    ];
    let folder = tempfile::tempdir().unwrap();
    let samples = playing(7.6, 5);
    let dry = write(folder.path(), "dry.wav", samples.clone());
    let wrong: Vec<String> = cases
        .par_iter()
        .filter_map(|(name, effect, kind)| {
            let mut wet = if effect.is_empty() {
                let swing = |n: usize| {
                    0.6 + 0.4 * (n as f32 * 5.0 / HZ as f32 * std::f32::consts::TAU).sin()
                };
                samples
                    .iter()
                    .enumerate()
                    .map(|(n, v)| v * swing(n))
                    .collect()
            } else {
                let effect: Effect = toml::from_str(effect).unwrap();
                effect
                    .process(&samples, SampleRate::new(HZ).unwrap())
                    .unwrap()
            };
            wet.splice(0..0, vec![0.0; 20]);
            let wet = write(folder.path(), &format!("{name}.wav"), wet);
            let found = look(&dry, &wet, None);
            let line = describe(name, &found);
            println!("{line}");
            (found.kind != Some(*kind) || !found.fit).then_some(line)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// One recording of every folder of real ones.
#[test]
fn check_names_the_kind_of_shared_recordings() {
    let cases: [(&str, Option<i64>, &[Kind], bool); 6] = [
        ("lowpass/beethoven-", None, &[Kind::Linear], false),
        ("diode-clipper/", None, &[Kind::StaticNonlinear], false),
        (
            "fuzz-jhm8/bass_1-",
            None,
            &[Kind::StaticNonlinear, Kind::DynamicNonlinear],
            false,
        ),
        (
            "overdrive-bd2/clip0-",
            Some(0),
            &[Kind::StaticNonlinear, Kind::DynamicNonlinear],
            false,
        ),
        (
            "compressor-la2a/sample3-",
            None,
            &[Kind::DynamicGain],
            false,
        ),
        (
            "pedals/beethoven-",
            None,
            &[Kind::StaticNonlinear, Kind::DynamicNonlinear],
            true,
        ),
    ];
    let Some(data) = shared("data") else { return };
    let wrong: Vec<String> = cases
        .par_iter()
        .filter_map(|(name, latency, kinds, delayed)| {
            let dry = data.join(format!("{name}dry.wav"));
            let wet = data.join(format!("{name}wet.wav"));
            let found = look(&dry, &wet, *latency);
            let line = describe(name, &found);
            println!("{line}");
            let right = found.kind.is_some_and(|k| kinds.contains(&k));
            (!right || !found.fit || found.delayed != *delayed).then_some(line)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A place with `dry.wav` and a clipped, filtered, later `wet.wav`, 44.1 kHz.
fn recorded(seconds: f64) -> Place {
    let place = Place::new();
    let dry = playing(seconds, 7);
    let mut wet = vec![0.0; 33];
    let mut state = 0.0;
    wet.extend(dry.iter().map(|v| {
        state += 0.5 * ((6.0 * v).tanh() - state);
        state
    }));
    place.wav_at("dry.wav", vec![dry], HZ, SampleFormat::Int(24));
    place.wav_at("wet.wav", vec![wet], HZ, SampleFormat::Int(24));
    place
}

#[test]
fn check_says_what_is_wrong_and_exits_with_one() {
    let place = recorded(3.0);
    let said = place.effigy(&["check", "dry.wav", "wet.wav"]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    for word in [
        "44100 Hz, mono",
        "lags by 33 samples",
        "polarity kept",
        "static nonlinear",
        "filter, 256 taps",
        "fit for training",
        "effigy new NAME --dry dry.wav --wet wet.wav",
    ] {
        assert!(
            said.stdout.contains(word),
            "no '{word}' in\n{}",
            said.stdout
        );
    }
    let json = place
        .effigy(&["check", "dry.wav", "wet.wav", "--json"])
        .json();
    assert_eq!(json["kind"], "static-nonlinear");
    assert_eq!(json["fit"], true);
    assert_eq!(json["latency"]["latency_samples"], 33);

    let held: Vec<f32> = (0..60_000).map(|n| 0.3 * (n as f32 * 0.03).sin()).collect();
    let bent = held.iter().map(|v| (4.0 * v).tanh()).collect();
    place.wav_at("held.wav", vec![held], HZ, SampleFormat::Int(24));
    place.wav_at("bent.wav", vec![bent], HZ, SampleFormat::Int(24));
    let said = place.effigy(&["check", "held.wav", "bent.wav"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    for word in [
        "not fit for training",
        "confidence",
        "--latency",
        "held note",
    ] {
        assert!(
            said.stdout.contains(word),
            "no '{word}' in\n{}",
            said.stdout
        );
    }
    let said = place.effigy(&["check", "held.wav", "bent.wav", "--latency", "0"]);
    assert_eq!(said.code, 0, "{}", said.stdout);

    place.wav_at(
        "slow.wav",
        vec![noise(9000, 1)],
        48_000,
        SampleFormat::Int(24),
    );
    let said = place.effigy(&["check", "dry.wav", "slow.wav"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(
        said.stdout.contains("resample one of them"),
        "{}",
        said.stdout
    );
    let said = place.effigy(&["check", "dry.wav", "dry.wav"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(said.stdout.contains("identical"), "{}", said.stdout);
    let said = place.effigy(&["check", "dry.wav", "none.wav"]);
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(
        said.stderr.trim_end().ends_with("see README: Sound files"),
        "{}",
        said.stderr
    );
}

#[test]
fn new_writes_a_config_that_trains_and_is_not_written_over() {
    let place = recorded(4.0);
    std::fs::create_dir(place.path("takes")).unwrap();
    for side in ["dry.wav", "wet.wav"] {
        std::fs::rename(place.path(side), place.path(&format!("takes/{side}"))).unwrap();
    }
    let new = [
        "new",
        "amp",
        "--dry",
        "takes/dry.wav",
        "--wet",
        "takes/wet.wav",
    ];
    let said = place.effigy(&new);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("next: effigy train amp.toml"),
        "{}",
        said.stdout
    );
    let text = std::fs::read_to_string(place.path("amp.toml")).unwrap();
    for word in [
        "dry = \"takes/dry.wav\"",
        "latency = 33",
        "static nonlinear",
        "48000 Hz",
        "kind = \"lstm\"",
    ] {
        assert!(text.contains(word), "no '{word}' in\n{text}");
    }
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    let said = place.effigy(&new);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("amp.toml exists"), "{}", said.stderr);
    assert_eq!(place.effigy(&[&new[..], &["--force"]].concat()).code, 0);
    // Two steps: half of all windows in one batch.
    let two_steps = [
        "train",
        "amp.toml",
        "--json",
        "--budget",
        "none",
        "--set",
        "training.epochs=1",
        "--set",
        "windows.hop=65536",
        "--set",
        "training.batch_size=1",
        "--set",
        "model.hidden_size=4",
    ];
    let outcome = place.effigy(&two_steps).json();
    assert_eq!(outcome["latencies"][0]["latency_samples"], 33);
    assert!(outcome["verdict"]["grade"].is_string(), "{outcome}");
    let said = place.effigy(&[
        "new",
        "b d",
        "--dry",
        "takes/dry.wav",
        "--wet",
        "takes/wet.wav",
    ]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("letters, digits"), "{}", said.stderr);
    assert!(!place.path("b d.toml").exists());
}

const SMALL: &str = "kind = \"conv\"\nchannels = 2\nkernel_size = 3";

#[test]
fn a_queue_goes_on_after_a_failure_and_says_so() {
    let place = place(SMALL, "epochs = 2");
    let broken = std::fs::read_to_string(place.path("t.toml")).unwrap();
    place.write("broken.toml", broken.replace("wet.wav", "none.wav"));
    let said = place.effigy(&["train", "t.toml", "broken.toml", "t.toml"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    let errors: Vec<&str> = said
        .stderr
        .lines()
        .filter(|l| l.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "{}", said.stderr);
    assert!(errors[0].contains("broken.toml") && errors[0].contains("none.wav"));
    for word in ["broken.toml", "failed", "2 of 3 trained"] {
        assert!(
            said.stdout.contains(word),
            "no '{word}' in\n{}",
            said.stdout
        );
    }
    let said = place.effigy(&["-q", "train", "broken.toml", "t.toml", "--json"]);
    assert_eq!(said.code, 2);
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let runs = json["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &json["failed"]), (2, &1.into()));
    assert_eq!(
        (&runs[0]["state"], &runs[1]["state"]),
        (&"failed".into(), &"done".into())
    );
    assert!(runs[0]["error"].as_str().unwrap().contains("none.wav"));
    assert!(runs[1]["outcome"]["rows"][0]["esr"].as_f64().unwrap() > 0.0);
    let said = place.effigy(&["-q", "train", "t.toml", "t.toml", "--require-esr", "1e-9"]);
    assert_eq!(said.code, 1, "{}", said.stderr);
    let said = place.effigy(&["train", "t.toml", "t.toml", "--run", "r"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--run"), "{}", said.stderr);
    let said = place.effigy(&["train", "t.toml", "--config", "t.toml"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
}

/// A log that a build server keeps: no control characters, a line per epoch, not a thousand.
#[test]
fn a_log_is_plain_and_short() {
    let place = place(SMALL, "epochs = 130");
    let said = place.effigy(&["train", "t.toml", "--set", "training.batch_size=512"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!said.stderr.contains(control), "{:?}", said.stderr);
    assert!(!said.stdout.contains(control), "{:?}", said.stdout);
    let epochs = said.stderr.lines().filter(|l| l.matches('|').count() == 4);
    // The headings, 1 to 99, 100, 110, 120, 130.
    assert_eq!(epochs.count(), 1 + 99 + 4);
    assert!(said.stdout.contains("ESR "), "{}", said.stdout);
    let quiet = place.effigy(&["-q", "train", "t.toml", "--set", "training.epochs=1"]);
    // Warnings stay.
    let mut lines = quiet.stderr.lines();
    assert!(
        lines.all(|l| l.starts_with("warning: ")),
        "{}",
        quiet.stderr
    );
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let place = Place::new();
    let help = place.effigy(&["--help"]).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|l| !l.starts_with("Commands:"))
        .skip(1)
        .take_while(|l| !l.is_empty())
        .filter_map(|l| l.strip_prefix("  ").filter(|l| !l.starts_with(' ')))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|c| *c != "help")
        .collect();
    assert!(commands.len() > 15, "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let said = place.effigy(&["completions", shell]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        for command in &commands {
            assert!(said.stdout.contains(command), "{shell}: no {command}");
        }
    }
    let said = place.effigy(&["man", "-o", "man"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for command in &commands {
        let page = std::fs::read_to_string(place.path(&format!("man/effigy-{command}.1")));
        assert!(page.unwrap().contains(".SH"), "{command}");
    }
    assert!(place.effigy(&["man"]).stdout.contains("effigy"));
}

/// Keeps what it is told.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Observer for Listener {
    fn event(&self, event: Event<'_>) {
        if let Event::Note(text) | Event::Warning(text) = event {
            self.0.lock().unwrap().push(text.to_string());
        }
    }
}

/// The training span of one pair of files under this latency, and what was said about it.
fn loaded(dry: &Path, wet: &Path, latency: Latency) -> (Recordings, Vec<String>) {
    let data = DataConfig {
        latency,
        train: vec![PairConfig {
            dry: Some(dry.to_path_buf()),
            wet: Some(wet.to_path_buf()),
            ..PairConfig::default()
        }],
        ..DataConfig::default()
    };
    let listener = Listener::default();
    let recordings = load(&data, 1, &listener).unwrap();
    (recordings, listener.0.into_inner().unwrap())
}

/// Half a sample of delay stays when whole samples are removed, and goes when fractions are.
#[test]
fn a_fractional_latency_is_removed_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let samples = playing(4.0, 3);
    let dry = write(folder.path(), "dry.wav", samples.clone());
    // 41 samples later, half a sample earlier.
    let mut late = vec![0.0; 41];
    late.extend(shift::advance(&samples, 0.5));
    let wet = write(folder.path(), "wet.wav", late);
    let left = |latency| {
        let (recordings, _) = loaded(&dry, &wet, latency);
        let found = &recordings.latencies[0];
        assert_eq!(found.latency_samples, 40);
        assert!(
            (found.exact_samples.unwrap() - 40.5).abs() < 0.02,
            "{found:?}"
        );
        let pair = recordings.train[0].channels[0].pair().clone();
        let squares = |x: &mut dyn Iterator<Item = f32>| x.map(|v| f64::from(v * v)).sum::<f64>();
        let inner = 200..pair.len() - 200;
        let differences = inner.clone().map(|n| pair.wet()[n] - pair.dry()[n]);
        squares(&mut differences.into_iter()) / squares(&mut inner.map(|n| pair.wet()[n]))
    };
    let (whole, fraction) = (left(Latency::Auto), left(Latency::Fractional));
    println!("left: {whole:.2e} after whole samples, {fraction:.2e} after fractions");
    assert!(fraction < 1e-4 && whole > 10.0 * fraction);
}

#[test]
fn loading_finds_movement_warns_of_drift_and_tells_levels() {
    let folder = tempfile::tempdir().unwrap();
    let samples = playing(7.6, 5);
    let dry = write(folder.path(), "dry.wav", samples.clone());
    let chorus: Effect =
        toml::from_str("kind = \"chorus\"\nrate_hz = 0.9\ndepth_ms = 4.0").unwrap();
    let rate = SampleRate::new(HZ).unwrap();
    let wet = write(
        folder.path(),
        "chorus.wav",
        chorus.process(&samples, rate).unwrap(),
    );
    let (recordings, said) = loaded(&dry, &wet, Latency::Samples(0));
    // Whether it can be learned is for whoever knows the network.
    assert_eq!(recordings.pairs[0].findings.len(), 1, "{said:?}");
    assert!(
        said.iter().any(|s| s.contains("dB against dry")),
        "{said:?}"
    );

    // 60 parts per million: 24 samples over 9 s, by straight lines between samples.
    let drifting = (0..samples.len())
        .map(|n| {
            let place = n as f64 * (1.0 - 60e-6);
            let (k, t) = (place.floor() as usize, place.fract() as f32);
            let next = samples.get(k + 1).copied().unwrap_or(0.0);
            (3.0 * (samples[k] * (1.0 - t) + next * t)).tanh()
        })
        .collect();
    let wet = write(folder.path(), "drift.wav", drifting);
    let (_, said) = loaded(&dry, &wet, Latency::Samples(0));
    assert!(
        said.iter().any(|s| s.contains("drifts against dry by +2")),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|s| s.contains("clock of its own")),
        "{said:?}"
    );
}
