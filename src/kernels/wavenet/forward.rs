//! The network over one task, segment by segment, each through all layers. Knows neither gradients
//! nor how a batch is cut.

use std::ops::Range;

use super::geometry::{Geometry, TILE, pieces};
use super::pass::Pass;
use super::shape::{Layer, LayerArray};
use super::window::{Window, row_stride};
use crate::kernels::activation::{Activate, Activation, Gate};
use crate::kernels::memory::scratch;
use crate::kernels::products::combine::{Combine, Start};
use crate::kernels::products::copies::{CopyRows, finish_copies};
use crate::kernels::products::rows::{Rows, RowsMut};

/// Where what the layers hand to each other lies in a task's working memory.
struct Plan {
    /// Distance between the rows of the network's input, which lies first, as long as it is.
    condition: usize,
    arrays: Vec<ArrayPlan>,
    /// Floats of a gated tile.
    product: usize,
    size: usize,
}

struct ArrayPlan {
    /// The input of each layer.
    inputs: Vec<Window>,
    /// The sum of the activations.
    head: Window,
}

impl Plan {
    fn new(pass: &Pass<'_>, geometry: &Geometry) -> Plan {
        let condition = row_stride(geometry.end());
        let mut size = pass.net.in_channels * condition;
        let mut place = |rows: usize, context: usize| {
            let window = Window::forward(size, rows, context, geometry.segment);
            size += window.size();
            window
        };
        let array = |array: &LayerArray| {
            let contexts = array.layers.iter().map(Layer::context);
            ArrayPlan {
                inputs: contexts.map(|c| place(array.channels, c)).collect(),
                head: place(array.channels, array.head_kernel_size - 1),
            }
        };
        let arrays = pass.net.arrays.iter().map(array).collect();
        let channels = pass.net.arrays.iter().map(|array| array.channels).max();
        Plan {
            condition,
            arrays,
            product: channels.unwrap_or(0) * TILE,
            size,
        }
    }

    fn advance(&mut self, memory: &mut [f32]) {
        for array in &mut self.arrays {
            for window in array.inputs.iter_mut().chain([&mut array.head]) {
                window.advance(memory);
            }
        }
    }
}

/// One task.
struct Task<'a> {
    pass: &'a Pass<'a>,
    geometry: &'a Geometry,
    plan: Plan,
    memory: &'a mut [f32],
    /// A tile of activations and the one before, of which `unkept` is yet to be copied to the page.
    tiles: [&'a mut [f32]; 2],
    unkept: Option<Unkept>,
    /// A tile of gated products.
    product: &'a mut [f32],
    /// Row starts in a page, and of gated products.
    rows: Vec<usize>,
    tile_rows: Vec<usize>,
    /// Where the taps of the layer at hand start.
    taps: Vec<usize>,
    /// Whether a backward pass follows.
    keeps: bool,
}

/// Activations on their way into a page.
struct Unkept {
    /// Where in the page they go.
    to: usize,
    rows: usize,
    count: usize,
}

impl Unkept {
    fn copy<'a>(&self, tile: &'a [f32], page: &'a mut [f32], segment: usize) -> CopyRows<'a> {
        CopyRows {
            from: Rows::new(tile, TILE),
            to: RowsMut::new(&mut page[self.to..], segment, self.rows, self.count),
        }
    }
}

impl Pass<'_> {
    /// The network over one task. `kept` is filled with what the backward pass reads, or empty.
    pub fn forward(
        &self,
        geometry: &Geometry,
        x: &[f32],
        x_stride: usize,
        kept: &mut [f32],
        mut y: RowsMut<'_>,
    ) {
        let plan = Plan::new(self, geometry);
        let keeps = !kept.is_empty();
        let page = if keeps { 0 } else { geometry.page };
        scratch::with(plan.size + 5 * plan.product + page, |work| {
            let (memory, work) = work.split_at_mut(plan.size);
            let (tile, work) = work.split_at_mut(2 * plan.product);
            let (other, work) = work.split_at_mut(2 * plan.product);
            let (product, page) = work.split_at_mut(plan.product);
            let channels = plan.product / TILE;
            let most = channels.max(self.net.in_channels);
            let mut task = Task {
                pass: self,
                geometry,
                plan,
                memory,
                tiles: [tile, other],
                unkept: None,
                product,
                rows: geometry.rows(most),
                tile_rows: (0..channels).map(|row| row * TILE).collect(),
                taps: Vec::new(),
                keeps,
            };
            task.condition(x, x_stride);
            let (leads, pages) = kept.split_at_mut(if keeps { geometry.leads } else { 0 });
            for at in 0..geometry.segments {
                let page = match keeps {
                    true => &mut pages[at * geometry.page..][..geometry.page],
                    false => &mut *page,
                };
                if at > 0 {
                    task.plan.advance(task.memory);
                }
                task.segment(at, leads, page, &mut y);
            }
        });
        finish_copies(self.isa);
    }
}

impl Task<'_> {
    fn condition(&mut self, x: &[f32], x_stride: usize) {
        let len = self.geometry.in_len;
        for d in 0..self.pass.net.in_channels {
            let to = d * self.plan.condition + self.geometry.start();
            self.memory[to..][..len].copy_from_slice(&x[d * x_stride..][..len]);
        }
    }

    fn segment(&mut self, at: usize, leads: &mut [f32], page: &mut [f32], y: &mut RowsMut<'_>) {
        for array in 0..self.geometry.arrays.len() {
            self.enter_array(array, at, page);
            for layer in 0..self.geometry.arrays[array].layers.len() {
                if self.keeps {
                    self.keep_input(array, layer, at, leads, page);
                }
                self.layer(array, layer, at, page);
            }
            self.head(array, at, page, y);
        }
        if let Some(unkept) = self.unkept.take() {
            let segment = self.geometry.segment;
            unkept.copy(self.tiles[1], page, segment).run(self.pass.isa);
        }
    }

    /// The convolution that an array begins with.
    fn enter_array(&mut self, array: usize, at: usize, page: &[f32]) {
        let segment = self.geometry.segment;
        let time = self
            .geometry
            .from(at, self.geometry.arrays[array].layers[0].input_start);
        let t = time.start - at * segment;
        let ins = self.pass.offsets[array].in_channels;
        let plan = &self.plan.arrays[array];
        let to = &plan.inputs[0];
        let (before, after) = self.memory.split_at_mut(to.offset());
        self.taps.clear();
        let input = match array {
            0 => {
                let stride = self.plan.condition;
                self.taps.extend((0..ins).map(|row| row * stride));
                &before[time.start..]
            }
            _ => {
                self.taps.extend_from_slice(&self.rows[..ins]);
                let from = self.geometry.arrays[array - 1].output.unwrap_or(0);
                &page[from + t..]
            }
        };
        let channels = self.pass.net.arrays[array].channels;
        let output = &mut after[to.now() - to.offset() + t..];
        Combine {
            weights: &self.pass.weights[array].rechannel,
            input,
            taps: &self.taps,
            start: Start::Zero,
            output: RowsMut::new(output, to.stride, channels, time.len()),
        }
        .run(self.pass.isa);
        if array == 0 {
            plan.head.clear(self.memory, 0..segment);
        }
    }

    /// What the backward pass wants of a layer's input: all, or its lead.
    fn keep_input(
        &self,
        array: usize,
        index: usize,
        at: usize,
        leads: &mut [f32],
        page: &mut [f32],
    ) {
        let layer = &self.geometry.arrays[array].layers[index];
        let window = &self.plan.arrays[array].inputs[index];
        let segment = self.geometry.segment;
        let mut time = self.geometry.from(at, layer.input_start);
        let context = layer.start - layer.input_start;
        let (to, from, stride) = match layer.input {
            Some(input) => (&mut page[input..], at * segment, segment),
            None => {
                time.end = time.end.min(layer.start);
                (&mut leads[layer.lead..], layer.input_start, context)
            }
        };
        if time.is_empty() {
            return;
        }
        let channels = self.pass.net.arrays[array].channels;
        let source = &self.memory[window.now() + time.start - at * segment..];
        CopyRows {
            from: Rows::new(source, window.stride),
            to: RowsMut::new(&mut to[time.start - from..], stride, channels, time.len()),
        }
        .run(self.pass.isa);
    }

    /// One layer over a segment, tile by tile.
    fn layer(&mut self, array: usize, index: usize, at: usize, page: &mut [f32]) {
        let place = &self.geometry.arrays[array];
        let time = self.geometry.from(at, place.layers[index].start);
        self.layer_taps(array, index, at);
        for (from, count) in pieces(time, place.head_start) {
            let t = from - at * self.geometry.segment;
            let heard = from >= place.head_start;
            self.activation_tile(array, index, t, count, heard, page);
            let last = place.output.is_none() && index + 1 == place.layers.len();
            if !last {
                self.residual_tile(array, index, t, count, page);
            }
            if self.keeps {
                self.tiles.swap(0, 1);
                self.unkept = Some(Unkept {
                    to: place.layers[index].acts + t,
                    rows: self.pass.offsets[array].layers[index].width,
                    count,
                });
            }
        }
    }

    /// Where the convolution and the mixer read, for the first sample of segment `at`.
    fn layer_taps(&mut self, array: usize, index: usize, at: usize) {
        let layer = &self.pass.net.arrays[array].layers[index];
        let input = &self.plan.arrays[array].inputs[index];
        let first = input.now() - layer.context();
        self.taps.clear();
        for row in 0..self.pass.net.arrays[array].channels {
            let row = first + row * input.stride;
            let taps = (0..layer.kernel_size).map(|k| row + k * layer.dilation);
            self.taps.extend(taps);
        }
        let now = at * self.geometry.segment;
        let mixer = (0..self.pass.net.in_channels).map(|d| d * self.plan.condition + now);
        self.taps.extend(mixer);
    }

    /// A tile of a layer's activation from the segment's sample `t` on, into `page`, onto the
    /// head where it is `heard`, and, where gated, its product into `self.product`.
    fn activation_tile(
        &mut self,
        array: usize,
        index: usize,
        t: usize,
        count: usize,
        heard: bool,
        page: &mut [f32],
    ) {
        let isa = self.pass.isa;
        let layer = &self.pass.net.arrays[array].layers[index];
        let rows = self.pass.net.arrays[array].channels;
        let weights = &self.pass.weights[array].layers[index];
        let (width, stride) = (weights.conv.rows(), TILE);
        let [tile, other] = &mut self.tiles;
        let mut values = RowsMut::new(tile, stride, width, count);
        let conv = Combine {
            weights: &weights.conv,
            input: &self.memory[t..],
            taps: &self.taps,
            start: Start::Bias(&weights.bias),
            output: values.reborrow(),
        };
        match self.unkept.take() {
            Some(unkept) => conv.run_copying(isa, unkept.copy(other, page, self.geometry.segment)),
            None => conv.run(isa),
        }
        let window = &self.plan.arrays[array].head;
        let head = heard.then(|| {
            RowsMut::new(
                &mut self.memory[window.now() + t..],
                window.stride,
                rows,
                count,
            )
        });
        let activate = |activation, values, head| {
            Activate {
                activation,
                rows,
                values,
                head,
            }
            .run(isa);
        };
        if !layer.gated {
            return activate(layer.activation, values, head);
        }
        let (signal, gate) = values.split(rows);
        activate(layer.activation, signal, None);
        activate(Activation::Sigmoid, gate, None);
        Gate {
            rows,
            values: Rows::new(tile, stride),
            gates: Rows::new(&tile[rows * stride..], stride),
            product: RowsMut::new(self.product, TILE, rows, count),
            head,
        }
        .run(isa);
    }

    /// A tile of a layer's output.
    fn residual_tile(
        &mut self,
        array: usize,
        index: usize,
        t: usize,
        count: usize,
        page: &mut [f32],
    ) {
        let place = &self.geometry.arrays[array];
        let plan = &self.plan.arrays[array];
        let layer = &self.pass.net.arrays[array].layers[index];
        let channels = self.pass.net.arrays[array].channels;
        let weights = &self.pass.weights[array].layers[index];
        let input = &plan.inputs[index];
        // The next layer's input lies behind this one's, the array's output behind all activations.
        let next = plan.inputs.get(index + 1);
        let (before, after) = match next {
            Some(next) => self.memory.split_at_mut(next.offset()),
            None => (&mut *self.memory, &mut [][..]),
        };
        let end = &mut page[place.output.unwrap_or(0)..];
        let (output, stride) = match next {
            Some(next) => (&mut after[next.now() - next.offset() + t..], next.stride),
            None => (&mut end[t..], self.geometry.segment),
        };
        let a = match layer.gated {
            true => &*self.product,
            false => &*self.tiles[0],
        };
        Combine {
            weights: &weights.one_by_one,
            input: a,
            taps: &self.tile_rows[..channels],
            start: Start::RowsAndBias(
                Rows::new(&before[input.now() + t..], input.stride),
                &weights.one_by_one_bias,
            ),
            output: RowsMut::new(output, stride, channels, count),
        }
        .run(self.pass.isa);
    }

    /// The convolution of an array's summed activations, into y or the next array's sum.
    fn head(&mut self, array: usize, at: usize, page: &mut [f32], y: &mut RowsMut<'_>) {
        let segment = self.geometry.segment;
        let (place, shape) = (&self.geometry.arrays[array], &self.pass.net.arrays[array]);
        let window = &self.plan.arrays[array].head;
        if self.keeps {
            let to = &mut page[place.head..];
            CopyRows {
                from: Rows::new(&self.memory[window.now()..], window.stride),
                to: RowsMut::new(to, segment, shape.channels, segment),
            }
            .run(self.pass.isa);
        }
        let time: Range<usize> = self.geometry.from(at, place.head_out_start);
        if time.is_empty() {
            return;
        }
        let t = time.start - at * segment;
        let kernel = shape.head_kernel_size;
        let first = window.now() + t - (kernel - 1);
        let taps = (0..shape.channels)
            .flat_map(|row| (0..kernel).map(move |k| first + row * window.stride + k));
        self.taps.clear();
        self.taps.extend(taps);
        // The next array's sum lies behind this one's.
        let next = self.plan.arrays.get(array + 1).map(|next| &next.head);
        let end = next.map_or(self.memory.len(), Window::offset);
        let (before, after) = self.memory.split_at_mut(end);
        let output = match next {
            None => {
                let from = time.start - place.head_out_start;
                y.reborrow().part(from..from + time.len())
            }
            Some(next) => {
                let to = &mut after[next.now() - next.offset() + t..];
                RowsMut::new(to, next.stride, shape.head_channels, time.len())
            }
        };
        Combine {
            weights: &self.pass.weights[array].head,
            input: before,
            taps: &self.taps,
            start: Start::Bias(&self.pass.weights[array].head_bias),
            output,
        }
        .run(self.pass.isa);
    }
}
