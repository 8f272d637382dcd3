#!/usr/bin/env python3
"""Every committed config, trained as it is: one figure wherever it is scored, and silence in silence.

    python3 benches/every_config.py target/release/effigy FOLDER [--seed 1] [--epochs N] [--only NAME …]

Printed per config, as soon as it is trained: ESR of the test in training's own table; how far, relative to
it, the figures of `compare` and of the whole recording's `infer`, scored in here, are from it, and `evaluate` of
the test's span alone from that span's `infer` (the worst of the test's recordings); over 60 s of zeros the level and the constant of the last second, how much louder the last ten
seconds are than those from 10 s to 20 s; the probe's verdict; the gain in the softest fifth of the test beside
the recording's. At the end the worst of each. `--epochs` trains less, for the figures' agreement alone.
Recordings are those of EFFIGY_SHARED (default ../shared); a config whose recordings are not there is named.
Needs numpy and soundfile."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import numpy as np
import soundfile

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
SECONDS = 60


def call(effigy, *arguments):
    done = subprocess.run([effigy, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def dbfs(sound):
    return 10 * np.log10(float((sound ** 2).mean()) + 1e-30)


def esr(wet, predicted):
    return float(((wet - predicted) ** 2).sum() / (wet ** 2).sum())


def knobs(test):
    """What the knobs of a test were set to, as arguments."""
    return [a for name, value in test.get("controls", {}).items() for a in ("--control", f"{name}={value}")]


def recording(effigy, path, data, number):
    """The dry side that a test of a config's `[data]` is cut from; a generated one is made."""
    test = data["test"][number]
    if "dry" in test:
        return soundfile.read(CONFIGS / data.get("root", ".") / test["dry"], always_2d=True)[0]
    with tempfile.TemporaryDirectory() as folder:
        call(effigy, "synth", "--config", path, "-o", folder, "--format", "f32")
        return soundfile.read(f"{folder}/test-{number + 1}-dry.wav", always_2d=True)[0]


def found_in(sound, span):
    """The channels of a recording that a span is cut from, and where it begins there."""
    head = span[:4096]
    # What is one channel there is heard on both sides of a stereo effect.
    sound = np.broadcast_to(sound, (len(sound), max(sound.shape[1], span.shape[1])))
    for channel in sound.T if span.shape[1] == 1 else [sound]:
        channel = channel.reshape(len(sound), -1)
        for at in (channel[:len(channel) - len(head) + 1, 0] == head[0, 0]).nonzero()[0]:
            if np.array_equal(channel[at:at + len(head)], head):
                return channel, int(at)
    raise RuntimeError("a test's span is not found in its recording")


def phase(said, number):
    """Of an effect that moves by itself: the phase that was read, as arguments, and samples that only told it."""
    phases = said.get("phases") or []
    if not phases:
        return [], 0
    return ["--phase", phases[number]["phase"]], phases[number]["scored_seconds"][0]


def played(effigy, run, sound, rate, heard, held):
    """What `infer` makes of a sound, as rows of samples."""
    if heard == {"dry": 1, "wet": 2}:
        sound = sound[:, :1]
    soundfile.write(run / "dry.wav", sound, rate, subtype="FLOAT")
    call(effigy, "infer", "-m", run, run / "dry.wav", "-o", run / "played.wav", "--format", "f32", *held)
    return soundfile.read(run / "played.wav", always_2d=True)[0]


def apart(effigy, path, data, run, report, heard):
    """Relative distance of each place's figure from training's, the worst of the recordings."""
    pooled = report["rows"][0]["esr"]
    compared = json.loads(call(effigy, "compare", "--json", "-m", run))["rows"]
    found = {"compare": abs(next(row["esr"] for row in compared if row["name"] == run.name) / pooled - 1)}
    # A file of two channels that are learned one by one is two tests.
    spans = sorted((run / "test").glob("*-dry.wav"), key=lambda path: int(path.name.split("-")[0]))
    tests = data["test"]
    # Of a stereo effect each side has figures of its own.
    pairs = report["by_pair"] or [report]
    sides = len(pairs) // len(spans)
    for number, dry in enumerate(spans):
        test = number * len(tests) // len(spans)
        held = knobs(tests[test])
        other = Path(str(dry).replace("-dry.wav", "-wet.wav"))
        span, rate = soundfile.read(dry, always_2d=True)
        wet = soundfile.read(other, always_2d=True)[0]
        sound, at = found_in(recording(effigy, path, data, test), span)
        # A span begins in the state that what was recorded before it leaves; a file in that of silence.
        outside = played(effigy, run, sound, rate, heard, [*held, *phase(report, test)[0]])[at:at + len(wet)]
        said = json.loads(call(effigy, "evaluate", "--json", "-m", run, "--dry", dry, "--wet", other,
                               "--latency", 0, *held))
        begun, told = phase(said, 0)
        alone, told = played(effigy, run, span, rate, heard, [*held, *begun]), round(told * rate)
        figures = [("evaluate", said["rows"][0]["esr"], esr(wet[told:], alone[told:]))]
        for side in range(sides):
            of = slice(None) if sides == 1 else side
            truth = pairs[number * sides + side]["rows"][0]["esr"]
            figures.append(("infer", esr(wet[:, of], outside[:, of]), truth))
        for place, figure, truth in figures:
            found[place] = max(found.get(place, 0), abs(figure / truth - 1))
    return found


def silence(effigy, run, rate, heard, held):
    sound = played(effigy, run, np.zeros((SECONDS * rate, heard["dry"])), rate, heard, held)
    last = sound[-rate:]
    growth = dbfs(sound[-10 * rate:]) - dbfs(sound[10 * rate:20 * rate])
    return dict(level=dbfs(last), constant=float(np.abs(last.mean(axis=0)).max()),
                moving=dbfs(last - last.mean(axis=0)), growth=growth)


def examined(effigy, path, wanted):
    name, run = path.stem, wanted.folder.resolve() / path.stem
    data = tomllib.loads(path.read_text())["data"]
    subprocess.run(["rm", "-rf", run, f"{run}-search"], check=True)
    fewer = ["--set", f"training.epochs={wanted.epochs}"] if wanted.epochs else []
    begun = time.time()
    call(effigy, "train", "-q", "--config", path, "--run", run, "--seed", wanted.seed, *fewer)
    seconds = time.time() - begun
    report = json.loads((run / "report.json").read_text())
    network = json.loads(call(effigy, "inspect", "--json", run))["networks"][0]
    heard = network.get("audio_channels", {"dry": 1, "wet": 1})
    distance = apart(effigy, path, data, run, report, heard)
    idle = silence(effigy, run, network["sample_rate"], heard, knobs(data["test"][0]))
    quiet = report.get("quiet")
    low = quiet["predicted_gain_db"] - quiet["recorded_gain_db"] if quiet else float("nan")
    faults = [fault["kind"] for fault in report["probe"]["faults"]] if report.get("probe") else ["not probed"]
    print(f"{name:22} {seconds:4.0f} s  ESR {report['rows'][0]['esr']:.3g}  apart: "
          + ", ".join(f"{place} {value:.1e}" for place, value in distance.items())
          + f"; silence {idle['level']:.0f} dBFS (constant {idle['constant']:.1e}, else {idle['moving']:.0f} dBFS), "
          f"growth {idle['growth']:+.1f} dB; softest fifth {low:+.2f} dB; {', '.join(faults) or 'no fault'}", flush=True)
    return max(distance.values()), idle["level"], idle["growth"], abs(low)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--only", nargs="*")
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    effigy, found, failed = os.path.abspath(wanted.effigy), [], []
    for path in sorted(CONFIGS.glob("*.toml")):
        if wanted.only and path.stem not in wanted.only:
            continue
        try:
            found.append(examined(effigy, path, wanted))
        except RuntimeError as error:
            failed.append(path.stem)
            print(f"{path.stem:22} {error}", flush=True)
    worst = np.nanmax(np.array(found), axis=0)
    print(f"{len(found)} configs, worst: apart {worst[0]:.1e}, silence {worst[1]:.0f} dBFS, growth {worst[2]:+.1f} dB, "
          f"softest fifth {worst[3]:.2f} dB")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
