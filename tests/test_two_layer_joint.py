"""The companion's flow of both layers against many small steps, and the derived versions of its Lemmas A.2 to A.6."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd.testing.strategies import problem, seeds
from minimal_gd.theory import two_layer_joint, two_layer_path
from minimal_gd.theory.constants import OpenConstants

CORNERS = np.eye(2)
SIGNS = np.array([1.0, -1.0])
MILD = OpenConstants(width=0.1, radius=0.15, failure=0.9)


def net_of(width, d=2):
    return mgd.TwoLayerReLU(d, width, train_output=True)


def predictions(W, a, X):
    return np.maximum(X @ W.T, 0) @ a / math.sqrt(len(a))


def grams(W, a, X):
    """H and G by their formulas, one pair at a time."""
    H = [[x @ z * np.mean(a**2 * (W @ x >= 0) * (W @ z >= 0)) for z in X] for x in X]
    G = [[np.mean(np.maximum(W @ x, 0) * np.maximum(W @ z, 0)) for z in X] for x in X]
    return np.array(H), np.array(G)


def euler(params, X, y, time, steps):
    """Both layers by explicit steps; the error is of the order of time/steps."""
    W, a, root = params.W[0].copy(), params.a.copy(), math.sqrt(len(params.a))
    for _ in range(steps):
        z = X @ W.T
        residual = np.maximum(z, 0) @ a / root - y
        step_w = ((z >= 0) * residual[:, None] * a).T @ X / root
        step_a = residual @ np.maximum(z, 0) / root
        W, a = W - time / steps * step_w, a - time / steps * step_a
    return W, a


def near_fit(width=4000, offset=0.005):
    """Labels near what the net says at the start: small radii R′ at a width that a test can afford."""
    net = net_of(width)
    params = net.init(0)
    y = predictions(params.W[0], params.a, CORNERS) + offset
    return two_layer_path.gradient_path(net, params, CORNERS, y, [1.0], tolerance=1e-8)


def dead():
    params = mgd.Parameters((-np.ones((3, 2)),), np.ones(3))
    return two_layer_path.gradient_path(net_of(3), params, CORNERS, SIGNS, [1.0])


# ------------------------------------------------------------------ the dynamics


def test_companion_h_and_g():
    """Companion H and G."""
    net, params, X, _ = problem(net_of(30, 3), 4, seed=2).everything
    params = mgd.Parameters(params.W, params.a * np.linspace(0.5, 1.5, 30))
    comparison = two_layer_joint.gram_matrices(net, params, X)
    assert comparison.holds
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, grams(params.W[0], params.a, X), rtol=1e-10)


def test_companion_dynamics_of_both_layers():
    net = net_of(40)
    path = two_layer_path.gradient_path(net, net.init(1), CORNERS, SIGNS, [1.0])
    comparison = two_layer_joint.both_layers(path)
    W, a = euler(path.params[0], CORNERS, SIGNS, 1.0, 1000)
    ends = [(path.params[0].W[0], path.params[0].a), (W, a)]
    expected = [sum(grams(W, a, CORNERS)) @ (SIGNS - predictions(W, a, CORNERS)) for W, a in ends]
    assert comparison.holds
    for side in (comparison.left, comparison.right):
        np.testing.assert_allclose(side, expected, atol=0.01 * np.abs(expected).max())


def test_with_one_layer_in_training_g_is_missing(monkeypatch):
    net = net_of(40)
    path = two_layer_path.gradient_path(net, net.init(1), CORNERS, SIGNS, [1.0])
    monkeypatch.setattr(two_layer_joint.gram, "total", lambda *args: mgd.gram.empirical(*args)[0])
    assert not two_layer_joint.both_layers(path).holds


def test_companion_g_psd_0():
    """Companion G ⪰ 0."""
    net, params, X, _ = problem(net_of(30, 3), 3, seed=2).everything
    comparison = two_layer_joint.order(net, params, X)
    H, G = grams(params.W[0], params.a, X)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.linalg.eigvalsh(H + G)[0], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, np.linalg.eigvalsh(H)[0], rtol=1e-9)


@given(seeds, st.integers(1, 6), st.integers(1, 20))
def test_dropping_g_never_raises_the_smallest_eigenvalue(seed, n, width):
    net, params, X, _ = problem(net_of(width, 3), n, seed).everything
    assert two_layer_joint.order(net, params, X).holds


# ------------------------------------------------------------------ Theorem 3.3


def test_companion_theorem_3_3():
    net = net_of(2000)
    path = two_layer_path.gradient_path(net, net.init(0), CORNERS, SIGNS, [1.0])
    comparison = two_layer_joint.theorem_3_3(path, MILD)  # 0.1·1405·log(2000/0.9) = 1083
    W, a = euler(path.params[0], CORNERS, SIGNS, 1.0, 400)
    squares = [np.sum(path.residuals[0] ** 2), np.sum((SIGNS - predictions(W, a, CORNERS)) ** 2)]
    u = predictions(path.params[0].W[0], path.params[0].a, CORNERS)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, squares, rtol=0.01)
    np.testing.assert_allclose(comparison.right, np.sum((SIGNS - u) ** 2) * np.exp([0, -0.5]), rtol=1e-10)


def test_a_net_of_dead_units_does_not_learn():
    path = dead()
    assert two_layer_joint.theorem_3_3(path).verdict == "fails, 2 of 4 premises unmet"
    assert two_layer_joint.lemma_a_5(path).verdict == "fails, 2 of 2 premises unmet"


# ------------------------------------------------------------------ Lemmas A.2 to A.6


def test_companion_lemma_a_2():
    net = net_of(2000)
    start = net.init(0)
    comparison = two_layer_joint.lemma_a_2(net, start, CORNERS, OpenConstants(radius=0.07, failure=0.9))
    R_w, R_a = 0.07 * 0.9 * 0.5 / 4, 0.5 / 4 / 24
    near = np.abs(start.W[0]) < R_w  # the corners are orthogonal: B is diagonal
    change = np.max(near.mean(axis=0) + 2 * R_a + R_a**2)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, [change, 0.25], rtol=1e-10)
    smallest = np.linalg.eigvalsh(grams(start.W[0], start.a, CORNERS)[0])[0]
    np.testing.assert_allclose(comparison.right, [0.125, smallest - change], rtol=1e-10)


@given(seeds, st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_lemma_a_2_bounds_h_for_any_weights_within_the_radii(seed, R_w, R_a):
    rng = np.random.default_rng(seed)
    net, X = net_of(50, 3), mgd.data.sphere(4, 3, seed=1)
    start = net.init(3)
    moves = mgd.data.sphere(50, 3, rng) * rng.uniform(0, R_w, (50, 1))
    moved = mgd.Parameters((start.W[0] + moves,), start.a + rng.uniform(-R_a, R_a, 50))
    change = grams(moved.W[0], moved.a, X)[0] - grams(start.W[0], start.a, X)[0]
    events = np.abs(X @ start.W[0].T) < R_w
    either = np.mean(events[:, None] | events[None], axis=2)
    assert (np.abs(change) <= np.abs(X @ X.T) * (either + R_a * (2 + R_a)) + 1e-12).all()


def test_units_at_their_kinks_violate_lemma_a_2():
    net = net_of(10)
    zero = mgd.Parameters((np.zeros((10, 2)),), np.ones(10))
    assert two_layer_joint.lemma_a_2(net, zero, CORNERS).verdict == "FAILS"
    assert two_layer_joint.lemma_a_2(net_of(2000), net_of(2000).init(0), CORNERS, constant=2.0).verdict == "FAILS"


def ends(path):
    """Drifts of w and a after time 1, and ‖y - u(0)‖, by explicit steps."""
    start = path.params[0]
    W, a = euler(start, CORNERS, path.y, 1.0, 200)
    residual = path.y - predictions(start.W[0], start.a, CORNERS)
    drift = np.linalg.norm(W - start.W[0], axis=1).max()
    return drift, np.abs(a - start.a).max(), np.linalg.norm(residual)


def test_companion_lemma_a_3():
    path = near_fit(500, 0.1)
    comparison = two_layer_joint.lemma_a_3(path, 0.2)
    drift, _, norm = ends(path)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, [0, drift], rtol=0.02)
    np.testing.assert_allclose(comparison.right, 2 * 1.2 * math.sqrt(2 / 500) * norm / 0.5, rtol=1e-9)


def test_companion_lemma_a_4():
    path = near_fit(500, 0.1)
    comparison = two_layer_joint.lemma_a_4(path, 0.1)
    _, drift, norm = ends(path)
    largest = np.abs(path.params[0].W[0]).max()  # the inputs are corners
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, [0, drift], rtol=0.02)
    np.testing.assert_allclose(comparison.right, 2 * (largest + 0.1) * math.sqrt(2 / 500) * norm / 0.5, rtol=1e-9)


def test_weights_that_leave_their_radii_are_not_bounded():
    """n = 1, one unit of twenty active: λ_min(H) = 1/20 < λ_0/2, and the unit has to go far."""
    W = np.where(np.arange(20)[:, None] == 0, 1e-3, -1e-3)
    params = mgd.Parameters((W,), np.ones(20))
    path = two_layer_path.gradient_path(net_of(20, 1), params, np.ones((1, 1)), [0.1], [50.0])
    assert two_layer_joint.lemma_a_3(path, 1e-3).verdict == "fails, 2 of 2 premises unmet"
    assert two_layer_joint.lemma_a_4(path, 1e-3).verdict == "fails, 2 of 2 premises unmet"


def test_companion_lemma_a_5():
    path = near_fit()
    comparison = two_layer_joint.lemma_a_5(path, MILD)
    start = path.params[0]
    W, a = euler(start, CORNERS, path.y, 1.0, 100)
    drift, drift_a = np.linalg.norm(W - start.W[0], axis=1).max(), np.abs(a - start.a).max()
    before = np.sum((path.y - predictions(start.W[0], start.a, CORNERS)) ** 2)
    after = np.sum((path.y - predictions(W, a, CORNERS)) ** 2)
    R_w, R_a = 0.15 * 0.9 * 0.5 / 4, 0.5 / 4 / 24
    reach = 2 * math.sqrt(2 * before / 4000) / 0.5
    assert comparison.verdict == "holds"
    expected = [[0.25, 0.25], [0, drift], [0, drift_a], [before, after]]
    np.testing.assert_allclose(comparison.left, expected, rtol=0.02)
    smallest = [np.linalg.eigvalsh(grams(*weights, CORNERS)[0])[0] for weights in ((start.W[0], start.a), (W, a))]
    largest = np.abs(start.W[0]).max()
    np.testing.assert_allclose(comparison.right[0], smallest, atol=1e-3)
    np.testing.assert_allclose(comparison.right[1], reach * (1 + R_a), rtol=1e-9)
    np.testing.assert_allclose(comparison.right[2], reach * (largest + R_w), rtol=1e-9)
    np.testing.assert_allclose(comparison.right[3], before * np.exp([0, -0.5]), rtol=1e-9)


def test_companion_lemma_a_6():
    net = net_of(30, 3)
    start, X = net.init(5), mgd.data.sphere(4, 3, seed=1)
    comparison = two_layer_joint.lemma_a_6(net, start, X, failure=0.2)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, max(abs(w @ x) for w in start.W[0] for x in X), rtol=1e-12)
    np.testing.assert_allclose(comparison.right, math.sqrt(2 * math.log(2 * 30 * 4 / 0.2)), rtol=1e-12)


def test_lemma_a_6_fails_no_more_often_than_allowed_and_not_for_other_weights():
    net, X = net_of(30, 3), mgd.data.sphere(4, 3, seed=1)
    failures = sum(not two_layer_joint.lemma_a_6(net, net.init(seed), X, 0.5).holds for seed in range(300))
    assert failures <= 150 + 3 * math.sqrt(75)
    assert not two_layer_joint.lemma_a_6(net, net.init(0).map(lambda array: 3 * array), X).holds


# ------------------------------------------------------------------ bad input


def test_inputs_that_are_not_unit_vectors_are_warned_of():
    net = net_of(5)
    path = two_layer_path.gradient_path(net, net.init(0), 2 * CORNERS, SIGNS, [0.1])
    with pytest.warns(UserWarning, match=r"Theorem 3\.3 of the companion asks for unit inputs"):
        two_layer_joint.theorem_3_3(path)
    with pytest.warns(UserWarning, match=r"Lemma A\.4 of the companion asks for unit inputs"):
        two_layer_joint.lemma_a_4(path, 0.1)


def test_wrong_arguments_are_named():
    one = mgd.TwoLayerReLU(2, 5)
    path = two_layer_path.gradient_path(one, one.init(0), CORNERS, SIGNS, [0.1])
    for statement in (two_layer_joint.theorem_3_3, two_layer_joint.both_layers, two_layer_joint.lemma_a_5):
        with pytest.raises(ValueError, match="net must have train_output=True"):
            statement(path)
    with pytest.raises(ValueError, match="output_radius must be a finite number > 0"):
        two_layer_joint.lemma_a_3(dead(), 0.0)
    with pytest.raises(ValueError, match="constant must be a finite number > 0"):
        two_layer_joint.allowed_output_radius(2, 0.5, 0.0)
