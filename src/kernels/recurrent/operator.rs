//! A recurrent layer on tensors.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};

use super::shape::{Cell, PlainRecurrentState, Recurrent, RecurrentSlices};
use super::tensors::{RecurrentState, RecurrentWeights};
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, host_values, run, run_on_card,
};
use crate::kernels::composed;
use crate::kernels::gpu::recurrent::{CardRecurrent, MOST_UNITS};

/// A recurrent layer (for gates and their order see the [room](super)) over a sequence x `[batch,
/// input_size, time]` from `state` on: h at every step `[batch, hidden_size, time]`, and the state
/// after the last. No gradient passes through a state: back-propagation is truncated where a
/// sequence begins.
///
/// # Panics
/// The shapes of weights or state do not fit together or x, or an LSTM's state has no cell.
pub fn recurrent(
    x: Tensor<3>,
    cell: Cell,
    weights: RecurrentWeights,
    state: RecurrentState,
) -> (Tensor<3>, RecurrentState) {
    let [batch, input_size, _] = x.dims();
    let shape = Recurrent {
        cell,
        input_size,
        hidden_size: weights.hidden.dims()[1],
    };
    let gates = shape.gates() * shape.hidden_size;
    assert_eq!(
        (
            weights.input.dims(),
            weights.hidden.dims()[0],
            weights.bias.dims()
        ),
        ([gates, input_size], gates, [shape.biases()]),
        "recurrent: shapes of W, U and bias for {shape:?}"
    );
    assert_eq!(
        state.hidden.dims(),
        [batch, shape.hidden_size],
        "recurrent: shape of the state"
    );
    assert_eq!(
        state.cell.is_some(),
        cell == Cell::Lstm,
        "recurrent: an LSTM's state has a cell, a GRU's none"
    );
    match form_of(&x, "recurrent", fits_a_card(&shape)) {
        Form::Host => on_host(x, shape, weights, state),
        Form::Card => on_card(x, shape, weights, state),
        Form::Composed => composed::recurrent(x, cell, weights, state),
    }
}

fn fits_a_card(shape: &Recurrent) -> Result<(), String> {
    let widest = shape.hidden_size.max(shape.input_size);
    match widest <= MOST_UNITS {
        true => Ok(()),
        false => Err(format!(
            " of {widest} units or inputs (kernels go up to {MOST_UNITS})"
        )),
    }
}

fn on_card(
    x: Tensor<3>,
    shape: Recurrent,
    weights: RecurrentWeights,
    state: RecurrentState,
) -> (Tensor<3>, RecurrentState) {
    let RecurrentState { hidden, cell } = state.detach();
    let before = cell.unwrap_or_else(|| hidden.clone());
    let inputs = vec![
        x.into_dispatch(),
        weights.input.into_dispatch(),
        weights.hidden.into_dispatch(),
        weights.bias.into_dispatch(),
        hidden.into_dispatch(),
        before.into_dispatch(),
    ];
    let mut outputs = run_on_card(CardRecurrent(shape), inputs);
    outputs.truncate(3);
    let cell = outputs.pop().map(Tensor::from_dispatch);
    let hidden = outputs.swap_remove(1);
    let state = RecurrentState {
        hidden: Tensor::from_dispatch(hidden),
        cell: cell.filter(|_| shape.cell == Cell::Lstm),
    };
    (Tensor::from_dispatch(outputs.swap_remove(0)), state)
}

fn on_host(
    x: Tensor<3>,
    shape: Recurrent,
    weights: RecurrentWeights,
    state: RecurrentState,
) -> (Tensor<3>, RecurrentState) {
    let [batch, ..] = x.dims();
    let device = x.device();
    let state = Arc::new(Mutex::new(PlainRecurrentState {
        hidden: host_values(state.hidden),
        cell: state.cell.map(host_values).unwrap_or_default(),
    }));
    let operator = RecurrentOperator {
        shape,
        state: state.clone(),
    };
    let inputs = vec![
        x.into_dispatch(),
        weights.input.into_dispatch(),
        weights.hidden.into_dispatch(),
        weights.bias.into_dispatch(),
    ];
    let y = run(operator, inputs);
    let after = std::mem::take(&mut *state.lock().unwrap_or_else(PoisonError::into_inner));
    let tensor = |values: Vec<f32>| {
        Tensor::from_data(TensorData::new(values, [batch, shape.hidden_size]), &device)
    };
    let state = RecurrentState {
        hidden: tensor(after.hidden),
        cell: (shape.cell == Cell::Lstm).then(|| tensor(after.cell)),
    };
    (y, state)
}

/// Inputs x, W, U, bias. The state enters and leaves beside the tensors: it carries no gradient,
/// and the output would otherwise have to hold it.
#[derive(Debug)]
struct RecurrentOperator {
    shape: Recurrent,
    /// The state before the first step; after the forward pass that after the last.
    state: Arc<Mutex<PlainRecurrentState>>,
}

fn weights<'a>(inputs: &Inputs<'a>) -> RecurrentSlices<'a> {
    RecurrentSlices {
        input: inputs.at(1),
        hidden: inputs.at(2),
        bias: inputs.at(3),
    }
}

impl Operator for RecurrentOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x) = (inputs.isa, inputs.batch(), inputs.x());
        let shape = [batch, self.shape.hidden_size, inputs.len()];
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (data, kept) = self
            .shape
            .forward(isa, batch, x, &weights(inputs), &mut state, keep);
        Output {
            data: data.into(),
            shape,
            kept,
        }
    }

    fn needs_output(&self) -> bool {
        true
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let got = self.shape.backward(
            inputs.isa,
            inputs.batch(),
            inputs.x(),
            &weights(inputs),
            inputs.at(4),
            pass.kept,
            pass.dy,
            pass.wants(0),
        );
        let weights = [got.input, got.hidden, got.bias].map(|values| Some(values.into()));
        std::iter::once(got.x).chain(weights).collect()
    }
}
