"""The companion's gradient flow, ẇ_r = -∂L/∂w_r, with SciPy's ODE solver, and its dynamics: Equations (5)–(7).

u̇(t) = H(t) (y - u(t)),    H_ij(t) = (1/m) x_iᵀx_j Σ_r I{w_r(t)ᵀx_i ≥ 0, w_r(t)ᵀx_j ≥ 0}
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.content import by_content
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion.patterns import drift
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.sections_3_and_4 import dynamics, flow


@by_content
@dataclass(frozen=True)
class Path:
    """Gradient flow, with the weights at several times.

    Attributes
    ----------
    net : TwoLayerReLU
    X : (n, d) array
    y : (n,) array
    times : (t,) array
        The first is 0.
    params : tuple of t Parameters
        θ at these times.
    tolerance : float
        That of the solver.
    """

    net: TwoLayerReLU
    X: NDArray
    y: NDArray
    times: NDArray
    params: tuple[Parameters, ...]
    tolerance: float

    @cached_property
    def residuals(self) -> NDArray:
        """y - u(t), (t, n)."""
        return np.array([self.y - self.net.predict(params, self.X) for params in self.params])

    @cached_property
    def squares(self) -> NDArray:
        """‖y - u(t)‖², (t,)."""
        return np.sum(self.residuals**2, axis=1)

    @cached_property
    def H(self) -> NDArray:
        """H(t), (t, n, n)."""
        return np.array([gram.empirical(self.net, params, self.X)[0] for params in self.params])

    @cached_property
    def smallest(self) -> NDArray:
        """λ_min(H(t)), (t,)."""
        return np.linalg.eigvalsh(self.H)[:, 0]

    @cached_property
    def drifts(self) -> NDArray:
        """max_r ‖w_r(t) - w_r(0)‖, (t,)."""
        return np.array([drift(self.params[0], params) for params in self.params])

    @property
    def slack(self) -> float:
        """The tolerance of what is compared along the flow: the solver's errors add up from step to step."""
        return 10 * self.tolerance


def gradient_path(
    net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray, times: ArrayLike, *, tolerance: float = 1e-5
) -> Path:
    """Follow ẇ_r = -∂L/∂w_r, and ȧ_r = -∂L/∂a_r where `net` trains `a`, by `flow.gradient_flow`.

    The flow turns at every kink. Where both sides of a kink push a unit towards it, the unit slides along it, and the
    solver's steps shrink with its tolerance: 1e-5 keeps their number in the hundreds.

    Parameters
    ----------
    net : TwoLayerReLU
    params : Parameters
        θ(0).
    X : (n, d) array
    y : (n,) array
    times : (t,) array
        Increasing, > 0; time 0 comes before them in the path.
    tolerance : float > 0

    Raises
    ------
    TypeError, ValueError
        As `flow.gradient_flow`.
    ArithmeticError
        If SciPy gives up.

    Companion: section 3.
    """
    times = validate.real_array("times", times, np.float64)
    if times.ndim != 1 or times.size == 0 or times[0] <= 0 or np.any(np.diff(times) <= 0):
        raise ValueError(f"times must be one row of increasing numbers > 0, got {validate.describe(times.tolist())}")
    params = two_layer.network(net).check_params(params)
    X = net.check_inputs("X", X, np.float64)
    y = net.check_targets(y, len(X), np.float64)
    path = [params]
    for span in np.diff(times, prepend=0.0):
        path.append(flow.gradient_flow(net, path[-1], X, y, [span], tolerance=tolerance).params)
    return Path(net, X, y, np.concatenate([[0.0], times]), tuple(path), tolerance)


# ------------------------------------------------------------------ statements


def equation_5(net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray) -> Comparison:
    """u̇_i = Σ_j H_ij (y_j - u_j): the derivative of u_i along ẇ_r = -∂L/∂w_r, and the sum with Equation (6).

    Companion: Equation (5).
    """
    velocity = two_layer.network(net, train_output=False).gradient(params, X, y).map(np.negative)
    left = dynamics.derivative_along(net, params, X, velocity)
    right = _by_patterns(net, params, X) @ (y - net.predict(params, X))
    return compare("u̇_i = Σ_j H_ij (y_j - u_j)", left, "=", right, dynamics.ROUNDING)


def equation_6(net: TwoLayerReLU, params: Parameters, X: NDArray) -> Comparison:
    """H_ij = ⟨∂u_i/∂W, ∂u_j/∂W⟩ = (1/m) x_iᵀx_j Σ_r I{x_iᵀw_r ≥ 0, x_jᵀw_r ≥ 0}, with |a_r| = 1.

    Companion: Equation (6).
    """
    left = gram.empirical(two_layer.network(net), params, X)[0]
    claim = "⟨∂u_i/∂W, ∂u_j/∂W⟩ = (1/m) x_iᵀx_j Σ_r I{…}"
    return compare(claim, left, "=", _by_patterns(net, params, X), dynamics.ROUNDING)


def equation_7(path: Path, span: float = 1e-4, tolerance: float = 0.01) -> Comparison:
    """u̇(t) = H(t) (y - u(t)) along the flow: the change of u over a short time, divided by it, and H(t) (y - u(t)).

    Parameters
    ----------
    path : Path
        With `a` fixed.
    span : float > 0
        How short. A unit that switches meanwhile is an error of size 1/m.
    tolerance : float ≥ 0
        Relative.

    Returns
    -------
    Comparison
        (t, n) on both sides.

    Companion: Equation (7).
    """
    two_layer.network(path.net, train_output=False)
    right = np.einsum("tij,tj->ti", path.H, path.residuals)
    return compare("u̇(t) = H(t)(y - u(t))", short_differences(path, span), "=", right, tolerance)


def short_differences(path: Path, span: float) -> NDArray:
    """(u(t + span) - u(t))/span at every time of a path, (t, n)."""
    span = validate.positive_number("span", span)
    later = [gradient_path(path.net, params, path.X, path.y, [span], tolerance=1e-9) for params in path.params]
    return np.array([(short.residuals[0] - short.residuals[1]) / span for short in later])


# ------------------------------------------------------------------ what these are made of


def _by_patterns(net: TwoLayerReLU, params: Parameters, X: NDArray) -> NDArray:
    """(1/m) x_iᵀx_j Σ_r I{w_rᵀx_i ≥ 0, w_rᵀx_j ≥ 0}."""
    active = two_layer.patterns(net, params, X).astype(np.float64)
    return X @ X.T * (active @ active.T) / net.width
