//! `effigy inspect`: what a run or a model file holds.

use super::ui::Ui;
use super::{Status, plain};
use crate::commands::inspect::{self, NetworkFacts, Outcome, Request, RunFacts};
use crate::report::table::figure;
use serde_json::Value;
use std::fmt::Write;

/// Runs the command.
///
/// # Errors
/// The file cannot be read, or is not a model that can be played.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = inspect::inspect(request, ui)?;
    ui.report(&outcome, |outcome| prose(outcome, request.parameters))?;
    Ok(Status::Done)
}

fn prose(outcome: &Outcome, parameters: bool) -> String {
    let mut text = plain::line(&outcome.file.display().to_string()) + "\n";
    let version = outcome
        .version
        .as_deref()
        .map_or(String::new(), |v| format!(" {v}"));
    match (outcome.format, &outcome.run) {
        (Some(format), _) => line(&mut text, "format", &format!("{format}{version}")),
        (None, Some(run)) => run_line(&mut text, run),
        (None, None) => {}
    }
    for network in &outcome.networks {
        network_lines(&mut text, network);
    }
    if let Some(difference) = outcome.self_test_difference {
        let verdict = if difference <= 1e-5 {
            "plays as when it was written"
        } else {
            "PLAYS DIFFERENTLY than when it was written"
        };
        line(
            &mut text,
            "self-test",
            &format!("{difference:.1e} at most: {verdict}"),
        );
    }
    if let Some(probe) = &outcome.probe {
        let words = probe.behaviour.to_string();
        let mut lines = words.lines();
        line(&mut text, "probe", lines.next().unwrap_or_default());
        lines.for_each(|said| line(&mut text, "", said.trim_start()));
    }
    let formats: Vec<String> = outcome
        .writable_as
        .iter()
        .map(ToString::to_string)
        .collect();
    line(&mut text, "writable as", &formats.join(", "));
    for (key, value) in &outcome.metadata {
        metadata(&mut text, key, value);
    }
    for parameter in outcome.parameters.iter().filter(|_| parameters) {
        let sizes: Vec<String> = parameter.shape.iter().map(ToString::to_string).collect();
        let value = format!("{} {}", parameter.name, sizes.join("×"));
        line(&mut text, "parameter", &value);
    }
    text
}

fn run_line(text: &mut String, run: &RunFacts) {
    let mut value = format!("{}, {} after {} epochs", run.name, run.model, run.epochs);
    if let Some(best) = run.best {
        let _ = write!(
            value,
            ", weights of epoch {} (validation ESR {})",
            best.epoch,
            figure(best.esr)
        );
    }
    line(text, "run", &value);
}

fn network_lines(text: &mut String, network: &NetworkFacts) {
    match network.max_size {
        Some(size) => line(
            text,
            "size",
            &format!("up to {size}: {} {}", network.family, network.shape),
        ),
        None => line(
            text,
            "network",
            &format!("{} {}", network.family, network.shape),
        ),
    }
    if !network.audio_channels.is_mono() {
        line(text, "channels", &network.audio_channels.to_string());
    }
    let rate = f64::from(network.sample_rate);
    line(text, "sample rate", &format!("{} Hz", network.sample_rate));
    let field = match network.receptive_field {
        Some(samples) => format!("{samples} samples ({:.1} ms)", samples as f64 / rate * 1e3),
        None => "unlimited (recurrent)".into(),
    };
    line(text, "receptive field", &field);
    if network.latency_samples > 0 {
        let ms = network.latency_samples as f64 / rate * 1e3;
        line(
            text,
            "latency",
            &format!("{} samples ({ms:.1} ms)", network.latency_samples),
        );
    }
    line(text, "weights", &network.weights.to_string());
    let per_second = network.million_macs_per_second;
    let cost = format!(
        "{} multiply-adds per sample, {per_second:.0} million per second",
        network.macs_per_sample
    );
    line(text, "cost", &cost);
    if let Some(factor) = network.real_time_factor {
        let load = 100.0 / factor;
        line(
            text,
            "here",
            &format!("{factor:.0}× real time at blocks of 64, {load:.1} % of one core"),
        );
    }
    for control in &network.controls {
        let range = format!(
            "{} to {}, default {}",
            control.min, control.max, control.default
        );
        line(text, &format!("control {}", control.name), &range);
    }
}

fn line(text: &mut String, what: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {:<16} {}", plain::line(what), plain::line(value));
}

/// One line per value, nested names joined by dots; nothing for null.
fn metadata(text: &mut String, key: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (inner, value) in map {
                metadata(text, &format!("{key}.{inner}"), value);
            }
        }
        Value::String(words) => line(text, key, words),
        other => line(text, key, &other.to_string()),
    }
}
