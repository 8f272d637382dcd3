//! `pack.toml`: what a pack is. One shared config, and jobs that each say what is their own.

use super::error::PackError;
use super::error::refused;
use crate::config::{self, Config, ConfigError, MetadataConfig};
use crate::files;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The description's file in the pack's folder.
pub const FILE: &str = "pack.toml";

/// The shared config's usual name, beside it.
pub const SHARED: &str = "shared.toml";

/// The longest description read: room for some hundred thousand jobs.
const MAX_BYTES: usize = 64 << 20;

/// A pack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What people call it.
    pub name: String,
    /// The config that all jobs share, a file in the pack's folder.
    pub shared: String,
    /// Under which licence the models are given away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// What is trained.
    #[serde(default)]
    pub job: Vec<Entry>,
}

/// What is a job's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// Names the model: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Where the knobs stood, for people; `gear_make` and its like also stand in exported files.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Config keys that differ from the shared ones: `"seed=2"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// Its pairs, as tables of `[[data.train]]`, paths from the pack's folder; none: the shared
    /// config's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Table>,
}

/// A pack's folder with its description.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Absolute.
    folder: PathBuf,
    /// What `pack.toml` says.
    pub description: Description,
    /// The shared config as it is written.
    shared: Table,
    /// Of both files' bytes.
    hash: String,
}

impl Pack {
    /// Opens a pack.
    ///
    /// # Errors
    /// There is none, or one of its two files is damaged.
    pub fn open(folder: &Path) -> Result<Self, PackError> {
        let folder = std::path::absolute(folder).map_err(refused(folder))?;
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(PackError::NotAPack(folder));
        }
        let text = limits::read_text(&path, MAX_BYTES).map_err(refused(&path))?;
        let description: Description = parse(&text, &path)?;
        let (shared_path, names) = (folder.join(&description.shared), &description.job);
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|job| !seen.insert(&job.name)) {
            let what = format!("{}: job {}", path.display(), twice.name);
            return Err(PackError::wrong(
                what,
                "comes twice; give every job its own name",
            ));
        }
        let shared = limits::read_text(&shared_path, MAX_BYTES).map_err(refused(&shared_path))?;
        let hash = super::hash::of(format!("{text}\0{shared}").as_bytes());
        Ok(Self {
            shared: parse(&shared, &shared_path)?,
            folder,
            description,
            hash,
        })
    }

    /// Writes the description, the shared config being there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(folder: &Path, description: &Description) -> Result<(), PackError> {
        let path = folder.join(FILE);
        let text = toml::to_string(description)
            .map_err(|e| PackError::wrong(path.display(), e.to_string().replace('\n', " ")))?;
        let head = "# A pack: every [[job]] is trained once, with the settings of the shared config.\n\
                    # `effigy pack run` trains what is missing here, `effigy pack status` tells.\n\n";
        let text = format!("{head}{text}");
        files::write(&path, text.as_bytes()).map_err(refused(&path))
    }

    /// Its folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Of what the pack's two files say.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// The config of a job, complete: paths absolute, checked.
    ///
    /// # Errors
    /// Names the job and the key that is wrong.
    pub fn config(&self, entry: &Entry) -> Result<Config, PackError> {
        self.merged(entry).map_err(|source| PackError::Config {
            job: entry.name.clone(),
            source,
        })
    }

    fn merged(&self, entry: &Entry) -> Result<Config, ConfigError> {
        let mut root = self.shared.clone();
        root.insert("name".to_string(), Value::String(entry.name.clone()));
        if !entry.pairs.is_empty() {
            let pairs = entry.pairs.iter().cloned().map(Value::Table).collect();
            let data = table(&mut root, "data");
            for part in ["valid", "test", "root"] {
                data.remove(part);
            }
            data.insert("train".to_string(), Value::Array(pairs));
        }
        let said = entry.values.iter().filter_map(as_metadata);
        let metadata: Table = said.collect();
        if !metadata.is_empty() {
            table(&mut root, "metadata").extend(metadata);
        }
        config::of_table(
            root,
            &entry.set,
            &self.folder.join(&self.description.shared),
        )
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, PackError> {
    config::check_nesting(text, path).map_err(|e| PackError::wrong("pack", e))?;
    toml::from_str(text).map_err(|e| PackError::Parse {
        path: path.to_path_buf(),
        line: e.span().map_or_else(String::new, |s| {
            format!(":{}", text[..s.start].matches('\n').count() + 1)
        }),
        reason: e.message().replace('\n', " "),
    })
}

/// A table of the root, made where it is not there.
fn table<'a>(root: &'a mut Table, name: &str) -> &'a mut Table {
    if !root.get(name).is_some_and(Value::is_table) {
        root.insert(name.to_string(), Value::Table(Table::new()));
    }
    match root.get_mut(name) {
        Some(Value::Table(table)) => table,
        _ => unreachable!("it was just inserted"),
    }
}

/// A value that exported files have a word for.
fn as_metadata((key, value): (&String, &String)) -> Option<(String, Value)> {
    let value = match MetadataConfig::kind_of(key)? {
        config::MetadataKind::Text => Value::String(value.clone()),
        config::MetadataKind::Number => Value::Float(value.parse().ok()?),
    };
    Some((key.clone(), value))
}

/// A text as a name of jobs, runs and files: what is not allowed becomes a hyphen.
pub fn as_name(text: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = text
        .chars()
        .map(|c| if fine(c) { c } else { '-' })
        .collect();
    match name.trim_start_matches('.') {
        "" => "job".to_string(),
        name => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Position;

    const SHARED_TEXT: &str = "name = \"x\"\n[data]\nlatency = 3\n[[data.train]]\ndry = \"a.wav\"\n\
        wet = \"b.wav\"\nto = \"80%\"\n[[data.test]]\ndry = \"a.wav\"\nwet = \"b.wav\"\n\
        [model]\nkind = \"lstm\"\nhidden_size = 8\n[metadata]\nmodeled_by = \"me\"\n";

    fn pack(text: &str) -> (tempfile::TempDir, Result<Pack, PackError>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SHARED), SHARED_TEXT).unwrap();
        std::fs::write(dir.path().join(FILE), text).unwrap();
        let pack = Pack::open(dir.path());
        (dir, pack)
    }

    #[test]
    fn a_job_is_the_shared_config_with_what_is_its_own() {
        let text = "name = \"p\"\nshared = \"shared.toml\"\n[[job]]\nname = \"plain\"\n\
            [[job]]\nname = \"own\"\nset = [\"seed=7\", \"model.hidden_size=16\"]\n\
            pairs = [{ dry = \"d.wav\", wet = \"w.wav\", controls = { gain = 0.5 } }]\n\
            values = { gain = \"5\", gear_make = \"Acme\", input_level_dbu = \"4\" }\n";
        let (dir, pack) = pack(text);
        let pack = pack.unwrap();
        let [plain, own] = [0, 1].map(|at| pack.config(&pack.description.job[at]).unwrap());
        assert_eq!(plain.name, "plain");
        assert_eq!(plain.data.test.len(), 1);
        assert_eq!(plain.data.train[0].to, Some(Position::Percent(80.0)));
        assert_eq!((own.name.as_str(), own.seed), ("own", 7));
        assert_eq!(own.data.train[0].wet, Some(dir.path().join("w.wav")));
        assert_eq!(own.data.train[0].controls["gain"], 0.5);
        // The pairs are all that it learns from and is tested on.
        assert!(own.data.test.is_empty() && own.data.train.len() == 1);
        assert_eq!(own.data.latency, plain.data.latency);
        assert_eq!(own.metadata.gear_make.as_deref(), Some("Acme"));
        assert_eq!(own.metadata.modeled_by.as_deref(), Some("me"));
        assert_eq!(own.metadata.input_level_dbu, Some(4.0));
        let written = tempfile::tempdir().unwrap();
        Pack::write(written.path(), &pack.description).unwrap();
        std::fs::write(written.path().join(SHARED), SHARED_TEXT).unwrap();
        let again = Pack::open(written.path()).unwrap();
        assert_eq!(again.description, pack.description);
    }

    #[test]
    fn faults_name_their_place() {
        let said = |text: &str| {
            let (_dir, pack) = pack(text);
            let config = pack.and_then(|pack| pack.config(&pack.description.job[0]));
            let error = config.unwrap_err();
            let source = std::error::Error::source(&error);
            format!(
                "{error}: {}",
                source.map_or_else(String::new, ToString::to_string)
            )
        };
        let head = "name = \"p\"\nshared = \"shared.toml\"\n[[job]]\n";
        assert!(said(&format!("{head}nmae = \"a\"\n")).contains("pack.toml:4"));
        assert!(
            said(&format!("{head}name = \"a\"\n[[job]]\nname = \"a\"\n"))
                .contains("job a: comes twice")
        );
        let text = said(&format!("{head}name = \"a\"\nset = [\"model.x=1\"]\n"));
        assert!(
            text.contains("job a: ") && text.contains("unknown field"),
            "{text}"
        );
        assert!(said(&format!("{head}name = \"a b\"\n")).contains("config key name"));
        assert!(said("name = \"p\"\nshared = \"gone.toml\"\n").contains("gone.toml"));
        let empty = tempfile::tempdir().unwrap();
        assert!(
            Pack::open(empty.path())
                .unwrap_err()
                .to_string()
                .contains("no pack")
        );
    }

    #[test]
    fn any_text_becomes_a_name() {
        assert_eq!(as_name("JCM 800/lead.g5"), "JCM-800-lead.g5");
        assert_eq!(as_name("..é"), "-");
        assert_eq!(as_name("."), "job");
    }
}
