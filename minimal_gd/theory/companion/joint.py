"""The companion's Theorem 3.3: gradient flow of both layers, ẇ_r = -∂L/∂w_r and ȧ_r = -∂L/∂a_r.

    u̇ = (H(t) + G(t)) (y - u),    H_ij = (1/m) x_iᵀx_j Σ_r a_r² I{w_rᵀx_i ≥ 0, w_rᵀx_j ≥ 0},
                                   G_ij = (1/m) Σ_r relu(w_rᵀx_i) relu(w_rᵀx_j)

G is positive semi-definite and dropped. What is new is that a_r moves: within R_a of ±1, while w_r stays within R_w.

Of Lemmas A.2–A.6 the structure is recalled, with little confidence, and no constant: every bound below is derived, by
the companion's arguments for one layer.
"""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion.flow import asked_of_data, asked_width, largest_drift, rate, stays_definite
from minimal_gd.theory.companion.limit import lambda_0
from minimal_gd.theory.companion.path import Path, short_differences
from minimal_gd.theory.companion.patterns import DERIVED, allowed_radius, definite_nearby, largest_change
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, OpenConstants
from minimal_gd.theory.sections_3_and_4.dynamics import ROUNDING, keep_order

# R_a = λ_0/(24 n²), by which a_r moves H by less than λ_0/8: the companion leaves the constant open.
OUTPUT_RADIUS = 1 / 24


def allowed_output_radius(n: int, smallest: float, constant: float = OUTPUT_RADIUS) -> float:
    """R_a = c λ_0/n². Companion: Lemma A.2 (the constant is derived)."""
    n, smallest = validate.integer("n", n), validate.positive_number("smallest", smallest)
    return validate.positive_number("constant", constant) * smallest / n**2


def output_drifts(path: Path) -> NDArray:
    """max_r |a_r(t) - a_r(0)| at every time of a path."""
    return np.array([np.abs(params.a - path.params[0].a).max() for params in path.params])


# ------------------------------------------------------------------ the dynamics


def gram_matrices(net: TwoLayerReLU, params: Parameters, X: NDArray) -> Comparison:
    """H and G: the Gram matrices of both layers, and their formulas.

    Returns
    -------
    Comparison
        (2, n, n) on both sides.

    Companion: Theorem 3.3, H and G.
    """
    left = gram.empirical(two_layer.network(net), params, X)
    X = np.asarray(X)
    z = X @ params.W[0].T
    active, features = (z >= 0).astype(np.float64), np.maximum(z, 0)
    H = X @ X.T * ((active * params.a**2) @ active.T) / net.width
    G = features @ features.T / net.width
    claim = "H_ij = (1/m) x_iᵀx_j Σ_r a_r² I{…}, G_ij = (1/m) Σ_r relu(w_rᵀx_i) relu(w_rᵀx_j)"
    return compare(claim, left, "=", [H, G], ROUNDING)


def both_layers(path: Path, span: float = 1e-4, tolerance: float = 0.01) -> Comparison:
    """u̇(t) = (H(t) + G(t)) (y - u(t)) along the flow of both layers.

    Parameters
    ----------
    path : Path
        With `a` in training.
    span, tolerance
        As for `two_layer_path.equation_7`.

    Companion: Theorem 3.3, the dynamics.
    """
    two_layer.network(path.net, train_output=True)
    whole = np.array([gram.total(path.net, params, path.X) for params in path.params])
    right = np.einsum("tij,tj->ti", whole, path.residuals)
    return compare("u̇(t) = (H(t) + G(t))(y - u(t))", short_differences(path, span), "=", right, tolerance)


def order(net: TwoLayerReLU, params: Parameters, X: NDArray) -> Comparison:
    """λ_min(H + G) ≥ λ_min(H), as G is positive semi-definite: why it may be dropped.

    Companion: Theorem 3.3, G ⪰ 0.
    """
    H, G = gram.empirical(two_layer.network(net), params, X)
    return keep_order("λ_min(H + G) ≥ λ_min(H)", H + G, H)


def theorem_3_3(path: Path, open_constants: OpenConstants = OPEN, largest_label: float = 1.0) -> Comparison:
    """‖u(t) - y‖² ≤ exp(-λ_0 t) ‖u(0) - y‖² with probability 1 - δ, if m = Ω(n⁶ log(m/δ)/(λ_0⁴δ³)).

    As in `two_layer_flow.theorem_3_2`, λ_min(H(t)) ≥ λ_0/2 is a premise beside the width, whose constant is open.

    Parameters
    ----------
    path : Path
        With `a` in training.
    open_constants, largest_label
        As for `two_layer_flow.theorem_3_2`.

    Companion: Theorem 3.3.
    """
    net = two_layer.network(path.net, train_output=True)
    asked = asked_of_data(path.X, path.y, "Theorem 3.3", largest_label)
    smallest = lambda_0(path.X)
    wanted = asked_width(len(path.y), smallest, open_constants) * math.log(net.width / open_constants.failure)
    return rate(path, smallest, (*asked, compare("m = Ω(·)", net.width, "≥", wanted), stays_definite(path, smallest)))


# ------------------------------------------------------------------ Lemmas A.2 to A.6


def lemma_a_2(
    net: TwoLayerReLU,
    start: Parameters,
    X: NDArray,
    open_constants: OpenConstants = DERIVED,
    constant: float = OUTPUT_RADIUS,
) -> Comparison:
    """‖H - H(0)‖_2 < λ_0/4, λ_0/2 < λ_min(H), for all weights with ‖w_r - w_r(0)‖ ≤ R_w and |a_r - a_r(0)| ≤ R_a.

    As |a_r(0)| = 1, a_r² moves by R_a(2 + R_a) at most, and an entry of H by |x_iᵀx_j| times that and the share of
    A_ir or A_jr.

    Parameters
    ----------
    net, start, X
        As for `two_layer_patterns.lemma_3_2`.
    open_constants : OpenConstants
        `radius` and `failure` are used, for R_w = c δ λ_0/n².
    constant : float > 0
        c in R_a = c λ_0/n².

    Companion: Lemma A.2 (recalled, low; derived).
    """
    H = gram.empirical(two_layer.network(net), start, X)[0]
    premises.warn_unless_unit(np.asarray(X), "Lemma A.2 of the companion")
    smallest = lambda_0(X)
    R_w = allowed_radius(len(H), smallest, open_constants)
    R_a = allowed_output_radius(len(H), smallest, constant)
    entries = largest_change(net, start, X, R_w) + np.abs(np.asarray(X) @ np.asarray(X).T) * R_a * (2 + R_a)
    return definite_nearby(H, entries, smallest)


def lemma_a_3(path: Path, output_radius: float) -> Comparison:
    """max_r ‖w_r(t) - w_r(0)‖ ≤ R_w′ = 2(1 + R_a)√n ‖y - u(0)‖/(√m λ_0).

    Where λ_min(H(s)) ≥ λ_0/2 and |a_r(s) - a_r(0)| ≤ R_a for s ≤ t: ‖ẇ_r‖ ≤ |a_r| √(n/m) ‖y - u(s)‖.

    Parameters
    ----------
    path : Path
        With `a` in training.
    output_radius : float > 0
        R_a.

    Companion: Lemma A.3 (recalled, low; derived).
    """
    smallest = _prepared(path, "Lemma A.3")
    output_radius = validate.positive_number("output_radius", output_radius)
    near = compare("max_r |a_r - a_r(0)| ≤ R_a", output_drifts(path), "≤", output_radius)
    right = (1 + output_radius) * largest_drift(path, smallest)
    claim = "max_r ‖w_r(t) - w_r(0)‖ ≤ R_w′"
    return compare(claim, path.drifts, "≤", right, path.slack, (stays_definite(path, smallest), near))


def lemma_a_4(path: Path, radius: float) -> Comparison:
    """max_r |a_r(t) - a_r(0)| ≤ R_a′ = 2(B + R_w)√n ‖y - u(0)‖/(√m λ_0), B = max_ir |w_r(0)ᵀ x_i|.

    Where λ_min(H(s)) ≥ λ_0/2 and ‖w_r(s) - w_r(0)‖ ≤ R_w for s ≤ t: relu(w_r(s)ᵀx_i) ≤ B + R_w.

    Parameters
    ----------
    path : Path
        With `a` in training.
    radius : float > 0
        R_w.

    Companion: Lemma A.4 (recalled, low; derived).
    """
    smallest = _prepared(path, "Lemma A.4")
    radius = validate.positive_number("radius", radius)
    near = compare("max_r ‖w_r - w_r(0)‖ ≤ R_w", path.drifts, "≤", radius)
    right = (_largest_input(path.params[0], path.X) + radius) * largest_drift(path, smallest)
    claim = "max_r |a_r(t) - a_r(0)| ≤ R_a′"
    return compare(claim, output_drifts(path), "≤", right, path.slack, (stays_definite(path, smallest), near))


def lemma_a_5(path: Path, open_constants: OpenConstants = DERIVED, constant: float = OUTPUT_RADIUS) -> Comparison:
    """If R_w′ < R_w and R_a′ < R_a: for all t λ_0/2 ≤ λ_min(H(t)), both drifts stay within R′, and the rate holds.

    Parameters
    ----------
    path : Path
        With `a` in training.
    open_constants, constant
        As for `lemma_a_2`: they fix R_w and R_a.

    Returns
    -------
    Comparison
        (4, t) on both sides.

    Companion: Lemma A.5 (recalled, low; derived).
    """
    smallest = _prepared(path, "Lemma A.5")
    R_w = allowed_radius(len(path.y), smallest, open_constants)
    R_a = allowed_output_radius(len(path.y), smallest, constant)
    reach_w = (1 + R_a) * largest_drift(path, smallest)
    reach_a = (_largest_input(path.params[0], path.X) + R_w) * largest_drift(path, smallest)
    exponential = rate(path, smallest)
    return compare(
        "λ_0/2 ≤ λ_min(H(t)), ‖w_r - w_r(0)‖ ≤ R_w′, |a_r - a_r(0)| ≤ R_a′, ‖y - u(t)‖² ≤ exp(-λ_0 t)‖y - u(0)‖²",
        np.broadcast_arrays(smallest / 2, path.drifts, output_drifts(path), exponential.left),
        "≤",
        np.broadcast_arrays(path.smallest, reach_w, reach_a, exponential.right),
        path.slack,
        (compare("R_w′ < R_w", reach_w, "<", R_w), compare("R_a′ < R_a", reach_a, "<", R_a)),
    )


def lemma_a_6(net: TwoLayerReLU, start: Parameters, X: NDArray, failure: float = 0.1) -> Comparison:
    """B = max_ir |w_r(0)ᵀ x_i| ≤ √(2 log(2mn/δ)) with probability 1 - δ: where log(m/δ) in Theorem 3.3 comes from.

    mn Gaussians, P(|z| > t) ≤ 2 exp(-t²/2), and a union bound. With B, R_a′ < R_a asks for one logarithm more in m than
    R_w′ < R_w does.

    Parameters
    ----------
    net, start, X
        As for `two_layer_patterns.lemma_3_2`.
    failure : float > 0
        δ.

    Companion: Lemma A.6 (recalled, low; derived).
    """
    start = two_layer.network(net).check_params(start, "start")
    X = net.check_inputs("X", X, np.float64)
    premises.warn_unless_unit(X, "Lemma A.6 of the companion")
    right = math.sqrt(2 * math.log(2 * net.width * len(X) / validate.positive_number("failure", failure)))
    return compare("max_ir |w_r(0)ᵀx_i| ≤ √(2 log(2mn/δ))", _largest_input(start, X), "≤", right)


# ------------------------------------------------------------------ what these are made of


def _prepared(path: Path, lemma: str) -> float:
    """λ_0, once the path is known to be one of both layers."""
    two_layer.network(path.net, train_output=True)
    premises.warn_unless_unit(path.X, f"{lemma} of the companion")
    return lambda_0(path.X)


def _largest_input(params: Parameters, X: NDArray) -> float:
    """B = max_ir |w_rᵀ x_i|."""
    return float(np.abs(X @ params.W[0].T).max())
