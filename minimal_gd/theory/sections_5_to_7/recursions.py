"""What a network of infinite width computes: the recursions behind Definitions 5.1, 6.1 and 7.1.

With x^(h) = κ_h x^(h-1) + β_h/√m σ(W^(h) φ_h(x^(h-1))), κ_h 0 or 1, and S^(h), P^(h), b^(h) the limits of the products
⟨x_i^(h), x_j^(h)⟩, of the same of patches, and of (1/√m)·1ᵀx_i^(h),

    S^(h) = κ_h S^(h-1) + κ_h β_h (b_i^(h-1) E[σ(v)] + E[σ(u)] b_j^(h-1)) + β_h² E[σ(u)σ(v)],
    b^(h) = κ_h b^(h-1) + β_h E[σ(u)],    (u, v) ~ N(0, A^(h)_ij) with the entries of P^(h-1).

The paper's K^(h), h < H, is P^(h), and its K^(H) the limit β_H² Σ_l P^(H-1) E[σ′(u)σ′(v)] of G^(H). Everything is
(n, n, p, p) here, for every pair of samples and every pair of positions, by Hermite series of one pair at a time:
`minimal_gd.limits` is fast, this is to be read.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minimal_gd import activations, gaussian, gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd._runtime.content import by_content
from minimal_gd.activations import Activation
from minimal_gd.networks import FullyConnected
from minimal_gd.networks.base import Network, require_network
from minimal_gd.theory import premises
from minimal_gd.theory.comparison import Comparison, compare

# Where the printed definitions, as recalled, are not the limit; `definitions` says how.
PRINTED = ("index of A", "cross terms", "skip", "scale")
# Two ways to compute a series: each ends within 1e-11 of its sum.
SERIES = 1e-10

_ERF = activations.get("erf")


@by_content
class LayerLimit(NamedTuple):
    """Layer h as m → ∞.

    Attributes
    ----------
    input : (n, n, p, p) array
        P^(h-1), the covariance of its pre-activations; the paper's K^(h-1).
    product, slope_product : (n, n, p, p) arrays
        E[σ(u)σ(v)] and E[σ′(u)σ′(v)].
    mean : (n, p) array
        E[σ(u)].
    S : (n, n, p, p) array
        S^(h).
    b : (n, p) array
        b^(h).
    """

    input: Array
    product: Array
    slope_product: Array
    mean: Array
    S: Array
    b: Array


def input_products(net: Network, X: Array) -> Array:
    """S^(0)_ij = x_iᵀx_j, pixel by pixel, (n, n, p, p)."""
    X = net.check_inputs("X", X, np.float64)
    pixels = net.pixels(X)
    return np.einsum("ilc,jrc->ijlr", pixels, pixels)


def pair_products(activation: Activation, P: Array) -> tuple[Array, Array, Array]:
    """E[σ(u)σ(v)] and E[σ′(u)σ′(v)], (n, n, p, p), and E[σ(u)], (n, p), for the covariances P (n, n, p, p)."""
    variance = np.einsum("iill->il", P)
    sigma, slope = activation.sigma, activation.dsigma
    return _products(sigma, P, variance), _products(slope, P, variance), gaussian.mean(sigma, variance)[0]


def _products(f: Callable[[Array], Array], P: Array, variance: Array) -> Array:
    """E[f(u)f(v)]; where u is v it is E[f(u)²], and the series, slowest there, is spared."""
    is_same = np.einsum("ij,lr->ijlr", *(np.eye(size, dtype=bool) for size in variance.shape))
    a, b = variance[:, None, :, None], variance[None, :, None, :]
    products, _ = gaussian.product(f, f, a, b, np.where(is_same, 0, P), tolerance=1e-11)
    second_moment, _ = gaussian.second_moment(f, variance)
    return np.where(is_same, second_moment[:, None, :, None], products)


def next_layer(
    net: Network, h: int, S: Array, b: Array, as_printed: str | None = None, below: Array | None = None
) -> LayerLimit:
    """From layer h - 1 to layer h.

    Parameters
    ----------
    net : Network
    h : int
    S, b : (n, n, p, p) and (n, p) arrays
        S^(h-1) and b^(h-1).
    as_printed : str, optional
        One of PRINTED.
    below : (n, n, p, p) array, optional
        P^(h-2), which "index of A" takes in the last layer.
    """
    skip, beta = net.limit_layer(h)
    P = net.patch_sums(S.transpose(2, 3, 0, 1), axes=2).transpose(2, 3, 0, 1)
    product, slope_product, e = pair_products(net.activation, P)
    if as_printed == "index of A" and h == net.depth and below is not None:
        _, slope_product, _ = pair_products(net.activation, below)
    S_next = beta**2 * product
    if skip:
        own = (b * e)[:, None, :, None] + (b * e)[None, :, None, :]
        crossed = np.einsum("il,jr->ijlr", b, e) + np.einsum("il,jr->ijlr", e, b)
        S_next = S_next + (P if as_printed == "skip" else S)
        S_next = S_next + beta * (own if as_printed == "cross terms" else crossed)
    return LayerLimit(P, product, slope_product, e, S_next, skip * b + beta * e)


def limit_layers(net: Network, X: Array, as_printed: str | None = None) -> list[LayerLimit]:
    """All layers h = 1, …, H."""
    S = input_products(net, X)
    return layers_from(net, 1, S, np.zeros(S.shape[::2]), as_printed)


def layers_from(net: Network, first: int, S: Array, b: Array, as_printed: str | None = None) -> list[LayerLimit]:
    """The layers h = first, …, H, from S^(first-1) and b^(first-1)."""
    below, layers = None, []
    for h in range(first, net.depth + 1):
        layers.append(next_layer(net, h, S, b, as_printed, below))
        S, b, below = layers[-1].S, layers[-1].b, layers[-1].input
    return layers


def last_gram_limit(net: Network, last: LayerLimit) -> Array:
    """K^(H)_ij = β_H² Σ_l P^(H-1)_ij,ll E[σ′(u_l)σ′(v_l)], (n, n), from the last layer."""
    _, beta = net.limit_layer(net.depth)
    return beta**2 * np.einsum("ijll,ijll->ij", last.input, last.slope_product)


def every_layer(net: Network, X: Array, tolerance: float = SERIES) -> Comparison:
    """Θ^(h) = lim G^(h) for h = 1, …, H + 1: the recursion back through the layers, and `gram.limiting`.

        B^(H) = 1,   B^(h-1) = κ_h B^(h) + β_h² φᵀ(B^(h) ∘ E[σ′σ′]),
        Θ^(h) = β_h² Σ_l P^(h-1) E[σ′σ′] B^(h),   Θ^(H+1) = Σ_l S^(H),

    l = r in all of it. E[W_rs σ′(w_rᵀx)] = x_s E[σ″] adds only O(1/m), because the entries of a have mean 0.

    Paper: limits of every layer, derived for sections 5, 6 and 7.
    """
    require_network(net)
    layers = limit_layers(net, X)
    theta = [np.einsum("ijll->ij", layers[-1].S)]
    B = np.ones((net.positions, *theta[0].shape))
    for h in range(net.depth, 0, -1):
        skip, beta = net.limit_layer(h)
        layer = layers[h - 1]
        DB = beta**2 * np.einsum("ijll->lij", layer.slope_product) * B
        theta.insert(0, np.einsum("ijll,lij->ij", layer.input, DB))
        B = skip * B + net.patch_sums(DB)
    return compare("Θ^(h) = β²Σ P E[σ′σ′] B", theta, "=", gram.limiting(net, X)[0], tolerance)


# ------------------------------------------------------------------ closed forms


def sincos_recursion(net: Network, X: Array, tolerance: float = SERIES) -> Comparison:
    """S^(h) = exp(S^(h-1) - 1) and K^(H) = S^(H-1) ∘ exp(S^(H-1) - 1), for σ = sin + cos and unit inputs.

    As E[σ(u)σ(v)] = E[σ′(u)σ′(v)] = exp(c - (a + b)/2), for variances a, b and covariance c, and c_σ = 1. The right
    side is the recursion, by series.

    Warns
    -----
    UserWarning
        If the inputs are not unit vectors.

    Raises
    ------
    ValueError
        If the network is another.

    Paper: closed form of sincos, derived for Definition 5.1.
    """
    if not isinstance(net, FullyConnected) or net.activation.name != "sincos":
        raise ValueError(f"net must be a FullyConnected network with σ = sincos, got {net}")
    premises.warn_unless_unit(X, "The closed form of sincos")
    layers = limit_layers(net, X)
    S, left = X @ X.T, []
    for _ in range(net.depth - 1):
        S = np.exp(S - 1)
        left.append(S)
    left.append(S * np.exp(S - 1))
    right = [*(layer.input[..., 0, 0] for layer in layers[1:]), last_gram_limit(net, layers[-1])]
    return compare("S^(h) = exp(S^(h-1) - 1), K^(H) = S∘exp(S - 1)", left, "=", right, tolerance)


def erf_expectations(a: Array, b: Array, c: Array, tolerance: float = SERIES) -> Comparison:
    """E[erf(u)erf(v)] = (2/π) arcsin(2c/√((1+2a)(1+2b))), E[erf′(u)erf′(v)] = (4/π)/√((1+2a)(1+2b) - 4c²).

    For variances a, b and covariance c; by series on the right.

    Paper: closed form of erf, derived.
    """
    a, b, c = (validate.real_array(name, array) for name, array in zip("abc", (a, b, c), strict=True))
    size = (1 + 2 * a) * (1 + 2 * b)
    left = [2 / np.pi * np.arcsin(2 * c / np.sqrt(size)), 4 / np.pi / np.sqrt(size - 4 * c * c)]
    right = [gaussian.product(f, f, a, b, c)[0] for f in (_ERF.sigma, _ERF.dsigma)]
    return compare("E[erf erf], E[erf′ erf′]", left, "=", right, tolerance)
