"""From parameters to predictions: what one step of descent does to u, and the budget that leads to the rate.

    u(k+1) - u(k) = I_1(k) + I_2(k),    I_1(k) = -η G(k) (u(k) - y),    G(k) = Σ_h G^(h)(k),

I_1 is what the step would do to u if u were linear in θ, and I_2 is the rest.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # whose parts are loaded when they are first used
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.content import by_content
from minimal_gd.networks.base import Network, arguments
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare

# A sum of a few hundred rounded terms.
ROUNDING = 1e-11


@by_content
@dataclass(frozen=True)
class DescentStep:
    """One step of gradient descent, θ(k) to θ(k+1), seen from the predictions.

    Attributes
    ----------
    net : Network
    X : (n, *input_shape) array
    y : (n,) array
    step_size : float
        η.
    before, after : Parameters
        θ(k) and θ(k+1).
    gradient : Parameters
        L′ = ∂L/∂θ at θ(k); zero for what is not trained.
    u, u_next : (n,) arrays
        u(k) and u(k+1).
    G : (H + 1, n, n) array
        Every G^(h)(k).
    """

    net: Network
    X: NDArray
    y: NDArray
    step_size: float
    before: Parameters
    after: Parameters
    gradient: Parameters
    u: NDArray
    u_next: NDArray
    G: NDArray

    @property
    def residual(self) -> NDArray:
        """y - u(k)."""
        return self.y - self.u

    @property
    def change(self) -> NDArray:
        """u(k+1) - u(k)."""
        return self.u_next - self.u

    @property
    def trained_gram(self) -> NDArray:
        """ΣG^(h)(k) over the layers that are trained."""
        return self.G.sum(axis=0) if self.net.train_output else self.G[:-1].sum(axis=0)

    @property
    def I_1(self) -> NDArray:
        """-η G(k) (u(k) - y), the first-order part of the change. Paper: Appendix A."""
        return self.step_size * (self.trained_gram @ self.residual)

    @property
    def I_2(self) -> NDArray:
        """u(k+1) - u(k) - I_1(k), the rest. Paper: Appendix A."""
        return self.change - self.I_1


def descent_step(net: Network, params: Parameters, X: NDArray, y: NDArray, step_size: float) -> DescentStep:
    """Take one step from `params`.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ(k); not changed.
    X : (n, *input_shape) array
    y : (n,) array
    step_size : float > 0
        η.

    Raises
    ------
    TypeError, ValueError
        As `net.gradient`, and if `step_size` is not a finite number > 0.
    """
    params, X, y = arguments(net, params, X, y)
    step_size = validate.positive_number("step_size", step_size)
    gradient = net.gradient(params, X, y)
    after = moved(params, gradient, -step_size)
    u, u_next = net.predict(params, X), net.predict(after, X)
    return DescentStep(net, X, y, step_size, params, after, gradient, u, u_next, G=gram.empirical(net, params, X))


def moved(params: Parameters, direction: Parameters, distance: float) -> Parameters:
    """θ + distance · direction."""
    W = tuple(W + distance * V for W, V in zip(params.W, direction.W, strict=True))
    return Parameters(W, params.a + distance * direction.a)


def derivative_along(net: Network, params: Parameters, X: NDArray, direction: Parameters) -> NDArray:
    """⟨u_i′(θ), v⟩ for every sample: Σ_h Σ_l δ_ilᵀ V^(h) φ_il.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ.
    X : (n, *input_shape) array
    direction : Parameters
        v.

    Returns
    -------
    (n,) array
    """
    total = np.zeros(len(X), params.dtype)
    output = direction.a.T.reshape(1, -1)  # in the order of x^(H): position by position
    for block, work in net.workspaces(X, params.dtype):
        layers = zip(net.pairs(params, work), (*direction.W, output), strict=True)
        total[block] = sum(np.einsum("ilm,ilm->i", delta, phi @ V.T) for (delta, phi), V in layers)
    return total


# ------------------------------------------------------------------ identities


def loss_step(step: DescentStep) -> Comparison:
    """‖y - u(k+1)‖² = ‖y - u(k)‖² - 2 (y - u(k))ᵀ(u(k+1) - u(k)) + ‖u(k+1) - u(k)‖², exactly.

    Paper: the loss step, Appendix A.
    """
    left = np.sum((step.y - step.u_next) ** 2)
    right = step.residual @ step.residual - 2 * step.residual @ step.change + step.change @ step.change
    return compare("‖y - u(k+1)‖² = ‖y - u‖² - 2(y - u)ᵀΔu + ‖Δu‖²", left, "=", right, ROUNDING)


def first_order_change(step: DescentStep) -> Comparison:
    """I_1: -η ⟨L′(θ(k)), u_i′(θ(k))⟩ = -η Σ_j G_ij(k) (u_j(k) - y_j).

    The left side contracts every sample's gradient with that of the loss; the right side knows the Gram matrix alone.

    Paper: I_1, Appendix A.
    """
    left = -step.step_size * derivative_along(step.net, step.before, step.X, step.gradient)
    return compare("-η⟨L′, u_i′⟩ = -η(G(u - y))_i", left, "=", step.I_1, ROUNDING)


def second_order_change(step: DescentStep) -> Comparison:
    """I_2: u(k+1) - u(k) - I_1(k) = ∫_0^η ⟨L′(θ), u_i′(θ) - u_i′(θ - s L′(θ))⟩ ds, θ = θ(k).

    For σ that is differentiable: the integral is SciPy's, along the segment that the step takes.

    Paper: I_2, Appendix A.
    """
    net, X, gradient = step.net, step.X, step.gradient
    here = derivative_along(net, step.before, X, gradient)

    def integrand(s: float) -> NDArray:
        return here - derivative_along(net, moved(step.before, gradient, -s), X, gradient)

    scale = np.abs(step.I_1).max()
    right = scipy.integrate.quad_vec(integrand, 0, step.step_size, epsabs=ROUNDING * scale, epsrel=ROUNDING)[0]
    # I_2 is a difference of predictions: its rounding is relative to them, not to itself
    rounding = ROUNDING * max(scale, np.abs(step.u).max()) / max(np.abs(right).max(), np.finfo(np.float64).tiny)
    return compare("Δu - I_1 = ∫⟨L′, u′(θ) - u′(θ - sL′)⟩ds", step.I_2, "=", right, rounding)


def gram_order(step: DescentStep) -> Comparison:
    """λ_min(G(k)) ≥ λ_min(G^(H)(k)), as every G^(h) is positive semi-definite: what allows to keep layer H alone.

    Paper: section 4.
    """
    return keep_order("λ_min(ΣG^(h)) ≥ λ_min(G^(H))", step.trained_gram, step.G[step.net.depth - 1])


def keep_order(claim: str, whole: NDArray, part: NDArray) -> Comparison:
    """λ_min(whole) ≥ λ_min(part) for symmetric matrices whose difference is positive semi-definite."""
    of_whole, of_part = np.linalg.eigvalsh(whole), np.linalg.eigvalsh(part)
    slack = ROUNDING * of_whole[-1] / max(abs(of_whole[0]), abs(of_part[0]), np.finfo(np.float64).tiny)
    return compare(claim, of_whole[0], "≥", of_part[0], slack)


def rounding_of_change(step: DescentStep, change: NDArray) -> float:
    """The tolerance of a change of predictions: its rounding is relative to them, not to itself."""
    return ROUNDING * max(np.abs(step.u).max() / max(np.abs(change).max(), np.finfo(np.float64).tiny), 1)


# ------------------------------------------------------------------ the descent inequality and its budget


def descent_inequality(step: DescentStep) -> Comparison:
    """‖y - u(k+1)‖² ≤ (1 - 2η λ_min(G^(H)(k))) ‖y - u(k)‖² - 2 (y - u(k))ᵀ I_2(k) + ‖u(k+1) - u(k)‖².

    The loss step with (y - u)ᵀ I_1 = η (y - u)ᵀ G (y - u) ≥ η λ_min(G^(H)) ‖y - u‖². (As recalled, the printed sketch
    drops an η; this line is derived.)

    Paper: Appendix A.
    """
    r, smallest = step.residual, np.linalg.eigvalsh(step.G[step.net.depth - 1])[0]
    left = np.sum((step.y - step.u_next) ** 2)
    right = (1 - 2 * step.step_size * smallest) * (r @ r) - 2 * r @ step.I_2 + step.change @ step.change
    return compare("‖y - u(k+1)‖² ≤ (1 - 2ηλ_min(G^(H)))‖y - u‖² - 2(y - u)ᵀI_2 + ‖Δu‖²", left, "≤", right, ROUNDING)


def budget(step: DescentStep, smallest: float) -> tuple[Comparison, Comparison, Comparison]:
    """What may be spent of η λ ‖y - u‖², λ = λ_min(K^(H)): on G^(H), on I_2, and on the second-order term.

    Returns
    -------
    gram, I_2, second_order : Comparisons
        λ_min(G^(H)(k)) ≥ λ/2; ‖I_2‖ ≤ ηλ‖y - u‖/8; ‖u(k+1) - u(k)‖² ≤ ηλ‖y - u‖²/8.

    Paper: the budget, Appendix A; the last two are what Lemmas B.6 and B.7 end in.
    """
    smallest = validate.positive_number("smallest", smallest)
    eta_lambda, norm = step.step_size * smallest, float(np.linalg.norm(step.residual))
    return (
        compare("λ_min(G^(H)(k)) ≥ λ/2", np.linalg.eigvalsh(step.G[step.net.depth - 1])[0], "≥", smallest / 2),
        compare("‖I_2‖ ≤ ηλ‖y - u‖/8", np.linalg.norm(step.I_2), "≤", eta_lambda * norm / 8),
        compare("‖Δu‖² ≤ ηλ‖y - u‖²/8", step.change @ step.change, "≤", eta_lambda * norm**2 / 8),
    )


def one_step_rate(step: DescentStep, smallest: float) -> Comparison:
    """‖y - u(k+1)‖² ≤ (1 - ηλ/2) ‖y - u(k)‖², λ = λ_min(K^(H)), where the budget is kept.

    λ_min(G^(H)) ≥ λ/2 gives -ηλ, I_2 costs at most 2·ηλ/8, and the second-order term ηλ/8: together 1 - 5ηλ/8.

    Paper: the budget, Appendix A (derived).
    """
    norm = step.residual @ step.residual
    return compare(
        "‖y - u(k+1)‖² ≤ (1 - ηλ/2)‖y - u(k)‖²",
        np.sum((step.y - step.u_next) ** 2),
        "≤",
        (1 - step.step_size * smallest / 2) * norm,
        premises=budget(step, smallest),
    )
