//! What a search for a network tried, and how each stood: the record that a stopped search goes on from
//! and that reports show.
//!
//! Knows names and figures, no network.

use super::metrics::Standing;
use crate::number;
use serde::{Deserialize, Serialize};

/// A search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Race {
    /// What it might take, as the config says it.
    pub budget: String,
    /// What was left for the race when it began, in the budget's unit: seconds or optimiser steps.
    #[serde(with = "number")]
    pub available: f64,
    /// What it has taken so far, in the same unit.
    #[serde(with = "number")]
    pub spent: f64,
    /// All that took part.
    pub entrants: Vec<Entrant>,
    /// Place among the entrants of the one that was trained to the end.
    pub winner: Option<usize>,
}

/// A network that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entrant {
    /// What it is.
    pub name: String,
    /// Trainable weights.
    pub weights: usize,
    /// Multiply-adds per sample when it plays.
    pub macs_per_sample: usize,
    /// Whether its weights are solved for: its first round is all it ever learns.
    #[serde(default)]
    pub solved: bool,
    /// How it did, round by round, as far as it came.
    pub rounds: Vec<Round>,
}

/// One round of an entrant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Epochs that it was given.
    pub epochs: usize,
    /// Optimiser steps of all of them.
    pub steps: usize,
    /// Wall time.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Where it stood at the best of them, on the validation spans; absent where it failed.
    pub standing: Option<Standing>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Exponent of a learning curve that is not known yet: that of most networks here after some seconds
/// (0.4 to 1).
const USUAL_EXPONENT: f64 = 0.5;

/// Scores whose ratio is below this are alike: 0.6 dB, which another seed makes up for.
const ALIKE: f64 = 1.15;

impl Entrant {
    fn score(&self, round: usize) -> f64 {
        let standing = self.rounds.get(round).and_then(|r| r.standing);
        standing.map_or(f64::INFINITY, |s| s.score())
    }

    /// Work done until the end of `round`: seconds or steps.
    fn work(&self, round: usize, timed: bool) -> f64 {
        let rounds = self.rounds.iter().take(round + 1);
        let work = rounds.map(|r| if timed { r.seconds } else { r.steps as f64 });
        work.sum()
    }

    /// The score after `to_come` more work, if it goes on falling as a power of the work (the usual
    /// shape of learning curves) by half the exponent of the last round: a network that is slow to begin
    /// may end better than one that has learned all it can. After one round the exponent is the usual one.
    fn forecast(&self, round: usize, to_come: f64, timed: bool) -> f64 {
        let (score, now) = (self.score(round), self.work(round, timed));
        let exponent = match round.checked_sub(1) {
            _ if self.solved => 0.0,
            None => USUAL_EXPONENT,
            Some(before) => {
                (self.score(before) / score).ln() / (now / self.work(before, timed)).ln()
            }
        };
        if !exponent.is_finite() || exponent <= 0.0 {
            return score;
        }
        score * (1.0 + to_come / now).powf(-0.5 * exponent.min(2.0))
    }
}

impl Race {
    /// Those of `among` (places of entrants) that have run round `round`, the likeliest to end best
    /// first, of those that are alike the cheapest to play. `to_come`: what training to the end will
    /// take, in the budget's unit.
    pub fn ranked(&self, among: &[usize], round: usize, to_come: f64) -> Vec<usize> {
        let score = |at: usize| self.entrants[at].forecast(round, to_come, self.is_timed());
        let mut left = among.to_vec();
        // Stable: of equals the likelier one, which comes first, stays first.
        left.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
        let mut ranked = Vec::new();
        while let Some(&best) = left.first() {
            let bound = ALIKE * score(best);
            let (mut alike, others): (Vec<usize>, Vec<usize>) = left
                .into_iter()
                .partition(|&at| at == best || score(at) <= bound);
            alike.sort_by_key(|&at| self.entrants[at].macs_per_sample);
            ranked.extend(alike);
            left = others;
        }
        ranked
    }

    /// The first `count` of those that are `ranked`, and the best of those that are solved for: it costs
    /// nothing to keep, and is the one to take where no network comes nearer in the end.
    pub fn going_on(&self, mut ranked: Vec<usize>, count: usize) -> Vec<usize> {
        let mut later = ranked.iter().skip(count);
        let solved = later.find(|&&at| self.entrants[at].solved).copied();
        let told = ranked
            .iter()
            .take(count)
            .any(|&at| self.entrants[at].solved);
        ranked.truncate(count);
        ranked.extend(solved.filter(|_| !told));
        ranked
    }

    fn is_timed(&self) -> bool {
        !self.budget.ends_with("steps")
    }

    /// All entrants as they ended: who came further first, then by their last round.
    pub fn order(&self) -> Vec<usize> {
        let key = |at: usize| {
            let rounds = &self.entrants[at].rounds;
            let last = rounds.last().and_then(|r| r.standing);
            (
                self.winner != Some(at),
                usize::MAX - rounds.len(),
                last.map_or(f64::INFINITY, |s| s.score()),
            )
        };
        let mut order: Vec<usize> = (0..self.entrants.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (key(a), key(b));
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
        });
        order
    }

    /// Headings of [`Race::rows`].
    pub const HEADINGS: [&str; 8] = [
        "tried",
        "weights",
        "MACs/sample",
        "s",
        "ESR",
        "by level",
        "worst",
        "score",
    ];

    /// A row per entrant, of its last round, the winner first.
    pub fn rows(&self) -> Vec<[String; 8]> {
        let figure = super::table::figure;
        let row = |at: usize| {
            let entrant = &self.entrants[at];
            let seconds: f64 = entrant.rounds.iter().map(|r| r.seconds).sum();
            let last = entrant.rounds.last().and_then(|r| r.standing);
            let of = |pick: fn(&Standing) -> f64| {
                last.as_ref()
                    .map_or_else(|| "failed".to_string(), |s| figure(pick(s)))
            };
            [
                entrant.name.clone(),
                entrant.weights.to_string(),
                entrant.macs_per_sample.to_string(),
                format!("{seconds:.1}"),
                of(|s| s.esr),
                of(|s| s.by_level),
                of(|s| s.worst),
                of(Standing::score),
            ]
        };
        self.order().into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrant(name: &str, esrs: &[f64]) -> Entrant {
        let round = |&esr: &f64| Round {
            epochs: 1,
            steps: 10,
            seconds: 1.0,
            standing: esr.is_finite().then_some(Standing {
                esr,
                by_level: esr,
                worst: esr,
                unrest: 0.0,
            }),
            failed: None,
        };
        Entrant {
            name: name.to_string(),
            weights: 1,
            macs_per_sample: 1,
            solved: false,
            rounds: esrs.iter().map(round).collect(),
        }
    }

    #[test]
    fn who_still_learns_is_expected_to_go_on() {
        // Halved by twice the work: exponent 1, of which half is believed.
        let learning = entrant("a", &[0.2, 0.1]);
        assert!((learning.forecast(1, 6.0, true) - 0.1 / 2.0).abs() < 1e-12);
        // Seven times the work, half of the usual exponent.
        let usual = 0.2 * 7f64.powf(-0.25);
        assert!((learning.forecast(0, 6.0, true) - usual).abs() < 1e-12);
        let at_its_end = entrant("b", &[0.08, 0.08]);
        assert_eq!(at_its_end.forecast(1, 6.0, false), 0.08);
        assert_eq!(entrant("c", &[f64::NAN, 0.1]).forecast(1, 6.0, true), 0.1);
        let race = Race {
            budget: "5m".to_string(),
            available: 10.0,
            spent: 4.0,
            entrants: vec![at_its_end, learning],
            winner: None,
        };
        assert_eq!(race.ranked(&[0, 1], 1, 6.0), [1, 0]);
        assert_eq!(race.ranked(&[0, 1], 1, 0.0), [0, 1]);
        let mut alike = race;
        alike.entrants = vec![
            entrant("a", &[0.1]),
            entrant("b", &[0.11]),
            entrant("c", &[0.2]),
        ];
        alike.entrants[0].macs_per_sample = 100;
        assert_eq!(alike.ranked(&[0, 1, 2], 0, 1.0), [1, 0, 2]);
    }

    #[test]
    fn what_is_solved_for_learns_no_more_and_is_kept() {
        let mut filter = entrant("filter", &[0.05, 0.05]);
        filter.solved = true;
        assert_eq!(filter.forecast(0, 6.0, true), 0.05);
        let race = Race {
            budget: "5m".to_string(),
            available: 10.0,
            spent: 1.0,
            entrants: vec![
                filter,
                entrant("a", &[0.06, 0.05]),
                entrant("b", &[0.065, 0.06]),
                entrant("c", &[0.5]),
            ],
            winner: None,
        };
        let ranked = race.ranked(&[0, 1, 2, 3], 0, 6.0);
        assert_eq!(ranked, [1, 2, 0, 3]);
        assert_eq!(race.going_on(ranked.clone(), 2), [1, 2, 0]);
        assert_eq!(race.going_on(ranked, 3), [1, 2, 0]);
        // Both have come as far; the network goes on.
        assert_eq!(race.ranked(&[1, 2, 0], 1, 60.0)[0], 1);
        assert_eq!(race.going_on(vec![1, 2], 1), [1]);
    }

    #[test]
    fn the_best_go_on_and_the_record_survives() {
        let mut race = Race {
            budget: "5m".to_string(),
            available: 300.0,
            spent: 4.0,
            entrants: vec![
                entrant("a", &[0.5]),
                entrant("b", &[0.1, 0.09]),
                entrant("c", &[f64::NAN]),
                entrant("d", &[0.2, 0.01]),
            ],
            winner: None,
        };
        assert_eq!(race.ranked(&[0, 1, 2, 3], 0, 100.0), [1, 3, 0, 2]);
        assert_eq!(race.ranked(&[1, 3], 1, 100.0), [3, 1]);
        race.winner = Some(3);
        let names =
            |race: &Race| -> Vec<String> { race.rows().iter().map(|row| row[0].clone()).collect() };
        assert_eq!(names(&race), ["d", "b", "a", "c"]);
        assert_eq!(race.rows()[3][4], "failed");
        let text = serde_json::to_string(&race).unwrap();
        assert_eq!(serde_json::from_str::<Race>(&text).unwrap(), race);
    }
}
