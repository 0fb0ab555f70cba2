"""A short film: two predictions u(k) travel to their labels y, in a narrow network and in a wide one; below, G^(H)(k).

    python figures/travel.py --narrow 32 --seed 5

With two samples u(k) is a point of the plane, and the loss is half its squared distance from y, constant on the
grey circles. Rings are where a Gram matrix that stood still would lead: u(0) and G(0) alone tell
y - (I - ηG(0))^k (y - u(0)). Wide: G^(H) starts near its limit K^(H), stays, and u(k) goes from ring to ring. Narrow:
it starts elsewhere and moves, u(k) leaves the rings. The picture is the film's last frame; `animate` gives the film.

Not claimed: that the narrow network does not train. It does. Nor that all narrow networks move this much: with seeds 0
to 7 and 8 units G^(H) moves by 15 % to 140 %, with 1024 units by 0.2 % to 1.3 %.
"""

from collections.abc import Callable
from types import SimpleNamespace

import common
import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import minimal_gd as mgd
from minimal_gd.theory import flow

OPTIONS = {
    "narrow": 8,
    "wide": 1024,
    "depth": 2,
    "dim": 5,
    "activation": "sincos",
    "steps": 40,
    "step_scale": 0.4,
    "y1": 1.5,
    "y2": -0.5,
    "seed": 2,
    "data_seed": 0,
}
QUICK = {"wide": 128, "steps": 8}
SIZES = ("narrow", "wide")
ENTRIES = (((0, 0), "$G_{11}$"), ((1, 1), "$G_{22}$"), ((0, 1), "$G_{12}$"))

Show = Callable[[int], list[Artist]]


def compute(options: SimpleNamespace) -> common.Numbers:
    """For each width u(k), where G(0) alone would lead, and G^(H)(k), k = 0, 1, …; K^(H), and y."""
    X = mgd.data.sphere(2, options.dim, options.data_seed)
    y = np.array([options.y1, options.y2])
    numbers = {"labels": y}
    for size in SIZES:
        net = mgd.FullyConnected(options.dim, getattr(options, size), options.depth, options.activation)
        params = net.init(options.seed)
        step_size = options.step_scale * mgd.stable_step_size(net, params, X)
        run = mgd.gradient_descent(
            net, params, X, y, step_size, options.steps, predictions=True, observe=_last_gram(net, X)
        )
        G = mgd.gram.total(net, params, X)
        residuals = flow.linear_descent(G, y - run.predictions[0], step_size, options.steps)
        numbers[f"{size} predictions"], numbers[f"{size} linear"] = run.predictions, y - residuals
        numbers[f"{size} Gram"], numbers[f"{size} width"] = np.array(run.observed), np.array(net.width)
    numbers["limit"] = mgd.gram.limiting(net, X)[0][net.depth - 1]  # of either network: no width is in it
    return numbers


def _last_gram(net: mgd.Network, X: np.ndarray) -> Callable[[int, mgd.Parameters], np.ndarray]:
    return lambda _, params: mgd.gram.empirical(net, params, X)[net.depth - 1]


def draw(numbers: common.Numbers) -> Figure:
    """The film's last frame: the way behind, and y reached."""
    figure, show = _stage(numbers)
    show(len(numbers["wide predictions"]) - 1)
    return figure


def animate(numbers: common.Numbers) -> FuncAnimation:
    """The film: a frame a step, from k = 0, once."""
    figure, show = _stage(numbers)
    return FuncAnimation(figure, show, frames=len(numbers["wide predictions"]), interval=150, repeat=False)


def _stage(numbers: common.Numbers) -> tuple[Figure, Show]:
    """Two columns, narrow and wide: the plane of u above, the entries of G^(H) below; and what shows step k there."""
    figure = Figure(figsize=(6.2, 5.8))  # times the resolution, even numbers: a film rounds others
    above, below = figure.subplots(2, 2, sharex="row", sharey="row", height_ratios=(1.35, 1))
    shows = []
    for size, plane, entries in zip(SIZES, above, below, strict=True):
        plane.set_title(f"{size}: $m$ = {numbers[f'{size} width']}")
        shows += [_plane(plane, numbers, size), _entries(entries, numbers, size)]
    above[0].set_ylabel("prediction $u_2$")
    below[0].set_ylabel("entries of $G^{(H)}(k)$")
    above[0].legend(loc="upper left", handletextpad=0.5)
    handles, labels = below[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    # Frames that are laid out one by one would tremble.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure, lambda k: [artist for show in shows for artist in show(k)]


def _plane(ax: Axes, numbers: common.Numbers, size: str) -> Show:
    """The way of u(k) to y; circles of equal loss; rings where G(0) alone would lead."""
    y, path, linear = numbers["labels"], numbers[f"{size} predictions"], numbers[f"{size} linear"]
    for radius in range(1, 8):
        ax.add_patch(Circle(y, radius / 2, fill=False, color="0.85", linewidth=0.6))
    ax.plot(*y, "*", color=common.COLOURS[1], markersize=13, zorder=3)
    ax.annotate("$y$", y, (9, -3), textcoords="offset points")
    ax.plot(*linear.T, "o", color=common.COLOURS[1], fillstyle="none", markersize=6, label="if $G$ stood still")
    (way,) = ax.plot([], [], ".-", color=common.COLOURS[0], markersize=4, linewidth=1, label="$u(k)$")
    (here,) = ax.plot([], [], "o", color=common.COLOURS[0], markersize=7, zorder=4)
    xlim, ylim = _square(numbers)
    ax.set(aspect="equal", xlim=xlim, ylim=ylim, xlabel="prediction $u_1$")
    ax.grid(visible=False)

    def show(k: int) -> list[Artist]:
        way.set_data(*path[: k + 1].T)
        here.set_data(*path[k : k + 1].T)
        return [way, here]

    return show


def _square(numbers: common.Numbers) -> np.ndarray:
    """The limits of both axes: a square with room for every point of both networks, [[left, right], [bottom, top]]."""
    ways = [numbers[f"{size} {kind}"] for size in SIZES for kind in ("predictions", "linear")]
    points = np.concatenate([numbers["labels"][None], *ways])
    middle, half = (points.max(axis=0) + points.min(axis=0)) / 2, 0.58 * np.ptp(points, axis=0).max()
    return middle[:, None] + half * np.array([-1, 1])


def _entries(ax: Axes, numbers: common.Numbers, size: str) -> Show:
    """The three entries of G^(H)(k), the limit's as grey lines, and how far the matrix is from its start."""
    grams, limit = numbers[f"{size} Gram"], numbers["limit"]
    moved = np.linalg.norm(grams - grams[0], axis=(1, 2)) / np.linalg.norm(grams[0])
    for position, _ in ENTRIES:
        K = ax.axhline(limit[position], color="0.8", linewidth=4)
    K.set_label("$K^{(H)}$")
    lines = [
        ax.plot([], [], color=colour, linestyle=dash, linewidth=2, label=label)[0]
        for (_, label), colour, dash in zip(ENTRIES, common.COLOURS, common.DASHES, strict=True)
    ]
    said = ax.text(0.97, 0.95, "", transform=ax.transAxes, ha="right", va="top")
    largest = max(numbers[f"{each} Gram"].max() for each in SIZES)
    ax.set(xlim=(0, len(grams) - 1), ylim=(0, 1.3 * largest), xlabel="step $k$")

    def show(k: int) -> list[Artist]:
        for line, (position, _) in zip(lines, ENTRIES, strict=True):
            line.set_data(np.arange(k + 1), grams[: k + 1, *position])
        said.set_text(f"$k$ = {k}: $G^{{(H)}}$ moved by {moved[k]:.1%}")
        return [*lines, said]

    return show


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
