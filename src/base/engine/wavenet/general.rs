//! Any WaveNet layer as whole passes: modulations, gates, groups, head 1x1.

use super::modulate;
use crate::engine::activation::Function;
use crate::engine::block::{Block, Line, ROW};
use crate::engine::matrix::{Matrix, Source};
use crate::engine::ops::{self, Combine, Target};
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

#[derive(Debug)]
struct Film {
    matrix: Matrix,
    shift: bool,
}

impl Film {
    fn new(film: &WaveFilm, plan: &Plan) -> Result<Self, DescriptionError> {
        let matrix = Matrix::new(&film.conv, ROW, plan)?;
        let shift = film.shift;
        Ok(Self { matrix, shift })
    }
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

    pub(super) fn process(
        &mut self,
        isa: Isa,
        line: &Line,
        cond: Source,
        next: Target,
        head: Target,
        len: usize,
    ) {
        self.convolve(isa, line, cond, len);
        self.mix(isa, cond, len);
        ops::combine(
            isa,
            Combine::Add,
            &mut self.z,
            [self.side.samples(), &[]],
            self.middle,
            len,
        );
        film(
            isa,
            &self.activation_pre,
            &mut self.z,
            &mut self.values,
            cond,
            self.middle,
            len,
        );
        self.activate(isa, len);
        film(
            isa,
            &self.activation_post,
            &mut self.z,
            &mut self.values,
            cond,
            self.bottleneck,
            len,
        );
        match &self.head1x1 {
            Some(matrix) => {
                pass(isa, matrix, &self.z, &mut self.side, len);
                let rows = self.head_channels;
                film(
                    isa,
                    &self.head1x1_post,
                    &mut self.side,
                    &mut self.values,
                    cond,
                    rows,
                    len,
                );
                ops::add_to(&self.side, head, rows, len);
            }
            None => ops::add_to(&self.z, head, self.bottleneck, len),
        }
        if let Some(matrix) = &self.layer1x1 {
            pass(isa, matrix, &self.z, &mut self.side, len);
            film(
                isa,
                &self.layer1x1_post,
                &mut self.side,
                &mut self.values,
                cond,
                self.width,
                len,
            );
        }
        self.pass_on(line, next, len);
    }

    /// z = the convolution, modulated before and after.
    fn convolve(&mut self, isa: Isa, line: &Line, cond: Source, len: usize) {
        let target = Target {
            samples: self.z.samples_mut(),
            at: 0,
            stride: ROW,
        };
        match &mut self.modulated {
            None => {
                let source = Source {
                    samples: line.samples(),
                    at: line.at(),
                };
                ops::multiply(isa, &self.conv, source, target, len);
            }
            Some((film, own)) => {
                for c in 0..self.width {
                    let from = &line.samples()[c * line.stride() + line.at()..][..len];
                    self.side.row_mut(c, len).copy_from_slice(from);
                }
                apply(
                    isa,
                    film,
                    &mut self.side,
                    &mut self.values,
                    cond,
                    self.width,
                    len,
                );
                for c in 0..self.width {
                    own.row_mut(c, len).copy_from_slice(self.side.row(c, len));
                }
                let source = Source {
                    samples: own.samples(),
                    at: own.at(),
                };
                ops::multiply(isa, &self.conv, source, target, len);
                own.advance(len);
            }
        }
        film(
            isa,
            &self.conv_post,
            &mut self.z,
            &mut self.values,
            cond,
            self.middle,
            len,
        );
    }

    /// side = the mixer, modulated before and after.
    fn mix(&mut self, isa: Isa, cond: Source, len: usize) {
        let target = Target {
            samples: self.side.samples_mut(),
            at: 0,
            stride: ROW,
        };
        match &self.mixer_pre {
            None => ops::multiply(isa, &self.mixer, cond, target, len),
            Some(film) => {
                for c in 0..self.condition {
                    let from = &cond.samples[c * ROW + cond.at..][..len];
                    self.third.row_mut(c, len).copy_from_slice(from);
                }
                apply(
                    isa,
                    film,
                    &mut self.third,
                    &mut self.values,
                    cond,
                    self.condition,
                    len,
                );
                let source = Source {
                    samples: self.third.samples(),
                    at: 0,
                };
                ops::multiply(isa, &self.mixer, source, target, len);
            }
        }
        film(
            isa,
            &self.mixer_post,
            &mut self.side,
            &mut self.values,
            cond,
            self.middle,
            len,
        );
    }

    /// z = activation and gate of z.
    fn activate(&mut self, isa: Isa, len: usize) {
        let rows = self.bottleneck;
        let secondary = match &self.gate {
            Gate::None => return ops::activate(isa, &self.function, &mut self.z, rows, len),
            Gate::Gated(function) | Gate::Blended(function) => function,
        };
        for r in 0..rows {
            self.side
                .row_mut(r, len)
                .copy_from_slice(self.z.row(rows + r, len));
            self.third
                .row_mut(r, len)
                .copy_from_slice(self.z.row(r, len));
        }
        ops::activate(isa, secondary, &mut self.side, rows, len);
        if let Gate::Gated(_) = self.gate {
            ops::activate(isa, &self.function, &mut self.z, rows, len);
            ops::combine(
                isa,
                Combine::Multiply,
                &mut self.z,
                [self.side.samples(), &[]],
                rows,
                len,
            );
        } else {
            ops::activate(isa, &self.function, &mut self.third, rows, len);
            let others = [self.side.samples(), self.third.samples()];
            ops::combine(isa, Combine::Blend, &mut self.z, others, rows, len);
        }
    }

    /// next = the layer's input + side, or the input alone without a 1x1.
    fn pass_on(&self, line: &Line, next: Target, len: usize) {
        for c in 0..self.width {
            let x = &line.samples()[c * line.stride() + line.at()..][..len];
            let to = &mut next.samples[c * next.stride + next.at..][..len];
            to.copy_from_slice(x);
            if self.layer1x1.is_some() {
                for (y, x) in to.iter_mut().zip(self.side.row(c, len)) {
                    *y += x;
                }
            }
        }
    }
}

fn pass(isa: Isa, matrix: &Matrix, from: &Block, to: &mut Block, len: usize) {
    let source = Source {
        samples: from.samples(),
        at: 0,
    };
    let target = Target {
        samples: to.samples_mut(),
        at: 0,
        stride: ROW,
    };
    ops::multiply(isa, matrix, source, target, len);
}

fn film(
    isa: Isa,
    film: &Option<Film>,
    block: &mut Block,
    values: &mut Block,
    cond: Source,
    rows: usize,
    len: usize,
) {
    if let Some(film) = film {
        apply(isa, film, block, values, cond, rows, len);
    }
}

fn apply(
    isa: Isa,
    film: &Film,
    block: &mut Block,
    values: &mut Block,
    cond: Source,
    rows: usize,
    len: usize,
) {
    let target = Target {
        samples: values.samples_mut(),
        at: 0,
        stride: ROW,
    };
    ops::multiply(isa, &film.matrix, cond, target, len);
    modulate(isa, film.shift, block, values, rows, len);
}
