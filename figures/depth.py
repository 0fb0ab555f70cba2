"""What depth does: λ_min(K^(H)), λ_min of all layers together, and how far moved weights move the last layer.

    python figures/depth.py --activations "softplus gelu" --samples 10

Left: without skip connections λ_min(K^(H)) falls geometrically where χ_1 = c_σE[σ′(z)²] < 1, in the end by χ_1 a layer.
With χ_1 = 1 (sin + cos) it falls slowly, with χ_1 > 1 (tanh) not at all. Middle: in the ResNet it falls as 1/H² for all
of them (Proposition F.2), because layer H carries c_res/H; λ_min(ΣΘ^(h)), thick and light, does not fall. Where the
bound on the error leaves the sign of λ_min open, nothing is drawn. Right: every W^(h) moved by R√m, in a random
direction or as the gradient points, and how far x^(H) moves at most, over R; with the bounds of Lemmas B.3 and C.3,
from the constants measured on the same networks.

Not claimed: that any weights move x^(H) as far as the bounds allow. As the gradient points it moves far less, and the
2^O(H) of Theorem 5.1 is not seen here but in λ_min(K^(H)), for some activations.
"""

import warnings
from types import SimpleNamespace

import common
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray
from tqdm.auto import tqdm

import minimal_gd as mgd
from minimal_gd.theory import perturbation

OPTIONS = {
    "samples": 6,
    "dimension": 6,
    "depths": "2 3 4 6 8 12 16 24 32",
    "activations": "softplus sincos tanh",
    "c_res": 0.5,
    "width": 128,
    "deepest": 16,
    "moved_activation": "tanh",
    "radius": 0.05,
    "seeds": 3,
    "seed": 0,
}
QUICK = {"depths": "2 3 4", "width": 32, "deepest": 3, "seeds": 2}

KINDS = {"fully connected": mgd.FullyConnected, "ResNet": mgd.ResNet}
MARKERS = "osD"
UNDER = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16)}


def compute(options: SimpleNamespace) -> common.Numbers:
    """Both smallest eigenvalues for every depth, with the bounds on their errors, and the movements."""
    names, depths = options.activations.split(), np.array(options.depths.split(), dtype=int)
    if len(names) > len(common.COLOURS):
        raise ValueError(f"activations must name at most {len(common.COLOURS)}, got {len(names)}")
    if options.deepest < depths.min():
        raise ValueError(f"deepest must be at least the smallest of depths, {depths.min()}, got {options.deepest}")
    rng = np.random.default_rng([options.seed, 1])
    X = mgd.data.sphere(options.samples, options.dimension, rng)
    y = rng.choice([-1.0, 1.0], size=options.samples)
    moved_depths = depths[depths <= options.deepest]
    numbers = {"activations": np.array(names), "depths": depths, "moved depths": moved_depths}
    numbers["moved activation"] = np.array(options.moved_activation)
    total = len(KINDS) * (len(names) * len(depths) + options.seeds * len(moved_depths))
    with tqdm(total=total, desc="depth", leave=False) as bar:
        for title, kind in KINDS.items():
            residual = {"c_res": options.c_res} if kind is mgd.ResNet else {}
            for name in names:
                nets = [kind(options.dimension, 1, H, name, **residual) for H in depths.tolist()]
                numbers[common.key(f"{title} {name}")] = np.array([_smallest(net, X) for net in nets])
                bar.update(len(nets))
            movements = np.empty((len(moved_depths), options.seeds, 3))
            for row, H in zip(movements, moved_depths.tolist(), strict=True):
                net = kind(options.dimension, options.width, H, options.moved_activation, **residual)
                for sample in range(options.seeds):
                    rng = np.random.default_rng([options.seed, H, sample])
                    row[sample] = _movement(net, X, y, options.radius, rng)
                    bar.update()
            numbers[common.key(f"{title} moved")] = movements
    for name in names:
        sigma = mgd.FullyConnected(1, 1, 1, name).activation
        slope = mgd.gaussian.expectation(lambda z, sigma=sigma: sigma.dsigma(z) ** 2)
        numbers[f"{name} chi"] = np.array(sigma.c_sigma * slope)
    return numbers


def _smallest(net: mgd.Network, X: NDArray) -> list[float]:
    """λ_min(K^(H)), λ_min(ΣΘ^(h)), and the bounds on their errors."""
    with warnings.catch_warnings():  # a bound above the tolerance: what it leaves open is not drawn
        warnings.filterwarnings("ignore", message="the limits of .* are known up to")
        K, error = mgd.gram.limiting(net, X)
    spectra = [
        mgd.spectra.spectrum(K[net.depth - 1], error),
        mgd.spectra.spectrum(K.sum(axis=0), (net.depth + 1) * error),
    ]
    return [*(spectrum.smallest for spectrum in spectra), *(spectrum.error for spectrum in spectra)]


def _movement(net: mgd.Network, X: NDArray, y: NDArray, radius: float, rng: np.random.Generator) -> list[float]:
    """max_i ‖Δx_i^(H)‖/R for a random direction and for the gradient's, and the lemma's bound on it."""
    start = net.init(rng)
    found = [
        perturbation.forward(net, start, _moved(start, direction, radius), X)
        for direction in (net.init(rng), net.gradient(start, X, y))
    ]
    return [*(comparison.left[-1].max() / radius for comparison in found), found[0].right[-1, 0] / radius]


def _moved(start: mgd.Parameters, direction: mgd.Parameters, radius: float) -> mgd.Parameters:
    """Every array moved by `radius` · √m, in Frobenius norm."""
    length = radius * np.sqrt(len(start.a))
    unit = direction.map(lambda array: length * array / np.linalg.norm(array))
    return mgd.Parameters(tuple(W + V for W, V in zip(start.W, unit.W, strict=True)), start.a + unit.a)


def draw(numbers: common.Numbers) -> Figure:
    """A panel of λ_min for each architecture, and one of the movements for both."""
    figure = Figure(figsize=(8.4, 4.6))
    *axes, moved = figure.subplots(1, 3)
    for ax, title in zip(axes, KINDS, strict=True):
        _draw_smallest(ax, numbers, title)
        ax.set(title=title, xlabel="depth $H$", yscale="log")
    plain, residual = axes
    plain.set_ylabel(r"$\lambda_{\min}$")
    plain.plot([], [], ":", color="black", label=r"∝ $\chi_1^H$")
    plain.legend(**UNDER)
    depths = numbers["depths"]
    guide = 0.3 * min(numbers[common.key(f"ResNet {name}")][0, 0] for name in numbers["activations"])
    residual.plot([], [], color="0.3", marker="o", markersize=4, label=r"$\lambda_{\min}(K^{(H)})$")
    residual.plot([], [], color="0.3", linewidth=4, alpha=0.35, label=r"$\lambda_{\min}(\Sigma\Theta^{(h)})$")
    residual.plot(depths, guide * (depths[0] / depths) ** 2, ":", color="black", label="slope −2")
    residual.set(xscale="log")
    residual.set_xticks(depths, [str(H) for H in depths])
    residual.xaxis.set_minor_locator(NullLocator())
    residual.legend(handles=residual.get_legend_handles_labels()[0][-3:], **UNDER)
    for title, colour in zip(KINDS, common.COLOURS, strict=False):
        movements = numbers[common.key(f"{title} moved")].mean(axis=1).T
        for movement, dash, name in zip(movements, (":", "-", "--"), ("random", "gradient", "bound"), strict=True):
            label = f"{title}, {name}"
            moved.semilogy(numbers["moved depths"], movement, dash, color=colour, marker="o", markersize=3, label=label)
    moved.set(
        xlabel="depth $H$", ylim=(0.1, 1e6), title=rf"weights moved by $R\sqrt{{m}}$, {numbers['moved activation']}"
    )
    moved.set_ylabel(r"$\max_i\,\Vert\Delta x_i^{(H)}\Vert\,/\,R$")
    moved.legend(**UNDER)
    return figure


def _draw_smallest(ax: Axes, numbers: common.Numbers, title: str) -> None:
    """λ_min(K^(H)) and λ_min(ΣΘ^(h)) where their signs are certain, and χ_1^H where that falls."""
    depths = numbers["depths"]
    for name, colour, marker in zip(numbers["activations"], common.COLOURS, MARKERS, strict=False):
        last, whole, last_error, whole_error = numbers[common.key(f"{title} {name}")].T
        chi = float(numbers[f"{name} chi"])
        style = {"color": colour, "marker": marker, "markersize": 4}
        sure = whole > whole_error
        ax.plot(depths[sure], whole[sure], linewidth=4, alpha=0.35, **style | {"marker": ""})
        sure = last > last_error
        ax.plot(depths[sure], last[sure], **style, label=rf"{name}, $\chi_1$ = {chi:.2f}")
        if title == "fully connected" and chi < 1:
            H, smallest = depths[sure], last[sure][-1]
            ax.plot(H, 0.1 * smallest * chi ** (H - H[-1]), ":", color="black")


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
