#!/usr/bin/env python3
"""Effects that move, of known truth, through `train`: what `model.kind = "modulated"` finds of them.

    python3 benches/modulated.py target/release/effigy FOLDER [--only NAME …] [--real RECORDINGS]

Chorus, flanger with feedback, vibrato, phasers of 4 and 8 stages and tremolo, each with clean and with
driven strings as dry, by an implementation of its own: one recording to learn from, one of another phase to
validate, one to test. Printed for each: the rate found over the true one, the depth likewise, by how much
the test recording's phase was missed, ESR on that unheard sound (its first two seconds tell the phase, the
rest is scored), and ESR of a fourth sound played by `infer --rate --phase` at a rate and phase that were
never heard, over all of it.

With --real, instead, recordings DEVICE-wetN.wav with their dryN.wav: the default path (`new`, `train`, nothing
edited) on all takes of a device but the last, and that one evaluated (two seconds of it tell the phase, the
rest is scored), beside the best classical row and an LSTM, of the same recordings.
No package is needed.
"""

import argparse
import json
import math
import shutil
import struct
import subprocess
from array import array
from pathlib import Path

HZ = 44100
PHASES = {"train": 0.7, "valid": 1.8, "test": 2.9, "other": 4.4}
SECONDS = {"train": 8, "valid": 4, "test": 6, "other": 6}
# Of its own rate, the one that was never heard.
OTHERWISE = 1.37


class Line:
    """Samples of the past, read between them by the cubic through four."""

    def __init__(self, length):
        self.held = [0.0] * length
        self.at = 0

    def read(self, age):
        whole = int(age)
        f = age - whole
        held, n = self.held, len(self.held)
        a, b, c, d = (held[(self.at - whole + k) % n] for k in (1, 0, -1, -2))
        return (-f * (f - 1) * (f - 2) / 6 * a + (f + 1) * (f - 1) * (f - 2) / 2 * b
                - (f + 1) * f * (f - 2) / 2 * c + (f + 1) * f * (f - 1) / 6 * d)

    def write(self, x):
        self.at = (self.at + 1) % len(self.held)
        self.held[self.at] = x


def delayed(centre, depth, mix, feedback=0.0):
    def run(dry, rate, phase):
        line, wet, step = Line(4096), array("f"), math.tau * rate / HZ
        for n, x in enumerate(dry):
            # The line's newest sample is one old.
            age = HZ * (centre + depth * math.sin(step * n + phase)) - 1
            copy = line.read(age)
            line.write(x + feedback * copy)
            wet.append((1 - mix) * x + mix * copy)
        return wet
    return run


def all_passes(low, high, stages):
    middle, swing = math.sqrt(low * high), 0.5 * math.log(high / low)

    def run(dry, rate, phase):
        states, wet, step = [0.0] * stages, array("f"), math.tau * rate / HZ
        for n, x in enumerate(dry):
            k = math.tan(math.pi * middle * math.exp(swing * math.sin(step * n + phase)) / HZ)
            c, y = (k - 1) / (k + 1), x
            for i in range(stages):
                out = c * y + states[i]
                states[i] = y - c * out
                y = out
            wet.append(0.5 * (x + y))
        return wet
    return run


def gain(depth):
    def run(dry, rate, phase):
        step = math.tau * rate / HZ
        return array("f", (x * (1 + depth * math.sin(step * n + phase)) for n, x in enumerate(dry)))
    return run


# Name, what it does, its rate, half the way of its part: seconds, powers of e, share of the mean gain.
TRUTHS = [
    ("chorus", delayed(0.008, 0.0015, 0.5), 0.9, 0.0015),
    ("flanger", delayed(0.0025, 0.001, 0.5, 0.5), 0.6, 0.001),
    ("vibrato", delayed(0.003, 0.0006, 1.0), 4.0, 0.0006),
    ("phaser-4", all_passes(300, 2000, 4), 0.8, 0.5 * math.log(2000 / 300)),
    ("phaser-8", all_passes(300, 2000, 8), 0.8, 0.5 * math.log(2000 / 300)),
    ("tremolo", gain(0.6), 5.0, 0.6),
]


def write(path, sound):
    data = sound.tobytes()
    form = struct.pack("<HHIIHH", 3, 1, HZ, 4 * HZ, 4, 32)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form
                     + b"data" + struct.pack("<I", len(data)) + data)


def read(path):
    raw, at = path.read_bytes(), 12
    while raw[at:at + 4] != b"data":
        at += 8 + struct.unpack("<I", raw[at + 4:at + 8])[0]
    length = struct.unpack("<I", raw[at + 4:at + 8])[0]
    return array("f", raw[at + 8:at + 8 + length])


def esr(wet, predicted):
    return sum((w - p) ** 2 for w, p in zip(wet, predicted)) / sum(w * w for w in wet)


class Bench:
    def __init__(self, effigy, folder):
        self.effigy, self.folder = effigy, folder
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, *words):
        run = subprocess.run([self.effigy, "-q", *map(str, words)], capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{' '.join(map(str, words))}: {run.stderr}")
        return run.stdout

    def strings(self):
        """Clean sounds by name."""
        pair = ('[[data.{}]]\nseconds = {}\neffect = {{ kind = "gain", gain_db = 0.0 }}\n'
                'signal = {{ kind = "plucked-string", level_dbfs = -6.0 }}\n')
        parts = [("train", "train"), ("valid", "valid"), ("test", "test"), ("test", "other")]
        text = ('name = "strings"\nseed = 5\n[data]\nsample_rate = 44100\n'
                + "".join(pair.format(part, SECONDS[name]) for part, name in parts)
                + '[model]\nkind = "conv"\n')
        (self.folder / "strings.toml").write_text(text)
        self.say("synth", "-c", self.folder / "strings.toml", "-o", self.folder / "strings", "--format", "f32")
        files = {"train": "train-1", "valid": "valid-1", "test": "test-1", "other": "test-2"}
        return {name: read(self.folder / "strings" / f"{file}-dry.wav") for name, file in files.items()}

    def config(self, place, part):
        pair = '[[data.{0}]]\ndry = "{0}-dry.wav"\nwet = "{0}-wet.wav"\n'
        text = (f'name = "{place.name}"\n[data]\nlatency = 0\n'
                + "".join(pair.format(name) for name in ("train", "valid", "test"))
                + '[windows]\nwindow_len = 8192\nhop = 8192\n[loss]\nesr = 1.0\n'
                '[training]\nepochs = 6\npatience = 1\nbatch_size = 4\n[model]\nkind = "modulated"\n')
        (place / "t.toml").write_text(text)
        return place / "t.toml"

    def learned(self, place):
        """Rate in hertz, depth, and the phase of the curve's fundamental."""
        self.say("export", "-m", place / "run", "-o", place / "model.safetensors", "--force")
        raw = (place / "model.safetensors").read_bytes()
        length = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8:8 + length])

        def numbers(value):
            if not isinstance(value, dict):
                return value
            start, end = header[value["tensor"]]["data_offsets"]
            return array("f", raw[8 + length + start:8 + length + end]).tolist()

        def layer(value):
            if isinstance(value, dict) and "curve" in value:
                return value
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
            return next(filter(None, map(layer, inner)), None)

        found = layer(json.loads(header["__metadata__"]["description"]))
        rate, centre, _ = numbers(found["numbers"])
        curve = numbers(found["curve"])
        pairs = list(zip(curve[::2], curve[1::2]))
        at = [sum(a * math.cos((k + 1) * t) + b * math.sin((k + 1) * t) for k, (a, b) in enumerate(pairs))
              for t in (math.tau * i / 1000 for i in range(1000))]
        if found["part"] == "delay":
            depth = 0.5 * math.exp(centre) * (math.exp(max(at)) - math.exp(min(at))) / HZ
        elif found["part"] == "gain":
            depth = 0.5 * (max(at) - min(at)) / centre
        else:
            depth = 0.5 * (max(at) - min(at))
        return found["part"], rate * HZ, depth, math.atan2(*pairs[0])

    def row(self, name, run, rate, depth, dry):
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for part in ("train", "valid", "test"):
            write(place / f"{part}-dry.wav", dry[part])
            write(place / f"{part}-wet.wav", run(dry[part], rate, PHASES[part]))
        config = self.config(place, name)
        words = ["train", "-c", config, "--run", place / "run", "--json"]
        outcome = json.loads(self.say(*words))
        part, found, swing, fundamental = self.learned(place)
        missed = (outcome["phases"][0]["phase"] + fundamental - PHASES["test"]) % math.tau
        write(place / "other-dry.wav", dry["other"])
        wet = run(dry["other"], OTHERWISE * rate, PHASES["other"])
        self.say("infer", "-m", place / "run", place / "other-dry.wav", "-o", place / "played.wav", "--format", "f32",
                 "--rate", OTHERWISE * found, "--phase", PHASES["other"] - fundamental)
        return {
            "part": part,
            "rate": found / rate,
            "depth": swing / depth,
            "phase": min(missed, math.tau - missed),
            "esr": outcome["rows"][0]["esr"],
            "static": min(row["esr"] for row in outcome["rows"][1:]),
            "otherwise": esr(wet, read(place / "played.wav")),
            "seconds": outcome["seconds"],
        }

    def device(self, name, recordings):
        """Trains on all takes but the last; ESR there, the best that stands still there, what was learned."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        wets = sorted(recordings.glob(f"{name}-wet*.wav"))
        pairs = [(wet.with_name("dry" + wet.stem.split("-wet")[1] + ".wav"), wet) for wet in wets]
        sides = [word for dry, wet in pairs[:-1] for word in ("--dry", dry, "--wet", wet)]
        self.say("new", place / "t", *sides)
        outcome = json.loads(self.say("train", "-c", place / "t.toml", "--run", place / "run", "--json"))
        dry, wet = pairs[-1]
        tested = json.loads(self.say("evaluate", "-m", place / "run", "--dry", dry, "--wet", wet, "--json"))
        static = self.static(place, pairs)
        part, rate, depth, _ = self.learned(place)
        log = [json.loads(line) for line in (place / "run" / "metrics.jsonl").read_text().splitlines()]
        return {"part": part, "rate": rate, "depth": depth, "valid": min(row["valid"]["esr"] for row in log),
                "esr": tested["rows"][0]["esr"], "phase": tested["phases"][0], "static": static,
                "seconds": outcome["seconds"]}

    def static(self, place, pairs):
        """ESR and name of the best classical row, and ESR of an LSTM, on the last take after its first two seconds."""
        table = '[[data.{}]]\ndry = "{}"\nwet = "{}"\n'

        def config(name, parts, model):
            rows = "".join(table.format(part, dry.resolve(), wet.resolve()) for part, (dry, wet) in zip(parts, pairs))
            text = f'name = "{name}"\n[data]\nlatency = 0\n{rows}from = 2.0\n{model}'
            (place / f"{name}.toml").write_text(text)
            return place / f"{name}.toml"

        learn = ["train"] * (len(pairs) - 1)
        classical = config("classical", [*learn, "test"], '[model]\nkind = "conv"\n')
        found = json.loads(self.say("baseline", "-c", classical, "--model", "gain", "fir-512", "fir-128-tanh", "--json"))
        rows = [min((row["esr"], row["name"]) for row in found["rows"])]
        model = '[training]\nepochs = 40\n[model]\nkind = "lstm"\n'
        network = config("lstm", [*learn[:-1], "valid", "test"], model)
        outcome = json.loads(self.say("train", "-c", network, "--run", place / "lstm", "--json"))
        return [*rows, outcome["rows"][0]["esr"]]


def real(bench, recordings, only):
    devices = sorted({wet.stem.split("-wet")[0] for wet in recordings.glob("*-wet*.wav")})
    print("device    what moves               rate Hz  valid ESR  last take  scored s  classical row          LSTM    seconds")
    for name in devices:
        if only and name not in only:
            continue
        row = bench.device(name, recordings)
        start, end = row["phase"]["scored_seconds"]
        (esr, kind), still = row["static"]
        print(f"{name:8}  {json.dumps(row['part']):22} {row['rate']:9.5f}  {row['valid']:9.4f}  {row['esr']:9.4f}"
              f"  {end - start:8.2f}  {esr:6.3f} {kind:14}  {still:6.3f}  {row['seconds']:7.0f}", flush=True)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("effigy")
    words.add_argument("folder", type=Path)
    words.add_argument("--only", nargs="*")
    words.add_argument("--real", type=Path)
    words = words.parse_args()
    bench = Bench(words.effigy, words.folder)
    if words.real:
        return real(bench, words.real, words.only)
    clean = bench.strings()
    driven = {name: array("f", (0.4 * math.tanh(6 * x) for x in dry)) for name, dry in clean.items()}
    print("effect            what moves               rate     depth   phase  ESR unheard  best static  rate, phase unheard  seconds")
    for effect, run, rate, depth in TRUTHS:
        for drive, dry in (("clean", clean), ("driven", driven)):
            name = f"{effect}-{drive}"
            if words.only and not any(name.startswith(only) for only in words.only):
                continue
            row = bench.row(name, run, rate, depth, dry)
            print(f"{name:16}  {json.dumps(row['part']):22} {row['rate']:7.5f}  {row['depth']:7.4f}  {row['phase']:6.4f}"
                  f"  {row['esr']:11.2e}  {row['static']:11.3g}  {row['otherwise']:19.2e}  {row['seconds']:7.0f}", flush=True)


if __name__ == "__main__":
    main()
