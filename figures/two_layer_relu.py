"""The companion's three panels: training error, changed activation patterns and distance from the start, by width.

    python figures/two_layer_relu.py --samples 200 --input-dim 200 --width 2048

At the companion's size: 1000 points on the unit sphere of R^1000, labels from N(0, 1), 100 epochs of gradient descent
of the first layer. Its text gives neither the widths nor the step size. Ours are a geometric grid, `widths` of them
down from `width`, each smaller by `factor`; and 0.2 for all of them, a quarter of 1/λ_max(H(0)), at which 100 epochs
still tell the widths apart. A pattern (i, r) is the sign of w_rᵀx_i; the slopes are fitted to the last epoch.

The wider the network, the faster it learns, the fewer of its patterns change and the nearer its weights stay: the last
two about as m^(-1/2). Beyond a few hundred units the speed hardly depends on m any more, as H(0) is near H^∞ by then.
The error is relative to its start, as u(0), and with it L(0), is drawn anew for every width.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure

from minimal_gd.theory import two_layer_experiments

OPTIONS = {
    "samples": 1000,
    "input_dim": 1000,
    "width": 8192,
    "widths": 5,
    "factor": 4,
    "epochs": 100,
    "every": 5,
    "step_size": 0.2,
    "dtype": "float32",
    "seed": 0,
}
QUICK = {"samples": 40, "input_dim": 40, "width": 512, "widths": 3, "epochs": 30}


def compute(options: SimpleNamespace) -> common.Numbers:
    """What `experiment` sees."""
    seen = two_layer_experiments.experiment(
        [options.width // options.factor**power for power in range(options.widths - 1, -1, -1)],
        options.samples,
        options.input_dim,
        options.epochs,
        step_size=options.step_size,
        every=options.every,
        seed=options.seed,
        dtype=options.dtype,
        progress=True,
    )
    return {name: np.asarray(value) for name, value in vars(seen).items()}


def draw(numbers: common.Numbers) -> Figure:
    """One panel a quantity, one colour a width."""
    widths, epochs = numbers["widths"], numbers["epochs"]
    shares = numbers["losses"] / numbers["losses"][:, :1]
    figure = Figure(figsize=(8.4, 3.3))
    axes = figure.subplots(1, 3)
    for m, colour, loss, changed, distance in zip(
        widths, common.shades(len(widths)), shares, 100 * numbers["changed"], numbers["distances"], strict=True
    ):
        axes[0].semilogy(loss, color=colour, label=f"$m$ = {m}")
        axes[1].semilogy(epochs[1:], changed[1:], color=colour)  # at k = 0 nothing has changed
        axes[2].semilogy(epochs[1:], distance[1:], color=colour)
    axes[0].set_title("training error, $L(k)/L(0)$")
    axes[1].set_title("changed patterns, % of $mn$")
    axes[2].set_title(r"$\max_r\,\Vert w_r(k) - w_r(0)\Vert$")
    for ax, values in zip(axes[1:], (numbers["changed"], numbers["distances"]), strict=True):
        said = common.said_slope(*common.fitted_slope(widths, values[:, -1])) + " in $m$"
        ax.text(0.97, 0.97, said, transform=ax.transAxes, ha="right", va="top")
        ax.set_ylim(top=1.8 * ax.get_ylim()[1])  # room for the slope
        common.ticks_1_2_5(ax)
    for ax in axes:
        ax.set_xlabel("epoch $k$")
    figure.legend(loc="outside lower center", ncols=len(widths))
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
