"""`certify`: a rigorous statement about what gradient descent will do from these very weights."""

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate
from minimal_gd._runtime.threads import one_blas_thread
from minimal_gd.activations import Activation
from minimal_gd.certificate.curvature import parts
from minimal_gd.certificate.induction import Induction, radii_to_try
from minimal_gd.certificate.start import Start, measure
from minimal_gd.certificate.switches import reach
from minimal_gd.networks import ConvResNet, FullyConnected, Network, ResNet, TwoLayerReLU
from minimal_gd.parameters import Parameters


@dataclass(frozen=True)
class Certificate:
    """What has been proved about exact gradient descent with a constant step, started at θ₀. `print` says it in words.

    If `holds`, then for every k ≥ 0, with exact real numbers in place of floats,

        ‖u(k) - y‖ ≤ rate^k · residual,    ‖θ(k) - θ(0)‖ ≤ radius,

    θ(k) converges, and the training loss of the limit is exactly zero.

    Attributes
    ----------
    holds : bool
        Whether it is proved. False says nothing about descent, only that this proof does not go through.
    residual : float
        An upper bound on ‖u(0) - y‖ at θ₀.
    smallest : float
        A lower bound on σ_min(J) at θ₀, J the (n, parameters) Jacobian of u; its square is one on λ_min(ΣG^(h)).
    curvature : float
        An upper bound on the Lipschitz constant of J, in the spectral norm, in the ball of radius `radius`; for
        `TwoLayerReLU`, in the part of it in which no unit switches, which descent does not leave.
    radius, rate : float
        As above. Where the proof does not go through, `radius` is what comes nearest to it, and `rate` is 1.
    step_size : float
        η: the one asked for, or the largest that can be certified, or nan where none can.
    margin : float
        Above 1 where the proof goes through; else it misses by that factor. In the terms of
        `minimal_gd.certificate.induction` it is the largest τ ∫a / r₀ of all radii: about as many times larger might
        the residual be. Without a step size asked for, it is that of the smallest steps, τ = 1.
    contraction : float
        A lower bound on 1 - rate, with the digits that `rate` has no room for; 0 where the proof does not go through.
    possible_step : float
        A step size that can be certified, about the largest; 0 where there is none.
    """

    holds: bool
    residual: float
    smallest: float
    curvature: float
    radius: float
    rate: float
    step_size: float
    margin: float
    contraction: float
    possible_step: float

    def __str__(self) -> str:
        return "\n".join(self._theorem() if self.holds else self._missing())

    def _theorem(self) -> list[str]:
        return [
            f"Certified: exact gradient descent with step size {self.step_size!r}, started at these weights,",
            f"converges to weights with zero training loss. ‖u(k) - y‖ ≤ {_above(self.residual)} · (1 - "
            f"{_below(self.contraction)})^k for all k,",
            f"and no weights on the way, nor the limit, are further than {_above(self.radius)} from the start.",
            f"Why: at the start the Jacobian J of u has σ_min(J) ≥ {_below(self.smallest)}, and within that distance J "
            f"is Lipschitz with constant {_above(self.curvature)}.",
            f"The proof goes through with a factor of {_below(self.margin)} to spare.",
        ]

    def _missing(self) -> list[str]:
        if not math.isfinite(self.residual) or self.curvature == math.inf:
            return ["Not certified: the numbers are too large or too small for float64.", "Scale X or the weights."]
        if self.smallest <= 0:
            return [
                "Not certified: σ_min(J) > 0 cannot be proved: the gradients of the samples may depend on each other.",
                f"The residual is at most {_above(self.residual)}.",
                "What would help: no equal or parallel inputs, fewer samples, or more width.",
            ]
        lines = [
            f"Not certified: the proof misses by a factor of {_above(1 / self.margin) if self.margin > 0 else '∞'}.",
            f"‖u - y‖ ≤ {_above(self.residual)}, σ_min(J) ≥ {_below(self.smallest)}, and J is Lipschitz with constant "
            f"{_above(self.curvature)} within {_above(self.radius)} of the start;",
            "the smaller the residual and that constant, and the larger σ_min(J), the nearer is a proof.",
        ]
        if self.margin == 1:
            return [
                "Not certified: with so small a step size the residual shrinks by less than floats can tell from 1."
            ]
        if self.possible_step > 0:
            return [*lines, f"What would help: a smaller step size, {_below(self.possible_step)} for example."]
        return [*lines, "What would help: more steps of descent first (a smaller residual), or more width."]


def certify(net: Network, params: Parameters, X: NDArray, y: NDArray, step_size: float | None = None) -> Certificate:
    """Try to prove that gradient descent from `params` converges to exactly zero training loss.

    The descent is that of `gradient_descent`, θ(k+1) = θ(k) - η ∂L/∂θ(k) with L = ½ Σ_i (u_i - y_i)², in exact
    arithmetic: weights, data and step size are the real numbers that the floats are. Every number in the proof is a
    bound with rounding included. `minimal_gd.certificate.induction` has the theorem and its proof,
    `minimal_gd.certificate.curvature` the bound on the curvature, `minimal_gd.certificate.start` what is measured, and
    what is assumed of σ; `minimal_gd.certificate.rounding` says what is assumed of the arithmetic.

    The cost is that of a few steps of descent, of `gram.empirical`, and of two products W Wᵀ with their Cholesky
    factorisations a layer. No Jacobian is formed. To see in a run when descent can first be certified, observe it:

        run = gradient_descent(net, params, X, y, eta, steps, observe_every=100,
                               observe=lambda k, theta: certify(net, theta, X, y, eta).margin)

    The first `run.observed` above 1 is the first step with a certificate.

    Parameters
    ----------
    net : FullyConnected, ResNet, ConvResNet or TwoLayerReLU
        With an activation whose `smoothness` is stated and finite, but for TwoLayerReLU; σ‴ need not exist. `lipschitz`
        may be ∞.
    params : Parameters
        θ₀; float32 weights are those numbers too, but everything is computed in float64.
    X : (n, *input_shape) array
        Not rounded to the dtype of `params`, as `gradient_descent` does.
    y : (n,) array
    step_size : float > 0, optional
        η; by default the largest that can be certified. That one contracts slowly, as steps at the edge of what is
        stable do: half of it is a good choice.

    Returns
    -------
    Certificate

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    """
    bounds = _sigma_bounds(net)
    params = net.check_params(params).map(lambda array: np.ascontiguousarray(array, np.float64))
    X = net.check_inputs("X", X, np.float64)
    y = net.check_targets(y, len(X), np.float64)
    eta = None if step_size is None else validate.positive_number("step_size", step_size)
    with np.errstate(all="ignore"), one_blas_thread():  # what is not finite proves nothing
        start = measure(net, params, X, y, *bounds)
        if not (math.isfinite(start.residual) and 0 < start.smallest[0] < math.inf):
            return _nothing(start, eta)
        radii = radii_to_try(start.residual, start.smallest, parts(start, np.zeros(1))[:, 0])
        L = np.maximum.accumulate(parts(start, radii), axis=1)
        farthest = np.full(len(radii), np.inf)
        if isinstance(net, TwoLayerReLU):
            farthest = reach(net, params, X, start, radii)
        if not np.isfinite(radii).all():
            return _nothing(start, eta)
        premises = Induction.of(start.residual, start.smallest, start.largest, radii, L, farthest)
        return _conclusion(start, premises, eta)


def _conclusion(start: Start, premises: Induction, asked: float | None) -> Certificate:
    """Choose ρ: the smallest that serves for the step size, or the one that allows the largest step size."""
    steps = premises.largest_steps()
    largest = float(np.nanmax(steps, initial=0.0))
    eta = largest if asked is None else asked
    left = premises.shares_left(eta)
    serves = (left > premises.needed) & (premises.smallest > 0) & (eta > 0)
    room = (left if asked is not None else 1.0) / premises.needed
    best = int(np.argmax(np.nan_to_num(room, nan=0.0)))
    j = int(np.argmax(serves)) if serves.any() else best
    contraction = float(eta * left[j] * premises.smallest[j] ** 2 * (1 - 2.0**-40))
    rate = math.nextafter(1 - contraction, 2)
    holds = bool(serves.any()) and rate < 1
    return Certificate(
        holds=holds,
        residual=start.residual,
        smallest=float(start.smallest[0]),
        curvature=float(premises.curvature[j]),
        radius=float(premises.radii[j]),
        rate=rate if holds else 1.0,
        step_size=eta if eta > 0 else math.nan,
        margin=max(float(room[best]), 0.0) if holds else min(max(float(room[best]), 0.0), 1.0),
        contraction=contraction if holds else 0.0,
        possible_step=largest,
    )


def _nothing(start: Start, asked: float | None) -> Certificate:
    step_size = math.nan if asked is None else asked
    unknown = math.inf if not math.isfinite(start.residual) else math.nan
    return Certificate(
        False, start.residual, float(start.smallest[0]), unknown, math.nan, 1.0, step_size, 0.0, 0.0, 0.0
    )


def _sigma_bounds(net: Any) -> tuple[float, float]:
    """sup |σ′| and sup |σ″|, where σ is known well enough."""
    if type(net) not in (FullyConnected, ResNet, ConvResNet, TwoLayerReLU):
        raise TypeError(
            f"net must be a FullyConnected, ResNet, ConvResNet or TwoLayerReLU, for whose layers the bounds are "
            f"proved, got {validate.describe(net)}"
        )
    if isinstance(net, TwoLayerReLU):
        return 1.0, 0.0  # where no unit switches
    activation: Activation = net.activation
    if activation.satisfies_condition_3_1 is None:
        raise ValueError(
            f"net must have an activation with stated constants, Activation(…, lipschitz=…, smoothness=…), got "
            f"{activation!r}: what a grid shows of them is no bound"
        )
    if not math.isfinite(activation.smoothness):
        raise ValueError(
            f"net must have an activation with a finite smoothness sup |σ″|, got {activation!r}: where σ′ jumps, a "
            "step is not nearly linear"
        )
    return activation.lipschitz, activation.smoothness


_DIGITS = 4


def _above(number: float) -> str:
    """Return a few digits of `number`, rounded up, so that what is printed is a bound too."""
    return f"{float(Context(_DIGITS, ROUND_CEILING).create_decimal(Decimal(number))):.{_DIGITS}g}"


def _below(number: float) -> str:
    """Return a few digits of `number`, rounded down."""
    return f"{float(Context(_DIGITS, ROUND_FLOOR).create_decimal(Decimal(number))):.{_DIGITS}g}"
