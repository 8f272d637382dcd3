//! The seeds' dense networks: a window of samples in, a window of samples out.

use super::activation::Activation;
use super::bounds::{MAX_HISTORY, MAX_LAYERS, channels, numbers, size};
use super::error::DescriptionError;
use super::part::{Cost, Part};
use serde::{Deserialize, Serialize};

/// A stack of dense layers that maps windows to windows.
///
/// Windows start every `hop` samples. With `hop` = `window_len` they stand side by side, as in
/// the seeds; with a smaller hop they are added under a periodic Hann window whose overlap sums
/// to one, so no window edge clicks. Either way the output lags `window_len − 1` samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowNetwork {
    /// Samples in a window.
    pub window_len: usize,
    /// Samples from one window to the next: `window_len`, or it divided by 2 or more.
    pub hop: usize,
    /// The layers; the first reads and the last writes `window_len` values.
    pub layers: Vec<Dense>,
}

/// A dense layer and what follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// `[outputs][inputs]`
    pub weight: Vec<f32>,
    /// `[outputs]`
    pub bias: Vec<f32>,
    /// Applied to every output.
    pub activation: Activation,
}

impl Part for WindowNetwork {
    fn check(&self, in_channels: usize, _: usize) -> Result<usize, DescriptionError> {
        channels("network input", in_channels, 1)?;
        size("window_len", self.window_len, MAX_HISTORY)?;
        size("hop", self.hop, self.window_len)?;
        if !self.window_len.is_multiple_of(self.hop) {
            let why = format!(
                "{} does not divide the window of {} samples",
                self.hop, self.window_len
            );
            return Err(DescriptionError::invalid("hop", why));
        }
        if self.layers.is_empty() {
            return Err(DescriptionError::invalid(
                "layers",
                "is empty; give at least one",
            ));
        }
        let mut width = self.window_len;
        for (i, dense) in self.layers.iter().enumerate() {
            let place = format!("dense layer {i}");
            let outputs = dense.bias.len();
            size(&format!("{place}: bias length"), outputs, MAX_HISTORY)?;
            numbers(&format!("{place}: bias"), &dense.bias, Some(outputs))?;
            numbers(
                &format!("{place}: weight"),
                &dense.weight,
                outputs.checked_mul(width),
            )?;
            dense
                .activation
                .check(outputs)
                .map_err(|e| e.within(&place))?;
            width = outputs;
        }
        channels("last layer", width, self.window_len)?;
        Ok(1)
    }

    fn cost(&self) -> Option<Cost> {
        if self.layers.len() > MAX_LAYERS {
            return None;
        }
        let macs = self
            .layers
            .iter()
            .try_fold(0usize, |n, d| n.checked_add(d.weight.len()))?;
        let bias = self
            .layers
            .iter()
            .try_fold(0usize, |n, d| n.checked_add(d.bias.len()))?;
        Some(Cost {
            weights: macs.checked_add(bias)?,
            // One pass per hop.
            macs: macs.div_ceil(self.hop.max(1)),
            history: self.window_len.checked_mul(2)?,
            layers: self.layers.len(),
        })
    }

    /// Every sample a window covers influences every sample it gives, and the output lags so that
    /// all of them are past: two windows less two samples, when windows overlap or not.
    fn context(&self) -> Option<usize> {
        self.window_len.checked_mul(2)?.checked_sub(2)
    }

    fn shape(&self) -> String {
        let widths = self.layers.iter().map(|l| l.bias.len().to_string());
        let widths: Vec<String> = std::iter::once(self.window_len.to_string())
            .chain(widths)
            .collect();
        format!("{}, hop {}", widths.join(" → "), self.hop)
    }
}
