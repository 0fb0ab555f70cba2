"""Trajectories of the predictions: linearised, in closed form, and the true gradient flow by SciPy's ODE solver.

    descent   y - u(k+1) ≈ (I - ηG(k)) (y - u(k)),    linearised   y - u(k) = (I - ηG)^k (y - u(0))
    flow      u̇(t) = G(t) (y - u(t)),                 linearised   y - u(t) = exp(-Gt) (y - u(0))

The linearised ones freeze G(k), at G(0) or at its limit K. Along an eigenvector of G with eigenvalue λ, the residual is
multiplied by 1 - ηλ in a step, by exp(-λt) in a time t. Every G here is the sum over the layers that are trained.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import scipy  # whose parts are loaded when they are first used
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from minimal_gd._runtime import validate
from minimal_gd._runtime.content import by_content
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks.base import Network, arguments
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.sections_3_and_4.dynamics import DescentStep


@by_content
@dataclass(frozen=True)
class Flow:
    """Gradient flow, θ̇ = -∂L/∂θ, seen from the predictions.

    Attributes
    ----------
    times : (t,) array
    predictions : (t, n) array
        u at these times.
    params : Parameters
        θ at the last of them.
    observed : list of t arrays
        What the caller's function returned at these times; empty without one.
    """

    times: NDArray
    predictions: NDArray
    params: Parameters
    observed: list[NDArray] = field(default_factory=list)


@validate.quietly
def gradient_flow(
    net: Network,
    params: Parameters,
    X: NDArray,
    y: NDArray,
    times: ArrayLike,
    *,
    tolerance: float = 1e-9,
    observe: Callable[[Parameters], NDArray] | None = None,
) -> Flow:
    """Follow θ̇ = -∂L/∂θ from `params`, with SciPy's Runge-Kutta method of order 8.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ at time 0; not changed. Computes in float64.
    X : (n, *input_shape) array
    y : (n,) array
    times : (t,) array
        Increasing, the first ≥ 0.
    tolerance : float > 0
        Of the solver, for every entry of θ and every step: relative, and absolute.
    observe : callable, optional
        `observe(params)` is called at each of the times and returns an array to keep.

    Raises
    ------
    TypeError, ValueError
        As `net.gradient`, and if `times` do not increase from 0 on, or `tolerance` is not positive.
    ArithmeticError
        If SciPy gives up.

    Paper: section 4; the poster and the companion prove their theorems for the flow.
    """
    params, X, y = arguments(net, params, X, y, dtype=np.float64)
    times = _increasing(times)
    tolerance = validate.positive_number("tolerance", tolerance)

    def velocity(_: float, theta: NDArray) -> NDArray:
        return -flat(net.gradient(_parameters(theta, params), X, y))

    theta, predictions, observed = flat(params), [], []
    for start, stop in pairwise([0.0, *times]):
        if stop > start:
            solution = scipy.integrate.solve_ivp(
                velocity, (start, stop), theta, method="DOP853", t_eval=[stop], rtol=tolerance, atol=tolerance
            )
            if not solution.success:
                raise ArithmeticError(f"the flow could not be followed from t = {start} to {stop}: {solution.message}")
            theta = solution.y[:, -1]
        predictions.append(net.predict(_parameters(theta, params), X))
        if observe is not None:
            observed.append(np.array(observe(_parameters(theta, params))))
    return Flow(times, np.array(predictions), _parameters(theta, params), observed)


@validate.quietly
def linear_descent(G: NDArray, residual: NDArray, step_size: float, steps: int) -> NDArray:
    """(I - ηG)^k (y - u(0)) for k = 0, …, steps, through the eigenvectors of G.

    Parameters
    ----------
    G : (n, n) array
        Symmetric, positive semi-definite: ΣG^(h)(0), or its limit.
    residual : (n,) array
        y - u(0).
    step_size : float
        η, 0 < η < 2/λ_max(G).
    steps : int ≥ 0

    Returns
    -------
    (steps + 1, n) array

    Raises
    ------
    TypeError, ValueError
        If G is not symmetric, the shapes do not match, or the step size is 2/λ_max(G) or more.

    Paper: section 4.
    """
    premises.stable_step(step_size, G)
    steps = validate.integer("steps", steps, least=0)
    return _along_eigenvectors(G, residual, lambda values: (1 - step_size * values) ** np.arange(steps + 1)[:, None])


@validate.quietly
def linear_flow(G: NDArray, residual: NDArray, times: ArrayLike) -> NDArray:
    """exp(-Gt) (y - u(0)) at every time, the solution of u̇ = G (y - u), through the eigenvectors of G.

    Parameters
    ----------
    G, residual
        As for `linear_descent`.
    times : (t,) array
        Increasing, the first ≥ 0.

    Returns
    -------
    (t, n) array

    Raises
    ------
    TypeError, ValueError
        If G is not symmetric, the shapes do not match, or the times do not increase from 0 on.

    Paper: section 4, as a flow.
    """
    times = _increasing(times)
    return _along_eigenvectors(G, residual, lambda values: np.exp(-times[:, None] * values))


# ------------------------------------------------------------------ statements


def deep_dynamics(step: DescentStep, tolerance: float = 0.01) -> Comparison:
    """y - u(k+1) ≈ (I - ηG(k)) (y - u(k)), G(k) = Σ_h G^(h)(k).

    The difference of the sides is I_2; `tolerance` says what counts as ≈.

    Paper: Equation (4), section 4 (the number is recalled).
    """
    right = step.residual - step.step_size * (step.trained_gram @ step.residual)
    return compare("y - u(k+1) ≈ (I - ηG(k))(y - u(k))", step.y - step.u_next, "=", right, tolerance)


def linearised_descent(run: Trajectory, y: NDArray, G: NDArray, tolerance: float = 0.05) -> Comparison:
    """y - u(k) ≈ (I - ηG)^k (y - u(0)) for every step of a run, G = ΣG^(h)(0) or its limit.

    Parameters
    ----------
    run : Trajectory
        With predictions, of either normalisation.
    y : (n,) array
    G : (n, n) array
        Of the paper's loss; divided by n here where the run's loss is the mean.
    tolerance : float ≥ 0
        What counts as ≈, relative to the largest residual.

    Raises
    ------
    ValueError
        If the run holds no predictions, or its step size is 2/λ_max(G) or more.

    Paper: section 4.
    """
    if run.predictions is None:
        raise ValueError("run must hold predictions: gradient_descent(..., predictions=True)")
    G = G / len(y) if run.normalisation == "mean" else G
    right = linear_descent(G, y - run.predictions[0], run.step_size, run.steps)
    return compare("y - u(k) ≈ (I - ηG)^k(y - u(0))", y - run.predictions, "=", right, tolerance)


@validate.quietly
def linear_ode(G: NDArray, residual: NDArray, times: ArrayLike, tolerance: float = 1e-7) -> Comparison:
    """The closed form exp(-Gt) (y - u(0)), and what SciPy's ODE solver makes of ṙ = -G r, r = y - u.

    `tolerance` is a hundred times what the solver is asked for: its errors add up from step to step.

    Paper: section 4 (derived).
    """
    left, times = linear_flow(G, residual, times), _increasing(times)
    accuracy = tolerance / 100
    solution = scipy.integrate.solve_ivp(
        lambda _, r: -G @ r,
        (0, max(times[-1], np.finfo(np.float64).tiny)),
        np.asarray(residual, np.float64),
        method="DOP853",
        t_eval=times,
        rtol=accuracy,
        atol=accuracy * np.abs(residual).max(),
    )
    return compare("exp(-Gt)(y - u(0)) = r(t), ṙ = -Gr", left, "=", solution.y.T, tolerance)


def linearised_flow(flow: Flow, u: NDArray, y: NDArray, G: NDArray, tolerance: float = 0.05) -> Comparison:
    """y - u(t) ≈ exp(-Gt) (y - u(0)) along the true flow, G = ΣG^(h)(0) or its limit.

    Parameters
    ----------
    flow : Flow
    u, y : (n,) arrays
        u(0), and the targets.
    G : (n, n) array
    tolerance : float ≥ 0
        What counts as ≈, relative to the largest residual.

    Paper: section 4, as a flow.
    """
    right = linear_flow(G, y - u, flow.times)
    return compare("y - u(t) ≈ exp(-Gt)(y - u(0))", y - flow.predictions, "=", right, tolerance)


# ------------------------------------------------------------------ what these are made of


def _along_eigenvectors(G: NDArray, residual: NDArray, factors: Callable[[NDArray], NDArray]) -> NDArray:
    """V f(λ) Vᵀ r, one row for every row of `factors(eigenvalues)`."""
    G = validate.symmetric_matrix("G", G)
    residual = validate.shaped_array("residual", residual, (len(G),), "one entry a row of G", np.float64)
    eigenvalues, V = eigh(G)
    return (factors(eigenvalues) * (residual @ V)) @ V.T


def _increasing(times: ArrayLike) -> NDArray:
    times = validate.real_array("times", times, np.float64)
    if times.ndim != 1 or times.size == 0 or times[0] < 0 or np.any(np.diff(times) <= 0):
        raise ValueError(f"times must be one row of increasing numbers ≥ 0, got {validate.describe(times.tolist())}")
    return times


def flat(params: Parameters) -> NDArray:
    """All entries of all arrays in one."""
    return np.concatenate([array.ravel() for array in (*params.W, params.a)])


def _parameters(theta: NDArray, like: Parameters) -> Parameters:
    """Views into `theta`, shaped as `like`."""
    arrays = (*like.W, like.a)
    ends = np.cumsum([array.size for array in arrays])
    *W, a = (part.reshape(array.shape) for part, array in zip(np.split(theta, ends[:-1]), arrays, strict=True))
    return Parameters(tuple(W), a)
