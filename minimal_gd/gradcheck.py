"""Independent ways to the gradient of the loss: central differences, and the complex step.

Neither uses a line of `backward`. The complex step runs the plain `forward` on complex parameters: for analytic σ,

    L(θ + i t v) = L(θ) + i t ⟨∇L(θ), v⟩ + O(t²),

so the imaginary part over t is the derivative along v without any subtraction, exact to rounding for tiny t.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import norm

from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network, arguments
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters

# With truncation of order t² and rounding of order ε/t, t = ε^(1/3) makes central differences err by about ε^(2/3).
CENTRAL_STEP = float(np.finfo(np.float64).eps ** (1 / 3))
# Its truncation is t² = 1e-200; much smaller steps would underflow beside small derivatives.
COMPLEX_STEP = 1e-100


@validate.quietly
def central_difference(
    net: Network, params: Parameters, X: NDArray, y: NDArray, direction: Parameters, step: float = CENTRAL_STEP
) -> float:
    """⟨∇L(θ), v⟩ ≈ (L(θ + t v) - L(θ - t v)) / 2t.

    The difference is taken as Σ_i (u_i⁺ - u_i⁻) (½(u_i⁺ + u_i⁻) - y_i): however large the targets, nothing cancels.

    Parameters
    ----------
    net : Network
    params : Parameters
    X : (n, *input_shape) array
    y : (n,) array
    direction : Parameters
        v, shaped as `params`. Where `a` is held fixed, its part of v is left out.
    step : float > 0
        t.

    Raises
    ------
    TypeError, ValueError
        As `net.loss`, and if `direction` is not shaped as `params` or `step` not finite and positive; ValueError also
        if `step` is so small beside `params` that θ + t v rounds to θ.
    """
    params, X, y = arguments(net, params, X, y, dtype=np.float64)
    direction = net.check_params(direction, "direction")
    step = validate.positive_number("step", step)
    _require_a_move(net, params, direction, step)
    ahead, behind = (_predictions(net, _moved(net, params, direction, t), X) for t in (step, -step))
    derivative = float(np.sum((ahead - behind) / (2 * step) * ((ahead + behind) / 2 - y)))
    validate.finite_result(derivative, "derivatives", "params, X, y and direction")
    return derivative


@validate.quietly
def complex_step(
    net: Network, params: Parameters, X: NDArray, y: NDArray, direction: Parameters, step: float = COMPLEX_STEP
) -> float:
    """⟨∇L(θ), v⟩ = Im L(θ + i t v) / t, to rounding for t below 1e-8.

    Parameters
    ----------
    net, params, X, y, direction, step
        As for `central_difference`.

    Raises
    ------
    TypeError, ValueError
        As `central_difference`; ValueError if the activation is not known to be analytic.
    """
    params, X, y = arguments(net, params, X, y, dtype=np.float64)
    direction = net.check_params(direction, "direction")
    step = validate.positive_number("step", step)
    if not net.activation.analytic:
        raise ValueError(f"net must have an analytic activation for the complex step, got {net.activation!r}")
    residual = _predictions(net, _moved(net, params, direction, 1j * step), X) - y
    derivative = float(np.sum(residual.real * (residual.imag / step)))  # Im ½(a + ib)² = ab
    validate.finite_result(derivative, "derivatives", "params, X, y and direction")
    return derivative


@validate.quietly
def gradient_by(
    derivative: Callable[..., float], net: Network, params: Parameters, X: NDArray, y: NDArray, **options: float
) -> Parameters:
    """The whole gradient, one entry at a time, by `central_difference` or `complex_step`: for tiny networks.

    Parameters
    ----------
    derivative : callable
        `central_difference` or `complex_step`.
    net, params, X, y
        As for `central_difference`.
    **options
        Handed on to `derivative`: `step`.

    Returns
    -------
    Parameters
        Shaped as `params`, float64.

    Raises
    ------
    TypeError, ValueError
        As `derivative`, and if it is not a function.
    """
    if not callable(derivative):
        raise TypeError(f"derivative must be central_difference or complex_step, got {validate.describe(derivative)}")
    params, X, y = arguments(net, params, X, y, dtype=np.float64)
    gradient = params.map(np.zeros_like)
    for direction, place in _unit_directions(params, gradient):
        place[...] = derivative(net, params, X, y, direction, **options)
    return gradient


@validate.quietly
def random_direction(params: Parameters, seed: int | np.random.Generator) -> Parameters:
    """A standard normal direction, shaped as `params`: one such checks a large network's gradient all at once.

    Raises
    ------
    TypeError, ValueError
        If `params` are not Parameters, or `seed` no int ≥ 0 and no Generator.
    """
    rng = validate.generator(seed)
    if not isinstance(params, Parameters):
        raise TypeError(f"params must be Parameters, got {validate.describe(params)}")
    return params.map(lambda array: rng.standard_normal(array.shape))


@validate.quietly
def inner_product(first: Parameters, second: Parameters) -> float:
    """⟨first, second⟩, all layers together.

    Raises
    ------
    TypeError, ValueError
        If they are not finite, real and of the same shapes, or their product overflows.
    """
    product = float(sum(np.vdot(one, other) for one, other in _layer_pairs("first", first, "second", second)))
    validate.finite_result(product, "products", "first and second")
    return product


@validate.quietly
def relative_error(approximate: Parameters, exact: Parameters) -> float:
    """‖approximate - exact‖ / ‖exact‖, all layers together; the plain distance if `exact` is zero.

    Raises
    ------
    TypeError, ValueError
        If they are not finite, real and of the same shapes, or the error overflows.
    """
    pairs = list(_layer_pairs("approximate", approximate, "exact", exact))
    distance = math.hypot(*(_norm(one / 2 - other / 2) for one, other in pairs))  # halves: no difference overflows
    size = math.hypot(*(_norm(other / 2) for _, other in pairs))
    error = distance / size if size > 0 else 2 * distance
    validate.finite_result(error, "errors", "approximate and exact")
    return error


def _norm(array: NDArray) -> float:
    """‖array‖ by BLAS, which neither over- nor underflows on the way."""
    return float(norm(array.reshape(-1)))


def _layer_pairs(
    first_name: str, first: Parameters, second_name: str, second: Parameters
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield the two arrays of every layer in float64, of one shape."""
    for name, params in ((first_name, first), (second_name, second)):
        if not isinstance(params, Parameters):
            raise TypeError(f"{name} must be Parameters, got {validate.describe(params)}")
    if len(first.W) != len(second.W):
        raise ValueError(f"{first_name}.W must hold {len(second.W)} arrays as {second_name}.W, got {len(first.W)}")
    names = [f"{first_name}.W[{h}]" for h in range(len(first.W))] + [f"{first_name}.a"]
    for name, one, other in zip(names, (*first.W, first.a), (*second.W, second.a), strict=True):
        other = validate.real_array(name.replace(first_name, second_name), other, np.float64)
        yield validate.shaped_array(name, one, other.shape, f"as in {second_name}", np.float64), other


def _predictions(net: Network, params: Parameters, X: NDArray) -> NDArray:
    """u by the plain forward pass, for complex parameters too."""
    work = Workspace.allocate(net, len(X), params.dtype)
    net.fill_features(X, work)
    return net.forward(params, work)


def _require_a_move(net: Network, params: Parameters, direction: Parameters, step: float) -> None:
    """Adding t v to θ is to leave at least half of it after rounding, in every layer."""
    layers = [(f"params.W[{h}]", W, direction.W[h]) for h, W in enumerate(params.W)]
    if net.train_output:
        layers.append(("params.a", params.a, direction.a))
    for name, array, V in layers:
        lost = np.abs((array + step * V) - array - step * V).max()
        if lost > 0.5 * step * np.abs(V).max():
            raise ValueError(
                f"step must be large enough to change {name}, whose entries reach {np.abs(array).max():.3g}, got {step}"
            )


def _moved(net: Network, params: Parameters, direction: Parameters, t: complex) -> Parameters:
    """θ + t v."""
    W = tuple(W + t * V for W, V in zip(params.W, direction.W, strict=True))
    return Parameters(W, params.a + t * net.train_output * direction.a)


def _unit_directions(params: Parameters, gradient: Parameters) -> Iterator[tuple[Parameters, NDArray]]:
    """Yield every unit vector of parameter space, with the place of its entry in `gradient`."""
    direction = params.map(np.zeros_like)
    for array, target in zip((*direction.W, direction.a), (*gradient.W, gradient.a), strict=True):
        for index in np.ndindex(array.shape):
            array[index] = 1
            yield direction, target[(*index, ...)]
            array[index] = 0
