"""The certificates of the proof, at each step of a real run: what has to be true for the rate to follow.

    λ = λ_min(K^(H)),    ‖G^(H)(0) - K^(H)‖_2 ≤ λ/4,    ‖G^(H)(k) - G^(H)(0)‖_2 ≤ λ/4,

together λ_min(G^(H)(k)) ≥ λ/2, and the two budgets ‖I_2(k)‖ ≤ ηλ‖y - u(k)‖/8, ‖u(k+1) - u(k)‖² ≤ ηλ‖y - u(k)‖²/8.
"""

from collections.abc import Sized
from typing import Any, TypeVar

import numpy as np

from minimal_gd import gram
from minimal_gd._runtime.arrays import Array
from minimal_gd.descent import gradient_descent
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks.base import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, OpenConstants
from minimal_gd.theory.requirements import asked_step_size, training_terms, width_terms

Recorded = TypeVar("Recorded", bound=Sized)


def observed_descent(
    net: Network, params: Parameters, X: Array, y: Array, step_size: float, steps: int, **options: Any
) -> Trajectory:
    """A run that records what the certificates need: predictions, distances, and every G^(h)(k).

    Parameters
    ----------
    net, params, X, y, step_size, steps
        As for `gradient_descent`; `options` too, such as `observe_every`: the certificates are then of fewer steps.

    Returns
    -------
    Trajectory
        `observed` holds the (H + 1, n, n) Gram matrices.

    Raises
    ------
    TypeError, ValueError, DivergenceError
        As `gradient_descent`.
    """
    return gradient_descent(
        net,
        params,
        X,
        y,
        step_size,
        steps,
        predictions=True,
        distances=True,
        observe=lambda _, theta: gram.empirical(net, theta, X),
        **options,
    )


def of_run(
    net: Network, run: Trajectory, y: Array, K_H: Array, open_constants: OpenConstants = OPEN
) -> tuple[Comparison, ...]:
    """All certificates of a run, each over all of its observed steps.

    Parameters
    ----------
    net : Network
    run : Trajectory
        As `observed_descent` gives it, of the paper's loss (not the mean).
    y : (n,) array
    K_H : (n, n) array
        K^(H).
    open_constants : OpenConstants
        For what the theorem asks, the premises of the first two.

    Returns
    -------
    initial, stable, positive, I_2, second_order : Comparisons
        At k = 0; at every observed step, the next two; at every observed step but the last, the budgets.

    Raises
    ------
    ValueError
        If λ_min(K^(H)) ≤ 0, or the run did not record what is needed, or is of the mean loss; and as `width_terms`.

    Paper: Appendix A.
    """
    require_loss(run, "sum")
    smallest = premises.smallest_eigenvalue(K_H, net=net)
    I_2, second_order = budgets(net, run, y, smallest)
    initial, stable = initial_gram(net, run, K_H, open_constants), stable_gram(net, run, K_H, open_constants)
    return initial, stable, positive_gram(net, run, K_H), I_2, second_order


def initial_gram(net: Network, run: Trajectory, K_H: Array, open_constants: OpenConstants = OPEN) -> Comparison:
    """‖G^(H)(0) - K^(H)‖_2 ≤ λ/4: the first closeness fact, as Lemmas B.2, C.2 and D.2 promise it for wide nets.

    Paper: Appendix A.
    """
    smallest = premises.smallest_eigenvalue(K_H, net=net)
    left = np.linalg.norm(_last_grams(net, run)[0] - K_H, 2)
    wide = compare("m = Ω(·)", net.width, "≥", width_terms(net, len(K_H), smallest, open_constants)["initial Gram"])
    return compare("‖G^(H)(0) - K^(H)‖₂ ≤ λ/4", left, "≤", smallest / 4, premises=(wide,))


def stable_gram(net: Network, run: Trajectory, K_H: Array, open_constants: OpenConstants = OPEN) -> Comparison:
    """‖G^(H)(k) - G^(H)(0)‖_2 ≤ λ/4 at every observed step k > 0: the second closeness fact.

    Lemmas B.4, C.4 and D.4 promise it for wide nets and small steps.

    Paper: Appendix A.
    """
    smallest = premises.smallest_eigenvalue(K_H, net=net)
    wide = max(training_terms(net, len(K_H), smallest, open_constants).values())
    small = asked_step_size(net, len(K_H), smallest, open_constants)
    asked = (compare("m = Ω(·)", net.width, "≥", wide), compare("η = O(·)", run.step_size, "≤", small))
    G = _last_grams(net, run)
    left = np.linalg.norm(G[1:] - G[0], 2, axis=(1, 2))
    return compare("‖G^(H)(k) - G^(H)(0)‖₂ ≤ λ/4", left, "≤", smallest / 4, premises=asked)


def positive_gram(net: Network, run: Trajectory, K_H: Array) -> Comparison:
    """λ_min(G^(H)(k)) ≥ λ/2 at every observed step: what the two closeness facts are for, λ - λ/4 - λ/4.

    Paper: Appendix A.
    """
    smallest = premises.smallest_eigenvalue(K_H, net=net)
    left = np.linalg.eigvalsh(_last_grams(net, run))[:, 0]
    asked = (initial_gram(net, run, K_H), stable_gram(net, run, K_H))
    return compare("λ_min(G^(H)(k)) ≥ λ/2", left, "≥", smallest / 2, premises=asked)


def budgets(net: Network, run: Trajectory, y: Array, smallest: float) -> tuple[Comparison, Comparison]:
    """‖I_2(k)‖ ≤ ηλ‖y - u(k)‖/8 and ‖u(k+1) - u(k)‖² ≤ ηλ‖y - u(k)‖²/8 at the observed steps that another follows.

    For a run of the mean loss, G/n stands for G, and λ is that of the limit over n too.

    Where the residual has come down to the rounding of the predictions, so has I_2, and the budget says nothing.

    Paper: Appendix A; what Lemmas B.6 and B.7, C.6 and C.7, D.6 and D.7 promise.
    """
    u, steps = require(run.predictions, "predictions"), run.observed_steps[run.observed_steps < run.steps]
    G = summed_grams(net, run)[: len(steps)]
    residual, change = y - u[steps], u[steps + 1] - u[steps]
    I_2 = change - run.step_size * np.einsum("kij,kj->ki", G, residual)
    eta_lambda, norm = run.step_size * smallest, np.linalg.norm(residual, axis=1)
    return (
        compare("‖I_2(k)‖ ≤ ηλ‖y - u(k)‖/8", np.linalg.norm(I_2, axis=1), "≤", eta_lambda * norm / 8),
        compare("‖Δu‖² ≤ ηλ‖y - u(k)‖²/8", np.sum(change**2, axis=1), "≤", eta_lambda * norm**2 / 8),
    )


def summed_grams(net: Network, run: Trajectory) -> Array:
    """ΣG^(h)(k) over the layers that are trained, at every observed step, (j, n, n); over n for the mean loss."""
    G = np.array(require(run.observed, "observed"))[:, : net.depth + net.train_output].sum(axis=1)
    return G / len(G[0]) if run.normalisation == "mean" else G


def require(recorded: Recorded | None, name: str) -> Recorded:
    """Return what a run recorded under this name, or refuse a run that did not.

    Raises
    ------
    ValueError
        It says how to record it.
    """
    if recorded is None or len(recorded) == 0 or isinstance(recorded, dict):
        raise ValueError(f"run must hold {name}, as certificates.observed_descent records them")
    return recorded


def require_loss(run: Trajectory, normalisation: str) -> None:
    """Refuse a run of another loss than the paper's, "sum", or than the poster's, "mean".

    Raises
    ------
    ValueError
        If it is of the other.
    """
    if run.normalisation != normalisation:
        whose = "the paper's loss" if normalisation == "sum" else "the poster's risk"
        raise ValueError(f"run must be of {whose}, normalisation={normalisation!r}, got {run.normalisation!r}")


def _last_grams(net: Network, run: Trajectory) -> Array:
    """G^(H)(k) at every observed step, (j, n, n)."""
    require_loss(run, "sum")
    return np.array(require(run.observed, "observed"))[:, net.depth - 1]
