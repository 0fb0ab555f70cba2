"""The Gaussian expectations of one layer, for every pair of samples, with what errors do to them.

All errors here are relative in the sense of Cauchy and Schwarz: a matrix M with M_ij² ≤ M_ii M_jj is known up to η if
|ΔM_ij| ≤ η √(M_ii M_jj) for all i, j. Sums, entrywise products and patch sums of positive semi-definite matrices carry
such bounds on without looking at an entry; zero rows have no error.

What an error does to E[σ(u)σ(v)] = Σ_k a_k(s) a_k(t) ρ^k, for u, v of standard deviations s, t:

- ρ moves by η. A power moves by at most min(2, kη), so, with A_k = a_k/√E[σ²] and the largest sum over the samples,
  the relative change is at most Σ_k A_k² min(2, kη). Where σ′ is bounded, Price's identity gives η s t √(E[σ′(u)²]
  E[σ′(v)²]) as well.
- s moves by the fraction δ/2 (a variance by δ). As s ∂/∂s σ(sz) = u σ′(u), the change is at most
  δ/2 √(E[u²σ′(u)²] E[σ(v)²]), and the same for t. In coefficients, s a_k′(s) = k a_k + √((k+1)(k+2)) a_{k+2}.
- With c and not ρ held fixed, s also moves ρ = c/st, by as large a fraction: add δ to η.
- E[σ′(u)σ′(v)] is the same with σ′ for σ. Without σ″ at hand, the coefficients of σ′ tell all this; a closed form
  knows E[σ″²], or a modulus of continuity of its own.
"""

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minimal_gd import kernels
from minimal_gd.activations import Activation
from minimal_gd.closed_forms import ClosedForm
from minimal_gd.hermite import ROUNDING, Coefficients, coefficients, inverse

# Variances that differ by less share their coefficients: unit inputs have 1 ± a few roundings.
_SAME_VARIANCE = 32 * ROUNDING


class Errors(NamedTuple):
    """Relative errors of a layer's expectations, and how close to parallel its outputs are.

    Attributes
    ----------
    product, slope_product : float
        Of E[σ(u_i)σ(u_j)] and E[σ′(u_i)σ′(u_j)].
    second_moment : float
        Of E[σ(u_i)²].
    mean : float
        Of E[σ(u_i)], relative to √E[σ(u_i)²].
    correlation : float
        An upper bound of |E[σ(u_i)σ(u_j)]| / √(E[σ(u_i)²] E[σ(u_j)²]) over the pairs i ≠ j.
    """

    product: float
    slope_product: float
    second_moment: float
    mean: float
    correlation: float


class Moments(Protocol):
    """What a layer's recursion asks for; every array has shape (p, n), a variance each.

    Attributes
    ----------
    mean, second_moment, slope_moment : arrays
        E[σ(u)], E[σ(u)²], E[σ′(u)²].
    """

    mean: NDArray
    second_moment: NDArray
    slope_moment: NDArray

    def products(
        self, covariance: NDArray, left: NDArray, right: NDArray, rows: slice, columns: slice
    ) -> tuple[NDArray, NDArray]:
        """E[σ(u)σ(v)] and E[σ′(u)σ′(v)], u at positions `left` of samples `rows`, v at `right` of `columns`.

        Parameters
        ----------
        covariance : (len(left), rows, columns) array
        """

    def errors(self, eta: float, delta: float, rho: float) -> Errors:
        """Say what is left of covariances known up to `eta`, variances up to `delta`, correlations within `rho`."""


def moments(activation: Activation, variance: NDArray, tail: float, rho: float) -> Moments:
    """Return the expectations of `activation`, in closed form if there is one, else as a Hermite series.

    Parameters
    ----------
    activation : Activation
    variance : (p, n) array
    tail, rho : float
        For the series: how much it may lack, and for which correlations. See `hermite.coefficients`.
    """
    if activation.closed_form is not None:
        return ClosedMoments(activation.closed_form, variance)
    return SeriesMoments(activation, variance, tail, rho)


class ClosedMoments:
    """Expectations in closed form."""

    def __init__(self, form: ClosedForm, variance: NDArray) -> None:
        self._form, self._variance = form, variance
        self.mean = form.mean(variance)
        self.second_moment = form.product(variance, variance, variance)
        self.slope_moment = form.slope_product(variance, variance, variance)

    def products(
        self, covariance: NDArray, left: NDArray, right: NDArray, rows: slice, columns: slice
    ) -> tuple[NDArray, NDArray]:
        """As `Moments.products`."""
        a, b = self._variance[left, rows, None], self._variance[right, None, columns]
        return self._form.product(a, b, covariance), self._form.slope_product(a, b, covariance)

    def errors(self, eta: float, delta: float, rho: float) -> Errors:
        """As `Moments.errors`; rounding inside a formula is taken for one in its arguments, which they already bear."""
        eta, delta = eta + 8 * ROUNDING, delta + 8 * ROUNDING
        form, a = self._form, self._variance
        s, norm, slope_norm = np.sqrt(a), np.sqrt(self.second_moment), np.sqrt(self.slope_moment)
        by_covariance = _largest(s * slope_norm, norm)
        by_variance = _largest(np.sqrt(form.radial(a)), norm)
        if form.slope_modulus is not None:
            slope_error = form.slope_modulus(eta + delta, rho)
        else:
            curvature = _largest(s * np.sqrt(form.curvature(a)), slope_norm)
            radial_curvature = _largest(np.sqrt(form.radial_curvature(a)), slope_norm)
            slope_error = eta * curvature**2 + delta * (radial_curvature + curvature**2)
        parallel = form.product(a, a, rho * a)
        rounding = 8 * ROUNDING
        return Errors(
            product=eta * by_covariance**2 + delta * (by_variance + by_covariance**2) + rounding,
            slope_product=slope_error + rounding,
            second_moment=delta * by_variance + rounding,
            mean=delta / 2 * by_variance + rounding,
            correlation=min(1.0, _largest(parallel, self.second_moment) + rounding),
        )


class SeriesMoments:
    """Expectations as series in ρ, both from the coefficients a′_k of σ′.

    As a_k(s) = s a′_{k-1}(s)/√k (integrate by parts), E[σσ] = E[σ(u)] E[σ(v)] + s t p(ρ) and E[σ′σ′] = p′(ρ), with
    p(ρ) = Σ_{k≥1} α_k(s) α_k(t) ρ^k and α_k = a′_{k-1}/√k: one pass of Horner's rule gives both, and for tiny s
    nothing cancels. For a zero variance both expectations factorise, and so do the series.
    """

    def __init__(self, activation: Activation, variance: NDArray, tail: float, rho: float) -> None:
        distinct, self._group, self._spread = _grouped(variance)
        s = np.sqrt(distinct)
        self._s = np.sqrt(variance)
        self._inverse_s = inverse(self._s)
        self._slope = coefficients(activation.dsigma, s, tail, rho)
        self._value = coefficients(activation.sigma, s, tail=1.0, terms=1)
        # E[u² σ′(u)²]; a second moment comes with whatever tail
        self._radial = coefficients(lambda u: u * activation.dsigma(u), s, tail=1.0, terms=1).second_moment
        self._distinct_s = s
        self.mean = self._value.a[:, 0][self._group]
        self.second_moment = self._value.second_moment[self._group]
        self.slope_moment = self._slope.second_moment[self._group]
        self._inverse_roots = 1 / np.sqrt(np.arange(1, self._slope.a.shape[1] + 1))

    def products(
        self, covariance: NDArray, left: NDArray, right: NDArray, rows: slice, columns: slice
    ) -> tuple[NDArray, NDArray]:
        """As `Moments.products`."""
        rho = covariance * self._inverse_s[left, rows, None]
        rho *= self._inverse_s[right, None, columns]
        np.clip(rho, -1, 1, out=rho)
        product, slope_product = np.empty_like(rho), np.empty_like(rho)
        if len(self._distinct_s) == 1:
            kernels.shared_series(rho, (self._slope.a[0] * self._inverse_roots) ** 2, product, slope_product)
        else:
            first, second = self._alpha(rows), np.ascontiguousarray(self._alpha(columns).swapaxes(1, 2))
            kernels.series(rho, left, right, first, second, product, slope_product)
        product *= self._s[left, rows, None]
        product *= self._s[right, None, columns]
        product += self.mean[left, rows, None] * self.mean[right, None, columns]
        return product, slope_product

    def _alpha(self, samples: slice) -> NDArray:
        """α_k of some samples, (p, samples, K): gathered when needed, as many of them as a block has."""
        return self._slope.a[self._group[:, samples]] * self._inverse_roots

    def errors(self, eta: float, delta: float, rho: float) -> Errors:
        """As `Moments.errors`."""
        delta = delta + self._spread
        eta = eta + delta + 4 * ROUNDING  # of ρ = c/st
        s, slope, value = self._distinct_s, self._slope, self._value
        norm, slope_norm = np.sqrt(value.second_moment), np.sqrt(slope.second_moment)
        K = slope.a.shape[1]
        k = np.arange(K)
        share = (slope.a * inverse(slope_norm)[:, None]) ** 2  # of E[σ′²], by k; that of E[σ²] is s² a′_k²/(k + 1)
        value_share = (slope.a * (s * inverse(norm))[:, None]) ** 2 / (k + 1)
        missing = _largest(slope.tail, slope.second_moment) * rho**K
        value_missing = _largest(s**2 * slope.tail / (K + 1), value.second_moment) * rho ** (K + 1)

        by_variance = _largest(np.sqrt(self._radial), norm)
        slope_by_variance = float(np.max(_radial_derivative(slope) * inverse(slope_norm)))
        slope_quadrature, quadrature = _largest(slope.error, slope_norm), _largest(value.error, norm)
        horner = 2 * ROUNDING * float(np.max(share @ k)) + 16 * ROUNDING
        at_rho = (value.a[:, 0] * inverse(norm)) ** 2 + value_share @ rho ** (k + 1)
        return Errors(
            product=float(np.max(value_share @ np.minimum(2, (k + 1) * eta)))
            + 3 * value_missing
            + delta * by_variance
            + 2 * (quadrature + slope_quadrature * _largest(s * slope_norm, norm))
            + horner,
            slope_product=float(np.max(share @ np.minimum(2, k * eta)))
            + 3 * missing
            + delta * slope_by_variance
            + 2 * slope_quadrature
            + horner,
            second_moment=delta * by_variance + 2 * quadrature + 8 * ROUNDING,
            mean=delta / 2 * by_variance + quadrature + 8 * ROUNDING,
            correlation=min(1.0, float(np.max(at_rho)) + value_missing + 2 * quadrature + horner),
        )


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
    return (low + high) / 2, group.reshape(variance.shape), _largest(high - low, low)


def _largest(numerator: NDArray, denominator: NDArray) -> float:
    """The largest quotient, 0/0 being 0."""
    return float(np.max(numerator * inverse(denominator)))


class PairExpectations(NamedTuple):
    """Expectations for pairs (u, v), each with a bound on its absolute error, entry by entry."""

    product: NDArray
    slope_product: NDArray
    product_error: NDArray
    slope_error: NDArray


def pair_expectations(
    activation: Activation, a: NDArray, b: NDArray, c: NDArray, tolerance: float = 1e-12
) -> PairExpectations:
    """E[σ(u)σ(v)] and E[σ′(u)σ′(v)] for (u, v) ~ N(0, (a, c; c, b)), entry by entry.

    Parameters
    ----------
    activation : Activation
    a, b, c : arrays that broadcast
        Variances, below 1e140, and covariance, with c² ≤ ab up to rounding.
    tolerance : float > 0
        The error wanted of a Hermite series, relative to √(E[σ(u)²] E[σ(v)²]), or to the same of σ′.

    Returns
    -------
    PairExpectations
        Arrays of the shape that a, b and c broadcast to.
    """
    a, b, c = np.broadcast_arrays(*(np.asarray(argument, dtype=np.float64) for argument in (a, b, c)))
    variance = np.stack([a.reshape(-1), b.reshape(-1)], axis=1)  # each pair a position, with two samples
    root = np.sqrt(variance[:, 0]) * np.sqrt(variance[:, 1])
    rho = min(1.0, _largest(np.abs(c.reshape(-1)), root) + 4 * ROUNDING)
    layer = moments(activation, variance, tolerance / 32, rho)
    errors = layer.errors(0.0, 0.0, rho)
    each = np.arange(len(variance))
    product, slope_product = layer.products(c.reshape(-1, 1, 1), each, each, slice(0, 1), slice(1, 2))
    norm = np.sqrt(layer.second_moment).prod(axis=1)
    slope_norm = np.sqrt(layer.slope_moment).prod(axis=1)
    results = (product, slope_product, errors.product * norm, errors.slope_product * slope_norm)
    return PairExpectations(*(result.reshape(a.shape) for result in results))
