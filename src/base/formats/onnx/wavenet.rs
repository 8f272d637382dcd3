//! A WaveNet as nodes, and whatever network conditions it.

use super::graph::{Graph, Signal};
use super::layers::{activation, both, channels, convolution, sequence};
use crate::network::{
    Architecture, Gating, LayerArray, PostStackHead, WaveFilm, WaveLayer, WaveNet,
};

/// A network of any kind that a graph can hold.
pub(super) fn architecture(
    graph: &mut Graph,
    network: &Architecture,
    input: &Signal,
) -> Result<Signal, String> {
    match network {
        Architecture::Sequential(net) => sequence(graph, &net.layers, input),
        Architecture::WaveNet(net) => wavenet(graph, net, input),
        _ => Err("a network inside another has no form there".into()),
    }
}

fn wavenet(graph: &mut Graph, net: &WaveNet, input: &Signal) -> Result<Signal, String> {
    let condition = match &net.condition {
        Some(network) => architecture(graph, network, input)?,
        None => input.clone(),
    };
    let (mut signal, mut head) = (input.clone(), None);
    for array in &net.arrays {
        let (next, sum) = layers(graph, array, &signal, head, &condition)?;
        (signal, head) = (next, Some(convolution(graph, &array.head_rechannel, &sum)));
    }
    let head = head.ok_or("a WaveNet without layers")?;
    let scale = graph.floats(&[1], &[net.head_scale]);
    let scaled = Signal {
        name: graph.node("Mul", &[&head.name, &scale], &[]),
        ..head
    };
    match &net.head {
        Some(head) => behind(graph, head, scaled),
        None => Ok(scaled),
    }
}

fn behind(graph: &mut Graph, head: &PostStackHead, input: Signal) -> Result<Signal, String> {
    let mut signal = input;
    for conv in &head.convs {
        let active = activation(graph, &head.activation, &signal)?;
        signal = convolution(graph, conv, &active);
    }
    Ok(signal)
}

/// What an array passes on, and the sum of its heads.
fn layers(
    graph: &mut Graph,
    array: &LayerArray,
    input: &Signal,
    head: Option<Signal>,
    condition: &Signal,
) -> Result<(Signal, Signal), String> {
    let mut signal = convolution(graph, &array.rechannel, input);
    let mut sum = head;
    for one in &array.layers {
        let active = bottleneck(graph, one, &signal, condition)?;
        let own = match &one.head1x1 {
            Some(conv) => convolution(graph, conv, &active),
            None => active.clone(),
        };
        let own = modulated(graph, &one.films.head1x1_post, own, condition);
        sum = Some(match sum {
            Some(sum) => both(graph, "Add", &sum, &own),
            None => own,
        });
        if let Some(conv) = &one.layer1x1 {
            let step = convolution(graph, conv, &active);
            let step = modulated(graph, &one.films.layer1x1_post, step, condition);
            signal = both(graph, "Add", &signal, &step);
        }
    }
    Ok((signal, sum.ok_or("an array without layers")?))
}

fn bottleneck(
    graph: &mut Graph,
    layer: &WaveLayer,
    signal: &Signal,
    condition: &Signal,
) -> Result<Signal, String> {
    let films = &layer.films;
    let heard = modulated(graph, &films.conv_pre, signal.clone(), condition);
    let mixed = modulated(graph, &films.mixer_pre, condition.clone(), condition);
    let heard = convolution(graph, &layer.conv, &heard);
    let heard = modulated(graph, &films.conv_post, heard, condition);
    let mixed = convolution(graph, &layer.mixer, &mixed);
    let mixed = modulated(graph, &films.mixer_post, mixed, condition);
    let middle = both(graph, "Add", &heard, &mixed);
    let middle = modulated(graph, &films.activation_pre, middle, condition);
    let width = layer.bottleneck();
    let first = channels(graph, &middle, 0, width);
    let active = activation(graph, &layer.activation, &first)?;
    let active = match &layer.gating {
        Gating::None => active,
        Gating::Gated(function) => {
            let second = channels(graph, &middle, width, 2 * width);
            let gate = activation(graph, function, &second)?;
            both(graph, "Mul", &active, &gate)
        }
        // p + b·(activation(p) − p)
        Gating::Blended(function) => {
            let second = channels(graph, &middle, width, 2 * width);
            let blend = activation(graph, function, &second)?;
            let step = both(graph, "Sub", &active, &first);
            let step = both(graph, "Mul", &blend, &step);
            both(graph, "Add", &first, &step)
        }
    };
    Ok(modulated(graph, &films.activation_post, active, condition))
}

/// Scaled, and shifted, by what a convolution makes of the condition.
fn modulated(
    graph: &mut Graph,
    film: &Option<WaveFilm>,
    signal: Signal,
    condition: &Signal,
) -> Signal {
    let Some(film) = film else {
        return signal;
    };
    let width = signal.channels;
    let by = convolution(graph, &film.conv, condition);
    let scale = channels(graph, &by, 0, width);
    let scaled = both(graph, "Mul", &signal, &scale);
    if !film.shift {
        return scaled;
    }
    let shift = channels(graph, &by, width, 2 * width);
    both(graph, "Add", &scaled, &shift)
}
