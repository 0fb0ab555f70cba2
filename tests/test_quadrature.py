"""The quadrature rules against their definitions and known expectations."""

import math

import numpy as np
import pytest

from minimal_gd.gaussian.quadrature import Rule, finite, hermite, hermite_sums, nodes_for, trapezoid

EPS = np.finfo(float).eps


def density(x):
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("count", [2, 8, 128])
def test_the_trapezoid_rule_has_even_steps_from_minus_14_to_14(count):
    x, weights = trapezoid(count)
    np.testing.assert_allclose(x, np.linspace(-14, 14, count), rtol=0, atol=14 * EPS)
    np.testing.assert_allclose(weights, 28 / (count - 1) * density(x), rtol=4 * EPS)


def test_the_trapezoid_rule_takes_the_step_that_its_nodes_have():
    """A step taken as a difference of two nodes is wrong by 6e-13."""
    x, weights = trapezoid(512)
    assert abs(weights.sum() - 1) <= 4e-16
    assert abs(weights @ x**2 - 1) <= 1e-15


def test_the_trapezoid_rule_is_orthonormal_on_hermite_polynomials():
    """From degree 17 on they reach outside of [-14, 14]; what is left inside is never more than the whole."""
    x, weights = trapezoid(1024)
    h = hermite(x, np.sqrt(weights), 100)
    products = h @ h.T
    np.testing.assert_allclose(products[:16, :16], np.eye(16), atol=1e-14)
    assert np.linalg.eigvalsh(products).max() <= 1 + 1e-13


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_the_hermite_polynomials_are_the_normalised_ones_times_the_weights(count):
    x, weights = np.array([-2.0, 0.0, 0.5, 3.0]), np.array([1.0, 2.0, 3.0, 0.25])
    known = [
        np.ones(4),
        x,
        (x**2 - 1) / math.sqrt(2),
        (x**3 - 3 * x) / math.sqrt(6),
        (x**4 - 6 * x**2 + 3) / math.sqrt(24),
    ]
    np.testing.assert_allclose(hermite(x, weights, count), weights * known[:count], rtol=1e-14, atol=1e-14)


def test_sums_over_hermite_polynomials_are_those_of_the_polynomials_at_the_nodes_of_every_deviation():
    rng = np.random.default_rng(0)
    x, weights, f, s = rng.uniform(-3, 3, 48), rng.uniform(0, 1, 48), rng.standard_normal(48), np.array([0.5, 2.0])
    for terms in (1, 2, 7):
        expected = [hermite(x / one, weights * f * density(x / one) / one, terms).sum(axis=1) for one in s]
        np.testing.assert_allclose(hermite_sums(x, weights, f, s, terms), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("terms", "nodes"), [(1, 128), (16, 128), (17, 256), (64, 256), (65, 512), (1024, 1024), (4096, 2048)]
)
def test_32_nodes_for_the_root_of_the_terms_are_rounded_up_to_a_power_of_2_from_128_on(terms, nodes):
    assert nodes_for(terms) == nodes


# ---------------------------------------------------------------------- what a rule keeps


def test_the_basis_of_a_rule_is_the_weighted_polynomials_however_often_it_is_asked_for():
    x, weights = trapezoid(128)
    rule = Rule(x, weights)
    for terms in (1, 3, 2, 3, 5):
        np.testing.assert_array_equal(rule.basis(terms), hermite(x, weights, terms).T)


@pytest.mark.parametrize(("terms", "is_kept"), [(1, True), (512, True), (513, False)])
def test_a_rule_keeps_its_basis_up_to_2_to_the_16_numbers(terms, is_kept):
    rule = Rule(*trapezoid(128))
    assert np.shares_memory(rule.basis(terms), rule.basis(terms)) is is_kept


def test_a_larger_basis_takes_the_place_of_the_one_that_is_kept():
    rule = Rule(*trapezoid(128))
    small, large = rule.basis(2), rule.basis(4)
    assert np.shares_memory(rule.basis(2), large)
    assert not np.shares_memory(rule.basis(2), small)


# ---------------------------------------------------------------------- values of a function


@pytest.mark.parametrize(("bad", "shown"), [(math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "nan")])
def test_a_function_that_is_not_finite_is_refused_with_what_it_gives_and_where(bad, shown):
    x = np.array([-6.0, 1, 8])
    with pytest.raises(ValueError, match=rf"^an activation must be finite .* got {shown} at 8$"):
        finite(lambda z: np.where(z == 8, bad, z), x)


@pytest.mark.filterwarnings("error")
def test_a_function_that_overflows_gives_no_warning_but_is_refused():
    with pytest.raises(ValueError, match=r"got inf at 1000$"):
        finite(np.exp, np.array([0.0, 1000.0]))
