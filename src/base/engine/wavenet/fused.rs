//! The plain WaveNet layer as one kernel.
//!
//! For a few vectors of time: convolution and mixer into a small buffer that stays in the
//! innermost cache, activation and head sum on that buffer, 1x1 and residual from it. The mixer
//! is one more tap of the convolution, on rows of its own.

use crate::engine::activation::Function;
use crate::engine::block::{Aligned, Line, ROW, SLACK, Source, Target};
use crate::engine::matrix::{Finish, Matrix, Store, Sums, TimeTiles, WIDEST_TIME, over_time};
use crate::engine::plan::Plan;
use crate::network::{DescriptionError, Gating, LayerFilms, WaveLayer};
use crate::simd::{Isa, Kernel, Simd, math};
use std::marker::PhantomData;

/// Distance between the rows of the middle channels: the widest tile of time, of 16 lanes.
const MIDDLE_ROW: usize = WIDEST_TIME * 16;

/// A planned layer.
#[derive(Debug)]
pub(super) struct FusedLayer {
    width: usize,
    bottleneck: usize,
    /// Convolution and mixer.
    conv: Matrix,
    function: Function,
    /// `None`: nothing reads what the layer would pass on.
    layer1x1: Option<Matrix>,
    /// The middle channels of a few vectors of time.
    middle: Aligned,
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
        let (width, bottleneck) = (layer.width(), layer.bottleneck());
        plan.claim(bottleneck, MIDDLE_ROW)?;
        let layer1x1 = match passes_on {
            true => Some(Matrix::new(one, MIDDLE_ROW, plan)?),
            false => None,
        };
        Ok(Some(Self {
            width,
            bottleneck,
            conv: Matrix::sum(&layer.conv, &layer.mixer, [line.stride(), ROW], plan)?,
            function,
            layer1x1,
            middle: Aligned::zeros(bottleneck * MIDDLE_ROW),
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
        let sources = [line.source(), cond];
        assert!(self.conv.fits(sources, reach));
        assert!(head.fits(self.bottleneck, reach));
        assert!(self.layer1x1.is_none() || next.fits(self.width, reach));
        let pass = Pass {
            layer: self,
            line,
            sources,
            next,
            head,
            len,
        };
        match pass.layer.function {
            Function::Tanh => isa.run(Run::<TanhOf>(pass, PhantomData)),
            Function::LeakyRelu { .. } => isa.run(Run::<LeakyOf>(pass, PhantomData)),
            _ => isa.run(Run::<AnyOf>(pass, PhantomData)),
        }
    }
}

struct Pass<'a> {
    layer: &'a mut FusedLayer,
    line: &'a Line,
    sources: [Source<'a>; 2],
    next: Target<'a>,
    head: Target<'a>,
    len: usize,
}

/// An activation known when the kernel is compiled, so that its loop holds nothing else.
trait Known {
    /// Of several vectors, each of a channel.
    fn apply<S: Simd, const N: usize>(
        function: &Function,
        s: S,
        x: [S::V; N],
        channels: [usize; N],
    ) -> [S::V; N];
}

struct TanhOf;
struct LeakyOf;
struct AnyOf;

impl Known for TanhOf {
    #[inline(always)]
    fn apply<S: Simd, const N: usize>(
        _: &Function,
        s: S,
        x: [S::V; N],
        _: [usize; N],
    ) -> [S::V; N] {
        math::tanh_each(s, x)
    }
}

impl Known for LeakyOf {
    #[inline(always)]
    fn apply<S: Simd, const N: usize>(
        function: &Function,
        s: S,
        mut x: [S::V; N],
        _: [usize; N],
    ) -> [S::V; N] {
        let slope = match function {
            Function::LeakyRelu { slope } => *slope,
            _ => 0.0,
        };
        for x in &mut x {
            *x = s.select_positive(*x, *x, s.mul(*x, s.splat(slope)));
        }
        x
    }
}

impl Known for AnyOf {
    #[inline(always)]
    fn apply<S: Simd, const N: usize>(
        function: &Function,
        s: S,
        mut x: [S::V; N],
        channels: [usize; N],
    ) -> [S::V; N] {
        for (x, channel) in x.iter_mut().zip(channels) {
            *x = function.apply(s, *x, channel);
        }
        x
    }
}

struct Run<'a, A>(Pass<'a>, PhantomData<A>);

impl<A: Known> Kernel for Run<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let vectors = self.0.len.div_ceil(S::LANES);
        let outputs = self.0.layer.conv.tile_outputs();
        // SAFETY: `process` checked every row for `len` samples and a vector more.
        unsafe { over_time(s, vectors, outputs, &mut self) };
    }
}

impl<A: Known> TimeTiles for Run<'_, A> {
    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize>(&mut self, s: S, t: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.tile::<S, A, T>(s, t) }
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
        let mut store = Store {
            // The buffer's rows start at this tile's first sample.
            to: layer.middle.as_mut_ptr().wrapping_sub(t),
            stride: MIDDLE_ROW,
        };
        // SAFETY: the caller's promise; `middle` holds `bottleneck` rows of `MIDDLE_ROW`.
        unsafe { layer.conv.apply::<S, T, _>(s, self.sources, t, &mut store) };
        let mut middle = Middle::<T> {
            function: &layer.function,
            values: layer.middle.as_mut_ptr(),
            head: self
                .head
                .samples
                .as_mut_ptr()
                .wrapping_add(self.head.at + t),
            head_stride: self.head.stride,
        };
        // SAFETY: as above; `process` checked the head's rows.
        unsafe { middle.activate::<S, A>(s, layer.bottleneck) };
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
        unsafe { layer1x1.apply::<S, T, _>(s, [source; 2], 0, &mut residual) };
    }
}

/// The middle channels for `T` vectors of time, to go through the activation and be added to the
/// heads.
struct Middle<'a, const T: usize> {
    function: &'a Function,
    values: *mut f32,
    head: *mut f32,
    head_stride: usize,
}

impl<const T: usize> Middle<'_, T> {
    /// All of them, a few vectors at a time: each operation waits for the one before, and the
    /// processor looks only so far ahead for another vector's.
    ///
    /// # Safety
    /// There are `channels` rows of values and heads, of `T` vectors each.
    #[inline(always)]
    unsafe fn activate<S: Simd, A: Known>(&mut self, s: S, channels: usize) {
        let vectors = channels * T;
        let mut n = 0;
        // SAFETY: the vectors from n on exist.
        unsafe {
            while S::REGISTERS >= 32 && n + 4 <= vectors {
                self.group::<S, A, 4>(s, n);
                n += 4;
            }
            while n + 2 <= vectors {
                self.group::<S, A, 2>(s, n);
                n += 2;
            }
            if n < vectors {
                self.group::<S, A, 1>(s, n);
            }
        }
    }

    /// `N` vectors from the `first` on, counted through all channels.
    ///
    /// # Safety
    /// As [`Middle::activate`]; those vectors exist.
    #[inline(always)]
    unsafe fn group<S: Simd, A: Known, const N: usize>(&mut self, s: S, first: usize) {
        let (mut x, mut channels) = ([s.zero(); N], [0; N]);
        let mut places = [(self.values, self.head); N];
        for i in 0..N {
            let (channel, at) = ((first + i) / T, (first + i) % T * S::LANES);
            channels[i] = channel;
            // SAFETY: the caller's promise.
            unsafe {
                let value = self.values.add(channel * MIDDLE_ROW + at);
                places[i] = (value, self.head.add(channel * self.head_stride + at));
                x[i] = s.load_ptr(value);
            }
        }
        let activated = A::apply::<S, N>(self.function, s, x, channels);
        for (a, (value, head)) in activated.into_iter().zip(places) {
            // SAFETY: as above.
            unsafe {
                s.store_ptr(value, a);
                s.store_ptr(head, s.add(s.load_ptr(head), a));
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
