"""How pairs of samples are cut into blocks: each pair once, in blocks of the sizes that were found to be fast."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minimal_gd.limits.blocks import Block, is_small, largest_block, panels

# ---------------------------------------------------------------- which pairs


def size(samples):
    return samples.stop - samples.start


def written(parts, n, n2):
    """How often each entry of the result is written, mirror images too."""
    count = np.zeros((n, n if n2 is None else n2), int)
    for panel in parts:
        for block in panel.blocks:
            count[block.rows, block.target] += 1
            if block.is_mirrored:
                count[block.target, block.rows] += 1
    return count


SIZES = st.integers(1, 200)


@given(SIZES, st.none() | SIZES, st.sampled_from([1, 9, 100, 3000]), SIZES)
@example(n=150, n2=None, entries=100, samples=60)
@example(n=150, n2=70, entries=100, samples=60)
@example(n=150, n2=200, entries=3000, samples=200)
def test_every_pair_is_in_one_block_of_one_panel(n, n2, entries, samples):
    parts = panels(n, n2, entries, samples)
    assert (written(parts, n, n2) == 1).all()
    for panel in parts:
        assert max(size(panel.rows), size(panel.columns)) <= samples
        for block in panel.blocks:
            assert panel.rows.start <= block.rows.start < block.rows.stop <= panel.rows.stop
            assert panel.columns.start <= block.columns.start < block.columns.stop <= panel.columns.stop


@given(SIZES, st.none() | SIZES, st.sampled_from([9, 100, 3000]), SIZES)
@example(n=150, n2=None, entries=100, samples=60)
@example(n=150, n2=70, entries=100, samples=60)
def test_columns_are_among_all_samples_and_targets_among_those_of_the_result(n, n2, entries, samples):
    for panel in panels(n, n2, entries, samples):
        for block in panel.blocks:
            columns, target = block.columns, block.target
            others = 0 if n2 is None else n
            assert (target.start, target.stop) == (columns.start - others, columns.stop - others)
            assert block.is_diagonal == (n2 is None and block.rows == columns)
            assert block.is_mirrored == (n2 is None and block.rows != columns)
            if n2 is None:  # on and above the diagonal
                assert block.rows.start <= columns.start


def test_the_blocks_of_a_square_are_its_diagonal_and_those_above():
    [panel] = panels(25, None, 3000, 25)
    first, middle, last = slice(0, 8), slice(8, 16), slice(16, 25)
    assert panel.rows == panel.columns == slice(0, 25)
    expected = [
        Block(first, first, first, is_diagonal=True, is_mirrored=False),
        Block(middle, middle, middle, is_diagonal=True, is_mirrored=False),
        Block(last, last, last, is_diagonal=True, is_mirrored=False),
        Block(first, middle, middle, is_diagonal=False, is_mirrored=True),
        Block(first, last, last, is_diagonal=False, is_mirrored=True),
        Block(middle, last, last, is_diagonal=False, is_mirrored=True),
    ]
    assert len(panel.blocks) == len(expected)
    assert all(block in panel.blocks for block in expected)


def test_the_panels_of_a_rectangle_take_the_samples_in_order():
    parts = panels(3, 5, 1, 3)
    assert [(panel.rows, panel.columns) for panel in parts] == [
        (slice(0, 3), slice(3, 5)),
        (slice(0, 3), slice(5, 8)),
    ]
    assert [panel.blocks for panel in parts] == [
        [Block(slice(0, 3), slice(3, 5), slice(0, 2), is_diagonal=False, is_mirrored=False)],
        [Block(slice(0, 3), slice(5, 8), slice(2, 5), is_diagonal=False, is_mirrored=False)],
    ]


def lengths(slices):
    """How many samples are in each of the different ones."""
    return [length for _, length in {(samples.start, size(samples)) for samples in slices}]


@given(SIZES, st.none() | SIZES, st.sampled_from([1, 100, 3000]), SIZES)
@example(n=200, n2=None, entries=3000, samples=190)
def test_slices_have_nearly_the_same_size_and_panels_are_as_few_as_can_be(n, n2, entries, samples):
    parts = panels(n, n2, entries, samples)
    assert len(lengths(panel.rows for panel in parts)) == math.ceil(n / samples)
    assert len(lengths(panel.columns for panel in parts)) == math.ceil((n if n2 is None else n2) / samples)
    for panel in parts:
        for cut in ([block.rows for block in panel.blocks], [block.columns for block in panel.blocks]):
            assert max(lengths(cut)) - min(lengths(cut)) <= 1
    for cut in ([panel.rows for panel in parts], [panel.columns for panel in parts]):
        assert max(lengths(cut)) - min(lengths(cut)) <= 1


# ---------------------------------------------------------------- how large

LARGE = [
    (360, None, 1, 128),  # few in all: 2¹⁴ entries
    (2**5, 2**6, 2**6, 16),
    (130, 1000, 1, 128),
    (512, None, 1, 181),  # an eighth of all, 2¹⁵ here
    (256, 1024, 1, 181),
    (64, 128, 32, 32),
    (1000, None, 1, 256),  # 2¹⁶ entries
    (1000, None, 16, 64),
    (1000, None, 1000, 12),  # twelve samples whatever they hold
]


@pytest.mark.parametrize(("n", "n2", "entries", "side"), LARGE)
def test_a_block_has_as_many_samples_as_is_fast(n, n2, entries, side):
    [panel] = panels(n, n2, entries, samples=2000)
    assert len(lengths(block.rows for block in panel.blocks)) == math.ceil(n / side)
    assert len(lengths(block.columns for block in panel.blocks)) == math.ceil((n if n2 is None else n2) / side)


@pytest.mark.parametrize(("n", "n2", "entries", "side"), [*LARGE, (7, None, 1, 7)])
def test_no_block_is_larger_than_room_is_made_for(n, n2, entries, side):
    assert largest_block(n, n2, entries) == (side, side)
    [panel] = panels(n, n2, entries, samples=2000)
    assert max(max(size(block.rows), size(block.columns)) for block in panel.blocks) <= side


def test_no_room_is_made_for_more_samples_than_there_are():
    assert largest_block(7, 300, 1) == (7, 128)
    assert largest_block(300, 7, 1) == (128, 7)


@pytest.mark.parametrize("entries", [1, 4])
def test_few_entries_are_faster_in_one_thread(entries):
    few = 2**17 // entries
    assert is_small(2**8, few // 2**8, entries)
    assert not is_small(2**8, few // 2**8 + 1, entries)
    assert is_small(math.isqrt(few), None, entries)
    assert not is_small(math.isqrt(few) + 1, None, entries)
    assert is_small(2**8, few // 2**6, entries, share=1 / 4)
    assert not is_small(2**8, few // 2**6 + 1, entries, share=1 / 4)
