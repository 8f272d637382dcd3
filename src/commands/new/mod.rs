//! Writes a commented config for a dry and a wet recording, after looking at them as
//! [`super::check`] does.

mod comment;
mod suggest;

use super::check;
use crate::config;
use crate::data::check::Severity;
use crate::dsp::align::TRUSTED_CONFIDENCE;
use crate::files;
use crate::progress::Observer;
use anyhow::{Context, Result, bail, ensure};
use comment::comment;
use serde::Serialize;
use std::path::{Component, Path, PathBuf};
use suggest::Suggestion;

/// Write a config that suits a dry and a wet recording
///
/// Looks at both as `effigy check` does, and writes NAME.toml: the latency, a split into training,
/// validation and test, and a network for the kind of effect, with the reasons as comments.
///
/// Examples:
///   effigy new my-pedal --dry my-dry.wav --wet my-wet.wav
///   effigy train my-pedal.toml
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Names the config and the run: letters, digits, '-', '_' and '.'; a folder may precede it
    pub name: PathBuf,
    /// Recording without the effect (WAV, AIFF, FLAC, MP3 or OGG)
    #[arg(long)]
    pub dry: PathBuf,
    /// The same passage through the effect
    #[arg(long)]
    pub wet: PathBuf,
    /// Samples by which wet lags, if you know it [default: measured]
    #[arg(long = "latency", value_name = "SAMPLES", allow_hyphen_values = true)]
    pub latency_samples: Option<i64>,
    /// Learn from this channel of both files alone, from 1; a mono file serves every channel of the
    /// other [default: all]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: Option<u16>,
    /// Write over an existing config
    #[arg(long)]
    pub force: bool,
}

/// What was written and why.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The config.
    #[serde(serialize_with = "crate::files::path_text")]
    pub config: PathBuf,
    /// The kind of effect and the suggested network, in a line.
    pub summary: String,
    /// What the look at the recordings found.
    pub check: check::Outcome,
}

/// Looks, suggests, writes.
///
/// # Errors
/// Recordings that training would refuse whatever the config says; a name that is not allowed; a
/// config that exists and is not to be replaced.
pub fn new(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let path = config_path(&request.name)?;
    ensure!(
        request.force || !path.exists(),
        "{} exists; give another name, or --force to replace it",
        path.display()
    );
    let look = check::Request {
        dry: request.dry.clone(),
        wet: request.wet.clone(),
        latency_samples: request.latency_samples,
        channel: request.channel,
    };
    let check = check::check(&look, observer)?;
    if let Some(finding) = check
        .findings
        .iter()
        .find(|f| f.severity == Severity::Error)
    {
        bail!("{}: {}", request.dry.display(), finding.message());
    }
    let suggestion = suggest::suggest(
        check.kind,
        check.diagnosis.as_ref().and_then(|d| d.echo),
        check.dry.samples.min(check.wet.samples),
        check.dry.sample_rate_hz,
    );
    let text = write_config(&path, &check, &suggestion)?;
    // What was written must be what training takes: a wrong name shows here, too.
    config::parse(&text, &path, &[])?.check()?;
    files::write(&path, text.as_bytes()).with_context(|| path.display().to_string())?;
    let kind = check.kind.map_or_else(
        || "an effect of unknown kind".to_string(),
        |k| k.to_string(),
    );
    Ok(Outcome {
        summary: format!("{kind}; {} suggested", suggestion.network),
        config: path,
        check,
    })
}

/// `NAME.toml`; a `.toml` that was typed is not doubled.
fn config_path(name: &Path) -> Result<PathBuf> {
    let Some(file) = name.file_name() else {
        bail!("{}: no name; give one such as my-pedal", name.display());
    };
    let file = file.to_string_lossy();
    let stem = file.strip_suffix(".toml").unwrap_or(&file);
    Ok(name.with_file_name(format!("{stem}.toml")))
}

/// `file` as seen from the folder of `config`; absolute when they share no folder.
fn relative(config: &Path, file: &Path) -> Result<String> {
    let absolute = |path: &Path| {
        let path = std::path::absolute(path)?;
        // Where folders are links, `..` leads elsewhere than it seems to.
        let folder = path.parent().unwrap_or(Path::new("/")).canonicalize();
        Ok::<_, std::io::Error>(match (folder, path.file_name()) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => path,
        })
    };
    let named = |path: &Path| path.display().to_string();
    let config = absolute(config).with_context(|| named(config))?;
    let file = absolute(file).with_context(|| named(file))?;
    let from: Vec<Component<'_>> = config
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .collect();
    let to: Vec<Component<'_>> = file.components().collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    // The root alone in common (or not even that): a path that says where it is serves better.
    let path = if common <= 1 {
        file.clone()
    } else {
        let up = std::iter::repeat_n(Component::ParentDir, from.len() - common);
        up.chain(to[common..].iter().copied()).collect()
    };
    path.to_str().map(str::to_string).with_context(|| {
        format!(
            "{}: a config can only hold names in Unicode; rename it",
            file.display()
        )
    })
}

/// The latency to write, and how it was come by.
fn latency(check: &check::Outcome) -> (i64, String) {
    let Some(facts) = &check.latency else {
        return (0, "could not be measured; set it if you know it".into());
    };
    match &facts.measured {
        _ if facts.given => (facts.latency_samples, "as given".into()),
        Some(measured) if measured.confidence >= TRUSTED_CONFIDENCE => (
            facts.latency_samples,
            format!(
                "measured, confidence {:.2}; \"auto\" measures again at every run",
                measured.confidence
            ),
        ),
        _ => (
            0,
            format!(
                "not measurable with confidence ({} is a guess); 0 is safe when both sides were \
                 recorded in one session",
                facts.latency_samples
            ),
        ),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn write_config(path: &Path, check: &check::Outcome, suggestion: &Suggestion) -> Result<String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let (dry, wet) = (
        quoted(&relative(path, &check.dry.file)?),
        quoted(&relative(path, &check.wet.file)?),
    );
    let (samples, how) = latency(check);
    let inverted = check
        .latency
        .as_ref()
        .and_then(|l| l.measured.as_ref())
        .is_some_and(|m| m.inverted && m.confidence >= TRUSTED_CONFIDENCE);
    let mut text =
        format!("# {stem}: written by `effigy new` after a look at both recordings.\n#\n");
    for finding in what_was_found(check) {
        text += &comment(&finding);
    }
    text += &format!(
        "#\n#   effigy train {}\n\nname = {}\nseed = 1\n\n[data]\n# Samples by which wet lags: {how}.\n\
         latency = {samples}\n",
        path.display(),
        quoted(&stem)
    );
    if inverted {
        text += "# The wet side is upside down. \"keep\" learns that, \"correct\" turns it over first.\n\
                 polarity = \"keep\"\n";
    }
    let channel = check.channel;
    let channel = channel.map_or_else(String::new, |n| format!("channel = {n}\n"));
    let (why, spans) = split(check);
    text += &format!("\n{}", comment(&why));
    for (part, span) in ["train", "valid", "test"].iter().zip(spans) {
        text += &format!("[[data.{part}]]\ndry = {dry}\nwet = {wet}\n{channel}{span}\n");
    }
    Ok(text + &suggestion.tables)
}

/// The spans of training, validation and test, and why these.
fn split(check: &check::Outcome) -> (String, [String; 3]) {
    let by_sound = check.sounding.as_ref().filter(|s| !s.even);
    match by_sound.map(|s| s.held_back_seconds.as_slice()) {
        Some([valid, test, end]) => (
            "Learn from the first 80 % of what sounds, choose the best epoch on the next 10 %, test \
             on the rest, in seconds; the silence at the end is left out."
                .to_string(),
            [
                format!("to = {valid:.4}\n"),
                format!("from = {valid:.4}\nto = {test:.4}\n"),
                format!("from = {test:.4}\nto = {end:.4}\n"),
            ],
        ),
        _ => (
            "Learn from the first 80 %, choose the best epoch on the next 10 %, test on the rest."
                .to_string(),
            [
                "to = \"80%\"\n".to_string(),
                "from = \"80%\"\nto = \"90%\"\n".to_string(),
                "from = \"90%\"\n".to_string(),
            ],
        ),
    }
}

/// The facts worth keeping beside the config, one line each.
fn what_was_found(check: &check::Outcome) -> Vec<String> {
    let mut facts = vec![format!(
        "{} Hz, {:.1} s{}",
        check.dry.sample_rate_hz,
        check.dry.seconds.min(check.wet.seconds),
        check
            .gain_db
            .map_or_else(String::new, |db| format!(", wet {db:+.1} dB against dry"))
    )];
    if let Some(kind) = check.kind {
        facts.push(format!("kind of effect: {kind}"));
    }
    facts.extend(check.problems.iter().map(|p| format!("PROBLEM: {p}")));
    facts.extend(check.cautions.iter().map(|c| format!("note: {c}")));
    if check.dry.sample_rate_hz != 48_000 {
        facts.push(format!(
            "players of .nam files assume 48000 Hz; these recordings have {} Hz: record at 48000 Hz \
             for a model that is to be played there",
            check.dry.sample_rate_hz
        ));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_config() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        let from = |config: &str, file: &str| relative(&at(config), &at(file)).unwrap();
        assert_eq!(from("x.toml", "d.wav"), "d.wav");
        assert_eq!(from("x.toml", "a/d.wav"), "a/d.wav");
        assert_eq!(from("a/b/x.toml", "a/d.wav"), "../d.wav");
        assert_eq!(
            config_path(Path::new("a/my.amp")).unwrap(),
            Path::new("a/my.amp.toml")
        );
        assert_eq!(
            config_path(Path::new("x.toml")).unwrap(),
            Path::new("x.toml")
        );
        assert!(config_path(Path::new("..")).is_err());
    }
}
