#!/usr/bin/env python3
"""Takes the power away from a training run on a real ext4, and lets it go on: needs root and loop devices.

    .ci/power_loss.py target/release/effigy [--snapshots 40]

A run trains on an ext4 file system in an image. At random instants it is halted, the image is copied
as it is (what the system still holds in memory is lost), the copy is mounted (its journal is
replayed) and the run in it continued to its end: log without clock and test sounds must be those of
an undisturbed run. Standard library only."""
import argparse, os, random, shutil, signal, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kills import config, essence, recordings


def call(*arguments):
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def train(effigy, toml, run, more=()):
    command = [effigy, "-q", "train", toml, "--run", run, "--save-every", "0", *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    parser.add_argument("--snapshots", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    effigy, dice = os.path.abspath(wanted.effigy), random.Random(wanted.seed)
    place = tempfile.mkdtemp(prefix="power-loss-")
    os.chdir(place)
    recordings(place)
    toml = config(place, "conv", "average", wanted.epochs)
    whole = train(effigy, toml, "whole")
    begun = time.time()
    if whole.wait():
        sys.exit(whole.stderr.read())
    took = time.time() - begun
    expected = essence("whole")
    resumed = fresh = older = wrong = 0
    os.mkdir("disk"), os.mkdir("copy")
    for number in range(wanted.snapshots):
        call("dd", "if=/dev/zero", "of=image", "bs=1M", "count=24")
        call("mkfs.ext4", "-q", "-F", "image")
        call("mount", "-o", "loop", "image", "disk")
        run = train(effigy, toml, "disk/r")
        time.sleep(dice.uniform(0, took))
        run.send_signal(signal.SIGSTOP)
        shutil.copyfile("image", "lost")
        run.kill()
        run.communicate()
        call("umount", "disk")
        call("mount", "-o", "loop", "lost", "copy")
        begun = os.path.isfile("copy/r/config.toml")
        epochs = [name for name in os.listdir("copy/r") if name.startswith("epoch-") and "scratch" not in name] if begun else []
        again = train(effigy, toml, "copy/r", ["--resume"] if os.path.isdir("copy/r") else [])
        _, said = again.communicate()
        bad = again.returncode or essence("copy/r") != expected
        if bad:
            print(f"{number}: exit {again.returncode}, {sorted(epochs)}: {said}")
        wrong += bool(bad)
        fresh += not epochs
        resumed += bool(epochs) and not bad
        older += "continuing after epoch" in said
        call("umount", "copy")
    shutil.rmtree(place)
    print(f"{wanted.snapshots} power losses: {resumed} continued after an epoch ({older} of them not the newest), "
          f"{fresh} before the first, {wrong} ended elsewhere than undisturbed")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
