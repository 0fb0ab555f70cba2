"""What the paper starts from: the loss, what it asks of σ, the architectures, the initialisation, the descent."""

import math

import numpy as np
import scipy  # whose parts are loaded when they are first used
from numpy.polynomial.hermite_e import hermegauss, hermevander
from numpy.typing import NDArray
from scipy import special

from minimal_gd import activations, gaussian
from minimal_gd._runtime import validate
from minimal_gd.activations import Activation
from minimal_gd.descent import gradient_descent
from minimal_gd.networks.base import Network, arguments, require_network
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.layers import column_layers, filter_size, hidden_layers
from minimal_gd.theory.sections_3_and_4.flow import flat

# Sums of a few hundred rounded terms, each of a few rounded factors.
ROUNDING = 1e-12
# What the quadrature leaves of E[σ(z)²].
_QUADRATURE = 1e-12
# Rounding moves a Hermite coefficient by about 1e-16 √E[σ(z)²]; this is the share of E[σ(z)²] that some dozens make.
_NOTHING = 1e-26
_NODES = 128


def loss(net: Network, params: Parameters, X: NDArray, y: NDArray) -> Comparison:
    """L(θ) = ½ Σ_i (f(θ, x_i) - y_i)²: a sum and no mean, f sample by sample as the paper writes it.

    Paper: Equation (1).
    """
    params, X, y = arguments(net, params, X, y)
    residuals = [_prediction(net, params, x) - target for x, target in zip(X, y, strict=True)]
    right = 0.5 * math.fsum(r * r for r in residuals)
    return compare("L = ½Σ(f(θ, x_i) - y_i)²", net.loss(params, X, y), "=", right, ROUNDING)


# ------------------------------------------------------------------ what σ must be


def lipschitz_and_smooth(
    activation: str | Activation, reach: float = 10.0, points: int = 20_001, constant: float | None = None
) -> Comparison:
    """|σ(0)|, |σ(z) - σ(z′)|/|z - z′| and |σ′(z) - σ′(z′)|/|z - z′| are at most c, for all z, z′.

    The quotients are the largest of neighbours on a grid over [-reach, reach]: those of points further apart are means
    of them.

    Parameters
    ----------
    activation : str or Activation
    reach : float > 0
    points : int ≥ 2
    constant : float, optional
        c. Left out, the three bounds are the sharp ones, |σ(0)|, L = sup |σ′| and β = sup |σ″|, as the activation
        states them; not a number where there is none, so that nothing holds.

    Paper: Condition 3.1.
    """
    activation = activations.get(activation)
    reach = validate.positive_number("reach", reach)
    z = np.linspace(-reach, reach, validate.integer("points", points, least=2))
    sigma, slope = activation.sigma(z), activation.dsigma(z)
    at_zero = abs(activation.sigma(np.zeros(1)).item())
    left = [at_zero, *(np.max(np.abs(np.diff(values)) / np.diff(z)) for values in (sigma, slope))]
    if constant is None:
        bounds = [at_zero, activation.lipschitz, activation.smoothness]
        right = [bound if math.isfinite(bound) else math.nan for bound in bounds]
    else:
        right = [validate.positive_number("constant", constant)] * 3
    # a quotient of differences loses what σ has in rounding, over the step
    tolerance = 4 * np.finfo(np.float64).eps * float(np.abs(sigma).max() / (z[1] - z[0]))
    return compare("|σ(0)|, sup|σ′|, sup|σ″| ≤ c", left, "≤", right, tolerance)


def analytic_not_polynomial(activation: str | Activation, degree: int = 8) -> Comparison:
    """Σ_{k > degree} a_k² > 0, summed over the next 32 Hermite coefficients of σ, which is analytic.

    A polynomial of that degree or less has none of them; what is on the right is what rounding leaves of them. Whether
    σ is analytic no finite computation tells: it is what the activation states, and unless it states so, the left side
    is not a number.

    Parameters
    ----------
    activation : str or Activation
    degree : int ≥ 0

    Paper: Condition 3.2.
    """
    activation = activations.get(activation)
    degree = validate.integer("degree", degree, least=0)
    beyond = float(np.sum(hermite_coefficients(activation.sigma, degree + 33)[degree + 1 :] ** 2))
    left = beyond if activation.analytic else math.nan
    return compare("Σ_{k>degree} a_k² > 0", left, ">", _NOTHING / activation.c_sigma)


def hermite_coefficients(f: activations.Elementwise, terms: int) -> NDArray:
    """a_k = E[f(z) He_k(z)]/√k!, k < terms, by a Gauss-Hermite rule: (terms,)."""
    x, weights = hermegauss(_NODES)
    k = np.arange(terms)
    return (weights * f(x)) @ hermevander(x, terms - 1) / np.sqrt(2 * np.pi * special.factorial(k))


def normalisation(activation: str | Activation) -> Comparison:
    """c_σ = 1/E[σ(z)²], z ~ N(0, 1): SciPy's adaptive rule on the left, the trapezoid rule on the right.

    Paper: c_σ, section 3.2.
    """
    activation = activations.get(activation)
    second_moment, _ = gaussian.second_moment(activation.sigma, 1.0)
    return compare("c_σ = 1/E[σ(z)²]", activation.c_sigma, "=", 1 / second_moment, _QUADRATURE)


# ------------------------------------------------------------------ the networks


def predictions(net: Network, params: Parameters, X: NDArray) -> Comparison:
    """f(θ, x_i), by `net.predict` and by the recursion as the paper writes it, one sample a time, in its columns.

    Paper: Equation (2); Equation (3); the convolutional network, section 7.
    """
    params, X = arguments(net, params, X)
    right = [_prediction(net, params, x) for x in X]
    return compare("f(θ, x_i) = ⟨a, x_i^(H)⟩", net.predict(params, X), "=", right, ROUNDING)


def patch_norms(net: Network, params: Parameters, X: NDArray) -> Comparison:
    """‖x^(h-1)‖_F ≤ ‖φ_h(x^(h-1))‖_F ≤ √q ‖x^(h-1)‖_F, for every layer and every sample.

    Every pixel is in the patch around its own position, and in q patches at most.

    Paper: patch norms, section 7.
    """
    require_network(net)
    hidden = hidden_layers(net, params, X)
    pixels = np.array([np.linalg.norm(x, axis=(1, 2)) for x in hidden.x[:-1]])
    patch = np.array([np.linalg.norm(phi, axis=(1, 2)) for phi in hidden.phi])
    largest = math.sqrt(filter_size(net)) * pixels
    return compare("‖x‖ ≤ ‖φ(x)‖ ≤ √q‖x‖", [pixels, patch], "≤", [patch, largest], ROUNDING)


def initialisation(params: Parameters, delta: float = 1e-3) -> Comparison:
    """sup_z |F(z) - Φ(z)| ≤ √(log(2/δ)/2N), F the distribution of all N entries of θ, Φ that of N(0, 1).

    With probability 1 - δ or more, if the entries are independent and N(0, 1) (Massart's constant in the inequality of
    Dvoretzky, Kiefer and Wolfowitz).

    Parameters
    ----------
    params : Parameters
    delta : float in (0, 1)

    Paper: the initialisation, section 3.3.
    """
    delta = probability("delta", delta)
    entries = flat(params)
    distance = scipy.stats.kstest(entries, "norm").statistic
    return compare("sup|F - Φ| ≤ √(log(2/δ)/2N)", distance, "≤", math.sqrt(math.log(2 / delta) / (2 * entries.size)))


def descent(net: Network, params: Parameters, X: NDArray, y: NDArray, step_size: float) -> Comparison:
    """W^(h)(k) = W^(h)(k-1) - η ∂L/∂W^(h), a(k) = a(k-1) - η ∂L/∂a: one step of `gradient_descent`, entry by entry.

    Paper: gradient descent, section 3.3.
    """
    require_network(net)
    after = gradient_descent(net, params, X, y, step_size, 1).params
    gradient = net.gradient(params, X, y)
    left = flat(after)
    right = flat(params) - step_size * flat(gradient)
    return compare("θ(k) = θ(k-1) - η ∂L/∂θ", left, "=", right, ROUNDING)


def _prediction(net: Network, params: Parameters, x: NDArray) -> float:
    """⟨a, x^(H)⟩ of one sample."""
    last = column_layers(net, params, x)[-1].x
    return float(np.sum(params.a.reshape(last.shape) * last))


def probability(name: str, value: float) -> float:
    """Return `value` as a float strictly between 0 and 1."""
    number = validate.fraction(name, value)
    if number in (0, 1):
        raise ValueError(f"{name} must be a probability strictly between 0 and 1, got {value}")
    return number
