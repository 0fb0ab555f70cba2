"""Drift in training: the bounds hold where they are promised, and fail where their constants are false."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_theory_initial import CORNERS, ENDS
from test_theory_perturbation import SMOOTH
from test_theory_theorems import FAN

import minimal_gd as mgd
from minimal_gd.testing.strategies import conv_resnet, fully_connected, resnet, seeds, sizes
from minimal_gd.theory import constants, dynamics, premises, training
from minimal_gd.theory.constants import InitialConstants

FC = mgd.FullyConnected(3, 12, 2, "sincos")
RESNET = mgd.ResNet(3, 12, 3, "softplus", c_res=0.1)
CONV = mgd.ConvResNet((1, 3), 8, 2, (3,), "sincos", c_res=0.1)
NETS = [FC, RESNET, CONV]
SIGNS = np.array([1.0, -1.0, 0.5])
TOO_SMALL = InitialConstants(c_w0=0.01, c_x0=1.0, a_20=0.01, a_40=0.01)


def samples(net):
    return ENDS if net.positions > 1 else CORNERS


def labels(net, params, distance):
    """Targets at this distance from the first predictions."""
    u = net.predict(params, samples(net))
    direction = SIGNS[: len(u)] / np.linalg.norm(SIGNS[: len(u)])
    return u + distance * direction


def plain_drift(net, params, X, y, step_size, steps):
    """‖θ_h(s) - θ_h(0)‖ along a loop of plain steps, (steps + 1, H + 1)."""
    start, drift = params, []
    for _ in range(steps + 1):
        pairs = zip((*start.W, start.a), (*params.W, params.a), strict=True)
        drift.append([np.sqrt(np.sum((now - then) ** 2)) for then, now in pairs])
        gradient = net.gradient(params, X, y)
        W = tuple(W - step_size * D for W, D in zip(params.W, gradient.W, strict=True))
        params = mgd.Parameters(W, params.a - step_size * gradient.a)
    return np.array(drift)


def bounds_by_hand(net, true):
    """b_h, formula by formula."""
    L, c_sigma, H = net.activation.lipschitz, net.activation.c_sigma, net.depth
    base = 2 * true.a_20 * 2 * true.c_x0
    if isinstance(net, mgd.FullyConnected):
        s = math.sqrt(c_sigma) * L
        return [base * s * (2 * s * true.c_w0) ** (H - h) for h in range(1, H + 1)] + [2 * true.c_x0]
    stretch = math.sqrt(3 if net is CONV else 1) * L
    grown = base * stretch * math.exp(2 * net.c_res * true.c_w0 * stretch)
    return [math.sqrt(c_sigma) * grown] + [net.c_res / H * grown] * (H - 1) + [2 * true.c_x0]


def check_drift(net, distance=1e-6, step_size=0.05, steps=5):
    """Labels near the first predictions, so that the premises are met although the net is tiny."""
    X, params = samples(net), net.init(4)
    y, smallest = labels(net, params, distance), premises.limiting_gram(net, X)[1]
    run = mgd.gradient_descent(net, params, X, y, step_size, steps, distances=True)
    comparison = training.weight_drift(net, run, X, smallest)
    assert comparison.verdict == "holds"
    root = math.sqrt(net.width)
    np.testing.assert_allclose(comparison.left, plain_drift(net, params, X, y, step_size, steps) / root, rtol=1e-5)
    bounds = 4 * np.array(bounds_by_hand(net, constants.measured(net, params, X)))
    expected = bounds * math.sqrt(len(X)) * distance / (smallest * root)
    np.testing.assert_allclose(comparison.right, np.tile(expected, (steps + 1, 1)), rtol=1e-6)


def test_lemma_b_5():
    check_drift(FC)


def test_lemma_c_5():
    check_drift(RESNET)


def test_lemma_d_5():
    check_drift(CONV)


def one_step(net, step_size, seed=4):
    return dynamics.descent_step(net, net.init(seed), samples(net), SIGNS[: len(samples(net))], step_size)


def test_step_of_lemma_b_5():
    """Its label is "Step of Lemma B.5": one step of Lemma B.5, here of the ResNet and so of Lemma C.5."""
    step = dynamics.descent_step(RESNET, RESNET.init(4), CORNERS, SIGNS, 1e-4)
    comparison = training.weight_step(step)
    assert comparison.verdict == "holds"
    expected = plain_drift(RESNET, step.before, CORNERS, SIGNS, 1e-4, 1)[1]
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-9)
    bounds = np.array(bounds_by_hand(RESNET, constants.measured(RESNET, step.before, CORNERS)))
    residual = SIGNS - RESNET.predict(step.before, CORNERS)
    np.testing.assert_allclose(comparison.right, 1e-4 * bounds * math.sqrt(3 * residual @ residual), rtol=1e-10)


def test_averaged_frobenius_norm():
    """Averaged Frobenius norm."""
    params = FC.init(4)
    run = mgd.gradient_descent(FC, params, CORNERS, SIGNS, 0.02, 5, distances=True, predictions=True)
    comparison = training.averaged_drift(FC, run, 0.4, constant=2.0)
    assert comparison.holds
    drift = plain_drift(FC, params, CORNERS, SIGNS, 0.02, 5)[:, :2]
    np.testing.assert_allclose(comparison.left, drift / math.sqrt(12), rtol=1e-9)
    residual = np.linalg.norm(SIGNS - FC.predict(params, CORNERS))
    expected = 2 * math.sqrt(3) * residual / (0.4 * math.sqrt(12))
    np.testing.assert_allclose(comparison.right, np.full((6, 2), expected), rtol=1e-10)
    assert not training.averaged_drift(FC, run, 0.4, constant=1e-3).holds
    np.testing.assert_allclose(training.averaged_drift(FC, run, 0.4).right, np.full((6, 2), expected / 2), rtol=1e-10)


def test_before_the_first_step_nothing_has_drifted():
    options = {"distances": True, "predictions": True}
    run = mgd.gradient_descent(FC, FC.init(4), CORNERS, SIGNS, 0.02, 0, **options)
    for comparison in (training.averaged_drift(FC, run, 0.4), training.weight_drift(FC, run, CORNERS, 0.4)):
        assert comparison.holds
        np.testing.assert_array_equal(comparison.left, 0)


# ------------------------------------------------------------------ always


nets = st.one_of(fully_connected(SMOOTH), resnet(SMOOTH), conv_resnet(SMOOTH))


def random_start(net, n, seed):
    """Parameters, unit inputs and labels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, *net.input_shape))
    X /= np.linalg.norm(X.reshape(n, -1), axis=1).reshape(-1, *[1] * len(net.input_shape))
    return net.init(rng), X, rng.standard_normal(n)


@given(nets, sizes, seeds)
def test_gradients_and_steps_are_within_their_bounds(net, n, seed):
    start, X, y = random_start(net, n, seed)
    bounds = training.gradient_bounds(net, constants.measured(net, start, X))
    step = dynamics.descent_step(net, start, X, y, 0.1)
    assert np.all(np.sqrt(np.einsum("hii->hi", step.G)) <= bounds[:, None] * (1 + 1e-9))
    assert training.weight_step(step).verdict == "holds"


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_within_the_doubling_radius_nothing_more_than_doubles(net):
    start, X = net.init(2), samples(net)
    true = constants.measured(net, start, X)
    R = training.doubling_radius(net, true)
    rng = np.random.default_rng(0)

    def moved(array):
        direction = rng.standard_normal(array.shape)
        return array + R * math.sqrt(net.width) * direction / np.linalg.norm(direction)

    there = constants.measured(net, start.map(moved), X)
    assert there.c_w0 <= 2 * true.c_w0
    assert there.a_20 <= 2 * true.a_20
    assert constants.layer_norms(net, start.map(moved), X).max() <= 2 * true.c_x0


def test_the_doubling_radius_is_the_first_that_doubles_a_constant():
    # x^(2) moves by √c_σ L c_x0 (1 + c_x) R at most, c_σ = 1 and L = √2, c_x = 2 √2 c_w0
    steep = InitialConstants(c_w0=0.5, c_x0=3.0, a_20=0.4, a_40=1.0)
    assert training.doubling_radius(FC, steep) == pytest.approx(1 / (math.sqrt(2) * (1 + math.sqrt(2))))
    flat = mgd.Activation(lambda z: 0.01 * np.sin(z), lambda z: 0.01 * np.cos(z), lipschitz=0.01, smoothness=0.01)
    net = mgd.ResNet(3, 12, 3, flat)
    assert training.doubling_radius(net, InitialConstants(0.1, 100.0, 0.2, 1.0)) == 0.1
    assert training.doubling_radius(net, InitialConstants(0.2, 100.0, 0.1, 1.0)) == 0.1


# ------------------------------------------------------------------ where they fail


def test_lemma_b_5_fails_for_constants_that_are_not_true():
    params = FC.init(4)
    run = mgd.gradient_descent(FC, params, CORNERS, SIGNS, 0.02, 5, distances=True)
    comparison = training.weight_drift(FC, run, CORNERS, 0.4, TOO_SMALL)
    assert not comparison.holds
    assert [premise.holds for premise in comparison.premises] == [True, False, False, False, False, True, False]
    step = one_step(FC, 0.02)
    assert training.weight_step(step, given=TOO_SMALL).verdict == "fails, 4 of 6 premises unmet"


def test_lemma_b_5_promises_nothing_without_condition_a_1():
    net = mgd.FullyConnected(2, 1, 1, "tanh")  # one unit, which cannot fit these labels
    run = mgd.gradient_descent(net, net.init(0), FAN, np.array([1.0, -1.0, 1.0]), 0.1, 300, distances=True)
    assert not training.weight_drift(net, run, FAN, 0.2).premises[1].holds


def test_the_recalled_drift_of_a_residual_net_misses_the_layers_without_1_over_h():
    """Q′ as recalled has c_res/H in every layer: W^(1) and a move further; the derived one holds for all."""
    net = mgd.ResNet(3, 60, 8, "softplus", c_res=0.05)
    step = dynamics.descent_step(net, net.init(0), CORNERS, 10 * SIGNS, 1e-3)
    comparison = training.weight_step(step)
    true = constants.measured(net, step.before, CORNERS)
    printed = 4 * 0.05 / 8 * true.c_x0 * true.a_20 * math.exp(0.1 * true.c_w0)
    recalled = 1e-3 * printed * math.sqrt(3) * np.linalg.norm(step.residual)
    assert comparison.verdict == "holds"
    assert (comparison.left > recalled).tolist() == [True] + [False] * 7 + [True]


def test_the_averaged_drift_falls_with_the_root_of_the_width():
    widths = [32, 64, 128, 256]

    def drift(m, seed):
        net = mgd.FullyConnected(3, m, 1, "sincos")
        options = {"distances": True, "predictions": True}
        run = mgd.gradient_descent(net, net.init(seed), CORNERS, SIGNS, 0.05, 30, **options)
        return training.averaged_drift(net, run, 1.0).left[-1, 0] / np.sqrt(run.loss[0])

    values = [np.mean([np.log(drift(m, seed)) for seed in range(40)]) for m in widths]
    # ‖W - W(0)‖_F itself tends to a constant; a mean over 40 seeds leaves the slope some 0.03
    assert -0.65 < np.polyfit(np.log(widths), values, 1)[0] < -0.4


def test_inputs_that_are_no_unit_vectors_are_reported():
    step = dynamics.descent_step(FC, FC.init(0), 2 * CORNERS, SIGNS, 1e-3)
    with pytest.warns(UserWarning, match="Lemma B.5 asks for unit inputs"):
        assert not training.weight_step(step).premises[0].holds
    run = mgd.gradient_descent(RESNET, RESNET.init(0), 2 * CORNERS, SIGNS, 1e-3, 1, distances=True)
    with pytest.warns(UserWarning, match="Lemma C.5 asks for unit inputs"):
        assert not training.weight_drift(RESNET, run, 2 * CORNERS, 0.4).premises[0].holds


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda run: training.weight_drift(FC, run, CORNERS, 0.4), ValueError, "run must hold distances"),
        (lambda run: training.averaged_drift(FC, run, 0.4), ValueError, "run must hold distances"),
        (
            lambda run: training.weight_drift(FC, replace(run, distances=np.zeros((2, 3))), CORNERS, 0.4),
            ValueError,
            "run must hold start",
        ),
        (lambda run: training.averaged_drift(FC, run, 0.0), ValueError, "run must hold distances"),
        (
            lambda run: training.gradient_bounds(mgd.FullyConnected(3, 4, 1, "square"), TOO_SMALL),
            ValueError,
            "finite lipschitz",
        ),
        (lambda run: InitialConstants(1.0, 1.0, 0.0, 1.0), ValueError, "a_20 must be a finite number > 0"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    run = mgd.gradient_descent(FC, FC.init(0), CORNERS, SIGNS, 0.01, 1)
    with pytest.raises(error, match=words):
        call(run)
