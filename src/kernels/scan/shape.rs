//! The shape of a diagonal state space, and its weights, gradients and state as slices.

use crate::kernels::memory::Buffer;

/// A diagonal state space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Channels of x and y.
    pub channels: usize,
    /// States per channel, N.
    pub states: usize,
}

/// Its weights.
#[derive(Debug, Clone, Copy)]
pub struct ScanSlices<'a> {
    /// Re a `[channels, states]`; |a| < 1 for a stable recurrence.
    pub a_re: &'a [f32],
    /// Im a.
    pub a_im: &'a [f32],
    /// Re c `[channels, states]`.
    pub c_re: &'a [f32],
    /// Im c.
    pub c_im: &'a [f32],
    /// d `[channels]`.
    pub d: &'a [f32],
}

/// The gradients, shaped like what they are gradients of.
#[derive(Debug, Clone, Default)]
pub struct ScanGradients {
    /// Of x, where asked for.
    pub x: Option<Buffer>,
    /// Of Re a.
    pub a_re: Vec<f32>,
    /// Of Im a.
    pub a_im: Vec<f32>,
    /// Of Re c.
    pub c_re: Vec<f32>,
    /// Of Im c.
    pub c_im: Vec<f32>,
    /// Of d.
    pub d: Vec<f32>,
}

/// What a sequence leaves behind for the next, `[batch, channels, states]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlainScanState {
    /// Re s.
    pub re: Vec<f32>,
    /// Im s.
    pub im: Vec<f32>,
}

impl Scan {
    /// From `[batch, channels · 2 · states]`: of each channel Re s of all states, then Im s.
    pub fn separate_state(&self, joined: &[f32]) -> PlainScanState {
        let mut state = PlainScanState::default();
        for channel in joined.chunks_exact(2 * self.states) {
            let (re, im) = channel.split_at(self.states);
            state.re.extend_from_slice(re);
            state.im.extend_from_slice(im);
        }
        state
    }

    /// The way back.
    pub fn join_state(&self, state: &PlainScanState) -> Vec<f32> {
        let channels = state.re.chunks_exact(self.states);
        let channels = channels.zip(state.im.chunks_exact(self.states));
        channels
            .flat_map(|(re, im)| re.iter().chain(im))
            .copied()
            .collect()
    }

    /// The state before anything was heard.
    pub fn zero_state(&self, batch: usize) -> PlainScanState {
        let zeros = vec![0.0; batch * self.channels * self.states];
        PlainScanState {
            re: zeros.clone(),
            im: zeros,
        }
    }
}
