//! The operators composed of burn's own: the path of every backend without a fused form, and the
//! oracle the fused forms are held to, gradients included. On a card, convolutions inside them are
//! those of its kernels, unless [`only`] is in force.

use burn::signal::{StftOptions, hann_window, stft};
use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, relu, sigmoid, silu, tanh};
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::activation::Activation;
pub use super::bridge::composed_only as only;
use super::bridge::is_on_card;
use super::convolution::Conv1d;
use super::encoder_decoder::{Filters, ScaleShift};
use super::gpu::convolution as on_card;
use super::gpu::gather::Row;
use super::recurrent::{Cell, RecurrentState, RecurrentWeights};
use super::residual::ResidualWeights;
use super::scan::ScanWeights;
use super::spectral::{FLOOR, HAIR, RESOLUTIONS, SILENCE};
use super::state_space::StateSpaceTensors;
use super::wavenet::WaveNet;

/// As [`super::dense`].
pub fn dense(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<3> {
    let [batch, _, inputs] = x.dims();
    let [_, outputs] = weight.dims();
    let y = x.reshape([batch, inputs]).matmul(weight) + bias.unsqueeze();
    y.reshape([batch, 1, outputs])
}

/// As [`super::conv1d`].
pub fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    [left, right]: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    if is_on_card(&x) {
        let [out_channels, in_channels, kernel_size] = weight.dims();
        let conv = Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            dilation,
            left,
            right,
        };
        return on_card::conv1d(conv, x, weight, bias);
    }
    let options = ConvOptions::new_with_padding([1], [(left, right)], [dilation], 1);
    module::conv1d(x, weight, bias, options)
}

/// As [`super::conv_transpose1d`].
pub fn conv_transpose1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    [crop_left, crop_right]: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    if is_on_card(&x) {
        let [out_channels, in_channels, kernel_size] = weight.dims();
        let conv = Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            dilation,
            left: crop_left,
            right: crop_right,
        };
        let len = x.dims()[2] + conv.context() - crop_left - crop_right;
        return on_card::conv_transpose1d(conv, len, x, weight, bias);
    }
    let options = ConvTransposeOptions::new([1], [0], [0], [dilation], 1);
    let full = module::conv_transpose1d(x, weight, bias, options);
    let len = full.dims()[2] - crop_left - crop_right;
    full.narrow(2, crop_left, len)
}

/// As [`super::long_filter()`].
pub fn long_filter(x: Tensor<3>, taps: Tensor<1>) -> Tensor<3> {
    conv1d(x, oldest_first(taps), None, [0, 0], 1)
}

/// An impulse response as the weight of a convolution, `[1, 1, taps]`.
pub fn oldest_first(taps: Tensor<1>) -> Tensor<3> {
    taps.flip([0]).reshape([1, 1, -1])
}

/// As [`super::encoder_decoder`].
pub fn encoder_decoder(
    x: Tensor<3>,
    filters: Filters,
    padding: [usize; 2],
    crop: [usize; 2],
) -> Tensor<3> {
    let hidden = relu(conv1d(x, filters.encoder, filters.encoder_bias, padding, 1));
    let hidden = match filters.middle {
        None => hidden,
        Some(ScaleShift {
            scale,
            shift,
            rectified,
        }) => {
            let per_channel = |values: Tensor<1>| values.reshape([1, -1, 1]);
            let hidden = hidden * per_channel(scale) + per_channel(shift);
            if rectified { relu(hidden) } else { hidden }
        }
    };
    conv_transpose1d(hidden, filters.decoder, filters.decoder_bias, crop, 1)
}

/// As [`super::activate`].
pub fn activate(x: Tensor<3>, activation: Activation) -> Tensor<3> {
    match activation {
        Activation::Identity => x,
        Activation::Tanh => tanh(x),
        Activation::Sigmoid => sigmoid(x),
        Activation::Relu => relu(x),
        Activation::LeakyRelu { slope } => leaky_relu(x, f64::from(slope)),
        Activation::HardTanh => x.clamp(-1.0, 1.0),
        Activation::PRelu => leaky_relu(x, f64::from(Activation::FIRST_SLOPE)),
        Activation::Silu => silu(x),
        Activation::HardSwish => x.clone() * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Softsign => x.clone() / (x.abs() + 1.0),
    }
}

/// As [`super::p_relu`].
pub fn p_relu(x: Tensor<3>, slopes: Tensor<1>) -> Tensor<3> {
    relu(x.clone()) - relu(-x) * slopes.reshape([1, -1, 1])
}

/// As [`super::wavenet()`].
pub fn wavenet(x: Tensor<3>, weights: Tensor<1>, net: &WaveNet) -> Tensor<3> {
    let (offsets, _) = net.offsets();
    let matrix = |at: usize, shape: [usize; 3]| {
        let size: usize = shape.iter().product();
        weights.clone().narrow(0, at, size).reshape(shape)
    };
    let vector = |at: usize, len: usize| weights.clone().narrow(0, at, len);
    let tail = |x: Tensor<3>, len: usize| {
        let all = x.dims()[2];
        x.narrow(2, all - len, len)
    };
    let convolve = |x, weight, bias, dilation| conv1d(x, weight, bias, [0, 0], dilation);

    let condition = x.clone();
    let mut input = x;
    let mut head: Option<Tensor<3>> = None;
    // Samples that the sum of an array's activations must have.
    let mut need = net.output_len(condition.dims()[2]);
    need += net
        .arrays
        .iter()
        .map(|array| array.head_kernel_size - 1)
        .sum::<usize>();
    for (array, at) in net.arrays.iter().zip(&offsets) {
        let channels = array.channels;
        let mut now = convolve(
            input,
            matrix(at.rechannel, [channels, at.in_channels, 1]),
            None,
            1,
        );
        for (layer, at) in array.layers.iter().zip(&at.layers) {
            let conv = matrix(at.conv, [at.width, channels, layer.kernel_size]);
            let z = convolve(
                now.clone(),
                conv,
                Some(vector(at.bias, at.width)),
                layer.dilation,
            );
            let len = z.dims()[2];
            let mixer = matrix(at.mixer, [at.width, net.in_channels, 1]);
            let z = z + convolve(tail(condition.clone(), len), mixer, None, 1);
            let a = if layer.gated {
                let signal = activate(z.clone().narrow(1, 0, channels), layer.activation);
                signal * sigmoid(z.narrow(1, channels, channels))
            } else {
                activate(z, layer.activation)
            };
            let part = tail(a.clone(), need);
            head = Some(match head {
                Some(sum) => sum + part,
                None => part,
            });
            let one = matrix(at.one_by_one, [channels, channels, 1]);
            let bias = vector(at.one_by_one_bias, channels);
            now = tail(now, len) + convolve(a, one, Some(bias), 1);
        }
        let shape = [array.head_channels, channels, array.head_kernel_size];
        let bias = at.head_bias.map(|bias| vector(bias, array.head_channels));
        head = head.map(|sum| convolve(sum, matrix(at.head, shape), bias, 1));
        need -= array.head_kernel_size - 1;
        input = now;
    }
    // Every array has a layer, so there is a head.
    head.unwrap_or(condition) * net.head_scale
}

/// As [`super::recurrent()`].
pub fn recurrent(
    x: Tensor<3>,
    cell: Cell,
    weights: RecurrentWeights,
    state: RecurrentState,
) -> (Tensor<3>, RecurrentState) {
    let units = weights.hidden.dims()[1];
    let RecurrentState {
        hidden: mut h,
        cell: mut c,
    } = state.detach();
    let (input, hidden) = (weights.input.transpose(), weights.hidden.transpose());
    let mut outputs = Vec::with_capacity(x.dims()[2]);
    for t in 0..x.dims()[2] {
        let now = x.clone().narrow(2, t, 1).squeeze_dim::<2>(2);
        let of_x = now.matmul(input.clone());
        let of_h = h.clone().matmul(hidden.clone());
        let part = |of: &Tensor<2>, gate: usize| of.clone().narrow(1, gate * units, units);
        match cell {
            Cell::Lstm => {
                let sums = of_x + of_h + weights.bias.clone().unsqueeze();
                let [i, f, o] = [0, 1, 3].map(|gate| sigmoid(part(&sums, gate)));
                let g = tanh(part(&sums, 2));
                let before = c.unwrap_or_else(|| h.zeros_like());
                let after = f * before + i * g;
                h = o * tanh(after.clone());
                c = Some(after);
            }
            Cell::Gru => {
                let bias = |at: usize| weights.bias.clone().narrow(0, at * 3 * units, 3 * units);
                let of_x = of_x + bias(0).unsqueeze();
                let of_h = of_h + bias(1).unsqueeze();
                let [r, z] = [0, 1].map(|gate| sigmoid(part(&of_x, gate) + part(&of_h, gate)));
                let n = tanh(part(&of_x, 2) + r * part(&of_h, 2));
                h = n.clone() + z * (h - n);
            }
        }
        outputs.push(h.clone().unsqueeze_dim::<3>(2));
    }
    let state = RecurrentState { hidden: h, cell: c };
    (Tensor::cat(outputs, 2), state.detach())
}

/// As [`super::scan()`].
pub fn scan(
    x: Tensor<3>,
    weights: ScanWeights,
    state: Option<Tensor<2>>,
) -> (Tensor<3>, Tensor<2>) {
    let [batch, rows, len] = x.dims();
    let states = weights.states();
    let held = weights.held();
    let pole = held.pole();
    let per_state = |values: Tensor<2>| values.unsqueeze_dim::<3>(0);
    let (a_re, a_im) = (per_state(pole.re), per_state(pole.im));
    let (c_re, c_im) = (per_state(held.output.re), per_state(held.output.im));
    let silence = || Tensor::zeros([batch, rows * 2 * states], &x.device());
    let state = state.unwrap_or_else(silence).detach();
    let state = state.reshape([batch, rows, 2 * states]);
    let mut re = state.clone().narrow(2, 0, states);
    let mut im = state.narrow(2, states, states);
    let mut outputs = Vec::with_capacity(len);
    for t in 0..len {
        let now = x.clone().narrow(2, t, 1);
        let next = a_re.clone() * re.clone() - a_im.clone() * im.clone() + now;
        im = a_re.clone() * im + a_im.clone() * re;
        re = next;
        outputs.push((c_re.clone() * re.clone() - c_im.clone() * im.clone()).sum_dim(2));
    }
    let through = x * weights.d.reshape([1, -1, 1]);
    let state = Tensor::cat(vec![re, im], 2);
    let state = state.reshape([batch, rows * 2 * states]);
    (through + Tensor::cat(outputs, 2), state.detach())
}

/// As [`super::state_space()`].
pub fn state_space(
    x: Tensor<3>,
    layer: StateSpaceTensors,
    state: Option<Tensor<2>>,
) -> (Tensor<3>, Tensor<2>) {
    let (filtered, state) = scan(x.clone(), layer.scan, state);
    let mixed = conv1d(filtered, layer.mix, Some(layer.bias), [0, 0], 1);
    (x + activate(mixed, layer.activation), state)
}

/// As [`super::gather()`].
pub fn gather(list: Tensor<1>, rows: &[Row], shape: [usize; 3]) -> Tensor<3> {
    let len = shape[2];
    let row = |row: &Row| match *row {
        Row::From(start) => list.clone().narrow(0, start, len),
        Row::Constant(value) => Tensor::full([len], value, &list.device()),
    };
    Tensor::cat(rows.iter().map(row).collect(), 0).reshape(shape)
}

/// As [`super::residual_layer`].
pub fn residual_layer(
    x: Tensor<3>,
    weights: ResidualWeights,
    dilation: usize,
    activation: Activation,
) -> Tensor<3> {
    let z = conv1d(
        x.clone(),
        weights.conv,
        Some(weights.bias),
        [0, 0],
        dilation,
    );
    let (have, len) = (x.dims()[2], z.dims()[2]);
    let heard = x.narrow(2, have - len, len);
    let curved = match weights.slopes {
        Some(slopes) => p_relu(z, slopes),
        None => activate(z, activation),
    };
    curved + conv1d(heard, weights.shortcut, None, [0, 0], 1)
}

/// As [`super::spectral_distance`].
pub fn spectral_distance(
    wet: Tensor<3>,
    predicted: Tensor<3>,
    pre_emphasis: Option<f64>,
) -> Tensor<1> {
    let sides = [wet.detach(), predicted].map(|x| match pre_emphasis {
        Some(coefficient) => emphasised(x, coefficient),
        None => x,
    });
    let terms = RESOLUTIONS.map(|resolution| {
        let [wet, predicted] = sides.clone().map(|x| magnitudes(x, resolution));
        let power = wet.clone().square().sum() + SILENCE;
        let distance = (wet.clone() - predicted.clone()).square().sum();
        let distance = (distance / power + HAIR * HAIR).sqrt() - HAIR;
        distance + (wet.log() - predicted.log()).abs().mean()
    });
    let [a, b, c] = terms;
    (a + b + c) / RESOLUTIONS.len() as f64
}

/// x[t] − coefficient·x[t−1], one sample shorter than x.
pub fn emphasised(x: Tensor<3>, coefficient: f64) -> Tensor<3> {
    let len = x.dims()[2];
    x.clone().narrow(2, 1, len - 1) - x.narrow(2, 0, len - 1) * coefficient
}

/// |STFT|, not below the floor. `[batch · channel, frame, bin]`.
fn magnitudes(x: Tensor<3>, [n_fft, hop_length, win_length]: [usize; 3]) -> Tensor<3> {
    let [batch, channels, len] = x.dims();
    let window = hann_window(win_length, true, &x.device());
    let options = StftOptions {
        n_fft,
        hop_length,
        win_length: Some(win_length),
        center: true,
        onesided: true,
    };
    let bins = stft(x.reshape([batch * channels, len]), Some(window), options);
    let power = bins.square().sum_dim(3).squeeze_dim::<3>(3);
    power.clamp_min(FLOOR).sqrt()
}
