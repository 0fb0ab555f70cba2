"""The four architectures in 50 digits that neither overflow nor underflow: u, L, ∂L/∂θ and G^(h) of tiny networks.

Derivatives go forward, with every number its derivative along one weight: no line of a way back. `reach`
bounds the numbers on the way, there and back.
"""

import itertools
import math
from dataclasses import dataclass, field
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

import minimal_gd as mgd

EXACTLY = Context(prec=50, Emin=-(10**17), Emax=10**17, traps=[])
ONE, ZERO = Decimal(1), Decimal(0)


def _decay(z: Decimal, rate: int = 1) -> Decimal:
    return (-rate * abs(z)).exp()


def _tanh(z: Decimal) -> Decimal:
    if abs(z) < Decimal(10) ** -20:
        return z - z**3 / 3  # (1 - e^(-2z)) would cancel
    e = _decay(z, 2)
    return (ONE if z > 0 else -ONE) * (1 - e) / (1 + e)


# σ and σ′
SIGMA = {
    "softplus": (
        lambda z: max(z, ZERO) + (1 + _decay(z)).ln(),
        lambda z: (_decay(z) if z < 0 else ONE) / (1 + _decay(z)),
    ),
    "tanh": (_tanh, lambda z: 4 * _decay(z, 2) / (1 + _decay(z, 2)) ** 2),
    "relu": (lambda z: max(z, ZERO), lambda z: ONE if z >= 0 else ZERO),
    "identity": (lambda z: z, lambda z: ONE),
    "square": (lambda z: z * z, lambda z: 2 * z),
}
Place = tuple[int, tuple[int, ...]]  # a layer, and an entry of its array


@dataclass
class Exact:
    """A network with data; every number in it is a Decimal. To be used in the context EXACTLY."""

    net: mgd.Network
    layers: list[NDArray]  # W^(1), …, W^(H), a
    X: NDArray
    y: NDArray
    largest: Decimal = field(default_factory=lambda: ZERO)

    @classmethod
    def of(cls, net: mgd.Network, params: mgd.Parameters, X: NDArray, y: NDArray) -> "Exact":
        return cls(net, [_exactly(array) for array in (*params.W, params.a)], _exactly(X), _exactly(y))

    def seen(self, numbers: NDArray) -> NDArray:
        self.largest = max(self.largest, *map(abs, np.ravel(numbers)))
        return numbers

    def prediction(self, x: NDArray, along: Place | None = None) -> tuple[Decimal, Decimal]:
        """u and its derivative along one weight."""
        net, m = self.net, Decimal(self.net.width)
        *Ws, a = self.layers
        c_sigma = Decimal(net.activation.c_sigma)
        sigma, slope = (np.vectorize(function, otypes=[object]) for function in SIGMA[net.activation.name])
        x = x.reshape(net.input_shape[0], -1)  # channels, positions
        dx = 0 * x
        for h, W in enumerate(Ws):
            phi, dphi = self.patches(x), self.patches(dx)
            z, dz = self.seen(W @ phi), W @ dphi
            if along is not None and along[0] == h:
                row, column = along[1]
                dz[row] += phi[column]
            is_skipping = h > 0 and not isinstance(net, mgd.FullyConnected)
            if isinstance(net, mgd.TwoLayerReLU):
                scale = 1 / m.sqrt()
            elif is_skipping:
                scale = Decimal(net.c_res) / (net.depth * m.sqrt())
            else:
                scale = (c_sigma / m).sqrt()
            new, dnew = scale * sigma(z), self.seen(scale * slope(z) * dz)
            x, dx = (x + new, dx + dnew) if is_skipping else (new, dnew)
            self.seen(x)
        a = a.reshape(int(m), -1)
        du = np.sum(a * dx)
        if along is not None and along[0] == len(Ws):
            du += x.reshape(-1)[np.ravel_multi_index(along[1], self.layers[-1].shape)]
        return self.seen(np.sum(a * x)), self.seen(du)

    def patches(self, x: NDArray) -> NDArray:
        """φ(x): for every channel and offset a row, for every position a column."""
        if not isinstance(self.net, mgd.ConvResNet):
            return x
        shape, window = self.net.input_shape[1:], self.net.filter_shape
        padded = np.full((len(x), *(size + q - 1 for size, q in zip(shape, window, strict=True))), ZERO)
        inside = tuple(slice(q // 2, q // 2 + size) for size, q in zip(shape, window, strict=True))
        padded[(slice(None), *inside)] = x.reshape(-1, *shape)
        rows = [
            channel[tuple(slice(o, o + size) for o, size in zip(offset, shape, strict=True))].reshape(-1)
            for channel in padded
            for offset in itertools.product(*map(range, window))
        ]
        return np.array(rows)

    def predictions(self) -> NDArray:
        return np.array([self.prediction(x)[0] for x in self.X])

    def loss(self) -> Decimal:
        residual = self.predictions() - self.y
        return np.sum(residual * residual) / 2

    def reach(self) -> Decimal:
        """A bound of all sizes, there and back: the largest seen, and max|u - y| max|a| max|W^(h)| … max|x|."""
        sizes = [self.predictions() - self.y, self.X, *self.layers]
        return max(self.largest, math.prod(max(ONE, *map(abs, np.ravel(array))) for array in sizes))

    def derivatives(self) -> tuple[list[NDArray], list[NDArray]]:
        """∂L/∂θ of every layer, `a` last, and G^(1), …, G^(H+1)."""
        residual, gradient, grams = self.predictions() - self.y, [], []
        for layer, array in enumerate(self.layers):
            J = [[self.prediction(x, (layer, place))[1] for place in np.ndindex(array.shape)] for x in self.X]
            J = np.array(J)  # (n, entries)
            gradient.append(self.seen((residual @ J).reshape(array.shape)))
            grams.append(J @ J.T)
        if not self.net.train_output:
            gradient[-1] = 0 * gradient[-1]
        return gradient, grams


def largest_eigenvalue(G: NDArray) -> Decimal:
    """λ_max of a symmetric matrix of one or two rows."""
    if len(G) == 1:
        return G[0, 0]
    half_difference = (G[0, 0] - G[1, 1]) / 2
    return (G[0, 0] + G[1, 1]) / 2 + (half_difference**2 + G[0, 1] ** 2).sqrt()


def norm(array: NDArray) -> Decimal:
    return np.sum(array * array).sqrt()


def _exactly(array: NDArray) -> NDArray:
    return np.vectorize(lambda entry: Decimal(float(entry)), otypes=[object])(array)
