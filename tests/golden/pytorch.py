"""Losses and recurrent layers as PyTorch computes them, with gradients, in double precision."""

import numpy as np
import torch
from torch.nn.functional import l1_loss, mse_loss

from common import guitar, save, write_json

PRE_EMPHASIS = 0.85
RESOLUTIONS = [(1024, 120, 600), (2048, 240, 1200), (512, 50, 240)]


def emphasised(x):
    return x[..., 1:] - PRE_EMPHASIS * x[..., :-1]


def esr(wet, predicted):
    return mse_loss(predicted, wet) / wet.square().mean()


def magnitudes(x, n_fft, hop, win):
    window = torch.hann_window(win, dtype=x.dtype)
    bins = torch.stft(x.flatten(0, 1), n_fft, hop, win, window, center=True, return_complex=True)
    return bins.abs().square().clamp(min=1e-8).sqrt()


def multi_resolution_stft(wet, predicted):
    """Spectral convergence and log magnitudes, mean over resolutions."""
    total = 0
    for resolution in RESOLUTIONS:
        w, p = magnitudes(wet, *resolution), magnitudes(predicted, *resolution)
        total = total + torch.linalg.norm(w - p) / torch.linalg.norm(w)
        total = total + l1_loss(p.log(), w.log())
    return total / len(RESOLUTIONS)


LOSSES = {
    "mse": lambda w, p: mse_loss(p, w),
    "mae": lambda w, p: l1_loss(p, w),
    "esr": esr,
    "dc": lambda w, p: (w - p).mean().square() / w.square().mean(),
    "log_cosh": lambda w, p: (w - p).cosh().log().mean(),
    "pre_emphasised_mse": lambda w, p: mse_loss(emphasised(p), emphasised(w)),
    "pre_emphasised_esr": lambda w, p: esr(emphasised(w), emphasised(p)),
    "multi_resolution_stft": multi_resolution_stft,
    "pre_emphasised_multi_resolution_stft": lambda w, p: multi_resolution_stft(
        emphasised(w), emphasised(p)
    ),
}


def losses():
    """Values, and gradients with respect to the predicted side [loss, batch, time]."""
    chance = np.random.default_rng(40)
    wet = np.stack([guitar(1500, 44_100, seed) for seed in (41, 42)])
    wet += 0.05 * chance.standard_normal(wet.shape).astype(np.float32)
    predicted = 0.8 * wet + 0.1 * chance.standard_normal(wet.shape).astype(np.float32) + 0.02
    save("pytorch/wet_and_predicted", [wet, predicted])
    values, gradients = {}, []
    wet, predicted = (torch.from_numpy(x.astype(np.float32)).double() for x in (wet, predicted))
    for name, loss in LOSSES.items():
        p = predicted[:, None].clone().requires_grad_()
        value = loss(wet[:, None], p)
        (gradient,) = torch.autograd.grad(value, p)
        values[name] = value.item()
        gradients.append(gradient[:, 0].numpy())
    write_json("pytorch/losses.json", values)
    save("pytorch/loss_gradients", gradients)


def recurrent(kind, inputs, units, seed):
    """One layer from a given state on: output, and the gradients of Σ y·dy."""
    random = np.random.default_rng(seed)
    batch, time = 3, 29
    draw = lambda size, *shape: random.uniform(-size, size, shape).astype(np.float32)
    x, dy = draw(1, batch, time, inputs), draw(1, batch, time, units)
    hidden, cell = draw(0.7, batch, units), draw(0.7, batch, units)
    layer = getattr(torch.nn, kind)(inputs, units, batch_first=True).double()
    for weight in layer.parameters():
        weight.data.copy_(torch.from_numpy(draw(0.5, *weight.shape)))
    wide = lambda a: torch.from_numpy(a.astype(np.float64))
    x, state = wide(x).requires_grad_(), [wide(hidden)[None], wide(cell)[None]]
    y, last = layer(x, tuple(state) if kind == "LSTM" else state[0])
    (y * wide(dy)).sum().backward()
    found = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    found |= {f"d_{name}": value.grad.numpy() for name, value in layer.named_parameters()}
    found |= {"x": x.detach().numpy(), "d_x": x.grad.numpy(), "dy": dy, "y": y.detach().numpy()}
    found |= {"hidden": hidden, "cell": cell}
    last = last if kind == "LSTM" else [last]
    found |= {f"last_{i}": value[0].detach().numpy() for i, value in enumerate(last)}
    single = lambda value: [float(str(np.float32(v))) for v in np.ravel(value)]
    flat = {name: {"shape": value.shape, "values": single(value)} for name, value in found.items()}
    write_json(f"pytorch/{kind.lower()}.json", flat)


def main():
    torch.set_num_threads(1)
    losses()
    recurrent("LSTM", 2, 7, 50)
    recurrent("GRU", 3, 5, 51)


if __name__ == "__main__":
    main()
