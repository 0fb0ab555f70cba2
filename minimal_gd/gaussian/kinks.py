"""The part of σ that has kinks, R(z) = Σ_j c_j relu(±(z - t_j)), whose expectations need no series.

Where σ′ jumps, its Hermite coefficients fall so slowly that a series hardly ends. So the jumps, c_j at t_j, are taken
out: with + where t_j ≥ 0 and - elsewhere, R′ = J = Σ_j ±c_j 1{±(z - t_j) ≥ 0}, and σ′ - J is continuous. Up to a sign,
every term is that of a place h = |t_j|/s ≥ 0 of a standard variable. For two of these, x and y, of correlation ρ,

    P(x ≥ h, y ≥ k) = Φ(-h)Φ(-k) ± 1/2π ∫_χ^(π/2) e^(-Q(ψ)) dψ,   cos χ = |ρ|,
    E[relu(x - h) relu(y - k)] = (ρ + hk) P(x ≥ h, y ≥ k) + r²f - h φ(k) Φ(-(h - ρk)/r) - k φ(h) Φ(-(k - ρh)/r),

with the sign of ρ, Q(ψ) = (h² + k² ∓ 2hk cos ψ)/(2 sin² ψ), r² = 1 - ρ², and the density f of (x, y) at (h, k). The
first is Plackett's identity ∂P/∂ρ = f, integrated over arcsin ρ. The second follows by parts, from xφ(x) = -φ′(x).

The integral is taken over at most 27 intervals [a, qa], q ≤ 2, by Gauss's rule of 14 nodes. If the integrand is at most
1 in modulus on an ellipse with the ends of an interval as its foci, and with semi-axes that sum up to ϱ of its half
widths w, the rule errs by at most (64/15) w ϱ^-28/(1 - ϱ^-2) (Trefethen, SIAM Review 50, 2008, Theorem 4.5). Here ϱ =
4.2 puts that below 1e-17 in all. Indeed Q(ψ) = (h - k)²/(2 sin² ψ) + hk/(2 cos² ψ/2) where ρ > 0, with sin² ψ/2 for
the last square where ρ < 0. As the ellipse lies in |arg ψ| ≤ π/4, Re ψ ≤ 2.1 and |Im ψ| ≤ 0.8, sin ψ and sin ψ/2 have
arguments of at most π/4, whose tangent is |cot(Re ψ) tanh(Im ψ)| ≤ |Im ψ|/Re ψ up to a quarter turn and less than 1
beyond; and so has cos ψ/2, as tan(1.05) tanh(0.4) < 1. So the squares, and their inverses, have no negative real part.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy import special

from minimal_gd._runtime.compiling import kernel
from minimal_gd.gaussian.compiled import relu_pair
from minimal_gd.gaussian.quadrature import density, hermite

_NODES, _WEIGHTS = leggauss(14)


class Jumps(NamedTuple):
    """Where σ′ jumps, and by how much.

    Attributes
    ----------
    places, sizes : (m,) arrays
        t_j and c_j.
    """

    places: NDArray
    sizes: NDArray

    def norms(self, s: NDArray) -> NDArray:
        """Σ_j |c_j| e^(-h²/4), (g,), for h = t_j/s; 0 where s = 0. It bounds √E[J(u)²], as P(x ≥ h) ≤ e^(-h²/2)/2."""
        h = np.abs(self.places) * _inverse(s)[:, None]
        return np.where(s > 0, self._weights(h) @ np.abs(self.sizes), 0)

    def speeds(self, s: NDArray) -> NDArray:
        """0.44 Σ_j |c_j| h e^(-h²/4), (g,): how fast s moves what depends on it.

        It bounds s |∂/∂s| of every Hermite coefficient of J(s·), which is Σ_j c_j h φ(h) h_k(h), by Cramér's |h_k| √φ ≤
        0.69; and, times `norms` for v, that of E[J(u)J(v)], as φ(h) P(y ≥ k | x = h) is at most 0.4 e^(-max(h, k)²/2).
        """
        h = np.abs(self.places) * _inverse(s)[:, None]
        return 0.44 * (h * self._weights(h)) @ np.abs(self.sizes)

    @staticmethod
    def _weights(h: NDArray) -> NDArray:
        with np.errstate(under="ignore"):
            return np.exp(-h * h / 4)

    def __call__(self, z: NDArray) -> NDArray:
        """J(z), entry by entry."""
        total = np.zeros(z.shape)
        for place, size in zip(self.places, self.sizes, strict=True):
            total += np.where(z >= place, size, 0) if place >= 0 else np.where(z < place, -size, 0)
        return total

    def coefficients(self, s: NDArray, terms: int) -> NDArray:
        """E[J(sz) h_k(z)], k < terms, (g, terms): c_j φ(h) h_{k-1}(h)/√k for a jump at h = t_j/s; all 0 where s = 0."""
        a, away = np.zeros((len(s), terms)), np.where(self.places >= 0, 1, -1)
        with np.errstate(under="ignore"):
            for row in np.flatnonzero(s > 0):
                h = self.places / s[row]
                a[row, 0] = (away * special.ndtr(-np.abs(h))) @ self.sizes
                a[row, 1:] = (hermite(h, density(h), terms) @ self.sizes)[:-1]
        a[:, 1:] /= np.sqrt(np.arange(1, terms))
        return a


def _inverse(s: NDArray) -> NDArray:
    return np.divide(1, s, out=np.zeros_like(s), where=s > 0)


@njit(error_model="numpy", inline="always")
def _above(h: float) -> float:
    """P(x ≥ h)."""
    return 0.5 * math.erfc(h / math.sqrt(2))


@njit(error_model="numpy", inline="always")
def _bell(h: float) -> float:
    return math.exp(-0.5 * h * h) / math.sqrt(2 * math.pi)


@njit(error_model="numpy")
def _orthant(h: float, k: float, rho: float, chi: float) -> float:
    """P(x ≥ h, y ≥ k) for h, k ≥ 0 and χ > 0."""
    quarter = math.pi / 2
    count = max(1, math.ceil(math.log2(quarter / chi)))
    ratio = (quarter / chi) ** (1 / count)
    sign = 1.0 if rho > 0 else -1.0
    total, low = 0.0, chi
    for _ in range(count):
        half, middle = (ratio - 1) * low / 2, (ratio + 1) * low / 2
        for node in range(len(_NODES)):
            psi = middle + half * _NODES[node]
            sine = math.sin(psi)
            exponent = (h - sign * k) ** 2 / (2 * sine * sine)
            exponent += sign * h * k / (1 + math.cos(psi))
            total += half * _WEIGHTS[node] * math.exp(-exponent)
        low *= ratio
    return _above(h) * _above(k) + sign * total / (2 * math.pi)


@njit(error_model="numpy")
def ramp_pair(h: float, k: float, rho: float) -> tuple[float, float]:
    """E[relu(x - h) relu(y - k)] and P(x ≥ h, y ≥ k), for h, k ≥ 0 and the correlation ρ of standard x and y."""
    if h == 0 and k == 0:
        return relu_pair(1.0, 1.0, rho)
    r = math.sqrt((1 - rho) * (1 + rho))
    if r == 0:
        if rho < 0:
            return 0.0, 0.0
        both = _above(max(h, k))
        return (1 + h * k) * both - min(h, k) * _bell(max(h, k)), both
    both = _orthant(h, k, rho, math.atan2(r, abs(rho)))
    x, y = (h - k + k * (1 - rho)) / r, (k - h + h * (1 - rho)) / r
    sign = 1.0 if rho > 0 else -1.0
    exponent = (h - sign * k) ** 2 / (2 * r * r) + sign * h * k / (1 + abs(rho))
    edge = r * math.exp(-exponent) / (2 * math.pi)
    return (rho + h * k) * both + edge - h * _bell(k) * _above(x) - k * _bell(h) * _above(y), both


@kernel
def add_ramps(
    rho: NDArray, s: NDArray, t: NDArray, places: NDArray, sizes: NDArray, product: NDArray, slope: NDArray
) -> None:
    """Add (E[R(u)R(v)] - E[R(u)]E[R(v)])/st to `product` and E[J(u)J(v)] to `slope`.

    Parameters
    ----------
    rho, product, slope : (q, r, c) arrays
    s, t : (q, r) and (q, c) arrays
        Standard deviations; nothing is added where one is 0.
    places, sizes : (m,) arrays
    """
    for q in range(rho.shape[0]):
        for i in range(rho.shape[1]):
            for j in range(rho.shape[2]):
                if s[q, i] == 0 or t[q, j] == 0:
                    continue
                for m in range(len(places)):
                    h = abs(places[m]) / s[q, i]
                    mean = _bell(h) - h * _above(h)
                    for n in range(len(places)):
                        k = abs(places[n]) / t[q, j]
                        sign = 1.0 if (places[m] >= 0) == (places[n] >= 0) else -1.0
                        value, both = ramp_pair(h, k, sign * rho[q, i, j])
                        size = sizes[m] * sizes[n]
                        product[q, i, j] += size * (value - mean * (_bell(k) - k * _above(k)))
                        slope[q, i, j] += size * sign * both
