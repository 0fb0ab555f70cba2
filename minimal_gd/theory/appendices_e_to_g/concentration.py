"""How close the layers of a wide network are to their limits, and how an error is passed on from layer to layer.

Let the products S^(h-1) be wrong by s at most, and the means b^(h-1) by t. By Lemmas G.3 and G.4, with the constants
C_3 and C_4 that `minimal_gd.theory.appendices_e_to_g.technical` derives, a patch of q pixels, and |E[σ]| ≤ e, |b| ≤ b̄
on both sides,

    S^(h) is wrong by  κ s + 2κβ (b̄ C_3 q s + e t) + 2β² C_4 q s  at most,    b^(h) by  κ t + β C_3 q s.

A fully-connected layer, κ = 0, multiplies the error by 2 c_σ C_4, a constant: C^H in all, in the worst case. A
residual one, κ = 1 and β = c_res/H, by 1 + O(1/H): a constant in all.
"""

import math
from itertools import pairwise

import numpy as np

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.networks.base import Network, require_network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.appendices_e_to_g.technical import lipschitz_of_mean, lipschitz_of_product, within
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.layers import filter_size, hidden_layers
from minimal_gd.theory.sections_3_and_4.setting import probability
from minimal_gd.theory.sections_5_to_7.recursions import (
    LayerLimit,
    last_gram_limit,
    layers_from,
    limit_layers,
    pair_products,
)

# Series end within 1e-11 of their sums.
_SERIES = 1e-9


def layer_errors(
    net: Network,
    params: Parameters,
    X: Array,
    delta: float = 0.01,
    constant: float = 1.0,
    limits: list[LayerLimit] | None = None,
) -> Comparison:
    """|⟨φ(x_i^(h)), φ(x_j^(h))⟩ - K^(h)_ij| and |1ᵀx_i^(h)/√m - b_i^(h)| ≤ constant √(log(Hnp/δ)/m), h = 1, …, H - 1.

    The largest entries: a row for the covariances and one for the means, a column for every layer.

    Parameters
    ----------
    net : Network
        H ≥ 2.
    params : Parameters
        θ(0).
    X : (n, *input_shape) array
    delta : float in (0, 1)
        The theorem promises it with probability 1 - δ at a random initialisation.
    constant : float > 0
        Left open: 2^O(H) for the fully-connected network, O(1) for ResNets, poly(p) for the convolution.
    limits : list of LayerLimits, optional
        `recursions.limit_layers(net, X)`, if it is known already: no width and no parameters are in it.

    Paper: Theorem E.1.
    """
    require_network(net)
    premises.at_least_two_layers(net, "Theorem E.1")
    delta, constant = probability("delta", delta), validate.positive_number("constant", constant)
    layers = limit_layers(net, X) if limits is None else limits
    hidden = hidden_layers(net, params, X)
    covariances, means = [], []
    for x, phi, (layer, after) in zip(hidden.x[1:-1], hidden.phi[1:], pairwise(layers), strict=True):
        covariances.append(np.abs(_products(phi) - after.input).max())
        means.append(np.abs(x.sum(axis=2) / math.sqrt(net.width) - layer.b).max())
    n, p = len(X), net.positions
    right = constant * math.sqrt(math.log(net.depth * n * p / delta) / net.width)
    return compare("|K̂^(h) - K^(h)|, |b̂^(h) - b^(h)| ≤ C√(log(Hnp/δ)/m)", [covariances, means], "≤", right)


def last_step(
    net: Network,
    params: Parameters,
    X: Array,
    delta: float = 0.01,
    constant: float = 1.0,
    limits: list[LayerLimit] | None = None,
) -> Comparison:
    """Both errors of G^(H)(0): that of layer H - 1, carried over, and what is random in the last layer.

    Given layer H - 1, the pre-activations of layer H are Gaussian with the covariance K̂ = ⟨φ(x_i), φ(x_j)⟩ that the
    network has, exactly, and E[a_r a_s] = δ_rs. So the conditional mean of G^(H) is the last step of the recursion,
    M = β_H² Σ_l K̂ E[σ′(u)σ′(v)], from K̂ in place of K^(H-1), and

        |M - K^(H)| ≤ constant β_H² p max|K̂ - K^(H-1)|,    |G^(H) - M| ≤ constant β_H² p √(log(n/δ)/m).

    Parameters
    ----------
    net, params, X, delta, limits
        As for `layer_errors`.
    constant : float > 0
        Left open.

    Paper: from K^(H-1) to K^(H), Appendix E.
    """
    require_network(net)
    premises.at_least_two_layers(net, "the step from K^(H-1) to K^(H)")
    delta, constant = probability("delta", delta), validate.positive_number("constant", constant)
    last = (limit_layers(net, X) if limits is None else limits)[-1]
    products = _products(hidden_layers(net, params, X).phi[-1])
    M = conditional_mean(net, products)
    left = [np.abs(M - last_gram_limit(net, last)).max()]
    left.append(np.abs(gram.empirical(net, params, X)[net.depth - 1] - M).max())
    scale = constant * net.limit_layer(net.depth)[1] ** 2 * net.positions
    right = [np.abs(products - last.input).max(), math.sqrt(math.log(len(X) / delta) / net.width)]
    return compare("|M - K^(H)| ≤ C|K̂ - K^(H-1)|, |G^(H) - M| ≤ C√(log(n/δ)/m)", left, "≤", scale * np.array(right))


def conditional_mean(net: Network, products: Array) -> Array:
    """E[G^(H) | layer H - 1] = β_H² Σ_l K̂_ll E[σ′(u_l)σ′(v_l)], (n, n), from K̂ (n, n, p, p)."""
    _, slopes, _ = pair_products(net.activation, products)
    return net.limit_layer(net.depth)[1] ** 2 * np.einsum("ijll,ijll->ij", products, slopes)


# ------------------------------------------------------------------ how an error is passed on


def passed_on(net: Network, X: Array, error: Array, constant: float | None = None) -> Comparison:
    """Layer h turns the error of layer h - 1 into at most factor_h times as much, h = 2, …, H, in exact expectation.

    The error is the largest entry of both ΔS^(h) and Δb^(h).

    Parameters
    ----------
    net : Network
        H ≥ 2.
    X : (n, *input_shape) array
    error : (n, n) array, for a convolution (n, n, p, p)
        Added to S^(1); symmetric, and what it leaves must be a covariance.
    constant : float > 0, optional
        With it, factor_h is `constant` for a fully-connected layer and 1 + constant/H for a residual one. By default
        it is the derived one, for σ that satisfies Condition 3.1.

    Paper: how an error is passed on, Appendix E.
    """
    exact, moved = _pair_of_runs(net, X, error)
    errors = [np.abs(error).max()]
    factors = []
    for one, other in zip(exact, moved, strict=True):
        errors.append(max(np.abs(one.S - other.S).max(), np.abs(one.b - other.b).max()))
        factors.append(_derived_factor(net, one, other) if constant is None else _factor(net, constant))
    right = np.array(factors) * errors[:-1]
    new = _SERIES * max(np.abs(layer.S).max() for layer in exact)  # what the series of either run lack
    return within("error_h ≤ factor_h · error_{h-1}", np.array(errors[1:]), "≤", right, new)


def perturbed_start(net: Network, X: Array, error: Array, constant: float = 2.0) -> Comparison:
    """‖K̃^(H) - K^(H)‖_2 ≤ C^H ‖E‖_2, for ResNets (1 + C/H)^H ‖E‖_2, where K̃^(H) comes of S^(1) + E.

    The exponential is the worst case of the analysis. Measured, the recursion does not amplify: for softplus an error
    dies out in a fully-connected network, and stays what it is in a residual one.

    Parameters
    ----------
    net, X, error
        As for `passed_on`.
    constant : float > 0
        C, left open.

    Paper: perturbation of the initial Gram matrix, section 4.
    """
    exact, moved = _pair_of_runs(net, X, error)
    left = np.linalg.norm(last_gram_limit(net, moved[-1]) - last_gram_limit(net, exact[-1]), 2)
    size = len(X) * net.positions
    E = np.asarray(error, np.float64).reshape(len(X), len(X), net.positions, net.positions)
    right = _factor(net, constant) ** net.depth * np.linalg.norm(E.transpose(0, 2, 1, 3).reshape(size, size), 2)
    return compare("‖K̃^(H) - K^(H)‖₂ ≤ C^H‖E‖₂, (1 + C/H)^H‖E‖₂", left, "≤", right)


def layer_sizes(net: Network, X: Array, constant: float | None = None) -> Comparison:
    """Θ^(h)_ii ≤ constant/H² Θ^(1)_ii for h = 2, …, H: in a ResNet the inner layers carry less by 1/H².

    The gradients of W^(1) and a have no factor c_res/H, so Θ^(1) and Θ^(H+1) stay of one size as H grows. As
    E[σ′(u)²] ≤ L² and B ≤ (1 + (c_res L/H)² q)^H, and B ≥ 1 in Θ^(1), the constant is derived as

        (c_res L)² exp((c_res L)² q/H) max_h tr P^(h-1)_ii / (c_σ Σ_l P^(0)_ii E[σ′(u)²]).

    Parameters
    ----------
    net : Network
        H ≥ 2.
    X : (n, *input_shape) array
    constant : float > 0, optional
        By default the derived one, which a fully-connected network has not got.

    Paper: gap of 1/H, Appendix C (derived).
    """
    require_network(net)
    premises.at_least_two_layers(net, "the gap of 1/H")
    theta = np.einsum("hii->hi", gram.limiting(net, X)[0])
    C = _derived_gap(net, X) if constant is None else validate.positive_number("constant", constant)
    ratios = theta[1 : net.depth] / theta[0]
    return compare("Θ^(h)_ii ≤ C/H² Θ^(1)_ii", ratios, "≤", C / net.depth**2)


def _derived_gap(net: Network, X: Array) -> Array:
    skip, epsilon = net.limit_layer(net.depth)
    if not skip:
        raise ValueError(f"constant must be given for a network without skip connections, got None for {net}")
    layers = limit_layers(net, X)
    c = (epsilon * net.depth * net.activation.lipschitz) ** 2
    traces = np.array([np.einsum("iill->i", layer.input) for layer in layers[1:]]).max(axis=0)
    first = net.activation.c_sigma * np.einsum("iill,iill->i", layers[0].input, layers[0].slope_product)
    return c * math.exp(c * filter_size(net) / net.depth) * traces / first


def _pair_of_runs(net: Network, X: Array, error: Array) -> tuple[list[LayerLimit], list[LayerLimit]]:
    """Layers 2, …, H of the recursion, from S^(1) and from S^(1) + error."""
    require_network(net)
    premises.at_least_two_layers(net, "an error that is passed on")
    first = limit_layers(net, X)[0]
    n, p = len(X), net.positions
    wanted = (n, n, p, p) if p > 1 else (n, n)
    error = validate.shaped_array("error", error, wanted, "that of S^(1)", np.float64).reshape(n, n, p, p)
    if not np.allclose(error, error.transpose(1, 0, 3, 2)):
        raise ValueError("error must be symmetric, got entries that differ from their mirror images")
    return layers_from(net, 2, first.S, first.b), layers_from(net, 2, first.S + error, first.b)


def _factor(net: Network, constant: float) -> float:
    """What the paper's O(·) stands for: `constant` a layer, 1 + constant/H in a residual network."""
    constant = validate.positive_number("constant", constant)
    is_residual, _ = net.limit_layer(net.depth)
    return 1 + constant / net.depth if is_residual else constant


def _derived_factor(net: Network, one: LayerLimit, other: LayerLimit) -> float:
    """The largest factor of the two lines above, for s = t, between two runs of a layer after the first."""
    skip, beta = net.limit_layer(net.depth)
    q = filter_size(net)
    variances = np.array([np.einsum("iill->il", run.input) for run in (one, other)])
    C_3 = float(lipschitz_of_mean(net.activation, variances.min()))
    C_4 = float(lipschitz_of_product(net.activation, np.full(2, variances.max())))
    e = max(np.abs(run.mean).max() for run in (one, other))
    b = max(np.abs(run.b - beta * run.mean).max() for run in (one, other))  # b^(h-1), where there is a skip
    return max(skip + 2 * skip * beta * (b * C_3 * q + e) + 2 * beta**2 * C_4 * q, skip + beta * C_3 * q)


def _products(phi: Array) -> Array:
    """⟨φ_il, φ_jr⟩, (n, n, p, p)."""
    return np.einsum("ilk,jrk->ijlr", phi, phi)
