//! Convolution over time; with one tap, a dense layer over channels.

use crate::network::bounds::{MAX_CHANNELS, MAX_HISTORY, channels, numbers, size};
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part};
use serde::{Deserialize, Serialize};

/// A causal dilated convolution over time; kernel size 1 makes it a dense layer over channels.
///
/// y[o][t] = bias[o] + Σ_i Σ_k weight[o][i][k] · x[i][t − (kernel_size − 1 − k) · dilation]:
/// tap 0 is the oldest. With groups, output channel o reads the `in_channels / groups` inputs of
/// its own group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1d {
    /// Channels read.
    pub in_channels: usize,
    /// Channels written.
    pub out_channels: usize,
    /// Taps.
    pub kernel_size: usize,
    /// Samples between taps.
    pub dilation: usize,
    /// Blocks of channels that do not mix.
    pub groups: usize,
    /// `[out_channels][in_channels / groups][kernel_size]`
    pub weight: Vec<f32>,
    /// `[out_channels]`, or empty without bias.
    pub bias: Vec<f32>,
}

impl Conv1d {
    /// A dense layer over channels: `weight` is `[out][in]`, `bias` `[out]` or empty.
    pub fn dense(
        in_channels: usize,
        out_channels: usize,
        weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel_size: 1,
            dilation: 1,
            groups: 1,
            weight,
            bias,
        }
    }

    /// Samples of history each input channel needs; `None` on overflow.
    pub fn lookback(&self) -> Option<usize> {
        self.kernel_size.checked_sub(1)?.checked_mul(self.dilation)
    }

    fn weight_len(&self) -> Option<usize> {
        let per_output = self
            .in_channels
            .checked_div(self.groups)?
            .checked_mul(self.kernel_size)?;
        self.out_channels.checked_mul(per_output)
    }
}

impl Part for Conv1d {
    fn check(&self, in_channels: usize, _: usize) -> Result<usize, DescriptionError> {
        size("convolution in_channels", self.in_channels, MAX_CHANNELS)?;
        size("convolution out_channels", self.out_channels, MAX_CHANNELS)?;
        size("convolution kernel_size", self.kernel_size, MAX_HISTORY)?;
        size("convolution dilation", self.dilation, MAX_HISTORY)?;
        size("convolution groups", self.groups, MAX_CHANNELS)?;
        channels("convolution input", self.in_channels, in_channels)?;
        for (what, n) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
        ] {
            if n % self.groups != 0 {
                let why = format!("{what} {n} cannot be divided into {} groups", self.groups);
                return Err(DescriptionError::invalid("convolution", why));
            }
        }
        numbers("convolution weight", &self.weight, self.weight_len())?;
        if !self.bias.is_empty() {
            numbers("convolution bias", &self.bias, Some(self.out_channels))?;
        }
        Ok(self.out_channels)
    }

    fn cost(&self) -> Option<Cost> {
        let macs = self.weight_len()?;
        Some(Cost {
            weights: macs.checked_add(self.bias.len())?,
            macs,
            history: self.lookback()?.checked_mul(self.in_channels)?,
            layers: 1,
        })
    }

    fn context(&self) -> Option<usize> {
        self.lookback()
    }

    fn shape(&self) -> String {
        match self.kernel_size {
            1 => format!("dense {}", self.out_channels),
            _ => format!("conv {} k{}", self.out_channels, self.kernel_size),
        }
    }
}
