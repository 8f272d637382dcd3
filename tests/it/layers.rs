//! Imports point downwards only. The table below is the architecture; change it with care.

use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate and the modules it may import.
const MAY_USE: &[(&str, &[&str])] = &[
    // 1: values, files, vector instructions.
    ("audio", &["files"]),
    ("files", &[]),
    ("progress", &[]),
    ("random", &[]),
    ("simd", &[]),
    // 2: signals, operators, what a run is to do, networks.
    ("dsp", &["audio"]),
    ("effects", &["audio", "dsp"]),
    ("kernels", &["simd"]),
    ("device", &[]),
    // The config names generated signals and effects by their own types, so it stands on them.
    ("config", &["audio", "effects"]),
    ("models", &["kernels", "config"]),
    // 3: what is done with recordings and with finished networks.
    ("report", &["audio", "dsp", "files"]),
    ("data", &["audio", "config", "dsp", "effects", "progress"]),
    (
        "regress",
        &["audio", "config", "dsp", "files", "progress", "random"],
    ),
    ("resynth", &["audio", "config", "dsp", "progress", "random"]),
    ("engine", &["audio", "dsp", "models", "simd"]),
    ("formats", &["audio", "config", "engine", "files", "models"]),
    // 4
    (
        "training",
        &["config", "data", "files", "models", "progress", "report"],
    ),
    // 5 and 6 may use everything below.
    ("commands", &["*"]),
    ("cli", &["*", "commands"]),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Names that follow `crate::` outside comments, `crate::{a, b::c}` included.
fn imports(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or("");
        for rest in code.split("crate::").skip(1) {
            let group = rest.strip_prefix('{').unwrap_or(rest);
            for part in group.split(',') {
                let part = part.trim();
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if name.starts_with(|c: char| c.is_lowercase()) {
                    names.push(name);
                }
                if !rest.starts_with('{') {
                    break;
                }
            }
        }
    }
    names
}

fn violations(module: &str, text: &str) -> Vec<String> {
    let (_, allowed) = MAY_USE
        .iter()
        .find(|(name, _)| *name == module)
        .unwrap_or_else(|| panic!("src/{module} has no place in the architecture table"));
    let upper = ["commands", "cli"];
    imports(text)
        .into_iter()
        .filter(|name| {
            let known = MAY_USE.iter().any(|(m, _)| m == name);
            let fine = name == module
                || allowed.contains(&name.as_str())
                || (allowed.contains(&"*") && !upper.contains(&name.as_str()));
            known && !fine
        })
        .collect()
}

#[test]
fn imports_point_downwards() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        let first = inside.iter().next().unwrap().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_string();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for name in violations(&module, &text) {
            wrong.push(format!("src/{} uses crate::{name}", inside.display()));
        }
        assert!(
            text.starts_with("//!"),
            "src/{} does not say its one subject",
            inside.display()
        );
    }
    assert!(wrong.is_empty(), "imports that point upwards: {wrong:#?}");
}

#[test]
fn an_upward_import_is_found() {
    assert_eq!(violations("audio", "use crate::training::x;"), ["training"]);
    assert_eq!(violations("dsp", "use crate::{audio::A, cli::B};"), ["cli"]);
    assert_eq!(violations("commands", "let x = crate::cli::f();"), ["cli"]);
    assert!(violations("audio", "// crate::training is above").is_empty());
    assert!(violations("training", "use crate::data::pair::Span;").is_empty());
}

#[test]
fn only_the_command_line_prints() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        if inside.starts_with("cli") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Unit tests may print why they were skipped.
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for line in code.lines().map(|l| l.split("//").next().unwrap_or("")) {
            for call in ["println!", "print!(", "eprint!("] {
                assert!(!line.contains(call), "src/{}: {line}", inside.display());
            }
        }
    }
}
