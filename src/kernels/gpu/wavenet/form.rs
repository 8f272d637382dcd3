//! What a layer's kernels are compiled for, and what their launches are given. Knows no kernel.

use burn_cubecl::cubecl::prelude::{BufferArg, CubeCount};
use burn_cubecl::tensor::CubeTensor;

use super::convolve::{Sum, Width};
use super::places::Rows;
use crate::kernels::gpu::launch::{THREADS, part};
use crate::kernels::gpu::math::{Curve, curve};
use crate::kernels::wavenet::Layer;

/// What a layer's kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub channels: usize,
    pub gated: bool,
    pub curve: Curve,
    /// Channels of the condition.
    pub conditions: usize,
    pub taps: usize,
}

impl Form {
    /// With the slope of a leaky activation.
    pub fn of(channels: usize, conditions: usize, layer: &Layer) -> (Form, f32) {
        let (curve, leak) = curve(layer.activation);
        let form = Form {
            channels,
            gated: layer.gated,
            curve,
            conditions,
            taps: layer.kernel_size,
        };
        (form, leak)
    }

    /// What enters and leaves the layer.
    pub fn width(self) -> Width {
        Width::of(self.channels)
    }

    /// What enters the activation.
    pub fn inner(self) -> Width {
        let parts = if self.gated { 2 } else { 1 };
        Width {
            parts,
            ..self.width()
        }
    }

    /// The convolution, or what it does to gradients.
    pub fn convolution(self, back: bool) -> Sum {
        let (from, to) = match back {
            false => (self.width(), self.inner()),
            true => (self.inner(), self.width()),
        };
        Sum {
            from,
            to,
            taps: self.taps,
            back,
        }
    }

    /// What the bias adds, a column beside a 1.
    pub fn bias(self) -> Sum {
        Sum::mix(Width::of(1), self.inner(), false)
    }

    /// What the condition adds.
    pub fn mixer(self) -> Sum {
        Sum::mix(Width::of(self.conditions), self.inner(), false)
    }

    /// The 1×1 convolution.
    pub fn one_by_one(self, back: bool) -> Sum {
        Sum::mix(self.width(), self.width(), back)
    }

    /// Where the 1×1 convolution's weights are in the memory of a cube, behind bias and mixer.
    pub fn one_by_one_place(self) -> usize {
        (1 + self.conditions) * self.inner().fours()
    }

    /// Fours of a layer's weights but the convolution's.
    pub fn beside(self) -> usize {
        self.one_by_one_place() + (self.channels + 1) * self.width().fours()
    }

    /// Its bias.
    pub fn one_by_one_bias(self) -> Sum {
        Sum::mix(Width::of(1), self.width(), false)
    }
}

/// The cubes for a thread per sample and item.
pub(super) fn samples(len: usize, batch: usize) -> CubeCount {
    CubeCount::Static(len.div_ceil(THREADS) as u32, batch as u32, 1)
}

/// A buffer of which only so many fours of channels are touched for each sample of these rows.
pub(super) fn buffer_of(tensor: &CubeTensor, rows: Rows, fours: usize, batch: usize) -> BufferArg {
    part(tensor, batch * 4 * fours * rows.len)
}
