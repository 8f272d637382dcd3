//! The plain WaveNet layer as one kernel.

use crate::engine::activation::Function;
use crate::engine::block::{Line, ROW, SLACK};
use crate::engine::matrix::{Finish, Matrix, Source, Sums};
use crate::engine::ops::{Target, padded};
use crate::engine::plan::Plan;
use crate::models::description::{DescriptionError, Gating, LayerFilms, WaveLayer};
use crate::simd::{Isa, Kernel, Simd, math};

/// Distance between the rows of the middle channels: the widest tile of time, 4 vectors of 16.
const MIDDLE_ROW: usize = 64;

/// A planned layer.
#[derive(Debug)]
pub(super) struct FusedLayer {
    width: usize,
    bottleneck: usize,
    conv: Matrix,
    mixer: Matrix,
    function: Function,
    /// `None`: nothing reads what the layer would pass on.
    layer1x1: Option<Matrix>,
    /// The middle channels of a few vectors of time.
    middle: Vec<f32>,
    tile: usize,
}

impl FusedLayer {
    /// `None` when the layer has more to it than the plain form.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(super) fn new(
        layer: &WaveLayer,
        line: &Line,
        plan: &Plan,
        passes_on: bool,
    ) -> Result<Option<Self>, DescriptionError> {
        let plain = layer.gating == Gating::None
            && layer.films == LayerFilms::default()
            && layer.head1x1.is_none()
            && layer.conv.groups == 1
            && layer.mixer.groups == 1;
        let one = layer.layer1x1.as_ref().filter(|c| plain && c.groups == 1);
        let function = Function::new(&layer.activation, layer.bottleneck());
        let (Some(one), false) = (one, matches!(function, Function::Softmax)) else {
            return Ok(None);
        };
        let bottleneck = layer.bottleneck();
        plan.claim(bottleneck, MIDDLE_ROW)?;
        let layer1x1 = match passes_on {
            true => Some(Matrix::new(one, MIDDLE_ROW, plan)?),
            false => None,
        };
        Ok(Some(Self {
            width: layer.width(),
            bottleneck,
            conv: Matrix::new(&layer.conv, line.stride(), plan)?,
            mixer: Matrix::new(&layer.mixer, ROW, plan)?,
            function,
            layer1x1,
            middle: vec![0.0; bottleneck * MIDDLE_ROW],
            tile: bottleneck.max(layer.width()),
        }))
    }

    /// One pass: reads `line` and `cond`, writes `next`, adds to `head`.
    pub(super) fn process(
        &mut self,
        isa: Isa,
        line: &Line,
        cond: Source,
        next: Target,
        head: Target,
        len: usize,
    ) {
        let reach = len + SLACK / 2;
        let source = Source {
            samples: line.samples(),
            at: line.at(),
        };
        assert!(self.conv.fits(source, reach) && self.mixer.fits(cond, reach));
        assert!(head.fits(self.bottleneck, reach));
        assert!(self.layer1x1.is_none() || next.fits(self.width, reach));
        let pass = Pass {
            layer: self,
            line,
            source,
            cond,
            next,
            head,
            len,
        };
        match pass.layer.function {
            Function::Tanh => isa.run(Run::<TanhOf>(pass, std::marker::PhantomData)),
            Function::LeakyRelu { .. } | Function::Relu => {
                isa.run(Run::<LeakyOf>(pass, std::marker::PhantomData));
            }
            _ => isa.run(Run::<AnyOf>(pass, std::marker::PhantomData)),
        }
    }
}

struct Pass<'a> {
    layer: &'a mut FusedLayer,
    line: &'a Line,
    source: Source<'a>,
    cond: Source<'a>,
    next: Target<'a>,
    head: Target<'a>,
    len: usize,
}

/// An activation known when the kernel is compiled.
trait Known {
    fn apply<S: Simd>(function: &Function, s: S, x: S::V, channel: usize) -> S::V;
}

struct TanhOf;
struct LeakyOf;
struct AnyOf;

impl Known for TanhOf {
    #[inline(always)]
    fn apply<S: Simd>(_: &Function, s: S, x: S::V, _: usize) -> S::V {
        math::tanh(s, x)
    }
}

impl Known for LeakyOf {
    #[inline(always)]
    fn apply<S: Simd>(function: &Function, s: S, x: S::V, _: usize) -> S::V {
        let slope = match function {
            Function::LeakyRelu { slope } => *slope,
            _ => 0.0,
        };
        s.select_positive(x, x, s.mul(x, s.splat(slope)))
    }
}

impl Known for AnyOf {
    #[inline(always)]
    fn apply<S: Simd>(function: &Function, s: S, x: S::V, channel: usize) -> S::V {
        function.apply(s, x, channel)
    }
}

struct Run<'a, A>(Pass<'a>, std::marker::PhantomData<A>);

impl<A: Known> Kernel for Run<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut pass = self.0;
        let end = padded::<S>(pass.len);
        let mut t = 0;
        // SAFETY: `process` checked every row for `len` samples and the slack `end` needs.
        unsafe {
            // Narrow layers leave registers for more vectors of time per weight.
            if pass.layer.tile <= 4 && S::REGISTERS >= 32 || pass.layer.tile <= 2 {
                while t + 4 * S::LANES <= end {
                    pass.tile::<S, A, 4>(s, t);
                    t += 4 * S::LANES;
                }
            }
            while t + 2 * S::LANES <= end {
                pass.tile::<S, A, 2>(s, t);
                t += 2 * S::LANES;
            }
            if t < end {
                pass.tile::<S, A, 1>(s, t);
            }
        }
    }
}

impl Pass<'_> {
    /// All of the layer for `T` vectors of time from `t` on.
    ///
    /// # Safety
    /// Every row has those samples.
    #[inline(always)]
    unsafe fn tile<S: Simd, A: Known, const T: usize>(&mut self, s: S, t: usize) {
        let layer = &mut *self.layer;
        let mut middle = Middle::<A> {
            mixer: &layer.mixer,
            cond: self.cond,
            function: &layer.function,
            to: layer.middle.as_mut_ptr(),
            head: self.head.samples.as_mut_ptr().wrapping_add(self.head.at),
            head_stride: self.head.stride,
            known: std::marker::PhantomData,
        };
        // SAFETY: the caller's promise; `middle` holds `bottleneck` rows of `MIDDLE_ROW`.
        unsafe { layer.conv.apply::<S, T, _>(s, self.source, t, &mut middle) };
        let Some(layer1x1) = &layer.layer1x1 else {
            return;
        };
        let mut residual = Residual {
            x: self.line.samples().as_ptr().wrapping_add(self.line.at()),
            x_stride: self.line.stride(),
            to: self.next.samples.as_mut_ptr().wrapping_add(self.next.at),
            to_stride: self.next.stride,
            t,
        };
        let source = Source {
            samples: &layer.middle,
            at: 0,
        };
        // SAFETY: as above; the middle rows were just written from their start.
        unsafe { layer1x1.apply::<S, T, _>(s, source, 0, &mut residual) };
    }
}

/// Mixer, activation, head sum; keeps the result for the 1x1.
struct Middle<'a, A> {
    mixer: &'a Matrix,
    cond: Source<'a>,
    function: &'a Function,
    to: *mut f32,
    head: *mut f32,
    head_stride: usize,
    known: std::marker::PhantomData<A>,
}

impl<S: Simd, A: Known> Finish<S> for Middle<'_, A> {
    #[inline(always)]
    unsafe fn finish<const M: usize, const T: usize>(
        &mut self,
        s: S,
        sums: &mut Sums<S, M, T>,
        first: usize,
        t: usize,
    ) {
        // SAFETY: `FusedLayer::process` checked the rows of condition and head; `to` has rows of
        // `MIDDLE_ROW ≥ T · LANES`. Mixer and convolution have the same outputs, so tiles agree.
        unsafe {
            self.mixer.add_tile::<S, M, T>(s, sums, first, self.cond, t);
            for (m, row) in sums.iter_mut().enumerate() {
                let channel = first + m;
                for (v, sum) in row.iter_mut().enumerate() {
                    let a = A::apply(self.function, s, *sum, channel);
                    s.store_ptr(self.to.add(channel * MIDDLE_ROW + v * S::LANES), a);
                    let head = self.head.add(channel * self.head_stride + t + v * S::LANES);
                    s.store_ptr(head, s.add(s.load_ptr(head), a));
                }
            }
        }
    }
}

/// Adds the layer's input and passes the sum on.
struct Residual {
    x: *const f32,
    x_stride: usize,
    to: *mut f32,
    to_stride: usize,
    t: usize,
}

impl<S: Simd> Finish<S> for Residual {
    #[inline(always)]
    unsafe fn finish<const M: usize, const T: usize>(
        &mut self,
        s: S,
        sums: &mut Sums<S, M, T>,
        first: usize,
        _: usize,
    ) {
        for (m, row) in sums.iter().enumerate() {
            let channel = first + m;
            for (v, sum) in row.iter().enumerate() {
                let at = self.t + v * S::LANES;
                // SAFETY: `FusedLayer::process` checked both lines' rows.
                unsafe {
                    let x = s.load_ptr(self.x.add(channel * self.x_stride + at));
                    s.store_ptr(self.to.add(channel * self.to_stride + at), s.add(x, *sum));
                }
            }
        }
    }
}
