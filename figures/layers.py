"""How much of ΣΘ^(h) each layer carries, by depth, at infinite width.

    python figures/layers.py --activation tanh --depths "2 3 4 5"

The share of layer h is tr Θ^(h) / tr ΣΘ^(h). Above, a bar a depth, from the first layer at the bottom to the output
layer on top. Below, a line a depth: in the fully-connected network a layer's share falls by a constant factor with
every layer between it and the output, whatever the depth; in the ResNet the layers between the first and the output
carry about 1/H² each, hardly visible in the bars.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from tqdm.auto import tqdm

import minimal_gd as mgd

OPTIONS = {"samples": 50, "depths": "2 3 4 6 8 12 16", "activation": "softplus", "c_res": 0.5, "seed": 0}
QUICK = {"samples": 5, "depths": "2 3"}

KINDS = {"fully connected": mgd.FullyConnected, "ResNet": mgd.ResNet}
MARKERS = "os^D"


def compute(options: SimpleNamespace) -> common.Numbers:
    """The shares of the trace, one row a depth, zeros above the output layer."""
    X, _ = mgd.data.digits(options.samples, options.seed)
    depths = np.array(options.depths.split(), dtype=int)
    numbers = {"depths": depths}
    for title, kind in tqdm(KINDS.items(), desc="layers", leave=False):
        shares = np.zeros((len(depths), depths.max() + 1))
        for row, depth in zip(shares, depths.tolist(), strict=True):
            residual = {"c_res": options.c_res} if kind is mgd.ResNet else {}
            net = kind(X.shape[1], 1, depth, options.activation, **residual)
            traces = np.trace(mgd.gram.limiting(net, X)[0], axis1=1, axis2=2)
            row[: depth + 1] = traces / traces.sum()
        numbers[common.key(title)] = shares
    return numbers


def draw(numbers: common.Numbers) -> Figure:
    """A column an architecture: above, stacked bars; below, the share of every layer, a line a depth."""
    figure = Figure(figsize=(8.4, 5.4))
    axes = figure.subplots(2, 2, sharey="row", height_ratios=[1.2, 1])
    for (bars, lines), title in zip(axes.T, KINDS, strict=True):
        _draw_bars(bars, numbers["depths"], numbers[common.key(title)])
        _draw_lines(lines, numbers["depths"], numbers[common.key(title)])
        bars.set_title(title)
    for ax in axes[:, 0]:
        ax.set_ylabel(r"share of tr $\Sigma\Theta^{(h)}$")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside right upper")
    handles, labels = axes[1, 1].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right lower")
    return figure


def _draw_bars(ax: Axes, depths: NDArray, shares: NDArray) -> None:
    """A bar a depth, stacked from the first layer to the output layer."""
    for place, (row, depth) in enumerate(zip(shares, depths.tolist(), strict=True)):
        bottom = 0.0
        for h, share in enumerate(row[: depth + 1], 1):
            colour = colormaps["cividis"]({1: 0.1, depth + 1: 0.9}.get(h, 0.5))
            ax.bar(place, share, bottom=bottom, color=colour, edgecolor="white", linewidth=0.6)
            bottom += share
    for label, shade in (("output layer", 0.9), ("layers 2 to $H$", 0.5), ("first layer", 0.1)):
        ax.bar(0, 0, color=colormaps["cividis"](shade), label=label)
    ax.set(xlabel="depth $H$", ylim=(0, 1))
    ax.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    ax.grid(visible=False)


def _draw_lines(ax: Axes, depths: NDArray, shares: NDArray) -> None:
    """A line a depth, the layers counted down from the output layer, so that the lines of all depths compare."""
    shown = np.linspace(0, len(depths) - 1, min(len(depths), len(MARKERS))).round().astype(int)
    styles = list(zip(shown, MARKERS, np.linspace(0, 0.8, len(shown)), strict=False))
    for place, marker, shade in reversed(styles):  # the shallow ones last: where lines coincide, all ends are seen
        depth = depths[place]
        style = {"color": colormaps["inferno"](shade), "marker": marker, "markersize": 3.5, "linewidth": 1}
        ax.semilogy(np.arange(depth + 1), shares[place, depth::-1], label=f"$H$ = {depth}", **style)
    ax.set(xlabel="layers from the output, $H + 1 - h$")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
