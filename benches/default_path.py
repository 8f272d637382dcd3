#!/usr/bin/env python3
"""Real recordings through the default path: `new --pairs`, `train --budget`, `infer`, nothing edited.

    python3 benches/default_path.py target/release/effigy FOLDER [--budget 5m] [--seeds 1,2,3] [--only SET …]
        [--all-to-the-end]

The recordings are those of EFFIGY_SHARED (default ../shared). Only what is learned from is given to effigy, as
files of FOLDER; it is scored outside of effigy on what was held back, against the wet file moved by the latency
that the run reports. Printed per set and seed: what was chosen, its validation figure, ESR on what was never
heard, the level in the last of 20 s of silence; at the end median and worst of the seeds. With --all-to-the-end every
entrant of the race is trained alone for the whole budget, too, and scored alike. Needs numpy and soundfile."""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

SHARED = Path(os.environ.get("EFFIGY_SHARED", "../shared")).resolve() / "data"
FUZZ = ["bass_1", "bass_2", "guitar_1", "guitar_2"]
# Of the overdrive's four dying notes the first 70 % are learned from; scored along the whole of each.
HEARD = 0.7
ALONG = [0, 20, 40, 60, 70, 80, 100]


def named(folder, *names):
    return [(SHARED / folder / f"{name}-dry.wav", SHARED / folder / f"{name}-wet.wav") for name in names]


def lone(folder):
    return [(SHARED / folder / "dry.wav", SHARED / folder / "wet.wav")]


def pair_set(train, test, part=(0, 1), scored=(0, 1), **more):
    return dict(train=train, test=test, part=part, scored=scored, **more)


SETS = {f"fuzz without {out}": pair_set(named("fuzz-jhm8", *(n for n in FUZZ if n != out)), named("fuzz-jhm8", out))
        for out in FUZZ}
NOTES = named("overdrive-bd2", *(f"clip{n}" for n in range(4)))
AMOUNTS = named("compressor-la2a", *(f"sample{n}" for n in range(1, 6)))
SETS |= {
    "diode": pair_set(lone("diode-clipper"), lone("diode-clipper"), (0, 0.85), (0.85, 1)),
    "pedals": pair_set(named("pedals", "sin", "square", "saw"), named("pedals", "beethoven")),
    "compressor": pair_set(AMOUNTS, AMOUNTS, (0, 0.75), (0.75, 1), knobs="sample{amount}-wet", gain_fitted=True),
    "low-pass": pair_set(named("lowpass", "sin", "square"), named("lowpass", "beethoven"), rmse=True),
    "overdrive notes": pair_set(NOTES, NOTES, (0, HEARD), along=True),
}


def call(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr[-500:]}")
    return done.stdout


def read(path):
    sound, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return sound.T, rate


def write(path, sound, rate):
    soundfile.write(path, sound.T, rate, subtype="FLOAT")


def part_of(sound, part):
    return sound[:, int(part[0] * sound.shape[1]):int(part[1] * sound.shape[1])]


def prepare(folder, wanted):
    """What is learned from, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair in wanted["train"]:
        for path in pair:
            sound, rate = read(path)
            write(folder / path.name, part_of(sound, wanted["part"]), rate)


def played(effigy, run, sound, rate, place, controls):
    write(place / "played-dry.wav", sound, rate)
    call(effigy, "infer", "-m", run, place / "played-dry.wav", "-o", place / "played.wav", "--format", "f32", *controls)
    return read(place / "played.wav")[0]


def aligned(wet, predicted, latency):
    wet = wet[:, latency:] if latency > 0 else np.pad(wet, ((0, 0), (-latency, 0)))
    length = min(wet.shape[1], predicted.shape[1])
    return wet[:, :length], predicted[:, :length]


def esr(wet, predicted):
    return float(((wet - predicted) ** 2).sum() / (wet ** 2).sum())


def figures(wanted, wet, predicted):
    """By name, of one recording."""
    if wanted.get("along"):
        spans = zip(ALONG, ALONG[1:])
        return {f"{a}–{b} %": esr(part_of(wet, (a / 100, b / 100)), part_of(predicted, (a / 100, b / 100)))
                for a, b in spans}
    wet, predicted = part_of(wet, wanted["scored"]), part_of(predicted, wanted["scored"])
    if wanted.get("rmse"):
        return {"RMSE": float(np.sqrt(((wet - predicted) ** 2).mean()))}
    if wanted.get("gain_fitted"):
        return {"ESR": esr(wet, predicted),
                "gain-fitted": esr(wet, predicted * (wet * predicted).sum() / (predicted ** 2).sum())}
    return {"ESR": esr(wet, predicted)}


def scored(effigy, wanted, run, place):
    """Of every recording its wet file's name and figures; the level in the last of 20 s of silence."""
    latency = json.loads((run / "report.json").read_text())["latencies"][0]["latency_samples"]
    rows, controls = [], []
    for number, (dry, wet) in enumerate(wanted["test"]):
        sound, rate = read(dry)
        if "knobs" in wanted:
            controls = ["--control", f"amount={number + 1}"]
        predicted = played(effigy, run, sound, rate, place, controls)
        rows.append((wet.name, figures(wanted, *aligned(read(wet)[0], predicted, latency))))
    silence = played(effigy, run, np.zeros((1, 20 * rate)), rate, place, controls)
    return rows, 20 * np.log10(np.sqrt((silence[:, -rate:] ** 2).mean()) + 1e-12)


def mean_of(rows):
    return {key: float(np.mean([row[key] for _, row in rows])) for key in rows[0][1]}


def told(figures_by_name):
    return "  ".join(f"{key} {value:.3g}" for key, value in figures_by_name.items())


def validated(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return min(row["valid"]["esr"] for row in rows)


def trained(effigy, name, wanted, seed, budget, place, all_to_the_end):
    """The figures of a set: of each recording by name, and what the run says of itself."""
    stem = name.replace(" ", "-")
    folder, run = place / stem, place / "runs" / f"{stem}-{seed}"
    prepare(folder, wanted)
    knobs = ["--knobs", wanted["knobs"]] if "knobs" in wanted else []
    begun = time.time()
    call(effigy, "new", place / f"{stem}-{seed}", "--pairs", folder, "--force", *knobs)
    subprocess.run(["rm", "-rf", run, f"{run}-search"], check=True)
    call(effigy, "train", place / f"{stem}-{seed}.toml", "--run", run, "--seed", seed, "--budget", budget)
    seconds = time.time() - begun
    rows, level = scored(effigy, wanted, run, place)
    race = run / "search.json"
    race = json.loads(race.read_text()) if race.exists() else None
    chosen = race["entrants"][race["winner"]]["name"] if race else "no search"
    print(f"{name}, seed {seed}: {chosen}, {seconds:.0f} s, silence {level:.0f} dBFS", flush=True)
    for wet, row in rows:
        print(f"    {wet:24} {told(row)}", flush=True)
    if race and all_to_the_end:
        print(f"    {'as chosen':34} validation {validated(run):.3g}  {told(mean_of(rows))}", flush=True)
        for number, entrant in enumerate(race["entrants"]):
            alone = place / "runs" / f"{stem}-{seed}-alone-{number}"
            subprocess.run(["rm", "-rf", alone, f"{alone}-search"], check=True)
            call(effigy, "train", place / f"{stem}-{seed}.toml", "--run", alone, "--seed", seed, "--budget", budget,
                 "--set", f'search.only="{entrant["name"]}"')
            rows_alone, _ = scored(effigy, wanted, alone, place)
            print(f"    {entrant['name']:34} validation {validated(alone):.3g}  {told(mean_of(rows_alone))}", flush=True)
    return mean_of(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--all-to-the-end", action="store_true")
    wanted = parser.parse_args()
    effigy, place = os.path.abspath(wanted.effigy), wanted.folder.resolve()
    found = {}
    for name in wanted.only:
        found[name] = []
        for seed in wanted.seeds.split(","):
            try:
                found[name].append(trained(effigy, name, SETS[name], seed, wanted.budget, place,
                                            wanted.all_to_the_end))
            except RuntimeError as error:
                print(f"{name}, seed {seed}: {error}", file=sys.stderr, flush=True)
    print(f"\nmean over a set's recordings; median and worst of seeds {wanted.seeds}")
    for name, all_seeds in found.items():
        for key in all_seeds[0] if all_seeds else []:
            values = [one[key] for one in all_seeds]
            print(f"{name:24} {key:12} {median(values):.4g}  {max(values):.4g}")


if __name__ == "__main__":
    main()
