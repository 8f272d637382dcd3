//! Which recordings belong together: named one by one, in a table, or found in a folder by their names;
//! and where the knobs stood. Knows names, not sounds.

use crate::network::KnobRange;
use crate::pack::pattern::Pattern;
use crate::pack::table;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One dry and one wet recording.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) dry: PathBuf,
    pub(super) wet: PathBuf,
    /// Where the knobs stood, by name.
    pub(super) knobs: BTreeMap<String, f64>,
}

/// Endings of sound files that are read.
const ENDINGS: [&str; 7] = ["wav", "aif", "aiff", "flac", "mp3", "ogg", "oga"];

/// Words in a name that say which side a file is.
const DRY: [&str; 6] = ["dry", "input", "in", "clean", "di", "unprocessed"];
const WET: [&str; 7] = [
    "wet",
    "output",
    "out",
    "target",
    "processed",
    "reamped",
    "reamp",
];

/// Pairs that were named: each wet with its dry, or all wets with the one dry.
///
/// # Errors
/// Their numbers do not match.
pub(super) fn named(dry: &[PathBuf], wet: &[PathBuf]) -> Result<Vec<Named>> {
    ensure!(
        !dry.is_empty() && !wet.is_empty(),
        "no recordings; give --dry and --wet, --pairs FOLDER, or --table FILE.csv"
    );
    ensure!(
        dry.len() == 1 || dry.len() == wet.len(),
        "{} dry and {} wet recordings; give as many --dry as --wet, in the same order, or one --dry for \
         all",
        dry.len(),
        wet.len()
    );
    let dry = dry.iter().cycle();
    let pairs = dry
        .zip(wet)
        .map(|(dry, wet)| pair(dry.clone(), wet.clone()));
    Ok(pairs.collect())
}

fn pair(dry: PathBuf, wet: PathBuf) -> Named {
    Named {
        dry,
        wet,
        knobs: BTreeMap::new(),
    }
}

/// The pairs of a folder: names that differ by a word for the side alone ("riff-dry.wav",
/// "riff-wet.wav"; or equal names in folders called so), and where there is one dry recording only,
/// all others with it.
///
/// # Errors
/// A folder that cannot be read, names no pair, or leaves a file over.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<Named>> {
    let mut sides: BTreeMap<bool, BTreeMap<String, PathBuf>> = BTreeMap::new();
    let mut unnamed = Vec::new();
    for file in sounds(folder)? {
        let name = file.strip_prefix(folder).unwrap_or(&file);
        match side(name) {
            Some((is_dry, rest)) => {
                let twice = sides.entry(is_dry).or_default().insert(rest, file.clone());
                if let Some(other) = twice {
                    bail!(
                        "{} and {} have the same name but for the side; pair them with --dry and --wet",
                        other.display(),
                        file.display()
                    );
                }
            }
            None => unnamed.push(file),
        }
    }
    let dry = sides.remove(&true).unwrap_or_default();
    let mut wet = sides.remove(&false).unwrap_or_default();
    if dry.len() == 1 {
        let (_, only) = dry.into_iter().next().unwrap_or_default();
        let all = wet.into_values().chain(unnamed);
        let pairs: Vec<Named> = all.map(|wet| pair(only.clone(), wet)).collect();
        ensure!(
            !pairs.is_empty(),
            "{}: no wet recording beside {}",
            folder.display(),
            only.display()
        );
        return Ok(pairs);
    }
    let mut pairs = Vec::new();
    for (rest, dry) in dry {
        let wet = wet.remove(&rest).with_context(|| {
            format!(
                "{}: no wet recording of the same name; {HOW}",
                dry.display()
            )
        })?;
        pairs.push(pair(dry, wet));
    }
    let left = wet.into_values().chain(unnamed).next();
    if let Some(left) = left {
        bail!(
            "{}: no dry recording of the same name; {HOW}",
            left.display()
        );
    }
    ensure!(
        !pairs.is_empty(),
        "{}: no pair of recordings; {HOW}",
        folder.display()
    );
    Ok(pairs)
}

const HOW: &str =
    "name both alike but for the words dry and wet, or list them in a table (--table)";

/// Sound files of a folder and of those in it that are called after a side, by name.
fn sounds(folder: &Path) -> Result<Vec<PathBuf>> {
    let at = || folder.display().to_string();
    ensure!(
        !folder.is_file(),
        "{}: --pairs takes a folder; a table of recordings is given with --table, one recording with \
         --dry and --wet",
        folder.display()
    );
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(at)? {
        let path = entry.with_context(at)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let is_side = |names: &[&str]| names.contains(&name.as_str());
        if path.is_dir() && (is_side(&DRY) || is_side(&WET)) {
            for inner in fs::read_dir(&path).with_context(at)? {
                found.push(inner.with_context(at)?.path());
            }
        } else {
            found.push(path);
        }
    }
    found.retain(|path| {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        path.is_file() && ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
    });
    found.sort();
    Ok(found)
}

/// Which side a name says it is, and the rest of the name.
fn side(name: &Path) -> Option<(bool, String)> {
    let name = name.with_extension("").to_string_lossy().to_lowercase();
    let is_word = |c: char| c.is_alphanumeric();
    let words: Vec<&str> = name
        .split(|c| !is_word(c))
        .filter(|w| !w.is_empty())
        .collect();
    let found = words
        .iter()
        .rposition(|w| DRY.contains(w) || WET.contains(w))?;
    let rest = words.iter().enumerate().filter(|(at, _)| *at != found);
    let rest: Vec<&str> = rest.map(|(_, word)| *word).collect();
    Some((DRY.contains(&words[found]), rest.join(" ")))
}

/// The pairs of a table (see [`table::read`]): columns `dry` and `wet`, and one for each knob; files as
/// seen from the table.
///
/// # Errors
/// Names the row and what is wrong with it.
pub(super) fn in_table(path: &Path) -> Result<Vec<Named>> {
    let beside = path.parent().unwrap_or(Path::new(""));
    let rows = table::read(path)?.into_iter().enumerate();
    let rows = rows.map(|(at, mut row)| {
        let place = || format!("{}: row {}", path.display(), at + 1);
        let mut file = |side: &str| {
            let cell = row.remove(side);
            let cell = cell.with_context(|| format!("{}: no cell under {side}", place()))?;
            anyhow::Ok(beside.join(cell))
        };
        let (dry, wet) = (file("dry")?, file("wet")?);
        let knobs = numbers(row).with_context(place)?;
        Ok(Named { dry, wet, knobs })
    });
    rows.collect()
}

/// Reads the knobs of each pair off its wet file's name by a pattern such as "amp-g{gain}-t{tone}".
///
/// # Errors
/// A name that the pattern does not fit, a knob that is no number.
pub(super) fn read_knobs(pairs: &mut [Named], pattern: &str) -> Result<()> {
    let pattern = Pattern::parse(pattern)?;
    for named in pairs {
        let file = named.wet.file_name().unwrap_or_default().to_string_lossy();
        let read = |name: &str| numbers(pattern.read(name)?);
        let knobs = read(&file).or_else(|why| read(&without_side(&file)).map_err(|_| why));
        named.knobs = knobs.with_context(|| named.wet.display().to_string())?;
    }
    Ok(())
}

/// A file's name without the last word that says which side it is: "amp-g5-wet.wav" → "amp-g5.wav".
fn without_side(file: &str) -> String {
    let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    let is_word = |c: char| c.is_alphanumeric();
    let mut words: Vec<&str> = stem.split_inclusive(|c| !is_word(c)).collect();
    let says_side = |word: &&str| {
        let word = word.trim_end_matches(|c| !is_word(c)).to_lowercase();
        WET.contains(&word.as_str())
    };
    if let Some(at) = words.iter().rposition(says_side) {
        words.remove(at);
    }
    let left = words.concat();
    format!("{}.{ending}", left.trim_end_matches(|c| !is_word(c)))
}

/// Where knobs stood, from what was written of it.
fn numbers(cells: BTreeMap<String, String>) -> Result<BTreeMap<String, f64>> {
    let number = |(name, text): (String, String)| {
        let value = table::number(&text);
        let value =
            value.with_context(|| format!("{name} is {text:?}; a knob stands at a number"))?;
        Ok((name, value))
    };
    cells.into_iter().map(number).collect()
}

/// The numbers of each knob that a network is to hear as 0 and 1, where they are others.
pub(super) fn knob_ranges(pairs: &[Named]) -> Vec<(String, [f64; 2])> {
    let names = pairs.first().into_iter().flat_map(|pair| pair.knobs.keys());
    let range = |name: &String| {
        let numbers = pairs
            .iter()
            .filter_map(|pair| pair.knobs.get(name).copied());
        Some((name.clone(), KnobRange::covering(numbers)?))
    };
    names.filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    fn found(names: &[&str]) -> Result<Vec<(String, String)>> {
        let dir = folder(names);
        let shown = |path: &Path| path.strip_prefix(dir.path()).unwrap().display().to_string();
        let pairs = in_folder(dir.path())?;
        Ok(pairs
            .iter()
            .map(|p| (shown(&p.dry), shown(&p.wet)))
            .collect())
    }

    #[test]
    fn names_that_differ_by_the_side_are_pairs() {
        let two = found(&[
            "a-dry.wav",
            "a-wet.wav",
            "b_Input.flac",
            "b_output.wav",
            "notes.txt",
        ]);
        let of = |d: &str, w: &str| (d.to_string(), w.to_string());
        assert_eq!(
            two.unwrap(),
            [
                of("a-dry.wav", "a-wet.wav"),
                of("b_Input.flac", "b_output.wav")
            ]
        );
        let folders = found(&["dry/x.wav", "dry/y.wav", "wet/x.wav", "wet/y.wav"]).unwrap();
        assert_eq!(
            folders,
            [of("dry/x.wav", "wet/x.wav"), of("dry/y.wav", "wet/y.wav")]
        );
        let one = found(&["dry.wav", "amp-g1.wav", "amp-g5.wav"]).unwrap();
        assert_eq!(
            one,
            [of("dry.wav", "amp-g1.wav"), of("dry.wav", "amp-g5.wav")]
        );
    }

    #[test]
    fn what_has_no_partner_is_named() {
        for (names, said) in [
            (&["a-dry.wav", "b-dry.wav", "a-wet.wav"][..], "b-dry.wav"),
            (
                &[
                    "a-dry.wav",
                    "b-dry.wav",
                    "a-wet.wav",
                    "b-wet.wav",
                    "c-wet.wav",
                ],
                "c-wet.wav",
            ),
            (&["x.wav"], "x.wav"),
            (&["notes.txt"], "no pair"),
            (&["dry.wav"], "no wet"),
        ] {
            let error = format!("{:#}", found(names).unwrap_err());
            assert!(error.contains(said), "{names:?}: {error}");
        }
    }

    #[test]
    fn knobs_are_read_off_names_and_tables() {
        let mut pairs = named(
            &["d.wav".into()],
            &["amp-g2.5-t10.wav".into(), "amp-g5-t0.wav".into()],
        )
        .unwrap();
        read_knobs(&mut pairs, "amp-g{gain}-t{tone}").unwrap();
        assert_eq!(pairs[0].knobs["gain"], 2.5);
        assert_eq!(
            knob_ranges(&pairs),
            [
                ("gain".to_string(), [2.5, 5.0]),
                ("tone".to_string(), [0.0, 10.0])
            ]
        );
        let turned = |number: f64| {
            let mut pair = pairs[0].clone();
            pair.knobs = [("gain".to_string(), number)].into();
            pair
        };
        assert_eq!(knob_ranges(&[turned(0.25), turned(1.0)]), []);
        assert_eq!(knob_ranges(&[turned(7.0)])[0].1, [0.0, 7.0]);
        assert_eq!(
            knob_ranges(&[turned(-36.0), turned(-18.0)])[0].1,
            [-36.0, -18.0]
        );
        let mut sides = named(&["d.wav".into()], &["amp-g5-Wet.wav".into()]).unwrap();
        read_knobs(&mut sides, "amp-g{gain}").unwrap();
        assert_eq!(sides[0].knobs["gain"], 5.0);
        read_knobs(&mut sides, "amp-g{gain}-Wet").unwrap();
        assert_eq!(sides[0].knobs["gain"], 5.0);
        for wrong in [
            "amp-{gain}",
            "x{gain}-t{tone}",
            "amp",
            "amp-g{gain}{tone}",
            "{",
        ] {
            assert!(read_knobs(&mut pairs, wrong).is_err(), "{wrong}");
        }
        let dir = folder(&[]);
        let table = dir.path().join("t.csv");
        fs::write(
            &table,
            "wet,dry,gain\n\"a, b.wav\",d.wav,3\nc.wav,d.wav,4\n",
        )
        .unwrap();
        let read = in_table(&table).unwrap();
        assert_eq!(read[0].wet, dir.path().join("a, b.wav"));
        assert_eq!((read.len(), read[1].knobs["gain"]), (2, 4.0));
        for (wrong, said) in [
            ("wet,gain\na,1\n", "row 1: no cell under dry"),
            ("dry,wet\na\n", ":2: has 1 cells"),
            ("dry,wet,g\na,b,loud\n", "g is \"loud\""),
            ("dry,wet\n", "has no row"),
        ] {
            fs::write(&table, wrong).unwrap();
            let error = format!("{:#}", in_table(&table).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
    }
}
