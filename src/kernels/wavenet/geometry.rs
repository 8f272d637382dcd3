//! How a batch is cut into tasks, a task's time into segments, and where its signals lie.
//!
//! Signals of a task are aligned at their end. A *time* counts samples from the beginning of the
//! first segment; segments are equally long, so that the task's input begins at time
//! [`Geometry::start`] somewhere within the first. A signal has no samples before its own start. Knows no weight and no
//! arithmetic.

use std::ops::Range;

use super::{LayerArray, WaveNet};
use crate::kernels::scratch::{LINE, padded};

/// Samples of a tile: what lives between convolution and residual stays in the first-level cache.
pub const TILE: usize = 96;

/// Samples of a segment, a whole number of tiles: what goes from layer to layer stays in the
/// second-level cache, and one factor of a layer's weight gradients in the first. Shorter ones
/// would spend more on adding a segment's sums to the running ones.
pub const SEGMENT: usize = 480;

/// Of how many layers in a row one input is kept whole; see the [module page](super).
const KEPT_EVERY: usize = 12;

/// Samples `from..from + count` of one item's output.
pub struct Task {
    pub item: usize,
    pub from: usize,
    pub count: usize,
}

/// How a batch is cut into tasks: by items and, where these are few and long, by stretches of
/// output, each of which computes its own context.
pub struct Cut {
    pub len: usize,
    pub out_len: usize,
    pub tasks: Vec<Task>,
    /// Of the longest task.
    pub geometry: Geometry,
    /// Of the last task of an item, where that is shorter.
    last: Option<Geometry>,
}

impl Cut {
    pub fn new(net: &WaveNet, batch: usize, x_len: usize) -> Cut {
        const TASKS: usize = 16;
        let len = x_len / (batch * net.in_channels).max(1);
        assert_eq!(x_len, batch * net.in_channels * len);
        let out_len = net.output_len(len);
        // A stretch as long as its context doubles the work: allow a quarter more.
        let parts = TASKS
            .div_ceil(batch.max(1))
            .min(out_len / (4 * net.receptive_field()))
            .max(1);
        let stretch = out_len.div_ceil(parts).max(1);
        let tasks = (0..batch)
            .flat_map(|item| {
                (0..out_len).step_by(stretch).map(move |from| Task {
                    item,
                    from,
                    count: stretch.min(out_len - from),
                })
            })
            .collect();
        let last = out_len % stretch;
        Cut {
            len,
            out_len,
            tasks,
            geometry: Geometry::new(net, stretch),
            last: (last > 0).then(|| Geometry::new(net, last)),
        }
    }

    pub fn geometry_of(&self, task: &Task) -> &Geometry {
        match &self.last {
            Some(last) if task.count == last.out_len => last,
            _ => &self.geometry,
        }
    }
}

/// Times and places of all signals of a task.
///
/// What is kept: the leads (see [`LayerGeometry::lead`]) and then, for each segment, a *page* of
/// signals, each `[row][segment]`, in the order in which the forward pass writes them.
#[derive(Debug)]
pub struct Geometry {
    out_len: usize,
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

/// The distance between rows of `len` samples: whole cache lines, and an odd number of them
/// modulo a page, since rows a multiple of 4 KiB apart would fight over the same few lines of the
/// first-level cache.
pub fn row_stride(len: usize) -> usize {
    const PAGE: usize = 64;
    let lines = len.div_ceil(LINE);
    LINE * (lines + (PAGE + 7 - lines % PAGE) % PAGE)
}

/// Rows that hold the current segment and a context: forward, the samples before it; backward,
/// those behind it. The rows are longer than that, so that the context need be moved only every
/// few segments.
#[derive(Debug, Clone)]
pub struct Window {
    offset: usize,
    rows: usize,
    pub stride: usize,
    segment: usize,
    context: usize,
    len: usize,
    /// Where in a row the current segment starts.
    first: usize,
}

impl Window {
    /// `rows` rows from float `offset` on, at the first segment.
    pub fn forward(offset: usize, rows: usize, context: usize, segment: usize) -> Window {
        // Whole lines, so that segments start on one.
        let context = padded(context);
        let len = context + (1 + 2 * context / segment) * segment;
        Window {
            offset,
            rows,
            stride: row_stride(len),
            segment,
            context,
            len,
            first: context,
        }
    }

    /// The same at the last segment.
    pub fn backward(offset: usize, rows: usize, context: usize, segment: usize) -> Window {
        let window = Window::forward(offset, rows, context, segment);
        Window {
            first: window.len - window.context - segment,
            ..window
        }
    }

    /// Floats of all rows.
    pub fn size(&self) -> usize {
        self.rows * self.stride
    }

    /// Where the first row starts.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Where the current segment of the first row starts.
    pub fn now(&self) -> usize {
        self.offset + self.first
    }

    /// On to the next segment.
    pub fn advance(&mut self, memory: &mut [f32]) {
        let end = self.first + self.segment;
        self.first = end;
        if end + self.segment > self.len {
            self.move_context(memory, end - self.context, 0);
            self.first = self.context;
        }
    }

    /// Back to the segment before.
    pub fn retreat(&mut self, memory: &mut [f32]) {
        if self.first < self.segment {
            let to = self.len - self.context;
            self.move_context(memory, self.first, to);
            self.first = to;
        }
        self.first -= self.segment;
    }

    fn move_context(&self, memory: &mut [f32], from: usize, to: usize) {
        for row in 0..self.rows {
            let row = self.offset + row * self.stride;
            memory.copy_within(row + from..row + from + self.context, row + to);
        }
    }

    /// Zeros in all rows, `range` counted from the current segment's start.
    pub fn clear(&self, memory: &mut [f32], range: Range<usize>) {
        for row in 0..self.rows {
            memory[self.now() + row * self.stride..][range.clone()].fill(0.0);
        }
    }

    /// Zeros behind the current segment.
    pub fn clear_context(&self, memory: &mut [f32]) {
        self.clear(memory, self.segment..self.segment + self.context);
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

/// Multiply-adds of a forward pass over one item of `len` samples; see
/// [`WaveNet::multiply_adds`].
pub fn multiply_adds(net: &WaveNet, len: usize) -> usize {
    let geometry = Geometry::new(net, net.output_len(len));
    let (offsets, _) = net.offsets();
    let arrays = net.arrays.iter().zip(&offsets).zip(&geometry.arrays);
    let of_array =
        |((array, offsets), at): ((&LayerArray, &super::ArrayOffsets), &ArrayGeometry)| {
            let channels = array.channels;
            let entering = channels * offsets.in_channels;
            let mut total = entering * (geometry.end() - at.layers[0].input_start);
            for ((layer, offsets), place) in
                array.layers.iter().zip(&offsets.layers).zip(&at.layers)
            {
                let conv = offsets.width * (channels * layer.kernel_size + net.in_channels);
                total += (conv + channels * channels) * (geometry.end() - place.start);
            }
            if at.output.is_none() {
                // Nobody reads the output of the last layer.
                let start = at.layers.last().map_or(0, |place| place.start);
                total -= channels * channels * (geometry.end() - start);
            }
            let head = array.head_channels * channels * array.head_kernel_size;
            total + head * (geometry.end() - at.head_out_start)
        };
    arrays.map(of_array).sum()
}

/// Those of [`multiply_adds`] that read the network's input.
pub fn input_multiply_adds(net: &WaveNet, len: usize) -> usize {
    let geometry = Geometry::new(net, net.output_len(len));
    let (offsets, _) = net.offsets();
    let mixers = geometry.arrays.iter().zip(&offsets).map(|(at, offsets)| {
        let layers = at.layers.iter().zip(&offsets.layers);
        layers
            .map(|(place, layer)| layer.width * (geometry.end() - place.start))
            .sum::<usize>()
    });
    let entering = net.arrays.first().map_or(0, |array| array.channels);
    net.in_channels * (mixers.sum::<usize>() + entering * len)
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, Layer};
    use super::*;

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

    #[test]
    fn windows_remember_a_context_both_ways() {
        const SEGMENT: usize = 32;
        for context in [0, 1, 16, 31, 32, 100] {
            let mut forth = Window::forward(3, 2, context, SEGMENT);
            let mut memory = vec![-1.0; 3 + forth.size()];
            let second = forth.stride;
            for time in 0..20 * SEGMENT {
                if time > 0 && time % SEGMENT == 0 {
                    forth.advance(&mut memory);
                }
                let at = second + forth.now() + time % SEGMENT;
                memory[at] = time as f32;
                if time >= context {
                    assert_eq!(memory[at - context], (time - context) as f32);
                }
            }
            let mut back = Window::backward(3, 2, context, SEGMENT);
            memory.fill(-1.0);
            back.clear_context(&mut memory);
            for time in (0..20 * SEGMENT).rev() {
                if time % SEGMENT == SEGMENT - 1 && time + 1 < 20 * SEGMENT {
                    back.retreat(&mut memory);
                }
                let at = second + back.now() + time % SEGMENT;
                memory[at] = time as f32;
                let exact = match time + context < 20 * SEGMENT {
                    true => (time + context) as f32,
                    false => 0.0,
                };
                assert_eq!(memory[at + context], exact);
            }
        }
    }
}
