"""The recursion of `minimal_gd.limits.profile` for the pairs of one block of samples.

Arrays are (q, rows, columns): q pairs of positions (l, r), then the samples i and j. The Θ^(h) need only l = r, as
the patches of φ move both positions together.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.buffers import Buffers
from minimal_gd.limits import kernels
from minimal_gd.limits.blocks import Block
from minimal_gd.limits.moments import Pairs
from minimal_gd.limits.profile import Layer
from minimal_gd.networks.base import Network


class Positions(NamedTuple):
    """Pairs of positions: `left` l of x_i and `right` r of x_j, (q,) each; p of them with l = r, or all p² (axes 2).

    Those with l = r are every `step`-th.
    """

    left: NDArray
    right: NDArray
    axes: int
    step: int

    @classmethod
    def equal(cls, p: int) -> "Positions":
        """Every l with itself."""
        return cls(np.arange(p), np.arange(p), 1, 1)

    @classmethod
    def all(cls, p: int) -> "Positions":
        """Every l with every r."""
        left, right = np.divmod(np.arange(p * p), p)
        return cls(left, right, 2, p + 1)


def buffers_for(depth: int, q: int, rows: int, columns: int) -> Buffers:
    """Return the arrays that the recursion fills for one block after the other.

    Parameters
    ----------
    depth : int
        H.
    q : int
        Pairs of positions.
    rows, columns : int
        How many samples the largest block has.

    Returns
    -------
    Buffers
        S, D and B, of shapes (H + 1, q·rows·columns), (H, q·rows·columns) and (1, q·rows·columns), and theta, of shape
        (1, (H + 1)·rows·columns).
    """
    entries = q * rows * columns
    theta = (1, (depth + 1) * rows * columns)
    return Buffers(np.float64, S=(depth + 1, entries), D=(depth, entries), B=(1, entries), theta=theta)


def gram_limits(net: Network, layers: list[Layer], pixels: NDArray, block: Block, buffers: Buffers) -> NDArray:
    """Θ^(1), …, Θ^(H+1) of one block, (H + 1, rows, columns), in `buffers` until the next block."""
    S, D, [B] = (_shaped(buffers[name], net.positions, block) for name in "SDB")
    [theta] = _shaped(buffers["theta"], net.depth + 1, block)
    _pixel_products(pixels, block, out=S[0])
    inputs = list(_forward(net, layers, S, D, block, Positions.equal(net.positions)))
    theta[-1] = S[-1, 0] if net.positions == 1 else S[-1].sum(axis=0)
    B[...] = 1
    for h, layer in reversed(list(enumerate(layers))):
        kernels.layer_gram(inputs[h], B, layer.scale**2, D[h], theta[h])  # D becomes β² D B
        if h > 0:
            before = net.patch_sums(D[h])
            B = before if layer.skip == 0 else np.add(B, before, out=B)
    return theta


def layer_covariances(net: Network, layers: list[Layer], pixels: NDArray, block: Block) -> NDArray:
    """P^(0), …, P^(H-1) of one block and all pairs of positions, (H, p, p, rows, columns)."""
    p, first, second = net.positions, pixels[block.rows], pixels[block.columns]
    rows, columns = len(first), len(second)
    buffers = buffers_for(net.depth, p * p, rows, columns)
    S, D = (_shaped(buffers[name], p * p, block) for name in "SD")
    S[0].reshape(p, p, rows, columns)[...] = np.tensordot(first, second, axes=(2, 2)).transpose(1, 3, 0, 2)
    P = np.array(list(_forward(net, layers, S, D, block, Positions.all(p)))).reshape(-1, p, p, rows, columns)
    if block.is_diagonal:
        # P_ij,lr = P_ji,rl exactly: of the two, the one above the diagonal
        flat = P.transpose(0, 3, 1, 4, 2).reshape(-1, rows * p, columns * p)
        kernels.reflect(flat)
        return flat.reshape(-1, rows, p, columns, p).transpose(0, 2, 4, 1, 3)
    return P


def largest_correlation(net: Network, pixels: NDArray, inverse_norms: NDArray, block: Block, buffers: Buffers) -> float:
    """The largest |ρ| of the first layer's patches, over the block's pairs i ≠ j and equal positions.

    Parameters
    ----------
    inverse_norms : (p, n) array
        1/‖φ(x_i)_l‖, 0 for blank patches.
    """
    [products], [rho] = (_shaped(buffers[name][:1], net.positions, block) for name in "SB")
    P = net.patch_sums(_pixel_products(pixels, block, out=products))
    kernels.correlations(P, inverse_norms[:, block.rows], inverse_norms[:, block.columns], rho)
    if block.is_diagonal:
        _fill_diagonal(rho, Positions.equal(len(rho)), 0)
    return float(max(rho.max(), -rho.min()))


def _shaped(array: NDArray, p: int, block: Block) -> NDArray:
    """Take as much of every row of `array` as the block has entries, in the shape of the block."""
    shape = (p, block.rows.stop - block.rows.start, block.columns.stop - block.columns.start)
    return array[:, : math.prod(shape)].reshape(-1, *shape)


def _forward(
    net: Network, layers: list[Layer], S: NDArray, D: NDArray, block: Block, positions: Positions
) -> Iterator[NDArray]:
    """From S[0] = S^(0), fill S^(h) and D^(h), and yield P^(h-1), for h = 1, …, H.

    Parameters
    ----------
    S, D : (H + 1, q, rows, columns) and (H, q, rows, columns) arrays, written
    """
    left, right, axes, _ = positions
    p, pairs = net.positions, Pairs(left, right, block.rows, block.columns)
    for h, layer in enumerate(layers):
        before, after, slope = S[h], S[h + 1], D[h]
        P = net.patch_sums(before.reshape(*(p,) * axes, *before.shape[1:]), axes).reshape(before.shape)
        if block.is_diagonal:
            _fill_diagonal(P, positions, layer.variance[:, block.rows])
        layer.moments.products(P, pairs, after, slope)
        if block.is_diagonal:
            _fill_diagonal(after, positions, layer.moments.second_moment[:, block.rows])
            _fill_diagonal(slope, positions, layer.moments.slope_moment[:, block.rows])
        after *= layer.scale**2
        if layer.skip:
            b, e = layer.offset, layer.scale * layer.moments.mean
            after += b[left, block.rows, None] * e[right, None, block.columns]  # b_i E[σ(v)]
            after += e[left, block.rows, None] * b[right, None, block.columns]  # E[σ(u)] b_j
            after += before
        yield P


def _pixel_products(pixels: NDArray, block: Block, out: NDArray) -> NDArray:
    """S^(0)_ij = ⟨x_il, x_jl⟩, (p, rows, columns)."""
    return np.matmul(pixels[block.rows].swapaxes(0, 1), pixels[block.columns].transpose(1, 2, 0), out=out)


def _fill_diagonal(array: NDArray, positions: Positions, values: NDArray | float) -> None:
    """Put `values` (p, rows), or one number, where a variable meets itself: l = r and i = j."""
    np.einsum("qii->qi", array)[:: positions.step] = values
