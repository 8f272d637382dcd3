//! What a source file names: every path, with where it points, out of the parsed syntax.
//!
//! Knows nothing of what is allowed.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// A module's place in its crate: `["engine", "wavenet"]`; empty for the crate's root.
pub type Module = Vec<String>;

/// One parsed source file.
pub struct Source {
    /// Below the crate's root folder: `engine/wavenet/mod.rs`.
    pub file: PathBuf,
    /// The module it is.
    pub module: Module,
    /// Whether it opens with `//!`.
    pub has_subject: bool,
    /// Absolute paths of everything it names, tests left out: `["engine", "block", "Line"]`.
    pub names: BTreeSet<Vec<String>>,
    /// The same of its unit tests alone.
    pub names_in_tests: BTreeSet<Vec<String>>,
    /// Names it hands on with `pub use`, and what they stand for.
    pub hands_on: BTreeMap<String, Vec<String>>,
    /// First segments of paths that lead out of the crate: `burn`, `std`, `rayon`.
    pub crates: BTreeSet<String>,
    /// Macros it calls by their bare names, tests left out.
    pub macros: BTreeSet<String>,
}

/// All source files below `root`, parsed; folders in `apart` belong to another crate.
pub fn sources(root: &Path, apart: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(root, &mut files);
    files.sort();
    let inside = |file: &Path| file.strip_prefix(root).unwrap().to_path_buf();
    let ours = |file: &&PathBuf| !apart.iter().any(|folder| inside(file).starts_with(folder));
    let ours = files.iter().filter(ours);
    ours.map(|file| parse(&inside(file), &fs::read_to_string(file).unwrap()))
        .collect()
}

/// Adds every `.rs` file below `folder`.
pub fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The module that a file is.
fn module_of(file: &Path) -> Module {
    let mut module: Module = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

/// Parses `text` as the file `file` of a crate.
pub fn parse(file: &Path, text: &str) -> Source {
    let module = module_of(file);
    let syntax = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut reader = Reader {
        here: module.clone(),
        children: syntax.items.iter().filter_map(child).collect(),
        ..Reader::default()
    };
    reader.visit_file(&syntax);
    Source {
        file: file.to_path_buf(),
        module,
        has_subject: text.starts_with("//!"),
        names: reader.names,
        names_in_tests: reader.names_in_tests,
        hands_on: reader.hands_on,
        crates: reader.crates,
        macros: reader.macros,
    }
}

/// The name of a module in another file.
fn child(item: &syn::Item) -> Option<String> {
    match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module.ident.to_string()),
        _ => None,
    }
}

#[derive(Default)]
struct Reader {
    /// Where relative paths start.
    here: Module,
    children: BTreeSet<String>,
    in_tests: bool,
    names: BTreeSet<Vec<String>>,
    names_in_tests: BTreeSet<Vec<String>>,
    hands_on: BTreeMap<String, Vec<String>>,
    crates: BTreeSet<String>,
    macros: BTreeSet<String>,
}

impl Reader {
    /// The path from the crate's root, if it stays in the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?;
        if first == "crate" {
            return Some(path[1..].to_vec());
        }
        let ups = path.iter().take_while(|s| *s == "super").count();
        if ups > 0 {
            let kept = self.here.len().checked_sub(ups)?;
            return Some([&self.here[..kept], &path[ups..]].concat());
        }
        if first == "self" {
            return Some([&self.here[..], &path[1..]].concat());
        }
        if self.children.contains(first) {
            return Some([&self.here[..], path].concat());
        }
        None
    }

    fn name(&mut self, path: &[String]) {
        match self.absolute(path) {
            Some(path) if self.in_tests => drop(self.names_in_tests.insert(path)),
            Some(path) => drop(self.names.insert(path)),
            None => self.crates.extend(path.first().cloned()),
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String], handed_on: bool) {
        let then = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &then(&path.ident), handed_on),
            syn::UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|item| self.tree(item, before, handed_on));
            }
            syn::UseTree::Glob(_) => self.name(before),
            syn::UseTree::Name(name) => {
                let path = if name.ident == "self" {
                    before.to_vec()
                } else {
                    then(&name.ident)
                };
                self.leaf(path.last().cloned(), &path, handed_on);
            }
            syn::UseTree::Rename(name) => {
                self.leaf(Some(name.rename.to_string()), &then(&name.ident), handed_on);
            }
        }
    }

    fn leaf(&mut self, known_as: Option<String>, path: &[String], handed_on: bool) {
        match (handed_on, known_as, self.absolute(path)) {
            (true, Some(known_as), Some(path)) => drop(self.hands_on.insert(known_as, path)),
            _ => self.name(path),
        }
    }

    /// Paths in what a macro is given, whose syntax only the macro knows.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.flush(&mut path);
                    }
                    colons = 0;
                    path.push(ident.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.flush(&mut path);
                    self.tokens(group.stream());
                }
                _ => self.flush(&mut path),
            }
        }
        self.flush(&mut path);
    }

    fn flush(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.name(&path);
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| match &a.meta {
        syn::Meta::List(list) => a.path().is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

impl<'a> Visit<'a> for Reader {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let was = self.in_tests;
        self.in_tests |= is_test(&item.attrs);
        let handed_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.tree(&item.tree, &[], handed_on);
        self.in_tests = was;
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        let was = self.in_tests;
        self.in_tests |= is_test(&item.attrs);
        if item.content.is_some() {
            self.here.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.here.pop();
        }
        self.in_tests = was;
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        let was = self.in_tests;
        self.in_tests |= is_test(&item.attrs);
        visit::visit_item_fn(self, item);
        self.in_tests = was;
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.segments.len() > 1 {
            let path: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.name(&path);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        let name = called.path.get_ident().map(ToString::to_string);
        self.macros.extend(name.filter(|_| !self.in_tests));
        self.tokens(called.tokens.clone());
    }

    fn visit_item_macro(&mut self, item: &'a syn::ItemMacro) {
        self.tokens(item.mac.tokens.clone());
    }
}
