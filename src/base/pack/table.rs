//! A table of recordings, as CSV or TOML: which wet belongs to which dry, under which name, with
//! which settings. Knows no file but the table.

use super::error::PackError;
use super::error::refused;
use crate::config;
use crate::limits;
use std::collections::BTreeMap;
use std::path::Path;

/// The longest table read: room for a million rows.
const MAX_BYTES: usize = 256 << 20;

/// A row: cells by the heading they stand under; empty ones are left out.
pub type Row = BTreeMap<String, String>;

/// Reads a table: `.toml` (a list of tables, under whatever name) or CSV with headings (commas or
/// semicolons, quotes as in RFC 4180).
///
/// # Errors
/// It cannot be read or is no such table.
pub fn read(path: &Path) -> Result<Vec<Row>, PackError> {
    let text = limits::read_text(path, MAX_BYTES).map_err(refused(path))?;
    let text = text.trim_start_matches('\u{feff}');
    let is_toml = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    let rows = match is_toml {
        true => from_toml(text),
        false => from_csv(text),
    };
    let rows = rows.map_err(|(line, reason)| PackError::Parse {
        path: path.to_path_buf(),
        line: line.map_or_else(String::new, |line| format!(":{line}")),
        reason,
    })?;
    match rows.is_empty() {
        true => Err(PackError::wrong(path.display(), "has no row")),
        false => Ok(rows),
    }
}

/// The number that a cell or a part of a name holds, a percent sign aside; `None` where it is none.
pub fn number(text: &str) -> Option<f64> {
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
    number.filter(|number| number.is_finite())
}

type Fault = (Option<usize>, String);

fn from_toml(text: &str) -> Result<Vec<Row>, Fault> {
    config::check_nesting(text, Path::new("")).map_err(|e| (None, e.to_string()))?;
    let root: toml::Table = toml::from_str(text).map_err(|e| {
        let line = e.span().map(|s| text[..s.start].matches('\n').count() + 1);
        (line, e.message().replace('\n', " "))
    })?;
    let mut lists = root.values().filter_map(toml::Value::as_array);
    let list = lists
        .next()
        .ok_or((None, "holds no list of tables".to_string()))?;
    let row = |value: &toml::Value| {
        let table = value.as_table()?;
        let cell = |(key, value): (&String, &toml::Value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_string);
            (key.clone(), text)
        };
        Some(table.iter().map(cell).collect())
    };
    let rows = list.iter().map(row).collect::<Option<_>>();
    rows.ok_or((
        None,
        "its list holds something that is no table".to_string(),
    ))
}

fn from_csv(text: &str) -> Result<Vec<Row>, Fault> {
    let first = text.lines().next().unwrap_or_default();
    let comma = match first.contains(';') && !first.contains(',') {
        true => ';',
        false => ',',
    };
    let mut records = records(text, comma)?.into_iter();
    let (_, headings) = records.next().ok_or((None, "is empty".to_string()))?;
    let headings: Vec<String> = headings.iter().map(|h| h.trim().to_lowercase()).collect();
    let mut rows = Vec::new();
    for (line, cells) in records {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if cells.len() != headings.len() {
            let reason = format!(
                "has {} cells under {} headings",
                cells.len(),
                headings.len()
            );
            return Err((Some(line), reason));
        }
        let cells = cells.iter().map(|cell| cell.trim().to_string());
        let row = headings.iter().cloned().zip(cells);
        rows.push(row.filter(|(_, cell)| !cell.is_empty()).collect());
    }
    Ok(rows)
}

/// Records with the line, from 1, that each begins on.
fn records(text: &str, comma: char) -> Result<Vec<(usize, Vec<String>)>, Fault> {
    let mut all = Vec::new();
    let (mut record, mut cell, mut line, mut begun) = (Vec::new(), String::new(), 1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if cell.trim().is_empty() => {
                cell.clear();
                loop {
                    match chars.next() {
                        Some('"') if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                        Some('"') => break,
                        Some(c) => {
                            line += usize::from(c == '\n');
                            cell.push(c);
                        }
                        None => return Err((Some(begun), "a quote is not closed".to_string())),
                    }
                }
            }
            '\n' => {
                record.push(std::mem::take(&mut cell));
                all.push((begun, std::mem::take(&mut record)));
                line += 1;
                begun = line;
            }
            '\r' => {}
            c if c == comma => record.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        all.push((begun, record));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, text: &str) -> Result<Vec<Row>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn rows_of_every_dialect_are_the_same() {
        let row = |wet: &str, gain: &str| {
            let cells = [("wet", wet), ("gain", gain)];
            Row::from(cells.map(|(k, v)| (k.to_string(), v.to_string())))
        };
        let wanted = Ok(vec![row("a, b.wav", "0.5"), row("say \"c\".wav", "1")]);
        for (name, text) in [
            (
                "t.csv",
                "wet,gain\n\"a, b.wav\",0.5\n\"say \"\"c\"\".wav\",1\n",
            ),
            (
                "t.csv",
                "\u{feff}Wet;Gain\r\na, b.wav; 0.5\r\n\r\n\"say \"\"c\"\".wav\";1",
            ),
            (
                "t.toml",
                "[[pair]]\nwet = \"a, b.wav\"\ngain = 0.5\n[[pair]]\nwet = 'say \"c\".wav'\ngain = 1\n",
            ),
        ] {
            assert_eq!(table(name, text), wanted, "{text}");
        }
    }

    #[test]
    fn faults_name_file_and_line() {
        let said = |name, text| table(name, text).unwrap_err();
        assert!(said("t.csv", "a,b\n1,2\n1\n").contains("t.csv:3: has 1 cells under 2"));
        assert!(said("t.csv", "a,b\n\"1,2\n").contains(":2: a quote"));
        assert!(said("t.csv", "a,b\n").contains("has no row"));
        assert!(said("t.toml", "x = 1").contains("no list"));
        assert!(said("t.toml", "x = [1]").contains("no table"));
        assert!(said("t.toml", "x = ").contains(":1"));
    }
}
