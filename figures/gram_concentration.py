"""How far the Gram matrix of a random network is from its limit: ‖G^(H)(0) - K^(H)‖₂ against the width, by seed.

    python figures/gram_concentration.py --activation softplus --seeds 50

Each dot is a network of its own, in units of λ_min(K^(H)). The slope is a least-squares fit to the logarithms of all of
them: near -1/2, from which Lemmas B.2, C.2 and D.2 get their widths. The dashed line is what those lemmas end in,
λ_min(K^(H))/4: below it the first certificate of the theorems holds, here for some networks of the largest width.

Not claimed: that a network above that line does not train. It does (see linear_rate); the proof alone stops there. With
softplus, whose λ_min is far smaller, the line is out of reach of every width here.
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
    "seeds": 30,
    "depth": 3,
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "seed": 0,
}
QUICK = {"samples": 5, "width": 64, "conv_width": 16, "halvings": 2, "seeds": 3, "depth": 2}


def compute(options: SimpleNamespace) -> common.Numbers:
    """The distance of every network, one row a width, and λ_min(K^(H))."""
    cases = common.cases_by_width(options)
    results = common.sweep(of_one_width, cases, options)
    numbers = {}
    for title in common.ARCHITECTURES:
        found = common.stacked(results, cases, title=title)
        numbers[common.key(f"{title} widths")] = np.array(common.widths(title, options))
        numbers[common.key(f"{title} distances")] = found["distances"]
        numbers[common.key(f"{title} smallest")] = found["smallest"][-1]
    return numbers


def of_one_width(options: dict, title: str, width: int) -> common.Numbers:
    """The distances of all networks of one width, and λ_min(K^(H))."""
    options = SimpleNamespace(**options)
    vectors, images, _ = common.sphere(options.samples, options.side, options.seed)
    net, X = common.network(title, vectors, images, width, options)
    K = mgd.gram.limiting(net, X)[0][net.depth - 1]
    distances = np.empty(options.seeds)
    for sample in range(options.seeds):
        params = net.init(common.generator(options, title, width, sample))
        distances[sample] = np.linalg.norm(mgd.gram.empirical(net, params, X)[net.depth - 1] - K, 2)
    return {"distances": distances, "smallest": np.linalg.eigvalsh(K)[0]}


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture, in units of λ_min(K^(H)): every network, the median of a width, and the fit."""
    figure = Figure(figsize=(8.4, 3.6))
    axes = figure.subplots(1, 3, sharey=True)
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        widths, distances, smallest = (
            numbers[common.key(f"{title} {kind}")] for kind in ("widths", "distances", "smallest")
        )
        distances = distances / smallest
        everywhere = np.broadcast_to(widths[:, None], distances.shape)
        ax.plot(everywhere[0], distances[0], ".", color="0.6", markersize=4, label="a network each")
        ax.plot(everywhere[1:], distances[1:], ".", color="0.6", markersize=4)
        ax.plot(widths, np.median(distances, axis=1), "o", color=common.COLOURS[0], label="median")
        slope, error = common.fitted_slope(everywhere, distances)
        middle = np.exp(np.mean(np.log(distances)) - slope * np.mean(np.log(widths)))
        ax.plot(widths, middle * widths**slope, color=common.COLOURS[0], label="fit to all")
        ax.text(0.97, 0.95, common.said_slope(slope, error), transform=ax.transAxes, ha="right", va="top")
        ax.axhline(0.25, color=common.COLOURS[1], linestyle="--", label=r"certificate, $\lambda_{\min}/4$")
        ax.set_yscale("log")
        common.width_axis(ax, widths)
        ax.set_title(f"{title}\n" + rf"$\lambda_{{\min}}(K^{{(H)}})$ = {common.said(smallest)}")
    common.ticks_1_2_5(axes[0])
    axes[0].set_ylabel(r"$\Vert G^{(H)}(0) - K^{(H)}\Vert_2\,/\,\lambda_{\min}(K^{(H)})$")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
