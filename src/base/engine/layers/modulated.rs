//! A part that an oscillator moves, streaming, with filters around it.

use crate::dsp::modulation::{Motion, Operator};
use crate::engine::block::{Block, CHUNK};
use crate::engine::node::{Node, Plannable};
use crate::engine::plan::Plan;
use crate::network::{DescriptionError, MAX_MOVING_DELAY, Modulated};
use std::f64::consts::TAU;

#[derive(Debug)]
struct Moving {
    learned: Motion,
    silence: usize,
    ahead: f64,
    /// As the knobs say.
    motion: Motion,
    phase: f64,
    operator: Operator,
    filters: [Filter; 2],
    /// The block, and what the part makes of it.
    dry: Vec<f64>,
    moved: Vec<f64>,
}

/// A short filter with its past.
#[derive(Debug)]
struct Filter {
    /// The oldest tap first.
    taps: Vec<f64>,
    /// `taps − 1` samples, then the block.
    sound: Vec<f64>,
}

impl Filter {
    fn new(taps: &[f32]) -> Self {
        Self {
            taps: taps.iter().rev().map(|tap| f64::from(*tap)).collect(),
            sound: vec![0.0; taps.len().saturating_sub(1) + CHUNK],
        }
    }

    /// Adds the answer to `x`.
    fn add(&mut self, x: &[f64], out: &mut [f32]) {
        if self.taps.is_empty() {
            return;
        }
        let past = self.taps.len() - 1;
        self.sound[past..past + x.len()].copy_from_slice(x);
        for (out, sound) in out.iter_mut().zip(self.sound.windows(self.taps.len())) {
            let sum: f64 = self.taps.iter().zip(sound).map(|(tap, x)| tap * x).sum();
            *out += sum as f32;
        }
        self.sound.copy_within(x.len()..x.len() + past, 0);
    }
}

impl Plannable for Modulated {
    fn node(&self, _: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let taps = self.dry_filter.len() + self.wet_filter.len();
        // In doubles.
        plan.claim(2, taps + 4 * CHUNK + 2 * MAX_MOVING_DELAY)?;
        let motion = self.motion();
        Ok(Box::new(Moving {
            silence: self.silence,
            ahead: f64::from(self.ahead),
            phase: f64::from(self.ahead),
            operator: Operator::reaching(self.part, 1.0, MAX_MOVING_DELAY as f64),
            filters: [&self.dry_filter, &self.wet_filter].map(|taps| Filter::new(taps)),
            dry: vec![0.0; CHUNK],
            moved: vec![0.0; CHUNK],
            learned: motion.clone(),
            motion,
        }))
    }
}

impl Node for Moving {
    fn process(&mut self, block: &mut Block, len: usize) {
        let (dry, moved) = (&mut self.dry[..len], &mut self.moved[..len]);
        for (to, from) in dry.iter_mut().zip(block.row(0, len)) {
            *to = f64::from(*from);
        }
        self.operator.run(&self.motion, self.phase, dry, moved);
        let out = block.row_mut(0, len);
        out.fill(0.0);
        let [around, behind] = &mut self.filters;
        around.add(dry, out);
        behind.add(moved, out);
    }

    fn reset(&mut self) {
        self.operator.reset();
        for filter in &mut self.filters {
            filter.sound.fill(0.0);
        }
    }

    /// Phase, rate and depth, and the second oscillator's phase, where the network has these knobs.
    fn set_controls(&mut self, controls: &[f32]) {
        let [phase, rate, depth, second @ ..] = controls else {
            return;
        };
        self.motion = self.learned.played(f64::from(*rate), f64::from(*depth));
        let silence = self.silence as f64;
        let before = |phase: f32, rate_hz: f64| {
            let turned = rate_hz * silence;
            f64::from(phase) - TAU * turned.fract()
        };
        self.phase = before(*phase, self.motion.oscillator.rate_hz) + self.ahead;
        if let (Some(own), [phase]) = (&mut self.motion.second, second) {
            own.phase = before(*phase, own.rate_hz);
        }
    }
}
