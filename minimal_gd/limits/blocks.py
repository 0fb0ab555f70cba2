"""Pairs of samples, a block of them at a time, in threads."""

import math
from itertools import pairwise
from typing import NamedTuple

# A block holds about so many entries of one layer, so that the few arrays it needs stay in the cache.
_ENTRIES = 2**14
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


def blocks(n: int, n2: int | None, entries: int) -> list[Block]:
    """Cut the pairs of n samples (on and above the diagonal), or of n with n2 others, into blocks.

    Parameters
    ----------
    entries : int
        How many entries a pair of samples has.
    """
    side = max(_FEWEST_SAMPLES, math.isqrt(_ENTRIES // entries))
    rows = _cut(0, n, side)
    if n2 is None:
        return [
            Block(row, column, column, row is column, row is not column)
            for i, row in enumerate(rows)
            for column in rows[i:]
        ]
    columns = _cut(n, n + n2, side)
    return [
        Block(row, column, slice(column.start - n, column.stop - n), False, False) for row in rows for column in columns
    ]


def _cut(start: int, stop: int, side: int) -> list[slice]:
    count = math.ceil((stop - start) / side)
    ends = [start + (stop - start) * part // count for part in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(ends)]
