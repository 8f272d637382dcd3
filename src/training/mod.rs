//! Training: the loop, its optimiser and schedule, checkpoints, the metric log, early stop.
//!
//! Knows networks and spans, not where recordings come from nor what is shown to the user.

pub mod average;
pub mod batcher;
pub mod downward;
pub mod evaluate;
pub mod feed;
mod flat;
mod head;
mod hearing;
pub mod history;
pub mod idle;
pub mod level;
pub mod modulation;
pub mod optimiser;
pub mod provenance;
pub mod recordings;
mod replicas;
pub mod run_dir;
pub mod run_report;
mod saver;
pub mod schedule;
mod setback;
mod settled;
pub mod silence;
pub mod step;
mod step_log;
pub mod stereo;
pub mod tail;
pub mod tare;
pub mod truncated;

use crate::config::Config;
use crate::data::load::DataError;
use crate::data::pair::Span;
use crate::data::windows::Windows;
use crate::device;
use crate::kernels;
use crate::models::EffectModel;
use crate::progress::{Event, Observer, Stopped, Task};
use crate::report::metrics::{ErrorSums, Metrics};
use burn::module::Module;
use burn::prelude::*;
use feed::Feed;
use history::{BestEpoch, EpochRow};
use replicas::Replicas;
use run_dir::{Progress, RunDir, RunError, State};
use saver::Saver;
use setback::WayBack;
use settled::{Settled, Strays};
use std::time::{Duration, Instant};
use step::Recipe;
use step_log::{StepLog, Waiting};

/// Why training did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The run's folder failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The recordings have not the channels that the network hears.
    #[error(transparent)]
    Data(#[from] DataError),
    /// NaN or infinity.
    #[error(
        "the loss became {loss} in epoch {epoch}; lower training.learning_rate (now {rate}), set \
         training.clip_norm = 1.0, or check the recordings with `effigy check`"
    )]
    Diverged {
        /// The loss.
        loss: f32,
        /// From 1.
        epoch: usize,
        /// At that step.
        rate: f64,
    },
    /// Gradients beyond 32 bits, throughout.
    #[error(
        "no step of epoch {epoch} had finite gradients; lower training.learning_rate (now {rate}) or \
         training.step_len, or check the recordings with `effigy check`"
    )]
    Overflowed {
        /// From 1.
        epoch: usize,
        /// At its end.
        rate: f64,
    },
    /// The card went away.
    #[error("epoch {epoch}: the card failed ({reason}); {kept}; `--device` names another")]
    CardLost {
        /// The epoch that was cut short, from 1.
        epoch: usize,
        /// What its driver said.
        reason: String,
        /// What there is and how to go on.
        kept: String,
    },
    /// Ctrl-C.
    #[error("stopped in epoch {epoch}; {kept}")]
    Interrupted {
        /// The epoch that was cut short, from 1.
        epoch: usize,
        /// What there is and how to go on.
        kept: String,
    },
}

impl TrainingError {
    /// What happened, where the weights went where nothing can be learned.
    fn lost_way(&self) -> Option<String> {
        match self {
            Self::Diverged { loss, epoch, .. } => {
                Some(format!("the loss became {loss} in epoch {epoch}"))
            }
            Self::Overflowed { epoch, .. } => {
                Some(format!("no step of epoch {epoch} had finite gradients"))
            }
            _ => None,
        }
    }

    /// With what there is and how to go on, where it was stopped.
    fn explained(self, run: &RunDir, best: Option<BestEpoch>) -> Self {
        match self {
            Self::Interrupted { epoch, .. } => Self::Interrupted {
                epoch,
                kept: kept(run, best),
            },
            other => other,
        }
    }
}

/// Everything a run needs beside its folder.
#[derive(Debug)]
pub struct Session<'a> {
    /// The resolved config.
    pub config: &'a Config,
    /// Without autodiff; training adds it.
    pub device: &'a Device,
    /// Further ones, no more than a batch has windows beside the first: they take their share of every
    /// batch.
    pub others: &'a [Device],
    /// What to learn from.
    pub windows: &'a Windows,
    /// Factor on both sides of the loss: [`level::target_gain`] of the recordings.
    pub target_gain: f32,
    /// What a network is to put out in silence: [`idle::recorded_idle`].
    pub idle: idle::Idle,
    /// What chooses the best epoch.
    pub valid: &'a [Span],
    /// The most of training that a kill may cost beside the epoch under way.
    pub save_every: Duration,
}

impl Session<'_> {
    /// All devices, the first first.
    fn devices(&self) -> impl Iterator<Item = &Device> {
        std::iter::once(self.device).chain(self.others)
    }

    /// What the devices are fed from.
    fn feed(&self) -> Feed {
        Feed::of(self.windows, self.devices())
    }

    /// The network of an epoch as it is scored, kept and played.
    pub fn finished(&self, model: EffectModel) -> EffectModel {
        // Frozen layers keep their weights, the last one's bias among them.
        if self.config.training.freeze.is_empty() {
            tare::tare(model, self.device, self.valid, self.idle)
        } else {
            model
        }
    }

    /// The tail behind the network as it is now, in all its copies.
    fn follow_with_tail(
        &self,
        state: &mut State,
        observer: &dyn Observer,
    ) -> Result<(), TrainingError> {
        let (model, spans) = (state.valid(), self.windows.spans());
        let taps = tail::follow(&model, self.config, spans, self.device, observer);
        let taps = taps.map_err(|Stopped| TrainingError::Interrupted {
            epoch: state.progress.history.len() + 1,
            kept: String::new(),
        })?;
        if let Some(taps) = taps {
            state.model = state.model.clone().with_tail(&taps);
            if let Some(average) = &mut state.average {
                average.set_tail(&taps);
            }
        }
        Ok(())
    }
}

/// Trains until the last epoch, early stop, divergence or Ctrl-C, from wherever `state`
/// stands. `on_epoch` sees every finished row.
///
/// # Errors
/// [`TrainingError`]; the best weights, and epochs as far back as `save_every` says, are on the
/// disk in every case.
pub fn train(
    session: &Session<'_>,
    run: &RunDir,
    mut state: State,
    observer: &dyn Observer,
    mut on_epoch: impl FnMut(&EpochRow, bool),
) -> Result<Progress, TrainingError> {
    let training = &session.config.training;
    let task = Task::begin(observer, "training", Some(training.epochs as u64));
    task.advance(state.progress.history.len() as u64);
    // What lies on a card goes with it.
    let card = session.devices().find(|device| device::is_card(device));
    let save_every = match card {
        Some(_) => Duration::ZERO,
        None => session.save_every,
    };
    let card = card.unwrap_or(session.device);
    let mut feed = None;
    let mut saver = Saver::new(run, save_every);
    let way_back = WayBack::of(run, training, state.model.valid(), observer);
    while state.progress.history.len() < training.epochs
        && !out_of_patience(&state.progress, training.patience)
    {
        let started = Instant::now();
        let epoch = state.progress.history.len() + 1;
        let before = state.progress.clone();
        let attempt = || whole_epoch(session, &mut feed, state, observer);
        let attempted = match device::watched(card, attempt) {
            Ok(attempted) => attempted,
            Err(reason) => return Err(card_lost(run, epoch, reason, before.best)),
        };
        let (trained, model, figures);
        (state, trained, model, figures) = match attempted {
            Ok(done) => done,
            Err(error) => {
                saver.keep_best()?;
                match error.lost_way().filter(|_| setback::is_left(&before)) {
                    Some(why) => {
                        state = way_back.go(before, &why)?;
                        saver.went_back(&state)?;
                        continue;
                    }
                    None => return Err(error.explained(run, before.best)),
                }
            }
        };
        figures.warn(epoch, observer);
        let row = EpochRow {
            epoch,
            train: trained.sums.metrics(),
            valid: figures.metrics,
            learning_rate: trained.learning_rate,
            seconds: started.elapsed().as_secs_f64(),
        };
        let better = BestEpoch::is_beaten_by(state.progress.best, &row.valid);
        if better {
            saver.better(model);
            state.progress.best = Some(BestEpoch::of_row(&row));
        }
        on_epoch(&row, better);
        state.progress.history.push(row);
        match trained.left_out(epoch) {
            Some(why) if !better && setback::is_left(&state.progress) => {
                saver.keep_best()?;
                state = way_back.go(state.progress, &why)?;
                saver.epoch_done(&mut state)?;
                saver.went_back(&state)?;
            }
            why => {
                why.iter()
                    .for_each(|why| observer.event(Event::Warning(why)));
                saver.epoch_done(&mut state)?;
            }
        }
        task.advance(1);
    }
    saver.save(&state)?;
    Ok(state.progress)
}

/// An epoch's training, and the weights that count after it with their figures.
fn whole_epoch(
    session: &Session<'_>,
    feed: &mut Option<Feed>,
    state: State,
    observer: &dyn Observer,
) -> Result<(State, Trained, EffectModel, Validated), TrainingError> {
    let feed = feed.get_or_insert_with(|| session.feed());
    let (state, trained) = train_epoch(session, feed, state, observer)?;
    let (model, figures) = validate(session, &state);
    Ok((state, trained, model, figures))
}

/// What validation says of a state.
struct Validated {
    metrics: Metrics,
    own_delay: i64,
    is_inverted: bool,
}

impl Validated {
    /// Says what of it is odd.
    fn warn(&self, epoch: usize, observer: &dyn Observer) {
        if self.own_delay != 0 {
            observer.event(Event::Warning(&format!(
                "epoch {epoch}: the network lags by {} samples of its own on the validation spans; its \
                 figures there are without them",
                self.own_delay
            )));
        }
        if self.is_inverted {
            observer.event(Event::Warning(&format!(
                "epoch {epoch}: the validation prediction is inverted; a loss that is deaf to the \
                 sign (multi_resolution_stft) needs mse or esr beside it"
            )));
        }
    }
}

/// The weights that count after an epoch, and their figures.
fn validate(session: &Session<'_>, state: &State) -> (EffectModel, Validated) {
    let model = session.finished(state.valid());
    let (sums, own_delay) = evaluate::score(&model, session.device, session.valid);
    let mut metrics = sums.metrics();
    let Session {
        device,
        valid,
        idle,
        ..
    } = *session;
    // A network that does not come to rest is no better for what it does before.
    if session.config.training.downward {
        metrics.esr += tare::unrest(&model, device, valid, idle);
    }
    // It takes as long as a twentieth of an epoch, so only what may be the best is asked.
    let may_be_best = BestEpoch::is_beaten_by(state.progress.best, &metrics);
    if may_be_best && session.config.training.stray_starts.is_some() {
        metrics.esr += tare::astray(&model, device, valid, idle);
    }
    let is_inverted = sums.is_inverted();
    (
        model,
        Validated {
            metrics,
            own_delay,
            is_inverted,
        },
    )
}

/// What a session costs on this machine, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// One batch of windows.
    pub batch: f64,
    /// The validation after an epoch.
    pub valid: f64,
}

/// Times a session whose epochs are a batch each, on weights that are thrown away.
///
/// # Errors
/// As [`train`].
pub fn pace(
    session: &Session<'_>,
    state: State,
    observer: &dyn Observer,
) -> Result<Pace, TrainingError> {
    let feed = session.feed();
    // The first batch fills caches.
    let (state, _) = train_epoch(session, &feed, state, observer)?;
    let started = Instant::now();
    let (state, _) = train_epoch(session, &feed, state, observer)?;
    let batch = started.elapsed().as_secs_f64();
    let started = Instant::now();
    validate(session, &state);
    Ok(Pace {
        batch,
        valid: started.elapsed().as_secs_f64(),
    })
}

fn out_of_patience(progress: &Progress, patience: Option<usize>) -> bool {
    let best = progress.best.map_or(0, |b| b.epoch);
    patience.is_some_and(|patience| progress.history.len() >= best + patience)
}

/// What an epoch leaves in the log.
struct Trained {
    sums: ErrorSums,
    learning_rate: f64,
    /// Of how many steps, how many were left out.
    steps: usize,
    overflowed: usize,
}

impl Trained {
    /// The steps that were left out, in words; `None` where none was.
    fn left_out(&self, epoch: usize) -> Option<String> {
        let (steps, overflowed) = (self.steps, self.overflowed);
        (overflowed > 0).then(|| {
            format!(
                "epoch {epoch}: {overflowed} of {steps} steps had gradients beyond 32 bits and were \
                 left out"
            )
        })
    }
}

/// One pass over all windows.
fn train_epoch(
    session: &Session<'_>,
    feed: &Feed,
    mut state: State,
    observer: &dyn Observer,
) -> Result<(State, Trained), TrainingError> {
    let Config { training, seed, .. } = session.config;
    let device = session.device.clone().autodiff();
    let epoch = state.progress.history.len();
    let done = epoch as f32 / training.epochs as f32;
    let recipe = Recipe {
        loss: &session.config.loss,
        target_gain: session.target_gain,
        silence_gain: silence::gain(session.windows.spans(), done),
    };
    if let Some(sums) = follow_motion(session, &mut state, observer)? {
        let trained = Trained {
            sums,
            learning_rate: 0.0,
            steps: 0,
            overflowed: 0,
        };
        return Ok((state, trained));
    }
    let order = session.windows.order(*seed, epoch);
    let per_window = training.steps_per_window(&session.config.windows);
    let steps = order.len().div_ceil(training.batch_size) * per_window;
    let mut log = StepLog::default();
    let mut number = epoch * steps;
    let mut rate = 0.0;
    let name = format!("epoch {}/{}", epoch + 1, training.epochs);
    let task = Task::begin(observer, &name, Some(steps as u64));
    let strays = training.stray_starts.map(|one_in| Strays {
        one_in,
        seed: seed.wrapping_add((epoch as u64) << 32),
    });
    let mut settled = Settled::find(&state.model, session.windows, &device, strays);
    let mut replicas = Replicas::of(&state.model, session.others);
    for indices in order.chunks(training.batch_size) {
        let chosen = (feed, session.windows, indices);
        let mut batch = replicas.begin(&state.model, chosen, training.step_len, &settled);
        let mut waiting = Waiting::default();
        while let Some(sides) = batch.advance(&state.model, &replicas) {
            task.go_on().map_err(|_| TrainingError::Interrupted {
                epoch: epoch + 1,
                kept: String::new(),
            })?;
            rate = schedule::learning_rate(training, number, steps)
                * setback::slowness(&state.progress);
            let wet = sides.0.clone().inner();
            let (model, optimiser) = ((state.model, &replicas), &mut state.optimiser);
            let stepped = step::update(recipe, model, optimiser, sides, rate, |_| {});
            state.model = stepped.model;
            replicas.follow(&state.model);
            number += 1;
            if let Some(average) = &mut state.average {
                average.follow(&state.model.valid(), number);
            }
            waiting.hold(wet, stepped.predicted);
            waiting.losses.push(stepped.loss);
            waiting.overflows.push(stepped.overflowed);
            task.advance(1);
        }
        settled.follow(&state.model);
        for operator in kernels::composed_on_cards() {
            let text = format!(
                "this card has no kernels for {operator}: it is composed of the tensor library's \
                 operators, which takes longer (`effigy bench train --device` says how long)"
            );
            observer.event(Event::Warning(&text));
        }
        log.push(waiting);
        if let Some(loss) = log.drain_when_full() {
            return Err(diverged(loss, epoch, rate));
        }
    }
    let broken = log.drain();
    let overflowed = log.overflowed;
    if overflowed == steps && steps > 0 {
        let epoch = epoch + 1;
        return Err(TrainingError::Overflowed { epoch, rate });
    }
    if let Some(loss) = broken {
        return Err(diverged(loss, epoch, rate));
    }
    session.follow_with_tail(&mut state, observer)?;
    let trained = Trained {
        sums: log.sums,
        learning_rate: rate,
        steps,
        overflowed,
    };
    Ok((state, trained))
}

/// An epoch of an effect that moves by itself: solved for, not searched. `None` of other networks.
fn follow_motion(
    session: &Session<'_>,
    state: &mut State,
    observer: &dyn Observer,
) -> Result<Option<ErrorSums>, TrainingError> {
    if state.model.modulated().is_none() {
        return Ok(None);
    }
    let spans = session.windows.spans();
    let followed = modulation::epoch(&state.valid(), spans, observer);
    let followed = followed.map_err(|Stopped| TrainingError::Interrupted {
        epoch: state.progress.history.len() + 1,
        kept: String::new(),
    })?;
    Ok(followed.map(|(model, sums)| {
        if let Some(moved) = model.modulated() {
            let learning = state.model.clone();
            state.model = learning.with_motion(&moved.effect(), moved.ahead());
        }
        sums
    }))
}

fn diverged(loss: f32, epoch: usize, rate: f64) -> TrainingError {
    TrainingError::Diverged {
        loss,
        epoch: epoch + 1,
        rate,
    }
}

fn card_lost(run: &RunDir, epoch: usize, reason: String, best: Option<BestEpoch>) -> TrainingError {
    TrainingError::CardLost {
        epoch,
        reason,
        kept: kept(run, best),
    }
}

/// What a run that ends early leaves, and how to go on.
fn kept(run: &RunDir, best: Option<BestEpoch>) -> String {
    let path = run.path().display();
    match best {
        Some(best) => format!(
            "the best weights (epoch {}, validation ESR {:.4}) are in {path}; continue with \
             `effigy train --run {path} --resume`",
            best.epoch, best.esr
        ),
        None => format!("no epoch was completed, so {path} holds no weights yet"),
    }
}
