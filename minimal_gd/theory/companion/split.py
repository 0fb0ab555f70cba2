"""One step of the companion's descent, split by patterns: u(k+1) - u(k) = I_1 + I_2.

I_1 collects the units r ∈ S_i, whose pattern at x_i cannot change within R of the start: there u is linear in w_r, so
that I_1 = -η (H - H^⊥)(u - y). I_2 collects the rest, r ∈ S_i^⊥, and is small because S_i^⊥ is. (In the later paper
I_2 is what a Taylor expansion leaves: another split.)
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate
from minimal_gd._runtime.content import by_content
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion.limit import lambda_0
from minimal_gd.theory.companion.patterns import DENSITY, DERIVED, allowed_radius, lemma_4_1, may_switch, stays_within
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OpenConstants
from minimal_gd.theory.sections_3_and_4.dynamics import ROUNDING, DescentStep, descent_step, rounding_of_change


@by_content
@dataclass(frozen=True)
class PatternStep:
    """One step of descent, with the units whose patterns may have changed since the start.

    Attributes
    ----------
    net : TwoLayerReLU
    step : DescentStep
        From W(k) to W(k+1).
    start : Parameters
        θ(0).
    radius : float
        R.
    leaves : (n, m) bool array
        r ∈ S_i^⊥: unit r may have another pattern at x_i than at the start, within R.
    I_1, I_2 : (n,) arrays
        The parts of u(k+1) - u(k) that belong to S_i and to S_i^⊥.
    H, H_perp : (n, n) arrays
        H(k), and H^⊥_ij = (1/m) x_iᵀx_j Σ_{r∈S_i^⊥} I{w_rᵀx_i ≥ 0, w_rᵀx_j ≥ 0}, times a_r² = 1; H^⊥ is not
        symmetric.
    """

    net: TwoLayerReLU
    step: DescentStep
    start: Parameters
    radius: float
    leaves: NDArray
    I_1: NDArray
    I_2: NDArray
    H: NDArray
    H_perp: NDArray

    @property
    def squared_residual(self) -> float:
        """‖y - u(k)‖²."""
        return float(self.step.residual @ self.step.residual)

    @property
    def sizes(self) -> NDArray:
        """|S_i^⊥|, (n,)."""
        return self.leaves.sum(axis=1)


def pattern_step(
    net: TwoLayerReLU,
    start: Parameters,
    params: Parameters,
    X: NDArray,
    y: NDArray,
    step_size: float,
    radius: float | None = None,
) -> PatternStep:
    """Take one step from `params`, and split what it does to u.

    Parameters
    ----------
    net : TwoLayerReLU
        With `a` fixed.
    start, params : Parameters
        θ(0) and θ(k).
    X : (n, d) array
    y : (n,) array
    step_size : float > 0
        η.
    radius : float > 0, optional
        R, by default `allowed_radius` with its derived constant.

    Raises
    ------
    TypeError, ValueError
        As `net.gradient`; if a number is not > 0; if `net` is another network or trains `a`; or if R is to be chosen
        and λ_0 > 0 is not certain.

    Companion: section 4, I_1 and I_2.
    """
    step = descent_step(two_layer.network(net, train_output=False), params, X, y, step_size)
    X, a, m = step.X, step.before.a, net.width
    radius = allowed_radius(len(X), lambda_0(X)) if radius is None else validate.positive_number("radius", radius)
    leaves = may_switch(net, start, X, radius)
    before, after = (np.maximum(X @ params.W[0].T, 0) for params in (step.before, step.after))
    terms = (after - before) * a / math.sqrt(m)
    active = two_layer.patterns(net, step.before, X).astype(np.float64)
    H_perp = X @ X.T * ((active * leaves * a**2) @ active.T) / m
    return PatternStep(
        net,
        step,
        start,
        radius,
        leaves,
        I_1=np.where(leaves, 0, terms).sum(axis=1),
        I_2=np.where(leaves, terms, 0).sum(axis=1),
        H=step.G[0],
        H_perp=H_perp,
    )


def split(pattern: PatternStep) -> Comparison:
    """u_i(k+1) - u_i(k) = I_1^i + I_2^i, exactly.

    Companion: the split of section 4.
    """
    right = pattern.I_1 + pattern.I_2
    rounding = rounding_of_change(pattern.step, right)
    return compare("u(k+1) - u(k) = I_1 + I_2", pattern.step.change, "=", right, rounding)


def first_part(pattern: PatternStep) -> Comparison:
    """I_1^i = -η Σ_j (u_j - y_j)(H_ij(k) - H^⊥_ij(k)), if W(k) and W(k+1) are within R of the start.

    Companion: I_1, section 4.
    """
    step = pattern.step
    right = step.step_size * (pattern.H - pattern.H_perp) @ step.residual
    claim = "I_1 = -η(H(k) - H^⊥(k))(u - y)"
    return compare(claim, pattern.I_1, "=", right, rounding_of_change(step, right), _within(pattern))


def second_part(pattern: PatternStep) -> Comparison:
    """|I_2^i| ≤ η |S_i^⊥| √n ‖u(k) - y‖/m, for unit inputs and |a_r| = 1.

    Companion: I_2, section 4.
    """
    step = pattern.step
    premises.warn_unless_unit(step.X, "Theorem 4.1 of the companion")
    n, m = len(step.y), step.net.width
    right = step.step_size * pattern.sizes * math.sqrt(n * pattern.squared_residual) / m
    return compare("|I_2^i| ≤ η|S_i^⊥|√n‖u - y‖/m", np.abs(pattern.I_2), "≤", right, ROUNDING)


def h_perp(pattern: PatternStep) -> Comparison:
    """‖H^⊥(k)‖_2 ≤ n Σ_i |S_i^⊥|/m, for inputs of norm ≤ 1; Lemma 4.1 then makes that C n²R/δ.

    Companion: H^⊥, section 4.
    """
    step = pattern.step
    premises.warn_unless_unit(step.X, "Theorem 4.1 of the companion")
    right = len(step.y) * pattern.sizes.sum() / step.net.width
    return compare("‖H^⊥‖₂ ≤ n Σ_i |S_i^⊥|/m", np.linalg.norm(pattern.H_perp, 2), "≤", right, ROUNDING)


def second_order(pattern: PatternStep) -> Comparison:
    """‖u(k+1) - u(k)‖² ≤ η²n² ‖y - u(k)‖², for unit inputs and |a_r| = 1.

    relu is 1-Lipschitz, and ‖w_r(k+1) - w_r(k)‖ ≤ η√n ‖y - u(k)‖/√m.

    Companion: the second-order term of section 4.
    """
    step = pattern.step
    premises.warn_unless_unit(step.X, "Theorem 4.1 of the companion")
    right = (step.step_size * len(step.y)) ** 2 * pattern.squared_residual
    return compare("‖Δu‖² ≤ η²n²‖y - u‖²", step.change @ step.change, "≤", right, ROUNDING)


def factor(
    n: int,
    smallest: float,
    step_size: float,
    radius: float,
    open_constants: OpenConstants = DERIVED,
    constant: float = DENSITY,
) -> float:
    """1 - ηλ_0 + 2Cηn²R/δ + 2Cηn^(3/2)R/δ + η²n².

    Parameters
    ----------
    n : int ≥ 1
    smallest : float > 0
        λ_0.
    step_size, radius : float > 0
        η and R.
    open_constants : OpenConstants
        `failure` is used.
    constant : float > 0
        C of Lemma 4.1; √(2/π) is derived.

    Companion: the total factor of section 4.
    """
    leaving = 2 * constant * radius / open_constants.failure * (n**2 + n**1.5)
    return 1 - step_size * smallest + step_size * leaving + (step_size * n) ** 2


def total_factor(
    pattern: PatternStep, open_constants: OpenConstants = DERIVED, constant: float = DENSITY
) -> Comparison:
    """‖y - u(k+1)‖² ≤ (1 - ηλ_0 + 2Cηn²R/δ + 2Cηn^(3/2)R/δ + η²n²) ‖y - u(k)‖².

    λ_min(H(k)) ≥ λ_0/2 gives -ηλ_0, H^⊥ costs 2η‖H^⊥‖_2, I_2 twice ‖I_2‖, and the second-order term η²n².

    Parameters
    ----------
    pattern : PatternStep
    open_constants : OpenConstants
        `failure` is used.
    constant : float > 0
        C of Lemma 4.1.

    Raises
    ------
    ValueError
        If λ_0 > 0 is not certain.

    Companion: the total factor of section 4.
    """
    step, smallest = pattern.step, lambda_0(pattern.step.X)
    premises.warn_unless_unit(step.X, "Theorem 4.1 of the companion")
    whole = factor(len(step.y), smallest, step.step_size, pattern.radius, open_constants, constant)
    asked = (
        compare("λ_min(H(k)) ≥ λ_0/2", np.linalg.eigvalsh(pattern.H)[0], "≥", smallest / 2),
        lemma_4_1(pattern.net, pattern.start, step.X, pattern.radius, open_constants, constant),
        *_within(pattern),
    )
    left = np.sum((step.y - step.u_next) ** 2)
    claim = "‖y - u(k+1)‖² ≤ (1 - ηλ_0 + 2Cη(n² + n^1.5)R/δ + η²n²)‖y - u‖²"
    return compare(claim, left, "≤", whole * pattern.squared_residual, ROUNDING, asked)


def rate_from_factor(
    n: int,
    smallest: float,
    step_size: float,
    radius: float,
    open_constants: OpenConstants = DERIVED,
    constant: float = DENSITY,
) -> Comparison:
    """The total factor is at most 1 - ηλ_0/2 where R ≤ c δ λ_0/n² and η ≤ c′ λ_0/n².

    Half of ηλ_0 may be spent. With C = √(2/π) and c = √(2π)/32 the terms with R take at most a quarter, and with
    c′ = 1/4 the last one another quarter.

    Parameters
    ----------
    n, smallest, step_size, radius, constant
        As for `factor`.
    open_constants : OpenConstants
        c is its `radius`, c′ its `step`, δ its `failure`.

    Companion: the rate from the total factor of section 4 (the constants are derived).
    """
    left = factor(n, smallest, step_size, radius, open_constants, constant)
    asked = (
        compare("R ≤ cδλ_0/n²", radius, "≤", allowed_radius(n, smallest, open_constants)),
        compare("η ≤ cλ_0/n²", step_size, "≤", open_constants.step * smallest / n**2),
    )
    return compare("total factor ≤ 1 - ηλ_0/2", left, "≤", 1 - step_size * smallest / 2, ROUNDING, asked)


def _within(pattern: PatternStep) -> tuple[Comparison, Comparison]:
    return (
        stays_within(pattern.start, pattern.step.before, pattern.radius),
        stays_within(pattern.start, pattern.step.after, pattern.radius),
    )
