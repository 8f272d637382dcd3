//! sums[j] += Σ_n a[n][j] · b[n]: the weights' gradient over moments and items.

use crate::kernels::memory::LINE;
use crate::simd::{Kernel, Simd};

/// sums[j] += Σ_n a[n][j] · b[n].
pub(crate) struct OuterProducts<'a> {
    /// Rows of `taps` numbers, every `a_stride` floats.
    pub a: &'a [f32],
    /// See `a`.
    pub a_stride: usize,
    /// How many columns of a.
    pub taps: usize,
    /// Rows of `gates` lines, every `b_stride` floats.
    pub b: &'a [f32],
    /// See `b`.
    pub b_stride: usize,
    /// How many lines, 3 or 4.
    pub gates: usize,
    /// Units of the line; the sums of the padding behind them stay as they are where a vector does
    /// not reach them.
    pub units: usize,
    /// How many rows.
    pub count: usize,
    /// `[taps][gates][LINE]`.
    pub sums: &'a mut [f32],
}

impl Kernel for &mut OuterProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.count == 0 {
            return;
        }
        let (last, width) = (self.count - 1, self.gates * LINE);
        assert!(self.a.len() >= last * self.a_stride + self.taps);
        assert!(self.b.len() >= last * self.b_stride + width);
        assert!(self.sums.len() >= self.taps * width);
        // SAFETY: the lengths were checked above.
        unsafe {
            match self.gates {
                4 => outer_tiles::<S, 4>(s, self),
                3 => outer_tiles::<S, 3>(s, self),
                gates => panic!("outer products of {gates} gates"),
            }
        }
    }
}

/// # Safety
/// `task`'s slices are as long as its fields say, and it has `V` gates.
#[inline(always)]
unsafe fn outer_tiles<S: Simd, const V: usize>(s: S, task: &mut OuterProducts<'_>) {
    // Twenty-four sums of 32 registers; of 16 as many as leave room for b and a.
    let most = match (S::REGISTERS, V) {
        (32.., _) => 24 / V,
        (_, 3) => 3,
        _ => 2,
    };
    let tiles = task.taps.div_ceil(most);
    let mut tap = 0;
    for tile in 0..tiles {
        let taps = (task.taps - tap).div_ceil(tiles - tile);
        for column in (0..task.units.min(LINE)).step_by(S::LANES) {
            // SAFETY: the taps and columns exist.
            unsafe {
                match taps {
                    8 => outer_tile::<S, 8, V>(s, task, tap, column),
                    7 => outer_tile::<S, 7, V>(s, task, tap, column),
                    6 => outer_tile::<S, 6, V>(s, task, tap, column),
                    5 => outer_tile::<S, 5, V>(s, task, tap, column),
                    4 => outer_tile::<S, 4, V>(s, task, tap, column),
                    3 => outer_tile::<S, 3, V>(s, task, tap, column),
                    2 => outer_tile::<S, 2, V>(s, task, tap, column),
                    _ => outer_tile::<S, 1, V>(s, task, tap, column),
                }
            }
        }
        tap += taps;
    }
}

/// `J` taps from `tap` on against the vectors from `column` on of `V` lines.
///
/// # Safety
/// As [`outer_tiles`]; the taps and columns exist.
#[inline(always)]
unsafe fn outer_tile<S: Simd, const J: usize, const V: usize>(
    s: S,
    task: &mut OuterProducts<'_>,
    tap: usize,
    column: usize,
) {
    let width = V * LINE;
    // SAFETY: the caller's promise.
    unsafe {
        let to = task.sums.as_mut_ptr().add(tap * width + column);
        let mut sums = [[s.zero(); V]; J];
        for j in 0..J {
            for v in 0..V {
                sums[j][v] = s.load_ptr(to.add(j * width + v * LINE));
            }
        }
        let mut a = task.a.as_ptr().add(tap);
        let mut b = task.b.as_ptr().add(column);
        for _ in 0..task.count {
            let mut row = [s.zero(); V];
            for v in 0..V {
                row[v] = s.load_ptr(b.add(v * LINE));
            }
            for j in 0..J {
                let x = s.splat(*a.add(j));
                for v in 0..V {
                    sums[j][v] = s.fma(x, row[v], sums[j][v]);
                }
            }
            a = a.wrapping_add(task.a_stride);
            b = b.wrapping_add(task.b_stride);
        }
        for j in 0..J {
            for v in 0..V {
                s.store_ptr(to.add(j * width + v * LINE), sums[j][v]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SHAPES, close, number};
    use super::*;
    use crate::simd::Isa;

    #[test]
    fn outer_products_equal_their_sums_written_out() {
        for ([count, units, taps], gates) in SHAPES.into_iter().flat_map(|s| [(s, 3), (s, 4)]) {
            let units = units.min(LINE);
            let (width, a_stride, b_stride) = (gates * LINE, taps + 2, 5 * LINE);
            let a: Vec<f32> = (0..count * a_stride).map(number).collect();
            let b: Vec<f32> = (0..count * b_stride).map(|at| number(at + 5)).collect();
            for isa in Isa::available() {
                let mut sums = vec![0.5; taps * width];
                isa.run(&mut OuterProducts {
                    a: &a,
                    a_stride,
                    taps,
                    b: &b,
                    b_stride,
                    gates,
                    units,
                    count,
                    sums: &mut sums,
                });
                for (at, &got) in sums.iter().enumerate() {
                    let (tap, column) = (at / width, at % width);
                    if column % LINE >= units {
                        continue;
                    }
                    let product = |n: usize| {
                        f64::from(a[n * a_stride + tap]) * f64::from(b[n * b_stride + column])
                    };
                    let exact = 0.5 + (0..count).map(product).sum::<f64>();
                    close(
                        &format!("{isa} {count} {taps} {gates} [{at}]"),
                        got,
                        exact,
                        count,
                    );
                }
            }
        }
    }
}
