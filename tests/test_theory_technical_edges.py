"""The technical lemmas at their edges: what counts as rounding, and which covariances there are."""

import math

import numpy as np
import pytest

from minimal_gd import activations
from minimal_gd.theory import technical


def slack(comparison):
    """How far off the sides may be, in units of 1e-11."""
    return 1e11 * comparison.tolerance * max(np.abs(comparison.left).max(), np.abs(comparison.right).max())


def test_products_are_rounded_relative_to_their_norms():
    A = [np.diag([3.0, 2.0]) @ np.ones((2, 3)), np.full((3, 1), 5.0)]
    B = [M + 0.1 for M in A]
    norms = np.prod([np.linalg.norm(M, 2) for M in B])  # each the larger one of its pair
    assert slack(technical.product_perturbation(A, B)) == pytest.approx(math.sqrt(2) * norms)


def test_expectations_are_rounded_relative_to_the_largest_second_moment():
    # E[u⁴] = 3a², E[u²] = a
    assert slack(technical.mean_is_lipschitz("square", 0.5, 3.0)) == pytest.approx(10 * math.sqrt(27))
    assert slack(technical.price("square", 1.0, 2.0, 0.5)) == pytest.approx(120)
    A, B = np.diag([9.0, 1.0]), np.eye(2)
    assert slack(technical.product_is_lipschitz("identity", A, B, constant=1.0)) == pytest.approx(90)
    # the bound C‖A - B‖_F itself, where it is larger
    assert slack(technical.product_is_lipschitz("identity", A, B, constant=10.0)) == pytest.approx(800)


def test_eigenvalues_are_rounded_relative_to_the_largest():
    A, B = np.diag([1.0, 5.0]), np.diag([2.0, 7.0])
    order, product = technical.psd_order(A, B), technical.schur_order(A, B)
    assert slack(order) == pytest.approx(7)
    assert 1e11 * order.premises[0].right == pytest.approx(-7)
    assert slack(product) == pytest.approx(35)
    np.testing.assert_allclose(product.premises[0].right, [-5e-11, -7e-11])


def test_a_slack_is_shared_out_over_the_larger_side():
    assert technical.within("half", 0.25, "≤", [0.5, -0.1], 1.0).tolerance == 2.0
    assert technical.within("not known", 0.25, "≤", math.nan, 1.0).tolerance == 4.0
    assert technical.within("nothing", 0.0, "≤", 0.0, 1.0).tolerance == 0.0


def test_products_of_nothing_are_equal():
    nothing = [np.zeros((2, 2)), np.zeros((2, 2))]
    comparison = technical.product_perturbation(nothing, nothing)
    assert comparison.holds
    assert comparison.is_promised


def test_the_probability_of_failure_is_that_of_lemma_g_2():
    # √c = 2, so that c_w0 exceeds √c + 1 by 1.5
    assert technical.failure_probability(4, 16, 4.5) == pytest.approx(math.exp(-(1.5**2) * 2))


def test_the_order_of_a_product_needs_both_matrices_to_be_psd():
    good, bad = np.diag([1.0, 2.0]), np.diag([-1.0, 3.0])
    assert technical.schur_order(good, good).is_promised
    assert not technical.schur_order(good, bad).is_promised
    assert not technical.schur_order(bad, good).is_promised


def test_the_constant_of_lemma_g_4_by_hand():
    # sin + cos: σ(0) = 1, L = β = √2
    slope = (1 + math.sqrt(2) * math.sqrt(2 / math.pi)) / math.sqrt(2)
    constant = technical.lipschitz_of_product(activations.get("sincos"), np.ones(2))
    assert constant == pytest.approx(math.sqrt(2 * slope**2 + 2))
    for name in ("relu", "sincos"):
        assert technical.lipschitz_of_product(activations.get(name), np.ones((4, 3, 2))).shape == (4, 3)


@pytest.mark.parametrize(
    "M", [[[0, 0], [0, 0]], [[0, 0], [0, 1]], [[1, 0], [0, 0]], [[1, 1], [1, 1]], [[1, -1], [-1, 1]]]
)
def test_singular_covariances_are_covariances(M):
    assert technical.product_is_lipschitz("tanh", np.array(M, float), np.eye(2)).holds


@pytest.mark.parametrize(
    ("M", "words"),
    [
        ([[-1, 0], [0, 0]], "A must hold covariances"),
        ([[0, 0], [0, -1]], "A must hold covariances"),
        ([[-1, 0], [0, -1]], "A must hold covariances"),
        ([[1, 1.2], [1.2, 1]], "A must hold covariances"),
        ([[1, 0.1], [0.2, 1]], "A must hold symmetric 2 × 2 matrices"),
        ([1, 1], r"A must hold symmetric 2 × 2 matrices, got shape \(2,\)"),
    ],
)
def test_what_is_no_covariance_is_refused(M, words):
    with pytest.raises(ValueError, match=words):
        technical.product_is_lipschitz("tanh", np.array(M, float), np.eye(2))
