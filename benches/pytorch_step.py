#!/usr/bin/env python3
"""Training steps in PyTorch, for `effigy bench train --against "python3 benches/pytorch_step.py"`.

Not a dependency of effigy: it needs a Python with torch of your own. The protocol is described
in src/commands/bench_train/rival.rs. Networks are written the way PyTorch users write them, from
torch.nn's own layers; the loss is the config's, the optimiser Adam in its fastest form there (`fused`).
With --bytes the trainer's name also says how many bytes its operators read and write in a step: each
operator's tensors once, views of others not at all. With --compile=default or --compile=reduce-overhead (CUDA
graphs, on a card) the network and its loss are compiled first.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def activation(spec, channels):
    if not isinstance(spec, str):
        return nn.LeakyReLU(spec["leaky-relu"]["slope"])
    if spec == "p-relu":
        return nn.PReLU(channels)
    simple = {
        "identity": nn.Identity,
        "tanh": nn.Tanh,
        "hard-tanh": nn.Hardtanh,
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
        "silu": nn.SiLU,
        "hard-swish": nn.Hardswish,
        "softsign": nn.Softsign,
    }
    return simple[spec]()


def latest(x, length):
    return x[:, :, x.shape[2] - length :]


class WaveNetLayer(nn.Module):
    def __init__(self, array, inputs, kernel, dilation):
        super().__init__()
        channels = array["channels"]
        middle = 2 * channels if array["gated"] else channels
        self.channels, self.gated = channels, array["gated"]
        self.conv = nn.Conv1d(channels, middle, kernel, dilation=dilation)
        self.mixer = nn.Conv1d(inputs, middle, 1, bias=False)
        self.one = nn.Conv1d(channels, channels, 1)
        self.act = activation(array["activation"], channels)

    def forward(self, x, condition, silent):
        z = self.conv(x)
        z = z + self.mixer(latest(condition, z.shape[2]))
        if self.gated:
            a = self.act(z[:, : self.channels]) * torch.sigmoid(z[:, self.channels :])
        else:
            a = self.act(z)
        return (None if silent else latest(x, a.shape[2]) + self.one(a)), a


class WaveNet(nn.Module):
    def __init__(self, model, inputs):
        super().__init__()
        self.scale = model["head_scale"]
        self.arrays = nn.ModuleList()
        before = inputs
        for array in model["arrays"]:
            taps = zip(array["kernel_sizes"], array["dilations"])
            part = nn.Module()
            part.rechannel = nn.Conv1d(before, array["channels"], 1, bias=False)
            part.layers = nn.ModuleList(WaveNetLayer(array, inputs, k, d) for k, d in taps)
            part.head = nn.Conv1d(
                array["channels"], array["head_size"], array["head_kernel_size"], bias=array["head_bias"]
            )
            self.arrays.append(part)
            before = array["channels"]

    def forward(self, x):
        condition, head = x, None
        for at, array in enumerate(self.arrays):
            x = array.rechannel(x)
            for number, layer in enumerate(array.layers):
                last = at + 1 == len(self.arrays) and number + 1 == len(array.layers)
                x, a = layer(x, condition, last)
                if head is None:
                    head = a
                else:
                    length = min(head.shape[2], a.shape[2])
                    head = latest(head, length) + latest(a, length)
            head = array.head(head)
        return head * self.scale


class Recurrent(nn.Module):
    def __init__(self, model, inputs):
        super().__init__()
        self.front = nn.Sequential()
        before = inputs
        front = model.get("front", {"dilations": []})
        for dilation in front["dilations"]:
            self.front.append(nn.Conv1d(before, front["channels"], front["kernel_size"], dilation=dilation))
            self.front.append(activation(front["activation"], front["channels"]))
            before = front["channels"]
        layer = nn.GRU if model["kind"] == "gru" else nn.LSTM
        self.memory = layer(before, model["hidden_size"], model["layers"], batch_first=True)
        self.head = nn.Linear(model["hidden_size"], 1)
        self.gain = model.get("gain", False)
        self.skip, self.warm_up, self.truncate = model["skip"], model["warm_up"], model["truncate"]

    def forward(self, x):
        sound = x[:, :1]
        x = self.front(x).transpose(1, 2)
        state = None
        if self.warm_up:
            with torch.no_grad():
                _, state = self.memory(x[:, : self.warm_up])
        outputs = []
        for piece in x[:, self.warm_up :].split(self.truncate, dim=1):
            y, state = self.memory(piece, state)
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            outputs.append(self.head(y))
        y = torch.cat(outputs, 1).transpose(1, 2)
        if self.gain:
            y = y * latest(sound, y.shape[2])
        return y + latest(sound, y.shape[2]) if self.skip else y


class ConvBranch(nn.Module):
    def __init__(self, channels, kernel, kind):
        super().__init__()
        self.tied = kind == "conv-tied"
        self.encoder = nn.Conv1d(1, channels, kernel, bias=not self.tied)
        if not self.tied:
            self.decoder = nn.ConvTranspose1d(channels, 1, kernel, padding=kernel - 1)
        self.dense = nn.Conv1d(channels, channels, 1) if kind == "conv-dense-middle" else None
        self.scaled = kind not in ("conv-no-middle", "conv-dense-middle")
        if self.scaled:
            self.scale = nn.Parameter(torch.ones(channels, 1))
            self.shift = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, x):
        hidden = F.relu(self.encoder(x))
        if self.dense is not None:
            hidden = F.relu(self.dense(hidden))
        elif self.scaled:
            hidden = F.relu(hidden * self.scale + self.shift)
        if self.tied:
            taps = self.encoder.weight
            return F.conv_transpose1d(hidden, taps, padding=taps.shape[2] - 1)
        return self.decoder(hidden)


class Conv(nn.Module):
    def __init__(self, model, inputs):
        super().__init__()
        self.kernels = model.get("kernel_sizes") or [model["kernel_size"]]
        branches = (ConvBranch(model["channels"], kernel, model["kind"]) for kernel in self.kernels)
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        length = x.shape[2] - 2 * (max(self.kernels) - 1)
        each = zip(self.branches, self.kernels)
        return sum(branch(latest(x, length + 2 * (kernel - 1))) for branch, kernel in each)


class Tcn(nn.Module):
    def __init__(self, model, inputs):
        super().__init__()
        channels, before = model["channels"], inputs
        self.layers = nn.ModuleList()
        for number in range(model["layers"]):
            part = nn.Module()
            dilation = model["dilation_growth"] ** number
            part.conv = nn.Conv1d(before, channels, model["kernel_size"], dilation=dilation)
            part.act = activation(model["activation"], channels)
            part.shortcut = nn.Conv1d(before, channels, 1, bias=False)
            self.layers.append(part)
            before = channels
        self.head = nn.Conv1d(channels, 1, 1)

    def forward(self, x):
        for layer in self.layers:
            y = layer.act(layer.conv(x))
            x = y + layer.shortcut(latest(x, y.shape[2]))
        return self.head(x)


def by_fft(x, kernel):
    """`x` through filters as long as itself, each channel its own or all the same."""
    size = 2 * x.shape[2]
    y = torch.fft.irfft(torch.fft.rfft(x, n=size) * torch.fft.rfft(kernel, n=size), n=size)
    return y[:, :, : x.shape[2]]


class FilterBank(nn.Module):
    """Filters with learned poles in convolution form: the kernel from the poles, applied by FFT."""

    def __init__(self, channels, states):
        super().__init__()
        self.log_step = nn.Parameter(torch.rand(channels) * 4.6 - 6.9)
        self.decay = nn.Parameter(torch.full((channels, states), -0.43))
        self.frequency = nn.Parameter(torch.pi * torch.arange(states).float().repeat(channels, 1))
        self.output = nn.Parameter(torch.randn(channels, states, 2) * 0.5)
        self.direct = nn.Parameter(torch.randn(channels))

    def kernel(self, length):
        a = torch.complex(-F.softplus(self.decay), self.frequency)
        step = a * self.log_step.exp()[:, None]
        c = 2 * torch.view_as_complex(self.output) * (step.exp() - 1) / a
        powers = (step[:, :, None] * torch.arange(length, device=step.device)).exp()
        return (c[:, :, None] * powers).sum(1).real

    def forward(self, x):
        return by_fft(x, self.kernel(x.shape[2])) + x * self.direct[:, None]


class S4dLayer(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.filters = FilterBank(model["channels"], model["states"])
        self.mix = nn.Conv1d(model["channels"], model["channels"], 1)
        self.act = activation(model["activation"], model["channels"])

    def forward(self, x):
        return self.act(self.mix(self.filters(x))) + x


class S4TfLayer(S4dLayer):
    """The same, modulated by what an LSTM makes of the peaks of the blocks before."""

    def __init__(self, model):
        super().__init__(model)
        channels, self.block = model["channels"], model["block_size"]
        self.memory = nn.LSTM(channels, model["hidden_size"], batch_first=True)
        self.project = nn.Linear(model["hidden_size"], 2 * channels)

    def forward(self, x):
        y = self.mix(self.filters(x))
        length = y.shape[2]
        peaks = F.max_pool1d(y.abs(), self.block).transpose(1, 2)
        heard = F.pad(self.memory(peaks)[0], (0, 0, 1, 0))
        held = self.project(heard).transpose(1, 2).repeat_interleave(self.block, 2)[:, :, :length]
        scale, shift = held.chunk(2, 1)
        return self.act(y * (1 + scale) + shift) + x


class S4d(nn.Module):
    def __init__(self, model, inputs):
        super().__init__()
        self.input = nn.Conv1d(inputs, model["channels"], 1)
        layer = S4TfLayer if model["kind"] == "s4-tf" else S4dLayer
        self.layers = nn.Sequential(*(layer(model) for _ in range(model["layers"])))
        self.head = nn.Conv1d(model["channels"], 1, 1)
        self.warm_up = model["warm_up"]

    def forward(self, x):
        return self.head(self.layers(self.input(x)))[:, :, self.warm_up :]


class WienerHammerstein(nn.Module):
    """Filters in convolution form, their poles summed into one kernel, and clippers between them."""

    def __init__(self, model, inputs):
        super().__init__()
        stages = model["clippers"] + 1
        self.banks = nn.ModuleList(FilterBank(model["poles"], 1) for _ in range(stages))
        self.gains = nn.Parameter(torch.zeros(stages))
        self.offsets = nn.Parameter(torch.full((model["clippers"],), 0.1))
        self.warm_up = model["warm_up"]

    def forward(self, x):
        for number, bank in enumerate(self.banks):
            y = by_fft(x, bank.kernel(x.shape[2]).sum(0)) + x * bank.direct.sum()
            x = y * self.gains[number].exp()
            if number < len(self.offsets):
                offset = self.offsets[number]
                x = torch.tanh(x + offset) - torch.tanh(offset)
        return x[:, :, self.warm_up :]


class Fir(nn.Module):
    def __init__(self, model, inputs):
        super().__init__()
        self.taps = nn.Parameter(torch.randn(1, 1, model["taps"]) / model["taps"])

    def forward(self, x):
        length = self.taps.shape[2]
        if length < 2048:
            return F.conv1d(x, self.taps)
        size = x.shape[2] + length - 1
        y = torch.fft.irfft(torch.fft.rfft(x, n=size) * torch.fft.rfft(self.taps, n=size), n=size)
        return y[:, :, length - 1 : x.shape[2]]


class Dense(nn.Module):
    def __init__(self, model, inputs):
        super().__init__()
        hidden, window = model["hidden_size"], model["window_len"]
        between = nn.ReLU if model["kind"] == "nonlinear" else nn.Identity
        self.layers = nn.Sequential(
            nn.Linear(window, hidden), between(), nn.Linear(hidden, hidden), between(), nn.Linear(hidden, window)
        )

    def forward(self, x):
        return self.layers(x)


RESOLUTIONS = [(1024, 120, 600), (2048, 240, 1200), (512, 50, 240)]


class Loss:
    """The weighted sum of effigy's loss terms; formulas in src/models/loss.rs and src/kernels/spectral."""

    def __init__(self, weights, device):
        self.emphasis = weights["pre_emphasis"]
        self.weights = {name: w for name, w in weights.items() if name != "pre_emphasis" and w}
        self.windows = [torch.hann_window(win, device=device) for _, _, win in RESOLUTIONS]

    def magnitudes(self, x, resolution, window):
        n_fft, hop, win = resolution
        bins = torch.stft(x.flatten(0, 1), n_fft, hop, win, window, center=True, pad_mode="reflect", return_complex=True)
        return (bins.real**2 + bins.imag**2).clamp(min=1e-8).sqrt()

    def spectral(self, wet, predicted):
        total = 0.0
        for resolution, window in zip(RESOLUTIONS, self.windows):
            with torch.no_grad():
                w = self.magnitudes(wet, resolution, window)
            p = self.magnitudes(predicted, resolution, window)
            total = total + torch.norm(w - p) / torch.norm(w) + F.l1_loss(p.log(), w.log())
        return total / len(RESOLUTIONS)

    def term(self, name, wet, predicted):
        if name.startswith("pre_emphasised_"):
            wet, predicted = (x[..., 1:] - self.emphasis * x[..., :-1] for x in (wet, predicted))
            name = name.removeprefix("pre_emphasised_")
        error = wet - predicted
        if name == "mse":
            return (error**2).mean()
        if name == "mae":
            return error.abs().mean()
        if name == "esr":
            return (error**2).mean() / ((wet**2).mean() + 1e-16)
        if name == "dc":
            return error.mean() ** 2 / ((wet**2).mean() + 1e-16)
        if name == "log_cosh":
            return (error.abs() + F.softplus(-2 * error.abs())).mean() - 0.6931471805599453
        return self.spectral(wet, predicted)

    def __call__(self, wet, predicted):
        return sum(w * self.term(name, wet, predicted) for name, w in self.weights.items())


NETWORKS = {
    "linear": Dense,
    "nonlinear": Dense,
    "wavenet": WaveNet,
    "lstm": Recurrent,
    "gru": Recurrent,
    "conv": Conv,
    "conv-tied": Conv,
    "conv-no-middle": Conv,
    "conv-dense-middle": Conv,
    "conv-multiscale": Conv,
    "tcn": Tcn,
    "s4d": S4d,
    "s4-tf": S4d,
    "wiener-hammerstein": WienerHammerstein,
    "fir": Fir,
}


def say(answer):
    print(json.dumps(answer), flush=True)


class Bytes(TorchDispatchMode):
    """Sums up what operators read and write."""

    total = 0

    def __torch_dispatch__(self, operator, types, arguments=(), named=None):
        made = operator(*arguments, **(named or {}))
        views = any(one.alias_info is not None and not one.alias_info.is_write for one in operator._schema.returns)
        if not views:
            # What is written in place is read, too.
            for one in tree_leaves([arguments, named, made]):
                if isinstance(one, torch.Tensor):
                    self.total += one.numel() * one.element_size()
        return made


def step(model, loss_of, optimiser, dry, wet):
    # Of what was only heard before it nothing is scored.
    loss = loss_of(wet, latest(model(dry), wet.shape[2]))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.item()


def counted(*work):
    with Bytes() as seen:
        step(*work)
    return f"; its operators read and write {seen.total / 1e9:.2f} GB a step"


def main():
    task = json.loads(sys.stdin.readline())
    kind = task["model"]["kind"]
    if kind not in NETWORKS:
        say({"unknown": f"no {kind} network in {sys.argv[0]}"})
        return
    torch.set_num_threads(task["threads"])
    torch.manual_seed(1)
    on_gpu = not task["device"].startswith(("flex", "ndarray"))
    device = torch.device("cuda" if on_gpu else "cpu")
    task["model"]["window_len"] = task["window_len"]
    model = NETWORKS[kind](task["model"], task["input_channels"]).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss_of = Loss(task.get("loss", {"esr": 1.0, "pre_emphasis": 0.85}), device)
    dry = 0.5 * torch.randn(task["batch_size"], task["input_channels"], task["input_len"], device=device)
    wet = torch.tanh(3 * dry[:, :1, task["input_len"] - task["window_len"] :])
    where = torch.cuda.get_device_name() if on_gpu else f"{task['threads']} threads"
    form = next((word.split("=")[1] for word in sys.argv if word.startswith("--compile=")), None)
    if form:
        model, loss_of = torch.compile(model, mode=form), torch.compile(loss_of, mode=form)
        where += f", compiled ({form})"
    work = (model, loss_of, optimiser, dry, wet)
    moved = counted(*work) if "--bytes" in sys.argv else ""
    say({"trainer": f"PyTorch {torch.__version__} on {where}{moved}"})
    for line in sys.stdin:
        if line.strip() != "step":
            raise SystemExit(f"{line!r} instead of step")
        start = time.perf_counter()
        step(*work)
        if on_gpu:
            torch.cuda.synchronize()
        say({"step_seconds": time.perf_counter() - start})


if __name__ == "__main__":
    main()
