//! Silence at settings of the knobs that were never recorded. It is the one thing that is known of an
//! effect there: a network that has heard the recorded settings alone answers silence between them
//! with constants of its own, and bends what it plays there along with them.
//!
//! Knows neither networks nor folders.

use super::idle::{Idle, recorded_idle};
use crate::data::pair::{DryWetPair, Span};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A window of silence to so many of the recordings.
const WINDOWS_PER_SILENCE: usize = 2;

/// Settings that silence is learned at: fewer would leave gaps even on one knob, and training carries the
/// state of a memory on for each.
const SETTINGS: RangeInclusive<usize> = 16..=64;

/// Settings that silence is listened to at after an epoch.
const MOST_LISTENED: usize = 16;

/// What of a knob's range beyond either end counts as its end, where most playing is done.
const BEYOND: f64 = 0.05;

/// Settings of the recordings whose constants are farther apart (−60 dBFS) say nothing of those
/// between them.
const SAME_CONSTANT: f64 = 1e-3;

/// How much more errors count in silence when training ends: 20 dB bring the constants of all settings
/// down by a half. From the beginning they would double the error of what is played, and more of
/// them at the end brings nothing more (`configs/knob.toml`, three seeds).
const GAIN: f32 = 10.0;

/// The gain of silence in the loss of a network that learns from `spans`, when the share `done` of its
/// training is behind it: it rises over the second half, where there are knobs.
pub fn gain(spans: &[Span], done: f32) -> f32 {
    let knobs = |span: &Span| !span.pair().controls().is_empty();
    match spans.first().is_some_and(knobs) {
        true => GAIN.powf((2.0 * done - 1.0).max(0.0)),
        false => 1.0,
    }
}

/// Silences of `window_len` samples to be learned beside `windows` windows of `spans`, at up to 64
/// settings that are spread evenly over all that lies between those of `spans`; the answer is the
/// constant that they have where dry is soft. None with fewer than two settings, or where their
/// constants differ.
pub fn between_settings(spans: &[Span], windows: usize, window_len: usize) -> Vec<Span> {
    let ranges = ranges(spans);
    if !ranges.iter().any(|(least, most)| least < most) {
        return Vec::new();
    }
    // All recordings are read for it.
    let (Some(first), Some(idle)) = (spans.first(), common_idle(spans)) else {
        return Vec::new();
    };
    let count = (windows / WINDOWS_PER_SILENCE).max(*SETTINGS.start());
    let rate = first.pair().sample_rate();
    let (dry, [left, right]) = (vec![0.0; window_len], idle);
    let answer = |idle: f64| vec![idle as f32; window_len];
    let silence = |idle| DryWetPair::aligned("silence", rate, dry.clone(), answer(idle), 0);
    let (left, right) = (silence(left), silence(right));
    let at = |settings: Vec<f32>| {
        // The sound itself is shared.
        let side = |pair: &DryWetPair| {
            let pair = pair.clone().with_controls(settings.clone());
            Span::new(Arc::new(pair), 0..window_len)
        };
        match first.sides().count() {
            1 => side(&left),
            _ => Span::stereo(&side(&left), &side(&right), first.audio_channels().dry),
        }
    };
    let settings = spread(&ranges, count.min(*SETTINGS.end()));
    let lessons: Vec<Span> = settings.map(at).collect();
    lessons.into_iter().cycle().take(count).collect()
}

/// Settings that silence is listened to at: those of `spans`, each once, some from the first to the last where
/// there are more than [`MOST_LISTENED`], and then as many between them as make up so many.
pub fn settings(spans: &[Span]) -> Vec<Vec<f32>> {
    let mut all: Vec<&[f32]> = Vec::new();
    for span in spans {
        if !all.contains(&span.pair().controls()) {
            all.push(span.pair().controls());
        }
    }
    let taken = all.len().min(MOST_LISTENED);
    let recorded = (0..taken).map(|at| all[at * all.len() / taken].to_vec());
    let between = match taken {
        0 | 1 => 0,
        _ => MOST_LISTENED - taken,
    };
    recorded.chain(spread(&ranges(spans), between)).collect()
}

/// The lowest and the highest setting of every knob.
fn ranges(spans: &[Span]) -> Vec<(f32, f32)> {
    let mut ranges: Vec<(f32, f32)> = Vec::new();
    for span in spans {
        let settings = span.pair().controls();
        ranges.resize(settings.len(), (f32::INFINITY, f32::NEG_INFINITY));
        for ((least, most), &setting) in ranges.iter_mut().zip(settings) {
            (*least, *most) = (least.min(setting), most.max(setting));
        }
    }
    ranges
}

/// The constant of the recordings where dry is soft, of each side; `None` where that of one setting is
/// another's neither.
pub fn common_idle(spans: &[Span]) -> Option<Idle> {
    let idle = recorded_idle(spans);
    let mut by_setting: Vec<Vec<Span>> = Vec::new();
    for span in spans {
        let same = |of: &&mut Vec<Span>| of[0].pair().controls() == span.pair().controls();
        match by_setting.iter_mut().find(same) {
            Some(of) => of.push(span.clone()),
            None => by_setting.push(vec![span.clone()]),
        }
    }
    let apart = |of: &Vec<Span>| {
        let sides = recorded_idle(of).into_iter().zip(idle);
        sides.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    by_setting
        .iter()
        .all(|of| apart(of) <= SAME_CONSTANT)
        .then_some(idle)
}

/// `count` settings, evenly spread however many there are: each knob moves on by an irrational share
/// of its range, as in M. Roberts, "The Unreasonable Effectiveness of Quasirandom Sequences" (2018).
fn spread(ranges: &[(f32, f32)], count: usize) -> impl Iterator<Item = Vec<f32>> {
    // g^(d + 1) = g + 1.
    let dimensions = ranges.len() as f64;
    let g = (0..64).fold(1.5f64, |g, _| (1.0 + g).powf(1.0 / (dimensions + 1.0)));
    (0..count).map(move |n| {
        let knobs = ranges.iter().zip(1..);
        let setting = |((least, most), knob): (&(f32, f32), i32)| {
            let share = (0.5 + n as f64 * g.powi(-knob)).fract();
            let share = (share * (1.0 + 2.0 * BEYOND) - BEYOND).clamp(0.0, 1.0);
            least + share as f32 * (most - least)
        };
        knobs.map(setting).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::audio::range::MOMENT;

    /// Half sound, half silence, whose answer is `idle`.
    fn recorded(settings: [f32; 2], idle: f32) -> Span {
        let rate = SampleRate::new(8000).unwrap();
        let sound = |n: usize| match n < 10 * MOMENT {
            true => (0.1 * n as f32).sin(),
            false => 0.0,
        };
        let dry: Vec<f32> = (0..20 * MOMENT).map(sound).collect();
        let wet: Vec<f32> = dry.iter().map(|x| 0.5 * x + idle).collect();
        let len = dry.len();
        let pair = DryWetPair::aligned("p", rate, dry, wet, 0).with_controls(settings.to_vec());
        Span::new(Arc::new(pair), 0..len)
    }

    #[test]
    fn silence_is_silence_wherever_the_knobs_stand() {
        let spans = [
            recorded([1.0, 0.2], 0.1),
            recorded([3.0, 0.2], 0.1),
            recorded([2.0, 0.6], 0.1),
        ];
        let lessons = between_settings(&spans, 200, 50);
        assert_eq!(lessons.len(), 100);
        for lesson in &lessons {
            let pair = lesson.pair();
            assert_eq!(lesson.samples(), 0..50);
            assert!(pair.dry().iter().all(|&x| x == 0.0));
            assert!(pair.wet().iter().all(|&x| (x - 0.1).abs() < 1e-6));
            let &[first, second] = pair.controls() else {
                panic!("{:?}", pair.controls());
            };
            assert!((1.0..=3.0).contains(&first) && (0.2..=0.6).contains(&second));
        }
        // Of 64 settings every ninth of the plane has seven, the corners' somewhat more; a few of them
        // come twice among the hundred.
        let ninth = |x: f32| ((3.0 * x) as usize).min(2);
        let mut counts = [0; 9];
        for lesson in &lessons {
            let &[first, second] = lesson.pair().controls() else {
                unreachable!()
            };
            counts[3 * ninth((first - 1.0) / 2.0) + ninth((second - 0.2) / 0.4)] += 1;
        }
        assert!(
            counts.iter().all(|count| (8..=15).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn silence_is_heard_at_recorded_settings_and_between_them() {
        let at = |knob: f32| recorded([knob, 0.5], 0.0);
        let few = settings(&[0.1, 0.1, 0.7, 1.0].map(at));
        assert_eq!(few.len(), MOST_LISTENED);
        assert_eq!(few[..3], [[0.1, 0.5], [0.7, 0.5], [1.0, 0.5]]);
        let between = few[3..].iter().map(|of| of[0]);
        assert!(between.clone().all(|knob| (0.1..=1.0).contains(&knob)));
        assert!(between.filter(|knob| (0.2..0.6).contains(knob)).count() >= 4);
        let many: Vec<Span> = (0..100).map(|knob| at(knob as f32)).collect();
        let some = settings(&many);
        assert_eq!((some.len(), some[0][0], some[15][0]), (16, 0.0, 93.0));
        assert_eq!(settings(&[at(0.3)]), [[0.3, 0.5]]);
    }

    #[test]
    fn the_ends_of_a_knob_are_among_its_settings() {
        let mut settings: Vec<f32> = spread(&[(0.0, 1.0)], 32).map(|of| of[0]).collect();
        settings.sort_by(f32::total_cmp);
        assert_eq!((settings[0], settings[31]), (0.0, 1.0));
        let gap = settings
            .windows(2)
            .map(|two| two[1] - two[0])
            .fold(0.0, f32::max);
        // The golden section's gaps are at most 1 + 2/√5 of the even ones.
        assert!(gap < 1.895 * 1.1 / 32.0 + 1e-6, "{gap}");
    }

    #[test]
    fn silence_counts_more_towards_the_end() {
        let knobs = [recorded([1.0, 0.2], 0.0)];
        let gains = [0.0, 0.5, 0.75, 1.0].map(|done| gain(&knobs, done));
        assert_eq!(gains, [1.0, 1.0, GAIN.sqrt(), GAIN]);
        assert_eq!(gain(&[], 1.0), 1.0);
    }

    #[test]
    fn what_is_not_known_is_not_taught() {
        let fixed = [recorded([1.0, 0.2], 0.0), recorded([1.0, 0.2], 0.0)];
        assert!(between_settings(&fixed, 200, 50).is_empty());
        let apart = [recorded([1.0, 0.2], 0.0), recorded([2.0, 0.2], 0.02)];
        assert!(between_settings(&apart, 200, 50).is_empty());
        assert!(between_settings(&[], 200, 50).is_empty());
    }
}
