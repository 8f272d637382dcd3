//! Who changes a disk with his own hands: calls of the system's own functions for it, tests left
//! out.
//!
//! Knows nothing of rooms.

use syn::visit::{self, Visit};

/// The last two names of a path that creates, writes, renames or removes something.
const CHANGES: [&str; 15] = [
    "fs::write",
    "fs::create_dir",
    "fs::create_dir_all",
    "fs::rename",
    "fs::copy",
    "fs::hard_link",
    "fs::remove_file",
    "fs::remove_dir",
    "fs::remove_dir_all",
    "fs::set_permissions",
    "File::create",
    "File::create_new",
    "File::options",
    "OpenOptions::new",
    "WavWriter::create",
];

/// The changes that a file's text makes: `"fs::write"`.
pub fn changes(text: &str) -> Vec<String> {
    let mut finder = Finder::default();
    finder.visit_file(&syn::parse_file(text).unwrap());
    finder.found
}

#[derive(Default)]
struct Finder {
    found: Vec<String>,
}

impl<'a> Visit<'a> for Finder {
    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if let [.., owner, name] = names.as_slice() {
            let called = format!("{owner}::{name}");
            if CHANGES.contains(&called.as_str()) {
                self.found.push(called);
            }
        }
        visit::visit_path(self, path);
    }
}
