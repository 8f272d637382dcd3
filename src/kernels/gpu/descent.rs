//! A step of an optimiser over all weights on a card: as many tensors in a launch as its bindings
//! allow. The moments are two flat lists in the weights' order. Nothing is overwritten: whoever
//! holds the old weights keeps them.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, buffer, cube, cubes, part};
use super::parts::{Group, groups, sequence};
use super::sums::sum_of_cube;
use crate::kernels::bridge::{CardOperator, CardPass};
use crate::kernels::descent::step::{Descent, Way};

/// Inputs: the weights, their gradients, the two moments. Outputs: the weights, the moments, and a
/// sum of squares of gradients per launch, 0 behind them; it is written where steps are clipped.
#[derive(Debug)]
pub(in crate::kernels) struct CardDescent {
    /// The step.
    pub step: Descent,
    /// Numbers of each tensor.
    pub lens: Vec<usize>,
    /// What each decays by.
    pub decays: Vec<f32>,
}

/// Buffers of an update beside the tensors: moments before and after, squares.
const OTHERS: usize = 5;

impl CardOperator for CardDescent {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        let count = self.lens.len();
        let mut outputs = inputs[..count].to_vec();
        outputs.extend_from_slice(&inputs[2 * count..]);
        outputs.push(Shape::new([count]));
        outputs
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let count = self.lens.len();
        let groups = groups(&inputs[0], &self.lens, 3, OTHERS);
        if self.step.largest.is_some() {
            for (number, group) in groups.iter().enumerate() {
                let gradients = &inputs[count..][group.range.clone()];
                squares(
                    group,
                    (number, groups.len()),
                    gradients,
                    &outputs[count + 2],
                );
            }
        }
        for group in &groups {
            self.update(group, groups.len(), inputs, outputs);
        }
    }

    fn backward(&self, _pass: &CardPass<'_>, _gradients: &[Option<CubeTensor>]) {
        // Nobody learns through a step.
    }
}

impl CardDescent {
    fn update(&self, group: &Group, groups: usize, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let (count, step) = (self.lens.len(), &self.step);
        let (range, numbers) = (group.range.clone(), group.numbers());
        let touched = |tensor: &CubeTensor| match step.way {
            Way::Plain => part(tensor, 0),
            Way::Adam { .. } => part(tensor, numbers),
        };
        let scales = step.scales();
        // SAFETY: a thread per number of the group, those beyond end at once.
        unsafe {
            update_kernel::launch_unchecked(
                &inputs[0].client,
                cubes(numbers),
                cube(),
                sequence(&inputs[range.clone()]),
                sequence(&inputs[count..][range.clone()]),
                sequence(&outputs[range.clone()]),
                touched(&inputs[2 * count]),
                touched(&inputs[2 * count + 1]),
                touched(&outputs[count]),
                touched(&outputs[count + 1]),
                part(&outputs[count + 2], groups),
                group.places(),
                self.decays[range].iter().copied().collect(),
                group.first,
                groups,
                step.rate,
                step.largest.unwrap_or_default(),
                scales.keep_first,
                scales.keep_second,
                scales.factor,
                scales.epsilon,
                group.parts(),
                Kind::of(step.way),
                step.largest.is_some(),
            );
        }
    }
}

fn squares(
    group: &Group,
    (number, of): (usize, usize),
    gradients: &[CubeTensor],
    squares: &CubeTensor,
) {
    // SAFETY: one cube; its threads' steps end at the group's last number, and at the last of the
    // sums.
    unsafe {
        squares_kernel::launch_unchecked(
            &squares.client,
            CubeCount::Static(1, 1, 1),
            cube(),
            sequence(gradients),
            buffer(squares),
            group.places(),
            number,
            of,
            squares.meta.shape().num_elements(),
            group.parts(),
        );
    }
}

/// What the update kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Plain,
    Adam,
    AdamW,
}

impl Kind {
    fn of(way: Way) -> Self {
        match way {
            Way::Plain => Self::Plain,
            Way::Adam {
                decoupled: false, ..
            } => Self::Adam,
            Way::Adam { .. } => Self::AdamW,
        }
    }
}

#[cube(launch_unchecked)]
fn squares_kernel(
    gradients: Sequence<OwnedTensor<f32>>,
    squares: &mut [f32],
    starts: Sequence<usize>,
    group: usize,
    groups: usize,
    count: usize,
    #[comptime] parts: usize,
) {
    let unit = UNIT_POS as usize;
    let mut sum = 0.0f32;
    #[unroll]
    for n in 0..parts {
        let gradient = gradients.index(n);
        let mut at = unit;
        while at < starts[n + 1] - starts[n] {
            sum += gradient[at] * gradient[at];
            at += THREADS;
        }
    }
    let total = sum_of_cube(sum);
    if unit == 0 {
        squares[group] = total;
    }
    if group == 0 {
        let mut behind = groups + unit;
        while behind < count {
            squares[behind] = 0.0f32;
            behind += THREADS;
        }
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn update_kernel(
    weights: Sequence<OwnedTensor<f32>>,
    gradients: Sequence<OwnedTensor<f32>>,
    updated: &mut Sequence<OwnedTensor<f32>>,
    first_moments: &[f32],
    second_moments: &[f32],
    new_first_moments: &mut [f32],
    new_second_moments: &mut [f32],
    squares: &[f32],
    starts: Sequence<usize>,
    decays: Sequence<f32>,
    first: usize,
    groups: usize,
    rate: f32,
    largest: f32,
    keep_first: f32,
    keep_second: f32,
    factor: f32,
    epsilon: f32,
    #[comptime] parts: usize,
    #[comptime] kind: Kind,
    #[comptime] is_clipped: bool,
) {
    let at = ABSOLUTE_POS;
    let mut scale = 1.0f32;
    let mut is_finite = true;
    if is_clipped {
        let mut sum = 0.0f32;
        for group in 0..groups {
            sum += squares[group];
        }
        // Not so of NaN either.
        is_finite = sum <= 3.0e38f32;
        let norm = f32::sqrt(sum);
        if norm > largest {
            scale = largest / norm;
        }
    }
    #[unroll]
    for n in 0..parts {
        if at >= starts[n] && at < starts[n + 1] {
            let within = at - starts[n];
            let weight = weights.index(n)[within];
            let mut gradient = gradients.index(n)[within] * scale;
            let mut kept = weight;
            if comptime!(kind == Kind::AdamW) {
                kept = weight * (1.0f32 - rate * decays[n]);
            } else {
                gradient += decays[n] * weight;
            }
            let mut delta = gradient;
            if comptime!(kind != Kind::Plain) {
                let place = first + at;
                let m = first_moments[place];
                let v = second_moments[place];
                let new_m = m * keep_first + gradient * (1.0f32 - keep_first);
                let new_v = v * keep_second + gradient * gradient * (1.0f32 - keep_second);
                new_first_moments[place] = select(is_finite, new_m, m);
                new_second_moments[place] = select(is_finite, new_v, v);
                delta = new_m * factor / (f32::sqrt(new_v) + epsilon);
            }
            let out = updated.index_mut(n);
            out[within] = select(is_finite, kept - delta * rate, weight);
        }
    }
}
