"""L: how curved the predictions are in a ball around θ₀, along any direction.

Along a direction V = (V^(1), …, V^(H), ȧ), with the dots for derivatives and g^(h) = ∂u/∂x^(h), δ^(h) = ∂u/∂z^(h),

    ż^(h) = V^(h) φ(x^(h-1)) + W^(h) φ(ẋ^(h-1)),    ẋ^(h) = κ ẋ^(h-1) + s σ′(z^(h)) ∘ ż^(h),    ẋ^(0) = 0,

and differentiating once more, where only what is not linear in what comes from below leaves a term,

    ü = 2⟨ȧ, ẋ^(H)⟩ + Σ_h ( 2⟨δ^(h), V^(h) φ(ẋ^(h-1))⟩ + s Σ_rl g_rl σ″(z_rl) ż_rl² ).                              (1)

**What it is for.** J(θ′) - J(θ) = ∫ D²u[θ′ - θ, ·] along the segment. For any q in ℝⁿ, ⟨q, D²u[V, V′]⟩ is a symmetric
form, largest at V = V′: so ‖D²u[V, ·]‖₂ ≤ L ‖V‖ with L = sup_‖V‖=1 ‖ü‖, the norm over the samples. L is a Lipschitz
constant of J in the spectral norm. `parts` is for the columns of J of some layers alone.

**The bound.** v_h = ‖V^(h)‖_F and v_a = ‖ȧ‖ are the shares of V, Σv² = 1. Bounds on what depends on V are vectors of
coefficients of the shares. For the ℓ^j norm over the samples, j = 2, 4, ∞, of norms over units and positions,

    ‖ż^(h)‖_j ≤ f_j v_h + √q ‖W^(h)‖ ‖ẋ^(h-1)‖_j,    ‖ẋ^(h)‖_j ≤ κ ‖ẋ^(h-1)‖_j + s L₁ ‖ż^(h)‖_j,

f_j the norm of V ↦ (V φ_i)_i, L₁ = sup |σ′|. The last term of (1) is a weighted square, with weights |g_rl|: with
w_r = max |g_r| over samples and positions and ‖·‖_w the norm Σ_r w_r (·)_r²,

    ‖ż^(h)‖_w,4 ≤ √|g|_∞ f_4 v_h + √q ‖diag(√w) W^(h)‖ ‖ẋ^(h-1)‖_4,

which knows that one direction cannot be large in the many units with large weights at once. Cauchy's inequality over
the samples for the rest of (1): ‖ü‖ ≤ vᵀMv,

    vᵀMv = 2 v_a ‖ẋ^(H)‖_2 + Σ_h ( 2 √q ‖δ^(h)‖ v_h ‖ẋ^(h-1)‖_2 + s L₂ ‖ż^(h)‖_w,4² ),    L₂ = sup |σ″|,

and L is λ_max(M): all entries are ≥ 0. The 1/√m is in s; no norm is multiplied with √n.

**In the ball** of radius ϱ every norm is that at θ₀ plus what it can change. Between θ₀ and θ a quantity changes by its
derivative along a unit direction, integrated over the distance; if the derivative is Σ_k c_k v_k at most at distance
s, that is ∫‖c(s)‖ ds from 0 to ϱ. So

    f_j by √q ∫‖c(ẋ^(h-1))_j‖,    ‖W^(h)‖ by ϱ,    max |σ′| by L₂ ∫‖c(ż^(h))_∞‖, up to sup |σ′|,

going up. Going down from ġ^(H) = ȧ, with |·|_∞ for the largest entry and W_·r for the q columns of one pixel,

    δ̇^(h) = s (ġ^(h) ∘ σ′ + g^(h) ∘ σ″ ∘ ż^(h)),    ġ^(h-1) = κ ġ^(h) + φᵀ(V^(h)ᵀ δ^(h) + W^(h)ᵀ δ̇^(h)),

    ‖δ̇^(h)‖_∞ ≤ s (L₁ ‖ġ^(h)‖_∞ + L₂ √|g|_∞ ‖ż^(h)‖_w,∞)
    ‖ġ^(h-1)‖_∞ ≤ κ ‖ġ^(h)‖_∞ + √q (‖δ‖ v_h + s L₁ ‖W‖ ‖ġ^(h)‖_∞ + s L₂ ‖diag(√w) W‖ ‖ż^(h)‖_w,∞)
    |ġ^(h-1)|_∞ ≤ κ |ġ^(h)|_∞ + √q ‖δ‖ v_h + s L₁ max_r ‖W_·r‖ ‖ġ^(h)‖_∞ + s L₂ max_r ‖w ∘ W_·r‖ ‖ż^(h)‖_∞

change ‖δ‖, ‖g‖ and |g|_∞, and with them the weights: with Δ the change of g^(h), ‖Δ‖ ≤ ∫‖c(ġ^(h))‖,

    Σ_r |Δ_r| (Wx)_r² ≤ ‖Δ‖ max_r |(Wx)_r| ‖Wx‖ ≤ ‖Δ‖ max_r ‖W_r‖ ‖W‖ ‖x‖²

for the square of ‖diag(√w) W‖, and ‖Δ ∘ W_·r‖ ≤ ‖Δ‖ max |W_rs|; what W changes adds √|g|_∞ ϱ and |g|_∞ ϱ to them.
"""

import numpy as np
from numpy.typing import NDArray

from minimal_gd.certificate.rounding import perron_root, up
from minimal_gd.certificate.start import Start


def curvature(start: Start, radii: NDArray) -> NDArray:
    """L for every ball {‖θ - θ₀‖ ≤ ϱ}, ϱ in `radii`: upper bounds, in the units of u over those of θ².

    Parameters
    ----------
    start : Start
    radii : (s,) array, ≥ 0
        Increasing. In the bounds, what is integrated up to a radius is a sum over those below.

    Returns
    -------
    (s,) array, which does not fall with the radius
    """
    return perron_root(form(start, radii))


def parts(start: Start, radii: NDArray) -> NDArray:
    """Lipschitz constants of the columns of J that belong to the layers from h on, in every ball.

    ‖D²u[V, V′]‖ ≤ vᵀMv′, as every term of (1) has its bilinear twin. With V′ in these layers alone that is the spectral
    norm of the rows of M from h on at most. The later the layers, the less curved: the columns of `a` are the features.

    Returns
    -------
    (H + 1, s) array
        The first row is `curvature`, the last of `a` alone.
    """
    M = form(start, radii)
    rows = [M[:, h:] for h in range(M.shape[1])]
    return up(np.sqrt([perron_root(some @ some.swapaxes(1, 2)) for some in rows]))


def form(start: Start, radii: NDArray) -> NDArray:
    """M for every radius: vᵀMv bounds ‖ü‖, v the shares of the layers. All operations are on numbers ≥ 0.

    Returns
    -------
    (s, H + 1, H + 1) array
        Symmetric; the last row and column belong to `a`.
    """
    H, root_q, L_2 = len(start.layers), start.root_q, start.smoothness
    shares = np.eye(H + 1)
    none = np.zeros((len(radii), H + 1))
    widths = np.diff(radii, prepend=0.0)
    M = np.zeros((len(radii), H + 1, H + 1))

    below = {2: none, 4: none, np.inf: none}  # ‖ẋ^(h-1)‖_j
    way = []
    for h, layer in enumerate(start.layers):
        at_start = {2: layer.all, 4: layer.four, np.inf: layer.one}
        phi = {j: at_start[j] + root_q * _integral(widths, x) for j, x in below.items()}
        z = {j: _times(phi[j], shares[h]) + _times(root_q * (layer.weight + radii), x) for j, x in below.items()}
        L_1 = np.minimum(start.lipschitz, layer.slope + L_2 * _integral(widths, z[np.inf]))
        way.append((layer, phi, below, z[np.inf], L_1))
        below = {j: layer.skip * x + _times(layer.scale * L_1, z[j]) for j, x in below.items()}
    if start.train_output:
        M += _pair(shares[H], 2 * below[2])

    g = entry = none + shares[H] if start.train_output else none  # ‖ġ^(H)‖ and |ġ^(H)|_∞
    for h in reversed(range(H)):
        layer, phi, below, z, L_1 = way[h]
        moved = _integral(widths, g)
        upstream = layer.upstream + _integral(widths, entry)
        root = np.sqrt(upstream)
        weighted = np.sqrt(layer.weighted**2 + moved * layer.row * layer.weight) + root * radii
        z_w = {j: _times(root * phi[j], shares[h]) + _times(root_q * weighted, below[j]) for j in (4, np.inf)}
        M += layer.scale * L_2 * z_w[4][:, :, None] * z_w[4][:, None, :]

        sloped = layer.scale * _times(L_1, g)  # s ġ ∘ σ′
        sensitivity = layer.sensitivity + _integral(widths, sloped + layer.scale * L_2 * _times(root, z_w[np.inf]))
        M += _pair(shares[h], _times(2 * root_q * sensitivity, below[2]))

        own = _times(root_q * sensitivity, shares[h])
        column = layer.weighted_column + layer.entry * moved + upstream * radii
        entry = layer.skip * entry + own + _times(layer.column + radii, sloped)
        entry += layer.scale * L_2 * _times(column, z)
        g = layer.skip * g + own + root_q * _times(layer.weight + radii, sloped)
        g += root_q * layer.scale * L_2 * _times(weighted, z_w[np.inf])
    return M


def _integral(widths: NDArray, coefficients: NDArray) -> NDArray:
    """∫‖c‖ from 0 to every radius, ‖c‖ = sup Σ_k c_k v_k over the shares. It does not fall: its last values serve."""
    return np.cumsum(widths * np.sqrt(np.sum(coefficients**2, axis=1)))


def _times(factors: NDArray, coefficients: NDArray) -> NDArray:
    """Every radius's factor times its coefficients."""
    return factors[:, None] * coefficients


def _pair(share: NDArray, coefficients: NDArray) -> NDArray:
    """The symmetric form of v_h · Σ_k c_k v_k."""
    half = 0.5 * coefficients
    return share[:, None] * half[:, None, :] + half[:, :, None] * share
