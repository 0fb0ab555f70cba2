"""The deep fully-connected network."""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate
from minimal_gd.activations import Activation
from minimal_gd.networks.base import Network
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters


class FullyConnected(Network):
    """x^(h) = √(c_σ/m) σ(W^(h) x^(h-1)) for h = 1, …, H, and u = aᵀ x^(H).

    The gradient, from the output down. Write s = √(c_σ/m), z^(h) = W^(h) x^(h-1) and g^(h) = ∂u/∂x^(h).

    1. u is linear in x^(H), so g^(H) = a and ∂u/∂a = x^(H).
    2. z_r^(h) enters u only through x_r^(h) = s σ(z_r^(h)), so δ^(h) = ∂u/∂z^(h) = s g^(h) ∘ σ′(z^(h)).
    3. x^(h-1) enters u only through z^(h) = W^(h) x^(h-1), so g^(h-1) = W^(h)ᵀ δ^(h).
    4. z_r^(h) = Σ_s W_rs^(h) x_s^(h-1), so ∂u/∂W_rs^(h) = δ_r^(h) x_s^(h-1): the outer product δ^(h) ⊗ x^(h-1).

    Parameters
    ----------
    input_dim, width, depth : int ≥ 1
        d, m and H. `W[0]` is (m, d), every other `W[h]` (m, m), `a` (m,).
    activation : str or Activation
        σ, by name or as an object.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer ≥ 1, or there is no such activation.

    Paper: equation (2).
    """

    def __init__(self, input_dim: int, width: int, depth: int, activation: str | Activation = "softplus") -> None:
        self.input_dim = validate.integer("input_dim", input_dim)
        super().__init__(width, depth, activation)
        self.input_shape = (self.input_dim,)
        self.fan_in = (self.input_dim,) + (self.width,) * (self.depth - 1)

    def __repr__(self) -> str:
        return f"FullyConnected({self.input_dim}, {self.width}, {self.depth}, activation={self.activation.name!r})"

    def limit_layer(self, h: int) -> tuple[float, float]:
        """κ_h = 0 and β_h = √c_σ in every layer. Paper: equation (2)."""
        return 0, math.sqrt(self.activation.c_sigma)

    def forward(self, params: Parameters, work: Workspace) -> NDArray:
        """x^(0) = x to u = aᵀ x^(H): equation (2), rows for columns."""
        for h, W in enumerate(params.W):
            x = np.matmul(work.phi[h], W.T, out=work.phi[h + 1])  # z^(h) = W^(h) x^(h-1)
            self.activation.apply(x, slope=work.delta[h], scale=self.first_scale)  # x^(h) = s σ(z^(h))
        return np.matmul(work.phi[-1], params.a, out=work.u)

    def backward(self, params: Parameters, work: Workspace, upstream: NDArray) -> None:
        """δ^(H) to δ^(1): steps 1 to 3 of the derivation, times `upstream`."""
        g = np.einsum("i,r->ir", upstream, params.a, out=work.g)  # ∂u/∂x^(H) = a
        for h in reversed(range(self.depth)):
            delta = work.delta[h]  # s σ′(z^(h))
            delta *= g  # δ^(h) = s g^(h) ∘ σ′(z^(h))
            if h > 0:
                np.matmul(delta, params.W[h], out=g)  # g^(h-1) = W^(h)ᵀ δ^(h)
