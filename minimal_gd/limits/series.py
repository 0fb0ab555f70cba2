"""A layer's Gaussian expectations as Hermite series."""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.threads import Run
from minimal_gd.activations import Activation
from minimal_gd.gaussian.hermite import Coefficients, inverse, remainder, resolve
from minimal_gd.gaussian.panels import Single
from minimal_gd.gaussian.quadrature import ROUNDING
from minimal_gd.limits import kernels
from minimal_gd.limits.moments import Accuracy, Errors, Pairs, largest

# Variances that differ by less share their coefficients: unit inputs have 1 ± a few roundings.
_SAME_VARIANCE = 32 * ROUNDING


class SeriesMoments:
    """Expectations as series in ρ, both from the coefficients a′_k of σ′.

    As a_k(s) = s a′_{k-1}(s)/√k (integrate by parts), E[σσ] = E[σ(u)] E[σ(v)] + s t p(ρ) and E[σ′σ′] = p′(ρ), with
    p(ρ) = Σ_{k≥1} α_k(s) α_k(t) ρ^k and α_k = a′_{k-1}/√k: one pass of Horner's rule gives both, and for tiny s
    nothing cancels. For a zero variance both expectations factorise, and so do the series.

    The coefficients of all samples and positions may be too many: `prepare` computes those of some samples.
    """

    def __init__(self, activation: Activation, variance: NDArray, accuracy: Accuracy, run: Run) -> None:
        distinct, self._group, spread = _grouped(variance)
        s = np.sqrt(distinct)
        self._s = np.sqrt(variance)
        self._inverse_s = inverse(self._s)
        expand, single = activation.expansions(s, accuracy.tail)
        worst: list[Errors] = []
        rest: list[NDArray] = []

        def visit(rows: NDArray, slope: Coefficients) -> None:
            of_rows = Single._make((*(array[rows] for array in single[:-1]), single.slope_error))
            worst.append(_series_errors(s[rows], slope, of_rows, accuracy, spread))
            share = remainder(slope.a, slope.second_moment) * inverse(slope.second_moment)[:, None]
            rest.append(np.max(share, axis=0))

        self._slope = resolve(expand, s, accuracy.tail, accuracy.correlation, visit=visit, run=run)
        rest = [one for one in rest if len(one) == self._slope.terms]
        self._reach = _reach(np.max(rest, axis=0), accuracy.tail)
        self.errors = Errors(*np.max(worst, axis=0).tolist())
        self.mean = single.mean[self._group]
        self.second_moment = single.second_moment[self._group]
        self.slope_moment = single.slope_moment[self._group]
        self.bytes_a_sample = 8 * len(variance) * self._slope.terms
        self._prepared: list[tuple[slice, NDArray, NDArray]] = []

    def prepare(self, rows: slice, columns: slice) -> None:
        """As `Moments.prepare`."""
        kept = {(part[0].start, part[0].stop): part for part in self._prepared}
        wanted = {(part.start, part.stop): part for part in (rows, columns)}
        self._prepared = []
        for key, part in wanted.items():
            self._prepared.append(kept[key] if key in kept else (part, *self._alpha(part)))

    def _alpha(self, samples: slice) -> tuple[NDArray, NDArray]:
        """α_k for the distinct variances of some samples, and which is whose, (p, samples)."""
        distinct, group = np.unique(self._group[:, samples], return_inverse=True)
        alpha = self._slope.coefficients(distinct)
        alpha /= np.sqrt(np.arange(1, self._slope.terms + 1))
        return alpha, group.reshape(len(self._group), -1)

    def _prepared_alpha(self, samples: slice) -> NDArray:
        """α_k of some prepared samples, (p, samples, K)."""
        for part, alpha, group in self._prepared:
            if part.start <= samples.start and samples.stop <= part.stop:
                return alpha[group[:, samples.start - part.start : samples.stop - part.start]]
        raise LookupError(f"samples {samples} must be prepared first")

    def products(self, covariance: NDArray, pairs: Pairs, product: NDArray, slope: NDArray) -> None:
        """As `Moments.products`."""
        left, right, rows, columns = pairs
        rho = np.empty_like(covariance)
        kernels.correlations(covariance, self._inverse_s[left, rows], self._inverse_s[right, columns], rho)
        if len(self._slope.s) == 1:
            kernels.shared_series(rho, self._prepared[0][1][0] ** 2, self._reach, product, slope)
        else:
            first, second = self._prepared_alpha(rows), self._prepared_alpha(columns).swapaxes(1, 2)
            second = np.ascontiguousarray(second)
            kernels.series(rho, left, right, first, second, self._reach, product, slope)
        s, t = self._s[left, rows], self._s[right, columns]
        kernels.add_means(product, s, t, self.mean[left, rows], self.mean[right, columns])


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
