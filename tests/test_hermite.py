"""Hermite coefficients that are known, how many there are, what their bounds are made of, and where f is asked.

For f(u) = e^u, a_k(s) = e^(s²/2) s^k / √k!, so that a_k² / E[f²] is Poisson's distribution of mean s².
"""

import math

import numpy as np
import pytest
from scipy.special import factorial
from scipy.stats import poisson

from minimal_gd.gaussian import hermite
from minimal_gd.gaussian.hermite import ROUNDING, SETTLED, coefficients, on_panels


def exp_coefficients(s, terms):
    k = np.arange(terms)
    return np.exp(s**2 / 2)[:, None] * s[:, None] ** k / np.sqrt(factorial(k))


def jumps(u):
    """Elsewhere than at 0."""
    return np.where(u > 0.3, 2.0, 0.0)


def resolve(f, s, tail, **options):
    return hermite.resolve(on_panels(f, s), s, tail, **options)


def test_the_unit_of_rounding_is_half_a_last_place_of_1():
    assert np.finfo(np.float64).eps / 2 == ROUNDING


@pytest.mark.filterwarnings("error")
def test_what_has_no_norm_has_the_inverse_0():
    np.testing.assert_array_equal(hermite.inverse(np.array([0.0, 0.5, 1.0, 4.0])), [0, 2, 1, 0.25])


# ---------------------------------------------------------------------- the coefficients


@pytest.mark.parametrize("tail", [1e-2, 1e-13])
def test_the_coefficients_of_an_exponential_are_within_the_error_in_the_order_of_the_deviations(tail):
    s = np.array([0.5, 2.0, 0.0, 1.0])
    series = coefficients(np.exp, s, tail)
    exact = exp_coefficients(s, series.a.shape[1])
    moment = np.exp(2 * s**2)
    assert (np.linalg.norm(series.a - exact, axis=1) <= series.error + 4 * ROUNDING * np.sqrt(moment)).all()
    assert (abs(np.sqrt(series.second_moment) - np.exp(s**2)) <= series.error + 4 * ROUNDING * np.sqrt(moment)).all()
    # polynomials follow f up to 2⁻⁴⁶ of the largest value as near to 0, and twice what is seen is stated
    assert (series.error <= 2.0**-44 * np.sqrt(moment)).all()


def test_the_tail_is_the_rest_of_the_squares():
    s = np.array([0.5, 2.0, 1.0])
    for tail in (0.3, 1e-2):
        series = coefficients(np.exp, s, tail)
        rest = poisson.sf(series.a.shape[1] - 1, s**2) * np.exp(2 * s**2)
        assert (series.tail >= rest * (1 - 1e-12)).all()
        np.testing.assert_allclose(series.tail, rest, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("s", [[0.5], [2.0], [2.0, 1.0, 0.5]])
@pytest.mark.parametrize("tail", [0.5, 1e-2, 1e-6])
@pytest.mark.parametrize("rho", [1.0, 0.7, 0.0])
def test_there_are_as_many_terms_as_it_takes_and_not_one_more(s, tail, rho):
    terms = max(next(K for K in range(1, 99) if rho**K * poisson.sf(K - 1, t**2) <= tail) for t in s)
    for begin in (1, 4, 32):
        assert coefficients(np.exp, np.array(s), tail, rho, begin).a.shape == (len(s), terms)
    # e^u times a number makes no difference
    assert coefficients(lambda u: 1e-3 * np.exp(u), np.array(s), tail, rho).a.shape == (len(s), terms)


def test_without_a_correlation_the_series_is_meant_for_all_and_one_term_may_do():
    s = np.array([2.0])
    assert coefficients(np.exp, s, 1e-3).a.shape == coefficients(np.exp, s, 1e-3, rho=1.0).a.shape
    assert coefficients(np.ones_like, s, 1e-3).a.shape == (1, 1)
    for f, terms in ((np.exp, coefficients(np.exp, s, 1e-3).a.shape[1]), (np.ones_like, 1)):
        assert resolve(f, s, 1e-3, visit=lambda rows, part: None).terms == terms


def test_more_terms_come_if_at_least_so_many_are_wanted():
    series = coefficients(np.exp, np.array([0.5, 1.0]), 0.5, terms=8, least=6)
    np.testing.assert_allclose(series.a, exp_coefficients(np.array([0.5, 1.0]), 6), rtol=1e-12, atol=1e-14)


def test_a_function_that_vanishes_has_one_coefficient_and_no_error():
    for f, s in ((np.zeros_like, [1.0, 2.0]), (np.sinh, [0.0])):
        series = coefficients(f, np.array(s), 1e-6)
        assert [np.count_nonzero(array) for array in series] == [0, 0, 0, 0]
        assert series.a.shape[1] == 1


@pytest.mark.parametrize("power", [-300, -20, 20, 300])
def test_a_function_times_a_power_of_2_has_all_bits_of_its_coefficients(power):
    s = np.array([0.5, 2.0])
    for f in (np.exp, np.abs, jumps):
        one = coefficients(f, s, 0.1)
        scaled = coefficients(lambda u, f=f: np.ldexp(f(u), power), s, 0.1)
        np.testing.assert_array_equal(scaled.a, np.ldexp(one.a, power))
        np.testing.assert_array_equal(scaled.error, np.ldexp(one.error, power))
        np.testing.assert_array_equal(scaled.tail, np.ldexp(one.tail, 2 * power))


# ---------------------------------------------------------------------- the bounds, by hand


def test_the_remainders_are_what_parsevals_sum_lacks_and_eight_roundings():
    a = np.array([[3.0, 0.0, 4.0], [0.5, 0.25, 0.25]])
    rounding = 2.0**-50 * np.array([[26.0], [0.375]])
    rest = [[17, 17, 1], [0.125, 0.0625, 0]]
    np.testing.assert_allclose(hermite.remainder(a, np.array([26, 0.375])), rest + rounding, rtol=1e-15)
    # rounding has made the sum larger than the whole
    np.testing.assert_array_equal(hermite.remainder(np.array([[1.0]]), np.array([0.5])), [[2.0**-51]])


def test_a_jump_at_0_does_no_harm():
    s = np.array([0.5, 1.0])
    series = coefficients(lambda u: np.where(u > 0, 1.0, -0.5), s, 0.1)
    assert (series.error <= SETTLED * np.sqrt(series.second_moment)).all()
    # E[f] = 1/4, E[f z] = 3/2 / √(2π), E[f²] = 5/8
    np.testing.assert_allclose(series.a[:, :2], [[0.25, 1.5 / math.sqrt(2 * math.pi)]] * 2, rtol=1e-13)
    np.testing.assert_allclose(series.second_moment, 0.625, rtol=1e-13)


# ---------------------------------------------------------------------- many deviations


def shown_by(f, s, tail, **options):
    """What `resolve` returns, the blocks of rows that it shows, and every row as it is shown last."""
    blocks, rows_of = [], {}

    def visit(rows, part):
        blocks.append(rows)
        rows_of.update(zip(rows.tolist(), part.a, strict=True))

    series = resolve(f, s, tail, visit=visit, **options)
    return series, blocks, np.array([rows_of[row] for row in range(len(s))])


def test_at_most_128_deviations_come_at_a_time_the_largest_first_and_each_of_them_once():
    s = np.linspace(0.1, 2, 1025)
    series, blocks, shown = shown_by(np.exp, s, 1e-6)
    assert [len(rows) for rows in blocks] == [114] * 8 + [113]
    assert np.concatenate(blocks).tolist() == list(range(1024, -1, -1))
    np.testing.assert_allclose(shown, exp_coefficients(s, series.terms), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(coefficients(np.exp, s, 1e-6).a, shown)


def test_a_series_computes_again_what_was_shown_128_rows_at_a_time():
    """Some deviations are so small that 1 + |u| is constant, and some are 0: each has nodes of its own."""
    s = np.concatenate([np.full(300, 1e-12), np.linspace(1, 2, 300), [0.0]])
    series, _, shown = shown_by(lambda u: 1 + abs(u), s, 0.1)
    sizes = []
    expand = series.expand
    series = series._replace(expand=lambda s, terms: sizes.append(len(s)) or expand(s, terms))
    for rows in (np.array([297, 599, 298, 300, 600]), np.arange(601), np.array([7])):
        np.testing.assert_allclose(series.coefficients(rows), shown[rows], rtol=1e-12, atol=1e-14)
    assert max(sizes) <= 128
    assert shown[[7, 600], 0] == pytest.approx(1)
    assert shown[599, 0] == pytest.approx(1 + 2 * math.sqrt(2 / math.pi))


def test_all_rows_come_once_more_where_a_smaller_deviation_needs_more_terms():
    """Of u + sin 3u, a large deviation sees little more than u."""
    s = np.concatenate([np.linspace(0.9, 1, 300), np.linspace(20, 21, 300)])

    def f(u):
        return u + np.sin(3 * u)

    series, blocks, shown = shown_by(f, s, 1e-2, terms=4)
    assert coefficients(f, s[300:], 1e-2).a.shape[1] == 2
    assert series.terms == coefficients(f, s[:300], 1e-2).a.shape[1] > 8
    assert np.bincount(np.concatenate(blocks)).tolist() == [2] * 600
    # a_k of sin 3sz is (3s)^k e^(-(3s)²/2) / √k!, k odd, with the sign of i^(k - 1)
    k = np.arange(1, series.terms, 2)
    exact = (3 * s[:, None]) ** k * np.exp(-4.5 * s[:, None] ** 2) / np.sqrt(factorial(k)) * (-1) ** (k // 2)
    exact[:, 0] += s
    np.testing.assert_allclose(shown[:, 1::2], exact, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(coefficients(f, s, 1e-2, terms=4).a, shown)


def test_there_are_no_more_than_4096_terms_and_the_tail_tells_what_is_missing():
    """Σ_{k≥K} of a jump's squares falls as 1/√K only."""
    series = coefficients(np.sign, np.array([1.0, 2.0]), 1e-6, terms=2048)
    assert series.a.shape == (2, 4096)
    # a_k² = (2/π) ((k - 2)!!)² / k! for odd k; Σ_{k≥K} of its asymptote (2/π)^1.5 k^(-1.5), every other k, is 2K^(-½)/2
    np.testing.assert_allclose(series.tail, (2 / math.pi) ** 1.5 / math.sqrt(4096), rtol=1e-3)
