"""The companion's convergence of gradient descent: Theorem 4.1, its induction hypothesis and Corollary 4.1.

    ‖u(k) - y‖² ≤ (1 - ηλ_0/2)^k ‖u(0) - y‖²

One step is in `two_layer_split`: what it costs to have patterns that change.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.content import by_content
from minimal_gd.descent import gradient_descent
from minimal_gd.networks.base import arguments
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion.flow import asked_of_data, asked_width
from minimal_gd.theory.companion.limit import lambda_0
from minimal_gd.theory.companion.patterns import DERIVED, allowed_radius, drift, lemma_4_1
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import ROUNDING, OpenConstants

# In float64 a loss stays above about this share of the first one: the rounding of the predictions, squared.
_FLOOR = 1e-26


@by_content
@dataclass(frozen=True)
class PatternRun:
    """k steps of descent of the first layer, with what the companion watches.

    Attributes
    ----------
    net : TwoLayerReLU
    X : (n, d) array
    y : (n,) array
    step_size : float
        η.
    start : Parameters
        θ(0).
    squares : (k + 1,) array
        ‖y - u(k)‖².
    drifts : (k + 1,) array
        max_r ‖w_r(k) - w_r(0)‖.
    smallest : (k + 1,) array
        λ_min(H(k)).
    """

    net: TwoLayerReLU
    X: NDArray
    y: NDArray
    step_size: float
    start: Parameters
    squares: NDArray
    drifts: NDArray
    smallest: NDArray


def pattern_run(
    net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray, step_size: float, steps: int
) -> PatternRun:
    """Descend from `params`, and compute H at every step.

    Parameters
    ----------
    net : TwoLayerReLU
        With `a` fixed.
    params : Parameters
        θ(0).
    X : (n, d) array
    y : (n,) array
    step_size : float > 0
        η.
    steps : int ≥ 0

    Raises
    ------
    DivergenceError, TypeError, ValueError
        As `gradient_descent`; ValueError if `net` trains `a`.

    Companion: section 4.
    """
    params, X, y = arguments(two_layer.network(net, train_output=False), params, X, y)

    def watched(_: int, now: Parameters) -> list[float]:
        return [drift(params, now), np.linalg.eigvalsh(gram.empirical(net, now, X)[0])[0]]

    run = gradient_descent(net, params, X, y, step_size, steps, observe=watched)
    drifts, smallest = np.array(run.observed).T
    return PatternRun(net, X, y, run.step_size, params, 2 * run.loss, drifts, smallest)


def condition_4_1(run: PatternRun) -> Comparison:
    """‖y - u(k)‖² ≤ (1 - ηλ_0/2)^k ‖y - u(0)‖², the induction hypothesis, at every step of a run.

    Raises
    ------
    ValueError
        If λ_0 > 0 is not certain, or ηλ_0/2 ≥ 1.

    Companion: Condition 4.1.
    """
    right = _factor(run, lambda_0(run.X)) ** np.arange(len(run.squares)) * run.squares[0]
    return compare("‖y - u(k)‖² ≤ (1 - ηλ_0/2)^k ‖y - u(0)‖²", run.squares, "≤", right, _FLOOR)


def theorem_4_1(run: PatternRun, open_constants: OpenConstants = DERIVED, largest_label: float = 1.0) -> Comparison:
    """‖u(k) - y‖² ≤ (1 - ηλ_0/2)^k ‖u(0) - y‖² with probability 1 - δ, if m = Ω(n⁶/(λ_0⁴δ³)) and η = O(λ_0/n²).

    The constant in m is open, so that the width promises nothing by itself. What the proof makes of it are premises
    too: λ_min(H(k)) ≥ λ_0/2, all weights within R = c δ λ_0/n² of their start, and Lemma 4.1 for that R. With these the
    rate follows from the total factor of a step, if c and the constant in η are at most the derived ones.

    Parameters
    ----------
    run : PatternRun
    open_constants : OpenConstants
        `width`, `step`, `radius` and `failure` are used.
    largest_label : float > 0
        C in |y_i| ≤ C.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    ValueError
        If λ_0 > 0 is not certain, or ηλ_0/2 ≥ 1.

    Companion: Theorem 4.1.
    """
    n, condition = len(run.y), condition_4_1(run)
    asked = asked_of_data(run.X, run.y, "Theorem 4.1", largest_label)
    smallest = lambda_0(run.X)
    radius = allowed_radius(n, smallest, open_constants)
    certificates = (
        compare("m = Ω(·)", run.net.width, "≥", asked_width(n, smallest, open_constants)),
        compare("η = O(·)", run.step_size, "≤", open_constants.step * smallest / n**2),
        compare("λ_min(H(k)) ≥ λ_0/2", run.smallest, "≥", smallest / 2),
        compare("max_r ‖w_r(k) - w_r(0)‖ ≤ R", run.drifts, "≤", radius),
        lemma_4_1(run.net, run.start, run.X, radius, open_constants),
    )
    claim = "‖u(k) - y‖² ≤ (1 - ηλ_0/2)^k ‖u(0) - y‖²"
    return compare(claim, condition.left, "≤", condition.right, _FLOOR, asked + certificates)


def corollary_4_1(run: PatternRun) -> Comparison:
    """max_r ‖w_r(k+1) - w_r(0)‖ ≤ R′ = 4√n ‖y - u(0)‖/(√m λ_0), if Condition 4.1 holds up to k.

    A step moves a unit by η√(n/m) ‖y - u(k)‖ at most, and `geometric_sum` adds the steps up.

    Parameters
    ----------
    run : PatternRun
        Of at least one step.

    Companion: Corollary 4.1.
    """
    if len(run.drifts) < 2:
        raise ValueError(f"run must have at least one step, got {len(run.drifts) - 1}")
    condition = condition_4_1(run)
    premises.warn_unless_unit(run.X, "Corollary 4.1 of the companion")
    before = compare(condition.claim, condition.left[:-1], "≤", condition.right[:-1], _FLOOR)
    right = 4 * math.sqrt(len(run.y) * run.squares[0] / run.net.width) / lambda_0(run.X)
    claim = "max_r ‖w_r(k+1) - w_r(0)‖ ≤ 4√n‖y - u(0)‖/(√m λ_0)"
    return compare(claim, run.drifts[1:], "≤", right, ROUNDING, (before,))


def geometric_sum(step_size: float, smallest: float, steps: int) -> Comparison:
    """Σ_{k=0}^{K} (1 - ηλ_0/2)^(k/2) ≤ 4/(ηλ_0), as 1 - √(1 - s) ≥ s/2: the 4 of Corollary 4.1.

    Parameters
    ----------
    step_size, smallest : float > 0
        η and λ_0, ηλ_0 ≤ 2.
    steps : int ≥ 0
        K.

    Companion: Corollary 4.1 (sum; derived).
    """
    step_size = validate.positive_number("step_size", step_size)
    product = step_size * validate.positive_number("smallest", smallest)
    if product > 2:
        raise ValueError(f"step_size must be at most 2/λ_0 = {2 / smallest:.6g}, got {step_size:.6g}")
    powers = np.arange(validate.integer("steps", steps, least=0) + 1) / 2
    left = np.sum((1 - product / 2) ** powers)
    return compare("Σ_k (1 - ηλ_0/2)^(k/2) ≤ 4/(ηλ_0)", left, "≤", 4 / product, ROUNDING)


def _factor(run: PatternRun, smallest: float) -> float:
    """1 - ηλ_0/2."""
    share = run.step_size * smallest / 2
    if share >= 1:
        raise ValueError(f"step_size must be below 2/λ_0 = {2 / smallest:.6g}, got {run.step_size:.6g}")
    return 1 - share
