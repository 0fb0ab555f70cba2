"""The compiled loop of the limits against the recursion block by block."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.limits import limiting
from minimal_gd.limits.profile import input_variances, profile
from minimal_gd.limits.rows import table
from minimal_gd.testing.strategies import seeds

EPS = np.finfo(float).eps
# where inputs are parallel, the bound of ReLU's limits is near the root of a rounding
pytestmark = pytest.mark.filterwarnings("ignore:the limits of .* are known up to:UserWarning")


def samples(n, d, seed):
    """Of norms from ½ to 2, the last one antipodal to the first, so that |ρ| = 1 too."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X *= rng.uniform(0.5, 2, (n, 1)) / np.linalg.norm(X, axis=1, keepdims=True)
    X[-1] = -X[0]
    return X


def block_by_block(net, *args):
    """The limits without the compiled loop."""
    with mock.patch.object(limiting, "table", return_value=None):
        return gram.limiting(net, *args)


def layers_of(net, X):
    pixels = net.pixels(X)
    return profile(net, input_variances(net, pixels), X.shape[-1], 1.0, 1.0).layers


nets = st.builds(
    lambda architecture, d, depth, activation: architecture(d, 3, depth, activation=activation),
    st.sampled_from([mgd.FullyConnected, mgd.ResNet]),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(["relu", "erf"]),
)


@given(nets, st.integers(2, 40), seeds)
def test_the_loop_gives_what_the_blocks_give(net, n, seed):
    X = samples(n, net.input_dim, seed)
    K, error = gram.limiting(net, X)
    plain, plain_error = block_by_block(net, X)
    assert error == plain_error
    np.testing.assert_array_equal(K, K.swapaxes(1, 2))
    # relative to the largest entry, up to the roundings of H layers; ReLU's slope has the root of them near |ρ| = 1
    allowed = 16 * net.depth * EPS if net.activation.name == "erf" else 4 * np.sqrt(16 * net.depth * EPS)
    np.testing.assert_allclose(K, plain, rtol=0, atol=allowed * plain.max())


@given(nets, st.integers(1, 20), st.integers(1, 20), seeds)
def test_the_loop_gives_rectangles_too(net, n, n2, seed):
    X = samples(n + n2, net.input_dim, seed)
    K, error = gram.limiting(net, X[:n], X[n:])
    whole, whole_error = gram.limiting(net, X)
    # both are within their errors of the same; ReLU's slope is the root of a few roundings off near |ρ| = 1
    apart = np.abs(K - whole[:, :n, n:]).max()
    assert apart <= error + whole_error
    assert apart <= 1e-6 * whole.max()


@pytest.mark.parametrize("name", ["relu", "erf"])
@pytest.mark.parametrize("n", [3, 17, 40])
def test_away_from_parallel_inputs_both_agree_to_the_last_digits(n, name):
    """On the diagonal too, for which the profile has the values: as an angle, ReLU's lose half the digits there."""
    net = mgd.ResNet(6, 3, 3, activation=name)
    for seed in range(10):
        X = samples(n + 1, 6, seed)[:-1]
        K, _ = gram.limiting(net, X)
        plain, _ = block_by_block(net, X)
        np.testing.assert_allclose(K, plain, rtol=0, atol=64 * EPS * plain.max())
        np.testing.assert_array_equal(K, K.swapaxes(1, 2))


@pytest.mark.parametrize("n", [140, 141])  # five blocks a side, with and without threads
@pytest.mark.parametrize("is_alone", [True, False])
def test_blocks_fit_together(n, is_alone, monkeypatch):
    monkeypatch.setattr("minimal_gd.limits.blocks._FEW_ENTRIES", 2**20 if is_alone else 0)
    monkeypatch.setattr("minimal_gd.limits.blocks._ENTRIES_ALONE", 30**2)
    monkeypatch.setattr("minimal_gd.limits.blocks._ENTRIES_IN_THREADS", 30**2)
    net = mgd.FullyConnected(5, 3, 2, activation="erf")
    X = samples(n, 5, seed=2)
    K, _ = gram.limiting(net, X)
    plain, _ = block_by_block(net, X)
    np.testing.assert_allclose(K, plain, rtol=0, atol=64 * EPS * plain.max())
    np.testing.assert_array_equal(K, K.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (mgd.FullyConnected(3, 2, 2, activation="relu"), (4, 3)),
        (mgd.ResNet(3, 2, 2, activation="erf"), (4, 3)),
        (mgd.TwoLayerReLU(3, 2), (4, 3)),
    ],
    ids=["FullyConnected", "ResNet", "TwoLayerReLU"],
)
def test_where_the_form_is_an_angle_there_are_rows(net, shape):
    X = np.random.default_rng(0).standard_normal(shape)
    numbers = table(net, layers_of(net, X))
    assert numbers.shape == (net.depth, 7, len(X) + 16)
    skip, square, variance, *_ = numbers.transpose(1, 0, 2)
    np.testing.assert_allclose(variance[0, :4], np.sum(X * X, axis=1), rtol=4 * EPS)
    np.testing.assert_allclose(square[:, 0], [net.limit_layer(h)[1] ** 2 for h in range(1, net.depth + 1)])
    assert list(skip[:, 0]) == [net.limit_layer(h)[0] for h in range(1, net.depth + 1)]


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (mgd.FullyConnected(3, 2, 2, activation="gelu"), (4, 3)),
        (mgd.FullyConnected(3, 2, 2, activation="softplus"), (4, 3)),
        (mgd.ConvResNet((1, 4), 2, 2, (3,), activation="relu"), (4, 1, 4)),
        (mgd.ConvResNet((1, 2), 2, 2, (3,), activation="erf"), (4, 1, 2)),
    ],
    ids=["gelu", "softplus", "ConvResNet", "two positions"],
)
def test_elsewhere_there_are_none(net, shape):
    X = np.random.default_rng(0).standard_normal(shape)
    channels = 1 if net.positions > 1 else 3
    layers = profile(net, input_variances(net, net.pixels(X)), channels, 1.0, 1.0).layers
    assert table(net, layers) is None


def test_where_a_sample_is_blank_there_are_none_and_its_limits_are_0():
    net = mgd.FullyConnected(2, 3, 1, activation="relu")
    X = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert table(net, layers_of(net, X)) is None
    K, _ = gram.limiting(net, X)
    expected = [[1, 0, 0], [0, 0, 0], [0, 0, 0]]  # c_σ P E[σ′σ′] = 2 · 1 · ½
    np.testing.assert_allclose(K, [expected, expected], atol=EPS)  # Θ^(2) = c_σ E[σσ]: the same numbers


def test_a_memory_map_is_filled_too(tmp_path):
    net = mgd.FullyConnected(3, 3, 2, activation="relu")
    X = samples(20, 3, seed=3)
    out = np.memmap(tmp_path / "K", np.float64, "w+", shape=(3, 20, 20))
    K, _ = gram.limiting(net, X, out=out)
    assert K is out
    np.testing.assert_array_equal(out, gram.limiting(net, X)[0])
