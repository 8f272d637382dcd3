//! One channel of a sound of any length, asked for in stretches: an hour of it need not lie in memory.
//!
//! Knows neither files nor what is heard in it.

use super::SampleRate;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Samples of one channel that lie elsewhere than in memory.
pub trait Samples: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Fills `out` with those from `from` on, all of which there are.
    fn read(&self, from: usize, out: &mut [f32]);

    /// Whether none of them can be infinite or not a number.
    fn are_finite(&self) -> bool {
        false
    }
}

/// Samples of one channel: as light as a slice, read in stretches.
#[derive(Clone, Copy)]
pub struct Track<'a> {
    kept: Kept<'a>,
    /// Place of the first sample in what is kept; before that there is silence.
    from: i64,
    len: usize,
}

#[derive(Clone, Copy)]
enum Kept<'a> {
    Memory(&'a [f32]),
    Elsewhere(&'a dyn Samples),
}

/// Samples that one core looks at in one piece.
pub const PIECE: usize = 1 << 16;

impl<'a> Track<'a> {
    /// All of what is kept elsewhere.
    pub fn of(samples: &'a dyn Samples) -> Self {
        Self {
            kept: Kept::Elsewhere(samples),
            from: 0,
            len: samples.count(),
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The samples in `range`, cut to those there are.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Self {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        Self {
            from: self.from + start as i64,
            len: end - start,
            ..self
        }
    }

    /// From `by` samples later on.
    #[must_use]
    pub fn skip(self, by: usize) -> Self {
        self.part(by..self.len)
    }

    /// As many times `len` samples as there are.
    #[must_use]
    pub fn in_wholes_of(self, len: usize) -> Self {
        self.part(0..self.len - self.len % len)
    }

    /// The same sound `by` samples later, silence before it: as long, for its end is cut off.
    #[must_use]
    pub fn delayed(self, by: usize) -> Self {
        Self {
            from: self.from - by as i64,
            ..self
        }
    }

    /// Whether no sample can be infinite or not a number.
    pub fn is_finite(&self) -> bool {
        matches!(self.kept, Kept::Elsewhere(samples) if samples.are_finite())
    }

    /// The samples in `range`.
    ///
    /// # Panics
    /// Not all of them are there.
    pub fn read(&self, range: Range<usize>) -> Cow<'a, [f32]> {
        assert!(range.start <= range.end && range.end <= self.len);
        let from = self.from + range.start as i64;
        if let (Kept::Memory(x), Ok(from)) = (self.kept, usize::try_from(from)) {
            return Cow::Borrowed(&x[from..from + range.len()]);
        }
        let mut out = vec![0.0; range.len()];
        let silent = usize::try_from(-from).unwrap_or(0).min(out.len());
        let (from, sound) = (from.max(0) as usize, &mut out[silent..]);
        match self.kept {
            Kept::Memory(x) => sound.copy_from_slice(&x[from..from + sound.len()]),
            Kept::Elsewhere(samples) => samples.read(from, sound),
        }
        Cow::Owned(out)
    }

    /// All of it.
    pub fn whole(&self) -> Cow<'a, [f32]> {
        self.read(0..self.len)
    }

    /// What is said `of` every `len` samples, the last of them fewer where the sound ends within: on all
    /// cores, in order.
    pub fn each<T: Send>(&self, len: usize, of: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
        let (len, block) = (len.max(1), block(len));
        let pieces = (0..self.len.div_ceil(block)).into_par_iter();
        let piece = |n: usize| {
            let x = self.read(n * block..((n + 1) * block).min(self.len));
            x.chunks(len).map(&of).collect::<Vec<T>>()
        };
        pieces.flat_map_iter(piece).collect()
    }

    /// The same of both, over what both cover.
    pub fn each_with<T: Send>(
        &self,
        other: Track<'_>,
        len: usize,
        of: impl Fn(&[f32], &[f32]) -> T + Sync,
    ) -> Vec<T> {
        let (len, block) = (len.max(1), block(len));
        let shared = self.len.min(other.len);
        let pieces = (0..shared.div_ceil(block)).into_par_iter();
        let piece = |n: usize| {
            let range = n * block..((n + 1) * block).min(shared);
            let (x, y) = (self.read(range.clone()), other.read(range));
            let both = x.chunks(len).zip(y.chunks(len));
            both.map(|(x, y)| of(x, y)).collect::<Vec<T>>()
        };
        pieces.flat_map_iter(piece).collect()
    }
}

/// As many times `len` as are read at once.
fn block(len: usize) -> usize {
    let len = len.max(1);
    len * (PIECE / len).max(1)
}

impl<'a> From<&'a [f32]> for Track<'a> {
    fn from(x: &'a [f32]) -> Self {
        Self {
            kept: Kept::Memory(x),
            from: 0,
            len: x.len(),
        }
    }
}

impl<'a> From<&'a Vec<f32>> for Track<'a> {
    fn from(x: &'a Vec<f32>) -> Self {
        x.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Track<'a> {
    fn from(x: &'a [f32; N]) -> Self {
        x.as_slice().into()
    }
}

/// The channels of a sound: at least one, all of one length, at one rate.
#[derive(Clone)]
pub struct Tracks<'a> {
    sample_rate: SampleRate,
    channels: Vec<Track<'a>>,
}

impl<'a> Tracks<'a> {
    /// One channel.
    pub fn mono(sample_rate: SampleRate, track: impl Into<Track<'a>>) -> Self {
        Self {
            sample_rate,
            channels: vec![track.into()],
        }
    }

    /// Channels of one sound, at least one and all of one length; only for those who know that they are.
    pub(super) fn new(sample_rate: SampleRate, channels: Vec<Track<'a>>) -> Self {
        debug_assert!(!channels.is_empty());
        Self {
            sample_rate,
            channels,
        }
    }

    /// These channels alone; `None` where one of them is not there, or none is asked for.
    pub fn picked(&self, channels: &[usize]) -> Option<Self> {
        let picked = channels.iter().map(|&n| self.channels.get(n).copied());
        let channels = picked.collect::<Option<Vec<_>>>()?;
        (!channels.is_empty()).then_some(Self { channels, ..*self })
    }

    /// The rate the samples were taken at.
    pub fn sample_rate(&self) -> SampleRate {
        self.sample_rate
    }

    /// The channels.
    pub fn channels(&self) -> &[Track<'a>] {
        &self.channels
    }

    /// Number of sample frames (samples per channel).
    pub fn len(&self) -> usize {
        self.channels[0].len()
    }

    /// Whether there is not a single frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.sample_rate.seconds(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sound that lies nowhere.
    struct Ramp(usize);

    impl Samples for Ramp {
        fn count(&self) -> usize {
            self.0
        }

        fn read(&self, from: usize, out: &mut [f32]) {
            assert!(from + out.len() <= self.0);
            out.iter_mut()
                .zip(from..)
                .for_each(|(x, n)| *x = n as f32 + 1.0);
        }
    }

    #[test]
    fn a_part_is_the_same_wherever_the_sound_lies() {
        let ramp = Ramp(1000);
        let held: Vec<f32> = (1..=1000).map(|n| n as f32).collect();
        for track in [Track::of(&ramp), Track::from(&held)] {
            assert_eq!(*track.whole(), held[..]);
            let part = track.skip(100).part(50..9000);
            assert_eq!(part.len(), 850);
            assert_eq!(*part.read(3..5), [154.0, 155.0]);
            assert!(track.skip(2000).is_empty());
            let late = track.delayed(3);
            assert_eq!(late.len(), 1000);
            assert_eq!(*late.read(0..5), [0.0, 0.0, 0.0, 1.0, 2.0]);
            assert_eq!(*late.read(1..2), [0.0]);
            assert_eq!(*late.read(998..1000), [996.0, 997.0]);
            assert_eq!(*track.delayed(5000).read(10..12), [0.0, 0.0]);
        }
    }

    #[test]
    fn stretches_come_in_order_and_the_last_is_what_is_left() {
        let ramp = Ramp(3 * PIECE + 77);
        let track = Track::of(&ramp);
        for len in [1, 1000, 1024, PIECE, PIECE + 1, 10 * PIECE] {
            let firsts = track.each(len, |x| (x[0], x.len()));
            assert_eq!(firsts.len(), track.len().div_ceil(len));
            for (n, (first, size)) in firsts.iter().enumerate() {
                assert_eq!(*first, (n * len) as f32 + 1.0);
                assert_eq!(*size, len.min(track.len() - n * len));
            }
            let other = track.skip(PIECE);
            let both = track.each_with(other, len, |x, y| (y[0] - x[0], x.len(), y.len()));
            assert_eq!(both.len(), other.len().div_ceil(len));
            assert!(both.iter().all(|(d, x, y)| *d == PIECE as f32 && x == y));
        }
    }
}
