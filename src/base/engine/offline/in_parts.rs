//! Cutting a recording into parts that begin with their context, and laying what is made of them end
//! to end: in what order they are finished does not matter, and nobody waits for a slower one.

use super::workers::{Part, Workers};
use crate::engine::block::CHUNK;
use crate::engine::{Engine, EngineError};
use crate::network::Network;
use std::collections::VecDeque;
use std::sync::Arc;

/// Parts shorter than this many receptive fields would mostly compute context.
const SHORTEST: usize = 4;
/// A part in the middle of a recording has this many receptive fields: 3 % is context.
const WANTED: usize = 32;
/// Bounds on the length of a part in samples: work enough to be worth handing over, and memory enough
/// for every core's.
const LEN: (usize, usize) = (1 << 14, 1 << 19);

/// What is played, and what was handed over and not yet given back.
#[derive(Debug)]
pub(super) struct InParts {
    workers: Workers,
    /// Of every voice and channel that is heard: what later parts begin with, and what is to be played.
    pending: Vec<Vec<Vec<f32>>>,
    /// How many samples of those were handed over.
    done: usize,
    /// How many were in all.
    played: usize,
    context: usize,
    part: usize,
    shortest: usize,
    /// Channels that a voice makes.
    made: usize,
    controls: Option<Arc<Vec<f32>>>,
    /// Tries knobs before the workers get them.
    judge: Engine,
    /// Parts on their way, in order: whose they are, and what was made of them.
    flying: VecDeque<(usize, Option<Vec<Vec<f32>>>)>,
    /// The first one's number.
    first: usize,
    /// How many parts each stretch on its way has: all voices', so that they are given back together.
    stretches: VecDeque<usize>,
}

impl InParts {
    /// With an engine of the network that tries knobs; `None` where the system has no threads.
    ///
    /// # Errors
    /// The description is not valid.
    pub fn new(
        (network, judge): (&Network, Engine),
        voices: usize,
        receptive_field: usize,
        threads: usize,
    ) -> Result<Option<Self>, EngineError> {
        let engines = (0..threads).map(|_| Engine::new(network));
        let workers = Workers::new(engines.collect::<Result<_, _>>()?);
        let channels = network.audio_channels;
        Ok((workers.count() > 0).then_some(Self {
            pending: vec![vec![Vec::new(); channels.dry]; voices],
            done: 0,
            played: 0,
            context: receptive_field - 1,
            part: WANTED.saturating_mul(receptive_field).clamp(LEN.0, LEN.1),
            shortest: SHORTEST * receptive_field.max(CHUNK),
            made: channels.wet,
            controls: None,
            judge,
            flying: VecDeque::new(),
            first: 0,
            stretches: VecDeque::new(),
            workers,
        }))
    }

    /// As [`Engine::set_controls`]; from the next part on.
    pub fn set_controls(&mut self, values: &[f32]) -> Result<(), EngineError> {
        self.judge.set_controls(values)?;
        self.controls = Some(Arc::new(values.to_vec()));
        Ok(())
    }

    /// Hands over what makes whole stretches; one is on its way while the next is filled.
    pub fn push(&mut self, block: &[&[f32]], output: &mut [Vec<f32>]) {
        let heard = self.pending.iter_mut().flatten();
        for (pending, samples) in heard.zip(block) {
            pending.extend_from_slice(samples);
        }
        let stretch = self.most_parts() * self.part.max(self.shortest);
        while self.waiting() >= stretch {
            self.hand_over(stretch);
            self.give_back(1, output);
        }
        self.forget();
    }

    /// The rest.
    pub fn finish(&mut self, output: &mut [Vec<f32>]) {
        if self.waiting() > 0 {
            self.hand_over(self.waiting());
        }
        self.give_back(0, output);
    }

    /// Samples of each voice that were not yet handed over.
    fn waiting(&self) -> usize {
        let first = self.pending.first().and_then(|voice| voice.first());
        first.map_or(0, Vec::len) - self.done
    }

    /// Parts of a voice's stretch: as few as give every worker the same number of them.
    fn most_parts(&self) -> usize {
        let workers = self.workers.count();
        workers / gcd(workers, self.pending.len())
    }

    /// Hands the next `len` samples of every voice over, in equal parts.
    fn hand_over(&mut self, len: usize) {
        let count = (len / self.shortest).clamp(1, self.most_parts());
        let part_len = len.div_ceil(count).max(1);
        let mut parts = 0;
        for at in (0..len).step_by(part_len) {
            let (from, to) = (self.done + at, self.done + len.min(at + part_len));
            let context = self.context.min(from);
            for (voice, pending) in self.pending.iter().enumerate() {
                let heard = pending.iter().map(|all| all[from - context..to].to_vec());
                self.workers.play(Part {
                    number: self.first + self.flying.len(),
                    voice,
                    from: self.played + at,
                    heard: heard.collect(),
                    context,
                    made: self.made,
                    controls: self.controls.clone(),
                });
                self.flying.push_back((voice, None));
                parts += 1;
            }
        }
        self.stretches.push_back(parts);
        self.done += len;
        self.played += len;
    }

    /// Appends what was made of all stretches but the last `leave`.
    fn give_back(&mut self, leave: usize, output: &mut [Vec<f32>]) {
        while self.stretches.len() > leave {
            let parts = self.stretches.pop_front().unwrap_or(0);
            while self
                .flying
                .iter()
                .take(parts)
                .any(|(_, made)| made.is_none())
            {
                let (number, made) = self.workers.next();
                self.flying[number - self.first].1 = Some(made);
            }
            for (voice, made) in self.flying.drain(..parts) {
                let channels = &mut output[voice * self.made..][..self.made];
                for (channel, made) in channels.iter_mut().zip(made.into_iter().flatten()) {
                    channel.extend_from_slice(&made);
                }
            }
            self.first += parts;
        }
    }

    /// Drops what no later part begins with.
    fn forget(&mut self) {
        let unused = self.done.saturating_sub(self.context);
        for pending in self.pending.iter_mut().flatten() {
            pending.drain(..unused);
        }
        self.done -= unused;
    }
}

/// The greatest common divisor.
fn gcd(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}
