//! Other people's files, which lie beside some checkouts and cannot be in the repository: captures
//! with what the field's C++ engine gives for them, RTNeural's own vectors, an AIDA-X file with its
//! test.

use crate::engine::{sounds_like, wav};
use crate::formats::{check_value, largest_difference, passes_its_own_test, play_cold};
use crate::support::shared;
use effigy::formats::{self, Format};
use effigy::network::Architecture;
use std::fs;

#[test]
fn the_fields_engine_is_reproduced() {
    let Some(folder) = shared("fixtures/nam") else {
        return;
    };
    let input = wav(folder.join("input.wav"));
    let files = [
        ("wavenet_a1_standard.nam", 1.0, "wavenet_a1_standard"),
        ("wavenet.nam", 1.0, "wavenet"),
        ("lstm.nam", 1.0, "lstm"),
        ("A2.nam", 1.0, "A2-full"),
        ("A2.nam", 0.0, "A2-lite"),
    ];
    for (file, size, expected) in files {
        let model = formats::read(&folder.join(file)).unwrap();
        let network = match &model.network.architecture {
            Architecture::Slimmable(slimmable) => slimmable.select(size).unwrap().clone(),
            _ => model.network,
        };
        let expected = wav(folder.join(format!("expected-{expected}.wav")));
        sounds_like(file, &network, &input, &expected);
    }
}

#[test]
fn captures_in_the_wild_carry_their_own_check_value() {
    let Some(folder) = shared("fixtures/nam") else {
        return;
    };
    let signal = wav(folder.join("loudness_input.wav"));
    for file in ["wavenet.nam", "A2.nam", "wavenet_minimal.nam"] {
        let text = fs::read(folder.join(file)).unwrap();
        check_value(file, &serde_json::from_slice(&text).unwrap(), &signal);
    }
}

#[test]
fn rtneural_vectors_are_reproduced() {
    let Some(folder) = shared("fixtures/rtneural") else {
        return;
    };
    for name in ["conv", "gru_1d", "lstm_1d"] {
        let model = formats::read(&folder.join(format!("{name}.json"))).unwrap();
        assert_eq!(model.format, Format::RtNeural);
        let column = |which: &str| -> Vec<f32> {
            let path = folder.join(format!("{name}_{which}_python.csv"));
            let text = fs::read_to_string(path).unwrap();
            text.lines()
                .map(|line| line.trim().parse().unwrap())
                .collect()
        };
        let difference = largest_difference(&play_cold(&model.network, &column("x")), &column("y"));
        assert!(difference <= 1e-6, "{name}: {difference:e}");
    }
}

#[test]
fn an_aidax_file_in_the_wild_passes_its_own_test() {
    if let Some(path) = shared("fixtures/aidax/tw40_california_clean.json") {
        passes_its_own_test(&path, "deer ink studios");
    }
}
