"""The gradients and Gram matrices as the paper writes them: explicit products of matrices, no backward pass.

With J_i^(h) = diag(σ′(z_i^(h))) and x^(h) = κ_h x^(h-1) + s_h σ(W^(h) φ_h(x^(h-1))), κ_h 0 or 1,

    ∂u_i/∂W^(h) = δ_i^(h) φ_h(x_i^(h-1))ᵀ,    δ_i^(h) = [aᵀ (∏_{l=H}^{h+1} (κ_l I + s_l J_i^(l) W^(l))) s_h J_i^(h)]ᵀ,

for a convolution with vec(x^(h)) for x^(h) and the matrix of the convolution for W^(l).
"""

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gaussian, gram
from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network, arguments, require_network
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.layers import Column, column_layers, patches

# Products of some layers, each a sum of a few hundred rounded terms.
ROUNDING = 1e-11


def layer_gradients(net: Network, params: Parameters, X: NDArray, y: NDArray, is_ascending: bool = False) -> Comparison:
    """∂L/∂W^(h) = Σ_i (f(θ, x_i) - y_i) δ_i^(h) φ_h(x_i^(h-1))ᵀ, every entry of every hidden layer.

    The paper prints the transpose, x_i^(h-1) aᵀ(∏ …) J_i^(h), and a product from k = h + 1 to H; a stands on its left,
    so it must begin with layer H.

    Parameters
    ----------
    net, params, X, y
        As for `net.gradient`; the products are dense, so for small nets.
    is_ascending : bool
        Whether to multiply in the printed order instead, layer h + 1 first. For a network of H ≥ 3 that is wrong.

    Paper: Equation (12); the ResNet gradient, Appendix C; the convolutional gradient, Appendix D.
    """
    params, X, y = arguments(net, params, X, y)
    is_ascending = validate.boolean("is_ascending", is_ascending)
    left = np.concatenate([W.reshape(-1) for W in net.gradient(params, X, y).W])
    right = (net.predict(params, X) - y) @ [_sample_gradient(net, params, x, is_ascending) for x in X]
    return compare("∂L/∂W^(h) = Σ(u_i - y_i) δ_i φ_iᵀ", left, "=", right, ROUNDING)


def last_gram(net: Network, params: Parameters, X: NDArray) -> Comparison:
    """G^(H)_ij = s_H² Σ_{l,r} ⟨φ_H(x_i^(H-1))_l, φ_H(x_j^(H-1))_r⟩ Σ_k a_kl a_kr σ′(z_i,kl^(H)) σ′(z_j,kr^(H)).

    s_H² is c_σ/m for a fully-connected network, and c_res²/(H²m) after a skip connection; without a convolution there
    is one position, l = r, and φ_H(x) is x.

    Paper: G^(H), fully connected, Appendix B; G^(H), ResNet, Appendix C; G^(H), convolution, Appendix D.
    """
    params, X = arguments(net, params, X)
    last = [column_layers(net, params, x)[-1] for x in X]
    a = params.a.reshape(last[0].x.shape)
    G = np.array([[_last_gram_entry(net, a, one, other) for other in last] for one in last])
    left = gram.empirical(net, params, X)[net.depth - 1]
    return compare("G^(H)_ij = s²Σ⟨φ_il, φ_jr⟩Σ a_kl a_kr σ′σ′", left, "=", G, ROUNDING)


def layer_grams(net: Network, params: Parameters, X: NDArray) -> Comparison:
    """G^(h)_ij = ⟨∂u_i/∂W^(h), ∂u_j/∂W^(h)⟩, h = 1, …, H: from the pairs (δ, φ), and from every sample's gradient.

    Paper: G^(h), section 4.
    """
    right = [J @ J.T for J in _jacobians(net, params, X)[:-1]]
    return compare("G^(h)_ij = ⟨∂u_i/∂W^(h), ∂u_j/∂W^(h)⟩", gram.empirical(net, params, X)[:-1], "=", right, ROUNDING)


def output_gram(net: Network, params: Parameters, X: NDArray) -> Comparison:
    """G^(H+1)_ij = ⟨∂u_i/∂a, ∂u_j/∂a⟩ = ⟨x_i^(H), x_j^(H)⟩, x_i^(H) sample by sample as the paper writes it.

    Paper: G^(H+1), section 4.
    """
    params, X = arguments(net, params, X)
    last = np.array([column_layers(net, params, x)[-1].x.reshape(-1) for x in X])
    left = gram.empirical(net, params, X)[-1]
    return compare("G^(H+1)_ij = ⟨x_i^(H), x_j^(H)⟩", left, "=", last @ last.T, ROUNDING)


def whole_gram(net: Network, params: Parameters, X: NDArray) -> Comparison:
    """G(k) = Σ_h G^(h)(k), over the layers that are trained: from the pairs (δ, φ), and from every sample's gradient.

    Paper: G(k), section 4.
    """
    J = np.concatenate(_jacobians(net, params, X), axis=1)  # nothing where `a` is fixed
    return compare("G = Σ_h G^(h)", gram.total(net, params, X), "=", J @ J.T, ROUNDING)


def two_layer_recap(net: Network, X: NDArray, params: Parameters | None = None, tolerance: float = 1e-9) -> Comparison:
    """H^∞_ij = E_{w ~ N(0, I)}[σ′(wᵀx_i) σ′(wᵀx_j) x_iᵀx_j], the Gram matrix of W^(1) in a network of H = 1.

    With the factor c_σ of equation (2), which the recap leaves out, K^(1) = c_σ H^∞. The right side is a Hermite
    series; with `params`, it is the mean over the rows w of W^(1) instead, and is as wrong as a mean over m of them.

    Parameters
    ----------
    net : Network
        Of depth 1, without a convolution.
    X : (n, d) array
    params : Parameters, optional
    tolerance : float > 0
        Of the comparison: for a series that of its terms, for a sample of m rows some 1/√m.

    Raises
    ------
    ValueError
        If the net has more than one hidden layer, or positions.

    Paper: the two-layer recap, section 4 and its footnote 5.
    """
    require_network(net)
    if net.depth != 1 or net.positions != 1:
        raise ValueError(f"net must have depth 1 and no convolution for the two-layer recap, got {net}")
    X = net.check_inputs("X", X, np.float64)
    params = params if params is None else net.check_params(params)
    _, beta = net.limit_layer(1)
    slope = net.activation.dsigma
    products = X @ X.T
    if params is None:
        squares = np.diag(products)
        expectations, _ = gaussian.product(slope, slope, squares[:, None], squares[None, :], products)
    else:
        slopes = slope(X @ params.W[0].T)
        expectations = slopes @ slopes.T / net.width
    left = gram.limiting(net, X)[0][0] / beta**2
    return compare("H^∞_ij = E[σ′(wᵀx_i)σ′(wᵀx_j)] x_iᵀx_j", left, "=", expectations * products, tolerance)


def _sample_gradient(net: Network, params: Parameters, x: NDArray, is_ascending: bool) -> NDArray:
    """∂u/∂W^(h) of one sample, every entry of every hidden layer."""
    columns = column_layers(net, params, x)
    shape = columns[0].x.shape
    size = columns[0].x.size
    a = params.a.reshape(-1)  # vec of an (m, p) matrix, as vec(x^(h))
    slopes = [net.activation.dsigma(column.z).reshape(-1) for column in columns]
    steps = [
        column.skip * np.eye(size) + column.scale * slope[:, None] * _matrix(net, W)  # κ I + s J W
        for column, slope, W in zip(columns[1:], slopes[1:], params.W[1:], strict=True)
    ]
    gradients = []
    for h, column in enumerate(columns):
        row = a
        for step in steps[h:] if is_ascending else reversed(steps[h:]):
            row = row @ step
        delta = (row * column.scale * slopes[h]).reshape(shape)
        gradients.append((delta @ column.phi.T).reshape(-1))
    return np.concatenate(gradients)


def _matrix(net: Network, W: NDArray) -> NDArray:
    """The matrix of vec(x) -> vec(W φ(x)); W itself without a convolution."""
    size = net.width * net.positions
    units = np.eye(size).reshape(size, net.width, net.positions)
    return np.array([(W @ patches(net, unit)).reshape(-1) for unit in units]).T


def _last_gram_entry(net: Network, a: NDArray, one: Column, other: Column) -> float:
    features = one.phi.T @ other.phi  # ⟨φ_l, φ′_r⟩
    slopes = (a * net.activation.dsigma(one.z)).T @ (a * net.activation.dsigma(other.z))
    return one.scale**2 * float(np.sum(features * slopes))


def _jacobians(net: Network, params: Parameters, X: NDArray) -> list[NDArray]:
    """∂u_i/∂θ of every layer, (n, entries) each: the gradient of ½(u_i - y_i)² where u_i - y_i = 1."""
    params, X = arguments(net, params, X)
    rows = []
    for i, u in enumerate(net.predict(params, X)):
        gradient = net.gradient(params, X[i : i + 1], np.array([u - 1]))
        rows.append([array.reshape(-1) for array in (*gradient.W, gradient.a)])
    return [np.array(layer) for layer in zip(*rows, strict=True)]
