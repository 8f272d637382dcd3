"""The state-space network with temporal FiLM by its definition, in double precision: filters in
NumPy, the LSTM by PyTorch's own. A description as effigy keeps it, and what it plays."""

import numpy as np
import torch

from common import guitar, save, write_json

CHANNELS, STATES, HIDDEN, BLOCK, LAYERS, KNOBS = 5, 3, 4, 48, 2, 1
random = np.random.default_rng(20)


def uniform(*shape, bound):
    """Single-precision values: the file holds them exactly."""
    return random.uniform(-bound, bound, shape).astype(np.float32)


def flat(x):
    return [float(v) for v in np.ravel(x)]


def conv(outputs, inputs):
    bound = 1 / np.sqrt(inputs)
    return uniform(outputs, inputs, bound=bound), uniform(outputs, bound=bound)


def apply(dense, x):
    """x [channels, time]"""
    weight, bias = (part.astype(np.float64) for part in dense)
    return weight @ x + bias[:, None]


def described(dense):
    weight, bias = dense
    outputs, inputs = weight.shape
    sizes = {"in_channels": inputs, "out_channels": outputs, "kernel_size": 1, "dilation": 1, "groups": 1}
    return {"layer": "conv1d", "with": {**sizes, "weight": flat(weight), "bias": flat(bias)}}


def filters():
    radius = uniform(CHANNELS, STATES, bound=0.05) + np.float32(0.94)
    angle = uniform(CHANNELS, STATES, bound=0.5)
    a = (radius * np.exp(1j * angle)).astype(np.complex64)
    c = (uniform(CHANNELS, STATES, bound=0.1) + 1j * uniform(CHANNELS, STATES, bound=0.1)).astype(np.complex64)
    return a, c, uniform(CHANNELS, bound=1)


def filtered(bank, x):
    """s ← a·s + x; y = Re Σ c·s + d·x"""
    a, c, d = bank[0].astype(complex), bank[1].astype(complex), bank[2].astype(float)
    state, out = np.zeros(a.shape, complex), []
    for sample in x.T:
        state = a * state + sample[:, None]
        out.append((c * state).sum(axis=1).real + d * sample)
    return np.array(out).T


def temporal_film(lstm, projection, x):
    """Peaks of a block → LSTM → scales and offsets of the next block."""
    length = x.shape[1]
    blocks = [np.abs(x[:, at : at + BLOCK]).max(axis=1) for at in range(0, length - BLOCK + 1, BLOCK)]
    with torch.no_grad():
        heard, _ = lstm(torch.tensor(np.array(blocks))[None])
    hidden = np.concatenate([np.zeros((1, HIDDEN)), heard[0].numpy()])
    values = np.repeat(apply(projection, hidden.T), BLOCK, axis=1)[:, :length]
    return x * (1 + values[:CHANNELS]) + values[CHANNELS:]


def film(generator, knobs, x):
    first, second = generator
    values = apply(second, np.tanh(apply(first, knobs)))
    return x * values[:CHANNELS] + values[CHANNELS:]


def main():
    x = guitar(4096, 44_100, 3)
    x = (x / np.abs(x).max()).astype(np.float32)
    gain = np.float32(0.25)
    entry, head = conv(CHANNELS, 1), conv(1, CHANNELS)
    layers, described_layers = [], [described(entry)]
    for _ in range(LAYERS):
        bank, mix, projection = filters(), conv(CHANNELS, CHANNELS), conv(2 * CHANNELS, HIDDEN)
        generator = conv(6, KNOBS), conv(2 * CHANNELS, 6)
        lstm = torch.nn.LSTM(CHANNELS, HIDDEN, batch_first=True)
        for weight in lstm.parameters():
            weight.data = torch.tensor(uniform(*weight.shape, bound=0.9))
        names = ("weight_ih_l0", "weight_hh_l0")
        from_input, from_hidden = (getattr(lstm, name).detach().numpy() for name in names)
        bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach().numpy()
        lstm.bias_ih_l0.data, lstm.bias_hh_l0.data = torch.tensor(bias), torch.zeros(4 * HIDDEN)
        layers.append((bank, mix, generator, lstm.double(), projection))
        a, c, d = bank
        body = [
            {"layer": "s4d", "with": {
                "channels": CHANNELS, "states": STATES,
                "a_re": flat(a.real), "a_im": flat(a.imag),
                "c_re": flat(c.real), "c_im": flat(c.imag), "d": flat(d),
            }},
            described(mix),
            {"layer": "film", "with": {
                "generator": [
                    described(generator[0]),
                    {"layer": "activation", "with": {"type": "tanh"}},
                    described(generator[1]),
                ],
                "shift": True,
            }},
            {"layer": "temporal_film", "with": {
                "block_size": BLOCK,
                "lstm": {
                    "input_size": CHANNELS, "hidden_size": HIDDEN,
                    "weight_input": flat(from_input), "weight_hidden": flat(from_hidden),
                    "bias": flat(bias), "initial_hidden": [], "initial_cell": [],
                },
                "projection": described(projection)["with"],
                "shift": True,
            }},
            {"layer": "activation", "with": {"type": "tanh"}},
        ]
        described_layers.append({"layer": "residual", "with": {"body": body, "shortcut": None}})
    described_layers.append(described(head))

    y = apply(entry, x[None].astype(float))
    for bank, mix, generator, lstm, projection in layers:
        z = film(generator, np.array([[float(gain)]]), apply(mix, filtered(bank, y)))
        y = y + np.tanh(temporal_film(lstm, projection, z))
    knob = {"name": "gain", "min": 0.0, "max": 1.0, "default": 0.25}
    write_json("s4_tf/network.json", {
        "architecture": {"type": "sequential", "input_channels": 1, "layers": described_layers},
        "sample_rate": 44_100, "controls": [knob], "delay_samples": 0,
    })
    save("s4_tf/input", x)
    save("s4_tf/output", apply(head, y)[0])


main()
