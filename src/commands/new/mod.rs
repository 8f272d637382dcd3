//! Writes a commented config for pairs of recordings, after looking at them as [`super::check`] does.

mod comment;
mod pairs;
mod spans;
mod text;

use super::check;
use crate::config::{self, Budget, Family, Player};
use crate::data::check::Severity;
use crate::files;
use crate::progress::Observer;
use crate::regress::diagnosis::Kind;
use anyhow::{Context, Result, bail, ensure};
use pairs::Named;
use serde::Serialize;
use std::path::{Component, Path, PathBuf};

/// Write a config that suits your recordings
///
/// Looks at them as `effigy check` does, and writes NAME.toml: latencies, a split into training,
/// validation and test that reaches over all recordings, and a search among networks for the kind of
/// effect, with the reasons as comments.
///
/// Examples:
///   effigy new my-pedal --dry my-dry.wav --wet my-wet.wav
///   effigy new my-amp --pairs takes/ --knobs "amp-g{gain}"
///   effigy train my-pedal.toml
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Names the config and the run: letters, digits, '-', '_' and '.'; a folder may precede it
    pub name: PathBuf,
    /// Recording without the effect (WAV, AIFF, FLAC, MP3 or OGG); may be repeated, or serve every --wet
    #[arg(long)]
    pub dry: Vec<PathBuf>,
    /// The same passage through the effect; may be repeated
    #[arg(long)]
    pub wet: Vec<PathBuf>,
    /// A folder of recordings: those whose names differ by "dry" and "wet" alone, or one dry and many
    /// wets
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["dry", "wet", "table"])]
    pub pairs: Option<PathBuf>,
    /// A table of recordings (CSV): columns dry and wet, and one for each knob
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry", "wet"])]
    pub table: Option<PathBuf>,
    /// Where the knobs stood, read off the wet files' names, such as "amp-g{gain}-t{tone}"
    #[arg(long, value_name = "PATTERN", conflicts_with = "table")]
    pub knobs: Option<String>,
    /// Samples by which wet lags, if you know it [default: measured]
    #[arg(long = "latency", value_name = "SAMPLES", allow_hyphen_values = true)]
    pub latency_samples: Option<i64>,
    /// Learn from this channel of both files alone, from 1; a mono file serves every channel of the
    /// other [default: all]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: Option<u16>,
    /// How long `effigy train` may search and train altogether, or "none" for no search [default: 5m]
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Budget>,
    /// What will play the model
    #[arg(long = "for", value_name = "any|nam|aidax", default_value_t)]
    pub player: Player,
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
    /// The kind of effect and what is tried for it, in a line.
    pub summary: String,
    /// Pairs of recordings.
    pub pairs: usize,
    /// What the look at the recordings found: of the first pair.
    pub check: check::Outcome,
    /// Likewise of the others that were looked at: some, where there are many.
    pub others: Vec<check::Outcome>,
}

/// So many pairs are looked at closely; of more, some from the first to the last.
const LOOKED_AT: usize = 8;

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
    let mut named = which(request)?;
    let scaled = pairs::scale_knobs(&mut named);
    let mut looked = Vec::new();
    for at in places(named.len()) {
        looked.push((at, look(request, &named[at], observer)?));
    }
    let plan = text::Plan {
        path: &path,
        request,
        named: &named,
        scaled: &scaled,
        looked: &looked,
        kind: kind_of(&looked),
    };
    let text = plan.config()?;
    // What was written must be what training takes: a wrong name shows here, too.
    config::parse(&text, &path, &[])?.check()?;
    files::write(&path, text.as_bytes()).with_context(|| path.display().to_string())?;
    let summary = plan.summary();
    let mut checks = looked.into_iter().map(|(_, check)| check);
    let check = checks.next().context("no recordings")?;
    Ok(Outcome {
        summary,
        config: path,
        pairs: named.len(),
        check,
        others: checks.collect(),
    })
}

/// The recordings, and where the knobs stood.
fn which(request: &Request) -> Result<Vec<Named>> {
    let mut found = match (&request.pairs, &request.table) {
        (Some(folder), _) => pairs::in_folder(folder)?,
        (None, Some(table)) => pairs::in_table(table)?,
        (None, None) => pairs::named(&request.dry, &request.wet)?,
    };
    if let Some(pattern) = &request.knobs {
        pairs::read_knobs(&mut found, pattern)?;
    }
    Ok(found)
}

/// The pairs that are looked at, of `count`.
fn places(count: usize) -> Vec<usize> {
    if count <= LOOKED_AT {
        return (0..count).collect();
    }
    (0..LOOKED_AT)
        .map(|n| n * (count - 1) / (LOOKED_AT - 1))
        .collect()
}

fn look(request: &Request, named: &Named, observer: &dyn Observer) -> Result<check::Outcome> {
    let look = check::Request {
        dry: named.dry.clone(),
        wet: named.wet.clone(),
        latency_samples: request.latency_samples,
        channel: request.channel,
    };
    let check = check::check(&look, observer)?;
    if let Some(finding) = check
        .findings
        .iter()
        .find(|f| f.severity == Severity::Error)
    {
        bail!(
            "{} and {}: {}",
            named.dry.display(),
            named.wet.display(),
            finding.message()
        );
    }
    Ok(check)
}

/// The kind of effect that most pairs show; of equally many, the one that asks for more of a network.
fn kind_of(looked: &[(usize, check::Outcome)]) -> Option<Kind> {
    let demand = |kind: &Kind| match kind {
        Kind::Linear => 0,
        Kind::Delayed => 1,
        Kind::DynamicGain => 2,
        Kind::TimeVarying => 3,
        Kind::StaticNonlinear => 4,
        Kind::DynamicNonlinear => 5,
    };
    let count = |kind: &Kind| looked.iter().filter(|l| l.1.kind == Some(*kind)).count();
    let kinds = looked.iter().filter_map(|(_, check)| check.kind);
    kinds.max_by_key(|kind| (count(kind), demand(kind)))
}

/// Which networks learn a kind of effect.
fn family_of(kind: Option<Kind>) -> Family {
    match kind {
        Some(Kind::Linear) => Family::Filter,
        Some(Kind::Delayed) => Family::Echo,
        Some(Kind::DynamicGain) => Family::Compressor,
        _ => Family::Distortion,
    }
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
