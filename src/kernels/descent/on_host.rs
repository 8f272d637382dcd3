//! The step in host memory: every weight, its gradient and its moments are read once and written
//! once, the moments where they lie. Knows no tensors.

use super::step::{Descent, Scales, Way};
use crate::kernels::bridge::{ListWork, Values};
use crate::kernels::crew;
use crate::kernels::memory::Buffer;
use crate::simd::{Isa, Kernel, Simd};

/// A step of a list of tensors: first the weights, then as many gradients.
pub(super) struct HostDescent {
    pub step: Descent,
    /// What each tensor of weights decays by.
    pub decays: Vec<f32>,
    /// As long as all weights together; not looked at where the way is without.
    pub moments: [Vec<f32>; 2],
    /// The sum of the gradients' squares, where they are clipped.
    pub squares: f32,
}

/// Weights of a task: few enough for the first-level cache. Sums of squares are cut so, too.
const CHUNK: usize = 4096;

impl ListWork for HostDescent {
    fn run(&mut self, isa: Isa, inputs: &[Values<'_>]) -> Vec<Buffer> {
        let (weights, gradients) = inputs.split_at(inputs.len() / 2);
        if self.step.largest.is_some() {
            self.squares = sum_of_squares(isa, gradients);
        }
        let Some(scale) = self.scale() else {
            return weights.iter().map(|all| all.data.to_vec().into()).collect();
        };
        let mut updated: Vec<Buffer> = weights
            .iter()
            .map(|all| Buffer::new(all.data.len()))
            .collect();
        let walk = Walk {
            step: self.step,
            scales: self.step.scales(),
            scale,
        };
        let mut chunks = self.chunks(weights, gradients, &mut updated);
        crew::each_of_many(count(weights), &mut chunks, |chunk| {
            isa.run(Update { walk, chunk });
        });
        updated
    }
}

impl HostDescent {
    /// What gradients are multiplied by; `None` where they have no direction.
    fn scale(&self) -> Option<f32> {
        let Some(largest) = self.step.largest else {
            return Some(1.0);
        };
        let norm = self.squares.sqrt();
        norm.is_finite()
            .then(|| if norm > largest { largest / norm } else { 1.0 })
    }

    fn chunks<'a>(
        &'a mut self,
        weights: &[Values<'a>],
        gradients: &[Values<'a>],
        updated: &'a mut [Buffer],
    ) -> Vec<Chunk<'a>> {
        let mut chunks = Vec::new();
        let with_moments = self.step.way != Way::Plain;
        let mut moments = self.moments.each_mut().map(Vec::as_mut_slice);
        let places = weights.iter().zip(gradients).zip(updated).zip(&self.decays);
        for (((weights, gradients), updated), &decay) in places {
            assert_eq!(
                gradients.data.len(),
                weights.data.len(),
                "a gradient's length"
            );
            assert_eq!(updated.len(), weights.data.len(), "room for the weights");
            let mut updated: &mut [f32] = updated;
            for (weights, gradients) in weights.data.chunks(CHUNK).zip(gradients.data.chunks(CHUNK))
            {
                let count = weights.len();
                let of_moments = if with_moments { count } else { 0 };
                chunks.push(Chunk {
                    weights,
                    gradients,
                    decay,
                    moments: moments.each_mut().map(|all| first(all, of_moments)),
                    updated: first(&mut updated, count),
                });
            }
        }
        chunks
    }
}

/// Takes the first `count` off a slice.
fn first<'a, T>(slice: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (first, others) = std::mem::take(slice).split_at_mut(count);
    *slice = others;
    first
}

/// Of all tensors together.
fn count(tensors: &[Values<'_>]) -> usize {
    tensors.iter().map(|all| all.data.len()).sum()
}

/// Some weights of a tensor.
struct Chunk<'a> {
    weights: &'a [f32],
    gradients: &'a [f32],
    decay: f32,
    moments: [&'a mut [f32]; 2],
    updated: &'a mut [f32],
}

/// What is the same for all weights.
#[derive(Clone, Copy)]
struct Walk {
    step: Descent,
    scales: Scales,
    /// What gradients are multiplied by.
    scale: f32,
}

/// The update of a chunk: a plain loop, of which the compiler makes vector code of each instruction
/// set; without fused products, so all have the same bits.
struct Update<'a, 'b> {
    walk: Walk,
    chunk: &'a mut Chunk<'b>,
}

impl Kernel for Update<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        match self.walk.step.way {
            Way::Plain => self.plain(),
            Way::Adam {
                decoupled: false, ..
            } => self.adam::<false>(),
            Way::Adam { .. } => self.adam::<true>(),
        }
    }
}

impl Update<'_, '_> {
    #[inline(always)]
    fn plain(self) {
        let Self { walk, chunk } = self;
        let (rate, decay) = (walk.step.rate, chunk.decay);
        let places = chunk.weights.iter().zip(chunk.gradients);
        for ((weight, gradient), updated) in places.zip(&mut *chunk.updated) {
            let gradient = gradient * walk.scale + decay * weight;
            *updated = weight - gradient * rate;
        }
    }

    #[inline(always)]
    fn adam<const DECOUPLED: bool>(self) {
        let Self { walk, chunk } = self;
        let rate = walk.step.rate;
        let Scales {
            keep_first,
            keep_second,
            factor,
            epsilon,
        } = walk.scales;
        let (take_first, take_second) = (1.0 - keep_first, 1.0 - keep_second);
        let (decay, kept) = match DECOUPLED {
            true => (0.0, 1.0 - rate * chunk.decay),
            false => (chunk.decay, 1.0),
        };
        let [first, second] = &mut chunk.moments;
        let places = chunk.weights.iter().zip(chunk.gradients);
        let moments = first.iter_mut().zip(second.iter_mut());
        for (((weight, gradient), (m, v)), updated) in places.zip(moments).zip(&mut *chunk.updated)
        {
            let gradient = gradient * walk.scale + decay * weight;
            *m = *m * keep_first + gradient * take_first;
            *v = *v * keep_second + gradient * gradient * take_second;
            let delta = *m * factor / (v.sqrt() + epsilon);
            *updated = weight * kept - delta * rate;
        }
    }
}

/// Of all gradients: chunk by chunk in 32 bits, as the numbers themselves are, and these in their order.
fn sum_of_squares(isa: Isa, gradients: &[Values<'_>]) -> f32 {
    let chunks = gradients.iter().flat_map(|all| all.data.chunks(CHUNK));
    let mut sums: Vec<(&[f32], f32)> = chunks.map(|chunk| (chunk, 0.0)).collect();
    let sum = |(chunk, sum): &mut (&[f32], f32)| *sum = isa.run(Squares(chunk));
    crew::each_of_many(count(gradients), &mut sums, sum);
    sums.iter().map(|(_, sum)| f64::from(*sum)).sum::<f64>() as f32
}

struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        // Two sums, since each waits for its own last addition.
        let mut sums = [s.zero(); 2];
        let mut pairs = self.0.chunks_exact(2 * S::LANES);
        for pair in &mut pairs {
            for (sum, half) in sums.iter_mut().zip(pair.chunks_exact(S::LANES)) {
                let values = s.load(half);
                *sum = s.fma(values, values, *sum);
            }
        }
        let rest: f32 = pairs.remainder().iter().map(|value| value * value).sum();
        s.sum(s.add(sums[0], sums[1])) + rest
    }
}
