//! What `pack run` is asked for.

use crate::pack::share::Share;
use anyhow::Result;
use std::path::PathBuf;
use std::time::Duration;

/// Train what is missing, until nothing is left
///
/// Any number of these may run at once, on any machines that share the folder: every job is
/// trained once. Killed ones cost the epoch under way; others go on with their jobs.
///
/// Examples:
///   effigy pack run amps
///   effigy pack run amps --jobs auto
///   effigy pack run amps --array 3/10
///   parallel -j 4 -N0 effigy pack run amps ::: 1 2 3 4
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The pack
    pub folder: PathBuf,
    /// Trainings at once on this machine, cores shared out among them; auto measures what is best
    #[arg(long, short, default_value = "1", value_parser = jobs, value_name = "N|auto")]
    pub jobs: Jobs,
    /// Do one task's share alone: every N-th job from I, from 0, or job I; alone it asks Slurm,
    /// Kubernetes or HyperQueue by their variables
    #[arg(long, value_name = "I/N", num_args = 0..=1, default_missing_value = "")]
    pub array: Option<String>,
    /// End after so many jobs
    #[arg(long, value_name = "JOBS")]
    pub most: Option<usize>,
    /// Take over from a worker elsewhere that has shown no sign of life for so long; one on this
    /// machine is noticed at once
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub dead_after: f64,
    /// Seconds of training that a kill may cost beside the epoch under way
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub save_every: u64,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n] [default: the config's]
    #[arg(long)]
    pub device: Option<String>,
    /// End when standard input does: for those that start workers
    #[arg(long, hide = true)]
    pub tied: bool,
}

/// How many trainings at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jobs {
    /// As measured.
    Auto,
    /// So many.
    Number(usize),
}

fn jobs(text: &str) -> Result<Jobs, String> {
    match text {
        "auto" => Ok(Jobs::Auto),
        _ => match text.parse() {
            Ok(number @ 1..=1024) => Ok(Jobs::Number(number)),
            _ => Err("a number from 1 to 1024, or auto".to_string()),
        },
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0.1 to 86400".to_string()),
    }
}

impl Request {
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.dead_after)
    }

    pub(super) fn share(&self) -> Result<Option<Share>> {
        Ok(match self.array.as_deref() {
            None => None,
            Some("") => Some(Share::of_engine(|name| std::env::var(name).ok())?),
            Some(text) => Some(Share::parse(text)?),
        })
    }
}
