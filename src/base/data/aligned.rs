//! What shows only once the latency of a pair is known: clocks that drift, effects that move,
//! and how much louder one side is.
//!
//! Knows one channel of each side, not files. Never changes a sample and never decides.

use super::finding::{Fact, Finding, Severity};
use crate::audio::{SampleRate, Track, level};
use crate::dsp::align::{self, Drift, TimeVariation, Tremolo};

/// What was measured, found or not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Motion {
    /// Of the clocks; `None` where it cannot be told.
    pub drift: Option<Drift>,
    /// Of the effect's filter; likewise.
    pub variation: Option<TimeVariation>,
    /// Of the effect's gain; likewise.
    pub tremolo: Option<Tremolo>,
}

impl Motion {
    /// Measures one channel of each side; positive latency: wet lags. A drift that is known has
    /// been undone already.
    pub fn measure(
        dry: Track<'_>,
        wet: Track<'_>,
        latency_samples: i64,
        known_drift: Option<Drift>,
    ) -> Self {
        let drift = || known_drift.or_else(|| align::drift(dry, wet, latency_samples));
        let (drift, (variation, tremolo)) = rayon::join(drift, || {
            (
                align::time_variation(dry, wet, latency_samples),
                align::tremolo(dry, wet, latency_samples),
            )
        });
        Self {
            drift,
            variation,
            tremolo,
        }
    }

    /// What of it would spoil training.
    pub fn findings(&self, rate: SampleRate) -> Vec<Finding> {
        let seconds = |samples: f64| samples / f64::from(rate.hz());
        let drifts = self.drift.filter(Drift::is_seen).map(|d| Fact::Drifts {
            ppm: d.ppm,
            samples: d.samples,
        });
        let moves = self.variation.filter(TimeVariation::detected);
        let moves = moves.map(|v| Fact::FilterMoves {
            period_seconds: seconds(v.period_samples),
            depth: v.depth,
        });
        let sways = self.tremolo.filter(Tremolo::detected);
        let sways = sways.map(|s| Fact::GainSways {
            period_seconds: seconds(s.period_samples),
            swing_db: s.swing_db,
        });
        let warning = |fact| Finding::of_pair(Severity::Warning, fact);
        [drifts, moves, sways]
            .into_iter()
            .flatten()
            .map(warning)
            .collect()
    }
}

/// How much louder wet is than dry, by RMS; `None` when one of them is silent.
pub fn gain_db<'a>(dry: impl Into<Track<'a>>, wet: impl Into<Track<'a>>) -> Option<f64> {
    let (dry, wet) = (power(dry), power(wet));
    (dry > 0.0 && wet > 0.0).then(|| 10.0 * (wet / dry).log10())
}

/// Samples over which silence is looked for.
pub(super) const MOMENT: usize = 2048;

/// Dry is silent from this far below its mean power on: −60 dB.
pub(super) const SILENT: f64 = 1e-6;

/// Mean square; 0 of nothing.
fn power<'a>(x: impl Into<Track<'a>>) -> f64 {
    let x = x.into();
    level::energy(x) / x.len().max(1) as f64
}

/// Mean square around the mean, for an offset is no sound; 0 of nothing.
pub(super) fn sound_power<'a>(x: impl Into<Track<'a>>) -> f64 {
    level::mean_and_power(x).1
}

/// Power of wet in the moments of 50 ms when dry is silent (and has been for 0.2 s), relative to its
/// mean power; −∞ where it is digitally silent then, `None` when dry is never silent for a quarter
/// of a second. A long echo counts as noise.
pub fn noise_db<'a>(
    dry: impl Into<Track<'a>>,
    wet: impl Into<Track<'a>>,
    rate: SampleRate,
) -> Option<f64> {
    let (dry, wet) = (dry.into(), wet.into());
    let moment = (rate.hz() as usize / 20).max(1);
    let powers = |x: Track<'_>| x.in_wholes_of(moment).each(moment, |x| power(x));
    let least = SILENT * power(dry);
    let silent: Vec<bool> = powers(dry).iter().map(|power| *power <= least).collect();
    if !silent.windows(5).any(|moments| moments.iter().all(|s| *s)) {
        return None;
    }
    let moments = powers(wet).into_iter().skip(4).zip(silent.windows(5));
    let quiet: Vec<f64> = moments
        .filter(|(_, before)| before.iter().all(|silent| *silent))
        .map(|(power, _)| power)
        .collect();
    let mean = quiet.iter().sum::<f64>() / quiet.len() as f64;
    let wet_power = power(wet);
    (!quiet.is_empty() && wet_power > 0.0).then(|| 10.0 * (mean / wet_power).log10())
}

/// Purity from which a response counts as a plain delay; see [`align::BandDelay`].
const PLAIN_DELAY: f64 = 0.99;

/// The latency of the longest pair to a fraction of a sample, near a known one, if wet is hardly
/// more than dry later wherever the two go together.
pub fn exact_latency(pairs: &[(Track<'_>, Track<'_>)], latency_samples: i64) -> Option<f64> {
    let longest = pairs.iter().max_by_key(|(dry, _)| dry.len())?;
    let delay = align::band_delay(longest.0, longest.1, latency_samples)?;
    let near = (delay.samples - latency_samples as f64).abs() <= 1.5;
    (near && delay.purity > PLAIN_DELAY && delay.share > 0.25).then_some(delay.samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gain_is_told_in_decibels() {
        let dry: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.3).sin()).collect();
        let wet: Vec<f32> = dry.iter().map(|v| -0.5 * v).collect();
        assert!((gain_db(&dry, &wet).unwrap() + 6.02).abs() < 0.01);
        assert_eq!(gain_db(&dry, &[0.0; 9]), None);
    }

    #[test]
    fn noise_is_read_where_dry_is_silent_and_may_be_none_at_all() {
        let rate = SampleRate::new(8000).unwrap();
        let mut dry: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.3).sin()).collect();
        assert_eq!(noise_db(&dry, &dry, rate), None, "dry is never silent");
        // A quarter of a second.
        dry[14_000..].fill(0.0);
        assert_eq!(noise_db(&dry, &dry, rate), Some(f64::NEG_INFINITY));
        dry[8000..].fill(0.0);
        let mut wet = dry.clone();
        let hiss = |n: usize| if n.is_multiple_of(2) { 0.005 } else { -0.005 };
        (8000..16_000).for_each(|n| wet[n] = hiss(n));
        // 0.005² beside a mean of 0.25.
        assert!((noise_db(&dry, &wet, rate).unwrap() + 40.0).abs() < 0.1);
    }

    #[test]
    fn only_what_would_spoil_training_is_told() {
        let rate = SampleRate::new(48_000).unwrap();
        let drift = |samples, confidence| Motion {
            drift: Some(Drift {
                ppm: 4.0,
                samples,
                confidence,
            }),
            ..Motion::default()
        };
        assert_eq!(drift(0.4, 0.9).findings(rate), []);
        assert_eq!(drift(9.0, 0.1).findings(rate), []);
        let text = drift(-9.0, 0.9).findings(rate)[0].to_string();
        assert!(
            text.starts_with("warning: wet drifts against dry by -9.0 samples"),
            "{text}"
        );
        let sways = Motion {
            tremolo: Some(Tremolo {
                period_samples: 9600.0,
                swing_db: 6.0,
                share: 0.9,
                rhythm: 0.1,
            }),
            ..Motion::default()
        };
        let text = sways.findings(rate)[0].to_string();
        assert!(text.contains("sways by 6.0 dB every 0.20 s"), "{text}");
    }
}
