"""The four architectures: definitions, shapes, initialisation; test_architectures.py has what all have in common."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from public_functions import flat
from references import conv_resnet_by_correlate, conv_resnet_by_loops

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.gradcheck import relative_error
from minimal_gd.networks import base
from minimal_gd.networks.conv_resnet import _sliding_sum
from minimal_gd.networks.workspace import Workspace
from minimal_gd.testing.strategies import ALL, conv_resnet, fully_connected, networks, problem, problems, resnet, seeds

ONE_OF_EACH = [
    mgd.FullyConnected(5, 7, 3),
    mgd.ResNet(5, 7, 3, c_res=0.9),
    mgd.ConvResNet((2, 6), 7, 3, (3,)),
    mgd.ConvResNet((2, 3, 4), 7, 3, (3, 5), "tanh"),
    mgd.TwoLayerReLU(5, 7),
]


# ---------------------------------------------------------------------- arguments


def test_only_a_network_is_a_network():
    net = ONE_OF_EACH[1]
    assert base.require_network(net) is net
    with pytest.raises(TypeError, match="net must be a Network, got"):
        base.require_network("ResNet")


def test_parameters_samples_and_targets_come_back_as_arrays_of_one_dtype():
    net = mgd.ResNet(2, 5, 2)
    params, X, y = base.arguments(net, net.init(0), [[1, 0], [0, 1]], [1, -1])
    assert [X.dtype, y.dtype] == [params.dtype] * 2
    assert len(base.arguments(net, net.init(0), np.eye(2))) == 2
    _, _, y = base.arguments(net, net.init(0, np.float32), np.eye(2), [1, -1], dtype=np.float64)
    assert y.dtype == np.float64
    with pytest.raises(ValueError, match="y must have shape"):
        base.arguments(net, net.init(0), np.eye(2), np.ones(3))


# ---------------------------------------------------------------------- the definitions, spelled out


@given(problems(fully_connected()))
def test_fully_connected_is_equation_2(case):
    net = case.net
    for x, u in zip(case.X, net.predict(case.params, case.X), strict=True):
        for W in case.params.W:
            x = math.sqrt(net.activation.c_sigma / net.width) * net.activation.sigma(W @ x)
        assert u == pytest.approx(case.params.a @ x, rel=1e-10, abs=1e-10)


@given(problems(resnet()))
def test_resnet_is_equation_3(case):
    net = case.net
    for x, u in zip(case.X, net.predict(case.params, case.X), strict=True):
        x = math.sqrt(net.activation.c_sigma / net.width) * net.activation.sigma(case.params.W[0] @ x)
        for W in case.params.W[1:]:
            x = x + net.c_res / (net.depth * math.sqrt(net.width)) * net.activation.sigma(W @ x)
        assert u == pytest.approx(case.params.a @ x, rel=1e-10, abs=1e-10)


def test_two_layer_relu_is_the_companions_equation_1():
    case = problem(mgd.TwoLayerReLU(5, 9), n=4, seed=0)
    (W,), a = case.params
    expected = [sum(a[r] * max(W[r] @ x, 0) for r in range(9)) / 3 for x in case.X]
    np.testing.assert_allclose(case.net.predict(case.params, case.X), expected, rtol=1e-13)
    assert set(case.net.init(0).a) == {-1.0, 1.0}


def test_the_companions_output_layer_has_no_gradient_unless_it_is_trained():
    companion, trained = mgd.TwoLayerReLU(5, 9), mgd.TwoLayerReLU(5, 9, train_output=True)
    for net, is_trained in ((companion, False), (trained, True), (mgd.ResNet(5, 9, 2), True)):
        case = problem(net, n=4, seed=0)
        assert net.gradient(*case.everything[1:]).a.any() == is_trained


def test_relu_has_slope_one_at_zero():
    net = mgd.TwoLayerReLU(2, 1)
    params = mgd.Parameters((np.array([[1.0, 0.0]]),), np.array([1.0]))
    at_the_kink = np.array([[0.0, 1.0]])
    np.testing.assert_array_equal(net.gradient(params, at_the_kink, [-2.0]).W[0], [[0.0, 2.0]])


@given(problems(conv_resnet()))
def test_convolution_agrees_with_scipys_correlate(case):
    expected = conv_resnet_by_correlate(*case.everything[:3])
    np.testing.assert_allclose(case.net.predict(case.params, case.X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "net",
    [
        mgd.ConvResNet((2, 5), 3, 3, (3,), "softplus"),
        mgd.ConvResNet((2, 4, 3), 3, 2, (3, 5), "tanh"),
        mgd.ConvResNet((1, 2), 2, 2, (7,), "gelu"),
    ],
    ids=repr,
)
def test_convolution_agrees_with_the_sum_that_defines_it(net):
    case = problem(net, n=2, seed=3)
    expected = conv_resnet_by_loops(net, case.params, case.X)
    np.testing.assert_allclose(net.predict(case.params, case.X), expected, rtol=1e-12)


@given(problems(resnet()))
def test_convolution_with_one_position_and_a_filter_of_one_is_the_resnet(case):
    d, m, H = case.net.input_dim, case.net.width, case.net.depth
    params = mgd.Parameters(case.params.W, case.params.a[:, None])
    for shape, filter_shape in (((d, 1), (1,)), ((d, 1, 1), (1, 1))):
        conv = mgd.ConvResNet(shape, m, H, filter_shape, case.net.activation, case.net.c_res)
        X = case.X.reshape(-1, *shape)
        scale = 1 + np.abs(case.net.predict(case.params, case.X)).max()
        difference = conv.predict(params, X) - case.net.predict(case.params, case.X)
        assert np.abs(difference).max() <= 1e-12 * scale
        ours, theirs = conv.gradient(params, X, case.y), case.net.gradient(case.params, case.X, case.y)
        assert relative_error(mgd.Parameters(ours.W, ours.a[:, 0]), theirs) <= 1e-9


# ---------------------------------------------------------------------- patches


@given(st.integers(1, 9), st.sampled_from([1, 3, 5, 7]), seeds)
def test_a_sliding_sum_adds_the_neighbours_that_a_filter_of_this_size_sees(length, size, seed):
    """Along one axis, and along two that move together."""
    array = np.random.default_rng(seed).standard_normal((2, length, length))
    alone, together = (_sliding_sum(array, axes, size) for axes in ([1], [1, 2]))
    offsets = range(-(size // 2), size // 2 + 1)
    for i, j in np.ndindex(length, length):
        column = [array[:, i + k, j] for k in offsets if 0 <= i + k < length]
        diagonal = [array[:, i + k, j + k] for k in offsets if 0 <= i + k < length and 0 <= j + k < length]
        np.testing.assert_allclose(alone[:, i, j], sum(column), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(together[:, i, j], sum(diagonal), rtol=1e-12, atol=1e-13)


@given(problems(conv_resnet()))
def test_patch_norms_lie_between_those_of_the_image_and_root_q_times_them(case):
    """‖x‖_F ≤ ‖φ(x)‖_F ≤ √q ‖x‖_F: every pixel is used at least once and at most q times."""
    for _, work in case.net.workspaces(case.X, np.float64):
        norm, patches = np.linalg.norm(case.X), np.linalg.norm(work.phi[0])
        q = math.prod(case.net.filter_shape)
        assert norm * (1 - 1e-12) <= patches <= math.sqrt(q) * norm * (1 + 1e-12)


def test_the_branch_of_a_residual_layer_has_the_factor_one_half_unless_told_otherwise():
    assert mgd.ResNet(2, 3, 2).c_res == mgd.ConvResNet((1, 2), 3, 2, (1,)).c_res == 0.5


# ---------------------------------------------------------------------- loss, precision, initialisation


@given(problems(networks()))
def test_loss_is_half_the_sum_of_squares(case):
    residual = case.net.predict(case.params, case.X) - case.y
    assert case.net.loss(*case.everything[1:]) == pytest.approx(0.5 * sum(r * r for r in residual), rel=1e-12)


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
def test_the_same_seed_gives_the_same_bits(net):
    first, again, other = net.init(3), net.init(np.random.default_rng(3)), net.init(4)
    for one, two, different in zip((*first.W, first.a), (*again.W, again.a), (*other.W, other.a), strict=True):
        np.testing.assert_array_equal(one, two)
        assert (one != different).any()
    assert first.dtype == np.float64
    single = net.init(3, dtype=np.float32)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single.W[0], first.W[0].astype(np.float32))


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
def test_parameters_have_the_documented_shapes(net):
    q = math.prod(getattr(net, "filter_shape", (1,)))
    params, first = net.init(0), net.input_shape[0] * q
    assert [W.shape for W in params.W] == [(7, first)] + [(7, 7 * q)] * (net.depth - 1)
    assert params.a.shape == ((7, net.positions) if isinstance(net, mgd.ConvResNet) else (7,))
    assert params.size == sum(array.size for array in (*params.W, params.a))
    assert net.gradient(params, np.ones((2, *net.input_shape)), [0.0, 1.0]).map(np.shape) == params.map(np.shape)


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
def test_what_is_no_pair_of_layers_and_output_is_no_parameters(net):
    W, a = net.init(0)
    for bad in ((W[0], a), (W, a, a), (W,), [W, a]):
        with pytest.raises(TypeError, match=r"params must be Parameters\(W, a\)"):
            net.predict(bad, np.ones((2, *net.input_shape)))


def test_initial_entries_are_standard_normal():
    params = mgd.ResNet(50, 300, 3).init(0)
    entries = np.concatenate([W.ravel() for W in params.W])
    # standard errors: 1/√N for the mean, √2/√N for the variance; 5 of them
    assert abs(entries.mean()) < 5 / math.sqrt(entries.size)
    assert abs(entries.var() - 1) < 5 * math.sqrt(2 / entries.size)


@pytest.mark.parametrize("name", ALL)
def test_c_sigma_keeps_the_norms_of_wide_layers_near_one(name):
    """‖x^(1)‖ ≈ 1 for unit inputs: that is what c_σ is for."""
    net = mgd.FullyConnected(8, 20_000, 1, name)
    (work,) = (work for _, work in net.workspaces(mgd.data.sphere(3, 8, 0), np.float64))
    net.forward(net.init(1), work)
    np.testing.assert_allclose(np.linalg.norm(work.phi[-1], axis=1), 1, atol=0.05)


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
def test_a_sample_takes_the_memory_of_its_rows(net):
    work = Workspace.allocate(net, 3, np.float32)
    arrays = (*work.phi, *work.delta, work.g, work.product)
    assert sum(array.nbytes for array in arrays) == 3 * Workspace.bytes_per_sample(net, np.float32)


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
def test_a_part_of_a_workspace_is_a_view_of_the_rows_of_its_samples(net):
    work, p = Workspace.allocate(net, 5, np.float64), net.positions
    part = work.samples(slice(1, 3))
    assert part.positions == p
    pairs = zip((*part.phi, *part.delta), (*work.phi, *work.delta), strict=True)
    for rows, all_rows in [*pairs, (part.u, work.u)]:
        first, last = (1, 3) if rows is part.u else (p, 3 * p)
        rows[...] = 1
        all_rows[first:last] += 1
        assert (rows == 2).all()
        assert rows.shape == all_rows[first:last].shape
    assert (len(part.g), len(part.product)) == (2 * p, 2 * p)


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
def test_a_block_takes_as_many_samples_as_the_memory_holds(monkeypatch, net):
    for fitting, sizes in ((1.99, [1] * 5), (2.0, [2, 2, 1]), (5.0, [5]), (9.0, [5]), (0.1, [1] * 5)):
        monkeypatch.setattr(base, "BLOCK_BYTES", int(fitting * Workspace.bytes_per_sample(net, np.float64)))
        blocks = net.sample_blocks(5, np.float64)
        assert [block.stop - block.start for block in blocks] == sizes
        assert [sample for block in blocks for sample in range(block.start, block.stop)] == list(range(5))


def test_a_pass_takes_a_quarter_of_a_gibibyte_at_most():
    net = mgd.FullyConnected(1000, 1000, 3)
    block, *_ = net.sample_blocks(10**6, np.float64)
    a_sample = Workspace.bytes_per_sample(net, np.float64)
    assert 0 <= 2**28 - block.stop * a_sample < a_sample


@given(problems(networks()))
def test_small_blocks_of_samples_give_the_same(case):
    whole = case.net.predict(case.params, case.X), case.net.gradient(case.params, case.X, case.y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "BLOCK_BYTES", 1)
        assert len(case.net.sample_blocks(len(case.X), np.float64)) == len(case.X)
        np.testing.assert_allclose(case.net.predict(case.params, case.X), whole[0], rtol=1e-9, atol=1e-12)
        assert relative_error(case.net.gradient(case.params, case.X, case.y), whole[1]) <= 1e-8


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
def test_the_loss_of_float32_parameters_is_summed_in_float64(net):
    """½ Σ (u_i - y_i)² of residuals whose squares float32 cannot hold, and of many whose sum it would round."""
    params = net.init(1, dtype=np.float32)
    X = np.random.default_rng(0).standard_normal((1000, *net.input_shape))
    for y in (np.full(1000, 3e30, np.float32), np.linspace(0, 1, 1000, dtype=np.float32)):
        residual = (net.predict(params, X) - y).astype(np.float64)
        exact = 0.5 * math.fsum(residual**2)
        assert abs(net.loss(params, X, y) - exact) <= 1000 * np.finfo(np.float64).eps * exact
        run = mgd.gradient_descent(net, params, X, y, 1e-30, 0)
        assert abs(run.loss[0] - exact) <= 1e-5 * exact  # its predictions are those of other blocks


@pytest.mark.parametrize("net", ONE_OF_EACH, ids=repr)
@pytest.mark.parametrize("part", ["W", "a"])
def test_parameters_of_two_dtypes_are_computed_with_in_float64(net, part):
    """As if all had been float64 from the start: nothing of either part is rounded."""
    rng, params = np.random.default_rng(0), net.init(1)
    X, y = rng.standard_normal((4, *net.input_shape)), rng.standard_normal(4)
    single = params.map(lambda array: array.astype(np.float32))
    mixed = params._replace(**{part: getattr(single, part)})
    exact = mixed.map(lambda array: array.astype(np.float64))
    for function in (net.predict, lambda *given: net.gradient(*given, y), lambda *given: gram.empirical(net, *given)):
        result = flat(function(mixed, X))
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, flat(function(exact, X)))
