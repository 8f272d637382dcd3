//! Runs one reader on one input and holds it to the bounds: no panic, 10 seconds, so much memory.

use crate::allocator;
use crate::readers::Reader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest that an input may take.
const SECONDS: u64 = 10;

/// One at a time: the counted memory is that of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// A place to run readers in.
pub struct Watch {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Watch {
    /// Waits for its turn. Panics that readers catch themselves are not printed.
    pub fn new() -> Self {
        static QUIET: AtomicBool = AtomicBool::new(false);
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if !QUIET.swap(true, Ordering::SeqCst) {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let ours = info
                    .location()
                    .is_some_and(|l| l.file().contains("tests/fuzz"));
                if ours {
                    usual(info);
                }
            }));
        }
        // Memory, where there is such a folder: thousands of files are written and read.
        let shm = PathBuf::from("/dev/shm");
        let folder = match shm.is_dir() {
            true => tempfile::tempdir_in(shm),
            false => tempfile::tempdir(),
        };
        Self {
            folder: folder.unwrap(),
            _turn: turn,
        }
    }

    /// Whether the reader took the input for valid.
    ///
    /// # Panics
    /// It broke a bound; the input is kept and its place said.
    pub fn run(&self, reader: &Reader, label: &str, input: &[u8], memory: usize) -> bool {
        let path = self.folder.path().join(reader.file);
        std::fs::write(&path, input).unwrap();
        let bell = alarm(reader.name, label, input.to_vec());
        let (before, started) = (allocator::start(), Instant::now());
        let read = catch_unwind(AssertUnwindSafe(|| (reader.read)(&path, input)));
        let (took, peak) = (started.elapsed(), allocator::peak() - before);
        drop(bell);
        let broken = match &read {
            Err(_) => Some("panicked".to_string()),
            Ok(_) if took.as_secs() >= SECONDS => Some(format!("took {took:?}")),
            Ok(_) if peak > memory => Some(format!("took {} MB", peak >> 20)),
            Ok(_) => None,
        };
        if let Some(broken) = broken {
            let kept = keep(reader.name, input);
            panic!("{} {broken} on {label}, kept as {kept}", reader.name);
        }
        read.unwrap_or(false)
    }
}

/// Ends the process if nobody stops it in time: a reader that never returns cannot be asked to.
fn alarm(name: &'static str, label: &str, input: Vec<u8>) -> Sender<()> {
    let (bell, stopped) = channel::<()>();
    let label = label.to_string();
    std::thread::spawn(move || {
        let limit = Duration::from_secs(SECONDS * 3);
        if stopped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs on {label}, kept as {}", keep(name, &input));
            std::process::abort();
        }
    });
    bell
}

/// Writes an input where it is found again.
fn keep(name: &str, input: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("effigy-fuzz-{name}-{:08x}", hash(input)));
    let said = path.display().to_string();
    match std::fs::write(path, input) {
        Ok(()) => said,
        Err(error) => format!("nothing ({error})"),
    }
}

fn hash(bytes: &[u8]) -> u32 {
    let step = |h: u32, b: &u8| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}
