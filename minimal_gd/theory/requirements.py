"""The width and the step size that the theorems ask for, with the constants that they leave open as arguments."""

import numpy as np

from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network
from minimal_gd.theory import premises
from minimal_gd.theory.constants import OPEN, OpenConstants, appendix, is_residual


def width_terms(net: Network, n: int, smallest: float, open_constants: OpenConstants = OPEN) -> dict[str, float]:
    """The terms whose maximum the theorem for `net` asks of the width m.

    Those of `training_terms` keep the Gram matrix near its start, "norms" the layers' norms at the start, and
    "initial Gram" the Gram matrix at the start near its limit.

    Parameters
    ----------
    net : Network
        Its width plays no part.
    n : int ≥ 1
        How many samples.
    smallest : float > 0
        λ_min(K^(H)).
    open_constants : OpenConstants
        `width`, `growth`, `power`, `failure` are used.

    Raises
    ------
    TypeError, ValueError
        If `net` is not one of the paper's three, residual with H < 2, `n` not an integer ≥ 1, or λ_min ≤ 0.

    Paper: Theorem 5.1, Theorem 6.1, Theorem 7.1.
    """
    training = training_terms(net, n, smallest, open_constants)
    factor, delta = _width_factor(net, open_constants), open_constants.failure
    initial = (n / smallest) ** 2 * np.log(net.depth * n / delta)
    return training | {"norms": float(factor * (n / delta)), "initial Gram": float(factor * initial)}


def training_terms(net: Network, n: int, smallest: float, open_constants: OpenConstants = OPEN) -> dict[str, float]:
    """The `width_terms` that keep the Gram matrix near its start: one, fully connected, and two for ResNets.

    Theorem 7.1 is recalled with n⁴/(λ⁴H²) for its second term; the analogy with Theorem 6.1, and Lemmas D.4 and D.5,
    say n²/(λ²H²), which stands here.

    Paper: Theorem 5.1, Theorem 6.1, Theorem 7.1.
    """
    factor, H = _width_factor(net, open_constants), net.depth
    ratio = validate.integer("n", n) / validate.positive_number("smallest", smallest)
    if is_residual(net):
        return {"training": float(factor * ratio**4 / H**6), "training, second": float(factor * ratio**2 / H**2)}
    return {"training": float(factor * ratio**4)}


def _width_factor(net: Network, open_constants: OpenConstants) -> float:
    """What stands in front of every term: C 2^O(H), fully connected; C poly(p) for ResNets."""
    if is_residual(net):
        premises.at_least_two_layers(net, appendix(net)[1])
        return open_constants.width * net.positions**open_constants.power
    return open_constants.width * open_constants.growth**net.depth


def asked_width(net: Network, n: int, smallest: float, open_constants: OpenConstants = OPEN) -> float:
    """The largest of the `width_terms`. Paper: Theorem 5.1, Theorem 6.1, Theorem 7.1."""
    return max(width_terms(net, n, smallest, open_constants).values())


def asked_step_size(net: Network, n: int, smallest: float, open_constants: OpenConstants = OPEN) -> float:
    """The largest step size allowed: λ/(n² 2^O(H)), fully connected; λH²/n² for ResNets, over poly(p) with patches.

    Parameters
    ----------
    net, n, smallest
        As for `width_terms`.
    open_constants : OpenConstants
        `step`, `growth`, `power` are used.

    Paper: Theorem 5.1, Theorem 6.1, Theorem 7.1.
    """
    base = open_constants.step * validate.positive_number("smallest", smallest) / validate.integer("n", n) ** 2
    if is_residual(net):
        premises.at_least_two_layers(net, appendix(net)[1])
        return base * net.depth**2 / net.positions**open_constants.power
    return base / open_constants.growth**net.depth
