//! Exponential, logarithm, hyperbolic tangent and logistic sigmoid on vectors of `f32`.
//!
//! Bounds (each held by a test over every exponent, both signs, on every instruction set this
//! machine has, against `f64`):
//!
//! | function | error at most | where |
//! |---|---|---|
//! | [`exp`] | 2 units in the last place (half a step of the grid below 2⁻¹²⁶ besides) | everywhere; 0 below −104, ∞ above 88.73 |
//! | [`ln`] | 3 units in the last place | positive normal numbers up to 1.2e38 |
//! | [`tanh`] | 8 units in the last place of the result, so 4.8e-7 absolute | everywhere; constant beyond ±8 |
//! | [`sigmoid`] | 3e-7 absolute | everywhere |
//!
//! NaN gives NaN. `tanh(−0)` is −0.

use super::Isa;
use super::vector::{Kernel, Simd};

/// `eˣ`, by `x = n·ln 2 + r`, a polynomial in `r`, and a scaling by `2ⁿ`.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // Beyond these the result is ∞ or rounds to 0; the clamp keeps `n` in reach of `exp2i`.
    let x = s.max(s.splat(-105.0), s.min(s.splat(89.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two pieces: the first has few enough bits that `n · LN2_HIGH` is exact.
    let r = s.fnma(n, s.splat(0.693_359_4), x);
    let r = s.fnma(n, s.splat(-2.121_944_4e-4), r);
    // (eʳ − 1 − r) / r² over |r| ≤ ln 2 / 2, Chebyshev fit, error 8e-9 after the r².
    let mut p = s.splat(0.001_392_618_2);
    p = s.fma(p, r, s.splat(0.008_363_178));
    p = s.fma(p, r, s.splat(0.041_666_555));
    p = s.fma(p, r, s.splat(0.166_665_77));
    p = s.fma(p, r, s.splat(0.5));
    let e = s.fma(s.mul(r, r), p, s.add(r, s.splat(1.0)));
    // Two halves, since 2ⁿ itself leaves the normal range where the result is still a number.
    let half = s.round(s.mul(n, s.splat(0.5)));
    s.mul(s.mul(e, s.exp2i(half)), s.exp2i(s.sub(n, half)))
}

/// `ln x` for positive normal x up to 1.2e38 (2¹²⁶·√2), by `x = 2ⁿ·m` with m in √½ … √2, and a
/// polynomial in m − 1 (Moshier, Cephes `logf`).
#[inline(always)]
pub fn ln<S: Simd>(s: S, x: S::V) -> S::V {
    let n = s.exponent(s.mul(x, s.splat(std::f32::consts::SQRT_2)));
    let f = s.sub(s.mul(x, s.exp2i(s.sub(s.zero(), n))), s.splat(1.0));
    let mut p = s.splat(7.037_683_6e-2);
    for term in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        p = s.fma(p, f, s.splat(term));
    }
    let square = s.mul(f, f);
    let mut y = s.mul(s.mul(p, f), square);
    // ln 2 in two pieces, as in `exp`.
    y = s.fma(n, s.splat(-2.121_944_4e-4), y);
    y = s.fnma(s.splat(0.5), square, y);
    s.fma(n, s.splat(0.693_359_4), s.add(f, y))
}

/// `tanh x`, an odd rational function of degree 7 over 8.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let [y] = tanh_each(s, [x]);
    y
}

// tanh(x)/x = p(x²)/q(x²) on 0..8², fitted for equal relative error (Lawson's weights on the
// linearised least squares): 1.5e-7. The highest power first.
const TANH_P: [f32; 4] = [1.142_848_7e-5, 0.002_951_031, 0.129_256_7, 0.999_999_8];
const TANH_Q: [f32; 5] = [
    2.459_228_4e-7,
    2.386_701e-4,
    0.023_815_585,
    0.462_588_87,
    1.0,
];
/// tanh 8 differs from 1 by two units in the last place.
const TANH_END: f32 = 8.0;

/// [`tanh`] of several vectors, operation by operation for all of them: each operation waits for
/// the one before, and the processor looks only so far ahead for another vector's.
#[inline(always)]
pub fn tanh_each<S: Simd, const N: usize>(s: S, x: [S::V; N]) -> [S::V; N] {
    // Loops rather than closures, which are not sure to be compiled for the instruction set.
    let mut y = x;
    let mut u = x;
    for i in 0..N {
        y[i] = s.max(s.splat(-TANH_END), s.min(s.splat(TANH_END), x[i]));
        u[i] = s.mul(y[i], y[i]);
    }
    let [p, q] = [&TANH_P[..], &TANH_Q].map(|terms| (s.splat(terms[0]), &terms[1..]));
    let (mut p, p_terms) = ([p.0; N], p.1);
    let (mut q, q_terms) = ([q.0; N], q.1);
    for term in q_terms {
        for i in 0..N {
            q[i] = s.fma(q[i], u[i], s.splat(*term));
        }
    }
    for term in p_terms {
        for i in 0..N {
            p[i] = s.fma(p[i], u[i], s.splat(*term));
        }
    }
    for i in 0..N {
        y[i] = s.mul(s.mul(y[i], p[i]), s.recip(q[i]));
    }
    y
}

/// Fractions of vectors that are yet to be divided: several make one fraction, and one division
/// does for all of them.
#[derive(Clone, Copy)]
pub struct Fractions<S: Simd, const N: usize> {
    /// What is divided.
    pub above: [S::V; N],
    /// By what.
    pub below: [S::V; N],
}

/// [`tanh`] of several vectors, as fractions whose lower half is within 1..195. For where every
/// operation waits for the one before: the lower half, which is ready last, in as few steps as
/// can be, one multiplication more than [`tanh_each`].
#[inline(always)]
pub fn tanh_fractions<S: Simd, const N: usize>(s: S, x: [S::V; N]) -> Fractions<S, N> {
    let (mut y, mut u, mut square, mut above, mut below, mut low) = (x, x, x, x, x, x);
    let [p3, p2, p1, p0] = TANH_P.map(|term| s.splat(term));
    let [q4, q3, q2, q1, q0] = TANH_Q.map(|term| s.splat(term));
    for i in 0..N {
        y[i] = s.max(s.splat(-TANH_END), s.min(s.splat(TANH_END), x[i]));
    }
    for i in 0..N {
        u[i] = s.mul(y[i], y[i]);
    }
    for i in 0..N {
        square[i] = s.mul(u[i], u[i]);
        below[i] = s.fma(q3, u[i], q2);
        low[i] = s.fma(q1, u[i], q0);
    }
    for i in 0..N {
        below[i] = s.fma(q4, square[i], below[i]);
        above[i] = s.fma(p3, u[i], p2);
    }
    for i in 0..N {
        below[i] = s.fma(below[i], square[i], low[i]);
        above[i] = s.fma(above[i], u[i], p1);
    }
    for i in 0..N {
        above[i] = s.mul(s.fma(above[i], u[i], p0), y[i]);
    }
    Fractions { above, below }
}

/// What a sigmoid's argument is multiplied by for [`sigmoid_fractions`].
pub const SIGMOID_SCALE: f32 = -std::f32::consts::LOG2_E;

/// `1 / (1 + 2ᶻ)` of several vectors, which is the sigmoid of x where z is x times
/// [`SIGMOID_SCALE`], as fractions of positive numbers whose lower half is below 2²⁷.
#[inline(always)]
pub fn sigmoid_fractions<S: Simd, const N: usize>(s: S, z: [S::V; N]) -> Fractions<S, N> {
    sigmoid_and_rest(s, z).0
}

/// The same, and what is missing of the upper half to the lower: 1 − σ over the same, exact where it
/// is small. With `z = n + r`, n whole: `2ʳ = (e + r) / (e − r)` where `e = r / tanh(r·ln 2/2)`, three
/// terms of which (interpolated at Chebyshev's points, relative error 2e-9) are as good as all.
#[inline(always)]
pub fn sigmoid_and_rest<S: Simd, const N: usize>(
    s: S,
    z: [S::V; N],
) -> (Fractions<S, N>, [S::V; N]) {
    // Beyond this the sigmoid is 0 or 1 within 6e-8.
    let (low, high) = (s.splat(-24.0), s.splat(24.0));
    let (e2, e1) = (s.splat(-9.211_135e-4), s.splat(0.115_524_16));
    let e0 = s.splat(2.885_39);
    let (mut r, mut n, mut e, mut above, mut below, mut rest) = (z, z, z, z, z, z);
    for i in 0..N {
        r[i] = s.max(low, s.min(high, z[i]));
    }
    for i in 0..N {
        n[i] = s.round(r[i]);
    }
    for i in 0..N {
        r[i] = s.sub(r[i], n[i]);
    }
    for i in 0..N {
        let square = s.mul(r[i], r[i]);
        e[i] = s.fma(s.fma(square, e2, e1), square, e0);
    }
    for i in 0..N {
        above[i] = s.sub(e[i], r[i]);
        rest[i] = s.scale2i(s.add(e[i], r[i]), n[i]);
    }
    for i in 0..N {
        below[i] = s.add(above[i], rest[i]);
    }
    (Fractions { above, below }, rest)
}

/// `1 / (1 + e⁻ˣ)`, as `½ + ½·tanh(x/2)`: half the cost of the exponential, and the absolute
/// error, which is what a gate needs, is as small.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    sigmoid_of_twice(s, s.mul(x, s.splat(0.5)))
}

/// `sigmoid(2x)`, for callers that can halve x at no cost.
#[inline(always)]
pub fn sigmoid_of_twice<S: Simd>(s: S, x: S::V) -> S::V {
    let [y] = sigmoid_of_twice_each(s, [x]);
    y
}

/// [`sigmoid_of_twice`] of several vectors; see [`tanh_each`].
#[inline(always)]
pub fn sigmoid_of_twice_each<S: Simd, const N: usize>(s: S, x: [S::V; N]) -> [S::V; N] {
    let half = s.splat(0.5);
    let mut y = tanh_each(s, x);
    for y in &mut y {
        *y = s.fma(*y, half, half);
    }
    y
}

/// A function of one vector, applicable to a slice.
trait Map {
    fn apply<S: Simd>(s: S, x: S::V) -> S::V;
}

struct MapSlice<'a, M> {
    values: &'a mut [f32],
    map: std::marker::PhantomData<M>,
}

impl<M: Map> Kernel for MapSlice<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for part in self.values.chunks_mut(S::LANES) {
            // SAFETY: `part` holds `part.len() ≤ LANES` floats.
            unsafe {
                let x = s.load_part(part.as_ptr(), part.len());
                s.store_part(part.as_mut_ptr(), M::apply(s, x), part.len());
            }
        }
    }
}

macro_rules! on_slices {
    ($($(#[$doc:meta])* $name:ident, $marker:ident, $function:ident;)*) => {$(
        struct $marker;

        impl Map for $marker {
            #[inline(always)]
            fn apply<S: Simd>(s: S, x: S::V) -> S::V {
                $function(s, x)
            }
        }

        $(#[$doc])*
        pub fn $name(isa: Isa, values: &mut [f32]) {
            isa.run(MapSlice::<$marker> {
                values,
                map: std::marker::PhantomData,
            });
        }
    )*};
}

on_slices! {
    /// Replaces each value by its exponential; see [`exp`].
    exp_slice, Exp, exp;
    /// Replaces each value by its natural logarithm; see [`ln`].
    ln_slice, Ln, ln;
    /// Replaces each value by its hyperbolic tangent; see [`tanh`].
    tanh_slice, Tanh, tanh;
    /// Replaces each value by its logistic sigmoid; see [`sigmoid`].
    sigmoid_slice, Sigmoid, sigmoid;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sign and exponent, with fractions spread over each octave, and the special values.
    fn inputs() -> Vec<f32> {
        let mut x = vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        // A stride that is prime to 2²³ visits different fractions in each octave.
        x.extend((0..=u32::MAX).step_by(4_099).map(f32::from_bits));
        // Densely where the functions bend.
        x.extend((-150_000..=150_000).map(|i| i as f32 * 1e-3));
        x.extend((-100_000..=100_000).map(|i| i as f32 * 1e-4));
        x
    }

    /// The step of the f32 grid at `x`.
    fn ulp(x: f64) -> f64 {
        let x = (x.abs() as f32).max(f32::MIN_POSITIVE);
        f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x)
    }

    fn check(name: &str, f: fn(Isa, &mut [f32]), oracle: fn(f64) -> f64, bound: fn(f64) -> f64) {
        let x = inputs();
        for isa in Isa::available() {
            let mut y = x.clone();
            f(isa, &mut y);
            for (&x, &y) in x.iter().zip(&y) {
                if x.is_nan() {
                    assert!(y.is_nan(), "{name} on {isa}: {x} gave {y}");
                    continue;
                }
                let exact = oracle(f64::from(x));
                if exact > f64::from(f32::MAX) {
                    assert!(y >= f32::MAX, "{name} on {isa}: {x} gave {y}");
                    continue;
                }
                let error = (f64::from(y) - exact).abs();
                assert!(
                    error <= bound(exact),
                    "{name} on {isa}: {x:e} gave {y:e}, exact {exact:e}"
                );
            }
        }
    }

    #[test]
    fn exp_is_within_two_units_everywhere() {
        check("exp", exp_slice, f64::exp, |y| 2.0 * ulp(y));
    }

    #[test]
    fn ln_is_within_three_units_of_positive_normal_numbers() {
        let most = 1.2e38;
        let mut x = inputs();
        x.retain(|x| (f32::MIN_POSITIVE..most).contains(x));
        x.extend((-100_000..=100_000).map(|i| 1.0 + i as f32 * 1e-7));
        for isa in Isa::available() {
            let mut y = x.clone();
            ln_slice(isa, &mut y);
            for (&x, &y) in x.iter().zip(&y) {
                let exact = f64::from(x).ln();
                let error = (f64::from(y) - exact).abs();
                assert!(
                    error <= 3.0 * ulp(exact),
                    "{isa}: {x:e} gave {y:e}, exact {exact:e}"
                );
            }
        }
    }

    #[test]
    fn tanh_is_within_eight_units_everywhere() {
        check("tanh", tanh_slice, f64::tanh, |y| 8.0 * ulp(y));
    }

    #[test]
    fn sigmoid_is_within_its_absolute_bound() {
        check(
            "sigmoid",
            sigmoid_slice,
            |x| 1.0 / (1.0 + (-x).exp()),
            |_| 3e-7,
        );
    }

    struct Divided<'a>(&'a mut [f32], bool);

    impl Kernel for Divided<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for part in self.0.chunks_mut(S::LANES) {
                // SAFETY: `part` holds `part.len() ≤ LANES` floats.
                unsafe {
                    let x = s.load_part(part.as_ptr(), part.len());
                    let f = match self.1 {
                        true => tanh_fractions(s, [x]),
                        false => sigmoid_fractions(s, [s.mul(x, s.splat(SIGMOID_SCALE))]),
                    };
                    let y = s.div(f.above[0], f.below[0]);
                    s.store_part(part.as_mut_ptr(), y, part.len());
                }
            }
        }
    }

    #[test]
    fn fractions_are_within_the_same_bounds() {
        let tanh = |isa: Isa, x: &mut [f32]| isa.run(Divided(x, true));
        check("tanh", tanh, f64::tanh, |y| 8.0 * ulp(y));
        // x times the scale is rounded before the exponential: 2⁻²⁴ of an x up to 16, a quarter
        // of which the steepest part of the sigmoid passes on.
        let sigmoid = |isa: Isa, x: &mut [f32]| isa.run(Divided(x, false));
        check("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp()), |_| 3.5e-7);
    }

    #[test]
    fn tanh_keeps_the_sign_of_zero() {
        for isa in Isa::available() {
            let mut x = [-0.0, 0.0];
            tanh_slice(isa, &mut x);
            assert!(x[0].is_sign_negative() && x[1].is_sign_positive(), "{isa}");
        }
    }
}
