"""Quadrature for E[f(sz) h_k(z)], z ~ N(0, 1): the trapezoid rule where f is analytic near the real axis, and Gauss's.

The h_k are the normalised Hermite polynomials. Beyond ±14 the root of the normal density is below 1e-21: nothing that
grows like a polynomial is left outside.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.compiling import contracted_kernel

Elementwise = Callable[[NDArray], NDArray]
ROUNDING = 2.0**-53
REACH = 14.0
_FEWEST_NODES = 128
# A rule keeps its Hermite polynomials if they are this few numbers.
_KEPT = 2**16
# The trapezoid rule serves standard deviations up to this many times the strip's width: 4096 nodes.
_WIDEST = 8.0
_LANES = 16


class Expansion(NamedTuple):
    """Hermite coefficients a_k(s) = E[f(sz) h_k(z)], k < K, for g standard deviations.

    Attributes
    ----------
    a : (g, K) array
    second_moment : (g,) array
        E[f(sz)²] = Σ_k a_k(s)², over all k.
    error : (g,) array
        A bound on the Euclidean norm of the error of a row of `a`, and on that of √second_moment.
    rest : (g, K) array, optional
        A bound on Σ_{j > k} a_j(s)² for every k, of f without the jumps that are accounted for elsewhere. Not given, f
        is whole, and Parseval's sum tells it.
    """

    a: NDArray
    second_moment: NDArray
    error: NDArray
    rest: NDArray | None = None


Expand = Callable[[NDArray, int], Expansion]  # (s, K) -> the first K coefficients for every s


class Rule:
    """Nodes and weights for E[f(z)], and the Hermite polynomials at the nodes.

    Attributes
    ----------
    x, weights : (nodes,) arrays
    """

    def __init__(self, x: NDArray, weights: NDArray) -> None:
        self.x, self.weights = x, weights
        self._basis = np.empty((0, len(x)))

    def basis(self, terms: int) -> NDArray:
        """weights · h_k(x), k < terms, (nodes, terms)."""
        if len(self._basis) >= terms:
            return self._basis[:terms].T
        basis = hermite(self.x, self.weights, terms)
        if basis.size <= _KEPT:
            self._basis = basis
        return basis.T


def hermite(x: NDArray, weights: NDArray, count: int) -> NDArray:
    """weights · h_k(x) for k < count, by h_{k+1} = (x h_k - √k h_{k-1}) / √(k+1).

    Returns
    -------
    (count, len(x)) array
    """
    h = np.empty((count, len(x)))
    h[0] = weights
    if count > 1:
        h[1] = x * weights
    for k in range(1, count - 1):
        np.multiply(x, h[k], out=h[k + 1])
        h[k + 1] -= math.sqrt(k) * h[k - 1]
        h[k + 1] /= math.sqrt(k + 1)
    return h


def hermite_sums(x: NDArray, weights: NDArray, f: NDArray, s: NDArray, terms: int) -> NDArray:
    """Σ_i weights_i f_i φ(x_i/s)/s h_k(x_i/s), k < terms, for every s, each with polynomials of its own.

    Parameters
    ----------
    x, weights, f : (nodes,) arrays, a multiple of 16
    s : (g,) array > 0

    Returns
    -------
    (g, terms) array
    """
    k = np.maximum(np.arange(terms), 1)
    sums = np.zeros((len(s), terms, _LANES))
    with np.errstate(under="ignore"):
        for row, deviation in enumerate(s):
            z = x / deviation
            _add_hermite(z, density(z) * (weights / deviation) * f, 1 / np.sqrt(k), np.sqrt((k - 1) / k), sums[row])
    return sums.sum(axis=2)


@contracted_kernel
def _add_hermite(z: NDArray, f: NDArray, up: NDArray, down: NDArray, sums: NDArray) -> None:
    """Add f h_k(z) to sums[k], (K, 16), a lane for every 16th node; h_k = z up_k h_{k-1} - down_k h_{k-2}."""
    h, before = np.empty(16), np.empty(16)
    for start in range(0, len(z), 16):
        x = z[start : start + 16]
        for lane in range(16):
            h[lane], before[lane] = f[start + lane], 0.0
            sums[0, lane] += h[lane]
        for k in range(1, len(sums)):
            for lane in range(16):
                value = x[lane] * h[lane] * up[k] - down[k] * before[lane]
                before[lane] = h[lane]
                h[lane] = value
                sums[k, lane] += value


def density(z: NDArray) -> NDArray:
    """φ(z), the standard normal density."""
    return np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def trapezoid(count: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights of the trapezoid rule for E[f(z)], z ~ N(0, 1); `count` is even.

    The step is 2L/(count - 1) exactly: the difference of two nodes would carry their rounding.
    """
    step = 2 * REACH / (count - 1)
    x = (np.arange(count) - (count - 1) / 2) * step
    return x, step * density(x)


@cache
def trapezoids(nodes: int) -> Rule:
    """Return the trapezoid rule, and keep it."""
    return Rule(*trapezoid(nodes))


def nodes_for(terms: int) -> int:
    """Return a power of 2 of nodes that resolves the last Hermite polynomial, which oscillates √terms times a unit."""
    return 2 ** math.ceil(math.log2(max(_FEWEST_NODES, 32 * math.sqrt(terms))))


def suits_trapezoids(strip: float, s: NDArray) -> bool:
    """Whether a strip is wide enough for these standard deviations."""
    return bool(np.max(s) <= _WIDEST * strip)


class Trapezoids:
    """The coefficients of f(s·) by the trapezoid rule, for an f that is analytic in the strip.

    In half of the strip |f(z)| ≤ 2(1 + |z|)². With F analytic and integrable for |Im z| ≤ d, the rule of step τ errs by
    at most 2N/(e^(2πd/τ) - 1), where N bounds ∫|F| along Im z = ±d (Trefethen and Weideman, SIAM Review 56, 2014,
    Theorem 5.1). Here F(z) = f(sz) h_k(z) φ(z) and
    sd ≤ strip/2: |φ(x + id)| = φ(x) e^(d²/2), E|h_k(z + id)|² = Σ_i C(k, i) d^(2i)/i! ≤ e^(2d√k), so that by Cauchy and
    Schwarz N ≤ 40 (1 + s²) e^(d²/2 + d√k); and N ≤ 2000 (1 + s⁴) e^(d²/2) for f² and k = 0. What is outside of ±14 is
    below 2e-22 (1 + 14s)² by Cramér's |h_k(x)| ≤ 1.09 e^(x²/4).
    """

    def __init__(self, f: Elementwise, strip: float) -> None:
        self._f, self._strip = f, strip

    def __call__(self, s: NDArray, terms: int) -> Expansion:
        """The first coefficients for every s, and their error."""
        largest = float(np.max(s))
        nodes = nodes_for(terms)
        while self._error(largest, terms, nodes) > 8 * ROUNDING:
            nodes *= 2
        rule = trapezoids(nodes)
        f_x = finite(self._f, s[:, None] * rule.x)
        second_moment = np.square(f_x) @ rule.weights
        # The rule is orthonormal on the h_k, or less, so rounded values of f move the coefficients by their own norm.
        outside = math.sqrt(terms) * 2e-22 * (1 + 14 * s) ** 2
        error = self._error(largest, terms, nodes) + outside + 8 * ROUNDING * np.sqrt(second_moment)
        return Expansion(f_x @ rule.basis(terms), second_moment, error)

    def _error(self, s: float, terms: int, nodes: int) -> float:
        """A bound on the error of an infinite sum, in a row of coefficients and in the root of the second moment."""
        rate = 2 * math.pi * (nodes - 1) / (2 * REACH)  # 2π/τ

        def decay(degree: int) -> float:
            steepest = max(rate - math.sqrt(degree), 0)
            d = min(self._strip / (2 * s), steepest) if s > 0 else steepest
            return math.exp(d * d / 2 - d * steepest)

        return math.sqrt(terms) * 100 * (1 + s * s) * decay(terms) + 5000 * (1 + s**4) * decay(0)


def remainder(a: NDArray, second_moment: NDArray) -> NDArray:
    """Σ_{j > k} a_j² for every k, by Parseval, with the rounding of the sum on top."""
    total = second_moment[:, None]
    return np.maximum(total - np.cumsum(a * a, axis=1), 0) + 8 * ROUNDING * total


def finite(f: Elementwise, points: NDArray) -> NDArray:
    """f(points), in float64.

    Raises
    ------
    ValueError
        If it is not finite somewhere: the value and the place are named.
    """
    with np.errstate(all="ignore"):
        result = np.asarray(f(points), dtype=np.float64)
    is_finite = np.isfinite(result)
    if not is_finite.all():
        raise ValueError(
            f"an activation must be finite wherever it is integrated, got {result[~is_finite][0]} at "
            f"{points[~is_finite][0]:.6g}"
        )
    return result
