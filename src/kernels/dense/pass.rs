//! A fully connected layer on slices: forward, and the gradients with respect to input, weight and
//! bias. Knows no tensors.
//!
//! A batch has few rows, the weights have many numbers: each of these is read, or written, once by one
//! task, in pieces that stay in cache while the whole batch meets them.

use crate::kernels::crew;
use crate::kernels::memory::scratch;
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::row_products::RowProducts;
use crate::kernels::products::rows::{Rows, Shared};
use crate::simd::Isa;

/// The shape of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dense {
    /// Rows of x and y.
    pub batch: usize,
    /// Numbers of a row of x.
    pub inputs: usize,
    /// Numbers of a row of y.
    pub outputs: usize,
}

/// Columns that a register tile is wide, for every instruction set.
const TILE: usize = 48;
/// Columns of y that a task has.
const COLUMNS: usize = 2 * TILE;
/// Rows of weights that meet a batch at a time: with a tile's columns half of a first-level cache.
const DEPTH: usize = 128;
/// A layer takes a millisecond or two.
const BRIEF: bool = true;
/// Rows of the weights' gradient, and of the weights in the input's, that a task has.
const ROWS: usize = 64;

impl Dense {
    /// y `[batch, outputs]` of x `[batch, inputs]`, weight `[inputs, outputs]` and bias `[outputs]`.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn forward(&self, isa: Isa, x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
        let Self {
            batch,
            inputs,
            outputs,
        } = *self;
        self.check(x, weight, y);
        assert_eq!(bias.len(), outputs);
        let blocks = stretches(inputs, DEPTH);
        let packed = crew::map(BRIEF, blocks, |&(first, count)| {
            let weights = Packed::new(batch, count, |n, i| x[n * inputs + first + i]);
            (first, weights)
        });
        let taps: Vec<usize> = (0..DEPTH).map(|i| i * outputs).collect();
        let y = Shared::new(y);
        let mut tasks = stretches(outputs, COLUMNS);
        crew::each(BRIEF, &mut tasks, |&mut (from, count)| {
            for (first, weights) in &packed {
                for column in (from..from + count).step_by(TILE) {
                    let count = TILE.min(from + count - column);
                    Combine {
                        weights,
                        input: &weight[first * outputs + column..],
                        taps: &taps[..DEPTH.min(inputs - first)],
                        start: match first {
                            // The same row for all of the batch.
                            0 => Start::Rows(Rows::new(&bias[column..], 0)),
                            _ => Start::Itself,
                        },
                        // SAFETY: each task has its own columns.
                        output: unsafe { y.rows(column, outputs, batch, count) },
                    }
                    .run(isa);
                }
            }
        });
    }

    /// dx `[batch, inputs]` of dy `[batch, outputs]`; overwritten.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn input_gradient(&self, isa: Isa, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
        let Self {
            batch,
            inputs,
            outputs,
        } = *self;
        self.check(dx, weight, dy);
        let dx = Shared::new(dx);
        let mut tasks = stretches(inputs, ROWS);
        crew::each(BRIEF, &mut tasks, |&mut (first, count)| {
            scratch::with(batch * count, |products| {
                products.fill(0.0);
                let taps: Vec<usize> = (first..first + count).map(|i| i * outputs).collect();
                RowProducts {
                    gradient: Rows::new(dy, outputs),
                    rows: batch,
                    input: weight,
                    taps: &taps,
                    len: outputs,
                    products: &mut *products,
                }
                .run(isa);
                // SAFETY: each task has its own columns.
                let mut rows = unsafe { dx.rows(first, inputs, batch, count) };
                for (n, products) in products.chunks_exact(count).enumerate() {
                    rows.row(n).copy_from_slice(products);
                }
            });
        });
    }

    /// dw `[inputs, outputs]`; overwritten.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn weight_gradient(&self, isa: Isa, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let Self {
            batch,
            inputs,
            outputs,
        } = *self;
        self.check(x, dw, dy);
        let taps: Vec<usize> = (0..batch).map(|n| n * outputs).collect();
        let dw = Shared::new(dw);
        let mut tasks = stretches(inputs, ROWS);
        crew::each(BRIEF, &mut tasks, |&mut (first, count)| {
            let weights = Packed::new(count, batch, |i, n| x[n * inputs + first + i]);
            for column in (0..outputs).step_by(TILE) {
                let columns = TILE.min(outputs - column);
                Combine {
                    weights: &weights,
                    input: &dy[column.min(dy.len())..],
                    taps: &taps,
                    start: Start::Zero,
                    // SAFETY: each task has its own rows.
                    output: unsafe { dw.rows(first * outputs + column, outputs, count, columns) },
                }
                .run(isa);
            }
        });
    }

    /// db `[outputs]`; overwritten.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn bias_gradient(&self, dy: &[f32], db: &mut [f32]) {
        assert_eq!(dy.len(), self.batch * self.outputs);
        assert_eq!(db.len(), self.outputs);
        db.fill(0.0);
        for row in dy.chunks_exact(self.outputs.max(1)) {
            for (sum, dy) in db.iter_mut().zip(row) {
                *sum += dy;
            }
        }
    }

    fn check(&self, x: &[f32], weight: &[f32], y: &[f32]) {
        assert_eq!(x.len(), self.batch * self.inputs);
        assert_eq!(weight.len(), self.inputs * self.outputs);
        assert_eq!(y.len(), self.batch * self.outputs);
    }
}

/// (first, count) of the stretches of at most `most` that `all` are.
fn stretches(all: usize, most: usize) -> Vec<(usize, usize)> {
    let stretch = |first| (first, most.min(all - first));
    (0..all).step_by(most).map(stretch).collect()
}
