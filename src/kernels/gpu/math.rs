//! Functions of kernels, exact to about a unit in the last place on every driver: Vulkan leaves
//! tanh to the vendor. Knows no operator.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

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
