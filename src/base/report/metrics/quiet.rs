//! The gain at the lowest levels that were played: what an error ratio over a whole span hides,
//! because quiet passages hold no energy.

use crate::audio::level::{decibels, mean_and_rms};
use crate::audio::range::{MOMENT, SILENT};
use crate::number;
use serde::{Deserialize, Serialize};

/// Fewer moments would be chance.
const FEWEST: usize = 4;

/// The softest fifth of what sounds: how much louder the recording is than dry there, and the
/// prediction. A constant is no sound, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuietPassages {
    /// RMS of dry there, in dBFS.
    pub dry_dbfs: f64,
    /// Of the recording, in decibels.
    #[serde(with = "number")]
    pub recorded_gain_db: f64,
    /// Of the prediction.
    #[serde(with = "number")]
    pub predicted_gain_db: f64,
}

impl QuietPassages {
    /// Over tracks of dry, wet and predicted samples; `None` where too little sounds.
    pub fn of(tracks: &[[&[f32]; 3]]) -> Option<Self> {
        let mut moments: Vec<[f64; 3]> = Vec::new();
        for [dry, wet, predicted] in tracks {
            let sides = dry.chunks_exact(MOMENT).zip(wet.chunks_exact(MOMENT));
            let sides = sides.zip(predicted.chunks_exact(MOMENT));
            let power = |x: &[f32]| mean_and_rms(x).1.powi(2);
            moments.extend(sides.map(|((d, w), p)| [d, w, p].map(power)));
        }
        let mean = moments.iter().map(|m| m[0]).sum::<f64>() / moments.len().max(1) as f64;
        moments.retain(|m| m[0] > SILENT * mean);
        moments.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let softest = moments.get(..(moments.len() / 5).max(FEWEST))?;
        let sum = |side: usize| softest.iter().map(|m| m[side]).sum::<f64>();
        let gain_db = |side: usize| 0.5 * decibels(sum(side) / sum(0));
        Some(Self {
            dry_dbfs: 0.5 * decibels(sum(0) / softest.len() as f64),
            recorded_gain_db: gain_db(1),
            predicted_gain_db: gain_db(2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_softest_fifth_is_judged_by_itself() {
        let wave = |n: usize| (n as f32 * 0.3).sin();
        let soft = |n: usize| n / MOMENT >= 8;
        let dry: Vec<f32> = (0..10 * MOMENT)
            .map(|n| if soft(n) { 0.01 } else { 0.5 } * wave(n))
            .collect();
        let wet: Vec<f32> = dry.iter().map(|x| 2.0 * x).collect();
        let predicted: Vec<f32> = (0..dry.len())
            .map(|n| if soft(n) { 0.2 } else { 2.0 } * dry[n])
            .collect();
        // Of ten moments the softest fifth are two, but fewer than four would be chance.
        let long: Vec<[&[f32]; 3]> = vec![[&dry, &wet, &predicted]; 2];
        let found = QuietPassages::of(&long).unwrap();
        assert!((found.dry_dbfs + 43.0).abs() < 0.1, "{found:?}");
        assert!((found.recorded_gain_db - 6.02).abs() < 0.01, "{found:?}");
        assert!((found.predicted_gain_db + 13.98).abs() < 0.01, "{found:?}");
        // A constant moves no gain.
        let [wet, predicted] =
            [&wet, &predicted].map(|x| x.iter().map(|x| x + 0.1).collect::<Vec<f32>>());
        let moved = QuietPassages::of(&[[&dry[..], &wet, &predicted]; 2]).unwrap();
        assert!(
            (moved.recorded_gain_db - found.recorded_gain_db).abs() < 0.01,
            "{moved:?}"
        );
        assert!(
            (moved.predicted_gain_db - found.predicted_gain_db).abs() < 0.01,
            "{moved:?}"
        );
        assert_eq!(
            QuietPassages::of(&[[&dry[..100], &wet[..100], &predicted[..100]]]),
            None
        );
    }
}
