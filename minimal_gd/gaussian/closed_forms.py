"""E[σ(u)σ(v)], E[σ′(u)σ′(v)] and E[σ(u)] in closed form, for the activations that have one.

Throughout, (u, v) ~ N(0, (a, c; c, b)), and every formula is derived in its docstring. Two tools do it. Price: for
differentiable f, g, ∂/∂c E[f(u) g(v)] = E[f′(u) g′(v)]. Stein: E[u F(u, v)] = a E[∂F/∂u] + c E[∂F/∂v].

Where the determinant ab - c² enters, it does so under a root or beside a positive number, and angles are arctangents of
a quotient: arccos of a number near 1 would lose half of the digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from minimal_gd.gaussian import compiled as angles


@dataclass(frozen=True)
class ClosedForm:
    """The expectations of one activation.

    `products` takes variances a (q, r, 1) and b (q, 1, c), covariances c (q, r, c), ab ≥ c² up to rounding, and two
    arrays as large as c to write into; the others take variances of any shape.

    Attributes
    ----------
    mean : callable
        a -> E[σ(u)].
    products : callable
        (a, b, c, product, slope) -> None: writes E[σ(u)σ(v)] and E[σ′(u)σ′(v)].
    radial : callable
        a -> E[u²σ′(u)²], or more.
    curvature, radial_curvature : callable, optional
        a -> E[σ″(u)²] and E[u²σ″(u)²], or more. Not there if σ′ jumps.
    slope_modulus : callable, optional
        Then, (η, ρ) -> how far E[σ′(u)σ′(v)] / (E[σ′(u)²] E[σ′(v)²])^½ moves at most when the correlation, within
        [-ρ, ρ], moves by η; and σ′ is homogeneous of degree 0.

    The last four tell how errors in a, b and c spread; see `minimal_gd.limits.moments`.
    """

    mean: Callable[[NDArray], NDArray]
    products: Callable[[NDArray, NDArray, NDArray, NDArray, NDArray], None]
    radial: Callable[[NDArray], NDArray]
    curvature: Callable[[NDArray], NDArray] | None = None
    radial_curvature: Callable[[NDArray], NDArray] | None = None
    slope_modulus: Callable[[float, float], float] = lambda eta, rho: math.inf

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle and copy those of this file by their names, so that they stay the same objects."""
        names = (name for name, value in globals().items() if value is self)
        return next(names, None) or super().__reduce_ex__(protocol)


def determinant(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """ab - c² ≥ 0."""
    return np.maximum(a * b - c * c, 0)


def relu_mean(a: NDArray) -> NDArray:
    """E[max(u, 0)] = √(a/2π): half of E|u|."""
    return np.sqrt(a / (2 * math.pi))


def relu_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """(√(ab - c²) + (π - θ) c)/2π and P(u ≥ 0, v ≥ 0) = (π - θ)/2π, with cos θ = c/√(ab).

    The second: u and v are ⟨w, x⟩ and ⟨w, x′⟩ at the angle θ, and w ≥ both half planes. With u ≡ 0, relu′(u) = 1 by
    convention: P(v ≥ 0) = ½ for one such variable, and 1 for two.

    The first: by Price its derivative in c is the second; indeed ∂√(ab - c²)/∂c = -c/√(ab - c²) and ∂θ/∂c =
    -1/√(ab - c²), so that the other two terms cancel; and it vanishes at c = -√(ab), θ = π, as it must.
    """
    angles.relu_products(a, b, c, product, slope)
    if not (a.all() and b.all()):
        zeros = (a == 0).astype(int) + (b == 0)
        np.copyto(slope, zeros / 2, where=zeros > 0)  # there is no angle


def relu_slope_modulus(eta: float, rho: float) -> float:
    """(arccos(ρ - η) - arccos(ρ + η))/π: arccos is steepest at ±1, where this becomes 2√η/π."""
    end = min(rho + eta, 1.0)
    return (math.acos(max(end - 2 * eta, -1.0)) - math.acos(end)) / math.pi


def leaky_relu(slope: float) -> ClosedForm:
    """The expectations of σ(z) = z where z ≥ 0, else αz, with α the `slope`; so |z| is α = -1."""
    return ClosedForm(
        mean=partial(_leaky_mean, slope),
        products=partial(_leaky_products, slope),
        radial=partial(_leaky_radial, slope),
        slope_modulus=partial(_leaky_slope_modulus, slope),
    )


def _leaky_mean(slope: float, a: NDArray) -> NDArray:
    """(1 - α) E[relu(u)], as E[u] = 0."""
    return (1 - slope) * relu_mean(a)


def _leaky_products(slope: float, a: NDArray, b: NDArray, c: NDArray, product: NDArray, derivative: NDArray) -> None:
    """αc + (1 - α)² E[relu(u) relu(v)] and α² + α(1 - α)(P(u ≥ 0) + P(v ≥ 0)) + (1 - α)² P(u ≥ 0, v ≥ 0).

    For σ = αz + (1 - α) relu(z) and, by Stein, E[u relu(v)] = c/2.
    """
    jump = 1 - slope
    relu_products(a, b, c, product, derivative)
    product *= jump * jump
    product += slope * c
    derivative *= jump * jump
    derivative += slope * slope + slope * jump * (np.where(a > 0, 0.5, 1) + np.where(b > 0, 0.5, 1))


def _leaky_radial(slope: float, a: NDArray) -> NDArray:
    """(1 + α²) a/2: uσ′(u) = σ(u)."""
    return (1 + slope * slope) / 2 * a


def _leaky_slope_modulus(slope: float, eta: float, rho: float) -> float:
    """That of ReLU, times (1 - α)²/(1 + α²): E[σ′(u)²] is (1 + α²)/2."""
    return (1 - slope) ** 2 / (1 + slope * slope) * relu_slope_modulus(eta, rho)


def erf_mean(a: NDArray) -> NDArray:
    """0: erf is odd."""
    return np.zeros_like(a)


def erf_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """(2/π) arcsin(2c/√((1 + 2a)(1 + 2b))) and (4/π)((1 + 2a)(1 + 2b) - 4c²)^(-½).

    The second is (4/π) E[e^(-u² - v²)] = (4/π) det(I + 2Σ)^(-½); the first vanishes at c = 0, and by Price its
    derivative is the second.
    """
    angles.erf_products(a, b, c, product, slope)


def erf_radial(a: NDArray) -> NDArray:
    """(4/π) a (1 + 4a)^(-3/2): e^(-2u²) turns N(0, a) into N(0, a/(1 + 4a)), at the cost of (1 + 4a)^(-½)."""
    return 4 / math.pi * a * (1 + 4 * a) ** -1.5


def erf_curvature(a: NDArray) -> NDArray:
    """(16/π) a (1 + 4a)^(-3/2): σ″(z) = -2zσ′(z)."""
    return 4 * erf_radial(a)


def erf_radial_curvature(a: NDArray) -> NDArray:
    """(48/π) a² (1 + 4a)^(-5/2): E[u⁴σ′(u)²] times 4."""
    return 48 / math.pi * a * a * (1 + 4 * a) ** -2.5


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


def gelu_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """c E[ΦΦ] + E[Φ′Φ′] (abΔ + c²)/((1 + a)(1 + b)) and E[ΦΦ] + c E[Φ′Φ′] (1/(1 + a) + 1/(1 + b) + 1/Δ).

    The first, by Stein in u, then in v: E[uv Φ(u)Φ(v)] = a E[v Φ′(u)Φ(v)] + c E[Φ(u)Φ(v)] + c E[Φ(u) v Φ′(v)]. As
    Φ″(z) = -zΦ′(z), Stein also gives E[u Φ′(u)Φ(v)] = c E[Φ′Φ′]/(1 + a), its mirror image E[Φ(u) v Φ′(v)] =
    c E[Φ′Φ′]/(1 + b), and E[v Φ′(u)Φ(v)] = (b - c²/(1 + a)) E[Φ′Φ′]. Their sum, ab - abc²/((1 + a)(1 + b)) + …, is
    written so that nothing cancels.

    The second, for σ′(z) = Φ(z) + zΦ′(z): the mixed terms are those of the first. Φ′(u)Φ′(v) turns N(0, Σ) into
    N(0, (Σ⁻¹ + I)⁻¹), whose covariance is c/Δ, so E[uv Φ′(u)Φ′(v)] = E[Φ′Φ′] c/Δ.
    """
    quadrant, density, delta = _normal_pair(a, b, c)
    one_a, one_b = 1 / (1 + a), 1 / (1 + b)
    product[...] = c * quadrant + density * ((a * one_a) * (b * one_b) * delta + (c * one_a) * (c * one_b))
    slope[...] = quadrant + c * density * (one_a + one_b + 1 / delta)


def gelu_radial(a: NDArray) -> NDArray:
    """(√E[σ(u)²] + √E[u⁴Φ′(u)²])² ≥ E[u²σ′(u)²], by the triangle inequality for uσ′(u) = σ(u) + u²Φ′(u)."""
    w, density = a / (1 + 2 * a), 1 / (2 * math.pi * np.sqrt(1 + 2 * a))  # Φ′(u)² turns N(0, a) into N(0, w)
    square, slope = np.empty_like(a), np.empty_like(a)
    gelu_products(a, a, a, square, slope)
    return (np.sqrt(square) + np.sqrt(3 * density) * w) ** 2


def gelu_curvature(a: NDArray) -> NDArray:
    """E[(2 - u²)²Φ′(u)²], for σ″(z) = (2 - z²)Φ′(z)."""
    w, density = a / (1 + 2 * a), 1 / (2 * math.pi * np.sqrt(1 + 2 * a))
    return density * (4 - 4 * w + 3 * w * w)


def gelu_radial_curvature(a: NDArray) -> NDArray:
    """E[u²(2 - u²)²Φ′(u)²]."""
    w, density = a / (1 + 2 * a), 1 / (2 * math.pi * np.sqrt(1 + 2 * a))
    return density * w * (4 - 12 * w + 15 * w * w)


def sincos_mean(a: NDArray) -> NDArray:
    """E[sin u + cos u] = e^(-a/2)."""
    return np.exp(-a / 2)


def sincos_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """e^(-(a + b - 2c)/2), both: σ(u)σ(v) = cos(u - v) + sin(u + v), and σ′(u)σ′(v) = cos(u - v) - sin(u + v)."""
    np.exp(np.minimum(c - (a + b) / 2, 0), out=product)
    slope[...] = product


def identity_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """E[uv] = c, and 1."""
    product[...] = c
    slope[...] = 1


def square_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """E[u²v²] = ab + 2c² and E[2u · 2v] = 4c."""
    product[...] = a * b + 2 * c * c
    slope[...] = 4 * c


RELU = ClosedForm(
    relu_mean,
    relu_products,
    radial=lambda a: a / 2,  # uσ′(u) = σ(u)
    slope_modulus=relu_slope_modulus,
)
ERF = ClosedForm(erf_mean, erf_products, erf_radial, erf_curvature, erf_radial_curvature)
GELU = ClosedForm(gelu_mean, gelu_products, gelu_radial, gelu_curvature, gelu_radial_curvature)
SINCOS = ClosedForm(
    sincos_mean,
    sincos_products,
    radial=np.copy,  # u²σ′(u)² = u²(1 - sin 2u), and the sine is odd
    curvature=np.ones_like,
    radial_curvature=np.copy,
)
IDENTITY = ClosedForm(
    np.zeros_like, identity_products, radial=np.copy, curvature=np.zeros_like, radial_curvature=np.zeros_like
)
SQUARE = ClosedForm(
    np.copy,
    square_products,
    radial=lambda a: 12 * a * a,
    curvature=lambda a: np.full_like(a, 4),
    radial_curvature=lambda a: 4 * a,
)
