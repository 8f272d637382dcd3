//! All networks as one type: one line per network in the list below. Every question goes to the
//! network that is there.

use super::effect_network::{Build, EffectNetwork, Site};
use super::init::WeightInit;
use super::modulated::Modulated;
use super::tailed::Tailed;
use crate::config::{Config, ModelConfig, WindowConfig};
use crate::dsp::modulation::Modulation;
use crate::network::{AudioChannels, Control, Network};
use burn::prelude::*;
use std::ops::{Deref, DerefMut};

macro_rules! effect_model {
    ($($variant:ident($network:path),)*) => {
        /// One of the networks. Answers every [`EffectNetwork`] question by it.
        #[derive(Module, Debug)]
        #[allow(missing_docs, reason = "what a network is stands at its type")]
        pub enum EffectModel {
            $($variant($network),)*
        }

        impl Deref for EffectModel {
            type Target = dyn EffectNetwork;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$variant(network) => network,)*
                }
            }
        }

        impl DerefMut for EffectModel {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self {
                    $(Self::$variant(network) => network,)*
                }
            }
        }

        $(impl From<$network> for EffectModel {
            fn from(network: $network) -> Self {
                Self::$variant(network)
            }
        })*
    };
}

// The variants' names are part of saved weights.
effect_model! {
    Dense(super::dense::DenseNetwork),
    EncoderDecoder(super::encoder_decoder::EncoderDecoder),
    WaveNet(super::wavenet::WaveNet),
    Recurrent(super::recurrent::RecurrentNetwork),
    Tcn(super::tcn::Tcn),
    S4d(super::s4d::S4dNetwork),
    S4Tf(super::s4_tf::S4TfNetwork),
    WienerHammerstein(super::wiener_hammerstein::WienerHammerstein),
    Fir(super::fir::Fir),
    Modulated(Modulated),
    Slimmable(super::slimmable::SlimmableNetwork),
    Tailed(Tailed<EffectModel>),
}

macro_rules! build_network {
    ($($(#[$doc:meta])* $kind:ident($settings:ident) = $name:literal,)*) => {
        fn build_network<'a>(model: &'a ModelConfig, site: &mut Site<'a>) -> EffectModel {
            match model {
                $(ModelConfig::$kind(settings) => settings.build(site),)*
                ModelConfig::Tailed(tailed) => {
                    site.model = &tailed.network;
                    let network = build_network(&tailed.network, site);
                    Tailed::drawn(network, &tailed.tail, &mut site.init).into()
                }
            }
        }
    };
}

effigy_base::for_each_network!(build_network);

/// Builds the network of `config` for that many knobs, with weights drawn from `seed`: the same
/// on every device. Networks that take no knobs
/// ([`takes_controls`](crate::config::NetworkConfig::takes_controls)) ignore them.
pub fn build(
    config: &ModelConfig,
    windows: &WindowConfig,
    controls: usize,
    seed: u64,
    device: &Device,
) -> EffectModel {
    build_for(AudioChannels::MONO, config, windows, controls, seed, device)
}

/// The same for so many channels of sound. Networks that are of one channel
/// ([`takes_stereo`](crate::config::NetworkConfig::takes_stereo)) ignore them.
pub fn build_for(
    audio: AudioChannels,
    config: &ModelConfig,
    windows: &WindowConfig,
    controls: usize,
    seed: u64,
    device: &Device,
) -> EffectModel {
    let mut site = Site {
        model: config,
        windows,
        inputs: audio.dry + controls,
        audio,
        init: WeightInit::new(seed, device),
    };
    build_network(config, &mut site)
}

/// The network that a run's config describes, as [`build`] makes it.
pub fn of_config(config: &Config, device: &Device) -> EffectModel {
    let (audio, knobs) = (config.data.audio_channels(), config.data.knobs().len());
    let Config {
        model,
        windows,
        seed,
        ..
    } = config;
    build_for(audio, model, windows, knobs, *seed, device)
}

impl EffectModel {
    /// The sizes of a slimmable network as networks of their own, smallest first; else itself.
    pub fn sizes(&self) -> Vec<Self> {
        match self {
            Self::Slimmable(network) => network
                .sizes()
                .map(|(_, size)| Self::WaveNet(size.clone()))
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// The same network with what its last layer hears as its answer, `[batch, features, n]`; `None` where
    /// that is not one of [`EffectNetwork::head_mut`].
    pub fn opened(&self) -> Option<Self> {
        let mut opened = match self.clone() {
            Self::Recurrent(network) => Self::Recurrent(network.without_skip()),
            other => other,
        };
        let head = opened.head_mut()?;
        *head = head.opened();
        Some(opened)
    }

    /// As versions before had it, where it had other weights then, which runs of theirs hold.
    pub fn of_old(&self) -> Option<Self> {
        match self {
            Self::EncoderDecoder(network) => network.of_old().map(Self::EncoderDecoder),
            _ => None,
        }
    }

    /// The same network as this effect, where it is one that moves by itself; its oscillator so far ahead
    /// on the right, where it has a right side, radians.
    pub fn with_motion(self, effect: &Modulation, ahead: f64) -> Self {
        match self {
            Self::Modulated(modulated) => Self::Modulated(modulated.with(effect).with_ahead(ahead)),
            other => other,
        }
    }

    /// The effect that moves by itself, where it is one.
    pub fn modulated(&self) -> Option<&Modulated> {
        match self {
            Self::Modulated(modulated) => Some(modulated),
            _ => None,
        }
    }

    /// Knobs that say, with the first sample heard, what these say so many samples later: of one that moves
    /// by itself its phase, of others the same.
    pub fn knobs_before(&self, knobs: &[f32], samples: i64) -> Vec<f32> {
        match self {
            Self::Modulated(modulated) => modulated.knobs_before(knobs, samples),
            _ => knobs.to_vec(),
        }
    }

    /// The network in front of a tail, where there is one.
    pub fn tailed(&self) -> Option<&Tailed<Self>> {
        match self {
            Self::Tailed(tailed) => Some(tailed),
            _ => None,
        }
    }

    /// The same network with these taps in its tail, as many as it has; without a tail, itself.
    pub fn with_tail(self, taps: &[f32]) -> Self {
        match self {
            Self::Tailed(tailed) => Self::Tailed(tailed.with_taps(taps.to_vec())),
            other => other,
        }
    }

    /// The network as numbers: what the engine plays and the file formats write.
    pub fn describe(&self, sample_rate: u32, controls: Vec<Control>) -> Network {
        let architecture = self.architecture(sample_rate, &controls);
        Network {
            audio_channels: self.audio_channels(),
            controls,
            delay_samples: self.lookahead(),
            tail: self.tail(),
            ..Network::new(architecture, sample_rate)
        }
    }
}
