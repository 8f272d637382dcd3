//! The bridge between burn's tensors and operators on slices: one backend extension through which
//! any [`Operator`] runs on flex and ndarray tensors, with its hand-written gradient under
//! autodiff. Knows no particular operator.

// burn has announced that its ndarray backend will go; while it is there, it is served too.
#![allow(deprecated)]

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchDevice,
    DispatchTensor, DispatchTensorKind, ExtensionType, Flex, NdArray, TensorMetadata,
    backend_extension, try_read_sync,
};
use burn::tensor::{DType, Tensor, TensorData};

use super::buffers::Buffer;

/// A tensor's values, row-major.
pub(crate) struct Values<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Their dimensions.
    pub shape: &'a [usize],
}

/// What a forward pass gives.
pub(crate) struct Forward {
    /// The output's values.
    pub data: Vec<f32>,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// What the backward pass wants to find again.
    pub kept: Buffer,
}

impl Forward {
    /// Of an operator whose backward pass needs its inputs alone.
    pub fn without_memory(data: Vec<f32>, shape: Vec<usize>) -> Self {
        let kept = Buffer::default();
        Self { data, shape, kept }
    }
}

/// An operator on host memory with a hand-written gradient.
pub(crate) trait Operator: fmt::Debug + Send + Sync + 'static {
    /// The output for the inputs; `keep`: a backward pass will follow.
    fn forward(&self, inputs: &[Values<'_>], keep: bool) -> Forward;

    /// Whether the backward pass needs the output: then it finds that behind the inputs.
    fn needs_output(&self) -> bool {
        false
    }

    /// The gradient of each input that is `wanted`, for the output's gradient `dy`.
    fn backward(
        &self,
        inputs: &[Values<'_>],
        kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>>;
}

/// Whether the fused form is to be used: this tensor's values lie in host memory as f32, where
/// operators can read them, and the composed form was not asked for.
pub(crate) fn on_host<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device().inner();
    !super::composed::is_wanted()
        && tensor.dtype() == DType::F32
        && matches!(
            device.as_dispatch(),
            DispatchDevice::Flex(_) | DispatchDevice::NdArray(_)
        )
}

/// Runs an operator on tensors for which [`on_host`] holds.
///
/// # Panics
/// A tensor is elsewhere, or there are more than [`MOST_INPUTS`].
pub(crate) fn run<const D: usize>(
    operator: impl Operator,
    inputs: Vec<DispatchTensor>,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as HostOperators>::host_operator(
        Inputs(inputs),
        Arc::new(operator),
    ))
}

/// Tensors that enter an operator.
pub struct Inputs<B: Backend>(Vec<FloatTensor<B>>);

// By hand, since the derive knows tensors as fields only and not in a list.
impl<B: Backend> ExtensionType<B> for Inputs<B> {
    type Target = Inputs<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let wrap = |tensor| DispatchTensor {
            kind: map_kind(BackendTensor::Float(tensor)),
            autodiff,
        };
        Inputs(self.0.into_iter().map(wrap).collect())
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        let unwrap = |tensor| unwrap_kind(tensor).float();
        Inputs(target.0.into_iter().map(unwrap).collect())
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn routing_float_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        let contexts = target.0.iter().map(|tensor| tensor.autodiff);
        contexts.fold(
            DispatchAutodiffContext::Disabled,
            DispatchAutodiffContext::merge,
        )
    }
}

/// The backend extension.
#[backend_extension(Flex, NdArray, Autodiff)]
#[allow(private_interfaces)]
pub trait HostOperators: Backend {
    /// Applies the operator to the inputs.
    fn host_operator(
        #[extension_type] inputs: Inputs<Self>,
        operator: Arc<dyn Operator>,
    ) -> FloatTensor<Self>;
}

/// A backend whose float tensors are f32 values in host memory.
pub trait HostBackend: Backend {
    /// The tensor's values in row-major order, without a copy where they already lie so.
    fn values(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]>;

    /// A tensor of these values.
    fn tensor(values: Vec<f32>, shape: Vec<usize>, like: &FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_from_data(TensorData::new(values, shape), &like.device())
    }
}

impl HostBackend for Flex {
    fn values(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]> {
        match tensor.as_slice::<f32>() {
            Some(values) => Cow::Borrowed(values),
            None => read::<Self>(tensor),
        }
    }
}

impl HostBackend for NdArray {
    fn values(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]> {
        read::<Self>(tensor)
    }
}

/// A copy of the values in row-major order.
fn read<B: Backend>(tensor: &FloatTensor<B>) -> Cow<'static, [f32]> {
    let data = try_read_sync(B::float_into_data(tensor.clone()))
        .expect("host tensors are read at once")
        .expect("host tensors can be read");
    Cow::Owned(
        data.try_into_vec()
            .expect("operators run on f32 tensors only"),
    )
}

impl HostOperators for Flex {
    fn host_operator(inputs: Inputs<Self>, operator: Arc<dyn Operator>) -> FloatTensor<Self> {
        forward::<Self>(&inputs.0, operator.as_ref(), false).0
    }
}

impl HostOperators for NdArray {
    fn host_operator(inputs: Inputs<Self>, operator: Arc<dyn Operator>) -> FloatTensor<Self> {
        forward::<Self>(&inputs.0, operator.as_ref(), false).0
    }
}

/// Calls `work` with the tensors' values.
fn with_values<B: HostBackend, R>(
    tensors: &[FloatTensor<B>],
    work: impl FnOnce(&[Values<'_>]) -> R,
) -> R {
    let data: Vec<Cow<'_, [f32]>> = tensors.iter().map(B::values).collect();
    let shapes: Vec<Vec<usize>> = tensors
        .iter()
        .map(|tensor| tensor.shape().to_vec())
        .collect();
    let values: Vec<Values<'_>> = data
        .iter()
        .zip(&shapes)
        .map(|(data, shape)| Values { data, shape })
        .collect();
    work(&values)
}

fn forward<B: HostBackend>(
    inputs: &[FloatTensor<B>],
    operator: &dyn Operator,
    keep: bool,
) -> (FloatTensor<B>, Buffer) {
    let output = with_values::<B, _>(inputs, |values| operator.forward(values, keep));
    (
        B::tensor(output.data, output.shape, &inputs[0]),
        output.kept,
    )
}

/// The most inputs an operator may have: burn wants their number as a constant.
pub(crate) const MOST_INPUTS: usize = 8;

impl<B: HostBackend + HostOperators, C: CheckpointStrategy> HostOperators for Autodiff<B, C> {
    fn host_operator(inputs: Inputs<Self>, operator: Arc<dyn Operator>) -> FloatTensor<Self> {
        match inputs.0.len() {
            1 => tracked::<B, C, 1>(inputs, operator),
            2 => tracked::<B, C, 2>(inputs, operator),
            3 => tracked::<B, C, 3>(inputs, operator),
            4 => tracked::<B, C, 4>(inputs, operator),
            5 => tracked::<B, C, 5>(inputs, operator),
            6 => tracked::<B, C, 6>(inputs, operator),
            7 => tracked::<B, C, 7>(inputs, operator),
            MOST_INPUTS => tracked::<B, C, MOST_INPUTS>(inputs, operator),
            n => panic!("{operator:?} has {n} inputs, at most {MOST_INPUTS} are foreseen"),
        }
    }
}

/// The backward step of any operator.
#[derive(Debug)]
struct OperatorBackward;

/// What it finds again.
#[derive(Clone)]
struct State<B: Backend> {
    /// The inputs, and behind them the output where the operator needs it.
    inputs: Vec<FloatTensor<B>>,
    operator: Arc<dyn Operator>,
    kept: Arc<Buffer>,
}

impl<B: Backend> fmt::Debug for State<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator.fmt(f)
    }
}

impl<B: HostBackend, const N: usize> Backward<B, N> for OperatorBackward {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<State<B>, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let State {
            inputs,
            operator,
            kept,
        } = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = with_values::<B, _>(&inputs, |values| {
            operator.backward(values, &kept, &B::values(&dy), &wanted)
        });
        for ((parent, gradient), input) in ops.parents.into_iter().zip(gradients).zip(&inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                let shape = input.shape().to_vec();
                grads.register::<B>(parent.id, B::tensor(gradient, shape, input));
            }
        }
    }
}

fn tracked<B: HostBackend, C: CheckpointStrategy, const N: usize>(
    inputs: Inputs<Autodiff<B, C>>,
    operator: Arc<dyn Operator>,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = std::array::from_fn::<_, N, _>(|at| inputs.0[at].node());
    let mut inputs: Vec<FloatTensor<B>> = inputs
        .0
        .into_iter()
        .map(|input| input.into_primitive())
        .collect();
    let prepared = OperatorBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful();
    match prepared {
        OpsKind::Tracked(step) => {
            let (output, kept) = forward::<B>(&inputs, operator.as_ref(), true);
            if operator.needs_output() {
                inputs.push(output.clone());
            }
            let state = State {
                inputs,
                operator,
                kept: Arc::new(kept),
            };
            step.finish(state, output)
        }
        OpsKind::UnTracked(step) => step.finish(forward::<B>(&inputs, operator.as_ref(), false).0),
    }
}
