"""σ and σ′ as plain functions, against 30 digits of mpmath; `test_activations.py` looks closer, with 900."""

import math

import mpmath
import numpy as np
import pytest

from minimal_gd.activations import ACTIVATIONS, get
from minimal_gd.activations import functions as sigmas

NAMES = list(ACTIVATIONS)
ANALYTIC = [name for name in NAMES if name != "relu"]
EPS = np.finfo(float).eps


def logistic(z):
    return 1 / (1 + mpmath.exp(-z))


# σ and σ′, with more digits than cancel.
EXACT = {
    "softplus": (lambda z: mpmath.log1p(mpmath.exp(z)), logistic),
    "tanh": (mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
    "sigmoid": (logistic, lambda z: logistic(z) * logistic(-z)),
    "erf": (mpmath.erf, lambda z: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-z * z)),
    "gelu": (lambda z: z * mpmath.ncdf(z), lambda z: mpmath.ncdf(z) + z * mpmath.npdf(z)),
    "silu": (lambda z: z * logistic(z), lambda z: logistic(z) * (1 + z * logistic(-z))),
    "sincos": (lambda z: mpmath.sin(z) + mpmath.cos(z), lambda z: mpmath.cos(z) - mpmath.sin(z)),
    "relu": (lambda z: max(z, mpmath.mpf(0)), lambda z: mpmath.mpf(int(z >= 0))),
    "identity": (lambda z: z, lambda z: mpmath.mpf(1)),
    "square": (lambda z: z * z, lambda z: 2 * z),
}
POINTS = np.array([0.0, 1e-8, 0.5, 1.0, 1.3, 3.0, 7.0, 20.0, 30.0, 37.0, 39.5, 40.0, 41.0, 100.0, 700.0])


def functions(name):
    return zip((get(name)._sigma, get(name)._dsigma), EXACT[name], strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_are_those_of_30_digits(name):
    z = np.concatenate([POINTS, -POINTS])
    for function, exactly in functions(name):
        with mpmath.workdps(400):  # e^-700 stands beside 1
            exact = np.array([float(exactly(mpmath.mpf(float(one)))) for one in z])
        # some ten roundings; that of z² counts z² times in e^(-z²); sines and slopes have zeros
        roundings = 16 + (z * z if name in ("erf", "gelu") else 0)
        scale = np.maximum(abs(exact), 1) if name in ("sincos", "silu", "gelu") else abs(exact)
        assert (abs(function(z) - exact) <= roundings * EPS * scale + 1e-306).all()


@pytest.mark.parametrize("name", NAMES)
def test_neither_sign_of_0_nor_infinity_nor_a_single_number_is_special(name):
    for function, exactly in functions(name):
        at_0 = float(exactly(mpmath.mpf(0)))
        for zero in (0.0, -0.0):
            assert function(np.array(zero)) == pytest.approx(at_0, rel=2 * EPS, abs=0)
    if name not in ("sincos", "silu", "gelu", "square", "identity"):
        low, high = get(name)._dsigma(np.array([-np.inf, np.inf]))
        assert (low, high) == (0, 1 if name in ("softplus", "relu") else 0)


@pytest.mark.parametrize("name", ANALYTIC)
def test_complex_arguments_give_the_value_and_the_slope_in_the_direction_of_i(name):
    z = np.concatenate([POINTS, -POINTS])
    moved = np.empty(z.shape, complex)
    moved.real, moved.imag = z, 1e-30  # -0.0 + ih would be 0.0 + ih
    value, slope = get(name)._sigma(moved), get(name)._dsigma(moved)
    # h² σ″/2 < 1e-59 is what the step adds
    np.testing.assert_allclose(value.real, get(name)._sigma(z), rtol=1e-14, atol=1e-59)
    # e^(-z²/2) loses z² ε ≤ 2e-13 at 37
    np.testing.assert_allclose(value.imag / 1e-30, get(name)._dsigma(z), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(slope.real, get(name)._dsigma(z), rtol=1e-14, atol=1e-59)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("name", NAMES)
def test_arrays_keep_their_dtype(name, dtype):
    z = np.array([-50.0, -1.0, 0.5, 50.0], dtype)
    for function, _ in functions(name):
        if dtype is not np.complex128 or name != "relu":
            assert function(z).dtype == dtype


def test_a_bell_is_that_of_its_rate_and_0_where_the_square_overflows():
    z = np.array([0.0, 1.0, -2.0, 20.0, 1e200, -1e300])
    with np.errstate(over="raise", invalid="raise"):
        for rate in (0.5, 1.0):
            exact = [1, math.exp(-rate), math.exp(-4 * rate), math.exp(-400 * rate), 0, 0]
            np.testing.assert_allclose(sigmas._gaussian(z, rate), exact, rtol=8 * EPS)
