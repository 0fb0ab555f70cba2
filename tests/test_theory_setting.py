"""Loss, conditions on σ, architectures, initialisation and descent, each against plain loops or mpmath."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import HermiteE
from references import conv_resnet_by_correlate, conv_resnet_by_loops

import minimal_gd as mgd
from minimal_gd.testing import strategies
from minimal_gd.testing.references import jacobians
from minimal_gd.testing.strategies import problem
from minimal_gd.theory import setting
from minimal_gd.theory.layers import column_layers, hidden_layers, patches

FULLY_CONNECTED = mgd.FullyConnected(3, 5, 3, "softplus")
RESNET = mgd.ResNet(3, 5, 3, "tanh", c_res=0.7)
CONV = mgd.ConvResNet((2, 4), 2, 3, (3,), "softplus", c_res=0.7)
IMAGE = mgd.ConvResNet((2, 3, 2), 2, 2, (3, 5), "sincos", c_res=0.7)


def unit_by_unit(net, params, X):
    """Equations (2) and (3), one unit of one layer at a time."""
    u = []
    for sample in X:
        x = list(sample)
        for h, W in enumerate(params.W, start=1):
            sums = [sum(w * entry for w, entry in zip(row, x, strict=True)) for row in W]
            after = [float(net.activation.sigma(np.array(z))) for z in sums]
            if h == 1 or isinstance(net, mgd.FullyConnected):
                x = [math.sqrt(net.activation.c_sigma / net.width) * s for s in after]
            else:
                x = [old + net.c_res / (net.depth * math.sqrt(net.width)) * s for old, s in zip(x, after, strict=True)]
        u.append(sum(a * entry for a, entry in zip(params.a, x, strict=True)))
    return np.array(u)


def both_sides_are(comparison, expected, rtol=1e-11):
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, expected, rtol=rtol)
    np.testing.assert_allclose(comparison.right, expected, rtol=rtol)


# ------------------------------------------------------------------ statements


def test_equation_1():
    net, params, X, y = problem(FULLY_CONNECTED, 4, 1).everything
    expected = 0.5 * sum((u - target) ** 2 for u, target in zip(unit_by_unit(net, params, X), y, strict=True))
    both_sides_are(setting.loss(net, params, X, y), expected)


def test_condition_3_1():
    comparison = setting.lipschitz_and_smooth("softplus")
    assert comparison.holds
    z = np.linspace(-10, 10, 200_001)  # sup of e^-|z| steps is at z = 0, where σ′ = ½ and σ″ = ¼; σ′ → 1 at the right
    slope = 1 / (1 + np.exp(-z))
    expected = [math.log(2), slope.max(), (slope * (1 - slope)).max()]
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-5)
    np.testing.assert_allclose(comparison.right, [math.log(2), 1, 0.25], rtol=1e-14)


def test_condition_3_2():
    comparison = setting.analytic_not_polynomial("sincos", degree=4)
    assert comparison.holds
    # E[e^{iz} h_k(z)] = i^k e^{-1/2}/√k!, so a_k² = e^{-1}/k! for every k: sin has the odd ones, cos the even ones
    expected = sum(math.exp(-1) / math.factorial(k) for k in range(5, 37))
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 1e-26, rtol=1e-12)  # E[σ²] = 1
    expected = sum(math.exp(-1) / math.factorial(k) for k in range(9, 41))
    np.testing.assert_allclose(setting.analytic_not_polynomial("sincos").left, expected, rtol=1e-9)
    second_moment = 1 / mgd.activations.get("softplus").c_sigma
    np.testing.assert_allclose(setting.analytic_not_polynomial("softplus").right, 1e-26 * second_moment, rtol=1e-12)


def test_c_σ():
    z = np.arange(-12, 12, 0.01)  # the trapezoid rule is exact to rounding for what is smooth and vanishes at the ends
    second_moment = np.sum(np.log1p(np.exp(z)) ** 2 * np.exp(-z * z / 2)) * 0.01 / math.sqrt(2 * math.pi)
    both_sides_are(setting.normalisation("softplus"), 1 / second_moment, rtol=1e-12)
    both_sides_are(setting.normalisation("sincos"), 1.0, rtol=1e-12)  # E[1 + sin 2z]


def test_equation_2():
    net, params, X, _ = problem(FULLY_CONNECTED, 3, 2).everything
    both_sides_are(setting.predictions(net, params, X), unit_by_unit(net, params, X))


def test_equation_3():
    net, params, X, _ = problem(RESNET, 3, 3).everything
    both_sides_are(setting.predictions(net, params, X), unit_by_unit(net, params, X))


def test_convolutional_network():
    for some_net, reference in ((CONV, conv_resnet_by_loops), (IMAGE, conv_resnet_by_correlate)):
        net, params, X, _ = problem(some_net, 2, 4).everything
        both_sides_are(setting.predictions(net, params, X), reference(net, params, X))


def test_patch_norms():
    net, params, X, _ = problem(CONV, 2, 5).everything
    comparison = setting.patch_norms(net, params, X)
    assert comparison.holds
    x = np.linalg.norm(X, axis=(1, 2))
    neighbours = sum(np.linalg.norm(part, axis=(1, 2)) ** 2 for part in (X, X[..., 1:], X[..., :-1]))
    np.testing.assert_allclose(comparison.left[:, 0], [x, np.sqrt(neighbours)], rtol=1e-12)
    np.testing.assert_allclose(comparison.right[:, 0], [np.sqrt(neighbours), math.sqrt(3) * x], rtol=1e-12)


def test_initialisation():
    params = mgd.FullyConnected(4, 12, 2, "softplus").init(6)
    comparison = setting.initialisation(params, delta=0.01)
    assert comparison.holds
    entries = np.sort(np.concatenate([*(W.ravel() for W in params.W), params.a]))
    Phi = np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in entries])
    N = len(entries)
    largest = max(np.abs(Phi - np.arange(N) / N).max(), np.abs(Phi - np.arange(1, N + 1) / N).max())
    np.testing.assert_allclose(comparison.left, largest, rtol=1e-12)
    np.testing.assert_allclose(comparison.right, math.sqrt(math.log(200) / (2 * N)), rtol=1e-12)


def test_gradient_descent():
    net, params, X, y = problem(RESNET, 3, 7).everything
    residual = net.predict(params, X) - y
    steps = np.concatenate([residual @ J for J in jacobians(net, params, X)])
    start = np.concatenate([*(W.ravel() for W in params.W), params.a])
    comparison = setting.descent(net, params, X, y, 0.1)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, start - 0.1 * steps, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(comparison.right, start - 0.1 * steps, rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------ where they fail


@pytest.mark.parametrize("name", ["softplus", "tanh", "sigmoid", "erf", "sincos", "gelu", "silu"])
def test_both_conditions_hold_for_the_analytic_ones(name):
    assert setting.lipschitz_and_smooth(name).holds
    assert setting.analytic_not_polynomial(name).holds


@pytest.mark.parametrize("name", ["relu", "square"])
def test_relu_and_the_square_are_not_lipschitz_and_smooth(name):
    assert not setting.lipschitz_and_smooth(name).holds
    assert not setting.lipschitz_and_smooth(name, constant=10.0).holds  # the jump over the step; 2 · 10


def hermite(k):
    """The k-th Hermite polynomial of unit norm."""
    h = HermiteE.basis(k) / math.sqrt(math.factorial(k))
    return mgd.Activation(h, h.deriv(), f"h_{k}", analytic=True)


def test_the_32_hermite_coefficients_after_the_degree_are_looked_at_and_no_others():
    for degree, k, expected in ((0, 1, 1), (0, 32, 1), (0, 33, 0), (2, 2, 0), (2, 3, 1), (2, 34, 1), (2, 35, 0)):
        left = setting.analytic_not_polynomial(hermite(k), degree).left
        np.testing.assert_allclose(left, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["relu", "square", "identity"])
def test_a_kink_and_a_polynomial_violate_condition_3_2(name):
    assert not setting.analytic_not_polynomial(name).holds


def test_one_is_a_constant_for_softplus_though_not_the_sharp_one():
    assert setting.lipschitz_and_smooth("softplus", constant=1.0).holds
    assert not setting.lipschitz_and_smooth("softplus", constant=0.9).holds


def test_the_stated_constants_are_sharp():
    for name in ("softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos"):
        comparison = setting.lipschitz_and_smooth(name)
        # the supremum of a smooth function, on a grid of step 1e-3: off by about 1e-6; softplus′ is 1 - 5e-5 at 10
        np.testing.assert_allclose(comparison.left, comparison.right, rtol=1e-4)


def test_the_quotients_are_those_of_neighbours_on_the_grid():
    # of z², z + z′: largest at the end, 10 and 10 - 1/1000
    np.testing.assert_allclose(setting.lipschitz_and_smooth("square").left, [0, 19.999, 2], rtol=1e-9)
    left = setting.lipschitz_and_smooth("tanh", reach=3.0, points=2).left
    np.testing.assert_allclose(left, [0, math.tanh(3) / 3, 0], rtol=1e-12)


def test_a_quotient_may_lose_what_rounding_takes_over_the_step():
    comparison = setting.lipschitz_and_smooth("identity", reach=3.0, points=13)
    np.testing.assert_allclose(comparison.tolerance, 4 * np.finfo(float).eps * 3 / 0.5, rtol=1e-12)


class SlightlyMore(mgd.FullyConnected):
    """A network whose predictions are off by a thousandth."""

    def predict(self, params, X):
        return 1.001 * super().predict(params, X)


class SlightlyLess(mgd.Activation):
    """An activation whose c_σ is off by a thousandth."""

    c_sigma = 0.999


def test_what_is_off_by_a_thousandth_is_noticed():
    net, params, X, _ = problem(SlightlyMore(3, 5, 2, "tanh"), 3, 11).everything
    assert not setting.predictions(net, params, X).holds
    sincos = mgd.activations.get("sincos")
    assert not setting.normalisation(SlightlyLess(sincos.sigma, sincos.dsigma)).holds


def test_other_distributions_than_the_standard_normal_are_noticed():
    params = mgd.FullyConnected(4, 40, 2, "softplus").init(8)
    assert setting.initialisation(params).holds
    assert not setting.initialisation(params.map(lambda W: W * math.sqrt(2))).holds  # N(0, 2)
    assert not setting.initialisation(params.map(np.sign)).holds
    assert not setting.initialisation(params.map(lambda W: W + 0.2)).holds


def test_the_initialisation_has_the_moments_of_the_standard_normal():
    params = mgd.ResNet(10, 150, 3, "softplus").init(9)
    entries = np.concatenate([*(W.ravel() for W in params.W), params.a])
    N = len(entries)
    # the k-th power of z has variance E[z^2k] - E[z^k]²; 5 standard errors, 4 moments
    for k, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(entries**k) - moment) <= 5 * math.sqrt(variance / N)


# ------------------------------------------------------------------ always


@given(strategies.problems(strategies.networks()))
def test_the_program_computes_what_the_paper_writes(problem):
    # products of up to 4 layers, each a sum of at most 60 rounded terms; `square` may blow rounding up with its size
    comparison = setting.predictions(problem.net, problem.params, problem.X)
    scale = max(np.abs(comparison.right).max(), _largest_term(problem))
    assert np.abs(comparison.left - comparison.right).max() <= 1e-11 * scale


def _largest_term(problem):
    """Σ |a_r| |x_r^(H)|, what the sum of u is rounded relative to."""
    last = hidden_layers(problem.net, problem.params, problem.X).x[-1]
    a = problem.params.a.T.reshape(last.shape[1:])
    return float(np.abs(a * last).sum(axis=(1, 2)).max())


@pytest.mark.parametrize("net", [FULLY_CONNECTED, RESNET, CONV, IMAGE], ids=str)
def test_the_layers_of_all_samples_are_those_of_one_at_a_time(net):
    net, params, X, _ = problem(net, 3, 10).everything
    hidden = hidden_layers(net, params, X)
    for i, sample in enumerate(X):
        columns = column_layers(net, params, sample)
        np.testing.assert_allclose(hidden.x[0][i].T, sample.reshape(net.input_shape[0], -1), rtol=0)
        for x, phi, column in zip(hidden.x[1:], hidden.phi, columns, strict=True):
            np.testing.assert_allclose(x[i].T, column.x, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(phi[i].T, column.phi, rtol=1e-12, atol=1e-14)


@given(strategies.problems(strategies.conv_resnet()))
def test_a_patch_is_at_least_and_at_most(problem):
    assert setting.patch_norms(problem.net, problem.params, problem.X).holds


@given(strategies.conv_resnet(), st.integers(0, 2**32 - 1))
def test_a_blank_but_for_one_pixel_reaches_every_patch_that_holds_it(net, seed):
    """Each pixel is copied as often as there are patches around it, so ‖φ(x)‖² counts them."""
    rng = np.random.default_rng(seed)
    x = np.zeros(net.input_shape)
    place = tuple(rng.integers(size) for size in net.input_shape[1:])
    x[(0, *place)] = 1
    count = 1
    for position, size, q in zip(place, net.input_shape[1:], net.filter_shape, strict=True):
        count *= min(position + q // 2, size - 1) - max(position - q // 2, 0) + 1
    assert np.sum(patches(net, x.reshape(net.input_shape[0], -1)) ** 2) == count


# ------------------------------------------------------------------ wrong arguments


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: setting.lipschitz_and_smooth("soft"), ValueError, "activation must be"),
        (lambda: setting.lipschitz_and_smooth("relu", constant=-1.0), ValueError, "constant must be"),
        (lambda: setting.lipschitz_and_smooth("relu", reach=0), ValueError, "reach must be"),
        (lambda: setting.lipschitz_and_smooth("relu", points=1), ValueError, "points must be an integer ≥ 2"),
        (lambda: setting.analytic_not_polynomial("relu", degree=-1), ValueError, "degree must be an integer ≥ 0"),
        (lambda: setting.initialisation(FULLY_CONNECTED.init(0), delta=1), ValueError, "delta must be a probability"),
        (lambda: setting.initialisation(FULLY_CONNECTED.init(0), delta=0), ValueError, "delta must be a probability"),
        (lambda: setting.predictions(3, None, np.eye(3)), TypeError, "net must be a Network"),
        (lambda: setting.descent(RESNET, RESNET.init(0), np.eye(3), np.ones(3), 0), ValueError, "step_size must be"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
