"""Cutting a range into slices: by its length alone, so that the same problem always falls into the same blocks."""

from itertools import pairwise


def in_parts(length: int, parts: int, start: int = 0) -> list[slice]:
    """Cut range(start, start + length) into at most `parts` slices of nearly the same length, none of them empty."""
    ends = [start + length * part // parts for part in range(parts + 1)]
    return [slice(low, high) for low, high in pairwise(ends) if high > low]


def of_size(length: int, size: int) -> list[slice]:
    """Cut range(length) into slices of length `size`; the last one may be shorter."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def longest(slices: list[slice]) -> int:
    """Return the length of the longest slice."""
    return max(block.stop - block.start for block in slices)
