"""Expectations in closed form: who meets whom, and the errors, by sums over a grid of σ, σ′ and σ″ themselves."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimal_gd import activations
from minimal_gd.gaussian import closed_forms
from minimal_gd.gaussian.hermite import ROUNDING
from minimal_gd.limits.moments import Accuracy, ClosedMoments, Pairs, largest

NAMES = ["erf", "gelu", "sincos", "relu", "identity", "square"]
VARIANCE = np.array([[0.25, 2.0, 0.5], [1.0, 0.3, 1.5]])  # (p, n)

# E[f(sz)], z ~ N(0, 1), by the trapezoid rule: for what is smooth it errs by less than a rounding.
STEP = 0.0625
Z = np.arange(-144, 145) * STEP
WEIGHTS = STEP * np.exp(-Z * Z / 2) / math.sqrt(2 * math.pi)


def form(name):
    return activations.get(name).closed_form


def moment(f, a):
    """E[f(u)], u ~ N(0, a), for every a."""
    return f(np.sqrt(a)[..., None] * Z) @ WEIGHTS


def functions(name):
    """σ, σ′ and, by the complex step, σ″."""
    sigma, dsigma = activations.get(name).sigma, activations.get(name).dsigma
    return sigma, dsigma, lambda u: dsigma(u + 1e-30j).imag / 1e-30


def product_of_pair(f, a, b, c):
    """E[f(u)f(v)] over a grid of two independent variables, |c| < √(ab)."""
    u = math.sqrt(a) * Z[:, None]
    v = (c / math.sqrt(a)) * Z[:, None] + math.sqrt(b - c * c / a) * Z
    return WEIGHTS @ (f(u) * f(v)) @ WEIGHTS


def both_products(layer, pairs, covariance):
    product, slope = np.full_like(covariance, np.nan), np.full_like(covariance, np.nan)
    layer.products(covariance, pairs, product, slope)
    return product, slope


# ---------------------------------------------------------------------- the expectations


@pytest.mark.parametrize("name", ["erf", "gelu", "sincos", "square"])
def test_single_expectations_are_sums_over_a_grid_for_every_position_and_sample(name):
    sigma, dsigma, _ = functions(name)
    layer = ClosedMoments(form(name), VARIANCE, Accuracy())
    np.testing.assert_allclose(layer.mean, moment(sigma, VARIANCE), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(layer.second_moment, moment(lambda u: sigma(u) ** 2, VARIANCE), rtol=1e-13)
    np.testing.assert_allclose(layer.slope_moment, moment(lambda u: dsigma(u) ** 2, VARIANCE), rtol=1e-13)


def test_u_comes_from_the_rows_at_the_left_position_and_v_from_the_columns_at_the_right():
    layer = ClosedMoments(form("erf"), VARIANCE, Accuracy())
    pairs = Pairs(np.array([0, 1, 1]), np.array([1, 1, 0]), slice(0, 2), slice(1, 3))
    covariance = np.linspace(-0.25, 0.25, 12).reshape(3, 2, 2)
    product, slope = both_products(layer, pairs, covariance)
    sigma, dsigma, _ = functions("erf")
    for q, i, j in np.ndindex(3, 2, 2):
        abc = VARIANCE[pairs.left[q], i], VARIANCE[pairs.right[q], j + 1], covariance[q, i, j]
        assert product[q, i, j] == pytest.approx(product_of_pair(sigma, *abc), rel=1e-12)
        assert slope[q, i, j] == pytest.approx(product_of_pair(dsigma, *abc), rel=1e-12)


def test_a_formula_needs_no_preparation_and_keeps_nothing():
    layer = ClosedMoments(form("sincos"), VARIANCE, Accuracy())
    before = vars(layer).copy()
    layer.prepare(slice(0, 1), slice(1, 3))
    assert layer.bytes_a_sample == 0
    assert vars(layer) == before


def test_the_largest_quotient_is_that_of_a_pair_of_entries_and_nothing_by_nothing_is_0():
    assert largest(np.array([0.0, 3, 1]), np.array([0.0, 2, 0.25])) == 4
    assert largest(np.array([0.0]), np.array([0.0])) == 0


# ---------------------------------------------------------------------- the errors


def test_without_a_word_arguments_are_exact_any_correlation_comes_and_a_series_may_lack_all():
    assert Accuracy() == (0, 0, 1, 1)


def test_where_all_is_exact_eight_roundings_of_both_arguments_and_of_the_result_are_left():
    """For σ(u) = u all derivatives are 1 or 0: η + 2δ, 0, δ and δ/2, and a rounding each."""
    unit = 8 * ROUNDING
    errors = ClosedMoments(form("identity"), np.ones((1, 2)), Accuracy(correlation=0.5)).errors
    assert errors == (unit + 2 * unit + unit, unit, unit + unit, unit / 2 + unit, 0.5 + unit)
    errors = ClosedMoments(form("identity"), np.ones((1, 2)), Accuracy(0.25, 0.5, 0.5)).errors
    np.testing.assert_array_equal(errors, np.array([1.25, 0, 0.5, 0.25, 0.5]) + unit * np.array([4, 1, 2, 1.5, 1]))


@pytest.mark.parametrize("name", ["erf", "sincos", "square"])
@pytest.mark.parametrize(("eta", "delta"), [(0.25, 0.0), (0.0, 0.5), (0.125, 0.25)])
def test_errors_are_those_of_prices_identity_and_of_radial_derivatives(name, eta, delta):
    """By s²E[σ′²]/E[σ²] and √(E[u²σ′²]/E[σ²]), at the sample where each is largest; for the slopes, a derivative up."""
    sigma, dsigma, curved = functions(name)
    squared = [moment(lambda u, f=f: f(u) ** 2, VARIANCE) for f in (sigma, dsigma, curved)]
    radial = [moment(lambda u, f=f: (u * f(u)) ** 2, VARIANCE) for f in (dsigma, curved)]
    by_c, slope_by_c = (np.max(VARIANCE * squared[d + 1] / squared[d]) for d in (0, 1))
    by_a, slope_by_a = (np.max(np.sqrt(radial[d] / squared[d])) for d in (0, 1))
    errors = ClosedMoments(form(name), VARIANCE, Accuracy(eta, delta, 0.75)).errors
    expected = [
        (eta + delta) * by_c + delta * by_a,
        (eta + delta) * slope_by_c + delta * slope_by_a,
        delta * by_a,
        delta * by_a / 2,
    ]
    np.testing.assert_allclose(errors[:4], expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ["erf", "gelu", "sincos", "square"])
@pytest.mark.parametrize("rho", [0.0, 0.25, 0.875])
def test_outputs_are_as_parallel_as_those_of_equal_variances_at_the_largest_correlation(name, rho):
    sigma = activations.get(name).sigma
    square = moment(lambda u: sigma(u) ** 2, VARIANCE)
    quotients = [product_of_pair(sigma, a, a, rho * a) for a in VARIANCE.reshape(-1)] / square.reshape(-1)
    stated = ClosedMoments(form(name), VARIANCE, Accuracy(correlation=rho)).errors.correlation
    assert stated == pytest.approx(max(quotients), rel=1e-12, abs=8 * ROUNDING)
    assert stated > max(quotients)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_never_more_than_parallel(name):
    assert ClosedMoments(form(name), VARIANCE, Accuracy(correlation=1.0)).errors.correlation == 1


def test_where_slopes_jump_their_modulus_is_asked_for_both_errors_and_the_correlation():
    """Of relu, angles near 0 move most: those of correlation 1 - 2(η + δ) by arccos of it."""
    errors = ClosedMoments(form("relu"), VARIANCE, Accuracy(0.02, 0.03, 1.0)).errors
    assert errors.slope_product == pytest.approx(math.acos(1 - 2 * 0.05) / math.pi, rel=1e-13)
    assert errors.product == pytest.approx(0.02 + 2 * 0.03, rel=1e-13)  # relu is homogeneous, as the identity is
    errors = ClosedMoments(form("relu"), VARIANCE, Accuracy(0.02, 0.03, 0.25)).errors
    assert errors.slope_product == pytest.approx((math.acos(0.2) - math.acos(0.3)) / math.pi, rel=1e-13)


@pytest.mark.parametrize("missing", [{"curvature": None}, {"radial_curvature": None}])
def test_one_of_two_second_derivatives_is_not_enough(missing):
    stated = replace(closed_forms.ERF, slope_modulus=lambda eta, rho: 3 * eta + rho, **missing)
    errors = ClosedMoments(stated, VARIANCE, Accuracy(0.125, 0.25, 0.5)).errors
    assert errors.slope_product == pytest.approx(3 * 0.375 + 0.5, rel=1e-13)
    unknown = replace(closed_forms.ERF, **missing)
    assert ClosedMoments(unknown, VARIANCE, Accuracy()).errors.slope_product == math.inf


@pytest.mark.parametrize("name", NAMES)
def test_the_worst_of_several_samples_counts(name):
    accuracy = Accuracy(0.01, 0.02, 0.5)
    each = [ClosedMoments(form(name), np.array([[a]]), accuracy).errors for a in VARIANCE.reshape(-1)]
    together = ClosedMoments(form(name), VARIANCE, accuracy).errors
    # the largest of every derivative: where they are largest at different samples, their sum is larger
    assert all(one <= other * (1 + 1e-15) for one, other in zip(np.max(each, axis=0), together, strict=True))
    np.testing.assert_allclose(together[2:], np.max(each, axis=0)[2:], rtol=1e-14)


def test_samples_without_variance_have_no_error_where_sigma_vanishes():
    errors = ClosedMoments(form("erf"), np.array([[0.0, 0.0]]), Accuracy(0.25, 0.5, 0.5)).errors
    assert errors == (8 * ROUNDING,) * 5


# ---------------------------------------------------------------------- the errors, and what arguments do


ETA, DELTA = 2.0**-14, 2.0**-13
signs = st.sampled_from([-1, 0, 1])


@given(
    st.sampled_from(NAMES),
    st.tuples(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-0.99, 0.99)),
    st.tuples(signs, signs, signs),
)
def test_moved_arguments_move_expectations_by_no_more_than_the_errors(name, pair, moves):
    """The errors are of first order: the second is about δ times a few next to it, here less than a hundredth."""
    a, b, rho = pair
    variance, c = np.array([[a, b]]), rho * math.sqrt(a * b)
    moved = variance * (1 + DELTA * np.array(moves[:2]))
    layer, other = (ClosedMoments(form(name), each, Accuracy(ETA, DELTA, abs(rho))) for each in (variance, moved))
    pairs = Pairs(np.array([0]), np.array([0]), slice(0, 1), slice(1, 2))
    products = both_products(layer, pairs, np.full((1, 1, 1), c))
    others = both_products(other, pairs, np.full((1, 1, 1), c + moves[2] * ETA * math.sqrt(a * b)))
    norms = [np.sqrt(square).prod() for square in (layer.second_moment, layer.slope_moment)]
    slack = 1.01
    assert abs(products[0] - others[0]).item() <= slack * layer.errors.product * norms[0]
    assert abs(products[1] - others[1]).item() <= slack * layer.errors.slope_product * norms[1]
    change = abs(other.second_moment - layer.second_moment)
    assert (change <= slack * layer.errors.second_moment * layer.second_moment).all()
    assert (abs(other.mean - layer.mean) <= slack * layer.errors.mean * np.sqrt(layer.second_moment)).all()


@pytest.mark.parametrize("name", ["erf", "gelu", "sincos", "square", "identity"])
@pytest.mark.parametrize("a", [0.3, 2.0])
def test_a_parallel_pair_moves_by_the_whole_error_of_its_covariance(name, a):
    layer = ClosedMoments(form(name), np.array([[a]]), Accuracy(ETA))
    pairs = Pairs(np.array([0]), np.array([0]), slice(0, 1), slice(0, 1))
    products = both_products(layer, pairs, np.full((1, 1, 1), a * (1 - ETA)))
    squares = layer.second_moment, layer.slope_moment
    for value, square, error in zip(products, squares, layer.errors[:2], strict=True):
        assert (square - value).item() == pytest.approx(error * square.item(), rel=1e-2, abs=1e-14)


@pytest.mark.parametrize("name", ["relu", "square", "identity"])
def test_a_homogeneous_second_moment_moves_by_the_whole_error_of_its_variance(name):
    layer, other = (ClosedMoments(form(name), VARIANCE * by, Accuracy(0, DELTA)) for by in (1, 1 + DELTA))
    np.testing.assert_allclose(other.second_moment / layer.second_moment - 1, layer.errors.second_moment, rtol=1e-3)
