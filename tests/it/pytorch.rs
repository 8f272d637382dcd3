//! Losses and recurrent layers against PyTorch's (`tests/golden/pytorch.py`), gradients included.

use crate::golden;
use burn::prelude::*;
use effigy::config::LossConfig;
use effigy::kernels::recurrent::Cell;
use effigy::kernels::{self, RecurrentState, RecurrentWeights};
use effigy::models::loss::loss;
use serde_json::Value;

/// The largest difference, relative to the largest value.
#[track_caller]
fn apart<const D: usize>(found: Tensor<D>, expected: &[f32]) -> f32 {
    let found: Vec<f32> = found.into_data().try_into_vec().unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let pairs = found.iter().zip(expected);
    pairs.fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

/// The loss computes in single precision; a logarithm's slope in the quietest bins multiplies
/// its rounding.
#[test]
fn losses_and_their_gradients_are_pytorchs() {
    let device = Device::flex().autodiff();
    let sides = golden::array("pytorch/wet_and_predicted.npy");
    let [_, batch, len] = sides.shape[..] else {
        panic!("two sides of a batch")
    };
    let side = |i: usize| -> Tensor<3> {
        let values: Vec<f32> = sides.row(i).iter().map(|x| *x as f32).collect();
        Tensor::from_data(TensorData::new(values, [batch, 1, len]), &device)
    };
    let gradients = golden::array("pytorch/loss_gradients.npy");
    let values = golden::json("pytorch/losses.json");
    // The order of the gradients.
    let names = [
        "mse",
        "mae",
        "esr",
        "dc",
        "log_cosh",
        "pre_emphasised_mse",
        "pre_emphasised_esr",
        "multi_resolution_stft",
        "pre_emphasised_multi_resolution_stft",
    ];
    for (i, name) in names.into_iter().enumerate() {
        let nothing = if name == "esr" { "" } else { "esr = 0.0" };
        let config: LossConfig = toml::from_str(&format!("{nothing}\n{name} = 1.0")).unwrap();
        let predicted = side(1).require_grad();
        let value = loss(&config, side(0), predicted.clone());
        let gradient = predicted.grad(&value.backward()).unwrap();
        let value = f64::from(value.into_scalar::<f32>());
        let expected = values[name].as_f64().unwrap();
        let off = (value / expected - 1.0).abs();
        let expected: Vec<f32> = gradients.row(i).iter().map(|x| *x as f32).collect();
        let slope = apart(gradient, &expected);
        eprintln!("{name}: value {off:.1e}, gradient {slope:.1e}");
        let spectral = name.ends_with("stft");
        assert!(off < if spectral { 1e-4 } else { 1e-5 }, "{name}: {off:e}");
        assert!(
            slope < if spectral { 1e-3 } else { 1e-5 },
            "{name}: {slope:e}"
        );
    }
}

/// A stored array and its shape.
fn stored(file: &Value, name: &str) -> (Vec<f32>, Vec<usize>) {
    let part = |key: &str| file[name][key].clone();
    (
        serde_json::from_value(part("values")).unwrap(),
        serde_json::from_value(part("shape")).unwrap(),
    )
}

fn tensor<const D: usize>(file: &Value, name: &str, device: &Device) -> Tensor<D> {
    let (values, shape) = stored(file, name);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Holds a fused layer, from a given state on, to PyTorch's: output, last state, gradients.
fn compare(cell: Cell, file: &Value) {
    let device = Device::flex().autodiff();
    let leaf = |values: Vec<f32>| -> Tensor<1> {
        Tensor::<1>::from_floats(values.as_slice(), &device).require_grad()
    };
    let state: Tensor<2> = tensor(file, "hidden", &device);
    let state = RecurrentState {
        cell: (cell == Cell::Lstm).then(|| tensor(file, "cell", &device)),
        hidden: state,
    };
    let [x, input, hidden] = ["x", "weight_ih_l0", "weight_hh_l0"].map(|n| stored(file, n));
    let biases = |prefix: &str| {
        ["bias_ih_l0", "bias_hh_l0"].map(|name| stored(file, &format!("{prefix}{name}")).0)
    };
    // PyTorch's LSTM has two biases that only ever act as their sum; the layer has that.
    let (bias, bias_gradient) = match (cell, biases(""), biases("d_")) {
        (Cell::Lstm, [a, b], [gradient, _]) => {
            let sum = a.iter().zip(&b).map(|(a, b)| a + b).collect();
            (sum, gradient)
        }
        (Cell::Gru, both, gradients) => (both.concat(), gradients.concat()),
    };
    let leaves = [x.0, input.0, hidden.0, bias].map(leaf);
    let [x_leaf, input_leaf, hidden_leaf, bias_leaf] = leaves.clone();
    let weights = RecurrentWeights {
        input: input_leaf.reshape([input.1[0], input.1[1]]),
        hidden: hidden_leaf.reshape([hidden.1[0], hidden.1[1]]),
        bias: bias_leaf,
    };
    let x_leaf: Tensor<3> = x_leaf.reshape([x.1[0], x.1[1], x.1[2]]);
    let (y, last) = kernels::recurrent(x_leaf.swap_dims(1, 2), cell, weights, state);
    let y = y.swap_dims(1, 2);
    let dy: Tensor<3> = tensor(file, "dy", &device);
    let gradients = (y.clone() * dy).sum().backward();
    assert!(apart(y, &stored(file, "y").0) < 1e-5);
    assert!(apart(last.hidden, &stored(file, "last_0").0) < 1e-5);
    if let Some(cell) = last.cell {
        assert!(apart(cell, &stored(file, "last_1").0) < 1e-5);
    }
    let expected = ["d_x", "d_weight_ih_l0", "d_weight_hh_l0"].map(|name| stored(file, name).0);
    for (leaf, expected) in leaves.iter().zip(expected.iter().chain([&bias_gradient])) {
        let slope = apart(leaf.grad(&gradients).unwrap(), expected);
        assert!(slope < 1e-5, "{cell:?}: {slope:e}");
    }
}

#[test]
fn recurrent_layers_and_their_gradients_are_pytorchs() {
    compare(Cell::Lstm, &golden::json("pytorch/lstm.json"));
    compare(Cell::Gru, &golden::json("pytorch/gru.json"));
}
