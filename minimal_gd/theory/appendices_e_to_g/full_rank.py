"""When λ_min(K^(H)) > 0, and how large it is.

For non-parallel inputs and an analytic σ that is no polynomial it is positive. How large depends on the architecture.

Fully connected: correlations ρ near 1 follow ρ -> 1 - χ_1 (1 - ρ), χ_1 = c_σ E[σ′(z)²], so that for χ_1 < 1 all inputs
become parallel, and λ_min falls by χ_1 a layer.

Residual: with C^(h) = S^(h) - b^(h) b^(h)ᵀ, a recursion without cross terms is left,

    C^(h) = C^(h-1) + β_h² (E[σ(u)σ(v)] - E[σ(u)] E[σ(v)]),

where the bracket is a covariance matrix, positive semi-definite. So S^(h) ⪰ C^(1) for every h, and by Schur

    λ_min(K^(H)) ≥ β_H² Σ_l λ_min(φ(C^(1))_l) min_i E[σ′(u_il)²],    β_H = c_res/H,

with a bound on the variance of u that does not grow with H: Proposition F.2 with an explicit κ.
"""

import math

import numpy as np

from minimal_gd import activations, gaussian, gram, spectra
from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.activations import Activation
from minimal_gd.networks import FullyConnected
from minimal_gd.networks.base import Network, require_network
from minimal_gd.theory import premises
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.layers import filter_size, patches
from minimal_gd.theory.sections_3_and_4.setting import analytic_not_polynomial, hermite_coefficients
from minimal_gd.theory.sections_5_to_7.recursions import input_products, limit_layers, next_layer

# Lines closer than this, in radians, count as one: see `data.parallel_pairs`.
_SAME_LINE = 1e-12
# Series end within 1e-11 of their sums, relative to the largest of them.
_SERIES = 1e-10
# For E[σ″²]: Hermite coefficients of σ′.
_TERMS = 64
_GRID = 33  # of variances


def values_full_rank(activation: str | Activation, Z: Array) -> Comparison:
    """λ_min(G) > 0 for G_ij = E_{w ~ N(0, I)}[σ(wᵀz_i) σ(wᵀz_j)], no two z_i parallel; the right side is G's error.

    Parameters
    ----------
    activation : str or Activation
    Z : (n, d) array

    Paper: Lemma F.1.
    """
    activation = activations.get(activation)
    Z = validate.real_array("Z", Z, np.float64)
    G, error = _expectations(activation.sigma, Z)
    return _is_positive("λ_min(E[σ(wᵀz_i)σ(wᵀz_j)]) > 0", G, error, activation, Z)


def slopes_full_rank(activation: str | Activation, Z: Array) -> Comparison:
    """λ_min(G) > 0 for G_ij = E_{w ~ N(0, I)}[σ′(wᵀz_i) σ′(wᵀz_j)] z_iᵀz_j, no two z_i parallel.

    Parameters
    ----------
    activation, Z
        As for `values_full_rank`.

    Paper: Lemma F.2.
    """
    activation = activations.get(activation)
    Z = validate.real_array("Z", Z, np.float64)
    G, error = _expectations(activation.dsigma, Z)
    products = Z @ Z.T
    return _is_positive(
        "λ_min(E[σ′(wᵀz_i)σ′(wᵀz_j)] z_iᵀz_j) > 0", G * products, error * np.abs(products).max(), activation, Z
    )


def limit_full_rank(net: Network, X: Array) -> Comparison:
    """λ_min(K^(H)) > 0, if no two inputs are parallel and σ is analytic and no polynomial.

    For a convolution, no two patches at one position at least: a network whose positions do not see far enough only
    adds functions of parts of the input.

    The right side is the error of λ_min: what is not above it may be 0. The same inputs may still give a positive
    λ_min where a premise fails: -x next to x does for softplus, and not for an odd σ.

    Paper: Proposition F.1.
    """
    require_network(net)
    K, error = gram.limiting(net, X)
    return _is_positive("λ_min(K^(H)) > 0", K[net.depth - 1], error, net.activation, *_seen(net, X))


def residual_bound(net: Network, X: Array, kappa: float | None = None) -> Comparison:
    """λ_min(K^(H)) ≥ c_H κ with c_H = c_res²/H², where κ > 0 depends on σ and the data and not on H.

    Two entries: that, and κ > 0, where what a series may lack counts as 0.

    Parameters
    ----------
    net : Network
        Residual, H ≥ 2.
    X : (n, *input_shape) array
    kappa : float, optional
        By default derived, see `kappa_of`.

    Paper: Proposition F.2; full rank, convolution (derived).
    """
    require_network(net)
    premises.at_least_two_layers(net, "Proposition F.2")
    skip, beta = net.limit_layer(net.depth)
    if not skip:
        raise ValueError(f"net must have skip connections for Proposition F.2, got {net}")
    K_H = gram.limiting(net, X)[0][net.depth - 1]
    kappa = kappa_of(net, X) if kappa is None else validate.real_number("kappa", kappa)
    left = [np.linalg.eigvalsh(K_H)[0], kappa]
    right = [beta**2 * kappa, _SERIES * np.diag(K_H).max() / beta**2]
    return compare("λ_min(K^(H)) ≥ c_H κ, κ > 0", left, "≥", right, premises=_asked(net.activation, *_seen(net, X)))


def kappa_of(net: Network, X: Array) -> float:
    """κ = Σ_l λ_min(φ(C^(1))_l) min_v E[σ′(√v z)²], v over all variances that layer H may have, whatever H is.

    By the triangle inequality √S^(h) grows by a factor 1 + β L √q and an addend β |σ(0)| a layer, at most, so that
    √S^(H) ≤ e^{c_res L √q} √S^(1) + |σ(0)| (e^{c_res L √q} - 1)/(L √q); and v is at least φ(C^(1))_ii. The minimum
    over v is taken on a grid.

    Paper: κ of Proposition F.2 (derived).
    """
    premises.at_least_two_layers(net, "κ of Proposition F.2")
    S = input_products(net, X)
    first = next_layer(net, 1, S, np.zeros((len(X), net.positions)))
    S, q, L = np.einsum("ijll->lij", first.S), filter_size(net), net.activation.lipschitz
    C = net.patch_sums(S - np.einsum("il,jl->lij", first.b, first.b))
    _, beta = net.limit_layer(net.depth)
    growth = math.exp(beta * net.depth * L * math.sqrt(q))
    at_zero = abs(float(net.activation.sigma(np.zeros(()))))
    highest = q * (growth * math.sqrt(S.max()) + at_zero * (growth - 1) / (L * math.sqrt(q))) ** 2
    lowest = np.einsum("lii->li", C).min(axis=1)
    variances = np.geomspace(lowest, highest, _GRID)
    slopes, _ = gaussian.second_moment(net.activation.dsigma, variances)
    return float(np.sum(np.linalg.eigvalsh(C)[:, 0] * slopes.min(axis=0)))


# ------------------------------------------------------------------ how large it is


def decay_with_depth(net: Network, X: Array, tolerance: float = 0.1) -> Comparison:
    """λ_min(K^(H+1)) = χ_1 λ_min(K^(H)), χ_1 = c_σ E[σ′(z)²], once a fully-connected network is deep enough.

    If χ_1 < 1. If not, as for tanh, the correlations settle elsewhere, and λ_min does not fall to 0.

    Parameters
    ----------
    net : Network
        Fully connected.
    X : (n, d) array
        Unit vectors.
    tolerance : float > 0
        What "deep enough" leaves; it falls as χ_1^H.

    Warns
    -----
    UserWarning
        If the inputs are not unit vectors.

    Paper: decay with depth, Proposition F.1 (derived).
    """
    if not isinstance(net, FullyConnected):
        raise TypeError(f"net must be a FullyConnected network, got {validate.describe(net)}")
    premises.warn_unless_unit(X, "The decay with depth")
    deeper = FullyConnected(net.input_dim, net.width, net.depth + 1, net.activation)
    (_, before), (_, after) = (premises.limiting_gram(one, X) for one in (net, deeper))
    slope, _ = gaussian.second_moment(net.activation.dsigma, 1.0)
    chi = net.activation.c_sigma * float(slope)
    is_contracting = compare("χ_1 < 1", chi, "<", 1.0)
    return compare("λ_min(K^(H+1))/λ_min(K^(H)) = χ_1", after / before, "=", chi, tolerance, premises=(is_contracting,))


def angle_law(net: Network, angle: float, tolerance: float = 0.05) -> Comparison:
    """λ_min(K^(H)) = k θ²/2 for two unit inputs at a small angle θ, k the derivative of K^(H)_12 in x_1ᵀx_2 at 1.

    By Price the derivative S′ of S^(h)_12 follows S′ -> (κ_h + β_h² E[σ′(u)²]) S′, and that of K^(H)_12 is
    k = β_H² (E[σ′(u)²] + S^(H-1) E[σ″(u)²]) S′, the expectations those of one input.

    Parameters
    ----------
    net : Network
        Without a convolution, on inputs of two dimensions or more.
    angle : float > 0
        θ, in radians.
    tolerance : float > 0
        What "small" leaves; it falls as θ².

    Paper: angle law, Lemma F.2 (derived).
    """
    require_network(net)
    angle = validate.positive_number("angle", angle)
    if net.positions != 1 or net.input_shape[0] < 2:
        raise ValueError(f"net must take vectors of two entries or more for the angle law, got {net}")
    X = np.zeros((2, *net.input_shape))
    X[:, :2] = [[1.0, 0.0], [math.cos(angle), math.sin(angle)]]
    slope = 1.0
    for h, layer in enumerate(limit_layers(net, X[:1]), start=1):
        skip, beta = net.limit_layer(h)
        variance, steepness = layer.input.item(), layer.slope_product.item()
        curvature = _curvature(net.activation, variance)
        right = beta**2 * (steepness + variance * curvature) * slope
        slope *= skip + beta**2 * steepness
    smallest = np.linalg.eigvalsh(gram.limiting(net, X)[0][net.depth - 1])[0]
    return compare("λ_min(K^(H)) = kθ²/2", smallest, "=", right * angle**2 / 2, tolerance)


def smallest_angle(X: Array) -> float:
    """The smallest angle between the lines through two samples, in [0, π/2]; 0 if a sample is 0, π/2 for one alone."""
    X = validate.real_array("X", X, np.float64)
    X = X.reshape(len(X), -1)
    norms = np.linalg.norm(X, axis=1)
    if len(X) == 1 or not norms.all():
        return 0.0 if not norms.all() else math.pi / 2
    directions = X / norms[:, None]
    i, j = np.triu_indices(len(X), 1)
    apart, together = directions[i] - directions[j], directions[i] + directions[j]
    distances = np.minimum(np.linalg.norm(apart, axis=1), np.linalg.norm(together, axis=1))
    return float(2 * np.arcsin(distances.min() / 2))


def _expectations(f: activations.Elementwise, Z: Array) -> tuple[Array, float]:
    """E[f(wᵀz_i) f(wᵀz_j)], and a bound on the error of every entry."""
    products = Z @ Z.T
    squares = np.diag(products)
    G, error = gaussian.product(f, f, squares[:, None], squares[None, :], products)
    return (G + G.T) / 2, float(error.max())


def _curvature(activation: Activation, variance: float) -> float:
    """E[σ″(√v z)²] = Σ_k k a_k²/v, a_k the Hermite coefficients of σ′(√v z)."""
    a = hermite_coefficients(lambda x: activation.dsigma(math.sqrt(variance) * x), _TERMS)
    return float(np.sum(np.arange(_TERMS) * a**2) / variance)


def _is_positive(claim: str, K: Array, error: float, activation: Activation, *seen: Array) -> Comparison:
    spectrum = spectra.spectrum(K, error)
    return compare(claim, spectrum.smallest, ">", spectrum.error, premises=_asked(activation, *seen))


def _seen(net: Network, X: Array) -> Array:
    """What every position sees of the samples, (p, n, d): their patches, or the samples themselves."""
    if net.positions == 1:
        return X[None]
    return np.stack([patches(net, x) for x in X]).transpose(2, 0, 1)


def _asked(activation: Activation, *seen: Array) -> tuple[Comparison, Comparison]:
    """The two hypotheses: a position where no two samples are parallel, and Condition 3.2."""
    claim = "∠(x_i, ±x_j) > 0" if len(seen) == 1 else "max_l ∠(φ_l(x_i), ±φ_l(x_j)) > 0"
    angle = max(smallest_angle(X) for X in seen)
    return compare(claim, angle, ">", _SAME_LINE), analytic_not_polynomial(activation)
