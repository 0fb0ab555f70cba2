"""The Gaussian expectations of a layer, by whichever way there is; and those of single pairs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.threads import Run
from minimal_gd.activations import Activation
from minimal_gd.gaussian.quadrature import ROUNDING
from minimal_gd.limits.moments import Accuracy, ClosedMoments, Moments, Pairs, largest
from minimal_gd.limits.series import SeriesMoments


def moments(activation: Activation, variance: NDArray, accuracy: Accuracy, run: Run = map) -> Moments:
    """Return the expectations of `activation`, in closed form if there is one, else as a Hermite series.

    Parameters
    ----------
    activation : Activation
    variance : (p, n) array
    accuracy : Accuracy
    run : callable
        Runs a function over a list, in threads or not, as `map` does.
    """
    if activation.closed_form is not None:
        return ClosedMoments(activation.closed_form, variance, accuracy)
    return SeriesMoments(activation, variance, accuracy, run)


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
        Variances, 0 or from 1e-140 to 1e140, and covariance, with c² ≤ ab up to rounding.
    tolerance : float > 0
        The error wanted of a Hermite series, relative to √(E[σ(u)²] E[σ(v)²]), or to the same of σ′.

    Returns
    -------
    PairExpectations
        Arrays of the shape that a, b and c broadcast to.
    """
    a, b, c = np.broadcast_arrays(*(np.asarray(argument, dtype=np.float64) for argument in (a, b, c)))
    variance = np.stack([a.flatten(), b.flatten()], axis=1)  # each pair a position, with two samples
    covariance = c.flatten()[:, None, None]  # a copy: numba warns of what was broadcast
    root = np.sqrt(variance[:, 0]) * np.sqrt(variance[:, 1])
    rho = min(1.0, largest(np.abs(c.flatten()), root) + 4 * ROUNDING)
    layer = moments(activation, variance, Accuracy(correlation=rho, tail=tolerance / 32))
    each, first, second = np.arange(len(variance)), slice(0, 1), slice(1, 2)
    layer.prepare(first, second)
    product, slope_product = np.empty_like(covariance), np.empty_like(covariance)
    layer.products(covariance, Pairs(each, each, first, second), product, slope_product)
    norm = np.sqrt(layer.second_moment).prod(axis=1)
    slope_norm = np.sqrt(layer.slope_moment).prod(axis=1)
    results = (product, slope_product, layer.errors.product * norm, layer.errors.slope_product * slope_norm)
    return PairExpectations(*(result.reshape(a.shape) for result in results))
