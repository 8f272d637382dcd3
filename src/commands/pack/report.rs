//! A pack as one page.

use super::opened::{Opened, look};
use super::status;
use crate::commands::report::page_at;
use crate::files;
use crate::pack::Entry;
use crate::pack::state::{self, Counts, Standing, State};
use crate::progress::{Observer, Task};
use crate::report::html::{JobLine, PackPage, pack_page};
use crate::report::table::figure;
use crate::training::run_dir::RunDir;
use crate::training::run_report::RunReport;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The page in the pack's folder.
const PAGE: &str = "report.html";

/// The three sounds of a test, by the endings of their files.
const SOUNDS: [&str; 3] = ["dry", "wet", "predicted"];

/// Draw the pack as one page: a table that sorts, with players
///
/// The page is report.html in the pack's folder; the sounds are the runs' own files beside it.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The pack
    pub folder: PathBuf,
}

/// What was drawn.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The page.
    #[serde(serialize_with = "crate::files::path_text")]
    pub page: PathBuf,
    /// Jobs on it.
    pub jobs: usize,
}

/// Draws the page.
///
/// # Errors
/// No pack; a page that cannot be written, or would replace a file that is no page.
pub fn report(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let opened = look(&request.folder, observer)?;
    let Opened { pack, plan, place } = &opened;
    let path = page_at(request.folder.join(PAGE))?;
    let standings = state::standings(place, pack.folder(), plan, Duration::from_secs(60))?;
    let entries = &pack.description.job;
    let keys: BTreeSet<&String> = entries
        .iter()
        .flat_map(|entry| entry.values.keys())
        .collect();
    let keys: Vec<String> = keys.into_iter().cloned().collect();
    let task = Task::begin(observer, "drawing the pack", Some(entries.len() as u64));
    let mut jobs = Vec::new();
    for (entry, standing) in entries.iter().zip(&standings) {
        jobs.push(line(&opened, entry, standing, &keys));
        task.step(1)?;
    }
    let groups = status::groups(&pack.description, &standings);
    let groups = groups
        .into_iter()
        .map(|g| (g.of, g.runs, [g.median, g.best, g.worst]));
    let page = PackPage {
        name: pack.description.name.clone(),
        standing: counted(&Counts::of(&standings)),
        facts: facts(&standings, pack.description.licence.as_deref()),
        values: keys,
        jobs,
        groups: groups.collect(),
    };
    let text = pack_page(&page);
    files::write(&path, text.as_bytes()).with_context(|| path.display().to_string())?;
    Ok(Outcome {
        page: path,
        jobs: entries.len(),
    })
}

fn counted(counts: &Counts) -> String {
    let all = counts.done + counts.failed + counts.open();
    match (counts.failed, counts.open()) {
        (0, 0) => format!("{all} done"),
        (failed, open) => format!(
            "{} of {all} done, {failed} failed, {open} open",
            counts.done
        ),
    }
}

fn facts(standings: &[Standing], licence: Option<&str>) -> Vec<String> {
    let mut facts = Vec::new();
    let mut esrs: Vec<f64> = standings.iter().filter_map(|job| job.esr).collect();
    esrs.sort_by(f64::total_cmp);
    if let (Some(best), Some(worst)) = (esrs.first(), esrs.last()) {
        facts.push(format!(
            "ESR: median {}, best {}, worst {}. Each is of sounds that the job was not trained on; \
             the next two columns are what the best constant gain and the best classical fit reach.",
            figure(esrs[esrs.len() / 2]),
            figure(*best),
            figure(*worst)
        ));
    }
    facts.extend(licence.map(|licence| format!("Licence of the models: {licence}.")));
    facts
}

fn line(opened: &Opened, entry: &Entry, standing: &Standing, keys: &[String]) -> JobLine {
    let value = |key: &String| entry.values.get(key).cloned().unwrap_or_default();
    let mut line = JobLine {
        name: standing.name.clone(),
        values: keys.iter().map(value).collect(),
        state: word(standing.state),
        remark: standing.reason.clone().unwrap_or_default(),
        esr: standing.esr,
        epochs: (standing.epoch, standing.epochs),
        seconds: standing.seconds,
        host: standing.host.clone().unwrap_or_default(),
        ..JobLine::default()
    };
    if standing.state == State::Done {
        let folder = opened.place.run(&standing.id);
        let report = RunDir::open(&folder).and_then(|run| RunReport::read(&run));
        if let Ok(Some(report)) = report {
            let gain = report.rows.iter().find(|row| row.name == "gain");
            line.gain_esr = gain.map(|row| row.metrics.esr);
            let classical = report.rows.iter().skip(1).filter(|row| !row.is_identity());
            let best = classical.min_by(|a, b| a.metrics.esr.total_cmp(&b.metrics.esr));
            line.classical = best.map(|row| (row.name.clone(), row.metrics.esr));
        }
        line.sounds = sounds(&folder, &format!("runs/{}", standing.id));
    }
    line
}

fn word(state: State) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The sounds of a run's first test pair, with their addresses from the pack's folder.
fn sounds(run: &Path, address: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(run.join("test"))
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let of = |what: &&str| {
        let ending = format!("-{what}.wav");
        let file = names.iter().find(|name| name.ends_with(&ending))?;
        Some((
            what.to_string(),
            format!("{address}/test/{}", encoded(file)),
        ))
    };
    SOUNDS.iter().filter_map(of).collect()
}

/// A file's name as a part of an address.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(one).collect()
}
