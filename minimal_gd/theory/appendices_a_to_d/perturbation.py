"""Weights that moved by at most R√m: how far the layers and the last hidden layer's Gram matrix moved with them.

    ‖W^(h)(k) - W^(h)(0)‖_F, ‖a(k) - a(0)‖_2 ≤ R √m

Lemmas B.3 and B.4 for the fully-connected network, C.3 and C.4 for the ResNet, D.3 and D.4 for the convolution. The
bounds here are derived and explicit: they hold on every net for which their premises do, none of them by chance.
"""

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory import constants, premises
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.constants import OPEN, ROUNDING, InitialConstants, OpenConstants, appendix, patch_lipschitz
from minimal_gd.theory.layers import filter_size, hidden_layers


def radius(start: Parameters, moved: Parameters) -> float:
    """R, the largest of ‖W^(h)(k) - W^(h)(0)‖_F/√m and ‖a(k) - a(0)‖_2/√m. Paper: Lemma B.4."""
    pairs = zip((*start.W, start.a), (*moved.W, moved.a), strict=True)
    return float(max(np.linalg.norm(now - then) for then, now in pairs) / np.sqrt(len(start.a)))


def forward(
    net: Network, start: Parameters, moved: Parameters, X: NDArray, given: InitialConstants | None = None
) -> Comparison:
    """‖x_i^(h)(k) - x_i^(h)(0)‖ ≤ `forward_bound` for every layer h and sample i.

    Parameters
    ----------
    net : Network
        With a Lipschitz σ.
    start, moved : Parameters
        θ(0) and θ(k).
    X : (n, *input_shape) array
    given : InitialConstants, optional
        By default the smallest that are true at θ(0); others are checked, as premises.

    Returns
    -------
    Comparison
        (H, n) on both sides.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    TypeError, ValueError
        As `net.predict`, and if σ is not Lipschitz.

    Paper: Lemma B.3, Lemma C.3, Lemma D.3.
    """
    premises.warn_unless_unit(X, f"Lemma {appendix(net)[0]}.3")
    require_bounds(net, "lipschitz")
    given, asked = constants_and_premises(net, start, X, given)
    R = radius(start, moved)
    asked += (compare("R ≤ c_w0", R, "≤", given.c_w0, ROUNDING),)
    layers = zip(hidden_layers(net, start, X).x[1:], hidden_layers(net, moved, X).x[1:], strict=True)
    left = [np.linalg.norm((now - then).reshape(len(X), -1), axis=1) for then, now in layers]
    right = forward_bound(net, given, R)[:, None]
    return compare("‖x^(h)(k) - x^(h)(0)‖ ≤ C R", left, "≤", right, ROUNDING, asked)


def forward_bound(net: Network, given: InitialConstants, R: float) -> NDArray:
    """How far x^(h) may move, for h = 1, …, H, unit inputs and R ≤ c_w0.

    Fully connected, √c_σ L c_x0 g_{c_x}(h) R with c_x = 2 √c_σ L c_w0: a layer adds √c_σ L c_x0 R and multiplies what
    came before by c_x at most. For ResNets it multiplies by 1 + 2 c_res ℓ c_w0/H, ℓ = √q L, and adds c_res ℓ c_x0 R/H:

        (√c_σ ℓ + c_x0/(2 c_w0)) exp(2 c_res c_w0 ℓ) R,

    derived; as recalled, Lemma C.3 has no 2 below c_x0, a larger bound. With patches ‖φ(x)‖ ≤ √q ‖x‖ makes ℓ of L.

    Parameters
    ----------
    net : Network
    given : InitialConstants
    R : float ≥ 0

    Returns
    -------
    (H,) array

    Paper: Lemma B.3; Lemma C.3 and Lemma D.3 (derived).
    """
    first = np.sqrt(net.activation.c_sigma) * patch_lipschitz(net)  # √c_σ √q L
    if constants.is_residual(net):
        grown = (first + given.c_x0 / (2 * given.c_w0)) * constants.growth_of_residual(net, given.c_w0)
        return np.full(net.depth, grown * R)
    c_x = constants.growth_per_layer(net, given.c_w0)
    return np.array([first * given.c_x0 * constants.geometric(c_x, h) * R for h in range(1, net.depth + 1)])


def gram_matrix(
    net: Network,
    start: Parameters,
    moved: Parameters,
    X: NDArray,
    smallest: float,
    given: InitialConstants | None = None,
    open_constants: OpenConstants = OPEN,
) -> Comparison:
    """‖G^(H)(k) - G^(H)(0)‖_2 ≤ λ/4, λ = λ_min(K^(H)), where R is small enough.

    Small enough: R ≤ `asked_radius`, with a constant that is open, and n · `gram_bound` ≤ λ/4, which is derived.

    Parameters
    ----------
    net : Network
        With a Lipschitz and smooth σ; H ≥ 2 for ResNets.
    start, moved, X, given
        As for `forward`.
    smallest : float > 0
        λ.
    open_constants : OpenConstants
        `radius` and `power` are used.

    Warns
    -----
    UserWarning
        If an input is not a unit vector.

    Raises
    ------
    TypeError, ValueError
        As `forward`, and if σ is not smooth.

    Paper: Lemma B.4, Lemma C.4, Lemma D.4.
    """
    premises.warn_unless_unit(X, f"Lemma {appendix(net)[0]}.4")
    smallest = validate.positive_number("smallest", smallest)
    given, asked = constants_and_premises(net, start, X, given)
    R, n = radius(start, moved), len(X)
    asked += (
        compare("R ≤ c_w0", R, "≤", given.c_w0, ROUNDING),
        compare("R ≤ c ·", R, "≤", asked_radius(net, given, n, smallest, open_constants)),
        compare("n · bound(R) ≤ λ/4", n * gram_bound(net, given, R), "≤", smallest / 4),
    )
    G, G_start = (gram.empirical(net, params, X)[net.depth - 1] for params in (moved, start))
    left = np.linalg.norm(G - G_start, 2)
    return compare("‖G^(H)(k) - G^(H)(0)‖₂ ≤ λ/4", left, "≤", smallest / 4, premises=asked)


def asked_radius(
    net: Network, given: InitialConstants, n: int, smallest: float, open_constants: OpenConstants = OPEN
) -> float:
    """How far the weights may go: c λ/(n g_{c_x}(H)) and c/g_{c_x}(H), fully connected; c λH²/n and c for ResNets.

    With patches both are divided by a poly(p).

    Parameters
    ----------
    net : Network
    given : InitialConstants
    n : int ≥ 1
    smallest : float > 0
        λ_min(K^(H)).
    open_constants : OpenConstants
        `radius` is c; `power`.

    Paper: Lemma B.4, Lemma C.4, Lemma D.4.
    """
    c = open_constants.radius
    if not constants.is_residual(net):
        c /= constants.geometric(constants.growth_per_layer(net, given.c_w0), net.depth)
        return c * min(smallest / n, 1)
    premises.at_least_two_layers(net, f"Lemma {appendix(net)[0]}.4")
    return c * min(smallest * net.depth**2 / n, 1) / net.positions**open_constants.power


def gram_bound(net: Network, given: InitialConstants, R: float) -> float:
    """How much any entry of G^(H) may change, for unit inputs and R ≤ c_w0, so that ‖ΔG^(H)‖_2 ≤ n times this.

    With s = β_H of x^(H) = κ x^(H-1) + (s/√m) σ(z), f = √q c_x0 ≥ ‖φ‖, d = √q Δ for layer H - 1's `forward_bound` Δ,
    G^(H)_ij = (s²/m) Σ_r Σ_lr′ ⟨φ_il, φ_jr′⟩ a_rl a_rr′ σ′σ′ changes by at most s² times

        L² a_20² (2f + d) d                    from ⟨φ_i, φ_j⟩, as (1/m) Σ_r ‖a_r‖² = a_20²,
        (f + d)² 2 L β a_40² (R f + 2 c_w0 d)  from σ′(z), as (1/m) Σ_r ‖a_r‖² ‖Δz_r‖ ≤ a_40² ‖Δz‖/√m,
        (f + d)² L² (2 a_20 + R) R             from a.

    Parameters
    ----------
    net : Network
        With a Lipschitz and smooth σ.
    given : InitialConstants
    R : float ≥ 0

    Raises
    ------
    ValueError
        If σ is not Lipschitz and smooth.

    Paper: Lemma B.4, Lemma C.4, Lemma D.4 (derived).
    """
    require_bounds(net, "lipschitz", "smoothness")
    L, beta = net.activation.lipschitz, net.activation.smoothness
    root_q, (_, s) = np.sqrt(filter_size(net)), net.limit_layer(net.depth)
    f = root_q * given.c_x0
    d = root_q * (forward_bound(net, given, R)[-2] if net.depth > 1 else 0.0)
    by_features = L**2 * given.a_20**2 * (2 * f + d) * d
    by_slopes = (f + d) ** 2 * 2 * L * beta * given.a_40**2 * (R * f + 2 * given.c_w0 * d)
    by_output = (f + d) ** 2 * L**2 * (2 * given.a_20 + R) * R
    return float(s**2 * (by_features + by_slopes + by_output))


def constants_and_premises(
    net: Network, start: Parameters, X: NDArray, given: InitialConstants | None
) -> tuple[InitialConstants, tuple[Comparison, ...]]:
    """The constants, measured where none are given, and whether inputs have norm 1 and given constants are true."""
    unit = premises.unit_inputs(X)
    if given is None:
        return constants.measured(net, start, X), (unit,)
    return given, (unit, *constants.as_premises(given, net, start, X))


def require_bounds(net: Network, *names: str) -> None:
    """Refuse an activation without these constants, as Condition 3.1 does.

    Raises
    ------
    ValueError
        If `lipschitz` or `smoothness`, whichever is named, is infinite.
    """
    for name in names:
        if not np.isfinite(getattr(net.activation, name)):
            raise ValueError(f"net must have an activation of finite {name} (Condition 3.1), got {net}")
