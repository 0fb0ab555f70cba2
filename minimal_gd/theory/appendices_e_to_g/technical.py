"""The technical lemmas: products of perturbed matrices, norms of Gaussian ones, expectations under close Gaussians.

The constants of Lemmas G.3 and G.4 are derived here. For u ~ N(0, a), by integration by parts,

    ∂/∂a E[σ(u)] = ½ E[σ″(u)] = E[z σ′(√a z)] / (2√a),

at most β/2, and at most L √(2/π) / (2√a); and for (u, v) ~ N(0, A), A = (a, c; c, b),

    ∂/∂a E[σ(u)σ(v)] = ½ E[σ″(u)σ(v)],    ∂/∂c E[σ(u)σ(v)] = E[σ′(u)σ′(v)],

at most ½ β (|σ(0)| + L √(2b/π)) and L². The second is Price's identity. Matrices between two covariances are
covariances too, so that the bounds hold along the segment.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import scipy  # whose parts are loaded when they are first used
from numpy.typing import ArrayLike, NDArray

from minimal_gd import activations, gaussian
from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.activations import Activation
from minimal_gd.networks.base import Network, require_network
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import spectral_norm
from minimal_gd.theory.sections_3_and_4.setting import probability

# Sums and norms of a few hundred rounded terms.
ROUNDING = 1e-11
# Two ways to compute an expectation, each to 1e-12 or so.
_SERIES = 1e-10
# What a series or a quadrature may leave out.
_LEFT_OUT = 1e-11


def product_perturbation(A: Sequence[Array], B: Sequence[Array], bounds: Sequence[float] | None = None) -> Comparison:
    """‖∏A_i - ∏B_i‖_F ≤ (Σα_i) ∏M_i, where ‖A_i‖_2, ‖B_i‖_2 ≤ M_i and α_i = ‖A_i - B_i‖_F / M_i.

    The difference telescopes: Σ_i A_1 ⋯ A_{i-1} (A_i - B_i) B_{i+1} ⋯ B_k.

    Parameters
    ----------
    A, B : equally many matrices, shaped alike, each as many columns as the next has rows
    bounds : as many floats > 0, optional
        M_i; by default max(‖A_i‖_2, ‖B_i‖_2).

    Paper: Lemma G.1.
    """
    A, B = _matrices("A", A), _matrices("B", B)
    if [M.shape for M in A] != [M.shape for M in B]:
        raise ValueError(f"B must hold matrices shaped as A's, got {[M.shape for M in B]} and {[M.shape for M in A]}")
    norms = np.array([(spectral_norm(M), spectral_norm(N)) for M, N in zip(A, B, strict=True)]).max(axis=1)
    M = norms if bounds is None else validate.shaped_array("bounds", bounds, (len(A),), "one for every matrix")
    distances = np.array([np.linalg.norm(one - other) for one, other in zip(A, B, strict=True)])
    alpha = np.divide(distances, M, out=np.zeros_like(distances), where=distances > 0)
    left = np.linalg.norm(_product(A) - _product(B))
    rounding = ROUNDING * np.sqrt(A[0].shape[0]) * norms.prod()  # the difference is rounded relative to the products
    asked = compare("‖A_i‖₂, ‖B_i‖₂ ≤ M_i", norms, "≤", M, ROUNDING)
    return within("‖∏A_i - ∏B_i‖_F ≤ Σα_i ∏M_i", left, "≤", alpha.sum() * M.prod(), rounding, premises=(asked,))


def spectral_norms(net: Network, params: Parameters, delta: float = 0.01) -> Comparison:
    """‖W^(h)‖_2 ≤ c_w0 √m for all layers at once, with probability 1 - δ at the initialisation.

    A Gaussian m × cm matrix violates it with probability exp(-(c_w0 - √c - 1)² m/2) at most, `failure_probability`.
    Shared out over the H layers, that gives c_w0 = √c + 1 + √(2 log(H/δ)/m) here, c the layer's own.

    Parameters
    ----------
    net : Network
    params : Parameters
    delta : float in (0, 1)

    Paper: Lemma G.2.
    """
    require_network(net)
    params = net.check_params(params)
    delta = probability("delta", delta)
    m = net.width
    slack = math.sqrt(2 * math.log(net.depth / delta) / m)
    right = [math.sqrt(m) * (math.sqrt(k / m) + 1 + slack) for k in net.fan_in]
    return compare("‖W^(h)‖₂ ≤ c_w0 √m", [spectral_norm(W) for W in params.W], "≤", right)


def failure_probability(m: int, columns: int, c_w0: float) -> float:
    """exp(-(c_w0 - √c - 1)² m/2), c = columns/m; 1 where c_w0 ≤ √c + 1, and nothing is said. Paper: Lemma G.2."""
    excess = max(c_w0 - math.sqrt(columns / m) - 1, 0.0)
    return math.exp(-(excess**2) * m / 2)


# ------------------------------------------------------------------ Gaussian expectations


def lipschitz_of_mean(activation: Activation, lowest: Array) -> Array:
    """C of Lemma G.3 for variances from `lowest` on: min(β/2, L/√(2π·lowest)); not a number where both are infinite."""
    with np.errstate(divide="ignore"):
        C = np.minimum(activation.smoothness / 2, activation.lipschitz / np.sqrt(2 * np.pi * np.asarray(lowest)))
    return np.where(np.isfinite(C), C, np.nan)


def mean_is_lipschitz(activation: str | Activation, a: Array, b: Array, constant: float | None = None) -> Comparison:
    """|E_{u ~ N(0, a)}[σ(u)] - E_{v ~ N(0, b)}[σ(v)]| ≤ C |a - b|.

    Parameters
    ----------
    activation : str or Activation
    a, b : arrays that broadcast
        Variances ≥ 0.
    constant : float, optional
        C, which the lemma leaves open. By default the derived min(β/2, L/√(2π min(a, b))).

    Paper: Lemma G.3.
    """
    activation = activations.get(activation)
    a, b = np.broadcast_arrays(*(validate.real_array(name, array, np.float64) for name, array in (("a", a), ("b", b))))
    C = lipschitz_of_mean(activation, np.minimum(a, b)) if constant is None else _constant(constant)
    (one, _), (other, _) = gaussian.mean(activation.sigma, a), gaussian.mean(activation.sigma, b)
    rounding = _SERIES * math.sqrt(_largest_moment(activation.sigma, a, b))
    return within("|E_a σ - E_b σ| ≤ C|a - b|", np.abs(one - other), "≤", C * np.abs(a - b), rounding)


def lipschitz_of_product(activation: Activation, highest: Array) -> Array:
    """C of Lemma G.4 for variances up to `highest`, (…, 2): √(s_a² + s_b² + L⁴/2), s the slopes in the variances.

    As ‖A - B‖_F² = Δa² + Δb² + 2Δc². Not a number where L or β is infinite.
    """
    L, beta = activation.lipschitz, activation.smoothness
    if not (math.isfinite(L) and math.isfinite(beta)):
        return np.full(np.shape(highest)[:-1], np.nan)
    at_zero = abs(activation.sigma(np.zeros(1)).item())
    slopes = beta / 2 * (at_zero + L * np.sqrt(2 * np.asarray(highest) / np.pi))
    return np.sqrt((slopes**2).sum(axis=-1) + L**4 / 2)


def product_is_lipschitz(activation: str | Activation, A: Array, B: Array, constant: float | None = None) -> Comparison:
    """|F(A) - F(B)| ≤ C ‖A - B‖_F ≤ 2C ‖A - B‖_∞ for F(A) = E_{(u, v) ~ N(0, A)}[σ(u)σ(v)].

    Parameters
    ----------
    activation : str or Activation
    A, B : (…, 2, 2) arrays
        Covariances.
    constant : float, optional
        C, which the lemma leaves open. By default the derived one, `lipschitz_of_product`.

    Returns
    -------
    Comparison
        (2, …): both inequalities.

    Paper: Lemma G.4.
    """
    activation = activations.get(activation)
    A, B = _covariances("A", A), _covariances("B", B)
    if A.shape != B.shape:
        raise ValueError(f"B must have the shape of A, got shape {B.shape} and {A.shape}")
    one, other = (_expectation(activation.sigma, *_entries(M)) for M in (A, B))
    variances = np.maximum(*(np.diagonal(M, axis1=-2, axis2=-1) for M in (A, B)))
    C = lipschitz_of_product(activation, variances) if constant is None else _constant(constant)
    frobenius = C * np.linalg.norm(A - B, axis=(-2, -1))
    largest = 2 * C * np.abs(A - B).max(axis=(-2, -1))
    left, right = [np.abs(one - other), frobenius], [frobenius, largest]
    rounding = _SERIES * max(_largest_moment(activation.sigma, variances), np.nan_to_num(frobenius).max())
    return within("|F(A) - F(B)| ≤ C‖A - B‖_F ≤ 2C‖A - B‖_∞", left, "≤", right, rounding)


def price(activation: str | Activation, a: Array, b: Array, c: Array) -> Comparison:
    """E[σ(u)σ(v)] - E[σ(u)] E[σ(v)] = ∫_0^c E[σ′(u)σ′(v)] dt, t the covariance: ∂/∂c E[σ(u)σ(v)] = E[σ′(u)σ′(v)].

    Parameters
    ----------
    activation : str or Activation
    a, b, c : arrays that broadcast
        Variances and covariance.

    Paper: Price identity, Lemma G.4 (derived).
    """
    activation = activations.get(activation)
    a, b, c = (validate.real_array(name, array, np.float64) for name, array in zip("abc", (a, b, c), strict=True))
    apart = gaussian.mean(activation.sigma, a)[0] * gaussian.mean(activation.sigma, b)[0]
    together = _expectation(activation.sigma, a, b, c)

    def integrand(s: float) -> NDArray[np.float64]:
        return _expectation(activation.dsigma, a, b, s * c)

    integral, _ = scipy.integrate.quad_vec(integrand, 0, 1, epsabs=_LEFT_OUT, epsrel=_LEFT_OUT)
    rounding = _SERIES * _largest_moment(activation.sigma, a, b)
    return within("∂E[σσ]/∂c = E[σ′σ′]", together - apart, "=", c * integral, rounding)


# ------------------------------------------------------------------ orders of positive semi-definite matrices


def psd_order(A: Array, B: Array) -> Comparison:
    """λ_min(A + B) ≥ λ_min(A), if B is positive semi-definite: why the paper may keep G^(H) alone of ΣG^(h).

    Paper: PSD order, section 4.
    """
    A, B = validate.symmetric_matrix("A", A), validate.symmetric_matrix("B", B)
    whole, part, rest = (np.linalg.eigvalsh(M) for M in (A + B, A, B))
    rounding = ROUNDING * max(abs(part).max(), abs(rest).max())
    is_psd = compare("λ_min(B) ≥ 0", rest[0], "≥", -rounding)
    return within("λ_min(A + B) ≥ λ_min(A)", whole[0], "≥", part[0], rounding, premises=(is_psd,))


def schur_order(A: Array, B: Array) -> Comparison:
    """λ_min(A ∘ B) ≥ λ_min(A) min_i B_ii, if A and B are positive semi-definite: the product is entry by entry.

    A ∘ B = λ I ∘ B + (A - λI) ∘ B with λ = λ_min(A), and the second term is positive semi-definite by Schur.

    Paper: Schur product, Propositions F.1 and F.2.
    """
    A, B = validate.symmetric_matrix("A", A), validate.symmetric_matrix("B", B)
    whole, one, other = (np.linalg.eigvalsh(M) for M in (A * B, A, B))
    rounding = ROUNDING * np.array([abs(one).max(), abs(other).max()])
    are_psd = compare("λ_min(A), λ_min(B) ≥ 0", [one[0], other[0]], "≥", -rounding)
    right, rounding = one[0] * np.diag(B).min(), rounding.prod() / ROUNDING
    return within("λ_min(A∘B) ≥ λ_min(A) min B_ii", whole[0], "≥", right, rounding, premises=(are_psd,))


def within(
    claim: str, left: ArrayLike, relation: str, right: ArrayLike, slack: float, premises: tuple[Comparison, ...] = ()
) -> Comparison:
    """A Comparison whose sides may be off by `slack`, an absolute number and not a share of the sides."""
    largest = max(np.abs(np.nan_to_num(side)).max() for side in (left, right))
    return compare(claim, left, relation, right, float(slack / largest) if largest > 0 else 0.0, premises)


def _expectation(f: activations.Elementwise, a: Array, b: Array, c: Array) -> Array:
    return gaussian.product(f, f, a, b, c, tolerance=_LEFT_OUT)[0]


def _largest_moment(f: activations.Elementwise, *variances: Array) -> float:
    """The largest E[f(u)²], which the errors of expectations are relative to."""
    return max(float(gaussian.second_moment(f, variance)[0].max()) for variance in variances)


def _entries(M: Array) -> tuple[Array, Array, Array]:
    return M[..., 0, 0], M[..., 1, 1], M[..., 0, 1]


def _constant(value: float) -> float:
    return validate.positive_number("constant", value)


def _product(matrices: list[Array]) -> Array:
    return np.linalg.multi_dot(matrices) if len(matrices) > 1 else matrices[0]


def _matrices(name: str, value: Sequence[Array]) -> list[Array]:
    matrices = [validate.real_array(f"{name}[{i}]", M, np.float64) for i, M in enumerate(value)]
    if not matrices or any(M.ndim != 2 for M in matrices):
        raise ValueError(f"{name} must hold at least one matrix, and matrices only")
    if any(M.shape[1] != N.shape[0] for M, N in pairwise(matrices)):
        raise ValueError(f"{name} must hold matrices that can be multiplied, got {[M.shape for M in matrices]}")
    return matrices


def _covariances(name: str, value: Array) -> Array:
    M = validate.real_array(name, value, np.float64)
    if M.shape[-2:] != (2, 2) or not np.array_equal(M[..., 0, 1], M[..., 1, 0]):
        raise ValueError(f"{name} must hold symmetric 2 × 2 matrices, got shape {M.shape}")
    a, b, c = _entries(M)
    if (a < 0).any() or (b < 0).any() or (c * c > a * b * (1 + 1e-9)).any():
        raise ValueError(f"{name} must hold covariances, positive semi-definite")
    return M
