//! This program's own verbs, run as children: what they say, and how they ended.
//!
//! The very binary that a musician would type, in the studio's folder, its arguments a list: so a
//! result is the command line's own, byte for byte, and so is the sentence of an error.

use crate::http::Outgoing;
use crate::told::{LINES, PROGRESS, Told};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Verbs at once; training runs beside them.
const AT_ONCE: usize = 3;

/// Bytes of a result's JSON, a table of many runs at most.
const MOST_BYTES: u64 = 64 << 20;

/// How often a page that waits is asked whether it is still there.
const ASK: Duration = Duration::from_millis(500);

/// How children are started.
#[derive(Clone, Debug)]
pub struct Program {
    file: PathBuf,
    folder: PathBuf,
    running: Arc<AtomicUsize>,
}

impl Program {
    /// `file` run in `folder`.
    pub fn new(file: PathBuf, folder: &Path) -> Self {
        let (folder, running) = (folder.to_path_buf(), Arc::default());
        Self {
            file,
            folder,
            running,
        }
    }

    /// A child that is not started yet; it reads nothing and colours nothing.
    pub fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.file);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command.env("NO_COLOR", "1");
        command
    }

    /// A place among the verbs that run at once, until dropped.
    pub fn place(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.running));
        (self.running.fetch_add(1, Ordering::SeqCst) < AT_ONCE).then_some(place)
    }

    /// Runs a verb and tells a page of it, a JSON object per line: `progress` ([`Told`]) and `note`,
    /// what it says on the way, then `done` with its result, or `error`. A page that goes takes the
    /// verb with it. Returns what was told last.
    ///
    /// # Errors
    /// The page has gone.
    pub fn tell(&self, arguments: &[String], out: &mut Outgoing<'_>) -> io::Result<Value> {
        let mut command = self.command(arguments);
        let started = command
            .env(PROGRESS, LINES)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut running = match started {
            Ok(child) => Running::of(child),
            Err(error) => return said(out, json!({ "error": error.to_string() })),
        };
        while let Some(line) = running.next_line(out)? {
            if let Some(told) = running.heard(&line) {
                send(out, &told)?;
            }
        }
        said(out, running.ended())
    }

    /// Runs a verb to its end.
    ///
    /// # Errors
    /// Its error's line.
    pub fn result(&self, arguments: &[String]) -> Result<Value, String> {
        let output = self
            .command(arguments)
            .output()
            .map_err(|e| e.to_string())?;
        match serde_json::from_slice(&output.stdout) {
            Ok(value) => Ok(value),
            Err(_) => Err(error_in(&String::from_utf8_lossy(&output.stderr))),
        }
    }
}

/// One of the verbs that run at once.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The last thing that is told.
fn said(out: &mut Outgoing<'_>, last: Value) -> io::Result<Value> {
    send(out, &last)?;
    Ok(last)
}

fn send(out: &mut Outgoing<'_>, value: &Value) -> io::Result<()> {
    out.send(format!("{value}\n").as_bytes())
}

/// The error that a verb has printed.
pub fn error_in(stderr: &str) -> String {
    let said = stderr
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "));
    said.unwrap_or("it ended without a word; see whether memory or the disk is full")
        .to_string()
}

/// A child whose lines are read; dropped, it is ended.
struct Running {
    child: Child,
    lines: Receiver<String>,
    result: Option<std::thread::JoinHandle<Vec<u8>>>,
    error: Option<String>,
}

impl Running {
    fn of(mut child: Child) -> Self {
        let (say, lines) = mpsc::channel();
        let stderr = child.stderr.take();
        let stdout = child.stdout.take();
        std::thread::spawn(move || {
            let lines = stderr
                .into_iter()
                .flat_map(|stderr| BufReader::new(stderr).lines());
            // Nobody listens once the page has gone.
            let _ = lines
                .map_while(Result::ok)
                .try_for_each(|line| say.send(line));
        });
        let result = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.map(|stdout| stdout.take(MOST_BYTES).read_to_end(&mut bytes));
            // What came is judged by what it is.
            drop(read);
            bytes
        });
        Self {
            child,
            lines,
            result: Some(result),
            error: None,
        }
    }

    /// The next line on stderr; `None` at its end.
    ///
    /// # Errors
    /// The page has gone.
    fn next_line(&self, out: &mut Outgoing<'_>) -> io::Result<Option<String>> {
        loop {
            match self.lines.recv_timeout(ASK) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if out.is_closed() => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What is told of a line: an error waits for the end.
    fn heard(&mut self, line: &str) -> Option<Value> {
        if let Some(error) = line.strip_prefix("error: ") {
            self.error = Some(error.to_string());
            return None;
        }
        if let Some(told) = Told::read(line) {
            return Some(json!({ "progress": told }));
        }
        (!line.trim().is_empty()).then(|| json!({ "note": line }))
    }

    fn ended(mut self) -> Value {
        let bytes = self.result.take().and_then(|thread| thread.join().ok());
        let code = self.child.wait().ok().and_then(|status| status.code());
        let result = serde_json::from_slice::<Value>(&bytes.unwrap_or_default());
        match (result, self.error.take()) {
            (Ok(value), None) => json!({ "done": value, "code": code }),
            (_, Some(error)) => json!({ "error": error }),
            (Err(_), None) => json!({ "error": error_in("") }),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
