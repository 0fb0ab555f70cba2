"""Gaussian expectations that are known by hand, every part of the bound that comes with them, and what is refused."""

import math
import re

import numpy as np
import pytest
from scipy.integrate import IntegrationWarning

from minimal_gd import gaussian
from minimal_gd.gaussian.hermite import ROUNDING, coefficients

# ---------------------------------------------------------------------- one function of one variable

KNOWN = {
    "1": (np.ones_like, 1.0),
    "z²": (np.square, 1.0),
    "z⁴": (lambda z: z**4, 3.0),
    "cos z": (np.cos, math.exp(-0.5)),
    "e^(3z)": (lambda z: np.exp(3 * z), math.exp(4.5)),
    "|z|": (np.abs, math.sqrt(2 / math.pi)),
    "z ≥ 0": (lambda z: (z >= 0).astype(float), 0.5),
    # ∫ e^(-z²/2) / (z² + a²) dz = (π/a) e^(a²/2) erfc(a/√2), here with a = 0.1: a narrow peak
    "1/(1 + (10z)²)": (
        lambda z: 1 / (1 + (10 * z) ** 2),
        0.1 * math.sqrt(math.pi / 2) * math.exp(0.005) * math.erfc(0.1 / math.sqrt(2)),
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", KNOWN)
def test_an_expectation_is_the_known_one_without_a_warning(name):
    f, exact = KNOWN[name]
    assert gaussian.expectation(f) == pytest.approx(exact, rel=2e-14, abs=0)


def points_of(f):
    asked = []
    gaussian.expectation(lambda z: asked.append(float(z)) or f(z))
    return asked


def test_a_jump_at_0_takes_no_more_points_than_a_smooth_function():
    smooth = points_of(lambda z: 2 + np.cos(z))
    assert points_of(lambda z: np.sign(z) * (2 + np.cos(z))) == smooth
    assert len(smooth) < 1000


def test_what_a_function_does_where_the_density_is_next_to_nothing_plays_no_part():
    assert gaussian.expectation(lambda z: np.where(abs(z) > 38, np.inf, 1)) == pytest.approx(1, rel=2e-14)
    assert max(points_of(np.cos)) > 37
    assert min(points_of(np.cos)) < -37


def test_an_expectation_that_may_be_less_precise_comes_with_a_warning_that_points_at_the_caller():
    with pytest.warns(IntegrationWarning, match="maximum number of subdivisions") as caught:
        gaussian.expectation(lambda z: np.sin(1 / z))
    assert all(warning.filename == __file__ for warning in caught)


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
def test_each_of_four_pieces_is_given_up_after_200_intervals():
    """Of 21 points: the first in the middle of a piece, and every one that is cut in two was computed as well."""
    points = []

    def rough(z):
        points.append(float(z))
        return np.mod(1e7 * z, 1)

    gaussian.expectation(rough)
    assert len(points) == 4 * 21 * (2 * 200 - 1)
    assert points[:: 21 * (2 * 200 - 1)] == [-23, -4, 4, 23]


def test_an_expectation_that_is_not_finite_is_refused():
    for f in (lambda z: 1e307 * np.exp(z * z / 4), lambda z: z * np.nan):
        # of an infinite one, SciPy's quad says inf or nan, as its version has it
        with pytest.raises(ValueError, match=r"^f must have a finite expectation under N\(0, 1\), got (inf|nan)$"):
            gaussian.expectation(f)


# ---------------------------------------------------------------------- many variances


VARIANCES = np.array([[0.0, 0.25, 1.0], [4.0, 1.0, 2.25]])


def test_a_mean_and_a_second_moment_come_for_every_variance_in_its_place():
    for f, mean, second_moment in [
        (np.cos, np.exp(-VARIANCES / 2), (1 + np.exp(-2 * VARIANCES)) / 2),
        (np.exp, np.exp(VARIANCES / 2), np.exp(2 * VARIANCES)),
        (lambda u: u + u**2, VARIANCES, VARIANCES + 3 * VARIANCES**2),
    ]:
        for call, exact in ((gaussian.mean, mean), (gaussian.second_moment, second_moment)):
            value, error = call(f, VARIANCES)
            assert value.shape == error.shape == VARIANCES.shape
            assert (abs(value - exact) <= error + 4 * ROUNDING * exact).all()  # the exact values are rounded too
            # polynomials follow f up to 2⁻⁴⁶ of the largest value as near to 0, and twice what is seen is stated
            assert (error <= 2.0**-44 * second_moment).all()


def jumps(u):
    """Elsewhere than at 0: it is known where up to 2⁻⁴², so that the bound is about 2⁻²¹."""
    return np.where(u > 0.3, 2.0, 0.0)


def test_the_bound_of_a_second_moment_is_that_of_its_root_squared():
    """|m̃ - m| ≤ (√m̃ + e)² - m̃ for an error e of the root, which is what bounds the mean."""
    for variance in (1.0, [0.5, 2.0]):
        e = gaussian.mean(jumps, variance)[1]
        value, error = gaussian.second_moment(jumps, variance)
        assert (e > 1e-7).all()
        np.testing.assert_allclose(
            error, (np.sqrt(value) + e) ** 2 - value, rtol=1e-12, atol=8 * ROUNDING * value.max()
        )


# ---------------------------------------------------------------------- products


def test_a_product_is_the_known_one_for_every_entry_of_arrays_that_broadcast():
    """E[e^u e^v] = e^((a + b)/2 + c), E[u v²] = 0, E[u² v²] = ab + 2c², E[u³ v] = 3ac."""
    a, b, c = np.array([[0.25], [1.0]]), np.array([1.0, 2.25, 4.0]), np.array([0.25, -0.5, 0.1])
    for f, g, exact in [
        (np.exp, np.exp, np.exp((a + b) / 2 + c)),
        (lambda u: u, np.square, 0 * (a + b)),
        (np.square, np.square, a * b + 2 * c * c),
        (lambda u: u**3, lambda v: v, 3 * a * c + 0 * b),
    ]:
        value, error = gaussian.product(f, g, a, b, c)
        assert value.shape == error.shape == (2, 3)
        assert (abs(value - exact) <= error).all()
        norm = np.sqrt(gaussian.second_moment(f, a)[0] * gaussian.second_moment(g, b)[0])
        assert (error <= 2e-12 * norm).all()


def test_the_order_of_the_functions_and_of_their_variances_goes_together():
    for f, g in [(np.exp, np.tanh), (np.tanh, np.exp)]:
        one, other = gaussian.product(f, g, 0.5, 2.0, 0.7), gaussian.product(g, f, 2.0, 0.5, 0.7)
        assert abs(one[0] - other[0]) <= one[1] + other[1]
        assert one[1] == pytest.approx(other[1], rel=1e-12, abs=0)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_covariance_beyond_the_variances_is_taken_for_the_largest_there_is(sign):
    a, b = 0.25, 4.0
    largest = gaussian.product(np.cos, np.exp, a, b, sign)
    for c in (1 + 1e-15, 1.5, 1e300):
        assert gaussian.product(np.cos, np.exp, a, b, sign * c) == largest


def test_a_smaller_tolerance_gives_a_smaller_bound_and_the_default_is_1e_12():
    bounds = [gaussian.product(np.tanh, np.tanh, 1.0, 1.0, 0.9, tolerance)[1] for tolerance in (1e-1, 1e-4, 1e-8)]
    assert bounds[0] > 10 * bounds[1] > 100 * bounds[2] > 0
    assert gaussian.product(np.tanh, np.tanh, 1.0, 1.0, 0.9) == gaussian.product(np.tanh, np.tanh, 1.0, 1.0, 0.9, 1e-12)


@pytest.mark.parametrize(
    ("f", "tolerance"),
    [(np.exp, 1e-3), (np.exp, 1e-15), (jumps, 1e-2), (lambda u: u**20, 1e-12)],
    ids=["the tail", "rounding", "the quadrature", "steepness"],
)
@pytest.mark.parametrize("rho", [0.0, 0.5, -0.9])
def test_the_bound_is_the_sum_of_what_is_missing_of_the_quadratures_errors_and_of_rounding(f, tolerance, rho):
    """What is missing: |ρ|^K √(tail tail). The quadrature: |f̃ g̃ - f g| for f̃ = f + e, g̃ = g + d. Rounding: eight of
    the norms, and eight of every factor ρ in Σ_k |a_k b_k| |ρ|^k."""
    a, b = 0.25, 2.25
    value, error = gaussian.product(f, f, a, b, rho * 0.75, tolerance)
    s = np.sqrt([a, b])
    series = coefficients(f, s, tolerance, abs(rho))
    e, d = series.error
    norm, other_norm = np.sqrt(series.second_moment)
    products = np.polynomial.Polynomial(series.a.prod(axis=0))
    assert value == pytest.approx(products(rho), rel=1e-12, abs=0)
    missing = abs(rho) ** series.a.shape[1] * math.sqrt(series.tail.prod())
    quadrature = e * other_norm + norm * d + e * d
    steepness = abs(rho) * np.polynomial.Polynomial(abs(products.coef)).deriv()(abs(rho))
    rounding = 8 * 2.0**-53 * (norm * other_norm + steepness)
    assert error == pytest.approx(missing + quadrature + rounding, rel=1e-9, abs=0)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("bad", "came"),
    [([], "shape (0,)"), (np.ones((2, 0)), "shape (2, 0)"), (-1.0, "-1.0"), ([3.0, -0.5, 0.0], "-0.5")],
)
def test_no_variances_and_negative_ones_are_refused_with_what_came(bad, came):
    message = f"must hold at least one variance, and none below 0, got {came}"
    for call, name in [
        (lambda: gaussian.mean(np.tanh, bad), "variance"),
        (lambda: gaussian.second_moment(np.tanh, bad), "variance"),
        (lambda: gaussian.product(np.tanh, np.tanh, bad, 1.0, 0.0), "a"),
        (lambda: gaussian.product(np.tanh, np.tanh, 1.0, bad, 0.0), "b"),
    ]:
        with pytest.raises(ValueError, match=f"^{name} {re.escape(message)}$"):
            call()


def test_what_is_no_function_is_refused_by_its_name():
    for call, name in [
        (lambda: gaussian.expectation(3), "f"),
        (lambda: gaussian.mean(3, 1.0), "f"),
        (lambda: gaussian.second_moment(3, 1.0), "f"),
        (lambda: gaussian.product(3, np.tanh, 1.0, 1.0, 0.0), "f"),
        (lambda: gaussian.product(np.tanh, 3, 1.0, 1.0, 0.0), "g"),
    ]:
        with pytest.raises(TypeError, match=f"^{name} must be a function of an array, got int 3$"):
            call()


def test_second_moments_that_overflow_are_refused_with_the_names_of_the_arguments():
    def cube(u):
        return u**3

    for call, names in [
        (lambda: gaussian.mean(cube, 1e150), "f"),
        (lambda: gaussian.second_moment(cube, [1.0, 1e150]), "f"),
        (lambda: gaussian.product(np.tanh, cube, 1e150, 1.0, 0.0), "g"),
    ]:
        with pytest.raises(ValueError, match=f"^{names} and its variances must give finite second moments, got inf"):
            call()


@pytest.mark.parametrize("tolerance", [0.0, -1e-3, math.inf, math.nan])
def test_a_tolerance_that_is_not_finite_and_positive_is_refused(tolerance):
    with pytest.raises(ValueError, match=r"^tolerance must be a finite number > 0, got"):
        gaussian.product(np.tanh, np.tanh, 1.0, 1.0, 0.5, tolerance)


def test_a_covariance_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"^c must be finite"):
        gaussian.product(np.tanh, np.tanh, 1.0, 1.0, math.nan)
