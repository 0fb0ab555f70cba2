"""The companion's I_1 and I_2 against loops over hidden units, and the factor that one step leaves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd.testing.strategies import seeds
from minimal_gd.theory import two_layer_limit, two_layer_split
from minimal_gd.theory.constants import OpenConstants
from minimal_gd.theory.sections_3_and_4.dynamics import ROUNDING

CORNERS = np.eye(2)
X = mgd.data.sphere(4, 3, seed=2)
Y = np.array([1.0, -2.0, 0.5, 1.5])
NET = mgd.TwoLayerReLU(3, 40)
START = NET.init(1)


def some_step(radius=0.3, step_size=0.2, seed=0):
    """A step from weights that moved a little, so that some patterns differ from the start."""
    moves = 0.1 * np.random.default_rng(seed).standard_normal(START.W[0].shape)
    params = mgd.Parameters((START.W[0] + moves / 2,), START.a)
    return two_layer_split.pattern_step(NET, START, params, X, Y, step_size, radius)


def parts(pattern):
    """I_1, I_2 and H^⊥ by loops over samples and units."""
    before, after, start = pattern.step.before.W[0], pattern.step.after.W[0], pattern.start
    m, n = len(start.a), len(pattern.step.y)
    I_1, I_2, H_perp = np.zeros(n), np.zeros(n), np.zeros((n, n))
    for i, x in enumerate(pattern.step.X):
        for r, a in enumerate(start.a):
            change = a * (max(after[r] @ x, 0) - max(before[r] @ x, 0)) / math.sqrt(m)
            if abs(start.W[0][r] @ x) >= pattern.radius:
                I_1[i] += change
                continue
            I_2[i] += change
            for j, z in enumerate(pattern.step.X):
                H_perp[i, j] += (x @ z) * (before[r] @ x >= 0) * (before[r] @ z >= 0) / m
    return I_1, I_2, H_perp


def gram_loop(W, X):
    return np.array([[np.mean([x @ z * (w @ x >= 0) * (w @ z >= 0) for w in W]) for z in X] for x in X])


def squares(pattern):
    """‖y - u‖² before and after, by sums over units."""
    step = pattern.step
    losses = []
    for params in (step.before, step.after):
        u = [np.maximum(params.W[0] @ x, 0) @ params.a / math.sqrt(len(params.a)) for x in step.X]
        losses.append(np.sum((step.y - u) ** 2))
    return losses


def near_kinks(pattern):
    return np.array([sum(abs(w @ x) < pattern.radius for w in pattern.start.W[0]) for x in pattern.step.X])


def test_companion_i_1_i_2():
    """Companion I_1 + I_2."""
    pattern = some_step()
    comparison = two_layer_split.split(pattern)
    I_1, I_2, _ = parts(pattern)
    assert comparison.holds
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, I_1 + I_2, rtol=1e-9)


def test_companion_i_1():
    pattern = some_step()
    comparison = two_layer_split.first_part(pattern)
    I_1, _, H_perp = parts(pattern)
    W = pattern.step.before.W[0]
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, I_1, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, -0.2 * (gram_loop(W, X) - H_perp) @ (pattern.step.u - Y), rtol=1e-9)


def test_companion_i_2():
    pattern = some_step()
    comparison = two_layer_split.second_part(pattern)
    _, I_2, _ = parts(pattern)
    norm = math.sqrt(squares(pattern)[0])
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.abs(I_2), rtol=1e-9)
    np.testing.assert_allclose(comparison.right, 0.2 * near_kinks(pattern) * 2 * norm / 40, rtol=1e-9)


def test_companion_h_perp():
    """Companion H^⊥."""
    pattern = some_step()
    comparison = two_layer_split.h_perp(pattern)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.linalg.svd(parts(pattern)[2])[1][0], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, 4 * near_kinks(pattern).sum() / 40, rtol=1e-12)


def test_companion_second_order_term():
    pattern = some_step()
    comparison = two_layer_split.second_order(pattern)
    I_1, I_2, _ = parts(pattern)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.sum((I_1 + I_2) ** 2), rtol=1e-9)
    np.testing.assert_allclose(comparison.right, 0.04 * 16 * squares(pattern)[0], rtol=1e-9)


def certified(step_size=0.03):
    net = mgd.TwoLayerReLU(2, 20_000)
    start = net.init(0)
    return two_layer_split.pattern_step(net, start, start, CORNERS, np.array([1.0, -1.0]), step_size)


def test_companion_total_factor():
    pattern = certified()
    comparison = two_layer_split.total_factor(pattern)
    before, after = squares(pattern)
    radius = math.sqrt(2 * math.pi) / 32 * 0.1 * 0.5 / 4
    C = math.sqrt(2 / math.pi)
    whole = 1 - 0.03 * 0.5 + 2 * C * 0.03 * (4 + 2**1.5) * radius / 0.1 + 0.03**2 * 4
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, after, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, whole * before, rtol=1e-9)


def test_companion_rate_from_the_total_factor():
    comparison = two_layer_split.rate_from_factor(3, 0.2, 0.005, 1e-4)
    C = math.sqrt(2 / math.pi)
    expected = 1 - 0.005 * 0.2 + 0.005 * 2 * C * (9 + 3**1.5) * 1e-4 / 0.1 + 0.005**2 * 9
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 1 - 0.0005, rtol=1e-12)


@given(st.integers(1, 50), st.floats(1e-4, 0.5), st.floats(0.01, 0.99), st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_derived_constants_give_the_rate(n, smallest, failure, share_of_step, share_of_radius):
    constants = OpenConstants(radius=math.sqrt(2 * math.pi) / 32, step=0.25, failure=failure)
    step_size = share_of_step * 0.25 * smallest / n**2
    radius = share_of_radius * constants.radius * failure * smallest / n**2
    comparison = two_layer_split.rate_from_factor(n, smallest, step_size, radius, constants)
    assert comparison.is_promised
    assert comparison.holds


def test_a_long_step_or_a_wide_radius_breaks_the_rate():
    long = two_layer_split.rate_from_factor(3, 0.2, 0.5, 1e-4)
    wide = two_layer_split.rate_from_factor(3, 0.2, 0.005, 1e-2)
    assert long.verdict == wide.verdict == "fails, 1 of 2 premises unmet"


def test_a_net_of_dead_units_breaks_the_factor():
    """H(k) = 0, although it began with H(0) as asked: nothing moves, while the factor is below 1."""
    net = mgd.TwoLayerReLU(2, 500)
    start = net.init(0)
    dead = mgd.Parameters((-np.ones((500, 2)),), start.a)
    comparison = two_layer_split.total_factor(
        two_layer_split.pattern_step(net, start, dead, CORNERS, np.array([1.0, -1.0]), 0.01)
    )
    assert comparison.verdict == "fails, 3 of 4 premises unmet"


def test_a_unit_that_switches_outside_of_the_radius_breaks_the_first_part():
    net = mgd.TwoLayerReLU(2, 1)
    start = mgd.Parameters((np.array([[0.1, 0.1]]),), np.ones(1))
    pattern = two_layer_split.pattern_step(net, start, start, CORNERS, np.array([-10.0, -1.0]), 2.0, 1e-6)
    assert two_layer_split.first_part(pattern).verdict == "fails, 1 of 2 premises unmet"
    assert two_layer_split.split(pattern).holds


def test_the_bounds_ask_for_unit_inputs_and_fail_without():
    """Inputs of norm 10: what they bound grows with ‖x‖², the bounds do not."""
    pattern = two_layer_split.pattern_step(NET, START, START, 10 * X, Y, 0.01, 10.0)
    for statement in (two_layer_split.second_part, two_layer_split.h_perp, two_layer_split.second_order):
        with pytest.warns(UserWarning, match=r"Theorem 4\.1 of the companion asks for unit inputs"):
            assert not statement(pattern).holds


@given(seeds, st.floats(1e-3, 2), st.floats(1e-3, 2))
def test_the_split_and_its_bounds_hold_for_any_step(seed, radius, step_size):
    pattern = some_step(radius, step_size, seed)
    assert two_layer_split.split(pattern).holds
    assert not two_layer_split.first_part(pattern).is_violated
    assert two_layer_split.second_part(pattern).holds
    assert two_layer_split.h_perp(pattern).holds
    assert two_layer_split.second_order(pattern).holds
    assert not two_layer_split.total_factor(pattern).is_violated


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"net": mgd.TwoLayerReLU(3, 40, train_output=True)}, ValueError, "net must have train_output=False"),
        ({"start": None}, TypeError, "start must be Parameters"),
        ({"radius": -1.0}, ValueError, "radius must be a finite number > 0"),
        ({"step_size": 0}, ValueError, "step_size must be a finite number > 0"),
        ({"X": X[[0, 0, 1, 2]], "radius": None}, ValueError, "samples 0 and 1 are parallel"),
    ],
)
def test_a_wrong_argument_is_named(change, error, words):
    arguments = {"net": NET, "start": START, "params": START, "X": X, "y": Y, "step_size": 0.1, "radius": 0.1} | change
    with pytest.raises(error, match=words):
        two_layer_split.pattern_step(**arguments)


# ------------------------------------------------------------------ exact numbers


def test_output_weights_of_any_size_are_split_too():
    """|a_r| = 1 is what the bounds ask for; H and H^⊥ carry a_r²."""
    start = mgd.Parameters(START.W, START.a * np.linspace(0.5, 1.5, 40))
    pattern = two_layer_split.pattern_step(NET, start, start, X, Y, 0.01, 0.3)
    I_1, I_2, _ = parts(pattern)
    np.testing.assert_allclose(pattern.I_1, I_1, rtol=1e-9)
    np.testing.assert_allclose(pattern.I_2, I_2, rtol=1e-9)
    assert two_layer_split.first_part(pattern).verdict == "holds"


@pytest.mark.parametrize("step_size", [1e-4, 5.0])
def test_what_is_exact_may_miss_by_roundings_of_the_predictions(step_size):
    """1e-11 of u where a short step changes it little, and of the change where a long step changes it more."""
    pattern = some_step(step_size=step_size)
    largest = np.abs(pattern.step.u).max()
    sides = [np.abs(pattern.I_1 + pattern.I_2).max(), np.abs(two_layer_split.first_part(pattern).right).max()]
    assert (np.array(sides) > largest).all() == (step_size > 1)
    for statement, side in zip((two_layer_split.split, two_layer_split.first_part), sides, strict=True):
        np.testing.assert_allclose(statement(pattern).tolerance * side, ROUNDING * max(largest, side), rtol=1e-9)


def test_the_premises_of_the_factor_are_those_of_its_lemmas():
    pattern = some_step(0.3)
    smallest = np.linalg.eigvalsh(two_layer_limit.h_infinity(X))[0]
    definite, patterns, *within = two_layer_split.total_factor(pattern, OpenConstants(failure=0.3), 0.7).premises
    np.testing.assert_allclose(definite.left, np.linalg.eigvalsh(gram_loop(pattern.step.before.W[0], X))[0], rtol=1e-9)
    np.testing.assert_allclose(definite.right, smallest / 2, rtol=1e-9)
    np.testing.assert_allclose(patterns.right, 0.7 * 40 * 4 * 0.3 / 0.3, rtol=1e-12)
    assert [premise.right for premise in within] == [0.3, 0.3]


def test_the_premises_of_the_rate_know_their_powers():
    constants = OpenConstants(radius=0.4, step=0.2, failure=0.7)
    radius, step = two_layer_split.rate_from_factor(3, 0.2, 0.005, 1e-4, constants).premises
    np.testing.assert_allclose([radius.left, radius.right], [1e-4, 0.28 * 0.2 / 9], rtol=1e-12)
    np.testing.assert_allclose([step.left, step.right], [0.005, 0.2 * 0.2 / 9], rtol=1e-12)
