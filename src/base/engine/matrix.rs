//! The one hot loop of all convolutions: weighted sums of sample rows, in register tiles.
//!
//! A convolution is a matrix times rows of samples that stand at fixed offsets from the present:
//! row (input channel i, tap k) begins `i · stride − (K − 1 − k) · dilation` from it. The matrix
//! is packed so that a tile of several outputs reads its weights one after another; a tile keeps
//! `outputs × vectors of time` sums in registers. Every output sample adds its products in the
//! same order wherever it stands in a block, so the result does not depend on block length.

use super::block::Source;
use super::plan::Plan;
use crate::network::{Conv1d, DescriptionError};
use crate::simd::{Isa, Simd};

/// A matrix over sample rows, packed for tiles.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    bias: Vec<f32>,
    blocks: Vec<Rows>,
    /// How far before and behind the present each source is read.
    reach: [(isize, isize); 2],
}

/// Outputs that read the same rows (all of them, or those of one group).
#[derive(Clone, Debug)]
struct Rows {
    /// From the present of row 0 to each row read, in the first source and in the second.
    offsets: [Vec<isize>; 2],
    tiles: Vec<Tile>,
    /// `[tile][row read][output of the tile]`
    weights: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Tile {
    first: usize,
    outputs: usize,
    weights_at: usize,
}

/// Sums of one tile: `[output][vector of time]`.
pub(crate) type Sums<S, const M: usize, const T: usize> = [[<S as Simd>::V; T]; M];

/// What to do with the sums of one tile.
pub(crate) trait Finish<S: Simd> {
    /// `sums` belong to outputs `first..first + M` and to the samples from `t` on.
    ///
    /// # Safety
    /// As for [`Matrix::apply`], whose caller vouches for rows of the implementor's own.
    unsafe fn finish<const M: usize, const T: usize>(
        &mut self,
        s: S,
        sums: &mut Sums<S, M, T>,
        first: usize,
        t: usize,
    );
}

impl Matrix {
    /// Packs a convolution over rows `stride` apart.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(crate) fn new(conv: &Conv1d, stride: usize, plan: &Plan) -> Result<Self, DescriptionError> {
        // Weights, an offset per row read, and the lists that hold a group's.
        plan.claim(conv.weight.len(), 3)?;
        plan.claim(conv.groups, 64)?;
        let widest = widest_tile(plan.isa);
        let outputs = conv.out_channels / conv.groups;
        let blocks = (0..conv.groups).map(|group| {
            let taps = taps(conv, group, stride);
            Rows::pack(group * outputs, outputs, widest, [&taps, &[]])
        });
        Ok(Self::from_blocks(blocks.collect(), bias(conv)))
    }

    /// Packs the sum of two convolutions without groups, each over a source of its own whose rows
    /// are `strides` apart.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(crate) fn sum(
        first: &Conv1d,
        second: &Conv1d,
        strides: [usize; 2],
        plan: &Plan,
    ) -> Result<Self, DescriptionError> {
        plan.claim(first.weight.len() + second.weight.len(), 3)?;
        let (a, b) = (taps(first, 0, strides[0]), taps(second, 0, strides[1]));
        let rows = Rows::pack(0, first.out_channels, widest_tile(plan.isa), [&a, &b]);
        let bias = bias(first)
            .iter()
            .zip(bias(second))
            .map(|(a, b)| a + b)
            .collect();
        Ok(Self::from_blocks(vec![rows], bias))
    }

    fn from_blocks(blocks: Vec<Rows>, bias: Vec<f32>) -> Self {
        let reach = [0, 1].map(|source| {
            let all = || {
                blocks
                    .iter()
                    .flat_map(|b| b.offsets[source].iter().copied())
            };
            (all().min().unwrap_or(0), all().max().unwrap_or(0))
        });
        Self {
            bias,
            blocks,
            reach,
        }
    }

    /// Rows written.
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Outputs of the widest tile.
    pub(crate) fn tile_outputs(&self) -> usize {
        let tiles = self.blocks.iter().flat_map(|b| &b.tiles);
        tiles.map(|t| t.outputs).max().unwrap_or(1)
    }

    /// Whether all reads for `len` samples from `sources` stay inside them.
    pub(crate) fn fits(&self, sources: [Source; 2], len: usize) -> bool {
        let mut both = sources.iter().zip(self.reach);
        both.all(|(source, (lowest, highest))| {
            let at = source.at as isize;
            let end = at + highest + len as isize;
            at + lowest >= 0 && end <= source.samples.len() as isize
        })
    }

    /// All tiles over the samples `t..t + T · LANES`. A matrix of one convolution reads the first
    /// source only.
    ///
    /// # Safety
    /// [`Matrix::fits`] holds for `sources` and `t + T · LANES` samples; what `finish` needs.
    #[inline(always)]
    pub(crate) unsafe fn apply<S: Simd, const T: usize, F: Finish<S>>(
        &self,
        s: S,
        sources: [Source; 2],
        t: usize,
        finish: &mut F,
    ) {
        let at = sources.map(|source| source.samples.as_ptr().wrapping_add(source.at + t));
        for block in &self.blocks {
            for tile in &block.tiles {
                // SAFETY: the caller's promise; tiles and weights were packed together.
                unsafe {
                    match tile.outputs {
                        // Tiles too large for any registers are not compiled.
                        8 if T <= 3 => self.tile::<S, 8, T, F>(s, block, tile, at, t, finish),
                        4 if T <= 4 => self.tile::<S, 4, T, F>(s, block, tile, at, t, finish),
                        3 => self.tile::<S, 3, T, F>(s, block, tile, at, t, finish),
                        2 => self.tile::<S, 2, T, F>(s, block, tile, at, t, finish),
                        _ => self.tile::<S, 1, T, F>(s, block, tile, at, t, finish),
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const T: usize, F: Finish<S>>(
        &self,
        s: S,
        block: &Rows,
        tile: &Tile,
        at: [*const f32; 2],
        t: usize,
        finish: &mut F,
    ) {
        debug_assert_eq!(tile.outputs, M);
        let mut sums: Sums<S, M, T> = [[s.zero(); T]; M];
        for (m, row) in sums.iter_mut().enumerate() {
            *row = [s.splat(self.bias[tile.first + m]); T];
        }
        let [first, second] = &block.offsets;
        // SAFETY: `tile.weights_at` and `M` weights for every row read were packed for this tile;
        // the rows are readable by the caller's promise.
        unsafe {
            let weights = block.weights.as_ptr().add(tile.weights_at);
            accumulate::<S, M, T>(s, &mut sums, weights, at[0], first);
            accumulate::<S, M, T>(s, &mut sums, weights.add(first.len() * M), at[1], second);
            finish.finish::<M, T>(s, &mut sums, tile.first, t);
        }
    }
}

/// One row that is read: where it stands from the present of row 0, and its weight for every
/// output that reads it.
struct Tap {
    offset: isize,
    weights: Vec<f32>,
}

/// What the outputs of a group read, taps outermost: consecutive rows are then neighbours in time
/// of all channels.
fn taps(conv: &Conv1d, group: usize, stride: usize) -> Vec<Tap> {
    let (inputs, outputs) = (
        conv.in_channels / conv.groups,
        conv.out_channels / conv.groups,
    );
    let each = (0..conv.kernel_size).flat_map(|k| (0..inputs).map(move |i| (k, i)));
    each.map(|(k, i)| {
        let row = (group * inputs + i) * stride;
        let delay = (conv.kernel_size - 1 - k) * conv.dilation;
        let weight = |o: usize| conv.weight[(o * inputs + i) * conv.kernel_size + k];
        Tap {
            offset: row as isize - delay as isize,
            weights: (group * outputs..(group + 1) * outputs)
                .map(weight)
                .collect(),
        }
    })
    .collect()
}

fn bias(conv: &Conv1d) -> Vec<f32> {
    match conv.bias.as_slice() {
        [] => vec![0.0; conv.out_channels],
        bias => bias.to_vec(),
    }
}

impl Rows {
    /// Divides `outputs` into tiles of at most `widest`, and lists each tile's weights in the
    /// order they are read.
    fn pack(start: usize, outputs: usize, widest: usize, taps: [&[Tap]; 2]) -> Self {
        let rows = taps[0].len() + taps[1].len();
        let (mut tiles, mut weights) = (Vec::new(), Vec::with_capacity(outputs * rows));
        let mut done = 0;
        while done < outputs {
            let left = outputs - done;
            let sizes = [8, 4, 3, 2, 1].into_iter();
            let size = sizes
                .filter(|n| *n <= widest)
                .find(|n| *n <= left)
                .unwrap_or(1);
            tiles.push(Tile {
                first: start + done,
                outputs: size,
                weights_at: weights.len(),
            });
            for tap in taps.into_iter().flatten() {
                weights.extend(&tap.weights[done..done + size]);
            }
            done += size;
        }
        let offsets = taps.map(|taps| taps.iter().map(|tap| tap.offset).collect());
        Self {
            offsets,
            tiles,
            weights,
        }
    }
}

/// sums[m][v] += Σ_j weights[j][m] · row_j[v]
///
/// # Safety
/// `weights` holds `offsets.len() · M` values; `T · LANES` samples are readable at every offset
/// from `at`.
#[inline(always)]
unsafe fn accumulate<S: Simd, const M: usize, const T: usize>(
    s: S,
    sums: &mut Sums<S, M, T>,
    weights: *const f32,
    at: *const f32,
    offsets: &[isize],
) {
    let mut local = *sums;
    for (j, offset) in offsets.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let row = at.offset(*offset);
            // The shorter side is kept in registers, the longer one passes through.
            if M < T {
                let mut w = [s.zero(); M];
                for (m, w) in w.iter_mut().enumerate() {
                    *w = s.splat(*weights.add(j * M + m));
                }
                for v in 0..T {
                    let x = s.load_ptr(row.add(v * S::LANES));
                    for (sums, w) in local.iter_mut().zip(w) {
                        sums[v] = s.fma(w, x, sums[v]);
                    }
                }
            } else {
                let mut x = [s.zero(); T];
                for (v, x) in x.iter_mut().enumerate() {
                    *x = s.load_ptr(row.add(v * S::LANES));
                }
                for (m, sums) in local.iter_mut().enumerate() {
                    let w = s.splat(*weights.add(j * M + m));
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = s.fma(w, x, *sum);
                    }
                }
            }
        }
    }
    *sums = local;
}

/// The widest tile that leaves registers for the samples and the weight on `isa`.
fn widest_tile(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 | Isa::Neon => 8,
        _ => 4,
    }
}

/// The most vectors of time any tile spans.
pub(crate) const WIDEST_TIME: usize = 8;

/// Work on some vectors of time at once.
pub(crate) trait TimeTiles {
    /// Does it for the samples `t..t + T · LANES`.
    ///
    /// # Safety
    /// Whoever calls [`over_time`] vouches for those samples.
    unsafe fn tile<S: Simd, const T: usize>(&mut self, s: S, t: usize);
}

/// Does `work` for `vectors` vectors of time, as many at a time as the registers hold beside
/// tiles of `outputs`.
///
/// # Safety
/// What `work` needs for `vectors · LANES` samples.
#[inline(always)]
pub(crate) unsafe fn over_time<S: Simd, W: TimeTiles>(
    s: S,
    vectors: usize,
    outputs: usize,
    work: &mut W,
) {
    let widest = match (S::REGISTERS >= 32, outputs) {
        (_, 1) => 8,
        (true, 2 | 3) => 8,
        (true, 4) | (false, 2) => 4,
        (true, _) => 3,
        (false, _) => 2,
    };
    let mut v = 0;
    while v < vectors {
        let t = v * S::LANES;
        // The last two tiles share evenly, so that no single vector is left over.
        let left = vectors - v;
        let take = match left {
            _ if left >= 2 * widest => widest,
            _ if left > widest => left.div_ceil(2),
            _ => left,
        };
        // SAFETY: the caller's promise.
        v += unsafe {
            match take {
                1 => each::<S, W, 1>(s, t, work),
                2 => each::<S, W, 2>(s, t, work),
                3 => each::<S, W, 3>(s, t, work),
                8 => each::<S, W, 8>(s, t, work),
                _ => each::<S, W, 4>(s, t, work),
            }
        };
    }
}

/// Calls `work`; gives `T`.
#[inline(always)]
unsafe fn each<S: Simd, W: TimeTiles, const T: usize>(s: S, t: usize, work: &mut W) -> usize {
    // SAFETY: the caller's promise.
    unsafe { work.tile::<S, T>(s, t) };
    T
}

/// Writes sums to rows.
pub(crate) struct Store {
    /// The present sample of row 0.
    pub(crate) to: *mut f32,
    /// Distance between rows.
    pub(crate) stride: usize,
}

impl<S: Simd> Finish<S> for Store {
    #[inline(always)]
    unsafe fn finish<const M: usize, const T: usize>(
        &mut self,
        s: S,
        sums: &mut Sums<S, M, T>,
        first: usize,
        t: usize,
    ) {
        for (m, row) in sums.iter().enumerate() {
            for (v, sum) in row.iter().enumerate() {
                // SAFETY: whoever made the `Store` vouches for its rows.
                unsafe {
                    let to = self.to.add((first + m) * self.stride + t + v * S::LANES);
                    s.store_ptr(to, *sum);
                }
            }
        }
    }
}
