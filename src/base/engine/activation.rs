//! Activation functions on vectors, and what they cost nothing to fuse with.

use crate::network::Activation;
use crate::simd::{Simd, math};

/// An activation ready to run: parameters as the arithmetic wants them.
#[derive(Clone, Debug)]
pub(crate) enum Function {
    Identity,
    Tanh,
    FastTanh,
    Clamp {
        min: f32,
        max: f32,
    },
    LeakyRelu {
        slope: f32,
    },
    /// One slope per channel.
    PRelu {
        slopes: Vec<f32>,
    },
    Sigmoid,
    Silu,
    HardSwish,
    LeakyClamp {
        min: f32,
        max: f32,
        min_slope: f32,
        max_slope: f32,
    },
    Softsign,
    Softsigmoid,
    Elu {
        alpha: f32,
    },
    /// Needs all channels of a sample: not element-wise, handled by its layer.
    Softmax,
}

impl Function {
    /// The function for `channels` channels.
    pub(crate) fn new(activation: &Activation, channels: usize) -> Self {
        match activation {
            Activation::Identity => Self::Identity,
            Activation::Tanh => Self::Tanh,
            Activation::FastTanh => Self::FastTanh,
            Activation::HardTanh { min, max } => Self::Clamp {
                min: *min,
                max: *max,
            },
            // x·0 below 0: the same, and one loop fewer in the hot kernels.
            Activation::Relu => Self::LeakyRelu { slope: 0.0 },
            Activation::LeakyRelu { slope } => Self::LeakyRelu { slope: *slope },
            Activation::PRelu { slopes } => match slopes.as_slice() {
                [slope] => Self::LeakyRelu { slope: *slope },
                slopes => Self::PRelu {
                    slopes: slopes.iter().copied().take(channels).collect(),
                },
            },
            Activation::Sigmoid => Self::Sigmoid,
            Activation::Silu => Self::Silu,
            Activation::HardSwish => Self::HardSwish,
            Activation::LeakyHardTanh {
                min,
                max,
                min_slope,
                max_slope,
            } => Self::LeakyClamp {
                min: *min,
                max: *max,
                min_slope: *min_slope,
                max_slope: *max_slope,
            },
            Activation::Softsign => Self::Softsign,
            Activation::Softsigmoid => Self::Softsigmoid,
            Activation::Elu { alpha } => Self::Elu { alpha: *alpha },
            Activation::Softmax => Self::Softmax,
        }
    }

    /// One vector of channel `channel`.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&self, s: S, x: S::V, channel: usize) -> S::V {
        match self {
            Self::Identity | Self::Softmax => x,
            Self::Tanh => math::tanh(s, x),
            Self::FastTanh => fast_tanh(s, x),
            Self::Clamp { min, max } => s.max(s.splat(*min), s.min(s.splat(*max), x)),
            Self::LeakyRelu { slope } => leaky(s, x, *slope),
            Self::PRelu { slopes } => leaky(s, x, slopes[channel]),
            Self::Sigmoid => math::sigmoid(s, x),
            Self::Silu => s.mul(x, math::sigmoid(s, x)),
            Self::HardSwish => {
                let inner = s.min(s.splat(6.0), s.max(s.zero(), s.add(x, s.splat(3.0))));
                s.mul(s.mul(x, inner), s.splat(1.0 / 6.0))
            }
            Self::LeakyClamp {
                min,
                max,
                min_slope,
                max_slope,
            } => {
                let (low, high) = (s.splat(*min), s.splat(*max));
                let inside = s.max(low, s.min(high, x));
                // What lies outside, at its slope: below it is negative, above it positive.
                let below = s.min(s.sub(x, low), s.zero());
                let above = s.max(s.sub(x, high), s.zero());
                s.fma(
                    below,
                    s.splat(*min_slope),
                    s.fma(above, s.splat(*max_slope), inside),
                )
            }
            Self::Softsign => softsign(s, x),
            Self::Softsigmoid => s.fma(softsign(s, x), s.splat(0.5), s.splat(0.5)),
            Self::Elu { alpha } => {
                let below = s.sub(math::exp(s, s.min(x, s.zero())), s.splat(1.0));
                s.select_positive(x, x, s.mul(below, s.splat(*alpha)))
            }
        }
    }
}

#[inline(always)]
fn leaky<S: Simd>(s: S, x: S::V, slope: f32) -> S::V {
    s.select_positive(x, x, s.mul(x, s.splat(slope)))
}

#[inline(always)]
fn abs<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(x, s.sub(s.zero(), x))
}

#[inline(always)]
fn softsign<S: Simd>(s: S, x: S::V) -> S::V {
    s.div(x, s.add(abs(s, x), s.splat(1.0)))
}

/// The field's rational approximation of tanh; its constants are part of its definition.
#[inline(always)]
fn fast_tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let (size, square) = (abs(s, x), s.mul(x, x));
    let a = s.splat(2.455_507_5);
    let inner = s.fma(size, s.splat(0.821_226_7), s.splat(0.893_229_84));
    let above = s.fma(inner, square, s.fma(a, size, a));
    let b = s.splat(2.445_066_3);
    let bent = abs(s, s.fma(s.mul(s.splat(0.814_642_7), x), size, x));
    let below = s.fma(s.add(b, square), bent, b);
    s.div(s.mul(x, above), below)
}
