//! WaveNet, streaming.
//!
//! The plain layer (no modulation, no gate, no head 1x1, no groups), which is what captures in
//! use are made of, runs as one fused kernel: for a few vectors of time, convolution, mixer,
//! activation, head sum, 1x1 and residual, with the middle channels in registers or the
//! innermost cache. Every other layer runs the same arithmetic as whole passes, one after
//! another.

mod fused;
mod general;

use super::activation::Function;
use super::block::{Block, Line, ROW};
use super::matrix::{Matrix, Source};
use super::ops::{self, Combine, Target};
use super::plan::{Plan, Planned};
use crate::network::{DescriptionError, LayerArray, PostStackHead, WaveLayer, WaveNet};
use crate::simd::Isa;
use fused::FusedLayer;
use general::GeneralLayer;

/// A planned WaveNet.
#[derive(Debug)]
pub(crate) struct WaveNetNode {
    isa: Isa,
    input_channels: usize,
    condition: Option<Box<Planned>>,
    /// What conditions the layers.
    cond: Block,
    arrays: Vec<Array>,
    result: Block,
    outputs: usize,
    head_scale: f32,
    post: Vec<Post>,
}

#[derive(Debug)]
struct Array {
    rechannel: Matrix,
    layers: Vec<Layer>,
    /// The input of every layer.
    lines: Vec<Line>,
    /// The output of the last layer.
    out: Block,
    /// The sum of all layers' heads.
    head: Line,
    head_rechannel: Matrix,
}

#[derive(Debug)]
enum Layer {
    Fused(Box<FusedLayer>),
    General(Box<GeneralLayer>),
}

/// An activation and a convolution after the arrays.
#[derive(Debug)]
struct Post {
    function: Function,
    inputs: usize,
    line: Line,
    matrix: Matrix,
}

impl WaveNetNode {
    /// Plans a validated network.
    pub(crate) fn new(net: &WaveNet, plan: &Plan) -> Result<Self, DescriptionError> {
        let condition = match &net.condition {
            Some(architecture) => Some(Box::new(Planned::new(architecture, plan)?)),
            None => None,
        };
        let last = net.arrays.len().saturating_sub(1);
        let mut arrays = Vec::with_capacity(net.arrays.len());
        for (i, array) in net.arrays.iter().enumerate() {
            arrays.push(Array::new(array, plan, i == last)?);
        }
        let outputs = net.output_channels();
        let arrays_outputs = net
            .arrays
            .last()
            .map_or(1, |a| a.head_rechannel.out_channels);
        let cond = condition.as_ref().map_or(0, |c| c.widest());
        Ok(Self {
            isa: plan.isa,
            input_channels: net.input_channels,
            condition,
            cond: Block::new(
                cond.max(net.condition_channels()).max(net.input_channels),
                plan,
            )?,
            arrays,
            result: Block::new(arrays_outputs.max(outputs), plan)?,
            outputs,
            head_scale: net.head_scale,
            post: net
                .head
                .as_ref()
                .map_or(Ok(Vec::new()), |h| post(h, plan))?,
        })
    }

    /// Channels in the block before [`WaveNetNode::process`].
    pub(crate) fn inputs(&self) -> usize {
        self.input_channels
    }

    /// Channels in the block after it.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Replaces the input in `block` by the output, for `len` samples.
    pub(crate) fn process(&mut self, block: &mut Block, len: usize) {
        for channel in 0..self.input_channels {
            self.cond
                .row_mut(channel, len)
                .copy_from_slice(block.row(channel, len));
        }
        if let Some(condition) = &mut self.condition {
            condition.process(&mut self.cond, len);
        }
        let cond = Source {
            samples: self.cond.samples(),
            at: 0,
        };
        for i in 0..self.arrays.len() {
            let (before, rest) = self.arrays.split_at_mut(i);
            let Some((array, after)) = rest.split_first_mut() else {
                break;
            };
            let input = before.last().map_or(block.samples(), |a| a.out.samples());
            array.layers(
                self.isa,
                Source {
                    samples: input,
                    at: 0,
                },
                cond,
                i == 0,
                len,
            );
            let target = match after.first_mut() {
                Some(next) => next.head_target(),
                None => Target {
                    samples: self.result.samples_mut(),
                    at: 0,
                    stride: ROW,
                },
            };
            let head = Source {
                samples: array.head.samples(),
                at: array.head.at(),
            };
            ops::multiply(self.isa, &array.head_rechannel, head, target, len);
            array.advance(len);
        }
        self.finish(block, len);
    }

    /// Scale, post-stack head, and into `block`.
    fn finish(&mut self, block: &mut Block, len: usize) {
        let rows = self.arrays.last().map_or(1, |a| a.head_rechannel.outputs());
        for r in 0..rows {
            for y in self.result.row_mut(r, len) {
                *y *= self.head_scale;
            }
        }
        for post in &mut self.post {
            ops::activate(self.isa, &post.function, &mut self.result, post.inputs, len);
            run_conv(
                self.isa,
                &mut post.line,
                &post.matrix,
                &mut self.result,
                len,
            );
        }
        for r in 0..self.outputs {
            block
                .row_mut(r, len)
                .copy_from_slice(self.result.row(r, len));
        }
    }

    /// Forgets everything heard.
    pub(crate) fn reset(&mut self) {
        if let Some(condition) = &mut self.condition {
            condition.reset();
        }
        for array in &mut self.arrays {
            array.lines.iter_mut().for_each(Line::reset);
            for layer in &mut array.layers {
                if let Layer::General(layer) = layer {
                    layer.reset();
                }
            }
            array.head.reset();
        }
        self.post.iter_mut().for_each(|p| p.line.reset());
    }

    /// Moves the knobs.
    pub(crate) fn set_controls(&mut self, controls: &[f32]) {
        if let Some(condition) = &mut self.condition {
            condition.set_controls(controls);
        }
    }
}

/// The rows of `block` through a convolution that remembers them in `line`.
pub(crate) fn run_conv(isa: Isa, line: &mut Line, matrix: &Matrix, block: &mut Block, len: usize) {
    for c in 0..line.channels() {
        line.row_mut(c, len).copy_from_slice(block.row(c, len));
    }
    let source = Source {
        samples: line.samples(),
        at: line.at(),
    };
    let target = Target {
        samples: block.samples_mut(),
        at: 0,
        stride: ROW,
    };
    ops::multiply(isa, matrix, source, target, len);
    line.advance(len);
}

fn post(head: &PostStackHead, plan: &Plan) -> Result<Vec<Post>, DescriptionError> {
    let each = head.convs.iter().map(|conv| {
        let line = Line::new(conv.in_channels, conv.lookback(), plan)?;
        let matrix = Matrix::new(conv, line.stride(), plan)?;
        let function = Function::new(&head.activation, conv.in_channels);
        Ok(Post {
            function,
            inputs: conv.in_channels,
            line,
            matrix,
        })
    });
    each.collect()
}

impl Array {
    fn new(array: &LayerArray, plan: &Plan, last_array: bool) -> Result<Self, DescriptionError> {
        let (mut layers, mut lines) = (Vec::new(), Vec::new());
        for (i, layer) in array.layers.iter().enumerate() {
            let line = Line::new(array.width(), layer.conv.lookback(), plan)?;
            // Nothing reads what the very last layer would pass on.
            let passes_on = !(last_array && i + 1 == array.layers.len());
            layers.push(Layer::new(layer, &line, plan, passes_on)?);
            lines.push(line);
        }
        let rechannel = &array.head_rechannel;
        let head = Line::new(rechannel.in_channels, rechannel.lookback(), plan)?;
        Ok(Self {
            rechannel: Matrix::new(&array.rechannel, ROW, plan)?,
            layers,
            lines,
            out: Block::new(array.width(), plan)?,
            head_rechannel: Matrix::new(rechannel, head.stride(), plan)?,
            head,
        })
    }

    fn head_target(&mut self) -> Target<'_> {
        let (at, stride) = (self.head.at(), self.head.stride());
        Target {
            samples: self.head.samples_mut(),
            at,
            stride,
        }
    }

    /// Runs all layers; their heads are added to `self.head`, which starts at zero if `first`.
    fn layers(&mut self, isa: Isa, input: Source, cond: Source, first: bool, len: usize) {
        if first {
            for c in 0..self.head.channels() {
                self.head.row_mut(c, len).fill(0.0);
            }
        }
        let Some(line) = self.lines.first_mut() else {
            return;
        };
        let (at, stride) = (line.at(), line.stride());
        let target = Target {
            samples: line.samples_mut(),
            at,
            stride,
        };
        ops::multiply(isa, &self.rechannel, input, target, len);
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let (read, write) = self.lines.split_at_mut(i + 1);
            let line = &read[i];
            let next = match write.first_mut() {
                Some(next) => {
                    let (at, stride) = (next.at(), next.stride());
                    Target {
                        samples: next.samples_mut(),
                        at,
                        stride,
                    }
                }
                None => Target {
                    samples: self.out.samples_mut(),
                    at: 0,
                    stride: ROW,
                },
            };
            let (at, stride) = (self.head.at(), self.head.stride());
            let head = Target {
                samples: self.head.samples_mut(),
                at,
                stride,
            };
            match layer {
                Layer::Fused(layer) => layer.process(isa, line, cond, next, head, len),
                Layer::General(layer) => layer.process(isa, line, cond, next, head, len),
            }
        }
    }

    fn advance(&mut self, len: usize) {
        for line in &mut self.lines {
            line.advance(len);
        }
        self.head.advance(len);
    }
}

impl Layer {
    fn new(
        layer: &WaveLayer,
        line: &Line,
        plan: &Plan,
        passes_on: bool,
    ) -> Result<Self, DescriptionError> {
        match FusedLayer::new(layer, line, plan, passes_on)? {
            Some(fused) => Ok(Self::Fused(Box::new(fused))),
            None => Ok(Self::General(Box::new(GeneralLayer::new(
                layer, line, plan,
            )?))),
        }
    }
}

/// Modulates `block`'s rows by scales (and shifts) in `values`.
fn modulate(isa: Isa, shift: bool, block: &mut Block, values: &Block, rows: usize, len: usize) {
    let how = if shift {
        Combine::Modulate
    } else {
        Combine::Multiply
    };
    ops::combine(isa, how, block, [values.samples(), &[]], rows, len);
}
