"""The closed forms that are angles, against 30 digits, compiled and as plain Python."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_forms import both

from minimal_gd.gaussian import compiled as angles

EPS = np.finfo(float).eps
# below 1e-300 an angle is not to be trusted: variances below 1e-140 count as 0
coordinates = st.floats(1e-300, 1e3) | st.floats(1e-300, 1e-3) | st.sampled_from([0.0, 1.0, 1e-300, 1e150])


def close_to(exact, roundings):
    return pytest.approx(exact, rel=roundings * EPS, abs=0)


@given(coordinates, coordinates)
def test_the_angle_is_that_of_arctan2(y, x):
    """The product of the arctangent's series, one more for the quotient, and the sums with π/4, π/2 and π."""
    for angle in both(angles._angle):
        for side in (x, -x):
            if y > 0 or x > 0:
                assert angle(y, side) == close_to(math.atan2(y, side), 8)


def test_at_the_origin_the_angle_is_zero():
    assert [angle(0.0, 0.0) for angle in both(angles._angle)] == [0, 0]


@pytest.mark.parametrize("slope", [angles._TURN, math.nextafter(angles._TURN, 1), math.nextafter(angles._TURN, 0)])
def test_where_the_series_changes_the_angle_does_not_jump(slope):
    for angle in both(angles._angle):
        assert angle(slope, 1.0) == close_to(math.pi / 8, 8)
        assert angle(1.0, slope) == close_to(3 * math.pi / 8, 8)


def test_the_polynomial_is_that_of_the_arctangent_to_30_digits():
    """arctan t = t - t³ p(t²): next to t, what p leaves and the roundings of its numbers are less than a rounding."""
    assert pytest.approx(math.sqrt(2) - 1, rel=EPS) == angles._TURN
    with mpmath.workdps(30):
        for t in np.linspace(1e-3, angles._TURN, 100):
            t = mpmath.mpf(float(t))
            p = sum(mpmath.mpf(float(number)) * t ** (2 * k) for k, number in enumerate(angles._SERIES))
            assert abs(t - t**3 * p - mpmath.atan(t)) <= EPS / 8 * t


def pairs_of(a, b, c):
    """The arrays of the kernels for variances a (q, r) and b (q, c) and covariances (q, r, c)."""
    return np.asarray(a)[:, :, None], np.asarray(b)[:, None, :], np.asarray(c)


def drawn(seed):
    """Variances and covariances, |ρ| up to 1 - 1e-3: the determinant loses no more than three digits."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.1, 3, (2, 3)), rng.uniform(0.1, 3, (2, 4))
    rho = rng.uniform(-0.999, 0.999, (2, 3, 4))
    rho[0, 0, 0] = 0
    return a, b, rho * np.sqrt(a[:, :, None] * b[:, None])


def relu_exactly(a, b, c):
    root = mpmath.sqrt(a * b - c * c)
    share = (mpmath.pi - mpmath.atan2(root, c)) / (2 * mpmath.pi)
    return root / (2 * mpmath.pi) + share * c, share


def erf_exactly(a, b, c):
    square = (1 + 2 * a) * (1 + 2 * b) - 4 * c * c
    return 2 / mpmath.pi * mpmath.atan(2 * c / mpmath.sqrt(square)), 4 / mpmath.pi / mpmath.sqrt(square)


@pytest.mark.parametrize(
    ("name", "exactly"), [("relu_products", relu_exactly), ("erf_products", erf_exactly)], ids=["relu", "erf"]
)
@pytest.mark.parametrize("seed", range(3))
def test_products_and_slopes_are_those_of_30_digits(name, exactly, seed):
    a, b, c = drawn(seed)
    exact = np.empty((2, *c.shape))
    with mpmath.workdps(30):
        for q, i, j in np.ndindex(c.shape):
            numbers = (mpmath.mpf(float(number)) for number in (a[q, i], b[q, j], c[q, i, j]))
            exact[:, q, i, j] = [float(value) for value in exactly(*numbers)]
    for function in both(getattr(angles, name)):
        product, slope = np.full(c.shape, np.nan), np.full(c.shape, np.nan)
        function(*pairs_of(a, b, c), product, slope)
        # near ρ = -1 the first is a difference: relative to √(ab); the determinant has 1 - ρ² ≥ 2e-3 of its digits
        scale = np.sqrt(a[:, :, None] * b[:, None])
        np.testing.assert_allclose(product / scale, exact[0] / scale, rtol=0, atol=1e4 * EPS)
        np.testing.assert_allclose(slope, exact[1], rtol=0, atol=1e4 * EPS)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_parallel_inputs_have_no_determinant_but_rounding(sign):
    """ab < c² by a rounding: a root of 0, not NaN; σ(u)σ(±u) and σ′(u)σ′(±u) have known expectations."""
    a = np.array([[3.0]])
    c = sign * np.array([[[math.nextafter(3.0, 4.0)]]])
    for relu, erf in zip(both(angles.relu_products), both(angles.erf_products), strict=True):
        product, slope = np.full((1, 1, 1), np.nan), np.full((1, 1, 1), np.nan)
        relu(*pairs_of(a, a, c), product, slope)
        assert product.item() == pytest.approx(1.5 * (sign > 0), rel=4 * EPS, abs=4 * EPS)
        assert slope.item() == pytest.approx(0.5 * (sign > 0), rel=0, abs=EPS)  # a rounding of ½ - ½
        erf(*pairs_of(a, a, c), product, slope)
        assert product.item() == close_to(sign * 2 / math.pi * math.atan(6 / math.sqrt(13)), 16)
        assert slope.item() == close_to(4 / math.pi / math.sqrt(13), 16)


def test_a_variable_with_itself_has_no_determinant_at_all():
    """A rounding of c² in its place would have a root of 1e-8, and the angle be as wrong."""
    a = np.random.default_rng(4).uniform(0.1, 3, (50, 1))
    for relu in both(angles.relu_products):
        product, slope = np.full((50, 1, 1), np.nan), np.full((50, 1, 1), np.nan)
        relu(*pairs_of(a, a, a[:, :, None]), product, slope)
        np.testing.assert_array_equal(slope, np.full((50, 1, 1), 0.5))
        np.testing.assert_array_equal(product, a[:, :, None] / 2)
