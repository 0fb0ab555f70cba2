"""The constants of the initialisation, measured, and those that a reader chooses."""

import math

import numpy as np
import pytest
from test_theory_initial import CONV, CORNERS, ENDS, FC, RESNET, norms_by_preactivations

import minimal_gd as mgd
from minimal_gd.theory import constants
from minimal_gd.theory.constants import InitialConstants, OpenConstants


@pytest.mark.parametrize("net", [FC, RESNET, CONV], ids=lambda net: type(net).__name__)
def test_the_measured_constants_are_the_smallest(net):
    X = ENDS if net is CONV else CORNERS
    params = net.init(3)
    true = constants.measured(net, params, X)
    assert true.c_w0 == pytest.approx(max(np.linalg.svd(W)[1][0] for W in params.W) / math.sqrt(40))
    norms = norms_by_preactivations(net, params, X)
    assert true.c_x0 == pytest.approx(max(norms.max(), 1 / norms.min(), 1.0))
    assert true.a_20 == pytest.approx(math.sqrt(np.sum(params.a**2) / 40))
    units = np.sum(params.a.reshape(40, -1) ** 2, axis=1)
    assert true.a_40 == pytest.approx((np.sum(units**2) / 40) ** 0.25)
    assert all(premise.holds for premise in constants.as_premises(true, net, params, X))
    smaller = InitialConstants(*(0.99 * value for value in vars(true).values()))
    assert not any(premise.holds for premise in constants.as_premises(smaller, net, params, X))


def test_large_and_small_matrices_have_the_same_spectral_norm():
    W = np.random.default_rng(0).standard_normal((310, 305))
    assert constants.spectral_norm(W) == pytest.approx(math.sqrt(np.linalg.eigvalsh(W.T @ W)[-1]), rel=1e-9)


@pytest.mark.parametrize("W", [[[3.0, 4.0]], [[3.0], [4.0]], [[-5.0]], [[0.0, 0.0], [4.0, -3.0]]], ids=str)
def test_a_matrix_of_rank_one_is_as_large_as_all_its_entries(W):
    assert constants.spectral_norm(np.array(W)) == pytest.approx(5)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.5])
def test_the_geometric_sum(ratio):
    closed = 6 if ratio == 1 else (ratio**6 - 1) / (ratio - 1)
    assert constants.geometric(ratio, 6) == pytest.approx(closed)
    assert constants.geometric(ratio, 0) == 0


def test_a_zero_layer_has_no_constants():
    net = mgd.FullyConnected(2, 3, 2, "tanh")
    with pytest.raises(ValueError, match="vanish"):
        constants.measured(net, net.init(0).map(np.zeros_like), np.eye(2))


def plain_layers(*lengths):
    """A linear network whose layers have these lengths on a unit vector, and its parameters."""
    net = mgd.FullyConnected(2, 2, len(lengths), "identity")  # c_σ = 1
    ratios = np.array(lengths) / [1.0, *lengths[:-1]]
    W = tuple(ratio * math.sqrt(2) * np.eye(2) for ratio in ratios)
    return net, mgd.Parameters(W, np.ones(2))


@pytest.mark.parametrize(
    ("lengths", "c_x0"),
    [((0.25, 2.0), 4.0), ((2.0, 0.25), 4.0), ((3.0, 0.5), 3.0), ((0.5, 0.75, 3.0), 3.0), ((1.0, 1.0), 1.0)],
)
def test_c_x0_is_the_largest_norm_or_inverse_of_any_layer(lengths, c_x0):
    net, params = plain_layers(*lengths)
    X = np.array([[0.6, 0.8]])
    np.testing.assert_allclose(constants.layer_norms(net, params, X)[:, 0], [1.0, *lengths])
    assert constants.measured(net, params, X).c_x0 == pytest.approx(c_x0)


def test_c_x0_is_of_the_inputs_too_where_they_are_long():
    net, params = plain_layers(0.5, 0.5)
    assert constants.measured(net, params, np.array([[3.0, 4.0]])).c_x0 == pytest.approx(5)
    assert constants.measured(net, params, np.array([[0.6, 0.8], [0.0, 0.1]])).c_x0 == pytest.approx(20)


def test_how_an_error_may_grow():
    # sigmoid: c_σ = 1/E[σ(z)²] by the trapezoid rule, L = 1/4
    z = np.arange(-12, 12, 0.01)
    second_moment = np.sum(np.exp(-z * z / 2) / (1 + np.exp(-z)) ** 2) * 0.01 / math.sqrt(2 * math.pi)
    growth = constants.growth_per_layer(mgd.FullyConnected(3, 4, 2, "sigmoid"), 3.0)
    assert growth == pytest.approx(2 / math.sqrt(second_moment) / 4 * 3)
    for depth in (1, 2, 5):
        net = mgd.ResNet(3, 4, depth, "sigmoid", c_res=0.7)
        assert constants.growth_of_residual(net, 3.0) == pytest.approx(math.exp(2 * 0.7 * 3 / 4))
    net = mgd.ConvResNet((2, 3), 4, 3, (5,), "sincos", c_res=0.7)
    assert constants.growth_of_residual(net, 3.0) == pytest.approx(math.exp(2 * 0.7 * 3 * math.sqrt(10)))


def test_the_open_constants_have_plain_defaults():
    expected = {"width": 1.0, "step": 1.0, "radius": 1.0, "growth": 2.0, "power": 1.0, "failure": 0.1}
    assert vars(OpenConstants()) == vars(constants.OPEN) == expected


def test_an_open_constant_may_be_at_its_border():
    assert OpenConstants(growth=1.0).growth == 1
    assert OpenConstants(growth=1.5).growth == 1.5
    assert OpenConstants(power=0.0).power == 0
    assert OpenConstants(power=0.5).power == 0.5
    assert OpenConstants(failure=0.999).failure == 0.999


@pytest.mark.parametrize("name", ["width", "step", "radius", "growth", "failure"])
def test_an_open_constant_is_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be a finite number > 0, got 0"):
        OpenConstants(**{name: 0})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"growth": 0.999}, "growth must be a finite number ≥ 1, got 0.999"),
        ({"power": -0.5}, "power must be a finite number ≥ 0, got -0.5"),
        ({"power": math.inf}, "power must be a finite number ≥ 0"),
        ({"failure": 1.0}, "failure must be a probability below 1, got 1.0"),
        ({"failure": 1.5}, "failure must be a probability below 1, got 1.5"),
    ],
)
def test_an_open_constant_beyond_its_border_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        OpenConstants(**change)


@pytest.mark.parametrize("name", ["c_w0", "c_x0", "a_20", "a_40"])
def test_a_constant_of_the_initialisation_is_positive(name):
    given = {"c_w0": 1.0, "c_x0": 1.0, "a_20": 1.0, "a_40": 1.0} | {name: 0.0}
    with pytest.raises(ValueError, match=f"{name} must be a finite number > 0, got 0.0"):
        InitialConstants(**given)


def test_each_of_the_papers_networks_has_its_appendix():
    assert constants.appendix(FC) == ("B", "Theorem 5.1")
    assert constants.appendix(RESNET) == ("C", "Theorem 6.1")
    assert constants.appendix(CONV) == ("D", "Theorem 7.1")
    assert [constants.is_residual(net) for net in (FC, RESNET, CONV)] == [False, True, True]
    with pytest.raises(TypeError, match="net must be a FullyConnected, ResNet or ConvResNet, got TwoLayerReLU"):
        constants.appendix(mgd.TwoLayerReLU(3, 5))
    with pytest.raises(TypeError, match="net must be a ResNet or ConvResNet, got FullyConnected"):
        constants.growth_of_residual(FC, 3.0)
