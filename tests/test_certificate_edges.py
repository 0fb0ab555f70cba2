"""The certificate at the edges: rounding, σ's own errors, data that are extreme or cannot be fitted, and its words."""

import dataclasses
import math
import re

import flint
import mpmath
import numpy as np
import pytest
from exact_certificate import balls, is_norm_bound, is_positive_definite
from hypothesis import given
from hypothesis import strategies as st
from profiles import at_most
from test_sigmas import EXACT

import minimal_gd as mgd
from minimal_gd.certificate import rounding
from minimal_gd.certificate.certificate import _above, _below
from minimal_gd.certificate.start import SIGMA_ERROR
from minimal_gd.testing.strategies import ALL, ANALYTIC, networks, problem, problems, seeds, two_layer

# ---------------------------------------------------------------------- rounding


@at_most(30)
@given(seeds, st.integers(1, 6), st.integers(1, 6), st.sampled_from([1e-100, 1e-9, 1.0, 1e100]))
def test_a_bound_on_a_norm_is_one(seed, rows, columns, size):
    rng = np.random.default_rng(seed)
    B = size * rng.standard_normal((rows, columns)) * 10.0 ** rng.integers(-8, 1, (rows, 1))
    assert is_norm_bound(rounding.spectral_norm(B), balls(B))
    assert np.sum(balls(B) ** 2) < flint.arb(rounding.norm(B)) ** 2
    stack = rounding.Stack(columns)
    for block in np.array_split(B, 2):
        if len(block):
            stack.add(block)
    assert is_norm_bound(stack.norm(), balls(B))
    if size >= 1e-9:  # else the allowance for underflow is larger than the norm
        assert stack.norm() <= np.linalg.norm(B, 2) * (1 + 1e-6)


@at_most(30)
@given(seeds, st.integers(1, 6), st.integers(0, 16))
def test_a_bound_on_an_eigenvalue_is_one(seed, n, digits):
    """Near singular matrices too: all eigenvalues but one are 1, and that one is 10^-digits, or below what is seen."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.append(np.ones(n - 1), 10.0**-digits)) @ Q.T
    A = np.tril(A) + np.tril(A, -1).T
    smallest = flint.arb(rounding.smallest_eigenvalue(A))
    assert is_positive_definite(balls(A) - smallest * balls(np.eye(n)))
    assert float(smallest) >= 10.0**-digits - 1e-13
    largest = flint.arb(rounding.largest_eigenvalue(A))
    assert is_positive_definite(largest * balls(np.eye(n)) - balls(A))


def test_large_matrices_are_bounded_as_small_ones():
    B = np.random.default_rng(0).standard_normal((400, 450))
    exact = np.linalg.norm(B, 2)
    assert exact <= rounding.spectral_norm(B) <= 1.02 * exact


def test_what_is_not_finite_gives_no_bound():
    for entry in (np.nan, np.inf):
        A = np.diag([1.0, entry])
        assert rounding.largest_eigenvalue(A) == np.inf
        assert rounding.smallest_eigenvalue(A) == -np.inf
        with np.errstate(invalid="ignore"):
            assert not rounding.spectral_norm(A) < np.inf


@given(st.lists(st.floats(0, 1e6), min_size=9, max_size=9))
def test_the_perron_root_is_bounded(entries):
    M = np.reshape(entries, (3, 3))
    M = M + M.T
    assert np.linalg.eigvalsh(M)[-1] <= rounding.perron_root(M) * (1 + 1e-13)


@pytest.mark.parametrize("name", ALL)
def test_sigma_is_as_accurate_as_is_assumed(name):
    """s σ(z) and s σ′(z) as the networks compute them, within a tenth of what a certificate allows for."""
    sigma = mgd.activations.get(name)
    rng = np.random.default_rng(0)
    z = rng.choice([-1, 1], 300) * 10 ** rng.uniform(-9, 3, 300)
    scale = 1 / math.sqrt(7)
    values, slopes = z.copy(), np.empty_like(z)
    sigma.apply(values, slopes, scale)
    with mpmath.workdps(60 if name in ("sincos", "square", "identity", "relu", "tanh", "erf") else 500):
        for computed, exactly in ((values, EXACT[name][0]), (slopes, EXACT[name][1])):
            for point, ours in zip(z, computed, strict=True):
                exact = mpmath.mpf(scale) * exactly(mpmath.mpf(float(point)))
                assert abs(float(ours) - exact) <= SIGMA_ERROR / 10 * (abs(exact) + scale)


# ---------------------------------------------------------------------- what cannot be fitted, and what is extreme


def refused(net, params, X, y, step_size=None) -> mgd.Certificate:
    made = mgd.certify(net, params, X, y, step_size)
    assert not made.holds
    assert made.margin <= 1
    assert str(made).startswith("Not certified")
    return made


@at_most(30)
@given(problems(st.one_of(networks(ANALYTIC), two_layer())))
def test_equal_inputs_are_never_certified(case):
    """With conflicting labels it would be a lie; with equal ones J has two equal rows, which proves nothing."""
    X = np.concatenate([case.X, case.X[:1]])
    u = case.net.predict(case.params, X)
    for last in (u[-1], np.nextafter(u[-1], np.inf), u[-1] + 1):
        refused(case.net, case.params, X, np.append(u[:-1], last))


@pytest.mark.parametrize("kind", ["FullyConnected", "ResNet"])
def test_parallel_inputs_are_certified_where_they_can_be_told_apart(kind):
    net = getattr(mgd, kind)(3, 40, 1, "sincos")
    x = np.array([[0.6, 0.8, 0.0]])
    params = net.init(0)
    for factor, is_far in ((-1.0, True), (2.0, True), (1 + 1e-15, False)):
        X = np.concatenate([x, factor * x])
        y = net.predict(params, X) + 1e-3 if is_far else net.predict(params, X)
        assert mgd.certify(net, params, X, y).holds == is_far


@at_most(30)
@given(problems(st.one_of(networks(ANALYTIC), two_layer())))
def test_a_loss_of_zero_needs_no_step(case):
    """u = y to the last bit: what is left is the rounding of u, which no descent is needed for."""
    y = case.net.predict(case.params, case.X)
    made = mgd.certify(case.net, case.params, case.X, y)
    assert made.residual > 0
    if made.holds:
        assert mgd.certify(case.net, case.params, case.X, y, made.step_size / 2).holds


def test_one_sample_is_certified():
    net = mgd.FullyConnected(3, 50, 2, "tanh")
    case = problem(net, n=1, seed=0)
    y = net.predict(case.params, case.X) + 0.01
    assert mgd.certify(net, case.params, case.X, y).holds


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e-100, 1e-30, 1e30, 1e100, 1e200, 1e300])
@pytest.mark.parametrize("activation", ["tanh", "softplus", "square", "identity", "sincos"])
@pytest.mark.filterwarnings("error")
def test_extreme_numbers_neither_crash_nor_lie(size, activation):
    """Whatever of X, W and a is extreme. A yes is possible: two inputs of norm 1e30 saturate tanh and differ."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2, 3)), np.array([1.0, -1.0])
    net = mgd.ResNet(3, 4, 2, activation)
    (first, second), a = net.init(0)
    for params, inputs, labels in (
        (mgd.Parameters((first, second), a), size * X, y),
        (mgd.Parameters((size * first, second), a), X, y),
        (mgd.Parameters((first, size * second), a), X, y),
        (mgd.Parameters((first, second), size * a), X, y),
        (mgd.Parameters((first, second), a), X, size * y),
    ):
        for step_size in (None, 0.1, 1e300, 1e-300):
            made = mgd.certify(net, params, inputs, labels, step_size)
            assert str(made)
            assert made.holds <= (0 < made.rate < 1 and made.margin > 1 and made.smallest > 0)
            assert not (made.holds and size >= 1e100 and made.residual < 1)


def test_a_step_that_is_too_large_is_refused_with_a_smaller_one_that_is_not():
    net = mgd.FullyConnected(3, 50, 1, "tanh")
    case = problem(net, n=2, seed=0)
    y = net.predict(case.params, case.X) + 1e-4
    made = refused(net, case.params, case.X, y, step_size=100.0)
    smaller = float(re.search("a smaller step size, (.*) for example", str(made))[1])
    assert mgd.certify(net, case.params, case.X, y, smaller).holds


def test_a_step_whose_progress_no_float_can_tell_is_refused_with_that_reason():
    case = problem(mgd.FullyConnected(3, 50, 1, "tanh"), n=2, seed=0)
    y = case.net.predict(case.params, case.X) + 1e-4
    assert "less than floats can tell" in str(refused(case.net, case.params, case.X, y, step_size=1e-30))


def test_a_run_is_observed_until_it_can_be_certified():
    net = mgd.ResNet(3, 20, 2, "tanh")
    case = problem(net, n=2, seed=0)
    eta = mgd.stable_step_size(net, case.params, case.X)
    run = mgd.gradient_descent(
        *case.everything,
        eta,
        200,
        observe=lambda k, theta: mgd.certify(net, theta, case.X, case.y, eta).margin,
        observe_every=20,
    )
    margins = np.asarray(run.observed)
    assert margins[0] < 1 < margins[-1]
    assert (np.diff(margins) > 0).all()


# ---------------------------------------------------------------------- ReLU


def test_a_unit_on_its_kink_is_refused():
    net = mgd.TwoLayerReLU(2, 20)
    params = net.init(0)
    X = np.array([[0.6, 0.8], [0.8, -0.6]])
    y = net.predict(params, X) + 1e-6
    assert mgd.certify(net, params, X, y).holds
    W = params.W[0].copy()
    W[3] = [0.8, -0.6]
    X[0] = [0.6, 0.8]  # orthogonal to the last bit, or nearly
    assert not mgd.certify(net, mgd.Parameters((W,), params.a), X, y).holds


def test_what_the_units_can_move_decides_how_far_relu_is_certified():
    """The nearer a unit is to its kink, the smaller the residual has to be."""
    net = mgd.TwoLayerReLU(2, 20)
    params = net.init(1)
    X = np.array([[0.6, 0.8], [0.8, -0.6]])
    W = params.W[0].copy()
    W[0] = 1e-4 * np.array([0.6, 0.8]) + 0.5 * np.array([0.8, -0.6])  # 1e-4 from the kink of the first sample
    near = mgd.Parameters((W,), params.a)
    u = net.predict(near, X)
    margins = [mgd.certify(net, near, X, u + gap).margin for gap in (1e-6, 1e-5, 1e-3)]
    assert margins[0] > 1 > margins[2]
    assert margins[0] / margins[1] == pytest.approx(10, rel=0.01)


def test_with_a_fixed_descent_is_linear_and_the_curvature_is_zero():
    net = mgd.TwoLayerReLU(2, 50)
    params = net.init(0)
    X = np.array([[0.6, 0.8], [0.8, -0.6]])
    made = mgd.certify(net, params, X, net.predict(params, X) + 1e-4, step_size=0.5)
    assert made.holds
    assert made.curvature < 1e-60
    G = mgd.gram.total(net, params, X)
    assert made.smallest**2 == pytest.approx(np.linalg.eigvalsh(G)[0])


# ---------------------------------------------------------------------- what is asked for


def test_an_activation_of_ones_own_is_certified_with_stated_constants():
    softsign = (lambda z: z / np.sqrt(1 + z * z), lambda z: (1 + z * z) ** -1.5)
    stated = mgd.Activation(*softsign, "softsign", lipschitz=1.0, smoothness=0.86)
    net = mgd.FullyConnected(3, 40, 2, stated)
    case = problem(net, n=2, seed=0)
    y = net.predict(case.params, case.X) + 1e-4
    assert mgd.certify(net, case.params, case.X, y).holds
    unknown = mgd.FullyConnected(3, 40, 2, mgd.Activation(*softsign, "softsign"))
    with pytest.raises(ValueError, match=r"net must have an activation with stated constants.*softsign"):
        mgd.certify(unknown, case.params, case.X, y)


def test_where_the_slope_jumps_the_error_says_so():
    net = mgd.FullyConnected(3, 4, 2, "relu")
    with pytest.raises(ValueError, match=r"net must have an activation with a finite smoothness.*relu"):
        mgd.certify(net, net.init(0), np.ones((1, 3)), np.ones(1))


class Shifted(mgd.FullyConnected):
    """A network that is no longer what the bounds are proved for."""

    def forward(self, params, work):
        return super().forward(params, work) + 1


@pytest.mark.parametrize("net", [None, "tanh", Shifted(3, 4, 1, "tanh")])
def test_other_networks_are_refused(net):
    with pytest.raises(TypeError, match="net must be a FullyConnected, ResNet, ConvResNet or TwoLayerReLU"):
        mgd.certify(net, mgd.FullyConnected(3, 4, 1).init(0), np.ones((1, 3)), np.ones(1))


def test_arguments_are_left_as_they_are_and_the_same_call_gives_the_same_certificate():
    case = problem(mgd.ResNet(3, 8, 2, "tanh"), n=2, seed=0)
    before = [array.copy() for array in (*case.params.W, case.params.a, case.X, case.y)]
    assert mgd.certify(*case.everything) == mgd.certify(*case.everything)
    after = (*case.params.W, case.params.a, case.X, case.y)
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


# ---------------------------------------------------------------------- its words


def test_a_certificate_is_frozen_and_prints_the_theorem_in_five_lines():
    case = problem(mgd.FullyConnected(3, 50, 1, "tanh"), n=2, seed=0)
    y = case.net.predict(case.params, case.X) + 1e-4
    made = mgd.certify(case.net, case.params, case.X, y, step_size=0.125)
    lines = str(made).splitlines()
    assert len(lines) == 5
    assert lines[0] == "Certified: exact gradient descent with step size 0.125, started at these weights,"
    assert "zero training loss" in lines[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.holds = False


@given(st.floats(1e-300, 1e300))
def test_printed_bounds_are_bounds(number):
    assert float(_below(number)) <= number <= float(_above(number))
    assert float(_above(number)) == pytest.approx(float(_below(number)), rel=2e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, y: (np.ones_like(X), y), "σ_min(J) > 0 cannot be proved"),
        (lambda X, y: (X, y + 100), "more steps of descent first"),
        (lambda X, y: (X * 1e300, y), "too large or too small"),
    ],
)
def test_a_refusal_says_why(change, words):
    net = mgd.FullyConnected(3, 10, 2, "softplus")
    case = problem(net, n=2, seed=0)
    X, y = change(case.X, case.y)
    assert words in str(mgd.certify(net, case.params, X, y))
