#!/usr/bin/env python3
"""What `pack run --jobs 1|2|auto` gets done on this machine.

    benches/pack_jobs.py target/release/effigy [--jobs 4] [--rounds 3]

For each of a few committed configs, which generate what they learn from, a pack of so many seeds, trained over and
over in turns with one and with two trainings at once; printed are the medians, how much more two get done, and what
`--jobs auto` measures and picks for the same pack. Standard library only."""
import argparse, os, re, shutil, statistics, subprocess, sys, tempfile, time

# An LSTM, a convolution network and a WaveNet, and epochs that take some ten seconds.
CONFIGS = {"knob": 8, "conv": 8, "a1-standard": 1}


def call(*arguments):
    done = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{arguments}: {done.stderr}")
    return done.stderr


def seconds(effigy, *jobs):
    """Of a whole pack, from nothing."""
    shutil.rmtree("run", ignore_errors=True)
    shutil.copytree("pack", "run")
    begun = time.time()
    call(effigy, "-q", "pack", "run", "run", "--jobs", *jobs)
    return time.time() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    effigy, root = os.path.abspath(wanted.effigy), os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
    os.chdir(tempfile.mkdtemp(prefix="pack-jobs-"))
    for name, epochs in CONFIGS.items():
        shutil.rmtree("pack", ignore_errors=True)
        call(effigy, "pack", "new", "pack", "--config", f"{root}/configs/{name}.toml",
             "--set", f"training.epochs={epochs}", "--vary", f"seed=1..{wanted.jobs}")
        times = {"1": [], "2": []}
        for _ in range(wanted.rounds):
            for jobs, taken in times.items():
                taken.append(seconds(effigy, jobs))
        one, two = (statistics.median(taken) for taken in times.values())
        shutil.rmtree("run")
        shutil.copytree("pack", "run")
        said = call(effigy, "pack", "run", "run", "--jobs", "auto", "--most", "1")
        picked = re.search(r"--jobs \d.*", said)
        print(f"{name:12} one after another {one:6.1f} s, two at once {two:6.1f} s: {one / two:.2f} times as much; "
              f"auto: {picked.group(0) if picked else 'said nothing'}", flush=True)


if __name__ == "__main__":
    main()
