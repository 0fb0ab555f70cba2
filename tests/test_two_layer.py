"""The companion's network, loss, gradient and step against loops and finite differences."""

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.testing.strategies import problem
from minimal_gd.theory import two_layer

NET = mgd.TwoLayerReLU(3, 6)
PROBLEM = problem(NET, 4, seed=5)


def loop(params, X):
    """f of every sample, one hidden unit after the other."""
    units = list(zip(params.W[0], params.a, strict=True))
    return np.array([sum(a * max(w @ x, 0) for w, a in units) for x in X]) / np.sqrt(len(units))


def differences(params, X, y, step=1e-6):
    """∂L/∂W of the loop by central differences: exact to rounding away from kinks, as L is quadratic there."""
    gradient = np.empty_like(params.W[0])
    for index in np.ndindex(gradient.shape):
        losses = []
        for sign in (1, -1):
            W = params.W[0].copy()
            W[index] += sign * step
            losses.append(np.sum((loop(mgd.Parameters((W,), params.a), X) - y) ** 2) / 2)
        gradient[index] = (losses[0] - losses[1]) / (2 * step)
    return gradient


def test_companion_equation_1():
    _, params, X, _ = PROBLEM.everything
    comparison = two_layer.equation_1(NET, params, X)
    assert comparison.holds
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, loop(params, X), rtol=1e-12)


def test_companion_equation_2():
    _, params, X, y = PROBLEM.everything
    comparison = two_layer.equation_2(*PROBLEM.everything)
    assert comparison.holds
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, np.sum((loop(params, X) - y) ** 2) / 2, rtol=1e-12)


def test_companion_equation_3():
    _, params, X, y = PROBLEM.everything
    comparison = two_layer.equation_3(*PROBLEM.everything, step_size=0.3)
    assert comparison.holds
    expected = params.W[0] - 0.3 * differences(params, X, y)
    for side in (comparison.left, comparison.right):  # rounding of the losses by 2e-16, over the step 1e-6
        np.testing.assert_allclose(side, expected, atol=1e-8)


def test_companion_equation_4():
    _, params, X, y = PROBLEM.everything
    comparison = two_layer.equation_4(*PROBLEM.everything)
    assert comparison.holds
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, differences(params, X, y), atol=1e-8)


def test_at_a_kink_the_indicator_is_one():
    """A unit of weight 0 has gradient (1/√m) Σ_i (u_i - y_i) a_r x_i, all samples counted."""
    _, params, X, y = PROBLEM.everything
    W = params.W[0].copy()
    W[2] = 0
    params = mgd.Parameters((W,), params.a)
    comparison = two_layer.equation_4(NET, params, X, y)
    expected = params.a[2] * (loop(params, X) - y) @ X / np.sqrt(6)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left[2], expected, rtol=1e-12)
    np.testing.assert_allclose(comparison.right[2], expected, rtol=1e-12)
    assert two_layer.patterns(NET, params, X)[:, 2].all()


def test_the_patterns_are_those_of_every_unit():
    _, params, X, _ = PROBLEM.everything
    expected = [[sum(p * q for p, q in zip(w, x, strict=True)) >= 0 for w in params.W[0]] for x in X]
    np.testing.assert_array_equal(two_layer.patterns(NET, params, X), expected)


def test_a_wrong_gradient_is_noticed(monkeypatch):
    """The comparison says no: the indicator of the other half space."""
    _, params, X, y = PROBLEM.everything
    monkeypatch.setattr(NET, "gradient", lambda params, X, y: mgd.Parameters((-params.W[0],), params.a), raising=False)
    assert not two_layer.equation_4(NET, params, X, y).holds


@pytest.mark.parametrize(
    ("net", "train_output", "error", "words"),
    [
        (mgd.FullyConnected(3, 6, 1, "softplus"), None, TypeError, "net must be a TwoLayerReLU, got FullyConnected"),
        (NET, True, ValueError, "net must have train_output=True"),
        (mgd.TwoLayerReLU(3, 6, train_output=True), False, ValueError, "net must have train_output=False"),
    ],
)
def test_another_network_is_refused(net, train_output, error, words):
    with pytest.raises(error, match=words):
        two_layer.network(net, train_output)
