"""How far training moves the weights: ‖W^(h)(k) - W^(h)(0)‖_F/√m and ‖a(k) - a(0)‖₂/√m by layer and width.

    python figures/lazy_weights.py --depth 5

The largest of every run, the geometric mean over seeds, and their range. In the proofs this averaged distance is small
(Lemmas B.5, C.5 and D.5): the distance itself hardly depends on the width, so that it falls as m^(-1/2). In the ResNet
the layers with c_res/H in front move less than the first and the output layer. For comparison, ‖W^(h)(0)‖_F/√m is
near √m for h ≥ 2, and ‖a(0)‖₂/√m near 1.

Not claimed: that the weights stand still where it matters: all these runs go down to `target` of their first loss.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure

import minimal_gd as mgd

OPTIONS = {
    "samples": 8,
    "side": 5,
    "width": 1024,
    "conv_width": 256,
    "halvings": 4,
    "seeds": 5,
    "target": 1e-3,
    "most_steps": 500,
    "depth": 3,
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "step_scale": 1.0,
    "seed": 0,
}
QUICK = {"samples": 5, "width": 64, "conv_width": 16, "halvings": 2, "seeds": 2, "depth": 2}

MARKERS = "osD^v<>p*h"


def compute(options: SimpleNamespace) -> common.Numbers:
    """The largest distances of every run: (widths, seeds, H + 1)."""
    cases = common.cases_by_width(options, options.seeds)
    results = common.sweep(trained, cases, options)
    if not all(result["reached"] for result in results):
        raise ValueError(f"most_steps must let every run reach the target, got {options.most_steps}")
    numbers = {}
    for title in common.ARCHITECTURES:
        found, widths = common.stacked(results, cases, title=title), common.widths(title, options)
        numbers[common.key(f"{title} widths")] = np.array(widths)
        numbers[common.key(f"{title} distances")] = found["distances"].reshape(len(widths), options.seeds, -1)
    return numbers


def trained(options: dict, title: str, width: int, sample: int) -> common.Numbers:
    """The largest distance of every layer in one run, and whether it reached the target."""
    options = SimpleNamespace(**options)
    vectors, images, y = common.sphere(options.samples, options.side, options.seed)
    net, X = common.network(title, vectors, images, width, options)
    params = net.init(common.generator(options, title, width, sample))
    step_size = options.step_scale * mgd.stable_step_size(net, params, X)
    target = options.target * net.loss(params, X, y)
    run = mgd.gradient_descent(net, params, X, y, step_size, options.most_steps, target_loss=target, distances=True)
    return {"distances": run.distances.max(axis=0), "reached": run.loss[-1] <= target}


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture, one line a layer, and a line of slope -1/2."""
    figure = Figure(figsize=(8.4, 3.8))
    axes = figure.subplots(1, 3, sharey=True)
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        widths, distances = (numbers[common.key(f"{title} {kind}")] for kind in ("widths", "distances"))
        averaged = distances / np.sqrt(widths)[:, None, None]
        layers = averaged.shape[2]
        names = [rf"$W^{{({h})}}$" for h in range(1, layers)] + ["$a$"]
        for h, (name, colour) in enumerate(zip(names, common.shades(layers), strict=True)):
            middle = np.exp(np.log(averaged[..., h]).mean(axis=1))
            spread = np.abs(np.array([averaged[..., h].min(axis=1), averaged[..., h].max(axis=1)]) - middle)
            slope, _ = common.fitted_slope(np.broadcast_to(widths[:, None], averaged.shape[:2]), averaged[..., h])
            label = f"{name}: {slope:.2f}".replace("-", "−")
            ax.errorbar(
                widths, middle, spread, marker=MARKERS[h % len(MARKERS)], color=colour, markersize=5, label=label
            )
        guide = 1.6 * averaged[0].max() * np.sqrt(widths[0] / widths)
        ax.plot(widths, guide, "--", color=common.COLOURS[1])
        middle = len(widths) // 2
        ax.text(widths[middle], 1.1 * guide[middle], "slope −1/2", color=common.COLOURS[1])
        ax.set(yscale="log", title=title)
        common.width_axis(ax, widths)
        ax.legend(title="fitted slopes", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    common.ticks_1_2_5(axes[0])
    axes[0].set_ylabel(r"$\Vert W^{(h)}(k) - W^{(h)}(0)\Vert_F\,/\,\sqrt{m}$")
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
