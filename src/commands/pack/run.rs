//! Trains what is missing of a pack, as one worker of any number, here or elsewhere.

use super::opened::open;
use super::worker::{Failed, Trained, Worked, Worker};
use super::{fleet, pilot};
use crate::pack::state::{self, Counts};
use crate::progress::{Event, Observer};
use anyhow::Result;
use serde::Serialize;
use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

pub use super::wanted::{Jobs, Request};
pub use super::worker::WorkEvent;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What this process trained itself.
    pub trained: Vec<Trained>,
    /// What it could not train.
    pub failed: Vec<Failed>,
    /// Whether it was asked to stop before the end.
    pub stopped: bool,
    /// How the whole pack stands.
    pub counts: Counts,
    /// Trainings at once.
    pub jobs: usize,
    /// Wall time.
    pub seconds: f64,
}

/// Works on the pack until nothing of its share is left, or it is asked to stop.
///
/// # Errors
/// No pack; a wrong config; a folder that cannot be written. What fails in training is told in the
/// outcome.
pub fn run(
    request: &Request,
    observer: &dyn Observer,
    mut on_event: impl FnMut(WorkEvent<'_>),
) -> Result<Outcome> {
    let started = Instant::now();
    let tied = Tied::to_stdin(request.tied, observer);
    let observer: &dyn Observer = &tied;
    let share = request.share()?;
    let jobs = match request.jobs {
        Jobs::Number(number) => number,
        Jobs::Auto => measured(request, observer)?,
    };
    let mut all = Worked::default();
    loop {
        let opened = open(&request.folder, observer)?;
        let worked = match jobs {
            1 => Worker {
                opened: &opened,
                request,
                share,
                observer,
            }
            .work(&mut on_event)?,
            _ => fleet::work(&opened, request, jobs, observer)?,
        };
        all.trained.extend(worked.trained);
        all.failed.extend(worked.failed);
        all.stopped = worked.stopped;
        if !worked.changed {
            let (place, plan) = (&opened.place, &opened.plan);
            let all_jobs = state::standings(place, opened.pack.folder(), plan, request.patience())?;
            return Ok(Outcome {
                trained: all.trained,
                failed: all.failed,
                stopped: all.stopped,
                counts: Counts::of(&all_jobs),
                jobs,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
    }
}

/// What gets most done, said aloud.
fn measured(request: &Request, observer: &dyn Observer) -> Result<usize> {
    let choice = pilot::choose(&request.folder, observer)?;
    let told = choice.measured.iter();
    let told: Vec<String> = told
        .map(|(count, an_hour)| format!("{count} at once: {an_hour:.0} jobs an hour"))
        .collect();
    let text = format!("--jobs {} ({})", choice.jobs, told.join(", "));
    observer.event(Event::Note(&text));
    Ok(choice.jobs)
}

/// Ends with standard input, where it is tied to it.
struct Tied<'a> {
    inner: &'a dyn Observer,
    ended: Option<&'static AtomicBool>,
}

impl<'a> Tied<'a> {
    fn to_stdin(tied: bool, inner: &'a dyn Observer) -> Self {
        static ENDED: OnceLock<AtomicBool> = OnceLock::new();
        let ended = tied.then(|| {
            let ended = ENDED.get_or_init(|| AtomicBool::new(false));
            thread::spawn(|| {
                // Whatever comes: its end is what counts.
                let mut byte = [0];
                while matches!(std::io::stdin().read(&mut byte), Ok(1)) {}
                ended.store(true, Ordering::SeqCst);
            });
            ended
        });
        Self { inner, ended }
    }
}

impl Observer for Tied<'_> {
    fn event(&self, event: Event<'_>) {
        self.inner.event(event);
    }

    fn stop_requested(&self) -> bool {
        let ended = self.ended.is_some_and(|ended| ended.load(Ordering::SeqCst));
        ended || self.inner.stop_requested()
    }
}
