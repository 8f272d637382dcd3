//! A model made ready to play: at a size, with its knobs in place, on the streaming engine or on
//! one of burn's devices.

use super::controls;
use super::playable::{Playable, Source, sized};
use super::player::Player;
use crate::audio::{AudioChannels, SampleRate};
use crate::device::{self, DeviceChoice};
use crate::engine::{Engine, OfflinePlayer};
use crate::models::predict::Predictor;
use crate::models::{self, EffectModel};
use crate::network::Network;
use crate::regress::baseline::{self, Baseline};
use anyhow::{Context, Result, anyhow, bail, ensure};
use burn::tensor::Device;
use std::collections::BTreeMap;

/// The streaming engine, as the value of `--device`.
pub const ENGINE: &str = "engine";

/// How a model is to play.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// [`ENGINE`], or where burn is to compute.
    pub device: &'a str,
    /// Which size of a slimmable network plays, 0 the smallest to 1 the full one; absent: the
    /// full one.
    pub size: Option<f64>,
    /// Where the knobs stand; those not named stand at their defaults.
    pub controls: &'a BTreeMap<String, f32>,
}

/// What plays, ready for any number of channels.
#[derive(Debug)]
pub struct Instrument {
    /// What computes, by name: the engine or one of burn's devices.
    pub device: String,
    /// The rate it was made for.
    pub rate: Option<SampleRate>,
    backend: Backend,
    controls: Vec<f32>,
}

/// What computes.
#[derive(Debug)]
enum Backend {
    Engine(Box<Network>),
    Burn {
        model: Box<EffectModel>,
        device: Device,
        /// Zeros that a memory hears first, as on the engine.
        silence: usize,
    },
    Baseline(Baseline),
}

impl Instrument {
    /// Makes `playable` ready.
    ///
    /// # Errors
    /// A size, device or knob that it has not, a network that cannot be played there.
    pub fn new(playable: Playable, setting: Setting<'_>) -> Result<Self> {
        let (rate, place) = (playable.sample_rate(), playable.place());
        if let Source::Baseline(saved) = playable.source {
            let controls = controls::positions(&[], setting.controls)?;
            if setting.size.is_some() || setting.device != ENGINE {
                bail!(
                    "{place}: a saved baseline has one size and plays on the processor; leave \
                     --size and --device out"
                );
            }
            return Ok(Self {
                backend: Backend::Baseline(saved.baseline),
                device: "processor".to_string(),
                rate,
                controls,
            });
        }
        let mut network = playable.network()?;
        if let Some(size) = setting.size {
            network = sized(&network, size)?;
        }
        let controls = controls::positions(&network.controls, setting.controls)?;
        let (backend, device) = match setting.device {
            ENGINE => (Backend::Engine(Box::new(network)), ENGINE.to_string()),
            name => burn(playable, &network, setting.size.is_some(), name)?,
        };
        Ok(Self {
            backend,
            device,
            rate,
            controls,
        })
    }

    /// Channels of sound that it hears and makes at once.
    pub fn audio_channels(&self) -> AudioChannels {
        match &self.backend {
            Backend::Engine(network) => network.full().audio_channels,
            Backend::Burn { model, .. } => model.audio_channels(),
            Backend::Baseline(baseline) => baseline.audio_channels(),
        }
    }

    /// How many channels a player hears of a sound of so many: all, each by itself, or those that a stereo
    /// effect hears, of which a mono sound is each.
    ///
    /// # Errors
    /// The sound has more than a stereo effect hears.
    pub fn heard(&self, channels: usize) -> Result<usize> {
        let audio = self.audio_channels();
        if audio.is_mono() {
            return Ok(channels);
        }
        ensure!(
            channels <= audio.dry,
            "the sound has {channels} channels, and this stereo effect hears {} ({audio}): give it {}",
            audio.dry,
            match audio.dry {
                1 => "a mono sound",
                _ => "a stereo or mono one",
            }
        );
        Ok(audio.dry)
    }

    /// A player of so many channels ([`Instrument::heard`]), nothing heard yet.
    ///
    /// # Errors
    /// The engine cannot play the network.
    pub fn player(&self, channels: usize) -> Result<Box<dyn Player + '_>> {
        let each = 0..channels;
        let is_mono = self.audio_channels().is_mono();
        Ok(match &self.backend {
            Backend::Engine(network) => {
                let mut offline = OfflinePlayer::new(network, channels)?;
                offline.set_controls(&self.controls)?;
                Box::new(offline)
            }
            Backend::Burn {
                model,
                device,
                silence,
            } => {
                // Its knobs say where a clock stands after the silence.
                let knobs = model.knobs_before(&self.controls, *silence as i64);
                let silence = vec![0.0; *silence];
                if !is_mono {
                    let past = vec![silence; channels];
                    return Ok(Box::new(Predictor::of_channels(
                        model, device, &knobs, &past,
                    )));
                }
                let channel = |_| Predictor::new(model, device, &knobs, &silence);
                Box::new(each.map(channel).collect::<Vec<_>>())
            }
            Backend::Baseline(baseline) if !is_mono => {
                Box::new(baseline::StereoPlayer::new(baseline))
            }
            Backend::Baseline(baseline) => {
                let channel = |_| baseline::Player::new(baseline);
                Box::new(each.map(channel).collect::<Vec<_>>())
            }
        })
    }
}

/// `network`, which is all of `playable` or the chosen size of it, on one of burn's devices, and
/// the device's name.
fn burn(
    playable: Playable,
    network: &Network,
    chosen: bool,
    name: &str,
) -> Result<(Backend, String)> {
    let choice: DeviceChoice = name
        .parse()
        .map_err(|e| anyhow!("{e}; or {ENGINE}, which is the default"))?;
    let selected = device::select(choice)?;
    let model = match playable.source {
        // A size that was chosen is a network of its own.
        Source::Run(run) if !chosen => run.folder.load_best(&selected.device)?.0,
        _ => {
            let imported = models::import(network, &selected.device);
            imported
                .with_context(|| format!("on {}; leave --device out", selected.id))?
                .model
        }
    };
    let silence = match model.receptive_field() {
        Some(_) => 0,
        None => Engine::new(network)?.prewarm_samples(),
    };
    let backend = Backend::Burn {
        model: Box::new(model),
        device: selected.device,
        silence,
    };
    Ok((backend, selected.id))
}
