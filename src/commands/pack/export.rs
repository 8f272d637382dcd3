//! All models of a pack as one folder to give away: files, cards, checksums, a manifest.

use super::opened::{Opened, look};
use crate::commands::export::{self, card};
use crate::files::{self, system};
use crate::formats::{self, Format};
use crate::pack::state::{self, Standing, State};
use crate::pack::{Entry, hash};
use crate::playing::Playable;
use crate::progress::{Event, Observer, Task};
use crate::training::provenance::Provenance;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Says what is in the folder; marks it as one that a newer export may replace.
const MANIFEST: &str = "manifest.json";

/// As `sha256sum --check` reads them.
const SUMS: &str = "SHA256SUMS";

/// Write all finished models as one folder, with a manifest, cards and checksums
///
/// Every file is read again and played beside its network, as by `effigy export`. Jobs that are not
/// done are named in the manifest.
///
/// Examples:
///   effigy pack export amps -o amps-1.0
///   effigy pack export amps -o amps-1.0 --format aidax
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The pack
    pub folder: PathBuf,
    /// The folder to make; an older export there is replaced
    #[arg(long, short)]
    pub output: PathBuf,
    /// The kind of file [default: of nam, aidax and safetensors the first that can carry the network]
    #[arg(long, value_parser = export::kinds())]
    pub format: Option<Format>,
    /// Write networks that sound by themselves (grow or sing in silence) all the same
    #[arg(long)]
    pub force: bool,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The folder.
    #[serde(serialize_with = "crate::files::path_text")]
    pub folder: PathBuf,
    /// What its manifest says.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// What the folder holds.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// The pack's name.
    pub pack: String,
    /// Of all models.
    pub licence: Option<String>,
    /// Version of effigy.
    pub effigy: String,
    /// When.
    pub made: String,
    /// The models.
    pub models: Vec<Exported>,
    /// Jobs that are not in it, and why.
    pub missing: Vec<Missing>,
}

/// One model.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// The job's name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its model card.
    pub card: String,
    /// The kind of file.
    pub format: Format,
    /// Of the file.
    pub sha256: String,
    /// Of the test.
    pub esr: Option<f64>,
    /// Where the knobs stood.
    pub values: BTreeMap<String, String>,
    /// Of its recordings, config and version.
    pub job: String,
}

/// A job that is not in it.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Why it failed, or could not be written.
    pub reason: Option<String>,
}

/// Writes the folder.
///
/// # Errors
/// No pack; nothing done; a folder that is there and no export; a disk that is full.
pub fn export(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let opened = look(&request.folder, observer)?;
    let target = &request.output;
    ensure!(
        !target.exists() || target.join(MANIFEST).is_file(),
        "{} exists and is no export; name another folder",
        target.display()
    );
    let standings = standings(&opened)?;
    ensure!(
        standings.iter().any(|job| job.state == State::Done),
        "{}: no job is done yet; `effigy pack run` trains them",
        request.folder.display()
    );
    let description = &opened.pack.description;
    let provenance = Provenance::now();
    let mut manifest = Manifest {
        pack: description.name.clone(),
        licence: description.licence.clone(),
        effigy: provenance.effigy,
        made: provenance.finished,
        models: Vec::new(),
        missing: Vec::new(),
    };
    let task = Task::begin(observer, "exporting the pack", Some(standings.len() as u64));
    files::write_dir(target, |scratch| -> Result<(), Fault> {
        for (entry, standing) in description.job.iter().zip(&standings) {
            task.go_on().map_err(|stopped| Fault(stopped.into()))?;
            match standing.state {
                State::Done => add(
                    request,
                    &opened,
                    (entry, standing),
                    scratch,
                    &mut manifest,
                    observer,
                )?,
                _ => manifest
                    .missing
                    .push(missing(standing, standing.reason.clone())),
            }
            task.advance(1);
        }
        let text = serde_json::to_string_pretty(&manifest).map_err(|e| Fault(e.into()))?;
        system::write_new(&scratch.join(MANIFEST), text.as_bytes())?;
        system::write_new(&scratch.join(SUMS), sums(&manifest, scratch)?.as_bytes())?;
        Ok(())
    })
    .map_err(|Fault(error)| error)
    .with_context(|| target.display().to_string())?;
    Ok(Outcome {
        folder: target.clone(),
        manifest,
    })
}

/// A disk's error among others.
struct Fault(anyhow::Error);

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(error.into())
    }
}

fn standings(opened: &Opened) -> Result<Vec<Standing>> {
    let Opened { pack, plan, place } = opened;
    Ok(state::standings(
        place,
        pack.folder(),
        plan,
        Duration::from_secs(60),
    )?)
}

fn missing(standing: &Standing, reason: Option<String>) -> Missing {
    Missing {
        name: standing.name.clone(),
        state: standing.state,
        reason,
    }
}

/// Writes one model; one that cannot be written is among the missing.
fn add(
    request: &Request,
    opened: &Opened,
    (entry, standing): (&Entry, &Standing),
    scratch: &Path,
    manifest: &mut Manifest,
    observer: &dyn Observer,
) -> Result<(), Fault> {
    let run = opened.place.run(&standing.id);
    match write(request, opened, entry, &run, scratch, observer) {
        Ok((file, format)) => {
            let path = scratch.join(&file);
            manifest.models.push(Exported {
                name: entry.name.clone(),
                card: card::name(&file),
                sha256: hash::of_file(&path)?,
                file,
                format,
                esr: standing.esr,
                values: entry.values.clone(),
                job: standing.id.clone(),
            });
        }
        Err(error) => {
            let reason = format!("{error:#}").replace('\n', " ");
            observer.event(Event::Warning(&format!("{}: {reason}", entry.name)));
            manifest.missing.push(missing(standing, Some(reason)));
        }
    }
    Ok(())
}

fn write(
    request: &Request,
    opened: &Opened,
    entry: &Entry,
    run: &Path,
    scratch: &Path,
    observer: &dyn Observer,
) -> Result<(String, Format)> {
    let format = match request.format {
        Some(format) => format,
        None => usual(&Playable::open(run)?)?,
    };
    let file = format!("{}.{}", entry.name, format.extensions()[0]);
    // What the pack says of it now, before what it said when it was trained.
    let config = opened.pack.config(entry)?;
    let mut metadata = config.metadata;
    metadata.name = metadata.name.or_else(|| Some(entry.name.clone()));
    let named = Named {
        name: &entry.name,
        inner: observer,
    };
    export::export(
        &export::Request {
            model: run.to_path_buf(),
            format: Some(format),
            output: scratch.join(&file),
            metadata,
            licence: opened.pack.description.licence.clone(),
            force: request.force,
            ..export::Request::default()
        },
        &named,
    )?;
    Ok((file, format))
}

/// Says of which model a warning is.
struct Named<'a> {
    name: &'a str,
    inner: &'a dyn Observer,
}

impl Observer for Named<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Warning(text) => {
                let text = format!("{}: {text}", self.name);
                self.inner.event(Event::Warning(&text));
            }
            other => self.inner.event(other),
        }
    }

    fn stop_requested(&self) -> bool {
        self.inner.stop_requested()
    }
}

/// The format that most players of such a network read.
fn usual(playable: &Playable) -> Result<Format> {
    let can = formats::carriers(&playable.network()?);
    let wanted = [Format::Nam, Format::AidaX, Format::Safetensors];
    let first = wanted.into_iter().find(|format| can.contains(format));
    Ok(first.unwrap_or(Format::Safetensors))
}

fn sums(manifest: &Manifest, scratch: &Path) -> Result<String, Fault> {
    let mut text = String::new();
    for model in &manifest.models {
        text += &format!("{}  {}\n", model.sha256, model.file);
        text += &format!(
            "{}  {}\n",
            hash::of_file(&scratch.join(&model.card))?,
            model.card
        );
    }
    text += &format!("{}  {MANIFEST}\n", hash::of_file(&scratch.join(MANIFEST))?);
    Ok(text)
}
