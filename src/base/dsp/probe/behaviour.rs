//! How a box behaves when it is left alone, and where its sound begins: what no error on a
//! recording shows.
//!
//! Knows neither networks nor files: the box is a function. About 30 s of sound are played.

use super::play::{Play, power_decibels};
use super::tone;
use crate::audio::SampleRate;
use crate::audio::level::{amplitude, by_a_bit, decibels, mean_and_rms};
use crate::dsp::fft::RealFft;
use crate::dsp::window::hann;
use crate::number;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Seconds of zeros that a box which never quite forgets is given.
const IDLE_SECONDS: usize = 20;

/// Peak of the click, in dBFS: below most distortions' knees, far above rounding.
const CLICK_DBFS: f64 = -20.0;
/// Silence before the click, for boxes that answer early, and sound read after it, in seconds.
const CLICK_SECONDS: [f64; 2] = [0.05, 0.1];
/// The answer to a click begins at this share of its peak.
const ONSET_SHARE: f64 = 0.05;

/// The note that stops: its level in dBFS, its length and the silence after it, in seconds.
const NOTE_DBFS: f64 = -12.0;
const NOTE_SECONDS: f64 = 0.5;
const REST_SECONDS: f64 = 4.0;
/// A note has ended this far below its own level.
const ENDED_DB: f64 = 60.0;

/// Levels of the staircase, in dBFS.
const STAIRS_DBFS: [f64; 9] = [-80.0, -70.0, -60.0, -50.0, -40.0, -30.0, -20.0, -10.0, 0.0];
/// Length of a step, and of what is read at its end, in seconds.
const STEP_SECONDS: [f64; 2] = [0.25, 0.15];
/// Frequency of note and staircase, in hertz.
const NOTE_HZ: f64 = 220.0;

/// An answer hangs on the last bit where its change by that bit has this share of it, both as RMS: a
/// distortion of 60 dB shows 1e-4 at its edges, a memory in chaos all of it.
const ERRATIC_SHARE: f64 = 0.01;
/// Less is rounding, RMS, full scale 1.
const ROUNDING: f64 = 1e-5;

/// Level at which aliasing is measured, in dBFS.
const ALIASING_DBFS: f64 = -12.0;

/// A steady sine in what should be silence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tone {
    /// Its frequency in hertz.
    pub hz: f64,
    /// Its RMS level in dBFS.
    #[serde(with = "number")]
    pub dbfs: f64,
}

/// What a box does with zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// Seconds of zeros it was given, after it had settled.
    pub seconds: f64,
    /// RMS around the mean in the last second, in dBFS; −∞ for none.
    #[serde(with = "number")]
    pub rms_dbfs: f64,
    /// The mean in the last second, full scale 1.
    #[serde(with = "number")]
    pub dc: f64,
    /// Level of the last second against the first, in decibels, both no less than −140 dBFS.
    #[serde(with = "number")]
    pub growth_db: f64,
    /// What sounds, where most of it is one tone.
    pub tone: Option<Tone>,
}

/// What the box makes of one step of the staircase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Peak level of the sine, in dBFS.
    pub level_dbfs: f64,
    /// Gain of the sine, in decibels.
    #[serde(with = "number")]
    pub gain_db: f64,
}

/// A memory that was led astray.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Strays {
    /// States that were tried.
    pub tried: u32,
    /// Those from which three seconds of silence did not lead back.
    pub lost: u32,
    /// What was left at most then of any that was lost, as an amplitude.
    #[serde(with = "number")]
    pub loudest: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// The rate at which it plays, in hertz.
    pub sample_rate_hz: u32,
    /// The only rate of those who will play it, where they have only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub players_rate_hz: Option<u32>,
    /// In silence.
    pub idle: Idle,
    /// Samples from a click to the beginning of its answer, the box's declared latency taken off;
    /// `None` when there is no answer.
    pub start_samples: Option<i64>,
    /// Whether the answer to a click begins downwards; `None` when there is none.
    pub inverted: Option<bool>,
    /// Seconds until a note that stops is 60 dB below itself; `None` when it was not within 4 s.
    pub decay_seconds: Option<f64>,
    /// The level staircase, softest step first.
    pub staircase: Vec<Step>,
    /// The softest step of the staircase, in dBFS, whose answer hangs on the last bit of what is played:
    /// such a memory is chaotic there. `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erratic_dbfs: Option<f64>,
    /// Whether it comes back from wherever its memory may be led; `None` where that was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strays: Option<Strays>,
    /// The most power off the harmonics of a sine at −12 dBFS, against all of its answer, in
    /// decibels.
    #[serde(with = "number")]
    pub aliasing_db: f64,
    /// Whether every sample was a finite number.
    pub finite: bool,
}

/// Watches `play`, which begins every sound at rest; `forgets_within`: samples after which zeros
/// give a constant, where that is known.
pub fn behaviour(
    play: &mut Play<'_>,
    rate: SampleRate,
    forgets_within: Option<usize>,
) -> Behaviour {
    let hz = f64::from(rate.hz());
    let mut finite = true;
    let mut watched = |dry: &[f32]| {
        let mut wet = play(dry);
        wet.resize(dry.len(), 0.0);
        finite &= wet.iter().all(|x| x.is_finite());
        wet
    };
    let silence = silence(rate, forgets_within);
    let quiet = watched(&silence);
    let idle = Idle::of(&quiet, hz);
    let (start_samples, inverted) = click(&mut watched, &quiet, hz);
    let decay_seconds = decay(&mut watched, &idle, hz);
    let (staircase, erratic_dbfs) = staircase(&mut watched, hz);
    let aliasing = tone::aliasing(&mut watched, hz, ALIASING_DBFS);
    let aliasing = aliasing.iter().map(|found| found.off_db);
    Behaviour {
        sample_rate_hz: rate.hz(),
        players_rate_hz: None,
        idle,
        start_samples,
        inverted,
        decay_seconds,
        staircase,
        erratic_dbfs,
        strays: None,
        aliasing_db: aliasing.fold(f64::NEG_INFINITY, f64::max),
        finite,
    }
}

/// Twenty seconds, or as many as it takes for nothing to change any more.
fn silence(rate: SampleRate, forgets_within: Option<usize>) -> Vec<f32> {
    let second = rate.hz() as usize;
    let most = IDLE_SECONDS * second;
    let len = forgets_within.map_or(most, |field| field.saturating_add(2 * second).min(most));
    vec![0.0; len]
}

impl Idle {
    fn of(quiet: &[f32], hz: f64) -> Self {
        let second = (hz as usize).clamp(1, quiet.len().max(1));
        let first = &quiet[..second.min(quiet.len())];
        let last = &quiet[quiet.len().saturating_sub(second)..];
        let ((_, first), (dc, rms)) = (mean_and_rms(first), mean_and_rms(last));
        // Rounding is no growth.
        let level = |rms: f64| decibels(rms.max(1e-7));
        Self {
            seconds: quiet.len() as f64 / hz,
            rms_dbfs: decibels(rms),
            dc,
            growth_db: level(rms) - level(first),
            tone: strongest(last, hz).filter(|tone| tone.dbfs > decibels(rms) - 3.0),
        }
    }

    /// The constant's level in dBFS.
    pub fn dc_dbfs(&self) -> f64 {
        decibels(self.dc.abs())
    }
}

/// The strongest line of a spectrum.
fn strongest(x: &[f32], hz: f64) -> Option<Tone> {
    let (mean, _) = mean_and_rms(x);
    let len = 1 << x.len().max(1).ilog2();
    let mut fft = RealFft::new(len);
    let mut spectrum = fft.spectrum();
    let windowed = x[..len].iter().zip(hann(len));
    fft.forward(
        windowed.map(|(&v, w)| (f64::from(v) - mean) * w),
        &mut spectrum,
    );
    let power: Vec<f64> = spectrum.iter().map(|v| v.norm_sqr()).collect();
    let (peak, _) = power
        .iter()
        .enumerate()
        .skip(1)
        .max_by(|a, b| a.1.total_cmp(b.1))?;
    let around = peak.saturating_sub(2).max(1)..(peak + 3).min(power.len());
    let line: f64 = power[around.clone()].iter().sum();
    let centre: f64 = around.map(|bin| bin as f64 * power[bin]).sum();
    // Σ w² of a Hann window is 3/8 of its length; half of the power lies at negative frequencies,
    // but for the last bin, which has none.
    let sides = if peak + 1 == power.len() { 1.0 } else { 2.0 };
    let mean_square = sides * line / (0.375 * (len * len) as f64);
    (line > 0.0 && line.is_finite()).then(|| Tone {
        hz: centre / line * hz / len as f64,
        dbfs: decibels(mean_square.sqrt()),
    })
}

/// Where the answer to a click begins and whether downwards, beside what the box says to silence.
fn click(play: &mut Play<'_>, quiet: &[f32], hz: f64) -> (Option<i64>, Option<bool>) {
    let [before, after] = CLICK_SECONDS.map(|seconds| (seconds * hz) as usize);
    let mut dry = vec![0.0; (before + after).min(quiet.len())];
    let Some(sample) = dry.get_mut(before) else {
        return (None, None);
    };
    *sample = amplitude(CLICK_DBFS) as f32;
    let wet = play(&dry);
    let answer: Vec<f64> = wet
        .iter()
        .zip(quiet)
        .map(|(w, q)| f64::from(*w) - f64::from(*q))
        .collect();
    let peak = answer.iter().fold(0.0, |peak: f64, v| peak.max(v.abs()));
    // Less is rounding.
    if !(peak.is_finite() && peak > 1e-6) {
        return (None, None);
    }
    let first = |share: f64| answer.iter().position(|v| v.abs() >= share * peak);
    let start = first(ONSET_SHARE).map(|at| at as i64 - before as i64);
    (start, first(0.5).map(|at| answer[at] < 0.0))
}

/// Samples per period of the note, and so its frequency a whole number of times in a second's part.
fn sine(hz: f64, level_dbfs: f64, seconds: f64) -> Vec<f32> {
    let a = amplitude(level_dbfs);
    let step = TAU / note_period(hz) as f64;
    let len = (seconds * hz) as usize;
    (0..len)
        .map(|n| (a * (n as f64 * step).sin()) as f32)
        .collect()
}

fn note_period(hz: f64) -> usize {
    (hz / NOTE_HZ).round().max(4.0) as usize
}

/// Seconds until a note that stops is over.
fn decay(play: &mut Play<'_>, idle: &Idle, hz: f64) -> Option<f64> {
    let mut dry = sine(hz, NOTE_DBFS, NOTE_SECONDS);
    let stop = dry.len();
    dry.resize(stop + (REST_SECONDS * hz) as usize, 0.0);
    let wet = play(&dry);
    let window = ((0.01 * hz) as usize).max(1);
    let (_, sounding) = mean_and_rms(&wet[stop - 10 * window..stop]);
    let at_rest = amplitude(idle.rms_dbfs);
    let over = (sounding * amplitude(-ENDED_DB))
        .max(1.41 * at_rest)
        .max(1e-7);
    let rest: Vec<f64> = wet[stop..]
        .chunks(window)
        .map(|w| mean_and_rms(w).1)
        .collect();
    let last_loud = rest.iter().rposition(|rms| rms.is_nan() || *rms > over);
    let windows = last_loud.map_or(0, |at| at + 1);
    (windows < rest.len()).then(|| (windows * window) as f64 / hz)
}

/// The sine's gain at every level, and the level from which the answer hangs on the sine's last bit.
fn staircase(play: &mut Play<'_>, hz: f64) -> (Vec<Step>, Option<f64>) {
    let [length, read] = STEP_SECONDS;
    let period = note_period(hz);
    let read = ((read * hz) as usize / period).max(1) * period;
    let steps = STAIRS_DBFS.map(|level| sine(hz, level, length));
    let dry = steps.concat();
    let wet = play(&dry);
    let again = play(&by_a_bit(&dry));
    let ends = steps.iter().scan(0, |end, step| {
        *end += step.len();
        Some(*end)
    });
    let fundamental = |x: &[f32]| {
        let step = TAU / period as f64;
        let (re, im) = x.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &v)| {
            let (sin, cos) = (n as f64 * step).sin_cos();
            (re + f64::from(v) * cos, im + f64::from(v) * sin)
        });
        2.0 / x.len() as f64 * f64::hypot(re, im)
    };
    let step = |(level_dbfs, end): (f64, usize)| Step {
        level_dbfs,
        gain_db: power_decibels(fundamental(&wet[end - read..end]).powi(2)) - level_dbfs,
    };
    let ends: Vec<(f64, usize)> = STAIRS_DBFS.into_iter().zip(ends).collect();
    let erratic =
        |&&(_, end): &&(f64, usize)| hangs(&wet[end - read..end], &again[end - read..end]);
    let erratic = ends.iter().find(erratic).map(|(level, _)| *level);
    (ends.into_iter().map(step).collect(), erratic)
}

/// Whether an answer became another by a bit.
fn hangs(wet: &[f32], again: &[f32]) -> bool {
    let power = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>();
    let change = power(
        &mut wet
            .iter()
            .zip(again)
            .map(|(a, b)| f64::from(*a) - f64::from(*b)),
    );
    let answer = power(&mut wet.iter().map(|x| f64::from(*x)));
    change > (ERRATIC_SHARE.powi(2) * answer).max(ROUNDING.powi(2) * wet.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::probe::Fault;

    const HZ: usize = 8000;

    fn watched(mut play: impl FnMut(&[f32]) -> Vec<f32>, forgets: Option<usize>) -> Behaviour {
        behaviour(&mut play, SampleRate::new(HZ as u32).unwrap(), forgets)
    }

    /// What is wrong beside the rate, which is the same for all.
    fn faults(found: &Behaviour) -> Vec<Fault> {
        let mut faults = found.faults();
        assert_eq!(faults.pop(), Some(Fault::Rate));
        faults
    }

    fn delayed(dry: &[f32], by: usize, gain: f32) -> Vec<f32> {
        let late = std::iter::repeat_n(0.0, by).chain(dry.iter().map(|x| gain * x));
        late.take(dry.len()).collect()
    }

    /// The logistic map in chaos, once it is driven; a wire below.
    #[test]
    fn a_memory_in_chaos_is_named_with_the_level_it_begins_at() {
        let chaotic = |dry: &[f32]| {
            let mut state = 0.0f32;
            let wet = dry.iter().map(|&x| {
                if x.abs() > 0.05 {
                    state = (10.0 * x.abs() + 3.9 * state * (1.0 - state)).fract();
                }
                if x.abs() > 0.05 { 0.5 * state } else { x }
            });
            wet.collect()
        };
        let found = watched(chaotic, None);
        // −20 dBFS is a peak of 0.1.
        assert_eq!(found.erratic_dbfs, Some(-20.0), "{found}");
        assert!(faults(&found).contains(&Fault::Erratic { dbfs: -20.0 }));
        // The hardest edge there is moves by a bit's time.
        let hard = |dry: &[f32]| dry.iter().map(|x| (1e6 * x).clamp(-0.5, 0.5)).collect();
        assert_eq!(watched(hard, None).erratic_dbfs, None);
    }

    #[test]
    fn a_sound_box_has_no_fault_and_the_figures_of_its_making() {
        let mut soft = |dry: &[f32]| dry.iter().map(|x| (4.0 * x).tanh()).collect::<Vec<_>>();
        let found = behaviour(&mut soft, SampleRate::new(48_000).unwrap(), Some(1));
        assert_eq!(found.faults(), [], "{found}");
        assert_eq!(
            (found.start_samples, found.inverted),
            (Some(0), Some(false))
        );
        assert_eq!(found.idle.rms_dbfs, f64::NEG_INFINITY);
        // A gain of 4 as long as it is soft; at full scale a square of 4/π less a little.
        let gains: Vec<f64> = found.staircase.iter().map(|s| s.gain_db).collect();
        assert!((gains[0] - 12.04).abs() < 0.01, "{gains:?}");
        assert!((gains[8] - 1.9).abs() < 0.3, "{gains:?}");
        assert!(found.decay_seconds.unwrap() < 0.02);
        assert!((-60.0..-5.0).contains(&found.aliasing_db), "{found}");
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Behaviour>(&text).unwrap(), found);
    }

    #[test]
    fn planted_faults_are_named() {
        for (by, gain, wanted) in [
            (0, 1.0, vec![]),
            (7, 0.01, vec![]),
            (8, 1.0, vec![Fault::Late { samples: 8 }]),
            (40, 30.0, vec![Fault::Late { samples: 40 }]),
            (0, -1.0, vec![Fault::Inverted]),
        ] {
            let found = watched(|dry| delayed(dry, by, gain), Some(1));
            assert_eq!(faults(&found), wanted, "{found}");
        }
        // What is declared as latency and is none has been taken off too much.
        let early = watched(
            |dry| dry.iter().copied().skip(5).chain([0.0; 5]).collect(),
            None,
        );
        assert_eq!(faults(&early), [Fault::Early { samples: 5 }]);
        let offset = watched(|dry| dry.iter().map(|x| x + 0.018).collect(), Some(1));
        assert_eq!(faults(&offset), [Fault::Dc]);
        assert!(
            offset.explain(&Fault::Dc).contains("-34.9 dBFS"),
            "{offset}"
        );
        let deaf = watched(|dry| vec![0.0; dry.len()], Some(1));
        assert_eq!(faults(&deaf), [Fault::Deaf]);
        let broken = watched(|dry| vec![f32::NAN; dry.len()], Some(1));
        assert!(faults(&broken).contains(&Fault::NotFinite) && broken.is_unplayable());
    }

    #[test]
    fn what_sounds_by_itself_is_named_with_its_tone() {
        let tone = |n: usize, hz: f64| (TAU * hz * n as f64 / HZ as f64).sin();
        let sings = |dry: &[f32]| {
            let wet = dry.iter().enumerate();
            wet.map(|(n, x)| x + 0.3 * tone(n, 438.0) as f32).collect()
        };
        let found = watched(sings, None);
        assert!(found.is_unplayable());
        let tone_found = found.idle.tone.unwrap();
        assert!((tone_found.hz - 438.0).abs() < 0.5, "{tone_found:?}");
        // 0.3 / √2.
        assert!((tone_found.dbfs + 13.47).abs() < 0.1, "{tone_found:?}");
        assert_eq!(faults(&found)[0], Fault::Sings);
        assert_eq!(found.start_samples, Some(0), "heard through the tone");

        // −58 dBFS at the start, 12 times as much after 20 s, at half the rate.
        let grows = |dry: &[f32]| {
            let wet = dry.iter().enumerate();
            wet.map(|(n, x)| {
                let swell = 10f32.powf(n as f32 / (20.0 * HZ as f32));
                x + 0.001 * swell * if n.is_multiple_of(2) { 1.0 } else { -1.0 }
            })
            .collect()
        };
        let found = watched(grows, None);
        assert_eq!(faults(&found)[..2], [Fault::Grows, Fault::Sings], "{found}");
        assert!((found.idle.growth_db - 19.0).abs() < 0.6, "{found}");
        assert!(
            (found.idle.tone.unwrap().hz - 4000.0).abs() < 2.0,
            "{found}"
        );
    }

    #[test]
    fn a_note_that_does_not_end_is_named_and_a_tail_is_timed() {
        let comb = |gain: f32| {
            move |dry: &[f32]| {
                let mut wet: Vec<f32> = dry.to_vec();
                for n in 80..wet.len() {
                    wet[n] += gain * wet[n - 80];
                }
                wet
            }
        };
        // 10 ms round and round: −0.5 dB each time is 60 dB in 1.2 s.
        let found = watched(comb(0.944), None);
        let seconds = found.decay_seconds.unwrap();
        assert!((seconds - 1.2).abs() < 0.1, "{seconds}");
        let endless = watched(comb(0.999), None);
        assert!(faults(&endless).contains(&Fault::GoesOn), "{endless}");
    }
}
