"""The companion's network, loss and descent: Equations (1)–(4), each written out a second time and compared.

    f(W, a, x) = (1/√m) Σ_r a_r relu(w_rᵀ x),    L(W, a) = ½ Σ_i (f(W, a, x_i) - y_i)²

The left sides are the package's, which go through blocks of samples and pairs (δ, φ); the right sides are the
companion's formulas, term by term. Both are exact, so they may differ by rounding alone (float64 parameters).
"""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd import descent
from minimal_gd._runtime import validate
from minimal_gd.networks.base import arguments
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.sections_3_and_4.dynamics import ROUNDING


def network(net: TwoLayerReLU, train_output: bool | None = None) -> TwoLayerReLU:
    """Return `net`, the companion's network.

    Parameters
    ----------
    net : TwoLayerReLU
    train_output : bool, optional
        Whether a statement needs `a` in training, or fixed.

    Raises
    ------
    TypeError
        If it is another network, or none.
    ValueError
        If it trains `a` where it should not, or the other way round.
    """
    if not isinstance(net, TwoLayerReLU):
        raise TypeError(f"net must be a TwoLayerReLU, got {validate.describe(net)}")
    if train_output is not None and net.train_output != train_output:
        raise ValueError(f"net must have train_output={train_output} for this statement, got {net}")
    return net


def patterns(net: TwoLayerReLU, params: Parameters, X: NDArray) -> NDArray:
    """I{w_rᵀ x_i ≥ 0}: which hidden units are active at which sample.

    Parameters
    ----------
    net : TwoLayerReLU
    params : Parameters
    X : (n, d) array

    Returns
    -------
    (n, m) bool array

    Raises
    ------
    TypeError, ValueError
        As `net.predict`, and if `net` is another network.

    Companion: Equation (4).
    """
    params, X = arguments(network(net), params, X)
    return X @ params.W[0].T >= 0


def first_layer(rows: NDArray, params: Parameters) -> Parameters:
    """`params` with `rows` (m, d) for its w_r."""
    return Parameters((rows,), params.a)


def equation_1(net: TwoLayerReLU, params: Parameters, X: NDArray) -> Comparison:
    """f(W, a, x_i) = (1/√m) Σ_r a_r relu(w_rᵀ x_i): the network's predictions, and the sum over its hidden units.

    Companion: Equation (1).
    """
    params, X = arguments(network(net), params, X)
    left = net.predict(params, X)
    return compare("f(W, a, x_i) = (1/√m) Σ_r a_r relu(w_rᵀx_i)", left, "=", _formula(net, params, X), ROUNDING)


def equation_2(net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray) -> Comparison:
    """L(W, a) = ½ Σ_i (f(W, a, x_i) - y_i)², a sum.

    Companion: Equation (2).
    """
    params, X, y = arguments(network(net), params, X, y)
    left = net.loss(params, X, y)
    right = np.sum((_formula(net, params, X) - y) ** 2) / 2
    return compare("L(W, a) = ½ Σ_i (f(W, a, x_i) - y_i)²", left, "=", right, ROUNDING)


def equation_3(net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray, step_size: float) -> Comparison:
    """W(1) = W(0) - η ∂L(W(0), a)/∂W: a step of `gradient_descent`, and the formula with Equation (4).

    Companion: Equation (3).
    """
    params, X, y = arguments(network(net), params, X, y)
    run = descent.gradient_descent(net, params, X, y, step_size, 1)
    right = params.W[0] - step_size * _gradient(net, params, X, y)
    return compare("W(k+1) = W(k) - η ∂L/∂W", run.params.W[0], "=", right, ROUNDING)


def equation_4(net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray) -> Comparison:
    """∂L/∂w_r = (1/√m) Σ_i (f(W, a, x_i) - y_i) a_r x_i I{w_rᵀ x_i ≥ 0}: the package's gradient, and the sum.

    At a kink, w_rᵀ x_i = 0, the indicator is 1 by convention.

    Companion: Equation (4).
    """
    params, X, y = arguments(network(net), params, X, y)
    left = net.gradient(params, X, y).W[0]
    claim = "∂L/∂w_r = (1/√m) Σ_i (f(W, a, x_i) - y_i) a_r x_i I{w_rᵀx_i ≥ 0}"
    return compare(claim, left, "=", _gradient(net, params, X, y), ROUNDING)


def _formula(net: TwoLayerReLU, params: Parameters, X: NDArray) -> NDArray:
    """(1/√m) Σ_r a_r relu(w_rᵀ x_i)."""
    return np.array([params.a @ np.maximum(params.W[0] @ x, 0) for x in X]) / math.sqrt(net.width)


def _gradient(net: TwoLayerReLU, params: Parameters, X: NDArray, y: NDArray) -> NDArray:
    """(1/√m) Σ_i (f_i - y_i) a_r x_i I{w_rᵀ x_i ≥ 0}, a row for every r."""
    total = np.zeros_like(params.W[0])
    for x, f, target in zip(X, _formula(net, params, X), y, strict=True):
        total += (f - target) * np.outer(params.a * (params.W[0] @ x >= 0), x)
    return total / math.sqrt(net.width)
