//! The stretches of recordings that an effect is fitted on, at one rate or at a lower one. Knows
//! nothing of effects.

use crate::audio::{Track, level};
use rayon::prelude::*;
use std::ops::Range;

/// A recording of the effect, both sides from its beginning, before which there is silence.
#[derive(Clone, Debug)]
pub struct Recording<'a> {
    /// Without the effect.
    pub dry: &'a [f32],
    /// As long.
    pub wet: &'a [f32],
    /// What may be learned from.
    pub ranges: Vec<Range<usize>>,
}

impl<'a> Recording<'a> {
    /// All of it may be learned from.
    pub fn whole(dry: &'a [f32], wet: &'a [f32]) -> Self {
        let len = dry.len().min(wet.len());
        Self {
            dry: &dry[..len],
            wet: &wet[..len],
            ranges: std::iter::once(0..len).collect(),
        }
    }
}

/// A stretch of a recording.
#[derive(Clone, Debug)]
pub(super) struct Clip {
    pub(super) dry: Vec<f64>,
    pub(super) wet: Vec<f64>,
    /// The number of its first sample in the recording.
    pub(super) start: u64,
    /// Samples that are heard, not compared.
    pub(super) skip: usize,
    /// Which of the recordings.
    pub(super) recording: usize,
    /// By how much the oscillator is ahead of the recording's, radians: on the right of a stereo effect.
    pub(super) ahead: f64,
}

/// Heard before a stretch: longer than any delay.
const BEFORE: usize = 8192;

/// Stretches are taken evenly from longer ranges, so many seconds each.
const STRETCH_SECONDS: f64 = 5.0;

/// Share of a stretch that tells which of several fits is right.
const HELD_BACK: f64 = 0.25;

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

impl Clip {
    /// What lies in `range` of a recording.
    pub(super) fn of(at: usize, recording: &Recording<'_>, range: Range<usize>) -> Self {
        let from = range.start.saturating_sub(BEFORE);
        Self {
            dry: doubles(&recording.dry[from..range.end]),
            wet: doubles(&recording.wet[from..range.end]),
            start: from as u64,
            skip: range.start - from,
            recording: at,
            ahead: 0.0,
        }
    }

    /// All but the last share of what is compared.
    pub(super) fn beginning(&self) -> Self {
        let mut clip = self.clone();
        clip.dry.truncate(self.held_back_from());
        clip.wet.truncate(self.held_back_from());
        clip
    }

    /// The last share of what is compared.
    pub(super) fn end(&self) -> Self {
        Self {
            skip: self.held_back_from(),
            ..self.clone()
        }
    }

    fn held_back_from(&self) -> usize {
        let compared = self.dry.len().saturating_sub(self.skip);
        self.dry.len() - (HELD_BACK * compared as f64) as usize
    }

    /// Every `factor`-th sample, of what was below that rate.
    pub(super) fn fewer(&self, factor: usize) -> Self {
        // Where the first sample kept is one of the recording's own grid, so is every other.
        let first = (factor - self.start as usize % factor) % factor;
        Self {
            dry: decimated(&self.dry, first, factor),
            wet: decimated(&self.wet, first, factor),
            start: (self.start + first as u64) / factor as u64,
            skip: self.skip.div_ceil(factor),
            recording: self.recording,
            ahead: self.ahead,
        }
    }
}

/// All of the recordings, or at most so many samples of them, taken evenly.
pub(super) fn excerpts(recordings: &[Recording<'_>], hz: f64, most: usize) -> Vec<Clip> {
    let ranges = recordings
        .iter()
        .enumerate()
        .flat_map(|(at, r)| r.ranges.iter().map(move |range| (at, range.clone())));
    let ranges: Vec<(usize, Range<usize>)> = ranges.collect();
    let all: usize = ranges.iter().map(|(_, range)| range.len()).sum();
    let share = (most as f64 / all.max(1) as f64).min(1.0);
    let stretch = (STRETCH_SECONDS * hz * share).max(1.0) as usize;
    let every = (STRETCH_SECONDS * hz) as usize;
    let mut clips = Vec::new();
    for (at, range) in ranges {
        if share >= 1.0 {
            clips.push(Clip::of(at, &recordings[at], range));
            continue;
        }
        for from in range.clone().step_by(every) {
            let to = (from + stretch).min(range.end);
            clips.push(Clip::of(at, &recordings[at], from..to));
        }
    }
    clips
}

/// Most samples looked at: the loudest 12 s at 44.1 kHz.
const MOST_SAMPLES: usize = 1 << 19;

/// The stretch of most energy of a recording; what may not be learned from is silent in its wet.
pub(super) fn loudest(recording: &Recording<'_>, at: usize) -> Clip {
    let ranges = &recording.ranges;
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let most = MOST_SAMPLES.min(end - first);
    let known = |sample: &usize| ranges.iter().any(|range| range.contains(sample));
    let energy = |from: usize| -> f64 {
        let parts = ranges.iter().map(|range| {
            let (start, stop) = (range.start.max(from), range.end.min(from + most));
            let sound = recording.wet.get(start..stop.max(start)).unwrap_or(&[]);
            sound.iter().map(|x| f64::from(x * x)).sum::<f64>()
        });
        parts.sum()
    };
    let starts = (first..=end - most).step_by((most / 8).max(1));
    let from = starts.max_by(|a, b| energy(*a).total_cmp(&energy(*b)));
    let from = from.unwrap_or(first);
    let mut clip = Clip::of(at, recording, from..from + most);
    if ranges.len() > 1 {
        let begin = clip.start as usize;
        for (i, wet) in clip.wet.iter_mut().enumerate() {
            if !known(&(begin + i)) {
                *wet = 0.0;
            }
        }
    }
    clip
}

/// The stretch of most energy of a recording all of which may be learned from.
pub(super) fn loudest_of_all(dry: Track<'_>, wet: Track<'_>) -> Clip {
    let start = level::loudest(wet, MOST_SAMPLES);
    let end = (start + MOST_SAMPLES).min(wet.len());
    let from = start.saturating_sub(BEFORE);
    Clip {
        dry: doubles(&dry.read(from..end)),
        wet: doubles(&wet.read(from..end)),
        start: from as u64,
        skip: start - from,
        recording: 0,
        ahead: 0.0,
    }
}

/// All of them at a lower rate.
pub(super) fn fewer(clips: &[Clip], factor: usize) -> Vec<Clip> {
    clips.par_iter().map(|clip| clip.fewer(factor)).collect()
}

/// By how much samples can be thinned out for about `rate` of them a second.
pub(super) fn factor(hz: f64, rate: f64) -> usize {
    ((hz / rate).round() as usize).max(1)
}

fn decimated(x: &[f64], first: usize, factor: usize) -> Vec<f64> {
    if factor == 1 {
        return x.to_vec();
    }
    let reach = 16 * factor as isize;
    let cut = 0.8 / factor as f64;
    let tap = |i: isize| {
        let angle = std::f64::consts::PI * i as f64;
        let sinc = if i == 0 {
            1.0
        } else {
            (cut * angle).sin() / (cut * angle)
        };
        cut * sinc * (0.5 + 0.5 * (angle / reach as f64).cos())
    };
    let taps: Vec<f64> = (-reach..=reach).map(tap).collect();
    let sample = |t: usize| {
        let from = (first + t * factor) as isize - reach;
        let skipped = (-from).max(0) as usize;
        let sound = &x[(from.max(0) as usize).min(x.len())..];
        let taps = taps.iter().skip(skipped);
        taps.zip(sound).map(|(tap, x)| tap * x).sum()
    };
    (0..x.len().saturating_sub(first).div_ceil(factor))
        .map(sample)
        .collect()
}
