"""Expectations of single pairs: which way they are computed, entry by entry, and what their errors are made of."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd.gaussian import closed_forms
from minimal_gd.gaussian.hermite import ROUNDING
from minimal_gd.limits.expectations import moments, pair_expectations
from minimal_gd.limits.moments import Accuracy, ClosedMoments
from minimal_gd.limits.series import SeriesMoments

EXP = mgd.Activation(np.exp, np.exp)  # E[σσ] = E[σ′σ′] = e^((a + b)/2 + c), and E[σ²] = E[σ′²] = e^(2a)
SQUARE = mgd.activations.get("square")  # E[σσ] = ab + 2c², E[σ′σ′] = 4c


def step(u):
    return np.where(u > 0.3, 1.0, 0.0)


STEPPED = mgd.Activation(lambda u: np.maximum(u - 0.3, 0), step)

# What is known of the identity, but the modulus tells the correlation that it was asked for.
TELLING = mgd.Activation(
    lambda u: u,
    np.ones_like,
    closed_form=replace(closed_forms.IDENTITY, curvature=None, slope_modulus=lambda eta, rho: rho),
)


def error_of(correlation):
    """What TELLING says, where E[σ′²] is 1."""
    return correlation + 8 * ROUNDING


# ---------------------------------------------------------------------- the way they are computed


def test_a_closed_form_is_taken_where_there_is_one():
    variance = np.array([[0.5, 1.0]])
    closed = moments(SQUARE, variance, Accuracy(0.25, 0.125, 0.5))
    assert isinstance(closed, ClosedMoments)
    assert closed.errors == ClosedMoments(SQUARE.closed_form, variance, Accuracy(0.25, 0.125, 0.5)).errors
    series = moments(EXP, variance, Accuracy(0.25, 0.125, 0.5, 0.01))
    assert isinstance(series, SeriesMoments)
    assert series.errors == SeriesMoments(EXP, variance, Accuracy(0.25, 0.125, 0.5, 0.01), map).errors


def test_many_variances_are_run_over_as_is_asked_for():
    runs = []

    def run(function, rows):
        runs.append(rows)
        return map(function, rows)

    variance = np.linspace(0.1, 1, 1030)[None]
    moments(EXP, variance, Accuracy(tail=0.1), run)
    assert [len(rows) for rows in runs[0]] == [115] * 3 + [114] * 5  # the 115 largest come before
    assert moments(EXP, variance, Accuracy(tail=0.1)).errors.product > 0


# ---------------------------------------------------------------------- entry by entry


@pytest.mark.filterwarnings("error")  # numba asks whether a broadcast array may be written to
def test_every_pair_of_a_broadcast_has_its_own_expectations():
    a, b, c = np.array([[0.25], [1.0]]), np.array([0.5, 1.0, 0.75]), -0.125
    square = pair_expectations(SQUARE, a, b, c)
    np.testing.assert_allclose(square.product, a * b + 2 * c * c, rtol=1e-14)
    np.testing.assert_allclose(square.slope_product, np.full((2, 3), 4 * c), rtol=1e-14)
    exact = np.exp((a + b) / 2 + c)
    for values in pair_expectations(EXP, a, b, c)[:2]:
        np.testing.assert_allclose(values, exact, rtol=1e-12)
    by_pair = pair_expectations(EXP, 1, 1, np.array([[[0.5, -0.25]]]))
    np.testing.assert_allclose(by_pair.product, np.exp([[[1.5, 0.75]]]), rtol=1e-12)
    assert all(values.shape == (2, 3) for values in square)


def test_plain_numbers_give_single_values():
    result = pair_expectations(SQUARE, 2, 3, 1)
    assert [values.shape for values in result] == [()] * 4
    assert (result.product, result.slope_product) == (8, 4)


@pytest.mark.parametrize("variance", [1e-139, 0.5, 1e139])
def test_variances_are_multiplied_only_where_that_does_not_overflow(variance):
    result = pair_expectations(mgd.activations.get("identity"), variance, variance, -variance)
    assert (result.product, result.slope_product) == (-variance, 1)
    assert result.product_error == pytest.approx(32 * ROUNDING * variance)


# ---------------------------------------------------------------------- the errors


def test_errors_are_relative_to_the_norms_of_both_factors():
    a, b, c = np.array([0.25, 0.5, 1.0]), np.array([1.0, 0.5, 0.75]), np.array([0.25, 0.0, -0.5])
    for activation, norms in (
        (EXP, (np.exp(a + b), np.exp(a + b))),
        (SQUARE, (3 * a * b, 4 * np.sqrt(a * b))),
    ):
        result = pair_expectations(activation, a, b, c)
        for errors, norm in zip((result.product_error, result.slope_error), norms, strict=True):
            np.testing.assert_allclose(errors / norm, np.full(3, errors[0] / norm[0]), rtol=1e-12)
            assert 0 < errors[0] < 1e-12 * norm[0]


def test_the_largest_correlation_of_all_pairs_counts_and_four_roundings():
    rho, rounding = 0.5, 4 * ROUNDING
    assert pair_expectations(TELLING, 4, 0.25, 0.5).slope_error == error_of(rho + rounding)
    assert pair_expectations(TELLING, 4, 0.25, -0.5).slope_error == error_of(rho + rounding)
    errors = pair_expectations(TELLING, [1, 4, 1], [1, 0.25, 0], [0.25, -0.5, 0]).slope_error
    np.testing.assert_array_equal(errors, [error_of(rho + rounding)] * 3)


def test_no_correlation_is_more_than_1():
    for c in (1, -1, 1 + 2 * ROUNDING, 1 - 2 * ROUNDING):
        assert pair_expectations(TELLING, 1, 1, c).slope_error == error_of(1)


def test_a_variable_without_variance_has_no_correlation():
    assert pair_expectations(TELLING, 0, 1, 0).slope_error == error_of(4 * ROUNDING)


@pytest.mark.parametrize("tolerance", [0.1, 1e-6, 1e-12])
def test_a_series_may_lack_a_thirty_second_of_the_tolerance(tolerance):
    result = pair_expectations(EXP, 1, 1, 1, tolerance)
    errors = SeriesMoments(EXP, np.ones((1, 2)), Accuracy(tail=tolerance / 32), map).errors
    assert result.product_error == pytest.approx(errors.product * math.e**2, rel=1e-12)
    assert result.slope_error == pytest.approx(errors.slope_product * math.e**2, rel=1e-12)
    # thrice of it is stated for the slopes, but for roundings, of which there are less than a hundred
    assert result.slope_error / math.e**2 == pytest.approx(3 * tolerance / 32, abs=100 * ROUNDING)


def test_without_a_tolerance_it_is_1e_12():
    for activation in (EXP, STEPPED):
        assert pair_expectations(activation, 1, 0.5, 0.5) == pair_expectations(activation, 1, 0.5, 0.5, tolerance=1e-12)


variances = st.one_of(st.just(0.0), st.floats(1e-140, 1))


@given(variances, variances, st.floats(-1, 1), st.sampled_from([1e-1, 1e-4, 1e-9, 1e-13]))
def test_errors_are_never_too_small_and_meet_the_tolerance_as_far_as_rounding_lets_them(a, b, rho, tolerance):
    """A tail of 1/32 is stated thrice; next to it there are less than 200 roundings for such variances."""
    c = rho * math.sqrt(a) * math.sqrt(b)
    result = pair_expectations(EXP, a, b, c, tolerance)
    exact, size = math.exp((a + b) / 2 + c), math.exp(a + b)
    for value, error in ((result.product, result.product_error), (result.slope_product, result.slope_error)):
        assert abs(value - exact) <= error + 2 * ROUNDING * exact
        assert error <= (3 * tolerance / 32 + 3 * 128 * ROUNDING + 200 * ROUNDING) * size
