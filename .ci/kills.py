#!/usr/bin/env python3
"""Kills training and playing at random instants and lets them go on: the end must be the undisturbed one.

    .ci/kills.py target/release/effigy [--kills 1000] [--runs 300] [--seed 1]

Every run is a few epochs of a tiny network. It is ended by SIGKILL again and again, each time at a
random instant, and then continued to its end. Compared with an undisturbed run of the same config:
the log without its clock, the predicted test sounds, the names of all files. Nothing else may stay
behind. The same for `infer`. Standard library only."""
import argparse, json, os, random, shutil, signal, struct, subprocess, sys, tempfile, time

NETWORKS = {
    "conv": 'kind = "conv"\nchannels = 2\nkernel_size = 4',
    "lstm": 'kind = "lstm"\nhidden_size = 2\nwarm_up = 24',
    "wavenet": 'kind = "wavenet"\narrays = [{ channels = 2, dilations = [1, 2], kernel_size = 3 }]',
}
RECIPES = {
    "plain": "learning_rate = 0.01",
    "average": "learning_rate = 0.01\naverage = 0.9",
    "cosine": 'learning_rate = 0.01\nschedule = { kind = "cosine" }',
}


def sound(path, samples, hz=8000):
    data = struct.pack(f"<{len(samples)}f", *samples)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, hz, 4 * hz, 4, 32,
                       b"data", len(data))
    with open(path, "wb") as file:
        file.write(head + data)


def recordings(folder, count=1500):
    dice = random.Random(7)
    dry = [dice.uniform(-0.5, 0.5) for _ in range(count)]
    wet = [max(-0.6, min(0.6, 1.2 * x + 0.6 * before)) for before, x in zip([0.0] + dry, dry)]
    sound(f"{folder}/dry.wav", dry)
    sound(f"{folder}/wet.wav", wet)
    sound(f"{folder}/long.wav", dry * 40)


def config(folder, network, recipe, epochs):
    path = f"{folder}/{network}-{recipe}.toml"
    with open(path, "w") as file:
        file.write(f'name = "t"\ndevice = "flex"\n[data]\nlatency = 0\n[[data.train]]\ndry = "dry.wav"\nwet = "wet.wav"\n'
                   f"[windows]\nwindow_len = 64\nhop = 48\n[model]\n{NETWORKS[network]}\n[baselines]\nfir_taps = 1\n"
                   f"[training]\nbatch_size = 8\nepochs = {epochs}\n{RECIPES[recipe]}\n")
    return path


def files(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def essence(run):
    """What two equal runs have in common: the log without its clock, the test sounds, the files."""
    log = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
    for row in log:
        del row["seconds"]
    sounds = {name: open(f"{run}/test/{name}", "rb").read() for name in sorted(os.listdir(f"{run}/test"))}
    names = [name for name in files(run) if not name.startswith("epoch-")]
    return log, sounds, names, files(f"{run}/epoch-{len(log)}")


def start(*arguments):
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process, what):
    _, said = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{what}: exit {process.returncode}: {said.decode(errors='replace')}")


def killed(process, after):
    """Whether it was still alive then."""
    time.sleep(after)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    effigy, dice = os.path.abspath(wanted.effigy), random.Random(wanted.seed)
    place = tempfile.mkdtemp(prefix="kills-")
    os.chdir(place)
    recordings(place)

    kinds, expected, whole = [(n, r) for n in NETWORKS for r in RECIPES], {}, {}
    for network, recipe in kinds:
        toml = config(place, network, recipe, wanted.epochs)
        begun = time.time()
        finish(start(effigy, "-q", "train", toml, "--run", "whole"), "undisturbed")
        whole[network, recipe] = time.time() - begun
        expected[network, recipe] = essence("whole")
        shutil.rmtree("whole")
    print(f"undisturbed: {', '.join(f'{n}-{r} {s:.2f} s' for (n, r), s in whole.items())}", flush=True)

    kills = runs = in_training = 0
    differing, left = [], 0
    while runs < wanted.runs or kills < wanted.kills:
        kind = kinds[runs % len(kinds)]
        command = [effigy, "-q", "train", f"{kind[0]}-{kind[1]}.toml", "--run", "cut", "--save-every", str(runs % 2)]
        go_on = lambda: command + ["--resume"] if os.path.isdir("cut") else command
        for _ in range(dice.randint(2, 6)):
            if killed(start(*go_on()), dice.uniform(0, 1.05 * whole[kind])):
                kills += 1
                in_training += os.path.exists("cut/config.toml")
        finish(start(*go_on()), f"run {runs} of {kind}")
        runs += 1
        if essence("cut") != expected[kind]:
            differing.append((runs, kind))
            shutil.copytree("cut", f"differs-{runs}")
        left += sum("scratch" in name for name in files(place) if not name.startswith("differs"))
        shutil.rmtree("cut")
        if runs % 50 == 0:
            print(f"{runs} runs, {kills} kills ({in_training} after the run had begun), {len(differing)} differ, "
                  f"{left} left over", flush=True)

    finish(start(effigy, "-q", "train", "conv-plain.toml", "--run", "model"), "a model")
    play = [effigy, "-q", "infer", "--model", "model", "long.wav", "dry.wav", "-o", "played"]
    begun = time.time()
    finish(start(*play), "undisturbed")
    took = time.time() - begun
    sounds = {name: open(f"played/{name}", "rb").read() for name in files("played")}
    shutil.rmtree("played")
    played = scratch = wrong = 0
    for _ in range(max(20, wanted.runs // 3)):
        for _ in range(3):
            played += killed(start(*play), dice.uniform(0, took))
            scratch += os.path.isdir("played") and any("scratch" in name for name in files("played"))
        finish(start(*play), "playing again")
        wrong += sounds != {name: open(f"played/{name}", "rb").read() for name in files("played")}
        shutil.rmtree("played")
    print(f"train: {kills} kills in {runs} runs, {in_training} of them after the run had begun; "
          f"{len(differing)} runs differ, {left} files left over")
    print(f"infer: {played} kills, {scratch} of them while a file was being written; {wrong} differ or left files over")
    bad = differing or left or wrong
    if not bad:
        shutil.rmtree(place)
    sys.exit(f"see {place}: {differing}" if bad else 0)


if __name__ == "__main__":
    main()
