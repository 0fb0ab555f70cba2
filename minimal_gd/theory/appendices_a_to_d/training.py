"""In training: how large the gradients are, and how far the weights drift.

Lemma B.5 for the fully-connected network, C.5 for the ResNet, D.5 for the convolution.

All of it takes place where the constants of the start at most double: ‖W^(h)‖_2 ≤ 2 c_w0 √m, ‖a‖_2 ≤ 2 a_20 √m and
‖x_i^(h)‖ ≤ 2 c_x0. `doubling_radius` says how far the weights may go for that. There the gradients are bounded,

    ‖∂u_i/∂θ_h‖ ≤ b_h,    hence ‖∂L/∂θ_h‖ ≤ b_h √n ‖y - u‖,

layer by layer, and everything here follows from the b_h. They, and what follows, are derived: where the premises hold,
so do the bounds.
"""

import numpy as np

from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks.base import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import constants, premises
from minimal_gd.theory.appendices_a_to_d import certificates, perturbation
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import ROUNDING, InitialConstants, appendix, patch_lipschitz
from minimal_gd.theory.sections_3_and_4.dynamics import DescentStep
from minimal_gd.theory.sections_5_to_7 import theorems


def gradient_bounds(net: Network, given: InitialConstants) -> Array:
    """b_h ≥ ‖∂u_i/∂W^(h)‖_F for h = 1, …, H, and b_{H+1} ≥ ‖∂u_i/∂a‖, where the constants at most double.

    With ∂u_i/∂W^(h) = δ ⊗ φ, ‖φ‖ ≤ 2 √q c_x0, ‖δ‖ ≤ β_h L ‖∂u_i/∂x^(h)‖/√m, and ‖∂u_i/∂x^(h)‖ ≤ 2 a_20 √m times c_x
    for every fully-connected layer above, times exp(2 c_res c_w0 √q L) for all the residual ones together:

        b_h = 4 β_h √q L a_20 c_x0 · (growth),    b_{H+1} = 2 c_x0.

    β_h is √c_σ, but c_res/H in the residual layers: W^(1) and a have no 1/H, unlike in the Q′ that is recalled.

    Returns
    -------
    (H + 1,) array

    Raises
    ------
    ValueError
        If σ is not Lipschitz.

    Paper: Q′ of Lemma B.5, Lemma C.5 and Lemma D.5 (derived).
    """
    perturbation.require_bounds(net, "lipschitz")
    H, base = net.depth, 4 * patch_lipschitz(net) * given.a_20 * given.c_x0
    if constants.is_residual(net):
        growth = np.full(H, constants.growth_of_residual(net, given.c_w0))
    else:
        growth = constants.growth_per_layer(net, given.c_w0) ** np.arange(H - 1, -1, -1)  # c_x^(H-h)
    betas = [net.limit_layer(h)[1] for h in range(1, H + 1)]
    return np.append(base * growth * betas, 2 * given.c_x0)


def doubling_radius(net: Network, given: InitialConstants) -> float:
    """How far the weights may go, R, so that no constant more than doubles: R ≤ c_w0, R ≤ a_20, and x^(h) by c_x0.

    Paper: R′ ≤ c g_{c_x}(H)^{-1} in Lemma B.5, R′ ≤ c in Lemma C.5 (derived).
    """
    per_unit = perturbation.forward_bound(net, given, 1.0).max()
    return float(min(given.c_w0, given.a_20, given.c_x0 / per_unit))


# ------------------------------------------------------------------ the drift of the weights


def weight_drift(
    net: Network, run: Trajectory, X: Array, smallest: float, given: InitialConstants | None = None
) -> Comparison:
    """‖W^(h)(s) - W^(h)(0)‖_F, ‖a(s) - a(0)‖_2 ≤ R′_h √m at every step s, R′_h = 4 b_h √n ‖y - u(0)‖/(λ√m).

    As the steps are at most η b_h √n ‖y - u(s)‖, and Σ_s (1 - ηλ/2)^(s/2) ≤ 4/(ηλ) by Condition A.1. Fully connected,
    4 b_h is 16 √c_σ L c_x0 a_20 c_x^(H-h): at most the recalled 16 c_x0 a_20 c_x^H, c_x the larger of 2 √c_σ L c_w0
    and 1. For ResNets the recalled R′ has c_res/H for every layer, which the gradients in W^(1) and a do not have.

    Parameters
    ----------
    net : Network
        With a Lipschitz σ.
    run : Trajectory
        With distances, of the paper's loss.
    X : (n, *input_shape) array
    smallest : float > 0
        λ = λ_min(K^(H)).
    given : InitialConstants, optional
        By default the smallest that are true at θ(0); others are checked, as premises.

    Returns
    -------
    Comparison
        (steps + 1, H + 1) on both sides, divided by √m. The premises: unit inputs, true constants, Condition A.1 and
        R′ ≤ `doubling_radius`.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Paper: Lemma B.5, Lemma C.5, Lemma D.5.
    """
    premises.warn_unless_unit(X, f"Lemma {appendix(net)[0]}.5")
    certificates.require_loss(run, "sum")
    distances, start = certificates.require(run.distances, "distances"), certificates.require(run.start, "start")
    given, asked = perturbation.constants_and_premises(net, start, X, given)
    residual, root = np.sqrt(2 * run.loss[0]), np.sqrt(net.width)
    bounds = 4 * gradient_bounds(net, given) * np.sqrt(len(X)) * residual
    R = bounds / (validate.positive_number("smallest", smallest) * root)
    asked += (
        theorems.induction_hypothesis(run, smallest),
        compare("R′ ≤ c ·", R.max(), "≤", doubling_radius(net, given)),
    )
    return compare("‖θ_h(s) - θ_h(0)‖/√m ≤ R′_h", distances / root, "≤", R, ROUNDING, asked)


def weight_step(
    step: DescentStep, start: Parameters | None = None, given: InitialConstants | None = None
) -> Comparison:
    """‖W^(h)(s) - W^(h)(s-1)‖_F, ‖a(s) - a(s-1)‖_2 ≤ η Q′_h(s-1), Q′_h(s) = b_h √n ‖y - u(s)‖, for every layer.

    Parameters
    ----------
    step : DescentStep
        From θ(s-1) to θ(s).
    start : Parameters, optional
        θ(0), by default the step's own.
    given
        As for `weight_drift`.

    Paper: one step of Lemma B.5, Lemma C.5, Lemma D.5.
    """
    given, asked = step_premises(step, "5", start, given)
    arrays = zip((*step.before.W, step.before.a), (*step.after.W, step.after.a), strict=True)
    left = [np.linalg.norm(after - before) for before, after in arrays]
    right = step.step_size * gradient_bounds(step.net, given) * np.sqrt(len(step.y)) * np.linalg.norm(step.residual)
    return compare("‖θ_h(s) - θ_h(s-1)‖ ≤ ηQ′_h(s-1)", left, "≤", right, ROUNDING, asked[:-1])


def averaged_drift(net: Network, run: Trajectory, smallest: float, constant: float = 1.0) -> Comparison:
    """‖W^(h)(k) - W^(h)(0)‖_F/√m ≤ C √n ‖y - u(0)‖/(λ√m): averaged over its rows, every matrix stays near its start.

    Parameters
    ----------
    net : Network
    run : Trajectory
        With distances and predictions, of the paper's loss.
    smallest : float > 0
        λ.
    constant : float > 0
        C, which stays open.

    Returns
    -------
    Comparison
        (steps + 1, H) on both sides: the hidden layers. The premise is Condition A.1.

    Paper: section 4, the averaged Frobenius norm.
    """
    certificates.require_loss(run, "sum")
    distances = certificates.require(run.distances, "distances")
    u = certificates.require(run.predictions, "predictions")
    constant, smallest = validate.positive_number("constant", constant), validate.positive_number("smallest", smallest)
    root = np.sqrt(net.width)
    right = constant * np.sqrt(2 * run.loss[0] * len(u[0])) / (smallest * root)
    return compare(
        "‖W^(h)(k) - W^(h)(0)‖_F/√m ≤ C√n‖y - u(0)‖/(λ√m)",
        distances[:, :-1] / root,
        "≤",
        right,
        premises=(theorems.induction_hypothesis(run, smallest),),
    )


def step_premises(
    step: DescentStep, number: str, start: Parameters | None, given: InitialConstants | None
) -> tuple[InitialConstants, tuple[Comparison, ...]]:
    """The constants, and: unit inputs, true constants, the step's two ends within the doubling radius (last)."""
    premises.warn_unless_unit(step.X, f"Lemma {appendix(step.net)[0]}.{number}", stacklevel=4)
    start = step.before if start is None else start
    given, asked = perturbation.constants_and_premises(step.net, start, step.X, given)
    allowed = doubling_radius(step.net, given)
    ends = (compare("R ≤ c ·", perturbation.radius(start, end), "≤", allowed) for end in (step.before, step.after))
    return given, (*asked, *ends)
