"""H^∞ and G^∞ of the companion against forty digits, loops and samples; when λ_0 > 0; how near H(0) is."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_two_layer import CORNERS, digits_of, g_of, h_of, two_inputs
from slow_two_layer import INPUTS as X

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.theory import two_layer_hyperplanes, two_layer_limit
from minimal_gd.theory.constants import OpenConstants


def counted(W, X):
    """(1/m) Σ_r x_iᵀx_j I{w_rᵀx_i ≥ 0, w_rᵀx_j ≥ 0}, by loops."""
    return np.array([[np.mean([x @ z * (w @ x >= 0) * (w @ z >= 0) for w in W]) for z in X] for x in X])


# ------------------------------------------------------------------ closed forms


def test_companion_h_inf():
    """Companion H^∞."""
    comparison = two_layer_limit.limit_of_h(X, draws=400, seed=3)
    W = np.random.default_rng(3).standard_normal((4, 400)).T
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, digits_of(X, h_of), rtol=1e-13)
    np.testing.assert_allclose(comparison.right, counted(W, X), rtol=1e-12)


def test_companion_g_inf():
    """Companion G^∞."""
    comparison = two_layer_limit.limit_of_g(X, draws=400, seed=3)
    W = np.random.default_rng(3).standard_normal((4, 400)).T
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, digits_of(X, g_of), rtol=1e-13)
    means = [[np.mean([max(w @ x, 0) * max(w @ z, 0) for w in W]) for z in X] for x in X]
    np.testing.assert_allclose(comparison.right, means, rtol=1e-12)


def test_the_closed_forms_are_the_limits_of_the_network():
    K, error = gram.limiting(mgd.TwoLayerReLU(4, 1), X)
    np.testing.assert_allclose(two_layer_limit.h_infinity(X), K[0], atol=error)
    np.testing.assert_allclose(two_layer_limit.limit_of_g(X).left, K[1], atol=error)


def test_for_inputs_of_another_norm_the_angle_counts():
    """arccos(x_iᵀx_j) is right for unit inputs alone."""
    short = X / 3
    printed = short @ short.T * (math.pi - np.arccos(short @ short.T)) / (2 * math.pi)
    W = np.random.default_rng(0).standard_normal((4000, 4))
    sampled = counted(W, short)
    spread = 4 * (4 / 9) * 0.5 / math.sqrt(4000)  # four standard errors: products up to 4/9, indicators
    assert np.abs(two_layer_limit.h_infinity(short) - sampled).max() < spread
    assert np.abs(np.diag(printed - sampled)).max() > 2 * spread


def test_the_closed_form_keeps_its_digits_for_nearly_parallel_inputs():
    for angle in (1e-3, 1e-6, 1e-9, math.pi - 1e-9):
        H = two_layer_limit.h_infinity(two_inputs(angle))
        exact = mp.cos(angle) * (mp.pi - mp.mpf(angle)) / (2 * mp.pi)
        np.testing.assert_allclose(H[0, 1], float(exact), rtol=0, atol=1e-15)


def test_sampling_errs_as_one_over_the_root_of_the_draws():
    """Root mean square over seeds: its own error is 1/√(2·60) < 10 %, that of the slope over a factor 64 below 0.04."""
    draws = np.array([50, 400, 3200])
    squares = [[_sampling_error(m, seed) for seed in range(60)] for m in draws]
    slope = np.polyfit(np.log(draws), np.log(np.mean(squares, axis=1)) / 2, 1)[0]
    assert abs(slope + 0.5) < 0.1


def _sampling_error(draws, seed):
    comparison = two_layer_limit.limit_of_h(X, int(draws), seed)
    return np.linalg.norm(comparison.left - comparison.right) ** 2


def test_a_wrong_sample_is_noticed(monkeypatch):
    """A generator that draws positive numbers only: all w in one orthant."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        two_layer_limit.validate, "generator", lambda seed: type("G", (), {"standard_normal": rng.random})()
    )
    assert not two_layer_limit.limit_of_h(X).holds
    assert not two_layer_limit.limit_of_g(X).holds


# ------------------------------------------------------------------ positive definiteness


def test_companion_assumption_3_1():
    comparison = two_layer_limit.assumption_3_1(X)
    assert comparison.holds
    eigenvalues = np.linalg.eigvalsh(digits_of(X, h_of))
    eps = np.finfo(float).eps
    np.testing.assert_allclose(comparison.left, eigenvalues[0], rtol=1e-12)
    np.testing.assert_allclose(comparison.right, 3 * (8 * eps * 4 + eps * eigenvalues[-1]), rtol=1e-6)  # n, d + 4, ‖x‖²


def test_lambda_0_falls_with_the_angle_of_the_closest_pair():
    """1/2 - cos θ (π - θ)/2π = θ/2π + O(θ²): slope 1 in a log-log plot; within 1e-2 for θ up to 0.01."""
    angles = np.logspace(-8, -2, 7)
    smallest = [two_layer_limit.lambda_0(two_inputs(angle)) for angle in angles]
    assert abs(np.polyfit(np.log(angles), np.log(smallest), 1)[0] - 1) < 1e-2
    np.testing.assert_allclose(smallest, angles / (2 * math.pi), rtol=0.05)


# ------------------------------------------------------------------ H(0)


def test_companion_lemma_3_1():
    net = mgd.TwoLayerReLU(2, 1300)  # 24 · 4/¼ · log 20 = 1150
    params = net.init(0)
    comparison = two_layer_limit.lemma_3_1(net, params, CORNERS)
    H = counted(params.W[0], CORNERS)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, [np.linalg.norm(H - np.eye(2) / 2, 2), 0.375], rtol=1e-10)
    np.testing.assert_allclose(comparison.right, [0.125, np.linalg.eigvalsh(H)[0]], rtol=1e-10)


def test_companion_lemma_3_1_entries():
    net = mgd.TwoLayerReLU(2, 300)
    params = net.init(0)
    comparison = two_layer_limit.lemma_3_1_entries(net, params, CORNERS, OpenConstants(failure=0.05))
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.abs(counted(params.W[0], CORNERS) - np.eye(2) / 2).max(), rtol=1e-10)
    np.testing.assert_allclose(comparison.right, math.sqrt(math.log(2 * 4 / 0.05) / 600), rtol=1e-12)


def test_a_narrow_net_is_not_near_its_limit():
    net = mgd.TwoLayerReLU(2, 1)
    params = mgd.Parameters((-np.ones((1, 2)),), np.ones(1))
    comparison = two_layer_limit.lemma_3_1(net, params, CORNERS)
    assert comparison.verdict == "fails, 1 of 1 premises unmet"
    wide = mgd.TwoLayerReLU(2, 2000)
    all_dead = mgd.Parameters((-np.ones((2000, 2)),), np.ones(2000))  # not as init draws them
    assert two_layer_limit.lemma_3_1(wide, all_dead, CORNERS).is_violated
    assert not two_layer_limit.lemma_3_1_entries(wide, all_dead, CORNERS).holds


def test_the_entries_exceed_their_bound_no_more_often_than_allowed():
    """δ = 0.2; 300 draws, and the number beyond stays below 0.2·300 even at three standard deviations."""
    net = mgd.TwoLayerReLU(2, 50)
    constants = OpenConstants(failure=0.2)
    beyond = sum(
        not two_layer_limit.lemma_3_1_entries(net, net.init(seed), CORNERS, constants).holds for seed in range(300)
    )
    assert beyond <= 60 + 3 * math.sqrt(300 * 0.2 * 0.8)


@given(st.integers(1, 100), st.floats(1e-6, 0.7))
def test_the_derived_constant_of_lemma_3_1_suffices(n, failure):
    asked = two_layer_limit.asked_width(n, 0.5, OpenConstants(width=24.0, failure=failure))
    assert asked >= 8 * n**2 / 0.25 * math.log(2 * n**2 / failure) * (1 - 1e-12)


# ------------------------------------------------------------------ bad input


def test_inputs_that_are_not_unit_vectors_are_warned_of():
    net = mgd.TwoLayerReLU(4, 5)
    with pytest.warns(UserWarning, match=r"Lemma 3\.1 of the companion asks for unit inputs"):
        two_layer_limit.lemma_3_1(net, net.init(0), X)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: two_layer_limit.h_infinity(np.ones(3)), ValueError, r"X must have shape \(n, d\)"),
        (lambda: two_layer_limit.h_infinity(np.full((2, 2), np.nan)), ValueError, "X must be finite"),
        (lambda: two_layer_limit.limit_of_h(X, 0), ValueError, "draws must be an integer ≥ 1"),
        (lambda: two_layer_limit.limit_of_g(X, 2.5), TypeError, "draws must be an integer ≥ 1"),
        (lambda: two_layer_hyperplanes.lemma_a_1(np.zeros((2, 2))), ValueError, "X must hold no zero sample"),
        (lambda: two_layer_hyperplanes.isolation(X, 3), ValueError, "i must be one of the 3 samples"),
        (lambda: two_layer_hyperplanes.isolation(X, 0, seed="x"), TypeError, "seed must be"),
        (lambda: two_layer_limit.asked_width(3, 0.0), ValueError, "smallest must be a finite number > 0"),
        (lambda: two_layer_limit.lemma_3_1("net", None, X), TypeError, "net must be a TwoLayerReLU"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
