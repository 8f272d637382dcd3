//! The diagonal state space on tensors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::DispatchTensor;
use burn::tensor::{Device, Tensor, TensorData};

use super::shape::{PlainScanState, Scan, ScanSlices};
use super::tensors::ScanWeights;
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, host_values, is_fused,
    is_on_card, run, run_on_card,
};
use crate::kernels::composed;
use crate::kernels::gpu::scan::{CardScan, MOST_STATES};

/// A diagonal linear state space (for its formula see the [room](super)) over a sequence x `[batch,
/// rows, time]` from `state` on (zeros where there is none): y, shaped like x, and the state after the
/// last step. States are `[batch, rows · 2 · states]`, of each row Re s of all states, then Im s. No
/// gradient passes through one.
///
/// # Panics
/// The shapes of weights or state do not fit together or x.
pub fn scan(
    x: Tensor<3>,
    weights: ScanWeights,
    state: Option<Tensor<2>>,
) -> (Tensor<3>, Tensor<2>) {
    let [batch, rows, _] = x.dims();
    let states = weights.states();
    let shape = weights.decay.dims();
    let matrices = [&weights.frequency, &weights.output_re, &weights.output_im];
    assert_eq!(
        (matrices.map(Tensor::dims), weights.log_step.dims()),
        ([shape; 3], [shape[0]]),
        "scan: shapes of the weights"
    );
    assert_eq!(
        (weights.rows(), shape[0] % rows),
        (rows, 0),
        "scan: rows of x"
    );
    let state = state.map(Tensor::detach);
    if let Some(state) = &state {
        let expected = [batch, rows * 2 * states];
        assert_eq!(state.dims(), expected, "scan: shape of the state");
    }
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

fn on_card(x: Tensor<3>, weights: ScanWeights, state: Option<Tensor<2>>) -> (Tensor<3>, Tensor<2>) {
    let states = weights.states();
    let mut inputs = vec![
        x.into_dispatch(),
        weights.log_step.into_dispatch(),
        weights.decay.into_dispatch(),
        weights.frequency.into_dispatch(),
        weights.output_re.into_dispatch(),
        weights.output_im.into_dispatch(),
        weights.d.into_dispatch(),
    ];
    inputs.extend(state.map(Tensor::into_dispatch));
    let mut outputs = run_on_card(CardScan { states }, inputs);
    let state = Tensor::from_dispatch(outputs.swap_remove(1));
    let y = Tensor::from_dispatch(outputs.swap_remove(0));
    (y, state)
}

fn on_host(x: Tensor<3>, weights: ScanWeights, state: Option<Tensor<2>>) -> (Tensor<3>, Tensor<2>) {
    let device = x.device();
    let [batch, channels, _] = x.dims();
    let shape = Scan {
        channels,
        states: weights.states(),
    };
    let state = HandedState::new(shape, batch, state);
    let operator = ScanOperator {
        shape,
        state: state.clone(),
    };
    let mut inputs = vec![x.into_dispatch()];
    inputs.extend(weights.coefficients());
    let y = run(operator, inputs);
    (y, state.after(shape, &device))
}

/// A state that enters an operator and leaves it beside the tensors.
#[derive(Debug, Clone)]
pub(in crate::kernels) struct HandedState(Arc<Mutex<PlainScanState>>);

impl HandedState {
    /// For an operator on `batch` items; silence where there is none.
    pub fn new(shape: Scan, batch: usize, state: Option<Tensor<2>>) -> Self {
        Self(Arc::new(Mutex::new(match state {
            Some(state) => shape.separate_state(&host_values(state)),
            None => shape.zero_state(batch),
        })))
    }

    /// For a pass over it.
    pub fn lock(&self) -> MutexGuard<'_, PlainScanState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the pass left.
    pub fn after(&self, shape: Scan, device: &Device) -> Tensor<2> {
        let after = shape.join_state(&self.lock());
        let per_item = shape.channels * shape.states * 2;
        let batch = after.len() / per_item.max(1);
        Tensor::from_data(TensorData::new(after, [batch, per_item]), device)
    }
}

/// Inputs x, Re a, Im a, Re c, Im c, d. The state enters and leaves beside the tensors.
#[derive(Debug)]
struct ScanOperator {
    shape: Scan,
    /// The state before the first step; after the forward pass that after the last.
    state: HandedState,
}

impl ScanWeights {
    /// What a pass on the host takes of them: Re a, Im a, Re c, Im c and d.
    pub(in crate::kernels) fn coefficients(self) -> [DispatchTensor; 5] {
        let held = self.held();
        let pole = held.pole();
        let d = self.d.into_dispatch();
        let [a_re, a_im, c_re, c_im] =
            [pole.re, pole.im, held.output.re, held.output.im].map(Tensor::into_dispatch);
        [a_re, a_im, c_re, c_im, d]
    }
}

impl<'a> ScanSlices<'a> {
    /// Inputs 1 to 5 of an operator, in the order of [`ScanWeights::coefficients`].
    pub(in crate::kernels) fn of(inputs: &Inputs<'a>) -> Self {
        Self {
            a_re: inputs.at(1),
            a_im: inputs.at(2),
            c_re: inputs.at(3),
            c_im: inputs.at(4),
            d: inputs.at(5),
        }
    }
}

impl Operator for ScanOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x) = (inputs.isa, inputs.batch(), inputs.x());
        let mut state = self.state.lock();
        Output::written([batch, self.shape.channels, inputs.len()], |y| {
            self.shape
                .forward(isa, batch, x, &ScanSlices::of(inputs), &mut state, y, keep)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let got = self.shape.backward(
            inputs.isa,
            inputs.batch(),
            inputs.x(),
            &ScanSlices::of(inputs),
            pass.kept,
            pass.dy,
            pass.wants(0),
        );
        let weights = [got.a_re, got.a_im, got.c_re, got.c_im, got.d];
        let weights = weights.map(|values| Some(values.into()));
        std::iter::once(got.x).chain(weights).collect()
    }
}
