//! The shape of the layer, and its weights as slices.

use crate::kernels::activation::Activation;

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
pub(super) struct ResidualSlices<'a> {
    /// w `[out_channels, in_channels, kernel_size]`.
    pub conv: &'a [f32],
    /// b `[out_channels]`.
    pub bias: &'a [f32],
    /// s `[out_channels, in_channels]`.
    pub shortcut: &'a [f32],
    /// `[out_channels]` with [`Curve::Slopes`], else empty.
    pub slopes: &'a [f32],
}

impl ResidualLayer {
    /// Samples by which y is shorter than x.
    pub fn context(&self) -> usize {
        (self.kernel_size - 1) * self.dilation
    }

    /// How many numbers w, s, b and the slopes are.
    pub(super) fn sizes(&self) -> [usize; 4] {
        let (ins, outs) = (self.in_channels, self.out_channels);
        let slopes = if self.curve == Curve::Slopes { outs } else { 0 };
        [outs * ins * self.kernel_size, outs * ins, outs, slopes]
    }

    /// The weights in a list of w, s, b and the slopes.
    pub(super) fn slices<'a>(&self, list: &'a [f32]) -> ResidualSlices<'a> {
        let mut rest = list;
        let [conv, shortcut, bias, slopes] = self.sizes().map(|size| {
            let (own, after) = rest.split_at(size);
            rest = after;
            own
        });
        ResidualSlices {
            conv,
            bias,
            shortcut,
            slopes,
        }
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
