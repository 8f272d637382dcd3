"""Signals every script draws from, and how results are written. Nothing here is recorded."""

import json
import os
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
# Recordings and third parties' vectors that lie beside some checkouts: only read, only to check
# a script's own arithmetic. Results never depend on them.
SHARED = Path(os.environ.get("EFFIGY_SHARED", HERE.parent.parent.parent / "shared"))


def save(name, array, kind="<f4"):
    """Writes an array as `name`.npy in a type the tests read: <f4, <f8 or <i2."""
    path = HERE / f"{name}.npy"
    path.parent.mkdir(exist_ok=True)
    np.save(path, np.ascontiguousarray(array).astype(kind))


def write_json(name, value):
    """Writes JSON with the shortest digits that read back to the same number, keys sorted."""
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=plain)
    path.write_text(text.replace('},"', '},\n"') + "\n")


def plain(value):
    """NumPy's numbers and arrays as Python's."""
    return value.tolist()


def to_int16(x, peak):
    return np.round(x / np.abs(x).max() * peak).astype(np.int16)


def bells(n, rate, seed):
    """Struck bells: inharmonic partials that die away, over a faint noise floor."""
    random = np.random.default_rng(seed)
    t = np.arange(n) / rate
    x = 2e-3 * random.standard_normal(n)
    for start in np.arange(-0.3, n / rate, 0.21):
        pitch = random.uniform(180, 500)
        since = np.maximum(t - start, 0)
        for partial in (0.5, 1, 1.19, 1.56, 2, 2.51, 3.01, 4.17, 5.43):
            decay = np.exp(-since * partial * random.uniform(1, 4))
            phase = random.uniform(0, 2 * np.pi)
            size = random.uniform(0.2, 1) / partial
            x += size * (t >= start) * decay * np.sin(2 * np.pi * pitch * partial * since + phase)
    return x


def chirps(n, rate, seed):
    """A bird's gliding tones with pauses, over a louder noise floor."""
    random = np.random.default_rng(seed)
    t = np.arange(n) / rate
    x = 2e-2 * random.standard_normal(n)
    for start in np.arange(0.0, n / rate, 0.083):
        length = random.uniform(0.04, 0.08)
        at = (t - start) / length
        inside = (at >= 0) & (at < 1)
        low, high = random.uniform(2000, 3500), random.uniform(3500, 6000)
        angle = 2 * np.pi * length * (low * at + (high - low) * at**2 / 2)
        shape = inside * np.sin(np.pi * np.clip(at, 0, 1)) ** 2
        x += shape * np.sin(angle) * random.uniform(0.3, 1)
    return x


def guitar(n, rate, seed):
    """Plucked notes, noise bursts and silence: what a capture is played on, peak 0.9."""
    random = np.random.default_rng(seed)
    x = 0.4 * bells(n, rate, seed)
    x += random.standard_normal(n) * np.exp(-((np.arange(n) % (n // 3)) / (n / 30)))
    x[n // 2 : n // 2 + n // 10] = 0
    return (0.9 * x / np.abs(x).max()).astype(np.float32)
