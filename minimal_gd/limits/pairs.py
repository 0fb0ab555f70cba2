"""The recursion of `minimal_gd.limits.profile` for the pairs of one block of samples.

Arrays are (q, rows, columns): q pairs of positions (l, r), then the samples i and j. The Θ^(h) need only l = r, as
the patches of φ move both positions together.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd import kernels
from minimal_gd.limits.blocks import Block
from minimal_gd.limits.profile import Layer
from minimal_gd.networks.base import Network


class Positions(NamedTuple):
    """Pairs of positions: `left` l of x_i and `right` r of x_j, (q,) each; p of them with l = r, or all p² (axes 2)."""

    left: NDArray
    right: NDArray
    axes: int

    @classmethod
    def equal(cls, p: int) -> "Positions":
        """Every l with itself."""
        return cls(np.arange(p), np.arange(p), 1)

    @classmethod
    def all(cls, p: int) -> "Positions":
        """Every l with every r."""
        left, right = np.divmod(np.arange(p * p), p)
        return cls(left, right, 2)


def gram_limits(net: Network, layers: list[Layer], pixels: NDArray, block: Block, theta: NDArray) -> None:
    """Write Θ^(1), …, Θ^(H+1) of one block into `theta`, (H + 1, rows, columns)."""
    S = _pixel_products(pixels, block, axes=1)
    inputs, slopes = [], []
    for P, D, after in _forward(net, layers, S, block, Positions.equal(net.positions)):
        inputs.append(P)
        slopes.append(D)
        S = after
    theta[-1] = S[0] if len(S) == 1 else S.sum(axis=0)
    B = np.ones_like(S)
    for h, layer in reversed(list(enumerate(layers))):
        DB = slopes[h]
        kernels.layer_gram(inputs[h], B, layer.scale**2, DB, theta[h])
        if h > 0:
            before = net.patch_sums(DB)
            B = before if layer.skip == 0 else before + B
    if block.is_diagonal:
        below = np.tri(theta.shape[1], k=-1, dtype=bool)
        np.copyto(theta, theta.swapaxes(1, 2).copy(), where=below)  # symmetric to the bit


def layer_covariances(net: Network, layers: list[Layer], pixels: NDArray, block: Block) -> NDArray:
    """P^(0), …, P^(H-1) of one block and all pairs of positions, (H, p, p, rows, columns)."""
    p, S = net.positions, _pixel_products(pixels, block, axes=2)
    P = np.array([P for P, _, _ in _forward(net, layers, S, block, Positions.all(p))])
    if block.is_diagonal:
        # P_ij,lr = P_ji,rl exactly: of the two, the one above the diagonal
        flat = P.reshape(net.depth, p, p, *P.shape[2:]).transpose(0, 3, 1, 4, 2).reshape(net.depth, p * P.shape[2], -1)
        flat = np.triu(flat) + np.triu(flat, 1).swapaxes(1, 2)
        return flat.reshape(net.depth, P.shape[2], p, P.shape[3], p).transpose(0, 2, 4, 1, 3)
    return P.reshape(net.depth, p, p, *P.shape[2:])


def largest_correlation(net: Network, pixels: NDArray, inverse_norms: NDArray, block: Block) -> float:
    """The largest |ρ| of the first layer's patches, over the block's pairs i ≠ j and equal positions.

    Parameters
    ----------
    inverse_norms : (p, n) array
        1/‖φ(x_i)_l‖, 0 for blank patches.
    """
    P = net.patch_sums(_pixel_products(pixels, block, axes=1))
    rho = np.empty_like(P)
    kernels.correlations(P, inverse_norms[:, block.rows], inverse_norms[:, block.columns], rho)
    if block.is_diagonal:
        _fill_diagonal(rho, Positions.equal(len(rho)), 0)
    return float(max(rho.max(), -rho.min()))


def _forward(
    net: Network, layers: list[Layer], S: NDArray, block: Block, positions: Positions
) -> Iterator[tuple[NDArray, NDArray, NDArray]]:
    """Give P^(h-1), D^(h) and S^(h) for h = 1, …, H."""
    left, right, axes = positions
    p = net.positions
    for layer in layers:
        P = net.patch_sums(S.reshape(*(p,) * axes, *S.shape[1:]), axes).reshape(S.shape)
        if block.is_diagonal:
            _fill_diagonal(P, positions, layer.variance[:, block.rows])
        product, D = layer.moments.products(P, left, right, block.rows, block.columns)
        if block.is_diagonal:
            _fill_diagonal(product, positions, layer.moments.second_moment[:, block.rows])
            _fill_diagonal(D, positions, layer.moments.slope_moment[:, block.rows])
        product *= layer.scale**2
        if layer.skip:
            b, e = layer.offset, layer.scale * layer.moments.mean
            product += b[left, block.rows, None] * e[right, None, block.columns]  # b_i E[σ(v)]
            product += e[left, block.rows, None] * b[right, None, block.columns]  # E[σ(u)] b_j
            product += S
        S = product
        yield P, D, S


def _pixel_products(pixels: NDArray, block: Block, axes: int) -> NDArray:
    """S^(0)_ij = ⟨x_il, x_jr⟩, (q, rows, columns)."""
    first, second = pixels[block.rows], pixels[block.columns]
    if axes == 1:
        return np.ascontiguousarray(first.swapaxes(0, 1)) @ second.transpose(1, 2, 0)
    return np.einsum("ilc,jrc->lrij", first, second, optimize=True).reshape(-1, len(first), len(second))


def _fill_diagonal(array: NDArray, positions: Positions, values: NDArray | float) -> None:
    """Put `values` (p, rows), or one number, where a variable meets itself: l = r and i = j."""
    np.einsum("qii->qi", array)[positions.left == positions.right] = values
