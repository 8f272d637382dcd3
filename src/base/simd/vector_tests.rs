//! Every operation of every instruction set against plain Rust.

use super::{Isa, Kernel, MOST_LANES, Simd};

/// Applies every operation to the same three vectors and writes out the results.
struct Operations<'a> {
    a: &'a [f32],
    b: &'a [f32],
    c: &'a [f32],
}

/// Operation name, what it gave per element, what plain Rust gives.
type Results = Vec<(&'static str, Vec<f32>, Vec<f32>)>;

impl Kernel for Operations<'_> {
    type Output = Results;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Results {
        let mut results: Results = Vec::new();
        let mut add = |name,
                       vector: &dyn Fn(S::V, S::V, S::V) -> S::V,
                       scalar: &dyn Fn(f32, f32, f32) -> f32| {
            let mut got = Vec::new();
            let mut expected = Vec::new();
            for at in (0..self.a.len()).step_by(S::LANES) {
                let range = at..at + S::LANES;
                let (a, b, c) = (
                    &self.a[range.clone()],
                    &self.b[range.clone()],
                    &self.c[range],
                );
                let mut out = vec![0.0; S::LANES];
                s.store(&mut out, vector(s.load(a), s.load(b), s.load(c)));
                got.extend(out);
                expected.extend((0..S::LANES).map(|i| scalar(a[i], b[i], c[i])));
            }
            results.push((name, got, expected));
        };
        add("add", &|a, b, _| s.add(a, b), &|a, b, _| a + b);
        add("sub", &|a, b, _| s.sub(a, b), &|a, b, _| a - b);
        add("mul", &|a, b, _| s.mul(a, b), &|a, b, _| a * b);
        add("div", &|a, b, _| s.div(a, b), &|a, b, _| a / b);
        add("min", &|a, b, _| s.min(a, b), &|a, b, _| {
            if a < b { a } else { b }
        });
        add("max", &|a, b, _| s.max(a, b), &|a, b, _| {
            if a > b { a } else { b }
        });
        add("round", &|a, _, _| s.round(a), &|a, _, _| {
            a.round_ties_even()
        });
        add(
            "select",
            &|a, b, c| s.select_positive(a, b, c),
            &|a, b, c| if a > 0.0 { b } else { c },
        );
        add("exp2i", &|a, _, _| s.exp2i(s.round(a)), &|a, _, _| {
            a.round_ties_even().exp2()
        });
        add(
            "scale2i",
            &|a, b, _| s.scale2i(a, s.round(s.mul(b, s.splat(0.2)))),
            &|a, b, _| a * (b * 0.2).round_ties_even().exp2(),
        );
        add("sqrt", &|a, b, _| s.sqrt(s.mul(a, b)), &|a, b, _| {
            (a * b).sqrt()
        });
        add(
            "exponent",
            &|a, _, _| s.exponent(s.max(a, s.splat(1e-30))),
            &|a, _, _| {
                let a = if a > 1e-30 { a } else { 1e-30 };
                f64::from(a).log2().floor() as f32
            },
        );
        add("splat", &|_, _, _| s.splat(1.5), &|_, _, _| 1.5);
        results
    }
}

struct Rounded<'a>(&'a [f32], &'a [f32], &'a [f32]);

impl Kernel for Rounded<'_> {
    type Output = Vec<(f32, f32, f32, f32)>;

    /// fma, fnma, recip and the less exact of a register's two sums, per element.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let mut out = Vec::new();
        for at in (0..self.0.len()).step_by(S::LANES) {
            let (a, b, c) = (
                s.load(&self.0[at..]),
                s.load(&self.1[at..]),
                s.load(&self.2[at..]),
            );
            let mut lanes = [[0.0; 16]; 3];
            s.store(&mut lanes[0], s.fma(a, b, c));
            s.store(&mut lanes[1], s.fnma(a, b, c));
            s.store(&mut lanes[2], s.recip(b));
            let exact: f64 = self.0[at..at + S::LANES]
                .iter()
                .map(|&x| f64::from(x))
                .sum();
            let [other, third, again, zero] = s.sum_each([b, c, a, s.zero()]);
            assert_eq!(
                [other, third, zero],
                [s.sum_each([b; 4])[3], s.sum_each([c; 4])[0], 0.0]
            );
            let error = |sum: f32| (f64::from(sum) - exact).abs();
            let sum = match error(again) > error(s.sum(a)) {
                true => again,
                false => s.sum(a),
            };
            out.extend((0..S::LANES).map(|i| {
                (
                    lanes[0][i],
                    lanes[1][i],
                    lanes[2][i],
                    (f64::from(sum) - exact) as f32,
                )
            }));
        }
        out
    }
}

struct Parts<'a>(&'a [f32]);

impl Kernel for Parts<'_> {
    type Output = ();

    /// A partial load zeroes the rest; a partial store touches nothing behind.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for len in 0..=S::LANES {
            let exact = self.0[..len].to_vec();
            // SAFETY: `exact` holds `len` floats, `to` at least `len`, `full` `LANES` ≤ 16.
            unsafe {
                let v = s.load_part(exact.as_ptr(), len);
                let mut full = [f32::NAN; 16];
                s.store_ptr(full.as_mut_ptr(), v);
                assert_eq!(&full[..len], &exact);
                assert!(full[len..S::LANES].iter().all(|&x| x == 0.0));
                let mut to = [7.0; 17];
                s.store_part(to.as_mut_ptr(), s.load(self.0), len);
                assert_eq!(&to[..len], &exact);
                assert!(to[len..].iter().all(|&x| x == 7.0));
            }
        }
    }
}

struct Transpose;

impl Kernel for Transpose {
    type Output = ();

    /// A tile turned over, and the vectors behind it as they were.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut tile = [s.zero(); MOST_LANES];
        let number = |vector: usize, lane: usize| (vector * S::LANES + lane) as f32;
        for (vector, values) in tile.iter_mut().enumerate() {
            let lanes: [f32; MOST_LANES] = std::array::from_fn(|lane| number(vector, lane));
            *values = s.load(&lanes);
        }
        s.transpose(&mut tile);
        for (vector, &values) in tile.iter().enumerate() {
            let mut lanes = [0.0; MOST_LANES];
            s.store(&mut lanes, values);
            for (lane, &got) in lanes[..S::LANES].iter().enumerate() {
                let expected = match vector < S::LANES {
                    true => number(lane, vector),
                    false => number(vector, lane),
                };
                assert_eq!(got, expected, "vector {vector}, lane {lane}");
            }
        }
    }
}

#[test]
fn a_tile_is_turned_over() {
    for isa in Isa::available() {
        isa.run(Transpose);
    }
}

/// Numbers of many sizes and both signs, never 0, `n` of them.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let fraction = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            (fraction + fraction.signum() * 0.01) * 200.0
        })
        .collect()
}

#[test]
fn every_operation_equals_plain_rust() {
    let mut a = numbers(320, 1);
    let mut b = numbers(320, 2);
    let c = numbers(320, 3);
    // The special cases the doc comments promise.
    (a[0], b[0]) = (f32::NAN, 1.0);
    (a[1], b[1]) = (1.0, f32::NAN);
    (a[2], b[2]) = (0.0, -0.0);
    (a[3], b[3]) = (2.5, 3.5);
    for isa in Isa::available() {
        for (name, got, expected) in isa.run(Operations {
            a: &a,
            b: &b,
            c: &c,
        }) {
            for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let out_of_range =
                    ["exp2i", "scale2i"].contains(&name) && (a[i].is_nan() || b[i].is_nan());
                let no_normal = name == "scale2i" && a[i] == 0.0;
                assert!(
                    got == expected
                        || (got.is_nan() && expected.is_nan())
                        || out_of_range
                        || no_normal,
                    "{name} on {isa} at {i}: {got} for {expected}"
                );
            }
        }
    }
}

#[test]
fn rounded_operations_are_within_their_bounds() {
    let (a, b, c) = (numbers(320, 4), numbers(320, 5), numbers(320, 6));
    for isa in Isa::available() {
        for (i, (fma, fnma, recip, sum)) in isa.run(Rounded(&a, &b, &c)).into_iter().enumerate() {
            let (a, b, c) = (f64::from(a[i]), f64::from(b[i]), f64::from(c[i]));
            // Rounding twice: half a unit of the product and half a unit of the sum.
            let bound = f64::from(f32::EPSILON) * ((a * b).abs() + c.abs());
            assert!(
                (f64::from(fma) - (a * b + c)).abs() <= bound,
                "fma on {isa}"
            );
            assert!(
                (f64::from(fnma) - (c - a * b)).abs() <= bound,
                "fnma on {isa}"
            );
            let relative = (f64::from(recip) * b - 1.0).abs();
            assert!(
                relative <= 2.0 * f64::from(f32::EPSILON),
                "recip on {isa}: {relative:e}"
            );
            // 16 terms below 102 each, 15 roundings of half a unit of at most 1632.
            assert!(
                sum.abs() <= 15.0 * 0.5 * 1632.0 * f32::EPSILON,
                "sum on {isa}: {sum}"
            );
        }
    }
}

#[test]
fn parts_of_a_register_stay_within_their_length() {
    let values = numbers(16, 7);
    for isa in Isa::available() {
        isa.run(Parts(&values));
    }
}
