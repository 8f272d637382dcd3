#!/usr/bin/env python3
"""Generated devices with knobs through the default path: `new --table`, `train --budget`, nothing edited.

    python3 benches/knobs.py target/release/effigy FOLDER [--budget 5m] [--seeds 1,2,3] [--only NAME …]

Effigy's own compressor with four knobs is learned from twelve of their settings, 12 s of plucked strings each, and its
overdrive from five positions of its gain, 15 s each. Tested are plucked strings never heard, at settings that were
recorded and at others in between. Printed per seed: what the search chose, the mean and the worst ESR at either kind
of setting, the loudest of their levels in silence. No package is needed."""

import csv
import json
from pathlib import Path
from statistics import median

import zoo

THRESHOLDS, RATIOS, ATTACKS, RELEASES = [-36, -30, -24, -18], [2, 4, 8], [1, 5, 20], [60, 150, 400]


def compressor(threshold, ratio, attack, release):
    return dict(threshold=threshold, ratio=ratio, attack=attack, release=release), zoo.compressor(
        threshold, ratio, attack, release)


def overdrive(gain):
    return dict(gain=gain), zoo.overdrive(gain / 10)


# Settings learned from, settings in between, seconds of each recording.
DEVICES = {
    "compressor": (
        [compressor(THRESHOLDS[k % 4], RATIOS[(k // 4 + k) % 3], ATTACKS[(k + k // 3) % 3], RELEASES[(2 * k + k // 4) % 3])
         for k in range(12)],
        [compressor(-30, 4, 5, 150), compressor(-27, 6, 10, 100), compressor(-33, 3, 3, 250), compressor(-24, 8, 1, 400)],
        12),
    "overdrive": ([overdrive(g) for g in [0, 2.5, 5, 7.5, 10]], [overdrive(g) for g in [1, 4, 6, 9]], 15),
}


def synthesise(effigy, folder, known, between, seconds):
    """The table to learn from; of each kind of setting the recordings to test on."""
    pluck = '{ kind = "plucked-string", level_dbfs = -6 }'
    parts = [("train", known, seconds), ("test", known + between, 10)]
    tables = "".join(f"[[data.{part}]]\nseconds = {length}\nsignal = {pluck}\neffect = {effect}\n"
                     for part, settings, length in parts for _, effect in settings)
    config = folder / "device.toml"
    config.write_text(f'name = "device"\nseed = 7\n[data]\nsample_rate = 44100\n{tables}[model]\nkind = "lstm"\n')
    zoo.run(effigy, "synth", "-q", "--config", config, "-o", folder / "sounds", "--format", "f32")

    def files(part, number):
        return [f"{part}-{number + 1}-{side}.wav" for side in ["dry", "wet"]]

    table = folder / "sounds" / "takes.csv"
    with table.open("w") as out:
        rows = csv.writer(out)
        rows.writerow(["dry", "wet", *known[0][0]])
        rows.writerows([*files("train", n), *knobs.values()] for n, (knobs, _) in enumerate(known))
    tests = [(knobs, *(folder / "sounds" / f for f in files("test", n)))
             for n, (knobs, _) in enumerate(known + between)]
    return table, tests[:len(known)], tests[len(known):]


def turned(knobs):
    return [a for name, value in knobs.items() for a in ("--control", f"{name}={value}")]


def scored(effigy, run, tests, folder):
    """ESR at each setting, and the loudest level in silence."""
    esrs, levels = [], []
    zoo.silence(folder / "zeros.wav")
    for knobs, dry, wet in tests:
        said = zoo.run(effigy, "evaluate", "-q", "--json", "-m", run, "--dry", dry, "--wet", wet, "--latency", "0",
                       *turned(knobs))
        esrs.append(json.loads(said)["rows"][0]["esr"])
        zoo.run(effigy, "infer", "-q", "-m", run, folder / "zeros.wav", "-o", folder / "silence.wav", "--format", "f32",
                *turned(knobs))
        levels.append(zoo.level_dbfs(folder / "silence.wav"))
    return esrs, max(levels)


def main():
    arguments = zoo.arguments_of(__doc__, "5m")
    arguments.add_argument("--seeds", default="1,2,3")
    arguments.add_argument("--only", nargs="*", default=list(DEVICES), choices=list(DEVICES))
    given = arguments.parse_args()
    effigy = given.effigy.resolve()
    for name in given.only:
        folder = given.folder.resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        table, *tests = synthesise(effigy, folder, *DEVICES[name])
        zoo.run(effigy, "new", "-q", folder / "capture", "--table", table, "--budget", given.budget, "--force")
        means = []
        for seed in given.seeds.split(","):
            run = folder / f"run-{seed}"
            line = f"{name}, seed {seed}: {zoo.chosen(zoo.trained(effigy, folder / 'capture.toml', run, seed))}"
            for kind, at in zip(["recorded", "between"], tests):
                esrs, level = scored(effigy, run, at, folder)
                mean = sum(esrs) / len(esrs)
                line += f"; {kind} ESR {mean:.2e}, worst {max(esrs):.2e}, silence {level:.0f} dBFS"
                means.append((kind, mean))
            print(line, flush=True)
        for kind in ["recorded", "between"]:
            of = [mean for k, mean in means if k == kind]
            print(f"{name}, {kind}: median of seeds {median(of):.2e}, worst {max(of):.2e}", flush=True)


if __name__ == "__main__":
    main()
