//! Which networks take part in a race: the config's own, and those that are worth a try for the effect,
//! as far as the player can play them. Races none.

use super::scope::Search;
use crate::commands::recipes::{self, Extent, Recipe};
use crate::config::{Config, ModelConfig, Player, SearchConfig};
use crate::data::load;
use crate::models;
use crate::playing::controls;
use crate::report::race::Entrant;
use crate::training::level;
use anyhow::{Result, bail};
use burn::module::Module;

/// The configs of all that may take part, the likeliest first.
///
/// # Errors
/// None can be played by the player that was named.
pub(super) fn of(search: &Search<'_>, settings: &SearchConfig) -> Result<Vec<Config>> {
    let base = search.base;
    let recipes = recipes::recipes(settings.effect, &extent(search));
    let mut all: Vec<Config> = recipes
        .into_iter()
        .map(|recipe| with(base, recipe))
        .collect();
    if !all.iter().any(|config| config.model == base.model) {
        all.insert(0, base.clone());
    }
    all.retain(|config| {
        let takes_knobs = config.model.takes_controls() || config.data.knobs().is_empty();
        takes_knobs && config.check().is_ok() && plays(search, settings.player, config)
    });
    if let Some(only) = &settings.only {
        let names: Vec<String> = all.iter().map(|c| recipes::named(&c.model)).collect();
        all.retain(|config| recipes::named(&config.model) == *only);
        if all.is_empty() {
            bail!("search.only = \"{only}\": allowed are {}", names.join("; "));
        }
    }
    // Spans too short for a network leave it out; too short for all of them, the first says so.
    let mut too_short = None;
    all.retain(|config| {
        let model = models::of_config(config, search.lesson.device);
        let fits = search.lesson.windows(config, &model);
        fits.map_err(|reason| too_short.get_or_insert(reason))
            .is_ok()
    });
    if let (true, Some(reason)) = (all.is_empty(), too_short) {
        return Err(reason);
    }
    for config in &mut all {
        level::fit_output(config, &load::spans(&search.lesson.recordings.train));
    }
    if all.is_empty() {
        bail!(
            "search.for = \"{}\": none of the networks for this effect can be played there{}; leave it out",
            settings.player,
            if base.data.knobs().is_empty() {
                ""
            } else {
                ", with knobs"
            }
        );
    }
    Ok(all)
}

/// An entrant before its first round.
pub(super) fn entrant(search: &Search<'_>, config: &Config) -> Entrant {
    let model = models::of_config(config, search.lesson.device);
    let rate = search.lesson.recordings.sample_rate.hz();
    Entrant {
        name: recipes::named(&config.model),
        weights: model.num_params(),
        macs_per_sample: model.describe(rate, Vec::new()).macs_per_sample(),
        solved: matches!(
            config.model,
            ModelConfig::Fir(_) | ModelConfig::Modulated(_)
        ),
        rounds: Vec::new(),
    }
}

/// How much there is to learn from.
fn extent(search: &Search<'_>) -> Extent {
    let recordings = search.lesson.recordings;
    let len = |excerpts| {
        let spans = load::spans(excerpts);
        spans.iter().map(|s| s.samples().len()).collect::<Vec<_>>()
    };
    let (train, valid, test) = (
        len(&recordings.train),
        len(&recordings.valid),
        len(&recordings.test),
    );
    Extent {
        samples: train.iter().sum(),
        longest: train.iter().copied().max().unwrap_or_default(),
        usual: recipes::usual(&train),
        shortest_held_back: valid.iter().chain(&test).copied().min().unwrap_or_default(),
        reach: 0,
    }
}

/// The config that asks for the search, with this recipe.
fn with(base: &Config, recipe: Recipe) -> Config {
    let mut training = recipe.training;
    training.downward = base.training.downward;
    training.freeze.clone_from(&base.training.freeze);
    // What moves has been named already.
    let model = match (&base.model, recipe.model) {
        (ModelConfig::Modulated(_), ModelConfig::Modulated(_)) => base.model.clone(),
        (_, model) => model,
    };
    Config {
        model,
        windows: recipe.windows,
        training,
        ..base.clone()
    }
}

/// Whether the player that was asked for can play the network.
fn plays(search: &Search<'_>, player: Player, config: &Config) -> bool {
    player == Player::Any || {
        let model = models::of_config(config, search.lesson.device);
        let rate = search.lesson.recordings.sample_rate.hz();
        recipes::plays(
            player,
            &model.describe(rate, controls::of_config(&config.data)),
        )
    }
}
