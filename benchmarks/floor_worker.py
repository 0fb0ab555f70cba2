"""The floor for `bench.py`: the bare matrix products that one step of descent cannot do without. See `serving.py`.

Three ways, and the fastest of them is the floor: with BLAS's own threads, product by product; in blocks, of samples on
the way forward and back and of hidden units for the gradients, a thread each with a BLAS of one thread inside; and in
one thread, which is best for small nets.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from serving import Run, serve, timed
from threadpoolctl import threadpool_limits


class Products:
    """The arrays of one step, random; the products go into arrays at hand."""

    def __init__(self, net: dict, rows: int, dtype: str) -> None:
        rng = np.random.default_rng(1)

        def normal(*shape: int) -> NDArray:
            return rng.standard_normal(shape).astype(dtype)

        self.W = [normal(net["width"], k) for k in net["fan_in"]]
        self.phi = [normal(rows, k) for k in net["fan_in"]]
        self.delta = normal(rows, net["width"])
        self.z, self.product = np.empty_like(self.delta), np.empty_like(self.phi[-1])
        self.gradient = [np.empty_like(W) for W in self.W]

    def there_and_back(self, rows: slice) -> None:
        """Φ Wᵀ for every layer and δ W for all but the first, of some rows."""
        for x, W in zip(self.phi, self.W, strict=True):
            np.matmul(x[rows], W.T, out=self.z[rows])
        for W in reversed(self.W[1:]):
            np.matmul(self.delta[rows], W, out=self.product[rows])

    def gradients(self, units: slice) -> None:
        """δᵀ Φ for every layer, of some hidden units."""
        for x, G in zip(self.phi, self.gradient, strict=True):
            np.matmul(self.delta[:, units].T, x, out=G[units])


def cut(length: int, parts: int) -> list[slice]:
    """Cut range(length) into slices of nearly the same size."""
    return [slice(*ends) for ends in pairwise(length * part // parts for part in range(parts + 1))]


def prepare(request: dict) -> tuple[Run, dict[str, str]]:
    """Make the arrays and hold BLAS to the threads of this way."""
    work, way, threads = request["work"], request["way"], request["threads"]
    width, rows = work["net"]["width"], work["samples"] * work["net"]["positions"]
    products = Products(work["net"], rows, work["dtype"])
    threadpool_limits(threads if way == "BLAS threads" else 1, "blas")
    blocks = threads if way == "blocks" else 1
    pool = ThreadPoolExecutor(threads)
    run = pool.map if blocks > 1 else map
    row_blocks, unit_blocks = cut(rows, blocks), cut(width, blocks)

    def step() -> None:
        list(run(products.there_and_back, row_blocks))
        list(run(products.gradients, unit_blocks))

    def steps() -> float:
        """Seconds of a step, or of all of them for a whole run."""
        step()
        return timed(lambda: [step() for _ in range(work["steps"])])() / (1 if work["whole"] else work["steps"])

    return steps, {}


if __name__ == "__main__":
    serve(prepare)
