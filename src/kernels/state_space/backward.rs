//! The layer backward: tasks in parallel, in each stretch after stretch, the last first.

use rayon::prelude::*;

use super::cut::{BLOCKS, Cut, STRETCH, pieces};
use super::shape::{StateSpaceGradients, StateSpaceLayer, StateSpaceSlices};
use crate::kernels::activation::{Activation, OnVectors, spelled_out};
use crate::kernels::memory::ahead::Ahead;
use crate::kernels::memory::{Buffer, LINE, scratch};
use crate::kernels::partition::add_parts;
use crate::kernels::products::combine::{Combine, Packed, Start};
use crate::kernels::products::row_products::RowProducts;
use crate::kernels::products::rows::{Rows, RowsMut, each_vector, load, store};
use crate::kernels::scan::{Behind, Lanes};
use crate::simd::{Isa, Kernel, Simd};

impl StateSpaceLayer {
    /// The gradients for dy `[batch, channels, len]`; that of x only if `want_x`. The state the
    /// sequence began with counts as constant.
    ///
    /// # Panics
    /// A slice's length does not fit the shape, or `kept` is not this input's.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &StateSpaceSlices<'_>,
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> StateSpaceGradients {
        let cut = Cut::new(self.scan, isa, batch, x.len());
        self.check(weights);
        let (signal, count) = (cut.signal(), cut.tasks());
        assert_eq!(dy.len(), x.len());
        assert_eq!(kept.len(), x.len() + count * cut.states());
        let channels = self.scan.channels;
        let pass = Backward {
            layer: self,
            isa,
            weights,
            cut,
            turned: Packed::new(channels, channels, |i, o| weights.mix[o * channels + i]),
            taps: (0..channels).map(|i| i * STRETCH).collect(),
        };
        let (values, states) = kept.split_at(x.len());
        let mut dx = Buffer::new(x.len());
        let mut rows = pieces(&mut dx, signal, count);
        let of_task = |(task, dx): (usize, &mut &mut [f32])| {
            let own = task * signal..task * signal + dx.len();
            pass.run(Task {
                x: &x[own.clone()],
                values: &values[own.clone()],
                states: &states[task * cut.states()..][..cut.states()],
                dy: &dy[own],
                dx,
            })
        };
        let parts: Vec<Sums> = rows.par_iter_mut().enumerate().map(of_task).collect();
        let (mut mix, mut bias) = (vec![0.0; channels * channels], vec![0.0; channels]);
        let mut filters = Vec::new();
        let (mut mixes, mut biases) = (Vec::new(), Vec::new());
        for part in parts {
            filters.extend(part.filters);
            mixes.push(part.mix);
            biases.push(part.bias);
        }
        add_parts(&mixes, &mut mix);
        add_parts(&biases, &mut bias);
        let places = cut.places();
        StateSpaceGradients {
            scan: (self.scan).gradients((&filters, cut.width), places, want_x.then_some(dx)),
            mix,
            bias,
        }
    }
}

/// A layer, ready for tasks.
struct Backward<'a> {
    layer: &'a StateSpaceLayer,
    isa: Isa,
    weights: &'a StateSpaceSlices<'a>,
    cut: Cut,
    /// The mix turned over.
    turned: Packed,
    /// Where the rows of an item's gradient begin.
    taps: Vec<usize>,
}

/// A task's share of everything.
struct Task<'a> {
    x: &'a [f32],
    /// φ's values, and the states before each stretch.
    values: &'a [f32],
    states: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

/// A task's sums of gradients: of the filters group by group.
struct Sums {
    filters: Vec<Vec<f32>>,
    mix: Vec<f32>,
    bias: Vec<f32>,
}

impl Backward<'_> {
    fn run(&self, mut task: Task<'_>) -> Sums {
        let (cut, len, channels) = (&self.cut, self.cut.len, self.layer.scan.channels);
        let sequences = task.x.len() / len.max(1);
        let lanes = cut.lanes(&self.weights.scan, sequences);
        let mut behind: Vec<Behind> = lanes.iter().map(|l| Behind::new(l, cut.width)).collect();
        let (mut mix, mut bias) = (vec![0.0; channels * channels], vec![0.0; channels]);
        let states = lanes.len() * BLOCKS * cut.group();
        scratch::with((2 * sequences + channels) * STRETCH + states, |work| {
            let (filtered, work) = work.split_at_mut(sequences * STRETCH);
            let (gradient, work) = work.split_at_mut(sequences * STRETCH);
            let (mixed, states) = work.split_at_mut(channels * STRETCH);
            for number in (0..len.div_ceil(STRETCH)).rev() {
                let from = number * STRETCH;
                let stretch = (from, STRETCH.min(len - from));
                self.filter_again(&lanes, &task, stretch, filtered, states);
                for first in (0..sequences).step_by(channels) {
                    let own = first * STRETCH..(first + channels) * STRETCH;
                    let at = first * len + from;
                    for (channel, mixed) in mixed.chunks_exact_mut(STRETCH).enumerate() {
                        let at = at + channel * len;
                        bias[channel] += self.isa.run(Uncurve {
                            activation: self.layer.activation,
                            values: &task.values[at..][..stretch.1],
                            dy: &task.dy[at..][..stretch.1],
                            dz: &mut mixed[..stretch.1],
                        });
                    }
                    RowProducts {
                        gradient: Rows::new(mixed, STRETCH),
                        rows: channels,
                        input: &filtered[own.clone()],
                        taps: &self.taps,
                        len: stretch.1,
                        products: &mut mix,
                    }
                    .run_ahead(self.isa, self.stretch_before(&task, (first, from)));
                    Combine {
                        weights: &self.turned,
                        input: mixed,
                        taps: &self.taps,
                        start: Start::Zero,
                        output: RowsMut::new(&mut gradient[own], STRETCH, channels, stretch.1),
                    }
                    .run(self.isa);
                }
                self.filter_back(&lanes, &mut behind, &mut task, stretch, (states, gradient));
            }
        });
        let filters = behind.into_iter().map(|behind| behind.sums).collect();
        Sums { filters, mix, bias }
    }

    /// What the stretch before needs of an item's rows.
    fn stretch_before(&self, task: &Task<'_>, (first, from): (usize, usize)) -> [Ahead; 3] {
        let len = self.cut.len;
        [task.values, task.dy, task.x].map(|rows| Ahead {
            from: rows[first * len..]
                .as_ptr()
                .wrapping_add(from)
                .wrapping_sub(STRETCH),
            stride: len,
            // Before the first there is none.
            rows: if from > 0 {
                self.layer.scan.channels
            } else {
                0
            },
            lines: STRETCH / LINE,
        })
    }

    /// What the scan gave for a stretch, and the states before each of its blocks.
    fn filter_again(
        &self,
        lanes: &[Lanes],
        task: &Task<'_>,
        (from, count): (usize, usize),
        filtered: &mut [f32],
        states: &mut [f32],
    ) {
        let (cut, len) = (&self.cut, self.cut.len);
        let size = cut.group();
        for (group, lanes) in lanes.iter().enumerate() {
            let first = group * cut.width;
            let at = (from / STRETCH * cut.groups() + group) * size;
            let mut now = task.states[at..][..size].to_vec();
            let x = (&task.x[first * len + from..], len);
            let y = (&mut filtered[first * STRETCH..], STRETCH);
            let states = &mut states[group * BLOCKS * size..][..BLOCKS * size];
            lanes.forward(self.isa, &mut now, count, x, y, |block, now| {
                states[block * size..][..size].copy_from_slice(now);
            });
        }
    }

    /// dx of a stretch, of the gradient of what the scan gave and of dy.
    fn filter_back(
        &self,
        lanes: &[Lanes],
        behind: &mut [Behind],
        task: &mut Task<'_>,
        (from, count): (usize, usize),
        (states, gradient): (&[f32], &[f32]),
    ) {
        let (cut, len) = (&self.cut, self.cut.len);
        for (group, (lanes, behind)) in lanes.iter().zip(behind).enumerate() {
            let first = group * cut.width;
            let states = &states[group * BLOCKS * cut.group()..];
            let rows = (
                (&task.x[first * len + from..], len),
                (&gradient[first * STRETCH..], STRETCH),
                (&mut task.dx[first * len + from..], len),
            );
            lanes.backward(self.isa, behind, count, states, rows);
        }
        for (dx, dy) in task.dx.chunks_exact_mut(len).zip(task.dy.chunks_exact(len)) {
            let (to, from) = (&mut dx[from..][..count], &dy[from..][..count]);
            self.isa.run(Add { to, from });
        }
    }
}

/// dz = dy · φ′, where φ has these values; gives Σ dz.
struct Uncurve<'a> {
    activation: Activation,
    values: &'a [f32],
    dy: &'a [f32],
    dz: &'a mut [f32],
}

impl Uncurve<'_> {
    #[inline(always)]
    fn with<S: Simd>(self, s: S, activation: Activation) -> f32 {
        let len = self.values.len();
        assert_eq!((self.dy.len(), self.dz.len()), (len, len));
        let (values, dy, dz) = (self.values.as_ptr(), self.dy.as_ptr(), self.dz.as_mut_ptr());
        let mut sum = s.zero();
        each_vector!(S, len, |t, part, FULL| {
            // SAFETY: `t` and `part` stay within the three rows.
            unsafe {
                let slope = activation.slope(s, load::<S, FULL>(s, part, values.add(t)));
                let g = s.mul(slope, load::<S, FULL>(s, part, dy.add(t)));
                store::<S, FULL>(s, part, dz.add(t), g);
                sum = s.add(sum, g);
            }
        });
        s.sum(sum)
    }
}

impl Kernel for Uncurve<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        spelled_out!(self.activation, |one| self.with(s, one))
    }
}

/// A row added to another.
struct Add<'a> {
    to: &'a mut [f32],
    from: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.to.len();
        assert_eq!(self.from.len(), len);
        let (to, from) = (self.to.as_mut_ptr(), self.from.as_ptr());
        each_vector!(S, len, |t, part, FULL| {
            // SAFETY: `t` and `part` stay within both rows.
            unsafe {
                let other = load::<S, FULL>(s, part, from.add(t));
                let sum = s.add(load::<S, FULL>(s, part, to.add(t)), other);
                store::<S, FULL>(s, part, to.add(t), sum);
            }
        });
    }
}
