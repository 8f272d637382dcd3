//! The gradient of the distance along the predicted side: every frame's slopes transformed back,
//! frames laid over each other, the mirrored edges folded in, the pre-emphasis undone.

use rayon::prelude::*;

use super::FLOOR;
use super::plan::Transform;
use super::shape::{SLOPES, SpectralDistance, Stretch, mirrored};
use crate::dsp::fft::Complex32;
use crate::simd::{Isa, Kernel, Simd};

impl SpectralDistance {
    /// The gradient `[rows, len]` for `dy`, that of the distance. `kept` is what
    /// [`SpectralDistance::forward`] gave.
    ///
    /// # Panics
    /// `kept` is not that of so many rows and samples.
    pub fn backward(&self, isa: Isa, rows: usize, len: usize, kept: &[f32], dy: f32) -> Vec<f32> {
        let inner = self.emphasised_len(len);
        let tasks = Stretch::all(rows, inner);
        let (slopes, mut rest) = kept.split_at(SLOPES);
        let mut work: Vec<(&Stretch, &[f32])> = Vec::with_capacity(tasks.len());
        for task in &tasks {
            let (records, after) = rest.split_at(task.frames * task.record());
            work.push((task, records));
            rest = after;
        }
        assert!(rest.is_empty(), "what is kept is another shape's");
        let parts: Vec<Vec<f32>> = work
            .par_iter()
            .map(|(task, records)| {
                let of = &slopes[2 * task.resolution..][..2];
                frames_back(isa, task, records, [of[0] * dy, of[1] * dy])
            })
            .collect();
        let mut gradient = vec![0.0; rows * len];
        let per_row = tasks.len() / rows.max(1);
        gradient
            .par_chunks_mut(len.max(1))
            .zip(tasks.par_chunks(per_row.max(1)))
            .zip(parts.par_chunks(per_row.max(1)))
            .for_each(|((row, tasks), parts)| {
                let mut sum = vec![0.0; inner];
                for (task, part) in tasks.iter().zip(parts) {
                    fold(task, part, &mut sum);
                }
                self.through_emphasis(&sum, row);
            });
        gradient
    }

    /// Adds the gradient of an emphasised row to that of the row.
    fn through_emphasis(&self, emphasised: &[f32], row: &mut [f32]) {
        let Some(coefficient) = self.pre_emphasis else {
            row.copy_from_slice(emphasised);
            return;
        };
        for (to, of) in row[1..].iter_mut().zip(emphasised) {
            *to += of;
        }
        for (to, of) in row.iter_mut().zip(emphasised) {
            *to -= coefficient * of;
        }
    }
}

/// Adds a task's gradient where its samples came from.
fn fold(task: &Stretch, part: &[f32], row: &mut [f32]) {
    let (start, len) = (task.start(), row.len());
    let inside = (-start).max(0) as usize..(len as isize - start).min(part.len() as isize) as usize;
    let from = (start + inside.start as isize) as usize;
    for (to, of) in row[from..].iter_mut().zip(&part[inside.clone()]) {
        *to += of;
    }
    for at in (0..inside.start).chain(inside.end..part.len()) {
        row[mirrored(start + at as isize, len)] += part[at];
    }
}

/// The gradient of a task's samples, for the slopes of both terms.
fn frames_back(isa: Isa, task: &Stretch, records: &[f32], slopes: [f32; 2]) -> Vec<f32> {
    let mut transform = Transform::of(task);
    let mut gradient = vec![0.0; task.span()];
    for (frame, record) in records.chunks_exact(task.record()).enumerate() {
        let write = |spectrum: &mut [Complex32]| {
            isa.run(Slopes {
                record,
                slopes,
                spectrum,
            });
        };
        transform.backward(write, &mut gradient, frame);
    }
    gradient
}

/// The slopes along the parts of a frame's bins.
struct Slopes<'a> {
    record: &'a [f32],
    slopes: [f32; 2],
    spectrum: &'a mut [Complex32],
}

impl Slopes<'_> {
    /// The slope along P over P: 0 where P is at its floor.
    #[inline(always)]
    fn over_magnitude<S: Simd>(&self, s: S, re: S::V, im: S::V, wet: S::V) -> S::V {
        let power = s.fma(re, re, s.mul(im, im));
        let size = s.sqrt(power);
        let apart = s.sub(size, wet);
        let (convergence, logarithm) = (s.splat(self.slopes[0]), s.splat(self.slopes[1]));
        let less = s.select_positive(s.sub(wet, size), s.sub(s.zero(), logarithm), s.zero());
        let sign = s.select_positive(apart, logarithm, less);
        let slope = s.fma(s.mul(convergence, apart), size, sign);
        let above = s.sub(power, s.splat(FLOOR));
        s.select_positive(above, s.div(slope, power), s.zero())
    }
}

impl Kernel for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let bins = self.spectrum.len();
        let (re, rest) = self.record.split_at(bins);
        let (im, wet) = rest.split_at(bins);
        let mut factors = [0.0f32; crate::simd::MOST_LANES];
        for at in (0..bins).step_by(S::LANES) {
            let count = S::LANES.min(bins - at);
            // SAFETY: `count` bins from `at` on are within each of the three.
            unsafe {
                let (re, im) = (re.as_ptr().add(at), im.as_ptr().add(at));
                let (re, im) = (s.load_part(re, count), s.load_part(im, count));
                let wet = s.load_part(wet.as_ptr().add(at), count);
                s.store(&mut factors, self.over_magnitude(s, re, im, wet));
            }
            let parts = re[at..].iter().zip(&im[at..]).zip(&factors);
            for (bin, ((re, im), factor)) in self.spectrum[at..].iter_mut().zip(parts) {
                *bin = Complex32::new(re * factor, im * factor);
            }
        }
    }
}
