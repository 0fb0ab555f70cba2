"""The certificate against an independent judge: every bound, the curvature, the conclusion, and wrong variants."""

import dataclasses
import math
import re

import flint
import numpy as np
import pytest
from exact_certificate import (
    Judge,
    balls,
    descend,
    is_norm_bound,
    is_positive_definite,
    largest_curvature,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from profiles import at_most

import minimal_gd as mgd
from minimal_gd import certificate, data
from minimal_gd._runtime.threads import one_blas_thread
from minimal_gd.certificate.curvature import curvature, form, parts
from minimal_gd.certificate.induction import Induction
from minimal_gd.certificate.start import Start, measure
from minimal_gd.testing.strategies import ALL, ANALYTIC, Problem, networks, problem, problems, two_layer


def small(names: tuple[str, ...]) -> st.SearchStrategy[Problem]:
    """Problems of so few weights that all second derivatives, or 60 digits, take no time."""
    kinds = st.one_of(networks(ANALYTIC), two_layer()) if names is ALL else networks(names)
    return problems(kinds).filter(lambda case: case.params.size <= 50)


def measured(case: Problem) -> Start:
    sigma = case.net.activation
    bounds = (1.0, 0.0) if isinstance(case.net, mgd.TwoLayerReLU) else (sigma.lipschitz, sigma.smoothness)
    params = case.params.map(lambda array: np.asarray(array, np.float64))
    return measure(case.net, params, case.X, case.y, *bounds)


def away(theta, direction, radius):
    """θ + radius · direction, where `direction` is one long vector."""
    parts = np.split(direction[: sum(array.size for array in theta)], np.cumsum([a.size for a in theta])[:-1])
    return [array + radius * part.reshape(array.shape) for array, part in zip(theta, parts, strict=True)]


# ---------------------------------------------------------------------- what is measured at θ₀


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@at_most(15)
@given(small(ANALYTIC))
def test_what_is_measured_bounds_the_exact_numbers(dtype, case):
    params = case.params.map(lambda array: array.astype(dtype))
    case = case.with_params(params)
    start = measured(case)
    judge, theta = Judge.of(case.net, params, case.X, case.y, exact=True)
    u, J = judge.jacobian(theta)
    residual = u - judge.y
    assert np.sum(residual * residual) < flint.arb(start.residual) ** 2
    assert is_norm_bound(start.largest, J)
    first = 0
    for smallest, array in zip(start.smallest, theta, strict=True):  # the columns of the layers from this one on
        part = J[:, first:]
        assert smallest == 0 or is_positive_definite(part @ part.T - balls(np.eye(len(J))) * flint.arb(smallest) ** 2)
        first += array.size
    samples = [judge.layer_values(theta, x, judge.directions(theta)) for x in judge.X]
    for h, layer in enumerate(start.layers):
        phi, slope = [sample[h][0] for sample in samples], [sample[h][2] for sample in samples]
        g = [upstream(judge, theta, sample, h) for sample in samples]
        delta = [judge.scale(h) * s * upward for s, upward in zip(slope, g, strict=True)]
        assert all(abs(entry) < layer.slope + 1e-300 for entry in np.ravel(slope))
        assert all(abs(entry) < layer.upstream for entry in np.ravel(g))
        assert all(is_norm_bound(layer.one, features) for features in phi)
        assert all(is_norm_bound(layer.sensitivity, array) for array in delta)
        assert is_norm_bound(layer.all, np.concatenate(phi, axis=1))
        assert is_norm_bound(layer.weight, theta[h])
        w = np.max(np.abs(np.array(g, float)), axis=(0, 2))
        assert is_norm_bound(layer.weighted, np.sqrt(balls(w))[:, None] * theta[h])
        V = np.random.default_rng(0).standard_normal(theta[h].shape)
        fourth = sum(np.linalg.norm(V @ features.astype(float)) ** 4 for features in phi) ** 0.25
        assert fourth <= layer.four * np.linalg.norm(V) * (1 + 1e-12)


def upstream(judge, theta, sample, h):
    """∂u/∂x^(h), (m, p): forward from there, along every unit vector."""
    shape = sample[h][3].shape
    dx = np.eye(math.prod(shape), dtype=int).reshape(-1, *shape)
    for later in range(h + 1, judge.net.depth):
        slope = sample[later][2]
        new = judge.scale(later) * slope * (theta[later] @ judge.patches(dx))
        dx = new + (dx if judge.skips(later) else 0)
    return np.sum(theta[-1] * dx, axis=(1, 2)).reshape(shape)


# ---------------------------------------------------------------------- the curvature


@at_most(20)
@given(small(ANALYTIC), st.sampled_from([0.0, 0.1, 1.0]))
def test_no_direction_anywhere_in_the_ball_is_more_curved(case, radius):
    bound = curvature(measured(case), np.array([radius]))[0]
    assert most_curved(case, radius) <= bound * (1 + 1e-9)


@at_most(15)
@given(small(ANALYTIC), st.sampled_from([0.0, 0.1, 1.0]))
def test_the_columns_of_the_later_layers_are_no_more_curved_than_is_said(case, radius):
    """For any unit q, ⟨q, D²u⟩ with one of its directions in these layers is a matrix of that norm at most."""
    bounds = parts(measured(case), np.array([radius]))[:, 0]
    judge, theta = Judge.of(case.net, case.params, case.X, case.y)
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(case.params.size)
    D2 = judge.second_derivatives(away(theta, direction / np.linalg.norm(direction), radius))
    first = np.cumsum([0, *(array.size for array in theta[:-1])])
    for q in rng.standard_normal((3, len(D2))):
        rows = np.tensordot(q / np.linalg.norm(q), D2, 1)
        for start, bound in zip(first, bounds, strict=True):
            assert np.linalg.norm(rows[start:], 2) <= bound * (1 + 1e-9)


def most_curved(case: Problem, radius: float) -> float:
    """The largest ‖ü‖ found in the ball: at its centre, in random places and where the worst directions lead."""
    with one_blas_thread():  # for matrices as small as these
        return _most_curved(case, radius)


def _most_curved(case: Problem, radius: float) -> float:
    judge, theta = Judge.of(case.net, case.params, case.X, case.y)
    rng = np.random.default_rng(1)
    found, worst = largest_curvature(judge.second_derivatives(theta), rng)
    if radius == 0:
        return found
    random = rng.standard_normal(len(worst))
    sparse = np.eye(len(worst))[rng.integers(len(worst))]
    for direction in (random / np.linalg.norm(random), sparse, worst, -worst):
        for _ in range(2):
            there = judge.second_derivatives(away(theta, direction, radius))
            value, direction = largest_curvature(there, rng, starts=2)
            found = max(found, value)
    return found


@at_most(20)
@given(small(ANALYTIC), st.sampled_from([0.1, 1.0]))
def test_the_jacobian_is_lipschitz_between_points_of_the_ball(case, radius):
    bound = curvature(measured(case), np.array([radius]))[0]
    judge, theta = Judge.of(case.net, case.params, case.X, case.y)
    size = sum(array.size for array in theta)
    rng = np.random.default_rng(0)
    for _ in range(4):
        there = rng.standard_normal(size)
        there *= radius / np.linalg.norm(there)
        other = there + 0.1 * radius * np.eye(size)[rng.integers(size)]
        other *= min(1.0, radius / np.linalg.norm(other))
        change = judge.jacobian(away(theta, other, 1))[1] - judge.jacobian(away(theta, there, 1))[1]
        assert np.linalg.norm(change, 2) <= bound * np.linalg.norm(other - there) * (1 + 1e-9) + 1e-12


@given(problems(networks(ANALYTIC)))
def test_the_curvature_does_not_fall_with_the_radius(case):
    start = measured(case)
    L = curvature(start, np.array([0.0, 0.1, 0.3, 1.0, 3.0]))
    assert (np.diff(L) >= -1e-8 * L[:-1]).all()
    for radius in (0.1, 1.0):  # what is integrated over more radii is integrated more closely
        finer = curvature(start, np.linspace(0, radius, 9))[-1]
        assert finer <= curvature(start, np.array([radius]))[0] * (1 + 1e-8)


def test_the_bound_is_of_the_size_of_the_curvature_found():
    """With one hidden layer hardly above it: a bound with a needless √n or √m would be far off."""
    for depth, factor in ((1, 2), (2, 6)):
        case = problem(mgd.FullyConnected(3, 6, depth, "tanh"), n=2, seed=0)
        assert curvature(measured(case), np.zeros(1))[0] <= factor * most_curved(case, 0)


# ---------------------------------------------------------------------- the conclusion

SMALL = {
    "FullyConnected, one layer": mgd.FullyConnected(3, 6, 1, "tanh"),
    "FullyConnected, two layers": mgd.FullyConnected(3, 4, 2, "sincos"),
    "ResNet": mgd.ResNet(3, 4, 2, "tanh"),
    "ConvResNet 1-D": mgd.ConvResNet((1, 3), 3, 2, (3,), "gelu"),
    "ConvResNet 2-D": mgd.ConvResNet((1, 2, 2), 2, 1, (3, 3), "silu"),
    "softplus": mgd.ResNet(3, 3, 2, "softplus"),
    "square": mgd.FullyConnected(3, 4, 1, "square"),
    "identity": mgd.FullyConnected(3, 4, 1, "identity"),
    "TwoLayerReLU, a fixed": mgd.TwoLayerReLU(3, 12),
    "TwoLayerReLU, a trained": mgd.TwoLayerReLU(3, 12, train_output=True),
}


def nearly_fitted(net: mgd.Network, seed: int = 0, dtype: type = np.float64, gap: float = 1e-4) -> Problem:
    """A network and two samples, nearly at right angles, that it fits but for a little."""
    case = problem(net, n=2, seed=seed)
    case = dataclasses.replace(case, X=2 * np.eye(2, case.X[0].size).reshape(case.X.shape) + 0.2 * case.X)
    params = case.params.map(lambda array: array.astype(dtype))
    return dataclasses.replace(case, params=params, y=net.predict(params, case.X) + gap * case.y)


def follow(case: Problem, made: mgd.Certificate, steps: int) -> float:
    """Run exact descent, hold it to the certificate at every step, and return the last loss."""
    judge, theta = Judge.of(*case.everything, exact=True)
    bound, rate = flint.arb(made.residual), flint.arb(made.rate)
    for _, (residual, distance) in zip(range(steps), descend(judge, theta, made.step_size), strict=False):
        assert residual <= bound
        assert distance <= made.radius
        bound *= rate
        if residual**2 / 2 < 1e-50:
            break
    return float(residual**2 / 2)


@pytest.mark.parametrize("net", SMALL.values(), ids=SMALL)
def test_exact_descent_does_what_the_certificate_says(net):
    case = nearly_fitted(net)
    eta = mgd.stable_step_size(net, case.params, case.X)
    made = mgd.certify(*case.everything, step_size=eta)
    assert made.holds
    assert made.step_size == eta
    assert follow(case, made, steps=3000) < 1e-50


def test_a_network_that_has_been_trained_is_certified_before_its_loss_is_zero():
    net = mgd.ResNet(3, 20, 2, "tanh")
    case = problem(net, n=4, seed=0)
    eta = mgd.stable_step_size(net, case.params, case.X)
    assert not mgd.certify(*case.everything, step_size=eta).holds
    run = mgd.gradient_descent(*case.everything, eta, 20_000, target_loss=1e-6)
    made = mgd.certify(*case.with_params(run.params).everything, step_size=eta)
    assert made.holds
    assert made.residual**2 / 2 == pytest.approx(run.loss[-1], rel=1e-3)


@at_most(12)
@given(small(ALL), st.sampled_from([0.3, 1.0, None]), st.integers(0, 3))
def test_where_a_certificate_holds_exact_descent_keeps_to_it(case, share, weight):
    """On random networks, close to weights that fit: labels are their predictions, but for a little."""
    y = case.net.predict(case.params, case.X) + 10.0**-weight * case.y
    case = dataclasses.replace(case, y=y)
    G = mgd.gram.total(case.net, case.params, case.X)
    assume(np.trace(G) > 0)
    eta = None if share is None else share / np.linalg.eigvalsh(G)[-1]
    made = mgd.certify(*case.everything, step_size=eta)
    if made.holds:
        follow(case, made, steps=12)


def test_the_step_size_that_is_given_back_is_certified_and_is_about_the_largest():
    case = nearly_fitted(SMALL["FullyConnected, two layers"])
    made = mgd.certify(*case.everything)
    assert made.holds
    assert mgd.certify(*case.everything, step_size=made.step_size).holds
    assert not mgd.certify(*case.everything, step_size=made.step_size * 1.001).holds
    assert made.step_size < 2 / np.linalg.eigvalsh(mgd.gram.total(*case.everything[:3]))[-1]
    too_large = mgd.certify(*case.everything, step_size=10 * made.step_size)
    suggested = float(re.search("a smaller step size, (.*) for example", str(too_large))[1])
    assert mgd.certify(*case.everything, step_size=suggested).holds


def test_a_wide_network_is_certified_before_its_first_step():
    X, y = data.sphere(4, 20, seed=0), data.random_labels(4, seed=0)
    net = mgd.FullyConnected(20, 10_000, 1, "sincos")
    made = mgd.certify(net, net.init(0), X, y)
    assert made.holds
    assert made.residual > 1
    assert made.margin > 2


def test_weights_in_float32_are_the_numbers_that_they_are():
    case = nearly_fitted(SMALL["FullyConnected, one layer"], dtype=np.float32)
    single = mgd.certify(*case.everything)
    double = mgd.certify(*case.with_params(case.params.map(np.float64)).everything)
    assert single == double
    assert single.holds


def test_a_certificate_comes_out_the_same_whatever_the_blocks_of_samples(monkeypatch):
    from minimal_gd.networks import base

    for net in (SMALL["ConvResNet 1-D"], SMALL["ResNet"]):
        case = problem(net, n=5, seed=1)
        whole = measured(case)
        monkeypatch.setattr(base, "BLOCK_BYTES", 1)
        blocks = measured(case)
        monkeypatch.undo()
        for field in dataclasses.fields(Start)[1:]:
            assert getattr(blocks, field.name) == pytest.approx(getattr(whole, field.name), rel=1e-6)
        for one, other in zip(blocks.layers, whole.layers, strict=True):
            assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other), rel=1e-6)


# ---------------------------------------------------------------------- wrong variants


def largest_form(start: Start, radius: float = 0.0, forgotten: int | None = None) -> float:
    M = form(start, np.array([radius]))[0]
    if forgotten is not None:
        M[forgotten], M[:, forgotten] = 0, 0
    return np.linalg.eigvalsh(M)[-1]


def test_a_curvature_without_the_number_of_samples_is_too_small():
    """Four equal samples have twice the curvature of one, in the norm over the samples."""
    case = problem(mgd.FullyConnected(3, 5, 1, "tanh"), n=1, seed=0)
    case = dataclasses.replace(case, X=np.repeat(case.X, 4, axis=0), y=np.repeat(case.y, 4))
    start = measured(case)
    alone = [dataclasses.replace(layer, all=layer.one, four=layer.one) for layer in start.layers]
    assert largest_form(dataclasses.replace(start, layers=alone)) < most_curved(case, 0) <= largest_form(start)


@pytest.mark.parametrize("forgotten", [0, 1, 2])
def test_a_curvature_that_forgets_a_layer_is_too_small(forgotten):
    """Where that layer's share of the curvature is the largest by far: its own norm is small beside the others'."""
    net = mgd.FullyConnected(3, 3, 2, "tanh")
    scales = {0: (1e-3, 1.0, 3.0), 1: (1.0, 1e-3, 3.0), 2: (1.0, 1.0, 1e-3)}[forgotten]
    case = problem(net, n=2, seed=0)
    W, a = case.params
    case = case.with_params(mgd.Parameters((scales[0] * W[0], scales[1] * W[1]), scales[2] * a))
    start, found = measured(case), most_curved(case, 0)
    assert largest_form(start, forgotten=forgotten) < found <= largest_form(start)


def test_a_curvature_that_forgets_how_g_changes_is_too_small():
    """At a = 0 the last g is 0, and nothing says that it is not everywhere."""
    net = mgd.FullyConnected(2, 2, 1, "softplus")
    case = problem(net, n=1, seed=0)
    case = case.with_params(mgd.Parameters((case.params.W[0] * 0,), case.params.a * 0))
    case = dataclasses.replace(case, X=case.X * 30)
    start, radius = measured(case), 5.0
    frozen = form(start, np.zeros(1))[0]
    frozen[0, 1] = frozen[1, 0] = form(start, np.array([radius]))[0][0, 1]
    assert np.linalg.eigvalsh(frozen)[-1] < most_curved(case, radius) <= largest_form(start, radius)


def test_an_eigenvalue_in_place_of_a_singular_value_promises_too_much():
    """λ_min(ΣG) > 1, so it is above σ_min(J); and the residual is along its eigenvector, which shrinks slowest."""
    net = mgd.FullyConnected(2, 30, 1, "sincos")
    case = problem(net, n=2, seed=3)
    case = dataclasses.replace(case, X=3 * np.eye(2))
    values, vectors = np.linalg.eigh(mgd.gram.total(net, case.params, case.X))
    assert values[0] > 2
    case = dataclasses.replace(case, y=net.predict(case.params, case.X) + 1e-6 * vectors[:, 0])
    eta = 0.1 / values[-1]
    right = mgd.certify(*case.everything, step_size=eta)
    judge, theta = Judge.of(*case.everything, exact=True)
    (before, _), (after, _), *_ = (pair for pair, _ in zip(descend(judge, theta, eta), range(2), strict=False))
    assert right.holds
    assert after <= right.rate * before
    premises = induction(measured(case), smallest=np.array([values[0], 0]))
    j = np.argmax(premises.shares_left(eta) > premises.needed)
    assert premises.shares_left(eta)[j] > premises.needed[j]  # it says yes
    wrong = 1 - eta * premises.shares_left(eta)[j] * premises.smallest[j] ** 2
    assert after > wrong * before


def induction(start: Start, **changes) -> Induction:
    start = dataclasses.replace(start, **changes)
    radii = certificate.induction.radii_to_try(start.residual, start.smallest, parts(start, np.zeros(1))[:, 0])
    L = parts(start, radii)
    return Induction.of(start.residual, start.smallest, start.largest, radii, L, np.full(len(radii), np.inf))


def test_without_rounding_conflicting_labels_would_be_certified():
    """Two equal inputs whose labels differ in the last bit: the loss is 1e-32, and never 0."""
    net = mgd.FullyConnected(2, 400, 1, "sincos")
    says_yes = 0
    for seed in range(30):
        params, X, _ = problem(net, n=2, seed=seed).everything[1:]
        X = X[[0, 0, 1]]
        u = net.predict(params, X)
        y = np.array([u[0], np.nextafter(u[1], 10), u[2]])
        smallest = np.linalg.eigvalsh(mgd.gram.total(net, params, X))[0]
        conflicting = Problem(net, params, X, y)
        assert not mgd.certify(*conflicting.everything).holds
        residual = float(np.linalg.norm(u - y))
        if smallest > 0:
            premises = induction(measured(conflicting), residual=residual, smallest=np.array([smallest**0.5, 0]))
            says_yes += bool((premises.needed < 1).any())
    assert says_yes > 0
