"""Expectations of an activation whose slope jumps: what the jumps contribute is exact, and the errors hold."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from numpy.polynomial.legendre import leggauss

import minimal_gd as mgd
from minimal_gd.gaussian.kinks import Jumps, ramp_pair
from minimal_gd.limits.expectations import moments, pair_expectations
from minimal_gd.limits.moments import Accuracy, Pairs

mp.dps = 30


def pieces(f, cuts):
    """∫ f over [-12, 12], f smooth between the cuts, by Gauss's rule on pieces of at most a half."""
    nodes, weights = leggauss(24)
    cuts = np.array([-12, *sorted(cut for cut in cuts if abs(cut) < 12), 12])
    edges = np.concatenate([np.linspace(a, b, max(2, math.ceil(2 * (b - a)) + 1))[:-1] for a, b in pairwise(cuts)])
    half, middle = np.diff(edges, append=12.0)[:, None] / 2, (edges + np.append(edges[1:], 12.0))[:, None] / 2
    x = (middle + half * nodes).reshape(-1)
    return (half * weights).reshape(-1) @ f(x)


def bell(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def two_integrals(f, kinks, a, b, c):
    """E[f(u) f(v)] to about 1e-13: the inner integral has layers as wide as v's deviation, given u."""
    s, t, rho = math.sqrt(a), math.sqrt(b), c / math.sqrt(a * b)
    r = math.sqrt(1 - rho * rho)

    def inner(x):
        y = [
            pieces(lambda z, one=one: f(t * (rho * one + r * z)) * bell(z), [(k / t - rho * one) / r for k in kinks])
            for one in x
        ]
        return f(s * x) * bell(x) * np.array(y)

    layers = [(k / t + r * step) / rho for k in kinks for step in (-8, -4, -2, -1, 0, 1, 2, 4, 8) if rho]
    return pieces(inner, [*(k / s for k in kinks), *layers])


def exactly(h, k, rho):
    """P(x ≥ h, y ≥ k) and E[relu(x - h) relu(y - k)], given x an expectation over y in closed form."""
    h, k, rho = mpf(h), mpf(k), mpf(rho)
    r = mp.sqrt(1 - rho * rho)

    def ramp(x):
        z = (rho * x - k) / r
        return (x - h) * mp.npdf(x) * r * (mp.npdf(z) + z * mp.ncdf(z))

    layers = [(k + step * r) / rho for step in (-6, -2, 2, 6)] if rho else []
    cuts = sorted({h, h + 1, h + 4, h + 15, *(cut for cut in layers if h < cut < h + 15)})
    both = mp.quad(lambda x: mp.npdf(x) * mp.ncdf((rho * x - k) / r), cuts)
    return mp.quad(ramp, cuts), both


@pytest.mark.parametrize("rho", [-0.9999, -0.5, 0.0, 0.3, 0.999999])
@pytest.mark.parametrize(("h", "k"), [(0.0, 0.0), (0.0, 0.7), (0.7, 0.7001), (3.0, 0.5), (6.0, 6.5)])
def test_two_ramps_and_two_steps_have_their_expectations_to_rounding(h, k, rho):
    """A rounding of ρ moves the angle by as much, over r."""
    found, exact = ramp_pair(h, k, rho), exactly(h, k, rho)
    assert max(abs(one - other) for one, other in zip(found, exact, strict=True)) <= 2.0**-51 / math.sqrt(1 - rho * rho)
    assert ramp_pair(k, h, rho) == pytest.approx(found, rel=1e-9, abs=1e-16)


def test_equal_and_opposite_variables_are_limits_of_nearly_equal_ones():
    for h, k in ((0.0, 0.0), (0.5, 0.5), (0.5, 1.5), (2.0, 0.0)):
        for sign in (1.0, -1.0):
            assert ramp_pair(h, k, sign) == pytest.approx(ramp_pair(h, k, sign * (1 - 2.0**-52)), abs=1e-7)


def test_coefficients_of_steps_are_those_of_their_values():
    """E[J(sz) h_k(z)] by pieces, for the h_k as they are defined."""
    jumps = Jumps(np.array([-0.8, 0.0, 1.5]), np.array([0.5, -2.0, 3.0]))
    s = np.array([0.5, 2.0, 0.0])
    a = jumps.coefficients(s, 5)
    assert not a[2].any()
    for k in range(5):
        h = np.polynomial.HermiteE.basis(k)
        for row in range(2):
            exact = pieces(lambda z, h=h, one=s[row]: jumps(one * z) * h(z) * bell(z), jumps.places / s[row])
            assert a[row, k] == pytest.approx(exact / math.sqrt(math.factorial(k)), abs=1e-14)
    np.testing.assert_array_equal(jumps.coefficients(s, 2), a[:, :2])


def test_what_bounds_the_jumps_does():
    """√E[J(u)²], and s |∂/∂s| of their coefficients by differences, which err by the square of a step."""
    jumps = Jumps(np.array([-0.8, 0.2, 1.5]), np.array([0.5, -2.0, 3.0]))
    s, step = np.array([0.1, 0.5, 2.0]), 1e-5
    for one, norm in zip(s, jumps.norms(s), strict=True):
        assert math.sqrt(pieces(lambda z, one=one: jumps(one * z) ** 2 * bell(z), jumps.places / one)) <= norm
    moved = [jumps.coefficients(s * factor, 200) for factor in (1 + step, 1 - step)]
    assert (abs(moved[0] - moved[1]) / (2 * step) <= jumps.speeds(s)[:, None] + 1e-6).all()


def elu(alpha):
    return (
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
    )


KINKED = {
    "elu": (*elu(0.3), (0.0,)),
    "hard tanh": (lambda z: np.clip(z, -1, 1), lambda z: np.where(abs(z) < 1, 1.0, 0.0), (-1.0, 1.0)),
    "tanh and two kinks": (
        lambda z: np.tanh(z) + 0.3 * abs(z - 0.5) - 0.6 * np.maximum(z + 1.2, 0),
        lambda z: np.cosh(z) ** -2.0 + 0.3 * np.sign(z - 0.5) - 0.6 * (z > -1.2),
        (0.5, -1.2),
    ),
    "hard swish": (
        lambda z: z * np.clip(z + 3, 0, 6) / 6,
        lambda z: np.where(z <= -3, 0.0, np.where(z >= 3, 1.0, (2 * z + 3) / 6)),
        (-3.0, 3.0),
    ),
}


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize(("a", "b", "rho"), [(1.0, 1.0, 0.5), (1.0, 0.3, -0.9)])
def test_kinked_activations_are_within_small_errors_of_two_integrals(name, a, b, rho):
    sigma, dsigma, kinks = KINKED[name]
    c = rho * math.sqrt(a * b)
    result = pair_expectations(mgd.Activation(sigma, dsigma, kinks=kinks), a, b, c)
    assert abs(result.product - two_integrals(sigma, kinks, a, b, c)) <= result.product_error + 1e-13
    assert abs(result.slope_product - two_integrals(dsigma, kinks, a, b, c)) <= result.slope_error + 1e-13
    assert max(result.product_error, result.slope_error) <= 2e-13


@pytest.mark.parametrize("name", KINKED)
def test_what_is_left_of_the_continuous_part_is_no_less_than_its_next_coefficients(name):
    sigma, dsigma, kinks = KINKED[name]
    s = np.array([0.3, 1.0, 4.0])
    expand, _, jumps = mgd.Activation(sigma, dsigma, kinks=kinks).expansions(s, 1e-12)
    np.testing.assert_array_equal(jumps.places, sorted(kinks))
    rest, squares = expand(s, 8).rest, (expand(s, 256).a - jumps.coefficients(s, 256)) ** 2
    assert (rest >= squares.sum(axis=1, keepdims=True) - np.cumsum(squares[:, :8], axis=1) - 1e-15).all()


@pytest.mark.parametrize("constants", [{}, {"lipschitz": 1.0, "smoothness": 0.0}], ids=["bare", "stated"])
@pytest.mark.parametrize("slope", [0.01, -1.0])
def test_a_leaky_relu_of_ones_own_is_as_precise_as_the_closed_form_up_to_parallel_inputs(slope, constants):
    closed = mgd.activations.leaky_relu(slope)
    own = mgd.Activation(closed.sigma, closed.dsigma, kinks=(0.0,), **constants)
    for a, b, rho in ((1.0, 1.0, 0.5), (0.3, 2.0, -0.99), (1.0, 4.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0)):
        c = rho * math.sqrt(a * b)
        first, second = (pair_expectations(act, a, b, c) for act in (closed, own))
        assert abs(first.product - second.product) <= first.product_error + second.product_error
        assert abs(first.slope_product - second.slope_product) <= first.slope_error + second.slope_error
        assert second.product_error <= 2e-13
        assert second.slope_error <= 16 * first.slope_error + 2e-13


@pytest.mark.parametrize(
    ("net", "X"),
    [
        (lambda act: mgd.FullyConnected(4, 1, 3, act), mgd.data.sphere(5, 4, seed=0) * np.array([[1, 1, 1, 2, 0.5]]).T),
        (lambda act: mgd.ResNet(4, 1, 3, act), mgd.data.sphere(5, 4, seed=1)),
        (lambda act: mgd.ConvResNet((1, 4), 1, 3, (3,), act), np.random.default_rng(0).standard_normal((3, 1, 4))),
    ],
    ids=["FullyConnected", "ResNet", "ConvResNet"],
)
@pytest.mark.filterwarnings("ignore:the limits of")
def test_three_layers_of_a_leaky_relu_have_the_limits_of_the_closed_form(net, X):
    closed = mgd.activations.leaky_relu(0.2)
    own = mgd.Activation(closed.sigma, closed.dsigma, kinks=(0.0,))
    (K, error), (exact, its_error) = (mgd.gram.limiting(net(act), X) for act in (own, closed))
    assert abs(K - exact).max() <= error + its_error
    assert error <= 100 * its_error


places = st.lists(st.floats(-3, 3), min_size=1, max_size=3, unique=True)


@settings(max_examples=15)
@given(places, st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-1, 1))
@example([0.0, 1.0], 1.0, 1.0, 1.0)
@example([-1.0, 1.0], 1.0, 2.0, 0.999999)
@example([1e-300], 1.0, 1.0, 0.5)
def test_ramps_at_any_places_have_the_sum_of_their_expectations(places, s, t, rho):
    """σ = Σ_j (j + 1) relu(z - t_j), and relu(u - t) = u - t + relu(t - u) where t < 0."""
    sizes = np.arange(1.0, len(places) + 1)
    act = mgd.Activation(
        lambda z: sum(size * np.maximum(z - place, 0) for size, place in zip(sizes, places, strict=True)),
        lambda z: sum(size * np.where(z >= place, 1.0, 0.0) for size, place in zip(sizes, places, strict=True)),
        kinks=places,
    )
    result = pair_expectations(act, s * s, t * t, rho * s * t)
    exact = slope = 0.0
    for size, place in zip(sizes, places, strict=True):
        for other, second in zip(sizes, places, strict=True):
            exact += size * other * s * t * ramp_of_any_signs(place / s, second / t, rho)[0]
            slope += size * other * ramp_of_any_signs(place / s, second / t, rho)[1]
    total = sizes.sum() ** 2 * (s + 3) * (t + 3)
    assert abs(result.product - exact) <= result.product_error + 1e-15 * total
    # within the error the angle may be another, for the exact value too
    assert abs(result.slope_product - slope) <= result.slope_error + 1e-15 * total


def ramp_of_any_signs(h, k, rho):
    """From places ≥ 0 by relu(x - h) = x - h + relu(-x + h) and 1{x ≥ h} = 1 - 1{-x > -h}."""
    if h < 0 and k < 0:
        value, both = ramp_pair(-h, -k, rho)
        means = [mean_ramp(-one) for one in (h, k)]
        # (x - h + m)(y - k + n), with E[x n] = -ρ P(-y ≥ -k) for n = relu(-y + k), and so on
        above = [mean_step(-one) for one in (h, k)]
        value += rho + h * k - rho * (above[0] + above[1]) - h * means[1] - k * means[0]
        return value, 1 - above[0] - above[1] + both
    if h < 0:
        value, both = ramp_pair(-h, k, -rho)
        return value + rho * mean_step(k) - h * mean_ramp(k), mean_step(k) - both
    if k < 0:
        return ramp_of_any_signs(k, h, rho)
    return ramp_pair(h, k, rho)


def mean_step(h):
    return 0.5 * math.erfc(h / math.sqrt(2))


def mean_ramp(h):
    return float(bell(h)) - h * mean_step(h)


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize("rho", [0.2, 0.9, 1.0])
def test_what_an_error_of_a_covariance_or_a_variance_does_is_in_the_errors(name, rho):
    """At the ends of what is allowed, the expectations differ from those in the middle by no more than the errors."""
    sigma, dsigma, kinks = KINKED[name]
    act, size = mgd.Activation(sigma, dsigma, kinks=kinks), 1e-4
    pairs, both = Pairs(np.zeros(1, int), np.zeros(1, int), slice(0, 1), slice(1, 2)), slice(0, 2)

    def layer_at(variance, c, accuracy):
        layer = moments(act, np.array([variance]), accuracy)
        layer.prepare(both, both)
        found = np.empty((2, 1, 1, 1))
        layer.products(np.full((1, 1, 1), c), pairs, *found)
        return found[:, 0, 0, 0], layer

    for accuracy, variance, c in (
        (Accuracy(size, 0.0, rho, 1e-14), (1.0, 0.7), (rho - size) * math.sqrt(0.7)),
        (Accuracy(0.0, size, rho, 1e-14), (1.0 + size, 0.7), rho * math.sqrt(0.7)),
        (Accuracy(0.0, size, rho, 1e-14), (1.0, 0.7 * (1 - size)), rho * math.sqrt(0.7 * (1 - size))),
    ):
        found, layer = layer_at((1.0, 0.7), rho * math.sqrt(0.7), accuracy)
        moved, _ = layer_at(variance, c, Accuracy(tail=1e-14))
        norms = layer.second_moment.prod() ** 0.5, layer.slope_moment.prod() ** 0.5
        for one, other, error, norm in zip(found, moved, layer.errors[:2], norms, strict=True):
            assert abs(one - other) <= error * norm
