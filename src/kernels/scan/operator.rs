//! The diagonal state space on tensors.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};

use super::shape::{PlainScanState, Scan, ScanSlices};
use super::tensors::{ScanState, ScanWeights};
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, host_values, is_fused,
    is_on_card, run, run_on_card,
};
use crate::kernels::composed;
use crate::kernels::gpu::scan::{CardScan, MOST_STATES};

/// A diagonal linear state space (for its formula see the [room](super)) over a sequence x `[batch,
/// channels, time]` from `state` on: y, shaped like x, and the state after the last step. No
/// gradient passes through a state.
///
/// # Panics
/// The shapes of weights or state do not fit together or x.
pub fn scan(x: Tensor<3>, weights: ScanWeights, state: ScanState) -> (Tensor<3>, ScanState) {
    let [batch, channels, _] = x.dims();
    let states = weights.a_re.dims()[1];
    let matrices = [&weights.a_re, &weights.a_im, &weights.c_re, &weights.c_im];
    assert_eq!(
        (matrices.map(Tensor::dims), weights.d.dims()),
        ([[channels, states]; 4], [channels]),
        "scan: shapes of a, c and d"
    );
    let state_shape = [batch, channels, states];
    assert_eq!(
        [state.re.dims(), state.im.dims()],
        [state_shape; 2],
        "scan: shape of the state"
    );
    match form_of(&x, "scan", fits_a_card(states)) {
        Form::Host => on_host(x, weights, state),
        Form::Card => on_card(x, weights, state),
        Form::Composed => composed::scan(x, weights, state),
    }
}

/// Whether there are kernels for so many states on a card.
fn fits_a_card(states: usize) -> Result<(), String> {
    match states <= MOST_STATES {
        true => Ok(()),
        false => Err(format!(
            " of {states} states (kernels go up to {MOST_STATES})"
        )),
    }
}

/// Whether a scan of x with so many states per channel takes a fused form: where not, networks have
/// a better way than step by step.
pub fn is_scan_fused(x: &Tensor<3>, states: usize) -> bool {
    is_fused(x) || is_on_card(x) && fits_a_card(states).is_ok()
}

fn on_card(x: Tensor<3>, weights: ScanWeights, state: ScanState) -> (Tensor<3>, ScanState) {
    let states = weights.a_re.dims()[1];
    let ScanState { re, im } = state.detach();
    let inputs = vec![
        x.into_dispatch(),
        weights.a_re.into_dispatch(),
        weights.a_im.into_dispatch(),
        weights.c_re.into_dispatch(),
        weights.c_im.into_dispatch(),
        weights.d.into_dispatch(),
        re.into_dispatch(),
        im.into_dispatch(),
    ];
    let mut outputs = run_on_card(CardScan { states }, inputs);
    let im = Tensor::from_dispatch(outputs.swap_remove(2));
    let re = Tensor::from_dispatch(outputs.swap_remove(1));
    let y = Tensor::from_dispatch(outputs.swap_remove(0));
    (y, ScanState { re, im })
}

fn on_host(x: Tensor<3>, weights: ScanWeights, state: ScanState) -> (Tensor<3>, ScanState) {
    let device = x.device();
    let [batch, channels, _] = x.dims();
    let states = weights.a_re.dims()[1];
    let state_shape = [batch, channels, states];
    let state = Arc::new(Mutex::new(PlainScanState {
        re: host_values(state.re),
        im: host_values(state.im),
    }));
    let operator = ScanOperator {
        shape: Scan { channels, states },
        state: state.clone(),
    };
    let inputs = vec![
        x.into_dispatch(),
        weights.a_re.into_dispatch(),
        weights.a_im.into_dispatch(),
        weights.c_re.into_dispatch(),
        weights.c_im.into_dispatch(),
        weights.d.into_dispatch(),
    ];
    let y = run(operator, inputs);
    let after = std::mem::take(&mut *state.lock().unwrap_or_else(PoisonError::into_inner));
    let tensor = |values| Tensor::from_data(TensorData::new(values, state_shape), &device);
    let state = ScanState {
        re: tensor(after.re),
        im: tensor(after.im),
    };
    (y, state)
}

/// Inputs x, Re a, Im a, Re c, Im c, d. The state enters and leaves beside the tensors.
#[derive(Debug)]
struct ScanOperator {
    shape: Scan,
    /// The state before the first step; after the forward pass that after the last.
    state: Arc<Mutex<PlainScanState>>,
}

fn weights<'a>(inputs: &Inputs<'a>) -> ScanSlices<'a> {
    ScanSlices {
        a_re: inputs.at(1),
        a_im: inputs.at(2),
        c_re: inputs.at(3),
        c_im: inputs.at(4),
        d: inputs.at(5),
    }
}

impl Operator for ScanOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x) = (inputs.isa, inputs.batch(), inputs.x());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Output::written([batch, self.shape.channels, inputs.len()], |y| {
            self.shape
                .forward(isa, batch, x, &weights(inputs), &mut state, y, keep)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let got = self.shape.backward(
            inputs.isa,
            inputs.batch(),
            inputs.x(),
            &weights(inputs),
            pass.kept,
            pass.dy,
            pass.wants(0),
        );
        let weights = [got.a_re, got.a_im, got.c_re, got.c_im, got.d];
        std::iter::once(got.x).chain(weights.map(Some)).collect()
    }
}
