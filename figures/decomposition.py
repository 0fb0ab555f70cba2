"""One step of descent taken apart: u(k+1) - u(k) = I_1 + I_2, and what the proof lets the rest cost.

    python figures/decomposition.py --width 64 --step-scale 0.5

Everything is relative to ‖y - u(k)‖. The proof keeps its rate as long as ‖I_2‖/‖y - u‖ and ‖u(k+1) - u(k)‖²/‖y - u‖²
are within ηλ/8, λ = λ_min(K^(H)), and λ_min(G^(H)(k)) ≥ λ/2. Above: every step of training at `step_scale` times
1/λ_max(ΣG(0)). I_2, of second order, dies away with the residual; the square of the whole step does not. Below: the
first step alone, for other η. I_1 is proportional to η and the other two to η², so a small enough η keeps the budget.
Dotted: the step size asked for if every constant that the theorem leaves open is 1, 2^O(H) is 2^H and poly(p) is p.

Not claimed: that training needs the budget. Above, the square of the step exceeds it at every step, and the loss goes
down all the same. Nor that the dotted line is the theorem's: for the convolution it even lies beyond the stable η.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import minimal_gd as mgd
from minimal_gd.theory import dynamics, requirements

OPTIONS = {
    "samples": 8,
    "side": 5,
    "width": 512,
    "conv_width": 96,
    "steps": 50,
    "step_sizes": 15,
    "decades": 4,
    "depth": 3,
    "filter_size": 3,
    "activation": "sincos",
    "c_res": 0.5,
    "step_scale": 1.0,
    "seed": 0,
}
QUICK = {"samples": 5, "width": 64, "conv_width": 16, "steps": 5, "step_sizes": 4, "depth": 2}

PARTS = (
    (r"$\Vert I_1\Vert\,/\,\Vert y - u\Vert$", "-", common.COLOURS[0]),
    (r"$\Vert u(k+1) - u(k)\Vert^2/\,\Vert y - u\Vert^2$", "-.", common.COLOURS[1]),
    (r"$\Vert I_2\Vert\,/\,\Vert y - u\Vert$", "-", common.COLOURS[2]),
)


def compute(options: SimpleNamespace) -> common.Numbers:
    """The parts of every step of training, and of a first step of every size."""
    vectors, images, y = common.sphere(options.samples, options.side, options.seed)
    numbers = {}
    networks = common.architectures(vectors, images, options)
    with tqdm(total=3 * (options.steps + options.step_sizes), desc="decomposition", leave=False) as bar:
        for title, (net, X) in networks.items():
            smallest = np.linalg.eigvalsh(mgd.gram.limiting(net, X)[0][net.depth - 1])[0]
            start = params = net.init(options.seed)
            step_size = options.step_scale * mgd.stable_step_size(net, params, X)
            parts, least = [], []
            for _ in range(options.steps):
                step = dynamics.descent_step(net, params, X, y, step_size)
                parts.append(_parts(step))
                least.append(np.linalg.eigvalsh(step.G[net.depth - 1])[0])
                params = step.after
                bar.update()
            sizes = step_size * np.logspace(-options.decades, 0, options.step_sizes)
            firsts = []
            for size in sizes:
                firsts.append(_parts(dynamics.descent_step(net, start, X, y, size)))
                bar.update()
            numbers[common.key(f"{title} training")] = np.array(parts)
            numbers[common.key(f"{title} first steps")] = np.array(firsts)
            numbers[common.key(f"{title} step sizes")] = sizes
            numbers[common.key(f"{title} smallest")] = np.array(smallest)
            numbers[common.key(f"{title} smallest in training")] = np.array(least)
            numbers[common.key(f"{title} asked")] = np.array(requirements.asked_step_size(net, len(y), smallest))
    return numbers


def _parts(step: dynamics.DescentStep) -> list[float]:
    norm = np.linalg.norm(step.residual)
    return [np.linalg.norm(step.I_1) / norm, (step.change @ step.change) / norm**2, np.linalg.norm(step.I_2) / norm]


def draw(numbers: common.Numbers) -> Figure:
    """A column an architecture: the parts through training above, those of a first step against η below."""
    figure = Figure(figsize=(8.4, 5.6))
    axes = figure.subplots(2, 3, sharey="row")
    for (above, below), title in zip(axes.T, common.ARCHITECTURES, strict=True):
        training, firsts, sizes, smallest, least, asked_size = (
            numbers[common.key(f"{title} {kind}")]
            for kind in ("training", "first steps", "step sizes", "smallest", "smallest in training", "asked")
        )
        for part, first, (name, dash, colour) in zip(training.T, firsts.T, PARTS, strict=True):
            above.semilogy(part, dash, color=colour, label=name)
            below.loglog(sizes, first, dash, color=colour)
        above.axhline(sizes[-1] * smallest / 8, color="black", linestyle="--", label=r"budget, $\eta\lambda/8$")
        below.loglog(sizes, sizes * smallest / 8, "--", color="black")
        below.axvline(asked_size, color="black", linestyle=":", label=r"$\eta$ asked, constants 1")
        above.set(title=f"{title}\n" + rf"$\lambda_{{\min}}(G^{{(H)}}(k))$ ≥ {least.min() / smallest:.2f} $\lambda$")
        above.set_xlabel("step $k$")
        below.set_xlabel(r"step size $\eta$")
    axes[0, 0].set_ylabel("every step of training")
    axes[1, 0].set_ylabel("the first step")
    figure.legend(
        handles=[*axes[0, 0].get_legend_handles_labels()[0], *axes[1, 0].get_legend_handles_labels()[0]],
        loc="outside lower center",
        ncols=3,
    )
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
