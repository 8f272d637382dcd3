//! What a network with memory hands from one block to the next.

use burn::prelude::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::VecDeque;

/// Tensors `[batch, …]` in the order of the layers; empty: nothing heard yet, all zeros.
#[derive(Clone, Debug, Default)]
pub struct State(VecDeque<Part>);

#[derive(Clone, Debug)]
struct Part {
    values: Tensor<2>,
    /// Whether the layer makes no number of it beyond ±1, as h of an LSTM or a GRU.
    is_within_one: bool,
}

impl State {
    /// The next layer's part.
    pub(super) fn take(&mut self) -> Option<Tensor<2>> {
        self.0.pop_front().map(|part| part.values)
    }

    /// Appends a layer's part.
    pub(super) fn push(&mut self, values: Tensor<2>) {
        self.0.push_back(Part {
            values,
            is_within_one: false,
        });
    }

    /// Appends a layer's part of which it makes no number beyond ±1.
    pub(super) fn push_within_one(&mut self, values: Tensor<2>) {
        self.0.push_back(Part {
            values,
            is_within_one: true,
        });
    }

    /// The same with `part` before the others.
    pub(super) fn behind(mut self, values: Tensor<2>) -> Self {
        self.0.push_front(Part {
            values,
            is_within_one: false,
        });
        self
    }

    /// Whether nothing was heard yet, as for ever in a network without memory.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The state of these rows of the batch, in this order.
    pub fn rows(&self, rows: &[i32], device: &Device) -> Self {
        self.clone().each(|part| {
            let rows = Tensor::<1, Int>::from_data(TensorData::from(rows), device);
            part.values.clone().select(0, rows)
        })
    }

    /// The same, but for rows that have a seed, which hold noise drawn from it: `size` its standard
    /// deviation, or, of what no layer makes larger than 1, anything up to that. (From beyond it a GRU's
    /// slow units lead back as slowly as they forget, which is nothing to learn from, and steepens
    /// gradients without bound.)
    pub fn strayed(self, seeds: &[Option<u64>], size: f32) -> Self {
        if seeds.iter().all(Option::is_none) {
            return self;
        }
        let mut draws: Vec<_> = seeds
            .iter()
            .map(|seed| seed.map(ChaCha8Rng::seed_from_u64))
            .collect();
        self.each(|part| {
            let [rows, width] = part.values.dims();
            let mut kept = vec![1.0; rows * width];
            let mut noise = vec![0.0; rows * width];
            let both = kept
                .chunks_exact_mut(width)
                .zip(noise.chunks_exact_mut(width));
            for ((kept, noise), draws) in both.zip(&mut draws) {
                if let Some(draws) = draws {
                    kept.fill(0.0);
                    noise.fill_with(|| match part.is_within_one {
                        true => draws.random_range(-1.0..=1.0),
                        false => size * normal(draws),
                    });
                }
            }
            let device = part.values.device();
            let of = |values| Tensor::from_data(TensorData::new(values, [rows, width]), &device);
            part.values.clone() * of(kept) + of(noise)
        })
    }

    /// The same on another device.
    pub fn to_device(self, device: &Device) -> Self {
        self.each(|part| part.values.clone().to_device(device))
    }

    /// The same values, through which no gradient flows back.
    pub fn detach(self) -> Self {
        self.each(|part| part.values.clone().detach())
    }

    fn each(self, mut values: impl FnMut(&Part) -> Tensor<2>) -> Self {
        let parts = self.0.into_iter().map(|part| Part {
            values: values(&part),
            ..part
        });
        Self(parts.collect())
    }
}

/// Nearly normal: the sum of twelve even draws.
fn normal(draws: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| draws.random_range(-0.5..=0.5f32)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_row_is_noise_of_its_seed_and_the_others_stay() {
        let device = Device::flex();
        let mut state = State::default();
        state.push_within_one(Tensor::ones([3, 3], &device));
        state.push(Tensor::ones([3, 500], &device));
        let rows = |seeds: &[Option<u64>]| -> Vec<Vec<f32>> {
            let strayed = state.clone().strayed(seeds, 2.0);
            let [first, last] = [&strayed.0[0], &strayed.0[1]].map(|part| part.values.clone());
            // An LSTM's h is within ±1.
            let first = first.into_data().try_to_vec::<f32>().unwrap();
            assert!(first.iter().all(|h| h.abs() <= 1.0), "{first:?}");
            for (row, seed) in first.chunks(3).zip(seeds) {
                assert_eq!(row == [1.0; 3], seed.is_none(), "{first:?}");
            }
            let values = last.into_data().try_to_vec::<f32>().unwrap();
            values.chunks(500).map(<[f32]>::to_vec).collect()
        };
        let one = rows(&[None, Some(7), None]);
        assert!(one[0] == [1.0; 500] && one[2] == [1.0; 500]);
        let other = rows(&[Some(7), None, Some(8)]);
        // What is drawn does not depend on the row.
        assert_eq!(one[1], other[0]);
        assert_ne!(other[0], other[2]);
        let mean = one[1].iter().sum::<f32>() / 500.0;
        let power = one[1].iter().map(|x| x * x).sum::<f32>() / 500.0;
        // Four standard errors: 2/√500 of the mean, 4·√(2/500) of the power.
        assert!(
            mean.abs() < 0.36 && (power - 4.0).abs() < 1.02,
            "{mean} {power}"
        );
    }
}
