"""Why random labels take longer: where y lies among the eigenvectors of ΣΘ^(h).

    python figures/true_and_random_labels.py --activation tanh --width 128

Left: the share of ‖y‖² along the first j eigenvectors, the largest eigenvalue first. The digits' labels vary slowly
over the images and lie along the first ones; random labels have about j/n there, as any direction that has nothing to
do with the images. Right: along an eigenvector of eigenvalue λ the residual shrinks by 1 - ηλ a step, so that
‖(I - ηΣΘ^(h))^k y‖²/‖y‖² (dotted) tells the loss before training. The lines are networks of finite width, trained on
y + u(0): their residual starts at y itself, where y - u(0) would be half random for true labels, too. The grey band is
the range of the prediction over other draws of random labels.

Not claimed: that this comes from the papers here. The reading by eigenvectors is that of Arora et al. (2019,
arXiv:1901.08584), for two layers. How many times more steps random labels take depends on the loss that is asked for.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import minimal_gd as mgd
from minimal_gd.theory import flow

OPTIONS = {
    "samples": 100,
    "width": 512,
    "depth": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "step_scale": 1.0,
    "target": 1e-2,
    "most_steps": 3000,
    "draws": 20,
    "seed": 0,
}
QUICK = {"samples": 12, "width": 64, "depth": 2, "most_steps": 300, "draws": 3}

KINDS = {"fully connected": mgd.FullyConnected, "ResNet": mgd.ResNet}


def compute(options: SimpleNamespace) -> common.Numbers:
    """The shares along the eigenvectors, and the loss: measured and predicted, for true labels and random ones."""
    X, true = mgd.data.digits(options.samples, options.seed)
    draws = [mgd.data.random_labels(options.samples, options.seed + 1 + draw) for draw in range(options.draws)]
    numbers = {"samples": np.array(options.samples), "target": np.array(options.target)}
    for title, kind in tqdm(KINDS.items(), desc="true_and_random_labels", leave=False):
        residual = {"c_res": options.c_res} if kind is mgd.ResNet else {}
        net = kind(X.shape[1], options.width, options.depth, options.activation, **residual)
        theta = mgd.gram.limiting(net, X)[0].sum(axis=0)
        v = np.linalg.eigh(theta)[1][:, ::-1]
        params = net.init(options.seed)
        step_size = options.step_scale * mgd.stable_step_size(net, params, X)
        for name, y in (("true", true), ("random", draws[0])):
            targets = y + net.predict(params, X)
            goal = options.target * net.loss(params, X, targets)
            run = mgd.gradient_descent(
                net, params, X, targets, step_size, options.most_steps, target_loss=goal, progress=True
            )
            if run.loss[-1] > goal:
                raise ValueError(f"most_steps must let every run reach the target, got {options.most_steps}")
            numbers[common.key(f"{title} {name} loss")] = run.loss / run.loss[0]
            numbers[common.key(f"{title} {name} shares")] = np.cumsum((y @ v) ** 2) / (y @ y)
        steps = max(len(numbers[common.key(f"{title} {name} loss")]) for name in ("true", "random"))
        for name, labels in (("true", [true]), ("random", draws)):
            residuals = [flow.linear_descent(theta, y, step_size, steps) for y in labels]
            predicted = np.array([np.sum(r**2, axis=1) / np.sum(r[0] ** 2) for r in residuals])
            numbers[common.key(f"{title} {name} predicted")] = predicted
    return numbers


def draw(numbers: common.Numbers) -> Figure:
    """A row an architecture: the shares, and the loss."""
    figure = Figure(figsize=(8.4, 5.2))
    axes = figure.subplots(2, 2, width_ratios=[1, 1.5], sharex="col")
    for (shares, loss), title in zip(axes, KINDS, strict=True):
        n = int(numbers["samples"])
        j = np.arange(1, n + 1)
        shares.plot(j, j / n, ":", color="0.4", label="$j/n$")
        for name, colour, dash in zip(("random", "true"), common.COLOURS, ("--", "-"), strict=False):
            shares.plot(j, numbers[common.key(f"{title} {name} shares")], dash, color=colour, label=f"{name} labels")
        shares.set(ylabel=f"{title}\nshare of $\\Vert y\\Vert^2$", ylim=(0, 1.02))
        _draw_losses(loss, numbers, title)
    axes[0, 0].legend(loc="lower right")
    axes[0, 1].legend(loc="upper right")
    axes[1, 0].set_xlabel("eigenvectors $1, …, j$")
    axes[1, 1].set_xlabel("step $k$")
    return figure


def _draw_losses(ax: Axes, numbers: common.Numbers, title: str) -> None:
    steps = {}
    for name, colour, dash in zip(("random", "true"), common.COLOURS, ("--", "-"), strict=False):
        loss, predicted = (numbers[common.key(f"{title} {name} {kind}")] for kind in ("loss", "predicted"))
        ax.semilogy(loss, dash, color=colour, linewidth=2, label=f"{name} labels")
        ax.semilogy(predicted[0], ":", color="black", linewidth=1.2)
        if len(predicted) > 1:
            k = np.arange(predicted.shape[1])
            ax.fill_between(k, predicted.min(axis=0), predicted.max(axis=0), color="0.8", linewidth=0)
        steps[name] = len(loss) - 1
    ax.semilogy([], [], ":", color="black", label="predicted")
    ax.set(ylabel="$L(k)/L(0)$", ylim=(0.5 * numbers["target"], 1.2))
    factor = steps["random"] / steps["true"]
    ax.set_title(
        f"down to {numbers['target']:g}: {steps['true']} and {steps['random']} steps, {factor:.1f} times", fontsize=9
    )


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
