//! Networks from window to window, streaming: a window is computed when its last sample has
//! come, and added to those before it under the window function.

use super::activation::Function;
use super::block::{Block, Line};
use super::node::{Node, Plannable};
use super::plan::Plan;
use crate::network::{DescriptionError, WindowNetwork};
use crate::simd::{Isa, Kernel, Simd};

#[derive(Debug)]
struct WindowNode {
    isa: Isa,
    window_len: usize,
    hop: usize,
    layers: Vec<Dense>,
    /// The last `window_len` samples.
    line: Line,
    weights: Vec<f32>,
    /// The sum of windows from the sample on that the latest window starts at.
    sum: Vec<f32>,
    /// Samples until the next window is complete.
    due: usize,
    /// Samples of `sum` already given.
    given: usize,
    /// Samples until the output reaches the first sample of the input.
    silent: usize,
    values: Vec<f32>,
    next: Vec<f32>,
}

#[derive(Debug)]
struct Dense {
    /// `[outputs][inputs]`
    weight: Vec<f32>,
    bias: Vec<f32>,
    function: Function,
}

impl Plannable for WindowNetwork {
    fn node(&self, _: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let floats = self.layers.iter().map(|l| l.weight.len() + l.bias.len());
        plan.claim(1, floats.fold(0, usize::saturating_add))?;
        let layers: Vec<Dense> = self
            .layers
            .iter()
            .map(|dense| Dense {
                weight: dense.weight.clone(),
                bias: dense.bias.clone(),
                function: Function::new(&dense.activation, dense.bias.len()),
            })
            .collect();
        let widest = layers
            .iter()
            .map(|l| l.bias.len())
            .max()
            .unwrap_or(0)
            .max(self.window_len);
        plan.set_on_grid();
        let weight = |i| window_weight(i, self.window_len, self.hop) as f32;
        Ok(Box::new(WindowNode {
            isa: plan.isa,
            window_len: self.window_len,
            hop: self.hop,
            layers,
            line: Line::new(1, Some(self.window_len), plan)?,
            weights: (0..self.window_len).map(weight).collect(),
            sum: vec![0.0; self.window_len],
            due: self.hop,
            given: 0,
            silent: self.window_len - 1,
            values: vec![0.0; widest],
            next: vec![0.0; widest],
        }))
    }
}

impl Node for WindowNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        self.line.take(block, len);
        for (t, y) in block.row_mut(0, len).iter_mut().enumerate() {
            self.due -= 1;
            if self.due == 0 {
                self.window(self.line.at() + t + 1);
                (self.due, self.given) = (self.hop, 0);
            }
            *y = match self.silent {
                0 => self.sum[self.given],
                _ => 0.0,
            };
            self.silent = self.silent.saturating_sub(1);
            // Before the first window there is nothing to give, and `silent` still holds.
            self.given = (self.given + 1).min(self.hop - 1);
        }
        self.line.advance(len);
    }

    fn reset(&mut self) {
        self.line.reset();
        self.sum.fill(0.0);
        (self.due, self.given, self.silent) = (self.hop, 0, self.window_len - 1);
    }
}

impl WindowNode {
    /// Computes the window that ends before `end` in the line, and adds it to the sum.
    fn window(&mut self, end: usize) {
        self.sum.copy_within(self.hop.., 0);
        self.sum[self.window_len - self.hop..].fill(0.0);
        self.values[..self.window_len]
            .copy_from_slice(&self.line.samples()[end - self.window_len..end]);
        let mut width = self.window_len;
        for dense in &self.layers {
            self.isa.run(Multiply {
                dense,
                input: &self.values[..width],
                output: &mut self.next,
            });
            width = dense.bias.len();
            if let Function::Softmax = dense.function {
                softmax(&mut self.next[..width]);
            }
            std::mem::swap(&mut self.values, &mut self.next);
        }
        for ((sum, value), weight) in self.sum.iter_mut().zip(&self.values).zip(&self.weights) {
            *sum += value * weight;
        }
    }
}

/// The periodic Hann window scaled so that windows `hop` apart sum to one; 1 without overlap.
fn window_weight(i: usize, window_len: usize, hop: usize) -> f64 {
    if hop == window_len {
        return 1.0;
    }
    let phase = std::f64::consts::TAU * i as f64 / window_len as f64;
    (1.0 - phase.cos()) * hop as f64 / window_len as f64
}

fn softmax(values: &mut [f32]) {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values.iter_mut().for_each(|v| *v = (*v - most).exp());
    let sum: f32 = values.iter().sum();
    values.iter_mut().for_each(|v| *v /= sum);
}

/// output = function(weight · input + bias)
struct Multiply<'a> {
    dense: &'a Dense,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Dense {
            weight,
            bias,
            function,
        } = self.dense;
        let rows = weight.chunks_exact(self.input.len()).zip(bias);
        for (unit, ((row, bias), y)) in rows.zip(self.output.iter_mut()).enumerate() {
            let z = bias + dot(s, row, self.input);
            let z = function.apply(s, s.splat(z), unit);
            // SAFETY: one float is written to one float.
            unsafe { s.store_part(y, z, 1) };
        }
    }
}

/// Σ a·b in four interleaved sums.
#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [s.zero(); 4];
    let (a, b) = (a.chunks_exact(4 * S::LANES), b.chunks_exact(4 * S::LANES));
    let tail = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(a, b)| a * b)
        .sum::<f32>();
    for (a, b) in a.zip(b) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = s.fma(s.load(&a[i * S::LANES..]), s.load(&b[i * S::LANES..]), *sum);
        }
    }
    let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
    s.sum(sum) + tail
}
