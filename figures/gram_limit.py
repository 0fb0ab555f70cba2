"""The Gram matrix of a random network approaches its limit as the width grows: G^(H)(0) next to K^(H).

    python figures/gram_limit.py --activation tanh --depth 5

Each row is an architecture. The distance is ‖G^(H)(0) - K^(H)‖_F / ‖K^(H)‖_F, root mean square over seeds;
concentration makes it fall as m^(-1/2).
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from tqdm.auto import tqdm

import minimal_gd as mgd

OPTIONS = {
    "samples": 16,
    "width": 1024,
    "conv_width": 256,
    "halvings": 4,
    "seeds": 30,
    "depth": 3,
    "filter_size": 3,
    "activation": "softplus",
    "c_res": 0.5,
    "seed": 0,
}
QUICK = {"samples": 5, "width": 64, "conv_width": 16, "halvings": 2, "seeds": 2, "depth": 2}

SHOWN = 3  # pictures of G^(H): the smallest width, one in the middle, the largest


def compute(options: SimpleNamespace) -> common.Numbers:
    """K^(H), G^(H)(0) of one seed at three widths, and the distance at every width."""
    vectors, images, y = common.digits(options.samples, options.seed)
    order = np.argsort(y)  # images of the same digit stand together
    vectors, images = vectors[order], images[order]
    factors = 2 ** np.arange(options.halvings, -1, -1)
    numbers = {}
    with tqdm(total=3 * len(factors) * options.seeds, desc="gram_limit", leave=False) as bar:
        for title in common.ARCHITECTURES:
            distances, widths, pictures = [], [], []
            for factor in factors:
                sizes = {"width": options.width // factor, "conv_width": options.conv_width // factor}
                net, X = common.architectures(vectors, images, SimpleNamespace(**vars(options) | sizes))[title]
                K = mgd.gram.limiting(net, X)[0][net.depth - 1]
                squares = []
                for seed in range(options.seed, options.seed + options.seeds):
                    G = mgd.gram.empirical(net, net.init(seed), X)[net.depth - 1]
                    squares.append(np.linalg.norm(G - K) ** 2)
                    bar.update()
                widths.append(net.width)
                pictures.append(G)
                distances.append(np.sqrt(np.mean(squares)) / np.linalg.norm(K))
            shown = np.linspace(0, len(factors) - 1, SHOWN).round().astype(int)
            numbers[common.key(f"{title} limit")] = K
            numbers[common.key(f"{title} matrices")] = np.array(pictures)[shown]
            numbers[common.key(f"{title} shown widths")] = np.array(widths)[shown]
            numbers[common.key(f"{title} widths")] = np.array(widths)
            numbers[common.key(f"{title} distances")] = np.array(distances)
    return numbers


def draw(numbers: common.Numbers) -> Figure:
    """A row an architecture: the limit, three networks, and the distance against the width."""
    figure = Figure(figsize=(8.4, 5.6))
    axes = figure.subplots(3, SHOWN + 2, width_ratios=[1] * (SHOWN + 1) + [1.7])
    for row, title in zip(axes, common.ARCHITECTURES, strict=True):
        limit = numbers[common.key(f"{title} limit")]
        panels = [limit, *numbers[common.key(f"{title} matrices")]]
        names = ["$K^{(H)}$"] + [f"$m$ = {m}" for m in numbers[common.key(f"{title} shown widths")]]
        for ax, matrix, name in zip(row, panels, names, strict=False):
            ax.imshow(matrix, cmap="magma", vmin=min(0, np.min(panels)), vmax=np.max(panels))
            ax.set_title(name)
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        row[0].set_ylabel(title)
        widths, distances = (numbers[common.key(f"{title} {kind}")] for kind in ("widths", "distances"))
        row[-1].loglog(widths, distances, "o-", color=common.COLOURS[0], markersize=4, label="measured")
        slope = np.sqrt(widths[0] / widths) * distances[0]
        row[-1].loglog(widths, slope, ":", color="0.3", label="$m^{-1/2}$")
        row[-1].set(xlabel="width $m$", ylabel="relative distance")
        row[-1].legend()
        row[-1].set_xticks(widths, [str(m) for m in widths])
        row[-1].xaxis.set_minor_formatter(NullFormatter())
        row[-1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        row[-1].yaxis.set_major_formatter("{x:g}")
        row[-1].yaxis.set_minor_formatter(NullFormatter())
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
