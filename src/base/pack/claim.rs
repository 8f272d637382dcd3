//! Who does a job: a claim is a file that only one process can create, `ID.1`; whoever takes a dead
//! owner's job over creates `ID.2`, and so on. Knows ids, not what they stand for.
//!
//! A claim holds its owner's token and a counter that the owner counts on as long as it lives. An
//! observer who sees the counter stand still for long enough *by its own clock* takes the owner for
//! dead: no two clocks are ever compared. On one machine a lock on the file says so at once; where
//! there are no locks, or another machine asks, the counter alone counts. Nothing here has to be
//! right for results to be right: whoever was taken for dead and is not finds its folder moved away
//! ([`super::place`]).

use crate::files::Lock;
use crate::files::system::{self, OpenFile};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A folder of claims.
#[derive(Clone, Debug)]
pub struct Claims {
    folder: PathBuf,
    machine: Machine,
}

/// A claim that is there, whosoever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The job.
    pub id: String,
    /// How many owners were taken for dead before this one, and one.
    pub generation: u64,
}

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// No two claims ever have one.
    pub token: String,
    /// Its machine's name, for people.
    pub host: String,
    /// Its process's number there.
    pub pid: u32,
    /// Since when its machine runs, where the system tells.
    boot: Option<String>,
    /// Whether it has locked its claim for others on its machine to see.
    locked: bool,
    /// The counter, in as many digits whatever it is: it is written over in place.
    beat: String,
}

/// A machine, as claims know it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Machine {
    host: String,
    boot: Option<String>,
}

impl Machine {
    fn this() -> Self {
        let line = |path: &str| Some(fs::read_to_string(path).ok()?.trim().to_string());
        let variable = |name: &str| std::env::var(name).ok();
        let host = line("/proc/sys/kernel/hostname");
        let host = host.or_else(|| variable("HOSTNAME").or_else(|| variable("COMPUTERNAME")));
        Self {
            host: host.unwrap_or_else(|| "?".to_string()),
            boot: line("/proc/sys/kernel/random/boot_id"),
        }
    }
}

/// A claim of this process; given up when dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    id: String,
    owner: Owner,
    beats: AtomicU64,
    _lock: Option<Lock>,
}

impl Claims {
    /// Those in an existing folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            machine: Machine::this(),
        }
    }

    /// All claims, of each job the newest.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> io::Result<HashMap<String, Found>> {
        let mut newest: HashMap<String, Found> = HashMap::new();
        for found in self.all()? {
            let known = newest
                .entry(found.id.clone())
                .or_insert_with(|| found.clone());
            if known.generation < found.generation {
                *known = found;
            }
        }
        Ok(newest)
    }

    fn all(&self) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let parts = name.to_str().and_then(|name| name.rsplit_once('.'));
            all.extend(parts.and_then(|(id, generation)| {
                let (id, generation) = (id.to_string(), generation.parse().ok()?);
                Some(Found { id, generation })
            }));
        }
        Ok(all)
    }

    fn path(&self, found: &Found) -> PathBuf {
        self.folder
            .join(format!("{}.{}", found.id, found.generation))
    }

    /// Who holds a claim; `None` if it is gone, or not written yet.
    pub fn owner(&self, found: &Found) -> Option<Owner> {
        serde_json::from_slice(&fs::read(self.path(found)).ok()?).ok()
    }

    /// When a claim was last counted on, by the clock of whoever keeps the folder.
    pub fn touched(&self, found: &Found) -> Option<SystemTime> {
        fs::metadata(self.path(found)).ok()?.modified().ok()
    }

    /// Claims a job that nobody has; `None` where somebody was faster.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn take(&self, id: &str) -> io::Result<Option<Claim>> {
        let (id, generation) = (id.to_string(), 1);
        self.create(Found { id, generation }, None)
    }

    /// Claims a dead owner's job; `None` where somebody was faster.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn take_over(&self, dead: &Dead) -> io::Result<Option<Claim>> {
        let mut next = dead.found.clone();
        next.generation += 1;
        self.create(next, Some(dead))
    }

    fn create(&self, new: Found, dead: Option<&Dead>) -> io::Result<Option<Claim>> {
        let path = self.path(&new);
        let mut file = match OpenFile::create_new(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            opened => opened?,
        };
        let lock = Lock::of_file(&path);
        let claim = Claim {
            owner: Owner {
                token: token(&self.machine),
                host: self.machine.host.clone(),
                pid: std::process::id(),
                boot: self.machine.boot.clone(),
                locked: lock.is_some(),
                beat: counted(0),
            },
            id: new.id.clone(),
            path,
            beats: AtomicU64::new(0),
            _lock: lock,
        };
        file.write_all(&serde_json::to_vec(&claim.owner)?)?;
        drop(file);
        // What I saw of this job may be long past: whoever else stands here now, but for the dead
        // one, has it. Of two who see each other both go, and come again.
        let others = self.all()?.into_iter();
        let others = others.filter(|other| other.id == new.id && *other != new);
        for other in others {
            let replaced = dead.is_some_and(|dead| {
                other.generation < dead.found.generation
                    || (other == dead.found
                        && self.content(&other).is_none_or(|c| c == dead.content))
            });
            if !replaced {
                return Ok(None);
            }
            remove(&self.path(&other))?;
        }
        Ok(Some(claim))
    }

    fn content(&self, found: &Found) -> Option<Vec<u8>> {
        fs::read(self.path(found)).ok()
    }

    /// Whether a claim's owner is known to be gone without waiting: it has locked its claim on this
    /// machine, and the lock is free. `None` where that says nothing.
    pub fn is_left(&self, found: &Found) -> Option<bool> {
        let owner = self.owner(found)?;
        let here = owner.boot.is_some() && owner.boot == self.machine.boot;
        (here && owner.locked).then(|| Lock::is_left(&self.path(found)))
    }

    /// Removes all claims of a job that needs none any more.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn clear(&self, id: &str) -> io::Result<()> {
        let mut all = self.all()?.into_iter();
        all.try_for_each(|found| match found.id == id {
            true => remove(&self.path(&found)),
            false => Ok(()),
        })
    }
}

impl Claim {
    /// The job.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What no other claim ever had: names what is this owner's alone.
    pub fn token(&self) -> &str {
        &self.owner.token
    }

    /// This machine's name.
    pub fn host(&self) -> &str {
        &self.owner.host
    }

    /// Whether the job is still this owner's: nobody has taken it for dead.
    ///
    /// # Errors
    /// The claim cannot be read, which says nothing.
    pub fn is_mine(&self) -> io::Result<bool> {
        let bytes = match fs::read(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            read => read?,
        };
        let owner: Option<Owner> = serde_json::from_slice(&bytes).ok();
        Ok(owner.is_some_and(|owner| owner.token == self.owner.token))
    }

    /// Counts on: the owner lives. Whether the job is still its own. The bytes are not forced to the
    /// disk: no counter has to survive what its owner does not.
    ///
    /// # Errors
    /// The claim cannot be read or written.
    pub fn beat(&self) -> io::Result<bool> {
        if !self.is_mine()? {
            return Ok(false);
        }
        let beats = self.beats.fetch_add(1, Ordering::Relaxed) + 1;
        let owner = Owner {
            beat: counted(beats),
            ..self.owner.clone()
        };
        let bytes = serde_json::to_vec(&owner)?;
        match OpenFile::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            opened => opened
                .and_then(|mut file| file.write_all(&bytes))
                .map(|()| true),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // One that cannot be removed is taken over when its counter has stood long enough.
        if self.is_mine().unwrap_or(false) {
            let _ = remove(&self.path);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match system::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn counted(beat: u64) -> String {
    format!("{beat:020}")
}

/// Words that no other claim of any process of any machine has.
fn token(machine: &Machine) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos());
    let chance = RandomState::new().hash_one(count);
    let all = format!("{machine:?} {} {now} {count} {chance}", std::process::id());
    super::hash::of(all.as_bytes())[..16].to_string()
}

/// A claim whose owner is gone, as it was seen last.
#[derive(Clone, Debug)]
pub struct Dead {
    found: Found,
    content: Vec<u8>,
}

/// Watches the counters of others.
#[derive(Debug)]
pub struct DeathWatch {
    patience: Duration,
    /// What each claim said, and since when by this observer's own clock.
    seen: HashMap<(String, u64), (Vec<u8>, Duration)>,
}

impl DeathWatch {
    /// Takes an owner for dead whose counter stands still for so long.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            seen: HashMap::new(),
        }
    }

    /// Looks at a claim at a time `now` of this observer's own clock, which never goes back.
    pub fn look(&mut self, claims: &Claims, found: &Found, now: Duration) -> Option<Dead> {
        let content = claims.content(found)?;
        let dead = Dead {
            found: found.clone(),
            content: content.clone(),
        };
        match claims.is_left(found) {
            Some(true) => return Some(dead),
            // Its process is there, however slow.
            Some(false) => return None,
            None => {}
        }
        let key = (found.id.clone(), found.generation);
        let (last, since) = self
            .seen
            .entry(key)
            .or_insert_with(|| (content.clone(), now));
        if *last != content {
            (*last, *since) = (content, now);
        }
        (now.saturating_sub(*since) >= self.patience).then_some(dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A machine of its own: nothing that is known of one is known of another.
    fn machine(folder: &Path, host: &str) -> Claims {
        Claims {
            folder: folder.to_path_buf(),
            machine: Machine {
                host: host.to_string(),
                boot: Some(host.to_string()),
            },
        }
    }

    fn found(generation: u64) -> Found {
        let id = "job".to_string();
        Found { id, generation }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn of_a_hundred_who_start_at_once_one_gets_the_job() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let gate = Barrier::new(8);
            let all: Vec<Option<Claim>> = std::thread::scope(|scope| {
                let one = |host: usize| {
                    let (gate, folder) = (&gate, dir.path());
                    scope.spawn(move || {
                        let claims = machine(folder, &host.to_string());
                        gate.wait();
                        claims.take(&format!("job{round}")).unwrap()
                    })
                };
                let threads: Vec<_> = (0..8).map(one).collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            assert_eq!(all.iter().flatten().count(), 1, "round {round}");
            assert!(all.iter().flatten().all(|claim| claim.is_mine().unwrap()));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn of_all_who_find_an_owner_dead_at_once_one_gets_the_job() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..50 {
            let gate = Barrier::new(8);
            let dead = machine(dir.path(), "dead").take("job").unwrap().unwrap();
            let all: Vec<Option<Claim>> = std::thread::scope(|scope| {
                let one = |host: usize| {
                    let (gate, folder) = (&gate, dir.path());
                    scope.spawn(move || {
                        let claims = machine(folder, &host.to_string());
                        let mut watch = DeathWatch::new(PATIENCE);
                        assert!(watch.look(&claims, &found(1), seconds(0)).is_none());
                        let dead = watch.look(&claims, &found(1), seconds(61)).unwrap();
                        gate.wait();
                        claims.take_over(&dead).unwrap()
                    })
                };
                let threads: Vec<_> = (0..8).map(one).collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            assert_eq!(all.iter().flatten().count(), 1);
            assert!(!dead.is_mine().unwrap() && !dead.beat().unwrap());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// Every clock is an observer's own: owners' clocks, and those of files, say nothing.
    #[test]
    fn only_a_counter_that_stands_still_is_a_death() {
        let dir = tempfile::tempdir().unwrap();
        let (theirs, ours) = (machine(dir.path(), "a"), machine(dir.path(), "b"));
        let claim = theirs.take("job").unwrap().unwrap();
        // The file looks an hour old, or an hour young.
        for off in [-3600.0, 3600.0] {
            let now = SystemTime::now();
            let file = File::options().write(true).open(&claim.path).unwrap();
            let moved = match off > 0.0 {
                true => now + Duration::from_secs_f64(off),
                false => now - Duration::from_secs_f64(-off),
            };
            file.set_modified(moved).unwrap();
            let mut watch = DeathWatch::new(PATIENCE);
            for second in (0..600).step_by(30) {
                assert!(claim.beat().unwrap());
                assert!(watch.look(&ours, &found(1), seconds(second)).is_none());
            }
            assert!(watch.look(&ours, &found(1), seconds(600)).is_none());
            assert!(watch.look(&ours, &found(1), seconds(629)).is_none());
            assert!(watch.look(&ours, &found(1), seconds(631)).is_some());
        }
        assert!(claim.is_mine().unwrap());
    }

    #[test]
    fn on_one_machine_the_living_are_never_dead_and_the_dead_are_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let claims = machine(dir.path(), "a");
        let claim = claims.take("job").unwrap().unwrap();
        let mut watch = DeathWatch::new(PATIENCE);
        assert!(watch.look(&claims, &found(1), seconds(0)).is_none());
        assert!(watch.look(&claims, &found(1), seconds(1000)).is_none());
        // Killed: the system lets the lock go, the file stays.
        let bytes = fs::read(&claim.path).unwrap();
        let path = claim.path.clone();
        drop(claim);
        fs::write(&path, bytes).unwrap();
        let dead = watch.look(&claims, &found(1), seconds(1001)).unwrap();
        let heir = claims.take_over(&dead).unwrap().unwrap();
        assert!(heir.is_mine().unwrap());
        assert_eq!(claims.list().unwrap()["job"].generation, 2);
        drop(heir);
        assert!(claims.list().unwrap().is_empty());
    }

    #[test]
    fn what_was_seen_long_ago_takes_nobodys_job() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (machine(dir.path(), "a"), machine(dir.path(), "b"));
        let first = a.take("job").unwrap().unwrap();
        let mut watch = DeathWatch::new(PATIENCE);
        assert!(watch.look(&b, &found(1), seconds(0)).is_none());
        let dead = watch.look(&b, &found(1), seconds(61)).unwrap();
        // Meanwhile the first gave it up and somebody else has it: under the same name.
        drop(first);
        let second = a.take("job").unwrap().unwrap();
        assert!(b.take_over(&dead).unwrap().is_none());
        assert!(second.is_mine().unwrap());
        // And one that holds a later generation is not overlooked by one who saw none.
        drop(second);
        let later = machine(dir.path(), "c")
            .create(found(2), None)
            .unwrap()
            .unwrap();
        assert!(b.take("job").unwrap().is_none());
        assert!(later.is_mine().unwrap());
    }

    #[test]
    fn a_claim_that_was_killed_before_it_was_written_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let claims = machine(dir.path(), "a");
        fs::write(dir.path().join("job.1"), "").unwrap();
        let mut watch = DeathWatch::new(PATIENCE);
        assert!(watch.look(&claims, &found(1), seconds(0)).is_none());
        let dead = watch.look(&claims, &found(1), seconds(60)).unwrap();
        assert!(claims.take_over(&dead).unwrap().is_some());
    }

    use std::fs::File;
}
