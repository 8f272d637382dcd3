//! A WaveNet on a card: a launch per layer, forward and backward, and one for the gradients of all
//! weights.
//!
//! A thread has one sample with all its channels in registers: it sums over taps and channels,
//! applies the activation, and goes on through the 1×1 convolution to the layer's output without
//! leaving them. Backward, a launch ends one layer and begins the layer below: the gradient of the
//! signal between them is what the taps of the upper one send back, and from there the lower one's
//! activation is reached in the same thread.
//!
//! Kept are every layer's input and activation, in one buffer, and their gradients in another: each
//! weight's gradient is then a product of a row of the one with a row of the other, summed over
//! time, whatever the weight, and a table says which rows. See [`Plan`].

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, buffer, cube};
use super::math::{Curve, curve, sigmoid, slope, value};
use super::sums::add_parts;
use crate::kernels::bridge::{CardOperator, CardPass, empty};
use crate::kernels::wavenet::{ArrayOffsets, Layer, LayerOffsets, WaveNet};

/// The widest layer: its channels and the gates' are registers of a thread.
pub(in crate::kernels) const MOST_CHANNELS: usize = 32;
/// Samples that a sum over time is cut into.
const PIECE: usize = 256;

/// A network on a card. Inputs x and the flat list of weights; outputs y and the signals.
#[derive(Debug)]
pub(in crate::kernels) struct CardWaveNet(pub WaveNet);

/// Channels by time, `len` samples each, in a buffer that holds many such.
#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    base: usize,
    rows: usize,
    len: usize,
}

/// Where an array's signals lie, or their gradients.
#[derive(Debug, Clone)]
struct ArrayRows {
    /// What enters each layer, and what leaves the last.
    x: Vec<Rows>,
    /// Signals: each layer's activation, behind it of a gated layer both factors. Gradients: of
    /// what enters the activation.
    a: Vec<Rows>,
    /// What enters the head.
    head: Rows,
}

/// Bytes of the largest buffer that an item of `len` samples needs.
pub(in crate::kernels) fn kept_bytes(net: &WaveNet, len: usize) -> usize {
    let plan = Plan::new(net, 1, len);
    plan.signal_numbers.max(plan.gradient_numbers) * size_of::<f32>()
}

/// Where everything lies.
struct Plan {
    batch: usize,
    len: usize,
    offsets: Vec<ArrayOffsets>,
    weights: usize,
    signals: Vec<ArrayRows>,
    signal_numbers: usize,
    gradients: Vec<ArrayRows>,
    /// Of the network's output before its scale.
    out: Rows,
    gradient_numbers: usize,
}

impl Plan {
    fn new(net: &WaveNet, batch: usize, len: usize) -> Plan {
        let (offsets, weights) = net.offsets();
        let (mut signal_numbers, mut gradient_numbers) = (0, 0);
        let mut signals = Vec::new();
        let mut gradients = Vec::new();
        let mut need = net.output_len(len);
        need += heads_behind(net, 0);
        let mut now = len;
        for (at, array) in net.arrays.iter().enumerate() {
            let lens = |array: &[Layer]| {
                let mut lens = vec![now];
                lens.extend(array.iter().scan(now, |now, layer| {
                    *now -= layer.context();
                    Some(*now)
                }));
                lens
            };
            let lens = lens(&array.layers);
            let lay = |next: &mut usize, factors: bool| {
                let mut take = |rows: usize, len: usize| {
                    let base = *next;
                    *next += batch * rows * len;
                    Rows { base, rows, len }
                };
                let channels = array.channels;
                let x = lens.iter().map(|&len| take(channels, len)).collect();
                let layers = array.layers.iter().zip(&lens[1..]);
                let a = layers.map(|(layer, &len)| match (layer.gated, factors) {
                    (false, _) => take(channels, len),
                    (true, true) => take(3 * channels, len),
                    (true, false) => take(2 * channels, len),
                });
                ArrayRows {
                    a: a.collect(),
                    x,
                    head: take(channels, need),
                }
            };
            signals.push(lay(&mut signal_numbers, true));
            gradients.push(lay(&mut gradient_numbers, false));
            need -= array.head_kernel_size - 1;
            now = lens[array.layers.len()];
            debug_assert_eq!(need, net.output_len(len) + heads_behind(net, at + 1));
        }
        let out = Rows {
            base: gradient_numbers,
            rows: net.out_channels(),
            len: need,
        };
        gradient_numbers += batch * out.rows * out.len;
        Plan {
            batch,
            len,
            offsets,
            weights,
            signals,
            signal_numbers,
            gradients,
            out,
            gradient_numbers,
        }
    }

    /// The gradient of what an array's head puts out.
    fn head_out(&self, array: usize) -> Rows {
        match self.gradients.get(array + 1) {
            Some(next) => next.head,
            None => self.out,
        }
    }

    /// How many tiles of weights there are; of every tile the number of its block, then the blocks.
    fn table(&self, net: &WaveNet) -> (usize, Vec<u32>) {
        let mut blocks = Vec::new();
        for (at, array) in net.arrays.iter().enumerate() {
            let (offsets, signals) = (&self.offsets[at], &self.signals[at]);
            let gradients = &self.gradients[at];
            let is_last = at + 1 == net.arrays.len();
            blocks.push(Block {
                first: offsets.rechannel,
                taps: 1,
                dilation: 1,
                gradient: gradients.x[0],
                signal: match at {
                    0 => self.condition(net),
                    _ => Signal::Kept(*last(&self.signals[at - 1].x), array_width(net, at - 1)),
                },
                count: gradients.x[0].len,
            });
            for (n, layer) in array.layers.iter().enumerate() {
                let to = &offsets.layers[n];
                let z = gradients.a[n];
                let heard = !(is_last && n + 1 == array.layers.len());
                let above = gradients.x[n + 1];
                let count = if heard { z.len } else { 0 };
                let a = Signal::Kept(signals.a[n], array.channels);
                let x = Signal::Kept(signals.x[n], array.channels);
                let of = |first, taps, dilation, gradient, signal, count| Block {
                    first,
                    taps,
                    dilation,
                    gradient,
                    signal,
                    count,
                };
                blocks.extend([
                    of(to.conv, layer.kernel_size, layer.dilation, z, x, z.len),
                    of(to.bias, 1, 1, z, Signal::One, z.len),
                    of(to.mixer, 1, 1, z, self.condition(net), z.len),
                    of(to.one_by_one, 1, 1, above, a, count),
                    of(to.one_by_one_bias, 1, 1, above, Signal::One, count),
                ]);
            }
            let out = self.head_out(at);
            let head = Signal::Kept(signals.head, array.channels);
            let block = |first, taps, signal| Block {
                first,
                taps,
                dilation: 1,
                gradient: out,
                signal,
                count: out.len,
            };
            blocks.push(block(offsets.head, array.head_kernel_size, head));
            blocks.extend(offsets.head_bias.map(|at| block(at, 1, Signal::One)));
        }
        let mut table = Vec::new();
        let mut fields = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            fields.extend(block.fields(table.len()));
            table.resize(table.len() + block.tiles(), number as u32);
        }
        let tiles = table.len();
        table.extend(fields);
        (tiles, table)
    }

    fn condition(&self, net: &WaveNet) -> Signal {
        Signal::Condition(Rows {
            base: 0,
            rows: net.in_channels,
            len: self.len,
        })
    }
}

fn last<T>(of: &[T]) -> &T {
    &of[of.len() - 1]
}

fn array_width(net: &WaveNet, at: usize) -> usize {
    net.arrays[at].channels
}

/// Samples that the heads from array `from` on shorten by.
fn heads_behind(net: &WaveNet, from: usize) -> usize {
    let heads = net.arrays[from..].iter();
    heads.map(|array| array.head_kernel_size - 1).sum()
}

/// What weights multiply.
#[derive(Debug, Clone, Copy)]
enum Signal {
    /// The first rows, so many, of a kept signal.
    Kept(Rows, usize),
    /// The network's input.
    Condition(Rows),
    /// A bias.
    One,
}

/// Weights `[rows, columns, taps]` whose gradients are
/// Σ gradient[row, t]·signal[column, t + tap·dilation], both aligned at the end.
struct Block {
    first: usize,
    taps: usize,
    dilation: usize,
    gradient: Rows,
    signal: Signal,
    /// Samples that are summed over, the last ones.
    count: usize,
}

/// Numbers of a block in the table.
const FIELDS: usize = 15;
/// Rows and columns of weights that a thread works on at once: what it reads serves all of them.
const TILE: usize = 4;

impl Block {
    fn columns(&self) -> usize {
        match self.signal {
            Signal::Kept(_, columns) => columns,
            Signal::Condition(rows) => rows.rows,
            Signal::One => 1,
        }
    }

    fn tiles(&self) -> usize {
        self.gradient.rows.div_ceil(TILE) * self.columns().div_ceil(TILE) * self.taps
    }

    fn fields(&self, first_tile: usize) -> [u32; FIELDS] {
        let (kind, signal) = match self.signal {
            Signal::Kept(rows, _) => (0, rows),
            Signal::Condition(rows) => (1, rows),
            Signal::One => (2, Rows::default()),
        };
        let reach = (self.taps - 1) * self.dilation;
        let fields = [
            self.first,
            self.columns(),
            self.taps,
            self.dilation,
            self.gradient.base,
            self.gradient.rows,
            self.gradient.len,
            self.gradient.len - self.count,
            kind,
            signal.base,
            signal.rows,
            signal.len,
            signal.len.saturating_sub(self.count + reach),
            self.count,
            first_tile,
        ];
        fields.map(|field| field as u32)
    }
}

/// What a layer's kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Form {
    channels: usize,
    gated: bool,
    curve: Curve,
    /// Channels of the condition.
    conditions: usize,
}

impl Form {
    fn of(net: &WaveNet, channels: usize, layer: &Layer) -> (Form, f32) {
        let (curve, leak) = curve(layer.activation);
        let form = Form {
            channels,
            gated: layer.gated,
            curve,
            conditions: net.in_channels,
        };
        (form, leak)
    }
}

/// The cubes for a thread per sample and item.
fn samples(len: usize, batch: usize) -> CubeCount {
    CubeCount::Static(len.div_ceil(THREADS) as u32, batch as u32, 1)
}

impl CardOperator for CardWaveNet {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        let (batch, len) = (inputs[0][0], inputs[0][2]);
        let plan = Plan::new(&self.0, batch, len);
        let y = [batch, self.0.out_channels(), self.0.output_len(len)];
        vec![Shape::new(y), Shape::new([plan.signal_numbers])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let [batch, _, len] = inputs[0].meta.shape().dims();
        Forward {
            net: &self.0,
            plan: Plan::new(&self.0, batch, len),
            x: &inputs[0],
            weights: &inputs[1],
            signals: &outputs[1],
            y: &outputs[0],
        }
        .run();
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let x = &pass.inputs[0];
        let [batch, _, len] = x.meta.shape().dims();
        let plan = Plan::new(&self.0, batch, len);
        let backward = Backward {
            net: &self.0,
            x,
            weights: &pass.inputs[1],
            signals: &pass.outputs[1],
            gradients: &empty(x, [plan.gradient_numbers]),
            plan,
        };
        backward.signals(pass.dy);
        if let Some(dx) = &gradients[0] {
            backward.input(dx);
        }
        if let Some(dw) = &gradients[1] {
            backward.weights(dw);
        }
    }
}

struct Forward<'a> {
    net: &'a WaveNet,
    plan: Plan,
    x: &'a CubeTensor,
    weights: &'a CubeTensor,
    signals: &'a CubeTensor,
    y: &'a CubeTensor,
}

impl Forward<'_> {
    fn run(&self) {
        let arrays = self.net.arrays.len();
        for (at, array) in self.net.arrays.iter().enumerate() {
            let (offsets, rows) = (&self.plan.offsets[at], &self.plan.signals[at]);
            let (source, from) = match at {
                0 => (
                    self.x,
                    Rows {
                        base: 0,
                        rows: self.net.in_channels,
                        len: self.plan.len,
                    },
                ),
                _ => (self.signals, *last(&self.plan.signals[at - 1].x)),
            };
            self.mix(
                (source, from),
                (self.signals, rows.x[0]),
                (offsets.rechannel, None, 1),
                1.0,
            );
            for (n, layer) in array.layers.iter().enumerate() {
                let unheard = at + 1 == arrays && n + 1 == array.layers.len();
                self.layer(rows, n, layer, &offsets.layers[n], (at, unheard));
            }
            let head = (offsets.head, offsets.head_bias, array.head_kernel_size);
            let (to, scale) = match self.plan.signals.get(at + 1) {
                Some(next) => ((self.signals, next.head), 1.0),
                None => {
                    let out = Rows {
                        base: 0,
                        ..self.plan.out
                    };
                    ((self.y, out), self.net.head_scale)
                }
            };
            self.mix((self.signals, rows.head), to, head, scale);
        }
    }

    /// A convolution at a place in the list of weights.
    fn mix(
        &self,
        (source, from): (&CubeTensor, Rows),
        (target, to): (&CubeTensor, Rows),
        (weight, bias, taps): (usize, Option<usize>, usize),
        scale: f32,
    ) {
        // SAFETY: a thread per sample; both places lie within their buffers, and `to` is as long
        // as `from` less its taps.
        unsafe {
            mix_kernel::launch_unchecked(
                &self.x.client,
                samples(to.len, self.plan.batch),
                cube(),
                buffer_of(source, from, self.plan.batch),
                buffer(self.weights),
                buffer_of(target, to, self.plan.batch),
                from.base,
                from.rows,
                from.len,
                to.base,
                to.len,
                weight,
                bias.unwrap_or_default(),
                taps,
                scale,
                to.rows,
                bias.is_some(),
            );
        }
    }

    fn layer(
        &self,
        rows: &ArrayRows,
        n: usize,
        layer: &Layer,
        at: &LayerOffsets,
        (array, unheard): (usize, bool),
    ) {
        let (form, leak) = Form::of(self.net, rows.head.rows, layer);
        let (x, a, out) = (rows.x[n], rows.a[n], rows.x[n + 1]);
        // SAFETY: a thread per sample of the activation; all places lie within the buffers.
        unsafe {
            layer_kernel::launch_unchecked(
                &self.x.client,
                samples(a.len, self.plan.batch),
                cube(),
                buffer(self.x),
                buffer(self.weights),
                buffer_of(
                    self.signals,
                    Rows {
                        rows: x.rows + a.rows + out.rows,
                        ..a
                    },
                    self.plan.batch,
                ),
                x.base,
                x.len,
                a.base,
                a.len,
                out.base,
                rows.head.base,
                rows.head.len,
                self.plan.len,
                at.conv,
                at.bias,
                at.mixer,
                at.one_by_one,
                at.one_by_one_bias,
                layer.kernel_size,
                layer.dilation,
                leak,
                form,
                array == 0 && n == 0,
                !unheard,
            );
        }
    }
}

/// A buffer of which only these rows are touched.
fn buffer_of(tensor: &CubeTensor, rows: Rows, batch: usize) -> BufferArg {
    super::launch::part(tensor, batch * rows.rows * rows.len)
}

struct Backward<'a> {
    net: &'a WaveNet,
    plan: Plan,
    x: &'a CubeTensor,
    weights: &'a CubeTensor,
    signals: &'a CubeTensor,
    gradients: &'a CubeTensor,
}

impl Backward<'_> {
    /// The gradients of all signals.
    fn signals(&self, dy: &CubeTensor) {
        let (plan, arrays) = (&self.plan, self.net.arrays.len());
        let out = plan.out;
        // SAFETY: a thread per number of dy.
        unsafe {
            scale_kernel::launch_unchecked(
                &self.x.client,
                super::launch::cubes(plan.batch * out.rows * out.len),
                cube(),
                buffer(dy),
                buffer_of(self.gradients, out, plan.batch),
                out.base,
                plan.batch * out.rows * out.len,
                self.net.head_scale,
            );
        }
        for at in (0..arrays).rev() {
            let array = &self.net.arrays[at];
            let (offsets, rows) = (&plan.offsets[at], &plan.gradients[at]);
            let from = plan.head_out(at);
            self.unmix(
                from,
                (self.gradients, rows.head),
                (offsets.head, array.head_kernel_size, 0),
                false,
            );
            for n in (0..=array.layers.len()).rev() {
                self.layer(at, n);
            }
            if at > 0 {
                self.unmix(
                    rows.x[0],
                    (self.gradients, *last(&plan.gradients[at - 1].x)),
                    (offsets.rechannel, 1, 0),
                    false,
                );
            }
        }
    }

    /// From layer `n`'s taps (there is none above the last) to what enters it, and through the
    /// activation of the layer below (there is none below the first).
    fn layer(&self, at: usize, n: usize) {
        let (plan, array) = (&self.plan, &self.net.arrays[at]);
        let (offsets, rows) = (&plan.offsets[at], &plan.gradients[at]);
        let above = array.layers.get(n);
        let below = n.checked_sub(1).map(|n| &array.layers[n]);
        let is_last = at + 1 == self.net.arrays.len();
        let x = rows.x[n];
        let given = above.is_none() && !is_last;
        let (form, leak) = match below.or(above) {
            Some(layer) => Form::of(self.net, array.channels, layer),
            None => return,
        };
        let taps = above.map_or((0, 0), |layer| (layer.kernel_size, layer.dilation));
        let (z, conv) = match above {
            Some(_) => (rows.a[n], offsets.layers[n].conv),
            None => (Rows::default(), 0),
        };
        let lower = n.saturating_sub(1);
        let touched = Rows {
            rows: x.rows + z.rows + rows.a[lower].rows,
            ..x
        };
        // SAFETY: a thread per sample of the signal between the layers; all places lie within the
        // buffers, and the taps' ends are guarded.
        unsafe {
            layer_back_kernel::launch_unchecked(
                &self.x.client,
                samples(x.len, plan.batch),
                cube(),
                buffer_of(
                    self.signals,
                    Rows {
                        rows: form.channels,
                        ..x
                    },
                    plan.batch,
                ),
                buffer(self.weights),
                buffer_of(self.gradients, touched, plan.batch),
                x.base,
                x.len,
                z.base,
                z.len,
                z.rows,
                rows.x.get(n + 1).map_or(0, |upper| upper.base),
                conv,
                taps.0,
                taps.1,
                plan.signals[at].a[lower].base,
                rows.a[lower].base,
                offsets.layers[lower].one_by_one,
                rows.head.base,
                rows.head.len,
                leak,
                form,
                above.is_some(),
                !(is_last && n + 1 == array.layers.len()),
                given,
                below.is_some(),
            );
        }
    }

    /// The gradient of a convolution's input, written or added.
    fn unmix(
        &self,
        from: Rows,
        (target, to): (&CubeTensor, Rows),
        (weight, taps, start): (usize, usize, usize),
        add: bool,
    ) {
        // SAFETY: a thread per sample of the target; the taps' ends are guarded.
        unsafe {
            unmix_kernel::launch_unchecked(
                &self.x.client,
                samples(to.len - start, self.plan.batch),
                cube(),
                buffer_of(self.gradients, from, self.plan.batch),
                buffer(self.weights),
                buffer_of(target, to, self.plan.batch),
                from.base,
                from.rows,
                from.len,
                to.base,
                to.len,
                start,
                weight,
                taps,
                to.rows,
                add,
            );
        }
    }

    /// The gradient of x: through the first array's beginning, and as every layer's condition.
    fn input(&self, dx: &CubeTensor) {
        let to = Rows {
            base: 0,
            rows: self.net.in_channels,
            len: self.plan.len,
        };
        let first = self.plan.gradients[0].x[0];
        let rechannel = self.plan.offsets[0].rechannel;
        self.unmix(first, (dx, to), (rechannel, 1, 0), false);
        for (offsets, rows) in self.plan.offsets.iter().zip(&self.plan.gradients) {
            for (layer, &z) in offsets.layers.iter().zip(&rows.a) {
                let start = to.len - z.len;
                self.unmix(z, (dx, to), (layer.mixer, 1, start), true);
            }
        }
    }

    fn weights(&self, dw: &CubeTensor) {
        let (plan, client) = (&self.plan, &self.x.client);
        let (tiles, table) = plan.table(self.net);
        let bytes: Vec<u8> = table.iter().flat_map(|field| field.to_ne_bytes()).collect();
        let shape = Shape::new([table.len()]);
        let handle = client.create_from_slice(&bytes);
        let device = self.x.device.clone();
        let table = CubeTensor::new_contiguous(client.clone(), device, shape, handle, DType::U32);
        let pieces = plan.len.div_ceil(PIECE);
        let (device, parts) = (self.x.device.clone(), plan.batch * pieces);
        let shape = Shape::new([parts, plan.weights]);
        let partial = empty_device_contiguous_dtype(client.clone(), device, shape, DType::F32);
        // SAFETY: a thread per tile, those beyond end at once; the table's rows lie within the
        // buffers.
        unsafe {
            product_kernel::launch_unchecked(
                client,
                CubeCount::Static(
                    tiles.div_ceil(THREADS) as u32,
                    pieces as u32,
                    plan.batch as u32,
                ),
                cube(),
                buffer(self.signals),
                buffer(self.gradients),
                buffer(self.x),
                buffer(&table),
                buffer(&partial),
                tiles,
                plan.weights,
            );
        }
        add_parts(&partial, &[(Some(dw), plan.weights)]);
    }
}

/// to[m, t] = scale·(b[m] + Σ w[m, n, k]·from[n, t + k]), aligned at the end.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn mix_kernel(
    source: &[f32],
    weights: &[f32],
    target: &mut [f32],
    from: usize,
    from_rows: usize,
    from_len: usize,
    to: usize,
    to_len: usize,
    weight: usize,
    bias: usize,
    taps: usize,
    scale: f32,
    #[comptime] channels: usize,
    #[comptime] with_bias: bool,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    if t < to_len {
        let mut sums = Array::<f32>::new(channels);
        if with_bias {
            #[unroll]
            for m in 0..channels {
                sums[m] = weights[bias + m];
            }
        }
        let start = from_len - to_len - (taps - 1);
        for n in 0..from_rows {
            let row = from + (item * from_rows + n) * from_len + start + t;
            for k in 0..taps {
                let x = source[row + k];
                #[unroll]
                for m in 0..channels {
                    sums[m] += weights[weight + (m * from_rows + n) * taps + k] * x;
                }
            }
        }
        #[unroll]
        for m in 0..channels {
            target[to + (item * channels + m) * to_len + t] = sums[m] * scale;
        }
    }
}

/// to[n, start + s] = (or +=) Σ w[m, n, k]·from[m, s − k], aligned at the end.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn unmix_kernel(
    source: &[f32],
    weights: &[f32],
    target: &mut [f32],
    from: usize,
    from_rows: usize,
    from_len: usize,
    to: usize,
    to_len: usize,
    start: usize,
    weight: usize,
    taps: usize,
    #[comptime] channels: usize,
    #[comptime] add: bool,
) {
    let s = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    if s < to_len - start {
        let mut sums = Array::<f32>::new(channels);
        // What lies before the first sample that was used.
        let before = to_len - start - from_len - (taps - 1);
        for m in 0..from_rows {
            let row = from + (item * from_rows + m) * from_len;
            for k in 0..taps {
                if s >= before + k && s - before - k < from_len {
                    let d = source[row + s - before - k];
                    #[unroll]
                    for n in 0..channels {
                        sums[n] += weights[weight + (m * channels + n) * taps + k] * d;
                    }
                }
            }
        }
        #[unroll]
        for n in 0..channels {
            let at = to + (item * channels + n) * to_len + start + s;
            if add {
                target[at] += sums[n];
            } else {
                target[at] = sums[n];
            }
        }
    }
}

#[cube(launch_unchecked)]
fn scale_kernel(source: &[f32], target: &mut [f32], to: usize, numbers: usize, scale: f32) {
    let at = ABSOLUTE_POS;
    if at < numbers {
        target[to + at] = source[at] * scale;
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn layer_kernel(
    condition: &[f32],
    weights: &[f32],
    signals: &mut [f32],
    x: usize,
    x_len: usize,
    a: usize,
    len: usize,
    out: usize,
    head: usize,
    head_len: usize,
    condition_len: usize,
    conv: usize,
    bias: usize,
    mixer: usize,
    one: usize,
    one_bias: usize,
    taps: usize,
    dilation: usize,
    leak: f32,
    #[comptime] form: Form,
    #[comptime] is_first: bool,
    #[comptime] is_heard: bool,
) {
    let channels = comptime!(form.channels);
    let width = comptime!(if form.gated { 2 * channels } else { channels });
    let rows = comptime!(if form.gated { 3 * channels } else { channels });
    let conditions = comptime!(form.conditions);
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    if t < len {
        let mut z = Array::<f32>::new(width);
        #[unroll]
        for m in 0..width {
            z[m] = weights[bias + m];
        }
        for n in 0..channels {
            let row = x + (item * channels + n) * x_len + t;
            for k in 0..taps {
                let value = signals[row + k * dilation];
                #[unroll]
                for m in 0..width {
                    z[m] += weights[conv + (m * channels + n) * taps + k] * value;
                }
            }
        }
        for n in 0..conditions {
            let value = condition[(item * conditions + n + 1) * condition_len - len + t];
            #[unroll]
            for m in 0..width {
                z[m] += weights[mixer + m * conditions + n] * value;
            }
        }
        #[unroll]
        for m in 0..channels {
            let mut heard = value(z[m], leak, form.curve);
            if comptime!(form.gated) {
                let gate = sigmoid(z[channels + m]);
                signals[a + (item * rows + channels + m) * len + t] = heard;
                signals[a + (item * rows + 2 * channels + m) * len + t] = gate;
                heard *= gate;
            }
            z[m] = heard;
            signals[a + (item * rows + m) * len + t] = heard;
            if t + head_len >= len {
                let at = head + (item * channels + m + 1) * head_len - len + t;
                if is_first {
                    signals[at] = heard;
                } else {
                    signals[at] += heard;
                }
            }
        }
        if is_heard {
            #[unroll]
            for m in 0..channels {
                let mut sum = weights[one_bias + m];
                #[unroll]
                for n in 0..channels {
                    sum += weights[one + m * channels + n] * z[n];
                }
                let straight = signals[x + (item * channels + m + 1) * x_len - len + t];
                signals[out + (item * channels + m) * len + t] = straight + sum;
            }
        }
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn layer_back_kernel(
    signals: &[f32],
    weights: &[f32],
    gradients: &mut [f32],
    x: usize,
    len: usize,
    upper_z: usize,
    upper_len: usize,
    upper_width: usize,
    upper_x: usize,
    conv: usize,
    taps: usize,
    dilation: usize,
    a: usize,
    z: usize,
    one: usize,
    head: usize,
    head_len: usize,
    leak: f32,
    #[comptime] form: Form,
    #[comptime] has_upper: bool,
    #[comptime] is_heard: bool,
    #[comptime] is_given: bool,
    #[comptime] has_lower: bool,
) {
    let channels = comptime!(form.channels);
    let width = comptime!(if form.gated { 2 * channels } else { channels });
    let rows = comptime!(if form.gated { 3 * channels } else { channels });
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    if t < len {
        let mut dx = Array::<f32>::new(channels);
        if is_given {
            #[unroll]
            for n in 0..channels {
                dx[n] = gradients[x + (item * channels + n) * len + t];
            }
        }
        if has_upper {
            if is_heard && t + upper_len >= len {
                #[unroll]
                for n in 0..channels {
                    let row = upper_x + (item * channels + n + 1) * upper_len;
                    dx[n] = gradients[row - len + t];
                }
            }
            for m in 0..upper_width {
                let row = upper_z + (item * upper_width + m) * upper_len;
                for k in 0..taps {
                    let shift = k * dilation;
                    if t >= shift && t - shift < upper_len {
                        let d = gradients[row + t - shift];
                        #[unroll]
                        for n in 0..channels {
                            dx[n] += weights[conv + (m * channels + n) * taps + k] * d;
                        }
                    }
                }
            }
            #[unroll]
            for n in 0..channels {
                gradients[x + (item * channels + n) * len + t] = dx[n];
            }
        }
        if has_lower {
            #[unroll]
            for n in 0..channels {
                let mut da = 0.0f32;
                if t + head_len >= len {
                    da = gradients[head + (item * channels + n + 1) * head_len - len + t];
                }
                if comptime!(has_upper || is_given) {
                    #[unroll]
                    for m in 0..channels {
                        da += weights[one + m * channels + n] * dx[m];
                    }
                }
                if comptime!(form.gated) {
                    let heard = signals[a + (item * rows + channels + n) * len + t];
                    let gate = signals[a + (item * rows + 2 * channels + n) * len + t];
                    gradients[z + (item * width + n) * len + t] =
                        da * gate * slope(heard, leak, form.curve);
                    gradients[z + (item * width + channels + n) * len + t] =
                        da * heard * (gate - gate * gate);
                } else {
                    let heard = signals[a + (item * rows + n) * len + t];
                    gradients[z + (item * width + n) * len + t] =
                        da * slope(heard, leak, form.curve);
                }
            }
        }
    }
}

/// Of every weight the product of its two rows, summed over a piece of an item's time.
#[cube(launch_unchecked)]
fn product_kernel(
    signals: &[f32],
    gradients: &[f32],
    condition: &[f32],
    table: &[u32],
    partial: &mut [f32],
    tiles: usize,
    weights: usize,
) {
    let at = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    if at < tiles {
        let block = tiles + table[at] as usize * FIELDS;
        let within = at - table[block + 14] as usize;
        let columns = table[block + 1] as usize;
        let taps = table[block + 2] as usize;
        let rows = table[block + 5] as usize;
        let across = columns.div_ceil(TILE);
        let tap = within % taps;
        let column = within / taps % across * TILE;
        let row = within / (taps * across) * TILE;
        let item = CUBE_POS_Z as usize;
        let row_len = table[block + 6] as usize;
        let gradient =
            table[block + 4] as usize + item * rows * row_len + table[block + 7] as usize;
        let kind = table[block + 8];
        let signal_len = table[block + 11] as usize;
        let signal = table[block + 9] as usize
            + item * table[block + 10] as usize * signal_len
            + table[block + 12] as usize
            + tap * table[block + 3] as usize;
        let begin = CUBE_POS_Y as usize * PIECE;
        let end = min(begin + PIECE, table[block + 13] as usize);
        let mut sums = Array::<f32>::new(comptime!(TILE * TILE));
        let mut t = begin;
        while t < end {
            let mut of_row = Array::<f32>::new(TILE);
            #[unroll]
            for m in 0..TILE {
                // Beyond the last row the last: its sum is not written.
                of_row[m] = gradients[gradient + min(row + m, rows - 1) * row_len + t];
            }
            #[unroll]
            for n in 0..TILE {
                let mut value = 1.0f32;
                if kind == 0 {
                    value = signals[signal + min(column + n, columns - 1) * signal_len + t];
                } else if kind == 1 {
                    value = condition[signal + min(column + n, columns - 1) * signal_len + t];
                }
                #[unroll]
                for m in 0..TILE {
                    sums[m * TILE + n] += of_row[m] * value;
                }
            }
            t += 1;
        }
        let part = item * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize;
        let first = part * weights + table[block] as usize;
        #[unroll]
        for m in 0..TILE {
            #[unroll]
            for n in 0..TILE {
                if row + m < rows && column + n < columns {
                    partial[first + ((row + m) * columns + column + n) * taps + tap] =
                        sums[m * TILE + n];
                }
            }
        }
    }
}
