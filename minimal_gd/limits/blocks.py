"""Pairs of samples, a block of them at a time, in threads."""

import math
from itertools import combinations
from typing import NamedTuple

from minimal_gd._runtime import slicing

# A block holds about so many entries of one layer. Threads take turns between NumPy's operations, so these must be
# long, but no thread should be left without a block; alone, a smaller block is faster, whose arrays stay in the cache.
# Few entries in all are done before a second thread has woken up. (The fastest of the sizes tried, on two cores.)
_ENTRIES_IN_THREADS = 2**16
_BLOCKS_IN_THREADS = 8
_ENTRIES_ALONE = 2**14
_FEW_ENTRIES = 2**17
_FEWEST_SAMPLES = 12


class Block(NamedTuple):
    """Pairs (i, j) of samples, counted over X and X2 one after the other.

    Attributes
    ----------
    rows, columns : slice
        Among all samples.
    target : slice
        The columns of the result that belong to `columns`.
    is_diagonal : bool
        Whether rows and columns are the same samples.
    is_mirrored : bool
        Whether the pairs (j, i) are not in any other block.
    """

    rows: slice
    columns: slice
    target: slice
    is_diagonal: bool
    is_mirrored: bool


class Panel(NamedTuple):
    """The pairs of two runs of samples, cut into blocks.

    Attributes
    ----------
    rows, columns : slice
        Among all samples.
    blocks : list of Blocks
    """

    rows: slice
    columns: slice
    blocks: list[Block]


def is_small(n: int, n2: int | None, entries: int, share: float = 1.0) -> bool:
    """Whether one thread is faster than two, for `share` of the work of all layers; arguments as for `panels`."""
    return n * (n if n2 is None else n2) * entries * share <= _FEW_ENTRIES


def largest_block(n: int, n2: int | None, entries: int) -> tuple[int, int]:
    """How many rows and columns a block of `panels` has, at most."""
    side = _side(n, n2, entries)
    return min(side, n), min(side, n if n2 is None else n2)


def _side(n: int, n2: int | None, entries: int) -> int:
    total = n * (n if n2 is None else n2) * entries
    size = min(_ENTRIES_IN_THREADS, max(_ENTRIES_ALONE, total // _BLOCKS_IN_THREADS))
    return max(_FEWEST_SAMPLES, math.isqrt(size // entries))


def panels(n: int, n2: int | None, entries: int, samples: int) -> list[Panel]:
    """Cut the pairs of n samples (on and above the diagonal), or of n with n2 others.

    Parameters
    ----------
    entries : int
        How many entries a pair of samples has.
    samples : int
        How many samples a panel has on a side, at most.
    """
    side = _side(n, n2, entries)
    stripes = [(stripe, _cut(stripe, side)) for stripe in _cut(slice(0, n), samples)]
    if n2 is not None:
        others = [(stripe, _cut(stripe, side)) for stripe in _cut(slice(n, n + n2), samples)]
        return [
            Panel(rows, columns, [_rectangle(row, column, n) for row in some for column in more])
            for rows, some in stripes
            for columns, more in others
        ]
    return [
        Panel(
            rows,
            columns,
            _triangle(some) if rows is columns else [_mirrored(row, column) for row in some for column in more],
        )
        for i, (rows, some) in enumerate(stripes)
        for columns, more in stripes[i:]
    ]


def _triangle(rows: list[slice]) -> list[Block]:
    """Those on the diagonal last: they take half as long, so the threads end at about the same time."""
    return [_mirrored(row, column) for row, column in combinations(rows, 2)] + [
        Block(row, row, row, True, False) for row in rows
    ]


def _mirrored(row: slice, column: slice) -> Block:
    return Block(row, column, column, False, True)


def _rectangle(row: slice, column: slice, n: int) -> Block:
    return Block(row, column, slice(column.start - n, column.stop - n), False, False)


def _cut(samples: slice, side: int) -> list[slice]:
    """Cut a run of samples into slices of nearly the same size, at most `side`."""
    length = samples.stop - samples.start
    return slicing.in_parts(length, math.ceil(length / side), samples.start)
