#!/usr/bin/env bash
# The day a card is there: one command, at most eight minutes, builds nothing.
#
#   benches/gpu.sh EFFIGY [DEVICE] [PYTHON]
#
# EFFIGY is the built program, DEVICE what `effigy devices` lists (default: the first card), PYTHON one
# with torch for the comparison (default: python3; without torch there is none). Checks every network's
# training against the processor's, then times steps with launches, bytes and the card's own limits,
# and prints lines for RESULTS.md. What is still composed of the tensor library's operators is named.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
effigy=$(realpath "${1:?the built program}")
device=${2:-$("$effigy" devices --json | python3 -c '
import json, sys
cards = [d["id"] for d in json.load(sys.stdin)["devices"] if d["id"].split(":")[0] in ("wgpu", "cuda")]
print(cards[0] if cards else "")')}
python=${3:-python3}
[ -n "$device" ] || { echo "no card here; \`effigy devices\` lists what there is"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$effigy" devices

echo "== every network against flex ($device)"
python3 - "$effigy" "$device" <<'PY'
import json, math, os, random, struct, subprocess, sys, wave
effigy, device = sys.argv[1:]
random.seed(1)

def wav(name, samples):
    with wave.open(name, "wb") as f:
        f.setnchannels(1), f.setsampwidth(2), f.setframerate(44100)
        f.writeframes(b"".join(struct.pack("<h", round(32000 * max(-1, min(1, s)))) for s in samples))

level, dry = 0.0, []
for _ in range(160000):
    level = 0.9 * level + 0.3 * random.uniform(-0.5, 0.5)
    dry.append(level)
wav("dry.wav", dry)
wav("wet.wav", [math.tanh(3 * s) / 2 for s in dry])
NETWORKS = {
    "lstm": 'kind = "lstm"\nhidden_size = 24\nwarm_up = 64',
    "gru": 'kind = "gru"\nhidden_size = 32\nwarm_up = 64',
    "a1": 'kind = "wavenet"\npreset = "a1-nano"',
    "a2": 'kind = "wavenet"\npreset = "a2"',
    "conv": 'kind = "conv"\nchannels = 16\nkernel_size = 25',
    "tcn": 'kind = "tcn"',
    "s4d": 'kind = "s4d"\nwarm_up = 64',
    "wiener-hammerstein": 'kind = "wiener-hammerstein"',
}
worst = 0.0
for name, model in NETWORKS.items():
    for loss in ("mse = 1.0\nesr = 0.0", "mse = 1.0\nesr = 0.0\nmulti_resolution_stft = 0.1"):
        config = f"""name = "{name}"
[data]
latency = 0
[[data.train]]
dry = "dry.wav"
wet = "wet.wav"
[windows]
window_len = 4096
hop = 4096
[model]
{model}
[baselines]
fir_taps = 4
[loss]
{loss}
[training]
epochs = 3
batch_size = 2
"""
        open("t.toml", "w").write(config)
        losses = {}
        for on in ("flex", "portable", device):
            run = f"{name}-{on.replace(':', '-')}-{len(loss)}"
            said = subprocess.run([effigy, "-q", "train", "-c", "t.toml", "--run", run, "--no-report",
                                   "--device", "flex" if on == "portable" else on],
                                  env=os.environ | ({"EFFIGY_ISA": on} if on == "portable" else {}),
                                  capture_output=True, text=True)
            if said.returncode:
                print(f"{name} on {on}: {said.stderr.strip()}")
                break
            rows = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
            losses[on] = [row["train"]["mse"] for row in rows if "train" in row]
        if len(losses) == 3:
            # How far the processor parts from itself with other instructions says what rounding grows to.
            apart, rounding = (max(abs(a - b) / a for a, b in zip(losses["flex"], losses[on]))
                               for on in (device, "portable"))
            worst = max(worst, apart)
            stft = " + stft" if "stft" in loss else ""
            wrong = "" if apart < max(1e-3, 10 * rounding) else "  WRONG"
            print(f"{name}{stft}: three epochs {apart:.1e} apart, rounding alone {rounding:.1e}{wrong}", flush=True)
print(f"worst {worst:.1e}")
PY

echo "== steps"
against=()
if "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    against=(--against "$python $here/pytorch_step.py")
else
    echo "$python has no torch that finds a card: effigy alone"
fi
presets=a1-standard,a2-full,lstm-24,lstm-32,gru-32,conv,tcn,s4d
"$effigy" bench train --device "$device" --preset "$presets" --steps 9 --roofline "${against[@]}"
# PyTorch's other forms; its recurrent layers are cuDNN's in any.
for form in ${against:+default reduce-overhead}; do
    "$effigy" bench train --device "$device" --preset a1-standard,a2-full,lstm-32,conv --steps 5 \
        "${against[0]}" "${against[1]} --compile=$form"
done
"$effigy" bench train --device "$device" --preset "$presets" --steps 5 --stft
