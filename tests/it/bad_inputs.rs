//! Wrong input of every kind: exit code 2, one line that says what is wrong and what to do,
//! and nothing half-written.

use crate::support::{Place, Said, config, noise, place, through_effect};
use effigy::audio::SampleFormat;

const SMALL: &str = "kind = \"conv\"\nchannels = 2\nkernel_size = 3";

/// One wrong input: how the place is spoiled, the command, words the message must have.
struct Case {
    name: &'static str,
    spoil: fn(&Place),
    arguments: &'static [&'static str],
    words: &'static [&'static str],
}

const TRAIN: &[&str] = &["train", "--config", "t.toml"];

fn nothing(_: &Place) {}

fn rewrite(place: &Place, from: &str, to: &str) {
    let text = std::fs::read_to_string(place.path("t.toml")).unwrap();
    assert!(text.contains(from), "{text}");
    place.write("t.toml", text.replace(from, to));
}

fn spoiled_wav(place: &Place, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(place.path("wet.wav")).unwrap();
    change(&mut bytes);
    place.write("wet.wav", bytes);
}

const CASES: &[Case] = &[
    Case {
        name: "missing config",
        spoil: nothing,
        arguments: &["train", "--config", "none.toml"],
        words: &["none.toml", "configs/"],
    },
    Case {
        name: "no config at all",
        spoil: nothing,
        arguments: &["train"],
        words: &["--config", "--resume"],
    },
    Case {
        name: "not TOML",
        spoil: |p| drop(p.write("t.toml", "name = \n")),
        arguments: TRAIN,
        words: &["t.toml:1"],
    },
    Case {
        name: "unknown config key",
        spoil: |p| rewrite(p, "batch_size", "bach_size"),
        arguments: TRAIN,
        words: &["t.toml:", "bach_size", "batch_size"],
    },
    Case {
        name: "unknown network",
        spoil: |p| rewrite(p, "\"conv\"", "\"transformer\""),
        arguments: TRAIN,
        words: &["transformer", "conv-tied"],
    },
    Case {
        name: "value out of range",
        spoil: |p| rewrite(p, "channels = 2", "channels = 0"),
        arguments: TRAIN,
        words: &["model.channels", "0", "1 to 4096"],
    },
    Case {
        name: "no training pair",
        spoil: |p| rewrite(p, "[[data.train]]", "[[data.test]]"),
        arguments: TRAIN,
        words: &["data.train", "at least one"],
    },
    Case {
        name: "half a pair",
        spoil: |p| rewrite(p, "wet = \"wet.wav\"\n", ""),
        arguments: TRAIN,
        words: &["data.train.0", "both dry and wet"],
    },
    Case {
        name: "latency in words",
        spoil: |p| rewrite(p, "latency = 0", "latency = \"late\""),
        arguments: TRAIN,
        words: &["latency", "\"auto\""],
    },
    Case {
        name: "override without value",
        spoil: nothing,
        arguments: &["train", "--config", "t.toml", "--set", "training.epochs"],
        words: &["--set training.epochs", "="],
    },
    Case {
        name: "from behind to",
        spoil: |p| {
            rewrite(
                p,
                "wet = \"wet.wav\"\n",
                "wet = \"wet.wav\"\nfrom = 0.4\nto = 0.2\n",
            )
        },
        arguments: TRAIN,
        words: &["from", "3200", "1600"],
    },
    Case {
        name: "test on what was learned",
        spoil: |p| {
            rewrite(
                p,
                "[windows]",
                "[[data.test]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\n\
                 [[data.valid]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\n[windows]",
            );
        },
        arguments: TRAIN,
        words: &["share samples", "from/to"],
    },
    Case {
        name: "missing recording",
        spoil: |p| std::fs::remove_file(p.path("wet.wav")).unwrap(),
        arguments: TRAIN,
        words: &["wet.wav"],
    },
    Case {
        name: "a folder as recording",
        spoil: |p| {
            std::fs::remove_file(p.path("wet.wav")).unwrap();
            std::fs::create_dir(p.path("wet.wav")).unwrap();
        },
        arguments: TRAIN,
        words: &["wet.wav", "folder"],
    },
    Case {
        name: "text as WAV",
        spoil: |p| drop(p.write("wet.wav", "these are not the samples you are looking for")),
        arguments: TRAIN,
        words: &["wet.wav"],
    },
    Case {
        name: "empty file",
        spoil: |p| drop(p.write("wet.wav", "")),
        arguments: TRAIN,
        words: &["wet.wav", "0 bytes"],
    },
    Case {
        name: "truncated WAV",
        spoil: |p| spoiled_wav(p, |bytes| bytes.truncate(3000)),
        arguments: TRAIN,
        words: &["wet.wav", "frames"],
    },
    Case {
        name: "zero samples",
        spoil: |p| drop(p.empty_wav("wet.wav")),
        arguments: TRAIN,
        words: &["wet.wav"],
    },
    Case {
        name: "NaN samples",
        spoil: |p| {
            let mut wet = through_effect(&noise(4000, 1));
            wet[77] = f32::NAN;
            p.wav("wet.wav", vec![wet]);
        },
        arguments: TRAIN,
        words: &["wet", "NaN", "77"],
    },
    Case {
        name: "silent wet",
        spoil: |p| drop(p.wav("wet.wav", vec![vec![0.0; 4000]])),
        arguments: TRAIN,
        words: &["wet", "silent"],
    },
    Case {
        name: "dry and wet at different rates",
        spoil: |p| {
            p.wav_at(
                "wet.wav",
                vec![noise(4000, 2)],
                16_000,
                SampleFormat::Int(16),
            );
        },
        arguments: TRAIN,
        words: &["8000", "16000"],
    },
    Case {
        name: "pairs at different rates",
        spoil: |p| {
            for name in ["d2.wav", "w2.wav"] {
                p.wav_at(name, vec![noise(4000, 3)], 16_000, SampleFormat::Int(24));
            }
            rewrite(
                p,
                "[windows]",
                "[[data.train]]\ndry = \"d2.wav\"\nwet = \"w2.wav\"\n[windows]",
            );
        },
        arguments: TRAIN,
        words: &["w2.wav", "16000 Hz", "8000 Hz"],
    },
    Case {
        name: "three channels against two",
        spoil: |p| {
            p.wav("dry.wav", vec![noise(4000, 1); 3]);
            p.wav("wet.wav", vec![noise(4000, 2); 2]);
        },
        arguments: TRAIN,
        words: &["3", "2", "channel"],
    },
    Case {
        name: "window longer than the recording",
        spoil: |p| rewrite(p, "window_len = 64", "window_len = 9999"),
        arguments: TRAIN,
        words: &["9999", "window_len"],
    },
    Case {
        name: "unknown device",
        spoil: nothing,
        arguments: &["train", "--config", "t.toml", "--device", "gpu"],
        words: &["'gpu'", "wgpu[:n]"],
    },
    Case {
        name: "a device that is not there",
        spoil: nothing,
        arguments: &["train", "--config", "t.toml", "--device", "wgpu:99"],
        words: &["wgpu:99", "effigy devices"],
    },
    Case {
        name: "unknown layer to freeze",
        spoil: nothing,
        arguments: &["train", "--config", "t.toml", "--freeze", "head"],
        words: &["'head'", "branches.0.encoder"],
    },
    Case {
        name: "run folder exists",
        spoil: |p| drop(p.write("old/x", "")),
        arguments: &["train", "--config", "t.toml", "--run", "old"],
        words: &["old", "--resume"],
    },
    Case {
        name: "run folder below a file",
        spoil: |p| drop(p.write("file", "")),
        arguments: &["train", "--config", "t.toml", "--run", "file/run"],
        words: &["file/run"],
    },
    Case {
        name: "resume what is not there",
        spoil: nothing,
        arguments: &["train", "--resume", "--run", "checkpoints/none"],
        words: &["checkpoints/none", "effigy runs"],
    },
    Case {
        name: "start from what is no run",
        spoil: nothing,
        arguments: &["train", "--config", "t.toml", "--init-from", "nowhere"],
        words: &["nowhere", "effigy runs"],
    },
    Case {
        name: "generated effect out of range",
        spoil: |p| {
            rewrite(
                p,
                "dry = \"dry.wav\"\nwet = \"wet.wav\"",
                "seconds = 1.0\n\
                 signal = { kind = \"noise\", colour = \"white\", level_dbfs = -6.0 }\n\
                 effect = { kind = \"low-pass\", cutoff_hz = 1e9 }",
            );
        },
        arguments: TRAIN,
        words: &["cutoff_hz", "1000000000"],
    },
    Case {
        name: "synth without generated pairs",
        spoil: nothing,
        arguments: &["synth", "--config", "t.toml", "-o", "out"],
        words: &["t.toml", "signal"],
    },
    Case {
        name: "infer with no run",
        spoil: nothing,
        arguments: &["infer", "--model", "nowhere", "dry.wav", "-o", "x.wav"],
        words: &["nowhere", "effigy runs"],
    },
    Case {
        name: "infer to an unknown format",
        spoil: nothing,
        arguments: &[
            "infer", "-m", "r", "dry.wav", "-o", "x.wav", "--format", "s12",
        ],
        words: &["s12", "s16"],
    },
    Case {
        name: "evaluate with a latency in words",
        spoil: nothing,
        arguments: &[
            "evaluate",
            "-m",
            "r",
            "--dry",
            "dry.wav",
            "--wet",
            "wet.wav",
            "--latency",
            "soon",
        ],
        words: &["soon", "auto"],
    },
    Case {
        name: "runs of a folder that is not there",
        spoil: nothing,
        arguments: &["runs", "--dir", "nowhere"],
        words: &["nowhere", "--dir"],
    },
];

fn expect_one_line(name: &str, said: &Said, words: &[&str]) {
    let text = said.stderr.trim_end();
    assert_eq!(said.code, 2, "{name}: {text}");
    assert!(said.stdout.is_empty(), "{name}: {}", said.stdout);
    let lines: Vec<&str> = text
        .lines()
        .filter(|l| !l.starts_with("warning: "))
        .collect();
    assert_eq!(lines.len(), 1, "{name}: {text}");
    assert!(lines[0].starts_with("error: "), "{name}: {text}");
    assert!(!text.contains("internal fault"), "{name}: {text}");
    for word in words {
        assert!(lines[0].contains(word), "{name}: no '{word}' in: {text}");
    }
}

#[test]
fn each_wrong_input_gets_one_line_and_leaves_nothing() {
    assert!(CASES.len() >= 25);
    for case in CASES {
        let place = place(SMALL, "epochs = 1");
        (case.spoil)(&place);
        let before = place.files();
        let mut arguments = vec!["--quiet"];
        arguments.extend(case.arguments);
        let said = place.effigy(&arguments);
        expect_one_line(case.name, &said, case.words);
        assert_eq!(place.files(), before, "{}", case.name);
    }
}

/// What can go wrong only once there is a run.
#[test]
fn wrong_use_of_a_run_gets_one_line_and_leaves_nothing() {
    let place = place(SMALL, "epochs = 1");
    let trained = place.effigy(&["-q", "train", "--config", "t.toml", "--run", "r"]);
    assert_eq!(trained.code, 0, "{}", trained.stderr);
    place.wav_at(
        "hd.wav",
        vec![noise(4000, 4)],
        96_000,
        SampleFormat::Int(16),
    );
    place.write("text.wav", "no sound at all, only words");
    place.write("plain-file", "");
    let other = "kind = \"conv\"\nchannels = 5\nkernel_size = 3";
    place.write("other.toml", config(other, "epochs = 1"));
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "input is output",
            &["infer", "-m", "r", "dry.wav", "-o", "dry.wav"],
            &["is an input"],
        ),
        (
            "missing input",
            &["infer", "-m", "r", "no.wav", "-o", "x.wav"],
            &["no.wav"],
        ),
        (
            "text as input",
            &["infer", "-m", "r", "text.wav", "-o", "x.wav"],
            &["text.wav"],
        ),
        (
            "two inputs, one file",
            &["infer", "-m", "r", "dry.wav", "wet.wav", "-o", "x.wav"],
            &["x.wav", "folder"],
        ),
        (
            "two inputs of one name",
            &["infer", "-m", "r", "dry.wav", "./dry.wav", "-o", "out"],
            &["dry.wav", "one at a time"],
        ),
        (
            "output below a file",
            &["infer", "-m", "r", "dry.wav", "-o", "plain-file/x.wav"],
            &["plain-file"],
        ),
        (
            "weights of another network",
            &["train", "--config", "other.toml", "--init-from", "r"],
            &["weights.bpk", "another network"],
        ),
        (
            "resume with another config",
            &["train", "--config", "other.toml", "--run", "r", "--resume"],
            &["[model]", "differs"],
        ),
        (
            "evaluate at another rate",
            &[
                "evaluate",
                "-m",
                "r",
                "--dry",
                "hd.wav",
                "--wet",
                "hd.wav",
                "--latency",
                "0",
            ],
            &["96000", "8000"],
        ),
    ];
    for (name, arguments, words) in cases {
        let before = place.files();
        let mut all = vec!["--quiet"];
        all.extend(*arguments);
        expect_one_line(name, &place.effigy(&all), words);
        assert_eq!(place.files(), before, "{name}");
    }
    let weights = place.path("r/best/weights.bpk");
    std::fs::write(&weights, b"not weights").unwrap();
    let said = place.effigy(&["-q", "infer", "-m", "r", "dry.wav", "-o", "x.wav"]);
    expect_one_line("damaged weights", &said, &["weights.bpk"]);
    std::fs::remove_file(&weights).unwrap();
    let said = place.effigy(&["-q", "infer", "-m", "r", "dry.wav", "-o", "x.wav"]);
    expect_one_line("no weights", &said, &["no epoch was completed"]);
}

#[test]
fn a_misspelt_instruction_set_is_refused_before_anything_else() {
    let place = Place::new();
    let said = |isa: &str| -> Said {
        let mut command = place.command();
        command.args(["completions", "bash"]).env("EFFIGY_ISA", isa);
        command.output().unwrap().into()
    };
    expect_one_line(
        "EFFIGY_ISA",
        &said("avx9"),
        &["EFFIGY_ISA", "'avx9'", "avx512, avx2, neon, portable"],
    );
    for isa in ["portable", ""] {
        assert_eq!(said(isa).code, 0, "{isa}");
    }
}
