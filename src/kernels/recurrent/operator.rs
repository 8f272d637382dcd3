//! A recurrent layer on tensors.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::DispatchTensor;
use burn::tensor::{Tensor, TensorData};

use super::shape::{Cell, HeadSlices, PlainRecurrentState, Recurrent, RecurrentSlices};
use super::tensors::{RecurrentState, RecurrentWeights};
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, host_values, is_fused, run,
    run_on_card,
};
use crate::kernels::composed;
use crate::kernels::convolution::conv1d;
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
        Form::Host => on_host(x, shape, weights, None, state),
        Form::Card => on_card(x, shape, weights, state),
        Form::Composed => composed::recurrent(x, cell, weights, state),
    }
}

/// The same, heard by a dense layer at each step: V `[outputs, hidden_size, 1]` and, where there is one,
/// its bias `[outputs]`. Gives `[batch, outputs, time]`.
///
/// # Panics
/// As [`recurrent()`], or V does not fit.
pub fn recurrent_with_head(
    x: Tensor<3>,
    cell: Cell,
    weights: RecurrentWeights,
    (head, bias): (Tensor<3>, Option<Tensor<1>>),
    state: RecurrentState,
) -> (Tensor<3>, RecurrentState) {
    let hidden_size = weights.hidden.dims()[1];
    let [outputs, heard, taps] = head.dims();
    assert_eq!(
        (heard, taps),
        (hidden_size, 1),
        "recurrent: shape of the head"
    );
    if !is_fused(&x) {
        let (y, state) = recurrent(x, cell, weights, state);
        return (conv1d(y, head, bias, [0, 0], 1), state);
    }
    let shape = Recurrent {
        cell,
        input_size: x.dims()[1],
        hidden_size,
    };
    let more = std::iter::once(head.into_dispatch()).chain(bias.map(Tensor::into_dispatch));
    on_host(x, shape, weights, Some((outputs, more.collect())), state)
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

/// With a head's number of outputs and its weights, where there is one.
fn on_host(
    x: Tensor<3>,
    shape: Recurrent,
    weights: RecurrentWeights,
    head: Option<(usize, Vec<DispatchTensor>)>,
    state: RecurrentState,
) -> (Tensor<3>, RecurrentState) {
    let [batch, ..] = x.dims();
    let device = x.device();
    let state = Arc::new(Mutex::new(PlainRecurrentState {
        hidden: host_values(state.hidden),
        cell: state.cell.map(host_values).unwrap_or_default(),
    }));
    let own = [
        x.into_dispatch(),
        weights.input.into_dispatch(),
        weights.hidden.into_dispatch(),
        weights.bias.into_dispatch(),
    ];
    let y = match head {
        None => run(
            RecurrentOperator {
                shape,
                state: state.clone(),
            },
            own.into(),
        ),
        Some((outputs, head)) => run(
            HeardOperator {
                shape,
                outputs,
                state: state.clone(),
            },
            own.into_iter().chain(head).collect(),
        ),
    };
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

/// The same with a head; inputs x, W, U, bias, V and, where there is one, its bias.
#[derive(Debug)]
struct HeardOperator {
    shape: Recurrent,
    outputs: usize,
    /// As [`RecurrentOperator`]'s.
    state: Arc<Mutex<PlainRecurrentState>>,
}

fn head<'a>(inputs: &Inputs<'a>) -> HeadSlices<'a> {
    HeadSlices {
        weight: inputs.at(4),
        bias: inputs.get(5).unwrap_or_default(),
    }
}

impl Operator for HeardOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x) = (inputs.isa, inputs.batch(), inputs.x());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (weights, head) = (weights(inputs), head(inputs));
        let (data, kept) = self
            .shape
            .forward_heard(isa, batch, x, &weights, &head, &mut state, keep);
        Output {
            data,
            shape: [batch, self.outputs, inputs.len()],
            kept,
        }
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (got, of_head) = self.shape.backward_heard(
            inputs.isa,
            inputs.batch(),
            inputs.x(),
            &weights(inputs),
            &head(inputs),
            pass.kept,
            pass.dy,
            pass.wants(0),
        );
        let weights = [
            got.input,
            got.hidden,
            got.bias,
            of_head.weight,
            of_head.bias,
        ];
        let weights = weights.map(|values| Some(values.into()));
        std::iter::once(got.x).chain(weights).collect()
    }
}
