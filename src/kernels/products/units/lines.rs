//! Weights in whole cache lines.

use crate::kernels::memory::LINE;

/// Sixteen weights that do not straddle two cache lines: loads that do take twice as long.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line([f32; LINE]);

/// Lines of weights, `weight(line, lane)`.
pub(super) fn lines(count: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<Line> {
    let line = |at: usize| Line(std::array::from_fn(|lane| weight(at, lane)));
    (0..count).map(line).collect()
}
