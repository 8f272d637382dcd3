//! What an effect answers below the levels that were recorded: made up by a chain of filters and
//! clippers, fitted to the quieter part of the recordings.
//!
//! A distortion that is saturated throughout its recordings still passes through zero in each
//! cycle, and there shows what it does to the smallest sounds. A chain of a hundred-odd weights can
//! carry on from there, since everything between its clippers is linear; larger networks fit better
//! what they heard and guess below it. So the chain teaches them what was not recorded.
//!
//! Knows nothing of the network that is taught, nor of folders.

use super::idle::recorded_idle;
use super::optimiser::Optimiser;
use super::replicas::Replicas;
use super::step::{self, Recipe};
use super::truncated::TruncatedBatch;
use super::{batcher, schedule};
use crate::config::{
    LossConfig, ModelConfig, Schedule, TrainingConfig, WienerHammersteinConfig, WindowConfig,
};
use crate::data::pair::{DryWetPair, Reach, Span};
use crate::data::quiet::{self, QuietSound};
use crate::data::windows::Windows;
use crate::models::predict::predict;
use crate::models::{self, EffectModel, State};
use crate::progress::{Observer, Stopped, Task};
use crate::report::metrics::ErrorSums;
use burn::module::Module;
use burn::prelude::*;
use std::sync::Arc;

/// Optimiser steps that a chain is fitted in.
const STEPS: usize = 600;

/// Quietest part of the windows that it is fitted to.
const QUIETEST: f64 = 0.6;

/// As many windows as all steps can hear; of an hour they are a sample.
const MOST_WINDOWS: usize = 1000;

/// Up to so many recordings each may stand at a level of its own.
const MOST_LEVELS: usize = 8;

/// A chain that leaves more error than this is not asked: what it says of the quiet would contradict
/// what was recorded just above.
const USELESS_ESR: f64 = 0.03;

/// A chain's answers.
#[derive(Debug)]
pub struct Downward {
    /// To the quiet sounds of the recordings, one after another; empty where the chain explains
    /// too little to be asked.
    pub wet: Vec<f32>,
    /// What it leaves of the quieter part of the recordings.
    pub esr: f64,
}

/// The quiet sounds of `spans` with their answers, to be learned beside the recordings; `None` if
/// `wet` is not of these recordings. A chain answers silence with silence: what else the recordings have
/// there is added, or they and the lessons would contradict each other.
pub fn lessons_of(spans: &[Span], wet: &[f32]) -> Option<Vec<Span>> {
    let idle = idle(spans);
    let sounds = quiet::quiet_sounds(spans);
    let all: usize = sounds.iter().map(|sound| sound.dry().len()).sum();
    let mut rest = wet;
    let answered = sounds.into_iter().map(|sound| {
        let (mine, others) = rest.split_at(sound.dry().len());
        rest = others;
        sound.answered(mine.iter().map(|x| x + idle).collect())
    });
    (all == wet.len()).then(|| answered.collect())
}

/// What the recordings have in silence.
fn idle(spans: &[Span]) -> f32 {
    recorded_idle(spans)[0] as f32
}

/// Fits a chain to `spans` and asks it for [`quiet::quiet_sounds`] of them. `None` where nothing sounds,
/// no span holds a window, or fitting diverged. The same for the same seed.
///
/// # Errors
/// [`Stopped`] when it was asked to.
pub fn teach(
    spans: &[Span],
    seed: u64,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Option<Downward>, Stopped> {
    let sounds = quiet::quiet_sounds(spans);
    let levels = Levels::of(spans);
    let (windows, training) = recipe(levels.told(spans, idle(spans)));
    if sounds.is_empty() || windows.is_empty() {
        return Ok(None);
    }
    let Some(model) = fit(&windows, &training, levels.knobs, seed, device, observer)? else {
        return Ok(None);
    };
    let esr = score(&model, &windows, device);
    let answer = |sound: &QuietSound| {
        let knobs = levels.of_pair(sound.source());
        predict(&model, device, &knobs, &[], sound.dry())
    };
    let wet = match esr <= USELESS_ESR {
        true => sounds.iter().flat_map(answer).collect(),
        false => Vec::new(),
    };
    Ok(Some(Downward { wet, esr }))
}

/// Knobs of the chain: those of the recordings, and where they are few one for each, since
/// recordings of one effect often stand at levels of their own.
struct Levels {
    pairs: Vec<Arc<DryWetPair>>,
    knobs: usize,
}

impl Levels {
    fn of(spans: &[Span]) -> Self {
        let pairs = quiet::recordings(spans);
        let pairs: Vec<_> = pairs.into_iter().map(|(pair, _)| pair).collect();
        let own = pairs.first().map_or(0, |pair| pair.controls().len());
        let each = match pairs.len() {
            2..=MOST_LEVELS => pairs.len(),
            _ => 0,
        };
        Self {
            pairs,
            knobs: own + each,
        }
    }

    fn of_pair(&self, pair: &Arc<DryWetPair>) -> Vec<f32> {
        let mut knobs = pair.controls().to_vec();
        let mine = self
            .pairs
            .iter()
            .map(|p| f32::from(u8::from(Arc::ptr_eq(p, pair))));
        knobs.extend(mine.take(self.knobs - knobs.len()));
        knobs
    }

    /// `spans` with the chain's knobs, and without what they have in silence, which it cannot make.
    fn told(&self, spans: &[Span], idle: f32) -> Vec<Span> {
        let lifted = |pair: &DryWetPair| match idle {
            0.0 => pair.clone(),
            _ => {
                let wet = pair.wet().iter().map(|x| x - idle).collect();
                DryWetPair::aligned(pair.name(), pair.sample_rate(), pair.dry().to_vec(), wet, 0)
            }
        };
        let told = self
            .pairs
            .iter()
            .map(|pair| Arc::new(lifted(pair).with_controls(self.of_pair(pair))));
        let told: Vec<_> = told.collect();
        let at = |span: &Span| self.pairs.iter().position(|p| Arc::ptr_eq(p, span.pair()));
        let told = |span: &Span| Some(Span::new(Arc::clone(&told[at(span)?]), span.samples()));
        spans.iter().filter_map(told).collect()
    }
}

const CHAIN: WienerHammersteinConfig = WienerHammersteinConfig {
    clippers: 3,
    poles: 6,
    memory: 200,
    warm_up: 2048,
    drive: 100.0,
};

/// The quieter windows of `spans`, and how they are learned.
fn recipe(spans: Vec<Span>) -> (Windows, TrainingConfig) {
    let longest = spans
        .iter()
        .map(|span| span.samples().len())
        .max()
        .unwrap_or(0);
    // Pieces of one step each, as many as the spans allow.
    let step_len = (longest / 8).clamp(64, 4096);
    let pieces = (longest / (2 * step_len)).clamp(1, 5);
    let window_len = step_len * pieces;
    let reach = Reach {
        context: CHAIN.warm_up,
        ..Reach::default()
    };
    let mut windows = Windows::cut(spans, window_len, window_len.div_ceil(2), reach);
    windows.keep_quietest(QUIETEST);
    windows.keep_spread(MOST_WINDOWS);
    let batch_size = 8.min(windows.len().div_ceil(2)).max(1);
    let training = TrainingConfig {
        // Counted in steps instead.
        epochs: 1,
        batch_size,
        step_len: Some(step_len),
        learning_rate: 1e-2,
        schedule: Schedule::Cosine { final_factor: 0.01 },
        clip_norm: Some(1.0),
        ..TrainingConfig::default()
    };
    (windows, training)
}

/// `None` if it diverged.
fn fit(
    windows: &Windows,
    training: &TrainingConfig,
    knobs: usize,
    seed: u64,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Option<EffectModel>, Stopped> {
    let config = ModelConfig::WienerHammerstein(CHAIN);
    let model = models::build(&config, &WindowConfig::default(), knobs, seed, device);
    let mut model = model.train();
    let mut optimiser = Optimiser::new(training, &model);
    let loss = LossConfig::default();
    let recipe = Recipe {
        loss: &loss,
        target_gain: 1.0,
        silence_gain: 1.0,
    };
    let autodiff = device.clone().autodiff();
    let task = Task::begin(observer, "a chain for the levels below", Some(STEPS as u64));
    let mut number = 0;
    for epoch in 0.. {
        for indices in windows.order(seed, epoch).chunks(training.batch_size) {
            let tensors = batcher::tensors(windows.gather(indices), &autodiff, &autodiff);
            // A chain answers silence with silence: it is settled from the beginning.
            let start = State::default();
            let mut batch = TruncatedBatch::begin(&model, tensors, training.step_len, start);
            while let Some(sides) = batch.advance(&model) {
                task.go_on()?;
                if number == STEPS {
                    return Ok(Some(model.valid()));
                }
                let rate = schedule::learning_rate(training, number, STEPS);
                let alone = &Replicas::default();
                let stepped =
                    step::update(recipe, (model, alone), &mut optimiser, sides, rate, |_| {});
                model = stepped.model;
                if !stepped.loss.into_scalar::<f32>().is_finite() {
                    return Ok(None);
                }
                number += 1;
                task.advance(1);
            }
        }
    }
    Ok(None)
}

/// ESR over the windows that were learned.
fn score(model: &EffectModel, windows: &Windows, device: &Device) -> f64 {
    let mut sums = ErrorSums::default();
    for at in 0..windows.len() {
        let window = windows.gather(&[at]);
        let (past, sound) = window.dry.split_at(window.dry.len() - window.wet.len());
        let predicted = predict(model, device, &window.controls, past, sound);
        sums.add(&window.wet, &predicted);
    }
    sums.metrics().esr
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::progress::Silent;

    const RATE: u32 = 8000;

    /// A note that dies away, through `effect`.
    fn note(effect: impl Fn(f32) -> f32) -> Span {
        let dry = (0..RATE).map(|n| {
            let seconds = n as f32 / RATE as f32;
            0.3 * (-3.0 * seconds).exp() * (seconds * 1500.0).sin()
        });
        let dry: Vec<f32> = dry.collect();
        let wet = dry.iter().map(|&x| effect(x)).collect();
        let rate = SampleRate::new(RATE).unwrap();
        let pair = DryWetPair::aligned("note", rate, dry, wet, 0);
        Span::new(Arc::new(pair), 0..RATE as usize)
    }

    /// What is taught of `spans`, which is what the effect would have answered.
    fn taught_truly(spans: &[Span], effect: impl Fn(f32) -> f32) -> Downward {
        let taught = teach(spans, 1, &Device::flex(), &Silent).unwrap().unwrap();
        let lessons = lessons_of(spans, &taught.wet).unwrap();
        let pair = lessons[0].pair();
        let truth: Vec<f32> = pair.dry().iter().map(|&x| effect(x)).collect();
        let mut sums = ErrorSums::default();
        sums.add(&truth, pair.wet());
        let esr = sums.metrics().esr;
        assert!(esr < 0.02, "{esr}, {} where it was heard", taught.esr);
        taught
    }

    /// Saturated in most of what was heard, linear below: what was never heard is known.
    #[test]
    fn a_clipper_is_carried_on_downwards() {
        let effect = |x: f32| 0.3 * (20.0 * x).tanh();
        let spans = [note(effect)];
        let taught = taught_truly(&spans, effect);
        assert!(lessons_of(&spans, &taught.wet[1..]).is_none());
    }

    /// What the recordings have in silence, as some interfaces put out, belongs to what is taught.
    #[test]
    fn a_recorded_constant_goes_on_downwards() {
        let effect = |x: f32| 0.3 * (20.0 * x).tanh() + 0.02;
        let rate = SampleRate::new(RATE).unwrap();
        let mut dry = note(effect).pair().dry().to_vec();
        dry.resize(2 * dry.len(), 0.0);
        let wet = dry.iter().map(|&x| effect(x)).collect();
        let pair = Arc::new(DryWetPair::aligned("note", rate, dry, wet, 0));
        let spans = [Span::new(pair.clone(), 0..pair.len())];
        taught_truly(&spans, effect);
    }

    /// An effect that a chain cannot follow teaches nothing.
    #[test]
    fn what_is_not_understood_is_not_carried_on() {
        let spans = [note(|x| (x * 3000.0).sin() * 0.1)];
        let taught = teach(&spans, 1, &Device::flex(), &Silent).unwrap().unwrap();
        assert!(
            taught.esr > USELESS_ESR && taught.wet.is_empty(),
            "{}",
            taught.esr
        );
    }
}
