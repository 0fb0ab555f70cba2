"""The companion's network: how far descent may go until a unit of ReLU switches on or off on some sample.

While no w_rᵀx_i changes its sign, u_i = (1/√m) Σ_r a_r I_ri w_rᵀx_i with constant I: linear in W, and bilinear in W and
`a` together. So the bounds of `minimal_gd.certificate.curvature` hold with sup |σ′| = 1 and σ″ = 0, and L is ‖X‖/√m if
`a` is trained, else 0. A step of descent moves w_r by η ‖Σ_i r_i a_r I_ri x_i‖/√m ≤ η |a_r| ‖X‖ ‖r‖/√m, all of them
together by S times that, S = Σ_k η ‖r(θ(k))‖. No unit switches, wherever the path of the theorem's proof goes, if

    |w_rᵀx_i| > S (|a_r| + ρ) ‖X‖ ‖x_i‖/√m    for all r and i,

ρ (which is left out if `a` is fixed) for what a_r may change. As ‖r(θ(k))‖ ≤ (1 - ητa²)^k r₀, S is r₀/(τa²) at most.
The set of all weights as near to θ₀ as that, unit by unit, is convex and takes the place of the ball in the proof.
"""

import numpy as np
from numpy.typing import NDArray

from minimal_gd.certificate.rounding import down, gamma, row_norms, up
from minimal_gd.certificate.start import Start
from minimal_gd.networks.two_layer import TwoLayerReLU
from minimal_gd.parameters import Parameters


def reach(net: TwoLayerReLU, params: Parameters, X: NDArray, start: Start, radii: NDArray) -> NDArray:
    """How large S may be for every radius ρ: a lower bound, 0 where the sign of some w_rᵀx_i is not even certain."""
    lengths, weights = row_norms(X), row_norms(params.W[0])
    nearest = np.full(net.width, np.inf)
    for block in net.sample_blocks(len(X), np.float64):
        z = np.abs(X[block] @ params.W[0].T)
        certain = z - up(gamma(net.input_dim + 1) * np.outer(lengths[block], weights))
        nearest = np.minimum(nearest, np.min(down(np.maximum(certain, 0.0)) / lengths[block][:, None], axis=0))
    layer = start.layers[0]
    moves = layer.scale * layer.all
    a = np.abs(params.a)
    if not net.train_output:
        return np.full(len(radii), down(np.min(nearest / up(a * moves))))
    return np.array([down(np.min(nearest / up((a + radius) * moves))) for radius in radii])
