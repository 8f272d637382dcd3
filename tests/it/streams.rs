//! Where output goes is nobody's reason to end work: streams that are closed or full, terminals
//! that go away. And where files go: what they replace, and what they may not.
#![cfg(unix)]

use crate::support::{Place, noise, place};
use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CONV: &str = "kind = \"conv\"\nchannels = 1\nkernel_size = 4";

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_run_outlives_its_readers() {
    let place = place(CONV, "epochs = 4");
    for (number, stderr) in [full(), closed()].into_iter().enumerate() {
        let run = format!("r{number}");
        let mut command = place.command();
        command
            .args(["train", "t.toml", "--run", &run])
            .stderr(stderr);
        let status = command.stdout(closed()).status().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(place.path(&run).join("report.json").is_file());
    }
    // Read for one line, as `2>&1 | head -1` does.
    let mut child = place
        .command()
        .args(["train", "t.toml", "--run", "head"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_exact(&mut [0; 8]).unwrap();
    drop(stderr);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A result that cannot be handed over is an error, a warning or an error that cannot be told is
/// none of its own; nothing of it is an abort.
#[test]
fn no_stream_makes_a_verb_abort() {
    let place = place(CONV, "epochs = 1");
    let verbs: [&[&str]; 9] = [
        &["--help"],
        &["--version"],
        &["train", "--help"],
        &["devices"],
        &["man"],
        &["completions", "bash"],
        &["runs", "--dir", "."],
        &["check", "dry.wav", "wet.wav"],
        &["nonsense"],
    ];
    for arguments in verbs {
        for (stdout, stderr) in [
            (full(), closed()),
            (closed(), full()),
            (full(), full()),
            (closed(), closed()),
        ] {
            let mut command = place.command();
            let status = command
                .args(arguments)
                .stdout(stdout)
                .stderr(stderr)
                .status();
            let code = status.unwrap().code();
            assert!(matches!(code, Some(0..=2)), "{arguments:?}: {code:?}");
        }
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_terminal_that_goes_away_stops_a_run_so_that_it_can_go_on() {
    let place = place(CONV, "epochs = 100000");
    let mut child = place
        .command()
        .args(["train", "t.toml", "--run", "r"])
        .stderr(closed())
        .spawn()
        .unwrap();
    while !place.path("r/epoch-1").is_dir() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "-HUP");
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let said = place.effigy(&[
        "-q",
        "train",
        "--run",
        "r",
        "--resume",
        "--set",
        "training.epochs=1",
    ]);
    assert_eq!(said.code, 0, "{}", said.stderr);
}

/// As `nohup` starts it.
#[test]
fn a_run_that_is_to_outlive_its_terminal_does() {
    let place = place(CONV, "epochs = 40");
    let binary = env!("CARGO_BIN_EXE_effigy");
    let script = format!("trap '' HUP; exec '{binary}' -q train t.toml --run r");
    let mut command = Command::new("sh");
    let mut child = command
        .args(["-c", &script])
        .current_dir(place.path(""))
        .spawn()
        .unwrap();
    while !place.path("r/epoch-1").is_dir() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "-HUP");
    signal(&child, "-HUP");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(place.path("r/report.json").is_file());
}

/// The second Ctrl-C ends at once, and cleans up all the same.
#[test]
fn a_second_interrupt_leaves_nothing_behind() {
    let place = place(CONV, "epochs = 1");
    let trained = place.effigy(&["-q", "train", "t.toml", "--run", "r"]);
    assert_eq!(trained.code, 0, "{}", trained.stderr);
    place.wav("long.wav", vec![noise(2_000_000, 3)]);
    let mut child = place
        .command()
        .args([
            "-q", "infer", "-m", "r", "long.wav", "-o", "out.wav", "--block", "64",
        ])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let scratch = |place: &Place| place.files().iter().any(|f| f.contains("scratch"));
    while !scratch(&place) && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "-INT");
    signal(&child, "-INT");
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 2 | 130)), "{code:?}");
    assert!(!scratch(&place), "{:?}", place.files());
    // A killed one cannot clean up; the next one here does.
    fs::write(place.path("out.wav.effigy-scratch-1-0"), b"half").unwrap();
    let said = place.effigy(&["-q", "infer", "-m", "r", "dry.wav", "-o", "out.wav"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(!scratch(&place), "{:?}", place.files());
}

#[test]
fn outputs_replace_what_is_meant_and_nothing_else() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let place = place(CONV, "epochs = 1");
    let trained = place.effigy(&["-q", "train", "t.toml", "--run", "r"]);
    assert_eq!(trained.code, 0, "{}", trained.stderr);
    let infer = |model: &str, output: &str| {
        place.effigy(&["-q", "infer", "-m", model, "dry.wav", "-o", output])
    };
    assert_eq!(infer("r", "plain.wav").code, 0);
    let expected = fs::read(place.path("plain.wav")).unwrap();
    // Through a link, with the mode of what was there.
    place.write("real.wav", "old");
    fs::set_permissions(place.path("real.wav"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("real.wav", place.path("link.wav")).unwrap();
    assert_eq!(infer("r", "link.wav").code, 0);
    assert!(place.path("link.wav").is_symlink());
    assert!(fs::read(place.path("real.wav")).unwrap() == expected);
    let mode = place
        .path("real.wav")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Devices stay devices.
    assert_eq!(infer("r", "/dev/null").code, 0);
    let null = fs::metadata("/dev/null").unwrap().file_type();
    assert!(null.is_char_device());
    let mut command = place.command();
    let through = [
        "-q",
        "--json",
        "infer",
        "-m",
        "r",
        "dry.wav",
        "-o",
        "/dev/stdout",
    ];
    let piped = command.args(through).output().unwrap().stdout;
    assert!(piped.starts_with(&expected), "{} bytes", piped.len());
    // The model, under whatever name.
    let saved = [
        "-q", "export", "-m", "r", "-o", "m.json", "--format", "rtneural",
    ];
    let said = place.effigy(&saved);
    assert_eq!(said.code, 0, "{}", said.stderr);
    fs::rename(place.path("m.json"), place.path("m.wav")).unwrap();
    let before = fs::read(place.path("m.wav")).unwrap();
    let said = infer("m.wav", "m.wav");
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("is the model"), "{}", said.stderr);
    assert!(fs::read(place.path("m.wav")).unwrap() == before);
    // Other kinds of sound files are not written, and no folder is made of their names.
    for name in ["song.mp3", "song.flac", "m.aiff"] {
        let said = infer("r", name);
        assert_eq!(said.code, 2, "{name}");
        assert!(said.stderr.contains("written as WAV"), "{}", said.stderr);
        assert!(!place.path(name).exists());
    }
    // A dot in a sound's name is no ending, a slash makes a folder.
    fs::copy(place.path("dry.wav"), place.path("take.1.wav")).unwrap();
    let said = place.effigy(&["-q", "infer", "-m", "r", "take.1.wav", "-o", "v1.0/"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(place.path("v1.0/take.1.wav").is_file());
    // The longest names.
    for len in [240, 255] {
        let name = "x".repeat(len - 4) + ".wav";
        assert_eq!(infer("r", &name).code, 0, "{len}");
    }
    assert!(!place.files().iter().any(|f| f.contains("scratch")));
}

#[test]
fn a_queue_goes_on_where_it_was_ended() {
    let place = place(CONV, "epochs = 3");
    let text = fs::read_to_string(place.path("t.toml")).unwrap();
    place.write("u.toml", text.replace("name = \"t\"", "name = \"u\""));
    // As if it had been ended after the first run's second epoch.
    let said = place.effigy(&["-q", "train", "t.toml", "--set", "training.epochs=2"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let queue = ["-q", "train", "t.toml", "u.toml", "t.toml", "--resume"];
    let said = place.effigy(&queue);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let runs = |place: &Place| {
        let mut runs: Vec<_> = fs::read_dir(place.path("checkpoints")).unwrap().collect();
        runs.sort_by_key(|e| e.as_ref().unwrap().file_name());
        let name = |e: std::io::Result<fs::DirEntry>| {
            let path = e.unwrap().path();
            let log = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, log.lines().count())
        };
        runs.into_iter().map(name).collect::<Vec<_>>()
    };
    // The same config twice is two runs.
    let expected = [("t", 3), ("t-2", 3), ("u", 3)].map(|(n, e)| (n.to_string(), e));
    assert_eq!(runs(&place), expected);
    assert_eq!(place.effigy(&queue).code, 0);
    assert_eq!(runs(&place), expected);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_unicode_are_names() {
    use std::os::unix::ffi::OsStrExt;
    let place = place(CONV, "epochs = 1");
    let name = std::ffi::OsStr::from_bytes(b"r\xff\xe9");
    let mut command = place.command();
    let trained = command
        .args(["-q", "train", "t.toml", "--json", "--run"])
        .arg(name);
    let output = trained.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["run"], "r\u{fffd}\u{fffd}");
    let run = place.path("").join(name);
    assert!(run.join("report.json").is_file() && run.join("report.html").is_file());
    let runs = place.effigy(&["runs", "--dir", ".", "--json"]).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
    let mut command = place.command();
    let resumed = command.args(["-q", "train", "--resume", "--run"]).arg(name);
    assert_eq!(resumed.output().unwrap().status.code(), Some(0));
}
