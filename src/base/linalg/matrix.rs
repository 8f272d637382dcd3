//! A dense matrix, column by column, and its products. Knows nothing of factorisations.

use std::ops::{Index, IndexMut, Range};

/// A matrix of doubles; `m[(row, column)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    /// Column after column.
    values: Vec<f64>,
}

impl Matrix {
    /// The entries `f(row, column)`.
    pub fn from_fn(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(rows * columns);
        for j in 0..columns {
            values.extend((0..rows).map(|i| f(i, j)));
        }
        Self {
            rows,
            columns,
            values,
        }
    }

    /// All entries 0.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self::from_fn(rows, columns, |_, _| 0.0)
    }

    /// Ones on the diagonal of an `n × n` matrix.
    pub fn identity(n: usize) -> Self {
        Self::from_fn(n, n, |i, j| f64::from(u8::from(i == j)))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All entries, column after column.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// Column `j`.
    pub fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }

    /// The same, to be changed.
    pub fn column_mut(&mut self, j: usize) -> &mut [f64] {
        &mut self.values[j * self.rows..(j + 1) * self.rows]
    }

    /// Columns `p < q`, to be changed together.
    pub(super) fn two_columns_mut(&mut self, p: usize, q: usize) -> (&mut [f64], &mut [f64]) {
        let (left, right) = self.values.split_at_mut(q * self.rows);
        let p = p * self.rows;
        (&mut left[p..p + self.rows], &mut right[..self.rows])
    }

    /// Turns columns `p < q` in their plane: `(c·p − s·q, s·p + c·q)`.
    pub(super) fn rotate_columns(&mut self, p: usize, q: usize, cosine: f64, sine: f64) {
        let (left, right) = self.two_columns_mut(p, q);
        for (x, y) in left.iter_mut().zip(right) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }

    /// The entries where row and column are equal.
    pub fn diagonal(&self) -> impl Iterator<Item = f64> {
        (0..self.rows.min(self.columns)).map(|i| self[(i, i)])
    }

    /// This matrix with `amount` added to its diagonal.
    pub fn plus_diagonal(mut self, amount: f64) -> Self {
        for i in 0..self.rows.min(self.columns) {
            self[(i, i)] += amount;
        }
        self
    }

    /// Rows and columns exchanged.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self[(j, i)])
    }

    /// `self·other`.
    ///
    /// # Panics
    /// When `other` has not as many rows as this matrix columns.
    pub fn times(&self, other: &Self) -> Self {
        let mut product = Self::zeros(self.rows, other.columns);
        add_product(
            1.0,
            self.view(),
            other.view(),
            &mut product.values,
            self.rows,
        );
        product
    }

    /// `self·x`; entries of `x` beyond the columns are ignored.
    pub fn times_vector(&self, x: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.rows];
        for (j, x) in x.iter().enumerate().take(self.columns) {
            for (p, a) in product.iter_mut().zip(self.column(j)) {
                *p += a * x;
            }
        }
        product
    }

    /// `selfᵀ·x`.
    pub fn transposed_times_vector(&self, x: &[f64]) -> Vec<f64> {
        (0..self.columns).map(|j| dot(self.column(j), x)).collect()
    }

    fn view(&self) -> View<'_> {
        View {
            values: &self.values,
            rows: self.rows,
            columns: self.columns,
            row_step: 1,
            column_step: self.rows,
        }
    }
}

impl Index<(usize, usize)> for Matrix {
    type Output = f64;

    fn index(&self, (row, column): (usize, usize)) -> &f64 {
        &self.column(column)[row]
    }
}

impl IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut f64 {
        &mut self.column_mut(column)[row]
    }
}

/// `a·b`. Eight partial sums: keeps the adders busy and rounds less than one long sum.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a8.remainder().iter().zip(b8.remainder());
    let rest: f64 = rest.map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A part of a matrix that stands somewhere, possibly turned.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    values: &'a [f64],
    rows: usize,
    columns: usize,
    /// From a row to the next, and from a column to the next.
    row_step: usize,
    column_step: usize,
}

impl<'a> View<'a> {
    /// The given rows of whole columns of `len` values.
    pub(super) fn of_rows(columns: &'a [f64], len: usize, rows: Range<usize>) -> Self {
        Self {
            values: &columns[rows.start..],
            rows: rows.len(),
            columns: columns.len() / len,
            row_step: 1,
            column_step: len,
        }
    }

    /// Rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
        }
    }
}

/// The slice length that such a part needs.
fn extent(rows: usize, columns: usize, row_step: usize, column_step: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * row_step + (columns - 1) * column_step + 1
}

/// `C ← C + factor·A·B`, `c` in columns `c_step` apart.
pub(super) fn add_product(factor: f64, a: View<'_>, b: View<'_>, c: &mut [f64], c_step: usize) {
    assert_eq!(a.columns, b.rows, "the inner sides of a product are equal");
    for part in [a, b] {
        let needed = extent(part.rows, part.columns, part.row_step, part.column_step);
        assert!(needed <= part.values.len());
    }
    assert!(a.rows <= c_step || b.columns <= 1);
    assert!(extent(a.rows, b.columns, 1, c_step) <= c.len());
    // SAFETY: all three parts lie inside their slices (asserted above); `c` is borrowed mutably,
    // so it overlaps neither `a` nor `b`, and its columns do not overlap each other.
    unsafe {
        matrixmultiply::dgemm(
            a.rows,
            a.columns,
            b.columns,
            factor,
            a.values.as_ptr(),
            a.row_step as isize,
            a.column_step as isize,
            b.values.as_ptr(),
            b.row_step as isize,
            b.column_step as isize,
            1.0,
            c.as_mut_ptr(),
            1,
            c_step as isize,
        );
    }
}

/// `sums ← sums + Σ r·rᵀ` over the rows `r`, of `width` values each, one after another.
pub(crate) fn add_gram(rows: &[f64], width: usize, sums: &mut [f64]) {
    if width == 0 || rows.is_empty() {
        return;
    }
    let rows = View::of_rows(rows, width, 0..width);
    add_product(1.0, rows, rows.transposed(), sums, width);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_sums_of_products() {
        for (m, k, n) in [(1, 1, 1), (3, 0, 2), (5, 7, 4), (17, 33, 9)] {
            let a = Matrix::from_fn(m, k, |i, j| ((3 * i + 5 * j) % 11) as f64 - 5.0);
            let b = Matrix::from_fn(k, n, |i, j| ((7 * i + 2 * j) % 13) as f64 - 6.0);
            // Small whole numbers: every order of summing is exact.
            let want = Matrix::from_fn(m, n, |i, j| (0..k).map(|l| a[(i, l)] * b[(l, j)]).sum());
            assert_eq!(a.times(&b), want);
            assert_eq!(b.transposed().times(&a.transposed()), want.transposed());
            assert_eq!(a.times_vector(b.column(0)), want.column(0));
            let turned = a.transposed().transposed_times_vector(b.column(0));
            assert_eq!(turned, want.column(0));
        }
    }
}
