//! The studio's folder: what lies where in it, and which paths lead there and nowhere else.
//!
//! `NAME.toml` what is to be trained · `checkpoints/` runs, as the command line makes them ·
//! `recordings/` what was dropped · `models/` model files, exported and from elsewhere · `sounds/`
//! what was made of recordings · `studio/` the queue, its logs, and what is listened to.

use effigy_base::files;
use std::io;
use std::path::{Path, PathBuf};

/// The folders that may be read, and may be named to a verb.
pub const CHECKPOINTS: &str = "checkpoints";
pub const RECORDINGS: &str = "recordings";
pub const MODELS: &str = "models";
pub const SOUNDS: &str = "sounds";
pub const STUDIO: &str = "studio";
const AREAS: [&str; 5] = [CHECKPOINTS, RECORDINGS, MODELS, SOUNDS, STUDIO];

/// Those that results may be written to.
const RESULTS: [&str; 3] = [MODELS, SOUNDS, STUDIO];

/// The root of all.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// Why a path is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It has parts that lead elsewhere, here or on another system.
    #[error("{0:?} is not a path inside the studio's folder")]
    Shape(String),
    /// It is not where such things are.
    #[error(
        "{0:?} is not among what the studio shows: NAME.toml, checkpoints, recordings, models, sounds"
    )]
    Area(String),
    /// A link leads out of the folder.
    #[error("{0:?} leads out of the studio's folder")]
    Outside(String),
    /// Nothing is there.
    #[error("{0:?} does not exist")]
    Missing(String),
}

impl Folder {
    /// An existing folder.
    ///
    /// # Errors
    /// It is not there.
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: root.canonicalize()?,
        })
    }

    /// Its absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below it that the studio itself names.
    pub fn at(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.root.join(inside)
    }

    /// An existing file or folder, its links resolved.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn existing(&self, inside: &str) -> Result<PathBuf, PathError> {
        is_one_of(inside, &AREAS)?;
        let path = self.at(inside).canonicalize();
        let path = path.map_err(|_| PathError::Missing(inside.to_string()))?;
        self.confined(inside, path)
    }

    /// Where a result may be written: its folder, if it is there already, is inside.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn result(&self, inside: &str) -> Result<PathBuf, PathError> {
        self.writable(inside, &RESULTS)
    }

    /// Where an upload may be written.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn upload(&self, inside: &str) -> Result<PathBuf, PathError> {
        self.writable(inside, &[RECORDINGS, MODELS])
    }

    /// Where a config is, or may be written.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn config(&self, inside: &str) -> Result<PathBuf, PathError> {
        is_one_of(inside, &[])?;
        let path = self.at(inside);
        match path.canonicalize() {
            Ok(found) => self.confined(inside, found),
            Err(_) => Ok(path),
        }
    }

    fn writable(&self, inside: &str, areas: &[&str]) -> Result<PathBuf, PathError> {
        is_one_of(inside, areas)?;
        if !inside.contains('/') {
            return Err(PathError::Area(inside.to_string()));
        }
        let path = self.at(inside);
        // The nearest folder that exists may be a link, and so may the file.
        let found = path.ancestors().find_map(|path| path.canonicalize().ok());
        self.confined(inside, found.unwrap_or_default())?;
        Ok(path)
    }

    fn confined(&self, inside: &str, path: PathBuf) -> Result<PathBuf, PathError> {
        match path.starts_with(&self.root) {
            true => Ok(path),
            false => Err(PathError::Outside(inside.to_string())),
        }
    }
}

/// Checks a path's shape and where it leads: into one of `areas`, or to a config at the root.
fn is_one_of(inside: &str, areas: &[&str]) -> Result<(), PathError> {
    let parts: Vec<&str> = inside.split('/').collect();
    if !parts.iter().all(|part| is_plain(part)) {
        return Err(PathError::Shape(inside.to_string()));
    }
    let is_config = parts.len() == 1 && inside.ends_with(".toml");
    let fine = areas.contains(&parts[0])
        || (is_config && (areas.is_empty() || areas.len() == AREAS.len()));
    if fine {
        Ok(())
    } else {
        Err(PathError::Area(inside.to_string()))
    }
}

/// Whether a name is a file's or folder's own name, on whatever system.
pub fn is_plain(name: &str) -> bool {
    let device = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let numbered = |port: &str| {
        let rest = device.strip_prefix(port);
        rest.is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    let is_device = ["CON", "PRN", "AUX", "NUL"].contains(&device.as_str())
        || numbered("COM")
        || numbered("LPT");
    !name.is_empty()
        && name.len() <= 200
        && !name.contains(['/', '\\', ':'])
        && !name.contains(char::is_control)
        && !name.starts_with('.')
        && !name.ends_with(['.', ' '])
        && !is_device
        && !files::is_scratch(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        std::fs::create_dir_all(folder.at("recordings/a")).unwrap();
        std::fs::write(folder.at("recordings/a/dry.wav"), "x").unwrap();
        (place, folder)
    }

    #[test]
    fn a_path_inside_is_found() {
        let (_place, folder) = folder();
        assert!(folder.existing("recordings/a/dry.wav").is_ok());
        assert!(folder.upload("recordings/new/wet <b>.wav").is_ok());
        assert!(folder.result("sounds/out.wav").is_ok());
        assert!(folder.config("amp.toml").is_ok());
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        let (_place, folder) = folder();
        let elsewhere = [
            "..",
            "../x",
            "recordings/../../x",
            "recordings/./a",
            "/etc/passwd",
            "",
            "recordings//a",
            "recordings\\..\\x",
            "C:\\x",
            "C:x",
            "recordings/a:stream",
            "recordings/nul",
            "recordings/COM1.wav",
            "recordings/a/.",
            "recordings/a/dry.wav.",
            "recordings/a/\0",
            "recordings/.hidden",
        ];
        for path in elsewhere {
            let shape = PathError::Shape(path.to_string());
            assert_eq!(folder.existing(path), Err(shape.clone()), "{path:?}");
            assert_eq!(folder.upload(path), Err(shape), "{path:?}");
        }
        for path in ["secrets/x", "id_rsa", "checkpoints/x"] {
            assert_eq!(folder.upload(path), Err(PathError::Area(path.to_string())));
        }
        assert!(
            folder.result("recordings/a/dry.wav").is_err(),
            "inputs are never written"
        );
        assert!(folder.result("sounds").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out() {
        let (_place, folder) = folder();
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("secret"), "x").unwrap();
        let link = |at: &str, to: &Path| std::os::unix::fs::symlink(to, folder.at(at)).unwrap();
        link("recordings/out", other.path());
        link("recordings/file", &other.path().join("secret"));
        link("evil.toml", &other.path().join("secret"));
        link("sounds", other.path());
        for path in ["recordings/out/secret", "recordings/file", "evil.toml"] {
            assert_eq!(
                folder.existing(path),
                Err(PathError::Outside(path.to_string()))
            );
        }
        assert!(folder.upload("recordings/out/new.wav").is_err());
        assert!(folder.upload("recordings/out/deeper/new.wav").is_err());
        assert!(folder.result("sounds/new.wav").is_err());
        assert!(folder.config("evil.toml").is_err());
    }
}
