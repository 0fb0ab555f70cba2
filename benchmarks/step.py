"""One step of gradient descent against the bare matrix products that it cannot do without.

    python benchmarks/step.py --samples 1000 --input-dim 100 --width 1024 --depth 4

Both are timed in turn in one run, after a pause so that no thread of one still spins in the other; the table gives
medians and the ratio. The products run as plain `np.matmul` with as many BLAS threads as there are.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

import minimal_gd as mgd
from minimal_gd.step import Step
from minimal_gd.threads import threads


def bare_products(net: mgd.Network, params: mgd.Parameters, n: int) -> Callable[[], None]:
    """Return a function that does the forward, backward and gradient products of one step, into arrays at hand."""
    rng = np.random.default_rng(1)
    rows = n * net.positions
    phi = [rng.standard_normal((rows, k)).astype(params.dtype) for k in net.fan_in]
    delta = rng.standard_normal((rows, net.width)).astype(params.dtype)
    z, gradient = np.empty_like(delta), [np.empty_like(W) for W in params.W]
    product = np.empty_like(phi[-1])

    def run() -> None:
        for x, W in zip(phi, params.W, strict=True):
            np.matmul(x, W.T, out=z)
        for W in params.W[1:]:
            np.matmul(delta, W, out=product)
        for x, G in zip(phi, gradient, strict=True):
            np.matmul(delta.T, x, out=G)

    return run


def seconds(function: Callable[[], None]) -> float:
    """Time one call, after the threads of the last one have gone to sleep."""
    time.sleep(0.15)
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Time the two dense architectures and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"samples": 1000, "input-dim": 100, "width": 1024, "depth": 4, "repeats": 15}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--activation", default="softplus")
    parser.add_argument("--dtype", default="float64")
    options = parser.parse_args()

    sizes = (options.input_dim, options.width, options.depth)
    X = mgd.data.sphere(options.samples, options.input_dim, seed=0)
    y = mgd.data.random_labels(options.samples, seed=0)
    print(f"{'':16}{'step [ms]':>12}{'products [ms]':>16}{'ratio':>8}")
    for kind in (mgd.FullyConnected, mgd.ResNet):
        net = kind(*sizes, activation=options.activation)
        params = net.init(0, dtype=options.dtype)
        floor = bare_products(net, params, options.samples)
        with threads() as run:
            step = Step(net, params, X.astype(params.dtype), y.astype(params.dtype), 1e-6, run)

        def one_step(step: Step = step) -> None:
            with threads() as step.run:
                step.evaluate()
                step.descend()

        for function in (one_step, floor):
            seconds(function)
        times = np.array([(seconds(one_step), seconds(floor)) for _ in range(options.repeats)])
        ours, bare = 1e3 * np.median(times, axis=0)
        print(f"{kind.__name__:16}{ours:12.1f}{bare:16.1f}{np.median(times[:, 0] / times[:, 1]):8.2f}")


if __name__ == "__main__":
    main()
