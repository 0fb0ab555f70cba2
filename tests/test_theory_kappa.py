"""κ of Proposition F.2, for an activation whose expectations are closed forms, and what the statements ask for."""

import math

import numpy as np
import pytest
from scipy import special

import minimal_gd as mgd
from minimal_gd.theory import full_rank

L = 2 / math.sqrt(math.pi)
SHIFT = 0.4
SHIFTED_ERF = mgd.Activation(
    lambda z: SHIFT + special.erf(z), lambda z: L * np.exp(-z * z), "shifted erf", lipschitz=L, analytic=True
)
POINTS = np.array([[0.8, 0.3], [-0.2, 1.1]])


def erf_products(X):
    """E[erf(u)erf(v)]."""
    sizes = 1 + 2 * np.sum(X**2, axis=1)
    return 2 / math.pi * np.arcsin(2 * X @ X.T / np.sqrt(np.outer(sizes, sizes)))


def kappa_by_hand(X, c_res, q):
    """λ_min(C^(1)) E[σ′(√v z)²], which falls as v grows: at the largest v that layer H may have."""
    c_sigma = 1 / (SHIFT**2 + erf_products(np.eye(1)).item())
    C = c_sigma * erf_products(X)  # a shift of σ does not change a covariance
    largest = (c_sigma * SHIFT**2 + C).diagonal().max()
    growth = math.exp(c_res * L * math.sqrt(q))
    v = q * (growth * math.sqrt(largest) + SHIFT * (growth - 1) / (L * math.sqrt(q))) ** 2
    return np.linalg.eigvalsh(C)[0] * 4 / math.pi / math.sqrt(1 + 4 * v)


@pytest.mark.parametrize("depth", [2, 5])
def test_kappa_counts_on_the_largest_variance_that_any_depth_may_give(depth):
    net = mgd.ResNet(2, 4, depth, SHIFTED_ERF, c_res=0.7)
    assert full_rank.kappa_of(net, POINTS) == pytest.approx(kappa_by_hand(POINTS, 0.7, 1), rel=1e-8)
    assert full_rank.residual_bound(net, POINTS).holds


def test_kappa_sums_over_the_positions_of_a_convolution():
    net = mgd.ConvResNet((1, 2), 4, 3, (3,), SHIFTED_ERF, c_res=0.7)
    X = POINTS[:, None]
    # both pixels see both, and both count in both patches
    assert full_rank.kappa_of(net, X) == pytest.approx(4 * kappa_by_hand(POINTS, 0.7, 3), rel=1e-8)
    assert full_rank.residual_bound(net, X).holds


def test_kappa_is_that_of_a_layer_after_the_first():
    with pytest.raises(ValueError, match="net must have depth ≥ 2 for κ"):
        full_rank.kappa_of(mgd.ResNet(2, 4, 1, SHIFTED_ERF), POINTS)


def test_what_is_asked_is_said_of_inputs_or_of_patches():
    X = POINTS[:, None]
    for net, inputs, claim in (
        (mgd.ResNet(2, 4, 2), POINTS, "∠(x_i, ±x_j) > 0"),
        (mgd.ConvResNet((1, 2), 4, 2, (3,)), X, "max_l ∠(φ_l(x_i), ±φ_l(x_j)) > 0"),
    ):
        for comparison in (full_rank.limit_full_rank(net, inputs), full_rank.residual_bound(net, inputs)):
            assert comparison.premises[0].claim == claim


def test_the_angle_law_needs_a_plane_and_no_more():
    assert full_rank.angle_law(mgd.ResNet(2, 4, 2), 0.05).holds
    for net in (mgd.ResNet(1, 4, 2), mgd.ConvResNet((2, 2), 4, 2, (3,))):
        with pytest.raises(ValueError, match="net must take vectors of two entries or more for the angle law"):
            full_rank.angle_law(net, 0.05)


def test_the_angle_between_lines_knows_no_lengths_and_no_signs():
    for one, other in ((2.0, 3.0), (0.1, -5.0), (-1.0, 1e3)):
        X = np.array([[one, 0.0], [other * math.cos(0.4), other * math.sin(0.4)]])
        assert full_rank.smallest_angle(X) == pytest.approx(0.4)
    assert full_rank.smallest_angle(np.eye(3)) == pytest.approx(math.pi / 2)
    assert full_rank.smallest_angle(np.array([[1.0, 0.0], [-3.0, 4.0], [0.0, 2.0]])) == pytest.approx(math.atan(3 / 4))
