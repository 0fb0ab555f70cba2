"""A layer's Gaussian expectations as Hermite series, with the jumps of σ′ taken out."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.threads import Run
from minimal_gd.activations import Activation
from minimal_gd.gaussian.closed_forms import relu_slope_modulus
from minimal_gd.gaussian.hermite import Coefficients, inverse, resolve
from minimal_gd.gaussian.kinks import Jumps, add_ramps
from minimal_gd.gaussian.panels import Single
from minimal_gd.gaussian.quadrature import ROUNDING
from minimal_gd.limits import kernels
from minimal_gd.limits.moments import Accuracy, Errors, Pairs, largest

# The error of the quadrature in `gaussian.kinks`.
_QUADRATURE = 2.0**-56
# Variances that differ by less share their coefficients: unit inputs have 1 ± a few roundings.
_SAME_VARIANCE = 32 * ROUNDING


class SeriesMoments:
    """Expectations as series in ρ, both from the coefficients a′_k of σ′.

    As a_k(s) = s a′_{k-1}(s)/√k (integrate by parts), E[σσ] = E[σ(u)] E[σ(v)] + s t p(ρ) and E[σ′σ′] = p′(ρ), with
    p(ρ) = Σ_{k≥1} α_k(s) α_k(t) ρ^k and α_k = a′_{k-1}/√k: one pass of Horner's rule gives both, and for tiny s
    nothing cancels. For a zero variance both expectations factorise, and so do the series.

    Where σ′ jumps, σ′ = g + J with the jumps in J, see `gaussian.kinks`. Then E[J(u)J(v)] is known, and its series is
    taken from that of σ′ term by term; what is left are the products of g with g, g with J, and J with g.

    The coefficients of all samples and positions may be too many: `prepare` computes those of some samples.
    """

    def __init__(self, activation: Activation, variance: NDArray, accuracy: Accuracy, run: Run) -> None:
        distinct, self._group, spread = _grouped(variance)
        s = np.sqrt(distinct)
        self._s = np.sqrt(variance)
        self._inverse_s = inverse(self._s)
        expand, single, self._jumps = activation.expansions(s, accuracy.tail)
        sizes = _JumpSizes.of(self._jumps, s, np.sqrt(single.slope_moment))
        worst: list[Errors] = []
        rest: list[NDArray] = []

        def visit(rows: NDArray, slope: Coefficients) -> None:
            of_rows = Single._make((*(array[rows] for array in single[:-1]), single.slope_error))
            errors = _series_errors(s[rows], slope, of_rows, accuracy, spread)
            if sizes.norm > 0:
                errors = _with_jumps(errors, s[rows], slope, of_rows, accuracy, spread, self._jumps, sizes)
            worst.append(errors)
            rest.append(np.max(slope.rest * inverse(slope.second_moment)[:, None], axis=0))

        self._slope = resolve(expand, s, accuracy.tail, accuracy.correlation, jumps=sizes.norm, visit=visit, run=run)
        rest = [one for one in rest if len(one) == self._slope.terms]
        self._reach = _reach(np.max(rest, axis=0), accuracy.tail)
        self.errors = Errors(*np.max(worst, axis=0).tolist())
        self.mean = single.mean[self._group]
        self.second_moment = single.second_moment[self._group]
        self.slope_moment = single.slope_moment[self._group]
        self.bytes_a_sample = 8 * len(variance) * self._slope.terms * (1 + (len(self._jumps.places) > 0))
        self._prepared: list[tuple[slice, list[NDArray], NDArray]] = []

    def prepare(self, rows: slice, columns: slice) -> None:
        """As `Moments.prepare`."""
        kept = {(part[0].start, part[0].stop): part for part in self._prepared}
        wanted = {(part.start, part.stop): part for part in (rows, columns)}
        self._prepared = []
        for key, part in wanted.items():
            self._prepared.append(kept[key] if key in kept else (part, *self._alpha(part)))

    def _alpha(self, samples: slice) -> tuple[list[NDArray], NDArray]:
        """α_k for the distinct variances of some samples, and those of J if there are jumps; which is whose."""
        distinct, group = np.unique(self._group[:, samples], return_inverse=True)
        series = [self._slope.coefficients(distinct)]
        if len(self._jumps.places):
            series.append(self._jumps.coefficients(self._slope.s[distinct], self._slope.terms))
        for alpha in series:
            alpha /= np.sqrt(np.arange(1, self._slope.terms + 1))
        return series, group.reshape(len(self._group), -1)

    def _prepared_alpha(self, samples: slice, which: int = 0) -> NDArray:
        """α_k of some prepared samples, or (1) those of J, (p, samples, K)."""
        for part, series, group in self._prepared:
            if part.start <= samples.start and samples.stop <= part.stop:
                return series[which][group[:, samples.start - part.start : samples.stop - part.start]]
        raise LookupError(f"samples {samples} must be prepared first")

    def products(self, covariance: NDArray, pairs: Pairs, product: NDArray, slope: NDArray) -> None:
        """As `Moments.products`."""
        left, right, rows, columns = pairs
        rho = np.empty_like(covariance)
        kernels.correlations(covariance, self._inverse_s[left, rows], self._inverse_s[right, columns], rho)
        s, t = self._s[left, rows], self._s[right, columns]
        if len(self._slope.s) == 1:
            whole, *of_jumps = (alpha[0] ** 2 for alpha in self._prepared[0][1])
            kernels.shared_series(rho, whole - sum(of_jumps), self._reach, product, slope)
        else:
            self._series(rho, pairs, 0, product, slope)
            if len(self._jumps.places):
                ramps, jumps = np.empty_like(rho), np.empty_like(rho)
                self._series(rho, pairs, 1, ramps, jumps)
                product -= ramps
                slope -= jumps
        if len(self._jumps.places):
            add_ramps(rho, s, t, *self._jumps, product, slope)
        kernels.add_means(product, s, t, self.mean[left, rows], self.mean[right, columns])

    def _series(self, rho: NDArray, pairs: Pairs, which: int, product: NDArray, slope: NDArray) -> None:
        """Write p(ρ) and p′(ρ) of σ′, or (1) of J, with coefficients for every pair."""
        first = self._prepared_alpha(pairs.rows, which)
        second = np.ascontiguousarray(self._prepared_alpha(pairs.columns, which).swapaxes(1, 2))
        kernels.series(rho, pairs.left, pairs.right, first, second, self._reach, product, slope)


class _JumpSizes(NamedTuple):
    """The largest `Jumps.norms`, `Jumps.speeds` and Σ_j |c_j|, relative to √E[σ′(u)²]."""

    norm: float
    speed: float
    total: float

    @classmethod
    def of(cls, jumps: Jumps, s: NDArray, slope_norm: NDArray) -> "_JumpSizes":
        total = np.full_like(s, np.abs(jumps.sizes).sum())
        return cls(*(largest(size, slope_norm) for size in (jumps.norms(s), jumps.speeds(s), total)))


def _with_jumps(
    errors: Errors,
    s: NDArray,
    slope: Coefficients,
    single: Single,
    accuracy: Accuracy,
    spread: float,
    jumps: Jumps,
    sizes: _JumpSizes,
) -> Errors:
    """`_series_errors` where E[J(u)J(v)] is no series: the sums over k would never end.

    Relative to the norms of σ′, what an error does to E[σ′(u)σ′(v)] for σ′ = g + J:

    - ρ moves: P(x ≥ h, y ≥ k) by e^(-max(h, k)²/2) |Δ arcsin ρ|/2π, by Plackett's identity; and Σ_k (g_k g_k + g_k J_k
      + J_k g_k) ρ^k by at most Σ_k (2 g_k² + J_k²) |Δρ^k|, as 2|xy| ≤ x² + y².
    - s moves by the fraction δ/2: E[J(u)J(v)] and every J_k as `Jumps.speeds` says, the latter times g_k; and g_k
      times all of σ′.

    And E[σ(u)σ(v)] moves with ρ by st E[σ′(u)σ′(v)], by Price.
    """
    eta = accuracy.covariance + accuracy.variance + spread + 4 * ROUNDING
    delta = accuracy.variance + spread
    rho = min(1.0, accuracy.correlation + eta)
    norm, slope_norm = np.sqrt(single.second_moment), np.sqrt(single.slope_moment)
    per_slope = inverse(slope_norm)[:, None]
    k = np.arange(slope.a.shape[1])
    J = jumps.coefficients(s, len(k))
    g = slope.a - J
    moved = np.minimum(2, k * eta * rho ** np.maximum(k - 1, 0))
    after_all = largest(slope.tail, slope.second_moment) * accuracy.correlation ** len(k)
    missing = max(after_all, _negligible(accuracy.tail))
    by_value = largest(s * slope_norm, norm) ** 2
    value_missing = by_value * max(after_all / (len(k) + 1), _negligible(accuracy.tail) / 2)
    of_ramps = np.zeros((2, len(s), 1, 1))
    add_ramps(np.full((len(s), 1, 1), accuracy.correlation), s[:, None], s[:, None], *jumps, *of_ramps)
    parallel = ((slope.a**2 - J**2) / (k + 1)) @ accuracy.correlation ** (k + 1) + of_ramps[0, :, 0, 0]
    at_rho = (single.mean**2 + s**2 * parallel) * inverse(single.second_moment)

    by_correlation = sizes.norm**2 * relu_slope_modulus(eta, accuracy.correlation) / 2
    by_correlation += float(np.max(((2 * g**2 + J**2) * per_slope**2) @ moved))
    radial = _radial_derivative(slope._replace(a=g))[:, None] * per_slope
    radial += sizes.speed * (sizes.norm + np.abs(g * per_slope).sum(axis=1, keepdims=True))
    quadrature = largest(slope.error, slope_norm)
    horner = 2 * ROUNDING * float(np.max(((slope.a**2 + J**2) * per_slope**2) @ k)) + 16 * ROUNDING * (
        1 + sizes.norm**2
    )
    horner += _QUADRATURE * sizes.total**2
    return errors._replace(
        product=by_value * (eta + 2 * quadrature + horner)
        + value_missing
        + delta * largest(np.sqrt(single.radial), norm)
        + 2 * largest(single.error, norm)
        + horner,
        slope_product=by_correlation
        + 3 * missing
        + delta * float(np.max(radial))
        + 2 * quadrature
        + single.slope_error
        + horner,
        correlation=min(
            1.0, float(np.max(at_rho)) + value_missing + 2 * (largest(single.error, norm) + quadrature) + horner
        ),
    )


def _series_errors(s: NDArray, slope: Coefficients, single: Single, accuracy: Accuracy, spread: float) -> Errors:
    """`Moments.errors` over some standard deviations.

    Parameters
    ----------
    s : (g,) array
    slope : Coefficients of g rows
        Of σ′.
    single : Single, of g rows
    accuracy : Accuracy
    spread : float
        How far the variances were moved to be joined.
    """
    rho, delta = accuracy.correlation, accuracy.variance + spread
    eta = accuracy.covariance + delta + 4 * ROUNDING  # of ρ = c/st
    norm, slope_norm = np.sqrt(single.second_moment), np.sqrt(single.slope_moment)
    K = slope.a.shape[1]
    k = np.arange(K)
    share = (slope.a * inverse(slope_norm)[:, None]) ** 2  # of E[σ′²], by k; that of E[σ²] is s² a′_k²/(k + 1)
    value_share = (slope.a * (s * inverse(norm))[:, None]) ** 2 / (k + 1)
    # pairs of smaller |ρ| get fewer terms, so that all lack about as much
    after_all, at_most = largest(slope.tail, slope.second_moment) * rho**K, _negligible(accuracy.tail)
    missing = max(after_all, at_most)
    value_missing = largest(s * slope_norm, norm) ** 2 * max(after_all / (K + 1), at_most / 2)

    by_variance = largest(np.sqrt(single.radial), norm)
    slope_by_variance = float(np.max(_radial_derivative(slope) * inverse(slope_norm)))
    slope_quadrature, quadrature = largest(slope.error, slope_norm), largest(single.error, norm)
    horner = 2 * ROUNDING * float(np.max(share @ k)) + 16 * ROUNDING
    at_rho = (single.mean * inverse(norm)) ** 2 + value_share @ rho ** (k + 1)
    return Errors(
        product=float(np.max(value_share @ np.minimum(2, (k + 1) * eta)))
        + 3 * value_missing
        + delta * by_variance
        + 2 * (quadrature + largest(s * slope.error, norm))
        + horner,
        slope_product=float(np.max(share @ np.minimum(2, k * eta)))
        + 3 * missing
        + delta * slope_by_variance
        + 2 * slope_quadrature
        + single.slope_error
        + horner,
        second_moment=delta * by_variance + 2 * quadrature + 8 * ROUNDING,
        mean=delta / 2 * by_variance + quadrature + 8 * ROUNDING,
        correlation=min(1.0, float(np.max(at_rho)) + value_missing + 2 * quadrature + horner),
    )


def _negligible(tail: float) -> float:
    """What a pair's series may lack; below this the remainder is rounding."""
    return max(tail, 16 * ROUNDING)


def _reach(rest: NDArray, tail: float) -> NDArray:
    """The largest |ρ| for which k + 1 terms leave no more than the tail, given what they leave at ρ = 1, (K,)."""
    reach = (_negligible(tail) / np.maximum(rest, ROUNDING)) ** (1 / np.arange(1, len(rest) + 1))
    return np.maximum.accumulate(reach)


def _radial_derivative(slope: Coefficients) -> NDArray:
    """√Σ_k (k a_k + √((k+1)(k+2)) a_{k+2})² over the K terms there are; the last two a_{k+2} are in the tail."""
    a, k = slope.a, np.arange(slope.a.shape[1])
    step = np.sqrt((k + 1) * (k + 2))
    inner = k[:-2] * a[:, :-2] + step[:-2] * a[:, 2:]
    last = k[-2:] * np.abs(a[:, -2:]) + step[-2:] * np.sqrt(slope.tail)[:, None]
    return np.sqrt(np.square(inner).sum(axis=1) + np.square(last).sum(axis=1))


def _grouped(variance: NDArray) -> tuple[NDArray, NDArray, float]:
    """Join variances that are equal up to rounding.

    Returns
    -------
    distinct : (g,) array
    group : int array shaped as `variance`
        `distinct[group]` is `variance` up to a fraction `spread`.
    spread : float
    """
    flat = variance.reshape(-1)
    order = np.argsort(flat, kind="stable")
    ascending = flat[order]
    is_first = np.diff(ascending, prepend=-math.inf) > _SAME_VARIANCE * ascending
    number = np.cumsum(is_first) - 1
    starts = np.flatnonzero(is_first)
    low, high = ascending[starts], ascending[np.append(starts[1:], len(flat)) - 1]
    group = np.empty(len(flat), np.intp)
    group[order] = number
    return (low + high) / 2, group.reshape(variance.shape), largest(high - low, low)
