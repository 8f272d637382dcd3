//! The layer forward: tasks in parallel, in each stretch after stretch.

use rayon::prelude::*;

use super::cut::{Cut, STRETCH, pieces};
use super::shape::{StateSpaceLayer, StateSpaceSlices};
use crate::kernels::activation::{Activation, OnVectors, spelled_out};
use crate::kernels::memory::{Buffer, scratch};
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::rows::{RowsMut, each_vector, load, store};
use crate::kernels::scan::PlainScanState;
use crate::simd::{Isa, Kernel, Simd};

impl StateSpaceLayer {
    /// y `[batch, channels, len]` of x (the same shape) from `state` on, which becomes that after
    /// the last step. With `keep`, what the backward pass needs is returned, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit the shape, or the activation is not fused.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &StateSpaceSlices<'_>,
        state: &mut PlainScanState,
        y: &mut [f32],
        keep: bool,
    ) -> Buffer {
        let cut = Cut::new(self.scan, isa, batch, x.len());
        self.check(weights);
        cut.check(state);
        assert_eq!(y.len(), x.len());
        let channels = self.scan.channels;
        let pass = Forward {
            layer: self,
            isa,
            weights,
            cut,
            mix: Packed::new(channels, channels, |o, i| weights.mix[o * channels + i]),
            taps: (0..channels).map(|i| i * STRETCH).collect(),
        };
        let (signal, count) = (cut.signal(), cut.tasks());
        let of_states = count * cut.states();
        let mut kept = Buffer::new(if keep { x.len() + of_states } else { 0 });
        let (values, states) = kept.split_at_mut(if keep { x.len() } else { 0 });
        let mut tasks: Vec<Task<'_>> = x
            .chunks(signal.max(1))
            .zip(pieces(y, signal, count))
            .zip(pieces(values, signal, count))
            .zip(pieces(states, cut.states(), count))
            .zip(state.re.chunks_mut(cut.state().max(1)))
            .zip(state.im.chunks_mut(cut.state().max(1)))
            .map(|(((((x, y), values), states), re), im)| Task {
                x,
                y,
                values,
                states,
                after: (re, im),
            })
            .collect();
        tasks.par_iter_mut().for_each(|task| pass.run(task));
        kept
    }
}

/// A layer, ready for tasks.
struct Forward<'a> {
    layer: &'a StateSpaceLayer,
    isa: Isa,
    weights: &'a StateSpaceSlices<'a>,
    cut: Cut,
    mix: Packed,
    /// Where the rows of what the scan gave for an item begin.
    taps: Vec<usize>,
}

/// A task's share of everything.
struct Task<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    /// φ's values, and the states before each stretch; empty where nothing is kept.
    values: &'a mut [f32],
    states: &'a mut [f32],
    /// The states, real and imaginary, before the first step, then after the last.
    after: (&'a mut [f32], &'a mut [f32]),
}

impl Forward<'_> {
    fn run(&self, task: &mut Task<'_>) {
        let (cut, len) = (&self.cut, self.cut.len);
        let sequences = task.x.len() / len;
        let lanes = cut.lanes(&self.weights.scan, sequences);
        let mut states = cut.interleave(task.after.0, task.after.1);
        let channels = self.layer.scan.channels;
        scratch::with((sequences + channels) * STRETCH, |work| {
            let (filtered, mixed) = work.split_at_mut(sequences * STRETCH);
            for (number, from) in (0..len).step_by(STRETCH).enumerate() {
                let count = STRETCH.min(len - from);
                for (group, (lanes, states)) in lanes.iter().zip(&mut states).enumerate() {
                    if !task.states.is_empty() {
                        let at = (number * cut.groups() + group) * cut.group();
                        task.states[at..][..cut.group()].copy_from_slice(states);
                    }
                    let first = group * cut.width;
                    let x = (&task.x[first * len + from..], len);
                    let y = (&mut filtered[first * STRETCH..], STRETCH);
                    lanes.forward(self.isa, states, count, x, y, |_, _| ());
                }
                for first in (0..sequences).step_by(channels) {
                    let filtered = &filtered[first * STRETCH..];
                    self.respond(task, (first, from, count), filtered, mixed);
                }
            }
        });
        cut.separate(&states, task.after.0, task.after.1);
    }

    /// y of a stretch of the item whose first sequence is `first`, of what the scan gave for it.
    fn respond(
        &self,
        task: &mut Task<'_>,
        (first, from, count): (usize, usize, usize),
        filtered: &[f32],
        mixed: &mut [f32],
    ) {
        let (len, channels) = (self.cut.len, self.layer.scan.channels);
        Combine {
            weights: &self.mix,
            input: filtered,
            taps: &self.taps,
            start: Start::Bias(self.weights.bias),
            output: RowsMut::new(mixed, STRETCH, channels, count),
        }
        .run(self.isa);
        for (channel, mixed) in mixed.chunks_exact(STRETCH).take(channels).enumerate() {
            let at = (first + channel) * len + from;
            self.isa.run(Respond {
                activation: self.layer.activation,
                mixed: &mixed[..count],
                x: &task.x[at..][..count],
                y: &mut task.y[at..][..count],
                values: match task.values.is_empty() {
                    true => None,
                    false => Some(&mut task.values[at..][..count]),
                },
            });
        }
    }
}

/// y = x + φ(mixed), of a row; φ's values are kept.
struct Respond<'a> {
    activation: Activation,
    mixed: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
    values: Option<&'a mut [f32]>,
}

impl Respond<'_> {
    #[inline(always)]
    fn with<S: Simd>(self, s: S, activation: Activation) {
        let len = self.x.len();
        assert_eq!((self.mixed.len(), self.y.len()), (len, len));
        let (mixed, x, y) = (self.mixed.as_ptr(), self.x.as_ptr(), self.y.as_mut_ptr());
        let values = self.values.map(|values| {
            assert_eq!(values.len(), len);
            values.as_mut_ptr()
        });
        each_vector!(S, len, |t, part, FULL| {
            // SAFETY: `t` and `part` stay within the four rows.
            unsafe {
                let value = activation.apply(s, load::<S, FULL>(s, part, mixed.add(t)));
                if let Some(values) = values {
                    store::<S, FULL>(s, part, values.add(t), value);
                }
                let sum = s.add(value, load::<S, FULL>(s, part, x.add(t)));
                store::<S, FULL>(s, part, y.add(t), sum);
            }
        });
    }
}

impl Kernel for Respond<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        spelled_out!(self.activation, |one| self.with(s, one))
    }
}
