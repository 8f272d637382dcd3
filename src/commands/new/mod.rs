//! Writes a commented config for pairs of recordings, after looking at them as [`super::check`] does.

mod comment;
mod pairs;
mod paths;
mod request;
mod spans;
mod text;

use super::check;
use crate::config::{self, Player};
use crate::data::check::Severity;
use crate::files;
use crate::progress::Observer;
use crate::regress::diagnosis::Kind;
use anyhow::{Context, Result, bail, ensure};
use pairs::Named;
use paths::config_path;
pub(super) use paths::relative;
pub use request::Request;
use serde::Serialize;
use std::path::PathBuf;

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
    let named = which(request)?;
    let ranges = pairs::knob_ranges(&named);
    let mut looked = Vec::new();
    for at in places(named.len()) {
        looked.push((at, look(request, &named[at], observer)?));
    }
    let plan = text::Plan {
        path: &path,
        request,
        named: &named,
        ranges: &ranges,
        looked: &looked,
        kind: kind_of(&looked),
    };
    ensure!(
        !plan.is_joint() || request.player == Player::Any,
        "left and right of these recordings are sides of one effect, and players of other formats play each \
         channel by itself: leave --for out, or learn one side alone with --channel 1"
    );
    if let Some(mono) = plan.mono_beside_joint() {
        bail!(
            "left and right of some of these recordings are sides of one effect, and {} has one channel: leave \
             that pair out, or learn one side alone with --channel 1",
            mono.display()
        );
    }
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
