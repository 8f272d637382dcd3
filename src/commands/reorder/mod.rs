//! `reorder`: the frames of a recording in a new order, once or in many settings to compare.

mod made;
mod request;

pub use made::Row;
pub use request::{Jobs, Output, Request, Setting};

use super::recording;
use crate::files;
use crate::progress::{Event, Observer};
use crate::report::listen::{self, Sound};
use crate::report::save::check_ending;
use crate::report::table::figure;
use anyhow::{Context, ensure};
use made::reorder;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recording.
    #[serde(serialize_with = "crate::files::path_text")]
    pub input: PathBuf,
    /// The page to compare results, if there is a folder.
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub page: Option<PathBuf>,
    /// One row per setting.
    pub rows: Vec<Row>,
}

/// Reorders a recording's frames.
///
/// # Errors
/// The recording cannot be read, a setting is refused, a file cannot be written, or the user
/// asked to stop. Nothing half-written is left.
pub fn run(request: &Request, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    make(&request.jobs()?, observer)
}

/// The same for jobs of any kind.
///
/// # Errors
/// As [`run`].
pub fn make(jobs: &Jobs, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    for setting in &jobs.settings {
        setting.check()?;
    }
    match &jobs.output {
        Output::File { sound, picture } => {
            ensure!(
                jobs.settings.len() == 1,
                "{} settings make as many sounds; name a folder instead of the file {}",
                jobs.settings.len(),
                sound.display()
            );
            recording::check_output(&[&jobs.input], sound)?;
            if let Some(picture) = picture {
                check_ending(picture)?;
                recording::keep_inputs(&[&jobs.input], picture)?;
            }
            let recording = recording::read(&jobs.input)?;
            let made = reorder(&recording, &jobs.settings[0], observer)?;
            let row = made.write(&recording, sound, picture.as_deref(), "", observer)?;
            Ok(Outcome {
                input: jobs.input.clone(),
                page: None,
                rows: vec![row],
            })
        }
        Output::Folder(folder) => run_all(jobs, folder, observer),
    }
}

/// The page's file in its folder.
const PAGE: &str = "index.html";

fn run_all(jobs: &Jobs, folder: &Path, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    recording::keep_inputs(&[&jobs.input], folder)?;
    let empty = folder.read_dir().is_ok_and(|mut d| d.next().is_none());
    let ours = || std::fs::read_to_string(folder.join(PAGE)).is_ok_and(|p| listen::is_page(&p));
    ensure!(
        !folder.exists() || empty || ours(),
        "{}: exists and is no earlier comparison, which could be replaced; name another folder",
        folder.display()
    );
    let recording = recording::read(&jobs.input)?;
    let names = names(&jobs.settings);
    let mut rows = Vec::new();
    files::write_dir::<anyhow::Error>(folder, |scratch| {
        for (setting, name) in jobs.settings.iter().zip(&names) {
            observer.event(Event::Note(name));
            let made = reorder(&recording, setting, observer).with_context(|| name.clone())?;
            let sound = scratch.join(format!("{name}.wav"));
            let picture = scratch.join(format!("{name}.png"));
            let mut row = made.write(&recording, &sound, Some(&picture), name, observer)?;
            row.sound.file = folder.join(format!("{name}.wav"));
            row.picture = Some(folder.join(format!("{name}.png")));
            rows.push(row);
        }
        let page = page(&jobs.input, &rows);
        Ok(files::write(&scratch.join(PAGE), page.as_bytes())?)
    })?;
    Ok(Outcome {
        input: jobs.input.clone(),
        page: Some(folder.join(PAGE)),
        rows,
    })
}

/// Names made of what differs between settings; numbered where nothing does.
fn names(settings: &[Setting]) -> Vec<String> {
    let parts: Vec<Vec<String>> = settings.iter().map(described).collect();
    let differs = |part: usize| parts.iter().any(|p| p[part] != parts[0][part]);
    let base = |all: &Vec<String>| {
        let kept = all.iter().enumerate();
        let kept = kept.filter(|(i, _)| *i == 0 || differs(*i));
        kept.map(|(_, text)| text.as_str())
            .collect::<Vec<_>>()
            .join("-")
    };
    let bases: Vec<String> = parts.iter().map(base).collect();
    let numbered = |(i, name): (usize, &String)| {
        let before = bases[..i].iter().filter(|n| *n == name).count();
        if before > 0 {
            format!("{name}-{}", before + 1)
        } else {
            name.clone()
        }
    };
    bases.iter().enumerate().map(numbered).collect()
}

fn described(setting: &Setting) -> Vec<String> {
    let (transform, recipe) = (setting.transform, &setting.recipe);
    vec![
        recipe.by.name().to_string(),
        format!("hop{}", transform.hop_length()),
        format!("win{}", transform.win_length()),
        format!("nfft{}", transform.n_fft()),
        format!("volume_{}", setting.preprocess.volume.name()),
        setting.playback.name().to_string(),
    ]
}

fn page(input: &Path, rows: &[Row]) -> String {
    let own = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let sound = |row: &Row| Sound {
        title: row.name.clone(),
        file: own(&row.sound.file),
        picture: row.picture.as_deref().map(own),
        figures: [
            ("frames", row.frames.to_string()),
            ("mean step", figure(row.mean_step)),
            ("in time order", figure(row.mean_step_in_time)),
            ("ordering (s)", figure(row.order_seconds)),
            ("length (s)", figure(row.sound.seconds)),
            (
                "divergence (nats)",
                row.kl_divergence.map_or(String::new(), figure),
            ),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .to_vec(),
    };
    let sounds: Vec<Sound> = rows.iter().map(sound).collect();
    listen::page(&format!("{}, reordered", own(input)), &sounds)
}
