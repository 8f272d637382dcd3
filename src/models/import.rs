//! From a plain description to a network that can be trained, and to the config that builds
//! the same network again.

use super::recurrent::Form;
use super::{EffectModel, RecurrentNetwork, SlimmableNetwork, Tailed, WaveNet};
use crate::config::{
    FrontConfig, ModelConfig, RecurrentConfig, TailConfig, TailedConfig, WaveNetArray,
    WaveNetConfig, WaveNetPreset, WindowConfig,
};
use crate::network::{
    self, Architecture, AudioChannels, DescriptionError, Layer, Network, Sequential,
};
use burn::module::Module;
use burn::prelude::*;

/// A network taken from a description.
#[derive(Debug)]
pub struct Imported {
    /// With the description's weights.
    pub model: EffectModel,
    /// What builds a network of this shape.
    pub config: ModelConfig,
}

/// A trainable network on `device` that plays what `network` describes; recurrent ones start
/// from zero, whatever initial state is described.
///
/// # Errors
/// Names what cannot be trained here, only played.
pub fn import(network: &Network, device: &Device) -> Result<Imported, DescriptionError> {
    network.validate()?;
    if !network.tail.is_empty() {
        let before = import(&network.without_tail(), device)?;
        let tail = TailConfig {
            taps: network.tail.len(),
            ..TailConfig::default()
        };
        return Ok(Imported {
            model: Tailed::new(before.model, network.tail.clone(), device).into(),
            config: ModelConfig::Tailed(Box::new(TailedConfig {
                network: before.config,
                tail,
            })),
        });
    }
    let (model, config) = match &network.architecture {
        Architecture::WaveNet(wavenet) => {
            let model = WaveNet::from_description(wavenet, network.audio_channels, device)?;
            (EffectModel::WaveNet(model), wavenet_config(wavenet)?)
        }
        Architecture::Sequential(sequential) => {
            recurrent(sequential, network.audio_channels, device)?
        }
        Architecture::Slimmable(slimmable) => a2(slimmable, network.full().audio_channels, device)?,
        Architecture::Window(_) => return Err(unlike(network)),
    };
    let imported = Imported { model, config };
    check(&imported, network, device)?;
    Ok(imported)
}

fn unlike(network: &Network) -> DescriptionError {
    DescriptionError::invalid(
        network.family(),
        "only WaveNet, and LSTM or GRU, also behind convolutions, can be trained from a file",
    )
}

/// The config must build what was imported, to the last weight: anything it cannot say would be
/// lost as soon as a run is loaded again.
fn check(imported: &Imported, network: &Network, device: &Device) -> Result<(), DescriptionError> {
    let lost = || {
        DescriptionError::invalid(
            network.family(),
            "has a bias, a missing bias, or a head that networks trained here do not have",
        )
    };
    let windows = WindowConfig::default();
    let built = super::build_for(
        network.full().audio_channels,
        &imported.config,
        &windows,
        network.controls.len(),
        1,
        device,
    );
    let record = imported.model.clone().into_record();
    let rebuilt = built.try_load_record(record).map_err(|_| lost())?;
    let describe = |model: &EffectModel| model.describe(network.sample_rate, Vec::new());
    match describe(&rebuilt) == describe(&imported.model) {
        true => Ok(()),
        false => Err(lost()),
    }
}

/// The A2 pair, the one slimmable shape that is trained here.
fn a2(
    slimmable: &network::Slimmable,
    audio: AudioChannels,
    device: &Device,
) -> Result<(EffectModel, ModelConfig), DescriptionError> {
    let full = match slimmable.submodels.last().map(|s| &s.network.architecture) {
        Some(Architecture::WaveNet(full)) => full.head_scale,
        _ => {
            return Err(DescriptionError::invalid(
                "SlimmableContainer",
                "holds no WaveNet",
            ));
        }
    };
    let config = WaveNetConfig {
        preset: Some(WaveNetPreset::A2),
        head_scale: Some(full),
        ..WaveNetConfig::default()
    };
    let wanted = config.sizes();
    let other = || {
        let why = "only the pair A2 lite (below 0.5) and A2 full can be trained here";
        DescriptionError::invalid("SlimmableContainer", why)
    };
    if wanted.len() != slimmable.submodels.len() {
        return Err(other());
    }
    let mut sizes = Vec::new();
    for (submodel, (limit, shape)) in slimmable.submodels.iter().zip(&wanted) {
        let Architecture::WaveNet(wavenet) = &submodel.network.architecture else {
            return Err(other());
        };
        let (arrays, head_scale) = shape.resolve();
        let same_limit =
            submodel.max_value == *limit || (*limit >= 1.0 && submodel.max_value >= 1.0);
        if !same_limit || self::arrays(wavenet)? != arrays {
            return Err(other());
        }
        sizes.push(WaveNet::from_description(
            &scaled_to(wavenet, head_scale),
            audio,
            device,
        )?);
    }
    let limits = wanted.iter().map(|(limit, _)| *limit).collect();
    let model = EffectModel::Slimmable(SlimmableNetwork::of(sizes, limits));
    Ok((model, ModelConfig::WaveNet(config)))
}

/// The same network with another head scale: what its own is more goes into the head.
fn scaled_to(wavenet: &network::WaveNet, head_scale: f32) -> network::WaveNet {
    let mut wavenet = wavenet.clone();
    if wavenet.head_scale != head_scale {
        let factor = wavenet.head_scale / head_scale;
        if let Some(last) = wavenet.arrays.last_mut() {
            let head = &mut last.head_rechannel;
            let numbers = head.weight.iter_mut().chain(&mut head.bias);
            numbers.for_each(|x| *x *= factor);
        }
        wavenet.head_scale = head_scale;
    }
    wavenet
}

fn wavenet_config(wavenet: &network::WaveNet) -> Result<ModelConfig, DescriptionError> {
    Ok(ModelConfig::WaveNet(WaveNetConfig {
        preset: None,
        head_scale: Some(wavenet.head_scale),
        arrays: arrays(wavenet)?,
        ..WaveNetConfig::default()
    }))
}

/// The arrays as a config spells them.
fn arrays(wavenet: &network::WaveNet) -> Result<Vec<WaveNetArray>, DescriptionError> {
    let arrays = wavenet.arrays.iter().enumerate();
    let arrays = arrays.map(|(i, a)| array(a).map_err(|e| e.within(&format!("array {i}"))));
    let mut arrays: Vec<WaveNetArray> = arrays.collect::<Result<_, _>>()?;
    if let Some(last) = arrays.last_mut() {
        // As many as the sound has channels; a config gives those of one.
        last.head_size = 1;
    }
    Ok(arrays)
}

fn array(array: &network::LayerArray) -> Result<WaveNetArray, DescriptionError> {
    let differ = |what: &str| {
        let why = "layers of one array that differ in it cannot be trained here, only played";
        DescriptionError::invalid(what, why)
    };
    let Some(first) = array.layers.first() else {
        return Err(DescriptionError::invalid("layers", "there is none"));
    };
    let activation = first.activation.function()?;
    for layer in &array.layers {
        if layer.activation.function()? != activation {
            return Err(differ("activation"));
        }
        if layer.gating != first.gating {
            return Err(differ("gating"));
        }
    }
    let head = &array.head_rechannel;
    if head.dilation != 1 && head.kernel_size > 1 {
        let why = "a dilated head cannot be trained here, only played";
        return Err(DescriptionError::invalid("head", why));
    }
    let taps: Vec<usize> = array.layers.iter().map(|l| l.conv.kernel_size).collect();
    let uniform = taps.iter().all(|t| *t == taps[0]);
    Ok(WaveNetArray {
        channels: array.width(),
        kernel_size: if uniform {
            taps[0]
        } else {
            WaveNetArray::default().kernel_size
        },
        kernel_sizes: if uniform { Vec::new() } else { taps },
        dilations: array.layers.iter().map(|l| l.conv.dilation).collect(),
        activation,
        gated: first.gating != network::Gating::None,
        head_size: head.out_channels,
        head_kernel_size: head.kernel_size,
        head_bias: !head.bias.is_empty(),
    })
}

fn recurrent(
    sequential: &Sequential,
    audio: AudioChannels,
    device: &Device,
) -> Result<(EffectModel, ModelConfig), DescriptionError> {
    let Form { layers, skip, gain } = Form::of(sequential, audio);
    let (mut units, mut front, mut lstm, mut gru) = (Vec::new(), Vec::new(), false, false);
    for layer in layers {
        match layer {
            Layer::Lstm(layer) => (lstm, _) = (true, units.push(layer.hidden_size)),
            Layer::Gru(layer) => (gru, _) = (true, units.push(layer.hidden_size)),
            Layer::Conv1d(conv) if units.is_empty() => front.push(conv),
            _ => {}
        }
    }
    let uneven = units.iter().any(|u| *u != units[0]);
    if units.is_empty() || uneven || (lstm && gru) || units.len() > 3 {
        let why = "1 to 3 LSTM layers or GRU layers of one hidden size, also behind \
                   convolutions, can be trained here; this can only be played";
        return Err(DescriptionError::invalid("recurrent network", why));
    }
    let config = RecurrentConfig {
        hidden_size: units[0],
        layers: units.len(),
        skip,
        gain,
        front: front_config(&front, layers)?,
        ..RecurrentConfig::default()
    };
    let model = RecurrentNetwork::from_description(sequential, audio, &config, device)?;
    let kind = if lstm {
        ModelConfig::Lstm
    } else {
        ModelConfig::Gru
    };
    Ok((EffectModel::Recurrent(model), kind(config)))
}

fn front_config(
    front: &[&network::Conv1d],
    layers: &[Layer],
) -> Result<Option<FrontConfig>, DescriptionError> {
    let Some(first) = front.first() else {
        return Ok(None);
    };
    let activations = layers.iter().filter_map(|layer| match layer {
        Layer::Activation(activation) => Some(activation.function()),
        _ => None,
    });
    let activations: Vec<_> = activations.collect::<Result<_, _>>()?;
    let same = |get: fn(&network::Conv1d) -> usize| front.iter().all(|c| get(c) == get(first));
    let uniform = activations.iter().all(|a| *a == activations[0])
        && same(|c| c.out_channels)
        && same(|c| c.kernel_size);
    if activations.is_empty() || !uniform {
        let why = "convolutions before the memory that differ in width, taps or activation \
                   cannot be trained here, only played";
        return Err(DescriptionError::invalid("convolutions", why));
    }
    Ok(Some(FrontConfig {
        channels: first.out_channels,
        kernel_size: first.kernel_size,
        dilations: front.iter().map(|c| c.dilation).collect(),
        activation: activations[0],
    }))
}
