//! The terminal: where prose, bars, tables and JSON go. The only place that prints.
//!
//! stdout carries the result (a table, or one JSON object with `--json`); progress, notes and
//! warnings go to stderr.

use super::screen::{self, Screen};
use super::told::{self, Teller};
use super::{interrupts, plain};
use crate::device;
use crate::progress::{Event, Observer};
use crate::report::verdict::Grade;
use effigy_studio::Told;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A task's bar; kept when its task ends so that the next one at its place (the next epoch's
/// steps) does not make the screen jump.
#[derive(Debug)]
struct Slot {
    bar: ProgressBar,
    active: bool,
}

/// How much to say and in which form.
#[derive(Debug)]
pub struct Ui {
    json: bool,
    quiet: bool,
    /// Draws nothing unless stderr is a terminal.
    bars: MultiProgress,
    /// Bars from the outermost task inwards.
    slots: Mutex<Vec<Slot>>,
    /// For a program that draws bars of its own.
    teller: Option<Teller>,
}

/// Redraws per second: smooth to the eye, nothing to the processor.
const REDRAWS: u8 = 10;

impl Ui {
    /// `json`: the result as one JSON object. `quiet`: no notes, no bars; warnings stay.
    ///
    /// Bars are drawn only on a terminal that can move its cursor: logs and pipes get whole lines
    /// without control characters.
    pub fn new(json: bool, quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let live = !quiet && !dumb && std::io::stderr().is_terminal();
        let target = if live {
            ProgressDrawTarget::term_like_with_hz(Box::new(Screen::new()), REDRAWS)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        if live {
            interrupts::show(&bars);
        }
        Self {
            json,
            quiet,
            bars,
            slots: Mutex::default(),
            teller: Teller::from_environment(),
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
            plain::lines(&prose(result))
        };
        self.print(&text)
    }

    /// Prints text that is the result itself to stdout.
    pub fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        // A closed pipe (`effigy runs | head`) is the reader's choice, not a fault.
        match writeln!(out, "{}", text.trim_end()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Prints a line to stderr above the bars.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.above_bars(line);
        }
    }

    /// Columns of the terminal that [`Ui::say`] writes to; `None` for a file or pipe, whose lines
    /// may be of any length.
    pub fn width(&self) -> Option<usize> {
        let size = console::Term::stderr().size_checked()?;
        Some(usize::from(size.1))
    }

    fn above_bars(&self, line: &str) {
        if self.bars.is_hidden() || self.bars.println(line).is_err() {
            screen::say(line);
        }
    }

    /// What follows a panic elsewhere may still want to draw.
    fn slots(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a task, and says how many others it lies in.
    fn start(&self, task: &str, total: Option<u64>) -> usize {
        let mut slots = self.slots();
        let depth = slots.iter().take_while(|slot| slot.active).count();
        if depth == slots.len() {
            let bar = self.bars.add(ProgressBar::hidden());
            slots.push(Slot { bar, active: true });
        }
        let slot = &mut slots[depth];
        slot.active = true;
        let bar = &slot.bar;
        bar.disable_steady_tick();
        bar.set_style(style(total.is_some()));
        bar.set_message(plain::line(task));
        match total {
            Some(total) => bar.set_length(total),
            None => bar.unset_length(),
        }
        bar.reset();
        if total.is_none() && !self.bars.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        depth
    }

    /// Tells another program how far the work is.
    fn tell(&self, new: bool) {
        let line = self
            .teller
            .as_ref()
            .and_then(|teller| teller.line(new, || self.told()));
        if let Some(line) = line {
            screen::say(&line);
        }
    }

    /// How far the work is; `None` where none is under way.
    fn told(&self) -> Option<Told> {
        let slots = self.slots();
        let bars = slots
            .iter()
            .take_while(|slot| slot.active)
            .map(|slot| &slot.bar);
        let bars: Vec<&ProgressBar> = bars.collect();
        let counts = bars
            .iter()
            .filter_map(|bar| Some((bar.position(), bar.length()?)));
        let counts: Vec<(u64, u64)> = counts.collect();
        Some(Told {
            task: bars.last()?.message(),
            share: told::share(&counts),
        })
    }

    fn finish(&self) {
        let mut slots = self.slots();
        let depth = slots.iter().take_while(|slot| slot.active).count();
        if depth > 0 {
            slots[depth - 1].active = false;
        }
        if depth <= 1 {
            for slot in slots.drain(..) {
                slot.bar.finish_and_clear();
                self.bars.remove(&slot.bar);
            }
        }
    }

    /// Takes all bars off the screen.
    fn clear(&self) {
        for slot in self.slots().drain(..) {
            slot.bar.finish_and_clear();
            self.bars.remove(&slot.bar);
        }
    }

    fn with_bar(&self, act: impl FnOnce(&ProgressBar)) {
        let slots = self.slots();
        let active = slots.iter().take_while(|slot| slot.active);
        if let Some(slot) = active.last() {
            act(&slot.bar);
        }
    }
}

fn style(counted: bool) -> ProgressStyle {
    let template = if counted {
        "{msg:36!} {wide_bar} {pos}/{len} {rate:>8} {eta:>4} left"
    } else {
        "{msg:36!} {spinner} {elapsed}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key(
            "rate",
            |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // The bar is drawn again at once; nobody could be told.
                let _ = write!(out, "{}/s", rate(state.per_sec()));
            },
        )
}

/// Steps per second in about three digits.
fn rate(per_second: f64) -> String {
    match per_second {
        r if r >= 100.0 => format!("{r:.0}"),
        r if r >= 10.0 => format!("{r:.1}"),
        r => format!("{r:.2}"),
    }
}

/// A grade in its colour, where stdout is a terminal that has colours and `NO_COLOR` is not set.
pub fn coloured(grade: Grade, text: &str) -> String {
    let style = console::Style::new().bold();
    let style = match grade {
        Grade::Great => style.green(),
        Grade::NotBad => style.cyan(),
        Grade::MightSoundOk => style.yellow(),
        Grade::NotThereYet => style.red(),
    };
    style.for_stdout().apply_to(text).to_string()
}

impl Observer for Ui {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Start { task, total } => {
                let outermost = self.start(task, total) == 0;
                self.tell(outermost);
            }
            Event::Advance(steps) => {
                self.with_bar(|bar| bar.inc(steps));
                self.tell(false);
            }
            Event::Status(text) => self.with_bar(|bar| bar.set_message(plain::line(text))),
            Event::Finish => self.finish(),
            Event::Note(text) => self.say(&plain::lines(text)),
            Event::Warning(text) => self.above_bars(&format!("warning: {}", plain::lines(text))),
        }
    }

    fn stop_requested(&self) -> bool {
        interrupts::stop_requested()
    }
}

/// Turns a panic, which only a fault in effigy can cause, or a card that failed, into one line.
pub fn report_panics_in_one_line() {
    std::panic::set_hook(Box::new(|info| {
        if device::is_watched() {
            return;
        }
        let what = info.to_string().replace('\n', " ");
        screen::say(&format!(
            "error: internal fault ({what}); please report it with the command you ran"
        ));
    }));
}

impl Ui {
    /// Prints an error, one line, after clearing all bars.
    pub fn fail(&self, message: &str) {
        self.clear();
        screen::say(&format!(
            "error: {}",
            plain::line(&message.replace('\n', " "))
        ));
    }
}
