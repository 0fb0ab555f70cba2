"""What the theorems and lemmas call constants: those of the initialisation, measured, and those that stay open.

A bound of the appendices holds as soon as four numbers bound the parameters at the start. On a real network they can
be measured, and the bound checked with the smallest numbers that are true.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # whose parts are loaded when they are first used

from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.networks import ConvResNet, FullyConnected, Network, ResNet
from minimal_gd.networks.base import require_network
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare
from minimal_gd.theory.layers import filter_size, hidden_layers

# Norms of a few thousand rounded entries.
ROUNDING = 1e-11
# Up to this size LAPACK finds the largest singular value faster than Lanczos.
_DENSE_LIMIT = 30

_APPENDICES = {FullyConnected: ("B", "Theorem 5.1"), ResNet: ("C", "Theorem 6.1"), ConvResNet: ("D", "Theorem 7.1")}


@dataclass(frozen=True)
class OpenConstants:
    """What the statements leave open, for a reader to choose. No value is the paper's.

    Attributes
    ----------
    width : float > 0
        In front of every asked width: m = Ω(·).
    step : float > 0
        In front of every asked step size: η = O(·).
    radius : float > 0
        c, in front of how far the weights may go: R ≤ c ·.
    growth : float ≥ 1
        2^O(H) is growth^H, for the fully-connected network.
    power : float ≥ 0
        poly(p) is p^power, for the convolution; so is the poster's poly of all it names.
    failure : float in (0, 1)
        δ: the statement holds with probability 1 - δ.
    """

    width: float = 1.0
    step: float = 1.0
    radius: float = 1.0
    growth: float = 2.0
    power: float = 1.0
    failure: float = 0.1

    def __post_init__(self) -> None:
        for name in ("width", "step", "radius", "growth", "failure"):
            validate.positive_number(name, getattr(self, name))
        if self.growth < 1:
            raise ValueError(f"growth must be a finite number ≥ 1, got {self.growth}")
        if validate.real_number("power", self.power, "a finite number ≥ 0") < 0:
            raise ValueError(f"power must be a finite number ≥ 0, got {self.power}")
        if self.failure >= 1:
            raise ValueError(f"failure must be a probability below 1, got {self.failure}")


OPEN = OpenConstants()


@dataclass(frozen=True)
class InitialConstants:
    """Four numbers that bound θ(0) and what it makes of the samples.

    Attributes
    ----------
    c_w0 : float
        ‖W^(h)(0)‖_2 ≤ c_w0 √m for every h.
    c_x0 : float ≥ 1
        1/c_x0 ≤ ‖x_i^(h)(0)‖ ≤ c_x0 for every layer h = 1, …, H and sample i, and ‖x_i‖ ≤ c_x0.
    a_20 : float
        ‖a(0)‖_2 ≤ a_20 √m.
    a_40 : float
        (Σ_r ‖a_r(0)‖⁴)^¼ ≤ a_40 m^¼, a_r what the positions have of unit r: ‖a(0)‖_4 without a convolution.

    Paper: Lemmas B.1, B.3 and B.4.
    """

    c_w0: float
    c_x0: float
    a_20: float
    a_40: float

    def __post_init__(self) -> None:
        for name in ("c_w0", "c_x0", "a_20", "a_40"):
            validate.positive_number(name, getattr(self, name))


def measured(net: Network, params: Parameters, X: Array) -> InitialConstants:
    """The smallest constants that are true at `params`.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ(0).
    X : (n, *input_shape) array

    Raises
    ------
    TypeError, ValueError
        As `net.predict`, and if a layer is zero.
    """
    require_network(net)
    params = net.check_params(params)
    norms = layer_norms(net, params, X)
    if not norms.all():
        raise ValueError(f"params must make no layer of a sample vanish, got ‖x^(h)‖ = 0 for {net}")
    root = np.sqrt(net.width)
    units = np.linalg.norm(params.a.reshape(net.width, -1), axis=1)
    return InitialConstants(
        c_w0=max(spectral_norm(W) for W in params.W) / root,
        c_x0=float(max(norms.max(), (1 / norms[1:]).max(), 1.0)),
        a_20=float(np.linalg.norm(units) / root),
        a_40=float(np.sum(units**4) ** 0.25 / root**0.5),
    )


def as_premises(given: InitialConstants, net: Network, params: Parameters, X: Array) -> tuple[Comparison, ...]:
    """Whether the constants are true at `params`, one Comparison for each."""
    true = measured(net, params, X)
    rows = (
        ("‖W^(h)(0)‖₂ ≤ c_w0 √m", true.c_w0, given.c_w0),
        ("1/c_x0 ≤ ‖x^(h)(0)‖ ≤ c_x0", true.c_x0, given.c_x0),
        ("‖a(0)‖₂ ≤ a_20 √m", true.a_20, given.a_20),
        ("‖a(0)‖₄ ≤ a_40 m^¼", true.a_40, given.a_40),
    )
    return tuple(compare(claim, left, "≤", right, ROUNDING) for claim, left, right in rows)


def layer_norms(net: Network, params: Parameters, X: Array) -> Array:
    """‖x_i^(h)‖ (Frobenius, over the positions) for h = 0, …, H: (H + 1, n)."""
    return np.array([np.linalg.norm(x.reshape(len(x), -1), axis=1) for x in hidden_layers(net, params, X).x])


def spectral_norm(W: Array) -> float:
    """‖W‖_2, by SciPy's LAPACK for small matrices and its Lanczos for large ones."""
    if min(W.shape) <= _DENSE_LIMIT:
        return float(np.linalg.norm(W, 2))
    start = np.random.default_rng(0).standard_normal(min(W.shape)).astype(W.dtype)
    return float(scipy.sparse.linalg.svds(W, k=1, return_singular_vectors=False, v0=start)[0])


def geometric(ratio: float, terms: int) -> float:
    """g_α(n) = Σ_{i=0}^{n-1} α^i. Paper: the notation of Appendix B."""
    return float(sum(ratio**i for i in range(validate.integer("terms", terms, least=0))))


# ------------------------------------------------------------------ what the architecture adds


def appendix(net: Network) -> tuple[str, str]:
    """The appendix and the theorem that treat `net`: ("B", "Theorem 5.1").

    Raises
    ------
    TypeError
        If it is another network than the paper's three.
    """
    require_network(net)
    for kind, names in _APPENDICES.items():
        if isinstance(net, kind):
            return names
    raise TypeError(f"net must be a FullyConnected, ResNet or ConvResNet, got {net}")


def is_residual(net: Network) -> bool:
    """Whether the layers after the first have a skip connection."""
    return appendix(net)[0] != "B"


def patch_lipschitz(net: Network) -> float:
    """√q L: how much layer h may stretch what it gets, but for its scale; ‖φ(x)‖_F ≤ √q ‖x‖_F."""
    return float(np.sqrt(filter_size(net)) * net.activation.lipschitz)


def growth_per_layer(net: Network, c_w0: float) -> float:
    """c_x = 2 √c_σ L c_w0, by which an error may grow in a fully-connected layer. Paper: Lemma B.3."""
    return float(2 * np.sqrt(net.activation.c_sigma) * patch_lipschitz(net) * c_w0)


def growth_of_residual(net: Network, c_w0: float) -> float:
    """exp(2 c_res c_w0 √q L), by which an error may grow in all residual layers together. Paper: Lemma C.3."""
    if not isinstance(net, ResNet | ConvResNet):
        raise TypeError(f"net must be a ResNet or ConvResNet, got {net}")
    return float(np.exp(2 * net.c_res * c_w0 * patch_lipschitz(net)))
