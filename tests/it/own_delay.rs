//! A model file that is late of its own accord is scored without its delay, and it is said.

use crate::support::{Place, noise};

/// A convolution of one tap, at either end of five.
fn one_tap(place: &Place, first: bool) -> String {
    let weights = if first { "[1,0,0,0,0]" } else { "[0,0,0,0,1]" };
    let name = format!("tap-{first}.nam");
    let text = format!(
        r#"{{"version":"0.5.4","architecture":"Linear","config":{{"receptive_field":5,"bias":false}},"weights":{weights},"sample_rate":8000}}"#
    );
    place.write(&name, text);
    name
}

#[test]
fn evaluate_and_compare_remove_a_models_own_delay_and_say_so() {
    let place = Place::new();
    let dry = noise(40_000, 3);
    place.wav("dry.wav", vec![dry.clone()]);
    place.wav("wet.wav", vec![dry]);
    let recordings = ["--dry", "dry.wav", "--wet", "wet.wav", "--latency", "0"];
    let mut delays: Vec<i64> = [true, false]
        .map(|first| {
            let model = one_tap(&place, first);
            let line = [&["--json", "evaluate", "--model", &model][..], &recordings].concat();
            let row = place.effigy(&line).json()["rows"][0].clone();
            assert!(row["esr"].as_f64().unwrap() < 1e-12, "{row}");
            row["own_delay_samples"].as_i64().unwrap()
        })
        .to_vec();
    let late = delays.iter().position(|d| *d == 4).unwrap() == 0;
    delays.sort_unstable();
    assert_eq!(delays, [0, 4]);
    let model = format!("tap-{late}.nam");
    let said = place.effigy(&[&["evaluate", "--model", &model][..], &recordings].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("is late by 4 samples of its own"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("removed: latency 0 samples (given)"),
        "{}",
        said.stdout
    );
}
