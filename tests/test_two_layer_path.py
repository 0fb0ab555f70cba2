"""The companion's gradient flow, equations (5) to (7), against plain loops and many small steps."""

import numpy as np
from slow_two_layer import CORNERS, SIGNS, TIMES, euler, gram_loop, orthogonal, predictions

import minimal_gd as mgd
from minimal_gd.testing.strategies import problem
from minimal_gd.theory import two_layer_path

NET = mgd.TwoLayerReLU(3, 50)


def test_companion_equation_5():
    _, params, X, y = problem(NET, 4, seed=1).everything
    comparison = two_layer_path.equation_5(NET, params, X, y)
    assert comparison.holds
    expected = gram_loop(params.W[0], X) @ (y - predictions(params.W[0], params.a, X))
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-9)
    # away from kinks u is linear in W: a difference quotient along the velocity errs by rounding alone
    velocity = -NET.gradient(params, X, y).W[0]
    ends = [predictions(params.W[0] + sign * 1e-6 * velocity, params.a, X) for sign in (1, -1)]
    np.testing.assert_allclose(comparison.left, (ends[0] - ends[1]) / 2e-6, atol=1e-8)


def test_companion_equation_6():
    _, params, X, _ = problem(NET, 4, seed=1).everything
    comparison = two_layer_path.equation_6(NET, params, X)
    assert comparison.holds
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, gram_loop(params.W[0], X), rtol=1e-12)


def test_companion_equation_7():
    path = orthogonal(50)
    comparison = two_layer_path.equation_7(path)
    assert comparison.holds
    weights = euler(path.params[0], CORNERS, SIGNS, TIMES)
    expected = [gram_loop(W, CORNERS) @ (SIGNS - predictions(W, path.params[0].a, CORNERS)) for W in weights]
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, expected, atol=0.01 * np.abs(expected).max())


def test_equation_7_fails_with_a_gram_matrix_of_another_time():
    path = orthogonal(50)
    path.H[-1] = 2 * path.H[-1]
    assert not two_layer_path.equation_7(path).holds


def test_the_path_is_that_of_small_steps():
    X, y = mgd.data.sphere(3, 4, seed=0), np.array([1.0, -1.0, 0.5])
    net = mgd.TwoLayerReLU(4, 200)
    path = two_layer_path.gradient_path(net, net.init(3), X, y, TIMES)
    weights = euler(path.params[0], X, y, TIMES)
    for params, W in zip(path.params, weights, strict=True):
        np.testing.assert_allclose(y - net.predict(params, X), y - predictions(W, params.a, X), atol=2e-3)
    np.testing.assert_array_equal(path.times, [0, *TIMES])
