"""The theorems: the rate along a run, the width and the step size that they ask for, and the width that suffices.

    L(θ(k)) ≤ (1 - ηλ/2)^k L(θ(0)),    λ = λ_min(K^(H))

The theorems leave constants open, `OpenConstants`: a program can check the rate, the certificates and how the asked
widths scale, never that a width is big enough for the theorem.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate
from minimal_gd.descent import DivergenceError, gradient_descent
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks.base import Network
from minimal_gd.theory import premises
from minimal_gd.theory.appendices_a_to_d import certificates
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, OpenConstants, appendix
from minimal_gd.theory.requirements import asked_step_size, asked_width, width_terms

__all__ = [
    "asked_step_size",
    "asked_width",
    "convergence",
    "induction_hypothesis",
    "keeps_rate",
    "sufficient_width",
    "width_against_sufficient",
    "width_terms",
]

# In float64 a loss stays above about this share of the first one: the rounding of the predictions, squared.
_FLOOR = 1e-26


def induction_hypothesis(run: Trajectory, smallest: float) -> Comparison:
    """‖y - u(k)‖² ≤ (1 - ηλ/2)^k ‖y - u(0)‖² at every step k of a run.

    Parameters
    ----------
    run : Trajectory
        Of the paper's loss.
    smallest : float > 0
        λ = λ_min(K^(H)).

    Raises
    ------
    ValueError
        If the run is of the mean loss, or λ ≤ 0, or ηλ/2 ≥ 1.

    Paper: Condition A.1.
    """
    left = 2 * run.loss
    return compare(
        "‖y - u(k)‖² ≤ (1 - ηλ/2)^k ‖y - u(0)‖²", left, "≤", _rate(run, smallest) * left[0], tolerance=_FLOOR
    )


def convergence(
    net: Network,
    run: Trajectory,
    X: NDArray,
    y: NDArray,
    K_H: NDArray,
    open_constants: OpenConstants = OPEN,
    largest_label: float = 1.0,
) -> Comparison:
    """L(θ(k)) ≤ (1 - ηλ/2)^k L(θ(0)) at every step k of a run, λ = λ_min(K^(H)).

    The premises are what the theorem asks for, unit inputs, bounded labels, the width and the step size, and with them
    the certificates of its proof: as the constants are open, the first alone promise nothing, while the rate follows
    from the certificates whatever the constants.

    Parameters
    ----------
    net : Network
    run : Trajectory
        As `certificates.observed_descent` gives it.
    X : (n, *input_shape) array
    y : (n,) array
    K_H : (n, n) array
        K^(H).
    open_constants : OpenConstants
    largest_label : float > 0
        |y_i| = O(1) is |y_i| ≤ this.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    TypeError, ValueError
        As `width_terms` and `certificates.of_run`.

    Paper: Theorem 5.1, Theorem 6.1, Theorem 7.1.
    """
    premises.warn_unless_unit(X, appendix(net)[1])
    smallest = premises.smallest_eigenvalue(K_H, net=net, X=X)
    asked = (
        premises.unit_inputs(X),
        compare("|y_i| = O(1)", np.abs(y), "≤", validate.positive_number("largest_label", largest_label)),
        compare("m = Ω(·)", net.width, "≥", asked_width(net, len(y), smallest, open_constants)),
        compare("η = O(·)", run.step_size, "≤", asked_step_size(net, len(y), smallest, open_constants)),
    )
    return compare(
        "L(θ(k)) ≤ (1 - ηλ/2)^k L(θ(0))",
        run.loss,
        "≤",
        _rate(run, smallest) * run.loss[0],
        _FLOOR,
        asked + certificates.of_run(net, run, y, K_H, open_constants),
    )


def width_against_sufficient(
    net_of_width: Callable[[int], Network],
    X: NDArray,
    y: NDArray,
    smallest: float,
    step_size: float,
    steps: int,
    seeds: Iterable[int] = (0, 1, 2),
    open_constants: OpenConstants = OPEN,
    largest: int = 2**14,
) -> Comparison:
    """The smallest width at which training keeps the theorem's rate is at most the width that the theorem asks for.

    Parameters
    ----------
    net_of_width : callable
        `net_of_width(m)` is the network of width m.
    X, y, smallest, step_size, steps, seeds
        As for `keeps_rate`.
    open_constants : OpenConstants
    largest : int
        As for `sufficient_width`.

    Paper: Theorem 5.1, Theorem 6.1, Theorem 7.1.
    """
    sufficient = sufficient_width(
        lambda m: keeps_rate(net_of_width(m), X, y, smallest, step_size, steps, seeds), largest=largest
    )
    asked = asked_width(net_of_width(sufficient), len(y), smallest, open_constants)
    return compare("sufficient m ≤ asked m", sufficient, "≤", asked)


def keeps_rate(
    net: Network,
    X: NDArray,
    y: NDArray,
    smallest: float,
    step_size: float,
    steps: int,
    seeds: Iterable[int] = (0, 1, 2),
) -> bool:
    """Whether training keeps the rate, Condition A.1, at every step and from every seed.

    Parameters
    ----------
    net : Network
    X : (n, *input_shape) array
    y : (n,) array
    smallest : float > 0
        λ_min(K^(H)).
    step_size : float > 0
    steps : int ≥ 0
    seeds : ints

    Paper: Condition A.1.
    """
    for seed in seeds:
        try:
            run = gradient_descent(net, net.init(seed), X, y, step_size, steps)
        except DivergenceError:
            return False
        if not induction_hypothesis(run, smallest).holds:
            return False
    return True


def sufficient_width(suffices: Callable[[int], bool], largest: int = 2**14) -> int:
    """The smallest width that suffices, by doubling and then bisection.

    Parameters
    ----------
    suffices : callable
        Takes a width. Whatever suffices once is taken to suffice for all larger widths; if it does not, the width
        returned is still one that suffices while the one before it does not.
    largest : int ≥ 1
        Give up beyond this.

    Raises
    ------
    TypeError, ValueError
        If `largest` is no integer ≥ 1; ValueError if no width that was tried suffices.
    """
    largest = validate.integer("largest", largest)
    low, high = 0, 1
    while not suffices(high):
        if high == largest:
            raise ValueError(f"largest must allow a width that suffices, got {largest}, which does not")
        low, high = high, min(2 * high, largest)
    return bisect_left(range(high), True, lo=low + 1, key=suffices)


def _rate(run: Trajectory, smallest: float) -> NDArray:
    """(1 - ηλ/2)^k for every step k."""
    certificates.require_loss(run, "sum")
    share = run.step_size * validate.positive_number("smallest", smallest) / 2
    if share >= 1:
        raise ValueError(f"step_size must be below 2/λ_min(K^(H)) = {2 / smallest:.6g}, got {run.step_size:.6g}")
    return (1 - share) ** np.arange(run.steps + 1)
