"""In training: that I_2 and the second-order term of a step stay within their budgets.

Lemmas B.6 and B.7 for the fully-connected network, C.6 and C.7 for the ResNet, D.6 and D.7 for the convolution. Both
follow from the bounds on the gradients in `minimal_gd.theory.appendices_a_to_d.training`, where the start's constants
at most double.
"""

import numpy as np

from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import constants
from minimal_gd.theory.appendices_a_to_d import perturbation, training
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, InitialConstants, OpenConstants
from minimal_gd.theory.layers import filter_size
from minimal_gd.theory.sections_3_and_4.dynamics import DescentStep


def change(
    step: DescentStep,
    smallest: float,
    start: Parameters | None = None,
    given: InitialConstants | None = None,
    open_constants: OpenConstants = OPEN,
) -> Comparison:
    """‖I_2(k)‖ ≤ ηλ‖y - u(k)‖/8, where η is small enough.

    Small enough: η ≤ `asked_step_size`, with a constant that is open, and, derived, η ≤ λ/(4 n^(3/2) c_2 ‖y - u(k)‖):
    along the step, |u_i″| ≤ c_2 n ‖y - u‖² with `curvature_bound` c_2, and ‖I_2‖ ≤ √n max_i |u_i″| η²/2.

    Parameters
    ----------
    step : DescentStep
        With a Lipschitz and smooth σ.
    smallest : float > 0
        λ.
    start : Parameters, optional
        θ(0), by default the step's own.
    given : InitialConstants, optional
        By default the smallest that are true at θ(0); others are checked, as premises.
    open_constants : OpenConstants
        `step` and `power` are used.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Paper: Lemma B.6, Lemma C.6, Lemma D.6.
    """
    given, asked = training.step_premises(step, "6", start, given)
    smallest, n = validate.positive_number("smallest", smallest), len(step.y)
    norm, eta = np.linalg.norm(step.residual), step.step_size
    enough = smallest / (4 * n**1.5 * curvature_bound(step.net, given) * max(norm, np.finfo(np.float64).tiny))
    asked += (
        compare("η ≤ c ·", eta, "≤", asked_step_size(step.net, given, n, smallest, 3, open_constants)),
        compare("η ≤ λ/(4 n^(3/2) c_2 ‖y - u‖)", eta, "≤", enough),
    )
    return compare("‖I_2‖ ≤ ηλ‖y - u‖/8", np.linalg.norm(step.I_2), "≤", eta * smallest * norm / 8, premises=asked)


def term(
    step: DescentStep,
    smallest: float,
    start: Parameters | None = None,
    given: InitialConstants | None = None,
    open_constants: OpenConstants = OPEN,
) -> Comparison:
    """‖u(k+1) - u(k)‖² ≤ ηλ‖y - u(k)‖²/8, where η is small enough.

    Small enough: η ≤ `asked_step_size`, with a constant that is open, and, derived, η ≤ λ/(8 n² (Σ_h b_h²)²), as
    ‖u(k+1) - u(k)‖ ≤ η n Σ_h b_h² ‖y - u‖. For ResNets the latter has no H², which the recalled step size λH²/n² has:
    where W^(1) and a are trained, whose part of G does not fall with H, that step size breaks the budget once H is
    large.

    Parameters
    ----------
    step, smallest, start, given, open_constants
        As for `change`.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Paper: Lemma B.7, Lemma C.7, Lemma D.7.
    """
    given, asked = training.step_premises(step, "7", start, given)
    smallest, n = validate.positive_number("smallest", smallest), len(step.y)
    enough = smallest / (8 * n**2 * np.sum(training.gradient_bounds(step.net, given) ** 2) ** 2)
    asked += (
        compare("η ≤ c ·", step.step_size, "≤", asked_step_size(step.net, given, n, smallest, 2, open_constants)),
        compare("η ≤ λ/(8 n² (Σb²)²)", step.step_size, "≤", enough),
    )
    right = step.step_size * smallest * (step.residual @ step.residual) / 8
    return compare("‖Δu‖² ≤ ηλ‖y - u‖²/8", step.change @ step.change, "≤", right, premises=asked)


def asked_step_size(
    net: Network, given: InitialConstants, n: int, smallest: float, power: int, open_constants: OpenConstants = OPEN
) -> float:
    """c λ/(n² H² c_x^(power·H) g_{2c_x}(H)), fully connected; c λH²/n² for ResNets, over poly(p) with patches.

    `power` is 3 in Lemma B.6 and 2 in Lemma B.7, as they are recalled, with medium confidence.

    Paper: Lemma B.6, Lemma B.7 and their kin.
    """
    base, H = open_constants.step * smallest / n**2, net.depth
    if constants.is_residual(net):
        return base * H**2 / net.positions**open_constants.power
    c_x = max(constants.growth_per_layer(net, given.c_w0), 1.0)
    return base / (H**2 * c_x ** (power * H) * constants.geometric(2 * c_x, H))


def curvature_bound(net: Network, given: InitialConstants) -> float:
    """c_2: |d²u_i/ds²| ≤ c_2 n ‖y - u‖² along θ - s ∂L/∂θ, where the constants at most double.

    By the chain rule, forward through the layers x^(h) = κ x^(h-1) + (β/√m) σ(z^(h)), z^(h) = W^(h) φ(x^(h-1)): with
    the dots for d/ds, in units of √n ‖y - u‖ where ‖∂L/∂W^(h)‖ is b_h at most, and V = -∂L/∂W^(h),

        ż = V φ(x) + W φ(ẋ)       ẋ^(h) = κ ẋ^(h-1) + (β/√m) σ′ ż
        z̈ = 2 V φ(ẋ) + W φ(ẍ)     ẍ^(h) = κ ẍ^(h-1) + (β/√m) (σ″ ż² + σ′ z̈)

    and ü = 2 ȧᵀẋ^(H) + aᵀẍ^(H). The norms below are those of √m ẋ and √m ẍ.

    Raises
    ------
    ValueError
        If σ is not Lipschitz and smooth.

    Paper: Lemma B.6, Lemma C.6, Lemma D.6 (derived).
    """
    perturbation.require_bounds(net, "lipschitz", "smoothness")
    L, smoothness = net.activation.lipschitz, net.activation.smoothness
    root_q, root_m = np.sqrt(filter_size(net)), np.sqrt(net.width)
    *hidden, output = training.gradient_bounds(net, given)
    first = second = 0.0  # √m ‖ẋ‖ and √m ‖ẍ‖
    for h, b in enumerate(hidden, start=1):
        skip, beta = net.limit_layer(h)
        z_first = root_q * (2 * given.c_x0 * b + 2 * given.c_w0 * first)
        z_second = root_q * (2 * b * first / root_m + 2 * given.c_w0 * second)
        first = skip * first + beta * L * z_first
        second = skip * second + beta * (smoothness * z_first**2 + L * z_second)
    return float(2 * output * first / root_m + 2 * given.a_20 * second)
