//! How a network stands over all that was recorded: on the whole, at every level, on its worst
//! recording. One figure for choosing between networks, which an error ratio over a whole set is not:
//! loud passages of one recording decide that alone.

use crate::audio::level::power;
use crate::audio::range::{MOMENT, SILENT};
use crate::number;
use serde::{Deserialize, Serialize};

/// Parts of a recording, from its softest moments to its loudest, that count alike.
const LEVELS: usize = 5;

/// A recording that is this much softer than all of them together, in power, is judged as if it were as
/// loud as that: of a pause no error is a large share.
const SOFTEST: f64 = 1e-3;

/// One recording: dry, wet and predicted samples of each of its stretches.
pub type Stretches<'a> = Vec<[&'a [f32]; 3]>;

/// Where a network stands; every figure is an error-to-signal ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Over everything.
    #[serde(with = "number")]
    pub esr: f64,
    /// Mean over the recordings of the mean over their fifths, from soft to loud.
    #[serde(with = "number")]
    pub by_level: f64,
    /// Of the recording that it suits least; one in which next to nothing sounds counts for less.
    #[serde(with = "number")]
    pub worst: f64,
    /// What sounds on after a sound has stopped, as a share of the wet sides' energy.
    #[serde(with = "number")]
    pub unrest: f64,
}

impl Standing {
    /// Of predictions of these recordings.
    pub fn of(recordings: &[Stretches<'_>], unrest: f64) -> Self {
        let sums: Vec<(Sum, f64)> = recordings.iter().map(|r| judged(r)).collect();
        let count = sums.len().max(1) as f64;
        let whole = sums.iter().fold(Sum::default(), |all, s| all + s.0);
        let softest = SOFTEST * whole.wet / whole.samples.max(1.0);
        let at_least = |sum: Sum| Sum {
            wet: sum.wet.max(softest * sum.samples),
            ..sum
        };
        Self {
            esr: whole.ratio(),
            by_level: sums.iter().map(|s| s.1).sum::<f64>() / count,
            worst: sums
                .iter()
                .map(|s| at_least(s.0).ratio())
                .fold(0.0, f64::max),
            unrest,
        }
    }

    /// What networks are compared by, the lower the better: the geometric mean of the three ratios
    /// (being twice as good by one makes up for being half as good by another), and what sounds on.
    pub fn score(&self) -> f64 {
        let score = (self.esr * self.by_level * self.worst).cbrt() + self.unrest;
        if score.is_nan() { f64::INFINITY } else { score }
    }
}

/// Energies of wet and of the error.
#[derive(Clone, Copy, Default)]
struct Sum {
    wet: f64,
    error: f64,
    samples: f64,
}

impl std::ops::Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wet: self.wet + other.wet,
            error: self.error + other.error,
            samples: self.samples + other.samples,
        }
    }
}

impl Sum {
    fn of(wet: &[f32], predicted: &[f32]) -> Self {
        let error = wet.iter().zip(predicted).map(|(w, p)| w - p);
        Self {
            wet: wet.iter().map(|&w| f64::from(w).powi(2)).sum(),
            error: error.map(|e| f64::from(e).powi(2)).sum(),
            samples: wet.len() as f64,
        }
    }

    fn ratio(self) -> f64 {
        match self.error {
            0.0 => 0.0,
            error => error / self.wet,
        }
    }
}

/// All of a recording, and the mean over its levels.
fn judged(stretches: &Stretches<'_>) -> (Sum, f64) {
    let mut whole = Sum::default();
    let mut moments: Vec<(f64, Sum)> = Vec::new();
    for [dry, wet, predicted] in stretches {
        whole = whole + Sum::of(wet, predicted);
        let sides = dry.chunks(MOMENT).zip(wet.chunks(MOMENT));
        let sides = sides.zip(predicted.chunks(MOMENT));
        moments.extend(sides.map(|((dry, wet), predicted)| (power(dry), Sum::of(wet, predicted))));
    }
    let mean = moments.iter().map(|m| m.0).sum::<f64>() / moments.len().max(1) as f64;
    // Silence counts on the whole alone.
    moments.retain(|m| m.0 > SILENT * mean && m.1.wet > 0.0);
    moments.sort_by(|a, b| a.0.total_cmp(&b.0));
    let levels: Vec<f64> = moments
        .chunks(moments.len().div_ceil(LEVELS).max(1))
        .map(|level| {
            let all = level.iter().fold(Sum::default(), |all, m| all + m.1);
            // Noise that nobody could predict must not outweigh the rest.
            all.ratio().min(1.0)
        })
        .collect();
    match levels.len() {
        0 => (whole, whole.ratio()),
        n => (whole, levels.iter().sum::<f64>() / n as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_passages_and_the_worst_recording_count() {
        let wave = |n: usize| (n as f32 * 0.3).sin();
        // The last fifth is a hundred times softer.
        let dry: Vec<f32> = (0..10 * MOMENT)
            .map(|n| if n / MOMENT >= 8 { 0.01 } else { 1.0 } * wave(n))
            .collect();
        let off_by = |loud: f32, soft: f32| -> Vec<f32> {
            let share = |n: usize| if n / MOMENT >= 8 { soft } else { loud };
            (0..dry.len()).map(|n| dry[n] * (1.0 + share(n))).collect()
        };
        let standing = |predicted: &[&Vec<f32>]| {
            let all: Vec<Stretches<'_>> = predicted
                .iter()
                .map(|p| vec![[dry.as_slice(), dry.as_slice(), p.as_slice()]])
                .collect();
            Standing::of(&all, 0.0)
        };
        let (even, deaf) = (off_by(0.1, 0.1), off_by(0.1, 0.9));
        let [fair, unfair] = [&even, &deaf].map(|p| standing(&[p]));
        assert!((fair.esr - 0.01).abs() < 1e-6 && (fair.by_level - 0.01).abs() < 1e-6);
        assert!((fair.score() - 0.01).abs() < 1e-6);
        // On the whole nobody would notice: .81 of a ten-thousandth of the energy.
        assert!((unfair.esr - fair.esr).abs() < 1e-4);
        assert!((unfair.by_level - (4.0 * 0.01 + 0.81) / 5.0).abs() < 1e-5);
        assert!(unfair.score() > 2.0 * fair.score());
        let both = standing(&[&even, &off_by(0.3, 0.3)]);
        assert!((both.worst - 0.09).abs() < 1e-6 && (both.esr - 0.05).abs() < 1e-6);
        // A recording of next to nothing, of which the error is a hundred times as much.
        let (pause, error) = (vec![1e-6; dry.len()], vec![1e-4; dry.len()]);
        let with_pause = [
            vec![[dry.as_slice(), &dry, &even]],
            vec![[pause.as_slice(), &pause, &error]],
        ];
        assert!((Standing::of(&with_pause, 0.0).worst - 0.01).abs() < 1e-4);
        let restless = Standing {
            unrest: 1.0,
            ..fair
        };
        assert!(restless.score() > 1.0);
        let silent = vec![0.0; 5];
        let of_silence = Standing::of(&[vec![[&silent, &silent, &silent]]], 0.0);
        assert_eq!(of_silence.score(), 0.0);
        let broken = [f32::NAN; 5];
        let never = Standing::of(&[vec![[&silent, &silent, &broken]]], 0.0);
        assert_eq!(never.score(), f64::INFINITY);
    }
}
