"""The Gram matrix of a random network approaches its limit as the width grows: G^(H)(0) next to K^(H).

    python figures/gram_limit.py --activation tanh --depth 5

Each row is an architecture, with one scale of colours. The distance is ‖G^(H)(0) - K^(H)‖_F / ‖K^(H)‖_F, the geometric
mean over random networks, with its standard error; concentration makes it fall as m^(-1/2). The slope is fitted to the
logarithms by least squares.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import minimal_gd as mgd

OPTIONS = {
    "samples": 16,
    "width": 1024,
    "conv_width": 256,
    "halvings": 4,
    "seeds": 80,
    "depth": 3,
    "filter_size": 3,
    "activation": "softplus",
    "c_res": 0.5,
    "seed": 0,
}
QUICK = {"samples": 5, "width": 64, "conv_width": 16, "halvings": 2, "seeds": 2, "depth": 2}

SHOWN = 3  # pictures of G^(H): the smallest width, one in the middle, the largest


def compute(options: SimpleNamespace) -> common.Numbers:
    """K^(H), G^(H)(0) of one network at three widths, and the distances of all at every width."""
    shown = np.linspace(0, options.halvings, SHOWN).round().astype(int)
    cases = common.cases_by_width(options, options.seeds)
    results = common.sweep(last_gram, cases, options)
    numbers = {}
    for title in common.ARCHITECTURES:
        widths = np.array(common.widths(title, options))
        net, X = _network(title, widths[-1], options)
        K = mgd.gram.limiting(net, X)[0][net.depth - 1]
        G = common.stacked(results, cases, title=title)["G"].reshape(len(widths), options.seeds, *K.shape)
        numbers[common.key(f"{title} limit")] = K
        numbers[common.key(f"{title} matrices")] = G[shown, -1]
        numbers[common.key(f"{title} shown widths")] = widths[shown]
        numbers[common.key(f"{title} widths")] = widths
        numbers[common.key(f"{title} distances")] = np.array(
            [[np.linalg.norm(one - K) / np.linalg.norm(K) for one in of_one_width] for of_one_width in G]
        )
    return numbers


def last_gram(options: dict, title: str, width: int, sample: int) -> common.Numbers:
    """G^(H)(0) of one random network."""
    options = SimpleNamespace(**options)
    net, X = _network(title, width, options)
    params = net.init(common.generator(options, title, width, sample))
    return {"G": mgd.gram.empirical(net, params, X)[net.depth - 1]}


def _network(title: str, width: int, options: SimpleNamespace) -> tuple[mgd.Network, NDArray]:
    vectors, images, y = common.digits(options.samples, options.seed)
    order = np.argsort(y)  # images of the same digit stand together
    return common.network(title, vectors[order], images[order], width, options)


def draw(numbers: common.Numbers) -> Figure:
    """A row an architecture: the limit, three networks, and the distance against the width."""
    figure = Figure(figsize=(8.4, 5.4))
    figure.set_layout_engine("constrained", h_pad=0.06)
    axes = figure.subplots(3, SHOWN + 2, width_ratios=[1] * (SHOWN + 1) + [2.1])
    for row, title in zip(axes, common.ARCHITECTURES, strict=True):
        panels = [numbers[common.key(f"{title} limit")], *numbers[common.key(f"{title} matrices")]]
        names = ["$K^{(H)}$"] + [f"$m$ = {m}" for m in numbers[common.key(f"{title} shown widths")]]
        for ax, matrix, name in zip(row, panels, names, strict=False):
            image = ax.imshow(matrix, cmap="magma", vmin=min(0, np.min(panels)), vmax=np.max(panels))
            ax.set_title(name)
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        figure.colorbar(image, ax=list(row[:-1]), aspect=12, pad=0.01)
        row[0].set_ylabel(title)
        _draw_distances(row[-1], numbers[common.key(f"{title} widths")], numbers[common.key(f"{title} distances")])
    low, high = (pick(ax.get_ylim()[end] for ax in axes[:, -1]) for end, pick in enumerate((min, max)))
    for ax in axes[:, -1]:  # one range for all, so that their slopes compare, with room for the legend
        ax.set_ylim(low, 2 * high)
        common.ticks_1_2_5(ax)
    return figure


def _draw_distances(ax: Axes, widths: NDArray, distances: NDArray) -> None:
    """Draw the typical distances with their errors, and a line of slope -1/2 through their middle."""
    logs = np.log(distances)
    typical, error = np.exp(logs.mean(axis=1)), logs.std(axis=1) / np.sqrt(logs.shape[1])
    slope = common.fitted_slope(np.broadcast_to(widths[:, None], distances.shape), distances)
    bars = typical * [1 - np.exp(-error), np.exp(error) - 1]
    label = f"measured, {common.said_slope(*slope)}"
    measured = ax.errorbar(widths, typical, bars, fmt="o-", color=common.COLOURS[0], markersize=4, label=label)
    middle = np.exp(np.mean(np.log(typical * np.sqrt(widths))))
    (half,) = ax.loglog(widths, middle / np.sqrt(widths), "--", color=common.COLOURS[1], label="slope −1/2")
    ax.legend(handles=[measured, half], loc="upper right")
    ax.set_ylabel("relative distance")
    common.width_axis(ax, widths)


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
