#!/usr/bin/env python3
"""A zoo of generated devices through the default path: `new`, `train --budget`, nothing edited.

    python3 benches/zoo.py target/release/effigy FOLDER [--budget 60s] [--only NAME …] [--all-to-the-end]

Each device is a chain of effigy's own effects; it is learned from plucked strings and moving waves of
various lengths and tested on plucked strings that it has not heard. Printed per device: what the search
chose, ESR on the unheard sound, the level in silence; with --all-to-the-end every entrant is trained alone
for the same budget, too, to see how far from the best the choice was. No package is needed.
"""

import argparse
import json
import math
import struct
import subprocess
import sys
from pathlib import Path
from statistics import median


def overdrive(gain, tone=0.5, level=0.7):
    return f'{{ kind = "overdrive", gain = {gain}, tone = {tone}, level = {level} }}'


def fuzz(gain, bias=0.3):
    return f'{{ kind = "fuzz", gain = {gain}, bias = {bias} }}'


def compressor(threshold, ratio, attack, release):
    return (f'{{ kind = "compressor", threshold_db = {threshold}, ratio = {ratio}, '
            f'attack_ms = {attack}, release_ms = {release} }}')


def low_pass(hz, poles=2):
    return f'{{ kind = "low-pass", cutoff_hz = {hz}, poles = {poles} }}'


def telephone(db):
    return f'{{ kind = "telephone", drive_db = {db} }}'


def gain(db):
    return f'{{ kind = "gain", gain_db = {db} }}'


# Name, chain, seconds, level of the playing in dBFS.
DEVICES = [
    ("od-soft", [overdrive(0.15)], 60, -6),
    ("od-mid", [overdrive(0.5)], 30, -6),
    ("od-hard", [overdrive(0.8, 0.7)], 60, -12),
    ("od-short", [overdrive(0.5, 0.3)], 10, -6),
    ("od-quiet", [overdrive(0.6)], 30, -30),
    ("od-bright", [overdrive(0.4, 0.95)], 120, -6),
    ("fuzz-low", [fuzz(0.2)], 30, -6),
    ("fuzz-mid", [fuzz(0.5)], 60, -12),
    ("fuzz-high", [fuzz(0.8, 0.1)], 30, -18),
    ("fuzz-skewed", [fuzz(0.4, 0.8)], 20, -6),
    ("fuzz-dark", [fuzz(0.5), low_pass(2000)], 60, -12),
    ("phone-soft", [telephone(6)], 30, -6),
    ("phone-hard", [telephone(30)], 30, -12),
    ("comp-slow", [compressor(-30, 4, 20, 300)], 60, -6),
    ("comp-fast", [compressor(-24, 8, 2, 60)], 30, -6),
    ("comp-hard", [compressor(-40, 20, 5, 150)], 60, -6),
    ("comp-short", [compressor(-30, 4, 10, 200)], 10, -6),
    ("eq-dark", [low_pass(800)], 30, -6),
    ("eq-darker", [low_pass(300), low_pass(3000, 1)], 20, -6),
    ("clean", [gain(-6)], 10, -6),
    ("two-stage", [overdrive(0.4, 0.35, 1.0), overdrive(0.4, 0.7)], 30, -6),
    ("two-stage-hot", [overdrive(0.6, 0.3, 1.0), overdrive(0.6, 0.6)], 60, -12),
    ("three-stage", [overdrive(0.3, 0.6, 1.0), overdrive(0.3, 0.4, 1.0), overdrive(0.3, 0.7)], 60, -6),
    ("comp-od", [compressor(-30, 4, 5, 120), overdrive(0.5)], 60, -6),
    ("od-comp", [overdrive(0.5), compressor(-20, 6, 5, 150)], 60, -6),
    ("comp-fuzz", [compressor(-24, 3, 10, 200), fuzz(0.4)], 30, -6),
    ("phone-od", [telephone(12), overdrive(0.4, 0.7)], 30, -6),
    ("od-phone", [overdrive(0.35, 0.4, 1.0), telephone(12)], 60, -12),
    ("dark-od", [low_pass(1500), overdrive(0.5)], 30, -6),
    ("od-dark-od", [overdrive(0.3, 0.7, 1.0), low_pass(1200), overdrive(0.4)], 60, -6),
    ("fuzz-quiet", [fuzz(0.6)], 20, -36),
    ("comp-gain-od", [compressor(-36, 6, 3, 80), gain(12), overdrive(0.3)], 120, -6),
]


def synthesise(effigy, folder, chain, seconds, level):
    """Dry and wet to learn from, and others to be tested on."""
    effects = ", ".join(chain)
    pluck = f'{{ kind = "plucked-string", level_dbfs = {level} }}'
    noise = f'{{ kind = "noise", colour = "pink", level_dbfs = {level - 6} }}'
    tables = "".join(
        f"[[data.{part}]]\nseconds = {length}\nsignal = {signal}\n"
        for part, length, signal in [
            ("train", 0.8 * seconds, pluck), ("train", 0.2 * seconds, noise), ("test", 15, pluck)])
    config = folder / "device.toml"
    config.write_text(
        f'name = "device"\nseed = 7\n[data]\nsample_rate = 44100\n'
        f'effect = {{ kind = "chain", effects = [{effects}] }}\n{tables}[model]\nkind = "lstm"\n')
    run(effigy, "synth", "-q", "--config", config, "-o", folder / "sounds", "--format", "f32")


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def silence(path):
    """Twenty seconds of zeros as a WAV of 16 bits."""
    data = bytes(2 * 44100 * 20)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1,
                       44100, 88200, 2, 16, b"data", len(data))
    path.write_bytes(head + data)


def level_dbfs(path):
    """RMS of the last second of a WAV of 32-bit floats."""
    data = path.read_bytes()
    at = data.index(b"data")
    samples = struct.unpack(f"<{44100}f", data[-4 * 44100:]) if len(data) - at > 4 * 44100 else (0.0,)
    return 10 * math.log10(sum(x * x for x in samples) / len(samples) + 1e-24)


def pairs(sounds):
    """Dry and wet files by part."""
    found = {}
    for dry in sorted(sounds.glob("*dry*.wav")):
        part = "test" if "test" in dry.name else "train"
        found.setdefault(part, []).append((dry, dry.with_name(dry.name.replace("dry", "wet"))))
    return found


def arguments_of(doc, budget):
    """What every bench of generated devices takes."""
    arguments = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("effigy", type=Path)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--budget", default=budget)
    return arguments


def trained(effigy, config, run_folder, seed):
    """The race of a config trained anew."""
    subprocess.run(["rm", "-rf", run_folder, f"{run_folder}-search"], check=True)
    run(effigy, "train", "-q", config, "--run", run_folder, "--seed", seed, "--no-report")
    return json.loads((run_folder / "search.json").read_text())


def chosen(race):
    return race["entrants"][race["winner"]]["name"]


def main():
    arguments = arguments_of(__doc__, "60s")
    arguments.add_argument("--seed", default="1")
    arguments.add_argument("--only", nargs="*")
    arguments.add_argument("--all-to-the-end", action="store_true")
    given = arguments.parse_args()
    effigy = given.effigy.resolve()
    esrs, silences, ratios = [], [], []
    for name, chain, seconds, level in DEVICES:
        if given.only and name not in given.only:
            continue
        folder = given.folder / f"{name}-{given.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        synthesise(effigy, folder, chain, seconds, level)
        sounds = pairs(folder / "sounds")
        named = [a for dry, wet in sounds["train"] for a in ("--dry", dry, "--wet", wet)]
        config, captured = folder / "capture.toml", folder / "run"
        run(effigy, "new", "-q", folder / "capture", *named, "--latency", "0", "--budget", given.budget, "--force")
        race = trained(effigy, config, captured, given.seed)
        (dry, wet), = sounds["test"]

        def esr_of(model):
            said = run(effigy, "evaluate", "-q", "--json", "-m", model, "--dry", dry, "--wet", wet,
                       "--latency", "0")
            return json.loads(said)["rows"][0]["esr"]

        esr = esr_of(captured)
        silence(folder / "zeros.wav")
        run(effigy, "infer", "-q", "-m", captured, folder / "zeros.wav", "-o", folder / "silence.wav",
            "--format", "f32")
        idle = level_dbfs(folder / "silence.wav")
        line = f"{name:14} {seconds:4} s {level:4} dBFS  {chosen(race):34} ESR {esr:9.2e}  silence {idle:7.1f} dBFS"
        if given.all_to_the_end:
            best = esr
            for entrant in race["entrants"]:
                best = min(best, alone(effigy, config, entrant["name"], race, folder, given, esr_of))
            ratios.append(esr / best)
            line += f"  best of all {best:9.2e}, ratio {esr / best:.2f}"
        print(line, flush=True)
        esrs.append(esr)
        silences.append(idle)
    print(f"{len(esrs)} devices: ESR median {median(esrs):.2e}, worst {max(esrs):.2e}; "
          f"silence worst {max(silences):.1f} dBFS")
    if ratios:
        print(f"against the best of all: median {median(ratios):.2f}, worst {max(ratios):.2f}")


def alone(effigy, config, name, race, folder, given, esr_of):
    """ESR of one entrant that is trained alone for the whole budget."""
    alone = folder / f"alone-{race['entrants'].index(next(e for e in race['entrants'] if e['name'] == name))}"
    subprocess.run(["rm", "-rf", alone, f"{alone}-search"], check=True)
    run(effigy, "train", "-q", config, "--run", alone, "--seed", given.seed, "--no-report",
        "--set", f'search.only="{name}"')
    return esr_of(alone)


if __name__ == "__main__":
    main()
