"""The companion's Gram matrix at infinite width, H^∞: its closed form, its λ_min, and how near H(0) is.

    H^∞_ij = E_w[x_iᵀ x_j I{w_rᵀ x_i ≥ 0, w_rᵀ x_j ≥ 0}] = x_iᵀ x_j (π - θ_ij)/2π,    w ~ N(0, I), θ_ij = ∠(x_i, x_j),

as w lies on the positive side of both hyperplanes with probability (π - θ)/2π. λ_0 is its smallest eigenvalue. H(0) is
the mean of m draws of what stands in the expectation, so that Hoeffding's inequality says how near it is.
"""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram, spectra
from minimal_gd._runtime import validate
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OpenConstants

# The constants that Hoeffding's inequality gives in Lemma 3.1, for δ ≤ 0.7: see `asked_width`.
HOEFFDING = OpenConstants(width=24.0)
# A sampled expectation may be further off than its tolerance with this probability.
_SAMPLING_FAILURE = 1e-9


def h_infinity(X: NDArray) -> NDArray:
    """H^∞, exact to rounding.

    Parameters
    ----------
    X : (n, d) array

    Returns
    -------
    (n, n) float64 array

    Raises
    ------
    TypeError, ValueError
        If X is not a finite (n, d) array.

    Companion: H^∞, section 3.
    """
    X = inputs(X)
    return X @ X.T * (math.pi - angles(X)) / (2 * math.pi)


def angles(X: NDArray) -> NDArray:
    """θ_ij = 2 atan2(‖u_i - u_j‖, ‖u_i + u_j‖), u = x/‖x‖: exact to rounding, where arccos loses half of the digits.

    Parameters
    ----------
    X : (n, d) array

    Returns
    -------
    (n, n) float64 array
        From 0 to π. A zero sample is at right angles to all others.
    """
    units = _units(inputs(X))
    pairs = [(np.linalg.norm(units - u, axis=1), np.linalg.norm(units + u, axis=1)) for u in units]
    return np.array([2 * np.arctan2(difference, total) for difference, total in pairs])


def lambda_0(X: NDArray) -> float:
    """λ_0 = λ_min(H^∞) > 0.

    Parameters
    ----------
    X : (n, d) array

    Raises
    ------
    ValueError
        If λ_min(H^∞) > 0 is not certain; the message names the parallel inputs.

    Companion: Assumption 3.1.
    """
    X = inputs(X)
    return premises.smallest_eigenvalue(h_infinity(X), _error(X), X=X)


# ------------------------------------------------------------------ the closed forms


def limit_of_h(X: NDArray, draws: int = 10_000, seed: int | np.random.Generator = 0) -> Comparison:
    """H^∞_ij = x_iᵀ x_j (π - arccos ρ_ij)/2π, ρ_ij the cosine of the angle: the closed form, and a mean over w.

    For unit inputs ρ_ij = x_iᵀ x_j; the angle is what counts otherwise. The tolerance is Hoeffding's, failing with
    probability 1e-9.

    Parameters
    ----------
    X : (n, d) array
    draws : int ≥ 1
        How many w.
    seed : int ≥ 0 or numpy.random.Generator

    Companion: H^∞, section 3.
    """
    X = inputs(X)
    draws = validate.integer("draws", draws)
    active = X @ validate.generator(seed).standard_normal((X.shape[1], draws)) >= 0
    S, left = X @ X.T, h_infinity(X)
    right = S * (active.astype(np.float64) @ active.T) / draws
    tolerance = _hoeffding(draws, _SAMPLING_FAILURE / len(X) ** 2) * np.abs(S).max() / np.abs(left).max()
    return compare("H^∞_ij = x_iᵀx_j (π - arccos ρ_ij)/2π", left, "=", right, tolerance)


def limit_of_g(X: NDArray, draws: int = 10_000, seed: int | np.random.Generator = 0) -> Comparison:
    """G^∞_ij = ‖x_i‖‖x_j‖ (√(1 - ρ²) + ρ (π - arccos ρ))/2π, the limit of G_ij = (1/m) Σ_r relu(w_rᵀx_i) relu(w_rᵀx_j).

    The closed form, and a mean over w; the tolerance is six of its standard errors, the fourth moment of a Gaussian
    being three: the variance of a product is at most 3 ‖x_i‖²‖x_j‖².

    Parameters
    ----------
    X, draws, seed
        As for `limit_of_h`.

    Companion: G^∞ for Theorem 3.3 (derived).
    """
    X = inputs(X)
    draws = validate.integer("draws", draws)
    features = np.maximum(X @ validate.generator(seed).standard_normal((X.shape[1], draws)), 0)
    theta, norms = angles(X), np.linalg.norm(X, axis=1)
    left = np.outer(norms, norms) * (np.sin(theta) + np.cos(theta) * (math.pi - theta)) / (2 * math.pi)
    tolerance = 6 * math.sqrt(3 / draws) * np.max(np.sum(X * X, axis=1)) / np.abs(left).max()
    claim = "G^∞_ij = ‖x_i‖‖x_j‖ (√(1 - ρ²) + ρ(π - arccos ρ))/2π"
    return compare(claim, left, "=", features @ features.T / draws, tolerance)


def assumption_3_1(X: NDArray) -> Comparison:
    """λ_0 = λ_min(H^∞) > 0, by more than the error that rounding leaves.

    Companion: Assumption 3.1.
    """
    X = inputs(X)
    spectrum = spectra.spectrum(h_infinity(X), _error(X))
    return compare("λ_0 = λ_min(H^∞) > 0", spectrum.smallest, ">", spectrum.error)


# ------------------------------------------------------------------ H(0) near H^∞


def asked_width(n: int, smallest: float, open_constants: OpenConstants = HOEFFDING) -> float:
    """m = Ω(n²/λ_0² log(n/δ)).

    Hoeffding's inequality for every entry, at level δ/n², and the union bound give √(log(2n²/δ)/2m) for the largest
    entry of H(0) - H^∞, and ‖·‖_2 is at most n times that: λ_0/4 at m = 8 n²/λ_0² log(2n²/δ), where
    log(2n²/δ) ≤ 3 log(n/δ) for δ ≤ 0.7.

    Companion: Lemma 3.1 (24 is derived; the constant is left open).
    """
    ratio = validate.integer("n", n) / validate.positive_number("smallest", smallest)
    return open_constants.width * ratio**2 * math.log(n / open_constants.failure)


def lemma_3_1(
    net: TwoLayerReLU, params: Parameters, X: NDArray, open_constants: OpenConstants = HOEFFDING
) -> Comparison:
    """‖H(0) - H^∞‖_2 ≤ λ_0/4 and ¾ λ_0 ≤ λ_min(H(0)), with probability 1 - δ, if m = Ω(n²/λ_0² log(n/δ)).

    Parameters
    ----------
    net : TwoLayerReLU
    params : Parameters
        As `net.init` draws them.
    X : (n, d) array of unit rows
    open_constants : OpenConstants
        `width` and `failure` are used; the default is derived, see `asked_width`.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    TypeError, ValueError
        As `net.predict`; if λ_0 > 0 is not certain, or `net` is another network.

    Companion: Lemma 3.1.
    """
    H = gram.empirical(two_layer.network(net), params, X)[0]
    premises.warn_unless_unit(X, "Lemma 3.1 of the companion")
    limit, smallest = h_infinity(X), lambda_0(X)
    return compare(
        "‖H(0) - H^∞‖₂ ≤ λ_0/4, ¾λ_0 ≤ λ_min(H(0))",
        [float(np.linalg.norm(H - limit, 2)), 0.75 * smallest],
        "≤",
        [smallest / 4, np.linalg.eigvalsh(H)[0]],
        premises=(compare("m = Ω(·)", net.width, "≥", asked_width(len(X), smallest, open_constants)),),
    )


def lemma_3_1_entries(
    net: TwoLayerReLU, params: Parameters, X: NDArray, open_constants: OpenConstants = HOEFFDING
) -> Comparison:
    """max_ij |H_ij(0) - H^∞_ij| ≤ √(log(2n²/δ)/2m) with probability 1 - δ: Hoeffding at level δ/n², and a union bound.

    Parameters
    ----------
    net, params, X, open_constants
        As for `lemma_3_1`; `failure` is used. Nothing is open here but δ.

    Companion: Lemma 3.1 (entries; the constants are derived).
    """
    H = gram.empirical(two_layer.network(net), params, X)[0]
    premises.warn_unless_unit(X, "Lemma 3.1 of the companion")
    right = _hoeffding(net.width, open_constants.failure / len(X) ** 2)
    return compare("max_ij |H_ij(0) - H^∞_ij| ≤ √(log(2n²/δ)/2m)", np.abs(H - h_infinity(X)).max(), "≤", right)


# ------------------------------------------------------------------ what these are made of


def inputs(X: NDArray) -> NDArray:
    """Return X as a finite (n, d) float64 array, n ≥ 1 and d ≥ 1."""
    X = validate.real_array("X", X, np.float64)
    if X.ndim != 2 or X.size == 0:
        raise ValueError(f"X must have shape (n, d) with n, d ≥ 1, got shape {X.shape}")
    return X


def _units(X: NDArray) -> NDArray:
    """Every x_i/‖x_i‖, or 0."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(norms > 0, norms, 1)


def _error(X: NDArray) -> float:
    """The rounding of an entry of H^∞: that of a scalar product of d terms, and of an angle."""
    return (X.shape[1] + 4) * np.finfo(np.float64).eps * float(np.max(np.sum(X * X, axis=1)))


def _hoeffding(draws: int, failure: float) -> float:
    """How far the mean of `draws` numbers from [0, 1] is off at most, but for a chance of `failure`."""
    return math.sqrt(math.log(2 / failure) / (2 * draws))
