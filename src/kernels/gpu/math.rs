//! Functions of kernels, exact to about a unit in the last place on every driver: Vulkan leaves
//! tanh to the vendor. Knows no operator.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use crate::kernels::activation::Activation;

/// 1/(1 + e⁻ˣ). 1 − σ(x) is σ(−x), which does not lose what is left of 1.
#[cube]
pub(super) fn sigmoid(x: f32) -> f32 {
    // e⁸⁰ is far from overflow, whose outcome WGSL leaves open.
    1.0f32 / (1.0f32 + f32::exp(-max(x, -80.0f32)))
}

/// tanh x: near 0 by five terms of Lambert's continued fraction, whose error is below |x|¹¹·10⁻⁷.
#[cube]
pub(super) fn tanh(x: f32) -> f32 {
    let s = x * x;
    let near = x * (945.0f32 + s * (105.0f32 + s)) / (945.0f32 + s * (420.0f32 + s * 15.0f32));
    let e = f32::exp(f32::abs(x) * -2.0f32);
    let size = (1.0f32 - e) / (1.0f32 + e);
    let far = select(x < 0.0f32, -size, size);
    select(f32::abs(x) < 0.5f32, near, far)
}

/// ln(1 + eˣ), which does not overflow.
#[cube]
pub(super) fn softplus(x: f32) -> f32 {
    max(x, 0.0f32) + f32::ln(1.0f32 + f32::exp(-f32::abs(x)))
}

/// sin x for |x| up to some thousands: Vulkan lets a driver be wrong by 5·10⁻⁴.
#[cube]
pub(super) fn sine(x: f32) -> f32 {
    turned(x, 0.0f32)
}

/// cos x, likewise.
#[cube]
pub(super) fn cosine(x: f32) -> f32 {
    turned(x, 1.0f32)
}

/// sin(x + quarters·π/2), by Taylor's series of sine and cosine within ±π/4.
#[cube]
#[allow(clippy::approx_constant, reason = "kernels are made of literals")]
fn turned(x: f32, quarters: f32) -> f32 {
    let count = f32::floor(x * 0.636_619_8f32 + 0.5f32);
    // π/2 in three parts: the first two have so few bits that small multiples of them are exact.
    let most = x - count * 1.570_312_5f32;
    let more = most - count * 4.837_513e-4f32;
    let near = more - count * 7.549_79e-8f32;
    let s = near * near;
    let sine = near
        + near
            * s
            * (-1.666_666_7e-1f32
                + s * (8.333_334e-3f32 + s * (-1.984_127e-4f32 + s * 2.755_731_9e-6f32)));
    let cosine = 1.0f32
        + s * (-0.5f32
            + s * (4.166_666_8e-2f32 + s * (-1.388_888_9e-3f32 + s * 2.480_158_7e-5f32)));
    // Which of the four: 0 sine, 1 cosine, and the same with the other sign.
    let turns = count + quarters;
    let quadrant = turns - 4.0f32 * f32::floor(turns * 0.25f32);
    let is_odd = quadrant == 1.0f32 || quadrant == 3.0f32;
    let value = select(is_odd, cosine, sine);
    select(quadrant >= 2.0f32, -value, value)
}

/// An activation that a kernel is compiled for; a leaky one's slope comes at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Curve {
    Identity,
    Tanh,
    Sigmoid,
    Relu,
    Leaky,
    HardTanh,
}

/// The curve of a [fused](Activation::is_fused) activation, and its slope left of 0.
pub(super) fn curve(activation: Activation) -> (Curve, f32) {
    match activation {
        Activation::Tanh => (Curve::Tanh, 0.0),
        Activation::Sigmoid => (Curve::Sigmoid, 0.0),
        Activation::Relu => (Curve::Relu, 0.0),
        Activation::LeakyRelu { slope } => (Curve::Leaky, slope),
        Activation::HardTanh => (Curve::HardTanh, 0.0),
        _ => (Curve::Identity, 0.0),
    }
}

/// Its value.
#[cube]
pub(super) fn value(x: f32, leak: f32, #[comptime] curve: Curve) -> f32 {
    if comptime!(curve == Curve::Tanh) {
        tanh(x)
    } else if comptime!(curve == Curve::Sigmoid) {
        sigmoid(x)
    } else if comptime!(curve == Curve::Relu) {
        max(x, 0.0f32)
    } else if comptime!(curve == Curve::Leaky) {
        select(x > 0.0f32, x, x * leak)
    } else if comptime!(curve == Curve::HardTanh) {
        max(min(x, 1.0f32), -1.0f32)
    } else {
        x
    }
}

/// Its slope where its value is y.
#[cube]
pub(super) fn slope(y: f32, leak: f32, #[comptime] curve: Curve) -> f32 {
    if comptime!(curve == Curve::Tanh) {
        1.0f32 - y * y
    } else if comptime!(curve == Curve::Sigmoid) {
        y - y * y
    } else if comptime!(curve == Curve::Relu) {
        select(y > 0.0f32, 1.0f32, 0.0f32)
    } else if comptime!(curve == Curve::Leaky) {
        select(y > 0.0f32, 1.0f32, leak)
    } else if comptime!(curve == Curve::HardTanh) {
        select(f32::abs(y) < 1.0f32, 1.0f32, 0.0f32)
    } else {
        1.0f32.runtime()
    }
}
