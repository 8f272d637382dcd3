//! What the best so far is heard on: a piece of the recordings that is not learned from, dry and wet,
//! aligned as training aligns them.

use crate::error::Refusal;
use crate::folder::{Folder, STUDIO};
use crate::queue::best_so_far;
use effigy_base::audio::{Audio, SampleFormat, encode};
use effigy_base::config::{self, Config, DataConfig};
use effigy_base::data::load::{self, Excerpt as Recording};
use effigy_base::progress::Silent;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Seconds that are listened to.
const MOST_SECONDS: f64 = 12.0;

/// A piece to listen to.
#[derive(Debug, Serialize)]
pub struct Excerpt {
    /// The recording without the effect.
    pub dry: String,
    /// The same through the effect.
    pub wet: String,
    /// Where the model's prediction is to go.
    pub predicted: String,
    /// The folder of the best weights so far.
    pub model: String,
    /// Where the knobs stood.
    pub controls: BTreeMap<String, f32>,
    /// Its length.
    pub seconds: f64,
}

/// Cuts the piece for a run and writes it, unless it is there.
///
/// # Errors
/// Nothing was learned yet; recordings that are gone or refused.
pub fn excerpt(folder: &Folder, run: &str) -> Result<Excerpt, Refusal> {
    let early =
        || Refusal::Conflict("nothing to hear yet: the first epoch is under way".to_string());
    let model = best_so_far(folder, run).ok_or_else(early)?;
    let config = config_of(folder, &[run, &format!("{run}-search"), &model])?;
    let place = format!("{STUDIO}/listen/{}", run.rsplit('/').next().unwrap_or(run));
    let [dry, wet, predicted] =
        ["dry", "wet", "predicted"].map(|name| format!("{place}/{name}.wav"));
    let data = only_test(&config.data);
    let held_back = data
        .test
        .first()
        .or(data.valid.first())
        .or(data.train.first());
    let controls = held_back
        .map(|pair| pair.controls.clone())
        .unwrap_or_default();
    let recordings = load::load(&data, config.seed, &Silent).map_err(|e| Refusal::said(&e))?;
    let excerpts = [&recordings.test, &recordings.valid, &recordings.train];
    let held_back = excerpts.iter().flat_map(|part| part.iter()).next();
    let held_back = held_back.filter(|excerpt| !excerpt.channels.is_empty());
    let held_back =
        held_back.ok_or_else(|| Refusal::Missing("the config names no recordings".to_string()))?;
    let seconds = write(held_back, &folder.at(&dry), &folder.at(&wet))?;
    Ok(Excerpt {
        dry,
        wet,
        predicted,
        model,
        controls,
        seconds,
    })
}

fn config_of(folder: &Folder, places: &[&str]) -> Result<Config, Refusal> {
    let paths = places
        .iter()
        .map(|place| folder.at(place).join("config.toml"));
    let mut there = paths.filter(|path| path.is_file());
    let path = there
        .next()
        .ok_or_else(|| Refusal::Missing("no such run".to_string()))?;
    config::load(&path, &[]).map_err(|e| Refusal::said(&e))
}

/// The data with no more in them than what is to be heard.
fn only_test(data: &DataConfig) -> DataConfig {
    let mut data = data.clone();
    if !data.test.is_empty() {
        data.test.truncate(1);
        data.valid.clear();
        data.train.clear();
    }
    data
}

/// All channels: a stereo effect is heard as one, and each of the others' is one like the others.
fn write(held_back: &Recording, dry: &Path, wet: &Path) -> Result<f64, Refusal> {
    let first = &held_back.channels[0];
    let rate = first.pair().sample_rate();
    let all = first.samples();
    let most = (MOST_SECONDS * f64::from(rate.hz())) as usize;
    let samples = all.start..all.end.min(all.start + most);
    let piece = |sound: &[f32]| sound[samples.clone()].to_vec();
    let heard = held_back.channels.iter().take(held_back.dry_channels());
    let heard = heard.map(|span| piece(span.pair().dry()));
    let made = held_back.channels.iter();
    let made = made.map(|span| piece(span.pair().wet()));
    for (path, channels) in [(dry, heard.collect()), (wet, made.collect())] {
        let audio = Audio::new(rate, channels).map_err(|e| Refusal::said(&e))?;
        encode::write(path, &audio, SampleFormat::Float(32)).map_err(|e| Refusal::said(&e))?;
    }
    Ok(rate.seconds(samples.len()))
}
