//! What goes into the gates, from x and h, of a few items at once so that each weight loaded serves
//! all of them, and left in registers, since a cell's arithmetic follows at once.

use super::lines::{Line, lines};
use crate::kernels::memory::LINE;
use crate::simd::Simd;

/// Sums per unit.
pub(crate) const SUMS: usize = 4;

/// The weights that lead to the gates: of each line of units the biases `[SUMS][LINE]`, then those
/// of x `[input][gate][LINE]` and of h `[unit][gate][LINE]`.
pub(crate) struct GateWeights {
    inputs: usize,
    units: usize,
    gates: usize,
    values: Vec<Line>,
}

impl GateWeights {
    /// With `bias(sum, unit)`, and `weight(tap, gate, unit)` for x and then h as taps, gates in the
    /// order of the sums.
    pub fn new(
        [inputs, units, gates]: [usize; 3],
        bias: impl Fn(usize, usize) -> f32,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> GateWeights {
        let pitch = SUMS + (inputs + units) * gates;
        let values = lines(units.div_ceil(LINE) * pitch, |at, lane| {
            let (unit, at) = (at / pitch * LINE + lane, at % pitch);
            match at.checked_sub(SUMS) {
                _ if unit >= units => 0.0,
                None => bias(at, unit),
                Some(at) => weight(at / gates, at % gates, unit),
            }
        });
        GateWeights {
            inputs,
            units,
            gates,
            values,
        }
    }

    /// The sums of the units from `unit` on, for `G` items whose x and h lie every so many floats.
    ///
    /// # Safety
    /// There are `N` gates, `unit` is a multiple of the lanes and one of the units, and x and h
    /// hold as many items.
    #[inline(always)]
    pub unsafe fn sums<S: Simd, const N: usize, const G: usize>(
        &self,
        s: S,
        unit: usize,
        (x, x_stride): (*const f32, usize),
        (h, h_stride): (*const f32, usize),
    ) -> [[S::V; G]; SUMS] {
        debug_assert!(N == self.gates && unit < self.units);
        let pitch = SUMS + (self.inputs + self.units) * N;
        let lines = self.values.as_ptr().cast::<f32>();
        // SAFETY: the unit's line holds the biases and as many taps as are walked through; the
        // caller vouches for the rest.
        unsafe {
            let mut weights = lines.add(unit / LINE * pitch * LINE + unit % LINE);
            let mut sums = [[s.zero(); G]; SUMS];
            for (v, sums) in sums.iter_mut().enumerate() {
                *sums = [s.load_ptr(weights.add(v * LINE)); G];
            }
            weights = weights.add(SUMS * LINE);
            for j in 0..self.inputs {
                add_tap::<S, N, G>(s, &mut sums, 0, weights, x.add(j), x_stride);
                weights = weights.add(N * LINE);
            }
            for j in 0..self.units {
                add_tap::<S, N, G>(s, &mut sums, SUMS - N, weights, h.add(j), h_stride);
                weights = weights.wrapping_add(N * LINE);
            }
            sums
        }
    }
}

/// Adds a tap to `N` sums of each item from `first` on.
///
/// # Safety
/// `input` holds `G` items, `weights` `N` lines.
#[inline(always)]
unsafe fn add_tap<S: Simd, const N: usize, const G: usize>(
    s: S,
    sums: &mut [[S::V; G]; SUMS],
    first: usize,
    weights: *const f32,
    input: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut w = [s.zero(); N];
        for v in 0..N {
            w[v] = s.load_ptr(weights.add(v * LINE));
        }
        for g in 0..G {
            let x = s.splat(*input.add(g * stride));
            for v in 0..N {
                sums[first + v][g] = s.fma(x, w[v], sums[first + v][g]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::{each_group, items_at_once};
    use super::super::testing::{SHAPES, close, number};
    use super::*;
    use crate::simd::{Isa, Kernel};

    /// Sums of every unit and item as [`GateWeights::sums`] gives them, `[item][unit][SUMS]`.
    struct AllSums<'a> {
        weights: &'a GateWeights,
        items: usize,
        x: &'a [f32],
        h: &'a [f32],
    }

    impl AllSums<'_> {
        #[inline(always)]
        fn with<S: Simd, const N: usize>(self, s: S) -> Vec<f32> {
            let GateWeights { inputs, units, .. } = *self.weights;
            let mut all = vec![f32::NAN; self.items * units * SUMS];
            for u in (0..units).step_by(S::LANES) {
                each_group!(items_at_once::<S>(), self.items, |first, G| {
                    let x = (self.x[first * inputs..].as_ptr(), inputs);
                    let h = (self.h[first * units..].as_ptr(), units);
                    // SAFETY: x and h hold `items` rows.
                    let sums = unsafe { self.weights.sums::<S, N, G>(s, u, x, h) };
                    for (at, sums) in sums.into_iter().enumerate() {
                        for (g, sum) in sums.into_iter().enumerate() {
                            let mut lanes = [0.0; LINE];
                            s.store(&mut lanes, sum);
                            for unit in u..units.min(u + S::LANES) {
                                all[((first + g) * units + unit) * SUMS + at] = lanes[unit - u];
                            }
                        }
                    }
                });
            }
            all
        }
    }

    impl Kernel for AllSums<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            match self.weights.gates {
                4 => self.with::<S, 4>(s),
                _ => self.with::<S, 3>(s),
            }
        }
    }

    #[test]
    fn sums_equal_their_sums_written_out() {
        for ([items, inputs, units], gates) in SHAPES.into_iter().flat_map(|s| [(s, 3), (s, 4)]) {
            let bias = |sum: usize, unit: usize| number(sum * 5 + unit);
            let weight = |tap: usize, gate: usize, unit: usize| number(tap * 31 + gate * 7 + unit);
            let weights = GateWeights::new([inputs, units, gates], bias, weight);
            let x: Vec<f32> = (0..items * inputs).map(number).collect();
            let h: Vec<f32> = (0..items * units).map(|at| number(at + 99)).collect();
            for isa in Isa::available() {
                let got = isa.run(AllSums {
                    weights: &weights,
                    items,
                    x: &x,
                    h: &h,
                });
                for (at, &got) in got.iter().enumerate() {
                    let (item, unit, sum) = (at / SUMS / units, at / SUMS % units, at % SUMS);
                    let product = |value: f32, tap: usize, gate: Option<usize>| {
                        let gate = gate.filter(|&gate| gate < gates);
                        gate.map_or(0.0, |g| f64::from(value) * f64::from(weight(tap, g, unit)))
                    };
                    let of_x = (0..inputs).map(|j| product(x[item * inputs + j], j, Some(sum)));
                    let of_h = (0..units).map(|j| {
                        let gate = sum.checked_sub(SUMS - gates);
                        product(h[item * units + j], inputs + j, gate)
                    });
                    let exact = f64::from(bias(sum, unit)) + of_x.chain(of_h).sum::<f64>();
                    let what = format!("{isa} {items} {inputs} {units} {gates} [{at}]");
                    close(&what, got, exact, inputs + units);
                }
            }
        }
    }
}
