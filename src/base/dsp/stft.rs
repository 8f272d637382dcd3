//! The centred short-time Fourier transform and its inverse on plain slices, frame by frame:
//! nothing here holds more than a few frames unless the caller asks for a whole spectrogram.
//!
//! Conventions are librosa's (`center=True`, zero padding, periodic Hann window centred in
//! `n_fft`, inverse by weighted overlap-add divided by the summed squared window). Knows
//! nothing of files, sample rates or what spectra mean.

use super::window::{hann, pad_centre};
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::fmt;
use std::sync::Arc;

/// A spectral value.
pub type Bin = Complex<f64>;

/// The longest transform accepted: 95 s at 44.1 kHz, and 64 MiB per buffer.
pub const MAX_N_FFT: usize = 1 << 22;

/// Smallest summed squared window, relative to the largest, at which the inverse is accepted.
///
/// Where the sum is this small, whatever was changed in the spectra (and their rounding) is
/// amplified by up to 1/√1e-4 = 100 in amplitude; below it the inverse invents clicks.
pub const MIN_OVERLAP: f64 = 1e-4;

/// Why a transform is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StftError {
    /// The transform length is out of range.
    #[error("n_fft {0} is out of range; it must be 2 to {MAX_N_FFT}")]
    NFft(usize),
    /// The window does not fit the transform.
    #[error("win_length {win} is out of range; it must be 2 to n_fft ({n_fft})")]
    WinLength {
        /// The window length asked for.
        win: usize,
        /// The transform length.
        n_fft: usize,
    },
    /// Frames would not advance.
    #[error("hop_length 0 is out of range; it must be at least 1")]
    HopLength,
    /// Windows do not overlap enough for the inverse.
    #[error(
        "frames of {params} do not overlap enough to be added up again: between frames the \
         summed squared window falls to {:.2} % of its peak, at least {:.2} % is needed; use a \
         hop_length of at most {largest_hop}",
        100.0 * lowest, 100.0 * MIN_OVERLAP
    )]
    NoOverlap {
        /// What was asked for.
        params: StftParams,
        /// The lowest summed squared window relative to the highest.
        lowest: f64,
        /// A hop that works for this window: half of it.
        largest_hop: usize,
    },
    /// A spectrogram of another transform length.
    #[error("the spectrogram has {found} bins per frame; n_fft {n_fft} makes {expected}")]
    Bins {
        /// Bins per frame received.
        found: usize,
        /// Bins per frame needed.
        expected: usize,
        /// The transform length.
        n_fft: usize,
    },
}

/// Lengths of a transform, in samples: `2 ≤ win_length ≤ n_fft`, `hop_length ≥ 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StftParams {
    n_fft: usize,
    win_length: usize,
    hop_length: usize,
}

impl fmt::Display for StftParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "n_fft {}, win_length {}, hop_length {}",
            self.n_fft, self.win_length, self.hop_length
        )
    }
}

impl StftParams {
    /// Checks the three lengths.
    ///
    /// # Errors
    /// Names the length that is out of range.
    pub fn new(n_fft: usize, win_length: usize, hop_length: usize) -> Result<Self, StftError> {
        if !(2..=MAX_N_FFT).contains(&n_fft) {
            return Err(StftError::NFft(n_fft));
        }
        if !(2..=n_fft).contains(&win_length) {
            let win = win_length;
            return Err(StftError::WinLength { win, n_fft });
        }
        if hop_length == 0 {
            return Err(StftError::HopLength);
        }
        Ok(Self {
            n_fft,
            win_length,
            hop_length,
        })
    }

    /// Samples per transform.
    pub fn n_fft(self) -> usize {
        self.n_fft
    }

    /// Samples under the window.
    pub fn win_length(self) -> usize {
        self.win_length
    }

    /// Samples from one frame to the next.
    pub fn hop_length(self) -> usize {
        self.hop_length
    }

    /// Bins per frame: `n_fft / 2 + 1`.
    pub fn bins(self) -> usize {
        self.n_fft / 2 + 1
    }

    /// Frames of a sound of `len` samples: `1 + len / hop_length` (for an odd `n_fft`, whose
    /// padding is one sample short, `1 + (len − 1) / hop_length`).
    pub fn frames(self, len: usize) -> usize {
        1 + (len + 2 * (self.n_fft / 2)).saturating_sub(self.n_fft) / self.hop_length
    }

    /// Samples that librosa's inverse returns for this many frames.
    pub fn synthesis_len(self, frames: usize) -> usize {
        self.n_fft % 2 + self.hop_length * frames.saturating_sub(1)
    }

    /// Where frame `t` begins, in samples; negative for the first frames.
    pub fn frame_start(self, t: usize) -> isize {
        (t * self.hop_length) as isize - (self.n_fft / 2) as isize
    }

    /// Whether frames can be added up to sound again: the squared windows, `hop_length`
    /// apart, must nowhere sum to less than [`MIN_OVERLAP`] of the largest sum (the nonzero
    /// overlap-add condition with a margin).
    ///
    /// # Errors
    /// [`StftError::NoOverlap`] with the lowest sum.
    pub fn check_overlap_add(self) -> Result<(), StftError> {
        let window = hann(self.win_length);
        let sum = |offset: usize| -> f64 {
            let shifted = window.iter().skip(offset).step_by(self.hop_length);
            shifted.map(|w| w * w).sum()
        };
        let sums = (0..self.hop_length.min(self.win_length)).map(sum);
        let (low, high) = sums.fold((f64::INFINITY, 0.0_f64), |(low, high), s| {
            (low.min(s), high.max(s))
        });
        // A hop beyond the window leaves samples under no window at all.
        let low = if self.hop_length > self.win_length {
            0.0
        } else {
            low
        };
        let lowest = low / high;
        if lowest >= MIN_OVERLAP {
            return Ok(());
        }
        Err(StftError::NoOverlap {
            params: self,
            lowest,
            largest_hop: self.win_length / 2,
        })
    }
}

/// Buffers of one thread's transforms.
#[derive(Debug)]
pub struct Workspace {
    time: Vec<f64>,
    spectrum: Vec<Bin>,
    scratch: Vec<Bin>,
}

/// A planned transform: plan once, use from any number of threads, each with its own
/// [`Workspace`].
pub struct Stft {
    params: StftParams,
    /// The Hann window centred in `n_fft` samples.
    window: Vec<f64>,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stft({})", self.params)
    }
}

impl Stft {
    /// Plans the real FFTs both ways and computes the window.
    pub fn new(params: StftParams) -> Self {
        let mut planner = RealFftPlanner::new();
        Self {
            params,
            window: pad_centre(&hann(params.win_length), params.n_fft),
            forward: planner.plan_fft_forward(params.n_fft),
            inverse: planner.plan_fft_inverse(params.n_fft),
        }
    }

    /// The lengths.
    pub fn params(&self) -> StftParams {
        self.params
    }

    /// The window as applied: `n_fft` values.
    pub fn window(&self) -> &[f64] {
        &self.window
    }

    /// Buffers for one thread.
    pub fn workspace(&self) -> Workspace {
        let scratch = self.forward.get_scratch_len();
        let zero = Bin::new(0.0, 0.0);
        Workspace {
            time: vec![0.0; self.params.n_fft],
            spectrum: vec![zero; self.params.bins()],
            scratch: vec![zero; scratch.max(self.inverse.get_scratch_len())],
        }
    }

    /// Writes the `n_fft` windowed samples from `start` on into `out`; before the first and
    /// after the last sample there are zeros.
    pub fn windowed(&self, samples: &[f32], start: isize, out: &mut [f64]) {
        for ((i, out), w) in out.iter_mut().enumerate().zip(&self.window) {
            let at = usize::try_from(start + i as isize).ok();
            let sample = at.and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
            *out = w * f64::from(sample);
        }
    }

    /// The spectrum of the windowed samples from `start` on: `n_fft / 2 + 1` bins, phases
    /// relative to the frame's first sample as in librosa.
    pub fn spectrum<'w>(
        &self,
        samples: &[f32],
        start: isize,
        work: &'w mut Workspace,
    ) -> &'w mut [Bin] {
        self.windowed(samples, start, &mut work.time);
        let done = self.forward.process_with_scratch(
            &mut work.time,
            &mut work.spectrum,
            &mut work.scratch,
        );
        debug_assert!(done.is_ok(), "buffers have the planned lengths");
        &mut work.spectrum
    }

    /// The `n_fft` samples of a spectrum, not windowed. The imaginary parts of the lowest and
    /// (even `n_fft`) highest bin have no meaning for a real sound and are ignored.
    ///
    /// # Panics
    /// If `spectrum` has not `n_fft / 2 + 1` bins.
    pub fn invert<'w>(&self, spectrum: &[Bin], work: &'w mut Workspace) -> &'w [f64] {
        work.spectrum.copy_from_slice(spectrum);
        let last = work.spectrum.len() - 1;
        work.spectrum[0].im = 0.0;
        if self.params.n_fft.is_multiple_of(2) {
            work.spectrum[last].im = 0.0;
        }
        let done = self.inverse.process_with_scratch(
            &mut work.spectrum,
            &mut work.time,
            &mut work.scratch,
        );
        debug_assert!(done.is_ok(), "buffers have the planned lengths");
        // The transform pair is unnormalised.
        let scale = 1.0 / self.params.n_fft as f64;
        work.time.iter_mut().for_each(|x| *x *= scale);
        &work.time
    }

    /// Begins a sound made of frames.
    ///
    /// # Errors
    /// [`StftError::NoOverlap`] when these frames do not add up to a sound.
    pub fn overlap_add(&self) -> Result<OverlapAdd<'_>, StftError> {
        self.params.check_overlap_add()?;
        Ok(OverlapAdd {
            stft: self,
            sum: vec![0.0; self.params.n_fft],
            weight: vec![0.0; self.params.n_fft],
            // The first frame is centred on the first sample.
            to_skip: self.params.n_fft / 2,
            out: Vec::new(),
        })
    }

    /// The whole spectrogram of `samples`.
    pub fn analyse(&self, samples: &[f32]) -> Spectrogram {
        let mut work = self.workspace();
        let frames = self.params.frames(samples.len());
        let mut values = Vec::with_capacity(frames * self.params.bins());
        for t in 0..frames {
            let start = self.params.frame_start(t);
            values.extend_from_slice(self.spectrum(samples, start, &mut work));
        }
        Spectrogram {
            bins: self.params.bins(),
            values,
        }
    }

    /// The sound of a spectrogram, `len` samples (librosa's default is
    /// [`StftParams::synthesis_len`]); samples under no frame are zero.
    ///
    /// # Errors
    /// [`StftError::NoOverlap`], or [`StftError::Bins`] for a spectrogram of another `n_fft`.
    pub fn synthesise(&self, spectrogram: &Spectrogram, len: usize) -> Result<Vec<f32>, StftError> {
        if spectrogram.bins != self.params.bins() {
            return Err(StftError::Bins {
                found: spectrogram.bins,
                expected: self.params.bins(),
                n_fft: self.params.n_fft,
            });
        }
        let mut sound = self.overlap_add()?;
        let mut work = self.workspace();
        for frame in spectrogram.frames() {
            sound.add(self.invert(frame, &mut work));
        }
        Ok(sound.finish(len))
    }
}

/// A spectrogram in memory: frame after frame, each of `bins` values.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrogram {
    bins: usize,
    values: Vec<Bin>,
}

impl Spectrogram {
    /// Bins per frame.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The frames in order.
    pub fn frames(&self) -> std::slice::ChunksExact<'_, Bin> {
        self.values.chunks_exact(self.bins)
    }

    /// The frames in order, to change.
    pub fn frames_mut(&mut self) -> std::slice::ChunksExactMut<'_, Bin> {
        self.values.chunks_exact_mut(self.bins)
    }
}

/// Adds frames up to a sound, `hop_length` apart, holding only one frame's length.
#[derive(Debug)]
pub struct OverlapAdd<'a> {
    stft: &'a Stft,
    /// Windowed frames that still overlap the next one.
    sum: Vec<f64>,
    /// Squared windows under `sum`.
    weight: Vec<f64>,
    /// Samples before the sound's first one that are still to be dropped.
    to_skip: usize,
    out: Vec<f32>,
}

impl OverlapAdd<'_> {
    /// Adds the next frame: `n_fft` samples, which are windowed here (so a frame that was
    /// windowed for analysis carries the window twice, and is divided by its square).
    pub fn add(&mut self, frame: &[f64]) {
        for (((sum, weight), x), w) in self
            .sum
            .iter_mut()
            .zip(&mut self.weight)
            .zip(frame)
            .zip(&self.stft.window)
        {
            *sum += w * x;
            *weight += w * w;
        }
        let hop = self.stft.params.hop_length;
        self.emit(hop);
        self.sum.copy_within(hop.., 0);
        self.weight.copy_within(hop.., 0);
        let kept = self.sum.len() - hop;
        self.sum[kept..].fill(0.0);
        self.weight[kept..].fill(0.0);
    }

    /// Moves the first `count` sums, which no later frame touches, to the output.
    fn emit(&mut self, count: usize) {
        let skipped = self.to_skip.min(count);
        self.to_skip -= skipped;
        let done = self.sum.iter().zip(&self.weight).take(count).skip(skipped);
        self.out.extend(done.map(|(&sum, &weight)| {
            // librosa's rule: where no window reaches, nothing is divided.
            let reached = weight > f64::from(f32::MIN_POSITIVE);
            (if reached { sum / weight } else { sum }) as f32
        }));
    }

    /// The sound, cut or filled with zeros to `len` samples.
    pub fn finish(mut self, len: usize) -> Vec<f32> {
        self.emit(self.sum.len() - self.stft.params.hop_length);
        self.out.resize(len, 0.0);
        self.out
    }
}
