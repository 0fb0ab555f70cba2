"""How a range is cut into slices: each number in one of them, in order, and of which lengths."""

import math

from hypothesis import given
from hypothesis import strategies as st

from minimal_gd._runtime import slicing

LENGTHS = st.integers(1, 100)


def numbers(cut):
    return [i for block in cut for i in range(block.start, block.stop)]


def lengths(cut):
    return [block.stop - block.start for block in cut]


@given(LENGTHS, LENGTHS, st.integers(0, 100))
def test_parts_are_of_nearly_the_same_length_and_none_is_empty(length, parts, start):
    cut = slicing.in_parts(length, parts, start)
    assert numbers(cut) == list(range(start, start + length))
    assert len(cut) == min(length, parts)
    assert {length // len(cut), math.ceil(length / len(cut))} == set(lengths(cut))
    assert slicing.longest(cut) == math.ceil(length / len(cut))


@given(LENGTHS, LENGTHS)
def test_all_slices_but_the_last_have_the_length_that_is_asked_for(size, length):
    cut = slicing.of_size(length, size)
    assert numbers(cut) == list(range(length))
    assert lengths(cut)[:-1] == [size] * (math.ceil(length / size) - 1)
    assert slicing.longest(cut) == min(size, length)
