"""Is σ′ the derivative of σ? Checked wherever a user hands in both."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.validate import describe

# Odd multiples of an irrational step: no point falls on a kink at a rational place such as 0, ½ or 1.
_POINTS = np.arange(-353, 355, 2) * (math.sqrt(2) / 50)
_STEP = 2.0**-14
# Of what a function does within so long a step, differences tell the slope up to a thousandth.
_SHORTEST = 2.0**-32
_UNSETTLED = 1e-3


def require_derivative(
    sigma: Callable[[NDArray], NDArray], dsigma: Callable[[NDArray], NDArray], name: str
) -> tuple[float, float]:
    """Compare `dsigma` with differences of `sigma` at 354 points of [-10, 10].

    Returns
    -------
    (float, float)
        The largest |σ′| and |σ″| seen: lower bounds of the Lipschitz and smoothness constants.

    Raises
    ------
    TypeError, ValueError
        As `Activation` says.
    """
    stated = _values("dsigma", dsigma, _POINTS)
    wide, narrow = (_difference_quotient(sigma, step) for step in (_STEP, _STEP / 2))
    # One Richardson step leaves O(step⁴); what it changed bounds what is left, rounding comes on top.
    measured = (4 * narrow - wide) / 3
    largest = np.abs(_values("sigma", sigma, _POINTS)).max()
    tolerance = np.abs(narrow - wide) + 1e-7 * (np.abs(stated).max() + np.abs(measured)) + 1e-11 * largest
    # Where two steps disagree this much, σ does something within a step: a shorter one may see it.
    is_narrow = (np.abs(narrow - wide) > _UNSETTLED * np.abs(stated).max()).any()
    wrong = np.abs(stated - measured) > tolerance
    if wrong.any() and is_narrow:
        wrong &= ~_agrees_closer(sigma, stated)
    if wrong.any():
        at = int(np.argmax(np.where(wrong, np.abs(stated - measured), 0)))
        raise ValueError(
            f"dsigma must be the derivative of sigma, but for {name!r} at z = {_POINTS[at]:.6g} "
            f"dsigma gives {stated[at]:.9g} and differences of sigma give {measured[at]:.9g}"
        )
    curvature = np.abs(_values("dsigma", dsigma, _POINTS + _STEP) - _values("dsigma", dsigma, _POINTS - _STEP))
    return float(np.abs(stated).max()), float(curvature.max() / (2 * _STEP))


def _agrees_closer(sigma: Callable[[NDArray], NDArray], stated: NDArray) -> NDArray:
    """Whether differences over one of some shorter steps give what is stated, at each point."""
    agrees = np.zeros(len(_POINTS), bool)
    step = _STEP
    while step > _SHORTEST:
        step /= 8
        agrees |= np.abs(_difference_quotient(sigma, step) - stated) <= _UNSETTLED * np.abs(stated).max()
    return agrees


def _difference_quotient(sigma: Callable[[NDArray], NDArray], step: float) -> NDArray:
    forward, backward = (_values("sigma", sigma, _POINTS + shift) for shift in (step, -step))
    return (forward - backward) / (2 * step)


def _values(name: str, function: Any, points: NDArray) -> NDArray:
    """Return `function(points)`, after making sure that it is a real, finite array of the same shape."""
    if not callable(function):
        raise TypeError(f"{name} must be a function of an array, got {describe(function)}")
    argument = points.copy()
    argument.flags.writeable = False  # σ must not change what it is given
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(function(argument))
    except Exception as error:  # whatever a user's function may raise
        raise TypeError(f"{name} must be a function of an array that leaves it as it is, but: {error}") from error
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must return real numbers, got dtype {values.dtype}")
    if values.shape != points.shape:
        raise ValueError(f"{name} must return one value an entry, got shape {values.shape} for shape {points.shape}")
    if not np.isfinite(values).all():
        at = points[int(np.argmin(np.isfinite(values)))]
        raise ValueError(f"{name} must be finite on [-10, 10], got {values[~np.isfinite(values)][0]} at z = {at:.6g}")
    return values.astype(np.float64)
