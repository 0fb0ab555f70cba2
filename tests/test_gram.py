"""The Gram matrices at finite width; test_architectures.py holds them against the explicit Jacobian."""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.networks import base, blocks
from minimal_gd.testing.strategies import networks, problem, problems, seeds

NETS = [
    mgd.FullyConnected(5, 8, 3),
    mgd.ResNet(5, 8, 3, "tanh"),
    mgd.ConvResNet((2, 7), 8, 3, (3,)),
    mgd.ConvResNet((2, 4, 3), 6, 3, (3, 3), "gelu"),
    mgd.TwoLayerReLU(5, 8),
]


def test_gram_matrices_of_the_companion_are_those_of_its_jacobian():
    """ReLU has no complex step; away from its kinks u is linear in each layer, so differences are exact."""
    case = problem(mgd.TwoLayerReLU(3, 5), n=4, seed=2)
    (W,), a = case.params
    active = (case.X @ W.T >= 0).astype(float)
    J = np.einsum("ir,r,id->ird", active, a / np.sqrt(5), case.X).reshape(4, -1)
    features = np.maximum(case.X @ W.T, 0) / np.sqrt(5)
    np.testing.assert_allclose(gram.empirical(case.net, case.params, case.X), [J @ J.T, features @ features.T])


@given(problems(networks()))
def test_both_ways_for_the_convolution_agree(case):
    work = next(work for _, work in case.net.workspaces(case.X, np.float64))
    for delta, phi in case.net.pairs(case.params, work):
        by_positions = gram._sum_over_positions(delta, phi, delta[::-1], phi[::-1], map)
        by_gradients = gram._products_of_gradients(delta, phi, delta[::-1], phi[::-1], map)
        scale = np.einsum("ipm,ipm->", delta, delta) * np.einsum("ipk,ipk->", phi, phi) + 1e-300
        assert (np.abs(by_positions - by_gradients) <= 1e-12 * scale).all()


@pytest.mark.parametrize(
    ("s", "t", "p", "m", "k", "expected"),
    [  # operations: s t p² (m + k) against s t m k + (s + t) p m k
        (1, 1, 6, 6, 6, "_sum_over_positions"),  # 432, 468
        (1, 1, 7, 6, 6, "_products_of_gradients"),  # 588, 540
        (1, 1, 4, 2, 16, "_sum_over_positions"),  # 288, 288
        (1, 2, 5, 6, 6, "_sum_over_positions"),  # 600, 612
        (2, 1, 6, 6, 6, "_products_of_gradients"),  # 864, 720
        (4, 5, 2, 3, 1, "_products_of_gradients"),  # 320, 114
        (4, 5, 1, 3, 1, "_sum_over_positions"),  # 80, 87
    ],
)
def test_the_way_of_fewer_operations_is_taken(monkeypatch, s, t, p, m, k, expected):
    called = []
    for name in ("_sum_over_positions", "_products_of_gradients"):
        monkeypatch.setattr(gram, name, lambda *_, name=name: called.append(name))
    gram._inner_products(np.ones((s, p, m)), np.ones((s, p, k)), np.ones((t, p, m)), np.ones((t, p, k)), map)
    assert called == [expected]


class Watched(np.ndarray):
    """An array that remembers by which slices it was cut."""

    def __getitem__(self, key):
        if isinstance(cut := key[-1] if isinstance(key, tuple) else key, slice):
            self.cuts.append((cut.start, cut.stop))
        return super().__getitem__(key).view(np.ndarray)


def watched(shape):
    array = np.random.default_rng(0).standard_normal(shape).view(Watched)
    array.cuts = []
    return array


@pytest.mark.parametrize(
    ("p", "samples_that_fit", "cuts"),
    [
        (2, 3.0, [(0, 3), (3, 6), (6, 7)]),
        (2, 2.9, [(0, 2), (2, 4), (4, 6), (6, 7)]),
        (2, 0.1, [(i, i + 1) for i in range(7)]),
        (3, 7.0, [(0, 7)]),
        (1, 4.0, [(0, 4), (4, 7)]),
    ],
)
def test_products_of_as_many_samples_as_fit_are_made_at_a_time(monkeypatch, p, samples_that_fit, cuts):
    t = 3
    monkeypatch.setattr(gram, "_PRODUCTS_AT_ONCE", int(samples_that_fit * p * p * t))
    delta, phi = watched((7, p, 4)), np.ones((7, p, 5))
    gram._sum_over_positions(delta, phi, np.ones((t, p, 4)), np.ones((t, p, 5)), map)
    assert delta.cuts == cuts


@pytest.mark.parametrize(
    ("units_that_fit", "cuts"),
    [(2.0, [(0, 2), (2, 4), (4, 6)]), (1.9, [(i, i + 1) for i in range(6)]), (0.1, [(i, i + 1) for i in range(6)])],
)
def test_gradients_of_as_many_units_as_fit_are_made_at_a_time(monkeypatch, units_that_fit, cuts):
    s, t, k = 4, 3, 5
    monkeypatch.setattr(gram, "_PRODUCTS_AT_ONCE", int(units_that_fit * (s + t) * k))
    delta = watched((s, 2, 6))
    gram._products_of_gradients(delta, np.ones((s, 2, k)), np.ones((t, 2, 6)), np.ones((t, 2, k)), map)
    assert delta.cuts == cuts


def test_half_a_million_products_are_made_at_a_time():
    delta, phi = watched((513, 1, 1)), np.ones((513, 1, 1))
    gram._sum_over_positions(delta, phi, np.ones((1024, 1, 1)), np.ones((1024, 1, 1)), map)
    assert delta.cuts == [(0, 512), (512, 513)]


def test_samples_with_themselves_give_a_symmetric_matrix_however_a_product_is_rounded():
    delta, phi = np.ones((4, 2, 3)), np.ones((4, 2, 5))
    products = np.random.default_rng(0).standard_normal((4, 4))
    G = gram._products_of_gradients(delta, phi, delta, phi, lambda part, units: [products])
    np.testing.assert_array_equal(G, np.triu(products) + np.triu(products, 1).T)


@pytest.mark.parametrize(("n", "is_in_threads"), [(1, False), (2, True), (3, True)])
def test_threads_are_started_where_there_is_more_than_one_block(monkeypatch, n, is_in_threads):
    net = mgd.FullyConnected(4, 6, 2)
    monkeypatch.setattr(blocks, "_MULTIPLICATIONS_A_BLOCK", 60)  # a sample
    monkeypatch.setattr(blocks, "_ROWS_A_BLOCK", 1)
    assert len(blocks.of_samples(net, n)) == n
    started = []
    monkeypatch.setattr(gram, "threads", lambda: started.append(True) or nullcontext(map))
    case = problem(net, n, seed=0)
    gram.empirical(net, case.params, case.X)
    assert started == [True] * is_in_threads


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_only_samples_far_from_one_are_scaled_and_exactly(dtype, sign):
    bound = np.finfo(dtype).maxexp // 6
    exponents = np.array([0, 5, bound - 1, bound, -bound - 1, -bound - 2])  # of 2^e, which frexp calls ½ 2^(e+1)
    delta = np.ldexp(sign * np.ones((6, 2, 3), dtype), exponents[:, None, None])
    delta[:, 0, 0] /= -4
    (scaled, phi), powers = gram._scaled(delta, np.ones((6, 2, 4), dtype))
    np.testing.assert_array_equal(powers, [0, 0, 0, bound + 1, 0, -bound - 1])
    np.testing.assert_array_equal(np.ldexp(scaled, powers[:, None, None]), delta)
    np.testing.assert_array_equal(phi, 1)
    assert scaled.dtype == dtype


def test_a_matrix_is_scaled_only_if_its_squares_leave_the_range():
    for power, exponent in ((0, 0), (340, 0), (341, 342), (-342, 0), (-343, -342)):
        assert gram.power_of_two(np.array([[0.25, -1.0]]) * 2.0**power) == exponent
    assert gram.power_of_two(np.empty(0)) == 0


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_the_largest_eigenvalue_is_right_at_both_ends_of_the_range(size):
    assert gram.largest_eigenvalue(size * np.array([[2.0, 1.0], [1.0, 2.0]])) == pytest.approx(3 * size, rel=1e-12)


def test_lapack_is_asked_up_to_500_samples_and_lanczos_beyond(monkeypatch):
    monkeypatch.setattr(gram, "eigh", lambda *_, **__: ["LAPACK"])
    monkeypatch.setattr(gram.scipy.sparse.linalg, "eigsh", lambda *_, **__: ["Lanczos"])
    for n, asked in ((500, "LAPACK"), (501, "Lanczos")):
        with pytest.raises(ValueError, match=asked):  # no number
            gram.largest_eigenvalue(np.eye(n))


@pytest.mark.parametrize(("largest", "is_good"), [(1e-308, True), (1e-310, False)])
def test_a_step_size_is_given_as_long_as_it_is_a_number(monkeypatch, largest, is_good):
    monkeypatch.setattr(gram, "total", lambda *_: np.array([[largest]]))
    if is_good:
        assert gram.stable_step_size(None, None, None) == 1 / largest
    else:
        with pytest.raises(ValueError, match="some gradient"):
            gram.stable_step_size(None, None, None)


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_small_blocks_give_the_same(monkeypatch, net):
    case = problem(net, n=5, seed=0)
    whole = gram.empirical(net, case.params, case.X)
    monkeypatch.setattr(base, "BLOCK_BYTES", 2 * base.Workspace.bytes_per_sample(net, np.float64))
    monkeypatch.setattr(gram, "_PRODUCTS_AT_ONCE", 1)
    assert len(net.sample_blocks(5, np.float64)) == 3
    in_blocks = gram.empirical(net, case.params, case.X)
    np.testing.assert_allclose(in_blocks, whole, rtol=1e-11)
    np.testing.assert_array_equal(in_blocks, in_blocks.transpose(0, 2, 1))
    np.testing.assert_allclose(
        gram.total(net, case.params, case.X),
        whole[: 2 if net.train_output else 1].sum(axis=0) if net.depth == 1 else whole.sum(axis=0),
        rtol=1e-11,
    )


def test_blocks_of_samples_far_from_one_give_the_same(monkeypatch):
    net = mgd.FullyConnected(3, 4, 2, "identity")
    case = problem(net, n=4, seed=0)
    X = case.X * np.array([1e120, 1e-120, 1.0, 1e60])[:, None]
    whole = gram.empirical(net, case.params, X)
    assert np.abs(whole).max() > 1e200
    monkeypatch.setattr(base, "BLOCK_BYTES", 1)
    np.testing.assert_allclose(gram.empirical(net, case.params, X), whole, rtol=1e-11)


@given(problems(networks()))
def test_the_total_is_the_sum_of_the_trained_layers(case):
    G = gram.empirical(*case.everything[:3])
    trained = G if case.net.train_output else G[:-1]
    np.testing.assert_allclose(gram.total(*case.everything[:3]), trained.sum(axis=0), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_float32_parameters_give_float32_gram_matrices(net):
    case = problem(net, n=4, seed=0)
    single = case.params.map(lambda array: array.astype(np.float32))
    G = gram.empirical(net, single, case.X.astype(np.float32))
    assert G.dtype == np.float32
    np.testing.assert_allclose(G, gram.empirical(net, case.params, case.X), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_one_small_step_moves_the_predictions_by_minus_eta_gram_times_the_residual(net):
    """The paper's I_1: u(k+1) - u(k) = -η G (u - y) + O(η²); halving η leaves a quarter of the rest."""
    case = problem(net, n=4, seed=1)
    u, G = net.predict(case.params, case.X), gram.total(net, case.params, case.X)
    rest = []
    for eta in (1e-5, 0.5e-5):
        run = mgd.gradient_descent(net, case.params, case.X, case.y, eta, 1, predictions=True)
        rest.append(np.linalg.norm(run.predictions[1] - u + eta * G @ (u - case.y)))
    assert rest[0] < 1e-3 * 1e-5 * np.linalg.norm(G @ (u - case.y))
    if isinstance(net, mgd.TwoLayerReLU):  # no pattern changes in so small a step: u is linear, and rounding is left
        assert rest[0] <= 100 * np.finfo(float).eps * np.linalg.norm(u)
    else:
        assert rest[0] / rest[1] == pytest.approx(4, rel=0.05)


@given(st.integers(1, 6), st.sampled_from([1, gram._DENSE_LIMIT]), seeds)
def test_the_largest_eigenvalue_of_a_gram_matrix_is_the_square_of_the_largest_singular_value(rank, least, seed):
    A = np.random.default_rng(seed).standard_normal((least + 3, rank))
    assert gram.largest_eigenvalue(A @ A.T) == pytest.approx(np.linalg.norm(A, 2) ** 2, rel=1e-10)


@given(problems(networks()))
def test_the_stable_step_size_is_one_over_the_largest_eigenvalue(case):
    G = gram.empirical(*case.everything[:3])
    G = G if case.net.train_output else G[:-1]
    largest = np.linalg.eigvalsh(G.sum(axis=0))[-1]
    if largest > 0:
        assert mgd.stable_step_size(*case.everything[:3]) == pytest.approx(1 / largest, rel=1e-9)


def test_without_any_gradient_there_is_no_step_size():
    net = mgd.TwoLayerReLU(2, 1)
    params = mgd.Parameters((np.array([[1.0, 0.0]]),), np.array([1.0]))
    with pytest.raises(ValueError, match="params must give some gradient at X"):
        mgd.stable_step_size(net, params, [[-1.0, 0.0]])


@pytest.mark.parametrize("n", [3, 600])
def test_the_largest_eigenvalue_of_nothing_is_zero(n):
    assert gram.largest_eigenvalue(np.zeros((n, n))) == 0
