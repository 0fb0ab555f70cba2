"""One step of gradient descent, on blocks of samples in threads, into arrays allocated once.

The forward and backward pass of every architecture is plain NumPy on the rows it is given. Here each thread runs it on
one block of samples after the other, then updates one block of hidden units after the other. The blocks depend on the
sizes of the problem alone, so that the same seed gives the same bits on any number of threads.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import slicing
from minimal_gd._runtime.buffers import Buffers
from minimal_gd.networks import blocks
from minimal_gd.networks.base import Network, half_square
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters


class _Samples(NamedTuple):
    """A block of samples, with its part of every array."""

    work: Workspace
    y: NDArray
    residual: NDArray
    upstream: NDArray


class _Units(NamedTuple):
    """A block of rows of one W^(h), with what its update is made of."""

    W: NDArray
    delta: NDArray  # transposed
    phi: NDArray


class Step:
    """A network at θ(k) on fixed data, with all the arrays that one step needs.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ(k), C-contiguous arrays of one dtype; `descend` changes them in place.
    X : (n, *input_shape) array
    y : (n,) array
    step_size : float
        η, for the sum L.
    run : callable
        Runs a function over a list, in threads or not, as `map` does. See `minimal_gd._runtime.threads`.
    """

    def __init__(
        self,
        net: Network,
        params: Parameters,
        X: NDArray,
        y: NDArray,
        step_size: float,
        run: Callable[[Callable, list], Iterable],
    ) -> None:
        self.net, self.params, self.y, self.run = net, params, y, run
        self.step_size = params.dtype.type(step_size)
        cut, units = blocks.of_samples(net, len(y)), blocks.of_units(net, len(y))
        self.work = Workspace.allocate(net, len(y), params.dtype, at_once=slicing.longest(cut))
        net.fill_features(X, self.work)
        self.residual, self._upstream = np.empty_like(y), np.empty_like(y)
        largest_block = max(slicing.longest(units) * max(net.fan_in), params.a.size)
        self._buffers = Buffers(params.dtype, update=largest_block)
        self._output_update = np.empty(params.a.size, params.dtype)

        self._samples = [
            _Samples(self.work.samples(block), y[block], self.residual[block], self._upstream[block]) for block in cut
        ]
        self._units = [self._layers(some) for some in units]

    def _layers(self, units: slice) -> list[_Units]:
        """Return these rows of every W^(h)."""
        layers = zip(self.params.W, self.work.delta, self.work.phi[:-1], strict=True)
        return [_Units(W[units], delta[:, units].T, phi) for W, delta, phi in layers]

    @property
    def predictions(self) -> NDArray:
        """u(k), (n,), after `evaluate`; overwritten by the next one."""
        return self.work.u

    def evaluate(self) -> float:
        """Go forward and back: return L(θ(k)), a sum, and leave η (u_i - y_i) δ_i in the workspace."""
        list(self.run(self._forward_and_backward, self._samples))  # all of them: `map` is lazy
        return half_square(self.residual)

    def descend(self) -> None:
        """After `evaluate`, take the step: θ(k+1) = θ(k) - η ∂L/∂θ."""
        list(self.run(self._descend, self._units))
        if self.net.train_output:
            a = self.params.a
            np.subtract(a, self.net.output_gradient(self.work, self._upstream, out=self._output_update), out=a)

    def distances(self, start: Parameters) -> NDArray:
        """‖W^(h)(k) - W^(h)(0)‖_F for h = 1, …, H, and ‖a(k) - a(0)‖_2."""
        units = blocks.of_units(self.net, len(self.y))
        layers = zip(self.params.W, start.W, strict=True)
        return np.array(
            [math.hypot(*(self._distance(W[some], V[some]) for some in units)) for W, V in layers]
            + [self._distance(self.params.a, start.a)]
        )

    def _distance(self, now: NDArray, then: NDArray) -> float:
        """‖now - then‖, of arrays as large as one block at most."""
        difference = np.subtract(now, then, out=self._buffer_like(now)).reshape(-1)
        exponent = np.frexp(max(difference.max(), -difference.min()))[1]
        np.ldexp(difference, -exponent, out=difference)  # exact, and no square over- or underflows
        return float(np.ldexp(np.linalg.norm(difference), exponent))

    def _buffer_like(self, array: NDArray) -> NDArray:
        """Return an array of the same shape, which this thread alone writes to."""
        return self._buffers["update"][: array.size].reshape(array.shape)

    def _forward_and_backward(self, samples: _Samples) -> None:
        work, y, residual, upstream = samples
        work.u[...] = self.net.forward(self.params, work)  # an architecture may return an array of its own
        np.subtract(work.u, y, out=residual)
        np.multiply(residual, self.step_size, out=upstream)
        self.net.backward(self.params, work, upstream)

    def _descend(self, layers: list[_Units]) -> None:
        """W^(h) -= η Σ_i (u_i - y_i) δ_i ⊗ φ_i for some rows of every W^(h)."""
        for W, delta, phi in layers:
            W -= np.matmul(delta, phi, out=self._buffer_like(W))
