//! Makes a pack out of one dry and many wet recordings, a table of pairs, or a config to sweep.

use super::status::BASE;
use crate::commands::check;
use crate::commands::new::{self as one, relative};
use crate::config::{self, Budget, Config, MetadataConfig, Player};
use crate::files::{self, system};
use crate::network::KnobRange;
use crate::pack::description::{self, SHARED, as_name};
use crate::pack::pattern::Pattern;
use crate::pack::sweep::{self, Axis, Point};
use crate::pack::table::{self, Row};
use crate::pack::{Description, Entry, Pack};
use crate::progress::{Event, Observer};
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Make a pack: one dry and many wets, a table of pairs, or a config to sweep
///
/// Writes pack.toml (the jobs) and shared.toml (the settings of all) into FOLDER. Without --config
/// the settings are those that `effigy new` suggests for the first pair.
///
/// Examples:
///   effigy pack new amps --dry di.wav wets/*.wav --pattern '{gear}-{channel}-g{gain}.wav'
///   effigy pack new amps --table captures.csv --licence CC-BY-4.0 --modeled-by me
///   effigy pack new comp --table amounts.csv --knobs amount
///   effigy pack new sizes --config amp.toml --vary model.hidden_size=16,24,40 --vary seed=1..3
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The pack's folder
    pub folder: PathBuf,
    /// Wet recordings of one dry recording
    #[arg(value_name = "WET", requires = "dry", conflicts_with = "table")]
    pub wets: Vec<PathBuf>,
    /// The recording without the effect, for all that name none
    #[arg(long)]
    pub dry: Option<PathBuf>,
    /// What the wets' names say: {gear}-{channel}-g{gain}.wav
    #[arg(long, requires = "wets")]
    pub pattern: Option<String>,
    /// A CSV or TOML table with the columns wet, and where wanted dry, name, channel, latency; all
    /// others are values
    #[arg(long)]
    pub table: Option<PathBuf>,
    /// Values that are knobs of one network instead of networks of their own
    #[arg(long, value_delimiter = ',', value_name = "VALUES")]
    pub knobs: Vec<String>,
    /// Settings of all jobs [default: what `effigy new` suggests for the first pair]
    #[arg(long, short)]
    pub config: Option<PathBuf>,
    /// Override a key of the settings, such as training.epochs=50; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Train every job with each of these values: model.hidden_size=16,24,40 or seed=1..3; several
    /// make a grid
    #[arg(long, value_name = "KEY=VALUES")]
    pub vary: Vec<String>,
    /// So many random points of the grid; ranges such as training.learning_rate=1e-4..1e-2 are then
    /// allowed
    #[arg(long, value_name = "N", requires = "vary")]
    pub sample: Option<usize>,
    /// Seed of --sample
    #[arg(long, default_value_t = 1)]
    pub sample_seed: u64,
    /// The delay of every wet: auto (measured, each its own), fractional, or so many samples
    /// [default: auto, and 0 where the first pair's cannot be measured; with --config, the config's]
    #[arg(
        long,
        value_name = "auto|fractional|SAMPLES",
        allow_hyphen_values = true
    )]
    pub latency: Option<String>,
    /// Under which licence the models are given away; told in the archive
    #[arg(long)]
    pub licence: Option<String>,
    /// What exported files say
    #[command(flatten)]
    pub metadata: MetadataConfig,
    /// Write over an existing pack.toml and shared.toml; what was trained stays
    #[arg(long)]
    pub force: bool,
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The pack.
    #[serde(serialize_with = "crate::files::path_text")]
    pub folder: PathBuf,
    /// What is trained with: the suggestion's words, or the config's name.
    pub settings: String,
    /// Names of the jobs.
    pub jobs: Vec<String>,
}

/// Reads, suggests, writes.
///
/// # Errors
/// Recordings or settings that no training could use; a pack that exists.
pub fn new(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let folder = &request.folder;
    let described = folder.join(description::FILE);
    ensure!(
        request.force || !described.exists(),
        "{} exists; name another folder, or give --force to write it anew",
        described.display()
    );
    let captures = captures(request)?;
    ensure!(
        !captures.is_empty() || request.config.is_some(),
        "nothing to train; give --dry and wet recordings, --table, or --config"
    );
    let axes: Vec<Axis> = request
        .vary
        .iter()
        .map(|given| Axis::parse(given))
        .collect::<Result<_, _>>()?;
    let points = sweep::points(&axes, request.sample, request.sample_seed)?;
    system::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let settings = write_shared(request, captures.first(), observer)?;
    let entries = entries(request, &captures)?;
    let description = Description {
        name: folder_name(folder),
        shared: SHARED.to_string(),
        licence: request.licence.clone(),
        job: distinct(swept(&entries, &points)),
    };
    Pack::write(folder, &description)?;
    // What was written must be what training takes.
    let pack = Pack::open(folder)?;
    for entry in &pack.description.job {
        pack.config(entry)?;
    }
    Ok(Outcome {
        folder: folder.clone(),
        settings,
        jobs: description
            .job
            .into_iter()
            .map(|entry| entry.name)
            .collect(),
    })
}

fn folder_name(folder: &Path) -> String {
    let absolute = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    let name = absolute
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "pack".to_string())
}

/// A wet recording with what is known of it.
struct Capture {
    dry: PathBuf,
    wet: PathBuf,
    name: String,
    values: BTreeMap<String, String>,
    channel: Option<i64>,
    latency: Option<String>,
}

fn captures(request: &Request) -> Result<Vec<Capture>> {
    if let Some(path) = &request.table {
        let beside = system::folder_of(path);
        let rows = table::read(path)?.into_iter().enumerate();
        let rows = rows.map(|(at, row)| {
            let place = || format!("{}: row {}", path.display(), at + 1);
            of_row(row, beside, request.dry.as_deref()).with_context(place)
        });
        return rows.collect();
    }
    let pattern = request.pattern.as_deref().map(Pattern::parse).transpose()?;
    let Some(dry) = &request.dry else {
        return Ok(Vec::new());
    };
    let of_wet = |wet: &PathBuf| {
        let file = wet.file_name().unwrap_or_default().to_string_lossy();
        let values = pattern
            .as_ref()
            .map(|pattern| pattern.read(&file))
            .transpose()?;
        Ok(Capture {
            dry: dry.clone(),
            wet: wet.clone(),
            name: stem(wet),
            values: values.unwrap_or_default(),
            channel: None,
            latency: None,
        })
    };
    request.wets.iter().map(of_wet).collect()
}

fn stem(path: &Path) -> String {
    as_name(&path.file_stem().unwrap_or_default().to_string_lossy())
}

/// Files of a table stand beside it.
fn of_row(mut row: Row, beside: &Path, dry: Option<&Path>) -> Result<Capture> {
    let wet = row.remove("wet").context("has no cell under wet")?;
    let wet = beside.join(wet);
    let own = row.remove("dry").map(|own| beside.join(own));
    let dry = own.or_else(|| dry.map(Path::to_path_buf));
    let channel = row.remove("channel").map(|text| text.parse());
    Ok(Capture {
        dry: dry.context("has no cell under dry; add one, or give --dry")?,
        name: row
            .remove("name")
            .map_or_else(|| stem(&wet), |name| as_name(&name)),
        wet,
        channel: channel.transpose().context("channel is no number")?,
        latency: row.remove("latency"),
        values: row,
    })
}

/// Writes the shared settings and says what they are.
fn write_shared(
    request: &Request,
    first: Option<&Capture>,
    observer: &dyn Observer,
) -> Result<String> {
    let path = request.folder.join(SHARED);
    let mut overrides = request.overrides.clone();
    let (settings, made) = match (&request.config, first) {
        (Some(config), _) => (config.display().to_string(), config.clone()),
        (None, Some(first)) => {
            let made = one::new(
                &one::Request {
                    name: path.clone(),
                    dry: vec![first.dry.clone()],
                    wet: vec![first.wet.clone()],
                    pairs: None,
                    table: None,
                    knobs: None,
                    // A search takes as long as a training, and is decided by time: a pack trains what the first
                    // pair's kind of effect asks for, every job the same, to the same bits.
                    budget: Some(Budget::None),
                    player: Player::default(),
                    latency_samples: first.latency.as_ref().and_then(|text| text.parse().ok()),
                    channel: first
                        .channel
                        .and_then(|channel| u16::try_from(channel).ok()),
                    force: request.force,
                },
                observer,
            )?;
            overrides.push(format!(
                "data.latency={}",
                latency(request, &made.check, observer)
            ));
            (made.summary, made.config)
        }
        (None, None) => bail!("no settings; give --config"),
    };
    if request.config.is_some()
        && let Some(latency) = &request.latency
    {
        overrides.push(format!("data.latency={latency}"));
    }
    let mut config = config::load(&made, &overrides)?;
    if request.config.is_none() {
        config.search = None;
    }
    config.metadata = request.metadata.clone().or(config.metadata);
    config.metadata.check()?;
    if first.is_some() {
        let data = &mut config.data;
        // Every job has its own; one that is checked wants some.
        (data.valid, data.test) = (Vec::new(), Vec::new());
    }
    let text = text(&config, &path, first.is_some())?;
    files::write(&path, text.as_bytes()).with_context(|| path.display().to_string())?;
    Ok(settings)
}

/// The latency to write when nothing is said: every job measures its own, unless that of the first cannot
/// be told from what it plays. Then as `effigy new` does: 0, which both sides have that were recorded
/// in one session.
fn latency(request: &Request, first: &check::Outcome, observer: &dyn Observer) -> String {
    if let Some(given) = &request.latency {
        return given.clone();
    }
    if first.placed_latency().is_some() {
        return "auto".to_string();
    }
    let note = "latency 0 for every job: the first pair's cannot be measured with confidence, and 0 is safe \
                when both sides were recorded in one session; give --latency, or a column latency, if you \
                know it";
    observer.event(Event::Note(note));
    "0".to_string()
}

/// The config as the pack's folder sees it.
fn text(config: &Config, path: &Path, own_pairs: bool) -> Result<String> {
    let mut config = config.clone();
    let data = &mut config.data;
    if own_pairs {
        data.train.clear();
    }
    let pairs = data
        .train
        .iter_mut()
        .chain(&mut data.valid)
        .chain(&mut data.test);
    for file in pairs
        .flat_map(|pair| [&mut pair.dry, &mut pair.wet])
        .flatten()
    {
        *file = PathBuf::from(relative(path, file)?);
    }
    let head = "# What all jobs of the pack share; the pack's pack.toml names what is a job's own.\n\
                # Changing it makes other jobs of them: what was trained stays, and is trained anew.\n\n";
    Ok(format!("{head}{}", toml::to_string(&config)?))
}

/// A job of each capture; of those with knobs that differ in these alone, one.
fn entries(request: &Request, captures: &[Capture]) -> Result<Vec<Entry>> {
    let described = request.folder.join(description::FILE);
    if captures.is_empty() {
        return Ok(vec![Entry {
            name: config::load(request.config.as_deref().unwrap_or(Path::new("")), &[])?.name,
            ..Entry::default()
        }]);
    }
    let ranges = ranges(&request.knobs, captures)?;
    let mut entries: Vec<Entry> = Vec::new();
    for capture in captures {
        let pair = pair(capture, &described, &request.knobs)?;
        let mut values = capture.values.clone();
        values.retain(|key, _| !request.knobs.contains(key));
        let turned = request
            .knobs
            .iter()
            .any(|knob| capture.values.contains_key(knob));
        let same = |entry: &&mut Entry| turned && entry.values == values;
        match entries.iter_mut().find(same) {
            Some(entry) => entry.pairs.push(pair),
            None => entries.push(Entry {
                name: match turned {
                    true => group_name(&values, &request.folder),
                    false => capture.name.clone(),
                },
                values,
                set: told(&ranges, capture),
                pairs: vec![pair],
            }),
        }
    }
    Ok(entries)
}

/// A group of captures is called by what they have in common.
fn group_name(values: &BTreeMap<String, String>, folder: &Path) -> String {
    let words: Vec<&str> = values.values().map(String::as_str).collect();
    match words.is_empty() {
        true => as_name(&folder_name(folder)),
        false => as_name(&words.join("-")),
    }
}

/// The numbers of each knob that a network is to hear as 0 and 1, where they are others.
fn ranges(knobs: &[String], captures: &[Capture]) -> Result<Vec<(String, [f64; 2])>> {
    let mut ranges = Vec::new();
    for knob in knobs {
        let mut numbers = Vec::new();
        for capture in captures {
            numbers.extend(number(capture, knob)?);
        }
        ensure!(
            !numbers.is_empty(),
            "--knobs {knob}: no recording has a value of that name"
        );
        let range = KnobRange::covering(numbers.into_iter());
        ranges.extend(range.map(|range| (knob.clone(), range)));
    }
    Ok(ranges)
}

/// The config key that says so of the knobs that `capture` tells.
fn told(ranges: &[(String, [f64; 2])], capture: &Capture) -> Vec<String> {
    let theirs = ranges
        .iter()
        .filter(|(knob, _)| capture.values.contains_key(knob));
    let table: Table = theirs
        .map(|(knob, range)| (knob.clone(), Value::from(range.to_vec())))
        .collect();
    match table.is_empty() {
        true => Vec::new(),
        false => vec![format!("data.knob_ranges={}", Value::Table(table))],
    }
}

/// Where a knob stood, if it was told.
fn number(capture: &Capture, knob: &str) -> Result<Option<f64>> {
    let Some(text) = capture.values.get(knob) else {
        return Ok(None);
    };
    let number = table::number(text)
        .with_context(|| format!("{}: {knob} is {text}; a knob needs numbers", capture.name))?;
    Ok(Some(number))
}

/// The pair's table of `[[data.train]]`.
fn pair(capture: &Capture, described: &Path, knobs: &[String]) -> Result<Table> {
    let mut pair = Table::new();
    for (side, file) in [("dry", &capture.dry), ("wet", &capture.wet)] {
        ensure!(file.is_file(), "{}: no such recording", file.display());
        pair.insert(side.to_string(), Value::String(relative(described, file)?));
    }
    if let Some(channel) = capture.channel {
        pair.insert("channel".to_string(), Value::Integer(channel));
    }
    if let Some(latency) = &capture.latency {
        let value = latency
            .parse()
            .map_or_else(|_| Value::String(latency.clone()), Value::Integer);
        pair.insert("latency".to_string(), value);
    }
    let mut controls = Table::new();
    for knob in knobs {
        if let Some(number) = number(capture, knob)? {
            controls.insert(knob.clone(), Value::Float(number));
        }
    }
    if !controls.is_empty() {
        pair.insert("controls".to_string(), Value::Table(controls));
    }
    Ok(pair)
}

/// Every job with every point of the sweep.
fn swept(entries: &[Entry], points: &[Point]) -> Vec<Entry> {
    let with = |entry: &Entry, point: &Point| {
        let mut swept = entry.clone();
        for (key, value) in point {
            let short = key.rsplit('.').next().unwrap_or(key);
            swept.name = as_name(&format!("{}-{short}{value}", swept.name));
            swept.set.push(format!("{key}={value}"));
        }
        if !point.is_empty() && entries.len() > 1 {
            swept.values.insert(BASE.to_string(), entry.name.clone());
        }
        swept
    };
    let all = entries
        .iter()
        .flat_map(|entry| points.iter().map(|point| with(entry, point)));
    all.collect()
}

/// Names that come again get numbers.
fn distinct(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut taken = BTreeSet::new();
    for entry in &mut entries {
        let mut name = entry.name.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{}-{number}", entry.name);
            number += 1;
        }
        entry.name = name;
    }
    entries
}
