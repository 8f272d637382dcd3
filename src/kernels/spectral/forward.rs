//! The distance: frames in parallel, each transformed on both sides and compared bin by bin.

use rayon::prelude::*;

use super::plan::Transform;
use super::shape::{RESOLUTIONS, SLOPES, SpectralDistance, Stretch, mirrored};
use super::{FLOOR, HAIR, SILENCE};
use crate::dsp::fft::Complex32;
use crate::kernels::memory::Buffer;
use crate::simd::{Isa, Kernel, Simd, math};

/// Sums over bins: (W − P)², W², |ln W² − ln P²|.
type Sums = [f64; 3];

impl SpectralDistance {
    /// The distance of `rows` rows, and with `keep` what the gradient needs, else an empty buffer.
    ///
    /// # Panics
    /// The sides differ in length, or rows are too short for the longest window's mirrored half.
    pub fn forward(
        &self,
        isa: Isa,
        rows: usize,
        wet: &[f32],
        predicted: &[f32],
        keep: bool,
    ) -> (f32, Buffer) {
        assert_eq!(wet.len(), predicted.len());
        let len = self.emphasised_len(wet.len() / rows.max(1));
        let tasks = Stretch::all(rows, len);
        let records: usize = tasks.iter().map(|task| task.frames * task.record()).sum();
        let mut kept = Buffer::new(if keep { SLOPES + records } else { 0 });
        let (slopes, mut rest) = kept.split_at_mut(if keep { SLOPES } else { 0 });
        let mut work: Vec<(&Stretch, &mut [f32])> = Vec::with_capacity(tasks.len());
        for task in &tasks {
            let size = if keep { task.frames * task.record() } else { 0 };
            let (records, after) = rest.split_at_mut(size);
            work.push((task, records));
            rest = after;
        }
        let sides = [wet, predicted].map(|side| self.emphasised_rows(rows, side));
        let sums: Vec<Sums> = work
            .par_iter_mut()
            .map(|(task, records)| compare(isa, task, sides.each_ref(), len, records))
            .collect();
        let mut distance = 0.0;
        for (resolution, [n_fft, hop, _]) in RESOLUTIONS.into_iter().enumerate() {
            let of_tasks = tasks.iter().zip(&sums);
            let of = of_tasks.filter(|(task, _)| task.resolution == resolution);
            let [apart, power, logs] = of.fold([0.0; 3], |total, (_, sums)| {
                std::array::from_fn(|at| total[at] + sums[at])
            });
            let bins = (rows * (1 + len / hop) * (n_fft / 2 + 1)) as f64;
            let power = power + f64::from(SILENCE);
            let root = (apart / power + HAIR * HAIR).sqrt();
            let share = 1.0 / RESOLUTIONS.len() as f64;
            distance += share * (root - HAIR + 0.5 * logs / bins);
            if keep {
                slopes[2 * resolution] = (share / (power * root)) as f32;
                slopes[2 * resolution + 1] = (share / bins) as f32;
            }
        }
        (distance as f32, kept)
    }

    /// All rows after the pre-emphasis, one after the other.
    fn emphasised_rows(&self, rows: usize, side: &[f32]) -> Vec<f32> {
        let len = (side.len() / rows.max(1)).max(1);
        side.chunks_exact(len)
            .flat_map(|row| self.emphasised(row))
            .collect()
    }
}

/// The task's samples of rows that are mirrored at their edges.
fn gather(task: &Stretch, rows: &[f32], len: usize) -> Vec<f32> {
    let row = &rows[task.row * len..][..len];
    let (start, end) = (task.start(), task.start() + task.span() as isize);
    let inside = (start.max(0), end.min(len as isize));
    let mut samples = Vec::with_capacity(task.span());
    samples.extend((start..inside.0).map(|at| row[mirrored(at, len)]));
    samples.extend_from_slice(&row[inside.0 as usize..inside.1 as usize]);
    samples.extend((inside.1..end).map(|at| row[mirrored(at, len)]));
    samples
}

/// The sums of a task's frames; their records, where there is room for them.
fn compare(
    isa: Isa,
    task: &Stretch,
    sides: [&Vec<f32>; 2],
    len: usize,
    records: &mut [f32],
) -> Sums {
    let [wet, predicted] = sides.map(|rows| gather(task, rows, len));
    let mut transforms = [Transform::of(task), Transform::of(task)];
    let mut planes = vec![0.0; 2 * task.bins()];
    let mut unkept = vec![0.0; task.record()];
    let mut total = [0.0; 3];
    for frame in 0..task.frames {
        let record = match records.is_empty() {
            true => &mut unkept[..],
            false => &mut records[frame * task.record()..][..task.record()],
        };
        let [of_wet, of_predicted] = &mut transforms;
        let sums = isa.run(Compare {
            wet: of_wet.forward(&wet, frame),
            predicted: of_predicted.forward(&predicted, frame),
            planes: &mut planes,
            record,
        });
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}

/// A frame's bins.
struct Compare<'a> {
    wet: &'a [Complex32],
    predicted: &'a [Complex32],
    /// Room for the real and the imaginary parts of wet.
    planes: &'a mut [f32],
    /// Re P, Im P, |W|.
    record: &'a mut [f32],
}

/// The parts of a spectrum, each by itself.
#[inline(always)]
fn separate(spectrum: &[Complex32], re: &mut [f32], im: &mut [f32]) {
    for ((bin, re), im) in spectrum.iter().zip(re).zip(im) {
        *re = bin.re;
        *im = bin.im;
    }
}

/// That of a bin, not below the floor; NaN stays NaN.
#[inline(always)]
fn power<S: Simd>(s: S, re: S::V, im: S::V) -> S::V {
    s.max(s.splat(FLOOR), s.fma(re, re, s.mul(im, im)))
}

impl Kernel for Compare<'_> {
    type Output = Sums;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Sums {
        let bins = self.wet.len();
        let (wet_re, wet_im) = self.planes.split_at_mut(bins);
        let (re, rest) = self.record.split_at_mut(bins);
        let (im, wet) = rest.split_at_mut(bins);
        separate(self.wet, wet_re, wet_im);
        separate(self.predicted, re, im);
        let mut sums = [s.zero(); 3];
        // A power of two and one more.
        let even = bins - 1;
        for at in (0..even).step_by(S::LANES) {
            let w2 = power(s, s.load(&wet_re[at..]), s.load(&wet_im[at..]));
            let p2 = power(s, s.load(&re[at..]), s.load(&im[at..]));
            let w = s.sqrt(w2);
            let apart = s.sub(w, s.sqrt(p2));
            let log = math::ln(s, s.div(w2, p2));
            sums[0] = s.fma(apart, apart, sums[0]);
            sums[1] = s.add(sums[1], w2);
            sums[2] = s.add(sums[2], s.max(log, s.sub(s.zero(), log)));
            s.store(&mut wet[at..], w);
        }
        // The highest bin by itself, by the same formulas.
        let power = |re: f32, im: f32| {
            let power = re.mul_add(re, im * im);
            if power < FLOOR { FLOOR } else { power }
        };
        let (w2, p2) = (power(wet_re[even], wet_im[even]), power(re[even], im[even]));
        wet[even] = w2.sqrt();
        let apart = wet[even] - p2.sqrt();
        let last = [apart * apart, w2, (w2 / p2).ln().abs()];
        std::array::from_fn(|at| f64::from(s.sum(sums[at])) + f64::from(last[at]))
    }
}
