"""A studio in a folder of its own, and recordings to drop: generated, nobody's."""

import json
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path


def wav(path, samples, rate=48_000):
    """A 16-bit mono WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(struct.pack("<h", max(-32768, min(32767, round(32767 * x)))) for x in samples)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", len(data))
    path.write_bytes(head + data)


def wav_samples(path):
    """The first channel of a WAV file of 16-bit or 32-bit float samples, and its rate."""
    data, at, parts = path.read_bytes(), 12, {}
    while at + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[at : at + 8])
        parts[name] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    _, channels, rate, _, _, bits = struct.unpack("<HHIIHH", parts[b"fmt "][:16])
    letter, scale = ("f", 1) if bits == 32 else ("h", 32768)
    samples = struct.unpack(f"<{len(parts[b'data']) // (bits // 8)}{letter}", parts[b"data"])
    return [x / scale for x in samples[::channels]], rate


def plucks(seconds, rate=48_000, seed=1):
    """Plucked notes, from soft to loud."""
    draw = random.Random(seed)
    samples = [0.0] * int(seconds * rate)
    for start in range(0, len(samples), rate // 3):
        step = 2 * math.pi * 82.4 * 2 ** (draw.randrange(36) / 12) / rate
        loud, long = 10 ** (draw.uniform(-30, -3) / 20), min(rate, len(samples) - start)
        for n in range(long):
            phase = step * n
            samples[start + n] += 0.45 * loud * math.exp(-4 * n / rate) * (math.sin(phase) + 0.5 * math.sin(2 * phase) + 0.33 * math.sin(3 * phase))
    most = max(1e-9, max(map(abs, samples)))
    return [0.9 * x / most for x in samples]


def driven(samples, gain=4.0):
    """The same through a drive."""
    return [0.6 * math.tanh(gain * x) for x in samples]


class Studio:
    """`effigy studio` as a process."""

    def __init__(self, program, folder=None, port=0):
        self.program = str(Path(program).resolve())
        self.own = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="effigy-studio-"))
        self.port = port
        self.start()

    def start(self):
        command = [self.program, "studio", "--json", "--no-open", "--dir", str(self.folder), "--port", str(self.port)]
        self.log = open(self.folder.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the studio did not start: {self.folder.with_suffix('.log').read_text()}")
        self.url = json.loads(line)["url"]
        self.origin, token = self.url.split("/#")
        self.port = int(self.origin.rsplit(":", 1)[1])
        self.cookie = None
        answer = self.ask("POST", "/api/session", {"token": token})
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]

    def ask(self, method, path, body=None, patience=120):
        """A request as the page sends it."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Origin": self.origin, **({"Cookie": self.cookie} if self.cookie else {})}
        request = urllib.request.Request(self.origin + path, data=data, method=method, headers=fields)
        return urllib.request.urlopen(request, timeout=patience)

    def get(self, path):
        return json.load(self.ask("GET", path))

    def run(self, verb, values):
        """A verb's result, as the page runs it."""
        lines = [json.loads(line) for line in self.ask("POST", "/api/do", {"verb": verb, "values": values}) if line.strip()]
        if "done" not in lines[-1]:
            raise RuntimeError(lines[-1])
        return lines[-1]["done"]

    def effigy(self, *arguments):
        """The command line, in the same folder."""
        return subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.kill()
        # Trainings outlive the studio; those of this folder are ended with it.
        for job in json.loads((self.folder / "studio/queue.json").read_text())["all"] if (self.folder / "studio/queue.json").exists() else []:
            if job.get("pid"):
                try:
                    if "train" in Path(f"/proc/{job['pid']}/cmdline").read_text():
                        os.kill(job["pid"], signal.SIGKILL)
                except OSError:
                    pass
        time.sleep(0.2)
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.with_suffix(".log").unlink(missing_ok=True)
