//! Layers in a row as nodes.

use super::graph::{Attribute, Graph, Signal};
use crate::network::{
    Activation, Affine, Branches, Conv1d, Gru, Join, Layer, Lstm, Residual, Split,
};

/// Layers one after another.
pub(super) fn sequence(
    graph: &mut Graph,
    layers: &[Layer],
    input: &Signal,
) -> Result<Signal, String> {
    let mut signal = input.clone();
    for one in layers {
        signal = layer(graph, one, &signal)?;
    }
    Ok(signal)
}

fn layer(graph: &mut Graph, layer: &Layer, input: &Signal) -> Result<Signal, String> {
    Ok(match layer {
        Layer::Conv1d(conv) => convolution(graph, conv, input),
        Layer::Activation(function) => activation(graph, function, input)?,
        Layer::Affine(layer) => affine(graph, layer, input),
        Layer::Lstm(lstm) => long_memory(graph, lstm, input),
        Layer::Gru(gru) => gated(graph, gru, input),
        Layer::Residual(residual) => with_shortcut(graph, residual, input)?,
        Layer::Branches(branches) => side_by_side(graph, branches, input)?,
        Layer::Delay(delay) => {
            let name = match delay.samples as i64 {
                0 => input.name.clone(),
                samples => graph.slice(&input.name, 2, 0, -samples),
            };
            Signal {
                name,
                channels: input.channels,
                lost: input.lost + delay.samples,
            }
        }
        Layer::Glu => {
            let half = input.channels / 2;
            let first = channels(graph, input, 0, half);
            let second = channels(graph, input, half, 2 * half);
            let gate = graph.node("Sigmoid", &[&second.name], &[]);
            let name = graph.node("Mul", &[&first.name, &gate], &[]);
            Signal { name, ..first }
        }
        Layer::S4d(_) => return Err("diagonal state-space layers have no form there".into()),
        Layer::Film(_) => return Err("modulation by knobs has no form there".into()),
        Layer::TemporalFilm(_) => {
            return Err("modulation by a signal's peaks has no form there".into());
        }
        Layer::Modulated(_) => return Err("an oscillator has no form there".into()),
    })
}

/// Some of a signal's channels.
pub(super) fn channels(graph: &mut Graph, of: &Signal, from: usize, to: usize) -> Signal {
    let name = match (from, to) == (0, of.channels) {
        true => of.name.clone(),
        false => graph.slice(&of.name, 1, from as i64, to as i64),
    };
    Signal {
        name,
        channels: to - from,
        lost: of.lost,
    }
}

/// Both as long as the shorter: they end together.
fn cropped(graph: &mut Graph, a: &Signal, b: &Signal) -> [Signal; 2] {
    let lost = a.lost.max(b.lost);
    [a, b].map(|signal| Signal {
        name: match lost - signal.lost {
            0 => signal.name.clone(),
            more => graph.slice(&signal.name, 2, more as i64, i64::MAX),
        },
        lost,
        ..signal.clone()
    })
}

/// Sum or product; a single channel serves all of the other.
pub(super) fn both(graph: &mut Graph, operator: &str, a: &Signal, b: &Signal) -> Signal {
    let [a, b] = cropped(graph, a, b);
    Signal {
        name: graph.node(operator, &[&a.name, &b.name], &[]),
        channels: a.channels.max(b.channels),
        lost: a.lost,
    }
}

pub(super) fn convolution(graph: &mut Graph, conv: &Conv1d, input: &Signal) -> Signal {
    let inner = conv.in_channels / conv.groups;
    let weight = graph.floats(&[conv.out_channels, inner, conv.kernel_size], &conv.weight);
    let bias = (!conv.bias.is_empty()).then(|| graph.floats(&[conv.out_channels], &conv.bias));
    let mut inputs = vec![input.name.as_str(), &weight];
    inputs.extend(bias.as_deref());
    let attributes = [
        Attribute::Ints("dilations", &[conv.dilation]),
        Attribute::Int("group", conv.groups),
        Attribute::Ints("kernel_shape", &[conv.kernel_size]),
    ];
    Signal {
        name: graph.node("Conv", &inputs, &attributes),
        channels: conv.out_channels,
        lost: input.lost + (conv.kernel_size - 1) * conv.dilation,
    }
}

fn affine(graph: &mut Graph, layer: &Affine, input: &Signal) -> Signal {
    let [scale, shift] =
        [&layer.scale, &layer.shift].map(|values| graph.floats(&[values.len(), 1], values));
    let scaled = graph.node("Mul", &[&input.name, &scale], &[]);
    Signal {
        name: graph.node("Add", &[&scaled, &shift], &[]),
        ..input.clone()
    }
}

fn with_shortcut(graph: &mut Graph, layer: &Residual, input: &Signal) -> Result<Signal, String> {
    let body = sequence(graph, &layer.body, input)?;
    let other = match &layer.shortcut {
        Some(conv) => convolution(graph, conv, input),
        None => channels(graph, input, 0, body.channels),
    };
    Ok(both(graph, "Add", &body, &other))
}

fn side_by_side(graph: &mut Graph, layer: &Branches, input: &Signal) -> Result<Signal, String> {
    let mut from = 0;
    let mut ends: Vec<Signal> = Vec::new();
    for (at, branch) in layer.branches.iter().enumerate() {
        let own = match &layer.split {
            Split::Copy => input.clone(),
            Split::Slice(sizes) => {
                let own = channels(graph, input, from, from + sizes[at]);
                from += sizes[at];
                own
            }
        };
        ends.push(sequence(graph, branch, &own)?);
    }
    let mut ends = ends.into_iter();
    let first = ends.next().ok_or("paths side by side without a path")?;
    Ok(ends.fold(first, |sum, end| match layer.join {
        Join::Sum => both(graph, "Add", &sum, &end),
        Join::Product => both(graph, "Mul", &sum, &end),
        Join::Concat => {
            let [a, b] = cropped(graph, &sum, &end);
            let axis = [Attribute::Int("axis", 1)];
            Signal {
                name: graph.node("Concat", &[&a.name, &b.name], &axis),
                channels: a.channels + b.channels,
                lost: a.lost,
            }
        }
    }))
}

/// Rows of gates in another order.
fn reordered(values: &[f32], gates: &[usize], per_gate: usize) -> Vec<f32> {
    let gate = |gate: &usize| &values[gate * per_gate..(gate + 1) * per_gate];
    gates.iter().flat_map(gate).copied().collect()
}

/// A recurrent layer: time comes first there, and directions, of which there is one.
fn recurrent(
    graph: &mut Graph,
    operator: &str,
    input: &Signal,
    hidden: usize,
    given: &[String],
    more: &[Attribute],
) -> Signal {
    let order = [Attribute::Ints("perm", &[2, 0, 1])];
    let turned = graph.node("Transpose", &[&input.name], &order);
    let mut inputs = vec![turned.as_str()];
    inputs.extend(given.iter().map(String::as_str));
    let mut attributes = vec![Attribute::Int("hidden_size", hidden)];
    for one in more {
        if let Attribute::Int(name, value) = one {
            attributes.push(Attribute::Int(name, *value));
        }
    }
    let output = graph.node(operator, &inputs, &attributes);
    let direction = graph.ints(&[1]);
    let output = graph.node("Squeeze", &[&output, &direction], &[]);
    let order = [Attribute::Ints("perm", &[1, 2, 0])];
    Signal {
        name: graph.node("Transpose", &[&output], &order),
        channels: hidden,
        lost: input.lost,
    }
}

/// ONNX's gates are i, o, f, g.
fn long_memory(graph: &mut Graph, lstm: &Lstm, input: &Signal) -> Signal {
    const ORDER: [usize; 4] = [0, 3, 1, 2];
    let (hidden, inputs) = (lstm.hidden_size, lstm.input_size);
    let weight = reordered(&lstm.weight_input, &ORDER, hidden * inputs);
    let weight = graph.floats(&[1, 4 * hidden, inputs], &weight);
    let back = reordered(&lstm.weight_hidden, &ORDER, hidden * hidden);
    let back = graph.floats(&[1, 4 * hidden, hidden], &back);
    let mut bias = reordered(&lstm.bias, &ORDER, hidden);
    bias.resize(8 * hidden, 0.0);
    let bias = graph.floats(&[1, 8 * hidden], &bias);
    let mut given = vec![weight, back, bias, String::new()];
    for state in [&lstm.initial_hidden, &lstm.initial_cell] {
        let mut state = state.clone();
        state.resize(hidden, 0.0);
        given.push(graph.floats(&[1, 1, hidden], &state));
    }
    recurrent(graph, "LSTM", input, hidden, &given, &[])
}

/// ONNX's gates are z, r, n.
fn gated(graph: &mut Graph, gru: &Gru, input: &Signal) -> Signal {
    const ORDER: [usize; 3] = [1, 0, 2];
    let (hidden, inputs) = (gru.hidden_size, gru.input_size);
    let weight = reordered(&gru.weight_input, &ORDER, hidden * inputs);
    let weight = graph.floats(&[1, 3 * hidden, inputs], &weight);
    let back = reordered(&gru.weight_hidden, &ORDER, hidden * hidden);
    let back = graph.floats(&[1, 3 * hidden, hidden], &back);
    let biases = [&gru.bias_input, &gru.bias_hidden];
    let bias = biases.map(|bias| reordered(bias, &ORDER, hidden)).concat();
    let bias = graph.floats(&[1, 6 * hidden], &bias);
    let mut state = gru.initial_hidden.clone();
    state.resize(hidden, 0.0);
    let state = graph.floats(&[1, 1, hidden], &state);
    let given = [weight, back, bias, String::new(), state];
    let after = [Attribute::Int("linear_before_reset", 1)];
    recurrent(graph, "GRU", input, hidden, &given, &after)
}

/// An element-wise function.
pub(super) fn activation(
    graph: &mut Graph,
    function: &Activation,
    input: &Signal,
) -> Result<Signal, String> {
    let x = input.name.as_str();
    let name = match function {
        Activation::Identity => x.to_string(),
        Activation::Tanh => graph.node("Tanh", &[x], &[]),
        Activation::Relu => graph.node("Relu", &[x], &[]),
        Activation::Sigmoid => graph.node("Sigmoid", &[x], &[]),
        Activation::Softsign => graph.node("Softsign", &[x], &[]),
        Activation::HardSwish => graph.node("HardSwish", &[x], &[]),
        Activation::Softmax => graph.node("Softmax", &[x], &[Attribute::Int("axis", 1)]),
        Activation::LeakyRelu { slope } => {
            graph.node("LeakyRelu", &[x], &[Attribute::Float("alpha", *slope)])
        }
        Activation::Elu { alpha } => graph.node("Elu", &[x], &[Attribute::Float("alpha", *alpha)]),
        Activation::PRelu { slopes } => {
            let slopes = graph.floats(&[slopes.len(), 1], slopes);
            graph.node("PRelu", &[x, &slopes], &[])
        }
        Activation::Silu => {
            let gate = graph.node("Sigmoid", &[x], &[]);
            graph.node("Mul", &[x, &gate], &[])
        }
        Activation::Softsigmoid => {
            let [one, half] = [1.0, 0.5].map(|value| graph.floats(&[1], &[value]));
            let soft = graph.node("Softsign", &[x], &[]);
            let moved = graph.node("Add", &[&soft, &one], &[]);
            graph.node("Mul", &[&moved, &half], &[])
        }
        Activation::HardTanh { min, max } => clipped(graph, x, *min, *max),
        Activation::LeakyHardTanh {
            min,
            max,
            min_slope,
            max_slope,
        } => {
            let inside = clipped(graph, x, *min, *max);
            let outside = graph.node("Sub", &[x, &inside], &[]);
            let below = clipped(graph, &outside, f32::MIN, 0.0);
            let above = clipped(graph, &outside, 0.0, f32::MAX);
            let slopes = [(below, min_slope), (above, max_slope)];
            let [below, above] = slopes.map(|(part, slope)| {
                let slope = graph.floats(&[1], &[*slope]);
                graph.node("Mul", &[&part, &slope], &[])
            });
            let lower = graph.node("Add", &[&inside, &below], &[]);
            graph.node("Add", &[&lower, &above], &[])
        }
        Activation::FastTanh => return Err("the field's rational tanh has no form there".into()),
    };
    Ok(Signal {
        name,
        ..input.clone()
    })
}

fn clipped(graph: &mut Graph, x: &str, min: f32, max: f32) -> String {
    let [min, max] = [min, max].map(|value| graph.floats(&[], &[value]));
    graph.node("Clip", &[x, &min, &max], &[])
}
