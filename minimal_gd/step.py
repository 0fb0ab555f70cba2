"""One step of gradient descent, on blocks of samples in threads, into arrays allocated once.

The forward and backward pass of every architecture is plain NumPy on the rows it is given. Here each thread runs it on
one block of samples after the other. The blocks depend on the sizes of the problem alone, so that the same seed gives
the same bits on any number of threads.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from minimal_gd.networks.base import Network, half_square
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters

# A block of fewer multiplications is done before another thread has woken up, and matrix products of a few rows or a
# few units are slow: these sizes were the fastest of those tried.
_MULTIPLICATIONS_A_BLOCK = 4_000_000
_ROWS_A_BLOCK = 250
_UNITS_A_BLOCK = 64
_MOST_BLOCKS = 8


class Step:
    """A network at θ(k) on fixed data, with all the room that one step needs.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ(k), C-contiguous arrays of one dtype; `descend` changes them in place.
    X : (n, *input_shape) array
    y : (n,) array
    run : callable
        Runs a function over a list, in threads or not, as `map` does. See `minimal_gd.threads`.
    """

    def __init__(
        self, net: Network, params: Parameters, X: NDArray, y: NDArray, run: Callable[[Callable, list], Iterable]
    ) -> None:
        self.net, self.params, self.y, self.run = net, params, y, run
        self.work = Workspace.allocate(net, len(y), params.dtype)
        net.fill_features(X, self.work)
        self.residual = np.empty_like(y)
        self._row = max(net.fan_in)
        self._update = np.empty(max(net.width * self._row, params.a.size), params.dtype)
        self._output_update = np.empty(params.a.size, params.dtype)

        rows = len(y) * net.positions
        multiplications = rows * sum(net.width * k for k in net.fan_in)
        most = max(1, min(_MOST_BLOCKS, multiplications // _MULTIPLICATIONS_A_BLOCK))
        sample_blocks = _cut(len(y), min(most, max(2, rows // _ROWS_A_BLOCK)))
        self._samples = [(block, self.work.samples(block)) for block in sample_blocks]
        self._units = _cut(net.width, min(most, max(2, net.width // _UNITS_A_BLOCK)))

    @property
    def predictions(self) -> NDArray:
        """u(k), (n,), after `loss`; overwritten by the next one."""
        return self.work.u

    def loss(self) -> float:
        """Go forward: L(θ(k)), a sum."""
        self._over(self._forward, self._samples)
        return half_square(self.residual)

    def descend(self, step_size: float) -> None:
        """After `loss`, go back and take the step: θ(k+1) = θ(k) - η ∂L/∂θ."""
        self._over(self._backward, self._samples)
        self._over(lambda units: self._descend(units, step_size), self._units)
        if self.net.train_output:
            update = self.net.output_gradient(self.work, self.residual, out=self._output_update)
            update *= step_size
            np.subtract(self.params.a, update, out=self.params.a)

    def distances(self, start: Parameters) -> NDArray:
        """‖W^(h)(k) - W^(h)(0)‖_F for h = 1, …, H, and ‖a(k) - a(0)‖_2."""
        norms = []
        for now, then in zip((*self.params.W, self.params.a), (*start.W, start.a), strict=True):
            difference = self._update[: now.size].reshape(now.shape)
            norms.append(np.linalg.norm(np.subtract(now, then, out=difference).reshape(-1)))
        return np.array(norms, dtype=np.float64)

    def _over(self, function: Callable, parts: list) -> None:
        for _ in self.run(function, parts):
            pass

    def _forward(self, samples: tuple[slice, Workspace]) -> None:
        block, work = samples
        np.subtract(self.net.forward(self.params, work), self.y[block], out=self.residual[block])

    def _backward(self, samples: tuple[slice, Workspace]) -> None:
        block, work = samples
        self.net.backward(self.params, work, self.residual[block])

    def _descend(self, units: slice, step_size: float) -> None:
        """W^(h) -= η Σ_i (u_i - y_i) δ_i ⊗ φ_i for the rows `units` of every W^(h)."""
        for W, delta, phi in zip(self.params.W, self.work.delta, self.work.phi[:-1], strict=True):
            room = self._update[units.start * self._row : units.stop * self._row]  # this thread's own
            rows, k = units.stop - units.start, W.shape[1]
            update = room[: rows * k].reshape(rows, k)
            np.matmul(delta[:, units].T, phi, out=update)
            update *= step_size
            W[units] -= update


def _cut(length: int, parts: int) -> list[slice]:
    """Cut range(length) into at most `parts` slices of nearly the same size."""
    ends = [length * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends) if stop > start]
