//! The plan: every job with the name that its content gives it, kept in `plan.json` so that
//! recordings are read again only where they changed.

use super::description::Pack;
use super::error::PackError;
use super::error::refused;
use super::hash;
use crate::config::{Config, MetadataConfig};
use crate::files;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const FILE: &str = "plan.json";

/// Letters of a job's name: 80 bits, so that of a million jobs no two share one.
const ID_LETTERS: usize = 20;

/// What is trained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of what program.
    version: String,
    /// Of `pack.toml` and the shared config.
    description: String,
    /// By their paths as the pack knows them.
    recordings: BTreeMap<String, Recording>,
    /// In the order of `pack.toml`.
    pub jobs: Vec<Job>,
}

/// One training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Names it: a hash of the recordings' contents, the resolved config and the version.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Epochs that its config asks for.
    pub epochs: usize,
    /// Its recordings, as the plan names them.
    recordings: Vec<String>,
}

/// What a recording's file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recording {
    #[serde(flatten)]
    stamp: Stamp,
    sha256: String,
}

/// What tells, without reading it, that a file is what it was: its length and when it was changed,
/// by the clock of whoever keeps it (no clock of ours is compared with it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_ns: u64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        let modified = found.modified()?.duration_since(UNIX_EPOCH);
        Ok(Self {
            bytes: found.len(),
            modified_ns: modified.map_or(0, |since| since.as_nanos() as u64),
        })
    }
}

impl Plan {
    /// The pack's plan as things stand, and whether it differs from the one that was kept.
    /// `version` is the program's: what another one would train is another job.
    ///
    /// # Errors
    /// A job's config is wrong, a recording cannot be read.
    pub fn current(pack: &Pack, version: &str) -> Result<(Self, bool), PackError> {
        let kept = Self::kept(pack.folder());
        if let Some(kept) = &kept
            && kept.version == version
            && kept.description == pack.hash()
            && kept.is_of(pack)
            && kept.changed(pack.folder()).is_none()
        {
            return Ok((kept.clone(), false));
        }
        let known = kept.map(|kept| kept.recordings).unwrap_or_default();
        Ok((Self::make(pack, version, &known)?, true))
    }

    /// Whether it has the pack's jobs under names that are ids: a plan is read from a folder that
    /// anybody may have written.
    fn is_of(&self, pack: &Pack) -> bool {
        let is_id = |id: &str| id.len() == ID_LETTERS && id.bytes().all(|b| b.is_ascii_hexdigit());
        let entries = &pack.description.job;
        let same = self.jobs.iter().zip(entries);
        self.jobs.len() == entries.len()
            && same
                .into_iter()
                .all(|(job, entry)| is_id(&job.id) && job.name == entry.name)
    }

    /// The plan that was kept; none where it is damaged, for it can be made again.
    fn kept(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Keeps it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<(), PackError> {
        let path = folder.join(FILE);
        let text = serde_json::to_vec(self).map_err(io::Error::from);
        let written = text.and_then(|text| files::write(&path, &text));
        written.map_err(refused(&path))
    }

    /// The first recording that is not what it was when it was hashed.
    fn changed(&self, folder: &Path) -> Option<&str> {
        let all: Vec<_> = self.recordings.iter().collect();
        let differs = |(path, known): &&(&String, &Recording)| {
            Stamp::of(&folder.join(path)).ok() != Some(known.stamp)
        };
        all.par_iter()
            .find_any(differs)
            .map(|(path, _)| path.as_str())
    }

    /// Whether a job's recordings are still what they were when it was named.
    pub fn holds(&self, folder: &Path, job: &Job) -> bool {
        let fine = |path: &String| {
            let known = self.recordings.get(path);
            known.is_some_and(|known| Stamp::of(&folder.join(path)).ok() == Some(known.stamp))
        };
        job.recordings.iter().all(fine)
    }

    fn make(
        pack: &Pack,
        version: &str,
        known: &BTreeMap<String, Recording>,
    ) -> Result<Self, PackError> {
        let configs = pack
            .description
            .job
            .par_iter()
            .map(|entry| pack.config(entry));
        let configs: Vec<Config> = configs.collect::<Result<_, _>>()?;
        let files: BTreeSet<String> = configs
            .iter()
            .flat_map(|config| recordings_of(config, pack.folder()))
            .collect();
        let hashed = files.into_par_iter().map(|path| {
            let at = pack.folder().join(&path);
            let recording = recording(&at, known.get(&path)).map_err(refused(&at))?;
            Ok((path, recording))
        });
        let recordings: BTreeMap<_, _> = hashed.collect::<Result<_, PackError>>()?;
        let jobs = configs.par_iter().map(|config| Job {
            id: id(config, version, pack.folder(), &recordings),
            name: config.name.clone(),
            epochs: config.training.epochs,
            recordings: recordings_of(config, pack.folder()).into_iter().collect(),
        });
        Ok(Self {
            version: version.to_string(),
            description: pack.hash().to_string(),
            jobs: jobs.collect(),
            recordings,
        })
    }

    /// Jobs that are one training under several names.
    pub fn twins(&self) -> Vec<(&str, &str)> {
        let mut first: HashMap<&str, &str> = HashMap::new();
        let mut twins = Vec::new();
        for job in &self.jobs {
            match first.get(job.id.as_str()) {
                Some(other) => twins.push((*other, job.name.as_str())),
                None => drop(first.insert(&job.id, &job.name)),
            }
        }
        twins
    }
}

/// Hashes it unless it is known; a file that changes meanwhile is hashed again.
fn recording(path: &Path, known: Option<&Recording>) -> io::Result<Recording> {
    let mut stamp = Stamp::of(path)?;
    if let Some(known) = known.filter(|known| known.stamp == stamp) {
        return Ok(known.clone());
    }
    loop {
        let sha256 = hash::of_file(path)?;
        let after = Stamp::of(path)?;
        if after == stamp {
            return Ok(Recording { stamp, sha256 });
        }
        stamp = after;
    }
}

/// As seen from the pack's folder where they lie below it, so that the plan holds wherever the
/// folder is mounted.
fn as_planned(path: &Path, folder: &Path) -> String {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    inside.to_string_lossy().into_owned()
}

fn recordings_of(config: &Config, folder: &Path) -> BTreeSet<String> {
    let data = &config.data;
    let pairs = data.train.iter().chain(&data.valid).chain(&data.test);
    let files = pairs.flat_map(|pair| [&pair.dry, &pair.wet]).flatten();
    files.map(|path| as_planned(path, folder)).collect()
}

/// The job's name: whatever decides the weights, and nothing else. Names, what exported files say
/// and on which device it is computed do not.
fn id(
    config: &Config,
    version: &str,
    folder: &Path,
    recordings: &BTreeMap<String, Recording>,
) -> String {
    let mut config = config.clone();
    config.name = String::new();
    config.device = String::new();
    config.metadata = MetadataConfig::default();
    let data = &mut config.data;
    let pairs = data.train.iter_mut().chain(&mut data.valid);
    for pair in pairs.chain(&mut data.test) {
        for file in [&mut pair.dry, &mut pair.wet].into_iter().flatten() {
            let known = recordings.get(&as_planned(file, folder));
            *file = PathBuf::from(known.map_or("", |known| known.sha256.as_str()));
        }
    }
    // A config is plain values: it always has a text.
    let text = toml::to_string(&config).unwrap_or_default();
    let mut id = hash::of(format!("effigy job\n{version}\n{text}").as_bytes());
    id.truncate(ID_LETTERS);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{Description, Entry};

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            place.write("d.wav", "dry");
            place.write("a.wav", "a");
            place.write("b.wav", "b");
            place.write(
                "shared.toml",
                "name = \"x\"\n[data]\n[model]\nkind = \"lstm\"\nhidden_size = 8\n",
            );
            let job = |name: &str, wet: &str| {
                let pair = format!("dry = \"d.wav\"\nwet = \"{wet}\"");
                Entry {
                    name: name.to_string(),
                    pairs: vec![toml::from_str(&pair).unwrap()],
                    ..Entry::default()
                }
            };
            place.describe(vec![job("one", "a.wav"), job("two", "b.wav")]);
            place
        }

        fn describe(&self, job: Vec<Entry>) {
            let description = Description {
                name: "p".to_string(),
                shared: "shared.toml".to_string(),
                job,
                ..Description::default()
            };
            Pack::write(self.0.path(), &description).unwrap();
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.path().join(name), text).unwrap();
        }

        fn pack(&self) -> Pack {
            Pack::open(self.0.path()).unwrap()
        }

        fn ids(&self, version: &str) -> Vec<String> {
            let (plan, _) = Plan::current(&self.pack(), version).unwrap();
            plan.jobs.into_iter().map(|job| job.id).collect()
        }
    }

    #[test]
    fn a_job_is_named_by_what_decides_it_and_nothing_else() {
        let place = Place::new();
        let before = place.ids("1");
        assert!(before[0] != before[1] && before[0].len() == ID_LETTERS);
        assert_ne!(place.ids("2"), before);
        // Another name, another word about it, another place of the same sound.
        let mut jobs = place.pack().description.job;
        jobs[0].name = "other".to_string();
        jobs[0]
            .values
            .insert("gear_make".to_string(), "Acme".to_string());
        place.write("c.wav", "a");
        jobs[0].pairs[0].insert("wet".to_string(), "c.wav".into());
        jobs[1].set.push("device=flex".to_string());
        place.describe(jobs.clone());
        assert_eq!(place.ids("1"), before);
        // A setting; the recording itself.
        jobs[1].set = vec!["seed=2".to_string()];
        place.describe(jobs);
        let seeded = place.ids("1");
        assert!(seeded[0] == before[0] && seeded[1] != before[1]);
        place.write("c.wav", "changed");
        let changed = place.ids("1");
        assert!(changed[0] != before[0] && changed[1] == seeded[1]);
    }

    #[test]
    fn a_kept_plan_is_used_until_something_changes() {
        let place = Place::new();
        let folder = place.0.path();
        let (plan, changed) = Plan::current(&place.pack(), "1").unwrap();
        assert!(changed);
        plan.keep(folder).unwrap();
        let (again, changed) = Plan::current(&place.pack(), "1").unwrap();
        assert!(!changed && again == plan);
        assert!(plan.jobs.iter().all(|job| plan.holds(folder, job)));
        place.write("b.wav", "another");
        assert!(plan.holds(folder, &plan.jobs[0]) && !plan.holds(folder, &plan.jobs[1]));
        let (other, changed) = Plan::current(&place.pack(), "1").unwrap();
        assert!(changed && other.jobs[0] == plan.jobs[0] && other.jobs[1].id != plan.jobs[1].id);
        // So is one that somebody has written: ids are names of folders.
        let mut evil = other.clone();
        evil.jobs[0].id = "../../../../evil0000".to_string();
        evil.keep(folder).unwrap();
        assert_eq!(Plan::current(&place.pack(), "1").unwrap().0, other);
        evil.jobs.clear();
        evil.keep(folder).unwrap();
        assert_eq!(Plan::current(&place.pack(), "1").unwrap().0, other);
        // A damaged plan is made again.
        place.write(FILE, "{");
        assert_eq!(Plan::current(&place.pack(), "1").unwrap().0, other);
        fs::remove_file(folder.join("a.wav")).unwrap();
        let error = Plan::current(&place.pack(), "1").unwrap_err().to_string();
        assert!(error.ends_with("a.wav"), "{error}");
    }

    #[test]
    fn twins_are_told() {
        let place = Place::new();
        assert!(
            Plan::current(&place.pack(), "1")
                .unwrap()
                .0
                .twins()
                .is_empty()
        );
        place.write("b.wav", "a");
        let (plan, _) = Plan::current(&place.pack(), "1").unwrap();
        assert_eq!(plan.twins(), [("one", "two")]);
    }
}
