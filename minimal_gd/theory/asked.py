"""The width and the step size that the theorems ask for, with the constants that they leave open as arguments."""

import numpy as np

from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network
from minimal_gd.theory import premises
from minimal_gd.theory.constants import OPEN, OpenConstants, appendix


def width_terms(net: Network, n: int, smallest: float, open_constants: OpenConstants = OPEN) -> dict[str, float]:
    """The terms whose maximum the theorem for `net` asks of the width m.

    "training" keeps the Gram matrix near its start, "norms" the layers' norms at the start, "initial Gram" the Gram
    matrix at the start near its limit. Theorem 7.1 is recalled with n⁴/(λ⁴H²) for its second term; the analogy with
    Theorem 6.1, and Lemmas D.4 and D.5, say n²/(λ²H²), which stands here.

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
    letter, theorem = appendix(net)
    n, H, delta = validate.integer("n", n), net.depth, open_constants.failure
    ratio = n / validate.positive_number("smallest", smallest)
    norms, initial = n / delta, ratio**2 * np.log(H * n / delta)
    if letter == "B":
        factor = open_constants.width * open_constants.growth**H
        terms = {"training": ratio**4, "norms": norms, "initial Gram": initial}
    else:
        premises.at_least_two_layers(net, theorem)
        factor = open_constants.width * net.positions**open_constants.power
        terms = {
            "training": ratio**4 / H**6,
            "training, second": ratio**2 / H**2,
            "norms": norms,
            "initial Gram": initial,
        }
    return {name: float(factor * term) for name, term in terms.items()}


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
    letter, theorem = appendix(net)
    base = open_constants.step * validate.positive_number("smallest", smallest) / validate.integer("n", n) ** 2
    if letter == "B":
        return base / open_constants.growth**net.depth
    premises.at_least_two_layers(net, theorem)
    return base * net.depth**2 / net.positions**open_constants.power
