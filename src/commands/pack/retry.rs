//! Lets failed jobs of a pack be done again.

use super::opened::{Opened, open};
use crate::progress::Observer;
use anyhow::{Result, bail};
use serde::Serialize;
use std::path::PathBuf;

/// Let what failed be trained again by the next `effigy pack run`
///
/// What was trained before it failed is gone on with, unless --anew.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The pack
    pub folder: PathBuf,
    /// These jobs, by name [default: all that failed]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// From the first epoch
    #[arg(long)]
    pub anew: bool,
}

/// What may be done again.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Names of jobs.
    pub jobs: Vec<String>,
}

/// Forgets failures.
///
/// # Errors
/// No pack; a job that has not failed.
pub fn retry(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let Opened { plan, place, .. } = open(&request.folder, observer)?;
    let failed = place.scan()?.failed;
    let wanted = |name: &String| request.jobs.is_empty() || request.jobs.contains(name);
    let jobs = plan.jobs.iter().filter(|job| failed.contains(&job.id));
    let jobs: Vec<_> = jobs.filter(|job| wanted(&job.name)).collect();
    if let Some(other) = request
        .jobs
        .iter()
        .find(|name| jobs.iter().all(|job| job.name != **name))
    {
        bail!("{other}: no job of that name has failed; `effigy pack status` lists them");
    }
    for job in &jobs {
        place.retry(&job.id, request.anew)?;
    }
    Ok(Outcome {
        jobs: jobs.into_iter().map(|job| job.name.clone()).collect(),
    })
}
