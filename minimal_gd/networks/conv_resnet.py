"""The convolutional residual network, on 1-D signals and 2-D images."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate
from minimal_gd.activations import Activation
from minimal_gd.networks.base import Network
from minimal_gd.networks.patches import add_col2im, im2col
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters


class ConvResNet(Network):
    """x^(1) = √(c_σ/m) σ(W^(1) φ(x)), x^(h) = x^(h-1) + c_res/(H√m) σ(W^(h) φ(x^(h-1))), and u = ⟨a, x^(H)⟩.

    An x^(h) has m channels at p positions, one row a position here; φ puts next to each other the q pixels of the
    patch around every position, zeros beyond the border, so that a convolution is a product of matrices (im2col).

    The gradient, from the output down. Write s_1 = √(c_σ/m), s_h = c_res/(H√m) for h ≥ 2, z^(h) = W^(h) φ(x^(h-1))
    and g^(h) = ∂u/∂x^(h), with a column for every position l.

    1. u = Σ_l a_lᵀ x_l^(H), so g^(H) = a and ∂u/∂a = x^(H).
    2. z_rl^(h) enters u only through the term s_h σ(z_rl^(h)) of x_rl^(h), so δ^(h) = s_h g^(h) ∘ σ′(z^(h)).
    3. x^(h-1) enters x^(h) as it is, and through φ, which is linear: g^(h-1) = g^(h) + φᵀ(W^(h)ᵀ δ^(h)), where the
       transpose φᵀ adds every entry of a patch to the pixel that it was copied from, and drops the padding.
    4. z_rl^(h) = Σ_s W_rs^(h) φ(x^(h-1))_sl at every position, with the same W^(h), so
       ∂u/∂W^(h) = Σ_l δ_l^(h) ⊗ φ(x^(h-1))_l.

    Parameters
    ----------
    input_shape : (channels, positions) or (channels, rows, columns)
    width, depth : int ≥ 1
        m channels in every hidden layer, and H.
    filter_shape : (q,) or (q_rows, q_columns)
        Odd sizes, and may be wider than the input; a bare int stands for (q,).
        `W[0]` is (m, channels·q), every other `W[h]` (m, m·q), columns channel-major: channel c at offset κ is
        column c·q + κ. `a` is (m, p), the p positions row-major.
    activation : str or Activation
        σ, by name or as an object.
    c_res : float > 0
        The weight of the residual branches; the paper takes 0 < c_res < 1.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer ≥ 1, a filter size is even, the filter has another rank than the positions, there
        is no such activation, or c_res is not finite and positive.

    Paper: section 7, stride 1 and zero padding; from 1-D to 2-D only φ changes.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        width: int,
        depth: int,
        filter_shape: tuple[int, ...],
        activation: str | Activation = "softplus",
        c_res: float = 0.5,
    ) -> None:
        self.input_shape = _sizes("input_shape", input_shape, "(channels, positions) or (channels, rows, columns)")
        if len(self.input_shape) not in (2, 3):
            raise ValueError(
                f"input_shape must be (channels, positions) or (channels, rows, columns), got {input_shape}"
            )
        super().__init__(width, depth, activation)
        self.filter_shape = _filter_sizes(filter_shape, rank=len(self.input_shape) - 1)
        self.c_res = validate.positive_number("c_res", c_res)
        channels, *spatial = self.input_shape
        self.positions = math.prod(spatial)
        self._grid = (math.prod(spatial[:-1]), spatial[-1])  # a signal is an image of one row
        self._window = (math.prod(self.filter_shape[:-1]), self.filter_shape[-1])
        q = math.prod(self.filter_shape)
        self.fan_in = (channels * q,) + (self.width * q,) * (self.depth - 1)

    def __repr__(self) -> str:
        sizes = f"{self.input_shape}, {self.width}, {self.depth}, {self.filter_shape}"
        return f"ConvResNet({sizes}, activation={self.activation.name!r}, c_res={self.c_res})"

    @property
    def output_shape(self) -> tuple[int, int]:
        """The shape of `a`, (m, p)."""
        return (self.width, self.positions)

    def pixels(self, X: NDArray) -> NDArray:
        """x^(0) position by position, (n, p, channels)."""
        return np.moveaxis(X.reshape(len(X), self.input_shape[0], -1), 1, 2)

    def patch_sums(self, products: NDArray, axes: int = 1) -> NDArray:
        """Σ_κ ⟨x_{l+κ}, x′_{r+κ}⟩ over the offsets κ of the filter that stay inside the image, for l and for r."""
        others = products.shape[axes:]
        sums = products.reshape(*self._grid * axes, *others)
        for axis, size in enumerate(self._window):
            sums = _sliding_sum(sums, [axis + 2 * position for position in range(axes)], size)
        return sums.reshape(products.shape)

    def add_patches(self, product: NDArray, x: NDArray) -> None:
        """Add φᵀ(product), (n·p, C·q), to x, (n·p, C)."""
        add_col2im(product, self._grid, self._window, x)

    def fill_features(self, X: NDArray, work: Workspace) -> None:
        """φ(x) of the input: (n, channels, *spatial) to rows, one a position, then to patches."""
        pixels = self.pixels(X).reshape(-1, self.input_shape[0])
        im2col(pixels.astype(work.u.dtype), self._grid, self._window, work.phi[0])

    def limit_layer(self, h: int) -> tuple[float, float]:
        """κ_1 = 0, β_1 = √c_σ, as in a fully-connected network; then κ_h = 1, β_h = c_res/H. Paper: section 7."""
        return (0, math.sqrt(self.activation.c_sigma)) if h == 1 else (1, self.c_res / self.depth)

    def forward(self, params: Parameters, work: Workspace) -> NDArray:
        """x^(0) = x to u = ⟨a, x^(H)⟩: the recursion of section 7, rows for columns."""
        x, z = work.phi[-1], work.g
        for h, W in enumerate(params.W):
            np.matmul(work.phi[h], W.T, out=z)  # z^(h) = W^(h) φ(x^(h-1))
            self.activation.apply(z, slope=work.delta[h], scale=self.scale(h))  # s_h σ(z^(h))
            if h == 0:
                x[...] = z
            else:
                x += z  # x^(h) = x^(h-1) + s_h σ(z^(h))
            if h + 1 < self.depth:
                im2col(x, self._grid, self._window, work.phi[h + 1])  # φ(x^(h))
        return np.einsum("ilr,rl->i", x.reshape(-1, self.positions, self.width), params.a, out=work.u)

    def backward(self, params: Parameters, work: Workspace, upstream: NDArray) -> None:
        """δ^(H) to δ^(1): steps 1 to 3 of the derivation, times `upstream`."""
        g = work.g
        np.einsum("i,rl->ilr", upstream, params.a, out=g.reshape(-1, self.positions, self.width))  # ∂u/∂x^(H) = a
        for h in reversed(range(self.depth)):
            delta = work.delta[h]  # s_h σ′(z^(h))
            delta *= g  # δ^(h) = s_h g^(h) ∘ σ′(z^(h))
            if h > 0:
                np.matmul(delta, params.W[h], out=work.product)
                self.add_patches(work.product, g)  # g^(h-1) = g^(h) + φᵀ(W^(h)ᵀ δ^(h))

    def output_gradient(self, work: Workspace, residual: NDArray, out: NDArray) -> NDArray:
        """∂L/∂a = Σ_i (u_i - y_i) x_i^(H), (m, p)."""
        transposed = work.g[: self.positions]  # g is no longer needed
        np.matmul(residual, work.phi[-1].reshape(len(residual), -1), out=transposed.reshape(-1))
        out = out.reshape(self.width, self.positions)
        out[...] = transposed.T
        return out

    def scale(self, h: int) -> float:
        """s_{h+1}: √(c_σ/m) for the first layer (h = 0), c_res/(H√m) for the others."""
        return self.first_scale if h == 0 else self.c_res / (self.depth * self.width**0.5)


def _sliding_sum(array: NDArray, axes: list[int], size: int) -> NDArray:
    """Sum `size` neighbours around every entry, zeros beyond the border, all `axes` moving together."""
    total = array.copy()
    for offset in range(1, min(size // 2 + 1, array.shape[axes[0]])):
        low, high = ([slice(None)] * array.ndim for _ in range(2))
        for axis in axes:
            low[axis], high[axis] = slice(None, -offset), slice(offset, None)
        total[tuple(low)] += array[tuple(high)]
        total[tuple(high)] += array[tuple(low)]
    return total


def _sizes(name: str, value: Any, wanted: str) -> tuple[int, ...]:
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name} must be a tuple {wanted}, got {validate.describe(value)}")
    return tuple(validate.integer(f"{name}[{axis}]", size) for axis, size in enumerate(value))


def _filter_sizes(filter_shape: Any, rank: int) -> tuple[int, ...]:
    if not isinstance(filter_shape, tuple | list):
        filter_shape = (validate.integer("filter_shape", filter_shape),)
    sizes = _sizes("filter_shape", filter_shape, "of odd sizes")
    if len(sizes) != rank:
        raise ValueError(f"filter_shape must hold {rank} sizes, one for every axis of the positions, got {sizes}")
    if any(size % 2 == 0 for size in sizes):
        raise ValueError(f"filter_shape must hold odd sizes, so that a patch has a middle, got {sizes}")
    return sizes
