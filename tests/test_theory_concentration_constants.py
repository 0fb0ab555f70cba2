"""The bounds of concentration with patches and in other depths, factor by factor, and what is taken by default."""

import math

import numpy as np
import pytest
from slow_layers import forward
from slow_limits import inputs, patch_matrix, slow_limits
from test_theory_concentration import SMALL, both_sides_are, moved_limits

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.theory import concentration, recursions

CONV = mgd.ConvResNet((1, 2), 30, 3, (3,), "sincos", c_res=0.9)  # p = 2, q = 3, L = √2, β = 0.3
ERROR = 0.01 * np.array([[1.0, 2.0], [2.0, -1.0]])
SPREAD = ERROR[:, :, None, None] * np.ones((2, 2))  # the same at every pair of positions


def conv_inputs(n=2):
    return inputs(CONV, n, seed=1, low=0.5, high=1.2)


def sincos_layers(net, S, b):
    """P^(h-1), S^(h) and b^(h) for h = 2, …, H of a residual network, from E[σ(u)σ(v)] = exp(c - (a + b)/2)."""
    R, beta, layers = patch_matrix(net), net.c_res / net.depth, []
    for _ in range(net.depth - 1):
        P = np.einsum("klm,ijmq,krq->ijlr", R, S, R)
        e = np.exp(-np.einsum("iill->il", P) / 2)
        crossed = np.einsum("il,jr->ijlr", b, e)
        S = S + beta * (crossed + crossed.transpose(1, 0, 3, 2)) + beta**2 * np.exp(P) * np.einsum("il,jr->ijlr", e, e)
        b = b + beta * e
        layers.append((P, S, b))
    return layers


def first_layer(net, X):
    """S^(1) and b^(1) for σ = sincos, c_σ = 1."""
    P = slow_limits(net, X)[1][0]
    e = np.exp(-np.einsum("iill->il", P) / 2)
    return np.exp(P) * np.einsum("il,jr->ijlr", e, e), e


# ------------------------------------------------------------------ with patches


def test_the_errors_of_the_layers_with_patches():
    X, params = conv_inputs(), CONV.init(2)
    comparison = concentration.layer_errors(CONV, params, X, delta=0.1, constant=3.0)
    x, phi, _, _ = forward(CONV, params, X)
    S, b = first_layer(CONV, X)
    layers = sincos_layers(CONV, S, b)
    covariances = [
        np.abs(np.einsum("ilk,jrk->ijlr", feature, feature) - P).max()
        for feature, (P, _, _) in zip(phi[1:], layers, strict=True)
    ]
    means = [np.abs(x[h].sum(axis=2) / math.sqrt(30) - limit).max() for h, limit in enumerate([b, layers[0][2]])]
    both_sides_are(comparison, [covariances, means], np.full((2, 2), 3 * math.sqrt(math.log(3 * 2 * 2 / 0.1) / 30)))


def test_the_last_step_with_patches():
    X, params = conv_inputs(), CONV.init(3)
    comparison = concentration.last_step(CONV, params, X, delta=0.1, constant=3.0)
    theta, P = slow_limits(CONV, X)
    phi = forward(CONV, params, X)[1][-1]
    measured = np.einsum("ilk,jrk->ijlr", phi, phi)
    e = np.exp(-np.einsum("iill->il", measured) / 2)
    M = 0.3**2 * np.einsum("ijll,ijll,il,jl->ij", measured, np.exp(measured), e, e)
    left = [np.abs(M - theta[2]).max(), np.abs(gram.empirical(CONV, params, X)[2] - M).max()]
    right = 3 * 0.3**2 * 2 * np.array([np.abs(measured - P[2]).max(), math.sqrt(math.log(2 / 0.1) / 30)])
    both_sides_are(comparison, left, right)


def test_how_an_error_is_passed_on_with_patches():
    X, q = conv_inputs(), 3
    comparison = concentration.passed_on(CONV, X, SPREAD)
    assert comparison.holds
    S, b = first_layer(CONV, X)
    exact, moved = ([(None, S_1, b), *sincos_layers(CONV, S_1, b)] for S_1 in (S, S + SPREAD))
    errors = [
        max(np.abs(one[1] - other[1]).max(), np.abs(one[2] - other[2]).max())
        for one, other in zip(exact, moved, strict=True)
    ]
    factors = []
    for h in (1, 2):  # of layers 2 and 3
        variances = np.array([np.einsum("iill->il", run[h][0]) for run in (exact, moved)])
        C_3 = min(1 / math.sqrt(2), math.sqrt(2) / math.sqrt(2 * math.pi * variances.min()))
        slope = (1 + math.sqrt(2) * math.sqrt(2 * variances.max() / math.pi)) / math.sqrt(2)
        C_4 = math.sqrt(2 * slope**2 + 2)
        largest_b = max(np.abs(run[h - 1][2]).max() for run in (exact, moved))
        e = np.exp(-variances.min() / 2)
        factors.append(1 + 0.6 * (largest_b * C_3 * q + e) + 2 * 0.09 * C_4 * q)
    both_sides_are(comparison, errors[1:], np.array(factors) * errors[:-1])
    allowed = comparison.tolerance * max(comparison.left.max(), comparison.right.max())
    assert allowed == pytest.approx(1e-9 * max(np.abs(S).max() for _, S, _ in exact[1:]))


@pytest.mark.parametrize(
    ("net", "error", "q"),
    [
        (mgd.ResNet(2, 4, 2, "tanh", c_res=0.1), ERROR, 1),
        (mgd.ConvResNet((1, 2), 4, 2, (3,), "tanh", c_res=0.1), SPREAD, 3),
    ],
    ids=["ResNet", "ConvResNet"],
)
def test_the_means_are_what_a_short_step_of_an_odd_activation_passes_on(net, error, q):
    """As b = E[σ] = 0, the covariances move by β² only; C_3 = sup|tanh″|/2 for variances of some size."""
    X = 0.5 * np.eye(2).reshape(2, *net.input_shape)
    C_3 = 2 / math.sqrt(27)
    assert concentration.passed_on(net, X, error).right == pytest.approx(0.02 * (1 + 0.05 * C_3 * q))


def test_the_first_error_of_all_positions_counts():
    X, rng = conv_inputs(), np.random.default_rng(4)
    A = 1e-3 * rng.standard_normal((4, 4))
    error = (A + A.T).reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)  # rows and columns are pairs of sample and position
    comparison = concentration.perturbed_start(CONV, X, error, constant=1.5)
    assert comparison.right == pytest.approx(1.5**3 * np.abs(np.linalg.eigvalsh(A + A.T)).max())


@pytest.mark.parametrize(
    ("net", "n"),
    [(mgd.ResNet(3, 10, 2, "sincos", c_res=0.9), 3), (CONV, 2), (mgd.ResNet(3, 10, 4, "sincos", c_res=0.9), 3)],
    ids=["H = 2", "patches", "H = 4"],
)
def test_the_gap_of_1_h_in_every_depth_and_with_patches(net, n):
    X = inputs(net, n, seed=1, low=0.5, high=1.2)
    comparison = concentration.layer_sizes(net, X)
    assert comparison.holds
    theta, P = slow_limits(net, X)
    theta, traces = np.einsum("hii->hi", theta), np.einsum("hiill->hi", np.array(P))
    c, q = 2 * 0.9**2, 3 if net is CONV else 1  # (c_res L)²; E[σ′(u)²] = 1
    constant = c * math.exp(c * q / net.depth) * traces[1:].max(axis=0) / traces[0]
    right = np.tile(constant / net.depth**2, (net.depth - 1, 1))
    both_sides_are(comparison, theta[1 : net.depth] / theta[0], right)


def test_the_first_layers_size_counts_with_its_own_slopes():
    net = mgd.ResNet(3, 10, 3, "erf", c_res=0.9)
    X = inputs(net, 2, seed=1, low=0.5, high=1.2)
    variances = np.einsum("hiill->hi", np.array(slow_limits(net, X)[1]))
    slopes = 4 / math.pi / np.sqrt(1 + 4 * variances[0])  # E[erf′(u)²]
    c_sigma = math.pi / 2 / math.asin(2 / 3)
    c = (0.9 * 2 / math.sqrt(math.pi)) ** 2
    constant = c * math.exp(c / 3) * variances[1:].max(axis=0) / (c_sigma * variances[0] * slopes)
    np.testing.assert_allclose(concentration.layer_sizes(net, X).right, np.tile(constant / 9, (2, 1)), rtol=1e-8)


# ------------------------------------------------------------------ depths and defaults


@pytest.mark.parametrize("depth", [2, 4])
def test_the_perturbed_start_in_every_depth(depth):
    for net, factor in (
        (mgd.ResNet(3, 10, depth, "sincos", c_res=0.9), 1 + 2 / depth),
        (mgd.FullyConnected(3, 10, depth, "sincos"), 2),
    ):
        X = inputs(net, 2, seed=1, low=0.5, high=1.2)
        difference = moved_limits(net, X, ERROR)[1] - moved_limits(net, X, 0)[1]
        left = np.abs(np.linalg.eigvalsh(difference)).max()
        both_sides_are(concentration.perturbed_start(net, X, ERROR), left, factor**depth * 0.01 * math.sqrt(5))


def test_by_default_the_constant_is_1_and_the_chance_of_failure_one_percent():
    X, params = np.eye(3), SMALL.init(0)
    layers = concentration.layer_errors(SMALL, params, X).right
    np.testing.assert_allclose(layers, math.sqrt(math.log(3 * 3 / 0.01) / 30))
    last = concentration.last_step(SMALL, params, X).right[1]
    assert last == pytest.approx(0.3**2 * math.sqrt(math.log(3 / 0.01) / 30))


@pytest.mark.parametrize("depth", [2, 4])
def test_the_limits_of_another_depth_are_refused(depth):
    limits = recursions.limit_layers(mgd.ResNet(3, 30, depth, "sincos", c_res=0.9), np.eye(3))
    with pytest.raises(ValueError, match="argument 3 is"):
        concentration.layer_errors(SMALL, SMALL.init(0), np.eye(3), limits=limits)


# ------------------------------------------------------------------ where there is no bound


def test_no_bound_is_known_without_condition_3_1():
    net = mgd.ResNet(2, 10, 2, "relu")
    assert not concentration.passed_on(net, np.eye(2), 0.01 * np.eye(2)).holds


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: concentration.layer_errors(mgd.ResNet(3, 5, 1), None, np.eye(3)), "net must have depth ≥ 2 for Theo"),
        (lambda: concentration.last_step(mgd.ResNet(3, 5, 1), None, np.eye(3)), "net must have depth ≥ 2 for the step"),
        (lambda: concentration.layer_errors(SMALL, SMALL.init(0), np.eye(3), delta=1), "delta must be a probability"),
        (lambda: concentration.layer_errors(SMALL, SMALL.init(0), np.eye(3), constant=0), "constant must be"),
        (lambda: concentration.passed_on(SMALL, np.eye(3), np.eye(2)), r"error must have shape \(3, 3\)"),
        (lambda: concentration.passed_on(SMALL, np.eye(3), np.triu(np.ones((3, 3)))), "error must be symmetric"),
        (lambda: concentration.perturbed_start(SMALL, np.eye(3), np.eye(3), constant=-1), "constant must be"),
    ],
)
def test_a_wrong_argument_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("net", [mgd.FullyConnected(3, 4, 3, "tanh"), mgd.ResNet(3, 4, 3, "tanh")], ids=repr)
def test_a_factor_is_that_of_two_runs_whichever_comes_first(net):
    """It bounds a difference, by the smallest and the largest variance of either run."""
    X = mgd.data.sphere(2, 3, seed=0)
    for size in (0.1, -0.1):
        runs = zip(*concentration._pair_of_runs(net, X, size * np.eye(2)), strict=True)
        for one, other in runs:
            factor = concentration._derived_factor(net, one, other)
            assert factor == pytest.approx(concentration._derived_factor(net, other, one), rel=1e-13)
