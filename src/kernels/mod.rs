//! Fused operators that carry the load of training, behind one face for every backend.
//!
//! On flex and ndarray tensors of f32 the functions below run hand-written vector code with
//! hand-written gradients; on every other backend they are the same composition of burn's
//! operators that [`composed`] keeps as their oracle. The slice forms ([`conv`],
//! [`encoder_decoder`](mod@encoder_decoder), [`wavenet`](mod@wavenet),
//! [`recurrent`](mod@recurrent), [`scan`](mod@scan)) know nothing of tensors.
//!
//! Results are the same bit for bit from run to run on one machine, whatever the threads.

pub mod activation;
pub mod buffers;
mod cells;
mod columns;
pub mod composed;
pub mod conv;
mod convolutions;
pub mod encoder_decoder;
mod operator;
mod pages;
mod pointwise;
pub mod recurrent;
mod recurrent_operator;
pub mod reference;
mod rows;
pub mod scan;
mod scan_operator;
mod scratch;
mod spread;
mod turn;
pub mod wavenet;
mod wavenet_operator;

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::DispatchTensor;
use burn::tensor::{Device, Tensor, TensorData};

use activation::Activation;
use conv::Conv1d;
use convolutions::{Conv1dOperator, ConvTranspose1dOperator, EncoderDecoderOperator};
use encoder_decoder::{EncoderDecoder, Middle};
use operator::{on_host, run};
use pointwise::{ActivateOperator, PReluOperator};
use recurrent::{Cell, Recurrent, State};
use recurrent_operator::RecurrentOperator;
use scan::Scan;
use scan_operator::ScanOperator;
use wavenet::WaveNet;
use wavenet_operator::WaveNetOperator;

/// Convolution, stride 1: x `[batch, in, time]`, weight `[out, in, kernel]` (tap 0 the oldest),
/// bias `[out]`; `padding` zeros before and after x. Gives `[batch, out, time + left + right −
/// (kernel − 1)·dilation]`; `[(kernel − 1)·dilation, 0]` is causal, `[0, 0]` "valid".
///
/// # Panics
/// Channels do not match, or the filter is longer than the padded input.
pub fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    padding: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    let [_, in_channels, len] = x.dims();
    let [out_channels, weight_channels, kernel_size] = weight.dims();
    let shape = Conv1d {
        in_channels,
        out_channels,
        kernel_size,
        dilation,
        left: padding[0],
        right: padding[1],
    };
    assert_eq!(
        weight_channels, in_channels,
        "conv1d: the weight has {weight_channels} input channels, x has {in_channels}"
    );
    assert!(
        shape.output_len(len) > 0,
        "conv1d: {kernel_size} taps of dilation {dilation} do not fit {len} samples with padding {padding:?}"
    );
    if !on_host(&x) {
        return composed::conv1d(x, weight, bias, padding, dilation);
    }
    run(Conv1dOperator(shape), inputs([x, weight], [bias]))
}

/// Transposed convolution, stride 1: x `[batch, in, time]`, weight `[in, out, kernel]`, bias
/// `[out]`: x[t] is added to y[t + k·dilation] with the weight of tap k, then `crop` samples are
/// dropped at start and end. Gives `[batch, out, time + (kernel − 1)·dilation − crop]`;
/// `[0, (kernel − 1)·dilation]` is causal.
///
/// # Panics
/// Channels do not match, or nothing is left of the output.
pub fn conv_transpose1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    crop: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    let [_, in_channels, len] = x.dims();
    let [weight_channels, out_channels, kernel_size] = weight.dims();
    let operator = ConvTranspose1dOperator(Conv1d {
        in_channels: out_channels,
        out_channels: in_channels,
        kernel_size,
        dilation,
        left: crop[0],
        right: crop[1],
    });
    assert_eq!(
        weight_channels, in_channels,
        "conv_transpose1d: the weight has {weight_channels} input channels, x has {in_channels}"
    );
    assert!(
        operator.output_len(len) > 0,
        "conv_transpose1d: crop {crop:?} leaves nothing of {len} samples and {kernel_size} taps"
    );
    if !on_host(&x) {
        return composed::conv_transpose1d(x, weight, bias, crop, dilation);
    }
    run(operator, inputs([x, weight], [bias]))
}

/// An activation of every sample of x `[batch, channels, time]`.
pub fn activate(x: Tensor<3>, activation: Activation) -> Tensor<3> {
    if activation == Activation::Identity {
        return x;
    }
    if !on_host(&x) {
        return composed::activate(x, activation);
    }
    run(ActivateOperator(activation), vec![x.into_dispatch()])
}

/// x `[batch, channels, time]` where it is positive, else times its channel's slope `[channels]`.
///
/// # Panics
/// There are not as many slopes as channels.
pub fn p_relu(x: Tensor<3>, slopes: Tensor<1>) -> Tensor<3> {
    assert_eq!(
        x.dims()[1],
        slopes.dims()[0],
        "p_relu: one slope per channel"
    );
    if !on_host(&x) {
        return composed::p_relu(x, slopes);
    }
    let inputs = vec![x.into_dispatch(), slopes.into_dispatch()];
    run(PReluOperator, inputs)
}

/// The weights of an [`encoder_decoder()`].
#[derive(Debug, Clone)]
pub struct Filters {
    /// `[channels, 1, kernel]`, correlated with the input.
    pub encoder: Tensor<3>,
    /// `[channels]`.
    pub encoder_bias: Option<Tensor<1>>,
    /// The stage between the rectified channels and the way back.
    pub middle: Option<ScaleShift>,
    /// `[channels, 1, kernel]`, added up at the output; tied filters pass the encoder's again.
    pub decoder: Tensor<3>,
    /// `[1]`.
    pub decoder_bias: Option<Tensor<1>>,
}

/// `scale · x + shift` per channel.
#[derive(Debug, Clone)]
pub struct ScaleShift {
    /// `[channels]`.
    pub scale: Tensor<1>,
    /// `[channels]`.
    pub shift: Tensor<1>,
    /// Whether a ReLU follows.
    pub rectified: bool,
}

/// Convolution 1 → channels, ReLU, the middle stage, transposed convolution channels → 1, on x
/// `[batch, 1, time]`, in one pass that never holds the channels of more than a block of time.
/// `padding` as in [`conv1d`], `crop` as in [`conv_transpose1d`].
///
/// # Panics
/// x has more than one channel, the filters' channels differ, or nothing is left of the output.
pub fn encoder_decoder(
    x: Tensor<3>,
    filters: Filters,
    padding: [usize; 2],
    crop: [usize; 2],
) -> Tensor<3> {
    let [_, x_channels, len] = x.dims();
    let [channels, encoder_channels, encoder_kernel_size] = filters.encoder.dims();
    let [decoder_in, decoder_channels, decoder_kernel_size] = filters.decoder.dims();
    let shape = EncoderDecoder {
        channels,
        encoder_kernel_size,
        left: padding[0],
        right: padding[1],
        middle: match &filters.middle {
            None => Middle::Plain,
            Some(middle) if middle.rectified => Middle::ScaleShiftRelu,
            Some(_) => Middle::ScaleShift,
        },
        decoder_kernel_size,
        crop_left: crop[0],
        crop_right: crop[1],
    };
    assert_eq!(
        [x_channels, encoder_channels, decoder_channels, decoder_in],
        [1, 1, 1, channels],
        "encoder_decoder: x, encoder and decoder lead from one channel to {channels} and back"
    );
    assert!(
        shape.output_len(len) > 0,
        "encoder_decoder: nothing is left of {len} samples with padding {padding:?}, crop {crop:?}"
    );
    if !on_host(&x) {
        return composed::encoder_decoder(x, filters, padding, crop);
    }
    let operator = EncoderDecoderOperator {
        shape,
        encoder_bias: filters.encoder_bias.is_some(),
        decoder_bias: filters.decoder_bias.is_some(),
    };
    let (scale, shift) = filters
        .middle
        .map(|middle| (middle.scale, middle.shift))
        .unzip();
    run(
        operator,
        inputs(
            [x, filters.encoder, filters.decoder],
            [filters.encoder_bias, scale, shift, filters.decoder_bias],
        ),
    )
}

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
    if !on_host(&x) {
        return composed::wavenet(x, weights, net);
    }
    let inputs = vec![x.into_dispatch(), weights.into_dispatch()];
    run(WaveNetOperator(net.clone()), inputs)
}

/// The weights of a [`recurrent()`] layer.
#[derive(Debug, Clone)]
pub struct RecurrentWeights {
    /// W `[gates · hidden_size, input_size]`.
    pub input: Tensor<2>,
    /// U `[gates · hidden_size, hidden_size]`.
    pub hidden: Tensor<2>,
    /// LSTM `[4 · hidden_size]`; GRU `[2 · 3 · hidden_size]`, those of W before those of U.
    pub bias: Tensor<1>,
}

/// What a sequence leaves behind for the next; constants to every gradient.
#[derive(Debug, Clone)]
pub struct RecurrentState {
    /// h `[batch, hidden_size]`.
    pub hidden: Tensor<2>,
    /// c `[batch, hidden_size]`; none for a GRU.
    pub cell: Option<Tensor<2>>,
}

impl RecurrentState {
    /// Silence.
    pub fn zeros(cell: Cell, batch: usize, hidden_size: usize, device: &Device) -> RecurrentState {
        let zeros = || Tensor::zeros([batch, hidden_size], device);
        RecurrentState {
            hidden: zeros(),
            cell: (cell == Cell::Lstm).then(zeros),
        }
    }

    /// Cut off from what led to it.
    pub fn detach(self) -> RecurrentState {
        RecurrentState {
            hidden: self.hidden.detach(),
            cell: self.cell.map(Tensor::detach),
        }
    }
}

/// A recurrent layer (for gates and their order see [`mod@recurrent`]) over a sequence x `[batch,
/// input_size, time]` from `state` on: h at every step `[batch, hidden_size, time]`, and the state
/// after the last. No gradient passes through a state: back-propagation is truncated where a
/// sequence begins.
///
/// # Panics
/// The shapes of weights or state do not fit together or x, or an LSTM's state has no cell.
pub fn recurrent(
    x: Tensor<3>,
    cell: Cell,
    weights: RecurrentWeights,
    state: RecurrentState,
) -> (Tensor<3>, RecurrentState) {
    let [batch, input_size, _] = x.dims();
    let shape = Recurrent {
        cell,
        input_size,
        hidden_size: weights.hidden.dims()[1],
    };
    let gates = shape.gates() * shape.hidden_size;
    assert_eq!(
        (
            weights.input.dims(),
            weights.hidden.dims()[0],
            weights.bias.dims()
        ),
        ([gates, input_size], gates, [shape.biases()]),
        "recurrent: shapes of W, U and bias for {shape:?}"
    );
    assert_eq!(
        state.hidden.dims(),
        [batch, shape.hidden_size],
        "recurrent: shape of the state"
    );
    assert_eq!(
        state.cell.is_some(),
        cell == Cell::Lstm,
        "recurrent: an LSTM's state has a cell, a GRU's none"
    );
    if !on_host(&x) {
        return composed::recurrent(x, cell, weights, state);
    }
    let device = x.device();
    let state = Arc::new(Mutex::new(State {
        hidden: host_values(state.hidden),
        cell: state.cell.map(host_values).unwrap_or_default(),
    }));
    let operator = RecurrentOperator {
        shape,
        state: state.clone(),
    };
    let inputs = vec![
        x.into_dispatch(),
        weights.input.into_dispatch(),
        weights.hidden.into_dispatch(),
        weights.bias.into_dispatch(),
    ];
    let y = run(operator, inputs);
    let after = std::mem::take(&mut *state.lock().unwrap_or_else(PoisonError::into_inner));
    let tensor = |values: Vec<f32>| {
        Tensor::from_data(TensorData::new(values, [batch, shape.hidden_size]), &device)
    };
    let state = RecurrentState {
        hidden: tensor(after.hidden),
        cell: (cell == Cell::Lstm).then(|| tensor(after.cell)),
    };
    (y, state)
}

/// The weights of a [`scan()`].
#[derive(Debug, Clone)]
pub struct ScanWeights {
    /// Re a `[channels, states]`.
    pub a_re: Tensor<2>,
    /// Im a.
    pub a_im: Tensor<2>,
    /// Re c `[channels, states]`.
    pub c_re: Tensor<2>,
    /// Im c.
    pub c_im: Tensor<2>,
    /// d `[channels]`.
    pub d: Tensor<1>,
}

/// What a sequence leaves behind for the next `[batch, channels, states]`; constants to every
/// gradient.
#[derive(Debug, Clone)]
pub struct ScanState {
    /// Re s.
    pub re: Tensor<3>,
    /// Im s.
    pub im: Tensor<3>,
}

impl ScanState {
    /// Silence, for `shape` = `[batch, channels, states]`.
    pub fn zeros(shape: [usize; 3], device: &Device) -> ScanState {
        ScanState {
            re: Tensor::zeros(shape, device),
            im: Tensor::zeros(shape, device),
        }
    }

    /// Cut off from what led to it.
    pub fn detach(self) -> ScanState {
        ScanState {
            re: self.re.detach(),
            im: self.im.detach(),
        }
    }
}

/// A diagonal linear state space (for its formula see [`mod@scan`]) over a sequence x `[batch,
/// channels, time]` from `state` on: y, shaped like x, and the state after the last step. No
/// gradient passes through a state.
///
/// # Panics
/// The shapes of weights or state do not fit together or x.
pub fn scan(x: Tensor<3>, weights: ScanWeights, state: ScanState) -> (Tensor<3>, ScanState) {
    let [batch, channels, _] = x.dims();
    let states = weights.a_re.dims()[1];
    let matrices = [&weights.a_re, &weights.a_im, &weights.c_re, &weights.c_im];
    assert_eq!(
        (matrices.map(Tensor::dims), weights.d.dims()),
        ([[channels, states]; 4], [channels]),
        "scan: shapes of a, c and d"
    );
    let state_shape = [batch, channels, states];
    assert_eq!(
        [state.re.dims(), state.im.dims()],
        [state_shape; 2],
        "scan: shape of the state"
    );
    if !on_host(&x) {
        return composed::scan(x, weights, state);
    }
    let device = x.device();
    let state = Arc::new(Mutex::new(scan::State {
        re: host_values(state.re),
        im: host_values(state.im),
    }));
    let operator = ScanOperator {
        shape: Scan { channels, states },
        state: state.clone(),
    };
    let inputs = vec![
        x.into_dispatch(),
        weights.a_re.into_dispatch(),
        weights.a_im.into_dispatch(),
        weights.c_re.into_dispatch(),
        weights.c_im.into_dispatch(),
        weights.d.into_dispatch(),
    ];
    let y = run(operator, inputs);
    let after = std::mem::take(&mut *state.lock().unwrap_or_else(PoisonError::into_inner));
    let tensor = |values| Tensor::from_data(TensorData::new(values, state_shape), &device);
    let state = ScanState {
        re: tensor(after.re),
        im: tensor(after.im),
    };
    (y, state)
}

/// Whether operators on this tensor take their fused form: for networks that have a better way
/// than the composed form elsewhere.
pub fn is_fused<const D: usize>(x: &Tensor<D>) -> bool {
    on_host(x)
}

pub use pages::hold_freed as hold_freed_memory;

/// Gives the working memory that is kept from step to step back to the system, on all threads of
/// rayon's pool.
pub fn release_memory() {
    buffers::release();
    scratch::release();
    rayon::broadcast(|_| scratch::release());
}

/// A host tensor's values.
fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_into_vec().unwrap_or_default()
}

/// The tensors that are there, in order.
fn inputs<const N: usize, const M: usize>(
    tensors: [Tensor<3>; N],
    optional: [Option<Tensor<1>>; M],
) -> Vec<DispatchTensor> {
    let optional = optional.into_iter().flatten().map(Tensor::into_dispatch);
    tensors
        .into_iter()
        .map(Tensor::into_dispatch)
        .chain(optional)
        .collect()
}
