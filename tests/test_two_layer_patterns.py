"""Patterns of activation near the start against searches, samples and loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd.testing.strategies import seeds
from minimal_gd.theory import two_layer_limit, two_layer_patterns
from minimal_gd.theory.constants import OpenConstants

CORNERS = np.eye(2)
X = mgd.data.sphere(4, 3, seed=2)
NET = mgd.TwoLayerReLU(3, 60)
START = NET.init(1)


def nearby(start, radius, seed=0):
    """Every w_r moved by at most `radius`, in a random direction."""
    rng = np.random.default_rng(seed)
    m, d = start.W[0].shape
    moves = mgd.data.sphere(m, d, rng) * rng.uniform(0.5, 1, (m, 1)) * radius
    return mgd.Parameters((start.W[0] + moves,), start.a)


def near_kinks(start, X, radius):
    """A_ir by a loop."""
    return np.array([[abs(w @ x) < radius * math.sqrt(x @ x) for w in start.W[0]] for x in X])


def gram_loop(params, X):
    sides = [[w @ x >= 0 for w in params.W[0]] for x in X]
    return np.array(
        [
            [x @ z * np.mean(np.logical_and(p, q)) for z, q in zip(X, sides, strict=True)]
            for x, p in zip(X, sides, strict=True)
        ]
    )


def union_bound(start, X, radius):
    """|x_iᵀx_j| times the share of units near a kink of x_i or x_j, by a loop."""
    events = near_kinks(start, X, radius)
    return np.array(
        [[abs(x @ z) * np.mean(p | q) for z, q in zip(X, events, strict=True)] for x, p in zip(X, events, strict=True)]
    )


# ------------------------------------------------------------------ A_ir


def test_companion_event_a_ir():
    comparison = two_layer_patterns.event_a(NET, START, 2 * X, 0.4)
    expected = near_kinks(START, 2 * X, 0.4)
    assert comparison.holds
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(comparison.left, expected)
    np.testing.assert_array_equal(comparison.right, expected)


def test_no_move_within_the_radius_switches_a_unit_outside_the_event():
    """2000 moves of every unit: those that switch a pattern are among A_ir, and find nearly all of them."""
    switched = np.zeros((4, 60), bool)
    before = START.W[0] @ X.T >= 0
    for seed in range(2000):
        switched |= ((nearby(START, 0.4, seed).W[0] @ X.T >= 0) != before).T
    events = near_kinks(START, X, 0.4)
    assert not (switched & ~events).any()
    assert switched.sum() > 0.8 * events.sum()


def test_companion_p_a_ir():
    """Companion P(A_ir)."""
    net = mgd.TwoLayerReLU(3, 5000)
    start = net.init(3)
    comparison = two_layer_patterns.share_of_events(net, start, X, 0.3)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, near_kinks(start, X, 0.3).mean(), rtol=1e-12)
    z = np.linspace(-0.3, 0.3, 10_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(comparison.right, np.trapezoid(density, z), rtol=1e-8)


def test_the_share_of_events_is_off_where_the_weights_are_not_gaussian():
    net = mgd.TwoLayerReLU(3, 5000)
    wide = net.init(3).map(lambda array: 2 * array)
    assert not two_layer_patterns.share_of_events(net, wide, X, 0.3).holds


def test_companion_p_a_ir_bound():
    """Companion P(A_ir) bound."""
    comparison = two_layer_patterns.bound_of_probability(0.7)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, math.erf(0.7 / math.sqrt(2)), rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 0.7 * 0.7978845608028654, rtol=1e-12)


@given(st.floats(1e-9, 50))
def test_the_bound_of_the_probability_always_holds(radius):
    assert two_layer_patterns.bound_of_probability(radius).holds


# ------------------------------------------------------------------ H near H(0)


def test_companion_lemma_3_2_entries():
    """Companion Lemma 3.2 (entries)."""
    params = nearby(START, 0.3)
    comparison = two_layer_patterns.change_of_entries(NET, START, params, X, 0.3)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, np.abs(gram_loop(params, X) - gram_loop(START, X)), atol=1e-12)
    np.testing.assert_allclose(comparison.right, union_bound(START, X, 0.3), rtol=1e-12)
    assert comparison.left.max() > 0


def test_companion_lemma_3_2_expectation():
    """Companion Lemma 3.2 (expectation)."""
    net = mgd.TwoLayerReLU(3, 4000)
    start = net.init(0)
    comparison = two_layer_patterns.expected_change(net, start, X, 0.05)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, union_bound(start, X, 0.05), rtol=1e-10)
    np.testing.assert_allclose(comparison.right, 0.2 / math.sqrt(2 * math.pi), rtol=1e-12)
    # weights a tenth as large are ten times as often near a kink
    assert not two_layer_patterns.expected_change(net, start.map(lambda array: array / 10), X, 0.05).holds


def test_companion_lemma_3_2_markov():
    """Companion Lemma 3.2 (Markov)."""
    comparison = two_layer_patterns.markov(NET, START, X, 0.02, OpenConstants(failure=0.3))
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, union_bound(START, X, 0.02).sum(), rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 4 * 16 * 0.02 / math.sqrt(2 * math.pi) / 0.3, rtol=1e-12)


def test_companion_lemma_3_2():
    net = mgd.TwoLayerReLU(2, 2000)
    start = net.init(0)
    constants = OpenConstants(radius=0.15, failure=0.9)
    comparison = two_layer_patterns.lemma_3_2(net, start, CORNERS, constants)
    radius = 0.15 * 0.9 * 0.5 / 4
    change = np.linalg.norm(union_bound(start, CORNERS, radius), 2)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, [change, 0.25], rtol=1e-10)
    smallest = np.linalg.eigvalsh(gram_loop(start, CORNERS))[0]
    np.testing.assert_allclose(comparison.right, [0.125, smallest - change], rtol=1e-10)


def test_weights_far_from_their_start_may_do_anything():
    """All units switched off: H = 0, far from H(0)."""
    off = mgd.Parameters((-10 * np.ones((60, 3)),), START.a)
    positive = np.abs(X)
    comparison = two_layer_patterns.change_of_entries(NET, START, off, positive, 0.01)
    assert comparison.verdict == "fails, 1 of 1 premises unmet"
    assert (
        two_layer_patterns.changed_patterns(NET, START, off, positive, 0.01).verdict == "fails, 1 of 1 premises unmet"
    )


def test_units_at_their_kinks_violate_the_lemmas():
    """Weights 0, which N(0, I) gives with probability 0: every pattern may switch."""
    net = mgd.TwoLayerReLU(2, 10)
    zero = mgd.Parameters((np.zeros((10, 2)),), net.init(0).a)
    assert two_layer_patterns.lemma_3_2(net, zero, CORNERS).verdict == "FAILS"
    assert not two_layer_patterns.markov(net, zero, CORNERS, 1e-3).holds
    assert not two_layer_patterns.lemma_4_1(net, zero, CORNERS, 1e-3).holds


def test_markov_fails_no_more_often_than_allowed():
    """δ = 0.5 at 300 draws of eight units: at most half of them, even at three standard deviations."""
    net = mgd.TwoLayerReLU(3, 8)
    constants = OpenConstants(failure=0.5)
    starts = [net.init(seed) for seed in range(300)]
    for statement in (two_layer_patterns.markov, two_layer_patterns.lemma_4_1):
        failures = sum(not statement(net, start, X, 0.1, constants).holds for start in starts)
        assert failures <= 150 + 3 * math.sqrt(75)


@given(seeds, st.floats(1e-4, 3))
def test_entries_and_patterns_keep_their_bounds_for_any_weights_within_the_radius(seed, radius):
    params = nearby(START, radius, seed)
    assert two_layer_patterns.change_of_entries(NET, START, params, X, radius).holds
    assert two_layer_patterns.changed_patterns(NET, START, params, X, radius).holds


# ------------------------------------------------------------------ S_i


def test_companion_lemma_4_1():
    comparison = two_layer_patterns.lemma_4_1(NET, START, X, 0.2, OpenConstants(failure=0.3))
    assert comparison.holds
    np.testing.assert_array_equal(comparison.left, near_kinks(START, X, 0.2).sum())
    np.testing.assert_allclose(comparison.right, math.sqrt(2 / math.pi) * 60 * 4 * 0.2 / 0.3, rtol=1e-12)


def test_companion_s_i():
    """Companion S_i: patterns that did change belong to S_i^⊥."""
    params = nearby(START, 0.3)
    comparison = two_layer_patterns.changed_patterns(NET, START, params, X, 0.3)
    changed = [[(w @ x >= 0) != (v @ x >= 0) for w, v in zip(params.W[0], START.W[0], strict=True)] for x in X]
    assert comparison.verdict == "holds"
    assert np.sum(changed) > 0
    np.testing.assert_allclose(comparison.left, np.mean(changed), rtol=1e-12)
    np.testing.assert_allclose(comparison.right, near_kinks(START, X, 0.3).mean(), rtol=1e-12)


def test_the_radius_is_linear_in_lambda_and_falls_with_the_square_of_n():
    constants = OpenConstants(radius=0.5, failure=0.2)
    np.testing.assert_allclose(two_layer_patterns.allowed_radius(3, 0.4, constants), 0.5 * 0.2 * 0.4 / 9, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: two_layer_patterns.may_switch(NET, START, X, 0.0), ValueError, "radius must be a finite number > 0"),
        (lambda: two_layer_patterns.may_switch(NET, START, X[:, :2], 0.1), ValueError, "X must have shape"),
        (lambda: two_layer_patterns.event_a(NET, NET, X, 0.1), TypeError, "start must be Parameters"),
        (lambda: two_layer_patterns.bound_of_probability(np.inf), ValueError, "radius must be a finite number > 0"),
        (lambda: two_layer_patterns.lemma_4_1(NET, START, X, 0.1, constant=-1), ValueError, "constant must be"),
        (lambda: two_layer_patterns.allowed_radius(0, 1.0), ValueError, "n must be an integer ≥ 1"),
        (lambda: two_layer_patterns.lemma_3_2(NET, START, X[[0, 0]]), ValueError, "samples 0 and 1 are parallel"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_inputs_that_are_not_unit_vectors_are_warned_of():
    for statement in (
        two_layer_patterns.lemma_3_2,
        lambda *args: two_layer_patterns.markov(*args, 0.1),
        lambda *args: two_layer_patterns.expected_change(*args, 0.1),
    ):
        with pytest.warns(UserWarning, match=r"Lemma 3\.2 of the companion asks for unit inputs"):
            statement(NET, START, 2 * X)


# ------------------------------------------------------------------ exact numbers


def test_the_derived_constants_are_those_of_the_proofs():
    """c = √(2π)/32 in R, 1/4 in η, and the largest density of |z|."""
    assert two_layer_patterns.DERIVED.radius == pytest.approx(math.sqrt(2 * math.pi) / 32, rel=1e-15)
    assert two_layer_patterns.DERIVED.step == 0.25
    assert pytest.approx(2 / math.sqrt(2 * math.pi), rel=1e-15) == two_layer_patterns.DENSITY


def test_a_unit_that_can_just_reach_its_hyperplane_does_not_switch():
    """A_ir is |w_rᵀx_i| < R, and a unit on the hyperplane is active as one above it is."""
    start = mgd.Parameters((np.array([[0.5, 0.0], [0.25, 0.0], [-0.75, 0.0]]),), np.ones(3))
    net, x = mgd.TwoLayerReLU(2, 3), np.array([[1.0, 0.0]])
    comparison = two_layer_patterns.event_a(net, start, x, 0.5)
    np.testing.assert_array_equal(comparison.left, [[False, True, False]])
    np.testing.assert_array_equal(comparison.right, [[False, True, False]])


def test_sampled_shares_may_be_off_by_six_standard_errors():
    p = math.erf(0.3 / math.sqrt(2))
    share = two_layer_patterns.share_of_events(NET, START, X, 0.3)
    np.testing.assert_allclose(share.tolerance * p, 6 * math.sqrt(p * (1 - p) / 60), rtol=1e-12)
    change = two_layer_patterns.expected_change(NET, START, X, 0.3)
    np.testing.assert_allclose(change.tolerance * change.right, 6 * np.sqrt(change.right / 60), rtol=1e-12)


def test_lemma_3_2_asks_for_three_quarters_of_lambda_at_the_start():
    (premise,) = two_layer_patterns.lemma_3_2(NET, START, X).premises
    np.testing.assert_allclose(premise.left, np.linalg.eigvalsh(gram_loop(START, X))[0], rtol=1e-10)
    np.testing.assert_allclose(premise.right, 0.75 * two_layer_limit.lambda_0(X), rtol=1e-12)


def test_the_bound_by_markov_knows_its_powers():
    comparison = two_layer_patterns.markov(NET, START, X[:3], 0.02, OpenConstants(failure=0.3))
    np.testing.assert_allclose(comparison.right, 4 * 9 * 0.02 / math.sqrt(2 * math.pi) / 0.3, rtol=1e-12)
