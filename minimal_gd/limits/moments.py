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

from minimal_gd.gaussian.closed_forms import ClosedForm
from minimal_gd.gaussian.hermite import inverse
from minimal_gd.gaussian.quadrature import ROUNDING


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


class Pairs(NamedTuple):
    """Pairs (u, v) of pre-activations: u at positions `left` of samples `rows`, v at `right` of `columns`.

    `left` and `right` are (q,) arrays that go together; every row meets every column.
    """

    left: NDArray
    right: NDArray
    rows: slice
    columns: slice


class Moments(Protocol):
    """What a layer's recursion asks for; every array has shape (p, n), a variance each.

    Attributes
    ----------
    mean, second_moment, slope_moment : arrays
        E[σ(u)], E[σ(u)²], E[σ′(u)²].
    errors : Errors
        How far off they and the products are.
    bytes_a_sample : int
        What `prepare` keeps for each sample.
    """

    mean: NDArray
    second_moment: NDArray
    slope_moment: NDArray
    errors: Errors
    bytes_a_sample: int

    def prepare(self, rows: slice, columns: slice) -> None:
        """Get ready for products among these samples, and forget others."""

    def products(self, covariance: NDArray, pairs: Pairs, product: NDArray, slope: NDArray) -> None:
        """Write E[σ(u)σ(v)] and E[σ′(u)σ′(v)].

        Parameters
        ----------
        covariance, product, slope : (len(pairs.left), rows, columns) arrays
        """
        ...


class Accuracy(NamedTuple):
    """What the expectations start from, and what is wanted of them.

    Attributes
    ----------
    covariance, variance : float
        The relative errors η of covariances and δ of variances.
    correlation : float
        The largest |ρ|, for pairs i ≠ j.
    tail : float
        How much a series may lack, relative to its value at ρ = 1; see `hermite.resolve`.
    """

    covariance: float = 0.0
    variance: float = 0.0
    correlation: float = 1.0
    tail: float = 1.0


class ClosedMoments:
    """Expectations in closed form."""

    bytes_a_sample = 0

    def __init__(self, form: ClosedForm, variance: NDArray, accuracy: Accuracy) -> None:
        self.form, self._variance = form, variance
        self.mean = form.mean(variance)
        self.second_moment, self.slope_moment = self._of_one(variance)
        self.errors = self._errors(accuracy)

    def prepare(self, rows: slice, columns: slice) -> None:
        """As `Moments.prepare`: a formula needs nothing."""

    def products(self, covariance: NDArray, pairs: Pairs, product: NDArray, slope: NDArray) -> None:
        """As `Moments.products`."""
        a, b = self._variance[pairs.left, pairs.rows, None], self._variance[pairs.right, None, pairs.columns]
        self.form.products(a, b, covariance, product, slope)

    def _of_one(self, covariance: NDArray) -> tuple[NDArray, NDArray]:
        """Both products for u and v of one sample's variance, (p, n)."""
        a, c = self._variance.reshape(-1, 1, 1), covariance.reshape(-1, 1, 1)
        product, slope_product = np.empty_like(c), np.empty_like(c)
        self.form.products(a, a, c, product, slope_product)
        return product.reshape(covariance.shape), slope_product.reshape(covariance.shape)

    def _errors(self, accuracy: Accuracy) -> Errors:
        """Rounding inside a formula is taken for one in its arguments, which they already bear."""
        eta, delta = accuracy.covariance + 8 * ROUNDING, accuracy.variance + 8 * ROUNDING
        form, a, rho = self.form, self._variance, accuracy.correlation
        per_square, per_slope = inverse(self.second_moment), inverse(self.slope_moment)
        by_covariance = float(np.max(a * self.slope_moment * per_square))
        by_variance = math.sqrt(np.max(form.radial(a) * per_square))
        if form.curvature is None or form.radial_curvature is None:
            slope_error = form.slope_modulus(eta + delta, rho)
        else:
            curvature = float(np.max(a * form.curvature(a) * per_slope))
            radial_curvature = math.sqrt(np.max(form.radial_curvature(a) * per_slope))
            slope_error = eta * curvature + delta * (radial_curvature + curvature)
        parallel, _ = self._of_one(rho * a)
        rounding = 8 * ROUNDING
        return Errors(
            product=eta * by_covariance + delta * (by_variance + by_covariance) + rounding,
            slope_product=slope_error + rounding,
            second_moment=delta * by_variance + rounding,
            mean=delta / 2 * by_variance + rounding,
            correlation=min(1.0, float(np.max(parallel * per_square)) + rounding),
        )


def largest(numerator: NDArray, denominator: NDArray) -> float:
    """The largest quotient, 0/0 being 0."""
    return float(np.max(numerator * inverse(denominator)))
