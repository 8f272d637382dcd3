//! A network over a signal of any length: block in, prediction out, without seams.
//!
//! Convolutional networks continue where the last block ended. Dense networks, which answer
//! a whole window at a time, are run at half-overlapping windows and cross-faded with a Hann
//! window (halves sum to 1), so there is no click at window edges. All work is done in
//! pieces at fixed places of the signal, so the result does not depend on the block length.
//! Networks with memory carry their state from piece to piece, so it does not depend on the
//! pieces either.

use super::{EffectModel, State};
use crate::network::AudioChannels;
use burn::prelude::*;
use std::f64::consts::PI;
use std::ops::Range;

/// Output samples computed at a time: long enough to keep the processor busy, short enough
/// to stay in its cache.
const PIECE: usize = 16_384;

/// Runs a network over one channel, or over all channels of sound that it hears at once.
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
    /// Of each channel the input that is still needed: `context` past samples, then what was not yet
    /// answered.
    pending: Vec<Vec<f32>>,
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
        Self::of_channels(model, device, controls, &[past])
    }

    /// The same after the past of every channel that the network hears, all of one length.
    pub fn of_channels(
        model: &'a EffectModel,
        device: &Device,
        controls: &[f32],
        past: &[impl AsRef<[f32]>],
    ) -> Self {
        let past_len = past.first().map_or(0, |past| past.as_ref().len());
        let lookback = match model.fixed_window() {
            Some(window) => window / 2,
            None => model.lookback(),
        };
        let remembers = model.receptive_field().is_none();
        let unwanted = match remembers {
            true => model.warm_up().max(past_len.saturating_sub(lookback)),
            false => 0,
        };
        let heard = lookback + unwanted;
        let known = past_len.min(heard);
        let pending = past.iter().map(|past| {
            let mut pending = vec![0.0; heard];
            pending[heard - known..].copy_from_slice(&past.as_ref()[past_len - known..]);
            pending
        });
        Self {
            model,
            device: device.clone(),
            controls: controls.to_vec(),
            state: State::default(),
            unwanted,
            pending: pending.collect(),
            tail: Vec::new(),
            answered: 0,
            received: 0,
        }
    }

    /// Channels of sound that are heard and made.
    pub fn audio_channels(&self) -> AudioChannels {
        self.model.audio_channels()
    }

    /// Appends to `out` all that can be answered after `block` was heard.
    pub fn push(&mut self, block: &[f32], out: &mut Vec<f32>) {
        self.push_channels(&[block], std::slice::from_mut(out));
    }

    /// The same of a block of every channel that is heard, into every one that is made.
    pub fn push_channels(&mut self, block: &[impl AsRef<[f32]>], out: &mut [Vec<f32>]) {
        self.received += block.first().map_or(0, |channel| channel.as_ref().len()) as u64;
        for (pending, block) in self.pending.iter_mut().zip(block) {
            pending.extend_from_slice(block.as_ref());
        }
        self.answer(out);
    }

    fn answer(&mut self, out: &mut [Vec<f32>]) {
        match (self.model.fixed_window(), &mut *out) {
            // Of one channel.
            (Some(window), [out]) => self.windows(window, out),
            (Some(_), _) => {}
            (None, out) => self.pieces(self.piece(), out),
        }
    }

    /// Samples of each channel that are still needed.
    fn waiting(&self) -> usize {
        self.pending.first().map_or(0, Vec::len)
    }

    /// Lets silence follow on every channel.
    fn hear_silence(&mut self, samples: usize) {
        for pending in &mut self.pending {
            pending.resize(pending.len() + samples, 0.0);
        }
    }

    /// Output samples of a piece: no fewer than what each has to look back over.
    fn piece(&self) -> usize {
        PIECE.max(self.model.lookback())
    }

    /// Appends the rest: silence follows the signal.
    pub fn finish(self, out: &mut Vec<f32>) {
        self.finish_channels(std::slice::from_mut(out));
    }

    /// The same of every channel that is made.
    pub fn finish_channels(mut self, out: &mut [Vec<f32>]) {
        match self.model.fixed_window() {
            Some(window) => {
                // The last window may answer beyond the end.
                while self.answered < self.received {
                    self.hear_silence(window / 2);
                    self.answer(out);
                }
                let surplus = (self.answered - self.received) as usize;
                for out in out {
                    out.truncate(out.len() - surplus);
                }
            }
            None => {
                self.hear_silence(self.model.lookahead());
                self.pieces(self.piece(), out);
                let rest = (self.received - self.answered) as usize;
                if rest > 0 {
                    self.pieces(rest + self.unwanted, out);
                }
            }
        }
    }

    fn pieces(&mut self, piece: usize, out: &mut [Vec<f32>]) {
        let around = self.model.lookback() + self.model.lookahead();
        let mut from = 0;
        while self.waiting() - from >= around + piece {
            let input = self.with_controls(from..from + around + piece);
            let state = std::mem::take(&mut self.state);
            let (answer, state) = self.model.advance(input, state);
            self.state = state;
            let len = answer.dims()[2];
            let unwanted = self.unwanted.min(len);
            for (out, channel) in out.iter_mut().zip(to_host(answer).chunks(len)) {
                out.extend_from_slice(&channel[unwanted..]);
            }
            self.unwanted -= unwanted;
            self.answered += (len - unwanted) as u64;
            from += piece;
        }
        self.forget(from);
    }

    /// What is heard no more.
    fn forget(&mut self, samples: usize) {
        for pending in &mut self.pending {
            pending.drain(..samples);
        }
    }

    /// `[1, dry + controls, time]`
    fn with_controls(&self, samples: Range<usize>) -> Tensor<3> {
        let len = samples.len();
        let heard = self.pending.iter();
        let mut rows: Vec<f32> = heard.flat_map(|x| &x[samples.clone()]).copied().collect();
        for &value in &self.controls {
            rows.resize(rows.len() + len, value);
        }
        let shape = [1, self.pending.len() + self.controls.len(), len];
        Tensor::from_data(TensorData::new(rows, shape), &self.device)
    }

    /// Windows of `window` samples every half window. The first output half of each meets
    /// the second half of the one before; before the first there is nothing to meet, so one
    /// more window is run that begins half a window earlier.
    fn windows(&mut self, window: usize, out: &mut Vec<f32>) {
        let half = window / 2;
        let count = (self.waiting() / half).saturating_sub(1);
        let mut first = 0;
        // As many windows at once as fill a piece.
        while first < count {
            let batch = (PIECE / window).max(1).min(count - first);
            let rows: Vec<f32> = (first..first + batch)
                .flat_map(|w| self.pending[0][w * half..][..window].iter().copied())
                .collect();
            let answers = self.run(rows, batch);
            for answer in answers.chunks_exact(window) {
                self.cross_fade(answer, out);
            }
            first += batch;
        }
        self.forget(count * half);
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
    predict_channels(model, device, controls, &[past], &[dry]).swap_remove(0)
}

/// The same of every channel that the network hears: every one that it makes.
pub fn predict_channels(
    model: &EffectModel,
    device: &Device,
    controls: &[f32],
    past: &[impl AsRef<[f32]>],
    dry: &[impl AsRef<[f32]>],
) -> Vec<Vec<f32>> {
    let len = dry.first().map_or(0, |channel| channel.as_ref().len());
    let made = (0..model.audio_channels().wet).map(|_| Vec::with_capacity(len));
    let mut out: Vec<Vec<f32>> = made.collect();
    let mut predictor = Predictor::of_channels(model, device, controls, past);
    predictor.push_channels(dry, &mut out);
    predictor.finish_channels(&mut out);
    out
}
