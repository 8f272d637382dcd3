//! The operators written out as their sums.

use effigy::kernels::activation::Activation;
use effigy::kernels::convolution::Conv1d;
use effigy::kernels::encoder_decoder::{EncoderDecoder, Middle};
use effigy::kernels::recurrent::{Cell, Recurrent};
use effigy::kernels::scan::Scan;
use effigy::kernels::state_space::StateSpaceLayer;
use effigy::kernels::wavenet::WaveNet;

/// The convolution `[batch, out_channels, output_len]`; see [`Conv1d`] for the formula.
pub fn conv1d(shape: &Conv1d, batch: usize, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let len = x.len() / (batch * shape.in_channels);
    let out_len = shape.output_len(len);
    let mut y = Vec::with_capacity(batch * shape.out_channels * out_len);
    for item in 0..batch {
        for o in 0..shape.out_channels {
            for t in 0..out_len {
                let mut sum = bias[o];
                for i in 0..shape.in_channels {
                    for k in 0..shape.kernel_size {
                        let at = (t + k * shape.dilation) as isize - shape.left as isize;
                        if (0..len as isize).contains(&at) {
                            let w = weight[(o * shape.in_channels + i) * shape.kernel_size + k];
                            sum += w * x[(item * shape.in_channels + i) * len + at as usize];
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

/// Its gradients (dx, dw, db) for dy: each term of the sum above, read the other way.
pub fn conv1d_gradients(
    shape: &Conv1d,
    batch: usize,
    x: &[f64],
    weight: &[f64],
    dy: &[f64],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let len = x.len() / (batch * shape.in_channels);
    let out_len = shape.output_len(len);
    let mut dx = vec![0.0; x.len()];
    let mut dw = vec![0.0; weight.len()];
    let mut db = vec![0.0; shape.out_channels];
    for item in 0..batch {
        for o in 0..shape.out_channels {
            for t in 0..out_len {
                let dy = dy[(item * shape.out_channels + o) * out_len + t];
                db[o] += dy;
                for i in 0..shape.in_channels {
                    for k in 0..shape.kernel_size {
                        let at = (t + k * shape.dilation) as isize - shape.left as isize;
                        if (0..len as isize).contains(&at) {
                            let w = (o * shape.in_channels + i) * shape.kernel_size + k;
                            let x_at = (item * shape.in_channels + i) * len + at as usize;
                            dx[x_at] += weight[w] * dy;
                            dw[w] += x[x_at] * dy;
                        }
                    }
                }
            }
        }
    }
    (dx, dw, db)
}

/// The weights of an [`EncoderDecoder`] in double precision; see
/// [`FilterSlices`](effigy::kernels::encoder_decoder::FilterSlices). Their gradients have the same shape.
#[derive(Debug, Clone, Default)]
pub struct EncoderDecoderWeights {
    /// `[channels, encoder_kernel_size]`.
    pub encoder: Vec<f64>,
    /// `[channels]`.
    pub encoder_bias: Vec<f64>,
    /// `[channels]`.
    pub scale: Vec<f64>,
    /// `[channels]`.
    pub shift: Vec<f64>,
    /// `[channels, decoder_kernel_size]`.
    pub decoder: Vec<f64>,
    /// One number.
    pub decoder_bias: f64,
}

/// The two convolutions of an [`EncoderDecoder`]: the encoder, and the one whose input gradient
/// the decoder is.
fn two_convolutions(shape: &EncoderDecoder) -> (Conv1d, Conv1d) {
    let conv = |kernel_size, left, right| Conv1d {
        in_channels: 1,
        out_channels: shape.channels,
        kernel_size,
        dilation: 1,
        left,
        right,
    };
    (
        conv(shape.encoder_kernel_size, shape.left, shape.right),
        conv(shape.decoder_kernel_size, shape.crop_left, shape.crop_right),
    )
}

/// The hidden signals (convolution, relu of it, middle stage) of an [`EncoderDecoder`].
fn hidden(
    shape: &EncoderDecoder,
    batch: usize,
    x: &[f64],
    w: &EncoderDecoderWeights,
) -> [Vec<f64>; 3] {
    let pre = conv1d(
        &two_convolutions(shape).0,
        batch,
        x,
        &w.encoder,
        &w.encoder_bias,
    );
    let r: Vec<f64> = pre.iter().map(|pre| pre.max(0.0)).collect();
    let hidden_len = shape.hidden_len(x.len() / batch);
    let h = r
        .iter()
        .enumerate()
        .map(|(at, r)| {
            let c = at / hidden_len % shape.channels;
            match shape.middle {
                Middle::Plain => *r,
                Middle::ScaleShift => w.scale[c] * r + w.shift[c],
                Middle::ScaleShiftRelu => (w.scale[c] * r + w.shift[c]).max(0.0),
            }
        })
        .collect();
    [pre, r, h]
}

/// The output `[batch, 1, output_len]` of an [`EncoderDecoder`].
pub fn encoder_decoder(
    shape: &EncoderDecoder,
    batch: usize,
    x: &[f64],
    w: &EncoderDecoderWeights,
) -> Vec<f64> {
    let [_, _, h] = hidden(shape, batch, x, w);
    let out_len = shape.output_len(x.len() / batch);
    // The decoder is the gradient of a convolution with respect to its input.
    let zeros = vec![0.0; batch * out_len];
    let (y, ..) = conv1d_gradients(&two_convolutions(shape).1, batch, &zeros, &w.decoder, &h);
    y.into_iter().map(|y| y + w.decoder_bias).collect()
}

/// The gradients of x and of the weights of an [`EncoderDecoder`] for dy.
pub fn encoder_decoder_gradients(
    shape: &EncoderDecoder,
    batch: usize,
    x: &[f64],
    w: &EncoderDecoderWeights,
    dy: &[f64],
) -> (Vec<f64>, EncoderDecoderWeights) {
    let [pre, r, h] = hidden(shape, batch, x, w);
    let (encoder_conv, decoder_conv) = two_convolutions(shape);
    let hidden_len = shape.hidden_len(x.len() / batch);
    let no_bias = vec![0.0; shape.channels];
    let dh = conv1d(&decoder_conv, batch, dy, &w.decoder, &no_bias);
    let (_, decoder, _) = conv1d_gradients(&decoder_conv, batch, dy, &w.decoder, &h);
    let mut scale = no_bias.clone();
    let mut shift = no_bias;
    let mut dpre = vec![0.0; pre.len()];
    for at in 0..pre.len() {
        let c = at / hidden_len % shape.channels;
        let (dq, slope) = match shape.middle {
            Middle::Plain => (dh[at], 1.0),
            Middle::ScaleShift => (dh[at], w.scale[c]),
            Middle::ScaleShiftRelu if h[at] > 0.0 => (dh[at], w.scale[c]),
            Middle::ScaleShiftRelu => (0.0, w.scale[c]),
        };
        if shape.middle != Middle::Plain {
            scale[c] += dq * r[at];
            shift[c] += dq;
        }
        if pre[at] > 0.0 {
            dpre[at] = dq * slope;
        }
    }
    let (dx, encoder, encoder_bias) = conv1d_gradients(&encoder_conv, batch, x, &w.encoder, &dpre);
    let gradients = EncoderDecoderWeights {
        encoder,
        encoder_bias,
        scale,
        shift,
        decoder,
        decoder_bias: dy.iter().sum(),
    };
    (dx, gradients)
}

/// A "valid" convolution.
fn valid(in_channels: usize, out_channels: usize, kernel_size: usize, dilation: usize) -> Conv1d {
    Conv1d {
        in_channels,
        out_channels,
        kernel_size,
        dilation,
        left: 0,
        right: 0,
    }
}

/// The last `len` samples of every row of `rows` rows.
fn tail(x: &[f64], rows: usize, len: usize) -> Vec<f64> {
    let all = x.len() / rows;
    x.chunks_exact(all)
        .flat_map(|row| row[all - len..].to_vec())
        .collect()
}

/// Adds `x` to the last samples of every row of `to`.
fn add_to_tail(to: &mut [f64], x: &[f64], rows: usize) {
    let (all, len) = (to.len() / rows, x.len() / rows);
    for (to, x) in to.chunks_exact_mut(all).zip(x.chunks_exact(len)) {
        for (to, x) in to[all - len..].iter_mut().zip(x) {
            *to += x;
        }
    }
}

/// Everything a [`WaveNet`] computes on its way.
struct WaveNetTrace {
    /// Per array and layer: the layer's input, z, and what enters the 1×1 and the head.
    layers: Vec<Vec<[Vec<f64>; 3]>>,
    /// Per array: its input and the sum of its activations.
    arrays: Vec<[Vec<f64>; 2]>,
    y: Vec<f64>,
}

/// The halves of z of one item after the other: (activation, gate), gate 1 where there is none.
fn gated(activation: Activation, gated: bool, z: &[f64], batch: usize) -> Vec<(f64, f64)> {
    if !gated {
        return z.iter().map(|&z| (activation.value(z), 1.0)).collect();
    }
    let item = z.len() / batch;
    z.chunks_exact(item)
        .flat_map(|z| {
            let (signal, gate) = z.split_at(item / 2);
            signal
                .iter()
                .zip(gate)
                .map(|(&z, &gate)| (activation.value(z), Activation::Sigmoid.value(gate)))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn wavenet_trace(net: &WaveNet, batch: usize, x: &[f64], weights: &[f64]) -> WaveNetTrace {
    let (offsets, _) = net.offsets();
    let mut input = x.to_vec();
    let mut head: Option<Vec<f64>> = None;
    let (mut layers, mut arrays) = (Vec::new(), Vec::new());
    let mut need: usize = net
        .arrays
        .iter()
        .map(|array| array.head_kernel_size - 1)
        .sum();
    need += net.output_len(x.len() / (batch * net.in_channels));
    for (array, at) in net.arrays.iter().zip(&offsets) {
        let c = array.channels;
        let none = vec![0.0; 2 * c];
        let rechannel = valid(at.in_channels, c, 1, 1);
        let mut now = conv1d(
            &rechannel,
            batch,
            &input,
            &weights[at.rechannel..][..rechannel.weights()],
            &none,
        );
        let mut sum = head.unwrap_or_else(|| vec![0.0; batch * c * need]);
        let mut traces = Vec::new();
        for (layer, at) in array.layers.iter().zip(&at.layers) {
            let conv = valid(c, at.width, layer.kernel_size, layer.dilation);
            let w = &weights[at.conv..][..conv.weights()];
            let mut z = conv1d(&conv, batch, &now, w, &weights[at.bias..][..at.width]);
            let len = z.len() / (batch * at.width);
            let mix = valid(net.in_channels, at.width, 1, 1);
            let condition = tail(x, batch * net.in_channels, len);
            let mixed = conv1d(
                &mix,
                batch,
                &condition,
                &weights[at.mixer..][..mix.weights()],
                &none,
            );
            z.iter_mut().zip(&mixed).for_each(|(z, mixed)| *z += mixed);
            let a: Vec<f64> = gated(layer.activation, layer.gated, &z, batch)
                .into_iter()
                .map(|(a, gate)| a * gate)
                .collect();
            add_to_tail(&mut sum, &tail(&a, batch * c, need), batch * c);
            let one = valid(c, c, 1, 1);
            let bias = &weights[at.one_by_one_bias..][..c];
            let mut next = conv1d(&one, batch, &a, &weights[at.one_by_one..][..c * c], bias);
            add_to_tail(&mut next, &tail(&now, batch * c, len), batch * c);
            traces.push([now, z, a]);
            now = next;
        }
        let conv = valid(c, array.head_channels, array.head_kernel_size, 1);
        let bias = match at.head_bias {
            Some(bias) => weights[bias..][..array.head_channels].to_vec(),
            None => vec![0.0; array.head_channels],
        };
        head = Some(conv1d(
            &conv,
            batch,
            &sum,
            &weights[at.head..][..conv.weights()],
            &bias,
        ));
        need -= array.head_kernel_size - 1;
        arrays.push([std::mem::replace(&mut input, now), sum]);
        layers.push(traces);
    }
    let scale = f64::from(net.head_scale);
    let y = head.unwrap_or_default().iter().map(|y| scale * y).collect();
    WaveNetTrace { layers, arrays, y }
}

/// The output of a [`WaveNet`].
pub fn wavenet(net: &WaveNet, batch: usize, x: &[f64], weights: &[f64]) -> Vec<f64> {
    wavenet_trace(net, batch, x, weights).y
}

/// The gradients of x and of the weights of a [`WaveNet`] for dy.
pub fn wavenet_gradients(
    net: &WaveNet,
    batch: usize,
    x: &[f64],
    weights: &[f64],
    dy: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let (offsets, count) = net.offsets();
    let trace = wavenet_trace(net, batch, x, weights);
    let mut dw = vec![0.0; count];
    let mut dx = vec![0.0; x.len()];
    let mut dhead: Vec<f64> = dy.iter().map(|dy| f64::from(net.head_scale) * dy).collect();
    // The last array's output is read by nobody.
    let mut dnow: Option<Vec<f64>> = None;
    for (index, (array, at)) in net.arrays.iter().zip(&offsets).enumerate().rev() {
        let c = array.channels;
        let [input, sum] = &trace.arrays[index];
        let conv = valid(c, array.head_channels, array.head_kernel_size, 1);
        let w = &weights[at.head..][..conv.weights()];
        let (dsum, dhead_w, dhead_b) = conv1d_gradients(&conv, batch, sum, w, &dhead);
        dw[at.head..][..conv.weights()].copy_from_slice(&dhead_w);
        if let Some(bias) = at.head_bias {
            dw[bias..][..array.head_channels].copy_from_slice(&dhead_b);
        }
        for (n, (layer, at)) in array.layers.iter().zip(&at.layers).enumerate().rev() {
            let [now, z, a] = &trace.layers[index][n];
            let len = a.len() / (batch * c);
            let dnext = dnow.take().unwrap_or_else(|| vec![0.0; a.len()]);
            let one = valid(c, c, 1, 1);
            let w = &weights[at.one_by_one..][..c * c];
            let (mut da, done, done_b) = conv1d_gradients(&one, batch, a, w, &dnext);
            dw[at.one_by_one..][..c * c].copy_from_slice(&done);
            dw[at.one_by_one_bias..][..c].copy_from_slice(&done_b);
            add_to_tail(&mut da, &dsum, batch * c);
            let parts = gated(layer.activation, layer.gated, z, batch);
            let mut dz = vec![0.0; z.len()];
            for (item, parts) in parts.chunks_exact(c * len).enumerate() {
                for (at_z, (value, gate)) in parts.iter().enumerate() {
                    let da = da[item * c * len + at_z];
                    let start = item * at.width * len;
                    dz[start + at_z] = da * gate * layer.activation.slope_at(*value).unwrap();
                    if layer.gated {
                        dz[start + c * len + at_z] = da * value * gate * (1.0 - gate);
                    }
                }
            }
            let mix = valid(net.in_channels, at.width, 1, 1);
            let condition = tail(x, batch * net.in_channels, len);
            let w = &weights[at.mixer..][..mix.weights()];
            let (dcondition, dmix, _) = conv1d_gradients(&mix, batch, &condition, w, &dz);
            dw[at.mixer..][..mix.weights()].copy_from_slice(&dmix);
            add_to_tail(&mut dx, &dcondition, batch * net.in_channels);
            let conv = valid(c, at.width, layer.kernel_size, layer.dilation);
            let w = &weights[at.conv..][..conv.weights()];
            let (mut dinput, dconv, dconv_b) = conv1d_gradients(&conv, batch, now, w, &dz);
            dw[at.conv..][..conv.weights()].copy_from_slice(&dconv);
            dw[at.bias..][..at.width].copy_from_slice(&dconv_b);
            add_to_tail(&mut dinput, &dnext, batch * c);
            dnow = Some(dinput);
        }
        let rechannel = valid(at.in_channels, c, 1, 1);
        let w = &weights[at.rechannel..][..rechannel.weights()];
        let dfirst = dnow.take().unwrap_or_default();
        let (dinput, drechannel, _) = conv1d_gradients(&rechannel, batch, input, w, &dfirst);
        dw[at.rechannel..][..rechannel.weights()].copy_from_slice(&drechannel);
        if index == 0 {
            add_to_tail(&mut dx, &dinput, batch * net.in_channels);
        }
        dnow = Some(dinput);
        dhead = dsum;
    }
    (dx, dw)
}

/// The weights of a [`Recurrent`] layer in double precision; see
/// [`RecurrentSlices`](effigy::kernels::recurrent::RecurrentSlices). Their gradients have the same shape.
#[derive(Debug, Clone, Default)]
pub struct RecurrentWeights {
    /// W.
    pub input: Vec<f64>,
    /// U.
    pub hidden: Vec<f64>,
    /// The biases.
    pub bias: Vec<f64>,
}

/// A [`Recurrent`] layer's h at every step `[batch, hidden_size, len]` and its last h and c,
/// from the h and c given.
pub fn recurrent(
    shape: &Recurrent,
    batch: usize,
    x: &[f64],
    w: &RecurrentWeights,
    (h, c): (&[f64], &[f64]),
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (ins, units) = (shape.input_size, shape.hidden_size);
    let gates = shape.gates() * units;
    let len = x.len() / (batch * ins);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut y = vec![0.0; batch * units * len];
    let (mut last_h, mut last_c) = (h.to_vec(), c.to_vec());
    for item in 0..batch {
        let h = &mut last_h[item * units..][..units];
        for t in 0..len {
            let of_x = |gate: usize| -> f64 {
                let sum = (0..ins).map(|i| w.input[gate * ins + i] * x[(item * ins + i) * len + t]);
                w.bias[gate] + sum.sum::<f64>()
            };
            let before = h.to_vec();
            let of_h = |gate: usize| -> f64 {
                (0..units)
                    .map(|u| w.hidden[gate * units + u] * before[u])
                    .sum()
            };
            for u in 0..units {
                match shape.cell {
                    Cell::Lstm => {
                        let gate = |at: usize| of_x(at * units + u) + of_h(at * units + u);
                        let c = &mut last_c[item * units + u];
                        *c = sigmoid(gate(1)) * *c + sigmoid(gate(0)) * gate(2).tanh();
                        h[u] = sigmoid(gate(3)) * c.tanh();
                    }
                    Cell::Gru => {
                        let with_bias = |gate: usize| of_h(gate) + w.bias[gates + gate];
                        let r = sigmoid(of_x(u) + with_bias(u));
                        let z = sigmoid(of_x(units + u) + with_bias(units + u));
                        let n = (of_x(2 * units + u) + r * with_bias(2 * units + u)).tanh();
                        h[u] = (1.0 - z) * n + z * before[u];
                    }
                }
                y[(item * units + u) * len + t] = h[u];
            }
        }
    }
    (y, last_h, last_c)
}

/// The weights of a [`Scan`] in double precision: a and c as (re, im), and d; see
/// [`ScanSlices`](effigy::kernels::scan::ScanSlices).
#[derive(Debug, Clone, Default)]
pub struct ScanWeights {
    /// a `[channels, states]`.
    pub a: Vec<(f64, f64)>,
    /// c `[channels, states]`.
    pub c: Vec<(f64, f64)>,
    /// d `[channels]`.
    pub d: Vec<f64>,
}

/// The output of a [`Scan`] and its last states, from the states given.
pub fn scan(
    shape: &Scan,
    batch: usize,
    x: &[f64],
    w: &ScanWeights,
    state: &[(f64, f64)],
) -> (Vec<f64>, Vec<(f64, f64)>) {
    let len = x.len() / (batch * shape.channels);
    let mut state = state.to_vec();
    let mut y = Vec::with_capacity(x.len());
    for (sequence, x) in x.chunks_exact(len).enumerate() {
        let channel = sequence % shape.channels;
        for &x in x {
            let mut sum = w.d[channel] * x;
            for n in 0..shape.states {
                let (a, c) = (
                    w.a[channel * shape.states + n],
                    w.c[channel * shape.states + n],
                );
                let s = &mut state[sequence * shape.states + n];
                *s = (a.0 * s.0 - a.1 * s.1 + x, a.0 * s.1 + a.1 * s.0);
                sum += c.0 * s.0 - c.1 * s.1;
            }
            y.push(sum);
        }
    }
    (y, state)
}

/// The output of a [`StateSpaceLayer`] with W `[out, in]` and b, and its filters' last states.
pub fn state_space(
    layer: &StateSpaceLayer,
    batch: usize,
    x: &[f64],
    (filters, mix, bias): (&ScanWeights, &[f64], &[f64]),
    state: &[(f64, f64)],
) -> (Vec<f64>, Vec<(f64, f64)>) {
    let channels = layer.scan.channels;
    let len = x.len() / (batch * channels);
    let (filtered, state) = scan(&layer.scan, batch, x, filters, state);
    let mut y = x.to_vec();
    for (at, y) in y.iter_mut().enumerate() {
        let (item, o, t) = (at / len / channels, at / len % channels, at % len);
        let heard = |i: usize| mix[o * channels + i] * filtered[(item * channels + i) * len + t];
        let z = bias[o] + (0..channels).map(heard).sum::<f64>();
        *y += layer.activation.value(z);
    }
    (y, state)
}
