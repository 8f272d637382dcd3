//! Writes a config's generated dry/wet pairs as WAV files, with a `[data]` table that names
//! them.

use super::arguments::sample_format;
use crate::audio::{Audio, SampleFormat, encode};
use crate::config::{self, DataConfig, Latency, PairConfig};
use crate::data::load::{self, Excerpt};
use crate::files;
use crate::progress::{Observer, Task};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write a config's generated dry/wet pairs as WAV files
///
/// The folder also gets data.toml, a [data] table that names the files for another config.
///
/// Example:
///   effigy synth --config configs/conv.toml -o datasets/overdrive
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// A config with generated pairs, such as configs/conv.toml.
    #[arg(long, short)]
    pub config: PathBuf,
    /// Override a config key; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Folder for the WAV files and data.toml.
    #[arg(long, short)]
    pub output: PathBuf,
    /// Sample format of the files.
    #[arg(long, value_parser = sample_format(), default_value = "s24")]
    pub format: SampleFormat,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Sound files, dry and wet in turn.
    #[serde(serialize_with = "crate::files::paths_text")]
    pub files: Vec<PathBuf>,
    /// The `[data]` table for a config.
    #[serde(serialize_with = "crate::files::path_text")]
    pub data: PathBuf,
}

/// Renders and writes.
///
/// # Errors
/// A config without generated pairs or with parameters out of range; an unwritable folder.
pub fn synth(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let mut config = config::load(&request.config, &request.overrides)?;
    for part in [
        &mut config.data.train,
        &mut config.data.valid,
        &mut config.data.test,
    ] {
        part.retain(|pair| pair.signal.is_some());
    }
    let DataConfig {
        train, valid, test, ..
    } = &config.data;
    let total = train.len() + valid.len() + test.len();
    if total == 0 {
        bail!(
            "{}: no generated pair; give some pair a signal, as configs/conv.toml does",
            request.config.display()
        );
    }
    let recordings = load::load(&config.data, config.seed, observer)?;
    let task = Task::begin(observer, "writing", Some(total as u64));
    let mut files = Vec::new();
    let mut named = DataConfig {
        latency: Latency::Samples(0),
        sample_rate: Some(recordings.sample_rate.hz()),
        stereo: config.data.stereo,
        dry_channels: config.data.dry_channels,
        ..DataConfig::default()
    };
    for (part, excerpts, pairs) in [
        ("train", &recordings.train, &mut named.train),
        ("valid", &recordings.valid, &mut named.valid),
        ("test", &recordings.test, &mut named.test),
    ] {
        for (index, excerpt) in excerpts.iter().enumerate() {
            let stem = format!("{part}-{}", index + 1);
            pairs.push(write_pair(request, excerpt, &stem, &mut files)?);
            task.advance(1);
        }
    }
    drop(task);
    let data = request.output.join("data.toml");
    let table = std::collections::BTreeMap::from([("data", named)]);
    files::write(&data, toml::to_string(&table)?.as_bytes())
        .with_context(|| data.display().to_string())?;
    Ok(Outcome { files, data })
}

fn write_pair(
    request: &Request,
    excerpt: &Excerpt,
    stem: &str,
    files: &mut Vec<PathBuf>,
) -> Result<PairConfig> {
    let mut names = [None, None];
    for (side, name) in ["dry", "wet"].into_iter().zip(&mut names) {
        let count = match side {
            "dry" => excerpt.dry_channels(),
            _ => excerpt.channels.len(),
        };
        let channels = excerpt.channels.iter().take(count).map(|span| {
            let pair = span.pair();
            let samples = if side == "dry" {
                pair.dry()
            } else {
                pair.wet()
            };
            samples[span.samples()].to_vec()
        });
        let rate = match excerpt.channels.first() {
            Some(span) => span.pair().sample_rate(),
            None => bail!("{}: no channel", excerpt.label),
        };
        let file = format!("{stem}-{side}.wav");
        let path = request.output.join(&file);
        encode::write(
            &path,
            &Audio::new(rate, channels.collect())?,
            request.format,
        )?;
        files.push(path);
        *name = Some(Path::new(&file).to_path_buf());
    }
    let [dry, wet] = names;
    Ok(PairConfig {
        dry,
        wet,
        ..PairConfig::default()
    })
}
