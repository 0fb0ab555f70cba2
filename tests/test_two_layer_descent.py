"""The companion's Theorem 4.1 along loops of plain steps: where it is promised, where it only holds, where it fails."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd.theory import two_layer_descent, two_layer_limit
from minimal_gd.theory.constants import OpenConstants

CORNERS = np.eye(2)
SIGNS = np.array([1.0, -1.0])
MILD = OpenConstants(width=1.0, step=0.25, radius=math.sqrt(2 * math.pi) / 32, failure=0.9)


def plain(params, X, y, step_size, steps):
    """‖y - u(k)‖² and max_r ‖w_r(k) - w_r(0)‖ along a loop."""
    W, root = params.W[0].copy(), math.sqrt(len(params.a))
    squares, drifts = [], []
    for _ in range(steps + 1):
        z = X @ W.T
        residual = np.maximum(z, 0) @ params.a / root - y
        squares.append(residual @ residual)
        drifts.append(max(math.dist(now, then) for now, then in zip(W, params.W[0], strict=True)))
        W = W - step_size * ((z >= 0) * residual[:, None] * params.a).T @ X / root
    return np.array(squares), np.array(drifts)


def run_of(width=500, y=SIGNS, step_size=0.5, steps=6, X=CORNERS):
    net = mgd.TwoLayerReLU(X.shape[1], width)
    return two_layer_descent.pattern_run(net, net.init(0), X, y, step_size, steps)


def near_fit(step_size=0.03):
    net = mgd.TwoLayerReLU(2, 4000)
    y = net.predict(net.init(0), CORNERS) + 0.01 * SIGNS
    return run_of(4000, y, step_size)


def one_of_twenty():
    """n = 1, one unit of twenty active: λ_min(H) = 1/20, a tenth of λ_0, for ever."""
    W = np.where(np.arange(20)[:, None] == 0, 1.0, -1.0)
    net = mgd.TwoLayerReLU(1, 20)
    return two_layer_descent.pattern_run(net, mgd.Parameters((W,), np.ones(20)), np.ones((1, 1)), [1.0], 1.0, 300)


def test_companion_condition_4_1():
    run = run_of()
    comparison = two_layer_descent.condition_4_1(run)
    squares, _ = plain(run.start, CORNERS, SIGNS, 0.5, 6)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, squares, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, squares[0] * 0.875 ** np.arange(7), rtol=1e-9)


def test_companion_theorem_4_1():
    run = near_fit()
    comparison = two_layer_descent.theorem_4_1(run, MILD)
    squares, _ = plain(run.start, CORNERS, run.y, 0.03, 6)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, squares, rtol=1e-6)
    np.testing.assert_allclose(comparison.right, squares[0] * 0.9925 ** np.arange(7), rtol=1e-6)


def test_companion_corollary_4_1():
    run = run_of()
    comparison = two_layer_descent.corollary_4_1(run)
    squares, drifts = plain(run.start, CORNERS, SIGNS, 0.5, 6)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, drifts[1:], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, 4 * math.sqrt(2 * squares[0] / 500) / 0.5, rtol=1e-9)


def test_companion_corollary_4_1_sum():
    """Companion Corollary 4.1 (sum)."""
    comparison = two_layer_descent.geometric_sum(0.5, 0.4, 40)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, sum(math.sqrt(0.9) ** k for k in range(41)), rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 20, rtol=1e-12)


@given(st.floats(1e-4, 1), st.floats(1e-4, 2), st.integers(0, 5000))
def test_the_sum_never_exceeds_its_bound(step_size, smallest, steps):
    assert two_layer_descent.geometric_sum(step_size, smallest, steps).holds


def test_the_sum_needs_its_4():
    """Where steps are small it comes within a percent of 4/(ηλ_0): no smaller number would do."""
    assert two_layer_descent.geometric_sum(0.01, 0.4, 10_000).factor > 0.99


def test_the_run_records_the_gram_matrix_of_every_step():
    run = run_of(200, steps=3)
    np.testing.assert_allclose(run.squares, plain(run.start, CORNERS, SIGNS, 0.5, 3)[0], rtol=1e-10)
    np.testing.assert_allclose(run.smallest[0], np.mean(run.start.W[0] >= 0, axis=0).min(), rtol=1e-12)


def test_training_converges_although_not_everything_is_certified():
    """Labels ±1 at 500 units: the weights leave R, the width is below the one asked for, the rate holds."""
    comparison = two_layer_descent.theorem_4_1(run_of())
    assert comparison.holds
    assert comparison.verdict.startswith("holds, ")
    unmet = [premise.claim for premise in comparison.premises if not premise.holds]
    assert unmet[-1] == "max_r ‖w_r(k) - w_r(0)‖ ≤ R"


def test_one_active_unit_of_twenty_breaks_the_rate_and_the_corollary():
    run = one_of_twenty()
    assert not two_layer_descent.condition_4_1(run).holds
    comparison = two_layer_descent.theorem_4_1(run)
    assert not comparison.holds
    assert not comparison.is_promised
    assert two_layer_descent.corollary_4_1(run).verdict == "fails, 1 of 1 premises unmet"


def test_a_net_of_dead_units_does_not_learn():
    net = mgd.TwoLayerReLU(2, 3)
    dead = mgd.Parameters((-np.ones((3, 2)),), np.ones(3))
    run = two_layer_descent.pattern_run(net, dead, CORNERS, SIGNS, 0.1, 5)
    assert not two_layer_descent.condition_4_1(run).holds
    assert not two_layer_descent.theorem_4_1(run).is_violated


def test_the_drift_falls_as_one_over_the_root_of_the_width():
    """Ten seeds a width: the largest of m drifts has little spread, so that ±0.1 is far more than the slope errs."""
    widths = np.array([50, 200, 800, 3200])
    drifts = []
    for width in widths:
        net = mgd.TwoLayerReLU(2, int(width))
        runs = (two_layer_descent.pattern_run(net, net.init(s), CORNERS, 3 * SIGNS, 0.5, 5) for s in range(10))
        drifts.append(np.mean([run.drifts[-1] for run in runs]))
    assert abs(np.polyfit(np.log(widths), np.log(drifts), 1)[0] + 0.5) < 0.1


def test_inputs_that_are_not_unit_vectors_are_warned_of():
    run = run_of(20, X=2 * CORNERS, step_size=0.05)
    with pytest.warns(UserWarning, match=r"Theorem 4\.1 of the companion asks for unit inputs"):
        assert not two_layer_descent.theorem_4_1(run).premises[0].holds
    with pytest.warns(UserWarning, match=r"Corollary 4\.1 of the companion asks for unit inputs"):
        two_layer_descent.corollary_4_1(run)


def test_wrong_arguments_are_named():
    joint = mgd.TwoLayerReLU(2, 5, train_output=True)
    with pytest.raises(ValueError, match="net must have train_output=False"):
        two_layer_descent.pattern_run(joint, joint.init(0), CORNERS, SIGNS, 0.1, 2)
    with pytest.raises(ValueError, match="run must have at least one step, got 0"):
        two_layer_descent.corollary_4_1(run_of(steps=0))
    with pytest.raises(ValueError, match="samples 0 and 1 are parallel"):
        two_layer_descent.condition_4_1(run_of(X=CORNERS[[0, 0]]))
    with pytest.raises(ValueError, match="step_size must be at most"):
        two_layer_descent.geometric_sum(5.0, 0.5, 3)
    with pytest.raises(ValueError, match="step_size must be below"):
        two_layer_descent.condition_4_1(run_of(20, step_size=4.5, steps=1))


# ------------------------------------------------------------------ exactly what is asked for


def test_the_premises_of_theorem_4_1_know_their_powers():
    X, y = mgd.data.sphere(3, 4, seed=7), np.array([1.0, -1.0, 0.5])
    constants = OpenConstants(width=0.3, step=0.2, radius=0.4, failure=0.7)
    run = run_of(20, y, 0.1, 2, X)
    smallest = np.linalg.eigvalsh(two_layer_limit.h_infinity(X))[0]
    width, radius = 0.3 * 3**6 / (smallest**4 * 0.7**3), 0.28 * smallest / 9
    patterns = math.sqrt(2 / math.pi) * 20 * 3 * radius / 0.7
    expected = [1, 1, width, 0.2 * smallest / 9, smallest / 2, radius, patterns]
    comparison = two_layer_descent.theorem_4_1(run, constants)
    np.testing.assert_allclose([premise.right.flat[0] for premise in comparison.premises], expected, rtol=1e-8)
    assert two_layer_descent.theorem_4_1(run, constants, 3.0).premises[1].right[0] == 3
    assert comparison.tolerance == two_layer_descent.condition_4_1(run).tolerance == 1e-26


def test_the_corollary_asks_for_condition_4_1_at_every_step_but_the_last():
    run = run_of(20, steps=4)
    (before,) = two_layer_descent.corollary_4_1(run).premises
    condition = two_layer_descent.condition_4_1(run)
    np.testing.assert_array_equal(before.left, condition.left[:4])
    np.testing.assert_array_equal(before.right, condition.right[:4])
    assert before.tolerance == condition.tolerance


def test_one_step_is_enough_for_the_corollary():
    assert two_layer_descent.corollary_4_1(run_of(20, steps=1)).left.shape == (1,)


def test_the_sum_may_have_one_term_and_the_longest_step():
    """η λ_0 = 2, where all later terms are 0."""
    for steps in (0, 5):
        comparison = two_layer_descent.geometric_sum(4.0, 0.5, steps)
        assert (comparison.left, comparison.right) == (1, 2)


def test_a_step_of_2_over_lambda_is_too_long_for_the_condition():
    """One input: λ_0 = ½ exactly, and η must be below 4."""
    net = mgd.TwoLayerReLU(1, 20)
    for step_size, message in ((4.0, "below 2/λ_0 = 4, got 4"), (9.0, "below 2/λ_0 = 4, got 9")):
        run = two_layer_descent.pattern_run(net, net.init(0), np.ones((1, 1)), [1.0], step_size, 1)
        with pytest.raises(ValueError, match=message):
            two_layer_descent.condition_4_1(run)
    with pytest.raises(ValueError, match="at most 2/λ_0 = 4, got 5"):
        two_layer_descent.geometric_sum(5.0, 0.5, 3)
