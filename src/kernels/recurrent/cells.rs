//! The arithmetic of an LSTM's and a GRU's step on a vector of units, forward and back; for the
//! formulas see the [room](super).
//!
//! What a backward step needs is worked out ahead of it, for it needs no more than the sums into
//! the gates: the factors by which the gradients of h and c after the step become those of the
//! sums. The step itself, on which the one before it waits, is then a handful of multiplications.
//!
//! The sums of the sigmoids are expected halved: that costs nothing where it is done to the
//! weights, and a sigmoid is a tanh of half its argument, exact to the grid of numbers near 1.
//! That is too coarse for what is lost of a memory at a step and what is let in: in a memory of
//! seconds both are nearly 0, and what they lack adds up. Their gates are fractions, exact where
//! they are small, and the memory is what it was plus what changes, as in the engine's step.
//!
//! This module knows neither time nor batches.

use crate::kernels::products::units::{GateWeights, SUMS};
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
    ) -> [[S::V; G]; SUMS];

    /// A step of `G` items, from the sums and h and c before it.
    fn step<S: Simd, const G: usize>(
        s: S,
        sums: [[S::V; G]; SUMS],
        h: [S::V; G],
        c: [S::V; G],
    ) -> Stepped<S, G>;

    /// From the gradients of h and c after a step those of the sums, and what of c (or, where there
    /// is no c, of h) goes on to the step before without passing through them.
    fn back<S: Simd>(
        s: S,
        factors: [S::V; MOST_FACTORS],
        dh: S::V,
        dc: S::V,
    ) -> ([S::V; SUMS], S::V);
}

/// What a step of `G` items gives; what of it is not used costs nothing.
pub(super) struct Stepped<S: Simd, const G: usize> {
    /// h after it.
    pub h: [S::V; G],
    /// c after it.
    pub c: [S::V; G],
    /// The factors of the step back.
    pub factors: [[S::V; MOST_FACTORS]; G],
}

/// σ(2x) and 1 − σ(2x) of several vectors, each exact where it is small.
#[inline(always)]
fn sigmoid_and_rest<S: Simd, const G: usize>(s: S, x: [S::V; G]) -> ([S::V; G], [S::V; G]) {
    let scale = s.splat(2.0 * math::SIGMOID_SCALE);
    let mut scaled = x;
    for n in 0..G {
        scaled[n] = s.mul(x[n], scale);
    }
    let (fractions, mut rest) = math::sigmoid_and_rest(s, scaled);
    let mut sigmoid = fractions.above;
    for n in 0..G {
        let below = s.recip(fractions.below[n]);
        sigmoid[n] = s.mul(sigmoid[n], below);
        rest[n] = s.mul(rest[n], below);
    }
    (sigmoid, rest)
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
    /// The gates i, f, 1 − f, g, o, and c after the step.
    #[inline(always)]
    fn gates<S: Simd, const G: usize>(
        s: S,
        [i, f, g, o]: [[S::V; G]; SUMS],
        c: [S::V; G],
    ) -> ([[S::V; G]; 5], [S::V; G]) {
        let (i, _) = sigmoid_and_rest(s, i);
        let g = math::tanh_each(s, g);
        let (f, lost) = sigmoid_and_rest(s, f);
        let mut after = c;
        for n in 0..G {
            let change = s.fnma(lost[n], c[n], s.mul(i[n], g[n]));
            after[n] = s.add(c[n], change);
        }
        let o = math::sigmoid_of_twice_each(s, o);
        ([i, f, lost, g, o], after)
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
    ) -> [[S::V; G]; SUMS] {
        // SAFETY: the caller's promise.
        unsafe { weights.sums::<S, 4, G>(s, unit, x, h) }
    }

    /// Factors of i, f, g and o to the gradient of c (o: of h); of h to that of c; f.
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        s: S,
        sums: [[S::V; G]; SUMS],
        _: [S::V; G],
        c: [S::V; G],
    ) -> Stepped<S, G> {
        let ([i, f, lost, g, o], after) = Lstm::gates(s, sums, c);
        let tanh_c = math::tanh_each(s, after);
        let mut h = tanh_c;
        let mut factors = [[s.zero(); MOST_FACTORS]; G];
        for n in 0..G {
            h[n] = s.mul(o[n], tanh_c[n]);
            factors[n] = [
                s.mul(g[n], sigmoid_slope(s, i[n])),
                s.mul(c[n], s.mul(f[n], lost[n])),
                s.mul(i[n], tanh_slope(s, g[n])),
                s.mul(tanh_c[n], sigmoid_slope(s, o[n])),
                s.mul(o[n], tanh_slope(s, tanh_c[n])),
                f[n],
            ];
        }
        let c = after;
        Stepped { h, c, factors }
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
    /// The gates r, z, 1 − z and n.
    #[inline(always)]
    fn gates<S: Simd, const G: usize>(
        s: S,
        [n_of_x, r, z, n_of_h]: [[S::V; G]; SUMS],
    ) -> [[S::V; G]; 4] {
        let r = math::sigmoid_of_twice_each(s, r);
        let (z, lost) = sigmoid_and_rest(s, z);
        let mut n = n_of_x;
        for at in 0..G {
            n[at] = s.fma(r[at], n_of_h[at], n_of_x[at]);
        }
        [r, z, lost, math::tanh_each(s, n)]
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
    ) -> [[S::V; G]; SUMS] {
        // SAFETY: the caller's promise.
        unsafe { weights.sums::<S, 3, G>(s, unit, x, h) }
    }

    /// Factors of nₓ, r, z and nₕ to the gradient of h; z.
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        s: S,
        sums: [[S::V; G]; SUMS],
        h: [S::V; G],
        c: [S::V; G],
    ) -> Stepped<S, G> {
        let [r, z, lost, n] = Gru::gates(s, sums);
        let mut after = n;
        let mut factors = [[s.zero(); MOST_FACTORS]; G];
        for at in 0..G {
            let (r, z, lost, n) = (r[at], z[at], lost[at], n[at]);
            let apart = s.sub(h[at], n);
            after[at] = s.fnma(lost, apart, h[at]);
            let of_n = s.mul(lost, tanh_slope(s, n));
            factors[at] = [
                of_n,
                s.mul(of_n, s.mul(sums[3][at], sigmoid_slope(s, r))),
                s.mul(apart, s.mul(z, lost)),
                s.mul(of_n, r),
                z,
                s.zero(),
            ];
        }
        let h = after;
        Stepped { h, c, factors }
    }

    #[inline(always)]
    fn back<S: Simd>(
        s: S,
        [n_of_x, r, z, n_of_h, kept, _]: [S::V; MOST_FACTORS],
        dh: S::V,
        _: S::V,
    ) -> ([S::V; SUMS], S::V) {
        let of_sums = [
            s.mul(dh, n_of_x),
            s.mul(dh, r),
            s.mul(dh, z),
            s.mul(dh, n_of_h),
        ];
        (of_sums, s.mul(dh, kept))
    }
}
