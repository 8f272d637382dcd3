//! The gradients of all signals: a launch ends one layer and begins the layer below.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::convolve::{Four, Sum, Width, add_products, convolve, fetch, zeros};
use super::form::{Form, buffer_of, samples};
use super::places::{Plan, Rows, last};
use crate::kernels::gpu::launch::{THREADS, buffer, cube};
use crate::kernels::gpu::math::slope;
use crate::kernels::wavenet::WaveNet;

pub(super) struct Backward<'a> {
    pub net: &'a WaveNet,
    pub plan: Plan,
    pub x: &'a CubeTensor,
    pub weights: &'a CubeTensor,
    pub signals: &'a CubeTensor,
    pub gradients: &'a CubeTensor,
}

impl Backward<'_> {
    /// The gradients of all signals.
    pub fn signals(&self, dy: &CubeTensor) {
        self.scale(dy);
        let plan = &self.plan;
        for at in (0..self.net.arrays.len()).rev() {
            let array = &self.net.arrays[at];
            let (offsets, rows) = (&plan.offsets[at], &plan.gradients[at]);
            let (width, head) = (Width::of(array.channels), Width::of(array.head_channels));
            let sum = Sum {
                taps: array.head_kernel_size,
                ..Sum::mix(head, width, true)
            };
            self.unmix(plan.head_out(at), rows.head, offsets.head, sum);
            for n in (0..=array.layers.len()).rev() {
                self.layer(at, n);
            }
            if at > 0 {
                let below = Width::of(self.net.arrays[at - 1].channels);
                let to = *last(&plan.gradients[at - 1].x);
                let sum = Sum::mix(width, below, true);
                self.unmix(rows.x[0], to, offsets.rechannel, sum);
            }
        }
    }

    /// Of the network's output before its scale.
    fn scale(&self, dy: &CubeTensor) {
        let (out, batch) = (self.plan.out, self.plan.batch);
        // SAFETY: a thread per sample of dy.
        unsafe {
            scale_kernel::launch_unchecked(
                &self.x.client,
                samples(out.len, batch),
                cube(),
                buffer(dy),
                buffer_of(self.gradients, out, out.fours, batch),
                out.base,
                out.len,
                self.net.head_scale,
                self.net.out_channels(),
            );
        }
    }

    /// From layer `n`'s taps (there is none above the last) to what enters it, and through the
    /// activation of the layer below (there is none below the first).
    fn layer(&self, at: usize, n: usize) {
        let (plan, array) = (&self.plan, &self.net.arrays[at]);
        let (offsets, rows) = (&plan.offsets[at], &plan.gradients[at]);
        let form_of = |layer| Form::of(array.channels, self.net.in_channels, layer);
        let above = array.layers.get(n);
        let below = n.checked_sub(1).map(|n| &array.layers[n]);
        let Some((form, leak)) = below.or(above).map(form_of) else {
            return;
        };
        let is_last = at + 1 == self.net.arrays.len();
        let (x, batch) = (rows.x[n], plan.batch);
        let z = above.map_or(Rows::default(), |_| rows.a[n]);
        let lower = n.saturating_sub(1);
        let touched = x.fours + z.fours + rows.a[lower].fours;
        // SAFETY: a thread per sample of the signal between the layers; all places lie within the
        // buffers, and the taps' ends are guarded.
        unsafe {
            layer_back_kernel::launch_unchecked(
                &self.x.client,
                samples(x.len, batch),
                cube(),
                buffer_of(self.signals, x, x.fours, batch),
                buffer(self.weights),
                buffer_of(self.gradients, x, touched, batch),
                x.base,
                x.len,
                z.base,
                z.len,
                rows.x.get(n + 1).map_or(0, |upper| upper.base),
                above.map_or(0, |_| offsets.layers[n].conv),
                above.map_or(0, |layer| layer.dilation),
                plan.signals[at].a[lower].base,
                rows.a[lower].base,
                offsets.layers[lower].one_by_one,
                rows.head.base,
                rows.head.len,
                leak,
                Between {
                    upper: above.map(|layer| form_of(layer).0.convolution(true)),
                    form,
                    has_lower: below.is_some(),
                    is_heard: !(is_last && n + 1 == array.layers.len()),
                    is_given: above.is_none() && !is_last,
                },
            );
        }
    }

    /// The gradient of what enters a convolution.
    fn unmix(&self, from: Rows, to: Rows, weight: usize, sum: Sum) {
        let batch = self.plan.batch;
        // SAFETY: a thread per sample of the target; the taps' ends are guarded.
        unsafe {
            unmix_kernel::launch_unchecked(
                &self.x.client,
                samples(to.len, batch),
                cube(),
                buffer_of(self.gradients, from, from.fours, batch),
                buffer(self.weights),
                buffer_of(self.gradients, to, to.fours, batch),
                from.base,
                from.len,
                to.base,
                to.len,
                weight,
                sum,
            );
        }
    }

    /// The gradient of x: through the first array's beginning, and as every layer's condition.
    pub fn input(&self, dx: &CubeTensor) {
        let to = Width::of(self.net.in_channels);
        for (at, array) in self.net.arrays.iter().enumerate() {
            let (offsets, rows) = (&self.plan.offsets[at], &self.plan.gradients[at]);
            if at == 0 {
                let sum = Sum::mix(Width::of(array.channels), to, true);
                self.leave(rows.x[0], dx, offsets.rechannel, (sum, false));
            }
            for ((layer, to_z), &z) in array.layers.iter().zip(&offsets.layers).zip(&rows.a) {
                let (form, _) = Form::of(array.channels, self.net.in_channels, layer);
                let sum = Sum::mix(form.inner(), to, true);
                self.leave(z, dx, to_z.mixer, (sum, true));
            }
        }
    }

    /// Writes dx, or adds to it, what comes from a 1×1 convolution of its last samples.
    fn leave(&self, from: Rows, dx: &CubeTensor, weight: usize, (sum, add): (Sum, bool)) {
        let batch = self.plan.batch;
        // SAFETY: a thread per sample of the source, which is no longer than x.
        unsafe {
            leave_kernel::launch_unchecked(
                &self.x.client,
                samples(from.len, batch),
                cube(),
                buffer_of(self.gradients, from, from.fours, batch),
                buffer(self.weights),
                buffer(dx),
                from.base,
                from.len,
                self.plan.len,
                weight,
                sum,
                add,
            );
        }
    }
}

#[cube(launch_unchecked)]
fn scale_kernel(
    source: &[f32],
    target: &mut [Four],
    to: usize,
    len: usize,
    scale: f32,
    #[comptime] channels: usize,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    let fours = comptime!(channels.div_ceil(4));
    if t < len {
        #[unroll]
        for four in 0..fours {
            let mut values = Four::new(0.0f32);
            #[unroll]
            for j in 0..comptime!(Width::of(channels).lanes(four)) {
                let n = comptime!(four * 4 + j);
                values.insert(j, source[(item * channels + n) * len + t] * scale);
            }
            target[to + (item * fours + four) * len + t] = values;
        }
    }
}

/// to[n, s] = Σ w[m, n, k]·from[m, s − k], aligned at the end.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn unmix_kernel(
    source: &[Four],
    weights: &[f32],
    target: &mut [Four],
    from: usize,
    from_len: usize,
    to: usize,
    to_len: usize,
    weight: usize,
    #[comptime] sum: Sum,
) {
    let (inputs, outputs) = comptime!((sum.from.fours(), sum.to.fours()));
    let s = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    let row = from + item * inputs * from_len;
    // Samples before the first that was used.
    let before = to_len - from_len - comptime!(sum.taps - 1);
    let mut sums = zeros(outputs);
    convolve(
        source, weights, &mut sums, weight, row, from_len, s, before, 1usize, sum,
    );
    if s < to_len {
        #[unroll]
        for n in 0..outputs {
            target[to + (item * outputs + n) * to_len + s] = sums[n];
        }
    }
}

/// to[n, t] = (or +=) Σ w[m, n]·from[m, t], aligned at the end.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn leave_kernel(
    source: &[Four],
    weights: &[f32],
    target: &mut [f32],
    from: usize,
    len: usize,
    to_len: usize,
    weight: usize,
    #[comptime] sum: Sum,
    #[comptime] add: bool,
) {
    let (inputs, channels) = comptime!((sum.from.fours(), sum.to.channels));
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    let row = from + item * inputs * len;
    let mut sums = zeros(comptime!(sum.to.fours()));
    convolve(
        source, weights, &mut sums, weight, row, len, t, 0usize, 1usize, sum,
    );
    if t < len {
        #[unroll]
        for n in 0..channels {
            let sum = sums[comptime!(n / 4)].extract(comptime!(n % 4));
            let at = (item * channels + n + 1) * to_len - len + t;
            if add {
                target[at] += sum;
            } else {
                target[at] = sum;
            }
        }
    }
}

/// What lies around a signal between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Between {
    /// What the convolution of the layer above does to gradients.
    upper: Option<Sum>,
    /// The layer below, or above where there is none.
    form: Form,
    has_lower: bool,
    /// Whether what the layer above puts out has a gradient.
    is_heard: bool,
    /// Whether the array above has written the signal's gradient.
    is_given: bool,
}

impl Between {
    fn has_upper(self) -> bool {
        self.upper.is_some()
    }

    /// Of a layer above.
    fn above(self) -> Sum {
        self.upper.unwrap_or(self.form.convolution(true))
    }
}

/// The gradient of the signal between two layers, and of what enters the lower one's activation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn layer_back_kernel(
    signals: &[Four],
    weights: &[f32],
    gradients: &mut [Four],
    x: usize,
    len: usize,
    upper_z: usize,
    upper_len: usize,
    upper_x: usize,
    conv: usize,
    dilation: usize,
    a: usize,
    z: usize,
    one: usize,
    head: usize,
    head_len: usize,
    leak: f32,
    #[comptime] between: Between,
) {
    let form = comptime!(between.form);
    let (channels, fours) = comptime!((form.channels, form.width().fours()));
    let item = CUBE_POS_Y as usize;
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let one_by_one = comptime!(form.one_by_one(true));
    let through_one = comptime!(between.has_lower && (between.has_upper() || between.is_given));
    let mut shared = Shared::<[Four]>::new_slice(comptime!(channels * fours));
    if through_one {
        fetch(
            weights,
            &mut shared,
            one,
            0usize,
            0usize,
            channels,
            one_by_one,
        );
    }
    let dx = between_layers(
        gradients, weights, x, len, upper_z, upper_len, upper_x, conv, dilation, t, between,
    );
    if comptime!(between.has_lower) {
        let mut da = zeros(fours);
        if t < len && t + head_len >= len {
            #[unroll]
            for n in 0..fours {
                da[n] = gradients[head + (item * fours + n + 1) * head_len - len + t];
            }
        }
        if through_one {
            #[unroll]
            for m in 0..fours {
                let lanes = comptime!(form.width().lanes(m));
                let place = comptime!(m * 4 * fours);
                add_products(&mut da, dx[m], &shared, place, lanes, fours);
            }
        }
        if t < len {
            through_activation(signals, gradients, &da, a, z, len, t, leak, form);
        }
    }
}

/// The gradient of the signal, 0 where it has none. Passing here, all threads have waited for each
/// other.
#[cube]
#[allow(clippy::too_many_arguments)]
fn between_layers(
    gradients: &mut [Four],
    weights: &[f32],
    x: usize,
    len: usize,
    upper_z: usize,
    upper_len: usize,
    upper_x: usize,
    conv: usize,
    dilation: usize,
    t: usize,
    #[comptime] between: Between,
) -> Array<Four> {
    let fours = comptime!(between.form.width().fours());
    let item = CUBE_POS_Y as usize;
    let here = x + item * fours * len + t;
    let mut dx = zeros(fours);
    if comptime!(between.has_upper()) {
        let sum = comptime!(between.above());
        let row = upper_z + item * comptime!(sum.from.fours()) * upper_len;
        convolve(
            &*gradients,
            weights,
            &mut dx,
            conv,
            row,
            upper_len,
            t,
            0usize,
            dilation,
            sum,
        );
        if comptime!(between.is_heard) && t < len && t + upper_len >= len {
            #[unroll]
            for n in 0..fours {
                dx[n] += gradients[upper_x + (item * fours + n + 1) * upper_len - len + t];
            }
        }
        if t < len {
            #[unroll]
            for n in 0..fours {
                gradients[here + n * len] = dx[n];
            }
        }
    } else {
        sync_cube();
        if comptime!(between.is_given) && t < len {
            #[unroll]
            for n in 0..fours {
                dx[n] = gradients[here + n * len];
            }
        }
    }
    dx
}

/// From the gradient of an activation to that of what enters it.
#[cube]
#[allow(clippy::too_many_arguments)]
fn through_activation(
    signals: &[Four],
    gradients: &mut [Four],
    da: &Array<Four>,
    a: usize,
    z: usize,
    len: usize,
    t: usize,
    leak: f32,
    #[comptime] form: Form,
) {
    let (fours, inner) = comptime!((form.width().fours(), form.inner().fours()));
    let item = CUBE_POS_Y as usize;
    #[unroll]
    for n in 0..fours {
        let lanes = comptime!(form.width().lanes(n));
        if comptime!(form.gated) {
            let rows = a + item * comptime!(3 * fours) * len + t;
            let heard = signals[rows + comptime!(fours + n) * len];
            let gate = signals[rows + comptime!(2 * fours + n) * len];
            let here = z + (item * inner + n) * len + t;
            gradients[here] = da[n] * gate * slopes(heard, leak, lanes, form);
            gradients[here + fours * len] = da[n] * heard * (gate - gate * gate);
        } else {
            let heard = signals[a + (item * fours + n) * len + t];
            gradients[z + (item * inner + n) * len + t] = da[n] * slopes(heard, leak, lanes, form);
        }
    }
}

/// The slopes of a four of activations of which so many are used.
#[cube]
fn slopes(heard: Four, leak: f32, #[comptime] lanes: usize, #[comptime] form: Form) -> Four {
    let mut values = Four::new(0.0f32);
    #[unroll]
    for j in 0..lanes {
        values.insert(j, slope(heard.extract(j), leak, form.curve));
    }
    values
}
