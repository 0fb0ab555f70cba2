"""The recursions of infinite width against a slow recursion, closed forms, and the fast limits."""

import math

import numpy as np
import pytest
from exact_limits import exact_limits
from scipy import special
from slow_limits import inputs, slow_limits

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.theory import recursions

NETS = [
    mgd.FullyConnected(4, 5, 1, "tanh"),
    mgd.FullyConnected(4, 5, 3, "softplus"),
    mgd.ResNet(4, 5, 3, "softplus", c_res=0.9),
    mgd.ConvResNet((2, 3), 4, 3, (3,), "softplus", c_res=0.9),
    mgd.ConvResNet((1, 2, 2), 4, 2, (3, 1), "sincos", c_res=2.0),
    mgd.TwoLayerReLU(4, 5),
]


def test_limits_of_every_layer():
    net = mgd.ResNet(3, 5, 3, "sincos", c_res=0.9)
    X = np.array([[0.6, 0.3, -0.5], [1.1, 0.2, 0.4]])
    comparison = recursions.every_layer(net, X)
    assert comparison.holds
    expected = [float(theta) for theta in exact_limits(net, "sincos", X)]
    np.testing.assert_allclose(comparison.left[:, 0, 1], expected, rtol=1e-10)
    np.testing.assert_allclose(comparison.right[:, 0, 1], expected, rtol=1e-10)


def test_closed_form_of_sincos():
    net = mgd.FullyConnected(3, 5, 3, "sincos")
    X = mgd.data.sphere(3, 3, seed=1)
    comparison = recursions.sincos_recursion(net, X)
    assert comparison.holds
    theta, P = slow_limits(net, X, step=0.25)
    expected = [P[1][..., 0, 0], P[2][..., 0, 0], theta[2]]
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-9)


def test_closed_form_of_erf():
    a, b, c = np.array([1.0, 0.5]), np.array([1.0, 2.0]), np.array([0.3, -0.7])
    comparison = recursions.erf_expectations(a, b, c)
    assert comparison.holds
    z = np.arange(-9, 9.05, 0.1)  # the trapezoid rule in two independent variables
    weights = 0.1 * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    expected = np.empty((2, 2))
    for k in range(2):
        u = math.sqrt(a[k]) * z
        v = c[k] / math.sqrt(a[k]) * z[:, None] + math.sqrt(b[k] - c[k] ** 2 / a[k]) * z
        expected[0, k] = (special.erf(u) * weights) @ special.erf(v) @ weights
        expected[1, k] = 4 / math.pi * (np.exp(-u * u) * weights) @ np.exp(-v * v) @ weights
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-10)
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-10)


@pytest.mark.parametrize("net", NETS, ids=str)
def test_the_recursion_to_read_is_the_fast_one(net):
    X = inputs(net, 3, seed=2, low=0.5, high=1.5)
    layers = recursions.limit_layers(net, X)
    K, error, covariances = gram.limiting(net, X, covariances=True)
    tolerance = error + 1e-10 * K.max()
    np.testing.assert_allclose(recursions.last_gram_limit(net, layers[-1]), K[net.depth - 1], rtol=0, atol=tolerance)
    for layer, covariance in zip(layers, covariances, strict=True):
        np.testing.assert_allclose(layer.input.reshape(covariance.shape), covariance, rtol=0, atol=tolerance)
    if net.activation.name != "relu":  # whose series converges slowly
        assert recursions.every_layer(net, X).holds


@pytest.mark.parametrize("net", [net for net in NETS if not isinstance(net, mgd.TwoLayerReLU)], ids=str)
def test_the_recursion_is_the_slow_one_printed_or_derived(net):
    """The same ways to get it wrong, in other words: see `slow_limits.VARIANTS`."""
    X = inputs(net, 2, seed=3, low=0.5, high=1.2)
    for printed, variant in (
        (None, ""),
        ("index of A", "covariance one layer too low"),
        ("cross terms", "cross terms with their own index"),
        ("skip", "skip adds the patch covariance"),
    ):
        if printed == "index of A" and net.depth == 1:
            continue
        theta, P = slow_limits(net, X, variant)
        layers = recursions.limit_layers(net, X, printed)
        np.testing.assert_allclose(recursions.last_gram_limit(net, layers[-1]), theta[net.depth - 1], rtol=1e-8)
        for layer, covariance in zip(layers, P, strict=True):
            np.testing.assert_allclose(layer.input, covariance, rtol=1e-8, atol=1e-12)


def test_unit_inputs_stay_units_in_a_fully_connected_network_and_grow_in_a_residual_one():
    X = mgd.data.sphere(3, 4, seed=4)
    for layer in recursions.limit_layers(NETS[1], X):
        np.testing.assert_allclose(np.einsum("iill->i", layer.S), 1, rtol=1e-10)
    norms = [np.einsum("iill->i", layer.S)[0] for layer in recursions.limit_layers(NETS[2], X)]
    assert norms[0] == pytest.approx(1, rel=1e-10)
    assert norms[0] < norms[1] < norms[2]


def test_an_odd_activation_has_no_means():
    layers = recursions.limit_layers(mgd.ResNet(4, 5, 3, "tanh"), inputs(NETS[2], 3, seed=5))
    np.testing.assert_allclose([layer.b for layer in layers], 0, atol=1e-14)


def test_the_closed_form_asks_for_units_and_for_sincos():
    net = mgd.FullyConnected(3, 5, 2, "sincos")
    with pytest.warns(UserWarning, match="closed form of sincos asks for unit inputs"):
        assert not recursions.sincos_recursion(net, 1.5 * np.eye(3)).holds
    with pytest.raises(ValueError, match="net must be a FullyConnected network with σ = sincos"):
        recursions.sincos_recursion(mgd.FullyConnected(3, 5, 2, "tanh"), np.eye(3))
    with pytest.raises(TypeError, match="net must be a Network"):
        recursions.every_layer("net", np.eye(3))
    with pytest.raises(ValueError, match="X must have shape"):
        recursions.every_layer(net, np.eye(4))
    with pytest.raises(ValueError, match="b must be finite"):
        recursions.erf_expectations(1.0, np.nan, 0.0)
