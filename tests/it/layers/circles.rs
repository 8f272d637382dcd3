//! Which files of a room need each other, and the circles among them.
//!
//! Knows nothing of what is allowed.

use super::uses::{Module, Source};
use std::collections::{BTreeMap, BTreeSet};

/// Groups of files of one room that all need each other, by way of others or not.
///
/// A name that a module only hands on (`pub use`) leads to the file that defines it, so a front
/// page is no circle; a file that uses what its own front page defines, while that page uses the
/// file, is one.
pub fn circles(sources: &[Source]) -> Vec<Vec<String>> {
    let needs = needs(sources);
    let reach: Vec<BTreeSet<usize>> = (0..sources.len()).map(|i| reach(&needs, i)).collect();
    let mut found = BTreeSet::new();
    for (i, reached) in reach.iter().enumerate() {
        if reached.contains(&i) {
            let mutual = |j: &&usize| reach[**j].contains(&i);
            let circle = reached.iter().filter(mutual);
            let name = |j: &usize| sources[*j].file.display().to_string();
            found.insert(circle.map(name).collect::<Vec<_>>());
        }
    }
    found.into_iter().collect()
}

/// For each file the others of its room that it names.
fn needs(sources: &[Source]) -> Vec<BTreeSet<usize>> {
    let modules = sources.iter().enumerate();
    let modules: BTreeMap<&Module, usize> = modules.map(|(i, s)| (&s.module, i)).collect();
    let needed = |i: usize, source: &Source| {
        let named = source.names.iter();
        let named = named.filter_map(|path| defined_in(sources, &modules, path));
        let ours = |j: &usize| *j != i && sources[*j].module.first() == source.module.first();
        named.filter(ours).collect()
    };
    let each = sources.iter().enumerate();
    each.map(|(i, source)| needed(i, source)).collect()
}

/// The file that defines what `path` names.
fn defined_in(
    sources: &[Source],
    modules: &BTreeMap<&Module, usize>,
    path: &[String],
) -> Option<usize> {
    let mut path = path.to_vec();
    // As often as names are handed on and on.
    for _ in 0..8 {
        let module = |len: &usize| modules.contains_key(&path[..*len].to_vec());
        let len = (0..=path.len()).rev().find(module)?;
        let file = modules[&path[..len].to_vec()];
        let handed_on = path.get(len).and_then(|n| sources[file].hands_on.get(n));
        match handed_on {
            Some(origin) => path = [&origin[..], &path[len + 1..]].concat(),
            None => return Some(file),
        }
    }
    None
}

/// Everything that `from` needs, directly or not.
fn reach(needs: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![from];
    while let Some(file) = ahead.pop() {
        ahead.extend(needs[file].iter().filter(|next| reached.insert(**next)));
    }
    reached
}
