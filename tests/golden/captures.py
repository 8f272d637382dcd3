"""`.nam` files as the field's own trainer (neural-amp-modeler, PyTorch) writes them, and what it
says they sound like: every network exported by the package, played by the package in double
precision."""

import json
import math
from copy import deepcopy
from importlib.resources import files

import numpy as np
import torch
from nam.models import _from_nam as reading
from nam.models.base import BaseNet
from nam.models.factory import init
from nam.models.metadata import UserMetadata

from common import HERE, SHARED, guitar, save, write_json

RATE = 48_000
DATE = {"year": 2026, "month": 1, "day": 2, "hour": 3, "minute": 4, "second": 5}
# Weights are rounded to multiples of 2⁻⁹: short in a file, exact in every float type.
STEP = 2.0**9


def array(channels, head, dilations, **more):
    """One array of layers as the trainer's config has it; `head` = (outputs, kernel, bias)."""
    head = dict(zip(("out_channels", "kernel_size", "bias"), head))
    common = {"input_size": 1, "condition_size": 1, "kernel_size": 3, "activation": "Tanh"}
    return common | {"channels": channels, "head": head, "dilations": dilations} | more


def pair(name, primary, secondary):
    return {"name": name, "primary": primary, "secondary": secondary}


A1_DILATIONS = [2**i for i in range(10)]
A1 = {
    "layers_configs": [
        array(16, (8, 1, False), A1_DILATIONS),
        array(8, (1, 1, True), A1_DILATIONS, input_size=16),
    ],
    "head_scale": 0.02,
}
# Both ways of pairing, sigmoid gates and others, a bottleneck, a head over time.
GATED = {
    "layers_configs": [
        array(
            4,
            (3, 4, True),
            [1, 3, 9],
            kernel_sizes=[3, 2, 4],
            bottleneck=2,
            activation=[
                pair("PairMultiply", "Tanh", "Sigmoid"),
                pair("PairBlend", "ReLU", "Sigmoid"),
                pair("PairMultiply", "SiLU", "Hardtanh"),
            ],
        ),
        array(
            5,
            (1, 2, False),
            [2, 5],
            input_size=4,
            bottleneck=3,
            activation=pair("PairBlend", "Tanh", "Tanh"),
        ),
    ],
    "head_scale": 0.75,
}
del GATED["layers_configs"][0]["kernel_size"]
# All eight modulations, with and without shift, in groups, over a 1x1 towards the head.
FILMS = ["conv_pre", "conv_post", "input_mixin_pre", "input_mixin_post"]
FILMS += ["activation_pre", "activation_post", "layer1x1_post", "head1x1_post"]
FILM = {
    "layers_configs": [
        array(
            4,
            (1, 1, True),
            [1, 2, 7],
            bottleneck=6,
            head_1x1_config={"active": True, "out_channels": 3, "groups": 3},
            # The player modulates after the 1x1 only where a layer blends.
            activation=pair("PairBlend", "Tanh", "Sigmoid"),
            film_params={
                f"{name}_film": {"active": True, "shift": i % 3 != 1, "groups": 1}
                for i, name in enumerate(FILMS)
            },
        )
    ],
    "head_scale": 0.5,
}
# Groups everywhere, conditioned by a small network of two outputs; no 1x1 in the last layer.
GROUPED = {
    "layers_configs": [
        array(
            4,
            (2, 1, False),
            [1, 4],
            condition_size=2,
            groups_input=2,
            groups_input_mixin=2,
            layer_1x1_config={"active": True, "groups": 2},
            film_params={"conv_post_film": {"active": True, "shift": True, "groups": 2}},
        ),
        array(
            2,
            (1, 1, True),
            [3],
            input_size=4,
            condition_size=2,
            # Before another layer this would be heard differently by trainer and player.
            layer_1x1_config={"active": False},
        ),
    ],
    "head_scale": 1.25,
    "condition_dsp": {
        "name": "WaveNet",
        "config": {"layers_configs": [array(3, (2, 1, True), [1, 2])], "head_scale": 0.5},
    },
}
# Every activation the trainer knows, and layers after the stack.
ACTIVATIONS = ["Tanh", "Hardtanh", "ReLU", "Sigmoid", "SiLU", "Hardswish", "Softsign"]
ACTIVATIONS += ["Softsigmoid", "LeakyHardtanh", {"name": "LeakyReLU", "negative_slope": 0.25}]
ACTIVATIONS += [{"name": "PReLU", "num_parameters": 3}, {"name": "PReLU"}]
HEAD = {
    "layers_configs": [
        array(3, (2, 1, True), list(range(1, len(ACTIVATIONS) + 1)), activation=ACTIVATIONS)
    ],
    "head": {"channels": 4, "activation": "Softsign", "out_channels": 1, "kernel_sizes": [3, 2]},
    "head_scale": 0.25,
}
SLIMMABLE = {
    "layers_configs": [
        array(
            6,
            (1, 1, True),
            [1, 2, 4],
            slimmable={"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [3, 6]}},
        )
    ],
    "head_scale": 0.5,
}
# Name of the file, the trainer's architecture and config, how much larger the weights are than
# they begin (so that activations bend), samples stored.
NETWORKS = {
    "a1_standard": ("WaveNet", A1, 1.5, 8192),
    "gated": ("WaveNet", GATED, 1.5, 2048),
    "film": ("WaveNet", FILM, 1.0, 2048),
    "grouped": ("WaveNet", GROUPED, 1.5, 2048),
    "head": ("WaveNet", HEAD, 2.0, 2048),
    "slimmable": ("WaveNet", SLIMMABLE, 1.5, 2048),
    "convnet": (
        "ConvNet",
        {"channels": 4, "dilations": [1, 2, 4, 8], "activation": "ReLU"},
        2.0,
        2048,
    ),
    "convnet_batchnorm": (
        "ConvNet",
        {"channels": 3, "dilations": [1, 3, 9], "batchnorm": True, "activation": "Tanh"},
        1.5,
        2048,
    ),
    "lstm": ("LSTM", {"hidden_size": 8, "num_layers": 2}, 1.0, 2048),
    "linear": ("Linear", {"receptive_field": 32, "bias": True}, 1.5, 2048),
}


def rounded(net, size=1.0):
    """Weights `size` times as large as they begin, on the grid; running statistics and slopes as
    training might leave them."""
    for name, value in net.state_dict().items():
        if value.is_floating_point() and value.numel() > 0 and name != "_sample_rate":
            if "running" in name or "_activation" in name:
                value.copy_(torch.rand_like(value) / size + 0.25)
            # An LSTM that soon comes to rest in silence is not loud.
            larger = 32 * size if name == "_head.weight" else size
            value.copy_(torch.round(value * larger * STEP) / STEP)
    return net.eval()


def played(net, x):
    """The trainer's output in double precision, from the state in its file."""
    with torch.no_grad():
        net = deepcopy(net).double()
        x = torch.from_numpy(x.astype(np.float64))
        if hasattr(net, "_core"):
            silence = torch.zeros(1, 48_000, 1, dtype=torch.float64)
            state = net._get_initial_state(silence)
            later = net._get_initial_state(silence[:, 1:])
            assert all((a - b).abs().max() < 1e-9 for a, b in zip(state, later)), "never at rest"
            return net._forward(x[None], state)[0].numpy()
        if hasattr(net, "_bias"):
            # The field's player takes the weights for an impulse response, newest tap first;
            # the trainer's convolution runs the other way. Files are heard through the player.
            taps = net._net.weight.flatten().numpy()
            return np.convolve(x.numpy(), taps)[: len(x)] + net._net.bias.item()
        return net(x).numpy()


def dated(value):
    """The same JSON with one date wherever the package put the present one."""
    if isinstance(value, dict):
        return {k: DATE if k == "date" else dated(v) for k, v in value.items()}
    return [dated(v) for v in value] if isinstance(value, list) else value


def short_form(model):
    """The version that trainers wrote before 0.7, which says less of the same network."""
    layers = []
    for layer in model["config"]["layers"]:
        same = ("input_size", "condition_size", "channels", "dilations")
        layers.append(
            {key: layer[key] for key in same}
            | {"head_size": layer["head"]["out_channels"], "head_bias": layer["head"]["bias"]}
            | {"kernel_size": layer["kernel_sizes"][0], "activation": "Tanh", "gated": False}
        )
    config = {"layers": layers, "head": None, "head_scale": model["config"]["head_scale"]}
    return model | {"version": "0.5.4", "config": config}


def long_form(model):
    """The reverse, for the package to read."""
    model = deepcopy(model)
    for layer in model["config"].get("layers", []):
        if "head_size" in layer:
            bias, size = layer.pop("head_bias"), layer.pop("head_size")
            layer["head"] = {"out_channels": size, "kernel_size": 1, "bias": bias}
            assert not layer.pop("gated")
    return model


def identities():
    """Networks whose output is their input, bit for bit: max(x, 0) − max(−x, 0), and one tap."""
    layer = array(2, (1, 1, False), [1], kernel_size=1, activation="ReLU")
    wavenet = init("WaveNet", args=({"layers_configs": [layer], "head_scale": 1.0},))
    nothing = [0.0] * 6
    wavenet.import_weights([0.0, 0.0, *nothing, 1.0, -1.0, *nothing, 1.0, -1.0, 1.0])
    linear = init("Linear", args=({"receptive_field": 4},))
    linear.import_weights([1.0, 0.0, 0.0, 0.0])
    return {"identity_wavenet": wavenet, "identity_linear": linear}


def store(name, model, outputs):
    write_json(f"captures/{name}.nam", dated(model))
    for path, output in outputs.items():
        peak = np.abs(output - output.mean()).max()
        assert 0.01 < peak < 10, f"{path}: peak {peak}"
        save(f"captures/{path}", output)


def a2_config():
    """The two sizes that the trainer makes by default."""
    resource = files("nam").joinpath("train/_resources/config_model_packed.json")
    return json.loads(resource.read_text())["net"]["config"]


def check_against_shared():
    """The package on captures that lie beside some checkouts, against what the field's C++
    player gave for them: that both say the same is why the package may speak here."""
    folder = SHARED / "fixtures/nam"
    if not folder.is_dir():
        print(f"not checked against the field's player: {folder} is not here")
        return
    from nam.data import wav_to_tensor

    wav = lambda name: wav_to_tensor(folder / name).numpy()
    cases = [("wavenet_a1_standard", None), ("wavenet", None), ("lstm", None)]
    for name, size in [*cases, ("A2", "lite"), ("A2", "full")]:
        model = json.loads((folder / f"{name}.nam").read_text())
        if size:
            model = model["config"]["submodels"][["lite", "full"].index(size)]["model"]
        net = reading.init_from_nam(long_form(model)).eval()
        x, y = wav("input.wav"), wav(f"expected-{name}{f'-{size}' if size else ''}.wav")
        apart = np.abs(played(net, x) - y).max()
        assert apart < 1e-5, f"{name} {size}: {apart}"
    print("agrees with the field's player")


def main():
    torch.set_num_threads(1)
    check_against_shared()
    x = guitar(8192, RATE, 5)
    save("captures/input", x)
    # The package measures loudness on its own recording; here on the generated signal.
    BaseNet._metadata_loudness_x = classmethod(lambda cls: torch.from_numpy(x))
    for name, (architecture, config, size, samples) in NETWORKS.items():
        torch.manual_seed(sum(map(ord, name)))
        net = rounded(init(architecture, args=(deepcopy(config),)), size)
        net.sample_rate = RATE
        model = net._get_export_dict()
        if name == "a1_standard":
            model = short_form(model)
        store(name, model, {name: played(net, x[:samples])})

    for name, net in identities().items():
        net.sample_rate = RATE
        store(name, net._get_export_dict(), {})

    torch.manual_seed(2)
    packed = rounded(init("PackedWaveNet", args=(a2_config(),)))
    packed.sample_rate = RATE
    folder = HERE / "captures"
    packed.export_container(
        folder, basename="a2", user_metadata=UserMetadata(input_level_dbu=12.5, name="golden")
    )
    model = json.loads((folder / "a2.nam").read_text())
    outputs = {f"a2_{i}": played(packed.extract_submodel(i), x) for i in range(2)}
    store("a2", model, outputs)


if __name__ == "__main__":
    main()
