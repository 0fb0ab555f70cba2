"""The first step from which descent is certified to reach a loss of exactly zero, for wider and wider networks.

    python figures/certified_from.py --samples 6 --step-scale 0.1

Above: the loss of one network a width, with a dot at the first step at which `mgd.certify` says yes. Up to there zero
loss is a hope, and the line is thick; from there on it is proved. Below, on the same axis of steps, the widths: the
same networks with two more of each width, and a line through the medians; in grey, networks of one more layer. The
wider the network, the earlier the step. At k = 0, before any training, the certificate is the theorem about these very
weights, with a number for every constant. (A ResNet of one layer is a fully-connected network, and not shown again.)

The step is found by doubling and bisection, which take it that a network, once certified, stays so. The step size is
`step_scale` times 1/λ_max(ΣG(0)): large steps are harder to certify.

Not claimed: that a network which is not certified does not train. All of these do. Nor that k = 0 is within reach of
larger data sets or deeper networks: the width that it takes grows fast with either.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

import minimal_gd as mgd

OPTIONS = {
    "samples": 4,
    "side": 8,
    "conv_side": 4,
    "narrowest": 8,
    "shallow_width": 32768,
    "width": 2048,
    "deep_width": 512,
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "step_scale": 0.05,
    "most_steps": 2000,
    "target": 1e-4,
    "seeds": 3,
    "seed": 0,
}
QUICK = {"shallow_width": 128, "width": 32, "deep_width": 8, "step_scale": 0.2, "seeds": 1, "target": 1e-3}

# The depths of each architecture, the first with its losses, and the option that has the largest width.
DEPTHS = {
    "fully connected": {1: "shallow_width", 2: "deep_width"},
    "ResNet": {2: "width", 3: "deep_width"},
    "convolutional ResNet": {1: "width", 2: "deep_width"},
}


def compute(options: SimpleNamespace) -> common.Numbers:
    """For every architecture and depth the widths and first certified steps, -1 for none; and the losses."""
    if not 1 <= options.narrowest <= min(options.shallow_width, options.width, options.deep_width):
        raise ValueError(f"narrowest must be ≥ 1 and at most the other widths, got {options.narrowest}")
    widths = {
        (title, depth): _widths(options.narrowest, getattr(options, largest))
        for title, depths in DEPTHS.items()
        for depth, largest in depths.items()
    }
    cases = [
        {"title": title, "depth": depth, "width": width, "sample": sample}
        for title, depth in widths
        for width in reversed(widths[title, depth])  # the longest first
        for sample in range(options.seeds)
    ]
    found = {
        tuple(case.values()): result for case, result in zip(cases, common.sweep(measure, cases, options), strict=True)
    }
    numbers = {}
    for (title, depth), tried in widths.items():
        numbers[common.key(f"{title} {depth} widths")] = np.array(tried)
        numbers[common.key(f"{title} {depth} first")] = np.array(
            [[found[title, depth, width, sample]["first"] for sample in range(options.seeds)] for width in tried]
        )
        for width in tried if _has_losses(title, depth) else ():
            numbers[common.key(f"{title} loss {width}")] = found[title, depth, width, 0]["loss"]
    return numbers


def _widths(narrowest: int, largest: int) -> list[int]:
    """Every fourth power of 2 times the narrowest, ascending, up to the largest."""
    return [narrowest * 4**i for i in range(int(np.log2(largest // narrowest)) // 2 + 1)]


def _has_losses(title: str, depth: int) -> bool:
    return depth == next(iter(DEPTHS[title]))


def measure(options: dict, title: str, depth: int, width: int, sample: int) -> common.Numbers:
    """The first certified step of one network, and L(k)/L(0) of the first one of each width."""
    options = SimpleNamespace(**options, depth=depth)
    side = options.conv_side if title.startswith("conv") else options.side
    vectors, images, y = common.sphere(options.samples, side, options.seed)
    net, X = common.network(title, vectors, images, width, options)
    params = net.init(common.generator(options, title, width, sample))
    step_size = options.step_scale * mgd.stable_step_size(net, params, X)
    loss = np.ones(1)
    if sample == 0 and _has_losses(title, depth):
        goal = options.target * net.loss(params, X, y)
        run = mgd.gradient_descent(net, params, X, y, step_size, options.most_steps, target_loss=goal)
        loss = run.loss / run.loss[0]
    return {"first": first_certified(net, params, X, y, step_size, options.most_steps), "loss": loss}


def first_certified(
    net: mgd.Network, params: mgd.Parameters, X: NDArray, y: NDArray, step_size: float, most: int
) -> NDArray:
    """The first step from which descent is certified, by doubling and bisection; -1 if `most` steps are too few."""

    def is_certified(theta: mgd.Parameters) -> bool:
        return mgd.certify(net, theta, X, y, step_size).holds

    def after(theta: mgd.Parameters, steps: int) -> mgd.Parameters:
        return mgd.gradient_descent(net, theta, X, y, step_size, steps).params

    if is_certified(params):
        return np.array(0)
    k, gap, ahead = 0, 1, after(params, 1)
    while not is_certified(ahead):
        k, params, gap = k + gap, ahead, 2 * gap
        if k + gap > most:
            return np.array(-1)
        ahead = after(params, gap)
    while gap > 1:  # not certified at k, certified at k + gap
        middle = after(params, gap // 2)
        if is_certified(middle):
            gap //= 2
        else:
            k, params, gap = k + gap // 2, middle, gap - gap // 2
    return np.array(k + 1)


def draw(numbers: common.Numbers) -> Figure:
    """A column an architecture: the losses with their first certified steps, and these steps against the width."""
    figure = Figure(figsize=(8.4, 6.2))
    above, below = figure.subplots(2, 3, sharex=True, sharey="row", height_ratios=(1, 1.15))
    widths = np.unique(np.concatenate([numbers[name] for name in numbers if name.endswith("widths")]))
    shades = dict(zip(widths, colormaps["cividis_r"](np.linspace(0.25, 1, len(widths))), strict=True))
    for losses, steps, title in zip(above, below, common.ARCHITECTURES, strict=True):
        shown, deeper = DEPTHS[title]
        _draw_losses(losses, numbers, title, shown, shades)
        _draw_steps(steps, numbers, title, deeper, dict.fromkeys(widths, "0.8"))
        _draw_steps(steps, numbers, title, shown, shades)
        losses.set_title(f"{title},\n{_layers(shown)}")
        steps.set(yscale="log", xlabel="step $k$")
        for ax in (losses, steps):
            ax.axvspan(-0.35, 0.35, color=common.COLOURS[2], alpha=0.35, linewidth=0, zorder=0)
    above[0].set(yscale="log", ylabel="loss, $L(k)/L(0)$")
    above[0].text(0.16, 0.05, "● certified:\nfrom here on (thin)\nzero loss is proved", transform=above[0].transAxes)
    below[0].set_yticks(widths, [str(m) for m in widths])
    below[0].set(ylabel="width $m$ (colour: as above)", ylim=(widths[0] / 4, widths[-1] * 2.2))
    below[0].annotate("at $k = 0$ it is\nthe theorem", (0.45, widths[-1]), va="center", fontsize=10, fontweight="bold")
    for ax in (above[0], below[0]):
        ax.yaxis.set_minor_locator(NullLocator())
    last = max(len(values) for name, values in numbers.items() if "loss" in name)
    below[0].set_xscale("symlog", linthresh=1, linscale=0.6)
    below[0].set_xlim(-0.35, 1.5 * last)
    ticks = [0, *(10**i for i in range(int(np.log10(last)) + 1))]
    below[0].set_xticks(ticks, [str(tick) for tick in ticks])
    below[0].xaxis.set_minor_locator(NullLocator())
    return figure


def _layers(depth: int) -> str:
    return "one hidden layer" if depth == 1 else f"{depth} hidden layers"


def _draw_losses(ax: Axes, numbers: common.Numbers, title: str, depth: int, shades: dict) -> None:
    """The loss for every width, thick up to the first certified step and thin from there."""
    key = common.key(f"{title} {depth} ")
    for width, k in zip(numbers[f"{key}widths"], numbers[f"{key}first"][:, 0], strict=True):
        loss = numbers[common.key(f"{title} loss {width}")]
        ax.plot(loss, color=shades[width], linewidth=0.8)
        ax.plot(loss[: k + 1] if k >= 0 else loss, color=shades[width], linewidth=2.4)
        if 0 <= k < len(loss):
            ax.plot(k, loss[k], "o", color=shades[width], markersize=9, markeredgecolor="black", zorder=3)


def _draw_steps(ax: Axes, numbers: common.Numbers, title: str, depth: int, colours: dict) -> None:
    """The first certified steps of all networks of a depth, and a line through the medians."""
    key = common.key(f"{title} {depth} ")
    widths, first = numbers[f"{key}widths"], numbers[f"{key}first"]
    first = np.where(first < 0, np.inf, first)
    is_shown = _has_losses(title, depth)
    ax.plot(np.median(first, axis=1), widths, color="0.2" if is_shown else "0.6", linewidth=1.6, zorder=2)
    edge = {"markeredgecolor": "black" if is_shown else "0.6", "markeredgewidth": 0.6}
    for width, steps in zip(widths, first, strict=True):
        ax.plot(steps, np.full(len(steps), width), "o", color=colours[width], markersize=6, zorder=3, **edge)
    if not is_shown:
        under = {"xytext": (15, -18), "textcoords": "offset points", "ha": "right", "color": "0.35"}
        ax.annotate(f"grey: {_layers(depth)}", (np.median(first, axis=1)[0], widths[0]), **under)


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
