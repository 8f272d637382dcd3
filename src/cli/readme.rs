//! Which section of the README explains an error.

use super::plain;
use crate::audio::AudioError;
use crate::config::ConfigError;
use crate::data::load::DataError;
use crate::device::DeviceError;
use crate::dsp::align::AlignError;
use crate::effects::ParameterError;
use crate::formats::FormatError;
use crate::pack::PackError;
use crate::regress::RegressError;
use crate::resynth::ResynthError;
use crate::simd::IsaError;
use crate::training::TrainingError;
use crate::training::run_dir::RunError;

/// The whole error in one line, ending with the section that explains it. `verb` is the command
/// as typed, for errors that have no family of their own.
pub fn explain(error: &anyhow::Error, verb: &str) -> String {
    format!(
        "{}; see README: {}",
        plain::line(&format!("{error:#}").replace('\n', " ")),
        section(error, verb)
    )
}

/// The section for an error, by its innermost family that is known.
fn section(error: &anyhow::Error, verb: &str) -> &'static str {
    let families = error.chain().filter_map(family);
    families.last().unwrap_or_else(|| by_verb(verb))
}

fn family(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if error.is::<DataError>() || error.is::<AlignError>() {
        Some("Recordings")
    } else if error.is::<AudioError>() {
        Some("Sound files")
    } else if error.is::<ConfigError>() || error.is::<ParameterError>() {
        Some("Configs")
    } else if error.is::<TrainingError>() {
        Some("Training")
    } else if error.is::<PackError>() {
        Some("Packs")
    } else if error.is::<RunError>() {
        Some("Runs")
    } else if error.is::<DeviceError>() || error.is::<IsaError>() {
        Some("Devices")
    } else if error.is::<FormatError>() {
        Some("Model files")
    } else if error.is::<RegressError>() || error.is::<ResynthError>() {
        Some("Without a network")
    } else {
        None
    }
}

fn by_verb(verb: &str) -> &'static str {
    match verb {
        "check" | "new" | "synth" => "Recordings",
        "train" => "Training",
        "pack" => "Packs",
        "infer" | "evaluate" | "runs" | "report" | "compare" | "baseline" => "Runs",
        "devices" => "Devices",
        "inspect" | "export" | "bench" => "Model files",
        "convolve" | "recover" | "reorder" | "spectrum" | "collage" | "stretch" => {
            "Without a network"
        }
        "studio" => "Studio",
        _ => "Use",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::definition::definition;
    use anyhow::{Context, anyhow};

    /// Whether the README has a section of the name that `text` ends with.
    fn names_a_section(text: &str) -> bool {
        let (_, section) = text.rsplit_once("; see README: ").unwrap();
        let heading = format!("## {section}");
        include_str!("../../README.md")
            .lines()
            .any(|line| line == heading)
    }

    #[test]
    fn every_error_names_a_section() {
        let rate = ParameterError {
            owner: "low-pass",
            parameter: "cutoff_hz",
            value: 1e9,
            low: 1.0,
            high: 2e4,
        };
        let wrapped = Err::<(), _>(rate)
            .context("rendering\nthe pair")
            .unwrap_err();
        let text = explain(&wrapped, "synth");
        assert!(text.starts_with("rendering the pair: low-pass: "), "{text}");
        assert!(text.ends_with("; see README: Configs"), "{text}");
        assert!(names_a_section(&text), "{text}");
        let plain = anyhow!("no such thing");
        for verb in definition().get_subcommands() {
            let text = explain(&plain, verb.get_name());
            assert!(names_a_section(&text), "{text}");
            // Those whose errors are of no family of their own.
            let general = ["completions", "man"].contains(&verb.get_name());
            assert_eq!(text.ends_with(": Use"), general, "{text}");
        }
    }
}
