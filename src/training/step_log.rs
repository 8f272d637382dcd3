//! What an epoch's steps leave for its log: it waits, so that a card is not stopped after every step to
//! hand it over, and from a card only sums are read.

use super::optimiser::Overflow;
use crate::kernels::error_sums;
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

/// The steps of one batch.
#[derive(Default)]
pub(super) struct Waiting {
    /// Of each a piece of the windows; nothing of a prediction on a card.
    wet: Vec<Tensor<3>>,
    predicted: Vec<Tensor<3>>,
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
            None => {
                self.wet.push(wet);
                self.predicted.push(predicted);
            }
        }
    }

    /// Steps after which they are handed over: whole predictions take room.
    fn capacity(&self) -> usize {
        if self.predicted.is_empty() { 64 } else { 8 }
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
        let is_full = |batch: &Waiting| self.steps >= batch.capacity();
        let is_full = self.waiting.last().is_some_and(is_full);
        is_full.then(|| self.drain())?
    }

    /// Adds what waits to the sums; returns a loss that is not finite.
    pub fn drain(&mut self) -> Option<f32> {
        self.steps = 0;
        let (mut summed, mut losses, mut overflows) = (Vec::new(), Vec::new(), Vec::new());
        for batch in self.waiting.drain(..) {
            if !batch.predicted.is_empty() {
                let [wet, predicted] =
                    [batch.wet, batch.predicted].map(|p| to_host(Tensor::cat(p, 2)));
                self.sums.add(&wet, &predicted);
            }
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
