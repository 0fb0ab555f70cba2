"""θ = (W^(1), …, W^(H), a): what is trained."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.content import by_content


@by_content
class Parameters(NamedTuple):
    """The parameters θ of a network, or anything shaped like them: a gradient, a direction.

    Attributes
    ----------
    W : tuple of H arrays
        `W[h - 1]` is the paper's W^(h), of shape (m, m_in).
    a : array
        The output layer: (m,), for the convolution (m, p).

    Paper: equations (2) and (3).
    """

    W: tuple[NDArray, ...]
    a: NDArray

    @property
    def dtype(self) -> np.dtype:
        """The dtype that all computation with these parameters has."""
        return np.result_type(*self.W, self.a)

    @property
    def size(self) -> int:
        """The number of trainable entries, all layers together."""
        return sum(W.size for W in self.W) + self.a.size

    def map(self, function: Callable[[NDArray], NDArray]) -> "Parameters":
        """Apply `function` to every array: `params.map(np.copy)`, `params.map(np.zeros_like)`."""
        return Parameters(tuple(function(W) for W in self.W), function(self.a))
