"""RTNeural, AIDA-X and CoreAudioML (Proteus) files: layers by their definition, in NumPy and in
double precision; the recurrent layers of CoreAudioML by PyTorch's own."""

import json

import numpy as np
import torch

from common import SHARED, guitar, save, write_json

# Weights are multiples of 2⁻⁹: short in a file, exact in every float type.
STEP = 2.0**9


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


ACTIVATIONS = {
    "": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softmax": softmax,
}


def dense(layer, x):
    """x [time, in]; weights [in][out], bias."""
    weight, bias = layer["weights"]
    return x @ weight + bias


def conv1d(layer, x):
    """Weights [kernel][in / groups][out], oldest tap first; zeros before the beginning."""
    weight, bias = layer["weights"]
    (kernel,), (dilation,) = layer["kernel_size"], layer["dilation"]
    taps, inner, outputs = weight.shape
    each = outputs // layer["groups"]
    padded = np.pad(x, (((kernel - 1) * dilation, 0), (0, 0)))
    y = np.tile(bias, (len(x), 1))
    for o in range(outputs):
        first = o // each * inner
        for k in range(taps):
            part = padded[k * dilation : k * dilation + len(x), first : first + inner]
            y[:, o] += part @ weight[k, :, o]
    return y


def lstm(layer, x):
    """Gates i, f, g, o; weights [in][4H], [H][4H], one bias."""
    from_input, from_hidden, bias = layer["weights"]
    h = c = np.zeros(from_hidden.shape[0])
    out = []
    for step in x:
        i, f, g, o = np.split(step @ from_input + h @ from_hidden + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def gru(layer, x):
    """Gates z, r, h; two biases; the reset acts after the hidden product and its bias."""
    from_input, from_hidden, (bias_input, bias_hidden) = layer["weights"]
    h = np.zeros(from_hidden.shape[0])
    out = []
    for step in x:
        zi, ri, hi = np.split(step @ from_input + bias_input, 3)
        zh, rh, hh = np.split(h @ from_hidden + bias_hidden, 3)
        z, r = sigmoid(zi + zh), sigmoid(ri + rh)
        h = (1 - z) * np.tanh(hi + r * hh) + z * h
        out.append(h)
    return np.array(out)


def batchnorm(layer, x):
    """[gamma, beta,] mean, variance."""
    *affine, mean, variance = layer["weights"]
    y = (x - mean) / np.sqrt(variance + layer["epsilon"])
    return y * affine[0] + affine[1] if affine else y


def prelu(layer, x):
    return np.where(x > 0, x, x * layer["weights"][0][0])


LAYERS = {"dense": dense, "time-distributed-dense": dense, "conv1d": conv1d, "lstm": lstm}
LAYERS |= {"gru": gru, "batchnorm": batchnorm, "prelu": prelu, "activation": lambda layer, x: x}


def played(layers, x):
    """Layers one after another on x [time, in], in double precision; the activation of a
    recurrent layer is fixed, whatever its key says."""
    for layer in layers:
        layer = layer | {"weights": [np.array(w, np.float64) for w in layer["weights"]]}
        x = LAYERS[layer["type"]](layer, x)
        if layer["type"] not in ("lstm", "gru"):
            x = ACTIVATIONS[layer["activation"]](x)
    return x


class Draw:
    """Layers with drawn weights on a short grid."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.layers = []

    def weights(self, *shape, size=1.6, low=None):
        values = self.random.uniform(-size if low is None else low, size, shape)
        return (np.round(values * STEP) / STEP).tolist()

    def add(self, kind, out, weights, activation="", **more):
        shape = {"type": kind, "activation": activation, "shape": [None, None, out]}
        self.layers.append(shape | more | {"weights": weights})
        return self

    def dense(self, inputs, out, activation=""):
        return self.add("dense", out, [self.weights(inputs, out), self.weights(out)], activation)

    def conv1d(self, inputs, out, kernel, dilation, groups, activation=""):
        weights = [self.weights(kernel, inputs // groups, out), self.weights(out)]
        sizes = {"kernel_size": [kernel], "dilation": [dilation], "groups": groups}
        return self.add("conv1d", out, weights, activation, **sizes)

    def lstm(self, inputs, units):
        weights = [self.weights(inputs, 4 * units), self.weights(units, 4 * units, size=0.4)]
        return self.add("lstm", units, [*weights, self.weights(4 * units)], "tanh")

    def gru(self, inputs, units):
        weights = [self.weights(inputs, 3 * units), self.weights(units, 3 * units, size=0.4)]
        return self.add("gru", units, [*weights, self.weights(2, 3 * units)], "tanh")

    def batchnorm(self, width, affine):
        moments = [self.weights(width), self.weights(width, size=2.0, low=0.5)]
        affine = [self.weights(width), self.weights(width)] if affine else []
        return self.add("batchnorm", width, affine + moments, epsilon=0.01)

    def prelu(self, width, slopes):
        return self.add("prelu", width, [self.weights(1, slopes)])


def rtneural(name, draw, x):
    write_json(f"sequences/{name}.json", {"in_shape": [None, None, 1], "layers": draw.layers})
    y = played(draw.layers, x[:, None])[:, 0]
    assert y.std() > 0.05 and np.abs(y).max() < 1.5, f"{name}: {y.std()}"
    save(f"sequences/{name}", y)


def aidax(x):
    """One LSTM with a skip and gains, which stay out of the file's own test, and that test."""
    draw = Draw(20).lstm(1, 12).dense(12, 1)
    x = x[:2048].astype(np.float64)
    net = lambda x: played(draw.layers, x[:, None])[:, 0] + x
    gains = {"in_gain": 3.0, "out_gain": -2.5}
    file = {
        "in_shape": [None, None, 1],
        "layers": draw.layers,
        "in_skip": 1,
        "samplerate": 48000,
        "metadata": {"name": "golden", "author": "a script", "samplerate": "48000"},
        "input_batch": np.round(x, 6),
        "output_batch": np.round(net(np.round(x, 6)), 8),
    }
    write_json("sequences/aidax.json", file | gains)
    linear = {key: 10 ** (db / 20) for key, db in gains.items()}
    save("sequences/aidax", linear["out_gain"] * net(linear["in_gain"] * x))


def knob(x):
    """A GRU whose second input is a knob, set to 0.25."""
    draw = Draw(21).gru(2, 8).dense(8, 1)
    file = {"in_shape": [None, None, 2], "layers": draw.layers, "in_skip": 0}
    write_json("sequences/aidax_knob.json", file | {"metadata": {"name": "golden"}})
    both = np.column_stack([x, np.full(len(x), 0.25)])
    save("sequences/aidax_knob", played(draw.layers, both)[:, 0])


def proteus(unit, skip, x):
    """PyTorch's recurrent and linear layers under their own names."""
    torch.manual_seed(30 + skip)
    rec, lin = getattr(torch.nn, unit)(1, 8, batch_first=True), torch.nn.Linear(8, 1)
    state = {}
    for prefix, module in (("rec", rec), ("lin", lin)):
        module.double()
        for key, value in module.state_dict().items():
            value.copy_(torch.round(value * 2.5 * STEP) / STEP)
            state[f"{prefix}.{key}"] = value.numpy()
    data = {"model": "SimpleRNN", "input_size": 1, "skip": skip, "output_size": 1}
    data |= {"unit_type": unit, "num_layers": 1, "hidden_size": 8, "bias_fl": True}
    name = f"proteus_{unit.lower()}"
    write_json(f"sequences/{name}.json", {"model_data": data, "state_dict": state})
    with torch.no_grad():
        x = torch.from_numpy(x.astype(np.float64))[None, :, None]
        save(f"sequences/{name}", (lin(rec(x)[0]) + skip * x)[0, :, 0].numpy())


def check_against_shared():
    """The definitions against RTNeural's own test vectors and an AIDA-X file's self-test, where
    they lie beside the checkout."""
    folder = SHARED / "fixtures"
    if not folder.is_dir():
        print(f"not checked against others' vectors: {folder} is not here")
        return
    for name in ("conv", "gru_1d", "lstm_1d"):
        column = lambda which: np.loadtxt(folder / f"rtneural/{name}_{which}_python.csv")
        layers = json.loads((folder / f"rtneural/{name}.json").read_text())["layers"]
        apart = np.abs(played(layers, column("x")[:, None])[:, 0] - column("y")).max()
        assert apart < 1e-6, f"{name}: {apart}"
    (file,) = (folder / "aidax").glob("*.json")
    file = json.loads(file.read_text())
    y = played(file["layers"], np.array(file["input_batch"])[:, None])[:, 0]
    y += file.get("in_skip", 0) * np.array(file["input_batch"])
    assert np.abs(y - file["output_batch"]).max() < 1e-6
    print("agrees with RTNeural's vectors and with an AIDA-X file's own test")


def main():
    torch.set_num_threads(1)
    check_against_shared()
    x = guitar(2048, 48_000, 6)
    save("sequences/input", x)
    stack = Draw(49).dense(1, 8, "tanh").conv1d(8, 4, 3, 1, 1, "elu").batchnorm(4, True)
    stack.prelu(4, 4).conv1d(4, 6, 3, 5, 2, "sigmoid").batchnorm(6, False).prelu(6, 1)
    stack.dense(6, 5, "softmax").dense(5, 4, "relu").add("activation", 4, [], "tanh").dense(4, 1)
    rtneural("stack", stack, x)
    rtneural("lstm", Draw(49).lstm(1, 8).dense(8, 4, "sigmoid").dense(4, 1), x)
    rtneural("gru", Draw(31).conv1d(1, 3, 5, 2, 1, "tanh").gru(3, 8).dense(8, 1), x)
    aidax(x)
    knob(x)
    proteus("LSTM", 1, x)
    proteus("GRU", 0, x)


if __name__ == "__main__":
    main()
