//! Which jobs of a plan one task of an array does: `I/N` is every N-th job from job I, from 0.
//! Knows the variables that engines set, not the engines.

use super::error::PackError;

/// A task's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: usize,
    /// Absent: job `index` alone.
    of: Option<usize>,
}

impl Share {
    /// Reads `I/N` or `I`.
    ///
    /// # Errors
    /// Says the form.
    pub fn parse(text: &str) -> Result<Self, PackError> {
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let share = match text.split_once('/') {
            Some((index, of)) => number(index).zip(number(of).map(Some)),
            None => number(text).map(|index| (index, None)),
        };
        let share = share.map(|(index, of)| Self { index, of });
        let fits = |share: &Self| share.of.is_none_or(|of| share.index < of);
        share.filter(fits).ok_or_else(|| {
            PackError::wrong(
                format!("--array {text}"),
                "the form is I/N, a task's number from 0 and how many there are, or I, one job's \
                 number from 0",
            )
        })
    }

    /// The share that an engine gives this process: Slurm's array, Kubernetes's completion index,
    /// HyperQueue's task. `get` reads a variable of the environment.
    ///
    /// # Errors
    /// None is set; a Slurm array with gaps, whose tasks cannot know how many they are.
    pub fn of_engine(get: impl Fn(&str) -> Option<String>) -> Result<Self, PackError> {
        let number = |name: &str| get(name).and_then(|text| text.trim().parse::<usize>().ok());
        if let Some(id) = number("SLURM_ARRAY_TASK_ID") {
            let low = number("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
            let high = number("SLURM_ARRAY_TASK_MAX").unwrap_or(id);
            let step = number("SLURM_ARRAY_TASK_STEP")
                .filter(|step| *step > 0)
                .unwrap_or(1);
            let count = high.saturating_sub(low) / step + 1;
            if number("SLURM_ARRAY_TASK_COUNT").is_some_and(|said| said != count) {
                return Err(PackError::wrong(
                    "--array",
                    "the numbers of this Slurm array have gaps; say --array I/N",
                ));
            }
            let index = id.saturating_sub(low) / step;
            return Ok(Self {
                index,
                of: Some(count),
            });
        }
        let one = number("JOB_COMPLETION_INDEX").or_else(|| number("HQ_TASK_ID"));
        let share = one.map(|index| Self { index, of: None });
        share.ok_or_else(|| {
            PackError::wrong(
                "--array",
                "none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX and HQ_TASK_ID is set; say --array I/N",
            )
        })
    }

    /// Whether the job at a place of the plan is in it.
    pub fn holds(self, position: usize) -> bool {
        match self.of {
            Some(of) => position % of == self.index,
            None => position == self.index,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(set: &[(&str, &str)]) -> Result<Share, String> {
        let get = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_string())
        };
        Share::of_engine(get).map_err(|e| e.to_string())
    }

    #[test]
    fn shares_together_are_all_jobs_once() {
        for of in [1, 3, 7] {
            let shares: Vec<Share> = (0..of)
                .map(|i| Share::parse(&format!("{i}/{of}")).unwrap())
                .collect();
            for job in 0..20 {
                assert_eq!(shares.iter().filter(|share| share.holds(job)).count(), 1);
            }
        }
        let one = Share::parse("4").unwrap();
        assert_eq!(
            (0..9).filter(|job| one.holds(*job)).collect::<Vec<_>>(),
            [4]
        );
        for bad in ["", "a", "3/3", "1/0", "-1", "1/2/3"] {
            assert!(Share::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn engines_tell_the_share() {
        let slurm = |id, min, max, step, count| {
            engine(&[
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_MAX", max),
                ("SLURM_ARRAY_TASK_STEP", step),
                ("SLURM_ARRAY_TASK_COUNT", count),
            ])
        };
        assert_eq!(
            slurm("3", "0", "9", "1", "10"),
            Share::parse("3/10").map_err(|e| e.to_string())
        );
        assert_eq!(
            slurm("5", "1", "9", "2", "5"),
            Share::parse("2/5").map_err(|e| e.to_string())
        );
        assert!(
            slurm("17", "3", "40", "1", "3")
                .unwrap_err()
                .contains("gaps")
        );
        assert_eq!(
            engine(&[("JOB_COMPLETION_INDEX", "7")]).unwrap(),
            Share::parse("7").unwrap()
        );
        assert_eq!(
            engine(&[("HQ_TASK_ID", "2")]).unwrap(),
            Share::parse("2").unwrap()
        );
        assert!(engine(&[]).unwrap_err().contains("JOB_COMPLETION_INDEX"));
    }
}
