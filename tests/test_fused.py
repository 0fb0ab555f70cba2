"""The compiled forms of (σ, σ′), against the plain pairs in float64 and 30-digit values."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types
from two_forms import plain

from minimal_gd.activations import ACTIVATIONS, get
from minimal_gd.activations import compiled as fused

NAMES = [name for name in ACTIVATIONS if fused.compiled_pair(get(name)._sigma, get(name)._dsigma)]
FORMATS = [np.float64, np.float32]

# Roundings of s σ(z) and s σ′(z), in units of ε relative to the value (for silu′, which has a zero, to 1). An
# exponential has two (its polynomial and 1 + μ), a logarithm two, a division or a product one each: up to 6 in all.
ROUNDINGS = 6


def test_every_activation_of_the_exponential_and_relu_has_a_compiled_form():
    assert set(NAMES) == {"softplus", "sigmoid", "silu", "tanh", "relu"}


def test_half_a_pair_has_no_compiled_form():
    assert fused.compiled_pair(get("tanh")._sigma, np.cos) is None
    assert fused.compiled_pair(np.sin, get("tanh")._dsigma) is None


def compiled_values(name, z, scale=1.0):
    """s σ and s σ′ by the compiled form."""
    value, slope = z.copy(), np.full_like(z, np.nan)
    with np.errstate(all="ignore"):  # only the plain Python of a compiled form warns
        fused.compiled_pair(get(name)._sigma, get(name)._dsigma)(value, slope, z.dtype.type(scale))
    return value, slope


def distance(computed, exact, floor):
    """The largest difference relative to `exact`, or `floor` where that is smaller, in units of ε."""
    scale = np.maximum(np.abs(exact), floor)
    return np.max(np.abs(computed.astype(np.float64) - exact) / scale) / np.finfo(computed.dtype).eps


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_twin_is_its_plain_pair(name, dtype, data):
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=8 * np.dtype(dtype).itemsize)
    z = np.array(data.draw(st.lists(numbers | st.floats(-30, 30, width=32), min_size=1, max_size=40)), dtype)
    exact = z.astype(np.float64)
    value, slope = compiled_values(name, z)
    smallest = float(np.finfo(dtype).smallest_normal)
    product = smallest * np.maximum(1, np.abs(exact)) if name == "silu" else smallest  # z times a number below it
    plain = 2 * np.finfo(np.float64).eps / np.finfo(dtype).eps  # the plain pair's own roundings, in float64
    allowed = ROUNDINGS * (1 + plain)
    assert distance(value, get(name).sigma(exact), product) <= allowed
    assert distance(slope, get(name).dsigma(exact), 1.0 if name == "silu" else smallest) <= allowed


EXACT = {
    "softplus": (lambda z: mpmath.log1p(mpmath.exp(z)), lambda z: 1 / (1 + mpmath.exp(-z))),
    "sigmoid": (lambda z: 1 / (1 + mpmath.exp(-z)), lambda z: mpmath.exp(-z) / (1 + mpmath.exp(-z)) ** 2),
    "silu": (
        lambda z: z / (1 + mpmath.exp(-z)),
        lambda z: (1 + mpmath.exp(-z) + z * mpmath.exp(-z)) / (1 + mpmath.exp(-z)) ** 2,
    ),
    "tanh": (mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
    "relu": (lambda z: max(z, 0), lambda z: mpmath.mpf(z >= 0)),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_twin_has_the_digits_of_a_float64(name):
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.uniform(-40, 40, 100), rng.standard_normal(100), 10 ** rng.uniform(-300, -1, 50), [0.0]])
    with mpmath.workdps(30):
        exact = [np.array([float(function(mpmath.mpf(float(x)))) for x in z]) for function in EXACT[name]]
    floors = (0.0, 1.0 if name == "silu" else 0.0)
    for computed, wanted, floor in zip(compiled_values(name, z), exact, floors, strict=True):
        assert distance(computed, wanted, floor + np.finfo(float).smallest_normal) <= ROUNDINGS + 0.5


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_a_twin_takes_the_scale_and_leaves_the_format(name, dtype):
    z = np.random.default_rng(1).standard_normal(1000).astype(dtype)
    for computed, scaled in zip(compiled_values(name, z), compiled_values(name, z, 0.25), strict=True):
        assert scaled.dtype == dtype
        np.testing.assert_allclose(scaled, computed / 4, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FORMATS)
def test_tanh_keeps_the_sign_of_zero(dtype):
    np.testing.assert_array_equal(np.signbit(compiled_values("tanh", np.array([0.0, -0.0], dtype))[0]), [False, True])


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_stays_so_and_the_ends_are_right(name, dtype):
    value, slope = compiled_values(name, np.array([np.nan, np.inf, 1e4, -1e4], dtype))
    assert math.isnan(value[0])
    bounded = name in ("tanh", "sigmoid")
    assert value[1] == (1 if bounded else np.inf)
    assert value[2] == (1 if bounded else dtype(1e4))
    assert value[3] == (-1 if name == "tanh" else 0)
    assert slope[2] == (0 if bounded else 1)
    assert slope[3] == 0


@pytest.mark.parametrize(
    ("constants", "dtype", "high_bits"), [(fused._DOUBLE, np.float64, 32), (fused._SINGLE, np.float32, 14)]
)
def test_no_term_is_missing_and_none_is_too_many(constants, dtype, high_bits):
    """What the polynomials leave out is below a twentieth of a rounding, and their last terms are not."""
    enough = np.finfo(dtype).eps / 20
    r, t = math.log(2) / 2, (math.sqrt(2) - 1) / (math.sqrt(2) + 1)
    k = len(constants.exponential)
    assert r ** (k + 1) / math.factorial(k + 1) < enough < r**k / math.factorial(k)
    k = len(constants.logarithm)
    assert t ** (2 * k) / (2 * k + 1) < enough < t ** (2 * k - 2) / (2 * k - 1)
    # e^x rounds to 0 from half of the smallest number on; no need to go on much further
    assert -0.1 < constants.smallest - (math.log(np.finfo(dtype).smallest_subnormal) - math.log(2)) <= 0
    assert float(constants.log_2_high) * 2**high_bits == math.floor(math.log(2) * 2**high_bits)


@pytest.mark.parametrize(("kind", "dtype", "largest"), [(types.float32, np.float32, 127), (types.float64, float, 1023)])
def test_powers_of_two_and_constants_are_the_same_compiled(kind, dtype, largest):
    """What numba compiles in their place, run as plain Python."""
    compiled, constants = fused._compile_power_of_two(kind), fused._compile_constants_of(kind)
    for k in range(1 - largest, largest + 1):
        assert compiled(dtype(k)) == fused._power_of_two(dtype(k)) == math.ldexp(1.0, k)
    assert constants(dtype(0)) is fused._constants_of(dtype(0))
    assert type(constants(dtype(0)).log_2) is type(constants(dtype(0)).exponential[0]) is np.dtype(dtype).type


@pytest.mark.parametrize("name", NAMES)
def test_the_plain_python_of_a_twin_computes_the_same(name):
    z = np.concatenate([np.random.default_rng(2).standard_normal(50), [-700.0, 700.0, 0.0]])
    value, slope = z.copy(), np.empty_like(z)
    compiled = compiled_values(name, z)
    plain(fused.compiled_pair(get(name)._sigma, get(name)._dsigma))(value, slope, np.float64(1))
    # contracted products and sums round once where Python rounds twice
    np.testing.assert_allclose(value, compiled[0], rtol=ROUNDINGS * np.finfo(float).eps)
    np.testing.assert_allclose(slope, compiled[1], rtol=ROUNDINGS * np.finfo(float).eps, atol=1e-16)
