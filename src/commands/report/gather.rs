//! What a run's folder tells, as typed values for its page.
//!
//! Knows files and networks, not how anything is drawn.

use super::bench;
use crate::audio::{SampleRate, decode};
use crate::config::Config;
use crate::data::load::LatencyReport;
use crate::device::{self, DeviceChoice};
use crate::engine;
use crate::models::EffectModel;
use crate::playing::controls;
use crate::report::run::{Epoch, Run};
use crate::report::test_sound::{TestSound, Track};
use crate::training::history::{BestEpoch, EpochRow};
use crate::training::provenance::universal;
use crate::training::run_dir::RunDir;
use crate::training::run_report::{self, RunReport};
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Level of the bench where there is no test sound to take it from, in dBFS.
const DEFAULT_LEVEL_DBFS: f64 = -6.0;

/// Reads a run. What is absent is named in [`Run::missing`]; a page can be made all the same.
///
/// # Errors
/// A config, log or result that is damaged.
pub fn gather(run: &RunDir) -> Result<Run> {
    let config = run.config()?;
    let history = run.metrics()?;
    let saved = RunReport::read(run)?;
    let mut missing = Vec::new();
    if saved.is_none() {
        missing.push("There is no report.json: the run has not been tested yet.".to_string());
    }
    let finished = saved.is_some();
    let saved = saved.unwrap_or_default();
    let sound = noted(test_sound(&run.file("test")), &mut missing).flatten();
    let rate = sound.as_ref().map(|s| s.rate);
    let rate = rate.or(config.data.sample_rate.and_then(SampleRate::new));
    let level_dbfs = sound.as_ref().map_or(DEFAULT_LEVEL_DBFS, level_of);
    let model = device::select(DeviceChoice::Flex)
        .map_err(anyhow::Error::from)
        .and_then(|selected| Ok(run.load_best(&selected.device)?.0));
    let model = noted(model, &mut missing);
    let network = model.as_ref().zip(rate).and_then(|(model, rate)| {
        noted(
            bench::network(model, &config.data, rate, level_dbfs),
            &mut missing,
        )
    });
    let behaviour = saved.probe.clone().or_else(|| {
        let (model, rate) = model.as_ref().zip(rate)?;
        let network = model.describe(rate.hz(), controls::of_config(&config.data));
        noted(
            engine::probe(&network, &[]).map_err(anyhow::Error::from),
            &mut missing,
        )
    });
    let motion = model.as_ref().zip(rate).and_then(|(model, rate)| {
        let effect = model.modulated()?.effect();
        Some(effect.per_second(f64::from(rate.hz())).motion)
    });
    if model
        .as_ref()
        .is_some_and(|model| !model.audio_channels().is_mono())
    {
        missing.push(
            "Harmonics, distortion and frequency response are those of the left side, every dry channel hearing \
             the same; the right side's are not shown."
                .to_string(),
        );
    }
    let effect = rate.and_then(|rate| bench::effect(&config.data, rate, level_dbfs));
    let text = fs::read_to_string(run.file("config.toml")).unwrap_or_default();
    Ok(Run {
        name: run.name(),
        model: config.model.kind().to_string(),
        best_epoch: BestEpoch::of(&history).map(|best| best.epoch),
        facts: facts(run, &config, &history, &saved, model.as_ref(), rate),
        epochs: history.iter().map(epoch).collect(),
        latencies: saved.latencies.iter().map(|l| latency(l, rate)).collect(),
        finished,
        rows: saved.rows,
        by_pair: saved.by_pair,
        sound,
        quiet: saved.quiet,
        search: saved.search,
        behaviour,
        motion,
        network,
        effect,
        config: text,
        missing,
    })
}

/// The value, or its error in one line among what is missing.
fn noted<T>(found: Result<T>, missing: &mut Vec<String>) -> Option<T> {
    found
        .map_err(|error| missing.push(format!("{error:#}")))
        .ok()
}

fn epoch(row: &EpochRow) -> Epoch {
    Epoch {
        epoch: row.epoch,
        train_esr: row.train.esr,
        valid_esr: row.valid.esr,
    }
}

/// The loudest of the dry test sound, in dBFS, rounded down to a tenth: the network is asked
/// nothing louder.
fn level_of(sound: &TestSound) -> f64 {
    let level_dbfs = (200.0 * sound.dry_peak().log10()).floor() / 10.0;
    level_dbfs.clamp(-60.0, 0.0)
}

const SIDES: [&str; 3] = ["dry", "wet", "predicted"];

/// All channels of `N-NAME-{dry,wet,predicted}.wav`, in the order of their numbers.
fn test_sound(folder: &Path) -> Result<Option<TestSound>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(usize, String)> = entries
        .filter_map(|entry| {
            let name = entry
                .file_name()
                .to_str()?
                .strip_suffix("-dry.wav")?
                .to_string();
            Some((name.split('-').next()?.parse().ok()?, name))
        })
        .collect();
    found.sort();
    let mut tracks = Vec::new();
    let mut rate = None;
    for (_, name) in found {
        let sides = SIDES.map(|side| folder.join(format!("{name}-{side}.wav")));
        let read = |path: &PathBuf| -> Result<_> { Ok(decode::read(path)?.audio) };
        let [dry, wet, predicted] = [read(&sides[0])?, read(&sides[1])?, read(&sides[2])?];
        let alike = |a: usize, b: usize, c: usize| a == b && b == c;
        if !alike(dry.len(), wet.len(), predicted.len())
            || !alike(
                dry.channels().len(),
                wet.channels().len(),
                predicted.channels().len(),
            )
            || rate.is_some_and(|r| r != wet.sample_rate())
        {
            bail!(
                "{}: the test files of one run differ in length, rate or channels",
                sides[1].display()
            );
        }
        rate = Some(wet.sample_rate());
        let count = wet.channels().len();
        let plain = name
            .split_once('-')
            .map_or(name.as_str(), |(_, rest)| rest)
            .to_string();
        let sides = dry
            .into_channels()
            .into_iter()
            .zip(wet.into_channels())
            .zip(predicted.into_channels());
        tracks.extend(
            sides
                .enumerate()
                .map(|(index, ((dry, wet), predicted))| Track {
                    name: match count {
                        1 => plain.clone(),
                        _ => format!("{plain}, channel {}", index + 1),
                    },
                    dry,
                    wet,
                    predicted,
                }),
        );
    }
    Ok(rate
        .map(|rate| TestSound { rate, tracks })
        .filter(|s| !s.is_empty()))
}

fn latency(found: &LatencyReport, rate: Option<SampleRate>) -> String {
    let samples = found.latency_samples;
    let size = samples.unsigned_abs();
    let time = rate.map_or(String::new(), |r| {
        format!(" ({:.2} ms)", size as f64 / f64::from(r.hz()) * 1000.0)
    });
    let way = if samples < 0 { "led" } else { "lagged" };
    let origin = match found.confidence {
        Some(confidence) => format!("measured, confidence {confidence:.2}"),
        None => "as the config says".to_string(),
    };
    let polarity = match found.inverted {
        Some(true) => " Its polarity is inverted.",
        _ => "",
    };
    if samples == 0 {
        return format!("{}: no delay to remove ({origin}).{polarity}", found.label);
    }
    format!(
        "{}: the wet side {way} by {size} samples{time} ({origin}); that has been removed.{polarity}",
        found.label
    )
}

fn facts(
    run: &RunDir,
    config: &Config,
    history: &[EpochRow],
    saved: &RunReport,
    model: Option<&EffectModel>,
    rate: Option<SampleRate>,
) -> Vec<(String, String)> {
    let mut facts: Vec<(&str, String)> = vec![("network", config.model.kind().to_string())];
    if saved.weights > 0 {
        facts.push(("weights", saved.weights.to_string()));
    }
    if let (Some(model), Some(rate)) = (model, rate) {
        facts.push(("hears", memory(model, rate)));
        facts.push(("sample rate", rate.to_string()));
    }
    if let Some(last) = history.last() {
        let seconds: f64 = history.iter().map(|row| row.seconds).sum();
        facts.push((
            "epochs",
            format!("{} of {}", history.len(), config.training.epochs),
        ));
        facts.push((
            "training time",
            format!("{seconds:.1} s, {:.2} s for the last epoch", last.seconds),
        ));
    }
    if saved.seconds > 0.0 {
        facts.push(("whole command", format!("{:.1} s", saved.seconds)));
    }
    facts.push(("seed", config.seed.to_string()));
    if !saved.device.is_empty() {
        facts.push(("device", saved.device.clone()));
    }
    match &saved.provenance {
        Some(made) => {
            facts.push(("machine", made.machine()));
            facts.push((
                "versions",
                format!("effigy {}, burn {}", made.effigy, made.burn),
            ));
            facts.push(("finished", made.finished.clone()));
        }
        None => {
            // Runs of versions that did not write it down.
            let time = fs::metadata(run.file(run_report::FILE)).and_then(|m| m.modified());
            let time = time.map_or_else(|_| "not yet".to_string(), universal);
            facts.push((
                "machine",
                "not recorded by the version that trained it".to_string(),
            ));
            facts.push(("finished", time));
        }
    }
    facts.push(("folder", run.path().display().to_string()));
    facts
        .into_iter()
        .map(|(what, value)| (what.to_string(), value))
        .collect()
}

/// How much of the sound a network hears for one sample.
fn memory(model: &EffectModel, rate: SampleRate) -> String {
    let ms = |samples: usize| rate.seconds(samples) * 1000.0;
    let past = match (model.fixed_window(), model.receptive_field()) {
        (Some(window), _) => format!("windows of {window} samples ({:.1} ms)", ms(window)),
        (None, Some(field)) => format!("{field} samples ({:.1} ms)", ms(field)),
        (None, None) => "all that came before (recurrent state)".to_string(),
    };
    match model.lookahead() {
        0 => past,
        ahead => format!("{past}, {ahead} of them in the future: that is its latency"),
    }
}
