//! Effects on spectra, frame by frame: phases dropped, frequencies inverted or shuffled, frames
//! reversed, imaginary parts dropped.
//!
//! Knows nothing of files. Each effect exists as it should sound and, where that differs, as
//! the notebook computed it.

use super::ResynthError;
use super::shuffle::python_shuffle_of_rows;
use super::vocoder::{Reader, synthesise};
use crate::dsp::stft::{Bin, Stft};
use crate::progress::Observer;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

/// What is done to the spectra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Magnitudes only: every frame becomes one pulse.
    DropPhase,
    /// The lowest frequency becomes the highest and the other way round.
    InvertFrequency,
    /// Frames in reverse order, each played forwards.
    ReverseTime,
    /// Frequencies exchanged at random, the same way in every frame.
    ShuffleBins,
    /// Imaginary parts dropped: every frame is joined by its mirror image.
    RealOnly,
}

impl Effect {
    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropPhase => "drop-phase",
            Self::InvertFrequency => "invert-frequency",
            Self::ReverseTime => "reverse-time",
            Self::ShuffleBins => "shuffle-bins",
            Self::RealOnly => "real-only",
        }
    }
}

/// Applies `effect` to every channel. The result is as long as the input; with `compat` as long
/// as librosa's inverse makes it (whole hops).
///
/// # Errors
/// The transform's frames do not overlap enough; the observer asked to stop.
pub fn apply(
    stft: &Stft,
    channels: &[Vec<f32>],
    effect: Effect,
    compat: bool,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let params = stft.params();
    let len = channels.first().map_or(0, Vec::len);
    let in_time = params.frames(len);
    let (frames, len) = if compat {
        (in_time, params.synthesis_len(in_time))
    } else {
        // Enough frames that every sample lies under as many windows as the others.
        let tail = params.win_length().div_ceil(2);
        ((len + tail).div_ceil(params.hop_length()) + 1, len)
    };
    let change = Change::new(stft, effect, compat, seed);
    let mut reader = Reader::new(stft, channels);
    let make = |t: usize| {
        let source = match effect {
            Effect::ReverseTime => in_time.checked_sub(t + 1),
            _ => Some(t),
        };
        // Frames before the first one, asked for when reversing, hold nothing.
        let start = source.map_or(-(params.n_fft() as isize), |t| params.frame_start(t));
        let mut spectra = reader.at(start);
        for spectrum in &mut spectra {
            change.spectrum(spectrum, start);
        }
        spectra
    };
    synthesise(
        stft,
        channels.len(),
        frames,
        len,
        "changing spectra",
        observer,
        make,
    )
}

/// An effect with what it needs for every frame.
struct Change {
    effect: Effect,
    compat: bool,
    n_fft: usize,
    /// Bin k of the result is bin `source[k]` of the frame.
    source: Vec<usize>,
}

impl Change {
    fn new(stft: &Stft, effect: Effect, compat: bool, seed: u64) -> Self {
        let bins = stft.params().bins();
        let source = match effect {
            Effect::ShuffleBins if compat => python_shuffle_of_rows(seed as u32, bins),
            Effect::ShuffleBins => {
                let mut source: Vec<usize> = (0..bins).collect();
                source.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
                source
            }
            _ => Vec::new(),
        };
        Self {
            effect,
            compat,
            n_fft: stft.params().n_fft(),
            source,
        }
    }

    /// Changes the spectrum of the frame that begins at sample `start`.
    fn spectrum(&self, spectrum: &mut [Bin], start: isize) {
        match self.effect {
            Effect::ReverseTime => {}
            Effect::DropPhase => {
                for (k, bin) in spectrum.iter_mut().enumerate() {
                    *bin = self.pulse_at_centre(k) * bin.norm();
                }
            }
            Effect::InvertFrequency if self.compat => spectrum.reverse(),
            Effect::InvertFrequency => self.invert(spectrum, start),
            Effect::ShuffleBins => {
                let before = spectrum.to_vec();
                for (bin, &from) in spectrum.iter_mut().zip(&self.source) {
                    *bin = before[from];
                }
            }
            // The notebook meant to drop the imaginary part and set it to one.
            Effect::RealOnly => {
                let im = if self.compat { 1.0 } else { 0.0 };
                spectrum.iter_mut().for_each(|bin| bin.im = im);
            }
        }
    }

    /// The phase of bin `k` of a pulse in the middle of the frame. The notebook's pulse is at
    /// the frame's first sample, where the window is zero: little but silence is left.
    fn pulse_at_centre(&self, k: usize) -> Bin {
        if self.compat {
            return Bin::new(1.0, 0.0);
        }
        let turns = k as f64 * (self.n_fft / 2) as f64 / self.n_fft as f64;
        Bin::from_polar(1.0, -TAU * turns.fract())
    }

    /// Multiplies the sound by a cosine at the highest bin's frequency and keeps the lower side
    /// band: bin k becomes the conjugate of bin top − k, turned by the cosine's phase at the
    /// frame's start. Frames then fit together, which merely reversed ones do not.
    fn invert(&self, spectrum: &mut [Bin], start: isize) {
        let top = spectrum.len() - 1;
        let turns = top as f64 * (start.rem_euclid(self.n_fft as isize)) as f64 / self.n_fft as f64;
        let turn = Bin::from_polar(1.0, TAU * turns.fract());
        spectrum.reverse();
        for bin in spectrum {
            *bin = turn * bin.conj();
        }
    }
}
