"""The closed forms that are angles, ReLU's and erf's, in one pass over the pairs.

An arctangent from a library is evaluated entry by entry; as a polynomial, the compiler evaluates it for as many entries
at a time as the machine has lanes, together with the root before it and the products after
it (`benchmarks/activations.py` measures what that gains):

    arctan t = t - t³/3 + t⁵/5 - …,    and for t > √2 - 1,  arctan t = π/4 + arctan((t - 1)/(t + 1)),

so that |t| ≤ √2 - 1, where 20 terms of the series leave less than 1e-17. As a polynomial in t², taken at Chebyshev's
nodes instead of around 0 from the third term on, the same needs 13.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from minimal_gd._runtime.compiling import contracted_kernel

_TURN = math.sqrt(2) - 1
_TAYLOR = [(-1) ** k / (2 * k + 3) for k in range(20)]  # of (1 - arctan(t)/t)/t², in t²
_REST = np.polynomial.Chebyshev.interpolate(np.polynomial.Polynomial(_TAYLOR[2:]), 9, domain=(0, _TURN**2))
_SERIES = np.array([*_TAYLOR[:2], *_REST.convert(kind=np.polynomial.Polynomial).coef])
_SMALLEST = 1e-300


@njit(error_model="numpy", fastmath={"contract"}, inline="always")  # a call would end the vectorisation
def _angle(y: float, x: float) -> float:
    """The angle of (x, y) from the x axis, in [0, π], for y ≥ 0; 0 at the origin."""
    large, small = max(y, abs(x)), min(y, abs(x))
    is_steep = small > _TURN * large
    over, under = (small - large, small + large) if is_steep else (small, max(large, _SMALLEST))
    t = over / under
    square = t * t
    series = _SERIES[11]
    for k in range(10, -1, -1):
        series = series * square + _SERIES[k]
    angle = t - t * square * series + (math.pi / 4 if is_steep else 0.0)
    if y > abs(x):
        angle = math.pi / 2 - angle
    return math.pi - angle if x < 0 else angle


@njit(error_model="numpy", fastmath={"contract"}, inline="always")
def relu_pair(a: float, b: float, c: float) -> tuple[float, float]:
    """(√(ab - c²) + (π - θ) c)/2π and (π - θ)/2π, with tan θ = √(ab - c²)/c, for ab ≥ c² but for rounding."""
    turn = 1 / (2 * math.pi)
    # compared first: contracted, the difference would leave a rounding of c² where a = b = c
    area, square = a * b, c * c
    root = math.sqrt(area - square) if area > square else 0.0
    both = 0.5 - turn * _angle(root, c)
    return turn * root + both * c, both


@njit(error_model="numpy", fastmath={"contract"}, inline="always")
def erf_pair(a: float, b: float, c: float) -> tuple[float, float]:
    """(2/π) arctan(2c/r) and (4/π)/r, with r² = (1 + 2a)(1 + 2b) - 4c², for ab ≥ c² but for rounding.

    r² = 1 + 2(a + b) + 4(ab - c²), where nothing cancels but in the determinant, which stands beside 1.
    """
    root = math.sqrt(1 + 2 * (a + b) + 4 * max(a * b - c * c, 0.0))
    angle = _angle(2 * abs(c), root)
    return 2 / math.pi * math.copysign(angle, c), 4 / math.pi / root


@contracted_kernel
def relu_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """`relu_pair`, entry by entry.

    Parameters
    ----------
    a, b, c : (q, r, 1), (q, 1, c) and (q, r, c) arrays
        Variances and covariances.
    product, slope : (q, r, c) arrays, written
    """
    for q in range(c.shape[0]):
        for i in range(c.shape[1]):
            first, second, third, products, slopes = a[q, i, 0], b[q, 0], c[q, i], product[q, i], slope[q, i]
            for j in range(len(third)):
                products[j], slopes[j] = relu_pair(first, second[j], third[j])


@contracted_kernel
def erf_products(a: NDArray, b: NDArray, c: NDArray, product: NDArray, slope: NDArray) -> None:
    """`erf_pair`, entry by entry; arguments as above."""
    for q in range(c.shape[0]):
        for i in range(c.shape[1]):
            first, second, third, products, slopes = a[q, i, 0], b[q, 0], c[q, i], product[q, i], slope[q, i]
            for j in range(len(third)):
                products[j], slopes[j] = erf_pair(first, second[j], third[j])
