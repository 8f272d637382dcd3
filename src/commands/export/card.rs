//! The model card beside an exported file, in Markdown: what it is, from what it was learned, how
//! near it comes, how it behaves, under which licence, how to load it.

use crate::dsp::probe::Judged;
use crate::files;
use crate::formats::Format;
use crate::playing::playable::Run;
use crate::report::metrics::Row;
use crate::report::table::figure;
use crate::training::run_report::RunReport;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What a card tells.
pub(super) struct Card<'a> {
    /// The exported file.
    pub(super) file: &'a Path,
    pub(super) format: Format,
    /// WaveNet, LSTM, …
    pub(super) family: &'a str,
    pub(super) weights: usize,
    /// Hertz.
    pub(super) sample_rate: u32,
    /// How it behaves when it is left alone.
    pub(super) probe: &'a Judged,
    /// What people say about it.
    pub(super) metadata: &'a Map<String, Value>,
    pub(super) licence: Option<&'a str>,
    /// What it was learned in, if here.
    pub(super) run: Option<&'a Run>,
}

/// What marks a file as a card, which a newer one may replace.
const MARK: &str = "<!-- effigy model card -->";

/// The card's name beside a file's.
pub fn name(file: &str) -> String {
    format!("{file}.md")
}

/// Where the card of `file` goes.
///
/// # Errors
/// A file is there that is no card.
pub(super) fn place(file: &Path) -> Result<PathBuf> {
    let own = file.file_name().unwrap_or_default().to_string_lossy();
    let path = file.with_file_name(name(&own));
    if path.exists() {
        let there = std::fs::read(&path).with_context(|| path.display().to_string())?;
        if !String::from_utf8_lossy(&there).contains(MARK) {
            bail!(
                "{} exists and is no model card; move it, or give --no-card",
                path.display()
            );
        }
    }
    Ok(path)
}

/// Writes the card.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(path: &Path, card: &Card<'_>) -> Result<()> {
    let text = text(card)?;
    files::write(path, text.as_bytes()).with_context(|| path.display().to_string())
}

fn text(card: &Card<'_>) -> Result<String> {
    let said = |key: &str| card.metadata.get(key).and_then(|value| value.as_str());
    let file = card.file.file_name().unwrap_or_default().to_string_lossy();
    let title = said("name").unwrap_or(&file);
    let mut text = format!("{MARK}\n# {}\n\n", plain(title));
    let words = [
        (
            "gear",
            [said("gear_make"), said("gear_model")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
        ),
        (
            "kind of gear",
            said("gear_type").unwrap_or_default().to_string(),
        ),
        ("tone", said("tone_type").unwrap_or_default().to_string()),
        (
            "captured by",
            said("modeled_by").unwrap_or_default().to_string(),
        ),
    ];
    for (what, value) in words.iter().filter(|(_, value)| !value.trim().is_empty()) {
        let _ = writeln!(text, "- {what}: {}", plain(value));
    }
    let _ = writeln!(
        text,
        "- file: `{file}`, {}, a {} network of {} weights at {} Hz",
        card.format, card.family, card.weights, card.sample_rate
    );
    let licence = card
        .licence
        .map_or("not stated: ask whoever gave it to you".to_string(), plain);
    let _ = writeln!(text, "- licence: {licence}");
    if let Some(run) = card.run {
        text += &learned(run)?;
    }
    let _ = write!(text, "\n## Left alone\n\n{}\n", card.probe.behaviour);
    let _ = write!(text, "\n## Load it\n\n{}\n", how(card.format, &file));
    Ok(text)
}

/// From what it was learned and how near it comes.
fn learned(run: &Run) -> Result<String> {
    let mut text = String::from("\n## Learned from\n\n");
    let data = &run.config.data;
    for pair in &data.train {
        let side = |file: &Option<PathBuf>| {
            let name = file.as_ref().and_then(|file| file.file_name());
            name.map(|name| plain(&name.to_string_lossy()))
        };
        let told = match (side(&pair.dry), side(&pair.wet)) {
            (Some(dry), Some(wet)) => format!("{dry} → {wet}"),
            _ => pair.label(),
        };
        let knobs: Vec<String> = pair
            .controls
            .iter()
            .map(|(name, at)| format!("{name} {at}"))
            .collect();
        let knobs = match knobs.is_empty() {
            true => String::new(),
            false => format!(" ({})", knobs.join(", ")),
        };
        let _ = writeln!(text, "- {told}{knobs}");
    }
    for (at, knob) in data.knobs().iter().enumerate() {
        let ends = knob.range.map_or([0.0, 1.0], |range| range.ends());
        let _ = writeln!(
            text,
            "- knob {}, {}: in players whose knobs go from 0 to 1, 0 is {} and 1 is {}",
            at + 1,
            plain(&knob.name),
            ends[0],
            ends[1]
        );
    }
    let report = RunReport::read(&run.folder)?.unwrap_or_default();
    for latency in &report.latencies {
        let _ = writeln!(text, "- delay removed: {} samples", latency.latency_samples);
    }
    if let Some(made) = &report.provenance {
        let _ = writeln!(
            text,
            "- by effigy {}, {}, on {}",
            made.effigy,
            made.finished,
            made.machine()
        );
    }
    if !report.rows.is_empty() {
        text += "\n## Figures\n\nOn sounds that it was not trained on; lower is better.\n\n";
        text += "| | ESR | gain-fitted ESR | RMSE |\n|---|---|---|---|\n";
        for (at, row) in report.rows.iter().enumerate() {
            text += &row_line(row, at == 0);
        }
    }
    Ok(text)
}

fn row_line(row: &Row, is_network: bool) -> String {
    let name = match is_network {
        true => format!("**{}** (this)", plain(&row.name)),
        false => plain(&row.name),
    };
    let metrics = &row.metrics;
    let figures = [metrics.esr, metrics.gain_fitted_esr, metrics.rmse].map(figure);
    format!("| {name} | {} |\n", figures.join(" | "))
}

/// How players load a file.
fn how(format: Format, file: &str) -> String {
    let here = format!("`effigy infer --model {file} dry.wav -o wet.wav` plays it on a recording.");
    let players = match format {
        Format::Nam => {
            "Neural Amp Modeler and every player of its files: open the file in the plugin."
        }
        Format::Namb => "players on small devices that read .namb, version 1.",
        Format::AidaX => "AIDA-X: open the file in the plugin.",
        Format::RtNeural => "RTNeural: `RTNeural::json_parser::parseJson`, at the rate above.",
        Format::Ir => "any loader of impulse responses.",
        Format::Proteus => "Proteus and NeuralPi: put it among their tones.",
        Format::Safetensors => {
            "Tensor libraries read the weights by name; `description` in its metadata is the network."
        }
    };
    format!("{players}\n\n{here}")
}

/// Text that Markdown takes as it is.
fn plain(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if "\\`*_{}[]<>#|".contains(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays_text() {
        assert_eq!(plain("a|b <i>*x*\n"), "a\\|b \\<i\\>\\*x\\*");
        assert_eq!(name("amp.nam"), "amp.nam.md");
    }

    #[test]
    fn only_cards_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("amp.nam");
        let card = place(&file).unwrap();
        std::fs::write(&card, format!("{MARK}\n")).unwrap();
        assert!(place(&file).is_ok());
        std::fs::write(&card, "my own notes").unwrap();
        assert!(place(&file).unwrap_err().to_string().contains("--no-card"));
    }
}
