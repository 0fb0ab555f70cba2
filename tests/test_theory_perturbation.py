"""Weights that moved: the bounds hold always, and fail where their constants are not true."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_theory_initial import CONV, CORNERS, ENDS, FC, RESNET

import minimal_gd as mgd
from minimal_gd.testing.references import jacobians
from minimal_gd.testing.strategies import ANALYTIC, conv_resnet, fully_connected, resnet, seeds, sizes
from minimal_gd.theory import constants, perturbation
from minimal_gd.theory.constants import InitialConstants, OpenConstants
from minimal_gd.theory.layers import column_layers

SMOOTH = tuple(name for name in ANALYTIC if name != "square")
CONSTANTS = InitialConstants(c_w0=4.0, c_x0=3.0, a_20=2.5, a_40=3.0)


def moved_by(params, R, seed=0):
    """Every array moved by exactly R√m in a random direction."""
    rng = np.random.default_rng(seed)
    root = math.sqrt(len(params.a))

    def move(array):
        direction = rng.standard_normal(array.shape)
        return array + R * root * direction / np.linalg.norm(direction)

    return params.map(move)


def layer_changes(net, start, moved, X):
    """‖x^(h)(k) - x^(h)(0)‖, sample by sample as the paper writes the net."""
    columns = [[column_layers(net, params, x) for x in X] for params in (start, moved)]
    return np.array(
        [[np.linalg.norm(now[h].x - then[h].x) for then, now in zip(*columns, strict=True)] for h in range(net.depth)]
    )


def check_forward(net, X, bound, R=0.2):
    start = net.init(4)
    moved = moved_by(start, R)
    comparison = perturbation.forward(net, start, moved, X, CONSTANTS)
    assert comparison.verdict == "holds"
    np.testing.assert_allclose(comparison.left, layer_changes(net, start, moved, X), rtol=1e-10)
    np.testing.assert_allclose(comparison.right, np.broadcast_to(bound, comparison.right.shape), rtol=1e-12)


def test_lemma_b_3():
    # c_σ = 1 and L = √2: the recursion itself, layer by layer
    first = math.sqrt(2) * 3 * 0.2
    check_forward(FC, CORNERS, [[first], [first + 2 * math.sqrt(2) * 4 * first]])


def test_lemma_c_3():
    # softplus: L = 1
    check_forward(RESNET, CORNERS, (math.sqrt(1.08548650298834) + 3 / 8) * math.exp(2 * 0.5 * 4) * 0.2)


def test_lemma_d_3():
    # q = 3 and L = √2
    check_forward(CONV, ENDS, (math.sqrt(6) + 3 / 8) * math.exp(2 * 0.5 * 4 * math.sqrt(6)) * 0.2)


def check_gram(net, X, R=1e-7, smallest=0.5):
    """Compare with Jacobians by the complex step; R is tiny, as the derived bound is generous."""
    start = net.init(4)
    moved = moved_by(start, R)
    true = constants.measured(net, start, X)
    comparison = perturbation.gram_matrix(net, start, moved, X, smallest, true)
    assert comparison.verdict == "holds"
    now, then = (jacobians(net, params, X)[net.depth - 1] for params in (moved, start))
    expected = np.abs(np.linalg.eigvalsh(now @ now.T - then @ then.T)).max()
    # a difference of entries of size 1, each to some 1e-15, of relative size R
    np.testing.assert_allclose(comparison.left, expected, rtol=1e-13 / R)
    np.testing.assert_allclose(comparison.right, smallest / 4, rtol=1e-14)
    enough = comparison.premises[-1]
    bound = perturbation.gram_bound(net, true, perturbation.radius(start, moved))
    np.testing.assert_allclose([enough.left, enough.right], [len(X) * bound, smallest / 4], rtol=1e-12)


def test_lemma_b_4():
    check_gram(mgd.FullyConnected(3, 8, 2, "sincos"), CORNERS)


def test_lemma_c_4():
    check_gram(mgd.ResNet(3, 8, 3, "softplus"), CORNERS)


def test_lemma_d_4():
    check_gram(mgd.ConvResNet((1, 3), 5, 2, (3,), "tanh"), ENDS)


# ------------------------------------------------------------------ always


nets = st.one_of(fully_connected(SMOOTH), resnet(SMOOTH), conv_resnet(SMOOTH))


@given(nets, sizes, seeds, st.floats(1e-4, 0.999))
def test_the_bounds_hold_for_every_small_move(net, n, seed, share):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, *net.input_shape))
    X /= np.linalg.norm(X.reshape(n, -1), axis=1).reshape(-1, *[1] * len(net.input_shape))
    start = net.init(rng)
    true = constants.measured(net, start, X)
    moved = moved_by(start, share * true.c_w0, seed)
    forward = perturbation.forward(net, start, moved, X)
    assert forward.is_promised
    assert forward.holds
    if net.depth > 1 or isinstance(net, mgd.FullyConnected):
        gram = perturbation.gram_matrix(net, start, moved, X, 1.0)
        bound = n * perturbation.gram_bound(net, true, perturbation.radius(start, moved))
        assert gram.left <= bound * (1 + 1e-9)
        assert not gram.is_violated


def test_the_radius_is_that_of_the_farthest_layer():
    start = RESNET.init(0)
    for layer in range(4):
        arrays = [array.copy() for array in (*start.W, start.a)]
        arrays[layer].flat[3] += 2.0
        moved = mgd.Parameters(tuple(arrays[:-1]), arrays[-1])
        assert perturbation.radius(start, moved) == pytest.approx(2 / math.sqrt(40))


def test_weights_of_another_depth_have_no_radius():
    start = FC.init(0)
    with pytest.raises(ValueError, match="zip"):
        perturbation.radius(start, mgd.Parameters(start.W[:1], start.a))


# ------------------------------------------------------------------ where they fail


def test_lemma_b_3_fails_for_weights_beyond_the_constant():
    """Identity, W^(2) = 3 √m I: the change of layer 1 is tripled, while c_w0 = 0.1 allows a fifth of it to be added."""
    net, m = mgd.FullyConnected(1, 9, 2, "identity"), 9
    start = mgd.Parameters((np.ones((m, 1)), 3 * math.sqrt(m) * np.eye(m)), np.ones(m))
    R = 0.05
    moved = start._replace(W=(start.W[0] + R * np.ones((m, 1)), start.W[1]))
    comparison = perturbation.forward(net, start, moved, np.ones((1, 1)), InitialConstants(0.1, 2.0, 1.0, 1.0))
    np.testing.assert_allclose(comparison.left[:, 0], [R, 3 * R])
    assert not comparison.holds
    assert comparison.verdict == "fails, 2 of 6 premises unmet"


def test_lemma_b_4_fails_for_a_large_move():
    start = FC.init(0)
    comparison = perturbation.gram_matrix(FC, start, moved_by(start, 1.0), CORNERS, 0.1)
    assert not comparison.holds
    assert comparison.verdict == "fails, 2 of 4 premises unmet"


def test_inputs_that_are_no_unit_vectors_are_reported():
    start = FC.init(0)
    with pytest.warns(UserWarning, match="Lemma B.3 asks for unit inputs"):
        assert not perturbation.forward(FC, start, start, 2 * CORNERS).premises[0].holds
    with pytest.warns(UserWarning, match="Lemma B.4 asks for unit inputs"):
        assert not perturbation.gram_matrix(FC, start, start, 2 * CORNERS, 1.0).is_promised


# ------------------------------------------------------------------ what is asked, and how it scales


def test_the_radius_asked_for_is_the_printed_one():
    g = 1 + 8 * math.sqrt(2)
    assert perturbation.asked_radius(FC, CONSTANTS, 5, 0.1, OpenConstants(radius=0.3)) == pytest.approx(0.3 * 0.02 / g)
    assert perturbation.asked_radius(FC, CONSTANTS, 5, 10.0) == pytest.approx(1 / g)
    assert perturbation.asked_radius(RESNET, CONSTANTS, 5, 0.1) == pytest.approx(0.1 * 9 / 5)
    assert perturbation.asked_radius(RESNET, CONSTANTS, 5, 10.0) == 1
    assert perturbation.asked_radius(CONV, CONSTANTS, 5, 0.1, OpenConstants(power=2)) == pytest.approx(0.02)


def test_the_gram_bound_is_the_sum_of_its_three_parts():
    # H = 1: the features are the inputs and do not move
    net = mgd.FullyConnected(3, 5, 1, "softplus")
    by_slopes, by_output = 9 * 2 * 0.25 * 9 * 0.2 * 3, 9 * (5 + 0.2) * 0.2
    assert perturbation.gram_bound(net, CONSTANTS, 0.2) == pytest.approx(1.08548650298834 * (by_slopes + by_output))
    # without a slope that changes, or a move of a, what is left is that of the features; identity, f = 3, d = 3 · 0.2
    net = mgd.FullyConnected(3, 5, 2, "identity")
    expected = 2.5**2 * (6 + 0.6) * 0.6 + 3.6**2 * 5.2 * 0.2
    assert perturbation.gram_bound(net, CONSTANTS, 0.2) == pytest.approx(expected)


def test_the_gram_bound_of_a_convolution_has_all_three_parts_and_the_patches():
    # q = 3 and L = β = √2: every entry of G^(H) is s² ⟨φ, φ⟩ times slopes and times a, each as far off as it may be
    small, R, root = InitialConstants(c_w0=0.3, c_x0=1.5, a_20=1.2, a_40=1.7), 0.1, math.sqrt(3)
    f, d = root * 1.5, root * (math.sqrt(6) + 1.5 / 0.6) * math.exp(2 * 0.5 * 0.3 * math.sqrt(6)) * R
    by_features = 2 * 1.2**2 * ((f + d) ** 2 - f**2)
    by_slopes = 2 * (f + d) ** 2 * 2 * 1.7**2 * (R * f + 0.6 * d)
    by_output = (f + d) ** 2 * 2 * ((1.2 + R) ** 2 - 1.2**2)
    expected = (0.5 / 3) ** 2 * (by_features + by_slopes + by_output)
    assert perturbation.gram_bound(CONV, small, R) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("net", [FC, RESNET, CONV], ids=lambda net: type(net).__name__)
def test_changes_and_their_bounds_are_linear_in_the_move(net):
    X, start = ENDS if net is CONV else CORNERS, net.init(0)
    sizes = [1e-5, 2e-5]
    moves = [moved_by(start, R) for R in sizes]
    true = constants.measured(net, start, X)
    for values in (
        [perturbation.forward(net, start, moved, X).left.max() for moved in moves],
        [perturbation.gram_matrix(net, start, moved, X, 1.0).left for moved in moves],
        [perturbation.gram_bound(net, true, R / 1e6) for R in sizes],
    ):
        # the next order is some R of it
        assert values[1] / values[0] == pytest.approx(2, rel=2e-3)


def test_the_change_of_the_gram_matrix_is_linear_in_the_number_of_samples_at_worst():
    start = FC.init(0)
    moved = moved_by(start, 0.1)
    one, many = (perturbation.gram_matrix(FC, start, moved, np.tile(CORNERS[:1], (n, 1)), 1.0).left for n in (1, 7))
    assert many / one == pytest.approx(7)


def test_the_bound_grows_exponentially_with_depth_and_the_change_does_not():
    net = mgd.FullyConnected(3, 100, 6, "sincos")
    start = net.init(0)
    comparison = perturbation.forward(net, start, moved_by(start, 0.05), CORNERS)
    c_x = 2 * math.sqrt(2) * constants.measured(net, start, CORNERS).c_w0
    np.testing.assert_allclose(comparison.right[-1] / comparison.right[-2], c_x, rtol=0.2)
    # a random change is multiplied by √(E σ′²) = 1 and joined by the layer's own: at most h-fold
    assert comparison.left[-1].max() < 6 * comparison.left[0].max()


def test_the_bound_of_a_residual_net_does_not_grow_with_depth():
    bounds = [perturbation.forward_bound(mgd.ResNet(3, 5, H, "tanh"), CONSTANTS, 0.1)[-1] for H in (2, 8, 32)]
    assert bounds == pytest.approx(bounds[:1] * 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda net, start: perturbation.forward(net, start, start, np.eye(3)),
            ValueError,
            "net must have an activation of finite lipschitz",
        ),
        (
            lambda net, start: perturbation.gram_matrix(net, start, start, np.eye(3), 1.0),
            ValueError,
            r"finite lipschitz \(Condition 3.1\)",
        ),
        (
            lambda net, start: perturbation.gram_matrix(FC, FC.init(0), FC.init(0), np.eye(3), 0),
            ValueError,
            "smallest must be a finite number > 0",
        ),
        (
            lambda net, start: perturbation.asked_radius(mgd.ResNet(3, 4, 1), CONSTANTS, 3, 0.1),
            ValueError,
            "depth ≥ 2 for Lemma C.4",
        ),
        (lambda net, start: perturbation.forward(3, start, start, np.eye(3)), TypeError, "net must be a Network"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    net = mgd.FullyConnected(3, 4, 2, "square")
    with pytest.raises(error, match=words):
        call(net, net.init(0))


def test_relu_moves_its_layers_boundedly_but_not_its_gram_matrix():
    net = mgd.FullyConnected(3, 30, 2, "relu")
    start = net.init(0)
    assert perturbation.forward(net, start, moved_by(start, 0.1), CORNERS).verdict == "holds"
    with pytest.raises(ValueError, match="finite smoothness"):
        perturbation.gram_matrix(net, start, start, CORNERS, 1.0)
