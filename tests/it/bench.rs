//! `effigy bench train`: what it counts, what it prints, what it refuses. Never how fast.

use crate::support::{Place, config, skipped};
use serde_json::Value;

fn rows(arguments: &[&str]) -> Vec<Value> {
    let place = Place::new();
    let mut all = vec!["bench", "train", "--steps", "1", "--json"];
    all.extend(arguments);
    let outcome = place.effigy(&all).json();
    assert!(outcome["peak"]["all_cores_gflops"].as_f64().unwrap() > 0.0);
    let rows = outcome["rows"].as_array().unwrap().clone();
    for row in &rows {
        let number = |key: &str| row[key].as_f64().unwrap();
        let gflops = number("operations") / number("step_seconds") * 1e-9;
        assert!((number("gflops") / gflops - 1.0).abs() < 1e-9, "{row}");
        let peak = outcome["peak"]["all_cores_gflops"].as_f64().unwrap();
        assert!((number("fraction_of_peak") * peak / gflops - 1.0).abs() < 1e-9);
        let parts = ["data", "forward", "backward", "optimiser"];
        let sum: f64 = parts
            .map(|part| number(&format!("{part}_seconds")))
            .iter()
            .sum();
        assert!(sum > 0.0 && sum <= number("step_seconds") * 1.0001, "{row}");
        let samples = number("batch") * number("window_len");
        assert!(
            (number("samples_per_second") * number("step_seconds") / samples - 1.0).abs() < 1e-9
        );
        if cfg!(target_os = "linux") {
            assert!(number("peak_resident_bytes") > 1e6);
        }
    }
    rows
}

/// A card's step is a few launches, however long the window; on the processor there are none to count.
#[test]
fn launches_are_counted() {
    let devices = Place::new().effigy(&["devices", "--json"]).json();
    let listed = devices["devices"].as_array().unwrap();
    if !listed.iter().any(|d| d["id"] == "wgpu:0") {
        skipped("no Vulkan driver here (Debian: mesa-vulkan-drivers)");
        return;
    }
    let launches = |arguments: &[&str]| {
        let mut all = vec!["bench", "train", "--steps", "1", "--json", "--batch", "1"];
        all.extend(arguments);
        let outcome = Place::new().effigy(&all).json();
        let row = outcome["rows"][0].clone();
        let count = |launches: &Value, kind: &str| launches[kind].as_u64().unwrap_or_default();
        // The recordings lie on the card: a batch of one window is the places of its two sides.
        let uploaded = count(&row["launches"], "uploaded_bytes");
        assert!(uploaded <= 2 * 16, "{uploaded} bytes");
        let all = |l: &Value| count(l, "fused") + count(l, "composed");
        (
            all(&row["launches"]),
            count(&row["launches"], "fused_bytes"),
            all(&row["composed"]["launches"]),
        )
    };
    let short = ["--preset", "lstm-32", "--window", "8", "--device", "wgpu:0"];
    let longer = [
        "--preset", "lstm-32", "--window", "70", "--device", "wgpu:0",
    ];
    let (few, bytes, composed) = launches(&[&short[..], &["--composed"]].concat());
    assert!(few <= 24, "{few}");
    // A composed step takes dozens of launches per sample.
    assert!(composed > 8 * 30, "{composed}");
    let (as_few, more_bytes, _) = launches(&longer);
    assert_eq!(as_few, few);
    assert!(more_bytes > bytes && bytes > 0);
    let (none, bytes, _) = launches(&["--preset", "lstm-32", "--window", "8"]);
    assert_eq!((none, bytes), (0, 0));
    // As many as the presets', whose windows and dilations, on which none depends, take long here.
    let a1 = "kind = \"wavenet\"\narrays = [\
        { channels = 16, dilations = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], head_size = 8 },\
        { channels = 8, dilations = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], head_bias = true }]";
    let a2 = "kind = \"wavenet\"\narrays = [{ channels = 8, head_kernel_size = 16, \
        dilations = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] }]";
    let tcn = "kind = \"tcn\"\ndilation_growth = 1";
    let s4d = "kind = \"s4d\"\nwarm_up = 64";
    for (model, most) in [(a1, 90), (a2, 110), (tcn, 60), (s4d, 59)] {
        let place = Place::new();
        place.write("t.toml", config(model, ""));
        let config = place.path("t.toml");
        let config = config.to_str().unwrap();
        let (all, _, _) = launches(&["--config", config, "--window", "8", "--device", "wgpu:0"]);
        assert!(all > 0 && all <= most, "{all} of at most {most}: {model}");
    }
    let (conv, _, _) = launches(&["--preset", "conv", "--window", "8", "--device", "wgpu:0"]);
    assert!(conv <= 20, "{conv}");
    let plain = [
        "--preset", "lstm-32", "--window", "2049", "--device", "wgpu:0",
    ];
    let (with, _, _) = launches(&[&plain[..], &["--stft"]].concat());
    assert!(with <= few + 12, "{with} with STFT, {few} without");
}

/// Multiply-adds written out by hand: forward, weights' gradients, signals' gradients but the
/// input's.
#[test]
fn operations_are_counted_from_the_shapes() {
    let all = rows(&[
        "--preset",
        "conv,lstm-24,tcn",
        "--batch",
        "2",
        "--window",
        "64",
    ]);
    let operations = |at: usize| all[at]["operations"].as_f64().unwrap();
    let conv = {
        let (encoder, decoder) = (50 * 51 * (64 + 50), 50 * 51 * 64);
        2 * 2 * (2 * encoder + 3 * decoder)
    };
    assert_eq!(operations(0), f64::from(conv));
    let lstm = {
        let (input, hidden, head) = (4 * 24, 4 * 24 * 24, 24);
        2 * 2 * 64 * (2 * input + 3 * (hidden + head))
    };
    assert_eq!(operations(1), f64::from(lstm));
    let tcn: i64 = {
        let mut len = 64 + 4 * (3i64.pow(8) - 1) / 2;
        let mut total = 3 * 16 * 64;
        for layer in 0..8 {
            len -= 4 * 3i64.pow(layer);
            let inputs = if layer == 0 { 1 } else { 16 };
            let passes = if layer == 0 { 2 } else { 3 };
            total += passes * 16 * inputs * (5 + 1) * len;
        }
        2 * 2 * total
    };
    assert_eq!(operations(2), tcn as f64);
    assert_eq!(all[0]["name"], "conv");
    assert_eq!(all[1]["input_len"], 64);
}

/// A1 standard's step at the size is the 14.3 GFLOP that its sketch was measured by, less
/// the gradients of the network's input.
#[test]
fn a_wavenet_counts_its_context() {
    let row = &rows(&["--preset", "a1-standard", "--batch", "1", "--window", "128"])[0];
    assert_eq!(row["weights"], 13_801);
    assert_eq!(row["input_len"], 128 + 4092);
    // Layer by layer, lengths shrinking by each context.
    let mut len = 128i64 + 4092;
    let (mut forward, mut of_input) = (16 * len, 16 * len);
    for (channels, entering) in [(16i64, 0), (8, 16)] {
        if entering > 0 {
            forward += channels * entering * len;
        }
        for layer in 0..10 {
            len -= 2 << layer;
            forward += (channels * (3 * channels + 1) + channels * channels) * len;
            of_input += channels * len;
            if channels == 8 && layer == 9 {
                forward -= channels * channels * len;
            }
        }
        // The first head is heard by the second only where that is heard itself.
        forward += if channels == 16 { 8 * 16 } else { 8 } * 128;
    }
    let operations = 2 * (3 * forward - of_input);
    assert_eq!(row["operations"].as_f64().unwrap(), operations as f64);
}

#[test]
fn the_composed_form_and_a_sweep_are_rows_too() {
    let tiny = ["--preset", "lstm-24", "--batch", "2", "--window", "8"];
    let row = &rows(&[&tiny[..], &["--composed"]].concat())[0];
    assert_eq!(row["composed"]["steps"], 3);
    assert!(row["composed"]["ratio"].as_f64().unwrap() > 0.0);
    let swept = rows(&[&tiny[..], &["--sweep"]].concat());
    let names: Vec<&str> = swept
        .iter()
        .filter_map(|row| row["name"].as_str())
        .collect();
    for name in ["lstm-24 batch 1", "lstm-24 window 2", "lstm-24 channels 96"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let of = |name: &str| swept.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(of("lstm-24 batch 8")["batch"], 8);
    assert_eq!(of("lstm-24 window 32")["window_len"], 32);
}

#[cfg(unix)]
#[test]
fn another_trainer_is_alternated_with() {
    let place = Place::new();
    let script = place.write(
        "trainer.sh",
        "read task\ncase $task in *lstm*) ;; *) echo '{\"unknown\": \"only lstm\"}'; exit;; esac\n\
         echo '{\"trainer\": \"a clock\"}'\nwhile read line; do echo '{\"step_seconds\": 2.5}'; done\n",
    );
    let against = format!("sh {}", script.display());
    let small = ["--batch", "1", "--window", "8", "--against", &against];
    let all = rows(&[&small[..], &["--preset", "lstm-24,gru-32"]].concat());
    assert_eq!(all[0]["against"]["trainer"], "a clock");
    assert_eq!(all[0]["against"]["step_seconds"], 2.5);
    let own = all[0]["step_seconds"].as_f64().unwrap();
    assert!((all[0]["against"]["ratio"].as_f64().unwrap() * own / 2.5 - 1.0).abs() < 1e-9);
    assert_eq!(all[1]["against"]["trainer"], "only lstm");
    assert_eq!(all[1]["against"]["steps"], 0);
}

#[test]
fn wrong_requests_are_one_line() {
    let place = Place::new();
    for (arguments, said) in [
        (
            &["--preset", "a3"][..],
            "preset 'a3' is unknown; choose all",
        ),
        (&["--batch", "0"], "must be at least 1"),
        (&["--steps", "0"], "--steps 0"),
        (&["--set", "model.channels=3"], "--config FILE"),
        (&["--device", "tpu"], "device 'tpu' is unknown"),
        (
            &["--preset", "gru-32", "--against", "no-such-program"],
            "cannot be started",
        ),
        (&["--batch", "100000", "--window", "100000"], "at most"),
    ] {
        let mut all = vec!["bench", "train"];
        all.extend(arguments);
        let told = place.effigy(&all);
        assert_eq!(told.code, 2, "{arguments:?}: {}", told.stderr);
        let line = told.stderr.trim();
        assert!(line.contains(said) && line.lines().count() == 1, "{line}");
    }
}
