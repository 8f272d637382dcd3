//! A network's shape in one line of words, for people.

use super::layer::{Layer, Sequential};
use super::{Architecture, Gating, LayerArray, LayerFilms, WaveNet, WindowNetwork};
use std::fmt::Write;

impl Architecture {
    /// The shape in one line ("2 arrays: 16 channels, 10 layers, kernel 3, Tanh; …").
    pub fn shape(&self) -> String {
        match self {
            Self::WaveNet(net) => wavenet(net),
            Self::Sequential(Sequential { layers, .. }) => sequence(layers),
            Self::Window(net) => window(net),
            Self::Slimmable(net) => {
                let sizes: Vec<String> = net
                    .submodels
                    .iter()
                    .map(|s| s.network.architecture.shape())
                    .collect();
                format!("{} sizes: {}", sizes.len(), sizes.join(" | "))
            }
        }
    }
}

fn wavenet(net: &WaveNet) -> String {
    let arrays: Vec<String> = net.arrays.iter().map(array).collect();
    let mut text = arrays.join("; ");
    if let Some(condition) = &net.condition {
        let _ = write!(
            text,
            "; conditioned by {} ({})",
            condition.family(),
            condition.shape()
        );
    }
    if let Some(head) = &net.head {
        let _ = write!(text, "; {} head convolutions", head.convs.len());
    }
    text
}

fn array(array: &LayerArray) -> String {
    let mut kernels: Vec<usize> = array.layers.iter().map(|l| l.conv.kernel_size).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let kernels: Vec<String> = kernels.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{} channels, {} layers, kernel {}",
        array.width(),
        array.layers.len(),
        kernels.join("/")
    );
    let Some(first) = array.layers.first() else {
        return text;
    };
    let _ = write!(text, ", {:?}", first.activation);
    if first.bottleneck() != array.width() {
        let _ = write!(text, ", bottleneck {}", first.bottleneck());
    }
    if array.layers.iter().any(|l| l.gating != Gating::None) {
        text += ", gated";
    }
    if array
        .layers
        .iter()
        .any(|l| l.films != LayerFilms::default())
    {
        text += ", FiLM";
    }
    if first.conv.groups > 1 {
        let _ = write!(text, ", {} groups", first.conv.groups);
    }
    text
}

fn window(net: &WindowNetwork) -> String {
    let widths = net.layers.iter().map(|l| l.bias.len().to_string());
    let widths: Vec<String> = std::iter::once(net.window_len.to_string())
        .chain(widths)
        .collect();
    format!("{}, hop {}", widths.join(" → "), net.hop)
}

/// Layers by name; runs of the same are counted.
fn sequence(layers: &[Layer]) -> String {
    let mut words: Vec<(String, usize)> = Vec::new();
    for layer in layers {
        let word = word(layer);
        match words.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => words.push((word, 1)),
        }
    }
    let word = |(word, count): (String, usize)| match count {
        1 => word,
        count => format!("{count} × {word}"),
    };
    words.into_iter().map(word).collect::<Vec<_>>().join(" → ")
}

fn word(layer: &Layer) -> String {
    match layer {
        Layer::Conv1d(c) if c.kernel_size == 1 => format!("dense {}", c.out_channels),
        Layer::Conv1d(c) => format!("conv {} k{}", c.out_channels, c.kernel_size),
        Layer::Activation(function) => format!("{function:?}"),
        Layer::Affine(_) => "scale and shift".into(),
        Layer::Lstm(l) => format!("LSTM {}", l.hidden_size),
        Layer::Gru(l) => format!("GRU {}", l.hidden_size),
        Layer::S4d(l) => format!("S4D {}×{}", l.channels, l.states),
        Layer::Film(_) => "FiLM".into(),
        Layer::Glu => "GLU".into(),
        Layer::Residual(r) => format!("[{}] + input", sequence(&r.body)),
        Layer::Branches(b) => {
            let paths: Vec<String> = b.branches.iter().map(|b| sequence(b)).collect();
            format!("({})", paths.join(" | "))
        }
        Layer::Delay(d) => format!("delay {}", d.samples),
    }
}
