//! Transposition: rows become columns, a tile of registers at a time. Rows of time lie far apart,
//! so a walk along the columns would touch another cache line with every number. Knows no network.

use super::rows::{each_vector, load, store};
use crate::kernels::memory::LINE;
use crate::simd::{MOST_LANES, Simd};

/// to[column][row] = from[row][column] for `rows` × `columns` numbers, rows every so many floats.
///
/// # Safety
/// `from` holds the rows and `to` the columns, and they do not overlap.
#[inline(always)]
pub(crate) unsafe fn transpose<S: Simd>(
    s: S,
    (rows, columns): (usize, usize),
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
) {
    if rows < 4 {
        // Not worth a tile.
        for row in 0..rows {
            let (mut from, mut to) = (from.wrapping_add(row * from_stride), to.wrapping_add(row));
            for _ in 0..columns {
                // SAFETY: the number lies within the row, its place within the column.
                unsafe { *to = *from };
                from = from.wrapping_add(1);
                to = to.wrapping_add(to_stride);
            }
        }
        return;
    }
    for row in (0..rows).step_by(S::LANES) {
        for column in (0..columns).step_by(S::LANES) {
            let size = (S::LANES.min(rows - row), S::LANES.min(columns - column));
            // SAFETY: the tile lies within the rows and columns.
            unsafe {
                let from = from.add(row * from_stride + column);
                let to = to.add(column * to_stride + row);
                if size == (S::LANES, S::LANES) {
                    transpose_tile::<S, true>(s, size, (from, from_stride), (to, to_stride));
                } else {
                    transpose_tile::<S, false>(s, size, (from, from_stride), (to, to_stride));
                }
            }
        }
    }
}

/// As [`transpose`] where the places written lie so far apart that they would drive each other from the
/// cache: through `between`, which holds [`LINE`] of them, and from there one whole column after
/// the other.
///
/// # Safety
/// As [`transpose`].
#[inline(always)]
pub(crate) unsafe fn transpose_far<S: Simd>(
    s: S,
    (rows, columns): (usize, usize),
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
    between: &mut [f32],
) {
    assert!(between.len() >= LINE * rows);
    let between = between.as_mut_ptr();
    for first in (0..columns).step_by(LINE) {
        let columns = LINE.min(columns - first);
        // SAFETY: the columns are among the caller's, and as many fit into `between`.
        unsafe {
            let from = (from.add(first), from_stride);
            transpose(s, (rows, columns), from, (between, rows));
            for column in 0..columns {
                let from = between.add(column * rows);
                let to = to.add((first + column) * to_stride);
                each_vector!(S, rows, |at, part, FULL| {
                    let values = load::<S, FULL>(s, part, from.add(at));
                    store::<S, FULL>(s, part, to.add(at), values);
                });
            }
        }
    }
}

/// One tile of at most `LANES` × `LANES`, of exactly as many where it is `FULL`.
///
/// # Safety
/// As [`transpose`].
#[inline(always)]
unsafe fn transpose_tile<S: Simd, const FULL: bool>(
    s: S,
    (rows, columns): (usize, usize),
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
) {
    let mut tile = [s.zero(); MOST_LANES];
    // SAFETY: the caller's promise.
    unsafe {
        for (row, vector) in tile[..S::LANES].iter_mut().enumerate() {
            if FULL || row < rows {
                *vector = load::<S, FULL>(s, columns, from.add(row * from_stride));
            }
        }
        s.transpose(&mut tile);
        for (column, &vector) in tile[..S::LANES].iter().enumerate() {
            if FULL || column < columns {
                store::<S, FULL>(s, rows, to.add(column * to_stride), vector);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel};

    struct Transpose<'a> {
        size: (usize, usize),
        from: &'a [f32],
        to: &'a mut [f32],
    }

    impl Kernel for Transpose<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let (rows, columns) = self.size;
            assert!(self.from.len() == rows * (columns + 1));
            assert!(self.to.len() == columns * (rows + 2));
            let (from, to) = (self.from.as_ptr(), self.to.as_mut_ptr());
            // SAFETY: both are as long as asserted.
            unsafe { transpose(s, self.size, (from, columns + 1), (to, rows + 2)) }
        }
    }

    #[test]
    fn every_number_finds_its_place_and_nothing_else_is_touched() {
        for isa in Isa::available() {
            for (rows, columns) in [(1, 1), (1, 40), (16, 16), (5, 33), (24, 7), (35, 48)] {
                let from: Vec<f32> = (0..rows * (columns + 1)).map(|at| at as f32).collect();
                let mut to = vec![-1.0; columns * (rows + 2)];
                isa.run(Transpose {
                    size: (rows, columns),
                    from: &from,
                    to: &mut to,
                });
                for (at, &value) in to.iter().enumerate() {
                    let (column, row) = (at / (rows + 2), at % (rows + 2));
                    let expected = match row < rows {
                        true => from[row * (columns + 1) + column],
                        false => -1.0,
                    };
                    assert_eq!(value, expected, "{isa} {rows} × {columns}");
                }
            }
        }
    }
}
