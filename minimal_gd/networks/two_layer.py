"""The companion paper's network: one hidden layer of ReLU."""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters


class TwoLayerReLU(Network):
    """u = (1/√m) Σ_r a_r relu(w_rᵀ x), with w_r ~ N(0, I), a_r = ±1, and `a` fixed unless asked otherwise.

    In the shape of the other architectures: x^(1) = relu(W^(1) x)/√m and u = aᵀ x^(1), so H = 1.

    The gradient. z_r = w_rᵀ x enters u only through a_r relu(z_r)/√m, so δ_r = ∂u/∂z_r = a_r I{z_r ≥ 0}/√m, with
    relu′(0) = 1; and ∂u/∂w_r = δ_r x. If `a` is trained, ∂u/∂a = x^(1).

    Parameters
    ----------
    input_dim, width : int ≥ 1
        d and m. `W[0]` is (m, d), one w_r a row, and `a` (m,).
    train_output : bool
        Whether descent changes `a` too (Theorem 3.3 of the companion). If not, `gradient(...).a` is zeros.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer ≥ 1, or train_output not a bool.

    Companion: equation (1).
    """

    def __init__(self, input_dim: int, width: int, train_output: bool = False) -> None:
        self.input_dim = validate.integer("input_dim", input_dim)
        super().__init__(width, 1, "relu")
        self.train_output = validate.boolean("train_output", train_output)
        self.input_shape = (self.input_dim,)
        self.fan_in = (self.input_dim,)

    def __repr__(self) -> str:
        return f"TwoLayerReLU({self.input_dim}, {self.width}, train_output={self.train_output})"

    def init_output(self, rng: np.random.Generator) -> NDArray:
        """a_r = ±1, each with probability ½."""
        return rng.choice([-1.0, 1.0], size=self.output_shape)

    def limit_layer(self, h: int) -> tuple[float, float]:
        """κ_1 = 0 and β_1 = 1: 1/√m without a c_σ. Companion: equation (1)."""
        return 0, 1

    def forward(self, params: Parameters, work: Workspace) -> NDArray:
        """Equation (1) of the companion, one row a sample."""
        x = np.matmul(work.phi[0], params.W[0].T, out=work.phi[1])  # z_r = w_rᵀ x
        self.activation.apply(x, slope=work.delta[0], scale=1 / math.sqrt(self.width))  # x^(1) = relu(z)/√m
        return np.matmul(x, params.a, out=work.u)

    def backward(self, params: Parameters, work: Workspace, upstream: NDArray) -> None:
        """δ_r = a_r I{z_r ≥ 0}/√m, times `upstream`."""
        delta = work.delta[0]  # I{z ≥ 0}/√m
        delta *= params.a
        delta *= upstream[:, None]
