"""What follows from a right gradient, and the judges of it; test_architectures.py holds the gradients against them."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, example, given
from strategies import at_most, networks, problem, problems

import minimal_gd as mgd
from minimal_gd.gradcheck import (
    CENTRAL_STEP,
    central_difference,
    complex_step,
    gradient_by,
    inner_product,
    relative_error,
)


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
