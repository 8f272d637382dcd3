//! The operators written out as their sums, in double precision: what the fast forms are tested
//! against. Slow, obvious, and used by nothing else.

use super::conv::Conv1d;
use super::encoder_decoder::{EncoderDecoder, Middle};

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
/// [`Weights`](super::encoder_decoder::Weights). Their gradients have the same shape.
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
