"""Gaussian expectations against 30-digit values, closed forms against series, and errors that are never too small."""

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from profiles import at_most
from scipy.integrate import quad

import minimal_gd as mgd
from minimal_gd import activations, gaussian
from minimal_gd.gaussian import closed_forms
from minimal_gd.limits.expectations import moments, pair_expectations
from minimal_gd.limits.moments import Accuracy

REFERENCES = json.loads(Path(__file__).with_name("references.json").read_text(encoding="utf-8"))
NAMES = sorted({reference["activation"] for reference in REFERENCES})
# Differences are taken in 40 digits: float64 would add its own rounding to what is measured.
mp.dps = 40


@cache
def by_series(name):
    """The same activation without its closed form."""
    known = activations.get(name)
    return mgd.Activation(known.sigma, known.dsigma, name)


def methods(name):
    """The ways to compute its expectations: as the package does, and by the series where σ′ has no jump."""
    known = activations.get(name)
    return [known] if known.closed_form is None or name == "relu" else [known, by_series(name)]


def true_errors(result, reference):
    pairs = (result.product, reference["product"]), (result.slope_product, reference["slope_product"])
    return [abs(mpf(float(value)) - mpf(exact)) for value, exact in pairs]


def of_activation(name):
    return [reference for reference in REFERENCES if reference["activation"] == name]


@pytest.mark.parametrize("name", NAMES)
def test_every_error_is_at_most_the_bound_that_comes_with_it(name):
    for activation in methods(name):
        for reference in of_activation(name):
            result = pair_expectations(activation, *reference["abc"])
            product_error, slope_error = true_errors(result, reference)
            assert product_error <= result.product_error, (activation, reference)
            assert slope_error <= result.slope_error, (activation, reference)


@pytest.mark.parametrize("name", NAMES)
def test_bounds_for_unit_variances_meet_the_tolerance(name):
    for activation in methods(name):
        for reference in of_activation(name):
            a, b, c = reference["abc"]
            if a == b == 1 and (name != "relu" or abs(c) < 0.99):
                result = pair_expectations(activation, a, b, c)
                assert max(result.product_error, result.slope_error) <= 1e-12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_a_larger_tolerance_is_met_and_its_bound_holds(name, tolerance):
    for activation in methods(name):
        for reference in of_activation(name):
            result = pair_expectations(activation, *reference["abc"], tolerance=tolerance)
            product_error, slope_error = true_errors(result, reference)
            assert product_error <= result.product_error <= tolerance * 30
            assert slope_error <= result.slope_error <= tolerance * 30


def test_a_smaller_tolerance_never_gives_a_much_larger_bound():
    for reference in of_activation("softplus") + of_activation("tanh"):
        activation = activations.get(reference["activation"])
        bounds = [
            float(pair_expectations(activation, *reference["abc"], tolerance=tolerance).slope_error)
            for tolerance in np.logspace(-1, -15, 8)
        ]
        # beyond rounding, 1e-14, there is nothing to gain
        assert all(later <= earlier + 1e-14 for earlier, later in pairwise(bounds))


@pytest.mark.parametrize("name", NAMES)
def test_means_and_second_moments_are_within_their_bounds(name):
    known = activations.get(name)
    for reference in of_activation(name):
        a, b, c = reference["abc"]
        exact = mpf(reference["mean"])
        value, error = gaussian.mean(known.sigma, a)
        assert abs(mpf(float(value)) - exact) <= error
        closed = moments(known, np.array([[a]]), Accuracy(tail=1e-13))
        relative = closed.errors
        assert abs(mpf(float(closed.mean[0, 0])) - exact) <= relative.mean * math.sqrt(closed.second_moment[0, 0])
        if a == b == c:
            value, error = gaussian.second_moment(known.sigma, a)
            assert abs(mpf(float(value)) - mpf(reference["product"])) <= error


@pytest.mark.parametrize("name", [name for name in NAMES if name != "relu"])
def test_products_of_any_two_functions_are_within_their_bounds(name):
    known = activations.get(name)
    a, b, c = np.transpose([reference["abc"] for reference in of_activation(name)])
    for f, key in ((known.sigma, "product"), (known.dsigma, "slope_product")):
        values, errors = gaussian.product(f, f, a, b, c)
        exact = [mpf(reference[key]) for reference in of_activation(name)]
        assert all(
            abs(mpf(float(value)) - truth) <= error for value, truth, error in zip(values, exact, errors, strict=True)
        )


@given(st.floats(0, 4), st.floats(0, 4), st.floats(-1, 1))
def test_the_product_of_an_exponential_and_a_cosine_is_known(a, b, rho):
    """E[e^u cos v] = e^((a - b)/2) cos c."""
    c = rho * math.sqrt(a * b)
    value, error = gaussian.product(np.exp, np.cos, a, b, c)
    # c itself is rounded, and √a, √b
    assert abs(value - math.exp((a - b) / 2) * math.cos(c)) <= error + 1e-15 * math.exp(a)


variances = st.floats(1e-8, 9)
correlations = st.one_of(st.floats(-1, 1), st.sampled_from([-1.0, 1.0, 1 - 1e-12, 0.0]))


def by_two_sums(f, a, b, c, step=0.07):
    """E[f(u) f(v)] by the trapezoid rule in both variables: an independent way, good to about 1e-14."""
    z = np.arange(-9, 9 + step / 2, step)
    weights = step * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    v = c / math.sqrt(a) * z[:, None] + math.sqrt(max(b - c * c / a, 0)) * z
    return weights @ (f(math.sqrt(a) * z) * (f(v) @ weights))


@at_most(30)
@given(st.sampled_from(["softplus", "tanh", "sigmoid", "silu", "erf", "gelu", "sincos"]), variances, variances)
def test_two_ways_to_compute_an_expectation_agree_within_the_bound(name, a, b):
    known = activations.get(name)
    for rho in (-1.0, -0.6, 0.0, 0.3, 0.9, 1 - 1e-9, 1.0):
        c = rho * math.sqrt(a * b)
        for activation in methods(name):
            result = pair_expectations(activation, a, b, c)
            scale = math.sqrt(by_two_sums(known.sigma, a, a, a) * by_two_sums(known.sigma, b, b, b))
            assert abs(result.product - by_two_sums(known.sigma, a, b, c)) <= result.product_error + 1e-11 * scale
            assert abs(result.slope_product - by_two_sums(known.dsigma, a, b, c)) <= result.slope_error + 1e-10


@at_most(40)
@given(st.sampled_from(NAMES), variances, variances, st.floats(-0.9, 0.9))
def test_the_derivative_in_the_covariance_is_the_product_of_the_slopes(name, a, b, rho):
    """Price's identity. A central difference errs by about ε^(2/3), times the third derivative."""
    root = math.sqrt(a * b)
    step = 1e-5 * root
    for activation in methods(name):
        c = rho * root
        above, below = (pair_expectations(activation, a, b, c + shift).product for shift in (step, -step))
        at = pair_expectations(activation, a, b, c)
        scale = math.sqrt(
            pair_expectations(activation, a, a, a).product * pair_expectations(activation, b, b, b).product
        )
        allowed = 1e-7 * (1 + abs(at.slope_product)) * (1 + max(a, b)) + 1e-10 * scale / root
        assert abs((above - below) / (2 * step) - at.slope_product) <= allowed


@given(st.sampled_from(NAMES), variances)
def test_a_zero_variance_factorises(name, b):
    known = activations.get(name)
    result = pair_expectations(known, 0.0, b, 0.0)
    mean = moments(known, np.array([[b]]), Accuracy(tail=1e-13)).mean[0, 0]
    assert abs(result.product - known.sigma(0.0) * mean) <= result.product_error
    slope = gaussian.mean(known.dsigma, b)[0]
    assert abs(result.slope_product - known.dsigma(0.0) * slope) <= result.slope_error + 1e-14


@given(st.sampled_from(NAMES), variances, st.floats(0.1, 4), st.sampled_from([-1, 1]))
def test_a_correlation_beyond_one_by_rounding_gives_no_nan(name, a, factor, sign):
    for activation in methods(name):
        for excess in (-4e-16, 0, 4e-16):
            result = pair_expectations(activation, a, a * factor**2, sign * a * factor * (1 + excess))
            assert np.isfinite(result).all()


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def leaky_slope(z):
    return np.where(z > 0, 1.0, 0.1)


@given(variances, variances, st.floats(-0.9, 0.9))
@at_most(30)
def test_a_leaky_relu_is_as_exact_as_its_closed_form(a, b, rho):
    """leaky = 0.1 z + 0.9 relu."""
    c = rho * math.sqrt(a * b)
    result = pair_expectations(mgd.Activation(leaky, leaky_slope), a, b, c)
    relu, both = relu_products(a, b, c)
    slopes = 0.01 + 2 * 0.09 * 0.5 + 0.81 * both
    # E[z relu] = c/2
    product = 0.01 * c + 0.09 * c + 0.81 * relu
    assert abs(result.slope_product - slopes) <= result.slope_error <= 1e-11
    assert abs(result.product - product) <= result.product_error <= 1e-11 * math.sqrt(a * b)


def moment_by_quad(function, power, kinks):
    def integrand(z):
        return float(function(np.array(z))) ** power * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    return quad(integrand, -12, 12, points=kinks, epsabs=1e-13)[0]


@pytest.mark.parametrize("kink", [0.3, 1.0, 2.5])
def test_a_kink_elsewhere_gives_a_large_error_that_is_true(kink):
    def f(z):
        return np.clip(z, -kink, kink / 2)

    def slope(z):
        return ((z > -kink) & (z < kink / 2)).astype(float)

    result = pair_expectations(mgd.Activation(f, slope), 1.0, 1.0, [0.0, 1.0])
    for function, values, errors in (
        (f, result.product, result.product_error),
        (slope, result.slope_product, result.slope_error),
    ):
        mean, square = (moment_by_quad(function, power, [-kink, kink / 2]) for power in (1, 2))
        assert abs(values[0] - mean**2) <= errors[0]
        assert abs(values[1] - square) <= errors[1]


def relu_products(*numbers):
    """The closed form for one pair of variances a, b and covariance c."""
    a, b, c, product, slope = (np.full((1, 1, 1), number, dtype=np.float64) for number in (*numbers, 0, 0))
    closed_forms.relu_products(a, b, c, product, slope)
    return product.item(), slope.item()
