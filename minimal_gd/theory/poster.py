"""The poster: all layers, the mean of the losses, and the rate of the flow with λ_0 = λ_min(H^∞).

    R(θ) = (1/2n) Σ_i (u_i - y_i)²,    H^ℓ_ij = (1/n) ⟨∂u_i/∂W_ℓ, ∂u_j/∂W_ℓ⟩,    Σ_ℓ H^ℓ(0) → H^∞ = ΣΘ^(h)/n

R = L/n, so that H^∞ and λ_0 are the paper's sums over all layers divided by n, and the flow of R takes n times as long:
with the step size nη, descent on R takes the path that it takes on L with η. The poster counts the output layer, so its
L layers are the paper's H + 1. Two signs of the print are slips: the flow is u̇ = +ΣH^ℓ (y - u), with a minus the
residual would grow; and the empirical risk goes to 0, not above it.
"""

import numpy as np
from numpy.typing import ArrayLike

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks.base import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.appendices_a_to_d import certificates
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, OpenConstants, is_residual
from minimal_gd.theory.sections_3_and_4 import dynamics, flow

ROUNDING = 1e-11


def limit(net: Network, X: Array) -> tuple[Array, float]:
    """H^∞ = ΣΘ^(h)/n over the layers that are trained, and λ_0 = λ_min(H^∞) > 0.

    Parameters
    ----------
    net : Network
    X : (n, *input_shape) array

    Raises
    ------
    ValueError
        If λ_0 > 0 is not certain; the message names the parallel inputs or the polynomial activation.

    Poster: the limits.
    """
    K, error = gram.limiting(net, X)
    trained = net.depth + net.train_output
    H_limit = K[:trained].sum(axis=0) / len(X)
    return H_limit, premises.smallest_eigenvalue(H_limit, trained * error / len(X), net, X)


def gradient_flow(
    net: Network, params: Parameters, X: Array, y: Array, times: ArrayLike, tolerance: float = 1e-9
) -> flow.Flow:
    """θ̇ = -∂R/∂θ, with ΣH^ℓ observed at every time: the paper's flow, n times as slow.

    Parameters
    ----------
    net, params, X, y, times, tolerance
        As for `flow.gradient_flow`.

    Poster: the flow.
    """
    n, times = len(y), validate.real_array("times", times, np.float64)
    fast = flow.gradient_flow(
        net, params, X, y, times / n, tolerance=tolerance, observe=lambda theta: gram.total(net, theta, X) / n
    )
    return flow.Flow(times, fast.predictions, fast.params, fast.observed)


# ------------------------------------------------------------------ normalisation and flow


def same_path(of_sum: Trajectory, of_mean: Trajectory) -> Comparison:
    """Descent on R with step size nη makes the predictions that descent on L makes with η.

    Parameters
    ----------
    of_sum, of_mean : Trajectory
        With predictions, from the same start and on the same data, of the two losses.

    Raises
    ------
    ValueError
        If they are not of the two losses, hold no predictions, or the step sizes are not η and nη.

    Poster: its normalisation next to the paper's.
    """
    for run, normalisation in ((of_sum, "sum"), (of_mean, "mean")):
        certificates.require_loss(run, normalisation)
    left, right = (certificates.require(run.predictions, "predictions") for run in (of_mean, of_sum))
    wanted = of_sum.step_size * right.shape[1]
    if not np.isclose(of_mean.step_size, wanted, rtol=1e-12):
        raise ValueError(
            f"of_mean must have n times the step size of of_sum, {wanted:.6g}, got {of_mean.step_size:.6g}"
        )
    return compare("u(k) on R with nη = u(k) on L with η", left, "=", right, ROUNDING)


def flow_dynamics(net: Network, params: Parameters, X: Array, y: Array) -> Comparison:
    """u̇ = +Σ_ℓ H^ℓ (y - u) where θ̇ = -∂R/∂θ (printed with a minus, a slip).

    The left side contracts every sample's gradient with that of R; the right side knows the Gram matrices alone.

    Poster: the flow.
    """
    n, gradient = len(y), net.gradient(params, X, y)
    left = -dynamics.derivative_along(net, params, X, gradient) / n
    right = gram.total(net, params, X) / n @ (y - net.predict(params, X))
    return compare("u̇ = +ΣH^ℓ(y - u)", left, "=", right, ROUNDING)


def asked_width(net: Network, n: int, smallest: float, open_constants: OpenConstants = OPEN) -> float:
    """poly(n, 2^L, 1/λ_0) for the fully-connected network, poly(n, L, 1/λ_0) for ResNets, L = H + 1.

    A poly is the power `open_constants.power` of the product, times `open_constants.width`, and 2^L is growth^L.

    Poster: Theorem 1, Theorem 2.
    """
    layers = net.depth + 1
    in_depth = layers if is_residual(net) else open_constants.growth**layers
    return open_constants.width * (n * in_depth / smallest) ** open_constants.power


def initial_limit(
    net: Network,
    params: Parameters,
    X: Array,
    H_limit: Array,
    share: float = 1 / 4,
    open_constants: OpenConstants = OPEN,
) -> Comparison:
    """‖ΣH^ℓ(0) - H^∞‖_2 ≤ λ_0/4, so that ΣH^ℓ(0) → H^∞ has come near enough for the rate of the flow.

    Parameters
    ----------
    net, params, X
        At the start.
    H_limit : (n, n) array
        H^∞.
    share : float > 0
        ¼ for the flow, with `stable_limit`; ⅛ leaves room for a step of descent.
    open_constants : OpenConstants
        For the premise, `asked_width`.

    Poster: the limit at the start (the ¼ is derived).
    """
    H = gram.total(net, params, X) / len(X)
    smallest = premises.smallest_eigenvalue(H_limit, net=net, X=X)
    asked = compare("m = poly(·)", net.width, "≥", asked_width(net, len(X), smallest, open_constants))
    return near(f"‖ΣH(0) - H^∞‖₂ ≤ {share:g} λ_0", H[None], H_limit, smallest, share, (asked,))


def stable_limit(
    net: Network, H: Array, smallest: float, share: float = 1 / 4, open_constants: OpenConstants = OPEN
) -> Comparison:
    """‖ΣH^ℓ(t) - ΣH^ℓ(0)‖_2 ≤ λ_0/4 at every time t > 0, so that ΣH^ℓ(t) → ΣH^ℓ(0) has come near enough.

    Parameters
    ----------
    net : Network
    H : (t, n, n) array
        ΣH^ℓ at every time, the first 0.
    smallest : float > 0
        λ_0.
    share, open_constants
        As for `initial_limit`.

    Poster: the limit in training (the ¼ is derived).
    """
    asked = compare("m = poly(·)", net.width, "≥", asked_width(net, H.shape[1], smallest, open_constants))
    return near(f"‖ΣH(t) - ΣH(0)‖₂ ≤ {share:g} λ_0", H[1:], H[0], smallest, share, (asked,))


def flow_rate(true: flow.Flow, u: Array, y: Array, H_limit: Array) -> Comparison:
    """‖u(t) - y‖² ≤ exp(-λ_0 t) ‖u(0) - y‖² along the true flow.

    With H frozen at H^∞ the rate would be exp(-2λ_0 t), `frozen_rate`: this one leaves room for λ_min(ΣH(t)) ≥ λ_0/2,
    which the premises give.

    Parameters
    ----------
    true : Flow
        As `gradient_flow` gives it, the first of its times 0.
    u, y : (n,) arrays
        u(0), and the labels.
    H_limit : (n, n) array
        H^∞.

    Raises
    ------
    ValueError
        If λ_0 ≤ 0, the first time is not 0, or ΣH^ℓ was not observed.

    Poster: the rate of the flow.
    """
    if true.times[0] != 0 or not true.observed:
        raise ValueError("true must begin at time 0 and hold ΣH^ℓ, as poster.gradient_flow gives it")
    smallest, H = premises.smallest_eigenvalue(H_limit), np.array(true.observed)
    return compare(
        "‖u(t) - y‖² ≤ exp(-λ_0 t)‖u(0) - y‖²",
        np.sum((true.predictions - y) ** 2, axis=1),
        "≤",
        np.exp(-smallest * true.times) * np.sum((u - y) ** 2),
        1e-12,  # at t = 0 the sides are one sum, rounded twice
        (
            near("‖ΣH(0) - H^∞‖₂ ≤ λ_0/4", H[:1], H_limit, smallest, 1 / 4),
            near("‖ΣH(t) - ΣH(0)‖₂ ≤ λ_0/4", H[1:], H[0], smallest, 1 / 4),
        ),
    )


def frozen_rate(H_limit: Array, residual: Array, times: ArrayLike) -> Comparison:
    """‖exp(-H^∞ t) r‖² ≤ exp(-2λ_0 t) ‖r‖²: the exact rate with H frozen, met along the eigenvector of λ_0.

    Parameters
    ----------
    H_limit : (n, n) array
    residual : (n,) array
        y - u(0).
    times : (t,) array

    Poster: the rate of the frozen flow (derived).
    """
    smallest = premises.smallest_eigenvalue(H_limit)
    left = np.sum(flow.linear_flow(H_limit, residual, times) ** 2, axis=1)
    right = np.exp(-2 * smallest * np.asarray(times)) * np.sum(np.asarray(residual) ** 2)
    return compare("‖exp(-H^∞t)r‖² ≤ exp(-2λ_0t)‖r‖²", left, "≤", right, ROUNDING)


def near(
    claim: str, H: Array, other: Array, smallest: float, share: float, asked: tuple[Comparison, ...] = ()
) -> Comparison:
    """‖H(t) - other‖_2 ≤ share · λ_0 at every time: (t, n, n), and (n, n)."""
    return compare(claim, np.linalg.norm(H - other, 2, axis=(1, 2)), "≤", share * smallest, premises=asked)
