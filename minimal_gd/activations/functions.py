"""σ and σ′ side by side: plain NumPy and SciPy.

Real arrays keep their dtype, and the analytic ones take complex arrays too, which is what the complex step
(`minimal_gd.gradcheck`) needs. Every exponential is taken of a number ≤ 0, so nothing overflows where the result is
finite, and the tails keep their relative accuracy.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special


def _modulus(z: NDArray) -> NDArray:
    """|z|, for complex z near the real axis ±z."""
    return np.where(np.signbit(z.real), -z, z)


def _decay(z: NDArray) -> NDArray:
    """e^(-|z|)."""
    return np.exp(-_modulus(z))


def _gaussian(z: NDArray, rate: float) -> NDArray:
    """e^(-rate·z²), rate ≥ 1/2: from 40 on it is 0, before z² can overflow."""
    return np.exp(-rate * np.clip(z, -40, 40) ** 2)


def softplus(z: NDArray) -> NDArray:
    """log(1 + e^z)."""
    log1p = special.log1p if np.iscomplexobj(z) else np.log1p  # NumPy's rounds 1 + e where e is complex
    return 0.5 * z + 0.5 * _modulus(z) + log1p(_decay(z))


def softplus_slope(z: NDArray) -> NDArray:
    """1 / (1 + e^(-z)), the sigmoid."""
    return sigmoid(z)


def sigmoid(z: NDArray) -> NDArray:
    """1 / (1 + e^(-z))."""
    e = _decay(z)
    return np.where(np.signbit(z.real), e, 1) / (1 + e)


def sigmoid_slope(z: NDArray) -> NDArray:
    """e^(-z) / (1 + e^(-z))²."""
    e = _decay(z)
    return e / (1 + e) ** 2


def tanh_slope(z: NDArray) -> NDArray:
    """1 / cosh(z)²."""
    e = _decay(z)
    return (2 * e / (1 + e * e)) ** 2


def erf_slope(z: NDArray) -> NDArray:
    """(2/√π) e^(-z²)."""
    return 2 / math.sqrt(math.pi) * _gaussian(z, 1.0)


def gelu(z: NDArray) -> NDArray:
    """z Φ(z), Φ the normal distribution function."""
    return z * special.ndtr(z)


def gelu_slope(z: NDArray) -> NDArray:
    """Φ(z) + z Φ′(z)."""
    return special.ndtr(z) + z * (_gaussian(z, 0.5) / math.sqrt(2 * math.pi))


def silu(z: NDArray) -> NDArray:
    """z / (1 + e^(-z))."""
    return z * sigmoid(z)


def silu_slope(z: NDArray) -> NDArray:
    """s(z) (1 + z s(-z)), s the sigmoid."""
    return sigmoid(z) * (1 + z * sigmoid(-z))


def sincos(z: NDArray) -> NDArray:
    """sin z + cos z."""
    return np.sin(z) + np.cos(z)


def sincos_slope(z: NDArray) -> NDArray:
    """cos z - sin z."""
    return np.cos(z) - np.sin(z)


def relu(z: NDArray) -> NDArray:
    """max(z, 0)."""
    return np.maximum(z, 0)


def relu_slope(z: NDArray) -> NDArray:
    """1 where z ≥ 0, else 0: the companion's convention at 0."""
    return (z >= 0).astype(z.dtype)


def leaky_relu(slope: float, z: NDArray) -> NDArray:
    """z where z ≥ 0, else `slope` times z."""
    return np.where(z >= 0, z, slope * z)


def leaky_relu_slope(slope: float, z: NDArray) -> NDArray:
    """1 where z ≥ 0, else `slope`."""
    return np.where(z >= 0, 1.0, slope)


def square(z: NDArray) -> NDArray:
    """z²."""
    return z * z


def square_slope(z: NDArray) -> NDArray:
    """2z."""
    return 2 * z
