//! Races networks against each other: each is trained for a little while, the best third for longer,
//! and the best of these is what the run trains to the end, from the weights that it has reached
//! (successive halving: Jamieson & Talwalkar 2016).
//!
//! With a budget of optimiser steps the same happens on every machine. With one of time, how many
//! epochs each gets is measured once and written down before it begins, so a stopped search goes on
//! as it would have.

mod entrants;
mod place;
mod scope;

use place::Place;
pub(super) use place::{config_of, is_searching};
pub(super) use scope::Search;

use super::request::Request;
use crate::commands::recipes;
use crate::config::{Budget, Config, SearchConfig};
use crate::models::EffectModel;
use crate::progress::Event;
use crate::report::race::{Entrant, Race, Round};
use crate::report::table::figure;
use crate::training::run_dir::RunDir;
use crate::training::{TrainingError, evaluate};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// What a run says of the search that led to it.
const FILE: &str = "search.json";

/// Shares of what is available that the rounds of the race take; the rest is the winner's.
const ROUNDS: [f64; 2] = [0.25, 0.2];

/// One of so many goes on to the next round, rounded up.
const ONE_OF: usize = 3;

/// No entrant gets less than this in the first round; fewer take part instead.
const LEAST_SECONDS: f64 = 3.0;
const LEAST_STEPS: f64 = 20.0;

/// Seconds that the test and the page take after training.
const CONCLUSION_SECONDS: f64 = 5.0;

/// Epochs that a round, and the winner's training, are divided into, where recordings are long enough:
/// each is validated, the best kept.
const EPOCHS: f64 = 5.0;
const LAST_EPOCHS: f64 = 25.0;

/// How much of its training a kill may cost an entrant.
const SAVE_EVERY: Duration = Duration::from_secs(20);

/// What is trained to the end.
pub(super) struct Chosen {
    /// Of the run.
    pub(super) config: Config,
    /// What it starts from.
    pub(super) model: EffectModel,
    /// All that was tried.
    pub(super) race: Option<Race>,
    /// Where the search was that led to it.
    pub(super) place: Option<Place>,
}

impl Chosen {
    /// Without a search.
    pub(super) fn alone(config: &Config, model: EffectModel) -> Self {
        Self {
            config: config.clone(),
            model,
            race: None,
            place: None,
        }
    }
}

/// The network to train: the winner of the search that the config asks for, else the config's own.
/// `begun`: the run that is resumed.
///
/// # Errors
/// No network that the player can play, or that the spans are long enough for; all failed; Ctrl-C; a
/// folder that cannot be written.
pub(super) fn choose(
    search: &Search<'_>,
    request: &Request,
    begun: Option<&RunDir>,
) -> Result<Chosen> {
    let config = search.base;
    let alone = || {
        Ok(Chosen::alone(
            config,
            search.lesson.new_model(config, search.observer)?,
        ))
    };
    let asked = config.search.as_ref();
    let Some(settings) = asked.filter(|search| search.budget != Budget::None) else {
        return alone();
    };
    if let Some(run) = begun.filter(|run| run.has_state()) {
        return Ok(Chosen {
            place: Place::left(run.path())?,
            ..alone()?
        });
    }
    // Before anything is written: what is refused leaves nothing behind.
    let configs = entrants::of(search, settings)?;
    let place = Place::of(request, config, begun)?;
    let race = Racing {
        search,
        settings,
        place: &place,
    };
    let mut chosen = race.run(&configs)?;
    if begun.is_some() {
        // The run has its plan already; only what it starts from is not there yet.
        chosen.config.clone_from(config);
    }
    chosen.place = Some(place);
    Ok(chosen)
}

/// Leaves in `run` what the search found.
///
/// # Errors
/// It cannot be written.
pub(super) fn keep(run: &RunDir, race: &Option<Race>) -> Result<()> {
    match race {
        Some(race) => Ok(run.write(FILE, &serde_json::to_vec(race)?)?),
        None => Ok(()),
    }
}

/// What [`keep`] left.
///
/// # Errors
/// It cannot be read.
pub(super) fn kept(run: &RunDir) -> Result<Option<Race>> {
    place::read(&run.file(FILE))
}

/// A search under way.
struct Racing<'a> {
    search: &'a Search<'a>,
    settings: &'a SearchConfig,
    place: &'a Place,
}

impl Racing<'_> {
    /// Races, from wherever the search stands.
    ///
    /// # Errors
    /// All failed; Ctrl-C; a folder that cannot be written.
    fn run(&self, configs: &[Config]) -> Result<Chosen> {
        let mut race = match self.place.read()? {
            Some(race) => race,
            None => self.begin(configs)?,
        };
        let configs = named_alike(&race, configs)?;
        let mut left: Vec<usize> = (0..race.entrants.len()).collect();
        for (round, share) in ROUNDS.iter().enumerate() {
            // What is solved for takes next to nothing.
            let learning = left.iter().filter(|&&at| !race.entrants[at].solved);
            let slice = share * race.available / learning.count().max(1) as f64;
            for &at in &left {
                if race.entrants[at].rounds.len() <= round {
                    let (done, cost) = self.round(configs[at], (round, at), slice)?;
                    self.tell(&race.entrants[at].name, &done);
                    race.entrants[at].rounds.push(done);
                    race.spent += cost;
                    self.place.keep(&race)?;
                }
            }
            let ranked = race.ranked(&left, round, race.available - race.spent);
            left = race.going_on(ranked, left.len().div_ceil(ONE_OF));
        }
        let winner = left[0];
        race.winner = Some(winner);
        self.won(configs[winner], winner, race)
    }

    fn begin(&self, configs: &[Config]) -> Result<Race> {
        let (available, least) = match self.settings.budget {
            Budget::Seconds(seconds) => {
                let gone = self.search.started.elapsed().as_secs_f64() + CONCLUSION_SECONDS;
                ((seconds - gone).max(0.1 * seconds), LEAST_SECONDS)
            }
            Budget::Steps(steps) => (steps as f64, LEAST_STEPS),
            Budget::None => (0.0, LEAST_STEPS),
        };
        let most = (ROUNDS[0] * available / least) as usize;
        let entrants = configs.iter().take(most.clamp(2, configs.len().max(2)));
        let entrants = entrants.map(|config| entrants::entrant(self.search, config));
        let race = Race {
            budget: self.settings.budget.to_string(),
            available,
            spent: 0.0,
            entrants: entrants.collect(),
            winner: None,
        };
        let note = format!(
            "search: {} networks in {}, the best is trained to the end",
            race.entrants.len(),
            race.budget
        );
        self.search.observer.event(Event::Note(&note));
        Ok(race)
    }

    fn tell(&self, name: &str, round: &Round) {
        let how = match (&round.standing, &round.failed) {
            (Some(s), _) => format!(
                "ESR {}, by level {}, worst recording {}: score {}",
                figure(s.esr),
                figure(s.by_level),
                figure(s.worst),
                figure(s.score())
            ),
            (None, why) => format!("failed: {}", why.as_deref().unwrap_or("no figure")),
        };
        let text = format!("  {name}: {how} ({:.1} s)", round.seconds);
        self.search.observer.event(Event::Note(&text));
    }

    /// One round of one entrant, and what it cost in the budget's unit.
    fn round(
        &self,
        config: &Config,
        (round, at): (usize, usize),
        slice: f64,
    ) -> Result<(Round, f64)> {
        let started = Instant::now();
        let model = self.start(config, (round, at))?;
        let folder = self.place.round(round, at);
        let run = match RunDir::is_free(&folder) {
            true => {
                let planned = match self.planned(config, &model, slice, EPOCHS) {
                    Ok(planned) => planned,
                    Err(error) => return self.failed(error, started),
                };
                RunDir::create(&folder, &planned, self.search.checksums)?
            }
            false => RunDir::resume(&folder)?,
        };
        let config = run.config()?;
        let windows = self.search.lesson.windows(&config, &model)?;
        let trained = self.search.lesson.train(
            (&config, &windows),
            &run,
            model.clone(),
            SAVE_EVERY,
            self.search.observer,
            |_, _| {},
        );
        if let Err(error) = trained {
            return self.failed(error, started);
        }
        let best = run.load_best_into(model);
        let lesson = &self.search.lesson;
        let valid = lesson.spans(&lesson.recordings.valid, &config)?;
        let idle = lesson.idle(&config)?;
        let silence = (idle, config.training.stray_starts.is_some());
        let standing = best.map(|best| evaluate::standing(&best, lesson.device, &valid, silence));
        let steps = steps_of(&config, windows.order(0, 0).len());
        let seconds = started.elapsed().as_secs_f64();
        let done = Round {
            epochs: config.training.epochs,
            steps,
            seconds,
            failed: standing.as_ref().err().map(ToString::to_string),
            standing: standing.ok(),
        };
        Ok((done, self.cost(steps, seconds)))
    }

    /// A network that cannot be trained is out of the race; a stop ends the race.
    fn failed(&self, error: TrainingError, started: Instant) -> Result<(Round, f64)> {
        match error {
            TrainingError::Interrupted { .. } => {
                bail!("stopped during the search; the same command with --resume goes on with it")
            }
            lost @ TrainingError::CardLost { .. } => Err(lost.into()),
            TrainingError::Run(error) => Err(error.into()),
            TrainingError::Data(error) => Err(error.into()),
            diverged @ (TrainingError::Diverged { .. } | TrainingError::Overflowed { .. }) => {
                let seconds = started.elapsed().as_secs_f64();
                let round = Round {
                    epochs: 0,
                    steps: 0,
                    seconds,
                    standing: None,
                    failed: Some(diverged.to_string()),
                };
                Ok((round, self.cost(0, seconds)))
            }
        }
    }

    fn cost(&self, steps: usize, seconds: f64) -> f64 {
        match self.settings.budget {
            Budget::Seconds(_) => seconds,
            Budget::Steps(_) | Budget::None => steps as f64,
        }
    }

    /// The network before its round: as the round before left it, or new.
    fn start(&self, config: &Config, (round, at): (usize, usize)) -> Result<EffectModel> {
        let model = self.search.lesson.new_model(config, self.search.observer)?;
        match round.checked_sub(1) {
            None => Ok(model),
            Some(before) => {
                let run = RunDir::open(&self.place.round(before, at))?;
                Ok(run.load_best_into(model)?)
            }
        }
    }

    /// `config` with as many epochs, about `epochs` where windows are many, as fit into `slice`.
    fn planned(
        &self,
        config: &Config,
        model: &EffectModel,
        slice: f64,
        epochs: f64,
    ) -> Result<Config, TrainingError> {
        let windows = self.search.lesson.windows(config, model);
        let windows = match windows {
            Ok(windows) => windows,
            // It is refused with its reason where the round begins.
            Err(_) => return Ok(config.clone()),
        };
        if config.training.epochs == 1 {
            // Solved for: nothing to divide.
            return Ok(config.clone());
        }
        let batch_size = config.training.batch_size;
        let batches = windows.len().div_ceil(batch_size).max(1);
        let (batch, valid) = match self.settings.budget {
            Budget::Steps(_) | Budget::None => (
                config.training.steps_per_window(&config.windows) as f64,
                0.0,
            ),
            Budget::Seconds(_) => {
                let pace = self
                    .search
                    .lesson
                    .pace(config, windows, model, self.search.observer)?;
                (pace.batch, pace.valid)
            }
        };
        let fit = (slice / epochs - valid) / batch;
        let per_epoch = (fit.max(1.0) as usize).min(batches);
        let count = (slice / (per_epoch as f64 * batch + valid)) as usize;
        let mut planned = config.clone();
        planned.training.epochs = count.clamp(2, 100_000);
        planned.windows.per_epoch = (per_epoch < batches).then_some(per_epoch * batch_size);
        Ok(planned)
    }

    fn won(&self, config: &Config, winner: usize, race: Race) -> Result<Chosen> {
        let round = ROUNDS.len();
        let model = self.start(config, (round, winner))?;
        let left = race.available - race.spent;
        // Whatever the rounds took: the winner is trained at least as long as in the last of them.
        let least = (1.0 - ROUNDS.iter().sum::<f64>()) * race.available / 2.0;
        let planned = self.planned(config, &model, left.max(least), LAST_EPOCHS);
        let config = planned.context("planning the winner's training")?;
        let note = format!(
            "search: {} is trained to the end",
            race.entrants[winner].name
        );
        self.search.observer.event(Event::Note(&note));
        Ok(Chosen {
            config,
            model,
            race: Some(race),
            place: None,
        })
    }
}

fn steps_of(config: &Config, windows: usize) -> usize {
    let batches = windows.div_ceil(config.training.batch_size);
    config.training.epochs * batches * config.training.steps_per_window(&config.windows)
}

/// The config of each entrant, by name: another version may list them otherwise.
///
/// # Errors
/// An entrant that this version does not try.
fn named_alike<'a>(race: &Race, configs: &'a [Config]) -> Result<Vec<&'a Config>> {
    let of = |entrant: &Entrant| {
        let mut configs = configs.iter();
        let found = configs.find(|config| recipes::named(&config.model) == entrant.name);
        found.with_context(|| {
            format!(
                "the search under way tries {}, which this version of effigy does not: give another --run, \
                 or remove the folder that ends in -search",
                entrant.name
            )
        })
    };
    race.entrants.iter().map(of).collect()
}
