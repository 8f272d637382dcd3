//! Plain Rust on arrays of four: the path of processors without one of the vector units named
//! here, and the slow form the others are tested against.

use super::vector::{Kernel, Simd};

/// The portable token; always available.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

type V = [f32; 4];

#[inline(always)]
fn map(a: V, f: impl Fn(f32) -> f32) -> V {
    [f(a[0]), f(a[1]), f(a[2]), f(a[3])]
}

#[inline(always)]
fn zip(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type V = V;
    const LANES: usize = 4;
    // What x86-64 without AVX has; a guess elsewhere, and only speed depends on it.
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        run(kernel)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> V {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> V {
        // SAFETY: the caller vouches for four readable floats; the read is unaligned.
        unsafe { from.cast::<V>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f32, value: V) {
        // SAFETY: the caller vouches for four writable floats; the write is unaligned.
        unsafe { to.cast::<V>().write_unaligned(value) }
    }

    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, len: usize) -> V {
        let mut v = [0.0; 4];
        for (i, lane) in v.iter_mut().enumerate().take(len) {
            // SAFETY: `i < len`, and the caller vouches for `len` readable floats.
            *lane = unsafe { *from.add(i) };
        }
        v
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, value: V, len: usize) {
        for (i, lane) in value.into_iter().enumerate().take(len) {
            // SAFETY: `i < len`, and the caller vouches for `len` writable floats.
            unsafe { *to.add(i) = lane };
        }
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        // Not `f32::mul_add`: without the instruction that is a library call per lane.
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn fnma(self, a: V, b: V, c: V) -> V {
        self.sub(c, self.mul(a, b))
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn recip(self, a: V) -> V {
        map(a, |a| 1.0 / a)
    }
    #[inline(always)]
    fn sqrt(self, a: V) -> V {
        map(a, f32::sqrt)
    }
    #[inline(always)]
    fn round(self, a: V) -> V {
        map(a, f32::round_ties_even)
    }
    #[inline(always)]
    fn exp2i(self, n: V) -> V {
        map(n, |n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn scale2i(self, a: V, n: V) -> V {
        zip(a, n, |a, n| {
            f32::from_bits(a.to_bits().wrapping_add((n as i32 as u32) << 23))
        })
    }
    #[inline(always)]
    fn select_positive(self, condition: V, a: V, b: V) -> V {
        let mut out = b;
        for i in 0..4 {
            if condition[i] > 0.0 {
                out[i] = a[i];
            }
        }
        out
    }
    #[inline(always)]
    fn sum(self, a: V) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
}
