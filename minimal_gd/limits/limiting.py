"""Every layer's Gram matrix at m → ∞, pair by pair of samples, with a bound on its error."""

import math
import warnings
from collections.abc import Callable
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from minimal_gd._runtime import validate
from minimal_gd._runtime.buffers import Buffers
from minimal_gd._runtime.threads import Run, one_blas_thread, threads
from minimal_gd.gaussian.hermite import SETTLED, inverse
from minimal_gd.limits import kernels
from minimal_gd.limits.blocks import Block, Panel, is_small, largest_block, panels
from minimal_gd.limits.pairs import buffers_for, gram_limits, largest_correlation, layer_covariances
from minimal_gd.limits.profile import Layer, Profile, input_variances, profile
from minimal_gd.networks.base import Network, require_network

# The series get this share of the tolerance at first, and less as long as that makes the whole error smaller.
_SHARE = 1 / 32
# What errors of a variance do is told to first order, which is no bound if they are larger.
_FIRST_ORDER = 2.0**-6
# How long the products of the first layer take, next to all layers.
_SHARE_OF_PRODUCTS = 1 / 8
# So much of the series' coefficients is kept at a time, of all layers together.
_KEPT_BYTES = 2**26


@overload
def limiting(
    net: Network,
    X: NDArray,
    X2: NDArray | None = None,
    *,
    tolerance: float = 1e-12,
    covariances: Literal[False] = False,
    out: NDArray | None = None,
    progress: bool = False,
) -> tuple[NDArray, float]: ...


@overload
def limiting(
    net: Network,
    X: NDArray,
    X2: NDArray | None = None,
    *,
    tolerance: float = 1e-12,
    covariances: Literal[True],
    out: NDArray | None = None,
    progress: bool = False,
) -> tuple[NDArray, float, NDArray]: ...


def limiting(
    net: Network,
    X: NDArray,
    X2: NDArray | None = None,
    *,
    tolerance: float = 1e-12,
    covariances: bool = False,
    out: NDArray | None = None,
    progress: bool = False,
) -> tuple[NDArray, float] | tuple[NDArray, float, NDArray]:
    """The limits Θ^(h) of the Gram matrices G^(h) as m → ∞, with a bound on their error.

    The net's width plays no part. The same call gives the same bits, on any number of threads. Time grows as n² p;
    memory is the result, a block of pairs for every thread, and up to 64 MiB of series coefficients where the samples'
    variances differ.

    Parameters
    ----------
    net : Network
    X : (n, *input_shape) array
    X2 : (n2, *input_shape) array, optional
        Columns of a rectangular K(X, X2); without it the result is K(X, X), exactly symmetric.
    tolerance : float > 0
        The error that is wanted, of every entry; of the largest entry's size where that is above 1.
    covariances : bool
        Whether to return the covariances K^(h), h = 0, …, H - 1, of the pre-activations too.
    out : (H + 1, n, n) or (H + 1, n, n2) float64 array, optional
        Where the result is written; may be a `numpy.memmap`.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    K : (H + 1, n, n) float64 array, or (H + 1, n, n2)
        Row h - 1 is Θ^(h), the limit of G^(h); row H - 1 is the paper's K^(H), the last row Θ^(H+1).
    error : float
        Every entry of K, and of the covariances, is within this of the exact value; what an activation of the user's is
        taken to be, `Activation` says. ∞ if too little is known of it.
    covariances : (H, n, n2) float64 array, for a convolution (H, n, n2, p, p); only if asked for
        Row h is the paper's K^(h), h < H, in a convolution K^(h)_ij,lr for positions l of x_i and r of x_j.

    Warns
    -----
    UserWarning
        Once, if the error is larger than the tolerance. It is a bound all the same.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; nothing is computed then. ValueError also if an activation of the user's
        is not finite where the Gaussian expectations need it, or if the network's `limit_layer` gives a κ_h that is
        neither 0 nor 1.

    Paper: Definitions 5.1, 6.1 and 7.1, with the indices as `minimal_gd.limits.profile` derives them; companion:
    Assumption 3.1 for `TwoLayerReLU`.
    """
    pixels, n, n2 = _checked_inputs(net, X, X2)
    tolerance = validate.positive_number("tolerance", tolerance)
    covariances, progress = validate.boolean("covariances", covariances), validate.boolean("progress", progress)
    out = _checked_out(out, (net.depth + 1, n, n if n2 is None else n2))

    squares = input_variances(net, pixels)
    alone = is_small(n, n2, net.positions) and not covariances
    with np.errstate(**validate.QUIET), one_blas_thread() if alone else threads() as run:
        buffers = buffers_for(net.depth, net.positions, *largest_block(n, n2, net.positions))
        crosses = covariances and net.positions > 1  # positions of one sample meet each other too
        rho = 1.0 if crosses else _first_correlation(net, pixels, squares, n, n2, buffers, run)
        limits = _precise_enough(net, squares, pixels.shape[2], rho, tolerance, run)
        samples = _samples_at_once(limits.layers)

        parts = panels(n, n2, net.positions, samples)
        with tqdm(total=sum(len(panel.blocks) for panel in parts), disable=not progress, unit="block") as bar:

            def fill(block: Block) -> None:
                theta = gram_limits(net, limits.layers, pixels, block, buffers)
                if block.is_diagonal:
                    kernels.reflect(theta)  # symmetric to the bit
                out[:, block.rows, block.target] = theta
                if block.is_mirrored:
                    out[:, block.target, block.rows] = theta.swapaxes(1, 2)
                with bar.get_lock():
                    bar.update()

            _over(parts, fill, limits.layers, run)
        K = _covariances(net, limits.layers, pixels, out.shape[1:], samples, run) if covariances else None
    if limits.error > tolerance * max(1, limits.largest):
        warnings.warn(
            f"the limits of {net} are known up to {limits.error:.1e}, not to the tolerance of {tolerance:.1e}",
            stacklevel=2,
        )
    return (out, limits.error) if K is None else (out, limits.error, K)


def _checked_inputs(net: Network, X: NDArray, X2: NDArray | None) -> tuple[NDArray, int, int | None]:
    """Return the pixels of X and X2, one after the other, and the number of samples of each."""
    X = require_network(net).check_inputs("X", X, np.float64)
    if X2 is None:
        return np.ascontiguousarray(net.pixels(X)), len(X), None
    X2 = net.check_inputs("X2", X2, np.float64)
    return np.concatenate([net.pixels(X), net.pixels(X2)]), len(X), len(X2)


def _checked_out(out: NDArray | None, shape: tuple[int, ...]) -> NDArray:
    if out is None:
        return np.empty(shape)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a float64 array of shape {shape}, got {validate.describe(out)}")
    if out.shape != shape or out.dtype != np.float64 or not out.flags.writeable:
        state = "" if out.flags.writeable else ", read-only"
        raise ValueError(f"out must be a writeable float64 array of shape {shape}, got {validate.describe(out)}{state}")
    return out


def _first_correlation(
    net: Network, pixels: NDArray, squares: NDArray, n: int, n2: int | None, buffers: Buffers, run: Run
) -> float:
    """The largest |ρ| of the first layer, i ≠ j; or 1, which it can't exceed, if no error depends on it."""
    form = net.activation.closed_form
    if form is not None and form.curvature is not None:
        return 1.0
    inverse_norms = inverse(np.sqrt(net.patch_sums(squares)))
    pairs = [block for panel in panels(n, n2, net.positions, len(pixels)) for block in panel.blocks]
    alone_or_not = map if is_small(n, n2, net.positions, _SHARE_OF_PRODUCTS) else run
    return max(alone_or_not(lambda block: largest_correlation(net, pixels, inverse_norms, block, buffers), pairs))


def _precise_enough(net: Network, squares: NDArray, channels: int, rho: float, tolerance: float, run: Run) -> Profile:
    """Spend less of the tolerance on the series until the whole error meets it, or does not get smaller."""
    tail, best = tolerance * _SHARE, None
    while True:
        limits = profile(net, squares, channels, rho, tail, run)
        if not all(layer.variance_error <= _FIRST_ORDER for layer in limits.layers) or math.isnan(limits.error):
            limits = limits._replace(error=math.inf)
        best = limits if best is None or limits.error < best.error else best
        if best.error <= tolerance * max(1, best.largest) or tail <= SETTLED or best is not limits:
            return best
        tail /= 32


def _samples_at_once(layers: list[Layer]) -> int:
    """How many samples' coefficients take half of what may be kept."""
    needed = sum(layer.moments.bytes_a_sample for layer in layers)
    return max(1, _KEPT_BYTES // (2 * max(1, needed)))


def _over(parts: list[Panel], fill: Callable[[Block], None], layers: list[Layer], run: Run) -> None:
    """Fill every block of every panel, preparing one panel at a time."""
    moments = [layer.moments for layer in layers if layer.moments.bytes_a_sample > 0]
    for panel in parts:
        list(run(lambda moment, panel=panel: moment.prepare(panel.rows, panel.columns), moments))
        list(run(fill, panel.blocks))


def _covariances(
    net: Network, layers: list[Layer], pixels: NDArray, shape: tuple[int, int], samples: int, run: Run
) -> NDArray:
    """K^(0), …, K^(H-1), with every pair of positions."""
    p, (n, columns) = net.positions, shape
    K = np.empty((net.depth, n, columns, p, p))

    def fill(block: Block) -> None:
        P = layer_covariances(net, layers, pixels, block).transpose(0, 3, 4, 1, 2)
        K[:, block.rows, block.target] = P
        if block.is_mirrored:
            K[:, block.target, block.rows] = P.transpose(0, 2, 1, 4, 3)

    n2 = len(pixels) - n
    _over(panels(n, n2 if n2 else None, p * p, samples), fill, layers, run)
    return K if p > 1 else K[..., 0, 0]
