"""What follows from a right gradient, and the judges of it; test_architectures.py holds the gradients against them."""

from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, example, given
from profiles import at_most

import minimal_gd as mgd
from minimal_gd.gradcheck import (
    CENTRAL_STEP,
    central_difference,
    complex_step,
    gradient_by,
    inner_product,
    random_direction,
    relative_error,
)
from minimal_gd.testing.strategies import networks, problem, problems

EPSILON = np.finfo(float).eps


@given(problems(networks()))
@example(problem(mgd.FullyConnected(1, 1, 4, "square"), 1, 3, 3.0))  # a gradient of 1e20 and more
def test_gradient_descends(case):
    """L falls along -∂L/∂θ for a step small enough, unless the gradient vanishes."""
    gradient = case.net.gradient(case.params, case.X, case.y)
    square = inner_product(gradient, gradient)
    assume(square > 1e-6)
    first = case.net.loss(case.params, case.X, case.y)
    t = first / square  # to first order, this step takes all of the loss
    for _ in range(40):
        moved = mgd.Parameters(
            tuple(W - t * G for W, G in zip(case.params.W, gradient.W, strict=True)), case.params.a - t * gradient.a
        )
        with suppress(ValueError):  # a long step may leave a deep network of squares far behind: its loss overflows
            if case.net.loss(moved, case.X, case.y) < first:
                return
        t /= 2
    pytest.fail(f"no step along the gradient lowers the loss of {case.net}")


def test_central_differences_err_by_about_epsilon_to_the_two_thirds():
    case = problem(mgd.FullyConnected(5, 6, 3), n=4, seed=1)
    exact = case.net.gradient(case.params, case.X, case.y)
    best = relative_error(gradient_by(central_difference, *case.everything), exact)
    assert 1e-13 < best < 1e-8
    assert pytest.approx(np.finfo(float).eps ** (1 / 3)) == CENTRAL_STEP
    # twice the step, four times the error, where truncation rules
    errors = [relative_error(gradient_by(central_difference, *case.everything, step=t), exact) for t in (2e-3, 1e-3)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.01)


def test_the_complex_step_is_right_to_rounding_whatever_the_step():
    case = problem(mgd.FullyConnected(5, 6, 3), n=4, seed=1)
    exact = case.net.gradient(case.params, case.X, case.y)
    for options in ({}, {"step": 1e-30}, {"step": 1e-12}):
        assert relative_error(gradient_by(complex_step, *case.everything, **options), exact) < 1e-13


def test_the_complex_step_refuses_relu():
    case = problem(mgd.TwoLayerReLU(3, 4), n=2, seed=0)
    with pytest.raises(ValueError, match="net must have an analytic activation"):
        complex_step(*case.everything, case.params)


def test_the_fixed_output_layer_has_no_gradient_and_is_not_perturbed():
    case = problem(mgd.TwoLayerReLU(3, 4), n=2, seed=0)
    assert not case.net.gradient(case.params, case.X, case.y).a.any()
    assert not gradient_by(central_difference, *case.everything).a.any()
    trained = problem(mgd.TwoLayerReLU(3, 4, train_output=True), n=2, seed=0)
    assert trained.net.gradient(trained.params, trained.X, trained.y).a.any()


@at_most(20)
@given(problems(networks()))
def test_relative_error_is_that_of_all_layers_together(case):
    p = case.params
    assert relative_error(p, p) == 0
    assert relative_error(p.map(lambda array: 1.5 * array), p) == pytest.approx(0.5)
    assert relative_error(p, p.map(np.zeros_like)) == pytest.approx(inner_product(p, p) ** 0.5)
    assert inner_product(p, p) == pytest.approx(sum(np.sum(array**2) for array in (*p.W, p.a)))
    for size in (1e-200, 1e-3, 1e200):
        small = p.map(partial(np.multiply, size))
        assert relative_error(small.map(lambda array: 1.5 * array), small) == pytest.approx(0.5)


def test_parameters_that_do_not_belong_together_are_refused():
    p, deeper = mgd.FullyConnected(3, 4, 2).init(0), mgd.FullyConnected(3, 4, 3).init(0)
    wider = mgd.Parameters(p.W, np.zeros(5))
    for function, first, second in ((inner_product, "first", "second"), (relative_error, "approximate", "exact")):
        with pytest.raises(TypeError, match=f"^{first} must be Parameters, got int 3"):
            function(3, p)
        with pytest.raises(TypeError, match=f"^{second} must be Parameters, got tuple"):
            function(p, (1, 2))
        with pytest.raises(ValueError, match=rf"^{first}\.W must hold 3 arrays as {second}\.W, got 2"):
            function(p, deeper)
        with pytest.raises(ValueError, match=rf"^{first}\.a must have shape \(5,\) \(as in {second}\)"):
            function(p, wider)
        with pytest.raises(ValueError, match=rf"^{second}\.a must be finite"):
            function(p, mgd.Parameters(p.W, np.full(4, np.nan)))


def test_a_random_direction_is_standard_normal_and_shaped_as_the_parameters():
    params = mgd.ResNet(30, 50, 3).init(0)
    direction = random_direction(params, 5)
    assert [V.shape for V in (*direction.W, direction.a)] == [W.shape for W in (*params.W, params.a)]
    entries = np.concatenate([V.ravel() for V in (*direction.W, direction.a)])
    assert abs(entries.mean()) < 6 / np.sqrt(entries.size)  # six standard deviations
    assert abs((entries**2).mean() - 1) < 6 * np.sqrt(2 / entries.size)
    assert abs((entries**4).mean() - 3) < 6 * np.sqrt(96 / entries.size)  # signs alone have 1
    np.testing.assert_array_equal(direction.a, random_direction(params, np.random.default_rng(5)).a)
    with pytest.raises(TypeError, match="params must be Parameters, got int 3"):
        random_direction(3, 0)


def test_what_is_no_derivative_or_no_network_is_refused():
    case = problem(mgd.FullyConnected(3, 4, 2), n=2, seed=0)
    with pytest.raises(TypeError, match="derivative must be central_difference or complex_step, got str"):
        gradient_by("central_difference", *case.everything)
    for derivative in (central_difference, complex_step):
        with pytest.raises(TypeError, match="net must be a Network, got int 3"):
            derivative(3, case.params, case.X, case.y, case.params)


# ---------------------------------------------------------------------- steps that are too small


def at_one(train_output):
    """A network whose weights are all 1, so that a step of less than ε is rounded."""
    case = problem(mgd.TwoLayerReLU(3, 4, train_output=train_output), n=2, seed=0)
    return case.with_params(case.params.map(np.ones_like))


@pytest.mark.parametrize("layer", ["W", "a"])
def test_a_step_must_leave_half_of_itself_after_rounding_in_every_layer(layer):
    case = at_one(train_output=True)
    zero = case.params.map(np.zeros_like)
    V = (zero.W[0] if layer == "W" else zero.a).reshape(-1)
    V[0], V[1], step = 4, 2, EPSILON / 4  # 1 + 4 t is exact, and 1 + 2 t rounds to 1: half of the largest is lost
    assert np.isfinite(central_difference(*case.everything, zero, step=step))
    place = r"params\.W\[0\]" if layer == "W" else r"params\.a"
    with pytest.raises(ValueError, match=rf"^step must be large enough to change {place}, whose entries reach 1, got"):
        central_difference(*case.everything, zero, step=step / 2)


def test_a_step_need_not_change_an_output_layer_that_is_held_fixed():
    case = at_one(train_output=False)
    params = mgd.Parameters(case.params.W, 1e20 * case.params.a)
    arguments = case.net, params, case.X, case.y, case.params
    assert np.isfinite(central_difference(*arguments))
    with pytest.raises(ValueError, match=r"^step must be large enough to change params\.a"):
        central_difference(at_one(train_output=True).net, *arguments[1:])
