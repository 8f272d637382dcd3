//! The seed's fully connected networks: a window in, a window out, two hidden layers between,
//! without activation (`linear`) or with ReLU (`nonlinear`).

use super::effect_network::{Build, EffectNetwork, Reach, Site};
use super::init::WeightInit;
use super::parts::numbers;
use super::work::Work;
use crate::config::{DenseConfig, ModelConfig};
use crate::kernels::{self, activation::Activation};
use crate::network::{self, Architecture, Control, WindowNetwork};
use burn::module::Param;
use burn::prelude::*;
use std::f32::consts::PI;

/// `window_len → hidden → hidden → window_len`.
#[derive(Module, Debug)]
pub struct DenseNetwork {
    /// `[window_len, hidden]`.
    first_weight: Param<Tensor<2>>,
    first_bias: Param<Tensor<1>>,
    /// `[hidden, hidden]`.
    second_weight: Param<Tensor<2>>,
    second_bias: Param<Tensor<1>>,
    /// `[hidden, window_len]`.
    third_weight: Param<Tensor<2>>,
    third_bias: Param<Tensor<1>>,
    rectified: bool,
}

impl DenseNetwork {
    /// Weights uniform in ±√(gain/inputs) with gain 3 (6 before ReLU), which keeps the
    /// variance of a signal from layer to layer (He et al. 2015); biases 0.
    pub fn new(window_len: usize, hidden: usize, rectified: bool, init: &mut WeightInit) -> Self {
        let gain = if rectified { 6.0 } else { 3.0 };
        let bound = |inputs: usize, gain: f32| (gain / inputs as f32).sqrt();
        Self {
            first_weight: init.uniform([window_len, hidden], bound(window_len, 3.0)),
            first_bias: init.constant([hidden], 0.0),
            second_weight: init.uniform([hidden, hidden], bound(hidden, gain)),
            second_bias: init.constant([hidden], 0.0),
            third_weight: init.uniform([hidden, window_len], bound(hidden, gain)),
            third_bias: init.constant([window_len], 0.0),
            rectified,
        }
    }

    /// Samples of a window.
    fn window_len(&self) -> usize {
        self.third_bias.dims()[0]
    }

    /// Architecture and weights as numbers, windows half overlapping as in prediction.
    fn describe(&self) -> WindowNetwork {
        let hidden = match self.rectified {
            true => network::Activation::Relu,
            false => network::Activation::Identity,
        };
        let dense = |weight: &Param<Tensor<2>>, bias: &Param<Tensor<1>>, activation| {
            let data = weight.val().transpose().into_data().convert::<f32>();
            network::Dense {
                weight: data.try_to_vec().unwrap_or_default(),
                bias: numbers(bias),
                activation,
            }
        };
        WindowNetwork {
            window_len: self.window_len(),
            hop: self.window_len() / 2,
            layers: vec![
                dense(&self.first_weight, &self.first_bias, hidden.clone()),
                dense(&self.second_weight, &self.second_bias, hidden),
                dense(
                    &self.third_weight,
                    &self.third_bias,
                    network::Activation::Identity,
                ),
            ],
        }
    }
}

impl EffectNetwork for DenseNetwork {
    /// `[batch, 1, window_len]` → the same shape.
    fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        let curve = match self.rectified {
            true => Activation::Relu,
            false => Activation::Identity,
        };
        let activate = |x| kernels::activate(x, curve);
        let x = activate(layer(dry, &self.first_weight, &self.first_bias));
        let x = activate(layer(x, &self.second_weight, &self.second_bias));
        layer(x, &self.third_weight, &self.third_bias)
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Samples(1)
    }

    fn work(&self, _: usize) -> Work {
        let layers = [&self.first_weight, &self.second_weight, &self.third_weight];
        let layers = layers.into_iter().enumerate();
        layers
            .map(|(at, weight)| Work::nth(at, weight.dims().iter().product()))
            .sum()
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        Architecture::Window(self.describe())
    }

    /// Every place of the window has a bias of its own, so silence is brought to one constant, too, where it
    /// would hum with the window's period.
    fn shift_output(&mut self, by: &[f32]) {
        let by = by.first().copied().unwrap_or(0.0);
        let len = self.window_len();
        let silence = Tensor::zeros([1, 1, len], &self.third_bias.val().device());
        let at_rest = self.forward(silence).reshape([len]).detach();
        // Its mean as it is played: windows, half overlapping, are cross-faded.
        let fade = |at: usize| 1.0 - (2.0 * PI * at as f32 / len as f32).cos();
        let fade: Vec<f32> = (0..len).map(fade).collect();
        let fade = Tensor::<1>::from_data(TensorData::new(fade, [len]), &at_rest.device());
        let constant = (at_rest.clone() * fade).mean() + by;
        self.third_bias = self
            .third_bias
            .clone()
            .map(|bias| bias - at_rest.clone() + constant.clone());
    }

    fn fixed_window(&self) -> Option<usize> {
        Some(self.window_len())
    }
}

impl<M: From<DenseNetwork>> Build<M> for DenseConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let rectified = matches!(site.model, ModelConfig::Nonlinear(_));
        let (window_len, hidden) = (site.windows.window_len, self.hidden_size);
        DenseNetwork::new(window_len, hidden, rectified, &mut site.init).into()
    }
}

fn layer(x: Tensor<3>, weight: &Param<Tensor<2>>, bias: &Param<Tensor<1>>) -> Tensor<3> {
    kernels::dense(x, weight.val(), bias.val())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, ModuleMapper};

    /// Other weights and biases, as training would leave them.
    struct Stir;

    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| {
                let values = (0..old.shape().num_elements()).map(|n| (n as f32).sin() * 0.2);
                let data = TensorData::new(values.collect::<Vec<_>>(), old.shape());
                old.clone() + Tensor::from_data(data, &old.device())
            })
        }
    }

    #[test]
    fn shifted_its_silence_is_one_constant() {
        let device = Device::flex();
        for rectified in [false, true] {
            let network = DenseNetwork::new(40, 30, rectified, &mut WeightInit::new(3, &device));
            let mut network = network.map(&mut Stir);
            let answer = |network: &DenseNetwork, x: f32| -> Vec<f32> {
                let x = Tensor::full([1, 1, 40], x, &device);
                network.forward(x).into_data().try_into_vec().unwrap()
            };
            let [silence, sound] = [0.0, 0.3].map(|x| answer(&network, x));
            let fade = |at: usize| (1.0 - (PI * at as f32 / 20.0).cos()) / 40.0;
            let mean: f32 = (0..40).map(|at| fade(at) * silence[at]).sum();
            network.shift_output(&[0.5]);
            let [after, moved] = [0.0, 0.3].map(|x| answer(&network, x));
            let by = after[0];
            assert!((by - mean - 0.5).abs() < 1e-5, "{by} {mean}");
            assert!(silence.iter().any(|x| (x - mean).abs() > 0.1));
            for at in 0..40 {
                assert!((after[at] - by).abs() < 1e-5, "{after:?}");
                // What is sound stays beside it.
                let difference = (moved[at] - after[at]) - (sound[at] - silence[at]);
                assert!(difference.abs() < 1e-5, "{difference}");
            }
        }
    }
}
