"""The poster's theorems on real nets, and why random labels take longer."""

import math

import numpy as np
import pytest
from slow_limits import slow_limits
from test_theory_flow import matrix
from test_theory_poster import H_LIMIT, NET, WIDE
from test_theory_theorems import CORNERS, ENDS, FAN, SIGNS, Y, too_narrow

import minimal_gd as mgd
from minimal_gd import data, gram
from minimal_gd.testing.strategies import problem
from minimal_gd.theory import certificates, poster, poster_descent
from minimal_gd.theory.constants import OpenConstants


def mean_run(net, X, step_size, steps, y=Y):
    return certificates.observed_descent(net, net.init(0), X, y, step_size, steps, normalisation="mean")


def check_theorem(net, X, H_limit, step_size, steps=3):
    run = mean_run(net, X, step_size, steps)
    comparison = poster_descent.convergence(net, run, Y, H_limit, OpenConstants(step=2.0))
    assert comparison.verdict == "holds"
    params, risks, grams = net.init(0), [], []
    for _ in range(steps + 1):
        grams.append(gram.total(net, params, X) / 2)
        risks.append(np.mean((net.predict(params, X) - Y) ** 2) / 2)
        gradient = net.gradient(params, X, Y)
        W = tuple(W - step_size / 2 * D for W, D in zip(params.W, gradient.W, strict=True))
        params = mgd.Parameters(W, params.a - step_size / 2 * gradient.a)
    np.testing.assert_allclose(comparison.left, risks, rtol=1e-10)
    smallest = np.linalg.eigvalsh(H_limit)[0]
    expected = [risks[0] * (1 - step_size * smallest) ** t for t in range(steps + 1)]
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-10)
    near, stable = comparison.premises[2:4]
    np.testing.assert_allclose(near.left, [np.linalg.norm(grams[0] - H_limit, 2)], rtol=1e-8)
    np.testing.assert_allclose(stable.left, [np.linalg.norm(H - grams[0], 2) for H in grams[1:]], rtol=1e-8)
    np.testing.assert_allclose([near.right[0], stable.right[0]], smallest / 8, rtol=1e-10)


def test_poster_theorem_1():
    """Theorem 1."""
    check_theorem(WIDE, CORNERS, H_LIMIT, 0.04)


def test_poster_theorem_2():
    """Theorem 2."""
    net = mgd.ResNet(2, 400, 2, "sincos")
    check_theorem(net, CORNERS, slow_limits(net, CORNERS)[0].sum(axis=0) / 2, 0.03)


def test_theorem_2_is_of_the_convolution_too():
    net = mgd.ConvResNet((1, 3), 400, 2, (3,), "sincos")
    check_theorem(net, ENDS, slow_limits(net, ENDS)[0].sum(axis=0) / 2, 0.01)


def test_the_theorems_promise_nothing_and_fail_for_one_unit():
    net, _, X, y, _ = too_narrow(steps=0)
    run = mean_run(net, X, 0.3, 300, y)
    comparison = poster_descent.convergence(net, run, y, poster.limit(net, X)[0])
    assert not comparison.holds
    assert not comparison.is_promised


def test_a_long_step_breaks_both_budgets_of_the_poster():
    net = mgd.ResNet(2, 6, 2, "sincos")
    run = mean_run(net, CORNERS, 1.0, 1)
    comparison = poster_descent.convergence(net, run, Y, np.eye(2) / 4)
    assert [premise.holds for premise in comparison.premises[-2:]] == [False, False]


def test_the_posters_widths_and_steps_are_its_printed_ones():
    opened = OpenConstants(width=3.0, step=0.5, growth=1.5, power=2.0)
    for net, in_width, in_step in (
        (mgd.FullyConnected(2, 5, 2, "sincos"), 1.5**3, 1.5**3),
        (mgd.ResNet(2, 5, 2, "sincos"), 3, 1),
    ):
        run = mean_run(net, FAN, 0.01, 1, SIGNS)
        asked = poster_descent.convergence(net, run, SIGNS, np.eye(3) / 4, opened).premises
        np.testing.assert_allclose(asked[0].right, 3 * (3 * in_width * 4) ** 2)
        np.testing.assert_allclose(asked[1].right, 0.5 * 0.25 / (9 * in_step))


# ------------------------------------------------------------------ labels


def labelled(n=8, d=4):
    """Inputs, labels that are linear in them, and random ones."""
    X = data.sphere(n, d, seed=3)
    return X, {"true": X[:, 0] * math.sqrt(d), "random": data.random_labels(n, seed=4)}


def test_poster_empirical_risk():
    """The empirical risk."""
    X, labels = labelled(4)
    net = mgd.FullyConnected(4, 100, 1, "sincos")
    eta = mgd.stable_step_size(net, net.init(0), X)
    for y in labels.values():
        run = mgd.gradient_descent(net, net.init(0), X, y, 4 * eta, 100, normalisation="mean", predictions=True)
        comparison = poster_descent.risk_vanishes(run)
        assert comparison.holds
        risks = np.mean((run.predictions[[0, -1]] - y) ** 2, axis=1) / 2
        np.testing.assert_allclose(comparison.left, risks[1], rtol=1e-10)
        np.testing.assert_allclose(comparison.right, risks[0] / 100, rtol=1e-10)


def test_the_risk_of_one_unit_does_not_vanish():
    net, _, X, y, _ = too_narrow(steps=0)
    run = mgd.gradient_descent(net, net.init(0), X, y, 0.3, 300, normalisation="mean")
    assert not poster_descent.risk_vanishes(run).holds


def test_poster_random_labels():
    """Random labels."""
    X, labels = labelled(4)
    net = mgd.FullyConnected(4, 2000, 1, "sincos")
    G = gram.limiting(net, X)[0].sum(axis=0)
    y, eta = labels["random"], 0.4 / np.linalg.eigvalsh(G)[-1]
    run = mgd.gradient_descent(net, net.init(0), X, y, 4 * eta, 20, predictions=True, normalisation="mean")
    comparison = poster_descent.projected_risk(run, y, G, tolerance=0.1)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.mean((run.predictions - y) ** 2, axis=1) / 2, rtol=1e-10)
    r = y - run.predictions[0]
    powers = [np.linalg.matrix_power(np.eye(4) - eta * G, t) @ r for t in range(21)]
    np.testing.assert_allclose(comparison.right, [v @ v / 8 for v in powers], rtol=1e-9)
    assert not poster_descent.projected_risk(run, y, G / 4, tolerance=0.1).holds


def test_the_explanation_serves_the_papers_loss_too():
    net = mgd.FullyConnected(2, 2000, 1, "sincos")
    run = mgd.gradient_descent(net, net.init(0), FAN[:2], Y, 0.1, 20, predictions=True)
    G = gram.total(net, net.init(0), FAN[:2])
    assert poster_descent.projected_risk(run, Y, G, tolerance=0.02).holds
    assert poster_descent.projected_risk(run, Y, G).tolerance == 0.05
    with pytest.raises(ValueError, match="step_size must be below 2/λ_max"):
        poster_descent.projected_risk(run, Y, 21 / np.linalg.eigvalsh(G)[-1] * G)  # η λ_max = 2.1


def test_random_labels_take_longer_as_they_lie_along_small_eigenvalues():
    X, labels = labelled()
    net = mgd.FullyConnected(4, 10, 2, "softplus")
    G = gram.limiting(net, X)[0].sum(axis=0)
    eta = 1 / np.linalg.eigvalsh(G)[-1]
    steps = {name: poster_descent.steps_to(G, y, eta, 1e-3) for name, y in labels.items()}
    assert steps["true"] < steps["random"]
    means = {}
    for name, y in labels.items():
        eigenvalues, squares = poster_descent.projections(G, y)
        np.testing.assert_allclose(squares.sum(), y @ y)
        means[name] = np.log(eigenvalues) @ squares / squares.sum()
    assert means["random"] < means["true"]


def test_the_steps_to_a_share_are_the_first_that_reach_it():
    G, r = matrix(4, seed=1)
    G = G + 0.1 * np.eye(4)
    eta = 0.5 / np.linalg.eigvalsh(G)[-1]
    found = set()
    for share in (0.9, 0.6, 0.4, 0.3, 0.2, 0.1, 1e-2):
        k = poster_descent.steps_to(G, r, eta, share)
        norms = [np.sum((np.linalg.matrix_power(np.eye(4) - eta * G, t) @ r) ** 2) for t in (k - 1, k)]
        assert norms[1] <= share * r @ r < norms[0]
        found.add(k)
    assert len(found) > 4
    # every step halves the residual: the third reaches a 64th of its square, and no step is needed for no residual
    assert poster_descent.steps_to(np.eye(2), r[:2], 0.5, 1 / 64) == 3
    assert poster_descent.steps_to(np.eye(2), np.zeros(2), 0.5, 0.1) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: poster_descent.steps_to(np.eye(2), np.ones(2), 3.0, 0.1), "step_size must be below 2/λ_max"),
        (lambda: poster_descent.steps_to(np.eye(2), np.ones(2), 0.1, 1.0), "share must be a number between 0 and 1"),
        (lambda: poster_descent.steps_to(np.ones((2, 2)), np.ones(2), 0.1, 0.5), "λ_min"),
        (
            lambda: poster_descent.convergence(
                NET, mgd.gradient_descent(*problem(NET, 3, 1).everything, 0.1, 1), np.ones(3), np.eye(3)
            ),
            "run must be of the poster's risk, normalisation='mean', got 'sum'",
        ),
        (lambda: poster_descent.steps_to(np.eye(2), np.ones(2), 0.1, 0.0), "share must be a number between 0 and 1"),
        (lambda: poster_descent.convergence(WIDE, mean_run(WIDE, CORNERS, 1.0, 0), Y, np.eye(2)), "below 1/λ_0 = 1"),
        (
            lambda: poster_descent.convergence(WIDE, mean_run(WIDE, CORNERS, 0.7, 0), Y, 2 * np.eye(2)),
            "below 1/λ_0 = 0.5, got 0.7",
        ),
    ],
)
def test_a_wrong_argument_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
