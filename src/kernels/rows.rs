//! The two products every operator here is made of, on rows of samples `[row][time]`:
//!
//! - [`Combine`]: output row m = Σ over taps j of weight(m, j) · input row j. A convolution is
//!   this with tap (i, k) = input row i read k·dilation later; a 1×1 convolution has one tap per
//!   row.
//! - [`RowProducts`]: product(m, j) = Σ over time of gradient row m · input row j, which is that
//!   weight's gradient.
//!
//! Both keep a tile of results in registers (for 32 registers 8 rows × 3 vectors, and 4 × 6
//! products) so that each value loaded serves several multiply-adds. Callers cut time into
//! blocks that stay in cache. This module knows nothing of layers.

use std::marker::PhantomData;

use super::scratch::LINE;
use crate::simd::{Isa, Kernel, Simd};

/// Rows to read: `data[row · stride + t]`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows that start every `stride` floats of `data`.
    pub fn new(data: &'a [f32], stride: usize) -> Rows<'a> {
        Rows { data, stride }
    }

    /// Row `row` from sample `from` on, `len` samples.
    pub fn row(&self, row: usize, from: usize, len: usize) -> &'a [f32] {
        &self.data[row * self.stride + from..][..len]
    }

    /// Whether there are `rows` rows of `len` samples.
    fn hold(&self, rows: usize, len: usize) -> bool {
        rows == 0 || (rows - 1) * self.stride + len <= self.data.len()
    }
}

/// Rows to write, `len` samples each; the samples between two rows belong to someone else.
pub(crate) struct RowsMut<'a> {
    data: *mut f32,
    stride: usize,
    rows: usize,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

impl<'a> RowsMut<'a> {
    /// `rows` rows of `len` samples that start every `stride` floats of `data`.
    pub fn new(data: &'a mut [f32], stride: usize, rows: usize, len: usize) -> RowsMut<'a> {
        assert!(rows == 0 || (rows - 1) * stride + len <= data.len());
        assert!(rows <= 1 || len <= stride);
        RowsMut {
            data: data.as_mut_ptr(),
            stride,
            rows,
            len,
            lifetime: PhantomData,
        }
    }

    /// The same rows, for a shorter time.
    pub fn reborrow(&mut self) -> RowsMut<'_> {
        RowsMut { ..*self }
    }

    /// The first `rows` rows and the others.
    pub fn split(self, rows: usize) -> (RowsMut<'a>, RowsMut<'a>) {
        assert!(rows <= self.rows);
        let others = RowsMut {
            // Wrapping: behind the last row the address may lie outside the buffer, where
            // nothing is then read.
            data: self.data.wrapping_add(rows * self.stride),
            rows: self.rows - rows,
            ..self
        };
        (RowsMut { rows, ..self }, others)
    }

    /// The first `rows` rows.
    pub fn first(self, rows: usize) -> RowsMut<'a> {
        self.split(rows).0
    }

    /// Samples `part` of every row.
    pub fn part(self, part: std::ops::Range<usize>) -> RowsMut<'a> {
        assert!(part.start <= part.end && part.end <= self.len);
        RowsMut {
            // Wrapping: where there are no samples the address may lie outside the buffer.
            data: self.data.wrapping_add(part.start),
            len: part.end - part.start,
            ..self
        }
    }

    /// Row `row`.
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows);
        // SAFETY: the constructors made sure that `rows` rows of `len` floats are ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.stride), self.len) }
    }
}

/// Copies rows past the caches, where the processor can. See [`finish_copies`].
pub(crate) struct CopyRows<'a> {
    /// What is copied.
    pub from: Rows<'a>,
    /// Where to; its rows and length say how much.
    pub to: RowsMut<'a>,
}

impl CopyRows<'_> {
    /// Copies.
    pub fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl Kernel for CopyRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for row in 0..self.to.rows {
            let to = self.to.row(row);
            let from = self.from.row(row, 0, to.len()).as_ptr();
            // Up to a whole register's address one by one.
            let head = to
                .as_ptr()
                .align_offset(S::LANES * size_of::<f32>())
                .min(to.len());
            let (len, to) = (to.len(), to.as_mut_ptr());
            // SAFETY: all lies within the two rows; `to + head` is a register's address.
            unsafe {
                std::ptr::copy_nonoverlapping(from, to, head);
                let mut t = head;
                while t + S::LANES <= len {
                    s.stream_ptr(to.add(t), s.load_ptr(from.add(t)));
                    t += S::LANES;
                }
                std::ptr::copy_nonoverlapping(from.add(t), to.add(t), len - t);
            }
        }
    }
}

/// Makes what this thread copied so far visible to whoever sees what it writes next.
pub(crate) fn finish_copies(isa: Isa) {
    struct Finish;
    impl Kernel for Finish {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            s.stream_end();
        }
    }
    isa.run(Finish);
}

/// An output buffer that several tasks write, each its own samples of every row.
pub(crate) struct Shared<'a> {
    data: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: access goes through `rows`, whose caller keeps the tasks' samples apart.
unsafe impl Sync for Shared<'_> {}
// SAFETY: as above.
unsafe impl Send for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares `data` out.
    pub fn new(data: &'a mut [f32]) -> Shared<'a> {
        Shared {
            data: data.as_mut_ptr(),
            len: data.len(),
            lifetime: PhantomData,
        }
    }

    /// `rows` rows of `len` samples, every `stride` floats from float `from` on.
    ///
    /// # Safety
    /// No other live [`RowsMut`] of this buffer covers any of these samples.
    pub unsafe fn rows(&self, from: usize, stride: usize, rows: usize, len: usize) -> RowsMut<'_> {
        assert!(rows == 0 || from + (rows - 1) * stride + len <= self.len);
        assert!(rows <= 1 || len <= stride);
        RowsMut {
            // SAFETY: `from` lies within the buffer, or no row is ever touched.
            data: unsafe { self.data.add(from.min(self.len)) },
            stride,
            rows,
            len,
            lifetime: PhantomData,
        }
    }
}

/// The widths rows are grouped in for packing, widest first.
const GROUPS: [usize; 4] = [8, 4, 2, 1];

/// A weight matrix in the order [`Combine`] reads it: rows in groups of 8, then at most one each
/// of 4, 2 and 1; within a group tap by tap.
pub(crate) struct Packed {
    rows: usize,
    taps: usize,
    values: Vec<f32>,
}

impl Packed {
    /// Packs `weight(row, tap)`.
    pub fn new(rows: usize, taps: usize, weight: impl Fn(usize, usize) -> f32) -> Packed {
        let mut values = Vec::with_capacity(rows * taps);
        for (first, width) in groups(rows) {
            for tap in 0..taps {
                values.extend((first..first + width).map(|row| weight(row, tap)));
            }
        }
        Packed { rows, taps, values }
    }

    /// How many output rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The groups of `rows` rows: (first row, width).
fn groups(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let width = *GROUPS.iter().find(|&&width| first + width <= rows)?;
        first += width;
        Some((first - width, width))
    })
}

/// What an output row holds before the taps are added.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Nothing.
    Zero,
    /// One number per row.
    Bias(&'a [f32]),
    /// These rows.
    Rows(Rows<'a>),
    /// These rows, plus one number per row.
    RowsAndBias(Rows<'a>, &'a [f32]),
    /// What it already holds.
    Itself,
}

/// Output row m (+)= Σ_j weight(m, j) · input[tap j .. tap j + len].
pub(crate) struct Combine<'a> {
    /// The weights.
    pub weights: &'a Packed,
    /// The input; tap j reads it from float `taps[j]` on.
    pub input: &'a [f32],
    /// Where each tap's row starts in `input`.
    pub taps: &'a [usize],
    /// What to add to.
    pub start: Start<'a>,
    /// As many rows as the weights; their length is the time computed.
    pub output: RowsMut<'a>,
}

impl Combine<'_> {
    /// Computes it.
    pub fn run(self, isa: Isa) {
        self.run_ahead(isa, &[]);
    }

    /// Computes it, asking meanwhile for `ahead` to be brought into the second-level cache.
    pub fn run_ahead(self, isa: Isa, ahead: &[f32]) {
        let ahead = ahead.as_ptr_range();
        // By reference: copying the structs would stall on their just written fields.
        isa.run(&mut Beside {
            task: &self,
            aside: Ahead {
                next: ahead.start,
                end: ahead.end,
            },
        });
    }

    /// Computes it, copying meanwhile.
    pub fn run_copying(self, isa: Isa, copy: CopyRows<'_>) {
        isa.run(&mut Beside {
            task: &self,
            aside: Copying::new(copy),
        });
    }

    /// Inlined, so that the search for the last tap is vector code too.
    #[inline(always)]
    fn check(&self) {
        assert_eq!(self.taps.len(), self.weights.taps);
        assert_eq!(self.output.rows, self.weights.rows);
        let len = self.output.len;
        assert!(furthest(self.taps) <= self.input.len().saturating_sub(len));
        assert!(self.taps.is_empty() || len <= self.input.len());
        match self.start {
            Start::Bias(bias) => assert_eq!(bias.len(), self.output.rows),
            Start::Rows(rows) => assert!(rows.hold(self.output.rows, len)),
            Start::RowsAndBias(rows, bias) => {
                assert!(rows.hold(self.output.rows, len));
                assert_eq!(bias.len(), self.output.rows);
            }
            Start::Zero | Start::Itself => {}
        }
    }
}

/// The largest tap.
#[inline(always)]
fn furthest(taps: &[usize]) -> usize {
    taps.iter().fold(0, |most, &tap| most.max(tap))
}

/// Memory traffic done a little at a time beside a [`Combine`], whose arithmetic hides it: all at
/// once, it would wait for the memory.
trait Aside {
    /// Does a little.
    fn step<S: Simd>(&mut self, s: S);

    /// Does the rest.
    fn finish<S: Simd>(&mut self, s: S);
}

/// Memory that is still to be asked for.
struct Ahead {
    next: *const f32,
    end: *const f32,
}

impl Aside for Ahead {
    #[inline(always)]
    fn step<S: Simd>(&mut self, s: S) {
        if self.next < self.end {
            s.prefetch_far(self.next);
            self.next = self.next.wrapping_add(LINE);
        }
    }

    /// Asking for much at once is of no use.
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _s: S) {}
}

/// Rows that are still to be copied.
struct Copying<'a> {
    copy: CopyRows<'a>,
    /// Where the next sample is read and written.
    from: *const f32,
    to: *mut f32,
    /// Samples left of this row, and rows left.
    left: usize,
    rows: usize,
}

impl<'a> Copying<'a> {
    fn new(copy: CopyRows<'a>) -> Copying<'a> {
        let (rows, left) = (copy.to.rows, copy.to.len);
        if rows == 0 || left == 0 {
            return Copying {
                copy,
                from: std::ptr::null(),
                to: std::ptr::null_mut(),
                left: 0,
                rows: 0,
            };
        }
        assert!(copy.from.hold(rows, left));
        assert!(rows == 1 || (copy.from.stride >= left && copy.to.stride >= left));
        Copying {
            from: copy.from.data.as_ptr(),
            to: copy.to.data,
            copy,
            left,
            rows,
        }
    }
}

impl Aside for Copying<'_> {
    /// A register of a row, or a whole row that does not consist of registers.
    #[inline(always)]
    fn step<S: Simd>(&mut self, s: S) {
        if self.rows == 0 {
            return;
        }
        let size = S::LANES * size_of::<f32>();
        let streams = self.left.is_multiple_of(S::LANES) && self.to.addr().is_multiple_of(size);
        let count = if streams { S::LANES } else { self.left };
        // SAFETY: `new` checked that both sides hold all rows; `left` samples of this one follow.
        // What is streamed is a whole register at a multiple of its size.
        unsafe {
            match streams {
                true => s.stream_ptr(self.to, s.load_ptr(self.from)),
                false => std::ptr::copy_nonoverlapping(self.from, self.to, count),
            }
        }
        // Wrapping: behind the last row both may lie outside, where nothing is then touched.
        self.from = self.from.wrapping_add(count);
        self.to = self.to.wrapping_add(count);
        self.left -= count;
        if self.left == 0 {
            self.left = self.copy.to.len;
            self.rows -= 1;
            self.from = self.from.wrapping_add(self.copy.from.stride - self.left);
            self.to = self.to.wrapping_add(self.copy.to.stride - self.left);
        }
    }

    #[inline(always)]
    fn finish<S: Simd>(&mut self, s: S) {
        while self.rows > 0 {
            self.step(s);
        }
    }
}

/// A task and what is done beside it.
struct Beside<'a, A> {
    task: &'a Combine<'a>,
    aside: A,
}

impl<A: Aside> Kernel for &mut Beside<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Beside { task, aside } = self;
        task.check();
        let mut offset = 0;
        for (first, width) in groups(task.weights.rows) {
            let weights = task.weights.values[offset..].as_ptr();
            offset += width * task.weights.taps;
            // SAFETY: `check` held every row and tap to its bounds, and a group's weights are
            // `width` per tap.
            unsafe {
                match (width, S::REGISTERS >= 32) {
                    (8, true) => strip::<S, A, 8, 3>(s, task, aside, weights, 8, first),
                    (8, false) => {
                        strip::<S, A, 4, 3>(s, task, aside, weights, 8, first);
                        strip::<S, A, 4, 3>(s, task, aside, weights.wrapping_add(4), 8, first + 4);
                    }
                    (4, true) => strip::<S, A, 4, 6>(s, task, aside, weights, 4, first),
                    (4, false) => strip::<S, A, 4, 3>(s, task, aside, weights, 4, first),
                    (2, _) => strip::<S, A, 2, 6>(s, task, aside, weights, 2, first),
                    _ => strip::<S, A, 1, 6>(s, task, aside, weights, 1, first),
                }
            }
        }
        aside.finish(s);
    }
}

/// `M` output rows from row `first` on, all their time, in tiles of `M` × `V` registers.
///
/// # Safety
/// `task` passed its check; `weights` holds `M` weights per tap, every `stride` floats.
#[inline(always)]
unsafe fn strip<S: Simd, A: Aside, const M: usize, const V: usize>(
    s: S,
    task: &Combine<'_>,
    aside: &mut A,
    weights: *const f32,
    stride: usize,
    first: usize,
) {
    let len = task.output.len;
    let mut t = 0;
    // SAFETY: every tile lies within `len`; the rest is the caller's promise.
    unsafe {
        while t + V * S::LANES <= len {
            tile::<S, A, M, V, true>(s, task, aside, weights, stride, first, t, S::LANES);
            t += V * S::LANES;
        }
        while t + S::LANES <= len {
            tile::<S, A, M, 1, true>(s, task, aside, weights, stride, first, t, S::LANES);
            t += S::LANES;
        }
        if t < len {
            tile::<S, A, M, 1, false>(s, task, aside, weights, stride, first, t, len - t);
        }
    }
}

/// A whole register, or its first `part` floats.
///
/// # Safety
/// As many floats can be read.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const FULL: bool>(s: S, part: usize, from: *const f32) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        if FULL {
            s.load_ptr(from)
        } else {
            s.load_part(from, part)
        }
    }
}

/// Writes a whole register, or its first `part` floats.
///
/// # Safety
/// As many floats can be written.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const FULL: bool>(
    s: S,
    part: usize,
    to: *mut f32,
    value: S::V,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if FULL {
            s.store_ptr(to, value);
        } else {
            s.store_part(to, value, part);
        }
    }
}

/// Calls `$body` for each vector of `$len` samples at `$t`, `$full` saying whether it is whole
/// and `$part` how many samples it has otherwise.
macro_rules! each_vector {
    ($S:ident, $len:expr, |$t:ident, $part:ident, $full:ident| $body:block) => {{
        let len = $len;
        let mut $t = 0;
        while $t + $S::LANES <= len {
            const $full: bool = true;
            let $part = $S::LANES;
            $body
            $t += $S::LANES;
        }
        if $t < len {
            const $full: bool = false;
            let $part = len - $t;
            $body
        }
    }};
}
pub(crate) use each_vector;

/// One register tile: `M` rows × `V` vectors from sample `t` on; `V` = 1 and only `part` samples
/// of the vector unless `FULL`.
///
/// # Safety
/// As [`strip`], and the tile's samples lie within the rows.
#[expect(
    clippy::too_many_arguments,
    reason = "inlined: these are the registers of one loop"
)]
#[inline(always)]
unsafe fn tile<S: Simd, A: Aside, const M: usize, const V: usize, const FULL: bool>(
    s: S,
    task: &Combine<'_>,
    aside: &mut A,
    weights: *const f32,
    stride: usize,
    first: usize,
    t: usize,
    part: usize,
) {
    let mut sums = [[s.zero(); V]; M];
    // SAFETY: the caller's promise.
    unsafe {
        let output = task.output.data.add(first * task.output.stride + t);
        match task.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for m in 0..M {
                    sums[m] = [s.splat(*bias.get_unchecked(first + m)); V];
                }
            }
            Start::Rows(rows) => {
                let from = rows.data.as_ptr().add(first * rows.stride + t);
                for m in 0..M {
                    for v in 0..V {
                        let from = from.add(m * rows.stride + v * S::LANES);
                        sums[m][v] = load::<S, FULL>(s, part, from);
                    }
                }
            }
            Start::RowsAndBias(rows, bias) => {
                let from = rows.data.as_ptr().add(first * rows.stride + t);
                for m in 0..M {
                    let bias = s.splat(*bias.get_unchecked(first + m));
                    for v in 0..V {
                        let from = from.add(m * rows.stride + v * S::LANES);
                        sums[m][v] = s.add(bias, load::<S, FULL>(s, part, from));
                    }
                }
            }
            Start::Itself => {
                for m in 0..M {
                    for v in 0..V {
                        sums[m][v] = load::<S, FULL>(
                            s,
                            part,
                            output.add(m * task.output.stride + v * S::LANES),
                        );
                    }
                }
            }
        }
        let mut weights = weights;
        // Where the next tile writes, row by row: asked for a line per tap, since all at once
        // would leave none of the processor's few places for misses to the taps themselves.
        let mut next = output.wrapping_add(V * S::LANES);
        // And where it starts from.
        let (mut begin, begin_stride) = match task.start {
            Start::Rows(rows) | Start::RowsAndBias(rows, _) => {
                let from = rows.data.as_ptr().add(first * rows.stride + t);
                (from.wrapping_add(V * S::LANES), rows.stride)
            }
            _ => (next.cast_const(), task.output.stride),
        };
        for (m, taps) in task.taps.chunks(V).enumerate() {
            for (v, &tap) in taps.iter().enumerate() {
                if V > 1 && m < M {
                    s.prefetch_to_write(next.wrapping_add(v * S::LANES));
                    s.prefetch(begin.wrapping_add(v * S::LANES));
                }
                if V > 1 && first == 0 {
                    aside.step(s);
                }
                let from = task.input.as_ptr().add(tap + t);
                let mut x = [s.zero(); V];
                for v in 0..V {
                    x[v] = load::<S, FULL>(s, part, from.add(v * S::LANES));
                    // The first group of rows to meet the input finds it far away, and there are
                    // too many rows for the processor to foresee: ask for the next tile's part.
                    if first == 0 && V > 1 {
                        s.prefetch(from.wrapping_add((V + v) * S::LANES));
                    }
                }
                for m in 0..M {
                    let w = s.splat(*weights.add(m));
                    for v in 0..V {
                        sums[m][v] = s.fma(w, x[v], sums[m][v]);
                    }
                }
                weights = weights.wrapping_add(stride);
            }
            next = next.wrapping_add(task.output.stride);
            begin = begin.wrapping_add(begin_stride);
        }
        for m in 0..M {
            for v in 0..V {
                let to = output.add(m * task.output.stride + v * S::LANES);
                store::<S, FULL>(s, part, to, sums[m][v]);
            }
        }
    }
}

/// product(m, j) += Σ_t gradient row m [t] · input[tap j + t].
pub(crate) struct RowProducts<'a> {
    /// The rows of the one factor: the gradient, or the input where that is the one not shifted.
    pub gradient: Rows<'a>,
    /// How many.
    pub rows: usize,
    /// The other factor; tap j reads it from float `taps[j]` on.
    pub input: &'a [f32],
    /// Where each tap's row starts in `input`.
    pub taps: &'a [usize],
    /// How many samples.
    pub len: usize,
    /// The products `[row][tap]`.
    pub products: &'a mut [f32],
}

impl RowProducts<'_> {
    /// Computes it.
    pub fn run(mut self, isa: Isa) {
        isa.run(&mut self);
    }
}

impl Kernel for &mut RowProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let taps = self.taps.len();
        assert!(furthest(self.taps) <= self.input.len().saturating_sub(self.len));
        assert!(self.taps.is_empty() || self.len <= self.input.len());
        assert!(self.gradient.hold(self.rows, self.len));
        assert!(self.products.len() >= self.rows * taps);
        // Outside the taps, in tiles as nearly equal as they can be (a narrow last one would wait
        // for its few sums), inside the gradient's rows: these are few enough to stay in the
        // first-level cache while each tap is fetched once.
        let tiles = taps.div_ceil(if S::REGISTERS >= 32 { 6 } else { 4 });
        let mut j = 0;
        for tile in 0..tiles {
            let width = (taps - j).div_ceil(tiles - tile);
            // SAFETY: the lengths were checked above.
            unsafe {
                match width {
                    6 => products_of_rows::<S, 6>(s, self, j),
                    5 => products_of_rows::<S, 5>(s, self, j),
                    4 => products_of_rows::<S, 4>(s, self, j),
                    3 => products_of_rows::<S, 3>(s, self, j),
                    2 => products_of_rows::<S, 2>(s, self, j),
                    _ => products_of_rows::<S, 1>(s, self, j),
                }
            }
            j += width;
        }
    }
}

/// Every gradient row against `J` taps from `j` on.
///
/// # Safety
/// `task`'s rows, taps and products are within their bounds.
#[inline(always)]
unsafe fn products_of_rows<S: Simd, const J: usize>(s: S, task: &mut RowProducts<'_>, j: usize) {
    let mut m = 0;
    while m < task.rows {
        // SAFETY: the caller's promise.
        unsafe {
            m += match (task.rows - m, S::REGISTERS >= 32) {
                (4.., true) => product_tile::<S, 4, J>(s, task, m, j),
                (3.., _) => product_tile::<S, 3, J>(s, task, m, j),
                (2, _) => product_tile::<S, 2, J>(s, task, m, j),
                _ => product_tile::<S, 1, J>(s, task, m, j),
            }
        }
    }
}

/// `M` × `J` products; gives `M`.
///
/// # Safety
/// As [`products_of_rows`].
#[inline(always)]
unsafe fn product_tile<S: Simd, const M: usize, const J: usize>(
    s: S,
    task: &mut RowProducts<'_>,
    m: usize,
    j: usize,
) -> usize {
    // SAFETY: the caller's promise: rows m..m+M, taps j..j+J, and their products exist.
    unsafe {
        let stride = task.gradient.stride;
        let g = task.gradient.data.as_ptr().add(m * stride);
        let mut x = [std::ptr::null::<f32>(); J];
        for (i, x) in x.iter_mut().enumerate() {
            *x = task.input.as_ptr().add(*task.taps.get_unchecked(j + i));
        }
        // Each group of rows asks for two of the next tile's taps, which may lie far away: more
        // pointers than that would not fit the registers.
        let mut next = [std::ptr::null::<f32>(); 2];
        for (i, next) in next.iter_mut().enumerate() {
            let tap = task.taps.get(j + J + m / M * 2 + i).or(task.taps.last());
            *next = task.input.as_ptr().wrapping_add(tap.copied().unwrap_or(0));
        }
        let mut sums = [[s.zero(); J]; M];
        let mut t = 0;
        while t + S::LANES <= task.len {
            let mut a = [s.zero(); M];
            for i in 0..M {
                a[i] = s.load_ptr(g.add(i * stride + t));
            }
            for next in next {
                s.prefetch(next.wrapping_add(t));
            }
            for k in 0..J {
                let b = s.load_ptr(x[k].add(t));
                for i in 0..M {
                    sums[i][k] = s.fma(a[i], b, sums[i][k]);
                }
            }
            t += S::LANES;
        }
        if t < task.len {
            let part = task.len - t;
            for k in 0..J {
                let b = s.load_part(x[k].add(t), part);
                for i in 0..M {
                    let a = s.load_part(g.add(i * stride + t), part);
                    sums[i][k] = s.fma(a, b, sums[i][k]);
                }
            }
        }
        let taps = task.taps.len();
        // In the products' order, so that most fours are neighbours there.
        for first in (0..M * J).step_by(4) {
            let mut four = [s.zero(); 4];
            for (at, four) in (first..M * J).zip(&mut four) {
                *four = sums[at / J][at % J];
            }
            for (at, sum) in (first..M * J).zip(s.sum_each(four)) {
                let at = (m + at / J) * taps + j + at % J;
                *task.products.get_unchecked_mut(at) += sum;
            }
        }
    }
    M
}

/// sums(m) += Σ_t row m [t].
pub(crate) struct RowSums<'a> {
    /// The rows.
    pub rows: Rows<'a>,
    /// How many samples of each.
    pub len: usize,
    /// One number per row.
    pub sums: &'a mut [f32],
}

impl RowSums<'_> {
    /// Computes it.
    pub fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl Kernel for RowSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Four sums at a time, since each waits for its own last addition.
        const SUMS: usize = 4;
        let count = self.sums.len();
        assert!(self.rows.hold(count, self.len));
        for (group, sums) in self.sums.chunks_mut(SUMS).enumerate() {
            // A group that is not full sums its last row again.
            let row = |i: usize| (group * SUMS + i).min(count - 1);
            let rows: [_; SUMS] = std::array::from_fn(|i| self.rows.row(row(i), 0, self.len));
            let mut totals = [s.zero(); SUMS];
            let from = rows.map(<[f32]>::as_ptr);
            each_vector!(S, self.len, |t, part, FULL| {
                for (total, from) in totals.iter_mut().zip(from) {
                    // SAFETY: `t` and `part` stay within the rows.
                    let value = unsafe { load::<S, FULL>(s, part, from.add(t)) };
                    *total = s.add(*total, value);
                }
            });
            for (sum, total) in sums.iter_mut().zip(totals) {
                *sum += s.sum(total);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn groups_cover_every_row_once() {
        for rows in 0..40 {
            let mut next = 0;
            for (first, width) in groups(rows) {
                assert_eq!(first, next);
                next += width;
            }
            assert_eq!(next, rows);
        }
    }

    #[test]
    fn combine_and_row_products_equal_their_sums_written_out() {
        for isa in Isa::available() {
            for (rows, taps, len) in [
                (1, 1, 1),
                (2, 3, 17),
                (5, 4, 48),
                (8, 7, 100),
                (15, 13, 131),
                (23, 2, 67),
            ] {
                let weights = noise(rows * taps, 1);
                let input = noise(taps * 5 + len, 2);
                let offsets: Vec<usize> = (0..taps).map(|j| (j * 7) % (taps * 5)).collect();
                let bias = noise(rows, 3);
                let stride = len + 3;
                let mut output = vec![9.0; rows * stride];
                Combine {
                    weights: &Packed::new(rows, taps, |m, j| weights[m * taps + j]),
                    input: &input,
                    taps: &offsets,
                    start: Start::Bias(&bias),
                    output: RowsMut::new(&mut output, stride, rows, len),
                }
                .run(isa);
                let mut products = vec![0.0; rows * taps];
                RowProducts {
                    gradient: Rows::new(&output, stride),
                    rows,
                    input: &input,
                    taps: &offsets,
                    len,
                    products: &mut products,
                }
                .run(isa);
                for m in 0..rows {
                    for t in 0..len {
                        let exact: f64 = (0..taps)
                            .map(|j| {
                                f64::from(weights[m * taps + j]) * f64::from(input[offsets[j] + t])
                            })
                            .sum();
                        let got = f64::from(output[m * stride + t]);
                        // `taps` roundings of sums below `taps` + 1.
                        let bound = f64::from(f32::EPSILON) * ((taps + 1) * (taps + 1)) as f64;
                        assert!(
                            (got - exact - f64::from(bias[m])).abs() <= bound,
                            "{isa} {rows} {taps} {len}"
                        );
                    }
                    assert!(
                        output[m * stride + len..(m + 1) * stride]
                            .iter()
                            .all(|&x| x == 9.0)
                    );
                    for j in 0..taps {
                        let exact: f64 = (0..len)
                            .map(|t| {
                                f64::from(output[m * stride + t]) * f64::from(input[offsets[j] + t])
                            })
                            .sum();
                        let got = f64::from(products[m * taps + j]);
                        let bound = f64::from(f32::EPSILON) * (len * (taps + 1)) as f64;
                        assert!((got - exact).abs() <= bound, "{isa} {rows} {taps} {len}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_copied_beside_is_copied_whole() {
        for isa in Isa::available() {
            // The last two: one whole register, at addresses that are no register's.
            let shapes = [
                (1, 1, 16, 0),
                (3, 96, 96, 0),
                (5, 37, 48, 3),
                (4, 16, 17, 1),
                (4, 8, 9, 1),
            ];
            for (rows, len, stride, first) in shapes {
                let (from, input) = (noise(rows * stride, 1), noise(100, 2));
                let packed = Packed::new(3, 2, |m, j| (m + j) as f32);
                let run = |copy: Option<CopyRows<'_>>| {
                    let mut output = vec![0.0; 300];
                    let combine = Combine {
                        weights: &packed,
                        input: &input,
                        taps: &[0, 1],
                        start: Start::Zero,
                        output: RowsMut::new(&mut output, 100, 3, 99),
                    };
                    match copy {
                        Some(copy) => combine.run_copying(isa, copy),
                        None => combine.run_ahead(isa, &input),
                    }
                    output
                };
                let mut to = vec![9.0; first + rows * stride];
                let copy = CopyRows {
                    from: Rows::new(&from, stride),
                    to: RowsMut::new(&mut to[first..], stride, rows, len),
                };
                assert_eq!(run(Some(copy)), run(None));
                let mut again = vec![9.0; to.len()];
                CopyRows {
                    from: Rows::new(&from, stride),
                    to: RowsMut::new(&mut again[first..], stride, rows, len),
                }
                .run(isa);
                finish_copies(isa);
                assert_eq!(to, again);
                for (row, to) in to[first..].chunks(stride).enumerate() {
                    assert_eq!(to[..len], from[row * stride..][..len]);
                    assert!(to[len..].iter().all(|&x| x == 9.0));
                }
            }
        }
    }

    #[test]
    fn combine_starts_from_what_it_is_told() {
        let input = noise(20, 1);
        let residual = noise(40, 2);
        let packed = Packed::new(2, 1, |_, _| 2.0);
        let run = |start: Start<'_>| {
            let mut output = vec![1.0; 40];
            Combine {
                weights: &packed,
                input: &input,
                taps: &[0],
                start,
                output: RowsMut::new(&mut output, 20, 2, 20),
            }
            .run(Isa::detect());
            output
        };
        for (i, &x) in input.iter().enumerate() {
            assert_eq!(run(Start::Zero)[i], 2.0 * x);
            assert_eq!(run(Start::Itself)[20 + i], 2.0f32.mul_add(x, 1.0));
            assert_eq!(
                run(Start::Rows(Rows::new(&residual, 20)))[20 + i],
                2.0f32.mul_add(x, residual[20 + i])
            );
        }
    }
}
