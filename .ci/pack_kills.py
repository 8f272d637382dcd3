#!/usr/bin/env python3
"""Kills the workers of a pack at random instants: every job must be done once, and as if undisturbed.

    .ci/pack_kills.py target/release/effigy [--kills 1000] [--jobs 200] [--workers 4] [--seed 1]

One dry and many wet recordings, a tiny network each. First the pack is trained undisturbed, by one worker,
and timed against `effigy train` on the same configs. Then several workers train a second pack of the same
recordings in one folder while one after another is ended by SIGKILL and replaced, as often as asked for before
the last job can be done. Compared, run by run: the log without its clock, best weights, test sounds, names of
files. Nothing else may stay behind, and no two workers may say that they have done the same job. Standard
library only."""
import argparse, collections, json, os, random, re, shutil, signal, statistics, struct, subprocess, sys, tempfile, time

CONFIG = """name = "t"
device = "flex"
[data]
latency = 0
[[data.train]]
dry = "dry.wav"
wet = "wet-0.wav"
[windows]
window_len = 64
hop = 48
[model]
kind = "conv"
channels = 2
kernel_size = 4
[baselines]
fir_taps = 1
[training]
batch_size = 8
epochs = {epochs}
learning_rate = 0.01
"""


def sound(path, samples, hz=8000):
    data = struct.pack(f"<{len(samples)}f", *samples)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, hz, 4 * hz, 4, 32,
                       b"data", len(data))
    with open(path, "wb") as file:
        file.write(head + data)


def recordings(jobs, epochs, count=1500):
    dice = random.Random(7)
    dry = [dice.uniform(-0.5, 0.5) for _ in range(count)]
    sound("dry.wav", dry)
    for n in range(jobs):
        gain = 0.5 + n / jobs
        sound(f"wet-{n}.wav", [max(-0.6, min(0.6, gain * x + 0.3 * before)) for before, x in zip([0.0] + dry, dry)])
    with open("t.toml", "w") as file:
        file.write(CONFIG.format(epochs=epochs))


def files(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def essence(run):
    """What two equal runs have in common."""
    log = [json.loads(line) for line in read(f"{run}/metrics.jsonl").splitlines()]
    for row in log:
        del row["seconds"]
    sounds = {name: read(f"{run}/test/{name}") for name in sorted(os.listdir(f"{run}/test"))}
    names = [name for name in files(run) if not name.startswith("epoch-")]
    # burn gives every parameter a random number beside its values.
    weights = re.sub(rb"hparam_id\x1b.{8}", b"", read(f"{run}/best/weights.bpk"), flags=re.DOTALL)
    return log, sounds, weights, names, files(f"{run}/epoch-{len(log)}")


def whole(folder, jobs):
    """What is wrong with a pack that is said to be done."""
    wrong = [f"{name}/{left}" for name in ("claims", "work", "failed") for left in os.listdir(f"{folder}/{name}")]
    wrong += [name for name in files(folder) if "scratch" in name]
    if len(os.listdir(f"{folder}/runs")) != jobs:
        wrong.append(f"{len(os.listdir(f'{folder}/runs'))} runs of {jobs}")
    return wrong


def call(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    for name, value in dict(kills=1000, jobs=200, workers=4, epochs=16, seed=1).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    wanted = parser.parse_args()
    effigy, dice = os.path.abspath(wanted.effigy), random.Random(wanted.seed)
    place = tempfile.mkdtemp(prefix="pack-kills-")
    os.chdir(place)
    recordings(wanted.jobs, wanted.epochs)
    wets = [f"wet-{n}.wav" for n in range(wanted.jobs)]
    new = lambda folder: call(effigy, "-q", "pack", "new", folder, "--config", "t.toml", "--dry", "dry.wav", *wets)

    new("calm")
    configs = []
    for n in range(wanted.jobs):
        configs.append(f"plain-{n}.toml")
        with open(configs[-1], "w") as file:
            file.write(read("t.toml").decode().replace("wet-0", f"wet-{n}").replace('"t"', f'"plain-{n}"'))
    # In turns, so that whatever else the machine does meets both.
    slices, ratios, calm = [configs[at:at + 20] for at in range(0, wanted.jobs, 20)], [], 0
    for these in slices:
        begun = time.time()
        call(effigy, "-q", "pack", "run", "calm", "--most", str(len(these)))
        between = time.time()
        call(effigy, "-q", "train", "--no-report", *these)
        ratios.append((between - begun) / (time.time() - between))
        calm += between - begun
    shutil.rmtree("checkpoints")
    print(f"undisturbed: {calm:.2f} s for {wanted.jobs} jobs by one worker; against `effigy train` on the same "
          f"configs, {len(slices)} times in turns: {100 * (statistics.median(ratios) - 1):+.1f} % (median), "
          f"{100 * (min(ratios) - 1):+.1f} to {100 * (max(ratios) - 1):+.1f} %", flush=True)
    if whole("calm", wanted.jobs):
        sys.exit(f"undisturbed: {whole('calm', wanted.jobs)}")

    new("wild")
    said = open("said.txt", "ab")
    start = lambda: subprocess.Popen([effigy, "pack", "run", "wild"], stdout=subprocess.DEVNULL, stderr=said)
    workers = [start() for _ in range(wanted.workers)]
    kills = done = looks = 0
    untrue, each = [], 0.3
    begun = shown = time.time()
    while kills < wanted.kills:
        time.sleep(dice.uniform(0, 2 * each))
        # So often that the last job is not done before the last kill.
        done = len(os.listdir("wild/runs")) if os.path.isdir("wild/runs") else 0
        ahead = done * wanted.kills > 0.9 * kills * wanted.jobs
        each = max(0.01, min(0.5, each * (0.7 if ahead else 1.1)))
        for victim in range(len(workers)) if ahead else [dice.randrange(len(workers))]:
            if workers[victim].poll() is None:
                workers[victim].kill()
            workers[victim].communicate()
            if workers[victim].returncode == -signal.SIGKILL:
                kills += 1
            elif workers[victim].returncode != 0:
                sys.exit(f"a worker ended by itself: exit {workers[victim].returncode}, see {place}/said.txt")
            workers[victim] = start()
        if dice.random() < 0.05:
            counts = json.loads(call(effigy, "-q", "--json", "pack", "status", "wild"))["counts"]
            after = len(os.listdir("wild/runs"))
            looks += 1
            if sum(counts.values()) != wanted.jobs or not done <= counts["done"] <= after or counts["failed"]:
                untrue.append((done, counts, after))
        if time.time() - shown > 20:
            shown = time.time()
            print(f"{shown - begun:.0f} s: {kills} kills, {done} done", flush=True)
    print(f"{kills} kills in {time.time() - begun:.0f} s, {done} of {wanted.jobs} done by then", flush=True)
    for worker in workers:
        worker.communicate()
    call(effigy, "-q", "pack", "run", "wild")
    said.close()

    told = collections.Counter(line.split(": done")[0] for line in read("said.txt").decode(errors="replace").splitlines()
                               if ": done, ESR" in line)
    twice = [name for name, count in told.items() if count > 1]
    ids = sorted(os.listdir("calm/runs"))
    differing = [id for id in ids if not os.path.isdir(f"wild/runs/{id}") or
                 essence(f"calm/runs/{id}") != essence(f"wild/runs/{id}")]
    left = whole("wild", wanted.jobs)
    print(f"{len(ids)} jobs: {len(differing)} differ from the undisturbed ones, {len(twice)} done twice "
          f"({len(told)} were told of before a kill could come), {len(left)} left over; "
          f"status looked at {looks} times, untrue {len(untrue)}")
    if differing or twice or left or untrue:
        sys.exit(f"see {place}: {differing[:5]} {twice[:5]} {left[:5]} {untrue[:5]}")
    os.chdir("/")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
