"""What the compiled forms gain: σ with σ′ in one pass, and the closed forms of ReLU and erf, in ns an entry.

    python benchmarks/activations.py

Each compiled form and the plain NumPy form take turns on the same numbers, in one thread, a tile of 16 384 at a time.
"""

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from minimal_gd import activations
from minimal_gd.activations import compiled as fused
from minimal_gd.gaussian import compiled as angles

TILE, TILES = 16_384, 32


def plain_relu(a: NDArray, b: NDArray, c: NDArray) -> tuple[NDArray, NDArray]:
    """Return both products of ReLU, operation after operation."""
    root = np.sqrt(np.maximum(a * b - c * c, 0))
    both = 0.5 - np.arctan2(root, c) / (2 * math.pi)
    return root / (2 * math.pi) + both * c, both


def plain_erf(a: NDArray, b: NDArray, c: NDArray) -> tuple[NDArray, NDArray]:
    """Return both products of erf, operation after operation."""
    root = np.sqrt(1 + 2 * (a + b) + 4 * np.maximum(a * b - c * c, 0))
    return 2 / math.pi * np.arctan2(2 * c, root), 4 / math.pi / root


def sigmas(name: str, dtype: type) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return the compiled and the plain pair on normal numbers, each a function that goes over all tiles."""
    activation = activations.get(name)
    start = np.random.default_rng(0).standard_normal((TILES, TILE)).astype(dtype)
    z, slope = start.copy(), np.empty_like(start)
    compiled_pair = fused.compiled_pair(activation._sigma, activation._dsigma)

    def compiled() -> None:
        np.copyto(z, start)
        for tile, slopes in zip(z, slope, strict=True):
            compiled_pair(tile, slopes, dtype(0.5))

    def plain() -> None:
        np.copyto(z, start)
        for tile, slopes in zip(z, slope, strict=True):
            np.multiply(activation._dsigma(tile), dtype(0.5), out=slopes)
            np.multiply(activation._sigma(tile), dtype(0.5), out=tile)

    return compiled, plain


def closed_forms(compiled_form: Callable, plain_form: Callable) -> tuple[Callable[[], None], Callable[[], None]]:
    """As `sigmas`, for the products of pairs of variances in [½, 2]."""
    rng, side = np.random.default_rng(0), math.isqrt(TILE)
    a, b = rng.uniform(0.5, 2, (1, side, 1)), rng.uniform(0.5, 2, (1, 1, side))
    c = rng.uniform(-1, 1, (TILES, 1, side, side)) * np.sqrt(a * b)
    product, slope = np.empty_like(c), np.empty_like(c)

    def compiled() -> None:
        for tile, products, slopes in zip(c, product, slope, strict=True):
            compiled_form(a, b, tile, products, slopes)

    def plain() -> None:
        for tile, products, slopes in zip(c, product, slope, strict=True):
            products[...], slopes[...] = plain_form(a, b, tile)

    return compiled, plain


def row(name: str, compiled: Callable[[], None], plain: Callable[[], None], repeats: int) -> str:
    """Time both in turn; return a line of the table."""
    times = np.empty((repeats, 2))
    for function in (compiled, plain):
        function()
    for repeat in range(repeats):
        for column, function in enumerate((compiled, plain)):
            start = time.perf_counter()
            function()
            times[repeat, column] = time.perf_counter() - start
    ours, theirs = 1e9 * np.median(times, axis=0) / (TILES * TILE)
    return f"{name:24}{ours:10.2f}{theirs:10.2f}{np.median(times[:, 1] / times[:, 0]):8.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    print(f"{'':24}{'compiled':>10}{'plain':>10}{'ratio':>8}")
    for dtype in (np.float64, np.float32):
        for name in ("softplus", "sigmoid", "silu", "tanh", "relu"):
            print(row(f"{name}, {dtype.__name__}", *sigmas(name, dtype), repeats))
    print(row("pairs of ReLU", *closed_forms(angles.relu_products, plain_relu), repeats))
    print(row("pairs of erf", *closed_forms(angles.erf_products, plain_erf), repeats))


if __name__ == "__main__":
    main()
