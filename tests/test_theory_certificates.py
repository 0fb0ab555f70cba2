"""The certificates of the proof, step by step of a real run, against Jacobians by the complex step."""

import numpy as np
import pytest
from test_theory_theorems import CORNERS, S_1, Y, certified, small_run, too_narrow

import minimal_gd as mgd
from minimal_gd.testing.references import jacobians
from minimal_gd.theory import certificates
from minimal_gd.theory.constants import OpenConstants


def check_closeness(comparison, left, right):
    np.testing.assert_allclose(comparison.left, left, rtol=1e-7)
    np.testing.assert_allclose(comparison.right, right, rtol=1e-10)


def tiny_run(steps=3):
    """A net small enough for the Jacobians at every step, and its G^(H)(k) and ΣG^(h)(k) from them."""
    net = mgd.ResNet(2, 6, 2, "sincos")
    grams, sums, params = [], [], net.init(0)
    run = certificates.observed_descent(net, params, CORNERS, Y, 0.1, steps)
    for k in range(steps + 1):
        theta = mgd.gradient_descent(net, params, CORNERS, Y, 0.1, k).params
        J = jacobians(net, theta, CORNERS)
        grams.append(J[1] @ J[1].T)
        sums.append(sum(j @ j.T for j in J))
    return net, run, np.array(grams), np.array(sums), 0.25**2 * S_1 * np.exp(S_1 - 1)


def test_closeness_at_the_start():
    net, run, grams, _, K_H = tiny_run()
    comparison = certificates.initial_gram(net, run, K_H)
    check_closeness(comparison, np.linalg.svd(grams[0] - K_H)[1][0], np.linalg.eigvalsh(K_H)[0] / 4)


def test_closeness_in_training():
    net, run, grams, _, K_H = tiny_run()
    comparison = certificates.stable_gram(net, run, K_H)
    left = [np.abs(np.linalg.eigvalsh(G - grams[0])).max() for G in grams[1:]]
    check_closeness(comparison, left, np.linalg.eigvalsh(K_H)[0] / 4)


def test_positive_gram_matrix():
    net, run, grams, _, K_H = tiny_run()
    comparison = certificates.positive_gram(net, run, K_H)
    check_closeness(comparison, [np.linalg.eigvalsh(G)[0] for G in grams], np.linalg.eigvalsh(K_H)[0] / 2)


def test_closeness_is_promised_for_the_widths_and_steps_of_the_theorem():
    net, run, _, _, K_H = tiny_run()
    opened, n, ratio = OpenConstants(width=1e-6, step=50.0), 2, 2 / np.linalg.eigvalsh(K_H)[0]
    initial = certificates.initial_gram(net, run, K_H, opened)
    stable = certificates.stable_gram(net, run, K_H, opened)
    np.testing.assert_allclose(initial.premises[0].right, 1e-6 * ratio**2 * np.log(2 * n / 0.1))
    np.testing.assert_allclose(stable.premises[0].right, 1e-6 * max(ratio**4 / 64, ratio**2 / 4))
    np.testing.assert_allclose(stable.premises[1].right, 50 / ratio * 4 / n)
    assert all(premise.holds for premise in (*initial.premises, *stable.premises))
    assert not certificates.initial_gram(net, run, K_H).is_promised
    assert not certificates.stable_gram(net, run, K_H).is_promised


def test_the_budgets_are_those_of_each_step():
    net, run, _, sums, _ = tiny_run()
    I_2, second_order = certificates.budgets(net, run, Y, 0.3)
    for k in range(3):
        residual, change = Y - run.predictions[k], run.predictions[k + 1] - run.predictions[k]
        norm = np.linalg.norm(residual)
        np.testing.assert_allclose(I_2.left[k], np.linalg.norm(change - 0.1 * sums[k] @ residual), rtol=1e-8)
        np.testing.assert_allclose(second_order.left[k], change @ change, rtol=1e-10)
        np.testing.assert_allclose(I_2.right[k], 0.1 * 0.3 * norm / 8, rtol=1e-10)
        np.testing.assert_allclose(second_order.right[k], 0.1 * 0.3 * norm**2 / 8, rtol=1e-10)


def test_certificates_may_be_observed_now_and_then():
    net, run, _, _, K_H = tiny_run()
    sparse = certificates.observed_descent(net, net.init(0), CORNERS, Y, 0.1, 3, observe_every=2)
    some, every = (certificates.of_run(net, r, Y, K_H) for r in (sparse, run))
    np.testing.assert_array_equal(some[2].left, every[2].left[[0, 2]])
    np.testing.assert_array_equal(some[3].left, every[3].left[[0, 2]])


def test_an_observed_run_keeps_all_that_the_certificates_and_the_drift_need():
    _, run, _, _, _ = tiny_run(steps=2)
    assert run.predictions.shape == (3, 2)
    assert run.distances.shape == (3, 3)
    assert np.shape(run.observed) == (3, 3, 2, 2)


@pytest.mark.parametrize("steps", [0, 3])
def test_the_gram_matrices_of_the_mean_loss_are_over_n(steps):
    net = mgd.ResNet(2, 6, 2, "sincos")
    sums, means = (
        certificates.observed_descent(net, net.init(0), CORNERS, Y, size, steps, normalisation=normalisation)
        for size, normalisation in ((0.1, "sum"), (0.2, "mean"))  # the same descent, as n = 2
    )
    expected = np.sum(sums.observed, axis=1)
    np.testing.assert_allclose(certificates.summed_grams(net, sums), expected, rtol=1e-12)
    np.testing.assert_allclose(certificates.summed_grams(net, means), expected / 2, rtol=1e-12)


def test_a_fixed_output_layer_is_left_out_of_the_sum():
    net = mgd.TwoLayerReLU(2, 8)
    run = certificates.observed_descent(net, net.init(0), CORNERS, Y, 0.1, 2)
    np.testing.assert_array_equal(certificates.summed_grams(net, run), np.array(run.observed)[:, 0])


@pytest.mark.parametrize("which", range(3), ids=["initial", "stable", "positive"])
def test_the_certificates_of_the_gram_matrix_fail_for_one_unit(which):
    net, run, _, y, K_H = too_narrow()
    assert not certificates.of_run(net, run, y, K_H)[which].holds


@pytest.mark.parametrize("which", range(2), ids=["I_2", "second_order"])
def test_the_budgets_fail_for_a_long_step(which):
    net = mgd.ResNet(2, 6, 2, "sincos")
    assert not certificates.budgets(net, certified(net, CORNERS, 2.0, 1), Y, 0.05)[which].holds


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: certificates.of_run(*small_run(), Y, np.eye(2)), "run must hold predictions"),
        (lambda: certificates.of_run(*small_run(), Y, np.ones((2, 2))), "λ_min"),
        (lambda: certificates.summed_grams(*small_run(predictions=True)), "run must hold observed"),
        (lambda: certificates.positive_gram(*small_run(), np.eye(2)), "run must hold observed"),
        (
            lambda: certificates.require_loss(small_run()[1], "mean"),
            "run must be of the poster's risk, normalisation='mean', got 'sum'",
        ),
        (
            lambda: certificates.of_run(*small_run(normalisation="mean"), Y, np.eye(2)),
            "run must be of the paper's loss, normalisation='sum', got 'mean'",
        ),
    ],
)
def test_a_run_that_cannot_be_certified_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
