//! A moved part at work: sound in, sound out, block by block, the same however it is cut; and, where
//! asked, the exact slope of every output sample by every number of its motion (forward
//! differentiation by hand).

use super::line::{Between, Line};
use super::motion::{LONGEST_SECONDS, MOST_FEEDBACK, Motion, Part};

/// Samples between two values of the curve; between them the part moves in a straight line.
const HOP: u64 = 16;

/// A delay is given so many samples early, unless told otherwise: a filter behind it may begin before it.
pub const LEAD: f64 = 8.0;

/// The shortest delay in samples.
const SHORTEST: f64 = 2.0;

/// A decaying state below this is silence: −500 dB.
const TINY: f64 = 1e-25;

/// A part that has heard what it has heard. Blocks of one operator share a motion's part, and the
/// length of its curve.
#[derive(Clone, Debug)]
pub struct Operator {
    part: Part,
    hz: f64,
    /// The number of the next sample.
    clock: u64,
    longest: f64,
    lead: f64,
    /// Of a delay: what goes around.
    line: Line,
    /// Of an all-pass chain, one per stage, and its last output.
    states: Vec<f64>,
    last: f64,
    slopes: Option<Slopes>,
}

/// The same of every slope.
#[derive(Clone, Debug)]
struct Slopes {
    /// Numbers and phase.
    width: usize,
    line: Line,
    /// `[stage][width]`
    states: Vec<f64>,
    last: Vec<f64>,
    now: Vec<f64>,
    /// Of the value in use, at both ends of a hop.
    ends: [Vec<f64>; 2],
    used: Vec<f64>,
}

impl Slopes {
    fn of(motion: &Motion, longest: usize) -> Self {
        let width = motion.numbers() + motion.phases();
        let stages = stages(motion.part);
        // Where nothing goes around yet, what would is feedback's own slope alone.
        let line = match (motion.part, motion.feedback) {
            (Part::Delay, 0.0) => Line::new(longest, 1),
            (Part::Delay, _) => Line::new(longest, width),
            _ => Line::new(0, 1),
        };
        Self {
            width,
            line,
            states: vec![0.0; stages * width],
            last: vec![0.0; width],
            now: vec![0.0; width],
            ends: [Vec::with_capacity(width), Vec::with_capacity(width)],
            used: vec![0.0; width],
        }
    }
}

fn stages(part: Part) -> usize {
    match part {
        Part::AllPass { stages } => stages,
        _ => 0,
    }
}

fn flush(state: f64) -> f64 {
    if state.abs() < TINY { 0.0 } else { state }
}

impl Operator {
    /// `part` at this rate, silence before its first sample.
    pub fn new(part: Part, hz: f64) -> Self {
        Self::reaching(part, hz, LONGEST_SECONDS * hz)
    }

    /// The same with its longest delay in samples.
    pub fn reaching(part: Part, hz: f64, longest: f64) -> Self {
        let line = if part == Part::Delay { longest } else { 0.0 };
        Self {
            part,
            hz,
            clock: 0,
            longest,
            lead: LEAD,
            line: Line::new(line as usize, 1),
            states: vec![0.0; stages(part)],
            last: 0.0,
            slopes: None,
        }
    }

    /// A delay is given so many samples early.
    pub fn leading(mut self, lead: f64) -> Self {
        self.lead = lead;
        self
    }

    /// Its first sample is the one of this number.
    pub fn starting_at(mut self, sample: u64) -> Self {
        self.clock = sample;
        self
    }

    /// The number of the next sample.
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// How many numbers [`Operator::save`] gives.
    pub fn saved_len(&self) -> usize {
        self.line.save(0).count() + self.states.len() + 3
    }

    /// All that it remembers, as numbers that fit into `f32` without loss of the clock.
    pub fn save(&self) -> Vec<f64> {
        let clock = [self.clock >> 16, self.clock & 0xffff].map(|x| x as f64);
        let line = self.line.save(self.clock.wrapping_sub(1));
        let all = clock.into_iter().chain([self.last]).chain(line);
        all.chain(self.states.iter().copied()).collect()
    }

    /// Takes up where [`Operator::save`] stood.
    pub fn load(&mut self, saved: &[f64]) {
        self.clock = ((saved[0].max(0.0) as u64) << 16) + saved[1].max(0.0) as u64;
        self.last = saved[2];
        let held = self.line.load(self.clock.wrapping_sub(1), &saved[3..]);
        let states = &saved[3 + held..];
        let len = self.states.len();
        self.states.copy_from_slice(&states[..len]);
    }

    /// Nothing heard yet.
    pub fn reset(&mut self) {
        self.clock = 0;
        self.line.clear();
        self.states.fill(0.0);
        self.last = 0.0;
        self.slopes = None;
    }

    /// What the part makes of `x`, the oscillator at `phase` with sample 0. A delay is given
    /// [`LEAD`] samples early.
    pub fn run(&mut self, motion: &Motion, phase: f64, x: &[f64], out: &mut [f64]) {
        self.follow(motion, phase, x, out, None);
    }

    /// The same, and into `slopes`, `[time][numbers + phases]`, how each output sample changes with centre, curve, of
    /// the second oscillator curve, rate and phase, then rate, phase and feedback, in this order.
    pub fn run_with_slopes(
        &mut self,
        motion: &Motion,
        phase: f64,
        x: &[f64],
        out: &mut [f64],
        slopes: &mut Vec<f64>,
    ) {
        let longest = self.longest as usize;
        let own = self.slopes.take();
        let mut own = own.unwrap_or_else(|| Slopes::of(motion, longest));
        slopes.clear();
        slopes.resize(x.len() * own.width, 0.0);
        self.follow(motion, phase, x, out, Some((&mut own, slopes)));
        self.slopes = Some(own);
    }

    fn follow(
        &mut self,
        motion: &Motion,
        phase: f64,
        x: &[f64],
        out: &mut [f64],
        mut slopes: Option<(&mut Slopes, &mut Vec<f64>)>,
    ) {
        let feedback = motion.feedback.clamp(-MOST_FEEDBACK, MOST_FEEDBACK);
        let mut done = 0;
        while done < x.len() {
            let first = self.clock % HOP;
            let start = self.clock - first;
            let len = ((HOP - first) as usize).min(x.len() - done);
            let value = |sample: u64| {
                let seconds = sample as f64 / self.hz;
                motion.used(motion.value(phase, seconds), self.hz).0
            };
            let here = value(start);
            let step = (value(start + HOP) - here) / HOP as f64;
            if let Some((own, _)) = &mut slopes {
                for (end, at) in own.ends.iter_mut().zip([start, start + HOP]) {
                    end.clear();
                    let value = motion.slopes(phase, at as f64, self.hz, end);
                    let (_, slope) = motion.used(value, self.hz);
                    end.iter_mut().for_each(|x| *x *= slope);
                    end.push(0.0);
                }
            }
            for i in 0..len {
                let part = (first as usize + i) as f64;
                let used = here + step * part;
                let at = done + i;
                let row = slopes.as_mut().map(|(own, slopes)| {
                    let f = part / HOP as f64;
                    for ((used, a), b) in own.used.iter_mut().zip(&own.ends[0]).zip(&own.ends[1]) {
                        *used = a + f * (b - a);
                    }
                    let width = own.width;
                    (&mut **own, &mut slopes[at * width..(at + 1) * width])
                });
                out[at] = self.sample(x[at], used, feedback, row);
                self.clock += 1;
            }
            done += len;
        }
    }

    fn sample(
        &mut self,
        x: f64,
        used: f64,
        feedback: f64,
        slopes: Option<(&mut Slopes, &mut [f64])>,
    ) -> f64 {
        match self.part {
            Part::Gain => {
                if let Some((own, row)) = slopes {
                    let pairs = row.iter_mut().zip(&own.used);
                    pairs.for_each(|(out, used)| *out = used * x);
                }
                used * x
            }
            Part::Delay => self.delayed(x, used, feedback, slopes),
            Part::AllPass { .. } => self.turned(x, used, feedback, slopes),
        }
    }

    fn delayed(
        &mut self,
        x: f64,
        used: f64,
        feedback: f64,
        slopes: Option<(&mut Slopes, &mut [f64])>,
    ) -> f64 {
        let now = self.clock;
        let delay = used.clamp(SHORTEST, self.longest.max(SHORTEST));
        let early = (delay - self.lead).max(0.0);
        let around = Between::at(delay);
        let (again, again_slope) = match feedback {
            0.0 if slopes.is_none() => (0.0, 0.0),
            _ => self.line.read(now, &around),
        };
        self.line.write(now, flush(x + feedback * again));
        let ahead = Between::at(early);
        let (out, out_slope) = self.line.read(now, &ahead);
        let Some((own, row)) = slopes else {
            return out;
        };
        let moves = |moves: bool, slope: f64| if moves { slope } else { 0.0 };
        let again_slope = moves(delay == used, again_slope);
        let out_slope = moves(delay == used && early > 0.0, out_slope);
        let fed = own.width - 1;
        if feedback == 0.0 {
            own.line.write(now, again);
            row[fed] = own.line.read(now, &ahead).0;
        } else {
            own.now.fill(0.0);
            own.line.add(now, &around, feedback, &mut own.now);
            for (slope, used) in own.now.iter_mut().zip(&own.used) {
                *slope += feedback * again_slope * used;
            }
            own.now[fed] += again;
            own.line.present(now).copy_from_slice(&own.now);
            own.line.add(now, &ahead, 1.0, row);
        }
        for (row, used) in row.iter_mut().zip(&own.used) {
            *row += out_slope * used;
        }
        out
    }

    fn turned(
        &mut self,
        x: f64,
        a: f64,
        feedback: f64,
        slopes: Option<(&mut Slopes, &mut [f64])>,
    ) -> f64 {
        let mut y = x + feedback * self.last;
        let Some((own, row)) = slopes else {
            for z in &mut self.states {
                let out = a * y + *z;
                *z = flush(y - a * out);
                y = out;
            }
            self.last = y;
            return y;
        };
        for (row, last) in row.iter_mut().zip(&own.last) {
            *row = feedback * last;
        }
        row[own.width - 1] += self.last;
        let rows = own.states.chunks_exact_mut(own.width);
        for (z, slopes) in self.states.iter_mut().zip(rows) {
            let out = a * y + *z;
            let each = row.iter_mut().zip(slopes).zip(&own.used);
            for ((row, slope), used) in each {
                let turned = used * y + a * *row + *slope;
                *slope = flush(*row - used * out - a * turned);
                *row = turned;
            }
            *z = flush(y - a * out);
            y = out;
        }
        own.last.copy_from_slice(row);
        self.last = y;
        y
    }
}

#[cfg(test)]
mod tests {
    use super::super::motion::{Oscillator, SWAYED, Second};
    use super::*;

    const HZ: f64 = 4000.0;

    fn motions() -> Vec<Motion> {
        let of = |part, centre: f64, feedback| Motion {
            part,
            centre,
            oscillator: Oscillator {
                rate_hz: 3.0,
                curve: vec![0.1, -0.2, 0.05, 0.02],
            },
            second: None,
            feedback,
        };
        let mut swayed = of(Part::Delay, 0.008_f64.ln(), 0.3);
        swayed.second = Some(Second {
            rate_hz: 17.3,
            phase: 1.1,
            curve: (0..2 * SWAYED)
                .map(|i| 0.02 * f64::from(i as u8 % 7))
                .collect(),
        });
        vec![
            swayed,
            of(Part::Delay, 0.008_f64.ln(), 0.0),
            of(Part::Delay, 0.008_f64.ln(), -0.6),
            of(Part::AllPass { stages: 4 }, 500_f64.ln(), 0.0),
            of(Part::AllPass { stages: 3 }, 500_f64.ln(), 0.5),
            of(Part::Gain, 0.7, 0.0),
        ]
    }

    /// Noise below a quarter of the rate.
    fn smooth(len: usize) -> Vec<f64> {
        let (mut seed, mut state) = (4_u32, 0.0);
        let sample = |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state = 0.8 * state + 0.2 * (f64::from(seed) / f64::from(u32::MAX) - 0.5);
            state
        };
        (0..len).map(sample).collect()
    }

    #[test]
    fn blocks_are_the_whole_and_a_state_is_taken_up() {
        let x = smooth(900);
        for motion in motions() {
            let mut whole = vec![0.0; x.len()];
            Operator::new(motion.part, HZ).run(&motion, 0.4, &x, &mut whole);
            let mut operator = Operator::new(motion.part, HZ);
            let mut parts = vec![0.0; x.len()];
            let mut at = 0;
            for len in [1, 7, 300, 16, 576] {
                operator.run(&motion, 0.4, &x[at..at + len], &mut parts[at..at + len]);
                at += len;
                let saved = operator.save();
                assert_eq!(saved.len(), operator.saved_len());
                operator = Operator::new(motion.part, HZ);
                operator.load(&saved);
            }
            assert_eq!(parts, whole, "{motion:?}");
        }
    }

    #[test]
    fn slopes_are_differences() {
        let x = smooth(1200);
        for motion in motions() {
            let run = |motion: &Motion, phase: f64| {
                let mut out = vec![0.0; x.len()];
                Operator::new(motion.part, HZ).run(motion, phase, &x, &mut out);
                out
            };
            let (mut out, mut slopes) = (vec![0.0; x.len()], Vec::new());
            let mut operator = Operator::new(motion.part, HZ);
            operator.run_with_slopes(&motion, 0.4, &x[..500], &mut out[..500], &mut slopes);
            let mut rest = Vec::new();
            operator.run_with_slopes(&motion, 0.4, &x[500..], &mut out[500..], &mut rest);
            slopes.extend(rest);
            assert_eq!(out, run(&motion, 0.4));
            let width = motion.numbers() + motion.phases();
            let second = motion.second.as_ref().map_or(0, |s| s.curve.len() + 2);
            for number in 0..width {
                let moved = |by: f64| {
                    let mut there = motion.clone();
                    let mut phase = 0.4;
                    match (number, &mut there.second) {
                        (0, _) => there.centre += by,
                        (n, _) if n < 5 => there.oscillator.curve[n - 1] += by,
                        (n, Some(own)) if n < 5 + own.curve.len() => own.curve[n - 5] += by,
                        (n, Some(own)) if n == 5 + own.curve.len() => own.rate_hz += by,
                        (n, Some(own)) if n == 6 + own.curve.len() => own.phase += by,
                        (n, _) if n == 5 + second => there.oscillator.rate_hz += by,
                        (n, _) if n == 6 + second => phase += by,
                        _ => there.feedback += by,
                    }
                    run(&there, phase)
                };
                if number == width - 1 && motion.part == Part::Gain {
                    continue;
                }
                let (up, down) = (moved(1e-6), moved(-1e-6));
                let (mut apart, mut size) = (0.0, 0.0);
                for t in 0..x.len() {
                    let difference = (up[t] - down[t]) / 2e-6;
                    apart += (difference - slopes[t * width + number]).powi(2);
                    size += difference.powi(2);
                }
                // A cubic's slope jumps at samples: a step over one is a share of it.
                assert!(
                    apart < 1e-5 * size,
                    "{motion:?} {number}: {apart} of {size}"
                );
            }
        }
    }
}
