"""The poster's descent: Theorems 1 and 2, and the empirical risk of true and of random labels, which take longer.

Normalised as in `minimal_gd.theory.poster`.
"""

from bisect import bisect_left

import numpy as np
from scipy.linalg import eigh

from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks.base import Network
from minimal_gd.theory import poster, premises
from minimal_gd.theory.appendices_a_to_d import certificates
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, OpenConstants, is_residual

# In float64 a risk stays above about this share of the first one: the rounding of the predictions, squared.
_FLOOR = 1e-26


def convergence(
    net: Network, run: Trajectory, y: Array, H_limit: Array, open_constants: OpenConstants = OPEN
) -> Comparison:
    """R(θ(t)) ≤ (1 - ηλ_0)^t R(θ(0)) at every step t of a run.

    Asked for: m = poly(n, 2^L, 1/λ_0) and η = O(λ_0/(n² 2^Ω(L))), fully connected (Theorem 1); poly(n, L, 1/λ_0) and
    O(λ_0/n²), for ResNets (Theorem 2). Here a poly is the power `open_constants.power` of the product, and 2^L is
    growth^L. As they stay open, what the rate follows from stands beside them: closeness within λ_0/8 twice, and the
    budgets of I_2 and the second-order term, -2(1 - 2/8) + 2/8 + 1/8 ≤ -1 (derived).

    Parameters
    ----------
    net : Network
        Of the paper's three.
    run : Trajectory
        Of the mean loss, as `certificates.observed_descent(..., normalisation="mean")` gives it.
    y : (n,) array
    H_limit : (n, n) array
        H^∞.
    open_constants : OpenConstants

    Raises
    ------
    TypeError, ValueError
        If `net` is another network, λ_0 ≤ 0, the run is of the paper's loss or did not record what is needed, or
        ηλ_0 ≥ 1.

    Poster: Theorem 1, Theorem 2.
    """
    certificates.require_loss(run, "mean")
    smallest, n = premises.smallest_eigenvalue(H_limit, net=net), len(y)
    share = run.step_size * smallest
    if share >= 1:
        raise ValueError(f"step_size must be below 1/λ_0 = {1 / smallest:.6g}, got {run.step_size:.6g}")
    H = certificates.summed_grams(net, run)
    step_factor = 1 if is_residual(net) else open_constants.growth ** (net.depth + 1)
    asked = (
        compare("m = poly(·)", net.width, "≥", poster.asked_width(net, n, smallest, open_constants)),
        compare("η = O(·)", run.step_size, "≤", open_constants.step * smallest / (n**2 * step_factor)),
        poster.near("‖ΣH(0) - H^∞‖₂ ≤ λ_0/8", H[:1], H_limit, smallest, 1 / 8),
        poster.near("‖ΣH(t) - ΣH(0)‖₂ ≤ λ_0/8", H[1:], H[0], smallest, 1 / 8),
        *certificates.budgets(net, run, y, smallest),
    )
    right = (1 - share) ** np.arange(run.steps + 1) * run.loss[0]
    return compare("R(θ(t)) ≤ (1 - ηλ_0)^t R(θ(0))", run.loss, "≤", right, _FLOOR, asked)


def risk_vanishes(run: Trajectory, share: float = 1e-2) -> Comparison:
    """R(θ(T)) ≤ share · R(θ(0)) at the end of a run: the empirical risk → 0, for true and for random labels alike.

    Poster: the empirical risk (printed "> 0", a slip).
    """
    share = validate.positive_number("share", share)
    return compare("R(θ(T)) ≤ share · R(θ(0))", run.loss[-1], "≤", share * run.loss[0])


def projected_risk(run: Trajectory, y: Array, G: Array, tolerance: float = 0.05) -> Comparison:
    """R(θ(t)) ≈ (1/2n) Σ_k (1 - ηλ_k/n)^(2t) (v_kᵀ(y - u(0)))², λ_k and v_k the eigenpairs of G = ΣG^(h).

    What makes random labels slow: true labels lie along the eigenvectors of large λ_k, random ones along all of them.
    (That reading is Arora et al., 2019, arXiv:1901.08584.) For a run of the paper's loss, without the 1/n.

    Parameters
    ----------
    run : Trajectory
        With predictions.
    y : (n,) array
    G : (n, n) array
        ΣG^(h)(0), or its limit, of the paper's loss.
    tolerance : float ≥ 0
        What counts as ≈, relative to the first risk.

    Raises
    ------
    ValueError
        If the run holds no predictions, or its step size is 2/λ_max or more.

    Poster: random labels (the explanation is derived).
    """
    u = certificates.require(run.predictions, "predictions")
    scale = 1 / len(y) if run.normalisation == "mean" else 1.0
    premises.stable_step(run.step_size, scale * G)
    eigenvalues, squares = projections(G, y - u[0])
    decay = (1 - run.step_size * scale * eigenvalues) ** (2 * np.arange(run.steps + 1)[:, None])
    return compare("R(t) ≈ ½Σ(1 - ηλ_k)^2t(v_kᵀr)²", run.loss, "=", scale / 2 * decay @ squares, tolerance)


def projections(G: Array, residual: Array) -> tuple[Array, Array]:
    """The eigenvalues of G, ascending, and the squares (v_kᵀr)² of the residual along their eigenvectors."""
    eigenvalues, V = eigh(validate.symmetric_matrix("G", G))
    return eigenvalues, (residual @ V) ** 2


@validate.quietly
def steps_to(G: Array, residual: Array, step_size: float, share: float) -> int:
    """How many linearised steps bring ‖y - u‖² to this share of its start.

    Parameters
    ----------
    G : (n, n) array
        Positive definite.
    residual : (n,) array
        y - u(0).
    step_size : float
        η, 0 < η < 2/λ_max(G).
    share : float in (0, 1)

    Raises
    ------
    ValueError
        If λ_min(G) ≤ 0, the step size is 2/λ_max(G) or more, or share not between 0 and 1.

    Poster: random labels (derived).
    """
    premises.smallest_eigenvalue(G)
    premises.stable_step(step_size, G)
    if not 0 < validate.fraction("share", share) < 1:
        raise ValueError(f"share must be a number between 0 and 1, and neither, got {share}")
    eigenvalues, squares = projections(G, residual)
    factors = np.abs(1 - step_size * eigenvalues)

    def reached(k: int) -> bool:
        return bool(factors ** (2 * k) @ squares <= share * squares.sum())

    enough = 1
    while not reached(enough):
        enough *= 2
    return bisect_left(range(enough), True, key=reached)
