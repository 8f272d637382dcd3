//! Sequences side by side in the lanes of vectors, and the way into and out of that order.

use super::shape::{Scan, ScanSlices};
use crate::simd::Simd;

/// Sequences that are worked on together: a multiple of every instruction set's lanes.
pub(super) const LANES: usize = 16;
/// States kept in registers at a time.
pub(super) const STATES: usize = 4;
/// Steps per block.
pub(super) const BLOCK: usize = 32;

impl Scan {
    pub(super) fn padded_states(&self) -> usize {
        self.states.next_multiple_of(STATES)
    }

    /// Floats of the states of a group of sequences: real, then imaginary `[state][lane]`.
    pub(super) fn states_len(&self) -> usize {
        2 * self.padded_states() * LANES
    }

    /// Blocks of `len` steps.
    pub(super) fn blocks(len: usize) -> usize {
        len.div_ceil(BLOCK)
    }

    /// States `[sequence][state]` of a group as `[re, im][state][lane]`.
    pub(super) fn interleave(&self, re: &[f32], im: &[f32]) -> Vec<f32> {
        let mut lanes = vec![0.0; self.states_len()];
        let (to_re, to_im) = lanes.split_at_mut(self.padded_states() * LANES);
        for (from, to) in [(re, to_re), (im, to_im)] {
            for (at, &value) in from.iter().enumerate() {
                to[at % self.states * LANES + at / self.states] = value;
            }
        }
        lanes
    }

    /// The way back.
    pub(super) fn separate(&self, lanes: &[f32], re: &mut [f32], im: &mut [f32]) {
        let (from_re, from_im) = lanes.split_at(self.padded_states() * LANES);
        for (from, to) in [(from_re, re), (from_im, im)] {
            for (at, value) in to.iter_mut().enumerate() {
                *value = from[at % self.states * LANES + at / self.states];
            }
        }
    }
}

/// Steps from..from + count of each sequence as `[step][lane]`; lanes without a sequence get 0.
pub(super) fn gather(
    rows: &[f32],
    len: usize,
    sequences: usize,
    from: usize,
    count: usize,
    block: &mut [f32],
) {
    block[..count * LANES].fill(0.0);
    for lane in 0..sequences {
        for (step, &value) in rows[lane * len + from..][..count].iter().enumerate() {
            block[step * LANES + lane] = value;
        }
    }
}

/// The way back.
pub(super) fn scatter(
    block: &[f32],
    len: usize,
    sequences: usize,
    from: usize,
    count: usize,
    rows: &mut [f32],
) {
    for lane in 0..sequences {
        for (step, value) in rows[lane * len + from..][..count].iter_mut().enumerate() {
            *value = block[step * LANES + lane];
        }
    }
}

/// A group's weights, each `[state][lane]`, zero where there is no sequence or state.
pub(super) struct Lanes {
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
    pub fn new(scan: &Scan, weights: &ScanSlices<'_>, group: usize, sequences: usize) -> Lanes {
        let first = group * LANES;
        let here = LANES.min(sequences - first);
        let states = scan.padded_states();
        let spread = |values: &[f32]| {
            assert_eq!(values.len(), scan.channels * scan.states);
            let mut lanes = vec![0.0; states * LANES];
            for lane in 0..here {
                let channel = (first + lane) % scan.channels;
                for state in 0..scan.states {
                    lanes[state * LANES + lane] = values[channel * scan.states + state];
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
            d: (0..LANES)
                .map(|lane| match lane < here {
                    true => weights.d[(first + lane) % scan.channels],
                    false => 0.0,
                })
                .collect(),
        }
    }
}

/// `STATES` registers from `[state][lane]` values, states from `state` on, lanes from `lane` on.
#[inline(always)]
pub(super) fn read<S: Simd>(s: S, values: &[f32], state: usize, lane: usize) -> [S::V; STATES] {
    let mut registers = [s.zero(); STATES];
    for (n, register) in registers.iter_mut().enumerate() {
        *register = s.load(&values[(state + n) * LANES + lane..]);
    }
    registers
}

/// Writes them back.
#[inline(always)]
pub(super) fn write<S: Simd>(
    s: S,
    values: &mut [f32],
    state: usize,
    lane: usize,
    registers: [S::V; STATES],
) {
    for (n, register) in registers.into_iter().enumerate() {
        s.store(&mut values[(state + n) * LANES + lane..], register);
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
