//! Plain facts about a recording, or a dry/wet pair, that would spoil training: silence,
//! clipping, values that are not numbers, an offset, rates and lengths that differ.
//!
//! Knows sounds, not files, windows or networks: what it may not know comes in through
//! [`Expectations`]. Never changes a sample and never decides: whoever calls refuses on
//! [`Severity::Error`], tells of the rest.

use crate::audio::{Audio, SampleRate};
use serde::Serialize;
use std::fmt;

/// Peak below which a recording is called very low, in dBFS: 16-bit quantisation noise is then
/// less than 38 dB below it, an ESR floor of 1.6e-4 that no training removes.
pub const LOW_PEAK_DBFS: f64 = -60.0;

/// Consecutive samples at one extreme that make a clipped run.
pub const CLIPPED_RUN: usize = 4;

/// One step of 16-bit audio: values closer than this count as equal.
const STEP: f32 = 1.0 / 32_768.0;

/// How far the sample before or after a clipped run must fall off. A smooth crest is a parabola:
/// if four samples lie within one step of it, the next lies within (2.5/1.5)² < 3 steps, with
/// rounding 4. A cut falls off with the slope of the wave.
const CORNER: f32 = 8.0 * STEP;

/// From this level on a cut is blamed on the converter: full scale less rounding.
const FULL_SCALE: f64 = 0.999;

/// The offset worth a warning, as a fraction of the RMS of the rest (−40 dB: an ESR of 1e-4).
pub const OFFSET_FRACTION: f64 = 0.01;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, often intended.
    Note,
    /// May spoil the result.
    Warning,
    /// Cannot be trained on.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What was found, with its figures. `which` names the recording ("dry", "wet", a file).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// Samples that are NaN or infinite.
    NotFinite {
        /// Recording.
        which: String,
        /// How many.
        count: usize,
        /// Channel of the first, from 0.
        channel: usize,
        /// Sample index of the first.
        position: usize,
    },
    /// No samples at all.
    Empty {
        /// Recording.
        which: String,
    },
    /// Fewer samples than one window.
    TooShort {
        /// Recording.
        which: String,
        /// Its length.
        samples: usize,
        /// Samples that one window needs.
        needed: usize,
    },
    /// Every sample of a channel has the same value.
    Silent {
        /// Recording.
        which: String,
        /// Channel, from 0.
        channel: usize,
    },
    /// A peak below [`LOW_PEAK_DBFS`].
    VeryLow {
        /// Recording.
        which: String,
        /// Channel, from 0.
        channel: usize,
        /// Largest absolute sample, in dBFS.
        peak_dbfs: f64,
    },
    /// Runs of at least [`CLIPPED_RUN`] consecutive samples at the recording's own extreme (a
    /// warning at full scale, where the converter is to blame, else a note).
    Clipped {
        /// Recording.
        which: String,
        /// Channel, from 0.
        channel: usize,
        /// How many runs.
        runs: usize,
        /// Samples in them, together.
        samples: usize,
        /// Samples in the longest.
        longest: usize,
        /// Where the first begins.
        position: usize,
        /// The level at which it is cut, in dBFS.
        level_dbfs: f64,
    },
    /// Samples above full scale (float files can hold them).
    AboveFullScale {
        /// Recording.
        which: String,
        /// Channel, from 0.
        channel: usize,
        /// How many.
        samples: usize,
        /// The largest, in dBFS.
        peak_dbfs: f64,
    },
    /// A mean above [`OFFSET_FRACTION`] of the RMS.
    Offset {
        /// Recording.
        which: String,
        /// Channel, from 0.
        channel: usize,
        /// The mean, full scale 1.
        mean: f64,
        /// RMS around the mean, full scale 1.
        rms: f64,
    },
    /// Dry and wet have different sample rates.
    RatesDiffer {
        /// Of dry.
        dry_hz: u32,
        /// Of wet.
        wet_hz: u32,
    },
    /// Dry and wet have different numbers of channels.
    ChannelsDiffer {
        /// Of dry.
        dry: usize,
        /// Of wet.
        wet: usize,
    },
    /// Dry and wet have different lengths.
    LengthsDiffer {
        /// Of dry, in samples.
        dry: usize,
        /// Of wet, in samples.
        wet: usize,
        /// Rate, if they share one.
        sample_rate_hz: u32,
    },
    /// Wet equals dry, sample by sample.
    Identical,
    /// Wet is dry times one number.
    OnlyGain {
        /// That number in dB.
        gain_db: f64,
        /// Whether it is negative.
        inverted: bool,
    },
    /// Wet runs at another speed than dry: two clocks.
    Drifts {
        /// Parts per million; positive: wet lags more and more.
        ppm: f64,
        /// Samples that this amounts to over the recording.
        samples: f64,
    },
    /// The effect's filter changes by a clock: chorus, flanger, phaser, vibrato.
    FilterMoves {
        /// Its period, or several of them.
        period_seconds: f64,
        /// 0 (static) to 1.
        depth: f64,
    },
    /// The effect's gain changes by a clock: tremolo.
    GainSways {
        /// Its period.
        period_seconds: f64,
        /// From the lowest to the highest gain.
        swing_db: f64,
    },
}

/// One thing worth telling, and how much it matters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    #[serde(flatten)]
    pub fact: Fact,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.fact)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite {
                which,
                count,
                channel,
                position,
            } => write!(
                f,
                "{which} holds {count} samples that are NaN or infinite, the first at sample \
                 {position} of channel {}; every sample must be finite: export it again",
                channel + 1
            ),
            Self::Empty { which } => write!(
                f,
                "{which} holds no samples; at least one window is needed: record it again"
            ),
            Self::TooShort {
                which,
                samples,
                needed,
            } => write!(
                f,
                "{which} has {samples} samples, one window needs {needed}: record more, or \
                 choose a shorter window or a smaller network"
            ),
            Self::Silent { which, channel } => write!(
                f,
                "{which} channel {} is silent; it must carry the sound: check the cable and \
                 the track that was exported, or use another channel",
                channel + 1
            ),
            Self::VeryLow {
                which,
                channel,
                peak_dbfs,
            } => write!(
                f,
                "{which} channel {} peaks at {peak_dbfs:.1} dBFS; above {LOW_PEAK_DBFS} dBFS is \
                 needed to stand clear of noise: record it louder",
                channel + 1
            ),
            Self::Clipped {
                which,
                channel,
                runs,
                samples,
                longest,
                position,
                level_dbfs,
            } => write!(
                f,
                "{which} channel {} is cut off at {level_dbfs:.1} dBFS in {runs} places \
                 ({samples} samples, at most {longest} in a row, first at sample {position}); \
                 none is expected unless the effect or the test signal has flat tops: if the \
                 converter clipped, record it at a lower level",
                channel + 1
            ),
            Self::AboveFullScale {
                which,
                channel,
                samples,
                peak_dbfs,
            } => write!(
                f,
                "{which} channel {} exceeds full scale in {samples} samples (peak \
                 {peak_dbfs:+.1} dBFS); players and integer files cut at 0 dBFS: lower its \
                 level, and the predicted sound's when it is written",
                channel + 1
            ),
            Self::Offset {
                which,
                channel,
                mean,
                rms,
            } => write!(
                f,
                "{which} channel {} has an offset of {mean:.5} beside an RMS of {rms:.5}; below \
                 {:.0} % of it is harmless: remove it with a high-pass filter unless the effect \
                 makes it",
                channel + 1,
                100.0 * OFFSET_FRACTION
            ),
            Self::RatesDiffer { dry_hz, wet_hz } => write!(
                f,
                "dry is at {dry_hz} Hz and wet at {wet_hz} Hz; both must be at one rate: \
                 resample one of them"
            ),
            Self::ChannelsDiffer { dry, wet } => write!(
                f,
                "dry has {dry} channels and wet {wet}; name one channel of each, or record both \
                 alike"
            ),
            Self::LengthsDiffer {
                dry,
                wet,
                sample_rate_hz,
            } => {
                let (longer, shorter) = if dry > wet {
                    ("dry", "wet")
                } else {
                    ("wet", "dry")
                };
                let more = dry.abs_diff(*wet);
                write!(
                    f,
                    "{longer} is {more} samples ({:.3} s) longer than {shorter} ({dry} and \
                     {wet}); only what both cover is used: check that they belong together",
                    more as f64 / f64::from(*sample_rate_hz)
                )
            }
            Self::Identical => write!(
                f,
                "wet is identical to dry: there is no effect to learn; check that the effect \
                 was switched on and the right file was exported"
            ),
            Self::OnlyGain { gain_db, inverted } => write!(
                f,
                "wet is dry with {gain_db:+.2} dB of gain{} and nothing else: check that the \
                 effect was switched on",
                if *inverted { ", inverted," } else { "" }
            ),
            Self::Drifts { ppm, samples } => write!(
                f,
                "wet drifts against dry by {samples:+.1} samples over the recording \
                 ({ppm:+.1} ppm); below 1 sample is harmless: record both sides with one clock \
                 (one interface), or resample wet by that much"
            ),
            Self::FilterMoves {
                period_seconds,
                depth,
            } => write!(
                f,
                "the effect changes over time by a clock of its own, as a chorus, flanger, phaser \
                 or vibrato does (depth {depth:.2}, repeating every {period_seconds:.2} s or a \
                 part of it); a network hears only dry and cannot learn when: switch the \
                 modulation off, or expect the average sound"
            ),
            Self::GainSways {
                period_seconds,
                swing_db,
            } => write!(
                f,
                "the effect's loudness sways by {swing_db:.1} dB every {period_seconds:.2} s by a \
                 clock of its own, as a tremolo's does; a network hears only dry and cannot learn \
                 when: switch the modulation off, or expect the average sound"
            ),
        }
    }
}

/// What the caller needs of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expectations {
    /// Samples that one window, its context included, takes; 0 when unknown.
    pub window_len: usize,
}

/// Facts about one recording, called `which` in messages; worst first.
pub fn check_recording(which: &str, audio: &Audio, needs: Expectations) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut tell = |severity, fact| found.push(Finding { severity, fact });
    let which = || which.to_string();
    let samples = audio.len();
    if samples == 0 {
        tell(Severity::Error, Fact::Empty { which: which() });
        return found;
    }
    if samples < needs.window_len {
        let needed = needs.window_len;
        tell(
            Severity::Error,
            Fact::TooShort {
                which: which(),
                samples,
                needed,
            },
        );
    }
    if let Some((count, channel, position)) = not_finite(audio) {
        tell(
            Severity::Error,
            Fact::NotFinite {
                which: which(),
                count,
                channel,
                position,
            },
        );
        // Levels of such a sound would mean nothing.
        return found;
    }
    for (channel, x) in audio.channels().iter().enumerate() {
        let level = Level::of(x);
        if level.rms == 0.0 {
            tell(
                Severity::Error,
                Fact::Silent {
                    which: which(),
                    channel,
                },
            );
            continue;
        }
        let peak_dbfs = dbfs(level.peak);
        if peak_dbfs < LOW_PEAK_DBFS {
            tell(
                Severity::Warning,
                Fact::VeryLow {
                    which: which(),
                    channel,
                    peak_dbfs,
                },
            );
        }
        if level.above > 0 {
            let samples = level.above;
            tell(
                Severity::Warning,
                Fact::AboveFullScale {
                    which: which(),
                    channel,
                    samples,
                    peak_dbfs,
                },
            );
        }
        if let Some(runs) = Runs::of(x) {
            let blame_converter = runs.extreme >= FULL_SCALE;
            let severity = if blame_converter {
                Severity::Warning
            } else {
                Severity::Note
            };
            tell(severity, runs.fact(which(), channel));
        }
        if level.mean.abs() > OFFSET_FRACTION * level.rms {
            let (mean, rms) = (level.mean, level.rms);
            tell(
                Severity::Note,
                Fact::Offset {
                    which: which(),
                    channel,
                    mean,
                    rms,
                },
            );
        }
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.severity));
    found
}

/// Facts about both recordings of a pair and about how they fit; worst first.
pub fn check_pair(dry: &Audio, wet: &Audio, needs: Expectations) -> Vec<Finding> {
    let mut found = check_recording("dry", dry, needs);
    found.extend(check_recording("wet", wet, needs));
    let mut tell = |severity, fact| found.push(Finding { severity, fact });
    let hz = |audio: &Audio| SampleRate::hz(audio.sample_rate());
    if hz(dry) != hz(wet) {
        let fact = Fact::RatesDiffer {
            dry_hz: hz(dry),
            wet_hz: hz(wet),
        };
        tell(Severity::Error, fact);
    } else if dry.len() != wet.len() {
        let (dry_len, wet_len) = (dry.len(), wet.len());
        // A tail of silence is usual; another take is not: then more than a tenth differs.
        let much = dry_len.abs_diff(wet_len) > dry_len.max(wet_len) / 10;
        tell(
            if much {
                Severity::Warning
            } else {
                Severity::Note
            },
            Fact::LengthsDiffer {
                dry: dry_len,
                wet: wet_len,
                sample_rate_hz: hz(dry),
            },
        );
    }
    let (d, w) = (dry.channels().len(), wet.channels().len());
    if d != w {
        tell(Severity::Warning, Fact::ChannelsDiffer { dry: d, wet: w });
    } else if let Some(fact) = sameness(dry, wet) {
        tell(Severity::Warning, fact);
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.severity));
    found
}

/// Count of samples that are not finite, with channel and index of the earliest.
fn not_finite(audio: &Audio) -> Option<(usize, usize, usize)> {
    let bad = |x: &[f32]| x.iter().filter(|v| !v.is_finite()).count();
    let count = audio.channels().iter().map(|x| bad(x)).sum();
    let firsts = audio.channels().iter().enumerate();
    let firsts = firsts.filter_map(|(c, x)| Some((x.iter().position(|v| !v.is_finite())?, c)));
    firsts
        .min()
        .map(|(position, channel)| (count, channel, position))
}

/// An amplitude in decibels below full scale (1.0).
fn dbfs(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}

/// The plain figures of one channel.
struct Level {
    mean: f64,
    /// Around the mean.
    rms: f64,
    peak: f64,
    /// Samples beyond ±1.
    above: usize,
}

impl Level {
    fn of(x: &[f32]) -> Self {
        let len = x.len().max(1) as f64;
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / len;
        let power = x
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / len;
        // A constant's mean is exact only up to rounding; its variance is none all the same.
        let constant = x.iter().all(|v| Some(v) == x.first());
        Self {
            mean,
            rms: if constant { 0.0 } else { power.sqrt() },
            peak: x.iter().fold(0.0, |m, &v| f64::from(v.abs()).max(m)),
            above: x.iter().filter(|v| v.abs() > 1.0).count(),
        }
    }
}

/// Runs of samples at one channel's own extreme.
struct Runs {
    runs: usize,
    samples: usize,
    longest: usize,
    position: usize,
    extreme: f64,
}

impl Runs {
    /// Runs at the largest or at the smallest value, each at least [`CLIPPED_RUN`] long.
    ///
    /// The extreme is the recording's own, not full scale: a clipped sound turned down
    /// afterwards is clipped all the same. Values count as equal within one 16-bit step.
    fn of(x: &[f32]) -> Option<Self> {
        let (low, high) = x
            .iter()
            .fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let at_top = |v: f32| v >= high - STEP;
        let at_bottom = |v: f32| v <= low + STEP;
        let falls_off = |run: &[f32], neighbour: Option<&f32>| {
            neighbour.is_some_and(|n| (n - run[0]).abs() > CORNER)
        };
        let mut found = Self {
            runs: 0,
            samples: 0,
            longest: 0,
            position: 0,
            extreme: f64::from(high.max(-low)),
        };
        let mut start = 0_usize;
        let same_cut =
            |a: &f32, b: &f32| (at_top(*a) && at_top(*b)) || (at_bottom(*a) && at_bottom(*b));
        for run in x.chunk_by(same_cut) {
            let before = start.checked_sub(1).and_then(|n| x.get(n));
            let after = x.get(start + run.len());
            if run.len() >= CLIPPED_RUN && (falls_off(run, before) || falls_off(run, after)) {
                if found.runs == 0 {
                    found.position = start;
                    found.extreme = f64::from(run[0].abs());
                }
                found.runs += 1;
                found.samples += run.len();
                found.longest = found.longest.max(run.len());
            }
            start += run.len();
        }
        (found.runs > 0).then_some(found)
    }

    fn fact(self, which: String, channel: usize) -> Fact {
        Fact::Clipped {
            which,
            channel,
            runs: self.runs,
            samples: self.samples,
            longest: self.longest,
            position: self.position,
            level_dbfs: dbfs(self.extreme),
        }
    }
}

/// Whether wet is dry, or dry times one gain, over what both cover.
fn sameness(dry: &Audio, wet: &Audio) -> Option<Fact> {
    let len = dry.len().min(wet.len());
    let pairs = || {
        dry.channels()
            .iter()
            .zip(wet.channels())
            .flat_map(move |(d, w)| {
                d[..len]
                    .iter()
                    .zip(&w[..len])
                    .map(|(&d, &w)| (f64::from(d), f64::from(w)))
            })
    };
    if len == 0 || pairs().any(|(d, w)| !d.is_finite() || !w.is_finite()) {
        return None;
    }
    let (dd, dw, ww) = pairs().fold((0.0, 0.0, 0.0), |(dd, dw, ww), (d, w)| {
        (dd + d * d, dw + d * w, ww + w * w)
    });
    if dd == 0.0 || ww == 0.0 {
        return None;
    }
    if pairs().all(|(d, w)| d == w) {
        return Some(Fact::Identical);
    }
    let gain = dw / dd;
    let unexplained = pairs().map(|(d, w)| (w - gain * d).powi(2)).sum::<f64>();
    // Rounding to 16 bits leaves 1/12 of a squared step per sample on either side.
    let rounding = (1.0 + gain * gain) * (2 * len * dry.channels().len()) as f64
        / (12.0 * 32_768.0_f64.powi(2));
    (unexplained <= rounding.max(1e-10 * ww)).then(|| Fact::OnlyGain {
        gain_db: dbfs(gain.abs()),
        inverted: gain < 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check_recording("dry", &mono(x), Expectations::default())
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
            ..
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
        let silent = |x| matches!(facts(x)[0].fact, Fact::Silent { .. });
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
        assert!(matches!(facts(vec![])[0].fact, Fact::Empty { .. }));
        let short = check_recording(
            "wet",
            &mono(sine(99, 900.0, 0.5)),
            Expectations { window_len: 100 },
        );
        assert!(
            short[0]
                .to_string()
                .contains("wet has 99 samples, one window needs 100")
        );
    }

    fn pair_facts(dry: &Audio, wet: &Audio) -> Vec<Finding> {
        check_pair(dry, wet, Expectations::default())
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
        assert!(
            matches!(&pair_facts(&dry, &silent)[0].fact, Fact::Silent { which, .. } if which == "wet")
        );
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
