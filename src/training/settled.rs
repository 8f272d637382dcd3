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
    strays: Option<Strays>,
}

/// Windows that begin elsewhere: one in so many.
#[derive(Clone, Copy, Debug)]
pub struct Strays {
    /// How many.
    pub one_in: usize,
    /// What the choice and the content are drawn from, of each window anew in each epoch.
    pub seed: u64,
}

impl Strays {
    /// Of what a memory holds after music, units of a size of about one.
    pub(super) const SIZE: f32 = 2.0;

    /// The seed of a window that is one.
    fn seed_of(self, window: usize) -> Option<u64> {
        // A good hash (SplitMix64's last steps).
        let mut hash = self
            .seed
            .wrapping_add((window as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        hash.is_multiple_of(self.one_in as u64).then_some(hash)
    }
}

impl Settled {
    /// Listens to half a second of silence with every setting of the knobs in `windows`. Of a
    /// network without memory: nothing.
    pub fn find(
        model: &EffectModel,
        windows: &Windows,
        device: &Device,
        strays: Option<Strays>,
    ) -> Self {
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
            strays,
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

    /// The state that the windows of these indices begin with.
    pub fn of_batch(&self, windows: &Windows, indices: &[usize]) -> State {
        if self.state.is_empty() {
            return State::default();
        }
        let controls = windows.controls(indices);
        let knobs = controls.len() / indices.len().max(1);
        let row = |window: usize| {
            let values = &controls[window * knobs..][..knobs];
            let found = self.controls.iter().position(|known| known == values);
            found.unwrap_or_default() as i32
        };
        let rows: Vec<i32> = (0..indices.len()).map(row).collect();
        let settled = self.state.rows(&rows, &self.device);
        let Some(strays) = self.strays else {
            return settled;
        };
        let seeds: Vec<_> = indices.iter().map(|&at| strays.seed_of(at)).collect();
        settled.strayed(&seeds, Strays::SIZE)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_window_in_so_many_strays_another_in_another_epoch() {
        let strays = |epoch: u64| Strays {
            one_in: 16,
            seed: 5 + (epoch << 32),
        };
        let chosen = |epoch| -> Vec<usize> {
            let strays = strays(epoch);
            (0..16_000)
                .filter(|&window| strays.seed_of(window).is_some())
                .collect()
        };
        let (first, second) = (chosen(0), chosen(1));
        // Four standard errors of a thousand.
        for chosen in [&first, &second] {
            assert!(chosen.len().abs_diff(1000) < 4 * 31, "{}", chosen.len());
        }
        let both = first
            .iter()
            .filter(|window| second.contains(window))
            .count();
        assert!(both < 120, "{both} of both");
        let all = Strays { one_in: 1, seed: 3 };
        assert!((0..50).all(|window| all.seed_of(window).is_some()));
    }
}
