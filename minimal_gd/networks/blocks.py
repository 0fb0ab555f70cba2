"""How a problem is cut into blocks for threads: by its sizes alone, whatever the number of threads."""

from minimal_gd._runtime import slicing
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
    return slicing.in_parts(n, min(_most(net, n), max(2, rows // _ROWS_A_BLOCK)))


def of_units(net: Sizes, n: int) -> list[slice]:
    """Cut the hidden units, where n samples change their weights."""
    return slicing.in_parts(net.width, min(_most(net, n), max(2, net.width // _UNITS_A_BLOCK)))


def _most(net: Sizes, n: int) -> int:
    multiplications = n * net.positions * sum(net.width * k for k in net.fan_in)
    return max(1, min(_MOST_BLOCKS, multiplications // _MULTIPLICATIONS_A_BLOCK))
