//! From a description to something that runs: every network as one node on a block of rows.

use super::block::Block;
use super::sequence::Sequence;
use super::wavenet::WaveNetNode;
use super::window::WindowNode;
use crate::network::{Architecture, DescriptionError, bounded};
use crate::simd::Isa;
use std::cell::Cell;

/// What planning needs to know besides the description.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The instruction set all kernels will use.
    pub(crate) isa: Isa,
    /// Number of knobs.
    pub(crate) controls: usize,
    /// Floats that may still be allocated.
    left: Cell<usize>,
}

/// The most floats an engine allocates: 512 MB. The description bounds weights and history; this
/// also bounds what planning adds per channel and per layer, which a hostile file could multiply.
const MAX_FLOATS: usize = 1 << 27;

impl Plan {
    /// A plan that has allocated nothing yet.
    pub(crate) fn new(isa: Isa, controls: usize) -> Self {
        let left = Cell::new(MAX_FLOATS);
        Self {
            isa,
            controls,
            left,
        }
    }

    /// Claims memory for `rows · columns` floats.
    ///
    /// # Errors
    /// There would be more than 512 MB in all.
    pub(crate) fn claim(&self, rows: usize, columns: usize) -> Result<(), DescriptionError> {
        let left = rows
            .checked_mul(columns)
            .and_then(|floats| self.left.get().checked_sub(floats));
        match left {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                let used = MAX_FLOATS - self.left.get();
                let got = used.saturating_add(rows.saturating_mul(columns));
                bounded("working memory in floats", Some(got), MAX_FLOATS)
            }
        }
    }
}

/// A planned network.
#[derive(Debug)]
pub(crate) enum Planned {
    WaveNet(Box<WaveNetNode>),
    Sequence { inputs: usize, sequence: Sequence },
    Window(Box<WindowNode>),
}

impl Planned {
    /// Plans a validated network. Everything that is ever allocated is allocated here.
    pub(crate) fn new(architecture: &Architecture, plan: &Plan) -> Result<Self, DescriptionError> {
        match architecture {
            Architecture::WaveNet(net) => Ok(Self::WaveNet(Box::new(WaveNetNode::new(net, plan)?))),
            Architecture::Sequential(net) => Ok(Self::Sequence {
                inputs: net.input_channels,
                sequence: Sequence::new(&net.layers, net.input_channels, plan)?,
            }),
            Architecture::Window(net) => Ok(Self::Window(Box::new(WindowNode::new(net, plan)?))),
            Architecture::Slimmable(net) => match net.select(f64::INFINITY) {
                Some(network) => Self::new(&network.architecture, plan),
                None => Err(DescriptionError::invalid("submodels", "is empty")),
            },
        }
    }

    /// Rows the block must have.
    pub(crate) fn widest(&self) -> usize {
        match self {
            Self::WaveNet(net) => net.inputs().max(net.outputs()),
            Self::Sequence { inputs, sequence } => sequence.widest().max(*inputs),
            Self::Window(_) => 1,
        }
    }

    /// Replaces the input in `block` by the output, for `len ≤ CHUNK` samples.
    pub(crate) fn process(&mut self, block: &mut Block, len: usize) {
        match self {
            Self::WaveNet(net) => net.process(block, len),
            Self::Sequence { sequence, .. } => sequence.process(block, len),
            Self::Window(net) => net.process(block, len),
        }
    }

    /// Forgets everything heard; recurrent layers return to their initial state.
    pub(crate) fn reset(&mut self) {
        match self {
            Self::WaveNet(net) => net.reset(),
            Self::Sequence { sequence, .. } => sequence.reset(),
            Self::Window(net) => net.reset(),
        }
    }

    /// Moves the knobs.
    pub(crate) fn set_controls(&mut self, controls: &[f32]) {
        match self {
            Self::WaveNet(net) => net.set_controls(controls),
            Self::Sequence { sequence, .. } => sequence.set_controls(controls),
            Self::Window(_) => {}
        }
    }
}
