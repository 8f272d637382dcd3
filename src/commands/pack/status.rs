//! How a pack stands.

use super::opened::{Opened, look};
use crate::pack::state::{self, Counts, Standing};
use crate::progress::Observer;
use anyhow::Result;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Tell what of a pack waits, is trained and where, is done, or failed and why
#[derive(Clone, Debug, clap::Args)]
pub struct Request {
    /// The pack
    pub folder: PathBuf,
    /// Call a worker elsewhere silent after so long without a sign of life
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub silent_after: u64,
}

/// How it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What people call it.
    pub name: String,
    /// How many jobs stand where.
    pub counts: Counts,
    /// Until all are done, if it goes on as now.
    pub seconds_left: Option<f64>,
    /// Every job.
    pub jobs: Vec<Standing>,
    /// Of a sweep, what its values make of the figures.
    pub groups: Vec<Group>,
}

/// The runs of a sweep that differ in their seed alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What they have in common.
    pub of: String,
    /// How many are done.
    pub runs: usize,
    /// ESRs: the middle one.
    pub median: f64,
    /// The best.
    pub best: f64,
    /// The worst.
    pub worst: f64,
}

/// Looks at the folder.
///
/// # Errors
/// No pack; a wrong config; a recording that is not there.
pub fn status(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let Opened { pack, plan, place } = look(&request.folder, observer)?;
    let patience = Duration::from_secs(request.silent_after);
    let jobs = state::standings(&place, pack.folder(), &plan, patience)?;
    Ok(Outcome {
        name: pack.description.name.clone(),
        counts: Counts::of(&jobs),
        seconds_left: state::seconds_left(&jobs),
        groups: groups(&pack.description, &jobs),
        jobs,
    })
}

/// The groups of a sweep, best median first; none of a pack that varies no key.
pub(super) fn groups(description: &crate::pack::Description, jobs: &[Standing]) -> Vec<Group> {
    let mut found: Vec<(String, Vec<f64>)> = Vec::new();
    for (entry, job) in description.job.iter().zip(jobs) {
        let set = entry.set.iter().filter(|set| !set.starts_with("seed="));
        let mut words: Vec<&str> = set.map(String::as_str).collect();
        if entry.set.is_empty() {
            continue;
        }
        let base = entry.values.get(BASE).map(String::as_str);
        words.extend(base);
        let of = words.join(" ");
        let esr = job.esr;
        match found.iter_mut().find(|(other, _)| *other == of) {
            Some((_, esrs)) => esrs.extend(esr),
            None => found.push((of, esr.into_iter().collect())),
        }
    }
    let mut groups: Vec<Group> = found
        .into_iter()
        .filter(|(_, esrs)| !esrs.is_empty())
        .map(|(of, mut esrs)| {
            esrs.sort_by(f64::total_cmp);
            let middle = esrs.len() / 2;
            let median = match esrs.len() % 2 {
                1 => esrs[middle],
                _ => (esrs[middle - 1] + esrs[middle]) / 2.0,
            };
            Group {
                of: if of.is_empty() { "all".to_string() } else { of },
                runs: esrs.len(),
                median,
                best: esrs[0],
                worst: esrs[esrs.len() - 1],
            }
        })
        .collect();
    groups.sort_by(|a, b| a.median.total_cmp(&b.median));
    groups
}

/// The value that says which capture a run of a sweep is of.
pub(super) const BASE: &str = "capture";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::state::State;
    use crate::pack::{Description, Entry};

    #[test]
    fn a_sweep_is_told_by_its_median_over_seeds() {
        let entry = |set: &[&str]| Entry {
            set: set.iter().map(ToString::to_string).collect(),
            ..Entry::default()
        };
        let standing = |esr: Option<f64>| Standing {
            name: String::new(),
            id: String::new(),
            state: State::Done,
            host: None,
            epoch: 1,
            epochs: 1,
            esr,
            seconds: None,
            reason: None,
        };
        let mut description = Description::default();
        let mut jobs = Vec::new();
        for (size, esrs) in [("8", [0.3, 0.1, 0.2]), ("16", [0.01, 0.05, 0.03])] {
            for (seed, esr) in esrs.iter().enumerate() {
                let set = [format!("model.hidden_size={size}"), format!("seed={seed}")];
                description.job.push(entry(&[&set[0], &set[1]]));
                jobs.push(standing(Some(*esr)));
            }
        }
        // One that is not done says nothing.
        description
            .job
            .push(entry(&["model.hidden_size=16", "seed=9"]));
        jobs.push(standing(None));
        let groups = groups(&description, &jobs);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].of, "model.hidden_size=16");
        let figures = |g: &Group| (g.runs, g.median, g.best, g.worst);
        assert_eq!(figures(&groups[0]), (3, 0.03, 0.01, 0.05));
        assert_eq!(figures(&groups[1]), (3, 0.2, 0.1, 0.3));
        let plain = Description {
            job: vec![Entry::default()],
            ..Description::default()
        };
        assert!(super::groups(&plain, &[standing(Some(0.1))]).is_empty());
    }
}
