"""The errors of a Hermite series, by hand, from coefficients of small numbers."""

import math

import numpy as np
import pytest
from scipy.special import factorial

from minimal_gd.gaussian.hermite import ROUNDING, Coefficients
from minimal_gd.gaussian.panels import Single
from minimal_gd.limits import series
from minimal_gd.limits.moments import Accuracy

S = 2.0


def slope(tail=0.0, error=0.0):
    """σ′ with a′ = (3, 4) and E[σ′²] = 25: shares of 0.36 and 0.64."""
    return Coefficients(np.array([[3.0, 4.0]]), np.array([25.0]), np.array([[tail]]), np.array([error]))


def value(mean=4.0, error=0.0, slope_error=0.0):
    """σ with E[σ²] = 64: shares of s² a′²/(k + 1), 36/64 and 32/64, and s²E[σ′²]/E[σ²] = 100/64; E[u²σ′²] = 49."""
    return Single(*np.array([[mean], [64.0], [49.0], [25.0], [error]]), slope_error)


def errors(accuracy=Accuracy(correlation=0.0, tail=0.0), slope=slope(), value=value(), spread=0.0):  # noqa: B008
    single = value._replace(slope_moment=slope.second_moment)
    return np.array(series._series_errors(np.array([S]), slope, single, accuracy, spread))


def assert_errors(found, product=0.0, slope_product=0.0, second_moment=0.0, mean=0.0, correlation=0.25):
    """Up to the roundings, of which there are about a hundred."""
    expected = [product, slope_product, second_moment, mean, correlation]
    np.testing.assert_allclose(found, expected, rtol=0, atol=128 * ROUNDING)


def test_where_nothing_else_is_wrong_roundings_are_left():
    """Four of ρ; sixteen that a series lacks, thrice, the value 100/64 · ½ of it; two a power and sixteen of Horner."""
    horner = 2 * 0.64 + 16
    expected = [4 * 100 / 64 + 3 * 12.5 + horner, 4 * 0.64 + 3 * 16 + horner, 8, 8, 12.5 + horner]
    np.testing.assert_allclose(errors(value=value(mean=0.0)), np.array(expected) * ROUNDING, rtol=1e-14)


@pytest.mark.parametrize(
    ("eta", "product", "slope_product"),
    [
        (0.125, 0.125 * 100 / 64, 0.125 * 0.64),
        (1.0, 0.5625 + 0.5 * 2, 0.64),
        (1.5, 0.5625 * 1.5 + 0.5 * 2, 0.64 * 1.5),
        (3.0, 0.5625 * 2 + 0.5 * 2, 0.64 * 2),
    ],
)
def test_a_power_of_the_correlation_moves_by_as_many_times_its_error_but_by_no_more_than_2(eta, product, slope_product):
    found = errors(Accuracy(covariance=eta, correlation=0.0, tail=0.0))
    assert_errors(found, product=product, slope_product=slope_product)


@pytest.mark.parametrize("is_spread", [True, False])
def test_a_variance_moves_the_correlation_and_either_factor_by_half_its_error(is_spread):
    """Radially: 7/8 of σ, and of σ′, from 0·3 + √2·0 and 1·4 + √6·0 without a tail, 4/5."""
    delta = 0.25
    accuracy = Accuracy(variance=0.0 if is_spread else delta, correlation=0.0, tail=0.0)
    assert_errors(
        errors(accuracy, spread=delta if is_spread else 0.0),
        product=delta * (100 / 64 + 7 / 8),
        slope_product=delta * (0.64 + 4 / 5),
        second_moment=delta * 7 / 8,
        mean=delta / 2 * 7 / 8,
    )
    assert_errors(
        errors(Accuracy(0.25, 0.125, 0.0, 0.0), spread=0.125),
        product=0.5 * (0.5625 + 0.5 * 2) + 0.25 * 7 / 8,
        slope_product=0.5 * 0.64 + 0.25 * 4 / 5,
        second_moment=0.25 * 7 / 8,
        mean=0.125 * 7 / 8,
    )


def test_a_series_lacks_the_tail_that_was_allowed_or_what_there_is_if_that_is_more():
    """A tail of 5 of 25 at ρ = ½, after two terms: 0.2/4, of which the value has 100/64 · ⅓; of
    what may be left out before, ½."""
    at_half = 0.25 + 0.5625 / 2 + 0.5 / 4
    for accuracy, record, missing, of_value in (
        (Accuracy(correlation=0.5, tail=0.0625), slope(), 0.0625, 0.0625 / 2),
        (Accuracy(correlation=0.5, tail=0.0), slope(tail=5.0), 0.05, 0.05 / 3),
        (Accuracy(correlation=0.5, tail=0.0625), slope(tail=5.0), 0.0625, 0.0625 / 2),
        (Accuracy(correlation=0.5, tail=0.03125), slope(tail=5.0), 0.05, 0.05 / 3),
    ):
        assert_errors(
            errors(accuracy, record),
            product=3 * of_value * 100 / 64,
            slope_product=3 * missing,
            correlation=at_half + of_value * 100 / 64,
        )


def test_the_errors_of_a_quadrature_come_twice_once_for_either_factor():
    assert_errors(errors(slope=slope(error=0.5)), product=2 * S * 0.5 / 8, slope_product=2 * 0.5 / 5)
    assert_errors(
        errors(value=value(error=0.8)), product=0.2, second_moment=0.2, mean=0.1, correlation=0.25 + 2 * 0.8 / 8
    )
    assert_errors(errors(value=value(slope_error=0.25)), slope_product=0.25)
    found = errors(slope=slope(error=0.5), value=value(error=0.8))
    assert_errors(found, product=0.45, slope_product=0.2, second_moment=0.2, mean=0.1, correlation=0.45)


@pytest.mark.parametrize(("rho", "correlation"), [(0.0, 0.25), (0.5, 0.65625), (1.0, 1.0)])
def test_outputs_are_as_parallel_as_their_series_at_the_largest_correlation_but_never_more_than_parallel(
    rho, correlation
):
    assert_errors(errors(Accuracy(correlation=rho, tail=0.0)), correlation=correlation)
    assert errors(Accuracy(correlation=1.0, tail=0.0))[4] == 1


def test_signs_of_coefficients_make_no_difference():
    negative = Coefficients(np.array([[-3.0, -4.0]]), np.array([25.0]), np.zeros((1, 1)), np.zeros(1))
    accuracy = Accuracy(0.125, 0.25, 0.5, 0.0)
    np.testing.assert_array_equal(errors(accuracy, negative, value(mean=-4.0)), errors(accuracy))


def test_each_part_of_an_error_is_that_of_the_row_where_it_is_largest():
    """Of a row as above and one without any σ at all, every part is the first's."""
    nothing = Coefficients(np.zeros((1, 2)), np.zeros(1), np.zeros((1, 1)), np.zeros(1))
    slopes, values = slope(tail=5.0, error=0.5), value(error=0.8, slope_error=0.125)
    accuracy = Accuracy(0.125, 0.25, 0.5, 0.01)
    one = errors(accuracy, slopes, values)
    for order in ([0, 1], [1, 0]):
        both = Coefficients(*(np.concatenate(arrays)[order] for arrays in zip(slopes, nothing, strict=True)))
        single = Single(*(np.append(array, 0.0)[order] for array in values[:-1]), values.slope_error)
        found = series._series_errors(np.array([S, 1.0])[order], both, single, accuracy, 0.0)
        np.testing.assert_array_equal(found, one)


# ---------------------------------------------------------------------- the radial derivative


def test_the_radial_derivative_of_an_exponential_is_known():
    """E[(u e^u)²] = (s² + 4s⁴) e^(2s²), for f(u) = e^u with a_k = e^(s²/2) s^k/√k!."""
    s, k = np.array([[0.5], [1.0]]), np.arange(40)
    a = np.exp(s * s / 2) * s**k / np.sqrt(factorial(k))
    derivative = series._radial_derivative(Coefficients(a, np.exp(2 * s[:, 0] ** 2), np.zeros((2, 1)), np.zeros(2)))
    np.testing.assert_allclose(derivative**2, ((s**2 + 4 * s**4) * np.exp(2 * s**2))[:, 0], rtol=1e-13)


def test_what_comes_after_the_last_two_coefficients_is_in_the_tail():
    """Of (…, 3, -1), k = 5 and 6, a′_7 and a′_8 are 2 at most; and the k = 3 and 4 before see both."""
    a = np.array([[0.0, 0, 0, 0, 0, 3, -1]])
    record = Coefficients(a, np.array([14.0]), np.array([[4.0]]), np.zeros(1))
    expected = 20 * 9 + 30 + (5 * 3 + math.sqrt(42) * 2) ** 2 + (6 + math.sqrt(56) * 2) ** 2
    np.testing.assert_allclose(series._radial_derivative(record) ** 2, expected)
    record = Coefficients(np.array([[3.0]]), np.array([25.0]), np.array([[16.0]]), np.zeros(1))
    np.testing.assert_allclose(series._radial_derivative(record) ** 2, 2 * 16)


# ---------------------------------------------------------------------- how far so many terms reach


def test_so_many_terms_reach_where_what_they_leave_is_the_tail():
    """0.5, 0.25 and 0.001 are left after one, two and three terms: |ρ|, ρ² and |ρ|³ times it are 0.01."""
    reach = series._reach(np.array([0.5, 0.25, 0.001]), 0.01)
    np.testing.assert_allclose(reach, [0.02, 0.2, 10 ** (1 / 3)])
    np.testing.assert_allclose(series._reach(np.full(3, 0.02), 0.01), [0.5, 0.5 ** (1 / 2), 0.5 ** (1 / 3)])
    # more terms never reach less far
    np.testing.assert_allclose(series._reach(np.array([0.02, 1.0]), 0.04), [2, 2])


def test_a_tail_below_sixteen_roundings_is_as_good_as_none():
    for tail in (0.0, 15 * ROUNDING):
        np.testing.assert_allclose(series._reach(np.array([0.25, 0.0]), tail), [64 * ROUNDING, 4], rtol=1e-15)
    np.testing.assert_allclose(series._reach(np.array([0.25]), 17 * ROUNDING), [68 * ROUNDING], rtol=1e-15)


def test_nothing_to_sum_up_is_reached_by_any_number_of_terms():
    assert (series._reach(np.zeros(3), 0.5) >= 1).all()


# ---------------------------------------------------------------------- equal variances


def test_runs_of_nearly_equal_variances_are_told_apart():
    step = 32 * ROUNDING
    variance = np.array([[2.0, 1.0, 0.0], [1 - step, 2 - 3 * step, 0.0]])
    distinct, group, spread = series._grouped(variance)
    np.testing.assert_array_equal(distinct, [0, 1 - step / 2, 2 - 3 * step, 2])
    np.testing.assert_array_equal(group, [[3, 1, 0], [1, 2, 0]])
    assert spread == pytest.approx(step, rel=1e-12)


def test_a_border_of_thirty_two_roundings_of_the_larger_one():
    for gap, runs in ((32, 1), (33, 2)):
        distinct, _, spread = series._grouped(np.array([[1.0, 1 - gap * ROUNDING]]))
        assert len(distinct) == runs
        assert spread == pytest.approx(32 * ROUNDING if runs == 1 else 0, rel=1e-12)
    distinct, group, spread = series._grouped(np.array([[2.5]]))
    assert (distinct.tolist(), group.tolist(), spread) == ([2.5], [[0]], 0)


def test_the_widest_run_says_how_far_variances_were_moved():
    step = 2.0**-50
    distinct, _, spread = series._grouped(np.array([[1, 1 + step, 1 + 2 * step, 4, 4 + 4 * step, 9]]))
    np.testing.assert_array_equal(distinct, [1 + step, 4 + 2 * step, 9])
    assert spread == 2 * step
