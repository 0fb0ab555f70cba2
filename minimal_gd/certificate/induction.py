"""The theorem behind a certificate: from a few numbers at θ₀ to what descent does for ever after.

Let r(θ) = u(θ) - y, J its Jacobian, r₀ ≥ ‖r(θ₀)‖, and α ≤ σ_min(J(θ₀)), β ≥ ‖J(θ₀)‖. Let L(ϱ), which does not fall, be
a Lipschitz constant of J in the ball of radius ϱ around θ₀. At distance s from θ₀ then

    σ_min(J) ≥ a(s) = α - ∫₀ˢ L    and    ‖J‖ ≤ b(s) = β + ∫₀ˢ L.

The same holds of any part of the columns of J, and σ_min(J) is never below that of a part. So let α_h and L_h be those
of the columns of the layers from h on, and a(s) = max_h (α_h - ∫₀ˢ L_h), which falls too. The last layers change so
much less that they may be all that a proof needs, as the paper's needs layer H alone.

**Theorem.** Let ρ and η > 0 be such that a(ρ) > 0 and

    τ = 1 - η b(ρ)²/2 - η L(ρ) r₀/2 > 0    and    τ ∫₀^ρ a > r₀.

Then gradient descent θ(k+1) = θ(k) - η J(θ(k))ᵀ r(θ(k)), started at θ₀ and computed exactly, stays within ρ of θ₀,
its residual obeys ‖r(θ(k))‖ ≤ (1 - η τ a(ρ)²)^k r₀, and θ(k) converges to weights with r = 0.

**Proof.** *One step.* Let θ be in the ball, 0 < t ≤ η, and let the segment from θ to θ⁺ = θ - t Jᵀr be in the ball
too. Along the segment J changes by L t ‖Jᵀr‖ at most, so r(θ⁺) = r - t JJᵀr + R with ‖R‖ ≤ (L/2) t² ‖Jᵀr‖². As
JJᵀ ⪯ b² I,

    ‖(I - t JJᵀ) r‖² = ‖r‖² - 2t ‖Jᵀr‖² + t² ‖JJᵀr‖² ≤ ‖r‖² - 2t (1 - t b²/2) ‖Jᵀr‖²,

and √(A² - B) ≤ A - B/2A. (Where r = 0 nothing moves any more.) With ‖r‖ ≤ r₀ and t ≤ η, together

    ‖r(θ⁺)‖ ≤ ‖r‖ - t (1 - t b²/2 - t L ‖r‖/2) ‖Jᵀr‖²/‖r‖ ≤ ‖r‖ - t τ ‖Jᵀr‖²/‖r‖.            (1)

*The path.* Let s be the length of the path up to θ, d = t ‖Jᵀr‖ that of the step. ‖θ - θ₀‖ ≤ s, so ‖Jᵀr‖ ≥ a(s) ‖r‖;
and a falls, so (1) says ‖r(θ⁺)‖ ≤ ‖r‖ - τ d a(s) ≤ ‖r‖ - τ ∫ a from s to s + d. Summed over all steps so far, with s
the whole length,

    ‖r‖ ≤ r₀ - τ ∫₀ˢ a.                                                                                           (2)

Were the path ever as long as ρ, it would be so for the first time within some step or at its end; shortened to the t
at which the length is ρ, that step lies in the ball, and (2) says ‖r‖ ≤ r₀ - τ ∫₀^ρ a < 0. So the path stays in the
ball, and is shorter than its radius: θ(k) converges. And (1) with ‖Jᵀr‖ ≥ a(ρ) ‖r‖ gives the rate. ∎

For L constant, one part and small η the condition reads r₀ < αρ - Lρ²/2 for some ρ < α/L, that is 2 L r₀ < α²:
Kantorovich's.

**In numbers.** On radii 0 = ϱ_0 < ϱ_1 < … , L on [ϱ_(j-1), ϱ_j] is L(ϱ_j) at most. So every α_h - ∫L_h, taken smaller,
is linear between them, and ∫a is at least the sum of the largest of the trapezoids. Any radius ϱ_j may serve as ρ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minimal_gd.certificate.rounding import EPS, down, up

_RADII = 96


@dataclass(frozen=True)
class Induction:
    """The premises of the theorem, for a row of radii that may each serve as ρ.

    Attributes
    ----------
    residual : float
        r₀.
    radii, curvature, smallest, largest : (s,) arrays
        ρ, L(ρ), a(ρ) and b(ρ).
    needed : (s,) array
        What τ has to exceed: r₀ / ∫₀^ρ a, or more; ∞ where a(ρ) = 0.
    """

    residual: float
    radii: NDArray
    curvature: NDArray
    smallest: NDArray
    largest: NDArray
    needed: NDArray

    @classmethod
    def of(
        cls, residual: float, smallest: NDArray, largest: float, radii: NDArray, curvature: NDArray, reach: NDArray
    ) -> "Induction":
        """Integrate.

        Parameters
        ----------
        residual, largest : float
            r₀ and β.
        smallest : (k,) array
            α_h of some parts of J, the first of which is J.
        radii : (s,) array
            Increasing.
        curvature : (k, s) array
            L_h, not falling with the radius.
        reach : (s,) array
            What Σ_k η ‖r(θ(k))‖, which is r₀/(τ a²) at most, has to stay below.
        """
        widths = np.diff(radii, prepend=0.0)
        changed = up(np.cumsum(widths * curvature, axis=1))  # ∫ L_h
        parts = np.maximum((smallest[:, None] - changed) * (1 - 4 * EPS), 0.0)
        before = np.concatenate([smallest[:, None], parts[:, :-1]], axis=1)
        a = parts.max(axis=0)
        integral = down(np.cumsum(widths * np.where(parts > 0, (parts + before) / 2, 0.0).max(axis=0)))
        needed = np.full(len(radii), np.inf)
        inside = (a > 0) & (integral > 0)
        needed[inside] = up(residual / integral[inside])
        needed[inside] = np.maximum(needed[inside], up(residual / down(reach[inside] * a[inside] ** 2)))
        return cls(residual, radii, curvature[0], a, up(largest + changed[0]), needed)

    def shares_left(self, step_size: float) -> NDArray:
        """τ, for every radius: a lower bound."""
        return 1 - up(step_size * self._stiffness() / 2) - 2 * EPS

    def largest_steps(self) -> NDArray:
        """The largest step sizes for which τ exceeds what is needed, about; 0 where there are none."""
        return np.maximum(2 * (1 - self.needed) * (1 - 2.0**-20) / self._stiffness(), 0.0)

    def _stiffness(self) -> NDArray:
        return up(self.largest**2 + self.curvature * self.residual)


def radii_to_try(residual: float, smallest: NDArray, curvature: NDArray) -> NDArray:
    """Radii densely from below r₀/α, where ∫ a can exceed r₀ at the earliest, and sparsely wherever a(ϱ) can be > 0.

    `smallest` and `curvature` are the α_h and L_h(0).
    """
    shortest = residual / smallest[0]
    furthest = float(np.max(smallest / curvature, where=curvature > 0, initial=0.0))  # a ≤ max_h α_h - L_h(0) ϱ
    dense = np.linspace(0, 4 * shortest, _RADII)[1:]
    sparse = np.geomspace(min(shortest, furthest or shortest) / 32, max(4 * shortest, furthest), _RADII)
    return np.union1d(dense, sparse)
