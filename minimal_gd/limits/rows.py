"""The recursion of `minimal_gd.limits.pairs` as a compiled loop: no positions, and a closed form that is an angle.

A fast twin of `gram_limits`. A row of pairs goes through all layers and back before the next one, so it stays in the
innermost cache, and no time is spent between NumPy's operations (`benchmarks/limits.py --parts twin` measures what that
gains).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from minimal_gd._runtime.compiling import contracted_kernel
from minimal_gd.gaussian import compiled as angles
from minimal_gd.gaussian.closed_forms import ERF, RELU
from minimal_gd.limits.blocks import LANES, Block
from minimal_gd.limits.moments import ClosedMoments
from minimal_gd.limits.pairs import Room
from minimal_gd.limits.profile import Layer
from minimal_gd.networks.base import Network

# What a table holds for every layer and sample: κ_h, β_h², P^(h-1)_ii, E[σ(u)²], E[σ′(u)²], b^(h-1)_i and β_h E[σ(u)].
_SKIP, _SQUARE, _VARIANCE, _SECOND_MOMENT, _SLOPE_MOMENT, _OFFSET, _BRANCH_MEAN = range(7)


def table(net: Network, layers: list[Layer]) -> NDArray | None:
    """Return the (H, 7, n + 16) array that `row_limits` takes, or None if it can't be used.

    That is so with positions, with blanks, or with another closed form or none. The last columns stand for no sample.
    """
    moments = [layer.moments for layer in layers]
    if net.positions > 1 or not all(isinstance(m, ClosedMoments) and m.form in (RELU, ERF) for m in moments):
        return None
    if not all(layer.variance.all() for layer in layers):
        return None
    n = layers[0].variance.shape[1]
    numbers = np.ones((len(layers), 7, n + LANES))
    for h, layer in enumerate(layers):
        rows = numbers[h]
        rows[_SKIP], rows[_SQUARE] = layer.skip, layer.scale**2
        rows[_VARIANCE, :n], rows[_OFFSET, :n] = layer.variance, layer.offset
        rows[_SECOND_MOMENT, :n], rows[_SLOPE_MOMENT, :n] = layer.moments.second_moment, layer.moments.slope_moment
        rows[_BRANCH_MEAN, :n] = layer.scale * layer.moments.mean
    return numbers


def row_limits(net: Network, numbers: NDArray, pixels: NDArray, block: Block, room: Room) -> NDArray:
    """Θ^(1), …, Θ^(H+1) of one block, (H + 1, rows, columns), in `room` until the next block.

    In a diagonal block some below the diagonal are missing.
    """
    depth, height, width = len(numbers), block.rows.stop - block.rows.start, block.columns.stop - block.columns.start
    padded = math.ceil(width / LANES) * LANES
    theta = room.theta[: (depth + 1) * height * padded].reshape(depth + 1, height, padded)
    np.matmul(pixels[block.rows, 0], pixels[block.columns, 0].T, out=theta[0, :, :width])
    is_relu = net.activation.closed_form == RELU
    D, B = np.empty((depth, padded)), np.empty(padded)
    _fill(is_relu, numbers, block.rows.start, block.columns.start, block.is_diagonal, theta, D, B)
    return theta[:, :, :width]


@contracted_kernel
def _fill(
    is_relu: bool, numbers: NDArray, row: int, column: int, is_diagonal: bool, theta: NDArray, D: NDArray, B: NDArray
) -> None:
    """Turn S^(0) of the pairs of the block that starts at `row`, `column` into every Θ^(h).

    Parameters
    ----------
    is_relu : bool
        Or erf.
    numbers : (H, 7, n + 16) array
        As `table` gives it.
    is_diagonal : bool
        Whether rows and columns are the same samples. Then some pairs below the diagonal are left out.
    theta : (H + 1, r, k) array, changed
        S^(0) in `theta[0]`.
    D, B : (H, k) and (k,) arrays, written
        Room for a row.
    """
    for own in range(theta.shape[1]):
        i, first = row + own, own // LANES * LANES if is_diagonal else 0
        for h in range(len(D)):
            layer, P, after, slope = numbers[h], theta[h, own, first:], theta[h + 1, own, first:], D[h, first:]
            square = layer[_SQUARE, i]
            if is_diagonal:
                theta[h, own, own] = layer[_VARIANCE, i]
            if is_relu:
                _relu_products(layer[_VARIANCE, i], layer[_VARIANCE, column + first :], square, P, after, slope)
            else:
                _erf_products(layer[_VARIANCE, i], layer[_VARIANCE, column + first :], square, P, after, slope)
            if is_diagonal:
                theta[h + 1, own, own], D[h, own] = square * layer[_SECOND_MOMENT, i], square * layer[_SLOPE_MOMENT, i]
            if layer[_SKIP, i] != 0:
                _add_skip(layer, i, column + first, P, after)
        B[:] = 1
        for h in range(len(D) - 1, -1, -1):
            _backward(numbers[h, _SKIP, i], theta[h, own, first:], D[h, first:], B[first:])


@njit(error_model="numpy", fastmath={"contract"})
def _relu_products(a: float, b: NDArray, square: float, c: NDArray, product: NDArray, slope: NDArray) -> None:
    for j in range(len(c)):
        value, derivative = angles.relu_pair(a, b[j], c[j])
        product[j], slope[j] = square * value, square * derivative


@njit(error_model="numpy", fastmath={"contract"})
def _erf_products(a: float, b: NDArray, square: float, c: NDArray, product: NDArray, slope: NDArray) -> None:
    for j in range(len(c)):
        value, derivative = angles.erf_pair(a, b[j], c[j])
        product[j], slope[j] = square * value, square * derivative


@njit(error_model="numpy", fastmath={"contract"})
def _add_skip(layer: NDArray, i: int, column: int, P: NDArray, after: NDArray) -> None:
    """What the skip brings to S^(h)."""
    b_i, e_i = layer[_OFFSET, i], layer[_BRANCH_MEAN, i]
    b, e = layer[_OFFSET, column:], layer[_BRANCH_MEAN, column:]
    for j in range(len(P)):
        after[j] += b_i * e[j] + e_i * b[j] + P[j]


@njit(error_model="numpy", fastmath={"contract"})
def _backward(skip: float, P: NDArray, D: NDArray, B: NDArray) -> None:
    """P^(h-1) becomes Θ^(h), and B^(h) becomes B^(h-1)."""
    for j in range(len(P)):
        branch = D[j] * B[j]
        P[j] = P[j] * branch
        B[j] = skip * B[j] + branch
