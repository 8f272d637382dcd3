//! Whether the two channels of a stereo wet are each the same effect of its own dry channel, or sides of
//! one effect: different ones, or made across both.
//!
//! Knows channels that belong together and are aligned; decides between hypotheses that are all fitted:
//! one filter that serves both channels, each of its own dry one; a filter of its own for each; and a
//! filter from every dry channel to each side. The gain of a distortion or a compressor hangs on the level
//! that it hears, so unless filters are all of the effect, sides that differ by a gain are alike.

use crate::audio::SampleRate;
use crate::progress::{Observer, Task};
use crate::regress::modulation::{Fitted, Moving, Recording, Size};
use crate::regress::tail::{self, Passage};
use serde::Serialize;
use std::f64::consts::TAU;
use std::ops::Range;

/// Channel by channel may leave so much (ESR) for nothing to be said against it: sides that differ in
/// level by a decibel.
const ALIKE: f64 = 4e-3;

/// The sides together must leave less than this share of what channel by channel leaves, where filters are
/// nearly all of the effect, and where they are not: then more filters are more ways to come near what none
/// of them does, the more so in a narrow sound whose channels are nearly one.
const BETTER: f64 = 0.9;
const BETTER_BENT: f64 = 0.8;

/// Oscillators that stand further apart than this, radians, are not one.
const APART: f64 = 0.1;

/// Taps of the filters: short ones first, then about a second.
const SHORT: usize = 512;
const LONG_SECONDS: f64 = 1.0;

/// The most that is fitted on and scored.
const MOST_SECONDS: f64 = 20.0;

/// Share of it that is fitted on.
const FITTED: f64 = 0.7;

/// What filters may leave of a linear effect.
const EXPLAINED: f64 = 0.02;

/// Share of a response's energy that may lie beyond what is called its length.
const BEYOND: f64 = 1e-4;

/// How the two sides of a stereo wet are related.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sides {
    /// Whether they are to be learned together; otherwise channel by channel does as well.
    pub joint: bool,
    /// Whether filters alone told that.
    pub told_by_filters: bool,
    /// What one filter for both channels, each by itself, leaves of wet (ESR).
    pub apart: f64,
    /// What a filter for each side leaves, each from its own dry channel.
    pub own: f64,
    /// What a filter from every dry channel to each side leaves.
    pub together: f64,
    /// Samples of these filters that matter.
    pub reach: usize,
    /// By how much the oscillator is ahead on the right, radians, where the effect moves by itself and both
    /// sides were looked at.
    pub ahead: Option<f64>,
}

impl Sides {
    /// Whether filters across both sides are all of the effect.
    pub fn is_linear(&self) -> bool {
        self.joint && self.together < EXPLAINED
    }

    /// Whether recordings of one effect say that its sides are to be learned together. What filters leave is
    /// judged over all of them: of several, a narrow one alone may seem to say so.
    pub fn are_joint<'a>(all: impl Iterator<Item = &'a Sides>) -> bool {
        let (filters, others): (Vec<_>, Vec<_>) = all.partition(|sides| sides.told_by_filters);
        let sum = |of: fn(&Sides) -> f64| filters.iter().map(|sides| of(sides)).sum::<f64>();
        let count = filters.len().max(1) as f64;
        let left = [
            |s: &Sides| s.apart,
            |s: &Sides| s.own,
            |s: &Sides| s.together,
        ]
        .map(|of| sum(of) / count);
        others.iter().any(|sides| sides.joint) || is_better(left)
    }
}

/// Whether a filter for each side, or filters across both, leave clearly less than one for all, and than
/// filters that stay on their side.
fn is_better([apart, own, together]: [f64; 3]) -> bool {
    let share = match together < EXPLAINED {
        true => BETTER,
        false => BETTER_BENT,
    };
    let better = |than: f64, it: f64| than - it > ALIKE && it < share * than;
    better(apart, own) || better(own, together)
}

/// What is looked at of so many samples: the stretch around the middle, where there are more than needed.
pub(super) fn excerpt(len: usize, rate: SampleRate) -> Range<usize> {
    let most = (MOST_SECONDS * f64::from(rate.hz())) as usize;
    let from = len.saturating_sub(most) / 2;
    from..len.min(from + most)
}

/// An [`excerpt`] of both sides, aligned: dry channels, one or two, and the two wet ones.
pub(super) struct Both<'a> {
    pub(super) dry: Vec<&'a [f32]>,
    pub(super) wet: [&'a [f32]; 2],
    pub(super) rate: SampleRate,
}

/// Looks at both sides; `moving`: what was found to move on the left. `None` where nothing can be fitted,
/// or told to stop.
pub(super) fn look(
    both: &Both<'_>,
    moving: Option<&Moving>,
    observer: &dyn Observer,
) -> Option<Sides> {
    let task = Task::begin(observer, "comparing the two sides", None);
    let go_on = || task.go_on().is_ok();
    let short = both.compare(SHORT.min(both.len() / 16), &go_on)?;
    let moving = moving.filter(|moving| moving.detected());
    // A mono dry has no other side: what one wet is, the other is, or is not.
    let is_plain = short.apart < ALIKE || (both.dry.len() == 1 && both.differ() < ALIKE);
    if is_plain && (moving.is_none() || both.dry.len() == 1) {
        return Some(short);
    }
    let long = ((LONG_SECONDS * f64::from(both.rate.hz())) as usize).min(both.len() / 8);
    let found = both.compare(long.max(1), &go_on)?;
    let found = match found.together < short.together {
        true => found,
        false => short,
    };
    if both.dry.len() == 1 {
        // One dry and two wets: no effect of one channel makes both.
        let joint = both.differ() > ALIKE;
        return Some(Sides {
            joint,
            told_by_filters: false,
            ..found
        });
    }
    let Some(moving) = moving else {
        return Some(found);
    };
    let ahead = both.ahead(moving, &go_on)?;
    Some(Sides {
        joint: ahead.abs() > APART,
        told_by_filters: false,
        ahead: Some(ahead),
        ..found
    })
}

impl<'a> Both<'a> {
    fn len(&self) -> usize {
        self.wet[0].len()
    }

    /// The dry channel of a side.
    fn own(&self, side: usize) -> &'a [f32] {
        self.dry[side.min(self.dry.len() - 1)]
    }

    /// What any one sound for both sides leaves of them.
    fn differ(&self) -> f64 {
        let energy = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>();
        let [left, right] = self.wet.map(|wet| wet.iter().map(|&x| f64::from(x)));
        let all = energy(&mut left.clone()) + energy(&mut right.clone());
        0.5 * energy(&mut left.zip(right).map(|(l, r)| l - r)) / all.max(f64::MIN_POSITIVE)
    }

    /// Both hypotheses with filters of so many taps, fitted on the first part and scored on the rest.
    fn compare(&self, taps: usize, go_on: &dyn Fn() -> bool) -> Option<Sides> {
        let fitted = (FITTED * self.len() as f64) as usize;
        if taps == 0 || fitted == self.len() {
            return None;
        }
        let each = [0, 1].map(|side| Passage {
            input: &self.own(side)[..fitted],
            beside: None,
            wet: &self.wet[side][..fitted],
        });
        let one = tail::fit(&each, taps, None, 1.0, go_on)?;
        let mut left = [0.0; 4];
        let (mut energy, mut reach) = (0.0, 0);
        for side in [0, 1] {
            let passage = Passage {
                input: self.dry[0][..fitted].as_ref(),
                beside: self.dry.get(1).map(|dry| &dry[..fitted]),
                wet: &self.wet[side][..fitted],
            };
            let all = tail::fit(&[passage], taps, None, 1.0, go_on)?;
            let wet = &self.wet[side][fitted..];
            energy += wet.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let filters = all.chunks_exact(taps).zip(self.dry.iter().copied());
            let own = match self.dry.len() {
                1 => all.clone(),
                _ => tail::fit(&each[side..=side], taps, None, 1.0, go_on)?,
            };
            let shared = answer(wet.len(), &[(&one, self.own(side))]);
            let own = answer(wet.len(), &[(&own, self.own(side))]);
            let across = answer(wet.len(), &filters.collect::<Vec<_>>());
            left[0] += missed(wet, &shared);
            left[1] += missed_but_for_gain(wet, &shared);
            left[2] += missed(wet, &own);
            left[3] += missed(wet, &across);
            reach = reach.max(length(&all, taps));
        }
        let left = left.map(|left| left / energy.max(f64::MIN_POSITIVE));
        let [alike, alike_but_for_gain, own, together] = left;
        let apart = match together < EXPLAINED {
            true => alike,
            false => alike_but_for_gain,
        };
        Some(Sides {
            joint: is_better([apart, own, together]),
            told_by_filters: true,
            apart,
            own,
            together,
            reach,
            ahead: None,
        })
    }

    /// How far one oscillator that moves both sides is ahead on the right.
    fn ahead(&self, moving: &Moving, go_on: &dyn Fn() -> bool) -> Option<f64> {
        let sides = [0, 1].map(|side| Recording::whole(self.own(side), self.wet[side]));
        let hz = f64::from(self.rate.hz());
        let fitted = Fitted::begin(&sides, hz, (Some(moving.part), Size::default()), go_on)?;
        let apart = (fitted.phases[1][0] - fitted.phases[0][0]).rem_euclid(TAU);
        Some(if apart > TAU / 2.0 {
            apart - TAU
        } else {
            apart
        })
    }
}

/// What an answer leaves of `wet`.
fn missed(wet: &[f32], answer: &[f64]) -> f64 {
    let apart = wet.iter().zip(answer);
    apart.map(|(w, y)| (f64::from(*w) - y).powi(2)).sum()
}

/// The same with the gain that leaves least: |w|² − (w·y)² / |y|².
fn missed_but_for_gain(wet: &[f32], answer: &[f64]) -> f64 {
    let both: f64 = wet.iter().zip(answer).map(|(&w, y)| f64::from(w) * y).sum();
    let power: f64 = answer.iter().map(|y| y * y).sum();
    let all = missed(wet, &vec![0.0; wet.len()]);
    if power > 0.0 {
        all - both * both / power
    } else {
        all
    }
}

/// What filters answer at the end of a sound, so many samples of it, each of the dry channel with it.
fn answer(len: usize, filters: &[(&[f64], &[f32])]) -> Vec<f64> {
    use crate::dsp::fft::{RealFft, quick_length};
    let taps = filters.first().map_or(1, |(taps, _)| taps.len());
    let mut fft = RealFft::new(quick_length((4 * taps).max(8192)));
    let hop = fft.len() - (taps - 1);
    let spectra = filters.iter().map(|(taps, _)| {
        let mut spectrum = fft.spectrum();
        fft.forward(taps.iter().copied(), &mut spectrum);
        spectrum
    });
    let spectra: Vec<_> = spectra.collect();
    let mut work = fft.spectrum();
    let mut given = vec![0.0; len];
    for from in (0..len).step_by(hop) {
        let to = (from + hop).min(len);
        for ((_, dry), spectrum) in filters.iter().zip(&spectra) {
            // The first of these samples in dry, and the past that a filter needs before it.
            let start = dry.len() - len + from;
            let past = |n: usize| {
                (start + n)
                    .checked_sub(taps - 1)
                    .map_or(0.0, |n| f64::from(dry[n]))
            };
            fft.forward((0..taps - 1 + to - from).map(past), &mut work);
            work.iter_mut().zip(spectrum).for_each(|(x, h)| *x *= h);
            let answer = &fft.inverse(&mut work)[taps - 1..];
            let given = given[from..to].iter_mut();
            given.zip(answer).for_each(|(sum, y)| *sum += y);
        }
    }
    given
}

/// Samples after which next to nothing is left of the longest of these responses.
fn length(filters: &[f64], taps: usize) -> usize {
    let all: f64 = filters.iter().map(|tap| tap * tap).sum();
    let one = |filter: &[f64]| {
        let mut beyond = 0.0;
        let silent = filter.iter().rev().take_while(|tap| {
            beyond += tap.powi(2);
            beyond < BEYOND * all
        });
        taps - silent.count()
    };
    filters.chunks_exact(taps).map(one).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// Bursts of low-passed noise that fade: 3 s at 8 kHz.
    fn sound(seed: u32) -> Vec<f32> {
        let (mut bits, mut low) = (seed, 0.0);
        let sample = |n: usize| {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            low += 0.3 * ((bits >> 8) as f32 / 8_388_608.0 - 1.0 - low);
            let every = 1700 + 100 * seed as usize;
            low * (-0.002 * (n % every) as f32).exp()
        };
        (0..24_000).map(sample).collect()
    }

    fn late(x: &[f32], by: usize) -> Vec<f32> {
        let silence = std::iter::repeat_n(0.0, by);
        silence.chain(x.iter().copied()).take(x.len()).collect()
    }

    fn sum(a: &[f32], by: f32, b: &[f32]) -> Vec<f32> {
        a.iter().zip(b).map(|(a, b)| a + by * b).collect()
    }

    fn sides(dry: &[Vec<f32>], wet: [Vec<f32>; 2]) -> Sides {
        let both = Both {
            dry: dry.iter().map(Vec::as_slice).collect(),
            wet: [&wet[0], &wet[1]],
            rate: SampleRate::new(8000).unwrap(),
        };
        look(&both, None, &Silent).unwrap()
    }

    #[test]
    fn what_acts_across_the_sides_is_told_from_what_treats_them_alike() {
        let stereo = [sound(1), sound(2)];
        let [left, right] = &stereo;
        let mono = &stereo[..1];
        // A repeat that comes back on the other side, from one dry channel and from two; width.
        let crossed = |a: &[f32], b: &[f32]| sum(a, 0.6, &late(b, 900));
        for (what, dry, wet) in [
            ("mono", mono, [left.clone(), crossed(left, left)]),
            (
                "crossed",
                &stereo[..],
                [crossed(left, right), crossed(right, left)],
            ),
            (
                "width",
                &stereo[..],
                [sum(left, -0.3, right), sum(right, -0.3, left)],
            ),
        ] {
            let found = sides(dry, wet);
            assert!(found.joint && found.is_linear(), "{what}: {found:?}");
            assert!(found.apart > 10.0 * found.together, "{what}: {found:?}");
            assert_eq!(
                (900..=1000).contains(&found.reach),
                what != "width",
                "{found:?}"
            );
        }
        // Alike on both sides: a repeat of each side's own, and a clipper.
        let own = |x: &Vec<f32>| sum(x, 0.6, &late(x, 900));
        let bent = |x: &Vec<f32>| x.iter().map(|x| (9.0 * x).tanh()).collect();
        // Of a stereo recording one channel is often softer, and then bent less.
        let softer = |x: &Vec<f32>| x.iter().map(|x| 0.2 * x).collect::<Vec<_>>();
        let uneven = [left.clone(), softer(right)];
        let turned = [softer(left), right.clone()];
        for (what, dry, wet) in [
            ("mono", mono, [own(left), own(left)]),
            ("repeat", &stereo[..], [own(left), own(right)]),
            ("clipper", &stereo[..], [bent(left), bent(right)]),
            ("uneven", &uneven[..], uneven.each_ref().map(bent)),
            ("turned", &turned[..], turned.each_ref().map(bent)),
        ] {
            let found = sides(dry, wet);
            assert!(!found.joint, "{what}: {found:?}");
        }
        // Nothing but a gain on the right: an effect that differs between the sides.
        let found = sides(&stereo, [left.clone(), softer(right)]);
        assert!(found.joint && found.is_linear(), "{found:?}");
    }

    #[test]
    fn recordings_of_one_effect_are_judged_together() {
        let by_filters = |apart, own, together| Sides {
            joint: is_better([apart, own, together]),
            told_by_filters: true,
            apart,
            own,
            together,
            reach: 512,
            ahead: None,
        };
        let joint = |all: &[Sides]| Sides::are_joint(all.iter());
        // Waves through a distortion, which filters do not explain: two say no, one narrow one nearly yes.
        let (saw, sine) = (
            by_filters(0.155, 0.16, 0.164),
            by_filters(0.961, 0.95, 0.932),
        );
        let square = by_filters(0.043, 0.043, 0.033);
        assert!(square.joint && !saw.joint && !sine.joint);
        assert!(!joint(&[saw, sine, square.clone()]) && joint(&[square]));
        // Repeats that change sides, and two sounds that are the same on both.
        let (ping, mono) = (by_filters(0.4, 0.4, 0.001), by_filters(0.001, 0.001, 0.001));
        assert!(
            joint(&[ping.clone(), mono.clone(), mono.clone()])
                && !joint(&[mono.clone(), mono.clone()])
        );
        // Two oscillators that stand apart say it by themselves.
        let moved = Sides {
            joint: true,
            told_by_filters: false,
            ahead: Some(1.5),
            ..mono.clone()
        };
        assert!(joint(&[mono, moved]) && !joint(&[]));
    }

    #[test]
    fn what_is_too_short_says_nothing() {
        let (dry, wet) = (vec![0.5; 12], [vec![0.5; 12], vec![0.25; 12]]);
        let both = Both {
            dry: vec![&dry],
            wet: [&wet[0], &wet[1]],
            rate: SampleRate::new(8000).unwrap(),
        };
        assert_eq!(look(&both, None, &Silent), None);
    }
}
