//! One backend extension through which any [`Operator`] runs on flex and ndarray tensors, with its
//! hand-written gradient under autodiff. Knows no particular operator.

#![allow(
    deprecated,
    reason = "burn has announced that its ndarray backend will go; while it is there, it is served too"
)]

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, Dispatch, DispatchTensor, Flex, NdArray, TensorMetadata, backend_extension,
    try_read_sync,
};
use burn::tensor::{DType, Tensor, TensorData};

use super::list::Tensors;
use super::operator::{BackwardPass, Inputs, Operator, Output, Values};
use super::pooled;
use crate::kernels::memory::Buffer;
use crate::simd::Isa;

/// Runs an operator on tensors for which [`is_fused`](super::is_fused) holds.
///
/// # Panics
/// A tensor is elsewhere, or there are more than [`MOST_INPUTS`].
pub(crate) fn run<const D: usize>(
    operator: impl Operator,
    inputs: Vec<DispatchTensor>,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as HostOperators>::host_operator(
        Tensors(inputs),
        Arc::new(operator),
    ))
}

/// The backend extension.
#[backend_extension(Flex, NdArray, Autodiff)]
#[allow(
    private_interfaces,
    reason = "burn wants the trait public; what runs through it is this crate's alone"
)]
pub trait HostOperators: Backend {
    /// Applies the operator to the inputs.
    fn host_operator(
        #[extension_type] inputs: Tensors<Self>,
        operator: Arc<dyn Operator>,
    ) -> FloatTensor<Self>;
}

/// A backend whose float tensors are f32 values in host memory.
pub trait HostBackend: Backend {
    /// The tensor's values in row-major order, without a copy where they already lie so.
    fn values(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]>;

    /// A tensor of these values.
    fn tensor(values: Buffer, shape: Vec<usize>, like: &FloatTensor<Self>) -> FloatTensor<Self> {
        let data = TensorData::from_bytes(pooled::bytes(values), shape, DType::F32);
        Self::float_from_data(data, &like.device())
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
    fn host_operator(inputs: Tensors<Self>, operator: Arc<dyn Operator>) -> FloatTensor<Self> {
        forward::<Self>(&inputs.0, operator.as_ref(), false).0
    }
}

impl HostOperators for NdArray {
    fn host_operator(inputs: Tensors<Self>, operator: Arc<dyn Operator>) -> FloatTensor<Self> {
        forward::<Self>(&inputs.0, operator.as_ref(), false).0
    }
}

/// What makes numbers of a list of tensors, and has no gradient.
pub(crate) trait ListWork {
    /// The new values of as many of the first tensors as there are results, in the same shapes.
    fn run(&mut self, isa: Isa, inputs: &[Values<'_>]) -> Vec<Buffer>;
}

/// Runs it on tensors for which [`is_fused`](super::is_fused) holds, and that are without autodiff.
///
/// # Panics
/// A tensor is elsewhere.
pub(crate) fn run_on_list(
    work: &mut dyn ListWork,
    inputs: Vec<DispatchTensor>,
) -> Vec<DispatchTensor> {
    <Dispatch as HostLists>::host_list(Tensors(inputs), work).0
}

/// The backend extension for lists.
#[backend_extension(Flex, NdArray)]
#[allow(
    private_interfaces,
    reason = "burn wants the trait public; what runs through it is this crate's alone"
)]
pub trait HostLists: Backend {
    /// Applies the work to the inputs.
    fn host_list(#[extension_type] inputs: Tensors<Self>, work: &mut dyn ListWork)
    -> Tensors<Self>;
}

impl HostLists for Flex {
    fn host_list(inputs: Tensors<Self>, work: &mut dyn ListWork) -> Tensors<Self> {
        listed(&inputs.0, work)
    }
}

impl HostLists for NdArray {
    fn host_list(inputs: Tensors<Self>, work: &mut dyn ListWork) -> Tensors<Self> {
        listed(&inputs.0, work)
    }
}

fn listed<B: HostBackend>(inputs: &[FloatTensor<B>], work: &mut dyn ListWork) -> Tensors<B> {
    let results = with_values::<B, _>(inputs, |inputs| work.run(inputs.isa, inputs.values));
    let tensor =
        |(values, like): (Buffer, &FloatTensor<B>)| B::tensor(values, like.shape().to_vec(), like);
    Tensors(results.into_iter().zip(inputs).map(tensor).collect())
}

/// Calls `work` with the tensors' values.
fn with_values<B: HostBackend, R>(
    tensors: &[FloatTensor<B>],
    work: impl FnOnce(&Inputs<'_>) -> R,
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
    work(&Inputs {
        isa: Isa::detect(),
        values: &values,
    })
}

fn forward<B: HostBackend>(
    inputs: &[FloatTensor<B>],
    operator: &dyn Operator,
    keep: bool,
) -> (FloatTensor<B>, Buffer) {
    let Output { data, shape, kept } =
        with_values::<B, _>(inputs, |inputs| operator.forward(inputs, keep));
    (B::tensor(data, shape.to_vec(), &inputs[0]), kept)
}

/// The most inputs an operator may have: burn wants their number as a constant.
pub(crate) const MOST_INPUTS: usize = 8;

impl<B: HostBackend + HostOperators, C: CheckpointStrategy> HostOperators for Autodiff<B, C> {
    fn host_operator(inputs: Tensors<Self>, operator: Arc<dyn Operator>) -> FloatTensor<Self> {
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
struct Remembered<B: Backend> {
    /// The inputs, and behind them the output where the operator needs it.
    inputs: Vec<FloatTensor<B>>,
    operator: Arc<dyn Operator>,
    kept: Arc<Buffer>,
}

impl<B: Backend> fmt::Debug for Remembered<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator.fmt(f)
    }
}

impl<B: HostBackend, const N: usize> Backward<B, N> for OperatorBackward {
    type State = Remembered<B>;

    fn backward(
        self,
        ops: Ops<Remembered<B>, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let Remembered {
            inputs,
            operator,
            kept,
        } = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let pass = BackwardPass {
            kept: &kept,
            dy: &B::values(&dy),
            wanted: &wanted,
        };
        let gradients = with_values::<B, _>(&inputs, |inputs| operator.backward(inputs, &pass));
        for ((parent, gradient), input) in ops.parents.into_iter().zip(gradients).zip(&inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                let shape = input.shape().to_vec();
                grads.register::<B>(parent.id, B::tensor(gradient, shape, input));
            }
        }
    }
}

fn tracked<B: HostBackend, C: CheckpointStrategy, const N: usize>(
    inputs: Tensors<Autodiff<B, C>>,
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
            let state = Remembered {
                inputs,
                operator,
                kept: Arc::new(kept),
            };
            step.finish(state, output)
        }
        OpsKind::UnTracked(step) => step.finish(forward::<B>(&inputs, operator.as_ref(), false).0),
    }
}

/// A host tensor's values.
pub(crate) fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_into_vec().unwrap_or_default()
}

/// The tensors that are there, in order.
pub(crate) fn list<const N: usize, const M: usize>(
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
