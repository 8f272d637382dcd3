//! Sequences side by side in the lanes of vectors, and the way into and out of that order.

use super::shape::{Scan, ScanSlices};
use crate::kernels::products::transpose::transpose;
use crate::simd::{Isa, Kernel, Simd};

/// Sequences that are worked on together: as many as a vector holds, so that few of them are work for
/// several cores.
pub(in crate::kernels) fn width(isa: Isa) -> usize {
    struct Width;

    impl Kernel for Width {
        type Output = usize;

        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> usize {
            S::LANES
        }
    }

    isa.run(Width)
}

/// States kept in registers at a time.
pub(super) const STATES: usize = 4;
/// Steps per block.
pub(in crate::kernels) const BLOCK: usize = 32;

impl Scan {
    pub(super) fn padded_states(&self) -> usize {
        self.states.next_multiple_of(STATES)
    }

    /// Floats of the states of a group of sequences: real, then imaginary `[state][lane]`.
    pub(in crate::kernels) fn states_len(&self, width: usize) -> usize {
        2 * self.padded_states() * width
    }

    /// Blocks of `len` steps.
    pub(super) fn blocks(len: usize) -> usize {
        len.div_ceil(BLOCK)
    }

    /// States `[sequence][state]` of a group as `[re, im][state][lane]`.
    pub(in crate::kernels) fn interleave(&self, width: usize, re: &[f32], im: &[f32]) -> Vec<f32> {
        let mut lanes = vec![0.0; self.states_len(width)];
        let (to_re, to_im) = lanes.split_at_mut(self.padded_states() * width);
        for (from, to) in [(re, to_re), (im, to_im)] {
            for (at, &value) in from.iter().enumerate() {
                to[at % self.states * width + at / self.states] = value;
            }
        }
        lanes
    }

    /// The way back.
    pub(in crate::kernels) fn separate(
        &self,
        width: usize,
        lanes: &[f32],
        re: &mut [f32],
        im: &mut [f32],
    ) {
        let (from_re, from_im) = lanes.split_at(self.padded_states() * width);
        for (from, to) in [(from_re, re), (from_im, im)] {
            for (at, value) in to.iter_mut().enumerate() {
                *value = from[at % self.states * width + at / self.states];
            }
        }
    }
}

/// `count` steps of each sequence as `[step][lane]`; sequences lie so many floats apart, and lanes without
/// one keep what they hold.
#[inline(always)]
pub(super) fn gather<S: Simd>(
    s: S,
    (rows, stride): (&[f32], usize),
    sequences: usize,
    count: usize,
    block: &mut [f32],
) {
    assert!(sequences <= S::LANES && hold(rows, stride, sequences, count));
    assert!(block.len() >= count * S::LANES);
    // SAFETY: both are as long as asserted, and one is borrowed alone.
    unsafe {
        transpose(
            s,
            (sequences, count),
            (rows.as_ptr(), stride),
            (block.as_mut_ptr(), S::LANES),
        );
    }
}

/// The way back.
#[inline(always)]
pub(super) fn scatter<S: Simd>(
    s: S,
    block: &[f32],
    sequences: usize,
    count: usize,
    (rows, stride): (&mut [f32], usize),
) {
    assert!(sequences <= S::LANES && hold(rows, stride, sequences, count));
    assert!(block.len() >= count * S::LANES);
    // SAFETY: both are as long as asserted, and one is borrowed alone.
    unsafe {
        transpose(
            s,
            (count, sequences),
            (block.as_ptr(), S::LANES),
            (rows.as_mut_ptr(), stride),
        );
    }
}

/// Whether there are `sequences` rows of `count` floats.
fn hold(rows: &[f32], stride: usize, sequences: usize, count: usize) -> bool {
    sequences == 0 || (sequences - 1) * stride + count <= rows.len()
}

/// A group's weights, each `[state][lane]`, zero where there is no sequence or state.
pub(in crate::kernels) struct Lanes {
    /// Sequences in the group.
    pub sequences: usize,
    /// States, padded.
    pub states: usize,
    pub a_re: Vec<f32>,
    pub a_im: Vec<f32>,
    pub c_re: Vec<f32>,
    pub c_im: Vec<f32>,
    pub d: Vec<f32>,
}

impl Lanes {
    /// Those of group `group` of the `sequences`.
    pub fn new(
        scan: &Scan,
        weights: &ScanSlices<'_>,
        (group, width): (usize, usize),
        sequences: usize,
    ) -> Lanes {
        let first = group * width;
        let here = width.min(sequences - first);
        let states = scan.padded_states();
        let spread = |values: &[f32]| {
            assert_eq!(values.len(), scan.channels * scan.states);
            let mut lanes = vec![0.0; states * width];
            for lane in 0..here {
                let channel = (first + lane) % scan.channels;
                for state in 0..scan.states {
                    lanes[state * width + lane] = values[channel * scan.states + state];
                }
            }
            lanes
        };
        assert_eq!(weights.d.len(), scan.channels);
        Lanes {
            sequences: here,
            states,
            a_re: spread(weights.a_re),
            a_im: spread(weights.a_im),
            c_re: spread(weights.c_re),
            c_im: spread(weights.c_im),
            d: (0..width)
                .map(|lane| match lane < here {
                    true => weights.d[(first + lane) % scan.channels],
                    false => 0.0,
                })
                .collect(),
        }
    }
}

/// `STATES` registers from `[state][lane]` values, states from `state` on.
#[inline(always)]
pub(super) fn read<S: Simd>(s: S, values: &[f32], state: usize) -> [S::V; STATES] {
    let mut registers = [s.zero(); STATES];
    for (n, register) in registers.iter_mut().enumerate() {
        *register = s.load(&values[(state + n) * S::LANES..]);
    }
    registers
}

/// Writes them back.
#[inline(always)]
pub(super) fn write<S: Simd>(s: S, values: &mut [f32], state: usize, registers: [S::V; STATES]) {
    for (n, register) in registers.into_iter().enumerate() {
        s.store(&mut values[(state + n) * S::LANES..], register);
    }
}

/// One step of `STATES` states: s ← a·s + x.
#[inline(always)]
pub(super) fn advance<S: Simd>(
    s: S,
    (a_re, a_im): (&[S::V; STATES], &[S::V; STATES]),
    (re, im): (&mut [S::V; STATES], &mut [S::V; STATES]),
    x: S::V,
) {
    for n in 0..STATES {
        let next_re = s.fma(a_re[n], re[n], s.fnma(a_im[n], im[n], x));
        im[n] = s.fma(a_re[n], im[n], s.mul(a_im[n], re[n]));
        re[n] = next_re;
    }
}
