"""How fast Hermite series converge, and that their certificate holds.

    python figures/hermite_series.py --rho 0.99 --standard-deviations "1 1"

Left, |a_k| of every activation, a_k(s) = E[σ(sz) h_k(z)] with the normalised Hermite polynomials h_k. If σ is odd but
for a constant, or even but for a linear part, every second one is zero, and left out; those of a polynomial end; the
kink of relu makes them fall like a power of k.

Right, what K terms of Mehler's formula E[σ(u)σ(v)] = Σ_k a_k(s) a_k(t) ρ^k leave out, for u, v of standard deviations
s, t and correlation ρ. The exact value is from the trapezoid rule in the plane, which knows nothing of the series.
Above it the certificate, as `minimal_gd.gaussian.product` states it: |ρ|^K √(Σ_{k≥K} a_k(s)² Σ_{k≥K} a_k(t)²), each
sum by Parseval's identity, with its rounding; where that is all that is left of one of them, the dashed line bends.
Neither line is drawn below the rounding of the value itself.
"""

from collections.abc import Callable
from itertools import cycle
from types import SimpleNamespace

import common
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm.auto import tqdm

from minimal_gd.activations import ACTIVATIONS
from minimal_gd.gaussian.hermite import ROUNDING, Coefficients, coefficients

Elementwise = Callable[[NDArray], NDArray]

OPTIONS = {
    "variance": 1.0,
    "highest": 50,
    "activations": "softplus silu tanh",
    "standard_deviations": "0.5 3",
    "rho": 0.9,
    "terms": 120,
    "nodes": 1024,
}
QUICK = {"highest": 12, "terms": 16, "nodes": 512}

MARKERS = "os^Dv"


def compute(options: SimpleNamespace) -> common.Numbers:
    """The coefficients with their error, and the error of every truncated series with its certificate and rounding."""
    if not options.variance > 0 or not 0 < abs(options.rho) <= 1:
        raise ValueError(f"variance must be > 0, rho in [-1, 1] and not 0, got {options.variance} and {options.rho}")
    pair, chosen = np.array(options.standard_deviations.split(), dtype=float), options.activations.split()
    if pair.shape != (2,) or not set(chosen) <= set(ACTIVATIONS):
        raise ValueError(
            f"standard_deviations must be two numbers, activations some of {', '.join(ACTIVATIONS)}, got "
            f"{options.standard_deviations!r} and {options.activations!r}"
        )
    numbers = {"variance": np.array(options.variance), "rho": np.array(options.rho), "pair": pair}
    for name, activation in ACTIVATIONS.items():
        series = first_terms(activation.sigma, np.sqrt([options.variance]), options.highest + 1)
        numbers[f"{name} coefficients"], numbers[f"{name} error"] = series.a[0], series.error[0]
    numbers["chosen"] = np.array(chosen)
    for name in tqdm(chosen, desc="hermite_series", leave=False):
        sigma = ACTIVATIONS[name].sigma
        exact = in_the_plane(sigma, *pair, options.rho, options.nodes)
        series = first_terms(sigma, pair, options.terms + 1)
        # before every term that is not zero: the others change nothing
        counts = np.flatnonzero((np.abs(series.a) > series.error[:, None]).any(axis=0)[1:]) + 1
        numbers[f"{name} terms"] = counts
        numbers[f"{name} series"] = np.array([truncated(sigma, pair, options.rho, K, exact) for K in counts.tolist()])
    return numbers


def first_terms(f: Elementwise, s: NDArray, count: int) -> Coefficients:
    """Exactly `count` coefficients of f(s·)."""
    return coefficients(f, s, tail=2.0, terms=count, least=count)


def in_the_plane(f: Elementwise, s: float, t: float, rho: float, nodes: int) -> float:
    """E[f(u)f(v)] by the trapezoid rule for the standard variables x, y in u = sx and v = t(ρx + √(1 - ρ²)y)."""
    x = np.linspace(-14, 14, nodes)
    weights = np.exp(-(x**2) / 2)
    weights /= weights.sum()
    conditional = f(t * (rho * x[:, None] + np.sqrt(1 - rho**2) * x)) @ weights
    return float((weights * f(s * x)) @ conditional)


def truncated(f: Elementwise, pair: NDArray, rho: float, K: int, exact: float) -> tuple[float, float, float]:
    """Return the error of K terms, its certificate, and what rounding may do to both."""
    series = first_terms(f, pair, K)
    terms = series.a[0] * series.a[1] * rho ** np.arange(K)
    certificate = abs(rho) ** K * np.sqrt(series.tail.prod())
    rounding = 8 * ROUNDING * (np.abs(terms) @ np.arange(K) + np.sqrt(series.second_moment.prod()))
    return abs(terms.sum() - exact), certificate, rounding


def draw(numbers: common.Numbers) -> Figure:
    """Left the coefficients, a panel each for those at odd and at even k; right the errors and their certificates."""
    figure = Figure(figsize=(8.4, 5.4))
    axes = figure.subplot_mosaic([["odd", "errors"], ["even", "errors"]])
    axes["even"].sharex(axes["odd"])
    groups = {"odd": [], "even": []}
    for name in ACTIVATIONS:
        is_even = not _nonzero(numbers, name)[3::2].any() and _nonzero(numbers, name)[2::2].any()
        groups["even" if is_even else "odd"].append(name)
    _draw_coefficients(axes["odd"], numbers, groups["odd"], "lower right")
    _draw_coefficients(axes["even"], numbers, groups["even"], "lower left")
    axes["odd"].set(title="odd but for a constant: $a_k = 0$ for $k = 2, 4, …$")
    axes["even"].set(title="even but for a linear part: $a_k = 0$ for $k = 3, 5, …$", xlabel="$k$")
    _draw_errors(axes["errors"], numbers)
    return figure


def _nonzero(numbers: common.Numbers, name: str) -> NDArray:
    return np.abs(numbers[f"{name} coefficients"]) > numbers[f"{name} error"]


def _draw_coefficients(ax: Axes, numbers: common.Numbers, names: list[str], loc: str) -> None:
    """Draw the coefficients that are not zero, in shades and with markers of their own."""
    for name, marker, shade in zip(names, MARKERS, np.linspace(0, 0.8, len(names)), strict=False):
        k = np.flatnonzero(_nonzero(numbers, name))
        label = name
        if ACTIVATIONS[name].polynomial_degree is not None:
            label += f" ($k$ = {', '.join(map(str, k))} only)"
        elif (np.diff(k) == 1).all():
            label += " (every $k$)"
        style = {"color": colormaps["inferno"](shade), "marker": marker, "markersize": 3.5, "linewidth": 1}
        ax.semilogy(k, np.abs(numbers[f"{name} coefficients"][k]), label=label, **style)
    ax.set(ylabel=rf"$|a_k|$, variance {numbers['variance']:g}", ylim=(1e-17, 10))
    ax.legend(loc=loc)


def _draw_errors(ax: Axes, numbers: common.Numbers) -> None:
    """Draw what the series leave out, and the certificate above it, down to rounding."""
    for name, colour, marker in zip(numbers["chosen"], cycle(common.COLOURS), cycle(MARKERS), strict=False):
        K, (error, certificate, rounding) = numbers[f"{name} terms"], numbers[f"{name} series"].T
        certain = certificate > rounding
        ax.semilogy(K[certain], certificate[certain], "--", color=colour, linewidth=1.2)
        seen = error > rounding
        ax.semilogy(K[seen], error[seen], color=colour, marker=marker, markersize=3.5, linewidth=1, label=str(name))
    ax.plot([], [], "--", color="0.3", label="its certificate")
    s, t = numbers["pair"]
    title = rf"$E[\sigma(u)\sigma(v)]$ with $s = {s:g}$, $t = {t:g}$, $\rho = {numbers['rho']:g}$"
    ax.set(title=title, xlabel="terms $K$", ylabel="what is left out")
    ax.legend()


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
