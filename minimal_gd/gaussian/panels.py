"""Gaussian expectations of σ and σ′ by Gauss's rule on the panels of `piecewise`, with a bound on the error.

The polynomials p and q are of degree 16 and 15, and on a panel no wider than 2w standard deviations the rest of an
integrand, φ h_k, is nearly a polynomial too: its m-th derivative is ±√((k + m)!/k!) φ h_{k+m}, which is at most
0.44 √((k + m)!/k!) by Cramér's bound, and interpolation in m Chebyshev points leaves 2 (w/2)^m / m! of that. A rule
of 32 nodes integrates the polynomial of degree 63 without an error, m = 48 for k < K, or m = 32 for squares and k = 0.
Panels are cut until what is left is below 2⁻⁷⁰. So p and q have no error but rounding, and e = σ - p, e′ = σ′ - q
spread as follows, with u, v of standard deviations s, t, ‖f‖² = E[f(u)²] and ε_s = ‖e‖, ε′_s = ‖e′‖ by the misfit:

- E[σ(u)σ(v)] - E[p(u)p(v)] is at most ε_s‖p‖_t + ε_t‖p‖_s + ε_s ε_t;
- E[σ′(u)σ′(v)] - E[q(u)q(v)] = E[e′(u)q(v)] + E[q(u)e′(v)] + E[e′(u)e′(v)], and the last is at most ε′_s ε′_t. So
  are the others, with ‖q‖; or, as e is far smaller than e′ where the misfit is a proven one, by parts: with
  G(u) = E[q(v) | u], E[e′(u) G(u)] = E[e(u)(u G(u)/s² - G′(u))], E[u² q(v)²] ≤ s² max(E[v² q(v)²]/t², ‖q‖_t²) and
  G′(u) = ρ(t/s) E[q′(v) | u]: at most (ε_s/s) (max(…)^½ + t‖q′‖_t). A jump c of q at b adds (t/s) c φ(b/t)/t times the
  mean of |e(u)| given v = b, and one of p at b its size times φ(b/s)/s times |G(b)|.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.polynomial.legendre import leggauss
from scipy import special

from minimal_gd._runtime.arrays import Array
from minimal_gd.gaussian.kinks import Jumps
from minimal_gd.gaussian.piecewise import Bounds, Misfit, Scales, Target, bounded, largest, most_halvings, resolve
from minimal_gd.gaussian.quadrature import REACH, ROUNDING, Expansion, density, finite, hermite_sums, remainder

_NODES = 32
# Where q jumps by no more than this share of the largest |q|, it is continuous.
_CONTINUOUS = 2.0**-40
# Rows times nodes at a time.
_BLOCK = 2**20


class Single(NamedTuple):
    """Expectations over u ~ N(0, s²), for every s, (g,) arrays.

    Attributes
    ----------
    mean, second_moment, radial, slope_moment : arrays
        E[σ(u)], E[σ(u)²], E[u²σ′(u)²] and E[σ′(u)²].
    error : array
        A bound on the errors of the mean and of √E[σ(u)²]; twice it, times √E[σ(v)²], on what it does to E[σ(u)σ(v)].
    slope_error : float
        A bound of the error of E[σ′(u)σ′(v)] over √(E[σ′(u)²] E[σ′(v)²]), for any two s and any correlation, that
        comes on top of those of the coefficients.
    """

    mean: Array
    second_moment: Array
    radial: Array
    slope_moment: Array
    error: Array
    slope_error: float


class Panels:
    """σ on panels, for all standard deviations within two scales.

    Parameters
    ----------
    target : Target
    scales : Scales
    bounds : Bounds, optional
        What is known of σ. Without it, σ must be resolved; what is no activation need not, but has an error then.

    Raises
    ------
    ValueError
        As `piecewise.resolve` does.
    """

    def __init__(self, target: Target, scales: Scales, bounds: Bounds | None = None) -> None:
        self._target, self._scales, self._bounds = target, scales, bounds
        self._pieces, self._measured = resolve(target, scales, target.sigma is not None and bounds is None)
        self._rules: dict[tuple[int, float], tuple[Array, ...]] = {}
        self._proven: dict[int, Misfit] = {}
        edges, _, jumps = self._jumps()
        is_kink = np.isin(edges, target.kinks)
        self.jumps = Jumps(edges[is_kink], jumps[is_kink])
        # elsewhere q is continuous but for roundings, which count as errors; if not, its derivative does not tell it
        largest_slope = float(largest(self._pieces.slope).max())
        self._other_jumps = Jumps(edges[~is_kink], jumps[~is_kink])
        self._is_continuous = bool(np.abs(self._other_jumps.sizes).sum() <= _CONTINUOUS * largest_slope)
        self._rounded_jumps = Jumps(self.jumps.places, np.full(len(self.jumps.places), 32 * ROUNDING * largest_slope))

    def __call__(self, s: Array, terms: int) -> Expansion:
        """The first coefficients of q(s·), and their error; without σ, with that of q."""
        a, second_moment = np.zeros((len(s), terms)), np.empty(len(s))
        for octave, rows in _octaves(s):
            if octave is None:
                a[rows, 0] = finite(self._target.dsigma, np.zeros(1))
                second_moment[rows] = np.square(a[rows, 0])
                continue
            x, weights, _, q, _ = self._nodes(octave, terms)
            a[rows] = hermite_sums(x, weights, q, s[rows], terms)
            exponent = np.frexp(np.abs(q).max())[1]  # squares must not underflow
            squares = _averages(np.ldexp(q, -exponent)[None] ** 2, x, weights, s[rows])
            second_moment[rows] = np.ldexp(squares, 2 * exponent)
        error = (8 + math.sqrt(terms)) * ROUNDING * np.sqrt(second_moment)
        if self._target.sigma is None:
            error += self._spread(self._measured.slope, s)
        if not len(self.jumps.places):
            return Expansion(a, second_moment, error)
        error += (8 + math.sqrt(terms)) * ROUNDING * self.jumps.norms(s) + self._rounded_jumps.norms(s)
        if self._is_continuous:
            error += self._other_jumps.norms(s)
        return Expansion(a, second_moment, error, self._smooth_rest(s, a))

    def _smooth_rest(self, s: Array, a: Array) -> Array:
        """Σ_{j > k} g_j(s)² at most, (g, K), for g = q - J, by Parseval; or by Σ_{j > k} g_j² ≤ s² E[q′(u)²]/(k + 1).

        The second, for g_j(s) = s g′_{j-1}(s)/√j, where g is continuous.
        """
        smooth, curvature = np.zeros((2, len(s)))
        for octave, rows in _octaves(s):
            if octave is not None:
                x, weights, _, q, q_prime = self._nodes(octave, 1)
                with np.errstate(over="ignore"):
                    squares = np.stack([(q - self.jumps(x)) ** 2, q_prime**2])
                smooth[rows], curvature[rows] = _averages(squares, x, weights, s[rows])
        smooth[s == 0] = a[s == 0, 0] ** 2
        rest = remainder(a - self.jumps.coefficients(s, a.shape[1]), smooth)
        if self._is_continuous:
            rest = np.minimum(rest, (s**2 * curvature)[:, None] / np.arange(1, a.shape[1] + 1))
        return rest

    def single(self, s: Array, wanted: float) -> Single:
        """Expectations over one variable, with an error of about `wanted`, relative to √E[σ²], where it can be had."""
        moments, bounds = self._moments(s), self._bounds
        if bounds is None:
            return self._with_errors(s, moments, self._measured, bounds)
        most = most_halvings(self._pieces, self._scales)
        first = self._with_errors(s, moments, self._misfit(bounds, 0), bounds)
        # Errors fall with the square of the width of the cells, or slower.
        excess = max(first.slope_error, float(np.max(first.error * _inverse(np.sqrt(first.second_moment))))) / wanted
        halvings = min(most, max(0, math.ceil(math.log(max(excess, 1), 4))))
        return first if halvings == 0 else self._with_errors(s, moments, self._misfit(bounds, halvings), bounds)

    def _misfit(self, bounds: Bounds, halvings: int) -> Misfit:
        if halvings not in self._proven:
            self._proven[halvings] = bounded(self._target, self._pieces, self._scales, bounds, halvings)
        return self._proven[halvings]

    def _nodes(self, octave: int, terms: int) -> tuple[Array, ...]:
        """Nodes and weights, (nodes,), for 2^octave/2 ≤ s < 2^octave, and p, q and q′ there."""
        widest = _half_width(2 ** math.ceil(math.log2(terms))) * 2.0 ** (octave - 1)
        key = octave, widest
        if key not in self._rules:
            self._rules[key] = self._new_nodes(REACH * min(2.0**octave, self._scales.largest), widest)
        return self._rules[key]

    def _new_nodes(self, reach: float, widest: float) -> tuple[Array, ...]:
        pieces = self._pieces
        inside = np.flatnonzero((pieces.high > -reach) & (pieces.low < reach))
        half = (pieces.high - pieces.low)[inside] / 2
        parts = np.ceil(half / widest).astype(np.int64)
        panel = np.repeat(inside, parts)
        part = np.arange(len(panel)) - np.repeat(np.cumsum(parts) - parts, parts)
        share = 1 / np.repeat(parts, parts)
        node, weight = leggauss(_NODES)
        t = ((2 * part + 1)[:, None] + node) * share[:, None] - 1  # within the whole panel
        half = (pieces.high - pieces.low)[panel] / 2
        x = (pieces.low[panel] + half)[:, None] + half[:, None] * t
        values = [
            chebyshev.chebval(t, coefficients[:, panel, None], tensor=False).reshape(-1)
            for coefficients in (pieces.value, pieces.slope, pieces.curvature)
        ]
        return x.reshape(-1), ((half * share)[:, None] * weight).reshape(-1), *values

    def _moments(self, s: Array) -> Array:
        """E[p], E[p²], E[u²q²], E[q²] and E[q′²], (5, g)."""
        moments = np.empty((5, len(s)))
        for octave, rows in _octaves(s):
            if octave is None:
                at_zero = [finite(f, np.zeros(1))[0] for f in (self._target.sigma, self._target.dsigma) if f]
                moments[:, rows] = np.array([at_zero[0], at_zero[0] ** 2, 0, at_zero[1] ** 2, 0])[:, None]
                continue
            x, weights, p, q, curvature = self._nodes(octave, 1)
            with np.errstate(over="ignore"):  # q′ is large between kinks that nearly coincide
                integrands = np.stack([p, p * p, (x * q) ** 2, q * q, curvature**2])
            moments[:, rows] = _averages(integrands, x, weights, s[rows])
        return moments

    def _spread(self, misfit: Array, s: Array) -> Array:
        """√E[e(u)²] at most, (g,), if |e| is at most so much in every panel."""
        inner, outer = self._distances()
        result = np.zeros(len(s))
        for row in np.flatnonzero(s > 0):
            probability = special.ndtr(-inner / s[row]) - special.ndtr(-outer / s[row])
            result[row] = math.sqrt(probability @ misfit**2)
        return result

    def _distances(self) -> tuple[Array, Array]:
        """How far from 0 the panels begin and end."""
        ends = np.abs(np.stack([self._pieces.low, self._pieces.high]))
        return ends.min(axis=0), ends.max(axis=0)

    def _with_errors(self, s: Array, moments: Array, misfit: Misfit, bounds: Bounds | None) -> Single:
        mean, second_moment, radial, slope_moment, curvature = moments
        error, slope_error = self._spread(misfit.value, s), self._spread(misfit.slope, s)
        # Errors are told relative to these: where nothing was seen, what may have been overlooked is the unit.
        second_moment = np.where(second_moment > 0, second_moment, error**2)
        slope_moment = np.where(slope_moment > 0, slope_moment, slope_error**2)
        simply = float(np.max(slope_error * _inverse(np.sqrt(slope_moment))))
        mixed = 2 * simply
        if bounds is not None:
            mixed = min(mixed, self._by_parts(s, error, misfit, bounds, radial, slope_moment, curvature))
        error = error * (1 + error * _inverse(np.sqrt(second_moment)) / 2) + 8 * ROUNDING * np.sqrt(second_moment)
        return Single(mean, second_moment, radial, slope_moment, error, mixed + simply**2)

    def _by_parts(self, s: Array, error: Array, misfit: Misfit, bounds: Bounds, *moments: Array) -> float:
        """A bound of (E[e′(u)q(v)] + E[q(u)e′(v)]) over √(E[σ′(u)²] E[σ′(v)²])."""
        positive = s > 0
        s, error, radial, slope_moment, curvature = (array[positive] for array in (s, error, *moments))
        if len(s) == 0:
            return 0.0
        per_norm = _inverse(np.sqrt(slope_moment))
        steep = np.sqrt(np.maximum(radial / s**2, slope_moment)) + s * np.sqrt(curvature)
        smooth = float(np.max(error / s * per_norm) * np.max(steep * per_norm))
        edges, value_jumps, slope_jumps = self._jumps()
        value_jumps, slope_jumps = np.abs(value_jumps), np.abs(slope_jumps)
        # jumps of q: edges by how many deviations they are away from 0, rounded up
        jumps = 0.0
        with np.errstate(under="ignore"):
            away = np.ceil(np.abs(edges) / s.min())
            for deviations in np.unique(away[(slope_jumps > 0) & (away <= 2 * REACH)]):
                mine = away == deviations
                sizes = density(edges[mine] / s[:, None]) @ slope_jumps[mine]
                jumps += float(
                    np.max(sizes * per_norm) * np.max(self._near(misfit.value, s, deviations) / s * per_norm)
                )
            # jumps of p
            farthest = np.abs(edges) / s[:, None] + 1
            steepest = np.minimum(
                bounds.lipschitz,
                np.abs(finite(self._target.dsigma, np.zeros(1)))
                + slope_jumps.sum()
                + bounds.smoothness * s.max() * farthest,
            )
            steps = ((density(edges / s[:, None]) * steepest) @ value_jumps) / s
        return 2 * (smooth + jumps + float(np.max(steps * per_norm) * np.max(per_norm)))

    def _jumps(self) -> tuple[Array, Array, Array]:
        """The inner edges, and how far p and q jump there."""
        value, slope = (
            np.asarray(chebyshev.chebval(-1.0, after[:, 1:]) - chebyshev.chebval(1.0, after[:, :-1]))
            for after in (self._pieces.value, self._pieces.slope)
        )
        return self._pieces.low[1:], value, slope

    def _near(self, misfit: Array, s: Array, deviations: float) -> Array:
        """E[|e(u)|] at most, (g,), if u has the deviation s, or less, and a mean of at most so many deviations."""
        inner, _ = self._distances()
        order = np.argsort(inner)
        steps = np.diff(np.maximum.accumulate(misfit[order]), prepend=0)
        return np.array([2 * special.ndtr(-np.maximum(inner[order] / one - deviations, 0)) @ steps for one in s])


def _averages(integrands: Array, x: Array, weights: Array, s: Array) -> Array:
    """Integrals against the density of N(0, s²), (m, g), of what has the values (m, nodes) at the nodes."""
    averages = np.empty((len(integrands), len(s)))
    for some in np.array_split(np.arange(len(s)), math.ceil(len(s) * len(x) / _BLOCK)):
        with np.errstate(under="ignore"):
            averages[:, some] = integrands @ (density(x / s[some, None]) * (weights / s[some, None])).T
    return averages


def _inverse(norm: Array) -> Array:
    return np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)


def _octaves(s: Array) -> list[tuple[int | None, Array]]:
    """Which s are in [2^j/2, 2^j), by j; None for those that are 0."""
    exponent = np.frexp(s)[1]
    octaves: list[tuple[int | None, Array]] = [
        (int(j), np.flatnonzero((exponent == j) & (s > 0))) for j in np.unique(exponent[s > 0])
    ]
    zero = np.flatnonzero(s == 0)
    return [*octaves, (None, zero)] if len(zero) else octaves


@cache
def _half_width(terms: int) -> float:
    """w, for K terms, in standard deviations."""

    def width(m: int, k: int) -> float:
        derivative = (math.lgamma(k + m + 1) - math.lgamma(k + 1)) / 2
        return 2 * math.exp((-70 * math.log(2) + math.lgamma(m + 1) - derivative) / m)

    return min(width(32, 0), width(48, terms))
