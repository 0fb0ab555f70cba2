"""The Gram matrices G^(1), …, G^(H), G^(H+1) of the layers' gradients: exactly, at finite width and in the limit.

The limits at m → ∞ are in `minimal_gd.limits`; `gram.limiting` is theirs. The rest of this file is finite width.

With ∂u_i/∂W^(h) = Σ_l δ_il ⊗ φ_il over the positions l, no Jacobian is needed:

    G^(h)_ij = ⟨∂u_i/∂W^(h), ∂u_j/∂W^(h)⟩ = Σ_l Σ_r ⟨δ_il, δ_jr⟩ ⟨φ_il, φ_jr⟩.
"""

import math
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

import numpy as np
import scipy  # whose parts are loaded when they are first used
from numpy.typing import NDArray
from scipy.linalg import eigh

from minimal_gd._runtime import slicing, validate
from minimal_gd._runtime.threads import Run, one_blas_thread, threads
from minimal_gd.limits.limiting import limiting
from minimal_gd.networks import blocks
from minimal_gd.networks.base import Network, arguments
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters

__all__ = ["empirical", "largest_eigenvalue", "limiting", "stable_step_size", "total"]

# Up to this size LAPACK finds the largest eigenvalue faster than Lanczos.
_DENSE_LIMIT = 500
_PRODUCTS_AT_ONCE = 2**19  # they stay in the cache


@validate.quietly
def empirical(net: Network, params: Parameters, X: NDArray) -> NDArray:
    """Every layer's Gram matrix at `params`.

    Memory: the result, and workspaces for two blocks of samples (each within BLOCK_BYTES, or one sample). The last bits
    may depend on the number of threads that BLAS uses.

    Parameters
    ----------
    net : Network
    params : Parameters
    X : (n, *input_shape) array

    Returns
    -------
    (H + 1, n, n) array of the dtype of `params`
        Row h - 1 is G^(h), symmetric and positive semi-definite; the last is G^(H+1)_ij = ⟨x_i^(H), x_j^(H)⟩.

    Raises
    ------
    TypeError, ValueError
        As `net.predict`; ValueError also if an entry, or something on the way to it, overflows.

    Paper: section 4, the definition of G^(h).
    """
    params, X = arguments(net, params, X)
    G = np.empty((net.depth + 1, len(X), len(X)), params.dtype)
    for rows, columns, layer, block in _layer_blocks(net, params, X):
        G[layer, rows, columns] = block
        G[layer, columns, rows] = block.T
    validate.finite_result(G, "Gram matrices", "params and X")
    return G


@validate.quietly
def total(net: Network, params: Parameters, X: NDArray) -> NDArray:
    """ΣG^(h) over the layers that descent trains: -η ΣG (u - y) is the first-order change of u in one step.

    The last bits may depend on the number of threads that BLAS uses.

    Parameters
    ----------
    net, params, X
        As for `empirical`.

    Returns
    -------
    (n, n) array of the dtype of `params`

    Raises
    ------
    TypeError, ValueError
        As `empirical`.

    Paper: section 4, G(k) = Σ_h G^(h)(k).
    """
    params, X = arguments(net, params, X)
    G = np.zeros((len(X), len(X)), params.dtype)
    for rows, columns, layer, block in _layer_blocks(net, params, X):
        if layer == net.depth and not net.train_output:
            continue
        G[rows, columns] += block
        if rows != columns:
            G[columns, rows] += block.T
    validate.finite_result(G, "Gram matrices", "params and X")
    return G


@validate.quietly
def largest_eigenvalue(G: NDArray) -> float:
    """λ_max, by SciPy's LAPACK for small matrices and its Lanczos for large ones.

    The last bits may depend on the number of threads that BLAS uses.

    Parameters
    ----------
    G : (n, n) array
        Symmetric.

    Raises
    ------
    TypeError, ValueError
        If G is not a finite, real, symmetric (n, n) array with n ≥ 1; ValueError also if λ_max overflows.
    """
    G = validate.symmetric_matrix("G", G)
    n = len(G)
    if not G.any():
        return 0.0  # Lanczos finds no start
    exponent = power_of_two(G)
    G = np.ldexp(G, -exponent)
    if n <= _DENSE_LIMIT:
        largest = eigh(G, eigvals_only=True, subset_by_index=(n - 1, n - 1))[0]
    else:
        # A start of its own, fixed, brings no randomness in and leaves the global random state alone.
        start = np.random.default_rng(0).standard_normal(n).astype(G.dtype)
        largest = scipy.sparse.linalg.eigsh(G, k=1, which="LA", return_eigenvectors=False, v0=start)[0]
    largest = float(np.ldexp(float(largest), exponent))
    validate.finite_result(largest, "eigenvalues", "G")
    return largest


def power_of_two(array: NDArray) -> int:
    """The exponent e for which 2^-e `array`, which is exact, has entries that can be squared; 0 where it has them."""
    exponent = int(np.frexp(np.abs(array).max(initial=0))[1])
    return exponent if abs(exponent) > np.finfo(array.dtype).maxexp // 3 else 0


@validate.quietly
def stable_step_size(net: Network, params: Parameters, X: NDArray) -> float:
    """η = 1/λ_max(ΣG^(h)): half of where the linearised descent stops being stable, 2/λ_max.

    For the poster's mean loss, `gradient_descent(..., normalisation="mean")`, multiply by n. BLAS keeps to one thread
    here, so that the same call gives the same bits, and with them the same descent, on any number of threads.

    Parameters
    ----------
    net, params, X
        As for `empirical`.

    Raises
    ------
    TypeError, ValueError
        As `empirical`; and ValueError if every gradient vanishes, so that no step size is singled out, or is so small
        that 1/λ_max overflows.
    """
    with one_blas_thread():
        largest = largest_eigenvalue(total(net, params, X))
    if not (largest > 0 and 1 / largest < math.inf):
        raise ValueError(f"params must give some gradient at X, got λ_max(ΣG) = {largest} for {net}")
    return 1 / largest


def _layer_blocks(net: Network, params: Parameters, X: NDArray) -> Iterator[tuple[slice, slice, int, NDArray]]:
    """Yield every G^(h) in blocks (rows, columns, h - 1, G^(h)[rows, columns]), on and above the diagonal."""
    cut = partial(blocks.of_samples, net)
    with nullcontext(map) if len(cut(len(X))) == 1 else threads() as run:
        for rows, work in net.workspaces(X, params.dtype, cut):
            left = _pairs(net, params, work, run)
            for layer, (pair, exponents) in enumerate(left):
                yield rows, rows, layer, _unscaled(_inner_products(*pair, *pair, run), exponents, exponents)
            rest = X[rows.stop :]
            for block, other_work in net.workspaces(rest, params.dtype, cut) if len(rest) else ():
                columns = slice(rows.stop + block.start, rows.stop + block.stop)
                right = _pairs(net, params, other_work, run)
                for layer, (pair, exponents) in enumerate(left):
                    other, others = right[layer]
                    yield rows, columns, layer, _unscaled(_inner_products(*pair, *other, run), exponents, others)


def _pairs(
    net: Network, params: Parameters, work: Workspace, run: Run
) -> list[tuple[tuple[NDArray, NDArray], NDArray]]:
    """Fill `work` in threads; return δ and φ of every layer, `_scaled`."""
    parts = [work.samples(block) for block in blocks.of_samples(net, len(work.u))]
    list(run(lambda part: net.pairs(params, part), parts))
    return [_scaled(*pair) for pair in work.pairs()]


def _unscaled(G: NDArray, exponents: NDArray, others: NDArray) -> NDArray:
    """2^(exponents_i + others_j) G_ij."""
    return np.ldexp(G, exponents[:, None] + others) if exponents.any() or others.any() else G


def _scaled(delta: NDArray, phi: NDArray) -> tuple[tuple[NDArray, NDArray], NDArray]:
    """Scale δ and φ of every sample whose G_ii might over- or underflow on the way, by powers of 2: exactly.

    Returns
    -------
    delta, phi
        As they are where there is nothing to fear.
    exponents : (n,) int array
        G_ij is 2^(exponents_i + exponents_j) times that of the scaled ones.
    """
    exponents = np.zeros(len(delta), np.int32)
    arrays = []
    for array in (delta, phi):
        exponent = np.frexp(np.maximum(array.max(axis=(1, 2)), -array.min(axis=(1, 2))))[1]
        # δ²φ², a sum of them and a product of two samples stay in range
        is_extreme = np.abs(exponent) > np.finfo(array.dtype).maxexp // 6
        if is_extreme.any():
            exponent = np.where(is_extreme, exponent, 0)
            array, exponents = np.ldexp(array, -exponent[:, None, None]), exponents + exponent
        arrays.append(array)
    return (arrays[0], arrays[1]), exponents


def _inner_products(delta: NDArray, phi: NDArray, other_delta: NDArray, other_phi: NDArray, run: Run) -> NDArray:
    """⟨Σ_l δ_il ⊗ φ_il, Σ_r δ_jr ⊗ φ_jr⟩ of every pair (i, j), the cheaper of the two ways, in threads.

    Parameters
    ----------
    delta, phi : (s, p, m) and (s, p, k) arrays
    other_delta, other_phi : (t, p, m) and (t, p, k) arrays
        The same two objects for the pairs of the samples among themselves; the result is symmetric to the bit then.

    Returns
    -------
    (s, t) array
    """
    (s, p, m), k, t = delta.shape, phi.shape[2], len(other_delta)
    by_positions = s * t * p * p * (m + k)
    by_gradients = s * t * m * k + (s + t) * p * m * k
    way = _sum_over_positions if by_positions <= by_gradients else _products_of_gradients
    return way(delta, phi, other_delta, other_phi, run)


def _sum_over_positions(delta: NDArray, phi: NDArray, other_delta: NDArray, other_phi: NDArray, run: Run) -> NDArray:
    """Σ_l Σ_r ⟨δ_il, δ_jr⟩ ⟨φ_il, φ_jr⟩, for a few samples i at a time; of mirror images, one is computed."""
    (s, p, _), t = delta.shape, len(other_delta)
    G = np.empty((s, t), delta.dtype)
    is_same = delta is other_delta

    def fill(some: slice) -> None:
        columns = slice(some.start if is_same else 0, t)
        products = _products(delta[some], other_delta[columns])
        products *= _products(phi[some], other_phi[columns])
        G[some, columns] = products if p == 1 else products.reshape(-1, p, products.shape[1] // p, p).sum(axis=(1, 3))
        if is_same:
            _mirror(G, some)

    list(run(fill, slicing.of_size(s, max(1, _PRODUCTS_AT_ONCE // (p * t * p)))))
    return G


def _products(array: NDArray, other: NDArray) -> NDArray:
    """⟨array_il, other_jr⟩, (s·p, t·p)."""
    return array.reshape(-1, array.shape[2]) @ other.reshape(-1, other.shape[2]).T


def _products_of_gradients(delta: NDArray, phi: NDArray, other_delta: NDArray, other_phi: NDArray, run: Run) -> NDArray:
    """Σ_r ⟨∂u_i/∂w_r, ∂u_j/∂w_r⟩ over the rows w_r of W^(h), a few hidden units r at a time."""
    (s, _, m), k, t = delta.shape, phi.shape[2], len(other_delta)
    is_same = delta is other_delta

    def part(some: slice) -> NDArray:
        gradients = _gradients(delta[:, :, some], phi)
        return gradients @ (gradients if is_same else _gradients(other_delta[:, :, some], other_phi)).T

    G = np.zeros((s, t), delta.dtype)
    for products in run(part, slicing.of_size(m, max(1, _PRODUCTS_AT_ONCE // ((s + t) * k)))):
        G += products
    if is_same:
        _mirror(G, slice(0, s))
    return G


def _gradients(delta: NDArray, phi: NDArray) -> NDArray:
    """∂u_i/∂w_r = Σ_l δ_il,r φ_il of every sample, (n, r·k)."""
    return (delta.transpose(0, 2, 1) @ phi).reshape(len(delta), -1)


def _mirror(G: NDArray, some: slice) -> None:
    """Write the mirror images of the rows `some` of G, from the diagonal on."""
    square = G[some, some]
    square[...] = np.triu(square) + np.triu(square, 1).T
    G[some.stop :, some] = G[some, some.stop :].T
