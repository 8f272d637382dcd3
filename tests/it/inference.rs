//! Playing files through a trained network.

use crate::support::{Place, noise, place};
use effigy::audio::{SampleFormat, decode};

const CONV: &str = "kind = \"conv\"\nchannels = 4\nkernel_size = 8";

fn trained(model: &str) -> Place {
    let place = place(model, "epochs = 1\nlearning_rate = 0.01");
    let said = place.effigy(&["-q", "train", "-c", "t.toml", "--run", "r"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    place
}

fn samples(place: &Place, name: &str) -> Vec<Vec<f32>> {
    decode::read(&place.path(name))
        .unwrap()
        .audio
        .into_channels()
}

#[test]
fn blocks_of_any_length_give_the_same_file() {
    for model in [CONV, "kind = \"nonlinear\"\nhidden_size = 8"] {
        let place = trained(model);
        place.wav("long.wav", vec![noise(50_000, 5), noise(50_000, 6)]);
        let play = |block: &str, out: &str| {
            let said = place.effigy(&[
                "-q", "infer", "-m", "r", "long.wav", "-o", out, "--block", block,
            ]);
            assert_eq!(said.code, 0, "{}", said.stderr);
            samples(&place, out)
        };
        let whole = play("1000000", "whole.wav");
        assert_eq!((whole.len(), whole[0].len()), (2, 50_000));
        assert_ne!(whole[0], whole[1]);
        for block in ["777", "16384"] {
            let cut = play(block, "cut.wav");
            for (a, b) in cut.concat().iter().zip(whole.concat()) {
                assert!((a - b).abs() <= 1e-6, "block {block}");
            }
        }
    }
}

#[test]
fn formats_are_the_inputs_unless_told() {
    let place = trained(CONV);
    for (format, stored) in [
        (SampleFormat::Int(16), SampleFormat::Int(16)),
        (SampleFormat::Int(24), SampleFormat::Int(24)),
        (SampleFormat::Float(32), SampleFormat::Float(32)),
    ] {
        place.wav_at("in.wav", vec![noise(500, 2)], 8000, format);
        let said = place.effigy(&["-q", "infer", "-m", "r", "in.wav", "-o", "out.wav"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let out = decode::read(&place.path("out.wav")).unwrap();
        assert_eq!(out.format, stored);
        assert_eq!(out.audio.len(), 500);
    }
    let told = [
        "-q", "infer", "-m", "r", "in.wav", "-o", "o", "--format", "s24",
    ];
    assert_eq!(place.effigy(&told).code, 0);
    let out = decode::read(&place.path("o/in.wav")).unwrap();
    assert_eq!(out.format, SampleFormat::Int(24));
}

/// A network trained at 8 kHz on a file at 44.1 kHz: told, and in time. The same sound at
/// the network's own rate is the reference.
#[test]
fn another_rate_is_resampled_with_a_notice_and_stays_in_time() {
    let place = trained(CONV);
    let tone = |hz: u32, len: usize| -> Vec<f32> {
        let step = std::f64::consts::TAU * 440.0 / f64::from(hz);
        (0..len)
            .map(|i| (0.3 * (i as f64 * step).sin()) as f32)
            .collect()
    };
    place.wav_at(
        "44.wav",
        vec![tone(44_100, 44_100)],
        44_100,
        SampleFormat::Float(32),
    );
    place.wav_at(
        "8.wav",
        vec![tone(8000, 8000)],
        8000,
        SampleFormat::Float(32),
    );
    let said = place.effigy(&["infer", "-m", "r", "44.wav", "8.wav", "-o", "out", "--json"]);
    assert!(
        said.stderr.contains("44100 Hz is resampled"),
        "{}",
        said.stderr
    );
    assert_eq!(said.json()["files"][0]["frames"], 44_100);
    let high = decode::read(&place.path("out/44.wav")).unwrap();
    assert_eq!(high.audio.sample_rate().hz(), 44_100);
    let (high, low) = (high.audio.into_channels(), samples(&place, "out/8.wav"));
    // Both at the moments they share, every 1/100 s, away from the ends.
    for moment in 10..90 {
        let (a, b) = (high[0][moment * 441], low[0][moment * 80]);
        assert!((a - b).abs() < 2e-3, "at {moment}/100 s: {a} and {b}");
    }
}

/// A WAV file in on standard input, a WAV file and nothing else out on standard output.
#[test]
fn pipes_carry_sound_and_nothing_else() {
    let place = trained(CONV);
    let told = ["infer", "-m", "r", "dry.wav", "-o", "file.wav"];
    assert_eq!(place.effigy(&told).code, 0);
    let wanted = std::fs::read(place.path("file.wav")).unwrap();
    let mut command = place.command();
    command.args(["infer", "-m", "r", "-", "-o", "-"]);
    command.stdin(std::fs::File::open(place.path("dry.wav")).unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == wanted, "{} bytes", output.stdout.len());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("standard input → standard output"), "{said}");
    for (told, words) in [
        (["-", "-"], "can be read once"),
        (["dry.wav", "wet.wav"], "2 inputs cannot go to the one file"),
    ] {
        let said = place.effigy(&[&["infer", "-m", "r", "-o", "-"], &told[..]].concat());
        assert!(said.code == 2 && said.stdout.is_empty(), "{}", said.stderr);
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
}

#[test]
fn a_result_is_a_wav_file_and_never_empty() {
    let place = trained(CONV);
    let before = place.files();
    for name in ["song.mp3", "out/song.FLAC"] {
        let said = place.effigy(&["infer", "-m", "r", "dry.wav", "-o", name]);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains("written as WAV"), "{}", said.stderr);
    }
    place.empty_wav("empty.wav");
    place.wav("short.wav", vec![noise(300, 1)]);
    for told in [
        &["infer", "-m", "r", "empty.wav", "-o", "o.wav"][..],
        &["reorder", "short.wav", "-o", "o.wav"],
    ] {
        let said = place.effigy(told);
        assert_eq!(said.code, 2, "{told:?}");
        let words = ["would be empty", "at least 2 needed", "holds no sound"];
        assert!(
            words.iter().any(|w| said.stderr.contains(w)),
            "{}",
            said.stderr
        );
    }
    std::fs::remove_file(place.path("empty.wav")).unwrap();
    std::fs::remove_file(place.path("short.wav")).unwrap();
    assert_eq!(place.files(), before);
}

#[test]
fn evaluate_repeats_the_test_row_of_training() {
    let place = trained(CONV);
    // The last tenth was the test span; as a file of its own it starts after silence, so the
    // figures differ a little at its first samples only.
    let dry = samples(&place, "dry.wav")[0][3600..].to_vec();
    let wet = samples(&place, "wet.wav")[0][3600..].to_vec();
    place.wav("d.wav", vec![dry]);
    place.wav("w.wav", vec![wet]);
    let said = place.effigy(&[
        "evaluate",
        "-m",
        "r",
        "--dry",
        "d.wav",
        "--wet",
        "w.wav",
        "--latency",
        "0",
        "--json",
    ]);
    let found = said.json();
    let report = std::fs::read_to_string(place.path("r/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    for row in 0..2 {
        assert_eq!(found["rows"][row]["name"], report["rows"][row]["name"]);
        let (a, b) = (
            found["rows"][row]["rmse"].as_f64().unwrap(),
            report["rows"][row]["rmse"].as_f64().unwrap(),
        );
        assert!((a / b - 1.0).abs() < 0.1, "{a} {b}");
    }
}

#[test]
fn devices_always_offer_the_processor() {
    let said = Place::new().effigy(&["devices", "--json"]).json();
    let devices = said["devices"].as_array().unwrap();
    assert_eq!(devices[0]["id"], "flex");
    let mut considered = devices.iter().filter(|d| d["auto"] == true);
    assert!(considered.all(|d| d["software"] == false));
    assert_eq!(devices[0]["auto"], true);
}

#[test]
fn a_generated_dataset_can_be_written_and_trained_on() {
    let place = Place::new();
    let synth = "name = \"s\"\n[data]\nsample_rate = 8000\n\
        effect = { kind = \"low-pass\", cutoff_hz = 900.0 }\n\
        [[data.train]]\nseconds = 1.0\n\
        signal = { kind = \"noise\", colour = \"white\", level_dbfs = -12.0 }\n\
        [[data.test]]\nseconds = 0.5\nsignal = { kind = \"plucked-string\", level_dbfs = -6.0, lowest_hz = 62.0 }\n\
        [model]\nkind = \"conv\"\nchannels = 2\nkernel_size = 4\n\
        [windows]\nwindow_len = 128\nhop = 128\n[training]\nepochs = 1\n";
    place.write("s.toml", synth);
    let said = place
        .effigy(&["synth", "-c", "s.toml", "-o", "set", "--json"])
        .json();
    // The last tenth of the training pair validates, so the dataset holds three pairs.
    assert_eq!(said["files"].as_array().unwrap().len(), 6, "{said}");
    let data = std::fs::read_to_string(place.path("set/data.toml")).unwrap();
    let model = &synth[synth.find("[model]").unwrap()..];
    place.write(
        "set/again.toml",
        format!("name = \"again\"\n{data}\n{model}"),
    );
    for config in ["s.toml", "set/again.toml"] {
        let said = place.effigy(&["-q", "train", "-c", config]);
        assert_eq!(said.code, 0, "{config}: {}", said.stderr);
    }
    // Written in 24 bits and read again, the data teach the same to their precision.
    let rmse = |run: &str| -> f64 {
        let text = std::fs::read_to_string(place.path(run).join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        report["rows"][3]["rmse"].as_f64().unwrap()
    };
    let (generated, read) = (rmse("checkpoints/s"), rmse("checkpoints/again"));
    assert!((generated - read).abs() < 1e-5, "{generated} {read}");
}
