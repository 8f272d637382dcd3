//! The terminal: where prose, bars, tables and JSON go. The only place that prints.
//!
//! stdout carries the result (a table, or one JSON object with `--json`); progress, notes and
//! warnings go to stderr.

use crate::progress::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Set by the Ctrl-C handler; long work asks for it once per step.
static STOP: AtomicBool = AtomicBool::new(false);

/// Makes the first Ctrl-C ask long work to stop and the second one end the process.
pub fn catch_interrupts() {
    let installed = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to end at once");
    });
    // A second handler in one process (tests) is no fault: the first one serves.
    drop(installed);
}

/// How much to say and in which form.
#[derive(Debug)]
pub struct Ui {
    json: bool,
    quiet: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Ui {
    /// `json`: the result as one JSON object. `quiet`: no notes, no bars; warnings stay.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            bar: Mutex::new(None),
        }
    }

    /// Prints the result: JSON when asked for, else what `prose` makes of it.
    pub fn report<T: Serialize>(
        &self,
        result: &T,
        prose: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let text = if self.json {
            serde_json::to_string(result)?
        } else {
            prose(result)
        };
        let mut out = std::io::stdout().lock();
        // A closed pipe (`effigy runs | head`) is the reader's choice, not a fault.
        match writeln!(out, "{}", text.trim_end()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Prints a line to stderr above the bar.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.above_bar(line);
        }
    }

    fn above_bar(&self, line: &str) {
        match self.bar.lock().ok().as_deref() {
            Some(Some(bar)) if !bar.is_hidden() => bar.println(line),
            _ => eprintln!("{line}"),
        }
    }

    fn start(&self, task: &str, total: Option<u64>) {
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let bar = match total {
            Some(total) => ProgressBar::new(total)
                .with_style(style("{msg:32!} {wide_bar} {pos}/{len} {per_sec} {eta}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {msg} {elapsed}")),
        };
        if !shown {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        } else if total.is_none() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        bar.set_message(task.to_string());
        if let Ok(mut current) = self.bar.lock() {
            *current = Some(bar);
        }
    }

    fn with_bar(&self, act: impl FnOnce(&ProgressBar)) {
        if let Ok(current) = self.bar.lock()
            && let Some(bar) = current.as_ref()
        {
            act(bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Observer for Ui {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Start { task, total } => self.start(task, total),
            Event::Advance(steps) => self.with_bar(|bar| bar.inc(steps)),
            Event::Status(text) => self.with_bar(|bar| bar.set_message(text.to_string())),
            Event::Finish => {
                self.with_bar(ProgressBar::finish_and_clear);
                if let Ok(mut current) = self.bar.lock() {
                    *current = None;
                }
            }
            Event::Note(text) => self.say(text),
            Event::Warning(text) => self.above_bar(&format!("warning: {text}")),
        }
    }

    fn stop_requested(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }
}

/// Turns a panic, which only a fault in effigy can cause, into one line.
pub fn report_panics_in_one_line() {
    std::panic::set_hook(Box::new(|info| {
        let what = info.to_string().replace('\n', " ");
        eprintln!("error: internal fault ({what}); please report it with the command you ran");
    }));
}

impl Ui {
    /// Prints an error, one line, after clearing any bar.
    pub fn fail(&self, message: &str) {
        self.event(Event::Finish);
        eprintln!("error: {}", message.replace('\n', " "));
    }
}
