"""One step of descent seen from the predictions: identities to rounding, and where the budget is kept or not."""

from dataclasses import replace

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.testing.references import jacobians
from minimal_gd.testing.strategies import problem
from minimal_gd.theory import dynamics

NETS = [
    mgd.FullyConnected(3, 5, 2, "softplus"),
    mgd.ResNet(3, 5, 3, "tanh"),
    mgd.ConvResNet((1, 3), 3, 2, (3,), "sincos"),
]


class FixedOutput(mgd.ResNet):
    """A deep network of which `a` is not trained."""

    train_output = False


def one_step(net=NETS[1], step_size=0.05, n=4, seed=1):
    return dynamics.descent_step(*problem(net, n, seed).everything, step_size)


def full_gram(step):
    """Every G^(h), from the complex-step Jacobians: no backward pass."""
    return [J @ J.T for J in jacobians(step.net, step.before, step.X)]


def losses(step):
    """‖y - u‖² before and after, by `net.loss`."""
    return [2 * step.net.loss(params, step.X, step.y) for params in (step.before, step.after)]


def test_loss_step():
    step = one_step()
    comparison = dynamics.loss_step(step)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, losses(step)[1], rtol=1e-12)
    np.testing.assert_allclose(comparison.right, losses(step)[1], rtol=1e-12)


def test_i_1():
    step = one_step()
    comparison = dynamics.first_order_change(step)
    expected = -0.05 * sum(full_gram(step)) @ (step.u - step.y)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-10)
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-10)


def test_i_2():
    step = one_step()
    comparison = dynamics.second_order_change(step)
    expected = step.u_next - step.u + 0.05 * sum(full_gram(step)) @ (step.u - step.y)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-9)
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-9)


def test_gram_order():
    step = one_step(n=3)
    G = full_gram(step)
    comparison = dynamics.gram_order(step)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, np.linalg.eigvalsh(sum(G))[0], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, np.linalg.eigvalsh(G[step.net.depth - 1])[0], rtol=1e-9)


def test_descent_inequality():
    step = one_step(n=3)
    G = full_gram(step)
    r = step.y - step.u
    I_2 = step.u_next - step.u - 0.05 * sum(G) @ r
    smallest = np.linalg.eigvalsh(G[step.net.depth - 1])[0]
    comparison = dynamics.descent_inequality(step)
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, losses(step)[1], rtol=1e-12)
    expected = (1 - 0.1 * smallest) * losses(step)[0] - 2 * r @ I_2 + np.sum((step.u_next - step.u) ** 2)
    np.testing.assert_allclose(comparison.right, expected, rtol=1e-10)


def test_budget():
    step = one_step(mgd.FullyConnected(6, 2000, 1, "sincos"), step_size=1e-3, n=2)
    smallest = np.linalg.eigvalsh(full_gram_of_first_layer(step))[0]
    comparison = dynamics.one_step_rate(step, smallest)
    assert comparison.is_promised
    assert comparison.holds
    before, after = losses(step)
    np.testing.assert_allclose(comparison.left, after, rtol=1e-12)
    np.testing.assert_allclose(comparison.right, (1 - 1e-3 * smallest / 2) * before, rtol=1e-12)


def full_gram_of_first_layer(step):
    return mgd.gram.empirical(step.net, step.before, step.X)[0]


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_the_identities_hold_for_every_architecture(net):
    step = one_step(net)
    for identity in (dynamics.loss_step, dynamics.first_order_change, dynamics.second_order_change):
        assert identity(step).holds
    assert dynamics.gram_order(step).holds
    assert dynamics.descent_inequality(step).holds


def test_the_output_layer_counts_only_where_it_is_trained():
    for train_output in (False, True):
        step = one_step(mgd.TwoLayerReLU(3, 40, train_output=train_output))
        assert dynamics.first_order_change(step).holds


def test_a_long_step_breaks_the_budget_and_the_rate():
    step = one_step(step_size=20.0)
    comparison = dynamics.one_step_rate(step, 0.1)
    assert not comparison.is_promised
    assert not comparison.holds
    assert [premise.holds for premise in comparison.premises][1:] == [False, False]
    assert comparison.verdict.startswith("fails, ")


def test_i_2_falls_with_the_square_of_the_step_size():
    norms = [np.linalg.norm(one_step(step_size=eta).I_2) for eta in (1e-3, 2e-3)]
    # I_2 = η²/2 ⟨L′, u″ L′⟩ + O(η³)
    assert 3.9 < norms[1] / norms[0] < 4.1


def test_what_may_be_spent():
    step, smallest = one_step(n=3), 0.3
    gram, I_2, second_order = dynamics.budget(step, smallest)
    G = full_gram(step)
    residual, change = step.y - step.u, step.u_next - step.u
    norm = np.sqrt(residual @ residual)
    np.testing.assert_allclose(gram.left, np.linalg.eigvalsh(G[2])[0], rtol=1e-8)
    np.testing.assert_allclose(gram.right, 0.15, rtol=1e-12)
    np.testing.assert_allclose(I_2.left, np.linalg.norm(change - 0.05 * sum(G) @ residual), rtol=1e-8)
    np.testing.assert_allclose(I_2.right, 0.05 * 0.3 * norm / 8, rtol=1e-12)
    np.testing.assert_allclose(second_order.left, change @ change, rtol=1e-12)
    np.testing.assert_allclose(second_order.right, 0.05 * 0.3 * norm**2 / 8, rtol=1e-12)


@pytest.mark.parametrize(
    ("net", "layers"),
    [(NETS[1], 4), (FixedOutput(3, 5, 3), 3)],
    ids=["all are trained", "all but the last"],
)
def test_the_layers_that_are_trained_count(net, layers):
    step = replace(one_step(), net=net)
    np.testing.assert_allclose(step.trained_gram, sum(step.G[h] for h in range(layers)), rtol=1e-14)


# ------------------------------------------------------------------ to rounding and no further


def test_a_millionth_is_no_rounding():
    step = one_step()
    assert not dynamics.first_order_change(replace(step, G=step.G * (1 + 1e-6))).holds
    assert not dynamics.second_order_change(replace(step, u_next=step.u_next + 1e-6)).holds


def test_a_sum_that_is_smaller_than_its_parts_refutes_the_inequalities():
    step = one_step(n=3)
    G = step.G.copy()
    G[0] -= 100 * np.eye(3)
    assert not dynamics.gram_order(replace(step, G=G)).holds
    assert not dynamics.descent_inequality(replace(step, G=G)).holds


@pytest.mark.parametrize(("step_size", "scale"), [(1e-5, 1.0), (1e-14, 1e5)])
def test_i_2_is_rounded_relative_to_the_predictions(step_size, scale):
    """A short step leaves of Δu - I_1 little more than rounding, and large predictions more rounding."""
    net, params, X, y = problem(NETS[1], 4, 1).everything
    step = dynamics.descent_step(net, params._replace(a=scale * params.a), X, y, step_size)
    assert np.abs(step.I_2).max() < 1e-6 * np.abs(step.u).max()
    assert dynamics.second_order_change(step).holds


@pytest.mark.parametrize(("share", "holds"), [(0.0, True), (0.75, True), (1.25, False)])
def test_eigenvalues_are_rounded_relative_to_the_largest(share, holds):
    step, G = one_step(n=3), np.zeros((4, 3, 3))
    whole = np.diag([-share * dynamics.ROUNDING * 2, 1.0, 2.0])
    G[2] = np.diag([0.0, 0.5, 0.5])
    G[0] = whole - G[2]
    assert dynamics.gram_order(replace(step, G=G)).holds is holds


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"net": 3}, TypeError, "net must be a Network"),
        ({"step_size": 0}, ValueError, "step_size must be a finite number > 0"),
        ({"y": [1.0]}, ValueError, "y must have shape"),
    ],
)
def test_a_wrong_argument_is_named(change, error, words):
    net = NETS[0]
    arguments = {"net": net, "params": net.init(0), "X": np.eye(3), "y": np.ones(3), "step_size": 0.1} | change
    with pytest.raises(error, match=words):
        dynamics.descent_step(**arguments)


def test_a_direction_is_of_the_networks_depth():
    net, params, X, _ = problem(NETS[1], 2, 1).everything
    short = mgd.Parameters(params.W[:2], params.a)
    with pytest.raises(ValueError, match="shorter"):
        dynamics.moved(params, short, 0.1)
    with pytest.raises(ValueError, match="shorter"):
        dynamics.derivative_along(net, params, X, short)
