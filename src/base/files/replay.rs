//! What a disk holds after some operations, and after a kill or a power loss on top: operations
//! that were recorded ([`super::watch`]) are replayed in memory. For tests.

use super::watch::Operation;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder in memory: what programs see, and what of it is on the disk for good.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
    /// The first is the root.
    nodes: Vec<Node>,
}

type Names = BTreeMap<OsString, usize>;

#[derive(Clone, Debug)]
enum Node {
    File { seen: Vec<u8>, durable: Vec<u8> },
    Folder { seen: Names, durable: Names },
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process was killed: all that it did is there.
    Kill,
    /// Power failed: only what was brought to the disk is there.
    PowerLoss,
    /// Power failed after the names had reached the disk, and the contents had not: files of
    /// length 0.
    NamesOnly,
    /// The same with the first half of what each file was given since.
    HalfWritten,
}

/// Every way to end.
pub const ENDS: [End; 4] = [End::Kill, End::PowerLoss, End::NamesOnly, End::HalfWritten];

/// What is in a folder, by relative path: a file's contents, nothing for a folder.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

const ROOT: usize = 0;

impl Disk {
    /// A folder as it is now, all of it durable.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut disk = Self {
            root: root.to_path_buf(),
            nodes: Vec::new(),
        };
        disk.read_node(root)?;
        Ok(disk)
    }

    fn read_node(&mut self, path: &Path) -> io::Result<usize> {
        let node = self.nodes.len();
        if !path.is_dir() {
            let seen = fs::read(path)?;
            let durable = seen.clone();
            self.nodes.push(Node::File { seen, durable });
            return Ok(node);
        }
        self.nodes.push(Node::folder());
        let mut names = Names::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            names.insert(entry.file_name(), self.read_node(&entry.path())?);
        }
        self.nodes[node] = Node::Folder {
            seen: names.clone(),
            durable: names,
        };
        Ok(node)
    }

    /// Does an operation; one on what is not there does nothing.
    pub fn apply(&mut self, operation: &Operation) {
        // What is not there was refused when it was recorded, too.
        let _ = self.try_apply(operation);
    }

    fn try_apply(&mut self, operation: &Operation) -> Option<()> {
        match operation {
            Operation::CreateDir(path) => self.add(path, Node::folder()),
            Operation::Create(path) => self.add(path, Node::file()),
            Operation::Write {
                path,
                offset,
                bytes,
            } => {
                let seen = self.contents(path)?;
                let begin = usize::try_from(*offset).ok()?;
                let end = begin + bytes.len();
                seen.resize(seen.len().max(end), 0);
                seen[begin..end].copy_from_slice(bytes);
                Some(())
            }
            Operation::Truncate(path, len) => {
                self.contents(path)?.resize(usize::try_from(*len).ok()?, 0);
                Some(())
            }
            Operation::Sync(path) | Operation::SyncDir(path) => {
                let node = self.find(path)?;
                self.nodes[node].sync();
                Some(())
            }
            Operation::Rename(from, to) => {
                let node = self.names(from)?.remove(from.file_name()?)?;
                self.names(to)?.insert(to.file_name()?.to_owned(), node);
                Some(())
            }
            Operation::RemoveFile(path) | Operation::RemoveDir(path) => {
                self.names(path)?.remove(path.file_name()?).map(|_| ())
            }
            Operation::Permit(_) => Some(()),
        }
    }

    /// What is there after an end.
    pub fn left(&self, end: End) -> Tree {
        let mut tree = Tree::new();
        self.collect(ROOT, Path::new(""), end, &mut tree);
        tree
    }

    fn collect(&self, node: usize, path: &Path, end: End, tree: &mut Tree) {
        let contents = match &self.nodes[node] {
            Node::File { seen, durable } => Some(match end {
                End::Kill => seen.clone(),
                End::PowerLoss | End::NamesOnly => durable.clone(),
                End::HalfWritten => half_written(seen, durable),
            }),
            Node::Folder { seen, durable } => {
                let names = if end == End::PowerLoss { durable } else { seen };
                for (name, node) in names {
                    self.collect(*node, &path.join(name), end, tree);
                }
                None
            }
        };
        if path != Path::new("") {
            tree.insert(path.to_path_buf(), contents);
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let inside = path.strip_prefix(&self.root).ok()?;
        inside
            .iter()
            .try_fold(ROOT, |node, name| match &self.nodes[node] {
                Node::Folder { seen, .. } => seen.get(name).copied(),
                Node::File { .. } => None,
            })
    }

    /// The names beside a path.
    fn names(&mut self, path: &Path) -> Option<&mut Names> {
        let folder = self.find(path.parent()?)?;
        match &mut self.nodes[folder] {
            Node::Folder { seen, .. } => Some(seen),
            Node::File { .. } => None,
        }
    }

    fn contents(&mut self, path: &Path) -> Option<&mut Vec<u8>> {
        let file = self.find(path)?;
        match &mut self.nodes[file] {
            Node::File { seen, .. } => Some(seen),
            Node::Folder { .. } => None,
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> Option<()> {
        let number = self.nodes.len();
        let name = path.file_name()?.to_owned();
        self.names(path)?.insert(name, number);
        self.nodes.push(node);
        Some(())
    }
}

/// What was appended has come half; what was written anew too.
fn half_written(seen: &[u8], durable: &[u8]) -> Vec<u8> {
    let kept = if seen.starts_with(durable) {
        durable.len()
    } else {
        0
    };
    seen[..kept + (seen.len() - kept) / 2].to_vec()
}

impl Node {
    fn folder() -> Self {
        Self::Folder {
            seen: Names::new(),
            durable: Names::new(),
        }
    }

    fn file() -> Self {
        Self::File {
            seen: Vec::new(),
            durable: Vec::new(),
        }
    }

    fn sync(&mut self) {
        match self {
            Self::File { seen, durable } => durable.clone_from(seen),
            Self::Folder { seen, durable } => durable.clone_from(seen),
        }
    }
}

/// Makes a folder of what was left.
///
/// # Errors
/// It cannot be written.
pub fn write_out(tree: &Tree, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    // A folder stands before what is in it.
    for (path, contents) in tree {
        match contents {
            None => fs::create_dir_all(to.join(path))?,
            Some(contents) => fs::write(to.join(path), contents)?,
        }
    }
    Ok(())
}
