//! AVX2 with FMA: 8 lanes, 16 registers.

use core::arch::x86_64::*;

use super::vector::{Kernel, MOST_LANES, Simd};

/// The AVX2 token.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

/// Runs `kernel` compiled for AVX2 and FMA.
///
/// # Safety
/// The processor has both features.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// The sum of eight lanes.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
pub(super) unsafe fn sum(a: __m256) -> f32 {
    // SAFETY: the caller vouches for AVX.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        let one = _mm_add_ss(two, _mm_shuffle_ps::<1>(two, two));
        _mm_cvtss_f32(one)
    }
}

/// The sums of lanes i and i + 4.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
pub(super) unsafe fn sum_each(a: __m256) -> [f32; 4] {
    let mut sums = [0.0; 4];
    // SAFETY: the caller vouches for AVX; four floats are written to as many.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        _mm_storeu_ps(sums.as_mut_ptr(), four);
    }
    sums
}

/// Lane masks: reading 8 entries from `8 − len` gives `len` set lanes.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
fn first(len: usize) -> __m256i {
    assert!(len <= 8);
    // SAFETY: `8 − len ..  16 − len` lies within the 16 entries; a token exists where this is
    // called, so AVX is available.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - len).cast()) }
}

// SAFETY of every `unsafe` block below: the token exists, so the features are available; the
// memory accesses are those the trait's callers vouch for.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once, above, for every block below"
)]
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        unsafe { run(kernel) }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f32, value: __m256) {
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, len: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(from, first(len)) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, value: __m256, len: usize) {
        unsafe { _mm256_maskstore_ps(to, first(len), value) }
    }
    #[inline(always)]
    unsafe fn stream_ptr(self, to: *mut f32, value: __m256) {
        debug_assert!(to.addr().is_multiple_of(size_of::<__m256>()));
        unsafe { _mm256_stream_ps(to, value) }
    }
    #[inline(always)]
    fn stream_end(self) {
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    fn prefetch_far(self, at: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[inline(always)]
    fn prefetch_to_write(self, at: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn fnma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn recip(self, a: __m256) -> __m256 {
        // The estimate instruction gives 12 bits only: two Newton steps cost what this costs.
        unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), a) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn exp2i(self, n: __m256) -> __m256 {
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn scale2i(self, a: __m256, n: __m256) -> __m256 {
        unsafe {
            let steps = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(n));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), steps))
        }
    }
    #[inline(always)]
    fn select_positive(self, condition: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(condition, _mm256_setzero_ps());
            _mm256_blendv_ps(b, a, positive)
        }
    }
    #[inline(always)]
    fn sum_each(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        unsafe { sum_each(_mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d))) }
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        unsafe { sum(a) }
    }
    #[inline(always)]
    fn transpose(self, tile: &mut [__m256; MOST_LANES]) {
        unsafe {
            // Pairs, then fours, within the halves of the vectors, four rows at a time.
            for rows in tile[..8].as_chunks_mut::<4>().0 {
                let [a, b, c, d] = *rows;
                let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                *rows = [
                    _mm256_shuffle_ps::<0x44>(ab, cd),
                    _mm256_shuffle_ps::<0xee>(ab, cd),
                    _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                    _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
                ];
            }
            // The halves of vectors i and i + 4 make up columns i and i + 4.
            for i in 0..4 {
                let (a, b) = (tile[i], tile[i + 4]);
                tile[i] = _mm256_permute2f128_ps::<0x20>(a, b);
                tile[i + 4] = _mm256_permute2f128_ps::<0x31>(a, b);
            }
        }
    }
}
