"""The recursion of `minimal_gd.limits.pairs` as a compiled loop: no positions, and a closed form that is an angle.

A fast twin of `gram_limits`. A row of pairs goes through all layers and back before the next one, so it stays in the
innermost cache; and threads, which wait for Python's lock between any two of NumPy's operations, ask for it once a
block (`benchmarks/limits.py --parts twin` measures what that gains).
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from minimal_gd import angles
from minimal_gd.compiling import contracted_kernel
from minimal_gd.limits.blocks import Block
from minimal_gd.limits.moments import ClosedMoments
from minimal_gd.limits.profile import Layer
from minimal_gd.networks.base import Network

# Loops over so many pairs, or a multiple, leave no rest that is computed one by one. So rows are longer than asked for.
_LANES = 16
# So many rows are mirrored together: eight numbers are what a cache takes in at a time.
_TOGETHER = 8


class Rows(NamedTuple):
    """What the loop asks of every layer and every sample; columns from n on stand for no sample.

    Attributes
    ----------
    angle : int
        Which closed form, as in `angles.products_of_row`.
    skip, square : (H,) arrays
        κ_h and β_h².
    variance, second_moment, slope_moment : (H, n + 16) arrays
        P^(h-1)_ii, E[σ(u)²], E[σ′(u)²].
    offset, branch_mean : (H, n + 16) arrays
        b^(h-1)_i and β_h E[σ(u)].
    """

    angle: int
    skip: NDArray
    square: NDArray
    variance: NDArray
    second_moment: NDArray
    slope_moment: NDArray
    offset: NDArray
    branch_mean: NDArray


def compiled_rows(net: Network, layers: list[Layer]) -> Rows | None:
    """Return what `fill_rows` takes, or None if it can't be used: with positions, blanks, or another closed form."""
    forms = [layer.moments.form.angle for layer in layers if isinstance(layer.moments, ClosedMoments)]
    if net.positions > 1 or not forms or forms[0] is None or not all(layer.variance.all() for layer in layers):
        return None
    return Rows(
        angle=forms[0],
        skip=np.array([float(layer.skip) for layer in layers]),
        square=np.array([layer.scale**2 for layer in layers]),
        variance=_table([layer.variance for layer in layers]),
        second_moment=_table([layer.moments.second_moment for layer in layers]),
        slope_moment=_table([layer.moments.slope_moment for layer in layers]),
        offset=_table([layer.offset for layer in layers]),
        branch_mean=_table([layer.scale * layer.moments.mean for layer in layers]),
    )


def _table(layers: list[NDArray]) -> NDArray:
    """(H, n + 16): what is given for each layer, (1, n), then ones."""
    return np.concatenate([np.concatenate(layers), np.ones((len(layers), _LANES))], axis=1)


def fill_rows(rows: Rows, pixels: NDArray, block: Block, out: NDArray) -> None:
    """Write Θ^(1), …, Θ^(H+1) of one block and of its mirror image into `out`, (H + 1, n, n2), C-contiguous."""
    products = pixels[block.rows, 0] @ pixels[block.columns, 0].T
    target = block.target.start
    _fill_upper(rows, products, block.rows.start, block.columns.start, target, block.is_diagonal, out)
    if block.is_diagonal or block.is_mirrored:
        _mirror(out, block.rows.start, block.rows.stop, target, block.target.stop)


@contracted_kernel
def _fill_upper(
    rows: Rows, products: NDArray, row: int, column: int, target: int, is_diagonal: bool, out: NDArray
) -> None:
    """Write every Θ^(h) of the pairs of the block that starts at `row`, `column`; the result's columns at `target`.

    Parameters
    ----------
    products : (r, c) array
        The ⟨x_i, x_j⟩.
    is_diagonal : bool
        Whether rows and columns are the same samples. Then some pairs below the diagonal are left out.
    out : (H + 1, n, n2) array, written
    """
    depth, (height, width) = len(rows.skip), products.shape
    padded = -(-width // _LANES) * _LANES
    S, D, B = np.zeros((depth + 1, padded)), np.empty((depth, padded)), np.empty(padded)
    for i in range(height):
        first = i // _LANES * _LANES if is_diagonal else 0
        _copy(products[i], S[0])
        _forward(rows, row + i, column + first, first, is_diagonal, i, S, D)
        B[:] = 1.0
        for h in range(depth, -1, -1):
            if h < depth:
                _backward(rows.skip[h], rows.square[h], S[h, first:], D[h, first:], B[first:])
            _copy(S[h, first:width], out[h, row + i, target + first :])


@njit(error_model="numpy", fastmath={"contract"})
def _forward(rows: Rows, i: int, column: int, first: int, is_diagonal: bool, own: int, S: NDArray, D: NDArray) -> None:
    """From S[0] = S^(0), fill S^(h) and D^(h) from place `first` on, for x_i and the samples from `column` on.

    On the diagonal, place `own` is that of x_i itself.
    """
    for h in range(len(D)):
        P, after, slope = S[h, first:], S[h + 1, first:], D[h, first:]
        if is_diagonal:
            S[h, own] = rows.variance[h, i]
        angles.products_of_row(rows.angle, rows.variance[h, i], rows.variance[h, column:], P, after, slope)
        if is_diagonal:
            S[h + 1, own], D[h, own] = rows.second_moment[h, i], rows.slope_moment[h, i]
        square, b, e = rows.square[h], rows.offset[h, column:], rows.branch_mean[h, column:]
        if rows.skip[h] == 0:
            for j in range(len(P)):
                after[j] = square * after[j]
        else:
            b_i, e_i = rows.offset[h, i], rows.branch_mean[h, i]
            for j in range(len(P)):
                after[j] = square * after[j] + b_i * e[j] + e_i * b[j] + P[j]


@njit(error_model="numpy", fastmath={"contract"})
def _backward(skip: float, square: float, P: NDArray, D: NDArray, B: NDArray) -> None:
    """P^(h-1) becomes Θ^(h), and B^(h) becomes B^(h-1)."""
    for j in range(len(P)):
        branch = square * D[j] * B[j]
        P[j] = P[j] * branch
        B[j] = skip * B[j] + branch


@njit(error_model="numpy")
def _copy(row: NDArray, target: NDArray) -> None:
    for j in range(len(row)):
        target[j] = row[j]


@contracted_kernel
def _mirror(out: NDArray, row: int, row_end: int, column: int, column_end: int) -> None:
    """Θ_ji = Θ_ij for i < j, i from `row` to `row_end` and j from `column` to `column_end`."""
    for theta in out:
        for start in range(row, row_end, _TOGETHER):
            for j in range(max(column, start), column_end):
                for i in range(start, min(start + _TOGETHER, row_end, j)):
                    theta[j, i] = theta[i, j]
