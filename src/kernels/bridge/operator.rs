//! What an operator on host memory is: a forward pass, and a hand-written gradient. Knows no
//! tensor.

use std::fmt;

use crate::kernels::memory::Buffer;
use crate::simd::Isa;

/// A tensor's values, row-major.
pub(crate) struct Values<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Their dimensions.
    pub shape: &'a [usize],
}

/// An operator on host memory with a hand-written gradient.
pub(crate) trait Operator: fmt::Debug + Send + Sync + 'static {
    /// The output; `keep`: a backward pass will follow.
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output;

    /// Whether the backward pass needs the output: then it finds that behind the inputs.
    fn needs_output(&self) -> bool {
        false
    }

    /// The gradient of each input. What is given of one that is not wanted is not looked at.
    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient>;
}

/// What an operator works on; the first input is the signal x `[batch, channels, time]`.
pub(crate) struct Inputs<'a> {
    /// The instruction set to use.
    pub isa: Isa,
    /// The inputs.
    pub values: &'a [Values<'a>],
}

impl<'a> Inputs<'a> {
    /// x.
    pub fn x(&self) -> &'a [f32] {
        self.at(0)
    }

    /// The numbers of input `at`.
    pub fn at(&self, at: usize) -> &'a [f32] {
        self.values[at].data
    }

    /// Those of input `at`, where there are so many.
    pub fn get(&self, at: usize) -> Option<&'a [f32]> {
        self.values.get(at).map(|values| values.data)
    }

    /// Items of x.
    pub fn batch(&self) -> usize {
        self.values[0].shape[0]
    }

    /// Channels of x.
    pub fn channels(&self) -> usize {
        self.values[0].shape[1]
    }

    /// Samples of a channel of x.
    pub fn len(&self) -> usize {
        self.values[0].shape[2]
    }
}

/// What a forward pass gives.
pub(crate) struct Output {
    /// The output's values.
    pub data: Buffer,
    /// Its dimensions.
    pub shape: [usize; 3],
    /// What the backward pass wants to find again.
    pub kept: Buffer,
}

impl Output {
    /// Values that `write` writes, every one; what that gives is kept.
    pub fn written(shape: [usize; 3], write: impl FnOnce(&mut [f32]) -> Buffer) -> Output {
        let mut data = Buffer::new(shape.iter().product());
        let kept = write(&mut data);
        Output { data, shape, kept }
    }

    /// The same for an operator whose backward pass needs its inputs alone.
    pub fn without_memory(shape: [usize; 3], write: impl FnOnce(&mut [f32])) -> Output {
        Output::written(shape, |data| {
            write(data);
            Buffer::default()
        })
    }
}

/// What a backward pass finds beside the inputs.
pub(crate) struct BackwardPass<'a> {
    /// What the forward pass kept.
    pub kept: &'a [f32],
    /// The output's gradient.
    pub dy: &'a [f32],
    /// Which inputs' gradients are wanted.
    pub wanted: &'a [bool],
}

/// The gradient of an input, shaped like it.
pub(crate) type Gradient = Option<Buffer>;

impl BackwardPass<'_> {
    /// Whether the gradient of input `at` is wanted; not where there is no such input.
    pub fn wants(&self, at: usize) -> bool {
        self.wanted.get(at) == Some(&true)
    }

    /// The gradient of input `at`, `len` values that `write` writes, every one, if it is wanted.
    pub fn gradient(&self, at: usize, len: usize, write: impl FnOnce(&mut [f32])) -> Gradient {
        self.wants(at).then(|| {
            let mut gradient = Buffer::new(len);
            write(&mut gradient);
            gradient
        })
    }
}
