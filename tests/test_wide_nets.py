"""Wide nets at random parameters have the Gram matrices of the limit, and not those of its wrong variants."""

import math

import numpy as np
import pytest
from slow_limits import VARIANTS, inputs, slow_limits

import minimal_gd as mgd
from minimal_gd import gram

# (net, seeds, largest norm of an input; the smallest is 0.2)
WIDE = [
    (mgd.FullyConnected(4, 300, 2, "softplus"), 400, 3),
    (mgd.FullyConnected(4, 300, 3, "tanh"), 400, 2),
    (mgd.ResNet(4, 300, 3, "softplus", c_res=2.0), 300, 4),
    (mgd.ResNet(4, 300, 2, "tanh", c_res=2.0), 300, 2),
    (mgd.ConvResNet((1, 4), 100, 2, (3,), "softplus", c_res=2.0), 100, 4),
    (mgd.ConvResNet((1, 4), 100, 2, (3,), "tanh", c_res=2.0), 60, 2),
    (mgd.ConvResNet((1, 3, 2), 100, 3, (3, 3), "softplus", c_res=2.0), 40, 4),
]
WIDE_NAMES = [f"{net}".replace(" ", "") for net, _, _ in WIDE]
# In standard errors of the mean over seeds. By chance, one of some 60 entries is 5 of them off once in 30 000 times,
# and a bias of O(1/m) is less than one; a wrong variant is far beyond.
LIMIT, REFUTED = 5, 8


def distance(measured, limit):
    """The largest |G_ij - Θ_ij|, in standard errors of G_ij."""
    mean, standard_error = measured
    return (np.abs(mean - limit) / standard_error).max()


def simulated(net, X, seeds):
    """Mean and standard error of G^(h) over seeds. With a = ±1, not N(0, 1), it has the same limit and varies less."""
    matrices = []
    for seed in range(seeds):
        params = net.init(seed)
        matrices.append(gram.empirical(net, params._replace(a=np.sign(params.a)), X))
    return np.mean(matrices, axis=0), np.std(matrices, axis=0, ddof=1) / math.sqrt(seeds)


@pytest.fixture(scope="module")
def measured():
    """Give the simulated matrices of a net, computed once."""
    known = {}

    def of(net, seeds, high):
        if id(net) not in known:
            known[id(net)] = simulated(net, inputs(net, 5, seed=2, low=0.2, high=high), seeds)
        return known[id(net)]

    return of


@pytest.mark.parametrize(("net", "seeds", "high"), WIDE, ids=WIDE_NAMES)
def test_wide_nets_have_these_gram_matrices_in_every_layer(net, seeds, high, measured):
    K, _ = gram.limiting(net, inputs(net, 5, seed=2, low=0.2, high=high), tolerance=1e-6)
    assert distance(measured(net, seeds, high), K) <= LIMIT


def applies(net, variant):
    """Only where the variant is another formula at all."""
    if isinstance(net, mgd.FullyConnected):
        return variant == VARIANTS[0]
    if variant in VARIANTS[1:3]:
        return net.activation.name != "tanh"
    return variant != VARIANTS[3] or net.positions > 1


@pytest.mark.parametrize(("net", "seeds", "high"), WIDE, ids=WIDE_NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_wide_nets_refute_the_variant(net, seeds, high, variant, measured):
    if applies(net, variant):
        wrong, _ = slow_limits(net, inputs(net, 5, seed=2, low=0.2, high=high), variant)
        assert distance(measured(net, seeds, high), wrong) > REFUTED


def test_wide_two_layer_nets_have_the_companions_limit():
    net = mgd.TwoLayerReLU(4, 2000)
    X = inputs(net, 5, seed=3)
    K, _ = gram.limiting(net, X)
    assert distance(simulated(net, X, seeds=60), K) <= LIMIT
    cosines = X @ X.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1))
    H_infinity = X @ X.T * (math.pi - np.arccos(np.clip(cosines, -1, 1))) / (2 * math.pi)
    np.testing.assert_allclose(K[0], H_infinity, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(np.diag(K[1]), (X**2).sum(axis=1) / 2, rtol=1e-14)
