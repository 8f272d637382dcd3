//! Delay lines, and the echo made of one.

use serde::{Deserialize, Serialize};

use super::filter::flush;
use super::{ParameterError, Unit, each, within};

/// Remembers the last samples.
#[derive(Clone, Debug)]
pub(super) struct DelayLine {
    samples: Vec<f64>,
    /// Where the next sample goes: the oldest one's place.
    next: usize,
}

impl DelayLine {
    /// Holds `len` samples, at first silence; at least 1.
    pub(super) fn new(len: usize) -> Self {
        Self {
            samples: vec![0.0; len.max(1)],
            next: 0,
        }
    }

    /// The sample pushed as many pushes ago as the line is long.
    pub(super) fn oldest(&self) -> f64 {
        self.samples[self.next]
    }

    /// The sample pushed `age` pushes ago, 1 being the last; `age` is at most the length.
    pub(super) fn at(&self, age: usize) -> f64 {
        let len = self.samples.len();
        self.samples[(self.next + len - age) % len]
    }

    /// The sound `age` pushes ago, by Catmull-Rom interpolation between whole ages: smooth,
    /// and exact at them. `age` is from 2 to 2 less than the length.
    pub(super) fn between(&self, age: f64) -> f64 {
        let (whole, part) = (age.floor() as usize, age.fract());
        let [before, here, there, after] =
            [whole - 1, whole, whole + 1, whole + 2].map(|age| self.at(age));
        let slope_here = 0.5 * (there - before);
        let slope_there = 0.5 * (after - here);
        let step = there - here;
        here + part
            * (slope_here
                + part
                    * (3.0 * step - 2.0 * slope_here - slope_there
                        + part * (slope_here + slope_there - 2.0 * step)))
    }

    pub(super) fn push(&mut self, sample: f64) {
        self.samples[self.next] = flush(sample);
        self.next = (self.next + 1) % self.samples.len();
    }
}

/// Samples in `ms` milliseconds, at least 1.
pub(super) fn whole_samples(ms: f64, hz: f64) -> usize {
    ((ms * hz / 1000.0).round() as usize).max(1)
}

/// What repeats may have.
pub(super) fn check_repeats(
    owner: &'static str,
    delay_ms: f64,
    feedback: f64,
    mix: f64,
) -> Result<(), ParameterError> {
    within(owner, "delay_ms", delay_ms, 0.0..=5000.0)?;
    within(owner, "feedback", feedback, -0.99..=0.99)?;
    within(owner, "mix", mix, 0.0..=1.0)
}

/// Adds repeats: `wet = (1 − mix) · dry + mix · e` with `e[n] = dry[n − d] + feedback · e[n − d]`
/// and `d` the delay in whole samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// 0 to 5000, rounded to whole samples, at least one.
    pub delay_ms: f64,
    /// −0.99 to 0.99: each repeat's factor on the one before.
    pub feedback: f64,
    /// 0 (dry only) to 1 (repeats only).
    #[serde(default = "super::half")]
    pub mix: f64,
}

impl Unit for Echo {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        check_repeats("echo", self.delay_ms, self.feedback, self.mix)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        // A line longer than the sound is never read.
        let len = whole_samples(self.delay_ms, hz).min(dry.len() + 1);
        let mut line = DelayLine::new(len);
        each(dry, |x| {
            let echo = line.oldest();
            line.push(x + self.feedback * echo);
            (1.0 - self.mix) * x + self.mix * echo
        })
    }

    fn is_linear(&self) -> bool {
        true
    }
}
