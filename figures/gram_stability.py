"""How far training moves the Gram matrix of the last hidden layer: ‖G^(H)(k) - G^(H)(0)‖₂ step by step, by width.

    python figures/gram_stability.py --activation softplus --steps 200

In units of λ_min(K^(H)): every run thin, the median of a width thick. The matrix moves while the loss falls and then
stands still, and the wider the network, the less it moves: here about as 1/m, faster than the m^(-1/2) that the proofs
give. Below the dashed line, λ_min(K^(H))/4, the second certificate of the theorems holds (Lemmas B.4, C.4 and D.4).

Not claimed: that the narrow networks, above that line, do not train. All of them do: L/L(0) is the largest of the runs.
Nor that this certificate is enough: it takes that of `gram_concentration` too.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure

import minimal_gd as mgd

OPTIONS = {
    "samples": 8,
    "side": 5,
    "width": 512,
    "conv_width": 128,
    "halvings": 3,
    "seeds": 5,
    "steps": 60,
    "depth": 3,
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "step_scale": 0.5,
    "seed": 0,
}
QUICK = {"samples": 5, "width": 64, "conv_width": 16, "halvings": 2, "seeds": 2, "steps": 10, "depth": 2}


def compute(options: SimpleNamespace) -> common.Numbers:
    """The distance at every step of every run, its widths, λ_min(K^(H)), and L(k)/L(0) at the end."""
    vectors, images, _ = common.sphere(options.samples, options.side, options.seed)
    cases = common.cases_by_width(options, options.seeds)
    results = common.sweep(trained, cases, options)
    numbers = {}
    for title in common.ARCHITECTURES:
        found, widths = common.stacked(results, cases, title=title), common.widths(title, options)
        net, X = common.network(title, vectors, images, widths[-1], options)
        K = mgd.gram.limiting(net, X)[0][net.depth - 1]
        numbers[common.key(f"{title} widths")] = np.array(widths)
        numbers[common.key(f"{title} distances")] = found["distances"].reshape(len(widths), options.seeds, -1)
        numbers[common.key(f"{title} losses")] = found["loss"].reshape(len(widths), options.seeds)
        numbers[common.key(f"{title} smallest")] = np.linalg.eigvalsh(K)[0]
    return numbers


def trained(options: dict, title: str, width: int, sample: int) -> common.Numbers:
    """Train once: the distance at every step, and the last loss relative to the first."""
    options = SimpleNamespace(**options)
    vectors, images, y = common.sphere(options.samples, options.side, options.seed)
    net, X = common.network(title, vectors, images, width, options)
    params = net.init(common.generator(options, title, width, sample))
    start = mgd.gram.empirical(net, params, X)[net.depth - 1]
    step_size = options.step_scale * mgd.stable_step_size(net, params, X)
    run = mgd.gradient_descent(
        net,
        params,
        X,
        y,
        step_size,
        options.steps,
        observe=lambda _, now: np.linalg.norm(mgd.gram.empirical(net, now, X)[net.depth - 1] - start, 2),
    )
    return {"distances": np.array(run.observed), "loss": run.loss[-1] / run.loss[0]}


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture, one colour a width: every run thin, the median thick; and λ_min/4."""
    figure = Figure(figsize=(8.4, 4.2))
    axes = figure.subplots(1, 3, sharey=True)
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        widths, distances, losses, smallest = (
            numbers[common.key(f"{title} {kind}")] for kind in ("widths", "distances", "losses", "smallest")
        )
        k = np.arange(distances.shape[2])[1:]  # at k = 0 nothing has moved
        distances = distances[..., 1:] / smallest
        for m, runs, colour in zip(widths, distances, common.shades(len(widths)), strict=True):
            ax.semilogy(k, runs.T, color=colour, linewidth=0.6, alpha=0.5)
            ax.semilogy(k, np.median(runs, axis=0), color=colour, linewidth=2.2, label=f"$m$ = {m}")
        ax.axhline(0.25, color=common.COLOURS[1], linestyle="--", label=r"$\lambda_{\min}/4$")
        slope, error = common.fitted_slope(np.broadcast_to(widths[:, None], losses.shape), distances[..., -1])
        said = f"after {k[-1]} steps:\n{common.said_slope(slope, error)} in $m$\n$L/L(0)$ ≤ {common.said(losses.max())}"
        ax.text(0.97, 0.03, said, transform=ax.transAxes, ha="right", va="bottom")
        ax.set(title=f"{title}\n" + rf"$\lambda_{{\min}}(K^{{(H)}})$ = {common.said(smallest)}", xlabel="step $k$")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, handlelength=1.2, columnspacing=1)
    axes[0].set_ylim(bottom=1e-3)
    axes[0].set_ylabel(r"$\Vert G^{(H)}(k) - G^{(H)}(0)\Vert_2\,/\,\lambda_{\min}(K^{(H)})$")
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
