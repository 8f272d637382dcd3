//! A WaveNet on a card: a launch per layer, forward and backward, and one for the gradients of all
//! weights.
//!
//! A thread has one sample with all its channels in registers: it sums over taps and channels,
//! applies the activation, and goes on through the 1×1 convolution to the layer's output without
//! leaving them. Backward, a launch ends one layer and begins the layer below: the gradient of the
//! signal between them is what the taps of the upper one send back, and from there the lower one's
//! activation is reached in the same thread.
//!
//! All kept signals lie in fours of channels, each four's samples behind one another, and the weights
//! of a launch in memory that a cube's threads share: see [`convolve`] and [`places`].

mod backward;
mod convolve;
mod form;
mod forward;
mod gradients;
mod places;

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;

use self::backward::Backward;
use self::forward::Forward;
use self::places::Plan;
use crate::kernels::bridge::{CardOperator, CardPass, empty};
use crate::kernels::wavenet::WaveNet;

pub(in crate::kernels) use places::kept_bytes;

/// The widest layer, and input: a layer's channels and the gates' are registers of a thread, and what is
/// fetched of its weights at once fits into the 16 KB that the threads of a cube share on any card.
pub(in crate::kernels) const MOST_CHANNELS: usize = 32;

/// A network on a card. Inputs x and the flat list of weights; outputs y and the signals.
#[derive(Debug)]
pub(in crate::kernels) struct CardWaveNet(pub WaveNet);

impl CardOperator for CardWaveNet {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        let (batch, len) = (inputs[0][0], inputs[0][2]);
        let plan = Plan::new(&self.0, batch, len);
        let y = [batch, self.0.out_channels(), self.0.output_len(len)];
        vec![Shape::new(y), Shape::new([plan.signal_numbers])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let [batch, _, len] = inputs[0].meta.shape().dims();
        Forward {
            net: &self.0,
            plan: Plan::new(&self.0, batch, len),
            x: &inputs[0],
            weights: &inputs[1],
            signals: &outputs[1],
            y: &outputs[0],
        }
        .run();
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let x = &pass.inputs[0];
        let [batch, _, len] = x.meta.shape().dims();
        let plan = Plan::new(&self.0, batch, len);
        let backward = Backward {
            net: &self.0,
            x,
            weights: &pass.inputs[1],
            signals: &pass.outputs[1],
            gradients: &empty(x, [plan.gradient_numbers]),
            plan,
        };
        backward.signals(pass.dy);
        if let Some(dx) = &gradients[0] {
            backward.input(dx);
        }
        if let Some(dw) = &gradients[1] {
            backward.weights(dw);
        }
    }
}
