//! `effigy export`.

use super::Status;
use super::ui::Ui;
use crate::commands::export::{self, Outcome, Request, linear, onnx};
use std::fmt::Write;

/// Writes and verifies.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    if onnx::is_wanted(request) {
        ui.report(&onnx::export(request)?, graph)?;
        return Ok(Status::Done);
    }
    if linear::is_wanted(request) {
        ui.report(&linear::export(request)?, response)?;
        return Ok(Status::Done);
    }
    let outcome = export::export(request, ui)?;
    ui.report(&outcome, prose)?;
    Ok(Status::Done)
}

fn graph(outcome: &onnx::Outcome) -> String {
    let late = match outcome.latency_samples {
        0 => String::new(),
        late => format!(", its output {late} samples late"),
    };
    format!(
        "{}: onnx {}, input [1, channels, samples] at {} Hz{late}, {} bytes",
        outcome.file.display(),
        outcome.family,
        outcome.sample_rate,
        outcome.bytes
    )
}

fn response(outcome: &linear::Outcome) -> String {
    format!(
        "{}: impulse response, {} taps at {} Hz",
        outcome.file.display(),
        outcome.taps,
        outcome.sample_rate
    )
}

fn prose(outcome: &Outcome) -> String {
    let mut text = format!(
        "{}: {} {}, {} weights, {} Hz, {} bytes\n",
        outcome.file.display(),
        outcome.format,
        outcome.family,
        outcome.weights,
        outcome.sample_rate,
        outcome.bytes
    );
    let verified = outcome.verified.largest_difference;
    let _ = write!(
        text,
        "read again, it plays like the network to {verified:.1e}"
    );
    if let Some(predicted) = outcome.predicted {
        let difference = predicted.largest_difference;
        let _ = write!(
            text,
            " and like its training prediction to {difference:.1e}"
        );
    }
    let _ = write!(text, "\nprobe: {}", outcome.probe.behaviour);
    if let Some(loudness) = &outcome.loudness {
        let figures = loudness.figures;
        let _ = write!(
            text,
            "\nloudness {:.2} dB, gain {:.3}, on {}",
            figures.loudness, figures.gain, loudness.signal
        );
    }
    text
}
