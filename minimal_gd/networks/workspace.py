"""The arrays that one forward and one backward pass fill, allocated once and used at every step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minimal_gd._runtime.buffers import Buffers
from minimal_gd._runtime.content import by_content


class Sizes(Protocol):
    """What a network has, and all that its arrays depend on: m, H, p, and the number of columns of every W^(h)."""

    width: int
    depth: int
    positions: int
    fan_in: tuple[int, ...]


@by_content
@dataclass(frozen=True)
class Workspace:
    """Features φ_h(x^(h-1)) and sensitivities δ^(h) of n samples, with arrays to compute them in.

    A row is one position of one sample (p rows a sample; p = 1 but for the convolution). k_h is the number of
    columns of W^(h).

    Attributes
    ----------
    phi : Arrays, a list of H + 1 arrays
        `phi[h - 1]`, (n·p, k_h), holds φ_h(x^(h-1)); the last, (n·p, m), holds x^(H).
    delta : Arrays, a list of H arrays, (n·p, m)
        `delta[h - 1]` holds s_h σ′(z^(h)) after the forward pass, s_h the factor in front of σ, and δ^(h) = ∂u/∂z^(h)
        after the backward pass.
    u : (n,) array
        The predictions.
    positions : int
        p.
    buffers : Buffers
        Where `g` and `product` are.
    """

    phi: "Arrays"
    delta: "Arrays"
    u: NDArray
    positions: int
    buffers: Buffers

    @classmethod
    def allocate(cls, net: Sizes, n: int, dtype: DTypeLike, at_once: int | None = None) -> "Workspace":
        """Make room for `n` samples of `net`; a pass is over `at_once` of them at most, or over all."""
        rows, m = n * net.positions, net.width
        rows_at_once = (n if at_once is None else at_once) * net.positions
        return cls(
            phi=Arrays(np.empty((rows, k), dtype) for k in (*net.fan_in, m)),
            delta=Arrays(np.empty((rows, m), dtype) for _ in range(net.depth)),
            u=np.empty(n, dtype),
            positions=net.positions,
            buffers=Buffers(dtype, g=(rows_at_once, m), product=(rows_at_once, net.fan_in[-1])),
        )

    @property
    def g(self) -> NDArray:
        """z^(h) on the way forward, ∂u/∂x^(h) on the way back: (n·p, m)."""
        return self.buffers["g"][: len(self.u) * self.positions]

    @property
    def product(self) -> NDArray:
        """Where δ^(h) W^(h) stands before it joins `g`: (n·p, k_H)."""
        return self.buffers["product"][: len(self.u) * self.positions]

    @staticmethod
    def bytes_per_sample(net: Sizes, dtype: DTypeLike) -> int:
        """Return the memory that one sample takes."""
        entries = sum(net.fan_in) + net.fan_in[-1] + (net.depth + 2) * net.width
        return net.positions * entries * np.dtype(dtype).itemsize

    def pairs(self) -> Iterator[tuple[NDArray, NDArray]]:
        """Yield what `Network.pairs` yields, once the arrays are filled."""
        n = len(self.u)
        for h, delta in enumerate(self.delta):
            yield delta.reshape(n, self.positions, -1), self.phi[h].reshape(n, self.positions, -1)
        yield np.ones((n, 1, 1), self.u.dtype), self.phi[-1].reshape(n, 1, -1)

    def samples(self, block: slice) -> "Workspace":
        """Return the part that belongs to some of the samples: views, not copies."""
        first, last, _ = block.indices(len(self.u))
        rows = slice(first * self.positions, last * self.positions)
        return Workspace(
            phi=Arrays(phi[rows] for phi in self.phi),
            delta=Arrays(delta[rows] for delta in self.delta),
            u=self.u[block],
            positions=self.positions,
            buffers=self.buffers,
        )


class Arrays(list):
    """A list that keeps its arrays: `arrays[h] = x` writes x into `arrays[h]`, where a step of descent reads it."""

    def __setitem__(self, h: int, x: NDArray) -> None:  # type: ignore[override]  # no slices
        if x is not self[h]:
            self[h][...] = x
