"""The hand-derived gradients against the complex step, central differences, and themselves."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from references import preactivations
from strategies import ANALYTIC, Problem, networks, problem, problems

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


def size_of_the_sum(case: Problem) -> float:
    """Σ_i |u_i - y_i| ‖∂u_i/∂θ‖: what rounding errors of ∂L/∂θ scale with, however much the sum cancels."""
    norms = np.sqrt(np.einsum("hii->i", mgd.gram.empirical(case.net, case.params, case.X)))
    return float(np.abs(case.net.predict(case.params, case.X) - case.y) @ norms) + 1e-300


def assert_gradient(case: Problem, expected: mgd.Parameters, tolerance: float) -> None:
    """Compare layer by layer, and name the first layer that is wrong."""
    gradient = case.net.gradient(case.params, case.X, case.y)
    for h, (ours, theirs) in enumerate(zip((*gradient.W, gradient.a), (*expected.W, expected.a), strict=True), 1):
        distance = np.linalg.norm(ours - theirs)
        layer = f"W^({h})" if h <= case.net.depth else "a"
        sizes = f"{np.linalg.norm(ours):.3e} by hand, {np.linalg.norm(theirs):.3e} expected"
        assert distance <= tolerance, f"{case.net}: ∂L/∂{layer} is off by {distance:.3e} ({sizes})"


@given(problems(networks(ANALYTIC)))
def test_gradient_agrees_with_the_complex_step(case):
    # Both sides round at every operation, some hundred of them in a row: 1e-12 is 5000 ε.
    assert_gradient(case, gradient_by(complex_step, *case.everything), 1e-12 * size_of_the_sum(case))


@given(problems(networks()))
def test_gradient_agrees_with_central_differences(case):
    assume(case.net.activation.name != "relu" or farthest_from_kinks(case) > 1e-3)
    residual = np.abs(case.net.predict(case.params, case.X) - case.y)
    # Truncation t² times a third derivative, rounding ε L/t: t = ε^(1/3) makes both about ε^(2/3) = 4e-11 times sizes
    # that the depth, norms up to 3 and third derivatives can make some 10⁴ larger.
    scale = size_of_the_sum(case) + float(residual @ residual) + derivative_scale(case)
    assert_gradient(case, gradient_by(central_difference, *case.everything), 1e-6 * scale)


def farthest_from_kinks(case: Problem) -> float:
    """The smallest |z|: no step of CENTRAL_STEP reaches a kink from there."""
    return min(np.abs(z).min() for z in preactivations(case.net, case.params, case.X))


def derivative_scale(case: Problem) -> float:
    """Σ_i ‖∂u_i/∂θ‖², the second derivative of the loss where u is linear."""
    return float(np.einsum("hii->", mgd.gram.empirical(case.net, case.params, case.X)))


LARGE = [
    mgd.FullyConnected(30, 256, 5, "softplus"),
    mgd.ResNet(30, 256, 5, "gelu", c_res=0.9),
    mgd.ConvResNet((3, 20), 48, 4, (5,), "sincos"),
    mgd.ConvResNet((2, 9, 7), 32, 3, (3, 5), "silu"),
]


@pytest.mark.parametrize("net", LARGE, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_gradient_of_a_large_network_is_right_along_random_directions(net, seed):
    case = problem(net, n=12, seed=seed)
    v = random_direction(case.params, seed)
    by_hand = inner_product(case.net.gradient(case.params, case.X, case.y), v)
    scale = size_of_the_sum(case) * inner_product(v, v) ** 0.5
    assert abs(by_hand - complex_step(*case.everything, v)) <= 1e-13 * scale
    assert abs(by_hand - central_difference(*case.everything, v, step=1e-6)) <= 1e-6 * scale


def test_a_sign_or_a_factor_in_one_layer_is_seen():
    """The comparison is sharp: a relative change of 1e-9 in any one layer fails it."""
    case = problem(mgd.ResNet(4, 5, 3), n=4, seed=0)
    exact = gradient_by(complex_step, *case.everything)
    for h in range(3):
        W = tuple(W * (1 + 1e-9 * (layer == h)) for layer, W in enumerate(exact.W))
        with pytest.raises(AssertionError, match=rf"W\^\({h + 1}\)"):
            assert_gradient(case, mgd.Parameters(W, exact.a), 1e-12 * size_of_the_sum(case))


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
        with np.errstate(over="ignore", invalid="ignore"):  # a long step may leave a deep network of squares far behind
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


@settings(max_examples=20)
@given(problems(networks()))
def test_relative_error_is_that_of_all_layers_together(case):
    p = case.params
    assert relative_error(p, p) == 0
    assert relative_error(p.map(lambda array: 1.5 * array), p) == pytest.approx(0.5)
    assert relative_error(p, p.map(np.zeros_like)) == pytest.approx(inner_product(p, p) ** 0.5)
    assert inner_product(p, p) == pytest.approx(sum(np.sum(array**2) for array in (*p.W, p.a)))
