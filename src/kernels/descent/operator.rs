//! The step on tensors.

use burn::backend::DispatchTensor;
use burn::tensor::{Device, Tensor, TensorData};

use super::on_host::HostDescent;
use super::step::Descent;
use crate::kernels::bridge::{Form, form_of, host_values, is_on_card, run_on_card, run_on_list};
use crate::kernels::gpu::descent::CardDescent;

/// A tensor of weights, of any rank and without autodiff.
#[derive(Debug)]
pub struct Weight {
    /// The weights.
    pub weights: DispatchTensor,
    /// Shaped like them.
    pub gradient: DispatchTensor,
    /// How many they are.
    pub len: usize,
    /// By how much they decay.
    pub decay: f32,
}

/// What a step leaves.
#[derive(Debug)]
pub struct Descended {
    /// The new weights, in order.
    pub weights: Vec<DispatchTensor>,
    /// Sums of the gradients' squares, where they were clipped.
    pub squares: Tensor<1>,
}

/// Whether [`descend`] can be had for weights on this tensor's device.
pub fn can_descend<const D: usize>(weights: &Tensor<D>) -> bool {
    form_of(weights, "", Ok(())) != Form::Composed
}

/// One step of `list`, at least one tensor; the moments, which go along, are as long as all weights
/// together.
///
/// # Panics
/// [`can_descend`] does not hold of a tensor.
pub fn descend(step: Descent, list: Vec<Weight>, moments: &mut [Tensor<1>; 2]) -> Descended {
    match is_on_card(&moments[0]) {
        true => on_card(step, list, moments),
        false => on_host(step, list, moments),
    }
}

fn on_host(step: Descent, list: Vec<Weight>, moments: &mut [Tensor<1>; 2]) -> Descended {
    let device = moments[0].device();
    // Taken out, so that nobody else holds them and they change where they lie.
    let take = |moment: &mut Tensor<1>| {
        host_values(std::mem::replace(moment, Tensor::empty([1], &device)))
    };
    let mut work = HostDescent {
        step,
        decays: list.iter().map(|weight| weight.decay).collect(),
        moments: moments.each_mut().map(take),
        squares: 0.0,
    };
    let weights = run_on_list(&mut work, tensors(list));
    *moments = work.moments.map(|values| from_host(values, &device));
    Descended {
        weights,
        squares: from_host(vec![work.squares], &device),
    }
}

fn from_host(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

fn on_card(step: Descent, list: Vec<Weight>, moments: &mut [Tensor<1>; 2]) -> Descended {
    let operator = CardDescent {
        step,
        lens: list.iter().map(|weight| weight.len).collect(),
        decays: list.iter().map(|weight| weight.decay).collect(),
    };
    let count = list.len();
    let mut inputs = tensors(list);
    inputs.extend(
        moments
            .each_ref()
            .map(|moment| moment.clone().into_dispatch()),
    );
    let mut weights = run_on_card(operator, inputs);
    let mut others = weights
        .split_off(count)
        .into_iter()
        .map(Tensor::from_dispatch);
    let mut next = || others.next().expect("an output for each place");
    *moments = [next(), next()];
    Descended {
        squares: next(),
        weights,
    }
}

/// All weights, then all gradients.
fn tensors(list: Vec<Weight>) -> Vec<DispatchTensor> {
    let (mut weights, gradients): (Vec<_>, Vec<_>) = list
        .into_iter()
        .map(|weight| (weight.weights, weight.gradient))
        .unzip();
    weights.extend(gradients);
    weights
}
