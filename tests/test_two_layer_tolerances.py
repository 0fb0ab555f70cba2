"""By how much samples may miss H^∞ and G^∞, how wide Lemma 3.1 asks the net to be, and inputs on the edge."""

import math

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.theory import two_layer_limit
from minimal_gd.theory.constants import OpenConstants

X = mgd.data.sphere(3, 4, seed=1) * np.array([[1.0], [0.5], [2.0]])


def test_a_sampled_h_may_be_off_by_hoeffding_with_a_chance_of_1e_9():
    """For each of nine entries, which are in [0, ‖x_i‖‖x_j‖], of the largest entry of either side."""
    comparison = two_layer_limit.limit_of_h(X, draws=100, seed=3)
    deviation = math.sqrt(math.log(2 * 9 / 1e-9) / (2 * 100)) * 4
    np.testing.assert_allclose(comparison.tolerance, deviation / 2, rtol=1e-12)  # H^∞_33 = ½ ‖x_3‖² = 2


def test_a_sampled_g_may_be_off_by_six_standard_errors():
    """Relu's product has variance E[z⁴] ≤ 3‖x‖⁴ at most, and the largest entry is G^∞_33 = ½ ‖x_3‖² = 18."""
    comparison = two_layer_limit.limit_of_g(3 * X, draws=100, seed=3)
    np.testing.assert_allclose(comparison.tolerance, 6 * math.sqrt(3 / 100) * 36 / 18, rtol=1e-12)


@pytest.mark.parametrize("statement", [two_layer_limit.limit_of_h, two_layer_limit.limit_of_g])
def test_ten_thousand_draws_of_seed_0_are_taken_unless_asked_otherwise(statement):
    asked, default = statement(X, draws=10_000, seed=0), statement(X)
    assert default.tolerance == asked.tolerance
    np.testing.assert_array_equal(default.right, asked.right)


def test_a_unit_on_the_hyperplane_is_active(monkeypatch):
    """w = 0 is on all: the indicator is 1, as in Equation (4)."""
    zeros = type("Generator", (), {"standard_normal": lambda self, shape: np.zeros(shape)})
    monkeypatch.setattr(two_layer_limit.validate, "generator", lambda seed: zeros())
    np.testing.assert_allclose(two_layer_limit.limit_of_h(X).right, X @ X.T, rtol=1e-15)


def test_the_width_that_lemma_3_1_asks_for_has_the_derived_constant():
    """24 n²/λ_0² log(n/δ)."""
    constants = OpenConstants(width=24.0, failure=0.1)
    for asked in (two_layer_limit.asked_width(3, 0.5), two_layer_limit.asked_width(3, 0.5, constants)):
        np.testing.assert_allclose(asked, 24 * 36 * math.log(30), rtol=1e-12)


def test_the_bound_of_the_entries_knows_its_powers():
    """Level δ/n² for every entry."""
    net, units = mgd.TwoLayerReLU(4, 300), X / np.linalg.norm(X, axis=1, keepdims=True)
    comparison = two_layer_limit.lemma_3_1_entries(net, net.init(0), units, OpenConstants(failure=0.05))
    np.testing.assert_allclose(comparison.right, math.sqrt(math.log(2 * 9 / 0.05) / 600), rtol=1e-12)


def test_a_zero_sample_is_at_right_angles_to_all_others():
    angles = two_layer_limit.angles(np.array([[0.0, 0.0], [0.0, 3.0]]))
    np.testing.assert_allclose(angles, [[0, math.pi / 2], [math.pi / 2, 0]], rtol=1e-15)


def test_one_sample_of_one_number_will_do_and_none_will_not():
    np.testing.assert_array_equal(two_layer_limit.h_infinity([[3.0]]), [[4.5]])
    with pytest.raises(ValueError, match=r"X must have shape \(n, d\) with n, d ≥ 1, got shape \(0, 2\)"):
        two_layer_limit.h_infinity(np.ones((0, 2)))
