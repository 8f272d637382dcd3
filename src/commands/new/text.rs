//! The config as text, with the reasons as comments. Knows what was found, not how.

use super::comment::comment;
use super::pairs::Named;
use super::paths::relative;
use super::request::Request;
use super::spans::{self, Share};
use crate::commands::check;
use crate::commands::recipes::{self, Extent, Recipe};
use crate::config::{Budget, Family, ModelConfig, Player};
use crate::dsp::align::TRUSTED_CONFIDENCE;
use crate::models;
use crate::network::Control;
use crate::regress::diagnosis::Kind;
use crate::survey::Sides;
use anyhow::Result;
use burn::tensor::Device;
use std::fmt::Write;
use std::path::Path;
use toml::{Table, Value};

/// All that the text is made of.
pub(super) struct Plan<'a> {
    pub(super) path: &'a Path,
    pub(super) request: &'a Request,
    pub(super) named: &'a [Named],
    /// Of knobs whose numbers are not from 0 to 1 the lowest and the highest.
    pub(super) ranges: &'a [(String, [f64; 2])],
    /// What was found, and of which pair.
    pub(super) looked: &'a [(usize, check::Outcome)],
    pub(super) kind: Option<Kind>,
}

/// What keys of `[model]` and `[training]` are for.
const WHY: [(&str, &str); 8] = [
    (
        "skip",
        ".nam files cannot add the dry sound to the network's output.",
    ),
    (
        "warm_up",
        "Samples that only fill the memory before each window.",
    ),
    (
        "memory",
        "Samples that the slowest unit remembers before it has learned anything.",
    ),
    (
        "drive",
        "Factor on the first weights: an effect of much gain bends at small levels.",
    ),
    (
        "step_len",
        "Each window is walked through in steps of this many samples, the memory carried on.",
    ),
    (
        "average",
        "The mean of the last thousand steps' weights is kept.",
    ),
    (
        "stray_starts",
        "One window in this many begins with a memory of random content: a network that strays finds back.",
    ),
    (
        "downward",
        "Learns what lies below the recorded levels, down to silence, from a chain of filters and clippers.",
    ),
];

impl Plan<'_> {
    /// The kind of effect and what is tried for it, in a line.
    pub(super) fn summary(&self) -> String {
        let kind = self.kind.map_or_else(
            || "an effect of unknown kind".to_string(),
            |k| k.to_string(),
        );
        let all = self.recipes();
        match (self.budget(), all.first()) {
            (Budget::None, Some(first)) => format!("{kind}; {} suggested", first.name),
            (budget, _) => {
                let tried = all.len();
                let networks = if tried == 1 { "network" } else { "networks" };
                format!("{kind}; {tried} {networks} to be tried within {budget}")
            }
        }
    }

    /// Whether left and right are sides of one effect.
    pub(super) fn is_joint(&self) -> bool {
        let sides = self
            .looked
            .iter()
            .filter_map(|(_, check)| check.sides.as_ref());
        self.request.channel.is_none() && Sides::are_joint(sides)
    }

    /// A wet of one channel among pairs of which others have sides of one effect.
    pub(super) fn mono_beside_joint(&self) -> Option<&Path> {
        let mut looked = self.looked.iter().filter(|_| self.is_joint());
        let (at, _) = looked.find(|(_, check)| check.wet.channels == 1)?;
        Some(&self.named[*at].wet)
    }

    /// Samples that filters across both sides need, where these are all of the effect.
    fn filters_across(&self) -> Option<usize> {
        let sides = self
            .looked
            .iter()
            .filter_map(|(_, check)| check.sides.as_ref());
        let sides: Vec<_> = sides.filter(|sides| sides.joint).collect();
        // A filter has no knobs.
        let has_knobs = self.named.iter().any(|named| !named.knobs.is_empty());
        let are_all = self.is_joint() && !has_knobs && sides.iter().all(|sides| sides.is_linear());
        let reach = sides.iter().map(|sides| sides.reach).max();
        reach.filter(|_| are_all)
    }

    fn budget(&self) -> Budget {
        let usual = match family_of(self.kind) {
            // Solved for: there is nothing to try.
            Family::Modulation => Budget::None,
            _ if self.filters_across().is_some() => Budget::None,
            _ => Budget::Seconds(300.0),
        };
        self.request.budget.unwrap_or(usual)
    }

    /// # Errors
    /// A file's name that no config can hold.
    pub(super) fn config(&self) -> Result<String> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let mut text =
            format!("# {stem}: written by `effigy new` after a look at the recordings.\n#\n");
        for fact in self.found() {
            text += &comment(&fact);
        }
        let _ = write!(
            text,
            "#\n#   effigy train {}\n\nname = {}\nseed = 1\n\n[data]\n{}",
            self.path.display(),
            quoted(&stem),
            self.latency()
        );
        if self.is_inverted() {
            text += "# The wet side is upside down. \"keep\" learns that, \"correct\" turns it over first.\n\
                     polarity = \"keep\"\n";
        }
        text += &self.stereo();
        text += &self.knob_ranges();
        text += &self.pairs()?;
        text += &self.search();
        if let Some(first) = self.recipes().first() {
            text += &self.tables(first)?;
        }
        Ok(text)
    }

    /// The facts worth keeping beside the config, a line each.
    fn found(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if self.named.len() > 1 {
            facts.push(format!(
                "{} pairs of recordings, {} looked at:",
                self.named.len(),
                self.looked.len()
            ));
        }
        for (at, check) in self.looked {
            let name = match self.named.len() {
                1 => String::new(),
                _ => format!("{}: ", file_name(&self.named[*at].wet)),
            };
            let gain = check
                .gain_db
                .map_or_else(String::new, |db| format!(", wet {db:+.1} dB against dry"));
            let kind = check.kind.filter(|_| self.named.len() > 1);
            let kind = kind.map_or_else(String::new, |kind| format!(", {kind}"));
            let seconds = check.dry.seconds.min(check.wet.seconds);
            facts.push(format!(
                "{name}{} Hz, {seconds:.1} s{gain}{kind}",
                check.dry.sample_rate_hz
            ));
            facts.extend(check.problems.iter().map(|p| format!("{name}PROBLEM: {p}")));
            facts.extend(check.cautions.iter().map(|c| format!("{name}note: {c}")));
        }
        facts.extend(self.kind.map(|kind| format!("kind of effect: {kind}")));
        let rate = self
            .looked
            .first()
            .map(|(_, check)| check.dry.sample_rate_hz);
        if let Some(rate) = rate.filter(|rate| *rate != 48_000) {
            facts.push(format!(
                "players of .nam files assume 48000 Hz; these recordings have {rate} Hz: record at 48000 \
                 Hz for a model that is to be played there"
            ));
        }
        facts
    }

    /// Both sides as one effect, where they are.
    fn stereo(&self) -> String {
        if !self.is_joint() {
            return String::new();
        }
        let why = comment(
            "Or \"channels\", which learns each side by itself, as one and the same effect of one channel.",
        );
        format!("{why}stereo = \"joint\"\n")
    }

    /// What each knob's numbers are to a network.
    fn knob_ranges(&self) -> String {
        if self.ranges.is_empty() {
            return String::new();
        }
        let why = comment(
            "The numbers of each knob that a network hears as 0 and 1. `effigy infer --control` takes the knob's \
             own numbers.",
        );
        let ranges = self.ranges.iter();
        let ranges =
            ranges.map(|(name, [low, high])| format!("{} = [{low:?}, {high:?}]", key(name)));
        let ranges: Vec<String> = ranges.collect();
        format!("{why}knob_ranges = {{ {} }}\n", ranges.join(", "))
    }

    /// The latency to write, and how it was come by.
    fn latency(&self) -> String {
        let write = |value: &str, how: &str| {
            format!("# Samples by which wet lags: {how}.\nlatency = {value}\n")
        };
        if let Some(given) = self.request.latency_samples {
            return write(&given.to_string(), "as given");
        }
        if let [(_, check)] = self.looked {
            return match (check.placed_latency(), &check.latency) {
                (Some((samples, confidence)), _) => write(
                    &samples.to_string(),
                    &format!(
                        "measured, confidence {confidence:.2}; \"auto\" measures again at every run"
                    ),
                ),
                (None, Some(facts)) => write(
                    "0",
                    &format!(
                        "not measurable with confidence ({} is a guess); 0 is safe when both sides were \
                         recorded in one session",
                        facts.latency_samples
                    ),
                ),
                (None, None) => write("0", "could not be measured; set it if you know it"),
            };
        }
        let trusted: Vec<i64> = self
            .looked
            .iter()
            .filter_map(|l| l.1.placed_latency())
            .map(|t| t.0)
            .collect();
        match (trusted.iter().min(), trusted.iter().max()) {
            (None, _) | (_, None) => write(
                "0",
                "not measurable with confidence; 0 is safe when all was recorded in one session",
            ),
            // Too early can be learned, too late cannot.
            (Some(least), Some(most)) if most - least <= 1 => write(
                &least.to_string(),
                &format!("measured on {} pairs, which agree", trusted.len()),
            ),
            (Some(least), Some(most)) => write(
                "\"auto\"",
                &format!("{least} to {most} on the pairs looked at, so measured at every run"),
            ),
        }
    }

    fn is_inverted(&self) -> bool {
        let measured = self
            .looked
            .iter()
            .filter_map(|(_, c)| c.latency.as_ref()?.measured.as_ref());
        let mut trusted = measured
            .filter(|m| m.confidence >= TRUSTED_CONFIDENCE)
            .peekable();
        trusted.peek().is_some() && trusted.all(|m| m.inverted)
    }

    fn pairs(&self) -> Result<String> {
        let mut text = String::new();
        let mut parts = [
            ("train", String::new()),
            ("valid", String::new()),
            ("test", String::new()),
        ];
        for (at, named) in self.named.iter().enumerate() {
            let mut files = format!(
                "dry = {}\nwet = {}\n",
                quoted(&relative(self.path, &named.dry)?),
                quoted(&relative(self.path, &named.wet)?)
            );
            if let Some(channel) = self.request.channel {
                let _ = writeln!(files, "channel = {channel}");
            }
            if !named.knobs.is_empty() {
                let knobs = named
                    .knobs
                    .iter()
                    .map(|(name, value)| format!("{} = {value:?}", key(name)));
                let _ = writeln!(
                    files,
                    "controls = {{ {} }}",
                    knobs.collect::<Vec<_>>().join(", ")
                );
            }
            let (shares, place) = self.shares(at);
            for ((part, text), shares) in
                parts
                    .iter_mut()
                    .zip([shares.train, shares.valid, shares.test])
            {
                for share in shares {
                    let _ = writeln!(text, "[[data.{part}]]\n{files}{}", place.span(share));
                }
            }
        }
        text += "\n";
        text += &comment(&self.why_split());
        Ok(text + &parts.map(|(_, text)| text).concat())
    }

    fn why_split(&self) -> String {
        let uneven = self
            .looked
            .iter()
            .filter_map(|(_, c)| c.sounding.as_ref())
            .any(|s| !s.even);
        let left_out = if uneven {
            ", in seconds; silence at the ends is left out"
        } else {
            ""
        };
        match self.named.len() {
            1 => format!(
                "Learn from 80 % of what sounds, choose the best epoch on 10 % within it, test on the last \
                 10 %{left_out}."
            ),
            _ => format!(
                "Of each recording 80 % are learned from, 10 % choose the best epoch, 10 % test; elsewhere \
                 in each, so that all of what was played counts{left_out}."
            ),
        }
    }

    fn shares(&self, at: usize) -> (spans::Shares, Sounds) {
        let looked = self.looked.iter().find(|(place, _)| *place == at);
        let seconds = |check: &check::Outcome| check.dry.seconds.min(check.wet.seconds);
        let sounds = looked.map_or(Sounds::All, |(_, check)| match &check.sounding {
            Some(s) if !s.even => Sounds::Seconds([s.from_seconds, s.to_seconds]),
            _ => Sounds::All,
        });
        let seconds = match (&sounds, looked) {
            (Sounds::Seconds([from, to]), _) => to - from,
            (Sounds::All, Some((_, check))) => seconds(check),
            (Sounds::All, None) => 0.0,
        };
        (spans::shares(at, self.named.len(), seconds), sounds)
    }

    fn search(&self) -> String {
        let effect = match family_of(self.kind) {
            Family::Distortion => "distortion",
            Family::Compressor => "compressor",
            Family::Filter => "filter",
            Family::Echo => "echo",
            Family::Modulation => "modulation",
        };
        let why = comment(
            "Several networks are tried, and the best is trained to the end, all within the budget; more \
             time gives more. \"none\" trains the network of [model] alone. `for` limits the search to what \
             a player can play: \"nam\", \"aidax\", or \"any\".",
        );
        format!(
            "[search]\n{why}budget = \"{}\"\nfor = \"{}\"\neffect = \"{effect}\"\n\n",
            self.budget(),
            self.request.player
        )
    }

    fn recipes(&self) -> Vec<Recipe> {
        let lengths = self
            .looked
            .iter()
            .map(|(_, check)| check.dry.samples.min(check.wet.samples));
        let lengths: Vec<usize> = lengths.collect();
        let rate = self
            .looked
            .first()
            .map_or(48_000, |(_, check)| check.dry.sample_rate_hz);
        let echo = self
            .looked
            .iter()
            .filter_map(|(_, check)| check.diagnosis.as_ref()?.echo);
        let reach_ms = echo.map(|echo| echo.length_ms).fold(0.0, f64::max);
        let shortest = lengths.iter().min().copied().unwrap_or_default() / 10;
        let trained = self.looked.iter().zip(&lengths).flat_map(|((at, _), len)| {
            let shares = self.shares(*at).0.train.into_iter();
            shares.map(|[from, to]| ((to - from) * *len as f64) as usize)
        });
        let trained: Vec<usize> = trained.collect();
        let samples = lengths.iter().sum::<usize>() / lengths.len().max(1) * self.named.len();
        let reach = match reach_ms {
            // A tail of unknown length.
            0.0 => f64::from(rate) * 0.2,
            ms => f64::from(rate) * ms / 1000.0,
        };
        let extent = Extent {
            samples: samples * 4 / 5,
            longest: trained.iter().copied().max().unwrap_or_default(),
            usual: recipes::usual(&trained),
            shortest_held_back: shortest,
            reach: (reach as usize).min(shortest / 4).max(1),
        };
        let mut all = match self.filters_across() {
            Some(reach) => vec![recipes::filters_across(&extent, reach)],
            None => recipes::recipes(family_of(self.kind), &extent),
        };
        all.retain(|recipe| recipe.model.takes_stereo() || !self.is_joint());
        let with_knobs = self.named.iter().any(|named| !named.knobs.is_empty());
        all.retain(|recipe| recipe.model.takes_controls() || !with_knobs);
        // Where none can be played there, training says so.
        match all.iter().any(|recipe| self.plays(recipe)) {
            true => all.into_iter().filter(|r| self.plays(r)).collect(),
            false => all,
        }
    }

    /// Whether the player that was asked for can play the recipe's network.
    fn plays(&self, recipe: &Recipe) -> bool {
        let player = self.request.player;
        player == Player::Any || {
            let knobs = self.named.first().into_iter().flat_map(|n| n.knobs.keys());
            let knob = |name: &String| Control {
                name: name.clone(),
                min: 0.0,
                max: 1.0,
                default: 0.5,
                range: None,
            };
            let knobs: Vec<Control> = knobs.map(knob).collect();
            let (model, windows) = (&recipe.model, &recipe.windows);
            let model = models::build(model, windows, knobs.len(), 1, &Device::flex());
            recipes::plays(player, &model.describe(48_000, knobs))
        }
    }

    /// `[windows]` to `[baselines]` of the likeliest network.
    fn tables(&self, recipe: &Recipe) -> Result<String> {
        let mut text = format!(
            "[windows]\nwindow_len = {}\nhop = {}\n\n{}[model]\n",
            recipe.windows.window_len,
            recipe.windows.hop,
            comment(&self.why_network(recipe))
        );
        let usual = ModelConfig::every()
            .into_iter()
            .find(|m| m.kind() == recipe.model.kind());
        let usual = usual.map_or_else(|| Ok(Table::new()), |m| Table::try_from(&m))?;
        text += &commented(&Table::try_from(&recipe.model)?, &usual);
        let mut training = recipe.training.clone();
        // The chain that teaches it has one channel.
        training.downward = family_of(self.kind) == Family::Distortion && !self.is_joint();
        let usual = Table::try_from(crate::config::TrainingConfig::default())?;
        text += "\n[loss]\nesr = 1.0\n\n[training]\n";
        text += &commented(&Table::try_from(&training)?, &usual);
        let shortest = self
            .looked
            .iter()
            .map(|(_, c)| c.dry.samples.min(c.wet.samples))
            .min();
        let _ = write!(
            text,
            "\n# A least-squares filter of this many taps is shown beside the network.\n[baselines]\n\
             fir_taps = {}\n",
            128.min(shortest.unwrap_or_default() / 40).max(1)
        );
        Ok(text)
    }

    fn why_network(&self, recipe: &Recipe) -> String {
        let why = match self.kind {
            _ if self.filters_across().is_some() => {
                "The effect is linear: a filter from every dry channel to each side, solved for rather than \
                 learned, is as good as any network can be."
            }
            Some(Kind::Linear) => {
                "The effect is linear: a filter, solved for rather than learned, is as good as any network \
                 can be."
            }
            Some(Kind::Delayed) => {
                "Repeats or a room: dilated convolutions whose memory reaches past the last repeat that \
                 matters."
            }
            Some(Kind::DynamicGain) => {
                "The gain follows the playing: a long memory, long windows. Gain-fitted ESR in the result \
                 tells the shape apart from the level."
            }
            Some(Kind::TimeVarying) => {
                "The effect moves by a clock of its own: the oscillator, what it moves and the filters around \
                 it are found and solved for. Each recording has a phase of its own, which two seconds of \
                 it tell."
            }
            _ => "Small recurrent networks learn distortions within minutes and play cheaply.",
        };
        let cut = match (&recipe.model, self.filters_across()) {
            (ModelConfig::Fir(fir), Some(reach)) if fir.taps < reach => format!(
                " They reach over {} samples where about {reach} matter, for what is held back is too short for \
                 more: longer recordings allow longer filters.",
                fir.taps
            ),
            _ => String::new(),
        };
        format!("{why}{cut} The likeliest network: {}.", recipe.name)
    }
}

/// Where a recording sounds.
enum Sounds {
    /// Throughout.
    All,
    /// Between these seconds.
    Seconds([f64; 2]),
}

impl Sounds {
    /// `from` and `to` of a share of what sounds; what is the beginning or end anyway is left out.
    fn span(&self, [from, to]: Share) -> String {
        let mut text = String::new();
        match self {
            Self::All => {
                let percent = |share: f64| (share * 10_000.0).round() / 100.0;
                if from > 0.0 {
                    let _ = writeln!(text, "from = \"{}%\"", percent(from));
                }
                if to < 1.0 {
                    let _ = writeln!(text, "to = \"{}%\"", percent(to));
                }
            }
            Self::Seconds([begin, end]) => {
                let at = |share: f64| begin + share * (end - begin);
                let _ = writeln!(text, "from = {:.4}\nto = {:.4}", at(from), at(to));
            }
        }
        text
    }
}

/// What of `table` is not usual, a line each, with what it is for above it.
fn commented(table: &Table, usual: &Table) -> String {
    let told = table
        .iter()
        .filter(|(key, value)| *key == "kind" || usual.get(*key) != Some(value));
    // The kind first, whatever the alphabet says.
    let (kind, others): (Vec<_>, Vec<_>) = told.partition(|(key, _)| *key == "kind");
    let mut text = String::new();
    for (key, value) in kind.into_iter().chain(others) {
        let why = WHY.iter().find(|(name, _)| name == key);
        text += &why.map_or_else(String::new, |(_, why)| comment(why));
        let _ = writeln!(text, "{key} = {}", inline(value));
    }
    text
}

fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let cells = table
                .iter()
                .map(|(key, value)| format!("{key} = {}", inline(value)));
            format!("{{ {} }}", cells.collect::<Vec<_>>().join(", "))
        }
        // Floats that were written as f32 keep their digits.
        Value::Float(f) => format!("{:?}", *f as f32),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_string()).to_string()
}

/// A key as TOML takes it.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match name.chars().all(bare) {
        true => name.to_string(),
        false => quoted(name),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Which networks learn a kind of effect.
fn family_of(kind: Option<Kind>) -> Family {
    match kind {
        Some(Kind::Linear) => Family::Filter,
        Some(Kind::Delayed) => Family::Echo,
        Some(Kind::DynamicGain) => Family::Compressor,
        Some(Kind::TimeVarying) => Family::Modulation,
        _ => Family::Distortion,
    }
}
