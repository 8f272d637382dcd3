//! What is learned from and tested on: where there is sound, on the channel that was asked for,
//! with or without a test span; and figures that are not finite, in every file.

use crate::support::{Place, Said, config, noise, through_effect};
use std::fs;

const SMALL: &str = "kind = \"conv\"\nchannels = 2\nkernel_size = 3";
const LEN: usize = 60_000;

/// A pair whose last quarter is digitally silent.
fn with_silent_tail(more: &str) -> Place {
    let place = Place::new();
    let mut dry = noise(LEN, 3);
    dry[LEN * 3 / 4..].fill(0.0);
    place.wav("wet.wav", vec![through_effect(&dry)]);
    place.wav("dry.wav", vec![dry]);
    place.write("t.toml", config(SMALL, more));
    place
}

fn train(place: &Place) -> Said {
    place.effigy(&["train", "-c", "t.toml", "--run", "r", "--json"])
}

fn rewrite(place: &Place, from: &str, to: &str) {
    let text = fs::read_to_string(place.path("t.toml")).unwrap();
    assert!(text.contains(from), "{text}");
    place.write("t.toml", text.replace(from, to));
}

#[test]
fn a_silent_tail_is_left_out_of_what_is_held_back() {
    let place = with_silent_tail("epochs = 1");
    let said = train(&place);
    assert!(
        said.stderr.contains("s are silent and left out"),
        "{}",
        said.stderr
    );
    let esr = said.json()["rows"][0]["esr"].as_f64().unwrap();
    assert!(esr.is_finite() && esr > 0.0, "{esr}");
    assert!(place.path("r/report.html").is_file());
    // The tenths of 45,000 samples in moments of 2048: 22 of them sound, 2 of these are tested.
    let samples = said.json()["rows"][0]["samples"].as_u64().unwrap();
    assert!((4000..=3 * 2048).contains(&samples), "{samples}");
}

#[test]
fn new_writes_spans_that_sound_and_check_tells_of_the_silence() {
    let place = with_silent_tail("epochs = 1");
    let found = place.effigy(&["check", "dry.wav", "wet.wav", "--latency", "0", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    // Wet is exactly silent where dry is: a noise that JSON has no number for.
    assert_eq!(found["noise_db"], "-inf");
    let end = found["sounding"]["to_seconds"].as_f64().unwrap();
    assert!((end - 0.75 * LEN as f64 / 8000.0).abs() < 0.3, "{end}");
    let said = place.effigy(&["check", "dry.wav", "wet.wav", "--latency", "0"]);
    assert!(
        said.stdout.contains("wet is digitally silent"),
        "{}",
        said.stdout
    );
    assert!(!said.stdout.contains("never silent"), "{}", said.stdout);

    let new = [
        "new",
        "n",
        "--dry",
        "dry.wav",
        "--wet",
        "wet.wav",
        "--latency",
        "0",
    ];
    let said = place.effigy(&new);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let text = fs::read_to_string(place.path("n.toml")).unwrap();
    assert!(text.contains("80 % of what sounds"), "{text}");
    let config = effigy::config::load(&place.path("n.toml"), &[]).unwrap();
    let seconds = |p: Option<effigy::config::Position>| p.unwrap().sample(LEN, 8000);
    let test = &config.data.test[0];
    assert!(seconds(test.from) < LEN * 3 / 4 && seconds(test.to) <= LEN * 3 / 4 + 12 * 2048);
    let valid = &config.data.valid[0];
    assert_eq!(valid.from, config.data.train[0].to);
    assert_eq!(valid.to, test.from);
}

#[test]
fn a_span_without_sound_is_refused_before_training() {
    for (part, others) in [
        (
            "test",
            "[[data.valid]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\nfrom = 4.0\nto = 5.0\n",
        ),
        ("valid", ""),
    ] {
        let place = with_silent_tail("epochs = 1");
        let silent = format!(
            "to = 4.0\n{others}[[data.{part}]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\n\
             from = 6.0\nto = 7.0\n[windows]"
        );
        rewrite(&place, "[windows]", &silent);
        let said = train(&place);
        assert_eq!(said.code, 2);
        let part = if part == "valid" { "validation" } else { part };
        for words in [part, "span is silent (6.00 to 7.00 s", "from 0.00 to 5.6"] {
            assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
        }
        assert!(!place.path("r").exists());
    }
}

#[test]
fn without_a_test_span_a_run_is_trained_and_says_so() {
    let place = with_silent_tail("epochs = 1");
    let spans = "to = 4.0\n[[data.valid]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\nfrom = 4.0\n\
                 to = 5.0\n[windows]";
    rewrite(&place, "[windows]", spans);
    let said = place.effigy(&["train", "-c", "t.toml", "--run", "r"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("no test span"), "{}", said.stdout);
    let page = fs::read_to_string(place.path("r/report.html")).unwrap();
    assert!(page.contains("no test span"));
    let runs = place.effigy(&["runs", "--dir", ".", "--json"]).json();
    assert_eq!(runs["runs"][0]["best_epoch"], 1);
    for verb in [&["baseline", "-c", "t.toml"][..], &["compare", "-m", "r"]] {
        let said = place.effigy(verb);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains("[[data.test]]"), "{}", said.stderr);
    }
    let said = place.effigy(&[
        "train",
        "-c",
        "t.toml",
        "--require-esr",
        "0.1",
        "--run",
        "s",
    ]);
    assert!(
        said.code == 2 && said.stderr.contains("no test span"),
        "{}",
        said.stderr
    );
    // Neither validation: nothing could choose.
    rewrite(&place, "[[data.valid]]", "[[data.train]]");
    let said = place.effigy(&["train", "-c", "t.toml", "--run", "s"]);
    assert!(
        said.stderr.contains("no validation span"),
        "{}",
        said.stderr
    );
}

/// As runs of older versions have them, and as they are written now.
#[test]
fn figures_that_are_not_finite_are_read_from_every_file_of_a_run() {
    let place = with_silent_tail("epochs = 2");
    assert_eq!(train(&place).code, 0);
    let esrs = |text: String, word: &str| {
        let mut parts = text.split("\"esr\":");
        let mut spoiled = parts.next().unwrap().to_string();
        for part in parts {
            let rest = &part[part.find([',', '}']).unwrap()..];
            spoiled += &format!("\"esr\":{word}{rest}");
        }
        spoiled
    };
    let files = ["r/metrics.jsonl", "r/report.json"];
    let whole = files.map(|file| fs::read_to_string(place.path(file)).unwrap());
    for word in ["\"inf\"", "null"] {
        for (file, text) in files.iter().zip(&whole) {
            place.write(file, esrs(text.clone(), word));
        }
        let drawn = place.effigy(&["report", "r", "--json"]);
        assert_eq!(drawn.json()["missing"], serde_json::json!([]), "{word}");
        let runs = place.effigy(&["runs", "--dir", ".", "--json"]).json();
        assert_eq!(runs["unreadable"], serde_json::json!([]), "{word}");
        // Without an ESR the MSE decides.
        assert!(runs["runs"][0]["best_epoch"].is_u64(), "{runs}");
    }
}

fn stereo(loud: usize) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let dry = noise(12_000, 5);
    let wet = through_effect(&dry);
    let silence = vec![0.0; dry.len()];
    let side = |x: Vec<f32>| match loud {
        0 => vec![x, silence.clone()],
        _ => vec![silence.clone(), x],
    };
    (side(dry), side(wet))
}

#[test]
fn the_channel_that_was_asked_for_is_used_and_the_other_may_be_empty() {
    let place = Place::new();
    let (dry, wet) = stereo(1);
    place.wav("mono.wav", vec![dry[1].clone()]);
    place.wav("dry.wav", dry);
    place.wav("wet.wav", wet);
    let text = config(SMALL, "epochs = 1");
    let with = |dry: &str, channel: &str| {
        let text = text.replace("dry = \"dry.wav\"", &format!("dry = \"{dry}\"\n{channel}"));
        place.write("t.toml", text);
        let _ = fs::remove_dir_all(place.path("r"));
        place.effigy(&["train", "-c", "t.toml", "--run", "r", "--no-report"])
    };
    for dry in ["dry.wav", "mono.wav"] {
        let said = with(dry, "channel = 2");
        assert_eq!(said.code, 0, "{dry}: {}", said.stderr);
    }
    let said = with("dry.wav", "");
    assert!(
        said.stderr.contains("--channel 2, in a config channel = 2"),
        "{}",
        said.stderr
    );
    let said = with("dry.wav", "channel = 3");
    assert!(
        said.stderr.contains("channel 3 of 2 is asked for"),
        "{}",
        said.stderr
    );
    let said = with("dry.wav", "channel = 1");
    assert!(
        said.stderr.contains("dry channel 1 is silent"),
        "{}",
        said.stderr
    );

    let pair = ["dry.wav", "wet.wav"];
    let check = |channel: &str| {
        place.effigy(&[
            "check",
            pair[0],
            pair[1],
            "--latency",
            "0",
            "--channel",
            channel,
        ])
    };
    let said = check("2");
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert!(said.stdout.contains("--channel 2"), "{}", said.stdout);
    assert!(check("1").stdout.contains("dry channel 1 is silent"));
    assert!(check("3").stderr.contains("channel 3 of 2"));
    let new = |more: &[&str]| {
        let told = [
            "new",
            "n",
            "--dry",
            pair[0],
            "--wet",
            pair[1],
            "--force",
            "--latency",
            "0",
        ];
        place.effigy(&[&told[..], more].concat())
    };
    assert_eq!(new(&[]).code, 2);
    assert_eq!(new(&["--channel", "2"]).code, 0);
    let config = effigy::config::load(&place.path("n.toml"), &[]).unwrap();
    for part in [&config.data.train, &config.data.valid, &config.data.test] {
        assert_eq!(part[0].channel, Some(2));
    }
    let run = with("dry.wav", "channel = 2");
    assert_eq!(run.code, 0);
    let score = [
        "evaluate",
        "-m",
        "r",
        "--dry",
        pair[0],
        "--wet",
        pair[1],
        "--latency",
        "0",
    ];
    assert_eq!(place.effigy(&score).code, 2);
    let said = place.effigy(&[&score[..], &["--channel", "2"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
}

#[test]
fn spans_of_one_channel_and_of_all_share_their_samples() {
    let place = Place::new();
    let (dry, wet) = stereo(1);
    let both = |x: &[Vec<f32>]| vec![x[1].clone(), x[1].clone()];
    place.wav("dry.wav", both(&dry));
    place.wav("wet.wav", both(&wet));
    let more = "[[data.test]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\nchannel = 2\n\
                [[data.valid]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\nfrom = 1.4\n[windows]";
    let text = config(SMALL, "epochs = 1").replace("[windows]", more);
    place.write("t.toml", text);
    let said = place.effigy(&["train", "-c", "t.toml", "--run", "r"]);
    assert!(said.stderr.contains("share samples"), "{}", said.stderr);
}
