"""Which activation patterns can change while the weights stay near their start, and what that does to H.

    A_ir = {some w with ‖w - w_r(0)‖ ≤ R switches unit r at x_i} = {|w_r(0)ᵀ x_i| < R},    S_i = {r : not A_ir}

for unit inputs, up to an event of probability 0. w_r(0)ᵀ x_i ~ N(0, 1) makes A_ir rare, and H_ij changes by at most the
share of units that switch at x_i or x_j. Where the companion says "with probability 1 - δ" by Markov's inequality, the
constants below are derived: they are what its proofs give when carried out.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion.limit import lambda_0
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import ROUNDING, OpenConstants

# R = c δ λ_0/n² and η = c λ_0/n² with constants for which the companion's proofs go through: see `allowed_radius` and
# `two_layer_split.rate_from_factor`. The companion leaves them open.
DERIVED = OpenConstants(radius=math.sqrt(2 * math.pi) / 32, step=0.25)
# Lemma 4.1: P(A_ir) ≤ √(2/π) R.
DENSITY = math.sqrt(2 / math.pi)


def allowed_radius(n: int, smallest: float, open_constants: OpenConstants = DERIVED) -> float:
    """R = c δ λ_0/n².

    Lemma 3.2 needs 4n²R/(√(2π)δ) < λ_0/4, that is c < √(2π)/16; half of it leaves room for Theorem 4.1.

    Parameters
    ----------
    n : int ≥ 1
        How many samples.
    smallest : float > 0
        λ_0.
    open_constants : OpenConstants
        `radius` and `failure` are used.

    Companion: Lemma 3.2 (the constant is derived).
    """
    n, smallest = validate.integer("n", n), validate.positive_number("smallest", smallest)
    return open_constants.radius * open_constants.failure * smallest / n**2


def may_switch(net: TwoLayerReLU, start: Parameters, X: NDArray, radius: float) -> NDArray:
    """A_ir: |w_r(0)ᵀ x_i| < R ‖x_i‖. Unit r belongs to S_i where it is False.

    Parameters
    ----------
    net : TwoLayerReLU
    start : Parameters
        θ(0).
    X : (n, d) array
    radius : float > 0
        R.

    Returns
    -------
    (n, m) bool array

    Raises
    ------
    TypeError, ValueError
        As `net.predict`, and if R is not a finite number > 0.

    Companion: Lemma 3.2, the event A_ir; Lemma 4.1, S_i.
    """
    start = two_layer.network(net).check_params(start, "start")
    X = net.check_inputs("X", X, start.dtype)
    radius = validate.positive_number("radius", radius)
    return np.abs(X @ start.W[0].T) < radius * np.linalg.norm(X, axis=1)[:, None]


def drift(start: Parameters, params: Parameters) -> float:
    """max_r ‖w_r - w_r(0)‖. Companion: Lemma 3.2."""
    return float(np.linalg.norm(params.W[0] - start.W[0], axis=1).max())


def stays_within(start: Parameters, params: Parameters, radius: float) -> Comparison:
    """max_r ‖w_r - w_r(0)‖ ≤ R, a premise. Companion: Lemma 3.2."""
    return compare("max_r ‖w_r - w_r(0)‖ ≤ R", drift(start, params), "≤", radius)


# ------------------------------------------------------------------ the event A_ir


def event_a(net: TwoLayerReLU, start: Parameters, X: NDArray, radius: float) -> Comparison:
    """A_ir ⇔ |w_r(0)ᵀ x_i| < R: whether the worst moves, by ± R x_i/‖x_i‖, switch unit r at x_i.

    Companion: Event A_ir, Lemma 3.2.
    """
    right = may_switch(net, start, X, radius)
    before = two_layer.patterns(net, start, X)
    left, X = np.zeros_like(before), net.check_inputs("X", X)
    for i, x in enumerate(X):
        for move in (radius, -radius):
            moved = start.W[0] + move * x / np.linalg.norm(x)
            left[i] |= (moved @ x >= 0) != before[i]
    return compare("A_ir ⇔ |w_r(0)ᵀx_i| < R‖x_i‖", left, "=", right)


def share_of_events(net: TwoLayerReLU, start: Parameters, X: NDArray, radius: float) -> Comparison:
    """P(A_ir) = P(|z| < R) = erf(R/√2), z ~ N(0, 1): the share of pairs (i, r), and the probability.

    The tolerance is six standard errors: the units are independent draws, of a share with variance at most p(1 - p).

    Companion: P(A_ir), Lemma 3.2.
    """
    probability = float(erf(validate.positive_number("radius", radius) / math.sqrt(2)))
    error = 6 * math.sqrt((1 - probability) / (probability * net.width))
    share = may_switch(net, start, X, radius).mean()
    return compare("share of A_ir = erf(R/√2)", share, "=", probability, error)


def bound_of_probability(radius: float) -> Comparison:
    """P(A_ir) = erf(R/√2) ≤ 2R/√(2π), the largest density times the length.

    Companion: P(A_ir) bound, Lemma 3.2.
    """
    radius = validate.positive_number("radius", radius)
    left = erf(radius / math.sqrt(2))
    # for small R the sides agree to rounding
    return compare("P(A_ir) ≤ 2R/√(2π)", left, "≤", 2 * radius / math.sqrt(2 * math.pi), ROUNDING)


# ------------------------------------------------------------------ H near H(0)


def change_of_entries(
    net: TwoLayerReLU, start: Parameters, params: Parameters, X: NDArray, radius: float
) -> Comparison:
    """|H_ij - H_ij(0)| ≤ |x_iᵀ x_j| (1/m) Σ_r I{A_ir or A_jr} for all weights within R of their start.

    Parameters
    ----------
    net : TwoLayerReLU
        With `a` fixed.
    start, params : Parameters
        θ(0), and any other.
    X : (n, d) array
    radius : float > 0
        R.

    Returns
    -------
    Comparison
        (n, n) on both sides.

    Companion: Lemma 3.2 (entries).
    """
    right = largest_change(net, start, X, radius)
    left = np.abs(_H(net, params, X) - _H(net, start, X))
    claim = "|H_ij - H_ij(0)| ≤ |x_iᵀx_j| (1/m) Σ_r I{A_ir or A_jr}"
    return compare(claim, left, "≤", right, ROUNDING, (stays_within(start, params, radius),))


def largest_change(net: TwoLayerReLU, start: Parameters, X: NDArray, radius: float) -> NDArray:
    """B_ij = |x_iᵀ x_j| (1/m) Σ_r I{A_ir or A_jr}: as |H - H(0)| ≤ B entry by entry, ‖H - H(0)‖_2 ≤ ‖B‖_2.

    Companion: Lemma 3.2.
    """
    stays = ~may_switch(net, start, X, radius)
    X = net.check_inputs("X", X)
    both_stay = stays.astype(np.float64) @ stays.T / net.width
    return np.abs(X @ X.T) * (1 - both_stay)


def expected_change(net: TwoLayerReLU, start: Parameters, X: NDArray, radius: float) -> Comparison:
    """E|H_ij - H_ij(0)| ≤ 4R/√(2π), for unit inputs: the mean over units of |x_iᵀx_j| I{A_ir or A_jr}.

    The tolerance is six standard errors of that mean.

    Companion: Lemma 3.2 (expectation).
    """
    left = largest_change(net, start, X, radius)
    premises.warn_unless_unit(X, "Lemma 3.2 of the companion")
    right = 4 * radius / math.sqrt(2 * math.pi)
    return compare("E|H_ij - H_ij(0)| ≤ 4R/√(2π)", left, "≤", right, 6 / math.sqrt(right * net.width))


def markov(
    net: TwoLayerReLU, start: Parameters, X: NDArray, radius: float, open_constants: OpenConstants = DERIVED
) -> Comparison:
    """Σ_ij |H_ij - H_ij(0)| ≤ 4n²R/(√(2π)δ) for all weights within R, with probability 1 - δ.

    P(A_ir or A_jr) ≤ 4R/√(2π) bounds the expectation of every entry, Markov's inequality their sum. The left side is
    the sum of `largest_change`.

    Companion: Lemma 3.2 (Markov).
    """
    left = largest_change(net, start, X, radius).sum()
    premises.warn_unless_unit(X, "Lemma 3.2 of the companion")
    right = 4 * len(X) ** 2 * radius / (math.sqrt(2 * math.pi) * open_constants.failure)
    return compare("Σ_ij |H_ij - H_ij(0)| ≤ 4n²R/(√(2π)δ)", left, "≤", right)


def lemma_3_2(net: TwoLayerReLU, start: Parameters, X: NDArray, open_constants: OpenConstants = DERIVED) -> Comparison:
    """‖H - H(0)‖_2 < λ_0/4 and λ_0/2 < λ_min(H), for all weights within R = c δ λ_0/n² of their start.

    With probability 1 - δ. "For all" is checked as such: `largest_change` bounds every one of these H.

    Parameters
    ----------
    net : TwoLayerReLU
    start : Parameters
        θ(0), as `net.init` draws it.
    X : (n, d) array of unit rows
    open_constants : OpenConstants
        `radius` and `failure` are used; the default is derived, see `allowed_radius`.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    TypeError, ValueError
        As `may_switch`, and if λ_0 > 0 is not certain.

    Companion: Lemma 3.2.
    """
    H = _H(two_layer.network(net), start, X)
    premises.warn_unless_unit(X, "Lemma 3.2 of the companion")
    smallest = lambda_0(X)
    worst = largest_change(net, start, X, allowed_radius(len(X), smallest, open_constants))
    return definite_nearby(H, worst, smallest)


def definite_nearby(H: NDArray, worst: NDArray, smallest: float) -> Comparison:
    """‖H - H(0)‖_2 < λ_0/4 and λ_0/2 < λ_min(H) for every H with |H - H(0)| ≤ `worst` entry by entry.

    Parameters
    ----------
    H, worst : (n, n) arrays
        H(0), and the bounds.
    smallest : float > 0
        λ_0.

    Companion: Lemma 3.2, Lemma A.2.
    """
    change, initial = float(np.linalg.norm(worst, 2)), np.linalg.eigvalsh(H)[0]
    return compare(
        "‖H - H(0)‖₂ < λ_0/4, λ_0/2 < λ_min(H)",
        [change, smallest / 2],
        "<",
        [smallest / 4, initial - change],
        premises=(compare("λ_min(H(0)) ≥ ¾λ_0 (Lemma 3.1)", initial, "≥", 0.75 * smallest),),
    )


# ------------------------------------------------------------------ S_i and the patterns that do change


def lemma_4_1(
    net: TwoLayerReLU,
    start: Parameters,
    X: NDArray,
    radius: float,
    open_constants: OpenConstants = DERIVED,
    constant: float = DENSITY,
) -> Comparison:
    """Σ_i |S_i^⊥| ≤ CmnR/δ with probability 1 - δ: E|S_i^⊥| = m P(A_ir), and Markov's inequality.

    Parameters
    ----------
    net, start, X
        As for `lemma_3_2`.
    radius : float > 0
        R.
    open_constants : OpenConstants
        `failure` is used.
    constant : float > 0
        C, which the companion leaves open; √(2/π) is derived.

    Companion: Lemma 4.1.
    """
    left = may_switch(net, start, X, radius).sum()
    right = validate.positive_number("constant", constant) * net.width * len(X) * radius / open_constants.failure
    return compare("Σ_i |S_i^⊥| ≤ CmnR/δ", left, "≤", right)


def changed_patterns(net: TwoLayerReLU, start: Parameters, params: Parameters, X: NDArray, radius: float) -> Comparison:
    """(1/mn) Σ_i Σ_r I{pattern of (i, r) changed} ≤ (1/mn) Σ_i |S_i^⊥| for weights within R of their start.

    Parameters
    ----------
    net, start, params, X, radius
        As for `change_of_entries`.

    Companion: S_i, section 4 (derived).
    """
    right = may_switch(net, start, X, radius).mean()
    left = np.mean(two_layer.patterns(net, params, X) != two_layer.patterns(net, start, X))
    return compare(
        "share of changed patterns ≤ Σ_i |S_i^⊥|/mn", left, "≤", right, 0, (stays_within(start, params, radius),)
    )


def _H(net: TwoLayerReLU, params: Parameters, X: NDArray) -> NDArray:
    return gram.empirical(net, params, X)[0]
