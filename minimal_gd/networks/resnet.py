"""The residual network."""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate
from minimal_gd.activations import Activation
from minimal_gd.networks.base import Network
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters


class ResNet(Network):
    """x^(1) = √(c_σ/m) σ(W^(1) x), x^(h) = x^(h-1) + c_res/(H√m) σ(W^(h) x^(h-1)) for h = 2, …, H, and u = aᵀ x^(H).

    The gradient, from the output down. Write s_1 = √(c_σ/m), s_h = c_res/(H√m) for h ≥ 2, z^(h) = W^(h) x^(h-1) and
    g^(h) = ∂u/∂x^(h).

    1. u is linear in x^(H), so g^(H) = a and ∂u/∂a = x^(H).
    2. z_r^(h) enters u only through the term s_h σ(z_r^(h)) of x_r^(h), so δ^(h) = ∂u/∂z^(h) = s_h g^(h) ∘ σ′(z^(h)).
    3. x^(h-1) enters x^(h) twice, h ≥ 2: as it is, and through z^(h). So g^(h-1) = g^(h) + W^(h)ᵀ δ^(h).
    4. z_r^(h) = Σ_s W_rs^(h) x_s^(h-1), so ∂u/∂W_rs^(h) = δ_r^(h) x_s^(h-1): the outer product δ^(h) ⊗ x^(h-1).

    Parameters
    ----------
    input_dim, width, depth : int ≥ 1
        d, m and H. `W[0]` is (m, d), every other `W[h]` (m, m), `a` (m,).
    activation : str or Activation
        σ, by name or as an object.
    c_res : float > 0
        The weight of the residual branches; the paper takes 0 < c_res < 1.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer ≥ 1, there is no such activation, or c_res is not finite and positive.

    Paper: equation (3).
    """

    def __init__(
        self, input_dim: int, width: int, depth: int, activation: str | Activation = "softplus", c_res: float = 0.5
    ) -> None:
        self.input_dim = validate.integer("input_dim", input_dim)
        super().__init__(width, depth, activation)
        self.c_res = validate.positive_number("c_res", c_res)
        self.input_shape = (self.input_dim,)
        self.fan_in = (self.input_dim,) + (self.width,) * (self.depth - 1)

    def __repr__(self) -> str:
        sizes = f"{self.input_dim}, {self.width}, {self.depth}"
        return f"ResNet({sizes}, activation={self.activation.name!r}, c_res={self.c_res})"

    def limit_layer(self, h: int) -> tuple[float, float]:
        """κ_1 = 0, β_1 = √c_σ, as in a fully-connected network; then κ_h = 1, β_h = c_res/H. Paper: equation (3)."""
        return (0, math.sqrt(self.activation.c_sigma)) if h == 1 else (1, self.c_res / self.depth)

    def forward(self, params: Parameters, work: Workspace) -> NDArray:
        """x^(0) = x to u = aᵀ x^(H): equation (3), rows for columns."""
        for h, W in enumerate(params.W):
            x = np.matmul(work.phi[h], W.T, out=work.phi[h + 1])  # z^(h) = W^(h) x^(h-1)
            self.activation.apply(x, slope=work.delta[h], scale=self.scale(h))  # s_h σ(z^(h))
            if h > 0:
                x += work.phi[h]  # x^(h) = x^(h-1) + s_h σ(z^(h))
        return np.matmul(work.phi[-1], params.a, out=work.u)

    def backward(self, params: Parameters, work: Workspace, upstream: NDArray) -> None:
        """δ^(H) to δ^(1): steps 1 to 3 of the derivation, times `upstream`."""
        g = np.einsum("i,r->ir", upstream, params.a, out=work.g)  # ∂u/∂x^(H) = a
        for h in reversed(range(self.depth)):
            delta = work.delta[h]  # s_h σ′(z^(h))
            delta *= g  # δ^(h) = s_h g^(h) ∘ σ′(z^(h))
            if h > 0:
                g += np.matmul(delta, params.W[h], out=work.product)  # g^(h-1) = g^(h) + W^(h)ᵀ δ^(h)

    def scale(self, h: int) -> float:
        """s_{h+1}: √(c_σ/m) for the first layer (h = 0), c_res/(H√m) for the others."""
        return self.first_scale if h == 0 else self.c_res / (self.depth * self.width**0.5)
