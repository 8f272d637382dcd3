//! The fused operators on burn tensors: against the composed form, gradients included, on flex,
//! ndarray and, where there is one, a graphics card (a processor posing as one will do).

#![expect(
    deprecated,
    reason = "burn has announced that its ndarray backend will go; while it is there, it is tested too"
)]

use crate::support::skipped;
use burn::tensor::{Device, DeviceType, Tensor, TensorData};
use effigy::kernels::activation::Activation;
use effigy::kernels::recurrent::Cell;
use effigy::kernels::wavenet::{Layer, LayerArray, WaveNet};
use effigy::kernels::{
    self, Filters, RecurrentState, RecurrentWeights, ResidualTensors, ResidualWeights, Row,
    ScaleShift, ScanWeights, StateSpaceTensors, composed,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// f32 sums of a few hundred terms of size 1, both sides rounding.
const OUTPUT: f32 = 1e-5;
/// Gradients, relative to the largest of the tensor.
const GRADIENT: f32 = 1e-4;

/// Numbers within ±`size`, the same for every device.
struct Noise(ChaCha8Rng);

impl Noise {
    fn new(seed: u64) -> Noise {
        Noise(ChaCha8Rng::seed_from_u64(seed))
    }

    fn data<const D: usize>(&mut self, shape: [usize; D], size: f32) -> TensorData {
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| self.0.random_range(-size..=size)).collect();
        TensorData::new(values, shape)
    }
}

/// Flex, ndarray, and the first card there is.
fn devices() -> Vec<Device> {
    let cards = Device::enumerate(DeviceType::Wgpu).into_vec();
    if cards.is_empty() {
        skipped("no card here (Debian: mesa-vulkan-drivers)");
    }
    hosts()
        .into_iter()
        .chain(cards.into_iter().take(1))
        .collect()
}

fn hosts() -> [Device; 2] {
    [Device::flex(), Device::ndarray()]
}

fn values(data: TensorData) -> Vec<f32> {
    data.try_into_vec().unwrap_or_default()
}

#[track_caller]
fn assert_close(what: &str, got: TensorData, expected: TensorData, relative: Option<f32>) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    let (got, expected) = (values(got), values(expected));
    assert!(!got.is_empty(), "{what}");
    let largest = expected.iter().fold(1e-6f32, |a, b| a.max(b.abs()));
    let bound = relative.map_or(OUTPUT, |relative| relative * largest);
    for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
        assert!(
            (got - expected).abs() <= bound,
            "{what} [{at}]: {got} for {expected}"
        );
    }
}

/// Runs `operator` on the inputs as autodiff tensors and gives its output and every input's
/// gradient for an output gradient of noise.
fn output_and_gradients(
    device: &Device,
    inputs: &[TensorData],
    operator: &dyn Fn(&[Parameter]) -> Tensor<3>,
) -> Vec<TensorData> {
    let device = device.clone().autodiff();
    let inputs: Vec<Parameter> = inputs
        .iter()
        .map(|data| match data.shape().num_dims() {
            1 => Parameter::One(Tensor::from_data(data.clone(), &device).require_grad()),
            _ => Parameter::Three(Tensor::from_data(data.clone(), &device).require_grad()),
        })
        .collect();
    let y = operator(&inputs);
    let dy = Noise::new(99).data(y.dims(), 1.0);
    let grads = (y.clone() * Tensor::from_data(dy, &device))
        .sum()
        .backward();
    let mut results = vec![y.into_data()];
    for input in &inputs {
        let gradient = match input {
            Parameter::One(tensor) => tensor.grad(&grads).map(Tensor::into_data),
            Parameter::Three(tensor) => tensor.grad(&grads).map(Tensor::into_data),
        };
        results.extend(gradient);
    }
    results
}

/// A tensor of either rank.
enum Parameter {
    One(Tensor<1>),
    Three(Tensor<3>),
}

impl Parameter {
    fn one(&self) -> Tensor<1> {
        match self {
            Parameter::One(tensor) => tensor.clone(),
            Parameter::Three(tensor) => tensor.clone().reshape([-1]),
        }
    }

    fn three(&self) -> Tensor<3> {
        match self {
            Parameter::Three(tensor) => tensor.clone(),
            Parameter::One(tensor) => tensor.clone().reshape([1, 1, -1]),
        }
    }
}

/// Holds the fused form to the composed one on every device.
fn compare(
    what: &str,
    inputs: &[TensorData],
    fused: &dyn Fn(&[Parameter]) -> Tensor<3>,
    composed: &dyn Fn(&[Parameter]) -> Tensor<3>,
) {
    compare_within(&devices(), GRADIENT, what, inputs, fused, composed);
}

/// [`compare`] of one of several random shapes: a card compiles kernels anew for each, so there only
/// the first are.
fn compare_case(
    case: u64,
    what: &str,
    inputs: &[TensorData],
    fused: &dyn Fn(&[Parameter]) -> Tensor<3>,
    composed: &dyn Fn(&[Parameter]) -> Tensor<3>,
) {
    match case < 3 {
        true => compare(what, inputs, fused, composed),
        false => compare_on_hosts(what, inputs, fused, composed),
    }
}

/// [`compare`] of an operator that has no kernels for cards.
fn compare_on_hosts(
    what: &str,
    inputs: &[TensorData],
    fused: &dyn Fn(&[Parameter]) -> Tensor<3>,
    composed: &dyn Fn(&[Parameter]) -> Tensor<3>,
) {
    compare_within(&hosts(), GRADIENT, what, inputs, fused, composed);
}

/// [`compare`] on these devices, with another bound on the gradients.
fn compare_within(
    devices: &[Device],
    gradient: f32,
    what: &str,
    inputs: &[TensorData],
    fused: &dyn Fn(&[Parameter]) -> Tensor<3>,
    composed: &dyn Fn(&[Parameter]) -> Tensor<3>,
) {
    let expected = output_and_gradients(&Device::flex(), inputs, composed);
    for device in devices {
        let got = output_and_gradients(device, inputs, fused);
        assert_eq!(got.len(), inputs.len() + 1, "{what}: a gradient is missing");
        for (at, (got, expected)) in got.into_iter().zip(expected.clone()).enumerate() {
            let what = format!("{what} on {device:?}, result {at}");
            assert_close(&what, got, expected, (at > 0).then_some(gradient));
        }
    }
}

#[test]
fn conv1d_equals_the_composed_form() {
    for (case, (batch, ins, outs, kernel, len, padding, dilation)) in [
        (1, 1, 1, 1, 1, [0, 0], 1),
        (2, 1, 50, 51, 301, [25, 25], 1),
        (2, 3, 5, 4, 77, [9, 0], 3),
        (1, 6, 1, 16, 64, [15, 0], 1),
        (1, 2, 2, 9, 5, [8, 0], 1),
    ]
    .into_iter()
    .enumerate()
    {
        let mut noise = Noise::new(case as u64);
        let size = 1.0 / ((ins * kernel) as f32).sqrt();
        let inputs = [
            noise.data([batch, ins, len], 1.0),
            noise.data([outs, ins, kernel], size),
            noise.data([outs], 1.0),
        ];
        compare(
            &format!("conv1d case {case}"),
            &inputs,
            &|p| {
                kernels::conv1d(
                    p[0].three(),
                    p[1].three(),
                    Some(p[2].one()),
                    padding,
                    dilation,
                )
            },
            &|p| {
                composed::conv1d(
                    p[0].three(),
                    p[1].three(),
                    Some(p[2].one()),
                    padding,
                    dilation,
                )
            },
        );
        compare(
            &format!("conv1d without bias, case {case}"),
            &inputs[..2],
            &|p| kernels::conv1d(p[0].three(), p[1].three(), None, padding, dilation),
            &|p| composed::conv1d(p[0].three(), p[1].three(), None, padding, dilation),
        );
    }
}

#[test]
fn long_filter_equals_the_composed_form() {
    for (batch, len, taps) in [(1, 1, 1), (2, 40, 40), (3, 700, 300), (1, 5000, 17)] {
        let mut noise = Noise::new(7);
        let inputs = [noise.data([batch, 1, len], 1.0), noise.data([taps], 0.1)];
        compare_on_hosts(
            &format!("long filter of {taps} taps over {batch} × {len}"),
            &inputs,
            &|p| kernels::long_filter(p[0].three(), p[1].one()),
            &|p| composed::long_filter(p[0].three(), p[1].one()),
        );
    }
}

#[test]
fn conv_transpose1d_equals_the_composed_form() {
    for (case, (batch, ins, outs, kernel, len, crop, dilation)) in [
        (1, 1, 1, 1, 1, [0, 0], 1),
        (2, 50, 1, 51, 301, [25, 25], 1),
        (2, 3, 5, 4, 77, [0, 9], 3),
        (1, 6, 2, 16, 64, [1, 2], 1),
    ]
    .into_iter()
    .enumerate()
    {
        let mut noise = Noise::new(10 + case as u64);
        let size = 1.0 / ((ins * kernel) as f32).sqrt();
        let inputs = [
            noise.data([batch, ins, len], 1.0),
            noise.data([ins, outs, kernel], size),
            noise.data([outs], 1.0),
        ];
        compare(
            &format!("conv_transpose1d case {case}"),
            &inputs,
            &|p| {
                kernels::conv_transpose1d(
                    p[0].three(),
                    p[1].three(),
                    Some(p[2].one()),
                    crop,
                    dilation,
                )
            },
            &|p| {
                composed::conv_transpose1d(
                    p[0].three(),
                    p[1].three(),
                    Some(p[2].one()),
                    crop,
                    dilation,
                )
            },
        );
    }
}

#[test]
fn encoder_decoder_equals_the_composed_form() {
    for (case, (rectified, tied)) in [(true, false), (false, true), (true, true)]
        .into_iter()
        .enumerate()
    {
        let (batch, channels, kernel, len) = (2, 11, 7, 203);
        let mut noise = Noise::new(20 + case as u64);
        let inputs = [
            noise.data([batch, 1, len], 1.0),
            noise.data([channels, 1, kernel], 0.4),
            noise.data([channels, 1, kernel], 0.1),
            noise.data([channels], 0.5),
            noise.data([channels], 1.0),
            noise.data([channels], 0.5),
            noise.data([1], 0.5),
        ];
        let inputs = if tied {
            // Without a decoder of its own.
            [&inputs[..2], &inputs[3..]].concat()
        } else {
            inputs.to_vec()
        };
        let filters = move |p: &[Parameter]| {
            let rest = if tied { 2 } else { 3 };
            Filters {
                encoder: p[1].three(),
                decoder: p[rest - 1].three(),
                encoder_bias: Some(p[rest].one()),
                middle: Some(ScaleShift {
                    scale: p[rest + 1].one(),
                    shift: p[rest + 2].one(),
                    rectified,
                }),
                decoder_bias: Some(p[rest + 3].one()),
            }
        };
        compare(
            &format!("encoder_decoder case {case}"),
            &inputs,
            &|p| kernels::encoder_decoder(p[0].three(), filters(p), [3, 3], [3, 3]),
            &|p| composed::encoder_decoder(p[0].three(), filters(p), [3, 3], [3, 3]),
        );
        compare(
            &format!("plain encoder_decoder case {case}"),
            &inputs[..2],
            &|p| kernels::encoder_decoder(p[0].three(), plain(p), [0, 0], [6, 6]),
            &|p| composed::encoder_decoder(p[0].three(), plain(p), [0, 0], [6, 6]),
        );
    }
}

/// Tied filters and nothing else.
fn plain(p: &[Parameter]) -> Filters {
    Filters {
        encoder: p[1].three(),
        encoder_bias: None,
        middle: None,
        decoder: p[1].three(),
        decoder_bias: None,
    }
}

/// A view whose values do not lie row after row must be read as what it shows.
#[test]
fn strided_inputs_are_read_as_their_shape_says() {
    for device in devices() {
        let mut noise = Noise::new(30);
        let wide = Tensor::<3>::from_data(noise.data([4, 3, 90], 1.0), &device);
        let x = wide.swap_dims(0, 1).slice([0..3, 1..3, 5..75]);
        let w = Tensor::<3>::from_data(noise.data([3, 4, 2], 0.3), &device).swap_dims(1, 2);
        let got = kernels::conv1d(x.clone(), w.clone(), None, [3, 0], 1);
        let expected = composed::conv1d(x, w, None, [3, 0], 1);
        assert_close("strided", got.into_data(), expected.into_data(), None);
    }
}

/// Inputs that want no gradient (data, frozen weights) get none, and cost none.
#[test]
fn gradients_reach_only_what_wants_them() {
    let device = Device::flex().autodiff();
    let mut noise = Noise::new(31);
    let x = Tensor::<3>::from_data(noise.data([1, 1, 40], 1.0), &device);
    let w = Tensor::<3>::from_data(noise.data([2, 1, 3], 1.0), &device).require_grad();
    let y = kernels::conv1d(x.clone(), w.clone(), None, [2, 0], 1);
    let grads = y.sum().backward();
    assert!(x.grad(&grads).is_none());
    assert!(w.grad(&grads).is_some());
    let frozen = kernels::conv1d(x.clone(), w.detach(), None, [2, 0], 1);
    assert_eq!(frozen.dims(), [1, 2, 40]);
}

#[test]
fn wavenet_equals_the_composed_form() {
    let layer = |kernel_size, dilation, activation, gated| Layer {
        kernel_size,
        dilation,
        activation,
        gated,
    };
    let leaky = Activation::LeakyRelu { slope: 0.01 };
    let array = |channels, head_channels, head_kernel_size, layers: &[Layer]| LayerArray {
        channels,
        layers: layers.to_vec(),
        head_channels,
        head_kernel_size,
        head_bias: head_channels == 1,
    };
    let tanh = |dilation| layer(3, dilation, Activation::Tanh, false);
    let nets = [
        vec![
            array(16, 8, 1, &[tanh(1), tanh(8), tanh(64)]),
            array(8, 1, 1, &[tanh(1), tanh(2)]),
        ],
        vec![array(
            8,
            1,
            16,
            &[layer(6, 3, leaky, false), layer(15, 7, leaky, false)],
        )],
        vec![array(
            3,
            1,
            2,
            &[
                layer(2, 5, Activation::HardTanh, true),
                layer(1, 1, Activation::Sigmoid, true),
            ],
        )],
    ];
    for (case, arrays) in nets.into_iter().enumerate() {
        let net = WaveNet {
            in_channels: 1,
            arrays,
            head_scale: 0.5,
        };
        let mut noise = Noise::new(40 + case as u64);
        let inputs = [
            noise.data([2, 1, net.receptive_field() + 200], 1.0),
            noise.data([net.weights()], 0.35),
        ];
        compare(
            &format!("wavenet {case}"),
            &inputs,
            &|p| kernels::wavenet(p[0].three(), p[1].one(), &net),
            &|p| composed::wavenet(p[0].three(), p[1].one(), &net),
        );
    }
}

#[test]
fn recurrent_layers_equal_the_composed_form() {
    for (number, (cell, gates, ins, units)) in [(Cell::Lstm, 4, 1, 24), (Cell::Gru, 3, 3, 9)]
        .into_iter()
        .enumerate()
    {
        let (batch, len) = (5, 37);
        let mut noise = Noise::new(50 + number as u64);
        let biases = if cell == Cell::Lstm { 4 } else { 6 } * units;
        let inputs = [
            noise.data([batch, ins, len], 1.0),
            noise.data([1, gates * units, ins], 0.8),
            noise.data([1, gates * units, units], 0.3),
            noise.data([biases], 0.5),
        ];
        let first = noise.data([batch, units], 0.7);
        let arguments = |p: &[Parameter]| {
            let x = p[0].three();
            let state = Tensor::<2>::from_data(first.clone(), &x.device());
            let weights = RecurrentWeights {
                input: p[1].three().squeeze_dim(0),
                hidden: p[2].three().squeeze_dim(0),
                bias: p[3].one(),
            };
            let state = RecurrentState {
                cell: (cell == Cell::Lstm).then(|| state.clone() * 0.5),
                hidden: state,
            };
            (x, weights, state)
        };
        // The sequence in two pieces, and the last state behind it: both handed over alike.
        type Layer<'a> =
            &'a dyn Fn(Tensor<3>, RecurrentWeights, RecurrentState) -> (Tensor<3>, RecurrentState);
        let in_pieces = |layer: Layer<'_>, p: &[Parameter]| {
            let (x, weights, state) = arguments(p);
            let (one, state) = layer(x.clone().narrow(2, 0, 20), weights.clone(), state);
            let (two, state) = layer(x.narrow(2, 20, len - 20), weights, state);
            let last = state.hidden
                + state
                    .cell
                    .unwrap_or_else(|| two.clone().narrow(2, 0, 1).squeeze_dim(2));
            Tensor::cat(vec![one, two, last.unsqueeze_dim(2)], 2)
        };
        compare(
            &format!("{cell:?}"),
            &inputs,
            &|p| in_pieces(&|x, w, s| kernels::recurrent(x, cell, w, s), p),
            &|p| in_pieces(&|x, w, s| composed::recurrent(x, cell, w, s), p),
        );
    }
}

#[test]
fn scan_equals_the_composed_form() {
    // The channels of the second lie in one row.
    for (rows, channels, states) in [(5, 5, 6), (1, 3, 2)] {
        let (batch, len) = (3, 41);
        let inputs = scan_inputs(&mut Noise::new(60), [batch, rows, len], [channels, states]);
        let states = channels * states / rows;
        let in_pieces = |bank: Bank<'_>, p: &[Parameter]| {
            let x = p[0].three();
            let (one, state) = bank(x.clone().narrow(2, 0, 20), scan_weights(p), None);
            let (two, state) = bank(x.narrow(2, 20, len - 20), scan_weights(p), Some(state));
            let state = state.reshape([batch, rows, 2 * states]);
            Tensor::cat(vec![one, two, state], 2)
        };
        compare(
            &format!("scan of {channels} channels in {rows} rows"),
            &inputs,
            &|p| in_pieces(&|x, w, s| kernels::scan(x, w, s), p),
            &|p| in_pieces(&|x, w, s| composed::scan(x, w, s), p),
        );
    }
}

type Bank<'a> = &'a dyn Fn(Tensor<3>, ScanWeights, Option<Tensor<2>>) -> (Tensor<3>, Tensor<2>);

/// x, and the weights of a bank: steps from a two-hundredth to 1, angles up to some turns. Slow poles add
/// up many samples, and with them their rounding: quiet ones.
fn scan_inputs(
    noise: &mut Noise,
    [batch, rows, len]: [usize; 3],
    [channels, states]: [usize; 2],
) -> [TensorData; 7] {
    [
        noise.data([batch, rows, len], 0.3),
        noise.data([channels], 2.5),
        noise.data([1, channels, states], 2.0),
        noise.data([1, channels, states], 20.0),
        noise.data([1, channels, states], 1.0),
        noise.data([1, channels, states], 1.0),
        noise.data([rows], 1.0),
    ]
}

fn scan_weights(p: &[Parameter]) -> ScanWeights {
    let matrix = |at: usize| p[at].three().squeeze_dim::<2>(0);
    ScanWeights {
        log_step: p[1].one() - 2.5,
        decay: matrix(2),
        frequency: matrix(3),
        output_re: matrix(4),
        output_im: matrix(5),
        d: p[6].one(),
    }
}

/// Shapes nobody chose: a draw from `low..=high`, at the low end in the first case of all.
struct Draw {
    rng: ChaCha8Rng,
    smallest: bool,
}

impl Draw {
    fn cases() -> impl Iterator<Item = (u64, Draw)> {
        (0..6).map(|case| {
            let rng = ChaCha8Rng::seed_from_u64(1000 + case);
            let smallest = case == 0;
            (case, Draw { rng, smallest })
        })
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        match self.smallest {
            true => low,
            false => self.rng.random_range(low..=high),
        }
    }
}

/// On a card it is the tensor library's product.
#[test]
fn dense_layers_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let [batch, ins, outs] = [9, 150, 70].map(|most| draw.between(1, most));
        let mut noise = Noise::new(case);
        let inputs = [
            noise.data([batch, 1, ins], 1.0),
            noise.data([1, ins, outs], 1.0 / (ins as f32).sqrt()),
            noise.data([outs], 1.0),
        ];
        let of = |layer: fn(Tensor<3>, Tensor<2>, Tensor<1>) -> Tensor<3>| {
            move |p: &[Parameter]| {
                let weight = p[1].three().reshape([ins, outs]);
                layer(p[0].three(), weight, p[2].one())
            }
        };
        let what = format!("dense {batch}: {ins}→{outs}");
        compare_on_hosts(&what, &inputs, &of(kernels::dense), &of(composed::dense));
    }
}

#[test]
fn convolutions_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let (batch, ins, outs) = (draw.between(1, 3), draw.between(1, 9), draw.between(1, 17));
        let (kernel, dilation) = (draw.between(1, 9), draw.between(1, 5));
        let context = (kernel - 1) * dilation;
        let len = context + draw.between(1, 150);
        let sides = [draw.between(0, 6), draw.between(0, 6)];
        let mut noise = Noise::new(case);
        let size = 1.0 / ((ins * kernel) as f32).sqrt();
        let mut inputs = [
            noise.data([batch, ins, len], 1.0),
            noise.data([outs, ins, kernel], size),
            noise.data([outs], 1.0),
        ];
        let what = format!("{batch}×{ins}→{outs}, {kernel} taps of {dilation}, {len} {sides:?}");
        compare(
            &format!("conv1d {what}"),
            &inputs,
            &|p| {
                kernels::conv1d(
                    p[0].three(),
                    p[1].three(),
                    Some(p[2].one()),
                    sides,
                    dilation,
                )
            },
            &|p| {
                composed::conv1d(
                    p[0].three(),
                    p[1].three(),
                    Some(p[2].one()),
                    sides,
                    dilation,
                )
            },
        );
        inputs[1] = noise.data([ins, outs, kernel], size);
        let crop = sides.map(|side| side.min((len + context - 1) / 2));
        compare(
            &format!("conv_transpose1d {what}"),
            &inputs,
            &|p| {
                let (x, w, b) = (p[0].three(), p[1].three(), p[2].one());
                kernels::conv_transpose1d(x, w, Some(b), crop, dilation)
            },
            &|p| {
                let (x, w, b) = (p[0].three(), p[1].three(), p[2].one());
                composed::conv_transpose1d(x, w, Some(b), crop, dilation)
            },
        );
    }
}

#[test]
fn encoder_decoders_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let (batch, channels) = (draw.between(1, 3), draw.between(1, 19));
        let (encoder, decoder) = (draw.between(1, 9), draw.between(1, 9));
        let len = encoder + draw.between(0, 500);
        let padding = [draw.between(0, 4), draw.between(0, 4)];
        let crop = [draw.between(0, decoder - 1), 0];
        let rectified = draw.between(0, 1) == 1;
        let mut noise = Noise::new(100 + case);
        let inputs = [
            noise.data([batch, 1, len], 1.0),
            noise.data([channels, 1, encoder], 1.0 / (encoder as f32).sqrt()),
            noise.data([channels, 1, decoder], 0.1),
            noise.data([channels], 0.5),
            noise.data([channels], 1.0),
            noise.data([channels], 0.5),
            noise.data([1], 0.5),
        ];
        let filters = |p: &[Parameter]| Filters {
            encoder: p[1].three(),
            decoder: p[2].three(),
            encoder_bias: Some(p[3].one()),
            middle: Some(ScaleShift {
                scale: p[4].one(),
                shift: p[5].one(),
                rectified,
            }),
            decoder_bias: Some(p[6].one()),
        };
        compare_case(
            case,
            &format!(
                "{batch}×{channels}, {encoder} and {decoder} taps, {len} {padding:?} {crop:?}"
            ),
            &inputs,
            &|p| kernels::encoder_decoder(p[0].three(), filters(p), padding, crop),
            &|p| composed::encoder_decoder(p[0].three(), filters(p), padding, crop),
        );
    }
}

const ACTIVATIONS: [Activation; 6] = [
    Activation::Identity,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.01 },
    Activation::HardTanh,
];

#[test]
fn wavenets_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let widths: Vec<usize> = (0..draw.between(1, 3))
            .map(|_| draw.between(1, 19))
            .collect();
        let out_channels = draw.between(1, 2);
        let arrays = (0..widths.len()).map(|at| LayerArray {
            channels: widths[at],
            layers: (0..draw.between(1, 3))
                .map(|_| Layer {
                    kernel_size: draw.between(1, 6),
                    dilation: draw.between(1, 23),
                    activation: ACTIVATIONS[draw.between(0, ACTIVATIONS.len() - 1)],
                    gated: draw.between(0, 2) == 1,
                })
                .collect(),
            head_channels: widths.get(at + 1).copied().unwrap_or(out_channels),
            head_kernel_size: draw.between(1, 4),
            head_bias: draw.between(0, 1) == 1,
        });
        let arrays = arrays.collect();
        let net = WaveNet {
            in_channels: draw.between(1, 3),
            arrays,
            head_scale: 0.7,
        };
        let batch = draw.between(1, 2);
        let len = net.receptive_field() + draw.between(0, 300);
        let mut noise = Noise::new(200 + case);
        let inputs = [
            noise.data([batch, net.in_channels, len], 1.0),
            noise.data([net.weights()], 0.25),
        ];
        compare_case(
            case,
            &format!("{batch}×{len}, {net:?}"),
            &inputs,
            &|p| kernels::wavenet(p[0].three(), p[1].one(), &net),
            &|p| composed::wavenet(p[0].three(), p[1].one(), &net),
        );
    }
}

#[test]
fn sequences_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let (batch, ins) = (draw.between(1, 9), draw.between(1, 5));
        let (units, len) = (draw.between(1, 64), draw.between(1, 69));
        let (cell, gates, biases) = match case % 2 {
            0 => (Cell::Lstm, 4, 4),
            _ => (Cell::Gru, 3, 6),
        };
        let mut noise = Noise::new(300 + case);
        let inputs = [
            noise.data([batch, ins, len], 1.0),
            noise.data([1, gates * units, ins], 0.5),
            noise.data([1, gates * units, units], 1.0 / (units as f32).sqrt()),
            noise.data([biases * units], 0.5),
        ];
        type Layer<'a> =
            &'a dyn Fn(Tensor<3>, RecurrentWeights, RecurrentState) -> (Tensor<3>, RecurrentState);
        let run = |layer: Layer<'_>, p: &[Parameter]| {
            let x = p[0].three();
            let weights = RecurrentWeights {
                input: p[1].three().squeeze_dim(0),
                hidden: p[2].three().squeeze_dim(0),
                bias: p[3].one(),
            };
            let state = RecurrentState::zeros(cell, batch, units, &x.device());
            layer(x, weights, state).0
        };
        compare_case(
            case,
            &format!("{cell:?} {batch}×{ins}→{units}, {len} steps"),
            &inputs,
            &|p| run(&|x, w, s| kernels::recurrent(x, cell, w, s), p),
            &|p| run(&|x, w, s| composed::recurrent(x, cell, w, s), p),
        );

        let (channels, states) = (draw.between(1, 20), draw.between(1, 9));
        let inputs = scan_inputs(&mut noise, [batch, channels, len], [channels, states]);
        let run = |bank: Bank<'_>, p: &[Parameter]| bank(p[0].three(), scan_weights(p), None).0;
        compare_case(
            case,
            &format!("scan {batch}×{channels}×{states}, {len} steps"),
            &inputs,
            &|p| run(&|x, w, s| kernels::scan(x, w, s), p),
            &|p| run(&|x, w, s| composed::scan(x, w, s), p),
        );
    }
}

#[test]
fn residual_layers_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let (mut batch, ins, mut outs) =
            (draw.between(1, 3), draw.between(1, 9), draw.between(1, 17));
        let (mut kernel, mut dilation) = (draw.between(1, 6), draw.between(1, 90));
        match case {
            0 => (batch, outs, kernel) = (1, 64, 1),
            1 => (kernel, dilation) = (3, 512),
            _ => {}
        }
        let len = (kernel - 1) * dilation + draw.between(1, 700);
        let mut noise = Noise::new(case);
        let size = 1.0 / ((ins * kernel) as f32).sqrt();
        let inputs = [
            noise.data([batch, ins, len], 1.0),
            noise.data([outs, ins, kernel], size),
            noise.data([outs, ins, 1], size),
            noise.data([outs], 1.0),
            noise.data([outs], 0.5),
        ];
        let functions = [None, Some(Activation::Tanh), Some(Activation::Relu)];
        for function in functions {
            // Without learned slopes there are four inputs.
            let inputs = &inputs[..if function.is_none() { 5 } else { 4 }];
            let weights = |p: &[Parameter]| ResidualWeights {
                conv: p[1].three(),
                shortcut: p[2].three(),
                bias: p[3].one(),
                slopes: p.get(4).map(Parameter::one),
            };
            let activation = function.unwrap_or(Activation::PRelu);
            compare_case(
                case,
                &format!(
                    "{batch}×{ins}→{outs}, {kernel} taps of {dilation}, {len}, {activation:?}"
                ),
                inputs,
                &|p| kernels::residual_layer(p[0].three(), weights(p), dilation, activation),
                &|p| composed::residual_layer(p[0].three(), weights(p), dilation, activation),
            );
        }
    }
}

#[test]
fn stacks_of_residual_layers_equal_the_composed_layers() {
    let (batch, channels, kernel, len) = (2, [2, 9, 4], 3, 900);
    let mut noise = Noise::new(77);
    let mut inputs = vec![noise.data([batch, channels[0], len], 1.0)];
    for two in channels.windows(2) {
        inputs.push(noise.data([two[1], two[0], kernel], 0.3));
        inputs.push(noise.data([two[1], two[0], 1], 0.3));
        inputs.push(noise.data([two[1]], 1.0));
        inputs.push(noise.data([two[1]], 0.5));
    }
    let layers = |p: &[Parameter]| {
        let layer = |(p, dilation): (&[Parameter], usize)| ResidualTensors {
            weights: ResidualWeights {
                conv: p[0].three(),
                shortcut: p[1].three(),
                bias: p[2].one(),
                slopes: Some(p[3].one()),
            },
            dilation,
            activation: Activation::PRelu,
        };
        p[1..].chunks(4).zip([1, 50]).map(layer).collect::<Vec<_>>()
    };
    compare_case(
        0,
        "two residual layers",
        &inputs,
        &|p| kernels::residual_layers(p[0].three(), layers(p)),
        &|p| {
            let alone = |x, layer: ResidualTensors| {
                composed::residual_layer(x, layer.weights, layer.dilation, layer.activation)
            };
            layers(p).into_iter().fold(p[0].three(), alone)
        },
    );
}

/// Both forms round here, and the steep logarithm of the quietest bins multiplies it: the tenfold
/// bound. To the usual one the fused form is held in double precision (`spectral.rs`).
#[test]
fn spectral_distances_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let (batch, len) = (draw.between(1, 3), draw.between(1026, 4000));
        let emphasis = (case % 2 == 0).then_some(0.85);
        let mut noise = Noise::new(case);
        let inputs = [noise.data([batch, 1, len], 0.5)];
        let wet = noise.data([batch, 1, len], 1.0);
        let wet = |like: &Tensor<3>| Tensor::<3>::from_data(wet.clone(), &like.device());
        let devices = match case < 2 {
            true => devices(),
            false => hosts().to_vec(),
        };
        compare_within(
            &devices,
            10.0 * GRADIENT,
            &format!("spectral distance {batch}×{len} {emphasis:?}"),
            &inputs,
            &|p| {
                let p = p[0].three();
                kernels::spectral_distance(wet(&p), p, emphasis).reshape([1, 1, 1])
            },
            &|p| {
                let p = p[0].three();
                composed::spectral_distance(wet(&p), p, emphasis).reshape([1, 1, 1])
            },
        );
    }
}

#[test]
fn activations_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let (batch, channels, len) = (draw.between(1, 3), draw.between(1, 9), draw.between(1, 150));
        let mut noise = Noise::new(400 + case);
        let inputs = [
            noise.data([batch, channels, len], 3.0),
            // Learned slopes may be negative.
            noise.data([channels], 1.0),
        ];
        for activation in ACTIVATIONS {
            compare_on_hosts(
                &format!("{activation:?} of {batch}×{channels}×{len}"),
                &inputs[..1],
                &|p| kernels::activate(p[0].three(), activation),
                &|p| composed::activate(p[0].three(), activation),
            );
        }
        compare_on_hosts(
            &format!("p_relu of {batch}×{channels}×{len}"),
            &inputs,
            &|p| kernels::p_relu(p[0].three(), p[1].one()),
            &|p| composed::p_relu(p[0].three(), p[1].one()),
        );
    }
}

/// Large tensors' memory is handed from one to the next: nothing of a NaN before may be left in it.
#[test]
fn nothing_of_what_memory_held_before_is_left_in_it() {
    const BATCH: usize = 2;
    const CHANNELS: usize = 4;
    const LEN: usize = 6000;
    let mut noise = Noise::new(500);
    let mut held = |what: &str, weights: &[TensorData], run: &dyn Fn(&[Parameter]) -> Tensor<3>| {
        let channels = if what.starts_with("mono") {
            1
        } else {
            CHANNELS
        };
        let x = noise.data([BATCH * CHANNELS / channels, channels, LEN], 1.0);
        let with = |x: TensorData| [&[x], weights].concat();
        let nothing = TensorData::new(vec![f32::NAN; BATCH * CHANNELS * LEN], x.shape());
        for device in hosts() {
            let clean = output_and_gradients(&device, &with(x.clone()), run);
            for _ in 0..3 {
                output_and_gradients(&device, &with(nothing.clone()), run);
                let again = output_and_gradients(&device, &with(x.clone()), run);
                for (at, (clean, again)) in clean.iter().zip(again).enumerate() {
                    assert_eq!(*clean, again, "{what} on {device:?}, result {at}");
                }
            }
        }
    };
    let mut weights = Noise::new(501);
    let (taps, bias) = (
        weights.data([CHANNELS, CHANNELS, 5], 0.3),
        weights.data([CHANNELS], 0.5),
    );
    let one = weights.data([CHANNELS, CHANNELS, 1], 0.3);
    held("conv1d", &[taps.clone(), bias.clone()], &|p| {
        kernels::conv1d(p[0].three(), p[1].three(), Some(p[2].one()), [4, 0], 1)
    });
    held("conv_transpose1d", &[taps.clone(), bias.clone()], &|p| {
        kernels::conv_transpose1d(p[0].three(), p[1].three(), Some(p[2].one()), [0, 4], 1)
    });
    held(
        "residual_layer",
        &[taps.clone(), one, bias.clone(), bias.clone()],
        &|p| {
            let weights = ResidualWeights {
                conv: p[1].three(),
                shortcut: p[2].three(),
                bias: p[3].one(),
                slopes: Some(p[4].one()),
            };
            kernels::residual_layer(p[0].three(), weights, 3, Activation::PRelu)
        },
    );
    held("activate", &[], &|p| {
        kernels::activate(p[0].three(), Activation::Tanh)
    });
    held("p_relu", std::slice::from_ref(&bias), &|p| {
        kernels::p_relu(p[0].three(), p[1].one())
    });
    held("mono long_filter", &[weights.data([50], 0.1)], &|p| {
        kernels::long_filter(p[0].three(), p[1].one())
    });
    held(
        "mono encoder_decoder",
        &[weights.data([9, 1, 7], 0.2)],
        &|p| kernels::encoder_decoder(p[0].three(), plain(p), [3, 3], [3, 3]),
    );
    let net = WaveNet {
        in_channels: CHANNELS,
        arrays: vec![LayerArray {
            channels: 4,
            layers: vec![Layer {
                kernel_size: 3,
                dilation: 2,
                activation: Activation::Tanh,
                gated: false,
            }],
            head_channels: 3,
            head_kernel_size: 1,
            head_bias: true,
        }],
        head_scale: 0.7,
    };
    held("wavenet", &[weights.data([net.weights()], 0.25)], &|p| {
        kernels::wavenet(p[0].three(), p[1].one(), &net)
    });
    let (rows, units) = (12, 3);
    let of_lstm = [
        weights.data([1, rows, CHANNELS], 0.5),
        weights.data([1, rows, units], 0.5),
        weights.data([rows], 0.5),
    ];
    held("recurrent", &of_lstm, &|p| {
        let x = p[0].three();
        let weights = RecurrentWeights {
            input: p[1].three().squeeze_dim(0),
            hidden: p[2].three().squeeze_dim(0),
            bias: p[3].one(),
        };
        let state = RecurrentState::zeros(Cell::Lstm, BATCH, units, &x.device());
        kernels::recurrent(x, Cell::Lstm, weights, state).0
    });
    let of_scan = scan_inputs(&mut weights, [BATCH, CHANNELS, 1], [CHANNELS, 4]);
    held("scan", &of_scan[1..], &|p| {
        kernels::scan(p[0].three(), scan_weights(p), None).0
    });
    let of_dense = [weights.data([1, LEN, 90], 0.01), weights.data([90], 0.5)];
    held("mono dense", &of_dense, &|p| {
        let weight = p[1].three().reshape([LEN, 90]);
        kernels::dense(p[0].three(), weight, p[2].one())
    });
}

#[test]
fn means_and_joined_lists_equal_the_tensor_librarys() {
    let mut noise = Noise::new(80);
    for shape in [[1, 1, 1], [3, 2, 511], [2, 1, 40_003]] {
        compare(
            &format!("mean of {shape:?}"),
            &[noise.data(shape, 1.0)],
            &|p| kernels::mean(p[0].three()).reshape([1, 1, 1]),
            &|p| p[0].three().mean().reshape([1, 1, 1]),
        );
        compare(
            &format!("mean square of {shape:?}"),
            &[noise.data(shape, 1.0)],
            &|p| kernels::mean_square(p[0].three()).reshape([1, 1, 1]),
            &|p| p[0].three().square().mean().reshape([1, 1, 1]),
        );
        compare(
            &format!("mean square difference of {shape:?}"),
            &[noise.data(shape, 1.0), noise.data(shape, 1.0)],
            &|p| kernels::mean_square_difference(p[0].three(), p[1].three()).reshape([1, 1, 1]),
            &|p| {
                let apart = p[0].three() - p[1].three();
                apart.square().mean().reshape([1, 1, 1])
            },
        );
    }
    for count in [1, 8, 9, 70] {
        let inputs: Vec<TensorData> = (0..count).map(|n| noise.data([1 + n % 7], 1.0)).collect();
        let all = |p: &[Parameter]| p.iter().map(Parameter::one).collect::<Vec<_>>();
        compare(
            &format!("{count} lists"),
            &inputs,
            &|p| kernels::join(all(p)).reshape([1, 1, -1]),
            &|p| Tensor::cat(all(p), 0).reshape([1, 1, -1]),
        );
    }
}

/// The same network both ways, in one process: what `bench train --composed` compares.
#[test]
fn the_composed_form_can_be_asked_for() {
    let device = Device::flex();
    let mut noise = Noise::new(70);
    let x = Tensor::<3>::from_data(noise.data([2, 3, 50], 1.0), &device);
    let w = Tensor::<3>::from_data(noise.data([4, 3, 5], 0.3), &device);
    let composed_form = composed::conv1d(x.clone(), w.clone(), None, [0, 0], 2).into_data();
    let asked = composed::only(|| {
        assert!(!kernels::is_fused(&x));
        kernels::conv1d(x.clone(), w.clone(), None, [0, 0], 2)
    });
    assert_eq!(values(asked.into_data()), values(composed_form));
    assert!(kernels::is_fused(&x));
}

/// Beyond the whole numbers that 32 bits tell apart, too.
#[test]
fn gathered_rows_are_those_of_the_composed_form() {
    for device in devices() {
        let long = (1 << 24) + 90;
        let list: Vec<f32> = (0..long).map(|n| (n % 9973) as f32).collect();
        let list = Tensor::<1>::from_data(TensorData::new(list, [long]), &device);
        let rows = [0, 4095, 4097, long - 7].map(Row::From);
        let rows = [&rows[..], &[Row::Constant(-0.25), Row::From(3)]].concat();
        for shape in [[3, 2, 7], [6, 1, 1]] {
            let got = kernels::gather(list.clone(), &rows, shape);
            let expected = composed::gather(list.clone(), &rows, shape);
            let [got, expected] = [got, expected].map(|tensor| values(tensor.into_data()));
            assert_eq!(got, expected, "{device:?}");
        }
    }
}

#[test]
fn tensors_in_host_memory_are_looked_at_row_by_row() {
    for host in hosts() {
        let sides = [1.0, 0.7].map(|size| Noise::new(5).data([3, 2, 40], size));
        let [whole, part] = sides
            .map(|x| Tensor::<3>::from_data(x, &host).narrow(2, 8, 16))
            .map(|x| (x.clone(), x));
        let mut seen = Vec::new();
        kernels::look_at([whole.0, part.0], |both| {
            seen.push(both.map(<[f32]>::to_vec))
        });
        let expected = [whole.1, part.1].map(|x| values(x.into_data()));
        assert_eq!(seen, [expected]);
    }
}

#[test]
fn a_cards_error_sums_are_those_of_the_figures() {
    let card = Device::enumerate(DeviceType::Wgpu).into_vec();
    assert!(hosts().iter().all(|host| {
        let x = Tensor::<3>::zeros([1, 1, 4], host);
        kernels::error_sums(&x, &x).is_none()
    }));
    let Some(card) = card.into_iter().next() else {
        skipped("no card here (Debian: mesa-vulkan-drivers)");
        return;
    };
    for (batch, channels, len) in [(1, 1, 1), (3, 2, 1000), (2, 1, 5003)] {
        let mut noise = Noise::new(len as u64);
        let sides = [1.0, 0.7].map(|size| noise.data([batch, channels, len], size));
        let [wet, predicted] = sides.clone().map(|x| Tensor::<3>::from_data(x, &card));
        let sums = values(kernels::error_sums(&wet, &predicted).unwrap().into_data());
        let [wet, predicted] = sides.map(values);
        let items = wet
            .chunks(channels * len)
            .zip(predicted.chunks(channels * len));
        for ((wet, predicted), sums) in items.zip(sums.chunks(7)) {
            let total = |of: fn(f64, f64) -> f64| -> f64 {
                let both = wet.iter().zip(predicted);
                both.map(|(&w, &p)| of(w.into(), p.into())).sum()
            };
            let expected = [
                total(|w, p| w - p),
                total(|w, p| (w - p) * (w - p)),
                total(|w, p| (w - p).abs()),
                total(|w, _| w),
                total(|w, _| w * w),
                total(|_, p| p * p),
                total(|w, p| w * p),
            ];
            // Terms of size 1, some hundred of them added in a row.
            let bound = 1e-6 * wet.len() as f64;
            for (at, (got, expected)) in sums.iter().zip(expected).enumerate() {
                assert!(
                    (f64::from(*got) - expected).abs() < bound,
                    "sum {at}: {got} {expected}"
                );
            }
        }
    }
}

/// On a card, and with an activation that has no vector code, the composed form is the only one.
#[test]
fn state_space_layers_of_random_shapes_equal_the_composed_form() {
    for (case, mut draw) in Draw::cases() {
        let (batch, channels) = (draw.between(1, 5), draw.between(1, 35));
        let (states, len) = (draw.between(1, 6), draw.between(2, 70));
        let activation = ACTIVATIONS[draw.between(0, ACTIVATIONS.len() - 1)];
        let mut noise = Noise::new(500 + case);
        let shapes = ([batch, channels, len], [channels, states]);
        let scan = scan_inputs(&mut noise, shapes.0, shapes.1);
        let size = 1.0 / (channels as f32).sqrt();
        let mixer = [
            noise.data([channels, channels, 1], size),
            noise.data([channels], 0.5),
        ];
        let inputs: Vec<TensorData> = scan.into_iter().chain(mixer).collect();
        type Layer<'a> =
            &'a dyn Fn(Tensor<3>, StateSpaceTensors, Option<Tensor<2>>) -> (Tensor<3>, Tensor<2>);
        let in_pieces = |layer: Layer<'_>, p: &[Parameter]| {
            let tensors = || StateSpaceTensors {
                scan: scan_weights(p),
                mix: p[7].three(),
                bias: p[8].one(),
                activation,
            };
            let (x, half) = (p[0].three(), len / 2);
            let (one, state) = layer(x.clone().narrow(2, 0, half), tensors(), None);
            let (two, state) = layer(x.narrow(2, half, len - half), tensors(), Some(state));
            let state = state.reshape([batch, channels, 2 * states]);
            Tensor::cat(vec![one, two, state], 2)
        };
        compare_on_hosts(
            &format!("{batch}×{len}, {channels} channels of {states} states, {activation:?}"),
            &inputs,
            &|p| in_pieces(&|x, l, s| kernels::state_space(x, l, s), p),
            &|p| in_pieces(&|x, l, s| composed::state_space(x, l, s), p),
        );
    }
}
