"""At the start: the layers' norms, and the last hidden layer's Gram matrix next to its limit.

Lemmas B.1 and B.2 for the fully-connected network, C.1 and C.2 for the ResNet, D.1 and D.2 for the convolution.
"""

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd.networks.base import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import premises
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import (
    OPEN,
    ROUNDING,
    OpenConstants,
    appendix,
    geometric,
    growth_of_residual,
    is_residual,
    layer_norms,
    patch_lipschitz,
    spectral_norm,
)
from minimal_gd.theory.layers import filter_size
from minimal_gd.theory.requirements import width_terms


def norms(
    net: Network, params: Parameters, X: NDArray, c_w0: float | None = None, open_constants: OpenConstants = OPEN
) -> Comparison:
    """1/c_x0 ≤ ‖x_i^(h)(0)‖ ≤ c_x0 in every hidden layer, written max(‖x‖, 1/‖x‖) ≤ c_x0.

    c_x0 is `norm_bound`: 2 for the fully-connected network, and for ResNets a constant without H. The premises are
    unit inputs, the width, `norm_width`, and for ResNets ‖W^(h)(0)‖_2 ≤ c_w0 √m.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ(0).
    X : (n, *input_shape) array
    c_w0 : float > 0, optional
        By default `spectral_bound(net)`.
    open_constants : OpenConstants
        `width`, `power` and `failure` are used.

    Returns
    -------
    Comparison
        (H, n) on both sides.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Paper: Lemma B.1, Lemma C.1, Lemma D.1.
    """
    premises.warn_unless_unit(X, f"Lemma {appendix(net)[0]}.1")
    c_w0 = spectral_bound(net) if c_w0 is None else c_w0
    norms = layer_norms(net, params, X)
    asked = [premises.unit_inputs(X), compare("m = Ω(·)", net.width, "≥", norm_width(net, len(X), open_constants))]
    if is_residual(net):
        spectral = max(spectral_norm(W) for W in params.W) / np.sqrt(net.width)
        asked.append(compare("‖W^(h)(0)‖₂ ≤ c_w0 √m", spectral, "≤", c_w0, ROUNDING))
    with np.errstate(divide="ignore"):
        left = np.maximum(norms[1:], 1 / norms[1:])
    return compare("max(‖x^(h)‖, 1/‖x^(h)‖) ≤ c_x0", left, "≤", norm_bound(net, c_w0), premises=tuple(asked))


def norm_bound(net: Network, c_w0: float) -> float:
    """c_x0: what bounds every layer's norm and its inverse.

    2, fully connected. For ResNets the upper bound is derived: with ℓ = √q L, a layer adds at most
    (c_res/H)(ℓ c_w0 ‖x‖ + √p |σ(0)|), and ‖x^(1)‖ ≤ c, so that

        ‖x^(h)‖ ≤ exp(c_res c_w0 ℓ) (c + √p |σ(0)|/(c_w0 ℓ)),

    without H. Here c = 2, and with patches twice the root of 2 c_σ (p σ(0)² + q L²) ≥ E‖x^(1)‖², as c_σ normalises
    inputs of norm 1 and not patches. That the inverse serves as the lower bound is recalled: worst weights could take
    away what layer 1 gives, random ones do not.

    Parameters
    ----------
    net : Network
    c_w0 : float > 0
        ‖W^(h)(0)‖_2 ≤ c_w0 √m.

    Paper: Lemma B.1 (c_x0 = 2); Lemma C.1 and Lemma D.1 (derived; the recalled form is exp(O(c_res c_w0 L))).
    """
    if not is_residual(net):
        return 2.0
    sigma, p, q = net.activation, net.positions, filter_size(net)
    at_zero = abs(float(sigma.sigma(np.zeros(()))))
    first = 2.0
    if p > 1:
        first = 2 * np.sqrt(2 * sigma.c_sigma * (p * at_zero**2 + q * sigma.lipschitz**2))
    stretch = np.sqrt(growth_of_residual(net, c_w0))  # exp(c_res c_w0 √q L)
    return float(stretch * (first + np.sqrt(p) * at_zero / (c_w0 * patch_lipschitz(net))))


def norm_width(net: Network, n: int, open_constants: OpenConstants = OPEN) -> float:
    """The width asked for: nH g_C(H)²/δ, C = c_σ L (2|σ(0)|√(2/π) + 2L), fully connected; n/δ, times poly(p), else.

    (The factor H is recalled with medium confidence.)

    Paper: Lemma B.1, Lemma C.1, Lemma D.1.
    """
    base = open_constants.width * n / open_constants.failure
    if is_residual(net):
        return base * net.positions**open_constants.power
    sigma = net.activation
    at_zero = abs(float(sigma.sigma(np.zeros(()))))
    C = sigma.c_sigma * sigma.lipschitz * (2 * at_zero * np.sqrt(2 / np.pi) + 2 * sigma.lipschitz)
    return base * net.depth * geometric(C, net.depth) ** 2


def spectral_bound(net: Network) -> float:
    """c_w0 = √c + 2, c = the most columns of a W^(h) over m: ‖W‖_2 ≤ c_w0 √m but for a chance of exp(-m/2).

    Paper: Lemma G.2, which asks for c_w0 > √c + 1.
    """
    return float(np.sqrt(max(net.fan_in) / net.width) + 2)


def initial_gram(
    net: Network, params: Parameters, X: NDArray, K_H: NDArray, open_constants: OpenConstants = OPEN
) -> Comparison:
    """‖G^(H)(0) - K^(H)‖_2 ≤ λ/4, λ = λ_min(K^(H)), where m = Ω(n² log(Hn/δ) 2^O(H)/λ²).

    Without the 2^O(H) for ResNets, with a poly(p) for patches: the last term that the theorems ask of m. For ResNets
    G^(H) and λ both carry 1/H², so that the width needed does not grow with H, while 1/λ² grows as H⁴ (derived).

    Parameters
    ----------
    net : Network
        H ≥ 2 for ResNets.
    params : Parameters
        θ(0).
    X : (n, *input_shape) array
    K_H : (n, n) array
        K^(H).
    open_constants : OpenConstants
        `width`, `growth`, `power` and `failure` are used.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    ValueError
        If λ ≤ 0.

    Paper: Lemma B.2, Lemma C.2, Lemma D.2.
    """
    premises.warn_unless_unit(X, f"Lemma {appendix(net)[0]}.2")
    smallest = premises.smallest_eigenvalue(K_H, net=net, X=X)
    unit = premises.unit_inputs(X)
    width = width_terms(net, len(X), smallest, open_constants)["initial Gram"]
    left = np.linalg.norm(gram.empirical(net, params, X)[net.depth - 1] - K_H, 2)
    asked = (unit, compare("m = Ω(·)", net.width, "≥", width))
    return compare("‖G^(H)(0) - K^(H)‖₂ ≤ λ/4", left, "≤", smallest / 4, premises=asked)
