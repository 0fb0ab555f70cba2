"""What is measured at θ₀, all of it bounds with rounding included: the numbers that a certificate is made of.

One forward and one backward pass leave computed features φ̃_i^(h), slopes and sensitivities δ̃_i^(h). How far they are
from the exact φ, δ follows from the standard model (`minimal_gd.certificate.rounding`), layer by layer, in norms over
the positions and units of one sample i: with s the factor in front of σ, q the pixels of a patch (φ copies a pixel q
times at most, so ‖φ‖ ≤ √q) and e(·) for what a computed array misses,

    e(z^(h)) = ‖W‖₂ e(φ) + γ_k ‖W‖_F ‖φ̃‖,                e(φ) = √q e(x^(h-1)),
    e(x^(h)) = κ e(x^(h-1)) + s L₁ e(z) + 2η (‖x̃^(h)‖ + κ ‖x̃^(h-1)‖ + s √(mp)),
    e(δ^(h)) = s (L₁ e(g^(h)) + L₂ |g|_∞ e(z) + 2η (L₁ + 1) ‖g̃‖) + 2ε ‖δ̃‖,
    e(g^(h-1)) = κ e(g^(h)) + √q ‖W‖₂ e(δ) + γ_(m+q+4) (κ ‖g̃‖ + √q ‖W‖_F ‖δ̃‖)

upwards from e(x^(0)) = 0 and downwards from e(g^(H)) = 0. The norms on the right are of the exact and of any computed
arrays at once: those of the arrays at hand, plus twice what they miss. So the bounds hold for every pass over these
samples, such as that of `gram.empirical`, whose last bits may differ.

Assumed of σ and σ′: what the package computes of s σ(z) and s σ′(z), with s itself, is within
η (|s σ(z)| + s) and η (|s σ′(z)| + s), η = 2⁻⁴⁵ = 256 ε: a few units in the last place of the result and of 1. The
tests hold the activations of the package to a tenth of that, in 50 digits; for one's own it is a promise, like sup |σ′|
and sup |σ″|.

The factors s are taken to be the real numbers √(c_σ/m) and c_res/(H√m), with the floats c_σ and c_res.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd.certificate.rounding import (
    EPS,
    Stack,
    down,
    gamma,
    largest_eigenvalue,
    norm,
    perron_root,
    row_norms,
    smallest_eigenvalue,
    spectral_norm,
    up,
)
from minimal_gd.networks.base import Network
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters

SIGMA_ERROR = 2.0**-45


@dataclass
class Layer:
    """Layer h at θ₀: upper bounds over all samples i. See `minimal_gd.certificate.curvature` for what they are for.

    Attributes
    ----------
    skip, scale : float
        κ and s: x^(h) = κ x^(h-1) + s σ(z^(h)).
    weight, row, column : float
        ‖W^(h)‖₂, and the largest norms of a row of W^(h), and of the q columns that belong to one pixel.
    entry : float
        The largest entry of W^(h).
    weighted, weighted_column : float
        ‖diag(√w) W^(h)‖₂, where w_r is the largest |g_r^(h)|, and the largest norm of q such columns of diag(w) W^(h).
    all, four, one : float
        The norms of V ↦ (V φ_i)_i from the Frobenius norm to the ℓ², ℓ⁴ and ℓ^∞ norm over the samples of Frobenius
        norms.
    slope, sensitivity, upstream : float
        The largest |σ′(z_r^(h))|, ‖δ_i^(h)‖₂ and |g_r^(h)|.
    """

    skip: float
    scale: float
    weight: float
    row: float
    column: float
    entry: float
    weighted: float
    weighted_column: float
    all: float
    four: float
    one: float
    slope: float
    sensitivity: float
    upstream: float


@dataclass
class Start:
    """θ₀, measured.

    Attributes
    ----------
    layers : list of H Layers
    root_q : float
        √q, which ‖φ‖ does not exceed.
    lipschitz, smoothness : float
        sup |σ′|, which may be ∞, and sup |σ″|.
    residual : float
        At least ‖u - y‖.
    smallest : (H + 1,) array
        At index h - 1 at most σ_min of the columns of J that belong to the layers from h on, `a` the last; 0 where
        nothing can be proved. So the first is of J itself.
    largest : float
        At least ‖J‖₂; ∞ where nothing can be proved.
    train_output : bool
        Whether `a` is trained; if not, J has no columns for it.
    """

    layers: list[Layer]
    root_q: float
    lipschitz: float
    smoothness: float
    residual: float
    smallest: NDArray
    largest: float
    train_output: bool = True


class _Measuring:
    """What is known of one layer while blocks of samples go through."""

    def __init__(self, net: Network, h: int, W: NDArray) -> None:
        self.skip, beta = net.limit_layer(h + 1)
        self.scale = beta / net.width**0.5
        self.W, self.frobenius, self.patch = W, norm(W), _patch_size(net)
        self.weight = spectral_norm(W) if h > 0 else self.frobenius
        self.slope = self.sensitivity = self.one = 0.0
        self.upstream = np.zeros(net.width)
        self.features = Stack(W.shape[1])
        self.samples: list[NDArray] = []  # their features, where a sample has one position
        self.missing: list[NDArray] = []

    def layer(self) -> Layer:
        """Return the bounds, when all samples have gone through."""
        missing = norm(np.concatenate(self.missing))
        every = self.features.norm() + missing
        four = (min(self.one, every) * every) ** 0.5
        if self.samples:
            four = min(four, fourth_norm(np.concatenate(self.samples)) + missing)
        return Layer(
            skip=self.skip,
            scale=self.scale * (1 + 8 * EPS),
            weight=self.weight,
            row=float(row_norms(self.W).max()),
            column=self._column(self.W),
            entry=float(np.abs(self.W).max()),
            weighted_column=self._column(up(self.upstream)[:, None] * self.W),
            weighted=spectral_norm(np.sqrt(up(self.upstream))[:, None] * self.W),
            all=every,
            four=four,
            one=min(self.one, every),
            slope=self.slope,
            sensitivity=self.sensitivity,
            upstream=float(self.upstream.max()),
        )

    def _column(self, W: NDArray) -> float:
        """Return the largest norm of q columns that belong to one pixel."""
        return float(row_norms(W.T.reshape(-1, self.patch * len(W))).max())


class _Missing:
    """What the arrays of one block of samples miss, sample by sample: e(φ_h), e(z^(h)), e(δ^(h)) and e(x^(H))."""

    def __init__(self) -> None:
        self.phi: list[NDArray] = []
        self.z: list[NDArray] = []
        self.delta: dict[int, NDArray] = {}
        self.x: NDArray


def measure(net: Network, params: Parameters, X: NDArray, y: NDArray, lipschitz: float, smoothness: float) -> Start:
    """Go forward and back once, and bound everything that a certificate needs.

    Parameters
    ----------
    net : Network
    params, X, y
        Checked, in float64.
    lipschitz, smoothness : float
        sup |σ′|, which may be ∞, and sup |σ″|, where θ can be, but for their own rounding.
    """
    lipschitz, smoothness = float(up(lipschitz)), float(up(smoothness))
    root_q = float(up(min(_patch_size(net), net.positions) ** 0.5))
    layers = [_Measuring(net, h, W) for h, W in enumerate(params.W)]
    residuals, wrong, squares = [], [], []
    for block, work in net.workspaces(X, np.float64):
        missing = _Missing()
        net.forward(params, work)
        _measure_forward(net, layers, work, missing, root_q, lipschitz, smoothness)
        residuals.append(_residuals(params.a, work, y[block], missing))
        net.backward(params, work, np.ones_like(work.u))
        _measure_backward(net, params, layers, work, missing, root_q, smoothness)
        wrong.append(_wrong_gradients(net, work, missing))
        squares.append(_squares_of_gradients(net, work, missing))
    smallest, largest = _singular_values(net, params, X, np.concatenate(squares), norm(np.concatenate(wrong)))
    return Start(
        layers=[layer.layer() for layer in layers],
        root_q=root_q,
        lipschitz=lipschitz,
        smoothness=smoothness,
        residual=norm(np.concatenate(residuals)),
        smallest=smallest,
        largest=largest,
        train_output=net.train_output,
    )


def _patch_size(net: Network) -> int:
    """q, the number of pixels of a patch."""
    return net.fan_in[0] // net.input_shape[0]


def _sizes(array: NDArray, missing: NDArray) -> NDArray:
    """Bounds on the Frobenius norms of the exact arrays of every sample, and of any computed ones."""
    return row_norms(array.reshape(len(missing), -1)) + 2 * missing


def _spectral_norms(array: NDArray, n: int) -> NDArray:
    """Upper bounds on the spectral norms of n matrices of as many rows each: ‖B‖₂ ≤ ‖BBᵀ‖_F^½, and ‖B‖₂ ≤ ‖B‖_F."""
    rows, columns = len(array) // n, array.shape[1]
    B = array.reshape(n, rows, columns)
    frobenius = row_norms(B.reshape(n, -1))
    if rows == 1:
        return frobenius
    square = B @ B.transpose(0, 2, 1) if rows <= columns else B.transpose(0, 2, 1) @ B
    products = row_norms(square.reshape(n, -1)) + gamma(rows + columns) * frobenius**2
    return np.fmin(frobenius, up(np.sqrt(products)))


def fourth_norm(rows: NDArray) -> float:
    """Return an upper bound on sup_V (Σ_i ‖V x_i‖⁴)^¼ over ‖V‖_F = 1, x_i the rows.

    ‖V x_i‖² = ⟨VᵀV, x_i x_iᵀ⟩ with ‖VᵀV‖_F ≤ 1: the sum of squares is λ_max of the products ⟨x_i x_iᵀ, x_j x_jᵀ⟩ =
    ⟨x_i, x_j⟩² at most.
    """
    largest = np.abs(rows).max(initial=0.0)
    if not 0 < largest < np.inf:
        return np.inf
    exponent = int(np.frexp(largest)[1])
    rows = np.ldexp(rows, -exponent)  # exactly, but for entries that are lost beside the largest
    norms = row_norms(rows)
    K = np.abs(rows @ rows.T) + gamma(rows.shape[1] + 1) * np.outer(norms, norms)
    return float(np.ldexp(up(perron_root(K * K) ** 0.25), exponent))


def _measure_forward(
    net: Network,
    layers: list[_Measuring],
    work: Workspace,
    missing: _Missing,
    root_q: float,
    lipschitz: float,
    smoothness: float,
) -> None:
    """After `forward`, measure the features and the slopes, and bound what the features and the z^(h) miss."""
    n, e_x = len(work.u), np.zeros(len(work.u))
    ones = (net.width * net.positions) ** 0.5  # the norm of an array of ones
    for h, layer in enumerate(layers):
        e_phi = root_q * e_x
        size = _sizes(work.phi[h], e_phi)
        e_z = up(layer.weight * e_phi + gamma(net.fan_in[h] + 1) * layer.frobenius * size)
        steepest = np.abs(work.delta[h]).max() / layer.scale * (1 + 2 * SIGMA_ERROR) + 2 * SIGMA_ERROR
        slope = min(float(up(steepest + smoothness * e_z.max())), lipschitz)
        # ‖s σ(z)‖ ≤ ‖x^(h)‖ + κ ‖x^(h-1)‖, and a pixel is in its own patch
        rounding = 2 * SIGMA_ERROR * (_sizes(work.phi[h + 1], 0 * e_x) + layer.skip * size + layer.scale * ones)
        e_x = up(layer.skip * e_x + layer.scale * slope * e_z + rounding)
        missing.phi.append(e_phi)
        missing.z.append(e_z)

        layer.slope = max(layer.slope, slope)
        layer.one = max(layer.one, float((_spectral_norms(work.phi[h], n) + e_phi).max()))
        layer.features.add(work.phi[h])
        layer.missing.append(e_phi)
        if net.positions == 1:
            layer.samples.append(np.array(work.phi[h]))
    missing.x = e_x


def _residuals(a: NDArray, work: Workspace, y: NDArray, missing: _Missing) -> NDArray:
    """Upper bounds on |u_i - y_i|: u_i is a sum of m·p products."""
    e_u = norm(a) * (missing.x + gamma(a.size + 1) * _sizes(work.phi[-1], missing.x))
    return up(np.abs(work.u - y) * (1 + 2 * EPS) + e_u)


def _measure_backward(
    net: Network,
    params: Parameters,
    layers: list[_Measuring],
    work: Workspace,
    missing: _Missing,
    root_q: float,
    smoothness: float,
) -> None:
    """After `backward`, go down again for the g^(h), measure them and the δ^(h), and bound what they miss."""
    n, p, m = len(work.u), net.positions, net.width
    g, e_g = work.g, np.zeros(n)
    g.reshape(n, p, m)[...] = params.a.reshape(m, p).T  # ∂u/∂x^(H) = a
    for h in reversed(range(net.depth)):
        layer, delta = layers[h], work.delta[h]
        size, entries = _sizes(g, e_g), np.abs(g)
        largest = entries.reshape(n, -1).max(axis=1) + 2 * e_g
        wrong_slopes = smoothness * largest * missing.z[h] + 2 * SIGMA_ERROR * (layer.slope + 1) * size
        e_delta = up(layer.scale * ((layer.slope + 2 * SIGMA_ERROR) * e_g + wrong_slopes))
        e_delta = up(e_delta + 2 * EPS * _sizes(delta, 0 * e_delta))
        missing.delta[h] = e_delta

        layer.upstream = np.maximum(layer.upstream, up(entries.max(axis=0) + e_g.max()))
        layer.sensitivity = max(layer.sensitivity, float((_spectral_norms(delta, n) + e_delta).max()))
        if h > 0:
            products = root_q * layer.frobenius * _sizes(delta, e_delta)
            e_g = layer.skip * e_g + root_q * layer.weight * e_delta
            e_g = up(e_g + gamma(m + _patch_size(net) + 4) * (layer.skip * size + products))
            g *= layer.skip
            net.add_patches(np.matmul(delta, params.W[h], out=work.product), g)


def _wrong_gradients(net: Network, work: Workspace, missing: _Missing) -> NDArray:
    """Upper bounds on how far Σ_l δ̃_l ⊗ φ̃_l, all layers together, is from the exact gradient of a sample's u."""
    square = missing.x**2 if net.train_output else 0 * missing.x
    for h, e_phi in enumerate(missing.phi):
        e_delta = missing.delta[h]
        delta, phi = _sizes(work.delta[h], e_delta), _sizes(work.phi[h], e_phi)
        square = square + (e_delta * phi + delta * e_phi) ** 2
    return up(np.sqrt(square))


def _squares_of_gradients(net: Network, work: Workspace, missing: _Missing) -> NDArray:
    """Σ_h ‖δ^(h)‖² ‖φ_h‖² of every sample, which ‖∂u_i/∂θ‖² does not exceed."""
    square = _sizes(work.phi[-1], missing.x) ** 2 if net.train_output else 0 * missing.x
    for h, e_phi in enumerate(missing.phi):
        square = square + (_sizes(work.delta[h], missing.delta[h]) * _sizes(work.phi[h], e_phi)) ** 2
    return up(square)


def _singular_values(
    net: Network, params: Parameters, X: NDArray, squares: NDArray, missed: float
) -> tuple[NDArray, float]:
    """Bounds σ_min(J) ≥ √(λ_min(G̃) - error) - ‖J̃ - J‖ and ‖J‖ ≤ √(λ_max(G̃) + error) + ‖J̃ - J‖, for layers h, …, H + 1.

    J̃ is made of computed δ̃ and φ̃, whose products G̃ are computed in turn. An entry of G̃ is a sum of at most k products
    of products, so it is within γ_k c_i c_j, c_i² = Σ_h ‖δ_i‖² ‖φ_i‖²: a matrix of norm γ_k Σ_i c_i² at most.
    """
    p, m, trace = net.positions, net.width, float(up(squares.sum()))
    if not 2.0**-300 < trace < 2.0**300:  # where nothing over- or underflows on the way
        return np.zeros(net.depth + 1), np.inf
    terms = max(max(m + k + p * p, min(m * k, p * p * (m + k)) + p) for k in (*net.fan_in, m)) + 2 * net.depth + 20
    G = gram.empirical(net, params, X)
    if not net.train_output:
        G[-1] = 0
    G = np.cumsum(G[::-1], axis=0)[::-1]  # sums of the layers from h on
    error = float(up(gamma(terms) * trace))
    lowest = np.array([smallest_eigenvalue(some) for some in G])
    smallest = down(down(np.maximum(lowest - error, 0.0) * (1 - 4 * EPS)) ** 0.5) - missed
    return np.maximum(0.0, smallest * (1 - 4 * EPS)), float(up(up(largest_eigenvalue(G[0]) + error) ** 0.5) + missed)
