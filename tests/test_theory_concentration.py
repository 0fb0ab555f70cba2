"""How close wide layers are to their limits, and what becomes of an error."""

import math

import numpy as np
import pytest
from slow_layers import forward
from slow_limits import inputs, pair_expectations, slow_limits

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.theory import concentration, recursions

SMALL = mgd.ResNet(3, 30, 3, "sincos", c_res=0.9)


def unit_images(net, n, seed):
    X = mgd.data.sphere(n, int(np.prod(net.input_shape)), seed)
    return X.reshape(n, *net.input_shape)


def both_sides_are(comparison, left, right, rtol=1e-8):
    np.testing.assert_allclose(comparison.left, left, rtol=rtol, atol=1e-10)
    np.testing.assert_allclose(comparison.right, right, rtol=rtol, atol=1e-10)


def first_layer_error(net, X, seed=0):
    """What a real first layer is off by: ⟨x_i^(1), x_j^(1)⟩ - S^(1)_ij."""
    x = forward(net, net.init(seed), X)[0][0]
    error = np.einsum("ilk,jrk->ijlr", x, x) - recursions.limit_layers(net, X)[0].S
    error = (error + error.transpose(1, 0, 3, 2)) / 2
    return error if net.positions > 1 else error[..., 0, 0]


def moved_limits(net, X, error):
    """S^(h) and b^(h), h = 1, …, H, and K^(H) after S^(1) + error, by `slow_limits`' expectations, no positions."""
    S, b, runs = X @ X.T, 0, []
    for h in range(1, net.depth + 1):
        skip = h > 1 and not isinstance(net, mgd.FullyConnected)
        beta = net.c_res / net.depth if skip else math.sqrt(net.activation.c_sigma)
        product, slopes = (
            pair_expectations(f, S[..., None, None], 0.2)[..., 0, 0]
            for f in (net.activation.sigma, net.activation.dsigma)
        )
        e = np.exp(-np.diag(S) / 2)  # sincos only
        K = beta**2 * S * slopes
        cross = beta * (np.multiply.outer(b, e) + np.multiply.outer(e, b)) if skip else 0
        S = skip * S + cross + beta**2 * product
        b = skip * b + beta * e
        if h == 1:
            S = S + error
        runs.append((S, b))
    return runs, K


# ------------------------------------------------------------------ statements


def test_theorem_e_1():
    net, X = SMALL, inputs(SMALL, 2, seed=1, low=0.5, high=1.2)
    params = net.init(2)
    comparison = concentration.layer_errors(net, params, X, delta=0.1, constant=3.0)
    assert comparison.holds
    _, P = slow_limits(net, X)
    x = [layer[:, 0] for layer in forward(net, params, X)[0]]
    variances = [np.diag(covariance[..., 0, 0]) for covariance in P]
    b_1 = np.exp(-variances[0] / 2)  # E[sin u + cos u] = e^(-a/2)
    b_2 = b_1 + 0.3 * np.exp(-variances[1] / 2)
    left = [
        [np.abs(x[h] @ x[h].T - P[h + 1][..., 0, 0]).max() for h in (0, 1)],
        [np.abs(x[h].sum(axis=1) / math.sqrt(30) - b).max() for h, b in ((0, b_1), (1, b_2))],
    ]
    both_sides_are(comparison, left, np.full((2, 2), 3 * math.sqrt(math.log(3 * 2 / 0.1) / 30)))


def test_from_k_h_1_to_k_h():
    net, X = SMALL, inputs(SMALL, 2, seed=1, low=0.5, high=1.2)
    params = net.init(3)
    comparison = concentration.last_step(net, params, X, delta=0.1, constant=3.0)
    assert comparison.holds
    theta, P = slow_limits(net, X)
    x = forward(net, params, X)[0][1][:, 0]
    measured = x @ x.T
    M = 0.3**2 * measured * pair_expectations(net.activation.dsigma, measured[..., None, None], 0.2)[..., 0, 0]
    G = gram.empirical(net, params, X)[2]
    left = [np.abs(M - theta[2]).max(), np.abs(G - M).max()]
    right = 3 * 0.3**2 * np.array([np.abs(measured - P[2][..., 0, 0]).max(), math.sqrt(math.log(2 / 0.1) / 30)])
    both_sides_are(comparison, left, right)


def test_how_an_error_is_passed_on():
    net, X = SMALL, inputs(SMALL, 2, seed=1, low=0.5, high=1.2)
    error = 0.01 * np.array([[1.0, 2.0], [2.0, -1.0]])
    comparison = concentration.passed_on(net, X, error)
    assert comparison.holds
    exact, _ = moved_limits(net, X, 0)
    moved, _ = moved_limits(net, X, error)
    errors = [
        max(np.abs(S - T).max(), np.abs(b - c).max()) for (S, b), (T, c) in zip(exact, moved, strict=True)
    ]  # of layers 1, 2, 3
    factors = []
    for h in (1, 2):  # of layers 2, 3: L = β = √2 and |σ(0)| = 1
        variances = np.array([np.diag(run[h - 1][0]) for run in (exact, moved)])
        C_3 = min(1 / math.sqrt(2), math.sqrt(2) / math.sqrt(2 * math.pi * variances.min()))
        slope = (1 + math.sqrt(2) * math.sqrt(2 * variances.max() / math.pi)) / math.sqrt(2)
        C_4 = math.sqrt(2 * slope**2 + 2)
        b = max(np.abs(run[h - 1][1]).max() for run in (exact, moved))
        e = np.exp(-variances.min() / 2)
        factors.append(1 + 0.6 * (b * C_3 + e) + 2 * 0.09 * C_4)
    both_sides_are(comparison, errors[1:], np.array(factors) * errors[:-1])


def test_perturbation_of_the_initial_gram_matrix():
    net, X = SMALL, inputs(SMALL, 2, seed=1, low=0.5, high=1.2)
    error = 0.01 * np.array([[1.0, 2.0], [2.0, -1.0]])
    comparison = concentration.perturbed_start(net, X, error, constant=1.5)
    assert comparison.holds
    difference = moved_limits(net, X, error)[1] - moved_limits(net, X, 0)[1]
    both_sides_are(comparison, np.abs(np.linalg.eigvalsh(difference)).max(), 1.5**3 * 0.01 * math.sqrt(5))


def test_gap_of_1_h():
    net, X = SMALL, inputs(SMALL, 2, seed=1, low=0.5, high=1.2)
    comparison = concentration.layer_sizes(net, X)
    assert comparison.holds
    theta, P = slow_limits(net, X)
    theta, variances = np.einsum("hii->hi", theta), np.einsum("hiill->hi", np.array(P))
    c = 2 * 0.9**2  # (c_res L)²
    slopes = np.einsum("iill->i", pair_expectations(net.activation.dsigma, P[0], 0.2))
    constant = c * math.exp(c / 3) * variances[1:].max(axis=0) / (variances[0] * slopes)
    both_sides_are(comparison, theta[1:3] / theta[0], np.broadcast_to(constant / 9, (2, 2)))


# ------------------------------------------------------------------ scaling in the width

NETS = [
    lambda width: mgd.FullyConnected(4, width, 3, "softplus"),
    lambda width: mgd.ResNet(4, width, 3, "softplus"),
    lambda width: mgd.ConvResNet((1, 3), width, 3, (3,), "sincos"),
]


def slope(widths, errors):
    """Of log error against log width; the errors (widths, …)."""
    errors = np.log(np.array(errors)).reshape(len(widths), -1)
    return np.polyfit(np.log(widths), errors, 1)[0]


@pytest.mark.parametrize("make", NETS, ids=lambda make: type(make(1)).__name__)
def test_the_errors_of_theorem_e_1_fall_as_one_over_the_root_of_the_width(make):
    widths, seeds = np.array([16, 64, 256]), 40
    X = unit_images(make(1), 3, seed=4)
    limits = recursions.limit_layers(make(1), X)
    errors, last = [], []
    for width in widths:
        net = make(int(width))
        draws = [net.init(seed) for seed in range(seeds)]
        layers = [concentration.layer_errors(net, params, X, limits=limits).left for params in draws]
        errors.append(np.mean(layers, axis=0))
        last.append(np.mean([concentration.last_step(net, params, X, limits=limits).left for params in draws], axis=0))
    # A mean over 40 seeds of errors that vary by some 60 % is right within 10 %, and a slope over a factor of 16 within
    # 0.05: three of those. Errors of 1/m or m^(-1/4) are 0.25 away or more.
    for measured in (slope(widths, errors), slope(widths, last)):
        np.testing.assert_allclose(measured, -0.5, atol=0.15)


def test_an_error_is_random_in_the_last_layer_too_not_only_carried_over():
    """M is the mean of G^(H), given layer H - 1: over many W^(H) and a nothing is left of |G^(H) - M|."""
    net = mgd.ConvResNet((1, 3), 20, 2, (3,), "softplus", c_res=0.9)
    X = unit_images(net, 2, seed=5)
    params, rng = net.init(6), np.random.default_rng(7)
    phi = forward(net, params, X)[1][-1]
    M = concentration.conditional_mean(net, np.einsum("ilk,jrk->ijlr", phi, phi))
    draws = []
    for _ in range(2000):
        W = rng.standard_normal(params.W[1].shape)
        a = rng.standard_normal(params.a.shape)
        draws.append(gram.empirical(net, mgd.Parameters((params.W[0], W), a), X)[1])
    standard_error = np.std(draws, axis=0) / math.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - M) <= 4 * standard_error).all()
    # and the first-layer covariance of the limit would not do: the mean is that of the layer that there is
    limit = gram.limiting(net, X)[0][1]
    assert np.abs(limit - M).max() > 8 * standard_error.max()


# ------------------------------------------------------------------ scaling in the depth


def amplification(net):
    """∂K^(H-1)_12 / ∂K^(1)_12 for two unit inputs, by a central difference."""
    X, step = mgd.data.sphere(2, 4, seed=8), 1e-4 * np.array([[0, 1], [1, 0]])[:, :, None, None]
    first = recursions.limit_layers(net, X)[0]
    high, low = (recursions.layers_from(net, 2, first.S + sign * step, first.b)[-1].input for sign in (1, -1))
    return (high - low)[0, 1, 0, 0] / 2e-4


def test_the_expected_recursion_does_not_amplify():
    """2^O(H) is the worst case: for softplus an error dies out with χ_1 = c_σ E[σ′²] ≈ 0.318 a layer."""
    depths = np.array([4, 8, 12])
    fully_connected = [amplification(mgd.FullyConnected(4, 4, int(H), "softplus")) for H in depths]
    decay = np.exp(np.polyfit(depths, np.log(fully_connected), 1)[0])
    assert decay == pytest.approx(0.318, abs=0.02)  # the correlations are not yet 1 in the first layers
    for H in (3, 12):
        # tanh has χ_1 = 1.18 > 1, and still takes correlations to 0, where the slope is c_σ E[σ′]² = 0.93
        assert amplification(mgd.FullyConnected(4, 4, H, "tanh")) < 1.1
        assert amplification(mgd.ResNet(4, 4, H, "softplus")) == pytest.approx(1, abs=0.02)


def test_the_bound_grows_exponentially_for_a_fully_connected_network_and_not_for_a_residual_one():
    def worst_case(make, H):
        net = make(H)
        X = mgd.data.sphere(2, 4, seed=9)
        comparison = concentration.passed_on(net, X, 1e-3 * np.eye(2))
        assert comparison.holds
        return np.log(comparison.right / np.array([1e-3, *comparison.left[:-1]])).sum()

    depths = np.array([3, 5, 9])
    fully_connected = [worst_case(lambda H: mgd.FullyConnected(4, 4, H, "softplus"), int(H)) for H in depths]
    residual = [worst_case(lambda H: mgd.ResNet(4, 4, H, "softplus"), int(H)) for H in depths]
    # log C^(H-1) is linear in H; log (1 + C/H)^(H-1) is at most C, which its value at H = 3 tells
    np.testing.assert_allclose(fully_connected, fully_connected[0] / 2 * (depths - 1), rtol=0.05)
    assert fully_connected[0] / 2 > math.log(1.5)
    C = 3 * (math.exp(residual[0] / 2) - 1)
    assert max(residual) < C < 1.2


def test_the_inner_layers_of_a_resnet_carry_one_over_h_squared():
    depths = np.array([8, 16, 32])
    theta = [gram.limiting(mgd.ResNet(4, 4, int(H), "softplus"), mgd.data.sphere(2, 4, seed=10))[0] for H in depths]
    shares = np.array([[T[0, 0, 0], T[1:-1, 0, 0].mean(), T[-1, 0, 0]] for T in theta])
    # up to a factor 1 + O(1/H) each, which moves a slope by as much: slopes of -1 or 1 are far away
    np.testing.assert_allclose(slope(depths, shares), [0, -2, 0], atol=0.1)


def test_a_fully_connected_network_has_no_such_gap():
    X = mgd.data.sphere(2, 4, seed=10)
    for H, expected in ((2, True), (4, False)):
        assert concentration.layer_sizes(mgd.FullyConnected(4, 4, H, "tanh"), X, constant=8.0).holds is expected
        assert concentration.layer_sizes(mgd.ResNet(4, 4, H, "tanh"), X, constant=8.0).holds
    with pytest.raises(ValueError, match="constant must be given for a network without skip connections"):
        concentration.layer_sizes(mgd.FullyConnected(4, 4, 2, "tanh"), X)


# ------------------------------------------------------------------ real errors, and where the statements fail


@pytest.mark.parametrize("make", NETS, ids=lambda make: type(make(1)).__name__)
def test_what_a_real_first_layer_is_off_by_is_passed_on_within_the_bound(make):
    net = make(100)
    X = unit_images(net, 3, seed=11)
    error = first_layer_error(net, X)
    assert concentration.passed_on(net, X, error).holds
    assert concentration.perturbed_start(net, X, error).holds


def test_too_small_a_constant_fails():
    net = NETS[0](100)
    X = unit_images(net, 3, seed=11)
    error = first_layer_error(net, X)
    for statement in (concentration.passed_on, concentration.perturbed_start):
        assert statement(net, X, error, constant=1.0).holds  # softplus makes errors smaller
        assert not statement(net, X, error, constant=0.1).holds


def test_a_residual_layer_may_add_a_little_but_not_nothing():
    """With 1 + constant/H, constant → 0: an error may not grow at all. For tanh and inputs of one sign it does."""
    net = mgd.ResNet(3, 10, 3, "tanh", c_res=0.9)
    X = 0.3 * np.eye(3)
    error = 0.01 * np.ones((3, 3))
    assert concentration.passed_on(net, X, error).holds
    assert concentration.passed_on(net, X, error, constant=1.0).holds
    assert not concentration.passed_on(net, X, error, constant=1e-3).holds
    assert concentration.perturbed_start(net, 0.05 * np.eye(3), error, constant=1.0).holds


def test_other_weights_than_random_ones_are_far_from_the_limit():
    net = mgd.FullyConnected(4, 200, 3, "softplus")
    X = mgd.data.sphere(3, 4, seed=12)
    params = net.init(13)
    wrong = params.map(lambda W: 1.5 * W)
    for statement in (concentration.layer_errors, concentration.last_step):
        assert statement(net, params, X, constant=2.0).holds
        assert not statement(net, wrong, X, constant=2.0).holds
        assert not statement(net, params, X, constant=0.01).holds
