//! The gradients of one task, segment by segment from the last to the first, each back through
//! all layers.
//!
//! A weight's gradient is a sum over time of gradient × input. It is taken where the *input's*
//! sample lies in the segment: the gradients it meets lie at the same time or up to the layer's
//! context later, where they are known already and kept in a [`Window`]. How a batch is cut is
//! [`super::cut`]'s.

use std::ops::Range;

use super::backward_plan::Plan;
use super::geometry::{Geometry, pieces};
use super::pass::{LayerWeights, Pass};
use crate::kernels::activation::{Activation, Deactivate, Gate, Ungate};
use crate::kernels::memory::{padded, scratch};
use crate::kernels::products::combine::{Combine, Start};
use crate::kernels::products::row_products::RowProducts;
use crate::kernels::products::rows::{Rows, RowsMut};

/// Working memory of a task. But for the first three, rows hold a segment.
struct Work<'a> {
    windows: &'a mut [f32],
    sums: &'a mut [f32],
    /// The network's input, and a row of ones behind it.
    condition: &'a mut [f32],
    /// Gradient of a layer's output, then of its input, and room for the next array's.
    dx: [&'a mut [f32]; 2],
    /// A layer's output where it was recovered, then its input.
    x: [&'a mut [f32]; 2],
    /// Gradient of the current array's summed activations.
    dhead: &'a mut [f32],
    /// The gated product.
    product: &'a mut [f32],
}

impl Pass<'_> {
    /// The gradients of the weights and, if wanted, of the input (else empty), of one task. x and
    /// dy come with the distance between their rows.
    pub fn backward(
        &self,
        geometry: &Geometry,
        x: (&[f32], usize),
        kept: &[f32],
        dy: (&[f32], usize),
        want_x: bool,
    ) -> (Vec<f32>, Vec<f32>) {
        let plan = Plan::new(self, geometry);
        let ins = self.net.in_channels;
        let condition = (ins + 1) * plan.condition;
        let rows = plan.rows;
        let mut gradients = vec![0.0; self.count];
        let mut dx = vec![0.0; if want_x { ins * geometry.in_len } else { 0 }];
        let total = plan.windows + padded(plan.sums) + condition + 6 * rows;
        scratch::with(total, |work| {
            let mut rest = work;
            let mut take = |size| {
                let (this, after) = std::mem::take(&mut rest).split_at_mut(size);
                rest = after;
                this
            };
            let work = Work {
                windows: take(plan.windows),
                sums: take(padded(plan.sums)),
                condition: take(condition),
                dx: [take(rows), take(rows)],
                x: [take(rows), take(rows)],
                dhead: take(rows),
                product: take(rows),
            };
            let mut task = Task {
                pass: self,
                geometry,
                rows: geometry.rows(plan.rows / geometry.segment),
                plan,
                leads: &kept[..geometry.leads],
                pages: &kept[geometry.leads..],
                page: &[],
                dy,
                dx: &mut dx,
                work,
                taps: Vec::new(),
            };
            task.begin(x);
            for at in (0..geometry.segments).rev() {
                task.page = &task.pages[at * geometry.page..][..geometry.page];
                task.segment(at);
            }
            task.plan.gradients(self, task.work.sums, &mut gradients);
        });
        (gradients, dx)
    }
}

/// One task's way back.
struct Task<'a> {
    pass: &'a Pass<'a>,
    geometry: &'a Geometry,
    plan: Plan,
    leads: &'a [f32],
    pages: &'a [f32],
    /// That of the segment at hand.
    page: &'a [f32],
    dy: (&'a [f32], usize),
    dx: &'a mut [f32],
    work: Work<'a>,
    /// Row starts in a page and in a segment's rows.
    rows: Vec<usize>,
    taps: Vec<usize>,
}

/// Where a layer's input, or output, is found.
#[derive(Clone, Copy)]
enum Found {
    /// In the page, from this float on.
    Page(usize),
    /// In `work.x[0]`.
    Recovered,
}

impl<'a> Task<'a> {
    fn begin(&mut self, (x, x_stride): (&[f32], usize)) {
        let (ins, stride) = (self.pass.net.in_channels, self.plan.condition);
        let (start, len) = (self.geometry.start(), self.geometry.in_len);
        for d in 0..ins {
            self.work.condition[d * stride + start..][..len]
                .copy_from_slice(&x[d * x_stride..][..len]);
        }
        self.work.condition[ins * stride..].fill(1.0);
        self.work.sums.fill(0.0);
        // Nothing comes back from behind the end.
        for window in self.plan.windows_mut() {
            window.clear_context(self.work.windows);
        }
    }

    fn segment(&mut self, at: usize) {
        if at + 1 < self.geometry.segments {
            for window in self.plan.windows_mut() {
                window.retreat(self.work.windows);
            }
        }
        let arrays = &self.geometry.arrays;
        for array in (0..arrays.len()).rev() {
            self.head(array, at);
            let mut output = Found::Page(arrays[array].output.unwrap_or(0));
            for index in (0..arrays[array].layers.len()).rev() {
                output = self.layer(array, index, at, output);
            }
            self.rechannel(array, at);
        }
    }

    /// The head convolution of an array: its weights' gradients, and that of the activations' sum.
    fn head(&mut self, array: usize, at: usize) {
        let (segment, isa) = (self.geometry.segment, self.pass.isa);
        let (place, shape) = (&self.geometry.arrays[array], &self.pass.net.arrays[array]);
        let (channels, kernel, outs) =
            (shape.channels, shape.head_kernel_size, shape.head_channels);
        self.head_output(array, at);
        let plan = &self.plan.arrays[array];
        let window = &plan.head;
        let heard = self.geometry.from(at, place.head_out_start);
        let time = self.geometry.from(at, place.head_start);
        // What output times before its first one would send back is nothing.
        let t = time.start - at * segment;
        window.clear(self.work.windows, t..heard.start - at * segment);
        let first = window.now();
        let taps = (0..outs)
            .flat_map(|o| (0..kernel).map(move |k| first + o * window.stride + (kernel - 1 - k)));
        self.taps.clear();
        self.taps.extend(taps);
        RowProducts {
            gradient: Rows::new(&self.page[place.head + t..], segment),
            rows: channels,
            input: &self.work.windows[t..],
            taps: &self.taps,
            len: time.len(),
            products: &mut self.work.sums[plan.head_sums..],
        }
        .run(isa);
        RowProducts {
            gradient: Rows::new(&self.work.windows[window.now() + t..], window.stride),
            rows: outs,
            input: self.work.condition,
            taps: &[self.pass.net.in_channels * self.plan.condition],
            len: time.len(),
            products: &mut self.work.sums[plan.head_bias_sums..],
        }
        .run(isa);
        Combine {
            weights: &self.pass.weights[array].head_back,
            input: &self.work.windows[t..],
            taps: &self.taps,
            start: Start::Zero,
            output: RowsMut::new(&mut self.work.dhead[t..], segment, channels, time.len()),
        }
        .run(isa);
    }

    /// The gradient of the head convolution's output, that of y or of the next array's sum, into
    /// its window.
    fn head_output(&mut self, array: usize, at: usize) {
        let segment = self.geometry.segment;
        let start = self.geometry.arrays[array].head_out_start;
        let time = self.geometry.from(at, start);
        if time.is_empty() {
            return;
        }
        let t = time.start - at * segment;
        let window = &self.plan.arrays[array].head;
        let next = self.geometry.arrays.get(array + 1);
        for o in 0..self.pass.net.arrays[array].head_channels {
            let from = match next {
                None => &self.dy.0[o * self.dy.1 + time.start - start..],
                Some(_) => &self.work.dhead[o * segment + t..],
            };
            self.work.windows[window.now() + o * window.stride + t..][..time.len()]
                .copy_from_slice(&from[..time.len()]);
        }
    }

    /// One layer, whose `output` is found there: `work.dx[0]` holds the gradient of that (unless
    /// nobody reads it), then of the layer's input. Gives where the input is found.
    fn layer(&mut self, array: usize, index: usize, at: usize, output: Found) -> Found {
        let place = &self.geometry.arrays[array];
        let layer = &place.layers[index];
        let last = place.output.is_none() && index + 1 == place.layers.len();
        // The layer's input begins its context before its output.
        let time = self.geometry.from(at, layer.input_start);
        if time.is_empty() {
            return output;
        }
        let heard = self.geometry.from(at, layer.start);
        let first = at * self.geometry.segment;
        let silent = time.start - first..heard.start - first;
        let input = layer.input.map_or(Found::Recovered, Found::Page);
        let window = &self.plan.arrays[array].layers[index].dz;
        window.clear(self.work.windows, silent.clone());
        if layer.input.is_none() {
            self.recall_lead(array, index, at, silent.clone());
        }
        for (from, count) in pieces(heard.clone(), place.head_start) {
            let head = from >= place.head_start;
            self.activation_tile(array, index, from - first, count, head, last);
            if layer.input.is_none() {
                self.input_tile(array, index, from - first, count, output);
            }
        }
        if layer.input.is_none() {
            self.work.x.swap(0, 1);
        }
        let heard = heard.start - first..heard.end - first;
        if !last {
            self.one_by_one_sums(array, index, heard.clone());
        }
        let ahead = self.ahead(array, index, at);
        let time = silent.start..heard.end;
        self.gradient_of_input(array, index, time, heard.start, last, ahead);
        self.conv_sums(array, index, silent.start..heard.end, input);
        self.mixer(array, index, at, heard);
        input
    }

    /// The samples of a layer's input before its output starts, into `work.x[1]`.
    fn recall_lead(&mut self, array: usize, index: usize, at: usize, silent: Range<usize>) {
        if silent.is_empty() {
            return;
        }
        let layer = &self.geometry.arrays[array].layers[index];
        let (context, segment) = (layer.start - layer.input_start, self.geometry.segment);
        let from = at * segment + silent.start - layer.input_start;
        for row in 0..self.pass.net.arrays[array].channels {
            let lead = &self.leads[layer.lead + row * context + from..][..silent.len()];
            self.work.x[1][row * segment..][silent.clone()].copy_from_slice(lead);
        }
    }

    /// The gradient of the convolution's output for `count` samples from the segment's sample t
    /// on, into its window, and, where gated, the activations' product.
    fn activation_tile(
        &mut self,
        array: usize,
        index: usize,
        t: usize,
        count: usize,
        head: bool,
        last: bool,
    ) {
        let (isa, segment) = (self.pass.isa, self.geometry.segment);
        let layer = &self.pass.net.arrays[array].layers[index];
        let rows = self.pass.net.arrays[array].channels;
        let weights = &self.pass.weights[array].layers[index];
        let window = &self.plan.arrays[array].layers[index].dz;
        let to = &mut self.work.windows[window.now() + t..];
        let mut dz = RowsMut::new(to, window.stride, weights.conv.rows(), count);
        Combine {
            weights: match last {
                true => &self.pass.nothing,
                false => &weights.one_by_one_back,
            },
            input: &self.work.dx[0][t..],
            taps: &self.rows[..if last { 0 } else { rows }],
            start: match head {
                true => Start::Rows(Rows::new(&self.work.dhead[t..], segment)),
                false => Start::Zero,
            },
            output: dz.reborrow().first(rows),
        }
        .run(isa);
        let acts = self.geometry.arrays[array].layers[index].acts + t;
        let values = Rows::new(&self.page[acts..], segment);
        let deactivate = |activation, values, gradient| {
            Deactivate {
                activation,
                values,
                rows,
                gradient,
            }
            .run(isa);
        };
        if !layer.gated {
            return deactivate(layer.activation, values, dz);
        }
        let gates = Rows::new(&self.page[acts + rows * segment..], segment);
        Gate {
            rows,
            values,
            gates,
            product: RowsMut::new(&mut self.work.product[t..], segment, rows, count),
            head: None,
        }
        .run(isa);
        Ungate {
            rows,
            values,
            gates,
            gradient: dz.reborrow(),
        }
        .run(isa);
        let (signal, gate) = dz.split(rows);
        deactivate(layer.activation, values, signal);
        deactivate(Activation::Sigmoid, gates, gate);
    }

    /// The layer's input from its output, less what the layer added, into `work.x[1]`.
    fn input_tile(&mut self, array: usize, index: usize, t: usize, count: usize, output: Found) {
        let segment = self.geometry.segment;
        let channels = self.pass.net.arrays[array].channels;
        let weights = &self.pass.weights[array].layers[index];
        let acts = self.geometry.arrays[array].layers[index].acts;
        let a = match self.pass.net.arrays[array].layers[index].gated {
            true => &*self.work.product,
            false => &self.page[acts..],
        };
        let [above, below] = &mut self.work.x;
        let above = match output {
            Found::Page(at) => &self.page[at..],
            Found::Recovered => above,
        };
        Combine {
            weights: &weights.one_by_one_undo,
            input: &a[t..],
            taps: &self.rows[..channels],
            start: Start::RowsAndBias(
                Rows::new(&above[t..], segment),
                &weights.one_by_one_bias_undo,
            ),
            output: RowsMut::new(&mut below[t..], segment, channels, count),
        }
        .run(self.pass.isa);
    }

    /// The gradients of the 1×1 and its bias.
    fn one_by_one_sums(&mut self, array: usize, index: usize, heard: Range<usize>) {
        let segment = self.geometry.segment;
        let channels = self.pass.net.arrays[array].channels;
        let plan = &self.plan.arrays[array].layers[index];
        let acts = self.geometry.arrays[array].layers[index].acts;
        let a = match self.pass.net.arrays[array].layers[index].gated {
            true => &*self.work.product,
            false => &self.page[acts..],
        };
        RowProducts {
            gradient: Rows::new(&self.work.dx[0][heard.start..], segment),
            rows: channels,
            input: &a[heard.start..],
            taps: &self.rows[..channels],
            len: heard.len(),
            products: &mut self.work.sums[plan.one_by_one_sums..],
        }
        .run(self.pass.isa);
        RowProducts {
            gradient: Rows::new(&self.work.dx[0][heard.start..], segment),
            rows: channels,
            input: self.work.condition,
            taps: &[self.pass.net.in_channels * self.plan.condition],
            len: heard.len(),
            products: &mut self.work.sums[plan.one_by_one_bias_sums..],
        }
        .run(self.pass.isa);
    }

    /// The gradient of the layer's input over `time`, from that of its output, which begins at
    /// `start`, and of the convolution's.
    fn gradient_of_input(
        &mut self,
        array: usize,
        index: usize,
        time: Range<usize>,
        start: usize,
        last: bool,
        ahead: &[f32],
    ) {
        let segment = self.geometry.segment;
        let channels = self.pass.net.arrays[array].channels;
        let layer = &self.pass.net.arrays[array].layers[index];
        let weights: &LayerWeights = &self.pass.weights[array].layers[index];
        let window = &self.plan.arrays[array].layers[index].dz;
        let (first, context) = (window.now(), layer.context());
        let taps = (0..weights.conv.rows()).flat_map(|o| {
            let row = first + o * window.stride + context;
            (0..layer.kernel_size).map(move |k| row - k * layer.dilation)
        });
        self.taps.clear();
        self.taps.extend(taps);
        let part = |t: usize| ahead.len() * t / segment;
        for (t, count) in pieces(time, start) {
            Combine {
                weights: &weights.conv_back,
                input: &self.work.windows[t..],
                taps: &self.taps,
                start: match t >= start && !last {
                    true => Start::Itself,
                    false => Start::Zero,
                },
                output: RowsMut::new(&mut self.work.dx[0][t..], segment, channels, count),
            }
            .run_ahead(self.pass.isa, &ahead[part(t)..part(t + count)]);
        }
    }

    /// What was kept of the layer that comes next, which lies before what is kept of this one: it
    /// comes from afar, so it is asked for while this one computes.
    fn ahead(&self, array: usize, index: usize, at: usize) -> &'a [f32] {
        let arrays = &self.geometry.arrays;
        let end = at * self.geometry.page + arrays[array].layers[index].begin;
        let layer = match (index, array) {
            (1.., _) => &arrays[array].layers[index - 1],
            (0, 1..) => &arrays[array - 1].layers[arrays[array - 1].layers.len() - 1],
            (0, 0) if at == 0 => return &[],
            (0, 0) => {
                let array = &arrays[arrays.len() - 1];
                let layer = &array.layers[array.layers.len() - 1];
                return &self.pages[(at - 1) * self.geometry.page + layer.begin..end];
            }
        };
        &self.pages[at * self.geometry.page + layer.begin..end]
    }

    /// The gradients of the convolution, whose taps [`Task::gradient_of_input`] left.
    fn conv_sums(&mut self, array: usize, index: usize, time: Range<usize>, input: Found) {
        let plan = &self.plan.arrays[array].layers[index];
        let input = match input {
            Found::Page(at) => &self.page[at..],
            Found::Recovered => &*self.work.x[0],
        };
        RowProducts {
            gradient: Rows::new(&input[time.start..], self.geometry.segment),
            rows: self.pass.net.arrays[array].channels,
            input: &self.work.windows[time.start..],
            taps: &self.taps,
            len: time.len(),
            products: &mut self.work.sums[plan.conv_sums..],
        }
        .run(self.pass.isa);
    }

    /// The gradients of the mixer and of the convolution's bias, and what the mixer sends back.
    fn mixer(&mut self, array: usize, index: usize, at: usize, heard: Range<usize>) {
        let ins = self.pass.net.in_channels;
        let plan = &self.plan.arrays[array].layers[index];
        let weights = &self.pass.weights[array].layers[index];
        let window = &plan.dz;
        let width = weights.conv.rows();
        let now = at * self.geometry.segment + heard.start;
        self.taps.clear();
        self.taps.extend((0..=ins).map(|d| d * self.plan.condition));
        RowProducts {
            gradient: Rows::new(
                &self.work.windows[window.now() + heard.start..],
                window.stride,
            ),
            rows: width,
            input: &self.work.condition[now..],
            taps: &self.taps,
            len: heard.len(),
            products: &mut self.work.sums[plan.mixer_sums..],
        }
        .run(self.pass.isa);
        if self.dx.is_empty() || heard.is_empty() {
            return;
        }
        self.taps.clear();
        self.taps
            .extend((0..width).map(|o| window.now() + o * window.stride));
        let len = self.geometry.in_len;
        let to = &mut self.dx[now - self.geometry.start()..];
        Combine {
            weights: &weights.mixer_back,
            input: &self.work.windows[heard.start..],
            taps: &self.taps,
            start: Start::Itself,
            output: RowsMut::new(to, len, ins, heard.len()),
        }
        .run(self.pass.isa);
    }

    /// The convolution that enters an array: its weights' gradients, and that of its input.
    fn rechannel(&mut self, array: usize, at: usize) {
        let (segment, isa) = (self.geometry.segment, self.pass.isa);
        let channels = self.pass.net.arrays[array].channels;
        let ins = self.pass.offsets[array].in_channels;
        let start = self.geometry.arrays[array].layers[0].input_start;
        let time = self.geometry.from(at, start);
        if time.is_empty() {
            return;
        }
        let t = time.start - at * segment;
        self.taps.clear();
        let input = match array {
            0 => {
                let rows = (0..ins).map(|d| d * self.plan.condition);
                self.taps.extend(rows);
                &self.work.condition[time.start..]
            }
            _ => {
                self.taps.extend_from_slice(&self.rows[..ins]);
                let from = self.geometry.arrays[array - 1].output.unwrap_or(0);
                &self.page[from + t..]
            }
        };
        RowProducts {
            gradient: Rows::new(&self.work.dx[0][t..], segment),
            rows: channels,
            input,
            taps: &self.taps,
            len: time.len(),
            products: &mut self.work.sums[self.plan.arrays[array].rechannel_sums..],
        }
        .run(isa);
        let [dfirst, dinput] = &mut self.work.dx;
        let (start, output) = match array {
            0 if self.dx.is_empty() => return,
            0 => {
                let to = &mut self.dx[time.start - self.geometry.start()..];
                let to = RowsMut::new(to, self.geometry.in_len, ins, time.len());
                (Start::Itself, to)
            }
            _ => {
                let to = RowsMut::new(&mut dinput[t..], segment, ins, time.len());
                (Start::Zero, to)
            }
        };
        Combine {
            weights: &self.pass.weights[array].rechannel_back,
            input: &dfirst[t..],
            taps: &self.rows[..channels],
            start,
            output,
        }
        .run(isa);
        self.work.dx.swap(0, 1);
    }
}
