//! The distance of spectra on a card: per resolution a launch forward and one back, a cube per frame,
//! whose transform stays in shared memory; one launch makes the distance of all sums, and one back
//! lays the frames over each other.
//!
//! Wet and predicted are the real and the imaginary part of one transform, which their symmetries
//! take apart again. Nothing of a frame is kept: back it is transformed once more.

use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, buffer, cube, cubes};
use super::sums::sum_of_cube;
use crate::dsp::window::hann;
use crate::kernels::bridge::{CardOperator, CardPass, empty, list, output_on_card};
use crate::kernels::spectral::{FLOOR, HAIR, RESOLUTIONS, SILENCE, SpectralDistance};

/// The distance of tensors on a card, `[1]`.
pub(in crate::kernels) fn spectral_distance(
    distance: SpectralDistance,
    wet: Tensor<3>,
    predicted: Tensor<3>,
) -> Tensor<1> {
    output_on_card(CardSpectral(distance), list([predicted, wet], []))
}

/// Inputs predicted and wet; outputs the distance, and slopes of both terms at each resolution.
#[derive(Debug)]
struct CardSpectral(SpectralDistance);

/// Points of the longest transform: the table of angles has half as many.
const LONGEST: usize = 2048;
/// Bytes that a cube of the kernels shares: a frame's numbers, and those of three sums.
pub(in crate::kernels) const SHARED_MEMORY: usize = (2 * LONGEST + 3 * THREADS) * size_of::<f32>();
/// Sums of a frame: (W − P)², W², |ln W² − ln P²|.
const SUMS: usize = 3;

/// A resolution, and the samples of its row. What a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Frames {
    /// Points of the transform.
    points: usize,
    hop: usize,
    window: usize,
    /// Where the window's values begin in the table.
    table: usize,
    is_emphasised: bool,
}

/// What all launches are about.
struct Sides<'a> {
    predicted: &'a CubeTensor,
    wet: &'a CubeTensor,
    table: CubeTensor,
    rows: usize,
    /// Samples of a row, before and after the pre-emphasis.
    len: usize,
    emphasised_len: usize,
    coefficient: f32,
    frames: [Frames; 3],
}

impl<'a> Sides<'a> {
    fn new(distance: &SpectralDistance, inputs: &'a [CubeTensor]) -> Self {
        let [batch, channels, len] = inputs[0].meta.shape().dims();
        let mut table = LONGEST;
        let frames = RESOLUTIONS.map(|[points, hop, window]| {
            let frames = Frames {
                points,
                hop,
                window,
                table,
                is_emphasised: distance.pre_emphasis.is_some(),
            };
            table += window;
            frames
        });
        Self {
            predicted: &inputs[0],
            wet: &inputs[1],
            table: uploaded_table(&inputs[0]),
            rows: batch * channels,
            len,
            emphasised_len: distance.emphasised_len(len),
            coefficient: distance.pre_emphasis.unwrap_or_default(),
            frames,
        }
    }

    /// Frames of a row.
    fn count(&self, frames: &Frames) -> usize {
        1 + self.emphasised_len / frames.hop
    }

    fn cubes(&self, frames: &Frames) -> CubeCount {
        CubeCount::Static(self.count(frames) as u32, self.rows as u32, 1)
    }

    /// Sums over each frame.
    fn compare(&self, frames: Frames) -> CubeTensor {
        let sums = empty(self.predicted, [self.rows * self.count(&frames) * SUMS]);
        // SAFETY: a cube per frame; mirrored samples lie within the row.
        unsafe {
            compare_kernel::launch_unchecked(
                &self.predicted.client,
                self.cubes(&frames),
                cube(),
                buffer(self.predicted),
                buffer(self.wet),
                buffer(&self.table),
                buffer(&sums),
                self.len,
                self.emphasised_len as i32,
                self.coefficient,
                frames,
            );
        }
        sums
    }

    /// The gradient of each frame's samples.
    fn back(&self, at: usize, slopes: &CubeTensor, dy: &CubeTensor) -> CubeTensor {
        let frames = self.frames[at];
        let numbers = self.rows * self.count(&frames) * frames.window;
        let gradients = empty(self.predicted, [numbers]);
        // SAFETY: as in `compare`.
        unsafe {
            back_kernel::launch_unchecked(
                &self.predicted.client,
                self.cubes(&frames),
                cube(),
                buffer(self.predicted),
                buffer(self.wet),
                buffer(&self.table),
                buffer(slopes),
                buffer(dy),
                buffer(&gradients),
                self.len,
                self.emphasised_len as i32,
                self.coefficient,
                2 * at,
                frames,
            );
        }
        gradients
    }
}

/// Cosines and sines of a turn's LONGEST steps, then the windows: a card's own are too coarse.
fn uploaded_table(beside: &CubeTensor) -> CubeTensor {
    let angle = |step: usize| std::f64::consts::TAU * step as f64 / LONGEST as f64;
    let half = LONGEST / 2;
    let cosines = (0..half).map(|step| angle(step).cos());
    let sines = (0..half).map(|step| angle(step).sin());
    let windows = RESOLUTIONS
        .into_iter()
        .flat_map(|[_, _, window]| hann(window));
    let table: Vec<u8> = cosines
        .chain(sines)
        .chain(windows)
        .flat_map(|value| (value as f32).to_ne_bytes())
        .collect();
    let client = beside.client.clone();
    let handle = client.create_from_slice(&table);
    let shape = Shape::new([table.len() / size_of::<f32>()]);
    CubeTensor::new_contiguous(client, beside.device.clone(), shape, handle, DType::F32)
}

impl CardOperator for CardSpectral {
    fn outputs(&self, _inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new([1]), Shape::new([2 * RESOLUTIONS.len()])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let sides = Sides::new(&self.0, inputs);
        let [first, second, third] = sides.frames.map(|frames| sides.compare(frames));
        let frames = sides.frames.map(|frames| sides.rows * sides.count(&frames));
        let bins: [f32; 3] =
            std::array::from_fn(|at| (frames[at] * (sides.frames[at].points / 2 + 1)) as f32);
        // SAFETY: one cube, whose threads' steps end at the last frame.
        unsafe {
            distance_kernel::launch_unchecked(
                &inputs[0].client,
                CubeCount::Static(1, 1, 1),
                cube(),
                buffer(&first),
                buffer(&second),
                buffer(&third),
                buffer(&outputs[0]),
                buffer(&outputs[1]),
                frames[0],
                frames[1],
                frames[2],
                bins[0],
                bins[1],
                bins[2],
            );
        }
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let Some(dx) = &gradients[0] else {
            return;
        };
        let sides = Sides::new(&self.0, pass.inputs);
        let [first, second, third] = [0, 1, 2].map(|at| sides.back(at, &pass.outputs[1], pass.dy));
        let counts = sides.frames.map(|frames| sides.count(&frames));
        // SAFETY: a thread per sample, those beyond end at once; of every sample only the frames
        // there are are looked at.
        unsafe {
            fold_kernel::launch_unchecked(
                &dx.client,
                cubes(sides.rows * sides.len),
                cube(),
                buffer(&first),
                buffer(&second),
                buffer(&third),
                buffer(dx),
                counts[0] as i32,
                counts[1] as i32,
                counts[2] as i32,
                sides.rows,
                sides.len,
                sides.emphasised_len as i32,
                sides.coefficient,
                sides.frames[0],
                sides.frames[1],
                sides.frames[2],
            );
        }
    }
}

/// A frame of both sides in the order that the transform wants: wet real, predicted imaginary.
#[cube]
#[allow(clippy::too_many_arguments)]
fn load(
    predicted: &[f32],
    wet: &[f32],
    table: &[f32],
    re: &mut Shared<[f32]>,
    im: &mut Shared<[f32]>,
    len: usize,
    inner: i32,
    coefficient: f32,
    #[comptime] frames: Frames,
) {
    let points = comptime!(frames.points);
    let before = comptime!((frames.points - frames.window) / 2);
    let bits = comptime!(32 - frames.points.trailing_zeros());
    let row = CUBE_POS_Y as usize * len;
    let mut i = UNIT_POS as usize;
    while i < points {
        let mut of_wet = 0.0f32;
        let mut of_predicted = 0.0f32;
        if i >= before && i < before + comptime!(frames.window) {
            let at = (CUBE_POS_X as usize * comptime!(frames.hop) + i) as i32
                - comptime!((frames.points / 2) as i32);
            // Mirrored at both edges.
            let last = inner - 1;
            let from = row + (last - i32::abs(last - i32::abs(at))) as usize;
            let window = table[comptime!(frames.table) + i - before];
            if comptime!(frames.is_emphasised) {
                of_wet = (wet[from + 1] - coefficient * wet[from]) * window;
                of_predicted = (predicted[from + 1] - coefficient * predicted[from]) * window;
            } else {
                of_wet = wet[from] * window;
                of_predicted = predicted[from] * window;
            }
        }
        let place = (u32::reverse_bits(i as u32) >> bits) as usize;
        re[place] = of_wet;
        im[place] = of_predicted;
        i += THREADS;
    }
    sync_cube();
}

/// The transform Σ z[n]·exp(−2πi·kn/points) in place, of numbers in the order of their index's bits
/// reversed.
#[cube]
fn transform(
    table: &[f32],
    re: &mut Shared<[f32]>,
    im: &mut Shared<[f32]>,
    #[comptime] points: usize,
) {
    let stages = comptime!(points.trailing_zeros() as usize);
    #[unroll]
    for stage in 0..stages {
        let half = comptime!(1usize << stage);
        let mut pair = UNIT_POS as usize;
        while pair < comptime!(points / 2) {
            let within = pair % half;
            let low = pair / half * comptime!(2 * half) + within;
            let step = within * comptime!(LONGEST / 2 / half);
            let cos = table[step];
            let sin = table[comptime!(LONGEST / 2) + step];
            let high_re = re[low + half];
            let high_im = im[low + half];
            let turned_re = high_re * cos + high_im * sin;
            let turned_im = high_im * cos - high_re * sin;
            let low_re = re[low];
            let low_im = im[low];
            re[low] = low_re + turned_re;
            im[low] = low_im + turned_im;
            re[low + half] = low_re - turned_re;
            im[low + half] = low_im - turned_im;
            pair += THREADS;
        }
        sync_cube();
    }
}

/// That of wet in bin k, not below the floor.
#[cube]
fn wet_power(re: &Shared<[f32]>, im: &Shared<[f32]>, k: usize, #[comptime] points: usize) -> f32 {
    let other = (points - k) % points;
    let wet_re = (re[k] + re[other]) * 0.5f32;
    let wet_im = (im[k] - im[other]) * 0.5f32;
    max(wet_re * wet_re + wet_im * wet_im, FLOOR)
}

/// Re P of bin k.
#[cube]
fn predicted_re(im: &Shared<[f32]>, k: usize, #[comptime] points: usize) -> f32 {
    (im[k] + im[(points - k) % points]) * 0.5f32
}

/// Im P of bin k.
#[cube]
fn predicted_im(re: &Shared<[f32]>, k: usize, #[comptime] points: usize) -> f32 {
    (re[(points - k) % points] - re[k]) * 0.5f32
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn compare_kernel(
    predicted: &[f32],
    wet: &[f32],
    table: &[f32],
    sums: &mut [f32],
    len: usize,
    inner: i32,
    coefficient: f32,
    #[comptime] frames: Frames,
) {
    let points = comptime!(frames.points);
    let mut re = Shared::<[f32]>::new_slice(points);
    let mut im = Shared::<[f32]>::new_slice(points);
    load(
        predicted,
        wet,
        table,
        &mut re,
        &mut im,
        len,
        inner,
        coefficient,
        frames,
    );
    transform(table, &mut re, &mut im, points);
    let mut apart = 0.0f32;
    let mut power = 0.0f32;
    let mut logs = 0.0f32;
    let mut k = UNIT_POS as usize;
    while k < comptime!(frames.points / 2 + 1) {
        let w2 = wet_power(&re, &im, k, points);
        let p_re = predicted_re(&im, k, points);
        let p_im = predicted_im(&re, k, points);
        let p2 = max(p_re * p_re + p_im * p_im, FLOOR);
        let difference = f32::sqrt(w2) - f32::sqrt(p2);
        apart += difference * difference;
        power += w2;
        logs += f32::abs(f32::ln(w2 / p2));
        k += THREADS;
    }
    let apart_sum = sum_of_cube(apart);
    let power_sum = sum_of_cube(power);
    let log_sum = sum_of_cube(logs);
    if UNIT_POS == 0 {
        let at = (CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize) * SUMS;
        sums[at] = apart_sum;
        sums[at + 1] = power_sum;
        sums[at + 2] = log_sum;
    }
}

/// A resolution's share of the distance, and its slopes.
#[cube]
fn share(sums: &[f32], frames: usize, bins: f32, slopes: &mut [f32], at: usize) -> f32 {
    let mut apart = 0.0f32;
    let mut power = 0.0f32;
    let mut logs = 0.0f32;
    let mut frame = UNIT_POS as usize;
    while frame < frames {
        apart += sums[frame * SUMS];
        power += sums[frame * SUMS + 1];
        logs += sums[frame * SUMS + 2];
        frame += THREADS;
    }
    let apart_sum = sum_of_cube(apart);
    let power_sum = sum_of_cube(power) + SILENCE;
    let log_sum = sum_of_cube(logs);
    let hair = comptime!(HAIR as f32);
    let root = f32::sqrt(apart_sum / power_sum + hair * hair);
    if UNIT_POS == 0 {
        slopes[at] = 1.0f32 / (3.0f32 * power_sum * root);
        slopes[at + 1] = 1.0f32 / (3.0f32 * bins);
    }
    (root - hair + log_sum * 0.5f32 / bins) / 3.0f32
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn distance_kernel(
    first: &[f32],
    second: &[f32],
    third: &[f32],
    distance: &mut [f32],
    slopes: &mut [f32],
    first_frames: usize,
    second_frames: usize,
    third_frames: usize,
    first_bins: f32,
    second_bins: f32,
    third_bins: f32,
) {
    let a = share(first, first_frames, first_bins, slopes, 0usize);
    let b = share(second, second_frames, second_bins, slopes, 2usize);
    let c = share(third, third_frames, third_bins, slopes, 4usize);
    if UNIT_POS == 0 {
        distance[0] = a + b + c;
    }
}

#[cube(launch_unchecked)]
#[allow(
    clippy::too_many_arguments,
    clippy::collapsible_if,
    reason = "the outer of two is decided when the kernel is compiled"
)]
fn back_kernel(
    predicted: &[f32],
    wet: &[f32],
    table: &[f32],
    slopes: &[f32],
    dy: &[f32],
    gradients: &mut [f32],
    len: usize,
    inner: i32,
    coefficient: f32,
    slope: usize,
    #[comptime] frames: Frames,
) {
    let points = comptime!(frames.points);
    // Bins of a thread; the highest is one more, of the first.
    let bins = comptime!((frames.points / 2).div_ceil(THREADS));
    let bits = comptime!(32 - frames.points.trailing_zeros());
    let unit = UNIT_POS as usize;
    let mut re = Shared::<[f32]>::new_slice(points);
    let mut im = Shared::<[f32]>::new_slice(points);
    load(
        predicted,
        wet,
        table,
        &mut re,
        &mut im,
        len,
        inner,
        coefficient,
        frames,
    );
    transform(table, &mut re, &mut im, points);
    let convergence = slopes[slope] * dy[0];
    let logarithm = slopes[slope + 1] * dy[0];
    let mut along_re = Array::<f32>::new(comptime!(bins + 1));
    let mut along_im = Array::<f32>::new(comptime!(bins + 1));
    #[unroll]
    for n in 0..comptime!(bins + 1) {
        let k = n * THREADS + unit;
        if k <= comptime!(frames.points / 2) {
            let size_of_wet = f32::sqrt(wet_power(&re, &im, k, points));
            let p_re = predicted_re(&im, k, points);
            let p_im = predicted_im(&re, k, points);
            let power = p_re * p_re + p_im * p_im;
            let size = f32::sqrt(power);
            let apart = size - size_of_wet;
            let below = select(apart < 0.0f32, -logarithm, 0.0f32);
            let sign = select(apart > 0.0f32, logarithm, below);
            // At the floor nothing moves.
            let over = (convergence * apart * size + sign) / max(power, FLOOR);
            let factor = select(power > FLOOR, over, 0.0f32);
            along_re[n] = p_re * factor;
            along_im[n] = p_im * factor;
        }
    }
    sync_cube();
    // The real part of Σ_k slope[k]·exp(+2πi·kn/points) is that of the transform of the conjugates.
    #[unroll]
    for n in 0..comptime!(2 * bins) {
        let k = n * THREADS + unit;
        if k < points {
            let place = (u32::reverse_bits(k as u32) >> bits) as usize;
            let mut slope_re = 0.0f32;
            let mut slope_im = 0.0f32;
            if comptime!(n <= bins) {
                if k <= comptime!(frames.points / 2) {
                    slope_re = along_re[n];
                    slope_im = -along_im[n];
                }
            }
            re[place] = slope_re;
            im[place] = slope_im;
        }
    }
    sync_cube();
    transform(table, &mut re, &mut im, points);
    let before = comptime!((frames.points - frames.window) / 2);
    let frame = CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize;
    let mut j = unit;
    while j < comptime!(frames.window) {
        gradients[frame * comptime!(frames.window) + j] =
            re[before + j] * table[comptime!(frames.table) + j];
        j += THREADS;
    }
}

/// What the frames of a resolution say of the sample at place `at` of a row that goes on beyond both
/// edges.
#[cube]
fn at_place(gradients: &[f32], at: i32, row: usize, count: i32, #[comptime] frames: Frames) -> f32 {
    let window = comptime!(frames.window as i32);
    let hop = comptime!(frames.hop as i32);
    // How far into the first frame's window the place lies.
    let into = at + window / 2;
    let mut sum = 0.0f32;
    if into >= 0 {
        let mut frame = min(into / hop, count - 1);
        while frame >= 0 && into - frame * hop < window {
            let place = (row as i32 * count + frame) * window + into - frame * hop;
            sum += gradients[place as usize];
            frame -= 1;
        }
    }
    sum
}

/// The gradient of a sample after the pre-emphasis by one resolution, its mirror images folded in.
#[cube]
fn at_sample(
    gradients: &[f32],
    at: i32,
    row: usize,
    count: i32,
    inner: i32,
    #[comptime] frames: Frames,
) -> f32 {
    let mut sum = at_place(gradients, at, row, count, frames);
    if at > 0 {
        sum += at_place(gradients, -at, row, count, frames);
    }
    if at < inner - 1 {
        sum += at_place(gradients, 2 * (inner - 1) - at, row, count, frames);
    }
    sum
}

#[cube(launch_unchecked)]
#[allow(
    clippy::too_many_arguments,
    clippy::collapsible_if,
    reason = "the outer of two is decided when the kernel is compiled"
)]
fn fold_kernel(
    first: &[f32],
    second: &[f32],
    third: &[f32],
    dx: &mut [f32],
    first_count: i32,
    second_count: i32,
    third_count: i32,
    rows: usize,
    len: usize,
    inner: i32,
    coefficient: f32,
    #[comptime] first_frames: Frames,
    #[comptime] second_frames: Frames,
    #[comptime] third_frames: Frames,
) {
    let number = ABSOLUTE_POS;
    if number < rows * len {
        let row = number / len;
        let t = (number % len) as i32;
        let mut sum = 0.0f32;
        if t < inner {
            let mut own = at_sample(first, t, row, first_count, inner, first_frames);
            own += at_sample(second, t, row, second_count, inner, second_frames);
            own += at_sample(third, t, row, third_count, inner, third_frames);
            if comptime!(first_frames.is_emphasised) {
                sum -= coefficient * own;
            } else {
                sum += own;
            }
        }
        if comptime!(first_frames.is_emphasised) {
            if t > 0 {
                let before = t - 1;
                sum += at_sample(first, before, row, first_count, inner, first_frames);
                sum += at_sample(second, before, row, second_count, inner, second_frames);
                sum += at_sample(third, before, row, third_count, inner, third_frames);
            }
        }
        dx[number] = sum;
    }
}
