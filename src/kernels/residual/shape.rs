//! The shape of the layer, and its weights and gradients as slices.

use crate::kernels::activation::Activation;
use crate::kernels::memory::Buffer;

/// φ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// The same function for all channels.
    One(Activation),
    /// x where positive, else x times the channel's slope.
    Slopes,
}

/// The layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualLayer {
    /// Channels of x.
    pub in_channels: usize,
    /// Channels of y.
    pub out_channels: usize,
    /// Taps of the convolution, tap 0 the oldest.
    pub kernel_size: usize,
    /// Samples between taps.
    pub dilation: usize,
    /// φ.
    pub curve: Curve,
}

/// Its weights.
#[derive(Debug, Clone, Copy)]
pub struct ResidualSlices<'a> {
    /// w `[out_channels, in_channels, kernel_size]`.
    pub conv: &'a [f32],
    /// b `[out_channels]`.
    pub bias: &'a [f32],
    /// s `[out_channels, in_channels]`.
    pub shortcut: &'a [f32],
    /// `[out_channels]` with [`Curve::Slopes`], else empty.
    pub slopes: &'a [f32],
}

/// The gradients, shaped like what they are gradients of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResidualGradients {
    /// Of x, where asked for.
    pub x: Option<Buffer>,
    /// Of w.
    pub conv: Vec<f32>,
    /// Of b.
    pub bias: Vec<f32>,
    /// Of s.
    pub shortcut: Vec<f32>,
    /// Of the slopes; empty where there are none.
    pub slopes: Vec<f32>,
}

impl ResidualLayer {
    /// Samples by which y is shorter than x.
    pub fn context(&self) -> usize {
        (self.kernel_size - 1) * self.dilation
    }

    /// Samples of y of a batch whose x is this.
    ///
    /// # Panics
    /// x does not fit the shape, or is shorter than the context.
    pub(super) fn lengths(&self, batch: usize, x: &[f32]) -> (usize, usize) {
        let rows = batch * self.in_channels;
        let len = x.len() / rows.max(1);
        assert_eq!(x.len(), rows * len);
        assert!(len >= self.context(), "{len} samples for {self:?}");
        (len, len - self.context())
    }

    pub(super) fn check(&self, weights: &ResidualSlices<'_>) {
        let (ins, outs) = (self.in_channels, self.out_channels);
        assert_eq!(weights.conv.len(), outs * ins * self.kernel_size);
        assert_eq!(weights.shortcut.len(), outs * ins);
        assert_eq!(weights.bias.len(), outs);
        let slopes = if self.curve == Curve::Slopes { outs } else { 0 };
        assert_eq!(weights.slopes.len(), slopes);
    }

    /// φ of a channel.
    pub(super) fn function(&self, weights: &ResidualSlices<'_>, channel: usize) -> Activation {
        match self.curve {
            Curve::One(function) => function,
            Curve::Slopes => Activation::LeakyRelu {
                slope: weights.slopes[channel],
            },
        }
    }

    /// Where each tap of the convolution reads rows that are `stride` apart.
    pub(super) fn taps(&self, rows: usize, stride: usize) -> Vec<usize> {
        let (kernel, dilation) = (self.kernel_size, self.dilation);
        let of_row = |row| (0..kernel).map(move |k| row * stride + k * dilation);
        (0..rows).flat_map(of_row).collect()
    }

    /// Samples of a block, so that what it reads of `rows` rows takes about half of a first-level
    /// cache: taps that are far apart share nothing.
    pub(super) fn block(&self, rows: usize) -> usize {
        const FLOATS: usize = 6 * 1024;
        let distinct = match self.dilation < 64 {
            true => rows,
            false => rows * self.kernel_size,
        };
        (FLOATS / distinct.max(1) / 48 * 48).clamp(48, 480)
    }
}
