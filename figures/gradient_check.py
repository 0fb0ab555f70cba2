"""Are the hand-derived gradients right? Against central differences, and against the complex step.

    python figures/gradient_check.py --activation gelu --width 4

For each architecture, the distance ‖approximation - gradient‖ / ‖gradient‖ over all parameters, against the step length
t. Central differences improve as t² until rounding, which grows as 1/t, takes over; the complex step subtracts
nothing, so it goes on down to the precision of the arithmetic.
"""

from types import SimpleNamespace

import common
import numpy as np
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import minimal_gd as mgd

OPTIONS = {
    "samples": 4,
    "input_dim": 6,
    "channels": 2,
    "image_size": 3,
    "width": 5,
    "conv_width": 3,
    "depth": 3,
    "filter_size": 3,
    "activation": "softplus",
    "c_res": 0.5,
    "shortest_step": 1e-14,
    "longest_step": 1e-1,
    "steps": 27,
    "seed": 0,
}
QUICK = {"steps": 5, "width": 3, "conv_width": 2, "samples": 2, "depth": 2}

METHODS = {"central differences": mgd.gradcheck.central_difference, "complex step": mgd.gradcheck.complex_step}


def compute(options: SimpleNamespace) -> common.Numbers:
    """The error of both methods at every step length, for each architecture."""
    lengths = np.geomspace(options.shortest_step, options.longest_step, options.steps)
    rng = np.random.default_rng(options.seed)
    vectors = mgd.data.sphere(options.samples, options.input_dim, rng)
    shape = (options.channels, options.image_size, options.image_size)
    images = mgd.data.sphere(options.samples, int(np.prod(shape)), rng).reshape(-1, *shape)
    y = mgd.data.random_labels(options.samples, rng)
    numbers = {"lengths": lengths}
    networks = common.architectures(vectors, images, options)
    with tqdm(total=len(networks) * len(METHODS) * len(lengths), desc="gradient_check", leave=False) as bar:
        for title, (net, X) in networks.items():
            params = net.init(options.seed)
            by_hand = net.gradient(params, X, y)
            for method, derivative in METHODS.items():
                errors = []
                for t in lengths:
                    approximation = mgd.gradcheck.gradient_by(derivative, net, params, X, y, step=t)
                    errors.append(mgd.gradcheck.relative_error(approximation, by_hand))
                    bar.update()
                numbers[common.key(f"{title} {method}")] = np.array(errors)
    return numbers


def draw(numbers: common.Numbers) -> Figure:
    """One panel an architecture: error against step length, both axes logarithmic."""
    figure = Figure(figsize=(8.4, 3.0))
    axes = figure.subplots(1, 3, sharey=True)
    lengths = numbers["lengths"]
    epsilon = np.finfo(float).eps
    for ax, title in zip(axes, common.ARCHITECTURES, strict=True):
        for method, colour, mark in zip(METHODS, common.COLOURS, "os", strict=False):
            errors = np.maximum(numbers[common.key(f"{title} {method}")], epsilon / 10)
            ax.loglog(lengths, errors, color=colour, marker=mark, markersize=3, label=method)
        ax.loglog(lengths, lengths**2, ":", color="0.45", label="$t^2$", zorder=0)
        ax.loglog(lengths, epsilon / lengths, "-.", color="0.45", label=r"$\varepsilon/t$", zorder=0)
        ax.set(title=title, xlabel="step length $t$", ylim=(epsilon / 20, 100))
    axes[0].set_ylabel("relative error of the gradient")
    axes[0].legend(loc="upper center", ncols=2, handlelength=1.8, columnspacing=1.0)
    return figure


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
