//! Which network to try first for a kind of effect, and how to train it on a recording of this
//! length: the tables of a config from `[windows]` on.
//!
//! The recipes are those of `configs/`, measured there; here they are fitted to short recordings.

use super::comment::comment;
use crate::regress::diagnosis::{Echo, Kind};

/// A first network to try.
pub(super) struct Suggestion {
    /// In a few words.
    pub(super) network: String,
    /// `[windows]` to `[baselines]` as TOML.
    pub(super) tables: String,
}

/// A recipe before it is fitted to the recording.
struct Recipe {
    network: String,
    /// Why this one, and what else to try.
    reason: &'static str,
    /// The `[model]` table but for the memory.
    model: String,
    /// Samples that fill the memory of a recurrent network, and samples per optimiser step.
    memory: Option<(usize, usize)>,
    window_len: usize,
    learning_rate: f64,
    clip: bool,
    /// Million samples to train on, over all epochs, that usually do.
    million_samples: f64,
}

/// Without it the first export, for the most usual player, would be refused.
const NO_SKIP: &str =
    "# .nam files cannot add the dry sound to the network's output.\nskip = false\n";

/// The suggestion for `samples` samples at `rate_hz`.
pub(super) fn suggest(
    kind: Option<Kind>,
    echo: Option<Echo>,
    samples: usize,
    rate_hz: u32,
) -> Suggestion {
    // Validation and test take a tenth each; their beginning only fills the memory.
    let (train, tenth) = (samples * 4 / 5, samples / 10);
    let reach_ms = echo.map_or(200.0, |echo| echo.length_ms);
    let reach = (reach_ms / 1000.0 * f64::from(rate_hz)) as usize;
    let recipe = recipe(kind, reach.min(tenth / 4));
    let window_len = recipe.window_len.min(floor_power_of_two(train / 4));
    // Windows that overlap by half are twice as many, at other places of the memory.
    let hop = (window_len / 2).max(1);
    let windows = (train / hop).max(1);
    let batch_size = 16.min(windows.div_ceil(4));
    let per_epoch = (windows * window_len) as f64;
    let epochs = (1e6 * recipe.million_samples / per_epoch).clamp(40.0, 400.0) as usize;
    let mut tables = format!("[windows]\nwindow_len = {window_len}\nhop = {hop}\n\n");
    tables += &comment(recipe.reason);
    tables += &format!("[model]\n{}", recipe.model);
    if let Some((warm_up, _)) = recipe.memory {
        let longest = floor_power_of_two(tenth / 4);
        tables += &format!(
            "# Samples that only fill the memory before each window.\nwarm_up = {}\n",
            warm_up.min(longest)
        );
    }
    tables += "\n[loss]\nesr = 1.0\n";
    tables += &format!(
        "\n[training]\nepochs = {epochs}\nbatch_size = {batch_size}\nlearning_rate = {:?}\n\
         schedule = {{ kind = \"cosine\", final_factor = 0.01 }}\n",
        recipe.learning_rate
    );
    if let Some((_, step_len)) = recipe.memory {
        tables += &format!(
            "# Each window is walked through in steps of this many samples, the memory carried on.\n\
             step_len = {}\n# The mean of the last thousand steps' weights is kept.\n\
             average = 0.999\n",
            step_len.min(window_len)
        );
    }
    if recipe.clip {
        tables += "clip_norm = 1.0\n";
    }
    tables += &format!(
        "\n# A least-squares filter of this many taps is shown beside the network.\n[baselines]\n\
         fir_taps = {}\n",
        128.min(tenth / 4).max(1)
    );
    Suggestion {
        network: recipe.network,
        tables,
    }
}

/// `reach`: samples after which the last repeat that matters is over.
fn recipe(kind: Option<Kind>, reach: usize) -> Recipe {
    let lstm = |hidden_size: usize, reason| Recipe {
        network: format!("lstm with {hidden_size} units"),
        reason,
        model: format!("kind = \"lstm\"\nhidden_size = {hidden_size}\n{NO_SKIP}"),
        memory: Some((1024, 1024)),
        window_len: 16_384,
        learning_rate: 5e-3,
        clip: true,
        million_samples: 180.0,
    };
    match kind {
        Some(Kind::Linear) => Recipe {
            network: "conv (or no network: a filter is enough)".to_string(),
            reason: "The effect is linear: the fir row of the result, fitted without training, is \
                     as good as any network can be. A convolution network comes close.",
            model: "kind = \"conv\"\nchannels = 50\nkernel_size = 50\n".to_string(),
            memory: None,
            window_len: 2048,
            learning_rate: 2e-3,
            clip: false,
            million_samples: 150.0,
        },
        Some(Kind::Delayed) => delayed(reach),
        Some(Kind::DynamicGain) => Recipe {
            model: format!(
                "kind = \"lstm\"\nhidden_size = 24\n{NO_SKIP}# Samples that the slowest unit \
                 remembers before it has learned anything.\nmemory = 20000\n"
            ),
            memory: Some((16_384, 2048)),
            window_len: 65_536,
            million_samples: 400.0,
            ..lstm(
                24,
                "The gain follows the playing: an LSTM with a long warm-up and long windows. Raise \
                 warm_up, memory and window_len for slow releases; gain-fitted ESR in the result tells the \
                 shape apart from the level.",
            )
        },
        Some(Kind::DynamicNonlinear) => lstm(
            40,
            "A distortion with a memory: an LSTM large enough for it (drive = 10.0 in [model] helps \
             those of much gain, such as fuzzes). If it is not good enough, \
             try hidden_size = 64, or kind = \"wavenet\" with preset = \"a1-standard\" (slower).",
        ),
        Some(Kind::TimeVarying) => lstm(
            24,
            "The effect moves by a clock of its own, which no network can hear in the dry sound: \
             expect its average. Switch the modulation off and record again.",
        ),
        Some(Kind::StaticNonlinear) | None => lstm(
            24,
            "A small LSTM learns curves with filters around them within minutes. For a .nam player \
             with a fast path, try kind = \"wavenet\" with preset = \"a1-nano\" up to \
             \"a1-standard\" instead (slower to train; leave out hidden_size, warm_up, \
             step_len).",
        ),
    }
}

/// A dilated network whose memory reaches past the last repeat that matters.
fn delayed(reach: usize) -> Recipe {
    // Kernel 5, dilations 1, 3, 9, …: layers n reach 1 + 2·(3ⁿ − 1).
    let layers = (4..11).find(|n| 2 * 3_usize.pow(*n) > reach).unwrap_or(11);
    Recipe {
        network: format!("tcn with {layers} layers"),
        reason: "Repeats or a room: dilated convolutions whose memory reaches past the last repeat \
                 that matters. Long echoes are made better, and cheaper, by a delay line beside a \
                 network for the rest.",
        model: format!(
            "kind = \"tcn\"\nchannels = 8\nkernel_size = 5\nlayers = {layers}\ndilation_growth = 3\n"
        ),
        memory: None,
        window_len: 8192,
        learning_rate: 2e-3,
        clip: true,
        million_samples: 100.0,
    }
}

/// The largest power of two that is not above `n`, at least 2.
fn floor_power_of_two(n: usize) -> usize {
    1 << n.max(2).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::path::Path;

    /// Whatever the kind and however short the recording: a config that is taken.
    #[test]
    fn every_suggestion_is_a_config() {
        let kinds = [
            None,
            Some(Kind::Linear),
            Some(Kind::Delayed),
            Some(Kind::StaticNonlinear),
            Some(Kind::DynamicGain),
            Some(Kind::DynamicNonlinear),
            Some(Kind::TimeVarying),
        ];
        for kind in kinds {
            for samples in [4000, 60_000, 1_452_000, 20_000_000] {
                let suggested = suggest(kind, None, samples, 48_000);
                let text = format!(
                    "name = \"x\"\n[[data.train]]\ndry = \"d.wav\"\nwet = \"w.wav\"\n{}",
                    suggested.tables
                );
                let config = config::parse(&text, Path::new("x.toml"), &[]).unwrap();
                config.check().unwrap();
                assert!(config.windows.window_len <= samples / 5, "{text}");
                assert!((40..=400).contains(&config.training.epochs));
            }
        }
    }

    #[test]
    fn a_delayed_effect_gets_a_memory_that_reaches_it() {
        let echo = Echo {
            delay_ms: Some(120.0),
            level_db: -6.0,
            length_ms: 250.0,
        };
        let text = suggest(Some(Kind::Delayed), Some(echo), 1 << 20, 48_000).tables;
        // 250 ms are 12,000 samples: 2·3⁸ = 13,122.
        assert!(text.contains("layers = 8"), "{text}");
    }
}
