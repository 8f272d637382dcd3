//! `--device auto`: which of the devices trains this network fastest, by a few of its own steps on each.
//!
//! Knows neither recordings nor what is trained afterwards.

use crate::commands::bench_train::{Subject, Trainer, median};
use crate::config::{Config, WindowConfig};
use crate::device::{self, DeviceChoice, DeviceChoices, Selected};
use crate::progress::{Event, Observer};
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Steps that are not counted: kernels are compiled, buffers are found.
const UNMEASURED: usize = 2;

/// Steps whose median counts.
const MEASURED: usize = 9;

/// Time for them on one device, kernels' compilation not counted.
const MOST: Duration = Duration::from_secs(3);

/// What a device made of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// What `--device` accepts.
    pub device: String,
    /// The median step; absent where it failed.
    pub step_seconds: Option<f64>,
}

/// The devices that `choices` name, at least one, or, of those that `auto` considers, the one that
/// trains the network of `config` fastest; with what each of them took, where there was a choice.
///
/// # Errors
/// A device that is not on this machine; more than a batch has windows.
pub(super) fn select(
    choices: &DeviceChoices,
    config: &Config,
    observer: &dyn Observer,
) -> Result<(Vec<Selected>, Vec<Trial>)> {
    let (choice, count) = (choices.first(), choices.all().len());
    let batch = config.training.batch_size;
    ensure!(
        count <= batch,
        "{count} devices cannot share a batch of {batch} windows; name fewer with --device, or raise \
         training.batch_size"
    );
    let (selected, trials) = match choice {
        DeviceChoice::Auto => {
            let subject = subject(config);
            let (one, trials) =
                fastest(device::candidates(), |one| clock(&subject, one), observer)?;
            (vec![one], trials)
        }
        _ => {
            let named = choices.all().iter().map(|&choice| device::select(choice));
            (named.collect::<Result<_, _>>()?, Vec::new())
        }
    };
    let why = match (choice, trials.len()) {
        (DeviceChoice::Auto, 0) => ", for there is no GPU here",
        _ => "",
    };
    let named = selected
        .iter()
        .map(|one| format!("{} ({}{why})", one.id, one.name));
    let named = named.collect::<Vec<_>>().join(", ");
    observer.event(Event::Note(&format!("device: {named}")));
    Ok((selected, trials))
}

/// The fastest of `candidates` by `clock`, which gives the seconds of a step; the only one untried.
/// One that fails is passed over with a line.
///
/// # Errors
/// All fail.
fn fastest(
    mut candidates: Vec<Selected>,
    mut clock: impl FnMut(&Selected) -> Result<f64>,
    observer: &dyn Observer,
) -> Result<(Selected, Vec<Trial>)> {
    if candidates.len() == 1 {
        return Ok((candidates.remove(0), Vec::new()));
    }
    let mut trials = Vec::new();
    let mut best: Option<(f64, Selected)> = None;
    let mut told = Vec::new();
    for candidate in candidates {
        let step = clock(&candidate);
        trials.push(Trial {
            device: candidate.id.clone(),
            step_seconds: step.as_ref().ok().copied(),
        });
        match step {
            Ok(seconds) => {
                told.push(format!("{} {:.3} ms", candidate.id, 1e3 * seconds));
                if best.as_ref().is_none_or(|(least, _)| seconds < *least) {
                    best = Some((seconds, candidate));
                }
            }
            Err(reason) => {
                let text = format!("{} is passed over: {reason:#}", candidate.id);
                observer.event(Event::Warning(&text));
            }
        }
    }
    let Some((_, chosen)) = best else {
        bail!("no device can train this network; `effigy devices` lists what there is");
    };
    let note = format!("a step takes: {} → {}", told.join(", "), chosen.id);
    observer.event(Event::Note(&note));
    Ok((chosen, trials))
}

/// What `config` has trained in one step.
fn subject(config: &Config) -> Subject {
    let window_len = config.training.step_len.unwrap_or(usize::MAX);
    let window_len = window_len.min(config.windows.window_len);
    Subject {
        name: config.model.kind().to_string(),
        model: config.model.clone(),
        audio: config.data.audio_channels(),
        controls: config.data.knobs().len(),
        windows: WindowConfig {
            window_len,
            hop: window_len,
            per_epoch: None,
        },
        loss: config.loss.clone(),
        training: config.training.clone(),
        seed: config.seed,
    }
}

/// Seconds of a step on a device. A driver that panics has failed, and no more.
fn clock(subject: &Subject, on: &Selected) -> Result<f64> {
    let steps = || -> Result<f64> {
        let mut trainer = Trainer::new(subject, &on.device);
        for _ in 0..UNMEASURED {
            trainer.step()?;
        }
        let started = Instant::now();
        let mut times = Vec::new();
        while times.is_empty() || (times.len() < MEASURED && started.elapsed() < MOST) {
            times.push(trainer.step()?.step_seconds);
        }
        Ok(median(times))
    };
    match device::watched(&on.device, steps) {
        Ok(seconds) => seconds,
        Err(why) => bail!("its driver failed in a training step ({why})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench_train::preset;
    use crate::progress::Silent;

    fn stand_in(id: &str) -> Selected {
        Selected {
            id: id.to_string(),
            ..device::select(DeviceChoice::Flex).unwrap()
        }
    }

    #[test]
    fn the_fastest_is_taken_and_one_that_fails_is_passed_over() {
        let seconds = |one: &Selected| match one.id.as_str() {
            "slow" => Ok(0.024),
            "fast" => Ok(0.003),
            _ => bail!("out of memory"),
        };
        let all = ["slow", "broken", "fast"].map(stand_in).to_vec();
        let (chosen, trials) = fastest(all, seconds, &Silent).unwrap();
        assert_eq!(chosen.id, "fast");
        let told: Vec<_> = trials
            .iter()
            .map(|t| (t.device.as_str(), t.step_seconds))
            .collect();
        assert_eq!(
            told,
            [
                ("slow", Some(0.024)),
                ("broken", None),
                ("fast", Some(0.003))
            ]
        );
        let (chosen, trials) = fastest(vec![stand_in("only")], seconds, &Silent).unwrap();
        assert!(chosen.id == "only" && trials.is_empty());
        assert!(fastest(["broken", "lost"].map(stand_in).to_vec(), seconds, &Silent).is_err());
    }

    #[test]
    fn real_steps_are_timed_on_two_devices() {
        let subject = preset("lstm-24").unwrap().with_batch(2).with_window(64);
        let both = [DeviceChoice::Flex, DeviceChoice::NdArray].map(|c| device::select(c).unwrap());
        let (_, trials) = fastest(both.to_vec(), |one| clock(&subject, one), &Silent).unwrap();
        assert_eq!(trials.len(), 2);
        assert!(
            trials
                .iter()
                .all(|t| t.step_seconds.is_some_and(|s| s > 0.0))
        );
    }
}
