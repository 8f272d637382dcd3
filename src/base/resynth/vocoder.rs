//! The phase vocoder with identity phase locking: frames continue each other's phases, so that
//! time stretches and frames can be held without their pitch changing.
//!
//! Phase locking after J. Laroche, M. Dolson, IEEE Trans. Speech and Audio Proc. 7 (1999): each
//! spectral peak carries the bins around it along, which keeps attacks and voices together. The
//! phase advance is measured between two analysis frames one *synthesis* hop apart, so nothing
//! has to be unwrapped and no angle is ever computed. Knows nothing of files or rates.

use super::ResynthError;
use crate::dsp::stft::{Bin, Stft};
use crate::progress::{Observer, Task};

/// Continues phases from frame to frame, jointly for all channels so that the image stays.
#[derive(Debug)]
pub struct PhaseLock {
    /// The frame last put out, per channel; empty before the first.
    last: Vec<Vec<Bin>>,
    energy: Vec<f64>,
}

impl Default for PhaseLock {
    fn default() -> Self {
        Self::new()
    }
}

impl PhaseLock {
    /// Nothing to continue yet: the first frame keeps its phases.
    pub fn new() -> Self {
        Self {
            last: Vec::new(),
            energy: Vec::new(),
        }
    }

    /// Turns the phases of `now` (one spectrum per channel) so that it continues the frame
    /// before it in the output. `before` is the recording one hop ahead of `now`: how far
    /// phases turn from `before` to `now` is how far they turn in the output.
    pub fn advance(&mut self, now: &mut [Vec<Bin>], before: &[Vec<Bin>]) {
        if !self.last.is_empty() {
            let bins = now.first().map_or(0, Vec::len);
            self.energy.clear();
            self.energy.resize(bins, 0.0);
            for channel in now.iter() {
                for (energy, bin) in self.energy.iter_mut().zip(channel) {
                    *energy += bin.norm_sqr();
                }
            }
            for (peak, region) in peaks(&self.energy) {
                let turn = self.turn(before, peak);
                for channel in now.iter_mut() {
                    channel[region.clone()].iter_mut().for_each(|b| *b *= turn);
                }
            }
        }
        self.last.clear();
        self.last.extend_from_slice(now);
    }

    /// The rotation that takes `before` to the last output at one bin, channels weighted by
    /// their strength there.
    fn turn(&self, before: &[Vec<Bin>], bin: usize) -> Bin {
        let pairs = self.last.iter().zip(before);
        let sum: Bin = pairs
            .map(|(last, before)| last[bin] * before[bin].conj())
            .sum();
        let size = sum.norm();
        // Silence before or now: any phase continues it.
        if size > 0.0 {
            sum / size
        } else {
            Bin::new(1.0, 0.0)
        }
    }
}

/// The peaks of a spectrum (bins above the two on either side) and the bins that belong to
/// each: up to the weakest bin between it and the next.
fn peaks(energy: &[f64]) -> Vec<(usize, std::ops::Range<usize>)> {
    let at = |i: usize, offset: isize| {
        let neighbour = i.checked_add_signed(offset);
        neighbour
            .and_then(|n| energy.get(n))
            .copied()
            .unwrap_or(-1.0)
    };
    let is_peak = |&i: &usize| {
        let e = energy[i];
        e > at(i, -2) && e > at(i, -1) && e >= at(i, 1) && e >= at(i, 2)
    };
    let tops: Vec<usize> = (0..energy.len()).filter(is_peak).collect();
    let valley = |pair: &[usize]| {
        let between = pair[0]..pair[1];
        let weakest = between.min_by(|&a, &b| energy[a].total_cmp(&energy[b]));
        weakest.unwrap_or(pair[1])
    };
    let mut starts: Vec<usize> = vec![0];
    starts.extend(tops.windows(2).map(valley));
    starts.push(energy.len());
    let regions = starts.windows(2).map(|w| w[0]..w[1]);
    tops.into_iter().zip(regions).collect()
}

/// Spectra of one place in a recording, for every channel.
#[derive(Debug)]
pub struct Reader<'a> {
    stft: &'a Stft,
    channels: &'a [Vec<f32>],
    work: crate::dsp::stft::Workspace,
}

impl<'a> Reader<'a> {
    /// Reads from `channels` with the transform `stft`.
    pub fn new(stft: &'a Stft, channels: &'a [Vec<f32>]) -> Self {
        Self {
            stft,
            channels,
            work: stft.workspace(),
        }
    }

    /// The spectra of the frames that begin at sample `start`.
    pub fn at(&mut self, start: isize) -> Vec<Vec<Bin>> {
        let spectrum = |samples: &Vec<f32>| {
            let bins = self.stft.spectrum(samples, start, &mut self.work);
            bins.to_vec()
        };
        self.channels.iter().map(spectrum).collect()
    }
}

/// Puts `frames` spectra together to sound. `make` writes the spectra of frame `t` for every
/// channel, phases and all.
///
/// # Errors
/// The transform's frames do not overlap enough; the observer asked to stop.
pub fn synthesise(
    stft: &Stft,
    channels: usize,
    frames: usize,
    len: usize,
    task: &str,
    observer: &dyn Observer,
    mut make: impl FnMut(usize) -> Vec<Vec<Bin>>,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let sounds: Result<Vec<_>, _> = (0..channels).map(|_| stft.overlap_add()).collect();
    let mut sounds = sounds?;
    let mut work = stft.workspace();
    let task = Task::begin(observer, task, Some(frames as u64));
    for t in 0..frames {
        if t % 256 == 0 {
            task.go_on()?;
        }
        for (sound, spectrum) in sounds.iter_mut().zip(make(t)) {
            sound.add(stft.invert(&spectrum, &mut work));
        }
        task.advance(1);
    }
    Ok(sounds.into_iter().map(|s| s.finish(len)).collect())
}

/// Shortest and longest stretch accepted.
pub const FACTORS: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// Checks a stretch factor: its size is the ratio of lengths, negative plays backwards.
///
/// # Errors
/// [`ResynthError::Setting`] naming the factor.
pub fn check_factor(factor: f64) -> Result<(), ResynthError> {
    if FACTORS.contains(&factor.abs()) {
        return Ok(());
    }
    Err(ResynthError::Setting {
        name: "stretch factor",
        value: factor.to_string(),
        allowed: "it must be 0.01 to 100, or negative to play backwards",
    })
}

/// Stretches all channels to `|factor|` times their length at their own pitch; a negative
/// factor plays backwards. A factor of 1 gives the input back.
///
/// # Errors
/// The factor is out of range; the frames do not overlap enough; an interruption.
pub fn stretch(
    stft: &Stft,
    channels: &[Vec<f32>],
    factor: f64,
    observer: &dyn Observer,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    check_factor(factor)?;
    if factor < 0.0 {
        let reversed: Vec<Vec<f32>> = channels
            .iter()
            .map(|c| c.iter().rev().copied().collect())
            .collect();
        return stretch(stft, &reversed, -factor, observer);
    }
    let params = stft.params();
    let (half, hop) = ((params.n_fft() / 2) as isize, params.hop_length());
    let len = channels.first().map_or(0, Vec::len);
    let len_out = (len as f64 * factor).round() as usize;
    let frames = len_out.div_ceil(hop) + 1;
    let mut reader = Reader::new(stft, channels);
    let mut lock = PhaseLock::new();
    let make = |t: usize| {
        let centre = (t as f64 * hop as f64 / factor).round() as isize;
        let mut now = reader.at(centre - half);
        let before = reader.at(centre - half - hop as isize);
        lock.advance(&mut now, &before);
        now
    };
    synthesise(
        stft,
        channels.len(),
        frames,
        len_out,
        "stretching",
        observer,
        make,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_share_out_all_bins() {
        let energy = [0.0, 1.0, 5.0, 1.0, 0.5, 2.0, 9.0, 3.0, 1.0];
        assert_eq!(peaks(&energy), [(2, 0..4), (6, 4..9)]);
        assert_eq!(peaks(&[0.0; 4]), [(0, 0..4)]);
        assert_eq!(peaks(&[]), []);
    }
}
