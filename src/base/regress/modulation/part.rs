//! What an oscillator moves, and the oscillator: a delay line, a chain of all-pass filters or a gain,
//! whose one value follows a periodic curve. Knows nothing of fitting.

use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// What is moved. Its value is the natural logarithm of seconds or of hertz, so that no motion
/// takes it below zero; of a gain it is the factor itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A delay: chorus, flanger, vibrato.
    Delay,
    /// All-pass filters of the first order, one after another, at one frequency: phaser.
    AllPass {
        /// How many.
        stages: usize,
    },
    /// A gain: tremolo.
    Gain,
}

/// A slow wave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oscillator {
    /// Its rate in hertz.
    pub rate_hz: f64,
    /// Amplitudes of its harmonics: cosine and sine of the first, of the second, …
    pub curve: Vec<f64>,
}

/// A part with its oscillators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Motion {
    /// What is moved.
    pub part: Part,
    /// The mean of its value.
    pub centre: f64,
    /// What is added to it.
    pub oscillators: Vec<Oscillator>,
    /// How much of its output enters again, within ±[`MOST_FEEDBACK`].
    pub feedback: f64,
}

/// Feedback stays this far below 1.
pub const MOST_FEEDBACK: f64 = 0.97;

/// Samples between two values of the curve; between them the part moves in a straight line.
const HOP: usize = 16;

/// The filter behind a delay begins so many samples early.
pub(super) const LEAD: f64 = 8.0;

/// The shortest delay in samples.
const SHORTEST: f64 = 2.0;

impl Oscillator {
    /// Its value where `angle` says.
    pub fn at(&self, angle: f64) -> f64 {
        let (sin, cos) = angle.sin_cos();
        let (mut c, mut s, mut sum) = (1.0, 0.0, 0.0);
        for pair in self.curve.chunks_exact(2) {
            (c, s) = (c * cos - s * sin, s * cos + c * sin);
            sum += pair[0] * c + pair[1] * s;
        }
        sum
    }

    /// The largest and the smallest value over a period.
    pub fn range(&self) -> [f64; 2] {
        let values = (0..512).map(|i| self.at(TAU * f64::from(i) / 512.0));
        values.fold([f64::NEG_INFINITY, f64::INFINITY], |[high, low], v| {
            [high.max(v), low.min(v)]
        })
    }
}

impl Motion {
    /// The value `seconds` after the oscillators stood at `phases`.
    pub fn value(&self, phases: &[f64], seconds: f64) -> f64 {
        let each = self.oscillators.iter().zip(phases);
        let each = each.map(|(o, phase)| o.at(TAU * o.rate_hz * seconds + phase));
        self.centre + each.sum::<f64>()
    }

    /// The value as the part uses it: samples, the all-pass coefficient, the factor.
    fn used(&self, value: f64, hz: f64) -> f64 {
        match self.part {
            Part::Gain => value,
            Part::Delay => value.exp() * hz,
            Part::AllPass { .. } => {
                let w = (PI * value.exp() / hz).min(1.5).tan();
                (w - 1.0) / (w + 1.0)
            }
        }
    }

    /// Calls `each` with every sample's number and value in use.
    fn follow(&self, phases: &[f64], len: usize, hz: f64, mut each: impl FnMut(usize, f64)) {
        let at = |sample: usize| self.used(self.value(phases, sample as f64 / hz), hz);
        let mut here = at(0);
        for start in (0..len).step_by(HOP) {
            let next = at(start + HOP);
            let step = (next - here) / HOP as f64;
            for (i, t) in (start..(start + HOP).min(len)).enumerate() {
                each(t, here + step * i as f64);
            }
            here = next;
        }
    }

    /// What the part makes of `x`, silence before it, the oscillators at `phases` with its first
    /// sample. A delay is given [`LEAD`] samples early.
    pub(super) fn run(&self, phases: &[f64], x: &[f64], hz: f64) -> Vec<f64> {
        let mut out = vec![0.0; x.len()];
        match self.part {
            Part::Gain => self.follow(phases, x.len(), hz, |t, gain| out[t] = gain * x[t]),
            Part::Delay => {
                let mut line = vec![0.0; x.len()];
                self.follow(phases, x.len(), hz, |t, delay| {
                    let delay = delay.max(SHORTEST);
                    line[t] = x[t];
                    if self.feedback != 0.0 {
                        line[t] += self.feedback * between(&line, t, delay);
                    }
                    out[t] = between(&line, t, (delay - LEAD).max(0.0));
                });
            }
            Part::AllPass { stages } => {
                let (mut states, mut last) = (vec![0.0; stages], 0.0);
                self.follow(phases, x.len(), hz, |t, a| {
                    let mut y = x[t] + self.feedback * last;
                    for z in &mut states {
                        let out = a * y + *z;
                        *z = y - a * out;
                        y = out;
                    }
                    last = y;
                    out[t] = y;
                });
            }
        }
        out
    }
}

/// `line` as it was `delay` samples before `t`, by a cubic through the four samples around.
fn between(line: &[f64], t: usize, delay: f64) -> f64 {
    let whole = delay as usize;
    let f = delay - whole as f64;
    let at = |age: usize| t.checked_sub(age).map_or(0.0, |n| line[n]);
    if whole < 1 {
        return at(0) * (1.0 - f) + at(1) * f;
    }
    let [a, b, c, d] = [whole - 1, whole, whole + 1, whole + 2].map(at);
    let (up, down, far) = (f + 1.0, f - 1.0, f - 2.0);
    -a * f * down * far / 6.0 + b * up * down * far / 2.0 - c * up * f * far / 2.0
        + d * up * f * down / 6.0
}
