//! Layers one after another, each changing the rows of one block in place.

use super::activation::Function;
use super::block::{Block, Line, ROW};
use super::matrix::Matrix;
use super::ops::{self, Combine};
use super::plan::Plan;
use super::recurrent::RecurrentStack;
use super::state_space::StateSpace;
use super::wavenet::run_conv;
use crate::network::{
    Branches, Conv1d, DescriptionError, Film, Join, Layer, Part, Residual, Split,
};
use crate::simd::{Isa, Simd};

/// A planned sequence of layers.
#[derive(Debug)]
pub(crate) struct Sequence {
    isa: Isa,
    nodes: Vec<Node>,
    widest: usize,
    outputs: usize,
}

#[derive(Debug)]
enum Node {
    Conv {
        line: Line,
        matrix: Matrix,
    },
    Activation {
        function: Function,
        rows: usize,
    },
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Film(Modulation),
    Glu {
        rows: usize,
        gate: Block,
    },
    Residual {
        body: Sequence,
        shortcut: Option<(Line, Matrix)>,
        input: Block,
    },
    Branches(SideBySide),
    Delay(Line),
    Recurrent(RecurrentStack),
    StateSpace(StateSpace),
}

/// Scales and shifts that follow the knobs.
#[derive(Debug)]
struct Modulation {
    generator: Sequence,
    values: Block,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

#[derive(Debug)]
struct SideBySide {
    paths: Vec<Path>,
    join: Join,
    input: Block,
    inputs: usize,
    work: Block,
}

/// A path and the rows of the input it starts from.
#[derive(Debug)]
struct Path {
    first: usize,
    rows: usize,
    sequence: Sequence,
}

impl Sequence {
    /// Plans validated layers that start from `inputs` rows.
    pub(crate) fn new(
        layers: &[Layer],
        inputs: usize,
        plan: &Plan,
    ) -> Result<Self, DescriptionError> {
        let (mut nodes, mut width, mut widest) = (Vec::new(), inputs, inputs);
        let mut rest = layers;
        while let Some((layer, after)) = rest.split_first() {
            let (node, used) = match RecurrentStack::new(rest, plan)? {
                Some((stack, used)) => (Node::Recurrent(stack), used),
                None => (Node::new(layer, width, plan)?, 1),
            };
            for layer in rest.iter().take(used) {
                width = layer.check(width, plan.controls)?;
                widest = widest.max(width);
            }
            widest = widest.max(node.widest());
            nodes.push(node);
            rest = after.get(used - 1..).unwrap_or_default();
        }
        Ok(Self {
            isa: plan.isa,
            nodes,
            widest,
            outputs: width,
        })
    }

    /// Rows the block must have.
    pub(crate) fn widest(&self) -> usize {
        self.widest
    }

    /// Replaces the input in `block` by the output, for `len` samples.
    pub(crate) fn process(&mut self, block: &mut Block, len: usize) {
        for node in &mut self.nodes {
            node.process(self.isa, block, len);
        }
    }

    /// Forgets everything heard.
    pub(crate) fn reset(&mut self) {
        for node in &mut self.nodes {
            match node {
                Node::Conv { line, .. } | Node::Delay(line) => line.reset(),
                Node::Residual { body, shortcut, .. } => {
                    body.reset();
                    if let Some((line, _)) = shortcut {
                        line.reset();
                    }
                }
                Node::Branches(b) => b.paths.iter_mut().for_each(|p| p.sequence.reset()),
                Node::Recurrent(stack) => stack.reset(),
                Node::StateSpace(layer) => layer.reset(),
                Node::Activation { .. }
                | Node::Affine { .. }
                | Node::Film(_)
                | Node::Glu { .. } => {}
            }
        }
    }

    /// Moves the knobs.
    pub(crate) fn set_controls(&mut self, controls: &[f32]) {
        for node in &mut self.nodes {
            match node {
                Node::Film(film) => film.set_controls(controls),
                Node::Residual { body, .. } => body.set_controls(controls),
                Node::Branches(b) => {
                    b.paths
                        .iter_mut()
                        .for_each(|p| p.sequence.set_controls(controls));
                }
                _ => {}
            }
        }
    }
}

fn conv(conv: &Conv1d, plan: &Plan) -> Result<(Line, Matrix), DescriptionError> {
    let line = Line::new(conv.in_channels, conv.lookback(), plan)?;
    let matrix = Matrix::new(conv, line.stride(), plan)?;
    Ok((line, matrix))
}

impl Node {
    fn new(layer: &Layer, width: usize, plan: &Plan) -> Result<Self, DescriptionError> {
        Ok(match layer {
            Layer::Conv1d(net) => {
                let (line, matrix) = conv(net, plan)?;
                Self::Conv { line, matrix }
            }
            Layer::Activation(activation) => Self::Activation {
                function: Function::new(activation, width),
                rows: width,
            },
            Layer::Affine(affine) => Self::Affine {
                scale: affine.scale.clone(),
                shift: affine.shift.clone(),
            },
            Layer::S4d(layer) => Self::StateSpace(StateSpace::new(layer, plan)?),
            Layer::Film(film) => Self::Film(Modulation::new(film, width, plan)?),
            Layer::Glu => Self::Glu {
                rows: width / 2,
                gate: Block::new(width / 2, plan)?,
            },
            Layer::Residual(Residual { body, shortcut }) => Self::Residual {
                body: Sequence::new(body, width, plan)?,
                shortcut: shortcut.as_ref().map(|net| conv(net, plan)).transpose()?,
                input: {
                    let outputs = shortcut.as_ref().map_or(0, |c| c.out_channels);
                    Block::new(width.max(outputs), plan)?
                },
            },
            Layer::Branches(branches) => Self::Branches(SideBySide::new(branches, width, plan)?),
            Layer::Delay(delay) => {
                Self::Delay(Line::new(delay.channels, Some(delay.samples), plan)?)
            }
            Layer::Lstm(_) | Layer::Gru(_) => {
                // `Sequence::new` plans these as stacks; they never arrive here one by one.
                return Err(DescriptionError::invalid(
                    "recurrent layer",
                    "was not planned",
                ));
            }
        })
    }

    fn widest(&self) -> usize {
        match self {
            Self::Residual { body, .. } => body.widest,
            Self::Branches(branches) => branches.outputs(),
            _ => 0,
        }
    }

    fn process(&mut self, isa: Isa, block: &mut Block, len: usize) {
        match self {
            Self::Conv { line, matrix } => run_conv(isa, line, matrix, block, len),
            Self::Activation { function, rows } => ops::activate(isa, function, block, *rows, len),
            Self::Affine { scale, shift } => ops::scale_shift(isa, scale, shift, block, len),
            Self::Film(film) => ops::scale_shift(isa, &film.scale, &film.shift, block, len),
            Self::Glu { rows, gate } => {
                for r in 0..*rows {
                    gate.row_mut(r, len)
                        .copy_from_slice(block.row(*rows + r, len));
                }
                ops::activate(isa, &Function::Sigmoid, gate, *rows, len);
                ops::combine(
                    isa,
                    Combine::Multiply,
                    block,
                    [gate.samples(), &[]],
                    *rows,
                    len,
                );
            }
            Self::Residual {
                body,
                shortcut,
                input,
            } => {
                let rows = shortcut
                    .as_ref()
                    .map_or(body.outputs, |(line, _)| line.channels());
                for r in 0..rows {
                    input.row_mut(r, len).copy_from_slice(block.row(r, len));
                }
                body.process(block, len);
                if let Some((line, matrix)) = shortcut {
                    run_conv(isa, line, matrix, input, len);
                }
                let others = [input.samples(), &[]];
                ops::combine(isa, Combine::Add, block, others, body.outputs, len);
            }
            Self::Branches(branches) => branches.process(isa, block, len),
            Self::Delay(line) => {
                for c in 0..line.channels() {
                    line.row_mut(c, len).copy_from_slice(block.row(c, len));
                    let start = c * line.stride() + line.at() - line.lookback();
                    block
                        .row_mut(c, len)
                        .copy_from_slice(&line.samples()[start..start + len]);
                }
                line.advance(len);
            }
            Self::Recurrent(stack) => stack.process(block, len),
            Self::StateSpace(layer) => layer.process(block, len),
        }
    }
}

impl Modulation {
    fn new(film: &Film, rows: usize, plan: &Plan) -> Result<Self, DescriptionError> {
        let generator = Sequence::new(&film.generator, plan.controls, plan)?;
        let values = Block::new(generator.widest, plan)?;
        let shift = if film.shift {
            generator.outputs - rows
        } else {
            0
        };
        Ok(Self {
            generator,
            values,
            scale: vec![0.0; rows],
            shift: vec![0.0; shift.max(rows)],
        })
    }

    fn set_controls(&mut self, controls: &[f32]) {
        for (row, control) in controls.iter().enumerate() {
            self.values.row_mut(row, 1)[0] = *control;
        }
        self.generator.process(&mut self.values, 1);
        let rows = self.scale.len();
        for row in 0..rows {
            self.scale[row] = self.values.row(row, 1)[0];
            if self.generator.outputs > rows {
                self.shift[row] = self.values.row(rows + row, 1)[0];
            }
        }
    }
}

impl SideBySide {
    fn new(branches: &Branches, inputs: usize, plan: &Plan) -> Result<Self, DescriptionError> {
        let widths = branches.input_widths(inputs)?;
        let (mut paths, mut at) = (Vec::new(), 0);
        for (layers, rows) in branches.branches.iter().zip(widths) {
            let sequence = Sequence::new(layers, rows, plan)?;
            let first = if branches.split == Split::Copy { 0 } else { at };
            paths.push(Path {
                first,
                rows,
                sequence,
            });
            at += rows;
        }
        let widest = paths.iter().map(|p| p.sequence.widest).max().unwrap_or(1);
        Ok(Self {
            paths,
            join: branches.join,
            input: Block::new(inputs, plan)?,
            inputs,
            work: Block::new(widest, plan)?,
        })
    }

    fn outputs(&self) -> usize {
        let outputs = self.paths.iter().map(|p| p.sequence.outputs);
        match self.join {
            Join::Concat => outputs.sum(),
            Join::Sum => outputs.max().unwrap_or(0),
        }
    }

    fn process(&mut self, isa: Isa, block: &mut Block, len: usize) {
        for r in 0..self.inputs {
            self.input
                .row_mut(r, len)
                .copy_from_slice(block.row(r, len));
        }
        let mut at = 0;
        for (i, path) in self.paths.iter_mut().enumerate() {
            for r in 0..path.rows {
                self.work
                    .row_mut(r, len)
                    .copy_from_slice(self.input.row(path.first + r, len));
            }
            path.sequence.process(&mut self.work, len);
            let rows = path.sequence.outputs;
            if self.join == Join::Sum && i > 0 {
                let others = [self.work.samples(), &[]];
                ops::combine(isa, Combine::Add, block, others, rows, len);
                continue;
            }
            for r in 0..rows {
                block
                    .row_mut(at + r, len)
                    .copy_from_slice(self.work.row(r, len));
            }
            if self.join == Join::Concat {
                at += rows;
            }
        }
    }
}

/// Rows to `[time][channel]`, `width ≥ rows` apart; what lies between is left alone.
pub(crate) fn to_time_major(block: &Block, rows: usize, len: usize, to: &mut [f32], width: usize) {
    for r in 0..rows {
        for (x, y) in block.samples()[r * ROW..][..len]
            .iter()
            .zip(to[r..].iter_mut().step_by(width))
        {
            *y = *x;
        }
    }
}

/// `[time][channel]`, `width` apart, to rows.
pub(crate) fn from_time_major(
    from: &[f32],
    width: usize,
    block: &mut Block,
    rows: usize,
    len: usize,
) {
    for r in 0..rows {
        for (x, y) in from[r..].iter().step_by(width).zip(block.row_mut(r, len)) {
            *y = *x;
        }
    }
}

/// Values this small are taken for zero in states that decay: below them lie the denormal
/// numbers, on which processors are slow, above them nothing anyone hears (−500 dB).
pub(crate) const TINY: f32 = 1e-25;

/// Zero where |x| is below [`TINY`].
#[inline(always)]
pub(crate) fn flush<S: Simd>(s: S, x: S::V) -> S::V {
    let size = s.max(x, s.sub(s.zero(), x));
    s.select_positive(s.sub(size, s.splat(TINY)), x, s.zero())
}
