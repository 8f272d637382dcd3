//! Items of a batch that go through time together, and the few of them that share a load.

use crate::simd::Simd;

/// Items that go through time together.
pub(crate) const ITEMS: usize = 4;

/// Items of [`SUMS`](super::SUMS) sums each that the registers hold, beside what the sums are made of.
pub(crate) const fn items_at_once<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 4 } else { 2 }
}

/// Calls `$body` for groups of at most `$most` (up to 4) of `$items`, `$first` the first of them
/// and `$G` their number.
macro_rules! each_group {
    ($most:expr, $items:expr, |$first:ident, $G:ident| $body:block) => {{
        let (most, items): (usize, usize) = ($most, $items);
        let mut $first = 0;
        while $first < items {
            let group = most.min(items - $first);
            match group {
                4 => {
                    const $G: usize = 4;
                    $body
                }
                3 => {
                    const $G: usize = 3;
                    $body
                }
                2 => {
                    const $G: usize = 2;
                    $body
                }
                _ => {
                    const $G: usize = 1;
                    $body
                }
            }
            $first += group;
        }
    }};
}
pub(crate) use each_group;
