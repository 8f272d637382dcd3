//! Where a memory stands after silence, while its weights are being learned: training windows start
//! there, as players do.
//!
//! One state per setting of the knobs. It is found anew when an epoch begins, so a resumed run
//! finds the same, and then follows the weights: a little more silence is heard after every batch.

use crate::data::windows::Windows;
use crate::kernels::uploaded;
use crate::models::{EffectModel, State};
use crate::network::settling_samples;
use burn::prelude::*;

/// Silence heard at once: bounded memory.
const PIECE: usize = 4096;

/// Silence heard after a batch.
const FOLLOWED: usize = 256;

/// Most samples of silence over all settings of the knobs, when an epoch begins and after a batch:
/// of hundreds of settings each hears less.
const MOST: [usize; 2] = [1 << 19, 1 << 12];

/// The settled state.
#[derive(Debug)]
pub struct Settled {
    /// Settings of the knobs, a row of the state each.
    controls: Vec<Vec<f32>>,
    state: State,
    device: Device,
    /// What was heard last: mostly the same again.
    silence: Option<Tensor<3>>,
}

impl Settled {
    /// Listens to half a second of silence with every setting of the knobs in `windows`. Of a
    /// network without memory: nothing.
    pub fn find(model: &EffectModel, windows: &Windows, device: &Device) -> Self {
        let mut controls: Vec<Vec<f32>> = Vec::new();
        let mut silence = 0;
        if model.receptive_field().is_none() {
            for span in windows.spans() {
                let values = span.pair().controls();
                if !controls.iter().any(|known| known == values) {
                    controls.push(values.to_vec());
                }
                silence = settling_samples(span.pair().sample_rate().hz());
            }
        }
        let mut settled = Self {
            controls,
            state: State::default(),
            device: device.clone(),
            silence: None,
        };
        silence = silence.min(MOST[0] / settled.controls.len().max(1));
        while silence > 0 {
            let piece = silence.min(PIECE);
            settled.hear(model, piece);
            silence -= piece;
        }
        settled
    }

    /// Where the state is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Follows weights that have changed.
    pub fn follow(&mut self, model: &EffectModel) {
        if !self.state.is_empty() {
            let most = MOST[1] / self.controls.len().max(1);
            self.hear(model, FOLLOWED.min(most).max(1));
        }
    }

    /// The state of a batch of `size` windows with these knobs, `[size, controls]`.
    pub fn of_batch(&self, size: usize, controls: &[f32]) -> State {
        if self.state.is_empty() {
            return State::default();
        }
        let knobs = controls.len() / size.max(1);
        let row = |window: usize| {
            let values = &controls[window * knobs..][..knobs];
            let found = self.controls.iter().position(|known| known == values);
            found.unwrap_or_default() as i32
        };
        let rows: Vec<i32> = (0..size).map(row).collect();
        self.state.rows(&rows, &self.device)
    }

    fn hear(&mut self, model: &EffectModel, silence: usize) {
        let len = model.lookback() + silence;
        let silence = self.silence.take().filter(|last| last.dims()[2] == len);
        let silence = silence.unwrap_or_else(|| self.silence(model, len));
        self.silence = Some(silence.clone());
        let state = std::mem::take(&mut self.state);
        self.state = model.advance(silence, state).1.detach();
    }

    fn silence(&self, model: &EffectModel, len: usize) -> Tensor<3> {
        let sound = model.audio_channels().dry;
        let mut rows = Vec::new();
        for values in &self.controls {
            rows.resize(rows.len() + sound * len, 0.0);
            for &value in values {
                rows.resize(rows.len() + len, value);
            }
        }
        let channels = sound + self.controls.first().map_or(0, Vec::len);
        let shape = [self.controls.len(), channels, len];
        uploaded(TensorData::new(rows, shape), &self.device)
    }
}
