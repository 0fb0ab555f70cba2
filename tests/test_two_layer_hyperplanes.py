"""The companion's Theorem 3.1: H^∞ is positive definite, as the hyperplanes of inputs that are not parallel differ."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_two_layer import INPUTS as X
from slow_two_layer import digits_of, h_of, two_inputs

from minimal_gd.testing.strategies import seeds
from minimal_gd.theory import two_layer_hyperplanes, two_layer_limit


def test_companion_theorem_3_1():
    comparison = two_layer_hyperplanes.theorem_3_1(X)
    assert comparison.is_promised
    assert comparison.holds
    eps = np.finfo(float).eps
    eigenvalues = np.linalg.eigvalsh(digits_of(X, h_of))
    np.testing.assert_allclose(comparison.left, eigenvalues[0], rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 3 * (8 * eps * 4 + eps * eigenvalues[-1]), rtol=1e-6)


def test_equal_inputs_give_a_singular_limit_and_opposite_ones_do_not():
    same, opposite = two_inputs(0), two_inputs(math.pi)
    assert two_layer_hyperplanes.theorem_3_1(same).verdict == "fails, 1 of 1 premises unmet"
    assert not two_layer_limit.assumption_3_1(same).holds
    with pytest.raises(ValueError, match="samples 0 and 1 are parallel"):
        two_layer_limit.lambda_0(same)
    # no w sees both x and -x: H^∞ = I/2
    assert two_layer_hyperplanes.theorem_3_1(opposite).verdict == "holds, 1 of 1 premises unmet"
    np.testing.assert_allclose(two_layer_limit.lambda_0(opposite), 0.5, rtol=1e-12)


@given(seeds, st.integers(2, 6), st.integers(2, 5))
def test_theorem_3_1_holds_for_any_inputs_that_are_not_parallel(seed, n, d):
    inputs = np.random.default_rng(seed).standard_normal((n, d))
    assert two_layer_hyperplanes.theorem_3_1(inputs).verdict == "holds"
    assert two_layer_hyperplanes.lemma_a_1(inputs, seed).verdict == "holds"
    assert two_layer_hyperplanes.isolation(inputs, seed % n, 5, seed).verdict == "holds"


def test_companion_lemma_a_1():
    comparison = two_layer_hyperplanes.lemma_a_1(X, seed=5)
    expected = np.zeros(3)
    for draws in np.random.default_rng(5).standard_normal((8, 3, 4)):  # the best of eight tries
        for i, g in enumerate(draws):
            z = g - np.linalg.lstsq(X[[i]].T, g, rcond=None)[0] @ X[[i]]
            cosines = [abs(z @ x) / (np.linalg.norm(z) * np.linalg.norm(x)) for x in np.delete(X, i, axis=0)]
            expected[i] = max(expected[i], min(cosines))
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-12)
    assert (comparison.right == 1e-13).all()


def test_parallel_inputs_have_their_hyperplanes_within_the_others():
    inputs = np.vstack([X, -3 * X[0]])
    comparison = two_layer_hyperplanes.lemma_a_1(inputs)
    assert comparison.verdict == "fails, 1 of 1 premises unmet"
    assert list(comparison.left > comparison.right) == [False, True, True, False]
    assert not two_layer_hyperplanes.isolation(inputs, 0).holds


def test_companion_theorem_3_1_isolation():
    """Companion Theorem 3.1 (isolation)."""
    comparison = two_layer_hyperplanes.isolation(X, 1)
    expected = np.zeros((3, 4))
    expected[1] = X[1]
    assert comparison.verdict == "holds"
    np.testing.assert_array_equal(comparison.left, expected)
    np.testing.assert_array_equal(comparison.right, expected)
