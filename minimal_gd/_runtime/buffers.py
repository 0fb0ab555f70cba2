"""Arrays for intermediate results, allocated once a thread and overwritten by every block that it computes."""

import threading

import numpy as np
from numpy.typing import DTypeLike

from minimal_gd._runtime.arrays import Array


class Buffers(threading.local):
    """Arrays by name, `buffers["product"]`. Every thread sees arrays of its own, made when it first looks.

    Parameters
    ----------
    dtype : dtype
    **shapes : int or tuple of int
        The shape of the array of every name. What is in the arrays at first is not defined.
    """

    def __init__(self, dtype: DTypeLike, **shapes: int | tuple[int, ...]) -> None:
        self._arrays = {name: np.empty(shape, dtype) for name, shape in shapes.items()}

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]
