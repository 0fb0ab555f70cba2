"""What a certificate speaks of, by other means: u, J and the second derivatives go forward, one line of theory each.

A `Judge` works on arrays of floats, or of balls of 60 digits (python-flint), which it then compares for certain. There
is no way back in it: g^(h) and δ^(h) are derivatives of what comes after, like everything else.
"""

from dataclasses import dataclass

import flint
import numpy as np
from numpy.typing import NDArray

import minimal_gd as mgd
from minimal_gd.theory import layers

flint.ctx.dps = 60
_erf = np.frompyfunc(lambda z: z.erf() if isinstance(z, flint.arb) else flint.arb(z).erf(), 1, 1)


def balls(array) -> NDArray:
    """The same numbers, as exact balls."""
    return np.vectorize(lambda entry: flint.arb(float(entry)), otypes=[object])(np.asarray(array))


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _gaussian(z):
    pi = flint.arb.pi() if isinstance(z.reshape(-1)[0], flint.arb) else np.pi
    return np.exp(-z * z / 2) / np.sqrt(np.array(2 * pi)), np.sqrt(np.array(pi / pi * 2))


def _erf_jet(z):
    if z.dtype != object:
        from scipy.special import erf

        return erf(z), 2 / np.sqrt(np.pi) * np.exp(-z * z), -4 * z / np.sqrt(np.pi) * np.exp(-z * z)
    slope = 2 / np.sqrt(np.array(flint.arb.pi())) * np.exp(-z * z)
    return _erf(z), slope, -2 * z * slope


def _tanh_jet(z):
    t = np.tanh(z)
    return t, 1 - t * t, -2 * t * (1 - t * t)


def _sigmoid_jet(z):
    p = _sigmoid(z)
    return p, p * (1 - p), p * (1 - p) * (1 - 2 * p)


def _softplus_jet(z):
    p, slope, _ = _sigmoid_jet(z)
    return np.log(1 + np.exp(z)), p, slope


def _silu_jet(z):
    p, slope, curve = _sigmoid_jet(z)
    return z * p, p + z * slope, 2 * slope + z * curve


def _gelu_jet(z):
    two = np.sqrt(np.array(flint.arb(2))) if z.dtype == object else np.sqrt(2)
    e, slope, curve = _erf_jet(z / two)
    return z * (1 + e) / 2, (1 + e) / 2 + z * slope / (2 * two), slope / two + z * curve / 4


def _sincos_jet(z):
    s, c = np.sin(z), np.cos(z)
    return s + c, c - s, -s - c


# σ, σ′ and σ″
JETS = {
    "tanh": _tanh_jet,
    "sigmoid": _sigmoid_jet,
    "softplus": _softplus_jet,
    "silu": _silu_jet,
    "gelu": _gelu_jet,
    "erf": _erf_jet,
    "sincos": _sincos_jet,
    "identity": lambda z: (z, 1 + 0 * z, 0 * z),
    "square": lambda z: (z * z, 2 * z, 2 + 0 * z),
    "relu": lambda z: (z * (z >= 0), 1 * (z >= 0) + 0 * z, 0 * z),
}


@dataclass
class Judge:
    """A network on data, at any weights: lists of H + 1 arrays, `a` last and in the shape (m, p)."""

    net: mgd.Network
    X: NDArray
    y: NDArray
    exact: bool = False

    @classmethod
    def of(cls, net, params, X, y, exact=False) -> tuple["Judge", list[NDArray]]:
        number = balls if exact else lambda array: np.asarray(array, np.float64)
        judge = cls(net, number(X), number(y), exact)
        return judge, [number(W) for W in params.W] + [number(params.a).reshape(net.width, -1)]

    def scale(self, h: int):
        net, root = self.net, lambda x: np.sqrt(np.array(self.number(x)))
        if isinstance(net, mgd.TwoLayerReLU):
            return 1 / root(net.width)
        if h == 0 or isinstance(net, mgd.FullyConnected):
            return root(self.number(net.activation.c_sigma) / net.width)
        return self.number(net.c_res) / (net.depth * root(net.width))

    def number(self, x):
        return flint.arb(x) if self.exact else float(x)

    def skips(self, h: int) -> bool:
        return h > 0 and isinstance(self.net, mgd.ResNet | mgd.ConvResNet)

    def patches(self, x: NDArray) -> NDArray:
        """φ(x) for x (…, channels, p)."""
        channels, p = x.shape[-2:]
        index = layers.patches(self.net, np.arange(1, channels * p + 1).reshape(channels, p))
        padded = np.concatenate([0 * x.reshape(*x.shape[:-2], -1)[..., :1], x.reshape(*x.shape[:-2], -1)], axis=-1)
        return padded[..., index]

    def directions(self, theta: list[NDArray]) -> list[NDArray]:
        """Every unit vector of the trained weights: (P, *shape) arrays."""
        sizes = [array.size for array in theta]
        if not self.net.train_output:
            sizes[-1] = 0
        unit = np.eye(sum(sizes), dtype=int)
        parts = np.split(unit, np.cumsum(sizes)[:-1], axis=1)
        parts[-1] = parts[-1] if sizes[-1] else np.zeros((sum(sizes), theta[-1].size), int)
        return [part.reshape(-1, *array.shape) for part, array in zip(parts, theta, strict=True)]

    def layer_values(self, theta: list[NDArray], x: NDArray, V: list[NDArray]) -> list[tuple]:
        """φ, z, σ′(z), x^(h) and the derivatives of x^(h) along all V, layer by layer, for one sample."""
        x, values = x.reshape(self.net.input_shape[0], -1), []
        dx = np.zeros((len(V[0]), *x.shape), int)
        for h, W in enumerate(theta[:-1]):
            phi, dphi = self.patches(x), self.patches(dx)
            z, dz = W @ phi, V[h] @ phi + W @ dphi
            sigma, slope, _ = JETS[self.net.activation.name](z)
            s = self.scale(h)
            x, dx = s * sigma + (x if self.skips(h) else 0), s * slope * dz + (dx if self.skips(h) else 0)
            values.append((phi, z, slope, x, dx))
        return values

    def jacobian(self, theta: list[NDArray], V: list[NDArray] | None = None) -> tuple[NDArray, NDArray]:
        """u (n,) and J (n, P)."""
        V, u, J = self.directions(theta) if V is None else V, [], []
        for x in self.X:
            *_, (_, _, _, last, dlast) = self.layer_values(theta, x, V)
            u.append(np.sum(theta[-1] * last))
            J.append(np.sum(V[-1] * last + theta[-1] * dlast, axis=(1, 2)))
        return np.array(u), np.array(J)

    def second_derivatives(self, theta: list[NDArray]) -> NDArray:
        """D²u, (n, P, P), in floats."""
        V, H = self.directions(theta), []
        for x in self.X:
            x = x.reshape(self.net.input_shape[0], -1)
            dx = np.zeros((len(V[0]), *x.shape))
            ddx = np.zeros((len(V[0]), len(V[0]), *x.shape))
            for h, W in enumerate(theta[:-1]):
                phi, dphi, ddphi = self.patches(x), self.patches(dx), self.patches(ddx)
                z, dz = W @ phi, V[h] @ phi + W @ dphi
                mixed = np.einsum("amk,bkl->abml", V[h], dphi)
                ddz = mixed + mixed.swapaxes(0, 1) + W @ ddphi
                sigma, slope, curve = JETS[self.net.activation.name](z)
                s, skip = self.scale(h), self.skips(h)
                ddx = s * (curve * dz[:, None] * dz[None, :] + slope * ddz) + (ddx if skip else 0)
                x, dx = s * sigma + (x if skip else 0), s * slope * dz + (dx if skip else 0)
            mixed = np.einsum("aml,bml->ab", V[-1], dx)
            H.append(mixed + mixed.T + np.sum(theta[-1] * ddx, axis=(2, 3)))
        return np.array(H)


def largest_curvature(D2: NDArray, rng: np.random.Generator, starts: int = 3) -> tuple[float, NDArray]:
    """sup_V ‖D²u[V, V]‖ as far as alternating maximisation finds it, and where: q fixed, V is an eigenvector."""
    best, where = 0.0, np.zeros(D2.shape[1])
    for q in rng.standard_normal((starts, len(D2))):
        for _ in range(8):
            values, vectors = np.linalg.eigh(np.tensordot(q, D2, 1))
            V = vectors[:, np.argmax(np.abs(values))]
            q = np.einsum("iab,a,b->i", D2, V, V)
            q = q / max(np.linalg.norm(q), 1e-300)
        value = np.linalg.norm(np.einsum("iab,a,b->i", D2, V, V))
        if value >= best:
            best, where = value, V
    return float(best), where


def is_positive_definite(A: NDArray) -> bool:
    """Whether all pivots of a matrix of balls are certainly positive."""
    A = A.copy()
    for k in range(len(A)):
        if not A[k, k] > 0:
            return False
        A[k + 1 :, k + 1 :] = A[k + 1 :, k + 1 :] - np.outer(A[k + 1 :, k], A[k, k + 1 :]) / A[k, k]
    return True


def is_norm_bound(bound: float, B: NDArray) -> bool:
    """Whether ‖B‖₂ < bound, for certain."""
    gram = B @ B.T if len(B) <= B.shape[1] else B.T @ B
    return is_positive_definite(balls(np.eye(len(gram))) * flint.arb(bound) ** 2 - gram)


def descend(judge: Judge, theta: list[NDArray], step_size: float):
    """Exact descent: the norm of the residual and the distance from the start, for k = 0, 1, …, in balls."""
    start, V = theta, judge.directions(theta)
    cuts = np.cumsum([array.size for array in theta])[:-1]
    while True:
        u, J = judge.jacobian(theta, V)
        residual = u - judge.y
        moved = sum(np.sum((now - then) ** 2) for now, then in zip(theta, start, strict=True))
        yield np.sum(residual * residual).sqrt(), flint.arb(moved).sqrt()
        step = flint.arb(step_size) * (residual @ J)
        if len(step) < sum(array.size for array in theta):
            step = np.concatenate([step, balls(np.zeros(theta[-1].size))])
        parts = zip(theta, np.split(step, cuts), strict=True)
        # keep the middles: the radii of balls would grow with the steps, and 60 digits leave them far below the loss
        theta = [_middles(array - part.reshape(array.shape)) for array, part in parts]


_middles = np.vectorize(lambda ball: ball.mid(), otypes=[object])
