"""Does the Gram matrix at initialisation tell how training will go? Each part of the residual against (1 - ηλ_i)^k.

    python figures/residuals_follow_the_gram_matrix.py --width 128

With v_i, λ_i the eigenvectors and eigenvalues of G(0) = ΣG^(h)(0), the linearised descent shrinks the residual's
part ⟨v_i, u(k) - y⟩ by the factor 1 - ηλ_i at every step. The wider the network, the closer the real one follows.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import minimal_gd as mgd

OPTIONS = {
    "samples": 30,
    "width": 1024,
    "conv_width": 96,
    "depth": 3,
    "filter_size": 3,
    "activation": "tanh",
    "c_res": 0.5,
    "step_scale": 0.5,
    "steps": 300,
    "eigenvectors": "1 3 10 30",
    "seed": 0,
}
QUICK = {"samples": 6, "width": 64, "conv_width": 8, "depth": 2, "steps": 20, "eigenvectors": "1 3 6"}


def compute(options: SimpleNamespace) -> common.Numbers:
    """The residual's parts along the eigenvectors of G(0) at every step, and what the eigenvalues predict."""
    vectors, images, y = common.digits(options.samples, options.seed)
    chosen = np.array(options.eigenvectors.split(), dtype=int)
    if not ((chosen >= 1) & (chosen <= options.samples)).all():
        raise ValueError(f"eigenvectors must lie between 1 and samples = {options.samples}, got {options.eigenvectors}")
    numbers = {"chosen": chosen}
    networks = common.architectures(vectors, images, options)
    for title, (net, X) in tqdm(networks.items(), desc="residuals_follow_the_gram_matrix", leave=False):
        params = net.init(options.seed)
        step_size = options.step_scale * mgd.stable_step_size(net, params, X)
        eigenvalues, eigenvectors = np.linalg.eigh(mgd.gram.total(net, params, X))
        v, rates = eigenvectors[:, ::-1][:, chosen - 1], eigenvalues[::-1][chosen - 1]  # the largest is the first
        run = mgd.gradient_descent(net, params, X, y, step_size, options.steps, predictions=True)
        k = np.arange(options.steps + 1)[:, None]
        parts = (run.predictions - y) @ v
        numbers[common.key(f"{title} measured")] = np.abs(parts)
        numbers[common.key(f"{title} predicted")] = np.abs(parts[0] * (1 - step_size * rates) ** k)
        numbers[common.key(f"{title} eigenvalues")] = rates
    return numbers


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture: the parts of the residual against the step, predicted ones dotted."""
    figure = Figure(figsize=(8.4, 3.2))
    axes = figure.subplots(1, 3, sharey=True)
    shades = np.linspace(0.0, 0.75, len(numbers["chosen"]))
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        measured, predicted = (numbers[common.key(f"{title} {kind}")] for kind in ("measured", "predicted"))
        rates = numbers[common.key(f"{title} eigenvalues")]
        for i, (number, shade) in enumerate(zip(numbers["chosen"], shades, strict=True)):
            colour = colormaps["inferno"](shade)
            label = rf"$\lambda_{{{number}}}$ = {common.said(rates[i])}"
            ax.semilogy(measured[:, i], color=colour, linewidth=2.2, alpha=0.8, label=label)
            ax.semilogy(predicted[:, i], ":", color="black", linewidth=1.2)
        ax.set(title=title, xlabel="step $k$", ylim=(1e-5, 300))
        ax.legend(loc="upper right")
    axes[0].plot([], [], ":", color="black", label=r"$(1-\eta\lambda_i)^k$")
    axes[0].legend(loc="upper right")
    axes[0].set_ylabel(r"$|\langle v_i, u(k) - y\rangle|$")
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
