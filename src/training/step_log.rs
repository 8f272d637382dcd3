//! What an epoch's steps leave for its log: sums. What a card has to say waits, so that it is not stopped
//! after every step to hand it over.

use super::optimiser::Overflow;
use crate::kernels::{error_sums, look_at};
use crate::models::predict::to_host;
use crate::report::metrics::ErrorSums;
use burn::prelude::*;

/// The log.
#[derive(Default)]
pub(super) struct StepLog {
    /// Of all that was handed over.
    pub sums: ErrorSums,
    /// Steps that were none.
    pub overflowed: usize,
    waiting: Vec<Waiting>,
    steps: usize,
}

/// Steps after which they are handed over.
const MOST: usize = 64;

/// The steps of one batch.
#[derive(Default)]
pub(super) struct Waiting {
    /// Of what lies in host memory.
    sums: ErrorSums,
    /// [`error_sums`] of a prediction on a card, and of how many samples each item's are.
    summed: Vec<(Tensor<2>, usize)>,
    /// Of each step.
    pub losses: Vec<Tensor<1>>,
    pub overflows: Vec<Overflow>,
}

impl Waiting {
    /// Takes what a step's figures are made of.
    pub fn hold(&mut self, wet: Tensor<3>, predicted: Tensor<3>) {
        let [_, channels, len] = wet.dims();
        match error_sums(&wet, &predicted) {
            Some(sums) => self.summed.push((sums, channels * len)),
            None => look_at([wet, predicted], |[wet, predicted]| {
                self.sums.add(wet, predicted);
            }),
        }
    }
}

impl StepLog {
    /// Takes a batch's steps.
    pub fn push(&mut self, batch: Waiting) {
        self.steps += batch.losses.len();
        self.waiting.push(batch);
    }

    /// [`StepLog::drain`] where much waits.
    pub fn drain_when_full(&mut self) -> Option<f32> {
        (self.steps >= MOST).then(|| self.drain())?
    }

    /// Adds what waits to the sums; returns a loss that is not finite.
    pub fn drain(&mut self) -> Option<f32> {
        self.steps = 0;
        let (mut summed, mut losses, mut overflows) = (Vec::new(), Vec::new(), Vec::new());
        for batch in self.waiting.drain(..) {
            self.sums.merge(&batch.sums);
            summed.extend(batch.summed);
            losses.extend(batch.losses);
            overflows.extend(batch.overflows);
        }
        self.add_sums(summed);
        self.overflowed += Overflow::count(overflows);
        if losses.is_empty() {
            return None;
        }
        let losses = to_host(Tensor::cat(losses, 0).reshape([1, 1, -1]));
        losses.into_iter().find(|loss| !loss.is_finite())
    }

    fn add_sums(&mut self, summed: Vec<(Tensor<2>, usize)>) {
        let samples = summed.iter().flat_map(|(sums, samples)| {
            let items = sums.dims()[0];
            std::iter::repeat_n(*samples, items)
        });
        let samples: Vec<usize> = samples.collect();
        if samples.is_empty() {
            return;
        }
        let sums = summed.into_iter().map(|(sums, _)| sums.unsqueeze_dim(0));
        let sums = to_host(Tensor::cat(sums.collect(), 1));
        for (samples, sums) in samples.into_iter().zip(sums.as_chunks().0) {
            self.sums.add_sums(samples, sums.map(f64::from));
        }
    }
}
