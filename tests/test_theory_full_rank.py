"""λ_min(K^(H)) > 0: where it is, what it is without each hypothesis, and how it falls with depth and angle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import at_most
from slow_limits import slow_limits

import minimal_gd as mgd
from minimal_gd import gaussian, gram
from minimal_gd.theory import full_rank

POINTS = mgd.data.sphere(3, 3, seed=1) * np.array([[0.8], [1.0], [1.3]])
SOFTPLUS_CHI = 0.318459  # c_σ E[σ′(z)²] by the trapezoid rule, see test_decay_with_depth


def sincos_products(X):
    """E[σ(u)σ(v)] = E[σ′(u)σ′(v)] = exp(c - (a + b)/2)."""
    squares = np.sum(X**2, axis=1)
    return np.exp(X @ X.T - (squares[:, None] + squares) / 2)


def error_of_spectrum(K, entry_error):
    return len(K) * (entry_error + np.finfo(float).eps * np.linalg.eigvalsh(K)[-1])


def series_error(name):
    f = getattr(mgd.activations.get("sincos"), name)
    squares = np.sum(POINTS**2, axis=1)
    return gaussian.product(f, f, squares[:, None], squares, POINTS @ POINTS.T)[1].max()


def pair(angle, d=3):
    X = np.zeros((2, d))
    X[:, :2] = [[1, 0], [math.cos(angle), math.sin(angle)]]
    return X


# ------------------------------------------------------------------ statements


def test_lemma_f_1():
    comparison = full_rank.values_full_rank("sincos", POINTS)
    assert comparison.is_promised
    assert comparison.holds
    G = sincos_products(POINTS)
    np.testing.assert_allclose(comparison.left, np.linalg.eigvalsh(G)[0], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, error_of_spectrum(G, series_error("sigma")), rtol=1e-6)


def test_lemma_f_2():
    comparison = full_rank.slopes_full_rank("sincos", POINTS)
    assert comparison.is_promised
    assert comparison.holds
    products = POINTS @ POINTS.T
    G = sincos_products(POINTS) * products
    np.testing.assert_allclose(comparison.left, np.linalg.eigvalsh(G)[0], rtol=1e-9)
    error = error_of_spectrum(G, series_error("dsigma") * products.max())
    np.testing.assert_allclose(comparison.right, error, rtol=1e-6)


def test_proposition_f_1():
    net, X = mgd.FullyConnected(3, 5, 2, "sincos"), mgd.data.sphere(3, 3, seed=1)
    comparison = full_rank.limit_full_rank(net, X)
    assert comparison.is_promised
    assert comparison.holds
    S = np.exp(X @ X.T - 1)
    K = S * np.exp(S - 1)
    np.testing.assert_allclose(comparison.left, np.linalg.eigvalsh(K)[0], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, error_of_spectrum(K, gram.limiting(net, X)[1]), rtol=1e-6)


def check_residual_bound(net, X, kappa):
    """For σ = sincos; κ = Σ_l λ_min(φ(C^(1))_l), as E[σ′(u)²] = E[1 - sin 2u] = 1 for every variance."""
    comparison = full_rank.residual_bound(net, X)
    assert comparison.is_promised
    assert comparison.holds
    K = slow_limits(net, X, step=0.25)[0][net.depth - 1]
    c_H = (net.c_res / net.depth) ** 2
    np.testing.assert_allclose(comparison.left, [np.linalg.eigvalsh(K)[0], kappa], rtol=1e-8)
    np.testing.assert_allclose(comparison.right, [c_H * kappa, 1e-10 * np.diag(K).max() / c_H], rtol=1e-8)


def covariance(X):
    """C^(1) = E[σσ] - E[σ]E[σ]."""
    squares = np.sum(X**2, axis=1)
    return sincos_products(X) - np.exp(-(squares[:, None] + squares) / 2)


def test_proposition_f_2():
    net = mgd.ResNet(3, 5, 2, "sincos", c_res=0.7)
    check_residual_bound(net, POINTS, kappa=np.linalg.eigvalsh(covariance(POINTS))[0])


def test_full_rank_convolution():
    net = mgd.ConvResNet((1, 2), 5, 2, (3,), "sincos", c_res=0.7)
    X = POINTS[:2, None, :2]
    # a patch holds both pixels and a zero: both are one two-entry input to layer 1, and both count in both patches
    check_residual_bound(net, X, kappa=4 * np.linalg.eigvalsh(covariance(X[:, 0]))[0])


def test_decay_with_depth():
    net, X = mgd.FullyConnected(3, 5, 3, "softplus"), pair(0.5)
    comparison = full_rank.decay_with_depth(net, X)
    assert comparison.is_promised
    assert comparison.holds
    K = [slow_limits(mgd.FullyConnected(3, 5, H, "softplus"), X, step=0.3)[0][H - 1] for H in (3, 4)]
    before, after = (np.linalg.eigvalsh(K_H)[0] for K_H in K)
    np.testing.assert_allclose(comparison.left, after / before, rtol=1e-6)
    z = np.arange(-12, 12, 0.01)
    chi = np.sum(np.exp(-z * z / 2) / (1 + np.exp(-z)) ** 2) / np.sum(np.exp(-z * z / 2) * np.log1p(np.exp(z)) ** 2)
    np.testing.assert_allclose(comparison.right, chi, rtol=1e-9)
    np.testing.assert_allclose(SOFTPLUS_CHI, chi, rtol=1e-5)


def test_angle_law():
    net = mgd.FullyConnected(3, 5, 2, "sincos")
    comparison = full_rank.angle_law(net, 0.1)
    assert comparison.holds
    S = math.exp(math.cos(0.1) - 1)
    np.testing.assert_allclose(comparison.left, 1 - S * math.exp(S - 1), rtol=1e-9)
    # K^(2) = S e^(S - 1) with S = e^(ρ - 1): its derivative at ρ = 1 is 2
    np.testing.assert_allclose(comparison.right, 0.1**2, rtol=1e-9)


# ------------------------------------------------------------------ without each hypothesis


def test_the_same_input_twice_is_singular():
    X = np.array([[1.0, 0.5], [1.0, 0.5], [0.0, 1.0]])
    for net in (mgd.FullyConnected(2, 5, 2), mgd.ResNet(2, 5, 2)):
        comparison = full_rank.limit_full_rank(net, X)
        assert not comparison.is_promised
        assert not comparison.holds
    assert not full_rank.residual_bound(mgd.ResNet(2, 5, 2), X).holds
    for lemma in (full_rank.values_full_rank, full_rank.slopes_full_rank):
        assert not lemma("softplus", X).holds


def test_opposite_inputs_are_singular_for_an_odd_activation_only():
    X = np.array([[0.6, 0.8], [-0.6, -0.8]])
    for name, is_positive in (("tanh", False), ("erf", False), ("softplus", True), ("sincos", True)):
        comparison = full_rank.limit_full_rank(mgd.FullyConnected(2, 5, 2, name), X)
        assert not comparison.is_promised
        assert comparison.holds is is_positive
        assert full_rank.values_full_rank(name, X).holds is is_positive


def test_parallel_inputs_of_two_lengths_are_told_apart_by_most_activations():
    """The hypothesis is sufficient, not necessary: only for homogeneous σ is one output a multiple of the other."""
    X = np.array([[0.6, 0.8], [1.2, 1.6]])
    for name, is_positive in (("softplus", True), ("identity", False), ("square", False)):
        comparison = full_rank.values_full_rank(name, X)
        assert not comparison.is_promised
        assert comparison.holds is is_positive


@pytest.mark.parametrize("name", ["square", "identity"])
def test_a_polynomial_is_singular_for_more_inputs_than_monomials(name):
    few = {"square": 3, "identity": 2}[name]  # x², xy, y²; x, y
    for n, is_positive in ((few, True), (few + 1, False)):
        Z = mgd.data.sphere(n, 2, seed=2)
        comparison = full_rank.values_full_rank(name, Z)
        assert not comparison.is_promised
        assert comparison.holds is is_positive
    net = mgd.FullyConnected(2, 5, 1, name)
    assert not full_rank.limit_full_rank(net, mgd.data.sphere(8, 2, seed=2)).holds
    for other in ("softplus", "sincos"):
        assert full_rank.values_full_rank(other, mgd.data.sphere(8, 2, seed=2)).holds


@at_most(25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["softplus", "sincos", "gelu", "erf"]), st.integers(1, 3))
def test_distant_lines_give_full_rank_in_every_architecture(seed, name, depth):
    X = np.random.default_rng(seed).standard_normal((3, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    if full_rank.smallest_angle(X) < 0.3:
        return  # λ_min ∝ θ² may be below its error
    for net in (mgd.FullyConnected(4, 2, depth, name), mgd.ResNet(4, 2, depth, name)):
        comparison = full_rank.limit_full_rank(net, X)
        assert comparison.is_promised
        assert comparison.holds


# ------------------------------------------------------------------ how large


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def test_a_residual_network_loses_one_over_h_squared_and_no_more():
    """H² λ_min(K^(H)) is flat up to O(1/H), and κ is the same for every H."""
    depths, X = np.array([4, 8, 16]), mgd.data.sphere(4, 4, seed=3)
    runs = [full_rank.residual_bound(mgd.ResNet(4, 5, int(H), "softplus"), X) for H in depths]
    assert all(run.holds for run in runs)
    assert slope(depths, [run.left[0] for run in runs]) == pytest.approx(-2, abs=0.1)
    np.testing.assert_allclose([run.left[1] for run in runs], runs[0].left[1], rtol=1e-12)


def test_a_convolutional_one_too():
    depths, X = np.array([4, 8]), mgd.data.sphere(3, 3, seed=3)[:, None]
    runs = [full_rank.residual_bound(mgd.ConvResNet((1, 3), 5, int(H), (3,), "softplus"), X) for H in depths]
    assert all(run.holds for run in runs)
    assert slope(depths, [run.left[0] for run in runs]) == pytest.approx(-2, abs=0.15)


def test_a_fully_connected_network_decays_geometrically():
    X = mgd.data.sphere(4, 4, seed=3)
    depths = np.array([4, 6, 8])
    smallest = [full_rank.limit_full_rank(mgd.FullyConnected(4, 5, int(H)), X).left for H in depths]
    rate = math.exp(np.polyfit(depths, np.log(smallest), 1)[0])
    assert rate == pytest.approx(SOFTPLUS_CHI, rel=0.02)  # what is left of the first layers falls as χ_1^H
    errors = [full_rank.decay_with_depth(mgd.FullyConnected(4, 5, H), X).factor for H in (1, 3, 5)]
    assert errors[0] > errors[1] > errors[2]


def test_an_activation_with_chi_above_1_does_not_decay_so():
    """Orthogonal inputs stay orthogonal in networks of odd σ: λ_min stays too."""
    comparison = full_rank.decay_with_depth(mgd.FullyConnected(4, 5, 4, "tanh"), np.eye(4))
    assert not comparison.is_promised
    assert not comparison.holds
    assert comparison.left == pytest.approx(1, rel=1e-9)
    assert comparison.right == pytest.approx(1.178, abs=1e-3)


@pytest.mark.parametrize(
    "net",
    [
        mgd.FullyConnected(3, 5, 1, "softplus"),
        mgd.FullyConnected(3, 5, 3, "softplus"),
        mgd.ResNet(3, 5, 3, "softplus"),
        mgd.ResNet(3, 5, 2, "tanh", c_res=0.9),
    ],
    ids=str,
)
def test_the_smallest_eigenvalue_falls_as_the_square_of_the_angle(net):
    angles = np.array([0.02, 0.05, 0.1])
    comparisons = [full_rank.angle_law(net, angle) for angle in angles]
    assert all(comparison.holds for comparison in comparisons)
    assert slope(angles, [comparison.left for comparison in comparisons]) == pytest.approx(2, abs=0.02)
    # the constant is exact: what is left is O(θ²)
    errors = [comparison.factor for comparison in comparisons]
    assert slope(angles, errors) == pytest.approx(2, abs=0.1)


def test_the_angle_law_is_for_small_angles():
    assert not full_rank.angle_law(mgd.ResNet(3, 5, 2, "tanh"), 1.0).holds


def test_too_large_a_kappa_fails():
    net, X = mgd.ResNet(3, 5, 3, "softplus"), mgd.data.sphere(3, 3, seed=4)
    kappa = full_rank.kappa_of(net, X)
    assert full_rank.residual_bound(net, X, kappa=kappa / 2).holds
    assert not full_rank.residual_bound(net, X, kappa=100 * kappa).holds
    assert not full_rank.residual_bound(net, X, kappa=0.0).holds


def test_the_smallest_angle():
    assert full_rank.smallest_angle(pair(0.3)) == pytest.approx(0.3, rel=1e-12)
    assert full_rank.smallest_angle(pair(math.pi - 1e-7)) == pytest.approx(1e-7, rel=1e-6)
    assert full_rank.smallest_angle(np.array([[2.0, 0.0], [0.0, 0.0]])) == 0
    assert full_rank.smallest_angle(np.ones((1, 3))) == math.pi / 2


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: full_rank.residual_bound(mgd.ResNet(3, 5, 1), np.eye(3)), ValueError, "net must have depth ≥ 2 for P"),
        (lambda: full_rank.residual_bound(mgd.FullyConnected(3, 5, 2), np.eye(3)), ValueError, "must have skip conn"),
        (lambda: full_rank.decay_with_depth(mgd.ResNet(3, 5, 2), np.eye(3)), TypeError, "must be a FullyConnected"),
        (lambda: full_rank.decay_with_depth(mgd.FullyConnected(3, 5, 2), np.ones((2, 3)) / 3**0.5), ValueError, "par"),
        (lambda: full_rank.angle_law(mgd.FullyConnected(1, 5, 2), 0.1), ValueError, "net must take vectors of two"),
        (lambda: full_rank.angle_law(mgd.FullyConnected(2, 5, 2), 0), ValueError, "angle must be a finite number > 0"),
        (lambda: full_rank.values_full_rank("tanh", [[np.inf]]), ValueError, "Z must be finite"),
        (lambda: full_rank.limit_full_rank("tanh", np.eye(3)), TypeError, "net must be a Network"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_decay_asks_for_units():
    with pytest.warns(UserWarning, match="The decay with depth asks for unit inputs"):
        full_rank.decay_with_depth(mgd.FullyConnected(3, 5, 2), 1.1 * np.eye(3))


def test_two_bits_far_apart_are_promised_nothing():
    """No two inputs are parallel, but no position sees both bits: their exclusive or is a null vector."""
    X = np.ones((4, 1, 9))
    X[2:, 0, 0] = X[1::2, 0, 8] = 2
    net = mgd.ConvResNet((1, 9), 5, 2, (3,), "sincos")
    for comparison in (full_rank.limit_full_rank(net, X), full_rank.residual_bound(net, X)):
        assert not comparison.is_promised
        assert not comparison.holds
