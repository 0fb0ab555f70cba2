"""The budgets of a step: I_2 and the second-order term, within what the lemmas allow and beyond it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from test_theory_initial import CORNERS
from test_theory_training import (
    CONV,
    FC,
    NETS,
    RESNET,
    SIGNS,
    bounds_by_hand,
    labels,
    nets,
    one_step,
    random_start,
    samples,
)

import minimal_gd as mgd
from minimal_gd.testing.references import jacobians
from minimal_gd.testing.strategies import seeds, sizes
from minimal_gd.theory import constants, dynamics, perturbation, premises, second_order, training
from minimal_gd.theory.constants import InitialConstants, OpenConstants


def check_change(net, step_size=1e-4, smallest=0.3):
    """Compare with the Jacobians by the complex step: I_2 = Δu - η JJᵀ(y - u)."""
    step = one_step(net, step_size)
    comparison = second_order.change(step, smallest)
    G = sum(J @ J.T for J in jacobians(net, step.before, step.X))
    residual = step.y - net.predict(step.before, step.X)
    I_2 = net.predict(step.after, step.X) + residual - step.y - step_size * G @ residual
    assert comparison.holds
    # I_2 is of size η², next to predictions that are rounded by some 1e-15
    np.testing.assert_allclose(comparison.left, np.linalg.norm(I_2), rtol=1e-4)
    np.testing.assert_allclose(comparison.right, step_size * smallest * np.linalg.norm(residual) / 8, rtol=1e-10)
    true, n = constants.measured(net, step.before, step.X), len(step.y)
    asked = second_order.asked_step_size(net, true, n, smallest, 3)
    enough = smallest / (4 * n**1.5 * second_order.curvature_bound(net, true) * np.linalg.norm(residual))
    np.testing.assert_allclose([premise.right for premise in comparison.premises[-2:]], [asked, enough], rtol=1e-10)


def test_lemma_b_6():
    check_change(FC)


def test_lemma_c_6():
    check_change(RESNET)


def test_lemma_d_6():
    check_change(CONV)


def check_term(net, smallest=0.01, step_size=1e-12):
    """Labels far away, so that so short a step still shows: the premises do not depend on them."""
    X = samples(net)
    step = dynamics.descent_step(net, net.init(4), X, 1e5 * SIGNS[: len(X)], step_size)
    comparison = second_order.term(step, smallest)
    assert comparison.verdict == "holds"
    change = net.predict(step.after, X) - net.predict(step.before, X)
    residual = step.y - net.predict(step.before, X)
    # a change of some 1e-7, next to predictions that are rounded by some 1e-15
    np.testing.assert_allclose(comparison.left, change @ change, rtol=1e-6)
    np.testing.assert_allclose(comparison.right, step_size * smallest * residual @ residual / 8, rtol=1e-10)
    true, n = constants.measured(net, step.before, X), len(X)
    asked = second_order.asked_step_size(net, true, n, smallest, 2)
    enough = smallest / (8 * n**2 * sum(b**2 for b in bounds_by_hand(net, true)) ** 2)
    np.testing.assert_allclose([premise.right for premise in comparison.premises[-2:]], [asked, enough], rtol=1e-10)


def test_lemma_b_7():
    check_term(FC)


def test_lemma_c_7():
    check_term(RESNET)


def test_lemma_d_7():
    check_term(CONV)


# ------------------------------------------------------------------ always


@given(nets, sizes, seeds, st.floats(-8, 0))
def test_steps_and_changes_are_within_their_bounds(net, n, seed, exponent):
    start, X, y = random_start(net, n, seed)
    eta, true = 10**exponent, constants.measured(net, start, X)
    step = dynamics.descent_step(net, start, X, y, eta)
    if perturbation.radius(start, step.after) > training.doubling_radius(net, true):
        return
    norm, rounding = np.linalg.norm(step.residual), 1e-13 * (1 + np.abs(step.u).max())
    squares = np.sum(training.gradient_bounds(net, true) ** 2)
    assert np.linalg.norm(step.change) <= eta * n * squares * norm + rounding
    curvature = second_order.curvature_bound(net, true)
    assert np.linalg.norm(step.I_2) <= 0.5 * eta**2 * n**1.5 * curvature * norm**2 + rounding


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_both_budgets_are_promised_and_kept_for_tiny_steps_near_the_labels(net):
    params = net.init(4)
    X, y = samples(net), labels(net, params, 1e-3)
    true = constants.measured(net, params, X)
    enough = 0.01 / (4 * len(X) ** 1.5 * second_order.curvature_bound(net, true) * 1e-3)
    step = dynamics.descent_step(net, params, X, y, 0.9 * enough)
    many = OpenConstants(step=1e9)
    assert second_order.change(step, 0.01, open_constants=many).verdict == "holds"
    longer = dynamics.descent_step(net, params, X, y, 1.1 * enough)
    assert not second_order.change(longer, 0.01, open_constants=many).is_promised


# ------------------------------------------------------------------ where they fail


@pytest.mark.parametrize("statement", [second_order.change, second_order.term], ids=["change", "term"])
def test_lemmas_b_6_and_b_7_fail_for_a_long_step(statement):
    comparison = statement(one_step(FC, 2.0), 0.4)
    assert not comparison.holds
    assert comparison.verdict == "fails, 3 of 5 premises unmet"


def test_the_recalled_step_size_of_a_residual_net_breaks_the_budget_of_lemma_c_7_at_depth():
    """η = cλH²/n² with a c that serves H = 2: ‖Δu‖² outgrows ηλ‖y - u‖²/8 as H², though training goes on."""
    ratios = []
    for depth in (2, 4, 8, 16):
        net = mgd.ResNet(3, 80, depth, "sincos")
        smallest = premises.limiting_gram(net, CORNERS)[1]
        # labels far from the predictions: the direction of the residual is the same at every depth
        step = dynamics.descent_step(net, net.init(0), CORNERS, 100 * SIGNS, 0.05 * smallest * depth**2 / 9)
        comparison = second_order.term(step, smallest, open_constants=OpenConstants(step=0.0501))
        assert comparison.premises[3].holds  # the step size as recalled
        assert not comparison.premises[4].holds  # the derived one
        ratios.append(comparison.factor)
        assert np.sum((step.y - step.u_next) ** 2) < step.residual @ step.residual
    assert ratios[0] < 1 < ratios[-1]
    slope = np.polyfit(np.log([2, 4, 8, 16]), np.log(ratios), 1)[0]
    # ηλ falls as 1/H² at constant η; without that effect the slope would be 0
    assert 1.7 < slope < 2.3


# ------------------------------------------------------------------ what is asked, and how it scales


def test_the_step_sizes_asked_are_the_recalled_ones():
    given = InitialConstants(2.0, 1.0, 1.0, 1.0)
    c_x, net = 2 * math.sqrt(2) * 2, mgd.FullyConnected(3, 12, 3, "sincos")
    for power in (2, 3):
        expected = 0.3 * 0.1 / (25 * 9 * c_x ** (3 * power) * (1 + 2 * c_x + 4 * c_x**2))
        asked = second_order.asked_step_size(net, given, 5, 0.1, power, OpenConstants(step=0.3))
        assert asked == pytest.approx(expected)
        # c_x is 1 at least
        small = InitialConstants(0.1, 1.0, 1.0, 1.0)
        assert second_order.asked_step_size(net, small, 5, 0.1, power) == pytest.approx(0.1 / (25 * 9 * 7))
        assert second_order.asked_step_size(RESNET, given, 5, 0.1, power) == pytest.approx(0.1 * 9 / 25)
        asked = second_order.asked_step_size(CONV, given, 5, 0.1, power, OpenConstants(power=2))
        assert asked == pytest.approx(0.1 * 4 / 25 / 9)


def test_the_curvature_bound_of_one_layer():
    # H = 1: ż = V x, so √m‖ẍ‖ ≤ √c_σ β ‖ż‖², and ü = 2 ȧᵀẋ + aᵀẍ
    net, given = mgd.FullyConnected(3, 25, 1, "sincos"), InitialConstants(2.0, 1.5, 1.2, 1.0)
    b, output = bounds_by_hand(net, given)
    z = 2 * 1.5 * b
    expected = 2 * output * math.sqrt(2) * z / 5 + 2 * 1.2 * math.sqrt(2) * z**2
    assert second_order.curvature_bound(net, given) == pytest.approx(expected)


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_the_curvature_bound_is_the_curvature_of_a_net_of_one_unit_that_meets_every_bound(net):
    """All of size 2 c_x0, 2 c_w0 √m and 2 a_20 √m, moving at the speeds b_h; σ goes up by L t + β t²/2."""
    given, root = InitialConstants(0.7, 1.5, 1.2, 1.0), math.sqrt(net.width)
    L, beta = net.activation.lipschitz, net.activation.smoothness
    *speeds, output = bounds_by_hand(net, given)
    x = Polynomial([2 * given.c_x0])
    for h, b in enumerate(speeds, start=1):
        skip, scale = net.limit_layer(h)
        z = math.sqrt(3 if net is CONV else 1) * Polynomial([2 * given.c_w0 * root, b]) * x
        t = z - z(0)
        change = scale / root * (L * t + beta * t**2 / 2)
        x = 2 * given.c_x0 + skip * (x - x(0)) + change
    u = Polynomial([2 * given.a_20 * root, output]) * x
    assert second_order.curvature_bound(net, given) == pytest.approx(u.deriv(2)(0))


def test_i_2_relative_to_the_residual_falls_with_the_width():
    widths = [32, 64, 128, 256]

    def relative(m, seed):
        net = mgd.FullyConnected(3, m, 1, "sincos")
        step = dynamics.descent_step(net, net.init(seed), CORNERS, SIGNS, 1e-3)
        return np.linalg.norm(step.I_2) / (step.residual @ step.residual)

    values = [np.mean([np.log(relative(m, seed)) for seed in range(60)]) for m in widths]
    slope = np.polyfit(np.log(widths), values, 1)[0]
    # u″ sums m terms a_r³ ⋯ of mean 0, over m^(3/2): 1/m in all. The proof uses 1/√m, which would be 0.5 away.
    assert -1.25 < slope < -0.75


def test_inputs_that_are_no_unit_vectors_are_reported():
    step = dynamics.descent_step(FC, FC.init(0), 2 * CORNERS, SIGNS, 1e-3)
    for statement, words in ((second_order.change, "Lemma B.6"), (second_order.term, "Lemma B.7")):
        with pytest.warns(UserWarning, match=f"{words} asks for unit inputs"):
            assert not statement(step, 0.1).premises[0].holds


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: second_order.change(one_step(FC, 1e-3), 0.0), "smallest must be a finite number > 0"),
        (lambda: second_order.term(one_step(FC, 1e-3), -1.0), "smallest must be a finite number > 0"),
        (lambda: second_order.change(one_step(mgd.FullyConnected(3, 4, 1, "relu"), 1e-3), 0.1), "finite smoothness"),
    ],
)
def test_a_wrong_argument_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
