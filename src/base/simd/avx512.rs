//! AVX-512: 16 lanes, 32 registers.

use core::arch::x86_64::*;

use super::vector::{Kernel, MOST_LANES, Simd};

/// The AVX-512 token.
#[derive(Debug, Clone, Copy)]
pub struct Avx512(());

/// Runs `kernel` compiled for AVX-512.
///
/// # Safety
/// The processor has every feature named below.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

#[inline(always)]
fn first(len: usize) -> __mmask16 {
    debug_assert!(len <= 16);
    ((1u32 << len) - 1) as __mmask16
}

// SAFETY of every `unsafe` block below: the token exists, so the features are available; the
// memory accesses are those the trait's callers vouch for.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once, above, for every block below"
)]
impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        unsafe { run(kernel) }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, len: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(len), from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, value: __m512, len: usize) {
        unsafe { _mm512_mask_storeu_ps(to, first(len), value) }
    }
    #[inline(always)]
    unsafe fn stream_ptr(self, to: *mut f32, value: __m512) {
        debug_assert!(to.addr().is_multiple_of(size_of::<__m512>()));
        unsafe { _mm512_stream_ps(to, value) }
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
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn fnma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn recip(self, a: __m512) -> __m512 {
        // A 14-bit estimate and one Newton step: a division would block the port that the
        // surrounding multiply-adds need for 16 cycles.
        unsafe {
            let r = _mm512_rcp14_ps(a);
            let error = _mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0));
            _mm512_fmadd_ps(r, error, r)
        }
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn exp2i(self, n: __m512) -> __m512 {
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn scale2i(self, a: __m512, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(a, n) }
    }
    #[inline(always)]
    fn select_positive(self, condition: __m512, a: __m512, b: __m512) -> __m512 {
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition, _mm512_setzero_ps());
            _mm512_mask_blend_ps(positive, b, a)
        }
    }
    #[inline(always)]
    fn sum_each(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        unsafe {
            // Within each quarter: a₀ + a₂, b₀ + b₂, a₁ + a₃, b₁ + b₃; then all four sums.
            let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
            let low = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
            let high = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
            let four = _mm512_add_ps(low, high);
            let upper = _mm512_extractf32x8_ps::<1>(four);
            super::avx2::sum_each(_mm256_add_ps(_mm512_castps512_ps256(four), upper))
        }
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        unsafe {
            let high = _mm512_extractf32x8_ps::<1>(a);
            super::avx2::sum(_mm256_add_ps(_mm512_castps512_ps256(a), high))
        }
    }
    #[inline(always)]
    fn transpose(self, tile: &mut [__m512; MOST_LANES]) {
        unsafe {
            // Pairs, then fours, within the quarters of the vectors, four rows at a time.
            for rows in tile.as_chunks_mut::<4>().0 {
                let [a, b, c, d] = *rows;
                let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                let (ab_high, cd_high) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                *rows = [
                    _mm512_shuffle_ps::<0x44>(ab, cd),
                    _mm512_shuffle_ps::<0xee>(ab, cd),
                    _mm512_shuffle_ps::<0x44>(ab_high, cd_high),
                    _mm512_shuffle_ps::<0xee>(ab_high, cd_high),
                ];
            }
            // Quarter q of vectors i, i + 4, i + 8 and i + 12 make up column 4 q + i.
            for i in 0..4 {
                let [a, b, c, d] = [tile[i], tile[i + 4], tile[i + 8], tile[i + 12]];
                let low = _mm512_shuffle_f32x4::<0x44>(a, b);
                let high = _mm512_shuffle_f32x4::<0xee>(a, b);
                let other_low = _mm512_shuffle_f32x4::<0x44>(c, d);
                let other_high = _mm512_shuffle_f32x4::<0xee>(c, d);
                tile[i] = _mm512_shuffle_f32x4::<0x88>(low, other_low);
                tile[i + 4] = _mm512_shuffle_f32x4::<0xdd>(low, other_low);
                tile[i + 8] = _mm512_shuffle_f32x4::<0x88>(high, other_high);
                tile[i + 12] = _mm512_shuffle_f32x4::<0xdd>(high, other_high);
            }
        }
    }
}
