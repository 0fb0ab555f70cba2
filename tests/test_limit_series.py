"""Expectations as Hermite series, of σ(u) = e^u most of all, whose every expectation is known.

Its coefficients are a_k(s) = a′_k(s) = e^(s²/2) s^k / √k!, so that a_k²/E[σ²] is Poisson's distribution of mean s², and
E[σ(u)σ(v)] = E[σ′(u)σ′(v)] = e^((a + b)/2 + c).
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import factorial
from scipy.stats import norm, poisson

import minimal_gd as mgd
from minimal_gd.gaussian.hermite import ROUNDING
from minimal_gd.limits.moments import Accuracy, Pairs
from minimal_gd.limits.series import SeriesMoments

EXP = mgd.Activation(np.exp, np.exp)
VARIANCE = np.array([[0.25, 0.5, 1.0], [0.75, 0.3, 0.6]])  # (p, n)
EXACT = Accuracy(tail=1e-15)


def shifted_relu(u):
    return np.maximum(u - 0.3, 0)


def shifted_step(u):
    return np.where(u > 0.3, 1.0, 0.0)


SHIFTED_RELU = mgd.Activation(shifted_relu, shifted_step)


def series(variance, accuracy=EXACT, activation=EXP):
    return SeriesMoments(activation, np.asarray(variance, float), accuracy, map)


def both_products(layer, pairs, covariance):
    product, slope = np.full_like(covariance, np.nan), np.full_like(covariance, np.nan)
    layer.products(covariance, pairs, product, slope)
    return product, slope


def of_one_position(layer, rows, columns, covariance):
    return both_products(layer, Pairs(np.zeros(1, int), np.zeros(1, int), rows, columns), covariance[None])


# ---------------------------------------------------------------------- the expectations


def test_single_expectations_of_an_exponential_are_known_for_every_position_and_sample():
    layer = series(VARIANCE)
    np.testing.assert_allclose(layer.mean, np.exp(VARIANCE / 2), rtol=1e-13)
    np.testing.assert_allclose(layer.second_moment, np.exp(2 * VARIANCE), rtol=1e-13)
    np.testing.assert_allclose(layer.slope_moment, np.exp(2 * VARIANCE), rtol=1e-13)


@pytest.mark.parametrize(("rows", "columns"), [(slice(0, 2), slice(1, 3)), (slice(1, 3), slice(1, 3))])
@pytest.mark.parametrize("variance", [VARIANCE, np.full((2, 3), 0.5)])
def test_u_comes_from_the_rows_at_the_left_position_and_v_from_the_columns_at_the_right(variance, rows, columns):
    layer = series(variance)
    layer.prepare(rows, columns)
    left, right = np.array([0, 1, 1, 0]), np.array([1, 1, 0, 0])
    covariance = np.linspace(-0.25, 0.25, 16).reshape(4, 2, 2)
    a, b = variance[left, rows][:, :, None], variance[right, columns][:, None]
    exact = np.exp((a + b) / 2 + covariance)
    for product in both_products(layer, Pairs(left, right, rows, columns), covariance):
        np.testing.assert_allclose(product, exact, rtol=1e-13)


def test_parts_of_prepared_samples_meet_each_other():
    variance = np.linspace(0.2, 0.9, 8)[None]
    layer = series(variance)
    layer.prepare(slice(1, 4), slice(4, 8))
    for rows, columns in ((slice(1, 3), slice(5, 8)), (slice(2, 4), slice(4, 5)), (slice(5, 6), slice(3, 4))):
        a, b = variance[0, rows][:, None], variance[0, columns]
        exact = np.exp((a + b) / 2 + 0.125)
        for product in of_one_position(layer, rows, columns, np.full(exact.shape, 0.125)):
            np.testing.assert_allclose(product[0], exact, rtol=1e-13)


def test_what_was_prepared_is_kept_if_it_is_wanted_again_and_else_forgotten():
    layer, asked = series(np.linspace(0.2, 0.9, 8)[None]), []
    expand = layer._slope.expand
    layer._slope = layer._slope._replace(expand=lambda s, terms: asked.append(s) or expand(s, terms))
    first, second, third = slice(0, 3), slice(3, 6), slice(3, 8)
    for rows, columns, is_new in (
        (first, second, True),
        (second, first, False),
        (first, first, False),
        (first, third, True),
        (slice(1, 3), third, True),
        (slice(1, 3), slice(1, 2), True),
    ):
        before = len(asked)
        layer.prepare(rows, columns)
        assert (len(asked) > before) == is_new
    for samples in (slice(0, 2), slice(3, 5), slice(1, 4), slice(0, 4)):
        with pytest.raises(LookupError, match=rf"samples slice\({samples.start}, .* must be prepared first"):
            of_one_position(layer, slice(1, 2), samples, np.zeros((1, samples.stop - samples.start)))


def test_samples_have_as_many_coefficients_as_there_are_terms():
    """α_k = a′_{k-1}/√k, and only of the samples that were asked for."""
    layer = series(VARIANCE)
    layer.prepare(slice(0, 1), slice(1, 3))
    for samples in (slice(0, 1), slice(1, 2), slice(1, 3)):
        s, k = np.sqrt(VARIANCE[:, samples, None]), np.arange(layer.bytes_a_sample // 16)
        exact = np.exp(s * s / 2) * s**k / np.sqrt(factorial(k + 1))
        np.testing.assert_allclose(layer._prepared_alpha(samples), exact, rtol=0, atol=1e-14)


@pytest.mark.parametrize("tail", [0.5, 1e-3, 1e-9])
@pytest.mark.parametrize("rho", [1.0, 0.5])
def test_a_sample_keeps_the_terms_of_all_its_positions(tail, rho):
    terms = next(K for K in range(1, 99) if rho**K * poisson.sf(K - 1, VARIANCE.max()) <= tail)
    assert series(VARIANCE, Accuracy(correlation=rho, tail=tail)).bytes_a_sample == VARIANCE.shape[0] * terms * 8


def test_a_zero_variance_leaves_the_value_at_0_and_the_other_mean():
    layer = series([[0.0, 0.5]])
    layer.prepare(slice(0, 2), slice(0, 2))
    exact = np.exp([[0, 0.25], [0.25, 1]])
    for product in of_one_position(layer, slice(0, 2), slice(0, 2), np.array([[0, 0], [0, 0.5]])):
        np.testing.assert_allclose(product[0], exact, rtol=1e-13)


# ---------------------------------------------------------------------- how many terms a pair gets


@pytest.mark.parametrize("variance", [[[1.0, 1.0, 1.0]], [[1.0, 0.25, 0.5]]])
def test_pairs_of_small_correlation_get_as_few_terms_as_leave_no_more_than_the_tail(variance):
    """Of terms that are Poisson's; the largest variance decides for all."""
    tail, k = 1e-4, np.arange(8)
    layer = series(variance, Accuracy(tail=tail))
    layer.prepare(slice(0, 3), slice(0, 3))
    reach = (tail / poisson.sf(k, 1)) ** (1 / (k + 1))
    for terms, (low, high) in enumerate(pairwise([0, *reach[reach < 1], 1]), start=1):
        for rho in (low + 1e-6, high - 1e-6):
            _, slope = of_one_position(layer, slice(0, 1), slice(0, 1), np.full((1, 1), rho))
            first = sum(rho**j / math.factorial(j) for j in range(terms))
            assert slope.item() == pytest.approx(math.e * first, rel=1e-13)
    assert terms == 7


def test_pairs_of_small_variances_get_their_terms_among_many_large_ones():
    """Next to z⁵, cos 3z is small where s is large; 128 such samples come first."""
    act = mgd.Activation(lambda z: z**5 + np.cos(3 * z), lambda z: 5 * z**4 - 3 * np.sin(3 * z))
    few, covariance = np.array([[1.0, 1.1]]), np.array([[0.2]])
    found = []
    for variance in (few, np.append(few, np.linspace(8, 9, 200)[None], axis=1)):
        layer = series(variance, Accuracy(tail=1e-13), act)
        layer.prepare(slice(0, 1), slice(1, 2))
        products = of_one_position(layer, slice(0, 1), slice(1, 2), covariance)
        norms = (math.sqrt(moment[0, :2].prod()) for moment in (layer.second_moment, layer.slope_moment))
        found.append([(*pair, norm) for *pair, norm in zip(products, layer.errors[:2], norms, strict=True)])
    for (alone, error, size), (among, its_error, _) in zip(*found, strict=True):
        assert abs(alone.item() - among.item()) <= (error + its_error) * size
        assert max(error, its_error) <= 1e-10


# ---------------------------------------------------------------------- variances that are nearly equal


UNIT = 32 * ROUNDING  # of the larger one


def test_variances_that_differ_by_no_more_than_thirty_two_roundings_share_their_coefficients():
    for other, is_shared in ((1 - UNIT, True), (1 - UNIT - ROUNDING, False), (1 + UNIT + 2 * ROUNDING, False)):
        layer = series([[1.0, other]])
        assert (layer.second_moment[0, 0] == layer.second_moment[0, 1]) == is_shared


def test_joined_variances_stand_for_the_middle_of_the_lowest_and_the_highest():
    """Neighbours join, so a run of them may be longer than the step; c and ρ are their own."""
    step = 30 * ROUNDING
    variance = np.array([[1 + 2 * step, 4.0, 1.0, 0.0], [4 * (1 + step), 1 + step, 0.5, 1 - step]])
    lowest, highest = (1 - step, 4.0), (1 + 2 * step, 4 * (1 + step))
    means = np.exp((np.array(lowest) + highest) / 4)
    layer = series(variance, Accuracy(tail=1e-15))
    expected = [[means[0], means[1], means[0], 1], [means[1], means[0], math.exp(0.25), means[0]]]
    np.testing.assert_allclose(layer.mean, expected, rtol=4 * ROUNDING)
    assert len(np.unique(layer.mean)) == 4


def test_how_far_variances_were_moved_is_an_error_of_theirs():
    step = 31 * ROUNDING
    steps = np.arange(1001)
    joined = series((1 + step) ** steps[None] * 1.0, Accuracy(tail=1e-13)).errors
    alone = series([[1.0]], Accuracy(tail=1e-13)).errors
    spread = (1 + step) ** 1000 - 1
    # E[u²σ′²]/E[σ²] = s² + 4s⁴ at s = 1
    assert joined.second_moment - alone.second_moment == pytest.approx(spread * math.sqrt(5), rel=1e-3)
    assert joined.product - alone.product == pytest.approx(spread * (1 + math.sqrt(5)), rel=1e-3)


# ---------------------------------------------------------------------- the errors


@pytest.mark.parametrize(("eta", "delta"), [(2.0**-10, 0.0), (0.0, 2.0**-8), (2.0**-9, 2.0**-10)])
def test_errors_of_an_exponential_are_those_of_prices_identity_and_of_radial_derivatives(eta, delta):
    """Both s²E[σ′²]/E[σ²] and the sum over k of k A_k² are s², and E[u²σ′²]/E[σ²] is s² + 4s⁴.

    A power of more than 2/η would move by 2 at most, but has no weight at s = 1.
    """
    errors = series(VARIANCE, Accuracy(eta, delta, tail=1e-14)).errors
    radial = math.sqrt(5)
    both = (eta + delta) + delta * radial
    expected = [both, both, delta * radial, delta * radial / 2]
    np.testing.assert_allclose(errors[:4], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_outputs_of_an_exponential_are_most_parallel_where_its_variance_is_smallest(rho):
    errors = series(VARIANCE, Accuracy(correlation=rho, tail=1e-14)).errors
    assert errors.correlation == pytest.approx(math.exp(-(1 - rho) * VARIANCE.min()), rel=1e-12)


def test_what_a_series_lacks_is_in_its_errors():
    """What pairs lack of s²E[σ′σ′], s = 1, the value lacks half of or less, as its terms have k + 1 below."""
    exact = series([[1.0]], Accuracy(correlation=0.5, tail=1e-14)).errors
    errors = series([[1.0]], Accuracy(correlation=0.5, tail=1e-3)).errors
    assert errors.product - exact.product == pytest.approx(3 * 1e-3 / 2, rel=1e-9)
    assert errors.slope_product - exact.slope_product == pytest.approx(3 * 1e-3, rel=1e-9)
    assert 0 < errors.correlation - exact.correlation < 1e-3 / 2
    assert errors.second_moment == pytest.approx(exact.second_moment, abs=8 * ROUNDING)


def test_where_a_kink_is_not_named_the_errors_are_true():
    """E[max(u - d, 0)], its square and its slope are integrals over u > d of a normal density."""
    d, s = 0.3, np.array([0.4, 1.0, 2.5])
    density, above = norm.pdf(d / s), norm.sf(d / s)
    exact = s * density - d * above, (s**2 + d**2) * above - d * s * density, above
    layer = series(s[None] ** 2, Accuracy(tail=0.1), SHIFTED_RELU)
    for stated, value, error, size in zip(
        (layer.mean, layer.second_moment, layer.slope_moment),
        exact,
        (layer.errors.mean, layer.errors.second_moment, layer.errors.slope_product),
        (np.sqrt(exact[1]), exact[1], exact[2]),
        strict=True,
    ):
        assert (abs(stated[0] - value) <= error * size).all()


@pytest.mark.parametrize("name", ["mean", "second_moment", "slope_product", "product", "correlation"])
def test_the_worst_of_a_thousand_samples_counts_whichever_it_is(name):
    """They come 128 at a time."""
    accuracy = Accuracy(1e-3, 1e-3, 0.5, 1e-2)
    variance = np.linspace(0.1, 1, 1025)[None]
    worst = max(getattr(series([[a]], accuracy).errors, name) for a in (0.1, 1.0))
    assert getattr(series(variance, accuracy).errors, name) == pytest.approx(worst, rel=1e-2)


@given(
    st.tuples(st.floats(0.05, 1), st.floats(0.05, 1), st.floats(-1, 1)),
    st.sampled_from([0.3, 1e-3, 1e-8, 1e-15]),
    st.floats(0, 1),
)
def test_products_are_within_the_errors_of_the_exact_ones(pair, tail, share):
    a, b, rho = pair
    c = share * rho * math.sqrt(a * b)
    layer = series([[a, b]], Accuracy(correlation=abs(rho), tail=tail))
    layer.prepare(slice(0, 1), slice(1, 2))
    exact, size = math.exp((a + b) / 2 + c), math.exp(a + b)
    product, slope = of_one_position(layer, slice(0, 1), slice(1, 2), np.array([[c]]))
    assert abs(product.item() - exact) <= layer.errors.product * size
    assert abs(slope.item() - exact) <= layer.errors.slope_product * size
    assert exact <= layer.errors.correlation * size * (1 + 4 * ROUNDING)
