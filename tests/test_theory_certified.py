"""A certified rate against a descent by the textbook's formula."""

import numpy as np

import minimal_gd as mgd
from minimal_gd import minimal
from minimal_gd.theory import certified

X, Y = mgd.data.sphere(3, 5, seed=0), mgd.data.random_labels(3, seed=1)
NET = mgd.FullyConnected(5, 2000, 1, "sincos")
STEP_SIZE = 0.05


def test_certified_descent():
    params, steps = NET.init(0), 20
    comparison = certified.certificate_rate(NET, params, X, Y, STEP_SIZE, steps)
    theta, residuals = (list(params.W), params.a), []
    for _ in range(steps + 1):
        residuals.append(np.linalg.norm(Y - minimal.fully_connected(*theta, X)[0]))
        theta = minimal.gradient_descent(minimal.fully_connected, theta, X, Y, STEP_SIZE, steps=1)
    certificate = mgd.certify(NET, params, X, Y, STEP_SIZE)
    assert comparison.is_promised
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, residuals, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, residuals[0] * certificate.rate ** np.arange(steps + 1), rtol=1e-6)


def test_a_descent_to_the_rounding_of_floats_does_not_break_the_promise():
    """The certified rate falls below what rounding leaves of the residual; the promise is of exact descent."""
    comparison = certified.certificate_rate(NET, NET.init(0), X[:1], Y[:1], 0.2, 1000)
    assert 0 < comparison.right[-1] < comparison.left[-1]
    assert comparison.is_promised
    assert comparison.holds


def test_nothing_is_promised_where_the_certificate_does_not_hold():
    net = mgd.FullyConnected(5, 8, 1, "sincos")
    comparison = certified.certificate_rate(net, net.init(0), X, Y, STEP_SIZE, 5)
    assert not comparison.is_promised
    np.testing.assert_array_equal(comparison.right, comparison.right[0])
