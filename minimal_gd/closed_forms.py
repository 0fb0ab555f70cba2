"""E[σ(u)σ(v)], E[σ′(u)σ′(v)] and E[σ(u)] in closed form, for the activations that have one.

Throughout, (u, v) ~ N(0, (a, c; c, b)), and every formula is derived in its docstring. Two tools do it. Price: for
differentiable f, g, ∂/∂c E[f(u) g(v)] = E[f′(u) g′(v)]. Stein: E[u F(u, v)] = a E[∂F/∂u] + c E[∂F/∂v].

Where the determinant ab - c² enters, it does so under a root or beside a positive number, and angles come from atan2:
arccos of a number near 1 would lose half of the digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClosedForm:
    """The expectations of one activation.

    Attributes
    ----------
    mean : callable
        a -> E[σ(u)].
    product, slope_product : callable
        (a, b, c) -> E[σ(u)σ(v)] and E[σ′(u)σ′(v)], for arrays that broadcast, ab ≥ c² up to rounding.
    degree : float, optional
        If σ(λz) = λ^degree σ(z) for λ > 0; then σ′ is as homogeneous, and zσ′(z) = degree · σ(z).
    slope_modulus : callable, optional
        (η, ρ) -> how far E[σ′(u)σ′(v)] / (E[σ′(u)²] E[σ′(v)²])^½ moves at most when the correlation, within [-ρ, ρ],
        moves by η. Needed where σ″ is not bounded.
    """

    mean: Callable[[NDArray], NDArray]
    product: Callable[[NDArray, NDArray, NDArray], NDArray]
    slope_product: Callable[[NDArray, NDArray, NDArray], NDArray]
    degree: float | None = None
    slope_modulus: Callable[[float, float], float] | None = None


def determinant(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """ab - c² ≥ 0."""
    return np.maximum(a * b - c * c, 0)


def relu_mean(a: NDArray) -> NDArray:
    """E[max(u, 0)] = √(a/2π): half of E|u|."""
    return np.sqrt(a / (2 * math.pi))


def relu_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """(√(ab - c²) + (π - θ) c)/2π, with cos θ = c/√(ab).

    By Price its derivative in c is the product of the slopes, (π - θ)/2π: indeed ∂√(ab - c²)/∂c = -c/√(ab - c²) and
    ∂θ/∂c = -1/√(ab - c²), so that the other two terms cancel; and it vanishes at c = -√(ab), θ = π, as it must.
    """
    root = np.sqrt(determinant(a, b, c))
    return (root + (math.pi - np.arctan2(root, c + 0.0)) * c) / (2 * math.pi)


def relu_slope_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """P(u ≥ 0, v ≥ 0) = (π - θ)/2π: u and v are ⟨w, x⟩ and ⟨w, x′⟩ at the angle θ, and w ≥ both half planes.

    With u ≡ 0, relu′(u) = 1 by convention: P(v ≥ 0) = ½ for one such variable, where atan2(0, 0) = 0 gives it, and
    1 for two.
    """
    angle = np.arctan2(np.sqrt(determinant(a, b, c)), c + 0.0)  # -0.0 would turn the angle into π
    return np.where((a == 0) & (b == 0), 1.0, (math.pi - angle) / (2 * math.pi))


def relu_slope_modulus(eta: float, rho: float) -> float:
    """|arccos(ρ) - arccos(ρ ± η)|/π: arccos is steepest at ±1, where this becomes √(2η)/π."""
    end = min(rho + eta, 1.0)
    return (math.acos(max(end - 2 * eta, -1.0)) - math.acos(end)) / math.pi


def erf_mean(a: NDArray) -> NDArray:
    """0: erf is odd."""
    return np.zeros_like(a)


def erf_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """(2/π) arcsin(2c/√((1 + 2a)(1 + 2b))): zero at c = 0, and by Price its derivative is the product of the slopes."""
    return 2 / math.pi * np.arctan2(2 * c, np.sqrt(1 + 2 * a + 2 * b + 4 * determinant(a, b, c)))


def erf_slope_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """(4/π)((1 + 2a)(1 + 2b) - 4c²)^(-½): (4/π) E[e^(-u² - v²)] = (4/π) det(I + 2Σ)^(-½)."""
    return 4 / math.pi / np.sqrt(1 + 2 * a + 2 * b + 4 * determinant(a, b, c))


def gelu_mean(a: NDArray) -> NDArray:
    """E[uΦ(u)] = a E[Φ′(u)] = a/√(2π(1 + a)), by Stein."""
    return a / np.sqrt(2 * math.pi * (1 + a))


def _normal_pair(a: NDArray, b: NDArray, c: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """E[Φ(u)Φ(v)], E[Φ′(u)Φ′(v)] and Δ = (1 + a)(1 + b) - c².

    E[Φ(u)Φ(v)] = P(Z ≤ u, Z′ ≤ v) = ¼ + arcsin(c/√((1 + a)(1 + b)))/2π, the probability of a quadrant for two
    variables of variances 1 + a and 1 + b; its derivative in c, by Price, is the second, 1/(2π√Δ).
    """
    delta = 1 + a + b + determinant(a, b, c)
    root = np.sqrt(delta)
    return 0.25 + np.arctan2(c, root) / (2 * math.pi), 1 / (2 * math.pi * root), delta


def gelu_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """c E[ΦΦ] + E[Φ′Φ′] (ab + c²(1 - ab)/((1 + a)(1 + b))).

    Stein in u, then in v: E[uv Φ(u)Φ(v)] = a E[v Φ′(u)Φ(v)] + c E[Φ(u)Φ(v)] + c E[Φ(u) v Φ′(v)]. As Φ″(z) = -zΦ′(z),
    Stein also gives E[u Φ′(u)Φ(v)] = c E[Φ′Φ′]/(1 + a), its mirror image E[Φ(u) v Φ′(v)] = c E[Φ′Φ′]/(1 + b), and
    E[v Φ′(u)Φ(v)] = (b - c²/(1 + a)) E[Φ′Φ′].
    """
    quadrant, density, _ = _normal_pair(a, b, c)
    return c * quadrant + density * (a * b + c * c * (1 - a * b) / ((1 + a) * (1 + b)))


def gelu_slope_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """E[ΦΦ] + c E[Φ′Φ′] (1/(1 + a) + 1/(1 + b) + 1/Δ), for σ′(z) = Φ(z) + zΦ′(z).

    The mixed terms are those of `gelu_product`. Φ′(u)Φ′(v) turns N(0, Σ) into N(0, (Σ⁻¹ + I)⁻¹), whose covariance is
    c/Δ, so E[uv Φ′(u)Φ′(v)] = E[Φ′Φ′] c/Δ.
    """
    quadrant, density, delta = _normal_pair(a, b, c)
    return quadrant + c * density * (1 / (1 + a) + 1 / (1 + b) + 1 / delta)


def sincos_mean(a: NDArray) -> NDArray:
    """E[sin u + cos u] = e^(-a/2)."""
    return np.exp(-a / 2)


def sincos_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """e^(-(a + b - 2c)/2): σ(u)σ(v) = cos(u - v) + sin(u + v), and σ′(u)σ′(v) = cos(u - v) - sin(u + v)."""
    return np.exp(np.minimum(c - (a + b) / 2, 0))


def identity_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """E[uv] = c."""
    return c + 0 * (a + b)


def square_product(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """E[u²v²] = ab + 2c²."""
    return a * b + 2 * c * c


RELU = ClosedForm(relu_mean, relu_product, relu_slope_product, degree=1, slope_modulus=relu_slope_modulus)
ERF = ClosedForm(erf_mean, erf_product, erf_slope_product)
GELU = ClosedForm(gelu_mean, gelu_product, gelu_slope_product)
SINCOS = ClosedForm(sincos_mean, sincos_product, sincos_product)
IDENTITY = ClosedForm(
    np.zeros_like, identity_product, lambda a, b, c: np.ones(np.broadcast_shapes(a.shape, b.shape, c.shape)), degree=1
)
SQUARE = ClosedForm(np.copy, square_product, lambda a, b, c: 4 * c + 0 * (a + b), degree=2)
