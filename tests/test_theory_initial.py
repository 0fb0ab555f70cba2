"""Norms and Gram matrices at random parameters: the lemmas on real nets, and how both concentrate with the width."""

import math

import numpy as np
import pytest
from hypothesis import given
from slow_limits import slow_limits

import minimal_gd as mgd
from minimal_gd import data, gram
from minimal_gd.testing.references import preactivations
from minimal_gd.testing.strategies import fully_connected, problems, seeds
from minimal_gd.theory import constants, initial
from minimal_gd.theory.constants import OpenConstants

CORNERS = np.eye(3)
ENDS = np.array([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]])
FC = mgd.FullyConnected(3, 40, 2, "sincos")
RESNET = mgd.ResNet(3, 40, 3, "softplus")
CONV = mgd.ConvResNet((1, 3), 40, 3, (3,), "sincos")
# the recalled widths are larger than a tiny net's, whatever the constant
EASY = OpenConstants(width=1e-4)


def norms_by_preactivations(net, params, X):
    """‖x^(h)‖ from x^(h) = κ x^(h-1) + s σ(z^(h)), z from the plain forward pass."""
    x, norms = 0.0, []
    for h, z in enumerate(preactivations(net, params, X)):
        branch = net.activation.sigma(z) * (
            math.sqrt(net.activation.c_sigma / net.width)
            if h == 0 or isinstance(net, mgd.FullyConnected)
            else net.c_res / (net.depth * math.sqrt(net.width))
        )
        x = branch + (0 if isinstance(net, mgd.FullyConnected) else x)
        norms.append(np.sqrt((x.reshape(len(X), -1) ** 2).sum(axis=1)))
    return np.array(norms)


def check_norms(net, X, bound):
    params = net.init(4)
    comparison = initial.norms(net, params, X, c_w0=5.0, open_constants=EASY)
    assert comparison.verdict == "holds"
    norms = norms_by_preactivations(net, params, X)
    np.testing.assert_allclose(comparison.left, np.maximum(norms, 1 / norms), rtol=1e-12)
    np.testing.assert_allclose(comparison.right, bound, rtol=1e-12)


def test_lemma_b_1():
    check_norms(FC, CORNERS, 2.0)


def test_lemma_c_1():
    check_norms(RESNET, CORNERS, math.exp(0.5 * 5) * (2 + math.log(2) / 5))


def test_lemma_d_1():
    # q = p = 3, σ(0) = 1, L = √2
    first = 2 * math.sqrt(2 * (3 * 1 + 3 * 2))
    check_norms(CONV, ENDS, math.exp(0.5 * 5 * math.sqrt(6)) * (first + math.sqrt(3) / (5 * math.sqrt(6))))


def last_gradients(net, params, X):
    """∂u_i/∂W^(H): the gradient of a loss of one sample whose residual is 1."""
    u = net.predict(params, X)
    return np.array([net.gradient(params, X[[i]], u[[i]] - 1).W[-1].ravel() for i in range(len(X))])


def check_gram(net, X, K_H):
    params = net.init(1)
    comparison = initial.initial_gram(net, params, X, K_H)
    assert comparison.verdict == "holds"
    J = last_gradients(net, params, X)
    np.testing.assert_allclose(comparison.left, np.abs(np.linalg.eigvalsh(J @ J.T - K_H)).max(), rtol=1e-7)
    np.testing.assert_allclose(comparison.right, np.linalg.eigvalsh(K_H)[0] / 4, rtol=1e-12)


def test_lemma_b_2():
    check_gram(mgd.FullyConnected(2, 1000, 1, "sincos"), np.eye(2), np.eye(2))


def test_lemma_c_2():
    S_1 = np.exp(np.eye(2) - 1)
    net = mgd.ResNet(2, 600, 2, "sincos", c_res=0.9)
    check_gram(net, np.eye(2), 0.45**2 * S_1 * np.exp(S_1 - 1))


def test_lemma_d_2():
    net = mgd.ConvResNet((1, 3), 100, 2, (3,), "sincos", c_res=0.9)
    check_gram(net, ENDS, slow_limits(net, ENDS)[0][1])


# ------------------------------------------------------------------ where they fail


@pytest.mark.parametrize(
    "net",
    [mgd.FullyConnected(3, 1, 3, "tanh"), mgd.ResNet(3, 1, 3, "tanh", c_res=0.05)],
    ids=lambda net: type(net).__name__,
)
def test_the_norms_of_one_unit_are_beyond_the_bound(net):
    verdicts = [initial.norms(net, net.init(seed), CORNERS) for seed in range(30)]
    assert not all(comparison.holds for comparison in verdicts)
    assert not any(comparison.is_violated for comparison in verdicts)


def test_the_gram_matrix_of_one_unit_is_far_from_the_limit():
    net = mgd.FullyConnected(3, 1, 1, "sincos")
    comparison = initial.initial_gram(net, net.init(0), CORNERS, np.eye(3))
    assert not comparison.holds
    assert comparison.verdict == "fails, 1 of 2 premises unmet"


def test_weights_that_are_too_large_are_unmet():
    comparison = initial.norms(RESNET, RESNET.init(0), CORNERS, c_w0=0.5)
    assert [premise.holds for premise in comparison.premises] == [True, True, False]


def test_inputs_that_are_no_unit_vectors_are_reported():
    for call, words in (
        (lambda: initial.norms(FC, FC.init(0), 2 * CORNERS), "Lemma B.1 asks for unit inputs"),
        (
            lambda: initial.initial_gram(RESNET, RESNET.init(0), 2 * CORNERS, np.eye(3)),
            "Lemma C.2 asks for unit inputs",
        ),
    ):
        with pytest.warns(UserWarning, match=words):
            assert not call().premises[0].holds


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: initial.norms(mgd.TwoLayerReLU(3, 5), None, CORNERS), TypeError, "net must be a FullyConnected"),
        (lambda: initial.initial_gram(FC, FC.init(0), CORNERS, np.ones((3, 3))), ValueError, "λ_min"),
        (
            lambda: initial.initial_gram(FC, FC.init(0), CORNERS[[0, 1, 0]], np.ones((3, 3))),
            ValueError,
            "samples 0 and 2 are parallel",
        ),
        (
            lambda: initial.initial_gram(mgd.ResNet(3, 5, 1), mgd.ResNet(3, 5, 1).init(0), CORNERS, np.eye(3)),
            ValueError,
            "depth ≥ 2",
        ),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ------------------------------------------------------------------ the constants


def test_the_bound_of_the_weights_is_the_root_of_the_columns_a_row_and_2():
    """The largest c of all layers; 2 leaves exp(-m/2), where √c + 1 is the least."""
    assert initial.spectral_bound(mgd.ResNet(90, 10, 3)) == pytest.approx(3 + 2)
    assert initial.spectral_bound(mgd.ResNet(3, 10, 3)) == pytest.approx(1 + 2)
    assert initial.spectral_bound(mgd.ConvResNet((1, 5), 10, 2, (5,))) == pytest.approx(math.sqrt(5) + 2)
    comparison = initial.norms(RESNET, RESNET.init(0), CORNERS, open_constants=EASY)
    assert comparison.premises[2].right == 3
    np.testing.assert_allclose(comparison.right, math.exp(0.5 * 3) * (2 + math.log(2) / 3))


def test_two_positions_are_patches_already():
    # softplus: c_σ = 1.0854865…, L = 1, σ(0) = log 2; p = 2, q = 3
    first = 2 * math.sqrt(2 * 1.08548650298834 * (2 * math.log(2) ** 2 + 3))
    expected = math.exp(0.4 * 4 * math.sqrt(3)) * (first + math.sqrt(2) * math.log(2) / (4 * math.sqrt(3)))
    assert initial.norm_bound(mgd.ConvResNet((1, 2), 4, 3, (3,), c_res=0.4), 4.0) == pytest.approx(expected)


def test_the_width_for_the_norms_is_the_printed_one():
    # softplus: c_σ = 1.0854865…, L = 1, σ(0) = log 2
    net = mgd.FullyConnected(3, 4, 3, "softplus")
    C = 1.08548650298834 * (2 * math.log(2) * math.sqrt(2 / math.pi) + 2)
    expected = 5 * 3 * (1 + C + C**2) ** 2 / 0.1
    assert initial.norm_width(net, 5) == pytest.approx(expected)
    # sin + cos: c_σ = 1, L = √2, σ(0) = 1
    C = math.sqrt(2) * (2 * math.sqrt(2 / math.pi) + 2 * math.sqrt(2))
    assert initial.norm_width(FC, 5, OpenConstants(width=3.0)) == pytest.approx(3 * 5 * 2 * (1 + C) ** 2 / 0.1)
    assert initial.norm_width(RESNET, 5, OpenConstants(failure=0.2)) == pytest.approx(25)
    assert initial.norm_width(CONV, 5, OpenConstants(power=2)) == pytest.approx(9 * 50)


# ------------------------------------------------------------------ how they scale


@given(problems(fully_connected(("softplus", "sincos"))), seeds)
def test_the_norms_are_those_of_the_forward_pass(problem, seed):
    norms = constants.layer_norms(problem.net, problem.params, problem.X)
    np.testing.assert_allclose(norms[1:], norms_by_preactivations(problem.net, problem.params, problem.X), rtol=1e-12)


def slope_in_width(widths, values):
    return np.polyfit(np.log(widths), np.log(values), 1)[0]


WIDTHS = np.array([16, 32, 64, 128])
MAKERS = {
    "FullyConnected": lambda m: mgd.FullyConnected(3, m, 2, "sincos"),
    "ResNet": lambda m: mgd.ResNet(3, m, 3, "softplus"),
    "ConvResNet": lambda m: mgd.ConvResNet((1, 3), m, 2, (3,), "sincos"),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_norms_concentrate_with_the_root_of_the_width(make):
    X = data.sphere(3, 3, seed=0).reshape(3, *make(1).input_shape)
    spread = [np.std([constants.layer_norms(make(m), make(m).init(s), X)[-1, 0] for s in range(100)]) for m in WIDTHS]
    # a standard deviation over 100 seeds errs by 7 %, the slope by about 0.05; 1/m or no decay would be 0.5 away
    assert -0.7 < slope_in_width(WIDTHS, spread) < -0.3


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_gram_matrices_approach_the_limit_with_the_root_of_the_width(make):
    X = data.sphere(3, 3, seed=0).reshape(3, *make(1).input_shape)
    H = make(1).depth
    K_H = gram.limiting(make(1), X)[0][H - 1]
    errors = [
        [np.linalg.norm(gram.empirical(make(m), make(m).init(s), X)[H - 1] - K_H, 2) for s in range(40)] for m in WIDTHS
    ]
    # a mean of 40 errs by some 8 %, the slope by about 0.06
    assert -0.7 < slope_in_width(WIDTHS, np.mean(errors, axis=1)) < -0.3


def test_the_gram_matrix_of_a_deep_residual_net_is_as_near_to_its_limit_as_that_of_a_shallow_one():
    """Relative to λ: the 1/λ² of the width asked for grows as H⁴, and is not needed."""
    factors = []
    for depth in (2, 6, 18):
        net = mgd.ResNet(3, 50, depth, "sincos")
        K_H = gram.limiting(net, CORNERS)[0][depth - 1]
        errors = [initial.initial_gram(net, net.init(seed), CORNERS, K_H).factor for seed in range(30)]
        factors.append(np.mean(errors))
    # a mean of 30 errs by some 10 %
    assert max(factors) < 1.5 * min(factors)


def test_the_norms_of_a_residual_net_do_not_grow_with_depth_and_neither_does_their_bound():
    bounds, norms = [], []
    for depth in (4, 16, 48):
        net = mgd.ResNet(3, 50, depth, "softplus")
        comparison = initial.norms(net, net.init(0), CORNERS, c_w0=3.0)
        assert comparison.verdict == "holds"
        bounds.append(float(comparison.right[0, 0]))
        norms.append(comparison.left[-1].max())
    assert bounds == pytest.approx(bounds[:1] * 3)
    # c_res/H in each of H layers: e^{c_res c_w0 L} at most, and far less for random weights
    assert max(norms) < 2
