"""Pairs of samples, a block of them at a time, in threads."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from threadpoolctl import ThreadpoolController

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


Run = Callable[[Callable, list], Iterator]


@cache
def _blas() -> ThreadpoolController:
    """Looking for the BLAS takes longer than a small matrix."""
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def threads() -> Iterator[Run]:
    """Give `run(function, parts)`, which yields the function of every part in order, computed in parallel.

    There are as many threads as BLAS would use; while this lasts, BLAS itself keeps to one.
    """
    count = max((library["num_threads"] for library in _blas().info()), default=1)
    with _blas().limit(limits=1), ThreadPoolExecutor(count) as pool:

        def run(function: Callable, parts: list) -> Iterator:
            return map(function, parts) if count == 1 or len(parts) == 1 else pool.map(function, parts)

        yield run


def _cut(start: int, stop: int, side: int) -> list[slice]:
    count = math.ceil((stop - start) / side)
    ends = [start + (stop - start) * part // count for part in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(ends)]
