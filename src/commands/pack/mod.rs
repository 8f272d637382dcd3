//! Packs: many trainings of one kind, done once each by any number of workers on one folder.
//!
//! One file per verb; `worker` is what all that train have in common.

pub mod export;
mod fleet;
mod heart;
pub mod new;
mod opened;
pub mod pilot;
pub mod report;
pub mod retry;
pub mod run;
pub mod status;
pub mod submit;
mod wanted;
mod worker;

/// Train many captures of one kind, on one machine or many, each exactly once.
#[derive(Clone, Debug, clap::Subcommand)]
#[allow(missing_docs)] // Each stands in the file of its name.
pub enum Request {
    New(Box<new::Request>),
    Run(run::Request),
    Status(status::Request),
    Retry(retry::Request),
    Export(export::Request),
    Report(report::Request),
    Submit(submit::Request),
    #[command(hide = true)]
    Pilot(pilot::Request),
}
