//! The clock around real training steps: the loop's own batcher, loss, optimiser and step, on
//! generated sound.

use super::subject::Subject;
use crate::audio::SampleRate;
use crate::config::WindowConfig;
use crate::data::pair::{DryWetPair, Span};
use crate::data::windows::Windows;
use crate::device;
use crate::models::{self, EffectModel};
use crate::random::Noise;
use crate::training::evaluate;
use crate::training::feed::Feed;
use crate::training::optimiser::Optimiser;
use crate::training::step::{self, Phase};
use anyhow::bail;
use burn::module::Module;
use burn::tensor::Device;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

const RATE: SampleRate = match SampleRate::new(44_100) {
    Some(rate) => rate,
    None => panic!("44,100 is not 0"),
};

/// Seconds of one step and of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StepSeconds {
    /// All of it.
    pub step_seconds: f64,
    /// Gathering the windows and handing them to the device.
    pub data_seconds: f64,
    /// The prediction and its loss.
    pub forward_seconds: f64,
    /// The gradients.
    pub backward_seconds: f64,
    /// Clipping and the update.
    pub optimiser_seconds: f64,
}

impl StepSeconds {
    /// Medians, each of its own.
    pub fn median(steps: &[StepSeconds]) -> StepSeconds {
        let median = |part: fn(&StepSeconds) -> f64| median(steps.iter().map(part).collect());
        StepSeconds {
            step_seconds: median(|s| s.step_seconds),
            data_seconds: median(|s| s.data_seconds),
            forward_seconds: median(|s| s.forward_seconds),
            backward_seconds: median(|s| s.backward_seconds),
            optimiser_seconds: median(|s| s.optimiser_seconds),
        }
    }
}

/// The middle one; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// A network in training.
pub struct Trainer<'a> {
    subject: &'a Subject,
    device: Device,
    windows: Windows,
    feed: Feed,
    /// `None` only while a step runs.
    model: Option<EffectModel>,
    optimiser: Optimiser,
    steps: usize,
}

impl<'a> Trainer<'a> {
    /// Builds the network on `device` (without autodiff) and as much sound as a batch needs.
    pub fn new(subject: &'a Subject, device: &Device) -> Self {
        let Subject {
            windows, training, ..
        } = subject;
        let model = models::build_for(
            subject.audio,
            &subject.model,
            windows,
            subject.controls,
            subject.seed,
            device,
        );
        let reach = evaluate::reach(&model);
        let WindowConfig { window_len, .. } = *windows;
        let len = reach.context + reach.lookahead + training.batch_size * window_len;
        let span = sound(len, subject);
        let model = model.train();
        let mut cut = Windows::cut(vec![span], window_len, window_len, reach);
        // What lies before the first sample is silence, and those windows count as well.
        cut.keep_spread(training.batch_size);
        Self {
            subject,
            feed: Feed::of(&cut, [device]),
            device: device.clone(),
            windows: cut,
            optimiser: Optimiser::new(training, &model),
            model: Some(model),
            steps: 0,
        }
    }

    /// The network as it stands.
    pub fn model(&self) -> Option<&EffectModel> {
        self.model.as_ref()
    }

    /// Samples that enter per window.
    pub fn input_len(&self) -> usize {
        self.windows.input_len()
    }

    /// One step.
    ///
    /// # Errors
    /// The loss is not a number: what was timed is no training.
    pub fn step(&mut self) -> anyhow::Result<StepSeconds> {
        let Some(model) = self.model.take() else {
            bail!("the network was lost in an earlier step");
        };
        let Subject { loss, training, .. } = self.subject;
        let autodiff = self.device.clone().autodiff();
        let order = self.windows.order(1, self.steps);
        self.steps += 1;

        let start = Instant::now();
        let mut laps = [0.0; 3];
        let chosen = (&self.windows, &order[..]);
        let tensors = self.feed.batch(chosen, &autodiff, &autodiff);
        wait(&self.device)?;
        let data_seconds = start.elapsed().as_secs_f64();
        let mut last = data_seconds;
        let mut waited = Ok(());
        let after = |phase: Phase| {
            if waited.is_ok() {
                waited = wait(&self.device);
            }
            let now = start.elapsed().as_secs_f64();
            laps[phase as usize] = now - last;
            last = now;
        };
        let rate = training.learning_rate;
        let stepped = step::step(loss, model, &mut self.optimiser, tensors, rate, after);
        waited?;
        // Handed over as the loop's log does it.
        let loss: f32 = stepped.loss.into_scalar();
        let step_seconds = start.elapsed().as_secs_f64();
        if !loss.is_finite() {
            bail!(
                "{}: the loss became {loss} in step {}; lower training.learning_rate with --config",
                self.subject.name,
                self.steps
            );
        }
        self.model = Some(stepped.model);
        let [forward_seconds, backward_seconds, optimiser_seconds] = laps;
        Ok(StepSeconds {
            step_seconds,
            data_seconds,
            forward_seconds,
            backward_seconds,
            optimiser_seconds,
        })
    }
}

/// Until the device has done all that it was asked for.
fn wait(device: &Device) -> anyhow::Result<()> {
    match device.sync() {
        Ok(()) => Ok(()),
        Err(error) => bail!("the device failed: {}", device::reason(&error.to_string())),
    }
}

/// Soft noise, and the same through a saturating curve: something that can be learned.
fn sound(len: usize, subject: &Subject) -> Span {
    let mut level = 0.0f32;
    let dry: Vec<f32> = Noise::new(1)
        .take(len)
        .map(|noise| {
            level = 0.9 * level + 0.3 * noise;
            level
        })
        .collect();
    let wet = dry.iter().map(|x| (3.0 * x).tanh()).collect();
    let pair = DryWetPair::aligned("noise", RATE, dry, wet, 0);
    let pair = Arc::new(pair.with_controls(vec![0.5; subject.controls]));
    let samples = 0..pair.len();
    let span = Span::new(pair, samples);
    match subject.audio.is_mono() {
        true => span,
        false => Span::stereo(&span, &span, subject.audio.dry),
    }
}
