"""Buffers: the same arrays whenever a thread looks, and other ones in every thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minimal_gd._runtime.buffers import Buffers


def test_a_thread_finds_the_arrays_that_it_has_written_to_and_no_others():
    buffers = Buffers(np.float32, sums=3, products=(2, 4))
    buffers["sums"][...], buffers["products"][...] = 1, 2

    def fill(number):
        found = [buffers["sums"], buffers["products"]]
        for array in found:
            array[...] = number
        return found

    with ThreadPoolExecutor(1) as other:
        first, second = other.submit(fill, 3).result(), other.submit(fill, 4).result()
    assert all(one is two for one, two in zip(first, second, strict=True))
    assert [(array.shape, array.dtype) for array in first] == [((3,), np.float32), ((2, 4), np.float32)]
    np.testing.assert_array_equal(buffers["sums"], np.ones(3))
    np.testing.assert_array_equal(buffers["products"], np.full((2, 4), 2))
