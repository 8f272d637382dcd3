//! The gradients of all weights: one launch, and one that adds up what its pieces of time give.
//!
//! A weight's gradient is a product of a row of the signals' gradients with a row of the signals,
//! summed over time, whatever the weight: a bias stands beside a channel of ones. A table says which
//! rows.

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::backward::Backward;
use super::convolve::{Four, Width};
use super::places::{Plan, Rows, last};
use crate::kernels::bridge::empty;
use crate::kernels::gpu::launch::buffer;
use crate::kernels::gpu::sums::add_parts;
use crate::kernels::wavenet::WaveNet;

/// Samples that a sum over time is cut into.
const PIECE: usize = 512;
/// Threads of a cube: few, so that few are left over in the last.
const THREADS: usize = 64;
/// Fours of rows, and of columns, that a thread works on at once: what it reads serves all of them.
const TILE: usize = 2;

/// Weights whose gradients are Σ gradient[row, t]·signal[column, t + tap·dilation], both aligned at
/// the end.
#[derive(Clone, Copy)]
struct Block {
    rows: usize,
    columns: usize,
    taps: usize,
    dilation: usize,
    /// Where the weights `[row, column, tap]` lie.
    weights: usize,
    ones: Ones,
    gradient: Rows,
    /// The first of the gradient's fours.
    four: usize,
    signal: Rows,
    /// Samples that are summed over, the last ones.
    count: usize,
}

/// What stands for a column of ones before the others.
#[derive(Clone, Copy)]
enum Ones {
    /// There is none.
    Missing,
    /// Nothing.
    Unused,
    /// Biases, which lie there.
    Biases(usize),
}

/// Numbers of a block in the table.
const FIELDS: usize = 16;

impl Block {
    /// Weights of one tap between all of the rows, of this width, and the columns.
    fn between(gradient: (Rows, usize), signal: (Rows, usize), weights: usize) -> Block {
        Block {
            rows: gradient.1,
            columns: signal.1,
            taps: 1,
            dilation: 1,
            weights,
            ones: Ones::Missing,
            gradient: gradient.0,
            four: 0,
            signal: signal.0,
            count: gradient.0.len,
        }
    }

    fn ones(&self) -> usize {
        usize::from(!matches!(self.ones, Ones::Missing))
    }

    fn tiles(&self) -> usize {
        let along = |numbers: usize| numbers.div_ceil(4 * TILE);
        along(self.rows) * along(self.ones() + self.columns) * self.taps
    }

    fn fields(&self, first_tile: usize) -> [u32; FIELDS] {
        let (gradient, signal) = (self.gradient, self.signal);
        let used = self.count + (self.taps - 1) * self.dilation;
        let (has_biases, biases) = match self.ones {
            Ones::Biases(at) => (1, at),
            _ => (0, 0),
        };
        let fields = [
            self.rows,
            self.columns,
            self.taps,
            self.dilation,
            self.weights,
            self.ones(),
            has_biases,
            biases,
            gradient.base + (self.four + 1) * gradient.len - self.count,
            gradient.fours * gradient.len,
            gradient.len,
            (signal.base + signal.len).saturating_sub(used),
            signal.fours * signal.len,
            signal.len,
            self.count,
            first_tile,
        ];
        fields.map(|field| field as u32)
    }
}

/// All weights of a network.
fn blocks(net: &WaveNet, plan: &Plan) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (at, array) in net.arrays.iter().enumerate() {
        let (offsets, signals) = (&plan.offsets[at], &plan.signals[at]);
        let entering = (plan.gradients[at].x[0], array.channels);
        blocks.push(match at.checked_sub(1) {
            None => Block {
                ones: Ones::Unused,
                ..Block::between(
                    entering,
                    (plan.condition, net.in_channels),
                    offsets.rechannel,
                )
            },
            Some(below) => {
                let from = (*last(&plan.signals[below].x), net.arrays[below].channels);
                Block::between(entering, from, offsets.rechannel)
            }
        });
        for n in 0..array.layers.len() {
            layer(net, plan, (at, n), &mut blocks);
        }
        let out = (plan.head_out(at), array.head_channels);
        blocks.push(Block {
            taps: array.head_kernel_size,
            ..Block::between(out, (signals.head, array.channels), offsets.head)
        });
        blocks.extend(offsets.head_bias.map(|biases| Block {
            ones: Ones::Biases(biases),
            ..Block::between(out, (plan.condition, 0), 0)
        }));
    }
    blocks
}

/// Those of a layer. What the very last puts out nobody hears.
fn layer(net: &WaveNet, plan: &Plan, (at, n): (usize, usize), blocks: &mut Vec<Block>) {
    let (array, to) = (&net.arrays[at], &plan.offsets[at].layers[n]);
    let (signals, gradients) = (&plan.signals[at], &plan.gradients[at]);
    let (layer, channels, z) = (&array.layers[n], array.channels, gradients.a[n]);
    for part in 0..if layer.gated { 2 } else { 1 } {
        let four = part * Width::of(channels).fours();
        let row = part * channels;
        blocks.push(Block {
            taps: layer.kernel_size,
            dilation: layer.dilation,
            four,
            ..Block::between(
                (z, channels),
                (signals.x[n], channels),
                to.conv + row * channels * layer.kernel_size,
            )
        });
        blocks.push(Block {
            ones: Ones::Biases(to.bias + row),
            four,
            ..Block::between(
                (z, channels),
                (plan.condition, net.in_channels),
                to.mixer + row * net.in_channels,
            )
        });
    }
    let is_last = at + 1 == net.arrays.len() && n + 1 == array.layers.len();
    let count = if is_last { 0 } else { z.len };
    let above = (gradients.x[n + 1], channels);
    blocks.push(Block {
        count,
        ..Block::between(above, (signals.a[n], channels), to.one_by_one)
    });
    blocks.push(Block {
        ones: Ones::Biases(to.one_by_one_bias),
        count,
        ..Block::between(above, (plan.condition, 0), 0)
    });
}

/// How many tiles there are; of every tile the number of its block, then the blocks.
fn table(blocks: &[Block]) -> (usize, Vec<u32>) {
    let mut table = Vec::new();
    let mut fields = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        fields.extend(block.fields(table.len()));
        table.resize(table.len() + block.tiles(), number as u32);
    }
    let tiles = table.len();
    table.extend(fields);
    (tiles, table)
}

impl Backward<'_> {
    /// Once the gradients of all signals are there.
    pub fn weights(&self, dw: &CubeTensor) {
        let (plan, client) = (&self.plan, &self.x.client);
        let (tiles, table) = table(&blocks(self.net, plan));
        let bytes: Vec<u8> = table.iter().flat_map(|field| field.to_ne_bytes()).collect();
        let shape = Shape::new([table.len()]);
        let handle = client.create_from_slice(&bytes);
        let device = self.x.device.clone();
        let table = CubeTensor::new_contiguous(client.clone(), device, shape, handle, DType::U32);
        let pieces = plan.len.div_ceil(PIECE);
        let partial = empty(self.x, [plan.batch * pieces, plan.weights]);
        let cubes = tiles.div_ceil(THREADS) as u32;
        // SAFETY: a thread per tile, those beyond end at once; the table's rows lie within the
        // buffers.
        unsafe {
            product_kernel::launch_unchecked(
                client,
                CubeCount::Static(cubes, pieces as u32, plan.batch as u32),
                CubeDim::new_1d(THREADS as u32),
                buffer(self.signals),
                buffer(self.gradients),
                buffer(&table),
                buffer(&partial),
                tiles,
                plan.weights,
            );
        }
        add_parts(&partial, &[(Some(dw), plan.weights)]);
    }
}

/// Of every weight the product of its two rows, summed over a piece of an item's time.
#[cube(launch_unchecked)]
fn product_kernel(
    signals: &[Four],
    gradients: &[Four],
    table: &[u32],
    partial: &mut [f32],
    tiles: usize,
    weights: usize,
) {
    let at = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    if at < tiles {
        let block = tiles + table[at] as usize * FIELDS;
        let within = at - table[block + 15] as usize;
        let rows = table[block] as usize;
        let ones = table[block + 5] as usize;
        let columns = table[block + 1] as usize + ones;
        let taps = table[block + 2] as usize;
        let across = columns.div_ceil(comptime!(4 * TILE));
        let tap = within % taps;
        // In fours.
        let column = within / taps % across * TILE;
        let row = within / (taps * across) * TILE;
        let item = CUBE_POS_Z as usize;
        let row_len = table[block + 10] as usize;
        let gradient = table[block + 8] as usize + item * table[block + 9] as usize;
        let signal_len = table[block + 13] as usize;
        let signal = table[block + 11] as usize
            + item * table[block + 12] as usize
            + tap * table[block + 3] as usize;
        // Beyond the last four the last: its sums are not written.
        let last_row = rows.div_ceil(4) - 1;
        let last_column = columns.div_ceil(4) - 1;
        let mut sums = Array::<Four>::new(comptime!(4 * TILE * TILE));
        #[unroll]
        for n in 0..comptime!(4 * TILE * TILE) {
            sums[n] = Four::new(0.0f32);
        }
        let mut t = CUBE_POS_Y as usize * PIECE;
        let end = min(t + PIECE, table[block + 14] as usize);
        while t < end {
            let mut of_rows = Array::<Four>::new(TILE);
            #[unroll]
            for m in 0..TILE {
                of_rows[m] = gradients[gradient + min(row + m, last_row) * row_len + t];
            }
            #[unroll]
            for n in 0..TILE {
                let four = signals[signal + min(column + n, last_column) * signal_len + t];
                #[unroll]
                for j in 0..4usize {
                    let value = Four::new(four.extract(j));
                    #[unroll]
                    for m in 0..TILE {
                        sums[comptime!((n * 4 + j) * TILE + m)] += of_rows[m] * value;
                    }
                }
            }
            t += 1;
        }
        let part = item * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize;
        write(
            &sums,
            table,
            partial,
            block,
            part * weights,
            row,
            column,
            tap,
        );
    }
}

/// Writes a tile's sums for the weights from `first` on.
#[cube]
#[allow(clippy::too_many_arguments)]
fn write(
    sums: &Array<Four>,
    table: &[u32],
    partial: &mut [f32],
    block: usize,
    first: usize,
    row: usize,
    column: usize,
    tap: usize,
) {
    let (rows, columns) = (table[block] as usize, table[block + 1] as usize);
    let taps = table[block + 2] as usize;
    let weights = first + table[block + 4] as usize;
    let ones = table[block + 5] as usize;
    let has_biases = table[block + 6] == 1;
    let biases = first + table[block + 7] as usize;
    #[unroll]
    for n in 0..comptime!(4 * TILE) {
        let c = column * 4 + n;
        #[unroll]
        for m in 0..comptime!(4 * TILE) {
            let r = row * 4 + m;
            let sum = sums[comptime!(n * TILE + m / 4)].extract(comptime!(m % 4));
            if r < rows && c < ones + columns {
                if c >= ones {
                    partial[weights + (r * columns + c - ones) * taps + tap] = sum;
                } else if has_biases {
                    partial[biases + r] = sum;
                }
            }
        }
    }
}
