#!/usr/bin/env python3
"""Whole epochs of the field's two WaveNet recipes: the field's own trainer package and effigy, in turn.

    python3 benches/field_trainer.py target/release/effigy FOLDER [--rounds 3] [--epochs 3]

Both learn from the same 40 s that configs/a1-standard.toml generates and are validated on the same 4 s, batches
of 16 windows of 8192, the recipe's own loss, optimiser and schedule. Each round is a process of either, `--epochs`
long, of which the first epoch is not counted; printed are the median seconds of an epoch, validation and saving
included, and their ratio. Needs numpy, soundfile, torch and neural-amp-modeler (tried with 0.13)."""
import argparse
import json
import os
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
WINDOW = 8192


def a1():
    """The A1 standard network and recipe, as the package's trainer had them before A2."""
    def layers(inputs, channels, head, bias):
        return {"input_size": inputs, "condition_size": 1, "channels": channels, "kernel_size": 3,
                "head": {"out_channels": head, "kernel_size": 1, "bias": bias},
                "dilations": [2 ** n for n in range(10)], "activation": "Tanh", "gated": False}
    return {"net": {"name": "WaveNet", "config": {
                "layers_configs": [layers(1, 16, 8, False), layers(16, 8, 1, True)], "head_scale": 0.02}},
            "loss": {"val_loss": "esr", "pre_emph_coef": 0.85, "pre_emph_mrstft_weight": 2e-4},
            "optimizer": {"lr": 4e-3},
            "lr_scheduler": {"class": "ExponentialLR", "kwargs": {"gamma": 0.993}}}


def a2():
    """The pair of A2 networks, as the package's trainer has them now."""
    text = resources.files("nam.train._resources").joinpath("config_model_packed.json").read_text()
    return json.loads(text)


# Name, the package's model, effigy's config and preset.
RECIPES = {"a1": (a1, "a1-standard", "a1-standard"), "a2": (a2, "a2-full", "a2")}


def field(recipe, sounds, epochs):
    """Seconds of each epoch but the first, in the package's trainer (run in a process of its own)."""
    import pytorch_lightning
    import torch
    from nam.data import Dataset
    from nam.train import lightning_module

    config = RECIPES[recipe][0]()
    packed = config["net"]["name"] == "PackedWaveNet"
    kind = lightning_module.PackedLightningModule if packed else lightning_module.LightningModule
    model = kind.init_from_config(config)

    def dataset(part, ny):
        dry, wet = (torch.tensor(soundfile.read(sounds / f"{part}-{side}.wav", dtype="float32")[0])
                    for side in ("dry", "wet"))
        made = Dataset(dry, wet, nx=model.net.receptive_field, ny=ny, sample_rate=48000,
                       require_input_pre_silence=None)
        made.handshake(model.net)
        model.net.handshake(made)
        return made

    train, valid = dataset("train", WINDOW), dataset("valid", None)
    model.net.sample_rate = 48000

    class Clock(pytorch_lightning.Callback):
        begun = []

        def on_train_epoch_start(self, *_):
            self.begun.append(time.time())

        def on_fit_end(self, *_):
            self.begun.append(time.time())

    trainer = pytorch_lightning.Trainer(
        max_epochs=epochs, callbacks=[Clock(), pytorch_lightning.callbacks.ModelCheckpoint(every_n_epochs=1)],
        default_root_dir=sounds.parent / "field", accelerator="cpu", enable_progress_bar=False,
        num_sanity_val_steps=0, logger=False)
    loader = torch.utils.data.DataLoader
    trainer.fit(model, loader(train, batch_size=16, shuffle=True, drop_last=True), loader(valid))
    return np.diff(Clock.begun)[1:].tolist()


def ours(recipe, effigy, folder, epochs):
    """The same of effigy, by when each epoch's line was written down."""
    _, config, preset = RECIPES[recipe]
    run = folder / f"ours-{recipe}"
    subprocess.run(["rm", "-rf", run], check=True)
    subprocess.run([effigy, "train", "-q", "--no-report", "--config", CONFIGS / f"{config}.toml", "--run", run,
                    "--set", f"training.epochs={epochs}", "--set", f'model.preset="{preset}"',
                    "--device", "flex"], check=True, capture_output=True)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["seconds"] for line in lines][1:]


def prepare(effigy, folder):
    """The recordings of the config as one pair to learn from and one to validate on."""
    sounds = folder / "sounds"
    subprocess.run([effigy, "synth", "-q", "--config", CONFIGS / "a1-standard.toml", "-o", sounds, "--format", "f32"],
                   check=True)
    for part in ("train", "valid"):
        for side in ("dry", "wet"):
            parts = [soundfile.read(path)[0] for path in sorted(sounds.glob(f"{part}-?-{side}.wav"))]
            soundfile.write(sounds / f"{part}-{side}.wav", np.concatenate(parts), 48000, subtype="FLOAT")
    return sounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effigy")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--field", choices=RECIPES, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.field:
        print(json.dumps(field(wanted.field, wanted.folder, wanted.epochs)))
        return
    effigy, folder = os.path.abspath(wanted.effigy), wanted.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sounds = prepare(effigy, folder)
    for recipe in RECIPES:
        theirs, own = [], []
        for _ in range(wanted.rounds):
            said = subprocess.run([sys.executable, __file__, effigy, sounds, "--field", recipe,
                                   "--epochs", str(wanted.epochs)], capture_output=True, text=True)
            if said.returncode:
                sys.exit(said.stderr[-2000:])
            theirs += json.loads(said.stdout.strip().splitlines()[-1])
            own += ours(recipe, effigy, folder, wanted.epochs)
        print(f"{recipe}: the field's trainer {median(theirs):.1f} s an epoch, effigy {median(own):.2f} s: "
              f"{median(theirs) / median(own):.1f} times", flush=True)


if __name__ == "__main__":
    main()
