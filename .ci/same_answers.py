#!/usr/bin/env python3
"""Whether two binaries answer alike: `.ci/same_answers.py OLD NEW`.

Runs both on the same list of calls, each in a folder of its own that begins alike, and compares
exit code, stdout, stderr and every file written. Times, rates, dates and the version of the
program are taken out first; sounds, models and configs are compared byte for byte. Prints every
difference; exit code 1 where there is one.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

VERBS = (
    "check new train infer export evaluate compare baseline report runs synth devices convolve "
    "recover reorder spectrum collage stretch inspect completions man bench"
).split()

SMALL = """name = "{name}"
device = "flex"
[data]
latency = 0
[[data.train]]
dry = "dry.wav"
wet = "wet.wav"
[windows]
window_len = 256
hop = 128
[model]
{model}
[baselines]
fir_taps = 16
[training]
epochs = 2
batch_size = 8
"""

MODELS = {
    "linear": 'kind = "linear"\nhidden_size = 8',
    "nonlinear": 'kind = "nonlinear"\nhidden_size = 8',
    "conv": 'kind = "conv"\nchannels = 4\nkernel_size = 9',
    "tied": 'kind = "conv-tied"\nchannels = 4\nkernel_size = 9',
    "multiscale": 'kind = "conv-multiscale"\nchannels = 2\nkernel_sizes = [4, 8]',
    "wavenet": 'kind = "wavenet"\npreset = "a1-nano"',
    "slim": 'kind = "wavenet"\npreset = "a2"',
    "lstm": 'kind = "lstm"\nhidden_size = 6\nwarm_up = 64',
    "lstm-plain": 'kind = "lstm"\nhidden_size = 6\nskip = false\nwarm_up = 64',
    "gru": 'kind = "gru"\nhidden_size = 6\nwarm_up = 64',
    "front": 'kind = "conv-lstm"\nhidden_size = 6\nwarm_up = 64\nchannels = 3\nkernel_size = 4',
    "tcn": 'kind = "tcn"\nchannels = 4\nlayers = 3',
    "s4d": 'kind = "s4d"\nchannels = 4\nlayers = 2\nwarm_up = 64',
    "chain": 'kind = "wiener-hammerstein"\nclippers = 2\nwarm_up = 64',
}


def calls():
    """Each call sees what the calls before it left behind."""
    yield from (["--help"], ["--version"], [], ["nonsense"], ["--nonsense"], ["train", "--nonsense"])
    for verb in VERBS:
        yield [verb, "--help"]
        yield ["help", verb]
        yield [verb]
    for bench in ("infer", "train"):
        yield ["bench", bench, "--help"]
    for what in ("jumble", "interleave", "repeat"):
        yield ["collage", what, "--help"]
    yield from map(str.split, LINES.strip().splitlines())


LINES = """
check dry.wav wet.wav
check dry.wav wet.wav --json
check dry.wav wet.wav --latency 3 --json
check silent.wav wet.wav --json
check dry.wav nothing.wav
check dry.wav text.txt
new pedal --dry dry.wav --wet wet.wav
new pedal --dry dry.wav --wet wet.wav
new pedal2 --dry dry.wav --wet wet.wav --json
train conv.toml linear.toml nonlinear.toml
train tied.toml multiscale.toml --json
train wavenet.toml lstm.toml gru.toml --json
train slim.toml --json
train lstm-plain.toml front.toml tcn.toml s4d.toml chain.toml
train conv.toml --name again --set training.epochs=3 --require-esr 1e-9
train conv.toml --set training.nonsense=3
train conv.toml --set model.channels=0
train conv.toml --set model.kind=nonsense
train conv.toml --set windows.window_len=7 --set model.kind=linear
train knobs.toml
train knobs-conv.toml
train broken.toml
train missing.toml
train --run checkpoints/conv --resume
train --run checkpoints/nothing --resume
train lstm.toml --name tuned --init-from checkpoints/lstm
train conv.toml --name tuned2 --init-from checkpoints/lstm
train lstm-plain.toml --name tuned3 --freeze nonsense
infer --model checkpoints/conv dry.wav -o out-conv.wav
infer --model checkpoints/conv dry.wav -o dry.wav
infer --model checkpoints/lstm dry.wav -o out-lstm.wav --json
infer --model checkpoints/lstm dry.wav -o out-lstm-flex.wav --device flex
infer --model checkpoints/slim dry.wav -o out-slim.wav --size 0
infer --model checkpoints/conv dry.wav -o out-size.wav --size 0
infer --model checkpoints/front dry.wav wet.wav -o out-front --format f32
infer --model checkpoints/knobs dry.wav -o out-knob.wav --control gain=0.3
infer --model checkpoints/knobs dry.wav -o out-knob.wav --control tone=0.3
infer --model nothing dry.wav -o out.wav
infer --model text.txt dry.wav -o out.wav
evaluate --model checkpoints/conv --dry dry.wav --wet wet.wav
evaluate --model checkpoints/lstm --dry dry.wav --wet wet.wav --json
evaluate --model checkpoints/lstm --dry dry.wav --wet wet.wav --require-esr 1e-9
compare --model checkpoints/conv checkpoints/lstm --baseline fir-16
compare --model checkpoints/conv checkpoints/lstm --json
compare --config conv.toml --baseline fir-16 fir-8-tanh
compare --model checkpoints/conv --baseline nonsense
baseline --config conv.toml --save baselines
baseline --config conv.toml --json
baseline --config conv.toml --model fir-8 -o base.json
infer --model base.json dry.wav -o out-base.wav
inspect base.json
report checkpoints/conv
report --run checkpoints/conv --plots svg
report checkpoints/conv checkpoints/lstm -o both.html --json
report checkpoints/nothing
runs
runs --json
runs --dir nothing
inspect checkpoints/conv --no-measure
inspect checkpoints/lstm --no-measure --parameters --json
inspect text.txt
export --model checkpoints/wavenet -o wavenet.nam --name Amp --modeled-by Me --gear-type amp --tone-type clean
export --model checkpoints/wavenet -o wavenet2.nam --gear-type nonsense
export --model checkpoints/slim -o slim.nam --json
export --model checkpoints/lstm-plain -o lstm.nam
export --model checkpoints/lstm -o lstm.aidax --json
export --model checkpoints/gru -o gru.json --format rtneural
export --model checkpoints/conv -o conv.safetensors
export --model checkpoints/s4d -o s4d.safetensors
export --model checkpoints/chain -o chain.safetensors
export --model checkpoints/front -o front.safetensors
export --model checkpoints/tcn -o tcn.nam
export --model checkpoints/conv -o conv.nonsense
inspect wavenet.nam --no-measure
inspect slim.nam --no-measure --json
inspect lstm.nam --no-measure --json
inspect front.safetensors --no-measure --parameters
infer --model wavenet.nam dry.wav -o out-wavenet.wav
infer --model lstm.aidax dry.wav -o out-aidax.wav
infer --model gru.json dry.wav -o out-gru.wav
infer --model chain.safetensors dry.wav -o out-chain.wav
evaluate --model wavenet.nam --dry dry.wav --wet wet.wav --json
train lstm-plain.toml --name from-nam --init-from lstm.nam --json
convolve dry.wav wet.wav -o c1.wav
convolve dry.wav wet.wav -o c2.wav --estimator linear-regression --json
convolve dry.wav wet.wav -o c3.wav --estimator lasso-lars
convolve dry.wav wet.wav -o c4.wav --estimator ransac --seed 0
convolve dry.wav wet.wav -o c5.wav --estimator passive-aggressive
convolve dry.wav wet.wav -o c6.wav --direct=cross-synthesis
convolve dry.wav wet.wav -o c7.wav --estimator nonsense
convolve dry.wav wet.wav -o dry.wav
recover --dir clips --held-out 2 -o r1.wav --json
recover --dir clips --leave-one-out --method ridge,pca
recover --dir clips --held-out 99 -o r2.wav
reorder dry.wav -o o1.wav --by path --hop 200 --win 800
reorder dry.wav -o o2.wav --by pca --hop 200 --win 800 --plot o2.svg --json
reorder dry.wav -o o3 --by pca,loudness,centroid --hop 400
reorder dry.wav -o o4.wav --by nonsense
reorder dry.wav -o o5.wav --by pca --seconds 2
spectrum dry.wav -o s1.wav --effect drop-phase
spectrum dry.wav -o s2.wav --effect shuffle-bins --seed 7 --plot s2.png --json
spectrum dry.wav -o s3.wav --effect nonsense
collage jumble dry.wav -o j1.wav --segments 5 --json
collage interleave dry.wav wet.wav -o j2.wav --segments 6 --crossfade 5
stretch dry.wav -o t1.wav --factor 1.5
stretch dry.wav -o t2.wav --factor -1.4 --tape --json
stretch dry.wav -o t3.wav --factor 0
synth --config configs/conv.toml -o synth-out --set data.sample_rate=8000
devices --json
completions bash
completions fish
man -o man
bench infer --model wavenet.nam --blocks 64 --seconds 0.02 --json
bench train --preset nonsense
bench train --config lstm.toml --steps 1 --json
"""


def sound(frames, effect):
    """A 16-bit WAV at 8 kHz, without any library."""
    state, held, samples = 1, 0.0, bytearray()
    for i in range(frames):
        state = (1103515245 * state + 12345) % 2**31
        noise = state / 2**30 - 1
        tone = ((i * (3 + i // 2000) * 37) % 800) / 400 - 1
        x = (0.6 * tone + 0.4 * noise) * (0.1 + 0.9 * ((i // 500) % 4) / 3)
        held = 0.6 * held + 0.4 * x
        y = {"dry": x, "wet": held * 1.6 / (1 + abs(held)), "silent": 0.0}[effect]
        samples += int(max(-1, min(1, y)) * 32000).to_bytes(2, "little", signed=True)
    head = b"WAVEfmt \x10\0\0\0\1\0\1\0" + (8000).to_bytes(4, "little")
    head += (16000).to_bytes(4, "little") + b"\2\0\x10\0data" + len(samples).to_bytes(4, "little")
    return b"RIFF" + (len(head) + len(samples)).to_bytes(4, "little") + head + bytes(samples)


def prepare(place):
    for name in ("dry", "wet", "silent"):
        (place / f"{name}.wav").write_bytes(sound(24000, name))
    (place / "clips").mkdir()
    for i in range(6):
        clip = sound(3000 + 100 * i, "wet" if i % 2 else "dry")
        (place / "clips" / f"clip_{i}.wav").write_bytes(clip)
    (place / "text.txt").write_text("no sound")
    (place / "broken.toml").write_text("name = ")
    for name, model in MODELS.items():
        (place / f"{name}.toml").write_text(SMALL.format(name=name, model=model))
    knobs = 'wet = "wet.wav"\ncontrols = { gain = 0.25 }\n[[data.train]]\ndry = "dry.wav"\n'
    knobs += 'wet = "wet.wav"\ncontrols = { gain = 0.75 }'
    for name, model in (("knobs", "lstm"), ("knobs-conv", "conv")):
        text = SMALL.format(name=name, model=MODELS[model]).replace('wet = "wet.wav"', knobs, 1)
        (place / f"{name}.toml").write_text(text)
    (place / "configs").mkdir()
    here = Path(__file__).parent.parent / "configs" / "conv.toml"
    (place / "configs" / "conv.toml").write_text(here.read_text())


CHANGING = re.compile(r"second|time|rate_factor|real_time|gflops|peak|_ms|_ns|memory|date|commit|cpu|machine|samples_per", re.I)


def still(value, key=""):
    """A JSON value without what differs from run to run."""
    if CHANGING.search(key) and not isinstance(value, (dict, list)):
        return "…"
    if isinstance(value, dict):
        return {k: still(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [still(v, key) for v in value]
    return value


def steady(text, place):
    text = text.replace(str(place), "PLACE")
    try:
        return json.dumps(still(json.loads(text)), indent=1, sort_keys=True)
    except ValueError:
        pass
    text = re.sub(r"\d+(\.\d+)?(e-?\d+)?\s?(s|ms|ns|min|×|MB|GFLOP/s)\b", "T", text)
    text = re.sub(r"\| +\d+\.\d( \*)?$", "| T", text, flags=re.M)
    text = re.sub(r"date\.second +\d+", "DATE", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?", "DATE", text)
    return text


def digest(path, place):
    data = path.read_bytes()
    if path.suffix in (".json", ".jsonl", ".nam", ".aidax", ".html", ".svg", ".toml"):
        text = data.decode("utf-8", "replace")
        if path.suffix == ".html":
            return f"page of {len(re.sub(r'[0-9.e+-]+', '', text)) // 2000}"
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        data = "\n".join(steady(line, place) for line in lines).encode()
    return hashlib.sha256(data).hexdigest()[:16]


# Written with the time of day or in no fixed order.
LOOSE = re.compile(r"(^|/)epoch-\d+/|\.(bpk|png|safetensors)$")


def answers(binary):
    found = []
    with tempfile.TemporaryDirectory() as folder:
        # Both are called alike, as their help says their name.
        called = Path(folder) / "effigy"
        called.symlink_to(Path(binary).resolve())
        place = Path(folder).resolve() / "place"
        place.mkdir()
        prepare(place)
        for call in calls():
            ran = subprocess.run(
                [called, *call], cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL
            )
            said = {
                "exit code": str(ran.returncode),
                "stdout": steady(ran.stdout, place),
                "stderr": steady(ran.stderr, place),
            }
            found.append((" ".join(call), said))
        files = {}
        for path in sorted(place.rglob("*")):
            name = path.relative_to(place).as_posix()
            if path.is_file():
                files[name] = "there" if LOOSE.search(name) else digest(path, place)
        found.append(("files", files))
    return found


def main():
    with ThreadPoolExecutor(2) as pool:
        old, new = pool.map(answers, sys.argv[1:3])
    different = 0
    for (call, before), (_, after) in zip(old, new):
        for part in sorted(before.keys() | after.keys()):
            a, b = before.get(part, "absent"), after.get(part, "absent")
            if a != b:
                different += 1
                print(f"== effigy {call}: {part}")
                lines = set(a.splitlines()) ^ set(b.splitlines())
                print("\n".join(f"  - {line}" for line in a.splitlines() if line in lines))
                print("\n".join(f"  + {line}" for line in b.splitlines() if line in lines))
    print(f"{len(old) - 1} calls and {len(old[-1][1])} files compared, {different} differences")
    sys.exit(1 if different else 0)


main()
