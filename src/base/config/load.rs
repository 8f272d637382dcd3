//! From a TOML file and `--set` overrides to a checked [`Config`].

use super::nesting::{self, MAX_OPEN};
use super::{Config, ConfigError, ModelConfig, import};
use crate::limits;
use std::path::Path;
use toml::{Table, Value};

/// The longest config read: room for some thousand pairs of recordings.
const MAX_BYTES: usize = 4 << 20;

/// The deepest key of an override: deeper than any table of a config.
const MAX_DEPTH: usize = 16;

/// Reads `path`, applies `overrides` (`a.b=c`) in order, makes paths absolute, checks.
///
/// # Errors
/// Names the file and line, the key, or the override that is wrong.
pub fn load(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
    let text = read(path)?;
    finish(parse(&text, path, overrides)?, path)
}

/// As [`load`] for a network that came from a file: `[model]` may be left out or agree with it.
///
/// # Errors
/// As [`load`]; names the first key of `[model]` that the file contradicts.
pub fn load_onto(
    path: &Path,
    overrides: &[String],
    imported: &ModelConfig,
) -> Result<Config, ConfigError> {
    let text = read(path)?;
    check_nesting(&text, path)?;
    let wrong = |error: toml::de::Error| parse_error(&text, path, &error);
    let mut root: Table = toml::from_str(&text).map_err(wrong)?;
    for given in overrides {
        set(&mut root, given)?;
    }
    import::complete(&mut root, imported)?;
    finish(root.try_into().map_err(wrong)?, path)
}

/// A config that stands in memory: `overrides` (`a.b=c`) applied in order, paths made absolute as if
/// it had been read from `path`, checked.
///
/// # Errors
/// As [`load`].
pub fn of_table(mut root: Table, overrides: &[String], path: &Path) -> Result<Config, ConfigError> {
    for given in overrides {
        set(&mut root, given)?;
    }
    let config = root.try_into();
    finish(config.map_err(|error| parse_error("", path, &error))?, path)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    limits::read_text(path, MAX_BYTES).map_err(|source| ConfigError::Read {
        path: path.to_path_buf(),
        source,
    })
}

/// Paths made absolute, values checked.
fn finish(mut config: Config, path: &Path) -> Result<Config, ConfigError> {
    let absolute = std::path::absolute(path).map_err(|source| ConfigError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    config
        .data
        .resolve_paths(absolute.parent().unwrap_or(Path::new("/")));
    config.check()?;
    Ok(config)
}

/// Parses TOML; `path` only names the source in messages. Paths stay as written.
///
/// # Errors
/// As [`load`], without the range check.
pub fn parse(text: &str, path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
    check_nesting(text, path)?;
    let wrong = |error: toml::de::Error| parse_error(text, path, &error);
    if overrides.is_empty() {
        // Straight from the text: errors then know their line.
        return toml::from_str(text).map_err(wrong);
    }
    let mut root: Table = toml::from_str(text).map_err(wrong)?;
    for given in overrides {
        set(&mut root, given)?;
    }
    root.try_into().map_err(wrong)
}

/// Refuses a text in TOML that would take the parser's stack.
///
/// # Errors
/// Names the line.
pub fn check_nesting(text: &str, path: &Path) -> Result<(), ConfigError> {
    match nesting::too_deep(text) {
        None => Ok(()),
        Some(line) => Err(ConfigError::Parse {
            path: path.to_path_buf(),
            line: format!(":{line}"),
            message: format!("more than {MAX_OPEN} brackets are open; close them"),
        }),
    }
}

fn parse_error(text: &str, path: &Path, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or_else(String::new, |span| {
        let before = text.get(..span.start).unwrap_or(text);
        format!(":{}", before.matches('\n').count() + 1)
    });
    ConfigError::Parse {
        path: path.to_path_buf(),
        line,
        message: format!(
            "{}{}",
            error.message().replace('\n', " "),
            hint(text, error)
        ),
    }
}

/// What to do about a fault that a backslash made: in double quotes it begins an escape, and
/// Windows' paths are full of them.
fn hint(text: &str, error: &toml::de::Error) -> &'static str {
    let line = error.span().and_then(|span| {
        let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        text.get(start..)?.lines().next()
    });
    let about = ["escape", "unicode"].map(|word| error.message().contains(word));
    let quoted = line.and_then(|line| line.split_once('"'));
    match quoted.filter(|_| about.contains(&true)) {
        Some((_, value)) if value.contains('\\') => {
            "; a backslash in \"…\" begins an escape: write a Windows path in single quotes \
             ('C:\\Users\\me\\dry.wav') or with forward slashes"
        }
        _ => "",
    }
}

/// Sets `table.key=value`; a number in the path indexes a list of tables.
fn set(root: &mut Table, given: &str) -> Result<(), ConfigError> {
    let fail = |reason: String| ConfigError::Override {
        given: given.to_string(),
        reason,
    };
    let (key, text) = given
        .split_once('=')
        .ok_or_else(|| fail("has no '='".to_string()))?;
    let mut names: Vec<&str> = key.trim().split('.').collect();
    if names.len() > MAX_DEPTH {
        // Not shown in full: the table nests beyond use, and its text with it.
        let depth = format!(
            "names a key {} tables deep; at most {MAX_DEPTH}",
            names.len()
        );
        return Err(ConfigError::Override {
            given: format!("{}.…", names[..3].join(".")),
            reason: depth,
        });
    }
    let last = names.pop().filter(|name| !name.is_empty());
    let last = last.ok_or_else(|| fail("names no key".to_string()))?;
    let mut table = root;
    let mut names = names.into_iter().peekable();
    while let Some(name) = names.next() {
        let entry = table
            .entry(name)
            .or_insert_with(|| Value::Table(Table::new()));
        table = match entry {
            Value::Table(inner) => inner,
            Value::Array(list) => {
                let count = list.len();
                let index = names.next().and_then(|i| i.parse::<usize>().ok());
                index
                    .and_then(|i| list.get_mut(i))
                    .and_then(Value::as_table_mut)
                    .ok_or_else(|| fail(format!("{name} is a list of {count}; write {name}.0")))?
            }
            _ => return Err(fail(format!("{name} is a value, not a table"))),
        };
    }
    table.insert(last.to_string(), value_of(text.trim()));
    Ok(())
}

/// A TOML value where it parses as one, else the text itself (so quotes may be left out).
fn value_of(text: &str) -> Value {
    let parsed = match nesting::too_deep(text) {
        None => toml::from_str::<Table>(&format!("v = {text}")).ok(),
        Some(_) => None,
    };
    parsed
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Latency, ModelConfig, Position, Schedule};

    const TEXT: &str = r#"
name = "x"
[data]
root = "rec"
latency = 3
[[data.train]]
dry = "d.wav"
wet = "w.wav"
to = "80%"
[model]
kind = "conv"
channels = 8
[training]
schedule = { kind = "exponential", factor = 0.99 }
"#;

    fn parsed(overrides: &[&str]) -> Result<Config, ConfigError> {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        parse(TEXT, Path::new("x.toml"), &overrides)
    }

    #[test]
    fn values_defaults_and_overrides() {
        let config =
            parsed(&["training.epochs=7", "data.train.0.wet=other.wav", "seed=9"]).unwrap();
        assert_eq!(config.training.epochs, 7);
        assert_eq!(config.seed, 9);
        assert_eq!(config.data.latency, Latency::Samples(3));
        assert_eq!(config.data.train[0].wet, Some("other.wav".into()));
        assert_eq!(config.data.train[0].to, Some(Position::Percent(80.0)));
        assert_eq!(
            config.training.schedule,
            Schedule::Exponential { factor: 0.99 }
        );
        let ModelConfig::Conv(conv) = &config.model else {
            panic!("{:?}", config.model)
        };
        assert_eq!((conv.channels, conv.kernel_size), (8, 50));
        config.check().unwrap();
    }

    #[test]
    fn a_saved_config_reads_back_equal() {
        let config = parsed(&[]).unwrap();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(parse(&text, Path::new("y.toml"), &[]).unwrap(), config);
    }

    #[test]
    fn unknown_keys_are_refused_everywhere() {
        for key in [
            "nmae=1",
            "data.x=1",
            "data.train.0.x=1",
            "model.x=1",
            "training.x=1",
        ] {
            let error = parsed(&[key]).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{key}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn messages_name_line_key_and_range() {
        let error = parse("name = \"a\"\n[data]\nfoo = 1\n", Path::new("c.toml"), &[]);
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("c.toml:3"), "{text}");
        let error = parsed(&["model.channels=0"]).unwrap().check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "config key model.channels is 0; allowed: 1 to 4096"
        );
        for bad in ["epochs", "=3", "name.x=1", "data.train.7.dry=a"] {
            assert!(
                matches!(parsed(&[bad]), Err(ConfigError::Override { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn paths_start_at_the_config_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, TEXT).unwrap();
        let config = load(&path, &[]).unwrap();
        assert_eq!(config.data.train[0].dry, Some(dir.path().join("rec/d.wav")));
        assert_eq!(config.data.root, None);
    }
}
