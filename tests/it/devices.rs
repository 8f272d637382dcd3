//! Several devices in one training: the same run as on one, from time to time to the same bits, killed
//! and resumed too; and what is refused. And a machine without any card.

use crate::support::{Place, place};
use crate::training::{figures, has_card, killed_and_resumed_is_uninterrupted, log, voice};

const CONV: &str = "kind = \"conv\"\nchannels = 4\nkernel_size = 8";
const LSTM: &str = "kind = \"lstm\"\nhidden_size = 4\nwarm_up = 24";

/// Batches of 7 windows, the last of an epoch of fewer: no number of devices divides both.
fn prepared(model: &str, more: &str) -> Place {
    let place = place(model, more);
    let text = crate::support::config(model, more).replace("batch_size = 8", "batch_size = 7");
    place.write("t.toml", format!("{text}[loss]\nmse = 1.0\nesr = 0.1\n"));
    place
}

fn train(place: &Place, run: &str, devices: &str) {
    let said = place.effigy(&[
        "-q", "train", "-c", "t.toml", "--run", run, "--device", devices,
    ]);
    assert_eq!(said.code, 0, "{devices}: {}", said.stderr);
}

/// Some dozen steps along gradients that differ by the order of a sum, 1e-6 of them: that leaves the ESR
/// alike to more digits than a window counted twice would.
#[test]
fn a_batch_that_is_shared_is_learned_from_as_on_one_device() {
    let mut shared = vec!["flex,flex", "flex,ndarray,flex"];
    if has_card() {
        shared.push("flex,wgpu:0");
    }
    for (model, recipe) in [
        (CONV, "epochs = 4\nlearning_rate = 0.01\nclip_norm = 1.0"),
        (LSTM, "epochs = 2\nstep_len = 16\naverage = 0.9"),
    ] {
        let place = prepared(model, recipe);
        train(&place, "one", "flex");
        for devices in &shared {
            let run = devices.replace([',', ':'], "-");
            train(&place, &run, devices);
            let of = |run: &str| -> Vec<f64> {
                let rows = log(&place, run);
                let both = rows.iter().flat_map(|row| [&row["train"], &row["valid"]]);
                both.map(|row| row["esr"].as_f64().unwrap()).collect()
            };
            let (expected, found) = (of("one"), of(&run));
            assert_eq!(expected.len(), found.len());
            for (a, b) in expected.iter().zip(&found) {
                assert!(
                    (a - b).abs() < 1e-3 * a,
                    "{devices}: {found:?} is not {expected:?}"
                );
            }
        }
    }
}

#[test]
fn a_shared_run_is_the_same_from_time_to_time_and_after_kills() {
    let place = prepared(CONV, "epochs = 8\nlearning_rate = 0.01\nclip_norm = 1.0");
    let text = std::fs::read_to_string(place.path("t.toml")).unwrap();
    place.write("t.toml", text.replace("\"flex\"", "\"flex,flex\""));
    killed_and_resumed_is_uninterrupted(&place, 17);
    train(&place, "again", "flex,flex");
    assert_eq!(figures(&place, "again"), figures(&place, "whole"));
    assert_eq!(voice(&place, "again"), voice(&place, "whole"));
}

/// The same card twice stands in for two.
#[test]
fn two_cards_share_a_batch_to_the_same_bits_every_time() {
    if !has_card() {
        return;
    }
    let place = prepared(CONV, "epochs = 2");
    for run in ["once", "twice"] {
        train(&place, run, "wgpu:0,wgpu:0");
    }
    assert_eq!(figures(&place, "once"), figures(&place, "twice"));
    assert_eq!(voice(&place, "once"), voice(&place, "twice"));
}

#[test]
fn wrong_lists_are_one_line() {
    let place = prepared(CONV, "epochs = 1");
    for (devices, said) in [
        ("flex,tpu", "device 'tpu' is unknown"),
        ("flex,", "device '' is unknown"),
        ("auto,flex", "stands alone"),
        ("flex,wgpu:99", "wgpu:99 is not on this machine"),
        (
            "flex,flex,flex,flex,flex,flex,flex,flex",
            "8 devices cannot share a batch of 7",
        ),
    ] {
        let told = place.effigy(&["-q", "train", "-c", "t.toml", "--device", devices]);
        let line = told.stderr.trim();
        assert_eq!(told.code, 2, "{devices}: {line}");
        assert!(
            line.contains(said) && line.lines().count() == 1,
            "{devices}: {line}"
        );
    }
}

/// No drivers are found: what a program would see where there is no card. Training saves an optimiser's
/// state, resuming reads it, and both had asked for a card.
#[test]
fn nothing_needs_a_card_where_there_is_none() {
    let place = prepared(LSTM, "epochs = 1\naverage = 0.9");
    let effigy = |arguments: &[&str]| {
        let mut command = place.command();
        for drivers in [
            "VK_ICD_FILENAMES",
            "VK_DRIVER_FILES",
            "LIBGL_DRIVERS_PATH",
            "__EGL_VENDOR_LIBRARY_FILENAMES",
        ] {
            command.env(drivers, "/nonexistent");
        }
        let said: crate::support::Said = command.args(arguments).output().unwrap().into();
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.stderr);
        said
    };
    let devices = effigy(&["devices", "--json"]).json();
    if devices.to_string().contains("wgpu") {
        return crate::support::skipped("a card here that is found without drivers");
    }
    let more = ["--resume", "--set", "training.epochs=2"];
    let train = ["train", "-c", "t.toml", "--run", "r", "--device", "auto"];
    effigy(&train);
    effigy(&[&train[..], &more].concat());
    effigy(&["infer", "--model", "r", "dry.wav", "-o", "out.wav"]);
    effigy(&["bench", "train", "--config", "t.toml", "--steps", "1"]);
}
