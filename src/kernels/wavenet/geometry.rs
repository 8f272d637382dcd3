//! How a task's time is cut into segments, and where its signals lie.
//!
//! Signals of a task are aligned at their end. A *time* counts samples from the beginning of the
//! first segment; segments are equally long, so that the task's input begins at time
//! [`Geometry::start`] somewhere within the first. A signal has no samples before its own start.
//! Knows no weight and no arithmetic.

use std::ops::Range;

use super::shape::{LayerArray, WaveNet};
use crate::kernels::memory::padded;

/// Samples of a tile: what lives between convolution and residual stays in the first-level cache.
pub const TILE: usize = 96;

/// Samples of a segment, a whole number of tiles: what goes from layer to layer stays in the
/// second-level cache, and one factor of a layer's weight gradients in the first. Shorter ones
/// would spend more on adding a segment's sums to the running ones.
pub const SEGMENT: usize = 480;

/// Of how many layers in a row one input is kept whole; see the [module page](super).
const KEPT_EVERY: usize = 12;

/// Times and places of all signals of a task.
///
/// What is kept: the leads (see [`LayerGeometry::lead`]) and then, for each segment, a *page* of
/// signals, each `[row][segment]`, in the order in which the forward pass writes them.
#[derive(Debug)]
pub struct Geometry {
    /// Samples of its output and of its input.
    pub out_len: usize,
    pub in_len: usize,
    /// Samples per segment.
    pub segment: usize,
    /// How many segments.
    pub segments: usize,
    pub arrays: Vec<ArrayGeometry>,
    /// Floats of all leads.
    pub leads: usize,
    /// Floats of a page.
    pub page: usize,
}

#[derive(Debug)]
pub struct ArrayGeometry {
    pub layers: Vec<LayerGeometry>,
    /// When the sum of the activations, as far as anyone reads it, starts.
    pub head_start: usize,
    /// Where in a page that sum lies.
    pub head: usize,
    /// When the head convolution's output starts.
    pub head_out_start: usize,
    /// Where in a page the output of the last layer lies, but for the last array, where nobody
    /// reads it.
    pub output: Option<usize>,
}

#[derive(Debug)]
pub struct LayerGeometry {
    /// When the layer's input starts.
    pub input_start: usize,
    /// When its output starts.
    pub start: usize,
    /// Where in a page what is kept of it begins.
    pub begin: usize,
    /// Where in a page its activation lies.
    pub acts: usize,
    /// Where in a page its input lies, where that is kept whole.
    pub input: Option<usize>,
    /// Where among the leads its input lies from its start to that of its output
    /// `[channels][context]`, where it is not kept whole.
    pub lead: usize,
}

impl Geometry {
    pub fn new(net: &WaveNet, out_len: usize) -> Geometry {
        let in_len = out_len + net.receptive_field() - 1;
        let segment = SEGMENT.min(padded(in_len.max(1)));
        let segments = in_len.max(1).div_ceil(segment);
        let mut places = Places {
            end: segments * segment,
            start: segments * segment - in_len,
            segment,
            page: 0,
            leads: 0,
        };
        let arrays = (0..net.arrays.len())
            .map(|at| places.array(net, at, out_len))
            .collect();
        Geometry {
            out_len,
            in_len,
            segment,
            segments,
            arrays,
            leads: padded(places.leads),
            page: places.page,
        }
    }

    /// When the task's input starts.
    pub fn start(&self) -> usize {
        self.end() - self.in_len
    }

    /// When everything ends.
    pub fn end(&self) -> usize {
        self.segments * self.segment
    }

    /// Floats of all that is kept.
    pub fn size(&self) -> usize {
        self.leads + self.segments * self.page
    }

    /// The part of segment `at` that is not before `start`.
    pub fn from(&self, at: usize, start: usize) -> Range<usize> {
        let end = (at + 1) * self.segment;
        start.clamp(at * self.segment, end)..end
    }

    /// Row starts of signals in a page and of the gradients of a segment.
    pub fn rows(&self, count: usize) -> Vec<usize> {
        (0..count).map(|row| row * self.segment).collect()
    }
}

/// Where the next signal goes.
struct Places {
    end: usize,
    /// When the signal that goes from layer to layer starts.
    start: usize,
    segment: usize,
    page: usize,
    leads: usize,
}

impl Places {
    /// `rows` rows of a page.
    fn take(&mut self, rows: usize) -> usize {
        self.page += rows * self.segment;
        self.page - rows * self.segment
    }

    fn array(&mut self, net: &WaveNet, at: usize, out_len: usize) -> ArrayGeometry {
        let array = &net.arrays[at];
        let last = at + 1 == net.arrays.len();
        let count = array.layers.len();
        let layers = (0..count)
            .map(|index| {
                let undone = count - 1 - index;
                let kept = match last {
                    true => undone.is_multiple_of(KEPT_EVERY),
                    false => (undone + 1).is_multiple_of(KEPT_EVERY),
                };
                self.layer(array, index, kept)
            })
            .collect();
        let output = (!last).then(|| self.take(array.channels));
        let head = self.take(array.channels);
        let behind = match last {
            true => 0,
            false => net.head_behind(at + 1),
        };
        let head_out_start = self.end - out_len - behind;
        ArrayGeometry {
            layers,
            head_start: head_out_start - (array.head_kernel_size - 1),
            head,
            head_out_start,
            output,
        }
    }

    fn layer(&mut self, array: &LayerArray, index: usize, kept: bool) -> LayerGeometry {
        let layer = &array.layers[index];
        let (input_start, lead) = (self.start, self.leads);
        self.start += layer.context();
        if !kept {
            self.leads += array.channels * layer.context();
        }
        LayerGeometry {
            input_start,
            start: self.start,
            begin: self.page,
            input: kept.then(|| self.take(array.channels)),
            acts: self.take(if layer.gated { 2 } else { 1 } * array.channels),
            lead,
        }
    }
}

/// `range` in pieces that end at whole tiles and at `cut`: (first, how many).
pub fn pieces(range: Range<usize>, cut: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut from = range.start;
    std::iter::from_fn(move || {
        if from >= range.end {
            return None;
        }
        let mut to = ((from / TILE + 1) * TILE).min(range.end);
        if from < cut && cut < to {
            to = cut;
        }
        let piece = (from, to - from);
        from = to;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::super::shape::Layer;
    use super::*;
    use crate::kernels::activation::Activation;

    fn net() -> WaveNet {
        let layer = |kernel_size, dilation| Layer {
            kernel_size,
            dilation,
            activation: Activation::Tanh,
            gated: false,
        };
        WaveNet {
            in_channels: 1,
            arrays: vec![LayerArray {
                channels: 2,
                layers: vec![layer(3, 700), layer(2, 1)],
                head_channels: 1,
                head_kernel_size: 4,
                head_bias: true,
            }],
            head_scale: 1.0,
        }
    }

    #[test]
    fn segments_cover_every_signal_once() {
        for out_len in [1, 5, 475, 480, 481, 4000] {
            let geometry = Geometry::new(&net(), out_len);
            for start in [geometry.start(), geometry.arrays[0].head_out_start] {
                let parts = (0..geometry.segments).map(|at| geometry.from(at, start));
                let covered: Vec<usize> = parts.flatten().collect();
                assert_eq!(covered, (start..geometry.end()).collect::<Vec<_>>());
            }
            assert_eq!(geometry.end() - geometry.start(), geometry.in_len);
            assert!(geometry.start() < geometry.segment);
        }
    }

    #[test]
    fn pieces_end_at_tiles_and_at_the_cut() {
        let all: Vec<_> = pieces(90..300, 200).collect();
        assert_eq!(all, [(90, 6), (96, 96), (192, 8), (200, 88), (288, 12)]);
    }
}
