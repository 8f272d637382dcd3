//! The operations a kernel is written in.

/// Work that is generic over the instruction set; see the [module page](super).
pub trait Kernel {
    /// What it gives back.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, as is every function they call
    /// with `simd`: only then does the whole body take on the instruction set's features.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The largest [`LANES`](Simd::LANES).
pub const MOST_LANES: usize = 16;

/// Vectors of `f32` on one instruction set. A value of the implementing type is a proof that the
/// instructions are available: only [`Isa::run`](super::Isa::run) makes one.
///
/// NaN: arithmetic propagates it; [`min`](Simd::min) and [`max`](Simd::max) give their **second**
/// argument when either is NaN, so a clamp written `max(low, min(high, x))` keeps a NaN `x`.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A register of [`LANES`](Simd::LANES) floats.
    type V: Copy;

    /// Floats per register.
    const LANES: usize;

    /// Registers the instruction set names; what a register tile may plan with.
    const REGISTERS: usize;

    /// Runs another kernel with this instruction set, as a call of its own: for a part used in
    /// many places, which inlining would multiply.
    fn call<K: Kernel>(self, kernel: K) -> K::Output;

    /// All lanes `value`.
    fn splat(self, value: f32) -> Self::V;

    /// Reads `LANES` floats from `from`, at any alignment.
    ///
    /// # Safety
    /// `from` is valid for reads of `LANES` floats.
    unsafe fn load_ptr(self, from: *const f32) -> Self::V;

    /// Writes `LANES` floats to `to`, at any alignment.
    ///
    /// # Safety
    /// `to` is valid for writes of `LANES` floats.
    unsafe fn store_ptr(self, to: *mut f32, value: Self::V);

    /// Reads the first `len ≤ LANES` floats; the other lanes are 0.
    ///
    /// # Safety
    /// `from` is valid for reads of `len` floats.
    unsafe fn load_part(self, from: *const f32, len: usize) -> Self::V;

    /// Writes the first `len ≤ LANES` lanes and touches no memory behind them.
    ///
    /// # Safety
    /// `to` is valid for writes of `len` floats.
    unsafe fn store_part(self, to: *mut f32, value: Self::V, len: usize);

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a − b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`, correctly rounded.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`; rounded once, except on [`Portable`](super::Portable), which rounds twice.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c − a · b`, rounded like [`fma`](Simd::fma).
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller; `b` when either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` when either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `1 / a` within 2 units in the last place, for `a` normal and its reciprocal normal.
    fn recip(self, a: Self::V) -> Self::V;
    /// `√a`, correctly rounded.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a` rounded to the nearest integer, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// `2^n` for integer-valued `n` in −126..=127.
    fn exp2i(self, n: Self::V) -> Self::V;
    /// `a · 2^n` for integer-valued `n`, where `a` and the product are normal numbers.
    fn scale2i(self, a: Self::V, n: Self::V) -> Self::V;
    /// `a` where `condition > 0`, else `b` (also where `condition` is NaN).
    fn select_positive(self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// The sum of all lanes, always added in the same order.
    fn sum(self, a: Self::V) -> f32;

    /// Writes `LANES` floats past the caches, where the instruction set can: for what will not be
    /// read again soon. Another thread may read them only after a [`stream_end`](Simd::stream_end).
    ///
    /// # Safety
    /// `to` is valid for writes of `LANES` floats and a multiple of their size.
    #[inline(always)]
    unsafe fn stream_ptr(self, to: *mut f32, value: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { self.store_ptr(to, value) }
    }

    /// What was written by [`stream_ptr`](Simd::stream_ptr) before is seen by whoever sees what is
    /// written after.
    #[inline(always)]
    fn stream_end(self) {}

    /// The sums of the lanes of four registers, each always added in the same order.
    #[inline(always)]
    fn sum_each(self, four: [Self::V; 4]) -> [f32; 4] {
        four.map(|one| self.sum(one))
    }

    /// The largest n with `2^n ≤ a`, for `a` positive and normal.
    #[inline(always)]
    fn exponent(self, a: Self::V) -> Self::V {
        let mut lanes = [0.0f32; MOST_LANES];
        self.store(&mut lanes, a);
        // On an array of known length this becomes a shift and a conversion of whole registers.
        for lane in &mut lanes[..Self::LANES] {
            *lane = ((lane.to_bits() >> 23) as i32 - 127) as f32;
        }
        self.load(&lanes)
    }

    /// Turns a tile over: lane j of vector i becomes lane i of vector j, for the first
    /// [`LANES`](Simd::LANES) vectors; the others stay.
    #[inline(always)]
    fn transpose(self, tile: &mut [Self::V; MOST_LANES]) {
        let mut rows = [[0.0; MOST_LANES]; MOST_LANES];
        for (row, &vector) in rows.iter_mut().zip(&tile[..Self::LANES]) {
            self.store(row, vector);
        }
        for (at, vector) in tile[..Self::LANES].iter_mut().enumerate() {
            let column: [f32; MOST_LANES] = std::array::from_fn(|row| rows[row][at]);
            *vector = self.load(&column);
        }
    }

    /// Asks for the cache line at `at` to be brought near; any address is allowed. Does nothing
    /// where the instruction set has no stable way to say it.
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        let _ = at;
    }

    /// As [`prefetch`](Simd::prefetch), but only into the second-level cache.
    #[inline(always)]
    fn prefetch_far(self, at: *const f32) {
        let _ = at;
    }

    /// As [`prefetch`](Simd::prefetch), for a line about to be written.
    #[inline(always)]
    fn prefetch_to_write(self, at: *const f32) {
        let _ = at;
    }

    /// All lanes 0.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }

    /// The first `LANES` floats of `from`.
    ///
    /// # Panics
    /// `from` is shorter than `LANES`.
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        assert!(from.len() >= Self::LANES);
        // SAFETY: the slice holds at least `LANES` floats.
        unsafe { self.load_ptr(from.as_ptr()) }
    }

    /// Writes to the first `LANES` floats of `to`.
    ///
    /// # Panics
    /// `to` is shorter than `LANES`.
    #[inline(always)]
    fn store(self, to: &mut [f32], value: Self::V) {
        assert!(to.len() >= Self::LANES);
        // SAFETY: the slice holds at least `LANES` floats.
        unsafe { self.store_ptr(to.as_mut_ptr(), value) }
    }
}
