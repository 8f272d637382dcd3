//! [`super::wavenet`] as an [`Operator`].

use super::buffers::Buffer;
use super::operator::{Forward, Operator, Values};
use super::wavenet::WaveNet;
use crate::simd::Isa;

/// Inputs x and the flat list of weights.
#[derive(Debug)]
pub(crate) struct WaveNetOperator(pub WaveNet);

impl Operator for WaveNetOperator {
    fn forward(&self, inputs: &[Values<'_>], keep: bool) -> Forward {
        let (batch, len) = (inputs[0].shape[0], inputs[0].shape[2]);
        let shape = vec![batch, self.0.out_channels(), self.0.output_len(len)];
        let mut data = vec![0.0; shape.iter().product()];
        let (x, weights) = (inputs[0].data, inputs[1].data);
        let kept = self
            .0
            .forward(Isa::detect(), batch, x, weights, &mut data, keep);
        Forward { data, shape, kept }
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let (batch, x, weights) = (inputs[0].shape[0], inputs[0].data, inputs[1].data);
        let isa = Isa::detect();
        let (dw, dx) = self.0.backward(isa, batch, x, weights, kept, dy, wanted[0]);
        vec![dx, Some(dw)]
    }
}
