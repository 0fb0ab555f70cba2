"""s σ(z) and s σ′(z) in one pass over the memory: compiled forms of some pairs of `minimal_gd.activations.functions`.

NumPy goes over an array, and fills a new one, for every operation; a compiled loop goes once, but then waits for a
scalar exponential. Here exponential and logarithm are polynomials, which the compiler evaluates for as many entries at
a time as the machine has lanes. `benchmarks/activations.py` measures what each of them gains, four times for softplus.

    e^x = 2^k (1 + μ(r)),     k = round(x / log 2),  |r| ≤ ½ log 2,  μ(r) = e^r - 1 = r + r²/2! + r³/3! + …
    log(1 + e) = 2 artanh(t),  t = e/(2 + e),  artanh(t) = t + t³/3 + t⁵/5 + …

For e > √2 - 1 the second is log 2 + log((1 + e)/2), so that |t| ≤ 0.172. Taylor's polynomials are cut where what they
leave out is below the rounding.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from minimal_gd._runtime.arrays import Array
from minimal_gd._runtime.compiling import contracted_kernel
from minimal_gd.activations import functions as sigmas


class _Constants(NamedTuple):
    """The numbers of the formulas above, in one floating-point format."""

    zero: float
    half: float
    one: float
    two: float
    three: float
    four: float
    smallest: float  # e^x is 0 below
    rounder: float  # a sum with it has no room for a fraction
    log_2: float
    per_log_2: float
    log_2_high: float  # k times this is exact
    log_2_low: float  # the rest of log 2
    turn: float  # √2 - 1
    exponential: tuple  # 1/k!, k = 1, 2, …
    logarithm: tuple  # 2/(2k + 1), k = 0, 1, …


def _constants(real: type, mantissa: int, smallest: float, high_bits: int, terms: tuple[int, int]) -> _Constants:
    high = math.floor(math.log(2) * 2**high_bits) / 2**high_bits
    numbers = (0, 0.5, 1, 2, 3, 4, smallest, 1.5 * 2**mantissa, math.log(2), 1 / math.log(2))
    rest = (high, float(Decimal(2).ln() - Decimal(high)), math.sqrt(2) - 1)
    exponential = tuple(real(1 / math.factorial(k)) for k in range(1, terms[0] + 1))
    logarithm = tuple(real(2 / (2 * k + 1)) for k in range(terms[1]))
    return _Constants._make((*map(real, numbers + rest), exponential, logarithm))


_DOUBLE = _constants(np.float64, mantissa=52, smallest=-745.2, high_bits=32, terms=(13, 11))
_SINGLE = _constants(np.float32, mantissa=23, smallest=-103.98, high_bits=14, terms=(7, 5))


def _constants_of(x: float) -> _Constants:
    """Return the constants in the format of x; compiled, in the one of its type."""
    return _SINGLE if isinstance(x, np.float32) else _DOUBLE


@overload(_constants_of)
def _compile_constants_of(x):  # type: ignore[no-untyped-def]  # numba wants the lambda's very signature
    constants = _SINGLE if x == types.float32 else _DOUBLE
    return lambda x: constants


def _power_of_two(k: float) -> float:
    """2^k, for a whole number k of a normal 2^k; compiled, by writing k into the exponent's bits."""
    return type(k)(2) ** k


@overload(_power_of_two)
def _compile_power_of_two(k):  # type: ignore[no-untyped-def]  # as above
    if k == types.float32:
        return lambda k: np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    return lambda k: np.int64((np.int64(k) + 1023) << 52).view(np.float64)


@contracted_kernel
def _polynomial(x: float, coefficients: tuple) -> float:
    """Σ_k c_k x^k, by Horner's rule."""
    value = coefficients[len(coefficients) - 1]
    for k in range(len(coefficients) - 2, -1, -1):
        value = value * x + coefficients[k]
    return value


@contracted_kernel
def _exponential_parts(x: float) -> tuple[float, float, float]:
    """2^i, 2^j and μ with e^x = 2^i 2^j (1 + μ), for x ≤ 0: 2^(i + j) may be below all normal numbers."""
    c = _constants_of(x)
    x = max(x, c.smallest)
    k = (x * c.per_log_2 + c.rounder) - c.rounder
    r = x - k * c.log_2_high - k * c.log_2_low
    i = (k * c.half + c.rounder) - c.rounder
    return _power_of_two(i), _power_of_two(k - i), r * _polynomial(r, c.exponential)


@contracted_kernel
def _decay(z: float) -> float:
    """e^(-|z|)."""
    high, low, mu = _exponential_parts(-abs(z))
    return (_constants_of(z).one + mu) * high * low


@contracted_kernel
def _shares(whole: float, x: float, e: float) -> tuple[float, float]:
    """Parts of `whole`: p = 1 / (1 + e^(-x)) of it and the other 1 - p, from e = e^(-|x|)."""
    c = _constants_of(x)
    larger = whole / (c.one + e)
    smaller = larger * e
    return (larger, smaller) if x >= c.zero else (smaller, larger)


@contracted_kernel
def _log_of_one_and(e: float) -> float:
    """log(1 + e), for 0 ≤ e ≤ 1."""
    c = _constants_of(e)
    is_large = e > c.turn
    t = (e - c.one) / (e + c.three) if is_large else e / (e + c.two)
    return t * _polynomial(t * t, c.logarithm) + (c.log_2 if is_large else c.zero)


@contracted_kernel
def softplus(z: Array, slope: Array, scale: float) -> None:
    """Turn z into s log(1 + e^z), and fill `slope` with s / (1 + e^(-z))."""
    c = _constants_of(scale)
    for i in range(len(z)):
        x = z[i]
        e = _decay(x)
        slope[i], _ = _shares(scale, x, e)
        z[i] = scale * (c.half * x + c.half * abs(x) + _log_of_one_and(e))


@contracted_kernel
def sigmoid(z: Array, slope: Array, scale: float) -> None:
    """Turn z into s p, p = 1 / (1 + e^(-z)), and fill `slope` with s p (1 - p)."""
    c = _constants_of(scale)
    for i in range(len(z)):
        x = z[i]
        p, q = _shares(c.one, x, _decay(x))
        slope[i] = scale * (p * q)
        z[i] = scale * p


@contracted_kernel
def silu(z: Array, slope: Array, scale: float) -> None:
    """Turn z into s z p, p = 1 / (1 + e^(-z)), and fill `slope` with s p (1 + z (1 - p))."""
    c = _constants_of(scale)
    for i in range(len(z)):
        x = z[i]
        p, q = _shares(c.one, x, _decay(x))
        slope[i] = scale * (p * (c.one + x * q))
        z[i] = scale * (x * p)


@contracted_kernel
def tanh(z: Array, slope: Array, scale: float) -> None:
    """Turn z into s tanh z, and fill `slope` with s / cosh(z)².

    With E = e^(-2|z|) - 1 = (2^k - 1) + 2^k μ, where nothing cancels: tanh |z| = -E/(2 + E), and 1/cosh(z)² =
    4 (1 + E) / (2 + E)².
    """
    c = _constants_of(scale)
    for i in range(len(z)):
        x = z[i]
        high, low, mu = _exponential_parts(-c.two * abs(x))
        E = (high * low - c.one) + high * low * mu
        share = c.one / (c.two + E)
        slope[i] = scale * (c.four * ((c.one + mu) * high * low) * share * share)
        z[i] = scale * math.copysign(E * share, x)


@contracted_kernel
def relu(z: Array, slope: Array, scale: float) -> None:
    """Turn z into s max(z, 0), and fill `slope` with s where z ≥ 0, else 0."""
    c = _constants_of(scale)
    for i in range(len(z)):
        x = z[i]
        slope[i] = scale if x >= c.zero else c.zero
        z[i] = scale * (c.half * x + c.half * abs(x))


# (σ, σ′) → their compiled form.
_COMPILED: dict[tuple[Callable, Callable], Callable[[Array, Array, float], None]] = {
    (sigmas.softplus, sigmas.softplus_slope): softplus,
    (sigmas.sigmoid, sigmas.sigmoid_slope): sigmoid,
    (sigmas.silu, sigmas.silu_slope): silu,
    (np.tanh, sigmas.tanh_slope): tanh,
    (sigmas.relu, sigmas.relu_slope): relu,
}


def compiled_pair(sigma: Callable, dsigma: Callable) -> Callable[[Array, Array, float], None] | None:
    """Return the compiled form of (σ, σ′), or None.

    It takes z and slope, C-contiguous 1-D arrays of float32 or float64, both written, and a scale of their dtype.
    """
    pairs = _COMPILED.items()  # compared one by one, as a callable need not be hashable
    return next((compiled for (f, slope), compiled in pairs if f is sigma and slope is dsigma), None)
