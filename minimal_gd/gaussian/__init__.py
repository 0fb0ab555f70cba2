"""Expectations over Gaussian variables, of any function, with a bound on the error.

`expectation` is SciPy's adaptive quadrature, for one function of a standard variable. The others are vectorised: one
replacement by polynomials for all variances, and for pairs the Hermite series of `minimal_gd.gaussian.hermite`.
"""

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import scipy  # whose parts are loaded when they are first used
from numpy.typing import ArrayLike

from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.gaussian.hermite import Coefficients, coefficients, inverse
from minimal_gd.gaussian.quadrature import ROUNDING, Elementwise

# The standard normal density underflows beyond 38.6, so nothing is left outside [-38, 38]; the inner points
# keep the adaptive rule from stepping over the bulk, and 0 is where a kink may be.
_BREAKS = (-38.0, -8.0, 0.0, 8.0, 38.0)


@validate.quietly
def expectation(f: Callable[[np.ndarray], np.ndarray]) -> float:
    """E[f(z)] for z ~ N(0, 1), by SciPy's adaptive quadrature.

    Parameters
    ----------
    f : callable
        Takes a float64 array of any shape and returns f of each entry; smooth but for a kink at 0.

    Returns
    -------
    float
        The expectation, to about 1e-14 relative to E|f(z)| where f is smooth.

    Raises
    ------
    TypeError
        If f is not callable.
    ValueError
        If the integral does not come out finite.

    Warns
    -----
    scipy.integrate.IntegrationWarning
        If it may be less precise: a piece of the line, cut at 0 and ±8, is given up after 200 intervals.
    """
    if not callable(f):
        raise TypeError(f"f must be a function of an array, got {validate.describe(f)}")

    def integrand(z: float) -> float:
        return float(f(np.array(z))) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    pieces = [
        scipy.integrate.quad(integrand, low, high, epsabs=0, epsrel=1e-13, limit=200, full_output=True)
        for low, high in pairwise(_BREAKS)
    ]
    total = math.fsum(piece[0] for piece in pieces)
    if not math.isfinite(total):
        raise ValueError(f"f must have a finite expectation under N(0, 1), got {total}")
    for piece in pieces:
        if len(piece) > 3:
            warnings.warn(piece[3], scipy.integrate.IntegrationWarning, stacklevel=3)
    return total


@validate.quietly
def mean(f: Elementwise, variance: ArrayLike) -> tuple[Array, Array]:
    """E[f(u)] for u ~ N(0, variance).

    Parameters
    ----------
    f : callable
        Takes a float64 array of any shape and returns f of each entry.
    variance : array ≥ 0

    Returns
    -------
    value, error : arrays of the shape of `variance`
        |value - E[f(u)]| ≤ error, if f does nothing between places 2⁻¹³ standard deviations apart that it does not show
        there, as `minimal_gd.gaussian.piecewise` says.

    Raises
    ------
    TypeError, ValueError
        If f is not callable, or `variance` not finite, real and ≥ 0; ValueError also if f is not finite within 16
        standard deviations, or E[f(u)²] overflows.
    """
    distinct, group = _distinct(_variances("variance", variance))
    series = _coefficients("f", f, distinct, terms=1)
    return series.a[group, 0], series.error[group]


@validate.quietly
def second_moment(f: Elementwise, variance: ArrayLike) -> tuple[Array, Array]:
    """E[f(u)²] for u ~ N(0, variance); arguments, results and errors as for `mean`."""
    distinct, group = _distinct(_variances("variance", variance))
    series = _coefficients("f", f, distinct, terms=1)
    error = 2 * series.error * np.sqrt(series.second_moment) + series.error**2
    return series.second_moment[group], error[group]


@validate.quietly
def product(
    f: Elementwise, g: Elementwise, a: ArrayLike, b: ArrayLike, c: ArrayLike, tolerance: float = 1e-12
) -> tuple[Array, Array]:
    """E[f(u) g(v)] for (u, v) ~ N(0, (a, c; c, b)), by Mehler's formula Σ_k a_k(√a) b_k(√b) ρ^k.

    What K terms leave out is at most |ρ|^K √(Σ_{k≥K} a_k² Σ_{k≥K} b_k²), by Cauchy and Schwarz, and Parseval's
    identity Σ_k a_k² = E[f(u)²] tells those sums.

    Parameters
    ----------
    f, g : callables
        Each takes a float64 array of any shape and returns the function of each entry.
    a, b, c : arrays that broadcast
        Variances ≥ 0, and covariance; |c| > √(ab) is taken for rounding.
    tolerance : float > 0
        What the series may leave out, relative to √(E[f(u)²] E[g(v)²]).

    Returns
    -------
    value, error : arrays of the shape that a, b and c broadcast to
        |value - E[f(u) g(v)]| ≤ error, as for `mean`; larger than asked for where f or g is not smooth.

    Raises
    ------
    TypeError, ValueError
        As `mean`, of f and a, of g and b; and if c is not finite and real, or `tolerance` not finite and positive.
    """
    a, b, c = np.broadcast_arrays(_variances("a", a), _variances("b", b), validate.real_array("c", c, np.float64))
    tolerance = validate.positive_number("tolerance", tolerance)
    rho = np.clip(c * inverse(np.sqrt(a)) * inverse(np.sqrt(b)), -1, 1)
    reach = float(np.max(np.abs(rho)))
    distinct, group = _distinct(np.stack([a, b]))
    first, second = (
        _coefficients(name, function, distinct, tolerance, rho=reach) for name, function in (("f", f), ("g", g))
    )
    terms = max(first.a.shape[1], second.a.shape[1])
    first, second = (
        series if series.a.shape[1] == terms else _coefficients(name, function, distinct, terms=terms, least=terms)
        for name, function, series in (("f", f, first), ("g", g, second))
    )
    i, j = group
    value, steepness = np.zeros(a.shape), np.zeros(a.shape)
    for k in reversed(range(terms)):
        value = value * rho + first.a[i, k] * second.a[j, k]
        steepness = steepness * np.abs(rho) + k * np.abs(first.a[i, k] * second.a[j, k])
    norms = np.sqrt(first.second_moment[i]), np.sqrt(second.second_moment[j])
    missing = np.sqrt(first.tail[i] * second.tail[j]) * np.abs(rho) ** terms
    quadrature = first.error[i] * norms[1] + second.error[j] * norms[0] + first.error[i] * second.error[j]
    rounding = 8 * ROUNDING * (steepness + norms[0] * norms[1])
    return value, missing + quadrature + rounding


def _variances(name: str, value: ArrayLike) -> Array:
    """Return `value` as a finite array ≥ 0 of at least one entry."""
    variance = validate.real_array(name, value, np.float64)
    if variance.size == 0 or variance.min() < 0:
        came = f"shape {variance.shape}" if variance.size == 0 else variance.min()
        raise ValueError(f"{name} must hold at least one variance, and none below 0, got {came}")
    return variance


def _coefficients(name: str, f: Elementwise, variance: Array, tail: float = math.inf, **options: Any) -> Coefficients:
    """Hermite coefficients for every variance, with a finite second moment; without a `tail`, just the first ones."""
    if not callable(f):
        raise TypeError(f"{name} must be a function of an array, got {validate.describe(f)}")
    s = np.sqrt(variance)
    series = coefficients(f, s, tail, **options)
    validate.finite_result(series.second_moment, "second moments", f"{name} and its variances")
    return series


def _distinct(variance: Array) -> tuple[Array, Array]:
    """The distinct variances, and for every entry the place of its own among them."""
    distinct, group = np.unique(variance, return_inverse=True)
    return distinct, group.reshape(variance.shape)
