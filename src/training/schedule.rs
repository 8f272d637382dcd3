//! The learning rate as a function of the step: no state, so a resumed run needs none.

use crate::config::{Schedule, TrainingConfig};
use std::f64::consts::PI;

/// The learning rate at `step` (from 0) of a run of `config.epochs` × `steps_per_epoch` steps.
pub fn learning_rate(config: &TrainingConfig, step: usize, steps_per_epoch: usize) -> f64 {
    let steps_per_epoch = steps_per_epoch.max(1);
    let last = (config.epochs * steps_per_epoch).saturating_sub(1).max(1);
    let progress = (step as f64 / last as f64).min(1.0);
    let factor = match config.schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine { final_factor } => between(1.0, final_factor, progress),
        Schedule::Exponential { factor } => factor.powf((step / steps_per_epoch) as f64),
        Schedule::OneCycle { rise } if progress < rise => between(0.04, 1.0, progress / rise),
        Schedule::OneCycle { rise } => {
            let fallen = (progress - rise) / (1.0 - rise).max(f64::MIN_POSITIVE);
            between(1.0, 1e-4, fallen)
        }
    };
    let warm_up = match config.warm_up_steps {
        0 => 1.0,
        steps => ((step + 1) as f64 / steps as f64).min(1.0),
    };
    config.learning_rate * factor * warm_up
}

/// Half a cosine from `start` to `end`.
fn between(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + (PI * progress.clamp(0.0, 1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warm_up_steps: usize) -> Vec<f64> {
        let config = TrainingConfig {
            epochs: 5,
            learning_rate: 2.0,
            schedule,
            warm_up_steps,
            ..TrainingConfig::default()
        };
        (0..50)
            .map(|step| learning_rate(&config, step, 10))
            .collect()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn each_schedule_starts_and_ends_where_it_says() {
        assert!(rates(Schedule::Constant, 0).iter().all(|&r| r == 2.0));
        let cosine = rates(Schedule::Cosine { final_factor: 0.1 }, 0);
        assert!(close(cosine[0], 2.0) && close(cosine[49], 0.2));
        let exponential = rates(Schedule::Exponential { factor: 0.5 }, 0);
        assert!(close(exponential[9], 2.0) && close(exponential[10], 1.0));
        assert!(close(exponential[49], 2.0 / 16.0));
        let cycle = rates(Schedule::OneCycle { rise: 0.5 }, 0);
        assert!(close(cycle[0], 0.08) && close(cycle[49], 2e-4));
        let peak = cycle.iter().copied().fold(0.0, f64::max);
        assert!(peak > 1.99 && peak <= 2.0);
    }

    #[test]
    fn warm_up_rises_linearly_to_the_schedule() {
        let rates = rates(Schedule::Constant, 4);
        assert_eq!(rates[..5], [0.5, 1.0, 1.5, 2.0, 2.0]);
    }
}
