"""The companion's convergence of gradient flow: Theorem 3.2 by Lemmas 3.3 and 3.4, and Remark 3.1.

Where λ_min(H) ≥ λ_0/2, the residual falls at least as exp(-λ_0 t/2). A unit moves at most at the speed √(n/m) ‖y - u‖,
so that it stays near its start; and units near their start keep λ_min(H) ≥ λ_0/2. Lemma 3.4 closes the circle.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion.limit import h_infinity, inputs, lambda_0
from minimal_gd.theory.companion.path import Path, gradient_path
from minimal_gd.theory.companion.patterns import DERIVED, allowed_radius
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, ROUNDING, OpenConstants


def asked_width(n: int, smallest: float, open_constants: OpenConstants = OPEN) -> float:
    """m = Ω(n⁶/(λ_0⁴δ³)). Companion: Theorem 3.2, Theorem 4.1."""
    n, smallest = validate.integer("n", n), validate.positive_number("smallest", smallest)
    return open_constants.width * n**6 / (smallest**4 * open_constants.failure**3)


def theorem_3_2(path: Path, open_constants: OpenConstants = OPEN, largest_label: float = 1.0) -> Comparison:
    """‖u(t) - y‖² ≤ exp(-λ_0 t) ‖u(0) - y‖² with probability 1 - δ, if m = Ω(n⁶/(λ_0⁴δ³)).

    The constant is open, so that the width promises nothing by itself: λ_min(H(t)) ≥ λ_0/2, what the proof makes of it,
    is a premise too.

    Parameters
    ----------
    path : Path
        With `a` fixed.
    open_constants : OpenConstants
        `width` and `failure` are used.
    largest_label : float > 0
        C in |y_i| ≤ C.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    ValueError
        If λ_0 > 0 is not certain, or the path trains `a`.

    Companion: Theorem 3.2.
    """
    two_layer.network(path.net, train_output=False)
    asked = asked_of_data(path.X, path.y, "Theorem 3.2", largest_label)
    smallest = lambda_0(path.X)
    width = compare("m = Ω(·)", path.net.width, "≥", asked_width(len(path.y), smallest, open_constants))
    return rate(path, smallest, (*asked, width, stays_definite(path, smallest)))


def lemma_3_3(path: Path) -> Comparison:
    """‖y - u(t)‖² ≤ exp(-λ_0 t) ‖y - u(0)‖² where λ_min(H(s)) ≥ λ_0/2 for s ≤ t.

    The premise is checked at the times of the path.

    Companion: Lemma 3.3.
    """
    two_layer.network(path.net, train_output=False)
    smallest = lambda_0(path.X)
    return rate(path, smallest, (stays_definite(path, smallest),))


def lemma_3_3_distance(path: Path, factor: float = 2.0) -> Comparison:
    """max_r ‖w_r(t) - w_r(0)‖ ≤ R′ = 2√n ‖y - u(0)‖/(√m λ_0) where λ_min(H(s)) ≥ λ_0/2 for s ≤ t.

    ‖ẇ_r‖ ≤ √(n/m) ‖y - u(s)‖ and ‖y - u(s)‖ ≤ exp(-λ_0 s/2) ‖y - u(0)‖, whose integral is 2/λ_0. The print has no 2, as
    if the bound on the squares were one on the norm; one unit in four, n = 1 and λ_min(H) = λ_0/2 attain the 2.

    Parameters
    ----------
    path : Path
        With `a` fixed.
    factor : float > 0
        2, or 1 for the printed bound.

    Companion: Lemma 3.3 (distance).
    """
    two_layer.network(path.net, train_output=False)
    premises.warn_unless_unit(path.X, "Lemma 3.3 of the companion")
    smallest = lambda_0(path.X)
    right = validate.positive_number("factor", factor) / 2 * largest_drift(path, smallest)
    claim = f"max_r ‖w_r(t) - w_r(0)‖ ≤ {factor:g}√n‖y - u(0)‖/(√m λ_0)"
    return compare(claim, path.drifts, "≤", right, path.slack, (stays_definite(path, smallest),))


def lemma_3_4(path: Path, open_constants: OpenConstants = DERIVED) -> Comparison:
    """If R′ < R, then for all t: λ_0/2 ≤ λ_min(H(t)), max_r ‖w_r(t) - w_r(0)‖ ≤ R′, and the exponential bound.

    Parameters
    ----------
    path : Path
        With `a` fixed.
    open_constants : OpenConstants
        `radius` and `failure` are used, for R = c δ λ_0/n²: see `allowed_radius`.

    Returns
    -------
    Comparison
        (3, t) on both sides.

    Companion: Lemma 3.4.
    """
    two_layer.network(path.net, train_output=False)
    premises.warn_unless_unit(path.X, "Lemma 3.4 of the companion")
    smallest = lambda_0(path.X)
    furthest, exponential = largest_drift(path, smallest), rate(path, smallest)
    half, ends = np.full_like(path.times, smallest / 2), np.full_like(path.times, furthest)
    return compare(
        "λ_0/2 ≤ λ_min(H(t)), max_r ‖w_r(t) - w_r(0)‖ ≤ R′, ‖y - u(t)‖² ≤ exp(-λ_0 t)‖y - u(0)‖²",
        [half, path.drifts, exponential.left],
        "≤",
        [path.smallest, ends, exponential.right],
        path.slack,
        (compare("R′ < R", furthest, "<", allowed_radius(len(path.y), smallest, open_constants)),),
    )


def width_of_lemma_3_4(
    n: int, smallest: float, initial_square: float, open_constants: OpenConstants = DERIVED
) -> Comparison:
    """R′ < R ⇔ m > 4n⁵ ‖y - u(0)‖²/(c²λ_0⁴δ²): at that width, R′ = 2√n ‖y - u(0)‖/(√m λ_0) is R = c δ λ_0/n².

    Parameters
    ----------
    n : int ≥ 1
    smallest : float > 0
        λ_0.
    initial_square : float > 0
        ‖y - u(0)‖². In expectation ‖y‖² + n/2, so that Markov's inequality makes m of the order n⁶/(λ_0⁴δ³).
    open_constants : OpenConstants
        c is its `radius`, δ its `failure`.

    Companion: Lemma 3.4 (width).
    """
    square = validate.positive_number("initial_square", initial_square)
    right = allowed_radius(n, smallest, open_constants)
    share = open_constants.radius * open_constants.failure
    m = 4 * n**5 * square / (share**2 * smallest**4)
    left = 2 * math.sqrt(n * square / m) / smallest
    return compare("R′ = R at m = 4n⁵‖y - u(0)‖²/(c²λ_0⁴δ²)", left, "=", right, ROUNDING)


def initial_predictions(X: NDArray, width: int, draws: int = 400, seed: int | np.random.Generator = 0) -> Comparison:
    """E[u_i(0)²] = ½ ‖x_i‖²: the mean over random nets, and half of E[(wᵀx)²], as a_r = ±1 has mean 0.

    The tolerance is six standard errors: for unit inputs, Var[u²] = ½ + ¾/m.

    Parameters
    ----------
    X : (n, d) array
    width : int ≥ 1
        m.
    draws : int ≥ 1
        How many nets.
    seed : int ≥ 0 or numpy.random.Generator

    Companion: E[u_i(0)²], section 3 (derived).
    """
    X, rng = inputs(X), validate.generator(seed)
    net = TwoLayerReLU(X.shape[1], width)
    squares = [net.predict(net.init(rng), X) ** 2 for _ in range(validate.integer("draws", draws))]
    tolerance = 12 * math.sqrt((0.5 + 0.75 / width) / draws)  # relative to the largest ½ ‖x_i‖²
    return compare("E[u_i(0)²] = ½‖x_i‖²", np.mean(squares, axis=0), "=", np.sum(X * X, axis=1) / 2, tolerance)


def initial_residual(net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray, failure: float = 0.1) -> Comparison:
    """‖y - u(0)‖² ≤ (‖y‖² + n/2)/δ with probability 1 - δ, for unit inputs: Markov's inequality.

    Companion: the initial residual of section 3 (the constants are derived).
    """
    left = 2 * two_layer.network(net).loss(params, X, y)
    premises.warn_unless_unit(np.asarray(X), "Theorem 3.2 of the companion")
    right = (np.sum(np.square(y)) + len(y) / 2) / validate.positive_number("failure", failure)
    return compare("‖y - u(0)‖² ≤ (‖y‖² + n/2)/δ", left, "≤", right)


# ------------------------------------------------------------------ Remark 3.1


def remark_3_1_initial(
    X: NDArray, widths: Sequence[int], seeds: Iterable[int] = range(20), tolerance: float = 0.25
) -> Comparison:
    """‖H(0) - H^∞‖_2 falls as m^(-1/2): the slope of its root mean square over seeds, against the width.

    Parameters
    ----------
    X : (n, d) array
    widths : at least two increasing ints
    seeds : ints
    tolerance : float ≥ 0
        Relative: 0.25 tells -1/2 from -1 and from -1/4 alike, and 20 seeds over a factor of 16 err by about 0.06.

    Companion: Remark 3.1 (initial).
    """
    X, limit = inputs(X), h_infinity(X)

    def change(net: TwoLayerReLU, params: Parameters) -> NDArray:
        return gram.empirical(net, params, X)[0] - limit

    left = _slope(widths, seeds, X.shape[1], change)
    return compare("‖H(0) - H^∞‖₂ ∝ m^(-1/2)", left, "=", -0.5, tolerance)


def remark_3_1_training(
    X: NDArray,
    y: NDArray,
    widths: Sequence[int],
    time: float = 1.0,
    seeds: Iterable[int] = range(20),
    tolerance: float = 0.25,
) -> Comparison:
    """‖H(t) - H(0)‖_2 falls as m^(-1/2) or faster, along the flow: O(√(1/m)) is a bound.

    The share of units that switch falls as m^(-1/2), but those that switch on and those that switch off make up for
    each other in part.

    Parameters
    ----------
    X, widths, seeds, tolerance
        As for `remark_3_1_initial`.
    y : (n,) array
    time : float > 0
        t.

    Companion: Remark 3.1 (training).
    """
    X = inputs(X)

    def change(net: TwoLayerReLU, params: Parameters) -> NDArray:
        initial, later = gradient_path(net, params, X, y, [time], tolerance=1e-4).H
        return later - initial

    left = _slope(widths, seeds, X.shape[1], change)
    return compare("‖H(t) - H(0)‖₂ = O(m^(-1/2))", left, "≤", -0.5, tolerance)


# ------------------------------------------------------------------ what these are made of


def largest_drift(path: Path, smallest: float) -> float:
    """R′ = 2√n ‖y - u(0)‖/(√m λ_0). Companion: Lemma 3.3 (the 2 is derived)."""
    return 2 * math.sqrt(len(path.y) * path.squares[0] / path.net.width) / smallest


def rate(path: Path, smallest: float, asked: tuple[Comparison, ...] = ()) -> Comparison:
    """‖y - u(t)‖² ≤ exp(-λ_0 t) ‖y - u(0)‖² at every time of a path."""
    right = np.exp(-smallest * path.times) * path.squares[0]
    return compare("‖y - u(t)‖² ≤ exp(-λ_0 t)‖y - u(0)‖²", path.squares, "≤", right, path.slack, asked)


def stays_definite(path: Path, smallest: float) -> Comparison:
    """λ_min(H(t)) ≥ λ_0/2 at every time of a path, a premise."""
    return compare("λ_min(H(t)) ≥ λ_0/2", path.smallest, "≥", smallest / 2)


def asked_of_data(X: NDArray, y: NDArray, theorem: str, largest_label: float) -> tuple[Comparison, Comparison]:
    """‖x_i‖ = 1 and |y_i| ≤ C, the premises of every theorem of the companion."""
    premises.warn_unless_unit(X, f"{theorem} of the companion")
    largest_label = validate.positive_number("largest_label", largest_label)
    norms = premises.unit_inputs(X)
    return norms, compare("|y_i| ≤ C", np.abs(y), "≤", largest_label)


def _slope(
    widths: Sequence[int],
    seeds: Iterable[int],
    input_dim: int,
    change: Callable[[TwoLayerReLU, Parameters], NDArray],
) -> float:
    """d log(root mean square of ‖change‖_2) / d log(m), by least squares.

    Every net has a stream of its own, or one lucky seed would bend all widths alike.
    """
    widths, seeds = list(widths), list(seeds)
    if len(widths) < 2 or any(low >= high for low, high in pairwise(widths)) or not seeds:
        raise ValueError(f"widths must be at least two increasing integers, and seeds some, got {widths} and {seeds}")

    def root_mean_square(width: int) -> float:
        net = TwoLayerReLU(input_dim, width)
        starts = (net.init(np.random.default_rng([width, seed])) for seed in seeds)
        return np.sqrt(np.mean([np.linalg.norm(change(net, start), 2) ** 2 for start in starts]))

    return float(np.polyfit(np.log(widths), np.log([root_mean_square(width) for width in widths]), 1)[0])
