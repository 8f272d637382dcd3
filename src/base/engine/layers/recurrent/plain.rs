//! The recurrent layers as their formulas stand, one number at a time, and the engine held to
//! them.

use super::cell::Kind;
use crate::engine::block::Block;
use crate::engine::node::Plannable;
use crate::engine::plan::Plan;
use crate::network::{Conv1d, Gru, Layer, Lstm};
use crate::random::Noise;
use crate::simd::Isa;

/// Numbers within ±`size`.
fn numbers(noise: &mut Noise, size: f64, len: usize) -> Vec<f32> {
    let one = |_| (f64::from(noise.next_bits()) / f64::from(1 << 23) - 1.0) * size;
    (0..len).map(one).map(|x| x as f32).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// bias + matrix · x + bias, row by row.
fn affine(matrix: &[f32], x: &[f64], bias: &[f32]) -> Vec<f64> {
    let rows = matrix.chunks_exact(x.len()).zip(bias);
    rows.map(|(row, bias)| {
        let products = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x);
        f64::from(*bias) + products.sum::<f64>()
    })
    .collect()
}

/// `[time][input]` → `[time][unit]`.
fn plain_lstm(layer: &Lstm, input: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = layer.hidden_size;
    let mut h: Vec<f64> = layer.initial_hidden.iter().map(|x| f64::from(*x)).collect();
    let mut c: Vec<f64> = layer.initial_cell.iter().map(|x| f64::from(*x)).collect();
    let steps = input.iter().map(|x| {
        let a = affine(&layer.weight_input, x, &layer.bias);
        let b = affine(&layer.weight_hidden, &h, &vec![0.0; 4 * n]);
        let z = |gate: usize, u: usize| a[gate * n + u] + b[gate * n + u];
        for u in 0..n {
            c[u] = sigmoid(z(1, u)) * c[u] + sigmoid(z(0, u)) * z(2, u).tanh();
            h[u] = sigmoid(z(3, u)) * c[u].tanh();
        }
        h.clone()
    });
    steps.collect()
}

/// As [`plain_lstm`].
fn plain_gru(layer: &Gru, input: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = layer.hidden_size;
    let mut h: Vec<f64> = layer.initial_hidden.iter().map(|x| f64::from(*x)).collect();
    let steps = input.iter().map(|x| {
        let a = affine(&layer.weight_input, x, &layer.bias_input);
        let b = affine(&layer.weight_hidden, &h, &layer.bias_hidden);
        for u in 0..n {
            let r = sigmoid(a[u] + b[u]);
            let z = sigmoid(a[n + u] + b[n + u]);
            let new = (a[2 * n + u] + r * b[2 * n + u]).tanh();
            h[u] = (1.0 - z) * new + z * h[u];
        }
        h.clone()
    });
    steps.collect()
}

/// A layer of random weights: sums of a few units, so that gates open and close.
fn layer(kind: Kind, inputs: usize, units: usize, noise: &mut Noise) -> Layer {
    let back = 3.0 / (units as f64).sqrt();
    match kind {
        Kind::Lstm => Layer::Lstm(Lstm {
            input_size: inputs,
            hidden_size: units,
            weight_input: numbers(noise, 3.0, 4 * units * inputs),
            weight_hidden: numbers(noise, back, 4 * units * units),
            bias: numbers(noise, 1.0, 4 * units),
            initial_hidden: numbers(noise, 1.0, units),
            initial_cell: numbers(noise, 2.0, units),
        }),
        Kind::Gru => Layer::Gru(Gru {
            input_size: inputs,
            hidden_size: units,
            weight_input: numbers(noise, 3.0, 3 * units * inputs),
            weight_hidden: numbers(noise, back, 3 * units * units),
            bias_input: numbers(noise, 1.0, 3 * units),
            bias_hidden: numbers(noise, 1.0, 3 * units),
            initial_hidden: numbers(noise, 1.0, units),
        }),
    }
}

fn plain(layers: &[Layer], input: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut signal = input.to_vec();
    for layer in layers {
        signal = match layer {
            Layer::Lstm(lstm) => plain_lstm(lstm, &signal),
            Layer::Gru(gru) => plain_gru(gru, &signal),
            Layer::Conv1d(conv) => {
                let dense = |x: &Vec<f64>| affine(&conv.weight, x, &conv.bias);
                signal.iter().map(dense).collect()
            }
            _ => panic!("no recurrent layer"),
        };
    }
    signal
}

/// `[time][output]` of the engine's node for the layers, in blocks of `block` samples.
fn played(
    layers: &[Layer],
    input: &[Vec<f64>],
    outputs: usize,
    block: usize,
    isa: Isa,
) -> Vec<f32> {
    let (inputs, plan) = (input[0].len(), Plan::new(isa, 0));
    let (first, behind) = layers.split_first().unwrap();
    let (mut node, used) = match first {
        Layer::Lstm(lstm) => lstm.node_with(behind, inputs, &plan).unwrap(),
        Layer::Gru(gru) => gru.node_with(behind, inputs, &plan).unwrap(),
        _ => panic!("no recurrent layer"),
    };
    assert_eq!(used, behind.len());
    let mut rows = Block::new(inputs.max(outputs), &plan).unwrap();
    let mut output = Vec::new();
    for steps in input.chunks(block) {
        for (t, x) in steps.iter().enumerate() {
            for (row, x) in x.iter().enumerate() {
                rows.row_mut(row, steps.len())[t] = *x as f32;
            }
        }
        node.process(&mut rows, steps.len());
        for t in 0..steps.len() {
            output.extend((0..outputs).map(|row| rows.row(row, steps.len())[t]));
        }
    }
    output
}

/// Depths, widths (one vector, several, more than a tile, none of them whole) and kinds; with a
/// head and without.
#[test]
fn the_engine_plays_what_the_formulas_say_in_blocks_of_any_length() {
    let mut noise = Noise::new(5);
    for (case, units) in [1, 3, 4, 8, 11, 16, 17, 24, 30, 40].into_iter().enumerate() {
        for kind in [Kind::Lstm, Kind::Gru] {
            let (depth, inputs) = (1 + case % 3, 1 + case % 4);
            let mut layers = vec![layer(kind, inputs, units, &mut noise)];
            for l in 1..depth {
                // The last of three is of the other kind.
                let other = if kind == Kind::Lstm {
                    Kind::Gru
                } else {
                    Kind::Lstm
                };
                let kind = if l == 2 { other } else { kind };
                layers.push(layer(kind, units, units, &mut noise));
            }
            let outputs = match case % 2 {
                0 => 2,
                _ => units,
            };
            if case % 2 == 0 {
                let weight = numbers(&mut noise, 1.0, outputs * units);
                let bias = numbers(&mut noise, 1.0, outputs);
                layers.push(Layer::Conv1d(Conv1d::dense(units, outputs, weight, bias)));
            }
            let input: Vec<Vec<f64>> = (0..150)
                .map(|_| {
                    numbers(&mut noise, 1.0, inputs)
                        .into_iter()
                        .map(f64::from)
                        .collect()
                })
                .collect();
            let exact: Vec<f64> = plain(&layers, &input).into_iter().flatten().collect();
            for isa in Isa::available() {
                let whole = played(&layers, &input, outputs, 150, isa);
                for (t, (got, exact)) in whole.iter().zip(&exact).enumerate() {
                    // Errors of gates, 3e-7 each, fed back through weights of this size.
                    assert!(
                        (f64::from(*got) - exact).abs() < 2e-5,
                        "{kind:?} {depth} × {units}, {isa}, {t}: {got} for {exact}"
                    );
                }
                for block in [1, 7, 64] {
                    let cut = played(&layers, &input, outputs, block, isa);
                    assert!(
                        cut == whole,
                        "{kind:?} {depth} × {units}, {isa}, block {block}"
                    );
                }
            }
        }
    }
}
