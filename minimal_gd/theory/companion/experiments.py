"""The companion's experiments, section 5: training error, changed patterns and distances, for several widths.

1000 points uniform on the sphere of R^1000, labels from N(0, 1), 100 epochs of gradient descent of the first layer with
a constant step. The text gives neither the step size nor the widths: here the former comes from `stable_step_size`
unless it is given, and the latter are a geometric grid of our own, `WIDTHS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minimal_gd import data
from minimal_gd._runtime import slicing, validate
from minimal_gd._runtime.content import by_content
from minimal_gd.descent import gradient_descent
from minimal_gd.gram import stable_step_size
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare

WIDTHS = (32, 128, 512, 2048, 8192)
# Patterns and distances are taken over so many bytes of preactivations at a time.
_BLOCK_BYTES = 32_000_000


@by_content
@dataclass(frozen=True)
class Experiment:
    """What the three panels show.

    Attributes
    ----------
    widths : (w,) int array
        m.
    step_size : float
        η, the same for all widths.
    losses : (w, epochs + 1) array
        ½ Σ_i (u_i(k) - y_i)², the training error, after k = 0, …, epochs.
    epochs : (j,) int array
        Where the following two were taken.
    changed : (w, j) array
        (1/mn) Σ_{i=1}^n Σ_{r=1}^m I{sign(w_r(0)ᵀx_i) ≠ sign(w_r(k)ᵀx_i)}.
    distances : (w, j) array
        max_r ‖w_r(k) - w_r(0)‖.
    """

    widths: NDArray
    step_size: float
    losses: NDArray
    epochs: NDArray
    changed: NDArray
    distances: NDArray


def experiment(
    widths: Sequence[int] = WIDTHS,
    samples: int = 1000,
    input_dim: int = 1000,
    epochs: int = 100,
    *,
    step_size: float | None = None,
    every: int = 1,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    progress: bool = False,
) -> Experiment:
    """Train one network of each width on the same data, from its own start.

    Memory: some (3n + 5d) m numbers of `dtype` for the largest width, 0.5 GB at full size, and n·m bytes for patterns.

    Parameters
    ----------
    widths : at least two increasing ints ≥ 1
    samples, input_dim, epochs : int ≥ 1
        n, d, and the number of steps.
    step_size : float > 0, optional
        η for all widths, by default the smallest of their `stable_step_size`.
    every : int ≥ 1
        Patterns and distances are taken every so many epochs: each time costs half an epoch.
    seed : int ≥ 0
    dtype : float32 or float64
        float32 takes half the time and memory; its losses end near 1e-14 of the first, with the default step size too
        early to tell the widths apart.
    progress : bool
        Show a progress bar for each width.

    Returns
    -------
    Experiment

    Raises
    ------
    DivergenceError
        If the step size is too large.
    TypeError, ValueError
        If an argument is not as above.

    Companion: section 5.
    """
    widths = _increasing(widths)
    epochs, every = validate.integer("epochs", epochs), validate.integer("every", every)
    seed = validate.integer("seed", seed, least=0)
    dtype = validate.floating_dtype("dtype", dtype)
    rng = np.random.default_rng([seed, 0])
    X = data.sphere(samples, input_dim, rng).astype(dtype)
    y = rng.standard_normal(samples)
    if step_size is None:
        step_size = min(stable_step_size(*_start(width, input_dim, seed, dtype), X) for width in widths)

    runs = []
    for width in widths:
        net, params = _start(width, input_dim, seed, dtype)
        run = gradient_descent(
            net, params, X, y, step_size, epochs, observe=_watch(params, X), observe_every=every, progress=progress
        )
        runs.append(run)
    seen = np.array([run.observed for run in runs])
    return Experiment(
        widths=np.array(widths),
        step_size=run.step_size,
        losses=np.array([run.loss for run in runs]),
        epochs=run.observed_steps,
        changed=seen[:, :, 0],
        distances=seen[:, :, 1],
    )


# ------------------------------------------------------------------ what the panels show


def section_5_a(seen: Experiment) -> Comparison:
    """The wider net trains faster: L(k)/L(0) after the last epoch, of every width and of the one before it.

    Relative to the start, as L(0) varies with the seed. An observation of the companion, which no theorem promises:
    what its authors make of it is that H(k) is more stable.

    Companion: Section 5 (a).
    """
    shares = seen.losses[:, -1] / seen.losses[:, 0]
    return compare("L(k)/L(0) falls with m", shares[1:], "≤", shares[:-1])


def section_5_b(seen: Experiment) -> Comparison:
    """The wider net changes a smaller share of its mn patterns, 1/mn Σ_{i=1}^n Σ_{r=1}^m I{…}, by the last epoch.

    In the text the outer sum runs to m, a slip: there are n samples, and mn patterns.

    Companion: Section 5 (b).
    """
    return compare("share of changed patterns falls with m", seen.changed[1:, -1], "≤", seen.changed[:-1, -1])


def section_5_c(seen: Experiment) -> Comparison:
    """The wider net stays nearer to its start: max_r ‖w_r(k) - w_r(0)‖ after the last epoch.

    Companion: Section 5 (c).
    """
    return compare("max_r ‖w_r(k) - w_r(0)‖ falls with m", seen.distances[1:, -1], "≤", seen.distances[:-1, -1])


# ------------------------------------------------------------------ what these are made of


def _increasing(widths: Sequence[int]) -> list[int]:
    widths = [validate.integer("widths", width) for width in widths]
    if len(widths) < 2 or any(low >= high for low, high in pairwise(widths)):
        raise ValueError(f"widths must be at least two increasing integers ≥ 1, got {widths}")
    return widths


def _start(width: int, input_dim: int, seed: int, dtype: np.dtype) -> tuple[TwoLayerReLU, Parameters]:
    """A net of this width and its θ(0), from a stream of its own."""
    net = TwoLayerReLU(input_dim, width)
    return net, net.init(np.random.default_rng([seed, width]), dtype)


def _watch(start: Parameters, X: NDArray) -> Callable[[int, Parameters], list[float]]:
    """What to observe: the share of changed patterns and the largest distance, some hidden units at a time."""
    W, n = start.W[0], len(X)
    size = max(1, _BLOCK_BYTES // (n * W.itemsize))
    before = [(units, X @ W[units].T >= 0) for units in slicing.of_size(len(W), size)]

    def watched(_: int, params: Parameters) -> list[float]:
        changed, furthest = 0, 0.0
        for units, then in before:
            now = params.W[0][units]
            changed += int(np.count_nonzero((X @ now.T >= 0) != then))
            furthest = max(furthest, float(np.linalg.norm(now - W[units], axis=1).max()))
        return [changed / (n * len(W)), furthest]

    return watched
