//! The spectral distance by the plain sum over each frame, and its gradient by the chain rule.

use effigy::kernels::spectral::{RESOLUTIONS, SpectralDistance};
use std::f64::consts::TAU;

/// Real and imaginary parts of every bin of a row's frames.
struct Frames {
    len: usize,
    resolution: [usize; 3],
    cosines: Vec<f64>,
    sines: Vec<f64>,
}

impl Frames {
    fn new(len: usize, resolution: [usize; 3]) -> Frames {
        let angles = (0..resolution[0]).map(|i| TAU * i as f64 / resolution[0] as f64);
        Frames {
            len,
            resolution,
            cosines: angles.clone().map(f64::cos).collect(),
            sines: angles.map(f64::sin).collect(),
        }
    }

    fn frames(&self) -> usize {
        1 + self.len / self.resolution[1]
    }

    /// Calls `visit` with (sample of the row, its place in the frame, the window there).
    fn under(&self, frame: usize, mut visit: impl FnMut(usize, usize, f64)) {
        let [n_fft, hop, win] = self.resolution;
        let left = (n_fft - win) / 2;
        for i in 0..win {
            let at = (frame * hop + left + i) as i64 - n_fft as i64 / 2;
            let last = self.len as i64 - 1;
            let from = if at < 0 {
                -at
            } else if at > last {
                2 * last - at
            } else {
                at
            };
            let window = 0.5 - 0.5 * (TAU * i as f64 / win as f64).cos();
            visit(from as usize, left + i, window);
        }
    }

    fn bins(&self, row: &[f64]) -> Vec<[f64; 2]> {
        let n_fft = self.resolution[0];
        let mut found = Vec::new();
        for frame in 0..self.frames() {
            let mut samples = vec![0.0; n_fft];
            self.under(frame, |from, to, window| samples[to] = window * row[from]);
            for bin in 0..=n_fft / 2 {
                let mut sum = [0.0; 2];
                for (i, x) in samples.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                    sum[0] += x * self.cosines[bin * i % n_fft];
                    sum[1] -= x * self.sines[bin * i % n_fft];
                }
                found.push(sum);
            }
        }
        found
    }

    /// The gradient of the row for the slopes along the bins.
    fn back(&self, slopes: &[[f64; 2]]) -> Vec<f64> {
        let n_fft = self.resolution[0];
        let mut row = vec![0.0; self.len];
        for (frame, slopes) in slopes.chunks(n_fft / 2 + 1).enumerate() {
            self.under(frame, |from, at, window| {
                let turned = slopes.iter().enumerate().map(|(bin, [re, im])| {
                    let at = bin * at % n_fft;
                    re * self.cosines[at] - im * self.sines[at]
                });
                row[from] += window * turned.sum::<f64>();
            });
        }
        row
    }
}

fn emphasised(shape: &SpectralDistance, row: &[f64]) -> Vec<f64> {
    match shape.pre_emphasis {
        None => row.to_vec(),
        Some(coefficient) => {
            let pairs = row.windows(2);
            pairs
                .map(|pair| pair[1] - f64::from(coefficient) * pair[0])
                .collect()
        }
    }
}

/// The distance, and its gradient along predicted.
pub fn distance(
    shape: &SpectralDistance,
    rows: usize,
    wet: &[f64],
    predicted: &[f64],
) -> (f64, Vec<f64>) {
    let per_row = wet.len() / rows;
    let mut total = 0.0;
    let mut gradient = vec![0.0; wet.len()];
    for resolution in RESOLUTIONS {
        let split = |side: &[f64]| -> Vec<Vec<f64>> {
            side.chunks(per_row)
                .map(|row| emphasised(shape, row))
                .collect()
        };
        let (wet, predicted) = (split(wet), split(predicted));
        let frames = Frames::new(wet[0].len(), resolution);
        let bins = |side: &[Vec<f64>]| -> Vec<[f64; 2]> {
            side.iter().flat_map(|row| frames.bins(row)).collect()
        };
        let size = |[re, im]: &[f64; 2]| (re * re + im * im).max(1e-8).sqrt();
        let w: Vec<f64> = bins(&wet).iter().map(size).collect();
        let predicted = bins(&predicted);
        let p: Vec<f64> = predicted.iter().map(size).collect();
        let power: f64 = w.iter().map(|w| w * w).sum();
        let apart: f64 = w.iter().zip(&p).map(|(w, p)| (w - p).powi(2)).sum();
        let logs: f64 = w.iter().zip(&p).map(|(w, p)| (w.ln() - p.ln()).abs()).sum();
        let root = (apart / power).sqrt();
        total += (root + logs / w.len() as f64) / 3.0;
        let slopes: Vec<[f64; 2]> = (predicted.iter().zip(w.iter().zip(&p)))
            .map(|(&[re, im], (w, p))| {
                if re * re + im * im <= 1e-8 || w == p {
                    return [0.0; 2];
                }
                let of_log = (p - w).signum() / p / predicted.len() as f64;
                let along = ((p - w) / (power * root) + of_log) / 3.0;
                [along * re / p, along * im / p]
            })
            .collect();
        let per_row_bins = slopes.len() / rows;
        for (row, slopes) in gradient
            .chunks_mut(per_row)
            .zip(slopes.chunks(per_row_bins))
        {
            let inner = frames.back(slopes);
            match shape.pre_emphasis {
                None => row.iter_mut().zip(&inner).for_each(|(to, of)| *to += of),
                Some(coefficient) => {
                    for (t, of) in inner.iter().enumerate() {
                        row[t + 1] += of;
                        row[t] -= f64::from(coefficient) * of;
                    }
                }
            }
        }
    }
    (total, gradient)
}
