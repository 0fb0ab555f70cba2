"""The three architectures with the shapes of their arrays, as the program holds them: rows are samples.

    python figures/architectures.py --depth 2 --width 12

Every rectangle is an array of a real network, every number one of its sizes: samples n down, what describes them to the
right. Above an arrow stands the weight that it applies, below it what else happens on the way.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

import minimal_gd as mgd

OPTIONS = {
    "samples": 4,
    "input_dim": 6,
    "channels": 2,
    "positions": 5,
    "filter_size": 3,
    "width": 8,
    "conv_width": 4,
    "depth": 3,
    "activation": "softplus",
    "c_res": 0.5,
    "seed": 0,
}
QUICK = {"depth": 2}

# One column of an array, and one row of it; the room for an arrow; the smallest rectangle.
COLUMN, ROW, GAP, LEAST = 0.16, 0.1, 2.25, 0.12


def compute(options: SimpleNamespace) -> common.Numbers:
    """The shapes of every array of the three networks: x^(h), φ(x^(h)), W^(h) and a."""
    rng = np.random.default_rng(options.seed)
    vectors = mgd.data.sphere(options.samples, options.input_dim, rng)
    signals = mgd.data.sphere(options.samples, options.channels * options.positions, rng)
    signals = signals.reshape(options.samples, options.channels, options.positions)
    d, m, H, sigma, c_res = options.input_dim, options.width, options.depth, options.activation, options.c_res
    convolution = mgd.ConvResNet(
        signals.shape[1:], options.conv_width, H, (options.filter_size,), activation=sigma, c_res=c_res
    )
    networks = (
        (mgd.FullyConnected(d, m, H, sigma), vectors),
        (mgd.ResNet(d, m, H, sigma, c_res), vectors),
        (convolution, signals),
    )
    numbers = {}
    for title, (net, X) in zip(common.ARCHITECTURES, networks, strict=True):
        params = net.init(options.seed)
        ((_, work),) = net.workspaces(X, params.dtype)
        net.forward(params, work)
        rows = len(X) * net.positions
        layers = [(rows, net.pixels(X).shape[2])] + [delta.shape for delta in work.delta]
        numbers[common.key(title)] = np.array(layers)
        numbers[common.key(f"{title} features")] = np.array([phi.shape for phi in work.phi[:-1]])
        numbers[common.key(f"{title} weights")] = np.array([W.shape for W in params.W])
        numbers[common.key(f"{title} output")] = np.array(params.a.shape)
        numbers[common.key(f"{title} sizes")] = np.array([len(X), net.positions])
    return numbers


def draw(numbers: common.Numbers) -> Figure:
    """A row an architecture, from its input on the left to its predictions on the right."""
    heights = (2.1, 2.6, 3.5)  # of the drawings, in their own units
    figure = Figure(figsize=(8.4, 5.4))
    axes = figure.subplots(3, 1, height_ratios=heights)
    for ax, title, height in zip(axes, common.ARCHITECTURES, heights, strict=True):
        _draw_network(ax, title, numbers)
        floor = -1.0 if title != common.ARCHITECTURES[2] else -1.45
        ax.set_ylim(floor, floor + height)
    return figure


def _draw_network(ax: Axes, title: str, numbers: common.Numbers) -> None:
    layers, features, weights, output, (n, p) = (
        numbers[common.key(f"{title} {kind}".strip())] for kind in ("", "features", "weights", "output", "sizes")
    )
    is_conv, is_residual = title.startswith("conv"), title != common.ARCHITECTURES[0]
    rows = "n p" if is_conv else "n"
    x, places = 0.0, []
    for h, (height, width) in enumerate(layers):
        columns = ("c" if is_conv else "d") if h == 0 else "m"
        places.append(_array(ax, x, height, width, f"$x^{{({h})}}$", f"$({rows},\\ {columns})$\n({height}, {width})"))
        x = places[-1][1] + GAP
    _array(ax, x, n, 1, "$u$", f"$(n,)$\n({n},)")
    for h, (m, k) in enumerate(weights, 1):
        columns = ("d" if h == 1 else "m") if not is_conv else ("q c" if h == 1 else "q m")
        skip = is_residual and h > 1
        scale = r"$c_{res}/(H\sqrt{m})\ \sigma$" if skip else r"$\sqrt{c_\sigma/m}\,\sigma$"
        below = f"$\\phi$ gives ({features[h - 1][0]}, {features[h - 1][1]})\n{scale}" if is_conv else scale
        start, end = places[h - 1][1], places[h][0]
        _arrow(ax, start, end, f"$W^{{({h})}}$  $(m,\\ {columns})$\n({m}, {k})", below)
        if skip:
            _skip(ax, places[h - 1], places[h])
    shape = f"$(m,\\ p)$\n({output[0]}, {output[1]})" if is_conv else f"$(m,)$\n({output[0]},)"
    _arrow(ax, places[-1][1], x, f"$a$  {shape}", r"$\langle a, x \rangle$")
    sizes = f"n = {n},  p = {p},  filter q = {features[0][1] // layers[0][1]}" if is_conv else f"n = {n}"
    ax.set_title(f"{title}:  {sizes}", loc="left", fontweight="bold")
    ax.set_xlim(-0.4, x + 0.8)
    ax.set_axis_off()


def _array(ax: Axes, x: float, height: int, width: int, name: str, shape: str) -> tuple[float, float, float]:
    """A rectangle; gives its left and right ends, and its top."""
    w, h = max(COLUMN * width, LEAST), max(ROW * height, LEAST)
    ax.add_patch(Rectangle((x, -h / 2), w, h, facecolor="#dbe4f3", edgecolor=common.COLOURS[0], linewidth=1.2))
    ax.text(x + w / 2, h / 2 + 0.12, name, ha="center", va="bottom")
    ax.text(x + w / 2, -h / 2 - 0.12, shape, ha="center", va="top", fontsize=8)
    return x, x + w, h / 2


def _arrow(ax: Axes, start: float, end: float, above: str, below: str) -> None:
    ax.add_patch(FancyArrowPatch((start + 0.08, 0), (end - 0.08, 0), arrowstyle="-|>", mutation_scale=9, color="0.25"))
    ax.text((start + end) / 2, 0.12, above, ha="center", va="bottom", fontsize=8, color=common.COLOURS[1])
    ax.text((start + end) / 2, -0.12, below, ha="center", va="top", fontsize=8)


def _skip(ax: Axes, before: tuple[float, float, float], after: tuple[float, float, float]) -> None:
    """The connection that adds x^(h-1) to x^(h)."""
    start, end = (before[0] + before[1]) / 2, (after[0] + after[1]) / 2
    height = max(before[2], after[2]) + 0.62
    bent = {"connectionstyle": "arc3,rad=-0.16", "linestyle": "--", "color": "0.25"}
    ax.add_patch(FancyArrowPatch((start, height), (end, height), arrowstyle="-|>", mutation_scale=9, **bent))
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    ax.text((start + end) / 2, height + 0.22, "+", ha="center", va="center", fontsize=11, bbox=ground)


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
