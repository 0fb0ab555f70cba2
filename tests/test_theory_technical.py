"""The technical lemmas: always true of random matrices and covariances, and sharp enough to fail where they should."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import at_most
from scipy import integrate

import minimal_gd as mgd
from minimal_gd import activations
from minimal_gd.theory import technical

SMOOTH = ("softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos")
seeds = st.integers(0, 2**32 - 1)


def expectation(f, a, b, c):
    """E[f(u) f(v)] by the trapezoid rule in two independent variables."""
    z = np.arange(-9, 9.05, 0.1)
    weights = 0.1 * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    u = math.sqrt(a) * z[:, None]
    v = c / math.sqrt(a) * z[:, None] + math.sqrt(b - c * c / a) * z
    return float(np.sum(f(u) * f(v) * weights[:, None] * weights))


def mean(f, a):
    z = np.arange(-9, 9.05, 0.1)
    return float(f(math.sqrt(a) * z) @ np.exp(-z * z / 2)) * 0.1 / math.sqrt(2 * math.pi)


def softplus(z):
    return np.log1p(np.exp(z))


# ------------------------------------------------------------------ statements


def test_lemma_g_1():
    A = [np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[0.5, 0.0], [0.0, -2.0]])]
    B = [A[0] + 0.1, A[1] - np.eye(2) / 5]
    comparison = technical.product_perturbation(A, B)
    assert comparison.is_promised
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.sqrt(np.sum((A[0] @ A[1] - B[0] @ B[1]) ** 2)), rtol=1e-12)
    # ‖M‖_2² is the largest eigenvalue of MᵀM; ‖A_1 - B_1‖_F = 0.2, ‖A_2 - B_2‖_F = 0.2√2
    M = [max(math.sqrt(np.linalg.eigvalsh(N.T @ N)[-1]) for N in pair) for pair in zip(A, B, strict=True)]
    np.testing.assert_allclose(comparison.right, (0.2 / M[0] + 0.2 * math.sqrt(2) / M[1]) * M[0] * M[1], rtol=1e-12)


def test_lemma_g_2():
    net = mgd.FullyConnected(9, 36, 2, "softplus")
    params = net.init(1)
    comparison = technical.spectral_norms(net, params, delta=0.1)
    assert comparison.holds
    norms = [math.sqrt(np.linalg.eigvalsh(W.T @ W)[-1]) for W in params.W]
    np.testing.assert_allclose(comparison.left, norms, rtol=1e-10)
    slack = math.sqrt(2 * math.log(20))  # √(2 log(H/δ))
    np.testing.assert_allclose(comparison.right, [3 + 6 + slack, 6 + 6 + slack], rtol=1e-12)


def test_lemma_g_3():
    comparison = technical.mean_is_lipschitz("softplus", 0.5, 2.0)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, mean(softplus, 2.0) - mean(softplus, 0.5), rtol=1e-9)
    # β/2 = 1/8 is below L/√(2π/2) = 0.56
    np.testing.assert_allclose(comparison.right, 1.5 / 8, rtol=1e-12)


def test_lemma_g_4():
    A, B = np.array([[1.0, 0.3], [0.3, 2.0]]), np.array([[1.5, -0.2], [-0.2, 1.0]])
    comparison = technical.product_is_lipschitz("softplus", A, B)
    assert comparison.holds
    difference = abs(expectation(softplus, 1.0, 2.0, 0.3) - expectation(softplus, 1.5, 1.0, -0.2))
    slopes = [(math.log(2) + math.sqrt(2 * highest / math.pi)) / 8 for highest in (1.5, 2.0)]
    C = math.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + 0.5)
    frobenius = math.sqrt(0.25 + 1 + 2 * 0.25)
    np.testing.assert_allclose(comparison.left, [difference, C * frobenius], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, [C * frobenius, 2 * C], rtol=1e-9)


def test_price_identity():
    comparison = technical.price("softplus", 1.0, 2.0, 0.5)
    assert comparison.holds
    expected = expectation(softplus, 1.0, 2.0, 0.5) - mean(softplus, 1.0) * mean(softplus, 2.0)
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-9)
    slopes = integrate.quad(lambda t: expectation(lambda z: 1 / (1 + np.exp(-z)), 1.0, 2.0, t), 0, 0.5)[0]
    np.testing.assert_allclose(comparison.right, slopes, rtol=1e-9)


def test_psd_order():
    A, B = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    comparison = technical.psd_order(A, B)
    assert comparison.is_promised
    assert comparison.holds
    # the eigenvalues of (a, c; c, b) are the mean of a and b, ± √((a - b)²/4 + c²)
    np.testing.assert_allclose(comparison.left, 3.5 - math.sqrt(0.25 + 4), rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 2.5 - math.sqrt(0.25 + 1), rtol=1e-12)


def test_schur_product():
    A, B = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, 1.0], [1.0, 2.0]])
    comparison = technical.schur_order(A, B)
    assert comparison.is_promised
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, 4 - math.sqrt(4 + 1), rtol=1e-12)  # of (2, 1; 1, 6)
    np.testing.assert_allclose(comparison.right, 2.5 - math.sqrt(0.25 + 1), rtol=1e-12)


# ------------------------------------------------------------------ always


@st.composite
def chains(draw):
    """Two chains of matrices that can be multiplied, close to each other or not."""
    rng = np.random.default_rng(draw(seeds))
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    distance = draw(st.sampled_from([0.0, 1e-6, 0.1, 1.0, 10.0]))
    A = [rng.standard_normal(shape) for shape in pairwise(sizes)]
    return A, [M + distance * rng.standard_normal(M.shape) for M in A]


@given(chains())
def test_lemma_g_1_holds_for_all_matrices(chain):
    comparison = technical.product_perturbation(*chain)
    assert comparison.is_promised
    assert comparison.holds


@st.composite
def psd_pairs(draw):
    """Two positive semi-definite matrices, of full rank or not."""
    rng = np.random.default_rng(draw(seeds))
    n = draw(st.integers(1, 5))
    factors = [rng.standard_normal((n, draw(st.integers(1, 6)))) * 10 ** draw(st.floats(-3, 3)) for _ in range(2)]
    return [factor @ factor.T for factor in factors]


@given(psd_pairs())
def test_adding_and_multiplying_psd_matrices_keeps_the_order(pair):
    for order in (technical.psd_order, technical.schur_order):
        comparison = order(*pair)
        assert comparison.is_promised
        assert comparison.holds


@given(st.sampled_from(SMOOTH), st.floats(0, 5), st.floats(0, 5))
def test_lemma_g_3_holds_for_all_variances(name, a, b):
    assert technical.mean_is_lipschitz(name, a, b).holds


@at_most(30)  # of 3 pairs each
@given(st.sampled_from(SMOOTH), seeds)
def test_lemma_g_4_holds_for_all_covariances(name, seed):
    factors = np.random.default_rng(seed).standard_normal((2, 3, 2, 3)) / 2
    A, B = (factor @ factor.swapaxes(1, 2) for factor in factors)
    A, B = ((M + M.swapaxes(1, 2)) / 2 for M in (A, B))
    assert technical.product_is_lipschitz(name, A, B).holds


def test_price_holds_for_all_activations():
    a, b, c = np.array([0.5, 1.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.5, 1.0]), np.array([0.3, -0.6, 0.5, 0.7])
    for name in SMOOTH:
        assert technical.price(name, a, b, c).holds


# ------------------------------------------------------------------ where they fail, and how sharp they are


def test_lemma_g_1_needs_bounds_that_are_true():
    A = [2 * np.eye(2), 2 * np.eye(2)]
    B = [2.2 * np.eye(2), 2.2 * np.eye(2)]
    comparison = technical.product_perturbation(A, B, bounds=[1.0, 1.0])
    assert not comparison.is_promised
    assert not comparison.holds
    assert technical.product_perturbation(A, B, bounds=[3.0, 3.0]).holds


def test_lemma_g_1_is_sharp_to_first_order():
    """For multiples of the identity of size 1, both sides are Σα up to its square."""
    A, B = [np.eye(1)] * 3, [(1 - 1e-6) * np.eye(1)] * 3
    comparison = technical.product_perturbation(A, B)
    np.testing.assert_allclose(comparison.left, comparison.right, rtol=1e-5)


def test_the_norm_of_a_square_gaussian_matrix_is_two_roots_of_its_size():
    for m in (50, 200):
        norm = technical.spectral_norms(mgd.FullyConnected(m, m, 1), mgd.FullyConnected(m, m, 1).init(2)).left[0]
        # the largest singular value is (2 + O(m^(-2/3))) √m: 2 % to 7 % here
        assert abs(norm / math.sqrt(m) - 2) < 2 * m ** (-2 / 3)


def test_gaussian_matrices_fail_as_rarely_as_lemma_g_2_says():
    m, columns, draws = 4, 8, 4000
    norms = np.linalg.norm(np.random.default_rng(3).standard_normal((draws, m, columns)), 2, axis=(1, 2))
    shares = []
    for c_w0 in (math.sqrt(2) + 1.05, math.sqrt(2) + 1.5, math.sqrt(2) + 2):
        bound = technical.failure_probability(m, columns, c_w0)
        shares.append(np.mean(norms > c_w0 * math.sqrt(m)))
        assert shares[-1] <= bound + 3 * math.sqrt(bound * (1 - bound) / draws)
    assert shares[0] > 0  # below √c + 1 + something they do fail
    assert technical.failure_probability(m, columns, 1.0) == 1


def test_matrices_that_are_not_standard_normal_violate_lemma_g_2():
    net = mgd.FullyConnected(5, 50, 2, "softplus")
    assert technical.spectral_norms(net, net.init(4)).holds
    assert not technical.spectral_norms(net, net.init(4).map(lambda W: 1.5 * W)).holds
    assert not technical.spectral_norms(net, net.init(4).map(np.ones_like)).holds  # a norm of m


def test_the_constant_of_lemma_g_3_is_reached_by_the_square():
    """E[u²] = a: β/2 = 1 is exact."""
    comparison = technical.mean_is_lipschitz("square", 0.5, 2.0)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, comparison.right, rtol=1e-12)


def test_relu_has_a_constant_of_lemma_g_3_away_from_zero():
    """E[relu(u)] = √(a/2π), whose slope 1/√(8πa) is half of the bound L/√(2πa)."""
    comparison = technical.mean_is_lipschitz("relu", 1.0, 1.001)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left / comparison.right, 0.5, rtol=1e-3)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_constant_of_lemma_g_4_is_within_a_small_factor(name):
    """Of the steepest direction, found at one covariance by differences."""
    sigma = activations.get(name).sigma
    A = np.array([[1.0, 0.5], [0.5, 1.0]])
    t = 1e-4
    ups = [expectation(sigma, *(np.array([1, 1, 0.5]) + step)) for step in t * np.eye(3)]
    downs = [expectation(sigma, *(np.array([1, 1, 0.5]) - step)) for step in t * np.eye(3)]
    slopes = (np.array(ups) - downs) / (2 * t)
    steepest = math.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2 / 2)
    C = technical.lipschitz_of_product(activations.get(name), np.diag(A))
    assert steepest <= C <= 12 * steepest


def test_too_small_a_constant_fails():
    A, B = np.eye(2), np.array([[1.0, 0.9], [0.9, 1.0]])
    assert not technical.product_is_lipschitz("softplus", A, B, constant=0.1).holds
    assert not technical.mean_is_lipschitz("softplus", 0.5, 2.0, constant=0.01).holds


def test_no_constant_is_known_without_both_conditions():
    A, B = np.eye(2), np.array([[1.0, 0.3], [0.3, 1.0]])
    for name in ("relu", "square"):
        comparison = technical.product_is_lipschitz(name, A, B)
        assert np.isnan(comparison.right).all()
        assert not comparison.holds
    assert technical.product_is_lipschitz("relu", A, B, constant=1.0).holds


def test_the_orders_need_what_they_ask_for():
    A, B = np.diag([1.0, 2.0]), np.diag([-1.0, 1.0])
    for order in (technical.psd_order, technical.schur_order):
        comparison = order(A, B)
        assert not comparison.is_promised
    assert not technical.psd_order(A, B).holds
    # entry by entry, a matrix of eigenvalues -1 and 3 times its like has -3 and 5, below -1 · 1
    C = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert not technical.schur_order(C, C).is_promised
    assert not technical.schur_order(C, C).holds


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: technical.product_perturbation([np.eye(2)], [np.eye(3)]), "B must hold matrices shaped as A's"),
        (lambda: technical.product_perturbation([np.eye(2), np.ones((3, 2))], []), "A must hold matrices that can be"),
        (lambda: technical.product_perturbation([], []), "A must hold at least one matrix"),
        (lambda: technical.product_perturbation([np.eye(2)], [np.eye(2)], [1.0, 2.0]), "bounds must have shape"),
        (lambda: technical.spectral_norms(mgd.ResNet(2, 2, 2), mgd.ResNet(2, 2, 2).init(0), delta=1), "delta must be"),
        (lambda: technical.mean_is_lipschitz("tanh", 1.0, 2.0, constant=0), "constant must be"),
        (lambda: technical.mean_is_lipschitz("tanh", np.nan, 2.0), "a must be finite"),
        (lambda: technical.product_is_lipschitz("tanh", np.eye(2), np.eye(3)), "B must hold symmetric 2 × 2"),
        (lambda: technical.product_is_lipschitz("tanh", np.eye(2), 1 - 2 * np.eye(2)), "B must hold covariances"),
        (lambda: technical.psd_order(np.ones((2, 3)), np.eye(2)), "A must have shape"),
    ],
)
def test_a_wrong_argument_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
