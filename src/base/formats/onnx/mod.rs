//! ONNX: a network as a graph over whole recordings, for the runtimes of other fields. Written, not
//! read.
//!
//! Input and output are `[1, channels, samples]`; knobs are further channels of the input, constant
//! over time. The graph starts as the engine does, after silence: the input is lengthened by it once,
//! and no layer pads by itself, so that a layer's answer to silence is what it is and not zero.

mod graph;
mod layers;
mod wavenet;

use crate::network::{Architecture, Network};
use graph::{Graph, Signal};
use wavenet::architecture;

/// The bytes of an `.onnx` file of a network (the full size of a slimmable one) that is to hear
/// `silence` samples before its first.
///
/// # Errors
/// What of the network has no form in a graph.
pub fn write(network: &Network, silence: usize) -> Result<Vec<u8>, String> {
    let network = network.full();
    let inputs = match &network.architecture {
        Architecture::Sequential(net) => net.input_channels,
        Architecture::WaveNet(net) => net.input_channels,
        Architecture::Window(_) => {
            return Err("networks from window to window have no form there".into());
        }
        Architecture::Slimmable(_) => {
            return Err("a size of several sizes has no form there".into());
        }
    };
    let context = network.receptive_field().map_or(0, |field| field - 1);
    let silence = silence.max(context);
    let input = Signal {
        name: "input".to_string(),
        channels: inputs,
        lost: 0,
    };
    let mut graph = Graph::default();
    let heard = Signal {
        name: lengthened(&mut graph, &input, silence),
        ..input.clone()
    };
    let end = architecture(&mut graph, &network.architecture, &heard)?;
    let left = silence.checked_sub(end.lost);
    let left = left.ok_or("it looks further back than it was said to")? as i64;
    let cropped = graph.slice(&end.name, 2, left, i64::MAX);
    let name = graph.node("Identity", &[&cropped], &[]);
    let facts = [
        ("sample_rate", network.sample_rate.to_string()),
        ("latency_samples", network.latency_samples().to_string()),
        ("silence_samples", silence.to_string()),
        ("family", network.family().to_string()),
    ];
    let output = Signal {
        name,
        channels: end.channels,
        lost: 0,
    };
    Ok(graph.model(&input, &output, &facts))
}

/// The input after so much silence, its knobs where they stand at its beginning.
fn lengthened(graph: &mut Graph, input: &Signal, silence: usize) -> String {
    let pads = graph.ints(&[0, 0, silence as i64, 0, 0, 0]);
    if input.channels == 1 {
        return graph.node("Pad", &[&input.name, &pads], &[]);
    }
    let audio = graph.slice(&input.name, 1, 0, 1);
    let knobs = graph.slice(&input.name, 1, 1, i64::MAX);
    let audio = graph.node("Pad", &[&audio, &pads], &[]);
    let edge = [graph::Attribute::Text("mode", "edge")];
    let knobs = graph.node("Pad", &[&knobs, &pads], &edge);
    graph.node(
        "Concat",
        &[&audio, &knobs],
        &[graph::Attribute::Int("axis", 1)],
    )
}
