"""The numba hot loops: patches of a zero-padded image, the transpose of that map, and the series in ρ.

Images and patches are rows of a matrix: sample by sample, position by position in row-major order, with the
channels along the second axis. The kernels release the GIL, so that blocks of samples run in threads, and they
allocate nothing.
"""

from numba import njit
from numpy.typing import NDArray

OUTSIDE = -1


@njit(cache=True, nogil=True, error_model="numpy")
def source_row(target: int, offset: int, grid: tuple[int, int], window: tuple[int, int]) -> int:
    """Return the row of the pixel at `offset` in the patch around row `target`, or OUTSIDE if that is padding."""
    rows, columns = grid
    window_rows, window_columns = window
    first = target - target % (rows * columns)  # where this sample's pixels begin
    row = (target - first) // columns + offset // window_columns - window_rows // 2
    column = (target - first) % columns + offset % window_columns - window_columns // 2
    if 0 <= row < rows and 0 <= column < columns:
        return first + row * columns + column
    return OUTSIDE


@njit(cache=True, nogil=True, error_model="numpy")
def im2col(x: NDArray, grid: tuple[int, int], window: tuple[int, int], phi: NDArray) -> None:
    """φ(x): write the patch around every position into its row, zeros where it leaves the image.

    Parameters
    ----------
    x : (n·p, C) array
        n images of p = rows · columns positions and C channels.
    grid, window : (int, int)
        Rows and columns of the image, and of the filter (odd).
    phi : (n·p, C·q) array, written
        Column c·q + κ holds channel c at offset κ, the offsets row-major.

    Paper: section 7, the map φ_h.
    """
    q = window[0] * window[1]
    for target in range(x.shape[0]):
        patch = phi[target]
        for offset in range(q):
            source = source_row(target, offset, grid, window)
            for channel in range(x.shape[1]):
                patch[channel * q + offset] = 0 if source == OUTSIDE else x[source, channel]


@njit(cache=True, nogil=True, error_model="numpy")
def add_col2im(phi: NDArray, grid: tuple[int, int], window: tuple[int, int], x: NDArray) -> None:
    """x += φᵀ(phi): add every entry of every patch to the pixel that it was taken from.

    Parameters
    ----------
    phi : (n·p, C·q) array
        One row a patch, as `im2col` lays them out.
    grid, window : (int, int)
        Rows and columns of the image, and of the filter (odd).
    x : (n·p, C) array, added to
        n images; what a patch took from the padding is dropped.

    Paper: section 7, the transpose of the map φ_h.
    """
    q = window[0] * window[1]
    for target in range(x.shape[0]):
        patch = phi[target]
        for offset in range(q):
            source = source_row(target, offset, grid, window)
            if source != OUTSIDE:
                for channel in range(x.shape[1]):
                    x[source, channel] += patch[channel * q + offset]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def shared_series(rho: NDArray, weights: NDArray, value: NDArray, slope: NDArray) -> None:
    """p(ρ) = Σ_k w_k ρ^(k+1) and p′(ρ), entry by entry, by Horner's rule for both at once.

    Parameters
    ----------
    rho : (q, r, c) array
    weights : (K,) array
    value, slope : arrays shaped as `rho`, written
    """
    for position in range(rho.shape[0]):
        for i in range(rho.shape[1]):
            x, p, dp = rho[position, i], value[position, i], slope[position, i]
            p[:] = weights[-1]
            dp[:] = 0
            for k in range(len(weights) - 2, -1, -1):
                for j in range(len(x)):
                    dp[j] = dp[j] * x[j] + p[j]
                    p[j] = p[j] * x[j] + weights[k]
            for j in range(len(x)):  # the series begins with ρ, not with 1
                dp[j] = dp[j] * x[j] + p[j]
                p[j] = p[j] * x[j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def series(
    rho: NDArray, left: NDArray, right: NDArray, first: NDArray, second: NDArray, value: NDArray, slope: NDArray
) -> None:
    """p_ij(ρ) = Σ_k α_ik β_jk ρ^(k+1) and p′_ij(ρ), by Horner's rule for both at once.

    Parameters
    ----------
    rho : (q, r, c) array
    left, right : (q,) int arrays
        The position of the row's sample, and of the column's, for each of the q pairs of positions.
    first, second : (p, r, K) and (p, K, c) arrays
        α and β.
    value, slope : arrays shaped as `rho`, written
    """
    terms = first.shape[2]
    for pair in range(rho.shape[0]):
        alpha, beta = first[left[pair]], second[right[pair]]
        for i in range(rho.shape[1]):
            x, p, dp = rho[pair, i], value[pair, i], slope[pair, i]
            p[:] = 0
            dp[:] = 0
            for k in range(terms - 1, -1, -1):
                weight, others = alpha[i, k], beta[k]
                for j in range(len(x)):
                    dp[j] = dp[j] * x[j] + p[j]
                    p[j] = p[j] * x[j] + weight * others[j]
            for j in range(len(x)):
                dp[j] = dp[j] * x[j] + p[j]
                p[j] = p[j] * x[j]
