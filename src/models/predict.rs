//! A network over a signal of any length: block in, prediction out, without seams.
//!
//! Convolutional networks continue where the last block ended. Dense networks, which answer
//! a whole window at a time, are run at half-overlapping windows and cross-faded with a Hann
//! window (halves sum to 1), so there is no click at window edges. All work is done in
//! pieces at fixed places of the signal, so the result does not depend on the block length.
//! Networks with memory carry their state from piece to piece, so it does not depend on the
//! pieces either.

use super::{EffectModel, State};
use burn::prelude::*;
use std::f64::consts::PI;

/// Output samples computed at a time: long enough to keep the processor busy, short enough
/// to stay in its cache.
const PIECE: usize = 16_384;

/// Runs a network over one channel.
#[derive(Debug)]
pub struct Predictor<'a> {
    model: &'a EffectModel,
    device: Device,
    /// Where the knobs stand.
    controls: Vec<f32>,
    /// Of a network with memory, after all that was answered.
    state: State,
    /// Answers to come that belong to the past.
    unwanted: usize,
    /// Input that is still needed: `context` past samples, then what was not yet answered.
    pending: Vec<f32>,
    /// Second half of the newest dense window, faded out.
    tail: Vec<f32>,
    answered: u64,
    received: u64,
}

impl<'a> Predictor<'a> {
    /// Starts after `past`: the dry samples just before the first one, silence before these,
    /// knobs at `controls` in the network's order. A network with memory hears all of `past`,
    /// and at least its warm-up.
    pub fn new(model: &'a EffectModel, device: &Device, controls: &[f32], past: &[f32]) -> Self {
        let lookback = match model.fixed_window() {
            Some(window) => window / 2,
            None => model.lookback(),
        };
        let remembers = model.receptive_field().is_none();
        let unwanted = match remembers {
            true => model.warm_up().max(past.len().saturating_sub(lookback)),
            false => 0,
        };
        let heard = lookback + unwanted;
        let mut pending = vec![0.0; heard];
        let known = past.len().min(heard);
        pending[heard - known..].copy_from_slice(&past[past.len() - known..]);
        Self {
            model,
            device: device.clone(),
            controls: controls.to_vec(),
            state: State::default(),
            unwanted,
            pending,
            tail: Vec::new(),
            answered: 0,
            received: 0,
        }
    }

    /// Appends to `out` all that can be answered after `block` was heard.
    pub fn push(&mut self, block: &[f32], out: &mut Vec<f32>) {
        self.received += block.len() as u64;
        self.pending.extend_from_slice(block);
        match self.model.fixed_window() {
            Some(window) => self.windows(window, out),
            None => self.pieces(self.piece(), out),
        }
    }

    /// Output samples of a piece: no fewer than what each has to look back over.
    fn piece(&self) -> usize {
        PIECE.max(self.model.lookback())
    }

    /// Appends the rest: silence follows the signal.
    pub fn finish(mut self, out: &mut Vec<f32>) {
        match self.model.fixed_window() {
            Some(window) => {
                // The last window may answer beyond the end.
                while self.answered < self.received {
                    self.pending.resize(self.pending.len() + window / 2, 0.0);
                    self.windows(window, out);
                }
                let surplus = (self.answered - self.received) as usize;
                out.truncate(out.len() - surplus);
            }
            None => {
                let silence = self.pending.len() + self.model.lookahead();
                self.pending.resize(silence, 0.0);
                self.pieces(self.piece(), out);
                let rest = (self.received - self.answered) as usize;
                if rest > 0 {
                    self.pieces(rest + self.unwanted, out);
                }
            }
        }
    }

    fn pieces(&mut self, piece: usize, out: &mut Vec<f32>) {
        let around = self.model.lookback() + self.model.lookahead();
        let mut from = 0;
        while self.pending.len() - from >= around + piece {
            let input = &self.pending[from..from + around + piece];
            let input = self.with_controls(input);
            let state = std::mem::take(&mut self.state);
            let (answer, state) = self.model.advance(input, state);
            self.state = state;
            let answer = to_host(answer);
            let wanted = &answer[self.unwanted.min(answer.len())..];
            self.unwanted -= answer.len() - wanted.len();
            self.answered += wanted.len() as u64;
            out.extend_from_slice(wanted);
            from += piece;
        }
        self.pending.drain(..from);
    }

    /// `[1, 1 + controls, time]`
    fn with_controls(&self, sound: &[f32]) -> Tensor<3> {
        let mut rows = sound.to_vec();
        for &value in &self.controls {
            rows.resize(rows.len() + sound.len(), value);
        }
        let shape = [1, 1 + self.controls.len(), sound.len()];
        Tensor::from_data(TensorData::new(rows, shape), &self.device)
    }

    /// Windows of `window` samples every half window. The first output half of each meets
    /// the second half of the one before; before the first there is nothing to meet, so one
    /// more window is run that begins half a window earlier.
    fn windows(&mut self, window: usize, out: &mut Vec<f32>) {
        let half = window / 2;
        let count = (self.pending.len() / half).saturating_sub(1);
        let mut first = 0;
        // As many windows at once as fill a piece.
        while first < count {
            let batch = (PIECE / window).max(1).min(count - first);
            let rows: Vec<f32> = (first..first + batch)
                .flat_map(|w| self.pending[w * half..][..window].iter().copied())
                .collect();
            let answers = self.run(rows, batch);
            for answer in answers.chunks_exact(window) {
                self.cross_fade(answer, out);
            }
            first += batch;
        }
        self.pending.drain(..count * half);
    }

    fn cross_fade(&mut self, answer: &[f32], out: &mut Vec<f32>) {
        let half = answer.len() / 2;
        let rise = |i: usize| (0.5 - 0.5 * (PI * i as f64 / half as f64).cos()) as f32;
        if !self.tail.is_empty() {
            out.extend((0..half).map(|i| self.tail[i] + rise(i) * answer[i]));
            self.answered += half as u64;
        }
        self.tail.clear();
        self.tail
            .extend((0..half).map(|i| (1.0 - rise(i)) * answer[half + i]));
    }

    fn run(&self, rows: Vec<f32>, batch: usize) -> Vec<f32> {
        let len = rows.len() / batch;
        let input = Tensor::<3>::from_data(TensorData::new(rows, [batch, 1, len]), &self.device);
        to_host(self.model.forward(input))
    }
}

/// The samples of a tensor, in order.
pub fn to_host(tensor: Tensor<3>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec()
        .expect("the element type was just converted to f32")
}

/// Predicts a whole signal after `past`, knobs at `controls`. As long as `dry`.
pub fn predict(
    model: &EffectModel,
    device: &Device,
    controls: &[f32],
    past: &[f32],
    dry: &[f32],
) -> Vec<f32> {
    let mut out = Vec::with_capacity(dry.len());
    let mut predictor = Predictor::new(model, device, controls, past);
    predictor.push(dry, &mut out);
    predictor.finish(&mut out);
    out
}
