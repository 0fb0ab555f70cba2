"""What the companion's flows ask for, exactly, by how much they may miss, and what they take unless told otherwise."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.theory import two_layer_flow, two_layer_joint, two_layer_limit, two_layer_path
from minimal_gd.theory.constants import OpenConstants

X = mgd.data.sphere(3, 4, seed=7)
Y = np.array([1.0, -1.0, 0.5])
SMALLEST = np.linalg.eigvalsh(two_layer_limit.h_infinity(X))[0]
# No statement's own numbers, so that none can stand for another.
CONSTANTS = OpenConstants(width=0.3, step=0.2, radius=0.4, failure=0.7)


def path_of(train_output, **options):
    net = mgd.TwoLayerReLU(4, 20, train_output=train_output)
    return two_layer_path.gradient_path(net, net.init(5), X, Y, [0.2, 0.5], **options)


START = mgd.TwoLayerReLU(4, 20).init(5)
ONE, BOTH = path_of(False), path_of(True)


def rights(comparison):
    """What the premises compare with."""
    return [premise.right.flat[0] for premise in comparison.premises]


# ------------------------------------------------------------------ premises


def test_the_flow_of_one_layer_is_asked_for_these_premises():
    """Unit inputs, |y_i| ≤ 1, the width and λ_min(H(t)) ≥ λ_0/2."""
    width = 0.3 * 3**6 / (SMALLEST**4 * 0.7**3)
    comparison = two_layer_flow.theorem_3_2(ONE, CONSTANTS)
    np.testing.assert_allclose(rights(comparison), [1, 1, width, SMALLEST / 2], rtol=1e-8)
    assert rights(two_layer_flow.theorem_3_2(ONE, CONSTANTS, 3.0))[1] == 3
    np.testing.assert_allclose(rights(two_layer_flow.lemma_3_3(ONE)), SMALLEST / 2, rtol=1e-10)
    np.testing.assert_allclose(rights(two_layer_flow.lemma_3_3_distance(ONE)), SMALLEST / 2, rtol=1e-10)
    np.testing.assert_allclose(rights(two_layer_flow.lemma_3_4(ONE, CONSTANTS)), 0.28 * SMALLEST / 9, rtol=1e-10)


def test_the_flow_of_both_layers_is_asked_for_these_premises():
    width = 0.3 * 3**6 / (SMALLEST**4 * 0.7**3) * math.log(20 / 0.7)
    comparison = two_layer_joint.theorem_3_3(BOTH, CONSTANTS)
    np.testing.assert_allclose(rights(comparison), [1, 1, width, SMALLEST / 2], rtol=1e-8)
    assert rights(two_layer_joint.theorem_3_3(BOTH, CONSTANTS, 3.0))[1] == 3
    np.testing.assert_allclose(rights(two_layer_joint.lemma_a_3(BOTH, 0.1)), [SMALLEST / 2, 0.1], rtol=1e-10)
    np.testing.assert_allclose(rights(two_layer_joint.lemma_a_4(BOTH, 0.2)), [SMALLEST / 2, 0.2], rtol=1e-10)
    radii = [0.28 * SMALLEST / 9, SMALLEST / 24 / 9]
    np.testing.assert_allclose(rights(two_layer_joint.lemma_a_5(BOTH, CONSTANTS)), radii, rtol=1e-10)


def test_lemma_a_2_moves_h_by_the_events_and_by_both_radii():
    """For inputs that are not at right angles: (share of A_ir or A_jr + R_a (2 + R_a)) |x_iᵀx_j|."""
    net = mgd.TwoLayerReLU(4, 300, train_output=True)
    start, R_w, R_a = net.init(5), 0.28 * SMALLEST / 9, 0.5 * SMALLEST / 9
    comparison = two_layer_joint.lemma_a_2(net, start, X, CONSTANTS, 0.5)
    events = np.abs(X @ start.W[0].T) < R_w
    entries = np.abs(X @ X.T) * (np.mean(events[:, None] | events[None], axis=2) + R_a * (2 + R_a))
    initial = np.linalg.eigvalsh(mgd.gram.empirical(net, start, X)[0])[0]
    np.testing.assert_allclose(comparison.left[0], np.linalg.norm(entries, 2), rtol=1e-10)
    np.testing.assert_allclose(rights(comparison), 0.75 * SMALLEST, rtol=1e-10)
    np.testing.assert_allclose(comparison.premises[0].left, initial, rtol=1e-10)


def test_the_radius_of_a_is_c_lambda_over_n_squared():
    np.testing.assert_allclose(two_layer_joint.allowed_output_radius(3, 0.4), 0.4 / 24 / 9, rtol=1e-12)
    np.testing.assert_allclose(two_layer_joint.allowed_output_radius(3, 0.4, 0.6), 0.6 * 0.4 / 9, rtol=1e-12)


def test_the_largest_input_of_a_unit_is_that_of_the_start():
    """B of Lemmas A.4 and A.5, where the unit that attains it moves."""
    W = np.vstack([4 * X[:1], START.W[0]])
    net = mgd.TwoLayerReLU(4, 21, train_output=True)
    path = two_layer_path.gradient_path(net, mgd.Parameters((W,), np.ones(21)), X, Y, [0.5])
    B, moved = (np.abs(X @ params.W[0].T).max() for params in (path.params[0], path.params[-1]))
    assert abs(moved - B) > 0.01
    drift = 2 * math.sqrt(3 * path.squares[0] / 21) / SMALLEST
    np.testing.assert_allclose(two_layer_joint.lemma_a_4(path, 0.2).right, (B + 0.2) * drift, rtol=1e-9)
    radius = 0.28 * SMALLEST / 9
    np.testing.assert_allclose(two_layer_joint.lemma_a_5(path, CONSTANTS).right[2], (B + radius) * drift, rtol=1e-9)


def test_a_unit_of_weight_0_is_active_everywhere():
    net = mgd.TwoLayerReLU(4, 1)
    comparison = two_layer_joint.gram_matrices(net, mgd.Parameters((np.zeros((1, 4)),), np.ones(1)), X)
    assert comparison.holds
    np.testing.assert_allclose(comparison.right, [X @ X.T, np.zeros((3, 3))], rtol=1e-12)


# ------------------------------------------------------------------ tolerances


def test_a_path_may_miss_by_ten_times_the_tolerance_of_its_solver():
    assert ONE.tolerance == BOTH.tolerance == 1e-5
    assert ONE.slack == two_layer_flow.lemma_3_3(ONE).tolerance == pytest.approx(1e-4, rel=1e-12)
    assert path_of(False, tolerance=1e-3).slack == pytest.approx(1e-2, rel=1e-12)


@pytest.mark.parametrize(("statement", "path"), [(two_layer_path.equation_7, ONE), (two_layer_joint.both_layers, BOTH)])
def test_the_dynamics_are_those_of_a_short_time_to_a_percent(statement, path):
    comparison = statement(path)
    assert comparison.tolerance == 0.01
    np.testing.assert_array_equal(comparison.left, statement(path, 1e-4).left)
    np.testing.assert_array_equal(comparison.left, two_layer_path.short_differences(path, 1e-4))


def test_the_change_over_a_long_time_is_that_of_the_flow_to_seven_digits():
    """One unit of four active, pushed up: u(0) = ½ and u̇ = (3 - u)/4, so that 3 - u = 2.5 exp(-t/4)."""
    net = mgd.TwoLayerReLU(1, 4)
    params = mgd.Parameters((np.array([[1.0], [-1.0], [-1.0], [-1.0]]),), np.ones(4))
    path = two_layer_path.gradient_path(net, params, [[1.0]], [3.0], [1.0])
    change = two_layer_path.short_differences(path, 20.0)[0]
    np.testing.assert_allclose(change, 2.5 * (1 - math.exp(-5)) / 20, rtol=1e-7)


def test_dropping_g_may_miss_by_roundings_of_the_largest_eigenvalue():
    net = mgd.TwoLayerReLU(4, 20)
    H, G = mgd.gram.empirical(net, net.init(5), X)
    comparison = two_layer_joint.order(net, net.init(5), X)
    eigenvalues = np.linalg.eigvalsh(H + G)
    slack = comparison.tolerance * max(eigenvalues[0], np.linalg.eigvalsh(H)[0])
    np.testing.assert_allclose(slack, 1e-11 * eigenvalues[-1], rtol=1e-10)


def test_sampled_predictions_may_be_off_by_six_standard_errors():
    """Var[u²] = ½ + ¾/m for unit inputs, relative to the largest mean, ½."""
    comparison = two_layer_flow.initial_predictions(X, 5, draws=8)
    np.testing.assert_allclose(comparison.tolerance, 6 * math.sqrt((0.5 + 0.75 / 5) / 8) / 0.5, rtol=1e-12)


# ------------------------------------------------------------------ unless told otherwise


def test_four_hundred_nets_of_seed_0_are_averaged():
    default, asked = two_layer_flow.initial_predictions(X, 2), two_layer_flow.initial_predictions(X, 2, 400, 0)
    np.testing.assert_array_equal(default.left, asked.left)
    assert default.tolerance == asked.tolerance


def test_bounds_with_a_chance_fail_with_one_of_a_tenth():
    net = mgd.TwoLayerReLU(4, 20)
    for statement, rest in ((two_layer_flow.initial_residual, (Y,)), (two_layer_joint.lemma_a_6, ())):
        default, asked = statement(net, net.init(5), X, *rest), statement(net, net.init(5), X, *rest, 0.1)
        assert default.right == asked.right


def test_the_slopes_of_remark_3_1_are_those_of_twenty_seeds():
    default = two_layer_flow.remark_3_1_initial(X, (4, 8))
    assert default.left == two_layer_flow.remark_3_1_initial(X, (4, 8), range(20)).left
    assert default.tolerance == two_layer_flow.remark_3_1_training(X, Y, (4, 8), seeds=[0]).tolerance == 0.25


def test_the_slope_in_training_is_that_of_time_1_and_twenty_seeds(monkeypatch):
    """And its flow may be followed with a tolerance of 1e-4."""
    asked = []

    def path(net, params, X, y, times, tolerance):
        asked.append((net.width, times, tolerance))
        return SimpleNamespace(H=np.array([np.zeros((3, 3)), np.eye(3) / net.width]))

    monkeypatch.setattr(two_layer_flow, "gradient_path", path)
    assert two_layer_flow.remark_3_1_training(X, Y, (4, 8)).left == pytest.approx(-1)
    assert asked == [(width, [1.0], 1e-4) for width in (4, 8) for _ in range(20)]


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(("widths", "seeds"), [((8,), [0]), ((8, 8), [0]), ((8, 4), [0]), ((4, 8), [])])
def test_a_slope_needs_two_increasing_widths_and_a_seed(widths, seeds):
    with pytest.raises(ValueError, match="widths must be at least two increasing integers, and seeds some"):
        two_layer_flow.remark_3_1_initial(X, widths, seeds)


def test_a_slope_may_have_two_widths_or_three():
    assert np.isfinite(two_layer_flow.remark_3_1_initial(X, (4, 8, 16), [0]).left)


@pytest.mark.parametrize("times", [[], [[0.1, 0.2]], [0.1, 0.1], [0.2, 0.1], [0.0, 0.1], [-0.1]])
def test_the_times_of_a_path_are_one_row_that_increases_from_above_0(times):
    net = mgd.TwoLayerReLU(4, 20)
    with pytest.raises(ValueError, match="times must be one row of increasing numbers > 0"):
        two_layer_path.gradient_path(net, net.init(0), X, Y, times)


def test_the_asked_width_knows_its_powers():
    constants = OpenConstants(width=3.0, failure=0.5)
    np.testing.assert_allclose(two_layer_flow.asked_width(2, 0.1, constants), 3 * 64 * 1e4 * 8, rtol=1e-12)
