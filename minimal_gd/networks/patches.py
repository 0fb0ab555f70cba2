"""Patches of a zero-padded image, im2col, and the transpose of that map, as compiled loops.

Images and patches are rows of a matrix: sample by sample, position by position in row-major order, with the
channels along the second axis. The kernels release the GIL, so that blocks of samples run in threads, and they
allocate nothing.
"""

from numpy.typing import NDArray

from minimal_gd._runtime.compiling import kernel

OUTSIDE = -1


@kernel
def source_row(target: int, offset: int, grid: tuple[int, int], window: tuple[int, int]) -> int:
    """Return the row of the pixel at `offset` in the patch around row `target`, or OUTSIDE if that is padding."""
    rows, columns = grid
    window_rows, window_columns = window
    position = target % (rows * columns)  # in its image
    row = position // columns + offset // window_columns - window_rows // 2
    column = position % columns + offset % window_columns - window_columns // 2
    if 0 <= row < rows and 0 <= column < columns:
        return target - position + row * columns + column
    return OUTSIDE


@kernel
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


@kernel
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
