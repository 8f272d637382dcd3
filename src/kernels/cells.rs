//! The arithmetic of an LSTM's and a GRU's step on a vector of units, forward and back; for the
//! formulas see [`super::recurrent`].
//!
//! What a backward step needs is worked out ahead of it, for it needs no more than the sums into
//! the gates: the factors by which the gradients of h and c after the step become those of the
//! sums. The step itself, on which the one before it waits, is then a handful of multiplications.
//!
//! The sums of the sigmoids are expected halved: that costs nothing where it is done to the
//! weights, and a sigmoid is a tanh of half its argument.

use super::columns::{GateWeights, SUMS};
use crate::simd::{Simd, math};

/// The most factors of a recurrence.
pub(super) const MOST_FACTORS: usize = 6;

/// A recurrence.
pub(super) trait Recurrence {
    /// Its gates.
    const GATES: usize;
    /// How many factors a step back takes; the first [`SUMS`] are those of the sums.
    const FACTORS: usize;
    /// Whether c passes from step to step beside h. Without, h itself does.
    const HAS_CELL: bool;

    /// [`GateWeights::sums`] of its gates.
    ///
    /// # Safety
    /// As there.
    unsafe fn sums<S: Simd, const G: usize>(
        s: S,
        weights: &GateWeights,
        unit: usize,
        x: (*const f32, usize),
        h: (*const f32, usize),
    ) -> [[S::V; SUMS]; G];

    /// h and c after a step, from the sums and h and c before it.
    fn step<S: Simd>(s: S, sums: [S::V; SUMS], h: S::V, c: S::V) -> (S::V, S::V);

    /// The factors of a step back, and c after it.
    fn factors<S: Simd>(
        s: S,
        sums: [S::V; SUMS],
        h: S::V,
        c: S::V,
    ) -> ([S::V; MOST_FACTORS], S::V);

    /// From the gradients of h and c after a step those of the sums, and what of c (or, where there
    /// is no c, of h) goes on to the step before without passing through them.
    fn back<S: Simd>(
        s: S,
        factors: [S::V; MOST_FACTORS],
        dh: S::V,
        dc: S::V,
    ) -> ([S::V; SUMS], S::V);
}

/// y(1 − y): the slope of a sigmoid at the value y.
#[inline(always)]
fn sigmoid_slope<S: Simd>(s: S, y: S::V) -> S::V {
    s.fnma(y, y, y)
}

/// 1 − y²: the slope of tanh at the value y.
#[inline(always)]
fn tanh_slope<S: Simd>(s: S, y: S::V) -> S::V {
    s.fnma(y, y, s.splat(1.0))
}

/// Sums and gates in the order i, f, g, o.
pub(super) struct Lstm;

impl Lstm {
    #[inline(always)]
    fn gates<S: Simd>(s: S, [i, f, g, o]: [S::V; SUMS]) -> [S::V; SUMS] {
        let sigmoid = |x| math::sigmoid_of_twice(s, x);
        [sigmoid(i), sigmoid(f), math::tanh(s, g), sigmoid(o)]
    }
}

impl Recurrence for Lstm {
    const GATES: usize = 4;
    const FACTORS: usize = 6;
    const HAS_CELL: bool = true;

    #[inline(always)]
    unsafe fn sums<S: Simd, const G: usize>(
        s: S,
        weights: &GateWeights,
        unit: usize,
        x: (*const f32, usize),
        h: (*const f32, usize),
    ) -> [[S::V; SUMS]; G] {
        // SAFETY: the caller's promise.
        unsafe { weights.sums::<S, 4, G>(s, unit, x, h) }
    }

    #[inline(always)]
    fn step<S: Simd>(s: S, sums: [S::V; SUMS], _: S::V, c: S::V) -> (S::V, S::V) {
        let [i, f, g, o] = Lstm::gates(s, sums);
        let c = s.fma(f, c, s.mul(i, g));
        (s.mul(o, math::tanh(s, c)), c)
    }

    /// Of i, f, g and o to the gradient of c (o: of h); of h to that of c; f.
    #[inline(always)]
    fn factors<S: Simd>(
        s: S,
        sums: [S::V; SUMS],
        _: S::V,
        c: S::V,
    ) -> ([S::V; MOST_FACTORS], S::V) {
        let [i, f, g, o] = Lstm::gates(s, sums);
        let after = s.fma(f, c, s.mul(i, g));
        let tanh_c = math::tanh(s, after);
        let factors = [
            s.mul(g, sigmoid_slope(s, i)),
            s.mul(c, sigmoid_slope(s, f)),
            s.mul(i, tanh_slope(s, g)),
            s.mul(tanh_c, sigmoid_slope(s, o)),
            s.mul(o, tanh_slope(s, tanh_c)),
            f,
        ];
        (factors, after)
    }

    #[inline(always)]
    fn back<S: Simd>(
        s: S,
        [i, f, g, o, through_h, kept]: [S::V; MOST_FACTORS],
        dh: S::V,
        dc: S::V,
    ) -> ([S::V; SUMS], S::V) {
        let dc = s.fma(dh, through_h, dc);
        let of_sums = [s.mul(dc, i), s.mul(dc, f), s.mul(dc, g), s.mul(dh, o)];
        (of_sums, s.mul(dc, kept))
    }
}

/// Sums nₓ, r, z, nₕ; so the gates of x are n, r, z and those of h r, z, n.
pub(super) struct Gru;

impl Gru {
    #[inline(always)]
    fn gates<S: Simd>(s: S, [n_of_x, r, z, n_of_h]: [S::V; SUMS]) -> [S::V; 3] {
        let r = math::sigmoid_of_twice(s, r);
        let z = math::sigmoid_of_twice(s, z);
        [r, z, math::tanh(s, s.fma(r, n_of_h, n_of_x))]
    }
}

impl Recurrence for Gru {
    const GATES: usize = 3;
    const FACTORS: usize = 5;
    const HAS_CELL: bool = false;

    #[inline(always)]
    unsafe fn sums<S: Simd, const G: usize>(
        s: S,
        weights: &GateWeights,
        unit: usize,
        x: (*const f32, usize),
        h: (*const f32, usize),
    ) -> [[S::V; SUMS]; G] {
        // SAFETY: the caller's promise.
        unsafe { weights.sums::<S, 3, G>(s, unit, x, h) }
    }

    #[inline(always)]
    fn step<S: Simd>(s: S, sums: [S::V; SUMS], h: S::V, c: S::V) -> (S::V, S::V) {
        let [_, z, n] = Gru::gates(s, sums);
        // n + z·(h − n)
        (s.fma(z, s.sub(h, n), n), c)
    }

    /// Of nₓ, r, z and nₕ to the gradient of h; z.
    #[inline(always)]
    fn factors<S: Simd>(
        s: S,
        sums: [S::V; SUMS],
        h: S::V,
        c: S::V,
    ) -> ([S::V; MOST_FACTORS], S::V) {
        let [r, z, n] = Gru::gates(s, sums);
        let of_n = s.mul(s.sub(s.splat(1.0), z), tanh_slope(s, n));
        let factors = [
            of_n,
            s.mul(of_n, s.mul(sums[3], sigmoid_slope(s, r))),
            s.mul(s.sub(h, n), sigmoid_slope(s, z)),
            s.mul(of_n, r),
            z,
            s.zero(),
        ];
        (factors, c)
    }

    #[inline(always)]
    fn back<S: Simd>(
        s: S,
        [n_of_x, r, z, n_of_h, kept, _]: [S::V; MOST_FACTORS],
        dh: S::V,
        _: S::V,
    ) -> ([S::V; SUMS], S::V) {
        let of_sums = [n_of_x, r, z, n_of_h].map(|factor| s.mul(dh, factor));
        (of_sums, s.mul(dh, kept))
    }
}
