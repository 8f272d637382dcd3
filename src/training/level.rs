//! Training at a stated level: the factor between the recordings' own level and the one that a
//! recipe was found at.
//!
//! The field's recipe scales the wet recording, trains, and divides the output by the same
//! factor when the network is used. Here the factor stands on both sides of the loss, and the
//! output's fixed factor is divided by it before the first step: the same arithmetic, but the
//! network answers at the recordings' level from the beginning and there is nothing to undo.

use crate::audio::level::amplitude;
use crate::config::{Config, TrainingConfig};
use crate::data::pair::Span;

/// The factor that brings the wet side of `spans` together to `training.target_level_dbfs`; 1
/// where no level is asked for or nothing sounds.
pub fn target_gain(training: &TrainingConfig, spans: &[Span]) -> f32 {
    let Some(level_dbfs) = training.target_level_dbfs else {
        return 1.0;
    };
    let (mut sum, mut count) = (0.0, 0);
    for span in spans {
        for pair in span.sides() {
            let wet = &pair.wet()[span.samples()];
            sum += wet.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
            count += wet.len();
        }
    }
    let rms = (sum / count.max(1) as f64).sqrt();
    if rms == 0.0 {
        return 1.0;
    }
    (amplitude(level_dbfs) / rms) as f32
}

/// Divides the output's fixed factor by [`target_gain`], where the config leaves it open. The
/// resolved config then holds it, so doing it again changes nothing.
pub fn fit_output(config: &mut Config, spans: &[Span]) {
    if config.training.target_level_dbfs.is_some() {
        let gain = target_gain(&config.training, spans);
        config.model.scale_output(1.0 / gain);
    }
}
