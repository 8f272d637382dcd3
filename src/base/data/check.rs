//! Plain facts about a recording, or a dry/wet pair, that would spoil training: silence,
//! clipping, values that are not numbers, an offset, rates and lengths that differ.
//!
//! Knows sounds, not files, windows or networks: what it may not know comes in through
//! [`Expectations`]. Never changes a sample and never decides: whoever calls refuses on
//! [`Severity::Error`], tells of the rest.

pub use super::finding::{Fact, Finding, LOW_PEAK_DBFS, OFFSET_FRACTION, Place, Severity};
use super::level::{FULL_SCALE, Level};
use crate::audio::level::{decibels, first_not_finite};
use crate::audio::track::PIECE;
use crate::audio::{Track, Tracks};

/// What the caller needs of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expectations {
    /// Samples that one window, its context included, takes; 0 when unknown.
    pub window_len: usize,
}

/// Facts about one recording, called `which` in messages; worst first.
pub fn check_recording(which: &str, sound: &Tracks<'_>, needs: Expectations) -> Vec<Finding> {
    let finding = |channel, severity, fact| Finding {
        severity,
        place: Some(Place {
            which: which.to_string(),
            channel,
        }),
        fact,
    };
    let (samples, needed) = (sound.len(), needs.window_len);
    if samples == 0 {
        return vec![finding(None, Severity::Error, Fact::Empty)];
    }
    let mut found = Vec::new();
    if samples < needed {
        let fact = Fact::TooShort { samples, needed };
        found.push(finding(None, Severity::Error, fact));
    }
    if let Some(fact) = not_finite(sound) {
        // Levels of such a sound would mean nothing.
        found.push(finding(None, Severity::Error, fact));
        return found;
    }
    for (channel, x) in sound.channels().iter().enumerate() {
        let facts = check_channel(*x).into_iter();
        found.extend(facts.map(|(severity, fact)| finding(Some(channel), severity, fact)));
    }
    worst_first(found)
}

/// Facts about both recordings of a pair and about how they fit; worst first.
pub fn check_pair(dry: &Tracks<'_>, wet: &Tracks<'_>, needs: Expectations) -> Vec<Finding> {
    let (mut found, others) = rayon::join(
        || check_recording("dry", dry, needs),
        || check_recording("wet", wet, needs),
    );
    found.extend(others);
    let mut tell = |severity, fact| found.push(Finding::of_pair(severity, fact));
    let (dry_hz, wet_hz) = (dry.sample_rate().hz(), wet.sample_rate().hz());
    if dry_hz != wet_hz {
        tell(Severity::Error, Fact::RatesDiffer { dry_hz, wet_hz });
    } else if dry.len() != wet.len() {
        let fact = Fact::LengthsDiffer {
            dry: dry.len(),
            wet: wet.len(),
            sample_rate_hz: dry_hz,
        };
        // A tail of silence is usual; another take is not: then more than a tenth differs.
        let much = dry.len().abs_diff(wet.len()) > dry.len().max(wet.len()) / 10;
        tell(warning_if(much), fact);
    }
    let (d, w) = (dry.channels().len(), wet.channels().len());
    if d != w {
        tell(Severity::Warning, Fact::ChannelsDiffer { dry: d, wet: w });
    } else if let Some(fact) = sameness(dry, wet) {
        tell(Severity::Warning, fact);
    }
    worst_first(found)
}

fn worst_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    findings
}

fn warning_if(grave: bool) -> Severity {
    if grave {
        Severity::Warning
    } else {
        Severity::Note
    }
}

/// Facts about one channel of finite samples.
fn check_channel(x: Track<'_>) -> Vec<(Severity, Fact)> {
    let Level {
        mean,
        rms,
        peak,
        above,
        runs,
    } = Level::of(x);
    if rms == 0.0 {
        return vec![(Severity::Error, Fact::Silent)];
    }
    let mut found = Vec::new();
    let peak_dbfs = decibels(peak);
    if peak_dbfs < LOW_PEAK_DBFS {
        found.push((Severity::Warning, Fact::VeryLow { peak_dbfs }));
    }
    if above > 0 {
        let fact = Fact::AboveFullScale {
            samples: above,
            peak_dbfs,
        };
        found.push((Severity::Warning, fact));
    }
    if let Some(runs) = runs {
        let fact = Fact::Clipped {
            runs: runs.runs,
            samples: runs.samples,
            longest: runs.longest,
            position: runs.position,
            level_dbfs: decibels(runs.extreme),
        };
        // At full scale the converter is to blame.
        found.push((warning_if(runs.extreme >= FULL_SCALE), fact));
    }
    if mean.abs() > OFFSET_FRACTION * rms {
        found.push((Severity::Note, Fact::Offset { mean, rms }));
    }
    found
}

/// Counts the samples that are not finite and finds the earliest.
fn not_finite(sound: &Tracks<'_>) -> Option<Fact> {
    let firsts = sound.channels().iter().enumerate();
    let firsts = firsts.filter_map(|(c, x)| Some((first_not_finite(*x)?, c)));
    let (position, channel) = firsts.min()?;
    let bad = |x: &[f32]| x.iter().filter(|v| !v.is_finite()).count();
    let bad = sound.channels().iter().flat_map(|x| x.each(PIECE, bad));
    Some(Fact::NotFinite {
        count: bad.sum(),
        channel,
        position,
    })
}

/// Whether wet is dry, or dry times one gain, over what both cover.
fn sameness(dry: &Tracks<'_>, wet: &Tracks<'_>) -> Option<Fact> {
    let len = dry.len().min(wet.len());
    let sides = || dry.channels().iter().zip(wet.channels());
    let finite = |x: &Track<'_>| first_not_finite(x.part(0..len)).is_none();
    if len == 0 || !sides().all(|(d, w)| finite(d) && finite(w)) {
        return None;
    }
    let products = sides().map(|(d, w)| Products::of(*d, *w));
    let all = products.reduce(Products::and)?;
    if all.dd == 0.0 || all.ww == 0.0 {
        return None;
    }
    if all.equal {
        return Some(Fact::Identical);
    }
    let gain = all.dw / all.dd;
    let unexplained: f64 = sides()
        .map(|(d, w)| sum_of_both(*d, *w, |d, w| (w - gain * d).powi(2)))
        .sum();
    // Rounding to 16 bits leaves 1/12 of a squared step per sample on either side.
    let rounding = (1.0 + gain * gain) * (2 * len * dry.channels().len()) as f64
        / (12.0 * 32_768.0_f64.powi(2));
    (unexplained <= rounding.max(1e-10 * all.ww)).then(|| Fact::OnlyGain {
        gain_db: decibels(gain.abs()),
        inverted: gain < 0.0,
    })
}

/// Sums over both sides, and whether they are the same.
#[derive(Clone, Copy)]
struct Products {
    dd: f64,
    dw: f64,
    ww: f64,
    equal: bool,
}

impl Products {
    fn of(dry: Track<'_>, wet: Track<'_>) -> Self {
        let sums = dry.each_with(wet, PIECE, |dry, wet| Self {
            dd: piece_of_both(dry, wet, |d, _| d * d),
            dw: piece_of_both(dry, wet, |d, w| d * w),
            ww: piece_of_both(dry, wet, |_, w| w * w),
            equal: dry == wet,
        });
        let none = Self {
            dd: 0.0,
            dw: 0.0,
            ww: 0.0,
            equal: true,
        };
        sums.into_iter().fold(none, Self::and)
    }

    fn and(self, other: Self) -> Self {
        Self {
            dd: self.dd + other.dd,
            dw: self.dw + other.dw,
            ww: self.ww + other.ww,
            equal: self.equal && other.equal,
        }
    }
}

/// The sum of `of` both sides, in pieces on all cores, always in the same order.
fn sum_of_both(dry: Track<'_>, wet: Track<'_>, of: impl Fn(f64, f64) -> f64 + Sync) -> f64 {
    let sums = dry.each_with(wet, PIECE, |dry, wet| piece_of_both(dry, wet, &of));
    sums.iter().sum()
}

fn piece_of_both(dry: &[f32], wet: &[f32], of: impl Fn(f64, f64) -> f64) -> f64 {
    let both = dry.iter().zip(wet);
    both.map(|(d, w)| of(f64::from(*d), f64::from(*w))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Audio, SampleRate};

    const RATE: u32 = 44_100;

    fn sine(len: usize, hz: f32, level: f32) -> Vec<f32> {
        (0..len)
            .map(|n| level * (std::f32::consts::TAU * hz * n as f32 / RATE as f32).sin())
            .collect()
    }

    fn mono(x: Vec<f32>) -> Audio {
        Audio::mono(SampleRate::new(RATE).unwrap(), x)
    }

    fn facts(x: Vec<f32>) -> Vec<Finding> {
        check_recording("dry", &mono(x).tracks(), Expectations::default())
    }

    #[test]
    fn a_clean_sound_is_not_complained_about() {
        for hz in [20.0, 40.0, 441.0, 5000.0] {
            for level in [0.01, 0.3, 1.0] {
                let rounded = |v: f32| (v * 32_767.0).round() / 32_768.0;
                let x: Vec<f32> = sine(44_100, hz, level).into_iter().map(rounded).collect();
                assert_eq!(facts(x), [], "{hz} Hz at {level}");
            }
        }
        let (dry, wet) = (mono(sine(44_100, 80.0, 0.5)), mono(sine(44_100, 90.0, 0.4)));
        assert_eq!(pair_facts(&dry, &wet), []);
    }

    #[test]
    fn clipping_is_counted_and_blamed_by_its_level() {
        let mut x: Vec<f32> = sine(4410, 100.0, 2.0)
            .iter()
            .map(|v| v.clamp(-1.0, 1.0))
            .collect();
        let at_full_scale = facts(x.clone());
        let Fact::Clipped {
            runs,
            samples,
            longest,
            position,
            level_dbfs,
        } = at_full_scale[0].fact
        else {
            panic!("{at_full_scale:?}");
        };
        // 10 periods, two cuts each; |2 sin| > 1 for two thirds of the time.
        assert_eq!((runs, at_full_scale[0].severity), (20, Severity::Warning));
        assert!((samples as i64 - 2940).abs() <= 20 && longest == samples.div_ceil(20));
        // sin = 1/2 at a twelfth of the period of 441 samples.
        assert_eq!(position, 37);
        assert!(level_dbfs.abs() < 1e-6);
        x.iter_mut().for_each(|v| *v *= 0.25);
        let turned_down = facts(x);
        assert_eq!(turned_down[0].severity, Severity::Note);
        assert!(
            turned_down[0]
                .to_string()
                .starts_with("note: dry channel 1 is cut off at -12.0 dBFS in 20 places")
        );
    }

    #[test]
    fn values_that_are_not_numbers_are_counted_and_located() {
        let mut x = sine(1000, 100.0, 0.5);
        x[700] = f32::NAN;
        x[300] = f32::INFINITY;
        let found = facts(x);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Severity::Error);
        assert_eq!(
            found[0].to_string(),
            "error: dry holds 2 samples that are NaN or infinite, the first at sample 300 of \
             channel 1; every sample must be finite: export it again"
        );
    }

    #[test]
    fn silence_low_level_offset_overs_and_length_are_told() {
        let silent = |x| matches!(facts(x)[0].fact, Fact::Silent);
        assert!(silent(vec![0.0; 100]));
        assert!(silent(vec![0.3; 100]), "a constant carries no sound");
        let low = facts(sine(4410, 100.0, 0.000_9));
        assert!(
            matches!(low[0].fact, Fact::VeryLow { peak_dbfs, .. } if (peak_dbfs + 60.92).abs() < 0.01)
        );
        let shifted = sine(4410, 100.0, 0.1).iter().map(|v| v + 0.002).collect();
        // RMS 0.0707: 0.002 is 2.8 % of it.
        assert!(
            matches!(facts(shifted)[0].fact, Fact::Offset { mean, .. } if (mean - 0.002).abs() < 1e-6)
        );
        let over = facts(sine(4410, 100.0, 1.5));
        assert!(
            matches!(over[0].fact, Fact::AboveFullScale { peak_dbfs, .. } if (peak_dbfs - 3.52).abs() < 0.01)
        );
        assert!(matches!(facts(vec![])[0].fact, Fact::Empty));
        let short = check_recording(
            "wet",
            &mono(sine(99, 900.0, 0.5)).tracks(),
            Expectations { window_len: 100 },
        );
        assert!(
            short[0]
                .to_string()
                .contains("wet has 99 samples, one window needs 100")
        );
    }

    fn pair_facts(dry: &Audio, wet: &Audio) -> Vec<Finding> {
        check_pair(&dry.tracks(), &wet.tracks(), Expectations::default())
    }

    #[test]
    fn a_pair_is_held_together() {
        let x = sine(44_100, 100.0, 0.5);
        let dry = mono(x.clone());
        let identical = pair_facts(&dry, &dry);
        assert_eq!(identical.len(), 1);
        assert_eq!(
            (identical[0].severity, &identical[0].fact),
            (Severity::Warning, &Fact::Identical)
        );
        let halved = mono(
            x.iter()
                .map(|v| (-0.5 * v * 32_768.0).round() / 32_768.0)
                .collect(),
        );
        assert!(matches!(
            pair_facts(&dry, &halved)[0].fact,
            Fact::OnlyGain { gain_db, inverted: true } if (gain_db + 6.02).abs() < 0.01
        ));
        // Third harmonic at −80 dB: an effect, if a slight one.
        let changed = x
            .iter()
            .zip(sine(44_100, 300.0, 0.000_05))
            .map(|(a, b)| a + b)
            .collect();
        assert_eq!(pair_facts(&dry, &mono(changed)), []);
        let silent = mono(vec![0.0; 44_100]);
        let found = &pair_facts(&dry, &silent)[0];
        assert_eq!(found.fact, Fact::Silent);
        assert!(matches!(&found.place, Some(place) if place.which == "wet"));
        let other_rate = Audio::mono(SampleRate::new(48_000).unwrap(), x.clone());
        assert_eq!(
            pair_facts(&dry, &other_rate)[0].fact,
            Fact::RatesDiffer {
                dry_hz: 44_100,
                wet_hz: 48_000
            }
        );
    }

    #[test]
    fn lengths_and_channels_that_differ_are_told_by_how_much() {
        let (x, y) = (sine(44_100, 100.0, 0.5), sine(88_200, 200.0, 0.3));
        let lengths = |wet: &[f32]| pair_facts(&mono(x.clone()), &mono(wet.to_vec()));
        assert_eq!(
            lengths(&y)[0].to_string(),
            "warning: wet is 44100 samples (1.000 s) longer than dry (44100 and 88200); only what \
             both cover is used: check that they belong together"
        );
        assert_eq!(lengths(&y[..44_541])[0].severity, Severity::Note);
        let rate = SampleRate::new(RATE).unwrap();
        let stereo = Audio::new(rate, vec![y[..44_100].to_vec(), x.clone()]).unwrap();
        assert_eq!(
            pair_facts(&mono(x), &stereo)[0].fact,
            Fact::ChannelsDiffer { dry: 1, wet: 2 }
        );
    }
}
