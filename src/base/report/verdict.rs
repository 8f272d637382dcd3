//! A run's figures in words that users know, and what to try next when they are not good yet.
//!
//! Judges figures alone: knows neither networks nor recordings nor where the words are shown.

use super::metrics::Row;
use super::table::figure;
use crate::number;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How close a prediction is, on the scale that users of amplifier captures know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// ESR below 0.01.
    Great,
    /// ESR below 0.035.
    NotBad,
    /// ESR below 0.1.
    MightSoundOk,
    /// ESR of 0.1 or more, or no number at all.
    NotThereYet,
}

impl Grade {
    /// Every grade but the last with the ESR it ends at.
    pub const SCALE: [(Self, f64); 3] = [
        (Self::Great, 0.01),
        (Self::NotBad, 0.035),
        (Self::MightSoundOk, 0.1),
    ];

    /// The grade of an error-to-signal ratio.
    pub fn of(esr: f64) -> Self {
        Self::SCALE
            .iter()
            .find(|(_, end)| esr < *end)
            .map_or(Self::NotThereYet, |(grade, _)| *grade)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Great => "great",
            Self::NotBad => "not bad",
            Self::MightSoundOk => "might sound ok",
            Self::NotThereYet => "not there yet",
        })
    }
}

/// What a verdict is reached on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Test figures: the network first, then `identity` and the classical rows.
    pub rows: &'a [Row],
    /// Epochs trained.
    pub epochs: usize,
    /// The epoch whose weights were tested, from 1.
    pub best_epoch: Option<usize>,
    /// Training ESR of that epoch.
    pub train_esr: Option<f64>,
    /// Validation ESR of that epoch.
    pub valid_esr: Option<f64>,
}

/// A run judged in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Test ESR of the network.
    #[serde(with = "number")]
    pub esr: f64,
    /// Its grade.
    pub grade: Grade,
    /// What to try next, most promising first; empty when nothing needs to be done.
    pub advice: Vec<String>,
}

impl fmt::Display for Verdict {
    /// "ESR 0.008000: great", and the advice on lines of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ESR {}: {}", figure(self.esr), self.grade)?;
        for advice in &self.advice {
            write!(f, "\n  try: {advice}")?;
        }
        Ok(())
    }
}

/// Judges a run; `None` without a single row.
pub fn verdict(evidence: &Evidence<'_>) -> Option<Verdict> {
    let network = evidence.rows.first()?;
    let esr = network.metrics.esr;
    let grade = Grade::of(esr);
    Some(Verdict {
        esr,
        grade,
        advice: advice(evidence, network, grade),
    })
}

/// An ESR this many times another one is another matter, not chance.
const CLEARLY: f64 = 2.0;

fn advice(evidence: &Evidence<'_>, network: &Row, grade: Grade) -> Vec<String> {
    let esr = network.metrics.esr;
    let mut advice = Vec::new();
    let identity = evidence.rows[1..].iter().find(|r| r.is_identity());
    let nearer = identity.filter(|r| r.metrics.esr <= esr);
    if let Some(identity) = nearer {
        advice.push(format!(
            "`effigy check` on the recordings: the dry sound itself is nearer (ESR {}), so \
             nothing was learned",
            figure(identity.metrics.esr)
        ));
    }
    let classical = evidence.rows[1..].iter().filter(|r| !r.is_identity());
    let classical = classical.min_by(|a, b| a.metrics.esr.total_cmp(&b.metrics.esr));
    if let Some(better) = classical.filter(|r| r.metrics.esr < esr) {
        advice.push(format!(
            "a network that suits the effect: {}, fitted without training, is nearer (ESR {}); \
             `effigy check` says which kind of effect this is",
            better.name,
            figure(better.metrics.esr)
        ));
    }
    if grade == Grade::Great {
        return advice;
    }
    if evidence.best_epoch == Some(evidence.epochs) {
        advice.push(format!(
            "training longer, the last epoch was the best: --resume --set training.epochs={}",
            2 * evidence.epochs
        ));
    }
    let (train, valid) = (evidence.train_esr, evidence.valid_esr);
    if train.zip(valid).is_some_and(|(t, v)| v > CLEARLY * t) {
        advice.push(
            "recording more, and more varied, material: the training passages are known by \
             heart, the validation passages are not"
                .to_string(),
        );
    }
    if valid.is_some_and(|v| esr > CLEARLY * v) {
        advice.push(
            "training on material more like the test's: the validation passages are predicted \
             far better"
                .to_string(),
        );
    }
    if nearer.is_none() && esr > CLEARLY * network.metrics.gain_fitted_esr {
        advice.push(
            "a longer memory (lstm with larger windows.window_len and model.warm_up): most of the \
             error is a wrong level, as with compressors"
                .to_string(),
        );
    }
    if advice.is_empty() {
        advice.push(
            "a larger network (model.hidden_size, model.channels or a larger preset) or more \
             epochs"
                .to_string(),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::metrics::ErrorSums;

    /// A row with this ESR, all of it shape or all of it level.
    fn row(name: &str, esr: f64, only_level: bool) -> Row {
        let wet: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.37).sin()).collect();
        let e = esr.sqrt() as f32;
        let predicted: Vec<f32> = (0..1000)
            .map(|n| {
                let off = if only_level {
                    wet[n]
                } else {
                    (n as f32 * 0.37).cos()
                };
                wet[n] + e * off
            })
            .collect();
        let mut sums = ErrorSums::default();
        sums.add(&wet, &predicted);
        Row {
            name: name.to_string(),
            metrics: sums.metrics(),
            own_delay_samples: 0,
        }
    }

    fn judged(rows: &[Row], best: usize, train: f64, valid: f64) -> Verdict {
        let evidence = Evidence {
            rows,
            epochs: 50,
            best_epoch: Some(best),
            train_esr: Some(train),
            valid_esr: Some(valid),
        };
        verdict(&evidence).unwrap()
    }

    fn rows(network: f64) -> [Row; 3] {
        [
            row("lstm", network, false),
            row("identity", 0.9, false),
            row("fir-128", 0.5, false),
        ]
    }

    #[test]
    fn grades_follow_the_scale() {
        for (esr, words) in [
            (0.0, "great"),
            (0.0099, "great"),
            (0.01, "not bad"),
            (0.0349, "not bad"),
            (0.035, "might sound ok"),
            (0.0999, "might sound ok"),
            (0.1, "not there yet"),
            (f64::NAN, "not there yet"),
        ] {
            assert_eq!(Grade::of(esr).to_string(), words, "{esr}");
        }
    }

    #[test]
    fn a_great_run_needs_no_advice() {
        let said = judged(&rows(0.008), 50, 0.001, 0.008);
        assert_eq!((said.grade, said.advice.len()), (Grade::Great, 0));
        assert!(said.to_string().starts_with("ESR 0.00"), "{said}");
        assert!(said.to_string().ends_with(": great"), "{said}");
    }

    #[test]
    fn advice_names_what_the_figures_point_to() {
        let one = |said: Verdict, word: &str| {
            assert_eq!(said.advice.len(), 1, "{said}");
            assert!(said.advice[0].contains(word), "{said}");
        };
        one(judged(&rows(0.05), 50, 0.05, 0.05), "training.epochs=100");
        one(judged(&rows(0.05), 20, 0.01, 0.05), "record");
        one(judged(&rows(0.05), 20, 0.02, 0.02), "like the test's");
        one(judged(&rows(0.05), 20, 0.05, 0.05), "larger network");
        let mut level = rows(0.05);
        level[0] = row("lstm", 0.05, true);
        one(judged(&level, 20, 0.05, 0.05), "longer memory");
        let worse = judged(&rows(1.2), 20, 1.2, 1.2);
        assert_eq!(worse.advice.len(), 2, "{worse}");
        assert!(worse.advice[0].contains("nothing was learned"));
        assert!(worse.advice[1].contains("fir-128"));
    }

    #[test]
    fn a_better_filter_is_told_even_when_all_is_well() {
        let mut all = rows(0.005);
        all[2] = row("fir-128", 1e-6, false);
        let said = judged(&all, 50, 0.005, 0.005);
        assert_eq!((said.grade, said.advice.len()), (Grade::Great, 1));
        assert_eq!(
            verdict(&Evidence {
                rows: &[],
                epochs: 0,
                best_epoch: None,
                train_esr: None,
                valid_esr: None,
            }),
            None
        );
    }
}
