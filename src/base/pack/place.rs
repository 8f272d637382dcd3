//! What lies where in a pack's folder, and the moves that make a job done once: `work/ID.TOKEN` is
//! the run of whoever has the job, `runs/ID` a finished one, `failed/ID.json` says why one is not.
//!
//! A folder has one name at a time, and only one rename takes it away. Taking a job over renames the
//! run to the heir's own token: whoever was taken for dead and is not writes to a name that leads
//! nowhere. Finishing renames it to `runs/ID`, which works once. So the results are right whatever
//! claims say; claims only spare work. Knows nothing of what is in a run but how one begins.

use super::claim::{Claim, Claims, Found};
use crate::files::{self, system};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a run begins with.
const BEGUN: &str = "config.toml";

/// How the folder ends in which a run searches for its network.
const SEARCH: &str = "-search";

/// What is told of a finished run, in its folder.
const SUMMARY: &str = "job.json";

/// A pack's folder.
#[derive(Clone, Debug)]
pub struct Place {
    folder: PathBuf,
    /// Who does what.
    pub claims: Claims,
}

/// What lies in the folder at one moment.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Jobs whose run is finished.
    pub done: HashSet<String>,
    /// Jobs that failed.
    pub failed: HashSet<String>,
    /// Of each job the newest claim.
    pub claimed: HashMap<String, Found>,
    /// Runs that were begun, by job.
    pub work: HashMap<String, Vec<PathBuf>>,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The job's name.
    pub name: String,
    /// The error, in one line.
    pub reason: String,
    /// On which machine.
    pub host: String,
}

/// What a finished run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The job's name when it was trained.
    pub name: String,
    /// Of the test span; absent without one.
    pub esr: Option<f64>,
    /// Completed epochs.
    pub epochs: usize,
    /// Of training, by whomever.
    pub seconds: f64,
    /// Which machine finished it.
    pub host: String,
}

impl Place {
    /// The folder of a pack.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            claims: Claims::new(&folder.join("claims")),
        }
    }

    /// Makes what is missing, and removes what killed writes left.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn prepare(&self) -> io::Result<()> {
        for name in ["claims", "work", "runs", "failed"] {
            system::create_dir_all(&self.folder.join(name))?;
        }
        files::sweep(&self.folder);
        files::sweep(&self.folder.join("failed"));
        Ok(())
    }

    /// A finished job's run.
    pub fn run(&self, id: &str) -> PathBuf {
        self.folder.join("runs").join(id)
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    fn work_of(&self, claim: &Claim) -> PathBuf {
        self.work()
            .join(format!("{}.{}", claim.id(), claim.token()))
    }

    fn failed(&self, id: &str) -> PathBuf {
        self.folder.join("failed").join(format!("{id}.json"))
    }

    /// Looks at everything; nothing where nothing was begun.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn scan(&self) -> io::Result<Scan> {
        let names = |folder: &str| names_in(&self.folder.join(folder));
        let failed = names("failed")?.into_iter();
        let failed = failed.filter_map(|name| name.strip_suffix(".json").map(str::to_string));
        let mut work: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for name in names("work")? {
            let path = self.work().join(&name);
            let id = name.rsplit_once('.').map_or(name.as_str(), |(id, _)| id);
            work.entry(id.to_string()).or_default().push(path);
        }
        let claimed = match self.folder.join("claims").is_dir() {
            true => self.claims.list()?,
            false => HashMap::new(),
        };
        // Last: a job that was finished meanwhile is done, whatever was seen of it before.
        Ok(Scan {
            claimed,
            work,
            failed: failed.collect(),
            done: names("runs")?.into_iter().collect(),
        })
    }

    /// Whether a job is still to be done.
    pub fn is_open(&self, id: &str) -> bool {
        !self.run(id).exists() && !self.failed(id).exists()
    }

    /// The folder to train a claimed job in: the run that the owner before left, under the new
    /// owner's name, or one that is not there yet.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn adopt(&self, claim: &Claim) -> io::Result<PathBuf> {
        let own = self.work_of(claim);
        let prefix = format!("{}.", claim.id());
        let mut left: Vec<PathBuf> = names_in(&self.work())?
            .into_iter()
            .filter(|name| name.starts_with(&prefix))
            .map(|name| self.work().join(name))
            .collect();
        // One that was begun comes first; the rest is what somebody who was not dead has written
        // into a folder that was no longer there.
        // What a search for a network left is begun anew with it.
        let is_run = |path: &PathBuf| {
            let name = path.to_string_lossy();
            path.join(BEGUN).is_file() && !name.ends_with(SEARCH)
        };
        left.sort_by_key(|path| !is_run(path));
        for (index, path) in left.iter().enumerate() {
            match index == 0 && is_run(path) {
                true => system::rename(path, &own)?,
                false => remove_dir(path)?,
            }
        }
        if !left.is_empty() {
            system::sync_dir(&self.work())?;
        }
        Ok(own)
    }

    /// Gives a finished run its place; `false` where the job is no longer this owner's, whose run is
    /// then gone.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn publish(&self, claim: Claim, summary: &Summary) -> io::Result<bool> {
        let (from, to) = (self.work_of(&claim), self.run(claim.id()));
        if !claim.is_mine()? || !from.join(BEGUN).is_file() {
            self.abandon(claim)?;
            return Ok(false);
        }
        files::write(&from.join(SUMMARY), &serde_json::to_vec(summary)?)?;
        let moved = system::rename(&from, &to);
        match moved {
            // Should a power cut bring the old name back beside the new one, the job is done all the same,
            // and what is left of it is tidied away.
            Ok(()) => {
                system::sync_dir(&self.folder.join("runs"))?;
                Ok(true)
            }
            Err(_) if to.exists() || !from.exists() => {
                self.abandon(claim)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Throws away what an owner has, who is no longer one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn abandon(&self, claim: Claim) -> io::Result<()> {
        let own = self.work_of(&claim);
        let mut search = own.as_os_str().to_owned();
        search.push(SEARCH);
        remove_dir(Path::new(&search))?;
        remove_dir(&own)
    }

    /// Says why a job failed; what was trained stays, for `retry`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn fail(&self, claim: Claim, failure: &Failure) -> io::Result<()> {
        files::write(&self.failed(claim.id()), &serde_json::to_vec(failure)?)
    }

    /// Why a job failed.
    pub fn failure(&self, id: &str) -> Option<Failure> {
        serde_json::from_slice(&fs::read(self.failed(id)).ok()?).ok()
    }

    /// What a finished job came to.
    pub fn summary(&self, id: &str) -> Option<Summary> {
        serde_json::from_slice(&fs::read(self.run(id).join(SUMMARY)).ok()?).ok()
    }

    /// Lets a failed job be done again; from its beginning where `anew`.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn retry(&self, id: &str, anew: bool) -> io::Result<()> {
        if anew {
            for path in self.scan()?.work.remove(id).unwrap_or_default() {
                remove_dir(&path)?;
            }
        }
        match system::remove_file(&self.failed(id)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes what killed processes have left of jobs that are done, and of jobs that are none of
    /// `known` and nobody has claimed.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn tidy(&self, known: &HashSet<&str>) -> io::Result<()> {
        let scan = self.scan()?;
        let over = |id: &String| {
            scan.done.contains(id)
                || !(known.contains(id.as_str()) || scan.claimed.contains_key(id))
        };
        let claims = scan.claimed.keys().filter(|id| scan.done.contains(*id));
        for id in claims {
            self.claims.clear(id)?;
        }
        for path in scan
            .work
            .iter()
            .filter(|(id, _)| over(id))
            .flat_map(|(_, paths)| paths)
        {
            remove_dir(path)?;
        }
        Ok(())
    }
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<io::Result<_>>()?;
    Ok(names
        .into_iter()
        .filter(|name| !files::is_scratch(name))
        .collect())
}

/// It may be gone, or go while it is removed.
fn remove_dir(path: &Path) -> io::Result<()> {
    for _ in 0..10 {
        match system::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(_) if !path.exists() => return Ok(()),
            // Somebody still writes there.
            Err(_) => {}
        }
    }
    system::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::claim::DeathWatch;
    use std::time::Duration;

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        place.prepare().unwrap();
        (dir, place)
    }

    fn begin(folder: &Path, by: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(BEGUN), by).unwrap();
    }

    fn summary() -> Summary {
        Summary {
            name: "a".to_string(),
            esr: Some(0.01),
            epochs: 3,
            seconds: 1.0,
            host: "h".to_string(),
        }
    }

    #[test]
    fn a_job_goes_from_hand_to_hand_and_is_done_once() {
        let (dir, place) = place();
        let first = place.claims.take("a").unwrap().unwrap();
        let folder = place.adopt(&first).unwrap();
        begin(&folder, "first");
        let search = PathBuf::from(format!("{}-search", folder.display()));
        begin(&search, "search");
        // Stopped: the claim goes, the run stays.
        drop(first);
        assert!(place.is_open("a") && place.scan().unwrap().claimed.is_empty());
        let second = place.claims.take("a").unwrap().unwrap();
        let folder = place.adopt(&second).unwrap();
        assert_eq!(fs::read_to_string(folder.join(BEGUN)).unwrap(), "first");
        assert!(!search.exists());
        assert!(place.publish(second, &summary()).unwrap());
        assert!(!place.is_open("a"));
        assert_eq!(place.summary("a"), Some(summary()));
        // Somebody who has not seen it.
        let third = place.claims.take("a").unwrap().unwrap();
        begin(&place.adopt(&third).unwrap(), "third");
        assert!(!place.publish(third, &summary()).unwrap());
        assert_eq!(
            fs::read_to_string(place.run("a").join(BEGUN)).unwrap(),
            "first"
        );
        let left = |name: &str| fs::read_dir(dir.path().join(name)).unwrap().count();
        assert_eq!([left("claims"), left("work"), left("runs")], [0, 0, 1]);
    }

    /// Taken for dead while it only slept: whatever it does when it wakes changes nothing.
    #[test]
    fn who_was_taken_for_dead_can_neither_write_nor_finish() {
        let (dir, place) = place();
        let sleeper = place.claims.take("a").unwrap().unwrap();
        let old = place.adopt(&sleeper).unwrap();
        begin(&old, "sleeper");
        // On another machine, where locks say nothing.
        let text = fs::read_to_string(dir.path().join("claims/a.1")).unwrap();
        let elsewhere = text.replace("\"locked\":true", "\"locked\":false");
        fs::write(dir.path().join("claims/a.1"), elsewhere).unwrap();
        let mut watch = DeathWatch::new(Duration::from_secs(60));
        let found = place.claims.list().unwrap().remove("a").unwrap();
        assert!(watch.look(&place.claims, &found, Duration::ZERO).is_none());
        let dead = watch
            .look(&place.claims, &found, Duration::from_secs(60))
            .unwrap();
        let heir = place.claims.take_over(&dead).unwrap().unwrap();
        let new = place.adopt(&heir).unwrap();
        assert!(!old.exists() && new.join(BEGUN).is_file());
        assert!(!sleeper.beat().unwrap());
        // It writes all the same, as files::write does, folder and all.
        files::write(&old.join("best/weights"), b"x").unwrap();
        assert!(!place.publish(sleeper, &summary()).unwrap());
        assert!(heir.is_mine().unwrap() && !old.exists());
        assert!(place.publish(heir, &summary()).unwrap());
        assert_eq!(
            fs::read_to_string(place.run("a").join(BEGUN)).unwrap(),
            "sleeper"
        );
        assert!(!place.run("a").join("best").exists());
    }

    #[test]
    fn a_failed_job_waits_for_retry() {
        let (_dir, place) = place();
        let claim = place.claims.take("a").unwrap().unwrap();
        begin(&place.adopt(&claim).unwrap(), "first");
        let failure = Failure {
            name: "a".to_string(),
            reason: "no".to_string(),
            host: "h".to_string(),
        };
        place.fail(claim, &failure).unwrap();
        assert!(!place.is_open("a"));
        assert_eq!(place.failure("a"), Some(failure));
        place.retry("a", false).unwrap();
        assert!(place.is_open("a") && place.scan().unwrap().work.contains_key("a"));
        place.retry("a", true).unwrap();
        assert!(place.scan().unwrap().work.is_empty());
    }

    #[test]
    fn what_killed_processes_left_goes_and_nothing_else() {
        let (dir, place) = place();
        let touch = |path: &str| begin(&dir.path().join(path), "x");
        for run in [
            "runs/done",
            "work/done.t1",
            "work/old.t2",
            "work/open.t3",
            "work/busy.t4",
        ] {
            touch(run);
        }
        fs::write(dir.path().join("claims/done.2"), "").unwrap();
        fs::write(dir.path().join("claims/busy.1"), "").unwrap();
        place.tidy(&HashSet::from(["done", "open"])).unwrap();
        let left = |name: &str| {
            let mut left = names_in(&dir.path().join(name)).unwrap();
            left.sort();
            left
        };
        assert_eq!(left("work"), ["busy.t4", "open.t3"]);
        assert_eq!(left("claims"), ["busy.1"]);
        assert_eq!(left("runs"), ["done"]);
    }
}
