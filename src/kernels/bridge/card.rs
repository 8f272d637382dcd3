//! A second backend extension, for graphics cards: through it any [`CardOperator`] launches its
//! kernels on the tensors' buffers, with its hand-written gradient under autodiff. Knows no
//! particular operator.
//!
//! burn's fusion stands before the card: operators wait in a queue, so that simple ones can be
//! joined. Here too the outputs' shapes are told at once and the launches wait their turn.

use std::fmt;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::fusion::custom::{
    CustomOpIr, HandleContainer, Operation, OperationIr, StreamId, TensorIr,
};
use burn::backend::fusion::{ExecutionError, FusionRuntime};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Cube, Dispatch, DispatchTensor, TensorMetadata,
    backend_extension,
};
use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::fusion::FusionCubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

use super::list::Tensors;

/// An operator of kernels on a card with a hand-written gradient. Every tensor it is given is f32,
/// row-major and without gaps.
pub(crate) trait CardOperator: fmt::Debug + Send + Sync + 'static {
    /// The shapes of what the forward pass gives: the output, then what leaves beside it without a
    /// gradient, then what the backward pass wants to find again, if one will follow (`keep`).
    fn outputs(&self, inputs: &[Shape], keep: bool) -> Vec<Shape>;

    /// Launches what writes the outputs.
    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]);

    /// Whether the backward pass needs the outputs.
    fn needs_outputs(&self) -> bool {
        false
    }

    /// Launches what writes the gradients of the inputs, of those that are wanted.
    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]);
}

/// The most inputs of an operator.
pub(crate) const MOST_PARTS: usize = 160;

/// What a backward pass finds.
pub(crate) struct CardPass<'a> {
    /// As in the forward pass.
    pub inputs: &'a [CubeTensor],
    /// What the forward pass gave; nothing where the operator does not need it.
    pub outputs: &'a [CubeTensor],
    /// The first output's gradient.
    pub dy: &'a CubeTensor,
}

/// Runs an operator on tensors that [lie on a card](super::choice::Form::Card): its output, and what
/// leaves beside it.
///
/// # Panics
/// A tensor is elsewhere, or there are more than [`MOST_PARTS`].
pub(crate) fn run_on_card(
    operator: impl CardOperator,
    inputs: Vec<DispatchTensor>,
) -> Vec<DispatchTensor> {
    <Dispatch as CardOperators>::card_operator(Tensors(inputs), Arc::new(operator)).0
}

/// The same for a single output of rank `D`.
pub(crate) fn output_on_card<const D: usize>(
    operator: impl CardOperator,
    inputs: Vec<DispatchTensor>,
) -> Tensor<D> {
    let mut outputs = run_on_card(operator, inputs);
    Tensor::from_dispatch(outputs.swap_remove(0))
}

/// The backend extension.
#[backend_extension(Cube, Autodiff)]
#[allow(
    private_interfaces,
    reason = "burn wants the trait public; what runs through it is this crate's alone"
)]
pub trait CardOperators: Backend {
    /// Applies the operator to the inputs.
    fn card_operator(
        #[extension_type] inputs: Tensors<Self>,
        operator: Arc<dyn CardOperator>,
    ) -> Tensors<Self>;
}

impl CardOperators for Cube {
    fn card_operator(inputs: Tensors<Self>, operator: Arc<dyn CardOperator>) -> Tensors<Self> {
        Tensors(forward(inputs.0, operator, false))
    }
}

/// A tensor whose kernels may still wait in the queue.
type Queued = FloatTensor<Cube>;

fn forward(inputs: Vec<Queued>, operator: Arc<dyn CardOperator>, keep: bool) -> Vec<Queued> {
    let shapes: Vec<Shape> = inputs.iter().map(TensorMetadata::shape).collect();
    let outputs = operator.outputs(&shapes, keep);
    queue(inputs, outputs, move |inputs, outputs| {
        operator.forward(inputs, outputs);
    })
}

/// Puts `launch`, which writes tensors of the `outputs`' shapes, behind what `inputs` wait for.
fn queue(
    inputs: Vec<Queued>,
    outputs: Vec<Shape>,
    launch: impl Fn(&[CubeTensor], &[CubeTensor]) + Send + Sync + 'static,
) -> Vec<Queued> {
    let client = inputs[0].client.clone();
    let new = |shape| TensorIr::uninit(client.create_empty_handle(), shape, DType::F32);
    let outputs: Vec<TensorIr> = outputs.into_iter().map(new).collect();
    let inputs: Vec<TensorIr> = inputs.into_iter().map(|input| input.into_ir()).collect();
    let described = CustomOpIr::new("effigy", &inputs, &outputs);
    let waiting = Waiting {
        described: described.clone(),
        launch,
    };
    client.register(StreamId::current(), OperationIr::Custom(described), waiting)
}

/// Launches in the queue.
struct Waiting<F> {
    described: CustomOpIr,
    launch: F,
}

impl<F> fmt::Debug for Waiting<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.described.fmt(f)
    }
}

type Handles = HandleContainer<<FusionCubeRuntime as FusionRuntime>::FusionHandle>;

impl<F> Operation<FusionCubeRuntime> for Waiting<F>
where
    F: Fn(&[CubeTensor], &[CubeTensor]) + Send + Sync,
{
    fn execute(&self, handles: &mut Handles) -> Result<(), ExecutionError> {
        let inputs = self.described.inputs.iter();
        let inputs: Vec<CubeTensor> = inputs
            .map(|input| into_contiguous(handles.get_float_tensor::<CubeBackend>(input)))
            .collect();
        let outputs = self.described.outputs.iter();
        let outputs: Vec<CubeTensor> = outputs
            .map(|output| empty(&inputs[0], output.shape.clone()))
            .collect();
        (self.launch)(&inputs, &outputs);
        for (described, output) in self.described.outputs.iter().zip(outputs) {
            handles.register_float_tensor::<CubeBackend>(&described.id, output);
        }
        Ok(())
    }
}

/// Room on the card of `beside`, not written yet.
pub(crate) fn empty(beside: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let (client, device) = (beside.client.clone(), beside.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), DType::F32)
}

impl<C: CheckpointStrategy> CardOperators for Autodiff<Cube, C> {
    fn card_operator(inputs: Tensors<Self>, operator: Arc<dyn CardOperator>) -> Tensors<Self> {
        match inputs.0.len() {
            1 => tracked::<C, 1>(inputs, operator),
            2 => tracked::<C, 2>(inputs, operator),
            3 => tracked::<C, 3>(inputs, operator),
            4 => tracked::<C, 4>(inputs, operator),
            5 => tracked::<C, 5>(inputs, operator),
            6 => tracked::<C, 6>(inputs, operator),
            7 => tracked::<C, 7>(inputs, operator),
            8 => tracked::<C, 8>(inputs, operator),
            n if n <= MOST_PARTS => {
                // burn wants the number of inputs as a constant: it is filled up with such as want
                // no gradient.
                let mut inputs = inputs;
                let filler = inputs.0[0].primitive().clone();
                let filler = <Autodiff<Cube, C> as AutodiffBackend>::from_inner(filler);
                inputs.0.resize(MOST_PARTS, filler);
                tracked::<C, MOST_PARTS>(inputs, operator)
            }
            n => panic!("{operator:?} has {n} inputs, at most {MOST_PARTS} are foreseen"),
        }
    }
}

/// The backward step of any operator.
#[derive(Debug)]
struct CardBackward;

/// What it finds again.
#[derive(Clone)]
struct Remembered {
    inputs: Vec<Queued>,
    outputs: Vec<Queued>,
    operator: Arc<dyn CardOperator>,
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator.fmt(f)
    }
}

impl<const N: usize> Backward<Cube, N> for CardBackward {
    type State = Remembered;

    fn backward(
        self,
        ops: Ops<Remembered, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<Cube>(&ops.node);
        let Remembered {
            inputs,
            outputs,
            operator,
        } = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let shapes = inputs.iter().zip(wanted).filter(|(_, wanted)| *wanted);
        let shapes = shapes.map(|(input, _)| input.shape()).collect();
        let all = [inputs, outputs, vec![dy]].concat();
        let gradients = queue(all, shapes, move |found, written| {
            let (inputs, rest) = found.split_at(N);
            let Some((dy, outputs)) = rest.split_last() else {
                return;
            };
            let mut written = written.iter().cloned();
            let gradients = wanted.map(|wanted| if wanted { written.next() } else { None });
            let pass = CardPass {
                inputs,
                outputs,
                dy,
            };
            operator.backward(&pass, &gradients);
        });
        let parents = ops.parents.into_iter().flatten();
        for (parent, gradient) in parents.zip(gradients) {
            grads.register::<Cube>(parent.id, gradient);
        }
    }
}

fn tracked<C: CheckpointStrategy, const N: usize>(
    inputs: Tensors<Autodiff<Cube, C>>,
    operator: Arc<dyn CardOperator>,
) -> Tensors<Autodiff<Cube, C>> {
    let nodes = std::array::from_fn::<_, N, _>(|at| inputs.0[at].node());
    let inputs = inputs.0.into_iter();
    let inputs: Vec<Queued> = inputs.map(|input| input.into_primitive()).collect();
    let prepared = CardBackward.prepare::<C>(nodes).compute_bound().stateful();
    let (first, outputs) = match prepared {
        OpsKind::Tracked(step) => {
            let outputs = forward(inputs.clone(), operator.clone(), true);
            let state = Remembered {
                inputs,
                outputs: match operator.needs_outputs() {
                    true => outputs.clone(),
                    false => Vec::new(),
                },
                operator,
            };
            (step.finish(state, outputs[0].clone()), outputs)
        }
        OpsKind::UnTracked(step) => {
            let outputs = forward(inputs, operator, false);
            (step.finish(outputs[0].clone()), outputs)
        }
    };
    let beside = outputs.into_iter().skip(1);
    let beside = beside.map(<Autodiff<Cube, C> as AutodiffBackend>::from_inner);
    Tensors(std::iter::once(first).chain(beside).collect())
}
