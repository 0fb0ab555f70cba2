"""The width that the theorems ask for, with every open constant 1, and the width at which training really converges.

    python figures/theorem_widths.py --activation tanh --samples "4 8 16"

Lines: the terms whose largest the theorem asks for, with 2^O(H) taken for 2^H, poly(p) for p, δ = 0.1. "Training" keeps
the Gram matrix near its start, "initial Gram" brings it near its limit, "norms" the layers' norms near 1 (a fourth,
never the largest here, is left out). Triangles: where the second is so, ‖G^(H)(0) - K^(H)‖₂ = λ_min(K^(H))/4 in root
mean square over seeds, measured at `width` or `conv_width` and carried on as m^(-1/2). Circles: the smallest width from
which every seed reaches `target` of its first loss in twice the steps that an infinitely wide network may need, at
η = 1/λ_max(ΣΘ^(h)). Squares: where every seed keeps the theorem's rate, (1 - ηλ_min(K^(H))/2)^k, for so long. Both by
doubling and bisection, so that chance has a part in them.

Not claimed: that the theorems ask for too much by these factors. What stands in front is open: only the slopes are
theirs, and their conditions are sufficient ones. Nor that a few units do for any data: these are points on a sphere,
and even at the circles there are more weights than samples.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

import minimal_gd as mgd
from minimal_gd.theory import requirements, theorems

OPTIONS = {
    "samples": "4 8 16 32",
    "side": 5,
    "width": 256,
    "conv_width": 64,
    "depth": 3,
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "seeds": 5,
    "target": 1e-4,
    "seed": 0,
}
QUICK = {"samples": "3 5", "side": 4, "width": 32, "conv_width": 8, "depth": 2, "seeds": 2, "target": 1e-1}

TERMS = {"training": ("-", common.COLOURS[0]), "initial Gram": ("--", common.COLOURS[1]), "norms": (":", "0.3")}
MEASURED = {
    "certificate": (r"measured: $\Vert G^{(H)}(0) - K^{(H)}\Vert_2 = \lambda_{\min}/4$", "^", common.COLOURS[1]),
    "converges": ("measured: every seed converges", "o", common.COLOURS[2]),
    "keeps rate": ("measured: every seed keeps the rate", "s", "0.3"),
}


def compute(options: SimpleNamespace) -> common.Numbers:
    """The terms and the measured widths, for every number of samples."""
    sizes = [int(n) for n in options.samples.split()]
    cases = mgd.sweeps.grid(title=common.ARCHITECTURES, samples=sizes)
    results = common.sweep(asked_and_measured, cases, options)
    numbers = {"samples": np.array(sizes)}
    for title in common.ARCHITECTURES:
        for name, widths in common.stacked(results, cases, title=title).items():
            numbers[common.key(f"{title} {name}")] = widths.astype(float)
    return numbers


def asked_and_measured(options: dict, title: str, samples: int) -> common.Numbers:
    """Every term, and the three measured widths, for one number of samples."""
    options = SimpleNamespace(**options)
    most = max(int(n) for n in options.samples.split())
    vectors, images, y = (part[:samples] for part in common.sphere(most, options.side, options.seed))
    entropy = [options.seed, common.ARCHITECTURES.index(title), samples]
    seeds = np.random.SeedSequence(entropy).generate_state(options.seeds).tolist()

    def net_of_width(m: int) -> tuple[mgd.Network, NDArray]:
        return common.network(title, vectors, images, m, options)

    net, X = net_of_width(options.conv_width if title.startswith("conv") else options.width)
    theta = mgd.gram.limiting(net, X)[0]
    K, rates = theta[net.depth - 1], np.linalg.eigvalsh(theta.sum(axis=0))
    smallest, step_size = np.linalg.eigvalsh(K)[0], 1 / rates[-1]
    # (1 - ηλ)^2k ≤ target for the slowest part, and twice that
    steps = int(np.ceil(np.log(options.target) / np.log1p(-rates[0] / rates[-1])))

    def converges(m: int) -> bool:
        return all(_reaches(net_of_width(m)[0], X, y, step_size, steps, options.target, seed) for seed in seeds)

    def keeps_rate(m: int) -> bool:
        return theorems.keeps_rate(net_of_width(m)[0], X, y, smallest, step_size, steps, seeds)

    terms = requirements.width_terms(net, len(y), smallest)
    squares = [np.linalg.norm(mgd.gram.empirical(net, net.init(seed), X)[net.depth - 1] - K, 2) ** 2 for seed in seeds]
    return {name: terms[name] for name in TERMS} | {
        "certificate": net.width * np.mean(squares) / (smallest / 4) ** 2,
        "converges": theorems.sufficient_width(converges),
        "keeps rate": theorems.sufficient_width(keeps_rate),
    }


def _reaches(net: mgd.Network, X: NDArray, y: NDArray, step_size: float, steps: int, target: float, seed: int) -> bool:
    """Whether the loss comes down to `target` of the first one."""
    params = net.init(seed)
    goal = target * net.loss(params, X, y)
    try:
        run = mgd.gradient_descent(net, params, X, y, step_size, steps, target_loss=goal)
    except mgd.DivergenceError:
        return False
    return run.loss[-1] <= goal


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture: the asked widths as lines, the measured ones as points."""
    figure = Figure(figsize=(8.4, 4.2))
    axes = figure.subplots(1, 3, sharey=True)
    n = numbers["samples"]
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        for name, (dash, colour) in TERMS.items():
            ax.loglog(n, numbers[common.key(f"{title} {name}")], dash, color=colour, label=f"asked: {name}")
        for name, (label, marker, colour) in MEASURED.items():
            ax.loglog(n, numbers[common.key(f"{title} {name}")], marker, color=colour, label=label)
        ax.set(title=title, xlabel="samples $n$")
        ax.set_xticks(n, [str(size) for size in n])
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylabel("width $m$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
