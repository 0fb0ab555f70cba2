"""A network with its data, its limits and its training: what the statements are computed on, each made once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from minimal_gd import gram
from minimal_gd._runtime.arrays import Array
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.appendices_a_to_d import certificates
from minimal_gd.theory.sections_3_and_4 import dynamics

N = TypeVar("N", bound=Network)


@dataclass(frozen=True)
class Example(Generic[N]):
    """One network on unit inputs, from its initialisation to the end of its training.

    Attributes
    ----------
    net : Network
    X : (n, *input_shape) array
        Unit inputs, no two parallel.
    y : (n,) array
    steps : int
        How long it trains.
    """

    net: N
    X: Array
    y: Array
    steps: int

    @cached_property
    def params(self) -> Parameters:
        """θ(0)."""
        return self.net.init(0)

    @cached_property
    def K(self) -> Array:
        """Θ^(1), …, Θ^(H+1)."""
        return gram.limiting(self.net, self.X)[0]

    @property
    def K_H(self) -> Array:
        """K^(H)."""
        return self.K[self.net.depth - 1]

    @cached_property
    def smallest(self) -> float:
        """λ_min(K^(H))."""
        return premises.smallest_eigenvalue(self.K_H)

    @cached_property
    def G(self) -> Array:
        """ΣG^(h)(0) over the layers that are trained."""
        return gram.total(self.net, self.params, self.X)

    @cached_property
    def step_size(self) -> float:
        """η = 1/λ_max(ΣG(0))."""
        return gram.stable_step_size(self.net, self.params, self.X)

    @cached_property
    def run(self) -> Trajectory:
        """Descent with everything recorded that the certificates ask for."""
        return certificates.observed_descent(self.net, self.params, self.X, self.y, self.step_size, self.steps)

    @cached_property
    def step(self) -> dynamics.DescentStep:
        """The first step of descent."""
        return dynamics.descent_step(self.net, self.params, self.X, self.y, self.step_size)

    @cached_property
    def mean_run(self) -> Trajectory:
        """The same descent in the poster's normalisation, (1/2n) Σ."""
        step_size = len(self.y) * self.step_size
        return certificates.observed_descent(*self.everything, step_size, self.steps, normalisation="mean")

    @property
    def u(self) -> Array:
        """u(0)."""
        return self.step.u

    @property
    def residual(self) -> Array:
        """y - u(0)."""
        return self.step.residual

    @property
    def limit(self) -> tuple[N, Array]:
        """What the limit of infinite width depends on: the network, of any width, and its inputs."""
        return self.net, self.X

    @property
    def at_start(self) -> tuple[N, Parameters, Array]:
        """The network as it starts, and its inputs."""
        return self.net, self.params, self.X

    @property
    def everything(self) -> tuple[N, Parameters, Array, Array]:
        """What most functions take."""
        return self.net, self.params, self.X, self.y
