"""The theorems' rate on real runs, and the widths and step sizes they ask for."""

import math

import numpy as np
import pytest
from slow_limits import slow_limits

import minimal_gd as mgd
from minimal_gd import data
from minimal_gd.theory import certificates, premises, theorems
from minimal_gd.theory.constants import OpenConstants

FC = mgd.FullyConnected(2, 300, 2, "sincos")
RESNET = mgd.ResNet(2, 300, 2, "sincos", c_res=0.9)
CONV = mgd.ConvResNet((1, 3), 100, 2, (3,), "sincos", c_res=0.9)
CORNERS, ENDS = np.eye(2), np.array([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]])
Y = np.array([1.0, -1.0])
# Three directions of which the middle one is the sum of the others: one unit cannot give it the other sign.
FAN, SIGNS = np.array([[1.0, 0.0], [0.5, math.sqrt(0.75)], [-0.5, math.sqrt(0.75)]]), np.array([1.0, -1.0, 1.0])
# K^(1), the covariance of layer 1, for sin + cos and orthogonal unit inputs; section 8 of the derivation
S_1 = np.array([[1.0, math.exp(-1)], [math.exp(-1), 1.0]])


def certified(net, X, step_size, steps):
    return certificates.observed_descent(net, net.init(0), X, Y, step_size, steps)


def plain_losses(net, X, step_size, steps):
    """Half the sum of squares along a loop of plain steps."""
    params, losses = net.init(0), []
    for _ in range(steps + 1):
        losses.append(0.5 * np.sum((net.predict(params, X) - Y) ** 2))
        gradient = net.gradient(params, X, Y)
        W = tuple(W - step_size * D for W, D in zip(params.W, gradient.W, strict=True))
        params = mgd.Parameters(W, params.a - step_size * gradient.a)
    return np.array(losses)


def check_theorem(net, X, K_H, step_size, steps=3):
    """Promised, and true, with both sides as plain loops and a limit from elsewhere give them."""
    run = certified(net, X, step_size, steps)
    comparison = theorems.convergence(net, run, X, Y, K_H, OpenConstants(width=0.5))
    assert comparison.verdict == "holds"
    losses, smallest = plain_losses(net, X, step_size, steps), np.linalg.eigvalsh(K_H)[0]
    np.testing.assert_allclose(comparison.left, losses, rtol=1e-10)
    bound = [losses[0] * (1 - step_size * smallest / 2) ** k for k in range(steps + 1)]
    np.testing.assert_allclose(comparison.right, bound, rtol=1e-10)


def test_theorem_5_1():
    check_theorem(FC, CORNERS, S_1 * np.exp(S_1 - 1), 0.004)


def test_theorem_6_1():
    check_theorem(RESNET, CORNERS, 0.45**2 * S_1 * np.exp(S_1 - 1), 0.001)


def test_theorem_7_1():
    check_theorem(CONV, ENDS, slow_limits(CONV, ENDS)[0][1], 0.0005)


def test_condition_a_1():
    run = mgd.gradient_descent(RESNET, RESNET.init(0), CORNERS, Y, 0.1, 5)
    comparison = theorems.induction_hypothesis(run, 0.5)
    assert comparison.holds
    squares = 2 * plain_losses(RESNET, CORNERS, 0.1, 5)
    np.testing.assert_allclose(comparison.left, squares, rtol=1e-10)
    np.testing.assert_allclose(comparison.right, squares[0] * 0.975 ** np.arange(6), rtol=1e-10)


def test_condition_a_1_fails_with_a_larger_eigenvalue_than_there_is():
    run = mgd.gradient_descent(RESNET, RESNET.init(0), CORNERS, Y, 0.02, 40)
    assert theorems.induction_hypothesis(run, 0.5).holds
    assert not theorems.induction_hypothesis(run, 20.0).holds


def too_narrow(steps=60):
    """One unit, which cannot fit the labels."""
    net = mgd.FullyConnected(2, 1, 1, "tanh")
    run = certificates.observed_descent(net, net.init(0), FAN, SIGNS, 0.3, steps)
    return net, run, FAN, SIGNS, premises.limiting_gram(net, FAN)[0]


def test_theorem_5_1_promises_nothing_and_fails_for_one_unit():
    comparison = theorems.convergence(*too_narrow())
    assert not comparison.holds
    assert not comparison.is_promised
    assert comparison.verdict.startswith("fails, ")


def test_training_may_succeed_while_a_certificate_is_missed():
    net, X = mgd.FullyConnected(4, 60, 2, "softplus"), data.sphere(4, 4, seed=0)
    y = np.array([1.0, -1.0, 1.0, -1.0])
    K_H, _ = premises.limiting_gram(net, X)
    params = net.init(1)
    run = certificates.observed_descent(net, params, X, y, mgd.stable_step_size(net, params, X), 60)
    comparison = theorems.convergence(net, run, X, y, K_H)
    assert comparison.holds
    assert not comparison.is_promised
    assert comparison.verdict.startswith("holds, ")


# ------------------------------------------------------------------ what is asked


def test_the_widths_asked_are_the_printed_terms():
    terms = theorems.width_terms(FC, 5, 0.1, OpenConstants(width=3.0, growth=2.5, failure=0.05))
    factor = 3 * 2.5**2
    expected = [factor * 50**4, factor * 5 / 0.05, factor * 2500 * math.log(2 * 5 / 0.05)]
    np.testing.assert_allclose(list(terms.values()), expected)
    net = mgd.ConvResNet((1, 6), 4, 3, (3,), "tanh")
    terms = theorems.width_terms(net, 5, 0.1, OpenConstants(power=2.0))
    expected = [36 * 50**4 / 3**6, 36 * 50**2 / 3**2, 36 * 5 / 0.1, 36 * 2500 * math.log(3 * 5 / 0.1)]
    np.testing.assert_allclose(list(terms.values()), expected)
    assert theorems.asked_width(net, 5, 0.1, OpenConstants(power=2.0)) == max(expected)


def test_the_step_sizes_asked_are_the_printed_ones():
    assert theorems.asked_step_size(FC, 5, 0.1, OpenConstants(step=3.0, growth=2.5)) == pytest.approx(0.3 / 25 / 2.5**2)
    deep = mgd.ResNet(2, 3, 7, "tanh")
    assert theorems.asked_step_size(deep, 5, 0.1) == pytest.approx(0.1 * 49 / 25)
    conv = mgd.ConvResNet((1, 6), 4, 3, (3,), "tanh")
    assert theorems.asked_step_size(conv, 5, 0.1, OpenConstants(power=2.0)) == pytest.approx(0.1 * 9 / 25 / 6**2)


def test_residual_nets_ask_for_a_width_of_n_to_the_4_h_squared():
    """As λ_min(K^(H)) is of order 1/H²: what the paper says of related work."""
    widths = [
        theorems.asked_width(mgd.ResNet(2, 3, H, "tanh"), n, 0.01 / H**2) for H, n in ((8, 10), (16, 10), (8, 20))
    ]
    assert widths[1] / widths[0] == pytest.approx(4)
    assert widths[2] / widths[0] == pytest.approx(16)


def test_the_rate_of_a_residual_net_slows_with_depth():
    """ηλ/2 is of order 1/(n² H²), so that the n² log(1/ε) iterations that the paper quotes need an H² more."""
    rates = [theorems.asked_step_size(mgd.ResNet(2, 3, H, "tanh"), 10, 0.01 / H**2) * 0.01 / H**2 for H in (8, 16)]
    assert rates[0] / rates[1] == pytest.approx(4)


@pytest.mark.parametrize("threshold", [1, 2, 3, 37, 64, 100])
def test_the_sufficient_width_is_found_by_doubling_and_bisection(threshold):
    tried = []
    assert theorems.sufficient_width(lambda m: tried.append(m) or m >= threshold, largest=100) == threshold
    doublings = math.ceil(math.log2(threshold)) + 1
    assert tried[:doublings] == [min(2**k, 100) for k in range(doublings)]
    assert len(tried) <= 2 * doublings
    assert len(set(tried)) == len(tried)


def test_no_width_beyond_the_largest_is_tried():
    tried = []
    assert theorems.sufficient_width(lambda m: tried.append(m) or True, largest=1) == 1
    assert tried == [1]
    with pytest.raises(ValueError, match="got 16384, which does not"):
        theorems.sufficient_width(lambda m: False)


def test_three_seeds_and_widths_up_to_two_to_the_14_are_tried(monkeypatch):
    class Recorded(mgd.FullyConnected):
        def init(self, seed):
            seeds.append(seed)
            return super().init(seed)

    seeds = []
    assert theorems.keeps_rate(Recorded(2, 300, 1, "tanh"), FAN, SIGNS, SMALLEST, 0.3, 3)
    assert seeds == [0, 1, 2]
    monkeypatch.setattr(theorems, "keeps_rate", lambda *everything: seeds.append(everything[-1]))
    with pytest.raises(ValueError, match="got 16384, which does not"):
        theorems.width_against_sufficient(tanh_unit, FAN, SIGNS, SMALLEST, 0.3, 100)
    assert seeds[3:] == [(0, 1, 2)] * 15


def tanh_unit(width):
    return mgd.FullyConnected(2, width, 1, "tanh")


SMALLEST = premises.limiting_gram(tanh_unit(1), FAN)[1]


def test_one_unit_does_not_keep_the_rate_and_many_do():
    kept = [theorems.keeps_rate(tanh_unit(m), FAN, SIGNS, SMALLEST, 0.3, 100) for m in (1, 60)]
    assert kept == [False, True]
    assert not theorems.keeps_rate(mgd.FullyConnected(2, 50, 1, "square"), FAN, SIGNS, SMALLEST, 5.0, 200)  # diverges


def sufficient(**options):
    return theorems.width_against_sufficient(tanh_unit, FAN, SIGNS, SMALLEST, 0.3, 100, seeds=(0,), **options)


def test_sufficient_width():
    comparison = sufficient()
    m = int(comparison.left)
    assert comparison.holds
    # sufficient, while the one before is not
    for width, suffices in ((m, True), (m - 1, False)):
        net = tanh_unit(width)
        run = mgd.gradient_descent(net, net.init(0), FAN, SIGNS, 0.3, 100)
        bound = run.loss[0] * (1 - 0.15 * SMALLEST) ** np.arange(101)
        assert np.all(run.loss <= bound * (1 + 1e-12)) == suffices
    np.testing.assert_allclose(comparison.right, 2 * max(81 / SMALLEST**4, 30, 9 * math.log(30) / SMALLEST**2))


def test_a_small_constant_asks_for_less_than_suffices():
    assert not sufficient(open_constants=OpenConstants(width=1e-6)).holds


# ------------------------------------------------------------------ bad input


def test_inputs_that_are_no_unit_vectors_are_reported_and_unmet():
    net = mgd.FullyConnected(2, 20, 2, "sincos")
    run = certified(net, 2 * CORNERS, 0.01, steps=2)
    with pytest.warns(UserWarning, match="Theorem 5.1 asks for unit inputs"):
        comparison = theorems.convergence(net, run, 2 * CORNERS, Y, np.eye(2))
    assert not comparison.premises[0].holds


def test_labels_that_are_too_large_are_unmet():
    run = certificates.observed_descent(FC, FC.init(0), CORNERS, 3 * Y, 0.001, 1)
    comparison = theorems.convergence(FC, run, CORNERS, 3 * Y, S_1, largest_label=2.0)
    assert not comparison.premises[1].holds
    assert theorems.convergence(FC, run, CORNERS, 3 * Y, S_1).premises[1].right[0] == 1


def small_run(**options):
    net = mgd.ResNet(2, 5, 1, "tanh")
    return net, mgd.gradient_descent(net, net.init(0), CORNERS, Y, 0.1, 2, **options)


def test_the_reason_for_a_singular_limit_is_named():
    net, X = mgd.FullyConnected(2, 20, 2, "sincos"), np.array([[1.0, 0.0], [1.0, 0.0]])
    K_H = np.ones((2, 2))
    with pytest.raises(ValueError, match="samples 0 and 1 are parallel"):
        theorems.convergence(net, certified(net, X, 0.01, 1), X, Y, K_H)
    square = mgd.FullyConnected(2, 20, 1, "square")
    with pytest.raises(ValueError, match="the activation is a polynomial of degree 2"):
        certificates.of_run(square, certified(square, CORNERS, 0.01, 1), Y, K_H)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: theorems.width_terms(mgd.ResNet(2, 5, 1), 3, 0.1), ValueError, "depth ≥ 2 for Theorem 6.1"),
        (lambda: theorems.asked_step_size(mgd.ResNet(2, 5, 1), 3, 0.1), ValueError, "depth ≥ 2 for Theorem 6.1"),
        (
            lambda: theorems.width_terms(mgd.TwoLayerReLU(2, 5), 3, 0.1),
            TypeError,
            "net must be a FullyConnected, ResNet",
        ),
        (lambda: theorems.width_terms(3, 3, 0.1), TypeError, "net must be a Network"),
        (lambda: theorems.width_terms(FC, 3, 0.0), ValueError, "smallest must be a finite number > 0"),
        (lambda: theorems.width_terms(FC, 0, 0.1), ValueError, "n must be an integer ≥ 1"),
        (lambda: OpenConstants(failure=1.0), ValueError, "failure must be a probability below 1"),
        (lambda: OpenConstants(growth=0.5), ValueError, "growth must be a finite number ≥ 1"),
        (lambda: OpenConstants(power=-1), ValueError, "power must be a finite number ≥ 0"),
        (lambda: OpenConstants(width=0), ValueError, "width must be a finite number > 0"),
        (lambda: theorems.sufficient_width(lambda m: False, largest=9), ValueError, "largest must allow a width"),
        (
            lambda: theorems.induction_hypothesis(small_run()[1], 30.0),
            ValueError,
            r"step_size must be below 2/λ_min\(K\^\(H\)\) = 0.0666667, got 0.1$",
        ),
        (lambda: theorems.induction_hypothesis(small_run()[1], 20.0), ValueError, "= 0.1, got 0.1$"),
        (
            lambda: theorems.induction_hypothesis(small_run(normalisation="mean")[1], 0.1),
            ValueError,
            "run must be of the paper's loss",
        ),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
