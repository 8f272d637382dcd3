//! Threads for work that lasts a fraction of a millisecond, many times in a row: they look out for
//! the next job for a while before they sleep, and whoever has the job works along instead of
//! sleeping until it is done. Waking rayon's threads, and being woken by them, takes a small
//! optimiser step as long as a tenth of its arithmetic. Knows no operator.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

/// How long a thread without work looks out for the next job: what lies between the two of a step.
const LOOKOUT: Duration = Duration::from_micros(300);

/// From so many numbers on, read and written a time or two, another thread's help is worth the asking.
const MANY: usize = 16_384;

/// Calls `work` with each task, on several threads; which of them does what is not defined.
/// `brief`: all of it takes a millisecond or two.
pub(crate) fn each<T: Send>(brief: bool, tasks: &mut [T], work: impl Fn(&mut T) + Sync) {
    let taken = brief && {
        let first = Tasks(tasks.as_mut_ptr());
        // SAFETY: every number below the length is given out once, so no task is lent twice.
        Crew::of_process().run(tasks.len(), &|at| work(unsafe { &mut *first.at(at) }))
    };
    if !taken {
        tasks.par_iter_mut().for_each(&work);
    }
}

/// The same, brief, of tasks that are next to nothing each: they go over so many `numbers` in all.
pub(crate) fn each_of_many<T: Send>(numbers: usize, tasks: &mut [T], work: impl Fn(&mut T) + Sync) {
    match numbers {
        ..MANY => tasks.iter_mut().for_each(work),
        _ => each(true, tasks, work),
    }
}

/// What `work` makes of each task, in their order; as [`each`].
pub(crate) fn map<T: Send + Sync, R: Send>(
    brief: bool,
    tasks: Vec<T>,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let mut both: Vec<(T, Option<R>)> = tasks.into_iter().map(|task| (task, None)).collect();
    each(brief, &mut both, |(task, made)| *made = Some(work(task)));
    both.into_iter().filter_map(|(_, made)| made).collect()
}

/// Whether so many multiply-adds take a millisecond or two at most.
pub(crate) fn is_brief(multiply_adds: u64) -> bool {
    multiply_adds < 50_000_000
}

/// The tasks of a job, each for one thread.
struct Tasks<T>(*mut T);

// SAFETY: a task is reached by one thread at a time, and may change threads.
unsafe impl<T: Send> Sync for Tasks<T> {}

impl<T> Tasks<T> {
    /// Where task `at` is.
    fn at(&self, at: usize) -> *mut T {
        self.0.wrapping_add(at)
    }
}

/// What is to be done, and how far it is. It lives on the stack of the thread that has it.
struct Job<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    /// The next task that nobody has.
    next: AtomicUsize,
    panicked: AtomicBool,
}

impl Job<'_> {
    fn help(&self) {
        let all = || {
            loop {
                let task = self.next.fetch_add(1, Ordering::Relaxed);
                if task >= self.tasks {
                    return;
                }
                (self.work)(task);
            }
        };
        if catch_unwind(AssertUnwindSafe(all)).is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
    }
}

/// The state of the board is one number: whether the job on it can be joined, how many have joined
/// and not left, how many may be there, and the job's own number. So nobody can join a job that has been
/// taken down.
const OPEN: u64 = 1;
const ONE_INSIDE: u64 = 2;
const INSIDE: u64 = 0xfffe;
const PLACES_AT: u32 = 16;
const PLACES: u64 = 0xffff;
const NUMBER_AT: u32 = 32;

/// Helping threads, and the board on which the one job at a time is.
struct Crew {
    helpers: Vec<Helper>,
    /// Who has a job on the board.
    busy: Mutex<()>,
    state: AtomicU64,
    job: AtomicPtr<Job<'static>>,
}

/// What wakes a helper.
#[derive(Default)]
struct Helper {
    asleep: AtomicBool,
    bed: Mutex<()>,
    bell: Condvar,
}

impl Crew {
    /// That of this process, with as many threads as rayon has beside the one that asks.
    fn of_process() -> &'static Crew {
        static CREW: OnceLock<&'static Crew> = OnceLock::new();
        CREW.get_or_init(|| {
            let helpers = rayon::current_num_threads().clamp(1, 1 + PLACES as usize / 4) - 1;
            let crew: &'static Crew = Box::leak(Box::new(Crew {
                helpers: (0..helpers).map(|_| Helper::default()).collect(),
                busy: Mutex::new(()),
                state: AtomicU64::new(0),
                job: AtomicPtr::new(std::ptr::null_mut()),
            }));
            for number in 0..helpers {
                let name = format!("crew-{number}");
                // A thread that cannot be had is one that does not help.
                let _ = std::thread::Builder::new()
                    .name(name)
                    .spawn(move || crew.serve(number as u64));
            }
            crew
        })
    }

    /// Does the tasks; false, and nothing done, where another thread has a job on the board.
    fn run(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) -> bool {
        let Ok(busy) = self.busy.try_lock() else {
            return false;
        };
        let job = Job {
            work,
            tasks,
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
        };
        let places = tasks.saturating_sub(1).min(self.helpers.len());
        if places > 0 {
            self.post(&job, places);
        }
        job.help();
        if places > 0 {
            self.take_down();
        }
        drop(busy);
        assert!(!job.panicked.load(Ordering::Relaxed), "a task panicked");
        true
    }

    fn post(&self, job: &Job<'_>, places: usize) {
        let job: *const Job<'_> = job;
        self.job.store(job.cast_mut().cast(), Ordering::Relaxed);
        let number = (self.state.load(Ordering::Relaxed) >> NUMBER_AT) + 1;
        let state = number << NUMBER_AT | (places as u64) << PLACES_AT | OPEN;
        // In one order with who is asleep: either they see the job, or are seen here.
        self.state.store(state, Ordering::SeqCst);
        for helper in &self.helpers[..places] {
            if helper.asleep.load(Ordering::SeqCst) {
                let _awake = helper.bed.lock().unwrap_or_else(PoisonError::into_inner);
                helper.bell.notify_one();
            }
        }
    }

    /// Returns when nobody is at the job any more.
    fn take_down(&self) {
        let mut inside = self.state.fetch_and(!OPEN, Ordering::AcqRel) & INSIDE;
        let mut looks = 0;
        while inside != 0 {
            std::hint::spin_loop();
            looks += 1;
            if looks % 1024 == 0 {
                std::thread::yield_now();
            }
            inside = self.state.load(Ordering::Acquire) & INSIDE;
        }
    }

    /// A helper's life.
    fn serve(&self, helper: u64) {
        let mut done = 0;
        loop {
            let state = self.next_job(helper, done);
            done = state >> NUMBER_AT;
            if self.join(helper, state) {
                // SAFETY: the job stays where it is until its last helper has left.
                unsafe { &*self.job.load(Ordering::Relaxed) }.help();
                self.state.fetch_sub(ONE_INSIDE, Ordering::Release);
            }
        }
    }

    /// Whether there is a job for this helper that it does not know.
    fn is_new(state: u64, helper: u64, done: u64) -> bool {
        let for_it = helper < state >> PLACES_AT & PLACES;
        state & OPEN != 0 && for_it && state >> NUMBER_AT != done
    }

    /// Looks out for a job, then sleeps until there is one.
    fn next_job(&self, helper: u64, done: u64) -> u64 {
        let since = Instant::now();
        loop {
            for _ in 0..256 {
                let state = self.state.load(Ordering::Acquire);
                if Crew::is_new(state, helper, done) {
                    return state;
                }
                std::hint::spin_loop();
            }
            if since.elapsed() > LOOKOUT {
                break;
            }
            // Where there are more threads than cores, the core is better used by another's work.
            std::thread::yield_now();
        }
        let Helper { asleep, bed, bell } = &self.helpers[helper as usize];
        let mut bed = bed.lock().unwrap_or_else(PoisonError::into_inner);
        asleep.store(true, Ordering::SeqCst);
        let state = loop {
            let state = self.state.load(Ordering::SeqCst);
            if Crew::is_new(state, helper, done) {
                break state;
            }
            bed = bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        };
        asleep.store(false, Ordering::SeqCst);
        state
    }

    /// Joins the job that was seen, unless it has been taken down.
    fn join(&self, helper: u64, seen: u64) -> bool {
        let one_more = |state: u64| {
            let same = state >> NUMBER_AT == seen >> NUMBER_AT;
            (same && Crew::is_new(state, helper, 0)).then_some(state + ONE_INSIDE)
        };
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once_whoever_asks_and_however_often() {
        std::thread::scope(|scope| {
            for asking in 0..3usize {
                scope.spawn(move || {
                    for round in 0..2000 {
                        let mut tasks = vec![0usize; (asking + round) % 7];
                        each(true, &mut tasks, |task| *task += 1 + round);
                        assert!(tasks.iter().all(|&task| task == 1 + round));
                        if round % 500 == 0 {
                            // Long enough for the helpers to fall asleep.
                            std::thread::sleep(2 * LOOKOUT);
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_who_asked_and_the_crew_goes_on() {
        let panic = catch_unwind(|| {
            each(true, &mut [1, 2, 3, 4], |task| assert!(*task != 3, "three"));
        });
        assert!(panic.is_err());
        let mut tasks = [1; 5];
        each(true, &mut tasks, |task| *task = 2);
        assert_eq!(tasks, [2; 5]);
    }
}
