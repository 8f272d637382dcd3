//! The equations of the filters around a moving part, and of a step of each of its numbers: gathered
//! block by block, so that memory does not grow with the recordings.

use super::clip::Clip;
use super::normal::{Normal, Panel};
use super::oscillator::Found;
use crate::dsp::modulation::{Motion, Operator, Part, Phases};
use rayon::prelude::*;

/// Samples whose equations stand in memory.
const BLOCK: usize = 256;

/// `wet = dry filter ∗ dry + wet filter ∗ part(dry)`, the newest taps first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filters {
    pub(super) dry: Vec<f64>,
    pub(super) wet: Vec<f64>,
}

/// All that is refined.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) motion: Motion,
    /// By recording, and its rate in hertz.
    pub(super) phases: Vec<Phases>,
    pub(super) rates: Vec<f64>,
    /// Whether each recording has a rate of its own, or all the same.
    pub(super) apart: bool,
    /// Of the filters on dry and behind the part.
    pub(super) taps: usize,
    /// Samples that a delay is early.
    pub(super) lead: f64,
}

impl Filters {
    fn of(dry_taps: usize, solution: &[f64]) -> Self {
        let (dry, wet) = solution.split_at(dry_taps);
        Self {
            dry: dry.to_vec(),
            wet: wet.to_vec(),
        }
    }

    /// The effect's answer to `x`, of which the part has made `moved`.
    pub(super) fn answer(&self, x: &[f64], moved: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; x.len()];
        for (taps, sound) in [(&self.dry, x), (&self.wet, moved)] {
            for (lag, tap) in taps.iter().enumerate() {
                for (out, x) in out.iter_mut().skip(lag).zip(sound) {
                    *out += tap * x;
                }
            }
        }
        out
    }
}

impl Whole {
    /// Of an oscillator that was found, with so many taps, a delay so early.
    pub(super) fn of(found: Found, taps: usize, lead: f64) -> Self {
        Self {
            motion: found.motion,
            phases: found.phases,
            rates: found.rates,
            apart: false,
            taps,
            lead,
        }
    }

    /// The same with no oscillator at work, for one recording.
    pub(super) fn still(motion: Motion, taps: usize, lead: f64) -> Self {
        Self {
            motion,
            phases: vec![[0.0; 2]],
            rates: vec![0.0],
            apart: false,
            taps,
            lead,
        }
    }

    /// A gain has no dry sound beside it: that would be the same as another mean.
    fn dry_taps(&self) -> usize {
        if self.motion.part == Part::Gain {
            0
        } else {
            self.taps
        }
    }

    /// The part at the beginning of a clip.
    pub(super) fn operator(&self, clip: &Clip, hz: f64) -> Operator {
        let operator = Operator::new(self.motion.part, hz).starting_at(clip.start);
        operator.leading(self.lead)
    }

    /// Unknowns of the filters.
    pub(super) fn linear(&self) -> usize {
        self.dry_taps() + self.taps
    }

    /// All unknowns: the filters', the motion's numbers but the rate, the recordings' phases and rates.
    pub(super) fn unknowns(&self) -> usize {
        self.rate(0) + self.phases.len()
    }

    /// The unknown that is the phase of a recording.
    pub(super) fn phase(&self, recording: usize) -> usize {
        self.linear() + self.motion.numbers() - 1 + recording
    }

    /// The unknown that is the phase of its second oscillator.
    pub(super) fn second_phase(&self, recording: usize) -> Option<usize> {
        let second = self.motion.second.as_ref();
        second.map(|_| self.phase(self.phases.len()) + recording)
    }

    /// The unknown that is its rate.
    fn rate(&self, recording: usize) -> usize {
        let phases = self.motion.phases() * self.phases.len();
        self.phase(phases) + if self.apart { recording } else { 0 }
    }

    /// Where the coefficients of a recording's equations belong: slopes come as the operator gives them,
    /// centre, curve, the second's curve, rate and phase, rate, phase, feedback.
    fn places(&self, recording: usize, slopes: bool) -> Vec<usize> {
        let linear = self.linear();
        let mut places: Vec<usize> = (0..linear).collect();
        if slopes {
            let feedback = self.phase(0) - 1;
            places.extend(linear..feedback);
            places.extend(self.second_phase(recording));
            places.extend([self.rate(recording), self.phase(recording), feedback]);
        }
        places
    }

    /// The motion as a recording has it, its second oscillator at this phase.
    pub(super) fn motion_in(&self, recording: usize, phases: Phases) -> Motion {
        let mut motion = self.motion.clone().with_second_at(phases[1]);
        motion.oscillator.rate_hz = self.rates[recording];
        motion
    }

    /// Sums of the equations of all clips; around these filters, those of a step of every number too.
    pub(super) fn equations(&self, clips: &[Clip], hz: f64, around: Option<&Filters>) -> Normal {
        let each = clips
            .par_iter()
            .map(|clip| Gather::new(self, clip, hz, around).sums());
        let each: Vec<Panel> = each.collect();
        let unknowns = match around {
            Some(_) => self.unknowns(),
            None => self.linear(),
        };
        let mut normal = Normal::new(unknowns);
        for (panel, clip) in each.iter().zip(clips) {
            normal.add_panel(panel, &self.places(clip.recording, around.is_some()));
        }
        normal
    }

    /// The filters that fit the clips best, and what they leave (ESR).
    pub(super) fn filters(&self, clips: &[Clip], hz: f64) -> Option<(Filters, f64)> {
        let normal = self.equations(clips, hz, None);
        let solution = normal.solve(|_| 1e-9)?;
        let left = normal.left(&solution);
        Some((Filters::of(self.dry_taps(), &solution), left))
    }
}

/// One clip's equations, under way.
struct Gather<'a> {
    whole: &'a Whole,
    clip: &'a Clip,
    around: Option<&'a Filters>,
    motion: Motion,
    operator: Operator,
    /// Slopes of a sample.
    width: usize,
    /// Samples of the past that the filters reach into: `taps − 1`.
    past: usize,
    /// The past, then the block.
    dry: Vec<f64>,
    moved: Vec<f64>,
    /// `[time][width]`
    slopes: Vec<f64>,
}

impl<'a> Gather<'a> {
    fn new(whole: &'a Whole, clip: &'a Clip, hz: f64, around: Option<&'a Filters>) -> Self {
        let width = match around {
            Some(_) => whole.motion.numbers() + whole.motion.phases(),
            None => 0,
        };
        let operator = whole.operator(clip, hz);
        let past = whole.taps - 1;
        Self {
            whole,
            clip,
            around,
            motion: whole.motion_in(clip.recording, whole.phases[clip.recording]),
            operator,
            width,
            past,
            dry: vec![0.0; past + BLOCK],
            moved: vec![0.0; past + BLOCK],
            slopes: vec![0.0; (past + BLOCK) * width],
        }
    }

    fn sums(mut self) -> Panel {
        let columns = self.whole.linear() + self.width;
        let mut panel = Panel::new(columns);
        let mut rows = Vec::new();
        let len = self.clip.dry.len();
        for from in (0..len).step_by(BLOCK) {
            let to = (from + BLOCK).min(len);
            self.hear(from..to);
            rows.clear();
            for t in from.max(self.clip.skip)..to {
                self.row(t - from, self.clip.wet[t], &mut rows);
            }
            panel.add(&rows);
        }
        panel
    }

    /// Takes the block in, behind the past.
    fn hear(&mut self, block: std::ops::Range<usize>) {
        let (len, past) = (block.len(), self.past);
        self.dry.copy_within(BLOCK.., 0);
        self.moved.copy_within(BLOCK.., 0);
        self.slopes.copy_within(BLOCK * self.width.., 0);
        self.dry[past..past + len].copy_from_slice(&self.clip.dry[block.clone()]);
        let phase = self.whole.phases[self.clip.recording][0] + self.clip.ahead;
        let (motion, x) = (&self.motion, &self.clip.dry[block]);
        let moved = &mut self.moved[past..past + len];
        if self.width == 0 {
            self.operator.run(motion, phase, x, moved);
            return;
        }
        let mut slopes = Vec::new();
        self.operator
            .run_with_slopes(motion, phase, x, moved, &mut slopes);
        self.slopes[past * self.width..][..slopes.len()].copy_from_slice(&slopes);
    }

    /// The equation of a sample of the block.
    fn row(&self, at: usize, wet: f64, rows: &mut Vec<f64>) {
        let newest = self.past + at;
        let taps = self.whole.dry_taps();
        rows.extend(self.dry[newest + 1 - taps..=newest].iter().rev());
        rows.extend(self.moved[newest - self.past..=newest].iter().rev());
        if let Some(around) = self.around {
            let start = rows.len();
            rows.resize(start + self.width, 0.0);
            let sum = &mut rows[start..];
            for (lag, tap) in around.wet.iter().enumerate() {
                let slopes = &self.slopes[(newest - lag) * self.width..][..self.width];
                for (sum, slope) in sum.iter_mut().zip(slopes) {
                    *sum += tap * slope;
                }
            }
        }
        rows.push(wet);
    }
}
