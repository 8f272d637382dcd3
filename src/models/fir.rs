//! One filter: what a linear effect is. Its taps are solved for, not searched; see
//! [`Fir::solved`]. Knows no other network.

use super::effect_network::{Build, EffectNetwork, Reach, Site};
use super::parts::Conv;
use super::work::Work;
use crate::config::FirConfig;
use crate::kernels;
use crate::network::{self, Architecture, Control, Layer};
use burn::module::Param;
use burn::prelude::*;

/// `y[t] = Σ h[k]·x[t − k]`.
#[derive(Module, Debug)]
pub struct Fir {
    filter: Conv,
}

impl Fir {
    /// The filter with this impulse response.
    pub fn solved(taps: &[f32], device: &Device) -> Self {
        // The oldest tap comes first.
        let weight: Vec<f32> = taps.iter().rev().copied().collect();
        let data = TensorData::new(weight, [1, 1, taps.len()]);
        let weight = Param::from_tensor(Tensor::from_data(data, device));
        Self {
            filter: Conv::of(weight),
        }
    }
}

/// Taps from which a transform is quicker than a sum for each sample.
const LONG: usize = 2048;

impl EffectNetwork for Fir {
    /// `[batch, 1, taps − 1 + n]` → `[batch, 1, n]`.
    fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        match self.filter.context() < LONG {
            true => self.filter.forward(dry),
            false => kernels::long_filter(dry, self.filter.newest_first()),
        }
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Samples(self.filter.context() + 1)
    }

    fn work(&self, len: usize) -> Work {
        Work::nth(0, self.filter.macs() * len)
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        Architecture::Sequential(network::Sequential {
            input_channels: 1,
            layers: vec![Layer::Conv1d(self.filter.describe())],
        })
    }
}

impl<M: From<Fir>> Build<M> for FirConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let filter = Conv::new([1, 1, self.taps], 1, false, &mut site.init);
        Fir { filter }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tap_answers_the_newest_sample() {
        let fir = Fir::solved(&[1.0, 0.5, 0.25], &Device::flex());
        let impulse = Tensor::<3>::from_floats([[[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]], &Device::flex());
        let heard: Vec<f32> = fir.forward(impulse).into_data().try_to_vec().unwrap();
        assert_eq!(heard, [1.0, 0.5, 0.25, 0.0]);
    }
}
