"""The recursion of pairs, block by block: every entry by the slow recursion, however the pairs are cut."""

from functools import cache

import numpy as np
import pytest
from slow_limits import inputs, slow_limits

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.limits import blocks
from minimal_gd.limits import limiting as module
from minimal_gd.limits.pairs import buffers_for

NETS = {
    "fully connected": mgd.FullyConnected(3, 1, 3, "square"),
    "one layer": mgd.FullyConnected(3, 1, 1, "softplus"),
    "residual": mgd.ResNet(3, 1, 3, "softplus", c_res=1.4),
    "signals": mgd.ConvResNet((2, 4), 1, 3, (3,), "square", c_res=1.4),
    "images": mgd.ConvResNet((1, 2, 3), 1, 2, (3, 1), "softplus", c_res=1.4),
    "one position": mgd.ConvResNet((2, 1), 1, 2, (1,), "softplus", c_res=1.4),
    "two positions": mgd.ConvResNet((1, 2), 1, 2, (3,), "relu", c_res=1.4),
}


@pytest.fixture(params=["all at once", "sample by sample", "two by two"])
def cut(request, monkeypatch):
    """Panels and blocks of other sizes than those of so few samples."""
    if request.param == "sample by sample":
        monkeypatch.setattr(module, "_KEPT_BYTES", 1)
    if request.param == "two by two":
        monkeypatch.setattr(blocks, "_ENTRIES_ALONE", 1)
        monkeypatch.setattr(blocks, "_FEWEST_SAMPLES", 2)


@cache
def slow(name):
    net = NETS[name]
    X = inputs(net, 5, seed=1)
    theta, P = slow_limits(net, X, step=0.2)
    return X, theta, np.array(P) if net.positions > 1 else np.array(P)[..., 0, 0]


@pytest.mark.parametrize("name", [name for name in NETS if name != "two positions"])
def test_limits_and_covariances_are_those_of_the_slow_recursion(name, cut):
    net, (X, theta, P) = NETS[name], slow(name)
    K, error, covariances = gram.limiting(net, X, covariances=True, tolerance=1e-8)
    np.testing.assert_allclose(K, theta, rtol=0, atol=error + 1e-12 * theta.max())
    np.testing.assert_allclose(covariances, P, rtol=0, atol=error + 1e-12 * P.max())
    np.testing.assert_array_equal(K, K.swapaxes(1, 2))
    mirrored = (0, 2, 1, 4, 3) if net.positions > 1 else (0, 2, 1)
    np.testing.assert_array_equal(covariances, covariances.transpose(mirrored))


@pytest.mark.parametrize("name", [name for name in NETS if name != "two positions"])
def test_a_rectangle_is_that_of_the_slow_recursion(name, cut):
    net, (X, theta, P) = NETS[name], slow(name)
    K, error, covariances = gram.limiting(net, X[:3], X[3:], covariances=True, tolerance=1e-8)
    np.testing.assert_allclose(K, theta[:, :3, 3:], rtol=0, atol=error + 1e-12 * theta.max())
    np.testing.assert_allclose(covariances, P[:, :3, 3:], rtol=0, atol=error + 1e-12 * P.max())
    again, again_error = gram.limiting(net, X[:3], X[3:], tolerance=1e-8)
    np.testing.assert_allclose(again, K, rtol=0, atol=error + again_error)


def test_a_sample_with_itself_loses_no_digits(cut):
    """As an angle, ReLU's correlation with itself would lose half of them."""
    net = NETS["two positions"]
    X = inputs(net, 5, seed=2)
    K, _, covariances = gram.limiting(net, X, covariances=True, tolerance=1e-6)
    a = np.repeat((X**2).sum(axis=(1, 2))[:, None], 2, axis=1)  # each filter sees both pixels
    beta = 1.4 / 2
    mean = np.sqrt(a / np.pi)  # √c_σ E[σ(u)], c_σ = 2
    second = 2 * a  # of two pixels, each E[σ²] c_σ = a
    cross = 2 * beta * (mean * np.sqrt(second / (2 * np.pi))).sum(axis=1)
    exact = [
        2 * (a / 2 * (1 + beta**2)).sum(axis=1),  # B = 1 + β² Σ_κ ½
        beta**2 * (second / 2).sum(axis=1),
        a.sum(axis=1) + cross + beta**2 * (second / 2).sum(axis=1),
    ]
    np.testing.assert_allclose(np.einsum("hii->hi", K), exact, rtol=1e-14)
    np.testing.assert_allclose(np.einsum("hiill->hil", covariances), [a, second], rtol=1e-14)


def test_many_samples_have_limits_that_are_symmetric_to_the_bit(cut):
    net = NETS["residual"]
    X = inputs(net, 9, seed=3)
    K, _, covariances = gram.limiting(net, X, tolerance=1e-2, covariances=True)
    np.testing.assert_array_equal(K, K.swapaxes(1, 2))
    np.testing.assert_array_equal(covariances, covariances.swapaxes(1, 2))


def test_buffers_are_made_for_every_layer_of_the_largest_block_and_not_for_more():
    buffers = buffers_for(depth=3, q=2, rows=5, columns=7)
    assert [buffers[name].shape for name in "SDB"] == [(4, 70), (3, 70), (1, 70)]
    assert buffers["theta"].shape == (1, 4 * 5 * 7)
