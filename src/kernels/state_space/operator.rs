//! The layer on tensors.

use burn::tensor::Tensor;

use super::shape::{StateSpaceLayer, StateSpaceSlices};
use super::tensors::StateSpaceTensors;
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, run,
};
use crate::kernels::composed;
use crate::kernels::scan::{HandedState, Scan, ScanSlices};

/// y and the state after the last step, of x `[batch, channels, time]` from `state` on; for the formula
/// see the [room](super), for states [`scan`](super::super::scan()).
///
/// # Panics
/// The shapes of weights or state do not fit together or x.
pub fn state_space(
    x: Tensor<3>,
    layer: StateSpaceTensors,
    state: Option<Tensor<2>>,
) -> (Tensor<3>, Tensor<2>) {
    let ([batch, channels, _], device) = (x.dims(), x.device());
    assert_eq!(
        (layer.scan.rows(), layer.mix.dims(), layer.bias.dims()),
        (channels, [channels, channels, 1], [channels]),
        "state_space: shapes of the weights"
    );
    if form_of(&x, "", Ok(())) != Form::Host || !layer.activation.is_fused() {
        return composed::state_space(x, layer, state);
    }
    let scan = Scan {
        channels,
        states: layer.scan.states(),
    };
    let state = HandedState::new(scan, batch, state.map(Tensor::detach));
    let operator = StateSpaceOperator {
        layer: StateSpaceLayer {
            scan,
            activation: layer.activation,
        },
        state: state.clone(),
    };
    let mut inputs = vec![x.into_dispatch()];
    inputs.extend(layer.scan.coefficients());
    inputs.extend([layer.mix.into_dispatch(), layer.bias.into_dispatch()]);
    let y = run(operator, inputs);
    (y, state.after(scan, &device))
}

/// Inputs x, those of a scan, W and b. The state enters and leaves beside the tensors.
#[derive(Debug)]
struct StateSpaceOperator {
    layer: StateSpaceLayer,
    state: HandedState,
}

fn weights<'a>(inputs: &Inputs<'a>) -> StateSpaceSlices<'a> {
    StateSpaceSlices {
        scan: ScanSlices::of(inputs),
        mix: inputs.at(6),
        bias: inputs.at(7),
    }
}

impl Operator for StateSpaceOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x) = (inputs.isa, inputs.batch(), inputs.x());
        let mut state = self.state.lock();
        let shape = [batch, self.layer.scan.channels, inputs.len()];
        Output::written(shape, |y| {
            let weights = weights(inputs);
            self.layer
                .forward(isa, batch, x, &weights, &mut state, y, keep)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let got = self.layer.backward(
            inputs.isa,
            inputs.batch(),
            inputs.x(),
            &weights(inputs),
            pass.kept,
            pass.dy,
            pass.wants(0),
        );
        let scan = got.scan;
        let lists = [
            scan.a_re, scan.a_im, scan.c_re, scan.c_im, scan.d, got.mix, got.bias,
        ];
        let lists = lists.map(|values| Some(values.into()));
        std::iter::once(scan.x).chain(lists).collect()
    }
}
