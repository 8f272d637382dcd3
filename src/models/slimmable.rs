//! One capture in several sizes that learn side by side from the same windows. Players choose
//! among them by what the machine can afford; everything else here uses the full size.

use super::effect_network::{Build, EffectNetwork, Reach, Site};
use super::init::WeightInit;
use super::parts::latest;
use super::wavenet::WaveNet;
use super::work::Work;
use crate::config::WaveNetConfig;
use crate::network::{self, Architecture, AudioChannels, Control, Network, Submodel};
use burn::prelude::*;

/// WaveNets of ascending size.
#[derive(Module, Debug)]
pub struct SlimmableNetwork {
    sizes: Vec<WaveNet>,
    /// Below which position of the size knob (0..1) each is used.
    #[module(skip)]
    limits: Vec<f64>,
}

impl SlimmableNetwork {
    /// The sizes of `config`, at least one, for inputs of `inputs` channels: sound, then knobs.
    pub fn new(
        config: &WaveNetConfig,
        inputs: usize,
        audio: AudioChannels,
        init: &mut WeightInit,
    ) -> Self {
        let sizes = config.sizes();
        let build = |(_, config): &(f64, WaveNetConfig)| WaveNet::new(config, inputs, audio, init);
        Self {
            limits: sizes.iter().map(|(limit, _)| *limit).collect(),
            sizes: sizes.iter().map(build).collect(),
        }
    }

    /// Of given sizes, smallest first.
    pub(super) fn of(sizes: Vec<WaveNet>, limits: Vec<f64>) -> Self {
        Self { sizes, limits }
    }

    /// Of the size that hears furthest back.
    fn receptive_field(&self) -> usize {
        let fields = self.sizes.iter().map(WaveNet::receptive_field);
        fields.max().unwrap_or(1)
    }

    /// The sizes and their limits.
    pub fn sizes(&self) -> impl Iterator<Item = (f64, &WaveNet)> {
        self.limits.iter().copied().zip(&self.sizes)
    }
}

impl EffectNetwork for SlimmableNetwork {
    /// The full size: `[batch, inputs, context + n]` → `[batch, wet, n]`.
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        match self.sizes.last() {
            Some(full) => {
                let len = input.dims()[2] + 1 - self.receptive_field();
                latest(full.forward(input), len)
            }
            None => input,
        }
    }

    fn audio_channels(&self) -> AudioChannels {
        let full = self.sizes.last();
        full.map_or(AudioChannels::MONO, EffectNetwork::audio_channels)
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Samples(self.receptive_field())
    }

    /// Of all sizes.
    fn work(&self, window_len: usize) -> Work {
        self.sizes.iter().map(|size| size.work(window_len)).sum()
    }

    fn architecture(&self, sample_rate: u32, controls: &[Control]) -> Architecture {
        let submodel = |(max_value, size): (f64, &WaveNet)| Submodel {
            max_value,
            network: Box::new(Network {
                audio_channels: size.audio_channels(),
                controls: controls.to_vec(),
                ..Network::new(Architecture::WaveNet(size.describe()), sample_rate)
            }),
        };
        Architecture::Slimmable(network::Slimmable {
            submodels: self.sizes().map(submodel).collect(),
        })
    }

    /// Every size, smallest first, each `[batch, wet, n]`.
    fn forward_sizes(&self, input: Tensor<3>) -> Vec<Tensor<3>> {
        let len = input.dims()[2] + 1 - self.receptive_field();
        let sizes = self.sizes.iter();
        sizes
            .map(|size| latest(size.forward(input.clone()), len))
            .collect()
    }
}

impl<M: From<WaveNet> + From<SlimmableNetwork>> Build<M> for WaveNetConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let (inputs, audio, init) = (site.inputs, site.audio, &mut site.init);
        match self.is_slimmable() {
            true => SlimmableNetwork::new(self, inputs, audio, init).into(),
            false => WaveNet::new(self, inputs, audio, init).into(),
        }
    }
}
