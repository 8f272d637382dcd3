//! One filter: what a linear effect is. Its taps are solved for, not searched; see
//! [`Fir::solved`]. Knows no other network.

use super::effect_network::{Build, EffectNetwork, Reach, Site};
use super::parts::Conv;
use super::work::Work;
use crate::config::FirConfig;
use crate::kernels;
use crate::network::{self, Architecture, AudioChannels, Branches, Control, Join, Layer, Split};
use burn::module::Param;
use burn::prelude::*;

/// `y[t] = Σ h[k]·x[t − k]`; of a stereo effect a filter from each dry channel to each side.
#[derive(Module, Debug)]
pub struct Fir {
    filter: Conv,
}

impl Fir {
    /// The filter with this impulse response.
    pub fn solved(taps: &[f32], device: &Device) -> Self {
        Self::of_sides(&[vec![taps.to_vec()]], device)
    }

    /// Filters with these impulse responses, all of one length: `[wet][dry]`.
    pub fn of_sides(filters: &[Vec<Vec<f32>>], device: &Device) -> Self {
        let dry = filters.first().map_or(1, Vec::len);
        let taps = filters.iter().flatten().next().map_or(1, Vec::len);
        // The oldest tap comes first.
        let each = filters.iter().flatten();
        let weight: Vec<f32> = each.flat_map(|h| h.iter().rev().copied()).collect();
        let data = TensorData::new(weight, [filters.len(), dry, taps]);
        let weight = Param::from_tensor(Tensor::from_data(data, device));
        Self {
            filter: Conv::of(weight),
        }
    }
}

/// Taps from which a transform is quicker than a sum for each sample.
const LONG: usize = 2048;

impl EffectNetwork for Fir {
    /// `[batch, dry, taps − 1 + n]` → `[batch, wet, n]`.
    fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        if self.filter.context() < LONG {
            return self.filter.forward(dry);
        }
        let AudioChannels { dry: heard, wet } = self.audio_channels();
        let each = |output: usize, input: usize| {
            let sound = dry.clone().narrow(1, input, 1);
            kernels::long_filter(sound, self.filter.newest_first(output, input))
        };
        let side = |output: usize| {
            let first = each(output, 0);
            (1..heard).fold(first, |sum, input| sum + each(output, input))
        };
        match wet {
            1 => side(0),
            _ => Tensor::cat((0..wet).map(side).collect(), 1),
        }
    }

    fn audio_channels(&self) -> AudioChannels {
        let [wet, dry, _] = self.filter.shape();
        AudioChannels { dry, wet }
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Samples(self.filter.context() + 1)
    }

    fn work(&self, len: usize) -> Work {
        Work::nth(0, self.filter.macs() * len)
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        let filters = self.filter.describe();
        let is_apart = !self.audio_channels().is_mono() && filters.kernel_size >= LONG;
        Architecture::Sequential(network::Sequential {
            input_channels: filters.in_channels,
            layers: vec![match is_apart {
                true => apart(&filters),
                false => Layer::Conv1d(filters),
            }],
        })
    }
}

/// The same filters each by itself, as long ones are played by FFT.
fn apart(filters: &network::Conv1d) -> Layer {
    let taps = filters.kernel_size;
    let one = |filter: &[f32]| {
        let filter = network::Conv1d {
            kernel_size: taps,
            ..network::Conv1d::dense(1, 1, filter.to_vec(), Vec::new())
        };
        vec![Layer::Conv1d(filter)]
    };
    let side = |side: &[f32]| {
        let heard: Vec<Vec<Layer>> = side.chunks_exact(taps).map(one).collect();
        match heard.len() {
            1 => heard.into_iter().flatten().collect(),
            inputs => vec![Layer::Branches(Branches {
                split: Split::Slice(vec![1; inputs]),
                branches: heard,
                join: Join::Sum,
            })],
        }
    };
    let sides = filters.weight.chunks_exact(taps * filters.in_channels);
    Layer::Branches(Branches {
        split: Split::Copy,
        branches: sides.map(side).collect(),
        join: Join::Concat,
    })
}

impl<M: From<Fir>> Build<M> for FirConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let shape = [site.audio.wet, site.audio.dry, self.taps];
        let filter = Conv::new(shape, 1, false, &mut site.init);
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
