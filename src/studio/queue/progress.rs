//! How far a run is, read off its folder: epochs, the best so far, the race before it, time left.

use super::job::Job;
use super::sketch;
use super::weights::has_weights;
use crate::folder::Folder;
use effigy_base::config::{self, Budget, Config};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds that testing and the page take after training, as the search reckons too.
const CONCLUSION_SECONDS: f64 = 5.0;

/// Epochs whose time says how long the next ones take.
const RECENT: usize = 5;

/// How far a run is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Progress {
    /// Epochs that are done.
    pub epochs: usize,
    /// Epochs that it is to have; absent before they are known.
    pub of: Option<usize>,
    /// Lowest validation error so far, and its epoch.
    pub best: Option<(usize, f64)>,
    /// Networks that were tried, while the search for one is under way.
    pub race: Option<Value>,
    /// The folder that holds the best weights so far, relative; playable as it is.
    pub model: Option<String>,
    /// Seconds until it is done; absent where nobody can tell yet.
    pub seconds_left: Option<f64>,
    /// Whether it was tested.
    pub tested: bool,
}

/// How far `run` (relative) is, and the job that trains it. `None` where nothing was begun.
pub(super) fn progress(folder: &Folder, run: &str, job: Option<&Job>) -> Option<Progress> {
    let path = folder.at(run);
    let search = folder.at(format!("{run}-search"));
    let started = job.and_then(|job| job.started);
    if !path.is_dir() && !search.is_dir() && started.is_none() {
        return None;
    }
    let rows = rows(&path);
    let begun_from = || config_at(&folder.at(job?.config.as_ref()?));
    let config = config_of(&path)
        .or_else(|| config_of(&search))
        .or_else(begun_from);
    let is_searching = !path.join("config.toml").is_file();
    // A run that is trained longer goes beyond its config.
    let asked = job.and_then(|job| job.epochs);
    let mut progress = Progress {
        epochs: rows.len(),
        of: config
            .as_ref()
            .filter(|_| !is_searching)
            .map(|config| asked.unwrap_or(config.training.epochs)),
        best: best(&rows),
        race: is_searching.then(|| race(&search)).flatten(),
        model: best_so_far(folder, run),
        seconds_left: None,
        tested: epochs_tested(&path) == Some(rows.len()),
    };
    progress.seconds_left =
        config.and_then(|config| seconds_left(&progress, &config, &rows, started));
    Some(progress)
}

/// The folder with the best weights so far: the run's, or, before there are any, of the network that
/// leads the race, or of the sketch.
pub fn best_so_far(folder: &Folder, run: &str) -> Option<String> {
    if has_weights(&folder.at(run)) {
        return Some(run.to_string());
    }
    leader(folder, run)
        .or_else(|| Some(sketch::place(run)).filter(|place| has_weights(&folder.at(place))))
}

/// The network that leads a run's race.
fn leader(folder: &Folder, run: &str) -> Option<String> {
    let search = format!("{run}-search");
    let entries = fs::read_dir(folder.at(&search)).ok()?;
    let tried = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| has_weights(path));
    let by_error = tried.filter_map(|path| Some((best(&rows(&path))?.1, path)));
    let (_, leader) = by_error.min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!("{search}/{}", leader.file_name()?.to_str()?))
}

/// Epochs that a run had when it was tested; one that is trained longer was tested before.
fn epochs_tested(run: &Path) -> Option<usize> {
    #[derive(Deserialize)]
    struct Report {
        epochs: usize,
    }
    let text = fs::read(run.join("report.json")).ok()?;
    Some(serde_json::from_slice::<Report>(&text).ok()?.epochs)
}

/// Epochs in a run's log.
pub(super) fn epochs_done(run: &Path) -> usize {
    rows(run).len()
}

/// Epochs that were done for a run, those of the networks that were tried first too.
pub(super) fn work_done(folder: &Folder, run: &str) -> usize {
    let tried = fs::read_dir(folder.at(format!("{run}-search")))
        .into_iter()
        .flatten()
        .flatten();
    let tried: usize = tried.map(|entry| epochs_done(&entry.path())).sum();
    tried + epochs_done(&folder.at(run))
}

/// One line of a run's log, as far as it is shown here.
struct Row {
    epoch: usize,
    error: f64,
    seconds: f64,
}

/// A line of the log: no more of it is read than is shown.
#[derive(Deserialize)]
struct Logged {
    epoch: usize,
    valid: Valid,
    #[serde(default)]
    seconds: f64,
}

#[derive(Deserialize)]
struct Valid {
    #[serde(default)]
    esr: Value,
    #[serde(default)]
    mse: Value,
}

fn rows(run: &Path) -> Vec<Row> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().map_while(row).collect()
}

/// `None` for a line that is not whole.
fn row(line: &str) -> Option<Row> {
    let logged: Logged = serde_json::from_str(line).ok()?;
    // Silence leaves no ESR, but a word for it.
    let esr = logged.valid.esr.as_f64();
    let mse = logged.valid.mse.as_f64();
    Some(Row {
        epoch: logged.epoch,
        error: esr.or(mse).unwrap_or(f64::INFINITY),
        seconds: logged.seconds,
    })
}

fn best(rows: &[Row]) -> Option<(usize, f64)> {
    let finite = rows.iter().filter(|row| row.error.is_finite());
    let best = finite.min_by(|a, b| a.error.total_cmp(&b.error))?;
    Some((best.epoch, best.error))
}

fn config_of(run: &Path) -> Option<Config> {
    config_at(&run.join("config.toml"))
}

fn config_at(path: &Path) -> Option<Config> {
    config::load(path, &[]).ok()
}

fn race(search: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(search.join("search.json")).ok()?).ok()
}

fn seconds_left(
    progress: &Progress,
    config: &Config,
    rows: &[Row],
    started: Option<u64>,
) -> Option<f64> {
    if progress.tested && progress.of.is_none_or(|of| of <= rows.len()) {
        return None;
    }
    if let (Some(of), false) = (progress.of, rows.is_empty()) {
        let mut recent: Vec<f64> = rows
            .iter()
            .rev()
            .take(RECENT)
            .map(|row| row.seconds)
            .collect();
        recent.sort_by(f64::total_cmp);
        let each = recent[recent.len() / 2];
        return Some(of.saturating_sub(rows.len()) as f64 * each + CONCLUSION_SECONDS);
    }
    let Some(Budget::Seconds(budget)) = config.search.as_ref().map(|search| search.budget) else {
        return None;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let gone = now.saturating_sub(started?) as f64;
    Some((budget - gone).max(CONCLUSION_SECONDS))
}

/// The log of a run.
pub fn log_of(folder: &Folder, run: &str) -> PathBuf {
    folder.at(run).join("metrics.jsonl")
}

#[cfg(test)]
mod tests {
    use super::super::weights::WEIGHTS;
    use super::*;

    #[test]
    fn there_is_nothing_to_hear_before_the_weights_are_whole() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let sketch = sketch::place("checkpoints/amp");
        for run in [
            "checkpoints/amp-search/a",
            sketch.as_str(),
            "checkpoints/amp",
        ] {
            let best = folder.at(run).join("best");
            fs::create_dir_all(&best).unwrap();
            fs::write(best.join("checksums"), "x").unwrap();
            fs::write(
                folder.at(run).join("metrics.jsonl"),
                "{\"epoch\":1,\"valid\":{\"esr\":0.5}}\n",
            )
            .unwrap();
        }
        assert_eq!(best_so_far(&folder, "checkpoints/amp"), None);
        // Each is better than those before.
        for run in [
            sketch.as_str(),
            "checkpoints/amp-search/a",
            "checkpoints/amp",
        ] {
            fs::write(folder.at(run).join(WEIGHTS), "x").unwrap();
            assert_eq!(
                best_so_far(&folder, "checkpoints/amp").as_deref(),
                Some(run)
            );
        }
    }

    #[test]
    fn a_run_that_is_trained_longer_has_time_left_and_is_not_tested() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let run = folder.at("checkpoints/amp");
        fs::create_dir_all(&run).unwrap();
        let data = "[[data.train]]\ndry = \"a.wav\"\nwet = \"b.wav\"\n";
        let config =
            format!("name = \"amp\"\n{data}[model]\nkind = \"lstm\"\n[training]\nepochs = 2\n");
        fs::write(run.join("config.toml"), config).unwrap();
        let log = |epochs: usize| {
            let line = |epoch| {
                format!("{{\"epoch\":{epoch},\"valid\":{{\"esr\":0.5}},\"seconds\":3.0}}\n")
            };
            let lines: String = (1..=epochs).map(line).collect();
            fs::write(run.join("metrics.jsonl"), lines).unwrap();
        };
        log(2);
        fs::write(run.join("report.json"), "{\"epochs\":2}").unwrap();
        let look = |job: Option<&Job>| {
            let found = progress(&folder, "checkpoints/amp", job).unwrap();
            (found.of, found.tested, found.seconds_left)
        };
        assert_eq!(look(None), (Some(2), true, None));
        let longer = Job {
            epochs: Some(10),
            ..Job::default()
        };
        let left = |epochs| Some(f64::from(epochs) * 3.0 + CONCLUSION_SECONDS);
        assert_eq!(look(Some(&longer)), (Some(10), true, left(8)));
        log(4);
        assert_eq!(look(Some(&longer)), (Some(10), false, left(6)));
        // It was stopped early, and tested anew.
        fs::write(run.join("report.json"), "{\"epochs\":4}").unwrap();
        assert!(look(None).1);
    }
}
