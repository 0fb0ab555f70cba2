"""torch at work for `bench.py`, eager or compiled. See `serving.py`; what the work means is in `works.py`.

The convolution is an unfold and a matrix product, rows by position, or torch's own. What is compiled is a whole step:
forward, backward and the update in place.
"""

from collections.abc import Callable

import numpy as np
import torch
from serving import Run, serve, timed
from torch import Tensor
from torch.nn import functional

Net = dict

ALL_LAYERS_AT_ONCE = 10**8  # numbers in the per-sample gradients of all layers, 0.8 GB; beyond, a layer at a time


def load(request: dict) -> tuple[Net, list[Tensor], Tensor, Tensor]:
    """Return the net, the weights W^(1), …, W^(H), a, the inputs and the targets."""
    net = request["work"]["net"]
    with np.load(request["inputs"], allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "step_size"}
    weights = [arrays[f"W{h}"] for h in range(net["depth"])] + [arrays["a"]]
    X = arrays["X"]
    if net["filter"]:  # a row a position, and the columns of a filter tap by tap
        X = X.transpose(1, 2).contiguous()
        weights = [tap_by_tap(W, net["filter"]) for W in weights[:-1]] + [weights[-1].T.contiguous()]
    return net, weights, X, arrays["y"]


def tap_by_tap(W: Tensor, q: int) -> Tensor:
    """Change the columns of W (m, channels·q) from channel by channel to tap by tap."""
    return W.reshape(len(W), -1, q).transpose(1, 2).reshape(len(W), -1).contiguous()


def channel_by_channel(W: Tensor, q: int) -> Tensor:
    """Undo `tap_by_tap`."""
    return W.reshape(len(W), q, -1).transpose(1, 2).reshape(len(W), -1)


def saved(net: Net, weights: list[Tensor]) -> dict:
    """Return the weights as ours are laid out."""
    *W, a = (w.detach() for w in weights)
    if net["filter"]:
        W, a = [channel_by_channel(w, net["filter"]) for w in W], a.T
    return {f"W{h}": w.numpy() for h, w in enumerate(W)} | {"a": a.numpy()}


def sigma(net: Net, z: Tensor) -> Tensor:
    """The activation. The threshold is where torch returns z itself: 20, its own, is visible in float64."""
    return torch.relu(z) if net["activation"] == "relu" else functional.softplus(z, threshold=40)


def unfold(x: Tensor, q: int) -> Tensor:
    """Put the q neighbours of every position side by side, (…, p, c) to (…, p, q·c)."""
    p = x.shape[-2]
    padded = functional.pad(x, (0, 0, q // 2, q // 2))
    return torch.cat([padded[..., offset : offset + p, :] for offset in range(q)], dim=-1)


def predict(net: Net, weights: list[Tensor], X: Tensor) -> Tensor:
    """u of every sample, or of one."""
    *W, a = weights
    x = X
    for h, (w, scale) in enumerate(zip(W, net["scales"], strict=True)):
        features = unfold(x, net["filter"]) if net["filter"] else x
        z = scale * sigma(net, features @ w.T)
        x = x + z if net["is_residual"] and h > 0 else z
    return (x * a).sum(dim=(-2, -1)) if net["filter"] else x @ a


def predict_by_convolution(net: Net, weights: list[Tensor], X: Tensor) -> Tensor:
    """The same with torch's own convolution."""
    *W, a = weights
    x = X.transpose(1, 2)
    for h, (w, scale) in enumerate(zip(W, net["scales"], strict=True)):
        kernel = w.reshape(len(w), net["filter"], -1).transpose(1, 2)
        z = scale * sigma(net, functional.conv1d(x, kernel, padding=net["filter"] // 2))
        x = x + z if net["is_residual"] and h > 0 else z
    return (x * a.T).sum(dim=(-2, -1))


def eager_step(predictions: Callable, net: Net, weights: list[Tensor], X: Tensor, y: Tensor, eta: float) -> Callable:
    """Autograd, and an update in place."""
    trained = weights if net["train_output"] else weights[:-1]
    for w in trained:
        w.requires_grad_()

    def step() -> Tensor:
        loss = 0.5 * (predictions(net, weights, X) - y).square().sum()
        gradients = torch.autograd.grad(loss, trained)
        with torch.no_grad():
            for w, gradient in zip(trained, gradients, strict=True):
                w.sub_(gradient, alpha=eta)
        return loss.detach()

    return step


def compiled_step(predictions: Callable, net: Net, weights: list[Tensor], X: Tensor, y: Tensor, eta: float) -> Callable:
    """Forward, backward and the update in place, compiled into one."""
    trained = len(weights) if net["train_output"] else len(weights) - 1

    def loss_of(some: list[Tensor]) -> Tensor:
        return 0.5 * (predictions(net, [*some, *weights[trained:]], X) - y).square().sum()

    @torch.compile(fullgraph=True)
    def step(some: list[Tensor]) -> Tensor:
        gradients, loss = torch.func.grad_and_value(loss_of)(some)
        for w, gradient in zip(some, gradients, strict=True):
            w.sub_(gradient, alpha=eta)
        return loss

    @torch.no_grad()
    def run() -> Tensor:
        return step(weights[:trained])

    return run


def prepare_descent(request: dict) -> Run:
    """Descend from the given weights for a while; save the losses and the weights."""
    work, predictions = request["work"], predict_by_convolution if request["is_convolution"] else predict
    net, weights, X, y = load(request)
    with np.load(request["inputs"], allow_pickle=False) as file:
        eta = float(file["step_size"])
    start = [w.clone() for w in weights]
    torch._inductor.config.cpp_wrapper = work["whole"]  # a fifth faster where a step is short, else no gain
    make = compiled_step if request["is_compiled"] else eager_step
    step = make(predictions, net, weights, X, y, eta)
    losses = [step() for _ in range(work["compared_steps"])]
    np.savez(request["outputs"], loss=torch.stack(losses).numpy(), **saved(net, weights))

    def whole_run() -> None:
        with torch.no_grad():
            for w, first in zip(weights, start, strict=True):
                w.copy_(first)
        torch.stack([step() for _ in range(work["steps"])])

    def some_steps() -> float:
        step()
        return timed(lambda: [step() for _ in range(work["steps"])])() / work["steps"]

    return timed(whole_run) if work["whole"] else some_steps


def prepare_gram(request: dict) -> Run:
    """Every layer's Gram matrix by the per-sample gradients of torch.func: of all layers at once where they fit."""
    predictions = predict_by_convolution if request["is_convolution"] else predict
    net, weights, X, _ = load(request)

    def of_one(some: list[Tensor], layers: slice, x: Tensor) -> Tensor:
        every = list(weights)
        every[layers] = some
        return predictions(net, every, x[None])[0]

    def jacobians(layers: slice) -> list[Tensor]:
        per_sample = torch.func.vmap(torch.func.grad(of_one), in_dims=(None, None, 0))
        return [J.reshape(len(X), -1) for J in per_sample(weights[layers], layers, X)]

    if request["is_compiled"]:
        jacobians = torch.compile(jacobians, dynamic=False)
    numbers = len(X) * sum(w.numel() for w in weights)
    size = len(weights) if numbers <= ALL_LAYERS_AT_ONCE else 1
    groups = [slice(start, start + size) for start in range(0, len(weights), size)]

    @torch.no_grad()
    def gram() -> Tensor:
        return torch.stack([J @ J.T for layers in groups for J in jacobians(layers)])

    np.savez(request["outputs"], G=gram().numpy())
    return timed(gram)


def prepare(request: dict) -> tuple[Run, dict[str, str]]:
    """Prepare one piece of work."""
    torch.set_num_threads(request["threads"])
    kinds = {"descent": prepare_descent, "gram": prepare_gram}
    return kinds[request["work"]["kind"]](request), {"torch": torch.__version__}


if __name__ == "__main__":
    serve(prepare)
