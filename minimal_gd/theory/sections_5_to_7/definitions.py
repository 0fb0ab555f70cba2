"""Definitions 5.1, 6.1 and 7.1 against networks at random parameters: as derived they are right, as printed not.

The left sides are distances of a limit from the mean over networks, the right sides some standard errors of that mean.
A network of width m is biased by O(1/m): with more seeds than m, the standard errors may be smaller than that.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.content import by_content
from minimal_gd.networks import FullyConnected
from minimal_gd.networks.base import Network, require_network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.layers import hidden_layers
from minimal_gd.theory.sections_5_to_7.recursions import PRINTED, last_gram_limit, limit_layers


@by_content
class Average(NamedTuple):
    """A mean over networks.

    Attributes
    ----------
    mean, standard_error : arrays of one shape
        The standard error is that of the mean.
    """

    mean: NDArray
    standard_error: NDArray


def average(measured: Callable[[Parameters], NDArray], net: Network, seeds: int, seed: int = 0) -> Average:
    """The mean of `measured(params)` over parameters drawn one after the other.

    Parameters
    ----------
    measured : callable
        Takes parameters and returns an array.
    net : Network
        Draws them.
    seeds : int ≥ 2
        How many times.
    seed : int ≥ 0
        The first seed; the next are seed + 1, …
    """
    seeds = validate.integer("seeds", seeds, least=2)
    seed = validate.integer("seed", seed, least=0)
    draws = np.array([measured(net.init(seed + k)) for k in range(seeds)])
    return Average(draws.mean(axis=0), draws.std(axis=0, ddof=1) / math.sqrt(seeds))


def definition(
    net: Network, X: NDArray, seeds: int, as_printed: str | None = None, errors: float = 5.0, seed: int = 0
) -> Comparison:
    """How far K^(1), …, K^(H-1) and K^(H) are from the mean of ⟨φ(x_i^(h)), φ(x_j^(h))⟩ and G^(H)_ij over networks.

    Every entry of the K^(h), h < H, and then of K^(H). The networks are drawn with a_r = ±1 in place of N(0, 1): only
    E[a_r a_s] = δ_rs is in the limit, and the mean settles sooner.

    `as_printed` follows the printed definition, as recalled, where it is not the limit:

    - "index of A": K^(H) with A^(H-1), one layer too low; at H = 1 there is none.
    - "cross terms": b_i E[σ(u)] + b_j E[σ(v)], each sample with its own mean. The same where all K_ii are.
    - "skip": the skip connection adds the covariance of patches, not that of pixels.
    - "scale": K^(H) without c_res²/H².

    Parameters
    ----------
    net : Network
        Its width is that of the networks drawn.
    X : (n, *input_shape) array
    seeds : int ≥ 2
        How many networks.
    as_printed : str, optional
        One of PRINTED.
    errors : float > 0
        How many standard errors are allowed.
    seed : int

    Raises
    ------
    ValueError
        If H = 1 where the definition needs H ≥ 2: that of the residual networks, and "index of A".

    Paper: Definition 5.1; Definition 6.1; Definition 7.1.
    """
    require_network(net)
    if as_printed is not None:
        validate.one_of("as_printed", as_printed, PRINTED)
    if not isinstance(net, FullyConnected) or as_printed == "index of A":
        premises.at_least_two_layers(net, "Definitions 6.1 and 7.1" if as_printed is None else "A^(H-1)")
    layers = limit_layers(net, X, as_printed)
    K_H = last_gram_limit(net, layers[-1])
    skip, beta = net.limit_layer(net.depth)
    if as_printed == "scale" and skip:
        K_H = K_H / beta**2
    limits = np.concatenate([*(layer.input.reshape(-1) for layer in layers[1:]), K_H.reshape(-1)])

    def measured(params: Parameters) -> NDArray:
        covariances = [np.einsum("ilk,jrk->ijlr", phi, phi) for phi in hidden_layers(net, params, X).phi[1:]]
        G = gram.empirical(net, params._replace(a=np.sign(params.a)), X)[net.depth - 1]
        return np.concatenate([array.reshape(-1) for array in (*covariances, G)])

    claim = "K^(h), K^(H) = lim ⟨φ(x^(h)), φ(x^(h))⟩, G^(H)"
    return _against_networks(claim, limits, measured, net, (seeds, errors, seed))


def means(net: Network, X: NDArray, seeds: int, errors: float = 5.0, seed: int = 0) -> Comparison:
    """How far b^(h)_i = b^(h-1)_i + c_res/H E[σ(u)] is from the mean of (1/√m)·1ᵀx_i^(h) over networks, h = 1, …, H.

    Parameters
    ----------
    net, X, seeds, errors, seed
        As for `definition`.

    Paper: means b^(h), Definition 6.1.
    """
    require_network(net)
    limits = np.array([layer.b for layer in limit_layers(net, X)])

    def measured(params: Parameters) -> NDArray:
        return np.array([x.sum(axis=2) / np.sqrt(net.width) for x in hidden_layers(net, params, X).x[1:]])

    return _against_networks("b^(h) = lim 1ᵀx^(h)/√m", limits, measured, net, (seeds, errors, seed))


def cross_terms(net: Network, X: NDArray, seeds: int, errors: float = 5.0, seed: int = 0) -> Comparison:
    """lim ⟨x_i^(h-1), σ(W^(h)φ(x_j^(h-1)))⟩/√m = b_i^(h-1) E[σ(v)], h = 2, …, H: it factorises.

    Given layer h - 1, the rows of W^(h) are fresh: the terms of the sum over the units r are x_ir times independent
    copies of σ(v). Their mean is (1/√m) Σ_r x_ir E[σ(v)] → b_i E[σ(v)], and their variance ‖x_i‖² Var σ(v)/m → 0.
    So v belongs to the *other* sample than b.

    Parameters
    ----------
    net, X, seeds, errors, seed
        As for `definition`; H ≥ 2.

    Paper: why the cross term factorises, Definition 6.1 (derived).
    """
    require_network(net)
    premises.at_least_two_layers(net, "the cross terms")
    layers = limit_layers(net, X)
    limits = np.array([np.einsum("il,jr->ijlr", one.b, two.mean) for one, two in pairwise(layers)])

    def measured(params: Parameters) -> NDArray:
        hidden = hidden_layers(net, params, X)
        layers = zip(hidden.x[1:-1], hidden.phi[1:], params.W[1:], strict=True)
        pairs = [(x, net.activation.sigma(phi @ W.T)) for x, phi, W in layers]
        return np.array([np.einsum("ilk,jrk->ijlr", x, branch) / np.sqrt(net.width) for x, branch in pairs])

    return _against_networks("lim ⟨x_i, σ(Wφ(x_j))⟩/√m = b_i E[σ(v)]", limits, measured, net, (seeds, errors, seed))


def _against_networks(
    claim: str, limits: NDArray, measured: Callable[[Parameters], NDArray], net: Network, how: tuple[int, float, int]
) -> Comparison:
    """Compare `limits` with the mean of `measured` over networks, `how` being (seeds, errors, seed)."""
    seeds, errors, seed = how
    errors = validate.positive_number("errors", errors)
    simulated = average(measured, net, seeds, seed)
    return compare(claim, np.abs(limits - simulated.mean), "≤", errors * simulated.standard_error)
