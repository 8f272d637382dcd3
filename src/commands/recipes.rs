//! Networks that are worth a try for an effect, each with the way it is trained, fitted to how much was
//! recorded. The first is the one to take where only one is tried.
//!
//! They were chosen on generated devices and held to real recordings (benches/RESULTS.md); knows no
//! recording.

use crate::config::{
    Family, FirConfig, ModelConfig, ModulatedConfig, Player, RecurrentConfig, S4TfConfig, Schedule,
    TcnConfig, TrainingConfig, WaveNetConfig, WaveNetPreset, WienerHammersteinConfig, WindowConfig,
};
use crate::formats::{self, Format};
use crate::network::Network;

/// A network and how it is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// In a few words, such as "lstm 40, drive 10, memory 2000".
    pub name: String,
    /// The network.
    pub model: ModelConfig,
    /// How recordings are cut.
    pub windows: WindowConfig,
    /// With as many epochs as usually do where no search divides a budget.
    pub training: TrainingConfig,
}

/// What there is to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Samples of all training spans.
    pub samples: usize,
    /// Of the longest of them.
    pub longest: usize,
    /// The length that nine tenths of all training samples lie in spans of, or in longer ones.
    pub usual: usize,
    /// Of the shortest span that validation or test names.
    pub shortest_held_back: usize,
    /// Samples after which the last repeat that matters is over, where there are repeats.
    pub reach: usize,
}

/// Samples to train on, over all epochs, that usually do.
const USUALLY_ENOUGH: f64 = 180e6;

/// Epochs, of some steps each, after which a motion stands, and how many without a gain are the last.
const MOTION_EPOCHS: usize = 5;
const MOTION_PATIENCE: usize = 1;

/// Networks for a family of effects, the likeliest first.
pub fn recipes(family: Family, extent: &Extent) -> Vec<Recipe> {
    match family {
        Family::Distortion => distortion(extent),
        Family::Compressor => compressor(extent),
        Family::Filter => filters(extent),
        // Without a reach nobody knows how long a memory it needs.
        Family::Echo if extent.reach == 0 => Vec::new(),
        Family::Echo => vec![echo(extent)],
        Family::Modulation => vec![modulated(extent)],
    }
}

/// Filters from every dry channel to each side of a linear stereo effect, which reach over so many samples.
pub fn filters_across(extent: &Extent, reach: usize) -> Recipe {
    // What is held back must be longer than what a filter needs first.
    let most = floor_power_of_two(extent.shortest_held_back / 2).max(1);
    fir(extent, reach.next_power_of_two().max(128).min(most))
}

/// A filter that is solved for, short to long; networks for what is not quite linear.
fn filters(extent: &Extent) -> Vec<Recipe> {
    // As long as what it needs first leaves half of the shortest span to be scored.
    let shortest = extent.longest.min(extent.shortest_held_back);
    let fits = |taps: &usize| *taps <= (shortest / 2).max(1);
    let mut all: Vec<Recipe> = [128, 512, 2048]
        .into_iter()
        .filter(fits)
        .map(|taps| fir(extent, taps))
        .collect();
    all.extend([
        lstm(extent, 24, 1.0, None),
        lstm(extent, 24, 10.0, Some(2000)),
        chain(extent),
    ]);
    all
}

fn distortion(extent: &Extent) -> Vec<Recipe> {
    vec![
        straying(lstm(extent, 40, 10.0, Some(2000))),
        straying(lstm(extent, 24, 1.0, Some(2000))),
        straying(lstm(extent, 24, 10.0, Some(2000))),
        straying(lstm(extent, 24, 100.0, Some(2000))),
        straying(gru(extent, 24, 10.0, Some(2000))),
        straying(gru(extent, 24, 100.0, Some(2000))),
        chain(extent),
        wavenet(extent, WaveNetPreset::A1Nano),
    ]
}

fn compressor(extent: &Extent) -> Vec<Recipe> {
    let slow_lstm = |units| straying(slow(lstm(extent, units, 1.0, Some(20_000)), extent));
    let slow_gru = |units| straying(slow(gru(extent, units, 1.0, Some(20_000)), extent));
    vec![
        as_gain(slow_lstm(8)),
        as_gain(slow_gru(16)),
        slow_gru(16),
        slow_lstm(24),
        as_gain(slow_lstm(24)),
        lstm(extent, 24, 1.0, Some(2000)),
        slow_lstm(8),
        temporal_film(extent),
    ]
}

fn recurrent(
    extent: &Extent,
    settings: RecurrentConfig,
) -> (RecurrentConfig, WindowConfig, TrainingConfig) {
    let window_len = window(32_768, extent);
    let settings = RecurrentConfig {
        warm_up: 2048.min(floor_power_of_two(extent.shortest_held_back / 4)),
        // .nam files cannot add the dry sound to the network's output.
        skip: false,
        ..settings
    };
    (
        settings,
        half_overlapping(window_len),
        walked(512.min(window_len), 5e-3),
    )
}

fn lstm(extent: &Extent, hidden_size: usize, drive: f32, memory: Option<usize>) -> Recipe {
    let (settings, windows, training) = recurrent(extent, units(hidden_size, drive, memory));
    fitted(ModelConfig::Lstm(settings), windows, training, extent)
}

fn gru(extent: &Extent, hidden_size: usize, drive: f32, memory: Option<usize>) -> Recipe {
    let (settings, windows, training) = recurrent(extent, units(hidden_size, drive, memory));
    fitted(ModelConfig::Gru(settings), windows, training, extent)
}

fn units(hidden_size: usize, drive: f32, memory: Option<usize>) -> RecurrentConfig {
    RecurrentConfig {
        hidden_size,
        drive,
        memory,
        ..RecurrentConfig::default()
    }
}

/// A network that strays finds back: where the memory's warm-up is as long as what the effect
/// remembers.
fn straying(recipe: Recipe) -> Recipe {
    let training = TrainingConfig {
        stray_starts: Some(16),
        ..recipe.training
    };
    Recipe { training, ..recipe }
}

/// What the network says is a gain on the dry sound.
fn as_gain(recipe: Recipe) -> Recipe {
    let model = match recipe.model {
        ModelConfig::Lstm(settings) => ModelConfig::Lstm(RecurrentConfig {
            gain: true,
            ..settings
        }),
        ModelConfig::Gru(settings) => ModelConfig::Gru(RecurrentConfig {
            gain: true,
            ..settings
        }),
        other => other,
    };
    Recipe {
        name: named(&model),
        model,
        ..recipe
    }
}

/// For gains that move over tenths of seconds: longer windows, a longer time to fill the memory.
fn slow(recipe: Recipe, extent: &Extent) -> Recipe {
    let window_len = window(65_536, extent);
    let mut model = recipe.model;
    if let Some(warm_up) = model.warm_up() {
        *warm_up = 16_384.min(floor_power_of_two(extent.shortest_held_back / 4));
    }
    fitted(model, half_overlapping(window_len), recipe.training, extent)
}

fn temporal_film(extent: &Extent) -> Recipe {
    let settings = S4TfConfig {
        channels: 8,
        layers: 2,
        ..S4TfConfig::default()
    };
    let window_len = window(32_768, extent);
    let training = walked(2048.min(window_len), 5e-3);
    fitted(
        ModelConfig::S4Tf(settings),
        half_overlapping(window_len),
        training,
        extent,
    )
}

fn chain(extent: &Extent) -> Recipe {
    let window_len = window(16_384, extent);
    let settings = WienerHammersteinConfig {
        warm_up: 2048.min(floor_power_of_two(extent.shortest_held_back / 4)),
        drive: 10.0,
        ..WienerHammersteinConfig::default()
    };
    let training = walked(4096.min(window_len), 1e-2);
    fitted(
        ModelConfig::WienerHammerstein(settings),
        half_overlapping(window_len),
        training,
        extent,
    )
}

fn fir(extent: &Extent, taps: usize) -> Recipe {
    let windows = half_overlapping(window(8192, extent));
    // Its weights are solved for before the first step; there is nothing left to learn.
    let training = TrainingConfig {
        epochs: 1,
        learning_rate: 1e-9,
        ..TrainingConfig::default()
    };
    fitted(
        ModelConfig::Fir(FirConfig { taps }),
        windows,
        training,
        extent,
    )
}

/// An oscillator and what it moves, solved for in a few epochs.
fn modulated(extent: &Extent) -> Recipe {
    let settings = ModulatedConfig {
        warm_up: 4096.min(floor_power_of_two(extent.shortest_held_back / 4)),
        ..ModulatedConfig::default()
    };
    let windows = half_overlapping(window(8192, extent));
    let recipe = fitted(
        ModelConfig::Modulated(settings),
        windows,
        TrainingConfig::default(),
        extent,
    );
    Recipe {
        training: TrainingConfig {
            epochs: MOTION_EPOCHS,
            patience: Some(MOTION_PATIENCE),
            ..recipe.training
        },
        ..recipe
    }
}

fn wavenet(extent: &Extent, preset: WaveNetPreset) -> Recipe {
    let settings = WaveNetConfig {
        preset: Some(preset),
        drive: 10.0,
        ..WaveNetConfig::default()
    };
    let windows = half_overlapping(window(8192, extent));
    fitted(ModelConfig::WaveNet(settings), windows, whole(4e-3), extent)
}

/// A dilated network whose memory reaches past the last repeat that matters.
fn echo(extent: &Extent) -> Recipe {
    // Kernel 5, dilations 1, 3, 9, …: layers n reach 1 + 2·(3ⁿ − 1).
    let layers = (4..11).find(|n| 2 * 3_usize.pow(*n) > extent.reach);
    let settings = TcnConfig {
        channels: 8,
        kernel_size: 5,
        layers: layers.unwrap_or(11) as usize,
        dilation_growth: 3,
        ..TcnConfig::default()
    };
    let windows = half_overlapping(window(8192, extent));
    fitted(ModelConfig::Tcn(settings), windows, whole(2e-3), extent)
}

fn half_overlapping(window_len: usize) -> WindowConfig {
    WindowConfig {
        window_len,
        // Windows that overlap by half are twice as many, at other places of the memory.
        hop: (window_len / 2).max(1),
        per_epoch: None,
    }
}

/// Each window is walked through in steps of `step_len` samples, the memory carried on.
fn walked(step_len: usize, learning_rate: f64) -> TrainingConfig {
    TrainingConfig {
        batch_size: 8,
        step_len: Some(step_len),
        average: Some(0.999),
        ..whole(learning_rate)
    }
}

/// Each window is a step.
fn whole(learning_rate: f64) -> TrainingConfig {
    TrainingConfig {
        batch_size: 16,
        learning_rate,
        schedule: Schedule::Cosine { final_factor: 0.01 },
        clip_norm: Some(1.0),
        ..TrainingConfig::default()
    }
}

/// The recipe, its batches no larger than there are windows for four of them.
fn fitted(
    model: ModelConfig,
    windows: WindowConfig,
    training: TrainingConfig,
    extent: &Extent,
) -> Recipe {
    let count = (extent.samples / windows.hop).max(1);
    let samples = (count * windows.window_len) as f64;
    let epochs = (USUALLY_ENOUGH / samples).clamp(40.0, 400.0) as usize;
    Recipe {
        name: named(&model),
        training: TrainingConfig {
            epochs: if training.epochs == 1 { 1 } else { epochs },
            batch_size: training.batch_size.min(count.div_ceil(4)).max(1),
            ..training
        },
        model,
        windows,
    }
}

/// Whether that player can play the network.
pub fn plays(player: Player, network: &Network) -> bool {
    let wanted = match player {
        Player::Any => return true,
        Player::Nam => Format::Nam,
        Player::Aidax => Format::AidaX,
    };
    formats::carriers(network).contains(&wanted)
}

/// What tells a network from the others that are tried.
pub fn named(model: &ModelConfig) -> String {
    match model {
        ModelConfig::Lstm(m) | ModelConfig::Gru(m) => {
            let memory = m
                .memory
                .map_or_else(String::new, |n| format!(", memory {n}"));
            let gain = if m.gain { ", gain" } else { "" };
            format!(
                "{} {}, drive {}{memory}{gain}",
                model.kind(),
                m.hidden_size,
                m.drive
            )
        }
        ModelConfig::WaveNet(m) => {
            let preset = m.preset.map_or("of its own", WaveNetPreset::name);
            format!("wavenet {preset}, drive {}", m.drive)
        }
        ModelConfig::WienerHammerstein(m) => format!("chain of {} clippers", m.clippers),
        ModelConfig::Fir(m) => format!("filter of {} taps", m.taps),
        ModelConfig::Modulated(_) => "an oscillator and what it moves".to_string(),
        _ => format!("{} {}", model.kind(), model.width()),
    }
}

/// Samples of a window: `most`, or as many as leave room for two windows in the usual span.
fn window(most: usize, extent: &Extent) -> usize {
    most.min(floor_power_of_two(extent.usual / 2))
}

/// The length that nine tenths of the samples of spans of these lengths lie in spans of, or longer.
pub fn usual(lengths: &[usize]) -> usize {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let tenth = sorted.iter().sum::<usize>() / 10;
    let mut below = 0;
    let found = sorted.iter().find(|len| {
        below += *len;
        below > tenth
    });
    found.copied().unwrap_or_default()
}

/// The largest power of two that is not above `n`, at least 1.
fn floor_power_of_two(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;
    use crate::network::Control;
    use burn::tensor::Device;

    #[test]
    fn however_little_was_recorded_every_recipe_is_taken() {
        let families = [
            Family::Distortion,
            Family::Compressor,
            Family::Filter,
            Family::Echo,
            Family::Modulation,
        ];
        for family in families {
            for samples in [4000, 60_000, 1_452_000, 200_000_000] {
                let extent = Extent {
                    samples,
                    longest: samples / 2,
                    usual: samples / 2,
                    shortest_held_back: samples / 10,
                    reach: samples / 100,
                };
                let all = recipes(family, &extent);
                assert!(!all.is_empty());
                for recipe in &all {
                    recipe.model.check(&recipe.windows).unwrap();
                    assert!(recipe.windows.window_len <= extent.longest);
                    assert_eq!(all.iter().filter(|r| r.name == recipe.name).count(), 1);
                }
            }
        }
    }

    /// AIDA-X turns two knobs, Neural Amp Modeler none, and neither multiplies by a gain.
    #[test]
    fn players_play_what_their_formats_hold() {
        let extent = Extent {
            samples: 1_000_000,
            longest: 500_000,
            usual: 500_000,
            shortest_held_back: 50_000,
            reach: 1,
        };
        let played = |family, player, knobs: usize| -> Vec<String> {
            let knob = |at| Control {
                name: format!("k{at}"),
                min: 0.0,
                max: 1.0,
                default: 0.5,
                range: None,
            };
            let all = recipes(family, &extent).into_iter();
            let plays = |r: &Recipe| {
                let model = models::build(&r.model, &r.windows, knobs, 1, &Device::flex());
                let controls = (0..knobs).map(knob).collect();
                plays(player, &model.describe(48_000, controls))
            };
            all.filter(plays).map(|r| r.name).collect()
        };
        let recurrent = |names: &[String]| {
            names
                .iter()
                .all(|n| n.starts_with("lstm ") || n.starts_with("gru "))
        };
        for family in [Family::Distortion, Family::Compressor] {
            let two = played(family, Player::Aidax, 2);
            assert!(two.len() >= 4 && recurrent(&two), "{two:?}");
            assert!(!two.iter().any(|name| name.ends_with("gain")), "{two:?}");
            assert!(played(family, Player::Aidax, 3).is_empty());
            assert!(played(family, Player::Nam, 1).is_empty());
            assert!(played(family, Player::Nam, 0).len() >= 2);
            assert!(played(family, Player::Any, 3).len() >= 5);
        }
    }

    #[test]
    fn slivers_do_not_shorten_every_window() {
        assert_eq!(usual(&[]), 0);
        assert_eq!(usual(&[100]), 100);
        assert_eq!(usual(&[5, 100, 200]), 100);
        assert_eq!(usual(&[40, 50, 60]), 40);
    }

    #[test]
    fn a_filter_may_be_half_as_long_as_the_shortest_span() {
        let lengths = |shortest_held_back| {
            let all = filters(&Extent {
                samples: 1 << 20,
                longest: 1 << 19,
                usual: 1 << 19,
                shortest_held_back,
                reach: 0,
            });
            let taps = |recipe: &Recipe| match &recipe.model {
                ModelConfig::Fir(fir) => Some(fir.taps),
                _ => None,
            };
            all.iter().filter_map(taps).collect::<Vec<_>>()
        };
        // A tenth of 0.4 s at 44.1 kHz.
        assert_eq!(lengths(1764), [128, 512]);
        assert_eq!(lengths(4096), [128, 512, 2048]);
        assert_eq!(lengths(200), Vec::<usize>::new());
    }

    #[test]
    fn an_echo_gets_a_memory_that_reaches_it() {
        let extent = Extent {
            samples: 1 << 20,
            longest: 1 << 20,
            usual: 1 << 20,
            shortest_held_back: 1 << 17,
            reach: 12_000,
        };
        // 2·3⁸ = 13,122.
        let ModelConfig::Tcn(tcn) = &recipes(Family::Echo, &extent)[0].model else {
            panic!("no tcn");
        };
        assert_eq!(tcn.layers, 8);
    }
}
