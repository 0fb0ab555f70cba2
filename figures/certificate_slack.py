"""How far each bound in a certificate is above what it bounds, by depth: bound/measured - 1.

    python figures/certificate_slack.py --activation tanh --radius 1

Four numbers decide whether descent can be certified: the residual ‖u - y‖, the smallest and the largest singular value
of the Jacobian J, and the curvature, a Lipschitz constant of J. The first three are measured, their bounds allow for
rounding alone. The curvature is the largest ‖d²u/ds²‖ along any direction of length 1. It is not measured but bounded
layer by layer; so all the slack is there. It is compared with the largest that a search finds, at the start and in the
ball of `radius` around it. The search takes turns: for given weights of the samples an eigenvector is the best
direction, and for that direction its d²u/ds² are the best weights. The networks are random, as before the first step;
lines go through the medians of `seeds` networks, shades from the least to the most.

Not claimed: that the bound is too large by these factors. A search finds no more than there is, and in the ball it
looks at three points only. Nor that the convolution is worse than the others by nature: its sums over patches are
bounded by the number of pixels in a patch, layer after layer.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

import minimal_gd as mgd
from minimal_gd.certificate.curvature import curvature
from minimal_gd.certificate.start import measure

OPTIONS = {
    "samples": 6,
    "side": 4,
    "width": 32,
    "conv_width": 16,
    "depths": "1 2 3 4 6 8",
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "radius": 0.1,
    "rounds": 4,
    "seeds": 3,
    "seed": 0,
}
QUICK = {"samples": 3, "side": 3, "width": 8, "conv_width": 4, "depths": "1 2", "rounds": 2, "seeds": 1}

STEP = 1e-3  # of the differences: their error is about its square
BOUNDS = {
    "curvature in the ball": ("curvature, in the ball", "--", common.COLOURS[1], "s"),
    "curvature at the start": ("curvature, at the start", "-", common.COLOURS[1], "o"),
    "smallest": (r"$\sigma_{\min}(J)$", "-", common.COLOURS[0], "v"),
    "largest": (r"$\Vert J\Vert$", "--", common.COLOURS[0], "^"),
    "residual": (r"$\Vert u - y\Vert$", ":", "0.3", "."),
}


def compute(options: SimpleNamespace) -> common.Numbers:
    """Bound/measured - 1 of every number, of every network: (depths, seeds) arrays."""
    depths = [int(depth) for depth in options.depths.split()]
    cases = [
        {"title": title, "depth": depth, "sample": sample}
        for title in common.ARCHITECTURES
        for depth in depths
        for sample in range(options.seeds)
    ]
    results = common.sweep(slack, cases, options)
    numbers = {"depths": np.array(depths), "radius": np.array(options.radius)}
    for title in common.ARCHITECTURES:
        for name, found in common.stacked(results, cases, title=title).items():
            numbers[common.key(f"{title} {name}")] = found.reshape(len(depths), options.seeds)
    return numbers


def slack(options: dict, title: str, depth: int, sample: int) -> common.Numbers:
    """Bound/measured - 1, or measured/bound - 1 for a lower bound, for one random network."""
    options = SimpleNamespace(**options, depth=depth)
    vectors, images, y = common.sphere(options.samples, options.side, options.seed)
    net, X = common.architectures(vectors, images, options)[title]
    rng = common.generator(options, title, depth, sample)
    params = net.init(rng)
    made = mgd.certify(net, params, X, y)
    start = measure(net, params, X, y, net.activation.lipschitz, net.activation.smoothness)
    at_start, *_, in_ball = curvature(start, np.linspace(0, options.radius, 50))

    u = net.predict(params, X)
    J = [_flat(net.gradient(params, X[i : i + 1], u[i : i + 1] - 1)) for i in range(len(u))]
    singular = np.linalg.svd(np.array(J), compute_uv=False)
    found, worst = most_curved(net, params, X, options.rounds, rng)
    ways = (options.radius * worst, -options.radius * worst)
    around = [most_curved(net, _moved(params, way), X, options.rounds, rng)[0] for way in ways]
    return {
        "curvature in the ball": in_ball / max(found, *around) - 1,
        "curvature at the start": at_start / found - 1,
        "largest": start.largest / singular[0] - 1,
        "smallest": singular[-1] / made.smallest - 1,
        "residual": made.residual / np.linalg.norm(u - y) - 1,
    }


def most_curved(
    net: mgd.Network, params: mgd.Parameters, X: NDArray, rounds: int, rng: np.random.Generator
) -> tuple[float, NDArray]:
    """The largest ‖d²u/ds²‖ that is found along a direction of length 1, and that direction."""
    u = net.predict(params, X)

    def second_derivative(V: NDArray) -> NDArray:
        """d²u/ds² along V, (n,)."""
        ahead, back = (net.predict(_moved(params, sign * STEP * V), X) for sign in (1, -1))
        return (ahead - 2 * u + back) / STEP**2

    def hessian_product(V: NDArray, q: NDArray) -> NDArray:
        """D²(qᵀu) V: what Jᵀq changes by along V."""
        length = np.linalg.norm(V)
        ahead, back = (_moved(params, sign * STEP * V / length) for sign in (1, -1))
        ahead, back = (_flat(net.gradient(theta, X, net.predict(theta, X) - q)) for theta in (ahead, back))
        return (ahead - back) * length / (2 * STEP)

    best, direction = 0.0, np.zeros(params.size)
    q = rng.standard_normal(len(u))
    for _ in range(rounds):
        hessian = LinearOperator(2 * [params.size], lambda V, q=q: hessian_product(V.reshape(-1), q), dtype=float)
        V = eigsh(hessian, k=1, which="LM", v0=rng.standard_normal(params.size), tol=1e-4)[1][:, 0]
        q = second_derivative(V)
        size = np.linalg.norm(q)
        q /= size
        if size > best:
            best, direction = size, V
    return best, direction


def _flat(params: mgd.Parameters) -> NDArray:
    return np.concatenate([array.reshape(-1) for array in (*params.W, params.a)])


def _moved(params: mgd.Parameters, way: NDArray) -> mgd.Parameters:
    """The parameters, moved by a vector of as many numbers."""
    *W, a = np.split(way, np.cumsum([array.size for array in params.W]))
    parts = iter([*W, a])
    return params.map(lambda array: array + next(parts).reshape(array.shape))


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture: how far each bound is above what it bounds, the median and the range of the seeds."""
    figure = Figure(figsize=(8.4, 4.2))
    axes = figure.subplots(1, 3, sharey=True)
    depths = numbers["depths"]
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        for name, (label, dash, colour, marker) in BOUNDS.items():
            slack = numbers[common.key(f"{title} {name}")]
            ax.fill_between(depths, slack.min(axis=1), slack.max(axis=1), color=colour, alpha=0.25, linewidth=0)
            style = {"color": colour, "marker": marker, "markersize": 4, "label": label}
            ax.semilogy(depths, np.median(slack, axis=1), dash, **style)
        ax.axhline(1, color="0.3", linewidth=0.8, zorder=1)
        ax.set(title=title, xlabel="depth $H$")
        ax.set_xticks(depths, [str(depth) for depth in depths])
    axes[0].set_ylabel("bound / measured − 1")
    axes[0].annotate("twice what is measured", (depths[-1], 1), (0, -11), textcoords="offset points", ha="right")
    for height, words, colour in (
        (0.72, "bounded layer by layer:\nhere is the slack", common.COLOURS[1]),
        (0.17, "measured:\nslack for rounding alone", common.COLOURS[0]),
    ):
        axes[1].text(0.5, height, words, transform=axes[1].transAxes, ha="center", color=colour, fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(BOUNDS))
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
