"""What ours allocates, as tracemalloc sees it: a step of descent, the steps after the first, and the Gram matrices."""

import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

import minimal_gd as mgd


def rows(shrink: int = 1) -> list[dict]:
    """Every row: a title, its bytes, what they are compared with, that in bytes, and the most the ratio should be.

    What grows as n² keeps its ratio to the n² numbers of the result, or less, when n grows.
    """
    n, d, m, wide, signals, channels = (max(2, size // shrink) for size in (1000, 100, 1024, 10_000, 256, 128))
    nets = [
        (mgd.FullyConnected(d, m, 4), n),
        (mgd.ResNet(d, m, 4), n),
        (mgd.ConvResNet((3, 16), channels, 4, (3,)), signals),
        (mgd.TwoLayerReLU(n, wide), n),
    ]
    found = [row for net, samples in nets for row in _descent(net, samples)]
    for function in (lambda samples: _gram(samples, d, channels), _limits):
        small, large = function(n), function(4 * n)
        found += [small, large | {"most": small["bytes"] / small["unit"]}]
    return found


def _descent(net: mgd.Network, n: int) -> list[dict]:
    """The peak of one step, all that a run allocates before it included; and what the steps after it add."""
    params = net.init(0)
    X = mgd.data.sphere(n, int(np.prod(net.input_shape)), seed=0).reshape(n, *net.input_shape)
    y = mgd.data.random_labels(n, seed=0)
    positions, weights = n * net.positions, sum(W.size for W in params.W) + params.a.size
    features = positions * (sum(net.fan_in) + net.width)
    sensitivities = positions * net.width * net.depth
    largest_layer = max(W.size for W in params.W)
    unit = params.a.itemsize * (weights + largest_layer + features + sensitivities)

    def memory_now(k: int, theta: mgd.Parameters) -> tuple[int, int]:
        now, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        return now, peak

    mgd.gradient_descent(net, params, X[:2], y[:2], 1e-6, 1)  # compiles
    tracemalloc.start()
    observed = np.array(mgd.gradient_descent(net, params, X, y, 1e-6, 4, observe=memory_now).observed)
    tracemalloc.stop()
    first = int(observed[:2, 1].max())
    later = int(observed[2:, 1].max() - observed[1, 0])
    name, what = type(net).__name__, "weights, one layer's gradient, features and sensitivities"
    return [
        {"title": f"one step, {name}", "bytes": first, "unit": unit, "of": what, "most": 1.25},
        {"title": f"steps after the first, {name}", "bytes": later, "unit": unit, "of": "the same", "most": 0.001},
    ]


def _gram(n: int, d: int, width: int) -> dict:
    net, X = mgd.FullyConnected(d, width, 4), mgd.data.sphere(n, d, seed=0)
    params = net.init(0)
    peak = _peak(lambda: mgd.gram.empirical(net, params, X))
    row = {"title": f"Gram matrices, n = {n}, m = {width}", "bytes": peak, "of": "the result"}
    return row | {"unit": 5 * n * n * X.itemsize, "most": None}


def _limits(n: int) -> dict:
    net, X = mgd.FullyConnected(20, 1, 3), mgd.data.sphere(n, 20, seed=0)
    mgd.gram.limiting(net, X[:2])  # compiles
    with tempfile.TemporaryDirectory() as folder:
        file = np.lib.format.open_memmap(Path(folder) / "limits.npy", mode="w+", dtype=float, shape=(4, n, n))
        peak = _peak(lambda: mgd.gram.limiting(net, X, out=file))
    row = {"title": f"limits into a file, n = {n}", "bytes": peak, "of": "the file"}
    return row | {"unit": 4 * n * n * X.itemsize, "most": None}


def _peak(function: Callable[[], object]) -> int:
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
