"""How much of ΣΘ^(h) each layer carries, by depth, at infinite width.

    python figures/layers.py --activation tanh --depths "2 3 4 5"

Each bar is tr Θ^(h) / tr ΣΘ^(h) for h = 1, …, H + 1, from the first layer at the bottom to the output layer on top. In
the fully-connected network a layer's share falls by a constant factor with every layer between it and the output; in
the ResNet the layers between the first and the output carry about 1/H² each, hardly visible here.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import minimal_gd as mgd

OPTIONS = {"samples": 50, "depths": "2 3 4 6 8 12 16", "activation": "softplus", "c_res": 0.5, "seed": 0}
QUICK = {"samples": 5, "depths": "2 3"}

KINDS = {"fully connected": mgd.FullyConnected, "ResNet": mgd.ResNet}


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
    """One panel an architecture, one bar a depth, stacked from the first layer to the output layer."""
    figure = Figure(figsize=(8.4, 3.4))
    axes = figure.subplots(1, 2, sharey=True)
    names = [str(depth) for depth in numbers["depths"]]
    for ax, title in zip(axes, KINDS, strict=True):
        for place, (shares, depth) in enumerate(zip(numbers[common.key(title)], numbers["depths"], strict=True)):
            bottom = 0.0
            for h, share in enumerate(shares[: depth + 1], 1):
                shade = {1: 0.1, depth + 1: 0.9}.get(h, 0.5)
                colour = colormaps["cividis"](shade)
                ax.bar(place, share, bottom=bottom, color=colour, edgecolor="white", linewidth=0.6)
                bottom += share
        ax.set(title=title, xlabel="depth $H$", xticks=range(len(names)), xticklabels=names, ylim=(0, 1.0))
        ax.grid(visible=False)
    for label, shade in (("output layer", 0.9), ("layers 2 to $H$", 0.5), ("first layer", 0.1)):
        axes[1].bar(0, 0, color=colormaps["cividis"](shade), label=label)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right center")
    axes[0].set_ylabel(r"share of tr $\Sigma\Theta^{(h)}$")
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
