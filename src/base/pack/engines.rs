//! What engines of clusters are told: a Slurm script, a Kubernetes manifest, a line for HyperQueue
//! and one for GNU parallel, all from one order. Knows no pack.

use std::fmt::Write;

/// What is to be run, and what one task of it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Names it to the engine.
    pub name: String,
    /// The program, absolute.
    pub program: String,
    /// The pack's folder, absolute.
    pub folder: String,
    /// Into how many shares the plan is cut.
    pub tasks: usize,
    /// Shares that have something left to do.
    pub open: Vec<usize>,
    /// What a task may take, in minutes.
    pub minutes: u64,
    /// In mebibytes.
    pub memory_mib: u64,
    /// Cores of a task.
    pub cores: usize,
    /// The container that Kubernetes runs.
    pub image: String,
    /// Lines that go to the engine as they are: `--partition=long`.
    pub options: Vec<String>,
}

impl Order {
    /// A batch script for `sbatch`. SIGTERM, whether of a preemption, of `scancel --batch` or a
    /// minute before the time is over, lets the epoch under way be kept and the task be queued
    /// again.
    pub fn slurm(&self) -> String {
        let mut text = format!(
            "#!/bin/bash\n\
             #SBATCH --job-name={}\n\
             #SBATCH --array={}\n\
             #SBATCH --time={}\n\
             #SBATCH --mem={}M\n\
             #SBATCH --cpus-per-task={}\n\
             #SBATCH --requeue\n\
             #SBATCH --signal=B:TERM@60\n\
             #SBATCH --open-mode=append\n\
             #SBATCH --output=\"{}/slurm-%a.txt\"\n",
            self.name,
            ranges(&self.open),
            self.minutes.max(2),
            self.memory_mib,
            self.cores,
            self.folder,
        );
        for option in &self.options {
            let _ = writeln!(text, "#SBATCH {option}");
        }
        let _ = write!(
            text,
            "\n\
             # SIGTERM comes before the time is over, or another job takes the place: what was learned\n\
             # is kept, and the task goes on when it is run again.\n\
             export RAYON_NUM_THREADS={}\n\
             {} --quiet pack run {} --array \"$SLURM_ARRAY_TASK_ID/{}\" &\n\
             worker=$!\n\
             trap 'stopped=yes; kill -TERM \"$worker\"' TERM\n\
             wait \"$worker\"\n\
             code=$?\n\
             if [ \"$stopped\" = yes ]; then\n\
             \x20   wait \"$worker\"\n\
             \x20   scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\"\n\
             fi\n\
             exit \"$code\"\n",
            self.cores,
            quoted(&self.program),
            quoted(&self.folder),
            self.tasks,
        );
        text
    }

    /// An indexed job of Kubernetes. The folder is a volume that all its pods share.
    pub fn kubernetes(&self) -> String {
        let name: String = self.name.to_lowercase().replace(['_', '.'], "-");
        format!(
            "apiVersion: batch/v1\n\
             kind: Job\n\
             metadata:\n\
             \x20 name: {name}\n\
             spec:\n\
             \x20 completionMode: Indexed\n\
             \x20 completions: {tasks}\n\
             \x20 parallelism: {tasks}\n\
             \x20 backoffLimitPerIndex: 10\n\
             \x20 maxFailedIndexes: {tasks}\n\
             \x20 template:\n\
             \x20   spec:\n\
             \x20     restartPolicy: Never\n\
             \x20     terminationGracePeriodSeconds: 60\n\
             \x20     containers:\n\
             \x20       - name: effigy\n\
             \x20         image: {image}\n\
             \x20         command: [effigy, --quiet, pack, run, {folder}, --array, $(JOB_COMPLETION_INDEX)/{tasks}]\n\
             \x20         env:\n\
             \x20           - {{ name: RAYON_NUM_THREADS, value: \"{cores}\" }}\n\
             \x20         resources:\n\
             \x20           requests: {{ cpu: \"{cores}\", memory: {memory}Mi }}\n\
             \x20           limits: {{ memory: {limit}Mi }}\n\
             \x20         volumeMounts:\n\
             \x20           - {{ name: pack, mountPath: {folder} }}\n\
             \x20     volumes:\n\
             \x20       - name: pack\n\
             \x20         persistentVolumeClaim: {{ claimName: {name} }}\n",
            tasks = self.tasks,
            image = json(&self.image),
            folder = json(&self.folder),
            cores = self.cores,
            memory = self.memory_mib,
            limit = 2 * self.memory_mib,
        )
    }

    /// A line for HyperQueue.
    pub fn hyperqueue(&self) -> String {
        let (program, folder) = (quoted(&self.program), quoted(&self.folder));
        format!(
            "hq submit --name {} --array {} --cpus {} --time-request {}min --crash-limit 10 -- bash -c \
             'exec {program} --quiet pack run {folder} --array \"$HQ_TASK_ID/{}\"'\n",
            quoted(&self.name),
            ranges(&self.open),
            self.cores,
            self.minutes,
            self.tasks
        )
    }

    /// A line for GNU parallel: workers that take what is left, on this machine or, with `-S`, on
    /// several.
    pub fn parallel(&self) -> String {
        let workers: Vec<String> = (1..=self.tasks.min(64)).map(|n| n.to_string()).collect();
        format!(
            "parallel --jobs 100% -N0 RAYON_NUM_THREADS={} {} --quiet pack run {} ::: {}\n",
            self.cores,
            quoted(&self.program),
            quoted(&self.folder),
            workers.join(" ")
        )
    }
}

/// A word for the shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// A word for YAML: a string of JSON is one.
fn json(text: &str) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

/// `0-3,7,9-12` of ascending numbers.
fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            name: "my_amps".to_string(),
            program: "/usr/bin/effigy".to_string(),
            folder: "/data/my amps".to_string(),
            tasks: 10,
            open: vec![0, 1, 2, 5, 8, 9],
            minutes: 30,
            memory_mib: 700,
            cores: 2,
            image: "effigy:0.1".to_string(),
            options: vec!["--partition=long".to_string()],
        }
    }

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 5, 8, 9]), "0-2,5,8-9");
        assert_eq!(ranges(&[3]), "3");
    }

    #[test]
    fn every_engine_is_told_the_same() {
        let order = order();
        let slurm = order.slurm();
        for line in [
            "#SBATCH --array=0-2,5,8-9\n",
            "#SBATCH --mem=700M\n",
            "#SBATCH --time=30\n",
            "#SBATCH --cpus-per-task=2\n",
            "#SBATCH --partition=long\n",
            "pack run '/data/my amps' --array \"$SLURM_ARRAY_TASK_ID/10\" &\n",
            "scontrol requeue \"${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}\"\n",
        ] {
            assert!(slurm.contains(line), "{line}: {slurm}");
        }
        let yaml = order.kubernetes();
        for line in [
            "completions: 10\n",
            "\"/data/my amps\", --array, $(JOB_COMPLETION_INDEX)/10]",
            "cpu: \"2\"",
            "name: my-amps\n",
        ] {
            assert!(yaml.contains(line), "{line}: {yaml}");
        }
        assert!(order.hyperqueue().contains("--array 0-2,5,8-9 --cpus 2"));
        assert!(order.parallel().ends_with("::: 1 2 3 4 5 6 7 8 9 10\n"));
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
