//! Diagonal state-space layers, streaming: lanes are channels, states stay in registers while
//! time runs.

use crate::engine::block::{Block, CHUNK};
use crate::engine::node::{Node, Plannable};
use crate::engine::ops::flush;
use crate::engine::plan::Plan;
use crate::network::{DescriptionError, S4d};
use crate::simd::{Isa, Kernel, Simd};

/// The widest vector of any instruction set; rows of channels are padded to it.
const LANES: usize = 16;

#[derive(Debug)]
struct StateSpace {
    isa: Isa,
    channels: usize,
    /// Channels padded to whole vectors.
    width: usize,
    states: usize,
    /// Each `[state][width]`.
    a_re: Vec<f32>,
    a_im: Vec<f32>,
    c_re: Vec<f32>,
    c_im: Vec<f32>,
    s_re: Vec<f32>,
    s_im: Vec<f32>,
    /// `[width]`
    d: Vec<f32>,
    /// `[time][width]`
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Plannable for S4d {
    fn node(&self, _: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let width = self.channels.next_multiple_of(LANES);
        plan.claim(self.states, 6 * width)?;
        plan.claim(2 * CHUNK + 1, width)?;
        let turned = |values: &[f32]| {
            let mut turned = vec![0.0; self.states * width];
            for (c, row) in values.chunks_exact(self.states).enumerate() {
                for (n, value) in row.iter().enumerate() {
                    turned[n * width + c] = *value;
                }
            }
            turned
        };
        let mut d = vec![0.0; width];
        d[..self.channels].copy_from_slice(&self.d);
        Ok(Box::new(StateSpace {
            isa: plan.isa,
            channels: self.channels,
            width,
            states: self.states,
            a_re: turned(&self.a_re),
            a_im: turned(&self.a_im),
            c_re: turned(&self.c_re),
            c_im: turned(&self.c_im),
            s_re: vec![0.0; self.states * width],
            s_im: vec![0.0; self.states * width],
            d,
            input: vec![0.0; CHUNK * width],
            output: vec![0.0; CHUNK * width],
        }))
    }
}

impl Node for StateSpace {
    fn process(&mut self, block: &mut Block, len: usize) {
        block.to_time_major(self.channels, len, &mut self.input, self.width);
        self.isa.run(Scan { layer: self, len });
        block.set_time_major(&self.output, self.width, self.channels, len);
    }

    fn reset(&mut self) {
        self.s_re.fill(0.0);
        self.s_im.fill(0.0);
    }
}

struct Scan<'a> {
    layer: &'a mut StateSpace,
    len: usize,
}

impl Kernel for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (layer, len) = (self.layer, self.len);
        for at in (0..layer.width).step_by(S::LANES) {
            let d = s.load(&layer.d[at..]);
            let steps = layer
                .input
                .chunks_exact(layer.width)
                .zip(layer.output.chunks_exact_mut(layer.width));
            for (x, y) in steps.take(len) {
                s.store(&mut y[at..], s.mul(d, s.load(&x[at..])));
            }
            let mut n = 0;
            while n + 4 <= layer.states {
                scan::<S, 4>(s, layer, n, at, len);
                n += 4;
            }
            while n < layer.states {
                scan::<S, 1>(s, layer, n, at, len);
                n += 1;
            }
        }
    }
}

/// `N` states of the channels from `at` on, over all time steps.
#[inline(always)]
fn scan<S: Simd, const N: usize>(s: S, layer: &mut StateSpace, n: usize, at: usize, len: usize) {
    let load = |values: &[f32]| {
        let mut vectors = [s.zero(); N];
        for (i, v) in vectors.iter_mut().enumerate() {
            *v = s.load(&values[(n + i) * layer.width + at..]);
        }
        vectors
    };
    let (a_re, a_im) = (load(&layer.a_re), load(&layer.a_im));
    let (c_re, c_im) = (load(&layer.c_re), load(&layer.c_im));
    let (mut re, mut im) = (load(&layer.s_re), load(&layer.s_im));
    let steps = layer
        .input
        .chunks_exact(layer.width)
        .zip(layer.output.chunks_exact_mut(layer.width));
    for (x, y) in steps.take(len) {
        let x = s.load(&x[at..]);
        let mut sum = s.load(&y[at..]);
        for i in 0..N {
            let new_re = s.fma(a_re[i], re[i], s.fnma(a_im[i], im[i], x));
            im[i] = s.fma(a_re[i], im[i], s.mul(a_im[i], re[i]));
            re[i] = new_re;
            sum = s.fnma(c_im[i], im[i], s.fma(c_re[i], re[i], sum));
        }
        s.store(&mut y[at..], sum);
    }
    for i in 0..N {
        let place = (n + i) * layer.width + at;
        s.store(&mut layer.s_re[place..], flush(s, re[i]));
        s.store(&mut layer.s_im[place..], flush(s, im[i]));
    }
}
