//! The architecture, held: imports point downwards only, no circles inside a room, who may know
//! the tensor library, who prints. The tables below are the architecture; change them with care.

mod circles;
mod errors;
mod paths;
mod uses;
mod writes;

use circles::circles;
use errors::{repeats, repeats_in};
use paths::refusing;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;
use uses::{Source, parse, rust_files, sources};
use writes::changes;

/// Every room and the rooms it may use. The upper ones may use everything below them.
const MAY_USE: &[(&str, &[&str])] = &[
    // 1: values, files, vector instructions.
    ("audio", &["files", "limits"]),
    ("calendar", &[]),
    ("files", &[]),
    ("limits", &[]),
    ("linalg", &[]),
    ("number", &[]),
    ("progress", &[]),
    ("protobuf", &[]),
    ("random", &[]),
    ("simd", &[]),
    // 2: signals, operators, what a run is to do, what a network is.
    ("dsp", &["audio", "number"]),
    ("effects", &["audio", "dsp"]),
    // A moving part's numbers are those of its motion.
    ("network", &["audio", "dsp", "limits"]),
    ("kernels", &["simd", "network", "dsp"]),
    ("device", &[]),
    // The config names generated signals and effects by their own types, so it stands on them.
    ("config", &["audio", "effects", "limits", "network"]),
    ("models", &["kernels", "config", "dsp", "network"]),
    // 3: what is done with recordings and with finished networks.
    ("report", &["audio", "dsp", "files", "number", "protobuf"]),
    ("data", &["audio", "config", "dsp", "effects", "progress"]),
    (
        "regress",
        &[
            "audio", "config", "dsp", "files", "limits", "linalg", "number", "progress", "random",
        ],
    ),
    (
        "resynth",
        &["audio", "config", "dsp", "linalg", "progress", "random"],
    ),
    ("engine", &["audio", "dsp", "network", "random", "simd"]),
    (
        "formats",
        &[
            "audio", "calendar", "config", "engine", "files", "limits", "network", "protobuf",
            "random",
        ],
    ),
    ("pack", &["config", "files", "limits"]),
    // What two recordings are to each other.
    (
        "survey",
        &["audio", "data", "dsp", "number", "progress", "regress"],
    ),
    // 4
    (
        "training",
        &[
            "audio", "calendar", "config", "data", "device", "dsp", "files", "kernels", "limits",
            "linalg", "models", "network", "number", "progress", "regress", "report", "simd",
        ],
    ),
    // What plays: a run, a model file, a baseline, behind one name.
    (
        "playing",
        &[
            "audio", "config", "data", "device", "engine", "formats", "models", "network",
            "number", "progress", "regress", "report", "training",
        ],
    ),
    // 5 and 6
    ("commands", &["*"]),
    ("cli", &["*", "commands"]),
];

/// Not below anything.
const UPPER: [&str; 2] = ["commands", "cli"];

/// The rooms that know tensors. `src/base` cannot: its package has no such dependency.
const KNOW_TENSORS: [&str; 6] = [
    "kernels", "models", "device", "training", "playing", "commands",
];

/// Files that need each other, and why they may.
const CIRCLES: [&[&str]; 1] = [
    // A WaveNet can hold a whole network that computes its condition: real recursion.
    &["formats/nam/read.rs", "formats/nam/read_wavenet.rs"],
];

/// The two packages of the house that have rooms.
static PACKAGES: LazyLock<[Vec<Source>; 2]> = LazyLock::new(|| {
    let src = root().join("src");
    [
        sources(&src.join("base"), &[]),
        sources(&src, &["base", "studio"]),
    ]
});

/// The page's server, a package of its own.
static STUDIO: LazyLock<Vec<Source>> = LazyLock::new(|| sources(&root().join("src/studio"), &[]));

/// All of them.
fn all() -> impl Iterator<Item = &'static Source> {
    PACKAGES.iter().flatten().chain(STUDIO.iter())
}

/// The house's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The room a file stands in; `None` for the crate's own root.
fn room(source: &Source) -> Option<&str> {
    source.module.first().map(String::as_str)
}

/// Rooms that a file may not use and does.
fn upward(source: &Source) -> Vec<String> {
    let Some(room) = room(source) else {
        return Vec::new();
    };
    let (_, allowed) = MAY_USE
        .iter()
        .find(|(name, _)| *name == room)
        .unwrap_or_else(|| panic!("src/{room} has no place in the architecture table"));
    let fine = |used: &str| {
        used == room
            || allowed.contains(&used)
            || (allowed.contains(&"*") && !UPPER.contains(&used))
    };
    let is_room = |name: &str| MAY_USE.iter().any(|(room, _)| *room == name);
    let names = source.names.iter().chain(&source.names_in_tests);
    let used = names.chain(source.hands_on.values());
    let used: BTreeSet<&String> = used.filter_map(|path| path.first()).collect();
    let wrong = used.into_iter().filter(|used| is_room(used) && !fine(used));
    wrong
        .map(|used| format!("{} uses {used}", source.file.display()))
        .collect()
}

/// Whether a file names the tensor library, or the other package around its front door, where it
/// may not.
fn trespasses(source: &Source) -> Vec<String> {
    let room = room(source).unwrap_or("lib");
    let tensors = source.crates.iter().any(|name| name.starts_with("burn"));
    let around = source.crates.contains("effigy_base");
    let said = |what: &str| format!("{} names {what}", source.file.display());
    let tensors = (tensors && !KNOW_TENSORS.contains(&room)).then(|| said("burn"));
    let around = (around && room != "lib").then(|| said("effigy_base"));
    tensors.into_iter().chain(around).collect()
}

#[test]
fn imports_point_downwards() {
    let wrong: Vec<String> = PACKAGES.iter().flatten().flat_map(upward).collect();
    assert!(wrong.is_empty(), "imports that point upwards: {wrong:#?}");
}

#[test]
fn no_room_has_a_circle() {
    for sources in PACKAGES.iter().chain([&*STUDIO]) {
        let mut found = circles(sources);
        found.retain(|circle| {
            !CIRCLES.contains(&&circle.iter().map(String::as_str).collect::<Vec<_>>()[..])
        });
        assert!(found.is_empty(), "files that need each other: {found:#?}");
    }
}

#[test]
fn only_these_rooms_know_tensors() {
    let wrong: Vec<String> = PACKAGES.iter().flatten().flat_map(trespasses).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        dependencies("src/base")
            .iter()
            .all(|name| !name.starts_with("burn"))
    );
}

/// The studio is quick to build and knows no verb: it starts the program that it is part of.
#[test]
fn the_studio_stands_on_the_base_alone() {
    let named = dependencies("src/studio");
    let upper = |name: &&String| name.starts_with("burn") || *name == "effigy";
    assert!(named.contains(&"effigy-base".to_string()));
    assert_eq!(named.iter().find(upper), None);
}

/// What a package's own definition says it needs.
fn dependencies(package: &str) -> Vec<String> {
    let file = root().join(package).join("Cargo.toml");
    let file: toml::Table = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    file["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn every_file_says_its_subject() {
    for source in all() {
        let file = source.file.display();
        assert!(source.has_subject, "src/{file} does not say its subject");
    }
}

fn planted(file: &str, text: &str) -> Source {
    parse(Path::new(file), text)
}

#[test]
fn an_upward_import_is_found() {
    let found = |file: &str, text: &str| upward(&planted(file, text));
    assert_eq!(found("audio/a.rs", "use crate::training::x;").len(), 1);
    assert_eq!(found("dsp/a.rs", "use crate::{audio::A, cli::B};").len(), 1);
    let broken = "use crate::{\n    audio::A,\n    models::{\n        self, B\n    },\n};";
    assert_eq!(found("engine/a.rs", broken), ["engine/a.rs uses models"]);
    assert_eq!(
        found("commands/a.rs", "fn f() { crate::cli::f(); }").len(),
        1
    );
    let in_macro = "fn f() { assert!(crate::commands::f() == [1]); }";
    assert_eq!(found("models/a.rs", in_macro).len(), 1);
    assert_eq!(
        found("dsp/fft/a.rs", "use super::super::super::data::x;").len(),
        1
    );
    assert_eq!(found("dsp/a.rs", "pub use crate::cli::B;").len(), 1);
    assert!(found("audio/a.rs", "// crate::training is above").is_empty());
    assert!(found("training/a.rs", "use crate::data::pair::Span;").is_empty());
}

#[test]
fn a_circle_is_found() {
    let circle = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(file, text)| planted(file, text));
        circles(&files.collect::<Vec<_>>())
    };
    let two = [
        ("dsp/a.rs", "use super::{\n    b::B,\n};"),
        ("dsp/b.rs", "fn f() -> crate::dsp::a::A {}"),
    ];
    assert_eq!(circle(&two), [["dsp/a.rs", "dsp/b.rs"]]);
    // By way of a third.
    let three = [
        ("dsp/a.rs", "use super::b::B;"),
        ("dsp/b.rs", "use super::c::C;"),
        ("dsp/c.rs", "use super::a::A;"),
    ];
    assert_eq!(circle(&three).len(), 1);
    // What the front page defines, while it uses the page.
    let front = [
        ("dsp/mod.rs", "mod a;\nstruct S(a::A);"),
        ("dsp/a.rs", "use super::S;"),
    ];
    assert_eq!(circle(&front).len(), 1);
    // What the front page only hands on.
    let handed_on = [
        ("dsp/mod.rs", "mod a;\nmod b;\npub use a::A;"),
        ("dsp/a.rs", "struct A;"),
        ("dsp/b.rs", "use super::A;"),
    ];
    assert!(circle(&handed_on).is_empty());
    // Unit tests may look both ways.
    let tests = [
        ("dsp/a.rs", "use super::b::B;"),
        (
            "dsp/b.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::dsp::a::A;\n}",
        ),
    ];
    assert!(circle(&tests).is_empty());
}

#[test]
fn a_trespass_is_found() {
    let found = |file: &str, text: &str| trespasses(&planted(file, text)).len();
    assert_eq!(found("engine/a.rs", "use burn::prelude::*;"), 1);
    assert_eq!(found("cli/a.rs", "fn f(x: burn::tensor::Tensor<3>) {}"), 1);
    assert_eq!(found("models/a.rs", "use burn::prelude::*;"), 0);
    assert_eq!(
        found("commands/a.rs", "use effigy_base::{\n    audio\n};"),
        1
    );
}

/// These panic where a stream is closed or full: `cli/screen.rs` and `Ui::print` do not.
#[test]
fn nobody_prints_by_macro() {
    for source in all() {
        let prints = source.macros.iter().find(|name| {
            ["println", "print", "eprintln", "eprint", "dbg"].contains(&name.as_str())
        });
        let file = source.file.display();
        assert!(prints.is_none(), "src/{file} calls {prints:?}");
    }
}

/// Files that change a disk with their own hands, and why they may.
const WRITE: [&str; 4] = [
    // The layer through which everybody else does.
    "base/files/system.rs",
    // Where folders cannot be locked, a file in them is.
    "base/files/lock.rs",
    // It makes a folder of what a simulated power loss has left.
    "base/files/replay.rs",
    // It resets a counter of the kernel's, which looks like a file.
    "commands/bench_train/memory.rs",
];

/// Everything else goes through `files`, so that it survives a power loss and tests can make it
/// fail.
#[test]
fn only_the_files_room_changes_disks() {
    let src = root().join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let may = WRITE.iter().any(|allowed| inside == Path::new(allowed));
        let tests = inside.ends_with("tests.rs");
        let found = changes(&std::fs::read_to_string(&file).unwrap());
        assert!(
            may || tests || found.is_empty(),
            "{}: {found:?}",
            inside.display()
        );
    }
}

/// A folder may have any name; what is said of it in JSON may not fail for that.
#[test]
fn results_tell_paths_that_are_not_unicode() {
    let src = root().join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    for file in files
        .iter()
        .filter(|f| !f.starts_with(src.join("base/config")))
    {
        let found = refusing(&std::fs::read_to_string(file).unwrap());
        let file = file.display();
        assert!(found.is_empty(), "{file}: no serialize_with on {found:?}");
    }
}

#[test]
fn a_path_that_serde_would_refuse_is_found() {
    let found = refusing("#[derive(Serialize)] struct S { a: Option<PathBuf>, b: u8 }");
    assert_eq!(found, ["S.a"]);
    let told = "#[derive(Serialize)] struct S { #[serde(serialize_with = \"f\")] a: PathBuf }";
    assert!(refusing(told).is_empty());
    assert!(refusing("#[derive(Serialize, Deserialize)] struct S { a: PathBuf }").is_empty());
}

#[test]
fn a_change_of_the_disk_is_found() {
    let found = changes("fn f() { std::fs::write(p, b)?; File::create(p)?; fs::read(p)?; }");
    assert_eq!(found, ["fs::write", "File::create"]);
    assert!(changes("mod tests { fn f() { fs::remove_file(p); } }").is_empty());
}

/// An error's text leaves its reason to the chain, which the command line prints: else the reason
/// is said twice.
#[test]
fn no_error_says_its_source() {
    let wrong = repeats_in(&root().join("src"));
    assert!(
        wrong.is_empty(),
        "errors that say their reason twice: {wrong:#?}"
    );
}

#[test]
fn an_error_that_says_its_source_is_found() {
    let named = "enum E { #[error(\"{path}: {source}\")] A { path: u8, source: std::io::Error } }";
    assert_eq!(repeats(named), ["E::A"]);
    let by_place =
        "enum E { #[error(\"no: {0}\")] A(#[from] std::io::Error), #[error(\"{0}\")] B(u8) }";
    assert_eq!(repeats(by_place), ["E::A"]);
    let passed = "#[error(\"{}: no\", why)] struct E { #[source] why: F }";
    assert_eq!(repeats(passed), ["E"]);
    let fine = "enum E { #[error(transparent)] A(#[from] F), #[error(\"no\")] B(#[source] F) }";
    assert!(repeats(fine).is_empty());
}
