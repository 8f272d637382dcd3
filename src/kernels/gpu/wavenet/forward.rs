//! The forward pass: a launch per layer, and one for each 1×1 or head convolution beside the layers.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::convolve::{Four, Sum, Width, add_products, convolve, fetch, zeros};
use super::form::{Form, buffer_of, samples};
use super::places::{Plan, Rows, last};
use crate::kernels::gpu::launch::{THREADS, buffer, cube};
use crate::kernels::gpu::math::{sigmoid, value};
use crate::kernels::wavenet::WaveNet;

pub(super) struct Forward<'a> {
    pub net: &'a WaveNet,
    pub plan: Plan,
    pub x: &'a CubeTensor,
    pub weights: &'a CubeTensor,
    pub signals: &'a CubeTensor,
    pub y: &'a CubeTensor,
}

impl Forward<'_> {
    pub fn run(&self) {
        for (at, array) in self.net.arrays.iter().enumerate() {
            let (offsets, rows) = (&self.plan.offsets[at], &self.plan.signals[at]);
            match at {
                0 => self.enter(),
                _ => {
                    let from = *last(&self.plan.signals[at - 1].x);
                    let width = self.net.arrays[at - 1].channels;
                    let sum = Sum::mix(Width::of(width), Width::of(array.channels), false);
                    self.mix(from, rows.x[0], (offsets.rechannel, None), sum);
                }
            }
            for n in 0..array.layers.len() {
                self.layer(at, n);
            }
            let sum = Sum {
                taps: array.head_kernel_size,
                ..Sum::mix(
                    Width::of(array.channels),
                    Width::of(array.head_channels),
                    false,
                )
            };
            let head = (offsets.head, offsets.head_bias);
            match self.plan.signals.get(at + 1) {
                Some(next) => self.mix(rows.head, next.head, head, sum),
                None => self.leave(rows.head, head, sum),
            }
        }
    }

    /// The network's input becomes the condition, and through the 1×1 convolution what enters the
    /// first layer.
    fn enter(&self) {
        let (plan, x) = (&self.plan, self.plan.signals[0].x[0]);
        let (from, to) = (self.net.in_channels, self.net.arrays[0].channels);
        // SAFETY: a thread per sample; both places lie within their buffers.
        unsafe {
            enter_kernel::launch_unchecked(
                &self.x.client,
                samples(plan.len, plan.batch),
                cube(),
                buffer(self.x),
                buffer(self.weights),
                buffer_of(self.signals, x, x.fours + plan.condition.fours, plan.batch),
                x.base,
                plan.condition.base,
                plan.len,
                plan.offsets[0].rechannel,
                Sum::mix(Width::of(from), Width::of(to), false),
            );
        }
    }

    /// A convolution at a place in the list of weights.
    fn mix(&self, from: Rows, to: Rows, (weight, bias): (usize, Option<usize>), sum: Sum) {
        let batch = self.plan.batch;
        // SAFETY: a thread per sample; both places lie within their buffers, and `to` is as long
        // as `from` less its taps.
        unsafe {
            mix_kernel::launch_unchecked(
                &self.x.client,
                samples(to.len, batch),
                cube(),
                buffer_of(self.signals, from, from.fours, batch),
                buffer(self.weights),
                buffer_of(self.signals, to, to.fours, batch),
                from.base,
                from.len,
                to.base,
                to.len,
                weight,
                bias.unwrap_or_default(),
                sum,
                bias.is_some(),
            );
        }
    }

    /// The last head's, which is the network's output.
    fn leave(&self, from: Rows, (weight, bias): (usize, Option<usize>), sum: Sum) {
        let (batch, len) = (self.plan.batch, self.plan.out.len);
        // SAFETY: as for a convolution's.
        unsafe {
            leave_kernel::launch_unchecked(
                &self.x.client,
                samples(len, batch),
                cube(),
                buffer_of(self.signals, from, from.fours, batch),
                buffer(self.weights),
                buffer(self.y),
                from.base,
                from.len,
                len,
                weight,
                bias.unwrap_or_default(),
                self.net.head_scale,
                sum,
                bias.is_some(),
            );
        }
    }

    /// Layer `n` of array `at`. Nobody hears what the very last puts out.
    fn layer(&self, at: usize, n: usize) {
        let (plan, array) = (&self.plan, &self.net.arrays[at]);
        let (layer, rows, batch) = (&array.layers[n], &plan.signals[at], plan.batch);
        let (form, leak) = Form::of(array.channels, self.net.in_channels, layer);
        let (x, a, out) = (rows.x[n], rows.a[n], rows.x[n + 1]);
        let weights = &plan.offsets[at].layers[n];
        let is_last = at + 1 == self.net.arrays.len() && n + 1 == array.layers.len();
        // SAFETY: a thread per sample of the activation; all places lie within the buffers.
        unsafe {
            layer_kernel::launch_unchecked(
                &self.x.client,
                samples(a.len, batch),
                cube(),
                buffer(self.x),
                buffer(self.weights),
                buffer_of(self.signals, a, x.fours + a.fours + out.fours, batch),
                x.base,
                x.len,
                a.base,
                a.len,
                out.base,
                rows.head.base,
                rows.head.len,
                plan.len,
                weights.conv,
                weights.bias,
                weights.mixer,
                weights.one_by_one,
                weights.one_by_one_bias,
                layer.dilation,
                leak,
                form,
                at == 0 && n == 0,
                !is_last,
            );
        }
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn enter_kernel(
    source: &[f32],
    weights: &[f32],
    target: &mut [Four],
    x: usize,
    condition: usize,
    len: usize,
    weight: usize,
    #[comptime] sum: Sum,
) {
    let (inputs, outputs) = comptime!((sum.from.channels, sum.to.fours()));
    let fours = comptime!((inputs + 1).div_ceil(4));
    let own = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    let t = min(own, len - 1);
    let mut shared = Shared::<[Four]>::new_slice(comptime!(sum.weights(inputs)));
    fetch(weights, &mut shared, weight, 0usize, 0usize, inputs, sum);
    sync_cube();
    let mut sums = zeros(outputs);
    #[unroll]
    for four in 0..fours {
        let mut values = Four::new(0.0f32);
        #[unroll]
        for j in 0..4usize {
            let n = comptime!(four * 4 + j);
            if comptime!(n == 0) {
                values.insert(j, 1.0f32);
            } else if comptime!(n <= inputs) {
                let value = source[(item * inputs + comptime!(n - 1)) * len + t];
                values.insert(j, value);
                #[unroll]
                for m in 0..outputs {
                    sums[m] += shared[comptime!((n - 1) * outputs + m)] * Four::new(value);
                }
            }
        }
        if own < len {
            target[condition + (item * fours + four) * len + t] = values;
        }
    }
    if own < len {
        #[unroll]
        for m in 0..outputs {
            target[x + (item * outputs + m) * len + t] = sums[m];
        }
    }
}

/// b[m] + Σ w[m, n, k]·from[n, t + k] for the thread's sample, the last one for threads beyond it.
#[cube]
#[allow(clippy::too_many_arguments)]
fn head(
    source: &[Four],
    weights: &[f32],
    from: usize,
    from_len: usize,
    to_len: usize,
    weight: usize,
    bias: usize,
    #[comptime] sum: Sum,
    #[comptime] with_bias: bool,
) -> Array<Four> {
    let (inputs, outputs) = comptime!((sum.from.fours(), sum.to.fours()));
    let of_bias = comptime!(Sum::mix(Width::of(1), sum.to, false));
    let t = min(
        CUBE_POS_X as usize * THREADS + UNIT_POS as usize,
        to_len - 1,
    );
    let row = from + CUBE_POS_Y as usize * inputs * from_len;
    let mut biases = Shared::<[Four]>::new_slice(outputs);
    if with_bias {
        fetch(weights, &mut biases, bias, 0usize, 0usize, 1usize, of_bias);
    }
    let mut sums = zeros(outputs);
    let start = from_len - to_len - comptime!(sum.taps - 1);
    convolve(
        source,
        weights,
        &mut sums,
        weight,
        row,
        from_len,
        start + t,
        0usize,
        1usize,
        sum,
    );
    if with_bias {
        #[unroll]
        for m in 0..outputs {
            sums[m] += biases[m];
        }
    }
    sums
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn mix_kernel(
    source: &[Four],
    weights: &[f32],
    target: &mut [Four],
    from: usize,
    from_len: usize,
    to: usize,
    to_len: usize,
    weight: usize,
    bias: usize,
    #[comptime] sum: Sum,
    #[comptime] with_bias: bool,
) {
    let sums = head(
        source, weights, from, from_len, to_len, weight, bias, sum, with_bias,
    );
    let outputs = comptime!(sum.to.fours());
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    if t < to_len {
        #[unroll]
        for m in 0..outputs {
            target[to + (CUBE_POS_Y as usize * outputs + m) * to_len + t] = sums[m];
        }
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn leave_kernel(
    source: &[Four],
    weights: &[f32],
    target: &mut [f32],
    from: usize,
    from_len: usize,
    to_len: usize,
    weight: usize,
    bias: usize,
    scale: f32,
    #[comptime] sum: Sum,
    #[comptime] with_bias: bool,
) {
    let sums = head(
        source, weights, from, from_len, to_len, weight, bias, sum, with_bias,
    );
    let channels = comptime!(sum.to.channels);
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    if t < to_len {
        #[unroll]
        for m in 0..channels {
            let sum = sums[comptime!(m / 4)].extract(comptime!(m % 4));
            target[(CUBE_POS_Y as usize * channels + m) * to_len + t] = sum * scale;
        }
    }
}

/// x goes through the convolution to z, its activation is kept and joins the head, and through the 1×1
/// convolution joins x.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn layer_kernel(
    condition: &[f32],
    weights: &[f32],
    signals: &mut [Four],
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
    dilation: usize,
    leak: f32,
    #[comptime] form: Form,
    #[comptime] is_first: bool,
    #[comptime] is_heard: bool,
) {
    let (fours, inner) = comptime!((form.width().fours(), form.inner().fours()));
    let item = CUBE_POS_Y as usize;
    let own = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let t = min(own, len - 1);
    let mut shared = Shared::<[Four]>::new_slice(comptime!(form.beside()));
    fetch_beside(
        weights,
        &mut shared,
        bias,
        mixer,
        one,
        one_bias,
        form,
        is_heard,
    );
    let mut z = zeros(inner);
    let row = x + item * fours * x_len;
    let sum = comptime!(form.convolution(false));
    convolve(
        &*signals, weights, &mut z, conv, row, x_len, t, 0usize, dilation, sum,
    );
    add_condition(condition, &shared, &mut z, condition_len, len - t, form);
    let heard = activate(signals, &z, a, len, own, leak, form);
    if own < len && t + head_len >= len {
        #[unroll]
        for m in 0..fours {
            let at = head + (item * fours + m + 1) * head_len - len + t;
            if is_first {
                signals[at] = heard[m];
            } else {
                signals[at] += heard[m];
            }
        }
    }
    if is_heard {
        let sums = mixed(&heard, &shared, form);
        if own < len {
            #[unroll]
            for m in 0..fours {
                let straight = signals[row + (m + 1) * x_len - len + t];
                signals[out + (item * fours + m) * len + t] = straight + sums[m];
            }
        }
    }
}

/// Fetches a layer's weights but the convolution's.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fetch_beside(
    weights: &[f32],
    shared: &mut Shared<[Four]>,
    bias: usize,
    mixer: usize,
    one: usize,
    one_bias: usize,
    #[comptime] form: Form,
    #[comptime] is_heard: bool,
) {
    let (of_bias, of_mixer) = comptime!((form.bias(), form.mixer()));
    let (inputs, place) = comptime!((form.conditions, form.inner().fours()));
    fetch(weights, shared, bias, 0usize, 0usize, 1usize, of_bias);
    fetch(weights, shared, mixer, 0usize, place, inputs, of_mixer);
    if is_heard {
        let (of_one, of_bias) = comptime!((form.one_by_one(false), form.one_by_one_bias()));
        let (inputs, place) = comptime!((form.channels, form.one_by_one_place()));
        let bias_place = comptime!(place + of_one.weights(inputs));
        fetch(weights, shared, one, 0usize, place, inputs, of_one);
        fetch(
            weights, shared, one_bias, 0usize, bias_place, 1usize, of_bias,
        );
    }
}

/// Adds to z the bias and what the condition, `late` samples before its end, contributes.
#[cube]
fn add_condition(
    condition: &[f32],
    shared: &Shared<[Four]>,
    z: &mut Array<Four>,
    condition_len: usize,
    late: usize,
    #[comptime] form: Form,
) {
    let (conditions, inner) = comptime!((form.conditions, form.inner().fours()));
    #[unroll]
    for m in 0..inner {
        z[m] += shared[m];
    }
    #[unroll]
    for n in 0..conditions {
        let row = CUBE_POS_Y as usize * conditions + n;
        let value = Four::new(condition[(row + 1) * condition_len - late]);
        #[unroll]
        for m in 0..inner {
            z[m] += shared[comptime!((1 + n) * inner + m)] * value;
        }
    }
}

/// The activation of z, kept with its factors where it is gated.
#[cube]
fn activate(
    signals: &mut [Four],
    z: &Array<Four>,
    a: usize,
    len: usize,
    t: usize,
    leak: f32,
    #[comptime] form: Form,
) -> Array<Four> {
    let fours = comptime!(form.width().fours());
    let rows = comptime!(if form.gated { 3 * fours } else { fours });
    let mut heard = Array::<Four>::new(fours);
    #[unroll]
    for m in 0..fours {
        let lanes = comptime!(form.width().lanes(m));
        let at = a + (CUBE_POS_Y as usize * rows + m) * len + t;
        let value = values(z[m], leak, lanes, form);
        if comptime!(form.gated) {
            let gate = gates(z[comptime!(fours + m)], lanes);
            if t < len {
                signals[at + fours * len] = value;
                signals[at + comptime!(2 * fours) * len] = gate;
            }
            heard[m] = value * gate;
        } else {
            heard[m] = value;
        }
        if t < len {
            signals[at] = heard[m];
        }
    }
    heard
}

/// The 1×1 convolution.
#[cube]
fn mixed(heard: &Array<Four>, shared: &Shared<[Four]>, #[comptime] form: Form) -> Array<Four> {
    let fours = comptime!(form.width().fours());
    let place = comptime!(form.one_by_one_place());
    let biases = comptime!(place + form.one_by_one(false).weights(form.channels));
    let mut sums = Array::<Four>::new(fours);
    #[unroll]
    for m in 0..fours {
        sums[m] = shared[comptime!(biases + m)];
    }
    #[unroll]
    for n in 0..fours {
        let lanes = comptime!(form.width().lanes(n));
        let place = comptime!(place + n * 4 * fours);
        add_products(&mut sums, heard[n], shared, place, lanes, fours);
    }
    sums
}

/// The activation of a four of which so many channels are used.
#[cube]
fn values(z: Four, leak: f32, #[comptime] lanes: usize, #[comptime] form: Form) -> Four {
    let mut values = Four::new(0.0f32);
    #[unroll]
    for j in 0..lanes {
        values.insert(j, value(z.extract(j), leak, form.curve));
    }
    values
}

/// The gates of a four, likewise.
#[cube]
fn gates(z: Four, #[comptime] lanes: usize) -> Four {
    let mut values = Four::new(0.0f32);
    #[unroll]
    for j in 0..lanes {
        values.insert(j, sigmoid(z.extract(j)));
    }
    values
}
