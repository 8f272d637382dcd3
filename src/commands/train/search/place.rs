//! Where a search keeps what it has reached: a folder beside the run's, `NAME-search`, which goes once
//! the run has come to its end. Knows nothing of what is searched.

use crate::commands::train::folders;
use crate::commands::train::request::Request;
use crate::commands::train::same;
use crate::config::{self, Config};
use crate::files::{self, Lock, system};
use crate::report::race::Race;
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};

const RACE: &str = "search.json";
const CONFIG: &str = "config.toml";

/// A search's folder, this process's alone.
#[derive(Debug)]
pub struct Place {
    run: PathBuf,
    folder: PathBuf,
    _lock: Lock,
}

impl Place {
    /// The folder of the search that is to be resumed, where there is one; else a new one beside the
    /// first run that is free. `begun`: the run that the search led to.
    ///
    /// # Errors
    /// A run or search stands there that is not to be resumed; another process is at it.
    pub fn of(request: &Request, config: &Config, begun: Option<&RunDir>) -> Result<Self> {
        if let Some(run) = begun {
            return Self::take(run.path());
        }
        let wanted = folders::wanted_folder(request, config);
        if request.resume && is_searching(&wanted) {
            let place = Self::take(&wanted)?;
            let known = config::load(&place.folder.join(CONFIG), &[])?;
            same::refuse_other_config(&known, config)?;
            return Ok(place);
        }
        let is_free = |run: &Path| RunDir::is_free(run) && !folder_of(run).exists();
        let run = match &request.run {
            Some(run) => {
                ensure!(
                    is_free(run),
                    "{} exists; add --resume to continue it, or name another folder",
                    if RunDir::is_free(run) {
                        folder_of(run)
                    } else {
                        run.clone()
                    }
                    .display()
                );
                run.clone()
            }
            None => {
                let free = folders::numbered(&wanted).find(|run| is_free(run));
                free.unwrap_or(wanted)
            }
        };
        let folder = folder_of(&run);
        system::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let place = Self::take(&run)?;
        place.write(CONFIG, toml::to_string(config)?.as_bytes())?;
        Ok(place)
    }

    /// What is left of the search that led to `run`, if anything is.
    ///
    /// # Errors
    /// Another process is at it.
    pub fn left(run: &Path) -> Result<Option<Self>> {
        match folder_of(run).is_dir() {
            true => Self::take(run).map(Some),
            false => Ok(None),
        }
    }

    fn take(run: &Path) -> Result<Self> {
        let folder = folder_of(run);
        let at = || folder.display().to_string();
        if !folder.is_dir() {
            bail!(
                "{}: the search that this run began with is gone, and the run had not completed an epoch; \
                 train anew without --resume",
                at()
            );
        }
        match Lock::take(&folder).with_context(at)? {
            Some(lock) => Ok(Self {
                run: run.to_path_buf(),
                folder,
                _lock: lock,
            }),
            None => bail!("{}: another effigy is searching there", at()),
        }
    }

    /// Where the run goes that is trained to the end.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// The folder of an entrant's round.
    pub fn round(&self, round: usize, entrant: usize) -> PathBuf {
        self.folder
            .join(format!("round-{}-{entrant:02}", round + 1))
    }

    /// What was reached, if anything was.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Option<Race>> {
        read(&self.folder.join(RACE))
    }

    /// Keeps what was reached.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, race: &Race) -> Result<()> {
        self.write(RACE, &serde_json::to_vec(race)?)
    }

    fn write(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        files::write(&path, contents).with_context(|| path.display().to_string())
    }

    /// The run holds all that matters: the search's folder goes.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn clear(self) -> Result<()> {
        system::remove_dir_all(&self.folder).with_context(|| self.folder.display().to_string())
    }
}

/// A search's record, where there is one.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Option<Race>> {
    if !path.is_file() {
        return Ok(None);
    }
    let at = || path.display().to_string();
    let text = std::fs::read(path).with_context(at)?;
    serde_json::from_slice(&text).map(Some).with_context(at)
}

/// Whether a search for this run was begun and has not led to it yet.
pub fn is_searching(run: &Path) -> bool {
    RunDir::is_free(run) && folder_of(run).join(CONFIG).is_file()
}

/// The config that the search for this run was begun with.
pub fn config_of(run: &Path) -> Option<Config> {
    config::load(&folder_of(run).join(CONFIG), &[]).ok()
}

fn folder_of(run: &Path) -> PathBuf {
    let mut name = run.as_os_str().to_owned();
    name.push("-search");
    PathBuf::from(name)
}
