//! Any WaveNet layer as whole passes: modulations, gates, groups, head 1x1.

use crate::engine::activation::Function;
use crate::engine::block::{Block, Line, ROW, Source, Target};
use crate::engine::matrix::Matrix;
use crate::engine::ops::{self, Combine};
use crate::engine::plan::Plan;
use crate::network::{Conv1d, DescriptionError, Gating, WaveFilm, WaveLayer};
use crate::simd::Isa;

/// A planned layer.
#[derive(Debug)]
pub(super) struct GeneralLayer {
    width: usize,
    middle: usize,
    bottleneck: usize,
    head_channels: usize,
    condition: usize,
    conv: Matrix,
    /// The modulated input keeps its own past: modulation happens before the convolution.
    modulated: Option<(Film, Line)>,
    mixer: Matrix,
    conv_post: Option<Film>,
    mixer_pre: Option<Film>,
    mixer_post: Option<Film>,
    activation_pre: Option<Film>,
    activation_post: Option<Film>,
    layer1x1_post: Option<Film>,
    head1x1_post: Option<Film>,
    function: Function,
    gate: Gate,
    layer1x1: Option<Matrix>,
    head1x1: Option<Matrix>,
    z: Block,
    side: Block,
    third: Block,
    values: Block,
}

#[derive(Debug)]
enum Gate {
    None,
    Gated(Function),
    Blended(Function),
}

/// Scales (and shifts) computed from the condition.
#[derive(Debug)]
struct Film {
    matrix: Matrix,
    rows: usize,
    how: Combine,
}

impl Film {
    fn new(film: &WaveFilm, plan: &Plan) -> Result<Self, DescriptionError> {
        let matrix = Matrix::new(&film.conv, ROW, plan)?;
        let (rows, how) = match film.shift {
            true => (matrix.outputs() / 2, Combine::Modulate),
            false => (matrix.outputs(), Combine::Multiply),
        };
        Ok(Self { matrix, rows, how })
    }

    /// Modulates the first rows of `block`; `values` is room for the scales.
    fn apply(&self, pass: Pass, block: &mut Block, values: &mut Block) {
        let Pass { isa, cond, len } = pass;
        ops::multiply(isa, &self.matrix, cond, values.target(), len);
        let values = [values.samples(), &[]];
        ops::combine(isa, self.how, block, values, self.rows, len);
    }
}

/// [`Film::apply`] where there is one.
fn modulate(film: &Option<Film>, pass: Pass, block: &mut Block, values: &mut Block) {
    if let Some(film) = film {
        film.apply(pass, block, values);
    }
}

/// What all steps of one pass share.
#[derive(Clone, Copy)]
struct Pass<'a> {
    isa: Isa,
    cond: Source<'a>,
    len: usize,
}

impl GeneralLayer {
    pub(super) fn new(
        layer: &WaveLayer,
        line: &Line,
        plan: &Plan,
    ) -> Result<Self, DescriptionError> {
        let film = |film: &Option<WaveFilm>| film.as_ref().map(|f| Film::new(f, plan)).transpose();
        let pointwise = |conv: &Option<Conv1d>| {
            conv.as_ref()
                .map(|conv| Matrix::new(conv, ROW, plan))
                .transpose()
        };
        let films = &layer.films;
        let modulated = match film(&films.conv_pre)? {
            Some(film) => Some((film, Line::new(layer.width(), Some(line.lookback()), plan)?)),
            None => None,
        };
        let stride = modulated
            .as_ref()
            .map_or(line.stride(), |(_, line)| line.stride());
        let bottleneck = layer.bottleneck();
        let widest = [
            layer.width(),
            layer.conv.out_channels,
            layer.mixer.in_channels,
            layer.head_channels(),
        ];
        let widest = widest.into_iter().max().unwrap_or(1);
        Ok(Self {
            width: layer.width(),
            middle: layer.conv.out_channels,
            bottleneck,
            head_channels: layer.head_channels(),
            condition: layer.mixer.in_channels,
            conv: Matrix::new(&layer.conv, stride, plan)?,
            modulated,
            mixer: Matrix::new(&layer.mixer, ROW, plan)?,
            conv_post: film(&films.conv_post)?,
            mixer_pre: film(&films.mixer_pre)?,
            mixer_post: film(&films.mixer_post)?,
            activation_pre: film(&films.activation_pre)?,
            activation_post: film(&films.activation_post)?,
            layer1x1_post: film(&films.layer1x1_post)?,
            head1x1_post: film(&films.head1x1_post)?,
            function: Function::new(&layer.activation, bottleneck),
            gate: match &layer.gating {
                Gating::None => Gate::None,
                Gating::Gated(gate) => Gate::Gated(Function::new(gate, bottleneck)),
                Gating::Blended(blend) => Gate::Blended(Function::new(blend, bottleneck)),
            },
            layer1x1: pointwise(&layer.layer1x1)?,
            head1x1: pointwise(&layer.head1x1)?,
            z: Block::new(widest, plan)?,
            side: Block::new(widest, plan)?,
            third: Block::new(widest, plan)?,
            values: Block::new(2 * widest, plan)?,
        })
    }

    /// Forgets the modulated past; the plain one belongs to the caller.
    pub(super) fn reset(&mut self) {
        if let Some((_, line)) = &mut self.modulated {
            line.reset();
        }
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
        let pass = Pass { isa, cond, len };
        self.convolve(pass, line);
        self.mix(pass);
        let side = [self.side.samples(), &[]];
        ops::combine(isa, Combine::Add, &mut self.z, side, self.middle, len);
        modulate(&self.activation_pre, pass, &mut self.z, &mut self.values);
        self.activate(isa, len);
        modulate(&self.activation_post, pass, &mut self.z, &mut self.values);
        match &self.head1x1 {
            Some(matrix) => {
                ops::multiply(isa, matrix, self.z.source(), self.side.target(), len);
                modulate(&self.head1x1_post, pass, &mut self.side, &mut self.values);
                ops::add_to(&self.side, head, self.head_channels, len);
            }
            None => ops::add_to(&self.z, head, self.bottleneck, len),
        }
        if let Some(matrix) = &self.layer1x1 {
            ops::multiply(isa, matrix, self.z.source(), self.side.target(), len);
            modulate(&self.layer1x1_post, pass, &mut self.side, &mut self.values);
        }
        self.pass_on(line, next, len);
    }

    /// z = the convolution, modulated before and after.
    fn convolve(&mut self, pass: Pass, line: &Line) {
        let Pass { isa, len, .. } = pass;
        match &mut self.modulated {
            None => ops::multiply(isa, &self.conv, line.source(), self.z.target(), len),
            Some((film, own)) => {
                for c in 0..self.width {
                    self.side.row_mut(c, len).copy_from_slice(line.row(c, len));
                }
                film.apply(pass, &mut self.side, &mut self.values);
                own.take(&self.side, len);
                ops::multiply(isa, &self.conv, own.source(), self.z.target(), len);
                own.advance(len);
            }
        }
        modulate(&self.conv_post, pass, &mut self.z, &mut self.values);
    }

    /// side = the mixer, modulated before and after.
    fn mix(&mut self, pass: Pass) {
        let Pass { isa, cond, len } = pass;
        let source = match &self.mixer_pre {
            None => cond,
            Some(film) => {
                for c in 0..self.condition {
                    let from = &cond.samples[c * ROW + cond.at..][..len];
                    self.third.row_mut(c, len).copy_from_slice(from);
                }
                film.apply(pass, &mut self.third, &mut self.values);
                self.third.source()
            }
        };
        ops::multiply(isa, &self.mixer, source, self.side.target(), len);
        modulate(&self.mixer_post, pass, &mut self.side, &mut self.values);
    }

    /// z = activation and gate of z.
    fn activate(&mut self, isa: Isa, len: usize) {
        let rows = self.bottleneck;
        let secondary = match &self.gate {
            Gate::None => return ops::activate(isa, &self.function, &mut self.z, rows, len),
            Gate::Gated(function) | Gate::Blended(function) => function,
        };
        self.side.copy_from(&self.z, rows..2 * rows, len);
        self.third.copy_from(&self.z, 0..rows, len);
        ops::activate(isa, secondary, &mut self.side, rows, len);
        if let Gate::Gated(_) = self.gate {
            ops::activate(isa, &self.function, &mut self.z, rows, len);
            let side = [self.side.samples(), &[]];
            ops::combine(isa, Combine::Multiply, &mut self.z, side, rows, len);
        } else {
            ops::activate(isa, &self.function, &mut self.third, rows, len);
            let others = [self.side.samples(), self.third.samples()];
            ops::combine(isa, Combine::Blend, &mut self.z, others, rows, len);
        }
    }

    /// next = the layer's input + side, or the input alone without a 1x1.
    fn pass_on(&self, line: &Line, next: Target, len: usize) {
        for c in 0..self.width {
            let to = &mut next.samples[c * next.stride + next.at..][..len];
            to.copy_from_slice(line.row(c, len));
            if self.layer1x1.is_some() {
                for (y, x) in to.iter_mut().zip(self.side.row(c, len)) {
                    *y += x;
                }
            }
        }
    }
}
