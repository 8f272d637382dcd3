//! What each frame sounds like, as numbers: mel energies, loudness, spectral centroid, and the
//! pre-processing that turns mel energies into the features frames are compared by.
//!
//! Knows nothing of orders or embeddings.

use super::ResynthError;
use crate::audio::SampleRate;
use crate::dsp::mel::{MelBank, amplitude_to_db, power_to_db};
use crate::dsp::stft::Stft;
use crate::progress::{Observer, Task};
use rayon::prelude::*;

/// Decibels kept below the loudest band of the whole sound.
pub const RANGE_DB: f64 = 80.0;

/// Rows of equal length: one row per frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// Rows of `columns` values, one after the other; an incomplete last row is dropped.
    pub fn new(columns: usize, mut values: Vec<f32>) -> Self {
        values.truncate(values.len() - values.len() % columns.max(1));
        Self { columns, values }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// Length of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// All rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.columns)
    }

    /// The rows named by `order`, in that order.
    pub fn select(&self, order: &[usize]) -> Self {
        let values = order.iter().flat_map(|&i| self.row(i)).copied().collect();
        Self::new(self.columns, values)
    }

    /// Euclidean distance between rows `i` and `j`.
    pub fn distance(&self, i: usize, j: usize) -> f64 {
        let pairs = self.row(i).iter().zip(self.row(j));
        let squares = pairs.map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt()
    }

    /// The mean distance between rows that follow each other in `order`.
    pub fn mean_step(&self, order: &[usize]) -> f64 {
        let steps = order.windows(2).map(|w| self.distance(w[0], w[1]));
        steps.sum::<f64>() / order.len().saturating_sub(1).max(1) as f64
    }
}

/// What is measured of every frame.
#[derive(Clone, Debug)]
pub struct FrameTable {
    /// Mel energies: one row per frame, lowest band first.
    pub mel: Matrix,
    /// Energy of each frame: its summed squared magnitudes.
    pub energy: Vec<f64>,
    /// Spectral centroid of each frame in hertz (magnitude-weighted mean frequency); zero in
    /// silence.
    pub centroid_hz: Vec<f64>,
}

/// Frames measured between two looks at whether to stop.
const BATCH: usize = 2048;

/// Measures all frames of `samples`.
///
/// # Errors
/// [`ResynthError::Interrupted`] when the observer asks to stop.
pub fn measure(
    stft: &Stft,
    bank: &MelBank,
    sample_rate: SampleRate,
    samples: &[f32],
    observer: &dyn Observer,
) -> Result<FrameTable, ResynthError> {
    let params = stft.params();
    let frames = params.frames(samples.len());
    let bin_hz = f64::from(sample_rate.hz()) / params.n_fft() as f64;
    let mut mel = vec![0.0_f32; frames * bank.len()];
    let mut summary = vec![(0.0, 0.0); frames];
    let task = Task::begin(observer, "measuring frames", Some(frames as u64));
    let batches = mel
        .chunks_mut(BATCH * bank.len().max(1))
        .zip(summary.chunks_mut(BATCH));
    for (batch, (mel, summary)) in batches.enumerate() {
        task.go_on()?;
        mel.par_chunks_mut(bank.len().max(1))
            .zip(summary.par_iter_mut())
            .enumerate()
            .for_each_init(
                || (stft.workspace(), vec![0.0; params.bins()]),
                |(work, power), (i, (mel, summary))| {
                    let start = params.frame_start(batch * BATCH + i);
                    let spectrum = stft.spectrum(samples, start, work);
                    for (power, bin) in power.iter_mut().zip(spectrum.iter()) {
                        *power = bin.norm_sqr();
                    }
                    for (band, energy) in mel.iter_mut().zip(bank.apply(power)) {
                        *band = energy as f32;
                    }
                    *summary = (power.iter().sum(), centroid(power, bin_hz));
                },
            );
        task.advance(summary.len() as u64);
    }
    let (energy, centroid_hz) = summary.into_iter().unzip();
    Ok(FrameTable {
        mel: Matrix::new(bank.len(), mel),
        energy,
        centroid_hz,
    })
}

fn centroid(power: &[f64], bin_hz: f64) -> f64 {
    let magnitudes = power.iter().map(|p| p.sqrt());
    let (weighted, total) = magnitudes
        .enumerate()
        .fold((0.0, 0.0), |(weighted, total), (bin, m)| {
            (weighted + bin as f64 * m, total + m)
        });
    if total > 0.0 {
        bin_hz * weighted / total
    } else {
        0.0
    }
}

/// Whether loudness differences are taken out of the features, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeScaling {
    /// Features keep the loudness.
    #[default]
    Off,
    /// Every frame's bands sum to one: frames differ in colour, not in loudness.
    Frame,
    /// Every band's frames sum to one (the notebook's): quiet bands count as much as loud ones.
    Band,
}

impl VolumeScaling {
    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Frame => "frame",
            Self::Band => "band",
        }
    }
}

/// How mel energies become features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preprocess {
    /// Decibels rather than energies.
    pub decibels: bool,
    /// Loudness differences taken out.
    pub volume: VolumeScaling,
    /// Low bands count more: weight `ln(bands + 1 − band)`.
    pub frequency_weighting: bool,
    /// As the notebook computed it: decibels of amplitudes taken of energies (which doubles
    /// them, so that the 80 dB kept are 40 dB of sound), and a frequency weighting that sums
    /// all bands into one value and so leaves loudness only.
    pub compat: bool,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self {
            decibels: true,
            volume: VolumeScaling::Off,
            frequency_weighting: false,
            compat: false,
        }
    }
}

impl Preprocess {
    /// Turns mel energies (one row per frame) into features of the same shape.
    pub fn apply(&self, mel: &Matrix) -> Matrix {
        let columns = mel.columns();
        let mut values: Vec<f64> = mel.values.iter().copied().map(f64::from).collect();
        match self.volume {
            VolumeScaling::Off => {}
            VolumeScaling::Frame => values.chunks_exact_mut(columns).for_each(sum_to_one),
            VolumeScaling::Band => bands_sum_to_one(&mut values, columns),
        }
        let weights = band_weights(columns);
        if self.frequency_weighting && self.compat {
            for row in values.chunks_exact_mut(columns) {
                let sum: f64 = row.iter().zip(&weights).map(|(x, w)| x * w).sum();
                row.fill(sum);
            }
        }
        if self.decibels && self.compat {
            amplitude_to_db(&mut values, RANGE_DB);
        } else if self.decibels {
            power_to_db(&mut values, RANGE_DB);
        }
        if self.frequency_weighting && !self.compat {
            // After the logarithm: before it, a factor would only shift each band.
            for row in values.chunks_exact_mut(columns) {
                for (x, w) in row.iter_mut().zip(&weights) {
                    *x *= w / weights[0];
                }
            }
        }
        Matrix::new(columns, values.into_iter().map(|x| x as f32).collect())
    }
}

/// `ln(bands + 1 − band)`, band from 0: largest for the lowest band, ln 2 for the highest.
fn band_weights(bands: usize) -> Vec<f64> {
    (0..bands).map(|k| ((bands + 1 - k) as f64).ln()).collect()
}

/// Divides by the sum; silence stays silence.
fn sum_to_one(values: &mut [f64]) {
    let sum: f64 = values.iter().sum();
    if sum > 0.0 {
        values.iter_mut().for_each(|x| *x /= sum);
    }
}

fn bands_sum_to_one(values: &mut [f64], columns: usize) {
    let mut sums = vec![0.0; columns];
    for row in values.chunks_exact(columns) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += x;
        }
    }
    for row in values.chunks_exact_mut(columns) {
        for (x, sum) in row.iter_mut().zip(&sums) {
            if *sum > 0.0 {
                *x /= sum;
            }
        }
    }
}
