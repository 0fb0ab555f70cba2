"""The loss, the theorems' bound on it, and what the limiting Gram matrices say it should be.

    python figures/linear_rate.py --width 64 --step-scale 0.2

The theorems promise L(k) ≤ (1 - ηλ_min(K^(H))/2)^k L(0). Keeping every layer instead of the H-th alone would give
λ_min(ΣΘ^(h)), which is larger. Descent linearised with the limits has the loss ½‖(I - ηΣΘ^(h))^k (u(0) - y)‖², and a
wide network follows that. The bounds are far above: they know the slowest direction alone, and give most of its rate,
2ηλ_min, away.

Not claimed: that a theorem applies here. The step size is 1/λ_max(ΣG(0)) times `step_scale`, not the theorems' much
smaller one, and no width can be checked against constants that are left open.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import minimal_gd as mgd
from minimal_gd.theory import flow

OPTIONS = {
    "samples": 10,
    "side": 4,
    "width": 1024,
    "conv_width": 128,
    "depth": 3,
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "step_scale": 1.0,
    "steps": 100,
    "seed": 0,
}
QUICK = {"samples": 5, "width": 64, "conv_width": 16, "depth": 2, "steps": 30}

ABOVE = {"xytext": (0, 3), "textcoords": "offset points"}
BELOW = {"xytext": (-2, -3), "textcoords": "offset points", "ha": "right", "va": "top"}
BOUNDS = (
    ("K^{(H)}", "-", common.COLOURS[0], ABOVE),
    (r"\Sigma\Theta^{(h)}", "-.", common.COLOURS[1], BELOW),
)


def compute(options: SimpleNamespace) -> common.Numbers:
    """L(k)/L(0), the linearised prediction of it, η, and both smallest eigenvalues."""
    vectors, images, y = common.sphere(options.samples, options.side, options.seed)
    numbers = {}
    networks = common.architectures(vectors, images, options)
    for title, (net, X) in tqdm(networks.items(), desc="linear_rate", leave=False):
        params = net.init(options.seed)
        step_size = options.step_scale * mgd.stable_step_size(net, params, X)
        run = mgd.gradient_descent(net, params, X, y, step_size, options.steps, predictions=True)
        theta, _ = mgd.gram.limiting(net, X)
        linearised = flow.linear_descent(theta.sum(axis=0), y - run.predictions[0], step_size, options.steps)
        numbers[common.key(f"{title} loss")] = run.loss / run.loss[0]
        numbers[common.key(f"{title} linearised")] = 0.5 * np.sum(linearised**2, axis=1) / run.loss[0]
        numbers[common.key(f"{title} step size")] = np.array(step_size)
        numbers[common.key(f"{title} smallest")] = np.linalg.eigvalsh([theta[net.depth - 1], theta.sum(axis=0)])[:, 0]
    return numbers


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture: the loss, its prediction, and the two bounds."""
    figure = Figure(figsize=(8.4, 3.6))
    axes = figure.subplots(1, 3, sharey=True)
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        loss, linearised, step_size, smallest = (
            numbers[common.key(f"{title} {kind}")] for kind in ("loss", "linearised", "step size", "smallest")
        )
        k = np.arange(len(loss))
        for least, (name, dash, colour, beside) in zip(smallest, BOUNDS, strict=True):
            bound = (1 - step_size * least / 2) ** k
            ax.semilogy(bound, dash, color=colour, label=rf"bound, $\lambda_{{\min}}({name})$")
            place = 2 * len(k) // 3
            ax.annotate(rf"$\lambda$ = {common.said(least)}", (place, bound[place]), **beside, color=colour, fontsize=8)
        ax.semilogy(loss, color=common.COLOURS[2], linewidth=2.6, label="gradient descent")
        ax.semilogy(linearised, ":", color="black", label=r"linearised, $m\to\infty$")
        ax.set(title=title, xlabel="step $k$")
    axes[0].set_ylabel("loss, $L(k)/L(0)$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
