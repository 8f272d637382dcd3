//! The sums of a convolution for one sample, all its channels in a thread's registers: what a
//! network's layers, its heads and their gradients have in common. Knows no layer.
//!
//! A sample's channels lie in fours, so that a thread reads four of them at once, and the threads of
//! a cube, which have neighbouring samples, read what lies side by side. The weights, in fours of
//! outputs, are fetched once per cube into memory that its threads share: all of them need the same
//! weight at the same time, and where it lies is known when the kernel is compiled. So that every
//! thread fetches its part of them, none may have ended before.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use crate::kernels::gpu::launch::THREADS;

/// Four channels of a sample.
pub(super) type Four = Vector<f32, Const<4>>;

/// Fours of weights that are fetched at once; what is compiled for them stands in line.
const AT_ONCE: usize = 192;

/// Channels that lie in fours, those of each part from a four's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Width {
    pub channels: usize,
    pub parts: usize,
}

impl Width {
    /// Channels in one part.
    pub fn of(channels: usize) -> Width {
        Width { channels, parts: 1 }
    }

    /// All channels.
    pub fn all(self) -> usize {
        self.parts * self.channels
    }

    /// Fours of a part.
    pub fn part(self) -> usize {
        self.channels.div_ceil(4)
    }

    /// Fours of all parts.
    pub fn fours(self) -> usize {
        self.parts * self.part()
    }

    /// Channels that a four has.
    pub fn lanes(self, four: usize) -> usize {
        (self.channels - four % self.part() * 4).min(4)
    }
}

/// What a convolution's kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    pub from: Width,
    pub to: Width,
    pub taps: usize,
    /// Whether it is the gradient of what enters the convolution: to(t) sums over from(t − shift)
    /// instead of from(t + shift), and the weights are `[from, to, taps]` instead of
    /// `[to, from, taps]`.
    pub back: bool,
}

impl Sum {
    /// A convolution of one tap.
    pub fn mix(from: Width, to: Width, back: bool) -> Sum {
        let taps = 1;
        Sum {
            from,
            to,
            taps,
            back,
        }
    }

    /// Fours of the source that a sample's sum has, a tap's side by side.
    fn sources(self) -> usize {
        self.taps * self.from.fours()
    }

    /// Of those as many as are worked on at once.
    fn at_once(self) -> usize {
        (AT_ONCE / (4 * self.to.fours())).clamp(1, self.sources())
    }

    /// Fours of weights for so many inputs.
    pub fn weights(self, inputs: usize) -> usize {
        inputs * self.to.fours()
    }
}

/// Fetches the weights of `inputs` inputs, counted from that four of the source on, into `shared` from
/// `place` on: of each input those of all outputs. What lies between two parts is 0.
#[cube]
pub(super) fn fetch(
    weights: &[f32],
    shared: &mut Shared<[Four]>,
    first: usize,
    source: usize,
    #[comptime] place: usize,
    #[comptime] inputs: usize,
    #[comptime] sum: Sum,
) {
    let (from, to) = comptime!((sum.from, sum.to));
    let (from_all, to_all) = comptime!((from.all(), to.all()));
    let (from_part, to_part) = comptime!((from.part(), to.part()));
    let (from_fours, to_fours) = comptime!((from.fours(), to.fours()));
    let (from_channels, to_channels) = comptime!((from.channels, to.channels));
    let taps = comptime!(sum.taps);
    let numbers = comptime!(sum.weights(inputs));
    #[unroll]
    for round in 0..comptime!(numbers.div_ceil(THREADS)) {
        let at = UNIT_POS as usize + comptime!(round * THREADS);
        if at < numbers {
            let input = at / to_fours;
            let output = at % to_fours;
            let number = source + input / 4;
            let tap = number / from_fours;
            let four = number % from_fours;
            let lane = four % from_part * 4 + input % 4;
            let n = four / from_part * from_channels + lane;
            let is_there = lane < from_channels && tap < taps;
            let mut values = Four::new(0.0f32);
            #[unroll]
            for j in 0..4usize {
                let to_lane = output % to_part * 4 + j;
                let m = output / to_part * to_channels + to_lane;
                let mut value = 0.0f32;
                if is_there && to_lane < to_channels {
                    if comptime!(sum.back) {
                        value = weights[first + (n * to_all + m) * taps + tap];
                    } else {
                        value = weights[first + (m * from_all + n) * taps + tap];
                    }
                }
                values.insert(j, value);
            }
            shared[place + at] = values;
        }
    }
}

/// So many fours of zeros.
#[cube]
pub(super) fn zeros(#[comptime] fours: usize) -> Array<Four> {
    let mut sums = Array::<Four>::new(fours);
    #[unroll]
    for m in 0..fours {
        sums[m] = Four::new(0.0f32);
    }
    sums
}

/// Adds a four of inputs times their weights, those in `shared` from `place` on.
#[cube]
pub(super) fn add_products(
    sums: &mut Array<Four>,
    four: Four,
    shared: &Shared<[Four]>,
    place: usize,
    #[comptime] lanes: usize,
    #[comptime] outputs: usize,
) {
    #[unroll]
    for j in 0..lanes {
        let value = Four::new(four.extract(j));
        #[unroll]
        for m in 0..outputs {
            sums[m] += shared[place + comptime!(j * outputs + m)] * value;
        }
    }
}

/// Adds to `sums` what the convolution makes for sample `t` of the source's rows, `len` samples each,
/// the first of which begins at `row`. Its weights begin at `first`. Backward, there is nothing beyond
/// both ends of a row, and `t` counts from `before` samples before it. All threads of the cube have to
/// come here.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn convolve(
    source: &[Four],
    weights: &[f32],
    sums: &mut Array<Four>,
    first: usize,
    row: usize,
    len: usize,
    t: usize,
    before: usize,
    dilation: usize,
    #[comptime] sum: Sum,
) {
    let (sources, at_once) = comptime!((sum.sources(), sum.at_once()));
    let inputs = comptime!(4 * at_once);
    let mut shared = Shared::<[Four]>::new_slice(comptime!(sum.weights(inputs)));
    if comptime!(at_once == sources) {
        fetch(weights, &mut shared, first, 0usize, 0usize, inputs, sum);
        sync_cube();
        convolve_some(
            source, &shared, sums, 0usize, row, len, t, before, dilation, sum,
        );
    } else {
        let mut from = 0usize;
        while from < sources {
            fetch(weights, &mut shared, first, from, 0usize, inputs, sum);
            sync_cube();
            convolve_some(
                source, &shared, sums, from, row, len, t, before, dilation, sum,
            );
            sync_cube();
            from += at_once;
        }
    }
}

/// The same for the source's fours from `from` on whose weights are in `shared`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn convolve_some(
    source: &[Four],
    shared: &Shared<[Four]>,
    sums: &mut Array<Four>,
    from: usize,
    row: usize,
    len: usize,
    t: usize,
    before: usize,
    dilation: usize,
    #[comptime] sum: Sum,
) {
    let (sources, at_once) = comptime!((sum.sources(), sum.at_once()));
    let (fours, outputs) = comptime!((sum.from.fours(), sum.to.fours()));
    if comptime!(at_once == sources) {
        #[unroll]
        for next in 0..sources {
            let lanes = comptime!(sum.from.lanes(next % fours));
            let four = read(source, next, row, len, t, before, dilation, sum);
            let place = comptime!(next * 4 * outputs);
            add_products(sums, four, shared, place, lanes, outputs);
        }
    } else {
        for next in 0..min(at_once, sources - from) {
            let four = read(source, from + next, row, len, t, before, dilation, sum);
            add_products(
                sums,
                four,
                shared,
                next * comptime!(4 * outputs),
                4usize,
                outputs,
            );
        }
    }
}

/// One of the fours that the convolution sums over for sample `t`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn read(
    source: &[Four],
    number: usize,
    row: usize,
    len: usize,
    t: usize,
    before: usize,
    dilation: usize,
    #[comptime] sum: Sum,
) -> Four {
    let fours = comptime!(sum.from.fours());
    let shift = number / fours * dilation;
    let here = row + number % fours * len;
    if comptime!(sum.back) {
        let late = before + shift;
        let is_there = t >= late && t - late < len;
        let four = source[here + select(is_there, t - late, 0usize)];
        four * Four::new(select(is_there, 1.0f32, 0.0f32))
    } else {
        source[here + t + shift]
    }
}
