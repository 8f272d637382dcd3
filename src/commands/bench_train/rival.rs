//! Another trainer, run beside this one: a program that is told the network on its standard input
//! and then, line by line, to take a step.
//!
//! It first gets one line of JSON, [`Task`], and answers `{"trainer": "its name and version"}`.
//! For every further line, `step`, it takes one training step (forward, loss, backward, update)
//! and answers `{"step_seconds": …}`. A network it does not know it answers by
//! `{"unknown": "why"}`. It ends when its input ends.

use super::subject::Subject;
use crate::config::{LossConfig, ModelConfig, WaveNetConfig};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What the program is to train.
#[derive(Debug, Serialize)]
struct Task {
    /// The config's `[model]` table; presets of a WaveNet spelled out.
    model: ModelConfig,
    batch_size: usize,
    /// Samples that enter per window.
    input_len: usize,
    /// Samples that leave.
    window_len: usize,
    /// Channels that enter: sound, then knobs.
    input_channels: usize,
    /// The config's `[loss]` table, every weight of it.
    loss: LossConfig,
    /// Processor threads.
    threads: usize,
    /// `flex`, `cuda:0`, …
    device: String,
}

/// What it answers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Trainer { trainer: String },
    Step { step_seconds: f64 },
    Unknown { unknown: String },
}

/// The running program.
pub struct Rival {
    command: String,
    child: Child,
    /// `None` once it was told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// How it calls itself.
    pub trainer: String,
}

/// What became of the start.
pub enum Started {
    /// It waits for steps.
    Ready(Rival),
    /// It does not know this network.
    Unknown(String),
}

impl Rival {
    /// Starts `command` (a program and its arguments, separated by blanks).
    ///
    /// # Errors
    /// It cannot be started, or does not answer as it should.
    pub fn start(
        command: &str,
        subject: &Subject,
        input_len: usize,
        device: &str,
    ) -> Result<Started> {
        let mut words = command.split_whitespace();
        let Some(program) = words.next() else {
            bail!(
                "--against names no program; give one, such as 'python3 benches/pytorch_step.py'"
            );
        };
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("--against '{command}': {program} cannot be started"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("--against '{command}': no pipes to the program");
        };
        let mut rival = Self {
            command: command.to_string(),
            child,
            input: Some(input),
            output: BufReader::new(output),
            trainer: String::new(),
        };
        let task = Task {
            model: spelled_out(&subject.model),
            batch_size: subject.training.batch_size,
            input_len,
            window_len: subject.windows.window_len,
            input_channels: 1 + subject.controls,
            loss: subject.loss.clone(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            device: device.to_string(),
        };
        match rival.ask(&serde_json::to_string(&task)?)? {
            Answer::Trainer { trainer } => {
                rival.trainer = trainer;
                Ok(Started::Ready(rival))
            }
            Answer::Unknown { unknown } => Ok(Started::Unknown(unknown)),
            Answer::Step { .. } => bail!("--against '{command}': a step before it was asked for"),
        }
    }

    /// Seconds of one of its steps.
    ///
    /// # Errors
    /// It ended, or answers something else.
    pub fn step(&mut self) -> Result<f64> {
        match self.ask("step")? {
            Answer::Step { step_seconds } if step_seconds > 0.0 => Ok(step_seconds),
            other => bail!(
                "--against '{}': {other:?} instead of the seconds of a step",
                self.command
            ),
        }
    }

    fn ask(&mut self, line: &str) -> Result<Answer> {
        let what = || format!("--against '{}'", self.command);
        let Some(input) = &mut self.input else {
            bail!("{}: already ended", what());
        };
        writeln!(input, "{line}").with_context(what)?;
        input.flush().with_context(what)?;
        let mut answer = String::new();
        if self.output.read_line(&mut answer).with_context(what)? == 0 {
            bail!(
                "{}: it ended without an answer; its own message is above",
                what()
            );
        }
        serde_json::from_str(&answer)
            .with_context(|| format!("{}: answered {:?}", what(), answer.trim_end()))
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // The end of its input ends it; a program that hangs is not waited for.
        self.input = None;
        let patience = std::time::Instant::now();
        while patience.elapsed().as_secs() < 5 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spelled_out(model: &ModelConfig) -> ModelConfig {
    match model {
        ModelConfig::WaveNet(network) => {
            let (mut arrays, head_scale) = network.resolve();
            for array in &mut arrays {
                array.kernel_sizes = array.layer_kernel_sizes();
            }
            ModelConfig::WaveNet(WaveNetConfig {
                preset: None,
                head_scale: Some(head_scale),
                arrays,
                ..WaveNetConfig::default()
            })
        }
        other => other.clone(),
    }
}
