"""How a problem is cut into blocks for threads: by its sizes alone, whatever the number of threads."""

from itertools import pairwise

from minimal_gd.networks.workspace import Sizes

# A block of fewer multiplications is done before another thread has woken up, and matrix products of a few rows or a
# few units are slow: these sizes were the fastest of those tried.
_MULTIPLICATIONS_A_BLOCK = 4_000_000
_ROWS_A_BLOCK = 250
_UNITS_A_BLOCK = 128
_MOST_BLOCKS = 8


def of_samples(net: Sizes, n: int) -> list[slice]:
    """Cut n samples; one block if they are few."""
    rows = n * net.positions
    return cut(n, min(_most(net, n), max(2, rows // _ROWS_A_BLOCK)))


def largest(slices: list[slice]) -> int:
    """Return the length of the longest."""
    return max(block.stop - block.start for block in slices)


def of_units(net: Sizes, n: int) -> list[slice]:
    """Cut the hidden units, where n samples change their weights."""
    return cut(net.width, min(_most(net, n), max(2, net.width // _UNITS_A_BLOCK)))


def cut(length: int, parts: int) -> list[slice]:
    """Cut range(length) into at most `parts` slices of nearly the same size."""
    ends = [length * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends) if stop > start]


def _most(net: Sizes, n: int) -> int:
    multiplications = n * net.positions * sum(net.width * k for k in net.fan_in)
    return max(1, min(_MOST_BLOCKS, multiplications // _MULTIPLICATIONS_A_BLOCK))
