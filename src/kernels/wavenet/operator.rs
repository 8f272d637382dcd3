//! A WaveNet on tensors.

use burn::tensor::Tensor;

use super::shape::WaveNet;
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, in_fitting_parts,
    output_on_card, run,
};
use crate::kernels::composed;
use crate::kernels::gpu::wavenet::{CardWaveNet, MOST_CHANNELS, kept_bytes};
use crate::kernels::memory::Buffer;

/// A whole WaveNet: x `[batch, in_channels, time]` and its flat list of weights (for their order
/// see [`WaveNet::weights`]) give `[batch, out_channels, time − receptive_field + 1]`.
///
/// # Panics
/// [`WaveNet::problem`] has one, the number of channels or weights is another than the network's,
/// or x is shorter than its receptive field.
pub fn wavenet(x: Tensor<3>, weights: Tensor<1>, net: &WaveNet) -> Tensor<3> {
    let problem = net.problem();
    assert!(
        problem.is_none(),
        "wavenet: {}",
        problem.unwrap_or_default()
    );
    let [_, channels, len] = x.dims();
    assert_eq!(
        [channels, weights.dims()[0]],
        [net.in_channels, net.weights()],
        "wavenet: channels of x and number of weights"
    );
    assert!(
        net.output_len(len) > 0,
        "wavenet: {len} samples are fewer than the receptive field of {}",
        net.receptive_field()
    );
    let form = form_of(&x, "wavenet", fits_a_card(net));
    if form == Form::Composed {
        return composed::wavenet(x, weights, net);
    }
    let inputs = |x: Tensor<3>| vec![x.into_dispatch(), weights.clone().into_dispatch()];
    match form {
        Form::Host => run(WaveNetOperator(net.clone()), inputs(x)),
        _ => in_fitting_parts(x, kept_bytes(net, len), |x| {
            output_on_card(CardWaveNet(net.clone()), inputs(x))
        }),
    }
}

fn fits_a_card(net: &WaveNet) -> Result<(), String> {
    let widths = net
        .arrays
        .iter()
        .flat_map(|array| [array.channels, array.head_channels]);
    match widths.chain([net.in_channels]).max() {
        Some(widest) if widest > MOST_CHANNELS => Err(format!(
            " of {widest} channels (kernels go up to {MOST_CHANNELS})"
        )),
        _ => Ok(()),
    }
}

/// Inputs x and the flat list of weights.
#[derive(Debug)]
struct WaveNetOperator(WaveNet);

impl Operator for WaveNetOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x, weights) = (inputs.isa, inputs.batch(), inputs.x(), inputs.at(1));
        let len = self.0.output_len(inputs.len());
        Output::written([batch, self.0.out_channels(), len], |y| {
            self.0.forward(isa, batch, x, weights, y, keep)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (isa, batch, x, weights) = (inputs.isa, inputs.batch(), inputs.x(), inputs.at(1));
        let (kept, dy, want_x) = (pass.kept, pass.dy, pass.wants(0));
        let (dw, dx) = self.0.backward(isa, batch, x, weights, kept, dy, want_x);
        vec![dx.map(Buffer::from), Some(dw.into())]
    }
}
