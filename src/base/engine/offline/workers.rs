//! Threads that play parts of a recording, each with an engine of its own, in whatever order they come
//! to them.

use super::in_order::play;
use crate::engine::Engine;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A part of what one voice plays.
#[derive(Debug)]
pub(super) struct Part {
    /// Among all parts.
    pub number: usize,
    pub voice: usize,
    /// Its first sample.
    pub from: usize,
    /// Of every channel that is heard: `context` samples from before it, then its own.
    pub heard: Vec<Vec<f32>>,
    pub context: usize,
    /// Channels that are made.
    pub made: usize,
    /// Where the knobs stand; `None`: at their defaults.
    pub controls: Option<Arc<Vec<f32>>>,
}

/// What was made of the part of a number.
type Played = (usize, thread::Result<Vec<Vec<f32>>>);

/// The threads, and the way to them and back.
#[derive(Debug)]
pub(super) struct Workers {
    /// `None` once there are no more parts.
    parts: Option<Sender<Part>>,
    played: Receiver<Played>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// A thread for each engine, or for those that the system has one for.
    pub fn new(engines: Vec<Engine>) -> Self {
        let (parts, waiting) = mpsc::channel();
        let (to_caller, played) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let start = |engine| {
            let (waiting, played) = (waiting.clone(), to_caller.clone());
            let thread = thread::Builder::new().name("player".to_string());
            thread.spawn(move || work(engine, &waiting, &played)).ok()
        };
        Self {
            parts: Some(parts),
            played,
            threads: engines.into_iter().filter_map(start).collect(),
        }
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// Hands a part over.
    pub fn play(&self, part: Part) {
        if let Some(parts) = &self.parts {
            // Workers end with this side, not before.
            let _ = parts.send(part);
        }
    }

    /// Waits for the next part that is finished, of those that were handed over (there must be one): its
    /// number and samples.
    pub fn next(&self) -> (usize, Vec<Vec<f32>>) {
        let (number, played) = self.played.recv().expect("workers end after this side");
        (number, played.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.parts = None;
        for thread in self.threads.drain(..) {
            // It hands its panics over.
            let _ = thread.join();
        }
    }
}

/// A worker's life.
fn work(mut engine: Engine, waiting: &Mutex<Receiver<Part>>, played: &Sender<Played>) {
    // The voice that was played last, and its next sample.
    let mut at = None;
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(part) = next else {
            return;
        };
        let end = part.from + part.heard.first().map_or(0, Vec::len) - part.context;
        let goes_on = at == Some((part.voice, part.from));
        at = Some((part.voice, end));
        let number = part.number;
        let made = catch_unwind(AssertUnwindSafe(|| part.play(&mut engine, goes_on)));
        if played.send((number, made)).is_err() {
            return;
        }
    }
}

impl Part {
    /// By an engine that `goes_on` from the sample before.
    fn play(self, engine: &mut Engine, goes_on: bool) -> Vec<Vec<f32>> {
        if let Some(controls) = &self.controls {
            engine
                .set_controls(controls)
                .expect("knobs that another engine of this network took");
        }
        let split = self
            .heard
            .iter()
            .map(|channel| channel.split_at(self.context));
        let (context, heard): (Vec<&[f32]>, Vec<&[f32]>) = split.unzip();
        if !goes_on {
            engine.reset();
            match self.from {
                0 => engine.prewarm(),
                _ => engine.hear(&context),
            }
        }
        let mut made = vec![Vec::new(); self.made];
        play(engine, &heard, &mut made);
        made
    }
}
