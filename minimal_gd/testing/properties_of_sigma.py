"""The properties of an activation: functions of it and a seed that raise `PropertyError` where they do not hold."""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gaussian
from minimal_gd.activations import Activation
from minimal_gd.testing.comparing import EPSILON, ROUNDINGS, TINY, PropertyError

STEP = 1e-30


def points(seed: int) -> NDArray:
    """Some numbers of every size, where an activation promises to be finite."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1, 1], 40) * 10 ** rng.uniform(-8, 1, 40)


def _require(activation: Activation, what: str, z: NDArray, ours: NDArray, theirs: NDArray, allowed: NDArray) -> None:
    wrong = np.flatnonzero(~(np.abs(ours - theirs) <= allowed))
    if wrong.size:
        at = wrong[0]
        raise PropertyError(
            f"{activation!r}: {what}\n"
            f"  at {z[at]:.9g}: {ours[at]:.9g} and {theirs[at]:.9g}, {abs(ours[at] - theirs[at]):.3g} apart"
        )


def the_slope_is_that_of_the_complex_step(activation: Activation, seed: int) -> None:
    """σ′ as stated, against Im σ(z + it)/t, where σ is said to be analytic."""
    if not activation.analytic:
        return
    z = points(seed)
    stated, expected = activation.dsigma(z), activation.sigma(z + 1j * STEP).imag / STEP
    moved = np.abs(activation.dsigma(z * (1 + 1e-7)) - stated) / 1e-7  # what rounding z does
    allowed = ROUNDINGS * EPSILON * (np.abs(stated) + moved) + 100 * EPSILON * np.abs(stated).max() + TINY
    _require(activation, "σ′ is not that of the complex step", z, stated, expected, allowed)


def complex_numbers_near_the_real_axis_give_the_real_values(activation: Activation, seed: int) -> None:
    """Re σ(z + it) = σ(z), without which the complex step differentiates another function."""
    if not activation.analytic:
        return
    z = points(seed)
    real, beside = activation.sigma(z), activation.sigma(z + 1j * STEP).real
    allowed = ROUNDINGS * EPSILON * (np.abs(real) + np.abs(z * activation.dsigma(z)))
    _require(activation, "σ of x + 0i is not σ of x", z, beside, real, allowed)


def dtypes_and_shapes_are_kept_and_the_input_is_not_changed(activation: Activation, seed: int) -> None:
    """Of float64 and float32 arrays, of views, of empty arrays and of single numbers."""
    z = points(seed)
    for function in (activation.sigma, activation.dsigma):
        for argument in (z, z.astype(np.float32), z.reshape(5, 8)[:, ::2], z[:0], z[0]):
            before = np.array(argument)
            value = function(argument)
            if value.shape != np.shape(argument) or value.dtype != argument.dtype:
                came, gave = (f"{array.dtype} {array.shape}" for array in (before, value))
                raise PropertyError(f"{activation!r}: an array of {came} becomes one of {gave}")
            if not np.array_equal(argument, before):
                raise PropertyError(f"{activation!r}: σ or σ′ changes what it is given")


def float32_agrees_with_float64(activation: Activation, seed: int) -> None:
    """σ and σ′, away from kinks."""
    single = points(seed).astype(np.float32)
    z, epsilon = single.astype(float), float(np.finfo(np.float32).eps)
    for name, function in (("σ", activation.sigma), ("σ′", activation.dsigma)):
        if (np.abs(activation.dsigma(z + 1e-3) - activation.dsigma(z - 1e-3)) > 0.1).any():
            return  # a kink, which rounding may step over
        exact = function(z)
        moved = np.abs(function(z * (1 + 1e-6)) - exact) / 1e-6
        allowed = ROUNDINGS * epsilon * (np.abs(exact) + moved) + 8 * epsilon * np.abs(exact).max()
        _require(
            activation, f"{name} in float32 is not that in float64", z, function(single).astype(float), exact, allowed
        )


def the_stated_constants_are_not_exceeded(activation: Activation, seed: int) -> None:
    """Condition 3.1's `lipschitz` bounds |σ′|, and `smoothness` the quotients of differences of σ′."""
    if activation.satisfies_condition_3_1 is None:
        return  # nothing was stated
    z = points(seed)
    slopes, zero = activation.dsigma(z), np.zeros(len(z))
    excess = np.maximum(np.abs(slopes) - activation.lipschitz, 0)
    _require(activation, "|σ′| exceeds `lipschitz`", z, excess, zero, 8 * EPSILON * np.abs(slopes))
    if math.isfinite(activation.smoothness):
        changes = np.abs(slopes - slopes[::-1]) - activation.smoothness * np.abs(z - z[::-1])
        allowed = 8 * EPSILON * (np.abs(slopes) + np.abs(slopes[::-1]))
        _require(activation, "σ′ changes faster than `smoothness` allows", z, np.maximum(changes, 0), zero, allowed)


def c_sigma_is_one_over_the_second_moment(activation: Activation, seed: int) -> None:
    """c_σ E[σ(z)²] = 1 for z ~ N(0, 1), by the trapezoidal rule."""
    # The trapezoidal rule: exact to rounding for a smooth σ, to h² = 2e-4 of a jump in a slope. [-10, 10] is what an
    # activation promises; there is less than 1e-20 of the normal distribution beyond.
    z, h = np.linspace(-10, 10, 20 * 64 + 1, retstep=True)
    moment = h * np.sum(activation.sigma(z) ** 2 * np.exp(-z * z / 2)) / math.sqrt(2 * math.pi)
    ours, theirs = np.array([activation.c_sigma * moment]), np.ones(1)
    _require(activation, "c_σ E[σ(z)²] is not 1", np.zeros(1), ours, theirs, np.array([1e-3]))


def the_closed_form_agrees_with_the_series(activation: Activation, seed: int) -> None:
    """At correlations up to 0.8, where the series of any σ ends soon."""
    if activation.closed_form is None:
        return
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.1, 3, (2, 1, 1, 1))
    rho = rng.uniform(-0.8, 0.8, (1, 1, 1))
    c = rho * np.sqrt(a * b)
    product, slope = np.empty_like(c), np.empty_like(c)
    activation.closed_form.products(a, b, c, product, slope)
    closed = [activation.closed_form.mean(a), product, slope]
    series = [gaussian.mean(activation.sigma, a)]
    series += [gaussian.product(f, f, a, b, c) for f in (activation.sigma, activation.dsigma)]
    for name, ours, (theirs, error) in zip(("E[σ]", "E[σσ]", "E[σ′σ′]"), closed, series, strict=True):
        what = f"`closed_form` is not the {name} of the series"
        allowed = error + 1e-12 * np.abs(theirs)
        _require(activation, what, *(array.ravel() for array in (rho, ours, theirs, allowed)))


SIGMA_PROPERTIES = (
    the_slope_is_that_of_the_complex_step,
    complex_numbers_near_the_real_axis_give_the_real_values,
    dtypes_and_shapes_are_kept_and_the_input_is_not_changed,
    float32_agrees_with_float64,
    the_stated_constants_are_not_exceeded,
    the_closed_form_agrees_with_the_series,  # first, as c_σ is made of it
    c_sigma_is_one_over_the_second_moment,
)
