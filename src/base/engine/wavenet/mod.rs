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
use super::block::{Block, Line, ROW, Source, Target};
use super::layers::Conv;
use super::matrix::Matrix;
use super::node::{Node, Plannable};
use super::ops;
use super::plan::Plan;
use crate::network::{DescriptionError, LayerArray, PostStackHead, WaveLayer, WaveNet};
use crate::simd::Isa;
use fused::FusedLayer;
use general::GeneralLayer;

#[derive(Debug)]
struct WaveNetNode {
    isa: Isa,
    input_channels: usize,
    condition: Option<Box<dyn Node>>,
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
    layers: Vec<PlannedLayer>,
    /// The input of every layer.
    lines: Vec<Line>,
    /// The output of the last layer.
    out: Block,
    /// The sum of all layers' heads.
    head: Line,
    head_rechannel: Matrix,
}

#[derive(Debug)]
enum PlannedLayer {
    Fused(Box<FusedLayer>),
    General(Box<GeneralLayer>),
}

/// An activation and a convolution after the arrays.
#[derive(Debug)]
struct Post {
    function: Function,
    conv: Conv,
}

impl Plannable for WaveNet {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let condition = self.condition.as_ref();
        let condition = condition.map(|net| net.node(inputs, plan)).transpose()?;
        let last = self.arrays.len().saturating_sub(1);
        let mut arrays = Vec::with_capacity(self.arrays.len());
        for (i, array) in self.arrays.iter().enumerate() {
            arrays.push(Array::new(array, plan, i == last)?);
        }
        let outputs = self.output_channels();
        let arrays_outputs = arrays.last().map_or(1, |a| a.head_rechannel.outputs());
        let behind = self.head.iter().flat_map(|head| &head.convs);
        let post_outputs = behind.map(|conv| conv.out_channels).max().unwrap_or(1);
        let cond = condition.as_ref().map_or(0, |c| c.widest());
        let cond = cond.max(self.condition_channels()).max(self.input_channels);
        Ok(Box::new(WaveNetNode {
            isa: plan.isa,
            input_channels: self.input_channels,
            condition,
            cond: Block::new(cond, plan)?,
            arrays,
            result: Block::new(arrays_outputs.max(post_outputs), plan)?,
            outputs,
            head_scale: self.head_scale,
            post: self.head.as_ref().map_or(Ok(vec![]), |h| post(h, plan))?,
        }))
    }
}

impl Node for WaveNetNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        self.cond.copy_from(block, 0..self.input_channels, len);
        if let Some(condition) = &mut self.condition {
            condition.process(&mut self.cond, len);
        }
        let cond = self.cond.source();
        for i in 0..self.arrays.len() {
            let (before, rest) = self.arrays.split_at_mut(i);
            let Some((array, after)) = rest.split_first_mut() else {
                break;
            };
            let input = before.last().map_or(block.source(), |a| a.out.source());
            array.layers(self.isa, input, cond, i == 0, len);
            let target = match after.first_mut() {
                Some(next) => next.head.target(),
                None => self.result.target(),
            };
            let head = array.head.source();
            ops::multiply(self.isa, &array.head_rechannel, head, target, len);
            array.advance(len);
        }
        self.finish(block, len);
    }

    fn reset(&mut self) {
        if let Some(condition) = &mut self.condition {
            condition.reset();
        }
        for array in &mut self.arrays {
            array.lines.iter_mut().for_each(Line::reset);
            for layer in &mut array.layers {
                if let PlannedLayer::General(layer) = layer {
                    layer.reset();
                }
            }
            array.head.reset();
        }
        self.post.iter_mut().for_each(|post| post.conv.reset());
    }

    fn set_controls(&mut self, controls: &[f32]) {
        if let Some(condition) = &mut self.condition {
            condition.set_controls(controls);
        }
    }
}

impl WaveNetNode {
    /// Scale, post-stack head, and into `block`.
    fn finish(&mut self, block: &mut Block, len: usize) {
        let rows = self.arrays.last().map_or(1, |a| a.head_rechannel.outputs());
        for r in 0..rows {
            for y in self.result.row_mut(r, len) {
                *y *= self.head_scale;
            }
        }
        for Post { function, conv } in &mut self.post {
            ops::activate(self.isa, function, &mut self.result, conv.inputs(), len);
            conv.process(&mut self.result, len);
        }
        block.copy_from(&self.result, 0..self.outputs, len);
    }
}

fn post(head: &PostStackHead, plan: &Plan) -> Result<Vec<Post>, DescriptionError> {
    let each = head.convs.iter().map(|conv| {
        Ok(Post {
            function: Function::new(&head.activation, conv.in_channels),
            conv: Conv::new(conv, plan)?,
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
            layers.push(PlannedLayer::new(layer, &line, plan, passes_on)?);
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
        ops::multiply(isa, &self.rechannel, input, line.target(), len);
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let (read, write) = self.lines.split_at_mut(i + 1);
            let next = match write.first_mut() {
                Some(next) => next.target(),
                None => self.out.target(),
            };
            layer.process(isa, &read[i], cond, next, self.head.target(), len);
        }
    }

    fn advance(&mut self, len: usize) {
        for line in &mut self.lines {
            line.advance(len);
        }
        self.head.advance(len);
    }
}

impl PlannedLayer {
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

    /// One pass: reads `line` and `cond`, writes `next`, adds to `head`.
    fn process(
        &mut self,
        isa: Isa,
        line: &Line,
        cond: Source,
        next: Target,
        head: Target,
        len: usize,
    ) {
        match self {
            Self::Fused(layer) => layer.process(isa, line, cond, next, head, len),
            Self::General(layer) => layer.process(isa, line, cond, next, head, len),
        }
    }
}
