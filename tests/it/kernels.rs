//! The fused operators against their slow forms in double precision, on every instruction set
//! this machine has.

use effigy::kernels::activation::Activation;
use effigy::kernels::convolution::Conv1d;
use effigy::kernels::dense::Dense;
use effigy::kernels::encoder_decoder::{EncoderDecoder, FilterSlices, Middle};
use effigy::kernels::memory::Buffer;
use effigy::kernels::recurrent::{
    Cell, HeadSlices, PlainRecurrentState, Recurrent, RecurrentGradients, RecurrentSlices,
};
use effigy::kernels::residual::{Curve, ResidualLayer, ResidualStack};
use effigy::kernels::scan::{PlainScanState, Scan, ScanSlices};
use effigy::kernels::state_space::{StateSpaceLayer, StateSpaceSlices};
use effigy::kernels::wavenet::{Layer, LayerArray, WaveNet};
use effigy::simd::Isa;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::oracle::kernels as oracle;

/// Outputs: f32 sums of products of numbers around 1, scaled so that they are of size 1.
const OUTPUT: f64 = 1e-5;
/// Gradients, relative to the largest of the tensor.
const GRADIENT: f64 = 1e-4;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// `n` numbers within ±`size`.
fn noise(rng: &mut ChaCha8Rng, n: usize, size: f32) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-size..=size)).collect()
}

fn double(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

#[track_caller]
fn assert_outputs(what: &str, got: &[f32], exact: &[f64]) {
    assert_eq!(got.len(), exact.len(), "{what}");
    for (at, (&got, &exact)) in got.iter().zip(exact).enumerate() {
        let error = (f64::from(got) - exact).abs();
        assert!(error <= OUTPUT, "{what} [{at}]: {got} for {exact}");
    }
}

#[track_caller]
fn assert_gradients(what: &str, got: &[f32], exact: &[f64]) {
    assert_eq!(got.len(), exact.len(), "{what}");
    let largest = exact.iter().fold(1e-6, |a: f64, b| a.max(b.abs()));
    for (at, (&got, &exact)) in got.iter().zip(exact).enumerate() {
        let error = (f64::from(got) - exact).abs();
        assert!(
            error <= GRADIENT * largest,
            "{what} [{at}]: {got} for {exact}"
        );
    }
}

/// Shapes that meet every edge: one of everything, odd lengths, filters longer than the signal,
/// more padding than context, several blocks and several tasks.
fn conv_shapes() -> Vec<(Conv1d, usize, usize)> {
    let mut shapes = Vec::new();
    for &(in_channels, out_channels, kernel_size, dilation, left, right, batch, len) in &[
        (1, 1, 1, 1, 0, 0, 1, 1),
        (1, 1, 1, 1, 2, 3, 1, 7),
        (1, 50, 51, 1, 25, 25, 2, 333),
        (1, 50, 51, 1, 50, 0, 1, 20),
        (1, 7, 3, 1, 0, 0, 3, 101),
        (50, 1, 51, 1, 25, 25, 2, 131),
        (50, 1, 51, 1, 0, 0, 1, 60),
        (6, 1, 16, 1, 15, 0, 3, 77),
        (16, 16, 3, 64, 0, 0, 2, 301),
        (16, 8, 3, 7, 14, 0, 2, 150),
        (3, 5, 4, 2, 9, 1, 2, 53),
        (8, 3, 6, 3, 0, 20, 1, 40),
        (5, 1, 4, 100, 300, 0, 1, 64),
        (2, 2, 9, 1, 8, 0, 1, 4_001),
        (4, 1, 5, 1, 2, 2, 1, 4_001),
    ] {
        let shape = Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            dilation,
            left,
            right,
        };
        shapes.push((shape, batch, len));
    }
    shapes
}

#[test]
fn convolution_equals_its_sum_forward_and_backward() {
    for (case, (shape, batch, len)) in conv_shapes().into_iter().enumerate() {
        let mut rng = rng(case as u64);
        let fan_in = (shape.in_channels * shape.kernel_size) as f32;
        let x = noise(&mut rng, batch * shape.in_channels * len, 1.0);
        let w = noise(&mut rng, shape.weights(), 1.0 / fan_in.sqrt());
        let b = noise(&mut rng, shape.out_channels, 1.0);
        let outputs = batch * shape.out_channels * shape.output_len(len);
        assert!(outputs > 0, "{shape:?}");
        let dy = noise(&mut rng, outputs, 1.0);
        let (x64, w64, dy64) = (double(&x), double(&w), double(&dy));
        let y_exact = oracle::conv1d(&shape, batch, &x64, &w64, &double(&b));
        let (dx_exact, dw_exact, db_exact) =
            oracle::conv1d_gradients(&shape, batch, &x64, &w64, &dy64);
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?} batch {batch} length {len}");
            let mut y = vec![f32::NAN; outputs];
            shape.forward(isa, batch, &x, &w, Some(&b), &mut y);
            assert_outputs(&format!("y of {what}"), &y, &y_exact);
            let mut dx = vec![f32::NAN; x.len()];
            shape.input_gradient(isa, batch, &dy, &w, &mut dx);
            assert_gradients(&format!("dx of {what}"), &dx, &dx_exact);
            let (mut dw, mut db) = (vec![f32::NAN; w.len()], vec![f32::NAN; b.len()]);
            shape.weight_gradient(isa, batch, &x, &dy, &mut dw, Some(&mut db));
            assert_gradients(&format!("dw of {what}"), &dw, &dw_exact);
            assert_gradients(&format!("db of {what}"), &db, &db_exact);
        }
    }
}

/// It is the convolution of signals of one sample, its weights the other way round. Shapes with and
/// without whole tiles, blocks and tasks.
#[test]
fn a_dense_layer_equals_its_sum_forward_and_backward() {
    for (case, (batch, inputs, outputs)) in [
        (1, 1, 1),
        (1, 300, 7),
        (3, 130, 50),
        (17, 64, 97),
        (9, 256, 192),
        (130, 5, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let mut rng = rng(300 + case as u64);
        let shape = Dense {
            batch,
            inputs,
            outputs,
        };
        let x = noise(&mut rng, batch * inputs, 1.0);
        let w = noise(&mut rng, inputs * outputs, 1.0 / (inputs as f32).sqrt());
        let b = noise(&mut rng, outputs, 1.0);
        let dy = noise(&mut rng, batch * outputs, 1.0);
        let conv = Conv1d {
            in_channels: inputs,
            out_channels: outputs,
            kernel_size: 1,
            dilation: 1,
            left: 0,
            right: 0,
        };
        let turned = |of: &[f64], rows: usize| -> Vec<f64> {
            let columns = of.len() / rows;
            let at = |at: usize| of[at % rows * columns + at / rows];
            (0..of.len()).map(at).collect()
        };
        let (x64, dy64) = (double(&x), double(&dy));
        let w64 = turned(&double(&w), inputs);
        let y_exact = oracle::conv1d(&conv, batch, &x64, &w64, &double(&b));
        let (dx_exact, dw_exact, db_exact) =
            oracle::conv1d_gradients(&conv, batch, &x64, &w64, &dy64);
        let dw_exact = turned(&dw_exact, outputs);
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?}");
            let mut y = vec![f32::NAN; batch * outputs];
            shape.forward(isa, &x, &w, &b, &mut y);
            assert_outputs(&format!("y of {what}"), &y, &y_exact);
            let mut dx = vec![f32::NAN; x.len()];
            shape.input_gradient(isa, &dy, &w, &mut dx);
            assert_gradients(&format!("dx of {what}"), &dx, &dx_exact);
            let (mut dw, mut db) = (vec![f32::NAN; w.len()], vec![f32::NAN; b.len()]);
            shape.weight_gradient(isa, &x, &dy, &mut dw);
            assert_gradients(&format!("dw of {what}"), &dw, &dw_exact);
            shape.bias_gradient(&dy, &mut db);
            assert_gradients(&format!("db of {what}"), &db, &db_exact);
        }
    }
}

#[test]
fn a_transposed_convolution_adds_its_bias() {
    let shape = Conv1d {
        in_channels: 2,
        out_channels: 3,
        kernel_size: 2,
        dilation: 1,
        left: 0,
        right: 0,
    };
    let (mut plain, mut biased) = (vec![0.0; 22], vec![0.0; 22]);
    let mut rng = rng(1);
    let (dy, w) = (noise(&mut rng, 30, 1.0), noise(&mut rng, 12, 1.0));
    shape.input_gradient(Isa::detect(), 1, &dy, &w, &mut plain);
    shape.transposed(Isa::detect(), 1, &dy, &w, Some(&[1.0, 2.0]), &mut biased);
    for (at, (plain, biased)) in plain.iter().zip(&biased).enumerate() {
        let bias = if at < 11 { 1.0 } else { 2.0 };
        assert!((plain + bias - biased).abs() < 1e-6);
    }
}

fn encoder_decoder_shapes() -> Vec<(EncoderDecoder, usize, usize)> {
    let shape = |channels, enc, left, right, middle, dec, crop_left, crop_right| EncoderDecoder {
        channels,
        encoder_kernel_size: enc,
        left,
        right,
        middle,
        decoder_kernel_size: dec,
        crop_left,
        crop_right,
    };
    use Middle::{Plain, ScaleShift, ScaleShiftRelu};
    vec![
        (shape(1, 1, 0, 0, Plain, 1, 0, 0), 1, 1),
        (shape(50, 51, 25, 25, ScaleShiftRelu, 51, 25, 25), 2, 701),
        (shape(50, 51, 50, 0, ScaleShift, 51, 0, 50), 1, 33),
        (shape(3, 5, 4, 0, Plain, 7, 0, 6), 3, 97),
        (shape(9, 4, 0, 0, ScaleShiftRelu, 3, 0, 0), 2, 400),
        (shape(2, 3, 1, 1, ScaleShiftRelu, 1, 0, 0), 1, 4_500),
    ]
}

#[test]
fn encoder_decoder_equals_its_stages_forward_and_backward() {
    for (case, (shape, batch, len)) in encoder_decoder_shapes().into_iter().enumerate() {
        let mut rng = rng(100 + case as u64);
        let fan = (shape.encoder_kernel_size as f32).sqrt();
        let c = shape.channels;
        let x = noise(&mut rng, batch * len, 1.0);
        let encoder = noise(&mut rng, c * shape.encoder_kernel_size, 1.0 / fan);
        let encoder_bias = noise(&mut rng, c, 0.5);
        let scale = noise(&mut rng, c, 1.5);
        let shift = noise(&mut rng, c, 0.5);
        let fan = ((c * shape.decoder_kernel_size) as f32).sqrt();
        let decoder = noise(&mut rng, c * shape.decoder_kernel_size, 1.0 / fan);
        let dy = noise(&mut rng, batch * shape.output_len(len), 1.0);
        let weights = FilterSlices {
            encoder: &encoder,
            encoder_bias: &encoder_bias,
            scale: &scale,
            shift: &shift,
            decoder: &decoder,
            decoder_bias: 0.3,
        };
        let exact_weights = oracle::EncoderDecoderWeights {
            encoder: double(&encoder),
            encoder_bias: double(&encoder_bias),
            scale: double(&scale),
            shift: double(&shift),
            decoder: double(&decoder),
            decoder_bias: f64::from(0.3f32),
        };
        let x64 = double(&x);
        let y_exact = oracle::encoder_decoder(&shape, batch, &x64, &exact_weights);
        let (dx_exact, exact) =
            oracle::encoder_decoder_gradients(&shape, batch, &x64, &exact_weights, &double(&dy));
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?} batch {batch} length {len}");
            let mut y = vec![f32::NAN; y_exact.len()];
            shape.forward(isa, batch, &x, &weights, &mut y);
            assert_outputs(&what, &y, &y_exact);
            let got = shape.backward(isa, batch, &x, &weights, &dy, true);
            let dx = got.x.as_deref().unwrap_or_default();
            assert_gradients(&format!("dx of {what}"), dx, &dx_exact);
            assert_gradients(&format!("encoder of {what}"), &got.encoder, &exact.encoder);
            assert_gradients(
                &format!("bias of {what}"),
                &got.encoder_bias,
                &exact.encoder_bias,
            );
            assert_gradients(&format!("scale of {what}"), &got.scale, &exact.scale);
            assert_gradients(&format!("shift of {what}"), &got.shift, &exact.shift);
            assert_gradients(&format!("decoder of {what}"), &got.decoder, &exact.decoder);
            assert_gradients(
                &format!("decoder bias of {what}"),
                &[got.decoder_bias],
                &[exact.decoder_bias],
            );
            let without = shape.backward(isa, batch, &x, &weights, &dy, false);
            assert!(without.x.is_none() && without.encoder == got.encoder);
        }
    }
}

/// The reference gradients themselves, against differences of the reference output.
#[test]
fn reference_gradients_agree_with_finite_differences() {
    const STEP: f64 = 1e-5;
    let (shape, batch, len) = (
        Conv1d {
            in_channels: 2,
            out_channels: 3,
            kernel_size: 3,
            dilation: 2,
            left: 3,
            right: 1,
        },
        2,
        9,
    );
    let mut rng = rng(7);
    let x = double(&noise(&mut rng, batch * 2 * len, 1.0));
    let w = double(&noise(&mut rng, shape.weights(), 1.0));
    let b = double(&noise(&mut rng, 3, 1.0));
    let dy = double(&noise(&mut rng, batch * 3 * shape.output_len(len), 1.0));
    let loss = |x: &[f64], w: &[f64]| -> f64 {
        let y = oracle::conv1d(&shape, batch, x, w, &b);
        y.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    let (dx, dw, _) = oracle::conv1d_gradients(&shape, batch, &x, &w, &dy);
    let slope = |f: &dyn Fn(f64) -> f64| (f(STEP) - f(-STEP)) / (2.0 * STEP);
    let moved = |values: &[f64], at: usize, by: f64| {
        let mut values = values.to_vec();
        values[at] += by;
        values
    };
    for (at, dx) in dx.iter().enumerate() {
        // The loss is linear in each: only rounding, 1e-16 · 50 / 1e-5, separates the two.
        assert!((slope(&|by| loss(&moved(&x, at, by), &w)) - dx).abs() < 1e-8);
    }
    for (at, dw) in dw.iter().enumerate() {
        assert!((slope(&|by| loss(&x, &moved(&w, at, by))) - dw).abs() < 1e-8);
    }
}

/// Resuming a run must give the same bits as never stopping: no result may depend on which
/// thread came first or on how many there are.
#[test]
fn results_are_the_same_bits_whatever_the_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(|pool| {
            pool.install(|| {
                let (shape, batch, len) = encoder_decoder_shapes()[1];
                let mut rng = rng(5);
                let c = shape.channels;
                let x = noise(&mut rng, batch * len, 1.0);
                let filters = noise(&mut rng, c * shape.encoder_kernel_size, 0.1);
                let per_channel = noise(&mut rng, c, 1.0);
                let weights = FilterSlices {
                    encoder: &filters,
                    encoder_bias: &per_channel,
                    scale: &per_channel,
                    shift: &per_channel,
                    decoder: &filters,
                    decoder_bias: 0.1,
                };
                let mut y = vec![0.0; batch * shape.output_len(len)];
                shape.forward(Isa::detect(), batch, &x, &weights, &mut y);
                let g = shape.backward(Isa::detect(), batch, &x, &weights, &y, true);
                (y, g.x, g.encoder, g.decoder, g.scale)
            })
        })
        .map_err(|error| error.to_string())
    };
    let one = run(1);
    assert!(one.is_ok());
    for threads in [1, 2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

/// A network of arrays (channels, head channels, head kernel, layers), a layer being (kernel,
/// dilation, activation, gated).
type ArrayShape<'a> = (usize, usize, usize, &'a [(usize, usize, Activation, bool)]);

fn network(in_channels: usize, head_scale: f32, arrays: &[ArrayShape<'_>]) -> WaveNet {
    let layer = |&(kernel_size, dilation, activation, gated): &_| Layer {
        kernel_size,
        dilation,
        activation,
        gated,
    };
    let last = arrays.len() - 1;
    let array =
        |(at, &(channels, head_channels, head_kernel_size, layers)): (_, &ArrayShape<'_>)| {
            LayerArray {
                channels,
                layers: layers.iter().map(layer).collect(),
                head_channels,
                head_kernel_size,
                head_bias: at == last,
            }
        };
    WaveNet {
        in_channels,
        arrays: arrays.iter().enumerate().map(array).collect(),
        head_scale,
    }
}

/// (network, batch, output length).
fn wavenets() -> Vec<(WaveNet, usize, usize)> {
    use Activation::{HardTanh, LeakyRelu, Relu, Tanh};
    let leaky = LeakyRelu { slope: 0.01 };
    vec![
        (network(1, 1.0, &[(1, 1, 1, &[(1, 1, Tanh, false)])]), 1, 1),
        (
            network(
                1,
                0.5,
                &[
                    (
                        16,
                        8,
                        1,
                        &[
                            (3, 1, Tanh, false),
                            (3, 2, Tanh, false),
                            (3, 128, Tanh, false),
                        ],
                    ),
                    (8, 1, 1, &[(3, 1, Tanh, false), (3, 16, Tanh, false)]),
                ],
            ),
            3,
            531,
        ),
        (
            network(
                2,
                1.0,
                &[(
                    8,
                    1,
                    16,
                    &[
                        (6, 1, leaky, false),
                        (15, 13, leaky, false),
                        (6, 7, leaky, false),
                    ],
                )],
            ),
            2,
            701,
        ),
        (
            network(
                1,
                1.0,
                &[
                    (5, 3, 4, &[(2, 3, Tanh, true), (3, 100, HardTanh, true)]),
                    (3, 2, 2, &[(2, 1, Relu, false), (2, 2, Tanh, true)]),
                ],
            ),
            2,
            97,
        ),
        // Shorter than its context.
        (
            network(
                1,
                1.0,
                &[(4, 1, 1, &[(3, 200, Tanh, false), (2, 1, Tanh, false)])],
            ),
            1,
            33,
        ),
        // Cut into stretches of time.
        (
            network(
                1,
                1.0,
                &[(2, 1, 3, &[(2, 5, Tanh, false), (3, 2, Tanh, false)])],
            ),
            1,
            1_000,
        ),
    ]
}

/// The same, deep, with contexts longer than a segment of time.
fn deep_wavenet() -> (WaveNet, usize, usize) {
    let dilations = [700, 1, 3, 40];
    let layers: Vec<_> = (0..14)
        .map(|at| (2, dilations[at % 4], Activation::Tanh, at % 3 == 0))
        .collect();
    let net = network(1, 1.0, &[(3, 2, 2, &layers), (2, 1, 2, &layers[1..])]);
    (net, 2, 983)
}

/// Weights that keep signals around 1 through the layers.
fn wavenet_weights(net: &WaveNet, rng: &mut ChaCha8Rng) -> Vec<f32> {
    noise(rng, net.weights(), 0.35)
}

#[test]
fn wavenet_equals_its_layers_forward_and_backward() {
    let nets = wavenets().into_iter().chain([deep_wavenet()]);
    for (case, (net, batch, out_len)) in nets.enumerate() {
        let mut rng = rng(200 + case as u64);
        let len = out_len + net.receptive_field() - 1;
        assert_eq!(net.output_len(len), out_len);
        let x = noise(&mut rng, batch * net.in_channels * len, 1.0);
        let weights = wavenet_weights(&net, &mut rng);
        let (x64, w64) = (double(&x), double(&weights));
        let y_exact = oracle::wavenet(&net, batch, &x64, &w64);
        assert_eq!(y_exact.len(), batch * net.out_channels() * out_len);
        let dy = noise(&mut rng, y_exact.len(), 1.0);
        let (dx_exact, dw_exact) = oracle::wavenet_gradients(&net, batch, &x64, &w64, &double(&dy));
        for isa in Isa::available() {
            let what = format!("{isa} WaveNet {case}");
            let mut y = vec![f32::NAN; y_exact.len()];
            let kept = net.forward(isa, batch, &x, &weights, &mut y, true);
            assert_outputs(&what, &y, &y_exact);
            let mut predicted = vec![f32::NAN; y.len()];
            net.predict(isa, batch, &x, &weights, &mut predicted);
            assert_eq!(predicted, y, "{what}: with and without keeping");
            let (dw, dx) = net.backward(isa, batch, &x, &weights, &kept, &dy, true);
            assert_gradients(&format!("dw of {what}"), &dw, &dw_exact);
            assert_gradients(&format!("dx of {what}"), &dx.unwrap_or_default(), &dx_exact);
            let (same, none) = net.backward(isa, batch, &x, &weights, &kept, &dy, false);
            assert!(none.is_none() && same == dw, "{what}");
        }
    }
}

#[test]
fn wavenet_reference_gradients_agree_with_finite_differences() {
    const STEP: f64 = 1e-6;
    // Smooth activations only, gated and not, head kernels above 1, two condition channels.
    let net = network(
        2,
        0.7,
        &[
            (
                3,
                2,
                2,
                &[
                    (2, 2, Activation::Tanh, true),
                    (3, 1, Activation::Sigmoid, false),
                ],
            ),
            (2, 2, 3, &[(2, 3, Activation::Tanh, false)]),
        ],
    );
    let (batch, len) = (2, 5 + net.receptive_field() - 1);
    let mut rng = rng(300);
    let x = double(&noise(&mut rng, batch * 2 * len, 1.0));
    let w = double(&wavenet_weights(&net, &mut rng));
    let dy = double(&noise(&mut rng, batch * 2 * 5, 1.0));
    let loss = |x: &[f64], w: &[f64]| -> f64 {
        let y = oracle::wavenet(&net, batch, x, w);
        y.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    let (dx, dw) = oracle::wavenet_gradients(&net, batch, &x, &w, &dy);
    let moved = |values: &[f64], at: usize, by: f64| {
        let mut values = values.to_vec();
        values[at] += by;
        values
    };
    let slope = |f: &dyn Fn(f64) -> f64| (f(STEP) - f(-STEP)) / (2.0 * STEP);
    // Truncation STEP² and rounding 1e-16/STEP times sums of a few tens.
    for (at, dx) in dx.iter().enumerate() {
        let difference = slope(&|by| loss(&moved(&x, at, by), &w));
        assert!(
            (difference - dx).abs() < 1e-7,
            "x[{at}]: {dx} for {difference}"
        );
    }
    for (at, dw) in dw.iter().enumerate() {
        let difference = slope(&|by| loss(&x, &moved(&w, at, by)));
        assert!(
            (difference - dw).abs() < 1e-7,
            "w[{at}]: {dw} for {difference}"
        );
    }
}

/// An output depends on nothing outside its receptive field and on both of its ends.
#[test]
fn wavenet_receptive_field_is_what_the_output_depends_on() {
    for (net, _, _) in wavenets() {
        let len = net.receptive_field() + 3;
        let mut rng = rng(400);
        let weights = wavenet_weights(&net, &mut rng);
        let x = noise(&mut rng, net.in_channels * len, 1.0);
        let predict = |x: &[f32]| {
            let mut y = vec![0.0; net.out_channels() * 4];
            net.predict(Isa::detect(), 1, x, &weights, &mut y);
            y
        };
        let y = predict(&x);
        for at in [0, 1, len - 2, len - 1] {
            let mut moved = x.clone();
            moved[at] += 0.5;
            for (t, (before, after)) in y.iter().zip(predict(&moved)).take(4).enumerate() {
                let reached = (t..t + net.receptive_field()).contains(&at);
                assert!(reached || *before == after, "{net:?} {at} {t}");
            }
        }
        let mut oldest = x.clone();
        oldest[0] += 0.5;
        let mut newest = x.clone();
        newest[len - 1] += 0.5;
        // Relu may cut a single path; the leftmost sample must reach some output channel else.
        let smooth = net
            .arrays
            .iter()
            .flat_map(|array| &array.layers)
            .all(|layer| {
                matches!(
                    layer.activation,
                    Activation::Tanh | Activation::LeakyRelu { .. }
                )
            });
        if smooth {
            assert_ne!(predict(&oldest)[0], y[0]);
            assert_ne!(predict(&newest)[3], y[3]);
        }
    }
}

/// (layer, batch, length).
fn recurrents() -> Vec<(Recurrent, usize, usize)> {
    let mut layers = Vec::new();
    for cell in [Cell::Lstm, Cell::Gru] {
        for (input_size, hidden_size, batch, len) in [
            (1, 1, 1, 1),
            (1, 24, 5, 70),
            (3, 17, 4, 33),
            (2, 40, 3, 64),
            (32, 32, 9, 37),
            // Two blocks of steps and a bit, whole blocks, one step more than a block.
            (1, 33, 2, 131),
            (1, 8, 6, 128),
            (1, 20, 5, 65),
        ] {
            let shape = Recurrent {
                cell,
                input_size,
                hidden_size,
            };
            layers.push((shape, batch, len));
        }
    }
    layers
}

/// A layer's weights, input, first state and output gradient.
struct RecurrentCase {
    weights: [Vec<f32>; 3],
    x: Vec<f32>,
    state: PlainRecurrentState,
    dy: Vec<f32>,
}

impl RecurrentCase {
    fn new(shape: &Recurrent, batch: usize, len: usize, rng: &mut ChaCha8Rng) -> RecurrentCase {
        let gates = shape.gates() * shape.hidden_size;
        let size = 1.5 / (shape.hidden_size as f32).sqrt();
        let mut state = shape.zero_state(batch);
        state.hidden = noise(rng, state.hidden.len(), 0.9);
        state.cell = noise(rng, state.cell.len(), 1.5);
        RecurrentCase {
            weights: [
                noise(rng, gates * shape.input_size, size.min(1.0)),
                noise(rng, gates * shape.hidden_size, size),
                noise(rng, shape.biases(), 0.5),
            ],
            x: noise(rng, batch * shape.input_size * len, 1.0),
            state,
            dy: noise(rng, batch * shape.hidden_size * len, 1.0),
        }
    }

    fn weights(&self) -> RecurrentSlices<'_> {
        RecurrentSlices {
            input: &self.weights[0],
            hidden: &self.weights[1],
            bias: &self.weights[2],
        }
    }

    fn exact_weights(&self) -> oracle::RecurrentWeights {
        let [input, hidden, bias] = &self.weights;
        oracle::RecurrentWeights {
            input: double(input),
            hidden: double(hidden),
            bias: double(bias),
        }
    }
}

#[test]
fn recurrent_layers_equal_their_steps() {
    for (case, (shape, batch, len)) in recurrents().into_iter().enumerate() {
        let case = RecurrentCase::new(&shape, batch, len, &mut rng(500 + case as u64));
        let state = (double(&case.state.hidden), double(&case.state.cell));
        let (y_exact, h_exact, c_exact) = oracle::recurrent(
            &shape,
            batch,
            &double(&case.x),
            &case.exact_weights(),
            (&state.0, &state.1),
        );
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?} batch {batch} length {len}");
            let mut state = case.state.clone();
            let (y, _) = shape.forward(isa, batch, &case.x, &case.weights(), &mut state, true);
            assert_outputs(&what, &y, &y_exact);
            assert_outputs(&what, &state.hidden, &h_exact);
            assert_outputs(&what, &state.cell, &c_exact);
            let mut same = case.state.clone();
            let (again, _) = shape.forward(isa, batch, &case.x, &case.weights(), &mut same, false);
            assert!(
                again == y && same == state,
                "{what}: with and without keeping"
            );
        }
    }
}

/// Memories of 20,000 samples, as compressors have: at a step they lose and let in 5e-5, the grid
/// of numbers near 1 is 6e-8 of that apart, and all steps together must stay within the bound.
#[test]
fn memories_of_seconds_are_kept_to_their_last_bits() {
    let (len, units) = (16_384, 2);
    for cell in [Cell::Lstm, Cell::Gru] {
        let shape = Recurrent {
            cell,
            input_size: 1,
            hidden_size: units,
        };
        let mut case = RecurrentCase::new(&shape, 1, len, &mut rng(560));
        // Within a little of σ(−9.9) on what is let in and what is lost; the rest as it is.
        let [input, hidden, bias] = &mut case.weights;
        let slow: &[(usize, f32)] = match cell {
            Cell::Lstm => &[(0, -9.9), (1, 9.9)],
            Cell::Gru => &[(1, 9.9)],
        };
        for (gate, value) in slow {
            let of_gate = gate * units..(gate + 1) * units;
            input[of_gate.clone()].fill(0.1);
            hidden[gate * units * units..(gate + 1) * units * units].fill(0.05);
            bias[of_gate].fill(*value);
        }
        let state = (double(&case.state.hidden), double(&case.state.cell));
        let (y_exact, ..) = oracle::recurrent(
            &shape,
            1,
            &double(&case.x),
            &case.exact_weights(),
            (&state.0, &state.1),
        );
        for isa in Isa::available() {
            let mut state = case.state.clone();
            let (y, _) = shape.forward(isa, 1, &case.x, &case.weights(), &mut state, true);
            assert_outputs(&format!("{isa} {cell:?}"), &y, &y_exact);
        }
    }
}

/// Each gradient against central differences of the reference, in double precision: one by one
/// for a few of each tensor, and all together along a random direction.
#[test]
fn recurrent_gradients_agree_with_finite_differences() {
    const STEP: f64 = 1e-6;
    for (number, (shape, batch, len)) in recurrents().into_iter().enumerate() {
        let mut rng = rng(600 + number as u64);
        let case = RecurrentCase::new(&shape, batch, len, &mut rng);
        let exact = case.exact_weights();
        let values = [double(&case.x), exact.input, exact.hidden, exact.bias];
        let state = (double(&case.state.hidden), double(&case.state.cell));
        let dy = double(&case.dy);
        let loss = |moves: &dyn Fn(usize, usize) -> f64| -> f64 {
            let moved = |tensor: usize| -> Vec<f64> {
                let values = values[tensor].iter().enumerate();
                values
                    .map(|(at, value)| value + moves(tensor, at))
                    .collect()
            };
            let weights = oracle::RecurrentWeights {
                input: moved(1),
                hidden: moved(2),
                bias: moved(3),
            };
            let state = (state.0.as_slice(), state.1.as_slice());
            let (y, ..) = oracle::recurrent(&shape, batch, &moved(0), &weights, state);
            y.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
        };
        let directions = values
            .each_ref()
            .map(|values| double(&noise(&mut rng, values.len(), 1.0)));
        let slope = |moves: &dyn Fn(usize, usize) -> f64| {
            let side = |sign: f64| loss(&|tensor, at| sign * STEP * moves(tensor, at));
            (side(1.0) - side(-1.0)) / (2.0 * STEP)
        };
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?} batch {batch} length {len}");
            let weights = case.weights();
            let mut state = case.state.clone();
            let (y, kept) = shape.forward(isa, batch, &case.x, &weights, &mut state, true);
            let got = shape.backward(isa, batch, &case.x, &weights, &y, &kept, &case.dy, true);
            let without = shape.backward(isa, batch, &case.x, &weights, &y, &kept, &case.dy, false);
            assert!(
                without.x.is_none() && without.hidden == got.hidden,
                "{what}"
            );
            let got = [
                got.x.unwrap_or_default().to_vec(),
                got.input,
                got.hidden,
                got.bias,
            ];
            for (tensor, got) in got.iter().enumerate() {
                assert_eq!(got.len(), values[tensor].len(), "{what} tensor {tensor}");
                let largest = got.iter().fold(1e-3f64, |a, &b| a.max(f64::from(b).abs()));
                // First, last and two between.
                for at in [0, got.len() / 3, got.len() * 2 / 3, got.len() - 1] {
                    let exact = slope(&|t, a| f64::from(u8::from((t, a) == (tensor, at))));
                    let error = (f64::from(got[at]) - exact).abs();
                    assert!(
                        error <= GRADIENT * largest,
                        "{what} tensor {tensor} [{at}]: {} for {exact}",
                        got[at]
                    );
                }
                let along: f64 = got
                    .iter()
                    .zip(&directions[tensor])
                    .map(|(&g, d)| f64::from(g) * d)
                    .sum();
                let exact = slope(&|t, a| {
                    if t == tensor {
                        directions[tensor][a]
                    } else {
                        0.0
                    }
                });
                // Errors of the entries add like a random walk.
                let bound = GRADIENT * largest * (got.len() as f64).sqrt();
                assert!(
                    (along - exact).abs() <= bound,
                    "{what} tensor {tensor}: {along} for {exact}"
                );
            }
        }
    }
}

/// With a dense layer that hears the units: what it hears is theirs, and the gradients are those
/// that theirs would be given. Two of the three are the room's other way, the third is its own sum.
#[test]
fn a_head_hears_the_units_and_hands_its_gradient_back() {
    for (number, (shape, batch, len)) in recurrents().into_iter().enumerate() {
        let mut rng = rng(700 + number as u64);
        let case = RecurrentCase::new(&shape, batch, len, &mut rng);
        let (units, weights) = (shape.hidden_size, case.weights());
        let outputs = 1 + number % 2;
        let (v, a) = (
            noise(&mut rng, outputs * units, 1.0),
            noise(&mut rng, outputs, 1.0),
        );
        let head = HeadSlices {
            weight: &v,
            bias: if number % 3 == 0 { &[] } else { &a },
        };
        let d = noise(&mut rng, batch * outputs * len, 1.0);
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?} batch {batch} length {len} outputs {outputs}");
            let mut state = case.state.clone();
            let (y, kept) = shape.forward(isa, batch, &case.x, &weights, &mut state, true);
            let unit = |item: usize, unit: usize, t: usize| y[(item * units + unit) * len + t];
            let mut after = case.state.clone();
            let (heard, kept_of_heard) =
                shape.forward_heard(isa, batch, &case.x, &weights, &head, &mut after, true);
            assert!(after == state, "{what}: state");
            let mut after = case.state.clone();
            let (again, nothing) =
                shape.forward_heard(isa, batch, &case.x, &weights, &head, &mut after, false);
            assert!(
                again == heard && nothing.is_empty() && after == state,
                "{what}"
            );
            let mut dy = vec![0.0; y.len()];
            let (mut dv, mut da) = (vec![0.0f64; v.len()], vec![0.0f64; outputs]);
            for (row, t) in (0..batch * outputs).flat_map(|row| (0..len).map(move |t| (row, t))) {
                let (item, output) = (row / outputs, row % outputs);
                let bias = head.bias.get(output).copied().unwrap_or_default();
                let (mut exact, mut size) = (f64::from(bias), f64::from(bias.abs()));
                let d = d[row * len + t];
                da[output] += f64::from(d);
                for u in 0..units {
                    let (h, v) = (unit(item, u, t), v[output * units + u]);
                    exact += f64::from(h) * f64::from(v);
                    size += f64::from((h * v).abs());
                    dv[output * units + u] += f64::from(d) * f64::from(h);
                    dy[(item * units + u) * len + t] += d * v;
                }
                let error = (f64::from(heard[row * len + t]) - exact).abs();
                // Half a unit in the last place for each of at most 33 sums.
                assert!(error <= 33.0 * 6e-8 * size, "{what}: {row} {t}: {error}");
            }
            let want = shape.backward(isa, batch, &case.x, &weights, &y, &kept, &dy, true);
            let (got, of_head) = shape.backward_heard(
                isa,
                batch,
                &case.x,
                &weights,
                &head,
                &kept_of_heard,
                &d,
                true,
            );
            let near = |name: &str, got: &[f32], want: &[f64]| {
                assert_eq!(got.len(), want.len(), "{what} {name}");
                let largest = want.iter().fold(1e-3f64, |a, &b| a.max(b.abs()));
                for (got, want) in got.iter().zip(want) {
                    let error = (f64::from(*got) - want).abs();
                    assert!(error <= 1e-5 * largest, "{what} {name}: {got} for {want}");
                }
            };
            near("V", &of_head.weight, &dv);
            near("a", &of_head.bias, &da);
            near("W", &got.input, &double(&want.input));
            near("U", &got.hidden, &double(&want.hidden));
            near("b", &got.bias, &double(&want.bias));
            let (got, want) = (got.x.unwrap_or_default(), want.x.unwrap_or_default());
            near("x", &got, &double(&want));
        }
    }
}

/// What truncated back-propagation relies on: pieces one after the other, the state handed over,
/// are the whole, bit for bit.
#[test]
fn recurrent_pieces_are_the_whole() {
    for (number, (shape, batch, _)) in recurrents().into_iter().enumerate() {
        let (len, cut) = (75, 40);
        let case = RecurrentCase::new(&shape, batch, len, &mut rng(700 + number as u64));
        let run = |from: usize, to: usize, state: &mut PlainRecurrentState| -> Vec<Vec<f32>> {
            let rows = case
                .x
                .chunks_exact(len)
                .flat_map(|row| row[from..to].to_vec());
            let x: Vec<f32> = rows.collect();
            let weights = case.weights();
            let (y, _) = shape.forward(Isa::detect(), batch, &x, &weights, state, true);
            y.chunks_exact(to - from).map(<[f32]>::to_vec).collect()
        };
        let (mut whole, mut pieces) = (case.state.clone(), case.state.clone());
        let y = run(0, len, &mut whole);
        let first = run(0, cut, &mut pieces);
        let second = run(cut, len, &mut pieces);
        assert_eq!(whole, pieces);
        for ((y, first), second) in y.iter().zip(&first).zip(&second) {
            assert_eq!(y, &[first.as_slice(), second.as_slice()].concat());
        }
    }
}

/// The layer by its parts in double precision: the oracle's convolutions, φ and a sum.
#[test]
fn residual_layers_equal_their_parts_forward_and_backward() {
    for (batch, ins, outs, kernel_size, dilation, out_len) in [
        (1, 1, 1, 1, 1, 1),
        (2, 3, 5, 4, 7, 1000),
        (1, 16, 16, 5, 81, 700),
    ] {
        for curve in [Curve::Slopes, Curve::One(Activation::Tanh)] {
            let shape = ResidualLayer {
                in_channels: ins,
                out_channels: outs,
                kernel_size,
                dilation,
                curve,
            };
            let part = |kernel_size: usize| Conv1d {
                in_channels: ins,
                out_channels: outs,
                kernel_size,
                dilation,
                left: 0,
                right: 0,
            };
            let (conv, one) = (part(kernel_size), part(1));
            let len = out_len + shape.context();
            let mut rng = rng(41);
            let size = 1.0 / ((ins * kernel_size) as f32).sqrt();
            let x = noise(&mut rng, batch * ins * len, 1.0);
            let w = noise(&mut rng, conv.weights(), size);
            let s = noise(&mut rng, one.weights(), size);
            let [b, slopes] = [1.0, 0.5].map(|size| noise(&mut rng, outs, size));
            let dy = noise(&mut rng, batch * outs * out_len, 1.0);
            let slopes = if curve == Curve::Slopes {
                slopes
            } else {
                Vec::new()
            };
            let weights = [&w[..], &s, &b, &slopes].concat();
            let stack = ResidualStack::new(vec![shape]);
            // What the shortcut hears.
            let newest = |x: &[f64]| -> Vec<f64> {
                x.chunks(len)
                    .flat_map(|row| row[shape.context()..].to_vec())
                    .collect()
            };
            let [x64, w64, s64, b64, dy64] = [&x, &w, &s, &b, &dy].map(|v| double(v));
            let z = oracle::conv1d(&conv, batch, &x64, &w64, &b64);
            let channel = |at: usize| at / out_len % outs;
            let value = |at: usize, z: f64| match curve {
                Curve::Slopes if z <= 0.0 => z * f64::from(slopes[channel(at)]),
                Curve::Slopes => z,
                Curve::One(_) => z.tanh(),
            };
            let slope = |at: usize, z: f64| match curve {
                Curve::Slopes if z <= 0.0 => f64::from(slopes[channel(at)]),
                Curve::Slopes => 1.0,
                Curve::One(_) => 1.0 - z.tanh().powi(2),
            };
            let beside = oracle::conv1d(&one, batch, &newest(&x64), &s64, &vec![0.0; outs]);
            let y: Vec<f64> = (0..z.len())
                .map(|at| value(at, z[at]) + beside[at])
                .collect();
            let dz: Vec<f64> = (0..z.len()).map(|at| dy64[at] * slope(at, z[at])).collect();
            let (mut dx, dw, db) = oracle::conv1d_gradients(&conv, batch, &x64, &w64, &dz);
            let (dnewest, ds, _) =
                oracle::conv1d_gradients(&one, batch, &newest(&x64), &s64, &dy64);
            for (row, add) in dx.chunks_mut(len).zip(dnewest.chunks(out_len)) {
                for (to, of) in row[shape.context()..].iter_mut().zip(add) {
                    *to += of;
                }
            }
            let mut dslopes = vec![0.0; slopes.len()];
            for (at, z) in z.iter().enumerate().filter(|_| curve == Curve::Slopes) {
                dslopes[channel(at)] += dy64[at] * z.min(0.0);
            }
            for isa in Isa::available() {
                let what = format!("{shape:?} on {isa}");
                let mut got = vec![f32::NAN; y.len()];
                let kept = stack.forward(isa, batch, &x, &weights, &mut got, true);
                assert_outputs(&what, &got, &y);
                let mut unkept = vec![f32::NAN; y.len()];
                stack.forward(isa, batch, &x, &weights, &mut unkept, false);
                assert!(got == unkept, "{what}");
                let (got, list) = stack.backward(isa, batch, &x, &weights, &kept, &dy, true);
                assert_gradients(&what, &got.unwrap(), &dx);
                let mut rest = list.as_slice();
                for exact in [&dw, &ds, &db, &dslopes] {
                    let (own, others) = rest.split_at(exact.len());
                    assert_gradients(&what, own, exact);
                    rest = others;
                }
                assert!(rest.is_empty(), "{what}");
            }
        }
    }
}

/// Layers one behind another are bit for bit what each of them gives in turn, and an item is what it is
/// alone.
#[test]
fn a_stack_of_residual_layers_is_one_after_another() {
    let layer = |ins, outs, kernel_size, dilation, curve| ResidualLayer {
        in_channels: ins,
        out_channels: outs,
        kernel_size,
        dilation,
        curve,
    };
    let layers = [
        layer(2, 5, 3, 1, Curve::Slopes),
        layer(5, 16, 5, 30, Curve::One(Activation::Tanh)),
        layer(16, 3, 2, 7, Curve::Slopes),
    ];
    let (batch, out_len) = (3, 4111);
    let stack = ResidualStack::new(layers.to_vec());
    let alone = layers.map(|layer| ResidualStack::new(vec![layer]));
    let len = out_len + stack.context();
    let mut rng = rng(43);
    let x = noise(&mut rng, batch * 2 * len, 1.0);
    let dy = noise(&mut rng, batch * 3 * out_len, 1.0);
    let lists = alone
        .each_ref()
        .map(|one| noise(&mut rng, one.weights(), 0.3));
    let weights = lists.concat();
    for isa in Isa::available() {
        let mut y = vec![f32::NAN; batch * 3 * out_len];
        let kept = stack.forward(isa, batch, &x, &weights, &mut y, true);
        let mut unkept = vec![f32::NAN; y.len()];
        stack.forward(isa, batch, &x, &weights, &mut unkept, false);
        assert!(y == unkept, "{isa}");
        let (dx, dw) = stack.backward(isa, batch, &x, &weights, &kept, &dy, true);
        let mut heard = vec![x.clone()];
        let mut memory = Vec::new();
        for (one, weights) in alone.iter().zip(&lists) {
            let x = heard.last().unwrap();
            let rows = batch * one.channels().0;
            let len = x.len() / rows - one.context();
            let mut given = vec![f32::NAN; batch * one.channels().1 * len];
            memory.push(one.forward(isa, batch, x, weights, &mut given, true));
            heard.push(given);
        }
        assert!(heard.pop().unwrap() == y, "{isa}");
        let (mut above, mut gradients) = (dy.clone(), Vec::new());
        for (at, one) in alone.iter().enumerate().rev() {
            let (weights, kept) = (&lists[at], &memory[at]);
            let (dx, dw) = one.backward(isa, batch, &heard[at], weights, kept, &above, true);
            above = dx.unwrap().to_vec();
            gradients.splice(0..0, dw);
        }
        assert!(dx.unwrap()[..] == above, "{isa}");
        assert!(dw == gradients, "{isa}");
        let (none, same) = stack.backward(isa, batch, &x, &weights, &kept, &dy, false);
        assert!(none.is_none() && same == dw, "{isa}");
        let mut second = vec![f32::NAN; 3 * out_len];
        let of_x = 2 * len;
        stack.forward(isa, 1, &x[of_x..2 * of_x], &weights, &mut second, false);
        assert!(second == y[3 * out_len..6 * out_len], "{isa}");
    }
}

/// y, the gradients, and how much was kept of an item.
type Pass = (Vec<f32>, RecurrentGradients, usize);

/// Of a small batch every step's factors are kept, of a large one they are worked out again: the
/// same items give the same bits either way.
#[test]
fn what_is_kept_of_a_recurrent_batch_changes_no_bit() {
    let (hidden_size, len) = (3, 3600);
    for cell in [Cell::Lstm, Cell::Gru] {
        let shape = Recurrent {
            cell,
            input_size: 1,
            hidden_size,
        };
        let rows = shape.gates() * hidden_size;
        let mut rng = rng(31);
        let (input, hidden) = (noise(&mut rng, rows, 1.0), noise(&mut rng, 3 * rows, 0.5));
        let bias = noise(&mut rng, shape.biases(), 0.5);
        let weights = RecurrentSlices {
            input: &input,
            hidden: &hidden,
            bias: &bias,
        };
        let x = noise(&mut rng, 8 * len, 1.0);
        let dy = noise(&mut rng, 8 * len * hidden_size, 1.0);
        let run = |batch: usize, first: usize| {
            let x = &x[first * len..][..batch * len];
            let dy = &dy[first * len * hidden_size..][..batch * len * hidden_size];
            let mut state = shape.zero_state(batch);
            let isa = Isa::detect();
            let (y, kept) = shape.forward(isa, batch, x, &weights, &mut state, true);
            let got = shape.backward(isa, batch, x, &weights, &y, &kept, dy, true);
            (y, got, kept.len() / batch)
        };
        let (whole, halves) = (run(8, 0), [run(4, 0), run(4, 4)]);
        assert!(whole.2 < halves[0].2, "{cell:?}: both keep as much");
        let both =
            |of: &dyn Fn(&Pass) -> Vec<f32>| halves.iter().flat_map(of).collect::<Vec<f32>>();
        assert!(whole.0 == both(&|half| half.0.clone()), "{cell:?}: y");
        let dx = whole.1.x.clone().unwrap().to_vec();
        assert!(
            dx == both(&|half| half.1.x.clone().unwrap().to_vec()),
            "{cell:?}: dx"
        );
        let [one, two] = halves.each_ref().map(|half| &half.1.hidden);
        for ((one, two), whole) in one.iter().zip(two).zip(&whole.1.hidden) {
            assert!((one + two - whole).abs() <= 1e-6 * (one.abs() + two.abs()));
        }
    }
}

/// (shape, batch, length).
fn scans() -> [(Scan, usize, usize); 4] {
    let scan = |channels, states| Scan { channels, states };
    [
        (scan(1, 1), 1, 1),
        (scan(3, 5), 2, 70),
        (scan(8, 16), 5, 33),
        (scan(17, 4), 1, 64),
    ]
}

/// A scan's a, c (re, im each), d, x, and dy; states that decay over some tens of steps.
fn scan_values(shape: &Scan, batch: usize, len: usize, rng: &mut ChaCha8Rng) -> [Vec<f32>; 7] {
    let n = shape.channels * shape.states;
    let size = 1.0 / (shape.states as f32).sqrt();
    let sequences = batch * shape.channels;
    let (mut a_re, mut a_im) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let (radius, angle) = (
            rng.random_range(0.5..0.95f32),
            rng.random_range(-2.0..2.0f32),
        );
        a_re.push(radius * angle.cos());
        a_im.push(radius * angle.sin());
    }
    let [c_re, c_im] = [(); 2].map(|()| noise(rng, n, 0.3 * size));
    let d = noise(rng, shape.channels, 1.0);
    let [x, dy] = [(); 2].map(|()| noise(rng, sequences * len, 1.0));
    [a_re, a_im, c_re, c_im, d, x, dy]
}

fn scan_slices(values: &[Vec<f32>; 7]) -> ScanSlices<'_> {
    let [a_re, a_im, c_re, c_im, d, ..] = values;
    ScanSlices {
        a_re,
        a_im,
        c_re,
        c_im,
        d,
    }
}

/// The reference output of values in double precision, in the order of [`scan_values`].
fn exact_scan(
    shape: &Scan,
    batch: usize,
    values: &[Vec<f64>],
    state: &[(f64, f64)],
) -> (Vec<f64>, Vec<(f64, f64)>) {
    let pairs = |re: &[f64], im: &[f64]| re.iter().copied().zip(im.iter().copied()).collect();
    let weights = oracle::ScanWeights {
        a: pairs(&values[0], &values[1]),
        c: pairs(&values[2], &values[3]),
        d: values[4].clone(),
    };
    oracle::scan(shape, batch, &values[5], &weights, state)
}

#[test]
fn scan_equals_its_steps_and_hands_its_state_over() {
    for (number, (shape, batch, len)) in scans().into_iter().enumerate() {
        let mut rng = rng(800 + number as u64);
        let values = scan_values(&shape, batch, len, &mut rng);
        let weights = scan_slices(&values);
        let n = batch * shape.channels * shape.states;
        let state = PlainScanState {
            re: noise(&mut rng, n, 1.0),
            im: noise(&mut rng, n, 1.0),
        };
        let pairs: Vec<(f64, f64)> = double(&state.re)
            .into_iter()
            .zip(double(&state.im))
            .collect();
        let (y_exact, after) =
            exact_scan(&shape, batch, &values.each_ref().map(|v| double(v)), &pairs);
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?} batch {batch} length {len}");
            let (mut y, mut last) = (vec![f32::NAN; y_exact.len()], state.clone());
            shape.forward(isa, batch, &values[5], &weights, &mut last, &mut y, true);
            assert_outputs(&what, &y, &y_exact);
            let (re, im): (Vec<f64>, Vec<f64>) = after.iter().copied().unzip();
            assert_outputs(&what, &last.re, &re);
            assert_outputs(&what, &last.im, &im);
            let (mut again, mut same) = (vec![f32::NAN; y.len()], state.clone());
            shape.forward(
                isa, batch, &values[5], &weights, &mut same, &mut again, false,
            );
            assert!(
                again == y && same == last,
                "{what}: with and without keeping"
            );
        }
    }
}

#[test]
fn scan_gradients_agree_with_finite_differences() {
    const STEP: f64 = 1e-6;
    for (number, (shape, batch, len)) in scans().into_iter().enumerate() {
        let mut rng = rng(900 + number as u64);
        let values = scan_values(&shape, batch, len, &mut rng);
        let exact = values.each_ref().map(|values| double(values));
        let zero = vec![(0.0, 0.0); batch * shape.channels * shape.states];
        let slope = |tensor: usize, direction: &dyn Fn(usize) -> f64| {
            let side = |sign: f64| -> f64 {
                let mut moved = exact.clone();
                for (at, value) in moved[tensor].iter_mut().enumerate() {
                    *value += sign * STEP * direction(at);
                }
                let (y, _) = exact_scan(&shape, batch, &moved, &zero);
                y.iter().zip(&exact[6]).map(|(y, dy)| y * dy).sum()
            };
            (side(1.0) - side(-1.0)) / (2.0 * STEP)
        };
        for isa in Isa::available() {
            let what = format!("{isa} {shape:?} batch {batch} length {len}");
            let weights = scan_slices(&values);
            let (x, dy) = (&values[5], &values[6]);
            let mut y = vec![0.0; x.len()];
            let kept = shape.forward(
                isa,
                batch,
                x,
                &weights,
                &mut shape.zero_state(batch),
                &mut y,
                true,
            );
            let got = shape.backward(isa, batch, x, &weights, &kept, dy, true);
            assert!(
                shape
                    .backward(isa, batch, x, &weights, &kept, dy, false)
                    .x
                    .is_none()
            );
            let got = [
                got.a_re,
                got.a_im,
                got.c_re,
                got.c_im,
                got.d,
                got.x.unwrap_or_default().to_vec(),
            ];
            for (tensor, got) in got.iter().enumerate() {
                assert_eq!(got.len(), values[tensor].len(), "{what} tensor {tensor}");
                let largest = got.iter().fold(1e-3f64, |a, &b| a.max(f64::from(b).abs()));
                for at in [0, got.len() / 3, got.len() * 2 / 3, got.len() - 1] {
                    let exact = slope(tensor, &|here| f64::from(u8::from(here == at)));
                    let error = (f64::from(got[at]) - exact).abs();
                    assert!(
                        error <= GRADIENT * largest,
                        "{what} tensor {tensor} [{at}]: {} for {exact}",
                        got[at]
                    );
                }
                let direction = double(&noise(&mut rng, got.len(), 1.0));
                let along: f64 = got
                    .iter()
                    .zip(&direction)
                    .map(|(&g, d)| f64::from(g) * d)
                    .sum();
                let exact = slope(tensor, &|at| direction[at]);
                // Errors of the entries add like a random walk.
                let bound = GRADIENT * largest * (got.len() as f64).sqrt();
                assert!(
                    (along - exact).abs() <= bound,
                    "{what} tensor {tensor}: {along} for {exact}"
                );
            }
        }
    }
}

/// (layer, batch, length): one of everything, more channels than lanes, several items to a task and
/// one left over, several stretches of time and a short last one.
fn state_spaces() -> [(StateSpaceLayer, usize, usize); 5] {
    let layer = |channels, states, activation| StateSpaceLayer {
        scan: Scan { channels, states },
        activation,
    };
    [
        (layer(1, 1, Activation::Identity), 1, 1),
        (layer(3, 5, Activation::Sigmoid), 2, 70),
        (layer(24, 3, Activation::Tanh), 2, 33),
        (layer(8, 4, Activation::Tanh), 3, 481),
        (layer(16, 4, Activation::Tanh), 2, 1_000),
    ]
}

/// A layer's a, c (re, im each), d, x, dy, W and b.
fn state_space_values(
    layer: &StateSpaceLayer,
    batch: usize,
    len: usize,
    rng: &mut ChaCha8Rng,
) -> [Vec<f32>; 9] {
    let channels = layer.scan.channels;
    let [a_re, a_im, c_re, c_im, d, x, dy] = scan_values(&layer.scan, batch, len, rng);
    let mix = noise(rng, channels * channels, 1.0 / (channels as f32).sqrt());
    let bias = noise(rng, channels, 0.5);
    [a_re, a_im, c_re, c_im, d, x, dy, mix, bias]
}

fn state_space_slices(values: &[Vec<f32>; 9]) -> StateSpaceSlices<'_> {
    let [a_re, a_im, c_re, c_im, d, _, _, mix, bias] = values;
    StateSpaceSlices {
        scan: ScanSlices {
            a_re,
            a_im,
            c_re,
            c_im,
            d,
        },
        mix,
        bias,
    }
}

/// The reference output of values in double precision, in the order of [`state_space_values`].
fn exact_state_space(
    layer: &StateSpaceLayer,
    batch: usize,
    values: &[Vec<f64>],
    state: &[(f64, f64)],
) -> (Vec<f64>, Vec<(f64, f64)>) {
    let pairs = |re: &[f64], im: &[f64]| re.iter().copied().zip(im.iter().copied()).collect();
    let filters = oracle::ScanWeights {
        a: pairs(&values[0], &values[1]),
        c: pairs(&values[2], &values[3]),
        d: values[4].clone(),
    };
    let weights = (&filters, &values[7][..], &values[8][..]);
    oracle::state_space(layer, batch, &values[5], weights, state)
}

#[test]
fn state_space_layers_equal_their_formula_and_hand_their_state_over() {
    for (number, (layer, batch, len)) in state_spaces().into_iter().enumerate() {
        let mut rng = rng(1000 + number as u64);
        let values = state_space_values(&layer, batch, len, &mut rng);
        let weights = state_space_slices(&values);
        let n = batch * layer.scan.channels * layer.scan.states;
        let state = PlainScanState {
            re: noise(&mut rng, n, 1.0),
            im: noise(&mut rng, n, 1.0),
        };
        let pairs = double(&state.re).into_iter().zip(double(&state.im));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        let exact = values.each_ref().map(|values| double(values));
        let (y_exact, after) = exact_state_space(&layer, batch, &exact, &pairs);
        let (re, im): (Vec<f64>, Vec<f64>) = after.iter().copied().unzip();
        for isa in Isa::available() {
            let what = format!("{isa} {layer:?} batch {batch} length {len}");
            let forward = |keep| {
                let (mut y, mut last) = (vec![f32::NAN; y_exact.len()], state.clone());
                layer.forward(isa, batch, &values[5], &weights, &mut last, &mut y, keep);
                (y, last)
            };
            let (y, last) = forward(true);
            assert_outputs(&what, &y, &y_exact);
            assert_outputs(&what, &last.re, &re);
            assert_outputs(&what, &last.im, &im);
            assert!(
                forward(false) == (y, last),
                "{what}: with and without keeping"
            );
        }
    }
}

#[test]
fn state_space_gradients_agree_with_finite_differences() {
    const STEP: f64 = 1e-6;
    for (number, (layer, batch, len)) in state_spaces().into_iter().enumerate() {
        let mut rng = rng(1100 + number as u64);
        let values = state_space_values(&layer, batch, len, &mut rng);
        let exact = values.each_ref().map(|values| double(values));
        let zero = vec![(0.0, 0.0); batch * layer.scan.channels * layer.scan.states];
        let slope = |tensor: usize, direction: &dyn Fn(usize) -> f64| {
            let side = |sign: f64| -> f64 {
                let mut moved = exact.clone();
                for (at, value) in moved[tensor].iter_mut().enumerate() {
                    *value += sign * STEP * direction(at);
                }
                let (y, _) = exact_state_space(&layer, batch, &moved, &zero);
                y.iter().zip(&exact[6]).map(|(y, dy)| y * dy).sum()
            };
            (side(1.0) - side(-1.0)) / (2.0 * STEP)
        };
        // The same entries and directions for every instruction set.
        let wanted: Vec<_> = [0, 1, 2, 3, 4, 5, 7, 8]
            .map(|tensor| {
                let count = exact[tensor].len();
                let entries = [0, count / 3, count * 2 / 3, count - 1];
                let entries =
                    entries.map(|at| (at, slope(tensor, &|o| f64::from(u8::from(o == at)))));
                let direction = double(&noise(&mut rng, count, 1.0));
                let along = slope(tensor, &|at| direction[at]);
                (tensor, entries, direction, along)
            })
            .into();
        for isa in Isa::available() {
            let what = format!("{isa} {layer:?} batch {batch} length {len}");
            let weights = state_space_slices(&values);
            let (x, dy) = (&values[5], &values[6]);
            let (mut y, mut state) = (vec![0.0; x.len()], layer.scan.zero_state(batch));
            let kept = layer.forward(isa, batch, x, &weights, &mut state, &mut y, true);
            let backward = |want_x| layer.backward(isa, batch, x, &weights, &kept, dy, want_x);
            assert!(backward(false).scan.x.is_none());
            let got = backward(true);
            let (scan, dx) = (got.scan, |x: Option<Buffer>| x.unwrap_or_default().to_vec());
            let got = [
                scan.a_re,
                scan.a_im,
                scan.c_re,
                scan.c_im,
                scan.d,
                dx(scan.x),
                got.mix,
                got.bias,
            ];
            for (got, (tensor, entries, direction, exact)) in got.iter().zip(&wanted) {
                assert_eq!(got.len(), direction.len(), "{what} tensor {tensor}");
                let largest = got.iter().fold(1e-3f64, |a, &b| a.max(f64::from(b).abs()));
                for &(at, exact) in entries {
                    let error = (f64::from(got[at]) - exact).abs();
                    assert!(
                        error <= GRADIENT * largest,
                        "{what} tensor {tensor} [{at}]: {} for {exact}",
                        got[at]
                    );
                }
                let products = got.iter().zip(direction).map(|(&g, d)| f64::from(g) * d);
                let along: f64 = products.sum();
                // Errors of the entries add like a random walk.
                let bound = GRADIENT * largest * (got.len() as f64).sqrt();
                assert!(
                    (along - exact).abs() <= bound,
                    "{what} tensor {tensor}: {along} for {exact}"
                );
            }
        }
    }
}
