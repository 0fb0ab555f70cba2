"""What the limits of single samples are, layer by layer, and how wrong every entry of every matrix can be.

All four architectures are one recursion. With x^(h) = κ_h x^(h-1) + β_h/√m σ(W^(h) φ_h(x^(h-1))), κ_h 0 or 1 (a
network's `limit_layer`), and, as m → ∞,

    S^(h)_ij = lim ⟨x_i^(h), x_j^(h)⟩ position by position,    P^(h) = the same of patches,
    b^(h)_i = lim Σ_r x_ir^(h)/√m,

the pre-activations of layer h are Gaussian with covariance P^(h-1); so, with all expectations taken over them,

    S^(h) = κ_h S^(h-1) + κ_h β_h (b_i^(h-1) E[σ(v)] + E[σ(u)] b_j^(h-1)) + β_h² E[σ(u)σ(v)],
    b^(h) = κ_h b^(h-1) + β_h E[σ(u)].

The cross terms are where a residual branch that ends in σ differs from one that ends in a weight matrix. They carry
the other sample's mean, and the covariance is that of the layer's own input, P^(h-1), as Definition 5.1 has it for
h < H: both were settled by derivation, and by simulation (`tests/test_wide_nets.py` shows that the variants fail).

Backwards, with B^(h) = lim ⟨∂u_i/∂x^(h), ∂u_j/∂x^(h)⟩, diagonal in the positions, and D^(h) = E[σ′(u)σ′(v)],

    B^(H) = 1,   B^(h-1) = κ_h B^(h) + β_h² φᵀ(D^(h) B^(h)),
    Θ^(h) = lim G^(h) = β_h² Σ_l P^(h-1) D^(h) B^(h),   Θ^(H+1) = Σ_l S^(H).

Nothing crosses here: a has mean zero. For one sample, i = j, all of this costs O(n) and comes first. Variances and
means fix the coefficients of every series, and carry the errors: they are relative, as `minimal_gd.limits.moments`
says, so that each line above is a line of `_forward_errors` or `_backward`.

Paper: Definitions 5.1, 6.1 and 7.1; K^(h) is P^(h) for h < H, and Θ^(H) for h = H.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.threads import Run
from minimal_gd.activations import Activation
from minimal_gd.gaussian.hermite import inverse
from minimal_gd.gaussian.quadrature import ROUNDING
from minimal_gd.limits.expectations import moments
from minimal_gd.limits.moments import Accuracy, Errors, Moments
from minimal_gd.networks.base import Network

# Variances below are taken for 0, and those above refused, so that a product of two is a normal number.
_NEGLIGIBLE = 1e-140
_LARGEST = 1 / _NEGLIGIBLE


class Layer(NamedTuple):
    """One layer h, for every sample.

    Attributes
    ----------
    skip, scale : float
        κ_h and β_h.
    variance : (p, n) array
        P^(h-1)_ii.
    offset : (p, n) array
        b^(h-1)_i.
    moments : Moments
        The expectations over the pre-activations.
    input_error, variance_error, slope_error : float
        The relative errors of P^(h-1), of its diagonal, and of D^(h).
    """

    skip: float
    scale: float
    variance: NDArray
    offset: NDArray
    moments: Moments
    input_error: float
    variance_error: float
    slope_error: float


class Profile(NamedTuple):
    """All layers, and what comes of them.

    Attributes
    ----------
    layers : list of H Layers
    output_variance : (p, n) array
        S^(H)_ii.
    error : float
        A bound on the error of every entry of every Θ^(h), and of the covariances P^(h), h < H.
    largest : float
        The largest entry of all these.
    """

    layers: list[Layer]
    output_variance: NDArray
    error: float
    largest: float


class _Errors(NamedTuple):
    """Relative errors of S_ij, of S_ii, and of b (relative to √S_ii); and the largest correlation, i ≠ j."""

    product: float
    variance: float
    offset: float
    correlation: float


def input_variances(net: Network, pixels: NDArray) -> NDArray:
    """‖x_l^(0)‖² of every pixel, (p, n).

    Raises
    ------
    ValueError
        If a sample is so large that products of variances overflow.
    """
    with np.errstate(over="ignore"):
        squares = np.einsum("npc,npc->pn", pixels, pixels)
    largest = net.positions * squares.max()
    if not largest < _LARGEST:
        raise ValueError(f"X must hold samples of squared norms below {_LARGEST:g}, got one of {largest:g}")
    return squares


def profile(net: Network, squares: NDArray, channels: int, rho: float, tail: float, run: Run = map) -> Profile:
    """Run the recursion for every sample by itself.

    Parameters
    ----------
    net : Network
    squares : (p, n) array
        S^(0)_ii, as `input_variances` gives them.
    channels : int
        How many products a pixel's inner product sums up.
    rho : float
        The largest |correlation| of the first layer's patches, for pairs i ≠ j.
    tail : float
        How much a Hermite series may lack, relative to its value at ρ = 1.
    run : callable
        Runs a function over a list, in threads or not, as `map` does.

    Raises
    ------
    ValueError
        If a variance is so large that products of two overflow, or a κ_h is neither 0 nor 1.
    """
    S, b, layers = squares, np.zeros_like(squares), []
    products = (channels + 2) * ROUNDING
    errors = _Errors(products, products, 0.0, min(rho + 2 * products, 1.0))
    patch = net.fan_in[0] // channels * ROUNDING  # a sum over the filter
    scale_error = _scale_error(net.activation, tail)
    for h in range(1, net.depth + 1):
        skip, scale = net.limit_layer(h)
        if skip not in (0, 1):
            raise ValueError(f"limit_layer({h}) of {net} must give κ_h = 0 or 1, got {skip}")
        variance = net.patch_sums(S)
        variance[variance < _NEGLIGIBLE] = 0
        if not variance.max() < _LARGEST:
            raise ValueError(
                f"X must give pre-activations of variance below {_LARGEST:g}, got {variance.max():g} in layer {h} "
                f"of {net}"
            )
        errors = errors._replace(product=errors.product + patch, variance=errors.variance + patch)
        accuracy = Accuracy(errors.product, errors.variance, errors.correlation, tail)
        layer_moments = moments(net.activation, variance, accuracy, run)
        after = layer_moments.errors
        layers.append(
            Layer(skip, scale, variance, b, layer_moments, errors.product, errors.variance, after.slope_product)
        )

        e = layer_moments.mean
        before, branch = skip * S, scale**2 * layer_moments.second_moment
        S = before + 2 * skip * scale * b * e + branch
        errors = _forward_errors(layers[-1], before, branch, S, errors, after, scale_error)
        b = skip * b + scale * e
    return _backward(net, layers, S, errors, scale_error, patch)


def _forward_errors(
    layer: Layer, before: NDArray, branch: NDArray, S: NDArray, errors: _Errors, after: Errors, scale_error: float
) -> _Errors:
    """Errors of κ S + κβ (b e + e b) + β² E[σσ], relative to the sum, from those of its parts."""
    per_norm = inverse(np.sqrt(S))
    old, new = np.sqrt(before) * per_norm, np.sqrt(branch) * per_norm
    offset = layer.skip * np.abs(layer.offset) * per_norm
    mean = layer.scale * np.abs(layer.moments.mean) * per_norm
    cross = 2 * (errors.offset * old.max() * mean.max() + (after.mean + scale_error) * new.max() * offset.max())
    rounding = 8 * ROUNDING * float(np.max(old**2 + 2 * offset * mean + new**2))
    product, second_moment = after.product + 2 * scale_error, after.second_moment + 2 * scale_error
    parallel = np.max(errors.correlation * old**2 + after.correlation * new**2) + 2 * offset.max() * mean.max()
    return _Errors(
        product=float(np.max(errors.product * old**2 + product * new**2)) + cross + rounding,
        variance=float(np.max(errors.variance * old**2 + second_moment * new**2)) + cross + rounding,
        offset=errors.offset * float(old.max()) + (after.mean + scale_error) * float(new.max()) + 4 * ROUNDING,
        correlation=min(1.0, float(parallel) + rounding),
    )


def _backward(
    net: Network, layers: list[Layer], S: NDArray, errors: _Errors, scale_error: float, patch: float
) -> Profile:
    """Θ^(h)_ii from the last layer to the first, and the error of all Θ^(h)."""
    sums = (net.positions + 8) * ROUNDING
    diagonal = S.sum(axis=0).max()
    largest, error = diagonal, (max(errors.product, errors.variance) + sums) * diagonal
    B, B_error = np.ones_like(S), 0.0
    for layer in reversed(layers):
        DB = layer.moments.slope_moment * B
        DB_error = (1 + layer.slope_error) * (1 + B_error) * (1 + 2 * scale_error) - 1 + 2 * ROUNDING
        theta = layer.scale**2 * (layer.variance * DB).sum(axis=0).max()
        theta_error = (1 + layer.input_error) * (1 + DB_error) - 1 + sums
        covariance = layer.variance.max()
        error = max(error, theta_error * theta, layer.input_error * covariance)
        largest = max(largest, theta, covariance)
        B = layer.skip * B + layer.scale**2 * net.patch_sums(DB)
        B_error = max(B_error, DB_error) + patch + 4 * ROUNDING
    return Profile(layers, S, float(error), float(largest))


def _scale_error(activation: Activation, tail: float) -> float:
    """The relative error of β_h² = c_σ: how far c_σ E[σ(z)²], by the rule of the layers, is from 1."""
    unit = moments(activation, np.ones((1, 1)), Accuracy(correlation=0.0, tail=tail))
    deviation = abs(activation.c_sigma * unit.second_moment.item() - 1)
    return deviation + unit.errors.second_moment
