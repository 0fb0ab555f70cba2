"""When λ_min(K^(H)) is positive: how close two inputs may come, and which activations fail.

    python figures/positive_definiteness.py --activations "softplus gelu erf relu" --depth 3

Left: two unit inputs at an angle θ. λ_min falls as θ² when they become one. Middle: when one becomes minus the other.
An odd activation (tanh) or an even one (the square) tells x from -x by a sign at most, and λ_min falls to 0 again; with
the others it stays. "Not parallel" in Propositions F.1 and F.2 means neither x_i = x_j nor x_i = -x_j. Right: all
eigenvalues for many points in few dimensions. With a polynomial, K^(H)_ij is a polynomial of ⟨x_i, x_j⟩, whose rank
does not grow with n: the eigenvalues left out are 0, up to a proved error. With the others all are positive, as the
propositions say.

Not claimed: that positive is enough. In three dimensions λ_min is soon too small to train with.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm.auto import tqdm

import minimal_gd as mgd

OPTIONS = {
    "activations": "softplus sincos tanh square",
    "angles": 25,
    "smallest_angle": 1e-3,
    "samples": 24,
    "dimension": 3,
    "depth": 2,
    "seed": 0,
}
QUICK = {"angles": 4, "samples": 17}

COLOURS = (*common.COLOURS, "0.25")
DASHES = ("-", "--", "-.", ":")
MARKERS = "os^v"


def compute(options: SimpleNamespace) -> common.Numbers:
    """λ_min for every angle, and every eigenvalue for the points, with the bounds on their errors."""
    names = options.activations.split()
    if len(names) > len(DASHES):
        raise ValueError(f"activations must name at most {len(DASHES)}, got {len(names)}")
    angles = np.geomspace(options.smallest_angle, np.pi / 2, options.angles)
    X = mgd.data.sphere(options.samples, options.dimension, options.seed)
    numbers = {"activations": np.array(names), "angles": angles, "dimension": np.array(options.dimension)}
    for name in tqdm(names, desc="positive_definiteness", leave=False):
        net = mgd.FullyConnected(2, 1, options.depth, name)
        for kind, seen in (("near", angles), ("opposite", np.pi - angles)):
            numbers[f"{name} {kind}"], numbers[f"{name} {kind} error"] = pairs(net, seen)
        net = mgd.FullyConnected(options.dimension, 1, options.depth, name)
        K, error = mgd.gram.limiting(net, X)
        spectrum = mgd.spectra.spectrum(K[net.depth - 1], error)
        numbers[f"{name} eigenvalues"] = spectrum.eigenvalues[::-1]
        numbers[f"{name} eigenvalues error"] = np.array(spectrum.error)
    return numbers


def pairs(net: mgd.Network, angles: NDArray) -> tuple[NDArray, NDArray]:
    """λ_min(K^(H)) of two unit inputs at every angle: of ((s, c), (c, s)) it is s - |c|. And a bound on its error."""
    other = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    K, error = mgd.gram.limiting(net, np.array([[1.0, 0.0]]), np.concatenate([[[1.0, 0.0]], other]))
    same, cross = K[net.depth - 1, 0, 0], K[net.depth - 1, 0, 1:]
    return same - np.abs(cross), np.array(2 * error)


def draw(numbers: common.Numbers) -> Figure:
    """Three panels: close inputs, opposite ones, and the spectrum of many."""
    figure = Figure(figsize=(8.4, 3.6))
    near, opposite, spectrum = figure.subplots(1, 3)
    near.sharey(opposite)
    n = len(numbers[f"{numbers['activations'][0]} eigenvalues"])
    _draw_lines(near, numbers, "near", numbers["angles"])
    _draw_lines(opposite, numbers, "opposite", numbers["angles"])
    _draw_lines(spectrum, numbers, "eigenvalues", np.arange(1, n + 1))
    near.set(xscale="log", xlabel=r"angle $\theta$ of $x_1$ and $x_2$", title="$x_2$ becomes $x_1$")
    near.set_ylabel(r"$\lambda_{\min}(K^{(H)})$")
    opposite.set(xscale="log", xlabel=r"$\pi - \theta$", title="$x_2$ becomes $-x_1$")
    spectrum.set(xlabel="index", ylabel="eigenvalues of $K^{(H)}$")
    spectrum.set_title(rf"{n} points in $\mathbb{{R}}^{{{int(numbers['dimension'])}}}$")
    figure.legend(*near.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _draw_lines(ax: Axes, numbers: common.Numbers, kind: str, x: NDArray) -> None:
    """Draw what is positive for certain, and say where the rest is left out."""
    for name, colour, dash, marker in zip(numbers["activations"], COLOURS, DASHES, MARKERS, strict=False):
        values, error = numbers[f"{name} {kind}"], float(numbers[f"{name} {kind} error"])
        certain = values > error
        ax.semilogy(x[certain], values[certain], dash, marker=marker, markersize=3, color=colour, label=str(name))
        if kind == "eigenvalues" and not certain.all():
            text = f"{name}: {certain.sum()} positive,\nthe others ≤ {common.said(error)}"
            ax.text(0.04, 0.04, text, transform=ax.transAxes, va="bottom", color=colour)


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
