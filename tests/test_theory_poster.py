"""The poster: its normalisation, the sign of its flow, and the rate of it."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm
from test_theory_flow import matrix
from test_theory_theorems import CORNERS, FAN, Y, too_narrow

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.testing.references import jacobians
from minimal_gd.testing.strategies import problem, seeds
from minimal_gd.theory import flow, poster

NET = mgd.ResNet(3, 6, 2, "sincos")
WIDE = mgd.FullyConnected(2, 2000, 1, "sincos")
# Two layers on orthogonal unit inputs: Θ^(1) = I and Θ^(2) = exp(S - 1), over n = 2
H_LIMIT = (np.eye(2) + np.exp(np.eye(2) - 1)) / 2
LAMBDA_0 = 1 - math.exp(-1) / 2


def jacobian_gram(net, params, X):
    return sum(J @ J.T for J in jacobians(net, params, X)) / len(X)


def residual(net, X=CORNERS, y=Y, seed=0):
    return y - net.predict(net.init(seed), X)


# ------------------------------------------------------------------ normalisation and flow


def test_poster_normalisation():
    """Its normalisation."""
    p = problem(NET, 3, seed=1)
    runs = [
        mgd.gradient_descent(*p.everything, eta, 5, predictions=True, normalisation=normalisation)
        for eta, normalisation in ((0.02, "sum"), (0.06, "mean"))
    ]
    comparison = poster.same_path(*runs)
    assert comparison.holds
    params, expected = p.params, []
    for _ in range(6):
        expected.append(NET.predict(params, p.X))
        gradient = NET.gradient(params, p.X, p.y)
        W = tuple(W - 0.02 * D for W, D in zip(params.W, gradient.W, strict=True))
        params = mgd.Parameters(W, params.a - 0.02 * gradient.a)
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-9)


def both_losses(step_size, steps, ratio=3):
    """A run of the paper's loss, and one of the poster's with `ratio` times the step size, on three samples."""
    p = problem(NET, 3, seed=1)
    return [
        mgd.gradient_descent(*p.everything, eta, steps, predictions=True, normalisation=normalisation)
        for eta, normalisation in ((step_size, "sum"), (ratio * step_size, "mean"))
    ]


def test_the_path_is_one_from_the_start_and_another_if_it_is_off_by_a_thousandth():
    of_sum, of_mean = both_losses(0.02, 0)
    assert poster.same_path(of_sum, of_mean).holds
    assert not poster.same_path(of_sum, dataclasses.replace(of_mean, predictions=1.001 * of_mean.predictions)).holds


def test_another_step_size_takes_another_path():
    runs = both_losses(0.02, 5, ratio=1)
    with pytest.raises(ValueError, match="of_mean must have n times the step size"):
        poster.same_path(*runs)
    with pytest.raises(ValueError, match="run must be of the poster's risk"):
        poster.same_path(runs[0], runs[0])


def test_poster_flow():
    """The flow, u̇ by Jacobians: the plus sign is right and the printed minus is not."""
    p = problem(NET, 3, seed=1)
    comparison = poster.flow_dynamics(*p.everything)
    J = jacobians(NET, p.params, p.X)
    r = p.y - NET.predict(p.params, p.X)
    # u̇ = J θ̇ with θ̇ = -∂R/∂θ = Jᵀr/n
    expected = sum(j @ (j.T @ r) for j in J) / 3
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-9)


def test_the_printed_sign_of_the_flow_would_make_the_residual_grow():
    p = problem(NET, 3, seed=1)
    run = poster.gradient_flow(*p.everything, [0.0, 0.01])
    measured = (run.predictions[1] - run.predictions[0]) / 0.01
    right = poster.flow_dynamics(*p.everything).right
    np.testing.assert_allclose(measured, right, rtol=0.1)
    norms = np.linalg.norm(p.y - run.predictions, axis=1)
    assert norms[1] < norms[0] < np.linalg.norm(p.y - run.predictions[0] + 0.01 * right)


def test_the_flow_of_the_mean_is_n_times_as_slow():
    p = problem(NET, 3, seed=1)
    slow = poster.gradient_flow(*p.everything, [0.0, 0.6])
    fine = mgd.gradient_descent(*p.everything, 1e-3, 600, predictions=True, normalisation="mean")
    # Euler's method of step 1e-3 errs by some η λ² t of the residual
    np.testing.assert_allclose(slow.predictions[1], fine.predictions[-1], atol=0.01)
    np.testing.assert_allclose(slow.observed[0], jacobian_gram(NET, p.params, p.X), rtol=1e-9)
    finer = poster.gradient_flow(*p.everything, [0.0, 0.6], tolerance=1e-12)
    np.testing.assert_allclose(slow.predictions, finer.predictions, rtol=1e-7)


def test_the_limit_is_the_papers_sum_over_n():
    H_limit, smallest = poster.limit(WIDE, CORNERS)
    np.testing.assert_allclose(H_limit, H_LIMIT, rtol=1e-12)
    assert smallest == pytest.approx(LAMBDA_0)
    companion = mgd.TwoLayerReLU(2, 5)
    np.testing.assert_allclose(poster.limit(companion, CORNERS)[0], np.eye(2) / 4, rtol=1e-12)  # a is not trained
    with pytest.raises(ValueError, match="samples 0 and 1 are parallel"):
        poster.limit(WIDE, np.ones((2, 2)))


def test_an_error_of_every_layers_limit_counts_once_over_n(monkeypatch):
    # two layers are trained, of three samples: λ_0 = 2/3, and its error is n times that of an entry, n · 2 error/n
    for error, is_certain in ((0.3, True), (0.35, False)):
        monkeypatch.setattr(gram, "limiting", lambda net, X, error=error: (np.stack([np.eye(3)] * 2), error))
        if is_certain:
            assert poster.limit(WIDE, FAN)[1] == pytest.approx(2 / 3)
        else:
            with pytest.raises(ValueError, match="λ_min"):
                poster.limit(WIDE, FAN)


def test_poster_limit_at_the_start():
    """The limit at the start."""
    net = mgd.FullyConnected(2, 150, 1, "sincos")
    params = net.init(1)
    comparison = poster.initial_limit(net, params, CORNERS, H_LIMIT)
    assert comparison.holds
    expected = np.abs(np.linalg.eigvalsh(jacobian_gram(net, params, CORNERS) - H_LIMIT)).max()
    np.testing.assert_allclose(comparison.left, [expected], rtol=1e-8)
    np.testing.assert_allclose(comparison.right, [LAMBDA_0 / 4], rtol=1e-12)
    np.testing.assert_allclose(comparison.premises[0].right, 2 * 2**2 / LAMBDA_0)  # n 2^L/λ_0 with L = 2
    assert not poster.initial_limit(net, params, CORNERS, H_LIMIT, share=0.01).holds


def test_poster_limit_in_training():
    """The limit in training."""
    p = problem(NET, 3, seed=1)
    end = mgd.gradient_descent(*p.everything, 0.05, 4).params
    H = np.array([gram.total(NET, params, p.X) / 3 for params in (p.params, end)])
    comparison = poster.stable_limit(NET, H, 0.1)
    change = jacobian_gram(NET, end, p.X) - jacobian_gram(NET, p.params, p.X)
    np.testing.assert_allclose(comparison.left, [np.abs(np.linalg.eigvalsh(change)).max()], rtol=1e-7)
    np.testing.assert_allclose(comparison.right, [0.025], rtol=1e-12)
    assert not comparison.holds
    assert poster.stable_limit(NET, H, 100.0).holds


def test_poster_rate_of_the_flow():
    """The rate of the flow."""
    net, times = mgd.FullyConnected(2, 200, 1, "sincos"), np.array([0.0, 1.0, 3.0])
    params = net.init(0)
    true = poster.gradient_flow(net, params, CORNERS, Y, times, tolerance=1e-7)
    comparison = poster.flow_rate(true, net.predict(params, CORNERS), Y, H_LIMIT)
    assert comparison.verdict == "holds"
    near, stable = comparison.premises
    changes = [np.linalg.norm(H - true.observed[0], 2) for H in true.observed[1:]]
    np.testing.assert_allclose(near.left, [np.linalg.norm(true.observed[0] - H_LIMIT, 2)])
    np.testing.assert_allclose(stable.left, changes)
    np.testing.assert_allclose([near.right[0], stable.right[0]], LAMBDA_0 / 4)
    r = residual(net)
    fine = mgd.gradient_descent(net, params, CORNERS, Y, 1e-2, 300, predictions=True, normalisation="mean")
    squares = np.sum((fine.predictions[[0, 100, 300]] - Y) ** 2, axis=1)
    # Euler's method of step η errs by some η λ² t: 2 % of the square
    np.testing.assert_allclose(comparison.left, squares, rtol=0.05)
    np.testing.assert_allclose(comparison.right, r @ r * np.exp(-LAMBDA_0 * times), rtol=1e-10)


def test_the_rate_of_the_flow_fails_for_one_unit():
    net, _, X, y, _ = too_narrow(steps=0)
    H_limit, _ = poster.limit(net, X)
    run = poster.gradient_flow(net, net.init(0), X, y, [0.0, 5.0, 60.0], tolerance=1e-6)
    comparison = poster.flow_rate(run, net.predict(net.init(0), X), y, H_limit)
    assert not comparison.holds
    assert comparison.verdict == "fails, 2 of 2 premises unmet"


def test_poster_rate_of_the_frozen_flow():
    """The rate of the frozen flow."""
    G, r = matrix(3, seed=2)
    times = np.array([0.5, 2.0])
    comparison = poster.frozen_rate(G, r, times)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, [np.sum((expm(-G * t) @ r) ** 2) for t in times], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, r @ r * np.exp(-2 * np.linalg.eigvalsh(G)[0] * times), rtol=1e-9)


@given(seeds, st.integers(1, 5))
def test_the_frozen_flow_always_keeps_twice_the_rate_and_meets_it_along_one_direction(seed, n):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n + 2))
    G, times = A @ A.T, [0.1, 1.0]
    assert poster.frozen_rate(G, rng.standard_normal(n), times).holds
    slowest = poster.frozen_rate(G, np.linalg.eigh(G)[1][:, 0], times)
    np.testing.assert_allclose(slowest.left, slowest.right, rtol=1e-7, atol=1e-14)


def test_a_flow_that_was_not_observed_from_its_start_is_refused():
    with pytest.raises(ValueError, match="true must begin at time 0"):
        poster.flow_rate(flow.Flow(np.ones(1), np.ones((1, 2)), WIDE.init(0), [np.eye(2)]), Y, Y, np.eye(2))
    with pytest.raises(ValueError, match="hold ΣH"):
        poster.flow_rate(flow.Flow(np.zeros(1), np.ones((1, 2)), WIDE.init(0)), Y, Y, np.eye(2))
