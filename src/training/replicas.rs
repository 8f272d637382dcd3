//! A network on several devices at once, each with its share of every batch.
//!
//! What they answer is brought together on the first, where the loss of the whole batch is made, as on
//! one device: a ratio such as the ESR is none of means over shares. The gradient goes back the same
//! way, and each device leaves that of its share, which are added up in the devices' order; so a run
//! is the same from time to time, and that on one device but for the order of that sum.
//!
//! Nothing here outlives an epoch: a run can be resumed on other devices.

use super::feed::Feed;
use super::flat;
use super::settled::Settled;
use super::truncated::TruncatedBatch;
use crate::data::windows::Windows;
use crate::kernels::join;
use crate::models::EffectModel;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::prelude::*;
use std::ops::Range;

/// The network on the devices beside the first.
#[derive(Debug, Default)]
pub struct Replicas(Vec<Replica>);

#[derive(Debug)]
struct Replica {
    device: Device,
    model: EffectModel,
}

impl Replicas {
    /// `model`, which stays where it is, on these devices too.
    pub fn of(model: &EffectModel, others: &[Device]) -> Self {
        let replica = |device: &Device| {
            let device = device.clone().autodiff();
            Replica {
                model: model.clone().fork(&device),
                device,
            }
        };
        Self(others.iter().map(replica).collect())
    }

    /// The weights of `model` everywhere.
    pub fn follow(&mut self, model: &EffectModel) {
        if self.0.is_empty() {
            return;
        }
        let weights = flat::weights(&model.valid());
        let lens: Vec<usize> = weights.iter().map(|all| all.dims()[0]).collect();
        let joined = join(weights);
        for replica in &mut self.0 {
            let weights = joined.clone().to_device(&replica.device);
            let weights = weights.split_with_sizes(lens.clone(), 0);
            replica.model = flat::with_weights(replica.model.valid(), weights).train();
        }
    }

    /// The gradient of a batch's loss, `[1]`, by the weights of `model`.
    pub fn gradients(&self, loss: Tensor<1>, model: &EffectModel) -> GradientsParams {
        let mut all = loss.backward();
        let first = GradientsParams::from_module(&mut all, model);
        if self.0.is_empty() {
            return first;
        }
        let Some(mut sum) = flat::gradients(model, &first) else {
            return first;
        };
        for replica in &self.0 {
            let share = GradientsParams::from_module(&mut all, &replica.model);
            // One that had no share of a short batch has none.
            if let Some(share) = flat::gradients(&replica.model, &share) {
                sum = sum.clone() + share.to_device(&sum.device());
            }
        }
        flat::with_gradients(model, first, sum)
    }

    /// Starts on the windows of these indices (at least one), cut into shares that differ by at most a
    /// window; of fewer windows than devices the last ones get none.
    pub fn begin(
        &self,
        model: &EffectModel,
        (feed, windows, indices): (&Feed, &Windows, &[usize]),
        step_len: Option<usize>,
        settled: &Settled,
    ) -> SharedBatch {
        let places = std::iter::once((settled.device(), model));
        let places = places.chain(self.0.iter().map(|one| (&one.device, &one.model)));
        let mut shares = Vec::new();
        for ((device, model), range) in places.zip(shares_of(indices.len(), 1 + self.0.len())) {
            let share = &indices[range];
            let start = settled.of_batch(windows, share);
            let start = start.to_device(device);
            let tensors = feed.batch((windows, share), device, settled.device());
            shares.push(TruncatedBatch::begin(model, tensors, step_len, start));
        }
        SharedBatch(shares)
    }
}

/// Ranges of `count` windows for so many devices; none is empty.
fn shares_of(count: usize, devices: usize) -> impl Iterator<Item = Range<usize>> {
    let devices = devices.min(count);
    (0..devices).map(move |at| at * count / devices..(at + 1) * count / devices)
}

/// A batch under way.
#[derive(Debug)]
pub struct SharedBatch(Vec<TruncatedBatch>);

impl SharedBatch {
    /// As [`TruncatedBatch::advance`] of all shares, brought together on the first device.
    pub fn advance(
        &mut self,
        model: &EffectModel,
        replicas: &Replicas,
    ) -> Option<(Tensor<3>, Vec<Tensor<3>>)> {
        let models = std::iter::once(model).chain(replicas.0.iter().map(|one| &one.model));
        // All are asked before one is waited for: that they work meanwhile is what they are for.
        let shares = self.0.iter_mut().zip(models);
        let mut sides: Vec<_> = shares
            .filter_map(|(share, model)| share.advance(model))
            .collect();
        if sides.len() <= 1 {
            return sides.pop();
        }
        let (wet, predicted): (Vec<_>, Vec<_>) = sides.into_iter().unzip();
        let first = wet[0].device();
        let of_size = |size: usize| {
            let shares = predicted.iter().map(|sizes| &sizes[size]);
            let shares = shares.map(|share| share.clone().to_device(&first));
            Tensor::cat(shares.collect(), 0)
        };
        let sizes = (0..predicted[0].len()).map(of_size).collect();
        Some((Tensor::cat(wet, 0), sizes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::config::{LossConfig, ModelConfig, WindowConfig};
    use crate::data::pair::{DryWetPair, Span};
    use crate::device::{DeviceChoice, select};
    use crate::models::{self, loss};
    use crate::training::evaluate;
    use std::sync::Arc;

    #[test]
    fn shares_are_all_and_nearly_equal() {
        let lens = |count, devices| -> Vec<usize> {
            let ranges: Vec<_> = shares_of(count, devices).collect();
            let all: Vec<usize> = ranges.iter().cloned().flatten().collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            ranges.into_iter().map(|range| range.len()).collect()
        };
        assert_eq!(lens(16, 1), [16]);
        assert_eq!(lens(16, 3), [5, 5, 6]);
        assert_eq!(lens(2, 4), [1, 1]);
    }

    const WINDOWS: WindowConfig = WindowConfig {
        window_len: 40,
        hop: 40,
        per_epoch: None,
    };

    fn windows(model: &EffectModel) -> Windows {
        let sound = |n: usize| (0.37 * n as f32 + 1e-3 * (n * n % 977) as f32).sin();
        let dry: Vec<f32> = (0..600).map(sound).collect();
        // Ever louder, so that a share's own ESR is not that of all.
        let wet = dry.iter().enumerate();
        let wet = wet.map(|(n, x)| (0.01 * n as f32 * x).tanh()).collect();
        let pair = DryWetPair::aligned("p", SampleRate::new(8000).unwrap(), dry, wet, 0);
        let spans = vec![Span::new(Arc::new(pair), 0..600)];
        Windows::cut(
            spans,
            WINDOWS.window_len,
            WINDOWS.hop,
            evaluate::reach(model),
        )
    }

    /// Of a batch of five windows.
    fn gradient(model: &EffectModel, replicas: &Replicas, config: &LossConfig) -> Vec<f32> {
        let device = Device::flex().autodiff();
        let windows = windows(model);
        let settled = Settled::find(model, &windows, &device, None);
        let feed = Feed::default();
        let chosen = (&feed, &windows, &[0, 3, 6, 9, 11][..]);
        let mut batch = replicas.begin(model, chosen, None, &settled);
        let (wet, predicted) = batch.advance(model, replicas).unwrap();
        let loss = loss::of_sizes(config, wet, predicted);
        let grads = replicas.gradients(loss, model);
        let all = flat::gradients(model, &grads).unwrap();
        all.into_data().try_to_vec().unwrap()
    }

    /// The ESR of a batch is no mean of those of its shares: they differ by far more than rounding.
    #[test]
    fn the_gradient_is_that_of_the_whole_batch() {
        let mut places = vec![vec![Device::flex()], vec![Device::flex(); 2]];
        match select(DeviceChoice::Wgpu(0)) {
            Ok(card) => places.push(vec![card.device]),
            Err(_) => eprintln!("skipped: no Vulkan driver here (Debian: mesa-vulkan-drivers)"),
        }
        let esr: LossConfig = toml::from_str("mse = 0.0\nesr = 1.0").unwrap();
        for network in [
            "kind = \"tcn\"\nlayers = 2",
            "kind = \"lstm\"\nwarm_up = 16",
        ] {
            let config: ModelConfig = toml::from_str(network).unwrap();
            let model = models::build(&config, &WINDOWS, 0, 1, &Device::flex()).train();
            let expected = gradient(&model, &Replicas::default(), &esr);
            let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
            for others in &places {
                let mut replicas = Replicas::of(&model, others);
                for _ in 0..2 {
                    let found = gradient(&model, &replicas, &esr);
                    assert_eq!(found.len(), expected.len());
                    for (a, b) in found.iter().zip(&expected) {
                        // Sums of some hundred terms in another order.
                        assert!(
                            (a - b).abs() < 2e-5 * largest,
                            "{network} {others:?}: {a} {b}"
                        );
                    }
                    // Sent again: the same weights.
                    replicas.follow(&model);
                }
            }
        }
    }
}
