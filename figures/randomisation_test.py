"""Zero training loss on real digits, with true labels, half-corrupted ones, and random ones.

    python figures/randomisation_test.py --activation softplus --width 256

The randomisation test of Zhang et al. (2017, arXiv:1611.03530) on the paper's three architectures: plain full-batch
gradient descent at one constant step size fits labels that have nothing to do with the images, too.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm.auto import tqdm

import minimal_gd as mgd

OPTIONS = {
    "samples": 100,
    "width": 512,
    "conv_width": 48,
    "depth": 3,
    "filter_size": 3,
    "activation": "tanh",
    "c_res": 0.5,
    "step_scale": 1.8,
    "corrupted_share": 0.5,
    "target": 1e-10,
    "conv_target": 1e-6,
    "most_steps": 20000,
    "seed": 0,
}
QUICK = {"samples": 10, "width": 64, "conv_width": 8, "depth": 2, "target": 1e-3, "conv_target": 1e-2}

LABELS = ("true labels", "corrupted labels", "random labels")


def compute(options: SimpleNamespace) -> common.Numbers:
    """L(k)/L(0) of every run, and the condition numbers of ΣG(0) with this activation and with softplus."""
    vectors, images, true = common.digits(options.samples, options.seed)
    targets = {
        "true labels": true,
        "corrupted labels": mgd.data.corrupted_labels(true, options.corrupted_share, options.seed + 1),
        "random labels": mgd.data.random_labels(options.samples, options.seed + 2),
    }
    numbers = {name: np.array(vars(options)[name]) for name in ("samples", "activation", "corrupted_share")}
    numbers["softplus_conditions"] = _conditions(options, vectors, images, "softplus")
    numbers["conditions"] = _conditions(options, vectors, images, options.activation)
    networks = common.architectures(vectors, images, options)
    with tqdm(total=len(networks) * len(targets), desc="randomisation_test", leave=False) as bar:
        for title, (net, X) in networks.items():
            params = net.init(options.seed + 3)
            step_size = options.step_scale * mgd.stable_step_size(net, params, X)
            goal = options.conv_target if title.startswith("conv") else options.target
            for label, y in targets.items():
                bar.set_postfix_str(f"{title}, {label}")
                first = net.loss(params, X, y)
                run = mgd.gradient_descent(
                    net, params, X, y, step_size, options.most_steps, target_loss=goal * first, progress=True
                )
                numbers[common.key(f"{title} {label}")] = run.loss / first
                numbers[common.key(f"{title} {label} reached")] = np.array(run.loss[-1] <= goal * first)
                bar.update()
    return numbers


def _conditions(options: SimpleNamespace, vectors: NDArray, images: NDArray, activation: str) -> NDArray:
    """λ_max/λ_min of ΣG(0) for the three architectures."""
    networks = common.architectures(vectors, images, options, activation)
    spectra = [
        np.linalg.eigvalsh(mgd.gram.total(net, net.init(options.seed + 3), X))
        for net, X in tqdm(networks.values(), desc=f"condition numbers, {activation}", leave=False)
    ]
    return np.array([spectrum[-1] / spectrum[0] for spectrum in spectra])


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture, one line a kind of labels; the condition numbers in the caption."""
    figure = Figure(figsize=(8.4, 4.0))
    axes = figure.subplots(1, 3, sharey=True)
    names = {label: label for label in LABELS} | {"corrupted labels": f"{numbers['corrupted_share']:.0%} corrupted"}
    for ax, title, condition in zip(axes, common.ARCHITECTURES, numbers["conditions"], strict=True):
        for label, colour, dash in zip(LABELS, common.COLOURS, common.DASHES, strict=True):
            losses = numbers[common.key(f"{title} {label}")]
            ax.semilogy(losses, dash, color=colour, label=names[label])
            if not numbers[common.key(f"{title} {label} reached")]:
                ax.annotate("stopped early", (len(losses) - 1, losses[-1]), ha="right", va="bottom", color=colour)
        ax.set(
            title=f"{title}\n" + rf"$\lambda_{{\max}}/\lambda_{{\min}}$ = {common.said(condition)}", xlabel="step $k$"
        )
    axes[0].set_ylabel("loss, $L(k)/L(0)$")
    axes[0].legend(loc="upper right")
    activation, worse = str(numbers["activation"]), numbers["softplus_conditions"] / numbers["conditions"]
    softplus = ", ".join(common.said(condition) for condition in numbers["softplus_conditions"])
    figure.supxlabel(
        f"{int(numbers['samples'])} digits, {activation}, gradient descent with a constant step. With softplus, whose "
        "mean is not zero,\n"
        rf"$\lambda_{{\max}}/\lambda_{{\min}}$ of $\Sigma G(0)$ would be {softplus}: "
        f"{common.said(worse.min())} to {common.said(worse.max())} times as large, and the steps needed with it.",
        fontsize=8.5,
    )
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
